/* test_dispatch.c - which instruction set really ran: the library's kernel tables report it. Also
 * what nrm_best_isa, nrm_has_isa and nrm_isa_name say, held against the processor's own word.
 */
#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
static int isa_seen = -1;           /* the table that the last call used */
static unsigned long isa_reports;
static int isa_mixed;               /* one call used more than one table */

static void isa_report(int isa)
{
    isa_mixed |= isa_reports && isa_seen != isa;
    isa_seen = isa;
    ++isa_reports;
}

#define NRMI_TRACE_ISA(isa) isa_report((int)(isa))
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include "test.h"
#include "gen.h"
#include "problem.h"

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__)) && !defined(__TINYC__)
#define ASK_COMPILER 1 /* its library reads cpuid and xgetbv by itself */
#else
#define ASK_COMPILER 0
#endif

static const nrm_isa all_isa[] = {NRM_SCALAR, NRM_AVX2, NRM_AVX512, NRM_NEON, NRM_WASM};

#define ISAS (sizeof all_isa / sizeof *all_isa)

static void forget(void)
{
    isa_seen = -1, isa_reports = 0, isa_mixed = 0;
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
static void against_processor(nrm_isa isa, int compiler, int listed, int built)
{
    ok(nrm_has_isa(isa) == (built && compiler), "%s: library %d, built in %d, cpuid %d",
       nrm_isa_name(isa), nrm_has_isa(isa), built, compiler);
    if (listed < 0)
        skip("no flags in /proc/cpuinfo for %s", nrm_isa_name(isa));
    else if (listed != compiler) /* emulators show the host's file */
        skip("/proc/cpuinfo speaks of another processor than cpuid does for %s",
             nrm_isa_name(isa));
    else
        ok(nrm_has_isa(isa) == (built && listed), "%s: as in /proc/cpuinfo", nrm_isa_name(isa));
}

static void test_processor(void)
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
                      avx2_built);
    against_processor(NRM_AVX512, avx512, listed, avx512_built);
}
#else
static void test_processor(void)
{
    note("on this target the instruction set is settled at compile time (%d)", flag_listed("x"));
}
#endif

/* ---- what runs ------------------------------------------------------------------------------- */

static void expect_runs(const problem *p, enum verb verb, nrm_isa asked)
{
    nrm_isa want = asked == NRM_AUTO ? nrm_best_isa() : asked;
    int layout;
    for (layout = 0; layout < 2; ++layout) {
        setup s;
        outcome *o;
        memset(&s, 0, sizeof s);
        s.isa = asked, s.layout = (nrm_layout)layout;
        forget();
        o = run(p, verb, &s);
        if (nrm_has_isa(want)) {
            check(o->status == NRM_OK, "%s %s: status %d", nrm_isa_name(asked), verb_name[verb],
                  (int)o->status);
            check(isa_reports && isa_seen == (int)want && !isa_mixed,
                  "%s %s %s: %s ran, %lu reports", nrm_isa_name(asked), kind_name[p->d.kind],
                  verb_name[verb], nrm_isa_name((nrm_isa)isa_seen), isa_reports);
        } else {
            check(o->status == NRM_ERR_ISA && o->clean && !isa_reports,
                  "%s %s is not there: status %d, clean %d, %lu reports", nrm_isa_name(asked),
                  verb_name[verb], (int)o->status, o->clean, isa_reports);
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
    forget(), status[0] = nrm_layernorm(y, x, 4, 12, NULL, NULL, 1e-5), seen[0] = isa_seen;
    forget(), status[1] = nrm_rmsnorm(y, x, 4, 12, NULL, 1e-5), seen[1] = isa_seen;
    forget();
    status[2] = nrm_batchnorm_infer(y, x, 3, 4, 4, NRM_NHWC, one, one, NULL, NULL, 1e-5);
    seen[2] = isa_seen, forget();
    status[3] = nrm_instancenorm(y, x, 3, 4, 4, NRM_NCHW, NULL, NULL, 1e-5);
    seen[3] = isa_seen, forget();
    status[4] = nrm_groupnorm(y, x, 3, 4, 4, 2, NRM_NCHW, NULL, NULL, 1e-5), seen[4] = isa_seen;
    for (i = 0; i < 5; ++i)
        check(status[i] == NRM_OK && seen[i] == (int)nrm_best_isa(), "short form %d: status %d, %s",
              i, (int)status[i], nrm_isa_name((nrm_isa)seen[i]));
    group_end();
}

int main(void)
{
    test_names();
    test_best();
    test_processor();
    test_forced();
    test_short_forms();
    return done_testing();
}
