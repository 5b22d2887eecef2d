/* Batch norm over all ranks of MPI, forward and backward; some ranks have no samples.
       mpicc -O2 examples/08_sync_batchnorm_mpi.c -lm && mpirun -np 4 ./a.out
   Each rank reduces its share to three numbers per channel. All ranks gather all of them and merge
   them in the order of the ranks, so every rank gets the same bits, in every run. They are not
   the bits of the whole batch on one machine, whose values are added in another order; the
   difference is held to a few units in the last place. With one rank there is none.            */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 37, C = 5, S = 200, COUNT = N * C * S };

static int rank, ranks;

static void stop_on(nrm_status status)
{
    if (status == NRM_OK) return;
    fprintf(stderr, "rank %d: %s\n", rank, nrm_status_string(status));
    MPI_Abort(MPI_COMM_WORLD, 1);
}

/* Every third rank stays empty; the others get unequal parts. */
static void my_share(size_t *first, size_t *count)
{
    size_t before = 0, mine = 0, all = 0;
    for (int r = 0; r < ranks; ++r) {
        size_t weight = r % 3 == 2 ? 0 : 2 + (size_t)r % 5;
        if (r < rank) before += weight;
        if (r == rank) mine = weight;
        all += weight;
    }
    *first = N * before / all;
    *count = N * (before + mine) / all - *first;
}

/* ---- one training step on this rank's share -------------------------------------------------- */

static void sync_forward(const nrm_desc *desc, const nrm_args *args)
{
    nrm_moments mine[C], all[C];
    nrm_moments *each = (nrm_moments *)malloc((size_t)ranks * sizeof mine);
    memset(all, 0, sizeof all); /* a count of 0 */
    stop_on(nrm_reduce(desc, args, mine));
    MPI_Allgather(mine, 3 * C, MPI_DOUBLE, each, 3 * C, MPI_DOUBLE, MPI_COMM_WORLD);
    for (int r = 0; r < ranks; ++r) nrm_merge(all, each + r * C, C);
    stop_on(nrm_apply(desc, args, all)); /* y, mean, rstd, running statistics */
    free(each);
}

static void sync_backward(const nrm_desc *desc, const nrm_args *args, float *dgamma, float *dbeta)
{
    nrm_sums mine[C], all[C], *each = (nrm_sums *)malloc((size_t)ranks * sizeof mine);
    memset(all, 0, sizeof all);
    stop_on(nrm_backward_reduce(desc, args, mine));
    MPI_Allgather(mine, 3 * C, MPI_DOUBLE, each, 3 * C, MPI_DOUBLE, MPI_COMM_WORLD);
    for (int r = 0; r < ranks; ++r) nrm_merge_sums(all, each + r * C, C);
    stop_on(nrm_backward_apply(desc, args, all)); /* dx */
    for (int j = 0; j < C; ++j) dgamma[j] = (float)all[j].dy_xhat, dbeta[j] = (float)all[j].dy;
    free(each);
}

/* ---- the check ------------------------------------------------------------------------------ */

typedef struct result { /* what all ranks have in common */
    double mean[C], rstd[C];
    float running_mean[C], running_var[C], dgamma[C], dbeta[C];
} result;

static float x[COUNT], dy[COUNT], y[2][COUNT], dx[2][COUNT]; /* [0]: the whole, [1]: the shares */
static float scale[C] = {1, 2, 0.5f, -1, 3}, shift[C] = {0, 1, -1, 0.5f, 2};

static nrm_args point(result *r, int which, size_t first)
{
    nrm_args args = {.x = x + first, .y = y[which] + first, .gamma = scale, .beta = shift,
                     .mean = r->mean, .rstd = r->rstd, .running_mean = r->running_mean,
                     .running_var = r->running_var, .running_rate = 0.1, .dy = dy + first,
                     .dx = dx[which] + first};
    return args;
}

/* How far apart a and b are at most, relative to `natural` + |b|. */
static double apart(const float *a, const float *b, size_t count, double natural)
{
    double most = 0;
    for (size_t i = 0; i < count; ++i)
        most = fmax(most, fabs((double)a[i] - (double)b[i]) / (natural + fabs((double)b[i])));
    return most;
}

/* 1 when every rank holds the same bytes as this one. */
static int same_everywhere(const result *mine)
{
    char *each = (char *)malloc((size_t)ranks * sizeof *mine);
    int same = 1;
    MPI_Allgather(mine, sizeof *mine, MPI_BYTE, each, sizeof *mine, MPI_BYTE, MPI_COMM_WORLD);
    for (int r = 0; r < ranks; ++r)
        same &= !memcmp(each + (size_t)r * sizeof *mine, mine, sizeof *mine);
    free(each);
    return same;
}

int main(int argc, char **argv)
{
    static result whole, merged;
    nrm_desc desc = {.n = N, .c = C, .s = S, .kind = NRM_BATCH, .eps = 1e-5};
    nrm_args args;
    size_t first, count, from, values;
    const double tolerance = 8 * 0x1p-23; /* 8 units in the last place of the natural size */
    double most = 0, most_of_all;
    int good[2], all_good[2], samples, *each;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int i = 0; i < COUNT; ++i) {
        x[i] = 100 + (float)((unsigned)i * 2654435761u % 10007) * 1e-3f;
        dy[i] = (float)((unsigned)i * 40503u % 2003) * 1e-3f - 1;
    }
    for (int j = 0; j < C; ++j) whole.running_var[j] = merged.running_var[j] = 1;

    args = point(&whole, 0, 0); /* the whole batch, to compare with */
    stop_on(nrm_forward(&desc, &args));
    args.dgamma = whole.dgamma, args.dbeta = whole.dbeta;
    stop_on(nrm_backward(&desc, &args));

    my_share(&first, &count);
    from = first * C * S, values = count * C * S;
    desc.n = count;
    args = point(&merged, 1, from);
    sync_forward(&desc, &args);
    sync_backward(&desc, &args, merged.dgamma, merged.dbeta);

    most = fmax(apart(y[1] + from, y[0] + from, values, 1), /* |y - beta| is of the order of 1 */
                apart(dx[1] + from, dx[0] + from, values, 1));
    most = fmax(most, apart(merged.dgamma, whole.dgamma, C, N * S)); /* sums of N * S values */
    most = fmax(most, apart(merged.dbeta, whole.dbeta, C, N * S));
    most = fmax(most, apart(merged.running_mean, whole.running_mean, C, 0));
    most = fmax(most, apart(merged.running_var, whole.running_var, C, 0));
    good[0] = same_everywhere(&merged);
    good[1] = most <= (ranks == 1 ? 0 : tolerance);
    MPI_Allreduce(good, all_good, 2, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    MPI_Reduce(&most, &most_of_all, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);

    samples = (int)count;
    each = (int *)malloc((size_t)ranks * sizeof *each);
    MPI_Gather(&samples, 1, MPI_INT, each, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("batch norm of %d x %d x %d, forward and backward; samples of each rank:", N, C, S);
        for (int r = 0; r < ranks; ++r) printf(" %d", each[r]);
        printf("\nmean, rstd, running statistics, dgamma, dbeta: the same bits on every rank: %s\n"
               "the results differ from the whole batch on one rank by at most %.1f * 2^-23: %s\n",
               all_good[0] ? "yes" : "NO", most_of_all * 0x1p23,
               all_good[1] ? "allowed" : "TOO MUCH");
    }
    free(each);
    MPI_Finalize();
    return !(all_good[0] && all_good[1]);
}
