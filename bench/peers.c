/* peers.c - normalize.h beside oneDNN and PyTorch, and beside the limit of memory, in one run.
 *
 *     make bench-peers                       all cases, one thread, some minutes
 *     make bench-peers ARGS="--only 'layer backward' --isa avx2"
 *     build/bench/peers [--only TEXT] [--isa NAME] [--threads N] [--rounds N]
 *                       [--peers onednn,torch]
 *
 * Absolute times drift with the clock, the neighbours and the physical pages a process was given,
 * so ours, theirs and the limit take turns within one run, each round gives one ratio, and the
 * median of the ratios is what counts, with its quartiles. Working sets of 12 to 26 MB vary up to
 * 1.8 times between processes all the same: run it several times.
 *
 * How they take turns and what a sample is: turns.h. Who computes something else than ours, by more
 * than one in a thousand of the largest value, is not timed.
 *
 * The rows of the blocked layout have both in what suits them: oneDNN in nChw16c, ours in the
 * faster of NCHW and NHWC.
 *
 * The limit moves each tensor once: y = x + 1, or dx = x + dy (move.h). It stores past the caches
 * where that is faster. A pass that has to read x twice and does not fit the caches cannot reach
 * it: 3/2 of it is the limit of training there, 5/3 that of backward.
 *
 * build/bench/peers.txt gets the same in columns, a line for each case and peer.
 */
#include "turns.h"

#include <ctype.h>
#include <stdio.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define MAX_CASES 128
#define TOLERANCE 1e-3
#define COLUMNS_FILE "build/bench/peers.txt" /* from the top of the tree */

/* ---- Cases --------------------------------------------------------------------------------- */

enum { NCHW = 1, NHWC = 2, BLOCKED = 4, MATRIX = 8 };

/* Every shape with every pass and layout of its line. */
static const struct family {
    nrm_kind kind;
    int passes, layouts;
    size_t groups, shapes[8][4]; /* n, c, h, w */
} families[] = {
    {NRM_BATCH, INFER | FORWARD | BACKWARD, NCHW | NHWC | BLOCKED, 0,
     {{32, 64, 56, 56}, {32, 256, 14, 14}, {1, 64, 112, 112}, {8, 2048, 7, 7}, {2, 32, 8, 8},
      {1, 64, 28, 28}}},
    {NRM_BATCH, INFER | FORWARD | BACKWARD, MATRIX, 0, {{4096, 1024}}},
    {NRM_LAYER, FORWARD | BACKWARD, MATRIX, 0,
     {{4096, 768}, {512, 4096}, {32768, 64}, {128, 1024}, {8, 768}}},
    {NRM_INSTANCE, FORWARD | BACKWARD, NCHW | NHWC, 0,
     {{8, 64, 128, 128}, {1, 32, 512, 512}, {16, 256, 16, 16}}},
    {NRM_GROUP, FORWARD | BACKWARD, NCHW | NHWC, 32, {{8, 256, 32, 32}}},
    {NRM_RMS, FORWARD | BACKWARD, MATRIX, 0, {{512, 4096}}},
};

static size_t list_cases(struct problem *out)
{
    size_t count = 0, f, s;
    int pass, layout;
    for (f = 0; f < sizeof families / sizeof *families; ++f)
        for (pass = FORWARD; pass <= BACKWARD; pass *= 2)
            for (layout = NCHW; layout <= MATRIX; layout *= 2)
                for (s = 0; s < 8 && families[f].shapes[s][0]; ++s) {
                    const size_t *shape = families[f].shapes[s];
                    struct problem *p = &out[count];
                    if (!(families[f].passes & pass) || !(families[f].layouts & layout)) continue;
                    memset(p, 0, sizeof *p);
                    p->pass = (enum pass)pass;
                    p->kind = families[f].kind;
                    p->layout = layout == NCHW ? NRM_NCHW : NRM_NHWC;
                    p->blocked = layout == BLOCKED;
                    p->groups = families[f].groups;
                    p->eps = (double)1e-5f;
                    p->n = shape[0], p->c = shape[1], p->h = shape[2], p->w = shape[3];
                    ++count;
                }
    return count;
}

