/* test_acts.c - what networks put around a norm, to the bit: each activation by its formula, add,
 * gate and their gradients by what they are made of, NaN, infinities and zeros of both signs, each
 * output asked for alone; every storage type, instruction set and layout. ReLU's gradient where it
 * leaves float on its way. That statistics and sums come out right under them is for the tests that
 * ask the oracle.
 */
#include "../normalize.h"

#include <math.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/types.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { VALUES = 357, CHANNELS = 7, POSITIONS = VALUES / CHANNELS };

/* ---- one call on a tensor that the norm leaves as it is -------------------------------------- */

/* nrm_infer and its gradient with a mean of 0 and a variance of 1, so that y before the activation
   is x, but 0 where x is -0. */
typedef struct scene {
    nrm_desc d;
    nrm_args a;
    double mean[CHANNELS], var[CHANNELS]; /* floats or doubles */
} scene;

static void scene_of(scene *s, nrm_dtype type, nrm_isa isa, nrm_layout layout, nrm_act act)
{
    size_t j;
    memset(s, 0, sizeof *s);
    s->d.n = 1, s->d.c = CHANNELS, s->d.s = POSITIONS, s->d.kind = NRM_BATCH, s->d.dtype = type;
    s->d.layout = layout, s->d.act = act;
    s->d.act_slope = -0.3, s->d.act_low = -1, s->d.act_high = 2.5;
    for (j = 0; j < CHANNELS; ++j) type_put(type_of_parameters(type), s->var, j, 1);
    s->a.isa = isa, s->a.running_mean = s->mean, s->a.running_var = s->var;
}

/* Room for every type. All are static, and so zeros at first: the memory sanitizer does not see
   what masked stores write. */
typedef double tensor[VALUES];

static void forward(scene *s, const void *x, const void *add, const void *gate, void *y)
{
    s->a.x = x, s->a.add = add, s->a.gate = gate, s->a.y = y;
    check(nrm_infer(&s->d, &s->a) == NRM_OK, "infer: status");
}

static void backward(scene *s, const void *x, const void *add, const void *gate, const void *dy,
                     void *dx, void *dadd, void *dgate)
{
    s->a.x = x, s->a.add = add, s->a.gate = gate, s->a.dy = dy;
    s->a.dx = dx, s->a.dadd = dadd, s->a.dgate = dgate;
    check(nrm_infer_backward(&s->d, &s->a) == NRM_OK, "infer_backward: status");
}

