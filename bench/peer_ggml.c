/* peer_ggml.c - ggml on the CPU, for bench/layer.c: a norm, then the products and sums with gamma
 * and beta, as models are written with it. Of these it fuses RMS norm and gamma.
 *
 * The graph and its plan are made beforehand; ggml_graph_compute is timed. Forward alone:
 *     layer, rms as rows, with a pitch, too
 *     group      NCHW;  instance as group norm with a group a channel
 */
#define _POSIX_C_SOURCE 200112L
#include "peers.h"

#include <ggml-cpu.h>
#include <ggml.h>
#include <stdlib.h>
#include <string.h>

struct call {
    struct problem p;
    struct ggml_context *context;
    struct ggml_cgraph *graph;
    struct ggml_cplan plan;
    float *y;
};

static int threads;

static const char *start(int count, nrm_isa isa)
{
    (void)isa;
    threads = count;
    ggml_cpu_init();
    return ggml_version();
}

/* A tensor of sizes from the innermost on, over memory that is there. */
static struct ggml_tensor *tensor(const struct call *c, const void *data, size_t a, size_t b,
                                  size_t d, size_t e)
{
    struct ggml_tensor *t = ggml_new_tensor_4d(c->context, GGML_TYPE_F32, (int64_t)a, (int64_t)b,
                                               (int64_t)d, (int64_t)e);
    t->data = (void *)(uintptr_t)data;
    return t;
}

static struct ggml_tensor *input(const struct call *c, const void *x)
{
    const struct problem *p = &c->p;
    struct ggml_tensor *t;
    if (p->kind != NRM_LAYER && p->kind != NRM_RMS) return tensor(c, x, p->w, p->h, p->c, p->n);
    t = tensor(c, x, p->c, peers_area(p), p->n, 1);
    if (!p->pitch) return t;
    t->nb[2] = p->pitch * sizeof(float);
    t->nb[3] = p->n * t->nb[2];
    return t;
}

/* The norm writes y; the product and the sum follow there. */
static struct ggml_tensor *norm(const struct call *c, const struct inputs *in)
{
    const struct problem *p = &c->p;
    const float eps = (float)p->eps;
    const int rows = p->kind == NRM_LAYER || p->kind == NRM_RMS;
    struct ggml_tensor *x = input(c, in->x), *gamma, *beta, *t;
    gamma = rows ? tensor(c, in->gamma, p->c, 1, 1, 1) : tensor(c, in->gamma, 1, 1, p->c, 1);
    beta = rows ? tensor(c, in->beta, p->c, 1, 1, 1) : tensor(c, in->beta, 1, 1, p->c, 1);
    t = p->kind == NRM_LAYER ? ggml_norm(c->context, x, eps)
        : p->kind == NRM_RMS ? ggml_rms_norm(c->context, x, eps)
                             : ggml_group_norm(c->context, x,
                                               (int)(p->kind == NRM_GROUP ? p->groups : p->c), eps);
    t->data = c->y;
    t = ggml_mul_inplace(c->context, t, gamma);
    return p->kind == NRM_RMS ? t : ggml_add_inplace(c->context, t, beta);
}

static void *prepare(const struct problem *p, const struct inputs *in, int way)
{
    const int rows = p->kind == NRM_LAYER || p->kind == NRM_RMS;
    struct ggml_init_params room = {1 << 20, NULL, 1};
    struct call *c;
    if (way || p->kind == NRM_BATCH || p->pass != FORWARD || p->dtype != NRM_F32 || p->blocked ||
        p->residual)
        return NULL;
    if (rows ? p->h && p->layout != NRM_NHWC : !p->h || p->pitch || p->layout != NRM_NCHW)
        return NULL;
    c = (struct call *)peers_get(1, sizeof *c);
    c->p = *p;
    c->y = (float *)peers_get(peers_size(p), sizeof(float));
    c->context = ggml_init(room);
    c->graph = ggml_new_graph(c->context);
    ggml_build_forward_expand(c->graph, norm(c, in));
    c->plan = ggml_graph_plan(c->graph, threads, NULL);
    c->plan.work_data = (uint8_t *)peers_get(c->plan.work_size + 1, 1);
    return c;
}

static void run(void *user)
{
    struct call *c = (struct call *)user;
    if (ggml_graph_compute(c->graph, &c->plan) != GGML_STATUS_SUCCESS)
        peers_die("ggml", "the graph failed");
}

static void results(void *user, const struct outputs *out)
{
    const struct call *c = (const struct call *)user;
    memcpy(out->y, c->y, peers_size(&c->p) * sizeof(float));
}

static void drop(void *user)
{
    struct call *c = (struct call *)user;
    ggml_free(c->context);
    free(c->plan.work_data);
    free(c->y);
    free(c);
}

const struct peer peer_ggml = {"ggml", "ggml", start, prepare, run, results, drop};
