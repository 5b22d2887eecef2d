/* Group norm with ReLU on an NHWC image, in place; the same image as NCHW gives the same bits.
       cc -O2 examples/04_groupnorm_nhwc.c -lm && ./a.out                                      */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <stdio.h>
#include <string.h>

enum { N = 2, C = 32, S = 20 * 20, GROUPS = 8, COUNT = N * C * S };

int main(void)
{
    static float nhwc[COUNT], nchw[COUNT];
    float gamma[C], beta[C];
    double mean[N * GROUPS], rstd[N * GROUPS];
    nrm_desc desc = {.n = N, .c = C, .s = S, .groups = GROUPS, .kind = NRM_GROUP,
                     .layout = NRM_NHWC, .act = NRM_RELU, .eps = 1e-5};
    nrm_args args = {.x = nhwc, .y = nhwc, .gamma = gamma, .beta = beta, .mean = mean,
                     .rstd = rstd};
    nrm_status status;
    char why[160];
    size_t i, j, k, differ = 0, zeros = 0;
    uint32_t state = 1;

    for (j = 0; j < C; ++j) gamma[j] = 1 + (float)j / C, beta[j] = (float)j / C - 0.5f;
    for (i = 0; i < N; ++i)
        for (j = 0; j < C; ++j)
            for (k = 0; k < S; ++k) {
                state = state * 1664525u + 1013904223u;
                nchw[(i * C + j) * S + k] = (float)(state >> 8) / 8388608.0f + (float)j;
                nhwc[(i * S + k) * C + j] = nchw[(i * C + j) * S + k];
            }

    status = nrm_forward(&desc, &args);
    desc.layout = NRM_NCHW;
    args.x = args.y = nchw;
    if (!status) status = nrm_forward(&desc, &args);
    if (status) {
        nrm_explain(NRM_FORWARD, &desc, &args, why, sizeof why);
        return fprintf(stderr, "%s\n", why), 1;
    }

    for (i = 0; i < N; ++i)
        for (j = 0; j < C; ++j)
            for (k = 0; k < S; ++k) {
                const float *a = &nchw[(i * C + j) * S + k], *b = &nhwc[(i * S + k) * C + j];
                differ += memcmp(a, b, sizeof *a) != 0;
                zeros += *b == 0;
            }
    printf("group  mean     1/std   (sample 0; channel j of the input is about j + 1)\n");
    for (i = 0; i < GROUPS; ++i) printf("%5zu  %7.4f  %6.4f\n", i, mean[i], rstd[i]);
    printf("ReLU set %zu of %d values to 0; NHWC and NCHW differ in %zu\n", zeros, COUNT, differ);
    return differ != 0 || zeros == 0 || zeros == COUNT;
}
