/* nrm_backward and nrm_infer_backward against the gradients of the oracle (ref.h), which in turn
 * are held against central differences of the oracle's forward. The statistics handed to backward
 * are those that the library's forward wrote; the oracle uses exact ones, so their error counts.
 */
#include "../normalize.h"

#include <float.h>

#define REF_ORDINARY /* ref.h: the tighter limit, of drawn data */
#include "support/cases.h"
#include "support/oracle.h"

static const nrm_isa isas[] = {NRM_AUTO, NRM_SCALAR};

/* ---- One case ------------------------------------------------------------------------------- */

/* Away from zero the sign of y before NRM_RELU is not the library's to choose. */
static void check_mask(const problem *p, const ref *r)
{
    const float *y = (float *)p->value[SLOT_Y];
    size_t i, j, k, wrong = 0;
    REF_EACH(&p->d, i, j, k) {
        long double exact = ref_linear(r, i, j, k);
        wrong += fabsl(exact) > ref_y_bound(r, i, j, k) &&
                 (y[ref_own(&p->d, i, j, k)] > 0) != (exact > 0);
    }
    check(wrong == 0, "relu lets %zu wrong values pass (%s)", wrong, problem_text(p));
}

/* Running statistics: the data's own (of the first sample), or unrelated ones. */
static void choose_running(problem *p, const ref *r)
{
    float *mean = (float *)p->value[SLOT_RUNNING_MEAN], *var = (float *)p->value[SLOT_RUNNING_VAR];
    size_t j;
    for (j = 0; j < p->d.c; ++j) {
        if (gen_one_in(&p->g, 4)) continue;
        mean[j] = (float)r->mean[j];
        var[j] = r->var[j] < 3e38L ? (float)r->var[j] : 3e38f;
    }
}

/* The oracle of a problem, which keeps what the library's forward or infer wrote: y, sum, mean and
   rstd. Without gradients when that failed. */
static ref gradient_oracle(problem *p, nrm_layout layout, int running)
{
    nrm_desc d;
    nrm_args a;
    ref r = oracle_of(p, &d, &a);
    setup s = case_setup(p, NRM_AUTO, layout);
    problem all = *p;
    outcome *o;
    if (running) {
        choose_running(p, &r);
        ref_use_running(&r, p->value[SLOT_RUNNING_MEAN], p->value[SLOT_RUNNING_VAR]);
    }
    all.given |= GIVEN(SLOT_SUM);
    o = run(&all, running ? VERB_INFER : VERB_FORWARD, &s);
    if (judge_call(p, o, &s, NRM_OK)) {
        problem_keep(p, o, SLOT_X);
        if (p->d.act > NRM_RELU || p->given & GIVEN_AROUND)
            oracle_backward(p, &r, &a, running);
        else
            ref_backward(&r, &a, p->value[SLOT_Y], running);
        if (p->d.act == NRM_RELU && !(p->given & GIVEN_AROUND)) check_mask(p, &r);
    }
    outcome_free(o);
    return r;
}

/* dadd over dy or add, dgate over gate or dy, where nothing lies yet. */
static void around_in_place(const problem *p, setup *s)
{
    const int read = verb_adds(p, VERB_BACKWARD) && p->given & GIVEN(SLOT_ADD);
    if (p->given & GIVEN(SLOT_DADD) && s->dx_is != SLOT_DY) s->dadd_is = SLOT_DY;
    if (p->given & GIVEN(SLOT_DADD) && read && p->seed & 4) s->dadd_is = SLOT_ADD;
    if (!(p->given & GIVEN(SLOT_DGATE))) return;
    s->dgate_is = s->dx_is == SLOT_DY || s->dadd_is == SLOT_DY || p->seed & 8 ? SLOT_GATE : SLOT_DY;
}

/* Makes a backward call of it. x is sum, or both originals come back; in place dx lies over dy,
   x or dsum. All of it is decided by the seed, so that every instruction set does the same. */
