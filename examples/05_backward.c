/* The gradient of a layer norm, checked against finite differences of the forward pass.
       cc -O2 examples/05_backward.c -lm && ./a.out                                            */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>

enum { ROWS = 2, COLS = 6, COUNT = ROWS * COLS };

static float x[COUNT] = {3, 1, 4, 1.5f, 9, 2.6f, 105, 103, 105.5f, 108.9f, 107.9f, 103.2f};
static float scale[COLS] = {1, 2, 0.5f, -1, 1.5f, 1}, shift[COLS] = {0, 0.1f, 0.2f, 0, 0, 1};
static float y[COUNT], weight[COUNT] = {0.3f,  -1,   0.7f, 0.2f,  -0.4f, 1,
                                        -0.6f, 0.9f, 0.1f, -0.8f, 0.5f,  0.4f};
static double mean[ROWS], rstd[ROWS];
static nrm_desc desc = {.n = ROWS, .c = COLS, .kind = NRM_LAYER, .eps = 1e-5};

/* The loss is sum(weight * y), so its gradient by y is weight. */
static double loss(void)
{
    nrm_args args = {.x = x, .y = y, .gamma = scale, .beta = shift, .mean = mean, .rstd = rstd};
    double sum = 0;
    if (nrm_forward(&desc, &args)) return NAN;
    for (int i = 0; i < COUNT; ++i) sum += (double)weight[i] * (double)y[i];
    return sum;
}

/* Prints gradient[i] beside the change of the loss with at[i]; returns the largest difference. */
static double compare(const char *name, float *at, const float *gradient, int count)
{
    const float step = 1.0f / 128; /* a power of two, so that at[i] +- step is exact here */
    double worst = 0;
    for (int i = 0; i < count; ++i) {
        float keep = at[i];
        double up = (at[i] = keep + step, loss()), down = (at[i] = keep - step, loss());
        double expect = (up - down) / (2.0 * step);
        at[i] = keep;
        printf("%-6s %2d  %10.6f  %10.6f\n", name, i, (double)gradient[i], expect);
        worst = fmax(worst, fabs((double)gradient[i] - expect));
    }
    return worst;
}

int main(void)
{
    float dx[COUNT], dgamma[COLS], dbeta[COLS];
    nrm_args args = {.x = x, .gamma = scale, .beta = shift, .mean = mean, .rstd = rstd,
                     .dy = weight, .dx = dx, .dgamma = dgamma, .dbeta = dbeta};
    double worst = loss() * 0; /* fills mean and rstd */
    char why[160];
    if (nrm_backward(&desc, &args)) {
        nrm_explain(NRM_BACKWARD, &desc, &args, why, sizeof why);
        return fprintf(stderr, "%s\n", why), 1;
    }
    printf("           backward  difference\n");
    worst = fmax(worst, compare("dx", x, dx, COUNT));
    worst = fmax(worst, compare("dgamma", scale, dgamma, COLS));
    worst = fmax(worst, compare("dbeta", shift, dbeta, COLS));
    printf("largest difference %.1e\n", worst);
    return !(worst < 1e-3);
}
