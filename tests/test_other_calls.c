/* test_other_calls.c - what there is beside the main calls: batch norm in parts, the short forms,
 * folding into a convolution, and the conversions of half floats.
 */
#include "../normalize.h"

#include "support/shapes.h"
#include "support/test.h"

static uint64_t next_seed = 1;

/* ---- One share: the bits of nrm_forward and nrm_backward ------------------------------------ */

/* Everything that forward and backward write, for comparing two ways to it. */
typedef struct results {
    float *y, *sum, *dx, *dgamma, *dbeta, *running_mean, *running_var;
    double *mean, *rstd;
} results;

static results results_new(const tcase *t)
{
    size_t affines = ref_affines(&t->d);
    results o;
    o.y = canary_floats(t->y_len);
    o.sum = canary_floats(t->x_len);
    o.dx = canary_floats(t->x_len);
    o.dgamma = canary_floats(affines);
    o.dbeta = canary_floats(affines);
    o.running_mean = canary_floats(t->d.c);
    o.running_var = canary_floats(t->d.c);
    o.mean = (double *)test_alloc(t->d.c, sizeof(double));
    o.rstd = (double *)test_alloc(t->d.c, sizeof(double));
    memcpy(o.dgamma, t->old_dgamma, affines * sizeof(float));
    memcpy(o.dbeta, t->old_dbeta, affines * sizeof(float));
    memcpy(o.running_mean, t->old_mean, t->d.c * sizeof(float));
    memcpy(o.running_var, t->old_var, t->d.c * sizeof(float));
    return o;
}

static void results_free(results *o)
{
    void *all[] = {o->y, o->sum, o->dx, o->dgamma, o->dbeta, o->running_mean, o->running_var,
                   o->mean, o->rstd};
    size_t i;
    for (i = 0; i < COUNT_OF(all); ++i) free(all[i]);
}

static nrm_args results_args(const tcase *t, results *o)
{
    nrm_args a = t->a;
    a.y = o->y;
    a.sum = t->options & OPT_SUM ? o->sum : NULL;
    a.mean = o->mean;
    a.rstd = o->rstd;
    a.running_mean = t->options & OPT_RUNNING ? o->running_mean : NULL;
    a.running_var = t->options & OPT_RUNNING ? o->running_var : NULL;
    a.dy = t->dy;
    a.dx = o->dx;
    a.dsum = t->options & OPT_DSUM ? t->dsum : NULL;
    a.dgamma = o->dgamma;
    a.dbeta = o->dbeta;
    return a;
}

static void compare_results(const tcase *t, const results *whole, const results *parts)
{
    size_t c = t->d.c, affines = ref_affines(&t->d);
    const struct {
        const char *name;
        const float *a, *b;
        size_t count;
    } pair[] = {{"y", whole->y, parts->y, t->y_len},
                {"sum", whole->sum, parts->sum, t->x_len},
                {"dx", whole->dx, parts->dx, t->x_len},
                {"dgamma", whole->dgamma, parts->dgamma, affines},
                {"dbeta", whole->dbeta, parts->dbeta, affines},
                {"running_mean", whole->running_mean, parts->running_mean, c},
                {"running_var", whole->running_var, parts->running_var, c}};
    size_t i;
    for (i = 0; i < COUNT_OF(pair); ++i) {
        size_t at = diff_f32(pair[i].a, pair[i].b, pair[i].count);
        check(at == pair[i].count, "%s[%zu] differs (%s)", pair[i].name, at, t->label);
    }
    check(same_bits_f64(whole->mean, parts->mean, c), "mean differs (%s)", t->label);
    check(same_bits_f64(whole->rstd, parts->rstd, c), "rstd differs (%s)", t->label);
}

