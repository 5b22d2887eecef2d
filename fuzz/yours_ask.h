/* yours_ask.h - what your function does: it is asked, one small problem at a time, before anything
 * is drawn. Each kind, verb, storage type and layout is a way; for each way that it does, which
 * pointers may be given or left out, and which options may be set. Include yours_judge.h before it.
 *
 * A problem is a string of bytes, as decode.h reads it; `settle` makes any string one that the
 * function does, as far as the answers tell.
 */
#ifndef YOURS_ASK_H
#define YOURS_ASK_H

/* ---- strings of bytes ------------------------------------------------------------------------ */

#define GENOME 400

typedef struct genome {
    size_t size;
    unsigned char data[GENOME];
} genome;

static unsigned given_of(const genome *in)
{
    return in->data[AT_GIVEN] | (unsigned)in->data[AT_GIVEN + 1] << 8 |
           (unsigned)in->data[AT_GIVEN + 2] << 16;
}

static void set_given(genome *in, unsigned given)
{
    in->data[AT_GIVEN] = (unsigned char)given;
    in->data[AT_GIVEN + 1] = (unsigned char)(given >> 8);
    in->data[AT_GIVEN + 2] = (unsigned char)(given >> 16);
}

/* ---- options --------------------------------------------------------------------------------- */

/* What may be asked of a call beside its sizes. Those of a slot are the pointer given, all others
   bits of one byte. */
typedef struct option {
    const char *name;
    enum slot slot;          /* SLOT_NONE: not a pointer */
    unsigned char at, bits;
} option;

static const option options_of[] = {
    {"gamma", SLOT_GAMMA, 0, 0},
    {"beta", SLOT_BETA, 0, 0},
    {"residual", SLOT_RESIDUAL, 0, 0},
    {"sum", SLOT_SUM, 0, 0},
    {"mean", SLOT_MEAN, 0, 0},
    {"rstd", SLOT_RSTD, 0, 0},
    {"running_mean", SLOT_RUNNING_MEAN, 0, 0},
    {"running_var", SLOT_RUNNING_VAR, 0, 0},
    {"dsum", SLOT_DSUM, 0, 0},
    {"dx", SLOT_DX, 0, 0},
    {"dgamma", SLOT_DGAMMA, 0, 0},
    {"dbeta", SLOT_DBETA, 0, 0},
    {"NRM_RELU", SLOT_NONE, AT_FLAGS, 1},
    {"affine_per_sample", SLOT_NONE, AT_FLAGS, 2},
    {"accumulate", SLOT_NONE, AT_FLAGS, 4},
    {"running_population", SLOT_NONE, AT_FLAGS, 8},
    {"gamma_offset", SLOT_NONE, AT_FLAGS, 0xe0},
    {"pitch.line", SLOT_NONE, AT_GAPS, 0x11},
    {"pitch.sample", SLOT_NONE, AT_GAPS, 0x22},
    {"s of more than 1", SLOT_NONE, AT_S, 0xff},
};
#define OPTIONS COUNT(options_of)
enum { OPTION_MOVES = 7, OPTION_POPULATION = 15, OPTION_S = 19 };

/* A way that the function may do: without, with, or either, each an answer for one option. */
typedef struct way_of {
    nrm_kind kind;
    enum verb verb;
    nrm_dtype dtype;
    nrm_layout layout;
    genome base;         /* the plainest problem that it does                     */
    unsigned can_with, can_without, wrong; /* a bit for each option               */
    verdict worst_wrong; /* of the first option that gives wrong results          */
} way_of;

#define MOST_WAYS (KINDS * ASKED * TYPES * LAYOUTS)

static struct {
    way_of way[MOST_WAYS];
    size_t ways;
    unsigned long calls;
} asked;

/* ---- from bytes to a call -------------------------------------------------------------------- */

static unsigned char dtype_code(nrm_dtype type)
{
    static const unsigned char code[TYPES] = {0, 6, 2, 4}; /* as decode.h has them */
    return code[type];
}

static void point_at(genome *in, const way_of *w)
{
    in->data[AT_KIND] = (unsigned char)w->kind;
    in->data[AT_DTYPE] = dtype_code(w->dtype);
    in->data[AT_FAMILY] = verb_is_running(w->verb) ? INFERENCE : TRAINING;
}

static int is_set(const genome *in, const option *o)
{
    if (o->slot) return (int)(given_of(in) >> o->slot & 1);
    return (in->data[o->at] & o->bits) != 0;
}

static void set_option(genome *in, const option *o, int on)
{
    if (o->slot) {
        set_given(in, (given_of(in) & ~GIVEN(o->slot)) | (on ? GIVEN(o->slot) : 0));
    } else {
        const unsigned char one = (unsigned char)(o->bits & -o->bits); /* the lowest bit */
        in->data[o->at] = (unsigned char)(in->data[o->at] & ~o->bits);
        if (on) in->data[o->at] |= o->at == AT_GAPS ? o->bits : o->at == AT_S ? 2 : one;
    }
}

/* The option can be asked of this verb and kind. */
static int option_fits(const option *o, const way_of *w)
{
    const int back = verb_is_back(w->verb), moves = w->verb == VERB_FORWARD &&
                     (w->kind == NRM_BATCH || w->kind == NRM_INSTANCE);
    if (o->slot == SLOT_RUNNING_MEAN || o->slot == SLOT_RUNNING_VAR) return moves;
    if (o->slot == SLOT_MEAN && w->kind == NRM_RMS) return 0;
    if (o->slot) return verb_roles[w->verb][o->slot] >= 'a';
    if (o == &options_of[OPTION_POPULATION]) return moves;
    return o->at != AT_FLAGS || o->bits != 4 || back;
}

