/* paint.h - a net that paints a picture in one of four styles: four convolutions, a norm and ReLU
 * after each, and a fifth that gives three colours. A style is a gamma and a beta for each norm
 * (conditional norm); without a norm they scale and shift what the convolution gives.
 *
 * The styles are drawn, too, from the ink without noise, so that the error is known: an outline, a
 * shadow, a glow, or ink of one colour. What the camera does is not to be seen in the painting.
 */
#ifndef WHICH_PAINT_H
#define WHICH_PAINT_H

#include "norms.h"

enum { PAINT_STAGES = 4, PAINT_WIDTH = 8, COLOURS = 3, STYLES = 4, PAINT_MOST = 64 };
enum { PAINTED = PIXELS * COLOURS };

struct paint_stage {
    struct conv conv;
    struct norm_layer norm;
    float *z, *y, *dy;
};

struct paint {
    struct params params;
    struct paint_stage stage[PAINT_STAGES];
    struct conv last;
    int style[PAINT_MOST];
    float *x, *wanted, *out, *d_out;
};

/* ---- Pictures -------------------------------------------------------------------------------- */

static inline double ink_at(const float *ink, int x, int y)
{
    return x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 0 : (double)ink[y * SIDE + x];
}

/* From 0 to 1, how much of the second colour there is. */
static inline double effect(const float *ink, int style, int x, int y)
{
    double here = ink_at(ink, x, y), sum = 0, most = 0;
    int i;
    for (i = 0; i < 9; ++i) {
        double other = ink_at(ink, x + i % 3 - 1, y + i / 3 - 1);
        sum += other / 9;
        if (other > most) most = other;
    }
    if (style == 0) return 0;
    if (style == 1) return most - here;                                 /* outline */
    if (style == 2) return ink_at(ink, x - 1, y - 2) * (1 - here);      /* shadow */
    return sum * (1 - here);                                            /* glow */
}

static inline void paint_style(float *to, const float *ink, int style)
{
    static const double colour[STYLES][3][COLOURS] = { /* paper, ink, effect */
        {{0.97, 0.95, 0.90}, {0.80, 0.15, 0.10}, {0.00, 0.00, 0.00}},
        {{0.85, 0.92, 0.97}, {0.95, 0.75, 0.20}, {0.05, 0.20, 0.50}},
        {{0.95, 0.85, 0.45}, {0.20, 0.45, 0.25}, {0.45, 0.35, 0.20}},
        {{0.08, 0.08, 0.20}, {0.95, 0.95, 0.80}, {0.60, 0.20, 0.80}}};
    int i, k;
    for (i = 0; i < PIXELS; ++i) {
        double here = (double)ink[i], more = effect(ink, style, i % SIDE, i / SIDE);
        for (k = 0; k < COLOURS; ++k)
            to[i * COLOURS + k] = (float)(colour[style][0][k] * (1 - here - more) +
                                          colour[style][1][k] * here + colour[style][2][k] * more);
    }
}

/* Contrast 0 is one of those of the training, 0.5 to 2. */
static inline void paint_fill(struct paint *p, int n, int style, double contrast, uint64_t *state)
{
    float picture[PIXELS], ink[PIXELS];
    double usual = exp(uniform(state, -0.6931, 0.6931));
    double brightness = uniform(state, -0.5, 0.5);
    draw(picture, ink, below(state, GLYPHS), state);
    take(p->x + (size_t)n * PIXELS, picture, contrast > 0 ? contrast : usual, brightness);
    p->style[n] = style;
    paint_style(p->wanted + (size_t)n * PAINTED, ink, style);
}

/* ---- The net --------------------------------------------------------------------------------- */

static inline struct paint *paint_new(enum norm norm, uint64_t seed)
{
    struct paint *p = get(1, sizeof *p);
    size_t values = (size_t)PAINT_MOST * PIXELS * PAINT_WIDTH;
    int k;
    params_new(&p->params, 4096);
    for (k = 0; k < PAINT_STAGES; ++k) {
        struct paint_stage *s = &p->stage[k];
        conv_new(&s->conv, &p->params, k ? PAINT_WIDTH : 1, PAINT_WIDTH, SIDE, 1, &seed);
        norm_new(&s->norm, &p->params, norm, PAINT_WIDTH, PIXELS, STYLES, PAINT_MOST);
        s->norm.style = p->style;
        s->z = floats(values), s->y = floats(values), s->dy = floats(values);
    }
    conv_new(&p->last, &p->params, PAINT_WIDTH, COLOURS, SIDE, 1, &seed);
    p->x = floats((size_t)PAINT_MOST * PIXELS);
    p->wanted = floats((size_t)PAINT_MOST * PAINTED);
    p->out = floats((size_t)PAINT_MOST * PAINTED), p->d_out = floats((size_t)PAINT_MOST * PAINTED);
    return p;
}

static inline void paint_free(struct paint *p)
{
    int k;
    for (k = 0; k < PAINT_STAGES; ++k) {
        struct paint_stage *s = &p->stage[k];
        norm_free(&s->norm);
        free(s->z), free(s->y), free(s->dy);
    }
    params_free(&p->params);
    free(p->x), free(p->wanted), free(p->out), free(p->d_out);
    free(p);
}

static inline void paint_forward(struct paint *p, int samples, enum mode mode)
{
    int k;
    for (k = 0; k < PAINT_STAGES; ++k) {
        struct paint_stage *s = &p->stage[k];
        conv_forward(&s->conv, s->z, k ? s[-1].y : p->x, samples);
        norm_forward(&s->norm, s->y, s->z, NULL, samples, mode);
    }
    conv_forward(&p->last, p->out, p->stage[PAINT_STAGES - 1].y, samples);
}

/* The mean squared error; paint_backward follows it. */
static inline double paint_error(const struct paint *p, int samples)
{
    double sum = 0;
    int i;
    for (i = 0; i < samples * PAINTED; ++i) {
        double off = (double)p->out[i] - (double)p->wanted[i];
        sum += off * off;
    }
    return sum / (samples * PAINTED);
}

static inline void paint_backward(struct paint *p, int samples)
{
    struct paint_stage *s = &p->stage[PAINT_STAGES - 1];
    int k, i;
    memset(p->params.gradient, 0, (size_t)p->params.count * sizeof(float));
    for (i = 0; i < samples * PAINTED; ++i)
        p->d_out[i] = 2 * (p->out[i] - p->wanted[i]) / (float)(samples * PAINTED);
    conv_back(&p->last, s->dy, p->d_out, s->y, samples, 0);
    for (k = PAINT_STAGES - 1; k >= 0; --k, --s) {
        norm_back(&s->norm, s->dy, NULL, s->dy, s->z, s->y, NULL, samples);
        conv_back(&s->conv, k ? s[-1].dy : NULL, s->dy, k ? s[-1].y : p->x, samples, 0);
    }
}

#endif
