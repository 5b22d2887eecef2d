/* naive.h - what most people write: the plain loops that the benchmark compares with.
 *
 * naive.c is compiled twice, for vectors of 256 bits and of 512: some shapes want the former, some
 * the latter. The better one counts. Where 512 bits are not to be had, the first is what the
 * compiler takes by itself, and the second empty.
 */
#ifndef BENCH_NAIVE_H
#define BENCH_NAIVE_H

#include "../normalize.h"

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

typedef void naive_norm(const naive *);
typedef void naive_pass(float *out, const float *a, const float *b, size_t count);

typedef struct naive_loops {
    naive_norm *forward, *infer, *backward; /* infer: batch norm                               */
    naive_pass *add;                        /* out = a + b: a pass that a fused call saves     */
    naive_pass *relu;                       /* out = a where a > 0, else 0                     */
    naive_pass *mask;                       /* out = a where b > 0, else 0                     */
} naive_loops;

extern const naive_loops naive_narrow, naive_wide;

#endif /* BENCH_NAIVE_H */
