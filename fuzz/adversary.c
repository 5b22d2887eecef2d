/* adversary.c - builds inputs against the library's sums: how near can an error come to the bounds
 * that are proven? Prints the worst it has found for each, in units of e and of the bound.
 *
 *   cc -O2 -pthread -DNORMALIZE_IMPLEMENTATION fuzz/adversary.c -o adversary -lm
 *   ./adversary [--seconds 20] [--seed 1] [--keep FOLDER]
 *
 * Random data never come near: the roundings of a sum go both ways, and cancel. An adversary has to
 * make them all go one way, and make the result show it.
 *
 * What is summed in float is a block of 128 values: d = z - K as a tree of 7 additions, and d * d,
 * rounded, as another. Block totals are added in double. So the errors of a list are those of its
 * blocks, and a list of one block over and over has that block's error, to the last digit, whatever
 * its length.
 *
 * 1  A block is grown like its trees. From a crowd of single values, pairs are drawn, then pairs
 *    of the best pairs, and so on up to 128: a beam search, that keeps thousands at each of the 7
 *    steps. A sum of two values just above a power of two rounds by up to u = e / 2 of itself; but
 *    a tie goes to the even one, and two even ones have no tie to give. So values lie on both sides
 *    of a power of two: below it there is one digit more, which makes up for that.
 *
 * 2  Both trees count at once. With D = mean - K and var = S2 / m - D * D, the relative error of
 *    rstd is (2 * D * error of S1 / m - error of S2 / m) / (2 * var). The larger D, the more the
 *    first counts, and the smaller var beside what was summed. The library accepts D * D up to
 *    var / 2, and no further. So 79 blocks of 100 are positive, the others negative, K is 0, and
 *    D * D is just below. S1 is to round up while S2, whose terms are squares of the same values,
 *    rounds down; negative blocks are grown apart, with the same signs of errors.
 *
 * 3  One value lies far out. There |xhat| is large, and what else the bound allows for, the error
 *    of the mean and |b|, is small beside it. It has to add to all this that it rounds badly itself
 *    when multiplied by rstd and by gamma: these are tried by the thousand.
 *
 * 4  dx has rstd, or xhat, three times: in front, in the sum of t * xhat and beside it. All of dy
 *    is at one outlier, dx is looked at where another one lies, and both are tried.
 *
 * The results are judged by exact statistics: the sums of the blocks, which are known, and the
 * outliers; the worst of each at last by the oracle (ref.h). Doubles need a wider type for both.
 */
#define NRM_POOL_MIN 1
#include "../normalize.h"

#include <float.h>
#include <time.h>

#if defined(__SIZEOF_FLOAT128__)
#define REF_REAL __float128
#endif

#include "../tests/support/test.h"
#include "../tests/support/gen.h"
#include "../tests/support/oracle.h"
#include "../tests/support/adversary.h"

#define BLOCK ADVERSARY_BLOCK
#define BLOCKS 256 /* of a list */
#define BEAM 6000  /* nodes that are kept at a step */
#define CROWD 40   /* ... out of as many times that */

static struct {
    double seconds;
    uint64_t seed;
    const char *keep;
} options = {20, 1, NULL};

/* ---- 1 Trees --------------------------------------------------------------------------------- */

/* A part of both trees: d and d * d as they are summed, and how far off the sums are. */
typedef struct node {
    double sum[2], off[2];
    double score;
    size_t left, right; /* in the step below; a leaf has its value in sum[0] */
} node;

/* What is grown. */
typedef struct aim {
    nrm_dtype type;
    int sign;          /* of all values                                                       */
    double weight[2];  /* of the errors of the two sums, which are relative to their terms    */
    double low, high;  /* values are 2 to the power of something between                      */
} aim;

/* volatile: in `type == NRM_F32 ? (double)(float)v : v` gcc 12 -O2 leaves the rounding out. */
static double rounded(nrm_dtype type, double v)
{
    volatile float single;
    if (type != NRM_F32) return v;
    single = (float)v;
    return (double)single;
}

/* Sums round to the type; *off is what that changes, which a double holds. */
static double rounded_sum(nrm_dtype type, double a, double b, double *off)
{
    const double sum = rounded(type, a + b), part = sum - a;
    *off = type == NRM_F32 ? sum - (a + b) : -((a - (sum - part)) + (b - part));
    return sum;
}

