/* test_threads.c - the same bits with any number of threads, any order of tasks and any workspace;
 * the floating point state of the threads; threads that call the library at once.
 *
 *   cc -O2 -pthread -DNORMALIZE_IMPLEMENTATION tests/test_threads.c -o t -lm
 *   ./t [problems [first seed]]
 *
 * Small problems are cut up here as well. With fewer than 100 problems the hard shapes are
 * run fewer times, with fewer than 20 they are smaller: Valgrind slows this down 50 times.
 */
#define NRM_POOL_MIN 1
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"
#include "support/pool.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- the first call -------------------------------------------------------------------------- */

#define FIRST_THREADS 8

static pthread_barrier_t first_line;

typedef struct first_call {
    pthread_t id;
    nrm_isa best;
    nrm_status status;
    float x[300], y[300];
} first_call;

static void *first_start(void *arg)
{
    first_call *f = (first_call *)arg;
    pthread_barrier_wait(&first_line);
    POOL_TURN_BEGIN();
    f->status = nrm_layernorm(f->y, f->x, 3, 100, NULL, NULL, 1e-5);
    f->best = nrm_best_isa();
    POOL_TURN_END();
    return NULL;
}

/* Comes before every other test: the instruction set is found out by the first call. */
static void test_first_call(void)
{
    static first_call first[FIRST_THREADS];
    float y[300];
    size_t i, k;
    pthread_barrier_init(&first_line, NULL, FIRST_THREADS);
    for (i = 0; i < FIRST_THREADS; ++i) {
        for (k = 0; k < 300; ++k) first[i].x[k] = (float)(k * k % 101);
        pool_thread(&first[i].id, first_start, &first[i]);
    }
    for (i = 0; i < FIRST_THREADS; ++i) pthread_join(first[i].id, NULL);
    pthread_barrier_destroy(&first_line);
    group("%d threads whose first calls come at once", FIRST_THREADS);
    check(nrm_layernorm(y, first[0].x, 3, 100, NULL, NULL, 1e-5) == NRM_OK, "alone");
    for (i = 0; i < FIRST_THREADS; ++i)
        check(first[i].status == NRM_OK && first[i].best == nrm_best_isa() &&
                  same_bits_f32(first[i].y, y, 300),
              "thread %zu: status %d, best %s", i, (int)first[i].status,
              nrm_isa_name(first[i].best));
    group_end();
}

/* ---- one run against another ----------------------------------------------------------------- */

/* How a problem is run; what is 0 is as plain as can be. */
typedef struct how {
    pool_order order;
    size_t threads, eighths;   /* of nrm_workspace_size                         */
    size_t odd;                /* or a workspace of this many bytes             */
    int disorder;
    setup s;                   /* its pool and workspace size follow from these */
} how;

static how plainly(nrm_isa isa, nrm_layout layout)
{
    how h;
    memset(&h, 0, sizeof h);
    h.s = plain(isa, layout);
    return h;
}

static unsigned long pool_runs, pool_tasks; /* of all pools */

static size_t workspace_bytes(const problem *p, const how *h)
{
    nrm_desc d = p->d;
    size_t full;
    d.layout = h->s.layout;
    full = nrm_workspace_size(&d, h->threads);
    return h->odd ? h->odd : h->eighths == 8 ? full : full / 8 * h->eighths;
}

/* Runs with a pool and compares with a run on the calling thread alone. Returns the largest number
   of tasks in one go. */
static size_t run_pool(const problem *p, enum verb verb, const outcome *want, how h)
{
    test_pool pool = pool_new(h.order, h.threads, p->seed);
    unsigned long long before = pool_state();
    outcome *got;
    difference at;
    int same;
    pool.disorder = h.disorder;
    h.s.pool = pool_point(&pool);
    h.s.workspace_size = workspace_bytes(p, &h);
    got = run(p, verb, &h.s);
    same = same_outcome(want, got, &at);
    check(same,
          "%s %s %s, %zu threads, %s, workspace %zu, shift %zu: %s differs at %zu, status %d and "
          "%d; %s",
          verb_name[verb], layout_name[h.s.layout], nrm_isa_name(h.s.isa), h.threads,
          pool_order_name[h.order], h.s.workspace_size, h.s.shift, slot_name[at.slot], at.index,
          (int)want->status, (int)got->status, problem_text(p));
    check(got->clean, "%s %s, %zu threads, workspace %zu: wrote outside of its outputs; %s",
          verb_name[verb], layout_name[h.s.layout], h.threads, h.s.workspace_size,
          problem_text(p));
    check(!pool.faults, "%s %s, %zu threads, %s: %lu faults of tasks; %s", verb_name[verb],
          layout_name[h.s.layout], h.threads, pool_order_name[h.order], pool.faults,
          problem_text(p));
    check(pool_state() == before, "%s changed the caller's state", verb_name[verb]);
    check(h.threads > 1 || !pool.runs, "%zu threads are none to run tasks on", h.threads);
    pool_runs += pool.runs, pool_tasks += pool.tasks;
    outcome_free(got);
    return pool.most;
}

