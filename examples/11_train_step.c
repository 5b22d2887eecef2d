/* The life of a batch norm: training, inference, fine-tuning with frozen statistics, and the batch
   of one that training refuses.
       cc -O2 examples/11_train_step.c -lm && ./a.out
   running_rate is what PyTorch calls momentum (0.1); Keras and ONNX give 1 - running_rate (0.9).
   A batch is normalised by its variance over m values, m2 / m. Into running_var goes the unbiased
   one, m2 / (m - 1), as in PyTorch; or m2 / m again with running_population = 1, as in Keras.   */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 16, C = 2, COUNT = N * C }; /* few samples, so that m - 1 is not m */

static float x[COUNT], y[COUNT], target[COUNT], dy[COUNT], dx[COUNT];
/* Not "gamma", which is a function of <math.h> where that has more than C99 asks for. */
static float scale[C] = {1, 1}, shift[C] = {0, 0}, dscale[C], dshift[C];
static float running_mean[C] = {0, 0}, running_var[C] = {1, 1};
static double mean[C], rstd[C];

static nrm_desc desc = {.n = N, .c = C, .kind = NRM_BATCH, .eps = 1e-5};
static nrm_args args = {.x = x, .y = y, .gamma = scale, .beta = shift, .mean = mean, .rstd = rstd,
                        .running_mean = running_mean, .running_var = running_var,
                        .running_rate = 0.1, .dy = dy, .dx = dx, .dgamma = dscale,
                        .dbeta = dshift};

/* A number of mean 0 and variance 1. */
static double noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return ((double)(state >> 8) / 8388608.0 - 1) * sqrt(3);
}

/* Samples around 5 and around -40. What is wanted is the layer with these parameters, give or take
   some noise. */
static void draw(double best_scale, double best_shift)
{
    for (int i = 0; i < COUNT; ++i) {
        const double z = noise();
        x[i] = (float)(i % C ? -40 + 8 * z : 5 + 0.5 * z);
        target[i] = (float)(best_scale * z + best_shift + 0.3 * noise());
    }
}

/* The mean of (y - target)^2, and its gradient dy. */
static double loss(void)
{
    double sum = 0;
    for (int i = 0; i < COUNT; ++i) {
        const double d = (double)y[i] - (double)target[i];
        sum += d * d / COUNT, dy[i] = (float)(2 * d / COUNT);
    }
    return sum;
}

static void descend(float rate)
{
    for (int j = 0; j < C; ++j) scale[j] -= rate * dscale[j], shift[j] -= rate * dshift[j];
}

/* The sum of dx over the batch, of channel 0, in parts of its terms. */
static double sum_of_dx(void)
{
    double sum = 0, terms = 0;
    for (int i = 0; i < COUNT; i += C) sum += (double)dx[i], terms += fabs((double)dx[i]);
    return fabs(sum) / terms;
}

static void report(const char *what, double mean_loss)
{
    printf("%-14s %6.3f   %6.3f %6.3f   %6.3f %8.3f   %6.4f %7.3f\n", what, mean_loss,
           (double)scale[0], (double)shift[0], (double)running_mean[0], (double)running_mean[1],
           (double)running_var[0], (double)running_var[1]);
}

/* Moves the running statistics of channel j in plain double; returns the unbiased variance. */
static double move(double *r_mean, double *r_var, int j)
{
    double sum = 0, m2 = 0;
    for (int i = j; i < COUNT; i += C) sum += (double)x[i];
    for (int i = j; i < COUNT; i += C) m2 += pow((double)x[i] - sum / N, 2);
    *r_mean = (1 - args.running_rate) * *r_mean + args.running_rate * sum / N;
    *r_var = (1 - args.running_rate) * *r_var + args.running_rate * m2 / (N - 1);
    return m2 / (N - 1);
}

static int failed(nrm_status status)
{
    if (status) printf("%s\n", nrm_status_string(status));
    return status != NRM_OK;
}

/* ---- the stages; each returns 1 if something is not as it should be -------------------------- */

