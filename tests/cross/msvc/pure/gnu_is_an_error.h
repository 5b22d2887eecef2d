/* gnu_is_an_error.h - read first by -include: clang knows these words, MSVC does not. */
#include <stddef.h>
#include <stdint.h>
#pragma GCC poison __attribute__ __attribute __asm__ __asm asm __typeof__ __typeof typeof
#pragma GCC poison __extension__ __restrict__ __inline__ __alignof__ __int128 __label__
#pragma GCC poison __builtin_convertvector __builtin_shufflevector __builtin_expect
#pragma GCC poison __builtin_memcpy __builtin_sqrt __builtin_unreachable __builtin_constant_p
#pragma GCC poison __atomic_load_n __atomic_store_n __sync_synchronize