/* Zeros of the other sign are the same where `signs` is 0. */
static void expect(nrm_dtype type, const void *got, const void *want, int signs, const char *what,
                   const scene *s)
{
    size_t i, wrong = 0, first = 0;
    for (i = 0; i < VALUES; ++i) {
        if (type_bits(type, got, i) == type_bits(type, want, i)) continue;
        if (!signs && type_get(type, got, i) == 0 && type_get(type, want, i) == 0) continue;
        if (!wrong++) first = i;
    }
    check(!wrong, "%s, %s, %s, %s, %s: %zu wrong, [%zu] is %a, not %a", what, type_name[type],
          nrm_isa_name(s->a.isa), layout_name[s->d.layout], act_name[s->d.act], wrong, first,
          type_get(type, got, first), type_get(type, want, first));
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Where a formula has a corner, and a unit to each side of it; what exp overflows and underflows
   at; the ends of the types. */
static const double corners[] = {0, -1, 2.5, -3, 3, 1, -1.278464542761074, 0.5, 6, -88.7228,
                                 88.7228, -103.97, -709.78, -745.2, 17.3, 36.7, 1e4, -1e4};

static void fill(gen *g, nrm_dtype type, void *to, int special)
{
    size_t i, k;
    for (i = 0; i < VALUES; ++i) type_put(type, to, i, (i % 3 ? 2 : 9) * gen_normal(g));
    for (i = 0; i < VALUES; i += 17) type_put(type, to, i, (double)gen_value(g, GEN_MIXED));
    for (i = 0; i < COUNT(corners) && special; ++i)
        for (k = 0; k < 3; ++k)
            type_put(type, to, 3 * i + k,
                     corners[i] * (1 + ((double)k - 1) * (type == NRM_F64 ? 0x1p-52 : 0x1p-23)));
    if (!special) return;
    for (i = 0; i < 3; ++i) {
        type_put(type, to, 60 + i, (double)NAN), type_put(type, to, 70 + i, (double)INFINITY);
        type_put(type, to, 80 + i, -(double)INFINITY), type_put(type, to, 90 + i, -0.0);
        type_put(type, to, 100 + i, type == NRM_F64 ? 1.7e308 : 3e38);
        type_put(type, to, 110 + i, type == NRM_F64 ? -4e-320 : -3e-44);
    }
}

/* Of one sign and never 0, so that a product has the sign of what it is multiplied with. */
static void fill_ordinary(gen *g, nrm_dtype type, void *to)
{
    size_t i;
    for (i = 0; i < VALUES; ++i) type_put(type, to, i, 0.25 + gen_uniform(g));
}

/* ---- arithmetic: float, of doubles double ---------------------------------------------------- */

static int wide_arithmetic; /* 1: of doubles */

/* The sum, product or quotient of two floats, rounded to double, is rounded to float as if at
   once. */
static double rounded(double v)
{
    volatile float single = (float)v;
    return wide_arithmetic ? v : (double)single;
}

static double act_by_formula(const scene *s, double v)
{
    const double slope = rounded(s->d.act_slope), low = rounded(s->d.act_low);
    const double high = rounded(s->d.act_high), w = v < -3 ? -3 : v;
    const double six = rounded(w + 3) > 6 ? 6 : rounded(w + 3);
    switch (s->d.act) {
    case NRM_RELU: return v > 0 || is_nan_f64(v) ? v : 0;
    case NRM_LEAKY_RELU: return v < 0 ? rounded(v * slope) : v;
    case NRM_CLIP: return v < low ? low : v > high ? high : v;
    case NRM_HARD_SWISH: return is_nan_f64(v) ? v : rounded(w * rounded(six / 6));
    default: return v;
    }
}

static double slope_by_formula(const scene *s, double v)
{
    switch (s->d.act) {
    case NRM_RELU: return v > 0;
    case NRM_LEAKY_RELU: return v > 0 ? 1 : rounded(s->d.act_slope);
    case NRM_CLIP: return v > rounded(s->d.act_low) && v < rounded(s->d.act_high);
    case NRM_HARD_SWISH: return v <= -3 ? 0 : v < 3 ? rounded(rounded(v / 3) + 0.5) : 1;
    default: return 1;
    }
}

/* ---- 1 activations by their formulas --------------------------------------------------------- */

/* dadd with a dy of 1 is the slope. NaN has no side: its slope is left out. */
static void test_formulas(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    static tensor x, y, one, dadd, want, slope;
    gen g = gen_seed(5);
    size_t i;
    int act;
    fill(&g, type, x, 1);
    for (act = 0; act < NRM_SILU; ++act) {
        scene s;
        scene_of(&s, type, isa, layout, (nrm_act)act);
        for (i = 0; i < VALUES; ++i) {
            const double v = type_get(type, x, i) + 0.0;
            type_put(type, one, i, 1);
            type_put(type, want, i, act_by_formula(&s, v));
            type_put(type, slope, i, slope_by_formula(&s, v));
        }
        forward(&s, x, NULL, NULL, y);
        expect(type, y, want, 1, "y", &s);
        backward(&s, x, NULL, NULL, one, NULL, dadd, NULL);
        for (i = 0; i < VALUES; ++i)
            if (is_nan_f64(type_get(type, x, i))) type_put(type, dadd, i, type_get(type, slope, i));
        expect(type, dadd, slope, 0, "slope", &s);
    }
}

/* What no rounding decides, and the limits: everything else of SiLU is for exhaustive.c. */
static void test_silu_ends(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    const double inf = (double)INFINITY, large = type == NRM_F16 ? 6e4 : 3e38;
    const double given[] = {0, inf, -inf, (double)NAN, large, -large, 1e3, -1e3, 0x1p-140};
    const double y_of[] = {0, inf, -0.0, (double)NAN, large, -0.0, 1e3, -0.0, 0x1p-141};
    const double slope_of[] = {0.5, 1, 0, (double)NAN, 1, 0, 1, 0, 0.5};
    static tensor x, y, one, dadd, want, slope;
    scene s;
    size_t i;
    scene_of(&s, type, isa, layout, NRM_SILU);
    for (i = 0; i < VALUES; ++i) {
        const size_t k = i % COUNT(given);
        type_put(type, x, i, given[k]), type_put(type, one, i, 1);
        type_put(type, want, i, y_of[k]), type_put(type, slope, i, slope_of[k]);
    }
    forward(&s, x, NULL, NULL, y);
    expect(type, y, want, 1, "silu's ends", &s);
    backward(&s, x, NULL, NULL, one, NULL, dadd, NULL);
    expect(type, dadd, slope, 0, "the slope of silu's ends", &s);
}

/* ---- 2 add and gate are what they are made of ------------------------------------------------ */

/* Of float and double, whose y is rounded as the arithmetic is: y = act(x + add) * silu(gate), and
   the gradients dy * (silu(gate) * slope) and dy * (act(v) * slope of silu). silu and its slope are
   the library's own. */
static void test_made_of(nrm_dtype type, nrm_isa isa, nrm_layout layout, nrm_act act)
{
    static tensor x, add, gate, dy, v, a, slope, silu, silu_slope, one, y, dx, dadd, dgate, want;
    static tensor want_add, want_gate;
    gen g = gen_seed(6);
    scene s, identity, other;
    size_t i;
    scene_of(&s, type, isa, layout, act);
    scene_of(&identity, type, isa, layout, NRM_IDENTITY);
    scene_of(&other, type, isa, layout, NRM_SILU);
    fill(&g, type, x, 0), fill(&g, type, add, 0), fill(&g, type, gate, 0);
    fill(&g, type, dy, 0);
    for (i = 0; i < VALUES; ++i) type_put(type, one, i, 1);
    for (i = 0; i < VALUES; ++i)
        type_put(type, v, i, rounded(type_get(type, x, i) + type_get(type, add, i)));
    forward(&identity, x, add, NULL, y);
    expect(type, y, v, 1, "x + add", &identity);
    forward(&s, v, NULL, NULL, a);
    backward(&s, v, NULL, NULL, one, NULL, slope, NULL);
    forward(&other, gate, NULL, NULL, silu);
    backward(&other, gate, NULL, NULL, one, NULL, silu_slope, NULL);
    for (i = 0; i < VALUES; ++i) {
        const double dy_i = type_get(type, dy, i), a_i = type_get(type, a, i);
        type_put(type, want, i, a_i * type_get(type, silu, i));
        type_put(type, want_add, i, dy_i * rounded(type_get(type, silu, i) *
                                                   type_get(type, slope, i)));
        type_put(type, want_gate, i, dy_i * rounded(a_i * type_get(type, silu_slope, i)));
    }
    forward(&s, x, add, gate, y);
    expect(type, y, want, 1, "y of add and gate", &s);
    backward(&s, x, add, gate, dy, dx, dadd, dgate);
    expect(type, dadd, want_add, 0, "dadd", &s);
    expect(type, dgate, want_gate, 0, "dgate", &s);
    expect(type, dx, want_add, 0, "dx", &s); /* rstd and gamma are 1 */
}

/* Each output alone is what it is beside the others. */
static void test_alone(nrm_dtype type, nrm_isa isa, nrm_layout layout, nrm_act act)
{
    static tensor x, add, gate, dy, dx, dadd, dgate, alone;
    gen g = gen_seed(7);
    scene s;
    scene_of(&s, type, isa, layout, act);
    fill(&g, type, x, 0), fill(&g, type, add, 0), fill(&g, type, gate, 0), fill(&g, type, dy, 0);
    backward(&s, x, add, gate, dy, dx, dadd, dgate);
    backward(&s, x, add, gate, dy, NULL, alone, NULL);
    expect(type, alone, dadd, 1, "dadd alone", &s);
    backward(&s, x, add, gate, dy, NULL, NULL, alone);
    expect(type, alone, dgate, 1, "dgate alone", &s);
    backward(&s, x, add, gate, dy, alone, NULL, NULL);
    expect(type, alone, dx, 1, "dx alone", &s);
    memcpy(alone, dy, sizeof alone);
    backward(&s, x, add, gate, alone, NULL, alone, NULL);
    expect(type, alone, dadd, 1, "dadd over dy", &s);
    memcpy(alone, dy, sizeof alone);
    backward(&s, x, add, gate, alone, NULL, dadd, alone);
    expect(type, alone, dgate, 1, "dgate over dy", &s);
}

/* Without activation and gate dadd is dy, to the bit; add is not read. */
static void test_dadd_is_dy(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    static tensor x, dy, dadd;
    gen g = gen_seed(8);
    scene s;
    scene_of(&s, type, isa, layout, NRM_IDENTITY);
    fill(&g, type, x, 0), fill(&g, type, dy, 1);
    backward(&s, x, NULL, NULL, dy, NULL, dadd, NULL);
    expect(type, dadd, dy, 1, "dadd without add", &s);
    backward(&s, x, x, NULL, dy, NULL, dadd, NULL);
    expect(type, dadd, dy, 1, "dadd of an add that does not count", &s);
}

/* ---- 3 one activation is another ------------------------------------------------------------- */

/* Infinite values are left out where `signs` is 0, as signs of zero are. */
static void expect_same_act(scene *one, scene *other, nrm_dtype type, int signs, const char *what)
{
    static tensor x, dy, y[2], dx[2];
    gen g = gen_seed(9);
    size_t i;
    fill(&g, type, x, signs), fill_ordinary(&g, type, dy);
    for (i = 0; i < VALUES && !signs; i += 17) type_put(type, x, i, -(double)i); /* f16: no Inf */
    forward(one, x, NULL, NULL, y[0]), forward(other, x, NULL, NULL, y[1]);
    expect(type, y[0], y[1], signs, what, one);
    fill(&g, type, x, 0); /* of NaN the slope may differ, and at Inf */
    for (i = 0; i < VALUES; i += 17) type_put(type, x, i, (double)i - 200);
    backward(one, x, NULL, NULL, dy, dx[0], NULL, NULL);
    backward(other, x, NULL, NULL, dy, dx[1], NULL, NULL);
    expect(type, dx[0], dx[1], 0, what, one);
}

static void test_equals(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    scene clip, leaky, relu, identity;
    scene_of(&clip, type, isa, layout, NRM_CLIP), scene_of(&relu, type, isa, layout, NRM_RELU);
    scene_of(&leaky, type, isa, layout, NRM_LEAKY_RELU);
    scene_of(&identity, type, isa, layout, NRM_IDENTITY);
    clip.d.act_low = 0, clip.d.act_high = (double)INFINITY;
    expect_same_act(&clip, &relu, type, 1, "clipped from 0 on, and RELU");
    clip.d.act_low = -(double)INFINITY;
    expect_same_act(&clip, &identity, type, 1, "clipped nowhere, and identity");
    leaky.d.act_slope = 0;
    expect_same_act(&leaky, &relu, type, 0, "LEAKY_RELU of slope 0, and RELU");
    leaky.d.act_slope = 1;
    expect_same_act(&leaky, &identity, type, 1, "LEAKY_RELU of slope 1, and identity");
}

/* ---- 4 NaN and infinities -------------------------------------------------------------------- */

/* In one element of add or gate: that of y alone, and of the frozen gradient, differs. */
static void test_isolated(nrm_dtype type, nrm_isa isa, nrm_layout layout, nrm_act act)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY};
    static tensor x, add, gate, dy, y[2], dadd[2], dgate[2];
    gen g = gen_seed(10);
    size_t k, which, at, i, changed;
    scene s;
    scene_of(&s, type, isa, layout, act);
    fill_ordinary(&g, type, x), fill_ordinary(&g, type, add), fill_ordinary(&g, type, gate);
    fill_ordinary(&g, type, dy);
    forward(&s, x, add, gate, y[0]);
    backward(&s, x, add, gate, dy, NULL, dadd[0], dgate[0]);
    for (k = 0; k < COUNT(odd); ++k)
        for (which = 0; which < 2; ++which) {
            void *in = which ? gate : add;
            const double old = type_get(type, in, at = 31 * k + 200 * which);
            type_put(type, in, at, odd[k]);
            forward(&s, x, add, gate, y[1]);
            backward(&s, x, add, gate, dy, NULL, dadd[1], dgate[1]);
            for (i = changed = 0; i < VALUES; ++i)
                changed += i != at && (type_bits(type, y[0], i) != type_bits(type, y[1], i) ||
                                       type_bits(type, dadd[0], i) != type_bits(type, dadd[1], i) ||
                                       type_bits(type, dgate[0], i) !=
                                           type_bits(type, dgate[1], i));
            check(!changed, "%g in %s changes %zu other values, %s", odd[k], which ? "gate" : "add",
                  changed, act_name[act]);
            check(k || is_nan_f64(type_get(type, y[1], at)), "NaN in %s is lost, %s",
                  which ? "gate" : "add", act_name[act]);
            type_put(type, in, at, old);
        }
    type_put(type, gate, 5, -(double)INFINITY), type_put(type, gate, 6, (double)INFINITY);
    type_put(type, add, 7, (double)INFINITY), type_put(type, add, 8, -(double)INFINITY);
    s.d.act = NRM_IDENTITY;
    forward(&s, x, add, gate, y[1]);
    check(bits_f64(type_get(type, y[1], 5)) == bits_f64(-0.0), "a gate of -Inf gives -0");
    check(type_get(type, y[1], 6) > 1e38 && type_get(type, y[1], 7) > 1e38 &&
              type_get(type, y[1], 8) < -1e38, "a gate of Inf and an add of +-Inf give infinities");
}

