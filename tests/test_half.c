/* test_half.c - bf16 and f16, value by value: every pattern widened, every boundary of rounding
 * narrowed, by the public functions and through the loads and stores of each instruction set. Calls
 * are chosen that compute nothing or one known float, so that what is stored can be foretold.
 */
#include "../normalize.h"

#include <math.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/types.h"

#define PATTERNS 65536
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const nrm_dtype halves[] = {NRM_BF16, NRM_F16};

static float widen(nrm_dtype t, uint16_t v)
{
    return t == NRM_F16 ? nrm_f16_to_f32(v) : nrm_bf16_to_f32(v);
}

static uint16_t narrow(nrm_dtype t, float v)
{
    return t == NRM_F16 ? nrm_f32_to_f16(v) : nrm_f32_to_bf16(v);
}

static int same_half(nrm_dtype t, uint16_t a, uint16_t b)
{
    return a == b || (half_nan(t, a) && half_nan(t, b));
}

/* ---- 1 The reference: a format by its numbers, decoded by value, not by its bits ------------ */

/* Of a pattern without sign; that of Inf comes out as the number that would follow the largest,
   which is where rounding to Inf begins to be nearest. */
static double naive_value(nrm_dtype t, unsigned pattern)
{
    int digits = t == NRM_F16 ? 10 : 7, least = t == NRM_F16 ? -14 : -126;
    unsigned exponent = pattern >> digits, fraction = pattern - (exponent << digits);
    if (exponent == 0) return ldexp((double)fraction, least - digits);
    return ldexp((double)fraction + ldexp(1, digits), least - digits + (int)exponent - 1);
}

/* The float nearest to where rounding changes from a pattern to the next: exact in both formats. */
static float middle(nrm_dtype t, unsigned pattern)
{
    return (float)((naive_value(t, pattern) + naive_value(t, pattern + 1)) / 2);
}

/* A float and what it must become. */
typedef struct rounding {
    float value;
    uint16_t want;
} rounding;

static rounding rounded(float value, unsigned want, unsigned negative)
{
    rounding r;
    r.value = negative ? -value : value;
    r.want = (uint16_t)(want | negative << 15);
    return r;
}

/* For each finite pattern of either sign the value, its float neighbours, the middle to the next
   pattern and the floats to both sides of that. Ordered by magnitude. */
static size_t all_roundings(nrm_dtype t, rounding *list)
{
    unsigned p, negative;
    size_t count = 0;
    for (p = 0; p < half_inf(t); ++p)
        for (negative = 0; negative < 2; ++negative) {
            float exact = (float)naive_value(t, p), tie = middle(t, p);
            list[count++] = rounded(exact, p, negative);
            list[count++] = rounded(gen_from_bits(bits_f32(exact) + 1), p, negative);
            if (p) list[count++] = rounded(gen_from_bits(bits_f32(exact) - 1), p, negative);
            list[count++] = rounded(gen_from_bits(bits_f32(tie) - 1), p, negative);
            list[count++] = rounded(tie, p + (p & 1), negative);
            list[count++] = rounded(gen_from_bits(bits_f32(tie) + 1), p + 1, negative);
        }
    return count;
}

#define ROUNDINGS (6 * PATTERNS)

/* ---- 2 The public functions ----------------------------------------------------------------- */

static void test_widening(nrm_dtype t)
{
    unsigned p;
    group("%s: all 65,536 patterns widened", type_name[t]);
    for (p = 0; p < PATTERNS; ++p) {
        float got = widen(t, (uint16_t)p);
        unsigned magnitude = p & 0x7fff;
        check(bits_f32(got) >> 31 == p >> 15, "sign of %#x", p);
        if (magnitude > half_inf(t))
            check(is_nan_f32(got), "NaN %#x is %g", p, (double)got);
        else if (magnitude == half_inf(t))
            check((bits_f32(got) & 0x7fffffffu) == 0x7f800000u, "Inf is %g", (double)got);
        else
            check((double)(p >> 15 ? -got : got) - naive_value(t, magnitude) == 0, "%#x is %g", p,
                  (double)got);
        check(same_half(t, narrow(t, got), (uint16_t)p), "%#x comes back as %#x", p,
              (unsigned)narrow(t, got));
        check(same_f64(f64_from_half(t, (uint16_t)p), (double)got), "the tests' own: %#x", p);
    }
    group_end();
}