static void case_name(const struct problem *p, char *name, size_t size)
{
    static const char *const kinds[] = {"batch", "layer", "instance", "group", "RMS"};
    const char *pass = p->pass == INFER       ? "inference"
                       : p->pass == BACKWARD  ? "backward"
                       : p->kind == NRM_BATCH ? "training"
                                              : "forward";
    const char *layout = p->blocked ? "blocked" : p->layout == NRM_NHWC ? "NHWC" : "NCHW";
    if (p->h)
        snprintf(name, size, "%s %s %s %zux%zux%zux%zu", kinds[p->kind], pass, layout, p->n, p->c,
                 p->h, p->w);
    else
        snprintf(name, size, "%s %s %zux%zu", kinds[p->kind], pass, p->n, p->c);
}

/* ---- Options ------------------------------------------------------------------------------- */

/* What was asked for on the command line, and what takes part. */
static struct {
    const char *only, *names;
    nrm_isa isa;
    int strict, skipped;
    const struct peer *peer[PEERS];
    int peers;
} opt = {"", "onednn,torch", NRM_AUTO, 0, 0, {NULL}, 0};

/* ---- Ours ---------------------------------------------------------------------------------- */

struct our_call {
    nrm_status (*verb)(const nrm_desc *, const nrm_args *);
    nrm_desc desc;
    nrm_args args;
};

/* As much as the peers are asked for: forward keeps the statistics, running ones do not move. */
static struct our_call our_setup(const struct problem *p, const struct inputs *in,
                                 const struct outputs *out, double *mean, double *rstd)
{
    struct our_call call;
    memset(&call, 0, sizeof call);
    call.verb = p->pass == FORWARD ? nrm_forward : p->pass == INFER ? nrm_infer : nrm_backward;
    call.desc.kind = p->kind;
    call.desc.layout = p->layout;
    call.desc.n = p->n;
    call.desc.c = p->c;
    call.desc.s = peers_area(p);
    call.desc.groups = p->groups;
    call.desc.eps = p->eps;
    call.args.x = in->x;
    call.args.gamma = in->gamma;
    call.args.beta = p->kind == NRM_RMS ? NULL : in->beta;
    call.args.isa = opt.isa;
    call.args.pool = &crew_pool;
    if (p->pass == INFER) {
        call.args.running_mean = (void *)(uintptr_t)in->running_mean;
        call.args.running_var = (void *)(uintptr_t)in->running_var;
    } else {
        call.args.mean = mean;
        call.args.rstd = rstd;
    }
    if (p->pass == BACKWARD) {
        call.args.dy = in->dy;
        call.args.dx = out->y;
        call.args.dgamma = out->dgamma;
        call.args.dbeta = p->kind == NRM_RMS ? NULL : out->dbeta;
    } else {
        call.args.y = out->y;
    }
    if (turns.threads > 1) {
        call.args.workspace_size = nrm_workspace_size(&call.desc, (size_t)turns.threads);
        call.args.workspace = peers_get(call.args.workspace_size + 1, 1);
    }
    return call;
}

static void our_run(void *user)
{
    const struct our_call *call = (const struct our_call *)user;
    nrm_status status = call->verb(&call->desc, &call->args);
    if (status) peers_die("normalize.h", nrm_status_string(status));
}

/* Backward needs the statistics of a forward call, which is not timed. */
static struct our_call our_prepare(const struct problem *p, const struct inputs *in,
                                   const struct outputs *out, double *mean, double *rstd)
{
    if (p->pass == BACKWARD) {
        struct problem forward = *p;
        struct our_call call;
        forward.pass = FORWARD;
        call = our_setup(&forward, in, out, mean, rstd);
        our_run(&call);
        free(call.args.workspace);
    }
    return our_setup(p, in, out, mean, rstd);
}

/* ---- One case ------------------------------------------------------------------------------ */

/* All that is timed reads the inputs; the peers have outputs of their own. */
static struct {
    struct inputs in;
    struct outputs ours, theirs;
    float *limit;
    double *mean, *rstd;
} data;

struct result {
    char name[64];
    double ours, limit, peer[PEERS]; /* microseconds; 0: no figure */
    double ratio[PEERS], low[PEERS], high[PEERS];
    int best; /* the fastest peer; -1: none */
};

/* What a peer is asked for. */
struct asked {
    const struct problem *p;
    const char *name;
};

