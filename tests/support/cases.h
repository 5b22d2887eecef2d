/* cases.h - problems to order: of a shape of shapes.h, a kind, options and distributions.
 *
 *   problem *p = problem_case(&small_shapes[i], NRM_BATCH, OPT_RELU | OPT_PITCH, GEN_NORMAL,
 *                             GEN_SPARSE, seed);
 *   setup s = case_setup(p, NRM_AUTO, NRM_NHWC);
 *
 * What an option asks of one verb alone, OPT_IN_PLACE and OPT_PARTIAL, is left to the test.
 */
#ifndef CASES_H
#define CASES_H

#include <math.h>

#include "problem.h"
#include "shapes.h"

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
    OPT_ALL = (1 << 14) - 1, /* all but OPT_WILD and what follows                             */
    OPT_ACT = 1 << 15,       /* one of the activations, NRM_LEAKY_RELU and later              */
    OPT_ADD = 1 << 16,       /* with dadd in backward                                         */
    OPT_GATE = 1 << 17,      /* with dgate                                                    */
    OPT_AROUND = OPT_ACT | OPT_ADD | OPT_GATE
};

static const char *const opt_name[] = {
    "residual", "sum",      "no gamma", "no beta", "gamma_offset", "affine_per_sample", "relu",
    "pitch",    "running",  "population", "in place", "dsum", "accumulate", "partial", "wild",
    "act",      "add",      "gate"};

static const double eps_values[] = {1e-5, 1e-5, 1e-3, 1e-12, 0, 1, 1e-5, 1e-30};

/* Every statistics group of a tensor gets a list of the distribution of its own. */
static inline void draw_groups(gen *g, problem *p, enum slot slot, gen_dist dist)
{
    size_t lists = problem_stats(&p->d), length = problem_volume(&p->d) / lists, which, i;
    float *list = (float *)test_alloc(length, sizeof *list), *tensor = (float *)p->value[slot];
    for (which = 0; which < lists; ++which) {
        list_places at = list_places_of(&p->d, which);
        gen_fill(g, dist, list, length);
        for (i = 0; i < length; ++i) tensor[list_next(&at)] = list[i];
    }
    free(list);
}

/* gamma about 1, beta about 0, with a few zeros; or of any magnitude. */
static inline void case_parameters(gen *g, problem *p)
{
    float *gamma = (float *)p->value[SLOT_GAMMA], *beta = (float *)p->value[SLOT_BETA];
    float *dgamma = (float *)p->value[SLOT_DGAMMA], *dbeta = (float *)p->value[SLOT_DBETA];
    float *mean = (float *)p->value[SLOT_RUNNING_MEAN], *var = (float *)p->value[SLOT_RUNNING_VAR];
    size_t i, count = slot_count(&p->d, SLOT_GAMMA);
    for (i = 0; i < count; ++i) {
        double v = gen_normal(g), w = gen_normal(g);
        if (!(p->options & OPT_OFFSET)) v = 1 + 0.5 * v;
        gamma[i] = gen_one_in(g, 20) ? 0.0f : (float)v;
        beta[i] = gen_one_in(g, 20) ? 0.0f : (float)w;
        if (p->options & OPT_WILD) {
            gamma[i] = gen_value(g, gen_one_in(g, 2) ? GEN_MIXED : GEN_ANY_FINITE);
            beta[i] = gen_value(g, gen_one_in(g, 2) ? GEN_MIXED : GEN_ANY_FINITE);
        }
        dgamma[i] = (float)(3 * gen_normal(g));
        dbeta[i] = (float)(3 * gen_normal(g));
    }
    for (i = 0; i < p->d.c; ++i) {
        mean[i] = (float)gen_normal(g);
        var[i] = (float)(0.1 + 2 * gen_uniform(g));
    }
}

/* What stands around the norm: slopes of either sign, limits about 0 and infinite ones; gates up to
   where the exponential overflows. */
static inline void case_around(gen *g, problem *p)
{
    static const double slope[] = {0.01, 0.2, -0.5, 2, 0}, low[] = {0, -1, 0.25}, high[] = {6, 1};
    static const gen_dist dist[] = {GEN_NORMAL, GEN_NORMAL, GEN_UNIFORM, GEN_SPARSE, GEN_MIXED};
    static const double scale[] = {1, 1, 4, 100};
    const size_t which = gen_below(g, COUNT_OF(scale)), count = problem_volume(&p->d);
    float *gate = (float *)p->value[SLOT_GATE];
    size_t i;
    if (p->options & OPT_ACT) p->d.act = (nrm_act)(NRM_LEAKY_RELU + gen_below(g, 4));
    p->d.act_slope = slope[gen_below(g, COUNT_OF(slope))];
    p->d.act_low = gen_one_in(g, 5) ? -HUGE_VAL : low[gen_below(g, COUNT_OF(low))];
    p->d.act_high = gen_one_in(g, 5) ? HUGE_VAL : high[gen_below(g, COUNT_OF(high))];
    draw_groups(g, p, SLOT_ADD, dist[gen_below(g, COUNT_OF(dist))]);
    draw_groups(g, p, SLOT_GATE, dist[gen_below(g, COUNT_OF(dist) - 1)]);
    for (i = 0; i < count; ++i) gate[i] = (float)((double)gate[i] * scale[which]);
    if (p->options & OPT_ADD) p->given |= 1u << SLOT_ADD | 1u << SLOT_DADD;
    if (p->options & OPT_GATE) p->given |= 1u << SLOT_GATE | 1u << SLOT_DGATE;
    if (p->options & OPT_ACT) p->given |= 1u << SLOT_DADD; /* without add, too */
}

