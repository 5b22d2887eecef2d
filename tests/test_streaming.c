/* test_streaming.c - tensors that do not fit the caches: from 24 MiB on stores go past them, and
 * what is read next is asked for ahead. Neither may change a bit, so every instruction set is
 * compared with the scalar code, which does nothing of the kind; in place and apart, where lines of
 * memory begin with lines of the cache and where they do not.
 */
#include "../normalize.h"

#include "support/test.h"
#include "support/types.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* AROUND: SiLU, add and gate, whose gradients lie over them when all is in place. SKIP: add and
   RELU; CUT: RELU; SOFT: SiLU. TURNED: y in the other layout; SHORT: samples of s / 2 positions.
   NO_DBETA: not asked for, which is a way of its own for RMS. */
enum option { IN_PLACE = 1, WIDE_CHANNEL = 2, SHIFTED = 4, ODD = 8, AROUND = 16, SKIP = 32,
              TURNED = 64, SHORT = 128, CUT = 256, SOFT = 512, NO_DBETA = 1024 };

typedef struct large {
    const char *name;
    nrm_kind kind;
    nrm_layout layout;
    nrm_dtype type;
    size_t n, c, s;
    unsigned options;
} large;

static const large list[] = {
    {"rows of 768", NRM_LAYER, NRM_NHWC, NRM_F32, 4096, 768, 1, 0},
    {"rows of 768, in place", NRM_LAYER, NRM_NHWC, NRM_F32, 4096, 768, 1, IN_PLACE},
    {"rows of 768, from the middle of a line on", NRM_LAYER, NRM_NHWC, NRM_F32, 4100, 768, 1,
     SHIFTED},
    {"rows of 768, off by a byte", NRM_LAYER, NRM_NHWC, NRM_F32, 4100, 768, 1, ODD},
    {"rows of 256, from the middle of a line on", NRM_LAYER, NRM_NHWC, NRM_F32, 12300, 256, 1,
     SHIFTED},
    {"rows of 128, from the middle of a line on", NRM_RMS, NRM_NHWC, NRM_F32, 25000, 128, 1,
     SHIFTED},
    {"rows of 32", NRM_LAYER, NRM_NHWC, NRM_F32, 100000, 32, 1, 0},
    {"rows of 32, from the middle of a line on", NRM_LAYER, NRM_NHWC, NRM_F32, 100000, 32, 1,
     SHIFTED},
    {"rows of 8192, one at a time", NRM_RMS, NRM_NHWC, NRM_F32, 390, 8192, 1, 0},
    {"rows of 8192, without dbeta", NRM_RMS, NRM_NHWC, NRM_F32, 780, 8192, 1, NO_DBETA},
    {"rows of 2300", NRM_RMS, NRM_NHWC, NRM_F32, 2800, 2300, 1, NO_DBETA | SHIFTED},
    {"rows of 2304", NRM_LAYER, NRM_NHWC, NRM_F32, 2800, 2304, 1, 0},
    {"rows of 777", NRM_RMS, NRM_NHWC, NRM_F32, 4100, 777, 1, 0},
    {"planes of 28 x 28", NRM_BATCH, NRM_NCHW, NRM_F32, 63, 64, 784, 0},
    {"planes of 28 x 28, in place", NRM_BATCH, NRM_NCHW, NRM_F32, 63, 64, 784, IN_PLACE},
    {"planes of 16 x 16, from the middle of a line on", NRM_BATCH, NRM_NCHW, NRM_F32, 62, 200, 256,
     SHIFTED},
    {"planes of 16 x 16, each a group", NRM_INSTANCE, NRM_NCHW, NRM_F32, 62, 200, 256, 0},
    {"planes of 32, each a group", NRM_INSTANCE, NRM_NCHW, NRM_F32, 62, 1600, 32, 0},
    {"columns of 256 channels", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, 0},
    {"columns, from the middle of a line on", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, SHIFTED},
    {"columns, one channel in double", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, WIDE_CHANNEL},
    {"columns, in place", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, IN_PLACE},
    {"columns of 100 channels, in place", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 100, 500, IN_PLACE},
    {"columns of 48 channels", NRM_BATCH, NRM_NHWC, NRM_F32, 66, 48, 1033, 0},
    {"rows of 800 bf16", NRM_LAYER, NRM_NHWC, NRM_BF16, 8000, 800, 1, 0},
    {"rows of 1200 bf16", NRM_RMS, NRM_NHWC, NRM_BF16, 10500, 1200, 1, NO_DBETA},
    {"columns of 3136 positions", NRM_LAYER, NRM_NCHW, NRM_F32, 22, 96, 3136, 0},
    {"columns of 256 channels, f16", NRM_BATCH, NRM_NHWC, NRM_F16, 130, 256, 196, 0},
    {"rows of 768 doubles", NRM_LAYER, NRM_NHWC, NRM_F64, 2100, 768, 1, 0},
    {"rows of 777, SiLU, from the middle of a line on", NRM_LAYER, NRM_NHWC, NRM_F32, 4100, 777, 1,
     SOFT | SHIFTED},
    {"planes of 16 x 16, SiLU, from the middle of a line on", NRM_BATCH, NRM_NCHW, NRM_F32, 62, 200,
     256, SOFT | SHIFTED},
    {"rows of 768, add and gate", NRM_RMS, NRM_NHWC, NRM_F32, 4096, 768, 1, AROUND},
    {"columns of 256 channels, add and gate", NRM_BATCH, NRM_NHWC, NRM_BF16, 130, 256, 196,
     AROUND | SHIFTED},
    {"rows of 768, add, from the middle of a line on", NRM_LAYER, NRM_NHWC, NRM_F32, 4100, 768, 1,
     SKIP | SHIFTED},
    {"rows of 32, add", NRM_LAYER, NRM_NHWC, NRM_F32, 100000, 32, 1, SKIP},
    {"columns of 256 channels, add", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, SKIP},
    {"columns of 256 channels, RELU", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, CUT},
    {"columns of 64 channels, RELU, from the middle of a line on", NRM_BATCH, NRM_NHWC, NRM_F32, 65,
     64, 784, CUT | SHIFTED},
    {"columns of 512 channels, from the middle of a line on", NRM_BATCH, NRM_NHWC, NRM_F32, 65,
     512, 98, SHIFTED},
    {"columns of 2048 channels, from the middle of a line on", NRM_BATCH, NRM_NHWC, NRM_F32, 65,
     2048, 25, SHIFTED},
    {"columns of 256 channels, planes out", NRM_BATCH, NRM_NHWC, NRM_F32, 65, 256, 196, TURNED},
    {"planes of 28 x 28, columns out, add", NRM_BATCH, NRM_NCHW, NRM_F32, 63, 64, 784,
     TURNED | SKIP},
    {"rows of 256 bf16, planes out", NRM_LAYER, NRM_NHWC, NRM_BF16, 130, 256, 196, TURNED},
    {"planes of 784, of which 392 are there", NRM_BATCH, NRM_NCHW, NRM_F32, 63, 64, 784, SHORT},
    {"rows of 256, half of them there", NRM_RMS, NRM_NHWC, NRM_F32, 130, 256, 196, SHORT},
    {"planes of 28 x 28, add and gate, in place", NRM_BATCH, NRM_NCHW, NRM_F32, 63, 64, 784,
     AROUND | IN_PLACE},
};

