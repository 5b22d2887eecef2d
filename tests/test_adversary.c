/* test_adversary.c - the worst inputs that fuzz/adversary.c has built against the sums. They stay
 * below the proven bounds, and go beyond what drawn data stay below (ref.h, section 1): so the
 * larger constants are needed, and a smaller one would be a false promise. Every instruction set
 * gives the same bits of them, in both layouts.
 *
 * Prints each error in units of e, for docs/ACCURACY.md.
 */
#include "../normalize.h"

#include <float.h>

#if defined(__SIZEOF_FLOAT128__)
#define REF_REAL __float128
#define EXACT_DIGITS 113
#else
#define EXACT_DIGITS LDBL_MANT_DIG
#endif

#include "support/test.h"
#include "support/gen.h"
#include "support/oracle.h"
#include "support/adversary_inputs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What drawn data stay below, in e, where the adversary got beyond it; 0 where it did not: one sum
   alone is not enough for that. */
static long double passed_limit(const adversary *a)
{
    if (a->kind == NRM_RMS) return 0;
    switch (a->out) {
    case SLOT_Y: return REF_ORDINARY_Y;
    case SLOT_DX: return REF_ORDINARY_DX;
    case SLOT_DGAMMA: return REF_ORDINARY_DGAMMA;
    default: return 0;
    }
}

static void check_error(const adversary *a, const char *what, const ref_worst *w)
{
    check(w->ratio <= 1, "%s: %s[%zu] is %.17Lg, not %.17Lg: %.3Lf of the proven bound", a->name,
          what, w->at, w->got, w->exact, w->ratio);
}

/* Against the oracle, in scalar code. */
static void check_bounds(const adversary *a, const problem *p, const outcome *o)
{
    const long double passed = passed_limit(a);
    const int forward = adversary_verb(a) == VERB_FORWARD;
    nrm_desc d;
    nrm_args args;
    ref r = oracle_of(p, &d, &args);
    const long double limit = oracle_limit(&r, a->out);
    ref_worst w;
    if (!forward) oracle_backward(p, &r, &args, 0);
    w = oracle_compare(&r, o, a->out);
    note("worst: %s: %.3Lf e of %.3Lf e", a->name, w.ratio * limit, limit);
    check_error(a, slot_name[a->out], &w);
    check(w.ratio * limit > passed, "%s: %.3Lf e is not beyond %.1Lf e, of drawn data", a->name,
          w.ratio * limit, passed);
    if (forward) {
        w = oracle_compare(&r, o, SLOT_RSTD), check_error(a, "rstd", &w);
        if (a->kind != NRM_RMS) w = oracle_compare(&r, o, SLOT_MEAN), check_error(a, "mean", &w);
    } else {
        w = oracle_compare(&r, o, SLOT_DX), check_error(a, "dx", &w);
        w = oracle_compare(&r, o, SLOT_DGAMMA), check_error(a, "dgamma", &w);
        w = oracle_compare(&r, o, SLOT_DBETA), check_error(a, "dbeta", &w);
    }
    ref_free(&r);
}

static void check_bits(const adversary *a, const problem *p, const outcome *want)
{
    size_t i;
    int layout;
    for (i = 0; i < ISAS; ++i)
        for (layout = 0; layout < LAYOUTS && nrm_has_isa(all_isa[i]); ++layout) {
            const setup s = plain(all_isa[i], (nrm_layout)layout);
            outcome *o = run(p, adversary_verb(a), &s);
            difference at;
            const int same = same_outcome(want, o, &at);
            check(same && o->clean, "%s: %s[%zu] of %s, %s", a->name, slot_name[at.slot], at.index,
                  nrm_isa_name(all_isa[i]), layout_name[layout]);
            outcome_free(o);
        }
}

int main(void)
{
    size_t i;
    for (i = 0; i < COUNT(adversaries); ++i) {
        const adversary *a = &adversaries[i];
        const setup s = plain(NRM_SCALAR, NRM_NCHW);
        problem *p;
        outcome *o;
        if (!type_is_here(a->dtype)) continue;
        p = adversary_problem(a);
        o = run(p, adversary_verb(a), &s);
        group("%s: an input built against it", a->name);
        check(o->status == NRM_OK, "%s: %s", a->name, nrm_status_string(o->status));
        if (a->dtype == NRM_F32 || EXACT_DIGITS > 100) check_bounds(a, p, o);
        check_bits(a, p, o);
        group_end();
        outcome_free(o);
        problem_free(p);
    }
    return done_testing();
}
