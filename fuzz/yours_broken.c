/* yours_broken.c - right.c with something broken, for fuzz/yours_test.sh: BROKEN in the environment
 * says what. fuzz-yours has to find each.
 */
#define yours right
#include "../examples/fuzz_yours/right.c"
#undef yours

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int is(const char *what)
{
    const char *broken = getenv("BROKEN");
    return broken && !strcmp(broken, what);
}

/* Changes the lowest bits of a result. */
static void spoil(void *values, size_t i, uint32_t bits)
{
    float *v = (float *)values + i;
    uint32_t u;
    memcpy(&u, v, sizeof u);
    if ((u >> 23 & 0xff) % 0xff == 0) return; /* not of Inf, nor of what is denormal */
    u ^= bits;
    memcpy(v, &u, sizeof u);
}

struct order {
    size_t next;
    int out_of_turn;
};

static void task(void *arg, size_t index)
{
    struct order *o = (struct order *)arg;
    if (index != o->next++) o->out_of_turn = 1;
}

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    static unsigned calls;
    const size_t count = d->n * d->c * d->s;
    struct order order = {0, 0};
    nrm_args b = *a;
    void *out = verb == NRM_BACKWARD ? a->dx : a->y;
    if (is("option")) b.residual = NULL;     /* returns 0, and leaves the residual out */
    if (is("statistics") && verb == NRM_FORWARD) b.mean = NULL; /* ... the mean unwritten */
    if (is("value")) return 7;
    if (is("nothing")) return 1;
    if (right(verb, d, &b)) return 1;
    if (is("crash") && d->c == 5) *(volatile int *)NULL = 1;
    while (is("endless") && d->c == 5) {}
    if (!out || d->kind != NRM_LAYER) return 0;
    if (is("bits") && d->c % 16 == 0) spoil(out, d->c / 2, 0xff);
    if (is("outside") && d->c == 7) ((float *)out)[count] = 0;
    if (is("before") && d->c == 7) ((float *)out)[-1] = 0;
    if (is("reads") && d->c == 7) *(volatile float *)out = ((volatile float *)out)[count] * 0;
    if (is("input") && verb == NRM_FORWARD && d->c == 7) spoil((void *)(uintptr_t)a->x, 0, 1);
    if (is("alignment") && (uintptr_t)out % 32) spoil(out, count - 1, 1);
    if (is("again") && ++calls % 5 == 0) spoil(out, 0, 1);
    if (is("permuted")) spoil(out, 0, 1);
    if (is("joined") && d->n > 1) spoil(out, 0, 1), spoil(out, count - 1, 1);
    if (is("place") && (out == a->x || out == a->dy)) spoil(out, 0, 1);
    if (is("threads") && a->pool) {
        a->pool->run(a->pool->user, 4, task, &order);
        if (order.out_of_turn) spoil(out, 0, 1);
    }
    return 0;
}
