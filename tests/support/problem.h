/* problem.h - random problems for the tests that compare bits. A problem holds its numbers once, in
 * canonical order (NCHW, packed); a run lays them out as its setup says, calls one verb and
 * collects the outputs in canonical order again. Two runs of one problem can so be compared
 * whatever their layout, pitches, alignment, instruction set or sharing of buffers.
 *
 *   problem *p = problem_draw(seed);
 *   setup s = plain(NRM_SCALAR, NRM_NHWC);
 *   outcome *o = run(p, VERB_FORWARD, &s);
 *   ... same_outcome(o, other), outcome_hash(o), o->clean ...
 *   outcome_free(o); problem_free(p);
 *
 * problem_draw gives float data, problem_draw_as any storage type, problem_as the same values in
 * another one. cases.h makes problems to order.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "../../normalize.h"
#include "gen.h"
#include "test.h"
#include "types.h"

/* Every buffer a call can have. SLOT_NONE is 0, so that a zeroed setup shares no buffers. */
enum slot {
    SLOT_NONE,
    SLOT_X, SLOT_RESIDUAL, SLOT_SUM, SLOT_DX, SLOT_DSUM,            /* tensors by x_pitch  */
    SLOT_Y, SLOT_DY,                                                /* tensors by y_pitch  */
    SLOT_GAMMA, SLOT_BETA, SLOT_DGAMMA, SLOT_DBETA,                 /* c or n*c parameters */
    SLOT_RUNNING_MEAN, SLOT_RUNNING_VAR,                            /* c parameters        */
    SLOT_MEAN, SLOT_RSTD,                                           /* statistics: doubles */
    SLOT_MOMENTS, SLOT_SUMS,                                        /* 3*c doubles         */
    SLOT_ADD, SLOT_DADD, SLOT_GATE, SLOT_DGATE,                     /* tensors by y_pitch  */
    SLOT_DRESIDUAL,                                                 /* a tensor by x_pitch */
    SLOT_LENGTHS,                                                   /* of samples          */
    SLOT_Q8, SLOT_Q8_SCALE,                              /* a tensor by y_pitch; statistics */
    SLOTS
};

/* What is given of a norm by itself: all but what networks put around it, and but the tensors as
   networks have them. */
#define GIVEN_NORM ((1u << SLOT_ADD) - 1)
#define GIVEN_AROUND (1u << SLOT_ADD | 1u << SLOT_DADD | 1u << SLOT_GATE | 1u << SLOT_DGATE)
#define GIVEN_Q8 (1u << SLOT_Q8 | 1u << SLOT_Q8_SCALE)
#define GIVEN_TENSORS (1u << SLOT_DRESIDUAL | 1u << SLOT_LENGTHS | GIVEN_Q8)

static const char *const slot_name[SLOTS] = {
    "none", "x", "residual", "sum", "dx", "dsum", "y", "dy", "gamma", "beta", "dgamma", "dbeta",
    "running_mean", "running_var", "mean", "rstd", "moments", "sums", "add", "dadd", "gate",
    "dgate", "dresidual", "lengths", "q8", "q8_scale"};

enum verb {
    VERB_FORWARD, VERB_INFER, VERB_BACKWARD, VERB_INFER_BACKWARD,
    VERB_REDUCE, VERB_APPLY, VERB_BACKWARD_REDUCE, VERB_BACKWARD_APPLY,
    VERBS
};

static const char *const verb_name[VERBS] = {"forward", "infer", "backward", "infer_backward",
                                             "reduce", "apply", "backward_reduce",
                                             "backward_apply"};

/* What each verb does with each slot, in the order of the enumerators: I reads, O writes; small
   letters are optional: i reads, o writes, u updates, a writes or, with accumulate, updates. */
static const char *const verb_roles[VERBS] = {
    "." "Iio.." "O." "ii.." "uu" "oo" ".." "i.i." ".ioo", /* forward         */
    "." "Iio.." "O." "ii.." "II" ".." ".." "i.i." ".i..", /* infer           */
    "." "Ii.oi" ".I" "iiaa" ".." "II" ".." "ioio" "oi..", /* backward        */
    "." "Ii.oi" ".I" "iiaa" "II" ".." ".." "ioio" "oi..", /* infer_backward  */
    "." "Ii..." ".." "...." ".." ".." "O." "...." ".i..", /* reduce          */
    "." "Iio.." "O." "ii.." "uu" "oo" "I." "i.i." ".i..", /* apply           */
    "." "Ii..." ".I" "iiaa" ".." "II" ".O" "i.i." ".i..", /* backward_reduce */
    "." "Ii.Oi" ".I" "ii.." ".." "II" ".I" "ioio" "oi..", /* backward_apply  */
};

typedef struct problem {
    uint64_t seed;
    nrm_desc d;                    /* layout and pitches are set by each run */
    size_t line_gap[2], sample_gap[2]; /* unused elements after each line, sample: of x, of y */
    unsigned given;                /* a bit for each slot whose pointer is given where optional */
    unsigned absent;               /* x, y, dx: left out where another will do */
    double running_rate;
    int running_population, accumulate;
    void *value[SLOTS];            /* canonical contents before a call */
    int borrowed;                  /* the values belong to another problem */
    unsigned options;              /* of a case of cases.h */
    gen g;                         /* of a case: for what else is drawn from its seed */
    char note[200];                /* of a case: its distributions and options in words */
} problem;

typedef struct setup {
    nrm_isa isa;
    nrm_layout layout;
    size_t shift;                  /* 0: all buffers 64-byte aligned; 1 to 63: at odd addresses */
    /* output shares the buffer of this slot */
    enum slot y_is, sum_is, dx_is, dadd_is, dgate_is, dresidual_is;
    int zero_s;                    /* one position is passed as s = 0 */
    int full_pitch;                /* pitches of packed tensors are passed as well */
    int idle;                      /* what is given but not for this call leads to canaries */
    const nrm_pool *pool;
    size_t workspace_size;
} setup;

/* Aligned, nothing shared, one thread, no workspace. */
static inline setup plain(nrm_isa isa, nrm_layout layout)
{
    setup s;
    memset(&s, 0, sizeof s);
    s.isa = isa, s.layout = layout;
    return s;
}

typedef struct outcome {
    nrm_status status;
    int clean;                     /* nothing was written but elements of outputs; padding is 0 */
    nrm_desc d;                    /* of the problem */
    size_t count[SLOTS];
    void *value[SLOTS];            /* outputs in canonical order; NULL: not one */
} outcome;

/* ---- sizes ----------------------------------------------------------------------------------- */

static inline size_t problem_volume(const nrm_desc *d)
{
    return d->n * d->c * d->s;
}