static setup backward_setup(problem *p, nrm_layout layout)
{
    setup s = case_setup(p, NRM_AUTO, layout);
    gen g = p->g;
    size_t over = gen_below(&g, 3);
    if (gen_one_in(&g, 2)) {
        memcpy(p->value[SLOT_X], p->value[SLOT_SUM], problem_volume(&p->d) * sizeof(float));
        p->given &= ~GIVEN(SLOT_RESIDUAL);
    }
    if (p->options & OPT_PARTIAL) {
        if (gen_one_in(&g, 2)) p->given &= ~GIVEN(SLOT_DGAMMA);
        if (gen_one_in(&g, 2)) p->given &= ~GIVEN(SLOT_DBETA);
        if (gen_one_in(&g, 2)) p->given &= ~GIVEN(SLOT_DADD);
        if (gen_one_in(&g, 2)) p->given &= ~GIVEN(SLOT_DGATE);
        if (p->given & (GIVEN(SLOT_DGAMMA) | GIVEN(SLOT_DBETA) | GIVEN(SLOT_DADD) |
                        GIVEN(SLOT_DGATE)) && gen_one_in(&g, 2))
            p->given &= ~GIVEN(SLOT_DX);
    }
    if (p->options & OPT_IN_PLACE && p->given & GIVEN(SLOT_DX))
        s.dx_is = over == 0 ? SLOT_DY
                            : over == 1 || !(p->given & GIVEN(SLOT_DSUM)) ? SLOT_X : SLOT_DSUM;
    if (p->options & OPT_IN_PLACE) around_in_place(p, &s);
    return s;
}

static void run_gradient(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                         gen_dist dist, gen_dist dy, uint64_t seed, int running)
{
    problem *p = problem_case(sh, kind, options & ~(unsigned)OPT_RUNNING, dist, dy, seed);
    ref r = gradient_oracle(p, layout, running);
    setup s = backward_setup(p, layout);
    outcome *o[COUNT_OF(isas)];
    size_t i;
    for (i = 0; r.dx && i < COUNT_OF(isas); ++i) {
        s.isa = isas[i];
        o[i] = run(p, running ? VERB_INFER_BACKWARD : VERB_BACKWARD, &s);
        if (!judged_with(i ? o[0] : NULL, p, o[i], &s)) judge_backward(p, &r, o[i], &s, running);
    }
    while (i > 0) outcome_free(o[--i]);
    ref_free(&r);
    problem_free(p);
}

/* ---- Central differences -------------------------------------------------------------------- */

/* The truncation error is about step^2 on the gradient's scale, the rounding error 2^-64 / step;
   where long double is a double, a mean of 1e6 asks for a longer step. */
#if LDBL_MANT_DIG >= 64
#define STEP 1e-5L
#define SLACK 1e-7L
#else
#define STEP 1e-3L
#define SLACK 1e-4L
#endif

/* What backward differentiates is the sum of dy' * y and of dsum * z: here term by term, times
   `sign`. Differences of terms lose less than the difference of two sums. */
static void add_loss(const problem *p, const ref *r, long double sign, long double *terms)
{
    size_t i, j, k;
    REF_EACH(&p->d, i, j, k) {
        size_t e = ref_own(&p->d, i, j, k);
        terms[e] += sign * r->dy[e] * ref_linear(r, i, j, k);
        if (p->given & GIVEN(SLOT_DSUM))
            terms[r->count + e] += sign * ((float *)p->value[SLOT_DSUM])[e] * r->z[e];
    }
}

/* The slope of the loss in *value, a number that the oracle `r` reads. */
static long double slope(const problem *p, ref *r, long double *value, long double step,
                         int running)
{
    long double old = *value, sum = 0, width, *terms = ref_array(2 * r->count);
    size_t i;
    *value = old + step;
    width = *value;
    if (!running) ref_statistics(r);
    add_loss(p, r, 1, terms);
    *value = old - step;
    width -= *value;
    if (!running) ref_statistics(r);
    add_loss(p, r, -1, terms);
    *value = old;
    if (!running) ref_statistics(r);
    for (i = 0; i < 2 * r->count; ++i) sum += terms[i];
    free(terms);
    return sum / width;
}

static void compare_slope(const problem *p, const char *what, size_t at, long double slope_of,
                          long double exact, float got, long double bound)
{
    long double slack = bound / (REF_ORDINARY_Y * REF_E) * SLACK;
    check(fabsl(slope_of - exact) <= slack, "%s[%zu]: oracle %.9Lg, slope %.9Lg (%s)", what, at,
          exact, slope_of, problem_text(p));
    check(fabsl(slope_of - (long double)got) <= slack + bound,
          "%s[%zu] is %.9g, the slope is %.9Lg (%s)", what, at, (double)got, slope_of,
          problem_text(p));
}

