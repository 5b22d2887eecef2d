/* decode.h - any string of bytes as a problem: a kind, sizes, options, and values from the hard
 * distributions of gen.h, with single values set by hand. Bytes that are missing are zeros, so that
 * every string means something, and each byte decides one thing, so that a changed byte changes one
 * thing. `case_print` says it in words.
 *
 *   fuzz_case f = case_decode(data, size);
 *   ... f.p, f.family, f.seed ...
 *   case_free(&f);
 *
 * Whoever defines DECODE_NORM before including it gets problems of the norm alone, without what
 * networks put around it. Include normalize.h, test.h, gen.h and problem.h before it.
 */
#ifndef DECODE_H
#define DECODE_H

#include <float.h>
#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Bytes that are read once, in order. */
typedef struct bytes {
    const unsigned char *at;
    size_t left;
} bytes;

static inline unsigned next_byte(bytes *b)
{
    if (!b->left) return 0;
    --b->left;
    return *b->at++;
}

static inline uint64_t next_bytes(bytes *b, int count)
{
    uint64_t value = 0;
    int i;
    for (i = 0; i < count; ++i) value |= (uint64_t)next_byte(b) << 8 * i;
    return value;
}

/* Which verbs a case runs. */
typedef enum family { TRAINING, INFERENCE, PARTS, FAMILIES } family;

static const char *const family_name[FAMILIES] = {"training", "inference", "parts"};

/* Where the values of a buffer come from; kept to be printed. */
typedef struct origin {
    gen_dist dist[2];   /* of the even and the odd statistics groups of a tensor */
    unsigned seed;
    int scale;          /* a power of two                                        */
} origin;

typedef struct edit {
    enum slot slot;
    size_t at, places; /* places: 32 are all that the pilot samples */
    double value;
} edit;

#define MOST_EDITS 120

/* Where the edits start, and the bytes of one: for whoever writes such strings. */
enum { DECODE_HEAD = 48, DECODE_EDIT = 8 };

/* In the place of an edit: what follows the norm, and an edit of add or gate. Both were edits of x
   like any other even number, and no input of the corpus that was older had one. */
enum { DECODE_AROUND = 0xf0, DECODE_AROUND_EDIT = 0xf2 };

/* In the place of an edit of x, as above: tensors as networks have them. */
enum { DECODE_TENSORS = 0xf4 };

/* What the bytes before them decide. Sizes have two each, `given` three; of the values x, dy,
   residual and dsum have four each (distribution, seed, that of odd groups, scale), gamma, beta,
   running_mean, running_var, dgamma and dbeta two. */
enum {
    AT_KIND, AT_DTYPE, AT_FAMILY, AT_MOST, AT_N, AT_C = 6, AT_S = 8, AT_GROUPS = 10, AT_FLAGS,
    AT_EPS, AT_RATE, AT_GIVEN, AT_GAPS = 17, AT_SEED, AT_RELATION, AT_VALUES
};

typedef struct fuzz_case {
    problem *p;
    family family;
    unsigned seed;      /* of how each run is set up */
    unsigned relation;  /* which relations are tested */
    origin from[SLOTS];
    edit edits[MOST_EDITS];
    size_t edit_count;
    int around;         /* something stands around the norm */
    int tensors;        /* an option of problem_tensors, or q8 */
} fuzz_case;

/* ---- sizes ----------------------------------------------------------------------------------- */

/* Around what the library cuts at: 16 lanes, blocks of 128, runs of 1024, tiles of 128 lanes. */
static inline size_t decode_size(bytes *b)
{
    static const size_t base[] = {1,  2,   3,   4,   5,    7,    8,    9,
                                  16, 17,  32,  48,  64,   128,  129,  144,
                                  256, 300, 512, 700, 1024, 1025, 1152, 2048};
    const unsigned which = next_byte(b), offset = next_byte(b);
    size_t size = base[which % COUNT(base)];
    if (which == 255) return 0;
    if (offset < 16) return size + offset;
    if (offset < 32) return size > offset - 15 ? size - (offset - 15) : 1;
    return offset < 64 ? size : 1 + (offset - 64) % 24;
}

/* Halves the shortest axis that is not 1 until all is small enough: the longest is the one whose
   length was meant. */
static inline void decode_shape(bytes *b, nrm_desc *d, size_t most)
{
    d->n = decode_size(b), d->c = decode_size(b), d->s = decode_size(b);
    if (!d->s) d->s = 1; /* what s = 0 means: check.h passes it so, too */
    while (problem_volume(d) > most) {
        size_t *axis[3], i, *shortest = NULL;
        axis[0] = &d->n, axis[1] = &d->c, axis[2] = &d->s;
        for (i = 0; i < 3; ++i)
            if (*axis[i] > 1 && (!shortest || *axis[i] < *shortest)) shortest = axis[i];
        *shortest /= 2;
    }
}

