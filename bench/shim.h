/* shim.h - Google Benchmark behind a C interface: what is timed, and what sets it up, is C.
 *
 * Its flags work, and its file format; these differ:
 *     --benchmark_min_time, --benchmark_repetitions   default to MIN_TIME and REPETITIONS below
 *     --benchmark_filter    a POSIX extended regex on the names as they are printed
 *     the console           a line for each row, medians over the repetitions, [done/all]
 * Times are wall times: what a pool does in other threads counts.
 */
#ifndef SHIM_H
#define SHIM_H

#define SHIM_MIN_TIME "0.03"
#define SHIM_REPETITIONS "5"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shim_state shim_state;

/* One line of the benchmark. Everything but `call` is outside of the time. */
typedef struct shim_row {
    const char *name;
    const char *label;                  /* where the case comes from; may be NULL               */
    void *user;                         /* handed to these:                                     */
    const char *(*prepare)(void *user); /* before each repetition: NULL, or what went wrong     */
    void (*before)(void *user);         /* before each call, or NULL; then CALLS calls a time   */
    void (*call)(void *user);
    const char *(*finish)(void *user, shim_state *); /* after it: adds numbers; as prepare      */
} shim_row;

enum { SHIM_COLD_CALLS = 10 };

/* Takes Google Benchmark's flags out of argv; what is left is the program's. Returns the filter,
   empty if there is none. */
const char *shim_init(int *argc, char ***argv);
/* Goes to the head of the output file. */
void shim_context(const char *key, const char *value);
/* Adds a row, which has to stay; 1 if so, 0 if the filter keeps it out, -1 if that is no regex. */
int shim_add(const shim_row *row, const char *filter);
/* For `finish`: a number that goes beside the time. Known to the console: `bytes` moved by a call
   at the least, and `limit`, seconds that moving them takes. */
void shim_number(shim_state *, const char *name, double value);
/* Runs what was added, or lists it (--benchmark_list_tests). Returns the rows that went wrong. */
int shim_run(void);

#ifdef __cplusplus
}
#endif

#endif /* SHIM_H */
