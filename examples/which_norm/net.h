/* net.h - three convolutions of 3x3, a norm and ReLU after each, and a linear layer. Channels are
 * neighbours in memory (NHWC).
 */
#ifndef WHICH_NET_H
#define WHICH_NET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../normalize.h"
#include "glyphs.h"

enum norm { NONE, BATCH, LAYER, INSTANCE, GROUP, NORMS };
static const char *const norm_names[NORMS] = {"none", "batch", "layer", "instance", "group"};

enum { STAGES = 3, WIDEST = 16, CLASSES = 10, FEATURES = 4 * 4 * WIDEST };
enum { HEAD = FEATURES * CLASSES + CLASSES };
#define RUNNING_RATE 0.05

struct stage {
    int in, out, side, stride;    /* side: of the output */
    float *weight, *gamma, *beta; /* without a norm beta is the convolution's bias */
    float *d_weight, *d_gamma, *d_beta;
    float *x, *z, *y, *dz; /* in, after the convolution, out, and the gradient of z */
    double *mean, *rstd;
    float running_mean[WIDEST], running_var[WIDEST];
};

struct net {
    enum norm norm;
    int classes, params;
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

/* ---- Convolution ----------------------------------------------------------------------------- */

/* Calls for every tap (ky, kx) of an output position that lies within the picture; `at` is the
   input's place, and `tap` the weight's. */
#define EACH_TAP(s, oy, ox, at, tap)                                                     \
    for (tap = 0; tap < 9; ++tap)                                                        \
        if ((at = tap_place(s, oy, ox, tap)) >= 0)

static inline int tap_place(const struct stage *s, int oy, int ox, int tap)
{
    int side = s->side * s->stride, y = oy * s->stride + tap / 3 - 1;
    int x = ox * s->stride + tap % 3 - 1;
    return y < 0 || x < 0 || y >= side || x >= side ? -1 : y * side + x;
}

static inline void convolve(const struct stage *s, int samples, const float *bias)
{
    int n, place, at, tap, i, o, area = s->side * s->side, area_in = area * s->stride * s->stride;
    for (n = 0; n < samples; ++n)
        for (place = 0; place < area; ++place) {
            float *z = s->z + ((size_t)n * area + place) * s->out;
            for (o = 0; o < s->out; ++o) z[o] = bias ? bias[o] : 0;
            EACH_TAP(s, place / s->side, place % s->side, at, tap) {
                const float *x = s->x + ((size_t)n * area_in + at) * s->in;
                const float *w = s->weight + (size_t)tap * s->in * s->out;
                for (i = 0; i < s->in; ++i, w += s->out)
                    for (o = 0; o < s->out; ++o) z[o] += x[i] * w[o];
            }
        }
}

/* From dz the gradients of the weights and, where dx is given, of the input. */
static inline void convolve_back(const struct stage *s, int samples, float *dx)
{
    float turned[9 * WIDEST * WIDEST]; /* output by input: then both inner loops are vectors */
    int n, place, at, tap, i, o, area = s->side * s->side, area_in = area * s->stride * s->stride;
    for (tap = 0; tap < 9; ++tap)
        for (i = 0; i < s->in; ++i)
            for (o = 0; o < s->out; ++o)
                turned[(tap * s->out + o) * s->in + i] = s->weight[(tap * s->in + i) * s->out + o];
    if (dx) memset(dx, 0, (size_t)samples * area_in * s->in * sizeof *dx);
    for (n = 0; n < samples; ++n)
        for (place = 0; place < area; ++place) {
            const float *dz = s->dz + ((size_t)n * area + place) * s->out;
            EACH_TAP(s, place / s->side, place % s->side, at, tap) {
                size_t from = ((size_t)n * area_in + at) * s->in;
                float *dw = s->d_weight + (size_t)tap * s->in * s->out;
                const float *w = turned + (size_t)tap * s->in * s->out;
                for (i = 0; i < s->in; ++i, dw += s->out)
                    for (o = 0; o < s->out; ++o) dw[o] += s->x[from + i] * dz[o];
                for (o = 0; dx && o < s->out; ++o, w += s->in)
                    for (i = 0; i < s->in; ++i) dx[from + i] += dz[o] * w[i];
            }
        }
}

/* ---- Norm and ReLU --------------------------------------------------------------------------- */

enum mode { TRAIN, INFER, TEST_BY_BATCH }; /* the last: batch statistics, nothing kept */

static inline nrm_desc describe(const struct net *net, const struct stage *s, int samples)
{
    static const nrm_kind kinds[NORMS] = {NRM_BATCH, NRM_BATCH, NRM_LAYER, NRM_INSTANCE, NRM_GROUP};
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
        for (i = 0; i < count; ++i) {
            if (!(s->z[i] > 0)) s->dz[i] = 0;
            s->d_beta[i % d.c] += s->dz[i];
        }
    else check(nrm_backward(&d, &a));
}

/* ---- The net ---------------------------------------------------------------------------------- */

/* Gives every stage its part of the parameters and of their gradients. */
static inline void lay_out(struct net *net)
{
    float *v = net->value, *g = net->gradient;
    int k;
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        s->weight = v, s->d_weight = g;
        v += 9 * s->in * s->out, g += 9 * s->in * s->out;
        s->gamma = v, s->d_gamma = g;
        s->beta = v + s->out, s->d_beta = g + s->out;
        v += 2 * s->out, g += 2 * s->out;
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
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        size_t values = (size_t)most * sides[k] * sides[k] * channels[k + 1];
        s->in = channels[k], s->out = channels[k + 1];
        s->side = sides[k], s->stride = k ? 2 : 1;
        net->params += 9 * s->in * s->out + 2 * s->out;
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
    const float *f = net->stage[STAGES - 1].y, *bias = net->head + FEATURES * CLASSES;
    int k, n, i, o;
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        convolve(s, samples, net->norm == NONE ? s->beta : NULL);
        normalize(net, s, samples, mode);
    }
    for (n = 0; n < samples; ++n, f += FEATURES) {
        float *score = net->score + n * CLASSES;
        for (o = 0; o < net->classes; ++o) score[o] = bias[o];
        for (i = 0; i < FEATURES; ++i)
            for (o = 0; o < net->classes; ++o) score[o] += f[i] * net->head[i * CLASSES + o];
    }
}