static void test_narrowing(nrm_dtype t)
{
    rounding *list = (rounding *)test_alloc(ROUNDINGS, sizeof *list);
    size_t count = all_roundings(t, list), i;
    group("%s: every boundary of rounding, and a float to each side", type_name[t]);
    for (i = 0; i < count; ++i) {
        check(narrow(t, list[i].value) == list[i].want, "%.9g becomes %#x, not %#x",
              (double)list[i].value, (unsigned)narrow(t, list[i].value), (unsigned)list[i].want);
        check(half_from_f64(t, (double)list[i].value) == list[i].want, "the tests' own: %.9g",
              (double)list[i].value);
    }
    group_end();
    free(list);
}

/* NaNs whose only bits are those that narrowing drops must not become Inf. */
static void test_specials(nrm_dtype t)
{
    const float top[] = {3.4028234664e38f, 1e38f, 65536.0f, 3.3895314e38f, HUGE_VALF};
    uint32_t bit, sign;
    size_t i;
    group("%s: NaN, Inf and what lies beyond", type_name[t]);
    for (bit = 0; bit < 23; ++bit)
        for (sign = 0; sign < 2; ++sign) {
            uint16_t got = narrow(t, gen_from_bits(sign << 31 | 0x7f800000u | 1u << bit));
            check(half_nan(t, got), "NaN with bit %u is %#x", (unsigned)bit, (unsigned)got);
        }
    check(half_nan(t, narrow(t, gen_from_bits(0x7fffffffu))), "NaN of ones");
    check(narrow(t, HUGE_VALF) == half_inf(t), "Inf");
    check(narrow(t, -HUGE_VALF) == (half_inf(t) | 0x8000), "-Inf");
    for (i = 0; i < COUNT(top); ++i)
        if ((double)top[i] >= (double)middle(t, half_inf(t) - 1u))
            check(narrow(t, top[i]) == half_inf(t), "%g is not Inf", (double)top[i]);
    check(narrow(t, gen_from_bits(1)) == 0 && narrow(t, gen_from_bits(0x80000001u)) == 0x8000,
          "the smallest floats keep their sign");
    group_end();
}

static void test_random(nrm_dtype t)
{
    gen g = gen_seed(12);
    int i;
    group("%s: random floats against the tests' own narrowing", type_name[t]);
    for (i = 0; i < 1000000; ++i) {
        uint32_t u = (uint32_t)(gen_u64(&g) >> 32);
        if (i & 1) u = (u & 0x807fffffu) | (127u - 28u + u % 45u) << 23; /* the range of f16 */
        check(same_half(t, narrow(t, gen_from_bits(u)), half_from_f64(t, (double)gen_from_bits(u))),
              "%#x becomes %#x", (unsigned)u, (unsigned)narrow(t, gen_from_bits(u)));
    }
    group_end();
}

/* ---- 3 Loads and stores --------------------------------------------------------------------- */

/* A call of batch norm with running mean 0, variance 1 and eps 0. */
typedef struct identity {
    nrm_desc d;
    nrm_args a;
    float *mean, *var;
} identity;

static identity identity_new(nrm_dtype t, nrm_layout layout, size_t n, size_t c, size_t s)
{
    identity id;
    size_t j;
    memset(&id, 0, sizeof id);
    id.d.n = n, id.d.c = c, id.d.s = s;
    id.d.kind = NRM_BATCH, id.d.layout = layout, id.d.dtype = t;
    id.d.act_slope = 0.3, id.d.act_low = -1, id.d.act_high = 6;
    id.mean = (float *)test_alloc(c, sizeof *id.mean);
    id.var = (float *)test_alloc(c, sizeof *id.var);
    for (j = 0; j < c; ++j) id.var[j] = 1;
    id.a.running_mean = id.mean, id.a.running_var = id.var;
    return id;
}

static void identity_free(identity *id)
{
    free(id->mean);
    free(id->var);
}

