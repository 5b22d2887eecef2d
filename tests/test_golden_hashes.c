/* test_golden_hashes.c - the bits of a fixed list of problems, on every machine: a hash of the
 * outputs of each, in tests/golden.txt. Every instruction set here and both layouts must give it.
 *
 *   ./t [file]      checks against the file, tests/golden.txt unless named
 *   ./t --print     writes the list. A change of any hash belongs into the changelog
 *
 * The data come from integers and powers of two alone: no compiler, flag or libm can alter them.
 */
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"
#include "support/patterns.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- problems -------------------------------------------------------------------------------- */

enum option {
    RELU = 1, RESIDUAL = 2, DSUM = 4, PER_SAMPLE = 8, GAMMA_1 = 16, NO_GAMMA = 32, NO_BETA = 64,
    ACCUMULATE = 128, POPULATION = 256, EPS_0 = 512, EPS_1000 = 1024, DY = 2048, ADD = 4096,
    GATE = 8192, LEAKY = 1 << 14, CLIP = 1 << 15, HARD_SWISH = 1 << 16, SILU = 1 << 17,
    PARAM_HALF = 1 << 18, WIDE = 1 << 19, TRANSPOSE = 1 << 20, LENGTHS = 1 << 21, Q8 = 1 << 22,
    NO_X = 1 << 23, NO_Y = 1 << 24
};

static const char *const option_name[] = {"relu", "residual", "dsum", "per-sample", "gamma+1",
                                          "no-gamma", "no-beta", "accumulate", "population",
                                          "eps0", "eps1000", "dy", "add", "gate", "leaky", "clip",
                                          "hard-swish", "silu", "param-half", "wide", "transpose",
                                          "lengths", "q8", "no-x", "no-y"};

static const char *const data_name[DATA] = {"plain", "offset", "constant", "outlier", "edge",
                                            "large", "highest", "small", "denormal", "span",
                                            "finite", "special"};

typedef struct golden {
    nrm_kind kind;
    size_t n, c, s, groups;
    enum data data; /* of x, and with the option DY of dy and gate, which else are plain */
    unsigned options;
} golden;

