/* targets.h - what is fuzzed: each target takes any string of bytes, makes something of it, and
 * checks all that must hold. fuzz.c gives one of them to an engine, replay.c runs files.
 */
#ifndef TARGETS_H
#define TARGETS_H

#include "../tests/support/test.h"
#include "../tests/support/gen.h"
#include "../tests/support/problem.h"
#include "../tests/support/pool.h"
#include "report.h"
#include "decode.h"
#include "check.h"
#include "relate.h"
#include "calls.h"
#include "halves.h"

static inline void describe_case(FILE *out, const void *f)
{
    case_print(out, (const fuzz_case *)f);
}

/* A problem with everything that must hold for it. */
static inline void target_problems(const unsigned char *data, size_t size)
{
    fuzz_case f = case_decode(data, size);
    report_about(describe_case, &f);
    check_family(&f);
    check_relations(&f);
    case_free(&f);
}

static inline void print_problems(FILE *out, const unsigned char *data, size_t size)
{
    fuzz_case f = case_decode(data, size);
    case_print(out, &f);
    case_free(&f);
}

typedef struct target {
    const char *name; /* of the folder that holds its inputs, too */
    void (*run)(const unsigned char *data, size_t size);
    void (*print)(FILE *out, const unsigned char *data, size_t size);
} target;

static const target targets[] = {{"problems", target_problems, print_problems},
                                 {"calls", target_calls, print_calls},
                                 {"halves", target_halves, print_halves}};

static inline const target *target_named(const char *name, size_t length)
{
    size_t i;
    for (i = 0; i < COUNT(targets); ++i)
        if (strlen(targets[i].name) == length && !strncmp(targets[i].name, name, length))
            return &targets[i];
    return NULL;
}

#endif /* TARGETS_H */
