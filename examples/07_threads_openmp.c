/* Batch norm of a few channels, forward and backward, on OpenMP's threads as nrm_pool.
       cc -O2 -fopenmp examples/07_threads_openmp.c -lm && ./a.out
   OMP_NUM_THREADS says how many. A workspace lets the sums of three channels run in parallel.  */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 16, C = 3, S = 128 * 128, COUNT = N * C * S };

/* nrm_pool.run: the barrier at the end of the loop is what it has to wait for. */
static void run(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg)
{
    size_t *most = (size_t *)user;
    long i;
    if (tasks > *most) *most = tasks;
#pragma omp parallel for schedule(dynamic, 1)
    for (i = 0; i < (long)tasks; ++i) task(arg, (size_t)i);
}

static float x[COUNT], dy[COUNT], y[2][COUNT], dx[2][COUNT], scale[C] = {1, 2, 0.5f};
static float dgamma[2][C], dbeta[2][C];
static double mean[2][C], rstd[2][C];

/* One step of training into outputs number `which`. */
static nrm_status train(const nrm_desc *desc, nrm_args args, int which)
{
    nrm_status status;
    args.x = x, args.y = y[which], args.gamma = scale;
    args.mean = mean[which], args.rstd = rstd[which];
    status = nrm_forward(desc, &args);
    args.dy = dy, args.dx = dx[which], args.dgamma = dgamma[which], args.dbeta = dbeta[which];
    return status ? status : nrm_backward(desc, &args);
}

int main(void)
{
    size_t most = 0, i;
    nrm_desc desc = {.n = N, .c = C, .s = S, .kind = NRM_BATCH, .eps = 1e-5};
    nrm_pool pool = {.run = run, .user = &most, .threads = (size_t)omp_get_max_threads()};
    nrm_args alone = {.x = NULL}, together = {.pool = &pool};
    nrm_status status;
    int same;

    for (i = 0; i < COUNT; ++i) {
        x[i] = (float)(i * 2654435761u % 1000003) * 1e-3f;
        dy[i] = (float)(i * 40503u % 65537) * 1e-5f;
    }
    together.workspace_size = nrm_workspace_size(&desc, pool.threads);
    together.workspace = malloc(together.workspace_size);
    if (!together.workspace) together.workspace_size = 0; /* fewer threads find work */

    status = train(&desc, alone, 0);
    if (!status) status = train(&desc, together, 1);
    free(together.workspace);
    if (status) return fprintf(stderr, "%s\n", nrm_status_string(status)), 1;

    same = !memcmp(y[0], y[1], sizeof y[0]) && !memcmp(dx[0], dx[1], sizeof dx[0]) &&
           !memcmp(dgamma[0], dgamma[1], sizeof dgamma[0]) &&
           !memcmp(dbeta[0], dbeta[1], sizeof dbeta[0]) &&
           !memcmp(mean[0], mean[1], sizeof mean[0]) && !memcmp(rstd[0], rstd[1], sizeof rstd[0]);
    printf("batch norm of %d x %d x %d, workspace %zu bytes: up to %zu tasks, %zu threads;\n"
           "the bits of one thread, forward and backward: %s\n",
           N, C, S, together.workspace_size, most, pool.threads, same ? "yes" : "NO");
    return !same;
}