static const golden list[] = {
    {NRM_BATCH, 1, 1, 2, 1, PLAIN, 0},
    {NRM_BATCH, 3, 5, 7, 1, PLAIN, 0},
    {NRM_BATCH, 2, 3, 16, 1, PLAIN, RELU | RESIDUAL | DSUM},
    {NRM_BATCH, 130, 17, 1, 1, PLAIN, ACCUMULATE | POPULATION},
    {NRM_BATCH, 1100, 5, 3, 1, OFFSET, NO_GAMMA},
    {NRM_BATCH, 2, 3, 2500, 1, PLAIN, RELU | GAMMA_1},
    {NRM_BATCH, 3, 2, 1025, 1, OUTLIER, NO_BETA | RESIDUAL},
    {NRM_BATCH, 4, 6, 33, 1, EDGE, PER_SAMPLE | RELU},
    {NRM_BATCH, 9, 4, 5, 1, PLAIN, PER_SAMPLE | NO_GAMMA | ACCUMULATE},
    {NRM_BATCH, 3, 3, 50, 1, LARGE, DSUM},
    {NRM_BATCH, 3, 3, 50, 1, SMALL, EPS_0 | GAMMA_1 | POPULATION},
    {NRM_BATCH, 2, 4, 200, 1, FINITE, DY | RELU},
    {NRM_BATCH, 2, 4, 200, 1, SPECIAL, RESIDUAL},
    {NRM_BATCH, 2, 3, 70, 1, CONSTANT, EPS_0},
    {NRM_BATCH, 3, 300, 4, 1, PLAIN, RESIDUAL},
    {NRM_BATCH, 5, 2, 40, 1, HIGHEST, DY | EPS_1000},
    {NRM_INSTANCE, 2, 3, 5, 1, PLAIN, 0},
    {NRM_INSTANCE, 2, 5, 129, 1, PLAIN, RELU | RESIDUAL | DSUM},
    {NRM_INSTANCE, 1, 3, 2500, 1, OFFSET, GAMMA_1 | POPULATION},
    {NRM_INSTANCE, 3, 4, 256, 1, EDGE, PER_SAMPLE | ACCUMULATE},
    {NRM_INSTANCE, 2, 2, 1100, 1, OUTLIER, NO_GAMMA | NO_BETA | EPS_0},
    {NRM_INSTANCE, 2, 17, 20, 1, LARGE, RELU},
    {NRM_INSTANCE, 2, 3, 60, 1, DENORMAL, EPS_0},
    {NRM_INSTANCE, 2, 3, 300, 1, SPECIAL, RESIDUAL | ACCUMULATE},
    {NRM_INSTANCE, 3, 270, 6, 1, PLAIN, RELU | DSUM},
    {NRM_INSTANCE, 2, 2, 150, 1, FINITE, DY},
    {NRM_LAYER, 3, 4, 1, 1, PLAIN, 0},
    {NRM_LAYER, 5, 768, 1, 1, PLAIN, RESIDUAL | DSUM},
    {NRM_LAYER, 2, 2300, 1, 1, OFFSET, GAMMA_1},
    {NRM_LAYER, 2, 37, 19, 1, PLAIN, RELU | ACCUMULATE},
    {NRM_LAYER, 130, 7, 1, 1, PLAIN, NO_BETA},
    {NRM_LAYER, 2, 200, 17, 1, EDGE, PER_SAMPLE},
    {NRM_LAYER, 4, 300, 2, 1, OUTLIER, RESIDUAL | RELU | NO_GAMMA},
    {NRM_LAYER, 3, 65, 3, 1, LARGE, DSUM},
    {NRM_LAYER, 3, 65, 3, 1, SMALL, EPS_0},
    {NRM_LAYER, 3, 130, 2, 1, DENORMAL, EPS_0 | GAMMA_1},
    {NRM_LAYER, 3, 50, 4, 1, SPECIAL, RELU},
    {NRM_LAYER, 4, 140, 1, 1, FINITE, DY | ACCUMULATE},
    {NRM_LAYER, 2, 1025, 1, 1, CONSTANT, EPS_0},
    {NRM_LAYER, 2, 90, 3, 1, SPAN, DY | EPS_1000},
    {NRM_GROUP, 2, 4, 5, 2, PLAIN, 0},
    {NRM_GROUP, 2, 32, 49, 8, PLAIN, RELU | RESIDUAL},
    {NRM_GROUP, 1, 6, 1100, 1, OFFSET, GAMMA_1 | DSUM},
    {NRM_GROUP, 3, 300, 1, 2, PLAIN, ACCUMULATE},
    {NRM_GROUP, 2, 12, 20, 3, EDGE, PER_SAMPLE},
    {NRM_GROUP, 2, 8, 130, 4, OUTLIER, NO_GAMMA | RELU},
    {NRM_GROUP, 1, 2200, 1, 1, PLAIN, NO_BETA | RESIDUAL},
    {NRM_GROUP, 2, 600, 3, 2, PLAIN, ACCUMULATE | RELU},
    {NRM_GROUP, 3, 270, 2, 270, PLAIN, DSUM},
    {NRM_GROUP, 2, 6, 15, 3, LARGE, DSUM | EPS_0},
    {NRM_GROUP, 2, 6, 40, 2, SMALL, EPS_0 | PER_SAMPLE | RELU},
    {NRM_GROUP, 2, 6, 30, 2, SPECIAL, ACCUMULATE},
    {NRM_GROUP, 2, 4, 70, 2, FINITE, DY},
    {NRM_GROUP, 2, 9, 33, 3, CONSTANT, EPS_0},
    {NRM_RMS, 3, 4, 1, 1, PLAIN, 0},
    {NRM_RMS, 3, 1024, 1, 1, PLAIN, GAMMA_1 | RESIDUAL | DSUM},
    {NRM_RMS, 2, 2300, 1, 1, OFFSET, NO_BETA},
    {NRM_RMS, 2, 40, 19, 1, PLAIN, RELU | ACCUMULATE},
    {NRM_RMS, 2, 200, 17, 1, OUTLIER, PER_SAMPLE},
    {NRM_RMS, 3, 65, 3, 1, LARGE, NO_GAMMA},
    {NRM_RMS, 3, 65, 3, 1, SMALL, EPS_0},
    {NRM_RMS, 3, 130, 2, 1, DENORMAL, EPS_0 | RELU},
    {NRM_RMS, 3, 50, 4, 1, SPECIAL, RESIDUAL},
    {NRM_RMS, 4, 140, 1, 1, FINITE, DY | ACCUMULATE},
    {NRM_RMS, 2, 90, 3, 1, SPAN, DY | EPS_1000},
};

