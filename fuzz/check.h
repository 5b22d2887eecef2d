/* check.h - all that must hold for a problem, whatever its values:
 *
 *   1  every instruction set, layout, pitch, address, sharing of buffers, order of tasks and
 *      workspace gives the bits of scalar code, and writes nothing but its outputs
 *   2  the status is the one that the manual says, and the results lie within the bound of ref.h
 *
 * Exact relations between problems are in relate.h. Include decode.h, report.h and pool.h before.
 */
#ifndef CHECK_H
#define CHECK_H

#include "../tests/support/oracle.h"

#define PARAMETER_GRADIENTS (GIVEN(SLOT_DGAMMA) | GIVEN(SLOT_DBETA))

static const enum verb family_verbs[FAMILIES][4] = {
    {VERB_FORWARD, VERB_BACKWARD, VERBS, VERBS},
    {VERB_INFER, VERB_INFER_BACKWARD, VERBS, VERBS},
    {VERB_REDUCE, VERB_APPLY, VERB_BACKWARD_REDUCE, VERB_BACKWARD_APPLY}};

/* ---- 1 The same bits ------------------------------------------------------------------------- */

/* A way of running a call: in place or apart, with a pool that runs its tasks in an odd order and
   in an odd floating point state, with some workspace, at some address. */
typedef struct way {
    setup s;
    test_pool pool;
    int state;      /* an unusual floating point state of the caller; 0: as it is */
} way;

static inline void draw_sharing(gen *g, const problem *p, enum verb verb, setup *s)
{
    static const enum slot under_y[] = {SLOT_X, SLOT_RESIDUAL};
    static const enum slot under_dx[] = {SLOT_X, SLOT_DY, SLOT_DSUM};
    const size_t which = gen_below(g, 2);
    const enum slot y = under_y[which], sum = under_y[!which], dx = under_dx[gen_below(g, 3)];
    if (gen_one_in(g, 2)) return;
    if (may_share(p, verb, SLOT_Y, y) && !gen_one_in(g, 3)) s->y_is = y;
    if (may_share(p, verb, SLOT_SUM, sum) && !gen_one_in(g, 3)) s->sum_is = sum;
    if (may_share(p, verb, SLOT_DX, dx)) s->dx_is = dx;
    if (may_share(p, verb, SLOT_Y, SLOT_ADD) && which) s->y_is = SLOT_ADD;
    if (may_share(p, verb, SLOT_Y, SLOT_GATE) && !which) s->y_is = SLOT_GATE;
    if (may_share(p, verb, SLOT_DADD, SLOT_DY) && s->dx_is != SLOT_DY) s->dadd_is = SLOT_DY;
    if (may_share(p, verb, SLOT_DADD, SLOT_ADD) && which) s->dadd_is = SLOT_ADD;
    if (may_share(p, verb, SLOT_DGATE, SLOT_GATE)) s->dgate_is = SLOT_GATE;
    if (may_share(p, verb, SLOT_DGATE, SLOT_DY) && s->dx_is != SLOT_DY && s->dadd_is != SLOT_DY)
        s->dgate_is = SLOT_DY;
    if (may_share(p, verb, SLOT_DRESIDUAL, SLOT_RESIDUAL) && which) s->dresidual_is = SLOT_RESIDUAL;
    if (may_share(p, verb, SLOT_DRESIDUAL, SLOT_DSUM) && !which) s->dresidual_is = SLOT_DSUM;
}

static inline void draw_way(gen *g, const problem *p, enum verb verb, nrm_isa isa,
                            nrm_layout layout, way *w)
{
    nrm_desc d = p->d;
    memset(w, 0, sizeof *w);
    w->s = plain(isa, layout);
    d.layout = layout;
    if (gen_one_in(g, 2)) w->s.shift = gen_below(g, 64);
    w->s.zero_s = (int)w->s.shift & 1;
    draw_sharing(g, p, verb, &w->s);
    if (gen_one_in(g, 2)) {
        size_t threads = 1 + gen_below(g, gen_one_in(g, 4) ? POOL_MOST : 4);
        w->pool = pool_new(gen_one_in(g, 2) ? POOL_BACKWARDS : POOL_SHUFFLED, threads, gen_u64(g));
        w->pool.disorder = gen_one_in(g, 4);
        w->s.pool = pool_point(&w->pool);
        w->s.workspace_size = nrm_workspace_size(&d, threads);
        if (!gen_one_in(g, 8)) /* seldom all: that is 64 KiB a thread */
            w->s.workspace_size = w->s.workspace_size / 64 * gen_below(g, 4);
    }
    if (gen_one_in(g, 4)) w->s.workspace_size = gen_below(g, gen_one_in(g, 2) ? 100 : 5000);
    w->state = gen_one_in(g, 6);
}

