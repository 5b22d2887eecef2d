/* Included again and again, with and without the implementation, before and after it. */
#include "normalize.h"
#include "normalize.h"
#define NORMALIZE_IMPLEMENTATION
#include "normalize.h"
#include "normalize.h"
#undef NORMALIZE_IMPLEMENTATION
#include "normalize.h"

#include "public.h"

int main(void)
{
    return !public_works();
}