/* The other storage types: each of these in each of them. */
static const golden typed_list[] = {
    {NRM_BATCH, 3, 5, 7, 1, PLAIN, 0},
    {NRM_BATCH, 2, 3, 300, 1, PLAIN, RELU | RESIDUAL | DSUM},
    {NRM_BATCH, 40, 35, 3, 1, OFFSET, ACCUMULATE | POPULATION},
    {NRM_BATCH, 4, 6, 33, 1, EDGE, PER_SAMPLE | RELU},
    {NRM_BATCH, 3, 3, 50, 1, LARGE, NO_GAMMA | DSUM},
    {NRM_BATCH, 3, 3, 50, 1, SMALL, EPS_0 | GAMMA_1},
    {NRM_BATCH, 2, 4, 200, 1, FINITE, DY | RELU},
    {NRM_BATCH, 2, 4, 200, 1, SPECIAL, RESIDUAL},
    {NRM_BATCH, 2, 3, 70, 1, CONSTANT, EPS_0},
    {NRM_INSTANCE, 2, 5, 129, 1, PLAIN, RELU | RESIDUAL | DSUM},
    {NRM_INSTANCE, 2, 2, 1100, 1, OUTLIER, NO_BETA},
    {NRM_INSTANCE, 2, 35, 20, 1, OFFSET, PER_SAMPLE | ACCUMULATE},
    {NRM_INSTANCE, 2, 3, 60, 1, DENORMAL, EPS_0},
    {NRM_INSTANCE, 2, 2, 150, 1, HIGHEST, EPS_1000},
    {NRM_LAYER, 3, 300, 1, 1, PLAIN, RESIDUAL | DSUM},
    {NRM_LAYER, 2, 37, 19, 1, OFFSET, RELU | ACCUMULATE},
    {NRM_LAYER, 2, 1100, 2, 1, EDGE, PER_SAMPLE | GAMMA_1},
    {NRM_LAYER, 3, 65, 3, 1, LARGE, NO_BETA},
    {NRM_LAYER, 3, 130, 2, 1, DENORMAL, EPS_0 | GAMMA_1},
    {NRM_LAYER, 3, 50, 4, 1, SPECIAL, RELU},
    {NRM_LAYER, 4, 140, 1, 1, FINITE, DY | ACCUMULATE},
    {NRM_LAYER, 2, 90, 3, 1, SPAN, DY | EPS_1000},
    {NRM_GROUP, 2, 32, 49, 8, PLAIN, RELU | RESIDUAL},
    {NRM_GROUP, 3, 300, 1, 2, PLAIN, ACCUMULATE},
    {NRM_GROUP, 2, 12, 90, 3, OUTLIER, PER_SAMPLE | DSUM},
    {NRM_GROUP, 2, 6, 40, 2, SMALL, EPS_0 | RELU},
    {NRM_GROUP, 2, 9, 33, 3, CONSTANT, EPS_0},
    {NRM_RMS, 3, 1024, 1, 1, PLAIN, GAMMA_1 | RESIDUAL | DSUM},
    {NRM_RMS, 2, 40, 19, 1, OFFSET, RELU | ACCUMULATE},
    {NRM_RMS, 3, 65, 3, 1, LARGE, NO_GAMMA | PER_SAMPLE},
    {NRM_RMS, 4, 140, 1, 1, FINITE, DY | ACCUMULATE},
    {NRM_RMS, 3, 50, 4, 1, SPECIAL, RESIDUAL},
};

