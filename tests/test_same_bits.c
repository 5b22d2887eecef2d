/* test_same_bits.c - thousands of random problems of every storage type, run by every instruction
 * set, in both layouts, a sample alone and in its batch, in place and apart, at every address; and
 * the slow paths, entered on purpose. Compares bits only; that they are right is for other tests.
 *
 *   cc -O2 -DNORMALIZE_IMPLEMENTATION tests/test_same_bits.c -o t -lm
 *   ./t [problems [first seed]]
 */
#include "support/inside.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

/* Which of these a machine of another family lacks says nothing. On x86 AVX2 is expected; not every
   processor has AVX-512, for which test_dispatch asks it. */
static int isa_expected(nrm_isa isa)
{
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64)
    return isa == NRM_AVX2;
#elif defined(__aarch64__) || defined(_M_ARM64)
    return isa == NRM_NEON;
#elif defined(__wasm_simd128__)
    return isa == NRM_WASM;
#else
    return 0 * (int)isa;
#endif
}

/* One line of the running group: `got` has the status and the bits of `want`, and wrote nothing
   but its outputs. */
static void expect_same(const problem *p, enum verb verb, const setup *s, const outcome *want,
                        const outcome *got, const char *what)
{
    difference at;
    int same = same_outcome(want, got, &at);
    check(same, "%s, %s %s %s shift %zu: %s differs at %zu, status %d and %d; %s", what,
          verb_name[verb], nrm_isa_name(s->isa), layout_name[s->layout], s->shift,
          slot_name[at.slot], at.index, (int)want->status, (int)got->status, problem_text(p));
    check(got->clean, "%s, %s %s %s: wrote outside of its outputs; %s", what, verb_name[verb],
          nrm_isa_name(s->isa), layout_name[s->layout], problem_text(p));
}

static void run_and_compare(const problem *p, enum verb verb, const setup *s, const outcome *want,
                            const char *what)
{
    outcome *got = run(p, verb, s);
    expect_same(p, verb, s, want, got, what);
    outcome_free(got);
}

/* ---- instruction sets and layouts ------------------------------------------------------------ */

static void across_isas(const problem *p, enum verb verb, const outcome *want)
{
    size_t i;
    int layout;
    for (i = 0; i < ISAS; ++i)
        for (layout = 0; layout < 2 && nrm_has_isa(all_isa[i]); ++layout) {
            setup s = plain(all_isa[i], (nrm_layout)layout);
            s.shift = (size_t)(p->seed >> 2) % 3 == 0 ? 0 : (size_t)(p->seed + i) % 64;
            s.zero_s = (int)(p->seed + i) & 1;
            run_and_compare(p, verb, &s, want, "isa and layout");
        }
}

/* ---- a sample alone -------------------------------------------------------------------------- */

/* 1 when each sample has values of its own. */
static int per_sample(const problem *p, enum slot slot)
{
    if (slot == SLOT_DGAMMA || slot == SLOT_DBETA) return p->d.affine_per_sample;
    return slot_is_tensor(slot) || slot == SLOT_MEAN || slot == SLOT_RSTD || slot == SLOT_Q8_SCALE;
}

/* What of a batch's outcome belongs to sample i, shaped like the outcome of that sample alone. */
static int slice_same(const problem *p, const outcome *all, const outcome *one, size_t i)
{
    int slot, same = all->status == one->status;
    for (slot = SLOT_X; slot < SLOTS && same; ++slot) {
        nrm_dtype type = slot_type(&p->d, (enum slot)slot);
        if (!all->value[slot] || !one->value[slot] || !per_sample(p, (enum slot)slot)) continue;
        same = values_differ(type, (unsigned char *)all->value[slot] +
                                       i * one->count[slot] * type_size(type),
                             one->value[slot], one->count[slot]) == one->count[slot];
    }
    return same;
}

static void sample_alone(const problem *p, enum verb verb, const outcome *all, gen *g)
{
    size_t i = gen_below(g, p->d.n);
    problem *one;
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    outcome *o;
    if (p->d.kind == NRM_BATCH && verb != VERB_INFER && verb != VERB_INFER_BACKWARD) return;
    if (all->status != NRM_OK) return;
    one = problem_share(p, i, 1);
    one->given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR); /* shared by the samples */
    o = run(one, verb, &s);
    check(slice_same(p, all, o, i) && o->clean, "sample %zu alone, %s %s; %s", i,
          verb_name[verb], layout_name[s.layout], problem_text(p));
    outcome_free(o);
    problem_free(one);
}

/* ---- lengths --------------------------------------------------------------------------------- */

/* Values of a slot per line of positions, and of positions that follow each other. */
static size_t positions_of(const nrm_desc *d, enum slot slot)
{
    const int rows = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    if (slot_is_tensor(slot)) return d->s;
    return rows && (slot == SLOT_MEAN || slot == SLOT_RSTD || slot == SLOT_Q8_SCALE) ? d->s : 1;
}

