/* instructions.c - a fixed list of calls for callgrind to count the instructions of: a test of
 * speed that no noise can touch. bench/instructions.sh runs it and compares with
 * bench/instructions.txt.
 *
 *   valgrind --tool=callgrind build/bench/instructions
 *
 * Each call is made once before it is counted, so that what is decided once per process is not.
 * Counts say nothing about memory, and little between instruction sets; they tell when a loop has
 * grown, a function is no longer inlined, or a slow path is taken.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#endif
#include "../normalize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#define ALIGNMENT 64
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum verb { TRAIN, INFER, BACK };

struct call {
    const char *name;
    enum verb verb;
    nrm_kind kind;
    nrm_layout layout;
    nrm_dtype dtype;
    size_t n, c, s, groups;
    int flags;
};

/* A residual, its sum, and ReLU; a slice of a tensor half as long again, in place; tensors 16 bytes
   past a line of the cache, as malloc has them. */
enum { FUSED = 1, SLICE = 2, OFF = 4 };

/* Large enough that the loops outweigh the call, but for the last group; small enough that all of
   them take seconds under callgrind. Lengths that are no multiple of 16 among them: 7x7, 100. */
static const struct call calls[] = {
    {"batch/infer/NCHW/4x64x14x14", INFER, NRM_BATCH, NRM_NCHW, NRM_F32, 4, 64, 196, 0, 0},
    {"batch/infer/NHWC/4x64x14x14", INFER, NRM_BATCH, NRM_NHWC, NRM_F32, 4, 64, 196, 0, 0},
    {"batch/train/NCHW/4x64x14x14", TRAIN, NRM_BATCH, NRM_NCHW, NRM_F32, 4, 64, 196, 0, 0},
    {"batch/train/NHWC/4x64x14x14", TRAIN, NRM_BATCH, NRM_NHWC, NRM_F32, 4, 64, 196, 0, 0},
    {"batch/backward/NCHW/4x64x14x14", BACK, NRM_BATCH, NRM_NCHW, NRM_F32, 4, 64, 196, 0, 0},
    {"batch/backward/NHWC/4x64x14x14", BACK, NRM_BATCH, NRM_NHWC, NRM_F32, 4, 64, 196, 0, 0},
    {"batch/train/NCHW/8x128x7x7", TRAIN, NRM_BATCH, NRM_NCHW, NRM_F32, 8, 128, 49, 0, 0},
    {"batch/train/NHWC/8x128x7x7", TRAIN, NRM_BATCH, NRM_NHWC, NRM_F32, 8, 128, 49, 0, 0},
    {"batch/backward/NCHW/8x128x7x7", BACK, NRM_BATCH, NRM_NCHW, NRM_F32, 8, 128, 49, 0, 0},
    {"batch/backward/NHWC/8x128x7x7", BACK, NRM_BATCH, NRM_NHWC, NRM_F32, 8, 128, 49, 0, 0},
    {"batch/train/256x256", TRAIN, NRM_BATCH, NRM_NCHW, NRM_F32, 256, 256, 1, 0, 0},
    {"batch/backward/256x256", BACK, NRM_BATCH, NRM_NCHW, NRM_F32, 256, 256, 1, 0, 0},
    {"instance/forward/NCHW/2x32x32x32", TRAIN, NRM_INSTANCE, NRM_NCHW, NRM_F32, 2, 32, 1024, 0, 0},
    {"instance/forward/NHWC/2x32x32x32", TRAIN, NRM_INSTANCE, NRM_NHWC, NRM_F32, 2, 32, 1024, 0, 0},
    {"instance/backward/NCHW/2x32x32x32", BACK, NRM_INSTANCE, NRM_NCHW, NRM_F32, 2, 32, 1024, 0, 0},
    {"instance/backward/NHWC/2x32x32x32", BACK, NRM_INSTANCE, NRM_NHWC, NRM_F32, 2, 32, 1024, 0, 0},
    {"group/forward/NCHW/2x64x16x16/g32", TRAIN, NRM_GROUP, NRM_NCHW, NRM_F32, 2, 64, 256, 32, 0},
    {"group/forward/NHWC/2x64x16x16/g32", TRAIN, NRM_GROUP, NRM_NHWC, NRM_F32, 2, 64, 256, 32, 0},
    {"group/backward/NCHW/2x64x16x16/g32", BACK, NRM_GROUP, NRM_NCHW, NRM_F32, 2, 64, 256, 32, 0},
    {"group/backward/NHWC/2x64x16x16/g32", BACK, NRM_GROUP, NRM_NHWC, NRM_F32, 2, 64, 256, 32, 0},
    {"layer/forward/64x768", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 64, 768, 1, 0, 0},
    {"layer/backward/64x768", BACK, NRM_LAYER, NRM_NCHW, NRM_F32, 64, 768, 1, 0, 0},
    {"layer/forward/512x64", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 512, 64, 1, 0, 0},
    {"layer/backward/512x64", BACK, NRM_LAYER, NRM_NCHW, NRM_F32, 512, 64, 1, 0, 0},
    {"layer/forward/NCHW/2x96x14x14", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 2, 96, 196, 0, 0},
    {"layer/forward/NHWC/2x96x14x14", TRAIN, NRM_LAYER, NRM_NHWC, NRM_F32, 2, 96, 196, 0, 0},
    {"layer/forward/64x100", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 64, 100, 1, 0, 0},
    {"rms/forward/64x1024", TRAIN, NRM_RMS, NRM_NCHW, NRM_F32, 64, 1024, 1, 0, 0},
    {"rms/backward/64x1024", BACK, NRM_RMS, NRM_NCHW, NRM_F32, 64, 1024, 1, 0, 0},
    {"layer/forward/64x768/fused", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 64, 768, 1, 0, FUSED},
    {"batch/train/NHWC/4x64x14x14/fused", TRAIN, NRM_BATCH, NRM_NHWC, NRM_F32, 4, 64, 196, 0,
     FUSED},
    {"rms/forward/64x1024/fused", TRAIN, NRM_RMS, NRM_NCHW, NRM_F32, 64, 1024, 1, 0, FUSED},
    {"layer/forward/256x96", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 256, 96, 1, 0, 0},
    {"layer/backward/256x96", BACK, NRM_LAYER, NRM_NCHW, NRM_F32, 256, 96, 1, 0, 0},
    {"layer/forward/256x128", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 256, 128, 1, 0, 0},
    {"layer/forward/128x256", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 128, 256, 1, 0, 0},
    {"rms/forward/256x128", TRAIN, NRM_RMS, NRM_NCHW, NRM_F32, 256, 128, 1, 0, 0},
    {"rms/forward/slice/16x128x32", TRAIN, NRM_RMS, NRM_NHWC, NRM_F32, 16, 128, 32, 0, SLICE},
    {"rms/forward/slice/16x64x32", TRAIN, NRM_RMS, NRM_NHWC, NRM_F32, 16, 64, 32, 0, SLICE},
    {"layer/forward/64x768/off", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 64, 768, 1, 0, OFF},
    {"layer/backward/64x768/off", BACK, NRM_LAYER, NRM_NCHW, NRM_F32, 64, 768, 1, 0, OFF},
    {"batch/train/NHWC/4x64x14x14/off", TRAIN, NRM_BATCH, NRM_NHWC, NRM_F32, 4, 64, 196, 0, OFF},
    {"rms/forward/64x1024/bf16", TRAIN, NRM_RMS, NRM_NCHW, NRM_BF16, 64, 1024, 1, 0, 0},
    {"layer/forward/64x768/bf16", TRAIN, NRM_LAYER, NRM_NCHW, NRM_BF16, 64, 768, 1, 0, 0},
    {"layer/forward/64x768/f16", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F16, 64, 768, 1, 0, 0},
    {"layer/forward/64x768/f64", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F64, 64, 768, 1, 0, 0},
    {"layer/backward/64x768/bf16", BACK, NRM_LAYER, NRM_NCHW, NRM_BF16, 64, 768, 1, 0, 0},
    {"batch/train/NHWC/4x64x14x14/bf16", TRAIN, NRM_BATCH, NRM_NHWC, NRM_BF16, 4, 64, 196, 0, 0},
    {"batch/train/NHWC/4x64x14x14/f64", TRAIN, NRM_BATCH, NRM_NHWC, NRM_F64, 4, 64, 196, 0, 0},
    {"tiny/layer/forward/1x8", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 1, 8, 1, 0, 0},
    {"tiny/layer/forward/8x768", TRAIN, NRM_LAYER, NRM_NCHW, NRM_F32, 8, 768, 1, 0, 0},
    {"tiny/batch/infer/NCHW/2x32x8x8", INFER, NRM_BATCH, NRM_NCHW, NRM_F32, 2, 32, 64, 0, 0},
};

