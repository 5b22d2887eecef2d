/* cases.c - the benchmark: what is timed, on what, and beside what.
 *
 *     make bench                                       the main comparison
 *     make bench BENCH_ARGS=--benchmark_filter=...     any of the rows; --all: every one
 *     build/bench/bench --threads=8                    beside 1t; default: all processors
 *
 * A row is named KIND/PASS/LAYOUT/SHAPE/TYPE/WHO/THREADSt[/cold or /malloc]:
 *     PASS    train (for all but batch norm: the forward pass), infer, backward; -add: a residual
 *             is added first and the sum is kept, or its gradient added; -relu
 *     LAYOUT  NCHW, NHWC; rows for a matrix
 *     WHO     an instruction set, all else is ours: naive (naive.c), apart (the passes that -add
 *             and -relu fuse, one after the other: a plain loop each beside our norm)
 *     cold    the caches hold something else before each call
 *     malloc  all buffers begin 16 bytes past a line of the cache, as those that malloc gives do;
 *             else with a line
 * and memory/read/SIZE/1t, copy, triad, for one tensor's size; -stream: stores past the caches.
 *
 * Beside the time of a row stand
 *     bytes         that its tensors hold: each of them has to move once
 *     bytes_twice   the same where a group leaves the last cache before its second reading
 *     limit         seconds that a loop takes which moves each tensor once and computes nothing,
 *                   on the same memory, cold or warm, with the same threads; best of stores
 *                   through and past the caches; measured in turn with the row itself, since the
 *                   speed of memory of a virtual machine may halve for minutes
 *     busy          rows of more threads come last, and wait for a quiet machine: 1 in vain
 *     mine, rival   of naive, apart and malloc: seconds of a call, and of ours, fused and aligned,
 *                   in turn with it; the shortest samples
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L /* clock_gettime, posix_memalign, sysconf */
#endif
#include "naive.h" /* before the others: it includes normalize.h */
#include "data.h"
#include "machine.h"
#include "move.h"
#include "pool.h"
#include "shapes.h"
#include "shim.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EPS 1e-5
#define RATE 0.1
#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef enum pass { TRAIN, INFER, BACKWARD } pass;
typedef enum who { OURS, APART, NAIVE } who;
enum { ADD = 1, RELU = 2 };
enum { MALLOC = 16 };

typedef struct row {
    shim_row shim;
    char name[128];
    const shape *shape; /* NULL: memory alone */
    pass pass;
    nrm_layout layout;
    nrm_dtype dtype;
    nrm_isa isa;
    who who;
    int fused, cold;
    size_t offset; /* of all buffers from lines of the cache: 0 or MALLOC */
    size_t threads;
    move move;    /* what the limit does */
    int stream;   /* memory alone */
    size_t bytes; /* of one tensor */
} row;

static const char *const kind_name[] = {"batch", "layer", "instance", "group", "rms"};
static const char *const dtype_name[] = {"f32", "f64", "bf16", "f16"};
static const char *const isa_name[] = {"auto", "scalar", "avx2", "avx512", "neon", "wasm"};
static const size_t dtype_size[] = {4, 8, 2, 2};

static const char *filter;
static int all;
static size_t threads, last_cache;
static size_t now_threads; /* of the rows that are being entered: all of one thread come first */

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static size_t positions(const shape *s)
{
    return s->h ? s->h * s->w : 1;
}

static size_t elements(const shape *s)
{
    return s->n * s->c * positions(s);
}

/* ---- Memory -------------------------------------------------------------------------------- */

/* All rows share these, so that all have the same physical pages: 12 to 26 MB of them may be 1.8
   times slower than others of the same size. */
enum { OUT, X, DY, SUM, Y, OTHER, TENSORS };
static void *tensor[TENSORS];
static void *evictor;
static size_t evictor_bytes;

static double *mean, *rstd; /* ours */
static void *gamma_, *beta, *dgamma, *dbeta, *running_mean, *running_var;
static float *naive_mean, *naive_rstd, *scratch_p, *scratch_q; /* naive */
static void *workspace;
static size_t workspace_size;

/* With room for an offset. */
static void *get(size_t bytes)
{
    void *p;
    bytes = (bytes + MALLOC + 63) / 64 * 64;
    if (posix_memalign(&p, 64, bytes + !bytes)) die("memory", "none left");
    memset(p, 0, bytes);
    return p;
}

