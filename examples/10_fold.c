/* A 3 x 3 convolution with the batch norm after it, against the same convolution with the batch
   norm folded into its weights and bias: one reading of the data less, and the same numbers but
   for the rounding of the weights.
       cc -O2 examples/10_fold.c -lm && ./a.out                                                */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { IN = 3, OUT = 32, HIGH = 112, WIDE = 112, SIZE = HIGH * WIDE, K = IN * 9 };

/* A number between -1 and 1. */
static float noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

/* y[OUT][HIGH][WIDE] from x[IN][HIGH + 2][WIDE + 2], which has a border of zeros; weight is
   [OUT][IN][3][3]: K weights in a row for each channel of y, as nrm_fold wants them. */
static void convolution(float *y, const float *x, const float *weight, const float *bias)
{
    for (int o = 0; o < OUT; ++o)
        for (int row = 0; row < HIGH; ++row) {
            float *to = y + (o * HIGH + row) * WIDE;
            for (int col = 0; col < WIDE; ++col) to[col] = bias ? bias[o] : 0;
            for (int k = 0; k < K; ++k) {
                const float w = weight[o * K + k];
                const float *from = x + (k / 9 * (HIGH + 2) + row + k / 3 % 3) * (WIDE + 2) + k % 3;
                for (int col = 0; col < WIDE; ++col) to[col] += w * from[col];
            }
        }
}

static double microseconds(clock_t from, clock_t to)
{
    return (double)(to - from) * 1e6 / CLOCKS_PER_SEC;
}

int main(void)
{
    static float x[IN * (HIGH + 2) * (WIDE + 2)], y[OUT * SIZE], folded[OUT * SIZE];
    float weight[OUT * K], folded_weight[OUT * K], bias[OUT], folded_bias[OUT];
    float mean[OUT], var[OUT], gamma[OUT], beta[OUT];
    double fastest[3] = {1e9, 1e9, 1e9}, most = 0, largest = 0;
    nrm_status status;
    int same;

    for (int i = 0; i < IN; ++i)
        for (int k = 0; k < SIZE; ++k)
            x[(i * (HIGH + 2) + k / WIDE + 1) * (WIDE + 2) + k % WIDE + 1] = noise();
    for (int i = 0; i < OUT * K; ++i) weight[i] = 0.3f * noise();
    for (int j = 0; j < OUT; ++j) {
        mean[j] = 0.2f * noise(), var[j] = 0.3f + 0.2f * noise();
        gamma[j] = 1 + 0.5f * noise(), beta[j] = noise();
    }

    /* Before a batch norm, a convolution has no bias (NULL); after folding it has one. */
    status = nrm_fold(folded_weight, folded_bias, weight, NULL, OUT, K, mean, var, gamma, beta,
                      1e-5);
    for (int run = 0; run < 20 && !status; ++run) {
        clock_t at[4];
        at[0] = clock();
        convolution(y, x, weight, NULL);
        at[1] = clock();
        status = nrm_batchnorm_infer(y, y, 1, OUT, SIZE, NRM_NCHW, mean, var, gamma, beta, 1e-5);
        at[2] = clock();
        convolution(folded, x, folded_weight, folded_bias);
        at[3] = clock();
        for (int i = 0; i < 3; ++i) fastest[i] = fmin(fastest[i], microseconds(at[i], at[i + 1]));
    }
    if (status) return fprintf(stderr, "%s\n", nrm_status_string(status)), 1;
    for (int i = 0; i < OUT * SIZE; ++i) {
        most = fmax(most, fabs((double)y[i] - (double)folded[i]));
        largest = fmax(largest, fabs((double)y[i]));
    }

    printf("3 x 3 convolution, %d to %d channels of %d x %d, in plain C\n", IN, OUT, HIGH, WIDE);
    printf("convolution           %6.0f us\n", fastest[0]);
    printf("batch norm after it   %6.0f us\n", fastest[1]);
    printf("folded convolution    %6.0f us, instead of both\n", fastest[2]);
    printf("outputs up to %.2f, differing by at most %.1e\n", largest, most);

    /* In place, as a program that loads a model would do it; here with a bias, of zeros. */
    memset(bias, 0, sizeof bias);
    status = nrm_fold(weight, bias, weight, bias, OUT, K, mean, var, gamma, beta, 1e-5);
    if (status) return fprintf(stderr, "%s\n", nrm_status_string(status)), 1;
    same = !memcmp(weight, folded_weight, sizeof weight) && !memcmp(bias, folded_bias, sizeof bias);
    printf("folded in place: %s\n", same ? "the same bits" : "OTHER BITS");
    return !(same && most < 1e-5 && largest > 1);
}