/* What networks put around a norm: of float all of these, of each other type the last ten. */
static const golden around_list[] = {
    {NRM_BATCH, 3, 5, 7, 1, PLAIN, LEAKY},
    {NRM_BATCH, 2, 3, 300, 1, PLAIN, RELU | ADD},
    {NRM_BATCH, 40, 35, 3, 1, OFFSET, HARD_SWISH | RESIDUAL | DSUM},
    {NRM_BATCH, 4, 6, 33, 1, EDGE, PER_SAMPLE | SILU},
    {NRM_BATCH, 2, 4, 200, 1, SPECIAL, GATE | ADD | CLIP},
    {NRM_BATCH, 2, 3, 70, 1, CONSTANT, EPS_0 | SILU | GATE},
    {NRM_INSTANCE, 2, 35, 20, 1, OFFSET, CLIP | ACCUMULATE},
    {NRM_INSTANCE, 2, 3, 60, 1, DENORMAL, EPS_0 | HARD_SWISH | GATE},
    {NRM_INSTANCE, 3, 4, 129, 1, PLAIN, LEAKY | ADD | GATE},
    {NRM_LAYER, 2, 37, 19, 1, PLAIN, HARD_SWISH | GAMMA_1},
    {NRM_LAYER, 3, 130, 2, 1, SPECIAL, LEAKY | ADD | RESIDUAL},
    {NRM_LAYER, 4, 140, 1, 1, FINITE, DY | SILU | GATE},
    {NRM_LAYER, 2, 90, 3, 1, SPAN, DY | EPS_1000 | GATE},
    {NRM_LAYER, 3, 65, 3, 1, LARGE, SILU | ADD},
    {NRM_GROUP, 2, 9, 33, 3, CONSTANT, EPS_0 | CLIP | ADD},
    {NRM_GROUP, 2, 6, 40, 2, SMALL, EPS_0 | PER_SAMPLE | SILU},
    {NRM_GROUP, 3, 300, 1, 2, PLAIN, HARD_SWISH | ADD | GATE | ACCUMULATE},
    {NRM_RMS, 4, 140, 1, 1, FINITE, DY | GATE | CLIP},
    {NRM_RMS, 3, 50, 4, 1, SPECIAL, SILU | RESIDUAL},
    {NRM_RMS, 2, 40, 19, 1, OFFSET, LEAKY | NO_GAMMA},
    {NRM_BATCH, 2, 3, 50, 1, PLAIN, SILU | ADD | GATE},
    {NRM_BATCH, 33, 20, 1, 1, PLAIN, LEAKY | ADD | ACCUMULATE},
    {NRM_INSTANCE, 2, 5, 40, 1, PLAIN, SILU | RESIDUAL | DSUM},
    {NRM_INSTANCE, 2, 3, 60, 1, EDGE, CLIP | ADD},
    {NRM_LAYER, 3, 300, 1, 1, PLAIN, HARD_SWISH | ADD},
    {NRM_LAYER, 3, 50, 4, 1, SPECIAL, SILU | GATE},
    {NRM_GROUP, 2, 32, 9, 8, PLAIN, SILU},
    {NRM_GROUP, 2, 12, 20, 3, OUTLIER, LEAKY | GATE},
    {NRM_RMS, 3, 512, 1, 1, PLAIN, GATE | GAMMA_1},
    {NRM_RMS, 4, 140, 1, 1, FINITE, DY | HARD_SWISH | ADD},
};

#define AROUND_OF_ALL 10 /* the last of the list */

/* Tensors as networks have them: float has the lengths and what turns, doubles the last ten of
   these, and 16-bit data have all that is theirs alone. */
static const golden tensors_list[] = {
    {NRM_BATCH, 5, 6, 40, 1, PLAIN, LENGTHS | RESIDUAL | DSUM},
    {NRM_BATCH, 9, 20, 5, 1, OFFSET, LENGTHS | RELU | ACCUMULATE},
    {NRM_INSTANCE, 4, 3, 70, 1, EDGE, LENGTHS | TRANSPOSE | POPULATION | ADD},
    {NRM_LAYER, 3, 70, 9, 1, OFFSET, LENGTHS | Q8 | RELU},
    {NRM_LAYER, 4, 300, 1, 1, PLAIN, Q8 | RESIDUAL | DSUM},
    {NRM_LAYER, 3, 50, 4, 1, SPECIAL, Q8 | TRANSPOSE},
    {NRM_LAYER, 2, 90, 3, 1, DENORMAL, EPS_0 | Q8 | NO_Y},
    {NRM_RMS, 3, 512, 1, 1, PLAIN, Q8 | GATE | NO_Y},
    {NRM_RMS, 3, 65, 7, 1, LARGE, LENGTHS | Q8 | SILU | ADD},
    {NRM_RMS, 4, 140, 2, 1, FINITE, DY | Q8 | TRANSPOSE | GATE},
    {NRM_BATCH, 3, 7, 50, 1, PLAIN, LENGTHS | TRANSPOSE | PER_SAMPLE},
    {NRM_BATCH, 3, 5, 7, 1, PLAIN, TRANSPOSE | SILU | ADD | GATE},
    {NRM_BATCH, 2, 35, 70, 1, OUTLIER, TRANSPOSE | RESIDUAL | DSUM},
    {NRM_INSTANCE, 3, 5, 40, 1, PLAIN, LENGTHS | POPULATION | ACCUMULATE},
    {NRM_INSTANCE, 2, 17, 60, 1, SMALL, TRANSPOSE | EPS_0 | GATE},
    {NRM_LAYER, 3, 130, 6, 1, PLAIN, LENGTHS | RESIDUAL | DSUM | NO_BETA},
    {NRM_LAYER, 2, 37, 19, 1, SPAN, TRANSPOSE | HARD_SWISH | ADD},
    {NRM_GROUP, 4, 12, 30, 3, PLAIN, LENGTHS | RELU | RESIDUAL},
    {NRM_GROUP, 2, 32, 49, 8, OFFSET, TRANSPOSE | LEAKY | GAMMA_1},
    {NRM_RMS, 3, 40, 19, 1, PLAIN, LENGTHS | TRANSPOSE | GATE | PER_SAMPLE},
};