/* Where a row has a buffer. */
static void *at(const row *r, void *buffer)
{
    return (char *)buffer + r->offset;
}

static void put(void *to, size_t i, nrm_dtype dtype, float v)
{
    switch (dtype) {
    case NRM_F64: ((double *)to)[i] = (double)v; break;
    case NRM_BF16: ((uint16_t *)to)[i] = nrm_f32_to_bf16(v); break;
    case NRM_F16: ((uint16_t *)to)[i] = nrm_f32_to_f16(v); break;
    default: ((float *)to)[i] = v;
    }
}

/* 0.5 + N(0, 1), `PERIOD` of them over and over: a prime, so that no two rows are alike.
   Tensors begin at different ones: dx of dy = x would be 0. */
enum { PERIOD = 65521 };

static void fill(void *to, nrm_dtype dtype, size_t bytes, size_t first)
{
    static char *numbers[COUNT(dtype_size)];
    const size_t period = PERIOD * dtype_size[dtype];
    const size_t skip = first * dtype_size[dtype];
    size_t i, part = period - skip;
    if (!numbers[dtype]) {
        numbers[dtype] = (char *)get(period);
        for (i = 0; i < PERIOD; ++i) put(numbers[dtype], i, dtype, data_normal() + 0.5f);
    }
    for (i = 0; i < bytes; i += part, part = period) {
        const char *from = numbers[dtype] + (i ? 0 : skip);
        if (part > bytes - i) part = bytes - i;
        memcpy((char *)to + i, from, part);
    }
}

static void fill_params(const row *r)
{
    const nrm_dtype type = r->dtype == NRM_F64 ? NRM_F64 : NRM_F32;
    size_t i;
    for (i = 0; i < r->shape->c; ++i) {
        put(at(r, gamma_), i, type, 1 + 0.1f * data_normal());
        put(at(r, beta), i, type, 0.1f * data_normal());
        put(at(r, running_mean), i, type, 0.5f);
        put(at(r, running_var), i, type, 1);
    }
}

/* ---- Moving: the limit ---------------------------------------------------------------------- */

typedef struct moving {
    move what;
    int stream;
    void *tensor[4];
    size_t lines, tasks;
} moving;

static void moving_task(void *arg, size_t index)
{
    const moving *m = (const moving *)arg;
    const size_t first = m->lines * index / m->tasks, last = m->lines * (index + 1) / m->tasks;
    move_lines(m->what, m->stream, m->tensor, first, last);
}

static void moving_run(moving *m)
{
    if (m->tasks > 1)
        crew_run_own(m->tasks, moving_task, m);
    else
        moving_task(m, 0);
}

static moving moving_of(const row *r)
{
    static const int operand[MOVES][4] = {
        {X, X, X, X}, {OUT, X, X, X}, {OUT, SUM, X, DY}, {OUT, X, DY, X}, {OUT, X, DY, SUM}};
    moving m;
    int i;
    m.what = r->move;
    m.stream = r->stream;
    for (i = 0; i < 4; ++i) m.tensor[i] = tensor[operand[r->move][i]];
    m.lines = r->bytes / MOVE_LINE;
    m.tasks = r->threads;
    return m;
}

/* Reads twice what the last cache holds: on each thread, as the others' caches are their own. */
static void evict(void *user)
{
    const row *r = (const row *)user;
    moving m = {MOVE_READ, 0, {NULL, NULL, NULL, NULL}, 0, 1};
    m.tensor[0] = evictor;
    m.lines = evictor_bytes / MOVE_LINE;
    m.tasks = r->threads;
    moving_run(&m);
}

/* ---- The row that is being timed ------------------------------------------------------------ */

enum { VARIANTS = 4, SAMPLES = 96 };

static struct {
    const row *row;
    nrm_status (*verb)(const nrm_desc *, const nrm_args *);
    nrm_desc desc;
    nrm_args args;
    nrm_status status;
    int busy;          /* threads have not a processor each */
    const char *wrong; /* stays, as Google Benchmark wants all repetitions of a row alike */
    naive naive;
    const naive_loops *plain; /* of the ways the plain loops are compiled in, one */
    moving moving;
    size_t loops[VARIANTS];
    size_t samples;
    double seconds[VARIANTS][SAMPLES]; /* of the limit; 0: this variant is not for this row */
    nrm_desc rival_desc;
    nrm_args rival_args;
    size_t pair_calls[2];
    double pair[2]; /* seconds: mine and rival; 0: there is no rival */
} now_;

