/* test_random_hashes.c - the same bits on every machine: hashes of random problems of every storage
 * type. All instruction sets that are here must agree with the scalar code in both layouts and,
 * given a file of hashes, with the machine that wrote it (make check-cross).
 *
 *   ./t                   this machine's instruction sets against each other
 *   ./t --print [number]  writes the file, from scalar code; of so many problems, else 300
 *   ./t file [name]       checks against it, and that the best instruction set has this name
 *
 * The problems are made of integers and powers of two alone, and so are the same everywhere.
 */
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"
#include "support/patterns.h"

#define BLOCK 15 /* problems of one type that share a line of the file */

/* ---- drawing --------------------------------------------------------------------------------- */

/* Plain data, where `hard` anything: one kind, or two that take turns by statistics group. */
static void draw(gen *g, problem *p, enum slot slot, int hard)
{
    const nrm_dtype type = slot_type(&p->d, slot);
    const size_t count = slot_count(&p->d, slot);
    const enum data first = hard ? (enum data)gen_below(g, DATA) : PLAIN;
    size_t lists, length, which, i;
    void *other;
    stream = gen_u64(g);
    fill_as(type, first, p->value[slot], count);
    if (!hard || !slot_is_tensor(slot) || !gen_one_in(g, 2)) return;
    other = test_alloc(count, type_size(type));
    fill_as(type, (enum data)gen_below(g, DATA), other, count);
    lists = problem_stats(&p->d), length = count / lists;
    for (which = 0; which < lists; which += 2)
        for (i = 0; i < length; ++i) {
            size_t place = list_place(&p->d, which, i);
            copy_element(type, p->value[slot], place, other, place);
        }
    free(other);
}

/* Clears the signs, so that a variance is seldom negative: none is, or one of the hard ones. */
static void draw_variance(gen *g, problem *p, int hard)
{
    const nrm_dtype type = slot_type(&p->d, SLOT_RUNNING_VAR);
    const size_t kept = hard && gen_one_in(g, 10) ? gen_below(g, p->d.c) : p->d.c;
    size_t i;
    draw(g, p, SLOT_RUNNING_VAR, hard);
    for (i = 0; i < p->d.c; ++i) {
        uint64_t bits = type_bits(type, p->value[SLOT_RUNNING_VAR], i);
        if (i == kept) continue;
        if (type == NRM_F32) {
            uint32_t u = (uint32_t)bits & 0x7fffffffu;
            memcpy((uint32_t *)p->value[SLOT_RUNNING_VAR] + i, &u, sizeof u);
        } else {
            put_pattern(type, p->value[SLOT_RUNNING_VAR], i, bits & ~(UINT64_C(1) << 63));
        }
    }
}

/* One problem in three has what networks put around a norm. */
static void draw_around(gen *g, problem *p, int hard)
{
    static const double slope[] = {0x1p-6, 0, -0.5, 3};
    if (!gen_one_in(g, 3)) return;
    p->d.act = (nrm_act)gen_below(g, ACTS), p->d.act_slope = slope[gen_below(g, 4)];
    p->d.act_low = gen_one_in(g, 2) ? 0 : -0.25, p->d.act_high = gen_one_in(g, 2) ? 6 : 1;
    p->given |= (unsigned)gen_u64(g) & GIVEN_AROUND;
    if (!(p->given >> SLOT_GATE & 1)) p->given &= ~(1u << SLOT_DGATE);
    draw(g, p, SLOT_ADD, hard && gen_one_in(g, 3));
    draw(g, p, SLOT_GATE, hard && gen_one_in(g, 3));
}

static problem *draw_problem(uint64_t seed, nrm_dtype type)
{
    static const double eps[] = {0, 0x1p-40, 0x1p-17, 0x1p-17, 1, 1024};
    static const double rate[] = {0, 0.125, 0.125, 0.875, 1};
    problem *p = (problem *)test_alloc(1, sizeof *p);
    gen g = gen_seed(seed);
    const int hard = !gen_one_in(&g, 3), wild = hard && gen_one_in(&g, 4);
    p->seed = seed, p->d.dtype = type, p->d.kind = (nrm_kind)gen_below(&g, 5);
    draw_shape(&g, &p->d);
    draw_options(&g, p);
    p->d.eps = eps[gen_below(&g, sizeof eps / sizeof *eps)];
    p->running_rate = rate[gen_below(&g, sizeof rate / sizeof *rate)];
    problem_alloc(p);
    draw(&g, p, SLOT_X, hard);
    if (hard && gen_one_in(&g, 4)) put_edge(p);
    draw(&g, p, SLOT_RESIDUAL, hard && gen_one_in(&g, 2));
    draw(&g, p, SLOT_DY, hard && gen_one_in(&g, 2));
    draw(&g, p, SLOT_DSUM, hard && gen_one_in(&g, 4));
    draw(&g, p, SLOT_GAMMA, wild);
    draw(&g, p, SLOT_BETA, wild);
    draw(&g, p, SLOT_DGAMMA, 0);
    draw(&g, p, SLOT_DBETA, 0);
    draw(&g, p, SLOT_RUNNING_MEAN, wild);
    draw_variance(&g, p, wild);
    draw_around(&g, p, hard);
    problem_prepare(p);
    return p;
}

