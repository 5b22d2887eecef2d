/* yours.c - your norm under an oracle: make fuzz-yours YOURS=mine.c SECONDS=60
 *
 * mine.c, or .cpp, includes normalize.h for its types and defines
 *
 *   int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a);
 *
 * It returns 0 when every output that `a` points to is written, and 1 when this problem is not one
 * that it does. What the fields mean is in normalize.h, B3; what is computed, in A3. Nothing has to
 * be supported: a function that does layer norm of packed floats returns 1 for all the rest.
 *
 *   ask      Every kind, verb, storage type and layout, with an easy problem of 24 values; then
 *            each pointer and option by itself. What it returns 1 for is not drawn. An option that
 *            it returns 0 for, and leaves out of its results, is told by name.
 *   draw     A problem is a string of bytes (decode.h): a shape around what code cuts at (1, 8, 16,
 *            128, 1024 and their neighbours), options, and values of the families of
 *            tests/support/gen.h. Ordinary values are N(0, 1), uniform or sparse, 8 or more to a
 *            mean, with eps from 1e-5 to 1. All others are hostile: a mean far from 0, an outlier,
 *            equal values, denormals, 3e38, any exponent, eps 0.
 *   judge    Each output against the same formula in long double (tests/support/ref.h), in units of
 *            the bound that normalize.h publishes. Float results of a computation in double stay
 *            below an eighth of it; 1 is what no input may reach. Backward gets exact statistics:
 *            what it does is judged, not what forward did.
 *   compare  To the bit, one at a time: the same again; samples, channels or rows in another order;
 *            a sample alone and in its batch; an output in the place of its input; other addresses;
 *            a pool of threads, if it takes one. And of every call, whether it wrote outside of its
 *            outputs: 64 bytes on either side of each buffer are watched, gaps between lines, and
 *            what is only read.
 *   climb    A string whose error passes a quarter of a power of two that no other has passed, of
 *            its kind, verb and output, is kept and changed further. libFuzzer takes it for a new
 *            branch, and sees the branches of your code beside it.
 *   shrink   The worst problem, while half of the error's order is left: no sample, channel, option
 *            or digit that could go stays. It is printed as a program.
 *
 * Nothing of the library is linked. The file is compiled as one of two programs, by fuzz/yours.sh:
 * with -DYOURS_LIBFUZZER for libFuzzer, else with a loop of its own. Both read from the environment
 * what the script sets: YOURS_NAME, YOURS_SECONDS or YOURS_PROBLEMS, YOURS_SEED, YOURS_LIMIT and
 * YOURS_OUT. They end with 1 when an error is above the limit, something is written outside or an
 * option is left out, with 2 when nothing could be tried, and with 0 otherwise.
 */
#define _POSIX_C_SOURCE 200809L
#include "yours_call.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "yours_judge.h"
#include "yours_ask.h"
#include "yours_shrink.h"

/* ---- what is known --------------------------------------------------------------------------- */

typedef struct finding {
    verdict v;
    genome in;
    const way_of *way;
    char family[48];
} finding;

#define LEVELS 600 /* quarters of powers of two, from 2^-20 up */

/* A line of the table. */
typedef struct row {
    unsigned long problems, declined;
    finding worst, ordinary;  /* of all inputs, and of ordinary ones */
    char first[48];           /* the family of the first above the limit */
    held same[SAMES];
    finding broken[SAMES];
    unsigned seed[SAMES];     /* of the relation that broke */
    char outside[100];
    unsigned char seen[SLOTS][LEVELS];
} row;

static row rows[KINDS][ASKED];

static struct {
    const char *name;
    double seconds;
    unsigned long most;        /* problems; 0: as many as there is time for */
    uint64_t seed;
    long double limit;
    struct timespec start;
    unsigned long problems;
    int told;                  /* that something is above the limit */
} fuzz;

#define POOL_OF_BEST 256
static genome best[POOL_OF_BEST];
static size_t best_count;

#ifdef YOURS_LIBFUZZER
/* What libFuzzer counts beside branches: a byte for each level of each output. */
__attribute__((used, section("__libfuzzer_extra_counters")))
static unsigned char counters[KINDS * ASKED * SLOTS * LEVELS / 4];
#endif

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

/* ---- words ----------------------------------------------------------------------------------- */

static int is_ordinary_dist(gen_dist dist)
{
    return dist == GEN_NORMAL || dist == GEN_UNIFORM || dist == GEN_SPARSE;
}

