/* time.c - one layer of your own: NCHW or NHWC, how far from the limit, and is anything faster?
 *
 *     make time CASE="batch train 8x96x28x28"
 *     build/bench/time layer backward 4096x768 bf16 threads=2
 *
 * The words of a case, in any order, with blanks, commas or strokes between them:
 *     batch, layer, instance, group, rms
 *     infer (with running statistics), train or forward, backward
 *     N x C x H x W, or N x C for a matrix: 8x96x28x28
 *     nchw, nhwc        one layout alone
 *     bf16, f16, f64    the storage type; else float
 *     relu, residual    fused; residual keeps the sum, in backward its gradient is added to dx
 *     groups=32         of group norm
 *     threads=2         a pool that spins
 *     off=4             all tensors begin so many elements past a line of the cache
 *
 * Both layouts, plain loops, oneDNN and PyTorch and the limit take turns for two seconds (turns.h);
 * medians are printed. The data of a contender are in the caches as its call before left them. The
 * limit moves each tensor once and computes nothing. Plain loops (naive.c: -O3 -march=native
 * -ffast-math) and the other libraries compute floats; plain loops run on one thread, and fused
 * work is a loop of its own there. Errors are in units of the bound of ours (NUMERICS, "Bound"),
 * against the long double oracle of tests/support/ref.h, over a million values at most: of whole
 * channels in batch norm, else of whole samples.
 *
 * The exit status is 2 where the case is not one.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L
#endif
#include "naive.h" /* before the others: it includes normalize.h */
#include "turns.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "../tests/support/ref.h"

#define SECONDS_OF_TURNS 2.0
#define JUDGED_VALUES ((size_t)1 << 20)
#define TOLERANCE 1e-3
#define SPACES " \t\n,/"
#define EPS ((double)1e-5f)

/* ---- The case ------------------------------------------------------------------------------- */

static struct {
    int kind, pass, layouts, dtype, relu, residual; /* kind, pass: -1 until said */
    size_t n, c, h, w, groups, threads, off;
    nrm_desc d; /* without its layout */
    size_t count, bytes;
    const char *peer_names;
} now = {-1, -1, 0, NRM_F32, 0, 0, 0, 0, 0, 0, 0, 1, 0, {0}, 0, 0, ""};

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
          "f64, relu, residual, groups=32, threads=2, off=4 (elements past a cache line):\n\n"
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
    if (now.n) refuse("%s: there is a shape already", word);
    now.n = size[0], now.c = size[1];
    now.h = count == 4 ? size[2] : 0, now.w = count == 4 ? size[3] : 0;
    return 1;
}

static void read_word(const char *word)
{
    static const struct {
        const char *word;
        int *to, value;
    } words[] = {
        {"batch", &now.kind, NRM_BATCH},       {"layer", &now.kind, NRM_LAYER},
        {"instance", &now.kind, NRM_INSTANCE}, {"group", &now.kind, NRM_GROUP},
        {"rms", &now.kind, NRM_RMS},           {"infer", &now.pass, INFER},
        {"train", &now.pass, FORWARD},         {"forward", &now.pass, FORWARD},
        {"backward", &now.pass, BACKWARD},     {"nchw", &now.layouts, 1},
        {"nhwc", &now.layouts, 2},             {"f32", &now.dtype, NRM_F32},
        {"bf16", &now.dtype, NRM_BF16},        {"f16", &now.dtype, NRM_F16},
        {"f64", &now.dtype, NRM_F64},          {"relu", &now.relu, 1},
        {"residual", &now.residual, 1},
    };
    char lower[32];
    size_t i;
    for (i = 0; word[i] && i < sizeof lower - 1; ++i)
        lower[i] = (char)tolower((unsigned char)word[i]);
    lower[i] = 0;
    for (i = 0; i < sizeof words / sizeof *words; ++i)
        if (!strcmp(lower, words[i].word)) {
            if (words[i].to == &now.layouts)
                now.layouts |= words[i].value;
            else if ((words[i].to == &now.kind || words[i].to == &now.pass) && *words[i].to >= 0 &&
                     *words[i].to != words[i].value)
                refuse("%s: one %s at a time", word, words[i].to == &now.kind ? "norm" : "pass");
            else
                *words[i].to = words[i].value;
            return;
        }
    if (read_number(lower, "groups", &now.groups) || read_number(lower, "threads", &now.threads) ||
        read_number(lower, "off", &now.off) || read_shape(lower))
        return;
    refuse("%s: not a word of a case", word);
}

