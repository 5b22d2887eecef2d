/* test_types.c - every storage type against the oracle of ref.h: bf16, f16 and double, forward,
 * inference and their gradients; batch norm of doubles in parts; the same values stored in two
 * types; what the manual says about constants, NaN and running statistics, type by type.
 *
 *   ./t [first seed]     to search further
 */
#include "../normalize.h"

#include <float.h>

#define REF_ORDINARY /* ref.h: the tighter limit, of drawn data */
#if defined(__SIZEOF_FLOAT128__)
#define REF_REAL __float128
#define EXACT_DIGITS 113
#else
#define EXACT_DIGITS LDBL_MANT_DIG
#endif

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"
#include "support/oracle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const nrm_dtype types[] = {NRM_BF16, NRM_F16, NRM_F64};
static uint64_t first_seed = 1;

/* ---- 1 Problems of which every result is promised -------------------------------------------- */

/* Of x. Doubles are promised for every x but for deviations below 2^-1020: GEN_DENORMAL and
   GEN_TINIEST are around 1e-318 and 2^-1074 there. The others hold what is like them in float. */
static gen_dist promised_x(gen *g, nrm_dtype type)
{
    gen_dist dist;
    do
        dist = (gen_dist)gen_below(g, GEN_DISTS);
    while (type == NRM_F64 && (dist == GEN_DENORMAL || dist == GEN_TINIEST));
    return dist;
}

/* Of dy: gradients of doubles are promised while |dy * gamma| * m stays below 2^1000. */
static gen_dist promised_dy(gen *g, nrm_dtype type)
{
    static const gen_dist wide[] = {GEN_NORMAL, GEN_SPARSE, GEN_UNIFORM, GEN_OFFSET_1E6,
                                    GEN_MIXED, GEN_NARROW};
    static const gen_dist single[] = {GEN_NORMAL,   GEN_SPARSE,  GEN_SIGN_3E38, GEN_SMALL,
                                      GEN_DENORMAL, GEN_TINIEST, GEN_HUGE,      GEN_CONSTANT,
                                      GEN_UNIFORM,  GEN_MIXED,   GEN_OFFSET_1E6};
    return type == NRM_F64 ? wide[gen_below(g, COUNT(wide))] : single[gen_below(g, COUNT(single))];
}

/* Almost constant doubles, and constant ones where no mean is subtracted, whose deviation is below
   2^-1020. */
static int too_small(const problem *p, gen_dist dist, const void *list)
{
    double v;
    if (p->d.dtype != NRM_F64 || (dist != GEN_ALMOST && dist != GEN_CONSTANT)) return 0;
    v = fabs(type_get(NRM_F64, list, 0));
    return v < 1e-290 && (dist == GEN_ALMOST || (p->d.kind == NRM_RMS && v > 0));
}

static void fill_groups(gen *g, problem *p, enum slot slot, gen_dist dist, double scale)
{
    size_t lists = problem_stats(&p->d), length = problem_volume(&p->d) / lists, which, i;
    void *list = test_alloc(length, type_size(p->d.dtype));
    for (which = 0; which < lists; ++which) {
        list_places at = list_places_of(&p->d, which);
        do
            draw_list(g, dist, p->d.dtype, list, length);
        while (too_small(p, dist, list));
        for (i = 0; i < length; ++i) {
            double v = type_get(p->d.dtype, list, i);
            if (type_is_half(p->d.dtype) && !(v - v == 0)) v = 1; /* some f16 lists have an Inf */
            type_put(p->d.dtype, p->value[slot], list_next(&at), v * scale);
        }
    }
    free(list);
}

/* Running statistics: the data's own, or unrelated ones; not negative, and not so small that rstd
   is out of the range of the type. */
static void choose_running(gen *g, problem *p)
{
    nrm_dtype held = type_of_parameters(p->d.dtype);
    size_t j;
    for (j = 0; j < p->d.c; ++j) {
        double mean = gen_normal(g), var = 0.1 + 2 * gen_uniform(g);
        if (gen_one_in(g, 2)) mean = type_get(p->d.dtype, p->value[SLOT_X], j * p->d.s);
        type_put(held, p->value[SLOT_RUNNING_MEAN], j, mean);
        type_put(held, p->value[SLOT_RUNNING_VAR], j, var);
    }
}