static int agrees(const struct peer *peer, void *call, void *user)
{
    const struct asked *asked = (const struct asked *)user;
    const struct problem *p = asked->p;
    double d;
    peer->run(call);
    peer->results(call, &data.theirs);
    d = data_difference(data.ours.y, data.theirs.y, peers_size(p));
    if (p->pass == BACKWARD) {
        d = fmax(d, data_difference(data.ours.dgamma, data.theirs.dgamma, p->c));
        if (p->kind != NRM_RMS)
            d = fmax(d, data_difference(data.ours.dbeta, data.theirs.dbeta, p->c));
    }
    if (d < TOLERANCE) return 1;
    printf("SKIP %s: %s is off by %.1e, not timed\n", peer->name, asked->name, d);
    ++opt.skipped;
    return 0;
}

static void compare(struct result *r, const struct contender *ours, const struct contender *k,
                    int peer)
{
    r->peer[peer] = 1e6 * k->median;
    r->ratio[peer] = turns_ratio(ours, k, 0.5);
    r->low[peer] = turns_ratio(ours, k, 0.25);
    r->high[peer] = turns_ratio(ours, k, 0.75);
    if (r->best < 0 || r->peer[peer] < r->peer[r->best]) r->best = peer;
}

static struct limit limit_setup(const struct problem *p)
{
    struct limit limit = {{NULL, NULL, NULL, NULL}, MOVE_FORWARD, 0, 0};
    limit.tensors[0] = data.limit;
    limit.tensors[1] = (void *)(uintptr_t)data.in.x;
    limit.tensors[2] = (void *)(uintptr_t)data.in.dy;
    if (p->pass == BACKWARD) limit.what = MOVE_BACKWARD;
    limit.lines = peers_size(p) * sizeof(float) / MOVE_LINE;
    turns_limit_choose(&limit);
    return limit;
}

/* The layout in which ours is faster. */
static nrm_layout faster_layout(const struct problem *p)
{
    double seconds[2];
    int layout;
    for (layout = 0; layout < 2; ++layout) {
        struct problem q = *p;
        struct our_call call;
        struct contender k = {our_run, NULL, NULL, 1, 0, {0}};
        q.layout = layout ? NRM_NHWC : NRM_NCHW;
        call = our_prepare(&q, &data.in, &data.ours, data.mean, data.rstd);
        k.user = &call;
        seconds[layout] = turns_quick(&k);
        free(call.args.workspace);
    }
    return seconds[1] < seconds[0] ? NRM_NHWC : NRM_NCHW;
}

static void run_case(const struct problem *asked, struct result *r)
{
    static struct contender k[2 + PEERS];
    struct problem p = *asked;
    struct our_call ours;
    struct limit limit;
    struct asked question;
    int who[2 + PEERS], count = 2, i;

    memset(r, 0, sizeof *r);
    r->best = -1;
    case_name(&p, r->name, sizeof r->name);
    if (p.blocked) p.layout = faster_layout(&p);
    ours = our_prepare(&p, &data.in, &data.ours, data.mean, data.rstd);
    our_run(&ours);
    question.p = &p, question.name = r->name;
    limit = limit_setup(&p);
    k[0].run = our_run, k[0].user = &ours;
    k[1].run = turns_limit_run, k[1].user = &limit;
    for (i = 0; i < opt.peers; ++i)
        if (turns_enter(&k[count], opt.peer[i], &p, &data.in, agrees, &question))
            who[count++] = i;

    turns_take(k, count);
    r->ours = 1e6 * k[0].median;
    r->limit = 1e6 * k[1].median;
    for (i = 2; i < count; ++i) {
        compare(r, &k[0], &k[i], who[i]);
        k[i].drop(k[i].user);
    }
    free(ours.args.workspace);
}

/* ---- Output -------------------------------------------------------------------------------- */

static void print_head(void)
{
    int i;
    printf("%-36s %9s %9s", "case, microseconds", "ours", "limit");
    for (i = 0; i < opt.peers; ++i) printf(" %9s", opt.peer[i]->name);
    printf(" %9s %13s %10s\n", "ours/best", "quartiles", "ours/limit");
}

