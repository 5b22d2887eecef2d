/* peer_torch.cpp - PyTorch's C++ library, for bench/layer.c and bench/accuracy.c.
 *
 * The CPU's functions are called directly, past the dispatcher and in inference mode, so that no
 * time goes to autograd. They return new tensors: their out= forms of 1.13 compute elsewhere and
 * copy. The result of the last call is released before the next, and layer.c has set malloc up to
 * hand out the same memory again, so that allocation costs a fraction of a microsecond. NHWC is
 * PyTorch's channels_last. What it offers:
 *     batch      in both layouts
 *     layer      as a matrix, with a pitch, too
 *     rms        the same, forward alone, from 2.4 on: its backward pass is autograd's
 *     instance   NCHW: batch norm of the tensor seen as n*c channels, which is what instance_norm
 *                does. NHWC: the same after a conversion, as instance_norm would (its result stays
 *                NCHW), or group norm with a group a channel, or batch norm, sample by sample
 *     group      both layouts; backward from NHWC converts, as autograd would
 * in float and bfloat16, gamma and beta as floats.
 */
#include "peers.h"

#include <ATen/ATen.h>
#include <ATen/CPUFunctions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <torch/version.h>

#define HAS_RMS (TORCH_VERSION_MAJOR * 100 + TORCH_VERSION_MINOR >= 204)
#if HAS_RMS
#include <ATen/ops/rms_norm.h>
#endif

#include <array>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <tuple>
#include <vector>

