/* right.c - all five norms of floats, forward and backward, in double: two passes for the variance,
 * two for the gradient. Ten times slower than it could be, and within the bound.
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/right.c SECONDS=10
 */
#include "normalize.h"

#include <math.h>

/* A list of values that share a mean: from these samples, channels and positions on, so many. */
typedef struct list {
    size_t i, j, k, n, c, s;
} list;

/* Element (i, j, k) of a packed tensor. */
static size_t at(const nrm_desc *d, size_t i, size_t j, size_t k)
{
    if (d->layout == NRM_NHWC) return (i * d->s + k) * d->c + j;
    return (i * d->c + j) * d->s + k;
}

static list list_of(const nrm_desc *d, size_t q)
{
    list l = {0, 0, 0, 1, 1, 1};
    switch (d->kind) {
    case NRM_BATCH: l.j = q, l.n = d->n, l.s = d->s; break;
    case NRM_INSTANCE: l.i = q / d->c, l.j = q % d->c, l.s = d->s; break;
    case NRM_GROUP:
        l.c = d->c / d->groups, l.s = d->s;
        l.i = q / d->groups, l.j = q % d->groups * l.c;
        break;
    default: l.i = q / d->s, l.k = q % d->s, l.c = d->c;
    }
    return l;
}

static size_t lists(const nrm_desc *d)
{
    return d->kind == NRM_BATCH      ? d->c
           : d->kind == NRM_INSTANCE ? d->n * d->c
           : d->kind == NRM_GROUP    ? d->n * d->groups
                                     : d->n * d->s;
}

/* For each element of a list: e is where it lies, j its channel. */
#define EACH(l, i, j, k, e)                    \
    for (i = l.i; i < l.i + l.n; ++i)          \
        for (j = l.j; j < l.j + l.c; ++j)      \
            for (k = l.k; k < l.k + l.s && (e = at(d, i, j, k), 1); ++k)

static void forward(const nrm_desc *d, size_t q, const nrm_args *a)
{
    const float *x = (const float *)a->x;
    const float *gamma = (const float *)a->gamma, *beta = (const float *)a->beta;
    float *y = (float *)a->y;
    const list l = list_of(d, q);
    const double m = (double)(l.n * l.c * l.s);
    size_t i, j, k, e;
    double mean = 0, var = 0, rstd;
    if (d->kind != NRM_RMS) {
        EACH(l, i, j, k, e) mean += x[e];
        mean /= m;
    }
    EACH(l, i, j, k, e) var += (x[e] - mean) * (x[e] - mean);
    var = var / m + d->eps;
    rstd = var > 0 ? 1 / sqrt(var) : var == 0 ? 0 : NAN;
    EACH(l, i, j, k, e)
        y[e] = (float)((x[e] - mean) * rstd * (gamma ? gamma[j] : 1.0) + (beta ? beta[j] : 0.0));
    if (a->mean && d->kind != NRM_RMS) a->mean[q] = mean;
    if (a->rstd) a->rstd[q] = rstd;
}

static void infer(const nrm_desc *d, const nrm_args *a)
{
    const float *x = (const float *)a->x;
    const float *gamma = (const float *)a->gamma, *beta = (const float *)a->beta;
    const float *mean = (const float *)a->running_mean, *var = (const float *)a->running_var;
    float *y = (float *)a->y;
    size_t i, j, k;
    for (i = 0; i < d->n; ++i)
        for (j = 0; j < d->c; ++j)
            for (k = 0; k < d->s; ++k) {
                const double v = var[j] + d->eps, rstd = v == 0 ? 0 : 1 / sqrt(v);
                const size_t e = at(d, i, j, k);
                y[e] = (float)(((double)x[e] - mean[j]) * rstd * (gamma ? gamma[j] : 1.0) +
                               (beta ? beta[j] : 0.0));
            }
}

static void backward(const nrm_desc *d, size_t q, const nrm_args *a)
{
    const float *x = (const float *)a->x, *dy = (const float *)a->dy;
    const float *gamma = (const float *)a->gamma;
    float *dx = (float *)a->dx;
    const list l = list_of(d, q);
    const double m = (double)(l.n * l.c * l.s), rstd = a->rstd[q];
    const double mean = d->kind == NRM_RMS ? 0 : a->mean[q];
    double t = 0, t_xhat = 0;
    size_t i, j, k, e;
    EACH(l, i, j, k, e) {
        const double here = dy[e] * (gamma ? (double)gamma[j] : 1.0);
        if (d->kind != NRM_RMS) t += here / m;
        t_xhat += here * ((x[e] - mean) * rstd) / m;
    }
    EACH(l, i, j, k, e)
        dx[e] = (float)(rstd * (dy[e] * (gamma ? (double)gamma[j] : 1.0) - t -
                                (x[e] - mean) * rstd * t_xhat));
}

/* dgamma and dbeta are sums over all samples and positions of a channel, whatever the kind. */
static size_t list_at(const nrm_desc *d, size_t i, size_t j, size_t k)
{
    switch (d->kind) {
    case NRM_BATCH: return j;
    case NRM_INSTANCE: return i * d->c + j;
    case NRM_GROUP: return i * d->groups + j / (d->c / d->groups);
    default: return i * d->s + k;
    }
}

static void parameters(const nrm_desc *d, size_t j, const nrm_args *a)
{
    const float *x = (const float *)a->x, *dy = (const float *)a->dy;
    double dgamma = 0, dbeta = 0;
    size_t i, k;
    for (i = 0; i < d->n; ++i)
        for (k = 0; k < d->s; ++k) {
            const size_t e = at(d, i, j, k), q = list_at(d, i, j, k);
            const double mean = d->kind == NRM_RMS ? 0 : a->mean[q];
            dgamma += dy[e] * ((x[e] - mean) * a->rstd[q]);
            dbeta += dy[e];
        }
    if (a->dgamma) ((float *)a->dgamma)[j] = (float)dgamma;
    if (a->dbeta) ((float *)a->dbeta)[j] = (float)dbeta;
}

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    const int parameters_too = verb == NRM_BACKWARD && (a->dgamma || a->dbeta);
    size_t q;
    if (d->dtype != NRM_F32 || d->act || d->gamma_offset || d->affine_per_sample) return 1;
    if (d->x_pitch.line || d->x_pitch.sample || d->y_pitch.line || d->y_pitch.sample) return 1;
    if (a->residual || a->sum || a->dsum || a->accumulate) return 1;
    if (verb == NRM_INFER) {
        infer(d, a);
        return 0;
    }
    if (a->running_mean || a->running_var) return 1;
    if (verb != NRM_FORWARD && verb != NRM_BACKWARD) return 1;
    for (q = 0; parameters_too && q < d->c; ++q) parameters(d, q, a);
    for (q = 0; q < lists(d); ++q)
        if (verb == NRM_FORWARD)
            forward(d, q, a);
        else if (a->dx) /* last: it may lie where x or dy do */
            backward(d, q, a);
    return 0;
}
