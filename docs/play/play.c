/* play.c - what the page docs/play/ calls: normalize.h, the list of the golden hashes as
 * tests/test_golden_hashes.c draws it, the oracle of the tests, the textbook's loops of the
 * benchmark and its shapes. `make play` compiles it to WASM, with SIMD128 and without.
 *
 * The page describes a call with play_desc, says where its data are with play_data and
 * play_gradients, and makes it with play_run. The data lie in the memory of this module, where
 * play_alloc gives room; page.js has the other half.
 */
#define NORMALIZE_IMPLEMENTATION
#include "../../normalize.h"

#include "../../bench/shapes.h" /* before types.h, which has a TYPES of its own */

#define main golden_main /* is not called */
#include "../../tests/test_golden_hashes.c"
#undef main

#include "../../tests/support/ref.h"
#include "../../bench/textbook.h"

#define PLAY(name) __attribute__((export_name(#name))) name

/* ---- Memory ---------------------------------------------------------------------------------- */

void *PLAY(play_alloc)(size_t bytes)
{
    return malloc(bytes);
}

void PLAY(play_free)(void *memory)
{
    free(memory);
}

/* ---- A call ---------------------------------------------------------------------------------- */

static nrm_desc desc;
static nrm_args args;

/* A new call; what it has of data is told afterwards. line: elements from one pixel's channels to
   the next in NHWC, 0 where they are packed. */
void PLAY(play_desc)(int kind, int layout, size_t n, size_t c, size_t s, size_t groups, double eps,
                     size_t line)
{
    memset(&desc, 0, sizeof desc), memset(&args, 0, sizeof args);
    desc.kind = (nrm_kind)kind, desc.layout = (nrm_layout)layout;
    desc.n = n, desc.c = c, desc.s = s, desc.groups = groups, desc.eps = eps;
    desc.x_pitch.line = desc.y_pitch.line = line;
}

/* Either of gamma and beta may be NULL. Each has n * c values if per_sample is set. */
void PLAY(play_data)(const float *x, float *y, const float *gamma, const float *beta, double *mean,
                     double *rstd, int per_sample)
{
    args.x = x, args.y = y, args.gamma = gamma, args.beta = beta;
    args.mean = mean, args.rstd = rstd;
    desc.affine_per_sample = per_sample;
}

void PLAY(play_gradients)(const float *dy, float *dx, float *dgamma, float *dbeta)
{
    args.dy = dy, args.dx = dx, args.dgamma = dgamma, args.dbeta = dbeta;
}

void PLAY(play_running)(float *mean, float *var)
{
    args.running_mean = mean, args.running_var = var, args.running_rate = 0.1;
}

/* Returns the status. verb is an enumerator of nrm_verb. */
int PLAY(play_run)(int verb)
{
    switch (verb) {
    case NRM_FORWARD: return (int)nrm_forward(&desc, &args);
    case NRM_INFER: return (int)nrm_infer(&desc, &args);
    case NRM_BACKWARD: return (int)nrm_backward(&desc, &args);
    default: return (int)NRM_ERR_DESC;
    }
}

const char *PLAY(play_status)(int status)
{
    return nrm_status_string((nrm_status)status);
}

const char *PLAY(play_isa)(void)
{
    return nrm_isa_name(nrm_best_isa());
}

/* Mean and variance of each channel of x, as doubles: mean, variance, mean, ... */
int PLAY(play_moments)(const float *x, double *pairs)
{
    nrm_moments moments[16];
    size_t j;
    int status;
    if (desc.c > 16) return (int)NRM_ERR_SIZE;
    args.x = x;
    status = (int)nrm_reduce(&desc, &args, moments);
    for (j = 0; j < desc.c && !status; ++j)
        pairs[2 * j] = moments[j].mean, pairs[2 * j + 1] = moments[j].m2 / moments[j].count;
    return status;
}

/* The hash of a packed tensor in the order of NCHW, whatever the layout it lies in: that of
   tests/golden.txt, FNV-1a with every NaN as one value. Its lower 32 bits; play_hash_high has the
   rest. */
static uint64_t hash;

