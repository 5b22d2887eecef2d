/* yours_shrink.h - a problem made as small as it can be while something is still wrong with it: of
 * fewer samples, channels and positions, with fewer options, and values of fewer digits. And a
 * problem as a C program. Include yours_ask.h before it.
 */
#ifndef YOURS_SHRINK_H
#define YOURS_SHRINK_H

typedef struct shrinking {
    enum verb verb;
    nrm_layout layout;
    int (*wrong)(const problem *p, const struct shrinking *s);
    long double least;   /* of an error: units of the bound                */
    int nan;             /* ... which is NaN, or Inf, and stays so         */
    same which;          /* of a relation                                  */
    unsigned seed;
    unsigned long tries; /* left                                           */
    time_t until;
} shrinking;

/* ---- what is wrong --------------------------------------------------------------------------- */

static verdict verdict_of(const problem *p, enum verb verb, nrm_layout layout)
{
    verdict v = {-1, SLOT_NONE, 0, 0, 0, 0, 0};
    setup s = plain(NRM_AUTO, layout);
    outcome *o;
    prepare(p, verb);
    o = call(p, verb, &s);
    if (!o) return v;
    v = judge(p, verb, o);
    outcome_free(o);
    return v;
}

static int is_number(const problem *p, const verdict *v)
{
    return v->got - v->got == 0 && !result_is_inf(p, v);
}

static int error_is_left(const problem *p, const shrinking *s)
{
    const verdict v = verdict_of(p, s->verb, s->layout);
    return v.ratio >= s->least && (!s->nan || !is_number(p, &v));
}

static int relation_is_broken(const problem *p, const shrinking *s)
{
    setup plain_one = plain(NRM_AUTO, s->layout);
    other_bits where;
    outcome *o;
    int broken;
    prepare(p, s->verb);
    o = call(p, s->verb, &plain_one);
    if (!o) return 0;
    broken = try_same(p, s->verb, s->layout, s->which, o, s->seed, &where) == BROKEN;
    outcome_free(o);
    return broken;
}

/* Takes a candidate in the place of *p if it will do, or frees it. */
static int take(problem **p, problem *candidate, shrinking *s)
{
    if (time(NULL) > s->until) s->tries = 0;
    if (!s->tries || expected_status(candidate, s->verb) != NRM_OK || !s->wrong(candidate, s)) {
        s->tries -= s->tries > 0;
        problem_free(candidate);
        return 0;
    }
    --s->tries;
    problem_free(*p);
    *p = candidate;
    return 1;
}

/* ---- fewer ----------------------------------------------------------------------------------- */

/* Without some samples, channels or positions: groups of channels as a whole, while there are
   several that have several. */
static problem *problem_without(const problem *p, int along, size_t first, size_t count)
{
    problem *q = (problem *)test_alloc(1, sizeof *q);
    size_t *length[3];
    int slot;
    *q = *p;
    length[0] = &q->d.n, length[1] = &q->d.c, length[2] = &q->d.s;
    if (along == 1 && q->d.kind == NRM_GROUP && q->d.groups > 1)
        q->d.groups -= count / (q->d.c / q->d.groups);
    *length[along] -= count;
    problem_alloc(q);
    for (slot = SLOT_X; slot <= SLOT_RUNNING_VAR; ++slot) {
        const nrm_dtype type = slot_type(&p->d, (enum slot)slot);
        size_t axis[3], at[3], from = 0, to = 0;
        slot_axes(&p->d, (enum slot)slot, axis);
        for (at[0] = 0; at[0] < axis[0]; ++at[0])
            for (at[1] = 0; at[1] < axis[1]; ++at[1])
                for (at[2] = 0; at[2] < axis[2]; ++at[2], ++from)
                    if (axis[along] == 1 || at[along] < first || at[along] - first >= count)
                        copy_element(type, q->value[slot], to++, p->value[slot], from);
    }
    return q;
}