/* ---- random problems ------------------------------------------------------------------------- */

/* Every other problem is float, if all types are there. */
static nrm_dtype draw_type(uint64_t seed)
{
    static const nrm_dtype type[] = {NRM_F32, NRM_F64, NRM_F32, NRM_BF16, NRM_F32, NRM_F16};
    const nrm_dtype drawn = type[seed % COUNT_OF(type)];
    return type_is_here(drawn) ? drawn : NRM_F32;
}

static void draw_in_place(gen *g, const problem *p, enum verb verb, setup *s)
{
    static const enum slot in[] = {SLOT_X, SLOT_DY, SLOT_DSUM};
    enum slot dx = in[gen_below(g, 3)];
    if (!gen_one_in(g, 3)) return;
    if (may_share(p, verb, SLOT_Y, SLOT_X)) s->y_is = SLOT_X;
    if (may_share(p, verb, SLOT_SUM, SLOT_RESIDUAL)) s->sum_is = SLOT_RESIDUAL;
    if (may_share(p, verb, SLOT_DX, dx)) s->dx_is = dx;
    if (may_share(p, verb, SLOT_DRESIDUAL, SLOT_DSUM)) s->dresidual_is = SLOT_DSUM;
    if (role_writes(slot_role(p, verb, SLOT_DADD)) && s->dx_is != SLOT_DY) s->dadd_is = SLOT_DY;
    if (role_writes(slot_role(p, verb, SLOT_DGATE))) s->dgate_is = SLOT_GATE;
}

static how draw_how(gen *g, const problem *p, enum verb verb, nrm_isa isa)
{
    static const size_t eighths[] = {0, 1, 4, 7, 8, 8};
    how h = plainly(isa, (nrm_layout)gen_below(g, 2));
    h.s.shift = gen_one_in(g, 2) ? gen_below(g, 64) : 0; /* of the workspace as well */
    h.order = gen_one_in(g, 40) ? POOL_FRESH : (pool_order)gen_below(g, POOL_ORDERS);
    if (h.order == POOL_FRESH && !gen_one_in(g, 10)) h.order = POOL_STRIDED; /* costly */
    h.threads = 1 + gen_below(g, POOL_MOST);
    h.eighths = eighths[gen_below(g, COUNT_OF(eighths))];
    if (gen_one_in(g, 4)) h.odd = 1 + gen_below(g, gen_one_in(g, 2) ? 100 : 20000);
    h.disorder = gen_one_in(g, 3);
    draw_in_place(g, p, verb, &h.s);
    return h;
}

static void test_random(uint64_t first, size_t problems)
{
    size_t i, k;
    group("%zu random problems, 1 to %d threads", problems, POOL_MOST);
    for (i = 0; i < problems; ++i) {
        problem *p = problem_draw_as(first + i, draw_type(first + i));
        if (i % 4 == 3) problem_around(p, (int)i & 4);
        if (i % 8 > 5) problem_tensors(p, (int)i & 8);
        gen g = gen_seed(~(first + i));
        nrm_isa isa = all_isa[gen_below(&g, ISAS)];
        int verb;
        if (!nrm_has_isa(isa)) isa = NRM_AUTO;
        for (verb = 0; verb < VERBS; ++verb) {
            setup s = plain(isa, (nrm_layout)gen_below(&g, 2));
            outcome *want;
            if (!verb_fits((enum verb)verb, p->d.kind)) continue;
            want = run(p, (enum verb)verb, &s);
            for (k = 0; k < 6; ++k)
                run_pool(p, (enum verb)verb, want, draw_how(&g, p, (enum verb)verb, isa));
            outcome_free(want);
        }
        problem_free(p);
    }
    group_end();
}

/* ---- shapes that are hard to share out ------------------------------------------------------- */

typedef struct hard_shape {
    const char *name;
    nrm_kind kind;
    size_t n, c, s, groups;
    int options; /* below */
} hard_shape;

enum {
    PER_SAMPLE = 1, RUNNING = 2, RESIDUAL = 4,
    ALONE = 8 /* a sum of less than a run, in one stretch of lanes: need not be shared out */
};

