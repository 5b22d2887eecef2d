/* test_errors.c - every status, from every verb that can give it, and that a call which fails has
 * written nothing: all buffers lie in one block, which is compared byte for byte. Also what is
 * allowed though it looks wrong: pointers that a call does not need, interleaved slices, tensors
 * without elements.
 */
#include "../normalize.h"

#include <math.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const status_name[] = {"OK", "NULL", "DESC", "SIZE", "EPS", "RATE", "ALIAS",
                                          "SAMPLES", "ISA", "NONFINITE"};

/* One call about to be made, valid until something is changed. */
typedef struct trial {
    problem *p;
    enum verb verb;
    bed b;
    void *moments, *sums;
} trial;

static trial now; /* one at a time: a bed's memory is shared */

/* 3 x c x s values with every optional pointer given and the activation on, which needs most. */
static problem *problem_of(nrm_dtype type, nrm_kind kind, size_t c, size_t s)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(5);
    p->d.kind = kind, p->d.n = 3, p->d.c = c, p->d.s = s, p->d.groups = 2;
    p->d.act = NRM_RELU, p->d.dtype = type, p->d.eps = 1e-5, p->running_rate = 0.1;
    p->given = GIVEN_NORM | GIVEN_AROUND;
    problem_ordinary(&g, p);
    return p;
}

static problem *fixed_problem(nrm_dtype type, nrm_kind kind, size_t c)
{
    return problem_of(type, kind, c, 5);
}

static problem *fixed[KINDS]; /* of the storage type that is tested */

static void begin_with(problem *p, enum verb verb)
{
    const setup s = plain(NRM_AUTO, p->d.layout);
    now.p = p, now.verb = verb;
    bed_make(&now.b, p, verb, &s);
    now.moments = now.b.data[SLOT_MOMENTS], now.sums = now.b.data[SLOT_SUMS];
}

static void begin(nrm_kind kind, enum verb verb)
{
    begin_with(fixed[kind], verb);
}

static nrm_status call_now(void)
{
    return verb_call(now.verb, &now.b.d, &now.b.a, now.moments, now.sums);
}

/* After something was changed in the inputs by hand, these are the bytes to compare with. */
static void remember(void)
{
    memcpy(bed_store.before, now.b.base, now.b.used);
}

static int untouched(void)
{
    return !memcmp(bed_store.before, now.b.base, now.b.used);
}

static void expect(nrm_status want, const char *what)
{
    nrm_status got = call_now();
    if (got == NRM_ERR_NONFINITE && now.p->given >> SLOT_LENGTHS & 1) got = NRM_OK; /* padding */
    check(got == want, "%s %s %s, %s: %s instead of %s", type_name[now.p->d.dtype],
          kind_name[now.p->d.kind], verb_name[now.verb], what,
          (unsigned)got < COUNT(status_name) ? status_name[got] : "?", status_name[want]);
    if (want != NRM_OK)
        check(untouched(), "%s %s %s, %s: wrote though it failed", type_name[now.p->d.dtype],
              kind_name[now.p->d.kind], verb_name[now.verb], what);
}

static void point(enum slot slot, void *to)
{
    nrm_args *a = &now.b.a;
    switch (slot) {
    case SLOT_X: a->x = to; break;
    case SLOT_RESIDUAL: a->residual = to; break;
    case SLOT_SUM: a->sum = to; break;
    case SLOT_DX: a->dx = to; break;
    case SLOT_DSUM: a->dsum = to; break;
    case SLOT_Y: a->y = to; break;
    case SLOT_DY: a->dy = to; break;
    case SLOT_GAMMA: a->gamma = to; break;
    case SLOT_BETA: a->beta = to; break;
    case SLOT_DGAMMA: a->dgamma = to; break;
    case SLOT_DBETA: a->dbeta = to; break;
    case SLOT_RUNNING_MEAN: a->running_mean = to; break;
    case SLOT_RUNNING_VAR: a->running_var = to; break;
    case SLOT_MEAN: a->mean = (double *)to; break;
    case SLOT_RSTD: a->rstd = (double *)to; break;
    case SLOT_ADD: a->add = to; break;
    case SLOT_DADD: a->dadd = to; break;
    case SLOT_GATE: a->gate = to; break;
    case SLOT_DGATE: a->dgate = to; break;
    case SLOT_DRESIDUAL: a->dresidual = to; break;
    case SLOT_LENGTHS: a->lengths = (const size_t *)to; break;
    case SLOT_Q8: a->q8 = (int8_t *)to; break;
    case SLOT_Q8_SCALE: a->q8_scale = (float *)to; break;
    case SLOT_MOMENTS: now.moments = to; break;
    case SLOT_SUMS: now.sums = to; break;
    default: break;
    }
}

/* Every kind with every verb that fits it. */
typedef void (*each_call)(nrm_kind kind, enum verb verb);

static void for_each_call(each_call visit)
{
    int kind, verb;
    for (kind = 0; kind < KINDS; ++kind)
        for (verb = 0; verb < VERBS; ++verb)
            if (verb_fits((enum verb)verb, (nrm_kind)kind)) visit((nrm_kind)kind, (enum verb)verb);
}

/* ---- the description ------------------------------------------------------------------------- */

static void valid_call(nrm_kind kind, enum verb verb)
{
    begin(kind, verb);
    expect(NRM_OK, "nothing wrong");
    check(!untouched(), "%s %s wrote nothing", kind_name[kind], verb_name[verb]);
}

static void wrong_enumerators(nrm_kind kind, enum verb verb)
{
    size_t i;
    static const int wrong[] = {-1, 6, 1000};
    for (i = 0; i < COUNT(wrong); ++i) {
        begin(kind, verb), now.b.d.kind = (nrm_kind)wrong[i], expect(NRM_ERR_DESC, "kind");
        begin(kind, verb), now.b.d.layout = (nrm_layout)wrong[i], expect(NRM_ERR_DESC, "layout");
        begin(kind, verb), now.b.d.dtype = (nrm_dtype)wrong[i], expect(NRM_ERR_DESC, "dtype");
        begin(kind, verb), now.b.d.act = (nrm_act)wrong[i], expect(NRM_ERR_DESC, "act");
    }
    begin(kind, verb), now.b.d.kind = (nrm_kind)5, expect(NRM_ERR_DESC, "kind 5");
    begin(kind, verb), now.b.d.layout = (nrm_layout)2, expect(NRM_ERR_DESC, "layout 2");
    begin(kind, verb), now.b.d.dtype = (nrm_dtype)4, expect(NRM_ERR_DESC, "dtype 4");
}

static void wrong_groups(nrm_kind kind, enum verb verb)
{
    static const size_t wrong[] = {0, 3, 5, 8, SIZE_MAX};
    size_t i;
    for (i = 0; i < COUNT(wrong); ++i) {
        begin(kind, verb);
        now.b.d.groups = wrong[i];
        expect(kind == NRM_GROUP ? NRM_ERR_DESC : NRM_OK, "groups");
    }
}

static void wrong_eps(nrm_kind kind, enum verb verb)
{
    const double wrong[] = {-1, -1e-300, -HUGE_VAL, HUGE_VAL, (double)NAN};
    size_t i;
    for (i = 0; i < COUNT(wrong); ++i)
        begin(kind, verb), now.b.d.eps = wrong[i], expect(NRM_ERR_EPS, "eps");
    begin(kind, verb), now.b.d.eps = 0, expect(NRM_OK, "eps 0");
}

static void wrong_offset(nrm_kind kind, enum verb verb)
{
    const double wrong[] = {-HUGE_VAL, HUGE_VAL, (double)NAN};
    size_t i;
    for (i = 0; i < COUNT(wrong) && verb != VERB_REDUCE; ++i) {
        begin(kind, verb), now.b.d.gamma_offset = wrong[i], expect(NRM_ERR_DESC, "gamma_offset");
        begin(kind, verb), now.b.d.gamma_offset = wrong[i];
        point(SLOT_GAMMA, NULL), expect(NRM_OK, "gamma_offset without gamma");
    }
}

/* Each is asked for by its own activation alone. */
static void wrong_act_values(nrm_kind kind, enum verb verb)
{
    const double inf = HUGE_VAL, nan = (double)NAN;
    const double slope[] = {inf, -inf, nan};
    const struct {
        double low, high;
        int wrong;
    } limit[] = {{0, -1, 1}, {6, 0, 1}, {1e-300, 0, 1}, {nan, 6, 1}, {0, nan, 1}, {nan, nan, 1},
                 {-nan, 1, 1}, {inf, -inf, 1}, {inf, 0, 1}, {0, -inf, 1}, {0, 0, 0}, {0, 6, 0},
                 {0.0, -0.0, 0}, {-inf, inf, 0}, {0, inf, 0}, {-inf, 0, 0}, {inf, inf, 0}};
    size_t i;
    int act;
    for (act = 0; act < ACTS; ++act) {
        for (i = 0; i < COUNT(slope); ++i) {
            begin(kind, verb), now.b.d.act = (nrm_act)act, now.b.d.act_slope = slope[i];
            expect(act == NRM_LEAKY_RELU ? NRM_ERR_DESC : NRM_OK, "act_slope");
        }
        for (i = 0; i < COUNT(limit); ++i) {
            begin(kind, verb), now.b.d.act = (nrm_act)act;
            now.b.d.act_low = limit[i].low, now.b.d.act_high = limit[i].high;
            expect(act == NRM_CLIP && limit[i].wrong ? NRM_ERR_DESC : NRM_OK, "act_low, act_high");
        }
    }
}

