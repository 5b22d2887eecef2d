/* The quick start of the manual (A2). run.sh takes its lines of code out of the manual, without the
   words beside them, and writes short_form.h and batch_norm.h with them. */
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

#include <math.h>
#include <stdio.h>

enum { N = 32, C = 64, S = 56 * 56 };

static float input[N * S * C], output[N * S * C], other[N * S * C], scale[S];
static int8_t q[S * C];

/* Both rows are -1.34 -0.45 0.45 1.34. */
static int short_form(void)
{
    static const float want[4] = {-1.34164f, -0.44721f, 0.44721f, 1.34164f};
    int i, good;
#include "short_form.h"
    good = status == NRM_OK;
    for (i = 0; i < 8; ++i) good = good && fabsf(y[i / 4][i % 4] - want[i % 4]) < 1e-4f;
    return good;
}

/* Channel j of the input has the mean j and the deviation 0.5. */
static int batch_norm(void)
{
    const float *const x = input;
    float *const y = output, *const dx = other;
    const float *const r = input, *const dy = input;
    const float *const skip = input, *const g = input;
    float *const z = other;
    static const size_t tokens[N] = {S};
    float weight[C], bias[C], dweight[C], dbias[C], rm[C], rv[C];
    const double m = N * S;
    double mean[C], rstd[C];
    nrm_status status;
    size_t i;
    int good = 1, j;
    for (i = 0; i < N * S * C; ++i) input[i] = (float)(i % C) + (i / C & 1 ? 0.5f : -0.5f);
    for (j = 0; j < C; ++j) weight[j] = 2, bias[j] = 1, rm[j] = 0, rv[j] = 1;
#include "batch_norm.h"
    /* one sample of bf16, with all of the last lines, of which q8 is not of batch norm */
    good = good && status == NRM_OK;
    d.n = 1, d.kind = NRM_RMS, a.mean = a.rstd = NULL;
    good = good && nrm_forward(&d, &a) == NRM_OK;
    for (j = 0; j < C; ++j) {
        const double var = 0.9 * 1 + 0.1 * (0.25 * m / (m - 1));
        good = good && fabs((double)rm[j] - 0.1 * j) < 1e-5 && fabs((double)rv[j] - var) < 1e-5;
        good = good && fabs((double)dbias[j] / m - j) < 1e-4;
        good = good && fabs((double)dweight[j] / m - 0.5) < 1e-4;
    }
    return good;
}

int main(void)
{
    if (!short_form()) return puts("short form"), 1;
    if (!batch_norm()) return puts("batch norm"), 1;
    return 0;
}