static int is_ordinary_origin(const origin *from)
{
    return is_ordinary_dist(from->dist[0]) && is_ordinary_dist(from->dist[1]) && !from->scale;
}

static int add_text(char *to, size_t size, const char *what, const origin *from, int only_if)
{
    size_t used = strlen(to);
    if (!only_if || is_ordinary_origin(from)) return 0;
    used += (size_t)snprintf(to + used, size - used, "%s%s%s%s", used ? ", " : "", what,
                             *what ? " " : "",
                             gen_dist_name[from->dist[is_ordinary_dist(from->dist[0])]]);
    if (used >= size) return 1;
    if (is_ordinary_dist(from->dist[0]) && is_ordinary_dist(from->dist[1]))
        snprintf(to + used, size - used, " * 2^%d", from->scale);
    else if (from->scale)
        snprintf(to + used, size - used, "*2^%d", from->scale);
    return 1;
}

/* What is not ordinary about a problem, in a few words; 0 if nothing is. */
static int family_text(const fuzz_case *f, const way_of *w, char *to, size_t size)
{
    const problem *p = f->p;
    const int back = verb_is_back(w->verb), running = verb_is_running(w->verb);
    int any = 0;
    *to = 0;
    any |= add_text(to, size, "", &f->from[SLOT_X], 1);
    any |= add_text(to, size, "residual", &f->from[SLOT_RESIDUAL], p->given >> SLOT_RESIDUAL & 1);
    any |= add_text(to, size, "dy", &f->from[SLOT_DY], back);
    any |= add_text(to, size, "gamma", &f->from[SLOT_GAMMA], p->given >> SLOT_GAMMA & 1);
    any |= add_text(to, size, "beta", &f->from[SLOT_BETA], p->given >> SLOT_BETA & 1);
    any |= add_text(to, size, "mean", &f->from[SLOT_RUNNING_MEAN], running);
    any |= add_text(to, size, "var", &f->from[SLOT_RUNNING_VAR], running);
    any |= add_text(to, size, "dsum", &f->from[SLOT_DSUM], back && p->given >> SLOT_DSUM & 1);
    if (!any && ref_group_size(&p->d) < 8) { /* which may be close to each other by chance */
        snprintf(to, size, "%s, %zu value%s", gen_dist_name[f->from[SLOT_X].dist[0]],
                 ref_group_size(&p->d), ref_group_size(&p->d) > 1 ? "s" : "");
        any = 1;
    }
    if (p->d.eps < 1e-5 || p->d.eps > 1) {
        snprintf(to + strlen(to), size - strlen(to), "%seps %.3g", *to ? ", " : "", p->d.eps);
        any = 1;
    }
    if (p->d.gamma_offset > 1) any = 1;
    if (f->edit_count) {
        snprintf(to + strlen(to), size - strlen(to), "%sedited", *to ? ", " : "");
        any = 1;
    }
    if (!*to) snprintf(to, size, "%s", gen_dist_name[f->from[SLOT_X].dist[0]]);
    return any;
}

static const char *ratio_text(const problem *p, const verdict *v)
{
    static char text[4][24];
    static int turn;
    char *to = text[turn = (turn + 1) % 4];
    if (v->ratio < 0)
        snprintf(to, 24, "-");
    else if (v->got != v->got)
        snprintf(to, 24, "NaN");
    else if (p && result_is_inf(p, v) && v->ratio > 1)
        snprintf(to, 24, "Inf");
    else if (v->ratio < 9999.5L)
        snprintf(to, 24, v->ratio < 9.995L ? "%.2Lf" : "%.0Lf", v->ratio);
    else if (v->ratio > 1e300L) /* where the bound is 0: sum, -0 */
        snprintf(to, 24, "differs");
    else
        snprintf(to, 24, "%.1Le", v->ratio);
    return to;
}

static const char *ulps_text(const problem *p, const verdict *v)
{
    static char text[24];
    const long double ulps = ulps_off(p, v);
    if (v->ratio < 0 || !(ulps < 1e30L))
        return "-";
    snprintf(text, sizeof text, ulps < 99.95L ? "%.1Lf" : ulps < 1e6L ? "%.0Lf" : "%.1Le", ulps);
    return text;
}

/* ---- one problem ----------------------------------------------------------------------------- */

