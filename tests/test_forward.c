/* nrm_forward and nrm_infer against the oracle of ref.h: every kind, layout, option, shape and
 * distribution, on the best instruction set and on the scalar one. Results must lie within the
 * published bound; the worst error met is printed at the end.
 */
#include "../normalize.h"

#define REF_ORDINARY /* ref.h: the tighter limit, of drawn data */
#include "support/cases.h"
#include "support/oracle.h"

static const nrm_isa isas[] = {NRM_AUTO, NRM_SCALAR};

/* ---- One case ------------------------------------------------------------------------------- */

/* Some outputs, decided by the seed, so that every instruction set does the same. */
static void leave_out(problem *p)
{
    static const enum slot optional[] = {SLOT_MEAN, SLOT_RSTD, SLOT_RUNNING_MEAN, SLOT_RUNNING_VAR};
    gen g = p->g;
    size_t i;
    for (i = 0; i < COUNT_OF(optional) && p->options & OPT_PARTIAL; ++i)
        if (gen_one_in(&g, 2)) p->given &= ~GIVEN(optional[i]);
}

/* In place: y over x, and sum over residual. What infer or RMS has no use for must stay. */
static setup forward_setup(const problem *p, nrm_isa isa, nrm_layout layout)
{
    setup s = case_setup(p, isa, layout);
    s.idle = 1;
    if (p->options & OPT_IN_PLACE) {
        s.y_is = SLOT_X;
        if (p->given & GIVEN(SLOT_ADD) && p->seed & 2) s.y_is = SLOT_ADD;
        if (p->given & GIVEN(SLOT_GATE) && p->seed & 4) s.y_is = SLOT_GATE;
        if (p->given & GIVEN(SLOT_SUM) && p->given & GIVEN(SLOT_RESIDUAL)) s.sum_is = SLOT_RESIDUAL;
    }
    return s;
}

static void run_isas(problem *p, const ref *r, const nrm_args *a, nrm_layout layout, int running)
{
    outcome *o[COUNT_OF(isas)];
    size_t i;
    leave_out(p);
    for (i = 0; i < COUNT_OF(isas); ++i) {
        setup s = forward_setup(p, isas[i], layout);
        o[i] = run(p, running ? VERB_INFER : VERB_FORWARD, &s);
        if (!judged_with(i ? o[0] : NULL, p, o[i], &s)) judge_forward(p, r, a, o[i], &s, running);
    }
    for (i = 0; i < COUNT_OF(isas); ++i) outcome_free(o[i]);
}

static void run_forward(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                        gen_dist dist, uint64_t seed)
{
    problem *p = problem_case(sh, kind, options, dist, GEN_ZERO, seed);
    nrm_desc d;
    nrm_args a;
    ref r = oracle_of(p, &d, &a);
    run_isas(p, &r, &a, layout, 0);
    ref_free(&r);
    problem_free(p);
}

/* Running statistics for inference: the data's own, unrelated ones, or some of any magnitude. */
static void choose_running(problem *p, const ref *r)
{
    float *mean = (float *)p->value[SLOT_RUNNING_MEAN], *var = (float *)p->value[SLOT_RUNNING_VAR];
    size_t j;
    for (j = 0; j < p->d.c; ++j) {
        size_t choice = gen_below(&p->g, 8);
        if (choice < 4) {
            mean[j] = (float)r->mean[j];
            var[j] = r->var[j] < 3e38L ? (float)r->var[j] : 3e38f;
        } else if (choice == 7) {
            mean[j] = gen_value(&p->g, GEN_MIXED);
            var[j] = fabsf(gen_value(&p->g, gen_one_in(&p->g, 2) ? GEN_MIXED : GEN_ANY_FINITE));
        }
    }
}

static void run_infer(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                      gen_dist dist, uint64_t seed)
{
    problem *p = problem_case(sh, kind, options, dist, GEN_ZERO, seed);
    nrm_desc d;
    nrm_args a;
    ref r = oracle_of(p, &d, &a);
    choose_running(p, &r);
    ref_use_running(&r, p->value[SLOT_RUNNING_MEAN], p->value[SLOT_RUNNING_VAR]);
    p->running_rate = 77; /* not read: nothing is moved */
    run_isas(p, &r, &a, layout, 1);
    ref_free(&r);
    problem_free(p);
}

/* ---- Sets of cases -------------------------------------------------------------------------- */

typedef void run_case(const shape *, nrm_kind, nrm_layout, unsigned, gen_dist, uint64_t);

