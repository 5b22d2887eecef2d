/* deep.h - a residual net of 21 convolutions: 16x16 pixels go to 8x8, 4x4 and 2x2 places, and at
 * each of these three blocks follow, y = relu(norm(conv(relu(norm(conv(x))))) + x), as in ResNet.
 */
#ifndef WHICH_DEEP_H
#define WHICH_DEEP_H

#include "net.h"

enum { DEEP = 21, DEEP_EACH = 7, DEEP_FEATURES = 2 * 2 * WIDEST };

/* One convolution with its norm. Of a block the second one adds what the first one was given. */
struct deep_layer {
    struct conv conv;
    struct norm_layer norm;
    float *z, *y, *dy;
};

struct deep {
    int most;
    struct params params;
    struct deep_layer layer[DEEP];
    struct linear head;
    float *x, *dz, *score;
};

/* The first of each seven shrinks the picture; then first and second of a block take turns. */
static inline int adds(int k) { return k % DEEP_EACH > 0 && k % DEEP_EACH % 2 == 0; }

static inline struct deep *deep_new(enum norm norm, int most, uint64_t seed)
{
    static const int channels[4] = {1, 8, WIDEST, WIDEST};
    struct deep *net = get(1, sizeof *net);
    int k;
    net->most = most;
    params_new(&net->params, 65536);
    for (k = 0; k < DEEP; ++k) {
        struct deep_layer *l = &net->layer[k];
        int part = k / DEEP_EACH, shrinks = k % DEEP_EACH == 0, side = 8 >> part;
        int out = channels[part + 1], area = side * side;
        size_t values = (size_t)most * area * out;
        conv_new(&l->conv, &net->params, shrinks ? channels[part] : out, out, side,
                 shrinks ? 2 : 1, &seed);
        norm_new(&l->norm, &net->params, norm, out, area, 0, most);
        l->z = floats(values), l->y = floats(values), l->dy = floats(values);
    }
    net->head = linear_new(&net->params, DEEP_FEATURES, CLASSES, sqrt(1.0 / DEEP_FEATURES), &seed);
    net->x = floats((size_t)most * PIXELS), net->dz = floats((size_t)most * PIXELS * 8);
    net->score = floats((size_t)most * CLASSES);
    return net;
}

static inline void deep_free(struct deep *net)
{
    int k;
    for (k = 0; k < DEEP; ++k) {
        struct deep_layer *l = &net->layer[k];
        norm_free(&l->norm);
        free(l->z), free(l->y), free(l->dy);
    }
    params_free(&net->params);
    free(net->x), free(net->dz), free(net->score);
    free(net);
}

static inline void deep_forward(struct deep *net, int samples, enum mode mode)
{
    int k;
    for (k = 0; k < DEEP; ++k) {
        struct deep_layer *l = &net->layer[k];
        conv_forward(&l->conv, l->z, k ? l[-1].y : net->x, samples);
        norm_forward(&l->norm, l->y, l->z, adds(k) ? l[-2].y : NULL, samples, mode);
    }
    linear_forward(&net->head, net->score, net->layer[DEEP - 1].y, samples);
}

static inline void deep_backward(struct deep *net, int samples, const int *label)
{
    struct deep_layer *l = &net->layer[DEEP - 1];
    int k;
    score_gradient(net->score, samples, CLASSES, CLASSES, label);
    memset(net->params.gradient, 0, (size_t)net->params.count * sizeof(float));
    memset(l->dy, 0, (size_t)samples * DEEP_FEATURES * sizeof(float));
    linear_back(&net->head, l->dy, net->score, l->y, samples);
    for (k = DEEP - 1; k >= 0; --k, --l) {
        int first = k % DEEP_EACH % 2 == 1; /* the layer before has the skip's share already */
        norm_back(&l->norm, net->dz, adds(k) ? l[-2].dy : NULL, l->dy, l->z, l->y,
                  adds(k) ? l[-2].y : NULL, samples);
        conv_back(&l->conv, k ? l[-1].dy : NULL, net->dz, k ? l[-1].y : net->x, samples, first);
    }
}

#endif
