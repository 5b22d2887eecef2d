/* test_validation.c - the checks of sizes and of overlap against plain definitions, over random
 * calls: sizes against arithmetic of twice the width, overlap against a map of every byte.
 *
 *   ./t [first seed]     to search further
 */
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#define SIZE_CALLS 400000
#define PLACINGS 200000

static uint64_t first_seed = 1;

/* y in the other layout; of 16-bit data the types of parameters and residuals. */
static void draw_tensor_options(gen *g, nrm_desc *d)
{
    d->transpose_y = gen_one_in(g, 3);
    d->param_half = type_is_half(d->dtype) && gen_one_in(g, 2);
    d->wide_residual = type_is_half(d->dtype) && gen_one_in(g, 2);
}

/* ---- 1 Sizes --------------------------------------------------------------------------------- */

#if SIZE_MAX <= 0xffffffffu
typedef uint64_t wide;
#define WIDE_BITS 64
#elif defined(__SIZEOF_INT128__)
typedef unsigned __int128 wide;
#define WIDE_BITS 128
#endif

#ifdef WIDE_BITS
/* Products stop growing here, which is far above what fits. */
#define ENOUGH ((wide)1 << (WIDE_BITS - 4))

static wide times(wide a, wide b)
{
    return b && a > ENOUGH / b ? ENOUGH : a * b;
}

static int fits(wide bytes)
{
    return bytes <= SIZE_MAX;
}

/* Small, or about a power of two, its neighbours and multiples of it. */
static size_t draw_size(gen *g)
{
    const size_t bits = sizeof(size_t) * 8, power = (size_t)1 << gen_below(g, bits);
    switch (gen_below(g, 8)) {
    case 0: return power;
    case 1: return power - 1 + gen_below(g, 3);
    case 2: return power + power / 2 + gen_below(g, 3);
    case 3: return SIZE_MAX / (1 + gen_below(g, 24)) + gen_below(g, 3);
    case 4: return (size_t)gen_u64(g) >> gen_below(g, bits);
    default: return 1 + gen_below(g, 9);
    }
}

static size_t draw_pitch_size(gen *g, size_t least)
{
    if (gen_one_in(g, 2)) return 0;
    return gen_one_in(g, 2) ? least + gen_below(g, 3) - 1 : draw_size(g);
}

static nrm_desc draw_sizes(gen *g)
{
    nrm_desc d;
    size_t of[3];
    int i;
    memset(&d, 0, sizeof d);
    d.kind = (nrm_kind)gen_below(g, KINDS), d.layout = (nrm_layout)gen_below(g, LAYOUTS);
    d.dtype = (nrm_dtype)gen_below(g, TYPES), d.affine_per_sample = gen_one_in(g, 2), d.eps = 1e-5;
    for (i = 0; i < 3; ++i) of[i] = gen_one_in(g, 2) ? 1 + gen_below(g, 9) : draw_size(g);
    if (gen_one_in(g, 3)) { /* a product of about 2^64, 2^63, ... */
        of[0] = gen_one_in(g, 2) ? 1 : of[0];
        of[2] = SIZE_MAX / (of[0] ? of[0] : 1) / (of[1] ? of[1] : 1) / (1 + gen_below(g, 9)) +
                gen_below(g, 2);
    }
    i = (int)gen_below(g, 3);
    d.n = of[i], d.c = of[(i + 1) % 3], d.s = of[(i + 2) % 3];
    if (!d.n) d.n = 1;
    if (!d.c) d.c = 1;
    d.groups = 1; /* or all, or a divisor */
    if (gen_one_in(g, 2)) d.groups = d.c % 2 || gen_one_in(g, 2) ? d.c : d.c / 2;
    d.x_pitch.line = draw_pitch_size(g, d.layout == NRM_NCHW ? d.s : d.c);
    d.y_pitch.line = draw_pitch_size(g, d.layout == NRM_NCHW ? d.s : d.c);
    d.x_pitch.sample = draw_pitch_size(g, d.c * d.s);
    d.y_pitch.sample = draw_pitch_size(g, d.c * d.s);
    draw_tensor_options(g, &d);
    return d;
}

