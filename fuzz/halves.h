/* halves.h - the conversions of bf16 and f16, and how kernels load and store them, against the
 * integer conversions of tests/support/types.h.
 *
 * The bytes: type, layout, sizes, gamma and beta of a channel, then values. Each is converted by
 * itself, both ways; then nrm_infer with mean 0 and variance 1 computes x * gamma + beta in float
 * and rounds it once.
 */
#ifndef HALVES_H
#define HALVES_H

#define MOST_HALVES 600

typedef struct halves_case {
    nrm_dtype type;
    nrm_desc d;
    float gamma, beta;
    uint16_t x[MOST_HALVES];
    float single[MOST_HALVES];
} halves_case;

static inline halves_case halves_decode(const unsigned char *data, size_t size)
{
    halves_case h;
    bytes b;
    size_t i, count;
    memset(&h, 0, sizeof h);
    b.at = data, b.left = size;
    h.type = next_byte(&b) & 1 ? NRM_F16 : NRM_BF16;
    h.d.kind = NRM_BATCH, h.d.dtype = h.type;
    h.d.n = 1 + next_byte(&b) % 3, h.d.c = 1 + next_byte(&b) % 40, h.d.s = 1 + next_byte(&b) % 40;
    while (problem_volume(&h.d) > MOST_HALVES) h.d.s /= 2;
    h.gamma = gen_from_bits((uint32_t)next_bytes(&b, 4));
    h.beta = gen_from_bits((uint32_t)next_bytes(&b, 4));
    count = problem_volume(&h.d);
    for (i = 0; i < count; ++i) {
        uint32_t u = b.left ? (uint32_t)next_bytes(&b, 4) : (uint32_t)(i * 0x9e3779b9u);
        h.x[i] = (uint16_t)(u ^ u >> 16), h.single[i] = gen_from_bits(u);
    }
    return h;
}

static inline void describe_halves(FILE *out, const void *of)
{
    const halves_case *h = (const halves_case *)of;
    size_t i, count = problem_volume(&h->d);
    fprintf(out, "  %s: n %zu, c %zu, s %zu, gamma %.9g (%a), beta %.9g (%a)\n  ",
            type_name[h->type], h->d.n, h->d.c, h->d.s, (double)h->gamma, (double)h->gamma,
            (double)h->beta, (double)h->beta);
    for (i = 0; i < count && i < 12; ++i)
        fprintf(out, "%04x %08x, ", h->x[i], (unsigned)bits_f32(h->single[i]));
    fprintf(out, "...\n");
}

static inline void print_halves(FILE *out, const unsigned char *data, size_t size)
{
    halves_case h = halves_decode(data, size);
    describe_halves(out, &h);
}

/* One value through the four functions. */
static inline void check_conversions(float single, uint16_t half)
{
    const uint16_t bf16 = nrm_f32_to_bf16(single), f16 = nrm_f32_to_f16(single);
    const double wide = (double)single;
    const uint32_t u = bits_f32(single);
    const float from_bf16 = nrm_bf16_to_f32(half), from_f16 = nrm_f16_to_f32(half);
    const uint16_t want_bf16 = half_from_f64(NRM_BF16, wide);
    const uint16_t want_f16 = half_from_f64(NRM_F16, wide);
    must(type_bits(NRM_BF16, &bf16, 0) == type_bits(NRM_BF16, &want_bf16, 0),
         "nrm_f32_to_bf16 of %08x is %04x, not %04x", (unsigned)u, bf16, want_bf16);
    must(type_bits(NRM_F16, &f16, 0) == type_bits(NRM_F16, &want_f16, 0),
         "nrm_f32_to_f16 of %08x is %04x, not %04x", (unsigned)u, f16, want_f16);
    must(same_f64((double)from_bf16, f64_from_half(NRM_BF16, half)), "nrm_bf16_to_f32 of %04x",
         half);
    must(same_f64((double)from_f16, f64_from_half(NRM_F16, half)), "nrm_f16_to_f32 of %04x", half);
}

/* What float arithmetic gives, rounded to the half once. */
static inline uint16_t half_result(const halves_case *h, uint16_t x)
{
    volatile float y = (float)f64_from_half(h->type, x) * h->gamma;
    y = y + h->beta;
    return half_from_f64(h->type, (double)y);
}

/* Whether y is computed in float (NUMERICS, "Double"): gamma and beta are within its range. */
static inline int float_is_fit(const halves_case *h)
{
    const double g = fabs((double)h->gamma), b = fabs((double)h->beta);
    return g >= 0x1p-100 && g <= 0x1p40 && b <= 0x1p100;
}

static inline void check_stored(const halves_case *h, nrm_isa isa, nrm_layout layout)
{
    float mean[40], var[40], gamma[40], beta[40];
    uint16_t y[MOST_HALVES + 1], canary = 0xffff;
    const size_t count = problem_volume(&h->d);
    nrm_desc d = h->d;
    nrm_args a;
    size_t i;
    for (i = 0; i < d.c; ++i) mean[i] = 0, var[i] = 1, gamma[i] = h->gamma, beta[i] = h->beta;
    memset(&a, 0, sizeof a);
    d.layout = layout;
    a.x = h->x, a.y = y, a.running_mean = mean, a.running_var = var;
    a.gamma = gamma, a.beta = beta, a.isa = isa;
    y[count] = canary;
    must(nrm_infer(&d, &a) == NRM_OK && y[count] == canary, "nrm_infer of halves, %s",
         nrm_isa_name(isa));
    for (i = 0; i < count && float_is_fit(h); ++i) {
        const uint16_t want = half_result(h, h->x[i]);
        must(type_bits(h->type, &y[i], 0) == type_bits(h->type, &want, 0),
             "%s, %s: %04x became %04x, not %04x", nrm_isa_name(isa), layout_name[layout],
             h->x[i], y[i], want);
    }
}

static inline void target_halves(const unsigned char *data, size_t size)
{
    halves_case h = halves_decode(data, size);
    size_t i, count = problem_volume(&h.d);
    int layout;
    if (!type_is_here(h.type)) return;
    report_about(describe_halves, &h);
    for (i = 0; i < count; ++i) check_conversions(h.single[i], h.x[i]);
    for (i = 0; i < ISAS; ++i)
        for (layout = 0; layout < 2 && nrm_has_isa(all_isa[i]); ++layout)
            check_stored(&h, all_isa[i], (nrm_layout)layout);
}

#endif /* HALVES_H */
