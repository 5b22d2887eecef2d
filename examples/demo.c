/* What normalize.h promises, shown on this machine in a second.
       cc -O1 examples/demo.c -lm && ./a.out          or: make demo
   It fails if a row is wrong or if a hash is not the one that every machine gives.            */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- 1. Right ------------------------------------------------------------------------------ */

/* var = E[x*x] - E[x]*E[x], in float: cheap, and right only near zero. */
static void naive_layernorm(float *y, const float *x, int cols, float eps)
{
    float sum = 0, squares = 0, mean, var;
    int j;
    for (j = 0; j < cols; ++j) sum += x[j], squares += x[j] * x[j];
    mean = sum / (float)cols;
    var = squares / (float)cols - mean * mean;
    for (j = 0; j < cols; ++j) y[j] = (x[j] - mean) / sqrtf(var + eps);
}

/* Each row is k, k+1, k+2, k+3, so each has the same answer. */
static int show_large_mean(void)
{
    static const float start[] = {0, 1000, 40000, 10000000};
    double worst = 0;
    float x[4], y[4], other[4];
    int i, j;

    printf("1. Right. Layer norm of k, k+1, k+2, k+3 has one answer, however large k is.\n\n");
    printf("         k   normalize.h                        with var = E[x*x] - E[x]*E[x]\n");
    for (i = 0; i < 4; ++i) {
        for (j = 0; j < 4; ++j) x[j] = start[i] + (float)j;
        if (nrm_layernorm(y, x, 1, 4, NULL, NULL, 1e-5)) return 0;
        naive_layernorm(other, x, 4, 1e-5f);
        printf("  %8.0f", (double)start[i]);
        for (j = 0; j < 4; ++j) printf("%8.4f", (double)y[j]);
        printf("   ");
        for (j = 0; j < 4; ++j) {
            if (isnan(other[j]))
                printf("     NaN");
            else
                printf("%8.4f", (double)other[j]);
        }
        printf("\n");
        for (j = 0; j < 4; ++j)
            worst = fmax(worst, fabs((double)y[j] - (j - 1.5) / sqrt(1.25 + 1e-5)));
    }
    return worst < 5e-7;
}

/* ---- 2. Three norms of one tensor ---------------------------------------------------------- */

/* 2 samples of 3 channels of 3 positions, a line for each channel. */
static int show_kinds(void)
{
    static const float x[2][3][3] = {{{1, 2, 3}, {4, 6, 9}, {5, 1, 9}},
                                     {{10, 20, 60}, {-1, 0, 7}, {30, 31, 32}}};
    static const nrm_kind kinds[] = {NRM_BATCH, NRM_LAYER, NRM_INSTANCE};
    float y[3][2][3][3];
    int i, j, k, norm;

    for (norm = 0; norm < 3; ++norm) {
        nrm_desc desc = {.n = 2, .c = 3, .s = 3, .kind = kinds[norm], .eps = 1e-5};
        nrm_args args = {.x = x, .y = y[norm]};
        if (nrm_forward(&desc, &args)) return 0;
    }
    printf("\n2. What each norm averages over. Values with the same letter share a mean.\n\n");
    printf("                      x   batch              layer              instance\n");
    for (i = 0; i < 2; ++i)
        for (j = 0; j < 3; ++j) {
            printf("  image %d ch %d", i, j);
            for (k = 0; k < 3; ++k) printf("%3.0f", (double)x[i][j][k]);
            for (norm = 0; norm < 3; ++norm)
                for (k = 0; k < 3; ++k) {
                    const int group = norm == 0 ? j : norm == 1 ? i * 3 + k : i * 3 + j;
                    printf("%s%4.1f%c", k ? " " : "  ", (double)y[norm][i][j][k], 'a' + group);
                }
            printf("\n");
        }
    return 1;
}

/* ---- 3. The same bits everywhere ----------------------------------------------------------- */

enum { N = 4, C = 48, S = 35, ALL = N * C * S };
static const uint64_t every_machine = UINT64_C(0x8c7d4a5e16d6666e);

/* Where element (i, j, k) of sample, channel and position lies. */
static size_t place(nrm_layout layout, int i, int j, int k)
{
    return (size_t)(layout == NRM_NCHW ? (i * C + j) * S + k : (i * S + k) * C + j);
}

/* FNV-1a over the bits of values. */
static uint64_t hash_float(uint64_t hash, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (hash ^ bits) * UINT64_C(1099511628211);
}

/* y, dx, dgamma and dbeta of all five norms, or 0 if a call fails. */
static uint64_t hash_of(nrm_layout layout, nrm_isa isa)
{
    static float x[ALL], dy[ALL], y[ALL], dx[ALL];
    static double mean[ALL], rstd[ALL];
    float gamma[C], beta[C], dgamma[C], dbeta[C];
    uint64_t hash = UINT64_C(14695981039346656037);
    uint32_t seed = 1;
    nrm_desc desc = {.n = N, .c = C, .s = S, .groups = 8, .layout = layout, .eps = 1e-5};
    nrm_args args = {.x = x, .y = y, .gamma = gamma, .beta = beta, .mean = mean, .rstd = rstd,
                     .dy = dy, .dx = dx, .dgamma = dgamma, .dbeta = dbeta, .isa = isa};
    int i, j, k, kind;

    for (i = 0; i < N; ++i)
        for (j = 0; j < C; ++j)
            for (k = 0; k < S; ++k) {
                seed = seed * 1664525u + 1013904223u;
                x[place(layout, i, j, k)] = (float)(seed >> 8) / 65536 - 100;
                dy[place(layout, i, j, k)] = (float)(seed >> 16) / 65536;
            }
    for (j = 0; j < C; ++j) gamma[j] = 1 + (float)j / 64, beta[j] = (float)j / 8;
    for (kind = NRM_BATCH; kind <= NRM_RMS; ++kind) {
        desc.kind = (nrm_kind)kind;
        if (nrm_forward(&desc, &args) || nrm_backward(&desc, &args)) return 0;
        for (i = 0; i < N; ++i)
            for (j = 0; j < C; ++j)
                for (k = 0; k < S; ++k) {
                    hash = hash_float(hash, y[place(layout, i, j, k)]);
                    hash = hash_float(hash, dx[place(layout, i, j, k)]);
                }
        for (j = 0; j < C; ++j) hash = hash_float(hash_float(hash, dgamma[j]), dbeta[j]);
    }
    return hash;
}

