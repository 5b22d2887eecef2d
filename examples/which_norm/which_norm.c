/* Which norm? Trains small nets with each of them and says how well they do: docs/choosing.md.
       make which-norm                            everything, tables and charts; minutes
       cc -O3 examples/which_norm/which_norm.c -lm && ./a.out --quick
   --part K/N [DIGITS.csv] prints its share of the figures as lines of
       experiment,norm,batch,rate,seed,mode,at,right
   where `right` is the share of right answers, of paintings the error, and `at` what the experiment
   varies. Each seed has pictures and first weights of its own, the same for every norm. The digits
   are scikit-learn's (digits.sh); without them the handwriting is left out. */
#define NORMALIZE_IMPLEMENTATION
#include "../../normalize.h"

#include <time.h>

#include "pictures.h"
#include "net.h"
#include "rnn.h"
#include "deep.h"
#include "former.h"
#include "paint.h"
#include "check.h"

enum { MOST = 128 };

/* ---- Runs ------------------------------------------------------------------------------------ */

enum experiment { GRID, CONTRAST, BIASED, BARE, RECALL, HAND, DEPTH, TEXTS, PAINT };
static const char *const experiment_names[] = {"grid", "contrast", "biased", "bare", "recall",
                                               "hand", "depth",    "texts",  "paint"};

struct run {
    double rate;
    enum experiment experiment;
    int norm, batch, seed, place; /* place: in a transformer */
};

static void print(const struct run *r, enum experiment e, const char *norm, const char *mode,
                  double at, double right)
{
    printf("%s,%s,%d,%g,%d,%s,%g,%.4f\n", experiment_names[e], norm, r->batch, r->rate, r->seed,
           mode, at, right);
    fflush(stdout);
}

static void train(struct net *net, const struct run *r, enum task task)
{
    uint64_t state = 77u + 1000u * (uint64_t)r->seed;
    int label[MOST], i, n;
    for (i = 0; i < TRAINING / r->batch; ++i) {
        for (n = 0; n < r->batch; ++n) {
            int which = (i * r->batch + n) % pictures.training_count;
            label[n] = show(net->stage[0].x + (size_t)n * PIXELS,
                            pictures.training + (size_t)which * PIXELS,
                            pictures.training_label[which], task, 0, &state);
        }
        forward(net, r->batch, TRAIN);
        backward(net, r->batch, label);
        descend(&net->params, r->rate);
    }
}

/* The share of right answers. `sorted` tests one glyph after the other, so that a batch is of one
   kind; contrast 0 is that of the training. */
static double test(struct net *net, int batch, enum mode mode, enum task task, int sorted,
                   double contrast, int seed)
{
    uint64_t state = 88u + 1000u * (uint64_t)seed;
    int label[MOST], order[TESTING] = {0}, i, n, right = 0, glyph;
    for (i = 0, glyph = 0; glyph < GLYPHS; ++glyph)
        for (n = 0; n < pictures.testing_count; ++n)
            if (pictures.testing_label[n] == glyph) order[i++] = n;
    for (i = 0; i < pictures.testing_count; i += batch) {
        for (n = 0; n < batch; ++n) {
            int which = sorted ? order[i + n] : i + n;
            label[n] = show(net->stage[0].x + (size_t)n * PIXELS,
                            pictures.testing + (size_t)which * PIXELS,
                            pictures.testing_label[which], task, contrast, &state);
        }
        forward(net, batch, mode);
        for (n = 0; n < batch; ++n)
            right += guess(net->score + n * CLASSES, net->classes) == label[n];
    }
    return right / (double)pictures.testing_count;
}

#define CONTRAST_BATCH 32
#define CONTRAST_RATE 0.016
static const double tested[] = {0.1, 0.17, 0.3, 0.5, 0.7, 1, 1.4, 2, 3.3, 6, 10};

