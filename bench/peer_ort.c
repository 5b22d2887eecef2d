/* peer_ort.c - onnxruntime, by its C interface, for bench/layer.c.
 *
 * Each call is a model of one node, whose bytes are written here as ONNX has them (a protobuf), in
 * a session of its own. Run() is timed, with its look at names and shapes: a microsecond or two,
 * which whoever uses the library pays, too. Inputs and outputs are the caller's memory. What it
 * offers, forward alone:
 *     batch      with running statistics, NCHW
 *     layer, rms as rows; with a residual by its fused node (SkipLayerNormalization)
 *     instance   NCHW
 *     group      NCHW: a node that onnxruntime takes apart into others
 */
#define _POSIX_C_SOURCE 200112L
#include "peers.h"

#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { X, RESIDUAL, GAMMA, BETA, MEAN, VAR, INPUTS };
enum { Y, SUM, OUTPUTS };

static const char *const input_name[INPUTS] = {"x", "residual", "gamma", "beta", "mean", "var"};
static const char *const output_name[OUTPUTS] = {"y", "sum"};

/* ---- A model as bytes ------------------------------------------------------------------------ */

typedef struct bytes {
    size_t size;
    unsigned char data[2000];
} bytes;

static void put_number(bytes *b, size_t v)
{
    for (; v > 127; v >>= 7) b->data[b->size++] = (unsigned char)(v | 128);
    b->data[b->size++] = (unsigned char)v;
}

static void put_integer(bytes *b, size_t field, size_t v)
{
    put_number(b, field << 3);
    put_number(b, v);
}

static void put_bytes(bytes *b, size_t field, const void *data, size_t size)
{
    put_number(b, field << 3 | 2);
    put_number(b, size);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void put_text(bytes *b, size_t field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

static void put_inside(bytes *b, size_t field, const bytes *inner)
{
    put_bytes(b, field, inner->data, inner->size);
}

/* AttributeProto: name 1, f 2, i 3, type 20 (1 a float, 2 an integer). */
static void put_attributes(bytes *node, float eps, size_t groups)
{
    bytes a;
    a.size = 0;
    put_text(&a, 1, "epsilon");
    put_number(&a, 2 << 3 | 5);
    memcpy(a.data + a.size, &eps, sizeof eps);
    a.size += sizeof eps;
    put_integer(&a, 20, 1);
    put_inside(node, 5, &a);
    if (!groups) return;
    a.size = 0;
    put_text(&a, 1, "num_groups");
    put_integer(&a, 3, groups);
    put_integer(&a, 20, 2);
    put_inside(node, 5, &a);
}

/* ValueInfoProto: a tensor of floats. */
static void put_tensor(bytes *graph, size_t field, const char *name, const int64_t *dims, int rank)
{
    bytes shape, tensor, type, value;
    int i;
    shape.size = tensor.size = type.size = value.size = 0;
    for (i = 0; i < rank; ++i) {
        bytes dim;
        dim.size = 0;
        put_integer(&dim, 1, (size_t)dims[i]);
        put_inside(&shape, 1, &dim);
    }
    put_integer(&tensor, 1, 1);
    put_inside(&tensor, 2, &shape);
    put_inside(&type, 1, &tensor);
    put_text(&value, 1, name);
    put_inside(&value, 2, &type);
    put_inside(graph, field, &value);
}

/* OperatorSetIdProto: domain 1, version 2. */
static void put_opset(bytes *model, const char *domain, size_t version)
{
    bytes opset;
    opset.size = 0;
    put_text(&opset, 1, domain);
    put_integer(&opset, 2, version);
    put_inside(model, 8, &opset);
}

/* ---- A call ---------------------------------------------------------------------------------- */

struct call {
    struct problem p;
    int64_t dims[4], channels[1];
    int rank, inputs, outputs;
    const char *in_name[INPUTS];
    OrtValue *in[INPUTS], *out[OUTPUTS];
    float *y, *sum;
    OrtSession *session;
};

static const OrtApi *ort;
static OrtEnv *env;
static OrtSessionOptions *options;
static OrtMemoryInfo *memory;

static void check(OrtStatus *status)
{
    if (status) peers_die("onnxruntime", ort->GetErrorMessage(status));
}

/* The node, and which inputs it takes, in their order; NULL where there is none. */
static const char *node_of(const struct problem *p, const int **inputs)
{
    static const int scale[] = {X, GAMMA, -1}, affine[] = {X, GAMMA, BETA, -1},
                     running[] = {X, GAMMA, BETA, MEAN, VAR, -1},
                     skip[] = {X, RESIDUAL, GAMMA, BETA, -1},
                     skip_scale[] = {X, RESIDUAL, GAMMA, -1};
    const int rows = p->kind == NRM_LAYER || p->kind == NRM_RMS;
    if (p->pass == BACKWARD || p->dtype != NRM_F32 || p->pitch || p->blocked)
        return NULL;
    if (rows ? p->h != 0 : (!p->h && p->kind != NRM_BATCH) || (p->h && p->layout != NRM_NCHW))
        return NULL;
    if (p->residual && !rows) return NULL;
    if (p->kind == NRM_LAYER)
        return *inputs = p->residual ? skip : affine,
               p->residual ? "SkipLayerNormalization" : "LayerNormalization";
    if (p->kind == NRM_RMS)
        return *inputs = p->residual ? skip_scale : scale,
               p->residual ? "SkipSimplifiedLayerNormalization" : "SimplifiedLayerNormalization";
    *inputs = p->pass == INFER ? running : affine;
    if (p->kind == NRM_BATCH) return p->pass == INFER ? "BatchNormalization" : NULL;
    if (p->pass == INFER) return NULL;
    return p->kind == NRM_INSTANCE ? "InstanceNormalization" : "GroupNormalization";
}

/* ModelProto: ir_version 1, graph 7, opset_import 8. GraphProto: node 1, name 2, input 11,
   output 12. NodeProto: input 1, output 2, op_type 4, attribute 5, domain 7. */
static void make_session(struct call *c, const char *op, const int *inputs)
{
    static const char domain[] = "com.microsoft";
    bytes model, graph, node;
    int i;
    model.size = graph.size = node.size = 0;
    for (i = 0; inputs[i] >= 0; ++i) put_text(&node, 1, input_name[inputs[i]]);
    put_text(&node, 2, output_name[Y]);
    if (c->p.residual) { /* mean and rstd in between */
        put_text(&node, 2, ""), put_text(&node, 2, "");
        put_text(&node, 2, output_name[SUM]);
    }
    put_text(&node, 4, op);
    put_attributes(&node, (float)c->p.eps, c->p.kind == NRM_GROUP ? c->p.groups : 0);
    if (c->p.residual) put_text(&node, 7, domain);
    put_inside(&graph, 1, &node);
    put_text(&graph, 2, "norm");
    for (i = 0; inputs[i] >= 0; ++i)
        if (inputs[i] < GAMMA)
            put_tensor(&graph, 11, input_name[inputs[i]], c->dims, c->rank);
        else
            put_tensor(&graph, 11, input_name[inputs[i]], c->channels, 1);
    for (i = 0; i < c->outputs; ++i) put_tensor(&graph, 12, output_name[i], c->dims, c->rank);
    put_integer(&model, 1, 10);
    put_inside(&model, 7, &graph);
    put_opset(&model, "", 21);
    put_opset(&model, domain, 1);
    check(ort->CreateSessionFromArray(env, model.data, model.size, options, &c->session));
}

static OrtValue *value(const struct call *c, const void *data, int whole)
{
    const size_t count = whole ? peers_size(&c->p) : c->p.c;
    OrtValue *v;
    check(ort->CreateTensorWithDataAsOrtValue(
        memory, (void *)(uintptr_t)data, count * sizeof(float), whole ? c->dims : c->channels,
        whole ? (size_t)c->rank : 1, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &v));
    return v;
}

static const char *start(int threads, nrm_isa isa)
{
    (void)isa;
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!ort) peers_die("onnxruntime", "the library is older than its header");
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "bench", &env));
    check(ort->CreateSessionOptions(&options));
    check(ort->SetIntraOpNumThreads(options, threads));
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
    return OrtGetApiBase()->GetVersionString();
}

