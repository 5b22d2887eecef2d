/* time.c - one layer of your own: NCHW or NHWC, how far from the limit, and is anything faster?
 *
 *     make time CASE="batch train 8x96x28x28"
 *     build/bench/time layer backward 4096x768 bf16 threads=2
 *
 * The words of a case, and how it is timed: layer.h. The turns last two seconds. The exit status is
 * 2 where the case is not one.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L
#endif
#include "layer.h"

#include <stdio.h>

#include "../tests/support/types.h"

#define SECONDS_OF_TURNS 2.0

/* Three digits, whatever the size. */
static const char *digits(double v, char *text)
{
    if (v >= 99.95) sprintf(text, "%.0f", v);
    else sprintf(text, "%.*f", v >= 9.995 ? 1 : 2, v);
    return text;
}

static const char *error_text(double error, char *text)
{
    if (!(error < 1e300)) strcpy(text, "NaN");
    else if (error >= 1e4) sprintf(text, "%.1e", error);
    else digits(error, text);
    return text;
}

static void print_head(void)
{
    static const char *const type[] = {"float", "double", "bf16", "f16"};
    const char *options = layer_options();
    const nrm_isa isa = layer.isa ? (nrm_isa)layer.isa : nrm_best_isa();
    printf("%s norm, %s, %s, %s%s%s; %s, %zu thread%s\n",
           layer.kind == NRM_RMS ? "RMS" : kind_name[layer.kind], layer_pass(), layer_shape(),
           type[layer.dtype], *options ? ", " : "", options, nrm_isa_name(isa), layer.threads,
           layer.threads > 1 ? "s" : "");
}

static void print_row(const char *layout, const char *name, const struct layer_figure *f)
{
    char us[32], speed[32], worst[32];
    printf("%-5s %-14s %12s %9s %9.0f%%  %12s\n", layout, name, digits(1e6 * f->seconds, us),
           digits(1e-9 * layer_moved() / f->seconds, speed), 100 * f->share,
           f == &layer_limit ? "" : error_text(f->error, worst));
}

static void print_table(void)
{
    int l, i;
    printf("\n%-5s %-14s %12s %9s %10s  %12s\n", "", "", "microseconds", "GB/s", "of limit",
           "worst error");
    for (l = 0; l < 2; ++l) {
        const struct layer_figure *who = layer_figures((nrm_layout)l);
        for (i = 0; who && i < MOST; ++i)
            if (who[i].k) print_row(i ? "" : layer_layout((nrm_layout)l), who[i].name, &who[i]);
            else if (who[i].name) printf("%-5s %-14s %s\n", "", who[i].name, who[i].refused);
    }
    print_row("", "limit", &layer_limit);
    printf("\nlimit: each tensor is moved once. Errors: 1 is the bound of normalize.h.\n");
    if (layer.dtype != NRM_F32) printf("The plain loops compute float alone.\n");
    else if (layer.threads > 1) printf("The plain loops run on one thread.\n");
    if (layer.relu || layer.residual)
        printf("relu and residual are loops of their own beside the plain loops.\n");
    if (layer.inplace) printf("In place: ours and the plain loops; the libraries write apart.\n");
    if (!layer.quiet) printf("The machine was busy: with threads that says little.\n");
}

/* Who is fastest in this layout, beside ours. */
static void print_fastest(nrm_layout layout)
{
    const struct layer_figure *best = layer_fastest(layout);
    const char *where = !layer.h ? "" : layout ? " in NHWC" : " in NCHW";
    double ratio;
    if (!best) return;
    ratio = layer_ratio(&layer_figures(layout)[OURS], best, 0.5);
    if (ratio > 1.05)
        printf("Faster%s: %s; normalize.h takes %.2f times its time.\n", where, best->name, ratio);
    else if (ratio >= 0.95)
        printf("As fast%s as normalize.h: %s.\n", where, best->name);
    else
        printf("Fastest%s: normalize.h; next comes %s, in %.2f times its time.\n", where,
               best->name, 1 / ratio);
}

static void print_verdict(void)
{
    const struct layer_figure *nchw = layer_figures(NRM_NCHW), *nhwc = layer_figures(NRM_NHWC);
    putchar('\n');
    if (nchw && nhwc) {
        const double ratio = layer_ratio(&nchw[OURS], &nhwc[OURS], 0.5);
        if (ratio > 1 / 1.05 && ratio < 1.05)
            printf("NCHW or NHWC: the same, within 5%%.\n");
        else
            printf("%s is the faster layout: %s takes %.2f times as long.\n",
                   ratio > 1 ? "NHWC" : "NCHW", ratio > 1 ? "NCHW" : "NHWC",
                   ratio > 1 ? ratio : 1 / ratio);
    }
    if (nchw) print_fastest(NRM_NCHW);
    if (nhwc) print_fastest(NRM_NHWC);
}

int main(int argc, char **argv)
{
    uint64_t patience = UINT64_C(5000000000);
    int i;
    layer_read(argc, argv);
    print_head();
    layer_load(PEERS_ALL);
    for (i = 0; i < layer_peers; ++i)
        printf("%s%s %s%s", i ? ", " : "beside ", layer_peer[i]->name,
               layer_peer[i]->start((int)layer.threads, (nrm_isa)layer.isa),
               i == layer_peers - 1 ? "\n" : "");
    fflush(stdout);
    layer_measure(SECONDS_OF_TURNS, &patience);
    print_table();
    print_verdict();
    return EXIT_SUCCESS;
}
