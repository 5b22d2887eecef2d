/* ref.h - the oracle: normalization written the naive way in long double, and the error bounds.
 *
 * It shares no code with normalize.h, only the types of its interface: include normalize.h first.
 * Whoever wants to know what the library computes can read it from here: sections 2 to 4 are the
 * definitions, in loops over sample i, channel j and position k. It needs long double to be at
 * least a double; nothing here overflows or underflows for float data even then.
 */
#ifndef REF_H
#define REF_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* ---- 1 The error bounds: the one place that states them ------------------------------------- */

/* For every finite float input (manual, A6), with g = gamma + gamma_offset, b = beta and
   xhat = (z - mean) * rstd:

       |y - exact| <= 4 * 2^-23 * (|g| * (1 + |xhat|) + |b|) + 2^-149

   and a result overflows when the exact one, or one within the bound of it, does. */
#define REF_ULPS (4 * 0x1p-23L)
#define REF_TINY 0x1p-149L              /* the smallest float; its half is lost by rounding   */
#define REF_OVERFLOW 0x1.ffffffp127L    /* from here on, rounding to nearest gives Inf        */

static inline long double ref_bound_y(long double g, long double b, long double xhat)
{
    return REF_ULPS * (fabsl(g) * (1 + fabsl(xhat)) + fabsl(b)) + REF_TINY;
}

/* Gradients have the same bound on their natural scale, plus m * 2^-149 for m values summed. With
   t = dy' * g, where dy' is dy after the activation, the scale of dx is

       |rstd| * (|t| * (1 + |xhat|) + mean|t| + (1 + |xhat|) * mean|t * xhat|)

   Running statistics leave |rstd * t| of it, and m = 1. Adding dsum rounds once more: 2^-23 *
   |dsum| (2^-24 of it, and 2^-24 of the rest, which the scale already holds). */
static inline long double ref_bound_dx(long double rstd, long double t, long double xhat,
                                       long double mean_t, long double mean_txhat, size_t m,
                                       long double dsum)
{
    long double x1 = 1 + fabsl(xhat);
    long double scale = fabsl(rstd) * (fabsl(t) * x1 + mean_t + x1 * mean_txhat);
    return REF_ULPS * scale + (long double)m * REF_TINY + 0x1p-23L * fabsl(dsum);
}

/* The scale of dgamma is sum |dy'| * (1 + |xhat|), that of dbeta sum |dy'|. With accumulate the
   value added to counts as one of the sum. */
static inline long double ref_bound_sum(long double scale, size_t m, long double old)
{
    return REF_ULPS * (scale + fabsl(old)) + (long double)m * REF_TINY;
}

/* An error e of the mean moves y by |g| * e * rstd, so the bound on y allows it
   4 * 2^-23 * sqrt(var + eps). That is also what float sums around a pilot K can do: the terms are
   |x - K| with (mean - K)^2 <= (var + eps) / 2. The mean itself is a rounded double; where var and
   eps are 0 nothing else is left, and 8 roundings of a double are allowed. */
static inline long double ref_bound_mean(long double mean, long double deviation)
{
    return REF_ULPS * deviation + 0x1p-50L * fabsl(mean);
}

/* A relative error e of rstd moves y by |g * xhat| * e. */
static inline long double ref_bound_rstd(long double rstd)
{
    return REF_ULPS * fabsl(rstd);
}

/* A relative error e of rstd is one of 2 * e in var + eps (not in var: where eps is much the
   larger, the variance may have been summed with errors on the scale of eps). */
static inline long double ref_bound_var(long double var_eps)
{
    return 2 * REF_ULPS * var_eps;
}

/* r = (1 - rate) * r + rate * value, rounded to float once. */
static inline long double ref_bound_running(long double rate, long double old, long double value,
                                            long double value_bound)
{
    return rate * value_bound + 0x1p-24L * (fabsl((1 - rate) * old) + fabsl(rate * value)) +
           REF_TINY;
}

/* The error of `got` in units of the bound. An exact NaN must be met by a NaN; Inf counts as the
   smallest number that rounds to it. */
