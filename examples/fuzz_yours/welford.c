/* welford.c - layer norm of float rows by Welford's recurrence: one pass, no cancellation, but a
 * float mean, and a rounding for every value of the row.
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/welford.c SECONDS=2
 */
#include "normalize.h"

#include <math.h>

static void row(float *y, const float *x, size_t c, const float *gamma, const float *beta,
                float eps)
{
    float mean = 0, m2 = 0, rstd;
    size_t j;
    for (j = 0; j < c; ++j) {
        const float deviation = x[j] - mean;
        mean += deviation / (float)(j + 1);
        m2 += deviation * (x[j] - mean);
    }
    rstd = 1 / sqrtf(m2 / (float)c + eps);
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
