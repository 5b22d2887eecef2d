/* yours_report.h - what fuzz-yours says at the end: what the function does, a table, what does not
 * hold, and the worst input as a program. Or, when the function crashes, in which call.
 */
#ifndef YOURS_REPORT_H
#define YOURS_REPORT_H

/* ---- crashes --------------------------------------------------------------------------------- */

static void describe_call(FILE *out, const problem *p, enum verb verb, nrm_layout layout)
{
    const nrm_desc *d = &p->d;
    int slot;
    fprintf(out, "  %s norm, %s, %s, %s: n %zu, c %zu, s %zu", kind_name[d->kind], verb_name[verb],
            type_name[d->dtype], layout_name[layout], d->n, d->c, d->s);
    if (d->kind == NRM_GROUP) fprintf(out, ", %zu groups", d->groups);
    fprintf(out, "; eps %.3g%s%s; given", d->eps, d->act == NRM_RELU ? ", NRM_RELU" : "",
            d->affine_per_sample ? ", affine per sample" : "");
    for (slot = SLOT_X; slot < SLOT_MOMENTS; ++slot)
        if (slot_role(p, verb, (enum slot)slot) != '.') fprintf(out, " %s", slot_name[slot]);
    fprintf(out, "\n");
}

/* Not what a handler may call everywhere, but the program is lost already. */
static void on_signal(int number)
{
    signal(number, SIG_DFL);
    if (number == SIGALRM)
        printf("fuzz-yours: %s did not return within %d seconds", fuzz.name, LONGEST);
    else
        printf("fuzz-yours: %s ended the program (%s)", fuzz.name, strsignal(number));
    printf("%s\n", line.now ? " in this call:" : "");
    if (line.now) describe_call(stdout, line.now, line.verb, line.layout);
    if (line.now)
        printf("  after %lu problems of seed %llu\n", fuzz.problems, (unsigned long long)fuzz.seed);
    fflush(stdout);
    _exit(1);
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    size_t i;
    for (i = 0; i < COUNT(numbers); ++i) signal(numbers[i], on_signal);
}

/* ---- what it does ---------------------------------------------------------------------------- */

static void add_word(char *to, size_t size, const char *word)
{
    snprintf(to + strlen(to), size - strlen(to), "%s%s", *to ? ", " : "", word);
}

static void print_words(const char *head, const char *words)
{
    size_t column = strlen(head);
    if (!*words) return;
    printf("%s", head);
    while (*words) {
        size_t length = strcspn(words, ",");
        length += words[length] == ',';
        if (column + length > 96) column = 14, printf("\n%14s", "");
        printf(" %.*s", (int)length, words);
        column += length + 1, words += length;
        words += *words == ' ';
    }
    printf("\n");
}

