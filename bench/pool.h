/* pool.h - the threads of the benchmark, as nrm_pool: they spin for a while, then sleep.
 *
 *     crew_start(4);  args.pool = &crew_pool;  ...       three threads and whoever calls run
 *
 * Between the rounds of a call, and between calls that follow each other, the threads spin: waking
 * one from a condition variable takes some 50 us, as much as the whole of a small call. They sleep
 * during rows of one thread. A thread that is late holds nobody up: it finds no task of its round.
 * Include normalize.h first.
 */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define CREW_SPIN_NS 100000

typedef void crew_task(void *arg, size_t index);

static struct {
    pthread_mutex_t lock;
    pthread_cond_t go;
    uint64_t ticket; /* upper half: the round; lower half: the next index */
    size_t tasks, unfinished;
    int sleeping;
    crew_task *task;
    void *arg;
} crew = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, NULL, NULL};

static inline uint64_t crew_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void crew_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb"); /* `yield` takes no time at all */
#endif
}

/* Runs tasks of this round while there are any. What is read before the index is drawn belongs to
   this round if the drawing succeeds. */
static inline void crew_work(uint64_t round)
{
    uint64_t ticket = __atomic_load_n(&crew.ticket, __ATOMIC_SEQ_CST);
    for (;;) {
        crew_task *task = __atomic_load_n(&crew.task, __ATOMIC_RELAXED);
        void *arg = __atomic_load_n(&crew.arg, __ATOMIC_RELAXED);
        size_t tasks = __atomic_load_n(&crew.tasks, __ATOMIC_RELAXED);
        if (ticket >> 32 != round || (ticket & UINT32_MAX) >= tasks) return;
        if (!__atomic_compare_exchange_n(&crew.ticket, &ticket, ticket + 1, 0, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST))
            continue;
        task(arg, (size_t)(ticket & UINT32_MAX));
        __atomic_sub_fetch(&crew.unfinished, 1, __ATOMIC_SEQ_CST);
        ticket = __atomic_load_n(&crew.ticket, __ATOMIC_SEQ_CST);
    }
}

static inline uint64_t crew_round(void)
{
    return __atomic_load_n(&crew.ticket, __ATOMIC_SEQ_CST) >> 32;
}

/* The next round after `seen`. */
static inline uint64_t crew_wait(uint64_t seen)
{
    const uint64_t start = crew_now();
    do {
        int i;
        for (i = 0; i < 16; ++i, crew_pause())
            if (crew_round() != seen) return crew_round();
    } while (crew_now() - start < CREW_SPIN_NS);
    pthread_mutex_lock(&crew.lock);
    __atomic_add_fetch(&crew.sleeping, 1, __ATOMIC_SEQ_CST);
    while (crew_round() == seen) pthread_cond_wait(&crew.go, &crew.lock);
    __atomic_sub_fetch(&crew.sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&crew.lock);
    return crew_round();
}

static __thread size_t crew_number; /* whoever calls run is 0 */

static inline void *crew_thread(void *number)
{
    uint64_t round = 0;
    crew_number = (size_t)(uintptr_t)number;
    for (;;) {
        round = crew_wait(round);
        crew_work(round);
    }
    return NULL;
}

static inline void crew_run(void *user, size_t tasks, crew_task *task, void *arg)
{
    const uint64_t round = (crew_round() + 2) & UINT32_MAX;
    (void)user;
    /* A round without indices in between: a late thread draws none while the rest is written. */
    __atomic_store_n(&crew.ticket, ((round - 1) & UINT32_MAX) << 32 | UINT32_MAX, __ATOMIC_SEQ_CST);
    __atomic_store_n(&crew.task, task, __ATOMIC_SEQ_CST);
    __atomic_store_n(&crew.arg, arg, __ATOMIC_SEQ_CST);
    __atomic_store_n(&crew.tasks, tasks, __ATOMIC_SEQ_CST);
    __atomic_store_n(&crew.unfinished, tasks, __ATOMIC_SEQ_CST);
    __atomic_store_n(&crew.ticket, round << 32, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&crew.sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&crew.lock);
        pthread_cond_broadcast(&crew.go);
        pthread_mutex_unlock(&crew.lock);
    }
    crew_work(round);
    while (__atomic_load_n(&crew.unfinished, __ATOMIC_SEQ_CST)) crew_pause();
}

/* An index for each thread, its own one every time unless it is late: what it moved the last time
   is in its own caches. */
enum { CREW_OWN_MOST = 256 };

typedef struct crew_own {
    crew_task *task;
    void *arg;
    size_t tasks;
    unsigned char taken[CREW_OWN_MOST];
} crew_own;

static inline void crew_own_task(void *arg, size_t index)
{
    crew_own *own = (crew_own *)arg;
    size_t i;
    (void)index;
    for (i = 0; i < own->tasks; ++i) {
        const size_t mine = (crew_number + i) % own->tasks;
        if (__atomic_exchange_n(&own->taken[mine], 1, __ATOMIC_SEQ_CST)) continue;
        own->task(own->arg, mine);
        return;
    }
}

static inline void crew_run_own(size_t tasks, crew_task *task, void *arg)
{
    crew_own own;
    size_t i;
    if (tasks > CREW_OWN_MOST) {
        crew_run(NULL, tasks, task, arg);
        return;
    }
    own.task = task, own.arg = arg, own.tasks = tasks;
    for (i = 0; i < tasks; ++i) own.taken[i] = 0;
    crew_run(NULL, tasks, crew_own_task, &own);
}

static nrm_pool crew_pool = {crew_run, NULL, 1};

/* ---- Quiet: threads mean nothing on a machine that has other things to do -------------------- */

#define CREW_PATIENCE UINT64_C(60000000000) /* ns to wait for it, in a whole run */
#define CREW_QUIET_SHARE 0.97 /* of the processors that the threads got */

static inline void crew_spin_task(void *cpu, size_t index)
{
    const uint64_t start = crew_now();
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    while (crew_now() - start < 50000000) continue;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    ((double *)cpu)[index] =
        (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
}

/* 1 once all threads had a processor each for 50 ms, 0 if patience ends before; it gets less. */
static inline int crew_wait_until_quiet(uint64_t *patience)
{
    for (;;) {
        const uint64_t start = crew_now();
        double cpu[CREW_OWN_MOST] = {0}, sum = 0;
        uint64_t took;
        size_t i;
        crew_run_own(crew_pool.threads, crew_spin_task, cpu);
        took = crew_now() - start;
        for (i = 0; i < crew_pool.threads; ++i) sum += cpu[i];
        if (sum > CREW_QUIET_SHARE * (double)crew_pool.threads * (double)took) return 1;
        if (*patience < took) return 0;
        *patience -= took;
    }
}

/* Ends with the program. Returns 0 if there are not that many threads to be had. */
static inline int crew_start(size_t threads)
{
    pthread_t id;
    for (; crew_pool.threads < threads; ++crew_pool.threads)
        if (pthread_create(&id, NULL, crew_thread, (void *)(uintptr_t)crew_pool.threads) ||
            pthread_detach(id))
            return 0;
    return 1;
}

#endif /* BENCH_POOL_H */
