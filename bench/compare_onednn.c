/* compare_onednn.c - normalize.h beside oneDNN 2.6 and beside a plain copy, in one run.
 *
 *     make bench-onednn                           ROUNDS=15 by default, one thread
 *     build/bench/compare_onednn [--isa avx2] [--only TEXT]
 *
 * Absolute times drift with the clock, the neighbours and the physical pages a process was given,
 * so ours, theirs and the copy take turns within one run and only their medians are compared. A
 * sample repeats a call until it lasts about a millisecond. All three work on warm caches, as far
 * as the data fit. Both libraries compute the same thing from the same input, and are compared.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L /* clock_gettime, posix_memalign */
#endif
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLE_SECONDS 1e-3
#define MAX_ROUNDS 1001
#define EPS 1e-5f

enum pass { FORWARD, INFER, BACKWARD };

struct problem {
    enum pass pass;
    nrm_kind kind;
    nrm_layout layout;
    size_t n, c, h, w; /* a matrix has h = w = 0: n rows of c values */
};

/* Everything that is timed reads and writes here. */
struct buffers {
    float *x, *dy, *ours, *theirs, *copy;
    float *gamma, *beta, *running_mean, *running_var;
    float *dgamma, *dbeta, *their_dgamma, *their_dbeta, *their_mean, *their_var;
    double *mean, *rstd;
};

static nrm_isa isa = NRM_AUTO;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "compare_onednn: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* ---- Ours ---------------------------------------------------------------------------------- */

struct our_call {
    nrm_status (*verb)(const nrm_desc *, const nrm_args *);
    nrm_desc desc;
    nrm_args args;
};

static struct our_call our_setup(const struct problem *p, const struct buffers *b)
{
    struct our_call call;
    memset(&call, 0, sizeof call);
    call.verb = p->pass == FORWARD ? nrm_forward : p->pass == INFER ? nrm_infer : nrm_backward;
    call.desc.kind = p->kind;
    call.desc.layout = p->layout;
    call.desc.n = p->n;
    call.desc.c = p->c;
    call.desc.s = p->h ? p->h * p->w : 1;
    call.desc.eps = (double)EPS;
    call.args.x = b->x;
    call.args.gamma = b->gamma;
    call.args.beta = b->beta;
    call.args.isa = isa;
    if (p->pass == INFER) {
        call.args.running_mean = b->running_mean;
        call.args.running_var = b->running_var;
    } else {
        call.args.mean = b->mean;
        call.args.rstd = b->rstd;
    }
    if (p->pass == BACKWARD) {
        call.args.dy = b->dy;
        call.args.dx = b->ours;
        call.args.dgamma = b->dgamma;
        call.args.dbeta = b->dbeta;
    } else {
        call.args.y = b->ours;
    }
    return call;
}

static void our_run(void *user)
{
    const struct our_call *call = (const struct our_call *)user;
    nrm_status status = call->verb(&call->desc, &call->args);
    if (status) die("normalize.h", nrm_status_string(status));
}

/* Backward needs the statistics of a forward call, which is not timed. */
static void our_prepare(const struct problem *p, const struct buffers *b)
{
    struct problem forward = *p;
    struct our_call call;
    if (p->pass != BACKWARD) return;
    forward.pass = FORWARD;
    call = our_setup(&forward, b);
    our_run(&call);
}

/* ---- oneDNN -------------------------------------------------------------------------------- */

#define MAX_DNNL_ARGS 12

struct dnnl_call {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    int count;
    dnnl_exec_arg_t args[MAX_DNNL_ARGS];
};

static void dnnl_check(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) die("oneDNN", what);
}

static void dnnl_add(struct dnnl_call *call, dnnl_engine_t engine, int arg,
                     const dnnl_memory_desc_t *desc, float *data)
{
    dnnl_exec_arg_t *slot = &call->args[call->count++];
    slot->arg = arg;
    dnnl_check(dnnl_memory_create(&slot->memory, desc, engine, data), "memory");
}

