/* test_tensors.c - half parameters, a float residual beside 16-bit data, lengths, the other layout
 * out, and int8 rows: each against calls without it that have to give the same bits. Lengths of
 * batch norm are against the parts, and its moments against a plain sum.
 *
 *   ./t [problems [first seed]]
 */
#include "../normalize.h"

#include <math.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- problems -------------------------------------------------------------------------------- */

/* Tensors, by x_pitch and then by y_pitch; parameters; running statistics. All are doubles here, in
   the order [n][c][s]. */
enum { X, RES, DSUM, DY, ADD, GATE, GAMMA, BETA, MEAN_R, VAR_R, INPUTS };
enum { Y, SUM, DX, DRES, DADD, DGATE, Q8, TENSORS, MEAN = TENSORS, RSTD, SCALE, DGAMMA, DBETA,
       NEW_MEAN, NEW_VAR, MOMENTS, SUMS, OUTPUTS };

static const char *const output_name[OUTPUTS] = {
    "y", "sum", "dx", "dresidual", "dadd", "dgate", "q8", "mean", "rstd", "q8_scale", "dgamma",
    "dbeta", "running_mean", "running_var", "moments", "sums"};

typedef struct work {
    uint64_t seed;
    nrm_desc d;                /* NCHW, packed          */
    double *in[INPUTS];        /* NULL: not given       */
    size_t lengths[8];
    int has_lengths, accumulate, population, no_x, no_y, q8;
    int plain;                 /* without sum, dadd and dresidual: the short ways */
    double rate;
} work;

/* How one call is made. */
typedef struct how {
    nrm_isa isa;
    nrm_layout layout;
    size_t gap, shift;
    const double *moments, *sums, *mean, *rstd; /* what a call is given of an earlier one */
} how;

typedef struct result {
    nrm_status status;
    double *out[OUTPUTS]; /* in the order [n][c][s] */
    size_t count[OUTPUTS];
} result;

/* Values that every storage type has. */
static double *draw(gen *g, nrm_dtype type, size_t count, double about, double spread)
{
    double *v = (double *)test_alloc(count, sizeof *v);
    unsigned char held[8];
    size_t i;
    for (i = 0; i < count; ++i) {
        type_put(type, held, 0, about + spread * gen_normal(g));
        v[i] = type_get(type, held, 0);
    }
    return v;
}

static void draw_sizes(gen *g, nrm_desc *d)
{
    const int wide = gen_one_in(g, 6), tall = gen_one_in(g, 6);
    d->kind = (nrm_kind)gen_below(g, 5);
    d->n = 1 + gen_below(g, 5);
    d->groups = 1 + gen_below(g, 4);
    d->c = d->groups * (1 + gen_below(g, wide ? 300 : 12));
    d->s = gen_one_in(g, 5) ? 1 : 1 + gen_below(g, tall ? 1500 : 50);
    while (problem_volume(d) > 6000) d->n = d->n / 2 + 1, d->s = d->s / 2 + 1, d->c = d->groups * 2;
}

enum { PARAM_HALF = 1, WIDE = 2, LENGTHS = 4, TURN = 8, STEPS = 16 };

static void choose_options(gen *g, work *w, unsigned options)
{
    static const double slope[] = {0.1, 0, -0.5};
    nrm_desc *d = &w->d;
    size_t i;
    d->dtype = (nrm_dtype)gen_below(g, 4);
    if (options & (PARAM_HALF | WIDE)) d->dtype = gen_one_in(g, 2) ? NRM_BF16 : NRM_F16;
    if (options & STEPS) d->kind = gen_one_in(g, 2) ? NRM_LAYER : NRM_RMS;
    if (options & STEPS && d->dtype == NRM_F64) d->dtype = NRM_F32;
    d->param_half = options & PARAM_HALF ? 1 : 0;
    d->wide_residual = options & WIDE ? 1 : 0;
    d->transpose_y = options & TURN ? 1 : 0;
    w->q8 = options & STEPS ? 1 : 0;
    d->eps = 0.001;
    d->gamma_offset = gen_one_in(g, 3) ? 1 : 0;
    d->affine_per_sample = gen_one_in(g, 4);
    d->act = gen_one_in(g, 2) ? NRM_IDENTITY : (nrm_act)gen_below(g, ACTS);
    d->act_slope = slope[gen_below(g, 3)], d->act_low = -0.5, d->act_high = 1.5;
    w->accumulate = gen_one_in(g, 3), w->population = 1;
    w->rate = 0.25;
    w->has_lengths = options & LENGTHS ? 1 : 0;
    for (i = 0; i < d->n; ++i)
        w->lengths[i] = gen_one_in(g, 4) ? (gen_one_in(g, 2) ? 0 : d->s) : gen_below(g, d->s + 1);
}

static work *work_draw(uint64_t seed, unsigned options)
{
    work *w = (work *)test_alloc(1, sizeof *w);
    gen g = gen_seed(seed);
    nrm_desc *d = &w->d;
    nrm_dtype held, z;
    double about;
    size_t i;
    w->seed = seed;
    draw_sizes(&g, d);
    choose_options(&g, w, options);
    held = d->param_half ? d->dtype : type_of_parameters(d->dtype);
    z = d->wide_residual ? NRM_F32 : d->dtype;
    about = gen_one_in(&g, 3) ? 40 : 0;
    w->in[X] = draw(&g, d->dtype, problem_volume(d), about, 2);
    if (gen_one_in(&g, 2)) w->in[RES] = draw(&g, z, problem_volume(d), 0.5, 1);
    if (gen_one_in(&g, 2)) w->in[DSUM] = draw(&g, z, problem_volume(d), 0, 1);
    w->in[DY] = draw(&g, d->dtype, problem_volume(d), 0, 1);
    if (gen_one_in(&g, 2)) w->in[ADD] = draw(&g, d->dtype, problem_volume(d), 0, 1);
    if (gen_one_in(&g, 3)) w->in[GATE] = draw(&g, d->dtype, problem_volume(d), 0, 2);
    if (!gen_one_in(&g, 4)) w->in[GAMMA] = draw(&g, held, slot_count(d, SLOT_GAMMA), 1, 0.5);
    if (!gen_one_in(&g, 4)) w->in[BETA] = draw(&g, held, slot_count(d, SLOT_GAMMA), 0, 0.5);
    w->in[MEAN_R] = draw(&g, type_of_parameters(d->dtype), d->c, 0, 1);
    w->in[VAR_R] = draw(&g, type_of_parameters(d->dtype), d->c, 0, 1);
    for (i = 0; i < d->c; ++i) w->in[VAR_R][i] = fabs(w->in[VAR_R][i]) + 0.5;
    w->no_x = d->wide_residual && w->in[RES] && gen_one_in(&g, 2);
    w->no_y = w->q8 && gen_one_in(&g, 3);
    w->plain = gen_one_in(&g, 2);
    return w;
}

