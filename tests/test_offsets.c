/* test_offsets.c - offsets past 2^31 and 2^32, of elements and of bytes. Tensors lie in mappings of
 * 116 GiB with gaps of up to 2^32 elements, so that only the pages of their elements are ever
 * touched, and every output is compared with that of the packed run. Then one list of more than
 * 2^32 values: its input is the page of zeros but for a few values, its output a window of memory
 * that slides along.
 *
 *   test_offsets          takes 9 s of a processor, and memory sanitizing 25 s
 *   test_offsets fewer    half of the gaps and no pools, for emulators: qemu-user takes 170 s
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#if !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED)
#define SANITIZED 0 /* 1: fewer gaps and a shorter list */
#endif

#if SIZE_MAX > 0xffffffffu && (defined(__unix__) || defined(__APPLE__))

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if !defined(MAP_NORESERVE)
#define MAP_NORESERVE 0
#endif

#define GIB ((size_t)1 << 30)
#define ROOM (100 * GIB)  /* from the first element on: 3 * 2^32 elements of 8 bytes and more */
#define BEFORE (16 * GIB) /* before it: where -2^31 elements of 8 bytes lead */
#define LARGE 100000      /* elements: cheaper values */
#define MARGIN 64         /* unused bytes around every run of elements */
#define SHARES 6          /* tensors that can lie in one room */

static unsigned char *room[2]; /* of the tensors by x_pitch, and of those by y_pitch */
static int fewer = SANITIZED;
static unsigned long calls;

/* ---- rooms ----------------------------------------------------------------------------------- */

/* New memory, in place of what may lie there. Without MAP_NORESERVE so much is refused. A huge page
   would be touched by a single element. */
static unsigned char *map_sparse(unsigned char *at, size_t bytes)
{
    const int fixed = at ? MAP_FIXED : 0;
    void *p = mmap(at, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    if (p == MAP_FAILED) return NULL;
#if defined(MADV_NOHUGEPAGE)
    madvise(p, bytes, MADV_NOHUGEPAGE);
#endif
    return (unsigned char *)p;
}

/* Empties both rooms, page tables included. */
static int renew_rooms(void)
{
    int r;
    for (r = 0; r < 2; ++r) {
        unsigned char *p = map_sparse(room[r] ? room[r] - BEFORE : NULL, BEFORE + ROOM);
        if (!p) return 0;
        room[r] = p + BEFORE;
    }
    return 1;
}

static int room_of(enum slot slot)
{
    return slot >= SLOT_Y; /* of tensors alone */
}

/* How tensors share a room: side by side in blocks. A run is what has no gaps inside, a line or a
   sample or all, and a block holds one run of each tensor. All in bytes. */
typedef struct blocks {
    size_t samples, lines, sample, line, run, block;
} blocks;

static blocks blocks_of(const nrm_desc *d, int r)
{
    const nrm_desc own = slot_desc(d, r ? SLOT_Y : SLOT_X);
    const nrm_pitch p = full_pitch(d, r ? SLOT_Y : SLOT_X);
    const size_t size = type_size(d->dtype), length = line_length(&own);
    blocks b;
    b.samples = d->n, b.lines = line_count(&own);
    b.sample = p.sample * size, b.line = p.line * size, b.run = length * size;
    if (p.line == length) b.run *= b.lines, b.lines = 1;
    if (b.sample == b.run) b.run *= b.samples, b.samples = 1;
    b.block = SHARES * (MARGIN + b.run) + MARGIN;
    return b;
}

static unsigned char *share_of(const nrm_desc *d, enum slot slot)
{
    const int r = room_of(slot), first = r ? SLOT_Y : SLOT_X;
    const int share = slot >= SLOT_ADD ? slot - SLOT_ADD + 2 : slot - first; /* after y and dy */
    return room[r] + MARGIN + (size_t)share * (MARGIN + blocks_of(d, r).run);
}

static int is_zero(const unsigned char *p, size_t bytes)
{
    return !*p && !memcmp(p, p + 1, bytes - 1);
}

/* Makes the runs of one tensor zero. */
static void wipe(const nrm_desc *d, enum slot slot, unsigned char *data)
{
    const blocks b = blocks_of(d, room_of(slot));
    size_t i, line;
    for (i = 0; i < b.samples; ++i)
        for (line = 0; line < b.lines; ++line)
            memset(data + i * b.sample + line * b.line, 0, b.run);
}

/* 1 when nothing is left in the blocks of a room. */
static int is_empty(const nrm_desc *d, int r)
{
    const blocks b = blocks_of(d, r);
    size_t i, line;
    for (i = 0; i < b.samples; ++i)
        for (line = 0; line < b.lines; ++line)
            if (!is_zero(room[r] + i * b.sample + line * b.line, b.block)) return 0;
    return 1;
}

#if defined(__linux__)
/* 1 when a page, `at` bytes into a room, has a part of a block. */
static int has_block(const blocks *b, size_t at, size_t page)
{
    size_t i, line;
    for (i = 0; i < b->samples; ++i)
        for (line = 0; line < b->lines; ++line) {
            size_t from = i * b->sample + line * b->line;
            if (at + page > from && at < from + b->block) return 1;
        }
    return 0;
}

/* How many pages outside of all blocks were touched, even if only read, among those that an offset
   of 32 bits, signed or not, in bytes or elements, can lead to. */
static unsigned long stray_pages(const nrm_desc *d, int r)
{
    static unsigned char there[GIB / 4096];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = GIB / page;
    const size_t most = (size_t)1 << 32;
    const blocks b = blocks_of(d, r);
    unsigned char *const end = room[r] + most * type_size(d->dtype), *at = room[r] - BEFORE;
    unsigned long stray = 0;
    for (; at < end; at += GIB) {
        size_t i;
        if (mincore(at, GIB, there)) return 0;
        for (i = 0; i < pages; ++i) {
            const unsigned char *next = (const unsigned char *)memchr(there + i, 1, pages - i);
            if (!next) break;
            i = (size_t)(next - there);
            stray += at < room[r] || !has_block(&b, (size_t)(at - room[r]) + i * page, page);
        }
    }
    return stray;
}

/* 1 when a page that was read counts as touched, and another does not. */
static int pages_are_told(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const volatile unsigned char *at = room[0] + page;
    unsigned char there[3];
    (void)*at;
    return !mincore(room[0], 3 * page, there) && !there[0] && there[1] == 1 && !there[2];
}
#else
static int pages_are_told(void)
{
    return 0;
}

static unsigned long stray_pages(const nrm_desc *d, int r)
{
    (void)d, (void)r;
    return 0;
}
#endif

/* ---- one call -------------------------------------------------------------------------------- */

/* The calling thread alone, last index first. */
static void run_backwards(void *user, size_t tasks, void (*task)(void *arg, size_t index),
                          void *arg)
{
    (void)user;
    while (tasks-- > 0) task(arg, tasks);
}

static const nrm_pool backwards = {run_backwards, NULL, 2};

/* Tensors in the rooms, all else in memory of its own length. */
static void lay_out(bed *b, const problem *p, const setup *s)
{
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        const enum slot shared = bed_shared(s, (enum slot)slot);
        if (b->role[slot] == '.') continue;
        if (slot_is_tensor((enum slot)slot))
            b->data[slot] = share_of(&b->d, shared ? shared : (enum slot)slot);
        else
            b->data[slot] = (unsigned char *)test_alloc(slot_count(&b->d, (enum slot)slot),
                                                        slot_size(&b->d, (enum slot)slot));
        if (role_reads(b->role[slot]))
            slot_copy(&b->d, (enum slot)slot, p->value[slot], b->data[slot], LAY_OUT);
    }
    bed_point(b, p, s);
}