/* The widest of the tensors that have this pitch counts. */
static int pitch_fits(const nrm_desc *d, nrm_pitch p, int of_y)
{
    const int nchw = (d->layout == NRM_NCHW) != (of_y && d->transpose_y);
    const wide s = d->s ? d->s : 1, lines = nchw ? d->c : s;
    const wide width = nchw ? s : d->c, line = p.line ? p.line : width;
    const wide sample = p.sample ? p.sample : times(lines, line);
    return line >= width && sample >= times(lines, line) &&
           fits(times(times(d->n, sample), slot_size(d, of_y ? SLOT_Y : SLOT_RESIDUAL)));
}

static wide statistics(const nrm_desc *d)
{
    switch (d->kind) {
    case NRM_BATCH: return d->c;
    case NRM_INSTANCE: return times(d->n, d->c);
    case NRM_GROUP: return times(d->n, d->groups);
    default: return times(d->n, d->s ? d->s : 1);
    }
}

/* What A6 and the comments of nrm_status say, by the letter. */
static int all_fits(const nrm_desc *d)
{
    const wide parameters = d->affine_per_sample ? times(d->n, d->c) : d->c;
    return fits(times(statistics(d), 8)) && fits(times(d->c, sizeof(nrm_moments))) &&
           fits(times(parameters, slot_size(d, SLOT_GAMMA))) &&
           pitch_fits(d, d->x_pitch, 0) && pitch_fits(d, d->y_pitch, 1);
}

/* By nrm_stat_count, and by each verb without any pointer, which is found wrong after sizes are. */
static void check_sizes(gen *g, const nrm_desc *d, unsigned long *accepted)
{
    const int verb = (int)gen_below(g, VERBS), right = all_fits(d);
    const size_t count = nrm_stat_count(d);
    nrm_args a;
    memset(&a, 0, sizeof a);
    *accepted += (unsigned long)right;
    check(count == (right ? (size_t)statistics(d) : 0),
          "nrm_stat_count %zu of %s %s %s, %zux%zux%zu, groups %zu, per sample %d, "
          "x_pitch %zu %zu, y_pitch %zu %zu, options %d%d%d", count, kind_name[d->kind],
          layout_name[d->layout], type_name[d->dtype], d->n, d->c, d->s, d->groups,
          d->affine_per_sample,
          d->x_pitch.sample, d->x_pitch.line, d->y_pitch.sample, d->y_pitch.line, d->param_half,
          d->wide_residual, d->transpose_y);
    check(right || !nrm_workspace_size(d, 3), "nrm_workspace_size of what does not fit");
    if (!verb_fits((enum verb)verb, d->kind)) return;
    check(verb_call((enum verb)verb, d, &a, NULL, NULL) == (right ? NRM_ERR_NULL : NRM_ERR_SIZE),
          "%s of %zux%zux%zu: not %s", verb_name[verb], d->n, d->c, d->s,
          nrm_status_string(right ? NRM_ERR_NULL : NRM_ERR_SIZE));
}

static void test_sizes(void)
{
    gen g = gen_seed(first_seed);
    unsigned long i, accepted = 0;
    group("sizes against %d-bit arithmetic", WIDE_BITS);
    for (i = 0; i < SIZE_CALLS; ++i) {
        const nrm_desc d = draw_sizes(&g);
        if (type_is_here(d.dtype)) check_sizes(&g, &d, &accepted);
    }
    check(accepted > SIZE_CALLS / 8 && accepted < SIZE_CALLS / 8 * 7, "%lu accepted", accepted);
    group_end();
}
#else
static void test_sizes(void)
{
    note("sizes are not compared: there is no integer of 128 bits");
}
#endif

/* 16-bit data with parameters of its own for each sample: n*c values of 2 bytes fit, n*c parameters
   of 4 wrap to 0 bytes, and gamma could have been y itself. y overlaps x, so that the call is
   refused in any case. */
