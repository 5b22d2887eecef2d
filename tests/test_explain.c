/* test_explain.c - nrm_explain: every sentence, by the word; the status of the call that it speaks
 * of, over random calls that are right or wrong; text that is cut at every size. tools/lint.pl
 * compares the sentences quoted here with those of normalize.h.
 */
#include "../normalize.h"

#include <float.h>
#include <math.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#define ROOM 512 /* no sentence is longer */

static nrm_desc d;
static nrm_args a;
static float field[1 << 14]; /* all buffers, 1 KiB each */
static double array[64];

static float *place(int slot)
{
    return field + 256 * slot;
}

/* Without what only some calls take. */
static void plain_tensors(void)
{
    a.dresidual = NULL, a.lengths = NULL, a.q8 = NULL, a.q8_scale = NULL;
}

/* NRM_BATCH, 2 x 4 x 5, with all that any call can need. */
static void begin(void)
{
    unsigned char *at[SLOTS];
    int slot;
    for (slot = 0; slot < SLOTS; ++slot) at[slot] = (unsigned char *)place(slot);
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.n = 2, d.c = 4, d.s = 5, d.eps = 1e-5;
    slots_into(&a, at);
    plain_tensors();
}

static nrm_status call(enum verb verb)
{
    return verb_call(verb, &d, &a, array, array);
}

/* The sentence and status of a call, which begins anew after it. */
static void says(enum verb verb, nrm_status status, const char *want)
{
    char text[ROOM];
    const nrm_status got = nrm_explain((nrm_verb)verb, &d, &a, text, sizeof text);
    check(!strcmp(text, want), "\"%s\" instead of \"%s\"", text, want);
    check(got == status && nrm_explain((nrm_verb)verb, &d, &a, NULL, 0) == status,
          "status %d instead of %d: %s", (int)got, (int)status, want);
    check(call(verb) == status, "the call itself returns %d: %s", (int)call(verb), want);
    begin();
}

/* ---- 1 Every sentence ------------------------------------------------------------------------ */

static void test_desc(void)
{
    group("what a desc says");
    begin();
    says(VERB_FORWARD, NRM_OK, "nrm_forward would return NRM_OK");
    says(VERB_BACKWARD_APPLY, NRM_OK, "nrm_backward_apply would return NRM_OK");
    d.kind = (nrm_kind)5;
    says(VERB_INFER, NRM_ERR_DESC, "kind is 5; NRM_BATCH (0) to NRM_RMS (4) would do");
    d.layout = (nrm_layout)-1;
    says(VERB_REDUCE, NRM_ERR_DESC, "layout is -1; NRM_NCHW (0) or NRM_NHWC (1) would do");
    d.act = (nrm_act)6;
    says(VERB_FORWARD, NRM_ERR_DESC, "act is 6; NRM_IDENTITY (0) to NRM_SILU (5) would do");
    d.dtype = (nrm_dtype)77;
    says(VERB_FORWARD, NRM_ERR_DESC,
         "dtype is 77; NRM_F32 (0) to NRM_F16 (3) would do, if this build has it");
    d.kind = NRM_GROUP, d.groups = 5, d.c = 64;
    says(VERB_FORWARD, NRM_ERR_DESC, "groups is 5, which does not divide c = 64");
    d.act = NRM_LEAKY_RELU, d.act_slope = (double)NAN;
    says(VERB_FORWARD, NRM_ERR_DESC, "act_slope is nan; NRM_LEAKY_RELU needs a finite one");
    d.act = NRM_CLIP, d.act_low = (double)NAN, d.act_high = 6;
    says(VERB_FORWARD, NRM_ERR_DESC, "act_low is nan and act_high is 6; NRM_CLIP takes no NaN");
    d.act = NRM_CLIP, d.act_low = 6;
    says(VERB_FORWARD, NRM_ERR_DESC, "act_low is 6, above act_high, which is 0");
    d.kind = NRM_LAYER;
    says(VERB_REDUCE, NRM_ERR_DESC, "kind is NRM_LAYER; nrm_reduce takes NRM_BATCH alone");
    d.kind = NRM_RMS;
    says(VERB_INFER_BACKWARD, NRM_ERR_DESC,
         "kind is NRM_RMS; nrm_infer_backward takes NRM_BATCH and NRM_INSTANCE alone");
    d.gamma_offset = HUGE_VAL;
    says(VERB_APPLY, NRM_ERR_DESC, "gamma_offset is inf; it must be finite");
    d.eps = -1;
    says(VERB_BACKWARD_REDUCE, NRM_ERR_EPS, "eps is -1; it must be finite and at least 0");
    group_end();
}

