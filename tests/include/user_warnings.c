/* One mistake for each warning that a header is tempted to switch off. run.sh compiles this without
 * the header (-DWITHOUT) and with it, and wants the same warnings. */
#ifndef WITHOUT
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"
#endif

static int unused_function(void) { return 1; }
static int unused_variable = 1;

int user(double d, int unused_parameter);
int user(double d, int unused_parameter)
{
    int narrowed = d;                        /* -Wconversion, -Wfloat-conversion */
    unsigned sign = narrowed;                /* -Wsign-conversion */
    int uninitialised;                       /* -Wuninitialized */
    struct { int a, b; } partial = {1};      /* -Wmissing-field-initializers */
    const char *text = "text";
    char *cast = (char *)text;               /* -Wcast-qual */
    float promoted = 1.5f * 2.0;             /* -Wconversion, -Wdouble-promotion */
    if (narrowed < sign) {                   /* -Wsign-compare */
        int narrowed = 2;                    /* -Wshadow */
        return narrowed;
    }
    if (d == 1.0) return 2;                  /* -Wfloat-equal */
    if (narrowed & 1 == 0) return 3;         /* -Wparentheses */
    switch (narrowed) {
    case 1: sign = 2;                        /* -Wimplicit-fallthrough */
    case 2: return (int)sign;
    default: break;
    }
    return uninitialised + partial.b + *cast + (int)(promoted * 1.0);
}