static void print_ability(void)
{
    char does[600] = "", not[600] = "", wrong[600] = "";
    unsigned types = 0, layouts = 0, fits = 0, with = 0, without = 0, bad = 0;
    size_t i, k;
    for (i = 0; i < asked.ways; ++i) {
        const way_of *w = &asked.way[i];
        types |= 1u << w->dtype, layouts |= 1u << w->layout;
        with |= w->can_with, without |= w->can_without, bad |= w->wrong;
        for (k = 0; k < OPTIONS; ++k)
            if (option_fits(&options_of[k], w)) fits |= 1u << k;
    }
    for (i = 0; i < TYPES; ++i)
        add_word(types >> i & 1 ? does : not, 600, type_name[i]);
    for (i = 0; i < LAYOUTS; ++i)
        add_word(layouts >> i & 1 ? does : not, 600, layout_name[i]);
    for (k = 0; k < OPTIONS; ++k) {
        char text[64];
        if (!(fits >> k & 1)) continue;
        if (bad >> k & 1) add_word(wrong, 600, options_of[k].name);
        if (with >> k & 1)
            add_word(does, 600, options_of[k].name);
        else if (!(bad >> k & 1))
            add_word(not, 600, options_of[k].name);
        snprintf(text, sizeof text, "%s left out", options_of[k].name);
        if (options_of[k].slot && with >> k & 1 && !(without >> k & 1) && !(bad >> k & 1))
            add_word(not, 600, text);
    }
    print_words("does          ", does);
    print_words("returns 1 for ", not);
    print_words("returns 0 for, but gets wrong:", wrong);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const char *thousands(unsigned long v)
{
    static char text[32];
    char digits[32];
    size_t count = (size_t)snprintf(digits, sizeof digits, "%lu", v), i, to = 0;
    for (i = 0; i < count; ++i) {
        if (i && (count - i) % 3 == 0) text[to++] = ',';
        text[to++] = digits[i];
    }
    text[to] = 0;
    return text;
}

static fuzz_case decode_finding(const finding *f)
{
    genome in = f->in;
    settle(&in, f->way);
    return decode_for(&in, f->way);
}

static void print_cells(const row *r)
{
    const char *input = *r->first ? r->first : r->worst.family;
    const int cut = strlen(input) > 18;
    char type[24] = "";
    fuzz_case a, b;
    if (!r->worst.way) {
        printf("%8s %7s %7s  %-8s %-18s", "-", "-", "-", "", "");
        return;
    }
    a = decode_finding(&r->worst);
    if (r->ordinary.way) {
        b = decode_finding(&r->ordinary);
        printf("%8s ", ratio_text(b.p, &r->ordinary.v));
        case_free(&b);
    } else {
        printf("%8s ", "-");
    }
    snprintf(type, sizeof type, "%s%s%s", slot_name[r->worst.v.out],
             a.p->d.dtype == NRM_F32 ? "" : " ",
             a.p->d.dtype == NRM_F32 ? "" : type_name[a.p->d.dtype]);
    printf("%7s %7s  %-8s %-*.*s%s", ratio_text(a.p, &r->worst.v), ulps_text(a.p, &r->worst.v),
           type, cut ? 16 : 18, cut ? 16 : 18, input, cut ? ".." : "");
    case_free(&a);
}

static void print_same(const row *r)
{
    int i, tested = 0, broken = 0;
    for (i = 0; i < SAMES; ++i) tested += r->same[i] != NOT_TESTED, broken += r->same[i] == BROKEN;
    if (!broken) printf(" all %d", tested);
    for (i = 0, tested = 0; i < SAMES; ++i)
        if (r->same[i] == BROKEN) printf("%s%s", tested++ ? ", " : " not ", same_name[i]);
    printf("\n");
}

static FILE *open_beside(const char *name, char *path, size_t size)
{
    const char *folder = getenv("YOURS_OUT");
    snprintf(path, size, "%s/%s", folder ? folder : "", name);
    return folder ? fopen(path, "w") : NULL;
}

/* The same for fuzz/peers.sh: kind, verb, ordinary, worst, what broke it, relations that broke. */
static void save_row(FILE *out, int kind, int verb)
{
    const row *r = &rows[kind][verb];
    int i;
    fprintf(out, "%s\t%s\t", kind_name[kind], verb_name[verb]);
    if (r->ordinary.way) {
        fuzz_case c = decode_finding(&r->ordinary);
        fprintf(out, "%s", ratio_text(c.p, &r->ordinary.v));
        case_free(&c);
    }
    fprintf(out, "\t");
    if (r->worst.way) {
        fuzz_case c = decode_finding(&r->worst);
        fprintf(out, "%s", ratio_text(c.p, &r->worst.v));
        case_free(&c);
    }
    fprintf(out, "\t%s\t", r->first);
    for (i = 0; i < SAMES; ++i)
        if (r->same[i] == BROKEN) fprintf(out, "%s ", same_name[i]);
    fprintf(out, "\n");
}

static void save_table(void)
{
    char path[400];
    FILE *out = open_beside("rows.txt", path, sizeof path);
    int kind, verb;
    for (kind = 0; kind < KINDS && out; ++kind)
        for (verb = 0; verb < ASKED; ++verb)
            if (rows[kind][verb].problems) save_row(out, kind, verb);
    if (out) fclose(out);
}

static void print_table(void)
{
    int kind, verb;
    printf("\n%-32s error, in units of the bound\n", "");
    printf("%-8s %-14s %8s %8s %7s %7s  %-8s %-18s %s\n", "kind", "verb", "problems", "ordinary",
           "worst", "in ulps", "of", "input", "relations");
    for (kind = 0; kind < KINDS; ++kind)
        for (verb = 0; verb < ASKED; ++verb) {
            const row *r = &rows[kind][verb];
            if (!r->problems) continue;
            printf("%-8s %-14s %8s ", kind_name[kind], verb_name[verb], thousands(r->problems));
            print_cells(r);
            print_same(r);
        }
    printf("input: the first that was above the limit, or else the worst; edited: with values set "
           "by hand\n"
           "relations: the same bits again, permuted, joined, in place, at another alignment, by "
           "threads;\nnothing written outside\n");
    fflush(stdout);
}

/* ---- what does not hold ---------------------------------------------------------------------- */

static void print_broken(const row *r, same which)
{
    const finding *f = &r->broken[which];
    fuzz_case c = decode_finding(f);
    shrinking s = {f->way->verb, f->way->layout,  relation_is_broken, 0, 0,
                   which,        r->seed[which], 0, 0};
    const setup plain_one = plain(NRM_AUTO, s.layout);
    other_bits where;
    outcome *o;
    problem *p = shrink(problem_copy(c.p), &s);
    o = call(p, s.verb, &plain_one);
    printf("%s: %s\n", same_name[which], same_text[which]);
    memset(&where, 0, sizeof where);
    if (o) try_same(p, s.verb, s.layout, which, o, s.seed, &where);
    if (which == INSIDE)
        printf("  %s\n", r->outside);
    else if (where.at.slot)
        printf("  %s[%zu] is %s, and in the plain call %s\n", slot_name[where.at.slot],
               where.at.index,
               stored_text(slot_type(&p->d, where.at.slot), where.got),
               stored_text(slot_type(&p->d, where.at.slot), where.want));
    describe_call(stdout, p, s.verb, s.layout);
    if (o) outcome_free(o);
    problem_free(p);
    case_free(&c);
}

/* One of each sort, of the first kind and verb where it is so. */
static int print_all_broken(void)
{
    int which, kind, verb, inside = 0;
    for (which = 0; which < SAMES; ++which) {
        int told = 0;
        for (kind = 0; kind < KINDS; ++kind)
            for (verb = 0; verb < ASKED; ++verb)
                if (rows[kind][verb].same[which] == BROKEN) {
                    if (!told) printf("%s", inside || which ? "" : "\n");
                    if (!told++) print_broken(&rows[kind][verb], (same)which);
                    inside |= which == INSIDE;
                }
    }
    return inside;
}

/* ---- the worst input ------------------------------------------------------------------------- */

static const row *worst_row(void)
{
    const row *worst = NULL;
    int kind, verb;
    for (kind = 0; kind < KINDS; ++kind)
        for (verb = 0; verb < ASKED; ++verb) {
            const row *r = &rows[kind][verb];
            if (r->worst.way && (!worst || r->worst.v.ratio > worst->worst.v.ratio)) worst = r;
        }
    return worst;
}

static size_t values_in(const problem *p, enum verb verb)
{
    size_t count = 0;
    int slot;
    for (slot = SLOT_X; slot < SLOT_MOMENTS; ++slot)
        if (role_reads(slot_role(p, verb, (enum slot)slot)))
            count += slot_count(&p->d, (enum slot)slot);
    return count;
}

static void print_worst(const row *r)
{
    const finding *f = &r->worst;
    fuzz_case c = decode_finding(f);
    const long double keep = f->v.ratio > fuzz.limit ? f->v.ratio / 4 : f->v.ratio * 0.9L;
    shrinking s = {f->way->verb, f->way->layout, error_is_left, keep, 0, INSIDE, 0, 0,
                   0};
    const char *flags = getenv("YOURS_FLAGS"), *suffix = strrchr(fuzz.name, '.');
    const int is_c = !suffix || !strcmp(suffix, ".c");
    verdict v = f->v;
    char path[400];
    problem *p;
    nrm_dtype type;
    FILE *file;
    if (f->v.ratio > fuzz.limit && s.least < fuzz.limit) s.least = fuzz.limit;
    s.nan = f->v.ratio > fuzz.limit && !is_number(c.p, &v);
    if (s.nan) s.least = fuzz.limit;
    p = shrink(problem_copy(c.p), &s);
    v = verdict_of(p, s.verb, s.layout);
    type = slot_type(&p->d, v.out);
    printf("\nthe worst input, shrunk: %s norm, %s, %s, %s\n", kind_name[p->d.kind],
           verb_name[s.verb], type_name[p->d.dtype], layout_name[s.layout]);
    printf("  %s[%zu] is %s (%s)%s\n", slot_name[v.out], v.at, value_text(type, v.got),
           stored_text(type, v.got), v.unwritten ? ", which is not written" : "");
    printf("  %s (%s) is expected, within %.3Lg", value_text(type, v.exact),
           stored_text(type, v.exact), v.bound);
    if (is_number(p, &v))
        printf(": off by %s units of the bound, %s ulps", ratio_text(p, &v), ulps_text(p, &v));
    printf("\n");
    file = open_beside("worst.c", path, sizeof path);
    if (file) {
        print_program(file, p, &s, &v);
        fclose(file);
        printf("  to see it: %s -include %s %s%s%s -lm && ./a.out\n",
               is_c ? "cc -I." : "c++ -I. -x c++", fuzz.name, path, flags && *flags ? " " : "",
               flags ? flags : "");
    }
    if (values_in(p, s.verb) <= 64) {
        printf("\n");
        print_program(stdout, p, &s, &v);
    }
    problem_free(p);
    case_free(&c);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void tell_strange(void)
{
    printf("fuzz-yours: %s returned %d: it is to return 0 when it has written what `a` points to,\n"
           "and 1 when it does not do this problem\n", fuzz.name, line.strange);
}

/* The exit status. */
static int yours_report(void)
{
    const row *worst = worst_row();
    size_t i;
    int outside, wrong = 0;
    if (line.strange) {
        tell_strange();
        return 2;
    }
    for (i = 0; i < asked.ways; ++i) wrong |= asked.way[i].wrong != 0;
    printf("\n%s: %s problems in %.1f s, seed %llu\n", fuzz.name, thousands(fuzz.problems),
           seconds_since(&fuzz.start), (unsigned long long)fuzz.seed);
    print_ability();
    print_table();
    save_table();
    outside = print_all_broken();
    if (line.states) printf("%lu calls left another floating point state\n", line.states);
    if (worst) print_worst(worst);
    if (worst && worst->worst.v.ratio > fuzz.limit)
        printf("\nfuzz-yours: above %Lg unit%s of the bound\n", fuzz.limit,
               fuzz.limit == 1 ? "" : "s");
    else if (outside || wrong)
        printf("\nfuzz-yours: %s\n", outside ? "writes outside of its outputs"
                                             : "returns 0 for options that it leaves out");
    else
        printf("\nfuzz-yours: within %Lg unit%s of the bound\n", fuzz.limit,
               fuzz.limit == 1 ? "" : "s");
    return (worst && worst->worst.v.ratio > fuzz.limit) || outside || wrong;
}

#endif /* YOURS_REPORT_H */
