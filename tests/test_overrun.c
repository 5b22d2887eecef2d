/* test_overrun.c - no byte read or written outside of a buffer. Every buffer lies against a page
 * that may not be touched, by its end or by its start; the gaps that pitches leave hold canaries,
 * and the gap after the last line lies in the forbidden page.
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#if !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#if defined(__unix__) || defined(__APPLE__)

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define LENGTHS 300
#define VALUES 16384     /* room of each buffer */
#define MARGIN 256       /* canary bytes on the side where no page guards */

static unsigned char *room_start[SLOTS], *room_end[SLOTS];
static unsigned char canaries[12 * VALUES]; /* a buffer full, gaps and margin included */
static unsigned long calls;

/* ---- faults ---------------------------------------------------------------------------------- */

static sigjmp_buf fault_return;
static unsigned char *volatile fault_address;

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number, (void)context;
    fault_address = (unsigned char *)info->si_addr;
    siglongjmp(fault_return, 1);
}

/* Whose guard page an address lies in. */
static const char *fault_slot(void)
{
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        if (fault_address >= room_start[slot] - 65536 && fault_address < room_end[slot] + 65536)
            return slot_name[slot];
    return "an unknown place";
}

static int prepare_rooms(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), guard = (131072 + page - 1) / page * page;
    size_t room = (sizeof canaries + MARGIN + page - 1) / page * page;
    struct sigaction action;
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        void *p = mmap(NULL, guard + room + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) return 0;
        room_start[slot] = (unsigned char *)p + guard;
        room_end[slot] = room_start[slot] + room;
        if (mprotect(room_start[slot], room, PROT_READ | PROT_WRITE)) return 0;
    }
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return !sigaction(SIGSEGV, &action, NULL) && !sigaction(SIGBUS, &action, NULL);
}

/* A guard that lets everything through would pass every test. */
static int guards_work(int slot, int at_end)
{
    volatile unsigned char *at = at_end ? room_end[slot] : room_start[slot] - 1;
    if (sigsetjmp(fault_return, 1)) return fault_address == (unsigned char *)(uintptr_t)at;
    (void)*at;
    return 0;
}

/* ---- one call -------------------------------------------------------------------------------- */

static void place(bed *b, const problem *p, int at_end)
{
    int slot;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        size_t bytes = slot_bytes(&b->d, (enum slot)slot);
        unsigned char *data;
        if (b->role[slot] == '.') continue;
        data = at_end ? room_end[slot] - bytes : room_start[slot];
        b->data[slot] = data;
        gen_canary(at_end ? data - MARGIN : data, bytes + MARGIN);
        if (role_reads(b->role[slot]))
            slot_copy(&b->d, (enum slot)slot, p->value[slot], data, LAY_OUT);
    }
}

/* 1 when the margin and all gaps are as they were. */
static int intact(const bed *b, int slot, int at_end)
{
    size_t bytes = slot_bytes(&b->d, (enum slot)slot);
    unsigned char *data = b->data[slot];
    slot_restore(&b->d, (enum slot)slot, data, canaries);
    return !memcmp(at_end ? data - MARGIN : data, canaries, bytes + MARGIN);
}