/* Shape and options. Where a statistic has one value there is no unbiased variance. */
static inline void case_describe(problem *p, const shape *sh, nrm_kind kind, unsigned options)
{
    static const struct { unsigned option; enum slot slot; int given; } optional[] = {
        {OPT_RESIDUAL, SLOT_RESIDUAL, 1}, {OPT_SUM, SLOT_SUM, 1}, {OPT_NO_GAMMA, SLOT_GAMMA, 0},
        {OPT_NO_BETA, SLOT_BETA, 0}, {OPT_RUNNING, SLOT_RUNNING_MEAN, 1},
        {OPT_RUNNING, SLOT_RUNNING_VAR, 1}, {OPT_DSUM, SLOT_DSUM, 1}};
    gen g = p->g; /* a copy: a packed case of the same seed holds the same values */
    size_t i;
    p->options = options;
    p->d.n = sh->n, p->d.c = sh->c, p->d.s = sh->s, p->d.kind = kind;
    p->d.groups = kind == NRM_GROUP ? sh->groups : 0;
    p->d.act = options & OPT_RELU ? NRM_RELU : NRM_IDENTITY;
    p->d.gamma_offset = options & OPT_OFFSET ? 1 : 0;
    p->d.affine_per_sample = options & OPT_PER_SAMPLE ? 1 : 0;
    p->accumulate = options & OPT_ACCUMULATE ? 1 : 0;
    p->running_population = options & OPT_POPULATION ? 1 : 0;
    if (options & OPT_RUNNING && problem_volume(&p->d) == problem_stats(&p->d))
        p->running_population = 1;
    p->given = 1u << SLOT_DX | 1u << SLOT_DGAMMA | 1u << SLOT_DBETA | 1u << SLOT_MEAN |
               1u << SLOT_RSTD;
    for (i = 0; i < COUNT_OF(optional); ++i)
        if (!(options & optional[i].option) == !optional[i].given)
            p->given |= 1u << optional[i].slot;
    for (i = 0; i < 2 && options & OPT_PITCH; ++i) {
        p->line_gap[i] = gen_below(&g, 20), p->sample_gap[i] = gen_below(&g, 40);
        if (gen_one_in(&g, 4)) p->sample_gap[i] = 0;
    }
}

/* Float data of one seed. */
static inline problem *problem_case(const shape *sh, nrm_kind kind, unsigned options, gen_dist dist,
                                    gen_dist dy, uint64_t seed)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    size_t i, used;
    p->seed = seed;
    p->g = gen_seed(seed);
    p->d.eps = eps_values[gen_below(&p->g, COUNT_OF(eps_values))];
    case_describe(p, sh, kind, options);
    problem_alloc(p);
    draw_groups(&p->g, p, SLOT_X, dist);
    /* A residual must not drown small data nor make huge data overflow. */
    draw_groups(&p->g, p, SLOT_RESIDUAL, dist >= GEN_SIGN_1E30 ? GEN_ZERO : GEN_NORMAL);
    draw_groups(&p->g, p, SLOT_DY, dy);
    draw_groups(&p->g, p, SLOT_DSUM, GEN_NORMAL);
    case_parameters(&p->g, p);
    p->running_rate = gen_uniform(&p->g);
    if (options & OPT_AROUND) case_around(&p->g, p);
    used = (size_t)snprintf(p->note, sizeof p->note, ": %s, dy %s", gen_dist_name[dist],
                            gen_dist_name[dy]);
    for (i = 0; i < COUNT_OF(opt_name) && used < sizeof p->note; ++i)
        if (options >> i & 1)
            used += (size_t)snprintf(p->note + used, sizeof p->note - used, ", %s", opt_name[i]);
    return p;
}

/* How a case is laid out: half of them at odd addresses; of those with pitches three in four also
   pass what the shape implies. */
static inline setup case_setup(const problem *p, nrm_isa isa, nrm_layout layout)
{
    setup s = plain(isa, layout);
    s.shift = p->seed / 2 % 2 ? p->seed / 4 % 64 : 0;
    s.full_pitch = p->options & OPT_PITCH && p->seed / 2 % 4 != 3;
    return s;
}

#endif /* CASES_H */
