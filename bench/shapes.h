/* shapes.h - what is timed: layers of well-known models, and the sizes between them.
 *
 *     MAIN    in the default run, for float, the best instruction set, warm caches; aligned, and as
 *             malloc aligns
 *     STAR    there also with the other instruction sets, cold caches, and residual and ReLU fused
 *             or apart: one of these at a time
 *     TYPES   there also in the other storage types: small ones in cache, large ones from memory
 *     TINY    there, to show what a call costs
 *     SWEEP   throughput against size; only so
 *     SLICE   bench/peers alone: heads of queries beside those of keys and values, which share a
 *             tensor, normalised where they lie
 *
 * All else runs with --all, or when --benchmark_filter asks for it. bench/peers takes all of these
 * but SWEEP. Include normalize.h first.
 */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

enum { MAIN = 1, STAR = 2, TYPES = 4, TINY = 8, SWEEP = 16, SLICE = 32 };

typedef struct shape {
    nrm_kind kind;
    size_t n, c, h, w; /* h = w = 0: a matrix of n rows of c values, which has one layout */
    size_t groups;
    int flags;
    const char *model;
} shape;

/* Elements from a token to the next: a quarter as many keys, and values, as queries. */
static inline size_t shape_pitch(const shape *s)
{
    return s->flags & SLICE ? s->c * s->h * 3 / 2 : 0;
}

