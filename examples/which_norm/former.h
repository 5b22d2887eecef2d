/* former.h - a transformer of three blocks that reads and writes characters.
 *
 * A text is an order, six figures and what comes of them, "S942731=123479": copied, reversed, each
 * raised by one, sorted, or the sum of two numbers. What is learned and counted is the answer,
 * character by character, from all that is before it.
 */
#ifndef WHICH_FORMER_H
#define WHICH_FORMER_H

#include "norms.h"

enum { ALPHABET = 16, WORD = 6, TEXT = 2 * WORD + 2, WIDTH = 32, HEADS = 4, FORMER_BLOCKS = 3 };
enum { EACH = WIDTH / HEADS, MIDDLE = 4 * WIDTH, TEXTS_MOST = 64 };
enum place { PRE, POST, PLACES };
static const char *const place_names[PLACES] = {"pre", "post"};

/* ---- Texts ----------------------------------------------------------------------------------- */

/* Characters: ten figures, the sign of equality, five orders. */
enum { FIGURES = 10, EQUALS = 10, ORDERS = 11, KINDS = 5 };

static inline void sort_figures(unsigned char *figure)
{
    int i, k;
    for (i = 1; i < WORD; ++i) {
        unsigned char moved = figure[i];
        for (k = i; k > 0 && figure[k - 1] > moved; --k) figure[k] = figure[k - 1];
        figure[k] = moved;
    }
}

static inline void write_text(unsigned char *text, uint64_t *state)
{
    unsigned char *given = text + 1, *answer = text + WORD + 2;
    int kind = below(state, KINDS), i, sum = 0;
    text[0] = (unsigned char)(ORDERS + kind);
    text[WORD + 1] = EQUALS;
    for (i = 0; i < WORD; ++i) given[i] = (unsigned char)below(state, FIGURES);
    for (i = 0; i < WORD; ++i)
        answer[i] = kind == 1 ? given[WORD - 1 - i] :
            kind == 2 ? (unsigned char)((given[i] + 1) % FIGURES) : given[i];
    if (kind == 3) sort_figures(answer);
    for (i = 0; kind == 4 && i < WORD; ++i) { /* of two numbers of three, lowest digit first */
        if (i < WORD / 2) sum += given[i] + given[i + WORD / 2];
        answer[i] = (unsigned char)(sum % FIGURES);
        sum /= FIGURES;
    }
}

/* ---- The net --------------------------------------------------------------------------------- */

enum { STEPS = TEXT - 1, HALVES = 2 * FORMER_BLOCKS };

/* x + f(norm(x)), or with the norm after the sum: f is attention, or two layers with ReLU. */
struct half {
    struct norm_layer norm;
    struct linear first, second;
    const float *in;
    float *normed, *wide, *mixed, *sum, *out; /* out is sum, or its norm */
};

struct former {
    enum place place;
    int samples;
    struct params params;
    struct piece letter, position; /* a row for each */
    struct half half[HALVES];
    struct norm_layer last; /* with PRE: between the blocks and the head */
    struct linear head;
    unsigned char text[TEXTS_MOST * TEXT];
    int label[TEXTS_MOST * STEPS]; /* -1 where nothing is asked */
    float *start, *end, *score, *d, *e, *d_wide, *d_mixed, *weight; /* weight: of attention */
};

enum { WEIGHTS = HEADS * STEPS * STEPS, ROWS_MOST = TEXTS_MOST * STEPS };

static inline void half_new(struct half *h, struct former *f, int k, enum norm norm,
                            const float *in, uint64_t *seed)
{
    int attention = k % 2 == 0, wide = attention ? 3 * WIDTH : MIDDLE;
    int narrow = attention ? WIDTH : MIDDLE;
    norm_new(&h->norm, &f->params, norm, WIDTH, STEPS, 0, TEXTS_MOST);
    h->norm.relu = 0;
    h->first = linear_new(&f->params, WIDTH, wide, sqrt(1.0 / WIDTH), seed);
    h->second = linear_new(&f->params, narrow, WIDTH, sqrt(1.0 / narrow), seed);
    h->in = in;
    h->normed = floats(ROWS_MOST * WIDTH), h->wide = floats((size_t)ROWS_MOST * wide);
    h->mixed = floats((size_t)ROWS_MOST * narrow), h->sum = floats(ROWS_MOST * WIDTH);
    h->out = f->place == POST ? floats(ROWS_MOST * WIDTH) : h->sum;
}

