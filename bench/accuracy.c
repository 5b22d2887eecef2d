/* accuracy.c - how far normalize.h, oneDNN, onnxruntime, PyTorch, ggml and the formula of the
 * textbook are from the exact result, on the same input: the figures of docs/ACCURACY.md and its
 * chart.
 *
 *     make accuracy                          everything, and the report by bench/accuracy.pl
 *     build/bench/accuracy [--only TEXT] [--peers onednn,torch,...]
 *
 * Exact is the long double oracle of tests/support/ref.h. The unit of an error is 4 * 2^-23 of the
 * natural scale of each single result, of dx 6 * 2^-23: |g| * (1 + |xhat|) + |b| for y, and so on.
 * It is the limit that drawn data stay below (REF_ORDINARY_*, ref.h), not the bound that is proven
 * for all inputs, which is larger: so that ours has to be within 1, and the figures of all versions
 * compare. 2^21 is an error as large as the result. The worst result of a call counts, in backward
 * that of dx, dgamma and dbeta.
 * Where a library knows several ways to one result, its most accurate one counts. NaN or Inf stands
 * where a finite number is right.
 *
 * All peers get float data, eps and running statistics as ours does, and run on one thread. Their
 * backward pass takes the statistics of their own forward pass, as in training.
 *
 * build/bench/accuracy.txt gets a line for each figure, and one for the worst of ours of each
 * result, in units of 2^-23, of doubles 2^-52. The exit status is 1 if ours is above its limit or
 * differs between layouts; the failures are printed.
 */
#include "../normalize.h"
#include "peers.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REF_ORDINARY /* ref.h: the tighter limit, of drawn data */
#include "../tests/support/test.h"
#include "../tests/support/gen.h"
#include "../tests/support/ref.h"
#include "textbook.h"

#define COLUMNS_FILE "build/bench/accuracy.txt" /* from the top of the tree */

/* ---- Cases --------------------------------------------------------------------------------- */

/* Beyond those of gen.h: N(0, 1), but the values that the library samples for its pilot
   (NUMERICS, "Pilot") lie about as far from the mean as they may without a second reading. */
#define MISLED GEN_DISTS

/* What is normalised. */
enum size { USUAL, SHORT, LONG, SIZES };

static const struct shape {
    size_t n, c, h, w, groups;
} shapes[5][SIZES] = {
    {{8, 16, 56, 56, 0}, {4, 1024, 4, 4, 0}, {16, 4, 128, 128, 0}},  /* batch    */
    {{1, 4096, 8, 8, 0}, {1, 24, 64, 64, 0}, {1, 262144, 2, 2, 0}},  /* layer    */
    {{4, 16, 64, 64, 0}, {8, 256, 5, 5, 0}, {2, 2, 512, 512, 0}},    /* instance */
    {{4, 64, 32, 32, 8}, {8, 128, 4, 4, 32}, {2, 8, 256, 256, 2}},   /* group    */
    {{1, 4096, 8, 8, 0}, {1, 24, 64, 64, 0}, {1, 262144, 2, 2, 0}},  /* RMS      */
};

static const char *const size_name[] = {"", ", short", ", long"};

