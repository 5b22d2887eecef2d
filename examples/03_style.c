/* Instance norm as style (AdaIN): the colours of one picture get the mean and the deviation that
   another picture's have, half way and all the way, in one call on a batch of two samples.
       cc -O2 examples/03_style.c $(libpng-config --cflags --ldflags) -lm
       ./a.out                                 two pictures that are drawn here, to style.png
       ./a.out out.png                         ... to another file
       ./a.out content.png style.png out.png   two of yours, of any size
   Four pictures side by side are written: content, style, half way, all the way.               */
#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"

#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct picture { /* red, green, blue, alpha from 0 to 255, pixel by pixel */
    size_t width, height;
    float *pixels;
} picture;

static void stop_unless(int good, const char *where, const char *what)
{
    if (good) return;
    fprintf(stderr, "%s: %s\n", where, what);
    exit(1);
}

static picture new_picture(size_t width, size_t height, size_t samples)
{
    picture p = {width, height, (float *)malloc(samples * width * height * 4 * sizeof(float))};
    stop_unless(p.pixels != NULL, "picture", "no memory");
    return p;
}

/* ---- the style ------------------------------------------------------------------------------ */

/* Fills both[2]: the colours of content, half way and all the way to those of style. */
static void restyle(picture *both, const picture *content, const picture *style)
{
    const size_t pixels = content->width * content->height;
    float gamma[2][3], beta[2][3];
    nrm_moments from[3] = {{0, 0, 0}}, to[3] = {{0, 0, 0}};
    /* Three channels of the four: x_pitch.line steps over alpha, which nobody touches. */
    nrm_desc desc = {.n = 1, .c = 3, .kind = NRM_BATCH, .layout = NRM_NHWC, .x_pitch = {.line = 4},
                     .y_pitch = {.line = 4}};
    nrm_args args = {0};
    nrm_status status;

    /* Statistics alone: with n = 1 those of batch norm and of instance norm are the same. */
    desc.s = style->width * style->height, args.x = style->pixels;
    status = nrm_reduce(&desc, &args, to);
    desc.s = pixels, args.x = content->pixels;
    if (!status) status = nrm_reduce(&desc, &args, from);
    stop_unless(!status, "style", nrm_status_string(status));

    /* gamma and beta of each sample: the deviation and the mean that its channels shall have. */
    for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 3; ++j) {
            const double amount = i ? 1 : 0.5, old = sqrt(from[j].m2 / from[j].count);
            gamma[i][j] = (float)(old + amount * (sqrt(to[j].m2 / to[j].count) - old));
            beta[i][j] = (float)(from[j].mean + amount * (to[j].mean - from[j].mean));
        }

    both[0] = both[1] = new_picture(content->width, content->height, 2);
    both[1].pixels += 4 * pixels;
    for (int i = 0; i < 2; ++i)
        memcpy(both[i].pixels, content->pixels, 4 * pixels * sizeof(float));
    desc.kind = NRM_INSTANCE, desc.n = 2, desc.affine_per_sample = 1;
    args.x = args.y = both[0].pixels, args.gamma = gamma, args.beta = beta;
    status = nrm_forward(&desc, &args); /* eps is 0: a channel without deviation becomes beta */
    stop_unless(!status, "style", nrm_status_string(status));
}

/* The mean and the deviation of each colour, by plain sums; printed, and compared with `want`. */
static int check(const char *name, const picture *p, double got[6], const double *want)
{
    const size_t pixels = p->width * p->height;
    int bad = 0;
    printf("%-13s", name);
    for (int j = 0; j < 3; ++j) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < pixels; ++i) sum += (double)p->pixels[4 * i + j];
        for (size_t i = 0; i < pixels; ++i)
            squares += pow((double)p->pixels[4 * i + j] - sum / (double)pixels, 2);
        got[j] = sum / (double)pixels, got[j + 3] = sqrt(squares / (double)pixels);
        printf("   %8.3f %8.3f", got[j], got[j + 3]);
        if (want) bad |= !(fabs(got[j] - want[j]) < 1e-3 && fabs(got[j + 3] - want[j + 3]) < 1e-3);
    }
    printf(want ? bad ? "  WRONG\n" : "  as it should be\n" : "\n");
    return bad;
}

/* ---- PNG ------------------------------------------------------------------------------------ */

static picture read_png(const char *name)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    picture p;
    png_byte *bytes;
    stop_unless(png_image_begin_read_from_file(&png, name), name, png.message);
    png.format = PNG_FORMAT_RGBA; /* libpng widens grey, palettes and what has no alpha */
    p = new_picture(png.width, png.height, 1);
    bytes = (png_byte *)malloc(PNG_IMAGE_SIZE(png));
    stop_unless(bytes != NULL, name, "no memory");
    stop_unless(png_image_finish_read(&png, NULL, bytes, 0, NULL), name, png.message);
    for (size_t i = 0; i < PNG_IMAGE_SIZE(png); ++i) p.pixels[i] = bytes[i];
    free(bytes);
    return p;
}

static void write_side_by_side(const char *name, const picture *p, int count)
{
    png_image png = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGBA};
    png_byte *bytes;
    size_t left = 0;
    for (int k = 0; k < count; ++k) {
        png.width += (png_uint_32)p[k].width;
        if (png.height < p[k].height) png.height = (png_uint_32)p[k].height;
    }
    bytes = (png_byte *)calloc(PNG_IMAGE_SIZE(png), 1); /* transparent where no picture is */
    stop_unless(bytes != NULL, name, "no memory");
    for (int k = 0; k < count; left += p[k++].width)
        for (size_t i = 0; i < p[k].height; ++i)
            for (size_t j = 0; j < 4 * p[k].width; ++j) {
                double value = (double)p[k].pixels[i * 4 * p[k].width + j];
                bytes[(i * png.width + left) * 4 + j] =
                    (png_byte)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
            }
    stop_unless(png_image_write_to_file(&png, name, 0, bytes, 0, NULL), name, png.message);
    free(bytes);
}