/* Halves while that helps, then quarters and so on to single ones. */
static int drop_along(problem **p, int along, shrinking *s)
{
    int any = 0;
    size_t parts;
    for (parts = 2;; parts *= 2) {
        const nrm_desc *d = &(*p)->d;
        const size_t length = along == 0 ? d->n : along == 1 ? d->c : d->s;
        const size_t unit =
            along == 1 && d->kind == NRM_GROUP && d->groups > 1 ? d->c / d->groups : 1;
        const size_t units = length / unit;
        size_t count = units / parts, left = units, first = 0;
        if (units < 2) return any;
        count += !count;
        while (first + count <= left && count < left && s->tries)
            if (take(p, problem_without(*p, along, first * unit, count * unit), s))
                any = 1, left -= count;
            else
                first += count;
        if (count == 1 || !s->tries) return any;
    }
}

/* ---- simpler --------------------------------------------------------------------------------- */

typedef void simplify(problem *p);

static void no_relu(problem *p) { p->d.act = NRM_IDENTITY; }
static void no_per_sample(problem *p) { p->d.affine_per_sample = 0; }
static void no_accumulate(problem *p) { p->accumulate = 0; }
static void no_gaps(problem *p)
{
    memset(p->line_gap, 0, sizeof p->line_gap);
    memset(p->sample_gap, 0, sizeof p->sample_gap);
}
static void no_offset(problem *p) { p->d.gamma_offset = 0; }
static void plain_eps(problem *p) { p->d.eps = 1e-5; }
static void zero_eps(problem *p) { p->d.eps = 0; }
static void plain_rate(problem *p) { p->running_rate = 1; }
static void population(problem *p) { p->running_population = 1; }

static int is_like(const problem *a, const problem *b)
{
    return a->d.act == b->d.act && a->d.affine_per_sample == b->d.affine_per_sample &&
           a->accumulate == b->accumulate && a->d.gamma_offset == b->d.gamma_offset &&
           a->d.eps == b->d.eps && a->running_rate == b->running_rate &&
           a->running_population == b->running_population && a->given == b->given &&
           !memcmp(a->line_gap, b->line_gap, sizeof a->line_gap) &&
           !memcmp(a->sample_gap, b->sample_gap, sizeof a->sample_gap);
}

/* Options away, one after the other, and pointers that need not be given. */
static int drop_options(problem **p, shrinking *s)
{
    static simplify *const all[] = {no_relu,   no_per_sample, no_accumulate, no_gaps,   no_offset,
                                    plain_rate, population,    zero_eps,      plain_eps};
    int any = 0, slot;
    size_t i;
    for (i = 0; i < COUNT(all); ++i) {
        problem *q = problem_copy(*p);
        all[i](q);
        /* eps 0 is simple, but 1e-5 is what everybody takes */
        if (is_like(q, *p) || (all[i] == zero_eps && (*p)->d.eps == 1e-5))
            problem_free(q);
        else
            any |= take(p, q, s);
    }
    for (slot = SLOT_X; slot < SLOT_MOMENTS; ++slot) {
        problem *q;
        if (verb_roles[s->verb][slot] < 'a' || !((*p)->given >> slot & 1)) continue;
        q = problem_copy(*p);
        q->given &= ~GIVEN(slot);
        if (verb_is_back(s->verb) && !(q->given & (GIVEN(SLOT_DX) | PARAMETER_GRADIENTS)))
            problem_free(q);
        else
            any |= take(p, q, s);
    }
    return any;
}

/* Significant bits, by which 0 is simplest, and 1 simpler than 3. */
static int digits_of(double v)
{
    int exponent, digits = 0;
    v = fabs(v);
    if (!(v > 0)) return 0;
    if (v - v != 0) return 100;
    v = frexp(v, &exponent);
    for (; v > 0; ++digits) v = 2 * v - floor(2 * v);
    return digits + (exponent != 1); /* powers of two but 1 come after it */
}

static double rounded_to(double v, int digits)
{
    int exponent;
    const double fraction = frexp(v, &exponent);
    return ldexp(floor(ldexp(fraction, digits) + 0.5), exponent - digits);
}

static int simpler_value(problem **p, enum slot slot, size_t i, shrinking *s)
{
    static const int digits[] = {1, 2, 4, 8, 12, 16};
    const nrm_dtype type = slot_type(&(*p)->d, slot);
    const double old = type_get(type, (*p)->value[slot], i);
    size_t k;
    for (k = 0; k < COUNT(digits) + 2; ++k) {
        const double v = k < 2 ? (double)k : rounded_to(old, digits[k - 2]);
        problem *q;
        if (!(v - v == 0) || digits_of(v) >= digits_of(old)) continue;
        q = problem_copy(*p);
        type_put(type, q->value[slot], i, v);
        if (take(p, q, s)) return 1;
    }
    return 0;
}

