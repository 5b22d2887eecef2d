/* pictures.h - what the nets for pictures are trained and tested with: drawn digits, or handwritten
 * ones, and the camera.
 */
#ifndef WHICH_PICTURES_H
#define WHICH_PICTURES_H

#include "layers.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { TRAINING = 12288, TESTING = 1024 };

enum source { DRAWN, WRITTEN };

/* Those that are there now; room is for TRAINING and TESTING. */
static struct pictures {
    enum source source;
    int seed, training_count, testing_count;
    float *training, *testing;
    int training_label[TRAINING], testing_label[TESTING];
} pictures;

static inline void draw_pictures(int seed)
{
    uint64_t state = 1000u * (uint64_t)seed;
    int i;
    pictures.training_count = TRAINING, pictures.testing_count = TESTING;
    for (i = 0; i < TRAINING + TESTING; ++i) {
        int test = i - TRAINING, glyph = below(&state, GLYPHS);
        if (test < 0) pictures.training_label[i] = glyph;
        else pictures.testing_label[test] = glyph;
        draw(test < 0 ? pictures.training + i * PIXELS : pictures.testing + test * PIXELS, NULL,
             glyph, &state);
    }
}

/* ---- Handwriting: the 1797 digits of scikit-learn, 8x8 pixels of 0 to 16, and a label -------- */

enum { WRITTEN_ALL = 1797, WRITTEN_TESTING = 360, SMALL = 8 };
static FILE *written; /* its digits.csv, or NULL */

/* To twice the side, between the pixels. */
static inline void enlarge(float *to, const float *from)
{
    int i;
    for (i = 0; i < PIXELS; ++i) {
        int across = i % SIDE, along = i / SIDE;
        double x = (across - 0.5) / 2, y = (along - 0.5) / 2;
        int left = (int)(x < 0 ? 0 : x), top = (int)(y < 0 ? 0 : y);
        double right = x < 0 ? 0 : x - left, down = y < 0 ? 0 : y - top;
        const float *at = from + top * SMALL + left;
        int next = left < SMALL - 1, line = top < SMALL - 1 ? SMALL : 0;
        double above = (1 - right) * (double)at[0] + right * (double)at[next];
        double below_it = (1 - right) * (double)at[line] + right * (double)at[line + next];
        to[i] = (float)(((1 - down) * above + down * below_it) / 16);
    }
}

/* The last fifth is for the test, as others have it; each seed has an order of its own. */
static inline void read_pictures(int seed)
{
    float small[SMALL * SMALL];
    uint64_t state = 1000u * (uint64_t)seed;
    int i, k;
    rewind(written);
    pictures.training_count = WRITTEN_ALL - WRITTEN_TESTING;
    pictures.testing_count = WRITTEN_TESTING;
    for (i = 0; i < WRITTEN_ALL; ++i) {
        int test = i - pictures.training_count, label = -1, known = 1;
        for (k = 0; k < SMALL * SMALL; ++k) known &= fscanf(written, "%f,", &small[k]) == 1;
        if (!known || fscanf(written, "%d", &label) != 1 || label < 0 || label >= GLYPHS)
            exit((fputs("which_norm: not the digits of scikit-learn\n", stderr), 1));
        enlarge(test < 0 ? pictures.training + i * PIXELS : pictures.testing + test * PIXELS,
                small);
        if (test < 0) pictures.training_label[i] = label;
        else pictures.testing_label[test] = label;
    }
    for (i = pictures.training_count - 1; i > 0; --i) {
        int other = below(&state, i + 1), kept = pictures.training_label[i];
        float *a = pictures.training + i * PIXELS, *b = pictures.training + other * PIXELS;
        for (k = 0; k < PIXELS; ++k) {
            float pixel = a[k];
            a[k] = b[k], b[k] = pixel;
        }
        pictures.training_label[i] = pictures.training_label[other];
        pictures.training_label[other] = kept;
    }
}

static inline void have_pictures(enum source source, int seed)
{
    if (pictures.seed == seed && pictures.source == source) return;
    if (!pictures.seed) {
        pictures.training = floats((size_t)TRAINING * PIXELS);
        pictures.testing = floats((size_t)TESTING * PIXELS);
    }
    pictures.seed = seed, pictures.source = source;
    if (source == DRAWN) draw_pictures(seed);
    else read_pictures(seed);
}

/* ---- The camera ----------------------------------------------------------------------------- */

/* What the nets learn: the glyph, taken with contrasts of 0.8 to 1.25, or which of these four
   contrasts it is. */
enum task { THE_GLYPH, THE_CONTRAST };
static const double contrasts[] = {0.5, 0.8, 1.25, 2};

/* Gives a net a picture and returns its label. */
static inline int show(float *to, const float *picture, int glyph, enum task task,
                       double contrast, uint64_t *state)
{
    double brightness = task == THE_GLYPH ? uniform(state, -0.2, 0.2) : 0;
    int level = below(state, (int)COUNT(contrasts));
    double usual = uniform(state, 0.8, 1.25);
    if (task == THE_CONTRAST) contrast = contrasts[level];
    else if (contrast == 0) contrast = usual;
    take(to, picture, contrast, brightness);
    return task == THE_CONTRAST ? level : glyph;
}

#endif
