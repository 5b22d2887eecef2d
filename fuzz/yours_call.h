/* yours_call.h - your function in the place of the library. tests/support/problem.h lays a problem
 * out and makes the described calls, relate.h compares what they give. Here the names of these
 * calls lead to `yours`: the same code lays out, guards, collects and compares, and nothing of the
 * library is linked.
 *
 * Include it first.
 */
#ifndef YOURS_CALL_H
#define YOURS_CALL_H

#include <time.h>
#include <unistd.h>

#include "../normalize.h"

int call_yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a); /* call_yours.c */
static nrm_status yours_status(nrm_verb verb, const nrm_desc *d, const nrm_args *a);

#define nrm_forward(d, a) yours_status(NRM_FORWARD, d, a)
#define nrm_infer(d, a) yours_status(NRM_INFER, d, a)
#define nrm_backward(d, a) yours_status(NRM_BACKWARD, d, a)
#define nrm_infer_backward(d, a) yours_status(NRM_INFER_BACKWARD, d, a)

/* The parts take more than nrm_args, and are not asked for. The rest asks about the library. */
#define nrm_reduce(d, a, moments) ((void)(moments), yours_status(NRM_REDUCE, d, a))
#define nrm_apply(d, a, moments) ((void)(moments), yours_status(NRM_APPLY, d, a))
#define nrm_backward_reduce(d, a, sums) ((void)(sums), yours_status(NRM_BACKWARD_REDUCE, d, a))
#define nrm_backward_apply(d, a, sums) ((void)(sums), yours_status(NRM_BACKWARD_APPLY, d, a))
#define nrm_stat_count(d) ((size_t)((d) != NULL))
#define nrm_has_isa(isa) ((int)(isa) < 0)
#define nrm_workspace_size(d, threads) ((void)(d), (void)(threads), (size_t)0)
#define nrm_isa_name(isa) ((void)(isa), "yours")
#define nrm_status_string(status) ((status) == NRM_OK ? "done" : "not done")

#include "../tests/support/test.h"
#include "../tests/support/gen.h"
#include "../tests/support/problem.h"
#include "../tests/support/pool.h"
#include "report.h"
#define DECODE_NORM /* what it does not know it is not asked for */
#include "decode.h"
#include "check.h"
#include "relate.h"

#define LONGEST 20 /* seconds that a call may take */
#define ASKED 4    /* verbs: VERB_FORWARD to VERB_INFER_BACKWARD */

static struct {
    int open;             /* calls get through: not while a case is decoded    */
    int only;             /* 1 + the one verb that does; 0: all of them        */
    nrm_layout layout;    /* of the present call; with `only`, the one layout  */
    const problem *now;   /* of the present call, for who crashes in it; NULL  */
    enum verb verb;
    unsigned long done;   /* calls that returned 0                             */
    unsigned long states; /* that left a floating point state unlike the found */
    int strange;          /* a value returned that is neither 0 nor 1          */
} line;

/* Errors have no outputs: run() then collects nothing. */
static nrm_status yours_status(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    const unsigned long long state = pool_state();
    int returned;
    if (!line.open || (int)verb >= ASKED) return NRM_ERR_DESC;
    if (line.only && (line.only != 1 + (int)verb || d->layout != line.layout)) return NRM_ERR_DESC;
    returned = call_yours(verb, d, a);
    if (pool_state() != state) ++line.states;
    pool_set_state(state);
    if (returned && returned != 1 && !line.strange) line.strange = returned;
    line.done += !returned;
    return returned ? NRM_ERR_DESC : NRM_OK;
}

/* One call. NULL: it does not do this one. */
static outcome *call(const problem *p, enum verb verb, const setup *s)
{
    outcome *o;
    line.open = 1, line.now = p, line.verb = verb, line.layout = s->layout;
    alarm(LONGEST);
    o = run(p, verb, s);
    line.open = 0, line.now = NULL;
    if (o->status == NRM_OK) return o;
    outcome_free(o);
    return NULL;
}

/* ---- what was written outside ---------------------------------------------------------------- */

/* Of the last call, if its outcome is not clean: the first byte outside of its outputs that
   changed, beside the buffer that is nearest. */
static const char *outside_text(const problem *p, enum verb verb, const setup *s)
{
    static char text[200];
    const unsigned char *base, *at, *best = NULL;
    size_t offset[SLOTS], i = 0;
    enum slot nearest = SLOT_NONE;
    int slot;
    bed b;
    bed_describe(&b, p, verb, s);
    b.used = bed_plan(&b, s, offset);
    base = bed_store.memory + (64 - (uintptr_t)bed_store.memory % 64) % 64;
    while (i < b.used && base[i] == bed_store.before[i]) ++i;
    at = base + i;
    for (slot = SLOT_X; slot < SLOTS; ++slot)
        if (offset[slot] && offset[slot] <= i + BED_MARGIN && base + offset[slot] > best)
            best = base + offset[slot], nearest = (enum slot)slot;
    if (!best) return "around its buffers";
    i = slot_bytes(&b.d, nearest);
    if (at < best)
        snprintf(text, sizeof text, "%td bytes before %s", best - at, slot_name[nearest]);
    else if ((size_t)(at - best) == i)
        snprintf(text, sizeof text, "right after the end of %s", slot_name[nearest]);
    else if ((size_t)(at - best) > i)
        snprintf(text, sizeof text, "%td bytes after the end of %s", (ptrdiff_t)(at - best) -
                 (ptrdiff_t)i, slot_name[nearest]);
    else
        snprintf(text, sizeof text, "byte %td of %s, which is %s", at - best, slot_name[nearest],
                 role_reads(b.role[nearest]) ? "only read" : "between its lines");
    return text;
}

#endif /* YOURS_CALL_H */
