/* test_stack.c - how much stack a thread needs. Calls of every verb, kind, layout, storage type and
 * instruction set run on a thread whose stack was painted before, and the paint that is gone tells
 * how deep the call went: ordinary numbers and those that take the rare paths, alone and in a pool,
 * in whatever way the compiler has inlined.
 *
 *   cc -O0 -pthread -DNORMALIZE_IMPLEMENTATION tests/test_stack.c -o t -lm
 *   ./t [most bytes [random problems]]
 *
 * tests/include/run.sh links it with the library at every level of optimization, with small calls
 * in pools.
 */

/* Bytes for each thread. Without optimization, the variables of a function share no room. */
#ifdef __OPTIMIZE__
#define STACK_LIMIT 65536
#else
#define STACK_LIMIT 98304
#endif

#if !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE
#endif
#if !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE
#endif
#ifdef NRM_POOL_MIN
enum { SMALL_CALLS_USE_POOLS = 1 };
#else
enum { SMALL_CALLS_USE_POOLS = 0 };
#endif
#include "../normalize.h"

#include "support/test.h"
#include "support/gen.h"
#include "support/problem.h"
#include "support/patterns.h"

#if defined(__unix__) || defined(__APPLE__)

#include <pthread.h>
#include <sys/mman.h>

#define STACK_BYTES (1u << 20) /* all of it is read after each call */
#define STACK_GUARD 65536u
#define PAINT 0xa5
#define STRIPE 4096u /* compared at once */
#define OWN_FRAMES 1024u /* of this file's functions around a call, and of the pool's */

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- a painted stack ------------------------------------------------------------------------- */

static unsigned char *stack; /* its low end: stacks grow downwards wherever this runs */
static pthread_attr_t stack_attr;
static size_t limit = STACK_LIMIT;

static int prepare_stack(void)
{
    void *p = mmap(NULL, STACK_GUARD + STACK_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || mprotect(p, STACK_GUARD, PROT_NONE)) return 0;
    stack = (unsigned char *)p + STACK_GUARD;
    memset(stack, PAINT, STACK_BYTES);
    return !pthread_attr_init(&stack_attr) &&
           !pthread_attr_setstack(&stack_attr, stack, STACK_BYTES);
}

typedef struct job {
    void (*work)(void *user);
    void *user;
    unsigned char *top; /* where the stack stood before the work */
} job;

static void *job_start(void *arg)
{
    job *j = (job *)arg;
    volatile unsigned char here = 0;
    j->top = (unsigned char *)&here;
    j->work(j->user);
    return NULL;
}

/* The first byte from below that was written, and paint over all that was. */
static unsigned char *lowest_written(void)
{
    static unsigned char paint[STRIPE];
    unsigned char *p = stack, *lowest;
    memset(paint, PAINT, sizeof paint);
    while (p < stack + STACK_BYTES - STRIPE && !memcmp(p, paint, STRIPE)) p += STRIPE;
    while (p < stack + STACK_BYTES && *p == PAINT) ++p;
    lowest = p;
    memset(lowest, PAINT, (size_t)(stack + STACK_BYTES - lowest));
    return lowest;
}

/* Bytes of stack that work takes. */
static size_t depth_of(void (*work)(void *), void *user)
{
    job j = {NULL, NULL, NULL};
    pthread_t id;
    unsigned char *lowest;
    j.work = work, j.user = user;
    if (pthread_create(&id, &stack_attr, job_start, &j) || pthread_join(id, NULL)) {
        printf("Bail out! no thread to be had\n");
        exit(EXIT_FAILURE);
    }
    lowest = lowest_written();
    return lowest < j.top ? (size_t)(j.top - lowest) : 0;
}

static void write_bytes(void *user)
{
    volatile unsigned char array[20000];
    size_t i;
    for (i = 0; i < sizeof array; ++i) array[i] = (unsigned char)i;
    *(unsigned char *)user = array[sizeof array / 2];
}

static void write_nothing(void *user)
{
    (void)user;
}

static void test_paint(void)
{
    unsigned char byte;
    size_t none, some;
    depth_of(write_bytes, &byte);
    none = depth_of(write_nothing, NULL);
    some = depth_of(write_bytes, &byte);
    ok(none <= OWN_FRAMES, "work that does nothing takes %zu bytes", none);
    ok(some >= 20000 && some <= 20000 + OWN_FRAMES, "work that fills 20000 bytes takes %zu", some);
}

/* ---- a call on it ---------------------------------------------------------------------------- */

static struct {
    size_t bytes;
    unsigned long calls;
    char text[500];
} deepest;

