/* yours_judge.h - what must hold for one call of your function: its outputs lie within the bound,
 * by the oracle of tests/support/ref.h, and the same problem posed in another way gives the same
 * bits. Include yours_call.h before it.
 */
#ifndef YOURS_JUDGE_H
#define YOURS_JUDGE_H

/* ---- a problem before the call --------------------------------------------------------------- */

static int verb_is_back(enum verb verb)
{
    return verb == VERB_BACKWARD || verb == VERB_INFER_BACKWARD;
}

static int verb_is_running(enum verb verb)
{
    return verb == VERB_INFER || verb == VERB_INFER_BACKWARD;
}

/* The oracle of a problem, with the statistics that the verb takes. */
static ref yours_oracle(const problem *p, enum verb verb, nrm_args *a)
{
    nrm_desc d;
    ref r = oracle_of(p, &d, a);
    if (verb_is_running(verb))
        ref_use_running(&r, p->value[SLOT_RUNNING_MEAN], p->value[SLOT_RUNNING_VAR]);
    return r;
}

/* Backward gets the exact statistics, rounded to double: whatever forward does, or whether there is
   one. Under NRM_RELU dy is 0 where the sign of y is a matter of rounding: either is right. */
static void prepare(const problem *p, enum verb verb)
{
    nrm_args a;
    ref r;
    size_t i, j, k;
    if (!verb_is_back(verb)) return;
    r = yours_oracle(p, verb, &a);
    for (i = 0; i < r.stats && !r.running; ++i) {
        ((double *)p->value[SLOT_MEAN])[i] = (double)r.mean[i];
        ((double *)p->value[SLOT_RSTD])[i] = (double)r.rstd[i];
    }
    if (p->d.act == NRM_RELU)
        REF_EACH(&r.d, i, j, k)
            if (!(ref_abs(ref_linear(&r, i, j, k)) > 64 * ref_y_bound(&r, i, j, k)))
                type_put(p->d.dtype, p->value[SLOT_DY], ref_own(&r.d, i, j, k), 0);
    ref_free(&r);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

typedef struct verdict {
    long double ratio; /* the largest error, in units of the bound; -1: nothing is promised */
    enum slot out;
    size_t at;         /* in canonical order                                                */
    long double got, exact, bound;
    int unwritten;     /* it still holds the bytes that it held before the call             */
} verdict;

/* Of a half float the last rounding costs half a unit in the last place, however good the function
   is: what is counted is the error beyond it. */
static long double beyond_rounding(const ref *r, enum slot out, const ref_worst *w)
{
    const nrm_dtype type = r->d.dtype;
    const ref_real size = ref_abs(w->exact), error = ref_abs(w->got - w->exact);
    ref_real half;
    if (!slot_is_tensor(out) || !type_is_half(type) || !(w->ratio < 1e30L)) return w->ratio;
    if (fabsl(w->got) > (long double)largest_of(type)) return w->ratio; /* it overflowed */
    half = ref_half_ulp(type, size);
    half = ref_half_ulp(type, size + w->bound - half);
    return error > half ? (error - half) / (w->bound - half) : 0;
}

static void consider(verdict *v, const ref *r, enum slot out, ref_worst w)
{
    const long double ratio = beyond_rounding(r, out, &w) / allowed(r);
    if (!(ratio > v->ratio)) return;
    v->ratio = ratio, v->out = out, v->at = w.at;
    v->got = w.got, v->exact = w.exact, v->bound = w.bound;
}

/* -0 and 0 are both right under NRM_RELU here; ref.h insists on the library's. */
static void clear_signs(const problem *p, const outcome *o)
{
    size_t i;
    for (i = 0; i < o->count[SLOT_Y] && p->d.act == NRM_RELU; ++i) {
        const double y = type_get(p->d.dtype, o->value[SLOT_Y], i);
        if (y == 0) type_put(p->d.dtype, o->value[SLOT_Y], i, 0);
    }
}

/* Of running statistics nothing is said where one of them would not be finite: the library then
   leaves them all. */
static void judge_moved(verdict *v, const problem *p, const ref *r, const nrm_args *a,
                        const outcome *o)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    const ref_real overflow = ref_precision_of(held).overflow;
    verdict worst = *v;
    size_t j;
    int i;
    if (!o->value[SLOT_RUNNING_MEAN] && !o->value[SLOT_RUNNING_VAR]) return;
    for (j = 0; j < p->d.c; ++j) {
        const ref_running e =
            ref_new_running(r, a, j, type_get(held, p->value[SLOT_RUNNING_MEAN], j),
                            type_get(held, p->value[SLOT_RUNNING_VAR], j));
        for (i = 0; i < 2; ++i) {
            const enum slot slot = i ? SLOT_RUNNING_VAR : SLOT_RUNNING_MEAN;
            const ref_real exact = i ? e.var : e.mean, bound = i ? e.var_bound : e.mean_bound;
            ref_worst w = REF_WORST_NONE;
            double got;
            if (!o->value[slot]) continue;
            if (!(ref_abs(exact) + bound < overflow)) return;
            got = type_get(held, o->value[slot], j);
            ref_note(&w, j, got, exact, bound, ref_ratio_to(got, exact, bound, overflow));
            consider(&worst, r, slot, w);
        }
    }
    *v = worst;
}

