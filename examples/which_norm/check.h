/* check.h - are the gradients those of the loss, and does each net learn? A few seconds, too few
 * for the deep net and for tanh among convolutions to learn much. */
#ifndef WHICH_CHECK_H
#define WHICH_CHECK_H

#include "net.h"
#include "rnn.h"
#include "deep.h"
#include "former.h"
#include "paint.h"

/* The mean cross entropy. */
static inline double loss_of(const float *score, int rows, int stride, int classes,
                             const int *label)
{
    double sum = 0;
    int n, o, asked = 0;
    for (n = 0; n < rows; ++n, score += stride) {
        double all = 0;
        if (label[n] < 0) continue;
        for (o = 0; o < classes; ++o) all += exp((double)score[o] - (double)score[label[n]]);
        sum += log(all), ++asked;
    }
    return sum / asked;
}

static inline double length_of(const float *v, int count)
{
    double sum = 0;
    int i;
    for (i = 0; i < count; ++i) sum += (double)v[i] * (double)v[i];
    return sqrt(sum);
}

static inline double worse(double a, double b) { return a >= b ? a : b; } /* NaN is the worst */

/* For each block of parameters the slope of the loss along its gradient, by differences, against
   that gradient's own length; how far off the worst is, in parts of it and of a hundredth of the
   whole gradient. */
static inline double slopes_off(double (*loss)(void *), void *net, struct params *p, double step)
{
    double whole = length_of(p->gradient, p->count), off = 0;
    float *kept = floats((size_t)p->most);
    int b, i, k;
    for (b = 0; b < p->blocks; ++b) {
        int from = p->start[b], count = p->start[b + 1] - from;
        float *value = p->value + from, *gradient = p->gradient + from;
        double length = length_of(gradient, count), side[2] = {0, 0};
        if (!(length > 1e-5 * whole)) continue; /* a bias that the norm takes away again */
        memcpy(kept, value, (size_t)count * sizeof *value);
        for (k = 0; k < 2; ++k) {
            for (i = 0; i < count; ++i)
                value[i] = (float)((double)kept[i] +
                                   (k ? step : -step) * (double)gradient[i] / length);
            side[k] = loss(net);
        }
        memcpy(value, kept, (size_t)count * sizeof *value);
        off = worse(fabs((side[1] - side[0]) / (2 * step) - length) / (length + whole / 100), off);
    }
    free(kept);
    return off;
}

static int check_label[64]; /* of the pictures in the net */

static inline void fill_pictures(float *x, int samples, uint64_t *state)
{
    float picture[PIXELS];
    int n;
    for (n = 0; n < samples; ++n) {
        double contrast = uniform(state, 0.8, 1.25), brightness = uniform(state, -0.2, 0.2);
        check_label[n] = below(state, GLYPHS);
        draw(picture, NULL, check_label[n], state);
        take(x + (size_t)n * PIXELS, picture, contrast, brightness);
    }
}

static inline int right_of(const float *score, int samples)
{
    int n, right = 0;
    for (n = 0; n < samples; ++n)
        right += guess(score + n * CLASSES, GLYPHS) == check_label[n];
    return right;
}

/* ---- Net by net ------------------------------------------------------------------------------ */

static inline int said(const char *what, const char *norm, double off, int right, int of, int few)
{
    printf("%-9s %-14s gradients %.4f off; %d of %d right\n", what, norm, off, right, of);
    return !(off < 0.025 && right > few);
}

static inline double net_loss(void *of)
{
    struct net *net = of;
    forward(net, 8, TEST_BY_BATCH);
    return loss_of(net->score, 8, CLASSES, GLYPHS, check_label);
}

/* The gradients are checked where some have been followed. */
static inline int check_net(enum norm norm)
{
    struct net *net = net_new(norm, GLYPHS, 64, 1);
    uint64_t state = 1;
    double off;
    int i, right = 0;
    for (i = 0; i < 80; ++i) {
        fill_pictures(net->stage[0].x, 32, &state);
        forward(net, 32, TRAIN);
        backward(net, 32, check_label);
        descend(&net->params, 0.03);
    }
    fill_pictures(net->stage[0].x, 8, &state);
    forward(net, 8, TRAIN);
    backward(net, 8, check_label);
    off = slopes_off(net_loss, net, &net->params, 1e-4);
    for (i = 0; i < 4; ++i) {
        fill_pictures(net->stage[0].x, 64, &state);
        forward(net, 64, INFER);
        right += right_of(net->score, 64);
    }
    net_free(net);
    return said("pictures", norm_names[norm], off, right, 256, norm == TANH ? 0 : 64);
}

static inline double rnn_loss(void *of)
{
    struct rnn *rnn = of;
    rnn_forward(rnn, TEST_BY_BATCH);
    return loss_of(rnn->score, rnn->rows, CLASSES, LETTERS, rnn->label);
}