static inline struct former *former_new(enum norm norm, enum place place, uint64_t seed)
{
    struct former *f = get(1, sizeof *f);
    int k;
    f->place = place;
    params_new(&f->params, 65536);
    f->letter = params_add(&f->params, ALPHABET * WIDTH, 0, sqrt(0.5), &seed);
    f->position = params_add(&f->params, STEPS * WIDTH, 0, sqrt(0.5), &seed);
    f->start = floats(ROWS_MOST * WIDTH), f->end = floats(ROWS_MOST * WIDTH);
    for (k = 0; k < HALVES; ++k)
        half_new(&f->half[k], f, k, norm, k ? f->half[k - 1].out : f->start, &seed);
    norm_new(&f->last, &f->params, norm, WIDTH, STEPS, 0, TEXTS_MOST);
    f->last.relu = 0;
    f->head = linear_new(&f->params, WIDTH, ALPHABET, sqrt(1.0 / WIDTH), &seed);
    f->score = floats(ROWS_MOST * ALPHABET);
    f->d = floats(ROWS_MOST * WIDTH), f->e = floats(ROWS_MOST * WIDTH);
    f->d_wide = floats(ROWS_MOST * MIDDLE), f->d_mixed = floats(ROWS_MOST * MIDDLE);
    f->weight = floats((size_t)FORMER_BLOCKS * TEXTS_MOST * WEIGHTS);
    return f;
}

static inline void former_free(struct former *f)
{
    int k;
    for (k = 0; k < HALVES; ++k) {
        struct half *h = &f->half[k];
        norm_free(&h->norm);
        free(h->normed), free(h->wide), free(h->mixed), free(h->sum);
        if (f->place == POST) free(h->out);
    }
    norm_free(&f->last);
    params_free(&f->params);
    free(f->start), free(f->end), free(f->score), free(f->d), free(f->e);
    free(f->d_wide), free(f->d_mixed), free(f->weight);
    free(f);
}

static inline void former_fill(struct former *f, int samples, uint64_t *state)
{
    int n, t;
    f->samples = samples;
    for (n = 0; n < samples; ++n) {
        unsigned char *text = f->text + n * TEXT;
        write_text(text, state);
        for (t = 0; t < STEPS; ++t) f->label[n * STEPS + t] = t > WORD ? text[t + 1] : -1;
    }
}

/* ---- Attention: each place looks at those before it and at itself ---------------------------- */

/* A row of `wide` is query, key and value, HEADS pieces each. `weight` is of one head. */
static inline void attend(float *mixed, float *weight, const float *wide)
{
    const float *key = wide + WIDTH, *value = wide + 2 * WIDTH;
    const float scale = 1 / sqrtf(EACH);
    int t, u, i;
    for (t = 0; t < STEPS; ++t, weight += STEPS) {
        const float *query = wide + t * 3 * WIDTH;
        float most = -INFINITY, sum = 0;
        for (u = 0; u <= t; ++u) {
            weight[u] = 0;
            for (i = 0; i < EACH; ++i) weight[u] += query[i] * key[u * 3 * WIDTH + i];
            weight[u] *= scale;
            if (weight[u] > most) most = weight[u];
        }
        for (u = 0; u <= t; ++u) sum += weight[u] = expf(weight[u] - most);
        for (i = 0; i < EACH; ++i) mixed[t * WIDTH + i] = 0;
        for (u = 0; u <= t; ++u) {
            weight[u] /= sum;
            for (i = 0; i < EACH; ++i)
                mixed[t * WIDTH + i] += weight[u] * value[u * 3 * WIDTH + i];
        }
    }
}

/* d_wide is zero at first. */
static inline void attend_back(float *d_wide, const float *d_mixed, const float *weight,
                               const float *wide)
{
    const float scale = 1 / sqrtf(EACH);
    int t, u, i;
    for (t = 0; t < STEPS; ++t, weight += STEPS) {
        const float *d = d_mixed + t * WIDTH, *query = wide + t * 3 * WIDTH;
        float d_weight[STEPS], mean = 0, *d_query = d_wide + t * 3 * WIDTH;
        for (u = 0; u <= t; ++u) {
            const float *value = wide + u * 3 * WIDTH + 2 * WIDTH;
            float *d_value = d_wide + u * 3 * WIDTH + 2 * WIDTH;
            d_weight[u] = 0;
            for (i = 0; i < EACH; ++i) {
                d_weight[u] += d[i] * value[i];
                d_value[i] += weight[u] * d[i];
            }
            mean += weight[u] * d_weight[u];
        }
        for (u = 0; u <= t; ++u) {
            float slope = weight[u] * (d_weight[u] - mean) * scale;
            const float *key = wide + u * 3 * WIDTH + WIDTH;
            float *d_key = d_wide + u * 3 * WIDTH + WIDTH;
            for (i = 0; i < EACH; ++i) {
                d_query[i] += slope * key[i];
                d_key[i] += slope * query[i];
            }
        }
    }
}

/* ---- Forward, backward ----------------------------------------------------------------------- */

static inline float *weights_of(struct former *f, int k, int n, int head)
{
    return f->weight + ((size_t)k / 2 * TEXTS_MOST + n) * WEIGHTS + head * STEPS * STEPS;
}

