/* gen.h - seeded data for the tests: the same values on every machine, since only integers and
 * exactly rounded float operations make them.
 *
 *   gen g = gen_seed(7);
 *   gen_fill(&g, GEN_OFFSET_1E6, x, count);     one vector, e.g. one statistics group
 *   gen_fill_f64(&g, GEN_OFFSET_1E6, x, count); the same in double, extremes at those of double
 *   gen_fit_f16(x, count);                      moves a vector into the range of f16
 *   gen_canary(buffer, bytes); ... gen_intact(buffer, bytes)
 */
#ifndef GEN_H
#define GEN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct gen {
    uint64_t s[4];
} gen;

typedef enum gen_dist {
    GEN_ZERO,
    GEN_NORMAL,        /* about N(0, 1), within +-4.9                                     */
    GEN_UNIFORM,       /* [-1, 1)                                                         */
    GEN_OFFSET_1E2,    /* N(0, 1) + 1e2 ...                                               */
    GEN_OFFSET_1E3,
    GEN_OFFSET_1E4,
    GEN_OFFSET_1E5,
    GEN_OFFSET_1E6,
    GEN_OFFSET_1E7,
    GEN_NARROW,        /* 1e-3 +- 1e-6                                                    */
    GEN_ULPS,          /* 1e6 and its two neighbours                                      */
    GEN_CONSTANT,      /* one value, from those that go wrong elsewhere                   */
    GEN_ALMOST,        /* constant but for one value, one unit in the last place off      */
    GEN_SPARSE,        /* nine zeros in ten, else N(0, 1)                                 */
    GEN_OUTLIER_FIRST, /* N(0, 1) but the first value is 1e6                              */
    GEN_OUTLIER_ANY,   /* ... or one at a random place                                    */
    GEN_OUTLIER_PILOT, /* ... or one at a place that the pilot samples                    */
    GEN_BORDER,        /* a square image, N(0, 0.01) + 10, with a border of zeros         */
    GEN_SIGN_1E30,     /* +1e30 or -1e30                                                  */
    GEN_HUGE,          /* uniform in +-3e38                                               */
    GEN_SIGN_3E38,     /* +3e38 or -3e38                                                  */
    GEN_SMALL,         /* N(0, 1) * 1e-38: around the smallest normal number              */
    GEN_DENORMAL,      /* N(0, 1) * 1e-40                                                 */
    GEN_TINIEST,       /* 0 or +-1 to 3 times 2^-149                                      */
    GEN_MIXED,         /* random sign, fraction and exponent, 2^-60 to 2^60               */
    GEN_ANY_FINITE,    /* every finite pattern with the same chance                       */
    GEN_DISTS
} gen_dist;

static const char *const gen_dist_name[GEN_DISTS] = {
    "zero", "normal", "uniform", "1e2+N", "1e3+N", "1e4+N", "1e5+N", "1e6+N", "1e7+N",
    "1e-3+-1e-6", "1e6+-ulp", "constant", "almost constant", "sparse", "outlier first",
    "outlier", "pilot outlier", "dark border", "+-1e30", "3e38 uniform", "+-3e38", "1e-38",
    "1e-40", "2^-149", "mixed", "any finite"};

/* splitmix64, to spread one number over the state of xoshiro256**. */
static inline gen gen_seed(uint64_t seed)
{
    gen g;
    int i;
    for (i = 0; i < 4; ++i) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        g.s[i] = z ^ (z >> 31);
    }
    return g;
}

static inline uint64_t gen_rotl(uint64_t v, int k)
{
    return (v << k) | (v >> (64 - k));
}

/* Each word is read and written once: sanitizers ask about every access. */
static inline uint64_t gen_u64(gen *g)
{
    uint64_t *const s = g->s, s0 = s[0], s1 = s[1], s2 = s[2] ^ s0, s3 = s[3] ^ s1;
    s[0] = s0 ^ s3;
    s[1] = s1 ^ s2;
    s[2] = s2 ^ s1 << 17;
    s[3] = gen_rotl(s3, 45);
    return gen_rotl(s1 * 5, 7) * 9;
}

