/* exhaustive.c - bf16, f16 and SiLU over everything there is: `make exhaustive`, minutes.
 *
 *   1  all 2^32 floats by nrm_f32_to_bf16 and nrm_f32_to_f16, all 2^16 halves back
 *   2  all 2^32 floats as they are stored by each instruction set: y of a layer norm of zeros is
 *      beta. Beyond 2^100 that is computed in double; what vectors store there is 3
 *   3  bf16: all floats of 2^100 and above, as powers of two times a gamma
 *   4  all 2^32 pairs of halves as x + residual, rounded, by each instruction set
 *   5  all 2^32 floats by NRM_SILU, as a gate, and by the gate's derivative, against double: the
 *      worst errors, how many are not the nearest float; each instruction set
 *
 * What is right is looked up in the list of halves by value: the float in the middle of two of them
 * is where rounding changes, and goes to the even one. tests/test_half.c, which make test runs, has
 * these middles and a float to each side of them, in every way that values are stored.
 *
 *   ./exhaustive [bf16|f16|silu]
 */
#include "../normalize.h"

#include <math.h>
#include <time.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/types.h"
#include "support/ref.h"

#define ROW 65536u /* floats at a time: those that share their upper half */

static uint16_t want[ROW], got[ROW], zeros[ROW];
static float values[ROW];

static uint16_t narrow(nrm_dtype t, float v)
{
    return t == NRM_F16 ? nrm_f32_to_f16(v) : nrm_f32_to_bf16(v);
}

static float widen(nrm_dtype t, uint16_t v)
{
    return t == NRM_F16 ? nrm_f16_to_f32(v) : nrm_bf16_to_f32(v);
}

/* ---- What is right --------------------------------------------------------------------------- */

/* By the numbers of the format; Inf comes out as the number that would follow the largest. */
static double value_of(nrm_dtype t, unsigned pattern)
{
    const int digits = half_fraction_bits(t), least = half_least_exponent(t);
    const unsigned exponent = pattern >> digits, fraction = pattern - (exponent << digits);
    if (exponent == 0) return ldexp((double)fraction, least - digits);
    return ldexp((double)fraction + ldexp(1, digits), least - digits + (int)exponent - 1);
}

/* Bits of the last float that is rounded to a pattern without sign. */
static uint32_t last[ROW / 2];

static void make_list(nrm_dtype t)
{
    unsigned p;
    for (p = 0; p < half_inf(t); ++p) {
        const float middle = (float)((value_of(t, p) + value_of(t, p + 1)) / 2);
        last[p] = bits_f32(middle) - (p & 1);
    }
    last[half_inf(t)] = 0x7f800000u;
}

/* `want` for the floats from these bits on, which share sign and exponent; NaN as ones. */
static void make_want(nrm_dtype t, uint32_t first)
{
    const uint32_t sign = first >> 31 << 15, magnitude = first & 0x7fffffffu;
    unsigned low = 0, high = half_inf(t), i;
    while (low < high) { /* the first pattern that ends at `magnitude` or later */
        const unsigned middle = (low + high) / 2;
        if (last[middle] < magnitude) low = middle + 1;
        else high = middle;
    }
    for (i = 0; i < ROW; ++i) {
        while (low < half_inf(t) && magnitude + i > last[low]) ++low;
        want[i] = magnitude + i > 0x7f800000u ? 0x7fff : (uint16_t)(low | sign);
        values[i] = gen_from_bits(first + i);
    }
}

/* Index of the first that is wrong; ROW when none is. Any NaN will do for a NaN. */
static size_t first_wrong(nrm_dtype t)
{
    size_t i = 0;
    if (!memcmp(want, got, sizeof want)) return ROW;
    while (i < ROW && (got[i] == want[i] || (half_nan(t, got[i]) && half_nan(t, want[i])))) ++i;
    return i;
}

static void check_row(nrm_dtype t, const char *by)
{
    const size_t i = first_wrong(t);
    check(i == ROW, "%s: %a (%#x) becomes %#x, not %#x", by, (double)values[i % ROW],
          (unsigned)bits_f32(values[i % ROW]), (unsigned)got[i % ROW], (unsigned)want[i % ROW]);
}

