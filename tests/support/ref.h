/* ref.h - the oracle: normalization written the naive way in long double, and the error bounds.
 *
 * It shares no code with normalize.h, only the types of its interface.
 * Whoever wants to know what the library computes can read it from here: sections 2 to 4 are the
 * definitions, in loops over sample i, channel j and position k. It needs long double to be at
 * least a double; nothing here overflows or underflows for float data even then. For double data
 * define REF_REAL as a wider type before including: long double has only 11 bits more than double,
 * or none.
 */
#ifndef REF_H
#define REF_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../normalize.h"
#include "test.h"
#include "types.h"

#ifdef REF_REAL
typedef REF_REAL ref_real;
#else
typedef long double ref_real;
#endif

static inline ref_real ref_abs(ref_real v)
{
    return v < 0 ? -v : v;
}

static inline int ref_isnan(ref_real v)
{
    return v != v;
}

static inline int ref_finite(ref_real v)
{
    return v - v == 0;
}

/* One step of Newton's doubles the digits of the square root of a long double. */
static inline ref_real ref_sqrt(ref_real v)
{
    long double root = sqrtl((long double)v);
#ifdef REF_REAL
    if (root > 0 && ref_finite(root)) return (root + v / root) / 2;
#endif
    return root;
}

/* e^v by Taylor's series of a sixteenth of what is left of v beside a multiple of log 2, whose
   parts are exact: where long double has 64 bits it is off by 2^-57 of itself at most. */
static inline ref_real ref_exp(ref_real v)
{
    const ref_real n = v * 1.44269504088896340736L;
    ref_real sum = 1, term = 1;
    int exponent, i, k;
    if (ref_isnan(v)) return v;
    if (!(v > -11300)) return 0;
    if (!(v < 11300)) return HUGE_VALL;
    exponent = (int)(n < 0 ? n - 0.5L : n + 0.5L);
    v -= exponent * (ref_real)0x1.62e42fefa38p-1L;
    v -= exponent * (ref_real)0x1.ef35793c76730p-45L;
    v -= exponent * (ref_real)0x1.f97b57a079a19p-103L;
    v /= 16;
    for (k = 1; sum + term != sum || k < 3; ++k) term *= v / k, sum += k < 2 ? v : term;
    for (i = 0; i < 4; ++i) sum *= sum;
    return sum * ldexpl(1, exponent);
}

/* 1 / (1 + e^-v), of v and of -v. */
typedef struct ref_sigmoids {
    ref_real of, of_negative;
} ref_sigmoids;

static inline ref_sigmoids ref_sigmoid(ref_real v)
{
    const ref_real small = ref_exp(v < 0 ? v : -v);
    const ref_real less = small / (1 + small), more = 1 / (1 + small);
    ref_sigmoids s;
    s.of = v < 0 ? less : more, s.of_negative = v < 0 ? more : less;
    return s;
}

/* v * sigmoid(v), whose limits are -0 and Inf. */
static inline ref_real ref_silu(ref_real v)
{
    return v < 0 && !ref_finite(v) ? -(ref_real)0 : v * ref_sigmoid(v).of;
}

/* Its derivative, and, where `scale` is given, the sum of the magnitudes of its terms. */
static inline ref_real ref_silu_slope(ref_real v, ref_real *scale)
{
    const ref_sigmoids s = ref_sigmoid(v);
    if (scale) *scale = ref_finite(v) ? s.of * (1 + ref_abs(v) * s.of_negative) : 0;
    if (!ref_finite(v) && !ref_isnan(v)) return v > 0;
    return s.of * (1 + v * s.of_negative);
}

/* ---- 1 The error bounds: the one place that states them ------------------------------------- */

/* With g = gamma + gamma_offset, b = beta, xhat = (z - mean) * rstd, and for float e = 2^-23,
   tiny = 2^-149 (NUMERICS, "Bound"):

       |y - exact| <= Y * e * (|g| * (1 + |xhat|) + |b|) + tiny

   and a result overflows when the exact one, or one within the bound of it, does.
   Halves are computed as float and rounded once: half a unit in the last place of y, dx is added.
   For double e = 2^-52, tiny = 2^-1074; and since the mean is no wider than the data its rounding
   counts: |mean| * rstd * 2^-53 in every xhat.

   Each result has such a factor, in units of e, and there are two sets of them.

   REF_PROVEN_* is the bound that is published. It is proven, and holds for every finite input,
   those included that were built against the sums (tests/support/adversary.h).

   REF_ORDINARY_* is no promise. It is a limit of the tests, which no input reaches that was drawn
   without looking at the roundings: those of float stay below half of it. A lost bit shows there,
   where the proven bound would hide it.

   The oracle judges by the proven bound. Who defines REF_ORDINARY before including this file is
   judged by the other: tests of drawn data, and bench/accuracy.c. */
#define REF_PROVEN_Y (10.5L)
#define REF_PROVEN_Y_RMS (4.6L)
#define REF_PROVEN_Y_GIVEN (3.1L)       /* of float, by nrm_infer: statistics are given       */
#define REF_PROVEN_DX (29.5L)
#define REF_PROVEN_DGAMMA (13.5L)
#define REF_PROVEN_DBETA (4.01L)
#define REF_PROVEN_MEAN (5.0L)          /* of sqrt(var + eps)                                 */
#define REF_PROVEN_RSTD (6.7L)          /* of rstd; twice as much, of var + eps               */

#define REF_ORDINARY_Y (4.0L)
#define REF_ORDINARY_DX (6.0L)
#define REF_ORDINARY_DGAMMA (4.0L)
#define REF_ORDINARY_DBETA (4.0L)
#define REF_ORDINARY_MEAN (4.0L)
#define REF_ORDINARY_RSTD (4.0L)

