// The implementation as one C++ file of a program, and what a C++ caller writes.
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

#include "public.h"

// -Wextra tells C++ (not C) users that {0} leaves fields to their defaults, which is the intent.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

int main()
{
    float x[4] = {40000, 40001, 40002, 40003}, y[4];
    nrm_desc d = {0};
    nrm_desc value_initialised = {};
    nrm_args a = {0};
    nrm_args none{};
    nrm_pool pool = {0};
    d.n = 1, d.c = 4, d.s = 1, d.kind = NRM_LAYER, d.eps = 1e-5;
    a.x = x, a.y = y;
    bool good = public_works() && nrm_forward(&d, &a) == NRM_OK;
    good = good && y[0] < -1.3416f && y[0] > -1.3417f && nrm_stat_count(&d) == 1;
    good = good && nrm_forward(&value_initialised, &none) == NRM_OK; // empty: nothing to do
    return !(good && pool.threads == 0);
}