static void print_hash(uint64_t hash)
{
    printf("    %08lx%08lx", (unsigned long)(hash >> 32), (unsigned long)(hash & 0xffffffffu));
}

static int show_same_bits(void)
{
    int isa, layout, same = 1;

    printf("\n3. The same bits everywhere. A hash of y, dx, dgamma, dbeta of all five norms:\n\n");
    printf("                     NCHW                NHWC\n");
    for (isa = NRM_SCALAR; isa <= (int)nrm_best_isa(); ++isa) {
        if (!nrm_has_isa((nrm_isa)isa)) continue;
        printf("  %-15s", nrm_isa_name((nrm_isa)isa));
        for (layout = NRM_NCHW; layout <= NRM_NHWC; ++layout) {
            const uint64_t hash = hash_of((nrm_layout)layout, (nrm_isa)isa);
            print_hash(hash);
            same &= hash == every_machine;
        }
        printf("\n");
    }
    printf("  any machine    ");
    print_hash(every_machine);
    printf("%s\n", same ? "" : "    NOT THE SAME HERE");
    return same;
}

/* ---- 4. Fast ------------------------------------------------------------------------------- */

enum { INFER, FORWARD, BACKWARD, WAYS, RUNS = 9 };

static nrm_status run(int way, const nrm_desc *desc, const nrm_args *args)
{
    return way == INFER ? nrm_infer(desc, args) : way == FORWARD ? nrm_forward(desc, args)
                                                                 : nrm_backward(desc, args);
}

static void keep_best(double *best, clock_t from)
{
    const double time = 1e3 * (double)(clock() - from) / CLOCKS_PER_SEC;
    if (time < *best) *best = time;
}

/* A layer of ResNet-50 in one thread, beside a copy of its tensor: the best of RUNS, in ms. */
static int show_speed(void)
{
    enum { IMAGES = 32, CHANNELS = 64, SIDE = 56, COUNT = IMAGES * CHANNELS * SIDE * SIDE };
    static const char *const name[WAYS] = {"inference", "training, forward", "training, backward"};
    static const int reads[WAYS] = {1, 2, 4}; /* backward: x and dy, for its sums and for dx */
    float *x = (float *)malloc(4 * sizeof(float) * COUNT), *y, *dy, *dx;
    float running_mean[CHANNELS], running_var[CHANNELS], dgamma[CHANNELS], dbeta[CHANNELS];
    double mean[CHANNELS], rstd[CHANNELS], copy = 1e9, best[2][WAYS];
    int way, layout, i, failed = 0;

    if (!x) return printf("\n4. Too little memory.\n"), 0;
    y = x + COUNT, dy = y + COUNT, dx = dy + COUNT;
    for (i = 0; i < 4 * COUNT; ++i) x[i] = (float)(i % 1021) / 512;
    for (i = 0; i < CHANNELS; ++i) running_mean[i] = 0, running_var[i] = 1;
    for (way = 0; way < WAYS; ++way) best[0][way] = best[1][way] = 1e9;
    for (i = 0; i < RUNS; ++i) {
        clock_t from = clock();
        memcpy(y, x, sizeof(float) * COUNT);
        keep_best(&copy, from);
        for (layout = NRM_NCHW; layout <= NRM_NHWC; ++layout)
            for (way = 0; way < WAYS; ++way) {
                nrm_desc desc = {.n = IMAGES, .c = CHANNELS, .s = SIDE * SIDE, .kind = NRM_BATCH,
                                 .layout = (nrm_layout)layout, .eps = 1e-5};
                nrm_args args = {.x = x, .y = y, .mean = mean, .rstd = rstd,
                                 .running_mean = running_mean, .running_var = running_var,
                                 .dy = dy, .dx = dx, .dgamma = dgamma, .dbeta = dbeta};
                from = clock();
                failed |= run(way, &desc, &args) != NRM_OK;
                keep_best(&best[layout][way], from);
            }
    }
    free(x);
    printf("\n4. Fast. Batch norm of %d x %d x %d x %d floats in one thread, beside a copy of\n"
           "   this tensor: memcpy takes %.1f ms to read it once and to write it once.\n\n",
           IMAGES, CHANNELS, SIDE, SIDE, copy);
    printf("                      reads + writes   NCHW                  NHWC\n");
    for (way = 0; way < WAYS; ++way) {
        printf("  %-19s     %d + 1      ", name[way], reads[way]);
        for (layout = NRM_NCHW; layout <= NRM_NHWC; ++layout)
            printf("  %4.1f ms, %3.1f copies", best[layout][way], best[layout][way] / copy);
        printf("\n");
    }
    return !failed;
}

int main(void)
{
    int right;
    printf("normalize.h %d.%d.%d, using %s here\n\n", NRM_VERSION_MAJOR, NRM_VERSION_MINOR,
           NRM_VERSION_PATCH, nrm_isa_name(nrm_best_isa()));
    right = show_large_mean();
    right &= show_kinds();
    right &= show_same_bits();
    right &= show_speed();
    return !right;
}
