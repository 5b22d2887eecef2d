/* nrm_forward and nrm_infer against the oracle of ref.h: every kind, layout, option, shape and
 * distribution, on the best instruction set and on the scalar one. Results must lie within the
 * published bound; the worst error met is printed at the end.
 */
#include "../normalize.h"

#include "support/shapes.h"
#include "support/test.h"

static const nrm_isa isas[] = {NRM_AUTO, NRM_SCALAR};

/* ---- One case ------------------------------------------------------------------------------- */

/* The pointers of a forward call. In place: y over x, and sum over residual. */
static nrm_args forward_args(tcase *t)
{
    nrm_args a = t->a;
    gen g = t->g;
    case_reset(t);
    a.y = t->y;
    a.sum = t->options & OPT_SUM ? t->sum : NULL;
    a.mean = t->mean;
    a.rstd = t->rstd;
    if (t->options & OPT_RUNNING) {
        a.running_mean = t->running_mean;
        a.running_var = t->running_var;
    }
    if (t->options & OPT_PARTIAL) {
        if (gen_one_in(&g, 2)) a.mean = NULL;
        if (gen_one_in(&g, 2)) a.rstd = NULL;
        if (gen_one_in(&g, 2)) a.running_mean = NULL;
        if (gen_one_in(&g, 2)) a.running_var = NULL;
    }
    if (t->options & OPT_IN_PLACE) {
        memcpy(t->y, t->x, t->x_len * sizeof(float));
        a.x = t->y;
        if (a.residual && a.sum) {
            memcpy(t->sum, t->residual, t->x_len * sizeof(float));
            a.residual = t->sum;
        }
    }
    return a;
}

/* Running statistics after the call; they must not have moved when one of them is not finite. */
static void check_running(const tcase *t, const ref *r, const nrm_args *a, const char *isa,
                          nrm_status status)
{
    size_t j;
    int finite = 1;
    ref_worst w = REF_WORST_NONE;
    const float *mean = t->running_mean, *var = t->running_var;
    for (j = 0; j < t->d.c && (a->running_mean || a->running_var); ++j) {
        ref_running e = ref_new_running(r, a, j, t->old_mean[j], t->old_var[j]);
        if (a->running_mean && !(fabsl(e.mean) < REF_OVERFLOW)) finite = 0;
        if (a->running_var && !(fabsl(e.var) < REF_OVERFLOW)) finite = 0;
        if (a->running_mean)
            ref_note(&w, j, mean[j], e.mean, e.mean_bound,
                     ref_ratio(mean[j], e.mean, e.mean_bound));
        if (a->running_var)
            ref_note(&w, j, var[j], e.var, e.var_bound, ref_ratio(var[j], e.var, e.var_bound));
    }
    check(status == (finite ? NRM_OK : NRM_ERR_NONFINITE), "%s (%s: %s)",
          nrm_status_string(status), isa, t->label);
    if (finite && w.ratio >= 0)
        check_worst(t, "running", isa, ref_record(t->d.kind, 0, REF_RUNNING, w));
    if (!finite || !a->running_mean)
        check(same_bits_f32(mean, t->old_mean, t->d.c), "running_mean moved (%s: %s)", isa,
              t->label);
    if (!finite || !a->running_var)
        check(same_bits_f32(var, t->old_var, t->d.c), "running_var moved (%s: %s)", isa, t->label);
}

static void check_statistics(const tcase *t, const ref *r, const nrm_args *a, const char *isa)
{
    size_t bytes = r->stats * sizeof(double);
    if (a->mean && t->d.kind != NRM_RMS)
        check_worst(t, "mean", isa,
                    ref_record(t->d.kind, 0, REF_MEAN, ref_compare_mean(r, t->mean)));
    else
        check(gen_intact(t->mean, bytes), "mean was written (%s: %s)", isa, t->label);
    if (a->rstd)
        check_worst(t, "rstd", isa,
                    ref_record(t->d.kind, 0, REF_RSTD, ref_compare_rstd(r, t->rstd)));
    else
        check(gen_intact(t->rstd, bytes), "rstd was written (%s: %s)", isa, t->label);
}

static void check_tensors(const tcase *t, const ref *r, const nrm_args *a, const char *isa,
                          int running)
{
    check_worst(t, "y", isa, ref_record(t->d.kind, running, REF_Y, ref_compare_y(r, t->y)));
    check(gaps_intact(&t->d, t->d.y_pitch, t->y), "wrote between lines of y (%s: %s)", isa,
          t->label);
    if (!a->sum) return;
    check(ref_diff_sum(r, t->sum) == r->count, "sum[%zu] is not x + residual (%s: %s)",
          ref_diff_sum(r, t->sum), isa, t->label);
    check(gaps_intact(&t->d, t->d.x_pitch, t->sum), "wrote between lines of sum (%s: %s)", isa,
          t->label);
}