typedef struct one_call {
    bed b;
    enum verb verb;
    nrm_status status;
} one_call;

static void make_call(void *user)
{
    one_call *c = (one_call *)user;
    c->status = verb_call(c->verb, &c->b.d, &c->b.a, c->b.data[SLOT_MOMENTS],
                          c->b.data[SLOT_SUMS]);
}

/* A call that goes deeper than all before is made again: the loader may have looked up a function
   of libc, which is no matter of ours. */
static void measure(const problem *p, enum verb verb, const setup *s, const char *values)
{
    one_call c;
    size_t bytes;
    bed_make(&c.b, p, verb, s);
    c.verb = verb;
    bytes = depth_of(make_call, &c);
    if (bytes > deepest.bytes) bytes = depth_of(make_call, &c);
    ++deepest.calls;
    if (bytes > deepest.bytes) {
        deepest.bytes = bytes;
        snprintf(deepest.text, sizeof deepest.text, "%s %s %s%s, %s; %s", verb_name[verb],
                 layout_name[s->layout], nrm_isa_name(s->isa), s->pool ? " in a pool" : "", values,
                 problem_text(p));
    }
    check(bytes <= limit + OWN_FRAMES, "%zu bytes: %s %s %s, %s, status %d; %s", bytes,
          verb_name[verb], layout_name[s->layout], nrm_isa_name(s->isa), values, (int)c.status,
          problem_text(p));
    bed_release(&c.b);
}

/* A pool whose tasks run on the stack of the thread that calls: both of them add up. */
static void run_here(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg)
{
    size_t i;
    (void)user;
    for (i = 0; i < tasks; ++i) task(arg, i);
}

static const nrm_pool pool_here = {run_here, NULL, 4};

/* Every verb and layout, alone and in the pool, which small calls use under -DNRM_POOL_MIN=1. */
static void measure_all(const problem *p, nrm_isa isa, const char *values)
{
    int verb, layout, pooled;
    for (verb = 0; verb < VERBS; ++verb)
        for (layout = 0; layout < 2 && verb_fits((enum verb)verb, p->d.kind); ++layout)
            for (pooled = 0; pooled < 2; ++pooled) {
                setup s = plain(isa, (nrm_layout)layout);
                nrm_desc d = p->d;
                d.layout = s.layout;
                if (pooled) s.pool = &pool_here;
                if (pooled && p->seed & 1) s.workspace_size = nrm_workspace_size(&d, 4);
                measure(p, (enum verb)verb, &s, values);
            }
}

/* ---- what is called -------------------------------------------------------------------------- */

/* Values as patterns.h has them; `outlier`: one value of x is the type's 2^100. */
static const struct {
    const char *name;
    enum data x, dy, gamma;
    int outlier;
} values[] = {
    {"ordinary values", PLAIN, PLAIN, PLAIN, 0},
    {"one outlier in x", PLAIN, PLAIN, PLAIN, 1},
    {"the largest x", HIGHEST, PLAIN, PLAIN, 0},
    {"denormals", DENORMAL, DENORMAL, PLAIN, 0},
    {"the largest dy", PLAIN, HIGHEST, PLAIN, 0},
    {"the largest gamma", PLAIN, PLAIN, HIGHEST, 0},
    {"anything finite", FINITE, FINITE, FINITE, 0},
    {"not finite", SPECIAL, SPECIAL, PLAIN, 0},
};

/* Lines and columns of less and of more than is handled at once; with the latter, which take most
   of the time, some of the values. */
static const size_t sizes[][4] = {{3, 24, 1, 4}, {2, 6, 37, 3}, {2, 1100, 1, 4}, {1, 2, 1300, 1}};

static int is_left_out(size_t size, size_t which)
{
    return size > 1 && which != 1 && values[which].x != FINITE;
}

/* Tensors as networks have them, as far as the type goes. */
static void options_of(problem *p)
{
    const int half = type_is_half(p->d.dtype);
    p->d.param_half = half, p->d.wide_residual = half, p->d.transpose_y = 1;
    p->given |= GIVEN_TENSORS;
}

/* All that can be given is given, or only what is needed, and no option taken. all 2: the tensors
   of several types and lengths, and y in the other layout. */