static const hard_shape hard_shapes[] = {
    {"batch norm, 3 channels, large images", NRM_BATCH, 3, 3, 9000, 1, RUNNING},
    {"batch norm, 3 channels, one image", NRM_BATCH, 1, 3, 20011, 1, RUNNING | RESIDUAL},
    {"batch norm, 3 features, many rows", NRM_BATCH, 20011, 3, 1, 1, RUNNING},
    {"batch norm, 2 channels, short lines", NRM_BATCH, 3001, 2, 5, 1, RESIDUAL},
    {"batch norm, 1 channel", NRM_BATCH, 17, 1, 2049, 1, RUNNING},
    {"batch norm, gamma for each sample", NRM_BATCH, 9, 3, 1500, 1, PER_SAMPLE},
    {"batch norm, 600 channels, running", NRM_BATCH, 7, 600, 16, 1, RUNNING},
    {"batch norm, 300 features, running", NRM_BATCH, 1300, 300, 1, 1, RUNNING},
    {"batch norm, 300 features of few rows", NRM_BATCH, 130, 300, 1, 1, RUNNING | ALONE},
    {"layer norm, one long row", NRM_LAYER, 1, 70001, 1, 1, 0},
    {"layer norm, two long rows", NRM_LAYER, 2, 30000, 1, 1, RESIDUAL},
    {"layer norm, one image", NRM_LAYER, 1, 2100, 7, 1, 0},
    {"layer norm, many rows", NRM_LAYER, 5000, 12, 1, 1, 0},
    {"layer norm, many positions", NRM_LAYER, 3, 20, 900, 1, 0},
    {"layer norm, gamma for each sample", NRM_LAYER, 3, 40, 300, 1, PER_SAMPLE},
    {"RMS norm, one long row", NRM_RMS, 1, 70001, 1, 1, 0},
    {"RMS norm, many rows", NRM_RMS, 2500, 24, 1, 1, RESIDUAL},
    {"instance norm, few channels, running", NRM_INSTANCE, 2, 3, 7000, 1, RUNNING},
    {"instance norm, one channel", NRM_INSTANCE, 1, 1, 50021, 1, RUNNING},
    {"instance norm, 400 channels, running", NRM_INSTANCE, 3, 400, 20, 1, RUNNING},
    {"instance norm, many samples", NRM_INSTANCE, 300, 2, 60, 1, RUNNING},
    {"group norm, one group", NRM_GROUP, 1, 6, 7000, 1, 0},
    {"group norm, two groups", NRM_GROUP, 2, 12, 1500, 2, RESIDUAL},
    {"group norm, no positions", NRM_GROUP, 2, 30000, 1, 2, 0},
    {"group norm, gamma for each sample", NRM_GROUP, 4, 6, 1000, 3, PER_SAMPLE},
};

/* The longest axis is cut to a `shrink`th. Sums of ordinary floats in double seldom round, and do
   not tell in which order they were added; those of doubles and of mixed magnitudes do. */
static problem *hard_problem(const hard_shape *h, nrm_dtype type, uint64_t seed,
                             size_t shrink)
{
    static const gen_dist x_dist[] = {GEN_OFFSET_1E2, GEN_MIXED, GEN_OUTLIER_PILOT, GEN_MIXED};
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(seed);
    size_t count, *longest = &p->d.n;
    p->seed = seed, p->d.dtype = type, p->d.kind = h->kind, p->d.groups = h->groups;
    p->d.eps = 1e-5;
    p->d.n = h->n, p->d.c = h->c, p->d.s = h->s;
    if (p->d.c > *longest) longest = &p->d.c;
    if (p->d.s > *longest) longest = &p->d.s;
    *longest = *longest / shrink / h->groups * h->groups;
    p->d.act = seed & 1 ? NRM_RELU : NRM_IDENTITY;
    p->d.affine_per_sample = (h->options & PER_SAMPLE) != 0;
    p->running_rate = 0.1, p->accumulate = seed & 2 ? 1 : 0;
    p->given = GIVEN_NORM;
    if (!(h->options & RUNNING)) p->given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR);
    if (!(h->options & RESIDUAL)) p->given &= ~(1u << SLOT_RESIDUAL | 1u << SLOT_SUM);
    if (seed & 4) p->given &= ~(1u << SLOT_MEAN | 1u << SLOT_RSTD);
    problem_alloc(p);
    count = problem_volume(&p->d);
    draw_list(&g, x_dist[seed / 4 % COUNT_OF(x_dist)], type, p->value[SLOT_X], count);
    draw_list(&g, GEN_NORMAL, type, p->value[SLOT_RESIDUAL], count);
    draw_list(&g, seed % 3 ? GEN_MIXED : GEN_NORMAL, type, p->value[SLOT_DY], count);
    draw_list(&g, GEN_NORMAL, type, p->value[SLOT_DSUM], count);
    draw_parameters(&g, p, 0);
    problem_prepare(p);
    if (seed % 3 == 2) problem_around(p, 0);
    return p;
}

