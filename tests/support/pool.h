/* pool.h - pools for the tests: real threads, and one thread that runs the tasks in odd orders.
 *
 *   crew_start();                                threads that wait for work; crew_end() ends them
 *   test_pool p = pool_new(POOL_COUNTER, 5, 7);  an order, threads, a seed for what is random
 *   pool_point(&p);                              args.pool = &p.pool; p must not move from here on
 *   ... p.runs, p.tasks, p.most, p.faults ...    what was asked of it
 *
 * Every task is counted, and may be run with the floating point state in disorder, which it is to
 * leave as it was. At most POOL_MOST threads.
 */
#ifndef POOL_H
#define POOL_H

#include <pthread.h>

#include "../../normalize.h"
#include "gen.h"
#include "test.h"

#define POOL_MOST 16

typedef enum pool_order {
    POOL_COUNTER,   /* threads draw the next index; the calling thread takes part */
    POOL_STRIDED,   /* thread t of T runs the tasks t, t + T, ...: none stays idle */
    POOL_FRESH,     /* each task on a thread of its own, several at a time         */
    POOL_BACKWARDS, /* the calling thread alone, last index first                  */
    POOL_SHUFFLED,  /* the calling thread alone, in a random order                 */
    POOL_ORDERS
} pool_order;

static const char *const pool_order_name[POOL_ORDERS] = {"counter", "strided", "fresh threads",
                                                         "backwards", "shuffled"};

typedef struct test_pool {
    nrm_pool pool;
    pool_order order;
    gen g;
    int disorder;               /* tasks start in an unusual floating point state          */
    unsigned long runs, tasks;  /* calls of run, and tasks in all of them                  */
    size_t most;                /* tasks in one call of run                                */
    unsigned long faults;       /* run inside of run, an index not run once, a state lost  */
    int running;
} test_pool;

/* ---- the floating point state of a thread ---------------------------------------------------- */

#if (defined(__x86_64__) || defined(__SSE2__) || defined(_M_X64)) && !defined(__TINYC__)
#include <xmmintrin.h>
#define POOL_STATES 1

static inline unsigned long long pool_state(void)
{
    return _mm_getcsr() & ~0x3fu; /* without the exceptions that happened */
}

static inline void pool_set_state(unsigned long long state)
{
    _mm_setcsr((unsigned)state);
}

/* Flush-to-zero, denormals-are-zero, and a rounding mode. */
static inline unsigned long long pool_unusual(size_t index)
{
    return pool_state() | 0x8040u | (unsigned)(index & 3) << 13;
}

#elif defined(__aarch64__) && defined(__GNUC__)
#define POOL_STATES 1

static inline unsigned long long pool_state(void)
{
    unsigned long long value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}

static inline void pool_set_state(unsigned long long state)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
}

static inline unsigned long long pool_unusual(size_t index)
{
    return pool_state() | 1ull << 24 | (unsigned long long)(index & 3) << 22;
}

#else
#define POOL_STATES 0
static inline unsigned long long pool_state(void) { return 0; }
static inline void pool_set_state(unsigned long long state) { (void)state; }
static inline unsigned long long pool_unusual(size_t index) { return index * 0; }
#endif

/* ---- one call of run ------------------------------------------------------------------------- */

typedef struct pool_call {
    test_pool *pool;
    void (*task)(void *arg, size_t index);
    void *arg;
    size_t tasks, threads;
    unsigned char *times;      /* how often each index was run: written by whoever runs it */
    unsigned char *state_kept; /* ... and left the state as it found it                    */
} pool_call;

static inline void pool_task(const pool_call *call, size_t index)
{
    const unsigned long long before = pool_state();
    unsigned long long made;
    ++call->times[index];
    if (call->pool->disorder) pool_set_state(pool_unusual(index));
    made = pool_state(); /* what the processor made of it */
    call->task(call->arg, index);
    call->state_kept[index] = pool_state() == made;
    pool_set_state(before);
}

