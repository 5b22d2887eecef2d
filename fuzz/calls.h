/* calls.h - calls as no one should make them: descriptions out of range, sizes whose products do
 * not fit, pitches too small, pointers that are NULL, anywhere, or in the middle of another buffer.
 * What is wrong with a call is worked out here from the manual; the library must say one of these
 * things and write nothing, or, when nothing is wrong, write nothing but its outputs' elements.
 *
 * All buffers lie in one arena, so that whatever is not huge is memory of this program. Include
 * decode.h, report.h and check.h before it.
 */
#ifndef CALLS_H
#define CALLS_H

#define ARENA 45056
#define PLACE 1792       /* bytes from one buffer's own place to the next */
#define WORKSPACE SLOTS  /* its place comes before that of add            */
#define MOST_LENGTHS 64  /* of more samples none are given                */

static unsigned char arena[ARENA], arena_before[ARENA], arena_outputs[ARENA];

typedef struct hostile {
    nrm_desc d;
    nrm_args a;
    enum verb verb;
    unsigned char *at[SLOTS + 1];
    size_t workspace_size;
    test_pool pool;
    int with_pool;          /* 0 none, 1 a good one, 2 without run, 3 without run but one thread */
    int without;            /* 1 desc NULL, 2 args NULL                                          */
    int zero_s;             /* s = 0 is passed, which means 1: d.s is 1                          */
    size_t lengths[MOST_LENGTHS];
    int too_long;           /* one of them is more than s                                        */
    unsigned certain, possible; /* statuses: a bit each                                          */
    int huge;               /* fits size_t but not the arena                                     */
    const char *why;        /* the last of the reasons                                           */
} hostile;

#define STATUS(s) (1u << (s))

/* ---- decoding -------------------------------------------------------------------------------- */

static inline size_t hostile_size(bytes *b)
{
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 4 + 1,
                                  SIZE_MAX / 8 + 1, SIZE_MAX / 3, (size_t)1 << 31, (size_t)1 << 20};
    const unsigned u = next_byte(b);
    if (u >= 240) return huge[u % 8] - (u & 8 ? next_byte(b) % 4 : 0);
    return u >= 224 ? 0 : 1 + u % 6;
}

static inline nrm_pitch hostile_pitch(bytes *b, const nrm_desc *d)
{
    nrm_pitch p = {0, 0};
    const unsigned how = next_byte(b);
    if (how & 1) p.line = line_length(d) + (how >> 1 & 3) - (how >= 224);
    if (how & 8) p.sample = line_count(d) * (p.line ? p.line : line_length(d)) + (how >> 4 & 7);
    if (how == 254) p.sample = hostile_size(b), p.line = hostile_size(b);
    return p;
}

static inline double hostile_number(unsigned u, double good)
{
    const double odd[] = {-1, -1e-300, INFINITY, -INFINITY, (double)NAN, 1.0000001, 1e308, -0.0};
    return u >= 224 ? odd[u % 8] : good;
}

/* A buffer's own place, NULL, another's, near another's, or anywhere. */
static inline unsigned char *hostile_place(bytes *b, const hostile *h, int slot)
{
    const unsigned how = next_byte(b);
    const unsigned slots = slot >= SLOT_ADD && slot != WORKSPACE ? SLOT_DRESIDUAL : SLOT_ADD;
    const unsigned other = how >= 128 ? next_byte(b) % (slots + 1) : 0;
    const int apart = how >= 128 ? (int)(signed char)next_byte(b) : 0;
    const int from = other == slots ? WORKSPACE : (int)other;
    const ptrdiff_t size = (ptrdiff_t)type_size((unsigned)h->d.dtype < 4 ? h->d.dtype : NRM_F32);
    const int place = slot == WORKSPACE ? SLOT_ADD : slot < SLOT_ADD ? slot
                    : slot > SLOT_LENGTHS ? SLOT_LENGTHS + 1 : slot + 1;
    ptrdiff_t at = place * PLACE + (ptrdiff_t)(how & 7);
    if (slot == SLOT_Q8) at += 512; /* these three are short */
    if (slot == SLOT_Q8_SCALE) at += 1024;
    if (how >= 112 && how < 128) return NULL;
    if (how >= 128) at = h->at[from] ? h->at[from] - arena : 0;
    if (how >= 170) at += how >= 210 ? apart : apart * size;
    if (how == 255) at = 128 * ((ptrdiff_t)other + 1) + apart;
    return arena + (at < 0 ? 0 : at >= ARENA ? ARENA - 1 : at);
}