static void run_one_share(const shape *sh, nrm_layout layout, unsigned options, gen_dist dist,
                          gen_dist dy)
{
    tcase t = case_new(sh, NRM_BATCH, layout, options, dist, dy, next_seed++);
    results whole = results_new(&t), parts = results_new(&t);
    nrm_args w = results_args(&t, &whole), p = results_args(&t, &parts);
    nrm_moments *moments = (nrm_moments *)test_alloc(sh->c, sizeof *moments);
    nrm_sums *sums = (nrm_sums *)test_alloc(sh->c, sizeof *sums);
    nrm_status forward = nrm_forward(&t.d, &w);
    check(nrm_reduce(&t.d, &p, moments) == NRM_OK, "reduce (%s)", t.label);
    check(nrm_apply(&t.d, &p, moments) == forward, "apply (%s)", t.label);
    check(nrm_backward(&t.d, &w) == NRM_OK, "backward (%s)", t.label);
    check(nrm_backward_reduce(&t.d, &p, sums) == NRM_OK, "backward_reduce (%s)", t.label);
    check(nrm_backward_apply(&t.d, &p, sums) == NRM_OK, "backward_apply (%s)", t.label);
    check(moments[0].count == (double)(sh->n * sh->s) && sums[0].count == moments[0].count,
          "counts (%s)", t.label);
    compare_results(&t, &whole, &parts);
    results_free(&whole);
    results_free(&parts);
    free(moments);
    free(sums);
    case_free(&t);
}

static void test_one_share(void)
{
    static const gen_dist dists[] = {GEN_NORMAL, GEN_OFFSET_1E6, GEN_OUTLIER_PILOT, GEN_CONSTANT,
                                     GEN_HUGE,   GEN_DENORMAL,   GEN_BORDER};
    static const gen_dist dys[] = {GEN_NORMAL, GEN_NORMAL, GEN_SPARSE, GEN_SIGN_3E38};
    gen g = gen_seed(77);
    size_t i, round;
    group("one share: the bits of nrm_forward and nrm_backward");
    for (round = 0; round < 8; ++round)
        for (i = 0; i < COUNT_OF(small_shapes) + COUNT_OF(medium_shapes); ++i) {
            const shape *sh = i < COUNT_OF(small_shapes)
                                  ? &small_shapes[i]
                                  : &medium_shapes[i - COUNT_OF(small_shapes)];
            unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
            run_one_share(sh, round % 2 ? NRM_NHWC : NRM_NCHW,
                          round < 2 ? 0 : options & ~(unsigned)(OPT_IN_PLACE | OPT_PARTIAL),
                          dists[gen_below(&g, COUNT_OF(dists))],
                          dys[gen_below(&g, COUNT_OF(dys))]);
        }
    group_end();
}

/* ---- Many shares, uneven and empty, merged in any grouping ---------------------------------- */

#define MOST_SHARES 7

/* A batch cut into consecutive runs of samples. */
typedef struct shares {
    size_t count, first[MOST_SHARES + 1];
} shares;

static shares cut_batch(gen *g, size_t n)
{
    shares cut;
    size_t i, j;
    cut.count = 1 + gen_below(g, MOST_SHARES);
    cut.first[0] = 0;
    cut.first[cut.count] = n;
    for (i = 1; i < cut.count; ++i) {
        size_t at = gen_below(g, n + 1);
        for (j = i; j > 1 && cut.first[j - 1] > at; --j) cut.first[j] = cut.first[j - 1];
        cut.first[j] = at;
    }
    return cut;
}

static nrm_desc share_desc(const tcase *t, const shares *cut, size_t share)
{
    nrm_desc d = t->d;
    d.n = cut->first[share + 1] - cut->first[share];
    return d;
}

/* The pointers moved to the share's first sample. */
static nrm_args share_args(const tcase *t, const shares *cut, size_t share, nrm_args a)
{
    size_t first = cut->first[share];
    size_t x = ref_at(&t->d, t->d.x_pitch, first, 0, 0);
    size_t y = ref_at(&t->d, t->d.y_pitch, first, 0, 0);
    size_t p = t->d.affine_per_sample ? first * t->d.c : 0;
    a.x = (const float *)a.x + x;
    if (a.residual) a.residual = (const float *)a.residual + x;
    if (a.sum) a.sum = (float *)a.sum + x;
    if (a.dsum) a.dsum = (const float *)a.dsum + x;
    a.dx = (float *)a.dx + x;
    a.y = (float *)a.y + y;
    a.dy = (const float *)a.dy + y;
    if (a.gamma) a.gamma = (const float *)a.gamma + p;
    if (a.beta) a.beta = (const float *)a.beta + p;
    a.dgamma = (float *)a.dgamma + p;
    a.dbeta = (float *)a.dbeta + p;
    return a;
}

