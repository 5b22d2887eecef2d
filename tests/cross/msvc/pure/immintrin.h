/* immintrin.h - what normalize.h uses of MSVC's, declared only, for a syntax check by clang. The
 * vectors are unions, as they are there: an operator or a cast on one is an error.
 */
#ifndef IMMINTRIN_H
#define IMMINTRIN_H

#define _CMP_UNORD_Q 3
#define _CMP_LE_OQ 18

typedef union __m128 {
    float f[4];
} __m128;
typedef union __m128d {
    double f[2];
} __m128d;
typedef union __m128i {
    __int64 i[2];
} __m128i;
typedef union __m256 {
    float f[8];
} __m256;
typedef union __m256d {
    double f[4];
} __m256d;
typedef union __m256i {
    __int64 i[4];
} __m256i;
typedef union __m512 {
    float f[16];
} __m512;
typedef union __m512d {
    double f[8];
} __m512d;
typedef union __m512i {
    __int64 i[8];
} __m512i;
typedef unsigned char __mmask8;
typedef unsigned short __mmask16;

#ifdef __cplusplus
extern "C" {
#endif

__m256i _mm256_add_epi32(__m256i, __m256i);
__m256i _mm256_add_epi64(__m256i, __m256i);
__m256d _mm256_add_pd(__m256d, __m256d);
__m256 _mm256_add_ps(__m256, __m256);
__m256d _mm256_and_pd(__m256d, __m256d);
__m256 _mm256_and_ps(__m256, __m256);
__m256i _mm256_and_si256(__m256i, __m256i);
__m256i _mm256_andnot_si256(__m256i, __m256i);
__m256i _mm256_blendv_epi8(__m256i, __m256i, __m256i);
__m256d _mm256_blendv_pd(__m256d, __m256d, __m256d);
__m256 _mm256_blendv_ps(__m256, __m256, __m256);
__m256 _mm256_castpd_ps(__m256d);
__m256i _mm256_castpd_si256(__m256d);
__m256 _mm256_castps128_ps256(__m128);
__m128 _mm256_castps256_ps128(__m256);
__m256d _mm256_castps_pd(__m256);
__m256i _mm256_castps_si256(__m256);
__m256i _mm256_castsi128_si256(__m128i);
__m256d _mm256_castsi256_pd(__m256i);
__m256 _mm256_castsi256_ps(__m256i);
__m128i _mm256_castsi256_si128(__m256i);
__m256d _mm256_cmp_pd(__m256d, __m256d, int);
__m256 _mm256_cmp_ps(__m256, __m256, int);
__m256i _mm256_cmpeq_epi32(__m256i, __m256i);
__m256i _mm256_cmpeq_epi64(__m256i, __m256i);
__m256i _mm256_cmpgt_epi32(__m256i, __m256i);
__m256i _mm256_cmpgt_epi64(__m256i, __m256i);
__m256i _mm256_cvtepi32_epi64(__m128i);
__m256i _mm256_cvtepu16_epi32(__m128i);
__m128 _mm256_cvtpd_ps(__m256d);
__m256 _mm256_cvtph_ps(__m128i);
__m256d _mm256_cvtps_pd(__m128);
__m128i _mm256_cvtps_ph(__m256, int);
__m256d _mm256_div_pd(__m256d, __m256d);
__m256 _mm256_div_ps(__m256, __m256);
__m128 _mm256_extractf128_ps(__m256, int);
__m128i _mm256_extracti128_si256(__m256i, int);
__m256d _mm256_hadd_pd(__m256d, __m256d);
__m256 _mm256_hadd_ps(__m256, __m256);
__m256 _mm256_insertf128_ps(__m256, __m128, int);
__m256i _mm256_inserti128_si256(__m256i, __m128i, int);
__m256d _mm256_loadu_pd(const double *);
__m256 _mm256_loadu_ps(const float *);
__m256i _mm256_loadu_si256(const __m256i *);
void _mm256_mask_storeu_epi16(void *, __mmask16, __m256i);
__m256d _mm256_maskload_pd(const double *, __m256i);
__m256 _mm256_maskload_ps(const float *, __m256i);
void _mm256_maskstore_pd(double *, __m256i, __m256d);
void _mm256_maskstore_ps(float *, __m256i, __m256);
__m256i _mm256_maskz_loadu_epi16(__mmask16, const void *);
__m256d _mm256_max_pd(__m256d, __m256d);
__m256i _mm256_max_epi32(__m256i, __m256i);
int _mm256_movemask_pd(__m256d);
int _mm256_movemask_ps(__m256);
__m256d _mm256_mul_pd(__m256d, __m256d);
__m256 _mm256_mul_ps(__m256, __m256);
__m256d _mm256_or_pd(__m256d, __m256d);
__m256i _mm256_or_si256(__m256i, __m256i);
__m256i _mm256_packus_epi32(__m256i, __m256i);
__m256i _mm256_permute4x64_epi64(__m256i, int);
__m256d _mm256_permute4x64_pd(__m256d, int);
__m256i _mm256_set1_epi32(int);
__m256i _mm256_set1_epi64x(__int64);
__m256d _mm256_set1_pd(double);
__m256 _mm256_set1_ps(float);
__m256i _mm256_setzero_si256(void);
__m256i _mm256_slli_epi32(__m256i, int);
__m256i _mm256_slli_epi64(__m256i, int);
__m256d _mm256_sqrt_pd(__m256d);
__m256i _mm256_srli_epi32(__m256i, int);
__m256i _mm256_srli_epi64(__m256i, int);
void _mm256_storeu_pd(double *, __m256d);
void _mm256_storeu_ps(float *, __m256);
void _mm256_storeu_si256(__m256i *, __m256i);
void _mm256_stream_pd(double *, __m256d);
void _mm256_stream_ps(float *, __m256);
void _mm256_stream_si256(__m256i *, __m256i);
__m256d _mm256_sub_pd(__m256d, __m256d);
__m256 _mm256_sub_ps(__m256, __m256);
int _mm256_testz_si256(__m256i, __m256i);
__m512i _mm512_add_epi32(__m512i, __m512i);
__m512i _mm512_add_epi64(__m512i, __m512i);
__m512d _mm512_add_pd(__m512d, __m512d);
__m512 _mm512_add_ps(__m512, __m512);
__m512d _mm512_and_pd(__m512d, __m512d);
__m512i _mm512_and_si512(__m512i, __m512i);
__m512i _mm512_castpd_si512(__m512d);
__m512 _mm512_castps256_ps512(__m256);
__m512i _mm512_castps_si512(__m512);
__m512d _mm512_castsi512_pd(__m512i);
__m512 _mm512_castsi512_ps(__m512i);
__m512 _mm512_div_ps(__m512, __m512);
__mmask16 _mm512_fpclass_ps_mask(__m512, int);
__mmask8 _mm512_cmp_pd_mask(__m512d, __m512d, int);
__mmask16 _mm512_cmpgt_epi32_mask(__m512i, __m512i);
__mmask8 _mm512_cmpgt_epi64_mask(__m512i, __m512i);
__mmask16 _mm512_cmpgt_epu32_mask(__m512i, __m512i);
__mmask16 _mm512_cmplt_epi32_mask(__m512i, __m512i);
__mmask8 _mm512_cmplt_epi64_mask(__m512i, __m512i);
__m512d _mm512_div_pd(__m512d, __m512d);
__m512 _mm512_insertf32x8(__m512, __m256, int);
__m512d _mm512_loadu_pd(const void *);
__m512 _mm512_loadu_ps(const void *);
__m512d _mm512_mask_mov_pd(__m512d, __mmask8, __m512d);
__m512 _mm512_mask_mov_ps(__m512, __mmask16, __m512);
__m512i _mm512_mask_or_epi32(__m512i, __mmask16, __m512i, __m512i);
void _mm512_mask_storeu_pd(void *, __mmask8, __m512d);
void _mm512_mask_storeu_ps(void *, __mmask16, __m512);
__m256i _mm512_maskz_cvtepi32_epi16(__mmask16, __m512i);
__m512i _mm512_maskz_cvtepu16_epi32(__mmask16, __m256i);
__m256 _mm512_maskz_cvtpd_ps(__mmask8, __m512d);
__m512 _mm512_maskz_cvtph_ps(__mmask16, __m256i);
__m512d _mm512_maskz_cvtps_pd(__mmask8, __m256);
__m256i _mm512_maskz_cvtps_ph(__mmask16, __m512, int);
__m256 _mm512_maskz_extractf32x8_ps(__mmask8, __m512, int);
__m512d _mm512_maskz_loadu_pd(__mmask8, const void *);
__m512 _mm512_maskz_loadu_ps(__mmask16, const void *);
__m512d _mm512_maskz_max_pd(__mmask8, __m512d, __m512d);
__m512i _mm512_maskz_max_epi32(__mmask16, __m512i, __m512i);
__m512i _mm512_maskz_mov_epi32(__mmask16, __m512i);
__m512i _mm512_maskz_mov_epi64(__mmask8, __m512i);
__m512d _mm512_maskz_mov_pd(__mmask8, __m512d);
__m512 _mm512_maskz_mov_ps(__mmask16, __m512);
__m512i _mm512_maskz_slli_epi32(__mmask16, __m512i, unsigned);
__m512i _mm512_maskz_slli_epi64(__mmask8, __m512i, unsigned);
__m512d _mm512_maskz_sqrt_pd(__mmask8, __m512d);
__m512i _mm512_maskz_srli_epi32(__mmask16, __m512i, unsigned);
__m512i _mm512_maskz_srli_epi64(__mmask8, __m512i, unsigned);
__m512d _mm512_mul_pd(__m512d, __m512d);
__m512 _mm512_mul_ps(__m512, __m512);
__m512d _mm512_or_pd(__m512d, __m512d);
__m512d _mm512_permutex2var_pd(__m512d, __m512i, __m512d);
__m512 _mm512_permutex2var_ps(__m512, __m512i, __m512);
__m512i _mm512_set1_epi32(int);
__m512i _mm512_set1_epi64(__int64);
__m512d _mm512_set1_pd(double);
__m512 _mm512_set1_ps(float);
__m512i _mm512_setr_epi32(int, int, int, int, int, int, int, int, int, int, int, int, int, int,
                          int, int);
__m512i _mm512_setr_epi64(__int64, __int64, __int64, __int64, __int64, __int64, __int64, __int64);
__m512i _mm512_setzero_si512(void);
void _mm512_storeu_pd(void *, __m512d);
void _mm512_storeu_ps(void *, __m512);
void _mm512_stream_pd(void *, __m512d);
void _mm512_stream_ps(void *, __m512);
__m512d _mm512_sub_pd(__m512d, __m512d);
__m512 _mm512_sub_ps(__m512, __m512);
__mmask16 _mm512_test_epi32_mask(__m512i, __m512i);
__mmask8 _mm512_test_epi64_mask(__m512i, __m512i);
double _mm_cvtsd_f64(__m128d);
unsigned _mm_getcsr(void);
__m128i _mm_loadl_epi64(const __m128i *);
__m128 _mm_loadu_ps(const float *);
__m128i _mm_loadu_si128(const __m128i *);
__m128 _mm_set_ps(float, float, float, float);
__m128d _mm_set_sd(double);
void _mm_setcsr(unsigned);
void _mm_sfence(void);
__m128d _mm_sqrt_sd(__m128d, __m128d);
void _mm_storel_epi64(__m128i *, __m128i);
void _mm_storeu_ps(float *, __m128);
void _mm_storeu_si128(__m128i *, __m128i);
__m128i _mm_unpackhi_epi32(__m128i, __m128i);
__m128i _mm_unpackhi_epi64(__m128i, __m128i);
__m128i _mm_unpacklo_epi16(__m128i, __m128i);
__m128i _mm_unpacklo_epi32(__m128i, __m128i);
__m128i _mm_unpacklo_epi64(__m128i, __m128i);

#ifdef __cplusplus
}
#endif

#endif /* IMMINTRIN_H */
