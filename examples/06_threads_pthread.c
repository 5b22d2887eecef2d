/* Layer norm on several threads: a pool of pthreads that wait for work, as nrm_pool.
       cc -O2 -pthread examples/06_threads_pthread.c -lm && ./a.out                            */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 2048, COLS = 768, THREADS = 4 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t go, done;
    void (*task)(void *arg, size_t index);
    void *arg;
    size_t next, tasks, unfinished; /* the next index, how many there are, how many still run */
    int quit;
} crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .go = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

/* Runs tasks while there are any; called and left with the lock held. */
static void take_tasks(void)
{
    while (crew.next < crew.tasks) {
        size_t index = crew.next++;
        pthread_mutex_unlock(&crew.lock);
        crew.task(crew.arg, index);
        pthread_mutex_lock(&crew.lock);
        if (--crew.unfinished == 0) pthread_cond_signal(&crew.done);
    }
}

static void *wait_for_work(void *unused)
{
    pthread_mutex_lock(&crew.lock);
    for (; !crew.quit; take_tasks())
        while (!crew.quit && crew.next == crew.tasks) pthread_cond_wait(&crew.go, &crew.lock);
    pthread_mutex_unlock(&crew.lock);
    return unused;
}

/* nrm_pool.run: returns when all tasks have run. The calling thread works, too. A program with
   several pools would find its crew by `user`. */
static void run(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg)
{
    (void)user;
    pthread_mutex_lock(&crew.lock);
    crew.task = task, crew.arg = arg, crew.next = 0, crew.tasks = crew.unfinished = tasks;
    pthread_cond_broadcast(&crew.go);
    take_tasks();
    while (crew.unfinished) pthread_cond_wait(&crew.done, &crew.lock);
    pthread_mutex_unlock(&crew.lock);
}

int main(void)
{
    static float x[ROWS * COLS], alone[ROWS * COLS], together[ROWS * COLS];
    pthread_t id[THREADS];
    nrm_pool pool = {.run = run, .threads = THREADS};
    nrm_desc desc = {.n = ROWS, .c = COLS, .kind = NRM_LAYER, .eps = 1e-5};
    nrm_args args = {.x = x, .y = alone};
    nrm_status status;
    char why[160];
    int i, same;
    for (i = 0; i < ROWS * COLS; ++i) x[i] = (float)((unsigned)i * 2654435761u % 1000003);
    status = nrm_forward(&desc, &args);
    for (i = 1; i < THREADS; ++i)
        if (pthread_create(&id[i], NULL, wait_for_work, NULL)) return 1;
    args.y = together, args.pool = &pool;
    if (!status) status = nrm_forward(&desc, &args);
    pthread_mutex_lock(&crew.lock);
    crew.quit = 1, pthread_cond_broadcast(&crew.go), pthread_mutex_unlock(&crew.lock);
    for (i = 1; i < THREADS; ++i) pthread_join(id[i], NULL);
    if (status) {
        nrm_explain(NRM_FORWARD, &desc, &args, why, sizeof why);
        return fprintf(stderr, "%s\n", why), 1;
    }
    same = !memcmp(alone, together, sizeof alone);
    printf("layer norm of %d rows of %d: %zu tasks, %d threads; the bits of one thread: %s\n", ROWS,
           COLS, crew.tasks, THREADS, same ? "yes" : "NO");
    return !same;
}
