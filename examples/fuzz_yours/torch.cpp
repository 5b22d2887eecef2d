/* torch.cpp - PyTorch's C++ library for fuzz-yours, its functions of the CPU:
 *
 *   make fuzz-yours YOURS=examples/fuzz_yours/torch.cpp YOURS_FLAGS='-std=c++17 -ltorch
 *       -ltorch_cpu -lc10 -I/usr/include/torch/csrc/api/include'
 */
#include "../../bench/peer_torch.cpp"

#include "peer.h"

int yours(nrm_verb verb, const nrm_desc *d, const nrm_args *a)
{
    return peer_yours(&peer_torch, verb, d, a);
}