static uint64_t next_seed = 1; /* or what the command line says, to search further */

/* Distributions that most cases take turns with. */
static const gen_dist ordinary[] = {GEN_NORMAL,      GEN_OFFSET_1E2, GEN_OFFSET_1E4,
                                    GEN_OFFSET_1E6,  GEN_UNIFORM,    GEN_OUTLIER_FIRST,
                                    GEN_SPARSE,      GEN_NARROW,     GEN_BORDER};

static void both_layouts(run_case *run, const shape *sh, nrm_kind kind, unsigned options,
                         gen_dist dist)
{
    run(sh, kind, NRM_NCHW, options, dist, next_seed++);
    run(sh, kind, NRM_NHWC, options, dist, next_seed++);
}

static void test_plain(run_case *run, nrm_kind kind, const char *what)
{
    size_t i, j;
    group("%s %s: small shapes", kind_name[kind], what);
    for (i = 0; i < COUNT_OF(small_shapes); ++i)
        for (j = 0; j < COUNT_OF(ordinary); ++j)
            both_layouts(run, &small_shapes[i], kind, 0, ordinary[j]);
    group_end();
}

static void test_options(run_case *run, nrm_kind kind, const char *what)
{
    size_t i, bit;
    group("%s %s: each option alone", kind_name[kind], what);
    for (bit = 0; 1u << bit < OPT_DSUM; ++bit)
        for (i = 0; i < COUNT_OF(small_shapes); ++i)
            both_layouts(run, &small_shapes[i], kind,
                         1u << bit | (1u << bit == OPT_POPULATION ? OPT_RUNNING : 0u),
                         ordinary[(i + bit) % COUNT_OF(ordinary)]);
    group_end();
}

static void test_distributions(run_case *run, nrm_kind kind, const char *what)
{
    static const shape shapes[] = {{"", 1, 4, 64, 4},   {"", 3, 40, 5, 4},   {"", 2, 6, 300, 2},
                                   {"", 37, 12, 7, 3},  {"", 1, 2, 2500, 1}, {"", 3, 1030, 2, 2}};
    size_t i;
    int dist;
    group("%s %s: each distribution", kind_name[kind], what);
    for (dist = 0; dist < GEN_DISTS; ++dist)
        for (i = 0; i < COUNT_OF(shapes); ++i) {
            both_layouts(run, &shapes[i], kind, 0, (gen_dist)dist);
            both_layouts(run, &shapes[i], kind, OPT_WILD, (gen_dist)dist);
        }
    group_end();
}

static void test_random(run_case *run, nrm_kind kind, const char *what, unsigned rounds)
{
    gen g = gen_seed(next_seed + 1000 + (uint64_t)kind);
    unsigned i;
    group("%s %s: random options, distributions, small and medium shapes", kind_name[kind],
          what);
    for (i = 0; i < rounds; ++i) {
        size_t which = gen_below(&g, COUNT_OF(small_shapes) + COUNT_OF(medium_shapes) / 4);
        const shape *sh = which < COUNT_OF(small_shapes)
                              ? &small_shapes[which]
                              : &medium_shapes[gen_below(&g, COUNT_OF(medium_shapes))];
        unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
        gen_dist dist = (gen_dist)gen_below(&g, GEN_DISTS);
        if (gen_one_in(&g, 5)) options |= OPT_WILD;
        both_layouts(run, sh, kind, options, dist);
    }
    group_end();
}

static void test_large(run_case *run, nrm_kind kind, const char *what)
{
    size_t i;
    gen g = gen_seed(next_seed + 2000 + (uint64_t)kind);
    group("%s %s: model layers and medium shapes", kind_name[kind], what);
    for (i = 0; i < COUNT_OF(model_shapes); ++i)
        run(&model_shapes[i], kind, gen_one_in(&g, 2) ? NRM_NCHW : NRM_NHWC,
            gen_one_in(&g, 3) ? OPT_RELU | OPT_RESIDUAL : 0u, GEN_NORMAL, next_seed++);
    for (i = 0; i < COUNT_OF(medium_shapes); ++i)
        both_layouts(run, &medium_shapes[i], kind, i % 2 ? OPT_PITCH : 0u,
                     ordinary[gen_below(&g, COUNT_OF(ordinary))]);
    group_end();
}

/* Activations, add and gate, each alone and all together with random options. In place y may also
   lie over add or gate. */