static void test_parameters_wrap(nrm_dtype type)
{
    static unsigned char base[64];
    const size_t half = (size_t)1 << (sizeof(size_t) * 4 - 1); /* half * half * 4 is 2^64 */
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_LAYER, d.dtype = type, d.n = d.c = half, d.s = 1, d.eps = 1e-5;
    a.x = base, a.y = base + 2, a.gamma = base + 2;
    d.affine_per_sample = 1;
    ok(nrm_forward(&d, &a) == NRM_ERR_SIZE, "%s: 4 * n*c bytes of gamma wrap", type_name[type]);
    d.n = half - 1;
    ok(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "%s: a sample less", type_name[type]);
    d.n = half, d.affine_per_sample = 0;
    ok(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "%s: c parameters", type_name[type]);
}

/* ---- 2 Overlap ------------------------------------------------------------------------------- */

#define WORKSPACE SLOTS  /* one more buffer */
#define ZONE 640         /* bytes: no buffer is larger */
#define ARENA (ZONE * (SLOTS + 3))

static unsigned char arena[ARENA], before[ARENA];

typedef struct placing {
    problem p; /* without values */
    enum verb verb;
    unsigned char *at[SLOTS + 1];
    size_t bytes[SLOTS + 1];
    char role[SLOTS + 1];
    size_t lengths[3]; /* where they are to lie, they are written for the time of the call */
} placing;

static nrm_pitch draw_pitch(gen *g, const nrm_desc *all, enum slot slot)
{
    const nrm_desc d = slot_desc(all, slot);
    nrm_pitch p = {0, 0};
    if (gen_one_in(g, 2)) p.line = line_length(&d) + gen_below(g, 4);
    if (gen_one_in(g, 2))
        p.sample = line_count(&d) * (p.line ? p.line : line_length(&d)) + gen_below(g, 5);
    return p;
}

static void draw_desc(gen *g, nrm_desc *d)
{
    d->kind = (nrm_kind)gen_below(g, KINDS), d->layout = (nrm_layout)gen_below(g, LAYOUTS);
    do
        d->dtype = (nrm_dtype)gen_below(g, TYPES);
    while (!type_is_here(d->dtype));
    d->act = (nrm_act)gen_below(g, ACTS), d->affine_per_sample = gen_one_in(g, 3), d->eps = 1e-5;
    d->n = 1 + gen_below(g, 3), d->c = 1 + gen_below(g, 3), d->s = 1 + gen_below(g, 3);
    d->groups = gen_one_in(g, 2) ? 1 : d->c;
    if (gen_one_in(g, 2)) draw_tensor_options(g, d);
    d->x_pitch = draw_pitch(g, d, SLOT_X);
    d->y_pitch = !d->transpose_y && gen_one_in(g, 2) ? d->x_pitch : draw_pitch(g, d, SLOT_Y);
}

/* Optional buffers are given or not; not those that the call may leave alone. */
static void draw_given(gen *g, placing *q)
{
    const nrm_desc *d = &q->p.d;
    q->p.given = (unsigned)gen_u64(g) | 1u << SLOT_DX; /* one output at least */
    q->p.absent = (unsigned)gen_u64(g);
    if ((q->p.given & GIVEN_Q8) != GIVEN_Q8) q->p.given &= ~GIVEN_Q8;
    if (!(q->p.given >> SLOT_GATE & 1)) q->p.given &= ~(1u << SLOT_DGATE);
    if (!verb_adds(&q->p, q->verb)) q->p.given &= ~(1u << SLOT_BETA | 1u << SLOT_ADD);
    if (q->verb == VERB_BACKWARD_REDUCE && !verb_adds(&q->p, q->verb) && !d->affine_per_sample)
        q->p.given &= ~(1u << SLOT_GAMMA);
    q->p.running_rate = 0.1, q->p.running_population = 1, q->p.accumulate = gen_one_in(g, 2);
}