/* ---- running --------------------------------------------------------------------------------- */

static setup how(nrm_isa isa, nrm_layout layout, size_t shift)
{
    setup s = plain(isa, layout);
    s.shift = shift;
    return s;
}

/* The hash of scalar code, which every other way of running the verb is compared with. */
static uint64_t hash_verb(const problem *p, enum verb verb, uint64_t hash, int compare)
{
    setup s = how(NRM_SCALAR, NRM_NCHW, 0);
    outcome *want = run(p, verb, &s);
    size_t isa;
    int layout;
    hash = fnv(hash, outcome_hash(want), 8);
    for (isa = 0; isa < ISAS && compare; ++isa)
        for (layout = 0; layout < 2 && nrm_has_isa(all_isa[isa]); ++layout) {
            difference at;
            outcome *got;
            int same;
            if (all_isa[isa] == NRM_SCALAR && layout == NRM_NCHW) continue;
            s = how(all_isa[isa], (nrm_layout)layout, (size_t)(p->seed + isa) % 64);
            got = run(p, verb, &s);
            same = same_outcome(want, got, &at);
            check(same && got->clean, "%s %s %s: %s differs at %zu; %s", verb_name[verb],
                  nrm_isa_name(all_isa[isa]), layout ? "NHWC" : "NCHW", slot_name[at.slot],
                  at.index, problem_text(p));
            outcome_free(got);
        }
    outcome_free(want);
    return hash;
}

static uint64_t hash_block(nrm_dtype type, size_t first, size_t count, int compare)
{
    uint64_t hash = FNV_START;
    size_t i;
    for (i = 0; i < count; ++i) {
        problem *p = draw_problem(first + i, type);
        int verb;
        for (verb = 0; verb < VERBS; ++verb)
            if (verb_fits((enum verb)verb, p->d.kind))
                hash = hash_verb(p, (enum verb)verb, hash, compare);
        problem_free(p);
    }
    return hash;
}

/* ---- the file -------------------------------------------------------------------------------- */

static struct {
    unsigned long problems;
    size_t lines;
    uint64_t hash[1000];
} want;

static int read_file(const char *path)
{
    char text[200];
    unsigned long long hash;
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (want.lines < sizeof want.hash / sizeof *want.hash && fgets(text, sizeof text, file)) {
        if (sscanf(text, "%lu problems", &want.problems) == 1) continue;
        if (sscanf(text, "%*s %*s %llx", &hash) == 1) want.hash[want.lines++] = hash;
    }
    fclose(file);
    return want.problems > 0 && want.lines > 0;
}

/* A quarter of the problems in each type, block by block. Returns the lines that the file has. */
static size_t all_blocks(unsigned long problems, int printing)
{
    const size_t each = (problems + TYPES - 1) / TYPES;
    size_t line = 0, first, count;
    int type;
    for (type = 0; type < TYPES; ++type) {
        size_t from = line;
        uint64_t hash[1000];
        group("%s: every instruction set and both layouts agree", type_name[type]);
        for (first = 0; first < each && line < 1000; first += count, ++line) {
            count = each - first < BLOCK ? each - first : BLOCK;
            hash[line] = hash_block((nrm_dtype)type, first + 1, count, !printing);
            if (printing)
                printf("%s %zu-%zu %016llx\n", type_name[type], first + 1, first + count,
                       (unsigned long long)hash[line]);
        }
        if (printing) continue;
        group_end();
        if (!want.lines) continue;
        group("%s: the hashes of the file", type_name[type]);
        for (first = 1; from < line; first += BLOCK, ++from)
            check(from < want.lines && hash[from] == want.hash[from],
                  "%s, problems from %zu on: %016llx, not %016llx", type_name[type], first,
                  (unsigned long long)hash[from], (unsigned long long)want.hash[from]);
        group_end();
    }
    return line;
}

static void tell_isas(void)
{
    char text[100] = "ran";
    size_t i;
    for (i = 0; i < ISAS; ++i)
        if (nrm_has_isa(all_isa[i])) {
            size_t at = strlen(text);
            snprintf(text + at, sizeof text - at, "%s %s", at > 3 ? "," : "",
                     nrm_isa_name(all_isa[i]));
        }
    note("%s", text);
}

int main(int argc, char **argv)
{
    const int printing = argc > 1 && !strcmp(argv[1], "--print");
    unsigned long problems = printing && argc > 2 ? strtoul(argv[2], NULL, 10) : 300;
    size_t lines;
    if (printing) {
        printf("%lu problems\n", problems);
        all_blocks(problems, 1);
        return EXIT_SUCCESS;
    }
    tell_isas();
    if (argc > 1) {
        if (!ok(read_file(argv[1]), "%s can be read", argv[1])) return done_testing();
        problems = want.problems;
    }
    if (argc > 2)
        ok(!strcmp(nrm_isa_name(nrm_best_isa()), argv[2]), "the best instruction set is %s, not %s",
           argv[2], nrm_isa_name(nrm_best_isa()));
    lines = all_blocks(problems, 0);
    if (argc > 1) ok(lines == want.lines, "%zu lines of %zu", lines, want.lines);
    return done_testing();
}