static void check_case(void)
{
    size_t area = now.h ? now.h * now.w : 1;
    if (now.kind < 0) refuse("no norm is said: batch, layer, instance, group or rms");
    if (now.pass < 0) refuse("no pass is said: infer, train (or forward) or backward");
    if (!now.n) refuse("no shape is said: NxCxHxW, or NxC for a matrix");
    if (now.pass == INFER && now.kind != NRM_BATCH && now.kind != NRM_INSTANCE)
        refuse("infer: running statistics are batch and instance norm's; for %s norm say forward",
               kind_name[now.kind]);
    if (now.kind == NRM_GROUP && !now.groups) now.groups = now.c % 32 ? 1 : 32;
    if (now.kind == NRM_GROUP && now.c % now.groups)
        refuse("groups=%zu does not divide %zu channels", now.groups, now.c);
    if (now.kind != NRM_GROUP && now.groups) refuse("groups= is for group norm alone");
    if (!now.threads || now.threads > 256) refuse("threads=%zu: 1 to 256", now.threads);
    if (now.off > 64) refuse("off=%zu: elements past a line of the cache, up to 64", now.off);
    if (now.n > ((size_t)1 << 30) / now.c || now.n * now.c > ((size_t)1 << 30) / area)
        refuse("a tensor of more than 2^30 values is more than this program takes");
    if (!now.layouts) now.layouts = 3;
    if (!now.h) now.layouts = 1; /* a matrix has one layout */
    now.d.kind = (nrm_kind)now.kind;
    now.d.dtype = (nrm_dtype)now.dtype;
    now.d.n = now.n, now.d.c = now.c, now.d.s = area, now.d.groups = now.groups;
    now.d.act = now.relu ? NRM_RELU : NRM_IDENTITY;
    now.d.eps = EPS;
    now.count = now.n * now.c * area;
    now.bytes = now.count * type_size(now.d.dtype);
}

/* Arguments are words, or strings of words. */
static void read_case(int argc, char **argv)
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

static float *source[INPUTS]; /* NCHW, values that each storage type holds after one rounding */
static float *gamma_, *beta, *running_mean, *running_var;
static double *wide[4]; /* the same four for F64 */

static void *tensor(void)
{
    char *p = (char *)peers_get(now.count + now.off, type_size(now.d.dtype));
    return p + now.off * type_size(now.d.dtype);
}

/* Element e of NCHW in a layout. */
static size_t place_of(nrm_layout layout, size_t e)
{
    const size_t s = now.d.s, c = now.d.c;
    if (layout == NRM_NCHW) return e;
    return (e / (c * s) * s + e % s) * c + e / s % c;
}

static void *laid_out(nrm_layout layout, const float *from)
{
    void *to = tensor();
    size_t e;
    for (e = 0; e < now.count; ++e)
        type_put(now.d.dtype, to, place_of(layout, e), (double)from[e]);
    return to;
}

/* A parameter in the type that goes with the data. */
static const void *param(int i)
{
    const float *const all[] = {gamma_, beta, running_mean, running_var};
    size_t k;
    if (now.d.dtype != NRM_F64) return all[i];
    if (!wide[i]) {
        wide[i] = (double *)peers_get(now.c, sizeof(double));
        for (k = 0; k < now.c; ++k) wide[i][k] = (double)all[i][k];
    }
    return wide[i];
}

static void make_source(void)
{
    source[X] = turns_floats(now.count, 1, 0.5f);
    source[RESIDUAL] = turns_floats(now.count, 1, 0);
    source[DY] = turns_floats(now.count, 1, 0);
    gamma_ = turns_floats(now.c, 0.1f, 1);
    beta = turns_floats(now.c, 0.1f, 0);
    running_mean = turns_floats(now.c, 0.1f, 0.5f);
    running_var = turns_floats(now.c, 0.1f, 1);
}

/* ---- A layout and who is timed in it -------------------------------------------------------- */

enum { OURS, PLAIN, FIRST_PEER, MOST = FIRST_PEER + PEERS };

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
    const char *name[MOST]; /* who is here; NULL: nobody */
    char refused[MOST][96];
    struct contender *k[MOST];
    double error[MOST];
} side;

