/* turns.h - contenders that are timed in turn: for layer.c.
 *
 * Absolute times drift with the clock, the neighbours and the physical pages a process was given.
 * So the contenders take turns within one run, each round gives a time of each, and ratios of times
 * are taken within a round.
 *
 * A sample is one call that is not timed, so that everyone starts with its own data in the caches,
 * and then as many as last a millisecond. With threads, which rest before a sample, 5 ms of calls
 * are not timed.
 */
#ifndef BENCH_TURNS_H
#define BENCH_TURNS_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L /* clock_gettime, nanosleep */
#endif
#include "data.h"
#include "move.h"
#include "peers.h"
#include "pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLE_SECONDS 1e-3
#define WARM_SECONDS 5e-3 /* after a rest of 8 ms the first calls were up to 1.8 times slower */
#define MAX_ROUNDS 1001

struct contender {
    void (*run)(void *user);
    void *user;
    void (*drop)(void *user);
    size_t loops; /* timed calls in a sample */
    double median, seconds[MAX_ROUNDS];
};

/* Set before the first turn. */
static struct {
    int threads, rounds;
} turns = {1, 15};

static inline double turns_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline double turns_now(void)
{
    return turns_clock(CLOCK_MONOTONIC);
}

static inline double turns_sample(const struct contender *k)
{
    double start = turns_now();
    size_t i;
    do k->run(k->user);
    while (turns.threads > 1 && turns_now() - start < WARM_SECONDS);
    start = turns_now();
    for (i = 0; i < k->loops; ++i) k->run(k->user);
    return (turns_now() - start) / (double)k->loops;
}

/* Doubles the calls of a sample until it lasts long enough. */
static inline void turns_calibrate(struct contender *k)
{
    k->loops = 1;
    turns_sample(k);
    while (turns_sample(k) * (double)k->loops < SAMPLE_SECONDS) k->loops *= 2;
}

/* OpenMP's threads spin for milliseconds after a call, on the processors of the next in turn. */
static inline void turns_rest(void)
{
    struct timespec t = {0, 8000000};
    if (turns.threads > 1) nanosleep(&t, NULL);
}

static inline int turns_by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

/* The quantile q of v, between its neighbours. */
static inline double turns_quantile(const double *v, int count, double q)
{
    static double sorted[MAX_ROUNDS];
    double at = q * (count - 1);
    int i = (int)at;
    memcpy(sorted, v, (size_t)count * sizeof *v);
    qsort(sorted, (size_t)count, sizeof *sorted, turns_by_value);
    return sorted[i] + (i + 1 < count ? (at - i) * (sorted[i + 1] - sorted[i]) : 0);
}

static inline void turns_take(struct contender *k, int count)
{
    int i, round;
    for (i = 0; i < count; ++i) turns_rest(), turns_calibrate(&k[i]);
    for (round = 0; round < turns.rounds; ++round)
        for (i = 0; i < count; ++i) turns_rest(), k[i].seconds[round] = turns_sample(&k[i]);
    for (i = 0; i < count; ++i) k[i].median = turns_quantile(k[i].seconds, turns.rounds, 0.5);
}

/* The median of a's times over b's, round by round, or another quantile. */
static inline double turns_ratio(const struct contender *a, const struct contender *b, double q)
{
    static double ratios[MAX_ROUNDS];
    int i;
    for (i = 0; i < turns.rounds; ++i) ratios[i] = a->seconds[i] / b->seconds[i];
    return turns_quantile(ratios, turns.rounds, q);
}

/* The least of a few samples, to choose between ways of one contender. */
static inline double turns_quick(struct contender *k)
{
    turns_rest();
    turns_calibrate(k);
    return fmin(turns_sample(k), fmin(turns_sample(k), turns_sample(k)));
}

/* Whether a peer's call does what it should; it has not run yet. */
typedef int turns_judge(const struct peer *, void *call, void *user);

/* Makes the fastest way of a peer that the judge lets pass a contender; 0 where there is none. */
static inline int turns_enter(struct contender *k, const struct peer *peer,
                              const struct problem *p, const struct inputs *in,
                              turns_judge *judge, void *user)
{
    double best = 0;
    int way;
    k->user = NULL;
    for (way = 0; way < PEERS_WAYS; ++way) {
        struct contender trial = {peer->run, NULL, peer->drop, 1, 0, {0}};
        double seconds;
        trial.user = peer->prepare(p, in, way);
        if (!trial.user) continue;
        if (!judge(peer, trial.user, user)) {
            peer->drop(trial.user);
            continue;
        }
        seconds = turns_quick(&trial);
        if (k->user && seconds >= best) {
            peer->drop(trial.user);
            continue;
        }
        if (k->user) peer->drop(k->user);
        best = seconds, *k = trial;
    }
    return k->user != NULL;
}

/* ---- The limit: each tensor moved once ------------------------------------------------------ */

struct limit {
    void *tensors[4];
    move what;
    int stream;
    size_t lines;
};

static inline void turns_limit_task(void *user, size_t index)
{
    const struct limit *limit = (const struct limit *)user;
    size_t threads = crew_pool.threads;
    move_lines(limit->what, limit->stream, limit->tensors, limit->lines * index / threads,
               limit->lines * (index + 1) / threads);
}

static inline void turns_limit_run(void *user)
{
    if (crew_pool.threads > 1) crew_run(NULL, crew_pool.threads, turns_limit_task, user);
    else turns_limit_task(user, 0);
}

/* Stores past the caches where that is faster. */
static inline void turns_limit_choose(struct limit *limit)
{
    struct contender k = {turns_limit_run, NULL, NULL, 1, 0, {0}};
    double plain;
    k.user = limit;
    limit->stream = 0;
    plain = turns_quick(&k);
    if (!move_can_stream) return;
    limit->stream = 1;
    limit->stream = turns_quick(&k) < plain;
}

/* ---- Data ----------------------------------------------------------------------------------- */

static inline float *turns_floats(size_t count, float scale, float shift)
{
    float *v = (float *)peers_get(count, sizeof *v);
    size_t i;
    for (i = 0; i < count; ++i) v[i] = scale * data_normal() + shift;
    return v;
}

#endif /* BENCH_TURNS_H */
