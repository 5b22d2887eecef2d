/* shapes.h - the shapes that are tested, the options, and one test case made of them: the buffers
 * of a call, filled, with canaries in the gaps.
 *
 * A shape that once went wrong is appended to the table with the number of its issue.
 */
#ifndef SHAPES_H
#define SHAPES_H

#include "../../normalize.h"
#include "gen.h"
#include "ref.h"

/* ---- 1 Shapes ------------------------------------------------------------------------------- */

typedef struct shape {
    const char *name;
    size_t n, c, s, groups;
} shape;

/* Small enough to try with everything. A block has 128 values in 16 lanes, a run 1024, and batch
   norm changes its order of summation at s = 16: hence the sizes on both sides of those. */
static const shape small_shapes[] = {
    {"one value", 1, 1, 1, 1},
    {"two channels", 1, 2, 1, 2},
    {"two samples", 2, 1, 1, 1},
    {"two positions", 1, 1, 2, 1},
    {"primes", 3, 7, 11, 7},
    {"more primes", 5, 13, 31, 1},
    {"s 15", 3, 6, 15, 3},
    {"s 16", 3, 6, 16, 2},
    {"s 17", 3, 6, 17, 2},
    {"c 15", 4, 15, 3, 5},
    {"c 16", 4, 16, 3, 4},
    {"c 17", 4, 17, 3, 1},
    {"c 33", 2, 33, 9, 11},
    {"c 127", 2, 127, 2, 1},
    {"c 128", 2, 128, 2, 8},
    {"c 129", 2, 129, 2, 3},
    {"plane 127", 1, 3, 127, 3},
    {"plane 128", 1, 3, 128, 1},
    {"plane 129", 1, 3, 129, 3},
    {"7x7", 2, 24, 49, 6},
    {"n*s 128, short planes", 16, 5, 8, 5},
    {"n*s 130, short planes", 13, 5, 10, 5},
    {"rows", 129, 8, 1, 2},
    {"tall", 257, 3, 1, 1},
};

/* Around a run and two runs, odd and large channel counts. */
static const shape medium_shapes[] = {
    {"plane 1023", 1, 3, 1023, 1},     {"plane 1024", 1, 3, 1024, 3},
    {"plane 1025", 2, 2, 1025, 2},     {"plane 2048", 1, 2, 2048, 1},
    {"plane 2049", 1, 2, 2049, 2},     {"c 1000", 3, 1000, 1, 4},
    {"c 1024", 3, 1024, 1, 32},        {"c 1025", 3, 1025, 1, 5},
    {"c 2048, 7x7/7", 2, 2048, 7, 64}, {"n 1024", 1024, 5, 1, 1},
    {"n 1025", 1025, 17, 1, 17},       {"n 2049, s 2", 1025, 3, 2, 3},
    {"c 131", 3, 131, 37, 1},          {"11x11", 5, 66, 121, 6},
};