static inline void hostile_point(hostile *h)
{
    nrm_args *a = &h->a;
    slots_into(a, h->at);
    a->workspace = h->at[WORKSPACE], a->workspace_size = h->workspace_size;
    if (h->with_pool) a->pool = pool_point(&h->pool);
}

/* What follows the norm, of bytes that come last and begin with 0xa0 to 0xaf: older inputs have
   none of it. */
static inline void hostile_around(bytes *b, hostile *h)
{
    const unsigned which = next_byte(b), act = next_byte(b);
    int slot;
    if (which >> 4 != 10) return;
    if (act >= 128) h->d.act = (nrm_act)(act % ACTS);
    h->d.act_slope = hostile_number(next_byte(b), 0.1);
    h->d.act_low = hostile_number(next_byte(b), 0);
    h->d.act_high = hostile_number(next_byte(b), 6);
    for (slot = SLOT_ADD; slot < SLOT_DRESIDUAL; ++slot)
        if (which >> (slot - SLOT_ADD) & 1) h->at[slot] = hostile_place(b, h, slot);
}

/* Tensors as networks have them, of bytes that come after those and begin with 0xb0 to 0xbf. */
static inline void hostile_tensors(bytes *b, hostile *h)
{
    const unsigned which = next_byte(b), options = next_byte(b);
    size_t i;
    int slot;
    if (which >> 4 != 11) return;
    h->d.param_half = options & 1, h->d.wide_residual = options >> 1 & 1;
    h->d.transpose_y = options >> 2 & 1;
    for (slot = SLOT_DRESIDUAL; slot < SLOTS; ++slot)
        if (which >> (slot - SLOT_DRESIDUAL) & 1) h->at[slot] = hostile_place(b, h, slot);
    if (h->d.n > MOST_LENGTHS) h->at[SLOT_LENGTHS] = NULL;
    if (h->at[SLOT_LENGTHS] > arena + ARENA - sizeof h->lengths)
        h->at[SLOT_LENGTHS] = arena + ARENA - sizeof h->lengths;
    for (i = 0; h->at[SLOT_LENGTHS] && i < h->d.n; ++i) {
        const unsigned u = next_byte(b);
        h->lengths[i] = u >= 250 ? h->d.s + (u - 249) : u % (h->d.s < 255 ? h->d.s + 1 : 256);
    }
}

static inline void hostile_decode(hostile *h, const unsigned char *data, size_t size)
{
    bytes b;
    unsigned u;
    int slot;
    memset(h, 0, sizeof *h);
    b.at = data, b.left = size;
    h->verb = (enum verb)(next_byte(&b) % VERBS);
    u = next_byte(&b), h->d.kind = (nrm_kind)(u >= 250 ? (int)u - 252 : (int)u % 5);
    u = next_byte(&b), h->d.dtype = (nrm_dtype)(u >= 250 ? (int)u - 252 : (int)u % 4);
    u = next_byte(&b), h->d.layout = (nrm_layout)(u >= 250 ? (int)u - 252 : (int)u & 1);
    h->d.act = (nrm_act)(u >= 240 && u < 250 ? (int)u - 242 : (int)u >> 1 & 1);
    h->d.affine_per_sample = u >> 2 & 1, h->a.accumulate = u >> 3 & 1;
    h->a.running_population = u >> 4 & 1, h->with_pool = (int)(u >> 5 & 3);
    h->d.n = hostile_size(&b), h->d.c = hostile_size(&b), h->d.s = hostile_size(&b);
    if (!h->d.s) h->zero_s = 1, h->d.s = 1;
    u = next_byte(&b), h->d.groups = u >= 200 ? hostile_size(&b) : decode_groups(u, h->d.c % 97);
    h->d.eps = hostile_number(next_byte(&b), 1e-5);
    h->d.gamma_offset = hostile_number(next_byte(&b), 1);
    h->a.running_rate = hostile_number(next_byte(&b), 0.1);
    u = next_byte(&b), h->a.isa = (nrm_isa)(u >= 224 ? (int)u % 16 - 4 : (int)(u & 1));
    h->without = u == 222 ? 1 : u == 223 ? 2 : 0;
    h->d.x_pitch = hostile_pitch(&b, &h->d);
    u = next_byte(&b);
    h->d.y_pitch = u & 1 ? hostile_pitch(&b, &h->d) : h->d.x_pitch;
    h->workspace_size = u & 2 ? next_byte(&b) : 0;
    for (slot = SLOT_X; slot < SLOT_ADD; ++slot) h->at[slot] = hostile_place(&b, h, slot);
    h->at[WORKSPACE] = hostile_place(&b, h, WORKSPACE);
    hostile_around(&b, h);
    hostile_tensors(&b, h);
    h->pool = pool_new(POOL_BACKWARDS, h->with_pool == 3 ? 1 : 3, 1);
    if (h->with_pool > 1) h->pool.pool.run = NULL;
}