#define TENSORS_OF_DOUBLES 10 /* the last of the list */

static const golden tensors_half_list[] = {
    {NRM_BATCH, 3, 5, 70, 1, PLAIN, PARAM_HALF | RELU | ACCUMULATE},
    {NRM_BATCH, 40, 35, 3, 1, OFFSET, WIDE | RESIDUAL | DSUM | PARAM_HALF},
    {NRM_BATCH, 4, 6, 33, 1, EDGE, WIDE | LENGTHS | TRANSPOSE | RESIDUAL | PER_SAMPLE},
    {NRM_INSTANCE, 2, 5, 129, 1, PLAIN, PARAM_HALF | PER_SAMPLE | ACCUMULATE | ADD},
    {NRM_INSTANCE, 2, 3, 60, 1, LARGE, WIDE | RESIDUAL | DSUM | GATE},
    {NRM_LAYER, 3, 300, 1, 1, PLAIN, PARAM_HALF | WIDE | RESIDUAL | DSUM},
    {NRM_LAYER, 3, 300, 1, 1, PLAIN, WIDE | RESIDUAL | DSUM | Q8 | NO_X | NO_Y},
    {NRM_LAYER, 2, 37, 19, 1, OFFSET, PARAM_HALF | LENGTHS | TRANSPOSE | ACCUMULATE},
    {NRM_GROUP, 2, 12, 90, 3, OUTLIER, WIDE | RESIDUAL | DSUM | NO_GAMMA | ADD | SILU},
    {NRM_GROUP, 3, 32, 20, 8, PLAIN, PARAM_HALF | LENGTHS | GAMMA_1},
    {NRM_RMS, 3, 1024, 1, 1, PLAIN, PARAM_HALF | WIDE | RESIDUAL | DSUM | GAMMA_1},
    {NRM_RMS, 3, 50, 4, 1, SPECIAL, WIDE | RESIDUAL | Q8 | LENGTHS},
    {NRM_RMS, 4, 140, 3, 1, FINITE, DY | PARAM_HALF | TRANSPOSE | Q8 | GATE},
};

static nrm_act act_of(unsigned o)
{
    return o & RELU ? NRM_RELU : o & LEAKY ? NRM_LEAKY_RELU : o & CLIP ? NRM_CLIP
         : o & HARD_SWISH ? NRM_HARD_SWISH : o & SILU ? NRM_SILU : NRM_IDENTITY;
}