static inline void half_forward(struct former *f, int k, enum mode mode)
{
    struct half *h = &f->half[k];
    int rows = f->samples * STEPS, n, i;
    if (f->place == PRE) norm_forward(&h->norm, h->normed, h->in, NULL, f->samples, mode);
    linear_forward(&h->first, h->wide, f->place == PRE ? h->normed : h->in, rows);
    for (n = 0; k % 2 == 0 && n < f->samples; ++n)
        for (i = 0; i < HEADS; ++i)
            attend(h->mixed + n * STEPS * WIDTH + i * EACH, weights_of(f, k, n, i),
                   h->wide + n * STEPS * 3 * WIDTH + i * EACH);
    for (i = 0; k % 2 == 1 && i < rows * MIDDLE; ++i)
        h->mixed[i] = h->wide[i] > 0 ? h->wide[i] : 0;
    linear_forward(&h->second, h->sum, h->mixed, rows);
    for (i = 0; i < rows * WIDTH; ++i) h->sum[i] += h->in[i];
    if (f->place == POST) norm_forward(&h->norm, h->out, h->sum, NULL, f->samples, mode);
}

/* f->d, of what comes out, becomes that of what went in. */
static inline void half_back(struct former *f, int k)
{
    struct half *h = &f->half[k];
    int rows = f->samples * STEPS, n, i;
    float *d = f->d, *inner = f->place == PRE ? f->e : d;
    if (f->place == POST) norm_back(&h->norm, d, NULL, d, h->sum, h->out, NULL, f->samples);
    memset(f->d_mixed, 0, (size_t)rows * h->second.in * sizeof(float));
    linear_back(&h->second, f->d_mixed, d, h->mixed, rows);
    memset(f->d_wide, 0, (size_t)rows * h->first.out * sizeof(float));
    for (n = 0; k % 2 == 0 && n < f->samples; ++n)
        for (i = 0; i < HEADS; ++i)
            attend_back(f->d_wide + n * STEPS * 3 * WIDTH + i * EACH,
                        f->d_mixed + n * STEPS * WIDTH + i * EACH, weights_of(f, k, n, i),
                        h->wide + n * STEPS * 3 * WIDTH + i * EACH);
    for (i = 0; k % 2 == 1 && i < rows * MIDDLE; ++i)
        f->d_wide[i] = h->wide[i] > 0 ? f->d_mixed[i] : 0;
    if (f->place == PRE) memset(inner, 0, (size_t)rows * WIDTH * sizeof(float));
    linear_back(&h->first, inner, f->d_wide, f->place == PRE ? h->normed : h->in, rows);
    if (f->place == POST) return;
    norm_back(&h->norm, inner, NULL, inner, h->in, h->normed, NULL, f->samples);
    for (i = 0; i < rows * WIDTH; ++i) d[i] += inner[i];
}

static inline const float *former_end(const struct former *f)
{
    return f->place == PRE ? f->end : f->half[HALVES - 1].out;
}

static inline void former_forward(struct former *f, enum mode mode)
{
    int k, n, t, i;
    for (n = 0; n < f->samples; ++n)
        for (t = 0; t < STEPS; ++t)
            for (i = 0; i < WIDTH; ++i)
                f->start[(n * STEPS + t) * WIDTH + i] =
                    f->letter.v[f->text[n * TEXT + t] * WIDTH + i] + f->position.v[t * WIDTH + i];
    for (k = 0; k < HALVES; ++k) half_forward(f, k, mode);
    if (f->place == PRE)
        norm_forward(&f->last, f->end, f->half[HALVES - 1].out, NULL, f->samples, mode);
    linear_forward(&f->head, f->score, former_end(f), f->samples * STEPS);
}

static inline void former_backward(struct former *f)
{
    int rows = f->samples * STEPS, k, n, t, i;
    memset(f->params.gradient, 0, (size_t)f->params.count * sizeof(float));
    score_gradient(f->score, rows, ALPHABET, ALPHABET, f->label);
    memset(f->d, 0, (size_t)rows * WIDTH * sizeof(float));
    linear_back(&f->head, f->d, f->score, former_end(f), rows);
    if (f->place == PRE)
        norm_back(&f->last, f->d, NULL, f->d, f->half[HALVES - 1].out, f->end, NULL, f->samples);
    for (k = HALVES - 1; k >= 0; --k) half_back(f, k);
    for (n = 0; n < f->samples; ++n)
        for (t = 0; t < STEPS; ++t)
            for (i = 0; i < WIDTH; ++i) {
                float d = f->d[(n * STEPS + t) * WIDTH + i];
                f->letter.d[f->text[n * TEXT + t] * WIDTH + i] += d;
                f->position.d[t * WIDTH + i] += d;
            }
}

/* Right characters of the answers, of WORD for each text. */
static inline int former_right(const struct former *f)
{
    int i, right = 0;
    for (i = 0; i < f->samples * STEPS; ++i)
        if (f->label[i] >= 0) right += guess(f->score + i * ALPHABET, ALPHABET) == f->label[i];
    return right;
}

#endif