static side sides[2];
static const struct peer *peer[PEERS];
static int peers;

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
    v->d = now.d;
    v->d.layout = v->layout;
    v->verb = pass == INFER ? nrm_infer : pass == BACKWARD ? nrm_backward : nrm_forward;
    a->x = v->x;
    a->gamma = param(0);
    a->beta = now.kind == NRM_RMS ? NULL : param(1);
    a->mean = now.kind == NRM_RMS ? NULL : v->mean;
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
        a->dbeta = now.kind == NRM_RMS ? NULL : v->dbeta;
        a->dsum = now.residual ? v->residual : NULL;
    } else {
        a->y = v->y;
        a->residual = now.residual && now.pass != BACKWARD ? v->residual : NULL;
        a->sum = a->residual ? v->sum : NULL;
    }
    if (now.threads > 1) {
        a->pool = &crew_pool;
        a->workspace_size = nrm_workspace_size(&v->d, now.threads);
        a->workspace = peers_get(a->workspace_size + 1, 1);
    }
}

static void run_plain(void *user)
{
    const side *v = (const side *)user;
    const naive_loops *l = v->loops;
    if (now.pass == BACKWARD) {
        if (now.relu) l->mask(v->mask, (const float *)v->dy, v->before, now.count);
        l->backward(&v->naive);
        if (now.residual)
            l->add((float *)v->y, (const float *)v->y, (const float *)v->residual, now.count);
        return;
    }
    if (now.residual)
        l->add((float *)v->sum, (const float *)v->x, (const float *)v->residual, now.count);
    (now.pass == INFER ? l->infer : l->forward)(&v->naive);
    if (now.relu) l->relu((float *)v->y, (const float *)v->y, (const float *)v->y, now.count);
}

/* The plain loops' own statistics, and under relu the y by which backward masks. */
static void set_plain(side *v)
{
    naive *a = &v->naive;
    const size_t stats = now.n * (now.c + now.d.s), channels = now.c + now.d.s;
    a->kind = now.d.kind, a->layout = now.h ? v->layout : NRM_NHWC;
    a->n = now.n, a->c = now.c, a->s = now.d.s;
    a->groups = now.kind == NRM_GROUP ? now.groups : now.c;
    a->eps = (float)EPS, a->rate = 0.1f;
    a->x = now.residual && now.pass != BACKWARD ? (const float *)v->sum : (const float *)v->x;
    a->dy = (const float *)v->dy;
    a->y = a->dx = (float *)v->y;
    a->gamma = gamma_;
    a->beta = now.kind == NRM_RMS ? NULL : beta;
    a->dgamma = (float *)v->dgamma, a->dbeta = (float *)v->dbeta;
    a->mean = turns_floats(stats, 0, 0), a->rstd = turns_floats(stats, 0, 0);
    a->running_mean = turns_floats(now.c, 0, 0.5f), a->running_var = turns_floats(now.c, 0, 1);
    a->p = turns_floats(channels, 0, 0), a->q = turns_floats(channels, 0, 0);
    if (now.pass == INFER) a->running_mean = running_mean, a->running_var = running_var;
    if (now.pass != BACKWARD) return;
    naive_narrow.forward(a);
    if (!now.relu) return;
    v->before = turns_floats(now.count, 0, 0);
    v->mask = turns_floats(now.count, 0, 0);
    naive_narrow.relu(v->before, (const float *)v->y, (const float *)v->y, now.count);
    a->dy = v->mask;
}

