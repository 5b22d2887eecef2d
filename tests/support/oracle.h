/* oracle.h - a problem of problem.h as the oracle of ref.h takes it, and its verdict. */
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
    if (p->given & GIVEN(SLOT_ADD)) a->add = p->value[SLOT_ADD];
    if (p->given & GIVEN(SLOT_GATE)) a->gate = p->value[SLOT_GATE];
    a->dy = p->value[SLOT_DY];
    a->dgamma = p->value[SLOT_DGAMMA], a->dbeta = p->value[SLOT_DBETA];
    a->accumulate = p->accumulate;
    a->running_rate = p->running_rate, a->running_population = p->running_population;
    return ref_new(d, a);
}

/* What backward knows of v before it is rounded to a half: the v of the same z in float. */
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

/* The oracle's gradients. Where it is a matter of rounding on which side of a jump of the slope v
   lies, it is the library's own v that tells. */
static inline void oracle_backward(const problem *p, ref *r, const nrm_args *a, int running)
{
    problem *q = type_is_half(p->d.dtype) ? float_twin(p) : NULL;
    problem bare = q ? *q : *p;
    setup s = plain(NRM_SCALAR, NRM_NCHW);
    outcome *o;
    if (!running) bare.given &= ~RUNNING;
    bare.given &= ~GIVEN(SLOT_GATE), bare.d.act = NRM_IDENTITY;
    o = run(&bare, running ? VERB_INFER : VERB_FORWARD, &s);
    r->y_type = o->d.dtype;
    if (o->value[SLOT_Y]) ref_backward(r, a, o->value[SLOT_Y], running);
    outcome_free(o);
    if (q) problem_free(q);
}

/* ---- results by slot ------------------------------------------------------------------------- */

/* The worst error of one result, in units of the bound. */
static inline ref_worst oracle_compare(const ref *r, const outcome *o, enum slot out)
{
    const nrm_dtype held = type_of_parameters(r->d.dtype);
    const void *value = o->value[out];
    switch (out) {
    case SLOT_Y: return ref_compare_y(r, value);
    case SLOT_MEAN: return ref_compare_mean(r, (const double *)value);
    case SLOT_RSTD: return ref_compare_rstd(r, (const double *)value);
    case SLOT_DGAMMA: return ref_compare_as(held, value, r->dgamma, r->dgamma_bound, r->affines);
    case SLOT_DBETA: return ref_compare_as(held, value, r->dbeta, r->dbeta_bound, r->affines);
    case SLOT_DADD: return ref_compare_dy(r, value, r->dy, r->dy_bound);
    case SLOT_DGATE: return ref_compare_dy(r, value, r->dgate, r->dgate_bound);
    default: return ref_compare_dx(r, value);
    }
}

/* What the unit of that bound is, in e. */
static inline long double oracle_limit(const ref *r, enum slot out)
{
    const ref_limits *limit = &r->p.limit;
    switch (out) {
    case SLOT_Y: return limit->y;
    case SLOT_MEAN: return limit->mean;
    case SLOT_RSTD: return limit->rstd;
    case SLOT_DGAMMA: return limit->dgamma;
    case SLOT_DBETA: return limit->dbeta;
    default: return limit->dx;
    }
}

/* ---- the verdict ----------------------------------------------------------------------------- */

static inline const char *setup_text(const setup *s)
{
    static char text[80];
    snprintf(text, sizeof text, "%s %s shift %zu, in place %d %d %d", nrm_isa_name(s->isa),
             layout_name[s->layout], s->shift, (int)s->y_is, (int)s->sum_is, (int)s->dx_is);
    return text;
}

/* The status, and nothing written but outputs. */
static inline int judge_call(const problem *p, const outcome *o, const setup *s, nrm_status status)
{
    check(o->clean, "wrote around (%s; %s)", setup_text(s), problem_text(p));
    return check(o->status == status, "%s (%s; %s)", nrm_status_string(o->status), setup_text(s),
                 problem_text(p));
}

/* Under the bound is good. REF_RESULTS: not for the table of worst errors. */
static inline void judge_worst(const problem *p, const char *what, const setup *s, int running,
                               ref_result result, ref_worst w)
{
    if (result < REF_RESULTS) ref_record(p->d.kind, running, result, w);
    check(w.ratio <= 1, "%s[%zu] is %.17Lg, not %.17Lg: %.3Lg of the bound (%s; %s)", what, w.at,
          w.got, w.exact, w.ratio, setup_text(s), problem_text(p));
}