static int simplify_values(problem **p, shrinking *s)
{
    int any = 0, slot;
    size_t i;
    for (slot = SLOT_X; slot <= SLOT_RUNNING_VAR; ++slot) {
        const size_t count = slot_count(&(*p)->d, (enum slot)slot);
        if (!role_reads(slot_role(*p, s->verb, (enum slot)slot)) || count > 128) continue;
        for (i = 0; i < count && s->tries; ++i) any |= simpler_value(p, (enum slot)slot, i, s);
    }
    return any;
}

/* The problem is the caller's, and is another one afterwards. */
static problem *shrink(problem *p, shrinking *s)
{
    int any = 1, along;
    s->tries = 20000, s->until = time(NULL) + 10;
    while (any && s->tries) {
        any = 0;
        for (along = 2; along >= 0; --along) any |= drop_along(&p, along, s);
        any |= drop_options(&p, s);
        if (!any) any |= simplify_values(&p, s);
    }
    if (s->layout == NRM_NHWC) {
        s->layout = NRM_NCHW;
        if (!s->wrong(p, s)) s->layout = NRM_NHWC;
    }
    prepare(p, s->verb);
    return p;
}

/* ---- as a program ---------------------------------------------------------------------------- */

static const char *const verb_enum[ASKED] = {"NRM_FORWARD", "NRM_INFER", "NRM_BACKWARD",
                                             "NRM_INFER_BACKWARD"};
static const char *const kind_enum[KINDS] = {"NRM_BATCH", "NRM_LAYER", "NRM_INSTANCE", "NRM_GROUP",
                                             "NRM_RMS"};
static const char *const type_enum[TYPES] = {"NRM_F32", "NRM_F64", "NRM_BF16", "NRM_F16"};

static const char *c_type(nrm_dtype type)
{
    return type == NRM_F64 ? "double" : type_is_half(type) ? "uint16_t" : "float";
}

/* As a hexadecimal float, which a compiler reads to the bit; halves as their bits. */
static const char *c_value(nrm_dtype type, const void *values, size_t i)
{
    static char text[64];
    const double v = type_get(type, values, i);
    if (type_is_half(type))
        snprintf(text, sizeof text, "0x%04x", (unsigned)type_bits(type, values, i));
    else if (is_nan_f64(v))
        snprintf(text, sizeof text, "NAN");
    else if (v - v != 0)
        snprintf(text, sizeof text, "%sINFINITY", v < 0 ? "-" : "");
    else
        snprintf(text, sizeof text, type == NRM_F64 ? "%a" : "%af", v);
    return text;
}

static void print_array(FILE *out, const bed *b, enum slot slot)
{
    const nrm_dtype type = slot_type(&b->d, slot);
    const size_t count = slot_bytes(&b->d, slot) / type_size(type);
    size_t i, column;
    const int reads = role_reads(b->role[slot]);
    column = (size_t)fprintf(out, "    static %s %s[%zu]", c_type(type), slot_name[slot], count);
    if (reads) column += (size_t)fprintf(out, " = {");
    for (i = 0; i < count && reads; ++i) {
        const char *v = c_value(type, b->data[slot], i);
        if (i) column += (size_t)fprintf(out, ",");
        if (column + strlen(v) > 95) column = (size_t)fprintf(out, "\n       ") - 1;
        column += (size_t)fprintf(out, "%s%s", i ? " " : "", v);
    }
    fprintf(out, "%s;\n", reads ? "}" : "");
}

