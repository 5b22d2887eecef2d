/* test_other_calls.c - what there is beside the main calls: batch norm in parts, the short forms,
 * folding into a convolution, and the conversions of half floats.
 */
#include "../normalize.h"

#define REF_ORDINARY /* ref.h: the tighter limit, of drawn data */
#include "support/cases.h"
#include "support/oracle.h"

static uint64_t next_seed = 1;

/* ---- One share: the bits of nrm_forward and nrm_backward ------------------------------------ */

/* One call, whose outputs from this slot on the problem keeps for the next. */
static outcome *step(problem *p, enum verb verb, const setup *s, enum slot keep)
{
    outcome *o = run(p, verb, s);
    judge_call(p, o, s, NRM_OK);
    problem_keep(p, o, keep);
    return o;
}

static void check_parts(const problem *p, outcome *whole, outcome *part)
{
    difference at;
    int same = same_outcome(whole, part, &at);
    check(same, "%s[%zu] differs (%s)", slot_name[at.slot], at.index, problem_text(p));
}

static void run_one_share(const shape *sh, nrm_layout layout, unsigned options, gen_dist dist,
                          gen_dist dy)
{
    static const enum verb verbs[] = {VERB_FORWARD,  VERB_REDUCE,          VERB_APPLY,
                                      VERB_BACKWARD, VERB_BACKWARD_REDUCE, VERB_BACKWARD_APPLY};
    problem *p = problem_case(sh, NRM_BATCH, options, dist, dy, next_seed++);
    setup s = case_setup(p, NRM_AUTO, layout);
    outcome *o[COUNT_OF(verbs)];
    double count = (double)(sh->n * sh->s);
    size_t i;
    for (i = 0; i < COUNT_OF(verbs); ++i) {
        o[i] = run(p, verbs[i], &s);
        judge_call(p, o[i], &s, i == 0 || verbs[i] == VERB_APPLY ? o[0]->status : NRM_OK);
        problem_keep(p, o[i], SLOT_MEAN);
    }
    check(o[0]->value[SLOT_Y] && o[2]->value[SLOT_Y], "outputs (%s)", problem_text(p));
    check(((nrm_moments *)o[1]->value[SLOT_MOMENTS])[0].count == count &&
              ((nrm_sums *)o[4]->value[SLOT_SUMS])[0].count == count,
          "counts (%s)", problem_text(p));
    check_parts(p, o[0], o[2]);
    check_parts(p, o[3], o[4]);
    check_parts(p, o[3], o[5]);
    for (i = 0; i < COUNT_OF(verbs); ++i) outcome_free(o[i]);
    problem_free(p);
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
            if (round > 5) options |= (unsigned)gen_u64(&g) & OPT_AROUND;
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

static problem *share_of(const problem *p, const shares *cut, size_t i)
{
    return problem_share(p, cut->first[i], cut->first[i + 1] - cut->first[i]);
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

/* Every share in turn, so that each call sees its part only; the running statistics move once. They
   are left in `running`, all else in the problem. */
static void forward_in_shares(problem *p, const shares *cut, const setup *s, float *running[2])
{
    const size_t c = p->d.c;
    nrm_moments *store = (nrm_moments *)test_alloc(cut->count * c, sizeof *store);
    nrm_moments *turn[MOST_SHARES];
    size_t i, j;
    int slot;
    for (i = 0; i < cut->count; ++i) {
        problem *part = share_of(p, cut, i);
        turn[i] = store + i * c;
        outcome_free(step(part, VERB_REDUCE, s, SLOT_MOMENTS));
        memcpy(turn[i], p->value[SLOT_MOMENTS], c * sizeof *store);
        for (j = 0; j < c && part->d.n == 0; ++j)
            check(turn[i][j].count == 0 && turn[i][j].mean == 0 && turn[i][j].m2 == 0,
                  "an empty share has moments (%s)", problem_text(p));
        problem_free(part);
    }
    merge_any(&p->g, cut->count, c, turn, NULL);
    memcpy(p->value[SLOT_MOMENTS], store, c * sizeof *store);
    for (i = 0; i < cut->count; ++i) {
        problem *part = share_of(p, cut, i);
        outcome *o = step(part, VERB_APPLY, s, SLOT_MEAN);
        memcpy(part->value[SLOT_Y], o->value[SLOT_Y], o->count[SLOT_Y] * sizeof(float));
        check(!is_nan_f64(((double *)o->value[SLOT_MEAN])[0]) &&
                  !is_nan_f64(((double *)o->value[SLOT_RSTD])[c - 1]),
              "share %zu of %zu samples wrote no statistics (%s)", i, part->d.n, problem_text(p));
        for (slot = 0; slot < 2 && o->value[SLOT_RUNNING_MEAN]; ++slot)
            memcpy(running[slot], o->value[SLOT_RUNNING_MEAN + slot], c * sizeof(float));
        outcome_free(o);
        problem_free(part);
    }
    free(store);
}

static void backward_in_shares(problem *p, const shares *cut, const setup *s)
{
    const size_t c = p->d.c;
    nrm_sums *store = (nrm_sums *)test_alloc(cut->count * c, sizeof *store);
    nrm_sums *turn[MOST_SHARES];
    size_t i, j;
    for (i = 0; i < cut->count; ++i) {
        problem *part = share_of(p, cut, i);
        /* The shares' dgamma add up, starting from nothing or from what was there. */
        part->accumulate = p->accumulate || (i > 0 && !p->d.affine_per_sample);
        turn[i] = store + i * c;
        outcome_free(step(part, VERB_BACKWARD_REDUCE, s, SLOT_X));
        memcpy(turn[i], p->value[SLOT_SUMS], c * sizeof *store);
        for (j = 0; j < c && part->d.n == 0; ++j)
            check(turn[i][j].count == 0 && turn[i][j].dy == 0 && turn[i][j].dy_xhat == 0,
                  "an empty share has sums (%s)", problem_text(p));
        problem_free(part);
    }
    merge_any(&p->g, cut->count, c, NULL, turn);
    memcpy(p->value[SLOT_SUMS], store, c * sizeof *store);
    for (i = 0; i < cut->count; ++i) {
        problem *part = share_of(p, cut, i);
        outcome_free(step(part, VERB_BACKWARD_APPLY, s, SLOT_X));
        problem_free(part);
    }
    free(store);
}

/* Each share's dgamma and dbeta are rounded to float on their way: up to MOST_SHARES roundings of
   a partial sum, which its scale bounds. */
static void check_affine_sums(const problem *p, const ref *r)
{
    const float *dgamma = (float *)p->value[SLOT_DGAMMA], *dbeta = (float *)p->value[SLOT_DBETA];
    long double more = 1 + MOST_SHARES / 8.0L;
    size_t i;
    for (i = 0; i < r->affines; ++i) {
        check(ref_ratio(dgamma[i], r->dgamma[i], r->dgamma_bound[i] * more) <= 1,
              "dgamma[%zu] is %g, not %Lg (%s)", i, (double)dgamma[i], r->dgamma[i],
              problem_text(p));
        check(ref_ratio(dbeta[i], r->dbeta[i], r->dbeta_bound[i] * more) <= 1,
              "dbeta[%zu] is %g, not %Lg (%s)", i, (double)dbeta[i], r->dbeta[i], problem_text(p));
    }
}

static void run_shares(const shape *sh, nrm_layout layout, unsigned options, gen_dist dist)
{
    problem *p = problem_case(sh, NRM_BATCH, options, dist, GEN_NORMAL, next_seed++);
    shares cut = cut_batch(&p->g, sh->n);
    setup s = case_setup(p, NRM_AUTO, layout);
    const float *old_mean = (float *)p->value[SLOT_RUNNING_MEAN];
    const float *old_var = (float *)p->value[SLOT_RUNNING_VAR];
    float *running[2] = {(float *)test_alloc(sh->c, sizeof(float)),
                         (float *)test_alloc(sh->c, sizeof(float))};
    nrm_desc d;
    nrm_args a;
    ref r = oracle_of(p, &d, &a);
    size_t j;
    forward_in_shares(p, &cut, &s, running);
    judge_worst(p, "y", &s, 0, REF_Y, ref_compare_y(&r, p->value[SLOT_Y]));
    judge_worst(p, "mean", &s, 0, REF_MEAN, ref_compare_mean(&r, (double *)p->value[SLOT_MEAN]));
    judge_worst(p, "rstd", &s, 0, REF_RSTD, ref_compare_rstd(&r, (double *)p->value[SLOT_RSTD]));
    for (j = 0; j < sh->c && options & OPT_RUNNING; ++j) {
        ref_running e = ref_new_running(&r, &a, j, (double)old_mean[j], (double)old_var[j]);
        check(ref_ratio(running[0][j], e.mean, e.mean_bound) <= 1, "running_mean[%zu] (%s)", j,
              problem_text(p));
        check(ref_ratio(running[1][j], e.var, e.var_bound) <= 1, "running_var[%zu] (%s)", j,
              problem_text(p));
    }
    if (options & OPT_AROUND)
        oracle_backward(p, &r, &a, 0);
    else
        ref_backward(&r, &a, p->value[SLOT_Y], 0);
    backward_in_shares(p, &cut, &s);
    judge_worst(p, "dx", &s, 0, REF_DX, ref_compare_dx(&r, p->value[SLOT_DX]));
    if (p->given & GIVEN(SLOT_DADD))
        judge_worst(p, "dadd", &s, 0, REF_DADD,
                    ref_compare_dy(&r, p->value[SLOT_DADD], r.dy, r.dy_bound));
    if (p->given & GIVEN(SLOT_DGATE))
        judge_worst(p, "dgate", &s, 0, REF_DGATE,
                    ref_compare_dy(&r, p->value[SLOT_DGATE], r.dgate, r.dgate_bound));
    check_affine_sums(p, &r);
    free(running[0]);
    free(running[1]);
    ref_free(&r);
    problem_free(p);
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
            if (round > 7) options |= (unsigned)gen_u64(&g) & OPT_AROUND, dist = dists[i % 4];
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

static nrm_status short_form(const bed *b, const float *mean, const float *var)
{
    const nrm_desc *d = &b->d;
    const float *x = (const float *)b->a.x;
    const float *gamma = (const float *)b->a.gamma, *beta = (const float *)b->a.beta;
    float *y = (float *)b->a.y;
    switch (d->kind) {
    case NRM_BATCH:
        return nrm_batchnorm_infer(y, x, d->n, d->c, d->s, d->layout, mean, var, gamma, beta,
                                   d->eps);
    case NRM_LAYER: return nrm_layernorm(y, x, d->n, d->c, gamma, beta, d->eps);
    case NRM_RMS: return nrm_rmsnorm(y, x, d->n, d->c, gamma, d->eps);
    case NRM_INSTANCE:
        return nrm_instancenorm(y, x, d->n, d->c, d->s, d->layout, gamma, beta, d->eps);
    default:
        return nrm_groupnorm(y, x, d->n, d->c, d->s, d->groups, d->layout, gamma, beta, d->eps);
    }
}

static outcome *run_short_form(const problem *p, enum verb verb, const setup *s)
{
    outcome *o = (outcome *)test_alloc(1, sizeof *o);
    bed b;
    bed_make(&b, p, verb, s);
    o->status = short_form(&b, (float *)p->value[SLOT_RUNNING_MEAN],
                           (float *)p->value[SLOT_RUNNING_VAR]);
    bed_collect(&b, o);
    o->clean &= bed_release(&b);
    return o;
}

static void test_short_forms(void)
{
    size_t i;
    int kind, mix, in_place;
    group("the short forms give the bits of the described calls");
    for (kind = NRM_BATCH; kind < KINDS; ++kind)
        for (i = 0; i < COUNT_OF(small_shapes); ++i)
            for (mix = 0; mix < 8; ++mix) {
                enum verb verb = kind == NRM_BATCH ? VERB_INFER : VERB_FORWARD;
                shape sh = small_shapes[i];
                unsigned options = (mix & 1 ? OPT_NO_GAMMA : 0u) | (mix & 2 ? OPT_NO_BETA : 0u);
                setup s = plain(NRM_AUTO, mix & 4 ? NRM_NHWC : NRM_NCHW);
                problem *p;
                outcome *want, *o;
                if (kind == NRM_LAYER || kind == NRM_RMS) sh.s = 1; /* rows and columns */
                if (kind == NRM_RMS) options |= OPT_NO_BETA;
                p = problem_case(&sh, (nrm_kind)kind, options, GEN_OFFSET_1E3, GEN_ZERO,
                                 next_seed++);
                p->given &= ~(GIVEN(SLOT_MEAN) | GIVEN(SLOT_RSTD));
                want = run(p, verb, &s);
                judge_call(p, want, &s, NRM_OK);
                for (in_place = 0; in_place < 2; ++in_place) {
                    if (in_place) s.y_is = SLOT_X;
                    o = run_short_form(p, verb, &s);
                    judge_call(p, o, &s, NRM_OK);
                    check_parts(p, want, o);
                    outcome_free(o);
                }
                outcome_free(want);
                problem_free(p);
            }
    group_end();
}

/* ---- Folding -------------------------------------------------------------------------------- */

typedef struct fold_case {
    size_t c, k;
    float *weight, *bias, *mean, *var, *gamma, *beta, *weight_out, *bias_out;
    double eps;
} fold_case;

static float *canary_floats(size_t count)
{
    float *p = (float *)test_alloc(count, sizeof(float));
    gen_canary(p, count * sizeof(float));
    return p;
}

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
    const long double unit = REF_ORDINARY_Y * REF_E;
    size_t i, l;
    for (i = 0; i < f->c; ++i) {
        long double rstd = ref_rstd((long double)f->var[i] + (long double)f->eps);
        long double a = (gamma ? gamma[i] : 1) * rstd, b = beta ? beta[i] : 0;
        long double offset = (bias ? bias[i] : 0.0L) - f->mean[i];
        long double exact = offset * a + b;
        long double layer = offset, folded = f->bias_out[i];
        long double bound = unit * (fabsl(offset * a) + fabsl(b)) + REF_TINY, total = bound;
        check(ref_ratio(f->bias_out[i], exact, bound) <= 1, "bias[%zu] is %g, not %Lg", i,
              (double)f->bias_out[i], exact);
        for (l = 0; l < f->k; ++l) {
            float w = f->weight[i * f->k + l], out = f->weight_out[i * f->k + l];
            long double input = gen_normal(g), one = unit * fabsl(w * a) + REF_TINY;
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