/* Layers of well-known models, of the size that one image or a few tokens have. */
static const shape model_shapes[] = {
    {"ResNet-50 stage 2", 1, 64, 56 * 56, 32}, {"ResNet-50 stage 4", 2, 256, 14 * 14, 32},
    {"ResNet-50 stage 5", 2, 512, 7 * 7, 32},  {"MobileNetV2 block", 1, 24, 56 * 56, 4},
    {"ConvNeXt-T stage 2", 1, 192, 14 * 14, 1}, {"GPT-2 tokens", 64, 768, 1, 12},
    {"Llama tokens", 8, 4096, 1, 32},          {"U-Net group norm", 1, 320, 16 * 16, 32},
    {"style transfer", 1, 4, 128 * 128, 4},    {"MLP batch norm", 128, 512, 1, 16},
    {"PointNet", 2, 64, 512, 8},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* ---- 2 Options ------------------------------------------------------------------------------ */

enum {
    OPT_RESIDUAL = 1 << 0,
    OPT_SUM = 1 << 1,
    OPT_NO_GAMMA = 1 << 2,
    OPT_NO_BETA = 1 << 3,
    OPT_OFFSET = 1 << 4,
    OPT_PER_SAMPLE = 1 << 5,
    OPT_RELU = 1 << 6,
    OPT_PITCH = 1 << 7,
    OPT_RUNNING = 1 << 8,    /* forward also moves running statistics: batch, instance        */
    OPT_POPULATION = 1 << 9,
    OPT_IN_PLACE = 1 << 10,
    OPT_DSUM = 1 << 11,
    OPT_ACCUMULATE = 1 << 12,
    OPT_PARTIAL = 1 << 13,   /* leave some optional outputs out                               */
    OPT_WILD = 1 << 14,      /* gamma and beta of any magnitude                               */
    OPT_ALL = (1 << 14) - 1  /* all but OPT_WILD                                              */
};

static const char *const opt_name[] = {
    "residual", "sum",      "no gamma", "no beta", "gamma_offset", "affine_per_sample", "relu",
    "pitch",    "running",  "population", "in place", "dsum", "accumulate", "partial", "wild"};

static const double eps_values[] = {1e-5, 1e-5, 1e-3, 1e-12, 0, 1, 1e-5, 1e-30};

/* ---- 3 A case ------------------------------------------------------------------------------- */

/* `a` points at the buffers below; what an option leaves out is NULL in `a` only. */
typedef struct tcase {
    nrm_desc d;
    nrm_args a;
    unsigned options;
    gen g;
    size_t x_len, y_len; /* floats in x, residual, sum, dsum, dx / in y, dy */
    float *x, *residual, *sum, *dsum, *dx, *y, *dy;
    float *gamma, *beta, *dgamma, *dbeta, *old_dgamma, *old_dbeta;
    float *running_mean, *running_var, *old_mean, *old_var;
    double *mean, *rstd;
    char label[240];
} tcase;

/* Place of an element within its statistics group, in the order the design calls the list. */
static inline size_t list_place(const nrm_desc *d, size_t i, size_t j, size_t k)
{
    switch (d->kind) {
    case NRM_BATCH: return d->s >= 16 ? i * d->s + k : k * d->n + i;
    case NRM_INSTANCE: return k;
    case NRM_GROUP: return j % (d->c / d->groups) * d->s + k;
    default: return j;
    }
}

/* Fills a tensor so that every statistics group is a vector of the distribution of its own; what
   lies between the elements keeps the canary. */
static inline void fill_groups(gen *g, gen_dist dist, const nrm_desc *d, nrm_pitch pitch,
                               float *tensor)
{
    size_t i, j, k, q, m = ref_group_size(d), stats = ref_stats(d);
    float *v = (float *)test_alloc(stats * m, sizeof(float));
    for (q = 0; q < stats; ++q) gen_fill(g, dist, v + q * m, m);
    REF_EACH(d, i, j, k)
        tensor[ref_at(d, pitch, i, j, k)] = v[ref_stat(d, i, j, k) * m + list_place(d, i, j, k)];
    free(v);
}

/* Floats in a tensor up to its last element. */
static inline size_t tensor_length(const nrm_desc *d, nrm_pitch pitch)
{
    return d->n && d->c && d->s ? ref_at(d, pitch, d->n - 1, d->c - 1, d->s - 1) + 1 : 0;
}

static inline float *canary_floats(size_t count)
{
    float *p = (float *)test_alloc(count, sizeof(float));
    gen_canary(p, count * sizeof(float));
    return p;
}

/* 1 when nothing was written between the elements of a tensor. */
static inline int gaps_intact(const nrm_desc *d, nrm_pitch pitch, const float *tensor)
{
    size_t i, j, k, length = tensor_length(d, pitch);
    float *copy = (float *)test_alloc(length, sizeof(float));
    int intact;
    memcpy(copy, tensor, length * sizeof(float));
    REF_EACH(d, i, j, k) gen_canary(copy + ref_at(d, pitch, i, j, k), sizeof(float));
    intact = gen_intact(copy, length * sizeof(float));
    free(copy);
    return intact;
}

static inline nrm_pitch random_pitch(gen *g, const nrm_desc *d)
{
    int nchw = d->layout == NRM_NCHW;
    nrm_pitch p;
    p.line = (nchw ? d->s : d->c) + gen_below(g, 20);
    p.sample = p.line * (nchw ? d->c : d->s) + gen_below(g, 40);
    if (gen_one_in(g, 4)) p.sample = 0;
    return p;
}

/* gamma about 1, beta about 0, with a few zeros; or of any magnitude. */
static inline void fill_affine(tcase *t)
{
    size_t p, count = ref_affines(&t->d);
    int wild = (t->options & OPT_WILD) != 0;
    for (p = 0; p < count; ++p) {
        double gamma = gen_normal(&t->g), beta = gen_normal(&t->g);
        if (!(t->options & OPT_OFFSET)) gamma = 1 + 0.5 * gamma;
        t->gamma[p] = gen_one_in(&t->g, 20) ? 0.0f : (float)gamma;
        t->beta[p] = gen_one_in(&t->g, 20) ? 0.0f : (float)beta;
        if (wild) t->gamma[p] = gen_value(&t->g, gen_one_in(&t->g, 2) ? GEN_MIXED : GEN_ANY_FINITE);
        if (wild) t->beta[p] = gen_value(&t->g, gen_one_in(&t->g, 2) ? GEN_MIXED : GEN_ANY_FINITE);
        t->old_dgamma[p] = (float)(3 * gen_normal(&t->g));
        t->old_dbeta[p] = (float)(3 * gen_normal(&t->g));
    }
    for (p = 0; p < t->d.c; ++p) {
        t->old_mean[p] = (float)gen_normal(&t->g);
        t->old_var[p] = (float)(0.1 + 2 * gen_uniform(&t->g));
    }
}

static inline void case_allocate(tcase *t)
{
    const nrm_desc *d = &t->d;
    size_t affines = ref_affines(d), stats = ref_stats(d);
    float **x_like[] = {&t->x, &t->residual, &t->sum, &t->dsum, &t->dx};
    float **affine[] = {&t->gamma, &t->beta, &t->dgamma, &t->dbeta, &t->old_dgamma, &t->old_dbeta};
    float **channel[] = {&t->running_mean, &t->running_var, &t->old_mean, &t->old_var};
    size_t i;
    t->x_len = tensor_length(d, d->x_pitch);
    t->y_len = tensor_length(d, d->y_pitch);
    for (i = 0; i < COUNT_OF(x_like); ++i) *x_like[i] = canary_floats(t->x_len);
    for (i = 0; i < COUNT_OF(affine); ++i) *affine[i] = canary_floats(affines);
    for (i = 0; i < COUNT_OF(channel); ++i) *channel[i] = canary_floats(d->c);
    t->y = canary_floats(t->y_len);
    t->dy = canary_floats(t->y_len);
    t->mean = (double *)test_alloc(stats, sizeof(double));
    t->rstd = (double *)test_alloc(stats, sizeof(double));
}

static inline void case_free(tcase *t)
{
    void *all[] = {t->x,      t->residual, t->sum,   t->dsum,         t->dx,          t->y,
                   t->dy,     t->gamma,    t->beta,  t->dgamma,       t->dbeta,       t->mean,
                   t->rstd,   t->old_mean, t->old_var, t->old_dgamma, t->old_dbeta,
                   t->running_mean, t->running_var};
    size_t i;
    for (i = 0; i < COUNT_OF(all); ++i) free(all[i]);
}

/* Outputs hold canaries, or what a call reads and changes its old value. */
static inline void case_reset(tcase *t)
{
    size_t stats = ref_stats(&t->d), affines = ref_affines(&t->d);
    gen_canary(t->sum, t->x_len * sizeof(float));
    gen_canary(t->dx, t->x_len * sizeof(float));
    gen_canary(t->y, t->y_len * sizeof(float));
    gen_canary(t->mean, stats * sizeof(double));
    gen_canary(t->rstd, stats * sizeof(double));
    memcpy(t->dgamma, t->old_dgamma, affines * sizeof(float));
    memcpy(t->dbeta, t->old_dbeta, affines * sizeof(float));
    if (t->d.c) memcpy(t->running_mean, t->old_mean, t->d.c * sizeof(float));
    if (t->d.c) memcpy(t->running_var, t->old_var, t->d.c * sizeof(float));
}

static inline void case_label(tcase *t, const shape *sh, gen_dist dist, gen_dist dy, uint64_t seed)
{
    size_t i, used;
    used = (size_t)snprintf(t->label, sizeof t->label, "%s %s %zux%zux%zu g%zu eps %g %s dy %s #%u",
                            kind_name[t->d.kind], t->d.layout == NRM_NCHW ? "NCHW" : "NHWC",
                            sh->n, sh->c, sh->s, t->d.groups, t->d.eps, gen_dist_name[dist],
                            gen_dist_name[dy], (unsigned)seed);
    for (i = 0; i < COUNT_OF(opt_name) && used < sizeof t->label; ++i)
        if (t->options >> i & 1)
            used += (size_t)snprintf(t->label + used, sizeof t->label - used, ", %s", opt_name[i]);
}

/* The descriptor of a case. Options that the kind does not have are taken away. */
static inline void case_describe(tcase *t, const shape *sh, nrm_kind kind, nrm_layout layout,
                                 unsigned options)
{
    nrm_desc *d = &t->d;
    if (kind != NRM_BATCH && kind != NRM_INSTANCE) options &= ~(unsigned)OPT_RUNNING;
    d->n = sh->n;
    d->c = sh->c;
    d->s = sh->s;
    d->groups = kind == NRM_GROUP ? sh->groups : 0;
    d->kind = kind;
    d->layout = layout;
    d->act = options & OPT_RELU ? NRM_RELU : NRM_IDENTITY;
    d->gamma_offset = options & OPT_OFFSET ? 1 : 0;
    d->affine_per_sample = options & OPT_PER_SAMPLE ? 1 : 0;
    /* One value per channel has no unbiased variance. */
    if (options & OPT_RUNNING && ref_group_size(d) == 1) options |= OPT_POPULATION;
    if (options & OPT_PITCH) {
        gen g = t->g; /* a copy: a packed case of the same seed holds the same values */
        d->x_pitch = random_pitch(&g, d);
        d->y_pitch = options & OPT_IN_PLACE ? d->x_pitch : random_pitch(&g, d);
    }
    t->options = options;
}

/* A case with all its data, from one seed. */
static inline tcase case_new(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                             gen_dist dist, gen_dist dy_dist, uint64_t seed)
{
    tcase t;
    memset(&t, 0, sizeof t);
    t.g = gen_seed(seed);
    t.d.eps = eps_values[gen_below(&t.g, COUNT_OF(eps_values))];
    case_describe(&t, sh, kind, layout, options);
    case_allocate(&t);
    fill_groups(&t.g, dist, &t.d, t.d.x_pitch, t.x);
    /* A residual must not drown small data nor make huge data overflow. */
    fill_groups(&t.g, dist >= GEN_SIGN_1E30 ? GEN_ZERO : GEN_NORMAL, &t.d, t.d.x_pitch, t.residual);
    fill_groups(&t.g, dy_dist, &t.d, t.d.y_pitch, t.dy);
    fill_groups(&t.g, GEN_NORMAL, &t.d, t.d.x_pitch, t.dsum);
    fill_affine(&t);
    case_reset(&t);
    case_label(&t, sh, dist, dy_dist, seed);
    options = t.options;
    t.a.x = t.x;
    t.a.residual = options & OPT_RESIDUAL ? t.residual : NULL;
    t.a.gamma = options & OPT_NO_GAMMA ? NULL : t.gamma;
    t.a.beta = options & OPT_NO_BETA ? NULL : t.beta;
    t.a.running_rate = gen_uniform(&t.g);
    t.a.running_population = options & OPT_POPULATION ? 1 : 0;
    t.a.accumulate = options & OPT_ACCUMULATE ? 1 : 0;
    return t;
}

/* Another eps than the seed chose, in the label too. */
static inline void case_eps(tcase *t, double eps)
{
    size_t used = strlen(t->label);
    t->d.eps = eps;
    snprintf(t->label + used, sizeof t->label - used, ", now eps %g", eps);
}

/* One check of a comparison; under the bound is good. */
static inline int check_worst(const tcase *t, const char *what, const char *isa, ref_worst w)
{
    return check(w.ratio <= 1, "%s[%zu] is %.9Lg, not %.9Lg: %.3Lg of the bound (%s: %s)", what,
                 w.at, w.got, w.exact, w.ratio, isa, t->label);
}

#endif /* SHAPES_H */