static void options_of(problem *p, const golden *g)
{
    unsigned o = g->options;
    p->d.kind = g->kind, p->d.n = g->n, p->d.c = g->c, p->d.s = g->s, p->d.groups = g->groups;
    p->d.act = act_of(o), p->d.act_slope = 0.15625, p->d.act_low = -0.25, p->d.act_high = 1.5;
    p->d.eps = o & EPS_0 ? 0 : o & EPS_1000 ? 1000 : 0.0000152587890625; /* 2^-16 */
    p->d.gamma_offset = o & GAMMA_1 ? 1 : 0;
    p->d.affine_per_sample = (o & PER_SAMPLE) != 0;
    p->accumulate = (o & ACCUMULATE) != 0;
    p->running_population = (o & POPULATION) != 0;
    p->running_rate = 0.125;
    p->given = GIVEN_NORM;
    if (!(o & RESIDUAL)) p->given &= ~(1u << SLOT_RESIDUAL | 1u << SLOT_SUM);
    if (!(o & DSUM)) p->given &= ~(1u << SLOT_DSUM);
    if (o & NO_GAMMA) p->given &= ~(1u << SLOT_GAMMA);
    if (o & NO_BETA) p->given &= ~(1u << SLOT_BETA);
    if (o & ADD) p->given |= 1u << SLOT_ADD | 1u << SLOT_DADD;
    if (o & GATE) p->given |= 1u << SLOT_GATE | 1u << SLOT_DGATE;
    p->d.param_half = (o & PARAM_HALF) != 0, p->d.wide_residual = (o & WIDE) != 0;
    p->d.transpose_y = (o & TRANSPOSE) != 0;
    if (o & WIDE) p->given |= 1u << SLOT_DRESIDUAL;
    if (o & LENGTHS) p->given |= 1u << SLOT_LENGTHS;
    if (o & Q8) p->given |= GIVEN_Q8;
    if (o & NO_X) p->absent |= 1u << SLOT_X;
    if (o & NO_Y) p->absent |= 1u << SLOT_Y;
}

/* From none to all of s, the first of them about half. */
static void fill_lengths(problem *p)
{
    size_t *lengths = (size_t *)p->value[SLOT_LENGTHS], i;
    for (i = 0; i < p->d.n; ++i) lengths[i] = (p->d.s / 2 + i * 7) % (p->d.s + 1);
    lengths[p->d.n - 1] = p->d.s;
    if (p->d.n > 2) lengths[1] = 0;
}

static problem *golden_problem(const golden *g, size_t index, nrm_dtype type)
{
    const nrm_dtype held = type_of_parameters(type);
    problem *p = (problem *)test_alloc(1, sizeof *p);
    void *var;
    size_t i, volume;
    options_of(p, g);
    p->d.dtype = type;
    problem_alloc(p);
    stream = index;
    var = p->value[SLOT_RUNNING_VAR];
    volume = problem_volume(&p->d);
    fill_as(type, g->data, p->value[SLOT_X], volume);
    if (g->data == EDGE) put_edge(p);
    fill_as(slot_type(&p->d, SLOT_RESIDUAL), PLAIN, p->value[SLOT_RESIDUAL], volume);
    fill_as(type, g->options & DY ? g->data : PLAIN, p->value[SLOT_DY], volume);
    fill_as(slot_type(&p->d, SLOT_DSUM), PLAIN, p->value[SLOT_DSUM], volume);
    for (i = SLOT_GAMMA; i <= SLOT_RUNNING_VAR; ++i)
        fill_as(slot_type(&p->d, (enum slot)i), PLAIN, p->value[i],
                slot_count(&p->d, (enum slot)i));
    for (i = 0; i < g->c; ++i)
        type_put(held, var, i, type_get(held, var, i) * type_get(held, var, i));
    if (g->options & ADD) fill_as(type, PLAIN, p->value[SLOT_ADD], volume);
    if (g->options & GATE)
        fill_as(type, g->options & DY ? g->data : PLAIN, p->value[SLOT_GATE], volume);
    if (g->options & LENGTHS) fill_lengths(p);
    problem_prepare(p);
    return p;
}

/* ---- the list and the file ------------------------------------------------------------------- */

static struct line {
    char name[120];
    uint64_t hash;
    int met;
} lines[1400];

static size_t line_total;
static int printing;

static int read_lines(const char *path)
{
    char text[200], hash[40];
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    while (line_total < COUNT(lines) && fgets(text, sizeof text, file)) {
        struct line *l = &lines[line_total];
        if (text[0] == '#' || sscanf(text, "%119s %39s", l->name, hash) != 2) continue;
        l->hash = strtoull(hash, NULL, 16);
        ++line_total;
    }
    fclose(file);
    return line_total > 0;
}

/* Prints a line, or holds a hash against the file's. */
static void report(const char *name, uint64_t hash, const char *where)
{
    size_t i = 0;
    if (printing) {
        printf("%s %016llx\n", name, (unsigned long long)hash);
        return;
    }
    while (i < line_total && strcmp(lines[i].name, name) != 0) ++i;
    if (!check(i < line_total, "%s is not in the file", name)) return;
    lines[i].met = 1;
    check(lines[i].hash == hash, "%s, %s: %016llx, not %016llx", name, where,
          (unsigned long long)hash, (unsigned long long)lines[i].hash);
}

