/* layers.h - what the nets are made of: parameters, matrices, convolutions, norms, losses. Channels
 * are neighbours in memory (NHWC).
 *
 * The norms and their gradients are normalize.h's; the rest is plain loops in a fixed order. Every
 * backward adds to the gradients of parameters and overwrites those of inputs, unless it says so.
 */
#ifndef WHICH_LAYERS_H
#define WHICH_LAYERS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../normalize.h"
#include "glyphs.h"

/* TANH is no norm: y = gamma * tanh(alpha * x) + beta, with one alpha for all (Zhu 2025). */
enum norm { NONE, BATCH, LAYER, INSTANCE, GROUP, RMS, TANH, NORMS };
static const char *const norm_names[NORMS] = {"none",  "batch", "layer", "instance",
                                              "group", "rms",   "tanh"};
enum mode { TRAIN, INFER, TEST_BY_BATCH }; /* the last: batch statistics, nothing kept */
#define RUNNING_RATE 0.05

static inline void *get(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p) exit((fputs("which_norm: no memory\n", stderr), 1));
    return p;
}

static inline float *floats(size_t count) { return get(count, sizeof(float)); }

static inline void check(nrm_status status)
{
    if (status) exit((fprintf(stderr, "which_norm: %s\n", nrm_status_string(status)), 1));
}

/* ---- Parameters ------------------------------------------------------------------------------ */

enum { BLOCKS_MOST = 160 };

/* All of a net, in one piece each; block k begins at start[k]. */
struct params {
    float *value, *gradient, *speed, *square;
    int count, most, blocks, start[BLOCKS_MOST + 1];
    double decay1, decay2; /* of Adam, to the power of its steps */
};

/* One block and its gradients. */
struct piece {
    float *v, *d;
};

static inline void params_new(struct params *p, int most)
{
    memset(p, 0, sizeof *p);
    p->value = floats((size_t)most), p->gradient = floats((size_t)most);
    p->speed = floats((size_t)most), p->square = floats((size_t)most);
    p->most = most;
    p->decay1 = p->decay2 = 1;
}

static inline void params_free(struct params *p)
{
    free(p->value), free(p->gradient), free(p->speed), free(p->square);
}

/* `count` values: normal ones of a deviation, if that is not 0, else all `all`. */
static inline struct piece params_add(struct params *p, int count, float all, double deviation,
                                      uint64_t *seed)
{
    struct piece piece;
    int i;
    if (p->count + count > p->most || p->blocks == BLOCKS_MOST)
        exit((fputs("which_norm: too many parameters\n", stderr), 1));
    piece.v = p->value + p->count, piece.d = p->gradient + p->count;
    for (i = 0; i < count; ++i)
        piece.v[i] = deviation > 0 ? (float)(deviation * normal(seed)) : all;
    p->count += count;
    p->start[++p->blocks] = p->count;
    return piece;
}

/* Stochastic gradient descent with momentum. */
static inline void descend(struct params *p, double rate)
{
    int i;
    for (i = 0; i < p->count; ++i) {
        p->speed[i] = 0.9f * p->speed[i] + p->gradient[i];
        p->value[i] -= (float)rate * p->speed[i];
    }
}