typedef struct ref_limits {
    long double y, y_rms, y_given, dx, dgamma, dbeta, mean, rstd;
} ref_limits;

static const ref_limits ref_proven = {REF_PROVEN_Y,      REF_PROVEN_Y_RMS, REF_PROVEN_Y_GIVEN,
                                      REF_PROVEN_DX,     REF_PROVEN_DGAMMA, REF_PROVEN_DBETA,
                                      REF_PROVEN_MEAN,   REF_PROVEN_RSTD};
static const ref_limits ref_ordinary = {REF_ORDINARY_Y,    REF_ORDINARY_Y,      REF_ORDINARY_Y,
                                        REF_ORDINARY_DX,   REF_ORDINARY_DGAMMA, REF_ORDINARY_DBETA,
                                        REF_ORDINARY_MEAN, REF_ORDINARY_RSTD};

/* Proven of doubles, of which the blocks of a run are summed in their own precision as well: blocks
   of 128, and the lists that have blocks of 8 (NUMERICS, "Lists"). */
static const ref_limits ref_proven_f64 = {18.7L, 18.7L, 18.7L, 62, 26, 8.1L, 10.5L, 16};
static const ref_limits ref_proven_few = {114, 114, 114, 405, 180, 67, 82, 111};

#ifdef REF_ORDINARY
static inline ref_limits ref_limits_of(const nrm_desc *d)
{
    (void)d, (void)ref_proven, (void)ref_proven_f64, (void)ref_proven_few;
    return ref_ordinary;
}
#else
static inline ref_limits ref_limits_of(const nrm_desc *d)
{
    const int few = d->s < 16 && !d->affine_per_sample;
    ref_limits limits = d->dtype == NRM_F64 ? ref_proven_f64 : ref_proven;
    (void)ref_ordinary;
    if (d->dtype == NRM_F64 && few && d->kind == NRM_BATCH) return ref_proven_few;
    if (d->dtype == NRM_F64 && few && (d->kind == NRM_LAYER || d->kind == NRM_RMS))
        limits.dgamma = ref_proven_few.dgamma, limits.dbeta = ref_proven_few.dbeta;
    if (d->kind == NRM_RMS) limits.y = limits.y_rms;
    return limits;
}
#endif

/* What stands behind the norm (section 4). silu's own error is at most REF_SILU * e of its value,
   which tests/exhaustive.c measures, that of its derivative REF_SILU_SLOPE * e of the sum of the
   magnitudes of its terms; and REF_SILU_TINY * tiny where they are denormal on the way, which is
   multiplied by v, up to 104, of doubles up to 746. */
#define REF_SILU (2.1L)
#define REF_SILU_SLOPE (2.9L)
#define REF_SILU_TINY (100.0L)

#define REF_E 0x1p-23L                  /* of float                                           */
#define REF_TINY 0x1p-149L              /* the smallest float; its half is lost by rounding   */
#define REF_OVERFLOW 0x1.ffffffp127L    /* from here on, rounding to nearest gives Inf        */

/* The same of each storage type. REF_REAL may have no literals, so wide ones are made of these. */
typedef struct ref_precision {
    ref_limits limit;    /* in e, of a problem: ref_limits_of              */
    ref_real e, tiny;    /* of the arithmetic: float for halves            */
    ref_real mean_ulp;   /* what rounding the mean costs: times |mean|     */
    ref_real overflow;   /* of what is stored                              */
} ref_precision;

static inline ref_precision ref_precision_of(nrm_dtype type)
{
    ref_precision p;
    memset(&p, 0, sizeof p);
    p.e = REF_E, p.tiny = REF_TINY, p.overflow = REF_OVERFLOW;
    if (type == NRM_F16) p.overflow = 65520;
    if (type == NRM_BF16) p.overflow = 0x1.ffp127L;
    if (type != NRM_F64) return p;
    p.e = 0x1p-52L;
    p.tiny = 0x1p-537L;
    p.tiny *= 0x1p-537L;
    p.mean_ulp = 0x1p-53L;
    p.overflow = 0x1.fffffffffffff8p511L;
    p.overflow *= (ref_real)0x1p256L * (ref_real)0x1p256L;
    return p;
}

/* Half a unit in the last place of a half float of this size; 0 for the other types, whose last
   rounding is in the bound already. */
static inline ref_real ref_half_ulp(nrm_dtype type, ref_real magnitude)
{
    int exponent, digits = type == NRM_F16 ? 11 : 8, least = type == NRM_F16 ? -14 : -126;
    if (!type_is_half(type) || !ref_finite(magnitude)) return 0;
    frexpl((long double)magnitude, &exponent); /* 0.5 * 2^exponent or more */
    return ldexpl(1, (exponent - 1 > least ? exponent - 1 : least) - digits);
}

static inline ref_real ref_bound_y(const ref_precision *p, ref_real g, ref_real b, ref_real xhat,
                                   ref_real xhat_error)
{
    return p->limit.y * p->e * (ref_abs(g) * (1 + ref_abs(xhat)) + ref_abs(b)) +
           ref_abs(g) * xhat_error + p->tiny;
}

/* Gradients have bounds on their natural scale, plus m * tiny for m values summed. With
   t = dy' * g, where dy' is dy after the activation, the scale of dx is

       |rstd| * (1 + |xhat|) * (|t| + mean|t| + mean|t * xhat|)

   and its factor is the largest: besides xhat, rstd and t it has the errors of two sums. Running
   statistics leave |rstd * t| of it, and m = 1. Adding dsum rounds once more:
   e * |dsum| (e/2 of it, and e/2 of the rest, which the scale already holds). An error d of all
   xhat moves dx by |rstd| * d * (mean|t * xhat| + (|xhat| + d) * mean|t|). */