/* An integer below `limit`; the tiny bias of the remainder does not matter here. */
static inline size_t gen_below(gen *g, size_t limit)
{
    return limit ? (size_t)(gen_u64(g) % limit) : 0;
}

/* 1 with the chance 1/n. */
static inline int gen_one_in(gen *g, size_t n)
{
    return gen_below(g, n) == 0;
}

static inline double gen_uniform(gen *g)
{
    return (double)(gen_u64(g) >> 11) * 0x1p-53;
}

/* About N(0, 1): the sum of eight uniform numbers, scaled by sqrt(12 / 8). No libm, no table. Two
   each are added as integers, so that half as many become doubles. */
static inline double gen_normal(gen *g)
{
    const uint64_t a = gen_u64(g), b = gen_u64(g);
    double sum = gen_uniform(g);
    sum += (double)(int)((a & 0xffff) + (b & 0xffff));
    sum += (double)(int)((a >> 16 & 0xffff) + (b >> 16 & 0xffff));
    sum += (double)(int)((a >> 32 & 0xffff) + (b >> 32 & 0xffff));
    sum += (double)(int)((a >> 48) + (b >> 48));
    return (sum * 0x1p-16 - 4.0) * 1.2247448713915890;
}

static inline float gen_from_bits(uint32_t u)
{
    float v;
    memcpy(&v, &u, sizeof v);
    return v;
}

/* The next float away from zero. */
static inline float gen_next(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return gen_from_bits(u + 1);
}

static inline float gen_sign(gen *g, float v)
{
    return gen_u64(g) >> 63 ? v : -v;
}

/* The places that the pilot reads in a list of m values: design, "One pass, with a pilot". */
static inline size_t gen_pilot_place(unsigned i, size_t m)
{
    double f = (double)(i + 1) * 0.61803398874989485;
    size_t place = (size_t)((f - (double)(unsigned)f) * (double)m);
    return place < m ? place : m - 1;
}

static inline float gen_constant(gen *g)
{
    static const float value[] = {0.1f, 100.1f, 1e7f + 1, 3.3e10f, 3e38f, -3e38f, 1e-40f, 1.0f,
                                  -7.3f, 0.0f, 1e-20f};
    return value[gen_below(g, sizeof value / sizeof *value)];
}

static inline float gen_any_finite(gen *g)
{
    uint32_t u;
    do
        u = (uint32_t)(gen_u64(g) >> 32);
    while ((u & 0x7f800000u) == 0x7f800000u);
    return gen_from_bits(u);
}

static inline float gen_mixed(gen *g)
{
    uint32_t u = (uint32_t)(gen_u64(g) >> 32), exponent = (uint32_t)(127 - 60 + gen_below(g, 121));
    return gen_from_bits((u & 0x807fffffu) | (exponent << 23));
}