static int by_value(const void *a, const void *b)
{
    const double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef void timed(void *user);

/* Seconds of a call, the mean of some. */
static double sample(const row *r, clockid_t clock, timed *call, void *user, size_t calls)
{
    double start;
    size_t i;
    if (r->cold)
        evict((void *)r);
    else
        call(user); /* what ran before has emptied the caches, or stored past them */
    start = seconds_of(clock);
    for (i = 0; i < calls; ++i) call(user);
    return (seconds_of(clock) - start) / (double)calls;
}

/* So many that a sample of a warm row lasts 50 us or more. */
static size_t calls_of(const row *r, clockid_t clock, timed *call, void *user)
{
    size_t calls = 1;
    sample(r, clock, call, user, 1);
    while (!r->cold && sample(r, clock, call, user, calls) * (double)calls < 5e-5) calls *= 2;
    return calls;
}

static void call_moving(void *m)
{
    moving_run((moving *)m);
}

/* Some samples of each way to move. */
static void limit_measure(const row *r)
{
    const size_t bytes = r->bytes * (size_t)move_tensors[r->move];
    moving m = moving_of(r);
    size_t v, i;
    for (i = 0; i < 3 && now_.samples < SAMPLES; ++i, ++now_.samples)
        for (v = 0; v < VARIANTS; ++v) {
            size_t *loops = &now_.loops[v];
            m.stream = v & 1;
            m.tasks = v & 2 ? r->threads : 1;
            if (m.stream && (!move_can_stream || bytes < 1000000)) continue;
            if (m.tasks != r->threads && bytes > 2000000) continue;
            if (v & 2 && r->threads == 1) continue;
            if (!*loops) *loops = calls_of(r, CLOCK_MONOTONIC, call_moving, &m);
            now_.seconds[v][now_.samples] = sample(r, CLOCK_MONOTONIC, call_moving, &m, *loops);
        }
}

static double limit_of_now(void)
{
    double best = 0;
    size_t v;
    for (v = 0; v < VARIANTS; ++v) {
        double sorted[SAMPLES], m;
        if (now_.seconds[v][0] <= 0) continue;
        memcpy(sorted, now_.seconds[v], sizeof sorted);
        qsort(sorted, now_.samples, sizeof *sorted, by_value);
        m = sorted[now_.samples / 2];
        if (best <= 0 || m < best) best = m;
    }
    return best;
}

/* The bytes between two readings of a value, with all tensors that pass by: a group's, in the
   order in which they lie. */
static size_t held(const row *r)
{
    const shape *s = r->shape;
    const size_t c = s->c, all_s = positions(s);
    const int planes = r->layout == NRM_NCHW && s->h;
    size_t count;
    switch (s->kind) {
    case NRM_BATCH: count = s->n * all_s * (planes ? 1 : c); break;
    case NRM_INSTANCE: count = all_s * (planes ? 1 : c); break;
    case NRM_GROUP: count = all_s * (planes ? c / s->groups : c); break;
    default: count = c * (planes ? all_s : 1);
    }
    return count * dtype_size[r->dtype] * (size_t)move_tensors[r->move];
}

/* ---- Calls ---------------------------------------------------------------------------------- */

static void call_ours(void *unused)
{
    (void)unused;
    now_.status = now_.verb(&now_.desc, &now_.args);
}

static void call_rival(void *unused)
{
    (void)unused;
    now_.status = now_.verb(&now_.rival_desc, &now_.rival_args);
}

static void call_naive(void *user)
{
    const row *r = (const row *)user;
    if (r->pass == BACKWARD)
        now_.plain->backward(&now_.naive);
    else if (r->pass == INFER)
        now_.plain->infer(&now_.naive);
    else
        now_.plain->forward(&now_.naive);
}

typedef struct looping {
    naive_pass *loop;
    float *out;
    const float *a, *b;
    size_t count, tasks;
} looping;

static void looping_task(void *arg, size_t index)
{
    const looping *l = (const looping *)arg;
    const size_t first = l->count * index / l->tasks, last = l->count * (index + 1) / l->tasks;
    l->loop(l->out + first, l->a + first, l->b + first, last - first);
}

static void looping_run(const row *r, naive_pass *what, int out, int a, int b)
{
    looping l;
    l.loop = what;
    l.out = (float *)at(r, tensor[out]);
    l.a = (const float *)at(r, tensor[a]);
    l.b = (const float *)at(r, tensor[b]);
    l.count = elements(r->shape);
    l.tasks = r->threads;
    if (l.tasks > 1)
        crew_run_own(l.tasks, looping_task, &l);
    else
        looping_task(&l, 0);
}

/* The arguments are set so that the norm in the middle takes what the loops made. */
static void call_apart(void *user)
{
    const row *r = (const row *)user;
    if (r->pass == BACKWARD) {
        if (r->fused & RELU) looping_run(r, now_.plain->mask, OTHER, DY, Y);
        call_ours(NULL);
        if (r->fused & ADD) looping_run(r, now_.plain->add, OUT, OUT, SUM);
    } else {
        if (r->fused & ADD) looping_run(r, now_.plain->add, SUM, X, DY);
        call_ours(NULL);
        if (r->fused & RELU) looping_run(r, now_.plain->relu, OUT, OUT, OUT);
    }
}

/* ---- Setting up ----------------------------------------------------------------------------- */

static void set_ours(const row *r, pass what, int fused)
{
    const shape *s = r->shape;
    nrm_desc *d = &now_.desc;
    nrm_args *a = &now_.args;
    memset(d, 0, sizeof *d);
    memset(a, 0, sizeof *a);
    d->kind = s->kind, d->layout = r->layout, d->dtype = r->dtype;
    d->n = s->n, d->c = s->c, d->s = positions(s), d->groups = s->groups;
    d->eps = EPS;
    d->act = fused & RELU ? NRM_RELU : NRM_IDENTITY;
    a->x = at(r, tensor[X]);
    a->gamma = at(r, gamma_), a->beta = s->kind == NRM_RMS ? NULL : at(r, beta);
    a->mean = s->kind == NRM_RMS ? NULL : (double *)at(r, mean), a->rstd = (double *)at(r, rstd);
    a->isa = r->isa;
    a->pool = r->threads > 1 ? &crew_pool : NULL;
    a->workspace = workspace, a->workspace_size = workspace_size;
    now_.verb = what == INFER ? nrm_infer : what == BACKWARD ? nrm_backward : nrm_forward;
    if (what == INFER || (what == TRAIN && s->kind == NRM_BATCH)) {
        a->running_mean = at(r, running_mean), a->running_var = at(r, running_var);
        a->running_rate = RATE;
    }
    if (what == BACKWARD) {
        a->dy = at(r, tensor[DY]), a->dx = at(r, tensor[OUT]);
        a->dgamma = at(r, dgamma), a->dbeta = s->kind == NRM_RMS ? NULL : at(r, dbeta);
        a->dsum = fused & ADD ? at(r, tensor[SUM]) : NULL;
    } else {
        a->y = at(r, tensor[OUT]);
        a->residual = fused & ADD ? at(r, tensor[DY]) : NULL;
        a->sum = fused & ADD ? at(r, tensor[SUM]) : NULL;
    }
}

static void set_apart(const row *r)
{
    set_ours(r, r->pass, 0);
    if (r->pass == BACKWARD && r->fused & RELU) now_.args.dy = at(r, tensor[OTHER]);
    if (r->pass != BACKWARD && r->fused & ADD) now_.args.x = at(r, tensor[SUM]);
}

static void set_naive(const row *r)
{
    const shape *s = r->shape;
    naive *a = &now_.naive;
    a->kind = s->kind, a->layout = s->h ? r->layout : NRM_NHWC;
    a->n = s->n, a->c = s->c, a->s = positions(s);
    a->groups = s->kind == NRM_GROUP ? s->groups : s->c;
    a->eps = (float)EPS, a->rate = (float)RATE;
    a->x = (const float *)at(r, tensor[X]), a->dy = (const float *)at(r, tensor[DY]);
    a->y = a->dx = (float *)at(r, tensor[OUT]);
    a->gamma = (const float *)at(r, gamma_);
    a->beta = s->kind == NRM_RMS ? NULL : (const float *)at(r, beta);
    a->dgamma = (float *)at(r, dgamma), a->dbeta = (float *)at(r, dbeta);
    a->mean = (float *)at(r, naive_mean), a->rstd = (float *)at(r, naive_rstd);
    a->running_mean = (float *)at(r, running_mean);
    a->running_var = (float *)at(r, running_var);
    a->p = (float *)at(r, scratch_p), a->q = (float *)at(r, scratch_q);
}

/* What backward needs from forward, for ours and naive. */
static void prepare_statistics(const row *r)
{
    if (r->pass != BACKWARD) return;
    set_ours(r, TRAIN, r->fused & RELU);
    now_.args.y = at(r, tensor[r->who == APART ? Y : OUT]);
    now_.args.running_mean = now_.args.running_var = NULL;
    call_ours(NULL);
    if (r->who == NAIVE && !now_.status) naive_narrow.forward(&now_.naive);
}

/* The ways the plain loops are compiled in; those that are not here are empty. */
static const naive_loops *const ways[] = {&naive_narrow, &naive_wide};
enum { WAYS = COUNT(ways) };

/* naive and apart compute what ours does, or their times mean nothing. */
static const char *compare(const row *r)
{
    const size_t count = elements(r->shape);
    const double most = r->who == APART ? 1e-6 : 1e-3;
    float *ours;
    size_t way;
    int differs = 0;
    if (r->who == OURS) return NULL;
    ours = (float *)get(r->bytes);
    set_ours(r, r->pass, r->fused);
    call_ours(NULL);
    memcpy(ours, at(r, tensor[OUT]), r->bytes);
    if (r->who == APART) set_apart(r);
    for (way = 0; way < WAYS; ++way) {
        now_.plain = ways[way];
        if (!now_.plain->forward) continue;
        r->shim.call((void *)r);
        if (!(data_difference(ours, (const float *)at(r, tensor[OUT]), count) <= most)) differs = 1;
    }
    free(ours);
    return differs ? "the result differs from ours" : NULL;
}

/* A thread's own clock stands while it waits for the processor. */
static clockid_t clock_for(const row *r)
{
    return r->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
}

enum { TRIALS = 9 };

/* The way that is faster for this row: the shortest of samples in turn. */
static void choose_way(const row *r)
{
    const clockid_t clock = clock_for(r);
    double shortest[WAYS] = {0};
    size_t calls, trial, way, best = 0;
    now_.plain = ways[0];
    calls = calls_of(r, clock, r->shim.call, (void *)r);
    for (trial = 0; trial < TRIALS; ++trial)
        for (way = 0; way < WAYS; ++way) {
            double seconds;
            if (!ways[way]->forward) continue;
            now_.plain = ways[way];
            seconds = sample(r, clock, r->shim.call, (void *)r, calls);
            if (!trial || seconds < shortest[way]) shortest[way] = seconds;
        }
    for (way = 1; way < WAYS; ++way)
        if (ways[way]->forward && shortest[way] < shortest[best]) best = way;
    now_.plain = ways[best];
}

/* ---- Beside ours: in turn, as the limit ------------------------------------------------------ */

static int has_rival(const row *r)
{
    return r->shape && (r->who != OURS || r->offset);
}

/* Ours for naive and apart, aligned for as malloc aligns. */
static row rival_of(const row *r)
{
    row rival = *r;
    rival.who = OURS;
    if (r->who == OURS) rival.offset = 0;
    return rival;
}

static void set_rival(const row *r)
{
    const row rival = rival_of(r);
    set_ours(&rival, r->pass, r->fused);
    now_.rival_desc = now_.desc, now_.rival_args = now_.args;
}

static void pair_measure(const row *r)
{
    timed *const call[2] = {r->shim.call, call_rival};
    size_t i, k;
    for (i = 0; i < 4; ++i)
        for (k = 0; k < 2; ++k) {
            double seconds;
            if (!now_.pair_calls[k])
                now_.pair_calls[k] = calls_of(r, clock_for(r), call[k], (void *)r);
            seconds = sample(r, clock_for(r), call[k], (void *)r, now_.pair_calls[k]);
            if (now_.pair[k] <= 0 || seconds < now_.pair[k]) now_.pair[k] = seconds;
        }
}

/* ---- Each row ------------------------------------------------------------------------------- */

static void fill_all(const row *r)
{
    int i;
    for (i = 0; i <= SUM; ++i) fill(at(r, tensor[i]), r->dtype, r->bytes, (size_t)i * 9973);
    if (r->shape) fill_params(r);
}

static const char *prepare_first(const row *r)
{
    static uint64_t patience = CREW_PATIENCE;
    const char *wrong;
    memset(&now_, 0, sizeof now_);
    now_.row = r;
    now_.busy = r->threads > 1 && !crew_wait_until_quiet(&patience);
    if (has_rival(r)) { /* whose buffers may begin where those of the row do not reach */
        const row rival = rival_of(r);
        fill_all(&rival);
        prepare_statistics(&rival);
    }
    fill_all(r);
    if (!r->shape) return NULL;
    if (r->who == NAIVE) set_naive(r);
    prepare_statistics(r);
    if (now_.status) return nrm_status_string(now_.status);
    wrong = compare(r);
    if (wrong) return wrong;
    if (has_rival(r)) set_rival(r);
    if (r->who == APART)
        set_apart(r);
    else
        set_ours(r, r->pass, r->fused);
    if (r->who != OURS) choose_way(r);
    r->shim.call((void *)r);
    return now_.status ? nrm_status_string(now_.status) : NULL;
}

static const char *prepare(void *user)
{
    const row *r = (const row *)user;
    if (now_.row != r) now_.wrong = prepare_first(r);
    if (now_.wrong) return now_.wrong;
    if (r->shape) {
        if (!r->offset) limit_measure(r); /* of tensors that are aligned */
        if (has_rival(r)) pair_measure(r);
        r->shim.call((void *)r); /* has its own data in the caches again */
    } else {
        now_.moving = moving_of(r);
    }
    return NULL;
}

static const char *finish(void *user, shim_state *state)
{
    const row *r = (const row *)user;
    const size_t once = r->bytes * (size_t)move_tensors[r->move];
    const size_t again = r->pass == INFER ? 0 : r->bytes * (r->pass == BACKWARD ? 2 : 1);
    shim_number(state, "bytes", (double)once);
    if (now_.busy) shim_number(state, "busy", 1);
    if (r->shape) {
        shim_number(state, "bytes_twice", (double)(once + (held(r) > last_cache ? again : 0)));
        if (!r->offset) shim_number(state, "limit", limit_of_now());
    }
    if (has_rival(r)) {
        shim_number(state, "mine", now_.pair[0]);
        shim_number(state, "rival", now_.pair[1]);
    }
    if (r->shape && r->who != OURS && naive_wide.forward)
        shim_number(state, "bits", now_.plain == &naive_wide ? 512 : 256);
    if (now_.status) now_.wrong = nrm_status_string(now_.status);
    return now_.wrong;
}

static void call_memory(void *unused)
{
    (void)unused;
    moving_run(&now_.moving);
}

/* ---- Rows ----------------------------------------------------------------------------------- */

static int special(const row *r)
{
    return (r->dtype != NRM_F32) + (r->isa != nrm_best_isa()) + r->cold + !!r->fused + !!r->offset;
}

/* Larger than a cache of the second level: with TYPES, from memory, the smaller ones in cache. */
static int is_large(const shape *s)
{
    return elements(s) >= 1 << 18;
}

/* What is special about a row, if anything, is asked for by a flag of its shape. */
static int is_main(const row *r)
{
    const shape *s = r->shape;
    const int row_kind = s->kind == NRM_LAYER || s->kind == NRM_RMS;
    if (s->flags & SWEEP) return 1;
    if (!special(r))
        return s->flags && (r->threads == 1 || (r->who == OURS && elements(s) >= 131072));
    if (r->threads > 1 || r->who == NAIVE) return 0;
    if (s->flags & TYPES && r->isa == nrm_best_isa() && !r->fused && !r->offset &&
        r->cold == is_large(s))
        return 1;
    if (special(r) > 1 || r->dtype != NRM_F32) return 0;
    if (r->offset) return s->flags & MAIN;
    return s->flags & STAR && (!r->fused || r->fused == (row_kind ? ADD : ADD | RELU));
}

static int is_wanted(const row *r)
{
    if (*filter && *filter != '-') return 1;
    return is_main(r) || (all && special(r) <= 1);
}

static size_t most_bytes, most_channels, most_statistics;

static void at_least(size_t *most, size_t value)
{
    if (*most < value) *most = value;
}

/* Copies the row and hands it over, if it is wanted. */
static void add(const row *from)
{
    row *r = (row *)malloc(sizeof *r);
    if (!r) die("memory", "none left");
    *r = *from;
    r->shim.name = r->name;
    r->shim.user = r;
    r->shim.prepare = prepare;
    r->shim.finish = finish;
    r->shim.before = r->cold ? evict : NULL;
    switch (shim_add(&r->shim, filter)) {
    case 1: break;
    case 0: free(r); return;
    default: die(filter, "not a regular expression");
    }
    at_least(&most_bytes, r->bytes);
    if (!r->shape) return;
    at_least(&most_channels, r->shape->c);
    at_least(&most_statistics, r->shape->n * (r->shape->c + positions(r->shape)));
}

static void add_case(row *r)
{
    static const char *const pass_name[] = {"train", "infer", "backward"};
    static const char *const who_name[] = {"ours", "apart", "naive"};
    const char *layout = r->layout == NRM_NHWC ? "NHWC" : "NCHW";
    const shape *s = r->shape;
    const int backward = r->pass == BACKWARD, with_sum = r->fused & ADD;
    char size[64];
    if (!is_wanted(r)) return;
    if (s->h)
        snprintf(size, sizeof size, "%zux%zux%zux%zu", s->n, s->c, s->h, s->w);
    else
        snprintf(size, sizeof size, "%zux%zu", s->n, s->c);
    snprintf(r->name, sizeof r->name, "%s%s/%s%s%s/%s/%s/%s/%s/%zut%s%s",
             s->flags & SWEEP ? "sweep/" : "", kind_name[s->kind], pass_name[r->pass],
             with_sum ? "-add" : "", r->fused & RELU ? "-relu" : "", s->h ? layout : "rows", size,
             dtype_name[r->dtype], r->who == OURS ? isa_name[r->isa] : who_name[r->who], r->threads,
             r->cold ? "/cold" : "", r->offset ? "/malloc" : "");
    r->bytes = elements(s) * dtype_size[r->dtype];
    r->move = backward ? (with_sum ? MOVE_BACKWARD_ADD : MOVE_BACKWARD)
                       : (with_sum ? MOVE_FORWARD_ADD : MOVE_FORWARD);
    r->shim.label = s->model;
    r->shim.call = r->who == NAIVE ? call_naive : r->who == APART ? call_apart : call_ours;
    add(r);
}

/* Ours, and beside it what else one would do: float, the best instruction set. */
static void add_contenders(row *r)
{
    const int usual = r->dtype == NRM_F32 && r->isa == nrm_best_isa();
    const int others = usual && !(r->shape->flags & SWEEP) && (r->fused || r->threads == 1);
    for (r->who = OURS; r->who <= NAIVE; ++r->who) {
        if (r->who != OURS && (!others || r->who != (r->fused ? APART : NAIVE))) continue;
        for (r->offset = 0; r->offset <= MALLOC; r->offset += MALLOC)
            if (!r->offset || !(r->shape->flags & SWEEP)) add_case(r);
    }
}

static void add_variants(row *r)
{
    const int one = r->shape->flags & SWEEP;
    int dtype, isa;
    for (dtype = NRM_F32; dtype <= (one ? NRM_F32 : NRM_F16); ++dtype)
        for (isa = NRM_WASM; isa >= NRM_SCALAR; --isa) {
            if (!nrm_has_isa((nrm_isa)isa) || (one && (nrm_isa)isa != nrm_best_isa())) continue;
            r->dtype = (nrm_dtype)dtype, r->isa = (nrm_isa)isa;
            for (r->fused = 0; r->fused <= (one ? 0 : ADD | RELU); ++r->fused)
                for (r->cold = 0; r->cold <= !one; ++r->cold) add_contenders(r);
        }
}

static void add_shape(const shape *s)
{
    row r;
    int what, layout;
    memset(&r, 0, sizeof r);
    if (s->flags & SLICE || (s->flags & SWEEP && now_threads > 1)) return;
    r.shape = s;
    r.threads = now_threads;
    for (what = TRAIN; what <= BACKWARD; ++what) {
        if (what == INFER && s->kind != NRM_BATCH) continue;
        if (what == BACKWARD && s->flags & SWEEP) continue;
        for (layout = NRM_NCHW; layout <= (s->h ? NRM_NHWC : NRM_NCHW); ++layout) {
            r.pass = (pass)what, r.layout = (nrm_layout)layout;
            add_variants(&r);
        }
    }
}

static void add_memory(size_t bytes)
{
    static const char *const verb[] = {"read", "copy", "triad", "copy-stream", "triad-stream"};
    static const move moves[] = {MOVE_READ, MOVE_FORWARD, MOVE_BACKWARD, MOVE_FORWARD,
                                 MOVE_BACKWARD};
    const int mega = bytes >= 1u << 20;
    row r;
    size_t i;
    memset(&r, 0, sizeof r);
    r.bytes = bytes;
    r.shim.call = call_memory;
    for (i = 0; i < COUNT(verb); ++i) {
        r.move = moves[i], r.stream = i > 2;
        if (r.stream && (!move_can_stream || !mega)) continue;
        r.threads = now_threads;
        snprintf(r.name, sizeof r.name, "memory/%s/%zu%s/%zut", verb[i], bytes >> (mega ? 20 : 10),
                 mega ? "MiB" : "KiB", r.threads);
        add(&r);
    }
}

/* ---- Main ----------------------------------------------------------------------------------- */

static void describe(void)
{
    char text[128];
    machine_processor(text, sizeof text);
    shim_context("processor", text);
    shim_context("compiler", machine_compiler());
    shim_context("flags", BENCH_FLAGS);
    shim_context("isa", nrm_isa_name(nrm_best_isa()));
    snprintf(text, sizeof text, "%zu", threads);
    shim_context("threads", text);
    snprintf(text, sizeof text, "%zu", last_cache);
    shim_context("last_cache", text);
    shim_context("naive", naive_wide.forward ? "256 or 512 bits" : "what the compiler takes");
}

static void get_memory(void)
{
    const size_t doubles = sizeof(double);
    void **const param[] = {&gamma_, &beta, &dgamma, &dbeta, &running_mean, &running_var};
    size_t i;
    for (i = 0; i < TENSORS; ++i) tensor[i] = get(most_bytes);
    for (i = 0; i < COUNT(param); ++i) *param[i] = get(most_channels * doubles);
    mean = (double *)get(most_statistics * doubles);
    rstd = (double *)get(most_statistics * doubles);
    naive_mean = (float *)get(most_statistics * sizeof(float));
    naive_rstd = (float *)get(most_statistics * sizeof(float));
    scratch_p = (float *)get(most_statistics * sizeof(float));
    scratch_q = (float *)get(most_statistics * sizeof(float));
    workspace_size = threads * 65536;
    workspace = get(workspace_size);
    evictor_bytes = 2 * last_cache;
    evictor = get(evictor_bytes);
}

int main(int argc, char **argv)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t i;
    int wrong;
    filter = shim_init(&argc, &argv);
    threads = processors > 1 ? (size_t)processors : 1;
    for (i = 1; i < (size_t)argc; ++i) {
        if (!strcmp(argv[i], "--all"))
            all = 1;
        else if (sscanf(argv[i], "--threads=%zu", &threads) != 1 || threads < 1)
            die(argv[i], "unknown; --all, --threads=N, and Google Benchmark's flags");
    }
    last_cache = machine_last_cache();
    for (now_threads = 1;; now_threads = threads) {
        for (i = 0; i < COUNT(memory_sizes); ++i) add_memory(memory_sizes[i]);
        for (i = 0; i < COUNT(shapes); ++i) add_shape(&shapes[i]);
        if (now_threads == threads) break;
    }
    get_memory();
    if (!crew_start(threads)) die("threads", "none to be had");
    describe();
    wrong = shim_run();
    if (wrong) fprintf(stderr, "bench: %d rows went wrong\n", wrong);
    return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
