/* rnn.h - a recurrent net: h = tanh(norm(bias + W letter + U h)) at each step, then a linear layer.
 *
 * The task: say the first letter of a sequence, whatever comes after it. Sequences of a batch are
 * of several lengths, longest first, so that those still running at a step are the first rows.
 */
#ifndef WHICH_RNN_H
#define WHICH_RNN_H

#include "net.h"

/* Batch norm takes the statistics of each step from the batch. What it keeps for inference is one
   set for all steps, or a set for each; beyond the longest sequence of training the last one. */
enum rnn_norm { RNN_NONE, RNN_BATCH, RNN_BATCH_STEPS, RNN_LAYER, RNN_RMS, RNN_NORMS };
static const char *const rnn_names[RNN_NORMS] = {"none", "batch", "batch by step", "layer", "rms"};

enum { LETTERS = 8, HIDDEN = 32, SHORTEST = 3, LONGEST = 12, LONGEST_TESTED = 20, ROWS = 128 };

struct rnn_step {
    int running; /* rows */
    unsigned char letter[ROWS];
    float h[ROWS * HIDDEN], z[ROWS * HIDDEN], y[ROWS * HIDDEN]; /* before; around the norm */
    double mean[ROWS + HIDDEN], rstd[ROWS + HIDDEN];
    float running_mean[HIDDEN], running_var[HIDDEN];
};

struct rnn {
    enum rnn_norm norm;
    int rows, steps, label[ROWS];
    struct params params;
    struct piece u, w, bias, gamma, beta;
    struct linear head;
    struct rnn_step step[LONGEST_TESTED + 1];
    float score[ROWS * CLASSES], dh[ROWS * HIDDEN], dz[ROWS * HIDDEN];
};

static inline struct rnn *rnn_new(enum rnn_norm norm, uint64_t seed)
{
    struct rnn *rnn = get(1, sizeof *rnn);
    struct params *p = &rnn->params;
    int i, t;
    rnn->norm = norm;
    params_new(p, 2048);
    rnn->u = params_add(p, HIDDEN * HIDDEN, 0, sqrt(1.0 / HIDDEN), &seed);
    rnn->w = params_add(p, LETTERS * HIDDEN, 0, 1, &seed);
    rnn->bias = params_add(p, HIDDEN, 0, 0, &seed);
    rnn->gamma = params_add(p, HIDDEN, 1, 0, &seed);
    rnn->beta = params_add(p, HIDDEN, 0, 0, &seed);
    rnn->head = linear_new(p, HIDDEN, CLASSES, sqrt(1.0 / HIDDEN), &seed);
    for (t = 0; t < LONGEST_TESTED; ++t)
        for (i = 0; i < HIDDEN; ++i) rnn->step[t].running_var[i] = 1;
    return rnn;
}

static inline void rnn_free(struct rnn *rnn)
{
    params_free(&rnn->params);
    free(rnn);
}

/* Sequences of random letters, of random lengths or, where `length` is not 0, of that one. */
static inline void rnn_fill(struct rnn *rnn, int rows, int length, uint64_t *state)
{
    int lengths[ROWS], i, t;
    for (i = 0; i < rows; ++i)
        lengths[i] = length ? length : SHORTEST + below(state, LONGEST - SHORTEST + 1);
    rnn->rows = rows;
    rnn->steps = 0;
    for (t = 0; t < LONGEST_TESTED; ++t) {
        struct rnn_step *s = &rnn->step[t];
        for (s->running = 0, i = 0; i < rows; ++i)
            if (lengths[i] > t) s->letter[s->running++] = (unsigned char)below(state, LETTERS);
        if (s->running) rnn->steps = t + 1;
    }
    for (i = 0; i < rows; ++i) rnn->label[i] = rnn->step[0].letter[i];
}

/* ---- A step ---------------------------------------------------------------------------------- */

static inline nrm_desc rnn_describe(const struct rnn *rnn, const struct rnn_step *s)
{
    static const nrm_kind kinds[RNN_NORMS] = {NRM_BATCH, NRM_BATCH, NRM_BATCH, NRM_LAYER, NRM_RMS};
    nrm_desc d = {0};
    d.kind = kinds[rnn->norm];
    d.n = (size_t)s->running;
    d.c = HIDDEN;
    d.s = 1;
    d.eps = 1e-5;
    return d;
}

static inline nrm_args rnn_arguments(struct rnn *rnn, struct rnn_step *s)
{
    nrm_args a = {0};
    a.x = s->z;
    a.gamma = rnn->gamma.v;
    a.beta = rnn->beta.v;
    a.mean = s->mean;
    a.rstd = s->rstd;
    return a;
}

