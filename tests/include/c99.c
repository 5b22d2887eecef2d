/* The implementation as one C file of a program: run.sh builds it for every standard and option. */
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"

#include "public.h"

int main(void)
{
    return !public_works();
}