static void *prepare(const struct problem *p, const struct inputs *in, int way)
{
    const void *const data[] = {in->x,    in->residual,     in->gamma,
                                in->beta, in->running_mean, in->running_var};
    const size_t sizes[] = {p->n, p->c, p->h, p->w};
    const int *inputs = NULL;
    const char *op = way ? NULL : node_of(p, &inputs);
    struct call *c;
    if (!op) return NULL;
    c = (struct call *)peers_get(1, sizeof *c);
    c->p = *p;
    c->rank = p->h ? 4 : 2;
    for (way = 0; way < c->rank; ++way) c->dims[way] = (int64_t)sizes[way];
    c->channels[0] = (int64_t)p->c;
    c->outputs = p->residual ? OUTPUTS : 1;
    make_session(c, op, inputs);
    for (; inputs[c->inputs] >= 0; ++c->inputs) {
        c->in_name[c->inputs] = input_name[inputs[c->inputs]];
        c->in[c->inputs] = value(c, data[inputs[c->inputs]], inputs[c->inputs] < GAMMA);
    }
    c->y = (float *)peers_get(peers_size(p), sizeof(float));
    c->out[Y] = value(c, c->y, 1);
    if (!p->residual) return c;
    c->sum = (float *)peers_get(peers_size(p), sizeof(float));
    c->out[SUM] = value(c, c->sum, 1);
    return c;
}

static void run(void *user)
{
    struct call *c = (struct call *)user;
    check(ort->Run(c->session, NULL, c->in_name, (const OrtValue *const *)c->in, (size_t)c->inputs,
                   output_name, (size_t)c->outputs, c->out));
}

static void results(void *user, const struct outputs *out)
{
    const struct call *c = (const struct call *)user;
    memcpy(out->y, c->y, peers_size(&c->p) * sizeof(float));
}

static void drop(void *user)
{
    struct call *c = (struct call *)user;
    int i;
    for (i = 0; i < c->inputs; ++i) ort->ReleaseValue(c->in[i]);
    for (i = 0; i < c->outputs; ++i) ort->ReleaseValue(c->out[i]);
    ort->ReleaseSession(c->session);
    free(c->y);
    free(c->sum);
    free(c);
}

const struct peer peer_ort = {"ort", "onnxruntime", start, prepare, run, results, drop};
