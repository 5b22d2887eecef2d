/* relate.h - exact relations between problems: what must be the same to the bit, or up to the sign
 * of zero, when the input is changed in a way that says what becomes of the output. Include check.h
 * before it.
 */
#ifndef RELATE_H
#define RELATE_H

static inline problem *problem_copy(const problem *p)
{
    problem *q = (problem *)test_alloc(1, sizeof *q);
    int slot;
    *q = *p;
    problem_alloc(q);
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        memcpy(q->value[slot], p->value[slot],
               slot_count(&p->d, (enum slot)slot) * slot_size(&p->d, (enum slot)slot));
    return q;
}

static inline setup some_setup(gen *g)
{
    setup s = plain(NRM_AUTO, (nrm_layout)gen_below(g, 2));
    const nrm_isa isa = all_isa[gen_below(g, ISAS)];
    if (gen_one_in(g, 2) && nrm_has_isa(isa)) s.isa = isa;
    return s;
}

static const enum verb forward_and_backward[2] = {VERB_FORWARD, VERB_BACKWARD};

/* ---- negated, scaled ------------------------------------------------------------------------- */

static inline void multiply(problem *p, enum slot slot, double factor)
{
    const nrm_dtype type = slot_type(&p->d, slot);
    size_t i, count = slot_count(&p->d, slot);
    for (i = 0; i < count; ++i)
        type_put(type, p->value[slot], i, type_get(type, p->value[slot], i) * factor);
}

/* Both outcomes, the second one multiplied by the slot's factor, are equal as numbers: 0 and -0 are
   the same, and all NaNs. Slots of factor 0 are left out. */
static inline void must_be_multiples(const outcome *a, const outcome *b, const double *factor,
                                     const char *what)
{
    int slot;
    size_t i;
    for (slot = SLOT_X; slot < SLOTS; ++slot) {
        const nrm_dtype type = slot_type(&a->d, (enum slot)slot);
        if (!a->value[slot] || !b->value[slot] || fabs(factor[slot]) <= 0) continue;
        for (i = 0; i < a->count[slot]; ++i) {
            double u = type_get(type, a->value[slot], i);
            double v = type_get(type, b->value[slot], i) * factor[slot];
            if ((is_nan_f64(u) && is_nan_f64(v)) || u == v) continue;
            must(0, "%s: %s[%zu] is %.17g, from the other %.17g", what, slot_name[slot], i, u, v);
            return;
        }
    }
    must(a->status == b->status, "%s: status %d, the other %d", what, (int)a->status,
         (int)b->status);
}

/* A problem with x and residual times a number, and its own statistics for backward; compared with
   the problem itself, both as they are in `bare`. */
static inline void check_multiple(problem *bare, double times, double eps, const double *factor,
                                  gen *g, const char *what)
{
    problem *q = problem_copy(bare);
    setup s = some_setup(g);
    size_t i;
    multiply(q, SLOT_X, times);
    multiply(q, SLOT_RESIDUAL, times);
    q->d.eps = eps;
    problem_prepare(bare);
    problem_prepare(q);
    for (i = 0; i < 2; ++i) {
        outcome *a = run(bare, forward_and_backward[i], &s);
        outcome *b = run(q, forward_and_backward[i], &s);
        must_be_multiples(a, b, factor, what);
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(q);
}

/* -x gives -y and -dgamma, and the same dx, when beta is 0. */
static inline void relate_negated(const fuzz_case *f, gen *g)
{
    problem *p = problem_copy(f->p);
    double factor[SLOTS] = {0};
    factor[SLOT_Y] = factor[SLOT_MEAN] = factor[SLOT_DGAMMA] = factor[SLOT_SUM] = -1;
    factor[SLOT_RSTD] = factor[SLOT_DX] = factor[SLOT_DBETA] = 1;
    p->given &= ~(RUNNING | GIVEN(SLOT_BETA) | GIVEN_AROUND);
    p->d.act = NRM_IDENTITY, p->accumulate = 0;
    check_multiple(p, -1, p->d.eps, factor, g, "-x");
    problem_free(p);
}

/* 1 when every value but 0 has an exponent within these. */
static inline int within_exponents(const problem *p, enum slot slot, int least, int most)
{
    const nrm_dtype type = slot_type(&p->d, slot);
    size_t i, count = slot_count(&p->d, slot);
    for (i = 0; i < count; ++i) {
        double v = fabs(type_get(type, p->value[slot], i));
        if (!(v <= 0) && !(v >= ldexp(1, least) && v <= ldexp(1, most))) return 0;
    }
    return 1;
}

/* 2^k x with 4^k eps gives the same y, dgamma and dbeta, and 2^-k dx: where no number is near the
   ends of its type, nor of what float arithmetic is fit for. */
static inline void relate_scaled(const fuzz_case *f, gen *g)
{
    static const double times[] = {2, 0.5, 64, 0x1p-7};
    const double by = times[gen_below(g, COUNT(times))];
    problem *p = problem_copy(f->p);
    double factor[SLOTS] = {0};
    const double *rstd = (const double *)p->value[SLOT_RSTD];
    size_t i;
    int fit = p->d.dtype != NRM_F16 && within_exponents(p, SLOT_X, -20, 20) &&
              within_exponents(p, SLOT_DY, -20, 20) && within_exponents(p, SLOT_GAMMA, -10, 10) &&
              within_exponents(p, SLOT_BETA, -10, 10) && p->d.eps < 0x1p40 &&
              (p->d.eps <= 0 || p->d.eps > 0x1p-40) && fabs(p->d.gamma_offset) < 2;
    if (p->d.act == NRM_LEAKY_RELU || p->d.act == NRM_SILU) fit = 0; /* denormal slopes */
    if (p->given & GIVEN(SLOT_GATE) && !within_exponents(p, SLOT_GATE, -20, 3)) fit = 0;
    factor[SLOT_Y] = factor[SLOT_DGAMMA] = factor[SLOT_DBETA] = 1;
    factor[SLOT_DADD] = factor[SLOT_DGATE] = 1;
    factor[SLOT_MEAN] = factor[SLOT_SUM] = 1 / by;
    factor[SLOT_DX] = factor[SLOT_RSTD] = by;
    p->given &= ~(RUNNING | GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_DSUM));
    p->accumulate = 0;
    problem_prepare(p);
    for (i = 0; i < problem_stats(&p->d) && fit; ++i)
        fit = rstd[i] >= 0x1p-20 && rstd[i] <= 0x1p18;
    if (fit) check_multiple(p, by, p->d.eps * by * by, factor, g, "x times a power of two");
    problem_free(p);
}