static dnnl_memory_desc_t dnnl_tensor(const struct problem *p)
{
    dnnl_memory_desc_t desc;
    dnnl_dims_t dims = {(dnnl_dim_t)p->n, (dnnl_dim_t)p->c, (dnnl_dim_t)p->h, (dnnl_dim_t)p->w};
    dnnl_format_tag_t tag = !p->h ? dnnl_ab : p->layout == NRM_NHWC ? dnnl_nhwc : dnnl_nchw;
    dnnl_check(dnnl_memory_desc_init_by_tag(&desc, p->h ? 4 : 2, dims, dnnl_f32, tag), "tensor");
    return desc;
}

static dnnl_memory_desc_t dnnl_vector(size_t length)
{
    dnnl_memory_desc_t desc;
    dnnl_dims_t dims = {(dnnl_dim_t)length};
    dnnl_check(dnnl_memory_desc_init_by_tag(&desc, 1, dims, dnnl_f32, dnnl_a), "vector");
    return desc;
}

static dnnl_primitive_t dnnl_make(dnnl_engine_t engine, const_dnnl_op_desc_t desc,
                                  const_dnnl_op_desc_t forward)
{
    dnnl_primitive_desc_t hint = NULL, pd;
    dnnl_primitive_t primitive;
    if (forward) dnnl_check(dnnl_primitive_desc_create(&hint, forward, NULL, engine, NULL), "hint");
    dnnl_check(dnnl_primitive_desc_create(&pd, desc, NULL, engine, hint), "primitive desc");
    dnnl_check(dnnl_primitive_create(&primitive, pd), "primitive");
    dnnl_primitive_desc_destroy(pd);
    if (hint) dnnl_primitive_desc_destroy(hint);
    return primitive;
}

static dnnl_primitive_t dnnl_batch(const struct problem *p, dnnl_engine_t engine,
                                   const dnnl_memory_desc_t *data)
{
    const unsigned affine = dnnl_use_scale | dnnl_use_shift;
    dnnl_batch_normalization_desc_t forward, backward;
    dnnl_prop_kind_t kind = p->pass == INFER ? dnnl_forward_inference : dnnl_forward_training;
    unsigned flags = affine | (p->pass == INFER ? dnnl_use_global_stats : 0u);
    dnnl_check(dnnl_batch_normalization_forward_desc_init(&forward, kind, data, EPS, flags),
               "batch normalization");
    if (p->pass != BACKWARD) return dnnl_make(engine, &forward, NULL);
    dnnl_check(dnnl_batch_normalization_backward_desc_init(&backward, dnnl_backward, data, data,
                                                           EPS, affine),
               "batch normalization backward");
    return dnnl_make(engine, &backward, &forward);
}

static dnnl_primitive_t dnnl_layer(const struct problem *p, dnnl_engine_t engine,
                                   const dnnl_memory_desc_t *data, const dnnl_memory_desc_t *stat)
{
    const unsigned affine = dnnl_use_scale | dnnl_use_shift;
    dnnl_layer_normalization_desc_t forward, backward;
    dnnl_check(dnnl_layer_normalization_forward_desc_init(&forward, dnnl_forward_training, data,
                                                          stat, EPS, affine),
               "layer normalization");
    if (p->pass != BACKWARD) return dnnl_make(engine, &forward, NULL);
    dnnl_check(dnnl_layer_normalization_backward_desc_init(&backward, dnnl_backward, data, data,
                                                           stat, EPS, affine),
               "layer normalization backward");
    return dnnl_make(engine, &backward, &forward);
}

static struct dnnl_call dnnl_setup(const struct problem *p, const struct buffers *b,
                                   dnnl_engine_t engine, dnnl_stream_t stream)
{
    struct dnnl_call call;
    int batch = p->kind == NRM_BATCH;
    dnnl_memory_desc_t data = dnnl_tensor(p), param = dnnl_vector(p->c);
    dnnl_memory_desc_t stat = dnnl_vector(batch ? p->c : p->n);
    memset(&call, 0, sizeof call);
    call.stream = stream;
    call.primitive = batch ? dnnl_batch(p, engine, &data) : dnnl_layer(p, engine, &data, &stat);
    dnnl_add(&call, engine, DNNL_ARG_SRC, &data, b->x);
    dnnl_add(&call, engine, DNNL_ARG_SCALE, &param, b->gamma);
    dnnl_add(&call, engine, DNNL_ARG_SHIFT, &param, b->beta);
    dnnl_add(&call, engine, DNNL_ARG_MEAN, &stat,
             p->pass == INFER ? b->running_mean : b->their_mean);
    dnnl_add(&call, engine, DNNL_ARG_VARIANCE, &stat,
             p->pass == INFER ? b->running_var : b->their_var);
    if (p->pass == BACKWARD) {
        dnnl_add(&call, engine, DNNL_ARG_DIFF_DST, &data, b->dy);
        dnnl_add(&call, engine, DNNL_ARG_DIFF_SRC, &data, b->theirs);
        dnnl_add(&call, engine, DNNL_ARG_DIFF_SCALE, &param, b->their_dgamma);
        dnnl_add(&call, engine, DNNL_ARG_DIFF_SHIFT, &param, b->their_dbeta);
    } else {
        dnnl_add(&call, engine, DNNL_ARG_DST, &data, b->theirs);
    }
    return call;
}