static inline ref_real ref_bound_dx(const ref_precision *p, ref_real rstd, ref_real t,
                                    ref_real xhat, ref_real mean_t, ref_real mean_txhat, size_t m,
                                    ref_real dsum, ref_real xhat_error)
{
    ref_real x1 = 1 + ref_abs(xhat), r = ref_abs(rstd);
    ref_real scale = r * x1 * (ref_abs(t) + mean_t + mean_txhat);
    return p->limit.dx * p->e * scale + (ref_real)m * p->tiny + p->e * ref_abs(dsum) +
           r * xhat_error * (mean_txhat + (ref_abs(xhat) + xhat_error) * mean_t);
}

/* The scale of dgamma is sum |dy'| * (1 + |xhat|), that of dbeta sum |dy'|. With accumulate the
   value added to counts as one of the sum. */
static inline ref_real ref_bound_sum(const ref_precision *p, long double limit, ref_real scale,
                                     size_t m, ref_real old)
{
    return limit * p->e * (scale + ref_abs(old)) + (ref_real)m * p->tiny;
}

/* An error of the mean moves y by |g| * rstd times as much, so it is on the scale of
   sqrt(var + eps). That is also what float sums around a pilot K can do: the terms are |x - K| with
   (mean - K)^2 <= (var + eps) / 2. The mean itself is a rounded double; where var and eps are 0
   nothing else is left. */
static inline ref_real ref_bound_mean(const ref_precision *p, ref_real mean, ref_real deviation)
{
    return p->limit.mean * p->e * deviation + 0x1p-53L * ref_abs(mean);
}

/* A relative error of rstd is one of y. */
static inline ref_real ref_bound_rstd(const ref_precision *p, ref_real rstd)
{
    return p->limit.rstd * p->e * ref_abs(rstd);
}

/* A relative error of rstd is twice that in var + eps, and its second order (not in var: where eps
   is much the larger, the variance may have been summed with errors on the scale of eps). */
static inline ref_real ref_bound_var(const ref_precision *p, ref_real var_eps)
{
    return (2 + 1e-4L) * p->limit.rstd * p->e * var_eps;
}

/* r = (1 - rate) * r + rate * value: in double, then rounded to float once; for doubles that is
   three roundings of either term, 1.5 e, and those of INSTANCE's sum over its samples. */
static inline ref_real ref_bound_running(const ref_precision *p, ref_real rate, ref_real old,
                                         ref_real value, ref_real value_bound)
{
    ref_real unit = p->mean_ulp > 0 ? 4 * p->e : 0x1p-24L;
    return rate * value_bound + unit * (ref_abs((1 - rate) * old) + ref_abs(rate * value)) +
           p->tiny;
}

/* The error of `got` in units of the bound. An exact NaN must be met by a NaN; Inf counts as the
   smallest number that rounds to it. */
static inline ref_real ref_ratio_to(double got, ref_real exact, ref_real bound, ref_real overflow)
{
    ref_real value = got, error;
    if (ref_isnan(exact)) return is_nan_f64(got) ? 0 : HUGE_VALL;
    if (is_nan_f64(got)) return HUGE_VALL;
    if (ref_abs(value) > overflow) {
        value = got > 0 ? overflow : -overflow;
        if (ref_abs(exact) >= overflow && (exact > 0) == (got > 0)) return 0;
    }
    error = ref_abs(value - exact);
    if (error == 0) return 0;
    return bound > 0 ? error / bound : HUGE_VALL;
}

/* Of a float. */
static inline ref_real ref_ratio(float got, ref_real exact, ref_real bound)
{
    return ref_ratio_to((double)got, exact, bound, REF_OVERFLOW);
}

/* Of the double statistics, which do not overflow. */
static inline ref_real ref_ratio_f64(double got, ref_real exact, ref_real bound)
{
    ref_real error;
    if (ref_isnan(exact)) return is_nan_f64(got) ? 0 : HUGE_VALL;
    if (is_nan_f64(got)) return HUGE_VALL;
    error = ref_abs(got - exact);
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
    ref_precision p;
    nrm_dtype y_type;                      /* of the y that tells what NRM_RELU let pass      */
    int running;                           /* the statistics are the running ones             */
    ref_real *z;                           /* [n][c][s]: x + residual, rounded to dtype       */
    ref_real *g, *b;                       /* gamma + gamma_offset, beta                      */
    ref_real *mean, *var, *rstd;           /* [stats]                                         */
    ref_real slope, low, high;             /* of the activation, in the parameters' precision */
    ref_real *add, *gate;                  /* [n][c][s]; NULL: not given                      */
    ref_real *dy, *dy_bound, *dx, *dx_bound; /* [n][c][s]; dy after activation and gate: dadd */
    ref_real *dgate, *dgate_bound;         /* [n][c][s]; NULL without gate                    */
    ref_real *dgamma, *dgamma_bound, *dbeta, *dbeta_bound; /* [affines]                       */
} ref;

static inline ref_real *ref_array(size_t count)
{
    return (ref_real *)test_alloc(count, sizeof(ref_real));
}

/* 1 / sqrt(var + eps), where 0 gives 0 and anything below 0 gives NaN. */
static inline ref_real ref_rstd(ref_real var_eps)
{
    return var_eps == 0 ? 0 : 1 / ref_sqrt(var_eps);
}

/* Mean and population variance of every group: the mean first, then the squared deviations; the
   deviations' own sum (0 but for rounding) corrects both. A NaN or Inf spoils its group. */
