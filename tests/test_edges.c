/* Edge cases: what the manual says about constants, empty tensors, one value, NaN and Inf; numbers
 * from bug reports about other libraries; and relations that hold to the bit.
 */
#include "../normalize.h"

#define REF_ORDINARY /* ref.h: the tighter limit, of drawn data */
#include "support/cases.h"
#include "support/oracle.h"

static uint64_t next_seed = 1;

static const nrm_layout layouts[] = {NRM_NCHW, NRM_NHWC};

/* ---- 1 Running a case ----------------------------------------------------------------------- */

static float *floats(void *values)
{
    return (float *)values;
}

static double *doubles(void *values)
{
    return (double *)values;
}

typedef struct both {
    outcome *forward, *backward;
} both;

/* Forward, and backward from its statistics. Their outputs are only there if both are NRM_OK. */
static both both_of(problem *p, const setup *s)
{
    both b;
    int good;
    b.forward = run(p, VERB_FORWARD, s);
    good = judge_call(p, b.forward, s, NRM_OK);
    problem_keep(p, b.forward, SLOT_MEAN);
    b.backward = run(p, VERB_BACKWARD, s);
    if (judge_call(p, b.backward, s, NRM_OK) && good) return b;
    printf("Bail out! no outputs to compare\n");
    exit(EXIT_FAILURE);
}

static both plain_both(problem *p, nrm_layout layout)
{
    setup s = plain(NRM_AUTO, layout);
    return both_of(p, &s);
}

static void both_free(both *b)
{
    outcome_free(b->forward);
    outcome_free(b->backward);
}

static void check_same(const both *a, const both *b, const problem *p)
{
    difference at;
    int same = same_outcome(a->forward, b->forward, &at);
    check(same, "forward: %s[%zu] (%s)", slot_name[at.slot], at.index, problem_text(p));
    same = same_outcome(a->backward, b->backward, &at);
    check(same, "backward: %s[%zu] (%s)", slot_name[at.slot], at.index, problem_text(p));
}

/* Forward and backward of a case against the oracle; the case keeps what they write. */
static void check_oracle(problem *p, nrm_layout layout)
{
    setup s = plain(NRM_AUTO, layout);
    nrm_desc d;
    nrm_args a;
    ref r = oracle_of(p, &d, &a);
    outcome *o = run(p, VERB_FORWARD, &s);
    judge_forward(p, &r, &a, o, &s, 0);
    problem_keep(p, o, SLOT_X);
    outcome_free(o);
    ref_backward(&r, &a, p->value[SLOT_Y], 0);
    o = run(p, VERB_BACKWARD, &s);
    judge_backward(p, &r, o, &s, 0);
    problem_keep(p, o, SLOT_X);
    outcome_free(o);
    ref_free(&r);
}

static void run_oracle(size_t n, size_t c, size_t s, size_t groups, nrm_kind kind,
                       nrm_layout layout, gen_dist dist, gen_dist dy)
{
    shape sh = {"", 0, 0, 0, 0};
    problem *p;
    sh.n = n;
    sh.c = c;
    sh.s = s;
    sh.groups = groups;
    p = problem_case(&sh, kind, 0, dist, dy, next_seed++);
    check_oracle(p, layout);
    problem_free(p);
}

/* A shape that puts m values into every statistics group of the kind. */
static shape shape_of_group(nrm_kind kind, size_t m, int turn)
{
    shape sh = {"", 1, 1, 1, 1};
    switch (kind) {
    case NRM_BATCH:
        sh.c = 3;
        if (turn % 2) sh.n = m;
        else sh.s = m;
        break;
    case NRM_INSTANCE:
        sh.n = 2;
        sh.c = 3;
        sh.s = m;
        break;
    case NRM_GROUP:
        sh.groups = 2;
        sh.c = sh.groups * (turn % 2 ? m : 1);
        if (!(turn % 2)) sh.s = m;
        break;
    default:
        sh.n = 2;
        sh.c = m;
        sh.s = turn % 2 ? 3 : 1;
    }
    return sh;
}

/* ---- 2 The table "what input gets what" ----------------------------------------------------- */

static void check_constant(problem *p, nrm_layout layout, float value)
{
    size_t i, j, k, q, wrong = 0, wrong_dx = 0, count = problem_volume(&p->d);
    const float *beta = p->given & GIVEN(SLOT_BETA) ? floats(p->value[SLOT_BETA]) : NULL;
    both b;
    for (i = 0; i < count; ++i) floats(p->value[SLOT_X])[i] = value;
    b = plain_both(p, layout);
    REF_EACH(&p->d, i, j, k) {
        size_t e = ref_own(&p->d, i, j, k);
        float dx = floats(b.backward->value[SLOT_DX])[e];
        wrong += !same_f32(floats(b.forward->value[SLOT_Y])[e], beta ? beta[j] : 0.0f);
        wrong_dx += is_nan_f32(dx) || (p->d.eps == 0 && dx != 0);
    }
    check(wrong == 0, "%zu of %zu values of y are not beta: %g (%s)", wrong, count,
          (double)floats(b.forward->value[SLOT_Y])[0], problem_text(p));
    check(wrong_dx == 0, "%zu values of dx (%s)", wrong_dx, problem_text(p));
    for (q = 0; q < problem_stats(&p->d); ++q) {
        double rstd = doubles(b.forward->value[SLOT_RSTD])[q];
        check(p->d.kind == NRM_RMS ||
                  doubles(b.forward->value[SLOT_MEAN])[q] == (double)value,
              "mean is not %.9g (%s)", (double)value, problem_text(p));
        check(p->d.eps > 0 || rstd == 0, "rstd is %g (%s)", rstd, problem_text(p));
    }
    both_free(&b);
}

static void test_constants(void)
{
    static const float values[] = {0.1f, 100.1f, 1e7f + 1, 3.3e10f, 3e38f, -3e38f, 1e-40f, 0};
    static const size_t sizes[] = {1, 3, 7, 128, 129, 768, 1000, 4096};
    size_t v, m, kind, layout;
    int turn;
    group("a constant group gives exactly beta, also with eps = 0");
    for (v = 0; v < COUNT_OF(values); ++v)
        for (m = 0; m < COUNT_OF(sizes); ++m)
            for (kind = 0; kind < KINDS; ++kind)
                for (layout = 0; layout < 2; ++layout)
                    for (turn = 0; turn < 2; ++turn) {
                        shape sh = shape_of_group((nrm_kind)kind, sizes[m], turn);
                        problem *p;
                        if ((nrm_kind)kind == NRM_RMS && values[v] != 0) continue; /* no mean */
                        p = problem_case(&sh, (nrm_kind)kind, turn ? OPT_NO_GAMMA : 0u,
                                         GEN_CONSTANT, GEN_NORMAL, next_seed++);
                        p->d.eps = turn == 0 ? 0 : 1e-5;
                        check_constant(p, layouts[layout], values[v]);
                        p->d.eps = turn == 0 ? 1e-5 : 0;
                        p->given &= ~GIVEN(SLOT_BETA);
                        check_constant(p, layouts[layout], values[v]);
                        problem_free(p);
                    }
    group_end();
}