/* The contents of a slot in canonical order. */
static void *collected(const bed *b, enum slot slot)
{
    void *value = test_alloc(slot_count(&b->d, slot), slot_size(&b->d, slot));
    slot_copy(&b->d, slot, value, b->data[slot], COLLECT);
    return value;
}

/* Takes the outputs out and leaves the rooms as they were before. Not clean: an input was changed,
   or a byte beside the runs. */
static void take_in(bed *b, const problem *p, const setup *s, outcome *o)
{
    int slot;
    o->d = b->d, o->clean = bed_release(b);
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        if (b->role[slot] == '.') continue;
        o->count[slot] = slot_count(&b->d, (enum slot)slot);
        o->value[slot] = collected(b, (enum slot)slot);
        if (role_writes(b->role[slot]) || s->y_is == (enum slot)slot || s->dx_is == (enum slot)slot)
            continue;
        if (memcmp(o->value[slot], p->value[slot],
                   o->count[slot] * slot_size(&o->d, (enum slot)slot)) != 0)
            o->clean = 0;
    }
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        if (b->role[slot] == '.' || bed_shared(s, (enum slot)slot)) continue;
        if (slot_is_tensor((enum slot)slot))
            wipe(&b->d, (enum slot)slot, b->data[slot]);
        else
            free(b->data[slot]);
    }
    o->clean &= is_empty(&b->d, 0) && is_empty(&b->d, 1);
}

