/* nrm_backward and nrm_infer_backward against the gradients of the oracle (ref.h), which in turn
 * are held against central differences of the oracle's forward. The statistics handed to backward
 * are those that the library's forward wrote; the oracle uses exact ones, so their error counts.
 */
#include "../normalize.h"

#include <float.h>

#include "support/shapes.h"
#include "support/test.h"

static const nrm_isa isas[] = {NRM_AUTO, NRM_SCALAR};

/* ---- One case ------------------------------------------------------------------------------- */

/* Runs forward or infer, which leaves y, sum, mean and rstd in the case. */
static int forward_first(tcase *t, int running)
{
    nrm_args a = t->a;
    nrm_status status;
    case_reset(t);
    a.y = t->y;
    a.sum = t->sum;
    if (running) {
        a.running_mean = t->running_mean;
        a.running_var = t->running_var;
        status = nrm_infer(&t->d, &a);
    } else {
        a.mean = t->mean;
        a.rstd = t->rstd;
        status = nrm_forward(&t->d, &a);
    }
    return check(status == NRM_OK, "forward: %s (%s)", nrm_status_string(status), t->label);
}

/* The pointers of a backward call. x is sum, or both originals come back; in place dx lies over dy,
   x or dsum. All of it is decided by the seed, so that every instruction set does the same. */
static nrm_args backward_args(tcase *t, int running)
{
    nrm_args a = t->a;
    gen g = t->g;
    size_t bytes = t->x_len * sizeof(float), over = gen_below(&g, 3);
    gen_canary(t->dx, bytes);
    memcpy(t->dgamma, t->old_dgamma, ref_affines(&t->d) * sizeof(float));
    memcpy(t->dbeta, t->old_dbeta, ref_affines(&t->d) * sizeof(float));
    if (gen_one_in(&g, 2)) {
        a.x = t->sum;
        a.residual = NULL;
    }
    a.dy = t->dy;
    a.dx = t->dx;
    a.dgamma = t->dgamma;
    a.dbeta = t->dbeta;
    a.dsum = t->options & OPT_DSUM ? t->dsum : NULL;
    if (running) {
        a.running_mean = t->running_mean;
        a.running_var = t->running_var;
    } else {
        a.mean = t->d.kind == NRM_RMS ? NULL : t->mean;
        a.rstd = t->rstd;
    }
    if (t->options & OPT_PARTIAL) {
        if (gen_one_in(&g, 2)) a.dgamma = NULL;
        if (gen_one_in(&g, 2)) a.dbeta = NULL;
        if ((a.dgamma || a.dbeta) && gen_one_in(&g, 2)) a.dx = NULL;
    }
    if (t->options & OPT_IN_PLACE && a.dx) {
        const void **under = over == 0 ? &a.dy : over == 1 || !a.dsum ? &a.x : &a.dsum;
        memcpy(t->dx, *under, bytes);
        *under = t->dx;
    }
    return a;
}

/* Away from zero the sign of y before NRM_RELU is not the library's to choose. */
static void check_mask(const tcase *t, const ref *r)
{
    size_t i, j, k, wrong = 0;
    REF_EACH(&t->d, i, j, k) {
        long double exact = ref_linear(r, i, j, k);
        float y = t->y[ref_at(&t->d, t->d.y_pitch, i, j, k)];
        wrong += fabsl(exact) > ref_y_bound(r, i, j, k) && (y > 0) != (exact > 0);
    }
    check(wrong == 0, "relu lets %zu wrong values pass (%s)", wrong, t->label);
}

static void check_gradients(const tcase *t, const ref *r, const nrm_args *a, const char *isa,
                            int running)
{
    nrm_kind kind = t->d.kind;
    size_t bytes = r->affines * sizeof(float);
    if (a->dx) {
        ref_worst w = ref_compare_dx(r, t->dx);
        /* Where dsum is all there is, its rounding alone is half the bound: not for the table. */
        check_worst(t, "dx", isa, a->dsum ? w : ref_record(kind, running, REF_DX, w));
        check(gaps_intact(&t->d, t->d.x_pitch, t->dx), "wrote between lines of dx (%s: %s)", isa,
              t->label);
    }
    if (a->dgamma)
        check_worst(t, "dgamma", isa,
                    ref_record(kind, running, REF_DGAMMA,
                               ref_compare(t->dgamma, r->dgamma, r->dgamma_bound, r->affines)));
    else
        check(!memcmp(t->dgamma, t->old_dgamma, bytes), "wrote dgamma (%s: %s)", isa, t->label);
    if (a->dbeta)
        check_worst(t, "dbeta", isa,
                    ref_record(kind, running, REF_DBETA,
                               ref_compare(t->dbeta, r->dbeta, r->dbeta_bound, r->affines)));
    else
        check(!memcmp(t->dbeta, t->old_dbeta, bytes), "wrote dbeta (%s: %s)", isa, t->label);
}

/* Running statistics: the data's own (of the first sample), or unrelated ones. */
static void choose_running(tcase *t, const ref *r)
{
    size_t j;
    for (j = 0; j < t->d.c; ++j) {
        if (gen_one_in(&t->g, 4)) continue;
        t->old_mean[j] = (float)r->mean[j];
        t->old_var[j] = r->var[j] < 3e38L ? (float)r->var[j] : 3e38f;
    }
}