static void name_of(const golden *g, nrm_dtype type, enum verb verb, char *name, size_t size)
{
    size_t i, at;
    snprintf(name, size, "%s%s%s/%zux%zux%zu", type == NRM_F32 ? "" : type_name[type],
             type == NRM_F32 ? "" : "/", kind_name[g->kind], g->n, g->c, g->s);
    at = strlen(name);
    if (g->kind == NRM_GROUP) snprintf(name + at, size - at, "/g%zu", g->groups), at = strlen(name);
    snprintf(name + at, size - at, "/%s", data_name[g->data]);
    for (i = 0; i < COUNT(option_name); ++i) {
        at = strlen(name);
        if (g->options >> i & 1) snprintf(name + at, size - at, "/%s", option_name[i]);
    }
    at = strlen(name);
    snprintf(name + at, size - at, "/%s", verb_name[verb]);
}

/* `first`: a number of the list's own, which its data follow from. */
static void run_list(const golden *these, size_t count, size_t first, nrm_dtype type, nrm_isa isa,
                     nrm_layout layout)
{
    char where[40], name[120];
    size_t i;
    int verb;
    snprintf(where, sizeof where, "%s %s", nrm_isa_name(isa), layout ? "NHWC" : "NCHW");
    for (i = 0; i < count; ++i) {
        problem *p = golden_problem(&these[i], first + i, type);
        const setup s = plain(isa, layout);
        for (verb = 0; verb < VERBS; ++verb) {
            outcome *o;
            if (!verb_fits((enum verb)verb, p->d.kind)) continue;
            o = run(p, (enum verb)verb, &s);
            name_of(&these[i], type, (enum verb)verb, name, sizeof name);
            report(name, outcome_hash(o), where);
            outcome_free(o);
        }
        problem_free(p);
    }
}

static void norms(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    if (type == NRM_F32)
        run_list(list, COUNT(list), 1000, type, isa, layout);
    else
        run_list(typed_list, COUNT(typed_list), 1000, type, isa, layout);
}

static void around_norms(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    const size_t count = type == NRM_F32 ? COUNT(around_list) : AROUND_OF_ALL;
    const size_t skipped = COUNT(around_list) - count;
    run_list(around_list + skipped, count, 2000 + skipped, type, isa, layout);
}

static void tensors(nrm_dtype type, nrm_isa isa, nrm_layout layout)
{
    const size_t doubles = COUNT(tensors_list) - TENSORS_OF_DOUBLES;
    if (type == NRM_F32)
        run_list(tensors_list, COUNT(tensors_list), 3000, type, isa, layout);
    else if (type == NRM_F64)
        run_list(tensors_list + doubles, TENSORS_OF_DOUBLES, 3000 + doubles, type, isa, layout);
    else
        run_list(tensors_half_list, COUNT(tensors_half_list), 4000, type, isa, layout);
}

/* ---- what has no verb ------------------------------------------------------------------------ */

static uint64_t hash_floats(const float *values, size_t count)
{
    uint64_t hash = FNV_START;
    size_t i;
    for (i = 0; i < count; ++i)
        hash = fnv(hash, is_nan_f32(values[i]) ? 0x7fc00000u : bits_f32(values[i]), 4);
    return hash;
}

static uint64_t hash_moments(const nrm_moments *m, size_t count)
{
    uint64_t hash = FNV_START;
    for (; count > 0; --count, ++m)
        hash = fnv(fnv(fnv(hash, bits_f64(m->count), 8), bits_f64(m->mean), 8), bits_f64(m->m2), 8);
    return hash;
}

/* Parts of 0, 1, 2 ... values, merged one by one. */
static void merges(void)
{
    nrm_moments all[3], part[3];
    nrm_sums sums[3], more[3];
    int i, k;
    memset(all, 0, sizeof all), memset(sums, 0, sizeof sums);
    for (i = 0; i < 9; ++i) {
        for (k = 0; k < 3; ++k) {
            part[k].count = (i * 2 + k) % 5, part[k].mean = i == 4 ? 1e6 : k + i * 0.5;
            part[k].m2 = i * 0.375 + k;
            more[k].count = i, more[k].dy = i * 0.3125, more[k].dy_xhat = i * 0.625 - k;
        }
        nrm_merge(all, part, 3);
        nrm_merge_sums(sums, more, 3);
    }
    report("merge", hash_moments(all, 3), "");
    for (k = 0; k < 3; ++k) /* the same three doubles each */
        all[k].count = sums[k].count, all[k].mean = sums[k].dy, all[k].m2 = sums[k].dy_xhat;
    report("merge_sums", hash_moments(all, 3), "");
}