static inline long double ref_ratio(float got, long double exact, long double bound)
{
    long double value = got, error;
    if (isnan(exact)) return is_nan_f32(got) ? 0 : HUGE_VALL;
    if (is_nan_f32(got)) return HUGE_VALL;
    if (fabsl(value) > REF_OVERFLOW) {
        value = got > 0 ? REF_OVERFLOW : -REF_OVERFLOW;
        if (fabsl(exact) >= REF_OVERFLOW && (exact > 0) == (got > 0)) return 0;
    }
    error = fabsl(value - exact);
    if (error == 0) return 0;
    return bound > 0 ? error / bound : HUGE_VALL;
}

/* The same for the double statistics, which do not overflow. */
static inline long double ref_ratio_f64(double got, long double exact, long double bound)
{
    long double error;
    if (isnan(exact)) return is_nan_f64(got) ? 0 : HUGE_VALL;
    if (is_nan_f64(got)) return HUGE_VALL;
    error = fabsl((long double)got - exact);
    if (error == 0) return 0;
    return bound > 0 ? error / bound : HUGE_VALL;
}

/* ---- 2 Where things lie --------------------------------------------------------------------- */

/* Offset of element (i, j, k) in a tensor of this layout and pitch. */
static inline size_t ref_at(const nrm_desc *d, nrm_pitch p, size_t i, size_t j, size_t k)
{
    int nchw = d->layout == NRM_NCHW;
    size_t line = p.line ? p.line : nchw ? d->s : d->c;
    size_t sample = p.sample ? p.sample : line * (nchw ? d->c : d->s);
    return i * sample + (nchw ? j * line + k : k * line + j);
}

/* Offset of element (i, j, k) in the oracle's own arrays: always [n][c][s]. */
static inline size_t ref_own(const nrm_desc *d, size_t i, size_t j, size_t k)
{
    return (i * d->c + j) * d->s + k;
}

/* Which statistic element (i, j, k) belongs to. */
static inline size_t ref_stat(const nrm_desc *d, size_t i, size_t j, size_t k)
{
    switch (d->kind) {
    case NRM_BATCH: return j;
    case NRM_INSTANCE: return i * d->c + j;
    case NRM_GROUP: return i * d->groups + j / (d->c / d->groups);
    default: return i * d->s + k; /* NRM_LAYER, NRM_RMS */
    }
}

static inline size_t ref_stats(const nrm_desc *d)
{
    switch (d->kind) {
    case NRM_BATCH: return d->c;
    case NRM_INSTANCE: return d->n * d->c;
    case NRM_GROUP: return d->n * d->groups;
    default: return d->n * d->s;
    }
}

/* How many values share a statistic. */
static inline size_t ref_group_size(const nrm_desc *d)
{
    switch (d->kind) {
    case NRM_BATCH: return d->n * d->s;
    case NRM_INSTANCE: return d->s;
    case NRM_GROUP: return d->c / d->groups * d->s;
    default: return d->c;
    }
}

/* Which gamma and beta scale channel j of sample i, and how many of them there are. */
static inline size_t ref_affine(const nrm_desc *d, size_t i, size_t j)
{
    return d->affine_per_sample ? i * d->c + j : j;
}

static inline size_t ref_affines(const nrm_desc *d)
{
    return d->affine_per_sample ? d->n * d->c : d->c;
}

/* Over all elements, in the order of the oracle's own arrays. */
#define REF_EACH(d, i, j, k)                 \
    for (i = 0; i < (d)->n; ++i)             \
        for (j = 0; j < (d)->c; ++j)         \
            for (k = 0; k < (d)->s; ++k)

/* ---- 3 Statistics --------------------------------------------------------------------------- */

typedef struct ref {
    nrm_desc d;
    size_t count, stats, affines, m;       /* n*c*s; statistics; gammas; values per statistic */
    long double *z;                        /* [n][c][s]: x + residual, rounded to float       */
    long double *g, *b;                    /* gamma + gamma_offset, beta                      */
    long double *mean, *var, *rstd;        /* [stats]                                         */
    long double *dy, *dx, *dx_bound;       /* [n][c][s]; dy after the activation              */
    long double *dgamma, *dgamma_bound, *dbeta, *dbeta_bound; /* [affines]                    */
} ref;