/* The shape and options of a seed, but values that leave no result to chance. */
static problem *promised(uint64_t seed, nrm_dtype type, gen_dist dist, size_t volume)
{
    static const double far[8] = {1, 1, 1, 1, 0x1p900, 0x1p-900, 1, 1}; /* dy of doubles */
    problem *p = problem_draw_as(seed, type);
    gen g = gen_seed(seed * 3 + 1);
    while (problem_volume(&p->d) > volume) problem_free(p), p = problem_draw_as(seed += 1000, type);
    if (dist == GEN_DISTS) dist = promised_x(&g, type);
    fill_groups(&g, p, SLOT_X, dist, 1);
    fill_groups(&g, p, SLOT_RESIDUAL, dist >= GEN_SIGN_1E30 ? GEN_ZERO : GEN_NORMAL, 1);
    fill_groups(&g, p, SLOT_DY, promised_dy(&g, type), type == NRM_F64 ? far[seed % 8] : 1);
    fill_groups(&g, p, SLOT_DSUM, GEN_NORMAL, 1);
    draw_parameters(&g, p, 0);
    choose_running(&g, p);
    if (problem_volume(&p->d) / problem_stats(&p->d) == 1) p->running_population = 1;
    problem_prepare(p);
    return p;
}

/* ---- 2 Against the oracle -------------------------------------------------------------------- */

static setup setup_of(const problem *p, nrm_isa isa, unsigned turn)
{
    setup s = plain(isa, (nrm_layout)((p->seed + turn) & 1));
    s.shift = p->seed / 2 % 64;
    return s;
}

/* 1 when dy * xhat of doubles stays a double whatever the running statistics: of gradients beyond
   that nothing is said. The input's own statistics keep xhat below the root of m. */
static int fits_running(const problem *p)
{
    size_t i, count = problem_volume(&p->d);
    for (i = 0; i < count && p->d.dtype == NRM_F64; ++i)
        if (fabs(type_get(p->d.dtype, p->value[SLOT_X], i)) > 0x1p60) return 0;
    return 1;
}

/* All verbs that fit the kind, on the best instruction set and on the scalar one. */
static void against_oracle(problem *p)
{
    static const nrm_isa isas[] = {NRM_AUTO, NRM_SCALAR};
    outcome *o[COUNT(isas)];
    size_t i;
    int running, most = p->d.kind == NRM_BATCH || p->d.kind == NRM_INSTANCE;
    for (running = 0; running <= most; ++running) {
        nrm_desc d;
        nrm_args a;
        ref r = oracle_of(p, &d, &a);
        if (running) ref_use_running(&r, p->value[SLOT_RUNNING_MEAN], p->value[SLOT_RUNNING_VAR]);
        for (i = 0; i < COUNT(isas); ++i) {
            setup s = setup_of(p, isas[i], (unsigned)i);
            o[i] = run(p, running ? VERB_INFER : VERB_FORWARD, &s);
            if (!judged_with(i ? o[0] : NULL, p, o[i], &s))
                judge_forward(p, &r, &a, o[i], &s, running);
        }
        while (i > 0) outcome_free(o[--i]);
        if (!running || fits_running(p)) oracle_backward(p, &r, &a, running);
        for (i = 0; i < COUNT(isas) && r.dx; ++i) {
            setup s = setup_of(p, isas[i], (unsigned)i);
            o[i] = run(p, running ? VERB_INFER_BACKWARD : VERB_BACKWARD, &s);
            if (!judged_with(i ? o[0] : NULL, p, o[i], &s))
                judge_backward(p, &r, o[i], &s, running);
        }
        while (i > 0) outcome_free(o[--i]);
        ref_free(&r);
    }
}

/* Gates of ordinary size, and up to where the exponential leaves the type; no dy that leaves it
   when it is multiplied by silu of them. */
static void around_promised(problem *p, unsigned turn)
{
    static const double scale[] = {1, 4, 60, 1};
    static const gen_dist dist[] = {GEN_NORMAL, GEN_SPARSE, GEN_MIXED, GEN_UNIFORM};
    const double by = scale[turn % COUNT(scale)] * (p->d.dtype == NRM_F64 ? 5 : 1);
    gen g = gen_seed(turn);
    size_t i, count = problem_volume(&p->d);
    fill_groups(&g, p, SLOT_DY, dist[turn / 4 % COUNT(dist)], 1);
    problem_around(p, 0);
    for (i = 0; i < count; ++i)
        type_put(p->d.dtype, p->value[SLOT_GATE], i,
                 type_get(p->d.dtype, p->value[SLOT_GATE], i) * by);
    problem_prepare(p);
}

