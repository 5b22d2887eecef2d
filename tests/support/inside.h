/* inside.h - normalize.h for tests that look inside it: which instruction set a call ran, which of
 * the slow paths it took, and what it finds on a processor and a system that are not here.
 *
 * Like normalize.h it declares, and with NORMALIZE_IMPLEMENTATION it holds the library as well,
 * with these hooks. Other tests may be linked with that object too.
 */
#ifndef INSIDE_H
#define INSIDE_H

enum inside_path {
    TOOK_NRMI_TRACE_RETRY, TOOK_NRMI_TRACE_WIDE_STATS, TOOK_NRMI_TRACE_WIDE_APPLY,
    TOOK_NRMI_TRACE_WIDE_SUMS, TOOK_NRMI_TRACE_AGAIN, TOOK_PATHS
};

/* What the library asks of an x86 processor: CPUID, with the leaf's registers, and XCR0. */
typedef struct inside_processor {
    void (*leaf)(unsigned leaf, unsigned r[4]);
    unsigned (*state)(void);
} inside_processor;

typedef struct inside_state {
    unsigned long took[TOOK_PATHS]; /* how often each slow path was taken      */
    int isa;                        /* the table that the last call used, or -1 */
    int isa_mixed;                  /* one call used more than one             */
    unsigned long isa_reports;
    const inside_processor *fake;   /* who is asked; NULL: the real processor  */
    unsigned long leaves, states;   /* how often the real one was              */
} inside_state;

/* Each thread's own, so that the threads of a call are not in one another's way. */
extern __thread inside_state inside;

/* Instruction sets, as bits: what is compiled, and what detection finds. inside_asks: it asks. */
extern const unsigned inside_compiled;
extern const int inside_asks;
unsigned inside_detect(void);

void inside_ran(int isa);
void inside_leaf(unsigned leaf, unsigned r[4]);
unsigned inside_xcr0(void);

/* The memory sanitizer does not see what AVX2 loads and stores in part. Value by value it does. */
#if defined(NORMALIZE_IMPLEMENTATION) && defined(__x86_64__) && defined(__has_feature)
#if __has_feature(memory_sanitizer)
#include <immintrin.h>
#define INSIDE_PARTS(s, V, T, I, N)                                                       \
    __attribute__((target("avx2"))) static V inside_load_##s(const T *p, __m256i mask)    \
    {                                                                                     \
        T x[N] = {0};                                                                     \
        I m[N];                                                                           \
        int i;                                                                            \
        _mm256_storeu_si256((__m256i *)m, mask);                                          \
        for (i = 0; i < N; i++)                                                           \
            if (m[i] < 0) x[i] = p[i];                                                    \
        return _mm256_loadu_##s(x);                                                       \
    }                                                                                     \
    __attribute__((target("avx2"))) static void inside_store_##s(T *p, __m256i mask, V v) \
    {                                                                                     \
        T x[N];                                                                           \
        I m[N];                                                                           \
        int i;                                                                            \
        _mm256_storeu_si256((__m256i *)m, mask);                                          \
        _mm256_storeu_##s(x, v);                                                          \
        for (i = 0; i < N; i++)                                                           \
            if (m[i] < 0) p[i] = x[i];                                                    \
    }
INSIDE_PARTS(ps, __m256, float, int, 8)
INSIDE_PARTS(pd, __m256d, double, long long, 4)
#define _mm256_maskload_ps inside_load_ps
#define _mm256_maskload_pd inside_load_pd
#define _mm256_maskstore_ps inside_store_ps
#define _mm256_maskstore_pd inside_store_pd
#endif
#endif

#define NRMI_TRACE(what) ((void)++inside.took[TOOK_##what])
#define NRMI_TRACE_ISA(isa) inside_ran((int)(isa))
#define NRMI_CPUID(leaf, r) inside_leaf(leaf, r)
#define NRMI_XGETBV() inside_xcr0()
#include "../../normalize.h"

__attribute__((unused)) static inline void inside_forget(void)
{
    inside.isa = -1, inside.isa_reports = 0, inside.isa_mixed = 0;
}

#if defined(NORMALIZE_IMPLEMENTATION)

__thread inside_state inside = {{0}, -1, 0, 0, NULL, 0, 0};
const int inside_asks = NRMI_X86;
const unsigned inside_compiled = 1u << NRM_SCALAR | (unsigned)NRMI_HAS_AVX2 << NRM_AVX2 |
                                 (unsigned)NRMI_HAS_AVX512 << NRM_AVX512;

unsigned inside_detect(void)
{
    return nrmi_detect();
}

void inside_ran(int isa)
{
    inside.isa_mixed |= inside.isa_reports && inside.isa != isa;
    inside.isa = isa;
    ++inside.isa_reports;
}

#if NRMI_X86
void inside_leaf(unsigned leaf, unsigned r[4])
{
    if (inside.fake) {
        inside.fake->leaf(leaf, r);
        return;
    }
    ++inside.leaves;
    nrmi_cpuid(leaf, r);
}

unsigned inside_xcr0(void)
{
    if (inside.fake) return inside.fake->state();
    ++inside.states;
    return nrmi_xgetbv();
}
#endif

#endif /* NORMALIZE_IMPLEMENTATION */
#endif