/* 17.6 million ones, where float sums stop counting at 2^24. */
static void test_ones(void)
{
    size_t layout, i, half = (size_t)4200 * 4200, wrong;
    int good;
    float *x = (float *)test_alloc(2 * half, sizeof(float));
    for (layout = 0; layout < 2; ++layout) {
        double mean[2] = {0, 0}, rstd[2] = {0, 0};
        nrm_desc d = {0};
        nrm_args a = {0};
        d.n = 1;
        d.c = 2;
        d.s = half;
        d.layout = layouts[layout];
        d.eps = 0.25;
        for (i = 0; i < 2 * half; ++i) x[i] = 1;
        a.x = x;
        a.y = x;
        a.mean = mean;
        a.rstd = rstd;
        good = nrm_forward(&d, &a) == NRM_OK && mean[0] == 1 && mean[1] == 1 && rstd[0] == 2 &&
               rstd[1] == 2;
        ok(good, "1x2x4200x4200 ones, %s: mean %.17g and %.17g", layout ? "NHWC" : "NCHW", mean[0],
           mean[1]);
        for (i = wrong = 0; i < 2 * half; ++i) wrong += x[i] != 0;
        ok(wrong == 0, "... and y is 0 everywhere");
    }
    free(x);
}

/* x with one value replaced: its own group is NaN, every other has the bits it had. */
static void run_poison(nrm_kind kind, nrm_layout layout, unsigned options, float poison, int in_dy)
{
    static const shape shapes[] = {{"", 3, 24, 40, 4}, {"", 2, 6, 300, 3}, {"", 20, 4, 3, 2}};
    const shape *sh = &shapes[next_seed % COUNT_OF(shapes)];
    problem *p = problem_case(sh, kind, options, GEN_OFFSET_1E2, GEN_NORMAL, next_seed++);
    both clean = plain_both(p, layout), spoilt;
    size_t pi = gen_below(&p->g, sh->n), pj = gen_below(&p->g, sh->c), pk = gen_below(&p->g, sh->s);
    size_t spoiled = ref_stat(&p->d, pi, pj, pk), i, j, k, touched = 0, finite = 0, wrong_stat = 0;
    int slot;
    floats(p->value[in_dy ? SLOT_DY : SLOT_X])[ref_own(&p->d, pi, pj, pk)] = poison;
    spoilt = plain_both(p, layout);
    REF_EACH(&p->d, i, j, k) {
        size_t e = ref_own(&p->d, i, j, k);
        int own = ref_stat(&p->d, i, j, k) == spoiled;
        float y = floats(spoilt.forward->value[SLOT_Y])[e];
        float dx = floats(spoilt.backward->value[SLOT_DX])[e];
        if (!own || in_dy) touched += !same_f32(floats(clean.forward->value[SLOT_Y])[e], y);
        else finite += !is_nan_f32(y);
        if (!own) touched += !same_f32(floats(clean.backward->value[SLOT_DX])[e], dx);
        /* An infinite dy leaves room for Inf in dx; anything else that is spoiled is NaN. */
        else if (!in_dy || is_nan_f32(poison)) finite += !is_nan_f32(dx);
    }
    for (slot = kind == NRM_RMS ? SLOT_RSTD : SLOT_MEAN; slot <= SLOT_RSTD; ++slot)
        for (i = 0; i < problem_stats(&p->d); ++i) {
            double stat = doubles(spoilt.forward->value[slot])[i];
            wrong_stat += i == spoiled && !in_dy
                              ? !is_nan_f64(stat)
                              : !same_f64(doubles(clean.forward->value[slot])[i], stat);
        }
    check(touched == 0, "%g in %s changed %zu values of other groups (%s)", (double)poison,
          in_dy ? "dy" : "x", touched, problem_text(p));
    check(finite == 0, "%g in %s left %zu values of its group without NaN (%s)", (double)poison,
          in_dy ? "dy" : "x", finite, problem_text(p));
    check(wrong_stat == 0, "%g in %s: %zu statistics (%s)", (double)poison, in_dy ? "dy" : "x",
          wrong_stat, problem_text(p));
    both_free(&clean);
    both_free(&spoilt);
    problem_free(p);
}

static void test_poison(void)
{
    static const float poison[] = {NAN, INFINITY, -INFINITY};
    size_t kind, layout, p, round;
    group("NaN or Inf spoils its own group and no other");
    for (kind = 0; kind < KINDS; ++kind)
        for (layout = 0; layout < 2; ++layout)
            for (p = 0; p < 3; ++p)
                for (round = 0; round < 6; ++round) {
                    run_poison((nrm_kind)kind, layouts[layout], 0, poison[p], round % 2 == 1);
                    if (round % 2 == 0)
                        run_poison((nrm_kind)kind, layouts[layout], OPT_RELU, poison[p], 0);
                }
    group_end();
}

static outcome *infer(const problem *p, nrm_layout layout)
{
    setup s = plain(NRM_AUTO, layout);
    outcome *o = run(p, VERB_INFER, &s);
    if (judge_call(p, o, &s, NRM_OK)) return o;
    printf("Bail out! no outputs to compare\n");
    exit(EXIT_FAILURE);
}

/* In nrm_infer an element stands alone. */
static void run_poison_infer(nrm_kind kind, nrm_layout layout, float poison)
{
    static const shape sh = {"", 3, 20, 19, 1};
    problem *p = problem_case(&sh, kind, 0, GEN_NORMAL, GEN_NORMAL, next_seed++);
    size_t count = problem_volume(&p->d), at = gen_below(&p->g, count), i, channel = 7, wrong = 0;
    outcome *o[4]; /* clean; poisoned; the element 0; a variance without a root */
    const float *y[4];
    for (i = 0; i < 4; ++i) {
        if (i) floats(p->value[SLOT_X])[at] = i == 1 ? poison : 0;
        if (i == 3)
            floats(p->value[SLOT_RUNNING_VAR])[channel] = next_seed % 2 ? -3.0f : (float)NAN;
        o[i] = infer(p, layout), y[i] = floats(o[i]->value[SLOT_Y]);
    }
    check(diff_f32(y[0], y[1], count) == at &&
              same_bits_f32(y[0] + at + 1, y[1] + at + 1, count - at - 1),
          "%g touched other elements (%s)", (double)poison, problem_text(p));
    check((bits_f32(y[1][at]) & 0x7f800000u) == 0x7f800000u, "%g became %g (%s)", (double)poison,
          (double)y[1][at], problem_text(p));
    for (i = 0; i < count; ++i)
        wrong += i / sh.s % sh.c == channel ? !is_nan_f32(y[3][i]) : !same_f32(y[3][i], y[2][i]);
    check(wrong == 0, "running variance without a root: %zu values (%s)", wrong, problem_text(p));
    for (i = 0; i < 4; ++i) outcome_free(o[i]);
    problem_free(p);
}

static void test_poison_infer(void)
{
    static const float poison[] = {NAN, INFINITY, -INFINITY};
    size_t p, layout, round;
    group("inference: NaN or Inf spoils its own element; a bad variance its own channel");
    for (p = 0; p < 3; ++p)
        for (layout = 0; layout < 2; ++layout)
            for (round = 0; round < 4; ++round) {
                run_poison_infer(NRM_BATCH, layouts[layout], poison[p]);
                run_poison_infer(NRM_INSTANCE, layouts[layout], poison[p]);
            }
    group_end();
}

/* How the new running values come to be other than finite numbers of their type. */
enum { BAD_NAN, BAD_INF, BAD_OVERFLOW, BAD_OLD, BADS };

/* The outputs are those without running values, and these stay. */
static void check_nonfinite(const problem *p, enum verb verb, const setup *s, const outcome *want)
{
    outcome *o = run(p, verb, s);
    difference at;
    int slot, same;
    judge_call(p, o, s, NRM_ERR_NONFINITE);
    for (slot = SLOT_RUNNING_MEAN; slot <= SLOT_RUNNING_VAR; ++slot)
        check(o->value[slot] && same_bits_f32(floats(o->value[slot]), floats(p->value[slot]),
                                              p->d.c),
              "%s moved %s (%s)", verb_name[verb], slot_name[slot], problem_text(p));
    o->status = want->status;
    same = same_outcome(want, o, &at);
    check(same, "%s: another %s (%s)", verb_name[verb], slot_name[at.slot], problem_text(p));
    outcome_free(o);
}