/* Sample i, cut to its length, as a problem of its own. */
static problem *cut_sample(const problem *p, size_t i, size_t length)
{
    problem *whole = problem_share(p, i, 1), *one = (problem *)test_alloc(1, sizeof *one);
    int slot;
    size_t k;
    *one = *whole;
    one->borrowed = 0, one->d.s = length, one->given &= ~(1u << SLOT_LENGTHS);
    problem_alloc(one);
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        const size_t size = slot_size(&p->d, (enum slot)slot);
        const size_t from = positions_of(&whole->d, (enum slot)slot);
        const size_t to = positions_of(&one->d, (enum slot)slot);
        const size_t lines = slot_count(&one->d, (enum slot)slot) / to;
        for (k = 0; k < lines; ++k)
            memcpy((unsigned char *)one->value[slot] + k * to * size,
                   (unsigned char *)whole->value[slot] + k * from * size, to * size);
    }
    problem_free(whole);
    return one;
}

/* Compares sample i of a batch with that sample cut to its length. */
static int cut_same(const problem *p, const outcome *all, const outcome *one, size_t i, int *at)
{
    int slot, same = all->status == one->status;
    size_t k;
    for (slot = SLOT_X; slot < SLOTS && same; ++slot) {
        *at = slot;
        const nrm_dtype type = slot_type(&p->d, (enum slot)slot);
        const size_t from = positions_of(&p->d, (enum slot)slot);
        const size_t to = positions_of(&one->d, (enum slot)slot), size = type_size(type);
        if (!all->value[slot] || !one->value[slot] || !per_sample(p, (enum slot)slot)) continue;
        for (k = 0; k < one->count[slot] / to && same; ++k)
            same = values_differ(type, (unsigned char *)all->value[slot] +
                                           (i * (one->count[slot] / to) + k) * from * size,
                                 (unsigned char *)one->value[slot] + k * to * size, to) == to;
    }
    return same;
}

/* Of all kinds but batch norm, each sample has the bits of that sample alone, cut to its length. */
static void cut_alone(const problem *p, enum verb verb, const outcome *all, gen *g)
{
    const size_t i = gen_below(g, p->d.n);
    const size_t length = length_of(&p->d, (const size_t *)p->value[SLOT_LENGTHS], i);
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    problem *one;
    outcome *o;
    int at = SLOT_NONE, same;
    if (!(p->given >> SLOT_LENGTHS & 1) || !length || all->status != NRM_OK) return;
    if (p->d.kind == NRM_BATCH && verb != VERB_INFER && verb != VERB_INFER_BACKWARD) return;
    if (p->d.kind == NRM_GROUP && length == 1) return; /* s = 1 is layer norm, of another order */
    one = cut_sample(p, i, length);
    one->given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR);
    o = run(one, verb, &s);
    same = cut_same(p, all, o, i, &at);
    check(same && o->clean, "sample %zu cut to %zu, %s %s: another %s; %s", i, length,
          verb_name[verb], layout_name[s.layout], slot_name[at], problem_text(p));
    outcome_free(o);
    problem_free(one);
}

/* Lengths that are all s say nothing: but of batch norm that is short, whose sums have another
   order then. */
static void full_lengths(const problem *p, enum verb verb, const outcome *want, gen *g)
{
    size_t *lengths = (size_t *)p->value[SLOT_LENGTHS], i;
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    problem other = *p;
    if (p->given >> SLOT_LENGTHS & 1 || p->d.s < 16) return;
    other.given |= 1u << SLOT_LENGTHS;
    for (i = 0; i < p->d.n; ++i) lengths[i] = p->d.s;
    run_and_compare(&other, verb, &s, want, "full lengths");
}

/* y in the layout of x or in the other one. */
static void turned(const problem *p, enum verb verb, const outcome *want, gen *g)
{
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    problem other = *p;
    other.d.transpose_y = !p->d.transpose_y;
    s.shift = gen_below(g, 64);
    run_and_compare(&other, verb, &s, want, "transpose_y");
}

/* ---- in place -------------------------------------------------------------------------------- */

static void shared(const problem *p, enum verb verb, const outcome *want, setup s, enum slot out,
                   enum slot in)
{
    if (!may_share(p, verb, out, in)) return;
    if (out == SLOT_Y) s.y_is = in;
    if (out == SLOT_SUM) s.sum_is = in;
    if (out == SLOT_DX) s.dx_is = in;
    if (out == SLOT_DADD) s.dadd_is = in;
    if (out == SLOT_DGATE) s.dgate_is = in;
    if (out == SLOT_DRESIDUAL) s.dresidual_is = in;
    run_and_compare(p, verb, &s, want, slot_name[in]);
    if (out != SLOT_Y || !role_writes(slot_role(p, verb, SLOT_SUM))) return;
    s.sum_is = in == SLOT_X ? SLOT_RESIDUAL : SLOT_X; /* both outputs in place, crosswise */
    if (may_share(p, verb, SLOT_SUM, s.sum_is))
        run_and_compare(p, verb, &s, want, "both in place");
}