static void run_forward(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                        gen_dist dist, uint64_t seed)
{
    tcase t = case_new(sh, kind, layout, options, dist, GEN_ZERO, seed);
    ref r = ref_new(&t.d, &t.a);
    size_t i;
    for (i = 0; i < COUNT_OF(isas); ++i) {
        nrm_args a = forward_args(&t);
        const char *isa = nrm_isa_name(isas[i]);
        nrm_status status;
        a.isa = isas[i];
        status = nrm_forward(&t.d, &a);
        check_running(&t, &r, &a, isa, status);
        if (status != NRM_OK && status != NRM_ERR_NONFINITE) continue;
        check_tensors(&t, &r, &a, isa, 0);
        check_statistics(&t, &r, &a, isa);
    }
    ref_free(&r);
    case_free(&t);
}

/* Running statistics for inference: the data's own, unrelated ones, or some of any magnitude. */
static void choose_running(tcase *t, const ref *r)
{
    size_t j;
    for (j = 0; j < t->d.c; ++j) {
        size_t choice = gen_below(&t->g, 8);
        if (choice < 4) {
            t->old_mean[j] = (float)r->mean[j];
            t->old_var[j] = r->var[j] < 3e38L ? (float)r->var[j] : 3e38f;
        } else if (choice == 7) {
            t->old_mean[j] = gen_value(&t->g, GEN_MIXED);
            t->old_var[j] = fabsf(gen_value(&t->g, gen_one_in(&t->g, 2) ? GEN_MIXED
                                                                        : GEN_ANY_FINITE));
        }
    }
}

static void run_infer(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                      gen_dist dist, uint64_t seed)
{
    tcase t = case_new(sh, kind, layout, options & ~(unsigned)OPT_RUNNING, dist, GEN_ZERO, seed);
    ref r = ref_new(&t.d, &t.a);
    size_t i;
    choose_running(&t, &r);
    ref_use_running(&r, t.old_mean, t.old_var);
    for (i = 0; i < COUNT_OF(isas); ++i) {
        nrm_args a = forward_args(&t);
        const char *isa = nrm_isa_name(isas[i]);
        a.isa = isas[i];
        a.running_mean = t.running_mean;
        a.running_var = t.running_var;
        a.running_rate = 77; /* not read: nothing is moved */
        check(nrm_infer(&t.d, &a) == NRM_OK, "status (%s: %s)", isa, t.label);
        check_tensors(&t, &r, &a, isa, 1);
        check(same_bits_f32(t.running_mean, t.old_mean, t.d.c) &&
                  same_bits_f32(t.running_var, t.old_var, t.d.c),
              "running statistics moved (%s: %s)", isa, t.label);
        check(gen_intact(t.mean, r.stats * sizeof(double)) &&
                  gen_intact(t.rstd, r.stats * sizeof(double)),
              "mean or rstd written (%s: %s)", isa, t.label);
    }
    ref_free(&r);
    case_free(&t);
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

/* Rates 0 and 1 are exact: keep the old value, take the new one. 1/k averages k batches. */
static void test_rates(nrm_kind kind)
{
    static const double rates[] = {0, 1, 0.1, 0.5, 1.0 / 3};
    shape sh = {"", 3, 5, 19, 1};
    size_t i, j;
    group("%s running statistics: rates, unbiased and population", kind_name[kind]);
    for (i = 0; i < COUNT_OF(rates) * 4; ++i) {
        unsigned options = OPT_RUNNING | (i & 1 ? OPT_POPULATION : 0u);
        tcase t = case_new(&sh, kind, i & 2 ? NRM_NHWC : NRM_NCHW, options, GEN_NORMAL, GEN_ZERO,
                           next_seed++);
        ref r = ref_new(&t.d, &t.a);
        nrm_args a = forward_args(&t);
        nrm_status status;
        a.running_rate = rates[i / 4];
        status = nrm_forward(&t.d, &a);
        check_running(&t, &r, &a, "AUTO", status);
        for (j = 0; j < sh.c && a.running_rate == 0; ++j)
            check(same_f32(t.running_mean[j], t.old_mean[j]) &&
                      same_f32(t.running_var[j], t.old_var[j]),
                  "rate 0 must keep channel %zu (%s)", j, t.label);
        for (j = 0; j < sh.c && a.running_rate == 1 && kind == NRM_BATCH; ++j)
            check(same_f32(t.running_mean[j], (float)t.mean[j]),
                  "rate 1 must take the mean of channel %zu (%s)", j, t.label);
        ref_free(&r);
        case_free(&t);
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
        test_large(run_forward, (nrm_kind)kind, "forward");
        if (kind != NRM_BATCH && kind != NRM_INSTANCE) continue;
        test_rates((nrm_kind)kind);
        test_plain(run_infer, (nrm_kind)kind, "infer");
        test_options(run_infer, (nrm_kind)kind, "infer");
        test_distributions(run_infer, (nrm_kind)kind, "infer");
        test_random(run_infer, (nrm_kind)kind, "infer", 400);
        test_large(run_infer, (nrm_kind)kind, "infer");
    }
    ref_print_table();
    return done_testing();
}
