/* onnxruntime.c - ONNX Runtime for fuzz-yours, by its C interface. ORT_DIR holds include/ and lib/:
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/onnxruntime.c YOURS_FLAGS="-I$ORT_DIR/include
 *       -L$ORT_DIR/lib -Wl,-rpath,$ORT_DIR/lib -lonnxruntime"
 *
 * Each shape is a model of one node, whose bytes are written here as ONNX has them (a protobuf).
 * Forward alone: layer norm, instance norm, and batch norm with running statistics; NCHW.
 */
#include "normalize.h"

#include <onnxruntime_c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a model as bytes ------------------------------------------------------------------------ */

typedef struct bytes {
    size_t size;
    unsigned char data[1000];
} bytes;

static void put_number(bytes *b, size_t v)
{
    for (; v > 127; v >>= 7) b->data[b->size++] = (unsigned char)(v | 128);
    b->data[b->size++] = (unsigned char)v;
}

/* A field of the type's wire kind: 0 a number, 2 bytes, 5 four bytes. */
static void put_field(bytes *b, size_t field, size_t wire, size_t v)
{
    put_number(b, field << 3 | wire);
    put_number(b, v);
}

static void put_bytes(bytes *b, size_t field, const void *data, size_t size)
{
    put_field(b, field, 2, size);
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
static void put_epsilon(bytes *node, float eps)
{
    bytes a;
    a.size = 0;
    put_text(&a, 1, "epsilon");
    put_number(&a, 2 << 3 | 5);
    memcpy(a.data + a.size, &eps, sizeof eps);
    a.size += sizeof eps;
    put_field(&a, 20, 0, 1);
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
        put_field(&dim, 1, 0, (size_t)dims[i]);
        put_inside(&shape, 1, &dim);
    }
    put_field(&tensor, 1, 0, 1);
    put_inside(&tensor, 2, &shape);
    put_inside(&type, 1, &tensor);
    put_text(&value, 1, name);
    put_inside(&value, 2, &type);
    put_inside(graph, field, &value);
}

static const char *const names[] = {"x", "gamma", "beta", "mean", "var"};

/* ModelProto: ir_version 1, graph 7, opset_import 8. GraphProto: node 1, name 2, input 11,
   output 12. NodeProto: input 1, output 2, op_type 4, attribute 5. */
static bytes model_of(const char *op, int inputs, const int64_t *dims, int rank, float eps)
{
    const int64_t c[1] = {dims[1]};
    bytes model, graph, node, opset;
    int i;
    model.size = graph.size = node.size = opset.size = 0;
    for (i = 0; i < inputs; ++i) put_text(&node, 1, names[i]);
    put_text(&node, 2, "y");
    put_text(&node, 4, op);
    put_epsilon(&node, eps);
    put_inside(&graph, 1, &node);
    put_text(&graph, 2, "norm");
    put_tensor(&graph, 11, names[0], dims, rank);
    for (i = 1; i < inputs; ++i) put_tensor(&graph, 11, names[i], c, 1);
    put_tensor(&graph, 12, "y", dims, rank);
    put_field(&model, 1, 0, 8);
    put_inside(&model, 7, &graph);
    put_field(&opset, 2, 0, 17);
    put_inside(&model, 8, &opset);
    return model;
}

/* ---- a call ---------------------------------------------------------------------------------- */

static const OrtApi *ort;
static OrtEnv *env;
static OrtSessionOptions *options;
static OrtMemoryInfo *memory;

/* 1 when it is well. What is refused is not done. */
static int well(OrtStatus *status)
{
    if (!status) return 1;
    ort->ReleaseStatus(status);
    return 0;
}

static int start(void)
{
    static int started;
    if (started) return started > 0;
    started = -1;
    ort = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (ort && well(ort->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "fuzz", &env)) &&
        well(ort->CreateSessionOptions(&options)) &&
        well(ort->SetIntraOpNumThreads(options, 1)) &&
        well(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory)))
        started = 1;
    return started > 0;
}

static int call(const bytes *model, const void *const *data, int inputs, const int64_t *dims,
                int rank, void *y)
{
    static const char *const outputs[] = {"y"};
    const ONNXTensorElementDataType real = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    const size_t c = (size_t)dims[1], s = rank > 2 ? (size_t)dims[2] : 1;
    const size_t count = (size_t)dims[0] * c * s;
    OrtSession *session = NULL;
    OrtValue *in[5] = {NULL}, *out = NULL;
    int i, done;
    done = well(ort->CreateSessionFromArray(env, model->data, model->size, options, &session));
    for (i = 0; i < inputs && done; ++i)
        done = well(ort->CreateTensorWithDataAsOrtValue(
            memory, (void *)(uintptr_t)data[i], (i ? c : count) * sizeof(float),
            i ? dims + 1 : dims, i ? 1 : (size_t)rank, real, &in[i]));
    done = done && well(ort->CreateTensorWithDataAsOrtValue(
                       memory, y, count * sizeof(float), dims, (size_t)rank, real, &out));
    done = done && well(ort->Run(session, NULL, names, (const OrtValue *const *)in, (size_t)inputs,
                                 outputs, 1, &out));
    for (i = 0; i < inputs; ++i)
        if (in[i]) ort->ReleaseValue(in[i]);
    if (out) ort->ReleaseValue(out);
    if (session) ort->ReleaseSession(session);
    return done;
}

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    const int layer = verb == NRM_FORWARD && d->kind == NRM_LAYER && d->s == 1;
    const int instance = verb == NRM_FORWARD && d->kind == NRM_INSTANCE;
    const int batch = verb == NRM_INFER && d->kind == NRM_BATCH;
    const void *data[5];
    int64_t dims[3];
    bytes model;
    if (!layer && !instance && !batch) return 1;
    if (d->dtype != NRM_F32 || (d->layout != NRM_NCHW && d->s > 1) || d->act) return 1;
    if (d->gamma_offset || d->affine_per_sample || !a->gamma || !a->beta) return 1;
    if (d->x_pitch.line || d->x_pitch.sample || d->y_pitch.line || d->y_pitch.sample) return 1;
    if (a->residual || a->sum || a->mean || a->rstd || a->y == a->x) return 1;
    if (!batch && (a->running_mean || a->running_var)) return 1;
    if (!start()) return 1;
    data[0] = a->x, data[1] = a->gamma, data[2] = a->beta;
    data[3] = a->running_mean, data[4] = a->running_var;
    dims[0] = (int64_t)d->n, dims[1] = (int64_t)d->c, dims[2] = (int64_t)d->s;
    model = model_of(layer      ? "LayerNormalization"
                     : instance ? "InstanceNormalization"
                                : "BatchNormalization",
                     batch ? 5 : 3, dims, layer ? 2 : 3, (float)d->eps);
    return !call(&model, data, batch ? 5 : 3, dims, layer ? 2 : 3, a->y);
}