/* Sizes of 64 bits, and their limits as this machine has them. */
static void test_sizes(void)
{
    const size_t most = SIZE_MAX;
    char text[ROOM];
    group("sizes and pitches");
    begin();
    d.c = most / 8;
    snprintf(text, sizeof text, "c is %zu, of which nrm_moments exceed size_t", d.c);
    says(VERB_REDUCE, NRM_ERR_SIZE, text);
    d.kind = NRM_GROUP, d.n = most / 4, d.groups = 2;
    snprintf(text, sizeof text,
             "n, c, s, groups are %zu, 4, 5, 2; the bytes of mean exceed size_t", d.n);
    says(VERB_FORWARD, NRM_ERR_SIZE, text);
    d.n = most / 8, d.affine_per_sample = 1;
    snprintf(text, sizeof text, "n * c is %zu * 4; the bytes of gamma exceed size_t", d.n);
    says(VERB_FORWARD, NRM_ERR_SIZE, text);
    d.x_pitch.line = 3;
    says(VERB_FORWARD, NRM_ERR_SIZE, "x_pitch.line is 3, less than the 5 positions of a line");
    d.y_pitch.line = 3, d.layout = NRM_NHWC;
    says(VERB_BACKWARD, NRM_ERR_SIZE, "y_pitch.line is 3, less than the 4 channels of a line");
    d.x_pitch.line = 6, d.x_pitch.sample = 23;
    says(VERB_FORWARD, NRM_ERR_SIZE,
         "x_pitch.sample is 23, less than the 24 elements of a sample");
    d.y_pitch.sample = most / 2;
    snprintf(text, sizeof text,
             "n, c, s are 2, 4, 5, and y_pitch is {%zu, 5}; the bytes of y exceed size_t",
             d.y_pitch.sample);
    says(VERB_FORWARD, NRM_ERR_SIZE, text);
    d.s = most / 2;
    snprintf(text, sizeof text,
             "n, c, s are 2, 4, %zu, and x_pitch is {0, %zu}; the bytes of x exceed size_t", d.s,
             d.s);
    says(VERB_FORWARD, NRM_ERR_SIZE, text);
    group_end();
}

static void test_args(void)
{
    const nrm_pool pool = {NULL, NULL, 4};
    group("what args say");
    begin();
    a.running_rate = 1.5;
    says(VERB_FORWARD, NRM_ERR_RATE, "running_rate is 1.5; it must be in [0, 1]");
    a.gate = NULL;
    says(VERB_BACKWARD, NRM_ERR_NULL, "gate is NULL; dgate, which is given, is its gradient");
    a.dx = a.dgamma = a.dbeta = a.dadd = a.dgate = NULL;
    says(VERB_BACKWARD, NRM_ERR_NULL,
         "dx, dgamma, dbeta, dresidual, dadd and dgate are NULL; nrm_backward needs one of them");
    a.pool = &pool;
    says(VERB_INFER, NRM_ERR_NULL, "pool->run is NULL; it is called where pool->threads is 4");
    a.isa = (nrm_isa)-3;
    says(VERB_FORWARD, NRM_ERR_ISA,
         "isa is -3, which this build or processor does not have; NRM_AUTO (0) would do");
    a.x = NULL;
    says(VERB_FORWARD, NRM_ERR_NULL, "x is NULL; nrm_forward reads it");
    a.running_var = NULL;
    says(VERB_INFER, NRM_ERR_NULL, "running_var is NULL; nrm_infer reads it");
    a.rstd = NULL;
    says(VERB_BACKWARD, NRM_ERR_NULL,
         "rstd is NULL; nrm_backward reads what the forward pass wrote there");
    a.y = NULL;
    says(VERB_APPLY, NRM_ERR_NULL, "y is NULL; nrm_apply writes its output there");
    a.dx = NULL;
    says(VERB_BACKWARD_APPLY, NRM_ERR_NULL,
         "dx is NULL; nrm_backward_apply writes its output there");
    d.n = d.s = 1;
    says(VERB_FORWARD, NRM_ERR_SAMPLES,
         "running_var is given, and one value has no unbiased variance; running_population = 1 "
         "would do");
    group_end();
}

