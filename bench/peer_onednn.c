/* peer_onednn.c - oneDNN, by its C interface of version 2 or 3, for bench/layer.c and
 * bench/accuracy.c.
 *
 * Primitives, memories and the stream are made beforehand; execution and waiting are timed. Flags
 * are as training or inference needs them. What it offers:
 *     batch      in the layout asked for, and in its blocked one; a matrix also as a 1x1 image,
 *                without which 2.6 takes its scalar reference
 *     layer      as a matrix, sample by sample where there is a pitch;  RMS from 3.9 on
 *     instance   batch norm, sample by sample, and from 3.3 on, forward, group norm with a group a
 *                channel
 *     group      from 3.3 on. Backward of 3.8 sums over the whole batch, which is wrong, and so it
 *                is not timed
 * in float and bfloat16. RMS backward gives a wrong dx in 3.9 to 3.14, and is not timed.
 * Run with 2.6.3, 3.2 and 3.14.
 */
#define _POSIX_C_SOURCE 200112L
#include "peers.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SINCE(major, minor) \
    (DNNL_VERSION_MAJOR * 100 + DNNL_VERSION_MINOR >= (major) * 100 + (minor))

#define MAX_ARGS 12

/* Runs one primitive on each of `samples` pieces of x. */
struct call {
    struct problem p;
    const struct inputs *in;
    size_t samples, stats;     /* pieces, and the statistics of one */
    int image;                 /* a matrix as images of one position */
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t *args;     /* MAX_ARGS for each piece */
    int count;
    char *x, *dy;              /* the inputs, in the blocked layout copies of them */
    char *y;                   /* dx in backward */
    float *mean, *var;
    float *dgamma, *dbeta;     /* c for each piece; their sums are the first c */
    dnnl_memory_desc_t tensor; /* of one piece */
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_cpu_isa_t max_isa;

static void check(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) peers_die("oneDNN", what);
}

/* ---- What differs between the interfaces ---------------------------------------------------- */

/* Of forward and backward; unsupported is not an error but NULL. */
static dnnl_primitive_desc_t made(dnnl_status_t status, dnnl_primitive_desc_t pd, const char *what)
{
    if (status == dnnl_unimplemented) return NULL;
    check(status, what);
    return pd;
}

#if DNNL_VERSION_MAJOR >= 3

#define DESC(desc) (desc)
#define NO_LIMIT dnnl_cpu_isa_default

static dnnl_memory_desc_t describe(int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    check(dnnl_memory_desc_create_with_tag(&desc, ndims, dims, type, tag), "memory desc");
    return desc;
}

static void forget(dnnl_memory_desc_t desc)
{
    dnnl_memory_desc_destroy(desc);
}

static dnnl_primitive_desc_t batch(dnnl_prop_kind_t kind, dnnl_memory_desc_t data, float eps,
                                   unsigned flags, dnnl_primitive_desc_t forward)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status =
        forward ? dnnl_batch_normalization_backward_primitive_desc_create(
                      &pd, engine, kind, data, data, data, eps, flags, forward, NULL)
                : dnnl_batch_normalization_forward_primitive_desc_create(
                      &pd, engine, kind, data, data, eps, flags, NULL);
    return made(status, pd, "batch normalization");
}

static dnnl_primitive_desc_t layer(dnnl_prop_kind_t kind, dnnl_memory_desc_t data,
                                   dnnl_memory_desc_t stat, float eps, unsigned flags,
                                   dnnl_primitive_desc_t forward)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status =
        forward ? dnnl_layer_normalization_backward_primitive_desc_create(
                      &pd, engine, kind, data, data, data, stat, eps, flags, forward, NULL)
                : dnnl_layer_normalization_forward_primitive_desc_create(
                      &pd, engine, kind, data, data, stat, eps, flags, NULL);
    return made(status, pd, "layer normalization");
}

#else

#define DESC(desc) (&(desc))
#define NO_LIMIT dnnl_cpu_isa_all