static void work_free(work *w)
{
    int i;
    for (i = 0; i < INPUTS; ++i) free(w->in[i]);
    free(w);
}

static const char *work_text(const work *w)
{
    static char text[400];
    const nrm_desc *d = &w->d;
    size_t i, at;
    snprintf(text, sizeof text,
             "seed %llu: %s %s %zux%zux%zu groups %zu act %d%s%s%s%s%s%s%s%s%s%s%s%s offset %g",
             (unsigned long long)w->seed, type_name[d->dtype], kind_name[d->kind], d->n, d->c, d->s,
             d->groups, (int)d->act, d->param_half ? " param_half" : "",
             d->wide_residual ? " wide" : "", d->transpose_y ? " transposed" : "",
             w->q8 ? " q8" : "", w->in[RES] ? " residual" : "", w->in[DSUM] ? " dsum" : "",
             w->in[ADD] ? " add" : "", w->in[GATE] ? " gate" : "",
             d->affine_per_sample ? " per sample" : "", w->no_x ? " no x" : "",
             w->in[GAMMA] ? "" : " no gamma", w->accumulate ? " accumulate" : "", d->gamma_offset);
    for (i = 0; w->has_lengths && i < d->n; ++i) {
        at = strlen(text);
        snprintf(text + at, sizeof text - at, " %zu", w->lengths[i]);
    }
    return text;
}

/* ---- a call ---------------------------------------------------------------------------------- */

#define MARGIN 64

/* The type of a tensor, and its layout. An int8 is no nrm_dtype: it is handled by hand. */
static nrm_dtype tensor_type(const nrm_desc *d, int wide)
{
    return wide && d->wide_residual ? NRM_F32 : d->dtype;
}

/* The desc as tensors like x or y have it: with their layout. */
static nrm_desc lying(const nrm_desc *d, nrm_layout layout, int like_y)
{
    nrm_desc own = *d;
    own.layout = layout;
    return slot_desc(&own, like_y ? SLOT_Y : SLOT_X);
}

typedef struct buffer {
    unsigned char *memory, *at;
    size_t bytes;
} buffer;

static buffer buffer_new(size_t bytes, size_t shift)
{
    buffer b;
    b.memory = (unsigned char *)test_alloc(bytes + 2 * MARGIN + shift, 1);
    gen_canary(b.memory, bytes + 2 * MARGIN + shift);
    b.at = b.memory + MARGIN + shift;
    b.bytes = bytes;
    return b;
}

/* Where element (i, j, k) lies. */
static size_t place(const nrm_desc *d, size_t gap, size_t i, size_t j, size_t k)
{
    const size_t line = line_length(d) + gap;
    const int nchw = d->layout == NRM_NCHW;
    return (i * line_count(d) + (nchw ? j : k)) * line + (nchw ? k : j);
}

/* A tensor of `values`, or of canaries; so is what is padding. */
static buffer tensor_new(const work *w, const how *h, const double *values, size_t size,
                         nrm_dtype type, int like_y)
{
    const nrm_desc own = lying(&w->d, h->layout, like_y), *const d = &own;
    buffer b = buffer_new(size * d->n * line_count(d) * (line_length(d) + h->gap), h->shift);
    size_t i, j, k;
    for (i = 0; values && i < d->n; ++i)
        for (j = 0; j < d->c; ++j)
            for (k = 0; k < (w->has_lengths ? w->lengths[i] : d->s); ++k)
                type_put(type, b.at, place(d, h->gap, i, j, k),
                         values[(i * d->c + j) * d->s + k]);
    return b;
}

static void tensor_collect(const work *w, const how *h, result *r, int which, buffer *b,
                           size_t size, nrm_dtype type, int like_y)
{
    const nrm_desc own = lying(&w->d, h->layout, like_y), *const d = &own;
    size_t i, j, k, stray = 0;
    r->count[which] = problem_volume(d);
    r->out[which] = (double *)test_alloc(problem_volume(d), sizeof(double));
    for (i = 0; i < d->n; ++i)
        for (j = 0; j < d->c; ++j)
            for (k = 0; k < d->s; ++k) {
                const size_t at = place(d, h->gap, i, j, k);
                r->out[which][(i * d->c + j) * d->s + k] =
                    size == 1 ? (double)(signed char)b->at[at] : type_get(type, b->at, at);
                memset(b->at + size * at, GEN_CANARY, size);
            }
    stray = (size_t)!gen_intact(b->memory, (size_t)(b->at - b->memory) + b->bytes + MARGIN);
    check(!stray, "%s: written outside; %s", output_name[which], work_text(w));
}

static buffer list_new(const double *values, nrm_dtype type, size_t count, size_t shift)
{
    buffer b = buffer_new(count * type_size(type), shift);
    size_t i;
    for (i = 0; values && i < count; ++i) type_put(type, b.at, i, values[i]);
    return b;
}

static void list_collect(result *r, int which, const buffer *b, nrm_dtype type, size_t count)
{
    size_t i;
    r->count[which] = count;
    r->out[which] = (double *)test_alloc(count, sizeof(double));
    for (i = 0; i < count; ++i) r->out[which][i] = type_get(type, b->at, i);
}