static void in_place(const problem *p, enum verb verb, const outcome *want, gen *g)
{
    static const enum slot pair[][2] = {{SLOT_Y, SLOT_X}, {SLOT_Y, SLOT_RESIDUAL},
                                        {SLOT_SUM, SLOT_X}, {SLOT_SUM, SLOT_RESIDUAL},
                                        {SLOT_DX, SLOT_X}, {SLOT_DX, SLOT_DY},
                                        {SLOT_DX, SLOT_DSUM}, {SLOT_Y, SLOT_ADD},
                                        {SLOT_Y, SLOT_GATE}, {SLOT_DADD, SLOT_DY},
                                        {SLOT_DADD, SLOT_ADD}, {SLOT_DGATE, SLOT_DY},
                                        {SLOT_DGATE, SLOT_GATE}, {SLOT_DRESIDUAL, SLOT_RESIDUAL},
                                        {SLOT_DRESIDUAL, SLOT_DSUM}};
    size_t i, which = gen_below(g, ISAS);
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    if (nrm_has_isa(all_isa[which])) s.isa = all_isa[which];
    s.shift = gen_below(g, 64), s.zero_s = (int)s.shift & 1;
    for (i = 0; i < sizeof pair / sizeof *pair; ++i)
        shared(p, verb, want, s, pair[i][0], pair[i][1]);
    if (!role_writes(slot_role(p, verb, SLOT_DADD))) return;
    s.dadd_is = SLOT_DY;
    if (role_writes(slot_role(p, verb, SLOT_DGATE))) s.dgate_is = SLOT_GATE;
    if (may_share(p, verb, SLOT_DX, SLOT_X)) s.dx_is = SLOT_X;
    if (may_share(p, verb, SLOT_DRESIDUAL, SLOT_RESIDUAL)) s.dresidual_is = SLOT_RESIDUAL;
    run_and_compare(p, verb, &s, want, "all in place");
}

/* ---- workspaces and pools -------------------------------------------------------------------- */

/* A pool of one thread that runs its tasks in an order of its own: forward, backward, or the even
   ones first. */
static void run_tasks(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg)
{
    const int order = *(const int *)user;
    const size_t even = (tasks + 1) / 2;
    size_t i;
    for (i = 0; i < tasks; ++i)
        if (order == 2)
            task(arg, i < even ? 2 * i : 2 * (i - even) + 1);
        else
            task(arg, order == 1 ? tasks - 1 - i : i);
}

static void pools(const problem *p, enum verb verb, const outcome *want, gen *g)
{
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    nrm_desc d = p->d;
    nrm_pool pool;
    int order = (int)gen_below(g, 3);
    d.layout = s.layout;
    s.shift = gen_below(g, 64);
    s.workspace_size = 1 + gen_below(g, 5000);
    run_and_compare(p, verb, &s, want, "workspace of any size");
    s.workspace_size = nrm_workspace_size(&d, 1);
    run_and_compare(p, verb, &s, want, "workspace for one thread");
    pool.run = run_tasks, pool.user = &order, pool.threads = 2 + gen_below(g, 9);
    s.pool = &pool;
    run_and_compare(p, verb, &s, want, "threads, workspace of one");
    s.workspace_size = gen_one_in(g, 2) ? nrm_workspace_size(&d, pool.threads) : 0;
    run_and_compare(p, verb, &s, want, "threads, workspace full or none");
}

/* ---- one call against several ---------------------------------------------------------------- */

/* Compares those outputs that both calls have. */
static void equal_calls(const problem *p, enum verb a, enum verb b, const setup *s)
{
    outcome *one = run(p, a, s), *two = run(p, b, s);
    expect_same(p, b, s, one, two, "parts");
    outcome_free(one);
    outcome_free(two);
}

/* nrm_moments and nrm_sums are doubles, which a variance or a gradient sum of doubles may leave,
   up or down, where the call that computes it at once scales it. A NaN of the input is none. */
static int fits_parts(const problem *p)
{
    const double *moments = (const double *)p->value[SLOT_MOMENTS];
    const double *sums = (const double *)p->value[SLOT_SUMS];
    const double *rstd = (const double *)p->value[SLOT_RSTD];
    size_t c;
    for (c = 0; c < p->d.c && p->d.dtype == NRM_F64; ++c) {
        uint64_t exponent = bits_f64(moments[3 * c + 2]) >> 52 & 0x7ff;
        if (is_nan_f64(rstd[c])) continue;
        if (exponent > 1023 + 1000) return 0;
        if (exponent < 1023 - 1000 && bits_f64(rstd[c]) && !(p->d.eps > 0)) return 0;
        if ((bits_f64(sums[3 * c + 1]) >> 52 & 0x7ff) > 1023 + 1000) return 0;
        if ((bits_f64(sums[3 * c + 2]) >> 52 & 0x7ff) > 1023 + 1000) return 0;
    }
    return 1;
}