static void test_accuracy(nrm_dtype type)
{
    size_t i;
    int dist;
    if (type == NRM_F64 && EXACT_DIGITS < 64) {
        skip("double: no wider type here to compare with");
        return;
    }
    memset(ref_table, 0, sizeof ref_table);
    group("%s: every distribution of x within the bound", type_name[type]);
    for (dist = 0; dist < GEN_DISTS; ++dist)
        for (i = 0; i < 10; ++i) {
            problem *p;
            if (type == NRM_F64 && (dist == GEN_DENORMAL || dist == GEN_TINIEST)) continue;
            p = promised(first_seed + 100 * (size_t)dist + i, type, (gen_dist)dist, 2000);
            against_oracle(p);
            problem_free(p);
        }
    group_end();
    group("%s: random problems within the bound", type_name[type]);
    for (i = 0; i < 300; ++i) {
        problem *p = promised(first_seed + 5000 + i, type, GEN_DISTS, 1500);
        against_oracle(p);
        problem_free(p);
    }
    group_end();
    group("%s: activations, add and gate within the bound", type_name[type]);
    for (i = 0; i < 60; ++i) {
        problem *p = promised(first_seed + 7000 + i, type, i % 4 ? GEN_NORMAL : GEN_DISTS, 800);
        around_promised(p, (unsigned)i);
        against_oracle(p);
        problem_free(p);
    }
    group_end();
    note("%s:", type_name[type]);
    ref_print_table();
}

/* Totals of many planes: the rounding errors of a plain sum grow with their number, past the bound
   of doubles from a few hundred on. */
static void test_many_planes(nrm_dtype type)
{
    static const size_t shapes[][3] = {{2000, 1, 16}, {800, 2, 17}, {8000, 1, 16}, {9, 1, 5000},
                                       {20000, 2, 1}};
    size_t i;
    if (type == NRM_F64 && EXACT_DIGITS < 64) return;
    group("%s: sums over many planes", type_name[type]);
    for (i = 0; i < (type == NRM_F64 ? COUNT(shapes) : 2); ++i) {
        problem *p = (problem *)test_alloc(1, sizeof *p);
        gen g = gen_seed(first_seed + i);
        p->d.n = shapes[i][0], p->d.c = shapes[i][1], p->d.s = shapes[i][2];
        p->d.kind = i < 4 ? NRM_BATCH : NRM_LAYER;
        p->d.dtype = type, p->d.eps = 1e-5, p->seed = i;
        p->given = GIVEN_NORM & ~(RUNNING | GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_DSUM));
        problem_alloc(p);
        fill_groups(&g, p, SLOT_X, i & 1 ? GEN_UNIFORM : GEN_NORMAL, 1);
        fill_groups(&g, p, SLOT_DY, i & 1 ? GEN_NORMAL : GEN_OFFSET_1E2, 1);
        draw_parameters(&g, p, 0);
        choose_running(&g, p);
        problem_prepare(p);
        against_oracle(p);
        problem_free(p);
    }
    group_end();
}

/* ---- 3 Batch norm of doubles in parts -------------------------------------------------------*/

/* nrm_moments hold m2 as a double: deviations from 2^-500 to 2^500. */
static void test_parts(void)
{
    static const double scales[] = {1, 0x1p-480, 0x1p480, 0x1p-300, 1e100};
    size_t i;
    group("f64: parts of a batch, at deviations from 2^-480 to 2^480");
    for (i = 0; i < 60; ++i) {
        problem *p = promised(first_seed + 9000 + i, NRM_F64, GEN_NORMAL, 2500);
        gen g = gen_seed(i);
        double scale = scales[i % COUNT(scales)];
        setup s = setup_of(p, NRM_AUTO, 0);
        nrm_desc d;
        nrm_args a;
        ref r;
        outcome *o;
        p->d.kind = NRM_BATCH, p->d.eps = i % 2 ? 0 : 1e-5;
        p->given = GIVEN_NORM & ~(RUNNING | GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_DSUM));
        free(p->value[SLOT_MEAN]), free(p->value[SLOT_RSTD]);
        p->value[SLOT_MEAN] = test_alloc(p->d.c, sizeof(double));
        p->value[SLOT_RSTD] = test_alloc(p->d.c, sizeof(double));
        fill_groups(&g, p, SLOT_X, i % 3 ? GEN_NORMAL : GEN_OFFSET_1E4, scale);
        problem_prepare(p);
        r = oracle_of(p, &d, &a);
        o = run(p, VERB_APPLY, &s);
        judge_forward(p, &r, &a, o, &s, 1);
        outcome_free(o);
        oracle_backward(p, &r, &a, 0);
        o = run(p, VERB_BACKWARD_REDUCE, &s), judge_backward(p, &r, o, &s, 0);
        outcome_free(o);
        o = run(p, VERB_BACKWARD_APPLY, &s), judge_backward(p, &r, o, &s, 0);
        outcome_free(o);
        ref_free(&r);
        problem_free(p);
    }
    group_end();
}

/* ---- 4 The same values in two types ---------------------------------------------------------*/