static void result_free(result *r)
{
    int i;
    for (i = 0; i < OUTPUTS; ++i) free(r->out[i]);
}

/* The buffers of a call. */
typedef struct call_bed {
    nrm_desc d;
    nrm_args a;
    buffer in[INPUTS], out[OUTPUTS];
    uint64_t lengths[9]; /* shifted by a byte */
} call_bed;

static void call_inputs(call_bed *b, const work *w, const how *h)
{
    static const int wide[] = {0, 1, 1, 0, 0, 0};
    const nrm_dtype held = type_of_parameters(w->d.dtype);
    int i;
    for (i = X; i <= GATE; ++i)
        if (w->in[i]) {
            const nrm_dtype type = tensor_type(&b->d, wide[i]);
            b->in[i] = tensor_new(w, h, w->in[i], type_size(type), type, i >= DY);
        }
    for (i = GAMMA; i <= BETA; ++i)
        if (w->in[i])
            b->in[i] = list_new(w->in[i], b->d.param_half ? b->d.dtype : held,
                                slot_count(&b->d, SLOT_GAMMA), h->shift);
    for (i = MEAN_R; i <= VAR_R; ++i) b->in[i] = list_new(w->in[i], held, b->d.c, h->shift);
    memcpy((unsigned char *)b->lengths + 1, w->lengths, sizeof w->lengths);
}

static void call_outputs(call_bed *b, const work *w, const how *h)
{
    const nrm_dtype held = b->d.param_half ? b->d.dtype : type_of_parameters(b->d.dtype);
    const nrm_dtype z = tensor_type(&b->d, 1);
    const size_t size = type_size(b->d.dtype);
    double *old = (double *)test_alloc(slot_count(&b->d, SLOT_GAMMA), sizeof *old);
    size_t i;
    for (i = 0; i < slot_count(&b->d, SLOT_GAMMA); ++i) old[i] = 0.25 * (double)(i % 7);
    b->out[Y] = tensor_new(w, h, NULL, size, b->d.dtype, 1);
    b->out[SUM] = tensor_new(w, h, NULL, type_size(z), z, 0);
    b->out[DX] = tensor_new(w, h, NULL, size, b->d.dtype, 0);
    b->out[DRES] = tensor_new(w, h, NULL, type_size(z), z, 0);
    b->out[DADD] = tensor_new(w, h, NULL, size, b->d.dtype, 1);
    b->out[DGATE] = tensor_new(w, h, NULL, size, b->d.dtype, 1);
    b->out[Q8] = tensor_new(w, h, NULL, 1, NRM_F32, 1);
    b->out[MEAN] = list_new(h->mean, NRM_F64, problem_stats(&b->d), h->shift);
    b->out[RSTD] = list_new(h->rstd, NRM_F64, problem_stats(&b->d), h->shift);
    b->out[SCALE] = list_new(NULL, NRM_F32, problem_stats(&b->d), h->shift);
    b->out[DGAMMA] = list_new(old, held, slot_count(&b->d, SLOT_GAMMA), h->shift);
    b->out[DBETA] = list_new(old, held, slot_count(&b->d, SLOT_GAMMA), h->shift);
    b->out[MOMENTS] = list_new(h->moments, NRM_F64, 3 * b->d.c, 0);
    b->out[SUMS] = list_new(h->sums, NRM_F64, 3 * b->d.c, 0);
    free(old);
}

static void call_point(call_bed *b, const work *w, const how *h)
{
    const nrm_desc x = lying(&b->d, h->layout, 0), y = lying(&b->d, h->layout, 1);
    nrm_args *a = &b->a;
    if (h->gap) b->d.x_pitch.line = line_length(&x) + h->gap;
    if (h->gap) b->d.y_pitch.line = line_length(&y) + h->gap;
    a->x = w->no_x ? NULL : b->in[X].at, a->residual = b->in[RES].at, a->dsum = b->in[DSUM].at;
    a->dy = b->in[DY].at, a->add = b->in[ADD].at, a->gate = b->in[GATE].at;
    a->gamma = b->in[GAMMA].at, a->beta = b->in[BETA].at;
    a->y = w->no_y ? NULL : b->out[Y].at, a->dx = b->out[DX].at;
    a->sum = w->plain ? NULL : b->out[SUM].at, a->dadd = w->plain ? NULL : b->out[DADD].at;
    a->dresidual = b->d.wide_residual && !w->plain ? b->out[DRES].at : NULL;
    a->dgate = w->in[GATE] ? b->out[DGATE].at : NULL;
    a->q8 = w->q8 ? (int8_t *)b->out[Q8].at : NULL;
    a->q8_scale = w->q8 ? (float *)(void *)b->out[SCALE].at : NULL;
    a->mean = (double *)(void *)b->out[MEAN].at, a->rstd = (double *)(void *)b->out[RSTD].at;
    a->dgamma = b->out[DGAMMA].at, a->dbeta = b->out[DBETA].at;
    a->accumulate = w->accumulate, a->isa = h->isa;
    a->running_rate = w->rate, a->running_population = w->population;
    a->running_mean = b->in[MEAN_R].at, a->running_var = b->in[VAR_R].at;
    a->lengths = w->has_lengths ? (const size_t *)(const void *)((unsigned char *)b->lengths + 1)
                                : NULL;
}