/* ---- in turn ---------------------------------------------------------------------------------
 *
 * Counters of make coverage are not atomic (those that are take four times as long): two threads
 * that count at once lose a count, and a condition then seems to have gone both ways. There, one
 * thread of several runs the library at a time.
 */
#ifdef TEST_IN_TURN
static pthread_mutex_t pool_turn = PTHREAD_MUTEX_INITIALIZER;
#define POOL_TURN_BEGIN() pthread_mutex_lock(&pool_turn)
#define POOL_TURN_END()   pthread_mutex_unlock(&pool_turn)
#else
#define POOL_TURN_BEGIN() ((void)0)
#define POOL_TURN_END()   ((void)0)
#endif

static inline void pool_task_in_turn(const pool_call *call, size_t index)
{
    POOL_TURN_BEGIN();
    pool_task(call, index);
    POOL_TURN_END();
}

/* ---- threads that wait for work -------------------------------------------------------------- */

typedef struct crew_member {
    pthread_t id;
    pthread_cond_t go;
    size_t number; /* 1 and up; 0 is whoever calls run */
    int called;
} crew_member;

/* A mutex throughout, since Valgrind's helgrind does not know atomics. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t done;
    crew_member member[POOL_MOST - 1];
    const pool_call *call;
    size_t next, busy;
    int quit;
} crew;

/* The next index by the counter; the number of tasks when there is none left. */
static inline size_t crew_next(const pool_call *call)
{
    size_t index;
    pthread_mutex_lock(&crew.lock);
    index = crew.next < call->tasks ? crew.next++ : call->tasks;
    pthread_mutex_unlock(&crew.lock);
    return index;
}

static inline void crew_work(const pool_call *call, size_t number)
{
    size_t i;
    if (call->pool->order == POOL_STRIDED)
        for (i = number; i < call->tasks; i += call->threads) pool_task_in_turn(call, i);
    else
        while ((i = crew_next(call)) < call->tasks) pool_task_in_turn(call, i);
}

static inline void *crew_wait(void *arg)
{
    crew_member *me = (crew_member *)arg;
    pthread_mutex_lock(&crew.lock);
    for (;;) {
        while (!me->called && !crew.quit) pthread_cond_wait(&me->go, &crew.lock);
        if (crew.quit) break;
        me->called = 0;
        pthread_mutex_unlock(&crew.lock);
        crew_work(crew.call, me->number);
        pthread_mutex_lock(&crew.lock);
        if (--crew.busy == 0) pthread_cond_signal(&crew.done);
    }
    pthread_mutex_unlock(&crew.lock);
    return NULL;
}

static inline void pool_thread(pthread_t *id, void *(*start)(void *), void *arg)
{
    if (pthread_create(id, NULL, start, arg)) {
        printf("Bail out! no thread to be had\n");
        exit(EXIT_FAILURE);
    }
}

static inline void crew_start(void)
{
    size_t i;
    pthread_mutex_init(&crew.lock, NULL);
    pthread_cond_init(&crew.done, NULL);
    for (i = 0; i < POOL_MOST - 1; ++i) {
        crew.member[i].number = i + 1;
        pthread_cond_init(&crew.member[i].go, NULL);
        pool_thread(&crew.member[i].id, crew_wait, &crew.member[i]);
    }
}

static inline void crew_end(void)
{
    size_t i;
    pthread_mutex_lock(&crew.lock);
    crew.quit = 1;
    for (i = 0; i < POOL_MOST - 1; ++i) pthread_cond_signal(&crew.member[i].go);
    pthread_mutex_unlock(&crew.lock);
    for (i = 0; i < POOL_MOST - 1; ++i) pthread_join(crew.member[i].id, NULL);
    for (i = 0; i < POOL_MOST - 1; ++i) pthread_cond_destroy(&crew.member[i].go);
    pthread_cond_destroy(&crew.done);
    pthread_mutex_destroy(&crew.lock);
}