static dnnl_memory_desc_t describe(int ndims, const dnnl_dims_t dims, dnnl_data_type_t type,
                                   dnnl_format_tag_t tag)
{
    dnnl_memory_desc_t desc;
    check(dnnl_memory_desc_init_by_tag(&desc, ndims, dims, type, tag), "memory desc");
    return desc;
}

static void forget(dnnl_memory_desc_t desc)
{
    (void)desc;
}

static dnnl_primitive_desc_t batch(dnnl_prop_kind_t kind, dnnl_memory_desc_t data, float eps,
                                   unsigned flags, dnnl_primitive_desc_t forward)
{
    dnnl_batch_normalization_desc_t op;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status =
        forward ? dnnl_batch_normalization_backward_desc_init(&op, kind, &data, &data, eps, flags)
                : dnnl_batch_normalization_forward_desc_init(&op, kind, &data, eps, flags);
    check(status, "batch normalization desc");
    status = dnnl_primitive_desc_create(&pd, &op, NULL, engine, forward);
    return made(status, pd, "batch normalization");
}

static dnnl_primitive_desc_t layer(dnnl_prop_kind_t kind, dnnl_memory_desc_t data,
                                   dnnl_memory_desc_t stat, float eps, unsigned flags,
                                   dnnl_primitive_desc_t forward)
{
    dnnl_layer_normalization_desc_t op;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status =
        forward ? dnnl_layer_normalization_backward_desc_init(&op, kind, &data, &data, &stat, eps,
                                                              flags)
                : dnnl_layer_normalization_forward_desc_init(&op, kind, &data, &stat, eps, flags);
    check(status, "layer normalization desc");
    status = dnnl_primitive_desc_create(&pd, &op, NULL, engine, forward);
    return made(status, pd, "layer normalization");
}

#endif

#if SINCE(3, 3)
static dnnl_primitive_desc_t group(dnnl_prop_kind_t kind, dnnl_memory_desc_t data, size_t groups,
                                   float eps, unsigned flags, dnnl_primitive_desc_t forward)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_dim_t g = (dnnl_dim_t)groups;
    dnnl_status_t status =
        forward ? dnnl_group_normalization_backward_primitive_desc_create(
                      &pd, engine, kind, data, data, data, g, eps, flags, forward, NULL)
                : dnnl_group_normalization_forward_primitive_desc_create(
                      &pd, engine, kind, data, data, g, eps, flags, NULL);
    return made(status, pd, "group normalization");
}
#endif

#if SINCE(3, 9)
#define RMS_FLAG dnnl_rms_norm
#else
#define RMS_FLAG 0
#endif

/* ---- Making a call -------------------------------------------------------------------------- */

static dnnl_memory_desc_t vector(size_t length)
{
    dnnl_dims_t dims = {(dnnl_dim_t)length};
    return describe(1, dims, dnnl_f32, dnnl_a);
}

static dnnl_memory_desc_t image(const struct problem *p)
{
    dnnl_dims_t dims = {(dnnl_dim_t)p->n, (dnnl_dim_t)p->c, 1, 1};
    return describe(4, dims, dnnl_f32, dnnl_nhwc);
}

static dnnl_data_type_t type_of(const struct problem *p)
{
    return p->dtype == NRM_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* The positions of a sample, c values each: with a pitch, layer norm takes sample by sample. */
static dnnl_memory_desc_t rows_of(const struct problem *p)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)peers_area(p), (dnnl_dim_t)p->c};
    return describe(2, dims, type_of(p), dnnl_ab);
}

static dnnl_memory_desc_t tensor(const struct problem *p, size_t n, int blocked)
{
    /* 16 channels are a register of AVX-512, 8 one of AVX2. */
    const int wide = nrm_has_isa(NRM_AVX512) && max_isa == NO_LIMIT;
    dnnl_dims_t dims = {(dnnl_dim_t)n, (dnnl_dim_t)p->c, (dnnl_dim_t)p->h, (dnnl_dim_t)p->w};
    if (p->pitch) return rows_of(p);
    if (!p->h) return describe(2, dims, type_of(p), dnnl_ab);
    if (blocked) return describe(4, dims, type_of(p), wide ? dnnl_nChw16c : dnnl_nChw8c);
    return describe(4, dims, type_of(p), p->layout == NRM_NHWC ? dnnl_nhwc : dnnl_nchw);
}