static void guarded_call(const problem *p, enum verb verb, const setup *s, int at_end)
{
    static bed b; /* static: a jump out of the call leaves automatic variables undefined */
    static nrm_status status;
    static volatile int faulted;
    int slot;
    bed_describe(&b, p, verb, s);
    place(&b, p, at_end);
    bed_point(&b, p, s);
    faulted = 0;
    if (!sigsetjmp(fault_return, 1))
        status = verb_call(verb, &b.d, &b.a, b.data[SLOT_MOMENTS], b.data[SLOT_SUMS]);
    else
        faulted = 1;
    ++calls;
    check(!faulted, "%s %s %s against the %s: touched the guard of %s; %s", nrm_isa_name(s->isa),
          verb_name[verb], s->layout ? "NHWC" : "NCHW", at_end ? "end" : "start", fault_slot(),
          problem_text(p));
    if (faulted) return;
    check(status == NRM_OK || status == NRM_ERR_NONFINITE, "%s: status %d; %s", verb_name[verb],
          (int)status, problem_text(p));
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        if (b.role[slot] != '.')
            check(intact(&b, slot, at_end), "%s %s %s: wrote around %s; %s", nrm_isa_name(s->isa),
                  verb_name[verb], s->layout ? "NHWC" : "NCHW", slot_name[slot], problem_text(p));
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static void *usual_x, *outlier_x, *wide_x;

static problem *room_problem(nrm_dtype type)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(3);
    size_t i;
    int slot;
    p->d.dtype = type;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        nrm_dtype held = slot_type(&p->d, (enum slot)slot);
        p->value[slot] = test_alloc(VALUES, sizeof(double));
        if (slot < SLOT_MEAN || slot >= SLOT_ADD)
            draw_list(&g, GEN_NORMAL, held, p->value[slot], VALUES);
        else
            for (i = 0; i < VALUES; ++i) type_put(held, p->value[slot], i, 3);
    }
    for (i = 0; i < VALUES; ++i)
        type_put(type_of_parameters(type), p->value[SLOT_RUNNING_VAR], i, 1);
    usual_x = p->value[SLOT_X];
    outlier_x = test_alloc(VALUES, type_size(type));
    wide_x = test_alloc(VALUES, type_size(type));
    draw_list(&g, GEN_SIGN_1E30, type, wide_x, VALUES);
    return p;
}

static void room_free(problem *p)
{
    p->value[SLOT_X] = usual_x;
    free(outlier_x);
    free(wide_x);
    problem_free(p);
}

/* Ordinary values; or outliers where the pilot looks; or too large to be squared in float. */
static void choose_values(problem *p, size_t turn)
{
    size_t which, lists = problem_stats(&p->d), length = problem_volume(&p->d) / lists;
    p->value[SLOT_X] = turn % 3 == 0 ? usual_x : turn % 3 == 1 ? wide_x : outlier_x;
    if (turn % 3 != 2) return;
    memcpy(outlier_x, usual_x, VALUES * type_size(p->d.dtype));
    for (which = 0; which < lists; ++which)
        type_put(p->d.dtype, outlier_x, list_place(&p->d, which, gen_pilot_place(0, length)),
                 p->d.dtype == NRM_F16 ? 6e4 : 1e6);
}

/* Takes options and gaps in turn, so that all meet all in the course of the lengths. */
static void choose_options(problem *p, gen *g, size_t length)
{
    p->seed = length;
    p->d.act = gen_one_in(g, 3) ? NRM_RELU : NRM_IDENTITY;
    p->d.affine_per_sample = gen_one_in(g, 4);
    p->d.eps = 1e-5;
    p->accumulate = gen_one_in(g, 2), p->running_population = 1, p->running_rate = 0.5;
    p->given = ((unsigned)gen_u64(g) | (unsigned)gen_u64(g) | 1u << SLOT_DX) & GIVEN_NORM;
    memset(p->line_gap, 0, sizeof p->line_gap);
    memset(p->sample_gap, 0, sizeof p->sample_gap);
    if (gen_one_in(g, 2)) p->line_gap[0] = 1 + gen_below(g, 17);
    if (gen_one_in(g, 2)) p->line_gap[1] = 1 + gen_below(g, 17);
    if (gen_one_in(g, 3)) p->sample_gap[0] = 1 + gen_below(g, 17);
    if (gen_one_in(g, 3)) p->sample_gap[1] = 1 + gen_below(g, 17);
    if (!gen_one_in(g, 3)) return;
    p->d.act = (nrm_act)gen_below(g, ACTS), p->d.act_slope = 0.25, p->d.act_high = 1;
    p->given |= (unsigned)gen_u64(g) & GIVEN_AROUND;
    if (!(p->given >> SLOT_GATE & 1)) p->given &= ~(1u << SLOT_DGATE);
}