/* Where results are small, eps would hide the errors: there it is smaller than usual, or 0. */
static const struct input {
    const char *name;
    gen_dist x, dy;
    float eps;
    enum size size;
    const char *about;
} inputs_of_x[] = {
    {"N(0, 1)", GEN_NORMAL, GEN_NORMAL, 1e-5f, USUAL, "ordinary data"},
    {"N(0, 1), short", GEN_NORMAL, GEN_NORMAL, 1e-5f, SHORT, "groups of 24 to 64 values"},
    {"N(0, 1), long", GEN_NORMAL, GEN_NORMAL, 1e-5f, LONG, "groups of 262,144 values"},
    {"mean 100", GEN_OFFSET_1E2, GEN_NORMAL, 1e-5f, USUAL, "N(0, 1) + 100"},
    {"mean 1e4", GEN_OFFSET_1E4, GEN_NORMAL, 1e-5f, USUAL, "N(0, 1) + 1e4"},
    {"mean 1e6", GEN_OFFSET_1E6, GEN_NORMAL, 1e-5f, USUAL, "N(0, 1) + 1e6"},
    {"mean 1e7", GEN_OFFSET_1E7, GEN_NORMAL, 1e-5f, USUAL, "N(0, 1) + 1e7: whole numbers"},
    {"1e6 +- 1 ulp", GEN_ULPS, GEN_NORMAL, 1e-5f, USUAL, "1e6 and the floats beside it"},
    {"1e-3 +- 1e-6", GEN_NARROW, GEN_NORMAL, 1e-12f, USUAL, "small variance beside the mean"},
    {"all equal", GEN_CONSTANT, GEN_NORMAL, 1e-5f, USUAL,
     "each group one of 0.1, 100.1, 1e7 + 1, 3.3e10"},
    {"nine in ten 0", GEN_SPARSE, GEN_NORMAL, 1e-5f, USUAL, "as after ReLU"},
    {"an outlier", GEN_OUTLIER_ANY, GEN_NORMAL, 1e-5f, USUAL,
     "N(0, 1), one value in each group 1e6"},
    {"misled pilot", MISLED, GEN_NORMAL, 1e-5f, USUAL, "N(0, 1), made to be hard for normalize.h"},
    {"dark border", GEN_BORDER, GEN_NORMAL, 1e-5f, USUAL, "10 +- 0.01 with zeros around"},
    {"+-1e30", GEN_SIGN_1E30, GEN_NORMAL, 1e-5f, USUAL, "the squares overflow"},
    {"up to 3e38", GEN_HUGE, GEN_NORMAL, 1e-5f, USUAL, "uniform: sums overflow, too"},
    {"+-3e38", GEN_SIGN_3E38, GEN_NORMAL, 1e-5f, USUAL, "near the largest float"},
    {"1e-38", GEN_SMALL, GEN_NORMAL, 0, USUAL, "N(0, 1) * 1e-38: the squares vanish"},
    {"1e-40", GEN_DENORMAL, GEN_NORMAL, 0, USUAL, "N(0, 1) * 1e-40: denormals"},
    {"2^-60 to 2^60", GEN_MIXED, GEN_NORMAL, 1e-5f, USUAL, "signs and exponents at random"},
    {"any finite", GEN_ANY_FINITE, GEN_NORMAL, 1e-5f, USUAL, "bits at random"},
    {"dy up to 3e38", GEN_NORMAL, GEN_HUGE, 1e-5f, USUAL, "gradients, beside x of N(0, 1)"},
    {"dy 1e-40", GEN_NORMAL, GEN_DENORMAL, 1e-5f, USUAL, "gradients, beside x of N(0, 1)"},
};

enum { INPUTS = sizeof inputs_of_x / sizeof *inputs_of_x };

enum result { Y, INFERRED, DX, DGAMMA, DBETA, RESULTS };

static const char *const result_name[] = {"y", "y", "dx", "dgamma", "dbeta"};

/* The worst of ours over all inputs, by what has a bound of its own. */
enum figure { OF_ROWS, OF_CHANNELS, OF_RMS, OF_DX, OF_DGAMMA, OF_DBETA, OF_DOUBLES, FIGURES };

static const char *const figure_name[FIGURES] = {"y of rows", "y of channels", "y of RMS", "dx",
                                                 "dgamma", "dbeta", "y of doubles"};

static long double worst_figure[FIGURES]; /* in e */

/* Results in the oracle's order. */
struct expected {
    size_t count;
    long double *exact, *bound;
};

/* One kind with one input. Index 0: NCHW, 1: NHWC. */
static struct {
    nrm_desc d; /* NCHW */
    const struct shape *shape;
    const struct input *input;
    size_t count, *place; /* where NHWC has the elements of NCHW */
    float *x[2], *dy[2], *gamma, *beta, *running_mean, *running_var;
    struct expected want[RESULTS];
} now;