/* Runs the call on `count` values and holds what it stores against `want`. */
static void expect_stored(identity *id, nrm_isa isa, const uint16_t *want, size_t count,
                          const char *what)
{
    uint16_t *room = (uint16_t *)test_alloc(count + 64, sizeof *room), *got = room + count % 31;
    size_t i;
    gen_canary(room, (count + 64) * sizeof *room);
    id->a.isa = isa;
    if (id->a.dy)
        id->a.dx = got;
    else
        id->a.y = got;
    check((id->a.dy ? nrm_infer_backward(&id->d, &id->a) : nrm_infer(&id->d, &id->a)) == NRM_OK,
          "%s, %s: status", what, nrm_isa_name(isa));
    i = type_diff(id->d.dtype, got, want, count);
    check(i == count, "%s, %s %s %zux%zux%zu: [%zu] is %#x, not %#x", what, nrm_isa_name(isa),
          id->d.layout ? "NHWC" : "NCHW", id->d.n, id->d.c, id->d.s, i,
          (unsigned)got[i < count ? i : 0], (unsigned)want[i < count ? i : 0]);
    check(gen_intact(got + count, 33 * sizeof *got) &&
              gen_intact(room, count % 31 * sizeof *got), "%s, %s: wrote around", what,
          nrm_isa_name(isa));
    free(room);
}

/* What the call stores by the formula, from one value: x + 0 turns -0 into 0, NaN stays NaN. In
   inference an infinity concerns its own element alone, and float says what becomes of it. */
static uint16_t passed(nrm_dtype t, uint16_t v, nrm_act act)
{
    identity id = identity_new(NRM_F32, NRM_NCHW, 1, 1, 1);
    float x = widen(t, v), y = 0;
    id.d.act = act, id.a.isa = NRM_SCALAR, id.a.x = &x, id.a.y = &y;
    nrm_infer(&id.d, &id.a);
    identity_free(&id);
    return narrow(t, y);
}

static void expect_passed(nrm_dtype t, nrm_isa isa, const uint16_t *x, const uint16_t *want,
                          nrm_act act, size_t n, size_t c, size_t s)
{
    int layout;
    for (layout = 0; layout < 2; ++layout) {
        identity id = identity_new(t, (nrm_layout)layout, n, c, s);
        id.d.act = act, id.a.x = x;
        expect_stored(&id, isa, want, n * c * s, act_name[act]);
        identity_free(&id);
    }
}

/* All patterns through nrm_infer; then from each place on as many as leave every tail. */
static void test_identity(nrm_dtype t, nrm_isa isa)
{
    uint16_t *x = (uint16_t *)test_alloc(PATTERNS, sizeof *x);
    uint16_t *want = (uint16_t *)test_alloc(PATTERNS, sizeof *want);
    size_t i, length, at;
    int act;
    group("%s, %s: all patterns through nrm_infer", type_name[t], nrm_isa_name(isa));
    for (act = 0; act < ACTS; ++act) {
        for (i = 0; i < PATTERNS; ++i) {
            x[i] = (uint16_t)i, want[i] = passed(t, (uint16_t)i, (nrm_act)act);
            if (act == NRM_IDENTITY && (i & 0x7fff) != 0 && (i & 0x7fff) < half_inf(t))
                check(want[i] == i, "%#zx comes out as %#x", i, (unsigned)want[i]);
        }
        expect_passed(t, isa, x, want, (nrm_act)act, 1, 1, PATTERNS);
        expect_passed(t, isa, x, want, (nrm_act)act, 1, PATTERNS, 1);
        expect_passed(t, isa, x, want, (nrm_act)act, 4, 128, 128);
        expect_passed(t, isa, x, want, (nrm_act)act, 8192, 8, 1);
        if (act > NRM_RELU && act < NRM_SILU) continue;
        for (length = 1, at = 0; at + length <= PATTERNS; at += length, length = length % 131 + 1) {
            expect_passed(t, isa, x + at, want + at, (nrm_act)act, 1, 1, length);
            expect_passed(t, isa, x + at, want + at, (nrm_act)act, 1, length, 1);
        }
    }
    group_end();
    free(x);
    free(want);
}