static inline const char *way_text(const way *w, enum verb verb)
{
    static char text[400];
    const setup *s = &w->s;
    snprintf(text, sizeof text, "%s, %s, %s, shift %zu%s, y in %s, sum in %s, dx in %s, dadd "
             "in %s, dgate in %s, dresidual in %s, threads %zu (%s%s), workspace %zu%s",
             verb_name[verb], nrm_isa_name(s->isa), layout_name[s->layout], s->shift,
             s->zero_s ? ", s 1 as 0" : "", slot_name[s->y_is], slot_name[s->sum_is],
             slot_name[s->dx_is], slot_name[s->dadd_is], slot_name[s->dgate_is],
             slot_name[s->dresidual_is], s->pool ? w->pool.pool.threads : 1,
             s->pool ? pool_order_name[w->pool.order] : "none",
             w->pool.disorder ? ", odd state" : "", s->workspace_size,
             w->state ? ", caller's state odd" : "");
    return text;
}

static inline outcome *run_way(const problem *p, enum verb verb, way *w)
{
    const unsigned long long before = pool_state();
    unsigned long long odd;
    outcome *o;
    int kept;
    if (w->state) pool_set_state(pool_unusual((size_t)bits_f64(p->d.eps) & 3));
    odd = pool_state();
    o = run(p, verb, &w->s);
    kept = pool_state() == odd;
    pool_set_state(before);
    if (kept && o->clean && !w->pool.faults) {
        report.checks += 3;
        return o;
    }
    must(kept, "the caller's floating point state is changed: %s", way_text(w, verb));
    must(o->clean, "wrote outside of its outputs: %s", way_text(w, verb));
    must(!w->pool.faults, "%lu faults of tasks: %s", w->pool.faults, way_text(w, verb));
    return o;
}

static inline void must_match(const outcome *want, const outcome *got, const char *what)
{
    difference at;
    nrm_dtype type;
    ++report.checks;
    if (same_outcome(want, got, &at)) return;
    type = slot_type(&want->d, at.slot ? at.slot : SLOT_MEAN);
    must(0, "%s: %s[%zu] is %.17g, not %.17g; status %d, not %d", what, slot_name[at.slot],
         at.index, at.slot ? type_get(type, got->value[at.slot], at.index) : 0.0,
         at.slot ? type_get(type, want->value[at.slot], at.index) : 0.0, (int)got->status,
         (int)want->status);
}

/* Each instruction set, by turns in one layout and the other, each time in another way. */
static inline void check_ways(const problem *p, enum verb verb, const outcome *want, gen *g)
{
    size_t i, turn = gen_below(g, 2);
    for (i = 0; i < ISAS; ++i) {
        way w;
        outcome *got;
        difference at;
        char text[500] = "";
        if (!nrm_has_isa(all_isa[i])) continue;
        draw_way(g, p, verb, all_isa[i], (nrm_layout)(turn++ & 1), &w);
        got = run_way(p, verb, &w);
        if (!same_outcome(want, got, &at))
            snprintf(text, sizeof text, "not the bits of scalar code: %s", way_text(&w, verb));
        must_match(want, got, text);
        outcome_free(got);
    }
}

/* ---- 2 Right bits ---------------------------------------------------------------------------- */

static inline int all_finite(const problem *p, enum slot slot)
{
    const nrm_dtype type = slot_type(&p->d, slot);
    size_t i, count = slot_count(&p->d, slot);
    for (i = 0; i < count; ++i) {
        double v = type_get(type, p->value[slot], i);
        if (!(v - v == 0)) return 0;
    }
    return 1;
}

static inline int finite_if_given(const problem *p, enum slot slot)
{
    return !(p->given >> slot & 1) || all_finite(p, slot);
}