static inline size_t problem_stats(const nrm_desc *d)
{
    switch (d->kind) {
    case NRM_BATCH: return d->c;
    case NRM_INSTANCE: return d->n * d->c;
    case NRM_GROUP: return d->n * d->groups;
    default: return d->n * d->s;
    }
}

static inline int slot_is_tensor(enum slot slot)
{
    return slot <= SLOT_DY || (slot >= SLOT_ADD && slot <= SLOT_DRESIDUAL) || slot == SLOT_Q8;
}

/* 1: by y_pitch, and in the other layout under transpose_y. */
static inline int slot_is_like_y(enum slot slot)
{
    return slot == SLOT_Y || slot == SLOT_DY || (slot >= SLOT_ADD && slot <= SLOT_DGATE) ||
           slot == SLOT_Q8;
}

/* What a slot holds beside data of this type. */
static inline nrm_dtype slot_type(const nrm_desc *d, enum slot slot)
{
    switch (slot) {
    case SLOT_RESIDUAL:
    case SLOT_SUM:
    case SLOT_DSUM:
    case SLOT_DRESIDUAL: return d->wide_residual ? NRM_F32 : d->dtype;
    case SLOT_GAMMA:
    case SLOT_BETA:
    case SLOT_DGAMMA:
    case SLOT_DBETA: return d->param_half ? d->dtype : type_of_parameters(d->dtype);
    case SLOT_RUNNING_MEAN:
    case SLOT_RUNNING_VAR: return type_of_parameters(d->dtype);
    case SLOT_LENGTHS: return TYPE_LENGTH;
    case SLOT_Q8: return TYPE_STEP;
    case SLOT_Q8_SCALE: return NRM_F32;
    default: return slot_is_tensor(slot) ? d->dtype : NRM_F64;
    }
}

static inline size_t slot_size(const nrm_desc *d, enum slot slot)
{
    return type_size(slot_type(d, slot));
}

static inline size_t slot_count(const nrm_desc *d, enum slot slot)
{
    if (slot_is_tensor(slot)) return problem_volume(d);
    if (slot <= SLOT_DBETA) return d->affine_per_sample ? d->n * d->c : d->c;
    if (slot <= SLOT_RUNNING_VAR) return d->c;
    if (slot == SLOT_LENGTHS) return d->n;
    return slot <= SLOT_RSTD || slot == SLOT_Q8_SCALE ? problem_stats(d) : 3 * d->c;
}

static inline size_t line_count(const nrm_desc *d)
{
    return d->layout == NRM_NCHW ? d->c : d->s;
}

static inline size_t line_length(const nrm_desc *d)
{
    return d->layout == NRM_NCHW ? d->s : d->c;
}

/* With the layout of this slot. */
static inline nrm_desc slot_desc(const nrm_desc *d, enum slot slot)
{
    nrm_desc own = *d;
    if (d->transpose_y && slot_is_like_y(slot))
        own.layout = d->layout == NRM_NCHW ? NRM_NHWC : NRM_NCHW;
    return own;
}

/* ---- laying out and collecting tensors ------------------------------------------------------- */

static inline nrm_pitch full_pitch(const nrm_desc *d, enum slot slot)
{
    const nrm_desc own = slot_desc(d, slot);
    nrm_pitch p = slot_is_like_y(slot) ? d->y_pitch : d->x_pitch;
    if (!p.line) p.line = line_length(&own);
    if (!p.sample) p.sample = line_count(&own) * p.line;
    return p;
}

/* Elements from the first to one past the last: the last line's gap is not the tensor's. */
static inline size_t tensor_extent(const nrm_desc *d, enum slot slot)
{
    const nrm_desc own = slot_desc(d, slot);
    nrm_pitch p = full_pitch(d, slot);
    if (!problem_volume(d)) return 0;
    return (d->n - 1) * p.sample + (line_count(&own) - 1) * p.line + line_length(&own);
}

static inline size_t slot_bytes(const nrm_desc *d, enum slot slot)
{
    return slot_size(d, slot) *
           (slot_is_tensor(slot) ? tensor_extent(d, slot) : slot_count(d, slot));
}

enum direction { LAY_OUT, COLLECT };

/* Of a size that the compiler knows, or each value would be a call of memcpy. */
static inline void value_copy(void *to, const void *from, size_t size)
{
    if (size == 4)
        memcpy(to, from, 4);
    else if (size == 2)
        memcpy(to, from, 2);
    else if (size == 1)
        memcpy(to, from, 1);
    else
        memcpy(to, from, 8);
}

/* Lines and their length; without a gap between them those of a sample are one. */
typedef struct tensor_lines {
    size_t count, length;
} tensor_lines;

static inline tensor_lines lines_of(const nrm_desc *d, nrm_pitch p)
{
    tensor_lines l;
    l.count = line_count(d), l.length = line_length(d);
    if (p.line == l.length) l.length *= l.count, l.count = 1;
    return l;
}

static inline void tensor_copy_lines(const nrm_desc *d, nrm_pitch p, size_t size,
                                     unsigned char *canonical, unsigned char *data,
                                     enum direction direction)
{
    const tensor_lines l = lines_of(d, p);
    size_t i, line;
    for (i = 0; i < d->n; ++i)
        for (line = 0; line < l.count; ++line) {
            unsigned char *values = canonical + size * (i * l.count + line) * l.length;
            unsigned char *places = data + size * (i * p.sample + line * p.line);
            if (direction == LAY_OUT)
                memcpy(places, values, size * l.length);
            else
                memcpy(values, places, size * l.length);
        }
}

/* Copies line by line or, where the canonical order runs across the lines, value by value. */
static inline void tensor_copy(const nrm_desc *d, enum slot slot, unsigned char *canonical,
                               unsigned char *data, enum direction direction)
{
    const nrm_desc own = slot_desc(d, slot);
    const nrm_pitch p = full_pitch(d, slot);
    const size_t size = slot_size(d, slot);
    size_t i, j, k;
    if (own.layout == NRM_NCHW || d->c == 1 || d->s == 1) {
        tensor_copy_lines(&own, p, size, canonical, data, direction);
        return;
    }
    for (i = 0; i < d->n; ++i)
        for (j = 0; j < d->c; ++j)
            for (k = 0; k < d->s; ++k) {
                unsigned char *value = canonical + size * ((i * d->c + j) * d->s + k);
                unsigned char *place = data + size * (i * p.sample + k * p.line + j);
                value_copy(direction == LAY_OUT ? place : value,
                           direction == LAY_OUT ? value : place, size);
            }
}

static inline void slot_copy(const nrm_desc *d, enum slot slot, void *canonical,
                             unsigned char *data, enum direction direction)
{
    size_t bytes = slot_size(d, slot) * slot_count(d, slot);
    if (slot_is_tensor(slot))
        tensor_copy(d, slot, (unsigned char *)canonical, data, direction);
    else if (bytes && direction == LAY_OUT)
        memcpy(data, canonical, bytes);
    else if (bytes)
        memcpy(canonical, data, bytes);
}

