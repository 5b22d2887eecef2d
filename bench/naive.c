/* naive.c - see naive.h. Compiled with -O3 -march=native -ffast-math, so that nothing is held back:
 * the compiler may reorder every sum here and use all that this machine has. NAIVE is the name of
 * the table that this compilation makes; with NAIVE_NONE, since the compiler or the processor has
 * not what it is for, an empty one.
 */
#include "naive.h"

#ifdef NAIVE_NONE
const naive_loops NAIVE = {NULL, NULL, NULL, NULL, NULL, NULL};
#else

#include <math.h>
#include <string.h>

/* ---- Passes that a fused call saves ---------------------------------------------------------- */

static void add(float *restrict out, const float *restrict a, const float *restrict b, size_t count)
{
    size_t i;
    for (i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

static void relu(float *out, const float *in, const float *unused, size_t count)
{
    size_t i;
    (void)unused;
    for (i = 0; i < count; ++i) out[i] = in[i] > 0 ? in[i] : 0;
}

static void mask(float *restrict out, const float *restrict dy, const float *restrict y,
                 size_t count)
{
    size_t i;
    for (i = 0; i < count; ++i) out[i] = y[i] > 0 ? dy[i] : 0;
}

/* ---- Lines: the values of a group are neighbours, or pieces that are ------------------------- */

/* Over `pieces` pieces of `len` values, `step` apart. */
static void line_moments(const float *x, size_t pieces, size_t step, size_t len, int centred,
                         float eps, float *mean, float *var, float *rstd)
{
    const float m = (float)(pieces * len);
    float sum = 0, squares = 0;
    size_t i, k;
    if (centred)
        for (i = 0; i < pieces; ++i)
            for (k = 0; k < len; ++k) sum += x[i * step + k];
    sum /= m;
    for (i = 0; i < pieces; ++i)
        for (k = 0; k < len; ++k) squares += (x[i * step + k] - sum) * (x[i * step + k] - sum);
    *mean = sum;
    *var = squares / m;
    *rstd = 1 / sqrtf(squares / m + eps);
}

static void line_apply(float *restrict y, const float *restrict x, size_t len, float mean,
                       float rstd, float gamma, float beta)
{
    size_t k;
    for (k = 0; k < len; ++k) y[k] = (x[k] - mean) * rstd * gamma + beta;
}

static void line_sums(const float *restrict x, const float *restrict dy, size_t len, float mean,
                      float rstd, float *p, float *q)
{
    float sum = 0, product = 0;
    size_t k;
    for (k = 0; k < len; ++k) {
        sum += dy[k];
        product += dy[k] * (x[k] - mean) * rstd;
    }
    *p += sum;
    *q += product;
}

static void line_gradient(float *restrict dx, const float *restrict x, const float *restrict dy,
                          size_t len, float mean, float rstd, float gamma, float p, float q)
{
    size_t k;
    for (k = 0; k < len; ++k) dx[k] = rstd * (dy[k] * gamma - p - (x[k] - mean) * rstd * q);
}

/* ---- Columns: the values of a group lie in every row of memory ------------------------------- */

/* Columns to groups of `per` neighbours: each column gets its group's sum over `count`. */
static void spread(float *v, size_t cols, size_t per, float count)
{
    size_t g, j;
    for (g = 0; g < cols; g += per) {
        float sum = 0;
        for (j = 0; j < per; ++j) sum += v[g + j];
        for (j = 0; j < per; ++j) v[g + j] = sum / count;
    }
}

static void column_moments(const float *restrict x, size_t rows, size_t cols, size_t per,
                           int centred, float *restrict mean, float *restrict var)
{
    size_t r, j;
    memset(mean, 0, cols * sizeof *mean);
    memset(var, 0, cols * sizeof *var);
    if (centred)
        for (r = 0; r < rows; ++r)
            for (j = 0; j < cols; ++j) mean[j] += x[r * cols + j];
    spread(mean, cols, per, (float)(rows * per));
    for (r = 0; r < rows; ++r)
        for (j = 0; j < cols; ++j) {
            const float d = x[r * cols + j] - mean[j];
            var[j] += d * d;
        }
    spread(var, cols, per, (float)(rows * per));
}

static void to_rstd(float *v, size_t count, float eps)
{
    size_t j;
    for (j = 0; j < count; ++j) v[j] = 1 / sqrtf(v[j] + eps);
}

static void column_apply(float *restrict y, const float *restrict x, size_t rows, size_t cols,
                         const float *restrict mean, const float *restrict rstd,
                         const float *restrict gamma, const float *restrict beta)
{
    size_t r, j;
    for (r = 0; r < rows; ++r)
        for (j = 0; j < cols; ++j)
            y[r * cols + j] = (x[r * cols + j] - mean[j]) * rstd[j] * gamma[j] + beta[j];
}

/* a is of one sample, or of the whole batch: rows * c values from x on. */
static void column_backward(const naive *a, const float *restrict x, const float *restrict dy,
                            float *restrict dx, size_t rows, size_t per, const float *restrict mean,
                            const float *restrict rstd)
{
    const size_t c = a->c;
    float *restrict p = a->p, *restrict q = a->q;
    const float *restrict gamma = a->gamma;
    size_t r, j;
    memset(p, 0, c * sizeof *p);
    memset(q, 0, c * sizeof *q);
    for (r = 0; r < rows; ++r)
        for (j = 0; j < c; ++j) {
            p[j] += dy[r * c + j];
            q[j] += dy[r * c + j] * (x[r * c + j] - mean[j]) * rstd[j];
        }
    for (j = 0; j < c; ++j) {
        a->dbeta[j] += p[j], a->dgamma[j] += q[j];
        p[j] *= gamma[j], q[j] *= gamma[j];
    }
    spread(p, c, per, (float)(rows * per));
    spread(q, c, per, (float)(rows * per));
    for (r = 0; r < rows; ++r)
        for (j = 0; j < c; ++j)
            dx[r * c + j] = rstd[j] * (dy[r * c + j] * gamma[j] - p[j] -
                                       (x[r * c + j] - mean[j]) * rstd[j] * q[j]);
}

/* ---- Batch norm ------------------------------------------------------------------------------ */

static void batch_forward(const naive *a)
{
    const size_t n = a->n, c = a->c, s = a->s;
    const float m = (float)(n * s);
    size_t i, j;
    if (a->layout == NRM_NHWC) column_moments(a->x, n * s, c, 1, 1, a->mean, a->rstd);
    for (j = 0; j < c; ++j) {
        float var = a->rstd[j];
        if (a->layout == NRM_NCHW)
            line_moments(a->x + j * s, n, c * s, s, 1, a->eps, &a->mean[j], &var, &a->rstd[j]);
        a->running_mean[j] += a->rate * (a->mean[j] - a->running_mean[j]);
        a->running_var[j] += a->rate * (var * m / (m - 1) - a->running_var[j]);
    }
    if (a->layout == NRM_NHWC) {
        to_rstd(a->rstd, c, a->eps);
        column_apply(a->y, a->x, n * s, c, a->mean, a->rstd, a->gamma, a->beta);
        return;
    }
    for (j = 0; j < c; ++j)
        for (i = 0; i < n; ++i)
            line_apply(a->y + (i * c + j) * s, a->x + (i * c + j) * s, s, a->mean[j], a->rstd[j],
                       a->gamma[j], a->beta[j]);
}

static void infer(const naive *a)
{
    size_t i, j;
    memcpy(a->rstd, a->running_var, a->c * sizeof(float));
    to_rstd(a->rstd, a->c, a->eps);
    if (a->layout == NRM_NHWC) {
        column_apply(a->y, a->x, a->n * a->s, a->c, a->running_mean, a->rstd, a->gamma, a->beta);
        return;
    }
    for (i = 0; i < a->n; ++i)
        for (j = 0; j < a->c; ++j)
            line_apply(a->y + (i * a->c + j) * a->s, a->x + (i * a->c + j) * a->s, a->s,
                       a->running_mean[j], a->rstd[j], a->gamma[j], a->beta[j]);
}

static void batch_backward(const naive *a)
{
    const size_t n = a->n, c = a->c, s = a->s;
    const float m = (float)(n * s);
    size_t i, j;
    if (a->layout == NRM_NHWC) {
        column_backward(a, a->x, a->dy, a->dx, n * s, 1, a->mean, a->rstd);
        return;
    }
    for (j = 0; j < c; ++j) {
        const float g = a->gamma[j];
        float p = 0, q = 0;
        for (i = 0; i < n; ++i)
            line_sums(a->x + (i * c + j) * s, a->dy + (i * c + j) * s, s, a->mean[j], a->rstd[j],
                      &p, &q);
        a->dbeta[j] = p, a->dgamma[j] = q;
        for (i = 0; i < n; ++i)
            line_gradient(a->dx + (i * c + j) * s, a->x + (i * c + j) * s, a->dy + (i * c + j) * s,
                          s, a->mean[j], a->rstd[j], g, g * p / m, g * q / m);
    }
}

/* ---- Group norm; instance norm has a group for each channel ---------------------------------- */

static void group_forward(const naive *a)
{
    const size_t c = a->c, s = a->s, per = c / a->groups;
    size_t i, j;
    for (i = 0; i < a->n; ++i) {
        const float *x = a->x + i * c * s;
        float *y = a->y + i * c * s, *mean = a->mean + i * c, *rstd = a->rstd + i * c, var;
        if (a->layout == NRM_NHWC) {
            column_moments(x, s, c, per, 1, mean, rstd);
            to_rstd(rstd, c, a->eps);
            column_apply(y, x, s, c, mean, rstd, a->gamma, a->beta);
            continue;
        }
        for (j = 0; j < c; ++j) {
            if (j % per == 0)
                line_moments(x + j * s, 1, 0, per * s, 1, a->eps, &mean[j], &var, &rstd[j]);
            else
                mean[j] = mean[j - 1], rstd[j] = rstd[j - 1];
            line_apply(y + j * s, x + j * s, s, mean[j], rstd[j], a->gamma[j], a->beta[j]);
        }
    }
}

static void group_backward(const naive *a)
{
    const size_t c = a->c, s = a->s, per = c / a->groups;
    const float m = (float)(per * s);
    size_t i, j, k;
    for (i = 0; i < a->n; ++i) {
        const float *x = a->x + i * c * s, *dy = a->dy + i * c * s;
        const float *mean = a->mean + i * c, *rstd = a->rstd + i * c;
        float *dx = a->dx + i * c * s;
        if (a->layout == NRM_NHWC) {
            column_backward(a, x, dy, dx, s, per, mean, rstd);
            continue;
        }
        for (j = 0; j < c; j += per) {
            float p = 0, q = 0;
            for (k = j; k < j + per; ++k) {
                float channel_p = 0, channel_q = 0;
                line_sums(x + k * s, dy + k * s, s, mean[j], rstd[j], &channel_p, &channel_q);
                a->dbeta[k] += channel_p, a->dgamma[k] += channel_q;
                p += a->gamma[k] * channel_p, q += a->gamma[k] * channel_q;
            }
            for (k = j; k < j + per; ++k)
                line_gradient(dx + k * s, x + k * s, dy + k * s, s, mean[j], rstd[j], a->gamma[k],
                              p / m, q / m);
        }
    }
}

/* ---- Layer and RMS norm ---------------------------------------------------------------------- */

static void row_forward(const float *restrict x, float *restrict y, const naive *a, float *mean,
                        float *rstd)
{
    const float *restrict gamma = a->gamma, *restrict beta = a->beta;
    float var;
    size_t j;
    line_moments(x, 1, 0, a->c, a->kind == NRM_LAYER, a->eps, mean, &var, rstd);
    if (a->kind == NRM_LAYER)
        for (j = 0; j < a->c; ++j) y[j] = (x[j] - *mean) * *rstd * gamma[j] + beta[j];
    else
        for (j = 0; j < a->c; ++j) y[j] = x[j] * *rstd * gamma[j];
}

static void layer_forward(const naive *a)
{
    const size_t n = a->n, c = a->c, s = a->s;
    size_t i, j;
    if (a->layout == NRM_NHWC || s == 1) {
        for (i = 0; i < n * s; ++i)
            row_forward(a->x + i * c, a->y + i * c, a, &a->mean[i], &a->rstd[i]);
        return;
    }
    for (i = 0; i < n; ++i) {
        const float *restrict x = a->x + i * c * s;
        float *restrict y = a->y + i * c * s, *mean = a->mean + i * s, *rstd = a->rstd + i * s;
        size_t k;
        column_moments(x, c, s, 1, a->kind == NRM_LAYER, mean, rstd);
        to_rstd(rstd, s, a->eps);
        for (j = 0; j < c; ++j)
            for (k = 0; k < s; ++k)
                y[j * s + k] =
                    (x[j * s + k] - mean[k]) * rstd[k] * a->gamma[j] + (a->beta ? a->beta[j] : 0);
    }
}

static void row_backward(const naive *a, size_t i)
{
    const size_t c = a->c;
    const float *restrict x = a->x + i * c, *restrict dy = a->dy + i * c;
    const float *restrict gamma = a->gamma, mean = a->mean[i], rstd = a->rstd[i];
    float *restrict dx = a->dx + i * c, *restrict dgamma = a->dgamma, *restrict dbeta = a->dbeta;
    float p = 0, q = 0;
    size_t j;
    for (j = 0; j < c; ++j) {
        const float xhat = (x[j] - mean) * rstd;
        p += dy[j] * gamma[j];
        q += dy[j] * gamma[j] * xhat;
        dgamma[j] += dy[j] * xhat;
    }
    if (a->kind == NRM_LAYER)
        for (j = 0; j < c; ++j) dbeta[j] += dy[j];
    p = a->kind == NRM_LAYER ? p / (float)c : 0;
    q /= (float)c;
    for (j = 0; j < c; ++j) dx[j] = rstd * (dy[j] * gamma[j] - p - (x[j] - mean) * rstd * q);
}

/* A sample in NCHW: positions are columns, channels rows. */
static void planes_backward(const naive *a, size_t i)
{
    const size_t c = a->c, s = a->s;
    const float *restrict x = a->x + i * c * s, *restrict dy = a->dy + i * c * s;
    const float *restrict mean = a->mean + i * s, *restrict rstd = a->rstd + i * s;
    float *restrict dx = a->dx + i * c * s, *restrict p = a->p, *restrict q = a->q;
    size_t j, k;
    memset(p, 0, s * sizeof *p);
    memset(q, 0, s * sizeof *q);
    for (j = 0; j < c; ++j) {
        float sum = 0, product = 0;
        for (k = 0; k < s; ++k) {
            const float d = dy[j * s + k], xhat = (x[j * s + k] - mean[k]) * rstd[k];
            sum += d, product += d * xhat;
            p[k] += d * a->gamma[j], q[k] += d * a->gamma[j] * xhat;
        }
        if (a->kind == NRM_LAYER) a->dbeta[j] += sum;
        a->dgamma[j] += product;
    }
    for (k = 0; k < s; ++k) {
        p[k] = a->kind == NRM_LAYER ? p[k] / (float)c : 0;
        q[k] /= (float)c;
    }
    for (j = 0; j < c; ++j)
        for (k = 0; k < s; ++k)
            dx[j * s + k] = rstd[k] * (dy[j * s + k] * a->gamma[j] - p[k] -
                                       (x[j * s + k] - mean[k]) * rstd[k] * q[k]);
}

/* ---- By kind --------------------------------------------------------------------------------- */

static void forward(const naive *a)
{
    switch (a->kind) {
    case NRM_BATCH: batch_forward(a); break;
    case NRM_LAYER:
    case NRM_RMS: layer_forward(a); break;
    default: group_forward(a);
    }
}

static void backward(const naive *a)
{
    size_t i;
    memset(a->dgamma, 0, a->c * sizeof(float));
    if (a->kind != NRM_RMS) memset(a->dbeta, 0, a->c * sizeof(float));
    if (a->kind == NRM_BATCH)
        batch_backward(a);
    else if (a->kind == NRM_INSTANCE || a->kind == NRM_GROUP)
        group_backward(a);
    else if (a->layout == NRM_NHWC || a->s == 1)
        for (i = 0; i < a->n * a->s; ++i) row_backward(a, i);
    else
        for (i = 0; i < a->n; ++i) planes_backward(a, i);
}

const naive_loops NAIVE = {forward, infer, backward, add, relu, mask};

#endif
