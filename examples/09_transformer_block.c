/* The two norms of a transformer block in bf16, forward and backward: each adds the branch before
   it to the residual stream and normalises the sum, in one call. Once with layer norm, once with
   RMS norm. Attention and MLP are stand-ins, so that gradients have somewhere to flow.
       cc -O2 examples/09_transformer_block.c -lm && ./a.out
   Forward, downwards:                       Backward, upwards; norm' times dy, plus dsum:
       z1 = stream + branch,   a = norm(z1)      dz1 = norm'(da) + dz2    of stream and of branch
       z2 = z1 + attention(a), b = norm(z2)      dz2 = norm'(db) + dout,  da = attention'(dz2)
       out = z2 + mlp(b)                         db = mlp'(dout)                                 */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>

enum { TOKENS = 64, WIDTH = 256, COUNT = TOKENS * WIDTH };

typedef uint16_t bf16; /* the upper half of a float */

typedef struct norm {
    nrm_desc desc;
    float gamma[WIDTH], beta[WIDTH], dgamma[WIDTH], dbeta[WIDTH]; /* float, with bf16 too */
    bf16 sum[COUNT], y[COUNT];
    double mean[TOKENS], rstd[TOKENS]; /* kept for backward, as is sum */
} norm;

static double value(bf16 x)
{
    return (double)nrm_bf16_to_f32(x);
}

/* A number between -1 and 1. */
static float noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

/* ---- the norm ------------------------------------------------------------------------------- */

/* What both directions share. RMS norm has no shift and leaves mean alone. */
static nrm_args parameters(norm *p)
{
    nrm_args args = {.gamma = p->gamma, .mean = p->mean, .rstd = p->rstd};
    if (p->desc.kind == NRM_LAYER) args.beta = p->beta;
    return args;
}

/* sum = stream + branch, rounded to bf16; y = its norm. Without a backward pass to come, sum may be
   the stream itself. */
static nrm_status add_norm(norm *p, const bf16 *stream, const bf16 *branch)
{
    nrm_args args = parameters(p);
    args.x = branch, args.residual = stream, args.sum = p->sum, args.y = p->y;
    return nrm_forward(&p->desc, &args);
}

/* dx, the gradient of stream and of branch: dy comes through the norm, dsum past it. */
static nrm_status add_norm_backward(norm *p, const bf16 *dy, const bf16 *dsum, bf16 *dx)
{
    nrm_args args = parameters(p);
    args.x = p->sum, args.dy = dy, args.dsum = dsum, args.dx = dx;
    args.dgamma = p->dgamma, args.dbeta = p->dbeta;
    return nrm_backward(&p->desc, &args);
}

/* ---- stand-ins: attention is the mean of a token and the one before, the MLP is ReLU --------- */

static void attention(bf16 *out, const bf16 *in, int backward)
{
    for (int i = 0; i < COUNT; ++i) {
        const int other = backward ? i + WIDTH : i - WIDTH;
        const double beside = other < 0 || other >= COUNT ? 0 : value(in[other]);
        out[i] = nrm_f32_to_bf16((float)((value(in[i]) + beside) / 2));
    }
}

/* out = in where `input` is positive; forward, in is that input itself. */
static void mlp(bf16 *out, const bf16 *in, const bf16 *input)
{
    for (int i = 0; i < COUNT; ++i) out[i] = value(input[i]) > 0 ? in[i] : 0;
}

/* ---- the check: the formulas in double, from the same bf16 inputs ---------------------------- */

/* |got - exact| in units of the last of the 8 bits that a bf16 near `exact` has. */
static double units(double got, double exact)
{
    int exponent;
    frexp(exact, &exponent);
    return ldexp(fabs(got - exact), 8 - exponent);
}

