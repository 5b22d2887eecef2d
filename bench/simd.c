/* simd.c - what the vectors of NEON and WASM are worth beside scalar code of the same module: for
 * bench/simd.sh, which compiles it for these machines.
 *
 * In WASM a line for each call and instruction set has nanoseconds: node compiles for the processor
 * it runs on. Under an emulator time says nothing; there bench/simd_count.c counts instructions
 * between two calls of getppid, and prints them before the line.
 */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef COUNTED
#include <unistd.h>
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum verb { TRAIN, INFER, BACK };

static const struct call {
    const char *name;
    enum verb verb;
    nrm_kind kind;
    nrm_layout layout;
    size_t n, c, s;
} calls[] = {
    {"layer/forward/128x768", TRAIN, NRM_LAYER, NRM_NCHW, 128, 768, 1},
    {"layer/backward/128x768", BACK, NRM_LAYER, NRM_NCHW, 128, 768, 1},
    {"batch/train/NHWC/32x64x14x14", TRAIN, NRM_BATCH, NRM_NHWC, 32, 64, 196},
    {"batch/infer/NHWC/32x64x14x14", INFER, NRM_BATCH, NRM_NHWC, 32, 64, 196},
    {"batch/backward/NHWC/32x64x14x14", BACK, NRM_BATCH, NRM_NHWC, 32, 64, 196},
};

/* Multiples of 1/64 within +-4, of a fixed sequence. */
static float *values(size_t count)
{
    static uint32_t state = 1;
    float *p = (float *)malloc(count * sizeof *p);
    size_t i;
    if (!p) exit(EXIT_FAILURE);
    for (i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        p[i] = (float)((int)(state >> 23) - 256) / 64;
    }
    return p;
}

static void make(const struct call *k, nrm_desc *d, nrm_args *a)
{
    const size_t volume = k->n * k->c * k->s, stats = k->n * (k->c > k->s ? k->c : k->s);
    float *variance = values(k->c);
    size_t i;
    memset(d, 0, sizeof *d);
    memset(a, 0, sizeof *a);
    d->n = k->n, d->c = k->c, d->s = k->s, d->kind = k->kind, d->layout = k->layout;
    d->eps = 0.0009765625;
    a->x = values(volume), a->dy = values(volume), a->y = values(volume), a->dx = values(volume);
    a->gamma = values(k->c), a->beta = values(k->c);
    a->dgamma = values(k->c), a->dbeta = values(k->c);
    a->mean = (double *)(void *)values(2 * stats), a->rstd = (double *)(void *)values(2 * stats);
    for (i = 0; i < k->c; ++i) variance[i] = 1 + (float)(i % 7);
    if (k->verb == INFER) a->running_mean = values(k->c), a->running_var = variance;
}

static nrm_status run(const struct call *k, const nrm_desc *d, const nrm_args *a)
{
    if (k->verb == INFER) return nrm_infer(d, a);
    return k->verb == TRAIN ? nrm_forward(d, a) : nrm_backward(d, a);
}

static nrm_isa isa_of(size_t which) { return which ? nrm_best_isa() : NRM_SCALAR; }

#ifdef COUNTED

static void measure(const struct call *k, const nrm_desc *d, nrm_args *a)
{
    size_t which;
    for (which = 0; which < 2; ++which) {
        a->isa = isa_of(which);
        fflush(stdout);
        getppid();
        run(k, d, a);
        getppid();
        printf("%s %s\n", k->name, nrm_isa_name(a->isa));
    }
}

#else

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The shortest call of a sixth of a second, or what was known before if that is shorter. */
static double shortest_call(const struct call *k, const nrm_desc *d, const nrm_args *a,
                            double known)
{
    const double end = now() + 1.6e8;
    double start = now(), stop;
    do {
        run(k, d, a);
        stop = now();
        if (known <= 0 || stop - start < known) known = stop - start;
        start = stop;
    } while (stop < end);
    return known;
}

/* In turn, so that a machine which is slow for a second is so for both. */
static void measure(const struct call *k, const nrm_desc *d, nrm_args *a)
{
    double shortest[2] = {0, 0};
    size_t which, round;
    for (round = 0; round < 6; ++round)
        for (which = 0; which < 2; ++which) {
            a->isa = isa_of(which);
            shortest[which] = shortest_call(k, d, a, shortest[which]);
        }
    for (which = 0; which < 2; ++which)
        printf("%.0f\n%s %s\n", shortest[which], k->name, nrm_isa_name(isa_of(which)));
}

#endif

int main(void)
{
    size_t i;
    for (i = 0; i < COUNT(calls); ++i) {
        nrm_desc d;
        nrm_args a;
        nrm_status status = NRM_OK;
        make(&calls[i], &d, &a);
        if (calls[i].verb == BACK) status = nrm_forward(&d, &a);
        if (!status) status = run(&calls[i], &d, &a);
        if (status) {
            fprintf(stderr, "simd: %s: %s\n", calls[i].name, nrm_status_string(status));
            return EXIT_FAILURE;
        }
        measure(&calls[i], &d, &a);
    }
    return EXIT_SUCCESS;
}