/* Merges in a random binary tree: a random neighbour pair at a time. */
static void merge_any(gen *g, size_t count, size_t c, nrm_moments **moments, nrm_sums **sums)
{
    while (count > 1) {
        size_t i, at = gen_below(g, count - 1);
        if (moments) nrm_merge(moments[at], moments[at + 1], c);
        if (sums) nrm_merge_sums(sums[at], sums[at + 1], c);
        for (i = at + 1; i + 1 < count; ++i) {
            if (moments) moments[i] = moments[i + 1];
            if (sums) sums[i] = sums[i + 1];
        }
        --count;
    }
}

/* Every share in turn, so that each call sees its part only; the running statistics move once. */
static void forward_in_shares(tcase *t, const shares *cut, results *o)
{
    nrm_moments *store = (nrm_moments *)test_alloc(cut->count * t->d.c, sizeof *store);
    nrm_moments *turn[MOST_SHARES];
    nrm_args a = results_args(t, o);
    size_t i, j;
    for (i = 0; i < cut->count; ++i) {
        nrm_desc d = share_desc(t, cut, i);
        nrm_args part = share_args(t, cut, i, a);
        turn[i] = store + i * t->d.c;
        gen_canary(turn[i], t->d.c * sizeof *store);
        check(nrm_reduce(&d, &part, turn[i]) == NRM_OK, "reduce (%s)", t->label);
        for (j = 0; j < t->d.c && d.n == 0; ++j)
            check(turn[i][j].count == 0 && turn[i][j].mean == 0 && turn[i][j].m2 == 0,
                  "an empty share has moments (%s)", t->label);
    }
    merge_any(&t->g, cut->count, t->d.c, turn, NULL);
    for (i = 0; i < cut->count; ++i) {
        nrm_desc d = share_desc(t, cut, i);
        nrm_args part = share_args(t, cut, i, a);
        nrm_status status;
        gen_canary(o->mean, t->d.c * sizeof(double));
        gen_canary(o->rstd, t->d.c * sizeof(double));
        memcpy(o->running_mean, t->old_mean, t->d.c * sizeof(float));
        memcpy(o->running_var, t->old_var, t->d.c * sizeof(float));
        status = nrm_apply(&d, &part, turn[0]);
        check(status == NRM_OK, "apply: %s (%s)", nrm_status_string(status), t->label);
        check(!is_nan_f64(o->mean[0]) && !is_nan_f64(o->rstd[t->d.c - 1]),
              "share %zu of %zu samples wrote no statistics (%s)", i, d.n, t->label);
    }
    free(store);
}

static void backward_in_shares(tcase *t, const shares *cut, results *o)
{
    nrm_sums *store = (nrm_sums *)test_alloc(cut->count * t->d.c, sizeof *store);
    nrm_sums *turn[MOST_SHARES];
    nrm_args a = results_args(t, o);
    size_t i, j;
    for (i = 0; i < cut->count; ++i) {
        nrm_desc d = share_desc(t, cut, i);
        nrm_args part = share_args(t, cut, i, a);
        /* The shares' dgamma add up, starting from nothing or from what was there. */
        part.accumulate = t->a.accumulate || (i > 0 && !t->d.affine_per_sample);
        turn[i] = store + i * t->d.c;
        gen_canary(turn[i], t->d.c * sizeof *store);
        check(nrm_backward_reduce(&d, &part, turn[i]) == NRM_OK, "backward_reduce (%s)", t->label);
        for (j = 0; j < t->d.c && d.n == 0; ++j)
            check(turn[i][j].count == 0 && turn[i][j].dy == 0 && turn[i][j].dy_xhat == 0,
                  "an empty share has sums (%s)", t->label);
    }
    merge_any(&t->g, cut->count, t->d.c, NULL, turn);
    for (i = 0; i < cut->count; ++i) {
        nrm_desc d = share_desc(t, cut, i);
        nrm_args part = share_args(t, cut, i, a);
        check(nrm_backward_apply(&d, &part, turn[0]) == NRM_OK, "backward_apply (%s)", t->label);
    }
    free(store);
}