static void hard_verb(const problem *p, enum verb verb, const outcome *want, size_t stride,
                      int demand)
{
    static const size_t threads[] = {2, 3, 4, 5, 8, 11, 16};
    static const size_t eighths[] = {8, 0, 4};
    size_t i, tasks, round = (size_t)p->seed;
    for (i = round % stride; i < COUNT_OF(threads) * COUNT_OF(eighths); i += stride) {
        how h = plainly(NRM_AUTO, (nrm_layout)((i + round) & 1));
        h.threads = threads[i % COUNT_OF(threads)];
        h.eighths = eighths[i / COUNT_OF(threads)];
        h.s.shift = i % 4 == 3 ? i : 0;
        h.order = (pool_order)((i + round) % POOL_ORDERS);
        h.disorder = i % 5 == 1;
        tasks = run_pool(p, verb, want, h);
        if (h.eighths == 8 && demand)
            check(tasks > 1, "%s %s, %zu threads: nothing runs in parallel; %s", verb_name[verb],
                  layout_name[h.s.layout], h.threads, problem_text(p));
    }
}

static void test_shape(const hard_shape *h, nrm_dtype type, uint64_t seed, size_t problems)
{
    const size_t stride = problems >= 100 ? 2 : problems >= 20 ? 6 : 20;
    const size_t shrink = problems >= 20 ? 1 : 8;
    problem *p = hard_problem(h, type_is_here(type) ? type : NRM_F32, seed, shrink);
    int verb, demand = shrink == 1 && !(h->options & ALONE);
    for (verb = 0; verb < VERBS; ++verb) {
        setup s = plain(NRM_AUTO, (nrm_layout)(seed & 1));
        outcome *want;
        if (!verb_fits((enum verb)verb, p->d.kind)) continue;
        want = run(p, (enum verb)verb, &s);
        check(want->status == NRM_OK || want->status == NRM_ERR_NONFINITE, "%s alone: status %d",
              verb_name[verb], (int)want->status);
        hard_verb(p, (enum verb)verb, want, stride, demand);
        outcome_free(want);
    }
    problem_free(p);
}

static void test_hard(uint64_t first, size_t problems)
{
    size_t i;
    for (i = 0; i < COUNT_OF(hard_shapes); ++i) {
        group("%s", hard_shapes[i].name);
        test_shape(&hard_shapes[i], draw_type(first + i), first + i, problems);
        test_shape(&hard_shapes[i], i & 1 ? NRM_F32 : NRM_F64, first + i + 4, problems);
        group_end();
    }
}

/* ---- every size of workspace ----------------------------------------------------------------- */

/* Of shapes so small that partial sums are a few doubles every size is tried. */
static void test_workspaces(nrm_dtype type)
{
    static const hard_shape small[] = {
        {"", NRM_BATCH, 2, 4, 9, 1, RUNNING}, {"", NRM_LAYER, 5, 4, 3, 1, 0},
        {"", NRM_INSTANCE, 2, 4, 9, 1, 0},    {"", NRM_GROUP, 3, 4, 5, 2, 0},
        {"", NRM_RMS, 5, 4, 3, 1, 0},
    };
    size_t i, bytes;
    int verb;
    group("workspaces of 8, 16 ... 400 bytes, %s", type_name[type]);
    for (i = 0; i < COUNT_OF(small); ++i) {
        problem *p = hard_problem(&small[i], type, i, 1);
        for (verb = 0; verb < VERBS; ++verb) {
            const setup alone = plain(NRM_AUTO, NRM_NCHW);
            outcome *want;
            if (!verb_fits((enum verb)verb, p->d.kind)) continue;
            want = run(p, (enum verb)verb, &alone);
            for (bytes = 8; bytes <= 400; bytes += 8) {
                how h = plainly(NRM_AUTO, (nrm_layout)(bytes / 8 & 1));
                h.odd = bytes, h.threads = 4, h.order = POOL_BACKWARDS;
                run_pool(p, (enum verb)verb, want, h);
            }
            outcome_free(want);
        }
        problem_free(p);
    }
    group_end();
}

/* ---- pools that are none --------------------------------------------------------------------- */

static void no_run(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg)
{
    size_t i;
    ++*(unsigned *)user;
    for (i = 0; i < tasks; ++i) task(arg, i);
}

