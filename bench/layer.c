/* layer.c - see layer.h.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L
#endif
#include "naive.h" /* before the others: it includes normalize.h */
#include "layer.h"
#include "turns.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "../tests/support/ref.h"

#define JUDGED_VALUES ((size_t)1 << 20)
#define SPACES " \t\n,/"
#define EPS ((double)1e-5f)

/* ---- The case ------------------------------------------------------------------------------- */

struct layer layer = {-1, -1, 0, NRM_F32, 0, 0, 0, NRM_AUTO, 0, 0, 0, 0, 0, 1, 0, 0, {0}, 0, 0, 1};
const struct peer *layer_peer[PEERS];
int layer_peers, layer_skipped;
struct layer_figure layer_limit;

static void refuse(const char *format, ...) TEST_PRINTF(1, 2);

static void refuse(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("time: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("\n\nA case is a norm (batch, layer, instance, group, rms), a pass (infer, train or\n"
          "forward, backward) and a shape (NxCxHxW or NxC), and may have nchw, nhwc, bf16, f16,\n"
          "f64, relu, residual, inplace, groups=32, threads=2, off=4 (elements past a line),\n"
          "pitch=6144 (elements from one sample to the next), scalar, avx2, avx512:\n\n"
          "    make time CASE=\"batch train 8x96x28x28\"\n"
          "    make time CASE=\"layer backward 4096x768 bf16 threads=2\"\n",
          stderr);
    exit(2);
}

/* A number of one of the words that hold one: groups=32. */
static int read_number(const char *word, const char *name, size_t *to)
{
    const size_t length = strlen(name);
    char *end;
    unsigned long long value;
    if (strncmp(word, name, length) || word[length] != '=') return 0;
    value = strtoull(word + length + 1, &end, 10);
    if (!isdigit((unsigned char)word[length + 1]) || *end || value > 1u << 20)
        refuse("%s: %s is a number up to 1048576", word, name);
    *to = (size_t)value;
    return 1;
}

/* N x C or N x C x H x W. */
static int read_shape(const char *word)
{
    size_t size[4], count = 0;
    const char *at = word;
    if (!isdigit((unsigned char)*word)) return 0;
    for (;;) {
        char *end;
        const unsigned long long value = strtoull(at, &end, 10);
        if (count == 4 || end == at || value == 0 || value > 1u << 30)
            refuse("%s: a shape is NxC or NxCxHxW, each from 1 to 2^30", word);
        size[count++] = (size_t)value;
        if (!*end) break;
        if (*end != 'x' || !isdigit((unsigned char)end[1]))
            refuse("%s: a shape is NxC or NxCxHxW, such as 8x96x28x28", word);
        at = end + 1;
    }
    if (count != 2 && count != 4)
        refuse("%s: a shape has two sizes, NxC, or four, NxCxHxW, not %zu", word, count);
    if (layer.n) refuse("%s: there is a shape already", word);
    layer.n = size[0], layer.c = size[1];
    layer.h = count == 4 ? size[2] : 0, layer.w = count == 4 ? size[3] : 0;
    return 1;
}

static void read_word(const char *word)
{
    static const struct {
        const char *word;
        int *to, value;
    } words[] = {
        {"batch", &layer.kind, NRM_BATCH},       {"layer", &layer.kind, NRM_LAYER},
        {"instance", &layer.kind, NRM_INSTANCE}, {"group", &layer.kind, NRM_GROUP},
        {"rms", &layer.kind, NRM_RMS},           {"infer", &layer.pass, INFER},
        {"train", &layer.pass, FORWARD},         {"forward", &layer.pass, FORWARD},
        {"backward", &layer.pass, BACKWARD},     {"nchw", &layer.layouts, 1},
        {"nhwc", &layer.layouts, 2},             {"f32", &layer.dtype, NRM_F32},
        {"bf16", &layer.dtype, NRM_BF16},        {"f16", &layer.dtype, NRM_F16},
        {"f64", &layer.dtype, NRM_F64},          {"relu", &layer.relu, 1},
        {"residual", &layer.residual, 1},      {"inplace", &layer.inplace, 1},
        {"scalar", &layer.isa, NRM_SCALAR},    {"avx2", &layer.isa, NRM_AVX2},
        {"avx512", &layer.isa, NRM_AVX512},    {"neon", &layer.isa, NRM_NEON},
        {"wasm", &layer.isa, NRM_WASM},
    };
    char lower[32];
    size_t i;
    for (i = 0; word[i] && i < sizeof lower - 1; ++i)
        lower[i] = (char)tolower((unsigned char)word[i]);
    lower[i] = 0;
    for (i = 0; i < sizeof words / sizeof *words; ++i)
        if (!strcmp(lower, words[i].word)) {
            if (words[i].to == &layer.layouts)
                layer.layouts |= words[i].value;
            else if ((words[i].to == &layer.kind || words[i].to == &layer.pass) &&
                     *words[i].to >= 0 && *words[i].to != words[i].value)
                refuse("%s: one %s at a time", word, words[i].to == &layer.kind ? "norm" : "pass");
            else
                *words[i].to = words[i].value;
            return;
        }
    if (read_number(lower, "groups", &layer.groups) ||
        read_number(lower, "threads", &layer.threads) || read_number(lower, "off", &layer.off) ||
        read_number(lower, "pitch", &layer.pitch) || read_shape(lower))
        return;
    refuse("%s: not a word of a case", word);
}

static void check_case(void)
{
    size_t area = layer.h ? layer.h * layer.w : 1;
    if (layer.kind < 0) refuse("no norm is said: batch, layer, instance, group or rms");
    if (layer.pass < 0) refuse("no pass is said: infer, train (or forward) or backward");
    if (!layer.n) refuse("no shape is said: NxCxHxW, or NxC for a matrix");
    if (layer.pass == INFER && layer.kind != NRM_BATCH && layer.kind != NRM_INSTANCE)
        refuse("infer: running statistics are batch and instance norm's; for %s norm say forward",
               kind_name[layer.kind]);
    if (layer.kind == NRM_GROUP && !layer.groups) layer.groups = layer.c % 32 ? 1 : 32;
    if (layer.kind == NRM_GROUP && layer.c % layer.groups)
        refuse("groups=%zu does not divide %zu channels", layer.groups, layer.c);
    if (layer.kind != NRM_GROUP && layer.groups) refuse("groups= is for group norm alone");
    if (!layer.threads || layer.threads > 256) refuse("threads=%zu: 1 to 256", layer.threads);
    if (layer.off > 64) refuse("off=%zu: elements past a line of the cache, up to 64", layer.off);
    if (layer.n > ((size_t)1 << 30) / layer.c || layer.n * layer.c > ((size_t)1 << 30) / area)
        refuse("a tensor of more than 2^30 values is more than this program takes");
    if (layer.pitch && layer.pitch < layer.c * area)
        refuse("pitch=%zu: a sample has %zu elements", layer.pitch, layer.c * area);
    if (layer.inplace && layer.pass != FORWARD)
        refuse("inplace: in a forward (train) pass alone");
    if (layer.isa && !nrm_has_isa((nrm_isa)layer.isa))
        refuse("%s: not an instruction set of this machine", nrm_isa_name((nrm_isa)layer.isa));
    if (!layer.layouts) layer.layouts = 3;
    if (!layer.h) layer.layouts = 1; /* a matrix has one layout */
    layer.d.kind = (nrm_kind)layer.kind;
    layer.d.dtype = (nrm_dtype)layer.dtype;
    layer.d.n = layer.n, layer.d.c = layer.c, layer.d.s = area, layer.d.groups = layer.groups;
    layer.d.act = layer.relu ? NRM_RELU : NRM_IDENTITY;
    layer.d.eps = EPS;
    layer.d.x_pitch.sample = layer.d.y_pitch.sample = layer.pitch;
    layer.count = layer.n * layer.c * area;
    layer.bytes = layer.count * type_size(layer.d.dtype);
}

/* Arguments are words, or strings of words. */
void layer_read(int argc, char **argv)
{
    int i;
    for (i = 1; i < argc; ++i) {
        char *word;
        for (word = strtok(argv[i], SPACES); word; word = strtok(NULL, SPACES)) read_word(word);
    }
    if (argc < 2) refuse("no case is said");
    check_case();
}

/* ---- Tensors -------------------------------------------------------------------------------- */

/* Inputs are made in NCHW once and lie in each layout; `off` elements past a line of the cache. */
enum { X, RESIDUAL, DY, INPUTS };

static float *source[INPUTS]; /* NCHW, packed */
static float *gamma_, *beta, *running_mean, *running_var;
static double *wide[4]; /* the same four for F64 */

static size_t pitch_of_samples(void)
{
    return layer.pitch ? layer.pitch : layer.c * layer.d.s;
}

static size_t extent(void)
{
    return layer.n * pitch_of_samples() + layer.off;
}

static void *tensor(void)
{
    char *p = (char *)peers_get(extent(), type_size(layer.d.dtype));
    return p + layer.off * type_size(layer.d.dtype);
}

/* Element e of NCHW in a layout, `pitch` elements from a sample to the next. */
static size_t place_of(nrm_layout layout, size_t pitch, size_t e)
{
    const size_t s = layer.d.s, c = layer.d.c, sample = e / (c * s), within = e % (c * s);
    if (layout == NRM_NCHW) return sample * pitch + within;
    return sample * pitch + within % s * c + within / s;
}

static void *laid_out(nrm_layout layout, const float *from)
{
    void *to = tensor();
    size_t e;
    for (e = 0; e < layer.count; ++e)
        type_put(layer.d.dtype, to, place_of(layout, pitch_of_samples(), e), (double)from[e]);
    return to;
}

/* A parameter in the type that goes with the data. */
static const void *param(int i)
{
    const float *const all[] = {gamma_, beta, running_mean, running_var};
    size_t k;
    if (layer.d.dtype != NRM_F64) return all[i];
    if (!wide[i]) {
        wide[i] = (double *)peers_get(layer.c, sizeof(double));
        for (k = 0; k < layer.c; ++k) wide[i][k] = (double)all[i][k];
    }
    return wide[i];
}

static void make_source(void)
{
    source[X] = turns_floats(layer.count, 1, 0.5f);
    source[RESIDUAL] = turns_floats(layer.count, 1, 0);
    source[DY] = turns_floats(layer.count, 1, 0);
    gamma_ = turns_floats(layer.c, layer.inplace ? 0 : 0.1f, 1);
    beta = turns_floats(layer.c, 0.1f, 0);
    running_mean = turns_floats(layer.c, 0.1f, 0.5f);
    running_var = turns_floats(layer.c, 0.1f, 1);
}

/* ---- A layout and who is timed in it -------------------------------------------------------- */

typedef struct side {
    nrm_layout layout;
    const void *x, *residual, *dy; /* in the layout and type of the case; residual: dsum too */
    void *y, *sum, *dgamma, *dbeta;
    double *mean, *rstd;
    nrm_desc d;
    nrm_args a;
    nrm_status (*verb)(const nrm_desc *, const nrm_args *);
    naive naive;
    const naive_loops *loops;
    float *mask, *before;  /* plain loops: dy under relu; what residual and x come to */
    struct layer_figure who[MOST];
} side;

static side sides[2];

static void run_ours(void *user)
{
    side *v = (side *)user;
    const nrm_status status = v->verb(&v->d, &v->a);
    if (status) peers_die("normalize.h", nrm_status_string(status));
}

static void set_ours(side *v, int pass)
{
    nrm_args *a = &v->a;
    memset(a, 0, sizeof *a);
    v->d = layer.d;
    v->d.layout = v->layout;
    v->verb = pass == INFER ? nrm_infer : pass == BACKWARD ? nrm_backward : nrm_forward;
    a->x = layer.inplace ? v->y : v->x;
    a->isa = (nrm_isa)layer.isa;
    a->gamma = param(0);
    a->beta = layer.kind == NRM_RMS ? NULL : param(1);
    a->mean = layer.kind == NRM_RMS ? NULL : v->mean;
    a->rstd = v->rstd;
    if (pass == INFER) {
        a->mean = a->rstd = NULL;
        a->running_mean = (void *)(uintptr_t)param(2);
        a->running_var = (void *)(uintptr_t)param(3);
    }
    if (pass == BACKWARD) { /* x is the sum then */
        a->dy = v->dy;
        a->dx = v->y;
        a->dgamma = v->dgamma;
        a->dbeta = layer.kind == NRM_RMS ? NULL : v->dbeta;
        a->dsum = layer.residual ? v->residual : NULL;
    } else {
        a->y = v->y;
        a->residual = layer.residual && layer.pass != BACKWARD ? v->residual : NULL;
        a->sum = a->residual ? v->sum : NULL;
    }
    if (layer.threads > 1) {
        a->pool = &crew_pool;
        a->workspace_size = nrm_workspace_size(&v->d, layer.threads);
        a->workspace = peers_get(a->workspace_size + 1, 1);
    }
}

/* Samples that do not lie side by side are called one by one. */
static void run_plain_norm(const side *v, naive_norm *norm)
{
    naive one = v->naive;
    size_t i;
    if (!layer.pitch) {
        norm(&v->naive);
        return;
    }
    for (one.n = 1, i = 0; i < layer.n; ++i, one.x += layer.pitch, one.y += layer.pitch) norm(&one);
}

static void run_plain(void *user)
{
    const side *v = (const side *)user;
    const naive_loops *l = v->loops;
    if (layer.pass == BACKWARD) {
        if (layer.relu) l->mask(v->mask, (const float *)v->dy, v->before, layer.count);
        l->backward(&v->naive);
        if (layer.residual)
            l->add((float *)v->y, (const float *)v->y, (const float *)v->residual, layer.count);
        return;
    }
    if (layer.residual)
        l->add((float *)v->sum, (const float *)v->a.x, (const float *)v->residual, layer.count);
    run_plain_norm(v, layer.pass == INFER ? l->infer : l->forward);
    if (layer.relu) l->relu((float *)v->y, (const float *)v->y, (const float *)v->y, layer.count);
}

/* The plain loops' own statistics, and under relu the y by which backward masks. */
static void set_plain(side *v)
{
    naive *a = &v->naive;
    const size_t stats = layer.n * (layer.c + layer.d.s), channels = layer.c + layer.d.s;
    a->kind = layer.d.kind, a->layout = layer.h ? v->layout : NRM_NHWC;
    a->n = layer.n, a->c = layer.c, a->s = layer.d.s;
    a->groups = layer.kind == NRM_GROUP ? layer.groups : layer.c;
    a->eps = (float)EPS, a->rate = 0.1f;
    a->x = (const float *)(layer.residual && layer.pass != BACKWARD ? v->sum : v->a.x);
    a->dy = (const float *)v->dy;
    a->y = a->dx = (float *)v->y;
    a->gamma = gamma_;
    a->beta = layer.kind == NRM_RMS ? NULL : beta;
    a->dgamma = (float *)v->dgamma, a->dbeta = (float *)v->dbeta;
    a->mean = turns_floats(stats, 0, 0), a->rstd = turns_floats(stats, 0, 0);
    a->running_mean = turns_floats(layer.c, 0, 0.5f), a->running_var = turns_floats(layer.c, 0, 1);
    a->p = turns_floats(channels, 0, 0), a->q = turns_floats(channels, 0, 0);
    if (layer.pass == INFER) a->running_mean = running_mean, a->running_var = running_var;
    if (layer.pass != BACKWARD) return;
    naive_narrow.forward(a);
    if (!layer.relu) return;
    v->before = turns_floats(layer.count, 0, 0);
    v->mask = turns_floats(layer.count, 0, 0);
    naive_narrow.relu(v->before, (const float *)v->y, (const float *)v->y, layer.count);
    a->dy = v->mask;
}

/* Before a call whose result is looked at: in place, y is what x was. */
static void restore(const side *v)
{
    if (layer.inplace)
        memcpy(v->y, v->x, (extent() - layer.off) * type_size(layer.d.dtype));
}

static void open_side(side *v, nrm_layout layout)
{
    const size_t stats = layer.n * (layer.c + layer.d.s + layer.groups);
    v->layout = layout;
    v->x = laid_out(layout, source[X]);
    v->residual = laid_out(layout, source[RESIDUAL]);
    v->dy = laid_out(layout, source[DY]);
    v->y = tensor();
    v->sum = tensor();
    v->dgamma = peers_get(layer.c, sizeof(double));
    v->dbeta = peers_get(layer.c, sizeof(double));
    v->mean = (double *)peers_get(stats, sizeof(double));
    v->rstd = (double *)peers_get(stats, sizeof(double));
    if (layer.pass == BACKWARD) {
        set_ours(v, FORWARD);
        run_ours(v);
    }
    set_ours(v, layer.pass);
}

/* ---- Errors --------------------------------------------------------------------------------- */

/* The part of the problem that the oracle takes, NCHW; its gradients of gamma and beta are the
   whole ones where `params`. */
static struct {
    nrm_desc d;
    ref r;
    int params;
    void *y; /* room for a result */
} judged;

/* From a tensor whose samples lie `pitch` elements apart. */
static void part_of(void *to, nrm_layout layout, const void *from, size_t pitch)
{
    const size_t s = layer.d.s, lines = judged.d.n * judged.d.c;
    size_t line, k;
    for (line = 0; line < lines; ++line)
        for (k = 0; k < s; ++k) {
            const size_t e = (line / judged.d.c * layer.c + line % judged.d.c) * s + k;
            type_put(layer.d.dtype, to, line * s + k,
                     type_get(layer.d.dtype, from, place_of(layout, pitch, e)));
        }
}

static void open_oracle(void)
{
    const side *v = sides[0].verb ? &sides[0] : &sides[1];
    const size_t sample = layer.c * layer.d.s, channel = layer.n * layer.d.s;
    const size_t size = type_size(layer.d.dtype), pitch = pitch_of_samples();
    size_t count;
    void *x, *residual, *dy, *y;
    nrm_desc forward;
    nrm_args a;
    memset(&a, 0, sizeof a);
    judged.d = layer.d;
    judged.d.layout = NRM_NCHW;
    judged.d.x_pitch.sample = judged.d.y_pitch.sample = 0;
    if (layer.kind == NRM_BATCH && channel < JUDGED_VALUES / 2 && layer.c > JUDGED_VALUES / channel)
        judged.d.c = JUDGED_VALUES / channel;
    if (layer.kind == NRM_BATCH && channel >= JUDGED_VALUES / 2) judged.d.c = 1;
    if (layer.kind != NRM_BATCH && layer.n > JUDGED_VALUES / sample)
        judged.d.n = sample < JUDGED_VALUES ? JUDGED_VALUES / sample : 1;
    judged.params = judged.d.n == layer.n;
    count = judged.d.n * judged.d.c * layer.d.s;
    x = peers_get(count, size), residual = peers_get(count, size);
    dy = peers_get(count, size), y = peers_get(count, size);
    judged.y = peers_get(count, size);
    part_of(x, v->layout, v->x, pitch), part_of(residual, v->layout, v->residual, pitch);
    part_of(dy, v->layout, v->dy, pitch);
    a.x = x, a.gamma = v->a.gamma, a.beta = v->a.beta, a.dy = dy;
    a.residual = v->a.residual ? residual : NULL;
    a.dsum = v->a.dsum ? residual : NULL;
    judged.r = ref_new(&judged.d, &a);
    if (layer.pass == INFER) ref_use_running(&judged.r, param(2), param(3));
    if (layer.pass != BACKWARD) return;
    forward = judged.d;
    a.y = y;
    nrm_forward(&forward, &a);
    ref_backward(&judged.r, &a, y, 0);
}

/* The worst error, in units of the bound, of a result whose samples lie `pitch` elements apart. */
static double error_of(const side *v, const void *y, size_t pitch, const void *dgamma,
                       const void *dbeta)
{
    const nrm_dtype held = type_of_parameters(layer.d.dtype);
    const ref *r = &judged.r;
    long double worst;
    part_of(judged.y, v->layout, y, pitch);
    if (layer.pass != BACKWARD) return (double)ref_compare_y(r, judged.y).ratio;
    worst = ref_compare_dx(r, judged.y).ratio;
    if (!judged.params) return (double)worst;
    worst = fmaxl(worst,
                  ref_compare_as(held, dgamma, r->dgamma, r->dgamma_bound, judged.d.c).ratio);
    if (layer.kind == NRM_RMS) return (double)worst;
    return (double)fmaxl(
        worst, ref_compare_as(held, dbeta, r->dbeta, r->dbeta_bound, judged.d.c).ratio);
}

/* ---- Contenders ----------------------------------------------------------------------------- */

static struct contender pool[2 * MOST + 1];
static int contenders;
static struct limit limit;

static struct contender *contender_of(void (*run)(void *), void *user)
{
    struct contender *k = &pool[contenders++];
    k->run = run;
    k->user = user;
    return k;
}

/* One more who is timed, with the error of a call. */
static void enter(side *v, int who, const char *name, void (*run)(void *))
{
    struct layer_figure *f = &v->who[who];
    f->id = f->name = name;
    f->k = contender_of(run, v);
    restore(v);
    run(v);
    f->error = error_of(v, v->y, pitch_of_samples(), v->dgamma, v->dbeta);
}

/* Batch norm needs all samples at once, and a fused pass lines that lie side by side. */
static int has_plain(void)
{
    if (layer.d.dtype != NRM_F32) return 0;
    if (layer.kind == NRM_INSTANCE && layer.pass == INFER) return 0;
    return !layer.pitch || (layer.kind != NRM_BATCH && layer.pass != BACKWARD && !layer.residual &&
                            !layer.relu);
}

/* The better of vectors of 256 and of 512 bits. */
static void enter_plain(side *v)
{
    static const naive_loops *const ways[] = {&naive_narrow, &naive_wide};
    double best = 0;
    size_t i;
    if (!has_plain()) return;
    set_plain(v);
    for (i = 0; i < 2; ++i) {
        struct contender k = {run_plain, NULL, NULL, 1, 0, {0}};
        const naive_loops *before = v->loops;
        double seconds;
        if (!ways[i]->forward) continue;
        k.user = v;
        v->loops = ways[i];
        seconds = turns_quick(&k);
        if (before && seconds >= best) v->loops = before;
        else best = seconds;
    }
    enter(v, PLAIN, "plain loops", run_plain);
}

/* What a peer computes, and whether it is the same norm. */
typedef struct verdict {
    side *v;
    void *mine;        /* packed, in the storage type; ours as floats: */
    float *ours, *ours_dgamma, *ours_dbeta;
    struct outputs out;
    double off, error;
} verdict;

static int agrees(const struct peer *who, void *call, void *user)
{
    const double tolerance = layer.d.dtype == NRM_F32 ? 1e-3 : 1e-2;
    verdict *t = (verdict *)user;
    double off;
    size_t e;
    who->run(call);
    who->results(call, &t->out);
    off = data_difference(t->ours, t->out.y, layer.count);
    if (layer.pass == BACKWARD) {
        off = fmax(off, data_difference(t->ours_dgamma, t->out.dgamma, layer.c));
        if (layer.kind != NRM_RMS)
            off = fmax(off, data_difference(t->ours_dbeta, t->out.dbeta, layer.c));
    }
    t->off = fmax(t->off, off);
    if (off >= tolerance) return 0;
    for (e = 0; e < layer.count; ++e) type_put(layer.d.dtype, t->mine, e, (double)t->out.y[e]);
    t->error = error_of(t->v, t->mine, layer.c * layer.d.s, t->out.dgamma, t->out.dbeta);
    return 1;
}

/* To the others the rows of a layer norm are a matrix. 0: no library takes it as it lies. */
static int problem_of(const side *v, int blocked, struct problem *p)
{
    const int rows = layer.kind == NRM_LAYER || layer.kind == NRM_RMS;
    memset(p, 0, sizeof *p);
    p->pass = (enum pass)layer.pass;
    p->kind = layer.d.kind;
    p->layout = v->layout;
    p->groups = layer.groups;
    p->n = layer.n, p->c = layer.c, p->h = layer.h, p->w = layer.w;
    p->eps = EPS;
    p->dtype = layer.d.dtype;
    p->residual = layer.residual;
    p->pitch = layer.pitch;
    p->blocked = blocked;
    if (layer.relu || (layer.residual && layer.pass == BACKWARD)) return 0;
    if (blocked) return layer.kind == NRM_BATCH && layer.h && !layer.pitch;
    if (!rows || !layer.h) return 1;
    if (v->layout == NRM_NCHW) return 0;
    if (!layer.pitch) p->n *= layer.d.s, p->h = p->w = 0;
    return 1;
}

static void open_verdict(verdict *t, side *v)
{
    size_t e;
    memset(t, 0, sizeof *t);
    t->v = v;
    t->mine = peers_get(layer.count, type_size(layer.d.dtype));
    t->ours = turns_floats(layer.count, 0, 0), t->out.y = turns_floats(layer.count, 0, 0);
    t->out.dgamma = turns_floats(layer.c, 0, 0), t->out.dbeta = turns_floats(layer.c, 0, 0);
    t->ours_dgamma = (float *)v->dgamma, t->ours_dbeta = (float *)v->dbeta;
    restore(v);
    run_ours(v);
    for (e = 0; e < layer.count; ++e) {
        const size_t place = place_of(v->layout, pitch_of_samples(), e);
        const size_t packed = place_of(v->layout, layer.c * layer.d.s, e);
        t->ours[packed] = (float)type_get(layer.d.dtype, v->y, place);
    }
}

static void enter_peer(side *v, const struct peer *peer, int slot)
{
    const int blocked = slot == BLOCKED;
    const char *name = blocked ? "oneDNN blocked" : peer->name;
    struct layer_figure *f = &v->who[slot];
    struct inputs in;
    struct problem p;
    verdict t;
    if (!problem_of(v, blocked, &p)) return;
    in.x = v->x, in.dy = v->dy, in.residual = v->residual;
    in.gamma = gamma_, in.beta = beta;
    in.running_mean = running_mean, in.running_var = running_var;
    open_verdict(&t, v);
    f->id = blocked ? "onednn-blocked" : peer->id;
    if (turns_enter(&pool[contenders], peer, &p, &in, agrees, &t)) {
        f->name = name;
        f->k = &pool[contenders++];
        f->error = t.error;
    } else if (t.off > 0) {
        f->name = name;
        snprintf(f->refused, sizeof f->refused, "another result, by %.1g of the largest value: "
                 "not timed", t.off);
    }
    free(t.mine), free(t.ours), free(t.out.y), free(t.out.dgamma), free(t.out.dbeta);
}

static void enter_all(side *v)
{
    const int first = v == &sides[0] || !sides[0].verb;
    int i;
    enter(v, OURS, "normalize.h", run_ours);
    enter_plain(v);
    for (i = 0; i < layer_peers; ++i) {
        enter_peer(v, layer_peer[i], FIRST_PEER + i);
        if (first && !strcmp(layer_peer[i]->id, "onednn")) enter_peer(v, layer_peer[i], BLOCKED);
    }
}

static void enter_limit(void)
{
    const int backward = layer.pass == BACKWARD;
    size_t i;
    for (i = 0; i < 4; ++i) limit.tensors[i] = peers_get(layer.bytes + MOVE_LINE, 1);
    limit.what = backward ? layer.residual ? MOVE_BACKWARD_ADD : MOVE_BACKWARD
                          : layer.residual ? MOVE_FORWARD_ADD : MOVE_FORWARD;
    limit.lines = (layer.bytes + MOVE_LINE - 1) / MOVE_LINE;
    turns_limit_choose(&limit);
    layer_limit.k = contender_of(turns_limit_run, &limit);
}

static void take_turns(double all_seconds)
{
    double round = 0;
    int i;
    for (i = 0; i < contenders; ++i) {
        const double seconds = turns_quick(&pool[i]) * (double)pool[i].loops;
        round += seconds + (turns.threads > 1 ? WARM_SECONDS + 8e-3 : 0) + seconds / 2;
    }
    turns.rounds = (int)fmin(101, fmax(5, all_seconds / round));
    turns_take(pool, contenders);
}

static void figure_out(struct layer_figure *f)
{
    if (!f->k) return;
    f->seconds = f->k->median;
    f->share = layer_ratio(&layer_limit, f, 0.5);
}

/* ---- From outside --------------------------------------------------------------------------- */

void layer_load(const char *names)
{
    layer_peers = peers_load(names, layer_peer, &layer_skipped);
}

void layer_measure(double seconds, uint64_t *patience)
{
    int l;
#ifdef __GLIBC__
    /* PyTorch allocates its outputs: with these free() keeps the pages, and no call pays for
       mapping them anew. */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 0x7fffffff);
#endif
    turns.threads = (int)layer.threads;
    if (!crew_start(layer.threads)) peers_die("threads", "so many are not to be had");
    if (layer.threads > 1) layer.quiet = crew_wait_until_quiet(patience);
    make_source();
    for (l = 0; l < 2; ++l)
        if (layer.layouts & (1 << l)) open_side(&sides[l], l ? NRM_NHWC : NRM_NCHW);
    open_oracle();
    enter_limit();
    for (l = 0; l < 2; ++l)
        if (sides[l].verb) enter_all(&sides[l]);
    take_turns(seconds);
    figure_out(&layer_limit);
    for (l = 0; l < 2 * MOST; ++l) figure_out(&sides[l / MOST].who[l % MOST]);
}

