/* onednn.c - oneDNN for fuzz-yours, by its C interface of version 2 or 3:
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/onednn.c YOURS_FLAGS=-ldnnl
 */
#define _POSIX_C_SOURCE 200112L
#include "normalize.h"

#define nrm_has_isa(isa) ((int)(isa) < 0) /* which the benchmark asks, for its blocked layout */
#define nrm_bf16_to_f32(h) ((float)(h)) /* of bf16, which are not asked for */
#include "../../bench/peer_onednn.c"

#include "peer.h"

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    return peer_yours(&peer_onednn, verb, d, a);
}