/* worst[0..2]: of y and dx in these units, of dgamma in those of the sum of its terms as floats. */
static void check(const norm *p, const bf16 *dy, const bf16 *dsum, const bf16 *dx, double *worst)
{
    static double dgamma[WIDTH], terms[WIDTH];
    const int rms = p->desc.kind == NRM_RMS;
    for (int j = 0; j < WIDTH; ++j) dgamma[j] = terms[j] = 0;
    for (int i = 0; i < COUNT; i += WIDTH) {
        double mean = 0, var = 0, mean_t = 0, mean_tx = 0, xhat[WIDTH], t[WIDTH];
        for (int j = 0; j < WIDTH; ++j) mean += rms ? 0 : value(p->sum[i + j]) / WIDTH;
        for (int j = 0; j < WIDTH; ++j) var += pow(value(p->sum[i + j]) - mean, 2) / WIDTH;
        for (int j = 0; j < WIDTH; ++j) {
            const double gamma = (double)p->gamma[j] + p->desc.gamma_offset;
            xhat[j] = (value(p->sum[i + j]) - mean) / sqrt(var + p->desc.eps);
            t[j] = value(dy[i + j]) * gamma;
            mean_t += rms ? 0 : t[j] / WIDTH, mean_tx += t[j] * xhat[j] / WIDTH;
            dgamma[j] += value(dy[i + j]) * xhat[j];
            terms[j] += fabs(value(dy[i + j])) * (1 + fabs(xhat[j]));
            worst[0] = fmax(worst[0], units(value(p->y[i + j]),
                                            xhat[j] * gamma + (rms ? 0 : (double)p->beta[j])));
        }
        for (int j = 0; j < WIDTH; ++j) {
            const double through = (t[j] - mean_t - xhat[j] * mean_tx) / sqrt(var + p->desc.eps);
            worst[1] = fmax(worst[1], units(value(dx[i + j]), through + value(dsum[i + j])));
        }
    }
    for (int j = 0; j < WIDTH; ++j)
        worst[2] = fmax(worst[2], fabs((double)p->dgamma[j] - dgamma[j]) / terms[j] * 0x1p23);
}

/* ---- one block ------------------------------------------------------------------------------ */

static int block(const char *name, nrm_kind kind, double gamma_offset)
{
    static norm n1, n2;
    static bf16 stream[COUNT], branch[COUNT], out[COUNT], dout[COUNT], da[COUNT], db[COUNT],
        dz1[COUNT], dz2[COUNT];
    double worst[3] = {0, 0, 0};
    nrm_status status;
    n1.desc = (nrm_desc){.n = TOKENS, .c = WIDTH, .kind = kind, .dtype = NRM_BF16, .eps = 1e-5,
                         .gamma_offset = gamma_offset};
    n2.desc = n1.desc;
    for (int j = 0; j < WIDTH; ++j) {
        n1.gamma[j] = (float)(1 - gamma_offset) + 0.1f * noise(), n1.beta[j] = 0.1f * noise();
        n2.gamma[j] = (float)(1 - gamma_offset) + 0.1f * noise(), n2.beta[j] = 0.1f * noise();
    }
    for (int i = 0; i < COUNT; ++i) {
        stream[i] = nrm_f32_to_bf16(3 + 2 * noise()), branch[i] = nrm_f32_to_bf16(noise());
        dout[i] = nrm_f32_to_bf16(noise()); /* the loss is sum(dout * out) */
    }

    status = add_norm(&n1, stream, branch);
    attention(branch, n1.y, 0);
    if (!status) status = add_norm(&n2, n1.sum, branch);
    mlp(branch, n2.y, n2.y);
    for (int i = 0; i < COUNT; ++i)
        out[i] = nrm_f32_to_bf16((float)(value(n2.sum[i]) + value(branch[i])));

    mlp(db, dout, n2.y);
    if (!status) status = add_norm_backward(&n2, db, dout, dz2);
    attention(da, dz2, 1);
    if (!status) status = add_norm_backward(&n1, da, dz2, dz1);
    if (status) return fprintf(stderr, "%s\n", nrm_status_string(status)), 1;

    check(&n1, da, dz2, dz1, worst);
    check(&n2, db, dout, dz2, worst);
    printf("%-28s %8.4f %8.4f %8.2f    out[0] %g, dstream[0] %g\n", name, worst[0], worst[1],
           worst[2], value(out[0]), value(dz1[0]));
    return !(worst[0] < 1 && worst[1] < 1 && worst[2] < 4);
}

int main(void)
{
    int bad;
    printf("Largest differences from double; y and dx in units of a bf16's last place (0.5 is one\n"
           "rounding), dgamma in units of 2^-23 of the sum of its terms\n\n"
           "                                    y       dx     dgamma\n");
    bad = block("layer norm", NRM_LAYER, 0);
    bad |= block("RMS norm, gamma around 0 + 1", NRM_RMS, 1);
    return bad;
}
