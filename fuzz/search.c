/* search.c - looks for the input with the largest error: a hill-climber for each kind, layout and
 * result of float, in units of the bound (NUMERICS, "Bound"; tests/support/ref.h). A result above
 * 1 is a broken bound.
 *
 *   cc -O2 -pthread -DNORMALIZE_IMPLEMENTATION fuzz/search.c -o search -lm
 *   ./search [--seconds 60] [--seed 1] [--keep FOLDER] [--kind NAME]
 *
 * What it climbs on is a string of bytes as decode.h reads it, so that the worst of each row can be
 * kept in a folder and replayed. With the same seed each climb draws the same changes; how far it
 * comes is a matter of time, unless --steps says how many changes it may try.
 */
#define NRM_POOL_MIN 1
#include "../normalize.h"

#include <time.h>

#include "../tests/support/test.h"
#include "../tests/support/gen.h"
#include "../tests/support/problem.h"
#include "../tests/support/pool.h"
#include "report.h"
#define DECODE_NORM /* what follows the norm has bounds that follow from those of the norm */
#include "decode.h"
#include "check.h"

#define GENOME 1008 /* bytes: the head and 120 edits */

typedef struct genome {
    size_t size;
    unsigned char data[GENOME];
    long double ratio;
} genome;

/* What is looked at. */
typedef struct pass {
    const char *name;
    family family;
    enum verb verb;
    enum slot out;
} pass;

static const pass passes[] = {
    {"y", TRAINING, VERB_FORWARD, SLOT_Y},
    {"mean", TRAINING, VERB_FORWARD, SLOT_MEAN},
    {"rstd", TRAINING, VERB_FORWARD, SLOT_RSTD},
    {"dx", TRAINING, VERB_BACKWARD, SLOT_DX},
    {"dgamma", TRAINING, VERB_BACKWARD, SLOT_DGAMMA},
    {"dbeta", TRAINING, VERB_BACKWARD, SLOT_DBETA},
    {"y of infer", INFERENCE, VERB_INFER, SLOT_Y},
    {"dx of infer", INFERENCE, VERB_INFER_BACKWARD, SLOT_DX},
    {"dgamma of infer", INFERENCE, VERB_INFER_BACKWARD, SLOT_DGAMMA},
};

static struct {
    double seconds;
    unsigned long steps; /* of each climb; 0: as many as there is time for */
    uint64_t seed;
    const char *keep;
    int kind;            /* -1: all */
} options = {60, 0, 1, NULL, -1};

/* ---- the error of one input ------------------------------------------------------------------ */

/* Ratios of bounds that are denormal say little: half a unit of 2^-149 is half of such a bound. */
static long double worst_of(ref_worst w)
{
    return w.ratio > 1 ? w.ratio : w.normal;
}

/* Settles what the pass asks for, in the bytes: float, this kind, and the result given. Running
   statistics are left alone; where dsum is all there is its rounding alone is half the bound. */
static void settle(genome *in, nrm_kind kind, const pass *what)
{
    unsigned given = in->data[14] | (unsigned)in->data[15] << 8 | (unsigned)in->data[16] << 16;
    in->data[0] = (unsigned char)kind, in->data[1] = 0, in->data[2] = (unsigned char)what->family;
    given = (given & ~(RUNNING | GIVEN(SLOT_DSUM))) | GIVEN(what->out);
    in->data[14] = (unsigned char)given, in->data[15] = (unsigned char)(given >> 8);
    in->data[16] = (unsigned char)(given >> 16);
}