static void print_fields(FILE *out, const problem *p, const bed *b)
{
    const nrm_desc *d = &b->d;
    size_t column = 0;
    int slot;
    fprintf(out, "    d.kind = %s, d.n = %zu, d.c = %zu, d.s = %zu", kind_enum[d->kind], d->n, d->c,
            d->s);
    if (d->kind == NRM_GROUP) fprintf(out, ", d.groups = %zu", d->groups);
    fprintf(out, ", d.eps = %.17g;\n", d->eps);
    if (d->layout == NRM_NHWC) fprintf(out, "    d.layout = NRM_NHWC;\n");
    if (d->dtype != NRM_F32) fprintf(out, "    d.dtype = %s;\n", type_enum[d->dtype]);
    if (d->act == NRM_RELU) fprintf(out, "    d.act = NRM_RELU;\n");
    if (d->affine_per_sample) fprintf(out, "    d.affine_per_sample = 1;\n");
    if (d->gamma_offset != 0) fprintf(out, "    d.gamma_offset = %.17g;\n", d->gamma_offset);
    if (d->x_pitch.line || d->x_pitch.sample)
        fprintf(out, "    d.x_pitch.line = %zu, d.x_pitch.sample = %zu;\n", d->x_pitch.line,
                d->x_pitch.sample);
    if (d->y_pitch.line || d->y_pitch.sample)
        fprintf(out, "    d.y_pitch.line = %zu, d.y_pitch.sample = %zu;\n", d->y_pitch.line,
                d->y_pitch.sample);
    for (slot = SLOT_X; slot < SLOT_MOMENTS; ++slot)
        if (b->role[slot] != '.') {
            if (column > 75) column = (size_t)fprintf(out, ";\n") - 2;
            column += (size_t)fprintf(out, "%sa.%s = %s", column ? ", " : "    ", slot_name[slot],
                                      slot_name[slot]);
        }
    fprintf(out, ";\n");
    if (b->role[SLOT_RUNNING_MEAN] == 'u' || b->role[SLOT_RUNNING_VAR] == 'u')
        fprintf(out, "    a.running_rate = %.17g, a.running_population = %d;\n", p->running_rate,
                p->running_population);
    if (b->role[SLOT_DGAMMA] == 'u' || b->role[SLOT_DBETA] == 'u')
        fprintf(out, "    a.accumulate = 1;\n");
}

/* Where element `at` of the canonical order lies. */
static size_t place_of(const nrm_desc *d, enum slot slot, size_t at)
{
    if (!slot_is_tensor(slot)) return at;
    return ref_at(d, slot < SLOT_Y ? d->x_pitch : d->y_pitch, at / (d->c * d->s),
                  at / d->s % d->c, at % d->s);
}

static const char *value_text(nrm_dtype type, long double v)
{
    static char text[4][64];
    static int turn;
    char *to = text[turn = (turn + 1) % 4];
    if (v != v)
        snprintf(to, 64, "NaN");
    else
        snprintf(to, 64, type == NRM_F64 ? "%.17Lg" : "%.9Lg", v);
    return to;
}

/* The value as its type holds it, in hexadecimal. */
static const char *stored_text(nrm_dtype type, long double v)
{
    static char text[2][64];
    static int turn;
    unsigned char stored[8];
    turn = !turn;
    type_put(type, stored, 0, (double)v);
    snprintf(text[turn], 64, "%s", c_value(type, stored, 0));
    return text[turn];
}

static void print_program(FILE *out, const problem *p, const shrinking *s, const verdict *v)
{
    const nrm_dtype type = slot_type(&p->d, v->out);
    const setup set = plain(NRM_AUTO, s->layout);
    const int half = type_is_half(type);
    size_t at;
    int slot;
    bed b;
    bed_make(&b, p, s->verb, &set);
    at = place_of(&b.d, v->out, v->at);
    fprintf(out, "#include \"normalize.h\"\n#include <math.h>\n#include <stdio.h>\n\n"
                 "int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a);\n\n"
                 "int main(void)\n{\n");
    for (slot = SLOT_X; slot < SLOT_MOMENTS; ++slot)
        if (b.role[slot] != '.') print_array(out, &b, (enum slot)slot);
    fprintf(out, "    nrm_desc d = {0};\n    nrm_args a = {0};\n");
    print_fields(out, p, &b);
    fprintf(out, "    if (yours(%s, &d, &a)) return 1;\n", verb_enum[s->verb]);
    fprintf(out, "    printf(\"%s[%zu] is %s, expected %s\\n\", %s%s[%zu]);\n",
            slot_name[v->out], at, half ? "0x%04x" : "%a", stored_text(type, v->exact),
            half ? "(unsigned)" : "(double)", slot_name[v->out], at);
    fprintf(out, "    return 0;\n}\n");
    bed_release(&b);
}

#endif /* YOURS_SHRINK_H */