/* Tensors of `o` are those of the float outcome, rounded; all else is the same to the bit. */
static int same_rounded(const outcome *o, const outcome *single, enum slot *where)
{
    int slot;
    size_t i;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        *where = (enum slot)slot;
        if (!o->value[slot] != !single->value[slot]) return 0;
        for (i = 0; o->value[slot] && i < o->count[slot]; ++i) {
            nrm_dtype type = slot_type(&o->d, (enum slot)slot);
            nrm_dtype from = slot_type(&single->d, (enum slot)slot);
            unsigned char rounded[8];
            type_put(type, rounded, 0, type_get(from, single->value[slot], i));
            if (type_bits(type, o->value[slot], i) == type_bits(type, rounded, 0)) continue;
            if (!slot_is_tensor((enum slot)slot) || slot == SLOT_SUM) return 0;
            if (!half_is_tie(type, type_get(from, single->value[slot], i),
                             type_get(type, o->value[slot], i)))
                return 0;
        }
    }
    return o->status == single->status;
}

/* Every verb on every instruction set. The twin's statistics, moments and sums are its own. */
static void halves_as_float(problem *p)
{
    problem *q = problem_as(p, NRM_F32);
    size_t i;
    int verb, layout;
    for (verb = 0; verb < VERBS; ++verb)
        for (layout = 0; layout < 2 && verb_fits((enum verb)verb, p->d.kind); ++layout) {
            setup s = setup_of(p, NRM_SCALAR, (unsigned)layout);
            outcome *want = run(q, (enum verb)verb, &s);
            for (i = 0; i < ISAS; ++i) {
                enum slot where = SLOT_NONE;
                outcome *o;
                int same;
                s.isa = all_isa[i];
                if (!nrm_has_isa(s.isa)) continue;
                o = run(p, (enum verb)verb, &s);
                same = same_rounded(o, want, &where);
                check(same, "%s %s: another %s (status %d, %d; %s)", nrm_isa_name(s.isa),
                      verb_name[verb], slot_name[where], (int)o->status, (int)want->status,
                      problem_text(p));
                outcome_free(o);
            }
            outcome_free(want);
        }
    problem_free(q);
}

/* Values of bf16 and of f16 are values of float. x + residual is not: z is rounded first. */
static void test_halves_as_float(nrm_dtype type)
{
    size_t i;
    group("%s: the bits of float, tensors rounded once", type_name[type]);
    for (i = 0; i < 300; ++i) {
        problem *p = problem_draw_as(first_seed + 20000 + i, type);
        if (i % 3 == 1) problem_around(p, (int)i & 1);
        p->given &= ~GIVEN(SLOT_RESIDUAL);
        problem_prepare(p);
        halves_as_float(p);
        problem_free(p);
    }
    group_end();
}

/* Forward from x and residual against forward from their sum as it was stored. */
static void test_sum_first(nrm_dtype type)
{
    size_t i;
    group("%s: x + residual is rounded before use", type_name[type]);
    for (i = 0; i < 100; ++i) {
        problem *p = problem_draw_as(first_seed + 30000 + i, type);
        setup s = setup_of(p, NRM_AUTO, 0);
        outcome *apart, *one;
        difference at;
        int same;
        p->given |= GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_SUM);
        apart = run(p, VERB_FORWARD, &s);
        if (apart->status == NRM_OK) {
            memcpy(p->value[SLOT_X], apart->value[SLOT_SUM],
                   problem_volume(&p->d) * type_size(type));
            p->given &= ~(GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_SUM));
            one = run(p, VERB_FORWARD, &s);
            same = same_outcome(apart, one, &at);
            check(same, "another %s at %zu (%s)", slot_name[at.slot], at.index, problem_text(p));
            outcome_free(one);
        }
        outcome_free(apart);
        problem_free(p);
    }
    group_end();
}

/* Float values as doubles: float results lie within float's bound of them. */
static void float_as_double(const problem *p)
{
    problem *q = problem_as(p, NRM_F64);
    nrm_desc d;
    nrm_args a;
    ref r = oracle_of(p, &d, &a);
    setup s = setup_of(p, NRM_AUTO, 0);
    outcome *single = run(p, VERB_FORWARD, &s), *wide = run(q, VERB_FORWARD, &s);
    size_t i, j, k;
    REF_EACH(&d, i, j, k) {
        size_t e = ref_own(&d, i, j, k);
        double y = type_get(NRM_F32, single->value[SLOT_Y], e);
        double exact = type_get(NRM_F64, wide->value[SLOT_Y], e);
        check(ref_ratio_to(y, exact, ref_y_bound(&r, i, j, k), REF_OVERFLOW) <= 1,
              "y[%zu] is %.9g and %.17g (%s)", e, y, exact, problem_text(p));
    }
    outcome_free(single), outcome_free(wide);
    oracle_backward(p, &r, &a, 0);
    single = run(p, VERB_BACKWARD, &s), wide = run(q, VERB_BACKWARD, &s);
    for (i = 0; i < r.count && single->value[SLOT_DX]; ++i) {
        double dx = type_get(NRM_F32, single->value[SLOT_DX], i);
        double exact = type_get(NRM_F64, wide->value[SLOT_DX], i);
        check(ref_ratio_to(dx, exact, r.dx_bound[i], REF_OVERFLOW) <= 1,
              "dx[%zu] is %.9g and %.17g (%s)", i, dx, exact, problem_text(p));
    }
    outcome_free(single), outcome_free(wide);
    ref_free(&r);
    problem_free(q);
}