static inline long double *ref_array(size_t count)
{
    return (long double *)test_alloc(count, sizeof(long double));
}

static inline int ref_finite(long double v)
{
    return fabsl(v) <= 0x1p1000L; /* false for NaN too */
}

/* 1 / sqrt(var + eps), where 0 gives 0 and anything below 0 gives NaN. */
static inline long double ref_rstd(long double var_eps)
{
    return var_eps == 0 ? 0 : 1 / sqrtl(var_eps);
}

/* Mean and population variance of every group: the mean first, then the squared deviations; the
   deviations' own sum (0 but for rounding) corrects both. A NaN or Inf spoils its group. */
static inline void ref_statistics(ref *r)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k, q;
    long double *sum = ref_array(r->stats), m = (long double)r->m;
    for (q = 0; q < r->stats; ++q) r->mean[q] = r->var[q] = 0;
    if (d->kind != NRM_RMS) {
        REF_EACH(d, i, j, k) r->mean[ref_stat(d, i, j, k)] += r->z[ref_own(d, i, j, k)];
        for (q = 0; q < r->stats; ++q) r->mean[q] /= m;
    }
    REF_EACH(d, i, j, k) {
        long double deviation;
        q = ref_stat(d, i, j, k);
        deviation = r->z[ref_own(d, i, j, k)] - r->mean[q];
        sum[q] += deviation;
        r->var[q] += deviation * deviation;
    }
    for (q = 0; q < r->stats; ++q) {
        if (d->kind != NRM_RMS) {
            r->mean[q] += sum[q] / m;
            r->var[q] -= sum[q] * (sum[q] / m);
        }
        r->var[q] = r->var[q] < 0 ? 0 : r->var[q] / m;
        if (!ref_finite(r->mean[q]) || !ref_finite(r->var[q])) r->mean[q] = r->var[q] = NAN;
        r->rstd[q] = ref_rstd(r->var[q] + (long double)d->eps);
    }
    free(sum);
}

/* Running statistics in place of the input's own: one per channel, spread over r->mean. */
static inline void ref_use_running(ref *r, const float *mean, const float *var)
{
    const nrm_desc *d = &r->d;
    size_t q;
    for (q = 0; q < r->stats; ++q) {
        r->mean[q] = mean[q % d->c];
        r->var[q] = var[q % d->c];
        r->rstd[q] = ref_rstd(r->var[q] + (long double)d->eps);
    }
}

/* The oracle of one call: reads x, residual, gamma and beta, and takes the input's statistics. */
static inline ref ref_new(const nrm_desc *d, const nrm_args *a)
{
    ref r;
    size_t i, j, k, q;
    const float *x = (const float *)a->x, *residual = (const float *)a->residual;
    memset(&r, 0, sizeof r);
    r.d = *d;
    r.count = d->n * d->c * d->s;
    r.stats = ref_stats(d);
    r.affines = ref_affines(d);
    r.m = ref_group_size(d);
    r.z = ref_array(r.count);
    r.g = ref_array(r.affines);
    r.b = ref_array(r.affines);
    r.mean = ref_array(r.stats);
    r.var = ref_array(r.stats);
    r.rstd = ref_array(r.stats);
    REF_EACH(d, i, j, k) {
        size_t at = ref_at(d, d->x_pitch, i, j, k);
        volatile float z = x[at]; /* volatile: rounded to float even where floats are wider */
        if (residual) z = x[at] + residual[at];
        r.z[ref_own(d, i, j, k)] = z;
    }
    for (q = 0; q < r.affines; ++q) {
        r.g[q] = a->gamma ? ((const float *)a->gamma)[q] + (long double)d->gamma_offset : 1;
        r.b[q] = a->beta ? ((const float *)a->beta)[q] : 0;
    }
    ref_statistics(&r);
    return r;
}

static inline void ref_free(ref *r)
{
    long double *all[] = {r->z,  r->g,  r->b,        r->mean,   r->var,          r->rstd, r->dy,
                          r->dx, r->dx_bound, r->dgamma, r->dgamma_bound, r->dbeta,
                          r->dbeta_bound};
    size_t i;
    for (i = 0; i < sizeof all / sizeof *all; ++i) free(all[i]);
    memset(r, 0, sizeof *r);
}