static void call(const problem *p, enum verb verb, const setup *s, const outcome *packed)
{
    outcome *o = (outcome *)test_alloc(1, sizeof *o);
    difference where;
    bed b;
    int same;
    bed_describe(&b, p, verb, s);
    lay_out(&b, p, s);
    o->status = verb_call(verb, &b.d, &b.a, b.data[SLOT_MOMENTS], b.data[SLOT_SUMS]);
    take_in(&b, p, s, o);
    same = same_outcome(o, packed, &where);
    check(same && o->clean,
          "%s %s%s%s: status %d and %d, clean %d, %s[%zu]; pitches %zu %zu and %zu %zu; %s",
          verb_name[verb], nrm_isa_name(s->isa), s->layout ? " NHWC" : " NCHW",
          s->pool ? " pool" : "", (int)o->status, (int)packed->status, o->clean,
          slot_name[where.slot], where.index, b.d.x_pitch.sample, b.d.x_pitch.line,
          b.d.y_pitch.sample, b.d.y_pitch.line, problem_text(p));
    ++calls;
    outcome_free(o);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

enum { SAMPLES = 1, LINES = 2 };

/* Gaps of 2^32, so that a pitch which loses its upper half looks packed, beside packed tensors; and
   of what is negative in 32 bits. */
static const struct gaps {
    int where;
    size_t x, y; /* 0: none */
} all_gaps[] = {
    {SAMPLES, (size_t)1 << 32, 0},
    {SAMPLES, 0, (size_t)1 << 32},
    {SAMPLES, ((size_t)1 << 31) + 13, ((size_t)1 << 31) + 13},
    {LINES, (size_t)1 << 32, 0},
    {LINES, 0, (size_t)1 << 32},
    {LINES, ((size_t)1 << 31) + 13, ((size_t)1 << 31) + 13}, /* in place: equal pitches */
    {SAMPLES | LINES, (size_t)1 << 32, ((size_t)1 << 31) + 13},
};

#define GAPS (int)(sizeof all_gaps / sizeof *all_gaps)
#define IN_PLACE 5

#define ALL_KINDS ((1u << KINDS) - 1)
#define ONLY_BATCH (1u << NRM_BATCH)
#define ROWS (1u << NRM_LAYER | 1u << NRM_RMS)
#define LAYOUT_NCHW 1u
#define LAYOUT_NHWC 2u
#define BOTH_LAYOUTS 3u

#define ALL_GAPS 0x7fu
#define FEWER_GAPS 0x6au

typedef struct shape {
    size_t n, c, s, groups;
    unsigned kinds, layouts, gaps; /* a bit each */
} shape;

/* Tiles of 64 lanes, blocks of 128 values and runs of 1024 begin anew where an axis is longer. */
static const shape small_shapes[] = {
    {2, 3, 5, 3, ALL_KINDS, BOTH_LAYOUTS, ALL_GAPS},
    {1, 3, 3, 1, ALL_KINDS, BOTH_LAYOUTS, ALL_GAPS},   /* gaps of 2^32 even between lines */
    {1, 3, 1, 1, ALL_KINDS, LAYOUT_NCHW, ALL_GAPS},
    {1, 1, 3, 1, ALL_KINDS, LAYOUT_NHWC, ALL_GAPS},
    {2, 3, 150, 1, ALL_KINDS, BOTH_LAYOUTS, ALL_GAPS},
    {2, 150, 3, 2, ALL_KINDS, BOTH_LAYOUTS, ALL_GAPS},
    {150, 3, 2, 3, ALL_KINDS, BOTH_LAYOUTS, ALL_GAPS}, /* batch: planes along the samples */
    {70, 6, 1, 2, ALL_KINDS, BOTH_LAYOUTS, ALL_GAPS},  /* group: layer norm of its channels */
    {2, 4, 1, 2, ALL_KINDS, LAYOUT_NCHW, ALL_GAPS},
    {1, 3, 1100, 1, ALL_KINDS & ~ROWS, LAYOUT_NHWC, 1u << 3 | 1u << 6},
    {1, 1100, 3, 1, ROWS, LAYOUT_NCHW, 1u << 3 | 1u << 6},
    {1100, 2, 1, 1, ONLY_BATCH, BOTH_LAYOUTS, 1u << 1 | 1u << 2},
};

#if defined(NRM_POOL_MIN)
#define SMALL_CALLS_POOL (NRM_POOL_MIN < 100)
#else
#define SMALL_CALLS_POOL 0
#endif

/* Elsewhere a call uses its pool from 524288 elements on, and of 64 channels or rows a quarter of
   that. */
static const shape pool_shapes[] = {
    {2, 3, 87400, 1, ALL_KINDS, LAYOUT_NCHW, 1u << 2 | 1u << 6},
    {3, 64, 2731, 1, ONLY_BATCH, LAYOUT_NHWC, 1u << 5}, /* more cells than tasks */
    {1, 192, 2731, 2, ALL_KINDS & ~ROWS, LAYOUT_NHWC, 1u << 6},
    {1, 2731, 192, 1, ROWS, LAYOUT_NCHW, 1u << 6},
};

/* Large ones with what is drawn fast. */
static void fill(gen *g, problem *p, int hard)
{
    static const enum slot tensors[] = {SLOT_X, SLOT_RESIDUAL, SLOT_DY, SLOT_DSUM, SLOT_ADD,
                                        SLOT_GATE};
    const size_t count = problem_volume(&p->d);
    size_t i, k;
    for (k = 0; k < sizeof tensors / sizeof *tensors; ++k) {
        void *to = p->value[tensors[k]];
        if (count < LARGE)
            draw_tensor(g, &p->d, hard, to);
        else
            for (i = 0; i < count; ++i)
                type_put(p->d.dtype, to, i, (double)(gen_u64(g) >> 44) / (1 << 18) - 2);
    }
}

/* Every pointer is given, but residual and dsum in every other problem. Hard ones have values that
   the kernels in double are for. Large ones share gamma among the samples: only then are several
   planes cut up as one. */
static problem *draw(const shape *h, nrm_kind kind, nrm_dtype type, int hard)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g;
    p->seed = (uint64_t)h->n * 31 + h->c * 7 + h->s + (unsigned)kind * 2 + (unsigned)hard;
    g = gen_seed(p->seed);
    p->d.kind = kind, p->d.dtype = type;
    p->d.n = h->n, p->d.c = h->c, p->d.s = h->s, p->d.groups = h->groups;
    draw_options(&g, p);
    p->given = GIVEN_NORM;
    if (gen_one_in(&g, 2)) p->given &= ~(1u << SLOT_RESIDUAL | 1u << SLOT_DSUM);
    if (p->seed % 3 == 1) p->given |= GIVEN_AROUND, p->d.act = NRM_SILU;
    p->d.affine_per_sample = gen_one_in(&g, 3) && problem_volume(&p->d) < LARGE;
    p->d.transpose_y = (h->n + h->c + h->s) % 3 == 1; /* of all kinds: they share the rooms */
    problem_alloc(p);
    fill(&g, p, hard);
    draw_parameters(&g, p, hard);
    memset(p->line_gap, 0, sizeof p->line_gap);
    memset(p->sample_gap, 0, sizeof p->sample_gap);
    problem_prepare(p);
    return p;
}