/* Adam, with the constants that everybody takes. */
static inline void adam(struct params *p, double rate)
{
    int i;
    p->decay1 *= 0.9, p->decay2 *= 0.999;
    rate *= sqrt(1 - p->decay2) / (1 - p->decay1);
    for (i = 0; i < p->count; ++i) {
        float g = p->gradient[i];
        p->speed[i] += 0.1f * (g - p->speed[i]);
        p->square[i] += 0.001f * (g * g - p->square[i]);
        p->value[i] -= (float)(rate * (double)p->speed[i] / (sqrt((double)p->square[i]) + 1e-8));
    }
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

/* ---- Linear ---------------------------------------------------------------------------------- */

enum { LINEAR_MOST = 8192 }; /* weights */

struct linear {
    int in, out;
    struct piece weight, bias;
};

static inline struct linear linear_new(struct params *p, int in, int out, double deviation,
                                       uint64_t *seed)
{
    struct linear l;
    if (in * out > LINEAR_MOST) exit((fputs("which_norm: too many weights\n", stderr), 1));
    l.in = in, l.out = out;
    l.weight = params_add(p, in * out, 0, deviation, seed);
    l.bias = params_add(p, out, 0, 0, seed);
    return l;
}

static inline void linear_forward(const struct linear *l, float *y, const float *x, int rows)
{
    int r;
    for (r = 0; r < rows; ++r)
        memcpy(y + (size_t)r * l->out, l->bias.v, (size_t)l->out * sizeof *y);
    add_product(y, x, l->weight.v, rows, l->in, l->out, l->in, 1);
}

/* dx gets the gradient added to it. */
static inline void linear_back(const struct linear *l, float *dx, const float *dy, const float *x,
                               int rows)
{
    static float turned[LINEAR_MOST];
    int i;
    transpose(turned, l->weight.v, l->in, l->out);
    add_product(dx, dy, turned, rows, l->out, l->in, l->out, 1);
    add_product(l->weight.d, x, dy, l->in, rows, l->out, 1, l->in);
    for (i = 0; i < rows * l->out; ++i) l->bias.d[i % l->out] += dy[i];
}

/* ---- Convolution of 3x3: a product of patches, a row for each place, with the weights -------- */

enum { WIDEST = 16, LARGEST = PIXELS * 9 * 8 }; /* channels; patches of a sample */

struct conv {
    int in, out, side, stride; /* side: of the output */
    short reads[PIXELS * 9];   /* where each tap of each output reads, or -1 outside */
    struct piece weight, bias;
};

static inline void conv_new(struct conv *l, struct params *p, int in, int out, int side,
                            int stride, uint64_t *seed)
{
    int from = side * stride, i;
    l->in = in, l->out = out, l->side = side, l->stride = stride;
    for (i = 0; i < side * side * 9; ++i) {
        int y = i / 9 / side * stride + i % 9 / 3 - 1, x = i / 9 % side * stride + i % 3 - 1;
        l->reads[i] = (short)(y < 0 || x < 0 || y >= from || x >= from ? -1 : y * from + x);
    }
    l->weight = params_add(p, 9 * in * out, 0, sqrt(2.0 / (9 * in)), seed);
    l->bias = params_add(p, out, 0, 0, seed);
}

static inline void gather(const struct conv *l, float *patch, const float *x)
{
    static const float nothing[WIDEST];
    int i, j;
    for (i = 0; i < l->side * l->side * 9; ++i, patch += l->in) {
        const float *from = l->reads[i] < 0 ? nothing : x + l->reads[i] * l->in;
        for (j = 0; j < l->in; ++j) patch[j] = from[j];
    }
}

static inline void scatter(const struct conv *l, float *dx, const float *d_patch)
{
    int i, j;
    for (i = 0; i < l->side * l->side * 9; ++i, d_patch += l->in)
        for (j = 0; l->reads[i] >= 0 && j < l->in; ++j)
            dx[l->reads[i] * l->in + j] += d_patch[j];
}

static inline int area_in(const struct conv *l)
{
    return l->side * l->side * l->stride * l->stride;
}

static inline void conv_forward(const struct conv *l, float *z, const float *x, int samples)
{
    int n, i, area = l->side * l->side, terms = 9 * l->in;
    float patch[LARGEST];
    for (n = 0; n < samples; ++n, z += area * l->out, x += area_in(l) * l->in) {
        for (i = 0; i < area; ++i) memcpy(z + i * l->out, l->bias.v, l->out * sizeof *z);
        gather(l, patch, x);
        add_product(z, patch, l->weight.v, area, terms, l->out, terms, 1);
    }
}

/* dx may be NULL; with `more` it gets the gradient added to it. */
static inline void conv_back(const struct conv *l, float *dx, const float *dz, const float *x,
                             int samples, int more)
{
    int area = l->side * l->side, terms = 9 * l->in, values = area_in(l) * l->in, n, i, o;
    float patch[LARGEST], turned[9 * WIDEST * WIDEST];
    transpose(turned, l->weight.v, terms, l->out);
    for (n = 0; n < samples; ++n, dz += area * l->out, x += values) {
        for (i = 0; i < area; ++i)
            for (o = 0; o < l->out; ++o) l->bias.d[o] += dz[i * l->out + o];
        gather(l, patch, x);
        add_product(l->weight.d, patch, dz, terms, area, l->out, 1, terms);
        if (!dx) continue;
        memset(patch, 0, (size_t)area * terms * sizeof *patch);
        add_product(patch, dz, turned, area, l->out, terms, l->out, 1);
        if (!more) memset(dx, 0, (size_t)values * sizeof *dx);
        scatter(l, dx, patch);
        dx += values;
    }
}

/* ---- Scores ---------------------------------------------------------------------------------- */

static inline int guess(const float *score, int classes)
{
    int o, best = 0;
    for (o = 1; o < classes; ++o)
        if (score[o] > score[best]) best = o;
    return best;
}

/* The gradient of the mean cross entropy, in place of the scores: rows of `stride`, of which
   `classes` count. Rows with a negative label do not. */
static inline void score_gradient(float *score, int rows, int stride, int classes,
                                  const int *label)
{
    int n, o, asked = 0;
    for (n = 0; n < rows; ++n) asked += label[n] >= 0;
    for (n = 0; n < rows; ++n, score += stride) {
        float most = score[0], sum = 0;
        for (o = 1; o < classes; ++o) most = score[o] > most ? score[o] : most;
        for (o = 0; o < classes; ++o) sum += score[o] = expf(score[o] - most);
        for (o = 0; o < classes; ++o)
            score[o] = (score[o] / sum - (float)(o == label[n])) / (float)asked;
        for (o = label[n] < 0 ? 0 : classes; o < stride; ++o) score[o] = 0;
    }
}

#endif