/* Batch norm in parts, on one share, gives the bits of the whole. */
static void parts(const problem *p)
{
    setup s = plain(NRM_AUTO, (nrm_layout)(p->seed & 1));
    problem other = *p;
    if (p->d.kind != NRM_BATCH || !fits_parts(p)) return;
    equal_calls(p, VERB_FORWARD, VERB_APPLY, &s);
    equal_calls(p, VERB_BACKWARD, VERB_BACKWARD_REDUCE, &s);
    other.given |= 1u << SLOT_DX;
    equal_calls(&other, VERB_BACKWARD, VERB_BACKWARD_APPLY, &s);
}

/* Backward from x and residual, and from their sum as forward left it: as x, or as a residual that
   is wide. */
static void from_sum(problem *p)
{
    setup s = plain(NRM_AUTO, (nrm_layout)(p->seed & 1));
    unsigned given = p->given;
    outcome *apart, *forward;
    p->given |= 1u << SLOT_RESIDUAL | 1u << SLOT_SUM | 1u << SLOT_DX;
    p->given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR);
    problem_prepare(p);
    forward = run(p, VERB_FORWARD, &s);
    apart = run(p, VERB_BACKWARD, &s);
    if (p->d.wide_residual)
        p->absent |= 1u << SLOT_X;
    else
        p->given &= ~(1u << SLOT_RESIDUAL);
    memcpy(p->value[p->d.wide_residual ? SLOT_RESIDUAL : SLOT_X], forward->value[SLOT_SUM],
           forward->count[SLOT_SUM] * slot_size(&p->d, SLOT_SUM));
    run_and_compare(p, VERB_BACKWARD, &s, apart, "sum");
    outcome_free(apart);
    outcome_free(forward);
    p->given = given;
}

/* The same numbers seen as another shape or kind; statistics and tensors keep their order. */
static void reshaped(const problem *p, nrm_kind kind, size_t n, size_t c, size_t s, size_t groups)
{
    static const enum verb verb[] = {VERB_FORWARD, VERB_BACKWARD};
    setup how = plain(NRM_AUTO, (nrm_layout)(p->seed & 1));
    problem other = *p;
    size_t i;
    other.d.kind = kind, other.d.n = n, other.d.c = c, other.d.s = s, other.d.groups = groups;
    for (i = 0; i < 2; ++i) {
        outcome *a = run(p, verb[i], &how), *b = run(&other, verb[i], &how);
        expect_same(&other, verb[i], &how, a, b, "reshaped");
        outcome_free(a);
        outcome_free(b);
    }
}

/* Groups of one channel are instance norm; and a channel of instance norm, a group of group norm,
   may as well be a sample of its own. */
static void other_shapes(const problem *p)
{
    const nrm_desc *d = &p->d;
    problem bare = *p;
    bare.given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR);
    if (d->s == 1 || bare.given >> SLOT_LENGTHS & 1)
        bare.given &= ~(1u << SLOT_GAMMA); /* dx is 0, whose sign a gamma of -0 turns */
    if (d->kind == NRM_INSTANCE) reshaped(&bare, NRM_GROUP, d->n, d->c, d->s, d->c);
    bare.given &= ~(1u << SLOT_GAMMA | 1u << SLOT_BETA | 1u << SLOT_DGAMMA | 1u << SLOT_DBETA);
    bare.given &= ~(1u << SLOT_LENGTHS), bare.given |= 1u << SLOT_DX;
    if (d->kind == NRM_INSTANCE) reshaped(&bare, NRM_INSTANCE, d->n * d->c, 1, d->s, 1);
    if (d->kind == NRM_GROUP)
        reshaped(&bare, NRM_GROUP, d->n * d->groups, d->c / d->groups, d->s, 1);
}