/* Each share's dgamma and dbeta are rounded to float on their way: up to MOST_SHARES roundings of
   a partial sum, which its scale bounds. */
static void check_affine_sums(const tcase *t, const ref *r, const results *o)
{
    size_t p;
    for (p = 0; p < r->affines; ++p) {
        long double more = 1 + MOST_SHARES / 8.0L;
        check(ref_ratio(o->dgamma[p], r->dgamma[p], r->dgamma_bound[p] * more) <= 1,
              "dgamma[%zu] is %g, not %Lg (%s)", p, (double)o->dgamma[p], r->dgamma[p], t->label);
        check(ref_ratio(o->dbeta[p], r->dbeta[p], r->dbeta_bound[p] * more) <= 1,
              "dbeta[%zu] is %g, not %Lg (%s)", p, (double)o->dbeta[p], r->dbeta[p], t->label);
    }
}

static void run_shares(const shape *sh, nrm_layout layout, unsigned options, gen_dist dist)
{
    tcase t = case_new(sh, NRM_BATCH, layout, options, dist, GEN_NORMAL, next_seed++);
    shares cut = cut_batch(&t.g, sh->n);
    results o = results_new(&t);
    nrm_args a = results_args(&t, &o);
    ref r = ref_new(&t.d, &t.a);
    size_t j;
    forward_in_shares(&t, &cut, &o);
    check_worst(&t, "y", "shares", ref_compare_y(&r, o.y));
    check_worst(&t, "mean", "shares", ref_compare_mean(&r, o.mean));
    check_worst(&t, "rstd", "shares", ref_compare_rstd(&r, o.rstd));
    for (j = 0; j < sh->c && options & OPT_RUNNING; ++j) {
        ref_running e = ref_new_running(&r, &t.a, j, t.old_mean[j], t.old_var[j]);
        check(ref_ratio(o.running_mean[j], e.mean, e.mean_bound) <= 1, "running_mean[%zu] (%s)", j,
              t.label);
        check(ref_ratio(o.running_var[j], e.var, e.var_bound) <= 1, "running_var[%zu] (%s)", j,
              t.label);
    }
    ref_backward(&r, &a, o.y, 0);
    backward_in_shares(&t, &cut, &o);
    check_worst(&t, "dx", "shares", ref_compare_dx(&r, o.dx));
    check_affine_sums(&t, &r, &o);
    ref_free(&r);
    results_free(&o);
    case_free(&t);
}

static void test_shares(void)
{
    static const gen_dist dists[] = {GEN_NORMAL,   GEN_OFFSET_1E6, GEN_OFFSET_1E3, GEN_UNIFORM,
                                     GEN_CONSTANT, GEN_SIGN_1E30,  GEN_DENORMAL,   GEN_OUTLIER_ANY};
    gen g = gen_seed(78);
    size_t i, round;
    group("uneven and empty shares, merged in any grouping, against the whole batch");
    for (round = 0; round < 10; ++round)
        for (i = 0; i < COUNT_OF(small_shapes); ++i) {
            unsigned options = (unsigned)gen_u64(&g) & (unsigned)gen_u64(&g) & OPT_ALL;
            gen_dist dist = dists[gen_below(&g, COUNT_OF(dists))];
            options &= ~(unsigned)(OPT_IN_PLACE | OPT_PARTIAL);
            if (dist == GEN_CONSTANT || dist == GEN_SIGN_1E30) options &= ~(unsigned)OPT_RUNNING;
            run_shares(&small_shapes[i], round % 2 ? NRM_NHWC : NRM_NCHW, options, dist);
        }
    group_end();
}

