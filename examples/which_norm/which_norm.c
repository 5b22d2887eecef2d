/* Which norm? Trains small nets with each of them and says how well they do: docs/choosing.md.
       make which-norm                            everything, tables and charts; minutes
       cc -O3 examples/which_norm/which_norm.c -lm && ./a.out --quick
   --part K/N prints its share of the figures as lines of
       experiment,norm,batch,rate,seed,mode,at,right
   where `right` is the share of right answers, and `at` what the experiment varies. Each seed has
   pictures and first weights of its own, the same for every norm. */
#define NORMALIZE_IMPLEMENTATION
#include "../../normalize.h"

#include <time.h>

#include "net.h"
#include "rnn.h"
#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TRAINING = 12288, TESTING = 1024, MOST = 128 };

/* ---- Pictures -------------------------------------------------------------------------------- */

static struct pictures {
    int seed;
    float *training, *testing;
    int training_label[TRAINING], testing_label[TESTING];
} pictures;

static void draw_pictures(int seed)
{
    uint64_t state = 1000u * (uint64_t)seed;
    int i;
    if (pictures.seed == seed) return;
    if (!pictures.seed) {
        pictures.training = get((size_t)TRAINING * PIXELS, sizeof(float));
        pictures.testing = get((size_t)TESTING * PIXELS, sizeof(float));
    }
    pictures.seed = seed;
    for (i = 0; i < TRAINING + TESTING; ++i) {
        int test = i - TRAINING, glyph = below(&state, GLYPHS);
        if (test < 0) pictures.training_label[i] = glyph;
        else pictures.testing_label[test] = glyph;
        draw(test < 0 ? pictures.training + i * PIXELS : pictures.testing + test * PIXELS, glyph,
             &state);
    }
}

/* What the nets learn: the glyph, taken with contrasts of 0.8 to 1.25, or which of these four
   contrasts it is. */
enum task { THE_GLYPH, THE_CONTRAST };
static const double contrasts[] = {0.5, 0.8, 1.25, 2};

/* Puts a picture into the net and returns its label. */
static int show(struct net *net, int n, const float *picture, int glyph, enum task task,
                double contrast, uint64_t *state)
{
    double brightness = task == THE_GLYPH ? uniform(state, -0.2, 0.2) : 0;
    int level = below(state, (int)COUNT(contrasts));
    double usual = uniform(state, 0.8, 1.25);
    if (task == THE_CONTRAST) contrast = contrasts[level];
    else if (contrast == 0) contrast = usual;
    take(net->stage[0].x + (size_t)n * PIXELS, picture, contrast, brightness);
    return task == THE_CONTRAST ? level : glyph;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

enum experiment { GRID, CONTRAST, BIASED, BARE, RECALL };
static const char *const experiment_names[] = {"grid", "contrast", "biased", "bare", "recall"};

struct run {
    double rate;
    enum experiment experiment;
    int norm, batch, seed;
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
            int which = i * r->batch + n;
            label[n] = show(net, n, pictures.training + (size_t)which * PIXELS,
                            pictures.training_label[which], task, 0, &state);
        }
        forward(net, r->batch, TRAIN);
        backward(net, r->batch, label);
        descend(net->value, net->speed, net->gradient, net->params, r->rate);
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
        for (n = 0; n < TESTING; ++n)
            if (pictures.testing_label[n] == glyph) order[i++] = n;
    for (i = 0; i < TESTING; i += batch) {
        for (n = 0; n < batch; ++n) {
            int which = sorted ? order[i + n] : i + n;
            label[n] = show(net, n, pictures.testing + (size_t)which * PIXELS,
                            pictures.testing_label[which], task, contrast, &state);
        }
        forward(net, batch, mode);
        for (n = 0; n < batch; ++n) right += guess(net->score, net->classes, n) == label[n];
    }
    return right / (double)TESTING;
}

#define CONTRAST_BATCH 32
#define CONTRAST_RATE 0.016
static const double tested[] = {0.1, 0.17, 0.3, 0.5, 0.7, 1, 1.4, 2, 3.3, 6, 10};

static void run_net(const struct run *r)
{
    const char *name = norm_names[r->norm];
    enum task task = r->experiment == GRID ? THE_GLYPH : THE_CONTRAST;
    struct net *net;
    size_t i;
    draw_pictures(r->seed);
    net = net_new((enum norm)r->norm, task == THE_GLYPH ? GLYPHS : (int)COUNT(contrasts), MOST,
                  5000u * (uint64_t)r->seed);
    net->biased = r->experiment != BARE;
    train(net, r, task);
    print(r, r->experiment, name, "infer", 0, test(net, MOST, INFER, task, 0, 0, r->seed));
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
        rnn_descend(rnn, r->rate);
    }
    for (length = SHORTEST; length <= LONGEST_TESTED; ++length) {
        print(r, RECALL, name, "infer", length, test_rnn(rnn, length, MOST, INFER, r->seed));
        if (r->norm == RNN_BATCH)
            print(r, RECALL, name, "batch", length,
                  test_rnn(rnn, length, r->batch, TEST_BY_BATCH, r->seed));
    }
    free(rnn);
}

/* ---- All of them ----------------------------------------------------------------------------- */

static struct run runs[4096];
static int run_count;

static void add(enum experiment e, int norm, int batch, double rate, int seed)
{
    struct run r;
    r.experiment = e, r.norm = norm, r.batch = batch, r.rate = rate, r.seed = seed;
    runs[run_count++] = r;
}

/* How many of the learning rates: large ones for large batches only. */
static int rates_of(int batch) { return batch == CONTRAST_BATCH ? 7 : batch == MOST ? 5 : 4; }

static void plan(void)
{
    static const int batches[] = {1, 2, 4, 8, 32, 128}, rnn_batches[] = {4, 32};
    static const double rates[] = {0.001, 0.004, 0.016, 0.064, 0.25, 1, 4};
    static const double rnn_rates[] = {0.001, 0.003, 0.01, 0.03};
    int seed, norm, i;
    size_t b;
    for (seed = 1; seed <= 3; ++seed)
        for (norm = 0; norm < NORMS; ++norm) {
            for (b = 0; b < COUNT(batches); ++b)
                for (i = 0; i < rates_of(batches[b]); ++i)
                    add(GRID, norm, batches[b], rates[i], seed);
            add(BIASED, norm, CONTRAST_BATCH, CONTRAST_RATE, seed);
            add(BARE, norm, CONTRAST_BATCH, CONTRAST_RATE, seed);
        }
    for (seed = 1; seed <= 5; ++seed)
        for (norm = 0; norm < RNN_NORMS; ++norm)
            for (b = 0; b < COUNT(rnn_batches); ++b)
                for (i = 0; i < (int)COUNT(rnn_rates); ++i)
                    add(RECALL, norm, rnn_batches[b], rnn_rates[i], seed);
}

/* Every `parts`th run, beginning with `part`. */
static void run_part(int part, int parts)
{
    int i, done = 0, mine = (run_count - part + parts - 1) / parts;
    time_t start = time(NULL), told = start, now;
    for (i = part; i < run_count; i += parts) {
        if (runs[i].experiment == RECALL) run_rnn(&runs[i]);
        else run_net(&runs[i]);
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
    if (argc != 3 || strcmp(argv[1], "--part") != 0 ||
        sscanf(argv[2], "%d/%d", &part, &parts) != 2 || part < 0 || part >= parts) {
        fputs("usage: which_norm --quick | --part K/N, K from 0\n", stderr);
        return 2;
    }
    plan();
    run_part(part, parts);
    return 0;
}