/* An error larger than any before: known by whoever climbs. */
static int is_news(row *w, const verdict *v, size_t cell)
{
    int level = v->ratio < 1e30L && v->ratio > 0 ? (int)(4 * log2l(v->ratio)) + 80 : LEVELS - 1;
    int news;
    if (v->ratio <= 0) return 0;
    if (level < 0) level = 0;
    if (level >= LEVELS) level = LEVELS - 1;
    news = !w->seen[v->out][level];
    w->seen[v->out][level] = 1;
#ifdef YOURS_LIBFUZZER
    counters[((cell * SLOTS + (size_t)v->out) * LEVELS + (size_t)level) / 4] = 1;
#else
    (void)cell;
#endif
    return news;
}

static void note_finding(finding *to, const verdict *v, const genome *in, const way_of *w,
                         const char *family)
{
    to->v = *v, to->in = *in, to->way = w;
    snprintf(to->family, sizeof to->family, "%s", family);
}

static void tell_first(const problem *p, const way_of *w, const verdict *v, const char *family)
{
    const nrm_dtype type = slot_type(&p->d, v->out);
    if (fuzz.told || !(v->ratio > fuzz.limit)) return;
    fuzz.told = 1;
    printf("after %.2f s, of %s norm, %s, with %s:\n", seconds_since(&fuzz.start),
           kind_name[w->kind], verb_name[w->verb], family);
    printf("  %s[%zu] is %s, and should be %s", slot_name[v->out], v->at,
           value_text(type, v->got), value_text(type, v->exact));
    if (is_number(p, v)) printf(": %s units of the bound off", ratio_text(p, v));
    printf("\n");
    fflush(stdout);
}

static void judge_case(row *to, const fuzz_case *f, const genome *in, const way_of *w,
                       const outcome *o)
{
    const size_t cell = (size_t)w->kind * ASKED + (size_t)w->verb;
    const verdict v = judge(f->p, w->verb, o);
    char family[48];
    const int hostile = family_text(f, w, family, sizeof family);
    if (v.ratio < 0) return;
    if (is_news(to, &v, cell)) {
        gen g = gen_seed(fuzz.problems);
        best[best_count < POOL_OF_BEST ? best_count++ : gen_below(&g, POOL_OF_BEST)] = *in;
    }
    tell_first(f->p, w, &v, family);
    if (v.ratio > fuzz.limit && !*to->first) snprintf(to->first, sizeof to->first, "%s", family);
    if (!to->worst.way || v.ratio > to->worst.v.ratio) note_finding(&to->worst, &v, in, w, family);
    if (!hostile && (!to->ordinary.way || v.ratio > to->ordinary.v.ratio))
        note_finding(&to->ordinary, &v, in, w, family);
}

static void compare_case(row *to, const fuzz_case *f, const genome *in, const way_of *w,
                         const outcome *o, same which, unsigned seed)
{
    other_bits where;
    verdict none = {-1, SLOT_NONE, 0, 0, 0, 0, 0};
    char family[48];
    const held h = try_same(f->p, w->verb, w->layout, which, o, seed, &where);
    if (h == HOLDS && to->same[which] == NOT_TESTED) to->same[which] = HOLDS;
    if (where.text && *where.text && !*to->outside) {
        which = INSIDE;
        snprintf(to->outside, sizeof to->outside, "%s", where.text);
    } else if (h != BROKEN || to->same[which] == BROKEN) {
        return;
    }
    to->same[which] = BROKEN;
    family_text(f, w, family, sizeof family);
    note_finding(&to->broken[which], &none, in, w, family);
    to->seed[which] = seed;
}