static dnnl_memory_t memory(dnnl_memory_desc_t desc, const void *data)
{
    dnnl_memory_t m;
    check(dnnl_memory_create(&m, DESC(desc), engine, (void *)(uintptr_t)data), "memory");
    return m;
}

static dnnl_primitive_desc_t describe_norm(const struct call *c, enum pass pass,
                                           dnnl_primitive_desc_t forward)
{
    const struct problem *p = &c->p;
    unsigned flags = dnnl_use_scale | (p->kind == NRM_RMS ? (unsigned)RMS_FLAG : dnnl_use_shift);
    dnnl_prop_kind_t kind = pass == BACKWARD ? dnnl_backward
                            : pass == INFER  ? dnnl_forward_inference
                                             : dnnl_forward_training;
    const float eps = (float)p->eps;
    dnnl_primitive_desc_t pd = NULL;
    if (p->kind == NRM_LAYER || p->kind == NRM_RMS) {
        dnnl_memory_desc_t stat = vector(c->stats);
        pd = layer(kind, c->tensor, stat, eps, flags, forward);
        forget(stat);
    } else if (p->kind == NRM_GROUP) {
#if SINCE(3, 3)
        pd = group(kind, c->tensor, p->groups, eps, flags, forward);
#endif
    } else {
        if (pass == INFER) flags |= dnnl_use_global_stats;
        pd = batch(kind, c->tensor, eps, flags, forward);
    }
    return pd;
}

/* NULL where the library has no such primitive. */
static dnnl_primitive_t make(const struct call *c, enum pass pass)
{
    dnnl_primitive_desc_t forward = NULL, pd;
    dnnl_primitive_t primitive = NULL;
    if (pass == BACKWARD) {
        forward = describe_norm(c, FORWARD, NULL);
        if (!forward) return NULL;
    }
    pd = describe_norm(c, pass, forward);
    if (pd) {
        check(dnnl_primitive_create(&primitive, pd), "primitive");
        dnnl_primitive_desc_destroy(pd);
    }
    if (forward) dnnl_primitive_desc_destroy(forward);
    return primitive;
}

static void add(struct call *c, size_t sample, int arg, dnnl_memory_desc_t desc,
                const void *data)
{
    dnnl_exec_arg_t *slot = &c->args[sample * MAX_ARGS + (size_t)c->count++];
    slot->arg = arg;
    slot->memory = memory(desc, data);
}

/* No more and no less than the primitive takes: version 2 insists on a shift in backward, which it
   does not need, version 3 refuses it, of layer norm from 3.8 on. */
static void add_all(struct call *c, enum pass pass)
{
    dnnl_memory_desc_t param = vector(c->p.c), stat;
    const size_t type = peers_type(&c->p), channels = c->p.c;
    const size_t piece = peers_size(&c->p) / c->samples * type;
    const size_t step = c->p.pitch ? c->p.pitch * type : piece;
    size_t i;
    int rms = c->p.kind == NRM_RMS;
    int shift = !rms && (pass != BACKWARD || !SINCE(3, 0) ||
                         (c->p.kind == NRM_LAYER && !SINCE(3, 8)));
    if (c->p.kind == NRM_GROUP) {
        dnnl_dims_t dims = {(dnnl_dim_t)c->p.n, (dnnl_dim_t)c->p.groups};
        stat = describe(2, dims, dnnl_f32, dnnl_ab);
    } else {
        stat = vector(c->stats);
    }
    for (i = 0; i < c->samples; ++i) {
        const float *mean = pass == INFER ? c->in->running_mean : c->mean + i * c->stats;
        const float *var = pass == INFER ? c->in->running_var : c->var + i * c->stats;
        c->count = 0;
        add(c, i, DNNL_ARG_SRC, c->tensor, c->x + i * step);
        add(c, i, DNNL_ARG_SCALE, param, c->in->gamma);
        if (shift) add(c, i, DNNL_ARG_SHIFT, param, c->in->beta);
        if (!rms) add(c, i, DNNL_ARG_MEAN, stat, mean);
        add(c, i, DNNL_ARG_VARIANCE, stat, var);
        if (pass == BACKWARD) {
            add(c, i, DNNL_ARG_DIFF_DST, c->tensor, c->dy + i * step);
            add(c, i, DNNL_ARG_DIFF_SRC, c->tensor, c->y + i * piece);
            add(c, i, DNNL_ARG_DIFF_SCALE, param, c->dgamma + i * channels);
            if (!rms) add(c, i, DNNL_ARG_DIFF_SHIFT, param, c->dbeta + i * channels);
        } else {
            add(c, i, DNNL_ARG_DST, c->tensor, c->y + i * piece);
        }
    }
    forget(param);
    forget(stat);
}