/* -1 for what is no input of this pass. */
static long double error_of(const genome *in, const pass *what, nrm_layout layout)
{
    fuzz_case f = case_decode(in->data, in->size);
    const int running = what->family == INFERENCE, gradient = what->out != SLOT_Y &&
                        what->out != SLOT_MEAN && what->out != SLOT_RSTD;
    setup s = plain(NRM_AUTO, layout);
    long double ratio = -1;
    nrm_desc d;
    nrm_args a;
    ref r;
    if (problem_volume(&f.p->d) && promised_inputs(f.p, running)) {
        r = oracle_of(f.p, &d, &a);
        if (running) ref_use_running(&r, f.p->value[SLOT_RUNNING_MEAN],
                                     f.p->value[SLOT_RUNNING_VAR]);
        if (finite_sums(&r) && (!gradient || promised_gradients(f.p, &r))) {
            outcome *o;
            if (gradient) oracle_backward(f.p, &r, &a, running);
            o = run(f.p, what->verb, &s);
            if (o->value[what->out]) ratio = worst_of(oracle_compare(&r, o, what->out));
            outcome_free(o);
        }
        ref_free(&r);
    }
    case_free(&f);
    return ratio;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* A few values, or a few hundred: errors of statistics need many, those of a single value few. */
static genome draw_genome(gen *g, nrm_kind kind, const pass *what)
{
    genome in;
    size_t i;
    memset(&in, 0, sizeof in);
    in.size = DECODE_HEAD + DECODE_EDIT * gen_below(g, 8);
    for (i = 0; i < in.size; ++i) in.data[i] = (unsigned char)gen_u64(g);
    in.data[3] = (unsigned char)gen_below(g, 160); /* 1000 values at most, 260 mostly */
    for (i = 4; i < 10; i += 2)
        in.data[i] = (unsigned char)gen_below(g, gen_one_in(g, 3) ? 24 : 10);
    in.data[12] = gen_one_in(g, 2) ? 0 : in.data[12]; /* eps 1e-5 */
    in.ratio = -1;
    settle(&in, kind, what);
    return in;
}

static void put_u32(unsigned char *at, uint32_t u)
{
    int i;
    for (i = 0; i < 4; ++i) at[i] = (unsigned char)(u >> 8 * i);
}

static uint32_t get_u32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Another value at one place: a new one, or the one that is there nudged. */
static void change_edit(gen *g, genome *in)
{
    const size_t count = (in->size - DECODE_HEAD) / DECODE_EDIT;
    unsigned char *at;
    if (!count || (count < MOST_EDITS && gen_one_in(g, 3))) {
        at = in->data + DECODE_HEAD + count * DECODE_EDIT;
        in->size = DECODE_HEAD + (count + 1) * DECODE_EDIT;
        at[0] = (unsigned char)gen_u64(g);
        at[1] = (unsigned char)gen_u64(g), at[2] = gen_one_in(g, 4);
        at[3] = gen_one_in(g, 4) ? (unsigned char)gen_below(g, 12) : 15;
        put_u32(at + 4, bits_f32((float)(gen_normal(g) * ldexp(1, (int)gen_below(g, 24) - 6))));
        return;
    }
    at = in->data + DECODE_HEAD + gen_below(g, count) * DECODE_EDIT;
    switch (gen_below(g, 5)) {
    case 0: at[gen_below(g, DECODE_EDIT)] = (unsigned char)gen_u64(g); break;
    case 1: put_u32(at + 4, get_u32(at + 4) + 1); break;
    case 2: put_u32(at + 4, get_u32(at + 4) - 1); break;
    case 3: put_u32(at + 4, get_u32(at + 4) ^ (uint32_t)1 << gen_below(g, 24)); break;
    default: put_u32(at + 4, get_u32(at + 4) ^ (uint32_t)1 << (23 + gen_below(g, 9)));
    }
}

static genome change(gen *g, const genome *from)
{
    genome in = *from;
    size_t times = 1 + gen_below(g, 3);
    for (; times > 0; --times) {
        if (gen_one_in(g, 3)) { /* not the kind, the type or the family */
            const size_t at = 3 + gen_below(g, DECODE_HEAD - 3);
            if (at == 3) continue;
            in.data[at] = gen_one_in(g, 3) ? (unsigned char)(in.data[at] + 1 - 2 * gen_below(g, 2))
                                           : (unsigned char)gen_u64(g);
        } else {
            change_edit(g, &in);
        }
    }
    return in;
}

/* ---- one climb ------------------------------------------------------------------------------- */

#define PATIENCE 400 /* changes without gain, until another start is made */

static double now_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static genome climb(nrm_kind kind, nrm_layout layout, const pass *what, double seconds,
                    unsigned long *tried)
{
    gen g = gen_seed(options.seed * 1000 + (uint64_t)kind * 100 + (uint64_t)layout * 50 +
                     (uint64_t)(what - passes));
    const double end = now_seconds() + seconds;
    genome best, here;
    unsigned long step, since = PATIENCE;
    memset(&best, 0, sizeof best);
    best.ratio = -1, here = best;
    for (step = 0; options.steps ? step < options.steps : now_seconds() < end; ++step, ++since) {
        genome next;
        if (since >= PATIENCE) { /* a new start, or the best again */
            here = best.ratio > 0 && gen_one_in(&g, 3) ? best : draw_genome(&g, kind, what);
            if (here.ratio < 0) here.ratio = error_of(&here, what, layout);
            since = 0;
        }
        next = change(&g, &here);
        settle(&next, kind, what);
        next.ratio = error_of(&next, what, layout);
        if (next.ratio > here.ratio) since = 0;
        if (next.ratio >= here.ratio) here = next;
        if (here.ratio > best.ratio) best = here;
    }
    *tried += step;
    return best;
}

static void keep_genome(const genome *in, nrm_kind kind, nrm_layout layout, const pass *what)
{
    char name[1000], *at;
    FILE *file;
    if (!options.keep || in->ratio < 0) return;
    snprintf(name, sizeof name, "%s/worst-%s-%s-%s", options.keep, kind_name[kind],
             layout_name[layout], what->name);
    for (at = name; *at; ++at)
        if (*at == ' ') *at = '-';
    file = fopen(name, "wb");
    if (!file) return;
    fwrite(in->data, 1, in->size, file);
    fclose(file);
}

static void print_shape(const genome *in)
{
    fuzz_case f = case_decode(in->data, in->size);
    const nrm_desc *d = &f.p->d;
    printf("   n %zu, c %zu, s %zu, eps %.3g, %s\n", d->n, d->c, d->s, d->eps,
           gen_dist_name[f.from[SLOT_X].dist[0]]);
    case_free(&f);
}

/* ---- the table ------------------------------------------------------------------------------- */

static int is_there(nrm_kind kind, const pass *what)
{
    if (options.kind >= 0 && options.kind != (int)kind) return 0;
    if (kind == NRM_RMS && what->out == SLOT_MEAN) return 0;
    return verb_fits(what->verb, kind);
}

static int parse_options(int argc, char **argv)
{
    int i, kind;
    for (i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--seconds"))
            options.seconds = atof(value);
        else if (!strcmp(argv[i], "--steps"))
            options.steps = strtoul(value, NULL, 10);
        else if (!strcmp(argv[i], "--seed"))
            options.seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i], "--keep"))
            options.keep = value;
        else if (!strcmp(argv[i], "--kind")) {
            for (kind = 0; kind < 5; ++kind)
                if (!strcmp(value, kind_name[kind])) options.kind = kind;
        } else
            return 0;
    }
    return i == argc;
}