uint32_t PLAY(play_hash)(const float *values)
{
    size_t i, j, k;
    hash = FNV_START;
    REF_EACH(&desc, i, j, k) {
        const nrm_pitch packed = {0, 0};
        const float v = values[ref_at(&desc, packed, i, j, k)];
        hash = fnv(hash, is_nan_f32(v) ? 0x7fc00000u : bits_f32(v), 4);
    }
    return (uint32_t)hash;
}

uint32_t PLAY(play_hash_high)(void)
{
    return (uint32_t)(hash >> 32);
}

/* The same values in both layouts, multiples of 1/128 within +-4, so that their hashes can be
   compared. */
void PLAY(play_fill)(float *values, uint32_t seed)
{
    const nrm_pitch packed = {0, 0};
    size_t i, j, k;
    stream = seed;
    REF_EACH(&desc, i, j, k) values[ref_at(&desc, packed, i, j, k)] = one_value(PLAIN, 0);
}

/* ---- The golden list ------------------------------------------------------------------------- */

/* Prints the lines of one storage type, or, where there is no such type, of what has no verb. */
void PLAY(play_golden)(int type, int layout)
{
    printing = 1;
    if (type < TYPES) {
        norms((nrm_dtype)type, nrm_best_isa(), (nrm_layout)layout);
        around_norms((nrm_dtype)type, nrm_best_isa(), (nrm_layout)layout);
        tensors((nrm_dtype)type, nrm_best_isa(), (nrm_layout)layout);
    } else {
        merges(), growing_merges(), short_forms();
    }
    fflush(stdout);
}

/* ---- Rows that break ------------------------------------------------------------------------- */

/* Welford's update, as it is usually written down, in float. */
static void welford(float *y, const float *x, size_t count, float eps)
{
    float mean = 0, squares = 0, rstd;
    size_t i;
    for (i = 0; i < count; ++i) {
        const float before = x[i] - mean;
        mean += before / (float)(i + 1);
        squares += before * (x[i] - mean);
    }
    rstd = 1 / sqrtf(squares / (float)count + eps);
    for (i = 0; i < count; ++i) y[i] = (x[i] - mean) * rstd;
}

static void textbook_row(float *y, const float *x, const nrm_desc *d, const float *gamma,
                         int passes)
{
    float mean, rstd;
    textbook t;
    memset(&t, 0, sizeof t);
    t.d = *d, t.one_pass = passes == 1;
    t.x = x, t.gamma = gamma, t.y = y, t.mean = &mean, t.rstd = &rstd;
    textbook_forward(&t);
}

enum { ROW_MOST = 4096 };

/* Layer norm of one row of `count` values, five ways: y holds as many of E[x^2] - E[x]^2, of two
   passes, of Welford and of nrm_forward, one after the other; exact is what the oracle makes of it
   in the widest floats there are (here of 113 bits), rounded to double. */
int PLAY(play_row)(double *exact, float *y, const float *x, size_t count, double eps)
{
    static float ones[ROW_MOST];
    nrm_desc d;
    nrm_args a;
    size_t i;
    ref r;
    if (count < 1 || count > ROW_MOST) return (int)NRM_ERR_SIZE;
    for (i = 0; i < count; ++i) ones[i] = 1;
    memset(&d, 0, sizeof d), memset(&a, 0, sizeof a);
    d.kind = NRM_LAYER, d.n = 1, d.c = count, d.s = 1, d.eps = eps;
    textbook_row(y, x, &d, ones, 1);
    textbook_row(y + count, x, &d, ones, 2);
    welford(y + 2 * count, x, count, (float)eps);
    a.x = x, a.y = y + 3 * count;
    r = ref_new(&d, &a);
    for (i = 0; i < count; ++i) exact[i] = (double)ref_y(&r, 0, i, 0);
    ref_free(&r);
    return (int)nrm_forward(&d, &a);
}

/* ---- The benchmark's shapes ------------------------------------------------------------------ */

int PLAY(play_shapes)(void)
{
    return (int)COUNT(shapes);
}

const char *PLAY(play_shape_model)(int index)
{
    return shapes[index].flags & SWEEP ? "" : shapes[index].model;
}

/* kind, n, c, h, w, groups */
int PLAY(play_shape)(int index, int what)
{
    const shape *p = &shapes[index];
    const size_t numbers[] = {(size_t)p->kind, p->n, p->c, p->h, p->w, p->groups};
    return (int)numbers[what];
}

int PLAY(play_version)(void)
{
    return nrm_version();
}
