/* shapes.h - the shapes that are tested. One that once went wrong is appended to the table with the
 * number of its issue.
 */
#ifndef SHAPES_H
#define SHAPES_H

#include <stddef.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

typedef struct shape {
    const char *name;
    size_t n, c, s, groups;
} shape;

/* Small enough to try with everything. A block has 128 values in 16 lanes, a run 1024, and batch
   norm changes its order of summation at s = 16: hence the sizes on both sides of those. */
static const shape small_shapes[] = {
    {"one value", 1, 1, 1, 1},
    {"two channels", 1, 2, 1, 2},
    {"two samples", 2, 1, 1, 1},
    {"two positions", 1, 1, 2, 1},
    {"primes", 3, 7, 11, 7},
    {"more primes", 5, 13, 31, 1},
    {"s 15", 3, 6, 15, 3},
    {"s 16", 3, 6, 16, 2},
    {"s 17", 3, 6, 17, 2},
    {"c 15", 4, 15, 3, 5},
    {"c 16", 4, 16, 3, 4},
    {"c 17", 4, 17, 3, 1},
    {"c 33", 2, 33, 9, 11},
    {"c 127", 2, 127, 2, 1},
    {"c 128", 2, 128, 2, 8},
    {"c 129", 2, 129, 2, 3},
    {"plane 127", 1, 3, 127, 3},
    {"plane 128", 1, 3, 128, 1},
    {"plane 129", 1, 3, 129, 3},
    {"7x7", 2, 24, 49, 6},
    {"n*s 128, short planes", 16, 5, 8, 5},
    {"n*s 130, short planes", 13, 5, 10, 5},
    {"rows", 129, 8, 1, 2},
    {"tall", 257, 3, 1, 1},
};

/* Around a run and two runs, odd and large channel counts. */
static const shape medium_shapes[] = {
    {"plane 1023", 1, 3, 1023, 1},     {"plane 1024", 1, 3, 1024, 3},
    {"plane 1025", 2, 2, 1025, 2},     {"plane 2048", 1, 2, 2048, 1},
    {"plane 2049", 1, 2, 2049, 2},     {"c 1000", 3, 1000, 1, 4},
    {"c 1024", 3, 1024, 1, 32},        {"c 1025", 3, 1025, 1, 5},
    {"c 2048, 7x7/7", 2, 2048, 7, 64}, {"n 1024", 1024, 5, 1, 1},
    {"n 1025", 1025, 17, 1, 17},       {"n 2049, s 2", 1025, 3, 2, 3},
    {"c 131", 3, 131, 37, 1},          {"11x11", 5, 66, 121, 6},
};

/* Layers of well-known models, of the size that one image or a few tokens have. */
static const shape model_shapes[] = {
    {"ResNet-50 stage 2", 1, 64, 56 * 56, 32}, {"ResNet-50 stage 4", 2, 256, 14 * 14, 32},
    {"ResNet-50 stage 5", 2, 512, 7 * 7, 32},  {"MobileNetV2 block", 1, 24, 56 * 56, 4},
    {"ConvNeXt-T stage 2", 1, 192, 14 * 14, 1}, {"GPT-2 tokens", 64, 768, 1, 12},
    {"Llama tokens", 8, 4096, 1, 32},          {"U-Net group norm", 1, 320, 16 * 16, 32},
    {"style transfer", 1, 4, 128 * 128, 4},    {"MLP batch norm", 128, 512, 1, 16},
    {"PointNet", 2, 64, 512, 8},
};

#endif /* SHAPES_H */