static void test_overlap(void)
{
    group("overlap");
    begin(); /* tensors of 160 bytes, parameters of 16 */
    a.dx = place(SLOT_X) + 24;
    says(VERB_BACKWARD, NRM_ERR_ALIAS,
         "dx overlaps x by 64 bytes; it may be x, dy or dsum itself, of equal pitch, or lie apart");
    a.y = place(SLOT_ADD) - 39;
    says(VERB_FORWARD, NRM_ERR_ALIAS,
         "y overlaps add by 4 bytes; it may be x, residual, add or gate itself, of equal pitch, "
         "or lie apart");
    a.sum = a.y;
    says(VERB_INFER, NRM_ERR_ALIAS,
         "sum overlaps y by 160 bytes; it may be x or residual itself, of equal pitch, "
         "or lie apart");
    a.dadd = place(SLOT_GATE);
    says(VERB_BACKWARD, NRM_ERR_ALIAS,
         "dadd overlaps gate by 160 bytes; it may be add or dy itself, of equal pitch, "
         "or lie apart");
    a.dgate = place(SLOT_DY) + 1;
    says(VERB_BACKWARD, NRM_ERR_ALIAS,
         "dgate overlaps dy by 156 bytes; it may be gate or dy itself, of equal pitch, "
         "or lie apart");
    a.dgamma = place(SLOT_DY) + 5;
    says(VERB_BACKWARD, NRM_ERR_ALIAS, "dgamma overlaps dy by 16 bytes; it must lie apart");
    a.running_mean = place(SLOT_MEAN) + 6;
    says(VERB_FORWARD, NRM_ERR_ALIAS,
         "running_mean overlaps mean by 8 bytes; it must lie apart");
    a.workspace = place(SLOT_BETA) + 3, a.workspace_size = 100;
    says(VERB_FORWARD, NRM_ERR_ALIAS, "workspace overlaps beta by 4 bytes; it must lie apart");
    group_end();
}

/* Tensors as networks have them. */
static void test_tensors(void)
{
    static const size_t lengths[] = {5, 6, 9};
    group("half parameters, a wide residual, lengths, the other layout, int8");
    begin();
    d.param_half = 1;
    says(VERB_INFER, NRM_ERR_DESC,
         "dtype is 0; param_half takes NRM_BF16 (2) and NRM_F16 (3) alone");
    d.wide_residual = 1, d.dtype = NRM_F64;
    says(VERB_BACKWARD, NRM_ERR_DESC,
         "dtype is 1; wide_residual takes NRM_BF16 (2) and NRM_F16 (3) alone");
    a.dresidual = place(SLOT_DRESIDUAL);
    says(VERB_BACKWARD, NRM_ERR_DESC, "dresidual is given; it needs wide_residual: dx is the "
                                      "gradient of residual otherwise");
    a.q8 = (int8_t *)place(SLOT_Q8);
    says(VERB_FORWARD, NRM_ERR_DESC, "kind is NRM_BATCH; q8 takes NRM_LAYER and NRM_RMS alone");
    a.q8_scale = place(SLOT_Q8_SCALE), d.kind = NRM_RMS, d.dtype = NRM_F64;
    says(VERB_FORWARD, NRM_ERR_DESC, "dtype is 1; q8 does not take NRM_F64 (1)");
    a.q8_scale = place(SLOT_Q8_SCALE), d.kind = NRM_LAYER;
    says(VERB_FORWARD, NRM_ERR_NULL,
         "q8 or q8_scale is NULL, the other is given; nrm_forward needs both");
    a.lengths = lengths;
    says(VERB_REDUCE, NRM_ERR_SIZE, "lengths[1] is 6; s = 5 is the most");
    d.transpose_y = 1, d.y_pitch.line = 3;
    says(VERB_FORWARD, NRM_ERR_SIZE, "y_pitch.line is 3, less than the 4 channels of a line");
    d.transpose_y = 1, d.layout = NRM_NHWC, d.y_pitch.sample = 19;
    says(VERB_FORWARD, NRM_ERR_SIZE,
         "y_pitch.sample is 19, less than the 20 elements of a sample");
    d.transpose_y = 1, a.y = (void *)(uintptr_t)a.x;
    says(VERB_FORWARD, NRM_ERR_ALIAS,
         "y overlaps x by 160 bytes; it may be x, residual, add or gate itself, of equal pitch, "
         "or lie apart");
    group_end();
}