static void print_case(const struct result *r)
{
    int i;
    printf("%-36s %9.2f %9.2f", r->name, r->ours, r->limit);
    for (i = 0; i < opt.peers; ++i)
        if (r->peer[i] > 0) printf(" %9.2f", r->peer[i]);
        else printf(" %9s", "-");
    if (r->best >= 0)
        printf(" %9.2f %6.2f-%6.2f", r->ratio[r->best], r->low[r->best], r->high[r->best]);
    else printf(" %9s %13s", "-", "-");
    printf(" %10.2f\n", r->ours / r->limit);
    fflush(stdout);
}

/* Worst ratio first; cases without a peer last. */
static int by_ratio(const void *a, const void *b)
{
    const struct result *p = (const struct result *)a, *q = (const struct result *)b;
    double x = p->best < 0 ? -1 : p->ratio[p->best], y = q->best < 0 ? -1 : q->ratio[q->best];
    return (x < y) - (x > y);
}

static void print_summary(struct result *r, size_t count)
{
    double sum = 0;
    size_t i, with = 0, slower = 0;
    qsort(r, count, sizeof *r, by_ratio);
    printf("\nworst first\n%9s %13s %10s %9s  %-9s %s\n", "ours/best", "quartiles", "ours/limit",
           "ours", "best peer", "case");
    for (i = 0; i < count; ++i) {
        int best = r[i].best;
        double ratio = best < 0 ? 0 : r[i].ratio[best];
        if (best < 0)
            printf("%9s %13s %10.2f %9.2f  %-9s %s\n", "-", "-", r[i].ours / r[i].limit, r[i].ours,
                   "none", r[i].name);
        else
            printf("%9.2f %6.2f-%6.2f %10.2f %9.2f  %-9s %s\n", ratio, r[i].low[best],
                   r[i].high[best], r[i].ours / r[i].limit, r[i].ours, opt.peer[best]->name,
                   r[i].name);
        if (best < 0) continue;
        ++with, sum += log(ratio);
        slower += ratio > 1;
    }
    printf("\n%zu cases, %zu with a peer", count, with);
    if (with)
        printf(": ours is slower than the best in %zu; geometric mean of ours/best %.2f", slower,
               exp(sum / (double)with));
    printf("\n");
}

static void write_columns(const struct result *r, size_t count)
{
    FILE *f = fopen(COLUMNS_FILE, "w");
    size_t i;
    int k;
    if (!f) peers_die(COLUMNS_FILE, "cannot be written; run from the top of the tree");
    fprintf(f, "# case ours_us limit_us peer peer_us ratio low high; normalize.h %s, threads %d\n",
            nrm_isa_name(opt.isa == NRM_AUTO ? nrm_best_isa() : opt.isa), turns.threads);
    for (i = 0; i < count; ++i)
        for (k = 0; k < opt.peers; ++k) {
            char name[64], *c;
            if (!(r[i].peer[k] > 0)) continue;
            strcpy(name, r[i].name);
            for (c = name; *c; ++c)
                if (*c == ' ') *c = '-';
            fprintf(f, "%s %.3f %.3f %s %.3f %.4f %.4f %.4f\n", name, r[i].ours, r[i].limit,
                    opt.peer[k]->id, r[i].peer[k], r[i].ratio[k], r[i].low[k], r[i].high[k]);
        }
    if (fclose(f)) peers_die(COLUMNS_FILE, "not written");
}

/* ---- Main ---------------------------------------------------------------------------------- */

static void make_data(const struct problem *cases, size_t count)
{
    size_t i, most = 0, channels = 0, statistics = 0;
    for (i = 0; i < count; ++i) {
        const struct problem *p = &cases[i];
        /* n * c is enough for every kind's statistics but those of a batch, which are c. */
        size_t stats = p->n * (p->kind == NRM_INSTANCE ? p->c : p->groups + 1) + p->c;
        if (peers_size(p) > most) most = peers_size(p);
        if (p->c > channels) channels = p->c;
        if (stats > statistics) statistics = stats;
    }
    data.in.x = turns_floats(most, 1, 0.5f);
    data.in.dy = turns_floats(most, 1, 0);
    data.in.gamma = turns_floats(channels, 0.1f, 1);
    data.in.beta = turns_floats(channels, 0.1f, 0);
    data.in.running_mean = turns_floats(channels, 0.1f, 0.5f);
    data.in.running_var = turns_floats(channels, 0.1f, 1);
    data.ours.y = (float *)peers_get(most, sizeof(float));
    data.ours.dgamma = (float *)peers_get(channels, sizeof(float));
    data.ours.dbeta = (float *)peers_get(channels, sizeof(float));
    data.theirs.y = (float *)peers_get(most, sizeof(float));
    data.theirs.dgamma = (float *)peers_get(channels, sizeof(float));
    data.theirs.dbeta = (float *)peers_get(channels, sizeof(float));
    data.limit = (float *)peers_get(most, sizeof(float));
    data.mean = (double *)peers_get(statistics, sizeof(double));
    data.rstd = (double *)peers_get(statistics, sizeof(double));
}