static struct outputs ours[2], theirs;

static struct {
    const char *only, *names;
    const struct peer *peer[PEERS];
    int peers, skipped, calls, failed;
    long double worst; /* of ours */
    FILE *columns;
} run = {"", PEERS_ALL, {NULL}, 0, 0, 0, 0, 0, NULL};

static const char *kind_of(nrm_kind kind)
{
    return kind == NRM_RMS ? "RMS" : kind_name[kind];
}

static const char *pass_of(enum pass pass)
{
    return pass == BACKWARD            ? "backward"
           : pass == INFER             ? "inference"
           : now.d.kind == NRM_BATCH ? "training"
                                       : "forward";
}

/* ---- Data ---------------------------------------------------------------------------------- */

static float *floats(size_t count)
{
    return (float *)peers_get(count, sizeof(float));
}

/* Each statistics group is a vector of the distribution. The constants leave out the 3e38 that
   gen.h has among them: that its sum overflows is another matter. */
static void fill(gen *g, gen_dist dist, float *x)
{
    static const float constant[] = {0.1f, 100.1f, 1e7f + 1, 3.3e10f};
    const nrm_desc *d = &now.d;
    size_t stats = ref_stats(d), m = ref_group_size(d), i, j, k, q;
    size_t *used = (size_t *)test_alloc(stats, sizeof *used);
    float *lists = floats(stats * m);
    for (q = 0; q < stats; ++q) {
        gen_fill(g, dist == MISLED ? GEN_NORMAL : dist, lists + q * m, m);
        for (i = 0; i < m && dist == GEN_CONSTANT; ++i) lists[q * m + i] = constant[q % 4];
        for (i = 0; i < 32 && dist == MISLED; ++i)
            lists[q * m + gen_pilot_place((unsigned)i, m)] = 0.68f;
    }
    REF_EACH(d, i, j, k) {
        q = ref_stat(d, i, j, k);
        x[ref_own(d, i, j, k)] = lists[q * m + used[q]++];
    }
    free(lists);
    free(used);
}

static float *in_nhwc(const float *x)
{
    float *to = floats(now.count);
    size_t e;
    for (e = 0; e < now.count; ++e) to[now.place[e]] = x[e];
    return to;
}

static void make_data(nrm_kind kind, const struct input *input)
{
    const struct shape *shape = &shapes[kind][input->size];
    gen g = gen_seed(1 + (uint64_t)kind);
    size_t i, j, k;
    memset(&now, 0, sizeof now);
    now.shape = shape, now.input = input;
    now.d.kind = kind, now.d.layout = NRM_NCHW, now.d.dtype = NRM_F32;
    now.d.n = shape->n, now.d.c = shape->c, now.d.s = shape->h * shape->w;
    now.d.groups = shape->groups, now.d.eps = (double)input->eps;
    now.count = now.d.n * now.d.c * now.d.s;
    now.place = (size_t *)test_alloc(now.count, sizeof *now.place);
    REF_EACH(&now.d, i, j, k)
        now.place[ref_own(&now.d, i, j, k)] = (i * now.d.s + k) * now.d.c + j;
    now.x[0] = floats(now.count), now.dy[0] = floats(now.count);
    fill(&g, input->x, now.x[0]);
    fill(&g, input->dy, now.dy[0]);
    now.x[1] = in_nhwc(now.x[0]), now.dy[1] = in_nhwc(now.dy[0]);
    now.gamma = floats(now.d.c), now.beta = floats(now.d.c);
    now.running_mean = floats(now.d.c), now.running_var = floats(now.d.c);
    for (j = 0; j < now.d.c; ++j) {
        now.gamma[j] = (float)(1 + 0.25 * gen_normal(&g));
        now.beta[j] = kind == NRM_RMS ? 0 : (float)(0.25 * gen_normal(&g));
    }
}

