/* test.h - a small TAP harness. One test program includes it once.
 *
 *   ok(cond, "format", ...)     one line, `ok N - text` or `not ok N - text`
 *   group("format", ...)        starts a group: thousands of comparisons that make one line
 *   check(cond, "format", ...)  one comparison of the group; the first 5 failures are printed
 *   group_end()                 the line of the group; a group that compared nothing fails
 *   skip("reason", ...)         `ok N # SKIP reason`; with STRICT=1 in the environment a failure
 *   note("format", ...)         `# text`
 *   plan(N)                     optional, first: a test that ends early is then a failure
 *   return done_testing();      `1..N` unless planned, and the exit status
 */
#ifndef TEST_H
#define TEST_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__MINGW32__) /* C99's printf, by __USE_MINGW_ANSI_STDIO */
#define TEST_PRINTF(text, first) __attribute__((format(gnu_printf, text, first)))
#elif defined(__GNUC__)
#define TEST_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define TEST_PRINTF(text, first)
#endif

#define TEST_SHOWN 5 /* failures of a group that are printed in full */

static struct {
    unsigned planned, run, failed, skipped;
    unsigned long compared, differed; /* of the open group */
    char group[160];
} test_state;

static inline int ok(int cond, const char *fmt, ...) TEST_PRINTF(2, 3);
static inline int test_differs(const char *fmt, ...) TEST_PRINTF(1, 2);
static inline void group(const char *fmt, ...) TEST_PRINTF(1, 2);
static inline void skip(const char *fmt, ...) TEST_PRINTF(1, 2);
static inline void note(const char *fmt, ...) TEST_PRINTF(1, 2);

/* Flushed line by line, so that a crash does not swallow what was known before it. */
static inline void test_line(const char *head, const char *fmt, va_list args)
{
    fputs(head, stdout);
    vprintf(fmt, args);
    putchar('\n');
    fflush(stdout);
}

static inline void plan(unsigned tests)
{
    test_state.planned = tests;
    printf("1..%u\n", tests);
}

static inline void note(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    test_line("# ", fmt, args);
    va_end(args);
}

static inline int ok(int cond, const char *fmt, ...)
{
    char head[48];
    va_list args;
    ++test_state.run;
    test_state.failed += !cond;
    snprintf(head, sizeof head, "%s %u - ", cond ? "ok" : "not ok", test_state.run);
    va_start(args, fmt);
    test_line(head, fmt, args);
    va_end(args);
    return cond;
}

static inline void skip(const char *fmt, ...)
{
    const char *strict = getenv("STRICT");
    int fail = strict && *strict && strcmp(strict, "0") != 0;
    char head[64];
    va_list args;
    ++test_state.run;
    ++test_state.skipped;
    test_state.failed += (unsigned)fail;
    /* TAP takes a `# SKIP` on any line for harmless, so a strict failure is worded otherwise. */
    snprintf(head, sizeof head, fail ? "not ok %u - STRICT forbids to skip: " : "ok %u # SKIP ",
             test_state.run);
    va_start(args, fmt);
    test_line(head, fmt, args);
    va_end(args);
}

static inline void group(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(test_state.group, sizeof test_state.group, fmt, args);
    va_end(args);
    test_state.compared = test_state.differed = 0;
}

/* A macro, so that the words of a comparison that holds are not computed: in tests of many short
   calls these took a seventh of the time. */
#define check(cond, ...) ((cond) ? test_agrees() : test_differs(__VA_ARGS__))

static inline int test_agrees(void)
{
    ++test_state.compared;
    return 1;
}

static inline int test_differs(const char *fmt, ...)
{
    ++test_state.compared;
    if (++test_state.differed <= TEST_SHOWN) {
        va_list args;
        va_start(args, fmt);
        test_line("#   failed: ", fmt, args);
        va_end(args);
    }
    return 0;
}

static inline int group_end(void)
{
    if (test_state.differed > TEST_SHOWN)
        note("  ... and %lu more", test_state.differed - TEST_SHOWN);
    if (test_state.differed)
        return ok(0, "%s: %lu of %lu fail", test_state.group, test_state.differed,
                  test_state.compared);
    return ok(test_state.compared > 0, "%s (%lu)", test_state.group, test_state.compared);
}

static inline int done_testing(void)
{
    int short_run = test_state.planned && test_state.planned != test_state.run;
    if (!test_state.planned) printf("1..%u\n", test_state.run);
    if (short_run) note("planned %u tests, ran %u", test_state.planned, test_state.run);
    if (test_state.skipped) note("skipped %u", test_state.skipped);
    if (test_state.failed) note("failed %u of %u", test_state.failed, test_state.run);
    fflush(stdout);
    return test_state.failed || short_run || !test_state.run ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Memory for a test; ends the program where there is none. Any length, 0 too. */
static inline void *test_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) {
        printf("Bail out! no memory for %zu times %zu bytes\n", count, size);
        exit(EXIT_FAILURE);
    }
    return p;
}

/* Bits, read as integers: a compiler under fast-math may fold x != x. All NaNs are one value. */
static inline uint32_t bits_f32(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static inline uint64_t bits_f64(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static inline int is_nan_f32(float v)
{
    return (bits_f32(v) & 0x7fffffffu) > 0x7f800000u;
}

static inline int is_nan_f64(double v)
{
    return (bits_f64(v) & UINT64_C(0x7fffffffffffffff)) > UINT64_C(0x7ff0000000000000);
}

static inline int same_f32(float a, float b)
{
    return bits_f32(a) == bits_f32(b) || (is_nan_f32(a) && is_nan_f32(b));
}

static inline int same_f64(double a, double b)
{
    return bits_f64(a) == bits_f64(b) || (is_nan_f64(a) && is_nan_f64(b));
}

/* Index of the first element whose bits differ; `count` when none does. */
static inline size_t diff_f32(const float *a, const float *b, size_t count)
{
    size_t i = 0;
    while (i < count && same_f32(a[i], b[i])) ++i;
    return i;
}

static inline size_t diff_f64(const double *a, const double *b, size_t count)
{
    size_t i = 0;
    while (i < count && same_f64(a[i], b[i])) ++i;
    return i;
}

static inline int same_bits_f32(const float *a, const float *b, size_t count)
{
    return diff_f32(a, b, count) == count;
}

static inline int same_bits_f64(const double *a, const double *b, size_t count)
{
    return diff_f64(a, b, count) == count;
}

#endif /* TEST_H */
