/* test_fp_state.c - the caller's floating point state. Rounding modes, flush-to-zero and
 * denormals-are-zero do not change a bit, unmasked exceptions do not trap, and after the call all
 * is as the caller had it; so it is when the call lends itself the caller's threads, or is left.
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#include "../normalize.h"

#include <setjmp.h>

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#if (defined(__x86_64__) || defined(__SSE2__) || defined(_M_X64)) && !defined(__TINYC__)
#include <xmmintrin.h>
typedef unsigned state;

static state state_get(void)
{
    return _mm_getcsr();
}

static void state_set(state value)
{
    _mm_setcsr(value);
}

#define STATE_ROUNDING(mode) ((state)(mode) << 13)
#define STATE_FTZ 0x8000u
#define STATE_DAZ 0x0040u
#define STATE_FLAGS 0x3fu /* exceptions that happened: arithmetic may set them */
#define STATE_UNMASKED(s) ((s) & ~0x1f80u)
#define STATE_IS_KNOWN 1

#elif defined(__aarch64__) && defined(__GNUC__)
typedef uint64_t state;

static state state_get(void)
{
    state value;
    __asm__ volatile("mrs %0, fpcr" : "=r"(value));
    return value;
}

static void state_set(state value)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(value));
}

#define STATE_ROUNDING(mode) ((state)(mode) << 22)
#define STATE_FTZ ((state)1 << 24)
#define STATE_DAZ STATE_FTZ
#define STATE_FLAGS ((state)0)
#define STATE_UNMASKED(s) ((s) | 0x9f00u) /* few processors trap; the others ignore these bits */
#define STATE_IS_KNOWN 1

#else
#define STATE_IS_KNOWN 0
#endif

#if STATE_IS_KNOWN

static state usual; /* what this program runs in between calls */

/* Back to the usual state; 1 if the one before was `want`, or what the processor made of it. */
static int state_kept(state want)
{
    state now = state_get(), made;
    state_set(want);
    made = state_get();
    state_set(usual);
    return (now & ~STATE_FLAGS) == (made & ~STATE_FLAGS);
}

/* Runs in the given state. What lies between setting and resetting it is this one call. */
static outcome *run_in(const problem *p, enum verb verb, const setup *s, state want, int *kept)
{
    outcome *o = (outcome *)test_alloc(1, sizeof *o);
    bed b;
    bed_make(&b, p, verb, s);
    state_set(want);
    o->status = verb_call(verb, &b.d, &b.a, b.data[SLOT_MOMENTS], b.data[SLOT_SUMS]);
    *kept = state_kept(want);
    bed_collect(&b, o);
    return o;
}

static void compare_states(const problem *p, enum verb verb, nrm_isa isa, const state *states,
                           int count)
{
    const setup s = plain(isa, (nrm_layout)(p->seed & 1));
    outcome *want;
    int i;
    want = run(p, verb, &s);
    for (i = 0; i < count; ++i) {
        int kept;
        outcome *got = run_in(p, verb, &s, states[i], &kept);
        difference at;
        int same = same_outcome(want, got, &at);
        check(same && got->clean,
              "%s %s in state %llx: %s differs at %zu, status %d, clean %d; %s",
              nrm_isa_name(isa), verb_name[verb], (unsigned long long)states[i],
              slot_name[at.slot], at.index, (int)got->status, got->clean, problem_text(p));
        check(kept, "%s %s did not restore state %llx", nrm_isa_name(isa), verb_name[verb],
              (unsigned long long)states[i]);
        outcome_free(got);
    }
    outcome_free(want);
}

static void test_states(const char *name, const state *states, int count, size_t problems)
{
    size_t isa, i;
    for (isa = 0; isa < ISAS; ++isa) {
        if (!nrm_has_isa(all_isa[isa])) continue;
        group("%s, %s: %zu problems", nrm_isa_name(all_isa[isa]), name, problems);
        for (i = 0; i < problems; ++i) {
            nrm_dtype type = i % 3 ? NRM_F32 : (nrm_dtype)(i / 3 % TYPES);
            problem *p = problem_draw_as(1000 + i, type);
            int verb;
            if (i % 4 == 3) problem_tensors(p, 0);
            for (verb = 0; verb < VERBS; ++verb)
                if (verb_fits((enum verb)verb, p->d.kind) && problem_volume(&p->d) < 4000)
                    compare_states(p, (enum verb)verb, all_isa[isa], states, count);
            problem_free(p);
        }
        group_end();
    }
}

