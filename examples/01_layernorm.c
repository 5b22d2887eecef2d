/* Layer norm of rows that lie far from zero, beside the formula that float code often uses.
       cc -O2 examples/01_layernorm.c -lm && ./a.out                                           */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>

#define ROWS 4
#define COLS 4

/* var = E[x*x] - E[x]*E[x], in float: cheap, and right only near zero. */
static void naive(float *y, const float *x, float eps)
{
    float sum = 0, squares = 0, mean, var;
    int j;
    for (j = 0; j < COLS; ++j) sum += x[j], squares += x[j] * x[j];
    mean = sum / COLS;
    var = squares / COLS - mean * mean;
    for (j = 0; j < COLS; ++j) y[j] = (x[j] - mean) / sqrtf(var + eps);
}

int main(void)
{
    static const float start[ROWS] = {0, 1000, 40000, 10000000}; /* row i counts up from start[i] */
    float x[ROWS * COLS], y[ROWS * COLS], other[COLS];
    double mean[ROWS], rstd[ROWS], worst = 0;
    nrm_desc desc = {.n = ROWS, .c = COLS, .kind = NRM_LAYER, .eps = 1e-5};
    nrm_args args = {.x = x, .y = y, .mean = mean, .rstd = rstd};
    nrm_status status;
    int i, j;

    for (i = 0; i < ROWS * COLS; ++i) x[i] = start[i / COLS] + (float)(i % COLS);

    status = nrm_layernorm(y, x, ROWS, COLS, NULL, NULL, 1e-5); /* the short form ... */
    if (!status) status = nrm_forward(&desc, &args);            /* ... and with statistics out */
    if (status) return fprintf(stderr, "%s\n", nrm_status_string(status)), 1;

    printf("layer norm, normalize.h %d.%d.%d on %s; every row is k, k+1, k+2, k+3\n\n",
           NRM_VERSION_MAJOR, NRM_VERSION_MINOR, NRM_VERSION_PATCH, nrm_isa_name(nrm_best_isa()));
    printf("        k         mean      1/std  normalised                            naive\n");
    for (i = 0; i < ROWS; ++i) {
        naive(other, x + i * COLS, 1e-5f);
        printf("%9.0f  %11.1f  %9.7f ", (double)start[i], mean[i], rstd[i]);
        for (j = 0; j < COLS; ++j) printf(" %8.5f", (double)y[i * COLS + j]);
        printf("  ");
        for (j = 0; j < COLS; ++j) printf(" %8.4g", (double)other[j]);
        printf("\n");
        for (j = 0; j < COLS; ++j)
            worst = fmax(worst, fabs((double)y[i * COLS + j] - (j - 1.5) / sqrt(1.25 + 1e-5)));
    }
    printf("\nlargest error of the normalised values: %.1e\n", worst);
    return worst > 5e-7;
}