static int train(void)
{
    double r_mean[C] = {0, 0}, r_var[C] = {1, 1}, unbiased = 0, sum = 0, far = 0;
    for (int step = 1; step <= 60; ++step) {
        draw(2, 1);
        if (failed(nrm_forward(&desc, &args))) return 1; /* moves running statistics */
        sum += loss();
        if (failed(nrm_backward(&desc, &args))) return 1; /* reads mean and rstd */
        descend(0.2f);
        for (int j = 0; j < C; ++j) unbiased = move(&r_mean[j], &r_var[j], j);
        if (step % 20 == 0) report("train 20 steps", sum / 20), sum = 0;
    }
    for (int j = 0; j < C; ++j) {
        far = fmax(far, fabs((double)running_mean[j] / r_mean[j] - 1));
        far = fmax(far, fabs((double)running_var[j] / r_var[j] - 1));
    }
    printf("    variance of the last batch, channel 1: %.3f by m, %.3f by m - 1\n"
           "    running statistics, beside plain double: %.0e off\n"
           "    dx adds up to %.0e of its terms: a batch norm does not see a shift of its batch\n",
           1 / (rstd[1] * rstd[1]) - desc.eps, unbiased, far, sum_of_dx());
    return !(far < 1e-6 && sum_of_dx() < 1e-5);
}

static int infer(void)
{
    float alone[COUNT];
    nrm_desc one = desc;
    nrm_args part = args;
    int same;
    draw(2, 1);
    if (failed(nrm_infer(&desc, &args))) return 1;
    one.n = 1;
    for (int i = 0; i < COUNT; i += C) {
        part.x = x + i, part.y = alone + i;
        if (failed(nrm_infer(&one, &part))) return 1;
    }
    same = !memcmp(alone, y, sizeof y);
    report("infer", loss());
    printf("    one sample at a time: %s\n", same ? "the same bits" : "OTHER BITS");
    return !same;
}

/* What is wanted changes; scale and shift follow, the running statistics do not move. */
static int tune(void)
{
    const float was[2 * C] = {running_mean[0], running_mean[1], running_var[0], running_var[1]};
    double sum = 0, first = 0, far = 0;
    for (int step = 1; step <= 40; ++step) {
        draw(1, 3);
        if (failed(nrm_infer(&desc, &args))) return 1;
        sum += loss();
        if (failed(nrm_infer_backward(&desc, &args))) return 1; /* reads running_* */
        for (int i = 0; i < COUNT; ++i) {
            const double factor = scale[i % C] / sqrt((double)running_var[i % C] + desc.eps);
            far = fmax(far, fabs((double)dx[i] - dy[i] * factor) / fabs(dy[i] * factor));
        }
        descend(0.2f);
        if (step == 20) report("tune 20 steps", first = sum / 20), sum = 0;
    }
    report("tune 20 steps", sum / 20);
    printf("    dx adds up to %.0e of its terms: frozen, it does see a shift\n"
           "    dx = dy * scale / sqrt(running_var + eps): %.0e off\n", sum_of_dx(), far);
    return memcmp(was, running_mean, sizeof running_mean) != 0 ||
           memcmp(was + C, running_var, sizeof running_var) != 0 ||
           !(sum / 20 < first) || !(far < 1e-6);
}

/* One value per channel has no unbiased variance: nothing is written, and nrm_explain says why. */
static int batch_of_one(void)
{
    const float was = running_var[0];
    nrm_status status;
    char why[160];
    desc.n = 1;
    y[0] = 123;
    status = nrm_forward(&desc, &args);
    nrm_explain(NRM_FORWARD, &desc, &args, why, sizeof why);
    printf("train with n = 1: %s\n", why);
    if (status != NRM_ERR_SAMPLES || y[0] != 123 || running_var[0] != was) return 1;

    /* With nothing to move there is nothing to refuse, but then a batch of one is its own mean. */
    args.running_mean = args.running_var = NULL;
    status = nrm_forward(&desc, &args);
    printf("    without running statistics: y is the shift, %.3f %.3f\n", (double)y[0],
           (double)y[1]);
    return failed(status) || y[0] != shift[0] || y[1] != shift[1];
}

int main(void)
{
    int bad;
    printf("                 loss    scale  shift   running mean      running var\n"
           "                       (channel 0)    (5      -40)      (0.25     64)\n");
    bad = train() || infer() || tune() || batch_of_one();
    if (bad) printf("WRONG\n");
    return bad;
}