/* Where every result of all contenders goes: large enough for every case. */
static void make_outputs(void)
{
    struct outputs *all[] = {&ours[0], &ours[1], &theirs};
    size_t most = 0, channels = 0, i;
    for (i = 0; i < 5 * SIZES; ++i) {
        const struct shape *shape = &shapes[i / SIZES][i % SIZES];
        size_t count = shape->n * shape->c * shape->h * shape->w;
        if (count > most) most = count;
        if (shape->c > channels) channels = shape->c;
    }
    for (i = 0; i < 3; ++i) {
        all[i]->y = floats(most);
        all[i]->dgamma = floats(channels), all[i]->dbeta = floats(channels);
    }
}

/* ---- What is right ------------------------------------------------------------------------- */

static struct expected expect(size_t count)
{
    struct expected e;
    e.count = count;
    e.exact = (long double *)test_alloc(count, sizeof *e.exact);
    e.bound = (long double *)test_alloc(count, sizeof *e.bound);
    return e;
}

static struct expected expect_copy(const ref_real *exact, const ref_real *bound, size_t count)
{
    struct expected e = expect(count);
    memcpy(e.exact, exact, count * sizeof *exact);
    memcpy(e.bound, bound, count * sizeof *bound);
    return e;
}

static struct expected expect_y(const ref *r)
{
    struct expected want = expect(r->count);
    size_t i, j, k;
    REF_EACH(&r->d, i, j, k) {
        size_t e = ref_own(&r->d, i, j, k);
        want.exact[e] = ref_y(r, i, j, k);
        want.bound[e] = ref_y_bound(r, i, j, k);
    }
    return want;
}

/* Running statistics that fit the data, as far as float holds them and 1 / sqrt(var + eps) is
   defined for everyone. */
static void make_running(const ref *r)
{
    size_t j;
    for (j = 0; j < now.d.c; ++j) {
        long double var = r->var[j];
        if (var > (long double)FLT_MAX) var = (long double)FLT_MAX;
        if (!(now.d.eps > 0) && var < (long double)FLT_MIN) var = (long double)FLT_MIN;
        now.running_mean[j] = (float)r->mean[j];
        now.running_var[j] = (float)var;
    }
}

static void make_expected(void)
{
    nrm_args a;
    ref r;
    memset(&a, 0, sizeof a);
    a.x = now.x[0], a.dy = now.dy[0], a.gamma = now.gamma;
    a.beta = now.d.kind == NRM_RMS ? NULL : now.beta;
    r = ref_new(&now.d, &a);
    now.want[Y] = expect_y(&r);
    ref_backward(&r, &a, NULL, 0);
    now.want[DX] = expect_copy(r.dx, r.dx_bound, r.count);
    now.want[DGAMMA] = expect_copy(r.dgamma, r.dgamma_bound, r.affines);
    now.want[DBETA] = expect_copy(r.dbeta, r.dbeta_bound, r.affines);
    if (now.d.kind == NRM_BATCH) {
        make_running(&r);
        ref_use_running(&r, now.running_mean, now.running_var);
        now.want[INFERRED] = expect_y(&r);
    }
    ref_free(&r);
}

static void drop_case(void)
{
    float *all[] = {now.x[0],  now.x[1], now.dy[0],        now.dy[1],
                    now.gamma, now.beta, now.running_mean, now.running_var};
    size_t i;
    for (i = 0; i < sizeof all / sizeof *all; ++i) free(all[i]);
    for (i = 0; i < RESULTS; ++i) free(now.want[i].exact), free(now.want[i].bound);
    free(now.place);
}

/* ---- Comparing ----------------------------------------------------------------------------- */

/* The worst of a call. NaN is worse than Inf, and that than any number. What is no number where
   the right result overflows is only held against ours. */