static void dnnl_run(void *user)
{
    const struct dnnl_call *call = (const struct dnnl_call *)user;
    dnnl_check(dnnl_primitive_execute(call->primitive, call->stream, call->count, call->args),
               "execute");
    dnnl_check(dnnl_stream_wait(call->stream), "wait");
}

static void dnnl_drop(struct dnnl_call *call)
{
    while (call->count) dnnl_memory_destroy(call->args[--call->count].memory);
    dnnl_primitive_destroy(call->primitive);
}

static void dnnl_prepare(const struct problem *p, const struct buffers *b, dnnl_engine_t engine,
                         dnnl_stream_t stream)
{
    struct problem forward = *p;
    struct dnnl_call call;
    if (p->pass != BACKWARD) return;
    forward.pass = FORWARD;
    call = dnnl_setup(&forward, b, engine, stream);
    dnnl_run(&call);
    dnnl_drop(&call);
}

/* ---- A copy: the floor of a forward pass; a backward pass moves half as much again ---------- */

struct copy_call {
    void *to;
    const void *from;
    size_t bytes;
};

static void copy_run(void *user)
{
    const struct copy_call *call = (const struct copy_call *)user;
    memcpy(call->to, call->from, call->bytes);
    /* The compiler may not drop a copy that nobody reads. */
    __asm__ volatile("" : : "r"(call->to) : "memory");
}

/* ---- Timing -------------------------------------------------------------------------------- */