static void wrong_sizes(nrm_kind kind, enum verb verb)
{
    const size_t most = SIZE_MAX / type_size(fixed[kind]->d.dtype); /* elements */
    const size_t size[][3] = {
        {SIZE_MAX, 2, 1}, {2, SIZE_MAX / 2 + 1, 1}, {SIZE_MAX / 2, SIZE_MAX / 2, 4},
        {1, 3, SIZE_MAX / 3 + 1}, {SIZE_MAX / 16, 4, 8}, {most + 1, 1, 1}, {1, most + 1, 1},
        {1, 1, most + 1}, {2, most / 2 + 1, 1}, {1, 1, SIZE_MAX}};
    size_t i;
    for (i = 0; i < COUNT(size); ++i) {
        begin(kind, verb);
        now.b.d.n = size[i][0], now.b.d.c = size[i][1], now.b.d.s = size[i][2];
        now.b.d.groups = 1;
        expect(NRM_ERR_SIZE, "sizes");
    }
    if (kind == NRM_LAYER && verb == VERB_FORWARD) {
        begin(kind, verb); /* the elements may fit, their statistics do not */
        now.b.d.n = SIZE_MAX / 8 + 1, now.b.d.c = now.b.d.s = 1;
        expect(NRM_ERR_SIZE, "bytes of mean");
    }
    if (verb == VERB_REDUCE || verb == VERB_BACKWARD_REDUCE) {
        begin(kind, verb);
        now.b.d.n = now.b.d.s = 1, now.b.d.c = SIZE_MAX / 24 + 1;
        expect(NRM_ERR_SIZE, "bytes of the array");
    }
}

/* c = 4 and s = 5: packed lines are 4 times 5 in NCHW, 5 times 4 in NHWC. */
static void wrong_pitches(nrm_kind kind, enum verb verb)
{
    const size_t most = SIZE_MAX / type_size(fixed[kind]->d.dtype); /* elements */
    const nrm_pitch nchw[] = {{0, 4}, {0, 1}, {19, 0}, {1, 0}, {23, 6}, {0, SIZE_MAX / 2},
                              {SIZE_MAX / 2, 0}, {most / 2, 0}, {SIZE_MAX, 0}, {0, SIZE_MAX},
                              {0, SIZE_MAX / 4 + 1}, {0, most / 11 + 1}};
    const nrm_pitch nhwc[] = {{0, 3}, {0, 1}, {19, 0}, {1, 0}, {24, 5}, {0, SIZE_MAX / 2},
                              {SIZE_MAX / 2, 0}, {most / 2, 0}, {SIZE_MAX, 0}, {0, SIZE_MAX},
                              {0, SIZE_MAX / 4 + 1}, {0, most / 14 + 1}};
    size_t i;
    int which;
    for (i = 0; i < COUNT(nchw); ++i)
        for (which = 0; which < (verb == VERB_REDUCE ? 1 : 2); ++which) {
            begin(kind, verb);
            *(which ? &now.b.d.y_pitch : &now.b.d.x_pitch) = nchw[i];
            expect(NRM_ERR_SIZE, "pitch");
            begin(kind, verb);
            now.b.d.layout = NRM_NHWC;
            *(which ? &now.b.d.y_pitch : &now.b.d.x_pitch) = nhwc[i];
            expect(NRM_ERR_SIZE, "pitch in NHWC");
        }
    begin(kind, verb), now.b.d.x_pitch.line = 5, now.b.d.x_pitch.sample = 20;
    expect(NRM_OK, "the packed pitch spelt out");
}

static void test_unfit_kinds(void)
{
    int kind, verb;
    group("a kind that does not fit the call");
    for (verb = 0; verb < VERBS; ++verb)
        for (kind = 0; kind < KINDS; ++kind) {
            if (verb_fits((enum verb)verb, (nrm_kind)kind)) continue;
            begin(NRM_BATCH, (enum verb)verb);
            now.b.d.kind = (nrm_kind)kind;
            expect(NRM_ERR_DESC, kind_name[kind]);
        }
    group_end();
}

/* ---- pointers -------------------------------------------------------------------------------- */

static void missing_pointers(nrm_kind kind, enum verb verb)
{
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        char role = verb_roles[verb][slot];
        begin(kind, verb);
        if (now.b.role[slot] == '.') continue;
        if (slot == SLOT_GATE && now.b.a.dgate) role = 'I';
        if (can_be_absent(now.p, verb, (enum slot)slot)) role = 'i';
        if (slot == SLOT_Q8 || slot == SLOT_Q8_SCALE) role = 'O';
        point((enum slot)slot, NULL);
        expect(role < 'a' ? NRM_ERR_NULL : NRM_OK, slot_name[slot]);
    }
    if (verb == VERB_BACKWARD || verb == VERB_INFER_BACKWARD) {
        begin(kind, verb);
        point(SLOT_DX, NULL), point(SLOT_DGAMMA, NULL), point(SLOT_DBETA, NULL);
        point(SLOT_DADD, NULL), point(SLOT_DGATE, NULL), point(SLOT_DRESIDUAL, NULL);
        expect(NRM_ERR_NULL, "no output at all");
        point(SLOT_DADD, now.b.data[SLOT_DADD]), expect(NRM_OK, "dadd alone");
        begin(kind, verb);
        point(SLOT_DX, NULL), point(SLOT_DGAMMA, NULL), point(SLOT_DBETA, NULL);
        point(SLOT_DADD, NULL), expect(NRM_OK, "dgate alone");
    }
}

static void missing_structs(nrm_kind kind, enum verb verb)
{
    begin(kind, verb);
    check(verb_call(verb, NULL, &now.b.a, now.moments, now.sums) == NRM_ERR_NULL && untouched(),
          "%s without desc", verb_name[verb]);
    check(verb_call(verb, &now.b.d, NULL, now.moments, now.sums) == NRM_ERR_NULL && untouched(),
          "%s without args", verb_name[verb]);
}

/* A pointer that the call does not need may be anything: here an output, where being looked at for
   overlap, read or written would show. */
static void ignored_pointers(nrm_kind kind, enum verb verb)
{
    unsigned char *clean;
    int slot;
    begin(kind, verb);
    call_now();
    clean = (unsigned char *)test_alloc(now.b.used, 1);
    memcpy(clean, now.b.base, now.b.used);
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        enum slot target = SLOT_X;
        begin(kind, verb);
        if (now.b.role[slot] != '.' || (slot >= SLOT_DRESIDUAL && verb_roles[verb][slot] != '.'))
            continue;
        while (!role_writes(now.b.role[target])) target = (enum slot)(target + 1);
        point((enum slot)slot, now.b.data[target]);
        if (verb != VERB_FORWARD && verb != VERB_APPLY) now.b.a.running_rate = (double)NAN;
        if (kind != NRM_BATCH && kind != NRM_INSTANCE) now.b.a.running_rate = -7;
        expect(NRM_OK, slot_name[slot]);
        check(!memcmp(clean, now.b.base, now.b.used), "%s %s: %s is not needed and changes bits",
              kind_name[kind], verb_name[verb], slot_name[slot]);
    }
    free(clean);
}

/* beta and add are read by backward only for y before the activation, or before a gate. */
static void seldom_read(nrm_kind kind, enum verb verb)
{
    static const enum slot slots[] = {SLOT_BETA, SLOT_ADD, SLOT_GAMMA};
    const enum slot out = verb == VERB_BACKWARD_REDUCE ? SLOT_SUMS : SLOT_DX;
    size_t i;
    int why;
    if (verb_roles[verb][SLOT_DY] == '.') return;
    for (i = 0; i < COUNT(slots) - (verb != VERB_BACKWARD_REDUCE); ++i)
        for (why = 0; why < 3; ++why) {
            begin(kind, verb);
            now.b.d.act = why == 1 ? NRM_SILU : NRM_IDENTITY;
            if (why != 2) point(SLOT_GATE, NULL), point(SLOT_DGATE, NULL);
            point(slots[i], now.b.data[out]);
            expect(why ? NRM_ERR_ALIAS : NRM_OK, slot_name[slots[i]]);
        }
}

static void missing_isa(nrm_kind kind, enum verb verb)
{
    int isa;
    for (isa = -1; isa < 9; ++isa) {
        begin(kind, verb);
        now.b.a.isa = (nrm_isa)isa;
        expect(isa == NRM_AUTO || nrm_has_isa((nrm_isa)isa) ? NRM_OK : NRM_ERR_ISA, "isa");
    }
}

/* ---- overlap --------------------------------------------------------------------------------- */