static inline double largest_value(const problem *p, enum slot slot)
{
    const nrm_dtype type = slot_type(&p->d, slot);
    size_t i, count = slot_count(&p->d, slot);
    double largest = 0;
    for (i = 0; i < count; ++i) {
        double v = fabs(type_get(type, p->value[slot], i));
        if (v > largest) largest = v;
    }
    return largest;
}

/* What the oracle's own rounding may add to a ratio: of doubles long double leaves 2^-64 of each of
   m values, where the bound's unit is 2^-50. */
static inline long double allowed(const ref *r)
{
    return r->d.dtype == NRM_F64 ? 1 + (long double)r->m * 0x1p-12L : 1;
}

static inline void within(const ref *r, const char *what, ref_worst w)
{
    must(w.ratio <= allowed(r), "%s[%zu] is %.17Lg, not %.17Lg: %.3Lg of the bound", what, w.at,
         w.got, w.exact, w.ratio);
}

/* 1 when the manual promises results of doubles here: a deviation of 0 or above 2^-1020, of the
   parts from 2^-500 to 2^500. Of other types it always does. */
static inline int promised_statistics(const ref *r, int parts)
{
    const ref_real least = parts ? 0x1p-1000L : ldexpl(1, -2040);
    const ref_real most = parts ? 0x1p1000L : ldexpl(1, 2100);
    size_t q;
    if (r->d.dtype != NRM_F64) return 1;
    if (LDBL_MANT_DIG < 64) return 0;
    for (q = 0; q < r->stats; ++q) {
        ref_real var_eps = r->var[q] + (ref_real)r->d.eps;
        if (ref_isnan(var_eps)) continue;
        if ((var_eps > 0 && var_eps < least) || (r->var[q] > 0 && r->var[q] < least)) return 0;
        if (var_eps > most || r->var[q] * (ref_real)r->m > most) return 0;
    }
    return 1;
}

/* 1 when y can be computed in its type: of doubles z - mean, xhat or gamma * xhat may overflow
   though y does not. */
static inline int promised_y(const ref *r)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    if (d->dtype != NRM_F64) return 1;
    REF_EACH(d, i, j, k) {
        const size_t a = ref_affine(d, i, j), q = ref_stat(d, i, j, k);
        const ref_real z = ref_abs(r->z[ref_own(d, i, j, k)]), xhat = ref_abs(ref_xhat(r, i, j, k));
        if (r->running && (z + ref_abs(r->mean[q]) >= 0x1p1000L || xhat >= 0x1p1000L)) return 0;
        if (ref_abs(r->g[a]) * xhat >= 0x1p1000L) return 0;
        if (ref_abs(r->b[a]) >= r->p.overflow / 2) return 0;
        if (r->add && ref_abs(r->add[ref_own(d, i, j, k)]) >= r->p.overflow / 4) return 0;
    }
    return 1;
}

/* What becomes of running statistics, and so of the call: 1 when all are finite. */
static inline int check_running(const problem *p, const ref *r, const nrm_args *a,
                                const outcome *o)
{
    const nrm_dtype held = type_of_parameters(p->d.dtype);
    const ref_real overflow = ref_precision_of(held).overflow;
    const enum slot slots[2] = {SLOT_RUNNING_MEAN, SLOT_RUNNING_VAR};
    ref_worst w = REF_WORST_NONE;
    size_t j;
    int i, finite = 1, close = 0;
    for (j = 0; j < p->d.c && (o->value[slots[0]] || o->value[slots[1]]); ++j) {
        ref_running e = ref_new_running(r, a, j, type_get(held, p->value[SLOT_RUNNING_MEAN], j),
                                        type_get(held, p->value[SLOT_RUNNING_VAR], j));
        for (i = 0; i < 2; ++i) {
            const ref_real exact = i ? e.var : e.mean, bound = i ? e.var_bound : e.mean_bound;
            double got;
            if (!o->value[slots[i]]) continue;
            if (!(ref_abs(exact) < overflow)) finite = 0;
            if (!(ref_abs(exact) > overflow + bound) && !(ref_abs(exact) < overflow - bound) &&
                !ref_isnan(exact))
                close = 1; /* either is right */
            got = type_get(held, o->value[slots[i]], j);
            ref_note(&w, j, got, exact, bound, ref_ratio_to(got, exact, bound, overflow));
        }
    }
    if (close) return o->status == NRM_OK;
    must(o->status == (finite ? NRM_OK : NRM_ERR_NONFINITE), "status %d: running statistics %s",
         (int)o->status, finite ? "are finite" : "are not finite");
    if (finite && w.ratio >= 0) within(r, "running", w);
    for (i = 0; i < 2 && o->status == NRM_ERR_NONFINITE; ++i)
        if (o->value[slots[i]])
            must(type_diff(held, o->value[slots[i]], p->value[slots[i]], p->d.c) == p->d.c,
                 "%s moved though the status is NONFINITE", slot_name[slots[i]]);
    return finite;
}

