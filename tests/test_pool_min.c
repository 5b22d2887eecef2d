/* test_pool_min.c - small calls stay on the calling thread, large ones do not: the library as it is
 * by default. (test_threads.c cuts up calls of every size.)
 *
 *   cc -O2 -pthread -DNORMALIZE_IMPLEMENTATION tests/test_pool_min.c -o t -lm && ./t
 */
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/types.h"
#include "support/pool.h"

enum { SMALL = 8192, LARGE = 1 << 20 }; /* elements */

static float x[LARGE], dy[LARGE], alone[2][LARGE], shared[2][LARGE];
static double mean[LARGE], rstd[LARGE];

/* Forward and backward into out[0] and out[1]; returns how often the pool was asked to run. */
static unsigned long train(const nrm_desc *d, float out[2][LARGE], test_pool *pool, nrm_isa isa,
                           int with_workspace)
{
    float dgamma[1024], dbeta[1024];
    nrm_args a;
    nrm_status forward, backward;
    memset(&a, 0, sizeof a);
    a.x = x, a.y = out[0], a.mean = mean, a.rstd = rstd;
    a.dy = dy, a.dx = out[1], a.dgamma = dgamma, a.dbeta = dbeta, a.isa = isa;
    if (pool) {
        a.pool = pool_point(pool);
        if (with_workspace) a.workspace_size = nrm_workspace_size(d, pool->pool.threads);
        if (with_workspace) a.workspace = test_alloc(a.workspace_size, 1);
    }
    forward = nrm_forward(d, &a);
    backward = nrm_backward(d, &a);
    check(forward == NRM_OK && backward == NRM_OK, "status %d and %d", (int)forward, (int)backward);
    if (pool && with_workspace) free(a.workspace);
    return pool ? pool->runs : 0;
}

static nrm_desc describe(nrm_kind kind, nrm_layout layout, size_t volume, size_t c)
{
    nrm_desc d;
    memset(&d, 0, sizeof d);
    d.kind = kind, d.layout = layout, d.n = 4, d.c = c, d.s = volume / (4 * c), d.groups = 1;
    d.eps = 1e-5;
    return d;
}

static void test_volume(const char *name, size_t volume, int expected)
{
    static const size_t channels[] = {1, 4, 64, 1024};
    size_t c;
    int kind, layout;
    group("%s: %zu elements", name, volume);
    for (kind = NRM_BATCH; kind < KINDS; ++kind)
        for (layout = 0; layout < 2; ++layout)
            for (c = 0; c < sizeof channels / sizeof *channels; ++c) {
                nrm_desc d = describe((nrm_kind)kind, (nrm_layout)layout, volume, channels[c]);
                test_pool pool = pool_new(POOL_SHUFFLED, 4, volume + c);
                unsigned long runs;
                d.transpose_y = (int)(c & 1);
                train(&d, alone, NULL, NRM_AUTO, 0);
                runs = train(&d, shared, &pool, NRM_AUTO, 1);
                check(expected ? runs && pool.most > 1 : !runs,
                      "%s %s, %zu channels: %lu runs, at most %zu tasks", kind_name[kind],
                      layout_name[layout], channels[c], runs, pool.most);
                check(same_bits_f32(alone[0], shared[0], volume) &&
                          same_bits_f32(alone[1], shared[1], volume) && !pool.faults,
                      "%s %s, %zu channels: other bits", kind_name[kind], layout_name[layout],
                      channels[c]);
            }
    group_end();
}

/* Large calls whose tiles are too small to be cut up, or whose sums have too little room for rounds
   that are worth it. */
static void test_small_tiles(void)
{
    static const struct {
        size_t n, c, s, threads;
        nrm_isa isa;
        const char *what;
    } list[] = {{100, 1024, 8, 3, NRM_AUTO, "units of few lines"},
                {50, 128, 100, 4, NRM_AUTO, "one unit, no room for sums"},
                {20, 300, 100, 4, NRM_SCALAR, "narrow tiles"}};
    size_t i;
    group("large calls in small tiles: the same bits");
    for (i = 0; i < sizeof list / sizeof *list; ++i) {
        test_pool pool = pool_new(POOL_SHUFFLED, list[i].threads, i);
        const size_t volume = list[i].n * list[i].c * list[i].s;
        nrm_desc d = describe(NRM_BATCH, NRM_NHWC, volume, list[i].c);
        d.n = list[i].n, d.s = list[i].s;
        train(&d, alone, NULL, list[i].isa, 0);
        train(&d, shared, &pool, list[i].isa, 0);
        check(same_bits_f32(alone[0], shared[0], volume), "%s: y", list[i].what);
        check(same_bits_f32(alone[1], shared[1], volume), "%s: dx", list[i].what);
        check(!pool.faults, "%s: the pool", list[i].what);
    }
    group_end();
}

/* Where the threshold lies, for a matrix with rows of 64. */
static void tell_threshold(void)
{
    size_t rows;
    for (rows = 64; rows <= LARGE / 64; rows += rows / 2) {
        nrm_desc d = describe(NRM_LAYER, NRM_NCHW, rows * 64, 64);
        test_pool pool = pool_new(POOL_BACKWARDS, 4, 1);
        d.n = rows, d.s = 1;
        if (!train(&d, shared, &pool, NRM_AUTO, 1)) continue;
        note("a layer norm of %zu x 64 = %zu elements asks the pool; of two thirds it does not",
             rows, rows * 64);
        return;
    }
}

/* A workspace is worth its memory where the pool is asked, and with threads. */
static void test_workspace(void)
{
    nrm_desc d = describe(NRM_GROUP, NRM_NCHW, LARGE, 8);
    group("a workspace for the pool, from the same size on");
    d.n = 2, d.s = 524288 / 16, d.groups = 2;
    check(nrm_workspace_size(&d, 4) > 0, "%zu values with 4 threads", d.n * d.c * d.s);
    check(nrm_workspace_size(&d, 1) == 0, "one thread");
    d.s--;
    check(nrm_workspace_size(&d, 4) == 0, "%zu values with 4 threads", d.n * d.c * d.s);
    group_end();
}

int main(void)
{
    gen g = gen_seed(1);
    gen_fill(&g, GEN_NORMAL, x, LARGE);
    gen_fill(&g, GEN_NORMAL, dy, LARGE);
    test_volume("the calling thread alone", SMALL, 0);
    test_volume("several tasks", LARGE, 1);
    test_small_tiles();
    test_workspace();
    tell_threshold();
    return done_testing();
}