/* Puts the elements of `from` back into `to`, so that all that is left of a difference between
   the two lies outside of the tensor. */
static inline void slot_restore(const nrm_desc *d, enum slot slot, unsigned char *to,
                                const unsigned char *from)
{
    const nrm_desc own = slot_desc(d, slot);
    const nrm_pitch p = full_pitch(d, slot);
    const tensor_lines l = lines_of(&own, p);
    size_t i, line, size = slot_size(d, slot);
    if (!slot_is_tensor(slot)) {
        memcpy(to, from, size * slot_count(d, slot));
        return;
    }
    for (i = 0; i < d->n; ++i)
        for (line = 0; line < l.count; ++line) {
            size_t at = size * (i * p.sample + line * p.line);
            memcpy(to + at, from + at, size * l.length);
        }
}

/* ---- padding --------------------------------------------------------------------------------- */

/* Of this many positions each. NULL: all are as long as can be. */
static inline size_t length_of(const nrm_desc *d, const size_t *lengths, size_t sample)
{
    return lengths ? lengths[sample] : d->s;
}

/* Puts NaN where a tensor is padding: whoever reads it shows it. */
static inline void spoil_padding(const nrm_desc *d, const size_t *lengths, enum slot slot,
                                 unsigned char *data)
{
    const int nchw = slot_desc(d, slot).layout == NRM_NCHW;
    const nrm_pitch p = full_pitch(d, slot);
    const size_t size = slot_size(d, slot);
    size_t i, j, k;
    for (i = 0; i < d->n && slot_is_tensor(slot); ++i)
        for (k = length_of(d, lengths, i); k < d->s; ++k)
            for (j = 0; j < d->c; ++j)
                gen_canary(data + size * (i * p.sample + (nchw ? j * p.line + k : k * p.line + j)),
                           size);
}

/* Whether value `at` of a slot, in canonical order, belongs to padding: of statistics and scales
   those of rows that are none, and of samples of length 0. */
static inline int is_padding(const nrm_desc *d, const size_t *lengths, enum slot slot, size_t at)
{
    if (slot_is_tensor(slot)) return at % d->s >= length_of(d, lengths, at / (d->c * d->s));
    if (slot != SLOT_MEAN && slot != SLOT_RSTD && slot != SLOT_Q8_SCALE) return 0;
    switch (d->kind) {
    case NRM_BATCH: return 0;
    case NRM_INSTANCE: return !length_of(d, lengths, at / d->c);
    case NRM_GROUP: return !length_of(d, lengths, at / d->groups);
    default: return at % d->s >= length_of(d, lengths, at / d->s);
    }
}

/* 1 when padding of an output is +0. */
static inline int padding_is_zero(const nrm_desc *d, const size_t *lengths, enum slot slot,
                                  const void *values)
{
    static const unsigned char zeros[8];
    const size_t size = slot_size(d, slot), count = slot_count(d, slot);
    size_t i;
    for (i = 0; i < count; ++i)
        if (is_padding(d, lengths, slot, i) &&
            memcmp((const unsigned char *)values + i * size, zeros, size) != 0)
            return 0;
    return 1;
}

/* ---- running --------------------------------------------------------------------------------- */

/* 1 when the verb can be called for this kind. */
static inline int verb_fits(enum verb verb, nrm_kind kind)
{
    if (verb == VERB_FORWARD || verb == VERB_BACKWARD) return 1;
    return kind == NRM_BATCH || (kind == NRM_INSTANCE && verb < VERB_REDUCE);
}

/* 1 when the call has to know y before the activation, and so reads add. */
static inline int verb_adds(const problem *p, enum verb verb)
{
    if (verb == VERB_FORWARD || verb == VERB_INFER || verb == VERB_APPLY) return 1;
    return p->d.act != NRM_IDENTITY || p->given >> SLOT_GATE & 1;
}

static inline int takes_q8(const problem *p)
{
    return (p->d.kind == NRM_LAYER || p->d.kind == NRM_RMS) && p->d.dtype != NRM_F64;
}

/* x where z is the residual alone, y where q8 is there, dx beside dresidual. */
static inline int can_be_absent(const problem *p, enum verb verb, enum slot slot)
{
    if (slot == SLOT_DX) return p->d.wide_residual && p->given >> SLOT_DRESIDUAL & 1;
    if (slot == SLOT_X) return p->d.wide_residual && p->given >> SLOT_RESIDUAL & 1;
    return slot == SLOT_Y && verb == VERB_FORWARD && takes_q8(p) && p->given >> SLOT_Q8 & 1;
}

/* The role of a slot in this call; '.' when its pointer is not given or not used. */
static inline char slot_role(const problem *p, enum verb verb, enum slot slot)
{
    char role = verb_roles[verb][slot];
    nrm_kind kind = p->d.kind;
    if (role >= 'a' && !(p->given >> slot & 1)) return '.';
    if (p->absent >> slot & 1 && can_be_absent(p, verb, slot)) return '.';
    if (slot == SLOT_DRESIDUAL && !p->d.wide_residual) return '.';
    if ((slot == SLOT_Q8 || slot == SLOT_Q8_SCALE) && !takes_q8(p)) return '.';
    if (slot == SLOT_MEAN && kind == NRM_RMS) return '.';
    if (slot == SLOT_ADD && !verb_adds(p, verb)) return '.';
    if ((slot == SLOT_RUNNING_MEAN || slot == SLOT_RUNNING_VAR) && kind != NRM_BATCH &&
        kind != NRM_INSTANCE)
        return '.';
    if (role == 'a' && p->accumulate) return 'u';
    return role == 'a' ? 'o' : role;
}

static inline int role_reads(char role)
{
    return role == 'I' || role == 'i' || role == 'u';
}

static inline int role_writes(char role)
{
    return role == 'O' || role == 'o' || role == 'u';
}

/* 1 when an output may be the very buffer of an input, as far as elements and layouts go. */
static inline int slots_lie_alike(const nrm_desc *d, enum slot out, enum slot in)
{
    return slot_size(d, out) == slot_size(d, in) &&
           !(d->transpose_y && slot_is_like_y(out) != slot_is_like_y(in));
}

/* ... and both are there. Which inputs an output may share with is the call's business. */
static inline int may_share(const problem *p, enum verb verb, enum slot out, enum slot in)
{
    return role_writes(slot_role(p, verb, out)) && role_reads(slot_role(p, verb, in)) &&
           slots_lie_alike(&p->d, out, in);
}

