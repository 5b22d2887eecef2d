/* layer.h - one layer as it is timed: what a case says in words, and everyone who takes part.
 *
 * The words of a case, in any order, with blanks, commas or strokes between them:
 *     batch, layer, instance, group, rms
 *     infer (with running statistics), train or forward, backward
 *     N x C x H x W, or N x C for a matrix: 8x96x28x28
 *     nchw, nhwc        one layout alone
 *     bf16, f16, f64    the storage type; else float
 *     relu, residual    fused; residual keeps the sum, in backward its gradient is added to dx
 *     groups=32         of group norm
 *     threads=2         a pool that spins
 *     off=4             all tensors begin so many elements past a line of the cache
 *     pitch=6144        elements from one sample to the next, for slices of larger tensors
 *     inplace           y is x: ours and plain loops, in a forward pass. Each call normalises what
 *                       the one before left, so gamma is 1
 *     scalar, avx2, avx512, neon, wasm: no better instruction set for ours, oneDNN and PyTorch
 *
 * Both layouts, plain loops, the other libraries and the limit take turns (turns.h); medians count.
 * The data of a contender are in the caches as its call before left them. The limit moves each
 * tensor once and computes nothing. Plain loops (naive.c: -O3 -march=native -ffast-math) compute
 * floats on one thread, and fused work is a loop of its own there. The libraries are asked for what
 * they have in one call; who gives another result than ours is not timed. Errors are in units of
 * the bound of ours (NUMERICS, "Bound"), against the long double oracle of tests/support/ref.h,
 * over a million values at most: of whole channels in batch norm, else of whole samples.
 */
#ifndef BENCH_LAYER_H
#define BENCH_LAYER_H

#include "peers.h"

/* Who is timed, in the order in which they are shown. BLOCKED: oneDNN in the layout of its own. */
enum { OURS, PLAIN, FIRST_PEER, BLOCKED = FIRST_PEER + PEERS, MOST };

/* What a case says. */
struct layer {
    int kind, pass, layouts, dtype, relu, residual, inplace, isa; /* kind, pass: -1 until said */
    size_t n, c, h, w, groups, threads, off, pitch;
    nrm_desc d; /* without its layout */
    size_t count, bytes;
    int quiet; /* the machine had nothing else to do: looked at with threads alone */
};

/* A contender's figures in a layout. */
struct layer_figure {
    const char *id, *name; /* name: NULL: nobody */
    char refused[96];      /* why it is not timed */
    struct contender *k;   /* NULL: not timed */
    double error, seconds, share;
};

extern struct layer layer;
extern const struct peer *layer_peer[PEERS];
extern int layer_peers, layer_skipped;
extern struct layer_figure layer_limit;

/* Takes the words of a case; what is none says why, and the exit status is 2. */
void layer_read(int argc, char **argv);
/* Opens the libraries among `names` that are here. */
void layer_load(const char *names);
/* Measures what was read, once in a process; the turns last about so many seconds. Threads wait for
   a quiet machine while there is patience, in ns. */
void layer_measure(double seconds, uint64_t *patience);
/* NULL for a layout that was not measured. A matrix is NRM_NCHW. */
const struct layer_figure *layer_figures(nrm_layout);
/* Bytes that the limit moves. */
double layer_moved(void);
/* A quantile of the times of a over those of b, turn by turn. */
double layer_ratio(const struct layer_figure *a, const struct layer_figure *b, double quantile);
/* The fastest beside ours in a layout by the median ratio; NULL: nobody. */
const struct layer_figure *layer_fastest(nrm_layout);
/* train, forward, infer, backward; NCHW, NHWC, rows; the shape; the words that are left. */
const char *layer_pass(void);
const char *layer_layout(nrm_layout);
const char *layer_shape(void);
const char *layer_options(void);

#endif /* BENCH_LAYER_H */
