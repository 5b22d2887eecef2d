/* The library without a C library: run.sh builds it freestanding, with a square root of the user's,
 * or without one, and reads the undefined symbols of the object. */
#ifdef OWN_SQRT
static double own_sqrt(double v)
{
    double result;
    __asm__("sqrtsd %1, %0" : "=x"(result) : "x"(v));
    return result;
}
#define NRM_SQRT own_sqrt
#endif

#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"