static void open_side(side *v, nrm_layout layout)
{
    const size_t stats = now.n * (now.c + now.d.s + now.groups);
    v->layout = layout;
    v->x = laid_out(layout, source[X]);
    v->residual = laid_out(layout, source[RESIDUAL]);
    v->dy = laid_out(layout, source[DY]);
    v->y = tensor();
    v->sum = tensor();
    v->dgamma = peers_get(now.c, sizeof(double));
    v->dbeta = peers_get(now.c, sizeof(double));
    v->mean = (double *)peers_get(stats, sizeof(double));
    v->rstd = (double *)peers_get(stats, sizeof(double));
    if (now.pass == BACKWARD) {
        set_ours(v, FORWARD);
        run_ours(v);
    }
    set_ours(v, now.pass);
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

static void part_of(void *to, nrm_layout layout, const void *from)
{
    const size_t s = now.d.s, lines = judged.d.n * judged.d.c;
    size_t line, k;
    for (line = 0; line < lines; ++line)
        for (k = 0; k < s; ++k) {
            const size_t e = (line / judged.d.c * now.c + line % judged.d.c) * s + k;
            type_put(now.d.dtype, to, line * s + k,
                     type_get(now.d.dtype, from, place_of(layout, e)));
        }
}

static void open_oracle(void)
{
    const side *v = sides[0].verb ? &sides[0] : &sides[1];
    const size_t sample = now.c * now.d.s, channel = now.n * now.d.s;
    const size_t size = type_size(now.d.dtype);
    size_t count;
    void *x, *residual, *dy, *y;
    nrm_desc forward;
    nrm_args a;
    memset(&a, 0, sizeof a);
    judged.d = now.d;
    judged.d.layout = NRM_NCHW;
    if (now.kind == NRM_BATCH && channel < JUDGED_VALUES / 2 && now.c > JUDGED_VALUES / channel)
        judged.d.c = JUDGED_VALUES / channel;
    if (now.kind == NRM_BATCH && channel >= JUDGED_VALUES / 2) judged.d.c = 1;
    if (now.kind != NRM_BATCH && now.n > JUDGED_VALUES / sample)
        judged.d.n = sample < JUDGED_VALUES ? JUDGED_VALUES / sample : 1;
    judged.params = judged.d.n == now.n;
    count = judged.d.n * judged.d.c * now.d.s;
    x = peers_get(count, size), residual = peers_get(count, size);
    dy = peers_get(count, size), y = peers_get(count, size);
    judged.y = peers_get(count, size);
    part_of(x, v->layout, v->x), part_of(residual, v->layout, v->residual);
    part_of(dy, v->layout, v->dy);
    a.x = x, a.gamma = v->a.gamma, a.beta = v->a.beta, a.dy = dy;
    a.residual = v->a.residual ? residual : NULL;
    a.dsum = v->a.dsum ? residual : NULL;
    judged.r = ref_new(&judged.d, &a);
    if (now.pass == INFER) ref_use_running(&judged.r, param(2), param(3));
    if (now.pass != BACKWARD) return;
    forward = judged.d;
    a.y = y;
    nrm_forward(&forward, &a);
    ref_backward(&judged.r, &a, y, 0);
}

/* The worst error in units of the bound of what lies in v->y, dgamma, dbeta. */
static double error_of(const side *v, const void *y, const void *dgamma, const void *dbeta)
{
    const nrm_dtype held = type_of_parameters(now.d.dtype);
    const ref *r = &judged.r;
    long double worst;
    part_of(judged.y, v->layout, y);
    if (now.pass != BACKWARD) return (double)ref_compare_y(r, judged.y).ratio;
    worst = ref_compare_dx(r, judged.y).ratio;
    if (!judged.params) return (double)worst;
    worst = fmaxl(worst,
                  ref_compare_as(held, dgamma, r->dgamma, r->dgamma_bound, judged.d.c).ratio);
    if (now.kind == NRM_RMS) return (double)worst;
    return (double)fmaxl(
        worst, ref_compare_as(held, dbeta, r->dbeta, r->dbeta_bound, judged.d.c).ratio);
}

/* ---- Contenders ----------------------------------------------------------------------------- */

static struct contender pool[2 * MOST + 1];
static int contenders;
static struct limit limit;
static struct contender *limit_k;

static struct contender *contender_of(void (*run)(void *), void *user)
{
    struct contender *k = &pool[contenders++];
    k->run = run;
    k->user = user;
    return k;
}

static void enter_ours(side *v)
{
    v->name[OURS] = "normalize.h";
    v->k[OURS] = contender_of(run_ours, v);
    run_ours(v);
    v->error[OURS] = error_of(v, v->y, v->dgamma, v->dbeta);
}

/* The better of vectors of 256 and of 512 bits. */
static void enter_plain(side *v)
{
    static const naive_loops *const ways[] = {&naive_narrow, &naive_wide};
    double best = 0;
    size_t i;
    if (now.d.dtype != NRM_F32) return;
    if (now.kind == NRM_INSTANCE && now.pass == INFER) return;
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
    v->name[PLAIN] = "plain loops";
    v->k[PLAIN] = contender_of(run_plain, v);
    run_plain(v);
    v->error[PLAIN] = error_of(v, v->y, v->dgamma, v->dbeta);
}

/* What a peer computes, and whether it is the same norm. */
typedef struct verdict {
    side *v;
    float *ours, *y, *dgamma, *dbeta;
    double off, error;
} verdict;

static int agrees(const struct peer *who, void *call, void *user)
{
    verdict *t = (verdict *)user;
    const struct outputs out = {t->y, t->dgamma, t->dbeta};
    double off;
    who->run(call);
    who->results(call, &out);
    off = data_difference(t->ours, t->y, now.count);
    if (off > t->off) t->off = off;
    if (off >= TOLERANCE) return 0;
    t->error = error_of(t->v, t->y, t->dgamma, t->dbeta);
    return 1;
}

static void enter_peer(side *v, int i)
{
    struct problem p;
    struct inputs in;
    verdict t;
    struct contender *k = &pool[contenders];
    memset(&p, 0, sizeof p);
    memset(&t, 0, sizeof t);
    if (now.d.dtype != NRM_F32 || now.relu || now.residual) return;
    p.pass = (enum pass)now.pass;
    p.kind = now.d.kind;
    p.layout = v->layout;
    p.groups = now.groups;
    p.n = now.n, p.c = now.c, p.h = now.h, p.w = now.w;
    p.eps = EPS;
    in.x = (const float *)v->x, in.dy = (const float *)v->dy;
    in.gamma = gamma_, in.beta = beta;
    in.running_mean = running_mean, in.running_var = running_var;
    run_ours(v);
    t.v = v;
    t.ours = (float *)v->y;
    t.y = turns_floats(now.count, 0, 0);
    t.dgamma = turns_floats(now.c, 0, 0), t.dbeta = turns_floats(now.c, 0, 0);
    if (turns_enter(k, peer[i], &p, &in, agrees, &t)) {
        ++contenders;
        v->name[FIRST_PEER + i] = peer[i]->name;
        v->k[FIRST_PEER + i] = k;
        v->error[FIRST_PEER + i] = t.error;
    } else if (t.off >= TOLERANCE) {
        snprintf(v->refused[FIRST_PEER + i], sizeof v->refused[0],
                 "%s gives another result in %s, by %.1g of the largest value: not timed",
                 peer[i]->name, v->layout ? "NHWC" : "NCHW", t.off);
    }
    free(t.y), free(t.dgamma), free(t.dbeta);
}

static void enter_limit(void)
{
    const int backward = now.pass == BACKWARD;
    size_t i;
    for (i = 0; i < 4; ++i) limit.tensors[i] = peers_get(now.bytes + MOVE_LINE, 1);
    limit.what = backward ? now.residual ? MOVE_BACKWARD_ADD : MOVE_BACKWARD
                          : now.residual ? MOVE_FORWARD_ADD : MOVE_FORWARD;
    limit.lines = (now.bytes + MOVE_LINE - 1) / MOVE_LINE;
    turns_limit_choose(&limit);
    limit_k = contender_of(turns_limit_run, &limit);
}

static void take_turns(void)
{
    double round = 0;
    int i;
    for (i = 0; i < contenders; ++i) {
        const double seconds = turns_quick(&pool[i]) * (double)pool[i].loops;
        round += seconds + (turns.threads > 1 ? WARM_SECONDS + 8e-3 : 0) + seconds / 2;
    }
    turns.rounds = (int)fmin(101, fmax(5, SECONDS_OF_TURNS / round));
    turns_take(pool, contenders);
}

/* ---- The screen ----------------------------------------------------------------------------- */

/* Three digits, whatever the size. */
static const char *digits(double v, char *text)
{
    if (v >= 99.95) sprintf(text, "%.0f", v);
    else sprintf(text, "%.*f", v >= 9.995 ? 1 : 2, v);
    return text;
}

static const char *error_text(double error, char *text)
{
    if (!(error < 1e300)) strcpy(text, "NaN");
    else if (error >= 1e4) sprintf(text, "%.1e", error);
    else digits(error, text);
    return text;
}

static void print_head(void)
{
    static const char *const type[] = {"float", "double", "bf16", "f16"};
    printf("%s norm, %s, %zux%zu", now.kind == NRM_RMS ? "RMS" : kind_name[now.kind],
           now.pass == INFER         ? "inference"
           : now.pass == BACKWARD    ? "backward"
           : now.kind == NRM_BATCH ? "training"
                                     : "forward",
           now.n, now.c);
    if (now.h) printf("x%zux%zu", now.h, now.w);
    if (now.kind == NRM_GROUP) printf(", %zu groups", now.groups);
    printf(", %s%s%s", type[now.dtype], now.residual ? ", residual" : "", now.relu ? ", ReLU" : "");
    if (now.off) printf(", %zu elements past a line", now.off);
    printf("; %s, %zu thread%s\n", nrm_isa_name(nrm_best_isa()), now.threads,
           now.threads > 1 ? "s" : "");
}

static void print_row(const char *layout, const char *name, const struct contender *k,
                      double error)
{
    const double moved = (double)now.bytes * move_tensors[limit.what];
    char us[32], speed[32], worst[32];
    printf("%-5s %-14s %12s %9s %9.0f%%  %12s\n", layout, name, digits(1e6 * k->median, us),
           digits(1e-9 * moved / k->median, speed), 100 * turns_ratio(limit_k, k, 0.5),
           error < 0 ? "" : error_text(error, worst));
}

static void print_table(void)
{
    int l, i;
    printf("\n%-5s %-14s %12s %9s %10s  %12s\n", "", "", "microseconds", "GB/s", "of limit",
           "worst error");
    for (l = 0; l < 2; ++l)
        for (i = 0; i < MOST; ++i)
            if (sides[l].k[i])
                print_row(i      ? ""
                          : now.h ? layout_name[l]
                                  : "rows",
                          sides[l].name[i], sides[l].k[i], sides[l].error[i]);
    print_row("", "limit", limit_k, -1);
    printf("\nlimit: each tensor is moved once. Errors: 1 is the bound of normalize.h.\n");
    for (l = 0; l < 2; ++l)
        for (i = 0; i < MOST; ++i)
            if (*sides[l].refused[i]) printf("%s\n", sides[l].refused[i]);
    if (now.relu || now.residual)
        printf("relu and residual are loops of their own beside the plain loops; the libraries are "
               "not asked.\n");
    if (now.d.dtype != NRM_F32) printf("Plain loops and the libraries compute float alone.\n");
    else if (now.threads > 1) printf("The plain loops run on one thread.\n");
}

/* Who is fastest in this layout, beside ours. */
static void print_fastest(const side *v)
{
    const char *where = now.h ? v->layout ? " in NHWC" : " in NCHW" : "";
    double least = 0;
    int i, best = -1;
    for (i = PLAIN; i < MOST; ++i) {
        double ratio;
        if (!v->k[i]) continue;
        ratio = turns_ratio(v->k[OURS], v->k[i], 0.5);
        if (best < 0 || ratio > least) best = i, least = ratio;
    }
    if (best < 0) return;
    if (least > 1.05)
        printf("Faster%s: %s; normalize.h takes %.2f times its time.\n", where, v->name[best],
               least);
    else if (least >= 0.95)
        printf("As fast%s as normalize.h: %s.\n", where, v->name[best]);
    else
        printf("Fastest%s: normalize.h; next comes %s, in %.2f times its time.\n", where,
               v->name[best], 1 / least);
}

static void print_verdict(void)
{
    int l;
    putchar('\n');
    if (sides[0].verb && sides[1].verb) {
        const double ratio = turns_ratio(sides[0].k[OURS], sides[1].k[OURS], 0.5);
        if (ratio > 1 / 1.05 && ratio < 1.05)
            printf("NCHW or NHWC: the same, within 5%%.\n");
        else
            printf("%s is the faster layout: %s takes %.2f times as long.\n",
                   ratio > 1 ? "NHWC" : "NCHW", ratio > 1 ? "NCHW" : "NHWC",
                   ratio > 1 ? ratio : 1 / ratio);
    }
    for (l = 0; l < 2; ++l)
        if (sides[l].verb) print_fastest(&sides[l]);
}

int main(int argc, char **argv)
{
    int l, i, skipped = 0;
    read_case(argc, argv);
    turns.threads = (int)now.threads;
    if (!crew_start(now.threads)) peers_die("threads", "so many are not to be had");
    print_head();
    if (now.d.dtype == NRM_F32 && !now.relu && !now.residual)
        peers = peers_load("onednn,torch", peer, &skipped);
    for (i = 0; i < peers; ++i)
        printf("%s%s %s%s", i ? ", " : "beside ", peer[i]->name,
               peer[i]->start((int)now.threads, NRM_AUTO), i == peers - 1 ? "\n" : "");
    fflush(stdout);
    make_source();
    for (l = 0; l < 2; ++l)
        if (now.layouts & (1 << l)) open_side(&sides[l], l ? NRM_NHWC : NRM_NCHW);
    open_oracle();
    enter_limit();
    for (l = 0; l < 2; ++l) {
        if (!sides[l].verb) continue;
        enter_ours(&sides[l]);
        enter_plain(&sides[l]);
        for (i = 0; i < peers; ++i) enter_peer(&sides[l], i);
    }
    take_turns();
    print_table();
    print_verdict();
    return EXIT_SUCCESS;
}