static inline int check_rnn(enum rnn_norm norm)
{
    struct rnn *rnn = rnn_new(norm, 1);
    uint64_t state = 1;
    double off;
    int i, right;
    for (i = 0; i < 300; ++i) {
        rnn_fill(rnn, 32, 0, &state);
        rnn_forward(rnn, TRAIN);
        rnn_backward(rnn);
        adam(&rnn->params, 0.003);
    }
    rnn_fill(rnn, 16, 0, &state);
    rnn_forward(rnn, TRAIN);
    rnn_backward(rnn);
    off = slopes_off(rnn_loss, rnn, &rnn->params, 1e-4);
    rnn_fill(rnn, 128, 5, &state);
    rnn_forward(rnn, TEST_BY_BATCH);
    right = rnn_right(rnn);
    rnn_free(rnn);
    return said("letters", rnn_names[norm], off, right, 128, 32);
}

static inline double deep_loss(void *of)
{
    struct deep *net = of;
    deep_forward(net, 8, TEST_BY_BATCH);
    return loss_of(net->score, 8, CLASSES, GLYPHS, check_label);
}

static inline int check_deep(enum norm norm)
{
    struct deep *net = deep_new(norm, 32, 1);
    uint64_t state = 1;
    double off;
    int i, right;
    for (i = 0; i < 6; ++i) {
        fill_pictures(net->x, 16, &state);
        deep_forward(net, 16, TRAIN);
        deep_backward(net, 16, check_label);
        descend(&net->params, 0.0005);
    }
    fill_pictures(net->x, 8, &state);
    deep_forward(net, 8, TRAIN);
    deep_backward(net, 8, check_label);
    off = slopes_off(deep_loss, net, &net->params, 1e-4);
    fill_pictures(net->x, 32, &state);
    deep_forward(net, 32, TEST_BY_BATCH);
    right = right_of(net->score, 32);
    deep_free(net);
    return said("deep", norm_names[norm], off, right, 32, -1);
}

static inline double former_loss(void *of)
{
    struct former *f = of;
    former_forward(f, TEST_BY_BATCH);
    return loss_of(f->score, f->samples * STEPS, ALPHABET, ALPHABET, f->label);
}

static inline int check_former(enum norm norm, enum place place)
{
    struct former *f = former_new(norm, place, 1);
    uint64_t state = 1;
    char name[32];
    double off;
    int i, right;
    for (i = 0; i < 25; ++i) {
        former_fill(f, 16, &state);
        former_forward(f, TRAIN);
        former_backward(f);
        adam(&f->params, 0.003);
    }
    former_fill(f, 8, &state);
    former_forward(f, TRAIN);
    former_backward(f);
    off = slopes_off(former_loss, f, &f->params, 1e-3);
    former_fill(f, 64, &state);
    former_forward(f, TEST_BY_BATCH);
    right = former_right(f);
    former_free(f);
    sprintf(name, "%s %s", norm_names[norm], place_names[place]);
    return said("texts", name, off, right, 64 * WORD, 46);
}

static inline double paint_loss(void *of)
{
    struct paint *p = of;
    paint_forward(p, 4, TEST_BY_BATCH);
    return paint_error(p, 4);
}

static inline int check_paint(enum norm norm)
{
    struct paint *p = paint_new(norm, 1);
    uint64_t state = 1;
    double first = 0, off, error = 0;
    int i, n;
    for (i = 0; i <= 20; ++i) {
        for (n = 0; n < 4; ++n) paint_fill(p, n, n % STYLES, 0, &state);
        paint_forward(p, 4, TRAIN);
        error = paint_error(p, 4);
        if (!i) first = error;
        paint_backward(p, 4);
        if (i < 20) adam(&p->params, 0.02);
    }
    off = slopes_off(paint_loss, p, &p->params, 1e-3);
    paint_free(p);
    printf("%-9s %-14s gradients %.4f off; error %.3f, at first %.3f\n", "paintings",
           norm_names[norm], off, error, first);
    return !(off < 0.025 && error < 0.7 * first);
}

static inline int quick_check(void)
{
    int bad = 0, k;
    for (k = 0; k < NORMS; ++k) bad |= check_net((enum norm)k);
    for (k = 0; k < RNN_NORMS; ++k) bad |= check_rnn((enum rnn_norm)k);
    for (k = 0; k < NORMS; ++k) {
        bad |= check_deep((enum norm)k);
        if (k != INSTANCE && k != GROUP) bad |= check_former((enum norm)k, PRE);
        if (k == LAYER || k == BATCH || k == TANH) bad |= check_former((enum norm)k, POST);
        bad |= check_paint((enum norm)k);
    }
    if (bad) printf("WRONG\n");
    return bad;
}

#endif