static size_t size_of(nrm_dtype type)
{
    return type == NRM_F64 ? 8 : type == NRM_F32 ? 4 : 2;
}

static size_t values_of(const large *l)
{
    return l->n * l->c * l->s;
}

static size_t stats_of(const large *l)
{
    return l->kind == NRM_BATCH ? l->c : l->n * (l->kind == NRM_INSTANCE ? l->c : l->s);
}

/* Numbers of 11 bits, which every type holds but bf16, which rounds them. */
static void fill(nrm_dtype type, unsigned char *to, size_t count, uint32_t state)
{
    size_t i;
    for (i = 0; i < count; ++i) {
        float v;
        double wide;
        uint16_t half;
        state = state * 1664525u + 1013904223u;
        v = (float)((int)(state >> 21) - 1000) / 256, wide = (double)v;
        half = type == NRM_BF16 ? nrm_f32_to_bf16(v) : nrm_f32_to_f16(v);
        memcpy(to + i * size_of(type), type == NRM_F64 ? (void *)&wide
                                       : type == NRM_F32 ? (void *)&v
                                                         : (void *)&half, size_of(type));
    }
}

/* All tensors of a call in one block, each of which begins with a line of the cache, or in it. */
typedef struct bed {
    unsigned char *block, *x, *dy, *y, *dx, *dgamma, *dbeta, *kept; /* kept: y of calls in place */
    unsigned char *add, *gate, *dadd, *dgate; /* NULL without AROUND */
    double *mean, *rstd;
    size_t bytes, params;
} bed;

static bed bed_new(const large *l)
{
    const size_t tensor = (values_of(l) * size_of(l->type) + 128) & ~(size_t)63;
    const size_t stats = stats_of(l) * sizeof(double) + 64;
    const size_t tensors = l->options & AROUND ? 8 : 4;
    bed b;
    memset(&b, 0, sizeof b);
    b.bytes = values_of(l) * size_of(l->type), b.params = l->c * sizeof(double) + 64;
    b.block = (unsigned char *)test_alloc(1, tensors * tensor + 2 * b.params + 2 * stats + 64);
    b.x = b.block + (64 - (uintptr_t)b.block % 64) % 64;
    b.x += l->options & SHIFTED ? 16 : l->options & ODD ? 1 : 0;
    b.dy = b.x + tensor;
    b.y = b.dy + tensor, b.dx = b.y + tensor;
    b.dgamma = b.dx + tensor, b.dbeta = b.dgamma + b.params, b.kept = NULL;
    b.mean = (double *)test_alloc(1, stats), b.rstd = (double *)test_alloc(1, stats);
    fill(l->type, b.x, values_of(l), 1);
    fill(l->type, b.dy, values_of(l), 2);
    if (!(l->options & AROUND)) return b;
    b.add = b.dbeta + b.params, b.gate = b.add + tensor;
    b.dadd = b.gate + tensor, b.dgate = b.dadd + tensor;
    fill(l->type, b.add, values_of(l), 4);
    fill(l->type, b.gate, values_of(l), 5);
    return b;
}