/* NaNs of which rounding by integers makes a zero, or leaves an infinity. */
static void test_nan_stores(nrm_dtype t, nrm_isa isa, const uint16_t *zeros)
{
    static const uint32_t bits[] = {0x7fffffffu, 0xffffffffu, 0x7fc00001u, 0x7fbfffffu,
                                    0xff800001u};
    uint16_t want[40];
    float beta[40];
    identity id = identity_new(t, NRM_NHWC, 1, COUNT(beta), 1);
    size_t i;
    for (i = 0; i < COUNT(beta); ++i)
        beta[i] = gen_from_bits(bits[i % COUNT(bits)]), want[i] = 0x7fff;
    id.a.x = zeros, id.a.beta = beta;
    expect_stored(&id, isa, want, COUNT(beta), "NaN");
    identity_free(&id);
}

/* A zero times anything plus beta is beta: every float can be stored so. Parts of the list, since
   one large beta may send its neighbours another way. */
static void test_stores(nrm_dtype t, nrm_isa isa)
{
    rounding *list = (rounding *)test_alloc(ROUNDINGS, sizeof *list);
    size_t count = all_roundings(t, list), at, part, i;
    uint16_t *zeros = (uint16_t *)test_alloc(2048, sizeof *zeros), want[2048];
    float beta[2048];
    int layout;
    group("%s, %s: every boundary of rounding stored", type_name[t], nrm_isa_name(isa));
    for (at = 0; at < count; at += part) {
        part = 1 + at / 7 % 2048;
        if (part > count - at) part = count - at;
        for (i = 0; i < part; ++i) beta[i] = list[at + i].value;
        for (i = 0; i < part; ++i) /* 0 + -0 is 0, but a tiny negative beta gives -0 */
            want[i] = bits_f32(beta[i]) << 1 ? list[at + i].want : 0;
        for (layout = 0; layout < 2; ++layout) {
            identity id = identity_new(t, (nrm_layout)layout, 1, part, 1);
            id.a.x = zeros, id.a.beta = beta;
            expect_stored(&id, isa, want, part, "beta");
            identity_free(&id);
        }
    }
    test_nan_stores(t, isa, zeros);
    group_end();
    free(list);
    free(zeros);
}

/* x * gamma + beta, which the formula gives in float: 1 + 2^-8 and 1 + 2^-11 make ties, halving
   makes them among denormals, the large ones overflow, the last leaves float's range of comfort. */
static void test_products(nrm_dtype t, nrm_isa isa)
{
    static const float gamma[] = {1.00390625f, 1.00048828125f, 0.5f, 1.5f, 2, 0.1f, -3, 1e-3f,
                                  0x1p60f};
    static const float beta[] = {0, 0.00390625f, -1, 1e-5f, 3e38f};
    uint16_t *x = (uint16_t *)test_alloc(PATTERNS, sizeof *x);
    uint16_t *want = (uint16_t *)test_alloc(PATTERNS, sizeof *want);
    float *wide = (float *)test_alloc(PATTERNS, sizeof *wide);
    float *y = (float *)test_alloc(PATTERNS, sizeof *y);
    size_t i, turn;
    group("%s, %s: products and sums as float, rounded once", type_name[t], nrm_isa_name(isa));
    for (i = 0; i < PATTERNS; ++i) x[i] = (uint16_t)(i * 40503), wide[i] = widen(t, x[i]);
    for (turn = 0; turn < COUNT(gamma) * COUNT(beta) * 2; ++turn) {
        identity id = identity_new(NRM_F32, (nrm_layout)(turn & 1), 1, 1, PATTERNS - turn);
        id.d.act = turn % 3 ? NRM_IDENTITY : NRM_RELU;
        id.a.gamma = &gamma[turn / 2 % COUNT(gamma)];
        id.a.beta = &beta[turn / 2 / COUNT(gamma)];
        id.a.isa = NRM_SCALAR, id.a.x = wide, id.a.y = y;
        check(nrm_infer(&id.d, &id.a) == NRM_OK, "status in float");
        for (i = 0; i < PATTERNS - turn; ++i) want[i] = narrow(t, y[i]);
        id.d.dtype = t, id.a.x = x;
        expect_stored(&id, isa, want, PATTERNS - turn, "product");
        identity_free(&id);
    }
    group_end();
    free(x);
    free(want);
    free(wide);
    free(y);
}

