// The implementation as one C++ file of a program, and what a C++ caller writes.
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

#include "public.h"

// C's {0} compiles too, but g++ -Wextra tells C++ (not C) that it leaves fields to their defaults.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
static const nrm_desc as_in_c = {0};
static const nrm_args none = {0};
#pragma GCC diagnostic pop

int main()
{
    float x[4] = {40000, 40001, 40002, 40003}, y[4];
    nrm_desc d = {};
    nrm_args a{};
    nrm_pool pool = {};
    d.n = 1, d.c = 4, d.s = 1, d.kind = NRM_LAYER, d.eps = 1e-5;
    a.x = x, a.y = y;
    bool good = public_works() && nrm_forward(&d, &a) == NRM_OK;
    good = good && y[0] < -1.3416f && y[0] > -1.3417f && nrm_stat_count(&d) == 1;
    good = good && nrm_forward(&as_in_c, &none) == NRM_OK; // empty: nothing to do
    return !(good && pool.threads == 0);
}