/* Nonempty; values of `wild` scale aside, what the function does. Of an option whose other state
   it does not do the state of the base is taken. */
static void settle(genome *in, const way_of *w)
{
    size_t i;
    point_at(in, w);
    for (i = AT_N; i <= AT_S; i += 2)
        if (in->data[i] == 255) in->data[i] = 5;
    in->data[AT_EPS] %= 9; /* 1e-5 0 1e-12 1e-3 1 1e3 1e30 1e38 1e-38 */
    for (i = 0; i < OPTIONS; ++i) {
        const option *o = &options_of[i];
        const int on = is_set(in, o), base = is_set(&w->base, o);
        if (!option_fits(o, w) || on == base) continue;
        if (!((on ? w->can_with : w->can_without) >> i & 1)) set_option(in, o, base);
    }
    if (!(w->can_with >> OPTION_S & 1)) in->data[AT_S] = in->data[AT_S + 1] = 0;
}

static fuzz_case decode_for(const genome *in, const way_of *w)
{
    fuzz_case f = case_decode(in->data, in->size);
    prepare(f.p, w->verb);
    return f;
}

/* ---- asking ---------------------------------------------------------------------------------- */

typedef enum answer { DECLINED, DONE, WRONG } answer;

#define FAR_OFF 1e4L /* units of the bound: more than rounding explains, of an easy problem */

/* Two samples of four channels and three positions, all values about N(0, 1). */
static genome easy(const way_of *w, int positions, unsigned given)
{
    genome in;
    size_t i;
    memset(&in, 0, sizeof in);
    in.size = DECODE_HEAD;
    point_at(&in, w);
    in.data[AT_N] = 1, in.data[AT_C] = 3, in.data[AT_S] = (unsigned char)(positions > 1 ? 2 : 0);
    in.data[AT_GROUPS] = 1;
    for (i = AT_VALUES + 1; i < DECODE_HEAD; ++i)
        in.data[i] = (unsigned char)(i < AT_VALUES + 16 ? i % 4 == 1 : i % 2);
    set_given(&in, given);
    return in;
}

static answer ask_one(const way_of *w, const genome *in, verdict *v)
{
    fuzz_case f = decode_for(in, w);
    setup s = plain(NRM_AUTO, w->layout);
    outcome *o = call(f.p, w->verb, &s);
    answer a = DECLINED;
    ++asked.calls;
    if (o) {
        *v = judge(f.p, w->verb, o);
        a = v->ratio > FAR_OFF ? WRONG : DONE;
        outcome_free(o);
    }
    case_free(&f);
    return a;
}

/* The plainest problem that is done: with gamma and beta, with positions, with all gradients,
   without statistics; and then with less, or more, of each. */
static int ask_base(way_of *w, verdict *v)
{
    const unsigned affine[3] = {GIVEN(SLOT_GAMMA) | GIVEN(SLOT_BETA), GIVEN(SLOT_GAMMA), 0};
    const unsigned grads = GIVEN(SLOT_DGAMMA) | GIVEN(SLOT_DBETA), dx = GIVEN(SLOT_DX);
    const unsigned stats = GIVEN(SLOT_MEAN) | GIVEN(SLOT_RSTD);
    int positions, i, more;
    for (positions = 3; positions >= 1; positions -= 2)
        for (more = 0; more < 2; ++more)
            for (i = 0; i < 3; ++i) {
                const unsigned outs = verb_is_back(w->verb) ? (more ? dx : dx | grads)
                                      : more                ? stats
                                                            : 0;
                w->base = easy(w, positions, affine[i] | outs);
                if (ask_one(w, &w->base, v) != DECLINED) return 1;
            }
    return 0;
}

static void ask_options(way_of *w, const verdict *base)
{
    size_t i;
    for (i = 0; i < OPTIONS; ++i) {
        const option *o = &options_of[i];
        const int on = is_set(&w->base, o);
        unsigned *other = on ? &w->can_without : &w->can_with;
        genome in = w->base;
        verdict v;
        answer a;
        *(on ? &w->can_with : &w->can_without) |= 1u << i;
        if (!option_fits(o, w)) continue;
        set_option(&in, o, !on);
        if (i == OPTION_POPULATION) { /* which is about a variance that moves */
            if (!(w->can_with >> OPTION_MOVES & 1)) continue;
            set_option(&in, &options_of[OPTION_MOVES], 1);
        }
        a = ask_one(w, &in, &v);
        if (a == WRONG && base->ratio <= FAR_OFF) {
            if (!w->wrong) w->worst_wrong = v;
            w->wrong |= 1u << i;
        } else if (a != DECLINED) {
            *other |= 1u << i;
        }
    }
}

static void ask_all(void)
{
    size_t kind, verb, type, layout;
    for (kind = 0; kind < KINDS; ++kind)
        for (verb = 0; verb < ASKED; ++verb)
            for (type = 0; type < TYPES; ++type)
                for (layout = 0; layout < LAYOUTS; ++layout) {
                    way_of *w = &asked.way[asked.ways];
                    verdict base;
                    memset(w, 0, sizeof *w);
                    w->kind = (nrm_kind)kind, w->verb = (enum verb)verb;
                    w->dtype = (nrm_dtype)type, w->layout = (nrm_layout)layout;
                    if (!verb_fits(w->verb, w->kind) || !ask_base(w, &base)) continue;
                    ask_options(w, &base);
                    ++asked.ways;
                }
}

#endif /* YOURS_ASK_H */