/* z = x + residual is stored in sum and is what y is made of; dx = dy + dsum. */
static void test_sums(nrm_dtype t, nrm_isa isa)
{
    uint16_t *x = (uint16_t *)test_alloc(PATTERNS, sizeof *x);
    uint16_t *other = (uint16_t *)test_alloc(PATTERNS, sizeof *other);
    uint16_t *want = (uint16_t *)test_alloc(PATTERNS, sizeof *want);
    uint16_t *sum = (uint16_t *)test_alloc(PATTERNS, sizeof *sum);
    size_t i, turn, count;
    group("%s, %s: sums, rounded once", type_name[t], nrm_isa_name(isa));
    for (turn = 0; turn < 12; ++turn) {
        gen g = gen_seed(turn);
        identity id = identity_new(t, (nrm_layout)(turn & 1), 2, 3, (PATTERNS - turn * 100) / 6);
        count = id.d.n * id.d.c * id.d.s;
        for (i = 0; i < count; ++i) { /* of like size in half of the cases, so that digits meet */
            x[i] = (uint16_t)i, other[i] = (uint16_t)gen_u64(&g);
            if (turn & 2) other[i] = (uint16_t)(i + gen_below(&g, 2048) - 1024);
            want[i] = narrow(t, widen(t, x[i]) + widen(t, other[i]));
        }
        id.a.dy = x, id.a.x = x, id.a.dsum = other;
        expect_stored(&id, isa, want, count, "dsum");
        id.a.dy = NULL, id.a.dx = NULL, id.a.dsum = NULL, id.a.residual = other, id.a.sum = sum;
        id.a.y = want; /* overwritten: is tested above */
        check(nrm_infer(&id.d, &id.a) == NRM_OK, "status");
        for (i = 0; i < count; ++i) {
            uint16_t z = narrow(t, widen(t, x[i]) + widen(t, other[i]));
            if (!same_half(t, sum[i], z)) break;
            if (!same_half(t, want[i], z) && (z & 0x7fff) && (z & 0x7fff) < half_inf(t)) break;
        }
        check(i == count, "%#x + %#x: sum %#x, y %#x", (unsigned)x[i % count],
              (unsigned)other[i % count], (unsigned)sum[i % count], (unsigned)want[i % count]);
        identity_free(&id);
    }
    group_end();
    free(x);
    free(other);
    free(want);
    free(sum);
}

/* More than the caches hold may be stored in another way. */
static void test_large(nrm_dtype t, nrm_isa isa)
{
    const size_t length = 4000003, count = 4 * length;
    identity id = identity_new(t, NRM_NCHW, 1, 4, length);
    uint16_t *x = (uint16_t *)test_alloc(count, sizeof *x);
    uint16_t *want = (uint16_t *)test_alloc(PATTERNS, sizeof *want);
    uint16_t *all = (uint16_t *)test_alloc(count, sizeof *all);
    size_t i;
    group("%s, %s: 16 million values", type_name[t], nrm_isa_name(isa));
    for (i = 0; i < PATTERNS; ++i) want[i] = passed(t, (uint16_t)i, NRM_IDENTITY);
    for (i = 0; i < count; ++i) x[i] = (uint16_t)i, all[i] = want[x[i]];
    id.a.x = x;
    expect_stored(&id, isa, all, count, "large");
    id.d.layout = NRM_NHWC;
    expect_stored(&id, isa, all, count, "large");
    group_end();
    identity_free(&id);
    free(x);
    free(want);
    free(all);
}

int main(void)
{
    size_t i, k;
    for (i = 0; i < COUNT(halves); ++i) {
        test_widening(halves[i]);
        test_narrowing(halves[i]);
        test_specials(halves[i]);
        test_random(halves[i]);
        for (k = 0; k < ISAS; ++k) {
            if (!nrm_has_isa(all_isa[k])) continue;
            test_identity(halves[i], all_isa[k]);
            test_stores(halves[i], all_isa[k]);
            test_products(halves[i], all_isa[k]);
            test_sums(halves[i], all_isa[k]);
            test_large(halves[i], all_isa[k]);
        }
    }
    return done_testing();
}