static int may_be_same(enum slot out, enum slot other)
{
    switch (out) {
    case SLOT_Y:
        return other == SLOT_X || other == SLOT_RESIDUAL || other == SLOT_ADD || other == SLOT_GATE;
    case SLOT_SUM: return other == SLOT_X || other == SLOT_RESIDUAL;
    case SLOT_DX: return other == SLOT_X || other == SLOT_DY || other == SLOT_DSUM;
    case SLOT_DADD: return other == SLOT_DY || other == SLOT_ADD;
    case SLOT_DGATE: return other == SLOT_DY || other == SLOT_GATE;
    case SLOT_DRESIDUAL: return other == SLOT_RESIDUAL || other == SLOT_DSUM;
    default: return 0;
    }
}

/* Puts each output at, into and across each other buffer of the call. */
static void overlaps(nrm_kind kind, enum verb verb)
{
    int out, other, i;
    for (out = SLOT_X; out < SLOTS; ++out)
        for (other = SLOT_X; other < SLOTS; ++other)
            for (i = 0; i < 6; ++i) {
                ptrdiff_t at[6] = {0, 1, 0, 0, 0, 0};
                char text[80];
                begin(kind, verb);
                at[2] = (ptrdiff_t)type_size(now.p->d.dtype), at[3] = -at[2];
                if (out == other || !role_writes(now.b.role[out]) || now.b.role[other] == '.')
                    break;
                at[4] = (ptrdiff_t)slot_bytes(&now.b.d, (enum slot)other) - 1;
                at[5] = 1 - (ptrdiff_t)slot_bytes(&now.b.d, (enum slot)out);
                snprintf(text, sizeof text, "%s at %s %+td", slot_name[out], slot_name[other],
                         at[i]);
                point((enum slot)out, now.b.data[other] + at[i]);
                expect(i == 0 && may_be_same((enum slot)out, (enum slot)other) &&
                               slots_lie_alike(&now.b.d, (enum slot)out, (enum slot)other)
                           ? NRM_OK : NRM_ERR_ALIAS, text);
            }
}

/* Inputs may be each other. */
static void shared_inputs(nrm_kind kind, enum verb verb)
{
    int one, other;
    for (one = SLOT_X; one < SLOTS; ++one)
        for (other = SLOT_X; other < SLOTS; ++other) {
            begin(kind, verb);
            if (one == other || one == SLOT_LENGTHS || !role_reads(now.b.role[one]) ||
                !role_reads(now.b.role[other]) ||
                role_writes(now.b.role[one]) || role_writes(now.b.role[other]) ||
                slot_bytes(&now.b.d, (enum slot)one) > slot_bytes(&now.b.d, (enum slot)other))
                continue;
            point((enum slot)one, now.b.data[other]);
            expect(NRM_OK, slot_name[one]);
        }
}

/* The combinations of more than two. */
static void test_three_way(nrm_dtype type)
{
    int kind;
    group("%s: three buffers at once", type_name[type]);
    for (kind = 0; kind < KINDS; ++kind) {
        begin((nrm_kind)kind, VERB_FORWARD);
        point(SLOT_Y, now.b.data[SLOT_X]), point(SLOT_SUM, now.b.data[SLOT_RESIDUAL]);
        expect(NRM_OK, "y is x, sum is residual");
        begin((nrm_kind)kind, VERB_FORWARD);
        point(SLOT_SUM, now.b.data[SLOT_X]), point(SLOT_Y, now.b.data[SLOT_RESIDUAL]);
        expect(NRM_OK, "sum is x, y is residual");
        begin((nrm_kind)kind, VERB_FORWARD);
        point(SLOT_SUM, now.b.data[SLOT_X]), point(SLOT_Y, now.b.data[SLOT_X]);
        expect(NRM_ERR_ALIAS, "y and sum are x");
        begin((nrm_kind)kind, VERB_FORWARD);
        point(SLOT_RESIDUAL, now.b.data[SLOT_X]), point(SLOT_Y, now.b.data[SLOT_X]);
        expect(NRM_OK, "x, residual and y are one");
        begin((nrm_kind)kind, VERB_BACKWARD);
        point(SLOT_DY, now.b.data[SLOT_X]), point(SLOT_DX, now.b.data[SLOT_X]);
        point(SLOT_DSUM, now.b.data[SLOT_X]);
        expect(NRM_OK, "x, dy, dsum and dx are one");
        begin((nrm_kind)kind, VERB_BACKWARD);
        point(SLOT_DSUM, now.b.data[SLOT_X] + type_size(now.p->d.dtype));
        expect(NRM_OK, "inputs that overlap in part");
        begin((nrm_kind)kind, VERB_BACKWARD);
        point(SLOT_DSUM, now.b.data[SLOT_X] + type_size(now.p->d.dtype));
        point(SLOT_DX, now.b.data[SLOT_X]);
        expect(NRM_ERR_ALIAS, "dx is x and overlaps dsum in part");
    }
    group_end();
}

/* ---- overlap of slices ----------------------------------------------------------------------- */

#define FIELD 8192 /* bytes that hold two slices */

/* Marks the bytes of a tensor; returns 1 if one was marked already. */
static int mark(unsigned char *field, const nrm_desc *d, enum slot slot, size_t at)
{
    nrm_pitch p = full_pitch(d, slot);
    size_t i, line, byte, size = type_size(d->dtype);
    int met = 0;
    for (i = 0; i < d->n; ++i)
        for (line = 0; line < line_count(d); ++line)
            for (byte = 0; byte < size * line_length(d); ++byte)
                met |= field[at + size * (i * p.sample + line * p.line) + byte]++;
    return met != 0;
}

static void draw_pitch(gen *g, const nrm_desc *d, nrm_pitch *pitch)
{
    size_t line = line_length(d) + (gen_one_in(g, 4) ? 0 : gen_below(g, 9));
    size_t sample = line * line_count(d) + (gen_one_in(g, 2) ? 0 : gen_below(g, 20));
    int spelt = gen_one_in(g, 2);
    memset(pitch, 0, sizeof *pitch);
    if (line > line_length(d) || spelt) pitch->line = line;
    if (sample > line * line_count(d) || spelt) pitch->sample = sample;
}

/* Pitches that are equal but for those of one line and of one sample, which lead nowhere. */
static void draw_alike(gen *g, const nrm_desc *d, nrm_pitch *pitch)
{
    const size_t length = line_length(d);
    *pitch = gen_one_in(g, 2) ? full_pitch(d, SLOT_X) : d->x_pitch;
    if (line_count(d) == 1) {
        *pitch = full_pitch(d, SLOT_X);
        pitch->line = length + gen_below(g, pitch->sample - length + 1);
    }
    if (d->n > 1) return;
    pitch->sample = gen_one_in(g, 4) ? 0 : 2 * line_count(d) * (pitch->line ? pitch->line : length);
}

/* Moves the output of a call over its input byte by byte. With equal pitches elements count, with
   different ones the ranges from the first to the last element. */
static void slide(gen *g, nrm_dtype type, int equal, int backward)
{
    static unsigned char field[FIELD], copy[FIELD], other[FIELD];
    double mean[64], rstd[64];
    nrm_desc d;
    nrm_args a;
    size_t at, x = FIELD / 2, xsize, ysize, bad = 0;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    memset(mean, 0, sizeof mean), memset(rstd, 0, sizeof rstd);
    d.kind = (nrm_kind)gen_below(g, KINDS), d.layout = (nrm_layout)gen_below(g, 2);
    d.dtype = type;
    do
        d.n = 1 + gen_below(g, 3), d.c = 1 + gen_below(g, 5), d.s = 1 + gen_below(g, 5);
    while (!equal && line_count(&d) == 1);
    d.groups = 1;
    draw_pitch(g, &d, &d.x_pitch);
    do
        draw_pitch(g, &d, &d.y_pitch);
    while (full_pitch(&d, SLOT_X).line == full_pitch(&d, SLOT_Y).line);
    if (equal) draw_alike(g, &d, &d.y_pitch);
    xsize = slot_bytes(&d, SLOT_X), ysize = slot_bytes(&d, SLOT_Y);
    for (at = x - ysize - 3; at <= x + xsize + 3 && bad < 3; ++at) {
        int meets, want = NRM_OK;
        nrm_status got;
        memset(copy, 0, FIELD), memset(field, 0, FIELD);
        mark(copy, &d, SLOT_X, x);
        meets = mark(copy, &d, SLOT_Y, at);
        if (!equal) meets = at < x + xsize && x < at + ysize;
        if (meets && !(equal && at == x)) want = NRM_ERR_ALIAS;
        a.x = backward ? other : field + x, a.y = field + at;
        /* dy, with the pitch of y, is the input; dx, with that of x, the output that it meets */
        a.dx = field + x, a.dy = field + at, a.mean = mean, a.rstd = rstd;
        if (!backward) a.mean = a.rstd = NULL;
        got = backward ? nrm_backward(&d, &a) : nrm_forward(&d, &a);
        bad += !check((int)got == want, "%s %s %zux%zux%zu %s: at %td of %zu bytes: %d, not %d",
                      type_name[type], kind_name[d.kind], d.n, d.c, d.s, d.layout ? "NHWC" : "NCHW",
                      (ptrdiff_t)at - (ptrdiff_t)x, xsize, (int)got, want);
    }
}

