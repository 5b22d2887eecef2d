/* textbook.h - normalization in float as the formula is usually written down, for bench/accuracy.c.
 *
 * Float sums in the order of the values, float statistics. With two passes the variance is that of
 * the deviations from the mean; with one it is E[x^2] - E[x]^2. Data are packed NCHW; nothing is
 * fused or reordered, so that the figures are those of every machine. Include
 * tests/support/ref.h first.
 */
#ifndef BENCH_TEXTBOOK_H
#define BENCH_TEXTBOOK_H

typedef struct textbook {
    nrm_desc d;
    int one_pass;
    const float *x, *dy, *gamma, *beta, *running_mean, *running_var;
    float *y, *dx, *dgamma, *dbeta;
    float *mean, *rstd, *p, *q; /* a value for each statistic; p and q are scratch */
} textbook;

static inline void textbook_statistics(const textbook *t)
{
    const nrm_desc *d = &t->d;
    const float m = (float)ref_group_size(d), eps = (float)d->eps;
    float *squares = t->rstd;
    size_t i, j, k, q, stats = ref_stats(d);
    for (q = 0; q < stats; ++q) t->mean[q] = squares[q] = 0;
    REF_EACH(d, i, j, k) {
        const float x = t->x[ref_own(d, i, j, k)];
        q = ref_stat(d, i, j, k);
        t->mean[q] += x;
        if (t->one_pass) squares[q] += x * x;
    }
    for (q = 0; q < stats; ++q) t->mean[q] = d->kind == NRM_RMS ? 0 : t->mean[q] / m;
    if (!t->one_pass) {
        REF_EACH(d, i, j, k) {
            float deviation;
            q = ref_stat(d, i, j, k);
            deviation = t->x[ref_own(d, i, j, k)] - t->mean[q];
            squares[q] += deviation * deviation;
        }
    }
    for (q = 0; q < stats; ++q) {
        float var = squares[q] / m;
        if (t->one_pass) var -= t->mean[q] * t->mean[q];
        t->rstd[q] = 1 / sqrtf(var + eps);
    }
}

static inline void textbook_forward(const textbook *t)
{
    const nrm_desc *d = &t->d;
    size_t i, j, k;
    textbook_statistics(t);
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k), q = ref_stat(d, i, j, k);
        t->y[e] = (t->x[e] - t->mean[q]) * t->rstd[q] * t->gamma[j] + (t->beta ? t->beta[j] : 0);
    }
}

/* One pass over the numbers of a channel, too: y = x * scale + shift. */
static inline void textbook_infer(const textbook *t)
{
    const nrm_desc *d = &t->d;
    size_t i, j, k;
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k);
        const float rstd = 1 / sqrtf(t->running_var[j] + (float)d->eps);
        const float scale = t->gamma[j] * rstd, shift = t->beta[j] - t->running_mean[j] * scale;
        t->y[e] = t->one_pass
                      ? t->x[e] * scale + shift
                      : (t->x[e] - t->running_mean[j]) * rstd * t->gamma[j] + t->beta[j];
    }
}

/* With the statistics that forward left. */
static inline void textbook_backward(const textbook *t)
{
    const nrm_desc *d = &t->d;
    const float m = (float)ref_group_size(d);
    size_t i, j, k, q;
    for (q = 0; q < ref_stats(d); ++q) t->p[q] = t->q[q] = 0;
    for (j = 0; j < d->c; ++j) t->dgamma[j] = t->dbeta[j] = 0;
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k);
        float xhat;
        q = ref_stat(d, i, j, k);
        xhat = (t->x[e] - t->mean[q]) * t->rstd[q];
        t->p[q] += t->dy[e] * t->gamma[j];
        t->q[q] += t->dy[e] * t->gamma[j] * xhat;
        t->dgamma[j] += t->dy[e] * xhat;
        t->dbeta[j] += t->dy[e];
    }
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k);
        float xhat;
        q = ref_stat(d, i, j, k);
        xhat = (t->x[e] - t->mean[q]) * t->rstd[q];
        t->dx[e] = t->rstd[q] * (t->dy[e] * t->gamma[j] - (d->kind == NRM_RMS ? 0 : t->p[q] / m) -
                                 xhat * (t->q[q] / m));
    }
}

#endif /* BENCH_TEXTBOOK_H */