/* The buffers of one call, in one block of memory that lives on from call to call. */
typedef struct bed {
    nrm_desc d;
    nrm_args a;
    char role[SLOTS];
    unsigned char *data[SLOTS];
    unsigned char *base;           /* 64-byte aligned */
    size_t used;
    unsigned char *workspace;      /* with a canary of 64 bytes behind it */
    const size_t *lengths;         /* NULL: none are given                */
} bed;

static struct {
    unsigned char *memory, *before;
    size_t size;
} bed_store;

#define BED_MARGIN 64 /* canary bytes before and after each buffer */

/* With the line gap and the sample gap of one tensor or the other. */
static inline nrm_pitch gap_pitch(const problem *p, const nrm_desc *d, int of_line, int of_sample)
{
    nrm_pitch pitch = {0, 0};
    size_t length = line_length(d), line = length + p->line_gap[of_line];
    if (p->line_gap[of_line]) pitch.line = line;
    if (p->sample_gap[of_sample]) pitch.sample = line_count(d) * line + p->sample_gap[of_sample];
    return pitch;
}

static inline enum slot bed_shared(const setup *s, enum slot slot)
{
    if (slot == SLOT_Y) return s->y_is;
    if (slot == SLOT_SUM) return s->sum_is;
    if (slot == SLOT_DADD) return s->dadd_is;
    if (slot == SLOT_DGATE) return s->dgate_is;
    if (slot == SLOT_DRESIDUAL) return s->dresidual_is;
    return slot == SLOT_DX ? s->dx_is : SLOT_NONE;
}

/* Decides where each buffer lies, as offsets from the base; returns the bytes needed. With a shift
   each buffer has its own offset, and shifts 0 to 63 show every offset to every buffer, since the
   factors are odd. */
static inline size_t bed_plan(bed *b, const setup *s, size_t offset[SLOTS])
{
    size_t at = 0;
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        offset[slot] = 0;
        if (b->role[slot] == '.' || bed_shared(s, (enum slot)slot)) continue;
        at = (at + 63) / 64 * 64 + BED_MARGIN + s->shift * (2 * (size_t)slot + 1) % 64;
        offset[slot] = at;
        at += slot_bytes(&b->d, (enum slot)slot) + BED_MARGIN;
    }
    return (at + 63) / 64 * 64;
}

static inline void bed_grow(size_t bytes)
{
    if (bytes <= bed_store.size) return;
    free(bed_store.memory);
    free(bed_store.before);
    bed_store.size = bytes + bytes / 2;
    bed_store.memory = (unsigned char *)test_alloc(bed_store.size + 64, 1);
    bed_store.before = (unsigned char *)test_alloc(bed_store.size, 1);
}

/* The buffers of a call, by slot. */
static inline void slots_into(nrm_args *a, unsigned char *const *at)
{
    a->x = at[SLOT_X], a->residual = at[SLOT_RESIDUAL], a->sum = at[SLOT_SUM], a->y = at[SLOT_Y];
    a->dx = at[SLOT_DX], a->dsum = at[SLOT_DSUM], a->dy = at[SLOT_DY];
    a->gamma = at[SLOT_GAMMA], a->beta = at[SLOT_BETA];
    a->dgamma = at[SLOT_DGAMMA], a->dbeta = at[SLOT_DBETA];
    a->running_mean = at[SLOT_RUNNING_MEAN], a->running_var = at[SLOT_RUNNING_VAR];
    a->mean = (double *)(void *)at[SLOT_MEAN], a->rstd = (double *)(void *)at[SLOT_RSTD];
    a->add = at[SLOT_ADD], a->dadd = at[SLOT_DADD];
    a->gate = at[SLOT_GATE], a->dgate = at[SLOT_DGATE];
    a->dresidual = at[SLOT_DRESIDUAL], a->lengths = (const size_t *)(void *)at[SLOT_LENGTHS];
    a->q8 = (int8_t *)at[SLOT_Q8], a->q8_scale = (float *)(void *)at[SLOT_Q8_SCALE];
}

static inline void bed_point(bed *b, const problem *p, const setup *s)
{
    nrm_args *a = &b->a;
    slots_into(a, b->data);
    a->running_rate = p->running_rate, a->running_population = p->running_population;
    a->accumulate = p->accumulate, a->isa = s->isa, a->pool = s->pool;
    if (!s->workspace_size) return;
    b->workspace = (unsigned char *)test_alloc(s->shift + s->workspace_size + BED_MARGIN, 1);
    a->workspace = b->workspace + s->shift;
    a->workspace_size = s->workspace_size;
    gen_canary(b->workspace, s->shift + s->workspace_size + BED_MARGIN);
}

/* 1 when nothing was written around the workspace. */
static inline int bed_release(bed *b)
{
    int kept = 1;
    if (b->workspace)
        kept = gen_intact(b->workspace, (size_t)((unsigned char *)b->a.workspace - b->workspace)) &&
               gen_intact((unsigned char *)b->a.workspace + b->a.workspace_size, BED_MARGIN);
    free(b->workspace);
    return kept;
}

/* All of a call but where its buffers lie. */
static inline void bed_describe(bed *b, const problem *p, enum verb verb, const setup *s)
{
    const int y_shares = s->y_is && s->y_is < SLOT_ADD; /* one of x_pitch */
    int slot, shares = y_shares || s->sum_is || s->dx_is, line, sample;
    nrm_desc y;
    memset(b, 0, sizeof *b);
    b->d = p->d;
    b->d.layout = s->layout;
    y = slot_desc(&b->d, SLOT_Y);
    /* only equal pitches may share, but those of one sample and of one line lead nowhere */
    sample = shares && p->d.n > 1 ? 0 : 1;
    line = shares && (p->d.n > 1 || line_count(&b->d) > 1) ? 0 : 1;
    b->d.x_pitch = gap_pitch(p, &b->d, 0, 0);
    b->d.y_pitch = gap_pitch(p, &y, line, sample);
    if (s->full_pitch) b->d.x_pitch = full_pitch(&b->d, SLOT_X);
    if (s->full_pitch) b->d.y_pitch = full_pitch(&b->d, SLOT_Y);
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        b->role[slot] = slot_role(p, verb, (enum slot)slot);
        if (s->idle && b->role[slot] == '.' && p->given >> slot & 1 && !(p->absent >> slot & 1))
            b->role[slot] = '-';
    }
    if (b->role[SLOT_LENGTHS] == 'i' && problem_volume(&b->d))
        b->lengths = (const size_t *)p->value[SLOT_LENGTHS];
}