struct score {
    size_t nans, infs, lost, at;
    enum result result;
    long double ratio, exact, bound;
    float got;
};

static void note_value(struct score *s, enum result result, size_t at, float got)
{
    const long double exact = now.want[result].exact[at], bound = now.want[result].bound[at];
    const int finite = ref_abs(exact) + bound < REF_OVERFLOW, nan = is_nan_f32(got);
    long double ratio = nan ? HUGE_VALL : ref_ratio(got, exact, bound);
    s->nans += (size_t)(nan && finite);
    s->lost += (size_t)(nan && !finite);
    s->infs += (size_t)(!nan && isinf(got) && finite);
    if ((nan && !finite) || !(ratio > s->ratio)) return;
    s->ratio = ratio, s->at = at, s->result = result;
    s->got = got, s->exact = exact, s->bound = bound;
}

/* `place` NULL: the results lie in the oracle's order. */
static void compare(struct score *s, enum result result, const float *got, const size_t *place)
{
    size_t e;
    for (e = 0; e < now.want[result].count; ++e)
        note_value(s, result, e, got[place ? place[e] : e]);
}

/* Of those whose bound is a normal number: half of 2^-149 is half of the smallest. */
static void enter_figure(enum figure figure, long double ratio, long double bound, long double unit)
{
    if (bound >= 0x1p-126L && ratio * unit > worst_figure[figure])
        worst_figure[figure] = ratio * unit;
}

static void enter_figures(enum result result, const float *got, const size_t *place)
{
    static const enum figure figure[RESULTS] = {OF_CHANNELS, OF_CHANNELS, OF_DX, OF_DGAMMA,
                                                OF_DBETA};
    static const long double unit[RESULTS] = {REF_ORDINARY_Y, REF_ORDINARY_Y, REF_ORDINARY_DX,
                                              REF_ORDINARY_DGAMMA, REF_ORDINARY_DBETA};
    enum figure of = figure[result];
    size_t e;
    if (of == OF_CHANNELS && now.d.kind == NRM_LAYER) of = OF_ROWS;
    if (of == OF_CHANNELS && now.d.kind == NRM_RMS) of = OF_RMS;
    for (e = 0; e < now.want[result].count; ++e) {
        const long double bound = now.want[result].bound[e];
        enter_figure(of, ref_ratio(got[place ? place[e] : e], now.want[result].exact[e], bound),
                     bound, unit[result]);
    }
}

static struct score compare_all(enum pass pass, const struct outputs *out, const size_t *place)
{
    struct score s;
    memset(&s, 0, sizeof s);
    s.ratio = -1;
    compare(&s, pass == BACKWARD ? DX : pass == INFER ? INFERRED : Y, out->y, place);
    if (pass != BACKWARD) return s;
    compare(&s, DGAMMA, out->dgamma, NULL);
    if (now.d.kind != NRM_RMS) compare(&s, DBETA, out->dbeta, NULL);
    return s;
}

static int is_better(const struct score *a, const struct score *b)
{
    if (!a->nans != !b->nans) return !a->nans;
    if (!a->infs != !b->infs) return !a->infs;
    return a->ratio < b->ratio;
}

static void record(enum pass pass, const char *layout, const char *who, const struct score *s)
{
    fprintf(run.columns, "%s\t%s\t%s\t%s\t%s\t", now.input->name, kind_of(now.d.kind),
            pass_of(pass), layout, who);
    if (s->nans) fprintf(run.columns, "NaN\n");
    else if (s->infs) fprintf(run.columns, "Inf\n");
    else fprintf(run.columns, "%.3Lg\n", s->ratio);
}

/* ---- Contenders ---------------------------------------------------------------------------- */

static nrm_args our_args(int nhwc, const struct outputs *out, double *mean, double *rstd)
{
    nrm_args a;
    memset(&a, 0, sizeof a);
    a.x = now.x[nhwc], a.y = out->y, a.gamma = now.gamma;
    a.beta = now.d.kind == NRM_RMS ? NULL : now.beta;
    a.mean = mean, a.rstd = rstd;
    return a;
}