static void call_collect(call_bed *b, const work *w, const how *h, enum verb verb, result *r)
{
    const nrm_dtype held = b->d.param_half ? b->d.dtype : type_of_parameters(b->d.dtype);
    const nrm_dtype wide = tensor_type(&b->d, 1), type = b->d.dtype;
    const size_t size = type_size(type), n = problem_stats(&b->d);
    const int back =
        verb == VERB_BACKWARD || verb == VERB_INFER_BACKWARD || verb == VERB_BACKWARD_APPLY;
    const int forward = verb == VERB_FORWARD || verb == VERB_INFER || verb == VERB_APPLY;
    if (forward && !w->no_y) tensor_collect(w, h, r, Y, &b->out[Y], size, type, 1);
    if (forward && !w->plain)
        tensor_collect(w, h, r, SUM, &b->out[SUM], type_size(wide), wide, 0);
    if (back) tensor_collect(w, h, r, DX, &b->out[DX], size, type, 0);
    if (back && b->d.wide_residual && !w->plain)
        tensor_collect(w, h, r, DRES, &b->out[DRES], 4, NRM_F32, 0);
    if (back && !w->plain) tensor_collect(w, h, r, DADD, &b->out[DADD], size, type, 1);
    if (back && w->in[GATE]) tensor_collect(w, h, r, DGATE, &b->out[DGATE], size, type, 1);
    if (verb == VERB_FORWARD && w->q8) {
        tensor_collect(w, h, r, Q8, &b->out[Q8], 1, NRM_F32, 1);
        list_collect(r, SCALE, &b->out[SCALE], NRM_F32, n);
    }
    if (verb == VERB_FORWARD || verb == VERB_APPLY) {
        if (b->d.kind != NRM_RMS) list_collect(r, MEAN, &b->out[MEAN], NRM_F64, n);
        list_collect(r, RSTD, &b->out[RSTD], NRM_F64, n);
        list_collect(r, NEW_MEAN, &b->in[MEAN_R], type_of_parameters(type), b->d.c);
        list_collect(r, NEW_VAR, &b->in[VAR_R], type_of_parameters(type), b->d.c);
    }
    if ((back && verb != VERB_BACKWARD_APPLY) || verb == VERB_BACKWARD_REDUCE) {
        list_collect(r, DGAMMA, &b->out[DGAMMA], held, slot_count(&b->d, SLOT_GAMMA));
        list_collect(r, DBETA, &b->out[DBETA], held, slot_count(&b->d, SLOT_GAMMA));
    }
    if (verb == VERB_REDUCE) list_collect(r, MOMENTS, &b->out[MOMENTS], NRM_F64, 3 * b->d.c);
    if (verb == VERB_BACKWARD_REDUCE) list_collect(r, SUMS, &b->out[SUMS], NRM_F64, 3 * b->d.c);
}