/* A group of equal values gives beta to the bit. */
static inline void check_constants(const ref *r, const void *y)
{
    const nrm_desc *d = &r->d;
    size_t i, j, k;
    if (d->kind == NRM_RMS || d->act > NRM_RELU || r->add || r->gate) return;
    REF_EACH(d, i, j, k) {
        const size_t e = ref_own(d, i, j, k), a = ref_affine(d, i, j);
        const ref_real beta = d->act == NRM_RELU && r->b[a] < 0 ? 0 : r->b[a];
        unsigned char stored[8];
        if (r->var[ref_stat(d, i, j, k)] != 0) continue;
        type_put(d->dtype, stored, 0, (double)beta);
        must(type_get(d->dtype, y, e) - type_get(d->dtype, stored, 0) == 0 ||
                 !(beta - beta == 0) || fabs(type_get(d->dtype, stored, 0)) > DBL_MAX,
             "y[%zu] of a constant group is %.17g, not beta, %.17g", e,
             type_get(d->dtype, y, e), (double)beta);
    }
}

static inline void check_forward(const ref *r, const outcome *o)
{
    if (o->value[SLOT_Y] && promised_y(r)) {
        within(r, "y", ref_compare_y(r, o->value[SLOT_Y]));
        if (!r->running) check_constants(r, o->value[SLOT_Y]);
    }
    if (o->value[SLOT_SUM])
        must(ref_diff_sum(r, o->value[SLOT_SUM]) == r->count, "sum[%zu] is not x + residual",
             ref_diff_sum(r, o->value[SLOT_SUM]));
    if (o->value[SLOT_MEAN])
        within(r, "mean", ref_compare_mean(r, (const double *)o->value[SLOT_MEAN]));
    if (o->value[SLOT_RSTD])
        within(r, "rstd", ref_compare_rstd(r, (const double *)o->value[SLOT_RSTD]));
}

static inline void check_backward(const ref *r, const outcome *o)
{
    const nrm_dtype held = type_of_parameters(r->d.dtype);
    if (o->value[SLOT_DX]) within(r, "dx", ref_compare_dx(r, o->value[SLOT_DX]));
    if (o->value[SLOT_DGAMMA])
        within(r, "dgamma", ref_compare_as(held, o->value[SLOT_DGAMMA], r->dgamma,
                                           r->dgamma_bound, r->affines));
    if (o->value[SLOT_DBETA])
        within(r, "dbeta", ref_compare_as(held, o->value[SLOT_DBETA], r->dbeta, r->dbeta_bound,
                                          r->affines));
    if (o->value[SLOT_DADD]) within(r, "dadd", oracle_compare(r, o, SLOT_DADD));
    if (o->value[SLOT_DGATE]) within(r, "dgate", oracle_compare(r, o, SLOT_DGATE));
}

/* 1 when no product behind the norm leaves its arithmetic: dy * act(v), dy * silu(gate) * slope. Of
   what overflows on the way nothing is said. */
static inline int promised_around(const problem *p, const ref *r)
{
    const ref_real most = p->d.dtype == NRM_F64 ? 0x1p1000L : 0x1p120L;
    const ref_real dy = (ref_real)largest_value(p, SLOT_DY);
    const ref_real steep = ref_abs(r->slope) > 2 ? ref_abs(r->slope) : 2;
    size_t i, j, k;
    if (p->d.act <= NRM_RELU && !r->gate && !r->add) return 1;
    REF_EACH(&r->d, i, j, k) {
        const ref_near v = ref_v(r, i, j, k);
        const ref_real gate = r->gate ? ref_abs(r->gate[ref_own(&r->d, i, j, k)]) + 1 : 1;
        if (!(ref_abs(v.value) + v.bound < most && ref_abs(v.value) * steep < most)) return 0;
        if (!(dy * (ref_abs(v.value) + 1) * steep < most && dy * gate * steep < most)) return 0;
    }
    return 1;
}

