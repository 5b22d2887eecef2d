/* types.h - the enumerations of normalize.h, and the storage types as the tests see them: sizes,
 * conversions by integers alone (so that flags which flush denormals do not matter), reading,
 * writing and comparing elements. It shares no code with normalize.h.
 */
#ifndef TYPES_H
#define TYPES_H

#include "../../normalize.h"
#include "test.h"

/* ---- enumerations ----------------------------------------------------------------------------

   What tests and fuzzing go through. An enumerator that normalize.h gains is entered here, once;
   make lint compares. Names are indexed by the enumerator. */

#define KINDS 5
#define LAYOUTS 2
#define TYPES 4
#define ACTS 6

static const char *const kind_name[KINDS] = {"batch", "layer", "instance", "group", "rms"};
static const char *const layout_name[LAYOUTS] = {"NCHW", "NHWC"};
static const char *const type_name[TYPES] = {"f32", "f64", "bf16", "f16"};
static const char *const act_name[ACTS] = {"identity", "relu", "leaky_relu", "clip",
                                           "hard_swish", "silu"};
static const nrm_isa all_isa[] = {NRM_SCALAR, NRM_AVX2, NRM_AVX512, NRM_NEON, NRM_WASM};
#define ISAS (sizeof all_isa / sizeof *all_isa)

/* ---- storage types --------------------------------------------------------------------------- */

static inline int type_is_half(nrm_dtype t)
{
    return t == NRM_BF16 || t == NRM_F16;
}

/* 1 when the library computes this type; NRM_NO_F64 and NRM_NO_HALF leave some out. */
static inline int type_is_here(nrm_dtype t)
{
    nrm_desc d;
    memset(&d, 0, sizeof d);
    d.n = d.c = d.s = 1, d.dtype = t;
    return nrm_stat_count(&d) > 0;
}

/* What else a call reads or writes: int8_t steps of q8, size_t lengths. */
#define TYPE_STEP ((nrm_dtype)100)
#define TYPE_LENGTH ((nrm_dtype)101)

static inline size_t type_size(nrm_dtype t)
{
    if (t == TYPE_STEP || t == TYPE_LENGTH) return t == TYPE_STEP ? 1 : sizeof(size_t);
    return t == NRM_F64 ? 8 : type_is_half(t) ? 2 : 4;
}

/* The type of gamma, beta, their gradients and running statistics beside data of this type. */
static inline nrm_dtype type_of_parameters(nrm_dtype t)
{
    return t == NRM_F64 ? NRM_F64 : NRM_F32;
}

/* ---- halves ---------------------------------------------------------------------------------- */

static inline int half_fraction_bits(nrm_dtype t)
{
    return t == NRM_F16 ? 10 : 7;
}

/* The exponent of the smallest normal number, which denormals have too. */
static inline int half_least_exponent(nrm_dtype t)
{
    return t == NRM_F16 ? -14 : -126;
}

static inline uint16_t half_inf(nrm_dtype t)
{
    return t == NRM_F16 ? 0x7c00 : 0x7f80;
}

static inline int half_nan(nrm_dtype t, uint16_t v)
{
    return (v & 0x7fff) > half_inf(t);
}

/* To nearest, ties to even, in one rounding from a double: the value in units of the last place of
   the result, and what is cut off against half of such a unit. */