/* ---- 5 ReLU's gradient where statistics move ------------------------------------------------- */

/* Of float: dx that overflows on its way, where y passes and where it does not, with add, dsum and
   dadd; as scalar code has it, which takes another way. dadd is the same without dx. */
static void test_far(nrm_isa isa, nrm_layout layout)
{
    static float x[VALUES], add[VALUES], dy[VALUES], dsum[VALUES], dx[2][VALUES], dadd[2][VALUES];
    float gamma[CHANNELS], beta[CHANNELS], sums[2][2 * CHANNELS];
    double mean[CHANNELS], rstd[CHANNELS];
    const size_t next = layout == NRM_NHWC ? CHANNELS : 1; /* of one channel */
    gen g = gen_seed(12);
    scene s;
    size_t i;
    int k;
    fill(&g, NRM_F32, add, 0), fill(&g, NRM_F32, dy, 0), fill(&g, NRM_F32, dsum, 0);
    for (i = 0; i < VALUES; ++i) x[i] = i / next % 2 ? 1000 : -1000;
    for (i = 0; i < CHANNELS; ++i) mean[i] = 0, rstd[i] = 1e-3, gamma[i] = 10, beta[i] = 0;
    for (i = 0; i < 3; ++i) x[i * next] = 0, add[i * next] = i < 2 ? 1 : -1;
    dy[0] = dy[2 * next] = 3e38f, dy[next] = -3e38f;
    scene_of(&s, NRM_F32, isa, layout, NRM_RELU);
    s.a.running_mean = s.a.running_var = NULL, s.a.mean = mean, s.a.rstd = rstd;
    s.a.gamma = gamma, s.a.beta = beta, s.a.x = x, s.a.dy = dy, s.a.add = add, s.a.dsum = dsum;
    for (k = 0; k < 2; ++k) {
        s.a.isa = k ? isa : NRM_SCALAR;
        s.a.dx = dx[k], s.a.dadd = dadd[k], s.a.dgamma = sums[k], s.a.dbeta = sums[k] + CHANNELS;
        check(nrm_backward(&s.d, &s.a) == NRM_OK, "backward: status");
    }
    expect(NRM_F32, dx[1], dx[0], 1, "dx beyond float", &s);
    expect(NRM_F32, dadd[1], dadd[0], 1, "dadd beside it", &s);
    check(!memcmp(sums[0], sums[1], sizeof sums[0]), "dgamma and dbeta beside it");
    check(dx[0][0] > 2e36f && dx[0][next] < -2e36f && fabsf(dx[0][2 * next]) < 1e36f,
          "dx is %g, %g, %g", dx[0][0], dx[0][next], dx[0][2 * next]);
    s.a.dx = NULL, s.a.dsum = NULL, s.a.dadd = dadd[0], memset(dadd[0], 0, sizeof dadd[0]);
    check(nrm_backward(&s.d, &s.a) == NRM_OK, "backward without dx: status");
    expect(NRM_F32, dadd[0], dadd[1], 1, "dadd without dx", &s);
}

