/* Batch norm: training moves the running statistics, inference uses them.
       cc -O2 examples/02_batchnorm_train.c -lm && ./a.out                                     */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>

enum { N = 8, C = 3, S = 16 * 16, STEPS = 100 };

/* A number between -1 and 1; its variance is 1/3. */
static double noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (double)(state >> 8) / 8388608.0 - 1.0;
}

int main(void)
{
    static const double centre[C] = {-3, 0, 500}, width[C] = {0.1, 1, 20};
    static float x[N * C * S], y[N * C * S];
    float gamma[C] = {1, 1, 1}, beta[C] = {0, 0, 0}, mean[C] = {0, 0, 0}, var[C] = {1, 1, 1};
    nrm_desc desc = {.n = N, .c = C, .s = S, .kind = NRM_BATCH, .layout = NRM_NCHW, .eps = 1e-5};
    nrm_args args = {.x = x, .y = y, .gamma = gamma, .beta = beta,
                     .running_mean = mean, .running_var = var, .running_rate = 0.1};
    char why[160];
    int step, i, j, k, bad = 0;

    for (step = 0; step <= STEPS; ++step) {
        const nrm_verb verb = step < STEPS ? NRM_FORWARD : NRM_INFER;
        for (i = 0; i < N * C * S; ++i) {
            j = i / S % C;
            x[i] = (float)(centre[j] + width[j] * noise());
        }
        /* running = 0.9 * running + 0.1 * batch; the last batch is inference and moves nothing. */
        if (verb == NRM_FORWARD ? nrm_forward(&desc, &args) : nrm_infer(&desc, &args)) {
            nrm_explain(verb, &desc, &args, why, sizeof why);
            return fprintf(stderr, "%s\n", why), 1;
        }
    }

    printf("channel  running mean (true)     running var (true)        infer: mean    std\n");
    for (j = 0; j < C; ++j) {
        double sum = 0, squares = 0, m = (double)N * S, std;
        for (i = 0; i < N; ++i)
            for (k = 0; k < S; ++k) sum += (double)y[(i * C + j) * S + k];
        for (i = 0; i < N; ++i)
            for (k = 0; k < S; ++k) squares += pow((double)y[(i * C + j) * S + k] - sum / m, 2);
        std = sqrt(squares / m);
        printf("%7d  %12.4f (%g)  %14.4g (%.4g)  %16.4f %6.3f\n", j, (double)mean[j], centre[j],
               (double)var[j], width[j] * width[j] / 3, sum / m, std);
        bad |= fabs(sum / m) > 0.1 || fabs(std - 1) > 0.05;
    }
    return bad;
}
