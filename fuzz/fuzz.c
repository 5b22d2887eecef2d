/* fuzz.c - one target for a fuzzing engine: libFuzzer, or AFL++ with its -fsanitize=fuzzer.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DNORMALIZE_IMPLEMENTATION \
 *       -DTARGET='"problems"' fuzz/fuzz.c -lm
 *
 * Small problems are cut up among threads as well. TARGET is a name of targets.h.
 */
#define NRM_POOL_MIN 1
#include "../normalize.h"

#include "targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    target_named(TARGET, strlen(TARGET))->run(data, size);
    return 0;
}
