/* normalize.c - normalize.h as the WebAssembly of the npm package. normalize.js fills in one call,
 * field by field, and makes it; it lays out the data itself, from __heap_base on. */
#define NORMALIZE_IMPLEMENTATION
#include "../../normalize.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

/* There is no C library. WebAssembly has instructions for these two (bulk memory). */
void *memcpy(void *to, const void *from, size_t size)
{
    return __builtin_memcpy(to, from, size);
}

void *memset(void *to, int byte, size_t size)
{
    return __builtin_memset(to, byte, size);
}

static nrm_desc desc;
static nrm_args args;
static char sentence[160];

/* A new call, without data. */
void EXPORT(describe)(int kind, int layout, int dtype, size_t n, size_t c, size_t s, size_t groups,
                      double eps, double running_rate)
{
    static const nrm_desc no_desc;
    static const nrm_args no_args;
    desc = no_desc, args = no_args;
    desc.kind = (nrm_kind)kind, desc.layout = (nrm_layout)layout, desc.dtype = (nrm_dtype)dtype;
    desc.n = n, desc.c = c, desc.s = s, desc.groups = groups, desc.eps = eps;
    args.running_rate = running_rate;
}

void EXPORT(inputs)(const void *x, const void *dy, const void *gamma, const void *beta)
{
    args.x = x, args.dy = dy, args.gamma = gamma, args.beta = beta;
}

void EXPORT(outputs)(void *y, void *dx, void *dgamma, void *dbeta)
{
    args.y = y, args.dx = dx, args.dgamma = dgamma, args.dbeta = dbeta;
}

void EXPORT(statistics)(double *mean, double *rstd, void *running_mean, void *running_var)
{
    args.mean = mean, args.rstd = rstd;
    args.running_mean = running_mean, args.running_var = running_var;
}

/* Returns the status. verb is an enumerator of nrm_verb. */
int EXPORT(run)(int verb)
{
    switch (verb) {
    case NRM_FORWARD: return (int)nrm_forward(&desc, &args);
    case NRM_INFER: return (int)nrm_infer(&desc, &args);
    case NRM_BACKWARD: return (int)nrm_backward(&desc, &args);
    default: return (int)NRM_ERR_DESC;
    }
}

/* What is wrong with the call, or, where nothing is, what its status means. */
const char *EXPORT(explain)(int verb, int status)
{
    if (nrm_explain((nrm_verb)verb, &desc, &args, sentence, sizeof sentence)) return sentence;
    return nrm_status_string((nrm_status)status);
}

int EXPORT(version)(void)
{
    return nrm_version();
}