/* A string of bytes: its first one says which way it goes. */
static void try_genome(const genome *from)
{
    genome in = *from;
    const way_of *w = &asked.way[in.data[AT_KIND] % asked.ways];
    row *to = &rows[w->kind][w->verb];
    const setup s = plain(NRM_AUTO, w->layout);
    fuzz_case f;
    outcome *o;
    settle(&in, w);
    f = decode_for(&in, w);
    o = expected_status(f.p, w->verb) == NRM_OK ? call(f.p, w->verb, &s) : NULL;
    if (!o) {
        ++to->declined;
    } else {
        const unsigned seed = in.data[AT_SEED] + 256u * in.data[AT_RELATION];
        ++to->problems;
        ++fuzz.problems;
        if (!o->clean && !*to->outside)
            snprintf(to->outside, sizeof to->outside, "%s", outside_text(f.p, w->verb, &s));
        compare_case(to, &f, &in, w, o, INSIDE, seed);
        judge_case(to, &f, from, w, o);
        compare_case(to, &f, &in, w, o, (same)(in.data[AT_RELATION] % INSIDE), seed);
        outcome_free(o);
    }
    case_free(&f);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static unsigned char code_of_dist(gen_dist dist)
{
    return (unsigned char)(dist ? (int)dist : GEN_DISTS); /* 0 is the plain one */
}

static unsigned char ordinary_code(gen *g)
{
    static const gen_dist plain_ones[] = {GEN_NORMAL, GEN_NORMAL, GEN_UNIFORM, GEN_SPARSE};
    return code_of_dist(plain_ones[gen_below(g, COUNT(plain_ones))]);
}

/* Distributions, seeds and scales: all ordinary, or one tensor hostile, or all of them. */
static void draw_values(genome *in, gen *g, int hostile)
{
    const size_t one = gen_below(g, 4);
    size_t i;
    for (i = 0; i < 4; ++i) { /* x, dy, residual, dsum */
        unsigned char *at = &in->data[AT_VALUES + 4 * i];
        const int hard = hostile > 1 || (hostile && i == one % 2);
        at[0] = hard ? code_of_dist((gen_dist)gen_below(g, GEN_DISTS)) : ordinary_code(g);
        at[1] = (unsigned char)gen_u64(g);
        if (hard && gen_one_in(g, 3)) at[2] = (unsigned char)(128 + gen_below(g, 128));
        if (hard && gen_one_in(g, 3)) at[3] = (unsigned char)(gen_below(g, 120) - 60);
    }
    for (i = 0; i < 6; ++i) { /* gamma, beta, running_mean, running_var, dgamma, dbeta */
        unsigned char *at = &in->data[AT_VALUES + 16 + 2 * i];
        if (hostile > 1 && gen_one_in(g, 2))
            at[0] = code_of_dist((gen_dist)gen_below(g, GEN_DISTS));
        at[1] = (unsigned char)gen_u64(g);
    }
}

/* Shape and options. The volume is small mostly: what needs many values has its share. */
static genome draw_genome(gen *g, int hostile)
{
    genome in;
    size_t i;
    memset(&in, 0, sizeof in);
    in.size = DECODE_HEAD;
    in.data[AT_KIND] = (unsigned char)gen_below(g, asked.ways);
    in.data[AT_MOST] = (unsigned char)(gen_one_in(g, 12) ? 192 + gen_below(g, 64)
                                                         : gen_below(g, 192));
    for (i = AT_N; i <= AT_S; i += 2) {
        in.data[i] = (unsigned char)gen_below(g, gen_one_in(g, 3) ? 24 : 10);
        in.data[i + 1] = (unsigned char)(gen_one_in(g, 2) ? 0 : gen_below(g, 88));
    }
    in.data[AT_GROUPS] = (unsigned char)gen_u64(g);
    for (i = 0; i < 5; ++i)
        if (gen_one_in(g, 4)) in.data[AT_FLAGS] |= (unsigned char)(1 << i);
    if (gen_one_in(g, 4)) in.data[AT_FLAGS] |= (unsigned char)(gen_below(g, 6) << 5);
    if (hostile && gen_one_in(g, 3)) in.data[AT_EPS] = (unsigned char)gen_below(g, 9);
    in.data[AT_RATE] = (unsigned char)gen_u64(g);
    set_given(&in, (unsigned)gen_u64(g) | (unsigned)gen_u64(g));
    if (gen_one_in(g, 4)) in.data[AT_GAPS] = (unsigned char)gen_u64(g);
    in.data[AT_SEED] = (unsigned char)gen_u64(g), in.data[AT_RELATION] = (unsigned char)gen_u64(g);
    draw_values(&in, g, hostile);
    for (i = hostile > 1 ? gen_below(g, 12) : 0; i > 0; --i) { /* edits */
        size_t k;
        for (k = 0; k < DECODE_EDIT; ++k) in.data[in.size++] = (unsigned char)gen_u64(g);
    }
    return in;
}

/* A kept one with a few bytes changed, of its edits mostly, or an edit more. */
static genome change_genome(gen *g, const genome *from)
{
    genome in = *from;
    size_t times = 1 + gen_below(g, 4);
    for (; times > 0; --times) {
        const size_t edits = (in.size - DECODE_HEAD) / DECODE_EDIT;
        if (gen_one_in(g, 3)) {
            in.data[AT_MOST + gen_below(g, DECODE_HEAD - AT_MOST)] = (unsigned char)gen_u64(g);
        } else if (edits && !gen_one_in(g, 3)) {
            unsigned char *at = &in.data[DECODE_HEAD + DECODE_EDIT * gen_below(g, edits) +
                                         gen_below(g, DECODE_EDIT)];
            *at = (unsigned char)(gen_one_in(g, 2) ? gen_u64(g) : *at + (gen_u64(g) & 2) - 1);
        } else if (in.size + DECODE_EDIT <= GENOME) {
            size_t k;
            for (k = 0; k < DECODE_EDIT; ++k) in.data[in.size++] = (unsigned char)gen_u64(g);
        }
    }
    return in;
}

static genome next_genome(gen *g)
{
    if (best_count && gen_one_in(g, 2)) return change_genome(g, &best[gen_below(g, best_count)]);
    return draw_genome(g, (int)gen_below(g, 3));
}

/* Each way with each family of x, from easy to hard: the first second, which tells what breaks it
   first. */
static void sweep(gen *g)
{
    size_t way, dist, turn;
    for (dist = GEN_NORMAL; dist < GEN_DISTS; ++dist)
        for (turn = 0; turn < 4 * asked.ways; ++turn) {
            genome in = draw_genome(g, 0);
            way = turn % asked.ways;
            in.data[AT_KIND] = (unsigned char)way;
            in.data[AT_VALUES] = code_of_dist((gen_dist)dist);
            try_genome(&in);
        }
}

#include "yours_report.h"

/* ---- running --------------------------------------------------------------------------------- */

static double number_of(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text && *text ? atof(text) : otherwise;
}

/* Ends the program when there is nothing to fuzz. */
static void yours_start(void)
{
    fuzz.name = getenv("YOURS_NAME") ? getenv("YOURS_NAME") : "yours";
    fuzz.seconds = number_of("YOURS_SECONDS", 60);
    fuzz.most = (unsigned long)number_of("YOURS_PROBLEMS", 0);
    fuzz.seed = (uint64_t)number_of("YOURS_SEED", 1);
    fuzz.limit = number_of("YOURS_LIMIT", 1);
    report.go_on = 1, report.quiet = 1;
    catch_signals();
    clock_gettime(CLOCK_MONOTONIC, &fuzz.start);
    ask_all();
    if (!asked.ways && !line.strange)
        printf("fuzz-yours: %s does nothing: it returned 1 for every kind, verb, type and layout,\n"
               "of 2 samples of 4 channels of 3 positions or of 1, packed, with gamma and beta or "
               "without\n", fuzz.name);
    if (line.strange) tell_strange();
    fflush(stdout);
    if (!asked.ways || line.strange) _exit(2);
    clock_gettime(CLOCK_MONOTONIC, &fuzz.start);
}

static int yours_is_over(void)
{
    if (fuzz.most) return fuzz.problems >= fuzz.most || line.strange;
    return seconds_since(&fuzz.start) >= fuzz.seconds || line.strange;
}

#ifdef YOURS_LIBFUZZER

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most); /* libFuzzer's */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    gen g;
    (void)argc, (void)argv;
    yours_start();
    g = gen_seed(fuzz.seed);
    sweep(&g);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    genome in;
    if (yours_is_over()) {
        const int status = yours_report();
        fflush(stdout);
        _exit(status);
    }
    memset(&in, 0, sizeof in); /* what is missing is 0 */
    memcpy(in.data, data, size < GENOME ? size : GENOME);
    in.size = size < DECODE_HEAD ? DECODE_HEAD : size < GENOME ? size : GENOME;
    try_genome(&in);
    return 0;
}

/* Half of them are drawn as the loop below draws, the rest is libFuzzer's own. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    gen g = gen_seed(seed);
    genome in;
    if (gen_one_in(&g, 2)) return LLVMFuzzerMutate(data, size, most);
    in = next_genome(&g);
    if (in.size > most) in.size = most;
    memcpy(data, in.data, in.size);
    return in.size;
}

#else

int main(void)
{
    gen g;
    yours_start();
    g = gen_seed(fuzz.seed);
    sweep(&g);
    while (!yours_is_over()) {
        const genome in = next_genome(&g);
        try_genome(&in);
    }
    return yours_report();
}

#endif