static void run_nonfinite(nrm_kind kind, nrm_layout layout, int bad)
{
    static const shape sh = {"", 4, 6, 10, 1};
    problem *p = problem_case(&sh, kind, 0, GEN_NORMAL, GEN_NORMAL, next_seed++);
    setup s = plain(NRM_AUTO, layout);
    float *value = &floats(p->value[SLOT_X])[ref_own(&p->d, 2, 3, 4)];
    outcome *want, *parts;
    if (bad == BAD_NAN) *value = NAN;
    if (bad == BAD_INF) *value = INFINITY;
    if (bad == BAD_OVERFLOW) *value = 3e38f; /* the variance is 1e75 */
    if (bad == BAD_OLD) floats(p->value[SLOT_RUNNING_VAR])[3] = NAN;
    want = run(p, VERB_FORWARD, &s);
    p->given |= RUNNING;
    p->running_rate = 0.5;
    check_nonfinite(p, VERB_FORWARD, &s, want);
    if (kind == NRM_BATCH) {
        parts = run(p, VERB_REDUCE, &s);
        problem_keep(p, parts, SLOT_MOMENTS);
        outcome_free(parts);
        check_nonfinite(p, VERB_APPLY, &s, want);
    }
    outcome_free(want);
    problem_free(p);
}

static void test_nonfinite(void)
{
    size_t layout;
    int bad;
    group("running statistics are never poisoned");
    for (bad = 0; bad < BADS; ++bad)
        for (layout = 0; layout < 2; ++layout) {
            run_nonfinite(NRM_BATCH, layouts[layout], bad);
            run_nonfinite(NRM_INSTANCE, layouts[layout], bad);
        }
    group_end();
}

/* ---- 3 Empty tensors and single values ------------------------------------------------------ */

/* Buffers for one value more than an empty tensor needs: all must stay as they are. */
static void run_empty(nrm_kind kind, nrm_layout layout, size_t n, size_t c, size_t s,
                      int per_sample, int accumulate)
{
    float x[8] = {0}, y[8], dx[8], sum[8], dgamma[8], dbeta[8], running_mean[8], running_var[8];
    double mean[8], rstd[8];
    size_t i, zeros = accumulate ? 0 : per_sample ? n * c : c;
    nrm_desc d = {0};
    nrm_args a = {0};
    d.n = n;
    d.c = c;
    d.s = s;
    d.groups = kind == NRM_GROUP ? 1 : 0;
    d.kind = kind;
    d.layout = layout;
    d.affine_per_sample = per_sample;
    d.eps = 1e-5;
    a.x = a.dy = x;
    a.y = y, a.dx = dx, a.sum = sum, a.dgamma = dgamma, a.dbeta = dbeta;
    a.mean = mean, a.rstd = rstd, a.accumulate = accumulate, a.running_rate = 0.5;
    if (kind == NRM_BATCH || kind == NRM_INSTANCE)
        a.running_mean = running_mean, a.running_var = running_var;
    for (i = 0; i < 8; ++i) {
        y[i] = dx[i] = sum[i] = dgamma[i] = dbeta[i] = running_mean[i] = running_var[i] = 5;
        mean[i] = rstd[i] = 5;
    }
    check(nrm_forward(&d, &a) == NRM_OK, "forward %d %zux%zux%zu", (int)kind, n, c, s);
    check(nrm_backward(&d, &a) == NRM_OK, "backward %d %zux%zux%zu", (int)kind, n, c, s);
    for (i = 0; i < 8; ++i) {
        float gradient = i < zeros ? 0.0f : 5.0f;
        check(y[i] == 5 && dx[i] == 5 && sum[i] == 5 && mean[i] == 5 && rstd[i] == 5 &&
                  running_mean[i] == 5 && running_var[i] == 5,
              "kind %d, %zux%zux%zu wrote something", (int)kind, n, c, s);
        check(same_f32(dgamma[i], gradient) && same_f32(dbeta[i], gradient),
              "kind %d, %zux%zux%zu: dgamma[%zu] = %g", (int)kind, n, c, s, i, (double)dgamma[i]);
        dgamma[i] = dbeta[i] = 5;
    }
    if (kind != NRM_BATCH && kind != NRM_INSTANCE) return;
    check(nrm_infer(&d, &a) == NRM_OK && nrm_infer_backward(&d, &a) == NRM_OK, "infer, empty");
    for (i = 0; i < 8; ++i)
        check(y[i] == 5 && dx[i] == 5 && sum[i] == 5 && running_mean[i] == 5 &&
                  same_f32(dgamma[i], i < zeros ? 0.0f : 5.0f) && same_f32(dbeta[i], dgamma[i]),
              "infer %zux%zux%zu wrote something", n, c, s);
}

static void test_empty(void)
{
    static const size_t sizes[][3] = {{0, 3, 2}, {2, 0, 2}, {0, 3, 0}, {0, 0, 0}, {0, 1, 1},
                                      {2, 0, 0}, {1, 0, 1}};
    size_t kind, layout, i;
    int mix;
    group("empty tensors: NRM_OK, and zero gradients");
    for (kind = 0; kind < KINDS; ++kind)
        for (layout = 0; layout < 2; ++layout)
            for (i = 0; i < COUNT_OF(sizes); ++i)
                for (mix = 0; mix < 4; ++mix)
                    run_empty((nrm_kind)kind, layouts[layout], sizes[i][0], sizes[i][1],
                              sizes[i][2], mix & 1, mix >> 1);
    group_end();
}

static void run_one_value(nrm_kind kind, nrm_layout layout, const shape *sh)
{
    problem *p = problem_case(sh, kind, 0, GEN_ANY_FINITE, GEN_NORMAL, next_seed++);
    setup s = plain(NRM_AUTO, layout);
    both b = both_of(p, &s);
    size_t i, count = problem_volume(&p->d);
    for (i = 0; i < count; ++i) {
        float y = floats(b.forward->value[SLOT_Y])[i], dx = floats(b.backward->value[SLOT_DX])[i];
        float beta = floats(p->value[SLOT_BETA])[i / sh->s % sh->c];
        check(same_f32(y, beta), "y is %g, beta %g (%s)", (double)y, (double)beta, problem_text(p));
        check(dx == 0, "dx is %g (%s)", (double)dx, problem_text(p));
    }
    both_free(&b);
    for (i = 0; i < 3 && (kind == NRM_BATCH || kind == NRM_INSTANCE); ++i) {
        outcome *o;
        p->given |= GIVEN(SLOT_SUM) | (i == 0 ? GIVEN(SLOT_RUNNING_VAR) : RUNNING);
        if (i == 2) p->given &= ~GIVEN(SLOT_RUNNING_VAR); /* the mean needs no two values */
        p->running_rate = i == 2 ? 0 : 0.5;
        o = run(p, VERB_FORWARD, &s);
        judge_call(p, o, &s, i == 2 ? NRM_OK : NRM_ERR_SAMPLES); /* and nothing written */
        outcome_free(o);
    }
    problem_free(p);
}