/* Every buffer in a zone of its own, then one or two of them at or near another. */
static void draw_placing(gen *g, placing *q)
{
    int slot, moves;
    memset(q, 0, sizeof *q);
    draw_desc(g, &q->p.d);
    do
        q->verb = (enum verb)gen_below(g, VERBS);
    while (!verb_fits(q->verb, q->p.d.kind));
    draw_given(g, q);
    for (slot = SLOT_X; slot <= WORKSPACE; ++slot) {
        q->role[slot] = slot == WORKSPACE ? (gen_one_in(g, 2) ? 'O' : '.')
                                          : slot_role(&q->p, q->verb, (enum slot)slot);
        if (q->role[slot] == '.') continue;
        q->at[slot] = arena + (size_t)(slot + 1) * ZONE;
        q->bytes[slot] = slot == WORKSPACE ? 1 + gen_below(g, 64)
                                           : slot_bytes(&q->p.d, (enum slot)slot);
    }
    for (slot = 0; slot < 3; ++slot) q->lengths[slot] = gen_below(g, q->p.d.s + 1);
    for (moves = 1 + gen_one_in(g, 4); moves > 0; --moves) {
        const size_t size = type_size(q->p.d.dtype);
        const size_t most = gen_one_in(g, 3) ? WORKSPACE : SLOT_DY;
        ptrdiff_t by;
        int a, b;
        do
            a = 1 + (int)gen_below(g, most);
        while (!q->at[a]);
        do
            b = 1 + (int)gen_below(g, WORKSPACE);
        while (!q->at[b] || a == b);
        by = (ptrdiff_t)gen_below(g, q->bytes[a] + q->bytes[b] + 3) - (ptrdiff_t)q->bytes[a] - 1;
        if (!gen_one_in(g, 4)) by = by / (ptrdiff_t)size * (ptrdiff_t)size;
        q->at[a] = q->at[b] + (gen_one_in(g, 3) ? 0 : by);
    }
}

/* Adds 1 to each byte of a buffer's elements. */
static void mark(const placing *q, int slot, unsigned char *map)
{
    const nrm_desc d = slot_desc(&q->p.d, (enum slot)slot);
    unsigned char *at = map + (q->at[slot] - arena);
    const nrm_pitch p = full_pitch(&q->p.d, (enum slot)slot);
    const size_t size = slot_size(&d, (enum slot)slot), width = line_length(&d) * size;
    size_t i, line, byte;
    for (i = 0; i < d.n; ++i)
        for (line = 0; line < line_count(&d); ++line)
            for (byte = 0; byte < width; ++byte)
                ++at[(i * p.sample + line * p.line) * size + byte];
}

static int elements_overlap(const placing *q, int a, int b)
{
    static unsigned char map[ARENA];
    size_t i;
    memset(map, 0, sizeof map);
    mark(q, a, map), mark(q, b, map);
    for (i = 0; i < ARENA; ++i)
        if (map[i] > 1) return 1;
    return 0;
}

static int may_be_one(int out, int in)
{
    switch (out) {
    case SLOT_Y: return in == SLOT_X || in == SLOT_RESIDUAL || in == SLOT_ADD || in == SLOT_GATE;
    case SLOT_SUM: return in == SLOT_X || in == SLOT_RESIDUAL;
    case SLOT_DX: return in == SLOT_X || in == SLOT_DY || in == SLOT_DSUM;
    case SLOT_DADD: return in == SLOT_DY || in == SLOT_ADD;
    case SLOT_DGATE: return in == SLOT_DY || in == SLOT_GATE;
    case SLOT_DRESIDUAL: return in == SLOT_RESIDUAL || in == SLOT_DSUM;
    default: return 0;
    }
}

/* One layout, one size of elements, and the pitch that counts: not of a single line, nor of a
   single sample. */
static int equal_pitches(const nrm_desc *d, int a, int b)
{
    const nrm_pitch p = full_pitch(d, (enum slot)a), q = full_pitch(d, (enum slot)b);
    const nrm_desc own = slot_desc(d, (enum slot)a);
    if (!slots_lie_alike(d, (enum slot)a, (enum slot)b)) return 0;
    return (line_count(&own) == 1 || p.line == q.line) && (d->n == 1 || p.sample == q.sample);
}

/* A6: an output may be an input of equal pitch, in some cases. Else elements must not meet where
   pitches, layouts and types are equal, and the ranges of bytes must not where they are not. */
