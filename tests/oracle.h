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

#endif /* ORACLE_H */