/* ---- 6 nothing there, and what reduces ------------------------------------------------------- */

/* No samples: nothing is read and nothing written, wherever the pointers lead. */
static void test_empty(nrm_dtype type)
{
    double room[4];
    nrm_desc d = {0};
    nrm_args a = {0};
    memset(room, 0x55, sizeof room);
    d.c = 3, d.s = 2, d.dtype = type, d.kind = NRM_LAYER, d.act = NRM_SILU;
    a.x = a.dy = a.add = a.gate = room, a.mean = a.rstd = room;
    a.y = room;
    check(nrm_forward(&d, &a) == NRM_OK, "forward of nothing");
    a.y = NULL, a.dadd = room;
    check(nrm_backward(&d, &a) == NRM_OK, "backward of nothing");
    a.dadd = NULL, a.dgate = room + 1;
    check(nrm_backward(&d, &a) == NRM_OK, "backward of nothing, dgate");
    check(bits_f64(room[0]) == UINT64_C(0x5555555555555555) &&
              bits_f64(room[1]) == UINT64_C(0x5555555555555555), "nothing is written");
}

/* nrm_reduce takes no notice of what follows the norm. */
static void test_reduce(nrm_dtype type)
{
    static tensor x, wild;
    nrm_moments m[2][CHANNELS];
    gen g = gen_seed(11);
    scene s;
    fill(&g, type, x, 0), memset(wild, GEN_CANARY, sizeof wild);
    scene_of(&s, type, NRM_AUTO, NRM_NCHW, NRM_IDENTITY);
    s.a.x = x;
    check(nrm_reduce(&s.d, &s.a, m[0]) == NRM_OK, "status");
    s.d.act = NRM_SILU, s.a.add = wild, s.a.gate = wild, s.a.dadd = wild, s.a.dgate = NULL;
    check(nrm_reduce(&s.d, &s.a, m[1]) == NRM_OK, "status with add and gate");
    check(!memcmp(m[0], m[1], sizeof m[0]) && gen_intact(wild, sizeof wild), "other moments");
}