static inline int guess(const struct net *net, int n)
{
    const float *score = net->score + n * CLASSES;
    int o, best = 0;
    for (o = 1; o < net->classes; ++o)
        if (score[o] > score[best]) best = o;
    return best;
}

/* The gradient of the mean cross entropy, in place of the scores. */
static inline void score_gradient(struct net *net, int samples, const int *label)
{
    int n, o;
    for (n = 0; n < samples; ++n) {
        float *score = net->score + n * CLASSES, most = score[guess(net, n)], sum = 0;
        for (o = 0; o < net->classes; ++o) sum += score[o] = expf(score[o] - most);
        for (o = 0; o < net->classes; ++o)
            score[o] = (score[o] / sum - (float)(o == label[n])) / (float)samples;
    }
}

static inline void backward(struct net *net, int samples, const int *label)
{
    struct stage *last = &net->stage[STAGES - 1];
    float *d_bias = net->d_head + FEATURES * CLASSES;
    int k, n, i, o;
    score_gradient(net, samples, label);
    memset(net->gradient, 0, (size_t)net->params * sizeof(float));
    for (n = 0; n < samples; ++n) {
        const float *f = last->y + n * FEATURES, *score = net->score + n * CLASSES;
        float *df = last->dz + n * FEATURES;
        for (o = 0; o < net->classes; ++o) d_bias[o] += score[o];
        for (i = 0; i < FEATURES; ++i) {
            df[i] = 0;
            for (o = 0; o < net->classes; ++o) {
                df[i] += net->head[i * CLASSES + o] * score[o];
                net->d_head[i * CLASSES + o] += f[i] * score[o];
            }
        }
    }
    for (k = STAGES - 1; k >= 0; --k) {
        normalize_back(net, &net->stage[k], samples);
        convolve_back(&net->stage[k], samples, k ? net->stage[k - 1].dz : NULL);
    }
}

/* Stochastic gradient descent with momentum. */
static inline void descend(struct net *net, double rate)
{
    int i;
    for (i = 0; i < net->params; ++i) {
        net->speed[i] = 0.9f * net->speed[i] + net->gradient[i];
        net->value[i] -= (float)rate * net->speed[i];
    }
}

#endif