static nrm_status our_call(enum pass pass, int nhwc)
{
    const struct outputs *out = &ours[nhwc];
    nrm_desc d = now.d;
    double *mean = (double *)test_alloc(ref_stats(&d), sizeof *mean);
    double *rstd = (double *)test_alloc(ref_stats(&d), sizeof *rstd);
    nrm_args a = our_args(nhwc, out, mean, rstd);
    nrm_status status;
    d.layout = nhwc ? NRM_NHWC : NRM_NCHW;
    if (pass == INFER) {
        a.mean = a.rstd = NULL;
        a.running_mean = now.running_mean, a.running_var = now.running_var;
        status = nrm_infer(&d, &a);
    } else {
        status = nrm_forward(&d, &a);
    }
    if (pass == BACKWARD && status == NRM_OK) {
        a.y = NULL, a.dy = now.dy[nhwc], a.dx = out->y;
        a.dgamma = out->dgamma, a.dbeta = out->dbeta;
        status = nrm_backward(&d, &a);
    }
    free(mean);
    free(rstd);
    return status;
}

static void fail(enum pass pass, const char *what)
{
    ++run.failed;
    printf("FAIL normalize.h, %s %s, %s: %s\n", kind_of(now.d.kind), pass_of(pass),
           now.input->name, what);
}

static void judge_ours(enum pass pass, int nhwc, const struct score *s)
{
    char text[200];
    ++run.calls;
    if (s->ratio > run.worst) run.worst = s->ratio;
    if (!s->nans && !s->infs && !s->lost && s->ratio <= 1) return;
    snprintf(text, sizeof text, "%s: %s[%zu] is %.9g, exact %.12Lg, limit %.3Lg; %zu NaN, %zu Inf",
             nhwc ? "NHWC" : "NCHW", result_name[s->result], s->at, (double)s->got, s->exact,
             s->bound, s->nans + s->lost, s->infs);
    fail(pass, text);
}

/* Both layouts: their bits are the same, or else it is a failure. */
static void enter_ours(enum pass pass)
{
    int nhwc;
    size_t e, differ = 0;
    for (nhwc = 0; nhwc < 2; ++nhwc) {
        struct score s;
        nrm_status status = our_call(pass, nhwc);
        if (status != NRM_OK) peers_die("normalize.h", nrm_status_string(status));
        s = compare_all(pass, &ours[nhwc], nhwc ? now.place : NULL);
        judge_ours(pass, nhwc, &s);
        record(pass, nhwc ? "NHWC" : "NCHW", "ours", &s);
    }
    enter_figures(pass == BACKWARD ? DX : pass == INFER ? INFERRED : Y, ours[0].y, NULL);
    if (pass == BACKWARD) enter_figures(DGAMMA, ours[0].dgamma, NULL);
    if (pass == BACKWARD && now.d.kind != NRM_RMS) enter_figures(DBETA, ours[0].dbeta, NULL);
    for (e = 0; e < now.count; ++e)
        differ += !same_f32(ours[0].y[e], ours[1].y[now.place[e]]);
    for (e = 0; e < now.d.c && pass == BACKWARD; ++e)
        differ += !same_f32(ours[0].dgamma[e], ours[1].dgamma[e]) ||
                  !same_f32(ours[0].dbeta[e], ours[1].dbeta[e]);
    if (differ) fail(pass, "NCHW and NHWC differ");
}