/* ---- what is wrong --------------------------------------------------------------------------- */

static inline void wrong(hostile *h, int certain, nrm_status status, const char *why)
{
    if (certain) h->why = why;
    *(certain ? &h->certain : &h->possible) |= STATUS(status);
}

/* Bytes, beyond size_t too; a pitch that is too small gives -1. */
static inline long double tensor_reach(const nrm_desc *d, int of_y, long double *spare)
{
    const nrm_desc own = slot_desc(d, of_y ? SLOT_Y : SLOT_X);
    const nrm_pitch p = of_y ? d->y_pitch : d->x_pitch;
    const long double lines = (long double)line_count(&own), width = (long double)line_length(&own);
    const long double line = p.line ? (long double)p.line : width;
    const long double sample = p.sample ? (long double)p.sample : lines * line;
    const long double size = (long double)slot_size(d, of_y ? SLOT_Y : SLOT_RESIDUAL);
    if (line < width || sample < lines * line) return -1;
    *spare = (long double)d->n * sample * size;
    return (((long double)d->n - 1) * sample + (lines - 1) * line + width) * size;
}

static inline void judge_sizes(hostile *h)
{
    const nrm_desc *d = &h->d;
    const long double n = (long double)d->n, c = (long double)d->c, s = (long double)d->s;
    const long double most = (long double)SIZE_MAX, groups = (long double)d->groups;
    const long double parameter = (long double)slot_size(d, SLOT_GAMMA);
    long double reach[6], spare[2] = {0, 0};
    const int empty = !d->n || !d->c;
    size_t i;
    reach[0] = n * c * s * (long double)type_size(d->dtype);
    reach[1] = tensor_reach(d, 0, &spare[0]);
    reach[2] = tensor_reach(d, 1, &spare[1]);
    reach[3] = c * 24;
    reach[4] = (d->affine_per_sample ? n * c : c) * parameter;
    reach[5] = (d->kind == NRM_BATCH      ? c
                : d->kind == NRM_INSTANCE ? n * c
                : d->kind == NRM_GROUP    ? n * groups
                                          : n * s) * 8;
    for (i = 0; i < 6; ++i) {
        if (empty && i < 3) continue; /* tensors without elements; statistics are counted still */
        if (reach[i] < 0) wrong(h, 1, NRM_ERR_SIZE, "a pitch is too small");
        if (reach[i] > 1.001L * most) wrong(h, 1, NRM_ERR_SIZE, "a size");
        if (reach[i] > 0.999L * most) wrong(h, 0, NRM_ERR_SIZE, "");
        if (reach[i] > PLACE * 8) h->huge = 1;
    }
    if (!empty && (spare[0] > 0.999L * most || spare[1] > 0.999L * most))
        wrong(h, 0, NRM_ERR_SIZE, "");
    for (i = 0; h->at[SLOT_LENGTHS] && i < d->n && !empty; ++i)
        if (h->lengths[i] > d->s) h->too_long = 1, wrong(h, 1, NRM_ERR_SIZE, "a length");
}

static inline int reads_gamma_surely(const hostile *h)
{
    return h->verb != VERB_BACKWARD_REDUCE || h->d.act != NRM_IDENTITY || h->a.gate ||
           h->d.affine_per_sample;
}

