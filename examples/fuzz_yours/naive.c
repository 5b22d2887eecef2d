/* naive.c - layer norm of float rows as many write it: both sums in one pass, the variance as
 * E[x^2] - E[x]^2. Right while the mean is small beside the deviation.
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/naive.c SECONDS=2
 */
#include "normalize.h"

#include <math.h>

static void row(float *y, const float *x, size_t c, const float *gamma, const float *beta,
                float eps)
{
    float sum = 0, squares = 0, mean, rstd;
    size_t j;
    for (j = 0; j < c; ++j) sum += x[j], squares += x[j] * x[j];
    mean = sum / (float)c;
    rstd = 1 / sqrtf(squares / (float)c - mean * mean + eps);
    for (j = 0; j < c; ++j)
        y[j] = (x[j] - mean) * rstd * (gamma ? gamma[j] : 1) + (beta ? beta[j] : 0);
}

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    size_t i;
    if (verb != NRM_FORWARD || d->kind != NRM_LAYER || d->dtype != NRM_F32 || d->s > 1) return 1;
    if (d->x_pitch.line || d->x_pitch.sample || d->y_pitch.line || d->y_pitch.sample) return 1;
    if (d->act || d->gamma_offset || d->affine_per_sample) return 1;
    if (a->residual || a->sum || a->mean || a->rstd) return 1;
    for (i = 0; i < d->n; ++i)
        row((float *)a->y + i * d->c, (const float *)a->x + i * d->c, d->c,
            (const float *)a->gamma, (const float *)a->beta, (float)d->eps);
    return 0;
}
