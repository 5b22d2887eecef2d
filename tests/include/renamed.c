/* The header under another name: run.sh makes the copy, out of reach of the original. */
#ifndef FORGOTTEN
#define NRM_HEADER_FILENAME "renamed_copy.h"
#endif
#define NORMALIZE_IMPLEMENTATION
#include "renamed_copy.h"

#include "public.h"

int main(void)
{
    return !public_works();
}
