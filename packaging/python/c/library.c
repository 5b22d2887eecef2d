/* library.c - normalize.h behind one function of a flat signature, for normalize_h/_native.py.
 *
 * Python knows no struct of the header: it asks for the names of the fields, in their order, and
 * hands over one array for each of three types. A field that is appended to nrm_desc or nrm_args
 * changes nothing here, and is to be had from Python with a word in one of the lists. */
#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#include <windows.h>
#else
#define EXPORTED __attribute__((visibility("default")))
#include <pthread.h>
#endif
#include <stdlib.h>

#define NORMALIZE_STATIC
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

/* FIELD(name in Python, where it is, its type). */
#define INTEGERS(FIELD)                                                                            \
    FIELD(n, d.n, size_t)                                                                          \
    FIELD(c, d.c, size_t)                                                                          \
    FIELD(s, d.s, size_t)                                                                          \
    FIELD(groups, d.groups, size_t)                                                                \
    FIELD(kind, d.kind, nrm_kind)                                                                  \
    FIELD(layout, d.layout, nrm_layout)                                                            \
    FIELD(dtype, d.dtype, nrm_dtype)                                                               \
    FIELD(act, d.act, nrm_act)                                                                     \
    FIELD(affine_per_sample, d.affine_per_sample, int)                                             \
    FIELD(x_sample, d.x_pitch.sample, size_t)                                                      \
    FIELD(x_line, d.x_pitch.line, size_t)                                                          \
    FIELD(y_sample, d.y_pitch.sample, size_t)                                                      \
    FIELD(y_line, d.y_pitch.line, size_t)                                                          \
    FIELD(running_population, a.running_population, int)                                           \
    FIELD(accumulate, a.accumulate, int)                                                           \
    FIELD(isa, a.isa, nrm_isa)
#define REALS(FIELD)                                                                               \
    FIELD(eps, d.eps, double)                                                                      \
    FIELD(gamma_offset, d.gamma_offset, double)                                                    \
    FIELD(act_slope, d.act_slope, double)                                                          \
    FIELD(act_low, d.act_low, double)                                                              \
    FIELD(act_high, d.act_high, double)                                                            \
    FIELD(running_rate, a.running_rate, double)
#define POINTERS(FIELD)                                                                            \
    FIELD(x, a.x, void *)                                                                          \
    FIELD(y, a.y, void *)                                                                          \
    FIELD(residual, a.residual, void *)                                                            \
    FIELD(sum, a.sum, void *)                                                                      \
    FIELD(gamma, a.gamma, void *)                                                                  \
    FIELD(beta, a.beta, void *)                                                                    \
    FIELD(mean, a.mean, void *)                                                                    \
    FIELD(rstd, a.rstd, void *)                                                                    \
    FIELD(running_mean, a.running_mean, void *)                                                    \
    FIELD(running_var, a.running_var, void *)                                                      \
    FIELD(dy, a.dy, void *)                                                                        \
    FIELD(dx, a.dx, void *)                                                                        \
    FIELD(dsum, a.dsum, void *)                                                                    \
    FIELD(dgamma, a.dgamma, void *)                                                                \
    FIELD(dbeta, a.dbeta, void *)                                                                  \
    FIELD(add, a.add, void *)                                                                      \
    FIELD(dadd, a.dadd, void *)                                                                    \
    FIELD(gate, a.gate, void *)                                                                    \
    FIELD(dgate, a.dgate, void *)

#define NAME(name, place, type) #name " "
EXPORTED const char *normalize_py_integers(void) { return INTEGERS(NAME); }
EXPORTED const char *normalize_py_reals(void) { return REALS(NAME); }
EXPORTED const char *normalize_py_pointers(void) { return POINTERS(NAME); }

/* What Python needs of the enumerations, one at a time; NULL after the last. */
EXPORTED const char *normalize_py_enumerator(int i, int *value)
{
    static const struct {
        const char *name;
        int value;
    } all[] = {
#define ONE(name) {#name, (int)name}
        ONE(NRM_BATCH), ONE(NRM_LAYER), ONE(NRM_INSTANCE), ONE(NRM_GROUP), ONE(NRM_RMS),
        ONE(NRM_NCHW), ONE(NRM_NHWC), ONE(NRM_F32), ONE(NRM_F64), ONE(NRM_BF16), ONE(NRM_F16),
        ONE(NRM_IDENTITY), ONE(NRM_RELU), ONE(NRM_LEAKY_RELU), ONE(NRM_CLIP),
        ONE(NRM_HARD_SWISH), ONE(NRM_SILU), ONE(NRM_AUTO), ONE(NRM_SCALAR), ONE(NRM_AVX2),
        ONE(NRM_AVX512), ONE(NRM_NEON), ONE(NRM_WASM), ONE(NRM_FORWARD), ONE(NRM_INFER),
        ONE(NRM_BACKWARD), ONE(NRM_INFER_BACKWARD),
        ONE(NRM_OK), ONE(NRM_ERR_NONFINITE)};
    if (i < 0 || i >= (int)(sizeof all / sizeof *all)) return NULL;
    *value = all[i].value;
    return all[i].name;
}