static void test_one_value(void)
{
    static const shape batch = {"", 1, 21, 1, 1}, instance = {"", 3, 18, 1, 1};
    static const shape layer = {"", 3, 1, 19, 1}, grouped = {"", 3, 8, 1, 8};
    size_t layout, round;
    group("one value per statistic: y = beta, dx = 0, no unbiased variance");
    for (round = 0; round < 5; ++round)
        for (layout = 0; layout < 2; ++layout) {
            run_one_value(NRM_BATCH, layouts[layout], &batch);
            run_one_value(NRM_INSTANCE, layouts[layout], &instance);
            run_one_value(NRM_LAYER, layouts[layout], &layer);
            run_one_value(NRM_GROUP, layouts[layout], &grouped);
        }
    group_end();
}

/* ---- 4 Shapes and data that went wrong elsewhere -------------------------------------------- */

static void test_short_planes(void)
{
    size_t s, n, kind, layout, c;
    group("every s from 1 to 17 with n from 1 to 3");
    for (s = 1; s <= 17; ++s)
        for (n = 1; n <= 3; ++n)
            for (kind = 0; kind < KINDS; ++kind)
                for (layout = 0; layout < 2; ++layout)
                    for (c = 6; c <= 20; c += 14)
                        run_oracle(n, c, s, 2, (nrm_kind)kind, layouts[layout],
                                   s % 2 ? GEN_NORMAL : GEN_OFFSET_1E6, GEN_NORMAL);
    group_end();
}

/* A huge value wherever the pilot may look, which drags it away from the mean. */
static void test_pilot(void)
{
    static const size_t sizes[] = {129, 200, 1000, 4096};
    static const float huge[] = {1e6f, -1e30f, 3e38f};
    unsigned place, i, turn = 0;
    size_t kind;
    group("an outlier at each place that the pilot samples");
    for (place = 0; place < 32; ++place)
        for (i = 0; i < COUNT_OF(sizes); ++i)
            for (kind = 0; kind < 4; ++kind, ++turn) {
                shape sh = shape_of_group((nrm_kind)kind, sizes[i], (int)(turn / 4 % 2));
                problem *p = problem_case(&sh, (nrm_kind)kind, 0, GEN_NORMAL, GEN_NORMAL,
                                          next_seed++);
                size_t stat = gen_below(&p->g, problem_stats(&p->d));
                size_t at = list_place(&p->d, stat, gen_pilot_place(place, sizes[i]));
                floats(p->value[SLOT_X])[at] = huge[turn % COUNT_OF(huge)];
                check_oracle(p, layouts[turn / 8 % 2]);
                problem_free(p);
            }
    group_end();
}

/* All the sampled places moved together, by up to 1000 deviations: from pilots that are still good
   enough to such that the variance is mostly theirs. */
static void test_pulled_pilot(void)
{
    static const float pull[] = {0.3f, 0.7f, 1, 1.4f, 2, 3, 10, 1000};
    static const size_t sizes[] = {200, 1500, 6000};
    size_t kind, i, j, stat, at;
    unsigned place;
    group("pilots pulled off the mean");
    for (kind = 0; kind < 4; ++kind)
        for (i = 0; i < COUNT_OF(sizes); ++i)
            for (j = 0; j < 2 * COUNT_OF(pull); ++j) {
                shape sh = shape_of_group((nrm_kind)kind, sizes[i], (int)(i + j));
                problem *p = problem_case(&sh, (nrm_kind)kind, 0, GEN_NORMAL, GEN_NORMAL,
                                          next_seed++);
                for (at = 0; at < sizes[i]; ++at) {
                    int sampled = 0;
                    for (place = 0; place < 32; ++place)
                        sampled |= gen_pilot_place(place, sizes[i]) == at;
                    for (stat = 0; stat < problem_stats(&p->d) && sampled; ++stat)
                        floats(p->value[SLOT_X])[list_place(&p->d, stat, at)] += pull[j / 2];
                }
                check_oracle(p, layouts[j % 2]);
                problem_free(p);
            }
    group_end();
}

/* dy = y: the gradient has hardly anything but what the norm takes out of it. */
static void test_cancelled_gradients(void)
{
    static const gen_dist dists[] = {GEN_NORMAL, GEN_OFFSET_1E4, GEN_OFFSET_1E6, GEN_UNIFORM,
                                     GEN_SIGN_1E30, GEN_DENORMAL, GEN_OUTLIER_ANY};
    size_t i, kind, layout;
    group("dy = y, where dx cancels");
    for (kind = 0; kind < KINDS; ++kind)
        for (layout = 0; layout < 2; ++layout)
            for (i = 0; i < COUNT_OF(small_shapes); ++i) {
                problem *p = problem_case(&small_shapes[i], (nrm_kind)kind,
                                          OPT_NO_GAMMA | OPT_NO_BETA, dists[i % COUNT_OF(dists)],
                                          GEN_ZERO, next_seed++);
                both b = plain_both(p, layouts[layout]);
                memcpy(p->value[SLOT_DY], b.forward->value[SLOT_Y],
                       problem_volume(&p->d) * sizeof(float));
                check_oracle(p, layouts[layout]);
                both_free(&b);
                problem_free(p);
            }
    group_end();
}

static void test_data(void)
{
    static const gen_dist dists[] = {
        GEN_NORMAL,     GEN_OFFSET_1E2, GEN_OFFSET_1E3, GEN_OFFSET_1E4,  GEN_OFFSET_1E5,
        GEN_OFFSET_1E6, GEN_OFFSET_1E7, GEN_ULPS,       GEN_SIGN_1E30,   GEN_HUGE,
        GEN_SIGN_3E38,  GEN_DENORMAL,   GEN_TINIEST,    GEN_OUTLIER_ANY, GEN_OUTLIER_FIRST,
        GEN_ALMOST,     GEN_ANY_FINITE, GEN_MIXED};
    static const gen_dist dys[] = {GEN_NORMAL, GEN_SIGN_3E38, GEN_HUGE, GEN_SPARSE, GEN_DENORMAL};
    size_t i, j, kind, layout, m;
    group("4096 and 1024 values: offsets, neighbouring floats, huge, tiny; forward and backward");
    for (kind = 0; kind < KINDS; ++kind)
        for (layout = 0; layout < 2; ++layout)
            for (i = 0; i < COUNT_OF(dists); ++i)
                for (j = 0; j < COUNT_OF(dys); ++j)
                    for (m = 1024; m <= 4096 && (j == 0 || m == 1024); m *= 4) {
                        shape sh = shape_of_group((nrm_kind)kind, m, (int)(i + j));
                        run_oracle(sh.n, sh.c, sh.s, sh.groups, (nrm_kind)kind, layouts[layout],
                                   dists[i], dys[j]);
                    }
    group_end();
    group("128x128 images with a dark border");
    for (layout = 0; layout < 2; ++layout) {
        run_oracle(1, 3, 128 * 128, 3, NRM_INSTANCE, layouts[layout], GEN_BORDER, GEN_NORMAL);
        run_oracle(1, 3, 128 * 128, 3, NRM_BATCH, layouts[layout], GEN_BORDER, GEN_NORMAL);
        run_oracle(1, 2, 128 * 128, 2, NRM_GROUP, layouts[layout], GEN_BORDER, GEN_NORMAL);
        run_oracle(2, 2, 128 * 128, 1, NRM_GROUP, layouts[layout], GEN_BORDER, GEN_NORMAL);
    }
    group_end();
}