static void test_slices(nrm_dtype type)
{
    gen g = gen_seed(11);
    int i;
    group("%s: one slice moved over another, byte by byte", type_name[type]);
    for (i = 0; i < 240; ++i) slide(&g, type, i % 4 != 0, i % 8 >= 4);
    group_end();
}

/* Two halves of the columns of one matrix: the common case, spelt out. */
static void test_columns(nrm_dtype type)
{
    unsigned char matrix[8 * 32 * sizeof(double)];
    double gamma[16]; /* room for either type of it */
    const char *name = type_name[type];
    const size_t size = type_size(type);
    nrm_desc d;
    nrm_args a;
    size_t i;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    for (i = 0; i < 8 * 32; ++i) type_put(type, matrix, i, (double)(i % 7));
    for (i = 0; i < 16; ++i) type_put(type_of_parameters(type), gamma, i, 1);
    d.n = 8, d.c = 16, d.s = 1, d.kind = NRM_LAYER, d.dtype = type;
    d.x_pitch.sample = d.y_pitch.sample = 32;
    d.layout = NRM_NHWC;
    a.x = matrix, a.y = matrix + 16 * size, a.gamma = gamma;
    ok(nrm_forward(&d, &a) == NRM_OK, "%s: the right columns of a matrix from the left ones", name);
    a.y = matrix + 15 * size;
    ok(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "%s: columns that overlap by one", name);
    a.y = matrix + 16 * size - 1;
    ok(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "%s: columns that overlap by one byte", name);
    a.y = matrix + 17 * size;
    ok(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "%s: columns that run into the next row's", name);
    a.y = matrix + 16 * size;
    a.gamma = matrix + 40 * size; /* no pitch: for parameters it is the range that counts */
    ok(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "%s: gamma in a gap of y", name);
}

/* What has no bytes overlaps nothing: a workspace of none in y, an empty x in dgamma. */
static void test_no_bytes(void)
{
    float x[8] = {0}, y[8], dgamma[2];
    double stats[2] = {0, 0};
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.n = 4, d.c = 2, d.eps = 1;
    a.x = x, a.y = y, a.workspace = y + 1;
    ok(nrm_forward(&d, &a) == NRM_OK, "a workspace of no bytes in y");
    d.n = 0;
    a.x = a.dy = dgamma + 1, a.dgamma = dgamma, a.mean = a.rstd = stats, a.workspace = NULL;
    ok(nrm_backward(&d, &a) == NRM_OK, "x and dy of no values in dgamma");
}

/* ---- running statistics ---------------------------------------------------------------------- */

static void wrong_rates(nrm_kind kind, enum verb verb)
{
    const double wrong[] = {-0.1, -1e-300, 1.0000001, HUGE_VAL, -HUGE_VAL, (double)NAN};
    int written = role_writes(slot_role(fixed[kind], verb, SLOT_RUNNING_MEAN)), i, without;
    for (i = 0; i < (int)COUNT(wrong); ++i)
        for (without = 0; without < 4; ++without) {
            begin(kind, verb);
            now.b.a.running_rate = wrong[i];
            if (!written && without) continue;
            if (without & 1) point(SLOT_RUNNING_MEAN, NULL);
            if (without & 2) point(SLOT_RUNNING_VAR, NULL);
            expect(written && without < 3 ? NRM_ERR_RATE : NRM_OK, "rate");
        }
    begin(kind, verb), now.b.a.running_rate = 0, expect(NRM_OK, "rate 0");
    begin(kind, verb), now.b.a.running_rate = 1, expect(NRM_OK, "rate 1");
}

static void one_value(nrm_kind kind, enum verb verb)
{
    begin(kind, verb);
    now.b.d.s = 1;
    if (kind == NRM_BATCH) now.b.d.n = 1;
    if (verb == VERB_APPLY) {
        int c;
        for (c = 0; c < 4; ++c) ((nrm_moments *)now.moments)[c].count = 1;
        remember();
    }
}

static void test_samples(nrm_dtype type)
{
    static const struct {
        nrm_kind kind;
        enum verb verb;
    } one[] = {{NRM_BATCH, VERB_FORWARD}, {NRM_BATCH, VERB_APPLY}, {NRM_INSTANCE, VERB_FORWARD}};
    size_t i;
    group("%s: one value per channel", type_name[type]);
    for (i = 0; i < COUNT(one); ++i) {
        one_value(one[i].kind, one[i].verb), expect(NRM_ERR_SAMPLES, "unbiased");
        one_value(one[i].kind, one[i].verb), point(SLOT_RUNNING_MEAN, NULL);
        expect(NRM_ERR_SAMPLES, "unbiased, variance only");
        one_value(one[i].kind, one[i].verb), now.b.a.running_population = 1;
        expect(NRM_OK, "population");
        one_value(one[i].kind, one[i].verb), point(SLOT_RUNNING_VAR, NULL);
        expect(NRM_OK, "mean only");
    }
    begin(NRM_BATCH, VERB_APPLY); /* one value here, 15 in the whole batch */
    now.b.d.n = now.b.d.s = 1;
    expect(NRM_OK, "one value of a larger batch");
    begin(NRM_BATCH, VERB_FORWARD), now.b.d.n = 1, expect(NRM_OK, "one sample of several values");
    begin(NRM_INSTANCE, VERB_FORWARD), now.b.d.n = 1, expect(NRM_OK, "one sample");
    group_end();
}

/* Runs twice, without and with running statistics: the same in everything else, and those kept. */
static void nonfinite(problem *p, enum verb verb, double rate, nrm_status want, const char *what)
{
    static const unsigned running = 1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR;
    setup s = plain(NRM_AUTO, p->d.layout);
    outcome *apart, *with;
    difference at;
    int same;
    s.workspace_size = p->seed; /* 0: none */
    p->running_rate = rate;
    p->given &= ~running;
    apart = run(p, verb, &s);
    p->given |= running;
    with = run(p, verb, &s);
    check(apart->status == NRM_OK && with->status == want, "%s %s %s: status %d, and %d without",
          kind_name[p->d.kind], verb_name[verb], what, (int)with->status, (int)apart->status);
    apart->status = with->status;
    same = same_outcome(apart, with, &at);
    check(same && with->clean, "%s %s %s: another %s", kind_name[p->d.kind], verb_name[verb], what,
          slot_name[at.slot]);
    if (want == NRM_ERR_NONFINITE && with->status == want)
        check(type_diff(slot_type(&p->d, SLOT_RUNNING_MEAN), with->value[SLOT_RUNNING_MEAN],
                        p->value[SLOT_RUNNING_MEAN], p->d.c) == p->d.c &&
                  type_diff(slot_type(&p->d, SLOT_RUNNING_VAR), with->value[SLOT_RUNNING_VAR],
                            p->value[SLOT_RUNNING_VAR], p->d.c) == p->d.c,
              "%s %s %s: a running value was moved", kind_name[p->d.kind], verb_name[verb], what);
    outcome_free(apart);
    outcome_free(with);
}

/* One channel of them all has a value of the given kind in it. */
static void nonfinite_cases(problem *p, enum verb verb, float odd)
{
    const nrm_dtype type = p->d.dtype;
    const double large = type == NRM_F64 ? 1e200 : type == NRM_F16 ? 60000 : 1e38;
    void *x = p->value[SLOT_X];
    size_t k, volume = problem_volume(&p->d);
    type_put(type, x, volume / 2, (double)odd), problem_prepare(p);
    nonfinite(p, verb, 0.1, NRM_ERR_NONFINITE, "in x");
    nonfinite(p, verb, 0, NRM_ERR_NONFINITE, "rate 0");
    for (k = 0; k < volume; ++k) type_put(type, x, k, k & 1 ? large : -large);
    problem_prepare(p); /* the mean fits its type, the variance does not; but it does with f16 */
    nonfinite(p, verb, 0.1, type == NRM_F16 ? NRM_OK : NRM_ERR_NONFINITE, "overflow");
    /* A double has no wider type to hold the variance in: 0 times Inf is NaN. */
    nonfinite(p, verb, 0, type == NRM_F64 ? NRM_ERR_NONFINITE : NRM_OK, "overflow, rate 0");
    for (k = 0; k < volume; ++k) type_put(type, x, k, (double)(k % 7));
    problem_prepare(p);
    type_put(type_of_parameters(type), p->value[SLOT_RUNNING_VAR], p->d.c - 1, (double)odd);
    nonfinite(p, verb, 0.1, NRM_ERR_NONFINITE, "already");
    nonfinite(p, verb, 1, NRM_OK, "already, and replaced");
}

/* A rate of 1 gives the bits that it gives in place of zeros, whatever was there. */
static void replaced(problem *p, enum verb verb, float odd)
{
    static const enum slot slots[] = {SLOT_RUNNING_MEAN, SLOT_RUNNING_VAR};
    const setup s = plain(NRM_AUTO, p->d.layout);
    outcome *o[2];
    difference at;
    int i, same;
    p->running_rate = 1;
    for (i = 0; i < 2; ++i) {
        size_t c, k;
        for (k = 0; k < 2; ++k)
            for (c = 0; c < p->d.c; ++c)
                type_put(type_of_parameters(p->d.dtype), p->value[slots[k]], c,
                         i ? (double)odd : 0.0);
        o[i] = run(p, verb, &s);
    }
    same = same_outcome(o[0], o[1], &at);
    check(same && o[0]->status == NRM_OK, "%s %s, rate 1 over %g: status %d, another %s",
          kind_name[p->d.kind], verb_name[verb], (double)odd, (int)o[1]->status,
          slot_name[at.slot]);
    outcome_free(o[0]), outcome_free(o[1]);
}

