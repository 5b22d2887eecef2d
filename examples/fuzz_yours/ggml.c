/* ggml.c - ggml on the CPU for fuzz-yours: forward alone. GGML_DIR holds include/ and lib/:
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/ggml.c YOURS_FLAGS="-I$GGML_DIR/include
 *       -L$GGML_DIR/lib -Wl,-rpath,$GGML_DIR/lib -lggml-cpu -lggml-base"
 */
#define _POSIX_C_SOURCE 200112L
#include "normalize.h"

#include "../../bench/peer_ggml.c"

#include "peer.h"

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    return peer_yours(&peer_ggml, verb, d, a);
}