/* Lays a problem out for one call. */
static inline void bed_make(bed *b, const problem *p, enum verb verb, const setup *s)
{
    size_t offset[SLOTS];
    int slot;
    bed_describe(b, p, verb, s);
    b->used = bed_plan(b, s, offset);
    bed_grow(b->used);
    b->base = bed_store.memory + (64 - (uintptr_t)bed_store.memory % 64) % 64;
    gen_canary(b->base, b->used);
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        if (!offset[slot]) continue;
        b->data[slot] = b->base + offset[slot];
        if (!role_reads(b->role[slot])) continue;
        slot_copy(&b->d, (enum slot)slot, p->value[slot], b->data[slot], LAY_OUT);
        if (b->lengths) spoil_padding(&b->d, b->lengths, (enum slot)slot, b->data[slot]);
    }
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        if (b->role[slot] != '.' && bed_shared(s, (enum slot)slot))
            b->data[slot] = b->data[bed_shared(s, (enum slot)slot)];
    bed_point(b, p, s);
    memcpy(bed_store.before, b->base, b->used);
}

static inline nrm_status verb_call(enum verb verb, const nrm_desc *d, const nrm_args *a,
                                   void *moments, void *sums)
{
    switch (verb) {
    case VERB_FORWARD: return nrm_forward(d, a);
    case VERB_INFER: return nrm_infer(d, a);
    case VERB_BACKWARD: return nrm_backward(d, a);
    case VERB_INFER_BACKWARD: return nrm_infer_backward(d, a);
    case VERB_REDUCE: return nrm_reduce(d, a, (nrm_moments *)moments);
    case VERB_APPLY: return nrm_apply(d, a, (const nrm_moments *)moments);
    case VERB_BACKWARD_REDUCE: return nrm_backward_reduce(d, a, (nrm_sums *)sums);
    default: return nrm_backward_apply(d, a, (const nrm_sums *)sums);
    }
}

static inline void bed_collect(bed *b, outcome *o)
{
    int slot, wrote = o->status == NRM_OK || o->status == NRM_ERR_NONFINITE, padded = 1;
    o->d = b->d;
    for (slot = SLOT_X; wrote && slot < SLOTS; ++slot) {
        if (!role_writes(b->role[slot])) continue;
        o->count[slot] = slot_count(&b->d, (enum slot)slot);
        o->value[slot] = test_alloc(o->count[slot], slot_size(&o->d, (enum slot)slot));
        slot_copy(&b->d, (enum slot)slot, o->value[slot], b->data[slot], COLLECT);
        if (b->lengths)
            padded &= padding_is_zero(&b->d, b->lengths, (enum slot)slot, o->value[slot]);
    }
    for (slot = SLOT_X; wrote && slot < SLOTS; ++slot) {
        size_t at;
        if (!role_writes(b->role[slot])) continue;
        at = (size_t)(b->data[slot] - b->base);
        slot_restore(&b->d, (enum slot)slot, b->data[slot], bed_store.before + at);
    }
    o->clean = !memcmp(b->base, bed_store.before, b->used) && padded;
}

/* Under the address sanitizer a canary that is only read shows as well: the margins are poisoned
   for the time of the call. BED_ASAN: the library alone is compiled with it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BED_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(BED_ASAN)
#define BED_ASAN
#endif

#ifdef BED_ASAN
void __asan_poison_memory_region(void const volatile *at, size_t bytes);
void __asan_unpoison_memory_region(void const volatile *at, size_t bytes);

static inline void bed_guard(const bed *b, const setup *s, int on)
{
    const unsigned char *end = b->base;
    int slot;
    if (!on) __asan_unpoison_memory_region(b->base, b->used);
    for (slot = SLOT_X; slot < SLOTS && on; ++slot) { /* in this order they lie */
        if (!b->data[slot] || bed_shared(s, (enum slot)slot)) continue;
        __asan_poison_memory_region(end, (size_t)(b->data[slot] - end));
        end = b->data[slot] + slot_bytes(&b->d, (enum slot)slot);
    }
    if (on) __asan_poison_memory_region(end, (size_t)(b->base + b->used - end));
}
#else
static inline void bed_guard(const bed *b, const setup *s, int on)
{
    (void)b, (void)s, (void)on;
}
#endif

/* Calls one verb of a problem. A call that fails has no outputs. */
static inline outcome *run(const problem *p, enum verb verb, const setup *s)
{
    outcome *o = (outcome *)test_alloc(1, sizeof *o);
    nrm_desc d;
    bed b;
    bed_make(&b, p, verb, s);
    d = b.d;
    if (s->zero_s && d.s == 1) d.s = 0;
    bed_guard(&b, s, 1);
    o->status = verb_call(verb, &d, &b.a, b.data[SLOT_MOMENTS], b.data[SLOT_SUMS]);
    bed_guard(&b, s, 0);
    bed_collect(&b, o);
    o->clean &= bed_release(&b);
    return o;
}

static inline void outcome_free(outcome *o)
{
    int slot;
    for (slot = 0; slot < SLOTS; ++slot) free(o->value[slot]);
    free(o);
}

/* ---- comparing ------------------------------------------------------------------------------- */

static struct {
    unsigned long buffers, values;
} compared;

/* Where two outcomes differ. */
typedef struct difference {
    enum slot slot; /* SLOT_NONE: nowhere, or in the status */
    size_t index;
} difference;

static inline size_t values_differ(nrm_dtype type, const void *a, const void *b, size_t count)
{
    ++compared.buffers;
    compared.values += (unsigned long)count;
    return type_diff(type, a, b, count);
}

/* 1 when the status and every output that both have are the same, NaNs counted as one value. */
static inline int same_outcome(const outcome *a, const outcome *b, difference *where)
{
    int slot;
    where->slot = SLOT_NONE, where->index = 0;
    if (a->status != b->status || a->d.dtype != b->d.dtype) return 0;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        if (!a->value[slot] || !b->value[slot]) continue;
        where->index = values_differ(slot_type(&a->d, (enum slot)slot), a->value[slot],
                                     b->value[slot], a->count[slot]);
        where->slot = (enum slot)slot;
        if (where->index < a->count[slot]) return 0;
    }
    where->slot = SLOT_NONE;
    return 1;
}

#define FNV_START UINT64_C(0xcbf29ce484222325)

