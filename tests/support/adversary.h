/* adversary.h - inputs that were built against the sums, as problems of problem.h. They break the
 * limits that drawn data stay below, and show how much of the proven bounds is there for a reason.
 * fuzz/adversary.c finds them and says how; adversary_inputs.h holds the worst it has found.
 *
 *   for (i = 0; i < ADVERSARIES; ++i) {
 *       problem *p = adversary_problem(&adversaries[i]);
 *       ... run(p, adversary_verb(&adversaries[i]), &setup), the oracle, problem_free(p) ...
 *   }
 *
 * A list, the values that share a mean, is made of blocks of 128 values, as many as are summed in
 * float. All blocks are one of two patterns, so that the errors of all blocks are the same, and add
 * up in double. The values that the library samples for its pilot are +1 and -1 by turns, which
 * makes the pilot 0. Up to two values are far from all others: a result there is large beside what
 * else rounds.
 */
#ifndef ADVERSARY_H
#define ADVERSARY_H

#include "problem.h"

#define ADVERSARY_BLOCK 128
#define ADVERSARY_LINES 2 /* lists of one problem, all alike: layouts differ where there are two */

typedef struct adversary {
    const char *name;
    nrm_kind kind;
    nrm_dtype dtype;
    enum slot out;            /* the result that comes out wrong                              */
    const double *plus, *minus; /* the two patterns                                           */
    size_t blocks, positive;  /* in each list; those of them that are plus                    */
    double outlier[2];        /* the last value, and the last of the block before; 0: none    */
    double gamma, dy;         /* of the last value; gamma is 1 elsewhere, dy 0                 */
} adversary;

static inline size_t adversary_length(const adversary *a)
{
    return a->blocks * ADVERSARY_BLOCK;
}

static inline enum verb adversary_verb(const adversary *a)
{
    return a->out == SLOT_Y || a->out == SLOT_RSTD ? VERB_FORWARD : VERB_BACKWARD;
}

/* The list of x. Patterns are in the order of memory. */
static inline void adversary_list(const adversary *a, double *list)
{
    const size_t m = adversary_length(a);
    size_t i;
    for (i = 0; i < m; ++i)
        list[i] = (i / ADVERSARY_BLOCK < a->positive ? a->plus : a->minus)[i % ADVERSARY_BLOCK];
    for (i = 0; i < 32 && a->minus != a->plus; ++i)
        list[gen_pilot_place((unsigned)i, m)] = i & 1 ? 1 : -1;
    for (i = 0; i < 2; ++i)
        if (a->outlier[i] < 0 || a->outlier[i] > 0)
            list[m - 1 - i * ADVERSARY_BLOCK] = a->outlier[i];
}

static inline void adversary_shape(const adversary *a, nrm_desc *d)
{
    const size_t m = adversary_length(a);
    memset(d, 0, sizeof *d);
    d->kind = a->kind, d->dtype = a->dtype, d->eps = 1e-12;
    d->n = 1, d->c = ADVERSARY_LINES, d->s = m;
    if (a->kind == NRM_GROUP) d->groups = ADVERSARY_LINES, d->c = 2 * ADVERSARY_LINES, d->s = m / 2;
    if (a->kind == NRM_LAYER || a->kind == NRM_RMS) d->c = m, d->s = ADVERSARY_LINES;
}

/* Of dbeta all blocks are dy; of other gradients only the last value has one. */
static inline problem *adversary_problem(const adversary *a)
{
    problem *p = (problem *)test_alloc(1, sizeof *p);
    const size_t m = adversary_length(a);
    const nrm_dtype held = type_of_parameters(a->dtype);
    double *list = (double *)test_alloc(m, sizeof *list);
    size_t which, i;
    adversary_shape(a, &p->d);
    p->given = 1u << SLOT_GAMMA | 1u << SLOT_MEAN | 1u << SLOT_RSTD | 1u << SLOT_DX |
               1u << SLOT_DGAMMA | 1u << SLOT_DBETA;
    problem_alloc(p);
    adversary_list(a, list);
    for (i = 0; i < slot_count(&p->d, SLOT_GAMMA); ++i) type_put(held, p->value[SLOT_GAMMA], i, 1);
    for (which = 0; which < ADVERSARY_LINES; ++which)
        for (i = 0; i < m; ++i) {
            const size_t at = list_place(&p->d, which, i);
            type_put(a->dtype, p->value[SLOT_X], at, list[i]);
            if (a->out == SLOT_DBETA) type_put(a->dtype, p->value[SLOT_DY], at, list[i]);
            if (i + 1 < m) continue;
            if (a->out != SLOT_DBETA) type_put(a->dtype, p->value[SLOT_DY], at, a->dy);
            type_put(held, p->value[SLOT_GAMMA], at / p->d.s % p->d.c, a->gamma);
        }
    free(list);
    problem_prepare(p);
    return p;
}

#endif /* ADVERSARY_H */