int main(int argc, char **argv)
{
    size_t what, rows = 0;
    unsigned long tried = 0;
    long double most = 0;
    int kind, layout;
    if (!parse_options(argc, argv)) {
        fprintf(stderr, "search [--seconds 60] [--steps N] [--seed N] [--keep FOLDER] "
                        "[--kind NAME]\n");
        return EXIT_FAILURE;
    }
    report.go_on = 1, report.quiet = 1;
    for (kind = 0; kind < 5; ++kind)
        for (what = 0; what < COUNT(passes); ++what)
            rows += 2 * (size_t)is_there((nrm_kind)kind, &passes[what]);
    printf("seed %llu\n%-9s %-7s %-16s %s\n", (unsigned long long)options.seed, "kind", "layout",
           "result", "worst error in units of the bound");
    for (kind = 0; kind < 5; ++kind)
        for (what = 0; what < COUNT(passes); ++what)
            for (layout = 0; layout < 2 && is_there((nrm_kind)kind, &passes[what]); ++layout) {
                genome worst = climb((nrm_kind)kind, (nrm_layout)layout, &passes[what],
                                     options.seconds / (double)rows, &tried);
                printf("%-9s %-7s %-16s %.3Lf", kind_name[kind], layout_name[layout],
                       passes[what].name, worst.ratio);
                print_shape(&worst);
                fflush(stdout);
                keep_genome(&worst, (nrm_kind)kind, (nrm_layout)layout, &passes[what]);
                if (worst.ratio > most) most = worst.ratio;
            }
    printf("%lu inputs tried; worst of all %.3Lf\n", tried, most);
    return most <= 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