static inline void crew_run(const pool_call *call)
{
    size_t i;
    pthread_mutex_lock(&crew.lock);
    crew.call = call;
    crew.next = 0;
    crew.busy = call->threads - 1;
    for (i = 0; i + 1 < call->threads; ++i) {
        crew.member[i].called = 1;
        pthread_cond_signal(&crew.member[i].go);
    }
    pthread_mutex_unlock(&crew.lock);
    crew_work(call, 0);
    pthread_mutex_lock(&crew.lock);
    while (crew.busy) pthread_cond_wait(&crew.done, &crew.lock);
    pthread_mutex_unlock(&crew.lock);
}

/* ---- the other orders ------------------------------------------------------------------------ */

typedef struct fresh_task {
    const pool_call *call;
    size_t index;
} fresh_task;

static inline void *fresh_start(void *arg)
{
    const fresh_task *fresh = (const fresh_task *)arg;
    pool_task_in_turn(fresh->call, fresh->index);
    return NULL;
}

static inline void fresh_run(const pool_call *call)
{
    size_t i, k, count;
    for (i = 0; i < call->tasks; i += count) {
        pthread_t id[POOL_MOST];
        fresh_task fresh[POOL_MOST];
        count = call->tasks - i < call->threads ? call->tasks - i : call->threads;
        for (k = 0; k < count; ++k) {
            fresh[k].call = call, fresh[k].index = i + k;
            pool_thread(&id[k], fresh_start, &fresh[k]);
        }
        for (k = 0; k < count; ++k) pthread_join(id[k], NULL);
    }
}

static inline void shuffled_run(const pool_call *call)
{
    size_t *index = (size_t *)test_alloc(call->tasks, sizeof *index), i;
    for (i = 0; i < call->tasks; ++i) index[i] = i;
    for (i = call->tasks; i > 0; --i) {
        size_t k = gen_below(&call->pool->g, i), last = index[i - 1];
        index[i - 1] = index[k], index[k] = last;
        pool_task(call, index[i - 1]);
    }
    free(index);
}

/* ---- the pool -------------------------------------------------------------------------------- */

static inline void pool_run(void *user, size_t tasks, void (*task)(void *arg, size_t index),
                            void *arg)
{
    test_pool *p = (test_pool *)user;
    pool_call call;
    size_t i;
    call.pool = p, call.task = task, call.arg = arg, call.tasks = tasks;
    call.threads = p->pool.threads < POOL_MOST ? p->pool.threads : POOL_MOST;
    if (call.threads > tasks) call.threads = tasks;
    call.threads += !call.threads;
    call.times = (unsigned char *)test_alloc(tasks, 1);
    call.state_kept = (unsigned char *)test_alloc(tasks, 1);
    ++p->runs;
    p->tasks += (unsigned long)tasks;
    if (tasks > p->most) p->most = tasks;
    if (p->running++) ++p->faults;
    switch (p->order) {
    case POOL_BACKWARDS:
        for (i = tasks; i > 0; --i) pool_task(&call, i - 1);
        break;
    case POOL_SHUFFLED: shuffled_run(&call); break;
    case POOL_FRESH: fresh_run(&call); break;
    default: crew_run(&call);
    }
    for (i = 0; i < tasks; ++i)
        if (call.times[i] != 1 || !call.state_kept[i]) ++p->faults;
    --p->running;
    free(call.times);
    free(call.state_kept);
}

static inline test_pool pool_new(pool_order order, size_t threads, uint64_t seed)
{
    test_pool p;
    memset(&p, 0, sizeof p);
    p.order = order;
    p.g = gen_seed(seed);
    p.pool.run = pool_run;
    p.pool.threads = threads;
    return p;
}

/* A struct that was returned lies elsewhere than where it was made. */
static inline const nrm_pool *pool_point(test_pool *p)
{
    p->pool.user = p;
    return &p->pool;
}

#endif /* POOL_H */
