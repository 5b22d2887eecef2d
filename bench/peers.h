/* peers.h - what bench/layer.c and bench/accuracy.c ask of the libraries beside normalize.h. */
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
    nrm_dtype dtype;    /* of x, dy and residual                                            */
    int residual;       /* forward: x + residual is normalised, and kept                    */
    size_t pitch;       /* elements from a sample to the next; 0: packed                    */
};

/* Shared by all and only read. */
struct inputs {
    const void *x, *dy;
    const float *gamma, *beta, *running_mean, *running_var;
    const void *residual;
};

struct outputs { /* packed; floats, whatever the type of x */
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
extern const struct peer peer_onednn, peer_ort, peer_torch, peer_ggml;

/* ---- load.c --------------------------------------------------------------------------------- */

#define PEERS 4
#define PEERS_ALL "onednn,ort,torch,ggml"

/* Prints and exits. */
void peers_die(const char *what, const char *why);
/* Zeroed, aligned to 64 bytes, for free(). */
void *peers_get(size_t count, size_t size);
/* Opens the peers whose ids are among `names` and returns how many there are; says SKIP of each
   that is not installed, and counts it. What is no id ends the program. */
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

/* Elements from a sample to the next, and those from the first to the last one's end. */
static inline size_t peers_pitch(const struct problem *p)
{
    return p->pitch ? p->pitch : p->c * peers_area(p);
}

static inline size_t peers_extent(const struct problem *p)
{
    return (p->n - 1) * peers_pitch(p) + p->c * peers_area(p);
}

static inline size_t peers_type(const struct problem *p)
{
    return p->dtype == NRM_F32 ? 4 : p->dtype == NRM_F64 ? 8 : 2;
}

#ifdef __cplusplus
}
#endif

#endif