/* Few channels and many; with a place for statistics, with a workspace, with neither. */
static void test_nonfinite(nrm_dtype type)
{
    static const size_t channels[] = {4, 700}, workspace[] = {0, 50, 20000};
    const float odd[] = {(float)INFINITY, -(float)INFINITY, (float)NAN};
    int kind, verb, i;
    group("%s: running statistics that would not be finite", type_name[type]);
    for (kind = 0; kind <= NRM_INSTANCE; kind += NRM_INSTANCE)
        for (verb = 0; verb <= VERB_APPLY; verb += VERB_APPLY)
            for (i = 0; i < 24 && verb_fits((enum verb)verb, (nrm_kind)kind); ++i) {
                problem *p = fixed_problem(type, (nrm_kind)kind, channels[i & 1]);
                p->d.layout = (nrm_layout)(i >> 1 & 1);
                p->seed = workspace[i >> 2 & 3 ? (i >> 2 & 3) - 1 : 0];
                if (i >> 2 & 1) p->given &= ~(1u << SLOT_MEAN | 1u << SLOT_RSTD);
                p->given &= ~(1u << SLOT_RESIDUAL);
                nonfinite_cases(p, (enum verb)verb, odd[i % 3]);
                replaced(p, (enum verb)verb, odd[i % 3]);
                problem_free(p);
            }
    group_end();
}

/* ---- tensors as networks have them ----------------------------------------------------------- */

/* What the type lets: half parameters and a wide residual, q8; lengths, and y turned. */
static problem *tensor_problem(nrm_dtype type, nrm_kind kind, int turned)
{
    static const size_t lengths[] = {5, 0, 3};
    problem *p = fixed_problem(type, kind, 4);
    problem_retype(p, type_is_half(type), type_is_half(type));
    p->d.transpose_y = turned;
    p->given |= GIVEN_TENSORS;
    memcpy(p->value[SLOT_LENGTHS], lengths, sizeof lengths);
    problem_prepare(p);
    return p;
}

static void wrong_options(nrm_kind kind, enum verb verb)
{
    const int half = type_is_half(fixed[kind]->d.dtype), q8 = takes_q8(fixed[kind]);
    const int back = role_writes(slot_role(fixed[kind], verb, SLOT_DX));
    begin(kind, verb), now.b.d.param_half = 1;
    expect(half ? NRM_OK : NRM_ERR_DESC, "param_half");
    begin(kind, verb), now.b.d.wide_residual = 1;
    point(SLOT_RESIDUAL, NULL), point(SLOT_SUM, NULL), point(SLOT_DSUM, NULL);
    expect(half ? NRM_OK : NRM_ERR_DESC, "wide_residual");
    begin(kind, verb), now.b.d.n = 0, now.b.d.wide_residual = 1;
    if (verb != VERB_APPLY && !half) expect(NRM_ERR_DESC, "wide_residual of nothing");
    begin(kind, verb), point(SLOT_DRESIDUAL, now.b.base);
    expect(back ? NRM_ERR_DESC : NRM_OK, "dresidual");
    begin(kind, verb), point(SLOT_Q8, now.b.base);
    expect(verb != VERB_FORWARD ? NRM_OK : q8 ? NRM_ERR_NULL : NRM_ERR_DESC, "q8");
    begin(kind, verb), point(SLOT_Q8_SCALE, now.b.base);
    expect(verb != VERB_FORWARD ? NRM_OK : q8 ? NRM_ERR_NULL : NRM_ERR_DESC, "q8_scale");
}

/* Each is at most s. Of nothing they are not read. */
static void wrong_lengths(nrm_kind kind, enum verb verb)
{
    static size_t lengths[3];
    size_t i;
    lengths[0] = lengths[1] = lengths[2] = 5;
    begin(kind, verb), now.b.a.lengths = lengths, expect(NRM_OK, "lengths of s");
    for (i = 0; i < 3; ++i) {
        lengths[i] = i == 1 ? SIZE_MAX : 6;
        begin(kind, verb), now.b.a.lengths = lengths, expect(NRM_ERR_SIZE, "a length above s");
        lengths[i] = 5;
    }
    begin(kind, verb), now.b.d.c = 0, lengths[0] = 6, now.b.a.lengths = lengths;
    if (verb != VERB_APPLY && kind != NRM_GROUP) expect(NRM_OK, "lengths of no channels");
}

/* One value in all of a batch, or in an instance. */
static void test_length_samples(nrm_dtype type)
{
    size_t lengths[3] = {0, 1, 0};
    int kind;
    group("%s: one value per channel, by lengths", type_name[type]);
    for (kind = NRM_BATCH; kind <= NRM_INSTANCE; kind += NRM_INSTANCE) {
        begin((nrm_kind)kind, VERB_FORWARD), now.b.a.lengths = lengths;
        expect(NRM_ERR_SAMPLES, "unbiased");
        begin((nrm_kind)kind, VERB_FORWARD), now.b.a.lengths = lengths;
        now.b.a.running_population = 1, expect(NRM_OK, "population");
        lengths[0] = 1, begin((nrm_kind)kind, VERB_FORWARD), now.b.a.lengths = lengths;
        expect(kind == NRM_BATCH ? NRM_OK : NRM_ERR_SAMPLES, "two samples of one value");
        lengths[0] = 0;
    }
    group_end();
}

/* Nothing but padding. */
static void no_positions(nrm_kind kind, enum verb verb)
{
    static const enum slot zeros[] = {SLOT_DGAMMA, SLOT_DBETA, SLOT_MOMENTS, SLOT_SUMS};
    size_t none[3] = {0, 0, 0}, i, k;
    const setup s = plain(NRM_AUTO, NRM_NHWC);
    problem p = *fixed[kind];
    p.value[SLOT_LENGTHS] = none;
    for (p.accumulate = 0; p.accumulate < 2; ++p.accumulate) {
        outcome *o = run(&p, verb, &s);
        check((o->status == NRM_OK || verb == VERB_APPLY) && o->clean, "%s %s: no positions: %d",
              kind_name[kind], verb_name[verb], (int)o->status);
        for (k = 0; k < COUNT(zeros); ++k)
            for (i = 0; o->value[zeros[k]] && i < o->count[zeros[k]]; ++i) {
                const nrm_dtype held = slot_type(&p.d, zeros[k]);
                const int kept = p.accumulate && zeros[k] < SLOT_MOMENTS;
                check(type_bits(held, o->value[zeros[k]], i) ==
                          (kept ? type_bits(held, p.value[zeros[k]], i) : 0),
                      "%s %s: no positions: %s[%zu]", kind_name[kind], verb_name[verb],
                      slot_name[zeros[k]], i);
            }
        outcome_free(o);
    }
}

static void test_tensors(nrm_dtype type)
{
    static const struct {
        each_call visit;
        const char *what;
    } list[] = {{valid_call, "nothing wrong"}, {missing_pointers, "pointers that are NULL"},
                {ignored_pointers, "pointers not needed"}, {overlaps, "overlap"},
                {shared_inputs, "shared inputs"}, {no_positions, "no positions"}};
    problem *before[KINDS];
    size_t i;
    int kind, turned;
    memcpy(before, fixed, sizeof fixed);
    for (turned = 0; turned < 2; ++turned) {
        for (kind = 0; kind < KINDS; ++kind)
            fixed[kind] = tensor_problem(type, (nrm_kind)kind, turned);
        for (i = 0; i < COUNT(list); ++i) {
            group("%s, tensors as networks have them%s: %s", type_name[type],
                  turned ? ", y turned" : "", list[i].what);
            for_each_call(list[i].visit);
            group_end();
        }
        for (kind = 0; kind < KINDS; ++kind) problem_free(fixed[kind]);
    }
    memcpy(fixed, before, sizeof fixed);
}

/* ---- tensors without elements ---------------------------------------------------------------- */

/* After a call on nothing: these are zeros, and all else is as it was. */
static void expect_zeros(enum slot slot, size_t count)
{
    static const unsigned char zeros[512];
    size_t bytes = count * slot_size(&now.p->d, slot);
    unsigned char *data = now.b.data[slot];
    if (!data || !role_writes(now.b.role[slot])) return;
    check(!memcmp(data, zeros, bytes), "%s %s: %s is not zero", kind_name[now.p->d.kind],
          verb_name[now.verb], slot_name[slot]);
    memcpy(data, bed_store.before + (data - now.b.base), bytes);
}