/* Layer and RMS norm of a position of an image are those of a row of a matrix. */
static void one_row(const problem *p)
{
    const nrm_desc *d = &p->d;
    setup s = plain(NRM_AUTO, (nrm_layout)(p->seed & 1));
    static const enum slot tensors[] = {SLOT_X, SLOT_ADD, SLOT_GATE};
    problem image = *p, row;
    outcome *all, *one;
    size_t k = p->seed % (d->n * d->s), i, slot;
    if (d->kind != NRM_LAYER && d->kind != NRM_RMS) return;
    image.d.affine_per_sample = 0, image.given &= ~(1u << SLOT_RESIDUAL | 1u << SLOT_LENGTHS);
    image.absent = 0;
    row = image;
    row.d.n = row.d.s = 1;
    for (slot = 0; slot < 3; ++slot) {
        void *values = row.value[tensors[slot]] = test_alloc(d->c, type_size(d->dtype));
        for (i = 0; i < d->c; ++i)
            copy_element(d->dtype, values, i, p->value[tensors[slot]], list_place(d, k, i));
    }
    all = run(&image, VERB_FORWARD, &s);
    one = run(&row, VERB_FORWARD, &s);
    for (i = 0; i < d->c; ++i)
        if (type_bits(d->dtype, one->value[SLOT_Y], i) !=
                type_bits(d->dtype, all->value[SLOT_Y], list_place(d, k, i)) ||
            (one->value[SLOT_Q8] &&
             type_bits(TYPE_STEP, one->value[SLOT_Q8], i) !=
                 type_bits(TYPE_STEP, all->value[SLOT_Q8], list_place(d, k, i))))
            break;
    ++compared.buffers;
    check(i == d->c, "row %zu, channel %zu; %s", k, i, problem_text(p));
    for (slot = 0; slot < 3; ++slot) free(row.value[tensors[slot]]);
    outcome_free(all);
    outcome_free(one);
}

/* ---- the random problems --------------------------------------------------------------------- */

enum task { ISA, SAMPLE, PLACE, POOL, TURN, CUT, FULL, PARTS, SHAPES, ROW, SUM, TASKS };

typedef struct task_tally {
    const char *name;
    unsigned long compared, differed;
} task_tally;

static task_tally tally[TASKS] = {{"every instruction set, both layouts", 0, 0},
                  {"a sample alone and in its batch", 0, 0},
                  {"in place and apart", 0, 0},
                  {"workspaces, and tasks in any order", 0, 0},
                  {"y in the other layout", 0, 0},
                  {"a sample cut to its length", 0, 0},
                  {"lengths that are all s", 0, 0},
                  {"batch norm in parts and at once", 0, 0},
                  {"instance norm and groups of one channel; channels as samples", 0, 0},
                  {"a position of an image and a row of a matrix", 0, 0},
                  {"backward from x + residual and from sum", 0, 0}};

static task_tally booked; /* of the group that is open */

/* Books on a task what was compared since the last booking. */
static void book(enum task task)
{
    tally[task].compared += test_state.compared - booked.compared;
    tally[task].differed += test_state.differed - booked.differed;
    booked.compared = test_state.compared, booked.differed = test_state.differed;
}

static void all_tasks(problem *p, gen *g)
{
    int verb;
    for (verb = 0; verb < VERBS; ++verb) {
        setup s = plain(NRM_SCALAR, NRM_NCHW);
        outcome *want;
        if (!verb_fits((enum verb)verb, p->d.kind)) continue;
        want = run(p, (enum verb)verb, &s);
        across_isas(p, (enum verb)verb, want), book(ISA);
        sample_alone(p, (enum verb)verb, want, g), book(SAMPLE);
        in_place(p, (enum verb)verb, want, g), book(PLACE);
        pools(p, (enum verb)verb, want, g), book(POOL);
        turned(p, (enum verb)verb, want, g), book(TURN);
        cut_alone(p, (enum verb)verb, want, g), book(CUT);
        full_lengths(p, (enum verb)verb, want, g), book(FULL);
        outcome_free(want);
    }
    parts(p), book(PARTS);
    other_shapes(p), book(SHAPES);
    one_row(p), book(ROW);
    if (p->seed % 4 == 0) from_sum(p), book(SUM); /* last: it changes x */
}

static void test_random(nrm_dtype type, uint64_t first, size_t problems)
{
    size_t i;
    int task;
    group("random problems");
    booked.compared = booked.differed = 0;
    for (task = 0; task < TASKS; ++task) tally[task].compared = tally[task].differed = 0;
    for (i = 0; i < problems; ++i) {
        gen g = gen_seed(~(first + i));
        problem *p = problem_draw_as(first + i, type);
        if ((first + i) % 3 == 1) problem_around(p, (int)(first + i) & 1);
        all_tasks(p, &g);
        problem_free(p);
        if ((first + i) % (type_is_half(type) ? 2 : 4)) continue;
        p = problem_draw_as(~(first + i), type);
        if ((first + i) % 3 == 1) problem_around(p, 0);
        problem_tensors(p, (int)(first + i) & 4);
        all_tasks(p, &g);
        problem_free(p);
    }
    note("%zu random problems of %s", problems, type_name[type]);
    for (task = 0; task < TASKS; ++task)
        ok(tally[task].compared > 0 && !tally[task].differed, "%s, %s: %lu of %lu fail",
           type_name[type], tally[task].name, tally[task].differed, tally[task].compared);
}