/* Overlap of what only some calls take; the lengths are all 0. */
static void test_tensors_overlap(void)
{
    group("... and their overlap");
    begin();
    d.dtype = NRM_BF16, d.wide_residual = 1, a.dresidual = place(SLOT_DSUM) + 2;
    says(VERB_BACKWARD, NRM_ERR_ALIAS,
         "dresidual overlaps dsum by 152 bytes; it may be residual or dsum itself, of equal pitch, "
         "or lie apart");
    d.dtype = NRM_BF16, d.wide_residual = 1, a.sum = (void *)(uintptr_t)a.x;
    says(VERB_FORWARD, NRM_ERR_ALIAS,
         "sum overlaps x by 80 bytes; it may be x or residual itself, of equal pitch, "
         "or lie apart");
    d.kind = NRM_LAYER, a.q8_scale = place(SLOT_Q8_SCALE), a.q8 = (int8_t *)place(SLOT_X);
    says(VERB_FORWARD, NRM_ERR_ALIAS, "q8 overlaps x by 40 bytes; it must lie apart");
    d.kind = NRM_LAYER, a.q8 = (int8_t *)place(SLOT_Q8);
    a.q8_scale = place(SLOT_MEAN) - 1;
    says(VERB_FORWARD, NRM_ERR_ALIAS, "mean overlaps q8_scale by 36 bytes; it must lie apart");
    a.lengths = (const size_t *)(const void *)place(40), a.y = place(40) + 3;
    says(VERB_FORWARD, NRM_ERR_ALIAS,
         "y overlaps lengths by 4 bytes; it may be x, residual, add or gate itself, of equal "
         "pitch, or lie apart");
    group_end();
}

/* A call of nothing. */
static void test_nothing(void)
{
    char text[ROOM];
    group("no desc, no args, no verb");
    begin();
    check(nrm_explain(NRM_INFER, NULL, &a, text, sizeof text) == NRM_ERR_NULL &&
              !strcmp(text, "desc is NULL; nrm_infer needs an nrm_desc"), "%s", text);
    check(nrm_explain(NRM_REDUCE, &d, NULL, text, sizeof text) == NRM_ERR_NULL &&
              !strcmp(text, "args is NULL; nrm_reduce needs an nrm_args"), "%s", text);
    check(nrm_explain((nrm_verb)8, &d, &a, text, sizeof text) == NRM_ERR_DESC &&
              !strcmp(text, "verb is 8; NRM_FORWARD (0) to NRM_BACKWARD_APPLY (7) would do"),
          "%s", text);
    check(nrm_explain((nrm_verb)-1, NULL, NULL, text, sizeof text) == NRM_ERR_DESC &&
              !strcmp(text, "verb is -1; NRM_FORWARD (0) to NRM_BACKWARD_APPLY (7) would do"),
          "%s", text);
    group_end();
}

/* ---- 2 Numbers ------------------------------------------------------------------------------- */