/* Denormal and tiny values in everything, so that flushing would show in every output. */
static void test_denormals(nrm_dtype type, const state *states, int count)
{
    static const gen_dist dist[] = {GEN_SMALL, GEN_DENORMAL, GEN_TINIEST};
    size_t isa, i;
    group("%s: denormal inputs", type_name[type]);
    for (i = 0; i < (type == NRM_F32 ? 30 : 12); ++i) {
        problem *p = problem_draw_as(5000 + i, type);
        gen g = gen_seed(i);
        size_t volume = problem_volume(&p->d);
        int verb;
        if (i % 4 == 3) problem_tensors(p, 0);
        p->d.eps = i % 4 ? 0 : 1e-12;
        draw_list(&g, dist[i % 3], type, p->value[SLOT_X], volume);
        draw_list(&g, i % 2 ? GEN_SMALL : GEN_NORMAL, type, p->value[SLOT_DY], volume);
        draw_list(&g, i % 5 ? GEN_NORMAL : GEN_SMALL, slot_type(&p->d, SLOT_GAMMA),
                  p->value[SLOT_GAMMA], slot_count(&p->d, SLOT_GAMMA));
        problem_prepare(p);
        for (isa = 0; isa < ISAS; ++isa)
            for (verb = 0; verb < VERBS && nrm_has_isa(all_isa[isa]); ++verb)
                if (verb_fits((enum verb)verb, p->d.kind))
                    compare_states(p, (enum verb)verb, all_isa[isa], states, count);
        problem_free(p);
    }
    group_end();
}

/* The short forms and nrm_fold round as always, too. */
static void short_forms(float out[6][24], const float *x)
{
    static const float one[4] = {1, 1.1f, 0.7f, 3};
    memset(out, 0, 6 * sizeof *out);
    nrm_layernorm(out[0], x, 6, 4, one, one, 0);
    nrm_rmsnorm(out[1], x, 6, 4, one, 0);
    nrm_batchnorm_infer(out[2], x, 2, 4, 3, NRM_NCHW, x, one, one, NULL, 1e-5);
    nrm_instancenorm(out[3], x, 2, 4, 3, NRM_NHWC, one, one, 1e-12);
    nrm_groupnorm(out[4], x, 2, 4, 3, 2, NRM_NCHW, one, NULL, 0);
    nrm_fold(out[5], out[5] + 20, x, x, 4, 5, x, one, one, NULL, 1e-5);
}

static void test_short_forms(const state *states, int count)
{
    float want[6][24], got[6][24], x[24];
    int i, form;
    group("the short forms");
    for (i = 0; i < 24; ++i) x[i] = gen_from_bits((uint32_t)(i * i % 13) * 700000u);
    short_forms(want, x);
    for (i = 0; i < count; ++i) {
        int kept;
        state_set(states[i]);
        short_forms(got, x);
        kept = state_kept(states[i]);
        for (form = 0; form < 6; ++form)
            check(same_bits_f32(want[form], got[form], 24), "short form %d in state %llx", form,
                  (unsigned long long)states[i]);
        check(kept, "state %llx was not restored", (unsigned long long)states[i]);
    }
    group_end();
}

/* Refused calls restore as well. */
static void test_refused(const state *states, int count)
{
    nrm_desc d;
    nrm_args a;
    int i;
    group("calls that are refused");
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    for (i = 0; i < count; ++i) {
        nrm_status none, bad;
        int kept;
        d.n = d.c = d.s = 0, d.eps = 0;
        state_set(states[i]);
        none = nrm_forward(&d, &a);
        d.n = d.c = d.s = 1, d.eps = -1;
        bad = nrm_forward(&d, &a);
        kept = state_kept(states[i]);
        check(none == NRM_OK && bad != NRM_OK, "statuses %d and %d", (int)none, (int)bad);
        check(kept, "state %llx was not restored", (unsigned long long)states[i]);
    }
    group_end();
}

/* ---- the caller's pool ----------------------------------------------------------------------- */

/* A pool of the calling thread alone, which looks at the state that run() is called in. */
typedef struct watcher {
    nrm_pool pool;
    state want;
    unsigned long runs, others; /* in how many the state was another */
    int leaves;                 /* by longjmp */
    jmp_buf out;
} watcher;

static void watch(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg)
{
    watcher *w = (watcher *)user;
    size_t i;
    ++w->runs;
    w->others += (state_get() & ~STATE_FLAGS) != (w->want & ~STATE_FLAGS);
    if (w->leaves) longjmp(w->out, 1);
    for (i = 0; i < tasks; ++i) task(arg, i);
}

