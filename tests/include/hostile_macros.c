/* Macros of the user's that would break any code using these words: the header compiles among them,
 * and they are there afterwards (run.sh compares the lists). hostile_names.h is a list of its own
 * because state.c, too, wants it. */
#include "hostile_names.h"

#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

int main(void)
{
    float x[4] = {1, 2, 3, 4}, y[4];
    return nrm_layernorm(y, x, 1, 4, 0, 0, 1e-5) != NRM_OK || !(y[0] < -1.34f && y[3] > 1.34f);
}