static void bed_free(bed *b)
{
    free(b->block), free(b->mean), free(b->rstd), free(b->kept);
}

/* Forward, then backward. In place y is x and dx is dy, and x is filled again in between. */
static bed run(const large *l, nrm_isa isa, const void *gamma, const void *beta)
{
    bed b = bed_new(l);
    size_t lengths[200], i;
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    for (i = 0; i < COUNT(lengths); ++i) lengths[i] = l->s / 2;
    if (l->options & SHORT) a.lengths = lengths;
    d.transpose_y = (l->options & TURNED) != 0;
    d.kind = l->kind, d.layout = l->layout, d.dtype = l->type, d.eps = 1e-5;
    d.n = l->n, d.c = l->c, d.s = l->s;
    if (l->options & IN_PLACE) b.y = b.x, b.dx = b.dy, b.dadd = b.add, b.dgate = b.gate;
    d.act = l->options & (AROUND | SOFT) ? NRM_SILU
            : l->options & (SKIP | CUT)  ? NRM_RELU
                                         : NRM_IDENTITY;
    a.add = l->options & SKIP ? b.dy : b.add, a.gate = b.gate;
    a.isa = isa, a.x = b.x, a.y = b.y, a.gamma = gamma, a.beta = beta;
    a.mean = b.mean, a.rstd = b.rstd;
    check(nrm_forward(&d, &a) == NRM_OK, "forward");
    if (l->options & IN_PLACE) {
        b.y = b.kept = (unsigned char *)test_alloc(1, b.bytes);
        memcpy(b.y, b.x, b.bytes);
        fill(l->type, b.x, values_of(l), 1);
    }
    a.dy = b.dy, a.dx = b.dx, a.dgamma = b.dgamma;
    a.dbeta = l->options & NO_DBETA ? NULL : b.dbeta;
    a.dadd = b.dadd, a.dgate = b.dgate;
    check(nrm_backward(&d, &a) == NRM_OK, "backward");
    return b;
}

static void compare(const large *l, const bed *want, const bed *got, const char *isa)
{
    check(memcmp(want->y, got->y, want->bytes) == 0, "%s: y", isa);
    check(memcmp(want->dx, got->dx, want->bytes) == 0, "%s: dx", isa);
    if (l->options & AROUND) {
        check(memcmp(want->dadd, got->dadd, want->bytes) == 0, "%s: dadd", isa);
        check(memcmp(want->dgate, got->dgate, want->bytes) == 0, "%s: dgate", isa);
    }
    check(memcmp(want->dgamma, got->dgamma, want->params) == 0, "%s: dgamma", isa);
    check(memcmp(want->dbeta, got->dbeta, want->params) == 0, "%s: dbeta", isa);
    check(same_bits_f64(want->rstd, got->rstd, stats_of(l)), "%s: rstd", isa);
}

static void test_one(const large *l)
{
    const nrm_dtype type = l->type == NRM_F64 ? NRM_F64 : NRM_F32;
    unsigned char *params = (unsigned char *)test_alloc(2 * l->c, size_of(type));
    const float huge_gamma = 1e30f;
    bed want, got;
    size_t i;
    fill(type, params, 2 * l->c, 3);
    /* The lanes after these begin anywhere in a line of the cache; the last are few. */
    for (i = 5; (l->options & WIDE_CHANNEL) && i < l->c; i += 245)
        memcpy(params + i * sizeof huge_gamma, &huge_gamma, sizeof huge_gamma);
    group("%s", l->name);
    want = run(l, NRM_SCALAR, params, params + l->c * size_of(type));
    check(want.rstd[0] > 0, "rstd of the first");
    for (i = 0; i < ISAS; ++i)
        if (all_isa[i] != NRM_SCALAR && nrm_has_isa(all_isa[i])) {
            got = run(l, all_isa[i], params, params + l->c * size_of(type));
            compare(l, &want, &got, nrm_isa_name(all_isa[i]));
            bed_free(&got);
        }
    group_end();
    bed_free(&want);
    free(params);
}

int main(void)
{
    size_t i;
    for (i = 0; i < COUNT(list); ++i) test_one(&list[i]);
    return done_testing();
}