static void compare_slopes(const problem *p, const outcome *o, ref *r, int running)
{
    const float *old_g = (float *)p->value[SLOT_DGAMMA], *old_b = (float *)p->value[SLOT_DBETA];
    const float *dx = (float *)o->value[SLOT_DX], *dgamma = (float *)o->value[SLOT_DGAMMA];
    const float *dbeta = (float *)o->value[SLOT_DBETA];
    size_t i, j, k, q;
    if (!dx || !dgamma || !dbeta) {
        check(0, "all gradients are asked for");
        return;
    }
    REF_EACH(&p->d, i, j, k) {
        size_t e = ref_own(&p->d, i, j, k), stat = ref_stat(&p->d, i, j, k);
        long double step = (running ? 1 : STEP) / r->rstd[stat]; /* frozen statistics: linear */
        /* No slope where the variance is 0, none to be seen where the step is lost in z. */
        if (r->rstd[stat] == 0 || step < 0x1p-40L * fabsl(r->z[e])) continue;
        compare_slope(p, "dx", e, slope(p, r, &r->z[e], step, running), r->dx[e],
                      dx[e], r->dx_bound[e]);
    }
    for (q = 0; q < r->affines; ++q) {
        compare_slope(p, "dgamma", q,
                      (p->accumulate ? old_g[q] : 0) + slope(p, r, &r->g[q], 1, running),
                      r->dgamma[q], dgamma[q], r->dgamma_bound[q]);
        compare_slope(p, "dbeta", q,
                      (p->accumulate ? old_b[q] : 0) + slope(p, r, &r->b[q], 1, running),
                      r->dbeta[q], dbeta[q], r->dbeta_bound[q]);
    }
}

static void run_slopes(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                       gen_dist dist, uint64_t seed, int running)
{
    problem *p = problem_case(sh, kind, options & ~(unsigned)(OPT_RUNNING | OPT_PARTIAL), dist,
                              GEN_NORMAL, seed);
    ref r;
    setup s;
    outcome *o;
    if (p->d.eps < 1e-5) p->d.eps = 1e-5; /* a single value's rstd must leave room for a step */
    r = gradient_oracle(p, layout, running);
    s = backward_setup(p, layout);
    o = run(p, running ? VERB_INFER_BACKWARD : VERB_BACKWARD, &s);
    if (r.dx && judge_call(p, o, &s, NRM_OK)) compare_slopes(p, o, &r, running);
    outcome_free(o);
    ref_free(&r);
    problem_free(p);
}

static void test_slopes(nrm_kind kind, int running)
{
    static const shape shapes[] = {{"", 2, 3, 1, 3}, {"", 2, 4, 3, 2}, {"", 1, 6, 5, 2},
                                   {"", 3, 2, 4, 1}, {"", 1, 1, 17, 1}, {"", 2, 9, 2, 3}};
    static const gen_dist dists[] = {GEN_NORMAL, GEN_OFFSET_1E6, GEN_UNIFORM, GEN_OFFSET_1E2};
    gen g = gen_seed(50 + (uint64_t)kind);
    size_t i, round;
    group("%s%s: central differences with random dy", kind_name[kind],
          running ? " with running statistics" : "");
    for (round = 0; round < 12; ++round)
        for (i = 0; i < COUNT_OF(shapes); ++i) {
            unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
            run_slopes(&shapes[i], kind, round % 2 ? NRM_NHWC : NRM_NCHW, options,
                       dists[round % COUNT_OF(dists)], 9000 + round * 16 + i, running);
        }
    group_end();
}

/* ---- Central differences of what stands around a norm --------------------------------------- */

/* 1 when no y before the activation is so close to a jump of its slope that a step may cross it, or
   so large that the step is lost. */