static inline void ref_statistics(ref *r)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k, q;
    ref_real *sum = ref_array(r->stats), m = (ref_real)r->m;
    for (q = 0; q < r->stats; ++q) r->mean[q] = r->var[q] = 0;
    if (d->kind != NRM_RMS) {
        REF_EACH(d, i, j, k) r->mean[ref_stat(d, i, j, k)] += r->z[ref_own(d, i, j, k)];
        for (q = 0; q < r->stats; ++q) r->mean[q] /= m;
    }
    REF_EACH(d, i, j, k) {
        ref_real deviation;
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
        r->rstd[q] = ref_rstd(r->var[q] + (ref_real)d->eps);
    }
    free(sum);
}

/* Running statistics in place of the input's own: one per channel, spread over r->mean. They are
   what is asked for, to the last bit: no rounding of the mean counts. */
static inline void ref_use_running(ref *r, const void *mean, const void *var)
{
    const nrm_desc *d = &r->d;
    const nrm_dtype type = type_of_parameters(d->dtype);
    size_t q;
    r->running = 1;
    r->p.limit.y = r->p.limit.y_given;
    for (q = 0; q < r->stats; ++q) {
        r->mean[q] = type_get(type, mean, q % d->c);
        r->var[q] = type_get(type, var, q % d->c);
        r->rstd[q] = ref_rstd(r->var[q] + (ref_real)d->eps);
    }
}

/* x + residual, in float for halves, rounded to its type: that of element `at`. */
static inline double ref_z(nrm_dtype type, const void *x, const void *residual, size_t at)
{
    double z = type_get(type, x, at);
    volatile float single; /* volatile: rounded to float even where floats are wider */
    volatile double wide;
    if (!residual) return z;
    wide = z + type_get(type, residual, at);
    if (type == NRM_F64) return wide;
    single = (float)z, single = single + (float)type_get(type, residual, at);
    return type == NRM_F32 ? (double)single : f64_from_half(type, half_from_f64(type, single));
}

/* A tensor of y's layout; NULL stays NULL. */
static inline ref_real *ref_tensor(const ref *r, const void *from)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    ref_real *to = from ? ref_array(r->count) : NULL;
    REF_EACH(d, i, j, k)
        if (to) to[ref_own(d, i, j, k)] = type_get(d->dtype, from, ref_at(d, d->y_pitch, i, j, k));
    return to;
}

/* What stands behind the norm. */
static inline void ref_take_around(ref *r, const nrm_args *a)
{
    const nrm_dtype held = type_of_parameters(r->d.dtype);
    const double from[3] = {r->d.act_slope, r->d.act_low, r->d.act_high};
    ref_real *const to[3] = {&r->slope, &r->low, &r->high};
    unsigned char rounded[8];
    size_t i;
    for (i = 0; i < 3; ++i) {
        type_put(held, rounded, 0, from[i]);
        *to[i] = type_get(held, rounded, 0);
    }
    r->add = ref_tensor(r, a->add);
    r->gate = ref_tensor(r, a->gate);
}

/* The oracle of one call: reads x, residual, add, gate, gamma and beta, and takes the input's
   statistics. */
static inline ref ref_new(const nrm_desc *d, const nrm_args *a)
{
    ref r;
    size_t i, j, k, q;
    const nrm_dtype held = type_of_parameters(d->dtype);
    memset(&r, 0, sizeof r);
    r.d = *d;
    r.p = ref_precision_of(d->dtype);
    r.p.limit = ref_limits_of(d);
    r.y_type = d->dtype;
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
    ref_take_around(&r, a);
    REF_EACH(d, i, j, k)
        r.z[ref_own(d, i, j, k)] =
            ref_z(d->dtype, a->x, a->residual, ref_at(d, d->x_pitch, i, j, k));
    for (q = 0; q < r.affines; ++q) {
        r.g[q] = a->gamma ? type_get(held, a->gamma, q) + (ref_real)d->gamma_offset : 1;
        r.b[q] = a->beta ? type_get(held, a->beta, q) : 0;
    }
    ref_statistics(&r);
    return r;
}

static inline void ref_free(ref *r)
{
    ref_real *all[] = {r->z,  r->g,  r->b,        r->mean,   r->var,          r->rstd, r->dy,
                          r->dx, r->dx_bound, r->dgamma, r->dgamma_bound, r->dbeta,
                          r->dbeta_bound, r->dy_bound, r->add, r->gate, r->dgate, r->dgate_bound};
    size_t i;
    for (i = 0; i < sizeof all / sizeof *all; ++i) free(all[i]);
    memset(r, 0, sizeof *r);
}

/* ---- 4 Forward and gradient ----------------------------------------------------------------- */

static inline ref_real ref_xhat(const ref *r, size_t i, size_t j, size_t k)
{
    size_t q = ref_stat(&r->d, i, j, k);
    return (r->z[ref_own(&r->d, i, j, k)] - r->mean[q]) * r->rstd[q];
}

/* What the norm itself gives: y before add, activation and gate. */
static inline ref_real ref_linear(const ref *r, size_t i, size_t j, size_t k)
{
    size_t p = ref_affine(&r->d, i, j);
    return ref_xhat(r, i, j, k) * r->g[p] + r->b[p];
}

/* What the rounding of the mean does to every xhat of statistic q. */
static inline ref_real ref_xhat_error(const ref *r, size_t q)
{
    if (r->running || !(r->p.mean_ulp > 0)) return 0;
    return ref_abs(r->mean[q]) * ref_abs(r->rstd[q]) * r->p.mean_ulp;
}

