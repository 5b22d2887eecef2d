/* peer.h - a library that bench/ measures as a function for fuzz-yours: onednn.c, torch.cpp and
 * ggml.c take their half of it from bench/. Of floats alone, packed, with gamma and, but for RMS
 * norm, beta; backward goes on from the library's own forward pass, not from the statistics it is
 * given.
 */
#ifndef PEER_H
#define PEER_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf no_such_call;

#ifdef __cplusplus
extern "C" {
#endif

/* What bench/load.c has. A call that the library refuses is one that it does not do. */
void peers_die(const char *what, const char *why)
{
    (void)what, (void)why;
    longjmp(no_such_call, 1);
}

void *peers_get(size_t count, size_t size)
{
    const size_t bytes = (count * size / 64 + 1) * 64;
    void *p = aligned_alloc(64, bytes);
    if (!p) abort();
    return memset(p, 0, bytes);
}

#ifdef __cplusplus
}
#endif

static int peer_takes(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    const int rows = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    if (verb > NRM_BACKWARD || (verb == NRM_INFER && d->kind != NRM_BATCH)) return 0;
    if (d->dtype != NRM_F32 || d->act || d->gamma_offset || d->affine_per_sample) return 0;
    if (d->x_pitch.line || d->x_pitch.sample || d->y_pitch.line || d->y_pitch.sample) return 0;
    if (a->residual || a->sum || a->dsum || a->accumulate) return 0;
    if (!a->gamma || (rows && d->s != 1)) return 0;
    if (d->kind == NRM_RMS ? a->beta || a->dbeta : !a->beta) return 0;
    return verb != NRM_FORWARD || !(a->mean || a->rstd || a->running_mean || a->running_var);
}

/* Into buffers of its own first: results hands all of them over at once. */
static void peer_call(const struct peer *peer, const struct problem *p, const nrm_args *a,
                      float *y, float *dgamma, float *dbeta)
{
    struct inputs in;
    struct outputs out;
    void *call;
    memset(&in, 0, sizeof in);
    in.x = (const float *)a->x, in.dy = (const float *)a->dy;
    in.gamma = (const float *)a->gamma, in.beta = (const float *)a->beta;
    in.running_mean = (const float *)a->running_mean;
    in.running_var = (const float *)a->running_var;
    if (!in.dy) in.dy = in.x;
    if (!in.running_mean) in.running_mean = in.gamma, in.running_var = in.gamma;
    call = peer->prepare(p, &in, 0);
    if (!call) longjmp(no_such_call, 1);
    out.y = y, out.dgamma = dgamma, out.dbeta = dbeta;
    peer->run(call);
    peer->results(call, &out);
    peer->drop(call);
}

static int peer_yours(const struct peer *peer, nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    static int started;
    const size_t count = d->n * d->c * d->s;
    float *y, *dgamma, *dbeta;
    struct problem p;
    if (!peer_takes(verb, d, a)) return 1;
    memset(&p, 0, sizeof p);
    p.pass = verb == NRM_BACKWARD ? BACKWARD : verb == NRM_INFER ? INFER : FORWARD;
    p.kind = d->kind, p.layout = d->layout, p.groups = d->groups, p.eps = (float)d->eps;
    p.n = d->n, p.c = d->c;
    if (d->s > 1 || d->kind == NRM_INSTANCE || d->kind == NRM_GROUP) p.h = 1, p.w = d->s;
    if (setjmp(no_such_call)) return 1;
    if (!started++) peer->start(1, NRM_AUTO);
    y = (float *)peers_get(count, sizeof *y);
    dgamma = (float *)peers_get(d->c, sizeof *dgamma);
    dbeta = (float *)peers_get(d->c, sizeof *dbeta);
    peer_call(peer, &p, a, y, dgamma, dbeta);
    if (verb != NRM_BACKWARD) memcpy(a->y, y, count * sizeof *y);
    if (verb == NRM_BACKWARD && a->dx) memcpy(a->dx, y, count * sizeof *y);
    if (verb == NRM_BACKWARD && a->dgamma) memcpy(a->dgamma, dgamma, d->c * sizeof *dgamma);
    if (verb == NRM_BACKWARD && a->dbeta) memcpy(a->dbeta, dbeta, d->c * sizeof *dbeta);
    free(y);
    free(dgamma);
    free(dbeta);
    return 0;
}

#endif /* PEER_H */