static void enter_textbook(enum pass pass, int one_pass)
{
    size_t stats = ref_stats(&now.d);
    float *scratch = floats(4 * stats);
    textbook t = {now.d,     one_pass,         now.x[0],        now.dy[0], now.gamma,
                  now.beta,  now.running_mean, now.running_var, theirs.y,  theirs.y,
                  theirs.dgamma, theirs.dbeta, NULL, NULL, NULL, NULL};
    struct score s;
    t.mean = scratch, t.rstd = scratch + stats, t.p = t.rstd + stats, t.q = t.p + stats;
    if (pass == INFER) textbook_infer(&t);
    else textbook_forward(&t);
    if (pass == BACKWARD) textbook_backward(&t);
    s = compare_all(pass, &theirs, NULL);
    record(pass, "NCHW", one_pass ? "one pass" : "two passes", &s);
    free(scratch);
}

/* To others the rows of a layer norm are a matrix, which lies as NHWC does. What oneDNN has as dx
   of RMS norm is not that of the formula (peer_onednn.c). */
static void enter_peer(enum pass pass, int nhwc, const struct peer *peer)
{
    const struct inputs in = {now.x[nhwc], now.dy[nhwc],     now.gamma,
                              now.beta,    now.running_mean, now.running_var, NULL};
    const int rows = now.d.kind == NRM_LAYER || now.d.kind == NRM_RMS;
    struct problem p;
    struct score best;
    int way, any = 0;
    memset(&p, 0, sizeof p);
    p.pass = pass, p.kind = now.d.kind, p.layout = nhwc ? NRM_NHWC : NRM_NCHW;
    p.groups = now.d.groups, p.n = now.d.n, p.c = now.d.c, p.eps = now.d.eps;
    p.h = now.shape->h, p.w = now.shape->w;
    if (rows && !nhwc) return;
    if (now.d.kind == NRM_RMS && pass == BACKWARD && !strcmp(peer->id, "onednn")) return;
    if (rows) p.n = now.d.s, p.h = p.w = 0;
    for (way = 0; way < PEERS_WAYS; ++way) {
        struct score s;
        void *call = peer->prepare(&p, &in, way);
        if (!call) continue;
        peer->run(call);
        peer->results(call, &theirs);
        peer->drop(call);
        s = compare_all(pass, &theirs, nhwc ? now.place : NULL);
        if (!any || is_better(&s, &best)) best = s;
        any = 1;
    }
    if (any) record(pass, nhwc ? "NHWC" : "NCHW", peer->name, &best);
}

/* ---- Doubles ------------------------------------------------------------------------------- */

/* The same distributions as doubles, ours alone, without gamma and beta. What rounding the mean to
   a double costs is counted apart in the bound, and not here. */
static void enter_doubles(nrm_kind kind, const struct input *input)
{
    const nrm_desc *d = &now.d;
    const size_t stats = ref_stats(d), m = ref_group_size(d);
    gen g = gen_seed(1 + (uint64_t)kind);
    double *lists = (double *)test_alloc(stats * m, sizeof *lists);
    double *x = (double *)test_alloc(stats * m, sizeof *x);
    double *y = (double *)test_alloc(stats * m, sizeof *y);
    size_t *used = (size_t *)test_alloc(stats, sizeof *used), i, j, k, q;
    nrm_args a;
    ref r;
    for (q = 0; q < stats; ++q)
        gen_fill_f64(&g, input->x == MISLED ? GEN_NORMAL : input->x, lists + q * m, m);
    REF_EACH(d, i, j, k) {
        q = ref_stat(d, i, j, k);
        x[ref_own(d, i, j, k)] = lists[q * m + used[q]++];
    }
    memset(&a, 0, sizeof a);
    a.x = x, a.y = y;
    now.d.dtype = NRM_F64;
    r = ref_new(&now.d, &a);
    if (nrm_forward(&now.d, &a) != NRM_OK) fail(FORWARD, "doubles: not NRM_OK");
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k);
        const long double lost = ref_xhat_error(&r, ref_stat(d, i, j, k));
        const long double error = ref_abs(y[e] - ref_y(&r, i, j, k)) - lost;
        const long double scale = r.p.e * (1 + ref_abs(ref_xhat(&r, i, j, k)));
        enter_figure(OF_DOUBLES, error / scale, 1, 1);
    }
    now.d.dtype = NRM_F32;
    ref_free(&r);
    free(lists), free(x), free(y), free(used);
}

