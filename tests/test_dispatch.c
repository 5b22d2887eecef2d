/* test_dispatch.c - which instruction set really ran: the library's kernel tables report it. Also
 * what nrm_best_isa, nrm_has_isa and nrm_isa_name say, held against the processor's own word; and
 * what would be found on processors and systems that this machine does not have.
 *
 *   test_dispatch          on a machine whose /proc/cpuinfo, if any, is its own
 *   test_dispatch AVX2     in an emulator, which shows the host's file: the best to be found
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#include "support/inside.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__)) && !defined(__TINYC__)
#define ASK_COMPILER 1 /* its library reads cpuid and xgetbv by itself */
#else
#define ASK_COMPILER 0
#endif

/* ---- what the processor says ----------------------------------------------------------------- */

/* Bits of leaf 1, ECX; of leaf 7, EBX; of XCR0. */
#define OSXSAVE (1u << 27)
#define AVX (1u << 28)
#define F16C (1u << 29)
#define LEAF_1 (OSXSAVE | AVX | F16C)
#define AVX2 (1u << 5)
#define AVX512F (1u << 16)
#define AVX512DQ (1u << 17)
#define AVX512PF (1u << 26)
#define AVX512ER (1u << 27)
#define AVX512CD (1u << 28)
#define AVX512BW (1u << 30)
#define AVX512VL (1u << 31)
#define AVX512 (AVX512F | AVX512DQ | AVX512BW | AVX512VL)
#define LEAF_7 (AVX2 | AVX512)
#define XMM_YMM 0x6u
#define OPMASK_ZMM 0xe0u
#define STATE (XMM_YMM | OPMASK_ZMM)

/* What the library finds: these bits beside scalar. */
enum {
    FINDS_NONE = 0,
    FINDS_AVX2 = 1u << NRM_AVX2,
    FINDS_BOTH = 1u << NRM_AVX2 | 1u << NRM_AVX512
};

typedef struct machine {
    const char *name;
    unsigned last, leaf_1, leaf_7, state; /* the last leaf; ECX, EBX and XCR0 */
    unsigned found;
} machine;

/* Leaf 7 of the first rows is what must not be asked. Processors say AVX whatever the system. */
static const machine machines[] = {
    {"80486", 1, 0, ~0u, ~0u, FINDS_NONE},
    {"Nehalem", 11, 0x0098e3bd, 0, ~0u, FINDS_NONE},
    {"Sandy Bridge", 13, 0x1fbae3bf, 0, 0x7, FINDS_NONE},
    {"Ivy Bridge", 13, 0x7fbae3ff, 0x281, 0x7, FINDS_NONE},
    {"Haswell", 13, 0x7ffafbff, 0x27ab, 0x7, FINDS_AVX2},
    {"Haswell, no ymm saved", 13, 0x7ffafbff, 0x27ab, 0x3, FINDS_NONE},
    {"Haswell, x87 alone saved", 13, 0x7ffafbff, 0x27ab, 0x1, FINDS_NONE},
    {"Haswell, ymm but no xmm saved", 13, 0x7ffafbff, 0x27ab, 0x5, FINDS_NONE},
    {"Haswell, no OSXSAVE", 13, 0x7ffafbff & ~OSXSAVE, 0x27ab, 0x7, FINDS_NONE},
    {"Haswell, no F16C", 13, 0x7ffafbff & ~F16C, 0x27ab, 0x7, FINDS_NONE},
    {"Haswell, leaf 7 the last", 7, 0x7ffafbff, 0x27ab, 0x7, FINDS_AVX2},
    {"Haswell, leaves limited to 6", 6, 0x7ffafbff, 0x27ab, 0x7, FINDS_NONE},
    {"Haswell, leaves limited to 3", 3, 0x7ffafbff, 0x27ab, 0x7, FINDS_NONE},
    {"Haswell, leaves limited to 0", 0, 0x7ffafbff, 0x27ab, 0x7, FINDS_NONE},
    {"Knights Landing", 13, 0x7ff8f3bf, 0x121423ab | AVX512PF | AVX512ER, 0xe7, FINDS_AVX2},
    {"Skylake-SP", 22, 0x7ffefbff, 0xd39ffffb, 0xe7, FINDS_BOTH},
    {"Skylake-SP, leaves limited to 6", 6, 0x7ffefbff, 0xd39ffffb, 0xe7, FINDS_NONE},
    {"Skylake-SP, no AVX", 22, 0x7ffefbff & ~AVX, 0xd39ffffb, 0xe7, FINDS_NONE},
    {"Skylake-SP, no OSXSAVE", 22, 0x7ffefbff & ~OSXSAVE, 0xd39ffffb, 0xe7, FINDS_NONE},
    {"Skylake-SP, zmm not saved", 22, 0x7ffefbff, 0xd39ffffb, 0x7, FINDS_AVX2},
    {"Skylake-SP, opmask saved", 22, 0x7ffefbff, 0xd39ffffb, 0x27, FINDS_AVX2},
    {"Skylake-SP, lower zmm saved", 22, 0x7ffefbff, 0xd39ffffb, 0x47, FINDS_AVX2},
    {"Skylake-SP, upper zmm saved", 22, 0x7ffefbff, 0xd39ffffb, 0x87, FINDS_AVX2},
    {"Skylake-SP, no upper zmm saved", 22, 0x7ffefbff, 0xd39ffffb, 0x67, FINDS_AVX2},
    {"Skylake-SP, no lower zmm saved", 22, 0x7ffefbff, 0xd39ffffb, 0xa7, FINDS_AVX2},
    {"Skylake-SP, no opmask saved", 22, 0x7ffefbff, 0xd39ffffb, 0xc7, FINDS_AVX2},
    {"Skylake-SP, no ymm saved", 22, 0x7ffefbff, 0xd39ffffb, 0xe3, FINDS_NONE},
    {"Skylake-SP, no xmm saved", 22, 0x7ffefbff, 0xd39ffffb, 0xe5, FINDS_NONE},
    {"Skylake-SP without F", 22, 0x7ffefbff, 0xd39ffffb & ~AVX512F, 0xe7, FINDS_AVX2},
    {"Skylake-SP without DQ", 22, 0x7ffefbff, 0xd39ffffb & ~AVX512DQ, 0xe7, FINDS_AVX2},
    {"Skylake-SP without VL", 22, 0x7ffefbff, 0xd39ffffb & ~AVX512VL, 0xe7, FINDS_AVX2},
    {"Skylake-SP without BW", 22, 0x7ffefbff, 0xd39ffffb & ~AVX512BW, 0xe7, FINDS_AVX2},
    {"Zen 3", 16, 0x7ef8320b, 0x219c97a9, 0x207, FINDS_AVX2},
    {"Zen 4", 16, 0x7efa320b, 0xf1bf97a9, 0x2e7, FINDS_BOTH},
};