static void test_merge(void)
{
    nrm_moments none = {0, 0, 0}, a = {3, 1.5, 2.25}, b = {5, -7, 0.5}, m, reverse;
    nrm_sums no_sums = {0, 0, 0}, u = {3, 1, 2}, v = {4, -0.5, 8}, w;
    m = a;
    nrm_merge(&m, &none, 1);
    ok(!memcmp(&m, &a, sizeof m), "merging a count of 0 changes nothing");
    m = none;
    nrm_merge(&m, &a, 1);
    ok(!memcmp(&m, &a, sizeof m), "merging into a count of 0 copies");
    m = none;
    nrm_merge(&m, &none, 1);
    ok(!memcmp(&m, &none, sizeof m), "merging nothing into nothing is nothing");
    m = a;
    nrm_merge(&m, &b, 1);
    ok(m.count == 8 && m.mean == -7 + 8.5 * (3.0 / 8) &&
           m.m2 == (2.25 + 0.5) + 8.5 * 8.5 * (5 * (3.0 / 8)),
       "merging follows the formula of NUMERICS");
    reverse = b;
    nrm_merge(&reverse, &a, 1);
    ok(!memcmp(&m, &reverse, sizeof m), "unequal counts: the order does not matter");
    m = a;
    nrm_merge(&m, &b, 0);
    ok(!memcmp(&m, &a, sizeof m), "merging no channels writes nothing");
    w = u;
    nrm_merge_sums(&w, &v, 1);
    ok(w.count == 7 && w.dy == 0.5 && w.dy_xhat == 10, "gradient sums add");
    w = u;
    nrm_merge_sums(&w, &no_sums, 1);
    ok(!memcmp(&w, &u, sizeof w), "adding no sums changes nothing");
}

/* One value per channel in each share is no obstacle: the merged count decides. */
static void test_samples(void)
{
    float x[2] = {1, 3}, y[2] = {7, 7}, running_mean = 0, running_var = 1;
    double mean = 7, rstd = 7;
    nrm_moments first, both;
    nrm_desc d = {0};
    nrm_args a = {0};
    d.n = d.c = d.s = 1;
    d.kind = NRM_BATCH;
    a.x = x;
    a.y = y;
    a.mean = &mean;
    a.rstd = &rstd;
    a.running_mean = &running_mean;
    a.running_var = &running_var;
    a.running_rate = 0.5;
    ok(nrm_reduce(&d, &a, &first) == NRM_OK && first.count == 1 && first.mean == 1 && first.m2 == 0,
       "a share of one value has moments (1, x, 0)");
    ok(nrm_apply(&d, &a, &first) == NRM_ERR_SAMPLES && y[0] == 7 && mean == 7 && rstd == 7 &&
           running_mean == 0 && running_var == 1,
       "a merged count of 1 has no unbiased variance, and nothing is written");
    a.running_population = 1;
    ok(nrm_apply(&d, &a, &first) == NRM_OK && y[0] == 0 && running_mean == 0.5f &&
           running_var == 0.5f,
       "its population variance is 0");
    a.running_population = 0;
    a.x = x + 1;
    running_mean = 0;
    running_var = 1;
    nrm_reduce(&d, &a, &both);
    nrm_merge(&both, &first, 1);
    ok(nrm_apply(&d, &a, &both) == NRM_OK && y[0] == 1 && mean == 2 && rstd == 1 &&
           running_mean == 1 && running_var == 1.5f,
       "two shares of one value each have one");
    d.n = 0;
    mean = rstd = 7;
    y[0] = 7;
    running_mean = 0;
    running_var = 1;
    ok(nrm_apply(&d, &a, &both) == NRM_OK && y[0] == 7 && mean == 2 && rstd == 1 &&
           running_mean == 1 && running_var == 1.5f,
       "an empty share still takes statistics and running values from the merged moments");
    nrm_reduce(&d, &a, &first);
    mean = 7;
    ok(nrm_apply(&d, &a, &first) == NRM_OK && mean == 7 && running_mean == 1,
       "a merged count of 0 writes nothing");
}

/* ---- The short forms ------------------------------------------------------------------------ */