/* A slope that is infinite as a float alone may be either. */
static inline void judge_act(hostile *h)
{
    const nrm_desc *d = &h->d;
    const double slope = fabs(d->act_slope);
    if (d->act == NRM_LEAKY_RELU && !(slope <= DBL_MAX)) wrong(h, 1, NRM_ERR_DESC, "act_slope");
    if (d->act == NRM_LEAKY_RELU && slope > FLT_MAX) wrong(h, 0, NRM_ERR_DESC, "");
    if (d->act == NRM_CLIP && !(d->act_low <= d->act_high))
        wrong(h, 1, NRM_ERR_DESC, "act_low and act_high");
}

/* Options and pointers that ask for a type or a kind. */
static inline void judge_tensors(hostile *h, int empty)
{
    const nrm_desc *d = &h->d;
    const int half = type_is_half(d->dtype), rows = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    if ((d->param_half || d->wide_residual) && !half) wrong(h, 1, NRM_ERR_DESC, "half options");
    if (verb_roles[h->verb][SLOT_DRESIDUAL] != '.' && h->at[SLOT_DRESIDUAL] && !d->wide_residual)
        wrong(h, 1, NRM_ERR_DESC, "dresidual");
    if (h->verb != VERB_FORWARD || (!h->at[SLOT_Q8] && !h->at[SLOT_Q8_SCALE])) return;
    if (!rows || d->dtype == NRM_F64) wrong(h, 1, NRM_ERR_DESC, "q8");
    if (!h->at[SLOT_Q8] || !h->at[SLOT_Q8_SCALE]) wrong(h, !empty, NRM_ERR_NULL, "half of q8");
}

/* Whether the unbiased variance of one value is asked for. */
static inline int one_value(const hostile *h)
{
    const nrm_desc *d = &h->d;
    size_t i, all = 0, one = 0;
    if (!h->at[SLOT_LENGTHS]) return (d->kind == NRM_BATCH ? d->n * d->s : d->s) == 1;
    for (i = 0; i < d->n; ++i) all += h->lengths[i], one += h->lengths[i] == 1;
    return d->kind == NRM_BATCH ? all == 1 : one > 0;
}

/* All but sizes and overlap. */
static inline void judge_values(hostile *h, const problem *p, int empty)
{
    const nrm_desc *d = &h->d;
    int slot;
    const int writes = role_writes(slot_role(p, h->verb, SLOT_RUNNING_MEAN)) ||
                       role_writes(slot_role(p, h->verb, SLOT_RUNNING_VAR));
    if (!verb_fits(h->verb, d->kind)) wrong(h, 1, NRM_ERR_DESC, "a kind unfit for the call");
    if (d->kind == NRM_GROUP && (!d->groups || d->c % d->groups))
        wrong(h, 1, NRM_ERR_DESC, "groups that do not divide c");
    if (!(d->eps >= 0 && d->eps <= DBL_MAX)) wrong(h, 1, NRM_ERR_EPS, "eps");
    if (!(fabs(d->gamma_offset) <= DBL_MAX) && h->a.gamma && h->verb != VERB_REDUCE)
        wrong(h, reads_gamma_surely(h), NRM_ERR_DESC, "gamma_offset");
    judge_act(h);
    judge_tensors(h, empty);
    if (writes && !(h->a.running_rate >= 0 && h->a.running_rate <= 1))
        wrong(h, 1, NRM_ERR_RATE, "running_rate");
    if (writes) wrong(h, 0, NRM_ERR_NONFINITE, "");
    if (h->a.isa != NRM_AUTO && !nrm_has_isa(h->a.isa)) wrong(h, 1, NRM_ERR_ISA, "isa");
    if (h->with_pool == 2) wrong(h, !empty, NRM_ERR_NULL, "a pool without run");
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        const char role = slot_role(p, h->verb, (enum slot)slot);
        if ((role != 'I' && role != 'O') || h->at[slot]) continue;
        if (slot >= SLOT_MOMENTS ? d->c > 0 : !empty) wrong(h, 1, NRM_ERR_NULL, slot_name[slot]);
    }
    if ((h->verb == VERB_BACKWARD || h->verb == VERB_INFER_BACKWARD) && !empty && !h->a.dx &&
        !h->a.dgamma && !h->a.dbeta && !h->a.dresidual && !h->a.dadd && !h->a.dgate)
        wrong(h, 1, NRM_ERR_NULL, "no output");
    if (role_writes(slot_role(p, h->verb, SLOT_DGATE)) && !h->a.gate)
        wrong(h, !empty, NRM_ERR_NULL, "dgate without gate");
    if (role_writes(slot_role(p, h->verb, SLOT_RUNNING_VAR)) && !h->a.running_population)
        wrong(h, h->verb == VERB_FORWARD && !empty && one_value(h), NRM_ERR_SAMPLES, "one value");
}

