/* test_manual.c - the code that the manual shows: a batch that arrives in pieces, and a batch that
 * is normalised as several small ones. The lines between `quoted` and `end` are those of the
 * manual; tests/include/run.sh compares them.
 */
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"

#include <math.h>

enum { N = 24, C = 6, S = 50, SAMPLE = C * S, COUNT = N * SAMPLE, GHOSTS = 4, MOST = 5 };

typedef struct result {
    float y[COUNT], dx[COUNT], dgamma[C], dbeta[C], running_mean[C], running_var[C];
    double mean[GHOSTS * C], rstd[GHOSTS * C];
} result;

static float values[COUNT], gradient[COUNT], weight[C], bias[C];
static result whole, parted;

static nrm_desc describe(nrm_layout layout, size_t n)
{
    nrm_desc d;
    memset(&d, 0, sizeof d);
    d.kind = NRM_BATCH, d.layout = layout, d.n = n, d.c = C, d.s = S, d.eps = 1e-5;
    return d;
}

/* Running statistics are left out. */
static nrm_args point(result *r, size_t first)
{
    nrm_args a;
    memset(&a, 0, sizeof a), memset(r, 0, sizeof *r);
    a.x = values + first * SAMPLE, a.y = r->y + first * SAMPLE, a.gamma = weight, a.beta = bias;
    a.dy = gradient + first * SAMPLE, a.dx = r->dx + first * SAMPLE;
    a.mean = r->mean, a.rstd = r->rstd, a.dgamma = r->dgamma, a.dbeta = r->dbeta;
    return a;
}

static void point_running(nrm_args *a, result *r)
{
    int j;
    for (j = 0; j < C; ++j) r->running_mean[j] = 0, r->running_var[j] = 1;
    a->running_mean = r->running_mean, a->running_var = r->running_var, a->running_rate = 0.1;
}

/* Forward and backward of `n` samples from the first on, as one batch. */
static void at_once(nrm_layout layout, size_t first, size_t n)
{
    nrm_desc d = describe(layout, n);
    nrm_args a = point(&whole, first);
    point_running(&a, &whole);
    check(nrm_forward(&d, &a) == NRM_OK && nrm_backward(&d, &a) == NRM_OK, "at once");
}

/* Within some units in the last place of `natural`, the size of what went into the values. */
static void near(const char *what, const float *a, const float *b, size_t count, double natural)
{
    double worst = 0;
    size_t i;
    for (i = 0; i < count; ++i) worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    check(worst <= 8 * 0x1p-23 * natural, "%s differs by %g of %g", what, worst, natural);
}

static void same(const char *what, const float *a, const float *b, size_t count)
{
    check(same_bits_f32(a, b, count), "%s has other bits", what);
}

/* ---- a batch that arrives in pieces ---------------------------------------------------------- */

/* Piece i has n[i] samples at x[i], y[i], dy[i] and dx[i]. */
static void forward_in_pieces(nrm_desc desc, nrm_args args, size_t pieces, const size_t *n,
                              const float *const *x, float *const *y)
{
    nrm_moments all[C], part[C];
    size_t i;
    memset(all, 0, sizeof all);
    /* quoted: pieces, forward */
    for (i = 0; i < pieces; i++, nrm_merge(all, part, C))
        desc.n = n[i], args.x = x[i], nrm_reduce(&desc, &args, part);
    for (i = 0; i < pieces; i++)
        desc.n = n[i], args.x = x[i], args.y = y[i], nrm_apply(&desc, &args, all);
    /* end */
    point_running(&args, &parted);
    desc.n = 0; /* no sample: only the running statistics move, once */
    check(nrm_apply(&desc, &args, all) == NRM_OK, "running statistics");
    check(all[0].count == N * S, "the merged count is %g", all[0].count);
}

static void backward_in_pieces(nrm_desc desc, nrm_args args, size_t pieces, const size_t *n,
                               const float *const *x, const float *const *dy, float *const *dx)
{
    nrm_sums all[C], part[C];
    size_t i;
    memset(all, 0, sizeof all);
    /* quoted: pieces, backward */
    args.accumulate = 1;
    for (i = 0; i < pieces; i++, nrm_merge_sums(all, part, C))
        desc.n = n[i], args.x = x[i], args.dy = dy[i], nrm_backward_reduce(&desc, &args, part);
    for (i = 0; i < pieces; i++, nrm_backward_apply(&desc, &args, all))
        desc.n = n[i], args.x = x[i], args.dy = dy[i], args.dx = dx[i];
    /* end */
    for (i = 0; i < C; ++i) {
        float dgamma = (float)all[i].dy_xhat, dbeta = (float)all[i].dy;
        near("dgamma of the sums", &dgamma, parted.dgamma + i, 1, N * S);
        near("dbeta of the sums", &dbeta, parted.dbeta + i, 1, N * S);
    }
}