/* Constant huge gradients: t - mean(t) cancels, though t * rstd overflows on the way. */
static void test_huge_gradients(void)
{
    static const float values[] = {3e38f, -3e38f, 3.4028234e38f};
    static const float scales[] = {1, 1e-3f, 1e3f};
    size_t kind, layout, v, i, scale;
    group("dy = +-3e38 everywhere");
    for (kind = 0; kind < KINDS; ++kind)
        for (layout = 0; layout < 2; ++layout)
            for (v = 0; v < COUNT_OF(values); ++v)
                for (scale = 0; scale < COUNT_OF(scales); ++scale) {
                    shape sh = {"", 2, 6, 30, 2};
                    problem *p = problem_case(&sh, (nrm_kind)kind, 0, GEN_NORMAL, GEN_NORMAL,
                                              next_seed++);
                    for (i = 0; i < problem_volume(&p->d); ++i) {
                        floats(p->value[SLOT_X])[i] *= scales[scale];
                        floats(p->value[SLOT_DY])[i] = values[v];
                    }
                    check_oracle(p, layouts[layout]);
                    problem_free(p);
                }
    group_end();
}

/* ---- 5 Numbers from reports ----------------------------------------------------------------- */

static void layer_row(const float *x, double eps, const double *expected, double tolerance,
                      const char *what)
{
    float y[4];
    int i, good = nrm_layernorm(y, x, 1, 4, NULL, NULL, eps) == NRM_OK;
    for (i = 0; i < 4; ++i) good &= fabs((double)y[i] - expected[i]) <= tolerance;
    ok(good, "%s: %.8f %.8f %.8f %.8f", what, (double)y[0], (double)y[1], (double)y[2],
       (double)y[3]);
}

/* beta takes each y to 0 in turn, by the very roundings of forward: what NRM_RELU masks there stays
   masked where another dy is so large that the gradient sums are in double. */
static void test_mask_of_zero(void)
{
    enum { M = 64 };
    static const nrm_kind kinds[] = {NRM_BATCH, NRM_LAYER};
    float x[M], y[M] = {0}, gamma[M], beta[M], dy[M] = {0}, dbeta[M] = {0};
    double mean, rstd;
    size_t kind, i, j, top = 0;
    group("relu: a y of 0 is masked, also where sums are in double");
    for (i = 0; i < M; ++i) {
        x[i] = (float)(i * i % 61) * 0.37f, gamma[i] = 0.7f;
        if (x[i] > x[top]) top = i;
    }
    for (kind = 0; kind < 2; ++kind)
        for (i = 0; i < M; ++i) {
            nrm_desc d = {0};
            nrm_args a = {0};
            const size_t c = kinds[kind] == NRM_BATCH ? 1 : M;
            double sum = 0;
            d.kind = kinds[kind], d.n = M / c, d.c = c, d.s = 1, d.eps = 1e-5;
            a.x = x, a.y = y, a.gamma = gamma, a.mean = &mean, a.rstd = &rstd;
            check(nrm_forward(&d, &a) == NRM_OK, "forward");
            for (j = 0; j < c; ++j) beta[j] = -y[i];
            dy[i] = dy[top] = 3e38f;
            d.act = NRM_RELU;
            a.beta = beta, a.dy = dy, a.dbeta = dbeta;
            check(nrm_forward(&d, &a) == NRM_OK && y[i] == 0, "y[%zu] is %g", i, (double)y[i]);
            check(nrm_backward(&d, &a) == NRM_OK, "backward");
            for (j = 0; j < c; ++j) sum += (double)dbeta[j];
            check(sum == (y[top] > 0 ? (double)3e38f : 0), "kind %d: dy[%zu] passes where y is 0",
                  (int)d.kind, i);
            dy[i] = dy[top] = 0;
        }
    group_end();
}

/* Gradients of rows whose dx is apart come from one walk, those in place from two; what does not
   fit float in the first is left to the second. Same bits. */
typedef struct walk {
    const char *what; /* how the first walk goes */
    size_t n, s, c;
} walk;

typedef struct walked {
    float *dx, *dgamma, *dbeta;
} walked;

static walked walked_new(const walk *w)
{
    const size_t all = w->n * w->s * w->c * sizeof(float);
    walked o;
    o.dx = (float *)test_alloc(all, 1);
    o.dgamma = (float *)test_alloc(w->c * sizeof(float), 1);
    o.dbeta = (float *)test_alloc(w->c * sizeof(float), 1);
    memset(o.dx, 0, all);
    return o;
}

static void walked_free(walked *o)
{
    free(o->dx);
    free(o->dgamma);
    free(o->dbeta);
}

/* way: 0 apart, 1 in place, 2 without dx */
static walked one_walk(const walk *w, nrm_kind kind, const float *x, const float *dy,
                       const float *gamma, int way, int accumulate)
{
    const size_t rows = w->n * w->s;
    double *mean = (double *)test_alloc(rows * sizeof(double), 1);
    double *rstd = (double *)test_alloc(rows * sizeof(double), 1);
    walked o = walked_new(w);
    nrm_desc d;
    nrm_args a;
    size_t i;
    for (i = 0; i < rows; ++i) mean[i] = 0, rstd[i] = 1;
    for (i = 0; i < w->c; ++i) o.dgamma[i] = o.dbeta[i] = 0.5f;
    memset(&d, 0, sizeof d);
    memset(&a, 0, sizeof a);
    d.kind = kind, d.layout = NRM_NHWC, d.n = w->n, d.c = w->c, d.s = w->s, d.eps = 1e-5;
    if (way == 1) memcpy(o.dx, dy, rows * w->c * sizeof(float));
    a.x = x, a.dy = way == 1 ? o.dx : dy, a.dx = way == 2 ? NULL : o.dx;
    a.gamma = gamma, a.mean = mean, a.rstd = rstd;
    a.dgamma = o.dgamma, a.dbeta = o.dbeta, a.accumulate = accumulate;
    check(nrm_backward(&d, &a) == NRM_OK, "%s: a status", w->what);
    free(mean);
    free(rstd);
    return o;
}

/* The first value of the fourth row and of the last one; all others are ordinary. */
typedef struct outlier {
    const char *what;
    float x, dy, gamma;
} outlier;

static void check_walks(const walk *w, const outlier *out, nrm_kind kind, int accumulate)
{
    const size_t all = w->n * w->s * w->c, bytes = w->c * sizeof(float);
    float *x = (float *)test_alloc(all * sizeof(float), 1);
    float *dy = (float *)test_alloc(all * sizeof(float), 1);
    float *gamma = (float *)test_alloc(bytes, 1);
    walked o[3];
    size_t i;
    for (i = 0; i < all; ++i) x[i] = (float)(i % 7) / 4 - 1, dy[i] = (float)(i % 5) - 2;
    for (i = 0; i < w->c; ++i) gamma[i] = 1;
    x[3 * w->c] = x[all - w->c] = out->x;
    dy[3 * w->c] = dy[all - w->c] = out->dy;
    gamma[0] = out->gamma;
    for (i = 0; i < 3; ++i) o[i] = one_walk(w, kind, x, dy, gamma, (int)i, accumulate);
    check(memcmp(o[0].dx, o[1].dx, all * sizeof(float)) == 0, "%s, %s: dx differs", w->what,
          out->what);
    for (i = 1; i < 3; ++i)
        check(memcmp(o[0].dgamma, o[i].dgamma, bytes) == 0 &&
                  memcmp(o[0].dbeta, o[i].dbeta, bytes) == 0,
              "%s, %s: dgamma or dbeta differs", w->what, out->what);
    for (i = 0; i < 3; ++i) walked_free(&o[i]);
    free(x);
    free(dy);
    free(gamma);
}

