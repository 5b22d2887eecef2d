/* layout.c - where the fields of nrm_desc and nrm_args lie, and the values of enumerators, for
 * layout.py to compare with what examples/python/normalize.py declares. */
#include "../../normalize.h"
#include <stdio.h>

#define STRUCT(type) printf("%s %u\n", #type, (unsigned)sizeof(type))
#define FIELD(type, name)                                                 \
    printf("%s.%s %u %u\n", #type, #name, (unsigned)offsetof(type, name), \
           (unsigned)sizeof(((type *)0)->name))
#define PITCH(name) FIELD(nrm_pitch, name)
#define DESC(name) FIELD(nrm_desc, name)
#define ARGS(name) FIELD(nrm_args, name)
#define VALUE(name) printf("%s %d\n", #name, (int)name)

int main(void)
{
    STRUCT(nrm_pitch);
    PITCH(sample), PITCH(line);
    STRUCT(nrm_desc);
    DESC(n), DESC(c), DESC(s), DESC(groups), DESC(kind), DESC(layout), DESC(dtype), DESC(act);
    DESC(eps), DESC(gamma_offset), DESC(affine_per_sample), DESC(x_pitch), DESC(y_pitch);
    DESC(act_slope), DESC(act_low), DESC(act_high);
    DESC(param_half), DESC(wide_residual), DESC(transpose_y);
    STRUCT(nrm_args);
    ARGS(x), ARGS(y), ARGS(residual), ARGS(sum), ARGS(gamma), ARGS(beta), ARGS(mean), ARGS(rstd);
    ARGS(running_mean), ARGS(running_var), ARGS(running_rate), ARGS(running_population);
    ARGS(dy), ARGS(dx), ARGS(dsum), ARGS(dgamma), ARGS(dbeta), ARGS(accumulate), ARGS(isa);
    ARGS(pool), ARGS(workspace), ARGS(workspace_size);
    ARGS(add), ARGS(dadd), ARGS(gate), ARGS(dgate), ARGS(dresidual), ARGS(lengths);
    ARGS(q8), ARGS(q8_scale);
    VALUE(NRM_BATCH), VALUE(NRM_LAYER), VALUE(NRM_INSTANCE), VALUE(NRM_GROUP), VALUE(NRM_RMS);
    VALUE(NRM_NCHW), VALUE(NRM_NHWC), VALUE(NRM_F32), VALUE(NRM_F64), VALUE(NRM_BF16);
    VALUE(NRM_F16), VALUE(NRM_IDENTITY), VALUE(NRM_RELU), VALUE(NRM_LEAKY_RELU);
    VALUE(NRM_CLIP), VALUE(NRM_HARD_SWISH), VALUE(NRM_SILU);
    return 0;
}
