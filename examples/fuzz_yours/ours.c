/* ours.c - normalize.h itself, with all of its types, options and threads. Small problems are cut
 * up among threads as well.
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/ours.c SECONDS=60
 */
#ifndef OURS_LINKED
#define NRM_POOL_MIN 1
#define NORMALIZE_IMPLEMENTATION
#endif
#include "normalize.h"

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    nrm_status status = NRM_ERR_DESC;
    if (verb == NRM_FORWARD) status = nrm_forward(d, a);
    if (verb == NRM_INFER) status = nrm_infer(d, a);
    if (verb == NRM_BACKWARD) status = nrm_backward(d, a);
    if (verb == NRM_INFER_BACKWARD) status = nrm_infer_backward(d, a);
    return status != NRM_OK && status != NRM_ERR_NONFINITE;
}
