/* test_channels.c - many channels side by side, and a few of them at a time: the same bits. A line
 * of NHWC may hold more channels than the library sums together; what it does with all of them at
 * once is compared with calls on slices that it takes as they are. One channel, or the gradient of
 * one, may leave float's usual arithmetic, and all of them then go another way.
 */
#include "../normalize.h"

#include "support/gen.h"
#include "support/pool.h"
#include "support/test.h"
#include "support/types.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* RELU: forward and inference alone. IN_PLACE: y is x, dx is dy. OFF: 16 bytes past a line of the
   cache. BARE: neither statistics nor gradients of parameters are asked for; NO_DX: these alone. */
enum option { RELU = 1, IN_PLACE = 2, OFF = 4, POOL = 8, BARE = 16, NO_DX = 32 };

/* What one channel in the middle has of its own. */
enum trouble { NONE, HUGE_X, HUGE_GAMMA, HUGE_DY, LARGE_BOTH, TROUBLES };
static const char *const trouble_name[TROUBLES] = {
    "ordinary", "one x of 1e19", "one gamma of 1e30", "one dy of 3e38",
    "a dy of 1e30 and a gamma of 1e10"};

typedef struct shape {
    nrm_kind kind;
    nrm_layout layout;
    size_t n, c, s, groups, slice; /* channels of a slice, whole groups */
} shape;

static const shape shapes[] = {
    {NRM_BATCH, NRM_NHWC, 3, 320, 17, 0, 64},   {NRM_BATCH, NRM_NHWC, 37, 1100, 1, 0, 220},
    {NRM_BATCH, NRM_NHWC, 2, 1040, 20, 0, 208}, {NRM_BATCH, NRM_NCHW, 19, 150, 5, 0, 30},
    {NRM_INSTANCE, NRM_NHWC, 2, 600, 33, 0, 150}, {NRM_GROUP, NRM_NHWC, 3, 320, 18, 32, 80},
    {NRM_GROUP, NRM_NHWC, 2, 1280, 5, 32, 160}, {NRM_GROUP, NRM_NHWC, 2, 404, 9, 2, 202},
    {NRM_GROUP, NRM_NHWC, 2, 390, 9, 130, 60},  {NRM_GROUP, NRM_NHWC, 2, 195, 7, 195, 65}};

typedef struct tensors {
    unsigned char *x, *y, *dy, *dx, *infer;
    float *gamma, *beta, *dgamma, *dbeta, *running_mean, *running_var;
    double *mean, *rstd;
    unsigned char *block;
} tensors;

static size_t stats_of(const shape *s)
{
    return s->kind == NRM_BATCH ? s->c : s->n * (s->kind == NRM_GROUP ? s->groups : s->c);
}

/* All in one block, each from a line of the cache on, or 16 bytes past it. */
static tensors tensors_new(const shape *s, nrm_dtype type, unsigned options)
{
    const size_t off = options & OFF ? 16 : 0;
    const size_t tensor = (s->n * s->c * s->s * type_size(type) + 191) & ~(size_t)63;
    const size_t params = (s->c * sizeof(float) + 191) & ~(size_t)63;
    const size_t stats = stats_of(s) * sizeof(double);
    tensors t;
    unsigned char *at;
    t.block = (unsigned char *)test_alloc(5 * tensor + 6 * params + 64, 1);
    at = t.block + (64 - (uintptr_t)t.block % 64) % 64 + off;
    t.x = at, t.y = at + tensor, t.dy = t.y + tensor, t.dx = t.dy + tensor;
    t.infer = t.dx + tensor;
    at = t.infer + tensor;
    t.gamma = (float *)(void *)at, t.beta = (float *)(void *)(at + params);
    t.dgamma = (float *)(void *)(at + 2 * params), t.dbeta = (float *)(void *)(at + 3 * params);
    t.running_mean = (float *)(void *)(at + 4 * params);
    t.running_var = (float *)(void *)(at + 5 * params);
    t.mean = (double *)test_alloc(stats, 1), t.rstd = (double *)test_alloc(stats, 1);
    return t;
}

static void tensors_free(tensors *t)
{
    free(t->block), free(t->mean), free(t->rstd);
}

/* The place of channel i at position k of sample o. */
static size_t place(const shape *s, size_t o, size_t i, size_t k)
{
    return s->layout == NRM_NCHW ? (o * s->c + i) * s->s + k : (o * s->s + k) * s->c + i;
}

static void draw(const shape *s, nrm_dtype type, enum trouble trouble, tensors *t)
{
    const size_t values = s->n * s->c * s->s, odd = s->c / 2 + 3;
    const size_t at = place(s, s->n - 1, odd, s->s / 2);
    gen g = gen_seed(7);
    size_t i;
    for (i = 0; i < values; ++i) {
        type_put(type, t->x, i, 100 + gen_normal(&g));
        type_put(type, t->dy, i, gen_normal(&g));
    }
    for (i = 0; i < s->c; ++i) {
        t->gamma[i] = (float)(1 + gen_normal(&g) / 8), t->beta[i] = (float)gen_normal(&g);
        t->running_mean[i] = 100, t->running_var[i] = (float)(1 + i % 7);
    }
    if (trouble == HUGE_X) type_put(type, t->x, at, type == NRM_F16 ? 6e4 : 1e19);
    if (trouble == HUGE_GAMMA) t->gamma[odd] = 1e30f;
    if (trouble == HUGE_DY) type_put(type, t->dy, at, type == NRM_F16 ? 6e4 : 3e38);
    if (trouble != LARGE_BOTH) return;
    type_put(type, t->dy, at, type == NRM_F16 ? 6e4 : 1e30);
    t->gamma[odd] = 1e10f;
}