/* Running statistics must not have moved when one of them is not finite. */
static inline void judge_running(const problem *p, const ref *r, const nrm_args *a,
                                 const outcome *o, const setup *s)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    const void *new_mean = o->value[SLOT_RUNNING_MEAN], *new_var = o->value[SLOT_RUNNING_VAR];
    const ref_real overflow = ref_precision_of(held).overflow;
    size_t j;
    int finite = 1;
    ref_worst w = REF_WORST_NONE;
    /* Of doubles whose variance is none a rate below 1 could make one again; not in double. */
    for (j = 0; j < r->stats && p->d.dtype == NRM_F64 && new_var; ++j)
        if (r->var[j] >= overflow / 4) {
            judge_call(p, o, s, o->status);
            return;
        }
    for (j = 0; j < p->d.c && (new_mean || new_var); ++j) {
        ref_running e = ref_new_running(r, a, j, type_get(held, p->value[SLOT_RUNNING_MEAN], j),
                                        type_get(held, p->value[SLOT_RUNNING_VAR], j));
        double mean = new_mean ? type_get(held, new_mean, j) : 0;
        double var = new_var ? type_get(held, new_var, j) : 0;
        if (new_mean && !(ref_abs(e.mean) < overflow)) finite = 0;
        if (new_var && !(ref_abs(e.var) < overflow)) finite = 0;
        if (new_mean)
            ref_note(&w, j, mean, e.mean, e.mean_bound,
                     ref_ratio_to(mean, e.mean, e.mean_bound, overflow));
        if (new_var)
            ref_note(&w, j, var, e.var, e.var_bound,
                     ref_ratio_to(var, e.var, e.var_bound, overflow));
    }
    judge_call(p, o, s, finite ? NRM_OK : NRM_ERR_NONFINITE);
    if (finite && w.ratio >= 0) judge_worst(p, "running", s, 0, REF_RUNNING, w);
    if (finite) return;
    check((!new_mean || type_diff(held, new_mean, p->value[SLOT_RUNNING_MEAN], p->d.c) == p->d.c) &&
              (!new_var || type_diff(held, new_var, p->value[SLOT_RUNNING_VAR], p->d.c) == p->d.c),
          "running statistics moved (%s; %s)", setup_text(s), problem_text(p));
}

/* Of forward or, with `running`, of infer; `a` is what the oracle took. */
static inline void judge_forward(const problem *p, const ref *r, const nrm_args *a,
                                 const outcome *o, const setup *s, int running)
{
    if (running)
        judge_call(p, o, s, NRM_OK);
    else
        judge_running(p, r, a, o, s);
    if (!o->value[SLOT_Y]) return;
    judge_worst(p, "y", s, running, REF_Y, ref_compare_y(r, o->value[SLOT_Y]));
    if (o->value[SLOT_SUM])
        check(ref_diff_sum(r, o->value[SLOT_SUM]) == r->count, "sum[%zu] (%s; %s)",
              ref_diff_sum(r, o->value[SLOT_SUM]), setup_text(s), problem_text(p));
    if (o->value[SLOT_MEAN])
        judge_worst(p, "mean", s, 0, REF_MEAN, ref_compare_mean(r, (double *)o->value[SLOT_MEAN]));
    if (o->value[SLOT_RSTD])
        judge_worst(p, "rstd", s, 0, REF_RSTD, ref_compare_rstd(r, (double *)o->value[SLOT_RSTD]));
}

/* Where dsum is all there is, its rounding alone is half the bound of dx: not for the table. */
static inline void judge_backward(const problem *p, const ref *r, const outcome *o, const setup *s,
                                  int running)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    judge_call(p, o, s, NRM_OK);
    if (o->value[SLOT_DX])
        judge_worst(p, "dx", s, running, p->given & GIVEN(SLOT_DSUM) ? REF_RESULTS : REF_DX,
                    ref_compare_dx(r, o->value[SLOT_DX]));
    if (o->value[SLOT_DGAMMA])
        judge_worst(p, "dgamma", s, running, REF_DGAMMA,
                    ref_compare_as(held, o->value[SLOT_DGAMMA], r->dgamma, r->dgamma_bound,
                                   r->affines));
    if (o->value[SLOT_DBETA])
        judge_worst(p, "dbeta", s, running, REF_DBETA,
                    ref_compare_as(held, o->value[SLOT_DBETA], r->dbeta, r->dbeta_bound,
                                   r->affines));
    if (o->value[SLOT_DADD])
        judge_worst(p, "dadd", s, running, REF_DADD,
                    oracle_compare(r, o, SLOT_DADD));
    if (o->value[SLOT_DGATE])
        judge_worst(p, "dgate", s, running, REF_DGATE, oracle_compare(r, o, SLOT_DGATE));
}

/* Whether `o` has the bits of the outcome that was judged first, if any: then so was it, but for
   what is around its outputs. */
static inline int judged_with(const outcome *first, const problem *p, const outcome *o,
                              const setup *s)
{
    difference at;
    return first && same_outcome(first, o, &at) && judge_call(p, o, s, first->status);
}

#endif /* ORACLE_H */