/* ---- 4 Forward and gradient ----------------------------------------------------------------- */

static inline long double ref_xhat(const ref *r, size_t i, size_t j, size_t k)
{
    size_t q = ref_stat(&r->d, i, j, k);
    return (r->z[ref_own(&r->d, i, j, k)] - r->mean[q]) * r->rstd[q];
}

/* y before the activation. */
static inline long double ref_linear(const ref *r, size_t i, size_t j, size_t k)
{
    size_t p = ref_affine(&r->d, i, j);
    return ref_xhat(r, i, j, k) * r->g[p] + r->b[p];
}

static inline long double ref_y_bound(const ref *r, size_t i, size_t j, size_t k)
{
    size_t p = ref_affine(&r->d, i, j);
    return ref_bound_y(r->g[p], r->b[p], ref_xhat(r, i, j, k));
}

static inline long double ref_y(const ref *r, size_t i, size_t j, size_t k)
{
    long double y = ref_linear(r, i, j, k);
    return r->d.act == NRM_RELU && y <= 0 ? 0 : y;
}

/* dy after the activation. Where y before NRM_RELU lies within its bound of 0 its sign is the
   library's to choose, so `y`, as the library's forward wrote it, is the mask there. */
static inline void ref_mask_dy(ref *r, const float *dy, const float *y)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k), at = ref_at(d, d->y_pitch, i, j, k);
        long double exact;
        r->dy[e] = dy[at];
        if (d->act != NRM_RELU) continue;
        exact = ref_linear(r, i, j, k);
        if (fabsl(exact) <= ref_y_bound(r, i, j, k) ? !(y[at] > 0) : !(exact > 0)) r->dy[e] = 0;
    }
}

/* Sums over the values of an affine parameter: dgamma, dbeta and their bounds. */
static inline void ref_affine_gradients(ref *r, const float *dgamma, const float *dbeta)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k, p, m = d->affine_per_sample ? d->s : d->n * d->s;
    REF_EACH(d, i, j, k) {
        long double dy = r->dy[ref_own(d, i, j, k)], xhat = ref_xhat(r, i, j, k);
        p = ref_affine(d, i, j);
        r->dgamma[p] += dy * xhat;
        r->dbeta[p] += dy;
        r->dgamma_bound[p] += fabsl(dy) * (1 + fabsl(xhat));
        r->dbeta_bound[p] += fabsl(dy);
    }
    for (p = 0; p < r->affines; ++p) {
        long double old_g = dgamma ? dgamma[p] : 0, old_b = dbeta ? dbeta[p] : 0;
        r->dgamma[p] += old_g;
        r->dbeta[p] += old_b;
        r->dgamma_bound[p] = ref_bound_sum(r->dgamma_bound[p], m, old_g);
        r->dbeta_bound[p] = ref_bound_sum(r->dbeta_bound[p], m, old_b);
    }
}

/* dx = rstd * (t - mean(t) - xhat * mean(t * xhat)), t = dy' * g; RMS without mean(t), and with
   running statistics only rstd * t. */
static inline void ref_input_gradient(ref *r, const float *dsum, int running)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k, q, m = running ? 1 : r->m;
    long double *t1 = ref_array(r->stats), *t2 = ref_array(r->stats); /* mean of t, t * xhat  */
    long double *a1 = ref_array(r->stats), *a2 = ref_array(r->stats); /* and of their |...|   */
    if (!running) {
        REF_EACH(d, i, j, k) {
            long double t = r->dy[ref_own(d, i, j, k)] * r->g[ref_affine(d, i, j)];
            long double xhat = ref_xhat(r, i, j, k);
            q = ref_stat(d, i, j, k);
            if (d->kind != NRM_RMS) t1[q] += t / (long double)m;
            t2[q] += t * xhat / (long double)m;
            a1[q] += fabsl(t) / (long double)m;
            a2[q] += fabsl(t * xhat) / (long double)m;
        }
    }
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k);
        long double t = r->dy[e] * r->g[ref_affine(d, i, j)], xhat = ref_xhat(r, i, j, k);
        long double s = dsum ? dsum[ref_at(d, d->x_pitch, i, j, k)] : 0;
        q = ref_stat(d, i, j, k);
        r->dx[e] = r->rstd[q] * (t - t1[q] - xhat * t2[q]) + s;
        r->dx_bound[e] = ref_bound_dx(r->rstd[q], t, running ? 0 : xhat, a1[q], a2[q], m, s);
    }
    free(t1);
    free(t2);
    free(a1);
    free(a2);
}