static void test_no_pool(void)
{
    static float x[6000], y[6000], want[6000];
    nrm_desc d;
    nrm_args a;
    nrm_pool pool;
    unsigned called = 0;
    size_t i;
    for (i = 0; i < 6000; ++i) x[i] = (float)(i * i % 107), y[i] = 7;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_LAYER, d.n = 60, d.c = 100, d.s = 1, d.eps = 1e-5;
    a.x = x, a.y = want;
    ok(nrm_forward(&d, &a) == NRM_OK, "no pool");
    a.y = y, a.pool = &pool, pool.run = NULL, pool.user = &called, pool.threads = 2;
    ok(nrm_forward(&d, &a) == NRM_ERR_NULL, "two threads and no run: an error");
    for (i = 0; i < 6000 && same_f32(y[i], 7); ++i) {}
    ok(i == 6000, "... and nothing is written");
    for (pool.threads = 0; pool.threads < 2; ++pool.threads) {
        memset(y, 0, sizeof y), pool.run = NULL;
        ok(nrm_forward(&d, &a) == NRM_OK && same_bits_f32(y, want, 6000),
           "%zu threads need no run", pool.threads);
        memset(y, 0, sizeof y), pool.run = no_run;
        ok(nrm_forward(&d, &a) == NRM_OK && same_bits_f32(y, want, 6000) && !called,
           "%zu threads do not call it", pool.threads);
    }
    ok(nrm_forward(&d, &a) == NRM_OK && same_bits_f32(y, want, 6000) && called,
       "%zu threads do", pool.threads);
}

/* ---- calls at once, with what they read in common -------------------------------------------- */

enum { CALLERS = 6, CALLS = 20, ROWS = 9, COLS = 333, CALL_VALUES = ROWS * COLS };

typedef struct caller {
    pthread_t id;
    const float *x, *want;
    size_t number;
    unsigned long differ, tasks;
} caller;

static void *caller_start(void *arg)
{
    caller *me = (caller *)arg;
    test_pool pool = pool_new(me->number % 2 ? POOL_BACKWARDS : POOL_SHUFFLED, 1 + me->number, 1);
    float *y = (float *)test_alloc(CALL_VALUES, sizeof *y);
    nrm_desc d;
    nrm_args a;
    int i;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_LAYER, d.n = ROWS, d.c = COLS, d.s = 1, d.eps = 1e-5;
    a.x = me->x, a.gamma = me->x, a.y = y, a.pool = pool_point(&pool);
    for (i = 0; i < CALLS; ++i) {
        memset(y, 0, CALL_VALUES * sizeof *y);
        POOL_TURN_BEGIN();
        if (nrm_forward(&d, &a) != NRM_OK || !same_bits_f32(y, me->want, CALL_VALUES))
            ++me->differ;
        POOL_TURN_END();
    }
    me->differ += pool.faults, me->tasks = pool.tasks;
    free(y);
    return NULL;
}

static void test_callers(void)
{
    static float x[CALL_VALUES], want[CALL_VALUES];
    static caller all[CALLERS];
    size_t i;
    gen g = gen_seed(3);
    gen_fill(&g, GEN_NORMAL, x, CALL_VALUES);
    nrm_layernorm(want, x, ROWS, COLS, x, NULL, 1e-5);
    for (i = 0; i < CALLERS; ++i) {
        all[i].x = x, all[i].want = want, all[i].number = i;
        pool_thread(&all[i].id, caller_start, &all[i]);
    }
    group("%d threads call at once, each with a pool of its own", CALLERS);
    for (i = 0; i < CALLERS; ++i) {
        pthread_join(all[i].id, NULL);
        check(!all[i].differ, "thread %zu: %lu calls differ", i, all[i].differ);
        check(i == 0 || all[i].tasks, "thread %zu had no tasks", i);
    }
    group_end();
}

int main(int argc, char **argv)
{
    size_t problems = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 200;
    uint64_t first = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 10) : 1;
    test_first_call();
    test_no_pool();
    test_callers();
    if (!POOL_STATES) note("no way to set the floating point state is known for this target");
    crew_start();
    test_random(first, problems);
    ok(pool_tasks > pool_runs, "%lu tasks in %lu runs of pools", pool_tasks, pool_runs);
    test_hard(first, problems);
    test_workspaces(NRM_F32);
    if (type_is_here(NRM_F64)) test_workspaces(NRM_F64);
    crew_end();
    note("%lu same-bits comparisons of buffers, %lu values; %lu tasks in %lu runs of pools",
         compared.buffers, compared.values, pool_tasks, pool_runs);
    return done_testing();
}