namespace {

using at::Tensor;

enum way { PLAIN, SAMPLES, GROUPS, CONVERT };

struct call {
    problem p;
    way how;
    Tensor x, dy, gamma, beta, running_mean, running_var;
    Tensor mean, rstd;             /* of a forward call, for backward */
    std::vector<Tensor> xs, dys;   /* SAMPLES: views of one sample each */
    std::vector<Tensor> ys;        /* results: y or dx; one, but for SAMPLES */
    std::vector<Tensor> means, rstds;
    Tensor dgamma, dbeta;
};

using three = std::tuple<Tensor, Tensor, Tensor>;

const std::array<bool, 3> all = {{true, true, true}};

int64_t size(size_t v)
{
    return static_cast<int64_t>(v);
}

/* A tensor over memory that is only read. */
Tensor view(const void *data, const problem &p)
{
    void *v = const_cast<void *>(data);
    const at::ScalarType type = p.dtype == NRM_BF16 ? at::kBFloat16 : at::kFloat;
    int64_t n = size(p.n), c = size(p.c), h = size(p.h), w = size(p.w);
    if (p.pitch) return at::from_blob(v, {n, size(peers_area(&p)), c}, {size(p.pitch), c, 1}, type);
    if (!p.h) return at::from_blob(v, {n, c}, type);
    if (p.layout == NRM_NCHW) return at::from_blob(v, {n, c, h, w}, type);
    return at::from_blob(v, {n, c, h, w}, {h * w * c, 1, w * c, c}, type);
}

Tensor vector(const float *data, const problem &p)
{
    return at::from_blob(const_cast<float *>(data), {size(p.c)}, at::kFloat);
}

/* Instance norm is batch norm of one sample with n*c channels. */
Tensor merged(const Tensor &x, const problem &p)
{
    return x.view({1, size(p.n * p.c), size(p.h), size(p.w)});
}

three batch_forward(const call &k, const Tensor &x)
{
    return at::cpu::native_batch_norm(x, k.gamma, k.beta, {}, {}, true, 0, k.p.eps);
}

three batch_backward(const call &k, const Tensor &dy, const Tensor &x, const Tensor &mean,
                     const Tensor &rstd)
{
    return at::cpu::native_batch_norm_backward(dy, x, k.gamma, {}, {}, mean, rstd, true, k.p.eps,
                                               all);
}

three group_forward(const call &k, const Tensor &x)
{
    const problem &p = k.p;
    return at::cpu::native_group_norm(x, k.gamma, k.beta, size(p.n), size(p.c),
                                      size(peers_area(&p)), size(p.groups), k.p.eps);
}

three group_backward(const call &k, const Tensor &dy, const Tensor &x)
{
    const problem &p = k.p;
    return at::cpu::native_group_norm_backward(dy, x, k.mean, k.rstd, k.gamma, size(p.n), size(p.c),
                                               size(peers_area(&p)), size(p.groups), all);
}

/* What instance norm converts or sees otherwise. */
Tensor seen(const call &k, const Tensor &x)
{
    Tensor plain = k.how == CONVERT ? x.contiguous() : x;
    return k.p.kind == NRM_INSTANCE ? merged(plain, k.p) : plain;
}

void forward(call &k)
{
    three r;
    k.ys.clear();
    if (k.how == SAMPLES) {
        k.means.clear(), k.rstds.clear();
        for (const Tensor &x : k.xs) {
            r = batch_forward(k, x);
            k.ys.push_back(std::get<0>(r));
            k.means.push_back(std::get<1>(r)), k.rstds.push_back(std::get<2>(r));
        }
        return;
    }
#if HAS_RMS
    if (k.p.kind == NRM_RMS) {
        k.ys.push_back(at::rms_norm(k.x, {size(k.p.c)}, k.gamma, k.p.eps));
        return;
    }
#endif
    if (k.how == GROUPS || k.p.kind == NRM_GROUP)
        r = group_forward(k, k.p.pass == BACKWARD ? seen(k, k.x) : k.x);
    else if (k.p.kind == NRM_LAYER)
        r = at::cpu::native_layer_norm(k.x, {size(k.p.c)}, k.gamma, k.beta, k.p.eps);
    else
        r = batch_forward(k, seen(k, k.x));
    k.ys.push_back(std::get<0>(r));
    k.mean = std::get<1>(r), k.rstd = std::get<2>(r);
}

void infer(call &k)
{
    k.ys.clear();
    k.ys.push_back(std::get<0>(at::cpu::native_batch_norm(
        k.x, k.gamma, k.beta, k.running_mean, k.running_var, false, 0, k.p.eps)));
}

void backward(call &k)
{
    three r;
    k.ys.clear();
    if (k.how == SAMPLES) {
        for (size_t i = 0; i < k.xs.size(); ++i) {
            r = batch_backward(k, k.dys[i], k.xs[i], k.means[i], k.rstds[i]);
            k.ys.push_back(std::get<0>(r));
            if (i) k.dgamma.add_(std::get<1>(r)), k.dbeta.add_(std::get<2>(r));
            else k.dgamma = std::get<1>(r), k.dbeta = std::get<2>(r);
        }
        return;
    }
    if (k.p.kind == NRM_GROUP)
        r = group_backward(k, seen(k, k.dy), seen(k, k.x));
    else if (k.p.kind == NRM_LAYER)
        r = at::cpu::native_layer_norm_backward(k.dy, k.x, {size(k.p.c)}, k.mean, k.rstd, k.gamma,
                                                k.beta, all);
    else
        r = batch_backward(k, seen(k, k.dy), seen(k, k.x), k.mean, k.rstd);
    k.ys.push_back(std::get<0>(r));
    k.dgamma = std::get<1>(r), k.dbeta = std::get<2>(r);
    if (k.p.kind == NRM_INSTANCE) { /* autograd does this for the repeated parameters */
        k.dgamma = k.dgamma.view({size(k.p.n), size(k.p.c)}).sum(0);
        k.dbeta = k.dbeta.view({size(k.p.n), size(k.p.c)}).sum(0);
    }
}

/* The ways of a problem, by number. Returns false where there are no more. */
bool choose(call &k, int number)
{
    static const way instance_nhwc[] = {SAMPLES, CONVERT, GROUPS};
    k.how = PLAIN;
    const bool rows = k.p.kind == NRM_LAYER || k.p.kind == NRM_RMS;
    if (k.p.kind == NRM_RMS && (!HAS_RMS || k.p.pass != FORWARD)) return false;
    if (k.p.blocked || k.p.residual || (k.p.pitch && !rows)) return false;
    if (k.p.dtype != NRM_F32 && k.p.dtype != NRM_BF16) return false;
    if (k.p.kind == NRM_INSTANCE && k.p.layout == NRM_NHWC) {
        if (number > (k.p.pass == BACKWARD ? 1 : 2)) return false;
        k.how = instance_nhwc[number];
        if (k.how == GROUPS) k.p.kind = NRM_GROUP, k.p.groups = k.p.c;
        return true;
    }
    if (k.p.kind == NRM_GROUP && k.p.layout == NRM_NHWC && k.p.pass == BACKWARD) k.how = CONVERT;
    return number == 0;
}

void make(call &k, const inputs &in)
{
    const problem &p = k.p;
    k.x = view(in.x, p), k.dy = view(in.dy, p);
    k.gamma = vector(in.gamma, p), k.beta = vector(in.beta, p);
    k.running_mean = vector(in.running_mean, p), k.running_var = vector(in.running_var, p);
    if (p.kind == NRM_INSTANCE && k.how != SAMPLES)
        k.gamma = k.gamma.repeat({size(p.n)}), k.beta = k.beta.repeat({size(p.n)});
    for (int64_t i = 0; k.how == SAMPLES && i < size(p.n); ++i) {
        k.xs.push_back(k.x.narrow(0, i, 1));
        k.dys.push_back(k.dy.narrow(0, i, 1));
    }
    if (p.pass == BACKWARD) forward(k);
}

/* ---- The table's functions ------------------------------------------------------------------ */

const char *start(int threads, nrm_isa isa)
{
    /* Read at the first call of a kernel. */
    if (isa == NRM_AVX2) setenv("ATEN_CPU_CAPABILITY", "avx2", 1);
    if (isa == NRM_SCALAR) setenv("ATEN_CPU_CAPABILITY", "default", 1);
    at::set_num_threads(threads);
    static c10::InferenceMode guard;
    return TORCH_VERSION;
}

void *prepare(const struct problem *p, const struct inputs *in, int number)
{
    call *k = new call();
    k->p = *p;
    try {
        if (choose(*k, number)) {
            make(*k, *in);
            return k;
        }
    } catch (const std::exception &e) {
        peers_die("PyTorch", e.what());
    }
    delete k;
    return nullptr;
}

void run(void *user)
{
    call *k = static_cast<call *>(user);
    try {
        if (k->p.pass == FORWARD) forward(*k);
        else if (k->p.pass == INFER) infer(*k);
        else backward(*k);
    } catch (const std::exception &e) {
        peers_die("PyTorch", e.what());
    }
}

void results(void *user, const struct outputs *out)
{
    call *k = static_cast<call *>(user);
    const problem &p = k->p;
    float *to = out->y;
    for (const Tensor &part : k->ys) {
        Tensor y = part;
        if (p.h && !p.pitch) {
            y = y.reshape({size(p.n / k->ys.size()), size(p.c), size(p.h), size(p.w)});
            if (p.layout == NRM_NHWC) y = y.permute({0, 2, 3, 1});
        }
        y = y.to(at::kFloat).contiguous();
        std::memcpy(to, y.data_ptr<float>(), static_cast<size_t>(y.numel()) * sizeof(float));
        to += y.numel();
    }
    if (p.pass != BACKWARD) return;
    std::memcpy(out->dgamma, k->dgamma.data_ptr<float>(), p.c * sizeof(float));
    std::memcpy(out->dbeta, k->dbeta.data_ptr<float>(), p.c * sizeof(float));
}

void drop(void *user)
{
    delete static_cast<call *>(user);
}

} /* namespace */

extern "C" const struct peer peer_torch = {"torch", "PyTorch", start, prepare, run, results, drop};
