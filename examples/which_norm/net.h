/* net.h - three convolutions of 3x3, a norm and ReLU after each, and a linear layer. Channels are
 * neighbours in memory (NHWC).
 *
 * The norms and their gradients are normalize.h's; the rest is plain loops in a fixed order.
 */
#ifndef WHICH_NET_H
#define WHICH_NET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../normalize.h"
#include "glyphs.h"

enum norm { NONE, BATCH, LAYER, INSTANCE, GROUP, RMS, NORMS };
static const char *const norm_names[NORMS] = {"none",     "batch", "layer",
                                              "instance", "group", "rms"};

enum { STAGES = 3, WIDEST = 16, CLASSES = 10, FEATURES = 4 * 4 * WIDEST };
enum { HEAD = FEATURES * CLASSES + CLASSES };
#define RUNNING_RATE 0.05

struct stage {
    int in, out, side, stride; /* side: of the output */
    short reads[PIXELS * 9];   /* where each tap of each output reads, or -1 outside */
    float *weight, *bias, *gamma, *beta;
    float *d_weight, *d_bias, *d_gamma, *d_beta;
    float *x, *z, *y, *dz; /* in, after the convolution, out, and the gradient of z */
    double *mean, *rstd;
    float running_mean[WIDEST], running_var[WIDEST];
};

struct net {
    enum norm norm;
    int classes, params, biased; /* biased: the convolutions have a bias */
    float *value, *gradient, *speed; /* all parameters, in one piece each */
    float *head, *d_head;
    struct stage stage[STAGES];
    float *score; /* then its gradient */
};

static inline void *get(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) exit((fputs("which_norm: no memory\n", stderr), 1));
    return p;
}

static inline void check(nrm_status status)
{
    if (status) exit((fprintf(stderr, "which_norm: %s\n", nrm_status_string(status)), 1));
}

/* ---- Matrices -------------------------------------------------------------------------------- */

/* c[rows][cols] += a[rows][terms] * b[terms][cols], in the order of the terms. Those of a lie
   a_row and a_term apart. Four terms at a time spare c three of four trips to memory: gcc 12 -O3
   goes from 3 to 16 of them a nanosecond. */
static inline void add_product(float *restrict c, const float *restrict a,
                               const float *restrict b, int rows, int terms, int cols, int a_row,
                               int a_term)
{
    int r, t, j;
    for (r = 0; r < rows; ++r, c += cols, a += a_row) {
        const float *from = a, *b0 = b;
        for (t = 0; t + 4 <= terms; t += 4, from += 4 * a_term, b0 += 4 * cols) {
            float a0 = from[0], a1 = from[a_term], a2 = from[2 * a_term], a3 = from[3 * a_term];
            const float *b1 = b0 + cols, *b2 = b1 + cols, *b3 = b2 + cols;
            for (j = 0; j < cols; ++j)
                c[j] = (((c[j] + a0 * b0[j]) + a1 * b1[j]) + a2 * b2[j]) + a3 * b3[j];
        }
        for (; t < terms; ++t, from += a_term, b0 += cols)
            for (j = 0; j < cols; ++j) c[j] += *from * b0[j];
    }
}

static inline void transpose(float *to, const float *from, int rows, int cols)
{
    int r, j;
    for (r = 0; r < rows; ++r)
        for (j = 0; j < cols; ++j) to[j * rows + r] = from[r * cols + j];
}

/* ---- Convolution: a product of patches, a row for each place, with the weights --------------- */

enum { LARGEST = 64 * 9 * 8 }; /* patches of a sample, in the second stage */

static inline void find_reads(struct stage *s)
{
    int side = s->side * s->stride, i;
    for (i = 0; i < s->side * s->side * 9; ++i) {
        int y = i / 9 / s->side * s->stride + i % 9 / 3 - 1;
        int x = i / 9 % s->side * s->stride + i % 3 - 1;
        s->reads[i] = (short)(y < 0 || x < 0 || y >= side || x >= side ? -1 : y * side + x);
    }
}

static inline void gather(const struct stage *s, float *patch, const float *x)
{
    static const float nothing[WIDEST];
    int i, j;
    for (i = 0; i < s->side * s->side * 9; ++i, patch += s->in) {
        const float *from = s->reads[i] < 0 ? nothing : x + s->reads[i] * s->in;
        for (j = 0; j < s->in; ++j) patch[j] = from[j];
    }
}

static inline void scatter(const struct stage *s, float *dx, const float *d_patch)
{
    int i, j;
    for (i = 0; i < s->side * s->side * 9; ++i, d_patch += s->in)
        for (j = 0; s->reads[i] >= 0 && j < s->in; ++j)
            dx[s->reads[i] * s->in + j] += d_patch[j];
}