static void judge_forward_of(verdict *v, const problem *p, ref *r, const nrm_args *a,
                             const outcome *o)
{
    if (o->value[SLOT_SUM]) { /* to the bit */
        ref_worst w = {0, 0, 0, 0, 0, 0};
        const size_t at = ref_diff_sum(r, o->value[SLOT_SUM]);
        if (at < r->count) {
            w.ratio = HUGE_VALL, w.at = at, w.exact = (long double)r->z[at];
            w.got = type_get(p->d.dtype, o->value[SLOT_SUM], at);
        }
        consider(v, r, SLOT_SUM, w);
    }
    if (o->value[SLOT_MEAN] && p->d.kind != NRM_RMS)
        consider(v, r, SLOT_MEAN, ref_compare_mean(r, (const double *)o->value[SLOT_MEAN]));
    if (o->value[SLOT_RSTD])
        consider(v, r, SLOT_RSTD, ref_compare_rstd(r, (const double *)o->value[SLOT_RSTD]));
    if (p->d.dtype != NRM_F64 && !r->running) judge_moved(v, p, r, a, o);
    if (o->value[SLOT_Y] && promised_y(r)) {
        clear_signs(p, o);
        consider(v, r, SLOT_Y, ref_compare_y(r, o->value[SLOT_Y]));
    }
}

/* Of y, which tells what NRM_RELU let pass, zeros will do: see prepare. */
static void find_gradients(ref *r, const nrm_args *a)
{
    void *y;
    if (r->dx) return;
    y = test_alloc(r->count, sizeof(double));
    r->y_type = NRM_F64;
    ref_backward(r, a, y, r->running);
    free(y);
}

static void judge_backward_of(verdict *v, const problem *p, ref *r, const nrm_args *a,
                              const outcome *o)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    if (!promised_gradients(p, r)) return;
    find_gradients(r, a);
    if (o->value[SLOT_DX]) consider(v, r, SLOT_DX, ref_compare_dx(r, o->value[SLOT_DX]));
    if (o->value[SLOT_DGAMMA])
        consider(v, r, SLOT_DGAMMA, ref_compare_as(held, o->value[SLOT_DGAMMA], r->dgamma,
                                                   r->dgamma_bound, r->affines));
    if (o->value[SLOT_DBETA])
        consider(v, r, SLOT_DBETA, ref_compare_as(held, o->value[SLOT_DBETA], r->dbeta,
                                                  r->dbeta_bound, r->affines));
}

/* The element of an outcome still has the canary's bytes. */
static int is_unwritten(const outcome *o, enum slot slot, size_t at)
{
    const size_t size = slot_size(&o->d, slot);
    return gen_intact((const unsigned char *)o->value[slot] + at * size, size);
}

/* Every number that the call reads is finite; of others nothing is said. */
static int all_inputs_finite(const problem *p, enum verb verb)
{
    int slot;
    for (slot = SLOT_X; slot <= SLOT_RUNNING_VAR; ++slot)
        if (role_reads(slot_role(p, verb, (enum slot)slot)) && !all_finite(p, (enum slot)slot))
            return 0;
    return 1;
}

static verdict judge(const problem *p, enum verb verb, const outcome *o)
{
    verdict v = {-1, SLOT_NONE, 0, 0, 0, 0, 0};
    nrm_args a;
    ref r;
    if (!problem_volume(&p->d) || !all_inputs_finite(p, verb)) return v;
    r = yours_oracle(p, verb, &a);
    if (promised_statistics(&r, 0) && finite_sums(&r)) {
        if (verb_is_back(verb))
            judge_backward_of(&v, p, &r, &a, o);
        else
            judge_forward_of(&v, p, &r, &a, o);
        if (v.out && o->value[v.out]) v.unwritten = is_unwritten(o, v.out, v.at);
    }
    ref_free(&r);
    return v;
}

/* A unit in the last place of the result that is right, as its type holds it. */
static long double ulp_of(nrm_dtype type, long double exact)
{
    const int digits = type == NRM_F64 ? 53 : type == NRM_F32 ? 24 : 1 + half_fraction_bits(type);
    const int least = type == NRM_F64 ? -1022 : type == NRM_F32 ? -126 : half_least_exponent(type);
    int exponent;
    if (exact == 0) return ldexpl(1, least + 1 - digits);
    frexpl(exact, &exponent); /* 0.5 * 2^exponent or more */
    return ldexpl(1, (exponent - 1 > least ? exponent - 1 : least) + 1 - digits);
}

