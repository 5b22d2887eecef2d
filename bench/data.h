/* data.h - the numbers that are timed, and how far two results are apart. */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* About N(0, 1): the sum of four uniform numbers. */
static inline float data_normal(void)
{
    static uint64_t state = 1;
    int i, sum = 0;
    for (i = 0; i < 4; ++i) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (int)(state >> 48) - 32768;
    }
    return (float)sum * (1.7320508f / 65536);
}

/* The largest difference of two results, as a fraction of the largest value. */
static inline double data_difference(const float *a, const float *b, size_t count)
{
    double worst = 0, scale = 0;
    size_t i;
    for (i = 0; i < count; ++i) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (isnan(d)) return HUGE_VAL;
        if (d > worst) worst = d;
        if (fabs((double)a[i]) > scale) scale = fabs((double)a[i]);
    }
    return scale > 0 ? worst / scale : worst;
}

#endif /* BENCH_DATA_H */