/* A number, and how far from it the library's may lie: 0 when it is not finite, since those are
   to be met. */
typedef struct ref_near {
    ref_real value, bound;
} ref_near;

static inline ref_near ref_near_of(ref_real value, ref_real bound)
{
    ref_near n;
    n.value = value, n.bound = ref_finite(value) ? bound : 0;
    return n;
}

/* The same after one rounding, or `roundings` of a number of this size; one that is denormal loses
   half of the tiniest. */
static inline ref_near ref_rounded(const ref *r, ref_real value, ref_real bound, ref_real roundings)
{
    return ref_near_of(value, bound + roundings * (r->p.e / 2 * (ref_abs(value) + bound) +
                                                   r->p.tiny / 2));
}

static inline ref_near ref_times(const ref *r, ref_near a, ref_near b)
{
    return ref_rounded(r, a.value * b.value, ref_abs(a.value) * b.bound +
                                             (ref_abs(b.value) + b.bound) * a.bound, 1);
}

/* y before the activation, not yet rounded to a half float: u, and add rounds once more. */
static inline ref_near ref_v(const ref *r, size_t i, size_t j, size_t k)
{
    const size_t p = ref_affine(&r->d, i, j), q = ref_stat(&r->d, i, j, k);
    const ref_real xhat = ref_xhat(r, i, j, k), u = xhat * r->g[p] + r->b[p];
    const ref_real bound = ref_bound_y(&r->p, r->g[p], r->b[p], xhat, ref_xhat_error(r, q));
    if (!r->add) return ref_near_of(u, bound);
    return ref_rounded(r, u + r->add[ref_own(&r->d, i, j, k)], bound, 1);
}

static inline ref_real ref_silu_tiny(const ref *r)
{
    return (r->d.dtype == NRM_F64 ? 7.2L : 1) * REF_SILU_TINY * r->p.tiny;
}

/* silu of the number itself. */
static inline ref_near ref_near_silu(const ref *r, ref_real v)
{
    const ref_real value = ref_silu(v);
    return ref_near_of(value, REF_SILU * r->p.e * ref_abs(value) + ref_silu_tiny(r));
}

static inline ref_near ref_near_silu_slope(const ref *r, ref_real v)
{
    ref_real scale;
    const ref_real slope = ref_silu_slope(v, &scale);
    return ref_near_of(slope, REF_SILU_SLOPE * r->p.e * scale + ref_silu_tiny(r));
}

/* y before the gate. An error of v counts as often as the activation is steep, at most: 1, |slope|,
   1.5 or 1.1. HARD_SWISH rounds three times by itself. */
static inline ref_near ref_act(const ref *r, ref_near v)
{
    const ref_real steep = ref_abs(r->slope) > 1 ? ref_abs(r->slope) : 1, six = 6;
    ref_real w;
    ref_near a;
    switch (r->d.act) {
    case NRM_RELU: return ref_near_of(v.value <= 0 ? 0 : v.value, v.bound);
    case NRM_LEAKY_RELU:
        w = v.value < 0 ? v.value * r->slope : v.value;
        return v.value > v.bound ? v : ref_rounded(r, w, steep * v.bound, 1);
    case NRM_CLIP:
        w = v.value < r->low ? r->low : v.value > r->high ? r->high : v.value;
        return ref_near_of(w, v.bound);
    case NRM_HARD_SWISH:
        w = v.value < -3 ? -3 : v.value;
        return ref_rounded(r, w * ((w + 3 > 6 ? six : w + 3) / 6), 1.5L * v.bound, 3);
    case NRM_SILU:
        a = ref_near_silu(r, v.value);
        return ref_near_of(a.value, a.bound + (1 + REF_SILU * r->p.e) * 1.1L * v.bound);
    default: return v;
    }
}

/* y, and what it is on the way: before the activation, and before the gate. */
typedef struct ref_steps {
    ref_near v, a, y;
} ref_steps;

static inline ref_steps ref_steps_to_y(const ref *r, size_t i, size_t j, size_t k)
{
    ref_steps s;
    s.v = ref_v(r, i, j, k);
    s.y = s.a = ref_act(r, s.v);
    if (r->gate) s.y = ref_times(r, s.a, ref_near_silu(r, r->gate[ref_own(&r->d, i, j, k)]));
    return s;
}

/* With the rounding to a half float; that of NRM_RELU is of the number before it is cut off. */
static inline ref_real ref_last_bound(const ref *r, const ref_steps *s)
{
    const int cut = r->d.act == NRM_RELU && !r->gate;
    const ref_real size = ref_abs(cut ? s->v.value : s->y.value);
    return s->y.bound + ref_half_ulp(r->d.dtype, size + s->y.bound);
}

static inline ref_real ref_y_bound(const ref *r, size_t i, size_t j, size_t k)
{
    const ref_steps s = ref_steps_to_y(r, i, j, k);
    return ref_last_bound(r, &s);
}

static inline ref_real ref_y(const ref *r, size_t i, size_t j, size_t k)
{
    return ref_steps_to_y(r, i, j, k).y.value;
}

/* 1 where the library may leave the numbers of its arithmetic before it gets to y. */
static inline int ref_overflows(const ref *r, const ref_steps *s)
{
    const ref_real most = ref_precision_of(type_of_parameters(r->d.dtype)).overflow;
    const ref_near v = s->v, a = s->a;
    if (r->d.act < NRM_LEAKY_RELU && !r->add && !r->gate) return 0;
    if (!ref_finite(v.value) || !ref_finite(a.value)) return 0;
    return ref_abs(v.value) + v.bound >= most || ref_abs(a.value) + a.bound >= most;
}