static inline void convolve(const struct stage *s, int samples)
{
    int n, i, area = s->side * s->side, area_in = area * s->stride * s->stride, terms = 9 * s->in;
    float patch[LARGEST];
    for (n = 0; n < samples; ++n) {
        float *z = s->z + (size_t)n * area * s->out;
        for (i = 0; i < area; ++i) memcpy(z + i * s->out, s->bias, s->out * sizeof *z);
        gather(s, patch, s->x + (size_t)n * area_in * s->in);
        add_product(z, patch, s->weight, area, terms, s->out, terms, 1);
    }
}

/* From dz the gradients of weights and bias and, where dx is given, of the input. */
static inline void convolve_back(const struct stage *s, int samples, float *dx)
{
    int area = s->side * s->side, area_in = area * s->stride * s->stride, terms = 9 * s->in;
    int n, i, o;
    float patch[LARGEST], turned[9 * WIDEST * WIDEST];
    transpose(turned, s->weight, terms, s->out);
    for (n = 0; n < samples; ++n) {
        const float *dz = s->dz + (size_t)n * area * s->out;
        for (i = 0; i < area; ++i)
            for (o = 0; o < s->out; ++o) s->d_bias[o] += dz[i * s->out + o];
        gather(s, patch, s->x + (size_t)n * area_in * s->in);
        add_product(s->d_weight, patch, dz, terms, area, s->out, 1, terms);
        if (!dx) continue;
        memset(patch, 0, sizeof patch);
        add_product(patch, dz, turned, area, s->out, terms, s->out, 1);
        memset(dx, 0, (size_t)area_in * s->in * sizeof *dx);
        scatter(s, dx, patch);
        dx += area_in * s->in;
    }
}

/* ---- Norm and ReLU --------------------------------------------------------------------------- */

enum mode { TRAIN, INFER, TEST_BY_BATCH }; /* the last: batch statistics, nothing kept */

static inline nrm_desc describe(const struct net *net, const struct stage *s, int samples)
{
    static const nrm_kind kinds[NORMS] = {NRM_BATCH,    NRM_BATCH, NRM_LAYER,
                                          NRM_INSTANCE, NRM_GROUP, NRM_RMS};
    nrm_desc d = {0};
    d.kind = kinds[net->norm];
    d.layout = NRM_NHWC;
    d.n = (size_t)samples;
    d.c = (size_t)s->out;
    d.s = (size_t)(s->side * s->side);
    d.groups = 4;
    d.act = NRM_RELU;
    d.eps = 1e-5;
    return d;
}

static inline nrm_args arguments(struct stage *s)
{
    nrm_args a = {0};
    a.x = s->z;
    a.gamma = s->gamma;
    a.beta = s->beta;
    a.mean = s->mean;
    a.rstd = s->rstd;
    a.running_rate = RUNNING_RATE;
    return a;
}

static inline void normalize(struct net *net, struct stage *s, int samples, enum mode mode)
{
    nrm_desc d = describe(net, s, samples);
    nrm_args a = arguments(s);
    size_t i, count = d.n * d.c * d.s;
    a.y = s->y;
    if (net->norm == BATCH && mode != TEST_BY_BATCH) {
        a.running_mean = s->running_mean;
        a.running_var = s->running_var;
    }
    if (net->norm == NONE)
        for (i = 0; i < count; ++i) s->y[i] = s->z[i] > 0 ? s->z[i] : 0;
    else check(net->norm == BATCH && mode == INFER ? nrm_infer(&d, &a) : nrm_forward(&d, &a));
}

/* The gradient of y becomes that of z, in place. */
static inline void normalize_back(struct net *net, struct stage *s, int samples)
{
    nrm_desc d = describe(net, s, samples);
    nrm_args a = arguments(s);
    size_t i, count = d.n * d.c * d.s;
    a.dy = a.dx = s->dz;
    a.dgamma = s->d_gamma;
    a.dbeta = s->d_beta;
    if (net->norm == NONE)
        for (i = 0; i < count; ++i) s->dz[i] = s->z[i] > 0 ? s->dz[i] : 0;
    else check(nrm_backward(&d, &a));
}

/* ---- The net --------------------------------------------------------------------------------- */

/* Gives every stage its part of the parameters and of their gradients. */
static inline void lay_out(struct net *net)
{
    float *v = net->value, *g = net->gradient;
    int k;
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        s->weight = v, s->d_weight = g;
        v += 9 * s->in * s->out, g += 9 * s->in * s->out;
        s->bias = v, s->d_bias = g;
        s->gamma = v + s->out, s->d_gamma = g + s->out;
        s->beta = v + 2 * s->out, s->d_beta = g + 2 * s->out;
        v += 3 * s->out, g += 3 * s->out;
    }
    net->head = v, net->d_head = g;
}