/* The gradients of nrm_forward, or with `running` of nrm_infer (after ref_use_running). Reads dy
   and dsum, and with accumulate the old dgamma and dbeta: call it before the library. `y` is the
   library's forward result, needed under NRM_RELU. */
static inline void ref_backward(ref *r, const nrm_args *a, const float *y, int running)
{
    r->dy = ref_array(r->count);
    r->dx = ref_array(r->count);
    r->dx_bound = ref_array(r->count);
    r->dgamma = ref_array(r->affines);
    r->dgamma_bound = ref_array(r->affines);
    r->dbeta = ref_array(r->affines);
    r->dbeta_bound = ref_array(r->affines);
    ref_mask_dy(r, (const float *)a->dy, y);
    ref_affine_gradients(r, a->accumulate ? (const float *)a->dgamma : NULL,
                         a->accumulate ? (const float *)a->dbeta : NULL);
    ref_input_gradient(r, (const float *)a->dsum, running);
}

/* What running_mean[j] and running_var[j] become, with their bounds. The new value is that of the
   batch, or for NRM_INSTANCE the mean over the samples; unbiased unless running_population. */
typedef struct ref_running {
    long double mean, mean_bound, var, var_bound;
} ref_running;

static inline ref_running ref_new_running(const ref *r, const nrm_args *a, size_t j,
                                          float old_mean, float old_var)
{
    const nrm_desc *d = &r->d;
    size_t i, samples = d->kind == NRM_BATCH ? 1 : d->n;
    long double m = (long double)r->m, mean = 0, var = 0, mean_bound = 0, var_bound = 0;
    long double rate = (long double)a->running_rate, unbiased = 1;
    ref_running result;
    if (!a->running_population) unbiased = m / (m - 1);
    for (i = 0; i < samples; ++i) {
        size_t q = i * d->c + j;
        long double var_eps = r->var[q] + (long double)d->eps;
        mean += r->mean[q] / (long double)samples;
        var += unbiased * r->var[q] / (long double)samples;
        mean_bound += ref_bound_mean(r->mean[q], sqrtl(var_eps)) / (long double)samples;
        var_bound += unbiased * ref_bound_var(var_eps) / (long double)samples;
    }
    result.mean = (1 - rate) * old_mean + rate * mean;
    result.var = (1 - rate) * old_var + rate * var;
    result.mean_bound = ref_bound_running(rate, old_mean, mean, mean_bound);
    result.var_bound = ref_bound_running(rate, old_var, var, var_bound);
    return result;
}

/* ---- 5 Comparing: the worst error of a result in units of the bound, and where it is -------- */

typedef struct ref_worst {
    long double ratio;  /* above 1: the bound is broken                                      */
    size_t at;          /* index in the oracle's order                                       */
    long double got, exact, bound;
    long double normal; /* the worst ratio where the bound is a normal float: for the table,
                           which half a unit of 2^-149 would otherwise fill with 0.5         */
} ref_worst;

#define REF_WORST_NONE {-1, 0, 0, 0, 0, -1}

static inline void ref_note(ref_worst *w, size_t at, long double got, long double exact,
                            long double bound, long double ratio)
{
    if (bound >= 0x1p-126L && ratio > w->normal) w->normal = ratio;
    if (!(ratio > w->ratio)) return;
    w->ratio = ratio;
    w->at = at;
    w->got = got;
    w->exact = exact;
    w->bound = bound;
}