static nrm_status short_form(const tcase *t, float *y, const float *x, const float *mean,
                             const float *var, int infer)
{
    const nrm_desc *d = &t->d;
    const float *gamma = (const float *)t->a.gamma, *beta = (const float *)t->a.beta;
    switch (d->kind) {
    case NRM_BATCH:
        return infer ? nrm_batchnorm_infer(y, x, d->n, d->c, d->s, d->layout, mean, var, gamma,
                                           beta, d->eps)
                     : NRM_ERR_DESC;
    case NRM_LAYER: return nrm_layernorm(y, x, d->n, d->c, gamma, beta, d->eps);
    case NRM_RMS: return nrm_rmsnorm(y, x, d->n, d->c, gamma, d->eps);
    case NRM_INSTANCE:
        return nrm_instancenorm(y, x, d->n, d->c, d->s, d->layout, gamma, beta, d->eps);
    default:
        return nrm_groupnorm(y, x, d->n, d->c, d->s, d->groups, d->layout, gamma, beta, d->eps);
    }
}

static void test_short_forms(void)
{
    size_t i;
    int kind, mix;
    group("the short forms give the bits of the described calls");
    for (kind = NRM_BATCH; kind < KINDS; ++kind)
        for (i = 0; i < COUNT_OF(small_shapes); ++i)
            for (mix = 0; mix < 8; ++mix) {
                shape sh = small_shapes[i];
                unsigned options = (mix & 1 ? OPT_NO_GAMMA : 0u) | (mix & 2 ? OPT_NO_BETA : 0u);
                tcase t;
                nrm_args a;
                nrm_status status;
                if (kind == NRM_LAYER || kind == NRM_RMS) sh.s = 1; /* rows and columns */
                if (kind == NRM_RMS) options |= OPT_NO_BETA;
                t = case_new(&sh, (nrm_kind)kind, mix & 4 ? NRM_NHWC : NRM_NCHW, options,
                             GEN_OFFSET_1E3, GEN_ZERO, next_seed++);
                a = t.a;
                a.y = t.y;
                a.running_mean = kind == NRM_BATCH ? t.old_mean : NULL;
                a.running_var = kind == NRM_BATCH ? t.old_var : NULL;
                status = kind == NRM_BATCH ? nrm_infer(&t.d, &a) : nrm_forward(&t.d, &a);
                check(status == NRM_OK, "described (%s)", t.label);
                check(short_form(&t, t.dx, t.x, t.old_mean, t.old_var, 1) == NRM_OK, "short (%s)",
                      t.label);
                check(same_bits_f32(t.dx, t.y, t.y_len), "differs (%s)", t.label);
                check(short_form(&t, t.x, t.x, t.old_mean, t.old_var, 1) == NRM_OK, "short (%s)",
                      t.label);
                check(same_bits_f32(t.x, t.y, t.y_len), "differs in place (%s)", t.label);
                case_free(&t);
            }
    group_end();
}

/* ---- Folding -------------------------------------------------------------------------------- */

typedef struct fold_case {
    size_t c, k;
    float *weight, *bias, *mean, *var, *gamma, *beta, *weight_out, *bias_out;
    double eps;
} fold_case;

static fold_case fold_new(gen *g, size_t c, size_t k)
{
    fold_case f;
    size_t i;
    f.c = c;
    f.k = k;
    f.weight = canary_floats(c * k);
    f.bias = canary_floats(c);
    f.mean = canary_floats(c);
    f.var = canary_floats(c);
    f.gamma = canary_floats(c);
    f.beta = canary_floats(c);
    f.weight_out = canary_floats(c * k);
    f.bias_out = canary_floats(c);
    gen_fill(g, GEN_NORMAL, f.weight, c * k);
    gen_fill(g, GEN_NORMAL, f.bias, c);
    gen_fill(g, gen_one_in(g, 3) ? GEN_OFFSET_1E6 : GEN_NORMAL, f.mean, c);
    gen_fill(g, GEN_NORMAL, f.var, c);
    gen_fill(g, GEN_NORMAL, f.gamma, c);
    gen_fill(g, GEN_NORMAL, f.beta, c);
    for (i = 0; i < c; ++i) f.var[i] = gen_one_in(g, 10) ? 0 : fabsf(f.var[i]);
    f.eps = gen_one_in(g, 3) ? 0 : 1e-5;
    return f;
}

static void fold_free(fold_case *f)
{
    float *all[] = {f->weight, f->bias, f->mean,       f->var,
                    f->gamma,  f->beta, f->weight_out, f->bias_out};
    size_t i;
    for (i = 0; i < COUNT_OF(all); ++i) free(all[i]);
}

