/* glyphs.h - the pictures: ten digits of seven strokes, each time shifted, turned and scaled anew,
 * with noise. What the camera does comes last: pixel = brightness + contrast * (ink + noise), so
 * that another contrast changes what a norm sees, and nothing of what there is to see.
 */
#ifndef WHICH_GLYPHS_H
#define WHICH_GLYPHS_H

#include <math.h>
#include <stdint.h>

#define SIDE 16
#define PIXELS (SIDE * SIDE)
#define GLYPHS 10

/* splitmix64 */
static inline uint64_t random_bits(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline double uniform(uint64_t *state, double low, double high)
{
    return low + (high - low) * (double)(random_bits(state) >> 11) * 0x1p-53;
}

static inline int below(uint64_t *state, int n)
{
    return (int)(random_bits(state) % (uint64_t)n);
}

/* The sum of four, scaled to variance 1: near enough, quick, and without a logarithm that another
   libm rounds otherwise. */
static inline double normal(uint64_t *state)
{
    uint64_t bits = random_bits(state);
    double sum = (double)(bits & 0xffff) + (double)(bits >> 16 & 0xffff) +
                 (double)(bits >> 32 & 0xffff) + (double)(bits >> 48);
    return (sum - 131070) / 37837.8; /* 65536 / sqrt(3) */
}

static inline double distance_to_stroke(double x, double y, const float stroke[4])
{
    double dx = stroke[2] - stroke[0], dy = stroke[3] - stroke[1];
    double along = ((x - stroke[0]) * dx + (y - stroke[1]) * dy) / (dx * dx + dy * dy);
    if (along < 0) along = 0;
    if (along > 1) along = 1;
    x -= stroke[0] + along * dx;
    y -= stroke[1] + along * dy;
    return sqrt(x * x + y * y);
}

/* Ink and noise. A picture is drawn once and taken many times, with any camera. `clean`, the ink
   alone, may be NULL. */
static inline void draw(float *picture, float *clean, int glyph, uint64_t *state)
{
    /* top, upper left, upper right, middle, lower left, lower right, bottom */
    static const float strokes[7][4] = {{-3, -5, 3, -5}, {-3, -5, -3, 0}, {3, -5, 3, 0},
                                        {-3, 0, 3, 0},   {-3, 0, -3, 5},  {3, 0, 3, 5},
                                        {-3, 5, 3, 5}};
    static const unsigned char digits[GLYPHS] = {0x77, 0x24, 0x5d, 0x6d, 0x2e,
                                                 0x6b, 0x7b, 0x25, 0x7f, 0x6f};
    double turn = uniform(state, -0.3, 0.3), scale = uniform(state, 0.9, 1.3);
    double left = uniform(state, 5.5, 9.5), top = uniform(state, 5.5, 9.5);
    double width = uniform(state, 0.5, 1.2), right = cos(turn), down = sin(turn);
    int i, k;
    for (i = 0; i < PIXELS; ++i) {
        double u = (i % SIDE - left) * scale, v = (i / SIDE - top) * scale, ink = 0;
        double x = u * right - v * down, y = u * down + v * right;
        for (k = 0; k < 7; ++k) {
            double here = digits[glyph] >> k & 1 ? 1 + width - distance_to_stroke(x, y, strokes[k])
                                                 : 0;
            if (here > 1) here = 1;
            if (here > ink) ink = here;
        }
        picture[i] = (float)(ink + 0.35 * normal(state));
        if (clean) clean[i] = (float)ink;
    }
}

static inline void take(float *pixel, const float *picture, double contrast, double brightness)
{
    int i;
    for (i = 0; i < PIXELS; ++i) pixel[i] = (float)(brightness + contrast * (double)picture[i]);
}

#endif
