/* normalize.c - the implementation as a file of its own, for those who want a compiled library.
 *
 * NORMALIZE_SHARED is said where a shared library is built: its functions are exported, also where
 * a whole project is compiled with -fvisibility=hidden. */
#if defined(NORMALIZE_SHARED) && defined(_WIN32)
#define NRM_API __declspec(dllexport)
#elif defined(NORMALIZE_SHARED) && defined(__GNUC__)
#define NRM_API __attribute__((visibility("default")))
#endif

#define NORMALIZE_IMPLEMENTATION
#include "../normalize.h"