/* The layer followed by the norm, against the folded layer, for one random input each. */
static void check_fold(gen *g, const fold_case *f, const float *bias, const float *gamma,
                       const float *beta)
{
    size_t i, l;
    for (i = 0; i < f->c; ++i) {
        long double rstd = ref_rstd((long double)f->var[i] + (long double)f->eps);
        long double a = (gamma ? gamma[i] : 1) * rstd, b = beta ? beta[i] : 0;
        long double offset = (bias ? bias[i] : 0.0L) - f->mean[i];
        long double exact = offset * a + b;
        long double layer = offset, folded = f->bias_out[i];
        long double bound = REF_ULPS * (fabsl(offset * a) + fabsl(b)) + REF_TINY, total = bound;
        check(ref_ratio(f->bias_out[i], exact, bound) <= 1, "bias[%zu] is %g, not %Lg", i,
              (double)f->bias_out[i], exact);
        for (l = 0; l < f->k; ++l) {
            float w = f->weight[i * f->k + l], out = f->weight_out[i * f->k + l];
            long double input = gen_normal(g), one = REF_ULPS * fabsl(w * a) + REF_TINY;
            check(ref_ratio(out, w * a, one) <= 1, "weight[%zu][%zu] is %g, not %Lg", i, l,
                  (double)out, w * a);
            layer += w * input;
            folded += out * input;
            total += one * fabsl(input);
        }
        check(fabsl(layer * a + b - folded) <= total, "channel %zu: %Lg, not %Lg", i, folded,
              layer * a + b);
    }
}

static void test_fold(void)
{
    static const size_t sizes[][2] = {{1, 1}, {1, 9}, {3, 27}, {16, 16}, {17, 130}, {64, 147},
                                      {5, 1}, {130, 3}};
    gen g = gen_seed(5);
    size_t i, mix;
    group("nrm_fold: the folded layer is the layer and its norm; in place too");
    for (i = 0; i < COUNT_OF(sizes); ++i)
        for (mix = 0; mix < 8; ++mix) {
            fold_case f = fold_new(&g, sizes[i][0], sizes[i][1]);
            const float *bias = mix & 1 ? NULL : f.bias, *gamma = mix & 2 ? NULL : f.gamma;
            const float *beta = mix & 4 ? NULL : f.beta;
            check(nrm_fold(f.weight_out, f.bias_out, f.weight, bias, f.c, f.k, f.mean, f.var, gamma,
                           beta, f.eps) == NRM_OK,
                  "status");
            check_fold(&g, &f, bias, gamma, beta);
            check(nrm_fold(f.weight, f.bias, f.weight, bias, f.c, f.k, f.mean, f.var, gamma, beta,
                           f.eps) == NRM_OK,
                  "status in place");
            check(same_bits_f32(f.weight, f.weight_out, f.c * f.k) &&
                      same_bits_f32(f.bias, f.bias_out, f.c),
                  "in place differs");
            fold_free(&f);
        }
    group_end();
}

/* ---- Half floats ---------------------------------------------------------------------------- */

/* A format by its numbers: the reference decodes and rounds by value, never by shifting bits. */
typedef struct half_format {
    const char *name;
    int fraction_bits, least_exponent, inf_pattern;
    uint16_t (*encode)(float);
    float (*decode)(uint16_t);
} half_format;

static const half_format formats[] = {
    {"f16", 10, -14, 0x7c00, nrm_f32_to_f16, nrm_f16_to_f32},
    {"bf16", 7, -126, 0x7f80, nrm_f32_to_bf16, nrm_bf16_to_f32},
};

/* The value of a pattern below that of Inf; Inf itself comes out as the next power of two. */
static long double half_value(const half_format *f, int pattern)
{
    int fraction = pattern & ((1 << f->fraction_bits) - 1), exponent = pattern >> f->fraction_bits;
    if (exponent == 0) return ldexpl(fraction, f->least_exponent - f->fraction_bits);
    return ldexpl(fraction + (1 << f->fraction_bits),
                  f->least_exponent - f->fraction_bits + exponent - 1);
}

static int half_is_nan(const half_format *f, unsigned pattern)
{
    return (int)(pattern & 0x7fff) > f->inf_pattern;
}

