/* consumer.c - the program that each package is used by: it includes the header, holds the
 * implementation unless it is linked with a library, and prints the version it was compiled with.
 * A wrong result, or a library of another version than the header, is its exit status. */
#ifndef LINKED
#define NORMALIZE_IMPLEMENTATION
#endif
#include <normalize.h>
#include <stdio.h>

int main(void)
{
    const float x[2][4] = {{1, 2, 3, 4}, {40000, 40001, 40002, 40003}};
    float y[2][4];
    size_t i;

    if (nrm_version() != NRM_VERSION)
        return printf("header %d, code %d\n", NRM_VERSION, nrm_version()), 1;
    if (nrm_layernorm(y[0], x[0], 2, 4, NULL, NULL, 1e-5) != NRM_OK) return puts("not NRM_OK"), 1;
    for (i = 0; i < 4; i++)
        if (y[0][i] != y[1][i] || y[0][i] < 0.8944f * (float)i - 1.3417f ||
            y[0][i] > 0.8945f * (float)i - 1.3416f)
            return printf("y[%d] = %.9g and %.9g\n", (int)i, y[0][i], y[1][i]), 1;
    printf("normalize %d.%d.%d\n", NRM_VERSION_MAJOR, NRM_VERSION_MINOR, NRM_VERSION_PATCH);
    return 0;
}
