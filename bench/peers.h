/* peers.h - what bench/peers.c and bench/accuracy.c ask of the libraries beside normalize.h. */
#ifndef PEERS_H
#define PEERS_H

#include "../normalize.h"

#ifdef __cplusplus
extern "C" {
#endif

enum pass { FORWARD = 1, INFER = 2, BACKWARD = 4 };

struct problem {
    enum pass pass;
    nrm_kind kind;
    nrm_layout layout;  /* of inputs and outputs                                             */
    int blocked;        /* oneDNN's nChw16c: the peer converts, outside of what is timed     */
    size_t groups;      /* group norm                                                        */
    size_t n, c, h, w;  /* a matrix has h = w = 0: n rows of c values                        */
    double eps;         /* a float's value                                                  */
};

/* Shared by all and only read. */
struct inputs {
    const float *x, *dy, *gamma, *beta, *running_mean, *running_var;
};

struct outputs {
    float *y; /* dx in backward */
    float *dgamma, *dbeta;
};

/* A library. Everything that can be made beforehand is made by prepare(): run() is what is timed.
   A library may know several ways to one result: prepare() is called with way = 0, 1 and so on up
   to PEERS_WAYS, and the fastest is taken. It returns NULL for what the library cannot do. */
#define PEERS_WAYS 3

struct peer {
    const char *id, *name;
    const char *(*start)(int threads, nrm_isa isa); /* first; returns the version */
    void *(*prepare)(const struct problem *, const struct inputs *, int way);
    void (*run)(void *call);
    void (*results)(void *call, const struct outputs *); /* in the problem's layout */
    void (*drop)(void *call);
};

/* One in each of bench/peer_*, which become shared objects. */
extern const struct peer peer_onednn, peer_torch;

/* ---- load.c --------------------------------------------------------------------------------- */

#define PEERS 2

/* Prints and exits. */
void peers_die(const char *what, const char *why);
/* Zeroed, aligned to 64 bytes, for free(). */
void *peers_get(size_t count, size_t size);
/* Opens the peers whose ids are among `names` and returns how many there are; says SKIP of each
   that is not installed, and counts it. */
int peers_load(const char *names, const struct peer *peer[PEERS], int *skipped);

/* Positions of a sample: 1 for a matrix. */
static inline size_t peers_area(const struct problem *p)
{
    return p->h ? p->h * p->w : 1;
}

static inline size_t peers_size(const struct problem *p)
{
    return p->n * p->c * peers_area(p);
}

#ifdef __cplusplus
}
#endif

#endif
