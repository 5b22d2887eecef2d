/* peers.c - every layer of shapes.h as layer.h times it: beside the limit, plain loops and other
 * libraries, with the errors of all.
 *
 *     make bench-peers                       one thread, then two when the machine is quiet
 *     make bench-peers ARGS="--only 'layer backward'"
 *     build/bench/peers [--only TEXT] [--set NAME] [--words WORDS] [--seconds S] [--peers NAMES]
 *                       [--list] [--out FILE]
 *
 *     --only TEXT      cases whose words contain TEXT, as --list prints them
 *     --set NAME       one set alone: usual (float, one thread), types, malloc (tensors begin 16
 *                      bytes past a line of the cache), threads; or all: the shapes that a run by
 *                      default leaves out, too
 *     --words WORDS    more words for each case: avx2, threads=4, f16
 *     --seconds S      how long the contenders of a case take turns: 0.7
 *
 * Each case runs in a process of its own, so that a library that crashes ends its case alone, and
 * all memory is new. Working sets of 12 to 26 MB vary up to 1.8 times between processes, by the
 * physical pages they were given: run it several times.
 *
 * FILE, build/bench/peers.jsonl, gets a line about the machine and then one for each case and
 * layout; bench/results.pl makes bench/results/<processor>.json of it.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#include "layer.h"
#include "machine.h"
#include "shapes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tests/support/types.h"

#define MAX_ROWS 2048
#define COLUMN 16

static struct {
    const char *only, *set, *words, *peers, *out;
    double seconds;
    int list;
} opt = {"", "", "", PEERS_ALL, "build/bench/peers.jsonl", 0.7, 0};

/* What the summary needs of a row; the processes of the cases write here. */
struct summary {
    char name[96];
    double best, low, high, share; /* ours over the fastest, its quartiles; best: 0: alone */
    char fastest[24];
};

static struct totals {
    size_t rows, refused, busy;
    uint64_t patience; /* for a quiet machine, ns */
    struct summary row[MAX_ROWS];
} *totals;

static FILE *out;

/* ---- A row ---------------------------------------------------------------------------------- */

/* 12.3 (0.41): microseconds and the worst error. */
static const char *cell(const struct layer_figure *f, char *text)
{
    const double us = 1e6 * f->seconds;
    if (f->name && !f->k) return "wrong";
    if (!f->k) return "-";
    sprintf(text, "%.*f (%.*g)", us < 9.995 ? 2 : us < 99.95, us, f->error < 1 ? 2 : 3, f->error);
    return text;
}

static void print_head(void)
{
    int i;
    printf("us (worst error, 1 is the bound of normalize.h)\n%-58s %6s %*s %*s", "case", "limit",
           COLUMN, "ours", COLUMN, "plain loops");
    for (i = 0; i < layer_peers; ++i) printf(" %*s", COLUMN, layer_peer[i]->name);
    printf(" %9s %11s\n", "ours/best", "quartiles");
    fflush(stdout);
}