static void empty_call(nrm_kind kind, enum verb verb, int axis, int accumulate, int null)
{
    nrm_desc *d = &now.b.d;
    int c;
    begin(kind, verb);
    *(axis == 0 ? &d->n : &d->c) = 0;
    now.b.a.accumulate = accumulate;
    if (null) {
        point(SLOT_X, NULL), point(SLOT_Y, NULL), point(SLOT_DY, NULL);
        if (verb == VERB_BACKWARD_APPLY) point(SLOT_DX, NULL);
    }
    if (verb == VERB_APPLY) { /* its emptiness is that of the whole batch */
        for (c = 0; c < 4; ++c) memset((nrm_moments *)now.moments + c, 0, sizeof(nrm_moments));
        remember();
    }
    expect(NRM_OK, "empty");
    if (!accumulate) expect_zeros(SLOT_DGAMMA, d->c), expect_zeros(SLOT_DBETA, d->c);
    if (verb == VERB_REDUCE) expect_zeros(SLOT_MOMENTS, 3 * d->c);
    if (verb == VERB_BACKWARD_REDUCE) expect_zeros(SLOT_SUMS, 3 * d->c);
    check(untouched(), "%s %s, axis %d empty: wrote something", kind_name[kind], verb_name[verb],
          axis);
}

static void empty(nrm_kind kind, enum verb verb)
{
    int axis, accumulate, null;
    for (axis = 0; axis < 2; ++axis)
        for (accumulate = 0; accumulate < 2; ++accumulate)
            for (null = 0; null < 2; ++null) empty_call(kind, verb, axis, accumulate, null);
    begin(kind, verb), now.b.d.n = 0, now.b.d.act = (nrm_act)9;
    expect(NRM_ERR_DESC, "empty and wrong");
    begin(kind, verb), now.b.d.c = 0, now.b.d.eps = -1;
    expect(NRM_ERR_EPS, "empty with a wrong eps");
}

/* s = 0 is 1. */
static void test_zero_s(nrm_dtype type)
{
    int kind, verb, i;
    group("%s: s = 0 is one position", type_name[type]);
    for (kind = 0; kind < KINDS; ++kind)
        for (verb = 0; verb < VERBS; ++verb)
            for (i = 0; i < 8 && verb_fits((enum verb)verb, (nrm_kind)kind); ++i) {
                problem *p = problem_of(type, (nrm_kind)kind, i & 4 ? 700 : 4, 1);
                setup s = plain(NRM_AUTO, (nrm_layout)(i & 1));
                outcome *want, *got;
                difference at;
                int same;
                p->running_population = 1;
                p->line_gap[0] = p->sample_gap[1] = (size_t)(i >> 1 & 1);
                want = run(p, (enum verb)verb, &s);
                s.zero_s = 1;
                got = run(p, (enum verb)verb, &s);
                same = same_outcome(want, got, &at) && got->clean;
                check(same && got->status == NRM_OK, "%s %s: another %s, status %d",
                      kind_name[kind], verb_name[verb], slot_name[at.slot], (int)got->status);
                outcome_free(want), outcome_free(got);
                problem_free(p);
            }
    group_end();
}