/* The oracle of a case after the library's forward has left its y there. */
static ref gradient_oracle(tcase *t, int running)
{
    ref r = ref_new(&t->d, &t->a);
    nrm_args a = t->a;
    if (running) {
        choose_running(t, &r);
        ref_use_running(&r, t->old_mean, t->old_var);
    }
    if (!forward_first(t, running)) return r;
    a.dy = t->dy;
    a.dsum = t->options & OPT_DSUM ? t->dsum : NULL;
    a.dgamma = t->dgamma;
    a.dbeta = t->dbeta;
    ref_backward(&r, &a, t->y, running);
    return r;
}

static void run_gradient(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                         gen_dist dist, gen_dist dy, uint64_t seed, int running)
{
    tcase t = case_new(sh, kind, layout, options & ~(unsigned)OPT_RUNNING, dist, dy, seed);
    ref r = gradient_oracle(&t, running);
    size_t i;
    if (r.dx && t.d.act == NRM_RELU) check_mask(&t, &r);
    for (i = 0; r.dx && i < COUNT_OF(isas); ++i) {
        nrm_args a = backward_args(&t, running);
        nrm_status status;
        a.isa = isas[i];
        status = running ? nrm_infer_backward(&t.d, &a) : nrm_backward(&t.d, &a);
        if (check(status == NRM_OK, "%s (%s: %s)", nrm_status_string(status),
                  nrm_isa_name(isas[i]), t.label))
            check_gradients(&t, &r, &a, nrm_isa_name(isas[i]), running);
    }
    ref_free(&r);
    case_free(&t);
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
static void add_loss(const tcase *t, const ref *r, long double sign, long double *terms)
{
    size_t i, j, k;
    REF_EACH(&t->d, i, j, k) {
        size_t e = ref_own(&t->d, i, j, k);
        terms[e] += sign * r->dy[e] * ref_linear(r, i, j, k);
        if (t->options & OPT_DSUM)
            terms[r->count + e] += sign * t->dsum[ref_at(&t->d, t->d.x_pitch, i, j, k)] * r->z[e];
    }
}

/* The slope of the loss in *value, a number that the oracle `r` reads. */
static long double slope(const tcase *t, ref *r, long double *value, long double step, int running)
{
    long double old = *value, sum = 0, width, *terms = ref_array(2 * r->count);
    size_t i;
    *value = old + step;
    width = *value;
    if (!running) ref_statistics(r);
    add_loss(t, r, 1, terms);
    *value = old - step;
    width -= *value;
    if (!running) ref_statistics(r);
    add_loss(t, r, -1, terms);
    *value = old;
    if (!running) ref_statistics(r);
    for (i = 0; i < 2 * r->count; ++i) sum += terms[i];
    free(terms);
    return sum / width;
}

static void compare_slope(const tcase *t, const char *what, size_t at, long double slope_of,
                          long double exact, float got, long double bound)
{
    long double slack = bound / REF_ULPS * SLACK;
    check(fabsl(slope_of - exact) <= slack, "%s[%zu]: oracle %.9Lg, slope %.9Lg (%s)", what, at,
          exact, slope_of, t->label);
    check(fabsl(slope_of - (long double)got) <= slack + bound,
          "%s[%zu] is %.9g, the slope is %.9Lg (%s)", what, at, (double)got, slope_of, t->label);
}

static void run_slopes(const shape *sh, nrm_kind kind, nrm_layout layout, unsigned options,
                       gen_dist dist, uint64_t seed, int running)
{
    tcase t = case_new(sh, kind, layout, options & ~(unsigned)(OPT_RUNNING | OPT_PARTIAL), dist,
                       GEN_NORMAL, seed);
    ref r;
    nrm_args a;
    size_t i, j, k, p;
    if (t.d.eps < 1e-5) case_eps(&t, 1e-5); /* a single value's rstd must leave room for a step */
    r = gradient_oracle(&t, running);
    a = backward_args(&t, running);
    if (!r.dx) return;
    check((running ? nrm_infer_backward(&t.d, &a) : nrm_backward(&t.d, &a)) == NRM_OK, "status");
    REF_EACH(&t.d, i, j, k) {
        size_t e = ref_own(&t.d, i, j, k), q = ref_stat(&t.d, i, j, k);
        long double step = (running ? 1 : STEP) / r.rstd[q]; /* frozen statistics: linear */
        /* No slope where the variance is 0, none to be seen where the step is lost in z. */
        if (r.rstd[q] == 0 || step < 0x1p-40L * fabsl(r.z[e])) continue;
        compare_slope(&t, "dx", e, slope(&t, &r, &r.z[e], step, running), r.dx[e],
                      t.dx[ref_at(&t.d, t.d.x_pitch, i, j, k)], r.dx_bound[e]);
    }
    for (p = 0; p < r.affines; ++p) {
        long double old_g = a.accumulate ? t.old_dgamma[p] : 0;
        long double old_b = a.accumulate ? t.old_dbeta[p] : 0;
        compare_slope(&t, "dgamma", p, old_g + slope(&t, &r, &r.g[p], 1, running), r.dgamma[p],
                      t.dgamma[p], r.dgamma_bound[p]);
        compare_slope(&t, "dbeta", p, old_b + slope(&t, &r, &r.b[p], 1, running), r.dbeta[p],
                      t.dbeta[p], r.dbeta_bound[p]);
    }
    ref_free(&r);
    case_free(&t);
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
            test_plain((nrm_kind)kind, running, what);
            test_options((nrm_kind)kind, running, what);
            test_distributions((nrm_kind)kind, running, what);
            test_random((nrm_kind)kind, running, what, running ? 200 : 400);
            test_large((nrm_kind)kind, running, what);
        }
    ref_print_table();
    return done_testing();
}