static int fit_for_steps(const ref *r)
{
    const long double jumps[] = {0, r->low, r->high, -3, 3};
    size_t i, j, k, n;
    REF_EACH(&r->d, i, j, k)
        for (n = 0; n < COUNT_OF(jumps); ++n) {
            const long double v = ref_v(r, i, j, k).value;
            if (fabsl(v - jumps[n]) < 1e-3L || fabsl(v) > 1e3L) return 0;
        }
    return 1;
}

/* The slope of the sum of dy * y and dsum * z in a number that the oracle reads. */
static long double around_slope(const problem *p, ref *r, long double *value, long double step,
                                int running)
{
    const float *dy = (float *)p->value[SLOT_DY], *dsum = (float *)p->value[SLOT_DSUM];
    const long double old = *value;
    long double sum = 0;
    size_t i, j, k;
    int sign;
    for (sign = -1; sign <= 1; sign += 2) {
        *value = old + sign * step;
        if (!running) ref_statistics(r);
        REF_EACH(&p->d, i, j, k) {
            const size_t e = ref_own(&p->d, i, j, k);
            sum += sign * dy[e] * ref_y(r, i, j, k);
            if (p->given & GIVEN(SLOT_DSUM)) sum += sign * dsum[e] * r->z[e];
        }
    }
    *value = old;
    if (!running) ref_statistics(r);
    return sum / (2 * step);
}

/* The oracle's gradients alone: the library's are held against them elsewhere. */
static void compare_around(const problem *p, ref *r, int running)
{
    const struct { const char *name; long double *of, *gradient; size_t count; } all[] = {
        {"dx", r->z, r->dx, r->count}, {"dadd", r->add, r->dy, r->count},
        {"dgate", r->gate, r->dgate, r->count}, {"dgamma", r->g, r->dgamma, r->affines},
        {"dbeta", r->b, r->dbeta, r->affines}};
    size_t n, q;
    for (n = 0; n < COUNT_OF(all); ++n)
        for (q = 0; all[n].of && q < all[n].count; ++q) {
            const long double exact = all[n].gradient[q];
            const long double of = around_slope(p, r, &all[n].of[q], STEP, running);
            check(fabsl(of - exact) <= 100 * SLACK * (1 + fabsl(exact)),
                  "%s[%zu]: oracle %.9Lg, slope %.9Lg (%s)", all[n].name, q, exact, of,
                  problem_text(p));
        }
}

static void test_around_slopes(nrm_kind kind, int running)
{
    static const shape shapes[] = {{"", 2, 4, 3, 2}, {"", 1, 6, 5, 2}, {"", 3, 5, 1, 5}};
    static const unsigned options[] = {OPT_ACT, OPT_ACT | OPT_ADD, OPT_GATE, OPT_AROUND,
                                       OPT_ACT | OPT_GATE, OPT_RELU | OPT_ADD | OPT_GATE};
    size_t i, compared_here = 0;
    group("%s%s: central differences of activations, add and gate", kind_name[kind],
          running ? " with running statistics" : "");
    for (i = 0; i < 24; ++i) {
        problem *p = problem_case(&shapes[i % 3], kind, options[i % 6] | (i & 8 ? OPT_DSUM : 0u),
                                  GEN_NORMAL, GEN_NORMAL, 500 + i);
        nrm_desc d;
        nrm_args a;
        ref r;
        p->d.eps = 0.1, p->accumulate = 0;
        if (p->given & GIVEN(SLOT_ADD)) problem_prepare(p);
        r = oracle_of(p, &d, &a);
        if (running) ref_use_running(&r, p->value[SLOT_RUNNING_MEAN], p->value[SLOT_RUNNING_VAR]);
        if (fit_for_steps(&r)) {
            oracle_backward(p, &r, &a, running);
            compare_around(p, &r, running);
            ++compared_here;
        }
        ref_free(&r);
        problem_free(p);
    }
    check(compared_here > 10, "%zu problems are fit for steps", compared_here);
    group_end();
}

/* ---- Sets of cases -------------------------------------------------------------------------- */

static uint64_t next_seed = 1; /* or what the command line says, to search further */

static const gen_dist ordinary[] = {GEN_NORMAL,     GEN_OFFSET_1E2, GEN_OFFSET_1E4,
                                    GEN_OFFSET_1E6, GEN_UNIFORM,    GEN_OUTLIER_FIRST,
                                    GEN_SPARSE,     GEN_NARROW,     GEN_BORDER};