/* The divisors of c, counted through. */
static inline size_t decode_groups(unsigned which, size_t c)
{
    size_t groups, count = 0;
    for (groups = 1; groups <= c; ++groups) count += c % groups == 0;
    if (!count) return 1;
    which %= (unsigned)count;
    for (groups = 1;; ++groups)
        if (c % groups == 0 && which-- == 0) return groups;
}

/* ---- options --------------------------------------------------------------------------------- */

static inline double decode_eps(unsigned byte)
{
    static const double eps[] = {1e-5, 0,       1e-12,   1e-3,  1,       1e3,      1e30,  1e38,
                                 1e-38, 1e-45, 1e-300, 4e-324, 0x1p-100, 0x1p-101, 1e300, DBL_MAX};
    if (byte < 64) return eps[byte % COUNT(eps)];
    return ldexp(1 + (byte & 3) / 4.0, ((int)byte - 160) * 2);
}

static inline void decode_options(bytes *b, problem *p)
{
    static const double rate[] = {0.1, 0, 1, 0.999, 0.5, 1e-300, 1.0 / 3, 0.9999999999999999};
    static const double offset[] = {0, 1, 0, 1, -1, 0.5, 1e30, 0};
    const unsigned flags = next_byte(b);
    unsigned gaps, i;
    p->d.act = flags & 1 ? NRM_RELU : NRM_IDENTITY;
    p->d.affine_per_sample = flags >> 1 & 1;
    p->accumulate = flags >> 2 & 1, p->running_population = flags >> 3 & 1;
    p->d.gamma_offset = offset[flags >> 5];
    p->d.eps = decode_eps(next_byte(b));
    p->running_rate = rate[next_byte(b) % COUNT(rate)];
    p->given = (unsigned)next_bytes(b, 3) & GIVEN_NORM;
    if (!(p->given & (1u << SLOT_DGAMMA | 1u << SLOT_DBETA))) p->given |= 1u << SLOT_DX;
    gaps = next_byte(b);
    for (i = 0; i < 2; ++i, gaps >>= 4) {
        p->line_gap[i] = gaps & 1 ? 1 + (gaps >> 1 & 7) : 0;
        p->sample_gap[i] = gaps & 2 ? 1 + (gaps & 13) : 0;
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

/* 0 is the plain one; the others follow in order. */
static inline gen_dist decode_dist(unsigned byte)
{
    return byte ? (gen_dist)(byte % GEN_DISTS) : GEN_NORMAL;
}

/* The largest number of a type: what would be more after scaling stays finite. */
static inline double largest_of(nrm_dtype type)
{
    if (type == NRM_F64) return DBL_MAX;
    return type == NRM_F16 ? 65504 : type == NRM_BF16 ? 0x1.fep127 : FLT_MAX;
}

static inline void scale_list(nrm_dtype type, void *values, size_t count, int scale)
{
    const double most = largest_of(type);
    size_t i;
    for (i = 0; scale && i < count; ++i) {
        double v = ldexp(type_get(type, values, i), scale);
        if (v - v == 0 || fabs(v) > most) v = v > most ? most : v < -most ? -most : v;
        type_put(type, values, i, v);
    }
}

static inline void fill_tensor(const problem *p, enum slot slot, const origin *from)
{
    const nrm_desc *d = &p->d;
    const nrm_dtype type = slot_type(d, slot);
    size_t lists = problem_stats(d), length, which, i;
    gen g = gen_seed(from->seed * 64 + (unsigned)slot);
    void *list;
    if (!problem_volume(d)) return;
    length = problem_volume(d) / lists;
    list = test_alloc(length, type_size(type));
    for (which = 0; which < lists; ++which) {
        draw_list(&g, from->dist[which & 1], type, list, length);
        scale_list(type, list, length, from->scale);
        for (i = 0; i < length; ++i)
            copy_element(type, p->value[slot], list_place(d, which, i), list, i);
    }
    free(list);
}

/* Gamma about 1, variances above 0 unless set by hand. */
static inline void fill_parameters(const problem *p, enum slot slot, const origin *from)
{
    const nrm_dtype type = slot_type(&p->d, slot);
    const size_t count = slot_count(&p->d, slot);
    gen g = gen_seed(from->seed * 64 + (unsigned)slot);
    void *values = p->value[slot];
    size_t i;
    draw_list(&g, from->dist[0], type, values, count);
    for (i = 0; i < count; ++i) {
        double v = type_get(type, values, i);
        if (slot == SLOT_GAMMA && from->dist[0] == GEN_NORMAL) type_put(type, values, i, v + 1);
        if (slot == SLOT_RUNNING_VAR) type_put(type, values, i, fabs(v));
    }
}

static inline void decode_values(bytes *b, fuzz_case *f)
{
    static const enum slot slots[] = {
        SLOT_X, SLOT_DY, SLOT_RESIDUAL, SLOT_DSUM, SLOT_GAMMA, SLOT_BETA, SLOT_RUNNING_MEAN,
        SLOT_RUNNING_VAR, SLOT_DGAMMA, SLOT_DBETA};
    size_t i;
    for (i = 0; i < COUNT(slots); ++i) {
        origin *from = &f->from[slots[i]];
        from->dist[0] = from->dist[1] = decode_dist(next_byte(b));
        from->seed = next_byte(b);
        if (slot_is_tensor(slots[i])) {
            unsigned other = next_byte(b);
            if (other >= 128) from->dist[1] = decode_dist(other);
            from->scale = (int)(signed char)next_byte(b) * (f->p->d.dtype == NRM_F64 ? 8 : 1);
            fill_tensor(f->p, slots[i], from);
        } else {
            fill_parameters(f->p, slots[i], from);
        }
    }
}

/* ---- single values --------------------------------------------------------------------------- */

/* What is set by hand: a special number, one with a chosen exponent, or any pattern of bits. */
static inline double decode_number(bytes *b, nrm_dtype type)
{
    const unsigned how = next_byte(b);
    const uint64_t u = next_bytes(b, 4);
    const double most = largest_of(type);
    switch (how % 16) {
    case 0: return (double)(int32_t)(u & 0xffff) - 32768;
    case 1: return most;
    case 2: return -most;
    case 3: return 0;
    case 4: return -0.0;
    case 5: return type == NRM_F64 ? 4e-324 : type == NRM_F16 ? 0x1p-24 : (double)0x1p-149f;
    case 6: return type == NRM_F64 ? DBL_MIN : type == NRM_F16 ? 0x1p-14 : (double)FLT_MIN;
    case 7: return (double)INFINITY * (how & 16 ? -1 : 1);
    case 8: return (double)NAN;
    case 9: return 1e6 * (how & 16 ? -1 : 1);
    case 10: return ldexp(1 + (double)(u & 0xffffff) * 0x1p-24, (int)(u >> 24) - 128);
    case 11: return -ldexp(1 + (double)(u & 0xffffff) * 0x1p-24, (int)(u >> 24) - 128);
    default: return (double)gen_from_bits((uint32_t)u);
    }
}

/* The rest of the bytes of one edit: the activation and the seed of the values of add and gate,
   what it takes, what is given, distribution and scale of add and of gate. */
static inline void decode_around(bytes *b, fuzz_case *f)
{
    static const double slope[] = {0.01, 0, 1, -0.5, 3, 1e30, -1e-30, 0x1p-140};
    static const double low[] = {0, -1, -INFINITY, 0.5};
    static const double high[] = {6, INFINITY, 0.5, 1, 2, 1e30, 0.75, 3};
    static const enum slot slots[] = {SLOT_ADD, SLOT_GATE};
    const unsigned act = next_byte(b), limits = next_byte(b), given = next_byte(b);
    problem *p = f->p;
    size_t i;
    f->around = 1;
    if (act % 8 < ACTS) p->d.act = (nrm_act)(act % 8);
    p->d.act_slope = slope[limits & 7];
    p->d.act_low = low[limits >> 3 & 3], p->d.act_high = high[limits >> 5];
    p->given = (p->given & ~GIVEN_AROUND) | (given << SLOT_ADD & GIVEN_AROUND);
    if (!(p->given >> SLOT_GATE & 1)) p->given &= ~(1u << SLOT_DGATE);
    for (i = 0; i < COUNT(slots); ++i) {
        origin *from = &f->from[slots[i]];
        from->dist[0] = from->dist[1] = decode_dist(next_byte(b));
        from->seed = act >> 3;
        from->scale = (int)(signed char)next_byte(b) / 4 * (p->d.dtype == NRM_F64 ? 8 : 1);
        fill_tensor(p, slots[i], from);
    }
}

/* The rest of the bytes of one edit: options, what is given, what is left out, and the seed of the
   lengths; three are left. The lengths of some seeds are all s, 0, or short. */
static inline void decode_tensors(bytes *b, fuzz_case *f)
{
    const unsigned options = next_byte(b), given = next_byte(b), seed = next_byte(b);
    problem *p = f->p;
    const int half = type_is_half(p->d.dtype), wide = p->d.wide_residual;
    size_t *lengths = (size_t *)p->value[SLOT_LENGTHS], i;
    gen g = gen_seed(seed);
    next_bytes(b, 4);
    f->tensors = 1;
    problem_retype(p, half && options & 1, half && options & 2);
    p->d.transpose_y = options >> 2 & 1;
    p->given &= ~GIVEN_TENSORS, p->absent = 0;
    if (options & 8) p->given |= 1u << SLOT_LENGTHS;
    if (options & 16 && takes_q8(p)) p->given |= GIVEN_Q8;
    if (p->d.wide_residual && given & 1) p->given |= 1u << SLOT_DRESIDUAL;
    if (given & 2) p->absent |= 1u << SLOT_X;
    if (given & 4) p->absent |= 1u << SLOT_Y;
    if (given & 8) p->absent |= 1u << SLOT_DX;
    for (i = 0; i < p->d.n; ++i) {
        lengths[i] = gen_one_in(&g, 4) ? p->d.s : gen_below(&g, p->d.s + 1);
        if (seed % 8 == 1) lengths[i] = 0;
        if (seed % 8 == 2) lengths[i] = p->d.s;
        if (seed % 8 == 3) lengths[i] = gen_below(&g, 2);
    }
    if (!p->d.wide_residual || wide) return;
    fill_tensor(p, SLOT_RESIDUAL, &f->from[SLOT_RESIDUAL]); /* all digits of a float */
    fill_tensor(p, SLOT_DSUM, &f->from[SLOT_DSUM]);
}

#ifdef DECODE_NORM
#define DECODES_AROUND 0
#else
#define DECODES_AROUND 1
#endif

static inline enum slot decode_slot(unsigned where, unsigned place)
{
    if (where == DECODE_AROUND_EDIT && DECODES_AROUND) return place >> 15 ? SLOT_GATE : SLOT_ADD;
    return where & 1 ? (enum slot)(1 + (where >> 1) % (SLOT_RUNNING_VAR)) : SLOT_X;
}

static inline void decode_edits(bytes *b, fuzz_case *f)
{
    problem *p = f->p;
    while (b->left && f->edit_count < MOST_EDITS) {
        edit *e = &f->edits[f->edit_count];
        const unsigned where = next_byte(b);
        unsigned place;
        size_t count;
        nrm_dtype type;
        if (where == DECODE_AROUND && DECODES_AROUND) {
            decode_around(b, f);
            continue;
        }
        if (where == DECODE_TENSORS && DECODES_AROUND) {
            decode_tensors(b, f);
            continue;
        }
        place = (unsigned)next_bytes(b, 2);
        e->slot = decode_slot(where, place);
        count = slot_count(&p->d, e->slot), type = slot_type(&p->d, e->slot);
        e->value = decode_number(b, type);
        if (!count) continue;
        e->at = place % count;
        if (e->slot == SLOT_X && where & 2) { /* where the pilot samples the first list */
            size_t length = count / problem_stats(&p->d), i;
            e->at = list_place(&p->d, 0, gen_pilot_place(place % 32, length));
            e->places = where & 4 ? 32 : 1; /* at one of its places, or at all of them */
            for (i = 0; i < 32 && e->places > 1; ++i)
                type_put(type, p->value[SLOT_X],
                         list_place(&p->d, 0, gen_pilot_place((unsigned)i, length)), e->value);
        }
        type_put(type, p->value[e->slot], e->at, e->value);
        e->value = type_get(type, p->value[e->slot], e->at);
        ++f->edit_count;
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static inline fuzz_case case_decode(const unsigned char *data, size_t size)
{
    static const nrm_dtype type[] = {NRM_F32, NRM_F32, NRM_BF16, NRM_F32,
                                     NRM_F16, NRM_F32, NRM_F64,  NRM_F32};
    fuzz_case f;
    bytes b;
    problem *p = (problem *)test_alloc(1, sizeof *p);
    unsigned large;
    memset(&f, 0, sizeof f);
    b.at = data, b.left = size;
    f.p = p;
    p->d.kind = (nrm_kind)(next_byte(&b) % 5);
    p->d.dtype = type[next_byte(&b) % COUNT(type)];
    if (!type_is_here(p->d.dtype)) p->d.dtype = NRM_F32;
    f.family = (family)(next_byte(&b) % FAMILIES);
    if (!verb_fits(f.family == PARTS ? VERB_REDUCE : VERB_INFER, p->d.kind)) f.family = TRAINING;
    large = next_byte(&b);
    decode_shape(&b, &p->d, large >= 252 ? 20000 : large >= 240 ? 4096 : large >= 192 ? 1000
                            : large >= 96 ? 300 : 100);
    p->d.groups = decode_groups(next_byte(&b), p->d.c);
    decode_options(&b, p);
    f.seed = next_byte(&b);
    f.relation = next_byte(&b);
    problem_alloc(p);
    decode_values(&b, &f);
    decode_edits(&b, &f);
    problem_prepare(p);
    return f;
}

static inline void case_free(fuzz_case *f)
{
    problem_free(f->p);
}

/* ---- in words -------------------------------------------------------------------------------- */

static inline void print_origin(FILE *out, const char *name, const origin *from, size_t count)
{
    fprintf(out, "  %-12s %zu values, %s", name, count, gen_dist_name[from->dist[0]]);
    if (from->dist[1] != from->dist[0]) fprintf(out, " and %s", gen_dist_name[from->dist[1]]);
    if (from->scale) fprintf(out, ", times 2^%d", from->scale);
    fprintf(out, ", seed %u\n", from->seed);
}

static inline void case_print(FILE *out, const fuzz_case *f)
{
    const problem *p = f->p;
    const nrm_desc *d = &p->d;
    size_t i;
    int slot;
    fprintf(out, "  %s, %s norm, %s: n %zu, c %zu, s %zu", family_name[f->family],
            kind_name[d->kind], type_name[d->dtype], d->n, d->c, d->s);
    if (d->kind == NRM_GROUP) fprintf(out, ", %zu groups", d->groups);
    if (d->act > NRM_RELU)
        fprintf(out, "\n  slope %g, low %g, high %g", d->act_slope, d->act_low, d->act_high);
    fprintf(out, "\n  eps %.17g, act %s, gamma_offset %g%s%s\n", d->eps,
            act_name[d->act], d->gamma_offset,
            d->affine_per_sample ? ", affine per sample" : "", p->accumulate ? ", accumulate" : "");
    fprintf(out, "  running rate %.17g, %s variance; gaps of x %zu %zu, of y %zu %zu; seed %u, "
            "relations %u\n", p->running_rate, p->running_population ? "population" : "unbiased",
            p->line_gap[0], p->sample_gap[0], p->line_gap[1], p->sample_gap[1], f->seed,
            f->relation);
    if (f->tensors)
        fprintf(out, "  %s%s%sleft out:%s%s%s\n", d->param_half ? "param_half, " : "",
                d->wide_residual ? "wide_residual, " : "", d->transpose_y ? "transpose_y, " : "",
                p->absent >> SLOT_X & 1 ? " x" : "", p->absent >> SLOT_Y & 1 ? " y" : "",
                p->absent >> SLOT_DX & 1 ? " dx" : "");
    for (i = 0; i < d->n && p->given >> SLOT_LENGTHS & 1; ++i)
        fprintf(out, "%s%zu%s", i ? " " : "  lengths: ", ((size_t *)p->value[SLOT_LENGTHS])[i],
                i + 1 < d->n ? "" : "\n");
    fprintf(out, "  given:");
    for (slot = SLOT_X; slot <= SLOT_RSTD; ++slot)
        if (p->given >> slot & 1) fprintf(out, " %s", slot_name[slot]);
    for (slot = SLOT_ADD; slot < SLOTS; ++slot)
        if (p->given >> slot & 1) fprintf(out, " %s", slot_name[slot]);
    fprintf(out, "\n");
    for (slot = SLOT_X; slot <= SLOT_RUNNING_VAR; ++slot)
        if (slot != SLOT_SUM && slot != SLOT_DX && slot != SLOT_Y)
            print_origin(out, slot_name[slot], &f->from[slot],
                         slot_count(d, (enum slot)slot));
    for (slot = SLOT_ADD; slot < SLOT_DRESIDUAL; slot += 2)
        if (f->around)
            print_origin(out, slot_name[slot], &f->from[slot], slot_count(d, (enum slot)slot));
    for (i = 0; i < f->edit_count; ++i)
        fprintf(out, "  %s[%zu]%s = %.17g (%a)\n", slot_name[f->edits[i].slot], f->edits[i].at,
                f->edits[i].places > 1 ? ", as everywhere the pilot looks," : "",
                f->edits[i].value, f->edits[i].value);
}

#endif /* DECODE_H */