static void test_pieces(void)
{
    static const size_t cut[][MOST] = {{24}, {12, 12}, {1, 23}, {8, 0, 16}, {5, 5, 5, 5, 4}};
    const float *x[MOST], *dy[MOST];
    float *y[MOST], *dx[MOST];
    size_t i, k, at;
    int layout;
    group("a batch that arrives in pieces");
    for (layout = 0; layout < 2; ++layout)
        for (i = 0; i < sizeof cut / sizeof *cut; ++i) {
            const nrm_desc d = describe((nrm_layout)layout, N);
            const nrm_args a = point(&parted, 0);
            for (k = at = 0; k < MOST; at += cut[i][k++] * SAMPLE)
                x[k] = values + at, y[k] = parted.y + at, dy[k] = gradient + at,
                dx[k] = parted.dx + at;
            at_once((nrm_layout)layout, 0, N);
            forward_in_pieces(d, a, MOST, cut[i], x, y);
            backward_in_pieces(d, a, MOST, cut[i], x, dy, dx);
            near("y", parted.y, whole.y, COUNT, 10);
            near("dx", parted.dx, whole.dx, COUNT, 10);
            near("dgamma", parted.dgamma, whole.dgamma, C, N * S);
            near("dbeta", parted.dbeta, whole.dbeta, C, N * S);
            near("running mean", parted.running_mean, whole.running_mean, C, 10);
            near("running variance", parted.running_var, whole.running_var, C, 10);
            if (cut[i][0] < N) continue;
            same("y of one piece", parted.y, whole.y, COUNT);
            same("dx of one piece", parted.dx, whole.dx, COUNT);
            same("running mean of one piece", parted.running_mean, whole.running_mean, C);
        }
    group_end();
}

/* ---- ghost batches --------------------------------------------------------------------------- */

static void forward_ghosts(nrm_desc desc, nrm_args args, const float *x, float *y, double *mean,
                           double *rstd)
{
    size_t i, step = N / GHOSTS * SAMPLE;
    /* quoted: ghost batches, forward */
    for (i = 0, desc.n = N / GHOSTS; i < GHOSTS; i++) {
        args.x = x + i * step, args.y = y + i * step;
        args.mean = mean + i * C, args.rstd = rstd + i * C;
        nrm_forward(&desc, &args);
    }
    /* end */
}

static void backward_ghosts(nrm_desc desc, nrm_args args, const float *x, const float *dy,
                            float *dx, double *mean, double *rstd)
{
    size_t i, step = N / GHOSTS * SAMPLE;
    for (i = 0, desc.n = N / GHOSTS; i < GHOSTS; i++, args.accumulate = 1) {
        args.x = x + i * step, args.dy = dy + i * step, args.dx = dx + i * step;
        args.mean = mean + i * C, args.rstd = rstd + i * C;
        nrm_backward(&desc, &args);
    }
}

static void test_ghosts(void)
{
    const size_t n = N / GHOSTS, count = n * SAMPLE;
    size_t i, j;
    int layout;
    group("ghost batches");
    for (layout = 0; layout < 2; ++layout) {
        const nrm_desc d = describe((nrm_layout)layout, N);
        nrm_args a = point(&parted, 0);
        double dgamma[C] = {0}, dbeta[C] = {0};
        point_running(&a, &parted);
        forward_ghosts(d, a, values, parted.y, parted.mean, parted.rstd);
        backward_ghosts(d, a, values, gradient, parted.dx, parted.mean, parted.rstd);
        for (i = 0; i < GHOSTS; ++i) {
            const size_t at = i * count;
            at_once((nrm_layout)layout, i * n, n);
            same("y of a ghost batch", parted.y + at, whole.y + at, count);
            same("dx of a ghost batch", parted.dx + at, whole.dx + at, count);
            check(same_bits_f64(parted.mean + i * C, whole.mean, C), "means of a ghost batch");
            for (j = 0; j < C; ++j)
                dgamma[j] += (double)whole.dgamma[j], dbeta[j] += (double)whole.dbeta[j];
        }
        for (j = 0; j < C; ++j) {
            float sums[2];
            sums[0] = (float)dgamma[j], sums[1] = (float)dbeta[j];
            near("dgamma of all ghost batches", parted.dgamma + j, &sums[0], 1, N * S);
            near("dbeta of all ghost batches", parted.dbeta + j, &sums[1], 1, N * S);
        }
    }
    group_end();
}

int main(void)
{
    gen g = gen_seed(8);
    gen_fill(&g, GEN_OFFSET_1E2, values, COUNT);
    gen_fill(&g, GEN_NORMAL, gradient, COUNT);
    gen_fill(&g, GEN_NORMAL, weight, C);
    gen_fill(&g, GEN_NORMAL, bias, C);
    test_pieces();
    test_ghosts();
    return done_testing();
}