/* 64-bit FNV-1a over the bytes of an integer, lowest first on every machine. */
static inline uint64_t fnv(uint64_t hash, uint64_t value, int bytes)
{
    for (; bytes > 0; --bytes, value >>= 8)
        hash = (hash ^ (value & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

/* The bits of all outputs in canonical order; every NaN is hashed as one. */
static inline uint64_t outcome_hash(const outcome *o)
{
    uint64_t hash = fnv(FNV_START, (uint64_t)o->status, 1);
    size_t i;
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        nrm_dtype type = slot_type(&o->d, (enum slot)slot);
        for (i = 0; o->value[slot] && i < o->count[slot]; ++i)
            hash = fnv(hash, type_bits(type, o->value[slot], i), (int)type_size(type));
    }
    return hash;
}

/* ---- drawing --------------------------------------------------------------------------------- */

static inline void problem_alloc(problem *p)
{
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        p->value[slot] = test_alloc(slot_count(&p->d, (enum slot)slot),
                                    slot_size(&p->d, (enum slot)slot));
}

static inline void problem_free(problem *p)
{
    int slot;
    for (slot = SLOT_X; slot < SLOTS && !p->borrowed; ++slot) free(p->value[slot]);
    free(p);
}

/* The axes that one statistic runs over get the length; the others stay short. */
static inline void draw_long(gen *g, nrm_desc *d)
{
    size_t length = 130 + gen_below(g, gen_one_in(g, 3) ? 5200 : 1200);
    d->n = 1 + gen_below(g, 2), d->c = 1 + gen_below(g, 3), d->s = 1 + gen_below(g, 3);
    switch (d->kind) {
    case NRM_BATCH:
        if (gen_one_in(g, 2))
            d->s = length;
        else
            d->n = length / d->s + 1;
        break;
    case NRM_INSTANCE: d->s = length; break;
    case NRM_GROUP:
        if (gen_one_in(g, 2))
            d->s = length;
        else
            d->c = length, d->s = gen_one_in(g, 2) ? 1 : d->s;
        break;
    default: d->c = length;
    }
}

static inline void draw_shape(gen *g, nrm_desc *d)
{
    size_t most = gen_one_in(g, 3) ? 200 : 40, volume = gen_one_in(g, 4) ? 20000 : 2500;
    if (gen_one_in(g, 5)) {
        draw_long(g, d);
    } else if (gen_one_in(g, 12)) { /* more channels than are handled at once */
        d->n = 1 + gen_below(g, 3), d->c = 200 + gen_below(g, 900), d->s = 1 + gen_below(g, 6);
    } else {
        do {
            d->n = 1 + gen_below(g, gen_one_in(g, 2) ? most : 4);
            d->c = 1 + gen_below(g, most);
            d->s = 1 + gen_below(g, gen_one_in(g, 3) ? 20 : most);
            if (gen_one_in(g, 6)) d->s = 1;
        } while (problem_volume(d) > volume);
    }
    do
        d->groups = gen_one_in(g, 6) ? d->c : 1 + gen_below(g, d->c);
    while (d->c % d->groups);
}

/* Where the values of a statistics group lie in canonical order, in the order of its list: `row` of
   them `next` apart, then those of the next row, which begins `next_row` on. */
typedef struct list_places {
    size_t at, left, next, row, first, next_row;
} list_places;

static inline list_places list_places_of(const nrm_desc *d, size_t which)
{
    const int few = d->kind == NRM_BATCH && d->s < 16 && !d->affine_per_sample;
    list_places l;
    l.first = which * d->s, l.next = 1, l.row = d->s, l.next_row = d->c * d->s;
    if (few) l.next = d->c * d->s, l.row = d->n, l.next_row = 1;
    if (d->kind == NRM_GROUP) l.row = d->c / d->groups * d->s, l.first = which * l.row;
    if (d->kind == NRM_LAYER || d->kind == NRM_RMS)
        l.first = which / d->s * d->c * d->s + which % d->s, l.next = d->s, l.row = d->c;
    l.at = l.first, l.left = l.row;
    return l;
}

/* That of value i. */
static inline size_t list_place(const nrm_desc *d, size_t which, size_t i)
{
    const list_places l = list_places_of(d, which);
    return l.first + i / l.row * l.next_row + i % l.row * l.next;
}

/* One place after another: no divisions for each value, which took as long as to draw it. */
static inline size_t list_next(list_places *l)
{
    const size_t at = l->at;
    l->at += l->next;
    if (!--l->left) l->first += l->next_row, l->at = l->first, l->left = l->row;
    return at;
}

/* A list of values of any storage type from one distribution. f16 holds so little of what the
   distributions have that a list is moved into its range by a power of two, most of the time. */
static inline void draw_list(gen *g, gen_dist dist, nrm_dtype type, void *values, size_t count)
{
    float *list;
    if (type == NRM_F32) {
        gen_fill(g, dist, (float *)values, count);
        return;
    }
    if (type == NRM_F64) {
        gen_fill_f64(g, dist, (double *)values, count);
        return;
    }
    list = (float *)test_alloc(count, sizeof *list);
    gen_fill(g, dist, list, count);
    if (type == NRM_F16 && !gen_one_in(g, 30)) gen_fit_f16(list, count);
    type_convert(type, values, NRM_F32, list, count);
    free(list);
}

static inline void copy_element(nrm_dtype type, void *to, size_t i, const void *from, size_t k)
{
    const size_t size = type_size(type);
    value_copy((unsigned char *)to + i * size, (const unsigned char *)from + k * size, size);
}

/* Fills a tensor statistics group by group: one distribution, or one for each group. Hard ones may
   also get a NaN or an infinity. */
static inline void draw_tensor(gen *g, const nrm_desc *d, int hard, void *x)
{
    size_t lists = problem_stats(d), length = problem_volume(d) / lists, which, i;
    void *list = test_alloc(length, type_size(d->dtype));
    int each = hard && gen_one_in(g, 2);
    gen_dist dist = hard ? (gen_dist)gen_below(g, GEN_DISTS) : GEN_NORMAL;
    for (which = 0; which < lists; ++which) {
        list_places at = list_places_of(d, which);
        if (each) dist = (gen_dist)gen_below(g, GEN_DISTS);
        draw_list(g, dist, d->dtype, list, length);
        for (i = 0; i < length; ++i) copy_element(d->dtype, x, list_next(&at), list, i);
    }
    free(list);
    if (hard && gen_one_in(g, 8)) {
        static const uint32_t special[] = {0x7fc00000u, 0x7f800000u, 0xff800000u, 0xffc12345u};
        float value = gen_from_bits(special[gen_below(g, 4)]);
        size_t place = gen_below(g, problem_volume(d));
        if (d->dtype == NRM_F32)
            ((float *)x)[place] = value;
        else
            type_put(d->dtype, x, place, (double)value);
    }
}

/* Gamma, beta, running statistics and so on. */
static inline void draw_slot(gen *g, problem *p, enum slot slot, int wild)
{
    gen_dist dist = wild ? (gen_dist)gen_below(g, GEN_DISTS) : GEN_NORMAL;
    draw_list(g, dist, slot_type(&p->d, slot), p->value[slot], slot_count(&p->d, slot));
}

/* Zeros of both signs among the parameters: y is then a zero whose sign must be right. */
static inline void draw_zeros(gen *g, problem *p, enum slot slot)
{
    size_t i, count = slot_count(&p->d, slot);
    for (i = 0; i < count; ++i)
        if (gen_one_in(g, 2))
            type_put(slot_type(&p->d, slot), p->value[slot], i, (double)gen_sign(g, 0.0f));
}

/* Seldom negative, and then only wild ones. */
static inline void draw_variances(gen *g, problem *p, int wild)
{
    float *single = (float *)p->value[SLOT_RUNNING_VAR];
    double *wide = (double *)p->value[SLOT_RUNNING_VAR];
    size_t i;
    draw_slot(g, p, SLOT_RUNNING_VAR, wild);
    for (i = 0; i < p->d.c; ++i) {
        int negative = p->d.dtype == NRM_F64 ? wide[i] < 0 : single[i] < 0;
        if (!negative || (wild && gen_one_in(g, 10))) continue;
        if (p->d.dtype == NRM_F64)
            wide[i] = -wide[i];
        else
            single[i] = -single[i];
    }
}

/* Gamma about 1 and beta about 0, or anything. */
static inline void draw_parameters(gen *g, problem *p, int hard)
{
    nrm_dtype type = slot_type(&p->d, SLOT_GAMMA);
    size_t count = slot_count(&p->d, SLOT_GAMMA), i;
    void *gamma = p->value[SLOT_GAMMA];
    int wild = hard && gen_one_in(g, 4);
    draw_slot(g, p, SLOT_GAMMA, wild);
    for (i = 0; i < count && !wild && !gen_one_in(g, 50); ++i)
        type_put(type, gamma, i, type_get(type, gamma, i) + 1);
    draw_slot(g, p, SLOT_BETA, hard && gen_one_in(g, 4));
    if (hard && gen_one_in(g, 8)) {
        draw_zeros(g, p, SLOT_GAMMA);
        draw_zeros(g, p, SLOT_BETA);
    }
    draw_slot(g, p, SLOT_DGAMMA, 0);
    draw_slot(g, p, SLOT_DBETA, 0);
    wild = hard && gen_one_in(g, 3);
    draw_slot(g, p, SLOT_RUNNING_MEAN, wild);
    draw_variances(g, p, wild);
}

static inline void draw_options(gen *g, problem *p)
{
    static const double eps[] = {0, 1e-12, 1e-5, 1e-5, 1, 1e3}, rate[] = {0, 0.1, 0.1, 0.999, 1};
    int which;
    p->d.act = gen_one_in(g, 3) ? NRM_RELU : NRM_IDENTITY;
    p->d.eps = eps[gen_below(g, sizeof eps / sizeof *eps)];
    p->d.gamma_offset = gen_one_in(g, 4) ? 1 : 0;
    p->d.affine_per_sample = gen_one_in(g, 5);
    p->running_rate = rate[gen_below(g, sizeof rate / sizeof *rate)];
    p->running_population = gen_one_in(g, 2);
    p->accumulate = gen_one_in(g, 3);
    p->given = ((unsigned)gen_u64(g) | (unsigned)gen_u64(g)) & GIVEN_NORM; /* three in four */
    if (gen_one_in(g, 2)) p->given &= ~(1u << SLOT_RESIDUAL);
    if (gen_one_in(g, 2)) p->given &= ~(1u << SLOT_DSUM);
    if (gen_one_in(g, 4)) p->given &= ~(1u << SLOT_DGAMMA | 1u << SLOT_DBETA);
    if (!(p->given & (1u << SLOT_DGAMMA | 1u << SLOT_DBETA))) p->given |= 1u << SLOT_DX;
    for (which = 0; which < 2; ++which) {
        if (gen_one_in(g, 3)) p->line_gap[which] = 1 + gen_below(g, 20);
        if (gen_one_in(g, 4)) p->sample_gap[which] = 1 + gen_below(g, 40);
    }
}

/* Outputs, from this slot on, become the contents before the next call. */
static inline void problem_keep(problem *p, const outcome *o, enum slot first)
{
    int slot;
    for (slot = first; slot < SLOTS; ++slot)
        if (o->value[slot])
            memcpy(p->value[slot], o->value[slot],
                   slot_size(&o->d, (enum slot)slot) * o->count[slot]);
}

/* What backward and apply read is what the library itself wrote, in scalar code. */
static inline void problem_prepare(problem *p)
{
    static const enum verb chain[] = {VERB_FORWARD, VERB_REDUCE, VERB_BACKWARD_REDUCE};
    const setup s = plain(NRM_SCALAR, NRM_NCHW);
    unsigned given = p->given;
    size_t i;
    for (i = 0; i < sizeof chain / sizeof *chain && verb_fits(chain[i], p->d.kind); ++i) {
        outcome *o;
        p->given = given | 1u << SLOT_MEAN | 1u << SLOT_RSTD;
        p->given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR | 1u << SLOT_DGAMMA |
                      1u << SLOT_DBETA);
        o = run(p, chain[i], &s);
        problem_keep(p, o, SLOT_MEAN);
        outcome_free(o);
    }
    p->given = given;
}

/* Ordinary values for all that a problem holds, whose sizes and options are set. */
static inline void problem_ordinary(gen *g, problem *p)
{
    problem_alloc(p);
    draw_tensor(g, &p->d, 0, p->value[SLOT_X]);
    draw_tensor(g, &p->d, 0, p->value[SLOT_RESIDUAL]);
    draw_tensor(g, &p->d, 0, p->value[SLOT_DY]);
    draw_tensor(g, &p->d, 0, p->value[SLOT_DSUM]);
    draw_parameters(g, p, 0);
    problem_prepare(p);
}

/* One seed has the same shape and options in every storage type, and values of the same kind. */
static inline problem *problem_draw_as(uint64_t seed, nrm_dtype dtype)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(seed);
    int hard = !gen_one_in(&g, 3);
    p->seed = seed;
    p->d.dtype = dtype;
    p->d.kind = (nrm_kind)gen_below(&g, 5);
    draw_shape(&g, &p->d);
    draw_options(&g, p);
    problem_alloc(p);
    draw_tensor(&g, &p->d, hard, p->value[SLOT_X]);
    draw_tensor(&g, &p->d, hard && gen_one_in(&g, 2), p->value[SLOT_RESIDUAL]);
    draw_tensor(&g, &p->d, hard && gen_one_in(&g, 2), p->value[SLOT_DY]);
    draw_tensor(&g, &p->d, hard && gen_one_in(&g, 4), p->value[SLOT_DSUM]);
    draw_parameters(&g, p, hard);
    problem_prepare(p);
    return p;
}