static void test_half_decode(const half_format *f)
{
    int p;
    group("%s: all 65,536 patterns decode to their value and encode back", f->name);
    for (p = 0; p < 0x8000; ++p) {
        float plus = f->decode((uint16_t)p), minus = f->decode((uint16_t)(p | 0x8000));
        if (p > f->inf_pattern) {
            check(is_nan_f32(plus) && is_nan_f32(minus), "pattern %#x is NaN", (unsigned)p);
            check(half_is_nan(f, f->encode(plus)) && half_is_nan(f, f->encode(minus)),
                  "NaN %#x does not stay NaN", (unsigned)p);
            continue;
        }
        if (p == f->inf_pattern)
            check(bits_f32(plus) == 0x7f800000u, "pattern %#x is Inf", (unsigned)p);
        else
            check((long double)plus == half_value(f, p), "pattern %#x is %g", (unsigned)p,
                  (double)plus);
        check(bits_f32(minus) == (bits_f32(plus) | 0x80000000u), "sign of pattern %#x",
              (unsigned)p);
        check(f->encode(plus) == p && f->encode(minus) == (p | 0x8000), "back to pattern %#x",
              (unsigned)p);
    }
    group_end();
}

/* At the middle between two neighbours and one float to either side of it. */
static void test_half_ties(const half_format *f)
{
    int p;
    group("%s: ties go to even, everything else to the nearest", f->name);
    for (p = 0; p < f->inf_pattern; ++p) {
        long double middle = (half_value(f, p) + half_value(f, p + 1)) / 2;
        float tie = (float)middle;
        float below = gen_from_bits(bits_f32(tie) - 1), above = gen_from_bits(bits_f32(tie) + 1);
        check((long double)tie == middle, "the middle above %#x is not a float", (unsigned)p);
        check(f->encode(tie) == p + (p & 1), "tie above %#x gives %#x", (unsigned)p,
              (unsigned)f->encode(tie));
        check(f->encode(-tie) == (p + (p & 1)) + 0x8000, "negative tie above %#x", (unsigned)p);
        check(f->encode(below) == p, "just below the tie above %#x", (unsigned)p);
        check(f->encode(above) == p + 1, "just above the tie above %#x", (unsigned)p);
        check(f->encode(-above) == p + 0x8001, "negative, above the tie above %#x", (unsigned)p);
    }
    group_end();
}

static void test_half_random(const half_format *f)
{
    gen g = gen_seed(11);
    long double limit = half_value(f, f->inf_pattern);
    int i;
    group("%s: random floats of every kind", f->name);
    for (i = 0; i < 400000; ++i) {
        uint32_t bits = (uint32_t)(gen_u64(&g) >> 32);
        float v;
        long double quantum, rounded;
        int exponent;
        unsigned got;
        /* Half of them within the range of f16, denormals included. */
        if (i & 1) bits = (bits & 0x807fffffu) | ((127u - 28u + bits % 45u) << 23);
        v = gen_from_bits(bits);
        got = f->encode(v);
        if (is_nan_f32(v)) {
            check(half_is_nan(f, got), "NaN %#x became %#x", bits, got);
            continue;
        }
        check((got >> 15) == bits >> 31, "sign of %g", (double)v);
        exponent = v != 0 ? ilogbl((long double)v) : 0;
        if (exponent < f->least_exponent) exponent = f->least_exponent;
        quantum = ldexpl(1, exponent - f->fraction_bits);
        rounded = fabsl(v) > limit ? limit : rintl(fabsl((long double)v) / quantum) * quantum;
        check(half_value(f, (int)(got & 0x7fff)) == (rounded > limit ? limit : rounded),
              "%.9g became %#x", (double)v, got);
    }
    group_end();
}

int main(void)
{
    size_t i;
    test_one_share();
    test_shares();
    test_merge();
    test_samples();
    test_short_forms();
    test_fold();
    for (i = 0; i < COUNT_OF(formats); ++i) {
        test_half_decode(&formats[i]);
        test_half_ties(&formats[i]);
        test_half_random(&formats[i]);
    }
    return done_testing();
}