/* Without NRM_RELU, whose mask may differ where y is 0 but for rounding. */
static void test_float_as_double(void)
{
    static const gen_dist dists[] = {GEN_NORMAL, GEN_UNIFORM, GEN_OFFSET_1E3, GEN_SPARSE,
                                     GEN_CONSTANT, GEN_OFFSET_1E6, GEN_OUTLIER_ANY};
    size_t i;
    group("f32 and f64: the same values, results as near as float can be");
    for (i = 0; i < 100; ++i) {
        problem *p = promised(first_seed + 40000 + i, NRM_F32, dists[i % COUNT(dists)], 2500);
        gen g = gen_seed(i);
        p->d.act = NRM_IDENTITY;
        p->given &= ~(GIVEN(SLOT_RESIDUAL) | RUNNING);
        fill_groups(&g, p, SLOT_DY, GEN_NORMAL, 1);
        problem_prepare(p);
        float_as_double(p);
        problem_free(p);
    }
    group_end();
}

/* ---- 5 What holds for every type ------------------------------------------------------------- */

/* A constant group gives beta, rounded to the type, to the bit. */
static void test_constants(nrm_dtype type)
{
    static const double values[] = {0.1, 100.1, 1.0, -7.3, 0.0, 65504, 3e38, 1e-40, 1.7e308,
                                    -1e-310, 1e7};
    size_t i, v;
    group("%s: constant groups give beta", type_name[type]);
    for (i = 0; i < 300; ++i) {
        problem *p = problem_draw_as(first_seed + 50000 + i, type);
        const nrm_dtype held = type_of_parameters(type);
        setup s = setup_of(p, all_isa[i % 3], 0);
        outcome *o;
        double value = values[i % COUNT(values)];
        size_t count = problem_volume(&p->d), wrong = 0;
        if (type != NRM_F64 && (fabs(value) > 3.3e38 || (value != 0 && fabs(value) < 1e-300)))
            value = 17;
        if (type == NRM_F16 && value > 65504) value = 65504;
        if (p->d.kind == NRM_RMS) p->d.kind = NRM_LAYER;
        if (!nrm_has_isa(s.isa)) s.isa = NRM_AUTO;
        p->d.eps = i % 2 ? 0 : 1e-5, p->d.act = NRM_IDENTITY;
        p->given &= ~(RUNNING | GIVEN(SLOT_RESIDUAL));
        for (v = 0; v < count; ++v) type_put(type, p->value[SLOT_X], v, value);
        for (v = 0; v < slot_count(&p->d, SLOT_GAMMA); ++v) {
            type_put(held, p->value[SLOT_GAMMA], v, (double)(v % 7) - 3);
            type_put(held, p->value[SLOT_BETA], v, 0.1 * (double)(v % 5) + 0.05);
        }
        o = run(p, VERB_FORWARD, &s);
        for (v = 0; v < count; ++v) {
            size_t c = v / p->d.s % p->d.c;
            unsigned char beta[8];
            if (p->d.affine_per_sample) c = v / p->d.s;
            type_put(type, beta, 0,
                     p->given & GIVEN(SLOT_BETA) ? type_get(held, p->value[SLOT_BETA], c) : 0);
            wrong += type_bits(type, o->value[SLOT_Y], v) != type_bits(type, beta, 0);
        }
        check(!wrong, "%zu of %zu at %g (%s)", wrong, count, value, problem_text(p));
        outcome_free(o);
        problem_free(p);
    }
    group_end();
}