static inline ref_worst ref_compare_y(const ref *r, const float *y)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    ref_worst w = REF_WORST_NONE;
    REF_EACH(d, i, j, k) {
        float got = y[ref_at(d, d->y_pitch, i, j, k)];
        long double exact = ref_y(r, i, j, k), bound = ref_y_bound(r, i, j, k);
        long double ratio = ref_ratio(got, exact, bound);
        if (d->act == NRM_RELU && bits_f32(got) == 0x80000000u) ratio = HUGE_VALL; /* not +0 */
        ref_note(&w, ref_own(d, i, j, k), got, exact, bound, ratio);
    }
    return w;
}

static inline ref_worst ref_compare_dx(const ref *r, const float *dx)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    ref_worst w = REF_WORST_NONE;
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k);
        float got = dx[ref_at(d, d->x_pitch, i, j, k)];
        ref_note(&w, e, got, r->dx[e], r->dx_bound[e],
                 ref_ratio(got, r->dx[e], r->dx_bound[e]));
    }
    return w;
}

/* dgamma or dbeta against an array of exact values and one of bounds. */
static inline ref_worst ref_compare(const float *got, const long double *exact,
                                    const long double *bound, size_t count)
{
    size_t p;
    ref_worst w = REF_WORST_NONE;
    for (p = 0; p < count; ++p)
        ref_note(&w, p, got[p], exact[p], bound[p], ref_ratio(got[p], exact[p], bound[p]));
    return w;
}

static inline ref_worst ref_compare_mean(const ref *r, const double *mean)
{
    size_t q;
    ref_worst w = REF_WORST_NONE;
    for (q = 0; q < r->stats; ++q) {
        long double deviation = sqrtl(r->var[q] + (long double)r->d.eps);
        long double bound = ref_bound_mean(r->mean[q], deviation);
        ref_note(&w, q, mean[q], r->mean[q], bound, ref_ratio_f64(mean[q], r->mean[q], bound));
    }
    return w;
}

static inline ref_worst ref_compare_rstd(const ref *r, const double *rstd)
{
    size_t q;
    ref_worst w = REF_WORST_NONE;
    for (q = 0; q < r->stats; ++q) {
        long double bound = ref_bound_rstd(r->rstd[q]);
        ref_note(&w, q, rstd[q], r->rstd[q], bound, ref_ratio_f64(rstd[q], r->rstd[q], bound));
    }
    return w;
}

/* sum holds z to the bit. Index of the first that does not, r->count when all do. */
static inline size_t ref_diff_sum(const ref *r, const float *sum)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k);
        if (!same_f32(sum[ref_at(d, d->x_pitch, i, j, k)], (float)r->z[e])) return e;
    }
    return r->count;
}

/* ---- 6 The table of worst errors ------------------------------------------------------------ */

typedef enum ref_result {
    REF_Y,
    REF_MEAN,
    REF_RSTD,
    REF_RUNNING,
    REF_DX,
    REF_DGAMMA,
    REF_DBETA,
    REF_RESULTS
} ref_result;

static long double ref_table[5][2][REF_RESULTS]; /* [kind][0 own, 1 running statistics] */

static const char *const ref_kind_name[] = {"batch", "layer", "instance", "group", "rms"};

/* Records a comparison and returns its argument. */
static inline ref_worst ref_record(nrm_kind kind, int running, ref_result result, ref_worst w)
{
    long double *cell = &ref_table[kind][running][result];
    if (w.normal > *cell) *cell = w.normal;
    return w;
}

static inline void ref_print_table(void)
{
    static const char *const name[] = {"y", "mean", "rstd", "running", "dx", "dgamma", "dbeta"};
    int kind, running, result;
    for (running = 0; running < 2; ++running) {
        for (kind = 0; kind < 5; ++kind) {
            char line[200] = "";
            size_t used = 0;
            for (result = 0; result < REF_RESULTS; ++result) {
                long double v = ref_table[kind][running][result];
                if (v > 0 && used < sizeof line - 32)
                    used += (size_t)snprintf(line + used, sizeof line - used, " %s %.3Lf",
                                             name[result], v);
            }
            if (used)
                note("worst error in units of the bound: %s%s:%s", ref_kind_name[kind],
                     running ? " with running statistics" : "", line);
        }
    }
}

#endif /* REF_H */