static result call(const work *w, enum verb verb, const how *h)
{
    result r;
    call_bed b;
    int i;
    memset(&r, 0, sizeof r);
    memset(&b, 0, sizeof b);
    b.d = w->d, b.d.layout = h->layout;
    call_inputs(&b, w, h);
    call_outputs(&b, w, h);
    call_point(&b, w, h);
    r.status = verb_call(verb, &b.d, &b.a, b.out[MOMENTS].at, b.out[SUMS].at);
    if (check(r.status == NRM_OK, "verb %d gives status %d; %s", (int)verb, (int)r.status,
              work_text(w)))
        call_collect(&b, w, h, verb, &r);
    for (i = 0; i < INPUTS; ++i) free(b.in[i].memory);
    for (i = 0; i < OUTPUTS; ++i) free(b.out[i].memory);
    return r;
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* What the value is after it is stored as this type. */
static double stored(nrm_dtype type, double v)
{
    unsigned char held[8];
    type_put(type, held, 0, v);
    return type_get(type, held, 0);
}

/* Element by element, where both are; `as`: how the wanted value is stored. */
static void expect(const work *w, const char *what, int which, const result *got,
                   const double *want, size_t count, nrm_dtype as)
{
    size_t i;
    if (!got->out[which] || !want) return;
    for (i = 0; i < count; ++i) {
        const double v = got->out[which][i];
        if (!same_f64(v, stored(as, want[i])) && !half_is_tie(as, want[i], v)) break;
    }
    check(i == count, "%s: %s[%zu] is %.9g, not %.9g; %s", what, output_name[which], i,
          i < count ? got->out[which][i] : 0, i < count ? want[i] : 0, work_text(w));
}

/* Every output that both have. */
static void expect_all(const work *w, const char *what, const result *got, const result *want)
{
    int i;
    for (i = 0; i < OUTPUTS; ++i)
        expect(w, what, i, got, want->out[i], want->count[i], NRM_F64);
}

static how usual(void)
{
    how h;
    memset(&h, 0, sizeof h);
    h.isa = NRM_SCALAR;
    return h;
}

/* Which statistics forward gave are those of backward. */
static how after(const how *h, const result *forward)
{
    how next = *h;
    next.mean = forward->out[MEAN], next.rstd = forward->out[RSTD];
    return next;
}

static int has_running(const work *w)
{
    return w->d.kind == NRM_BATCH || w->d.kind == NRM_INSTANCE;
}

/* All calls of a problem: those of two layouts, each instruction set, gaps and odd addresses give
   what `first` gave. */
static void across(const work *w, const how *first, const result *f, const result *b)
{
    size_t i;
    int layout;
    for (i = 0; i < ISAS; ++i)
        for (layout = 0; layout < 2 && nrm_has_isa(all_isa[i]); ++layout) {
            how h = *first;
            result r;
            h.isa = all_isa[i], h.layout = (nrm_layout)layout;
            h.gap = (w->seed + i) % 3 ? 0 : 3, h.shift = (w->seed + (size_t)layout) % 4;
            r = call(w, VERB_FORWARD, &h);
            expect_all(w, nrm_isa_name(h.isa), &r, f);
            result_free(&r);
            h = after(&h, f);
            r = call(w, VERB_BACKWARD, &h);
            expect_all(w, nrm_isa_name(h.isa), &r, b);
            result_free(&r);
        }
}

/* ---- 1 the same numbers without the options -------------------------------------------------- */

/* A copy that shares the inputs: float instead of 16-bit data where `single`; without what is new.
   A residual alone is x. */
static work without(const work *w, int single)
{
    work b = *w;
    if (single) b.d.dtype = w->d.dtype == NRM_F64 ? NRM_F64 : NRM_F32;
    b.d.param_half = b.d.wide_residual = b.d.transpose_y = 0;
    b.q8 = b.no_y = b.no_x = 0;
    if (w->no_x) b.in[X] = w->in[RES], b.in[RES] = NULL;
    return b;
}

/* Rows of y as floats, in steps. */
static void expect_steps(const work *w, const result *f, const double *y)
{
    const nrm_desc *d = &w->d;
    size_t i, j, k;
    for (i = 0; i < d->n; ++i)
        for (k = 0; k < (w->has_lengths ? w->lengths[i] : d->s); ++k) {
            float most = 0, scale;
            for (j = 0; j < d->c; ++j)
                most = fmaxf(most, fabsf((float)y[(i * d->c + j) * d->s + k]));
            scale = most / 127;
            if (!check(same_f64(f->out[SCALE][i * d->s + k], (double)scale),
                       "row %zu, %zu has scale %.9g, not %.9g; %s", i, k,
                       f->out[SCALE][i * d->s + k], (double)scale, work_text(w)))
                return;
            for (j = 0; j < d->c; ++j) {
                const size_t at = (i * d->c + j) * d->s + k;
                const float step = scale > 0 ? nearbyintf((float)y[at] / scale) : 0;
                if (!check(same_f64(f->out[Q8][at] + 0.0, (double)step + 0.0),
                           "q8[%zu] is %g, not %g; %s", at, f->out[Q8][at], (double)step,
                           work_text(w)))
                    return;
            }
        }
}

/* Of a float residual the twin is float throughout. Of steps it is, too: y is not rounded; where z
   is, the twin takes the sum as x. */
static void twin(const work *w, unsigned options)
{
    const how h = usual();
    const nrm_dtype type = w->d.dtype;
    const int wide = w->d.wide_residual;
    result f = call(w, VERB_FORWARD, &h), tf, b, tb;
    how hb = after(&h, &f);
    work t = without(w, wide);
    tf = call(&t, VERB_FORWARD, &h);
    expect(w, "twin", Y, &f, tf.out[Y], tf.count[Y], type);
    expect(w, "twin", SUM, &f, tf.out[SUM], tf.count[SUM], NRM_F64);
    expect(w, "twin", MEAN, &f, tf.out[MEAN], tf.count[MEAN], NRM_F64);
    expect(w, "twin", RSTD, &f, tf.out[RSTD], tf.count[RSTD], NRM_F64);
    expect(w, "twin", NEW_MEAN, &f, tf.out[NEW_MEAN], tf.count[NEW_MEAN], NRM_F64);
    expect(w, "twin", NEW_VAR, &f, tf.out[NEW_VAR], tf.count[NEW_VAR], NRM_F64);
    b = call(w, VERB_BACKWARD, &hb);
    tb = call(&t, VERB_BACKWARD, &hb);
    expect(w, "twin", DX, &b, tb.out[DX], tb.count[DX], type);
    expect(w, "twin", DRES, &b, tb.out[DX], tb.count[DX], NRM_F64);
    expect(w, "twin", DADD, &b, tb.out[DADD], tb.count[DADD], type);
    expect(w, "twin", DGATE, &b, tb.out[DGATE], tb.count[DGATE], type);
    expect(w, "twin", DGAMMA, &b, tb.out[DGAMMA], tb.count[DGAMMA],
           w->d.param_half ? type : NRM_F64);
    expect(w, "twin", DBETA, &b, tb.out[DBETA], tb.count[DBETA], w->d.param_half ? type : NRM_F64);
    across(w, &h, &f, &b);
    if (options & STEPS) {
        work single = without(w, 1);
        result s;
        if (!w->has_lengths) {
            work summed = *w;
            result z;
            summed.plain = 0, z = call(&summed, VERB_FORWARD, &h);
            if (!wide) single.in[X] = z.out[SUM], single.in[RES] = NULL;
            s = call(&single, VERB_FORWARD, &h);
            expect_steps(w, &f, s.out[Y]);
            result_free(&s), result_free(&z);
        }
    }
    result_free(&f), result_free(&tf), result_free(&b), result_free(&tb);
}

/* nrm_infer and its gradient, of the same twin. */
static void frozen(const work *w)
{
    const how h = usual();
    const nrm_dtype type = w->d.dtype;
    work t = without(w, w->d.wide_residual);
    result f = call(w, VERB_INFER, &h), tf = call(&t, VERB_INFER, &h);
    result b = call(w, VERB_INFER_BACKWARD, &h), tb = call(&t, VERB_INFER_BACKWARD, &h), other;
    how h2 = h;
    h2.isa = NRM_AUTO, h2.layout = NRM_NHWC, h2.shift = 1;
    expect(w, "frozen", Y, &f, tf.out[Y], tf.count[Y], type);
    expect(w, "frozen", DX, &b, tb.out[DX], tb.count[DX], type);
    expect(w, "frozen", DRES, &b, tb.out[DX], tb.count[DX], NRM_F64);
    expect(w, "frozen", DADD, &b, tb.out[DADD], tb.count[DADD], type);
    if (!w->d.param_half)
        expect(w, "frozen", DGAMMA, &b, tb.out[DGAMMA], tb.count[DGAMMA], NRM_F64);
    other = call(w, VERB_INFER, &h2), expect_all(w, "frozen elsewhere", &other, &f);
    result_free(&other);
    other = call(w, VERB_INFER_BACKWARD, &h2), expect_all(w, "frozen elsewhere", &other, &b);
    result_free(&other);
    result_free(&f), result_free(&tf), result_free(&b), result_free(&tb);
}

/* ---- 2 lengths ------------------------------------------------------------------------------- */

/* Sample i alone, cut to its length. */
static work alone(const work *w, size_t i)
{
    const nrm_desc *d = &w->d;
    const size_t length = w->lengths[i];
    work one = *w;
    size_t j;
    int t;
    one.d.n = 1, one.d.s = length, one.has_lengths = 0;
    for (t = 0; t <= GATE; ++t) {
        if (!w->in[t]) continue;
        one.in[t] = (double *)test_alloc(d->c * length, sizeof(double));
        for (j = 0; j < d->c; ++j)
            memcpy(one.in[t] + j * length, w->in[t] + (i * d->c + j) * d->s,
                   length * sizeof(double));
    }
    for (t = GAMMA; t <= BETA && d->affine_per_sample; ++t)
        if (w->in[t]) one.in[t] = w->in[t] + i * d->c;
    return one;
}

static void alone_free(work *one)
{
    int t;
    for (t = 0; t <= GATE; ++t) free(one->in[t]);
}

/* Tensors of the batch hold those of the sample, and +0 behind its length. */
static void expect_sample(const work *w, const result *all, const result *one, size_t i)
{
    const nrm_desc *d = &w->d;
    const size_t length = w->lengths[i];
    /* alone, group norm of one position is layer norm, which sums in another order */
    const int row = d->kind == NRM_GROUP && length == 1 && d->s > 1;
    size_t j, k, wrong = 0, padding = 0;
    int t;
    for (t = 0; t < TENSORS; ++t) {
        if (!all->out[t]) continue;
        for (j = 0; j < d->c; ++j)
            for (k = 0; k < d->s; ++k) {
                const double v = all->out[t][(i * d->c + j) * d->s + k];
                if (k >= length)
                    padding += bits_f64(v) != 0;
                else if (one->out[t] && !row)
                    wrong += !same_f64(v, one->out[t][j * length + k]);
            }
        if (!check(!wrong && !padding, "sample %zu: %zu of %s differ, %zu are not +0; %s", i,
                   wrong, output_name[t], padding, work_text(w)))
            return;
    }
}

static void expect_stats(const work *w, const result *all, const result *one, size_t i)
{
    const nrm_desc *d = &w->d;
    const size_t each = problem_stats(d) / d->n, length = w->lengths[i];
    const int rows = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    const size_t there = rows ? length : length ? each : 0;
    const int row = d->kind == NRM_GROUP && length == 1 && d->s > 1;
    size_t k, wrong = 0;
    int t;
    for (t = MEAN; t <= SCALE; ++t)
        for (k = 0; all->out[t] && k < each; ++k) {
            const double v = all->out[t][i * each + k];
            wrong += k < there ? one->out[t] && !row && !same_f64(v, one->out[t][k])
                               : bits_f64(v) != 0;
        }
    check(!wrong, "sample %zu: %zu statistics; %s", i, wrong, work_text(w));
}

/* dgamma and dbeta are those of a call without lengths that has a dy of 0 where padding is. */
static void expect_parameters(const work *w, const result *b, const how *h)
{
    const nrm_desc *d = &w->d;
    work full = *w;
    double *copy[GATE + 1] = {NULL}, *rstd = (double *)test_alloc(problem_stats(d), sizeof *rstd);
    how hf = *h;
    result r;
    size_t i, j, k;
    int t;
    full.has_lengths = 0;
    for (t = 0; t <= GATE; ++t) {
        if (!w->in[t]) continue;
        copy[t] = (double *)test_alloc(1 + problem_volume(d), sizeof(double));
        memcpy(copy[t], w->in[t], problem_volume(d) * sizeof(double));
        for (i = 0; i < d->n && t == DY; ++i)
            for (j = 0; j < d->c; ++j)
                for (k = w->lengths[i]; k < d->s; ++k) copy[t][(i * d->c + j) * d->s + k] = 0;
        full.in[t] = copy[t];
    }
    memcpy(rstd, h->rstd, problem_stats(d) * sizeof(double));
    hf.rstd = rstd;
    r = call(&full, d->kind == NRM_BATCH ? VERB_BACKWARD_REDUCE : VERB_BACKWARD, &hf);
    expect(w, "as of dy = 0", DGAMMA, b, r.out[DGAMMA], r.count[DGAMMA], NRM_F64);
    expect(w, "as of dy = 0", DBETA, b, r.out[DBETA], r.count[DBETA], NRM_F64);
    result_free(&r);
    for (t = 0; t <= GATE; ++t) free(copy[t]);
    free(rstd);
}

static void by_sample(const work *w)
{
    const how h = usual();
    result f = call(w, VERB_FORWARD, &h), b;
    const how hb = after(&h, &f);
    size_t i;
    b = call(w, VERB_BACKWARD, &hb);
    across(w, &h, &f, &b);
    for (i = 0; i < w->d.n; ++i) {
        work one = alone(w, i);
        result f1, b1;
        memset(&f1, 0, sizeof f1), memset(&b1, 0, sizeof b1);
        if (w->lengths[i]) {
            how h1;
            f1 = call(&one, VERB_FORWARD, &h);
            h1 = after(&h, &f1);
            b1 = call(&one, VERB_BACKWARD, &h1);
        }
        expect_sample(w, &f, &f1, i);
        expect_sample(w, &b, &b1, i);
        expect_stats(w, &f, &f1, i);
        result_free(&f1), result_free(&b1), alone_free(&one);
    }
    if (w->d.s >= 16 || w->d.kind == NRM_INSTANCE || w->d.kind == NRM_GROUP)
        expect_parameters(w, &b, &hb);
    result_free(&f), result_free(&b);
}

/* z as the library makes it. */
static double z_of(const work *w, size_t at)
{
    const nrm_dtype type = w->d.wide_residual ? NRM_F32 : w->d.dtype;
    if (w->no_x) return w->in[RES][at];
    return w->in[RES] ? stored(type, w->in[X][at] + w->in[RES][at]) : w->in[X][at];
}

/* The moments of batch norm against a plain sum of what is there. */
static void expect_moments(const work *w, const double *moments)
{
    const nrm_desc *d = &w->d;
    size_t i, j, k;
    for (j = 0; j < d->c; ++j) {
        long double count = 0, sum = 0, m2 = 0;
        for (i = 0; i < d->n; ++i)
            for (k = 0; k < w->lengths[i]; ++k) {
                sum += z_of(w, (i * d->c + j) * d->s + k);
                count += 1;
            }
        for (i = 0; i < d->n && count > 0; ++i)
            for (k = 0; k < w->lengths[i]; ++k) {
                const long double e = z_of(w, (i * d->c + j) * d->s + k) - sum / count;
                m2 += e * e;
            }
        if (!check(moments[3 * j] == (double)count &&
                       fabsl(moments[3 * j + 1] - (count > 0 ? sum / count : 0)) <= 1e-5L &&
                       fabsl(moments[3 * j + 2] - m2) <= 1e-5L * m2,
                   "channel %zu: %g, %.9g, %.9g instead of %g, %.9g, %.9g; %s", j, moments[3 * j],
                   moments[3 * j + 1], moments[3 * j + 2], (double)count,
                   (double)(count > 0 ? sum / count : 0), (double)m2, work_text(w)))
            return;
    }
}

/* Batch norm: what is there is mapped as by the parts of a call without lengths. */
static void by_parts(const work *w)
{
    how h = usual();
    result f = call(w, VERB_FORWARD, &h), b, m = call(w, VERB_REDUCE, &h), s, o;
    how hb = after(&h, &f);
    work full = *w;
    size_t i;
    b = call(w, VERB_BACKWARD, &hb), s = call(w, VERB_BACKWARD_REDUCE, &hb);
    across(w, &h, &f, &b);
    expect_moments(w, m.out[MOMENTS]);
    full.has_lengths = 0;
    hb.moments = m.out[MOMENTS], hb.sums = s.out[SUMS];
    o = call(w, VERB_APPLY, &hb), expect_all(w, "apply", &o, &f), result_free(&o);
    o = call(w, VERB_BACKWARD_APPLY, &hb), expect_all(w, "backward_apply", &o, &b), result_free(&o);
    expect(w, "backward_reduce", DGAMMA, &b, s.out[DGAMMA], s.count[DGAMMA], NRM_F64);
    o = call(&full, VERB_APPLY, &hb);
    for (i = 0; i < w->d.n; ++i) {
        result one;
        size_t j, k;
        memset(&one, 0, sizeof one);
        one.out[Y] = (double *)test_alloc(w->d.c * w->lengths[i], sizeof(double));
        for (j = 0; j < w->d.c; ++j)
            for (k = 0; k < w->lengths[i]; ++k)
                one.out[Y][j * w->lengths[i] + k] =
                    o.out[Y][(i * w->d.c + j) * w->d.s + k];
        expect_sample(w, &f, &one, i);
        expect_sample(w, &b, &one, i);
        result_free(&one);
    }
    result_free(&o);
    if (w->d.s >= 16 && m.out[MOMENTS][0] > 0) expect_parameters(w, &b, &hb);
    result_free(&f), result_free(&b), result_free(&m), result_free(&s);
}

/* Lengths that are all s give what no lengths give, where these sum in the same order. */
static void whole_lengths(work *w)
{
    const how h = usual();
    result f, f1, b, b1;
    how hb;
    size_t i;
    if (w->d.s < 16) return;
    for (i = 0; i < w->d.n; ++i) w->lengths[i] = w->d.s;
    f = call(w, VERB_FORWARD, &h), hb = after(&h, &f), b = call(w, VERB_BACKWARD, &hb);
    w->has_lengths = 0;
    f1 = call(w, VERB_FORWARD, &h), b1 = call(w, VERB_BACKWARD, &hb);
    expect_all(w, "whole", &f, &f1), expect_all(w, "whole", &b, &b1);
    w->has_lengths = 1;
    result_free(&f), result_free(&b), result_free(&f1), result_free(&b1);
}

/* ---- 3 ends ---------------------------------------------------------------------------------- */

/* Rows of zeros, of one that is not finite, of the smallest floats. */
static void test_odd_rows(nrm_isa isa, nrm_layout layout)
{
    enum { ROWS = 5, COLS = 21 };
    const float inf = (float)INFINITY;
    float x[ROWS * COLS], scale[ROWS], gamma[COLS];
    int8_t q8[ROWS * COLS];
    nrm_desc d = {0};
    nrm_args a = {0};
    size_t i, r, wrong = 0;
    for (i = 0; i < ROWS * COLS; ++i) x[i] = (float)(i % 5) - 2;
    for (i = 0; i < COLS; ++i) x[i] = 0, x[2 * COLS + i] = 0x1p-149f * (float)(i % 3);
    x[COLS + 4] = inf, x[3 * COLS + 7] = (float)NAN;
    for (i = 0; i < COLS; ++i) gamma[i] = 1;
    memset(q8, 0x55, sizeof q8);
    d.kind = NRM_RMS, d.layout = layout, d.n = ROWS, d.c = COLS, d.eps = 1;
    a.x = x, a.q8 = q8, a.q8_scale = scale, a.gamma = gamma, a.isa = isa;
    check(nrm_forward(&d, &a) == NRM_OK, "status");
    check(bits_f32(scale[0]) == 0 && is_nan_f32(scale[1]) && is_nan_f32(scale[3]),
          "scales %g, %g, %g", (double)scale[0], (double)scale[1], (double)scale[3]);
    check(bits_f32(scale[2]) == 0 && scale[4] > 0, "scales %g, %g", (double)scale[2],
          (double)scale[4]);
    for (r = 0; r < 4; ++r)
        for (i = 0; i < COLS; ++i) wrong += q8[r * COLS + i] != 0;
    check(!wrong, "%zu steps of odd rows are not 0", wrong);
    for (i = wrong = 0; i < COLS; ++i) wrong += q8[4 * COLS + i] == 127 || q8[4 * COLS + i] == -127;
    check(wrong, "the largest of a row is 127 steps");
}

/* A scale that is denormal: its rounding takes the largest beyond 127, where it is cut off. */
static void test_denormal_scale(nrm_isa isa)
{
    float x[4] = {0x1p-120f, -0x1p-120f, 0x1p-121f, 0}, gamma[4], scale = 0;
    int8_t q8[4] = {0};
    nrm_desc d = {0};
    nrm_args a = {0};
    size_t i;
    d.kind = NRM_RMS, d.layout = NRM_NHWC, d.n = 1, d.c = 4, d.eps = 1;
    a.x = x, a.q8 = q8, a.q8_scale = &scale, a.gamma = gamma, a.isa = isa;
    for (i = 0; i < 4; ++i) gamma[i] = 0x1p-22f; /* the largest is 128 of the smallest */
    check(nrm_forward(&d, &a) == NRM_OK, "status");
    check(bits_f32(scale) == 1 && q8[0] == 127 && q8[1] == -127 && q8[2] == 64 && q8[3] == 0,
          "scale %g: %d %d %d %d", (double)scale, q8[0], q8[1], q8[2], q8[3]);
}

/* Lengths of so many samples that their bytes do not fit size_t, beside 16-bit data that do. */
static void test_many_lengths(void)
{
    size_t lengths[1] = {1};
    nrm_desc d = {0};
    nrm_args a = {0};
    d.kind = NRM_BATCH, d.dtype = NRM_BF16, d.n = SIZE_MAX / 4 + 1, d.c = 1;
    a.x = a.y = lengths, a.lengths = lengths;
    check(nrm_forward(&d, &a) == NRM_ERR_SIZE, "lengths that do not fit");
}

/* No position is there: nothing is read, all is +0, and parameters have no gradient. */
static void test_all_empty(void)
{
    float x[12], y[12], dx[12], dgamma[3], dbeta[3];
    double mean[3], rstd[3];
    const size_t lengths[2] = {0, 0};
    nrm_moments m[3];
    nrm_desc d = {0};
    nrm_args a = {0};
    size_t i, wrong = 0;
    memset(x, GEN_CANARY, sizeof x), memset(y, GEN_CANARY, sizeof y);
    memset(dx, GEN_CANARY, sizeof dx), memset(dgamma, GEN_CANARY, sizeof dgamma);
    memset(dbeta, GEN_CANARY, sizeof dbeta);
    memset(mean, 0, sizeof mean), memset(rstd, 0, sizeof rstd);
    d.kind = NRM_BATCH, d.n = 2, d.c = 3, d.s = 2;
    a.x = a.dy = x, a.y = y, a.lengths = lengths, a.dx = dx, a.dgamma = dgamma, a.dbeta = dbeta;
    a.mean = mean, a.rstd = rstd;
    check(nrm_forward(&d, &a) == NRM_OK && nrm_backward(&d, &a) == NRM_OK, "status");
    for (i = 0; i < 12; ++i) wrong += bits_f32(y[i]) != 0 || bits_f32(dx[i]) != 0;
    for (i = 0; i < 3; ++i) wrong += bits_f32(dgamma[i]) != 0 || bits_f32(dbeta[i]) != 0;
    check(!wrong, "%zu values are not +0", wrong);
    check(nrm_reduce(&d, &a, m) == NRM_OK && m[2].count == 0 && m[0].mean == 0, "moments");
}

/* ---- all ------------------------------------------------------------------------------------- */

static size_t problems = 150;
static uint64_t first_seed = 1;

static void test_twins(unsigned options, const char *what)
{
    size_t i;
    group("%s: the bits of calls without", what);
    for (i = 0; i < problems; ++i) {
        work *w = work_draw(first_seed + i + 10000 * options, options);
        twin(w, options);
        if (has_running(w) && i % 2) frozen(w);
        work_free(w);
    }
    group_end();
}

/* Rows that go the short ways: nothing comes between. wide: x is the float residual alone. */
static void test_rows(unsigned options)
{
    size_t i, done = 0;
    for (i = 0; done < 12; ++i) {
        work *w = work_draw(first_seed + i + 900000, options);
        nrm_desc *d = &w->d;
        const int rows = (d->kind == NRM_LAYER || d->kind == NRM_RMS) && (d->s == 1 || d->s > 15);
        if (rows && (!(options & WIDE) || w->in[RES])) {
            d->act = NRM_IDENTITY, d->gamma_offset = 0, d->affine_per_sample = 0;
            free(w->in[GATE]), free(w->in[DSUM]), w->in[GATE] = w->in[DSUM] = NULL;
            if (!(options & WIDE)) free(w->in[RES]), w->in[RES] = NULL;
            w->no_x = options & WIDE ? 1 : 0, w->plain = 1;
            w->seed = 3 * (w->seed / 3) + 2; /* without gaps on AVX2 or AVX-512 */
            twin(w, options);
            ++done;
        }
        work_free(w);
    }
}

static void test_lengths(unsigned options, const char *what)
{
    size_t i;
    group("%s: samples as if alone, padding +0", what);
    for (i = 0; i < problems; ++i) {
        work *w = work_draw(first_seed + i + 10000 * options, options | LENGTHS);
        if (w->d.kind == NRM_BATCH)
            by_parts(w);
        else
            by_sample(w);
        if (i % 4 == 0) whole_lengths(w);
        work_free(w);
    }
    group_end();
}

int main(int argc, char **argv)
{
    size_t i;
    if (argc > 1) problems = (size_t)strtoull(argv[1], NULL, 10);
    if (argc > 2) first_seed = strtoull(argv[2], NULL, 10);
    group("int8 rows that are odd");
    for (i = 0; i < ISAS; ++i) {
        if (!nrm_has_isa(all_isa[i])) continue;
        test_odd_rows(all_isa[i], NRM_NHWC), test_odd_rows(all_isa[i], NRM_NCHW);
        test_denormal_scale(all_isa[i]);
    }
    group_end();
    group("nothing but padding");
    test_all_empty();
    if (type_is_here(NRM_BF16)) test_many_lengths();
    group_end();
    if (type_is_here(NRM_BF16)) {
        test_twins(PARAM_HALF, "half parameters");
        test_twins(WIDE, "a float residual");
        test_twins(WIDE | PARAM_HALF | TURN, "both, transposed");
        group("rows of half parameters, and of a float residual alone, the short ways");
        test_rows(PARAM_HALF), test_rows(WIDE);
        group_end();
    }
    test_twins(TURN, "the other layout out");
    test_twins(STEPS, "int8 rows");
    test_twins(STEPS | TURN, "int8 rows, transposed");
    test_lengths(0, "lengths");
    test_lengths(TURN, "lengths, transposed");
    test_lengths(STEPS, "lengths, int8 rows");
    return done_testing();
}