/* One independent value; distributions that are about a vector are finished by gen_fill. */
static inline float gen_value(gen *g, gen_dist dist)
{
    static const double offset[] = {1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    switch (dist) {
    case GEN_ZERO: return 0;
    case GEN_UNIFORM: return (float)(2 * gen_uniform(g) - 1);
    case GEN_OFFSET_1E2:
    case GEN_OFFSET_1E3:
    case GEN_OFFSET_1E4:
    case GEN_OFFSET_1E5:
    case GEN_OFFSET_1E6:
    case GEN_OFFSET_1E7: return (float)(gen_normal(g) + offset[dist - GEN_OFFSET_1E2]);
    case GEN_NARROW: return (float)(1e-3 + 1e-6 * gen_normal(g));
    case GEN_ULPS: return gen_from_bits(0x49742400u - 1 + (uint32_t)gen_below(g, 3));
    case GEN_CONSTANT: return gen_constant(g);
    case GEN_SPARSE: return gen_one_in(g, 10) ? (float)gen_normal(g) : 0.0f;
    case GEN_BORDER: return (float)(10 + 0.01 * gen_normal(g));
    case GEN_SIGN_1E30: return gen_sign(g, 1e30f);
    case GEN_HUGE: return (float)((2 * gen_uniform(g) - 1) * 3e38);
    case GEN_SIGN_3E38: return gen_sign(g, 3e38f);
    case GEN_SMALL: return (float)(gen_normal(g) * 1e-38);
    case GEN_DENORMAL: return (float)(gen_normal(g) * 1e-40);
    case GEN_TINIEST: return gen_sign(g, gen_from_bits((uint32_t)gen_below(g, 4)));
    case GEN_MIXED: return gen_mixed(g);
    case GEN_ANY_FINITE: return gen_any_finite(g);
    default: return (float)gen_normal(g);
    }
}

/* 1 for a pixel of a square image that is an eighth of its width or less from a side. */
static inline int gen_on_border(size_t pixel, size_t width)
{
    size_t border = width / 8, row = pixel / width, col = pixel % width;
    return row < border || col < border || row + border >= width || col + border >= width;
}

/* Zeros around a square image of `count` pixels. */
static inline void gen_border(float *x, size_t count)
{
    size_t width = 1, i;
    while (width * width < count) ++width;
    for (i = 0; i < count; ++i)
        if (gen_on_border(i, width)) x[i] = 0;
}

/* A vector of `count` values. */
static inline void gen_fill(gen *g, gen_dist dist, float *x, size_t count)
{
    size_t i;
    float constant = gen_constant(g);
    for (i = 0; i < count; ++i)
        x[i] = dist == GEN_CONSTANT || dist == GEN_ALMOST ? constant : gen_value(g, dist);
    if (!count) return;
    if (dist == GEN_ALMOST) i = gen_below(g, count), x[i] = gen_next(x[i]);
    if (dist == GEN_OUTLIER_FIRST) x[0] = 1e6f;
    if (dist == GEN_OUTLIER_ANY) x[gen_below(g, count)] = gen_sign(g, 1e6f);
    if (dist == GEN_OUTLIER_PILOT)
        x[gen_pilot_place((unsigned)gen_below(g, 32), count)] = gen_sign(g, 1e6f);
    if (dist == GEN_BORDER) gen_border(x, count);
}

/* ---- double ---------------------------------------------------------------------------------- */

static inline double gen_from_bits_f64(uint64_t u)
{
    double v;
    memcpy(&v, &u, sizeof v);
    return v;
}

static inline double gen_constant_f64(gen *g)
{
    static const double value[] = {0.1, 100.1, 1e15 + 1, 3.3e100, 1.7e308, -1.7e308, 1e-310, 1.0,
                                   -7.3, 0.0, 1e-200};
    return value[gen_below(g, sizeof value / sizeof *value)];
}

static inline double gen_any_finite_f64(gen *g)
{
    uint64_t u;
    do
        u = gen_u64(g);
    while ((u >> 52 & 0x7ff) == 0x7ff);
    return gen_from_bits_f64(u);
}

static inline double gen_mixed_f64(gen *g)
{
    uint64_t u = gen_u64(g), exponent = (uint64_t)(1023 - 60 + gen_below(g, 121));
    return gen_from_bits_f64((u & UINT64_C(0x800fffffffffffff)) | exponent << 52);
}

/* The distributions as doubles: 1e7 is 1e12 here, 1e30 is 1e300, 3e38 is 1.7e308, 1e-38 is 1e-300,
   1e-40 is 1e-318 and 2^-149 is 2^-1074. */
static inline double gen_value_f64(gen *g, gen_dist dist)
{
    static const double offset[] = {1e2, 1e3, 1e4, 1e5, 1e6, 1e12};
    switch (dist) {
    case GEN_ZERO: return 0;
    case GEN_UNIFORM: return 2 * gen_uniform(g) - 1;
    case GEN_OFFSET_1E2:
    case GEN_OFFSET_1E3:
    case GEN_OFFSET_1E4:
    case GEN_OFFSET_1E5:
    case GEN_OFFSET_1E6:
    case GEN_OFFSET_1E7: return gen_normal(g) + offset[dist - GEN_OFFSET_1E2];
    case GEN_NARROW: return 1e-3 + 1e-6 * gen_normal(g);
    case GEN_ULPS: return gen_from_bits_f64(UINT64_C(0x412e848000000000) - 1 + gen_below(g, 3));
    case GEN_CONSTANT: return gen_constant_f64(g);
    case GEN_SPARSE: return gen_one_in(g, 10) ? gen_normal(g) : 0.0;
    case GEN_BORDER: return 10 + 0.01 * gen_normal(g);
    case GEN_SIGN_1E30: return gen_u64(g) >> 63 ? 1e300 : -1e300;
    case GEN_HUGE: return (2 * gen_uniform(g) - 1) * 1.7e308;
    case GEN_SIGN_3E38: return gen_u64(g) >> 63 ? 1.7e308 : -1.7e308;
    case GEN_SMALL: return gen_normal(g) * 1e-300;
    case GEN_DENORMAL: return gen_normal(g) * 1e-318;
    case GEN_TINIEST:
        return gen_from_bits_f64((gen_u64(g) >> 63 << 63) | (uint64_t)gen_below(g, 4));
    case GEN_MIXED: return gen_mixed_f64(g);
    case GEN_ANY_FINITE: return gen_any_finite_f64(g);
    default: return gen_normal(g);
    }
}

/* A vector of doubles. */
static inline void gen_fill_f64(gen *g, gen_dist dist, double *x, size_t count)
{
    const double constant = gen_constant_f64(g), outlier = gen_u64(g) >> 63 ? 1e12 : -1e12;
    size_t i, width = 1;
    uint64_t u;
    for (i = 0; i < count; ++i)
        x[i] = dist == GEN_CONSTANT || dist == GEN_ALMOST ? constant : gen_value_f64(g, dist);
    if (!count) return;
    if (dist == GEN_ALMOST) {
        i = gen_below(g, count), memcpy(&u, &x[i], sizeof u);
        x[i] = gen_from_bits_f64(u + 1);
    }
    if (dist == GEN_OUTLIER_FIRST) x[0] = outlier;
    if (dist == GEN_OUTLIER_ANY) x[gen_below(g, count)] = outlier;
    if (dist == GEN_OUTLIER_PILOT) x[gen_pilot_place((unsigned)gen_below(g, 32), count)] = outlier;
    while (width * width < count) ++width;
    for (i = 0; i < count && dist == GEN_BORDER; ++i)
        if (gen_on_border(i, width)) x[i] = 0;
}

/* ---- f16 ------------------------------------------------------------------------------------- */

/* Moves a vector by a power of two to where f16 has numbers: the largest below 2^15, and not below
   2^-16, which leaves denormals. */
static inline void gen_fit_f16(float *x, size_t count)
{
    double largest = 0, scale = 1;
    size_t i;
    for (i = 0; i < count; ++i) {
        double v = x[i] < 0 ? -(double)x[i] : (double)x[i];
        if (v > largest) largest = v;
    }
    while (largest * scale >= 32768) scale *= 0.5;
    while (largest > 0 && largest * scale < 0x1p-16) scale *= 2;
    for (i = 0; i < count && (scale < 1 || scale > 1); ++i) x[i] = (float)((double)x[i] * scale);
}

/* ---- canaries -------------------------------------------------------------------------------- */

/* Bytes that are NaN in every type: whoever reads them shows it, whoever writes there too. */
#define GEN_CANARY 0xff

static inline void gen_canary(void *buffer, size_t bytes)
{
    if (bytes) memset(buffer, GEN_CANARY, bytes);
}

/* 1 when every byte is still the canary. */
static inline int gen_intact(const void *buffer, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)buffer;
    size_t i;
    for (i = 0; i < bytes; ++i)
        if (p[i] != GEN_CANARY) return 0;
    return 1;
}

#endif /* GEN_H */
