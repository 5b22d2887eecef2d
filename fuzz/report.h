/* report.h - what a check does that fails: it says what and, once, of which problem. Under a
 * fuzzing engine the program ends there; replay and search go on.
 *
 *   must(cond, "format", ...)     one check
 */
#ifndef REPORT_H
#define REPORT_H

static struct {
    int go_on;                        /* count instead of ending the program        */
    int quiet;                        /* ... and say nothing                        */
    unsigned long checks, failures;   /* since the program's start                  */
    unsigned told;                    /* lines about the present problem            */
    void (*describe)(FILE *out, const void *problem); /* prints the present problem */
    const void *problem;
} report;

static inline int must(int cond, const char *fmt, ...) TEST_PRINTF(2, 3);

/* The present problem, from here on. */
static inline void report_about(void (*describe)(FILE *, const void *), const void *problem)
{
    report.describe = describe, report.problem = problem, report.told = 0;
}

static inline int must(int cond, const char *fmt, ...)
{
    ++report.checks;
    if (cond) return 1;
    ++report.failures;
    if (!report.quiet && report.told++ < TEST_SHOWN) {
        va_list args;
        fflush(stdout);
        fprintf(stderr, "FAILED: ");
        va_start(args, fmt);
        vfprintf(stderr, fmt, args);
        va_end(args);
        fprintf(stderr, "\n");
        if (report.told == 1 || !report.go_on) report.describe(stderr, report.problem);
    }
    if (!report.go_on) abort();
    return 0;
}

#endif /* REPORT_H */