static double rounded_square(nrm_dtype type, double d, double *off)
{
    const double square = rounded(type, d * d);
    *off = type == NRM_F32 ? square - d * d : -fma(d, d, -square);
    return square;
}

/* In units of what the block holds: its root mean square, its sum of squares; where squares do not
   matter, its sum. */
static void rate(const aim *to, size_t values, node *n)
{
    const double squares = n->sum[1] - n->off[1];
    if (to->weight[1] < 0)
        n->score = to->weight[0] * n->off[0] / sqrt(squares * (double)values) +
                   to->weight[1] * n->off[1] / squares;
    else
        n->score = to->weight[0] * n->off[0] / fabs(n->sum[0] - n->off[0]);
}

static node leaf(gen *g, const aim *to)
{
    const double v = to->sign * exp2(to->low + (to->high - to->low) * gen_uniform(g));
    node n;
    memset(&n, 0, sizeof n);
    n.sum[0] = rounded(to->type, v);
    n.sum[1] = rounded_square(to->type, n.sum[0], &n.off[1]);
    rate(to, 1, &n);
    return n;
}

static node joined(const aim *to, const node *below, size_t left, size_t right, size_t values)
{
    node n;
    int k;
    for (k = 0; k < 2; ++k) {
        n.sum[k] = rounded_sum(to->type, below[left].sum[k], below[right].sum[k], &n.off[k]);
        n.off[k] += below[left].off[k] + below[right].off[k];
    }
    n.left = left, n.right = right;
    rate(to, values, &n);
    return n;
}