/* ---- Threads: started for each round of tasks, so that fork() is safe ---- */

typedef struct work {
    size_t tasks, next;
    void (*task)(void *arg, size_t index);
    void *arg;
} work;

static size_t take(work *w)
{
#ifdef _MSC_VER
    return (size_t)InterlockedIncrement64((volatile LONG64 *)&w->next) - 1;
#else
    return __atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED);
#endif
}

static void do_tasks(work *w)
{
    size_t i;
    while ((i = take(w)) < w->tasks) w->task(w->arg, i);
}

enum { MOST_THREADS = 256 };

#ifdef _WIN32
static DWORD WINAPI thread_of(void *w) { return do_tasks((work *)w), 0; }
#else
static void *thread_of(void *w) { return do_tasks((work *)w), NULL; }
#endif

/* A thread that cannot be started is missing; the others do its tasks. */
static void run(void *user, size_t tasks, void (*task)(void *, size_t), void *arg)
{
    const size_t threads = *(size_t *)user < tasks ? *(size_t *)user : tasks;
    work w;
    size_t i, started = 0;
#ifdef _WIN32
    HANDLE thread[MOST_THREADS];
#else
    pthread_t thread[MOST_THREADS];
#endif
    w.tasks = tasks, w.next = 0, w.task = task, w.arg = arg;
    for (i = 1; i < threads; i++) {
#ifdef _WIN32
        if ((thread[started] = CreateThread(NULL, 0, thread_of, &w, 0, NULL)) != NULL) started++;
#else
        if (pthread_create(&thread[started], NULL, thread_of, &w) == 0) started++;
#endif
    }
    do_tasks(&w);
    for (i = 0; i < started; i++) {
#ifdef _WIN32
        WaitForSingleObject(thread[i], INFINITE);
        CloseHandle(thread[i]);
#else
        pthread_join(thread[i], NULL);
#endif
    }
}

/* ---- The calls ------------------------------------------------------------------------------- */

static nrm_status call(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    switch (verb) {
    case NRM_INFER: return nrm_infer(d, a);
    case NRM_BACKWARD: return nrm_backward(d, a);
    case NRM_INFER_BACKWARD: return nrm_infer_backward(d, a);
    default: return nrm_forward(d, a);
    }
}

/* The status; and, of an error, the sentence of nrm_explain in `why`. One workspace serves all
   threads; without memory for it the call is slower, and the same. */
EXPORTED int normalize_py_call(int verb, const int64_t *integers, const double *reals,
                               void *const *pointers, size_t threads, char *why, size_t size)
{
    nrm_desc d;
    nrm_args a;
    nrm_pool pool;
    nrm_status status;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
#define TAKE_INTEGER(name, place, type) place = (type)*integers++;
#define TAKE_REAL(name, place, type) place = *reals++;
#define TAKE_POINTER(name, place, type) place = *pointers++;
    INTEGERS(TAKE_INTEGER)
    REALS(TAKE_REAL)
    POINTERS(TAKE_POINTER)
    threads = threads > MOST_THREADS ? MOST_THREADS : threads;
    pool.run = run, pool.user = &threads, pool.threads = threads;
    if (threads > 1) a.pool = &pool;
    if (threads > 1 || a.running_mean) a.workspace_size = nrm_workspace_size(&d, threads);
    if (a.workspace_size) a.workspace = malloc(a.workspace_size);
    if (!a.workspace) a.workspace_size = 0;
    status = call((nrm_verb)verb, &d, &a);
    if (status != NRM_OK) nrm_explain((nrm_verb)verb, &d, &a, why, size);
    free(a.workspace);
    return (int)status;
}

EXPORTED const char *normalize_py_status(int status)
{
    return nrm_status_string((nrm_status)status);
}
EXPORTED int normalize_py_has_isa(int isa) { return nrm_has_isa((nrm_isa)isa); }
EXPORTED const char *normalize_py_best_isa(void) { return nrm_isa_name(nrm_best_isa()); }
EXPORTED int normalize_py_version(void) { return nrm_version(); }