static void run_net(const struct run *r)
{
    const char *name = norm_names[r->norm];
    int written_ones = r->experiment == HAND, most = written_ones ? WRITTEN_TESTING / 3 : MOST;
    enum task task = r->experiment == GRID || written_ones ? THE_GLYPH : THE_CONTRAST;
    struct net *net;
    size_t i;
    have_pictures(written_ones ? WRITTEN : DRAWN, r->seed);
    net = net_new((enum norm)r->norm, task == THE_GLYPH ? GLYPHS : (int)COUNT(contrasts), MOST,
                  5000u * (uint64_t)r->seed);
    net->biased = r->experiment != BARE;
    train(net, r, task);
    print(r, r->experiment, name, "infer", 0, test(net, most, INFER, task, 0, 0, r->seed));
    if (r->experiment == GRID && r->norm == BATCH) {
        print(r, GRID, name, "batch", 0, test(net, r->batch, TEST_BY_BATCH, task, 0, 0, r->seed));
        print(r, GRID, name, "sorted", 0,
              test(net, r->batch, TEST_BY_BATCH, task, 1, 0, r->seed));
    }
    if (r->experiment == GRID && r->batch == CONTRAST_BATCH && r->rate == CONTRAST_RATE)
        for (i = 0; i < COUNT(tested); ++i) {
            double at = tested[i];
            print(r, CONTRAST, name, "infer", at, test(net, MOST, INFER, task, 0, at, r->seed));
            if (r->norm == BATCH)
                print(r, CONTRAST, name, "batch", at,
                      test(net, r->batch, TEST_BY_BATCH, task, 0, at, r->seed));
        }
    net_free(net);
}

enum { SEQUENCES = 12288 };

/* The share of right answers for sequences of one length. */
static double test_rnn(struct rnn *rnn, int length, int batch, enum mode mode, int seed)
{
    uint64_t state = 111u + 1000u * (uint64_t)seed + (uint64_t)length;
    int i, right = 0;
    for (i = 0; i < TESTING / batch; ++i) {
        rnn_fill(rnn, batch, length, &state);
        rnn_forward(rnn, mode);
        right += rnn_right(rnn);
    }
    return right / (double)TESTING;
}

static void run_rnn(const struct run *r)
{
    struct rnn *rnn = rnn_new((enum rnn_norm)r->norm, 6000u * (uint64_t)r->seed);
    const char *name = rnn_names[r->norm];
    uint64_t state = 99u + 1000u * (uint64_t)r->seed;
    int i, length;
    for (i = 0; i < SEQUENCES / r->batch; ++i) {
        rnn_fill(rnn, r->batch, 0, &state);
        rnn_forward(rnn, TRAIN);
        rnn_backward(rnn);
        adam(&rnn->params, r->rate);
    }
    for (length = SHORTEST; length <= LONGEST_TESTED; ++length) {
        print(r, RECALL, name, "infer", length, test_rnn(rnn, length, MOST, INFER, r->seed));
        if (r->norm == RNN_BATCH)
            print(r, RECALL, name, "batch", length,
                  test_rnn(rnn, length, r->batch, TEST_BY_BATCH, r->seed));
    }
    rnn_free(rnn);
}

/* ---- The deep net ---------------------------------------------------------------------------- */

enum { DEEP_TRAINING = 6144 };

static double test_deep(struct deep *net, int batch, enum mode mode, int seed)
{
    uint64_t state = 88u + 1000u * (uint64_t)seed;
    int i, n, right = 0;
    for (i = 0; i < TESTING; i += batch) {
        for (n = 0; n < batch; ++n)
            show(net->x + n * PIXELS, pictures.testing + (size_t)(i + n) * PIXELS, 0, THE_GLYPH,
                 0, &state);
        deep_forward(net, batch, mode);
        for (n = 0; n < batch; ++n)
            right += guess(net->score + n * CLASSES, CLASSES) == pictures.testing_label[i + n];
    }
    return right / (double)TESTING;
}

static void run_deep(const struct run *r)
{
    const char *name = norm_names[r->norm];
    struct deep *net = deep_new((enum norm)r->norm, 32, 7000u * (uint64_t)r->seed);
    uint64_t state = 77u + 1000u * (uint64_t)r->seed;
    int i, n;
    have_pictures(DRAWN, r->seed);
    for (i = 0; i < DEEP_TRAINING; i += r->batch) {
        for (n = 0; n < r->batch; ++n)
            show(net->x + n * PIXELS, pictures.training + (size_t)(i + n) * PIXELS, 0, THE_GLYPH,
                 0, &state);
        deep_forward(net, r->batch, TRAIN);
        deep_backward(net, r->batch, pictures.training_label + i);
        descend(&net->params, r->rate);
    }
    print(r, DEPTH, name, "infer", 0, test_deep(net, 32, INFER, r->seed));
    if (r->norm == BATCH)
        print(r, DEPTH, name, "batch", 0, test_deep(net, r->batch, TEST_BY_BATCH, r->seed));
    deep_free(net);
}

/* ---- The transformer ------------------------------------------------------------------------- */

enum { TEXT_STEPS = 600, TEXT_TESTS = 16 };

