/* oracle.c - the tests' oracle by itself: tests/support/ref.h computes the norms in long double and
 * says how far from that a result may be, gen.h draws hard inputs. normalize.h is there for its
 * types; nothing of its code is compiled. Held against it here: layer norm in double, and in float.
 *
 *   cc -O2 -I. examples/oracle.c -lm && ./a.out
 */
#if defined(__cplusplus) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wvolatile" /* of C++20, about how ref.h rounds to float */
#endif
#include "../tests/support/ref.h"
#include "../tests/support/gen.h"

enum { ROWS = 8, COLS = 1000 };

#define LAYER_NORM(name, real)                                                       \
    static void name(float *y, const float *x, double eps)                           \
    {                                                                                \
        real mean = 0, var = 0;                                                      \
        int j;                                                                       \
        for (j = 0; j < COLS; ++j) mean += x[j] / (real)COLS;                        \
        for (j = 0; j < COLS; ++j) var += (x[j] - mean) * (x[j] - mean) / (real)COLS; \
        for (j = 0; j < COLS; ++j) y[j] = (float)((x[j] - mean) / (real)sqrt((double)var + eps)); \
    }
LAYER_NORM(in_double, double)
LAYER_NORM(in_float, float)

/* The worst error of a norm on one family of inputs, in units of the bound. */
static long double worst(void (*norm)(float *, const float *, double), gen_dist family)
{
    static float x[ROWS * COLS], y[ROWS * COLS];
    gen g = gen_seed(1);
    nrm_desc d = {0};
    nrm_args a = {0};
    ref_worst w;
    ref r;
    int i;
    d.kind = NRM_LAYER, d.n = ROWS, d.c = COLS, d.s = 1, d.eps = 1e-5;
    a.x = x;
    for (i = 0; i < ROWS; ++i) {
        gen_fill(&g, family, x + i * COLS, COLS);
        norm(y + i * COLS, x + i * COLS, d.eps);
    }
    r = ref_new(&d, &a); /* gamma and beta as well, if `a` has them */
    w = ref_compare_y(&r, y);
    ref_free(&r);
    return w.ratio;
}

int main(void)
{
    static const gen_dist families[] = {GEN_NORMAL, GEN_OFFSET_1E4, GEN_OUTLIER_ANY, GEN_SMALL};
    int i, wrong = 0;
    for (i = 0; i < 4; ++i) {
        const long double right = worst(in_double, families[i]);
        printf("%-8s in double %.2Lf, in float %.3Lg of the bound\n", gen_dist_name[families[i]],
               right, worst(in_float, families[i]));
        wrong |= !(right <= 1);
    }
    return wrong;
}