/* ---- rotated --------------------------------------------------------------------------------- */

/* How many samples, channels (or groups) and positions the values of a slot have. */
static inline void slot_axes(const nrm_desc *d, enum slot slot, size_t axis[3])
{
    axis[0] = axis[1] = axis[2] = 1;
    if (slot_is_tensor(slot))
        axis[0] = d->n, axis[1] = d->c, axis[2] = d->s;
    else if (slot == SLOT_LENGTHS)
        axis[0] = d->n;
    else if (slot <= SLOT_DBETA)
        axis[0] = d->affine_per_sample ? d->n : 1, axis[1] = d->c;
    else if (slot <= SLOT_RUNNING_VAR || d->kind == NRM_BATCH)
        axis[1] = d->c;
    else if (d->kind == NRM_INSTANCE)
        axis[0] = d->n, axis[1] = d->c;
    else if (d->kind == NRM_GROUP)
        axis[0] = d->n, axis[1] = d->groups;
    else
        axis[0] = d->n, axis[2] = d->s;
}

/* Moves all along an axis by 1/parts of its length, the end to the start. */
static inline void rotate(const nrm_desc *d, enum slot slot, void *values, int along, size_t parts)
{
    const size_t size = slot_size(d, slot);
    unsigned char *at = (unsigned char *)values, *old;
    size_t axis[3], inner = size, outer = 1, length, i, k;
    slot_axes(d, slot, axis);
    length = axis[along];
    if (length == 1) return;
    for (i = 0; i < 3; ++i)
        if ((int)i < along)
            outer *= axis[i];
        else if ((int)i > along)
            inner *= axis[i];
    old = (unsigned char *)test_alloc(length, inner);
    for (i = 0; i < outer; ++i, at += length * inner) {
        memcpy(old, at, length * inner);
        k = length / parts * inner;
        memcpy(at, old + length * inner - k, k);
        memcpy(at + k, old, length * inner - k);
    }
    free(old);
}

static inline int has_places(enum slot slot)
{
    return slot != SLOT_MOMENTS && slot != SLOT_SUMS;
}

/* Channels of batch and instance norm, groups of group norm, positions of layer and RMS norm, and
   the samples of all but batch norm may change places. Gradients of parameters are sums over
   samples and positions, whose order matters. */
