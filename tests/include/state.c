/* The same functions of the user's before and after the header: run.sh compares their instructions
 * under several flags, since a pragma that stayed behind would change the second set. */
#ifdef __cplusplus
#define C_NAME extern "C"
#else
#define C_NAME extern
#endif

#define USER_CODE(when)                                                                            \
    C_NAME float when##_fma(float a, float b, float c);                                            \
    float when##_fma(float a, float b, float c) { return a * b + c; } /* contraction */            \
    C_NAME float when##_sum(const float *v, int n);                                                \
    float when##_sum(const float *v, int n) /* reassociation, vector width */                      \
    {                                                                                              \
        float s = 0;                                                                               \
        int i;                                                                                     \
        for (i = 0; i < n; ++i) s += v[i];                                                         \
        return s;                                                                                  \
    }                                                                                              \
    C_NAME int when##_nan(double v);                                                               \
    int when##_nan(double v) { return v != v; } /* finite-math-only */                             \
    C_NAME float when##_div(float v);                                                              \
    float when##_div(float v) { return v / 3.0f; } /* reciprocal-math */

USER_CODE(before)

#define NORMALIZE_IMPLEMENTATION
#define NORMALIZE_STATIC /* nothing uses it, so that compilers drop it early */
#include "normalize.h"

USER_CODE(after)
