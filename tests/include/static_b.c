/* The second file of static_a.c. */
#define NORMALIZE_STATIC
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

#include "public.h"

nrm_status other_layernorm(float *y, const float *x, size_t rows, size_t cols, int *works);

nrm_status other_layernorm(float *y, const float *x, size_t rows, size_t cols, int *works)
{
    *works = public_works();
    return nrm_layernorm(y, x, rows, cols, 0, 0, 1e-5);
}