/* ---- Main ---------------------------------------------------------------------------------- */

static void run_pass(enum pass pass)
{
    int i, nhwc;
    enter_ours(pass);
    for (i = 0; i < run.peers; ++i)
        for (nhwc = 0; nhwc < 2; ++nhwc) enter_peer(pass, nhwc, run.peer[i]);
    enter_textbook(pass, 0);
    if (now.d.kind != NRM_RMS) enter_textbook(pass, 1); /* there is no mean to subtract */
}

static void run_case(nrm_kind kind, const struct input *input)
{
    make_data(kind, input);
    make_expected();
    if (input->dy == GEN_NORMAL) {
        run_pass(FORWARD);
        if (kind == NRM_BATCH) run_pass(INFER);
    }
    run_pass(BACKWARD);
    if (input->size == USUAL && input->dy == GEN_NORMAL && input->x != GEN_DENORMAL)
        enter_doubles(kind, input); /* deviations of denormals are not promised */
    drop_case();
}

static void start(void)
{
    int i, k;
    run.columns = fopen(COLUMNS_FILE, "w");
    if (!run.columns) peers_die(COLUMNS_FILE, "cannot be written; run from the top of the tree");
    run.peers = peers_load(run.names, run.peer, &run.skipped);
    fprintf(run.columns, "# version\tnormalize.h\t%d.%d.%d, %s\n", NRM_VERSION_MAJOR,
            NRM_VERSION_MINOR, NRM_VERSION_PATCH, nrm_isa_name(nrm_best_isa()));
    for (i = 0; i < run.peers; ++i)
        fprintf(run.columns, "# version\t%s\t%s\n", run.peer[i]->name,
                run.peer[i]->start(1, NRM_AUTO));
    for (i = 0; i < INPUTS; ++i)
        fprintf(run.columns, "# input\t%s\t%g\t%s\n", inputs_of_x[i].name,
                (double)inputs_of_x[i].eps, inputs_of_x[i].about);
    for (i = 0; i < 5; ++i)
        for (k = 0; k < SIZES; ++k) {
            const struct shape *s = &shapes[i][k];
            fprintf(run.columns, "# shape\t%s%s\t%zux%zux%zux%zu\t%zu\n", kind_of((nrm_kind)i),
                    size_name[k], s->n, s->c, s->h, s->w, s->groups);
        }
    make_outputs();
}

static void read_options(int argc, char **argv)
{
    int arg;
    for (arg = 1; arg < argc; arg += 2) {
        const char *name = argv[arg], *value = argv[arg + 1];
        if (!value) peers_die(name, "unknown, or its value is missing");
        if (!strcmp(name, "--only")) run.only = value;
        else if (!strcmp(name, "--peers")) run.names = value;
        else peers_die(name, "unknown: --only --peers");
    }
}

int main(int argc, char **argv)
{
    const char *strict = getenv("STRICT");
    size_t i, kind, cases = 0;
    read_options(argc, argv);
    start();
    for (i = 0; i < INPUTS; ++i)
        for (kind = 0; kind < 5 && strstr(inputs_of_x[i].name, run.only); ++kind, ++cases)
            run_case((nrm_kind)kind, &inputs_of_x[i]);
    if (!cases) peers_die(run.only, "no such input");
    for (i = 0; i < FIGURES; ++i)
        fprintf(run.columns, "# ordinary\t%s\t%.3Lg\n", figure_name[i], worst_figure[i]);
    if (fclose(run.columns)) peers_die(COLUMNS_FILE, "not written");
    printf("normalize.h: %d calls, worst error %.3Lf of the limit; %d failures\n", run.calls,
           run.worst, run.failed);
    if (run.skipped) printf("%d skipped\n", run.skipped);
    return run.failed || (run.skipped && strict && *strict && strcmp(strict, "0") != 0);
}