static int by_score(const void *a, const void *b)
{
    const double x = ((const node *)a)->score, y = ((const node *)b)->score;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Whether the last digit of a sum is 1. */
static size_t is_odd(nrm_dtype type, double sum)
{
    return type == NRM_F32 ? bits_f32((float)sum) & 1 : (size_t)(bits_f64(sum) & 1);
}

/* The best, and as many of each mixture of odd and even sums: two even ones have no tie to give,
   though they have the best scores, as ties are what made them even. */
static size_t keep_best(const aim *to, node *crowd, size_t most, node *kept)
{
    size_t i, count = 0, of[4] = {0, 0, 0, 0};
    qsort(crowd, BEAM * CROWD, sizeof *crowd, by_score);
    for (i = 0; i < BEAM * CROWD; ++i) {
        const size_t which = 2 * is_odd(to->type, crowd[i].sum[0]) +
                             is_odd(to->type, crowd[i].sum[1]);
        if (of[which]++ < most / 4) kept[count++] = crowd[i];
    }
    return count;
}

/* Value i of a tree is that of lane i / 8, step i % 8: NUMERICS, "Order". */
static void unfold(node *const *step, int level, size_t at, size_t first, double *block)
{
    const node *n = &step[level][at];
    if (level == 0) {
        block[first % 8 * 16 + first / 8] = n->sum[0];
        return;
    }
    unfold(step, level - 1, n->left, first, block);
    unfold(step, level - 1, n->right, first + ((size_t)1 << (level - 1)), block);
}

/* Returns the score, in units of u. */
static double grow(gen *g, const aim *to, double *block)
{
    node *step[8], *crowd = (node *)test_alloc(BEAM * CROWD, sizeof *crowd);
    size_t i, kept = 0;
    double score;
    int level;
    for (level = 0; level < 8; ++level) {
        for (i = 0; i < BEAM * CROWD; ++i)
            crowd[i] = level ? joined(to, step[level - 1], gen_below(g, kept), gen_below(g, kept),
                                      (size_t)1 << level)
                             : leaf(g, to);
        step[level] = (node *)test_alloc(4 * BEAM, sizeof *crowd);
        kept = keep_best(to, crowd, level ? BEAM : 4 * BEAM, step[level]);
    }
    score = step[7][0].score * (to->type == NRM_F32 ? 0x1p24 : 0x1p53);
    unfold(step, 7, 0, 0, block);
    for (level = 0; level < 8; ++level) free(step[level]);
    free(crowd);
    return score;
}

/* ---- 2 The patterns -------------------------------------------------------------------------- */

enum { PLUS, MINUS, SQUARES, SUM, PLUS_F64, MINUS_F64, PATTERNS };

static const struct {
    const char *name;
    aim to;
} patterns[PATTERNS] = {
    /* 2 * D / (2 * var) and -1 / (2 * var), where D * D = var / 2 = 1 / 3 */
    {"plus", {NRM_F32, 1, {0.866, -0.75}, -1.1, 0.5}},
    {"minus", {NRM_F32, -1, {0.866, -0.75}, -1.1, 0.5}},
    {"squares", {NRM_F32, 1, {0, -0.5}, -1.1, 0.6}},
    {"sum", {NRM_F32, 1, {1, 0}, -1.1, 0.6}},
    {"plus_f64", {NRM_F64, 1, {0.866, -0.75}, -1.1, 0.5}},
    {"minus_f64", {NRM_F64, -1, {0.866, -0.75}, -1.1, 0.5}},
};

static double pattern[PATTERNS][BLOCK];

/* ---- 3 What is looked for -------------------------------------------------------------------- */

static const struct {
    const char *name;
    nrm_kind kind;
    enum slot out;
    int plus, minus;
} goals[] = {
    {"y of LAYER", NRM_LAYER, SLOT_Y, PLUS, MINUS},
    {"y of BATCH", NRM_BATCH, SLOT_Y, PLUS, MINUS},
    {"y of INSTANCE", NRM_INSTANCE, SLOT_Y, PLUS, MINUS},
    {"y of GROUP", NRM_GROUP, SLOT_Y, PLUS, MINUS},
    {"y of RMS", NRM_RMS, SLOT_Y, SQUARES, SQUARES},
    {"rstd", NRM_LAYER, SLOT_RSTD, PLUS, MINUS},
    {"dx of LAYER", NRM_LAYER, SLOT_DX, PLUS, MINUS},
    {"dx of BATCH", NRM_BATCH, SLOT_DX, PLUS, MINUS},
    {"dx of RMS", NRM_RMS, SLOT_DX, SQUARES, SQUARES},
    {"dgamma of LAYER", NRM_LAYER, SLOT_DGAMMA, PLUS, MINUS},
    {"dgamma of BATCH", NRM_BATCH, SLOT_DGAMMA, PLUS, MINUS},
    {"dbeta", NRM_BATCH, SLOT_DBETA, SUM, SUM},
    {"y of LAYER, F64", NRM_LAYER, SLOT_Y, PLUS_F64, MINUS_F64},
};

#define GOALS (sizeof goals / sizeof *goals)

static adversary start_of(size_t i)
{
    const nrm_dtype type = patterns[goals[i].plus].to.type;
    adversary a;
    memset(&a, 0, sizeof a);
    a.name = goals[i].name, a.kind = goals[i].kind, a.dtype = type, a.out = goals[i].out;
    a.plus = pattern[goals[i].plus], a.minus = pattern[goals[i].minus];
    a.blocks = a.positive = BLOCKS, a.gamma = 1;
    return a;
}

/* Sum and sum of squares of a list but for its outliers, as exact as the type is. */
typedef struct exact_sums {
    ref_real sum, squares, m;
} exact_sums;

static exact_sums sums_of(const adversary *a)
{
    const size_t m = adversary_length(a);
    double *list = (double *)test_alloc(m, sizeof *list);
    exact_sums s = {0, 0, 0};
    size_t i;
    adversary_list(a, list);
    s.m = (ref_real)m;
    for (i = 0; i < m; ++i) {
        if (a->outlier[0] < 0 && i == m - 1) continue;
        if (a->outlier[1] < 0 && i == m - 1 - BLOCK) continue;
        s.sum += list[i];
        s.squares += (ref_real)list[i] * list[i];
    }
    free(list);
    return s;
}

/* With the outliers. */
typedef struct exact_list {
    ref_real mean, rstd, xhat[2];
} exact_list;

static exact_list exact_of(const adversary *a, const exact_sums *s)
{
    const ref_real o0 = a->outlier[0], o1 = a->outlier[1];
    exact_list e;
    ref_real var;
    e.mean = a->kind == NRM_RMS ? 0 : (s->sum + o0 + o1) / s->m;
    var = (s->squares + o0 * o0 + o1 * o1) / s->m - e.mean * e.mean;
    e.rstd = ref_rstd(var + (ref_real)1e-12);
    e.xhat[0] = (o0 - e.mean) * e.rstd;
    e.xhat[1] = (o1 - e.mean) * e.rstd;
    return e;
}

/* As many positive blocks as the library accepts around K = 0, but for a hair; the outliers will
   have a hundredth of var. */
static void settle(adversary *a)
{
    double plus[2] = {0, 0}, minus[2] = {0, 0}, mean, squares;
    size_t i;
    for (i = 0; i < BLOCK; ++i) {
        plus[0] += a->plus[i] / BLOCK, plus[1] += a->plus[i] * a->plus[i] / BLOCK;
        minus[0] += a->minus[i] / BLOCK, minus[1] += a->minus[i] * a->minus[i] / BLOCK;
    }
    for (; a->positive > 0 && a->plus != a->minus; --a->positive) {
        const double share = (double)a->positive / (double)a->blocks;
        mean = share * plus[0] + (1 - share) * minus[0];
        squares = share * plus[1] + (1 - share) * minus[1];
        if (mean * mean < 0.499 * (squares - mean * mean)) return;
    }
}

/* ---- 4 Errors -------------------------------------------------------------------------------- */

/* The results of the library for a list; which of the two does not matter. */
static outcome *results_of(problem *p, const adversary *a)
{
    const setup s = plain(NRM_AUTO, NRM_NCHW);
    outcome *o = run(p, VERB_FORWARD, &s);
    if (adversary_verb(a) == VERB_FORWARD) return o;
    problem_keep(p, o, SLOT_MEAN);
    outcome_free(o);
    return run(p, VERB_BACKWARD, &s);
}

static ref_real difference_of(const problem *p, const outcome *o, enum slot slot, size_t at,
                              ref_real exact, ref_real bound)
{
    return ref_abs(type_get(slot_type(&p->d, slot), o->value[slot], at) - exact) / bound;
}

static ref_precision precision_of(const adversary *a)
{
    ref_precision u = ref_precision_of(a->dtype);
    nrm_desc d;
    adversary_shape(a, &d);
    u.limit = ref_limits_of(&d);
    return u;
}

/* The error in units of the bound, by exact statistics. */
static long double error_of(const adversary *a, const exact_sums *s, const problem *p,
                            const outcome *o)
{
    const ref_precision u = precision_of(a);
    const exact_list e = exact_of(a, s);
    const size_t m = adversary_length(a), at = list_place(&p->d, 0, m - 1);
    const size_t beside = list_place(&p->d, 0, m - 1 - BLOCK), c = at / p->d.s % p->d.c;
    const ref_real g = a->gamma, t = ref_abs(a->dy * g) / s->m, x = ref_abs(e.xhat[0]);
    const ref_real lost = ref_abs(e.mean) * e.rstd * u.mean_ulp;
    ref_real exact;
    switch (a->out) {
    case SLOT_Y:
        return difference_of(p, o, SLOT_Y, at, e.xhat[0] * g,
                             ref_bound_y(&u, g, 0, e.xhat[0], lost));
    case SLOT_RSTD: return difference_of(p, o, SLOT_RSTD, 0, e.rstd, ref_bound_rstd(&u, e.rstd));
    case SLOT_DGAMMA:
        exact = a->dy * e.xhat[0] * (p->d.c > ADVERSARY_LINES ? ADVERSARY_LINES : 1);
        return difference_of(p, o, SLOT_DGAMMA, c, exact,
                             ref_bound_sum(&u, u.limit.dgamma,
                                           ref_abs(exact) * (1 + 1 / x), m, 0));
    default:
        exact = -e.rstd * a->dy * g / s->m * ((a->kind != NRM_RMS) + e.xhat[0] * e.xhat[1]);
        return difference_of(p, o, SLOT_DX, beside, exact,
                             ref_bound_dx(&u, e.rstd, 0, e.xhat[1], t, t * x, m, 0, lost));
    }
}

/* ---- 5 Trying -------------------------------------------------------------------------------- */

static double now_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* A new input, or the best one with other digits. */
static void change(gen *g, adversary *a, int fresh)
{
    int i;
    for (i = 0; i < 2; ++i) {
        if (i == 1 && a->out != SLOT_DX) break;
        if (fresh) a->outlier[i] = rounded(a->dtype, -exp2(3 + 3 * gen_uniform(g)));
        else if (gen_one_in(g, 2))
            a->outlier[i] = rounded(a->dtype, a->outlier[i] * (1 + 0.01 * gen_normal(g)));
    }
    if (fresh || gen_one_in(g, 2)) a->gamma = rounded(a->dtype, 1 + gen_uniform(g));
    if (a->out == SLOT_DGAMMA) a->gamma = 1;
    if (a->out != SLOT_Y && (fresh || gen_one_in(g, 2)))
        a->dy = rounded(a->dtype, 1 + gen_uniform(g));
}

static void enter(problem *p, const adversary *a)
{
    const size_t m = adversary_length(a);
    const nrm_dtype held = type_of_parameters(a->dtype);
    size_t which;
    int i;
    for (which = 0; which < ADVERSARY_LINES; ++which) {
        const size_t at = list_place(&p->d, which, m - 1);
        for (i = 0; i < 2; ++i)
            if (a->outlier[i] < 0)
                type_put(a->dtype, p->value[SLOT_X],
                         list_place(&p->d, which, m - 1 - (size_t)i * BLOCK), a->outlier[i]);
        type_put(held, p->value[SLOT_GAMMA], at / p->d.s % p->d.c, a->gamma);
        type_put(a->dtype, p->value[SLOT_DY], at, a->dy);
    }
}

static adversary best_of(size_t goal, double seconds)
{
    gen g = gen_seed(options.seed * 100 + goal);
    const double end = now_seconds() + seconds;
    adversary best = start_of(goal), next;
    exact_sums s;
    problem *p;
    long double most = 0;
    unsigned long tries = 0;
    best.outlier[0] = -20, best.outlier[1] = best.out == SLOT_DX ? -20 : 0;
    settle(&best);
    s = sums_of(&best);
    p = adversary_problem(&best);
    for (; now_seconds() < end; ++tries) {
        outcome *o;
        long double ratio;
        next = best;
        change(&g, &next, tries < 50 || gen_one_in(&g, 4));
        enter(p, &next);
        o = results_of(p, &next);
        ratio = error_of(&next, &s, p, o);
        if (ratio > most) most = ratio, best = next;
        outcome_free(o);
    }
    problem_free(p);
    return best;
}

/* Of dbeta there is nothing to try but how many blocks there are: the total is rounded once. */
static adversary best_sum(size_t goal)
{
    adversary best = start_of(goal), next = best;
    long double most = 0;
    ref_real one = 0;
    size_t i;
    for (i = 0; i < BLOCK; ++i) one += next.plus[i];
    for (next.blocks = next.positive = 1; next.blocks <= 64; ++next.blocks, ++next.positive) {
        const ref_precision u = precision_of(&next);
        const ref_real exact = one * (ref_real)next.blocks;
        problem *p = adversary_problem(&next);
        outcome *o = results_of(p, &next);
        const long double ratio = (long double)difference_of(
            p, o, SLOT_DBETA, 0, exact,
            ref_bound_sum(&u, u.limit.dbeta, exact, adversary_length(&next), 0));
        if (ratio > most) most = ratio, best = next;
        outcome_free(o);
        problem_free(p);
    }
    return best;
}

/* ---- 6 The table ----------------------------------------------------------------------------- */

/* The oracle's word. */
static ref_worst judged(const adversary *a, long double *limit)
{
    problem *p = adversary_problem(a);
    outcome *o = results_of(p, a);
    nrm_desc d;
    nrm_args args;
    ref r = oracle_of(p, &d, &args);
    ref_worst w;
    if (adversary_verb(a) == VERB_BACKWARD) oracle_backward(p, &r, &args, 0);
    w = oracle_compare(&r, o, a->out);
    *limit = oracle_limit(&r, a->out);
    ref_free(&r);
    outcome_free(o);
    problem_free(p);
    return w;
}

static void print_pattern(FILE *file, size_t i)
{
    size_t k, used = 100;
    fprintf(file, "static const double adversary_%s[ADVERSARY_BLOCK] = {", patterns[i].name);
    for (k = 0; k < BLOCK; ++k) {
        char text[40];
        const int length = snprintf(text, sizeof text, "%a%s", pattern[i][k],
                                    k + 1 < BLOCK ? "," : "");
        if (used + (size_t)length + 1 > 98) used = 3, fprintf(file, "\n   ");
        used += (size_t)fprintf(file, " %s", text);
    }
    fprintf(file, "};\n\n");
}

static void print_input(FILE *file, size_t goal, const adversary *a)
{
    static const char *const kind[KINDS] = {"NRM_BATCH", "NRM_LAYER", "NRM_INSTANCE", "NRM_GROUP",
                                            "NRM_RMS"};
    static const char *const out[SLOTS] = {
        [SLOT_Y] = "SLOT_Y", [SLOT_DX] = "SLOT_DX", [SLOT_DGAMMA] = "SLOT_DGAMMA",
        [SLOT_DBETA] = "SLOT_DBETA", [SLOT_RSTD] = "SLOT_RSTD"};
    fprintf(file, "    {\"%s\", %s, %s, %s, adversary_%s,\n     adversary_%s, %zu, %zu, "
            "{%a, %a},\n     %a, %a},\n", a->name, kind[a->kind],
            a->dtype == NRM_F32 ? "NRM_F32" : "NRM_F64", out[a->out],
            patterns[goals[goal].plus].name, patterns[goals[goal].minus].name, a->blocks,
            a->positive, a->outlier[0], a->outlier[1], a->gamma, a->dy);
}

/* As tests/support/adversary_inputs.h has them. */
static int keep_inputs(const adversary *worst)
{
    char name[1000];
    FILE *file;
    size_t i;
    snprintf(name, sizeof name, "%s/adversary_inputs.h", options.keep);
    file = fopen(name, "w");
    if (!file) return 0;
    fprintf(file, "/* adversary_inputs.h - the worst inputs that fuzz/adversary.c has found: it "
            "writes this\n * file, with --keep.\n */\n#ifndef ADVERSARY_INPUTS_H\n"
            "#define ADVERSARY_INPUTS_H\n\n#include \"adversary.h\"\n\n");
    for (i = 0; i < PATTERNS; ++i) print_pattern(file, i);
    fprintf(file, "static const adversary adversaries[] = {\n");
    for (i = 0; i < GOALS; ++i) print_input(file, i, &worst[i]);
    fprintf(file, "};\n\n#endif /* ADVERSARY_INPUTS_H */\n");
    return fclose(file) == 0;
}

static int parse_options(int argc, char **argv)
{
    int i;
    for (i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--seconds"))
            options.seconds = atof(argv[i + 1]);
        else if (!strcmp(argv[i], "--seed"))
            options.seed = strtoull(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--keep"))
            options.keep = argv[i + 1];
        else
            return 0;
    }
    return i == argc;
}

int main(int argc, char **argv)
{
    adversary worst[GOALS];
    long double most = 0;
    size_t i;
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "adversary [--seconds 20] [--seed N] [--keep FOLDER]\n");
        return EXIT_FAILURE;
    }
    for (i = 0; i < PATTERNS; ++i) {
        gen g = gen_seed(options.seed * 100 + i);
        const double score = grow(&g, &patterns[i].to, pattern[i]);
        printf("pattern %-10s %5.2f u\n", patterns[i].name, score);
    }
    printf("%-16s %9s %9s %9s\n", "worst error of", "found", "proven", "found /");
    printf("%-16s %9s %9s %9s\n", "", "in e", "in e", "proven");
    for (i = 0; i < GOALS; ++i) {
        long double limit;
        ref_worst w;
        worst[i] = goals[i].out == SLOT_DBETA ? best_sum(i) : best_of(i, options.seconds / GOALS);
        w = judged(&worst[i], &limit);
        printf("%-16s %9.3Lf %9.3Lf %9.3Lf\n", goals[i].name, w.ratio * limit, limit, w.ratio);
        fflush(stdout);
        if (w.ratio > most) most = w.ratio;
    }
    if (options.keep && !keep_inputs(worst)) {
        fprintf(stderr, "nothing is kept: %s cannot be written\n", options.keep);
        return EXIT_FAILURE;
    }
    return most <= 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