static inline uint16_t half_from_f64(nrm_dtype t, double value)
{
    const uint64_t u = bits_f64(value), magnitude = u & UINT64_C(0x7fffffffffffffff);
    const uint16_t sign = (uint16_t)(u >> 63 << 15);
    const int fraction = half_fraction_bits(t), least = half_least_exponent(t);
    int exponent = (int)(magnitude >> 52) - 1023, cut;
    uint64_t mantissa = (magnitude & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52, units, rest;
    if (magnitude > UINT64_C(0x7ff0000000000000)) return (uint16_t)(sign | half_inf(t) | 0x40);
    if (exponent > 128) return (uint16_t)(sign | half_inf(t));
    if (exponent < least - 60) return sign; /* a denormal double too */
    if (exponent < least)
        cut = 52 - fraction + (least - exponent), exponent = least;
    else
        cut = 52 - fraction;
    if (cut > 54) return sign;
    units = mantissa >> cut, rest = mantissa & ((UINT64_C(1) << cut) - 1);
    units += rest + (units & 1) > UINT64_C(1) << (cut - 1);
    units += (uint64_t)(exponent - least) << fraction; /* a carry moves up into the exponent */
    return (uint16_t)(sign | (units < half_inf(t) ? units : half_inf(t)));
}

/* Exact. */
static inline double f64_from_half(nrm_dtype t, uint16_t v)
{
    const int fraction = half_fraction_bits(t);
    uint64_t u = (uint64_t)(v >> 15) << 63, field = v & 0x7fff, unit;
    double result;
    int exponent;
    if (field >= half_inf(t)) { /* what is left of the fraction makes a NaN */
        u |= UINT64_C(0x7ff) << 52 | (field - half_inf(t)) << (52 - fraction);
    } else if (field) {
        unit = field & ((UINT64_C(1) << fraction) - 1), exponent = (int)(field >> fraction);
        if (exponent)
            unit |= UINT64_C(1) << fraction;
        else
            exponent = 1;
        exponent += half_least_exponent(t) - 1;
        for (; !(unit >> fraction); unit <<= 1) --exponent;
        unit &= (UINT64_C(1) << fraction) - 1;
        u |= (uint64_t)(exponent + 1023) << 52 | unit << (52 - fraction);
    }
    memcpy(&result, &u, sizeof result);
    return result;
}

/* 1 when v, a float, lies in the middle of two halves, of which `got` is one. What float arithmetic
   is not fit for is computed in double and rounded to the half at once: the float next to it may be
   such a middle where the double is not. */
static inline int half_is_tie(nrm_dtype t, double v, double got)
{
    const float single = (float)v;
    double half[2];
    int i;
    if (!type_is_half(t)) return 0;
    for (i = 0; i < 2; ++i) { /* of the floats next to it */
        uint32_t u = bits_f32(single) + (i ? 1u : UINT32_MAX);
        float next;
        memcpy(&next, &u, sizeof next);
        half[i] = f64_from_half(t, half_from_f64(t, (double)next));
    }
    if (bits_f64(got) != bits_f64(half[0]) && bits_f64(got) != bits_f64(half[1])) return 0;
    return (half[0] + half[1]) / 2 - v == 0;
}

/* ---- elements, at any address ---------------------------------------------------------------- */

/* A step or a length. */
static inline size_t type_whole(nrm_dtype t, const unsigned char *at)
{
    size_t whole = *at;
    if (t == TYPE_LENGTH) memcpy(&whole, at, sizeof whole);
    return whole;
}

/* Element i of an array, as a double: exact for every type (but that a program which flushes
   denormals reads float denormals as 0). */
static inline double type_get(nrm_dtype t, const void *from, size_t i)
{
    const unsigned char *at = (const unsigned char *)from + i * type_size(t);
    uint16_t half;
    float single;
    double result;
    if (t == TYPE_LENGTH) return (double)type_whole(t, at);
    if (t == TYPE_STEP) return (double)(int)*at - (*at > 127 ? 256 : 0);
    switch (t) {
    case NRM_F32: memcpy(&single, at, sizeof single); return (double)single;
    case NRM_F64: memcpy(&result, at, sizeof result); return result;
    default: memcpy(&half, at, sizeof half); return f64_from_half(t, half);
    }
}

/* Rounds once. */
static inline void type_put(nrm_dtype t, void *to, size_t i, double value)
{
    unsigned char *at = (unsigned char *)to + i * type_size(t);
    uint16_t half;
    volatile float rounded; /* even where floats are computed wider */
    float single;
    if (t == TYPE_LENGTH || t == TYPE_STEP) {
        const size_t whole = (size_t)(long long)value; /* of a step its lowest byte */
        if (t == TYPE_LENGTH) memcpy(at, &whole, sizeof whole);
        if (t == TYPE_STEP) *at = (unsigned char)whole;
        return;
    }
    switch (t) {
    case NRM_F32: rounded = (float)value, single = rounded, memcpy(at, &single, 4); break;
    case NRM_F64: memcpy(at, &value, sizeof value); break;
    default: half = half_from_f64(t, value), memcpy(at, &half, sizeof half);
    }
}

/* The bits of element i, every NaN as one value. */
static inline uint64_t type_bits(nrm_dtype t, const void *from, size_t i)
{
    const unsigned char *at = (const unsigned char *)from + i * type_size(t);
    uint16_t half;
    float single;
    double value;
    if (t == TYPE_LENGTH || t == TYPE_STEP) return type_whole(t, at);
    switch (t) {
    case NRM_F32:
        memcpy(&single, at, sizeof single);
        return is_nan_f32(single) ? 0x7fc00000u : bits_f32(single);
    case NRM_F64:
        memcpy(&value, at, sizeof value);
        return is_nan_f64(value) ? UINT64_C(0x7ff8) << 48 : bits_f64(value);
    default:
        memcpy(&half, at, sizeof half);
        return half_nan(t, half) ? half_inf(t) | 0x40u : half;
    }
}

/* Index of the first element whose bits differ, NaNs as one value; `count` when none does. */
static inline size_t type_diff(nrm_dtype t, const void *a, const void *b, size_t count)
{
    size_t i = 0;
    if (t == NRM_F32) return diff_f32((const float *)a, (const float *)b, count);
    if (t == NRM_F64) return diff_f64((const double *)a, (const double *)b, count);
    while (i < count && type_bits(t, a, i) == type_bits(t, b, i)) ++i;
    return i;
}

/* The same values in another type, each rounded once. */
static inline void type_convert(nrm_dtype to_type, void *to, nrm_dtype from_type, const void *from,
                                size_t count)
{
    size_t i;
    for (i = 0; i < count; ++i) type_put(to_type, to, i, type_get(from_type, from, i));
}

#endif /* TYPES_H */