/* Forward, inference and backward of `count` channels from `first` on. */
static void run(const shape *s, nrm_dtype type, nrm_isa isa, unsigned options, tensors *t,
                size_t first, size_t count)
{
    const size_t size = type_size(type), at = size * place(s, 0, first, 0);
    const size_t values = s->n * s->c * s->s * size;
    const size_t groups = s->kind == NRM_GROUP ? s->groups * count / s->c : 0;
    const size_t per_sample = s->kind == NRM_GROUP ? groups : count;
    const size_t all = s->kind == NRM_GROUP ? s->groups : s->c;
    const size_t samples = s->kind == NRM_BATCH ? 1 : s->n, stats = samples * per_sample;
    double *mean = (double *)test_alloc(stats, sizeof *mean);
    double *rstd = (double *)test_alloc(stats, sizeof *rstd);
    test_pool pool = pool_new(POOL_COUNTER, 3, 5);
    size_t o;
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = s->kind, d.layout = s->layout, d.dtype = type, d.eps = 1e-5;
    d.n = s->n, d.c = count, d.s = s->s, d.groups = groups;
    d.x_pitch.line = d.y_pitch.line = s->layout == NRM_NHWC ? s->c : s->s;
    d.x_pitch.sample = d.y_pitch.sample = s->c * s->s;
    d.act = options & RELU ? NRM_RELU : NRM_IDENTITY;
    a.isa = isa, a.x = t->x + at, a.y = t->y + at;
    a.gamma = t->gamma + first, a.beta = t->beta + first;
    if (options & POOL) a.pool = pool_point(&pool);
    if (!(options & BARE)) a.mean = mean, a.rstd = rstd;
    a.running_mean = t->running_mean + first, a.running_var = t->running_var + first;
    a.running_rate = 0.25;
    if (s->kind == NRM_BATCH) {
        a.y = t->infer + at;
        check(nrm_infer(&d, &a) == NRM_OK, "infer");
        a.y = t->y + at;
    }
    if (s->kind == NRM_GROUP || (options & BARE)) a.running_mean = a.running_var = NULL;
    check(nrm_forward(&d, &a) <= NRM_ERR_NONFINITE, "forward");
    d.act = NRM_IDENTITY;
    a.mean = mean, a.rstd = rstd, a.y = t->dx + at; /* which is overwritten */
    check(nrm_forward(&d, &a) <= NRM_ERR_NONFINITE, "statistics");
    a.dy = t->dy + at, a.dx = options & IN_PLACE ? t->dy + at : t->dx + at;
    if (options & NO_DX) a.dx = NULL;
    if (!(options & BARE)) a.dgamma = t->dgamma + first, a.dbeta = t->dbeta + first;
    check(nrm_backward(&d, &a) == NRM_OK, "backward");
    for (o = 0; o < samples; ++o) {
        const size_t to = o * all + (s->kind == NRM_GROUP ? first * s->groups / s->c : first);
        memcpy(t->mean + to, mean + o * per_sample, per_sample * sizeof *mean);
        memcpy(t->rstd + to, rstd + o * per_sample, per_sample * sizeof *rstd);
    }
    if ((options & IN_PLACE) && first + count == s->c) memcpy(t->dx, t->dy, values);
    free(mean), free(rstd);
}

static void compare(const shape *s, nrm_dtype type, const tensors *a, const tensors *b)
{
    const size_t values = s->n * s->c * s->s;
    check(type_diff(type, a->y, b->y, values) == values, "y");
    check(s->kind != NRM_BATCH || type_diff(type, a->infer, b->infer, values) == values, "infer");
    check(type_diff(type, a->dx, b->dx, values) == values, "dx");
    check(same_bits_f32(a->dgamma, b->dgamma, s->c), "dgamma");
    check(same_bits_f32(a->dbeta, b->dbeta, s->c), "dbeta");
    check(same_bits_f32(a->running_mean, b->running_mean, s->c), "running_mean");
    check(same_bits_f32(a->running_var, b->running_var, s->c), "running_var");
    check(same_bits_f64(a->mean, b->mean, stats_of(s)), "mean");
    check(same_bits_f64(a->rstd, b->rstd, stats_of(s)), "rstd");
}

static void test_shape(const shape *s, nrm_dtype type, nrm_isa isa, enum trouble trouble,
                       unsigned options)
{
    tensors all = tensors_new(s, type, options), few = tensors_new(s, type, options);
    size_t first;
    draw(s, type, trouble, &all), draw(s, type, trouble, &few);
    run(s, type, isa, options, &all, 0, s->c);
    for (first = 0; first < s->c; first += s->slice)
        run(s, type, isa, options, &few, first,
            s->c - first < s->slice ? s->c - first : s->slice);
    compare(s, type, &all, &few);
    tensors_free(&all), tensors_free(&few);
}

int main(void)
{
    static const unsigned options[] = {0, RELU | OFF, IN_PLACE, POOL, BARE, NO_DX};
    static const nrm_dtype types[] = {NRM_F32, NRM_BF16, NRM_F16};
    size_t isa, type, trouble, i, k;
    crew_start();
    for (isa = 0; isa < ISAS; ++isa)
        for (trouble = 0; trouble < TROUBLES; ++trouble) {
            if (!nrm_has_isa(all_isa[isa])) continue;
            group("%s, %s: channels together and a few at a time", nrm_isa_name(all_isa[isa]),
                  trouble_name[trouble]);
            for (type = 0; type < COUNT(types); ++type)
                for (i = 0; i < COUNT(shapes); ++i)
                    for (k = 0; k < COUNT(options) && type_is_here(types[type]); ++k)
                        if (type == 0 || k == 0)
                            test_shape(&shapes[i], types[type], all_isa[isa],
                                       (enum trouble)trouble, options[k]);
            group_end();
        }
    crew_end();
    return done_testing();
}