/* Which side of a number v lies on: where that is a matter of rounding, the side of the v that the
   library's forward wrote. */
static inline int ref_above(ref_near v, ref_real own, ref_real limit)
{
    return ref_abs(v.value - limit) <= v.bound ? own > limit : v.value > limit;
}

static inline int ref_below(ref_near v, ref_real own, ref_real limit)
{
    return ref_abs(v.value - limit) <= v.bound ? own < limit : v.value < limit;
}

/* What dy is multiplied by. SiLU's own slope changes by 1/2 of v at most, HARD_SWISH's by 1/3. */
static inline ref_near ref_act_slope(const ref *r, ref_near v, ref_real own)
{
    ref_near s;
    switch (r->d.act) {
    case NRM_RELU: return ref_near_of(ref_above(v, own, 0), 0);
    case NRM_LEAKY_RELU: return ref_near_of(ref_above(v, own, 0) ? 1 : r->slope, 0);
    case NRM_CLIP: return ref_near_of(ref_above(v, own, r->low) && ref_below(v, own, r->high), 0);
    case NRM_HARD_SWISH:
        if (!ref_above(v, own, -3)) return ref_near_of(0, 0);
        if (!ref_below(v, own, 3)) return ref_near_of(1, 0);
        return ref_rounded(r, v.value / 3 + 0.5L,
                           v.bound / 3 + r->p.e / 2 * (ref_abs(v.value) / 3 + v.bound), 1);
    case NRM_SILU:
        s = ref_near_silu_slope(r, v.value);
        return ref_near_of(s.value, s.bound + (1 + REF_SILU_SLOPE * r->p.e) * v.bound / 2);
    default: return ref_near_of(1, 0);
    }
}

/* dy after gate and activation, dy * (silu(gate) * slope), which is dadd; and dgate, which is
   dy * (act(v) * silu'(gate)). A product in brackets that is denormal is off by half of the
   tiniest, which dy then multiplies. `own` is v as
   the library's forward wrote it, that is y of NRM_IDENTITY without gate, before it is rounded to a
   half float: r->y_type and `own` are then those of the same values in float. Where v lies within
   its bound of a number where the slope jumps, that one tells on which side. Under NRM_RELU without
   gate y will do. */
static inline void ref_mask_dy(ref *r, const void *dy, const void *own)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k), at = ref_at(d, d->y_pitch, i, j, k);
        ref_near t = ref_near_of(type_get(d->dtype, dy, at), 0), v, slope;
        if (d->act != NRM_IDENTITY || r->gate) {
            v = ref_v(r, i, j, k);
            slope = ref_act_slope(r, v, d->act > NRM_IDENTITY ? type_get(r->y_type, own, at) : 0);
            if (r->gate) {
                const ref_near g = ref_times(r, ref_act(r, v), ref_near_silu_slope(r, r->gate[e]));
                r->dgate[e] = ref_times(r, t, g).value;
                r->dgate_bound[e] = ref_times(r, t, g).bound;
                slope = ref_times(r, ref_near_silu(r, r->gate[e]), slope);
            }
            if (r->gate || slope.bound > 0 || d->act == NRM_LEAKY_RELU)
                t = ref_times(r, t, slope);
            else
                t.value *= slope.value; /* 0 or 1 */
        }
        r->dy[e] = t.value, r->dy_bound[e] = t.bound;
    }
}

/* Sums over the values of an affine parameter: dgamma, dbeta and their bounds. An error of a dy
   after gate and activation counts once in dbeta, xhat times in dgamma. */
static inline void ref_affine_gradients(ref *r, const void *dgamma, const void *dbeta)
{
    const nrm_desc *d = &r->d;
    const nrm_dtype held = type_of_parameters(d->dtype);
    size_t i, j, k, p, m = d->affine_per_sample ? d->s : d->n * d->s;
    const ref_real one = 1, per_gamma = one / (r->p.limit.dgamma * r->p.e);
    const ref_real per_beta = one / (r->p.limit.dbeta * r->p.e);
    REF_EACH(d, i, j, k) {
        ref_real dy = r->dy[ref_own(d, i, j, k)], xhat = ref_xhat(r, i, j, k), off;
        const ref_real x1 = 1 + ref_abs(xhat);
        p = ref_affine(d, i, j);
        off = r->dy_bound[ref_own(d, i, j, k)];
        r->dgamma[p] += dy * xhat;
        r->dbeta[p] += dy;
        r->dgamma_bound[p] +=
            (ref_abs(dy) + off) * (x1 + ref_xhat_error(r, ref_stat(d, i, j, k)) * per_gamma) +
            off * x1 * per_gamma;
        r->dbeta_bound[p] += ref_abs(dy) + off + off * per_beta;
    }
    for (p = 0; p < r->affines; ++p) {
        ref_real old_g = dgamma ? type_get(held, dgamma, p) : 0;
        ref_real old_b = dbeta ? type_get(held, dbeta, p) : 0;
        r->dgamma[p] += old_g;
        r->dbeta[p] += old_b;
        r->dgamma_bound[p] = ref_bound_sum(&r->p, r->p.limit.dgamma, r->dgamma_bound[p], m,
                                           old_g);
        r->dbeta_bound[p] = ref_bound_sum(&r->p, r->p.limit.dbeta, r->dbeta_bound[p], m, old_b);
    }
}

/* dx = rstd * (t - mean(t) - xhat * mean(t * xhat)), t = dy' * g; RMS without mean(t), and with
   running statistics only rstd * t. Errors of t, those of dy' times g, move dx as t does: theirs
   are |off|, mean|off| and |xhat| * mean|off * xhat|, with a little for the second order. */