static void run_former(const struct run *r)
{
    struct former *f = former_new((enum norm)r->norm, (enum place)r->place,
                                  8000u * (uint64_t)r->seed);
    uint64_t state = 122u + 1000u * (uint64_t)r->seed;
    char name[32];
    int i, right = 0;
    sprintf(name, "%s %s", norm_names[r->norm], place_names[r->place]);
    for (i = 0; i < TEXT_STEPS; ++i) {
        former_fill(f, r->batch, &state);
        former_forward(f, TRAIN);
        former_backward(f);
        adam(&f->params, r->rate);
    }
    for (i = 0; i < TEXT_TESTS; ++i) {
        former_fill(f, TEXTS_MOST, &state);
        former_forward(f, INFER);
        right += former_right(f);
    }
    print(r, TEXTS, name, "infer", 0, right / (double)(TEXT_TESTS * TEXTS_MOST * WORD));
    former_free(f);
}

/* ---- Paintings ------------------------------------------------------------------------------- */

enum { PAINT_STEPS = 600, PAINT_TESTS = 2 };
static const double painted[] = {0.1, 0.2, 0.5, 1, 2, 5, 10};

/* Root of the mean squared error of the colours; contrast 0 is that of the training. */
static double test_paint(struct paint *p, double contrast, int seed)
{
    uint64_t state = 133u + 1000u * (uint64_t)seed;
    double sum = 0;
    int i, n;
    for (i = 0; i < PAINT_TESTS; ++i) {
        for (n = 0; n < PAINT_MOST; ++n) paint_fill(p, n, n % STYLES, contrast, &state);
        paint_forward(p, PAINT_MOST, INFER);
        sum += paint_error(p, PAINT_MOST);
    }
    return sqrt(sum / PAINT_TESTS);
}

/* For a picture of the page: "image", norm, rate, what, contrast, style, and hexadecimal bytes. */
static void print_image(const struct run *r, const char *what, double contrast, int style,
                        const float *value, int count, double low, double high)
{
    int i;
    printf("image,%s,%g,%s,%g,%d,", norm_names[r->norm], r->rate, what, contrast, style);
    for (i = 0; i < count; ++i) {
        double byte = 255 * ((double)value[i] - low) / (high - low);
        printf("%02x", (unsigned)(byte > 0 ? byte < 255 ? byte + 0.5 : 255 : 0));
    }
    printf("\n");
    fflush(stdout);
}

static void print_images(struct paint *p, const struct run *r)
{
    static const double contrasts_shown[] = {0.2, 1, 5};
    size_t k;
    int n;
    for (k = 0; k < COUNT(contrasts_shown); ++k) {
        double at = contrasts_shown[k];
        uint64_t state = 7;
        for (n = 0; n < STYLES; ++n) paint_fill(p, n, n, at, &state);
        paint_forward(p, STYLES, INFER);
        for (n = 0; n < STYLES; ++n) {
            print_image(r, "out", at, n, p->out + n * PAINTED, PAINTED, 0, 1);
            if (r->norm != NONE) continue;
            print_image(r, "in", at, n, p->x + n * PIXELS, PIXELS, -0.5, 1.5);
            print_image(r, "wanted", at, n, p->wanted + n * PAINTED, PAINTED, 0, 1);
        }
    }
}

static void run_paint(const struct run *r)
{
    struct paint *p = paint_new((enum norm)r->norm, 9000u * (uint64_t)r->seed);
    const char *name = norm_names[r->norm];
    uint64_t state = 144u + 1000u * (uint64_t)r->seed;
    size_t k;
    int i, n;
    for (i = 0; i < PAINT_STEPS; ++i) {
        for (n = 0; n < r->batch; ++n) paint_fill(p, n, below(&state, STYLES), 0, &state);
        paint_forward(p, r->batch, TRAIN);
        paint_backward(p, r->batch);
        adam(&p->params, r->rate);
    }
    print(r, PAINT, name, "infer", 0, test_paint(p, 0, r->seed));
    for (k = 0; k < COUNT(painted); ++k)
        print(r, PAINT, name, "infer", painted[k], test_paint(p, painted[k], r->seed));
    if (r->seed == 1) print_images(p, r);
    paint_free(p);
}

/* ---- All of them ----------------------------------------------------------------------------- */

static struct run runs[4096];
static int run_count;

static void add(enum experiment e, int norm, int batch, double rate, int seed)
{
    struct run r = {0};
    r.experiment = e, r.norm = norm, r.batch = batch, r.rate = rate, r.seed = seed;
    runs[run_count++] = r;
}