/* 1 when element e is NaN in y, and so must be, or has the bits that it had without the odd one. */
static int isolated(const problem *p, const outcome *before, const outcome *after, enum slot slot,
                    size_t odd)
{
    const nrm_dtype type = p->d.dtype;
    const nrm_desc *d = &p->d;
    size_t i, j, k, e = 0, group_of_odd, own;
    i = odd / d->s / d->c, j = odd / d->s % d->c, k = odd % d->s;
    group_of_odd = ref_stat(d, i, j, k);
    REF_EACH(d, i, j, k) {
        own = ref_own(d, i, j, k);
        if (ref_stat(d, i, j, k) == group_of_odd) {
            double v = type_get(type, after->value[slot], own);
            if (!is_nan_f64(v)) return 0;
        } else if (type_bits(type, before->value[slot], own) !=
                   type_bits(type, after->value[slot], own)) {
            return 0;
        }
        ++e;
    }
    return e > 0;
}

static void test_isolation(nrm_dtype type)
{
    static const uint32_t odd[] = {0x7fc00000u, 0x7f800000u, 0xff800000u};
    size_t i;
    group("%s: NaN and Inf stay in their group", type_name[type]);
    for (i = 0; i < 200; ++i) {
        problem *p = promised(first_seed + 60000 + i, type, GEN_NORMAL, 4000);
        gen g = gen_seed(i);
        size_t place = gen_below(&g, problem_volume(&p->d));
        setup s = setup_of(p, all_isa[i % 3], 0);
        outcome *before, *after;
        if (!nrm_has_isa(s.isa)) s.isa = NRM_AUTO;
        p->given = GIVEN_NORM & ~(RUNNING | GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_DSUM));
        fill_groups(&g, p, SLOT_DY, GEN_NORMAL, 1);
        problem_prepare(p);
        before = run(p, VERB_FORWARD, &s);
        type_put(type, p->value[SLOT_X], place, (double)gen_from_bits(odd[i % 3]));
        after = run(p, VERB_FORWARD, &s);
        check(isolated(p, before, after, SLOT_Y, place), "y, odd value at %zu (%s)", place,
              problem_text(p));
        outcome_free(before), outcome_free(after);
        p->d.act = NRM_IDENTITY;
        type_put(type, p->value[SLOT_X], place, 0.5), problem_prepare(p);
        before = run(p, VERB_BACKWARD, &s);
        type_put(type, p->value[SLOT_X], place, (double)gen_from_bits(odd[i % 3]));
        problem_prepare(p);
        after = run(p, VERB_BACKWARD, &s);
        check(isolated(p, before, after, SLOT_DX, place), "dx, odd value at %zu (%s)", place,
              problem_text(p));
        outcome_free(before), outcome_free(after);
        problem_free(p);
    }
    group_end();
}

/* From bug reports: an f16 row whose variance is beyond f16, zeros with an eps that is. */
static void test_known_rows(void)
{
    uint16_t x[4], y[4];
    const double values[] = {1000, 0, 500, -300};
    double mean = 0, var = 0;
    nrm_desc d;
    nrm_args a;
    size_t i;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.n = 1, d.c = 4, d.s = 1, d.kind = NRM_LAYER, d.dtype = NRM_F16, d.eps = 1e-12;
    a.x = x, a.y = y;
    group("f16: rows of known trouble");
    memset(x, 0, sizeof x), memset(y, 1, sizeof y);
    check(nrm_forward(&d, &a) == NRM_OK && !y[0] && !y[1] && !y[2] && !y[3], "zeros, eps 1e-12");
    for (i = 0; i < 4; ++i) type_put(NRM_F16, x, i, values[i]), mean += values[i] / 4;
    for (i = 0; i < 4; ++i) var += (values[i] - mean) * (values[i] - mean) / 4;
    check(nrm_forward(&d, &a) == NRM_OK, "status");
    for (i = 0; i < 4; ++i)
        check(y[i] == half_from_f64(NRM_F16, (values[i] - mean) / sqrt(var)), "variance %g: %g",
              var, f64_from_half(NRM_F16, y[i]));
    group_end();
}

/* A share of one outlier beside 4096 values of about 0, in both orders: the mean of all is far from
   the outlier, and close to the others'. */