static long double ulps_off(const problem *p, const verdict *v)
{
    return fabsl(v->got - v->exact) / ulp_of(slot_type(&p->d, v->out), v->exact);
}

/* Inf where a number is right is as bad as it is large; NaN is worse. */
static int result_is_inf(const problem *p, const verdict *v)
{
    return fabsl(v->got) > (long double)largest_of(slot_type(&p->d, v->out));
}

/* ---- the same, posed otherwise --------------------------------------------------------------- */

typedef enum same { AGAIN, PERMUTED, JOINED, IN_PLACE, ALIGNED, POOL, INSIDE, SAMES } same;

static const char *const same_name[SAMES] = {"again",     "permuted", "joined", "in place",
                                             "alignment", "threads",  "inside"};
static const char *const same_text[SAMES] = {
    "the same call again gives other bits",
    "samples, channels or rows in another order give other bits",
    "a sample alone has other bits than in its batch",
    "an output in the place of an input has other bits",
    "buffers at other addresses give other bits",
    "tasks in other orders, or on other threads, give other bits",
    "it wrote outside of its outputs"};

typedef enum held { NOT_TESTED, HOLDS, BROKEN } held;

/* Where the outcomes differ, if they do. */
typedef struct other_bits {
    difference at;
    double got, want;
    const char *text; /* instead: what was written where */
} other_bits;

/* The relations of relate.h that hold for one verb by itself. They draw layouts: until it is the
   one that the function is asked for. */
static held try_relation(const problem *p, enum verb verb, nrm_layout layout, relation *r,
                         unsigned seed)
{
    unsigned long failures = report.failures, done = line.done;
    gen g = gen_seed(seed);
    fuzz_case f;
    int turn;
    memset(&f, 0, sizeof f);
    f.p = (problem *)(uintptr_t)p;
    f.family = verb_is_running(verb) ? INFERENCE : TRAINING;
    line.open = 1, line.only = 1 + (int)verb;
    line.now = p, line.verb = verb, line.layout = layout;
    for (turn = 0; turn < 10 && line.done < done + 2; ++turn) {
        failures = report.failures, done = line.done;
        r(&f, &g);
    }
    line.open = 0, line.only = 0, line.now = NULL;
    if (line.done < done + 2) return NOT_TESTED;
    return report.failures == failures ? HOLDS : BROKEN;
}

static held compare_to(const outcome *want, const problem *p, enum verb verb, const setup *s,
                       other_bits *where)
{
    outcome *got = call(p, verb, s);
    held result = HOLDS;
    if (!got) return NOT_TESTED;
    if (!got->clean) where->text = outside_text(p, verb, s);
    if (!same_outcome(want, got, &where->at)) {
        const nrm_dtype type = slot_type(&want->d, where->at.slot);
        result = BROKEN;
        where->got = type_get(type, got->value[where->at.slot], where->at.index);
        where->want = type_get(type, want->value[where->at.slot], where->at.index);
    }
    outcome_free(got);
    return result;
}

/* Each buffer at an offset of its own: multiples of 8 bytes, as every type is aligned to. */
static held try_setup(const problem *p, enum verb verb, nrm_layout layout, same which,
                      const outcome *want, gen *g, other_bits *where)
{
    setup s = plain(NRM_AUTO, layout);
    static const enum slot under_dx[] = {SLOT_X, SLOT_DY};
    test_pool pool;
    held result;
    if (which == ALIGNED) s.shift = 8 * (1 + gen_below(g, 7));
    if (which == IN_PLACE && verb_is_back(verb)) {
        s.dx_is = under_dx[gen_below(g, 2)];
        if (!may_share(p, verb, SLOT_DX, s.dx_is)) return NOT_TESTED;
    } else if (which == IN_PLACE) {
        s.y_is = SLOT_X;
    }
    if (which != POOL) return compare_to(want, p, verb, &s, where);
    pool = pool_new(gen_one_in(g, 8) ? POOL_FRESH : POOL_SHUFFLED, 2 + gen_below(g, 6), gen_u64(g));
    s.pool = pool_point(&pool);
    result = compare_to(want, p, verb, &s, where);
    if (pool.faults) return BROKEN;
    return pool.runs ? result : NOT_TESTED;
}

/* One of them, of a problem whose outcome in the plain way is `want`. */
static held try_same(const problem *p, enum verb verb, nrm_layout layout, same which,
                     const outcome *want, unsigned seed, other_bits *where)
{
    gen g = gen_seed(seed);
    memset(where, 0, sizeof *where);
    switch (which) {
    case PERMUTED: return try_relation(p, verb, layout, relate_rotated, seed);
    case JOINED: return try_relation(p, verb, layout, relate_alone, seed);
    case INSIDE:
        if (!want->clean) where->text = "";
        return want->clean ? HOLDS : BROKEN;
    default: return try_setup(p, verb, layout, which, want, &g, where);
    }
}

#endif /* YOURS_JUDGE_H */