/* `gap` elements, or as many as let a room hold so many gaps and what lies between them. */
static size_t gap_for(const problem *p, size_t gap, size_t between, size_t times)
{
    while (between + gap > ROOM / type_size(p->d.dtype) / times) gap = gap / 2 | 1;
    return gap;
}

/* 0 when there are no two lines or samples to have gaps between. */
static int choose_gaps(problem *p, nrm_layout layout, int gaps)
{
    const struct gaps *s = &all_gaps[gaps];
    nrm_desc d = p->d, own;
    size_t lines, length, least = SIZE_MAX;
    int r;
    if (gaps == IN_PLACE && d.transpose_y) return 0; /* y lies apart */
    d.layout = layout;
    for (r = 0; r < 2; ++r) {
        const size_t gap = r ? s->y : s->x;
        own = slot_desc(&d, r ? SLOT_Y : SLOT_X);
        lines = line_count(&own), length = line_length(&own);
        if (gap && lines < least) least = lines;
        p->sample_gap[r] = p->line_gap[r] = 0;
        if (!gap) continue;
        if (s->where == SAMPLES)
            p->sample_gap[r] = gap_for(p, gap, lines * length, d.n);
        else
            p->line_gap[r] = gap_for(p, gap, length, d.n * lines * (s->where == LINES ? 1 : 2));
        if (s->where == (SAMPLES | LINES)) p->sample_gap[r] = gap_for(p, gap, 0, 2 * d.n);
    }
    return s->where == SAMPLES ? d.n > 1 : least > 1;
}

/* ---- all calls of a shape -------------------------------------------------------------------- */

/* The problems of a shape, and what their packed runs give. */
typedef struct drawn {
    problem *p[5];
    outcome *packed[5][VERBS];
} drawn;

static void draw_kinds(drawn *w, const shape *h, nrm_dtype type, unsigned kinds, int hard)
{
    const setup s = plain(NRM_SCALAR, NRM_NCHW);
    int kind, verb;
    memset(w, 0, sizeof *w);
    for (kind = 0; kind < 5; ++kind) {
        if (!(kinds >> kind & 1)) continue;
        w->p[kind] = draw(h, (nrm_kind)kind, type, hard);
        for (verb = 0; verb < VERBS; ++verb)
            if (verb_fits((enum verb)verb, (nrm_kind)kind))
                w->packed[kind][verb] = run(w->p[kind], (enum verb)verb, &s);
    }
}

static void free_kinds(drawn *w)
{
    int kind, verb;
    for (kind = 0; kind < 5; ++kind) {
        if (w->p[kind]) problem_free(w->p[kind]);
        for (verb = 0; verb < VERBS; ++verb)
            if (w->packed[kind][verb]) outcome_free(w->packed[kind][verb]);
    }
}

/* In place with one kind of gaps; with a pool every other time, which makes no difference to small
   calls but where NRM_POOL_MIN says so. */
static void all_verbs(const drawn *w, int kind, nrm_layout layout, int gaps, nrm_isa isa)
{
    setup s = plain(isa, layout);
    int verb;
    for (verb = 0; verb < VERBS; ++verb) {
        if (!w->packed[kind][verb]) continue;
        s.pool = isa == NRM_AUTO || (verb + gaps + (int)isa) % 2 ? &backwards : NULL;
        s.workspace_size = gaps % 2 ? 65536 : 0;
        if (gaps == IN_PLACE) s.y_is = SLOT_X, s.dx_is = verb % 2 ? SLOT_DY : SLOT_X;
        call(w->p[kind], (enum verb)verb, &s, w->packed[kind][verb]);
    }
}