static inline void relate_rotated(const fuzz_case *f, gen *g)
{
    const nrm_desc *d = &f->p->d;
    const int rows = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    const int along = d->kind != NRM_BATCH && gen_one_in(g, 2) ? 0 : rows ? 2 : 1;
    const size_t parts = along == 0 ? d->n : rows ? d->s : d->kind == NRM_GROUP ? d->groups : d->c;
    problem *q = problem_copy(f->p);
    setup s = some_setup(g);
    size_t i;
    int slot;
    if (along == 2 && given_lengths(f->p)) { /* padding stays where it is */
        problem_free(q);
        return;
    }
    q->given &= ~(along == 1 ? 0u : RUNNING | PARAMETER_GRADIENTS), q->given |= GIVEN(SLOT_DX);
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        if (has_places((enum slot)slot)) rotate(d, (enum slot)slot, q->value[slot], along, parts);
    for (i = 0; i < 2; ++i) {
        const enum verb verb = f->family == INFERENCE ? (enum verb)(VERB_INFER + 2 * (int)i)
                                                      : forward_and_backward[i];
        problem bare = *f->p;
        outcome *a, *b;
        bare.given = q->given;
        a = run(&bare, verb, &s), b = run(q, verb, &s);
        for (slot = SLOT_X; slot < SLOTS; ++slot)
            if (a->value[slot] && has_places((enum slot)slot))
                rotate(d, (enum slot)slot, a->value[slot], along, parts);
        must_match(a, b, along == 0 ? "samples in another order" : "groups in another order");
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(q);
}

/* ---- samples alone, shares ------------------------------------------------------------------- */

static inline int per_sample(const nrm_desc *d, enum slot slot)
{
    size_t axis[3];
    if (slot_is_tensor(slot)) return 1;
    if (slot <= SLOT_DBETA) return d->affine_per_sample;
    if (slot != SLOT_MEAN && slot != SLOT_RSTD && slot != SLOT_Q8_SCALE) return 0;
    slot_axes(d, slot, axis);
    return d->kind != NRM_BATCH;
}

/* One sample gives what it gives in its batch, unless batch norm mixes them. */
static inline void relate_alone(const fuzz_case *f, gen *g)
{
    const problem *p = f->p;
    const size_t i = gen_below(g, p->d.n);
    problem *one, all = *p;
    int v, slot;
    if (p->d.kind == NRM_BATCH && f->family != INFERENCE) return;
    if (f->family != INFERENCE) all.given &= ~RUNNING;
    all.given |= GIVEN(SLOT_DX);
    one = problem_share(&all, i, 1);
    for (v = 0; v < 2; ++v) {
        const enum verb verb = family_verbs[f->family][v];
        setup s = some_setup(g), t = some_setup(g);
        outcome *a = run(&all, verb, &s), *b = run(one, verb, &t);
        for (slot = SLOT_X; slot < SLOTS; ++slot) {
            const nrm_dtype type = slot_type(&p->d, (enum slot)slot);
            if (!a->value[slot] || !b->value[slot] || !per_sample(&p->d, (enum slot)slot)) continue;
            must(type_diff(type, (unsigned char *)a->value[slot] +
                                     i * b->count[slot] * type_size(type),
                           b->value[slot], b->count[slot]) == b->count[slot],
                 "sample %zu alone has another %s than in its batch: %s", i, slot_name[slot],
                 verb_name[verb]);
        }
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(one);
}

/* nrm_moments and nrm_sums are doubles, which a variance or a gradient sum of doubles may leave. */
static inline int fits_parts(const problem *p)
{
    const double *moments = (const double *)p->value[SLOT_MOMENTS];
    const double *sums = (const double *)p->value[SLOT_SUMS];
    size_t i;
    if (p->d.dtype != NRM_F64) return 1;
    for (i = 0; i < 3 * p->d.c; ++i) {
        const double m = fabs(moments[i]), s = fabs(sums[i]);
        if (i % 3 == 2 && !(m <= 0) && !(m > 0x1p-1000 && m < 0x1p1000)) return 0;
        if (i % 3 && !(s < 0x1p1000)) return 0;
    }
    return within_exponents(p, SLOT_X, -400, 500) && /* so that squares of differences are, too */
           (!(p->given & GIVEN(SLOT_RESIDUAL)) || within_exponents(p, SLOT_RESIDUAL, -400, 500));
}

static inline void compare_verbs(const problem *p, enum verb a, enum verb b, gen *g)
{
    setup s = some_setup(g), t = some_setup(g);
    outcome *one = run(p, a, &s), *two = run(p, b, &t);
    must_match(one, two, verb_name[b]);
    outcome_free(one);
    outcome_free(two);
}

/* Batch norm in parts, on one share, is the whole. */
static inline void relate_parts(const fuzz_case *f, gen *g)
{
    problem other = *f->p;
    if (other.d.kind != NRM_BATCH || !fits_parts(&other)) return;
    compare_verbs(&other, VERB_FORWARD, VERB_APPLY, g);
    compare_verbs(&other, VERB_BACKWARD, VERB_BACKWARD_REDUCE, g);
    other.given |= GIVEN(SLOT_DX);
    compare_verbs(&other, VERB_BACKWARD, VERB_BACKWARD_APPLY, g);
}

/* Runs a verb on two shares of a batch and returns what they give: the tensor `out` of both, one
   after the other, and in merged moments or sums what they reduce to. */
static inline void run_shares(problem *const share[2], enum verb verb, enum slot out, void *to,
                              gen *g)
{
    size_t i, at = 0;
    for (i = 0; i < 2; ++i) {
        setup s = some_setup(g);
        outcome *o = run(share[i], verb, &s);
        const size_t bytes = o->value[out] ? o->count[out] * slot_size(&o->d, out) : 0;
        must(o->clean && o->status == NRM_OK, "%s of share %zu: status %d", verb_name[verb], i,
             (int)o->status);
        if (o->value[out]) {
            memcpy((unsigned char *)to + at, o->value[out], bytes);
            at += bytes;
        }
        outcome_free(o);
    }
}

/* A ratio to the bound after one merge, of which doubles have twice as much. */
static inline ref_worst after_merge(const ref *r, ref_worst w)
{
    if (r->d.dtype == NRM_F64) w.ratio /= 2;
    return w;
}

/* A batch in two shares, either of which may be empty, is within the bound of the whole. */
static inline void relate_shares(const fuzz_case *f, gen *g)
{
    const nrm_desc *d = &f->p->d;
    const size_t first = gen_below(g, d->n + 1), c = d->c;
    problem *p, *share[2];
    nrm_desc rd;
    nrm_args ra;
    ref r;
    int i;
    if (d->kind != NRM_BATCH || !fits_parts(f->p) || !promised_inputs(f->p, 0)) return;
    if (!oracle_knows(f->p)) return;
    p = problem_copy(f->p);
    p->given &= ~(RUNNING | PARAMETER_GRADIENTS), p->given |= GIVEN(SLOT_DX);
    r = oracle_of(p, &rd, &ra);
    for (i = 0; i < 2; ++i) { /* all but what is reduced is the whole batch's */
        share[i] = problem_share(p, i ? first : 0, i ? d->n - first : first);
        share[i]->value[SLOT_MOMENTS] = test_alloc(3 * c, sizeof(double));
        share[i]->value[SLOT_SUMS] = test_alloc(3 * c, sizeof(double));
    }
    {
        nrm_moments *m = (nrm_moments *)test_alloc(2 * c, sizeof *m);
        nrm_sums *u = (nrm_sums *)test_alloc(2 * c, sizeof *u);
        run_shares(share, VERB_REDUCE, SLOT_MOMENTS, m, g);
        nrm_merge(m, m + c, c);
        for (i = 0; i < 2; ++i) memcpy(share[i]->value[SLOT_MOMENTS], m, c * sizeof *m);
        run_shares(share, VERB_APPLY, SLOT_Y, p->value[SLOT_Y], g);
        run_shares(share, VERB_BACKWARD_REDUCE, SLOT_SUMS, u, g);
        nrm_merge_sums(u, u + c, c);
        for (i = 0; i < 2; ++i) memcpy(share[i]->value[SLOT_SUMS], u, c * sizeof *u);
        run_shares(share, VERB_BACKWARD_APPLY, SLOT_DX, p->value[SLOT_DX], g);
        free(m);
        free(u);
    }
    if (promised_statistics(&r, 1)) {
        if (promised_y(&r))
            within(&r, "y of two shares", after_merge(&r, ref_compare_y(&r, p->value[SLOT_Y])));
        if (promised_gradients(p, &r) && p->d.act == NRM_IDENTITY) {
            ref_worst w;
            oracle_backward(p, &r, &ra, 0);
            w = ref_compare_dx(&r, p->value[SLOT_DX]);
            within(&r, "dx of two shares", after_merge(&r, w));
        }
    }
    for (i = 0; i < 2; ++i) {
        free(share[i]->value[SLOT_MOMENTS]);
        free(share[i]->value[SLOT_SUMS]);
        problem_free(share[i]);
    }
    ref_free(&r);
    problem_free(p);
}

/* ---- the same said otherwise ----------------------------------------------------------------- */

/* 1 when float is fit for gamma and beta (NUMERICS, "Double"). Where it is not, gradients are
   computed in double, but only where parameters are needed, as they are under NRM_RELU. */
static inline int comfortable_parameters(const problem *p)
{
    const double g = p->given & GIVEN(SLOT_GAMMA)
                         ? largest_value(p, SLOT_GAMMA) + fabs(p->d.gamma_offset) : 1;
    return g <= 0x1p40 && (!(p->given & GIVEN(SLOT_BETA)) ||
                           largest_value(p, SLOT_BETA) <= 0x1p100) && promised_inputs(p, 0);
}

/* NRM_RELU cuts y after everything else, and dy before. */
static inline void relate_relu(const fuzz_case *f, gen *g)
{
    problem *p = problem_copy(f->p);
    const nrm_dtype type = p->d.dtype;
    setup s = some_setup(g);
    outcome *line, *cut, *a, *b;
    size_t i;
    int same;
    p->given &= ~(RUNNING | GIVEN(SLOT_GATE) | GIVEN(SLOT_DGATE) | GIVEN(SLOT_DADD) | GIVEN_Q8);
    p->d.act = NRM_IDENTITY;
    line = run(p, VERB_FORWARD, &s);
    p->d.act = NRM_RELU;
    cut = run(p, VERB_FORWARD, &s);
    a = run(p, VERB_BACKWARD, &s);
    /* of halves the sign that counts is that of y before it is rounded */
    same = !type_is_half(type) && comfortable_parameters(p);
    for (i = 0; i < line->count[SLOT_Y]; ++i) {
        const double y = type_get(type, line->value[SLOT_Y], i);
        if (!(y > 0)) {
            type_put(type, p->value[SLOT_DY], i, 0);
            if (!is_nan_f64(y)) type_put(type, line->value[SLOT_Y], i, 0);
        }
    }
    p->d.act = NRM_IDENTITY;
    b = run(p, VERB_BACKWARD, &s);
    must_match(line, cut, "relu of y");
    if (same) must_match(b, a, "gradient under relu");
    outcome_free(line);
    outcome_free(cut);
    outcome_free(a);
    outcome_free(b);
    problem_free(p);
}

/* x + residual given, or summed before: forward and backward. */
static inline void relate_sum(const fuzz_case *f, gen *g)
{
    problem *p = problem_copy(f->p), *q;
    setup s = some_setup(g);
    outcome *o;
    size_t i;
    p->given |= GIVEN(SLOT_RESIDUAL) | GIVEN(SLOT_SUM), p->given &= ~RUNNING;
    problem_prepare(p);
    o = run(p, VERB_FORWARD, &s);
    q = problem_copy(p);
    if (p->d.wide_residual)
        q->absent |= GIVEN(SLOT_X);
    else
        q->given &= ~GIVEN(SLOT_RESIDUAL);
    memcpy(q->value[p->d.wide_residual ? SLOT_RESIDUAL : SLOT_X], o->value[SLOT_SUM],
           o->count[SLOT_SUM] * slot_size(&p->d, SLOT_SUM));
    outcome_free(o);
    for (i = 0; i < 2; ++i) {
        outcome *a = run(p, forward_and_backward[i], &s);
        outcome *b = run(q, forward_and_backward[i], &s);
        must_match(a, b, "x + residual summed before");
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(q);
    problem_free(p);
}

/* Groups of one channel are instance norm. dx of one value is a 0 whose sign gamma turns. */
static inline void relate_groups(const fuzz_case *f, gen *g)
{
    problem p = *f->p, q;
    size_t i;
    if (p.d.kind != NRM_INSTANCE) return;
    p.given &= ~RUNNING;
    if (p.d.s == 1 || given_lengths(&p)) p.given &= ~GIVEN(SLOT_GAMMA);
    q = p;
    q.d.kind = NRM_GROUP, q.d.groups = p.d.c;
    for (i = 0; i < 2; ++i) {
        setup s = some_setup(g), t = some_setup(g);
        outcome *a = run(&p, forward_and_backward[i], &s);
        outcome *b = run(&q, forward_and_backward[i], &t);
        must_match(a, b, "groups of one channel");
        outcome_free(a);
        outcome_free(b);
    }
}

/* A value of a float outcome, and what was stored of it as a half: one rounding off at most. What
   is computed in double is rounded to the half at once, and may differ where the float is a tie. */
static inline int is_rounded(nrm_dtype type, double single, double half)
{
    if (is_nan_f64(single)) return is_nan_f64(half);
    if (fabs(half) > largest_of(type)) return fabs(single) >= ref_precision_of(type).overflow;
    return fabs(single) <= DBL_MAX &&
           (ref_real)fabs(single - half) <= ref_half_ulp(type, (ref_real)fabs(half));
}

/* The values of x and residual as floats are those of z. */
static inline void forget_x(problem *p)
{
    memcpy(p->value[SLOT_X], p->value[SLOT_RESIDUAL], problem_volume(&p->d) * sizeof(float));
    p->given &= ~GIVEN(SLOT_RESIDUAL);
    problem_prepare(p);
}

/* Whether a slot holds numbers that are rounded once more where data are halves. */
static inline int is_stored_half(const nrm_desc *d, enum slot slot)
{
    return type_is_half(slot_type(d, slot));
}

/* Halves as floats: the same statistics and parameter gradients, tensors rounded once. A wide
   residual is a float in both, and dresidual what dx is of floats. */
static inline void relate_halves(const fuzz_case *f, gen *g)
{
    problem *p, *q;
    const enum verb *verb = family_verbs[f->family];
    int v, slot;
    size_t i;
    if (!type_is_half(f->p->d.dtype)) return;
    p = problem_copy(f->p);
    if (!p->d.wide_residual) p->given &= ~GIVEN(SLOT_RESIDUAL);
    p->given |= GIVEN(SLOT_DX), p->given &= ~GIVEN_Q8;
    problem_prepare(p);
    q = problem_as(p, NRM_F32);
    if (can_be_absent(p, VERB_FORWARD, SLOT_X) && p->absent >> SLOT_X & 1) forget_x(q);
    for (v = 0; v < 4 && verb[v] != VERBS; ++v) {
        setup s = some_setup(g), t = some_setup(g);
        outcome *a = run(p, verb[v], &s), *b = run(q, verb[v], &t);
        must(a->status == b->status, "a half has another status than a float: %d", (int)a->status);
        if (a->value[SLOT_DRESIDUAL] && b->value[SLOT_DX])
            must(type_diff(NRM_F32, a->value[SLOT_DRESIDUAL], b->value[SLOT_DX],
                           a->count[SLOT_DRESIDUAL]) == a->count[SLOT_DRESIDUAL],
                 "%s: dresidual is not the dx of floats", verb_name[verb[v]]);
        for (slot = SLOT_X; slot < SLOTS; ++slot)
            for (i = 0; a->value[slot] && b->value[slot] && i < a->count[slot]; ++i) {
                const nrm_dtype held = slot_type(&q->d, (enum slot)slot);
                const double single = type_get(held, b->value[slot], i);
                if (is_stored_half(&p->d, (enum slot)slot)
                        ? is_rounded(p->d.dtype, single, type_get(p->d.dtype, a->value[slot], i))
                        : type_bits(held, a->value[slot], i) == type_bits(held, b->value[slot], i))
                    continue;
                must(0, "%s: %s[%zu] of halves is %.9g, not that of the same floats, %.9g",
                     verb_name[verb[v]], slot_name[slot], i,
                     type_get(slot_type(&p->d, (enum slot)slot), a->value[slot], i), single);
                break;
            }
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(p);
    problem_free(q);
}

/* ---- NaN and Inf ----------------------------------------------------------------------------- */

/* One value of x becomes a NaN or Inf: NaN in all of its group (in inference: its own element is
   not finite), and no other bit changes. */
static inline void relate_poison(const fuzz_case *f, gen *g)
{
    static const double poison[] = {NAN, INFINITY, -INFINITY};
    problem *bare = problem_copy(f->p), *q;
    const nrm_desc *d = &bare->d;
    const size_t at = gen_below(g, problem_volume(d));
    const int running = f->family == INFERENCE;
    const size_t stat = ref_stat(d, at / (d->c * d->s), at / d->s % d->c, at % d->s);
    size_t i, j, k;
    int v;
    bare->given &= ~(PARAMETER_GRADIENTS | (running ? 0 : RUNNING)), bare->given |= GIVEN(SLOT_DX);
    bare->given &= ~GIVEN(SLOT_LENGTHS), bare->absent = 0;
    q = problem_copy(bare);
    type_put(d->dtype, q->value[SLOT_X], at, poison[gen_below(g, 3)]);
    problem_prepare(bare);
    problem_prepare(q);
    for (v = 0; v < 2; ++v) {
        const enum verb verb = family_verbs[running][v];
        const enum slot out = v ? SLOT_DX : SLOT_Y;
        setup s = some_setup(g), t = some_setup(g);
        outcome *a = run(bare, verb, &s), *b = run(q, verb, &t);
        REF_EACH(d, i, j, k) {
            const size_t e = ref_own(d, i, j, k);
            const double value = type_get(d->dtype, b->value[out], e);
            const int own = running ? e == at : ref_stat(d, i, j, k) == stat;
            if (own && !running && is_nan_f64(value)) continue;
            if (own && running) continue;
            if (!own && type_bits(d->dtype, a->value[out], e) ==
                            type_bits(d->dtype, b->value[out], e))
                continue;
            must(0, "%s: a NaN or Inf in x[%zu] makes %s[%zu] %.17g", verb_name[verb], at,
                 slot_name[out], e, value);
            i = d->n - 1, j = d->c - 1, k = d->s - 1;
        }
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(bare);
    problem_free(q);
}

/* ---- the short forms ------------------------------------------------------------------------- */

static inline void relate_short(const fuzz_case *f, gen *g)
{
    problem p = *f->p;
    const nrm_layout layout = (nrm_layout)gen_below(g, 2);
    const int rows = p.d.kind == NRM_LAYER || p.d.kind == NRM_RMS;
    const size_t n = p.d.n, c = p.d.c, s = p.d.s;
    const float *x = (const float *)p.value[SLOT_X], *gamma, *beta;
    float *y = (float *)p.value[SLOT_Y];
    nrm_status status;
    setup scalar = plain(NRM_SCALAR, NRM_NCHW);
    outcome *o;
    if (p.d.dtype != NRM_F32 || (rows && s != 1) || (!rows && layout == NRM_NHWC && s != 1)) return;
    if (p.d.kind == NRM_BATCH && f->family != INFERENCE) return;
    p.given &= ~(RUNNING | GIVEN(SLOT_RESIDUAL) | GIVEN_AROUND | GIVEN_TENSORS), p.absent = 0;
    if (p.d.kind == NRM_RMS) p.given &= ~GIVEN(SLOT_BETA);
    p.d.act = NRM_IDENTITY, p.d.affine_per_sample = 0, p.d.gamma_offset = 0;
    gamma = p.given & GIVEN(SLOT_GAMMA) ? (const float *)p.value[SLOT_GAMMA] : NULL;
    beta = p.given & GIVEN(SLOT_BETA) ? (const float *)p.value[SLOT_BETA] : NULL;
    o = run(&p, p.d.kind == NRM_BATCH ? VERB_INFER : VERB_FORWARD, &scalar);
    switch (p.d.kind) {
    case NRM_BATCH:
        status = nrm_batchnorm_infer(y, x, n, c, s, layout, (float *)p.value[SLOT_RUNNING_MEAN],
                                     (float *)p.value[SLOT_RUNNING_VAR], gamma, beta, p.d.eps);
        break;
    case NRM_LAYER: status = nrm_layernorm(y, x, n, c, gamma, beta, p.d.eps); break;
    case NRM_INSTANCE:
        status = nrm_instancenorm(y, x, n, c, s, layout, gamma, beta, p.d.eps);
        break;
    case NRM_GROUP:
        status = nrm_groupnorm(y, x, n, c, s, p.d.groups, layout, gamma, beta, p.d.eps);
        break;
    default: status = nrm_rmsnorm(y, x, n, c, gamma, p.d.eps);
    }
    must(status == o->status, "the short form has status %d, not %d", (int)status, (int)o->status);
    if (o->value[SLOT_Y])
        must(same_bits_f32(y, (const float *)o->value[SLOT_Y], n * c * s),
             "the short form has other bits");
    outcome_free(o);
}

/* ---- activations ----------------------------------------------------------------------------- */

static inline int finite_outcome(const outcome *o, enum slot slot)
{
    size_t i;
    for (i = 0; o->value[slot] && i < o->count[slot]; ++i) {
        const double v = type_get(slot_type(&o->d, slot), o->value[slot], i);
        if (!(v - v == 0)) return 0;
    }
    return o->value[slot] != NULL;
}

/* Whether what is activated is finite. A gate can make a finite y of what float has as Inf. */
static inline int finite_without_gate(const problem *p)
{
    problem *bare = problem_copy(p);
    setup s = plain(NRM_AUTO, NRM_NCHW);
    outcome *o;
    int finite;
    bare->given &= ~GIVEN(SLOT_GATE);
    o = run(bare, VERB_FORWARD, &s);
    finite = finite_outcome(o, SLOT_Y);
    outcome_free(o);
    problem_free(bare);
    return finite;
}

/* A case with one activation and with another that is the same, but for signs of zero; and at an
   infinity, where the slopes differ. */
static inline void check_acts(problem *p, nrm_act one, nrm_act other, double low, gen *g)
{
    problem *q = problem_copy(p);
    double factor[SLOTS];
    setup s = some_setup(g);
    size_t i;
    int finite = 1;
    for (i = 0; i < SLOTS; ++i) factor[i] = 1;
    p->d.act = one, q->d.act = other;
    p->d.act_slope = 1, p->d.act_low = low, p->d.act_high = INFINITY;
    problem_prepare(p);
    problem_prepare(q);
    for (i = 0; i < 2 && finite; ++i) {
        outcome *a = run(p, forward_and_backward[i], &s), *b = run(q, forward_and_backward[i], &s);
        must_be_multiples(a, b, factor, act_name[one]);
        finite = finite_outcome(a, SLOT_Y) && finite_without_gate(p);
        outcome_free(a);
        outcome_free(b);
    }
    problem_free(q);
}

/* CLIP from 0 on is RELU, from -Inf on nothing, and so is LEAKY_RELU of slope 1: of parameters that
   are computed with in float whether they are needed or not. */
static inline void relate_acts(const fuzz_case *f, gen *g)
{
    problem *p = problem_copy(f->p);
    p->given &= ~RUNNING;
    check_acts(p, NRM_CLIP, NRM_RELU, 0, g);
    if (comfortable_parameters(p)) check_acts(p, NRM_CLIP, NRM_IDENTITY, -INFINITY, g);
    if (comfortable_parameters(p)) check_acts(p, NRM_LEAKY_RELU, NRM_IDENTITY, 0, g);
    problem_free(p);
}

/* ---- tensors as networks have them ----------------------------------------------------------- */

/* y in the layout of x or in the other one. */
static inline void relate_turned(const problem *p, enum verb verb, gen *g)
{
    setup s = some_setup(g), t = some_setup(g);
    problem other = *p;
    outcome *a, *b;
    other.d.transpose_y = !p->d.transpose_y;
    a = run(p, verb, &s), b = run(&other, verb, &t);
    must(b->clean, "%s wrote outside of its outputs: y turned", verb_name[verb]);
    must_match(a, b, "y turned");
    outcome_free(a);
    outcome_free(b);
}

/* Lengths that are all s are none, but of batch norm that is short. */
static inline void relate_full(const problem *p, enum verb verb, gen *g)
{
    size_t *lengths = (size_t *)p->value[SLOT_LENGTHS], i;
    setup s = some_setup(g), t = some_setup(g);
    problem other = *p;
    outcome *a, *b;
    if (given_lengths(p) || p->d.s < 16) return;
    for (i = 0; i < p->d.n; ++i) lengths[i] = p->d.s;
    other.given |= GIVEN(SLOT_LENGTHS);
    a = run(p, verb, &s), b = run(&other, verb, &t);
    must_match(a, b, "lengths of s");
    outcome_free(a);
    outcome_free(b);
}

/* y before it is rounded, of one row, as q8 and its scale have it. */
static inline void must_be_steps(const nrm_desc *d, const float *y, const outcome *o, size_t row)
{
    const int8_t *q8 = (const int8_t *)o->value[SLOT_Q8];
    volatile float scale = 0, step;
    size_t j;
    for (j = 0; j < d->c; ++j) {
        const float v = y[list_place(d, row, j)];
        const float magnitude = v < 0 ? -v : v;
        if (!(magnitude <= FLT_MAX)) scale = NAN;
        if (!is_nan_f32(scale) && magnitude > scale) scale = magnitude;
    }
    scale = scale / 127;
    must(type_bits(NRM_F32, o->value[SLOT_Q8_SCALE], row) ==
             (is_nan_f32(scale) ? 0x7fc00000u : bits_f32(scale)), "q8_scale[%zu]", row);
    for (j = 0; j < d->c; ++j) {
        const size_t at = list_place(d, row, j);
        double whole = 0;
        if (scale > 0) step = y[at] / scale, whole = nearbyint((double)step);
        whole = whole > 127 ? 127 : whole < -127 ? -127 : whole;
        must(q8[at] == (int)whole, "q8[%zu] is %d, not %g", at, q8[at], whole);
    }
}

/* q8 is made of y as a float, which of halves is that of a float twin. */
static inline void relate_steps(const problem *p, gen *g)
{
    const size_t *lengths = given_lengths(p);
    setup s = some_setup(g);
    problem *twin = problem_as(p, NRM_F32);
    outcome *o, *of_twin;
    size_t row;
    twin->given &= ~GIVEN_Q8, twin->absent = 0;
    if (!p->d.wide_residual && type_is_half(p->d.dtype) && p->given & GIVEN(SLOT_RESIDUAL)) {
        problem_free(twin); /* the sum is rounded */
        return;
    }
    if (can_be_absent(p, VERB_FORWARD, SLOT_X) && p->absent >> SLOT_X & 1) forget_x(twin);
    o = run(p, VERB_FORWARD, &s), of_twin = run(twin, VERB_FORWARD, &s);
    for (row = 0; o->value[SLOT_Q8] && row < p->d.n * p->d.s; ++row)
        if (row % p->d.s < length_of(&p->d, lengths, row / p->d.s))
            must_be_steps(&p->d, (const float *)of_twin->value[SLOT_Y], o, row);
    outcome_free(o);
    outcome_free(of_twin);
    problem_free(twin);
}

static inline void relate_tensors(const fuzz_case *f, gen *g)
{
    const enum verb *verb = family_verbs[f->family];
    const int halves = type_is_half(f->p->d.dtype);
    int v;
    for (v = 0; v < 4 && verb[v] != VERBS; ++v) {
        relate_turned(f->p, verb[v], g);
        relate_full(f->p, verb[v], g);
    }
    if (f->family == TRAINING && f->p->given & GIVEN(SLOT_Q8)) relate_steps(f->p, g);
    if (halves) relate_halves(f, g);
}

/* ---- all ------------------------------------------------------------------------------------- */

typedef void relation(const fuzz_case *f, gen *g);

static relation *const relations[] = {relate_negated, relate_rotated, relate_alone, relate_scaled,
                                      relate_parts,   relate_shares,  relate_relu,  relate_sum,
                                      relate_groups,  relate_halves,  relate_poison, relate_short};

/* Two of them in one case. */
static inline void check_relations(const fuzz_case *f)
{
    gen g = gen_seed(f->seed + 1000);
    const unsigned which = f->relation;
    if (!problem_volume(&f->p->d)) return;
    relations[which % COUNT(relations)](f, &g);
    relations[which / COUNT(relations) % COUNT(relations)](f, &g);
    if (f->around) relate_acts(f, &g);
    if (f->tensors) relate_tensors(f, &g);
}

#endif /* RELATE_H */
