/* public.h - every public function of normalize.h. Its address is taken, so that a static build
 * emits them all; run.sh reads the names from here and asks nm for each of them. */
#ifndef PUBLIC_H
#define PUBLIC_H

typedef void (*public_function)(void);

#define PUBLIC(f) (public_function)(f),

/* Volatile, or an optimiser that sees nobody read the table drops it and the functions. */
static const volatile public_function public_functions[] = {
    PUBLIC(nrm_forward)
    PUBLIC(nrm_infer)
    PUBLIC(nrm_backward)
    PUBLIC(nrm_infer_backward)
    PUBLIC(nrm_reduce)
    PUBLIC(nrm_merge)
    PUBLIC(nrm_apply)
    PUBLIC(nrm_backward_reduce)
    PUBLIC(nrm_merge_sums)
    PUBLIC(nrm_backward_apply)
    PUBLIC(nrm_layernorm)
    PUBLIC(nrm_rmsnorm)
    PUBLIC(nrm_batchnorm_infer)
    PUBLIC(nrm_instancenorm)
    PUBLIC(nrm_groupnorm)
    PUBLIC(nrm_fold)
    PUBLIC(nrm_fold_next)
    PUBLIC(nrm_explain)
    PUBLIC(nrm_stat_count)
    PUBLIC(nrm_workspace_size)
    PUBLIC(nrm_best_isa)
    PUBLIC(nrm_has_isa)
    PUBLIC(nrm_isa_name)
    PUBLIC(nrm_status_string)
    PUBLIC(nrm_version)
#ifndef NRM_NO_HALF
    PUBLIC(nrm_f32_to_bf16)
    PUBLIC(nrm_bf16_to_f32)
    PUBLIC(nrm_f32_to_f16)
    PUBLIC(nrm_f16_to_f32)
#endif
};

#ifdef NRM_NO_F64
#define HAS_F64 0
#else
#define HAS_F64 1
#endif
#ifdef NRM_NO_HALF
#define HAS_HALF 0
#else
#define HAS_HALF 1
#endif

static int public_has(nrm_dtype type)
{
    static nrm_desc d;
    d.n = d.c = d.s = 1, d.dtype = type;
    return nrm_stat_count(&d) == 1;
}

/* 1 when all of them are there, those storage types that no option takes away, and the row of a
   thousand equal values gives beta. */
static int public_works(void)
{
    enum { COUNT = 1000 };
    static float x[COUNT], y[COUNT], beta[COUNT];
    unsigned i, good = 1;
    for (i = 0; i < sizeof public_functions / sizeof *public_functions; ++i)
        good &= public_functions[i] != 0;
    for (i = 0; i < COUNT; ++i) x[i] = 100.1f, beta[i] = (float)i;
    good &= nrm_layernorm(y, x, 1, COUNT, 0, beta, 1e-5) == NRM_OK;
    for (i = 0; i < COUNT; ++i) good &= y[i] >= beta[i] && y[i] <= beta[i];
    good &= nrm_version() == NRM_VERSION;
    good &= public_has(NRM_F32) && public_has(NRM_F64) == HAS_F64 &&
            public_has(NRM_BF16) == HAS_HALF && public_has(NRM_F16) == HAS_HALF;
    return (int)good;
}

#endif /* PUBLIC_H */