static void note_summary(const char *name, nrm_layout layout)
{
    const struct layer_figure *ours = &layer_figures(layout)[OURS], *best = layer_fastest(layout);
    struct summary *s;
    if (totals->rows == MAX_ROWS) return;
    s = &totals->row[totals->rows++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->share = ours->share;
    if (!best) return;
    s->best = layer_ratio(ours, best, 0.5);
    s->low = layer_ratio(ours, best, 0.25), s->high = layer_ratio(ours, best, 0.75);
    snprintf(s->fastest, sizeof s->fastest, "%s", best->name);
}

static void print_row(nrm_layout layout)
{
    const struct layer_figure *who = layer_figures(layout);
    const struct summary *s;
    char name[96], text[64], threads[32] = "";
    int i;
    if (layer.threads > 1) sprintf(threads, " %zu threads", layer.threads);
    snprintf(name, sizeof name, "%s %s %s %s%s%s%s%s%s", kind_name[layer.kind], layer_pass(),
             layer_layout(layout), layer_shape(), layer.dtype ? " " : "",
             layer.dtype ? type_name[layer.dtype] : "", *layer_options() ? " " : "",
             layer_options(), threads);
    note_summary(name, layout);
    s = &totals->row[totals->rows - 1];
    printf("%-58s %5.0f%%", name, 100 * who[OURS].share);
    for (i = 0; i < FIRST_PEER + layer_peers; ++i) {
        printf(" %*s", COLUMN, cell(&who[i], text));
        totals->refused += *who[i].refused != 0;
    }
    if (s->best > 0) printf(" %9.2f %5.2f-%.2f", s->best, s->low, s->high);
    printf("\n");
    fflush(stdout);
}

/* ---- A row as JSON -------------------------------------------------------------------------- */

static void write_number(const char *key, double v, const char *format)
{
    fprintf(out, ", \"%s\": ", key);
    if (v > 0 && v < 1e300) fprintf(out, format, v);
    else if (v == 0) fprintf(out, "0");
    else fprintf(out, "null");
}

static void write_peers(const struct layer_figure *who)
{
    const char *between = "";
    int i;
    fprintf(out, ", \"peers\": {");
    for (i = FIRST_PEER; i < MOST; ++i) {
        if (!who[i].name) continue;
        fprintf(out, "%s\"%s\": {\"note\": \"%s\"", between, who[i].id, who[i].refused);
        write_number("us", who[i].k ? 1e6 * who[i].seconds : -1, "%.4g");
        write_number("error", who[i].k ? who[i].error : -1, "%.3g");
        write_number("ratio", who[i].k ? layer_ratio(&who[OURS], &who[i], 0.5) : -1, "%.3f");
        write_number("low", who[i].k ? layer_ratio(&who[OURS], &who[i], 0.25) : -1, "%.3f");
        write_number("high", who[i].k ? layer_ratio(&who[OURS], &who[i], 0.75) : -1, "%.3f");
        fprintf(out, "}");
        between = ", ";
    }
    fprintf(out, "}");
}

static void write_row(const char *model, nrm_layout layout)
{
    const struct layer_figure *who = layer_figures(layout);
    const int loops = who[PLAIN].k && layer.threads == 1;
    fprintf(out,
            "{\"kind\": \"%s\", \"pass\": \"%s\", \"layout\": \"%s\", \"shape\": \"%s\", "
            "\"model\": \"%s\", \"dtype\": \"%s\", \"threads\": %zu, \"options\": \"%s\"",
            kind_name[layer.kind], layer_pass(), layer_layout(layout), layer_shape(), model,
            type_name[layer.dtype], layer.threads, layer_options());
    if (layer.threads > 1) fprintf(out, ", \"quiet\": %s", layer.quiet ? "true" : "false");
    write_number("ours_us", 1e6 * who[OURS].seconds, "%.4g");
    write_number("gbs", 1e-9 * layer_moved() / who[OURS].seconds, "%.4g");
    write_number("limit_us", 1e6 * layer_limit.seconds, "%.4g");
    write_number("share", who[OURS].share, "%.4f");
    write_number("error", who[OURS].error, "%.3g");
    write_number("loops_us", loops ? 1e6 * who[PLAIN].seconds : -1, "%.4g");
    write_number("loops_error", loops ? who[PLAIN].error : -1, "%.3g");
    write_peers(who);
    fprintf(out, "}\n");
}

/* ---- Cases ---------------------------------------------------------------------------------- */

/* Runs it in a process of its own; 0 where that ended badly. */
static int in_process(void (*work)(const char *text, const char *model), const char *text,
                      const char *model)
{
    int status = 0;
    pid_t id;
    fflush(NULL);
    id = fork();
    if (id < 0) peers_die("fork", "no more processes");
    if (!id) {
        work(text, model);
        fflush(NULL);
        _exit(EXIT_SUCCESS);
    }
    if (waitpid(id, &status, 0) < 0 || status) {
        printf("WRONG %s: the process ended with status %d\n", text, status);
        return 0;
    }
    return 1;
}

static void run_case(const char *text, const char *model)
{
    char words[256], *argv[2] = {NULL, words};
    int i, l;
    snprintf(words, sizeof words, "%s", text);
    layer_read(2, argv);
    for (i = 0; i < layer_peers; ++i)
        layer_peer[i]->start((int)layer.threads, (nrm_isa)layer.isa);
    layer_measure(opt.seconds, &totals->patience);
    totals->busy += !layer.quiet;
    for (l = 0; l < 2; ++l) {
        if (!layer_figures((nrm_layout)l)) continue;
        print_row((nrm_layout)l);
        write_row(model, (nrm_layout)l);
    }
}

/* Who takes part, in the first lines of both. */
static void describe(const char *text, const char *model)
{
    const char *between = "";
    int i;
    (void)text, (void)model;
    printf("normalize.h %d.%d.%d (%s)", NRM_VERSION_MAJOR, NRM_VERSION_MINOR, NRM_VERSION_PATCH,
           nrm_isa_name(nrm_best_isa()));
    fprintf(out, "{");
    machine_write(out);
    fprintf(out, ", \"peers\": [");
    for (i = 0; i < layer_peers; ++i, between = ", ") {
        const char *version = layer_peer[i]->start(1, NRM_AUTO);
        printf(", %s %s", layer_peer[i]->name, version);
        fprintf(out, "%s{\"id\": \"%s\", \"name\": \"%s\", \"version\": \"%s\"}", between,
                layer_peer[i]->id, layer_peer[i]->name, version);
    }
    printf("\n");
    fprintf(out, "]}\n");
}

static size_t ran, failed;

static void take(const char *text, const char *model)
{
    char words[256];
    snprintf(words, sizeof words, "%s%s%s", text, *opt.words ? " " : "", opt.words);
    if (!strstr(words, opt.only)) return;
    ++ran;
    if (opt.list) printf("%s\n", words);
    else failed += !in_process(run_case, words, model);
}

static int wants(const char *set)
{
    return !*opt.set || !strcmp(opt.set, set) || !strcmp(opt.set, "all");
}

static size_t values_of(const shape *s)
{
    return s->n * s->c * (s->h ? s->h * s->w : 1);
}

/* Two threads come last. */
static void take_shape(const shape *s, int pass, int threads)
{
    static const char *const pass_word[] = {"forward", "infer", "backward"};
    char text[160];
    int length;
    if (s->flags & SWEEP) return;
    if (!s->flags && strcmp(opt.set, "all")) return;
    if (pass == 1 && s->kind != NRM_BATCH) return;
    length = sprintf(text, "%s %s %zux%zu", kind_name[s->kind],
                     pass == 0 && s->kind == NRM_BATCH ? "train" : pass_word[pass], s->n, s->c);
    if (s->h) length += sprintf(text + length, "x%zux%zu", s->h, s->w);
    if (s->kind == NRM_GROUP) length += sprintf(text + length, " groups=%zu", s->groups);
    if (s->flags & SLICE)
        length += sprintf(text + length, " nhwc pitch=%zu inplace", shape_pitch(s));
    if (s->flags & SLICE && pass) return; /* in place: forward alone */
    if (threads) {
        sprintf(text + length, " threads=2");
        if (values_of(s) >= 131072 && wants("threads")) take(text, s->model);
        return;
    }
    if (wants("usual")) take(text, s->model);
    sprintf(text + length, " bf16");
    if (s->flags & TYPES && wants("types")) take(text, s->model);
    sprintf(text + length, " off=4");
    if (s->flags & MAIN && wants("malloc")) take(text, s->model);
}

static void take_all(void)
{
    const int most = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    int threads, pass;
    size_t i;
    for (threads = 0; threads <= most; ++threads)
        for (i = 0; i < sizeof shapes / sizeof *shapes; ++i)
            for (pass = 0; pass < 3; ++pass) take_shape(&shapes[i], pass, threads);
    if (!ran) peers_die(opt.only, "no such case; --list prints them all");
}

/* ---- What it comes to ----------------------------------------------------------------------- */

static int by_ratio(const void *a, const void *b)
{
    const double p = ((const struct summary *)a)->best, q = ((const struct summary *)b)->best;
    return (p < q) - (p > q);
}

static void print_summary(void)
{
    double sum = 0;
    size_t i, with = 0, slower = 0;
    qsort(totals->row, totals->rows, sizeof *totals->row, by_ratio);
    printf("\nworst first\n%9s %11s %6s  %-14s %s\n", "ours/best", "quartiles", "limit", "fastest",
           "case");
    for (i = 0; i < totals->rows; ++i) {
        const struct summary *s = &totals->row[i];
        if (!(s->best > 0)) continue;
        if (i < 25)
            printf("%9.2f %5.2f-%5.2f %5.0f%%  %-14s %s\n", s->best, s->low, s->high,
                   100 * s->share, s->fastest, s->name);
        ++with, sum += log(s->best), slower += s->best > 1;
    }
    printf("\n%zu rows, %zu with somebody beside ours", totals->rows, with);
    if (with)
        printf(": ours is slower than the fastest of plain loops and libraries in %zu; geometric "
               "mean of ours/best %.2f", slower, exp(sum / (double)with));
    printf("\n");
    if (totals->refused)
        printf("%zu cells say wrong: another result than ours, not timed\n", totals->refused);
    if (totals->busy)
        printf("%zu cases with threads were taken while the machine was busy\n", totals->busy);
}

/* ---- Main ----------------------------------------------------------------------------------- */

static void read_options(int argc, char **argv)
{
    static const char unknown[] = "unknown, or its value is missing; there are --only --set "
                                  "--words --seconds --peers --list --out";
    static const char sets[] = " usual types malloc threads all ";
    char word[32];
    int i;
    for (i = 1; i < argc; ++i) {
        const char *name = argv[i];
        if (!strcmp(name, "--list")) {
            opt.list = 1;
            continue;
        }
        if (++i == argc) peers_die(name, unknown);
        if (!strcmp(name, "--only")) opt.only = argv[i];
        else if (!strcmp(name, "--set")) opt.set = argv[i];
        else if (!strcmp(name, "--words")) opt.words = argv[i];
        else if (!strcmp(name, "--seconds")) opt.seconds = atof(argv[i]);
        else if (!strcmp(name, "--peers")) opt.peers = argv[i];
        else if (!strcmp(name, "--out")) opt.out = argv[i];
        else peers_die(name, unknown);
    }
    snprintf(word, sizeof word, " %.20s ", opt.set);
    if (*opt.set && !strstr(sets, word))
        peers_die(opt.set, "a set is one of usual, types, malloc, threads, all");
    if (!(opt.seconds > 0 && opt.seconds <= 60)) peers_die("--seconds", "above 0, up to 60");
}

int main(int argc, char **argv)
{
    const char *env = getenv("STRICT");
    read_options(argc, argv);
    if (opt.list) {
        take_all();
        return EXIT_SUCCESS;
    }
    totals = (struct totals *)mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (totals == MAP_FAILED) peers_die("memory", "none left");
    totals->patience = UINT64_C(60000000000);
    out = fopen(opt.out, "w");
    if (!out) peers_die(opt.out, "cannot be written; run from the top of the tree");
    layer_load(opt.peers);
    if (!in_process(describe, "the libraries", "")) return EXIT_FAILURE;
    print_head();
    take_all();
    print_summary();
    if (fclose(out)) peers_die(opt.out, "not written");
    if (layer_skipped) printf("%d libraries are not here\n", layer_skipped);
    return failed || (env && *env && strcmp(env, "0") && layer_skipped) ? EXIT_FAILURE
                                                                       : EXIT_SUCCESS;
}