/* Each part has more values than all before. */
static void growing_merges(void)
{
    nrm_moments all[3], part[3];
    int i, k;
    memset(all, 0, sizeof all);
    for (i = 0; i < 9; ++i) {
        for (k = 0; k < 3; ++k) {
            part[k].count = (1 << 2 * i) + k, part[k].mean = (i * 37 % 11 + k) * 0.3125;
            part[k].m2 = i * 0.375 + k;
        }
        nrm_merge(all, part, 3);
    }
    report("merge_growing", hash_moments(all, 3), "");
}

static void short_forms(void)
{
    static float x[600], y[600], gamma[60], beta[60], var[60], bias[60];
    size_t i;
    stream = 7;
    fill(PLAIN, x, 600), fill(PLAIN, gamma, 60), fill(PLAIN, beta, 60), fill(PLAIN, var, 60);
    for (i = 0; i < 60; ++i) var[i] = var[i] * var[i];
    nrm_layernorm(y, x, 10, 60, gamma, beta, 0.0625);
    report("layernorm", hash_floats(y, 600), "");
    nrm_rmsnorm(y, x, 10, 60, gamma, 0.0625);
    report("rmsnorm", hash_floats(y, 600), "");
    nrm_batchnorm_infer(y, x, 2, 60, 5, NRM_NHWC, beta, var, gamma, beta, 0.0625);
    report("batchnorm_infer", hash_floats(y, 600), "");
    nrm_instancenorm(y, x, 2, 3, 100, NRM_NHWC, gamma, beta, 0.0625);
    report("instancenorm", hash_floats(y, 600), "");
    nrm_groupnorm(y, x, 2, 6, 50, 3, NRM_NHWC, gamma, beta, 0.0625);
    report("groupnorm", hash_floats(y, 600), "");
    nrm_fold(y, bias, x, beta, 60, 10, beta, var, gamma, beta, 0.0625);
    report("fold/weight", hash_floats(y, 600), "");
    report("fold/bias", hash_floats(bias, 60), "");
}

static void check_all(void)
{
    size_t i;
    int type, layout;
    for (type = 0; type < TYPES; ++type)
        for (i = 0; i < ISAS; ++i)
            for (layout = 0; layout < 2 && nrm_has_isa(all_isa[i]); ++layout) {
                group("%s, %s, %s", type_name[type], nrm_isa_name(all_isa[i]),
                      layout ? "NHWC" : "NCHW");
                norms((nrm_dtype)type, all_isa[i], (nrm_layout)layout);
                around_norms((nrm_dtype)type, all_isa[i], (nrm_layout)layout);
                tensors((nrm_dtype)type, all_isa[i], (nrm_layout)layout);
                group_end();
            }
    group("merging and the short forms");
    merges();
    growing_merges();
    short_forms();
    group_end();
    group("lines of the file that are met");
    for (i = 0; i < line_total; ++i) check(lines[i].met, "%s is in the file only", lines[i].name);
    group_end();
}

static void print_all(void)
{
    int type;
    norms(NRM_F32, NRM_SCALAR, NRM_NCHW);
    merges();
    growing_merges();
    short_forms();
    for (type = 0; type < TYPES; ++type) /* of a later version than what is above */
        if (type != NRM_F32) norms((nrm_dtype)type, NRM_SCALAR, NRM_NCHW);
    for (type = 0; type < TYPES; ++type) /* of a still later one */
        around_norms((nrm_dtype)type, NRM_SCALAR, NRM_NCHW);
    for (type = 0; type < TYPES; ++type) /* and of one after that */
        tensors((nrm_dtype)type, NRM_SCALAR, NRM_NCHW);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "tests/golden.txt";
    printing = !strcmp(path, "--print");
    if (printing) {
        print_all();
        return EXIT_SUCCESS;
    }
    if (ok(read_lines(path), "%s can be read", path)) check_all();
    return done_testing();
}