/* Six digits; what %g gives, but for the zero before an exponent of one digit. */
static void test_numbers(void)
{
    static const struct {
        double value;
        const char *text;
    } number[] = {{-1, "-1"}, {-0.1, "-0.1"}, {-100, "-100"}, {-123456, "-123456"},
                  {-1234567, "-1.23457e6"}, {-999999.7, "-1e6"}, {-1e-4, "-0.0001"},
                  {-1e-5, "-1e-5"}, {-0.000123456789, "-0.000123457"}, {-1.5e300, "-1.5e300"},
                  {-2.5e-300, "-2.5e-300"}, {-DBL_MAX, "-1.79769e308"}, {-10.25, "-10.25"},
                  {-5e-324, "-4.94066e-324"}, {-HUGE_VAL, "-inf"}, {HUGE_VAL, "inf"}};
    size_t i;
    gen g = gen_seed(1);
    group("numbers of six digits");
    for (i = 0; i < 20000 + sizeof number / sizeof *number; ++i) {
        char text[ROOM], want[64], word[32], *e;
        begin();
        if (i < sizeof number / sizeof *number) {
            d.eps = number[i].value;
            snprintf(word, sizeof word, "%s", number[i].text);
        } else { /* of six digits: how more are rounded is not promised */
            snprintf(word, sizeof word, "-%de%d", 100000 + (int)gen_below(&g, 900000),
                     (int)gen_below(&g, 600) - 310);
            d.eps = strtod(word, NULL);
            snprintf(word, sizeof word, "%g", d.eps);
            e = strchr(word, 'e');
            if (e && e[2] == '0') memmove(e + 2, e + 3, strlen(e + 2));
            if (e && e[1] == '+') memmove(e + 1, e + 2, strlen(e + 1));
        }
        snprintf(want, sizeof want, "eps is %s; it", word);
        nrm_explain(NRM_FORWARD, &d, &a, text, sizeof text);
        check(!strncmp(text, want, strlen(want)), "%s: %s", want, text);
    }
    group_end();
}

/* ---- 3 Room ---------------------------------------------------------------------------------- */

static void test_room(void)
{
    char all[ROOM], text[ROOM];
    size_t size, length, i;
    int wrong;
    group("text that is cut at every size");
    for (wrong = 0; wrong < 4; ++wrong) {
        begin();
        if (wrong == 1) d.kind = NRM_GROUP, d.groups = 3;
        if (wrong == 2) a.y = (char *)a.y + 1, a.sum = (char *)a.y + 8;
        if (wrong == 3) d.eps = -1.2345e-67;
        nrm_explain(NRM_FORWARD, &d, &a, all, sizeof all);
        length = strlen(all);
        for (size = 0; size < length + 3; ++size) {
            const size_t kept = size == 0 ? 0 : size - 1 < length ? size - 1 : length;
            memset(text, '#', sizeof text);
            nrm_explain(NRM_FORWARD, &d, &a, text + 1, size);
            check(text[0] == '#' && !memcmp(text + 1, all, kept), "%zu bytes of \"%s\"", size, all);
            check(size == 0 || text[1 + kept] == 0, "%zu bytes: no NUL", size);
            for (i = 1 + kept + (size > 0); i < sizeof text; ++i)
                if (text[i] != '#') break;
            check(i == sizeof text, "%zu bytes: byte %zu is written", size, i);
        }
    }
    group_end();
}

/* ---- 4 Random calls -------------------------------------------------------------------------- */

static size_t odd_size(gen *g)
{
    switch (gen_below(g, 4)) {
    case 0: return 0;
    case 1: return SIZE_MAX / (1 + gen_below(g, 9));
    default: return gen_below(g, 12);
    }
}

static double odd_number(gen *g)
{
    const double number[] = {-1, 0, 0.5, 2, HUGE_VAL, -HUGE_VAL, (double)NAN};
    return number[gen_below(g, sizeof number / sizeof *number)];
}

/* Lengths of up to 64 samples, which are all that a call is to read. */
static void disturb_lengths(gen *g)
{
    static size_t lengths[64];
    size_t i;
    for (i = 0; i < 64; ++i) lengths[i] = gen_below(g, d.s + 1) + gen_one_in(g, 100);
    a.lengths = lengths;
}

