/* naive.h - the loops that the benchmark compares with: naive.c, compiled for this machine. */
#ifndef BENCH_NAIVE_H
#define BENCH_NAIVE_H

#include "../normalize.h"

/* ---- The least that can be done: each tensor is moved once ----------------------------------- */

typedef enum move {
    MOVE_READ,         /* t[0] is read                     */
    MOVE_FORWARD,      /* t[0] = t[1] + 1                  */
    MOVE_FORWARD_ADD,  /* t[1] = t[2] + t[3], t[0] = t[1] + 1 */
    MOVE_BACKWARD,     /* t[0] = t[1] + t[2]               */
    MOVE_BACKWARD_ADD, /* t[0] = t[1] + t[2] + t[3]        */
    MOVES
} move;

enum { MOVE_LINE = 64 }; /* bytes */

/* How many tensors a move reads and writes. */
extern const int move_tensors[MOVES];
/* 1 if there are stores past the caches. */
extern const int move_can_stream;
/* Lines first to last - 1 of each tensor, as 32-bit integers: the storage type does not matter, and
   there are no denormals to meet. stream: stores past the caches. Tensors are aligned. */
void move_lines(move what, int stream, void *const *t, size_t first, size_t last);

/* ---- Passes that a fused call saves ---------------------------------------------------------- */

void naive_add(float *out, const float *a, const float *b, size_t count);
void naive_relu(float *out, const float *in, size_t count);
/* out = dy where y > 0, else 0 */
void naive_mask(float *out, const float *dy, const float *y, size_t count);

/* ---- What most people write ------------------------------------------------------------------ */

/* Float, packed, one thread. mean, rstd: n * (c + s) values, in an order of its own, from
   forward to backward. p and q: c + s values of scratch. */
typedef struct naive {
    nrm_kind kind;
    nrm_layout layout;
    size_t n, c, s, groups;
    float eps, rate;
    const float *x, *dy, *gamma, *beta;
    float *y, *dx, *dgamma, *dbeta, *mean, *rstd, *running_mean, *running_var, *p, *q;
} naive;

void naive_forward(const naive *);
void naive_infer(const naive *); /* batch and instance norm with running statistics */
void naive_backward(const naive *);

#endif /* BENCH_NAIVE_H */
