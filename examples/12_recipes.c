/* Norms that go by names of their own, each as a function to copy and a check of it against plain
   loops in double.
       cc -O2 examples/12_recipes.c -lm && ./a.out                                             */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 32768 }; /* values in any tensor here */

static float x[MOST], y[MOST], more[MOST], gamma_[MOST], beta[MOST];
static double want[MOST];
static int wrong;

/* ---- what the checks share ------------------------------------------------------------------ */

/* Numbers around `middle`, up to `width` away. */
static void fill(float *to, int count, float middle, float width)
{
    static uint32_t state = 1;
    for (int i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        to[i] = middle + width * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
}

/* `count` values that lie `step` apart, normalised by plain loops; RMS if not centred. */
static void plain(double *to, const float *from, int count, int step, int centred, double eps)
{
    double mean = 0, var = 0;
    for (int i = 0; i < count; ++i) mean += centred ? (double)from[i * step] / count : 0;
    for (int i = 0; i < count; ++i) var += pow((double)from[i * step] - mean, 2) / count;
    for (int i = 0; i < count; ++i)
        to[i * step] = ((double)from[i * step] - mean) / sqrt(var + eps);
}

static double silu(double v)
{
    return v / (1 + exp(-v));
}

/* The largest difference from `want`, in proportion to 1 + |want|. */
static double difference(const float *got, int count)
{
    double most = 0;
    for (int i = 0; i < count; ++i) {
        const double off = fabs((double)got[i] - want[i]) / (1 + fabs(want[i]));
        if (!(off <= most)) most = off; /* NaN too */
    }
    return most;
}

static void report(const char *name, nrm_status status, const float *got, int count)
{
    const double off = difference(got, count);
    const int good = status == NRM_OK && off < 2e-6;
    printf("%-40s off by %.1e%s%s\n", name, off, good ? "" : ": WRONG, ",
           good ? "" : nrm_status_string(status));
    wrong |= !good;
}

/* nrm_forward, which says what it does not like. */
static nrm_status forward(const nrm_desc *d, const nrm_args *a)
{
    const nrm_status status = nrm_forward(d, a);
    char why[160];
    if (status && nrm_explain(NRM_FORWARD, d, a, why, sizeof why)) fprintf(stderr, "%s\n", why);
    return status;
}

/* ---- one call each --------------------------------------------------------------------------- */

/* QK-norm (Qwen3, Gemma 3, ViT-22B): RMS norm of each head of q and of k, in place in the fused
   qkv[tokens][3][heads][dim]. A token is a sample, a head a position, and v lies between. */
static nrm_status qk_norm(float *qkv, const float *gamma_q, const float *gamma_k, size_t tokens,
                          size_t heads, size_t dim)
{
    const size_t width = heads * dim;
    nrm_desc d = {.n = tokens, .c = dim, .s = heads, .kind = NRM_RMS, .layout = NRM_NHWC,
                  .eps = 1e-6, .x_pitch = {3 * width, dim}, .y_pitch = {3 * width, dim}};
    nrm_args q = {.x = qkv, .y = qkv, .gamma = gamma_q};
    nrm_args k = {.x = qkv + width, .y = qkv + width, .gamma = gamma_k};
    nrm_status status = forward(&d, &q);
    return status ? status : forward(&d, &k);
}

static void check_qk_norm(void)
{
    enum { TOKENS = 7, HEADS = 4, DIM = 64, ROW = 3 * HEADS * DIM, ALL = TOKENS * ROW };
    fill(x, ALL, 0.5f, 2), fill(gamma_, 2 * DIM, 1, 0.5f);
    for (int i = 0; i < ALL; i += DIM) {
        const int which = i % ROW / (HEADS * DIM); /* 0: q, 1: k, 2: v */
        plain(want + i, x + i, DIM, 1, 0, 1e-6);
        for (int j = 0; j < DIM; ++j)
            want[i + j] = which == 2 ? (double)x[i + j]
                                     : want[i + j] * (double)gamma_[which * DIM + j];
    }
    report("QK-norm in place in a fused qkv", qk_norm(x, gamma_, gamma_ + DIM, TOKENS, HEADS, DIM),
           x, ALL);
}

/* L2 norm (F.normalize, cosine similarity) is RMS norm with every gamma 1 / sqrt(c), and c / c = 1
   times eps under the root: x / sqrt(sum of x^2 + eps). With eps = 0 a row of zeros stays zeros. */
static nrm_status l2_norm(float *to, const float *from, float *scale, size_t rows, size_t c,
                          double eps)
{
    for (size_t j = 0; j < c; ++j) scale[j] = (float)(1 / sqrt((double)c));
    return nrm_rmsnorm(to, from, rows, c, scale, eps / (double)c);
}

/* ScaleNorm (transformers without tears): g * x / |x|, with one g for all. */
static nrm_status scale_norm(float *to, const float *from, float *scale, size_t rows, size_t c,
                             float g)
{
    for (size_t j = 0; j < c; ++j) scale[j] = (float)((double)g / sqrt((double)c));
    return nrm_rmsnorm(to, from, rows, c, scale, 0);
}

static void check_l2_norms(void)
{
    enum { ROWS = 9, C = 100 };
    const char *const name[3] = {"L2 norm", "L2 norm, x / sqrt(sum of x^2 + eps)", "ScaleNorm"};
    for (int k = 0; k < 3; ++k) {
        nrm_status status;
        fill(x, ROWS * C, 0, 0.01f);
        memset(x, 0, C * sizeof *x);
        for (int i = 0; i < ROWS * C; ++i) {
            double sum = k == 1 ? 1e-3 : 0;
            for (int j = 0; j < C; ++j) sum += pow((double)x[i / C * C + j], 2);
            want[i] = sum == 0 ? 0 : (double)x[i] / sqrt(sum) * (k == 2 ? 3 : 1);
        }
        status = k == 2 ? scale_norm(y, x, gamma_, ROWS, C, 3)
                        : l2_norm(y, x, gamma_, ROWS, C, k == 1 ? 1e-3 : 0);
        report(name[k], status, y, ROWS * C);
    }
}

/* PixelNorm (progressive GANs, StyleGAN): each pixel by the RMS of its channels, in NCHW. */
static nrm_status pixel_norm(float *image, size_t n, size_t c, size_t s)
{
    nrm_desc d = {.n = n, .c = c, .s = s, .kind = NRM_RMS, .eps = 1e-8};
    nrm_args a = {.x = image, .y = image};
    return forward(&d, &a);
}

static void check_pixel_norm(void)
{
    enum { N = 2, C = 24, S = 81 };
    fill(x, N * C * S, 0.2f, 1);
    for (int i = 0; i < N; ++i)
        for (int k = 0; k < S; ++k) plain(want + i * C * S + k, x + i * C * S + k, C, S, 0, 1e-8);
    report("PixelNorm", pixel_norm(x, N, C, S), x, N * C * S);
}

/* Weight standardisation (BiT, NFNets): the weights of each filter, [filters][size], to mean 0 and
   deviation 1, times a gain of the filter, which may be NULL. One sample whose channels are the
   filters; nrm_backward gives the gradients of weight and gain. */
static nrm_status standardise_weights(float *to, const float *weight, const float *gain,
                                      size_t filters, size_t size)
{
    return nrm_instancenorm(to, weight, 1, filters, size, NRM_NCHW, gain, NULL, 1e-10);
}

static void check_weights(void)
{
    enum { FILTERS = 32, SIZE = 16 * 9 };
    fill(x, FILTERS * SIZE, 0.02f, 0.1f), fill(gamma_, FILTERS, 1, 0.5f);
    for (int i = 0; i < FILTERS * SIZE; i += SIZE) {
        plain(want + i, x + i, SIZE, 1, 1, 1e-10);
        for (int j = 0; j < SIZE; ++j) want[i + j] *= (double)gamma_[i / SIZE];
    }
    report("weight standardisation", standardise_weights(y, x, gamma_, FILTERS, SIZE), y,
           FILTERS * SIZE);
}

/* AdaIN (style transfer): every channel of `content` gets mean and deviation of that of `style`.
   mean and rstd are scratch of n * c, scale and shift too. */
static nrm_status adain(float *to, const float *content, const float *style, size_t n, size_t c,
                        size_t s, double *mean, double *rstd, float *scale, float *shift)
{
    nrm_desc d = {.n = n, .c = c, .s = s, .kind = NRM_INSTANCE, .eps = 1e-5,
                  .affine_per_sample = 1};
    nrm_args of_style = {.x = style, .y = to, .mean = mean, .rstd = rstd};
    nrm_args a = {.x = content, .y = to, .gamma = scale, .beta = shift};
    nrm_status status = forward(&d, &of_style);
    for (size_t i = 0; i < n * c && !status; ++i)
        scale[i] = (float)(1 / rstd[i]), shift[i] = (float)mean[i];
    return status ? status : forward(&d, &a);
}

static void check_adain(void)
{
    enum { N = 3, C = 6, S = 10 * 10 };
    double mean[N * C], rstd[N * C];
    fill(x, N * C * S, 2, 1), fill(more, N * C * S, -1, 3);
    for (int i = 0; i < N * C * S; i += S) {
        double middle = 0, var = 0;
        for (int k = 0; k < S; ++k) middle += (double)more[i + k] / S;
        for (int k = 0; k < S; ++k) var += pow((double)more[i + k] - middle, 2) / S;
        plain(want + i, x + i, S, 1, 1, 1e-5);
        for (int k = 0; k < S; ++k) want[i + k] = want[i + k] * sqrt(var + 1e-5) + middle;
    }
    report("AdaIN", adain(y, x, more, N, C, S, mean, rstd, gamma_, beta), y, N * C * S);
}

/* ---- batch norm in parts --------------------------------------------------------------------- */

/* PreciseBN: running statistics that are those of many batches together, as the weights are now,
   not an average along the training. Batch b is x[b], all of one size. */
static nrm_status precise_bn(const nrm_desc *d, const float *const *batch, size_t batches,
                             nrm_moments *all, nrm_moments *part, float *mean, float *var)
{
    nrm_desc none = *d;
    nrm_args a = {.running_mean = mean, .running_var = var, .running_rate = 1};
    memset(all, 0, d->c * sizeof *all);
    for (size_t b = 0; b < batches; ++b) {
        nrm_status status;
        a.x = batch[b];
        status = nrm_reduce(d, &a, part);
        if (status) return status;
        nrm_merge(all, part, d->c);
    }
    none.n = 0; /* moves the running statistics, touches no tensor */
    return nrm_apply(&none, &a, all);
}

static void check_precise_bn(void)
{
    enum { BATCHES = 5, N = 8, C = 6, S = 49, ONE = N * C * S };
    const float *batch[BATCHES];
    float var[C], mean[C];
    nrm_moments all[C], part[C];
    const nrm_desc d = {.n = N, .c = C, .s = S};
    nrm_status status;
    fill(x, BATCHES * ONE, 1, 2);
    for (int b = 0; b < BATCHES; ++b) batch[b] = x + b * ONE;
    for (int j = 0; j < C; ++j) {
        const double m = BATCHES * N * S;
        want[j] = want[C + j] = 0;
        for (int i = 0; i < BATCHES * ONE; ++i)
            want[j] += i / S % C == j ? (double)x[i] / m : 0;
        for (int i = 0; i < BATCHES * ONE; ++i)
            want[C + j] += i / S % C == j ? pow((double)x[i] - want[j], 2) / (m - 1) : 0;
    }
    status = precise_bn(&d, batch, BATCHES, all, part, mean, var);
    memcpy(y, mean, sizeof mean), memcpy(y + C, var, sizeof var);
    report("PreciseBN", status, y, 2 * C);
}

/* Ghost batch norm: a large batch is normalised in parts of their own statistics. whole->s is
   1 or more: 0 would mean 1 to the library, but not in this product. */
static nrm_status ghost_batch_norm(float *to, const float *from, const nrm_desc *whole,
                                   size_t ghosts, const float *gamma)
{
    nrm_desc d = *whole;
    nrm_status status = NRM_OK;
    d.n = whole->n / ghosts;
    for (size_t i = 0; i < ghosts && !status; ++i) {
        const size_t at = i * d.n * d.c * d.s;
        nrm_args a = {.x = from + at, .y = to + at, .gamma = gamma};
        status = forward(&d, &a);
    }
    return status;
}

static void check_ghosts(void)
{
    enum { N = 64, C = 10, GHOSTS = 4, ONE = N / GHOSTS * C };
    const nrm_desc d = {.n = N, .c = C, .s = 1, .layout = NRM_NHWC, .eps = 1e-5};
    fill(x, N * C, 3, 1), fill(gamma_, C, 1, 0.5f);
    for (int g = 0; g < GHOSTS; ++g)
        for (int j = 0; j < C; ++j)
            plain(want + g * ONE + j, x + g * ONE + j, N / GHOSTS, C, 1, 1e-5);
    for (int i = 0; i < N * C; ++i) want[i] *= (double)gamma_[i % C];
    report("ghost batch norm", ghost_batch_norm(y, x, &d, GHOSTS, gamma_), y, N * C);
}

/* Masked batch norm: sequences [n][c][longest] of which sample i has length[i] positions; what is
   behind them is padding, which counts nowhere and stays as it is. Layer and RMS norm need nothing
   of the kind: each position is normalised by itself. */
static nrm_status masked_batch_norm(float *seq, size_t n, size_t c, size_t longest,
                                    const size_t *length, nrm_moments *all, nrm_moments *part)
{
    nrm_desc d = {.n = 1, .c = c, .eps = 1e-5, .x_pitch = {0, longest}, .y_pitch = {0, longest}};
    nrm_args a = {0};
    nrm_status status = NRM_OK;
    memset(all, 0, c * sizeof *all);
    for (size_t i = 0; i < n && !status; ++i) {
        if (length[i] == 0) continue; /* s = 0 would mean 1 */
        d.s = length[i], a.x = seq + i * c * longest;
        status = nrm_reduce(&d, &a, part);
        if (!status) nrm_merge(all, part, c);
    }
    for (size_t i = 0; i < n && !status; ++i) {
        if (length[i] == 0) continue;
        d.s = length[i], a.x = a.y = seq + i * c * longest;
        status = nrm_apply(&d, &a, all);
    }
    return status;
}

static void check_masked(void)
{
    enum { N = 4, C = 5, LONGEST = 30 };
    const size_t length[N] = {30, 7, 0, 12};
    nrm_moments all[C], part[C];
    fill(x, N * C * LONGEST, 1, 2);
    for (int j = 0; j < C; ++j) {
        int m = 0;
        for (int i = 0; i < N; ++i)
            for (int k = 0; k < (int)length[i]; ++k) more[m++] = x[(i * C + j) * LONGEST + k];
        plain(want + N * C * LONGEST, more, m, 1, 1, 1e-5);
        m = N * C * LONGEST;
        for (int i = 0; i < N; ++i)
            for (int k = 0; k < LONGEST; ++k) {
                const int at = (i * C + j) * LONGEST + k;
                want[at] = k < (int)length[i] ? want[m++] : (double)x[at];
            }
    }
    report("batch norm of padded sequences", masked_batch_norm(x, N, C, LONGEST, length, all, part),
           x, N * C * LONGEST);
}

/* Batch norm in inference of oneDNN's blocked layouts nChw8c, nChw16c, [n][c / block][s][block]: a
   block of channels is NHWC, and its samples lie c * s apart. */
static nrm_status blocked_batch_norm(float *image, size_t n, size_t c, size_t s, size_t block,
                                     float *mean, float *var)
{
    nrm_desc d = {.n = n, .c = block, .s = s, .layout = NRM_NHWC, .eps = 1e-5,
                  .x_pitch = {c * s, block}, .y_pitch = {c * s, block}};
    nrm_status status = NRM_OK;
    for (size_t j = 0; j < c && !status; j += block) {
        nrm_args a = {.x = image + j * s, .y = image + j * s, .running_mean = mean + j,
                      .running_var = var + j};
        status = nrm_infer(&d, &a);
    }
    return status;
}

static void check_blocked(void)
{
    enum { N = 2, C = 48, S = 7 * 7 };
    for (int block = 8; block <= 16; block += 8) {
        fill(x, N * C * S, 0, 3), fill(gamma_, C, 0, 1), fill(beta, C, 1, 0.5f);
        for (int i = 0; i < N * C * S; ++i) {
            const int j = i / (block * S) % (C / block) * block + i % block;
            want[i] = ((double)x[i] - (double)gamma_[j]) / sqrt((double)beta[j] + 1e-5);
        }
        report(block == 8 ? "nChw8c, batch norm in inference" : "nChw16c, batch norm in inference",
               blocked_batch_norm(x, N, C, S, (size_t)block, gamma_, beta), x, N * C * S);
    }
}

/* ---- what networks put around a norm --------------------------------------------------------- */

/* The end of ResNet's block: relu(batch norm(from) + skip). It is add; residual would be added
   before the norm. */
static nrm_status resnet_end(float *to, const float *from, const float *skip, const nrm_desc *d,
                             const float *gamma, double *mean, double *rstd)
{
    nrm_args a = {.x = from, .y = to, .gamma = gamma, .mean = mean, .rstd = rstd, .add = skip};
    return forward(d, &a);
}

/* Its gradients: dx of `from`; that of skip takes the place of dy. */
static nrm_status resnet_end_backward(float *dx, float *dy, const float *from, const float *skip,
                                      const nrm_desc *d, const float *gamma, double *mean,
                                      double *rstd)
{
    nrm_args a = {.x = from, .gamma = gamma, .mean = mean, .rstd = rstd, .dy = dy, .dx = dx,
                  .add = skip, .dadd = dy};
    return nrm_backward(d, &a);
}

static void check_resnet(void)
{
    enum { N = 4, C = 8, S = 36, ALL = N * C * S };
    static float dy[ALL], dx[ALL];
    static double xhat[ALL];
    double mean[C], rstd[C];
    const nrm_desc d = {.n = N, .c = C, .s = S, .layout = NRM_NHWC, .act = NRM_RELU, .eps = 1e-5};
    const nrm_args before = {.x = x, .y = y, .residual = more, .gamma = gamma_};
    nrm_status status;
    fill(x, ALL, 1, 2), fill(more, ALL, 0, 1), fill(gamma_, C, 1, 0.5f), fill(dy, ALL, 0, 1);
    for (int j = 0; j < C; ++j) plain(xhat + j, x + j, N * S, C, 1, 1e-5);
    for (int i = 0; i < ALL; ++i)
        want[i] = fmax(xhat[i] * (double)gamma_[i % C] + (double)more[i], 0);
    status = resnet_end(y, x, more, &d, gamma_, mean, rstd);
    report("ResNet: relu(norm(x) + skip)", status, y, ALL);

    for (int i = 0; i < ALL; ++i) want[i] = want[i] > 0 ? (double)dy[i] : 0;
    status = resnet_end_backward(dx, dy, x, more, &d, gamma_, mean, rstd);
    report("... gradient of skip", status, dy, ALL);
    for (int j = 0; j < C; ++j) {
        double p = 0, q = 0;
        for (int i = j; i < ALL; i += C) p += want[i] / (N * S), q += want[i] * xhat[i] / (N * S);
        for (int i = j; i < ALL; i += C)
            want[i] = rstd[j] * (double)gamma_[j] * (want[i] - p - xhat[i] * q);
    }
    report("... gradient of x", status, dx, ALL);

    for (int i = 0; i < ALL; ++i)
        want[i] = fmax(xhat[i] * (double)gamma_[i % C] + (double)more[i], 0);
    if (forward(&d, &before) == NRM_OK)
        printf("%-40s off by %.2f\n", "... with residual in place of add", difference(y, ALL));
}

/* Gated RMS norm, norm before gate: Qwen3-Next, and Mamba 2 with norm_before_gate=True. Its default
   is the norm of x * silu(gate): multiply first, and leave gate NULL. */
static nrm_status gated_rms_norm(float *to, const float *from, const float *gate,
                                 const float *gamma, size_t rows, size_t c)
{
    nrm_desc d = {.n = rows, .c = c, .kind = NRM_RMS, .eps = 1e-6};
    nrm_args a = {.x = from, .y = to, .gamma = gamma, .gate = gate};
    return forward(&d, &a);
}

static void check_gated(void)
{
    enum { ROWS = 12, C = 128 };
    fill(x, ROWS * C, 0, 2), fill(more, ROWS * C, 0, 4), fill(gamma_, C, 1, 0.5f);
    for (int i = 0; i < ROWS * C; i += C) plain(want + i, x + i, C, 1, 0, 1e-6);
    for (int i = 0; i < ROWS * C; ++i) want[i] *= (double)gamma_[i % C] * silu((double)more[i]);
    report("gated RMS norm", gated_rms_norm(y, x, more, gamma_, ROWS, C), y, ROWS * C);
}

/* The U-Net of a diffusion model: group norm and SiLU, in place. */
static nrm_status unet_norm(float *image, size_t n, size_t c, size_t s, size_t groups,
                            const float *gamma)
{
    nrm_desc d = {.n = n, .c = c, .s = s, .groups = groups, .kind = NRM_GROUP, .act = NRM_SILU,
                  .eps = 1e-6};
    nrm_args a = {.x = image, .y = image, .gamma = gamma};
    return forward(&d, &a);
}

static void check_unet(void)
{
    enum { N = 2, C = 64, S = 64, GROUPS = 8, ONE = C / GROUPS * S };
    fill(x, N * C * S, 0.5f, 2), fill(gamma_, C, 1, 0.5f);
    for (int i = 0; i < N * C * S; i += ONE) plain(want + i, x + i, ONE, 1, 1, 1e-6);
    for (int i = 0; i < N * C * S; ++i) want[i] = silu(want[i] * (double)gamma_[i / S % C]);
    report("group norm and SiLU, U-Net", unet_norm(x, N, C, S, GROUPS, gamma_), x, N * C * S);
}

/* Batch norm in inference and what follows it in MobileNetV2 (ReLU6), V3 (hard swish) and YOLO. */
static nrm_status infer_act(float *to, const float *from, nrm_desc d, float *mean, float *var)
{
    nrm_args a = {.x = from, .y = to, .running_mean = mean, .running_var = var};
    d.act_slope = 0.1, d.act_low = 0, d.act_high = 6;
    return nrm_infer(&d, &a);
}

static void check_mobile(void)
{
    static const char *const name[3] = {"batch norm and ReLU6, MobileNetV2",
                                        "batch norm and hard swish, MobileNetV3",
                                        "batch norm and leaky ReLU, YOLO"};
    static const nrm_act act[3] = {NRM_CLIP, NRM_HARD_SWISH, NRM_LEAKY_RELU};
    enum { N = 2, C = 16, S = 25 };
    for (int k = 0; k < 3; ++k) {
        const nrm_desc d = {.n = N, .c = C, .s = S, .act = act[k], .eps = 1e-3};
        fill(x, N * C * S, 2, 5), fill(gamma_, C, 0, 1), fill(beta, C, 1, 0.5f);
        for (int i = 0; i < N * C * S; ++i) {
            const int j = i / S % C;
            const double v = ((double)x[i] - (double)gamma_[j]) / sqrt((double)beta[j] + 1e-3);
            want[i] = k == 0 ? fmin(fmax(v, 0), 6)
                    : k == 1 ? v * (fmin(fmax(v + 3, 0), 6) / 6) : v < 0 ? 0.1 * v : v;
        }
        report(name[k], infer_act(y, x, d, gamma_, beta), y, N * C * S);
    }
}

/* Layer norm before a linear layer, in inference: its gamma and beta go into weight[out][in] and
   bias[out] once, and the norm needs neither. */
static void check_fold_next(void)
{
    enum { ROWS = 5, IN = 96, OUT = 40 };
    static float weight[OUT * IN], folded[OUT * IN];
    float bias[OUT], folded_bias[OUT];
    static double xhat[ROWS * IN];
    nrm_status status;
    fill(x, ROWS * IN, 1, 2), fill(gamma_, IN, 1, 0.5f), fill(beta, IN, 0, 1);
    fill(weight, OUT * IN, 0, 0.1f), fill(bias, OUT, 0, 1);
    for (int i = 0; i < ROWS; ++i) plain(xhat + i * IN, x + i * IN, IN, 1, 1, 1e-5);

    status = nrm_fold_next(folded, folded_bias, weight, bias, OUT, IN, gamma_, beta);
    if (!status) status = nrm_layernorm(x, x, ROWS, IN, NULL, NULL, 1e-5);
    for (int i = 0; i < ROWS * OUT; ++i) {
        double sum = (double)folded_bias[i % OUT];
        want[i] = (double)bias[i % OUT];
        for (int j = 0; j < IN; ++j) {
            const int at = i / OUT * IN + j, w = i % OUT * IN + j;
            sum += (double)folded[w] * (double)x[at];
            want[i] += (double)weight[w] * (xhat[at] * (double)gamma_[j] + (double)beta[j]);
        }
        y[i] = (float)sum;
    }
    report("layer norm folded into the linear layer", status, y, ROWS * OUT);
}

int main(void)
{
    check_qk_norm();
    check_l2_norms();
    check_pixel_norm();
    check_weights();
    check_adain();
    check_precise_bn();
    check_ghosts();
    check_masked();
    check_blocked();
    check_resnet();
    check_gated();
    check_unet();
    check_mobile();
    check_fold_next();
    return wrong;
}
