/* net.h - three convolutions of 3x3, a norm and ReLU after each, and a linear layer. */
#ifndef WHICH_NET_H
#define WHICH_NET_H

#include "norms.h"

enum { STAGES = 3, CLASSES = 10, FEATURES = 4 * 4 * WIDEST };

struct stage {
    struct conv conv;
    struct norm_layer norm;
    float *x, *z, *y, *dz; /* in, after the convolution, out, and the gradient of z */
};

struct net {
    int classes, biased; /* biased: the convolutions have a bias */
    struct params params;
    struct stage stage[STAGES];
    struct linear head;
    float *score; /* then its gradient */
};

static inline struct net *net_new(enum norm norm, int classes, int most, uint64_t seed)
{
    static const int channels[STAGES + 1] = {1, 8, WIDEST, WIDEST}, sides[STAGES] = {16, 8, 4};
    struct net *net = get(1, sizeof *net);
    int k;
    net->classes = classes;
    net->biased = 1;
    params_new(&net->params, 8192);
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        int area = sides[k] * sides[k], out = channels[k + 1];
        size_t values = (size_t)most * area * out;
        conv_new(&s->conv, &net->params, channels[k], out, sides[k], k ? 2 : 1, &seed);
        norm_new(&s->norm, &net->params, norm, out, area, 0, most);
        s->z = floats(values), s->y = floats(values), s->dz = floats(values);
        s->x = k ? s[-1].y : floats((size_t)most * PIXELS);
    }
    net->head = linear_new(&net->params, FEATURES, CLASSES, sqrt(1.0 / FEATURES), &seed);
    net->score = floats((size_t)most * CLASSES);
    return net;
}

static inline void net_free(struct net *net)
{
    int k;
    free(net->stage[0].x);
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        norm_free(&s->norm);
        free(s->z), free(s->y), free(s->dz);
    }
    params_free(&net->params);
    free(net->score);
    free(net);
}

static inline void forward(struct net *net, int samples, enum mode mode)
{
    int k;
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        conv_forward(&s->conv, s->z, s->x, samples);
        norm_forward(&s->norm, s->y, s->z, NULL, samples, mode);
    }
    linear_forward(&net->head, net->score, net->stage[STAGES - 1].y, samples);
}

static inline void backward(struct net *net, int samples, const int *label)
{
    struct stage *last = &net->stage[STAGES - 1];
    int k;
    score_gradient(net->score, samples, CLASSES, net->classes, label);
    memset(net->params.gradient, 0, (size_t)net->params.count * sizeof(float));
    memset(last->dz, 0, (size_t)samples * FEATURES * sizeof(float));
    linear_back(&net->head, last->dz, net->score, last->y, samples);
    for (k = STAGES - 1; k >= 0; --k) {
        struct stage *s = &net->stage[k];
        norm_back(&s->norm, s->dz, NULL, s->dz, s->z, s->y, NULL, samples);
        conv_back(&s->conv, k ? s[-1].dz : NULL, s->dz, s->x, samples, 0);
        if (!net->biased) memset(s->conv.bias.d, 0, s->conv.out * sizeof(float));
    }
}

#endif