/* What networks put around a norm, for a problem that is drawn: one of all activations, add, gate
   and their gradients. Of its own generator, since what is drawn of a seed must stay. */
static inline void problem_around(problem *p, int hard)
{
    static const double slope[] = {0.01, 0.1, 0, -0.5, 1, 3, 0x1p-140}, low[] = {0, -1, -0.25, 0.5};
    gen g = gen_seed(p->seed ^ UINT64_C(0x61726f756e64));
    p->d.act = (nrm_act)gen_below(&g, ACTS);
    p->d.act_slope = slope[gen_below(&g, sizeof slope / sizeof *slope)];
    p->d.act_low = low[gen_below(&g, sizeof low / sizeof *low)];
    p->d.act_high = p->d.act_low + 6 * gen_uniform(&g);
    if (gen_one_in(&g, 6)) p->d.act_low = (double)gen_from_bits(0xff800000u);
    if (gen_one_in(&g, 6)) p->d.act_high = (double)gen_from_bits(0x7f800000u);
    p->given |= (unsigned)gen_u64(&g) & GIVEN_AROUND;
    if (!(p->given >> SLOT_GATE & 1)) p->given &= ~(1u << SLOT_DGATE);
    draw_tensor(&g, &p->d, hard && gen_one_in(&g, 3), p->value[SLOT_ADD]);
    draw_tensor(&g, &p->d, hard && gen_one_in(&g, 3), p->value[SLOT_GATE]);
    problem_prepare(p);
}