static void drop_primitive(struct call *c)
{
    size_t i;
    int k;
    for (i = 0; i < c->samples; ++i)
        for (k = 0; k < c->count; ++k)
            dnnl_memory_destroy(c->args[i * MAX_ARGS + (size_t)k].memory);
    dnnl_primitive_destroy(c->primitive);
    c->count = 0;
}

/* Into the blocked layout or out of it. */
static void reorder(const struct problem *p, void *to, int to_blocked, const void *from)
{
    dnnl_memory_desc_t a = tensor(p, p->n, !to_blocked), b = tensor(p, p->n, to_blocked);
    dnnl_exec_arg_t args[2] = {{DNNL_ARG_SRC, memory(a, from)}, {DNNL_ARG_DST, memory(b, to)}};
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    check(dnnl_reorder_primitive_desc_create(&pd, DESC(a), engine, DESC(b), engine, NULL),
          "reorder");
    check(dnnl_primitive_create(&primitive, pd), "reorder primitive");
    check(dnnl_primitive_execute(primitive, stream, 2, args), "reorder");
    check(dnnl_stream_wait(stream), "wait");
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(args[0].memory);
    dnnl_memory_destroy(args[1].memory);
    forget(a);
    forget(b);
}

/* ---- The table's functions ------------------------------------------------------------------ */

/* oneDNN has no call of its own for this, and OMP_NUM_THREADS has been read by now. NULL where
   oneDNN does not use OpenMP: there all its threads take part. */
extern void omp_set_num_threads(int) __attribute__((weak));

static const char *start(int threads, nrm_isa isa)
{
    static char version[96];
    const dnnl_version_t *v = dnnl_version();
    if (omp_set_num_threads) omp_set_num_threads(threads);
    /* There is no way to go without SSE4.1, so that scalar is set beside that. */
    max_isa = isa == NRM_AVX2     ? dnnl_cpu_isa_avx2
              : isa == NRM_SCALAR ? dnnl_cpu_isa_sse41
                                  : NO_LIMIT;
    if (max_isa != NO_LIMIT) check(dnnl_set_max_cpu_isa(max_isa), "set_max_cpu_isa");
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    snprintf(version, sizeof version, "%d.%d.%d", v->major, v->minor, v->patch);
    return version;
}

static int run_once(struct call *c)
{
    size_t i;
    for (i = 0; i < c->samples; ++i)
        if (dnnl_primitive_execute(c->primitive, stream, c->count, c->args + i * MAX_ARGS) !=
            dnnl_success)
            return 0;
    return dnnl_stream_wait(stream) == dnnl_success;
}

static void run(void *user)
{
    struct call *c = (struct call *)user;
    size_t i, j;
    if (!run_once(c)) peers_die("oneDNN", "execute");
    if (c->p.pass != BACKWARD) return;
    for (i = 1; i < c->samples; ++i)
        for (j = 0; j < c->p.c; ++j) {
            c->dgamma[j] += c->dgamma[i * c->p.c + j];
            c->dbeta[j] += c->dbeta[i * c->p.c + j];
        }
}

