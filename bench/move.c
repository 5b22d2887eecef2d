/* move.c - see move.h. Compiled with -O3 -march=native: nothing is held back.
 */
#include "move.h"

#if defined(__x86_64__) || defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
typedef uint32_t vec __attribute__((vector_size(64)));
#define STREAM(p, v) _mm512_stream_si512((__m512i *)(void *)(p), (__m512i)(v))
#elif defined(__AVX__)
typedef uint32_t vec __attribute__((vector_size(32)));
#define STREAM(p, v) _mm256_stream_si256((__m256i *)(void *)(p), (__m256i)(v))
#else
typedef uint32_t vec __attribute__((vector_size(16)));
#if defined(__SSE2__)
#define STREAM(p, v) _mm_stream_si128((__m128i *)(void *)(p), (__m128i)(v))
#endif
#endif

#ifdef STREAM
const int move_can_stream = 1;
#define FENCE() _mm_sfence()
#else
const int move_can_stream = 0;
#define STREAM(p, v) (*(p) = (v))
#define FENCE() ((void)0)
#endif

const int move_tensors[MOVES] = {1, 2, 4, 3, 4};

#define STORE(p, v)       \
    do {                  \
        if (stream)       \
            STREAM(p, v); \
        else              \
            *(p) = (v);   \
    } while (0)

/* Four sums, since one would wait for each addition; their total keeps the loads alive. */
static void read_all(const vec *a, size_t i, size_t last)
{
    static volatile uint32_t sink;
    vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (; i + 3 < last; i += 4) s0 += a[i], s1 += a[i + 1], s2 += a[i + 2], s3 += a[i + 3];
    for (; i < last; ++i) s0 += a[i];
    s0 += s1 + (s2 + s3);
    sink = s0[0];
    for (i = 1; i < sizeof(vec) / 4; ++i) sink += s0[i];
}

static inline __attribute__((always_inline)) void move_all(move what, int stream, void *const *t,
                                                           size_t i, size_t last)
{
    vec *restrict out = (vec *)t[0];
    vec *restrict sum = (vec *)t[1]; /* MOVE_FORWARD_ADD alone writes it */
    const vec *a = (const vec *)t[1], *b = (const vec *)t[2], *c = (const vec *)t[3];
    const vec one = (vec){0} + 1;
    switch (what) {
    case MOVE_FORWARD:
        for (; i < last; ++i) STORE(out + i, a[i] + one);
        break;
    case MOVE_FORWARD_ADD:
        for (; i < last; ++i) {
            const vec z = b[i] + c[i];
            STORE(sum + i, z);
            STORE(out + i, z + one);
        }
        break;
    case MOVE_BACKWARD:
        for (; i < last; ++i) STORE(out + i, a[i] + b[i]);
        break;
    default:
        for (; i < last; ++i) STORE(out + i, a[i] + b[i] + c[i]);
    }
    if (stream) FENCE();
}

#define ONE_OF(what) \
    case what: stream ? move_all(what, 1, t, first, last) : move_all(what, 0, t, first, last); break

void move_lines(move what, int stream, void *const *t, size_t first, size_t last)
{
    first *= MOVE_LINE / sizeof(vec), last *= MOVE_LINE / sizeof(vec);
    switch (what) {
    case MOVE_READ:
        read_all((const vec *)t[0], first, last);
        break;
        ONE_OF(MOVE_FORWARD);
        ONE_OF(MOVE_FORWARD_ADD);
        ONE_OF(MOVE_BACKWARD);
        ONE_OF(MOVE_BACKWARD_ADD);
    default: break;
    }
}