static const gen_dist dy_dists[] = {GEN_NORMAL,   GEN_SPARSE,  GEN_SIGN_3E38, GEN_SMALL,
                                    GEN_DENORMAL, GEN_TINIEST, GEN_HUGE,      GEN_CONSTANT,
                                    GEN_UNIFORM,  GEN_MIXED,   GEN_OFFSET_1E6};

static void both_layouts(const shape *sh, nrm_kind kind, unsigned options, gen_dist dist,
                         gen_dist dy, int running)
{
    run_gradient(sh, kind, NRM_NCHW, options, dist, dy, next_seed++, running);
    run_gradient(sh, kind, NRM_NHWC, options, dist, dy, next_seed++, running);
}

static void test_plain(nrm_kind kind, int running, const char *what)
{
    size_t i, j;
    group("%s: small shapes", what);
    for (i = 0; i < COUNT_OF(small_shapes); ++i)
        for (j = 0; j < COUNT_OF(ordinary); ++j)
            both_layouts(&small_shapes[i], kind, 0, ordinary[j], GEN_NORMAL, running);
    group_end();
    group("%s: the gradients of y of every kind", what);
    for (i = 0; i < COUNT_OF(small_shapes); i += 2)
        for (j = 0; j < COUNT_OF(dy_dists); ++j)
            both_layouts(&small_shapes[i], kind, j % 2 ? OPT_DSUM : 0u, GEN_NORMAL, dy_dists[j],
                         running);
    group_end();
}

static void test_options(nrm_kind kind, int running, const char *what)
{
    size_t i, bit;
    group("%s: each option alone", what);
    for (bit = 0; 1u << bit < OPT_WILD; ++bit)
        for (i = 0; i < COUNT_OF(small_shapes); ++i)
            both_layouts(&small_shapes[i], kind, 1u << bit,
                         ordinary[(i + bit) % COUNT_OF(ordinary)], GEN_NORMAL, running);
    group_end();
}

static void test_distributions(nrm_kind kind, int running, const char *what)
{
    static const shape shapes[] = {{"", 1, 4, 64, 4},  {"", 3, 40, 5, 4},   {"", 2, 6, 300, 2},
                                   {"", 37, 12, 7, 3}, {"", 1, 2, 2500, 1}, {"", 3, 1030, 2, 2}};
    size_t i;
    int dist;
    group("%s: each distribution of x", what);
    for (dist = 0; dist < GEN_DISTS; ++dist)
        for (i = 0; i < COUNT_OF(shapes); ++i)
            both_layouts(&shapes[i], kind, 0, (gen_dist)dist, GEN_NORMAL, running);
    group_end();
}

static void test_random(nrm_kind kind, int running, const char *what, unsigned rounds)
{
    gen g = gen_seed(next_seed + 3000 + (uint64_t)kind);
    unsigned i;
    group("%s: random options and distributions", what);
    for (i = 0; i < rounds; ++i) {
        size_t which = gen_below(&g, COUNT_OF(small_shapes) + COUNT_OF(medium_shapes) / 4);
        const shape *sh = which < COUNT_OF(small_shapes)
                              ? &small_shapes[which]
                              : &medium_shapes[gen_below(&g, COUNT_OF(medium_shapes))];
        unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
        gen_dist dist = (gen_dist)gen_below(&g, GEN_DISTS);
        both_layouts(sh, kind, options, dist, dy_dists[gen_below(&g, COUNT_OF(dy_dists))], running);
    }
    group_end();
    group("%s: random, with parameters of any magnitude", what);
    for (i = 0; i < rounds / 4; ++i) {
        unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
        gen_dist dist = (gen_dist)gen_below(&g, GEN_DISTS);
        both_layouts(&small_shapes[gen_below(&g, COUNT_OF(small_shapes))], kind,
                     options | OPT_WILD, dist, dy_dists[gen_below(&g, COUNT_OF(dy_dists))],
                     running);
    }
    group_end();
}

