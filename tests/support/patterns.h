/* patterns.h - data of integers and powers of two alone: no compiler, flag or libm can alter them,
 * not by fusing a product into a sum nor by flushing denormals.
 *
 *   stream = 7;                          the seed
 *   fill_as(NRM_F16, SPAN, x, count);    any storage type
 *   put_edge(p);                         after EDGE data
 */
#ifndef PATTERNS_H
#define PATTERNS_H

#include "problem.h"

enum data {
    PLAIN,    /* multiples of 1/128 within +-4                                              */
    OFFSET,   /* 2^20 and up to 8 more, in sixteenths                                       */
    CONSTANT, /* 1e7 + 1 everywhere                                                         */
    OUTLIER,  /* plain, but for one value in 97                                             */
    EDGE,     /* plain, but 2^20 where each list is sampled first                           */
    LARGE,    /* +-2^100 times 1 to 2: its squares overflow                                 */
    HIGHEST,  /* +-2^127 times 1 to 2                                                       */
    SMALL,    /* +-2^-100 times 1 to 2                                                      */
    DENORMAL, /* any denormal                                                               */
    SPAN,     /* exponents from -60 to 60                                                   */
    FINITE,   /* any finite pattern                                                         */
    SPECIAL,  /* plain with a NaN, an infinity, a negative zero and a denormal              */
    DATA
};

static uint64_t stream;

static inline uint32_t next_bits(void)
{
    stream = stream * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(stream >> 32);
}

/* A sign and 23 bits of fraction, with this biased exponent. */
static inline float with_exponent(uint32_t exponent)
{
    return gen_from_bits((next_bits() & 0x807fffffu) | exponent << 23);
}

static inline float fraction(int32_t below, float unit)
{
    return (float)((int32_t)(next_bits() >> 8) % (2 * below) - below) * unit;
}

static inline float one_value(enum data data, size_t i)
{
    uint32_t u;
    switch (data) {
    case OFFSET: return 1048576.0f + (float)(next_bits() >> 25) * 0.0625f;
    case CONSTANT: return 10000001.0f;
    case OUTLIER: return i % 97 == 41 ? 262144.0f : fraction(512, 0.0078125f);
    case LARGE: return with_exponent(127 + 100);
    case HIGHEST: return with_exponent(127 + 127);
    case SMALL: return with_exponent(127 - 100);
    case DENORMAL: return with_exponent(0);
    case SPAN: u = next_bits() >> 8; return with_exponent(127 - 60 + u % 121);
    case FINITE: u = next_bits() >> 8; return with_exponent(u % 255);
    default: return fraction(512, 0.0078125f);
    }
}

static inline void fill(enum data data, void *values, size_t count)
{
    static const uint32_t special[] = {0x7fc00000u, 0x7f800000u, 0x80000000u, 0x00000003u};
    float *x = (float *)values;
    size_t i;
    for (i = 0; i < count; ++i) x[i] = one_value(data, i);
    for (i = 0; i < 4 && data == SPECIAL; ++i)
        x[count * (2 * i + 1) / 8] = gen_from_bits(special[i]);
}

/* The same kinds of data in the other storage types, at the limits of each, and made of integers
   alone: a float that is denormal would be flushed by some flags. */
typedef struct format {
    int fraction, bias;                     /* bits of the fraction, and of the exponent's zero */
    int offset, large, small, least, most;  /* exponents; FINITE has those up to `most`         */
} format;

static const format formats[TYPES] = {
    {23, 127, 20, 100, -100, -60, 127},
    {52, 1023, 40, 800, -800, -300, 1023},
    {7, 127, 4, 100, -100, -60, 127},
    {10, 15, 7, 14, -13, -14, 15},
};

static inline void put_pattern(nrm_dtype type, void *to, size_t i, uint64_t u)
{
    uint16_t half = (uint16_t)u;
    if (type == NRM_F64)
        memcpy((uint64_t *)to + i, &u, sizeof u);
    else
        memcpy((uint16_t *)to + i, &half, sizeof half);
}

/* A sign and a fraction, with this exponent: that of denormals is -bias. */
static inline void put_exponent(nrm_dtype type, void *to, size_t i, int exponent)
{
    const format *f = &formats[type];
    uint64_t u = (uint64_t)next_bits() << 32, fraction;
    u |= next_bits();
    fraction = u & ((UINT64_C(1) << f->fraction) - 1);
    put_pattern(type, to, i,
                (u >> 63) << (8 * type_size(type) - 1) |
                    (uint64_t)(exponent + f->bias) << f->fraction | fraction);
}

/* Small numbers of few digits, which every type holds; the offset leaves them three bits. */
static inline double few_digits(const format *f, enum data data, size_t i)
{
    const double offset = (double)(UINT64_C(1) << f->offset);
    switch (data) {
    case OFFSET: return offset + (double)(next_bits() >> 25) * 0.0625;
    case CONSTANT: return f->bias == 15 ? 1001.5 : 1000001.0;
    case OUTLIER: return i % 97 == 41 ? 256 * offset : (double)fraction(512, 0.0078125f);
    default: return (double)fraction(512, 0.0078125f);
    }
}

static inline void put_value(nrm_dtype type, void *to, size_t i, enum data data)
{
    const format *f = &formats[type];
    uint32_t u;
    switch (data) {
    case LARGE: put_exponent(type, to, i, f->large); return;
    case HIGHEST: put_exponent(type, to, i, f->most); return;
    case SMALL: put_exponent(type, to, i, f->small); return;
    case DENORMAL: put_exponent(type, to, i, -f->bias); return;
    case SPAN:
        u = next_bits() >> 8;
        put_exponent(type, to, i, f->least + (int)(u % (uint32_t)(1 - 2 * f->least)));
        return;
    case FINITE:
        u = next_bits() >> 8;
        put_exponent(type, to, i, (int)(u % (uint32_t)(2 * f->bias + 1)) - f->bias);
        return;
    default: type_put(type, to, i, few_digits(f, data, i));
    }
}

static inline void fill_as(nrm_dtype type, enum data data, void *values, size_t count)
{
    const format *f = &formats[type];
    const uint64_t inf = (uint64_t)(2 * f->bias + 1) << f->fraction;
    const uint64_t special[] = {inf | UINT64_C(1) << (f->fraction - 1), inf,
                                UINT64_C(1) << (8 * type_size(type) - 1), 3};
    size_t i;
    if (type == NRM_F32) {
        fill(data, values, count);
        return;
    }
    for (i = 0; i < count; ++i) put_value(type, values, i, data);
    for (i = 0; i < 4 && data == SPECIAL; ++i)
        put_pattern(type, values, count * (2 * i + 1) / 8, special[i]);
}

/* Where each statistics group is sampled first. */
static inline void put_edge(problem *p)
{
    const nrm_dtype type = p->d.dtype;
    const double edge = (double)(UINT64_C(1) << formats[type].offset);
    size_t i, lists = problem_stats(&p->d), length = problem_volume(&p->d) / lists;
    for (i = 0; i < lists; ++i)
        type_put(type, p->value[SLOT_X],
                 list_place(&p->d, i, (size_t)(UINT64_C(0x9e3779b97f4a7c16) / 65536 *
                                               (uint64_t)length >> 48)), edge);
}

#endif /* PATTERNS_H */