/* 1 when a dy * gamma may be denormal: of doubles, what it loses is multiplied by rstd. */
static inline int denormal_terms(const problem *p, const ref *r)
{
    const double *dy = (const double *)p->value[SLOT_DY];
    ref_real least_dy = 1, least_g = 1;
    size_t i;
    for (i = 0; i < r->count; ++i)
        if (dy[i] != 0 && ref_abs((ref_real)dy[i]) < least_dy) least_dy = ref_abs((ref_real)dy[i]);
    for (i = 0; i < r->affines; ++i)
        if (r->g[i] != 0 && ref_abs(r->g[i]) < least_g) least_g = ref_abs(r->g[i]);
    return least_dy * least_g < ldexpl(1, -1022);
}

/* Gradients are promised for finite dy, and of doubles while |dy * gamma| * m is below 2^1000; with
   running statistics xhat may be anything, so it is counted as well, and is to be a double. */
static inline int promised_gradients(const problem *p, const ref *r)
{
    ref_real most = 0, g = 0, xhat = 1, z = 0;
    size_t q;
    if (!all_finite(p, SLOT_DY) || !finite_if_given(p, SLOT_DSUM)) return 0;
    if (!promised_around(p, r)) return 0;
    if (p->accumulate && (!all_finite(p, SLOT_DGAMMA) || !all_finite(p, SLOT_DBETA))) return 0;
    if (p->d.dtype != NRM_F64) return 1;
    if (denormal_terms(p, r)) return 0;
    for (q = 0; q < r->affines; ++q)
        if (ref_abs(r->g[q]) > g) g = ref_abs(r->g[q]);
    for (q = 0; q < r->count; ++q)
        if (ref_abs(r->z[q]) > z) z = ref_abs(r->z[q]);
    for (q = 0; q < r->stats && r->running; ++q) {
        const ref_real deviation = z + ref_abs(r->mean[q]), x = deviation * r->rstd[q];
        if (deviation >= 0x1p1000L) return 0;
        if (x > xhat) xhat = x;
    }
    if (xhat >= 0x1p1000L) return 0;
    most = (ref_real)largest_value(p, SLOT_DY) * (g > 1 ? g : 1) * (ref_real)r->m * xhat;
    return most < 0x1p1000L;
}

/* An input outside of what is promised: a NaN or Inf but in x, where it is followed. */
static inline int promised_inputs(const problem *p, int running)
{
    if (!finite_if_given(p, SLOT_GAMMA) || !finite_if_given(p, SLOT_BETA)) return 0;
    if (!finite_if_given(p, SLOT_ADD) || !finite_if_given(p, SLOT_GATE)) return 0;
    if (!running) return 1;
    return all_finite(p, SLOT_X) && finite_if_given(p, SLOT_RESIDUAL) &&
           all_finite(p, SLOT_RUNNING_MEAN) && all_finite(p, SLOT_RUNNING_VAR);
}

static inline const size_t *given_lengths(const problem *p)
{
    return p->given >> SLOT_LENGTHS & 1 ? (const size_t *)p->value[SLOT_LENGTHS] : NULL;
}

/* 1 when the oracle, which knows tensors of one type and length, can say what is right. */
static inline int oracle_knows(const problem *p)
{
    return !p->d.param_half && !p->d.wide_residual && !given_lengths(p);
}

/* The status that a call of an ordinary problem has, but for NONFINITE. */
static inline nrm_status expected_status(const problem *p, enum verb verb)
{
    const nrm_desc *d = &p->d;
    const size_t *lengths = given_lengths(p);
    size_t all = 0, i;
    int one = 0;
    if (!problem_volume(d) || !role_writes(slot_role(p, verb, SLOT_RUNNING_VAR))) return NRM_OK;
    for (i = 0; i < d->n; ++i) {
        all += length_of(d, lengths, i);
        one |= d->kind == NRM_INSTANCE && length_of(d, lengths, i) == 1;
    }
    if (d->kind == NRM_BATCH) one = all == 1;
    return one && !p->running_population ? NRM_ERR_SAMPLES : NRM_OK;
}