/* ---- overlap --------------------------------------------------------------------------------- */

static inline size_t hostile_bytes(const hostile *h, int slot)
{
    return slot == WORKSPACE ? h->workspace_size : slot_bytes(&h->d, (enum slot)slot);
}

/* Adds 1 to the bytes of a buffer's elements. */
static inline void mark_bytes(const hostile *h, int slot, unsigned char *field)
{
    const nrm_desc *d = &h->d, own = slot_desc(d, (enum slot)slot);
    unsigned char *at = field + (h->at[slot] - arena);
    size_t i, line, k, size, bytes = hostile_bytes(h, slot);
    nrm_pitch p;
    if (slot == WORKSPACE || !slot_is_tensor((enum slot)slot)) {
        for (k = 0; k < bytes; ++k) ++at[k];
        return;
    }
    p = full_pitch(d, (enum slot)slot), size = slot_size(d, (enum slot)slot);
    for (i = 0; i < d->n && bytes; ++i)
        for (line = 0; line < line_count(&own); ++line)
            for (k = 0; k < size * line_length(&own); ++k)
                ++at[size * (i * p.sample + line * p.line) + k];
}

static inline int elements_overlap(const hostile *h, int a, int b)
{
    static unsigned char field[ARENA];
    size_t i;
    memset(field, 0, sizeof field);
    mark_bytes(h, a, field);
    mark_bytes(h, b, field);
    for (i = 0; i < ARENA; ++i)
        if (field[i] > 1) return 1;
    return 0;
}

static inline int may_be_one(int out, int other)
{
    if (out == SLOT_Y && (other == SLOT_ADD || other == SLOT_GATE)) return 1;
    if (out == SLOT_Y || out == SLOT_SUM) return other == SLOT_X || other == SLOT_RESIDUAL;
    if (out == SLOT_DADD) return other == SLOT_DY || other == SLOT_ADD;
    if (out == SLOT_DGATE) return other == SLOT_DY || other == SLOT_GATE;
    if (out == SLOT_DRESIDUAL) return other == SLOT_RESIDUAL || other == SLOT_DSUM;
    return out == SLOT_DX && (other == SLOT_X || other == SLOT_DY || other == SLOT_DSUM);
}

/* Complete, and those that lead nowhere, of one sample or of one line, as if packed. */
static inline nrm_pitch plain_pitch(const nrm_desc *d, int slot)
{
    const nrm_desc own = slot_desc(d, (enum slot)slot);
    nrm_pitch p = full_pitch(d, (enum slot)slot);
    if (line_count(&own) == 1) p.line = line_length(&own);
    if (d->n == 1) p.sample = line_count(&own) * p.line;
    return p;
}

/* 1 when two buffers overlap in a way that is not allowed. */
static inline int overlap(const hostile *h, int a, int b)
{
    const size_t x = hostile_bytes(h, a), y = hostile_bytes(h, b);
    const int tensors = slot_is_tensor((enum slot)a) && b < SLOTS && slot_is_tensor((enum slot)b);
    if (!x || !y || h->at[a] >= h->at[b] + y || h->at[b] >= h->at[a] + x) return 0;
    if (tensors) {
        nrm_pitch p = plain_pitch(&h->d, a), q = plain_pitch(&h->d, b);
        const int equal = p.line == q.line && p.sample == q.sample &&
                          slots_lie_alike(&h->d, (enum slot)a, (enum slot)b);
        if (equal && h->at[a] == h->at[b] && (may_be_one(a, b) || may_be_one(b, a))) return 0;
        if (equal) return elements_overlap(h, a, b);
    }
    return 1;
}