double layer_moved(void)
{
    return (double)layer.bytes * move_tensors[limit.what];
}

double layer_ratio(const struct layer_figure *a, const struct layer_figure *b, double quantile)
{
    return turns_ratio(a->k, b->k, quantile);
}

const struct layer_figure *layer_fastest(nrm_layout layout)
{
    const struct layer_figure *who = sides[layout].who, *best = NULL;
    double least = 0;
    int i;
    for (i = PLAIN; i < MOST; ++i) {
        if (!who[i].k) continue;
        if (best && layer_ratio(&who[OURS], &who[i], 0.5) <= least) continue;
        best = &who[i];
        least = layer_ratio(&who[OURS], best, 0.5);
    }
    return best;
}

const struct layer_figure *layer_figures(nrm_layout layout)
{
    return sides[layout].verb ? sides[layout].who : NULL;
}

const char *layer_pass(void)
{
    return layer.pass == INFER         ? "infer"
           : layer.pass == BACKWARD    ? "backward"
           : layer.kind == NRM_BATCH ? "train"
                                       : "forward";
}

const char *layer_layout(nrm_layout layout)
{
    return layer.h ? layout_name[layout] : "rows";
}

const char *layer_shape(void)
{
    static char text[96];
    const int length = sprintf(text, "%zux%zu", layer.n, layer.c);
    if (layer.h) sprintf(text + length, "x%zux%zu", layer.h, layer.w);
    return text;
}

const char *layer_options(void)
{
    static char text[160];
    static const char *const isa[] = {"", " scalar", " avx2", " avx512", " neon", " wasm"};
    char *at = text;
    if (layer.residual) at += sprintf(at, " residual");
    if (layer.relu) at += sprintf(at, " relu");
    if (layer.groups) at += sprintf(at, " groups=%zu", layer.groups);
    if (layer.off) at += sprintf(at, " off=%zu", layer.off);
    if (layer.pitch) at += sprintf(at, " pitch=%zu", layer.pitch);
    if (layer.inplace) at += sprintf(at, " inplace");
    sprintf(at, "%s", isa[layer.isa]);
    return *text ? text + 1 : text;
}
