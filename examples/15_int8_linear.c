/* RMS norm whose rows come out as int8 with a scale each, into a linear layer with int8 weights:
   the dynamic quantisation of language models. Beside it the same in float, and how far both lie
   apart. A product of row and weights is a sum of integers, times both scales.
       cc -O2 examples/15_int8_linear.c -lm && ./a.out                                           */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 16, WIDTH = 256, OUT = 64 };

static float x[ROWS][WIDTH], y[ROWS][WIDTH], gamma_of[WIDTH], weight[OUT][WIDTH];
static float row_scale[ROWS], weight_scale[OUT];
static int8_t y8[ROWS][WIDTH], weight8[OUT][WIDTH];

/* A number between -1 and 1. */
static float noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static void fill(void)
{
    size_t i, j;
    for (i = 0; i < ROWS; ++i)
        for (j = 0; j < WIDTH; ++j) x[i][j] = noise() + noise() + (j == 7 ? 6.0f : 0.0f);
    for (j = 0; j < WIDTH; ++j) gamma_of[j] = 1.0f + 0.25f * noise();
    for (i = 0; i < OUT; ++i)
        for (j = 0; j < WIDTH; ++j) weight[i][j] = 0.05f * noise();
}

/* Weights in steps, once for all: a scale for each output. */
static void quantise_weights(void)
{
    size_t i, j;
    for (i = 0; i < OUT; ++i) {
        float most = 0;
        for (j = 0; j < WIDTH; ++j) most = fmaxf(most, fabsf(weight[i][j]));
        weight_scale[i] = most / 127;
        for (j = 0; j < WIDTH; ++j)
            weight8[i][j] = (int8_t)nearbyintf(weight[i][j] / weight_scale[i]);
    }
}

static double product(size_t row, size_t out)
{
    double sum = 0;
    size_t j;
    for (j = 0; j < WIDTH; ++j) sum += (double)y[row][j] * (double)weight[out][j];
    return sum;
}

static double product8(size_t row, size_t out)
{
    int32_t sum = 0;
    size_t j;
    for (j = 0; j < WIDTH; ++j) sum += (int32_t)y8[row][j] * (int32_t)weight8[out][j];
    return (double)sum * (double)row_scale[row] * (double)weight_scale[out];
}

int main(void)
{
    nrm_desc desc = {.n = ROWS, .c = WIDTH, .kind = NRM_RMS, .layout = NRM_NHWC, .eps = 1e-6};
    nrm_args args = {.x = x, .y = y, .gamma = gamma_of, .q8 = &y8[0][0], .q8_scale = row_scale};
    double worst = 0, size = 0, steps = 0;
    nrm_status status;
    size_t i, j;
    fill();
    quantise_weights();
    status = nrm_forward(&desc, &args); /* y may be NULL: it is here to compare with */
    if (status) return puts(nrm_status_string(status)), 1;
    for (i = 0; i < ROWS; ++i)
        for (j = 0; j < WIDTH; ++j) {
            const double off = fabs((double)y[i][j] - y8[i][j] * (double)row_scale[i]);
            steps = fmax(steps, off / (double)row_scale[i]);
        }
    for (i = 0; i < ROWS; ++i)
        for (j = 0; j < OUT; ++j) {
            worst = fmax(worst, fabs(product8(i, j) - product(i, j)));
            size = fmax(size, fabs(product(i, j)));
        }
    printf("y in steps: off by %.4f of a step at most\n", steps);
    printf("linear layer in int8: off by %.4f at most, beside outputs of up to %.2f (%.2f%%)\n",
           worst, size, 100 * worst / size);
    return steps <= 0.5001 && worst < 0.03 * size ? 0 : 1;
}