static const shape shapes[] = {
    /* clang-format off */
    /* Batch norm. Training moves the running statistics, too. */
    {NRM_BATCH,    32,   64,   56,   56, 0, MAIN | STAR,  "ResNet-50, first stage"},
    {NRM_BATCH,    32,  256,   14,   14, 0, MAIN | TYPES, "ResNet-50, third stage"},
    {NRM_BATCH,     8, 2048,    7,    7, 0, MAIN,         "ResNet-50, last stage"},
    {NRM_BATCH,     1,   64,  112,  112, 0, MAIN,         "ResNet-50, stem, one image"},
    {NRM_BATCH,     2,   32,    8,    8, 0, MAIN,         "small ResNet, CIFAR-10"},
    {NRM_BATCH,  4096, 1024,    0,    0, 0, MAIN,         "perceptron"},
    {NRM_BATCH,     1,   64,   28,   28, 0, MAIN | TYPES, "small enough for L2"},
    {NRM_BATCH,    32,   64,  112,  112, 0, 0,            "ResNet-50, stem"},
    {NRM_BATCH,    32,  256,   56,   56, 0, 0,            "ResNet-50, first stage, block's end"},
    {NRM_BATCH,    32,  512,   28,   28, 0, 0,            "ResNet-50, second stage, block's end"},
    {NRM_BATCH,    32, 1024,   14,   14, 0, 0,            "ResNet-50, third stage, block's end"},
    {NRM_BATCH,    32, 2048,    7,    7, 0, 0,            "ResNet-50, last stage, block's end"},
    {NRM_BATCH,     1, 2048,    7,    7, 0, 0,            "ResNet-50, last stage, one image"},
    {NRM_BATCH,     1,   32,  112,  112, 0, 0,            "MobileNetV2, stem, one image"},
    {NRM_BATCH,     8,  144,   56,   56, 0, MAIN,         "MobileNetV2, expanded"},
    {NRM_BATCH,    32,  960,    7,    7, 0, 0,            "MobileNetV2, last block"},
    /* Layer norm: over the channels of each position, or rows. */
    {NRM_LAYER,     8,   96,   56,   56, 0, MAIN | STAR,  "ConvNeXt-T, first stage"},
    {NRM_LAYER,     8,  384,   14,   14, 0, MAIN,         "ConvNeXt-T, third stage"},
    {NRM_LAYER,    32,  192,   28,   28, 0, 0,            "ConvNeXt-T, second stage"},
    {NRM_LAYER,     1,  768,    7,    7, 0, 0,            "ConvNeXt-T, last stage, one image"},
    {NRM_LAYER,  4096,  768,    0,    0, 0, MAIN | TYPES, "GPT-2, 4 sequences"},
    {NRM_LAYER,   128,  768,    0,    0, 0, MAIN | TYPES, "BERT-base, 128 tokens"},
    {NRM_LAYER,     8,  768,    0,    0, 0, MAIN,         "GPT-2, 8 tokens"},
    {NRM_LAYER,     1,  768,    0,    0, 0, 0,            "GPT-2, one token"},
    {NRM_LAYER,  1024, 1600,    0,    0, 0, 0,            "GPT-2 XL, a sequence"},
    {NRM_LAYER,  8192, 1600,    0,    0, 0, 0,            "GPT-2 XL, 8 sequences"},
    {NRM_LAYER,   128, 1024,    0,    0, 0, MAIN,         "BERT-large, 128 tokens"},
    {NRM_LAYER,   512, 4096,    0,    0, 0, MAIN,         "long rows"},
    {NRM_LAYER, 32768,   64,    0,    0, 0, MAIN,         "short rows, heads of 64"},
    {NRM_LAYER,   512,   64,    0,    0, 0, MAIN | TYPES, "short rows, in cache"},
    {NRM_LAYER, 12544,   96,    0,    0, 0, MAIN,         "Swin-T, first stage, 4 images"},
    {NRM_LAYER,  3136,  128,    0,    0, 0, MAIN,         "Swin-B, first stage, one image"},
    {NRM_LAYER,  1050,  256,    0,    0, 0, MAIN,         "DETR, one image"},
    {NRM_LAYER,   197,   64,   12,    1, 0, SLICE,        "ViT with norms of queries, heads of 64"},
    {NRM_LAYER,     2,    8,    0,    0, 0, TINY,         "next to nothing"},
    /* Instance norm. */
    {NRM_INSTANCE,  8,   64,  128,  128, 0, MAIN,         "style transfer, batch 8"},
    {NRM_INSTANCE, 16,  256,   16,   16, 0, MAIN,         "small images, batch 16"},
    {NRM_INSTANCE,  1,   64,  128,  128, 0, MAIN,         "style transfer, one image of 256"},
    {NRM_INSTANCE,  1,   32,  256,  256, 0, 0,            "style transfer, first layer"},
    {NRM_INSTANCE,  1,   32,  512,  512, 0, 0,            "style transfer, image of 512"},
    {NRM_INSTANCE,  8,  512,   16,   16, 0, 0,            "StyleGAN, 16x16"},
    {NRM_INSTANCE,  2,  512,   32,   32, 0, 0,            "StyleGAN, 32x32"},
    {NRM_INSTANCE,  1,   16, 1024, 1024, 0, 0,            "StyleGAN, 1024x1024"},
    {NRM_INSTANCE,  1,   32,    8,    8, 0, 0,            "tiny"},
    /* Group norm. */
    {NRM_GROUP,     8,  256,   32,   32, 32, MAIN,         "U-Net, 32x32, batch 8"},
    {NRM_GROUP,     2,  320,   64,   64, 32, MAIN,         "Stable Diffusion U-Net, 64x64"},
    {NRM_GROUP,     2,  640,   32,   32, 32, 0,            "Stable Diffusion U-Net, 32x32"},
    {NRM_GROUP,     2, 1280,   16,   16, 32, MAIN,         "Stable Diffusion U-Net, 16x16"},
    {NRM_GROUP,     2, 1280,    8,    8, 32, MAIN | TYPES, "Stable Diffusion U-Net, middle"},
    {NRM_GROUP,     1,  128,  512,  512, 32, 0,            "Stable Diffusion decoder, last layer"},
    {NRM_GROUP,     1,   64,    8,    8, 32, 0,            "tiny"},
    /* RMS norm: as layer norm. */
    {NRM_RMS,       1,  512,   64,   64, 0, MAIN,         "image autoencoder (DC-AE)"},
    {NRM_RMS,     512, 4096,    0,    0, 0, MAIN | TYPES, "Llama 7B, 512 tokens"},
    {NRM_RMS,       1, 4096,    0,    0, 0, MAIN,         "Llama 7B, one token"},
    {NRM_RMS,      32, 4096,    0,    0, 0, MAIN | TYPES, "Llama 7B, 32 tokens"},
    {NRM_RMS,    2048, 8192,    0,    0, 0, 0,            "Llama 70B, 2048 tokens"},
    {NRM_RMS,   32768,  128,    0,    0, 0, MAIN,         "norm of queries, heads of 128"},
    {NRM_RMS,     512,  128,   32,    1, 0, SLICE,        "Qwen3-8B, queries of 512 tokens"},
    {NRM_RMS,       1,  128,   32,    1, 0, SLICE,        "Qwen3-8B, queries of one token"},
    {NRM_RMS,     512,   64,   32,    1, 0, SLICE,        "queries of 512 tokens, heads of 64"},
    /* From L1 to past L3. */
    {NRM_BATCH,     1,   16,    8,    8, 0, SWEEP, "4 KB"},
    {NRM_BATCH,     1,   16,   16,   16, 0, SWEEP, "16 KB"},
    {NRM_BATCH,     1,   64,   16,   16, 0, SWEEP, "64 KB"},
    {NRM_BATCH,     4,   64,   16,   16, 0, SWEEP, "256 KB"},
    {NRM_BATCH,    16,   64,   16,   16, 0, SWEEP, "1 MB"},
    {NRM_BATCH,    32,   64,   16,   16, 0, SWEEP, "2 MB"},
    {NRM_BATCH,    64,   64,   16,   16, 0, SWEEP, "4 MB"},
    {NRM_BATCH,   128,   64,   16,   16, 0, SWEEP, "8 MB"},
    {NRM_BATCH,   256,   64,   16,   16, 0, SWEEP, "16 MB"},
    {NRM_BATCH,   512,   64,   16,   16, 0, SWEEP, "32 MB"},
    {NRM_BATCH,  1024,   64,   16,   16, 0, SWEEP, "64 MB"},
    {NRM_LAYER,     1, 1024,    0,    0, 0, SWEEP, "4 KB"},
    {NRM_LAYER,     4, 1024,    0,    0, 0, SWEEP, "16 KB"},
    {NRM_LAYER,    16, 1024,    0,    0, 0, SWEEP, "64 KB"},
    {NRM_LAYER,    64, 1024,    0,    0, 0, SWEEP, "256 KB"},
    {NRM_LAYER,   256, 1024,    0,    0, 0, SWEEP, "1 MB"},
    {NRM_LAYER,   512, 1024,    0,    0, 0, SWEEP, "2 MB"},
    {NRM_LAYER,  1024, 1024,    0,    0, 0, SWEEP, "4 MB"},
    {NRM_LAYER,  2048, 1024,    0,    0, 0, SWEEP, "8 MB"},
    {NRM_LAYER,  4096, 1024,    0,    0, 0, SWEEP, "16 MB"},
    {NRM_LAYER,  8192, 1024,    0,    0, 0, SWEEP, "32 MB"},
    {NRM_LAYER, 16384, 1024,    0,    0, 0, SWEEP, "64 MB"},
    /* clang-format on */
};

/* The tensors moved by reading and copying alone, in bytes: L1 to past L3. */
static const size_t memory_sizes[] = {8192,    32768,   131072,   524288,   1048576,
                                      2097152, 8388608, 33554432, 134217728};

#endif /* BENCH_SHAPES_H */