static void plan_shallow(int seed)
{
    static const int batches[] = {1, 2, 4, 8, 32, 128};
    static const double rates[] = {0.001, 0.004, 0.016, 0.064, 0.25, 1, 4};
    /* From which rate to which: further ones were never the best. */
    static const int from[] = {0, 0, 1, 1, 0, 3}, to[] = {2, 2, 3, 3, 7, 5};
    int norm, i;
    size_t b;
    for (norm = 0; norm < TANH; ++norm) {
        for (b = 0; b < COUNT(batches); ++b)
            for (i = from[b]; i < to[b]; ++i) add(GRID, norm, batches[b], rates[i], seed);
        add(BIASED, norm, CONTRAST_BATCH, CONTRAST_RATE, seed);
        add(BARE, norm, CONTRAST_BATCH, CONTRAST_RATE, seed);
    }
}

static void plan_recurrent(int seed)
{
    static const double rates[] = {0.001, 0.003, 0.01, 0.03};
    int norm, i;
    for (norm = 0; norm < RNN_NORMS; ++norm)
        for (i = 0; i < (int)COUNT(rates); ++i) {
            add(RECALL, norm, 4, rates[i], seed);
            add(RECALL, norm, 32, rates[i], seed);
        }
}

static void plan_deep(int seed)
{
    static const int norms[] = {NONE, BATCH, GROUP}, batches[] = {2, 4, 8, 16, 32};
    static const double rates[] = {0.001, 0.004, 0.016};
    /* As above; 0.0003 and 0.064 were tried, too. */
    static const int from[] = {0, 0, 1, 1, 1}, to[] = {2, 2, 3, 3, 3};
    size_t k, b;
    int i;
    for (k = 0; k < COUNT(norms); ++k)
        for (b = 0; b < COUNT(batches); ++b)
            for (i = from[b]; i < to[b]; ++i) add(DEPTH, norms[k], batches[b], rates[i], seed);
}

/* Without a norm there is nothing before or after. */
static void plan_texts(int seed)
{
    static const int norms[] = {NONE, BATCH, LAYER, RMS, TANH};
    static const double rates[] = {0.001, 0.003, 0.01, 0.03};
    size_t k, i;
    int place;
    for (k = 0; k < COUNT(norms); ++k)
        for (place = PRE; place < (norms[k] == NONE ? POST : PLACES); ++place)
            for (i = 0; i < COUNT(rates); ++i) {
                add(TEXTS, norms[k], 16, rates[i], seed);
                runs[run_count - 1].place = place;
            }
}

static void plan_others(int seed)
{
    int norm;
    for (norm = 0; norm < NORMS; ++norm) {
        add(PAINT, norm, 8, 0.003, seed);
        add(PAINT, norm, 8, 0.01, seed);
        if (!written) continue;
        add(HAND, norm, 2, 0.004, seed);
        add(HAND, norm, 32, 0.016, seed);
    }
}

static void plan(void)
{
    int seed;
    for (seed = 1; seed <= 5; ++seed) {
        if (seed <= 3) plan_shallow(seed);
        plan_recurrent(seed);
        if (seed <= 3) plan_deep(seed);
        if (seed > 2) continue;
        plan_texts(seed);
        plan_others(seed);
    }
}

static void run_one(const struct run *r)
{
    switch (r->experiment) {
    case RECALL: run_rnn(r); break;
    case DEPTH: run_deep(r); break;
    case TEXTS: run_former(r); break;
    case PAINT: run_paint(r); break;
    default: run_net(r);
    }
}

/* Every `parts`th run, beginning with `part`. */
static void run_part(int part, int parts)
{
    int i, done = 0, mine = (run_count - part + parts - 1) / parts;
    time_t start = time(NULL), told = start, now;
    for (i = part; i < run_count; i += parts) {
        run_one(&runs[i]);
        ++done;
        now = time(NULL);
        if (now - told < 10 && done < mine) continue;
        fprintf(stderr, "which_norm, part %d of %d: %d of %d runs, %.0f s, about %.0f s left\n",
                part + 1, parts, done, mine, (double)(now - start),
                (double)(now - start) * (mine - done) / done);
        told = now;
    }
}

int main(int argc, char **argv)
{
    int part = 0, parts = 1;
    if (argc == 2 && !strcmp(argv[1], "--quick")) return quick_check();
    if (argc < 3 || argc > 4 || strcmp(argv[1], "--part") != 0 ||
        sscanf(argv[2], "%d/%d", &part, &parts) != 2 || part < 0 || part >= parts) {
        fputs("usage: which_norm --quick | --part K/N [DIGITS.csv], K from 0\n", stderr);
        return 2;
    }
    if (argc == 4) written = fopen(argv[3], "r");
    plan();
    run_part(part, parts);
    if (written) fclose(written);
    return 0;
}
