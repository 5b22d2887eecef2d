/* Sequences of different lengths in one batch: padding is not read and not counted, and comes out
   as zeros. Each sequence has the bits that it has alone.
       cc -O2 examples/14_lengths.c -lm && ./a.out                                               */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SEQUENCES = 3, LONGEST = 5, FEATURES = 4 };

/* Features of a position are neighbours: NHWC. */
static float x[SEQUENCES][LONGEST][FEATURES], y[SEQUENCES][LONGEST][FEATURES];
static const size_t lengths[SEQUENCES] = {5, 2, 0};

static void fill(void)
{
    size_t i, k, j;
    for (i = 0; i < SEQUENCES; ++i)
        for (k = 0; k < LONGEST; ++k)
            for (j = 0; j < FEATURES; ++j)
                x[i][k][j] = k < lengths[i] ? (float)(7 * i + 3 * k + j * j) : (float)NAN;
}

static void print(const char *title)
{
    size_t i, k, j;
    printf("%s\n", title);
    for (i = 0; i < SEQUENCES; ++i)
        for (k = 0; k < LONGEST; ++k) {
            printf("  sequence %zu, position %zu %s", i, k, k < lengths[i] ? "   " : "pad");
            for (j = 0; j < FEATURES; ++j) printf(" %7.4f", (double)y[i][k][j]);
            printf("\n");
        }
}

/* 1 if padding is 0 and sequence i has the bits of a call with it alone. */
static int right(const nrm_desc *desc, size_t i)
{
    float alone[LONGEST][FEATURES];
    nrm_desc one = *desc;
    nrm_args args = {.x = x[i], .y = alone};
    size_t k, j;
    memset(alone, 0, sizeof alone);
    one.n = 1, one.s = lengths[i];
    if (lengths[i] && nrm_forward(&one, &args)) return 0;
    for (k = 0; k < LONGEST; ++k)
        for (j = 0; j < FEATURES; ++j)
            if (memcmp(&alone[k][j], &y[i][k][j], sizeof(float)) != 0) return 0;
    return 1;
}

int main(void)
{
    nrm_desc desc = {.n = SEQUENCES, .c = FEATURES, .s = LONGEST, .kind = NRM_INSTANCE,
                     .layout = NRM_NHWC, .eps = 1e-5};
    nrm_args args = {.x = x, .y = y, .lengths = lengths};
    nrm_moments moments[FEATURES];
    nrm_status status;
    size_t i;
    fill();
    status = nrm_forward(&desc, &args);
    if (status) return puts(nrm_status_string(status)), 1;
    print("instance norm: each feature of a sequence over its positions");
    for (i = 0; i < SEQUENCES; ++i)
        if (!right(&desc, i)) return printf("sequence %zu differs\n", i), 1;
    printf("each sequence has the bits that it has alone\n\n");
    desc.kind = NRM_BATCH;
    status = nrm_forward(&desc, &args);
    if (!status) status = nrm_reduce(&desc, &args, moments);
    if (status) return puts(nrm_status_string(status)), 1;
    print("batch norm: each feature over all positions that are there");
    printf("a mean is of %g values\n", moments[0].count);
    return moments[0].count == 7 ? 0 : 1;
}