static size_t offset; /* of what `values` gives, from a line of the cache */

static void *allocate(size_t count, size_t size)
{
    void *p;
    if (posix_memalign(&p, ALIGNMENT, count * size) != 0) {
        fputs("instructions: no memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return p;
}

/* Multiples of 1/64 within +-4, of a fixed sequence, in any type. */
static void *values(nrm_dtype dtype, size_t count)
{
    static uint32_t state = 1;
    char *p = (char *)allocate(count + 2, sizeof(double)) + offset;
    size_t i;
    for (i = 0; i < count; ++i) {
        float v;
        state = state * 1664525u + 1013904223u;
        v = (float)((int)(state >> 23) - 256) / 64;
        if (dtype == NRM_F32) ((float *)p)[i] = v;
        if (dtype == NRM_F64) ((double *)p)[i] = (double)v;
        if (dtype == NRM_BF16) ((uint16_t *)p)[i] = nrm_f32_to_bf16(v);
        if (dtype == NRM_F16) ((uint16_t *)p)[i] = nrm_f32_to_f16(v);
    }
    return p;
}

static void make(const struct call *k, nrm_isa isa, nrm_desc *d, nrm_args *a)
{
    const nrm_dtype held = k->dtype == NRM_F64 ? NRM_F64 : NRM_F32;
    const size_t pitch = k->flags & SLICE ? k->c * k->s * 3 / 2 : 0;
    const size_t volume = k->n * (pitch ? pitch : k->c * k->s);
    const size_t most = k->n * (k->c > k->s ? k->c : k->s);
    memset(d, 0, sizeof *d);
    memset(a, 0, sizeof *a);
    d->n = k->n, d->c = k->c, d->s = k->s, d->groups = k->groups, d->kind = k->kind;
    d->layout = k->layout, d->dtype = k->dtype, d->eps = 0.0009765625;
    d->act = k->flags & FUSED ? NRM_RELU : NRM_IDENTITY;
    d->x_pitch.sample = d->y_pitch.sample = pitch;
    offset = k->flags & OFF ? 16 : 0;
    a->isa = isa;
    a->x = values(k->dtype, volume), a->dy = values(k->dtype, volume);
    a->y = values(k->dtype, volume), a->dx = values(k->dtype, volume);
    if (k->flags & SLICE) free(a->y), a->y = (void *)(uintptr_t)a->x;
    if (k->flags & FUSED) a->residual = values(k->dtype, volume), a->sum = values(k->dtype, volume);
    a->gamma = values(held, k->c), a->beta = values(held, k->c);
    a->dgamma = values(held, k->c);
    a->dbeta = k->kind == NRM_RMS ? NULL : values(held, k->c); /* as others have it */
    a->mean = (double *)values(NRM_F64, most), a->rstd = (double *)values(NRM_F64, most);
    if (k->verb != INFER) return;
    a->running_mean = values(held, k->c), a->running_var = values(held, k->c);
    for (size_t i = 0; i < k->c; ++i) ((float *)a->running_var)[i] = 1 + (float)(i % 7);
}

static void release(nrm_args *a)
{
    if (a->y == a->x) a->y = NULL;
    const void *all[] = {a->x,     a->dy,     a->y,     a->dx,   a->residual, a->sum, a->gamma,
                         a->beta,  a->dgamma, a->dbeta, a->mean, a->rstd,     a->running_mean,
                         a->running_var};
    for (size_t i = 0; i < COUNT(all); ++i)
        if (all[i]) free((char *)(uintptr_t)all[i] - offset);
}

static nrm_status run(enum verb verb, const nrm_desc *d, const nrm_args *a)
{
    if (verb == INFER) return nrm_infer(d, a);
    return verb == TRAIN ? nrm_forward(d, a) : nrm_backward(d, a);
}

int main(void)
{
    static const nrm_isa isas[] = {NRM_SCALAR, NRM_AVX2};
    for (size_t i = 0; i < COUNT(calls) * COUNT(isas); ++i) {
        const struct call *k = &calls[i / COUNT(isas)];
        const nrm_isa isa = isas[i % COUNT(isas)];
        nrm_desc d;
        nrm_args a;
        nrm_status status;
        char name[80];
        if (!nrm_has_isa(isa)) continue;
        snprintf(name, sizeof name, "%s %s", k->name, nrm_isa_name(isa));
        make(k, isa, &d, &a);
        status = k->verb == BACK ? nrm_forward(&d, &a) : NRM_OK;
        if (!status) status = run(k->verb, &d, &a);
        if (status) {
            fprintf(stderr, "instructions: %s: %s\n", name, nrm_status_string(status));
            return EXIT_FAILURE;
        }
        CALLGRIND_ZERO_STATS;
        run(k->verb, &d, &a);
        CALLGRIND_DUMP_STATS_AT(name);
        release(&a);
    }
    return EXIT_SUCCESS;
}