/* The machine that is asked, and what was asked of it. */
static struct {
    const machine *m;
    int inverted; /* all bits that nobody needs to know, whole registers too */
    unsigned long leaves, states;
    const char *fault;
} cpu;

static unsigned shown(unsigned value, unsigned needed)
{
    return cpu.inverted ? value ^ ~needed : value;
}

/* A leaf beyond the last: Intel's processors answer with that of the last, so with anything. */
static void cpu_leaf(unsigned leaf, unsigned r[4])
{
    ++cpu.leaves;
    if (leaf > cpu.m->last) cpu.fault = "a leaf beyond the last was asked";
    r[0] = r[1] = r[2] = r[3] = cpu.inverted ? ~0u : 0;
    if (leaf == 0) r[0] = cpu.m->last;
    if (leaf == 1) r[2] = shown(cpu.m->leaf_1, LEAF_1);
    if (leaf == 7) r[1] = shown(cpu.m->leaf_7, LEAF_7);
}

static unsigned cpu_state(void)
{
    ++cpu.states;
    if (!(cpu.m->leaf_1 & OSXSAVE)) cpu.fault = "XGETBV without OSXSAVE: it faults there";
    return shown(cpu.m->state, STATE);
}

static void test_machine(const machine *m)
{
    static const inside_processor fake = {cpu_leaf, cpu_state};
    const unsigned expected = 1u << NRM_SCALAR | (m->found & inside_compiled);
    unsigned found;
    for (cpu.inverted = 0; cpu.inverted < 2; ++cpu.inverted) {
        cpu.m = m, cpu.fault = NULL, cpu.leaves = cpu.states = 0;
        inside.fake = &fake;
        found = inside_detect();
        inside.fake = NULL;
        check(found == expected, "%s: found %#x, not %#x%s", m->name, found, expected,
              cpu.inverted ? ", other bits inverted" : "");
        check(!cpu.fault, "%s: %s", m->name, cpu.fault);
        check(cpu.leaves <= 3 && cpu.states <= 1, "%s: CPUID %lu times, XGETBV %lu", m->name,
              cpu.leaves, cpu.states);
    }
}