static int clash(const placing *q, int a, int b)
{
    const nrm_desc *d = &q->p.d;
    if (!role_writes(q->role[a]) && !role_writes(q->role[b])) return 0;
    if (q->at[a] >= q->at[b] + q->bytes[b] || q->at[b] >= q->at[a] + q->bytes[a]) return 0;
    if (a == WORKSPACE || b == WORKSPACE) return 1;
    if (!slot_is_tensor((enum slot)a) || !slot_is_tensor((enum slot)b)) return 1;
    if (!equal_pitches(d, a, b)) return 1;
    if (q->at[a] == q->at[b] && (may_be_one(a, b) || may_be_one(b, a))) return 0;
    return elements_overlap(q, a, b);
}

static int any_clash(const placing *q)
{
    int a, b;
    for (a = SLOT_X; a <= WORKSPACE; ++a)
        for (b = a + 1; b <= WORKSPACE; ++b)
            if (q->at[a] && q->at[b] && clash(q, a, b)) return 1;
    return 0;
}

static const char *placing_text(const placing *q)
{
    static char text[800];
    const nrm_desc *d = &q->p.d;
    int slot, used = snprintf(text, sizeof text,
                              "%s, %s %s %s %zux%zux%zu, options %d%d%d, x_pitch %zu %zu, "
                              "y_pitch %zu %zu:",
                              verb_name[q->verb], kind_name[d->kind], layout_name[d->layout],
                              type_name[d->dtype], d->n, d->c, d->s, d->param_half,
                              d->wide_residual, d->transpose_y, d->x_pitch.sample,
                              d->x_pitch.line, d->y_pitch.sample, d->y_pitch.line);
    for (slot = SLOT_X; slot <= WORKSPACE && used < (int)sizeof text - 40; ++slot)
        if (q->at[slot])
            used += snprintf(text + used, sizeof text - (size_t)used, " %s %td",
                             slot == WORKSPACE ? "workspace" : slot_name[slot],
                             q->at[slot] - arena);
    return text;
}

/* 1 when the call is found wrong, and has written nothing. */
static int check_placing(const placing *q)
{
    const int wrong = any_clash(q);
    nrm_desc d = q->p.d;
    nrm_args a;
    nrm_status status;
    memset(&a, 0, sizeof a);
    slots_into(&a, q->at);
    if (q->at[SLOT_LENGTHS]) {
        memcpy(q->at[SLOT_LENGTHS], q->lengths, q->bytes[SLOT_LENGTHS]);
        memcpy(before + (q->at[SLOT_LENGTHS] - arena), q->lengths, q->bytes[SLOT_LENGTHS]);
    }
    a.running_rate = q->p.running_rate, a.running_population = q->p.running_population;
    a.accumulate = q->p.accumulate;
    a.workspace = q->at[WORKSPACE], a.workspace_size = q->bytes[WORKSPACE];
    status = verb_call(q->verb, &d, &a, q->at[SLOT_MOMENTS], q->at[SLOT_SUMS]);
    check(wrong ? status == NRM_ERR_ALIAS : status == NRM_OK || status == NRM_ERR_NONFINITE,
          "%s, but buffers %s: %s", nrm_status_string(status), wrong ? "clash" : "do not clash",
          placing_text(q));
    if (status == NRM_ERR_ALIAS)
        check(!memcmp(arena, before, ARENA), "wrote: %s", placing_text(q));
    else
        memcpy(arena, before, ARENA);
    return wrong;
}

static void test_overlap(void)
{
    gen g = gen_seed(first_seed + 1);
    unsigned long i, wrong = 0;
    for (i = 0; i < ARENA; ++i) before[i] = (unsigned char)(0x3c + gen_below(&g, 4));
    memcpy(arena, before, ARENA);
    group("overlap against a map of every byte");
    for (i = 0; i < PLACINGS; ++i) {
        placing q;
        draw_placing(&g, &q);
        wrong += (unsigned long)check_placing(&q);
    }
    check(wrong > PLACINGS / 8 && wrong < PLACINGS / 8 * 7, "%lu clash", wrong);
    group_end();
}

int main(int argc, char **argv)
{
    if (argc > 1) first_seed = strtoull(argv[1], NULL, 10);
    test_sizes();
    if (type_is_here(NRM_BF16)) test_parameters_wrap(NRM_BF16);
    if (type_is_here(NRM_F16)) test_parameters_wrap(NRM_F16);
    test_overlap();
    return done_testing();
}