static void check_strays(const problem *p, nrm_layout layout, int gaps)
{
    const int own = gaps != IN_PLACE;
    nrm_desc d = p->d, y;
    unsigned long stray;
    d.layout = layout, y = slot_desc(&d, SLOT_Y);
    d.x_pitch = gap_pitch(p, &d, 0, 0), d.y_pitch = gap_pitch(p, &y, own, own);
    stray = stray_pages(&d, 0) + stray_pages(&d, 1);
    check(!stray, "%lu pages in the gaps were touched; %s", stray, problem_text(p));
}

/* All kinds of a set with one kind of gaps: their tensors lie at the same places. */
static void test_gaps(const drawn *w, nrm_layout layout, int gaps, const nrm_isa *isa, size_t isas)
{
    const problem *last = NULL;
    size_t i;
    int kind;
    if (!check(renew_rooms(), "rooms are mapped again")) return;
    for (kind = 0; kind < 5; ++kind) {
        if (!w->p[kind] || !choose_gaps(w->p[kind], layout, gaps)) continue;
        last = w->p[kind];
        for (i = 0; i < isas; ++i)
            if (nrm_has_isa(isa[i])) all_verbs(w, kind, layout, gaps, isa[i]);
    }
    if (last && problem_volume(&last->d) < 100) check_strays(last, layout, gaps);
}

/* Half of the gaps with plain values, half with hard ones. */
static void test_shape(const shape *h, nrm_dtype type, unsigned kinds, const nrm_isa *isa,
                       size_t isas)
{
    static const unsigned gaps_of[2] = {0x55, 0x2a};
    const unsigned wanted = fewer && h->gaps == ALL_GAPS ? FEWER_GAPS : h->gaps;
    drawn w;
    int hard, layout, gaps;
    for (hard = 0; hard < 2; ++hard) {
        if (!(wanted & gaps_of[hard])) continue;
        draw_kinds(&w, h, type, kinds, hard);
        for (layout = 0; layout < 2; ++layout)
            for (gaps = 0; gaps < GAPS && (h->layouts >> layout & 1); ++gaps)
                if (wanted & gaps_of[hard] & 1u << gaps)
                    test_gaps(&w, (nrm_layout)layout, gaps, isa, isas);
        free_kinds(&w);
    }
}

static void test_small(nrm_dtype type)
{
    size_t i;
    for (i = 0; i < sizeof small_shapes / sizeof *small_shapes; ++i) {
        const shape *h = &small_shapes[i];
        group("%s, %zu x %zu x %zu with large gaps", type_name[type], h->n, h->c, h->s);
        test_shape(h, type, h->kinds, all_isa, ISAS);
        group_end();
    }
}

/* Kind by kind, to hold less at a time. */
static void test_pool(nrm_dtype type)
{
    static const nrm_isa best[] = {NRM_AUTO};
    size_t i;
    int kind;
    for (i = 0; i < sizeof pool_shapes / sizeof *pool_shapes; ++i) {
        const shape *h = &pool_shapes[i];
        group("%s, %zu x %zu x %zu with large gaps and a pool", type_name[type], h->n, h->c, h->s);
        for (kind = 0; kind < 5; ++kind)
            if (h->kinds >> kind & 1) test_shape(h, type, 1u << kind, best, 1);
        group_end();
    }
}

/* ---- overlaps and counts --------------------------------------------------------------------- */

/* Whether two tensors of one shape and pitch share a byte, the second lying so many bytes on. */
static int meet(const nrm_desc *d, size_t apart)
{
    const size_t lines = line_count(d), length = line_length(d), size = type_size(d->dtype);
    const nrm_pitch p = full_pitch(d, SLOT_X);
    size_t i, j, k, count = d->n * lines * length, from, to;
    for (i = 0; i < count; ++i)
        for (j = 0; j < count; ++j) {
            k = i / length;
            from = size * (k / lines * p.sample + k % lines * p.line + i % length);
            k = j / length;
            to = size * (k / lines * p.sample + k % lines * p.line + j % length) + apart;
            if (from < to + size && to < from + size) return 1;
        }
    return 0;
}

/* y somewhere among the lines of x. */
static void overlap(const nrm_desc *d, size_t apart)
{
    const nrm_status expected = meet(d, apart) ? NRM_ERR_ALIAS : NRM_OK;
    nrm_status status;
    nrm_args a;
    memset(&a, 0, sizeof a);
    a.x = room[0], a.y = room[0] + apart;
    status = nrm_forward(d, &a);
    check(status == expected, "%s %s, %zu bytes apart: status %d, not %d", type_name[d->dtype],
          d->layout ? "NHWC" : "NCHW", apart, (int)status, (int)expected);
}