static void test_around(nrm_kind kind, int running, const char *what, unsigned rounds)
{
    static const unsigned alone[] = {OPT_ACT, OPT_ACT, OPT_ACT, OPT_ADD, OPT_GATE};
    static const gen_dist dy[] = {GEN_NORMAL, GEN_NORMAL, GEN_SPARSE, GEN_UNIFORM, GEN_MIXED,
                                  GEN_DENORMAL, GEN_OFFSET_1E6, GEN_SMALL};
    gen g = gen_seed(next_seed + 5000 + (uint64_t)kind);
    unsigned i;
    group("%s: what stands around a norm", what);
    for (i = 0; i < rounds; ++i) {
        const shape *sh = i % 8 ? &small_shapes[gen_below(&g, COUNT_OF(small_shapes))]
                                : &medium_shapes[gen_below(&g, COUNT_OF(medium_shapes))];
        unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
        options |= i % 2 ? alone[i / 2 % COUNT_OF(alone)] : (unsigned)gen_u64(&g) & OPT_AROUND;
        both_layouts(sh, kind, options, ordinary[gen_below(&g, COUNT_OF(ordinary))],
                     dy[gen_below(&g, COUNT_OF(dy))], running);
    }
    group_end();
}

static void test_large(nrm_kind kind, int running, const char *what)
{
    gen g = gen_seed(next_seed + 4000 + (uint64_t)kind);
    size_t i;
    group("%s: model layers and medium shapes", what);
    for (i = 0; i < COUNT_OF(model_shapes); ++i)
        run_gradient(&model_shapes[i], kind, gen_one_in(&g, 2) ? NRM_NCHW : NRM_NHWC,
                     gen_one_in(&g, 3) ? OPT_RELU | OPT_DSUM : 0u, GEN_NORMAL, GEN_NORMAL,
                     next_seed++, running);
    for (i = 0; i < COUNT_OF(medium_shapes); ++i)
        both_layouts(&medium_shapes[i], kind, i % 2 ? OPT_PITCH : 0u,
                     ordinary[gen_below(&g, COUNT_OF(ordinary))], GEN_NORMAL, running);
    group_end();
}

/* Rows whose dgamma and dbeta are summed in stripes of columns, or in several walks; RMS without
   dbeta in a way of its own. */
static void test_wide(nrm_kind kind)
{
    static const shape wide[] = {{"", 5, 1025, 1, 1},  {"", 8, 1100, 1, 1}, {"", 9, 2300, 1, 1},
                                 {"", 20, 4500, 1, 1}, {"", 3, 2600, 2, 1}};
    static const unsigned options[] = {0, OPT_PARTIAL, OPT_PARTIAL | OPT_NO_GAMMA,
                                       OPT_PARTIAL | OPT_PITCH | OPT_DSUM};
    const shape long_list = {"", 1030, 1040, 1, 1};
    size_t i, j;
    group("%s: rows of many columns", kind_name[kind]);
    for (i = 0; i < COUNT_OF(wide); ++i)
        for (j = 0; j < COUNT_OF(options); ++j)
            both_layouts(&wide[i], kind, options[j], ordinary[j], GEN_NORMAL, 0);
    run_gradient(&long_list, kind, NRM_NHWC, OPT_PARTIAL, GEN_NORMAL, GEN_NORMAL, next_seed++, 0);
    group_end();
}

int main(int argc, char **argv)
{
    int kind, running;
    if (argc > 1) next_seed = strtoull(argv[1], NULL, 10);
    for (kind = NRM_BATCH; kind < KINDS; ++kind)
        for (running = 0; running < 2; ++running) {
            char what[64];
            if (running && kind != NRM_BATCH && kind != NRM_INSTANCE) continue;
            snprintf(what, sizeof what, "%s %s", kind_name[kind],
                     running ? "infer_backward" : "backward");
            test_slopes((nrm_kind)kind, running);
            test_around_slopes((nrm_kind)kind, running);
            test_plain((nrm_kind)kind, running, what);
            test_options((nrm_kind)kind, running, what);
            test_distributions((nrm_kind)kind, running, what);
            test_random((nrm_kind)kind, running, what, running ? 200 : 400);
            test_around((nrm_kind)kind, running, what, running ? 36 : 54);
            test_large((nrm_kind)kind, running, what);
        }
    test_wide(NRM_LAYER);
    test_wide(NRM_RMS);
    ref_print_table();
    return done_testing();
}
