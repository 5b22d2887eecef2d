/* machine.h - what a result is of: the processor, its caches, the compiler, the commit.
 * Include normalize.h first.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef BENCH_FLAGS
#define BENCH_FLAGS "unknown"
#endif

/* The text after the colon of the first line of /proc/cpuinfo that begins so. */
static inline void machine_processor(char *name, size_t size)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    snprintf(name, size, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) || !colon) continue;
        snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (f) fclose(f);
}

static inline const char *machine_compiler(void)
{
#if defined(__clang__)
    return __VERSION__;
#else
    return "gcc " __VERSION__;
#endif
}

/* What a file of /sys says of a cache, without the line's end; empty: nothing. */
static inline void machine_cache(int index, const char *what, char *text, size_t size)
{
    char path[96];
    FILE *f;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
    *text = 0;
    f = fopen(path, "r");
    if (!f) return;
    if (!fgets(text, (int)size, f)) *text = 0;
    text[strcspn(text, "\n")] = 0;
    fclose(f);
}

/* Bytes of the last cache; sysconf may tell the whole socket's, of which a virtual machine has a
   share. */
static inline size_t machine_last_cache(void)
{
    char text[32];
    unsigned long kilobytes = 0;
    machine_cache(3, "size", text, sizeof text);
    if (sscanf(text, "%luK", &kilobytes) != 1 || !kilobytes) return (size_t)32 << 20;
    return (size_t)kilobytes << 10;
}

/* The head of a file of results: what is between its braces. */
static inline void machine_write(FILE *out)
{
    const time_t now = time(NULL);
    const char *commit = getenv("COMMIT");
    char text[128], level[8], type[32], size[32], date[32];
    const char *between = "";
    int i;
    machine_processor(text, sizeof text);
    fprintf(out, "\"machine\": {\"processor\": \"%s\", \"isas\": [", text);
    for (i = NRM_SCALAR; i <= NRM_WASM; ++i) {
        if (!nrm_has_isa((nrm_isa)i)) continue;
        fprintf(out, "%s\"%s\"", between, nrm_isa_name((nrm_isa)i));
        between = ", ";
    }
    fprintf(out, "], \"caches\": [");
    for (i = 0, between = ""; i < 6; ++i) {
        machine_cache(i, "level", level, sizeof level);
        machine_cache(i, "type", type, sizeof type);
        machine_cache(i, "size", size, sizeof size);
        if (!*size || !strcmp(type, "Instruction")) continue;
        fprintf(out, "%s\"L%s %s\"", between, level, size);
        between = ", ";
    }
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    fprintf(out,
            "], \"cores\": %ld}, \"compiler\": \"%s\", \"flags\": \"%s\", \"commit\": \"%s\", "
            "\"date\": \"%s\"",
            sysconf(_SC_NPROCESSORS_ONLN), machine_compiler(), BENCH_FLAGS,
            commit ? commit : "unknown", date);
}

#endif /* BENCH_MACHINE_H */