static void choose_shape(problem *p, gen *g, int axis, size_t length)
{
    nrm_desc *d = &p->d;
    d->n = 1 + gen_below(g, 2), d->c = 1 + gen_below(g, 3), d->s = 1 + gen_below(g, 3);
    *(axis == 0 ? &d->s : axis == 1 ? &d->c : &d->n) = length;
    do
        d->groups = 1 + gen_below(g, d->c < 8 ? d->c : 8);
    while (d->c % d->groups);
}

/* Of any length; what residuals and parameters hold as another type does not matter. */
static void choose_tensors(problem *p, gen *g)
{
    size_t *lengths = (size_t *)p->value[SLOT_LENGTHS], i;
    const int half = type_is_half(p->d.dtype), all = gen_one_in(g, 3);
    p->d.param_half = all && half && !gen_one_in(g, 3);
    p->d.wide_residual = all && half && !gen_one_in(g, 3);
    p->d.transpose_y = all && gen_one_in(g, 2);
    p->absent = all ? (unsigned)gen_u64(g) : 0;
    if (!all) return;
    p->given |= (unsigned)gen_u64(g) & GIVEN_TENSORS;
    if (!(p->given >> SLOT_Q8 & p->given >> SLOT_Q8_SCALE & 1)) p->given &= ~GIVEN_Q8;
    for (i = 0; i < p->d.n; ++i)
        lengths[i] = gen_one_in(g, 3) ? p->d.s : gen_below(g, p->d.s + 1);
}

static void all_calls(problem *p, nrm_isa isa)
{
    int verb, layout, at_end;
    for (verb = 0; verb < VERBS; ++verb)
        for (layout = 0; layout < 2; ++layout)
            for (at_end = 0; at_end < 2 && verb_fits((enum verb)verb, p->d.kind); ++at_end) {
                const setup s = plain(isa, (nrm_layout)layout);
                guarded_call(p, (enum verb)verb, &s, at_end);
            }
}

/* Every kind with every length for float; the other types take the kinds in turn. */
static void test_axis(problem *p, nrm_isa isa, int axis)
{
    static const char *const axis_name[] = {"positions", "channels", "samples"};
    size_t length;
    int kind;
    group("%s, %s, %s from 1 to %d", type_name[p->d.dtype], nrm_isa_name(isa), axis_name[axis],
          LENGTHS);
    for (length = 1; length <= LENGTHS; ++length)
        for (kind = 0; kind < 5; ++kind) {
            gen g = gen_seed(length * 15 + (size_t)kind * 3 + (size_t)axis);
            if (axis == 2 && kind != NRM_BATCH) continue;
            if (p->d.dtype != NRM_F32 && axis != 2 && (length + (size_t)kind) % 5) continue;
            if (p->d.dtype != NRM_F32 && axis == 2 && length % 4 > 1) continue;
            p->d.kind = (nrm_kind)kind;
            choose_options(p, &g, length);
            choose_shape(p, &g, axis, length);
            choose_values(p, length + (size_t)kind);
            choose_tensors(p, &g);
            all_calls(p, isa);
        }
    group_end();
}

static void test_type(nrm_dtype type)
{
    problem *p = room_problem(type);
    size_t isa;
    int axis;
    for (isa = 0; isa < ISAS; ++isa)
        for (axis = 0; axis < 3 && nrm_has_isa(all_isa[isa]); ++axis)
            test_axis(p, all_isa[isa], axis);
    room_free(p);
}

int main(void)
{
    int slot, type;
    memset(canaries, GEN_CANARY, sizeof canaries);
    if (!prepare_rooms()) {
        skip("no guard pages to be had");
        return done_testing();
    }
    group("the guard pages catch");
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        check(guards_work(slot, 0), "before %s", slot_name[slot]);
        check(guards_work(slot, 1), "after %s", slot_name[slot]);
    }
    group_end();
    for (type = 0; type < TYPES; ++type) test_type((nrm_dtype)type);
    note("%lu calls between guard pages", calls);
    return done_testing();
}

#else

int main(void)
{
    skip("no guard pages on this target");
    return done_testing();
}

#endif