/* Any number of positions of each sample; all, none, or one of a single sample. */
static inline void draw_lengths(gen *g, problem *p)
{
    size_t *lengths = (size_t *)p->value[SLOT_LENGTHS], i;
    const size_t how = gen_below(g, 10), s = p->d.s;
    for (i = 0; i < p->d.n; ++i) {
        lengths[i] = gen_one_in(g, 6) ? 0 : gen_one_in(g, 4) ? s : gen_below(g, s + 1);
        if (how < 2) lengths[i] = how ? s : 0;
    }
    if (how == 2) memset(lengths, 0, p->d.n * sizeof *lengths);
    if (how == 2) lengths[gen_below(g, p->d.n)] = 1;
}

/* Changes the types of parameters and residuals, whose values stay but for a rounding. */
static inline void problem_retype(problem *p, int param_half, int wide_residual)
{
    const nrm_desc old = p->d;
    int slot;
    p->d.param_half = param_half, p->d.wide_residual = wide_residual;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        const nrm_dtype from = slot_type(&old, (enum slot)slot);
        const nrm_dtype to = slot_type(&p->d, (enum slot)slot);
        const size_t count = slot_count(&p->d, (enum slot)slot);
        void *values;
        if (from == to) continue;
        values = test_alloc(count, type_size(to));
        type_convert(to, values, from, p->value[slot], count);
        free(p->value[slot]);
        p->value[slot] = values;
    }
}

/* Tensors as networks have them, for a problem that is drawn: parameters of 16 bits, a wide
   residual, y in the other layout, lengths, q8. Of its own generator, as problem_around. */
static inline void problem_tensors(problem *p, int hard)
{
    const int half = type_is_half(p->d.dtype);
    gen g = gen_seed(p->seed ^ UINT64_C(0x74656e736f7273));
    nrm_desc wide = p->d;
    problem_retype(p, half && gen_one_in(&g, 2), half && !gen_one_in(&g, 3));
    p->d.transpose_y = gen_one_in(&g, 2);
    wide.dtype = NRM_F32;
    if (p->d.wide_residual) { /* more digits than x has */
        draw_tensor(&g, &wide, hard && gen_one_in(&g, 2), p->value[SLOT_RESIDUAL]);
        draw_tensor(&g, &wide, hard && gen_one_in(&g, 4), p->value[SLOT_DSUM]);
        if (gen_one_in(&g, 2)) p->given |= 1u << SLOT_RESIDUAL;
        if (!gen_one_in(&g, 3)) p->given |= 1u << SLOT_DRESIDUAL;
        if (gen_one_in(&g, 3)) p->absent |= 1u << SLOT_DX;
        if (gen_one_in(&g, 3)) p->absent |= 1u << SLOT_X;
    }
    if (takes_q8(p) && !gen_one_in(&g, 3)) p->given |= GIVEN_Q8;
    if (gen_one_in(&g, 3)) p->absent |= 1u << SLOT_Y;
    if (!gen_one_in(&g, 3)) {
        p->given |= 1u << SLOT_LENGTHS;
        draw_lengths(&g, p);
        if (!gen_one_in(&g, 4)) p->running_population = 1; /* a length of 1 has no other */
    }
    problem_prepare(p);
}

static inline problem *problem_draw(uint64_t seed)
{
    return problem_draw_as(seed, NRM_F32);
}

/* The same values in another storage type, each rounded once where that one is narrower. */
static inline problem *problem_as(const problem *p, nrm_dtype dtype)
{
    problem *other = (problem *)test_alloc(1, sizeof *other);
    int slot;
    *other = *p;
    other->borrowed = 0;
    other->d.dtype = dtype;
    if (!type_is_half(dtype)) other->d.param_half = other->d.wide_residual = 0, other->absent = 0;
    problem_alloc(other);
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        type_convert(slot_type(&other->d, (enum slot)slot), other->value[slot],
                     slot_type(&p->d, (enum slot)slot), p->value[slot],
                     slot_count(&p->d, (enum slot)slot));
    problem_prepare(other);
    return other;
}

/* Some samples of a problem as a problem of their own, on the same values. */
static inline problem *problem_share(const problem *p, size_t first, size_t count)
{
    problem *share = (problem *)test_alloc(1, sizeof *share);
    int slot;
    *share = *p;
    share->borrowed = 1;
    share->d.n = 0; /* no samples: no values in what belongs to samples */
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        if (!slot_count(&share->d, (enum slot)slot))
            share->value[slot] = (unsigned char *)p->value[slot] +
                                 slot_count(&p->d, (enum slot)slot) / p->d.n * first *
                                     slot_size(&p->d, (enum slot)slot);
    share->d.n = count;
    return share;
}

static inline const char *problem_text(const problem *p)
{
    static char text[480];
    snprintf(text, sizeof text,
             "seed %llu: %s %s %zux%zux%zu groups %zu act %d (%g, %g, %g) eps %g%s%s%s%s%s "
             "given %x absent %x%s",
             (unsigned long long)p->seed, type_name[p->d.dtype], kind_name[p->d.kind], p->d.n,
             p->d.c, p->d.s, p->d.groups, (int)p->d.act, p->d.act_slope, p->d.act_low,
             p->d.act_high, p->d.eps,
             p->d.affine_per_sample ? " per sample" : "", p->d.param_half ? " param_half" : "",
             p->d.wide_residual ? " wide_residual" : "", p->d.transpose_y ? " transpose_y" : "",
             p->given >> SLOT_LENGTHS & 1 ? " lengths" : "", p->given, p->absent, p->note);
    return text;
}

#endif /* PROBLEM_H */