static void test_one_walk(void)
{
    static const walk walks[] = {
        {"a few rows", 20, 1, 4},
        {"one block of 8", 4, 1, 4},
        {"one block of 8, long rows", 4, 1, 1100},
        {"long rows, twice", 40, 1, 1100},
        {"several runs", 1100, 1, 4},
        {"blocks of 128, short rows", 2, 140, 4},
        {"blocks of 128, long rows", 1, 140, 200},
        {"blocks of 128, long rows, twice", 1, 40, 600},
        {"planes of several runs", 2, 1100, 4},
    };
    static const outlier outliers[] = {
        {"ordinary", 0.5f, 0.25f, 1.5f},
        {"sums of the row that are not finite", 1, 1e30f, 1e10f},
        {"dx that is not finite", 1e25f, 1e-15f, 1},
        {"dgamma that is not finite in float", 4, 3e38f, 1e-27f},
    };
    size_t w, k;
    int accumulate;
    group("gradients of rows in one walk and in two: the same bits");
    for (w = 0; w < sizeof walks / sizeof *walks; ++w)
        for (k = 0; k < sizeof outliers / sizeof *outliers; ++k)
            for (accumulate = 0; accumulate < 2; ++accumulate) {
                check_walks(&walks[w], &outliers[k], NRM_LAYER, accumulate);
                check_walks(&walks[w], &outliers[k], NRM_RMS, accumulate);
            }
    group_end();
}

static void test_known_rows(void)
{
    static const float at_40000[] = {40000, 40001, 40002, 40003};
    static const float at_80000[] = {80000, 80001, 80002, 80003};
    static const float huge[] = {1e20f, -1e20f, 3e19f, 0}, tiny[] = {1e-30f, -1e-30f, 3e-30f, 0};
    static const float root[] = {2e19f, 2e19f, -2e19f, 1e19f};
    static const double step[] = {-1.34163542, -0.44721181, 0.44721181, 1.34163542};
    static const double huge_y[] = {1.28662, -1.49526, 0.31296, -0.10432};
    static const double tiny_y[] = {0.16903, -1.18322, 1.52128, -0.50709};
    float y[4];
    int good;
    layer_row(at_40000, 1e-5, step, 4e-7, "layer norm of 40000 .. 40003");
    layer_row(at_80000, 1e-5, step, 4e-7, "layer norm of 80000 .. 80003");
    layer_row(huge, 1e-5, huge_y, 6e-6, "layer norm of 1e20, -1e20, 3e19, 0");
    layer_row(tiny, 0, tiny_y, 6e-6, "layer norm of 1e-30, -1e-30, 3e-30, 0, eps 0");
    good = nrm_rmsnorm(y, root, 1, 4, NULL, 1e-5) == NRM_OK;
    ok(good && fabs((double)y[0] - 1.10940) < 1e-5 && same_f32(y[0], y[1]) &&
           same_f32(y[2], -y[0]) && fabs((double)y[3] - 0.55470) < 1e-5,
       "RMS norm at 2e19 is finite: %.6f %.6f", (double)y[0], (double)y[3]);
}

static void test_known_running(void)
{
    static const float x[] = {1, 2, 3, 4};
    int population;
    for (population = 0; population < 2; ++population) {
        float y[4], running_mean = 0, running_var = 1;
        nrm_desc d = {0};
        nrm_args a = {0};
        double expected = population ? 1.025 : 1.066667;
        nrm_status status;
        d.n = 4;
        d.c = d.s = 1;
        a.x = x;
        a.y = y;
        a.running_mean = &running_mean;
        a.running_var = &running_var;
        a.running_rate = 0.1;
        a.running_population = population;
        status = nrm_forward(&d, &a);
        ok(status == NRM_OK && fabs((double)running_var - expected) < 1e-6 &&
               same_f32(running_mean, 0.25f),
           "1 2 3 4, rate 0.1, %s: running variance %.6f",
           population ? "population" : "unbiased", (double)running_var);
        a.running_rate = 0;
        ok(nrm_forward(&d, &a) == NRM_OK && fabs((double)running_var - expected) < 1e-6,
           "rate 0 keeps it");
        a.running_rate = 1;
        ok(nrm_forward(&d, &a) == NRM_OK && same_f32(running_mean, 2.5f) &&
               same_f32(running_var, population ? 1.25f : (float)(5.0 / 3)),
           "rate 1 replaces it");
    }
}

static void test_known_gradient(void)
{
    shape sh = {"", 1, 4, 1, 1};
    problem *p = problem_case(&sh, NRM_RMS, OPT_NO_GAMMA | OPT_NO_BETA, GEN_ZERO, GEN_ZERO, 1);
    const float *dx = floats(p->value[SLOT_DX]);
    p->d.eps = 1e-4;
    floats(p->value[SLOT_X])[0] = floats(p->value[SLOT_DY])[0] = 1;
    group("RMS backward of x = dy = 1 0 0 0, eps 1e-4: 7.9952e-4");
    check_oracle(p, NRM_NCHW);
    check(fabs((double)dx[0] - 7.99520e-4) < 1e-6 && dx[1] == 0 && dx[3] == 0,
          "dx is %g %g %g %g", (double)dx[0], (double)dx[1], (double)dx[2], (double)dx[3]);
    group_end();
    problem_free(p);
}

/* ---- 6 Relations that hold to the bit ------------------------------------------------------- */

static const gen_dist relation_dists[] = {GEN_NORMAL,      GEN_OFFSET_1E4, GEN_UNIFORM, GEN_BORDER,
                                          GEN_OUTLIER_ANY, GEN_OFFSET_1E6, GEN_SPARSE,  GEN_HUGE};

/* Calls `run` over shapes, kinds, layouts and distributions. */
typedef void relation(const shape *, nrm_kind, nrm_layout, gen_dist, uint64_t);

static void test_relation(relation *run, const char *what)
{
    size_t i, kind, layout;
    group("%s", what);
    for (kind = 0; kind < KINDS; ++kind)
        for (i = 0; i < COUNT_OF(small_shapes) + COUNT_OF(medium_shapes); ++i)
            for (layout = 0; layout < 2; ++layout) {
                const shape *sh = i < COUNT_OF(small_shapes)
                                      ? &small_shapes[i]
                                      : &medium_shapes[i - COUNT_OF(small_shapes)];
                run(sh, (nrm_kind)kind, layouts[layout],
                    relation_dists[next_seed % COUNT_OF(relation_dists)], next_seed);
                ++next_seed;
            }
    group_end();
}

/* The other layout, and a slice of a larger tensor, hold the same numbers: same bits. */
static void same_elsewhere(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                           uint64_t seed)
{
    nrm_layout other = layout == NRM_NCHW ? NRM_NHWC : NRM_NCHW;
    unsigned options = (unsigned)seed % 2 ? OPT_RELU | OPT_DSUM : OPT_RESIDUAL | OPT_PER_SAMPLE;
    problem *p = problem_case(sh, kind, options, dist, GEN_NORMAL, seed);
    problem *slice = problem_case(sh, kind, options | OPT_PITCH, dist, GEN_NORMAL, seed);
    setup s = case_setup(slice, NRM_AUTO, layout);
    both a = plain_both(p, layout), b = plain_both(p, other), c = both_of(slice, &s);
    check_same(&a, &b, p);
    check_same(&a, &c, slice);
    both_free(&a);
    both_free(&b);
    both_free(&c);
    problem_free(p);
    problem_free(slice);
}

