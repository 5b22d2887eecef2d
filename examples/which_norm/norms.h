/* norms.h - a norm as a layer of a net, with what follows it: the skip connection that is added,
 * and ReLU. Also no norm, and dynamic tanh.
 */
#ifndef WHICH_NORMS_H
#define WHICH_NORMS_H

#include "layers.h"

/* With styles, gamma and beta have a row for each; style[n] is that of sample n. */
struct norm_layer {
    enum norm norm;
    int c, s, relu, styles;
    const int *style;
    struct piece gamma, beta, alpha;
    double *mean, *rstd;
    float *running_mean, *running_var;
    float *rows, *d_rows; /* gamma and beta, or their gradients, of each sample */
};

static inline void norm_new(struct norm_layer *l, struct params *p, enum norm norm, int c, int s,
                            int styles, int samples)
{
    size_t most = (size_t)samples * s + (size_t)samples * c;
    int i;
    memset(l, 0, sizeof *l);
    l->norm = norm, l->c = c, l->s = s, l->styles = styles, l->relu = 1;
    l->gamma = params_add(p, c * (styles ? styles : 1), 1, 0, NULL);
    l->beta = params_add(p, c * (styles ? styles : 1), 0, 0, NULL);
    if (norm == TANH) l->alpha = params_add(p, 1, 0.5f, 0, NULL);
    l->mean = get(most, sizeof(double)), l->rstd = get(most, sizeof(double));
    l->running_mean = floats((size_t)c), l->running_var = floats((size_t)c);
    for (i = 0; i < c; ++i) l->running_var[i] = 1;
    l->rows = floats(2 * (size_t)samples * c), l->d_rows = floats(2 * (size_t)samples * c);
}

static inline void norm_free(struct norm_layer *l)
{
    free(l->mean), free(l->rstd), free(l->running_mean), free(l->running_var);
    free(l->rows), free(l->d_rows);
}

/* ---- Without statistics ---------------------------------------------------------------------- */

/* Where the parameters of a sample begin. */
static inline int row_of(const struct norm_layer *l, int n)
{
    return l->styles ? l->style[n] * l->c : 0;
}

static inline void plain_forward(const struct norm_layer *l, float *y, const float *x,
                                 const float *add, int samples)
{
    int values = l->s * l->c, n, i;
    for (n = 0; n < samples; ++n, y += values, x += values) {
        const float *gamma = l->gamma.v + row_of(l, n), *beta = l->beta.v + row_of(l, n);
        for (i = 0; i < values; ++i) {
            float v = x[i];
            if (l->norm == TANH) v = tanhf(*l->alpha.v * v);
            if (l->norm == TANH || l->styles) v = v * gamma[i % l->c] + beta[i % l->c];
            if (add) v += add[n * values + i];
            y[i] = v > 0 || !l->relu ? v : 0;
        }
    }
}

/* dx may be dy. d_add may be NULL. y is what forward gave. */
static inline void plain_back(const struct norm_layer *l, float *dx, float *d_add,
                              const float *dy, const float *x, const float *y, int samples)
{
    int values = l->s * l->c, n, i;
    for (n = 0; n < samples; ++n, y += values, x += values, dx += values, dy += values) {
        int row = row_of(l, n);
        float *d_gamma = l->gamma.d + row, *d_beta = l->beta.d + row;
        for (i = 0; i < values; ++i) {
            int j = i % l->c;
            float d = l->relu && !(y[i] > 0) ? 0 : dy[i], t = x[i];
            if (d_add) d_add[n * values + i] = d;
            dx[i] = d;
            if (l->norm != TANH && !l->styles) continue;
            if (l->norm == TANH) t = tanhf(*l->alpha.v * x[i]);
            d_gamma[j] += d * t, d_beta[j] += d;
            d *= l->gamma.v[row + j];
            if (l->norm == TANH) {
                d *= 1 - t * t;
                *l->alpha.d += d * x[i];
                d *= *l->alpha.v;
            }
            dx[i] = d;
        }
    }
}

/* ---- With them ------------------------------------------------------------------------------- */

static inline nrm_desc describe(const struct norm_layer *l, int samples)
{
    static const nrm_kind kinds[NORMS] = {NRM_BATCH, NRM_BATCH, NRM_LAYER, NRM_INSTANCE,
                                          NRM_GROUP, NRM_RMS,   NRM_BATCH};
    nrm_desc d = {0};
    d.kind = kinds[l->norm];
    d.layout = NRM_NHWC;
    d.n = (size_t)samples;
    d.c = (size_t)l->c;
    d.s = (size_t)l->s;
    d.groups = 4;
    d.act = l->relu ? NRM_RELU : NRM_IDENTITY;
    d.eps = 1e-5;
    d.affine_per_sample = l->styles > 0;
    return d;
}

static inline nrm_args arguments(struct norm_layer *l, const float *x, const float *add,
                                 int samples)
{
    size_t row = (size_t)l->c * sizeof(float);
    nrm_args a = {0};
    int n;
    a.x = x, a.add = add;
    a.gamma = l->gamma.v, a.beta = l->beta.v;
    a.mean = l->mean, a.rstd = l->rstd;
    a.running_rate = RUNNING_RATE;
    if (!l->styles) return a;
    a.gamma = l->rows, a.beta = l->rows + samples * l->c;
    for (n = 0; n < samples; ++n) {
        memcpy(l->rows + n * l->c, l->gamma.v + row_of(l, n), row);
        memcpy(l->rows + (samples + n) * l->c, l->beta.v + row_of(l, n), row);
    }
    return a;
}

/* y = relu(norm(x) + add), with or without relu and add. */
static inline void norm_forward(struct norm_layer *l, float *y, const float *x, const float *add,
                                int samples, enum mode mode)
{
    nrm_desc d = describe(l, samples);
    nrm_args a = {0};
    if (l->norm == NONE || l->norm == TANH) {
        plain_forward(l, y, x, add, samples);
        return;
    }
    a = arguments(l, x, add, samples);
    a.y = y;
    if (l->norm == BATCH && mode != TEST_BY_BATCH) {
        a.running_mean = l->running_mean;
        a.running_var = l->running_var;
    }
    check(l->norm == BATCH && mode == INFER ? nrm_infer(&d, &a) : nrm_forward(&d, &a));
}

/* dx may be dy. d_add may be NULL. x, y and add are those of forward. */
static inline void norm_back(struct norm_layer *l, float *dx, float *d_add, const float *dy,
                             const float *x, const float *y, const float *add, int samples)
{
    nrm_desc d = describe(l, samples);
    nrm_args a = {0};
    int n, j, c = l->c;
    if (l->norm == NONE || l->norm == TANH) {
        plain_back(l, dx, d_add, dy, x, y, samples);
        return;
    }
    a = arguments(l, x, add, samples);
    a.dy = dy, a.dx = dx, a.dadd = d_add;
    a.dgamma = l->gamma.d, a.dbeta = l->beta.d;
    a.accumulate = 1;
    if (l->styles) a.dgamma = l->d_rows, a.dbeta = l->d_rows + samples * c, a.accumulate = 0;
    check(nrm_backward(&d, &a));
    for (n = 0; l->styles && n < samples; ++n)
        for (j = 0; j < c; ++j) {
            l->gamma.d[row_of(l, n) + j] += l->d_rows[n * c + j];
            l->beta.d[row_of(l, n) + j] += l->d_rows[(samples + n) * c + j];
        }
}

#endif
