/* ... and the others the declarations. Also built as C++, against plain_a.c built as C. */
#include "normalize.h"

#include "public.h"

int main(void)
{
    return !public_works();
}