static void test_outlier_share(void)
{
    static double x[4097], y[4097];
    const double outlier = 63.999999868896;
    const double up = -0.015560984343123323, down = -0.015689015592861053;
    int order;
    size_t i;
    group("f64, an outlier is a share of its own");
    x[0] = 1e6;
    for (i = 1; i < 4097; ++i) x[i] = i & 1 ? 1 : -1;
    for (order = 0; order < 2; ++order) {
        nrm_moments m[2];
        nrm_desc d = {0};
        nrm_args a = {0};
        d.kind = NRM_BATCH, d.dtype = NRM_F64, d.c = d.s = 1;
        a.x = x, d.n = 1;
        check(nrm_reduce(&d, &a, &m[order]) == NRM_OK, "the outlier");
        a.x = x + 1, d.n = 4096;
        check(nrm_reduce(&d, &a, &m[!order]) == NRM_OK, "the others");
        nrm_merge(&m[0], &m[1], 1);
        a.x = x, a.y = y, d.n = 4097;
        check(nrm_apply(&d, &a, m) == NRM_OK, "apply");
        for (i = 0; i < 4097; ++i) {
            const double xhat = i == 0 ? outlier : i & 1 ? up : down;
            /* NUMERICS, "Bound": 4e * (1 + |xhat|) + d, d below 2^-53 * 0.016, after one merge */
            const double bound = 2 * (4 * 0x1p-52 * (1 + fabs(xhat)) + 0.016 * 0x1p-53);
            check(fabs(y[i] - xhat) <= bound, "y[%zu] is %.17g, not %.17g", i, y[i], xhat);
        }
    }
    group_end();
}

/* var + eps = 2^1020 + 2^1024 - 2^971 is not a double, its root is. */
static void test_largest_eps(void)
{
    const double x[2] = {-0x1p510, 0x1p510}, expected = 0.25 / sqrt(1.0625);
    double y[2] = {0, 0}, rstd = 0;
    nrm_desc d = {0};
    nrm_args a = {0};
    group("f64, the largest eps");
    d.kind = NRM_INSTANCE, d.dtype = NRM_F64, d.n = d.c = 1, d.s = 2, d.eps = DBL_MAX;
    a.x = x, a.y = y, a.rstd = &rstd;
    check(nrm_forward(&d, &a) == NRM_OK, "status");
    check(fabs(rstd * 0x1p510 - expected) < 1e-15 && fabs(y[1] - expected) < 1e-15 &&
              y[0] + y[1] == 0, "rstd %g, y %g and %g", rstd, y[0], y[1]);
    group_end();
}

/* ---- 6 Parameters at the ends of what float can do ------------------------------------------- */

/* 4 x 6 x s values with parameters about 1. */
static problem *small_problem(nrm_dtype type, nrm_kind kind, size_t s)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(21);
    p->d.kind = kind, p->d.dtype = type, p->d.n = 4, p->d.c = 6, p->d.s = s, p->d.groups = 2;
    p->d.eps = 1e-5, p->running_rate = 0.1, p->running_population = 1;
    p->given = GIVEN_NORM & ~(1u << SLOT_RESIDUAL | 1u << SLOT_SUM);
    problem_alloc(p);
    draw_tensor(&g, &p->d, 0, p->value[SLOT_X]);
    draw_tensor(&g, &p->d, 0, p->value[SLOT_DY]);
    draw_tensor(&g, &p->d, 0, p->value[SLOT_DSUM]);
    draw_parameters(&g, p, 0);
    problem_prepare(p);
    return p;
}

/* The factor is gamma + gamma_offset, which alone decides what is done in double: both give
   the bits of their sum as gamma. Channel `wide` has a gamma of its own, the others sum up to
   `rest`; all are floats, and so are the sums. */
static void compare_offset(problem *p, size_t wide, double gamma, double offset, double rest)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    const nrm_isa isas[] = {NRM_AUTO, NRM_SCALAR};
    int i, verb, split, same;
    for (i = 0; i < 4; ++i)
        for (verb = 0; verb <= VERB_BACKWARD; verb += VERB_BACKWARD) {
            setup s = plain(isas[i & 1], (nrm_layout)(i >> 1));
            outcome *o[2];
            difference at;
            for (split = 0; split < 2; ++split) {
                size_t j;
                p->d.gamma_offset = split ? offset : 0;
                for (j = 0; j < p->d.c; ++j) {
                    const double own = j == wide ? gamma : rest - offset;
                    type_put(held, p->value[SLOT_GAMMA], j, split ? own : own + offset);
                }
                o[split] = run(p, (enum verb)verb, &s);
            }
            same = same_outcome(o[0], o[1], &at);
            check(same, "%s: gamma %a, offset %a, %s %s, s %zu: another %s[%zu] than of their sum",
                  kind_name[p->d.kind], gamma, offset, verb_name[verb], s.layout ? "NHWC" : "NCHW",
                  p->d.s, slot_name[at.slot], at.index);
            outcome_free(o[0]), outcome_free(o[1]);
        }
}