/* A single row has no variance to keep: it leaves the running statistics as they are. */
static inline void rnn_normalize(struct rnn *rnn, int t, enum mode mode)
{
    struct rnn_step *s = &rnn->step[t], *kept = rnn->step;
    int batch = rnn->norm == RNN_BATCH || rnn->norm == RNN_BATCH_STEPS;
    nrm_desc d = rnn_describe(rnn, s);
    nrm_args a = rnn_arguments(rnn, s);
    a.y = s->y;
    if (rnn->norm == RNN_BATCH_STEPS) kept += t < LONGEST ? t : LONGEST - 1;
    if (batch && (mode == INFER || (mode == TRAIN && s->running > 1))) {
        a.running_mean = kept->running_mean;
        a.running_var = kept->running_var;
        a.running_rate = RUNNING_RATE;
    }
    if (rnn->norm == RNN_NONE) memcpy(s->y, s->z, d.n * HIDDEN * sizeof(float));
    else check(batch && mode == INFER ? nrm_infer(&d, &a) : nrm_forward(&d, &a));
}

/* From step t to what step t + 1 starts from. Rows that have ended keep their h. */
static inline void rnn_forward_step(struct rnn *rnn, int t, enum mode mode)
{
    struct rnn_step *s = &rnn->step[t];
    float *next = rnn->step[t + 1].h;
    int n, i;
    for (n = 0; n < s->running; ++n)
        for (i = 0; i < HIDDEN; ++i)
            s->z[n * HIDDEN + i] = rnn->bias.v[i] + rnn->w.v[s->letter[n] * HIDDEN + i];
    add_product(s->z, s->h, rnn->u.v, s->running, HIDDEN, HIDDEN, HIDDEN, 1);
    rnn_normalize(rnn, t, mode);
    memcpy(next, s->h, (size_t)rnn->rows * HIDDEN * sizeof *next);
    for (i = 0; i < s->running * HIDDEN; ++i) next[i] = tanhf(s->y[i]);
}

/* dh, of what step t + 1 starts from, becomes that of what step t starts from. */
static inline void rnn_backward_step(struct rnn *rnn, int t, const float *turned)
{
    struct rnn_step *s = &rnn->step[t];
    const float *next = rnn->step[t + 1].h;
    nrm_desc d = rnn_describe(rnn, s);
    nrm_args a = rnn_arguments(rnn, s);
    int n, i;
    for (i = 0; i < s->running * HIDDEN; ++i) rnn->dz[i] = rnn->dh[i] * (1 - next[i] * next[i]);
    a.dy = a.dx = rnn->dz;
    a.dgamma = rnn->gamma.d;
    a.dbeta = rnn->beta.d;
    a.accumulate = 1;
    if (rnn->norm != RNN_NONE) check(nrm_backward(&d, &a));
    for (n = 0; n < s->running; ++n)
        for (i = 0; i < HIDDEN; ++i) {
            rnn->bias.d[i] += rnn->dz[n * HIDDEN + i];
            rnn->w.d[s->letter[n] * HIDDEN + i] += rnn->dz[n * HIDDEN + i];
        }
    add_product(rnn->u.d, s->h, rnn->dz, HIDDEN, s->running, HIDDEN, 1, HIDDEN);
    memset(rnn->dh, 0, (size_t)s->running * HIDDEN * sizeof(float));
    add_product(rnn->dh, rnn->dz, turned, s->running, HIDDEN, HIDDEN, HIDDEN, 1);
}

/* ---- The net --------------------------------------------------------------------------------- */

static inline void rnn_forward(struct rnn *rnn, enum mode mode)
{
    int t;
    for (t = 0; t < rnn->steps; ++t) rnn_forward_step(rnn, t, mode);
    linear_forward(&rnn->head, rnn->score, rnn->step[rnn->steps].h, rnn->rows);
}

static inline void rnn_backward(struct rnn *rnn)
{
    float turned[HIDDEN * HIDDEN];
    int t;
    memset(rnn->params.gradient, 0, (size_t)rnn->params.count * sizeof(float));
    score_gradient(rnn->score, rnn->rows, CLASSES, LETTERS, rnn->label);
    memset(rnn->dh, 0, sizeof rnn->dh);
    linear_back(&rnn->head, rnn->dh, rnn->score, rnn->step[rnn->steps].h, rnn->rows);
    transpose(turned, rnn->u.v, HIDDEN, HIDDEN);
    for (t = rnn->steps - 1; t >= 0; --t) rnn_backward_step(rnn, t, turned);
}

static inline int rnn_right(const struct rnn *rnn)
{
    int n, right = 0;
    for (n = 0; n < rnn->rows; ++n)
        right += guess(rnn->score + n * CLASSES, LETTERS) == rnn->label[n];
    return right;
}

#endif