struct contender {
    void (*run)(void *user);
    void *user;
    size_t loops; /* calls in a sample */
    double seconds[MAX_ROUNDS];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double sample(const struct contender *k)
{
    double start = now();
    size_t i;
    for (i = 0; i < k->loops; ++i) k->run(k->user);
    return (now() - start) / (double)k->loops;
}

/* Warms up, and doubles the calls of a sample until it lasts long enough. */
static void calibrate(struct contender *k)
{
    k->loops = 1;
    sample(k);
    while (sample(k) * (double)k->loops < SAMPLE_SECONDS) k->loops *= 2;
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static double median(double *v, int count)
{
    qsort(v, (size_t)count, sizeof *v, by_value);
    return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

/* ---- Cases --------------------------------------------------------------------------------- */

static const size_t batch_shapes[][4] = {{32, 64, 56, 56},  {32, 256, 14, 14}, {1, 64, 112, 112},
                                         {8, 2048, 7, 7},   {2, 32, 8, 8},     {1, 64, 28, 28},
                                         {4096, 1024, 0, 0}};
static const size_t layer_shapes[][4] = {
    {4096, 768, 0, 0}, {512, 4096, 0, 0}, {32768, 64, 0, 0}, {128, 1024, 0, 0}, {8, 768, 0, 0}};

static void case_name(const struct problem *p, char *name, size_t size)
{
    static const char *const pass[2][3] = {{"batch training", "batch inference", "batch backward"},
                                           {"layer forward", "", "layer backward"}};
    const char *verb = pass[p->kind == NRM_LAYER][p->pass];
    if (p->h)
        snprintf(name, size, "%s %s %zux%zux%zux%zu", verb, p->layout == NRM_NHWC ? "NHWC" : "NCHW",
                 p->n, p->c, p->h, p->w);
    else
        snprintf(name, size, "%s %zux%zu", verb, p->n, p->c);
}

static size_t case_count(const struct problem *p)
{
    return p->n * p->c * (p->h ? p->h * p->w : 1);
}

static size_t list_cases(struct problem *out)
{
    static const enum pass batch_pass[] = {FORWARD, INFER, BACKWARD};
    static const nrm_layout layouts[] = {NRM_NHWC, NRM_NCHW};
    size_t count = 0, i, j, k;
    for (i = 0; i < 3; ++i)
        for (j = 0; j < 2; ++j)
            for (k = 0; k < sizeof batch_shapes / sizeof *batch_shapes; ++k) {
                const size_t *s = batch_shapes[k];
                struct problem p = {batch_pass[i], NRM_BATCH, layouts[j], s[0], s[1], s[2], s[3]};
                if (s[2] || j == 0) out[count++] = p; /* a matrix has one layout */
            }
    for (i = 0; i < 3; i += 2)
        for (k = 0; k < sizeof layer_shapes / sizeof *layer_shapes; ++k) {
            const size_t *s = layer_shapes[k];
            struct problem p = {batch_pass[i], NRM_LAYER, NRM_NHWC, s[0], s[1], s[2], s[3]};
            out[count++] = p;
        }
    return count;
}

/* The largest difference of the two results, as a fraction of the largest value. */
static double difference(const float *a, const float *b, size_t count)
{
    double worst = 0, scale = 0;
    size_t i;
    for (i = 0; i < count; ++i) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
        if (fabs((double)a[i]) > scale) scale = fabs((double)a[i]);
    }
    return scale > 0 ? worst / scale : worst;
}

/* Times one case and prints its line. Returns 0 when the two results disagree. */
static int run_case(const struct problem *p, const struct buffers *b, dnnl_engine_t engine,
                    dnnl_stream_t stream, int rounds, double *log_ratio)
{
    static struct contender k[3];
    struct our_call ours = our_setup(p, b);
    struct dnnl_call theirs;
    struct copy_call copy = {b->copy, b->x, case_count(p) * sizeof(float)};
    double us[3], differ;
    char name[64];
    int i, round;

    our_prepare(p, b);
    dnnl_prepare(p, b, engine, stream);
    theirs = dnnl_setup(p, b, engine, stream);
    k[0].run = our_run, k[0].user = &ours;
    k[1].run = dnnl_run, k[1].user = &theirs;
    k[2].run = copy_run, k[2].user = &copy;
    for (i = 0; i < 3; ++i) calibrate(&k[i]);
    for (round = 0; round < rounds; ++round)
        for (i = 0; i < 3; ++i) k[i].seconds[round] = sample(&k[i]);
    for (i = 0; i < 3; ++i) us[i] = 1e6 * median(k[i].seconds, rounds);
    dnnl_drop(&theirs);

    case_name(p, name, sizeof name);
    differ = difference(b->ours, b->theirs, case_count(p));
    if (p->pass == BACKWARD) {
        differ = fmax(differ, difference(b->dgamma, b->their_dgamma, p->c));
        differ = fmax(differ, difference(b->dbeta, b->their_dbeta, p->c));
    }
    printf("%-36s %10.2f %10.2f %7.2f %10.2f %7.2f   %.0e%s\n", name, us[0], us[1], us[1] / us[0],
           us[2], us[0] / us[2], differ, differ < 1e-3 ? "" : "  RESULTS DISAGREE");
    fflush(stdout);
    *log_ratio = log(us[1] / us[0]);
    return differ < 1e-3;
}

/* ---- Main ---------------------------------------------------------------------------------- */

static void *get(size_t count, size_t size)
{
    void *p;
    if (posix_memalign(&p, 64, count * size)) die("memory", "none left");
    memset(p, 0, count * size);
    return p;
}

/* About N(0, 1): the sum of four uniform numbers. */
static float normal(void)
{
    static uint64_t state = 1;
    int i, sum = 0;
    for (i = 0; i < 4; ++i) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (int)(state >> 48) - 32768;
    }
    return (float)sum * (1.7320508f / 65536);
}

static struct buffers make_buffers(size_t count, size_t channels, size_t statistics)
{
    struct buffers b;
    float **tensor[] = {&b.x, &b.dy, &b.ours, &b.theirs, &b.copy};
    float **param[] = {&b.gamma,  &b.beta,  &b.running_mean, &b.running_var,
                       &b.dgamma, &b.dbeta, &b.their_dgamma, &b.their_dbeta};
    size_t i;
    for (i = 0; i < sizeof tensor / sizeof *tensor; ++i)
        *tensor[i] = (float *)get(count, sizeof(float));
    for (i = 0; i < sizeof param / sizeof *param; ++i)
        *param[i] = (float *)get(channels, sizeof(float));
    b.their_mean = (float *)get(statistics, sizeof(float));
    b.their_var = (float *)get(statistics, sizeof(float));
    b.mean = (double *)get(statistics, sizeof(double));
    b.rstd = (double *)get(statistics, sizeof(double));
    for (i = 0; i < count; ++i) b.x[i] = normal() + 0.5f, b.dy[i] = normal();
    for (i = 0; i < channels; ++i) {
        b.gamma[i] = 1 + 0.1f * normal();
        b.beta[i] = 0.1f * normal();
        b.running_mean[i] = 0.5f;
        b.running_var[i] = 1;
    }
    return b;
}

static void set_isa(const char *name)
{
    int i;
    for (i = NRM_SCALAR; i <= NRM_WASM; ++i)
        if (!strcmp(name, nrm_isa_name((nrm_isa)i))) isa = (nrm_isa)i;
    if (isa == NRM_AUTO || !nrm_has_isa(isa)) die(name, "not an instruction set of this machine");
    /* oneDNN has no way to go without SSE4.1, so that scalar is set beside that. */
    dnnl_check(dnnl_set_max_cpu_isa(isa == NRM_AVX2     ? dnnl_cpu_isa_avx2
                                    : isa == NRM_SCALAR ? dnnl_cpu_isa_sse41
                                                        : dnnl_cpu_isa_all),
               "set_max_cpu_isa");
}

int main(int argc, char **argv)
{
    static struct problem cases[64];
    size_t count = list_cases(cases), i, most = 0, channels = 0, statistics = 0, ran = 0;
    const char *only = "", *env = getenv("ROUNDS");
    int rounds = env ? atoi(env) : 15, good = 1, arg;
    double log_sum = 0, log_ratio;
    struct buffers b;
    dnnl_engine_t engine;
    dnnl_stream_t stream;

    if (rounds < 1 || rounds > MAX_ROUNDS) die("ROUNDS", "1 to 1001, please");
    for (arg = 1; arg < argc; arg += 2) {
        if (arg + 1 == argc) die(argv[arg], "unknown, or its value is missing");
        if (!strcmp(argv[arg], "--isa"))
            set_isa(argv[arg + 1]);
        else if (!strcmp(argv[arg], "--only"))
            only = argv[arg + 1];
        else
            die(argv[arg], "unknown: --isa NAME or --only TEXT");
    }
    for (i = 0; i < count; ++i) { /* n + c is enough for either kind's statistics */
        if (case_count(&cases[i]) > most) most = case_count(&cases[i]);
        if (cases[i].c > channels) channels = cases[i].c;
        if (cases[i].n + cases[i].c > statistics) statistics = cases[i].n + cases[i].c;
    }
    b = make_buffers(most, channels, statistics);
    dnnl_check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    dnnl_check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");

    printf("normalize.h %d.%d.%d (%s) and oneDNN %d.%d.%d, float, medians of %d rounds\n",
           NRM_VERSION_MAJOR, NRM_VERSION_MINOR, NRM_VERSION_PATCH,
           nrm_isa_name(isa == NRM_AUTO ? nrm_best_isa() : isa), dnnl_version()->major,
           dnnl_version()->minor, dnnl_version()->patch, rounds);
    printf("speedup: oneDNN over ours; to copy: ours over memcpy of one tensor\n\n");
    printf("%-36s %10s %10s %7s %10s %7s   %s\n", "case", "ours us", "oneDNN us", "speedup",
           "memcpy us", "to copy", "differ");
    for (i = 0; i < count; ++i) {
        char name[64];
        case_name(&cases[i], name, sizeof name);
        if (!strstr(name, only)) continue;
        good &= run_case(&cases[i], &b, engine, stream, rounds, &log_ratio);
        log_sum += log_ratio;
        ++ran;
    }
    if (!ran) die(only, "no such case");
    printf("\n%zu cases, geometric mean of the speedup %.2f\n", ran, exp(log_sum / (double)ran));
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