/* y's sample 1 is x's sample 2, which pitches that lost their upper halves do not show. */
static void overlap_by_pitch(void)
{
    const size_t half = (size_t)1 << 32;
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_LAYER, d.n = 3, d.c = d.s = 4, d.eps = 1;
    d.x_pitch.sample = half + 1000, d.y_pitch.sample = half + d.x_pitch.sample;
    a.x = room[0], a.y = room[0] + 4 * 1000;
    check(nrm_forward(&d, &a) == NRM_ERR_ALIAS, "pitches 2^32 apart");
}

static void test_overlaps(void)
{
    static const ptrdiff_t beside[] = {-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5};
    nrm_desc d;
    size_t i, j, k, type, size;
    group("y between the lines of x");
    memset(&d, 0, sizeof d);
    d.kind = NRM_LAYER, d.n = 3, d.c = d.s = 4, d.eps = 1;
    for (type = 0; type < TYPES; ++type) {
        d.dtype = (nrm_dtype)type, size = type_size(d.dtype);
        if (!type_is_here(d.dtype) || !check(renew_rooms(), "rooms are mapped again")) continue;
        d.layout = (nrm_layout)(type % 2);
        d.x_pitch.line = ((size_t)1 << 30) / size * 2 + 21; /* bytes past 2^31; all past 2^33 */
        d.x_pitch.sample = 5 * d.x_pitch.line + 3;
        d.y_pitch = d.x_pitch;
        for (i = 0; i < 3; ++i)
            for (j = 0; j < 6; ++j)
                for (k = i + j ? 0 : 5; k < sizeof beside / sizeof *beside; ++k) {
                    size_t at = i * d.x_pitch.sample + j * d.x_pitch.line;
                    at = (size_t)((ptrdiff_t)at + beside[k]) * size;
                    if (at) overlap(&d, at);
                    if (k == 0 || k == 9) overlap(&d, at + 1);
                }
    }
    overlap_by_pitch();
    group_end();
}

static void test_counts(void)
{
    const size_t large = ((size_t)1 << 33) + 3;
    nrm_desc d;
    int kind;
    group("counts past 2^32");
    memset(&d, 0, sizeof d);
    for (kind = 0; kind < 5; ++kind) {
        d.kind = (nrm_kind)kind;
        d.n = d.groups = 3, d.c = 3 * large, d.s = 1;
        check(nrm_stat_count(&d) == (kind == NRM_BATCH      ? d.c
                                     : kind == NRM_INSTANCE ? 3 * d.c
                                     : kind == NRM_GROUP    ? 9
                                                            : 3),
              "%s, many channels", kind_name[kind]);
        if (kind != NRM_LAYER && kind != NRM_RMS)
            check(nrm_workspace_size(&d, 4) >= d.c, "%s: workspace", kind_name[kind]);
        d.n = large, d.c = 3, d.s = 2;
        check(nrm_stat_count(&d) == (kind == NRM_BATCH      ? 3
                                     : kind == NRM_INSTANCE ? 3 * large
                                     : kind == NRM_GROUP    ? 3 * large
                                                            : 2 * large),
              "%s, many samples", kind_name[kind]);
    }
    group_end();
}

/* ---- one long list --------------------------------------------------------------------------- */

/* Reading memory that was never written maps a page of zeros on Linux, and takes none. */
#if defined(__linux__)

#define LEAST_POWER 31
#define MOST_POWER (SANITIZED ? 31 : 32)
#define BEYOND 77   /* values after 2^31 or 2^32: no whole vector, no whole block */
#define MARKS 6     /* of them at most are not zero */
#define SECONDS 3.0 /* that one pass may take; else the list is shorter, or none */

/* 2^31 or 2^32 values of bf16 and some; mark k is 2^k. */
typedef struct list {
    uint16_t *values;
    size_t count, marks, at[MARKS];
    double sum, squares; /* exact */
} list;

static list list_of(uint16_t *values, int power)
{
    const size_t half = (size_t)1 << 31, all = (size_t)1 << power;
    const size_t at[MARKS] = {half - 1, half + 3, all - 2, all + 1, all + BEYOND - 1, 0};
    list l;
    size_t k;
    l.values = values, l.count = all + BEYOND, l.marks = 0, l.sum = l.squares = 0;
    for (k = 0; at[k]; ++k)
        if (!k || at[k] > l.at[l.marks - 1]) l.at[l.marks++] = at[k];
    for (k = 0; k < l.marks; ++k) {
        const double mark = (double)(1 << k);
        l.sum += mark, l.squares += mark * mark;
        type_put(NRM_BF16, values, l.at[k], mark);
    }
    return l;
}

static void list_clear(const list *l)
{
    size_t k;
    for (k = 0; k < l->marks; ++k) l->values[l->at[k]] = 0;
}

static nrm_desc list_desc(size_t count)
{
    nrm_desc d;
    memset(&d, 0, sizeof d);
    d.dtype = NRM_BF16, d.n = d.c = 1, d.s = count;
    return d;
}