/* y over x or residual, sum over the other; dx over x, dy or dsum, where x is that sum. */
static void same_in_place(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                          uint64_t seed)
{
    static const enum slot under[][3] = {{SLOT_X, SLOT_RESIDUAL, SLOT_DY},
                                         {SLOT_RESIDUAL, SLOT_X, SLOT_DSUM},
                                         {SLOT_X, SLOT_NONE, SLOT_X}};
    problem *p = problem_case(sh, kind, OPT_RESIDUAL | OPT_SUM | OPT_DSUM |
                              (seed % 3 ? 0u : OPT_PITCH), dist, GEN_NORMAL, seed);
    problem sum = *p;
    setup s = case_setup(p, NRM_AUTO, layout);
    both apart = both_of(p, &s), b;
    size_t way;
    sum.given &= ~GIVEN(SLOT_RESIDUAL);
    sum.value[SLOT_X] = apart.forward->value[SLOT_SUM];
    for (way = 0; way < 3; ++way) {
        s.y_is = under[way][0], s.sum_is = under[way][1], s.dx_is = under[way][2];
        b.forward = run(p, VERB_FORWARD, &s);
        b.backward = run(&sum, VERB_BACKWARD, &s);
        judge_call(p, b.forward, &s, NRM_OK);
        judge_call(p, b.backward, &s, NRM_OK);
        check_same(&apart, &b, p);
        both_free(&b);
    }
    both_free(&apart);
    problem_free(p);
}

/* -x gives -y and -dgamma, and the same dx: up to the sign of zero. */
static void same_negated(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                         uint64_t seed)
{
    static const struct { enum slot slot; int negated; } result[] = {
        {SLOT_Y, 1}, {SLOT_DX, 0}, {SLOT_DGAMMA, 1}, {SLOT_DBETA, 0}};
    problem *p = problem_case(sh, kind, OPT_NO_BETA, dist, GEN_NORMAL, seed);
    both a = plain_both(p, layout), b;
    size_t i, j, wrong = 0;
    for (i = 0; i < problem_volume(&p->d); ++i)
        floats(p->value[SLOT_X])[i] = -floats(p->value[SLOT_X])[i];
    b = plain_both(p, layout);
    for (i = 0; i < COUNT_OF(result); ++i) {
        enum slot slot = result[i].slot;
        const float *v = floats((slot == SLOT_Y ? a.forward : a.backward)->value[slot]);
        const float *w = floats((slot == SLOT_Y ? b.forward : b.backward)->value[slot]);
        for (j = 0; j < slot_count(&p->d, slot); ++j)
            wrong += v[j] != (result[i].negated ? -w[j] : w[j]);
    }
    check(wrong == 0, "%zu values (%s)", wrong, problem_text(p));
    both_free(&a);
    both_free(&b);
    problem_free(p);
}

/* 2^k x with 4^k eps: the same y, dgamma and dbeta, and 2^-k dx. */
static void same_scaled(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                        uint64_t seed)
{
    static const float scales[] = {0.5f, 2, 0x1p-9f, 0x1p8f};
    problem *p = problem_case(sh, kind, 0, dist, GEN_NORMAL, seed);
    float scale = scales[gen_below(&p->g, COUNT_OF(scales))], *x = floats(p->value[SLOT_X]);
    size_t i, count = problem_volume(&p->d), stats = problem_stats(&p->d), wrong = 0;
    both a, b;
    difference at;
    if (dist == GEN_HUGE)
        for (i = 0; i < count; ++i) x[i] *= 0x1p-100f; /* to leave room */
    p->d.eps = 0x1p-17;
    a = plain_both(p, layout);
    p->d.eps *= (double)scale * (double)scale;
    for (i = 0; i < count; ++i) x[i] *= scale;
    b = plain_both(p, layout);
    for (i = 0; i < count; ++i) floats(b.backward->value[SLOT_DX])[i] *= scale;
    for (i = 0; i < stats; ++i)
        wrong += !same_f64(doubles(a.forward->value[SLOT_RSTD])[i],
                           doubles(b.forward->value[SLOT_RSTD])[i] * (double)scale);
    wrong += !same_bits_f32(floats(a.forward->value[SLOT_Y]), floats(b.forward->value[SLOT_Y]),
                            count);
    check(wrong == 0, "y or %zu rstd (%s, times %g)", wrong, problem_text(p), (double)scale);
    check(same_outcome(a.backward, b.backward, &at),
          "gradients (%s, times %g)", problem_text(p), (double)scale);
    both_free(&a);
    both_free(&b);
    problem_free(p);
}

/* 1 when the outputs of one sample are its share of those of all samples. */
static int same_share(const outcome *all, const outcome *one, enum slot slot, size_t sample)
{
    size_t size = slot_size(&all->d, slot), count = one->count[slot];
    return !one->value[slot] ||
           type_diff(slot_type(&all->d, slot), one->value[slot],
                     (unsigned char *)all->value[slot] + sample * count * size, count) == count;
}

/* One sample alone gives what it gives among others, wherever it stands. */
static void same_alone(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                       uint64_t seed)
{
    problem *p, *one;
    size_t sample;
    both a, b;
    if (kind == NRM_BATCH) return; /* the one kind whose samples share statistics */
    p = problem_case(sh, kind, seed % 2 ? OPT_RESIDUAL : OPT_RELU, dist, GEN_NORMAL, seed);
    sample = gen_below(&p->g, sh->n);
    a = plain_both(p, layout);
    one = problem_share(p, sample, 1);
    b = plain_both(one, layout);
    check(same_share(a.forward, b.forward, SLOT_Y, sample) &&
              same_share(a.backward, b.backward, SLOT_DX, sample) &&
              same_share(a.forward, b.forward, SLOT_MEAN, sample) &&
              same_share(a.forward, b.forward, SLOT_RSTD, sample),
          "sample %zu (%s)", sample, problem_text(p));
    both_free(&a);
    both_free(&b);
    problem_free(one);
    problem_free(p);
}

/* beta NULL is beta of zeros, gamma NULL is ones, residual given is x + residual summed before;
   gamma_offset is gamma + offset; accumulating on zeros is overwriting. */
static void same_written_otherwise(const shape *sh, nrm_kind kind, nrm_layout layout,
                                   gen_dist dist, uint64_t seed)
{
    problem *p = problem_case(sh, kind, OPT_NO_GAMMA | OPT_NO_BETA | OPT_RESIDUAL | OPT_SUM, dist,
                              GEN_NORMAL, seed);
    both a = plain_both(p, layout), b;
    size_t i, affines = slot_count(&p->d, SLOT_GAMMA), at = seed % 2;
    for (i = 0; i < affines; ++i) {
        floats(p->value[SLOT_GAMMA])[i] = 1 - (float)at * 0.5f;
        floats(p->value[SLOT_BETA])[i] = 0;
        floats(p->value[SLOT_DGAMMA])[i] = floats(p->value[SLOT_DBETA])[i] = 0;
    }
    p->d.gamma_offset = (double)at * 0.5;
    memcpy(p->value[SLOT_X], a.forward->value[SLOT_SUM], problem_volume(&p->d) * sizeof(float));
    p->given |= GIVEN(SLOT_GAMMA) | GIVEN(SLOT_BETA);
    p->given &= ~GIVEN(SLOT_RESIDUAL);
    p->accumulate = 1;
    b = plain_both(p, layout);
    check_same(&a, &b, p);
    both_free(&a);
    both_free(&b);
    problem_free(p);
}