/* Every byte offset of every buffer. Few problems, since each is run 64 times for each verb. */
static void test_offsets(nrm_dtype type, uint64_t first, size_t problems)
{
    size_t i, isa;
    group("%s, every buffer at byte offsets 0 to 63: %zu problems", type_name[type], problems);
    for (i = 0; i < problems; ++i) {
        problem *p = problem_draw_as(first + i, type);
        int verb;
        if (i % 4 == 1 && problem_volume(&p->d) <= 1500) problem_around(p, 0);
        for (verb = 0; verb < VERBS; ++verb) {
            setup s = plain(NRM_SCALAR, NRM_NCHW);
            outcome *want;
            if (!verb_fits((enum verb)verb, p->d.kind) || problem_volume(&p->d) > 1500) continue;
            want = run(p, (enum verb)verb, &s);
            for (isa = 0; isa < ISAS; ++isa)
                for (s.shift = 0; s.shift < 64 && nrm_has_isa(all_isa[isa]); ++s.shift) {
                    s.isa = all_isa[isa];
                    s.layout = (nrm_layout)((s.shift + i) & 1);
                    run_and_compare(p, (enum verb)verb, &s, want, "offset");
                    s.layout = (nrm_layout)!s.layout;
                    if (s.shift % 8 == 4) run_and_compare(p, (enum verb)verb, &s, want, "offset");
                }
            outcome_free(want);
        }
        problem_free(p);
    }
    group_end();
}

/* ---- the slow paths -------------------------------------------------------------------------- */

/* A problem whose values are all alike, to drive the library onto one path. */
typedef struct road {
    int types;   /* a bit for each storage type */
    const char *name;
    enum inside_path trace;
    enum verb verb;
    double eps;
    gen_dist x, dy;
    double scale; /* of x */
    int rms;     /* 1: RMS norm comes here too */
    int spike;   /* 1: two dy of each list are +-3e38 and every gamma 2: dy * gamma overflows */
} road;

/* The two cancel, and stand over the same x: their sums stay small, and so in float. */
static void set_spikes(problem *p)
{
    size_t which, i, k, lists = problem_stats(&p->d);
    for (which = 0; which < lists; ++which)
        for (k = 0; k < 2; ++k) {
            size_t place = list_place(&p->d, which, 5 + which + 100 * k);
            type_put(p->d.dtype, p->value[SLOT_X], place, 4);
            type_put(p->d.dtype, p->value[SLOT_DY], place, k ? 3e38 : -3e38);
        }
    for (i = 0; i < p->d.c; ++i)
        ((float *)p->value[SLOT_GAMMA])[i] = 2, ((float *)p->value[SLOT_BETA])[i] = 1;
}

static problem *road_problem(const road *r, nrm_dtype type, nrm_kind kind, int act, size_t seed)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(seed);
    size_t i, which, length;
    void *list;
    p->seed = seed, p->d.dtype = type, p->d.kind = kind, p->d.groups = 2, p->d.eps = r->eps;
    p->d.act = act ? NRM_RELU : NRM_IDENTITY;
    p->given = GIVEN_NORM & ~(1u << SLOT_RESIDUAL | 1u << SLOT_DSUM | 1u << SLOT_RUNNING_MEAN |
                 1u << SLOT_RUNNING_VAR);
    /* 900 values: an outlier of a few hundred, sampled once in 32, is not far enough off */
    p->d.n = 3, p->d.c = 4, p->d.s = 900;
    if (kind == NRM_LAYER || kind == NRM_RMS) p->d.c = 900, p->d.s = 4;
    problem_alloc(p);
    length = problem_volume(&p->d) / problem_stats(&p->d);
    list = test_alloc(length, type_size(type));
    for (which = 0; which < problem_stats(&p->d); ++which) {
        draw_list(&g, r->x, type, list, length);
        for (i = 0; i < length; ++i)
            type_put(type, p->value[SLOT_X], list_place(&p->d, which, i),
                     type_get(type, list, i) * r->scale);
    }
    free(list);
    draw_list(&g, r->dy, type, p->value[SLOT_DY], problem_volume(&p->d));
    draw_parameters(&g, p, 0);
    if (r->spike) set_spikes(p);
    problem_prepare(p);
    return p;
}

static void road_run(const road *r, const problem *p, nrm_isa isa, unsigned long *entered)
{
    setup plain_setup = plain(NRM_SCALAR, NRM_NCHW);
    outcome *want = run(p, r->verb, &plain_setup);
    int layout;
    for (layout = 0; layout < 2; ++layout) {
        setup s = plain(isa, (nrm_layout)layout);
        unsigned long before = inside.took[r->trace];
        run_and_compare(p, r->verb, &s, want, r->name);
        entered[layout] += inside.took[r->trace] - before;
        check(inside.took[r->trace] > before, "%s %s %s does not take this path", r->name,
              kind_name[p->d.kind], layout_name[layout]);
    }
    outcome_free(want);
}

