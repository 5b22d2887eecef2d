/* oracle.c - the oracle of the tests and their hard inputs, for normalize_h/fuzz.py: ref.h computes
 * a norm in long double and knows how far from that a result may be, gen.h draws values. Nothing of
 * the library's code is here. Where long double is no wider than double (MSVC, some Arm) a bound of
 * double results would say nothing, so that only float is judged. */
#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
#include "tests/support/ref.h"
#include "tests/support/gen.h"
#include <float.h>

EXPORTED int normalize_oracle_digits(void) { return LDBL_MANT_DIG; }

EXPORTED const char *normalize_oracle_family(int i)
{
    return i >= 0 && i < GEN_DISTS ? gen_dist_name[i] : NULL;
}

/* `count` values of a family: the same for the same seed, on every machine. */
EXPORTED void normalize_oracle_fill(uint64_t seed, int family, int is_double, void *to,
                                   size_t count)
{
    gen g = gen_seed(seed);
    if (is_double)
        gen_fill_f64(&g, (gen_dist)family, (double *)to, count);
    else
        gen_fill(&g, (gen_dist)family, (float *)to, count);
}

typedef struct oracle_call {
    int64_t kind, is_double, n, c, s, groups;
    double eps;
    const void *x, *gamma, *beta, *dy, *y, *dx, *dgamma, *dbeta;
} oracle_call;

typedef struct oracle_verdict {
    int64_t which, at; /* 0 y, 1 dx, 2 dgamma, 3 dbeta; in C order of (n, c, s), or of (c) */
    double ratio, got, exact, bound;
} oracle_verdict;

static void take(oracle_verdict *v, int which, ref_worst w)
{
    if (!(w.ratio > v->ratio)) return;
    v->which = which, v->at = (int64_t)w.at;
    v->ratio = (double)w.ratio, v->got = (double)w.got;
    v->exact = (double)w.exact, v->bound = (double)w.bound;
}

/* The worst of the results that are given, in units of the published bound. */
EXPORTED void normalize_oracle_judge(const oracle_call *q, oracle_verdict *v)
{
    nrm_desc d = {0};
    nrm_args a = {0};
    ref r;
    d.kind = (nrm_kind)q->kind, d.dtype = q->is_double ? NRM_F64 : NRM_F32, d.eps = q->eps;
    d.n = (size_t)q->n, d.c = (size_t)q->c, d.s = (size_t)q->s, d.groups = (size_t)q->groups;
    a.x = q->x, a.gamma = q->gamma, a.beta = q->beta, a.dy = q->dy;
    memset(v, 0, sizeof *v);
    v->ratio = -1;
    r = ref_new(&d, &a);
    if (q->y) take(v, 0, ref_compare_y(&r, q->y));
    if (q->dy) {
        ref_backward(&r, &a, q->y, 0);
        if (q->dx) take(v, 1, ref_compare_dx(&r, q->dx));
        if (q->dgamma)
            take(v, 2, ref_compare_as(d.dtype, q->dgamma, r.dgamma, r.dgamma_bound, r.affines));
        if (q->dbeta)
            take(v, 3, ref_compare_as(d.dtype, q->dbeta, r.dbeta, r.dbeta_bound, r.affines));
    }
    ref_free(&r);
}