/* NRM_RELU changes y after everything else, and dy before. */
static void same_relu(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                      uint64_t seed)
{
    problem *p = problem_case(sh, kind, OPT_DSUM, dist, GEN_NORMAL, seed);
    both a = plain_both(p, layout), b, c;
    const float *y = floats(a.forward->value[SLOT_Y]);
    size_t i, wrong = 0;
    difference at;
    int same;
    p->d.act = NRM_RELU;
    b = plain_both(p, layout);
    for (i = 0; i < problem_volume(&p->d); ++i) {
        wrong += !same_f32(floats(b.forward->value[SLOT_Y])[i], y[i] > 0 ? y[i] : 0.0f);
        if (!(y[i] > 0)) floats(p->value[SLOT_DY])[i] = 0;
    }
    check(wrong == 0, "%zu values of y (%s)", wrong, problem_text(p));
    p->d.act = NRM_IDENTITY;
    c = plain_both(p, layout);
    same = same_outcome(b.backward, c.backward, &at);
    check(same, "%s[%zu] (%s)", slot_name[at.slot], at.index, problem_text(p));
    both_free(&a);
    both_free(&b);
    both_free(&c);
    problem_free(p);
}

/* One channel per group is instance norm; one group is the norm over an image. */
static void same_groups(const shape *sh, nrm_kind kind, nrm_layout layout, gen_dist dist,
                        uint64_t seed)
{
    problem *p;
    both a, b;
    if (kind != NRM_GROUP) return;
    p = problem_case(sh, NRM_INSTANCE, seed % 2 ? OPT_RELU : OPT_PER_SAMPLE, dist, GEN_NORMAL,
                     seed);
    a = plain_both(p, layout);
    p->d.kind = NRM_GROUP;
    p->d.groups = sh->c;
    b = plain_both(p, layout);
    check_same(&a, &b, p);
    both_free(&a);
    both_free(&b);
    problem_free(p);
    run_oracle(sh->n, sh->c, sh->s, 1, NRM_GROUP, layout, dist, GEN_NORMAL);
}

/* dgamma and dbeta asked for alone are what they are beside dx, in groups of more channels than
   are summed at once. */
static void same_params_alone(void)
{
    enum { CHANNELS = 600, VALUES = 2 * CHANNELS * 3 };
    static const nrm_layout layouts[] = {NRM_NCHW, NRM_NHWC};
    static float x[VALUES], y[VALUES], dy[VALUES], dx[VALUES], sums[4][CHANNELS];
    double mean[4], rstd[4];
    gen g = gen_seed(5);
    nrm_desc d;
    nrm_args a;
    size_t i;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    gen_fill(&g, GEN_NORMAL, x, VALUES), gen_fill(&g, GEN_NORMAL, dy, VALUES);
    d.kind = NRM_GROUP, d.n = 2, d.c = CHANNELS, d.s = 3, d.groups = 2, d.eps = 1e-5;
    a.x = x, a.y = y, a.dy = dy, a.mean = mean, a.rstd = rstd;
    group("dgamma and dbeta of large groups, without dx: the same bits");
    for (i = 0; i < 2; ++i) {
        d.layout = layouts[i], a.dx = dx, a.dgamma = sums[0], a.dbeta = sums[1];
        check(nrm_forward(&d, &a) == NRM_OK && nrm_backward(&d, &a) == NRM_OK, "with dx");
        a.dx = NULL, a.dgamma = sums[2], a.dbeta = sums[3];
        check(nrm_backward(&d, &a) == NRM_OK, "without");
        check(same_bits_f32(sums[0], sums[2], CHANNELS), "dgamma, layout %zu", i);
        check(same_bits_f32(sums[1], sums[3], CHANNELS), "dbeta, layout %zu", i);
    }
    group_end();
}

/* A gamma of 2^50 and an offset of 2^50 are both beyond float's part of the work. */
static void same_huge_offset(void)
{
    enum { ROWS = 3, COLS = 40 };
    static float x[ROWS * COLS], y[2][ROWS * COLS], gamma[2][COLS];
    static const nrm_kind kinds[] = {NRM_LAYER, NRM_RMS};
    gen g = gen_seed(6);
    nrm_desc d;
    nrm_args a;
    size_t i, j;
    gen_fill(&g, GEN_NORMAL, x, ROWS * COLS);
    for (i = 0; i < COLS; ++i) gamma[0][i] = 0, gamma[1][i] = 1125899906842624.0f;
    group("an offset of 2^50 is a gamma of 2^50: the same bits");
    for (i = 0; i < 2; ++i) {
        memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
        d.kind = kinds[i], d.layout = NRM_NHWC, d.n = ROWS, d.c = COLS, d.s = 1, d.eps = 1e-5;
        a.x = x;
        for (j = 0; j < 2; ++j) {
            d.gamma_offset = j ? 0 : 1125899906842624.0, a.gamma = gamma[j], a.y = y[j];
            check(nrm_forward(&d, &a) == NRM_OK, "status");
        }
        check(same_bits_f32(y[0], y[1], ROWS * COLS), "kind %zu", i);
    }
    group_end();
}

/* dy * gamma overflows in float, where dx does not: 1e32 and -1e32 at the mean, of rows that are
   summed and mapped by themselves. */
static void test_large_dy(void)
{
    float x[32], dy[32] = {0}, dx[32] = {0};
    double mean[2] = {0, 0}, rstd[2] = {1, 1};
    nrm_status status;
    nrm_desc d;
    nrm_args a;
    size_t i;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    for (i = 0; i < 32; ++i) x[i] = i % 16 < 2 ? 0.0f : i % 2 ? 1.0f : -1.0f;
    dy[0] = 1e32f, dy[1] = -1e32f;
    d.kind = NRM_INSTANCE, d.n = 1, d.c = 2, d.s = 16;
    a.x = x, a.dy = dy, a.dx = dx, a.mean = mean, a.rstd = rstd;
    status = nrm_backward(&d, &a);
    ok(status == NRM_OK && same_f32(dx[0], 1e32f) && same_f32(dx[1], -1e32f),
       "dx of a dy that overflows times 2^24: %g, %g", (double)dx[0], (double)dx[1]);
}

/* Where running_var + eps is beyond the largest double, its root is taken all the same. */
static void test_largest_eps(void)
{
    double x = 1e300, y = 0, mean = 0, var = 1e308;
    nrm_desc d;
    nrm_args a;
    if (!type_is_here(NRM_F64)) return;
    group("nrm_infer: running_var + eps overflows");
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_BATCH, d.n = d.c = 1, d.dtype = NRM_F64, d.eps = 1.7976931348623157e308;
    a.x = &x, a.y = &y, a.running_mean = &mean, a.running_var = &var;
    check(nrm_infer(&d, &a) == NRM_OK && y > 5.9786e145 && y < 5.97862e145, "y is %g", y);
    group_end();
}

int main(void)
{
    test_constants();
    test_largest_eps();
    test_ones();
    test_poison();
    test_poison_infer();
    test_nonfinite();
    test_empty();
    test_one_value();
    test_short_planes();
    test_pilot();
    test_pulled_pilot();
    test_cancelled_gradients();
    test_data();
    test_huge_gradients();
    test_mask_of_zero();
    test_one_walk();
    test_known_rows();
    test_known_running();
    test_known_gradient();
    test_relation(same_elsewhere, "both layouts and slices of larger tensors: the same bits");
    test_relation(same_in_place, "in place: the same bits");
    test_relation(same_negated, "-x: -y");
    test_relation(same_scaled, "2^k x with 4^k eps: the same y, 2^-k dx");
    test_relation(same_alone, "a sample alone and in a batch: the same bits");
    test_relation(same_written_otherwise, "defaults, sums and offsets written out: the same bits");
    test_relation(same_relu, "relu is max(y, 0), and a mask on dy: the same bits");
    test_relation(same_groups, "groups = c is instance norm to the bit, groups = 1 the image norm");
    same_params_alone();
    same_huge_offset();
    ref_print_table();
    test_large_dy();
    return done_testing();
}