static void test_around(run_case *run, nrm_kind kind, const char *what, unsigned rounds)
{
    static const unsigned alone[] = {OPT_ACT, OPT_ACT, OPT_ACT, OPT_ADD, OPT_GATE};
    gen g = gen_seed(next_seed + 3000 + (uint64_t)kind);
    unsigned i;
    group("%s %s: what stands around a norm", kind_name[kind], what);
    for (i = 0; i < rounds; ++i) {
        const shape *sh = i % 8 ? &small_shapes[gen_below(&g, COUNT_OF(small_shapes))]
                                : &medium_shapes[gen_below(&g, COUNT_OF(medium_shapes))];
        unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
        gen_dist dist = ordinary[gen_below(&g, COUNT_OF(ordinary))];
        options |= i % 2 ? alone[i / 2 % COUNT_OF(alone)] : (unsigned)gen_u64(&g) & OPT_AROUND;
        if (i % 4 == 1) dist = (gen_dist)gen_below(&g, GEN_DISTS);
        if (gen_one_in(&g, 8)) options |= OPT_WILD;
        both_layouts(run, sh, kind, options, dist);
    }
    group_end();
}

/* Rates 0 and 1 are exact: keep the old value, take the new one. 1/k averages k batches. */
static void test_rates(nrm_kind kind)
{
    static const double rates[] = {0, 1, 0.1, 0.5, 1.0 / 3};
    shape sh = {"", 3, 5, 19, 1};
    size_t i, j;
    group("%s running statistics: rates, unbiased and population", kind_name[kind]);
    for (i = 0; i < COUNT_OF(rates) * 4; ++i) {
        problem *p = problem_case(&sh, kind, OPT_RUNNING | (i & 1 ? OPT_POPULATION : 0u),
                                  GEN_NORMAL, GEN_ZERO, next_seed++);
        const float *old_mean = (float *)p->value[SLOT_RUNNING_MEAN];
        const float *old_var = (float *)p->value[SLOT_RUNNING_VAR], *mean, *var;
        setup s = case_setup(p, NRM_AUTO, i & 2 ? NRM_NHWC : NRM_NCHW);
        nrm_desc d;
        nrm_args a;
        ref r;
        outcome *o;
        p->running_rate = rates[i / 4];
        r = oracle_of(p, &d, &a);
        o = run(p, VERB_FORWARD, &s);
        judge_running(p, &r, &a, o, &s);
        mean = (float *)o->value[SLOT_RUNNING_MEAN], var = (float *)o->value[SLOT_RUNNING_VAR];
        check(mean && var && o->value[SLOT_MEAN], "statistics (%s)", problem_text(p));
        for (j = 0; j < sh.c && mean && var && p->running_rate == 0; ++j)
            check(same_f32(mean[j], old_mean[j]) && same_f32(var[j], old_var[j]),
                  "rate 0 must keep channel %zu (%s)", j, problem_text(p));
        for (j = 0; j < sh.c && mean && p->running_rate == 1 && kind == NRM_BATCH; ++j)
            check(o->value[SLOT_MEAN] &&
                      same_f32(mean[j], (float)((double *)o->value[SLOT_MEAN])[j]),
                  "rate 1 must take the mean of channel %zu (%s)", j, problem_text(p));
        outcome_free(o);
        ref_free(&r);
        problem_free(p);
    }
    group_end();
}

int main(int argc, char **argv)
{
    int kind;
    if (argc > 1) next_seed = strtoull(argv[1], NULL, 10);
    for (kind = NRM_BATCH; kind < KINDS; ++kind) {
        test_plain(run_forward, (nrm_kind)kind, "forward");
        test_options(run_forward, (nrm_kind)kind, "forward");
        test_distributions(run_forward, (nrm_kind)kind, "forward");
        test_random(run_forward, (nrm_kind)kind, "forward", 500);
        test_around(run_forward, (nrm_kind)kind, "forward", 70);
        test_large(run_forward, (nrm_kind)kind, "forward");
        if (kind != NRM_BATCH && kind != NRM_INSTANCE) continue;
        test_rates((nrm_kind)kind);
        test_plain(run_infer, (nrm_kind)kind, "infer");
        test_options(run_infer, (nrm_kind)kind, "infer");
        test_distributions(run_infer, (nrm_kind)kind, "infer");
        test_random(run_infer, (nrm_kind)kind, "infer", 400);
        test_around(run_infer, (nrm_kind)kind, "infer", 50);
        test_large(run_infer, (nrm_kind)kind, "infer");
    }
    ref_print_table();
    return done_testing();
}