static void test_machines(void)
{
    size_t i;
    if (!inside_asks) {
        note("nothing is asked of this processor");
        return;
    }
    group("processors and systems that are not here");
    for (i = 0; i < sizeof machines / sizeof *machines; ++i) test_machine(&machines[i]);
    group_end();
}

/* Before the first call of the library, after it, and at the end. */
static void test_asked(int calls)
{
    const unsigned long leaves = inside.leaves, states = inside.states;
    if (!inside_asks) return;
    if (!calls)
        ok(!leaves && !states, "nothing is asked before the first call");
    else
        ok(leaves > 0 && leaves <= 3 && states <= 1, "asked once: CPUID %lu times, XGETBV %lu",
           leaves, states);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static void test_names(void)
{
    int i, j;
    group("names of the instruction sets");
    for (i = -2; i < 12; ++i) {
        const char *name = nrm_isa_name((nrm_isa)i);
        check(name && *name, "name of %d", i);
        for (j = 0; name && j < i && i <= NRM_WASM; ++j)
            check(strcmp(name, nrm_isa_name((nrm_isa)j)) != 0, "%d and %d are alike", i, j);
    }
    group_end();
}

static void test_best(void)
{
    nrm_isa best = nrm_best_isa();
    size_t i;
    int value;
    ok(best > NRM_AUTO && best <= NRM_WASM, "the best is %s", nrm_isa_name(best));
    ok(nrm_has_isa(best) == 1, "the best is there");
    ok(nrm_has_isa(NRM_SCALAR) == 1, "scalar is there");
    ok(nrm_best_isa() == best, "asked again, the same");
    group("nothing there is better than the best");
    for (i = 0; i < ISAS; ++i) {
        int has = nrm_has_isa(all_isa[i]);
        check(has == 0 || has == 1, "nrm_has_isa(%d) is %d", (int)all_isa[i], has);
        check(!has || all_isa[i] <= best, "%s is there", nrm_isa_name(all_isa[i]));
    }
    group_end();
    group("no instruction set out of range");
    for (value = -3; value < 300; ++value)
        if (value < NRM_AUTO || value > NRM_WASM)
            check(nrm_has_isa((nrm_isa)value) == 0, "nrm_has_isa(%d)", value);
    group_end();
    ok(!(nrm_has_isa(NRM_AVX2) && nrm_has_isa(NRM_NEON)) &&
           !(nrm_has_isa(NRM_WASM) && nrm_has_isa(NRM_NEON)),
       "no instruction sets of two families");
}

/* 1 when /proc/cpuinfo lists this word among its flags, -1 when there is no such list. */
static int flag_listed(const char *flag)
{
    static char line[16384];
    FILE *file = fopen("/proc/cpuinfo", "r");
    int found = -1;
    while (file && found < 0 && fgets(line, sizeof line, file)) {
        char *word;
        if (strncmp(line, "flags", 5) != 0) continue;
        found = 0;
        for (word = strtok(line, " \t\n"); word && !found; word = strtok(NULL, " \t\n"))
            found = strcmp(word, flag) == 0;
    }
    if (file) fclose(file);
    return found;
}

#if ASK_COMPILER
static void against_processor(nrm_isa isa, int compiler, int listed, int built, int emulated)
{
    ok(nrm_has_isa(isa) == (built && compiler), "%s: library %d, built in %d, cpuid %d",
       nrm_isa_name(isa), nrm_has_isa(isa), built, compiler);
    if (emulated)
        note("/proc/cpuinfo is not asked for %s", nrm_isa_name(isa));
    else if (listed < 0)
        skip("no flags in /proc/cpuinfo for %s", nrm_isa_name(isa));
    else if (listed != compiler) /* emulators show the host's file */
        skip("/proc/cpuinfo speaks of another processor than cpuid does for %s",
             nrm_isa_name(isa));
    else
        ok(nrm_has_isa(isa) == (built && listed), "%s: as in /proc/cpuinfo", nrm_isa_name(isa));
}

static void test_processor(int emulated)
{
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    int listed = flag_listed("avx512f");
    int avx2_built = 1, avx512_built = 1;
#if defined(NRM_NO_SIMD) || defined(NRM_NO_AVX2)
    avx2_built = 0;
#endif
#if defined(NRM_NO_SIMD) || defined(NRM_NO_AVX512)
    avx512_built = 0;
#endif
    if (listed > 0)
        listed = flag_listed("avx512bw") && flag_listed("avx512dq") && flag_listed("avx512vl");
    against_processor(NRM_AVX2, __builtin_cpu_supports("avx2") != 0, flag_listed("avx2"),
                      avx2_built, emulated);
    against_processor(NRM_AVX512, avx512, listed, avx512_built, emulated);
}
#else
static void test_processor(int emulated)
{
    note("on this target the instruction set is settled at compile time (%d)",
         emulated ? 0 : flag_listed("x"));
}
#endif

/* ---- what runs ------------------------------------------------------------------------------- */

static void expect_runs(const problem *p, enum verb verb, nrm_isa asked)
{
    nrm_isa want = asked == NRM_AUTO ? nrm_best_isa() : asked;
    int layout;
    for (layout = 0; layout < 2; ++layout) {
        const setup s = plain(asked, (nrm_layout)layout);
        outcome *o;
        inside_forget();
        o = run(p, verb, &s);
        if (nrm_has_isa(want)) {
            check(o->status == NRM_OK, "%s %s: status %d", nrm_isa_name(asked), verb_name[verb],
                  (int)o->status);
            check(inside.isa_reports && inside.isa == (int)want && !inside.isa_mixed,
                  "%s %s %s: %s ran, %lu reports", nrm_isa_name(asked), kind_name[p->d.kind],
                  verb_name[verb], nrm_isa_name((nrm_isa)inside.isa), inside.isa_reports);
        } else {
            check(o->status == NRM_ERR_ISA && o->clean && !inside.isa_reports,
                  "%s %s is not there: status %d, clean %d, %lu reports", nrm_isa_name(asked),
                  verb_name[verb], (int)o->status, o->clean, inside.isa_reports);
        }
        outcome_free(o);
    }
}

/* A problem that no status but NRM_ERR_ISA can come from. */
static problem *sound_problem(nrm_kind kind)
{
    uint64_t seed = 1;
    problem *p = problem_draw(seed);
    while (p->d.kind != kind || problem_volume(&p->d) < 64) {
        problem_free(p);
        p = problem_draw(++seed);
    }
    p->given &= ~(1u << SLOT_RUNNING_MEAN | 1u << SLOT_RUNNING_VAR);
    return p;
}

static void test_forced(void)
{
    int kind, verb, isa;
    for (isa = NRM_AUTO; isa <= NRM_WASM + 1; ++isa) {
        group("asked for %s", isa > NRM_WASM ? "what is none" : nrm_isa_name((nrm_isa)isa));
        for (kind = 0; kind < 5; ++kind) {
            problem *p = sound_problem((nrm_kind)kind);
            for (verb = 0; verb < VERBS; ++verb)
                if (verb_fits((enum verb)verb, p->d.kind))
                    expect_runs(p, (enum verb)verb, (nrm_isa)isa);
            problem_free(p);
        }
        group_end();
    }
}

static void test_short_forms(void)
{
    float x[48], y[48], one[4] = {1, 1, 1, 1};
    nrm_status status[5];
    int i, seen[5];
    for (i = 0; i < 48; ++i) x[i] = (float)(i * i % 11);
    group("the short forms run the best");
    inside_forget(), status[0] = nrm_layernorm(y, x, 4, 12, NULL, NULL, 1e-5), seen[0] = inside.isa;
    inside_forget(), status[1] = nrm_rmsnorm(y, x, 4, 12, NULL, 1e-5), seen[1] = inside.isa;
    inside_forget();
    status[2] = nrm_batchnorm_infer(y, x, 3, 4, 4, NRM_NHWC, one, one, NULL, NULL, 1e-5);
    seen[2] = inside.isa, inside_forget();
    status[3] = nrm_instancenorm(y, x, 3, 4, 4, NRM_NCHW, NULL, NULL, 1e-5);
    seen[3] = inside.isa, inside_forget();
    status[4] = nrm_groupnorm(y, x, 3, 4, 4, 2, NRM_NCHW, NULL, NULL, 1e-5), seen[4] = inside.isa;
    for (i = 0; i < 5; ++i)
        check(status[i] == NRM_OK && seen[i] == (int)nrm_best_isa(), "short form %d: status %d, %s",
              i, (int)status[i], nrm_isa_name((nrm_isa)seen[i]));
    group_end();
}

int main(int argc, char **argv)
{
    const char *expected = argc > 1 ? argv[1] : NULL;
    test_asked(0);
    if (expected)
        ok(!strcmp(nrm_isa_name(nrm_best_isa()), expected), "the best, %s, is %s",
           nrm_isa_name(nrm_best_isa()), expected);
    test_names();
    test_best();
    test_asked(1);
    test_processor(expected != NULL);
    test_machines();
    test_forced();
    test_short_forms();
    test_asked(1);
    return done_testing();
}