static inline void ref_input_gradient(ref *r, const void *dsum, int running)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k, q, m = running ? 1 : r->m;
    ref_real *t1 = ref_array(r->stats), *t2 = ref_array(r->stats); /* mean of t, t * xhat  */
    ref_real *a1 = ref_array(r->stats), *a2 = ref_array(r->stats); /* and of their |...|   */
    ref_real *o1 = ref_array(r->stats), *o2 = ref_array(r->stats); /* and of t's errors    */
    if (!running) {
        REF_EACH(d, i, j, k) {
            ref_real t = r->dy[ref_own(d, i, j, k)] * r->g[ref_affine(d, i, j)];
            ref_real off = r->dy_bound[ref_own(d, i, j, k)] * ref_abs(r->g[ref_affine(d, i, j)]);
            ref_real xhat = ref_xhat(r, i, j, k);
            q = ref_stat(d, i, j, k);
            o1[q] += off;
            o2[q] += off * ref_abs(xhat);
            if (d->kind != NRM_RMS) t1[q] += t;
            t2[q] += t * xhat;
            a1[q] += ref_abs(t);
            a2[q] += ref_abs(t * xhat);
        }
        for (q = 0; q < r->stats; ++q) {
            const ref_real w = (ref_real)m;
            t1[q] /= w, t2[q] /= w, a1[q] /= w, a2[q] /= w, o1[q] /= w, o2[q] /= w;
        }
    }
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k);
        ref_real t = r->dy[e] * r->g[ref_affine(d, i, j)], xhat = ref_xhat(r, i, j, k);
        ref_real s = dsum ? type_get(d->dtype, dsum, ref_at(d, d->x_pitch, i, j, k)) : 0, bound;
        ref_real off = r->dy_bound[e] * ref_abs(r->g[ref_affine(d, i, j)]);
        q = ref_stat(d, i, j, k);
        r->dx[e] = r->rstd[q] * (t - t1[q] - xhat * t2[q]) + s;
        bound = ref_bound_dx(&r->p, r->rstd[q], ref_abs(t) + off, running ? 0 : xhat,
                             a1[q] + o1[q], a2[q] + o2[q], m, s, ref_xhat_error(r, q));
        bound += (1 + 0x1p-10L) * ref_abs(r->rstd[q]) * (off + o1[q] + ref_abs(xhat) * o2[q]);
        r->dx_bound[e] = bound + ref_half_ulp(d->dtype, ref_abs(r->dx[e]) + bound);
    }
    free(t1);
    free(t2);
    free(a1);
    free(a2);
    free(o1);
    free(o2);
}

/* The gradients of nrm_forward, or with `running` of nrm_infer (after ref_use_running). Reads dy
   and dsum, and with accumulate the old dgamma and dbeta: call it before the library. `own` is what
   the library's forward made before the activation, needed unless that is NRM_IDENTITY: ref_mask_dy
   says how. */
static inline void ref_backward(ref *r, const nrm_args *a, const void *own, int running)
{
    r->dy = ref_array(r->count);
    r->dy_bound = ref_array(r->count);
    if (r->gate) r->dgate = ref_array(r->count), r->dgate_bound = ref_array(r->count);
    r->dx = ref_array(r->count);
    r->dx_bound = ref_array(r->count);
    r->dgamma = ref_array(r->affines);
    r->dgamma_bound = ref_array(r->affines);
    r->dbeta = ref_array(r->affines);
    r->dbeta_bound = ref_array(r->affines);
    ref_mask_dy(r, a->dy, own);
    ref_affine_gradients(r, a->accumulate ? a->dgamma : NULL, a->accumulate ? a->dbeta : NULL);
    ref_input_gradient(r, a->dsum, running);
}

/* What running_mean[j] and running_var[j] become, with their bounds. The new value is that of the
   batch, or for NRM_INSTANCE the mean over the samples; unbiased unless running_population. */
typedef struct ref_running {
    ref_real mean, mean_bound, var, var_bound;
} ref_running;

static inline ref_running ref_new_running(const ref *r, const nrm_args *a, size_t j,
                                          double old_mean, double old_var)
{
    const nrm_desc *d = &r->d;
    size_t i, samples = d->kind == NRM_BATCH ? 1 : d->n;
    ref_real m = (ref_real)r->m, mean = 0, var = 0, mean_bound = 0, var_bound = 0;
    ref_real rate = (ref_real)a->running_rate, unbiased = 1;
    ref_running result;
    if (!a->running_population) unbiased = m / (m - 1);
    for (i = 0; i < samples; ++i) {
        size_t q = i * d->c + j;
        ref_real var_eps = r->var[q] + (ref_real)d->eps;
        mean += r->mean[q] / (ref_real)samples;
        var += unbiased * r->var[q] / (ref_real)samples;
        mean_bound += ref_bound_mean(&r->p, r->mean[q], ref_sqrt(var_eps)) / (ref_real)samples;
        var_bound += unbiased * ref_bound_var(&r->p, var_eps) / (ref_real)samples;
    }
    if (a->running_rate >= 1) old_mean = old_var = 0; /* replaced, whatever they are */
    result.mean = (1 - rate) * old_mean + rate * mean;
    result.var = (1 - rate) * old_var + rate * var;
    result.mean_bound = ref_bound_running(&r->p, rate, old_mean, mean, mean_bound);
    result.var_bound = ref_bound_running(&r->p, rate, old_var, var, var_bound);
    return result;
}

/* ---- 5 Comparing: the worst error of a result in units of the bound, and where it is -------- */