static problem *problem_of(nrm_kind kind, nrm_dtype type, const size_t *size, size_t which, int all)
{
    static const enum slot like_x[] = {SLOT_X, SLOT_RESIDUAL, SLOT_DSUM, SLOT_ADD, SLOT_GATE};
    problem *p = (problem *)test_alloc(1, sizeof *p);
    const size_t volume = size[0] * size[1] * size[2];
    size_t i;
    p->seed = stream = which + (size_t)all;
    p->d.kind = kind, p->d.dtype = type, p->d.eps = 1e-5;
    p->d.n = size[0], p->d.c = size[1], p->d.s = size[2], p->d.groups = size[3];
    p->running_rate = 0.1, p->running_population = 1;
    p->given = GIVEN_NORM;
    if (!all) p->given &= ~(1u << SLOT_RESIDUAL | 1u << SLOT_SUM | 1u << SLOT_DSUM);
    if (all) p->d.gamma_offset = 1, p->accumulate = 1, p->given |= GIVEN_AROUND;
    if (all) p->d.act = which % 2 ? NRM_SILU : NRM_RELU;
    if (all > 1) options_of(p);
    problem_alloc(p);
    for (i = 0; i < p->d.n; ++i) ((size_t *)p->value[SLOT_LENGTHS])[i] = (p->d.s + 1) / 2;
    for (i = 0; i < COUNT_OF(like_x); ++i)
        fill_as(slot_type(&p->d, like_x[i]), i ? PLAIN : values[which].x, p->value[like_x[i]],
                volume);
    if (values[which].outlier)
        put_exponent(type, p->value[SLOT_X], 3 % volume, formats[type].large);
    fill_as(type, values[which].dy, p->value[SLOT_DY], volume);
    fill_as(slot_type(&p->d, SLOT_GAMMA), values[which].gamma, p->value[SLOT_GAMMA], p->d.c);
    fill_as(slot_type(&p->d, SLOT_GAMMA), PLAIN, p->value[SLOT_BETA], p->d.c);
    type = type_of_parameters(type);
    for (i = 0; i < p->d.c; ++i) type_put(type, p->value[SLOT_RUNNING_VAR], i, 1);
    problem_prepare(p);
    return p;
}

static void test_listed(nrm_isa isa, nrm_dtype type)
{
    size_t which, i;
    int kind, all;
    group("%s, %s, every kind, verb and layout", nrm_isa_name(isa), type_name[type]);
    for (kind = NRM_BATCH; kind < KINDS; ++kind)
        for (i = 0; i < COUNT_OF(sizes); ++i)
            for (which = 0; which < COUNT_OF(values); ++which)
                for (all = 0; all < (which == 1 ? 3 : 2) && !is_left_out(i, which); ++all) {
                    problem *p = problem_of((nrm_kind)kind, type, sizes[i], which, all);
                    measure_all(p, isa, values[which].name);
                    problem_free(p);
                }
    group_end();
}

/* Large enough for a pool. */
static void test_large(nrm_dtype type)
{
    static const size_t large[][4] = {{4, 1024, 130, 8}, {600, 880, 1, 8}};
    size_t i;
    int kind;
    group("%s, more than half a million values, in a pool", type_name[type]);
    for (kind = NRM_BATCH; kind < KINDS; ++kind)
        for (i = 0; i < COUNT_OF(large); ++i) {
            problem *p = problem_of((nrm_kind)kind, type, large[i], i, 0);
            measure_all(p, nrm_best_isa(), values[i].name);
            problem_free(p);
        }
    group_end();
}

static void test_random(nrm_isa isa, nrm_dtype type, uint64_t problems)
{
    uint64_t seed;
    group("%s, %s, random problems", nrm_isa_name(isa), type_name[type]);
    for (seed = 1; seed <= problems; ++seed) {
        problem *p = problem_draw_as(seed, type);
        measure_all(p, isa, "drawn");
        problem_free(p);
    }
    group_end();
}

int main(int argc, char **argv)
{
    const uint64_t problems = argc > 2 ? strtoul(argv[2], NULL, 10) : 40;
    size_t i;
    int type;
    if (argc > 1) limit = strtoul(argv[1], NULL, 10);
    if (!prepare_stack()) {
        skip("no memory that can be a stack");
        return done_testing();
    }
    test_paint();
    for (type = 0; type < TYPES; ++type) {
        if (!type_is_here((nrm_dtype)type)) continue;
        for (i = 0; i < ISAS; ++i) {
            if (!nrm_has_isa(all_isa[i])) continue;
            test_listed(all_isa[i], (nrm_dtype)type);
            test_random(all_isa[i], (nrm_dtype)type, problems);
        }
        if (!SMALL_CALLS_USE_POOLS) test_large((nrm_dtype)type);
    }
    note("deepest of %lu calls: %zu bytes of %zu: %s", deepest.calls, deepest.bytes, limit,
         deepest.text);
    return done_testing();
}

#else

int main(void)
{
    skip("no threads and pages of POSIX here");
    return done_testing();
}

#endif