/* ---- two pictures; u grows from 0 to 1 to the right, v to the bottom ------------------------ */

static void paint(double *rgb, int colour, double amount)
{
    amount = amount < 0 ? 0 : amount > 1 ? 1 : amount;
    for (int j = 0; j < 3; ++j) rgb[j] += amount * ((colour >> (16 - 8 * j) & 255) - rgb[j]);
}

/* Cool: hills behind hills in the morning, with firs on the last one. */
static void hills(double u, double v, double *rgb)
{
    static const int colour[5] = {0xa9cbdc, 0x7fb0c6, 0x55909f, 0x2f6b6e, 0x123c44};
    const double sun = hypot(1.333 * (u - 0.7), v - 0.25);
    paint(rgb, 0x4f8fd0, 1);
    paint(rgb, 0xe4f2ee, floor(24 * v) / 12);
    paint(rgb, 0xf6fbf0, sun < 0.085 ? 1 : floor(8 * exp(-9 * (sun - 0.085))) / 16);
    for (int i = 0; i < 5; ++i) {
        double top = 0.4 + 0.1 * i + (0.09 - 0.012 * i) * sin((3.1 + i) * u + 2.4 * i * i + 0.5) +
                     0.02 * sin(11 * u + 5 * i) + 0.006 * sin(37 * u + i);
        /* 26 firs of three storeys on the nearest hill. */
        double high = 0.06 + 0.05 * sin(9 * floor(26 * u)), aside = fabs(fmod(26 * u, 1) - 0.5);
        double level = 3 * (v - top + high) / high, storey = fmin(floor(level), 2);
        if (i == 4 && level > 0 && aside < 0.16 * level - 0.1 * storey) top = v;
        if (v >= top) paint(rgb, colour[i], 1);
        if (v >= top) paint(rgb, 0xdcebf0, floor(24 * (v - top)) * (4 - i) / 60); /* mist */
    }
}

/* Warm: the sun sets over the sea, in broad strokes. */
static void sunset(double u, double v, double *rgb)
{
    static const int stroke[7] = {0xfff2b0, 0xffd56b, 0xffad42, 0xf97f33,
                                  0xd9533a, 0xa53449, 0x6b2450};
    const double x = 1.333 * (u - 0.42), y = v - 0.56, far = hypot(x, y), angle = atan2(y, x);
    const double curl = 0.45 * sin(7 * angle + 14 * far) + 0.25 * sin(17 * angle - 23 * far);
    const double ring = 9 * far - 0.2 + curl * fmin(1, 5 * far), deep = (v - 0.62) / 0.38;
    paint(rgb, stroke[ring < 1 ? 0 : ring > 6 ? 6 : (int)ring], 1);
    if (deep > 0) {
        const double wave = sin(60 * sqrt(deep + 0.02) + 3 * sin(9 * u + 20 * v));
        paint(rgb, 0x8c2f4c, 1);
        paint(rgb, 0x2c1438, deep);
        paint(rgb, 0xc9503f, wave > 0.55 ? 0.7 - 0.5 * deep : 0);
        paint(rgb, 0xffcf70, wave > -0.2 && fabs(x) < 0.06 + 0.14 * deep + 0.04 * wave ? 0.9 : 0);
    }
}

/* Every pixel is the mean of 4 x 4 points. */
static picture draw(void at(double, double, double *), size_t width, size_t height)
{
    picture p = new_picture(width, height, 1);
    for (size_t i = 0; i < width * height; ++i) {
        double sum[3] = {0, 0, 0}, rgb[3] = {0, 0, 0};
        for (int k = 0; k < 16; ++k) {
            const size_t x = i % width * 4 + (size_t)k % 4, y = i / width * 4 + (size_t)k / 4;
            at(((double)x + 0.5) / (double)(4 * width), ((double)y + 0.5) / (double)(4 * height),
               rgb);
            for (int j = 0; j < 3; ++j) sum[j] += rgb[j];
        }
        for (int j = 0; j < 3; ++j) p.pixels[4 * i + j] = (float)floor(sum[j] / 16 + 0.5);
        p.pixels[4 * i + 3] = 255;
    }
    return p;
}

int main(int argc, char **argv)
{
    const int own = argc == 4;
    picture p[4];
    double was[6], style[6], half[6], got[6];
    int bad;
    p[0] = own ? read_png(argv[1]) : draw(hills, 256, 192);
    p[1] = own ? read_png(argv[2]) : draw(sunset, 256, 192);
    restyle(p + 2, &p[0], &p[1]);

    printf("mean, deviation      red               green               blue\n");
    check("content", &p[0], was, NULL);
    check("style", &p[1], style, NULL);
    for (int j = 3; j < 6; ++j)
        if (was[j] == 0) style[j] = 0; /* a flat channel stays flat */
    for (int j = 0; j < 6; ++j) half[j] = (was[j] + style[j]) / 2;
    bad = check("half way", &p[2], got, half) | check("all the way", &p[3], got, style);
    write_side_by_side(argc > 1 ? argv[argc - 1] : "style.png", p, 4);
    free(p[0].pixels), free(p[1].pixels), free(p[2].pixels); /* p[3] shares p[2]'s */
    return bad;
}
