/* replay.c - the fuzz targets without a fuzzing engine: any C99 compiler will do.
 *
 *   cc -O2 -pthread -DNORMALIZE_IMPLEMENTATION fuzz/replay.c -o replay -lm
 *   ./replay [--target NAME] PATH...       files, or folders of them
 *   ./replay --print [--target NAME] FILE  the problem in words
 *   ./replay --random SECONDS [--target NAME] [--seed N] [--keep FOLDER]
 *                                          random bytes, and mutations of them
 *
 * A file's target is the name of the folder it lies in, or of the one above, unless it is given.
 * Output is TAP. One line for each folder or file named; what fails is told in full.
 */
#define NRM_POOL_MIN 1
#include "../normalize.h"

#include <dirent.h>
#include <time.h>

#include "targets.h"

#define MOST_BYTES 4096

static struct {
    const target *target; /* that was given */
    const char *keep;
    uint64_t seed;
    double seconds;
    int print;
} options;

/* ---- files ----------------------------------------------------------------------------------- */

/* Of a path .../problems/name or .../problems/found/name. */
static const target *target_of(const char *path)
{
    const char *end = path + strlen(path), *start;
    while (!options.target && end > path) {
        const target *t;
        for (start = end; start > path && start[-1] != '/'; --start) {}
        t = target_named(start, (size_t)(end - start));
        if (t) return t;
        end = start > path ? start - 1 : path;
    }
    return options.target;
}

/* Its length, or -1. */
static long read_file(const char *path, unsigned char *data)
{
    FILE *file = fopen(path, "rb");
    size_t size;
    if (!file) return -1;
    size = fread(data, 1, MOST_BYTES, file);
    fclose(file);
    return (long)size;
}

static void replay_file(const char *path)
{
    static unsigned char data[MOST_BYTES];
    const target *t = target_of(path);
    const unsigned long failures = report.failures;
    long size = read_file(path, data);
    if (!check(size >= 0, "%s cannot be read", path)) return;
    if (!check(t != NULL, "%s: neither the path nor --target names a target", path)) return;
    if (options.print) {
        printf("%s: %s, %ld bytes\n", path, t->name, size);
        t->print(stdout, data, (size_t)size);
    }
    t->run(data, (size_t)size);
    check(report.failures == failures, "%s", path);
}

static void replay_path(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    char name[1000];
    if (!folder) {
        replay_file(path);
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        replay_path(name);
    }
    closedir(folder);
}

/* ---- random ---------------------------------------------------------------------------------- */

#define POOL_OF_INPUTS 64

typedef struct input {
    size_t size;
    unsigned char data[400];
} input;

/* New bytes, or an earlier input with a few bytes changed or taken from another. */
static input draw_input(gen *g, const input *pool, size_t count)
{
    input in;
    size_t i, changes = 1 + gen_below(g, 6);
    if (!count || gen_one_in(g, 4)) {
        in.size = gen_below(g, sizeof in.data);
        for (i = 0; i < in.size; ++i) in.data[i] = (unsigned char)gen_u64(g);
        return in;
    }
    in = pool[gen_below(g, count)];
    if (!in.size) in.size = 1, in.data[0] = 0;
    for (i = 0; i < changes; ++i) {
        const input *other = &pool[gen_below(g, count)];
        const size_t at = gen_below(g, in.size);
        in.data[at] = gen_one_in(g, 3) && at < other->size ? other->data[at]
                                                           : (unsigned char)gen_u64(g);
    }
    return in;
}

static void keep_input(const target *t, const input *in, unsigned long run)
{
    char name[1000];
    FILE *file;
    if (!options.keep) return;
    snprintf(name, sizeof name, "%s/%s-%llu-%lu", options.keep, t->name,
             (unsigned long long)options.seed, run);
    file = fopen(name, "wb");
    if (!file) return;
    fwrite(in->data, 1, in->size, file);
    fclose(file);
    fprintf(stderr, "kept as %s\n", name);
}

static void replay_random(const target *t)
{
    static input pool[POOL_OF_INPUTS];
    gen g = gen_seed(options.seed);
    const clock_t start = clock();
    unsigned long runs = 0, bad = 0;
    double seconds = 0;
    for (; seconds < options.seconds && bad < 3; ++runs) {
        input in = draw_input(&g, pool, runs < POOL_OF_INPUTS ? runs : POOL_OF_INPUTS);
        const unsigned long failures = report.failures;
        t->run(in.data, in.size);
        pool[runs < POOL_OF_INPUTS ? runs : gen_below(&g, POOL_OF_INPUTS)] = in;
        seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        if (report.failures == failures) continue;
        ++bad;
        fprintf(stderr, "%s: run %lu, after %.1f s\n", t->name, runs, seconds);
        keep_input(t, &in, runs);
    }
    ok(bad == 0, "%s: %lu random runs, seed %llu, %.0f a second", t->name, runs,
       (unsigned long long)options.seed, (double)runs / (seconds > 0 ? seconds : 1));
}

/* ---- main ------------------------------------------------------------------------------------ */

static int parse_options(int argc, char **argv)
{
    int i;
    for (i = 1; i < argc && argv[i][0] == '-'; ++i) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--print")) {
            options.print = 1;
            continue;
        }
        ++i;
        if (!strcmp(argv[i - 1], "--target"))
            options.target = target_named(value, strlen(value));
        else if (!strcmp(argv[i - 1], "--seed"))
            options.seed = strtoull(value, NULL, 10);
        else if (!strcmp(argv[i - 1], "--keep"))
            options.keep = value;
        else if (!strcmp(argv[i - 1], "--random"))
            options.seconds = atof(value);
        else
            return argc + 1;
    }
    return i;
}

int main(int argc, char **argv)
{
    int i = parse_options(argc, argv);
    size_t k;
    report.go_on = 1;
    if (i > argc || (i == argc && options.seconds <= 0)) {
        fprintf(stderr, "replay [--print] [--target NAME] PATH...\n"
                        "replay --random SECONDS [--target NAME] [--seed N] "
                        "[--keep FOLDER]\n");
        return EXIT_FAILURE;
    }
    for (; i < argc; ++i) {
        group("%s", argv[i]);
        replay_path(argv[i]);
        group_end();
    }
    for (k = 0; k < COUNT(targets) && options.seconds > 0; ++k)
        if (!options.target || options.target == &targets[k]) replay_random(&targets[k]);
    note("%lu checks", report.checks);
    return done_testing();
}
