/* avx512.h - what normalize.h asks of AVX-512, for processors without it: of SIMDe, and what SIMDe
 * does not have value by value. A value whose bit of the mask m is 0 is 0, or is not stored. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma GCC push_options
#pragma GCC target("avx2,f16c")

/* A function of vectors: from `n` values `x` of type X to values `v` of type V, as `made` says for
   value i. */
#define EMULATED(result, name, parameters, n, X, from, V, made)                                    \
    static inline result name parameters                                                           \
    {                                                                                              \
        X x[n];                                                                                    \
        V v[sizeof(result) / sizeof(V)];                                                           \
        result all;                                                                                \
        int i;                                                                                     \
        memcpy(x, from, sizeof x);                                                                 \
        memset(v, 0, sizeof v);                                                                    \
        for (i = 0; i < n; ++i)                                                                    \
            if (m >> i & 1) v[i] = made;                                                           \
        memcpy(&all, v, sizeof all);                                                               \
        return all;                                                                                \
    }

/* What is masked may lie where nothing is to be read or written. */
#define EMULATED_PART(Vector, Mask, n, X, load, store)                                             \
    static inline Vector load(Mask m, const void *p)                                               \
    {                                                                                              \
        X x[n];                                                                                    \
        Vector all;                                                                                \
        int i;                                                                                     \
        memset(x, 0, sizeof x);                                                                    \
        for (i = 0; i < n; ++i)                                                                    \
            if (m >> i & 1) memcpy(x + i, (const char *)p + sizeof(X) * (size_t)i, sizeof(X));     \
        memcpy(&all, x, sizeof all);                                                               \
        return all;                                                                                \
    }                                                                                              \
    static inline void store(void *p, Mask m, Vector all)                                          \
    {                                                                                              \
        X x[n];                                                                                    \
        int i;                                                                                     \
        memcpy(x, &all, sizeof x);                                                                 \
        for (i = 0; i < n; ++i)                                                                    \
            if (m >> i & 1) memcpy((char *)p + sizeof(X) * (size_t)i, x + i, sizeof(X));           \
    }

EMULATED_PART(__m512, __mmask16, 16, float, emulated_load_ps, emulated_store_ps)
EMULATED_PART(__m512d, __mmask8, 8, double, emulated_load_pd, emulated_store_pd)
EMULATED_PART(__m256i, __mmask16, 16, uint16_t, emulated_load_16, emulated_store_16)

EMULATED(__m512d, emulated_root, (__mmask8 m, __m512d a), 8, double, &a, double, sqrt(x[i]))
EMULATED(__m512d, emulated_doubles, (__mmask8 m, __m256 a), 8, float, &a, double, x[i])
EMULATED(__m256, emulated_floats, (__mmask8 m, __m512d a), 8, double, &a, float, (float)x[i])
EMULATED(__m256, emulated_half_of, (__mmask8 m, __m512 a, int k), 8, float,
         (const char *)&a + 32 * k, float, x[i])
EMULATED(__m512i, emulated_left, (__mmask16 m, __m512i a, int by), 16, uint32_t, &a, uint32_t,
         x[i] << by)
EMULATED(__m512i, emulated_right, (__mmask16 m, __m512i a, int by), 16, uint32_t, &a, uint32_t,
         x[i] >> by)
EMULATED(__m512i, emulated_longer, (__mmask16 m, __m256i a), 16, uint16_t, &a, uint32_t, x[i])
EMULATED(__m256i, emulated_shorter, (__mmask16 m, __m512i a), 16, uint32_t, &a, uint16_t,
         (uint16_t)x[i])
EMULATED(__m512, emulated_from_f16, (__mmask16 m, __m256i a), 16, uint16_t, &a, float,
         _cvtsh_ss(x[i]))
EMULATED(__m256i, emulated_to_f16, (__mmask16 m, __m512 a), 16, float, &a, uint16_t,
         _cvtss_sh(x[i], 0))

static inline __mmask16 emulated_less(__m512i a, __m512i b)
{
    int32_t x[16], y[16], i, m = 0;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (i = 0; i < 16; ++i) m |= (x[i] < y[i]) << i;
    return (__mmask16)m;
}

/* Which are NaN, quiet or not: the classes 0x81. Others do not compile. */
static inline __mmask16 emulated_nan(__m512 a)
{
    uint32_t x[16];
    int i, m = 0;
    memcpy(x, &a, sizeof x);
    for (i = 0; i < 16; ++i) m |= ((x[i] & 0x7fffffffu) > 0x7f800000u) << i;
    return (__mmask16)m;
}

static inline void emulated_stream(void *p, __m512 a)
{
    memcpy(p, &a, sizeof a);
}

#pragma GCC pop_options

#define _mm512_maskz_loadu_ps emulated_load_ps
#define _mm512_maskz_loadu_pd emulated_load_pd
#define _mm256_maskz_loadu_epi16 emulated_load_16
#define _mm512_mask_storeu_ps emulated_store_ps
#define _mm256_mask_storeu_epi16 emulated_store_16
#define _mm512_stream_ps emulated_stream
#define _mm512_maskz_sqrt_pd emulated_root
#define _mm512_maskz_cvtps_pd emulated_doubles
#define _mm512_maskz_cvtpd_ps emulated_floats
#define _mm512_maskz_extractf32x8_ps emulated_half_of
#define _mm512_maskz_slli_epi32 emulated_left
#define _mm512_maskz_srli_epi32 emulated_right
#define _mm512_maskz_cvtepu16_epi32 emulated_longer
#define _mm512_maskz_cvtepi32_epi16 emulated_shorter
#define _mm512_maskz_cvtph_ps emulated_from_f16
#define _mm512_maskz_cvtps_ph(m, a, rounding) emulated_to_f16(m, a)
#define _mm512_cmplt_epi32_mask emulated_less
#define _mm512_fpclass_ps_mask(a, classes) emulated_class_##classes(a)
#define emulated_class_0x81 emulated_nan