static inline int finite_sums(const ref *r)
{
    size_t i;
    for (i = 0; i < r->count; ++i)
        if (!ref_finite(r->z[i])) return 0;
    return 1;
}

/* The outcomes of a family's calls against the oracle. */
static inline void check_results(const fuzz_case *f, outcome *const *got)
{
    const problem *p = f->p;
    const int running = f->family == INFERENCE, parts = f->family == PARTS;
    const int last = parts ? 4 : 2;
    nrm_desc d;
    nrm_args a;
    ref r;
    int i;
    if (!problem_volume(&p->d) || !oracle_knows(p) || !promised_inputs(p, running)) return;
    r = oracle_of(p, &d, &a);
    if (running) ref_use_running(&r, p->value[SLOT_RUNNING_MEAN], p->value[SLOT_RUNNING_VAR]);
    if (promised_statistics(&r, parts) && (!running || finite_sums(&r))) {
        const outcome *forward = got[parts ? 1 : 0];
        if (!running && forward->status != NRM_ERR_SAMPLES && p->d.dtype != NRM_F64)
            check_running(p, &r, &a, forward);
        check_forward(&r, forward);
        if (promised_gradients(p, &r)) oracle_backward(p, &r, &a, running);
        for (i = parts ? 2 : 1; i < last && r.dx; ++i) check_backward(&r, got[i]);
    }
    ref_free(&r);
}

/* Of an empty problem nothing is written, but zeros to dgamma and dbeta unless they accumulate. */
static inline void check_empty(const problem *p, enum verb verb, const outcome *o)
{
    int slot;
    size_t i;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        const size_t bytes = o->count[slot] * slot_size(&o->d, (enum slot)slot);
        const char role = slot_role(p, verb, (enum slot)slot);
        const unsigned char *at = (const unsigned char *)o->value[slot];
        if (!at || (verb == VERB_APPLY && (slot == SLOT_MEAN || slot == SLOT_RSTD))) continue;
        if (role == 'u' && verb != VERB_APPLY)
            must(!memcmp(at, p->value[slot], bytes), "empty, %s: %s changed", verb_name[verb],
                 slot_name[slot]);
        else if (slot == SLOT_DGAMMA || slot == SLOT_DBETA || slot == SLOT_MOMENTS ||
                 slot == SLOT_SUMS)
            for (i = 0; i < bytes; ++i)
                must(at[i] == 0, "empty, %s: %s is not 0", verb_name[verb], slot_name[slot]);
        else if (role == 'o' || role == 'O')
            must(gen_intact(at, bytes), "empty, %s: %s was written", verb_name[verb],
                 slot_name[slot]);
    }
}

/* ---- 3 A case -------------------------------------------------------------------------------- */

static inline void check_family(const fuzz_case *f)
{
    const problem *p = f->p;
    const enum verb *verb = family_verbs[f->family];
    gen g = gen_seed(f->seed);
    setup s = plain(NRM_SCALAR, NRM_NCHW);
    outcome *got[4] = {NULL, NULL, NULL, NULL};
    int i, whole = 1;
    for (i = 0; i < 4 && verb[i] != VERBS; ++i) {
        nrm_status want = expected_status(p, verb[i]);
        got[i] = run(p, verb[i], &s);
        must(got[i]->clean, "%s wrote outside of its outputs", verb_name[verb[i]]);
        must(got[i]->status == want || (want == NRM_OK && got[i]->status == NRM_ERR_NONFINITE),
             "%s: %s", verb_name[verb[i]], nrm_status_string(got[i]->status));
        whole &= got[i]->status == NRM_OK || got[i]->status == NRM_ERR_NONFINITE;
        if (!problem_volume(&p->d)) check_empty(p, verb[i], got[i]);
        check_ways(p, verb[i], got[i], &g);
    }
    if (whole) check_results(f, got);
    for (i = 0; i < 4; ++i)
        if (got[i]) outcome_free(got[i]);
}

#endif /* CHECK_H */