static void drop(void *user)
{
    struct call *c = (struct call *)user;
    if (c->primitive) drop_primitive(c);
    if (c->p.blocked) free(c->x), free(c->dy);
    forget(c->tensor);
    free(c->args);
    free(c->y);
    free(c->mean);
    free(c->var);
    free(c->dgamma);
    free(c->dbeta);
    free(c);
}

/* The problem as the primitive sees it. Returns 0 where there is no such way. */
static int choose(struct call *c, int way)
{
    struct problem *p = &c->p;
    c->samples = 1;
    c->image = p->kind == NRM_BATCH && !p->h && way;
    if (way > ((p->kind == NRM_INSTANCE && p->pass == FORWARD) || c->image)) return 0;
    if (p->kind == NRM_RMS && !RMS_FLAG) return 0;
    if (p->blocked && p->dtype != NRM_F32) return 0;
    if (p->residual || p->dtype == NRM_F16 || p->dtype == NRM_F64) return 0;
    if (p->pitch && p->kind != NRM_LAYER && p->kind != NRM_RMS) return 0;
    if (p->kind == NRM_INSTANCE && way) p->kind = NRM_GROUP, p->groups = p->c;
    if (p->kind == NRM_GROUP && !SINCE(3, 3)) return 0;
    if (p->kind == NRM_INSTANCE || p->pitch) c->samples = p->n;
    c->stats = p->kind == NRM_LAYER || p->kind == NRM_RMS ? p->n * peers_area(p) / c->samples
               : p->kind == NRM_GROUP                     ? p->n * p->groups
                                                          : p->c;
    return 1;
}

static void make_buffers(struct call *c)
{
    const size_t size = peers_size(&c->p), type = peers_type(&c->p);
    c->y = (char *)peers_get(size, type);
    c->mean = (float *)peers_get(c->samples * c->stats, sizeof(float));
    c->var = (float *)peers_get(c->samples * c->stats, sizeof(float));
    c->dgamma = (float *)peers_get(c->samples * c->p.c, sizeof(float));
    c->dbeta = (float *)peers_get(c->samples * c->p.c, sizeof(float));
    c->args = (dnnl_exec_arg_t *)peers_get(c->samples * MAX_ARGS, sizeof *c->args);
    c->x = (char *)(uintptr_t)c->in->x;
    c->dy = (char *)(uintptr_t)c->in->dy;
    if (c->p.blocked) {
        c->x = (char *)peers_get(size, type);
        c->dy = (char *)peers_get(size, type);
        reorder(&c->p, c->x, 1, c->in->x);
        reorder(&c->p, c->dy, 1, c->in->dy);
    }
}

static void *prepare(const struct problem *p, const struct inputs *in, int way)
{
    struct call *c = (struct call *)peers_get(1, sizeof *c);
    c->p = *p;
    c->in = in;
    if (!choose(c, way)) {
        free(c);
        return NULL;
    }
    c->tensor = c->image ? image(p) : tensor(p, p->n / c->samples, p->blocked);
    make_buffers(c);
    if (p->pass == BACKWARD) { /* its statistics are those of a forward call */
        c->primitive = make(c, FORWARD);
        if (c->primitive) {
            add_all(c, FORWARD);
            if (!run_once(c)) peers_die("oneDNN", "forward before backward");
            drop_primitive(c);
        }
    }
    c->primitive = make(c, p->pass);
    if (!c->primitive) {
        drop(c);
        return NULL;
    }
    add_all(c, p->pass);
    return c;
}

static void results(void *user, const struct outputs *out)
{
    struct call *c = (struct call *)user;
    const size_t size = peers_size(&c->p);
    size_t i;
    if (c->p.blocked) reorder(&c->p, out->y, 0, c->y);
    else if (c->p.dtype == NRM_F32) memcpy(out->y, c->y, size * sizeof(float));
    else for (i = 0; i < size; ++i) out->y[i] = nrm_bf16_to_f32(((const uint16_t *)c->y)[i]);
    memcpy(out->dgamma, c->dgamma, c->p.c * sizeof(float));
    memcpy(out->dbeta, c->dbeta, c->p.c * sizeof(float));
}

const struct peer peer_onednn = {"onednn", "oneDNN", start, prepare, run, results, drop};
