/* check.h - are the gradients those of the loss, and does each net learn? A second or two. */
#ifndef WHICH_CHECK_H
#define WHICH_CHECK_H

#include "net.h"
#include "rnn.h"

/* The mean cross entropy. */
static inline double loss_of(const float *score, int samples, int classes, const int *label)
{
    double sum = 0;
    int n, o;
    for (n = 0; n < samples; ++n, score += CLASSES) {
        double all = 0;
        for (o = 0; o < classes; ++o) all += exp((double)score[o] - (double)score[label[n]]);
        sum += log(all);
    }
    return sum / samples;
}

static inline double length_of(const float *v, int count)
{
    double sum = 0;
    int i;
    for (i = 0; i < count; ++i) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

/* The slope of the loss along some of the gradient, by differences, against that gradient's own
   length; how far off, in parts of it and of a hundredth of the whole gradient. */
static inline double slope_off(double (*loss)(void *), void *net, float *value,
                               const float *gradient, int count, double whole)
{
    const double step = 1e-4;
    float kept[FEATURES * CLASSES];
    double length = length_of(gradient, count), side[2];
    int i, k;
    if (!(length > 1e-5 * whole)) return 0; /* a bias that the norm takes away again */
    memcpy(kept, value, (size_t)count * sizeof *value);
    for (k = 0; k < 2; ++k) {
        for (i = 0; i < count; ++i)
            value[i] = (float)((double)kept[i] +
                               (k ? step : -step) * (double)gradient[i] / length);
        side[k] = loss(net);
    }
    memcpy(value, kept, (size_t)count * sizeof *value);
    return fabs((side[1] - side[0]) / (2 * step) - length) / (length + whole / 100);
}

static int check_label[64]; /* of the pictures in the net */

static inline double net_loss(void *of)
{
    struct net *net = of;
    forward(net, 8, TEST_BY_BATCH);
    return loss_of(net->score, 8, GLYPHS, check_label);
}

static inline double rnn_loss(void *of)
{
    struct rnn *rnn = of;
    rnn_forward(rnn, TEST_BY_BATCH);
    return loss_of(rnn->score, rnn->rows, LETTERS, rnn->label);
}

static inline void fill_net(struct net *net, int samples, uint64_t *state)
{
    float picture[PIXELS];
    int n;
    for (n = 0; n < samples; ++n) {
        double contrast = uniform(state, 0.8, 1.25), brightness = uniform(state, -0.2, 0.2);
        check_label[n] = below(state, GLYPHS);
        draw(picture, check_label[n], state);
        take(net->stage[0].x + (size_t)n * PIXELS, picture, contrast, brightness);
    }
}

static inline double worse(double a, double b) { return a >= b ? a : b; } /* NaN is the worst */

static inline int check_net(enum norm norm)
{
    struct net *net = net_new(norm, GLYPHS, 64, 1);
    uint64_t state = 1;
    double off = 0, whole;
    int i, k, n, right = 0;
    for (i = 0; i < 80; ++i) { /* the gradients are checked where some have been followed */
        fill_net(net, 32, &state);
        forward(net, 32, TRAIN);
        backward(net, 32, check_label);
        descend(net->value, net->speed, net->gradient, net->params, 0.03);
    }
    fill_net(net, 8, &state);
    forward(net, 8, TRAIN);
    backward(net, 8, check_label);
    whole = length_of(net->gradient, net->params);
    for (k = 0; k < STAGES; ++k) {
        struct stage *s = &net->stage[k];
        float *value[4] = {s->weight, s->bias, s->gamma, s->beta};
        float *gradient[4] = {s->d_weight, s->d_bias, s->d_gamma, s->d_beta};
        for (i = 0; i < 4; ++i)
            off = worse(slope_off(net_loss, net, value[i], gradient[i],
                                  i ? s->out : 9 * s->in * s->out, whole), off);
    }
    off = worse(slope_off(net_loss, net, net->head, net->d_head, FEATURES * CLASSES, whole), off);
    for (i = 0; i < 4; ++i) {
        fill_net(net, 64, &state);
        forward(net, 64, INFER);
        for (n = 0; n < 64; ++n) right += guess(net->score, GLYPHS, n) == check_label[n];
    }
    net_free(net);
    printf("pictures, %-13s gradients %.4f off; %d of 256 right\n", norm_names[norm], off, right);
    return !(off < 0.05 && right > 64);
}

static inline int check_rnn(enum rnn_norm norm)
{
    struct rnn *rnn = rnn_new(norm, 1);
    struct rnn_params *v = &rnn->value, *g = &rnn->gradient;
    uint64_t state = 1;
    double off = 0, whole;
    int i, right;
    for (i = 0; i < 300; ++i) {
        rnn_fill(rnn, 32, 0, &state);
        rnn_forward(rnn, TRAIN);
        rnn_backward(rnn);
        rnn_descend(rnn, 0.003);
    }
    rnn_fill(rnn, 16, 0, &state);
    rnn_forward(rnn, TRAIN);
    rnn_backward(rnn);
    whole = length_of((float *)g, RNN_PARAMS);
    for (i = 0; i < 7; ++i) {
        float *value[7] = {v->u, v->w, v->bias, v->gamma, v->beta, v->head, v->head_bias};
        float *gradient[7] = {g->u, g->w, g->bias, g->gamma, g->beta, g->head, g->head_bias};
        static const int count[7] = {HIDDEN * HIDDEN, LETTERS * HIDDEN, HIDDEN, HIDDEN, HIDDEN,
                                     HIDDEN * CLASSES, CLASSES};
        off = worse(slope_off(rnn_loss, rnn, value[i], gradient[i], count[i], whole), off);
    }
    rnn_fill(rnn, 128, 5, &state);
    rnn_forward(rnn, TEST_BY_BATCH);
    right = rnn_right(rnn);
    free(rnn);
    printf("letters, %-14s gradients %.4f off; %d of 128 right\n", rnn_names[norm], off, right);
    return !(off < 0.05 && right > 32);
}

static inline int quick_check(void)
{
    int bad = 0, k;
    for (k = 0; k < NORMS; ++k) bad |= check_net((enum norm)k);
    for (k = 0; k < RNN_NORMS; ++k) bad |= check_rnn((enum rnn_norm)k);
    if (bad) printf("WRONG\n");
    return bad;
}

#endif