/* ---- 1 to 4 ---------------------------------------------------------------------------------- */

static void test_functions(nrm_dtype t)
{
    uint32_t high, i;
    group("%s: all floats by the function, all halves back", type_name[t]);
    for (high = 0; high < ROW; ++high) {
        make_want(t, high << 16);
        for (i = 0; i < ROW; ++i) got[i] = narrow(t, values[i]);
        check_row(t, "the function");
    }
    for (i = 0; i < ROW; ++i) {
        const float v = widen(t, (uint16_t)i);
        const unsigned p = i & 0x7fff;
        if (p > half_inf(t))
            check(is_nan_f32(v) && bits_f32(v) >> 31 == i >> 15, "NaN %#x", (unsigned)i);
        else
            check(bits_f32(v) >> 31 == i >> 15 &&
                      (p == half_inf(t) ? (bits_f32(v) & 0x7fffffffu) == 0x7f800000u
                                        : fabs((double)v) - value_of(t, p) == 0),
                  "%#x is %a", (unsigned)i, (double)v);
    }
    group_end();
}

static void test_stores(nrm_dtype t, nrm_isa isa)
{
    nrm_desc d;
    nrm_args a;
    uint32_t high;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_LAYER, d.dtype = t, d.n = 1, d.c = ROW, d.eps = 1, a.isa = isa;
    a.x = zeros, a.y = got, a.beta = values;
    group("%s, %s: all floats stored as y", type_name[t], nrm_isa_name(isa));
    for (high = 0; high < ROW; ++high) {
        make_want(t, high << 16);
        if (high == 0x8000) want[0] = 0; /* 0 + -0 is 0 */
        check(nrm_forward(&d, &a) == NRM_OK, "status");
        check_row(t, nrm_isa_name(isa));
    }
    group_end();
}

/* Each channel is a power of two, gamma all floats of 1 to 2. */
static void test_large_stores(nrm_isa isa)
{
    enum { COUNT = 28 };
    uint16_t x[COUNT];
    float mean = 0, var = 1;
    nrm_desc d;
    nrm_args a;
    uint32_t i, k;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_BATCH, d.dtype = NRM_BF16, d.n = 1, d.c = 1, d.s = COUNT, a.isa = isa;
    for (i = 0; i < COUNT; ++i) x[i] = (uint16_t)((227 + i) << 7);
    a.x = x, a.y = got, a.running_mean = &mean, a.running_var = &var, a.gamma = values;
    group("bf16, %s: all floats of 2^100 and above", nrm_isa_name(isa));
    for (i = 0; i < 1u << 24; ++i) {
        const uint32_t fraction = i & 0x7fffff, sign = i >> 23;
        size_t wrong = COUNT;
        values[0] = gen_from_bits(sign << 31 | 127u << 23 | fraction);
        check(nrm_infer(&d, &a) == NRM_OK, "status");
        for (k = 0; k < COUNT; ++k) {
            const uint32_t bits = (227 + k) << 23 | fraction;
            const uint16_t right = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
            if (got[k] != (right | sign << 15)) wrong = k;
        }
        check(wrong == COUNT, "2^%u times %a becomes %#x", (unsigned)(100 + wrong),
              (double)values[0], (unsigned)got[wrong % COUNT]);
    }
    group_end();
}