typedef struct ref_worst {
    long double ratio;  /* above 1: the bound is broken                                      */
    size_t at;          /* index in the oracle's order                                       */
    long double got, exact, bound;
    long double normal; /* the worst ratio where the bound is a normal number: for the table,
                           which half a unit of 2^-149 would otherwise fill with 0.5         */
} ref_worst;

#define REF_WORST_NONE {-1, 0, 0, 0, 0, -1}

static inline void ref_note(ref_worst *w, size_t at, double got, ref_real exact, ref_real bound,
                            ref_real ratio)
{
    if (bound >= 0x1p-126L && ratio > w->normal) w->normal = (long double)ratio;
    if (!(ratio > w->ratio)) return;
    w->ratio = (long double)ratio;
    w->at = at;
    w->got = got;
    w->exact = (long double)exact;
    w->bound = (long double)bound;
}

static inline ref_worst ref_compare_y(const ref *r, const void *y)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    ref_worst w = REF_WORST_NONE;
    REF_EACH(d, i, j, k) {
        double got = type_get(d->dtype, y, ref_at(d, d->y_pitch, i, j, k));
        const ref_steps s = ref_steps_to_y(r, i, j, k);
        ref_real exact = s.y.value, bound = ref_last_bound(r, &s);
        ref_real ratio = ref_ratio_to(got, exact, bound, r->p.overflow);
        if (d->act == NRM_RELU && !r->gate && bits_f64(got) >> 63 && !is_nan_f64(got))
            ratio = HUGE_VALL;
        if (!(got - got == 0) && ref_overflows(r, &s)) ratio = 0;
        ref_note(&w, ref_own(d, i, j, k), got, exact, bound, ratio); /* -0 is not +0 */
    }
    return w;
}

static inline ref_worst ref_compare_dx(const ref *r, const void *dx)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    ref_worst w = REF_WORST_NONE;
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k);
        double got = type_get(d->dtype, dx, ref_at(d, d->x_pitch, i, j, k));
        ref_note(&w, e, got, r->dx[e], r->dx_bound[e],
                 ref_ratio_to(got, r->dx[e], r->dx_bound[e], r->p.overflow));
    }
    return w;
}

/* dadd and dgate: tensors of y's layout. */
static inline ref_worst ref_compare_dy(const ref *r, const void *values, const ref_real *exact,
                                       const ref_real *bound)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    ref_worst w = REF_WORST_NONE;
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k);
        const double got = type_get(d->dtype, values, ref_at(d, d->y_pitch, i, j, k));
        const ref_real b = bound[e] + ref_half_ulp(d->dtype, ref_abs(exact[e]) + bound[e]);
        ref_note(&w, e, got, exact[e], b, ref_ratio_to(got, exact[e], b, r->p.overflow));
    }
    return w;
}

/* dgamma or dbeta against an array of exact values and one of bounds: floats, or doubles. */
static inline ref_worst ref_compare_as(nrm_dtype type, const void *values, const ref_real *exact,
                                       const ref_real *bound, size_t count)
{
    ref_precision precision = ref_precision_of(type);
    size_t p;
    ref_worst w = REF_WORST_NONE;
    for (p = 0; p < count; ++p) {
        double got = type_get(type, values, p);
        ref_note(&w, p, got, exact[p], bound[p],
                 ref_ratio_to(got, exact[p], bound[p], precision.overflow));
    }
    return w;
}

static inline ref_worst ref_compare(const float *got, const ref_real *exact, const ref_real *bound,
                                    size_t count)
{
    return ref_compare_as(NRM_F32, got, exact, bound, count);
}

static inline ref_worst ref_compare_mean(const ref *r, const double *mean)
{
    size_t q;
    ref_worst w = REF_WORST_NONE;
    for (q = 0; q < r->stats; ++q) {
        ref_real deviation = ref_sqrt(r->var[q] + (ref_real)r->d.eps);
        ref_real bound = ref_bound_mean(&r->p, r->mean[q], deviation);
        ref_note(&w, q, mean[q], r->mean[q], bound, ref_ratio_f64(mean[q], r->mean[q], bound));
    }
    return w;
}

static inline ref_worst ref_compare_rstd(const ref *r, const double *rstd)
{
    size_t q;
    ref_worst w = REF_WORST_NONE;
    for (q = 0; q < r->stats; ++q) {
        ref_real bound = ref_bound_rstd(&r->p, r->rstd[q]);
        ref_note(&w, q, rstd[q], r->rstd[q], bound, ref_ratio_f64(rstd[q], r->rstd[q], bound));
    }
    return w;
}

/* sum holds z to the bit. Index of the first that does not, r->count when all do. */
static inline size_t ref_diff_sum(const ref *r, const void *sum)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    REF_EACH(d, i, j, k) {
        size_t e = ref_own(d, i, j, k);
        double got = type_get(d->dtype, sum, ref_at(d, d->x_pitch, i, j, k));
        if (!same_f64(got, (double)r->z[e])) return e;
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
    REF_DADD,
    REF_DGATE,
    REF_RESULTS
} ref_result;

static long double ref_table[5][2][REF_RESULTS]; /* [kind][0 own, 1 running statistics] */

/* Records a comparison and returns its argument. */
static inline ref_worst ref_record(nrm_kind kind, int running, ref_result result, ref_worst w)
{
    long double *cell = &ref_table[kind][running][result];
    if (w.normal > *cell) *cell = w.normal;
    return w;
}

static inline void ref_print_table(void)
{
    static const char *const name[] = {"y", "mean", "rstd", "running", "dx", "dgamma", "dbeta",
                                       "dadd", "dgate"};
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
                note("worst error in units of the limit: %s%s:%s", kind_name[kind],
                     running ? " with running statistics" : "", line);
        }
    }
}

#endif /* REF_H */