/* 1 when the call may leave this input alone, though the pointer is given. */
static inline int may_ignore(const hostile *h, int slot)
{
    if (slot == SLOT_GAMMA) return !reads_gamma_surely(h);
    if (slot == SLOT_BETA)
        return h->verb != VERB_FORWARD && h->verb != VERB_INFER && h->verb != VERB_APPLY &&
               h->d.act == NRM_IDENTITY && !h->a.gate;
    return slot == SLOT_DSUM && !h->a.dx && !h->a.dresidual;
}

static inline void judge_overlap(hostile *h, const problem *p, int empty)
{
    int a, b;
    for (a = SLOT_X; a < SLOTS; ++a)
        for (b = a + 1; b <= SLOTS; ++b) {
            const char ra = slot_role(p, h->verb, (enum slot)a);
            const char rb = b == WORKSPACE ? 'O' : slot_role(p, h->verb, (enum slot)b);
            if (ra == '.' || rb == '.' || !h->at[a] || !h->at[b]) continue;
            if (!role_writes(ra) && !role_writes(rb)) continue;
            if (overlap(h, a, b))
                wrong(h, !empty && !may_ignore(h, a) && !may_ignore(h, b), NRM_ERR_ALIAS,
                      slot_name[a]);
        }
}

/* Moves what would leave the arena back into it. */
static inline void hostile_fit(hostile *h)
{
    int slot;
    for (slot = SLOT_X; slot <= SLOTS; ++slot) {
        const size_t bytes = hostile_bytes(h, slot);
        if (h->at[slot] && (size_t)(h->at[slot] - arena) + bytes > ARENA)
            h->at[slot] = arena + (ARENA - bytes);
    }
}

static inline void hostile_judge(hostile *h)
{
    const nrm_desc *d = &h->d;
    const int empty = !d->n || !d->c;
    problem p;
    int slot;
    memset(&p, 0, sizeof p);
    if (h->without) wrong(h, 1, NRM_ERR_NULL, "desc or args");
    if ((unsigned)d->kind > 4 || (unsigned)d->dtype > 3 || (unsigned)d->layout > 1 ||
        (unsigned)d->act >= ACTS || !type_is_here(d->dtype)) {
        wrong(h, 1, NRM_ERR_DESC, "an enumerator");
        h->possible = ~0u; /* what else is wrong is moot */
        hostile_point(h);
        return;
    }
    judge_sizes(h);
    if (!h->huge && !(h->certain & STATUS(NRM_ERR_SIZE))) hostile_fit(h);
    hostile_point(h);
    p.d = *d, p.accumulate = h->a.accumulate;
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        *(h->at[slot] ? &p.given : &p.absent) |= 1u << slot;
    judge_values(h, &p, empty);
    if (!h->huge && !(h->certain & (STATUS(NRM_ERR_SIZE) | STATUS(NRM_ERR_DESC))))
        judge_overlap(h, &p, empty);
    else
        wrong(h, 0, NRM_ERR_ALIAS, "");
    memset(arena_outputs, 0, ARENA);
    for (slot = SLOT_X; slot <= SLOTS && !h->certain && !h->huge; ++slot)
        if (h->at[slot] && (slot == WORKSPACE || role_writes(slot_role(&p, h->verb,
                                                                       (enum slot)slot))))
            mark_bytes(h, slot, arena_outputs);
}

/* ---- running --------------------------------------------------------------------------------- */

