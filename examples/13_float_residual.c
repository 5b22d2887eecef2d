/* A transformer that trains in bf16 keeps its residual stream in float: what the blocks add to it
   is small beside it, and bf16 would lose it. The norm reads the float stream, adds the block's
   bf16 output, keeps the sum as a float and gives bf16 to the next block; gamma is bf16, too.
   Backward the gradient of the stream is a float as well. Beside it a stream in bf16.
       cc -O2 examples/13_float_residual.c -lm && ./a.out                                        */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>

enum { TOKENS = 32, WIDTH = 128, COUNT = TOKENS * WIDTH, BLOCKS = 24 };

typedef uint16_t bf16; /* the upper half of a float */

static bf16 branch[BLOCKS][COUNT], gamma_of[WIDTH];

/* A number between -1 and 1. */
static float noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static nrm_desc rms(int wide)
{
    nrm_desc desc = {.n = TOKENS, .c = WIDTH, .kind = NRM_RMS, .layout = NRM_NHWC,
                     .dtype = NRM_BF16, .eps = 1e-6, .param_half = 1};
    desc.wide_residual = wide;
    return desc;
}

/* stream += branch, y = norm(stream), for each block; the stream is written in place. */
static nrm_status blocks(int wide, void *stream, bf16 *y, double *rstd)
{
    const nrm_desc desc = rms(wide);
    nrm_status status = NRM_OK;
    size_t i;
    for (i = 0; i < BLOCKS && !status; ++i) {
        nrm_args args = {.x = branch[i], .y = y, .residual = stream, .sum = stream,
                         .gamma = gamma_of, .rstd = rstd};
        status = nrm_forward(&desc, &args);
    }
    return status;
}

/* How far two streams lie from the sums in double, in the mean: bf16 and float. */
static void off(const double *exact, const bf16 *narrow, const float *wide, double lost[2])
{
    size_t i;
    lost[0] = lost[1] = 0;
    for (i = 0; i < COUNT; ++i) {
        lost[0] += fabs(exact[i] - (double)nrm_bf16_to_f32(narrow[i])) / COUNT;
        lost[1] += fabs(exact[i] - (double)wide[i]) / COUNT;
    }
}

/* The last norm's gradient: of the stream as a float, of the branch in bf16. The stream that was
   kept is residual, without x. */
static int backward(const float *stream, double *rstd)
{
    static float dresidual[COUNT], dsum[COUNT];
    static bf16 dy[COUNT], dx[COUNT], dgamma[WIDTH];
    const nrm_desc desc = rms(1);
    nrm_args args = {.residual = stream, .gamma = gamma_of, .rstd = rstd, .dy = dy, .dx = dx,
                     .dsum = dsum, .dgamma = dgamma, .dresidual = dresidual};
    size_t i;
    for (i = 0; i < COUNT; ++i) dy[i] = nrm_f32_to_bf16(noise()), dsum[i] = 1e-3f * noise();
    if (nrm_backward(&desc, &args)) return 0;
    for (i = 0; i < COUNT; ++i)
        if (dx[i] != nrm_f32_to_bf16(dresidual[i])) return 0;
    return 1;
}

int main(void)
{
    static float wide[COUNT];
    static bf16 narrow[COUNT], y[COUNT];
    static double exact[COUNT], rstd[TOKENS];
    double lost[2];
    size_t i, k;
    for (i = 0; i < WIDTH; ++i) gamma_of[i] = nrm_f32_to_bf16(1.0f + 0.1f * noise());
    for (i = 0; i < COUNT; ++i) {
        narrow[i] = nrm_f32_to_bf16(8 * noise());
        exact[i] = (double)(wide[i] = nrm_bf16_to_f32(narrow[i]));
        for (k = 0; k < BLOCKS; ++k) {
            branch[k][i] = nrm_f32_to_bf16(0.02f * noise());
            exact[i] += (double)nrm_bf16_to_f32(branch[k][i]);
        }
    }
    if (blocks(0, narrow, y, rstd) || blocks(1, wide, y, rstd)) return puts("a call failed"), 1;
    off(exact, narrow, wide, lost);
    printf("after %d blocks the stream is off by %.2g in bf16, by %.2g in float\n", (int)BLOCKS,
           lost[0], lost[1]);
    if (!backward(wide, rstd)) return puts("backward: dx is not dresidual rounded"), 1;
    printf("backward: dresidual is a float, dx the same in bf16\n");
    return lost[1] < lost[0] / 100 ? 0 : 1;
}