static void test_roads(nrm_dtype type)
{
    enum { F = 1 << NRM_F32 | 1 << NRM_BF16, D = 1 << NRM_F64, H = 1 << NRM_F16 };
    static const road roads[] = {
        {F | D | H, "statistics again around the mean", TOOK_NRMI_TRACE_RETRY, VERB_FORWARD, 1e-5,
         GEN_OUTLIER_PILOT, GEN_NORMAL, 1, 0, 0},
        {F | D, "statistics in double or scaled: overflow", TOOK_NRMI_TRACE_WIDE_STATS,
         VERB_FORWARD, 1e-5, GEN_SIGN_1E30, GEN_NORMAL, 1, 1, 0},
        {F, "statistics in double: underflow, eps 0", TOOK_NRMI_TRACE_WIDE_STATS, VERB_FORWARD, 0,
         GEN_NORMAL, GEN_NORMAL, 1e-30, 1, 0},
        {D, "statistics scaled: underflow, eps 0", TOOK_NRMI_TRACE_WIDE_STATS, VERB_FORWARD, 0,
         GEN_NORMAL, GEN_NORMAL, 1e-200, 1, 0},
        {F | D, "statistics in double or scaled: denormals, eps 0", TOOK_NRMI_TRACE_WIDE_STATS,
         VERB_FORWARD, 0, GEN_DENORMAL, GEN_NORMAL, 1, 1, 0},
        {F, "applied in double: rstd 1e30", TOOK_NRMI_TRACE_WIDE_APPLY, VERB_FORWARD, 0, GEN_NORMAL,
         GEN_NORMAL, 1e-30, 1, 0},
        {F | D, "applied in double or scaled: the largest values", TOOK_NRMI_TRACE_WIDE_APPLY,
         VERB_FORWARD, 1e-5, GEN_SIGN_3E38, GEN_NORMAL, 1, 1, 0},
        {F, "gradient applied in double", TOOK_NRMI_TRACE_WIDE_APPLY, VERB_BACKWARD, 0, GEN_NORMAL,
         GEN_NORMAL, 1e-30, 1, 0},
        {D, "gradient applied scaled", TOOK_NRMI_TRACE_WIDE_APPLY, VERB_BACKWARD, 0, GEN_SIGN_3E38,
         GEN_NORMAL, 1, 1, 0},
        {F, "gradient sums in double", TOOK_NRMI_TRACE_WIDE_SUMS, VERB_BACKWARD, 1e-5, GEN_NORMAL,
         GEN_SIGN_3E38, 1, 1, 0},
        {D, "gradient sums scaled", TOOK_NRMI_TRACE_WIDE_SUMS, VERB_BACKWARD, 1e-5, GEN_SIGN_3E38,
         GEN_NORMAL, 1, 1, 0},
        {F, "single gradients again in double", TOOK_NRMI_TRACE_AGAIN, VERB_BACKWARD, 1e-5,
         GEN_NORMAL, GEN_NORMAL, 16, 1, 1},
    };
    size_t i, isa;
    for (isa = 0; isa < ISAS; ++isa)
        for (i = 0; i < sizeof roads / sizeof *roads && nrm_has_isa(all_isa[isa]); ++i) {
            unsigned long entered[2] = {0, 0};
            int kind, act;
            if (!(roads[i].types >> type & 1)) continue;
            group("%s, %s, %s", type_name[type], nrm_isa_name(all_isa[isa]), roads[i].name);
            for (kind = 0; kind < (roads[i].rms ? 5 : 4); ++kind)
                for (act = 0; act < 2; ++act) {
                    problem *p = road_problem(&roads[i], type, (nrm_kind)kind, act, 77 + i);
                    road_run(&roads[i], p, all_isa[isa], entered);
                    problem_free(p);
                }
            group_end();
            note("  entered %lu times in NCHW, %lu in NHWC", entered[0], entered[1]);
        }
}

/* ---- where float ends ------------------------------------------------------------------------ */

/* NUMERICS, "Double": |mean| < 2^100, rstd = 0 or 2^-60 <= rstd <= 2^60, |mean| * rstd <= 2^25,
   |gamma| <= 2^40 and |beta| <= 2^100 are applied in float, the next float beyond in double. */