static inline void describe_hostile(FILE *out, const void *of)
{
    const hostile *h = (const hostile *)of;
    const nrm_desc *d = &h->d;
    int slot;
    fprintf(out, "  %s, kind %d, layout %d, dtype %d, act %d: n %zu, c %zu, s %zu, groups %zu\n",
            verb_name[h->verb], (int)d->kind, (int)d->layout, (int)d->dtype, (int)d->act, d->n,
            d->c, h->zero_s ? (size_t)0 : d->s, d->groups);
    fprintf(out, "  eps %g, gamma_offset %g, rate %g, isa %d, pool %d, workspace %zu%s%s%s%s\n",
            d->eps, d->gamma_offset, h->a.running_rate, (int)h->a.isa, h->with_pool,
            h->workspace_size, d->affine_per_sample ? ", affine per sample" : "",
            h->a.accumulate ? ", accumulate" : "", h->a.running_population ? ", population" : "",
            h->without ? h->without == 1 ? ", desc NULL" : ", args NULL" : "");
    fprintf(out, "  slope %g, low %g, high %g\n", d->act_slope, d->act_low, d->act_high);
    if (d->param_half || d->wide_residual || d->transpose_y)
        fprintf(out, "  param_half %d, wide_residual %d, transpose_y %d\n", d->param_half,
                d->wide_residual, d->transpose_y);
    fprintf(out, "  x_pitch %zu %zu, y_pitch %zu %zu\n ", d->x_pitch.sample, d->x_pitch.line,
            d->y_pitch.sample, d->y_pitch.line);
    for (slot = SLOT_X; slot <= SLOTS; ++slot)
        if (h->at[slot])
            fprintf(out, " %s %td", slot == WORKSPACE ? "workspace" : slot_name[slot],
                    h->at[slot] - arena);
    fprintf(out, "\n  statuses that fit: certain %x, possible %x (%s)\n", h->certain, h->possible,
            h->why ? h->why : "nothing is wrong");
}

/* Ordinary floats and doubles, and anything between them; and the lengths where they are to be. */
static inline void arena_fill(const hostile *h)
{
    static int filled = -1; /* without lengths */
    gen g = gen_seed(3);
    size_t i;
    for (i = 0; i < ARENA && filled != 1; i += 8) {
        float pair[2];
        double one = gen_normal(&g);
        pair[0] = (float)gen_normal(&g), pair[1] = (float)gen_normal(&g);
        if (i / 256 & 1)
            memcpy(arena_before + i, &one, 8);
        else
            memcpy(arena_before + i, pair, 8);
    }
    filled = !h->at[SLOT_LENGTHS];
    if (h->at[SLOT_LENGTHS])
        memcpy(arena_before + (h->at[SLOT_LENGTHS] - arena), h->lengths,
               slot_bytes(&h->d, SLOT_LENGTHS));
    memcpy(arena, arena_before, ARENA);
}

static inline void target_calls(const unsigned char *data, size_t size)
{
    static hostile h; /* a pool points into it */
    nrm_status status;
    nrm_desc d;
    size_t i;
    int failed;
    hostile_decode(&h, data, size);
    hostile_judge(&h);
    d = h.d;
    if (h.zero_s) d.s = 0;
    report_about(describe_hostile, &h);
    if (!h.certain && h.huge) return; /* nothing is wrong but that there is no such memory */
    arena_fill(&h);
    status = verb_call(h.verb, h.without == 1 ? NULL : &d, h.without == 2 ? NULL : &h.a,
                       h.at[SLOT_MOMENTS], h.at[SLOT_SUMS]);
    failed = status != NRM_OK && status != NRM_ERR_NONFINITE;
    if (h.certain)
        must(failed && (h.certain | h.possible) >> status & 1, "status %d (%s), but %s is wrong",
             (int)status, nrm_status_string(status), h.why);
    else
        must(!failed || h.possible >> status & 1, "status %d (%s), but nothing is wrong",
             (int)status, nrm_status_string(status));
    if (failed) {
        must(!memcmp(arena, arena_before, ARENA), "wrote though the status is %d", (int)status);
    } else {
        for (i = 0; i < ARENA && (arena_outputs[i] || arena[i] == arena_before[i]); ++i) {}
        must(i == ARENA, "wrote to byte %zu, which is no output's", i);
    }
    if (h.certain & (STATUS(NRM_ERR_EPS) | STATUS(NRM_ERR_SIZE)) && !h.too_long)
        must(nrm_stat_count(&d) == 0 || !(h.certain & ~STATUS(NRM_ERR_SIZE)),
             "nrm_stat_count is not 0");
    nrm_workspace_size(&d, 3);
}

static inline void print_calls(FILE *out, const unsigned char *data, size_t size)
{
    static hostile h;
    hostile_decode(&h, data, size);
    hostile_judge(&h);
    describe_hostile(out, &h);
}

#endif /* CALLS_H */
