/* intrin.h - what normalize.h uses of MSVC's, declared only. */
#ifndef INTRIN_H
#define INTRIN_H

#include <immintrin.h>

#ifdef __cplusplus
extern "C" {
#endif

void __cpuidex(int[4], int, int);
unsigned __int64 _xgetbv(unsigned);

#ifdef __cplusplus
}
#endif

#endif /* INTRIN_H */