static void test_offset(nrm_dtype type)
{
    /* gamma, offset, what the others sum up to: sums of 0 to 3 * 2^39 */
    static const double list[][3] = {{0x1p40, 0x1p39, 0x1p18},
                                     {0x1p39, 0x1p40, 0x1p18},
                                     {-0x1p40, -0x1p39, 0x1p18},
                                     {0x1p41, -0x1p41, 0x1p18},
                                     {-0x1p41, 0x1p41 + 0x1p18, 0x1p18},
                                     {0x1p50, -0x1p50 + 0x1p27, 0x1p27},
                                     {0x1p40, 0, 1},
                                     {0x1p39, 0x1p39, 0x1p18}};
    int kind;
    size_t i, s;
    group("%s: gamma and gamma_offset count by their sum", type_name[type]);
    for (kind = 0; kind < 5; ++kind)
        for (s = 1; s < 4; s += 2) {
            problem *p = small_problem(type, (nrm_kind)kind, s);
            for (i = 0; i < COUNT(list); ++i)
                compare_offset(p, i % p->d.c, list[i][0], list[i][1], list[i][2]);
            problem_free(p);
        }
    group_end();
}

/* nrm_infer: y is what (x - mean) * rstd * gamma + beta is, also where that is Inf or NaN. */
static void infer_infinite(problem *p, nrm_isa isa, nrm_layout layout, double mean, double x)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    const size_t channel = 4, place = (p->d.c + channel) * p->d.s;
    setup s = plain(isa, layout);
    outcome *clean, *o;
    size_t i, plane = p->d.s, wrong = 0, touched = 0;
    p->d.act = NRM_IDENTITY;
    type_put(held, p->value[SLOT_RUNNING_MEAN], channel, 0.5);
    clean = run(p, VERB_INFER, &s);
    type_put(held, p->value[SLOT_RUNNING_MEAN], channel, mean);
    type_put(p->d.dtype, p->value[SLOT_X], place, x);
    o = run(p, VERB_INFER, &s);
    for (i = 0; i < problem_volume(&p->d) && o->value[SLOT_Y]; ++i) {
        const double from = type_get(p->d.dtype, p->value[SLOT_X], i);
        const double expected = (from - mean) * type_get(held, p->value[SLOT_GAMMA], channel);
        const double y = type_get(p->d.dtype, o->value[SLOT_Y], i);
        if (i / plane % p->d.c != channel)
            touched += !same_f64(y, type_get(p->d.dtype, clean->value[SLOT_Y], i));
        else if (!(fabs(expected) <= DBL_MAX))
            wrong += !same_f64(y, expected);
    }
    check(o->status == NRM_OK && !wrong && !touched, "%s %s %s, mean %g, x %g: %zu values are not "
          "as the formula has it, %zu of other channels changed", kind_name[p->d.kind],
          nrm_isa_name(isa), layout ? "NHWC" : "NCHW", mean, x, wrong, touched);
    outcome_free(clean), outcome_free(o);
}

static void test_infinite_running(nrm_dtype type)
{
    static const double means[] = {INFINITY, -INFINITY, 0.5}, x[] = {1, INFINITY, -INFINITY};
    const nrm_kind kinds[] = {NRM_BATCH, NRM_INSTANCE};
    size_t i, kind, s;
    int layout;
    group("%s: an infinite running mean, and an infinite x, in nrm_infer", type_name[type]);
    for (kind = 0; kind < 2; ++kind)
        for (s = 1; s < 30; s += 9)
            for (i = 0; i < COUNT(means) * COUNT(x) * ISAS; ++i)
                for (layout = 0; layout < 2 && nrm_has_isa(all_isa[i / 9]); ++layout) {
                    problem *p = small_problem(type, kinds[kind], s);
                    const double gamma = i % 2 ? -2 : 3;
                    size_t j;
                    for (j = 0; j < p->d.c; ++j)
                        type_put(type_of_parameters(type), p->value[SLOT_GAMMA], j, gamma);
                    infer_infinite(p, all_isa[i / 9], (nrm_layout)layout, means[i % 3],
                                   x[i / 3 % 3]);
                    problem_free(p);
                }
    group_end();
}

int main(int argc, char **argv)
{
    size_t i;
    int type;
    if (argc > 1) first_seed = strtoull(argv[1], NULL, 10);
    for (i = 0; i < COUNT(types); ++i) {
        test_accuracy(types[i]);
        test_many_planes(types[i]);
        if (type_is_half(types[i])) test_halves_as_float(types[i]);
        if (types[i] == NRM_F64) test_parts();
        if (types[i] == NRM_F64) test_float_as_double();
        if (types[i] == NRM_F64) test_largest_eps();
        if (types[i] == NRM_F64) test_outlier_share();
        if (types[i] == NRM_F16) test_known_rows();
        test_sum_first(types[i]);
        test_constants(types[i]);
        test_isolation(types[i]);
    }
    for (type = 0; type < TYPES; ++type) {
        test_offset((nrm_dtype)type);
        test_infinite_running((nrm_dtype)type);
    }
    return done_testing();
}