static inline struct net *net_new(enum norm norm, int classes, int most, uint64_t seed)
{
    static const int channels[STAGES + 1] = {1, 8, WIDEST, WIDEST}, sides[STAGES] = {16, 8, 4};
    struct net *net = get(1, sizeof *net);
    int k, i;
    net->norm = norm;
    net->classes = classes;
    net->biased = 1;
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        size_t values = (size_t)most * sides[k] * sides[k] * channels[k + 1];
        s->in = channels[k], s->out = channels[k + 1];
        s->side = sides[k], s->stride = k ? 2 : 1;
        find_reads(s);
        net->params += 9 * s->in * s->out + 3 * s->out;
        s->z = get(values, sizeof(float)), s->y = get(values, sizeof(float));
        s->dz = get(values, sizeof(float));
        s->mean = get(values, sizeof(double)), s->rstd = get(values, sizeof(double));
        s->x = k ? s[-1].y : get((size_t)most * PIXELS, sizeof(float));
        for (i = 0; i < s->out; ++i) s->running_var[i] = 1;
    }
    net->params += HEAD;
    net->value = get((size_t)net->params, sizeof(float));
    net->gradient = get((size_t)net->params, sizeof(float));
    net->speed = get((size_t)net->params, sizeof(float));
    net->score = get((size_t)most * CLASSES, sizeof(float));
    lay_out(net);
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        double spread = sqrt(2.0 / (9 * s->in));
        for (i = 0; i < 9 * s->in * s->out; ++i)
            s->weight[i] = (float)(spread * normal(&seed));
        for (i = 0; i < s->out; ++i) s->gamma[i] = 1;
    }
    for (i = 0; i < FEATURES * CLASSES; ++i)
        net->head[i] = (float)(sqrt(1.0 / FEATURES) * normal(&seed));
    return net;
}

static inline void net_free(struct net *net)
{
    int k;
    free(net->stage[0].x);
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        free(s->z), free(s->y), free(s->dz), free(s->mean), free(s->rstd);
    }
    free(net->value), free(net->gradient), free(net->speed);
    free(net->score);
    free(net);
}

static inline void forward(struct net *net, int samples, enum mode mode)
{
    const float *bias = net->head + FEATURES * CLASSES;
    int k, i;
    for (k = 0; k < STAGES; ++k) {
        convolve(&net->stage[k], samples);
        normalize(net, &net->stage[k], samples, mode);
    }
    for (i = 0; i < samples * CLASSES; ++i) net->score[i] = bias[i % CLASSES];
    add_product(net->score, net->stage[STAGES - 1].y, net->head, samples, FEATURES, CLASSES,
                FEATURES, 1);
}

static inline int guess(const float *score, int classes, int n)
{
    int o, best = 0;
    for (score += n * CLASSES, o = 1; o < classes; ++o)
        if (score[o] > score[best]) best = o;
    return best;
}

/* The gradient of the mean cross entropy, in place of the scores. */
static inline void score_gradient(float *score, int samples, int classes, const int *label)
{
    int n, o;
    for (n = 0; n < samples; ++n, score += CLASSES) {
        float most = score[0], sum = 0;
        for (o = 1; o < classes; ++o) most = score[o] > most ? score[o] : most;
        for (o = 0; o < classes; ++o) sum += score[o] = expf(score[o] - most);
        for (o = 0; o < classes; ++o)
            score[o] = (score[o] / sum - (float)(o == label[n])) / (float)samples;
        for (; o < CLASSES; ++o) score[o] = 0;
    }
}

static inline void backward(struct net *net, int samples, const int *label)
{
    struct stage *last = &net->stage[STAGES - 1];
    float *d_bias = net->d_head + FEATURES * CLASSES, turned[FEATURES * CLASSES];
    int k, i;
    score_gradient(net->score, samples, net->classes, label);
    memset(net->gradient, 0, (size_t)net->params * sizeof(float));
    memset(last->dz, 0, (size_t)samples * FEATURES * sizeof(float));
    transpose(turned, net->head, FEATURES, CLASSES);
    add_product(last->dz, net->score, turned, samples, CLASSES, FEATURES, CLASSES, 1);
    add_product(net->d_head, last->y, net->score, FEATURES, samples, CLASSES, 1, FEATURES);
    for (i = 0; i < samples * CLASSES; ++i) d_bias[i % CLASSES] += net->score[i];
    for (k = STAGES - 1; k >= 0; --k) {
        normalize_back(net, &net->stage[k], samples);
        convolve_back(&net->stage[k], samples, k ? net->stage[k - 1].dz : NULL);
        if (!net->biased) memset(net->stage[k].d_bias, 0, net->stage[k].out * sizeof(float));
    }
}

/* Stochastic gradient descent with momentum. */
static inline void descend(float *value, float *speed, const float *gradient, int count,
                           double rate)
{
    int i;
    for (i = 0; i < count; ++i) {
        speed[i] = 0.9f * speed[i] + gradient[i];
        value[i] -= (float)rate * speed[i];
    }
}

#endif