/* A call in the given state; 0 when it was left. */
static int call_watched(const bed *b, enum verb verb, watcher *w, state in, nrm_status *status)
{
    state_set(in);
    w->want = state_get();
    if (setjmp(w->out)) return 0;
    *status = verb_call(verb, &b->d, &b->a, b->data[SLOT_MOMENTS], b->data[SLOT_SUMS]);
    return 1;
}

/* Large enough to be cut up. */
static problem *large_problem(nrm_kind kind)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(9);
    p->d.kind = kind, p->d.n = 8, p->d.c = 64, p->d.s = 1024, p->d.groups = 8;
    p->d.eps = 1e-5, p->running_rate = 0.1, p->given = GIVEN_NORM;
    if (kind == NRM_GROUP) p->d.act = NRM_SILU;
    problem_ordinary(&g, p);
    return p;
}

static void watch_call(const problem *p, enum verb verb, const outcome *want, state in, int leaves)
{
    setup s = plain(NRM_AUTO, (nrm_layout)(verb & 1));
    outcome *got = (outcome *)test_alloc(1, sizeof *got);
    const char *kind = kind_name[p->d.kind], *name = verb_name[verb];
    watcher w;
    difference at;
    bed b;
    int returned, kept;
    memset(&w, 0, sizeof w);
    w.pool.run = watch, w.pool.user = &w, w.pool.threads = 4, w.leaves = leaves;
    s.pool = &w.pool;
    bed_make(&b, p, verb, &s);
    returned = call_watched(&b, verb, &w, in, &got->status);
    kept = state_kept(w.want);
    check(w.runs > 0 && returned == !leaves, "%s %s: %lu runs", kind, name, w.runs);
    check(!w.others, "%s %s: %lu of %lu runs in another state than %llx", kind, name, w.others,
          w.runs, (unsigned long long)in);
    check(kept, "%s %s%s: state %llx is lost", kind, name, leaves ? ", left" : "",
          (unsigned long long)in);
    if (returned) bed_collect(&b, got);
    if (returned) check(same_outcome(want, got, &at), "%s %s: another outcome", kind, name);
    outcome_free(got);
}

static void test_pool(const state *states, int count)
{
    int kind, verb, i;
    group("the caller's pool runs in the caller's state, and may be left by longjmp");
    for (kind = 0; kind < 5; ++kind) {
        problem *p = large_problem((nrm_kind)kind);
        for (verb = 0; verb < VERBS; ++verb) {
            const setup s = plain(NRM_AUTO, (nrm_layout)(verb & 1));
            outcome *want;
            if (!verb_fits((enum verb)verb, (nrm_kind)kind)) continue;
            want = run(p, (enum verb)verb, &s);
            for (i = 0; i < 2 * count; ++i)
                watch_call(p, (enum verb)verb, want, states[i / 2], i % 2);
            outcome_free(want);
        }
        problem_free(p);
    }
    group_end();
}

int main(void)
{
    state set[9], unmasked[5], few[3];
    int i, type, count = 0;
    usual = state_get() & ~STATE_FLAGS;
    for (i = 1; i < 4; ++i) set[count++] = usual | STATE_ROUNDING(i);
    for (i = 0; i < 4; ++i) set[count++] = usual | STATE_ROUNDING(i) | STATE_FTZ | STATE_DAZ;
    set[count++] = usual | STATE_FTZ;
    set[count++] = usual | STATE_DAZ;
    for (i = 0; i < 4; ++i) unmasked[i] = STATE_UNMASKED(usual | STATE_ROUNDING(i));
    unmasked[4] = STATE_UNMASKED(usual | STATE_FTZ | STATE_DAZ);
    test_states("rounding and flushing", set, count, 150);
    for (type = 0; type < TYPES; ++type)
        test_denormals((nrm_dtype)type, set, count);
    test_short_forms(set, count);
    test_refused(set, count);
    test_states("exceptions unmasked", unmasked, 5, 80);
    for (type = 0; type < TYPES; ++type)
        test_denormals((nrm_dtype)type, unmasked, 5);
    test_short_forms(unmasked, 5);
    test_refused(unmasked, 5);
    few[0] = usual, few[1] = set[4], few[2] = unmasked[1];
    test_pool(few, 3);
    note("%lu same-bits comparisons of buffers", compared.buffers);
    return done_testing();
}

#else

int main(void)
{
    skip("no way to set the floating point state is known for this target");
    return done_testing();
}

#endif