static void test_limits(void)
{
    static const struct limit {
        const char *name;
        int which; /* of mean, variance, gamma, beta */
        float value[4], beyond;
    } limits[] = {
        {"mean", 0, {0x1.fffffep99f, 0, 1, 0}, 0x1p100f},
        {"rstd 2^-60", 1, {0, 0x1p120f, 1, 0}, 0x1.000002p120f},
        {"rstd 2^60", 1, {0, 0x1p-120f, 1, 0}, 0x1.fffffep-121f},
        {"rstd 0", 1, {0, 0, 1, 0}, 0x1p-149f},
        {"mean * rstd", 0, {0x1p25f, 1, 1, 0}, 0x1.000002p25f},
        {"gamma", 2, {0, 1, 0x1p40f, 0}, 0x1.000002p40f},
        {"beta", 3, {0, 1, 1, 0x1p100f}, 0x1.000002p100f},
    };
    size_t i;
    group("where float ends and double begins");
    for (i = 0; i < sizeof limits / sizeof *limits; ++i) {
        const struct limit *l = &limits[i];
        float x[40] = {0}, y[40], v[4];
        int beyond, negative;
        for (beyond = 0; beyond < 2; ++beyond)
            for (negative = 0; negative < 2; ++negative) {
                const unsigned long before = inside.took[TOOK_NRMI_TRACE_WIDE_APPLY];
                memcpy(v, l->value, sizeof v);
                if (beyond) v[l->which] = l->beyond;
                if (negative && l->which != 1) v[l->which] = -v[l->which];
                check(nrm_batchnorm_infer(y, x, 1, 1, 40, NRM_NCHW, &v[0], &v[1], &v[2], &v[3],
                                          0) == NRM_OK, "%s: status", l->name);
                check((inside.took[TOOK_NRMI_TRACE_WIDE_APPLY] > before) == beyond,
                      "%s of %g is applied in %s", l->name, (double)v[l->which],
                      beyond ? "float" : "double");
            }
    }
    group_end();
}

/* Statistics of one row of a constant. F64's tiny variances stand where the values are large enough
   for their differences not to vanish. */
static void test_stat_limits(void)
{
    static const struct limit {
        const char *name;
        nrm_kind kind;
        nrm_dtype type;
        double value, beyond;
    } limits[] = {
        {"variance of floats", NRM_RMS, NRM_F32, 0x1p-50, 0x1.fffffep-51},
        {"variance of doubles", NRM_RMS, NRM_F64, 0x1p-450, 0x1.fffffffffffffp-451},
        {"mean of doubles", NRM_LAYER, NRM_F64, 0x1p-400, 0x1.fffffffffffffp-401},
    };
    size_t i, k;
    int beyond;
    group("where statistics are taken in double, or scaled");
    for (i = 0; i < sizeof limits / sizeof *limits; ++i)
        for (beyond = 0; beyond < 2 && type_is_here(limits[i].type); ++beyond) {
            const struct limit *l = &limits[i];
            const double value = beyond ? l->beyond : l->value;
            const unsigned long before = inside.took[TOOK_NRMI_TRACE_WIDE_STATS];
            double x[64], y[64];
            nrm_desc d = {0};
            nrm_args a = {0};
            for (k = 0; k < 64; ++k) type_put(l->type, x, k, value);
            d.kind = l->kind, d.dtype = l->type, d.n = 1, d.c = 64, d.s = 1;
            a.x = x, a.y = y;
            check(nrm_forward(&d, &a) == NRM_OK, "%s: status", l->name);
            check((inside.took[TOOK_NRMI_TRACE_WIDE_STATS] > before) == beyond, "%s: %a is %s",
                  l->name, value, beyond ? "not looked at again" : "looked at again");
        }
    group_end();
}

int main(int argc, char **argv)
{
    size_t problems = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 2000, i;
    uint64_t first = argc > 2 ? (uint64_t)strtoull(argv[2], NULL, 10) : 1;
    int type;
    for (i = 0; i < ISAS; ++i)
        if (nrm_has_isa(all_isa[i]))
            note("%s runs here", nrm_isa_name(all_isa[i]));
        else if (isa_expected(all_isa[i]))
            skip("%s is not on this machine", nrm_isa_name(all_isa[i]));
    test_limits();
    test_stat_limits();
    for (type = 0; type < TYPES; ++type) {
        size_t share = type == NRM_F32 ? problems : problems / 4 + 1;
        test_random((nrm_dtype)type, first, share);
        test_offsets((nrm_dtype)type, first, share / 25 + 1);
        test_roads((nrm_dtype)type);
    }
    note("%lu same-bits comparisons of buffers, %lu values", compared.buffers, compared.values);
    note("paths: again in float %lu, statistics in double %lu, applied in double %lu",
         inside.took[TOOK_NRMI_TRACE_RETRY], inside.took[TOOK_NRMI_TRACE_WIDE_STATS],
         inside.took[TOOK_NRMI_TRACE_WIDE_APPLY]);
    note("paths: gradient sums in double %lu, single gradients in double %lu",
         inside.took[TOOK_NRMI_TRACE_WIDE_SUMS], inside.took[TOOK_NRMI_TRACE_AGAIN]);
    return done_testing();
}