/* x in one row, the residual in the other; both rounded by the function, which 1 has tried. */
static void test_sums(nrm_dtype t)
{
    static uint16_t x[ROW], residual[ROW], y[ROW];
    static float wide[ROW];
    float mean = 0, var = 1;
    nrm_desc d;
    nrm_args a;
    uint32_t i, k;
    size_t isa;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_BATCH, d.dtype = t, d.n = 1, d.c = 1, d.s = ROW;
    a.x = x, a.residual = residual, a.sum = got, a.y = y, a.running_mean = &mean;
    a.running_var = &var;
    for (i = 0; i < ROW; ++i) residual[i] = (uint16_t)i, wide[i] = widen(t, (uint16_t)i);
    group("%s: all pairs of halves added, by every instruction set", type_name[t]);
    for (k = 0; k < ROW; ++k) {
        for (i = 0; i < ROW; ++i) {
            x[i] = (uint16_t)k, values[i] = wide[k] + wide[i];
            want[i] = narrow(t, values[i]);
        }
        for (isa = 0; isa < ISAS; ++isa) {
            if (!nrm_has_isa(all_isa[isa])) continue;
            a.isa = all_isa[isa];
            check(nrm_infer(&d, &a) == NRM_OK, "status");
            check_row(t, nrm_isa_name(all_isa[isa]));
        }
    }
    group_end();
}

/* ---- 5 SiLU ---------------------------------------------------------------------------------- */

typedef double function(double);

/* Both to 2^-50 or so, which is the 2^26th part of what a float's rounding is: where exp leaves the
   doubles the result is 0. */
static double silu(double v)
{
    const double e = exp(v < 0 ? v : -v);
    if (v < 0) return v < -800 ? -0.0 : v * (e / (1 + e));
    return v > 800 ? v : v / (1 + e);
}

static double silu_slope(double v)
{
    const double e = exp(-fabs(v)), large = 1 / (1 + e), small = e / (1 + e);
    if (fabs(v) > 800) return v > 0;
    return v < 0 ? small * (1 + v * large) : large * (1 + v * small);
}

/* What its error is measured by: the sum of its terms' magnitudes. */
static double silu_slope_scale(double v)
{
    const double e = exp(-fabs(v)), large = 1 / (1 + e), small = e / (1 + e);
    if (fabs(v) > 800) return v > 0;
    return v < 0 ? small * (1 - v * large) : large * (1 + v * small);
}

typedef struct errors {
    const char *what;
    function *exact, *scale;  /* NULL: the value itself                                    */
    double limit;             /* ref.h: in e of the scale, beside REF_SILU_TINY * 2^-149    */
    double ulps, relative;    /* the worst: in units of the last place; in e of the scale,
                                 where that is a normal number with room                    */
    float at_ulps, at_relative;
    double denormal;          /* the worst below that, in 2^-149                            */
    unsigned long not_nearest, beyond;
} errors;

/* The place of the last digit of a float of this size. */
static double last_place(double magnitude)
{
    const uint64_t exponent = bits_f64(magnitude) >> 52 & 0x7ff;
    const uint64_t least = 1023 - 149;
    const uint64_t unit = exponent < least + 23 ? least : exponent - 23;
    return gen_from_bits_f64(unit << 52);
}

static void measure(errors *m, float v, float got)
{
    const double exact = m->exact((double)v);
    const double scale = m->scale ? m->scale((double)v) : fabs(exact);
    const double error = fabs((double)got - exact), ulps = error / last_place(fabs(exact));
    m->not_nearest += ulps > 0.5 + 0x1p-20;
    m->beyond += !(error <= m->limit * 0x1p-23 * scale + (double)REF_SILU_TINY * 0x1p-149);
    if (ulps > m->ulps) m->ulps = ulps, m->at_ulps = v;
    if (scale > 0x1p-120) {
        const double relative = error / (scale * 0x1p-23);
        if (relative > m->relative) m->relative = relative, m->at_relative = v;
    } else if (error / 0x1p-149 > m->denormal) {
        m->denormal = error / 0x1p-149;
    }
}

static float as_act[ROW], as_gate[ROW], as_slope[ROW], ones[ROW];

/* A row through the library: y, and y and dgate of a gate. */
static void silu_row(nrm_isa isa, float *act, float *gate, float *slope)
{
    float mean = 0, var = 1;
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_BATCH, d.n = 1, d.c = 1, d.s = ROW, d.act = NRM_SILU;
    a.x = values, a.y = act, a.running_mean = &mean, a.running_var = &var, a.isa = isa;
    check(nrm_infer(&d, &a) == NRM_OK, "status");
    d.act = NRM_IDENTITY, a.x = ones, a.y = gate, a.gate = values;
    check(nrm_infer(&d, &a) == NRM_OK, "status");
    a.dy = ones, a.dgate = slope;
    check(nrm_infer_backward(&d, &a) == NRM_OK, "status");
}