/* ---- all ------------------------------------------------------------------------------------- */

static void test_type(nrm_dtype type, nrm_isa isa)
{
    int layout, act;
    wide_arithmetic = type == NRM_F64;
    group("%s, %s", type_name[type], nrm_isa_name(isa));
    for (layout = 0; layout < LAYOUTS; ++layout) {
        test_formulas(type, isa, (nrm_layout)layout);
        test_silu_ends(type, isa, (nrm_layout)layout);
        test_dadd_is_dy(type, isa, (nrm_layout)layout);
        test_equals(type, isa, (nrm_layout)layout);
        if (type == NRM_F32) test_far(isa, (nrm_layout)layout);
        for (act = 0; act < ACTS; ++act) {
            if (!type_is_half(type)) test_made_of(type, isa, (nrm_layout)layout, (nrm_act)act);
            test_alone(type, isa, (nrm_layout)layout, (nrm_act)act);
            test_isolated(type, isa, (nrm_layout)layout, (nrm_act)act);
        }
    }
    group_end();
}

int main(void)
{
    int type;
    size_t isa;
    for (type = 0; type < TYPES; ++type) {
        if (!type_is_here((nrm_dtype)type)) continue;
        for (isa = 0; isa < ISAS; ++isa)
            if (nrm_has_isa(all_isa[isa])) test_type((nrm_dtype)type, all_isa[isa]);
        group("%s: nothing there, and nrm_reduce", type_name[type]);
        test_empty((nrm_dtype)type);
        test_reduce((nrm_dtype)type);
        group_end();
    }
    return done_testing();
}