/* Huge pages of zeros where the system has them: 2048 faults for 4 GiB instead of a million. */
static uint16_t *map_list(size_t count)
{
    void *p = mmap(NULL, count * sizeof(uint16_t), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return NULL;
#if defined(MADV_HUGEPAGE)
    madvise(p, count * sizeof(uint16_t), MADV_HUGEPAGE);
#endif
    return (uint16_t *)p;
}

/* The pilot is 0, and the rest as in NUMERICS, "Statistics". */
static void list_moments(const list *l, nrm_isa isa)
{
    nrm_desc d = list_desc(l->count);
    nrm_args a;
    nrm_moments m;
    nrm_status status;
    volatile double mean = l->sum / (double)l->count, product = l->sum * mean; /* each rounded */
    memset(&a, 0, sizeof a), memset(&m, 0, sizeof m);
    d.eps = 1;
    a.x = l->values, a.isa = isa;
    status = nrm_reduce(&d, &a, &m);
    ok(status == NRM_OK && m.count == (double)l->count && m.mean == mean &&
           m.m2 == l->squares - product,
       "%s, moments of %zu values: status %d, count %.0f, mean %g, m2 %g", nrm_isa_name(isa),
       l->count, (int)status, m.count, m.mean, m.m2);
}

/* dy is x. */
static void list_gradients(const list *l, nrm_isa isa)
{
    const double mean = 0, rstd = 1;
    nrm_desc d = list_desc(l->count);
    nrm_args a;
    nrm_sums m;
    nrm_status status;
    float dgamma = 0, dbeta = 0;
    memset(&a, 0, sizeof a), memset(&m, 0, sizeof m);
    a.x = a.dy = l->values, a.isa = isa, a.dgamma = &dgamma, a.dbeta = &dbeta;
    a.mean = (double *)(uintptr_t)&mean, a.rstd = (double *)(uintptr_t)&rstd;
    status = nrm_backward_reduce(&d, &a, &m);
    ok(status == NRM_OK && m.count == (double)l->count && m.dy == l->sum &&
           m.dy_xhat == l->squares && dbeta == (float)l->sum && dgamma == (float)l->squares,
       "%s, gradient sums of %zu values: status %d, count %.0f, %g, %g", nrm_isa_name(isa),
       l->count, (int)status, m.count, m.dy, m.dy_xhat);
}

/* ---- a window that slides -------------------------------------------------------------------- */

#define WINDOW ((size_t)1 << 25)

/* An output of which one window at a time is there. A write to another moves it on; what it leaves
   is checked and given back. */
static struct {
    unsigned char *map, *base; /* base: aligned, so that huge pages fit */
    size_t bytes, next;        /* of all windows; the index of the next one */
    size_t count;              /* elements of the output */
    unsigned char *open;       /* the window that is there */
    int lost;                  /* a window that does not come next was written to */
    sigjmp_buf back;           /* then there is no end in sight */
    size_t others, at[MARKS];  /* elements that are not 1, and where the first of them are */
    uint16_t value[MARKS];
} slide;

#define ONE 0x3f80 /* in bf16 */

static void slide_note(size_t element, uint16_t value)
{
    if (slide.others < MARKS) slide.at[slide.others] = element, slide.value[slide.others] = value;
    ++slide.others;
}

static void slide_close(void)
{
    const uint16_t *v = (const uint16_t *)(const void *)slide.open;
    size_t first, count, i;
    if (!v) return;
    first = (size_t)(slide.open - slide.base) / 2;
    count = slide.count > first ? slide.count - first : 0;
    if (count > WINDOW / 2) count = WINDOW / 2;
    if (*v != ONE || !count || memcmp(v, v + 1, 2 * count - 2) != 0)
        for (i = 0; i < count; ++i)
            if (v[i] != ONE) slide_note(first + i, v[i]);
    for (i = count; i < WINDOW / 2; ++i)
        if (v[i]) slide_note(first + i, v[i]);
    if (mmap(slide.open, WINDOW, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        slide.lost = 1;
    slide.open = NULL;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    const uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)slide.base;
    (void)context;
    if (at >= slide.bytes) { /* not one of ours: the same fault again, and the end */
        signal(signal_number, SIG_DFL);
        return;
    }
    slide_close();
    if (at / WINDOW != slide.next) {
        slide.lost = 1;
        siglongjmp(slide.back, 1);
    }
    ++slide.next;
    slide.open = slide.base + at / WINDOW * WINDOW;
    mprotect(slide.open, WINDOW, PROT_READ | PROT_WRITE);
#if defined(MADV_HUGEPAGE)
    madvise(slide.open, WINDOW, MADV_HUGEPAGE);
#endif
}

static int slide_start(size_t count)
{
    struct sigaction action;
    void *p;
    memset(&slide, 0, sizeof slide);
    slide.count = count, slide.bytes = (2 * count / WINDOW + 2) * WINDOW;
    p = mmap(NULL, slide.bytes + WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
             0);
    if (p == MAP_FAILED) return 0;
    slide.map = (unsigned char *)p;
    slide.base = slide.map + (WINDOW - (uintptr_t)p % WINDOW) % WINDOW;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return !sigaction(SIGSEGV, &action, NULL) && !sigaction(SIGBUS, &action, NULL);
}

/* y = 2 * x + 1 of every value. */
static void list_outputs(const list *l, nrm_isa isa)
{
    const size_t windows = (2 * l->count + WINDOW - 1) / WINDOW;
    nrm_desc d = list_desc(l->count);
    nrm_args a;
    float mean = 0, variance = 1, gamma = 2, beta = 1;
    nrm_status status;
    size_t k;
    if (!slide_start(l->count)) {
        skip("no mapping of 8 GiB to be had");
        return;
    }
    memset(&a, 0, sizeof a);
    a.x = l->values, a.y = slide.base, a.isa = isa, a.gamma = &gamma, a.beta = &beta;
    a.running_mean = &mean, a.running_var = &variance;
    status = sigsetjmp(slide.back, 1) ? NRM_OK : nrm_infer(&d, &a);
    slide_close();
    signal(SIGSEGV, SIG_DFL), signal(SIGBUS, SIG_DFL);
    munmap(slide.map, slide.bytes + WINDOW);
    group("%s, outputs of %zu values", nrm_isa_name(isa), l->count);
    check(status == NRM_OK, "status %d", (int)status);
    check(slide.next == windows && !slide.lost, "%zu windows of %zu%s", slide.next, windows,
          slide.lost ? ", then another" : "");
    check(slide.others == l->marks, "%zu values differ from the others, not %zu", slide.others,
          l->marks);
    for (k = 0; k < l->marks && k < slide.others; ++k)
        check(slide.at[k] == l->at[k] &&
                  f64_from_half(NRM_BF16, slide.value[k]) == (double)(2 << k) + 1,
              "y[%zu] is %g, not y[%zu] %d", slide.at[k], f64_from_half(NRM_BF16, slide.value[k]),
              l->at[k], (2 << k) + 1);
    group_end();
}

/* Processor time for 2^31 values, by that for 2^21. */
static double time_of(uint16_t *values, nrm_isa isa)
{
    nrm_desc d = list_desc((size_t)1 << 21);
    nrm_args a;
    nrm_moments m;
    clock_t start;
    memset(&a, 0, sizeof a);
    d.eps = 1, a.x = values, a.isa = isa;
    nrm_reduce(&d, &a, &m);
    start = clock();
    nrm_reduce(&d, &a, &m);
    return (double)(clock() - start) / CLOCKS_PER_SEC * 1024;
}

/* Gradients and outputs with the best alone: the others have the same loops. */
static void test_list(uint16_t *values, nrm_isa isa)
{
    const double time = time_of(values, isa);
    int power = MOST_POWER;
    list l;
    while (power >= LEAST_POWER && time * (1 << (power - LEAST_POWER)) > SECONDS) --power;
    if (power < LEAST_POWER) {
        note("%s would take %.0f s for 2^31 values", nrm_isa_name(isa), time);
        return;
    }
    l = list_of(values, power);
    list_moments(&l, isa);
    if (isa == nrm_best_isa()) list_gradients(&l, isa);
    if (isa == nrm_best_isa() && !SANITIZED) list_outputs(&l, isa);
    list_clear(&l);
}

static void test_lists(void)
{
    uint16_t *values = map_list(((size_t)1 << MOST_POWER) + BEYOND);
    size_t isa;
    if (!values) {
        skip("no mapping of 8 GiB to be had");
        return;
    }
    for (isa = 0; isa < ISAS; ++isa)
        if (nrm_has_isa(all_isa[isa])) test_list(values, all_isa[isa]);
}
#else
static void test_lists(void)
{
    note("reading memory that was never written may take as much of it here");
}
#endif

int main(int argc, char **argv)
{
    int type;
    if (argc > 1 && !strcmp(argv[1], "fewer")) fewer = 1;
    if (!renew_rooms()) {
        skip("no mapping of %zu GiB to be had", (BEFORE + ROOM) / GIB);
        return done_testing();
    }
    if (!pages_are_told()) note("what is read in the gaps cannot be told here");
    for (type = 0; type < TYPES; ++type)
        if (type_is_here((nrm_dtype)type)) test_small((nrm_dtype)type);
    if (!fewer && !SMALL_CALLS_POOL) test_pool(type_is_here(NRM_BF16) ? NRM_BF16 : NRM_F32);
    test_overlaps();
    test_counts();
    if (type_is_here(NRM_BF16)) test_lists();
    note("%lu calls with gaps", calls);
    return done_testing();
}

#elif SIZE_MAX > 0xffffffffu

int main(void)
{
    skip("no sparse mappings on this target");
    return done_testing();
}

#else

int main(void)
{
    ok(1, "size_t has 32 bits: nothing to test");
    return done_testing();
}

#endif