static void compare_silu(const float *got, const float *expected, const char *what, nrm_isa isa)
{
    const size_t at = diff_f32(got, expected, ROW);
    check(at == ROW, "%s of %a is %a by %s, %a by scalar code", what, (double)values[at % ROW],
          (double)got[at % ROW], nrm_isa_name(isa), (double)expected[at % ROW]);
}

static void measure_row(errors m[2])
{
    const float *of[2] = {as_gate, as_slope};
    size_t i, k;
    for (k = 0; k < 2; ++k)
        for (i = 0; i < ROW; ++i)
            if (is_nan_f32(values[i]))
                m[k].beyond += !is_nan_f32(of[k][i]);
            else if (values[i] - values[i] == 0)
                measure(&m[k], values[i], of[k][i]);
            else
                m[k].beyond += values[i] > 0 ? !same_f32(of[k][i], k ? 1 : values[i])
                                             : !(of[k][i] == 0);
}

static void test_silu(void)
{
    static float act[ROW], gate[ROW], slope[ROW];
    errors m[2];
    uint32_t high, i;
    size_t isa;
    memset(m, 0, sizeof m);
    m[0].what = "silu", m[0].exact = silu, m[0].limit = (double)REF_SILU;
    m[1].what = "its derivative", m[1].exact = silu_slope, m[1].scale = silu_slope_scale;
    m[1].limit = (double)REF_SILU_SLOPE;
    for (i = 0; i < ROW; ++i) ones[i] = 1;
    group("all floats by silu, by every instruction set");
    for (high = 0; high < ROW; ++high) {
        for (i = 0; i < ROW; ++i) values[i] = gen_from_bits(high << 16 | i);
        silu_row(NRM_SCALAR, as_act, as_gate, as_slope);
        for (isa = 0; isa < ISAS; ++isa) {
            if (!nrm_has_isa(all_isa[isa]) || all_isa[isa] == NRM_SCALAR) continue;
            silu_row(all_isa[isa], act, gate, slope);
            compare_silu(act, as_act, "NRM_SILU", all_isa[isa]);
            compare_silu(gate, as_gate, "a gate", all_isa[isa]);
            compare_silu(slope, as_slope, "dgate", all_isa[isa]);
        }
        if (high == 0x8000) as_act[0] = as_gate[0]; /* -0 * 1 + 0 is 0 before the activation */
        compare_silu(as_act, as_gate, "NRM_SILU, not a gate,", NRM_SCALAR);
        measure_row(m);
    }
    for (i = 0; i < 2; ++i) {
        check(!m[i].beyond, "%s: %lu results are beyond the bound of ref.h", m[i].what,
              m[i].beyond);
        note("%s: at most %.4f * 2^-23 of it, at %a; below 2^-120 %.2f * 2^-149", m[i].what,
             m[i].relative, (double)m[i].at_relative, m[i].denormal);
        if (!m[i].scale)
            note("... %.4f units in the last place, at %a; %lu of 2^32 are not the nearest float",
                 m[i].ulps, (double)m[i].at_ulps, m[i].not_nearest);
    }
    group_end();
}

int main(int argc, char **argv)
{
    static const nrm_dtype halves[] = {NRM_BF16, NRM_F16};
    size_t i, k;
    for (i = 0; i < 2; ++i) {
        if (argc > 1 && strcmp(argv[1], type_name[halves[i]]) != 0) continue;
        make_list(halves[i]);
        test_functions(halves[i]);
        for (k = 0; k < ISAS; ++k) {
            if (!nrm_has_isa(all_isa[k])) continue;
            test_stores(halves[i], all_isa[k]);
            if (halves[i] == NRM_BF16) test_large_stores(all_isa[k]);
        }
        test_sums(halves[i]);
    }
    if (argc < 2 || !strcmp(argv[1], "silu")) test_silu();
    return done_testing();
}
