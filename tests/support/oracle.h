/* oracle.h - a problem of problem.h as the oracle of ref.h takes it. */
#ifndef ORACLE_H
#define ORACLE_H

#include "problem.h"
#include "ref.h"

#define GIVEN(slot) (1u << (slot))
#define RUNNING (GIVEN(SLOT_RUNNING_MEAN) | GIVEN(SLOT_RUNNING_VAR))

/* The call as the oracle reads it: packed, NCHW. */
static inline ref oracle_of(const problem *p, nrm_desc *d, nrm_args *a)
{
    memset(a, 0, sizeof *a);
    *d = p->d;
    a->x = p->value[SLOT_X];
    if (p->given & GIVEN(SLOT_RESIDUAL)) a->residual = p->value[SLOT_RESIDUAL];
    if (p->given & GIVEN(SLOT_GAMMA)) a->gamma = p->value[SLOT_GAMMA];
    if (p->given & GIVEN(SLOT_BETA)) a->beta = p->value[SLOT_BETA];
    if (p->given & GIVEN(SLOT_DSUM)) a->dsum = p->value[SLOT_DSUM];
    a->dy = p->value[SLOT_DY];
    a->dgamma = p->value[SLOT_DGAMMA], a->dbeta = p->value[SLOT_DBETA];
    a->accumulate = p->accumulate;
    a->running_rate = p->running_rate, a->running_population = p->running_population;
    return ref_new(d, a);
}

/* What backward knows of y before it is rounded to a half: the y of the same z in float. */
static inline problem *float_twin(const problem *p)
{
    problem *q = problem_as(p, NRM_F32);
    size_t i, count = problem_volume(&p->d);
    for (i = 0; i < count && p->given & GIVEN(SLOT_RESIDUAL); ++i)
        type_put(NRM_F32, q->value[SLOT_X], i,
                 ref_z(p->d.dtype, p->value[SLOT_X], p->value[SLOT_RESIDUAL], i));
    q->given &= ~GIVEN(SLOT_RESIDUAL);
    problem_prepare(q);
    return q;
}

/* The oracle's gradients. Where the sign that NRM_RELU masks by is a matter of rounding it is the
   library's own. */
static inline void oracle_backward(const problem *p, ref *r, const nrm_args *a, int running)
{
    problem *q = type_is_half(p->d.dtype) ? float_twin(p) : NULL;
    problem bare = q ? *q : *p;
    setup s = plain(NRM_SCALAR, NRM_NCHW);
    outcome *o;
    if (!running) bare.given &= ~RUNNING;
    o = run(&bare, running ? VERB_INFER : VERB_FORWARD, &s);
    r->y_type = o->dtype;
    if (o->value[SLOT_Y]) ref_backward(r, a, o->value[SLOT_Y], running);
    outcome_free(o);
    if (q) problem_free(q);
}

#endif /* ORACLE_H */