/* One thing about the call becomes another, right or wrong. */
static void disturb(gen *g)
{
    unsigned char *at[SLOTS];
    int slot;
    switch (gen_below(g, 14)) {
    case 0: d.kind = (nrm_kind)((int)gen_below(g, KINDS + 2) - 1); break;
    case 1: d.layout = (nrm_layout)((int)gen_below(g, LAYOUTS + 2) - 1); break;
    case 2: d.act = (nrm_act)((int)gen_below(g, ACTS + 2) - 1); break;
    case 3: d.dtype = (nrm_dtype)((int)gen_below(g, TYPES + 2) - 1); break;
    case 4: *(gen_one_in(g, 2) ? &d.groups : gen_one_in(g, 2) ? &d.c : &d.n) = odd_size(g); break;
    case 5: (gen_one_in(g, 2) ? &d.x_pitch : &d.y_pitch)->line = odd_size(g); break;
    case 6: (gen_one_in(g, 2) ? &d.x_pitch : &d.y_pitch)->sample = odd_size(g); break;
    case 7: d.eps = odd_number(g), d.gamma_offset = odd_number(g); break;
    case 8: d.act_slope = odd_number(g), d.act_low = odd_number(g), d.act_high = odd_number(g);
        break;
    case 9: a.running_rate = odd_number(g), d.affine_per_sample = gen_one_in(g, 2); break;
    case 10: a.isa = (nrm_isa)((int)gen_below(g, 8) - 1); break;
    case 11:
        if (gen_one_in(g, 2)) d.dtype = gen_one_in(g, 2) ? NRM_BF16 : NRM_F16;
        d.param_half = gen_one_in(g, 2), d.wide_residual = gen_one_in(g, 2);
        d.transpose_y = gen_one_in(g, 2);
        break;
    case 12: disturb_lengths(g); break;
    default:
        for (slot = 0; slot < SLOTS; ++slot) {
            at[slot] = (unsigned char *)place(slot);
            if (gen_one_in(g, 8)) at[slot] = NULL;
            if (gen_one_in(g, 40)) at[slot] = (unsigned char *)(place(slot - (slot > 0)) + 8);
        }
        slots_into(&a, at);
        a.lengths = NULL;
        if (gen_one_in(g, 2)) plain_tensors();
    }
}

/* No call here touches more than its buffers: sizes stay below 1 KiB, or are refused. */
static int too_large(void)
{
    const size_t c = d.c ? d.c : 1, s = d.s ? d.s : 1, size = 8;
    const nrm_pitch *p = &d.x_pitch;
    int i;
    if (d.n > 64 || c > 64 || d.n * c * s * size > 1024) return 1;
    for (i = 0; i < 2; ++i, p = &d.y_pitch)
        if (d.n * (p->sample + (c > s ? c : s) * p->line) > 128) return 1;
    return 0;
}

static void test_random(void)
{
    gen g = gen_seed(7);
    unsigned long met[10] = {0};
    int i, k;
    group("the status of random calls");
    for (i = 0; i < 90000; ++i) {
        const enum verb verb = (enum verb)gen_below(&g, VERBS);
        char text[ROOM] = "";
        nrm_status want, got;
        begin();
        a.running_population = gen_one_in(&g, 2);
        d.n = 1 + gen_below(&g, 2), d.s = 1 + gen_below(&g, 3), d.groups = 1 + gen_below(&g, 4);
        for (k = (int)gen_below(&g, 3); k > 0; --k) disturb(&g);
        for (k = 0; k < 63; ++k) array[k] = k % 3 == 0 ? 7 : 1;
        if (d.n > 64) a.lengths = NULL;
        want = nrm_explain((nrm_verb)verb, &d, &a, text, sizeof text);
        ++met[want];
        check(strlen(text) > 10 && !strchr(text, '%') && !strchr(text, '?'), "\"%s\"", text);
        check((want == NRM_OK) == !!strstr(text, "would return NRM_OK"), "%d: %s", want, text);
        if (want == NRM_OK && too_large()) continue;
        got = call(verb);
        if (got == NRM_ERR_NONFINITE) got = NRM_OK;
        check(got == want, "%s returns %d, not %d: %s", verb_name[verb], (int)got, (int)want, text);
    }
    for (i = 0; i < NRM_ERR_NONFINITE; ++i)
        check(met[i] > 100, "status %d met %lu times", i, met[i]);
    group_end();
}

int main(void)
{
    test_desc();
    test_sizes();
    test_args();
    test_overlap();
    test_tensors();
    test_tensors_overlap();
    test_nothing();
    test_numbers();
    test_room();
    test_random();
    return done_testing();
}