/* An empty share of a batch that is not: statistics are written all the same. */
static void test_empty_share(nrm_dtype type)
{
    const nrm_dtype held = type_of_parameters(type);
    nrm_moments *m;
    size_t c;
    begin(NRM_BATCH, VERB_APPLY);
    now.b.d.n = 0;
    m = (nrm_moments *)now.moments;
    for (c = 0; c < 4; ++c) m[c].count = 10, m[c].mean = (double)c, m[c].m2 = 40;
    now.b.d.eps = 0, now.b.a.running_rate = 1, now.b.a.running_population = 1;
    point(SLOT_X, NULL), point(SLOT_Y, NULL);
    ok(call_now() == NRM_OK, "%s: apply on an empty share of a batch", type_name[type]);
    group("%s: its statistics", type_name[type]);
    for (c = 0; c < 4; ++c) {
        double mean = type_get(held, now.b.a.running_mean, c);
        double var = type_get(held, now.b.a.running_var, c);
        check(same_f64(now.b.a.mean[c], (double)c) && same_f64(now.b.a.rstd[c], 0.5),
              "mean %g and rstd %g of channel %zu", now.b.a.mean[c], now.b.a.rstd[c], c);
        check(same_f64(mean, (double)c) && same_f64(var, 4), "running %g and %g of channel %zu",
              mean, var, c);
    }
    group_end();
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void test_strings(void)
{
    int i, j;
    group("status strings");
    for (i = -2; i < 14; ++i) {
        const char *text = nrm_status_string((nrm_status)i);
        check(text && *text && !strchr(text, '\n'), "string of %d", i);
        for (j = 0; j < i && i < (int)COUNT(status_name); ++j)
            check(strcmp(text, nrm_status_string((nrm_status)j)) != 0, "%d and %d are alike", i, j);
    }
    group_end();
}

static void counts(const nrm_desc *d, size_t want, const char *what)
{
    check(nrm_stat_count(d) == want, "nrm_stat_count: %s: %zu", what, nrm_stat_count(d));
    if (!want)
        check(nrm_workspace_size(d, 1) == 0 && nrm_workspace_size(d, 8) == 0,
              "nrm_workspace_size: %s", what);
}

/* One channel of more than a quarter of all bytes: that many halves, but not that many floats. */
static void count_large(nrm_dtype type)
{
    nrm_desc d;
    const size_t most = SIZE_MAX / type_size(type);
    memset(&d, 0, sizeof d);
    d.kind = NRM_BATCH, d.dtype = type, d.n = d.c = 1;
    d.s = SIZE_MAX / 4 + 1, counts(&d, type_is_half(type), "a quarter of all bytes");
    d.s = most, counts(&d, 1, "as many as fit");
    d.s = most + 1, counts(&d, 0, "one more");
    d.s = 1, d.n = 2, d.x_pitch.sample = most / 2, counts(&d, 1, "far apart");
    d.x_pitch.sample = most, counts(&d, 0, "too far apart");
    d.x_pitch.sample = 0, d.n = SIZE_MAX / 4 + 1; /* as many parameters, which are not halves */
    counts(&d, type_is_half(type), "as many samples");
    d.affine_per_sample = 1, counts(&d, 0, "parameters for each sample");
}

/* Options that the type does not take; sizes that are another type's, pitches another layout's. */
static void count_tensors(nrm_dtype type)
{
    const int half = type_is_half(type);
    const size_t most = SIZE_MAX / 4;
    nrm_desc d;
    memset(&d, 0, sizeof d);
    d.kind = NRM_BATCH, d.dtype = type, d.n = 2, d.c = 3, d.s = 5;
    d.param_half = 1, counts(&d, half ? 3 : 0, "param_half");
    d.param_half = 0, d.wide_residual = 1, counts(&d, half ? 3 : 0, "wide_residual");
    d.wide_residual = 0, d.y_pitch.line = 3, counts(&d, 0, "a line of 3");
    d.transpose_y = 1, counts(&d, 3, "... of channels");
    d.y_pitch.line = 2, counts(&d, 0, "a line of 2");
    d.y_pitch.line = 0, d.x_pitch.line = 3, counts(&d, 0, "a line of 3 in x");
    if (!half) return;
    d.x_pitch.line = 0, d.n = d.c = 1, d.s = most + 1;
    d.transpose_y = 0, counts(&d, 1, "more halves than floats");
    d.wide_residual = 1, counts(&d, 0, "more floats than fit");
    d.wide_residual = 0, d.s = 1, d.n = most + 1, d.affine_per_sample = 1;
    d.kind = NRM_BATCH, counts(&d, 0, "more parameters than fit");
    d.param_half = 1, counts(&d, 1, "as many halves");
}

static void test_counts(nrm_dtype type)
{
    size_t stats, room;
    int kind;
    group("%s: nrm_stat_count and nrm_workspace_size", type_name[type]);
    counts(NULL, 0, "no desc");
    for (kind = 0; kind < KINDS; ++kind) {
        nrm_desc good = fixed[kind]->d, d;
        counts(&good, problem_stats(&good), kind_name[kind]);
        d = good, d.kind = (nrm_kind)5, counts(&d, 0, "kind");
        d = good, d.layout = (nrm_layout)2, counts(&d, 0, "layout");
        d = good, d.dtype = (nrm_dtype)4, counts(&d, 0, "dtype");
        d = good, d.act = (nrm_act)6, counts(&d, 0, "act");
        d = good, d.act = NRM_CLIP, d.act_low = 1, counts(&d, 0, "act_low above act_high");
        d = good, d.act = NRM_LEAKY_RELU, d.act_slope = HUGE_VAL, counts(&d, 0, "act_slope");
        d = good, d.eps = -1, counts(&d, 0, "eps");
        d = good, d.eps = (double)NAN, counts(&d, 0, "eps");
        d = good, d.n = SIZE_MAX, counts(&d, 0, "size");
        d = good, d.x_pitch.line = 1, counts(&d, 0, "pitch of x");
        d = good, d.y_pitch.sample = 1, counts(&d, 0, "pitch of y");
        d = good, d.n = d.c = d.s = 0, counts(&d, 0, "empty");
        d = good, d.n = d.c = 1000, d.s = 1, stats = problem_stats(&d);
        room = nrm_workspace_size(&d, 8);
        d.s = 0, counts(&d, stats, "s = 0");
        check(room > 0 && nrm_workspace_size(&d, 8) == room, "nrm_workspace_size: s = 0");
        if (kind == NRM_GROUP) d = good, d.groups = 3, counts(&d, 0, "groups");
        if (kind == NRM_GROUP) d = good, d.groups = 0, counts(&d, 0, "groups");
    }
    count_large(type);
    count_tensors(type);
    group_end();
}

/* The short forms share one shape here: 6 rows of 4, or 2 x 3 x 4. */
static nrm_status short_form(int form, float *y, const float *x, const float *gamma,
                             const float *beta, size_t n, double eps)
{
    static const float var[3] = {1, 2, 3};
    switch (form) {
    case 0: return nrm_layernorm(y, x, n * 3, 4, gamma, beta, eps);
    case 1: return nrm_rmsnorm(y, x, n * 3, 4, gamma, eps);
    case 2: return nrm_batchnorm_infer(y, x, n, 3, 4, NRM_NCHW, var, var, gamma, beta, eps);
    case 3: return nrm_instancenorm(y, x, n, 3, 4, NRM_NHWC, gamma, beta, eps);
    default: return nrm_groupnorm(y, x, n, 3, 4, 3, NRM_NCHW, gamma, beta, eps);
    }
}

static void short_fails(int form, float *y, const float *x, const float *gamma, size_t n,
                        double eps, nrm_status want)
{
    float before[64];
    nrm_status got;
    memset(before, 0x55, sizeof before);
    if (y) memcpy(before, y, 24 * sizeof *y);
    got = short_form(form, y, x, gamma, NULL, n, eps);
    check(got == want, "short form %d: %d instead of %d", form, (int)got, (int)want);
    check(!y || !memcmp(before, y, 24 * sizeof *y), "short form %d wrote though it failed", form);
}

static void test_short_forms(void)
{
    float x[64], y[64], one[6] = {1, 1, 1, 1, 1, 1};
    int form;
    size_t i;
    for (i = 0; i < 64; ++i) x[i] = (float)(i % 5), y[i] = 7;
    group("the short forms");
    for (form = 0; form < 5; ++form) {
        check(short_form(form, y, x, one, one, 2, 1e-5) == NRM_OK, "short form %d", form);
        check(short_form(form, y, x, NULL, NULL, 2, 0) == NRM_OK, "short form %d, bare", form);
        check(short_form(form, y, y, NULL, NULL, 2, 0) == NRM_OK, "short form %d in place", form);
        check(short_form(form, NULL, NULL, NULL, NULL, 0, 0) == NRM_OK, "%d on nothing", form);
        short_fails(form, NULL, x, NULL, 2, 1e-5, NRM_ERR_NULL);
        short_fails(form, y, NULL, NULL, 2, 1e-5, NRM_ERR_NULL);
        short_fails(form, y, x, NULL, 2, -1, NRM_ERR_EPS);
        short_fails(form, y, x, NULL, 2, (double)NAN, NRM_ERR_EPS);
        short_fails(form, y, x, NULL, SIZE_MAX / 3, 1e-5, NRM_ERR_SIZE);
        short_fails(form, y, y + 1, NULL, 2, 1e-5, NRM_ERR_ALIAS);
        short_fails(form, y, x, y, 2, 1e-5, NRM_ERR_ALIAS);
    }
    for (i = 0; i < 2; ++i) { /* 6 channels of one position, s = 0 as well as 1 */
        float *to = y + 32 * i;
        check(nrm_groupnorm(to, x, 2, 6, i, 2, NRM_NCHW, NULL, NULL, 1e-5) == NRM_OK &&
                  nrm_instancenorm(to + 12, x, 1, 6, i, NRM_NHWC, NULL, one, 1e-5) == NRM_OK,
              "s is %zu", i);
    }
    check(!memcmp(y, y + 32, 18 * sizeof *y), "s = 0 is not 1");
    check(nrm_layernorm(y, x, SIZE_MAX, 2, NULL, NULL, 0) == NRM_ERR_SIZE, "rows times cols");
    check(nrm_rmsnorm(y, x, SIZE_MAX / 4 + 1, 1, NULL, 0) == NRM_ERR_SIZE, "bytes");
    check(nrm_groupnorm(y, x, 2, 3, 4, 2, NRM_NCHW, NULL, NULL, 0) == NRM_ERR_DESC, "groups 2");
    check(nrm_groupnorm(y, x, 2, 3, 4, 0, NRM_NCHW, NULL, NULL, 0) == NRM_ERR_DESC, "groups 0");
    check(nrm_groupnorm(y, x, 2, 3, 4, 3, (nrm_layout)2, NULL, NULL, 0) == NRM_ERR_DESC, "layout");
    check(nrm_instancenorm(y, x, 2, 3, 4, (nrm_layout)-1, NULL, NULL, 0) == NRM_ERR_DESC,
          "layout");
    check(nrm_batchnorm_infer(y, x, 2, 3, 4, NRM_NCHW, NULL, one, NULL, NULL, 0) == NRM_ERR_NULL,
          "no mean");
    check(nrm_batchnorm_infer(y, x, 2, 3, 4, NRM_NHWC, one, NULL, NULL, NULL, 0) == NRM_ERR_NULL,
          "no variance");
    check(nrm_batchnorm_infer(y, x, 2, 3, 4, (nrm_layout)9, one, one, NULL, NULL, 0) ==
              NRM_ERR_DESC, "layout");
    group_end();
}

/* ---- nrm_fold -------------------------------------------------------------------------------- */

/* 3 rows of 5 weights; each array 16 floats apart in one field. */
typedef struct folding {
    float field[9 * 16], before[9 * 16];
    float *weight_out, *bias_out, *weight, *bias, *mean, *var, *gamma, *beta;
    size_t c, k;
    double eps;
} folding;

static folding fold;

static void fold_begin(void)
{
    float **pointer[] = {&fold.weight_out, &fold.bias_out, &fold.weight, &fold.bias,
                         &fold.mean, &fold.var, &fold.gamma, &fold.beta};
    size_t i;
    for (i = 0; i < COUNT(fold.field); ++i) fold.field[i] = (float)(1 + i % 11);
    for (i = 0; i < COUNT(pointer); ++i) *pointer[i] = fold.field + 16 * i;
    fold.c = 3, fold.k = 5, fold.eps = 1e-5;
    memcpy(fold.before, fold.field, sizeof fold.before);
}

static void fold_expect(nrm_status want, const char *what)
{
    nrm_status got = nrm_fold(fold.weight_out, fold.bias_out, fold.weight, fold.bias, fold.c,
                              fold.k, fold.mean, fold.var, fold.gamma, fold.beta, fold.eps);
    check(got == want, "nrm_fold, %s: %d instead of %d", what, (int)got, (int)want);
    if (want != NRM_OK)
        check(!memcmp(fold.before, fold.field, sizeof fold.before), "nrm_fold, %s: wrote", what);
    fold_begin();
}

static void test_fold(void)
{
    group("nrm_fold");
    fold_begin();
    fold_expect(NRM_OK, "plain");
    fold.bias = NULL, fold_expect(NRM_OK, "no bias");
    fold.gamma = NULL, fold.beta = NULL, fold_expect(NRM_OK, "no gamma, no beta");
    fold.weight_out = fold.weight, fold.bias_out = fold.bias, fold_expect(NRM_OK, "in place");
    fold.weight_out = NULL, fold_expect(NRM_ERR_NULL, "no weight_out");
    fold.bias_out = NULL, fold_expect(NRM_ERR_NULL, "no bias_out");
    fold.weight = NULL, fold_expect(NRM_ERR_NULL, "no weight");
    fold.mean = NULL, fold_expect(NRM_ERR_NULL, "no mean");
    fold.var = NULL, fold_expect(NRM_ERR_NULL, "no var");
    fold.eps = -1, fold_expect(NRM_ERR_EPS, "eps");
    fold.eps = HUGE_VAL, fold_expect(NRM_ERR_EPS, "eps");
    fold.eps = (double)NAN, fold_expect(NRM_ERR_EPS, "eps");
    fold.c = SIZE_MAX / 2, fold_expect(NRM_ERR_SIZE, "c times k");
    fold.c = 1, fold.k = SIZE_MAX / 4 + 1, fold_expect(NRM_ERR_SIZE, "bytes");
    fold.weight_out = fold.weight + 1, fold_expect(NRM_ERR_ALIAS, "weight_out in weight");
    fold.weight_out = fold.weight - 14, fold_expect(NRM_ERR_ALIAS, "weight_out before weight");
    fold.bias_out = fold.bias + 1, fold_expect(NRM_ERR_ALIAS, "bias_out in bias");
    fold.bias_out = fold.weight_out, fold_expect(NRM_ERR_ALIAS, "both outputs the same");
    fold.bias_out = fold.weight, fold_expect(NRM_ERR_ALIAS, "bias_out is weight");
    fold.bias_out = fold.mean, fold_expect(NRM_ERR_ALIAS, "bias_out is mean");
    fold.bias_out = fold.var, fold_expect(NRM_ERR_ALIAS, "bias_out is var");
    fold.bias_out = fold.gamma, fold_expect(NRM_ERR_ALIAS, "bias_out is gamma");
    fold.bias_out = fold.beta, fold_expect(NRM_ERR_ALIAS, "bias_out is beta");
    fold.weight_out = fold.gamma, fold_expect(NRM_ERR_ALIAS, "weight_out is gamma");
    fold.c = SIZE_MAX / 2, fold.k = 0, fold_expect(NRM_ERR_SIZE, "bytes of the bias");
    fold.k = 0, fold_expect(NRM_OK, "no weights");
    memset(&fold, 0, sizeof fold);
    check(nrm_fold(NULL, NULL, NULL, NULL, 0, 5, NULL, NULL, NULL, NULL, 0) == NRM_OK,
          "nothing to fold");
    group_end();
}

/* Tensors without values and of any other size: what the kind does not have is not looked at, but
   statistics are counted, and the parts' array has its bytes. */
static void test_large_empty(void)
{
    enum { ROWS = 1 << NRM_LAYER | 1 << NRM_RMS, GROUP = 1 << NRM_GROUP, ALL = (1 << KINDS) - 1 };
    static const struct {
        int kinds; /* for which it does not fit, a bit each */
        size_t n, c, s, groups;
        const char *what;
    } list[] = {{ROWS | GROUP, SIZE_MAX / 4 + 1, 0, 1, 1, "no channels"},
                {ROWS | GROUP, SIZE_MAX / 4 + 1, 0, 1, SIZE_MAX, "groups"},
                {0, SIZE_MAX / 8, 0, 0, 1, "as many statistics as fit"},
                {ROWS, SIZE_MAX / 8, 0, 2, 1, "bytes of statistics"},
                {ROWS | GROUP, SIZE_MAX / 2 + 1, 0, 2, 2, "n times s or groups"},
                {GROUP, SIZE_MAX / 8, 0, 1, 2, "bytes of statistics of groups"},
                {0, 0, SIZE_MAX / 24, SIZE_MAX, 1, "no samples"},
                {ALL, 0, SIZE_MAX / 24 + 1, 1, 1, "bytes of the array"}};
    nrm_desc d;
    nrm_args a;
    size_t i;
    int kind;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.eps = 1e-5;
    group("no values, and sizes that fit or do not");
    for (i = 0; i < COUNT(list); ++i)
        for (kind = 0; kind < KINDS; ++kind) {
            const nrm_status want = list[i].kinds >> kind & 1 ? NRM_ERR_SIZE : NRM_OK;
            d.kind = (nrm_kind)kind;
            d.n = list[i].n, d.c = list[i].c, d.s = list[i].s, d.groups = list[i].groups;
            check(nrm_forward(&d, &a) == want, "%s: %s: not %s", kind_name[kind], list[i].what,
                  status_name[want]);
        }
    group_end();
}

/* No channels need no array. */
static void test_empty_parts(void)
{
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_BATCH, d.n = 3, d.s = 4, d.eps = 1e-5;
    group("parts without channels");
    check(nrm_reduce(&d, &a, NULL) == NRM_OK, "no channels, no array");
    d.c = 2;
    check(nrm_reduce(&d, &a, NULL) == NRM_ERR_NULL, "channels, no array");
    group_end();
}

/* ---- nrm_fold_next --------------------------------------------------------------------------- */

static nrm_status fold_next(float *w_out, float *b_out, const float *w, const float *b, size_t c)
{
    return nrm_fold_next(w_out, b_out, w, b, 2, c, fold.gamma, fold.beta);
}

/* 2 rows of 3 weights: each product is rounded once, each sum of doubles too. */
static void test_fold_next(void)
{
    size_t i, j;
    group("nrm_fold_next");
    fold_begin();
    check(fold_next(fold.weight_out, fold.bias_out, fold.weight, fold.bias, 3) == NRM_OK, "plain");
    for (i = 0; i < 2; ++i) {
        double sum = (double)fold.bias[i];
        for (j = 0; j < 3; ++j) {
            const double w = (double)fold.weight[3 * i + j];
            sum += w * (double)fold.beta[j];
            check(fold.weight_out[3 * i + j] == (float)(w * (double)fold.gamma[j]), "weight %zu",
                  j);
        }
        check(fold.bias_out[i] == (float)sum, "bias %zu", i);
    }
    fold_begin();
    check(nrm_fold_next(fold.weight, fold.bias, fold.weight, fold.bias, 2, 3, NULL, NULL) ==
              NRM_OK && !memcmp(fold.field, fold.before, sizeof fold.field), "in place, bare");
    check(fold_next(NULL, fold.bias_out, fold.weight, NULL, 3) == NRM_ERR_NULL, "weight_out");
    check(fold_next(fold.weight_out, NULL, fold.weight, NULL, 3) == NRM_ERR_NULL, "bias_out");
    check(fold_next(fold.weight_out, fold.bias_out, NULL, NULL, 3) == NRM_ERR_NULL, "weight");
    check(fold_next(fold.weight_out, fold.bias_out, fold.weight, NULL, SIZE_MAX / 4) ==
              NRM_ERR_SIZE, "size");
    check(fold_next(fold.weight + 1, fold.bias_out, fold.weight, NULL, 3) == NRM_ERR_ALIAS &&
              fold_next(fold.weight, fold.weight + 5, fold.weight, NULL, 3) == NRM_ERR_ALIAS &&
              fold_next(fold.gamma, fold.bias_out, fold.weight, NULL, 3) == NRM_ERR_ALIAS &&
              fold_next(fold.weight, fold.beta + 2, fold.weight, NULL, 3) == NRM_ERR_ALIAS,
          "overlap");
    check(nrm_fold_next(NULL, NULL, NULL, NULL, 0, 3, NULL, NULL) == NRM_OK, "no rows");
    check(nrm_fold_next(fold.weight_out, fold.bias_out, fold.weight, NULL, SIZE_MAX / 2, 4, NULL,
                        NULL) == NRM_ERR_SIZE, "rows times c");
    check(nrm_fold_next(fold.weight_out, fold.bias_out, fold.weight, NULL, SIZE_MAX / 2, 0, NULL,
                        NULL) == NRM_ERR_SIZE, "rows");
    check(nrm_fold_next(fold.weight_out, fold.bias_out, fold.weight, NULL, 0, SIZE_MAX / 2, NULL,
                        NULL) == NRM_ERR_SIZE, "columns");
    check(!memcmp(fold.field, fold.before, sizeof fold.field), "a call that failed wrote");
    check(nrm_fold_next(NULL, fold.bias_out, NULL, NULL, 2, 0, NULL, NULL) == NRM_OK &&
              fold.bias_out[0] == 0 && fold.bias_out[1] == 0, "no columns, no bias");
    fold_begin();
    check(!memcmp(fold.field, fold.before, sizeof fold.field), "a call that failed wrote");
    group_end();
}

/* ---- all ------------------------------------------------------------------------------------- */

static void test_type(nrm_dtype type)
{
    static const struct {
        const char *name;
        each_call visit;
    } each[] = {{"valid calls", valid_call}, {"enumerators out of range", wrong_enumerators},
                {"groups", wrong_groups}, {"eps", wrong_eps}, {"gamma_offset", wrong_offset},
                {"act_slope, act_low, act_high", wrong_act_values},
                {"sizes", wrong_sizes}, {"pitches", wrong_pitches},
                {"missing pointers", missing_pointers}, {"missing structs", missing_structs},
                {"pointers that are not needed", ignored_pointers},
                {"pointers that are seldom needed", seldom_read},
                {"instruction sets", missing_isa}, {"outputs that overlap", overlaps},
                {"inputs that are each other", shared_inputs}, {"running_rate", wrong_rates},
                {"tensors without elements", empty},
                {"param_half, wide_residual, dresidual, q8", wrong_options},
                {"lengths", wrong_lengths}};
    size_t i;
    for (i = 0; i < KINDS; ++i) fixed[i] = fixed_problem(type, (nrm_kind)i, 4);
    for (i = 0; i < COUNT(each); ++i) {
        group("%s: %s", type_name[type], each[i].name);
        for_each_call(each[i].visit);
        group_end();
    }
    test_three_way(type);
    test_slices(type);
    test_columns(type);
    test_samples(type);
    test_length_samples(type);
    test_tensors(type);
    test_nonfinite(type);
    test_empty_share(type);
    test_zero_s(type);
    test_counts(type);
    for (i = 0; i < KINDS; ++i) problem_free(fixed[i]);
}

int main(void)
{
    int type, kind;
    for (type = 0; type < TYPES; ++type) test_type((nrm_dtype)type);
    for (kind = 0; kind < KINDS; ++kind) fixed[kind] = fixed_problem(NRM_F32, (nrm_kind)kind, 4);
    test_unfit_kinds();
    for (kind = 0; kind < KINDS; ++kind) problem_free(fixed[kind]);
    test_no_bytes();
    test_strings();
    test_short_forms();
    test_fold();
    test_fold_next();
    test_large_empty();
    test_empty_parts();
    ok(nrm_version() == NRM_VERSION, "the version of the header is that of its code");
    return done_testing();
}