/* avx512 is AVX-512. */
static int same_word(const char *a, const char *b)
{
    for (;; ++a, ++b) {
        while (*a == '-') ++a;
        while (*b == '-') ++b;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return 0;
        if (!*a) return 1;
    }
}

static void set_isa(const char *name)
{
    int i;
    for (i = NRM_SCALAR; i <= NRM_WASM; ++i)
        if (same_word(name, nrm_isa_name((nrm_isa)i))) opt.isa = (nrm_isa)i;
    if (opt.isa == NRM_AUTO || !nrm_has_isa(opt.isa))
        peers_die(name, "not an instruction set of this machine");
}

static void read_options(int argc, char **argv)
{
    const char *env = getenv("ROUNDS");
    int arg;
    if (env && *env) turns.rounds = atoi(env);
    env = getenv("STRICT");
    opt.strict = env && *env && strcmp(env, "0");
    for (arg = 1; arg < argc; arg += 2) {
        const char *name = argv[arg], *value = argv[arg + 1];
        if (!value) peers_die(name, "unknown, or its value is missing");
        if (!strcmp(name, "--only")) opt.only = value;
        else if (!strcmp(name, "--isa")) set_isa(value);
        else if (!strcmp(name, "--threads")) turns.threads = atoi(value);
        else if (!strcmp(name, "--rounds")) turns.rounds = atoi(value);
        else if (!strcmp(name, "--peers")) opt.names = value;
        else peers_die(name, "unknown: --only --isa --threads --rounds --peers");
    }
    if (turns.rounds < 1 || turns.rounds > MAX_ROUNDS) peers_die("rounds", "1 to 1001, please");
    if (turns.threads < 1 || turns.threads > 1024) peers_die("--threads", "1 to 1024, please");
}

static void start_peers(void)
{
    int i;
    opt.peers = peers_load(opt.names, opt.peer, &opt.skipped);
    printf("normalize.h %d.%d.%d (%s)", NRM_VERSION_MAJOR, NRM_VERSION_MINOR, NRM_VERSION_PATCH,
           nrm_isa_name(opt.isa == NRM_AUTO ? nrm_best_isa() : opt.isa));
    for (i = 0; i < opt.peers; ++i)
        printf(", %s %s", opt.peer[i]->name, opt.peer[i]->start(turns.threads, opt.isa));
    printf("; float, %d thread%s, medians of %d rounds\n", turns.threads,
           turns.threads > 1 ? "s" : "", turns.rounds);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct problem cases[MAX_CASES];
    static struct result results[MAX_CASES];
    size_t count = list_cases(cases), ran = 0, i;

#ifdef __GLIBC__
    /* PyTorch allocates its outputs: with these free() keeps the pages, and no call pays for
       mapping them anew. */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, 0x7fffffff);
#endif
    read_options(argc, argv);
    if (!crew_start((size_t)turns.threads)) peers_die("--threads", "so many are not to be had");
    start_peers();
    make_data(cases, count);
    print_head();
    for (i = 0; i < count; ++i) {
        char name[64];
        case_name(&cases[i], name, sizeof name);
        if (!strstr(name, opt.only)) continue;
        run_case(&cases[i], &results[ran]);
        print_case(&results[ran++]);
    }
    if (!ran) peers_die(opt.only, "no such case");
    write_columns(results, ran);
    print_summary(results, ran);
    if (opt.skipped) printf("%d skipped\n", opt.skipped);
    return opt.strict && opt.skipped ? EXIT_FAILURE : EXIT_SUCCESS;
}
