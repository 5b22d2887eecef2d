/* normalize.h - v0.2.0 - batch/layer/instance/group/RMS normalization - MIT or Unlicense, see end

   Batch, layer, instance, group and RMS norm for float, double, bf16 and f16 tensors on the CPU:
 forward, inference and backward, NCHW and NHWC. The same numbers in the same shape give the same
 bits, whatever the processor, the layout, the number of threads, the alignment, the compiler and
 its flags.

   A MANUAL          A1 use it, A2 quick start, A3 what it computes, A4 API map, A5 errors and
                     limits, A6 layouts and types, A7 threads and memory, A8 options,
                     A9 instruction sets, A10 compatibility, A11 numerics, A12 recipes
   B DECLARATIONS    types, short forms, described calls, parts, helpers
   C IMPLEMENTATION  C1 options, C2 compiler, C3 tiles, chunks, kernels, C4 bits, C5 vector
                     operations, C6 instantiation, C7 detection, C8 validation, C9 axes and jobs,
                     C10 to C13 a tile through front, kernels and back, C14 stretches of lanes,
                     C15 threads, C16 statistics, C17 forward, C18 backward, C19 verbs, C20 short
                     forms, C21 fold, C22 explain
   D KERNELS         compiled once for each instruction set and arithmetic
   E LICENCE

 ==== A MANUAL ==================================================================================

 -- A1 Use it -----------------------------------------------------------------------------------

   #define NORMALIZE_IMPLEMENTATION      in exactly one C or C++ file,
   #include "normalize.h"                and just the include everywhere else.
   cc -O2 file.c                         no flags; -lm only where sqrt is no instruction

  gcc 12 -O2 compiles the implementation in 9 seconds to 348 KB (with NRM_NO_SIMD in 3 to 162). Give
  it a file of its own, and your other files compile as fast as before. SIMD is chosen at run time.

 -- A2 Quick start ------------------------------------------------------------------------------

   float x[2][4] = {{1, 2, 3, 4}, {40000, 40001, 40002, 40003}}, y[2][4];
   nrm_status status = nrm_layernorm(y[0], x[0], 2, 4, NULL, NULL, 1e-5);
   if (status != NRM_OK) puts(nrm_status_string(status));     both rows: -1.34 -0.45 0.45 1.34

  These are output, input, rows, columns, gamma, beta, eps; y may be x. examples/01_layernorm.c is a
  whole program. Every call but the short forms takes two structs: nrm_desc says what to compute,
  nrm_args where the data are. Set both to zero, then fill in what you need. Batch norm of 32 images
  of 56 x 56 pixels with 64 channels:

   nrm_desc d = {0};                     in C++: nrm_desc d = {};
   nrm_args a = {0};
   d.kind = NRM_BATCH; d.layout = NRM_NHWC; d.n = 32; d.c = 64; d.s = 56 * 56; d.eps = 1e-5;
   a.x = x; a.y = y; a.gamma = weight; a.beta = bias;
   a.mean = mean; a.rstd = rstd;         64 doubles each, kept for the backward pass
   a.running_mean = rm; a.running_var = rv;     64 floats each, set to 0 and 1 before training
   a.running_rate = 0.1;                 running = 0.9 * running + 0.1 * that of this batch
   status = nrm_forward(&d, &a);         training

   a.dy = dy; a.dx = dx; a.dgamma = dweight; a.dbeta = dbias;
   status = nrm_backward(&d, &a);        its gradient

   status = nrm_infer(&d, &a);           inference: normalises with rm and rv

  More of what there is:

   d.dtype = NRM_BF16;                   x, y, dy, dx are uint16_t now; weight and bias stay float
   d.param_half = 1;                     ... and now they are bf16, too
   d.wide_residual = 1;                  a residual stream in float beside bf16 x and y
   a.residual = r; a.sum = z;            normalises x + r, and stores x + r in z: transformers
   d.act = NRM_SILU;                     y = silu(norm(x)); A3 has the other activations
   a.add = skip; d.act = NRM_RELU;       y = relu(norm(x) + skip): the block of ResNet
   a.gate = g;                           y = norm(x) * silu(g): gated RMS norm, as in Qwen3-Next
   a.lengths = tokens;                   sequences of different lengths: what is behind is padding
   d.transpose_y = 1;                    x in NHWC, y in NCHW, or the other way round
   a.q8 = q; a.q8_scale = scale;         rows of y as int8, for an int8 matrix product

  What to look out for:
   - residual is added BEFORE the norm, add AFTER it. A transformer normalises x + residual; the
     skip connection of ResNet and DenseNet is add. No call can tell that you took the wrong one:
     the results are merely wrong.
   - Backward needs what forward normalised: the same x and residual, or sum as x and no residual.
     So do not write y over x in training.
   - A field that you leave at zero means something. kind is then NRM_BATCH, layout NRM_NCHW, dtype
     float. s = 0 means 1, so that n and c alone describe a matrix. eps = 0 adds nothing to the
     variance: values that are nearly equal are spread out to a deviation of 1. running_rate = 0
     leaves the running statistics as they are.
   - Every nrm_forward that gets pointers to running statistics moves them. Leave the pointers out
     of a pass that is repeated, as in gradient checkpointing.
   - Do not call a global variable gamma: <math.h> has a function of this name.

 -- A3 What it computes --------------------------------------------------------------------------

   kind           averages over                              statistics (mean, rstd)
   NRM_BATCH      n and s, for each channel                  c        [c]
   NRM_INSTANCE   s, for each sample and channel             n*c      [n][c]
   NRM_LAYER      c, for each sample and position            n*s      [n][s]
   NRM_GROUP      c/groups channels and s, for each sample   n*groups [n][groups]
   NRM_RMS        c, like NRM_LAYER; no mean is subtracted   n*s      [n][s]

   forward    z = x + residual;  xhat = (z - mean) * rstd;  rstd = 1 / sqrt(var + eps);
              v = xhat * (gamma + gamma_offset) + beta + add;  y = act(v) * silu(gate)
   backward   dy' = dy * (silu(gate) * act'(v));  t = dy' * (gamma + gamma_offset);
              dx = rstd * (t - mean(t) - xhat * mean(t * xhat)) + dsum      (RMS: without mean(t))
              dgamma = sum of dy' * xhat;  dbeta = sum of dy'
              dadd = dy';  dgate = dy * (act(v) * silu'(gate))
   frozen     nrm_infer and nrm_infer_backward take mean and var from the running statistics;
              dx = rstd * t + dsum

  var is divided by the number of values m, in training too. rstd is 0 where var + eps is 0. mean()
  is over what the kind averages over. dx is the gradient of x and of residual alike; dsum is the
  gradient that comes back to sum by another way. dgamma and dbeta are overwritten, or added to with
  accumulate = 1.

   act              act(v)                                  act'(v)
   NRM_IDENTITY     v                                       1
   NRM_RELU         v > 0 ? v : 0                           v > 0 ? 1 : 0
   NRM_LEAKY_RELU   v < 0 ? v * act_slope : v               v > 0 ? 1 : act_slope
   NRM_CLIP         v, but act_low below, act_high above    act_low < v < act_high ? 1 : 0
   NRM_HARD_SWISH   v * (min(max(v + 3, 0), 6) / 6)         v <= -3 ? 0 : v < 3 ? v / 3 + 1/2 : 1
   NRM_SILU         v * s, with s = 1 / (1 + exp(-v))       s * (1 + v * (1 - s))

  add NULL adds nothing, gate NULL is no factor. add, dadd, gate and dgate lie as y and are of its
  type. Nothing is stored for the backward pass, which computes v again: where there is an
  activation or a gate it needs gamma, beta, add and gate as forward had them. dadd can be had
  without add, dgate only with gate.

  xhat * (gamma + gamma_offset) + beta, v, act(v), silu(gate) and y are a float each (of NRM_F64 a
  double): one that is too large is Inf, though a small factor may follow. In backward what is in
  brackets comes first. NaN goes through every activation; silu and hard swish of -Inf are -0. The
  slope of NRM_RELU, NRM_LEAKY_RELU and NRM_CLIP where they bend is PyTorch's.

  A matrix is n = rows, c = columns. Layer norm over C, H and W with a weight for each element is
  NRM_LAYER with c = C*H*W, s = 1. The norm of a whole image is NRM_GROUP with groups = 1. With
  s = 1, NRM_GROUP is layer norm of c/groups values each, and NRM_INSTANCE always gives y = beta.

  gamma, beta, dgamma and dbeta hold c values, or n*c, [n][c], with affine_per_sample (AdaIN). gamma
  NULL is 1, and gamma_offset is ignored then. beta NULL is 0. mean and rstd are double: as a float,
  a mean of 1e6 may be off by 0.03.

  lengths are n sizes of at most s: of sample i only the positions below lengths[i] are there. The
  rest is padding: it is not read, may hold NaN, does not count in m, and is +0 in every output.
  mean and rstd are 0 where nothing is. Batch norm averages over all that is there; a sample of the
  other kinds has the bits that it has alone, cut to its length (but NRM_GROUP's of one position,
  which alone is layer norm: s = 1). An empty sample does not count in running statistics. The parts
  take lengths, too.

  q8 and q8_scale, of layer and RMS norm of float, bf16 and f16: a row of y in steps of its scale,
     q8_scale = max|y| / 127,  q8 = y / q8_scale to the nearest integer, of two to the even one
  y is the float here, before it is rounded to bf16 or f16. q8 lies as y, an element is a byte;
  q8_scale has an element for each row, in the order of mean. y may be NULL then. A row that is not
  finite has the scale NaN and steps of 0, a row of zeros the scale 0.

  Running statistics hold c values: running = (1 - running_rate) * running + running_rate * new, in
  double, then rounded to their type. running_rate is PyTorch's momentum, and 1 - momentum of Keras
  and ONNX. A rate of 1 replaces what was there, even NaN; 1/k in step k gives the average of all
  steps. The new variance is the unbiased one, divided by m - 1, as in PyTorch, or with
  running_population = 1 divided by m, as in Keras and ONNX. Instance norm takes as new the mean
  over its samples.

 -- A4 API map -----------------------------------------------------------------------------------

   training; layer, instance, group, RMS norm always      nrm_forward, nrm_backward
   batch or instance norm with running statistics         nrm_infer, nrm_infer_backward
   batch norm over many machines, or in pieces            nrm_reduce, nrm_merge, nrm_apply,
                          nrm_backward_reduce, nrm_merge_sums, nrm_backward_apply
   mean and variance of each channel, nothing else        nrm_reduce: the variance is m2 / count
   float, packed, one thread, in one line                 nrm_layernorm, nrm_rmsnorm,
                          nrm_batchnorm_infer, nrm_instancenorm, nrm_groupnorm
   batch norm into the convolution before it              nrm_fold
   gamma and beta into the linear layer after it          nrm_fold_next
   what is wrong with a call, in a sentence               nrm_explain
   lengths, instruction sets, words, half floats          nrm_stat_count, nrm_workspace_size,
                          nrm_best_isa, nrm_has_isa, nrm_isa_name, nrm_status_string, nrm_version,
                          nrm_f32_to_bf16, nrm_bf16_to_f32, nrm_f32_to_f16, nrm_f16_to_f32

 -- A5 Errors and limits ------------------------------------------------------------------------

  Every call returns NRM_OK or an error of the list in B3; nrm_status_string puts it into words.
  nrm_explain says what is wrong with a call of B5 or B6 ("groups is 5, which does not divide c =
  64"):

   char text[160];
   if (nrm_explain(NRM_BACKWARD, &d, &a, text, sizeof text) != NRM_OK) puts(text);

  A call that returns an error has not written a byte. NRM_ERR_NONFINITE alone comes after writing:
  every output is there, but no running statistic has moved, because one of them would have become
  NaN or infinite. B5 says which pointers a call needs; those that it does not need are ignored.

   no values (n or c is 0)   NRM_OK, and tensors may be NULL. dgamma and dbeta become 0 (unless
                             accumulate), and so do the moments and sums of the parts
   lengths that are all 0    the same, and outputs are +0
   one value to a mean       y = beta, dx = 0 (not RMS). It has no unbiased variance:
                             NRM_ERR_SAMPLES if running_var is given and running_population is 0.
                             Leave running_* out of such a call, as of a last batch of one
   all values equal          y is exactly beta (not RMS), also if eps is 0
   NaN or Inf in add, gate   in its own element of y alone. Backward: where it makes dy' NaN, dx is
                             NaN in all that shares its mean
   NaN or Inf in x           NaN in all that shares its mean; elsewhere no bit changes. With
                             nrm_infer NaN or Inf in its own element alone, as the formula has it,
                             or in a whole channel from an infinite or NaN running_mean.
                             running_var + eps negative or NaN gives NaN

 -- A6 Layouts and types -------------------------------------------------------------------------

  n samples have c channels of s positions: s is L, H*W or D*H*W. Element (i, j, k), of sample i,
  channel j and position k, lies at
     NCHW   i * pitch.sample + j * pitch.line + k        line >= s, sample >= c * line
     NHWC   i * pitch.sample + k * pitch.line + j        line >= c, sample >= s * line
  A line or sample of 0 means the smallest value allowed, so a zeroed pitch is packed. Larger ones
  describe a slice of a larger tensor: three channels of RGBA pixels are NHWC with c = 3, line = 4.
  x_pitch is that of x, residual, sum, dsum, dx and dresidual, y_pitch that of y, dy, add, dadd,
  gate, dgate and q8. With transpose_y these lie in the other layout, and y_pitch is one of that; it
  takes 0.6 to 1.1 of the time of the norm and a transposition. What lies between is neither read
  nor written. Nothing needs to be aligned, not even to its own size.

  Inputs may overlap each other. An output may be the very same buffer as an input of equal pitch,
  in these cases; any other overlap of an output is NRM_ERR_ALIAS:
     y = x, residual, add or gate          sum = x or residual     dresidual = residual or dsum
     dx = x, dy or dsum                    dadd = dy or add        dgate = dy or gate
  Both have to lie alike, with elements of one size. Two outputs are never the same: of dx, dadd and
  dgate one may be dy. Two column slices of one matrix do not overlap. Where there is only one line,
  or one sample, that pitch does not count.

   dtype      x, residual, sum, dsum, dx;         gamma, beta, dgamma, dbeta, running_*   mean, rstd
              y, dy, add, dadd, gate, dgate
   NRM_F32    float                               float                                   double
   NRM_F64    double                              double                                  double
   NRM_BF16   uint16_t: the upper half of a float float                                   double
   NRM_F16    uint16_t: IEEE binary16             float                                   double

  With param_half, gamma, beta, dgamma and dbeta of NRM_BF16 and NRM_F16 are of that type, too; both
  gradients are rounded once. With wide_residual, residual, sum, dsum and dresidual are float beside
  16-bit x, y, dy and dx. z = x + residual is then not rounded but to float, and dresidual is the
  gradient of residual as a float, which dx rounds. x may be NULL: z is residual, such as a sum that
  was kept for backward. dx may be NULL where dresidual is given.

  bf16 and f16 only store: they are converted to float exactly, computed as float and rounded once,
  to nearest even. The same values stored as bf16 and as float give the same statistics and
  parameter gradients, to the bit. What is too large for f16 becomes Inf; denormals are kept. With
  residual, z is rounded to the type before its mean and variance are taken, so that y is the norm
  of what sum holds, and backward from sum or from x and residual gives the same bits.

 -- A7 Threads and memory -------------------------------------------------------------------------

  Any function may be called from any thread at any time; the one global that changes is the cached
  answer of CPUID. The library starts no threads, but args.pool lends it yours (examples/
  06_threads_pthread.c, 07_threads_openmp.c): run() is given a number of tasks, calls each index
  once, in any order and on any threads, and returns when all have returned. A call may need several
  such rounds. A pool of fewer than two threads is not used, nor any pool for a tensor of fewer than
  NRM_POOL_MIN elements.

  `workspace` is optional memory for partial sums. Any size and alignment will do;
  nrm_workspace_size(d, threads) bytes, about 64 KiB per thread (more for INSTANCE and GROUP of over
  1000 channels), are enough. Without it, long sums are split into fewer and smaller tasks. With one
  thread it saves nrm_forward a second pass over x, where running statistics of over 64 channels
  move and mean or rstd is not given. It never changes a bit.

  A batch that comes in pieces, as one (on many machines: examples/08_sync_batchnorm_mpi.c). Piece i
  has n[i] samples at x[i]. all and part are arrays of c nrm_moments, in backward of c nrm_sums; all
  is set to zero first:

   for (i = 0; i < pieces; i++, nrm_merge(all, part, C))
       desc.n = n[i], args.x = x[i], nrm_reduce(&desc, &args, part);
   for (i = 0; i < pieces; i++)
       desc.n = n[i], args.x = x[i], args.y = y[i], nrm_apply(&desc, &args, all);

   args.accumulate = 1;
   for (i = 0; i < pieces; i++, nrm_merge_sums(all, part, C))
       desc.n = n[i], args.x = x[i], args.dy = dy[i], nrm_backward_reduce(&desc, &args, part);
   for (i = 0; i < pieces; i++, nrm_backward_apply(&desc, &args, all))
       desc.n = n[i], args.x = x[i], args.dy = dy[i], args.dx = dx[i];

  add and gate move along as y does; with an activation or a gate, both calls of backward need
  them. dadd and dgate come from nrm_backward_apply.

  The order of merging decides the last bits, so keep it fixed: by rank, by piece. Give the running
  statistics to one nrm_apply only; with n = 0 it moves them and touches no tensor. The opposite is
  a large batch normalised as several small ones of `step` elements each (ghost batches). Their
  backward is the same loop, with accumulate = 1 from the second one on:

   for (i = 0, desc.n = N / GHOSTS; i < GHOSTS; i++) {
       args.x = x + i * step, args.y = y + i * step;
       args.mean = mean + i * C, args.rstd = rstd + i * C;
       nrm_forward(&desc, &args);
   }

  Nothing is allocated. Each thread needs at most 64 KiB of stack, beside what your pool takes
  (compiled without optimization, 96 KiB). Of the C library only memcpy, memmove and memset are
  called, and sqrt where it is no instruction. Without <string.h> or <math.h> it compiles all the
  same (but gcc's intrinsics on x86 include <stdlib.h>).

 -- A8 Options: define them before including -----------------------------------------------------

  In every file that includes it:
   NORMALIZE_STATIC           everything is static: with NORMALIZE_IMPLEMENTATION, a private copy
   NRM_API                    linkage of the public functions; default extern
  In the file with the implementation:
   NORMALIZE_IMPLEMENTATION   emit the code here
   NRM_HEADER_FILENAME        the name of this file, which includes itself; default "normalize.h"
   NRM_NO_SIMD                scalar code only
   NRM_NO_AVX2, NRM_NO_AVX512, NRM_NO_NEON, NRM_NO_WASM   without that instruction set
   NRM_NO_F64, NRM_NO_HALF    without NRM_F64; without NRM_BF16 and NRM_F16 (NRM_ERR_DESC then)
   NRM_SQRT(x)                the correctly rounded square root of a double; default: the
                              instruction of SSE2 or NEON, else sqrt of <math.h>, or the compiler's
                              where there is no <math.h>
   NRM_STREAM_BYTES           if input and output together are at least this many bytes, the output
                              is written with non-temporal stores, which bypass the caches (not in
                              place, nor where its lines are not multiples of 64 bytes). Default 24
                              MiB. Layer norm of 4096 x 768 takes 1.16 ms with, 1.74 ms without
                              (Zen 4, 32 MB of L3)
   NRM_POOL_MIN               tensors of fewer elements (n*c*s) do not use the pool. Default 524288,
                              about where two threads begin to gain that sleep on a condition
                              variable (bench/NOTES.md)
   NRM_TILE                   values handled side by side, a multiple of 64 from 128 on; the stack
                              grows in proportion. Default 256
   NRM_ASSERT(condition)      default: nothing
  The three sizes change no bit of any result.

 -- A9 Instruction sets --------------------------------------------------------------------------

  x86: scalar, AVX2 (with F16C) and AVX-512 (F, DQ, VL, BW), all in a plain build, of which the best
  one is chosen at run time. AArch64: scalar and NEON. WASM: scalar, and SIMD128 if compiled with
  -msimd128. All other machines run the scalar code, and so do 32-bit Arm, whose NEON flushes
  denormals, MSVC for 32-bit x86 and for Arm, and tcc. args.isa asks for one of them in a call,
  which is NRM_ERR_ISA where it cannot run. All give the same bits.

 -- A10 Compatibility ----------------------------------------------------------------------------

  C99, C11, C++11 and later. `make check-cross` compiles, runs and compares with x86's scalar code:
   x86-64 and i386 with SSE2     gcc 11 and 12, clang 14, 16 and 19, musl, tcc (scalar)
   AArch64 (NEON)                gcc and clang, under qemu-user
   armhf, riscv64, ppc64le, s390x (big-endian)   gcc, under qemu-user
   WASM, with and without SIMD   clang, in node's WASI; compiled without any C library
   Windows, x86-64               mingw-w64, under wine
  clang in MSVC mode (x86-64, i686, Arm) is only compiled, not run. MSVC itself has not been tried.
  The bits are the same from -O0 to -Ofast -march=native, with -ffast-math and with -flto.

  Where they could not be, the header does not compile: x87 arithmetic (-msse2 -mfpmath=sse helps);
  float computed in more digits (s390x, gcc -std=c99); -ffast-math of clang for WASM, PowerPC and
  32-bit Arm, before 16 for AArch64, before 19 for RISC-V; -msimd128 of clang before 16.

  On x86 with SSE2 and on AArch64 each call and each task switches to rounding to nearest, with
  denormals and without traps, and back to what it found. Your run() is called in your own mode, and
  may leave by longjmp. Elsewhere, and with tcc or MSVC for Arm, that mode is up to you: it is what
  a program starts with.
  Including this file leaves no macro, pragma or name behind but NRM*, NORMALIZE_* and nrm*.

 -- A11 Numerics (the specification: docs/NUMERICS.md) --------------------------------------------

  Sums have one written order, with partial sums in float over 128 values at most and in double
  above. Nothing is fused or reordered, whatever your flags. So a result depends on the numbers and
  the shape alone; of all kinds but NRM_BATCH it does not depend on the other samples either.

  A mean and a variance come from one reading of the values, around a first guess of the mean. Where
  that would lose digits, they are read again around the mean itself, and in double where float
  cannot hold what is needed. So a large mean, equal values, 3e38 and 1e-40 all come out right.

  For every finite float input, with e = 2^-23 and g = gamma + gamma_offset, the error is at most
     y        10.5e * (|g| * (1 + |xhat|) + |beta|) + 2^-149;  of RMS 4.6e
     dx       29.5e * rstd * (1 + |xhat|) * (|t| + mean|t| + mean|t * xhat|) + m * 2^-149
     dgamma   13.5e * sum |dy'| * (1 + |xhat|) + m * 2^-149
     dbeta    4.01e * sum |dy'| + m * 2^-149
  This is proven (make prove; docs/NUMERICS.md says for which lists). On ordinary data y is off by
  1.4e at most (docs/ACCURACY.md). bf16 and f16 add the rounding to their type. Doubles have
  constants of their own, e = 2^-52 and a term for the rounding of the mean.

  add, act and gate follow one another: the error so far times the factor, and one of its own.
  SiLU's exponential is computed here; its figure is the worst of all floats (make exhaustive). The
  bounds of dx, dgamma and dbeta are of the dy' that was computed; docs/NUMERICS.md has its own.
     add              1                          0.5e * |v|
     NRM_LEAKY_RELU   1 or |act_slope|           0.5e * |act(v)|
     NRM_HARD_SWISH   1.5                        1.5e * |act(v)|
     NRM_SILU         1.1                        2.02e * |act(v)| + 2^-149
     gate             |silu(gate)|               2.52e * |y| + 2^-149 * (1 + |act(v)|)

 -- A12 Recipes (functions of examples/12_recipes.c) -----------------------------------------------

   QK-norm, in place in a fused qkv    NRM_RMS, NRM_NHWC, n = tokens, s = heads, c = head_dim, both
                                       pitches {row of qkv, head_dim}; y = x = q, again for k
   L2 norm, F.normalize                NRM_RMS, eps = 0, every gamma 1 / sqrt(c)
   ... as x / sqrt(sum of x^2 + e)     the same with eps = e / c
   PixelNorm                           NRM_RMS over c, either layout, no gamma
   ScaleNorm                           NRM_RMS, every gamma g / sqrt(c)
   weight standardisation              NRM_INSTANCE, n = 1, c = filters, s = weights of a filter;
                                       gamma is the gain
   PreciseBN                           nrm_reduce of many batches, nrm_merge, then nrm_apply with
                                       n = 0, running_rate = 1
   ghost batch norm                    a call for each part of the batch: A7
   AdaIN, conditional norm             NRM_INSTANCE, affine_per_sample = 1
   padded sequences                    lengths; examples/14_lengths.c
   transformer in bf16                 wide_residual, param_half; examples/13_float_residual.c
   int8 linear layer after a norm      q8, q8_scale; examples/15_int8_linear.c
   nChw8c, nChw16c, inference          a call for each block of channels: NRM_NHWC, c = 8 or 16,
                                       sample = all channels * s
   ResNet's skip                       add, NRM_RELU
   U-Net of a diffusion model          NRM_GROUP, NRM_SILU
   MobileNetV2; V3; YOLO               NRM_CLIP, 0 and 6 (ReLU6); NRM_HARD_SWISH; NRM_LEAKY_RELU
   gated RMS norm, norm before gate    NRM_RMS, gate: Qwen3-Next, norm_before_gate=True of Mamba 2,
                                       whose default is the norm of x * silu(gate): multiply before
   layer norm into the next linear     nrm_fold_next
*/
#ifndef NRMI_PASS

/* ======================================================================================= */
/* B DECLARATIONS                                                                           */
/* ======================================================================================= */
#ifndef NORMALIZE_H
#define NORMALIZE_H

/* ---- B1 Version -------------------------------------------------------------------------- */

#define NRM_VERSION_MAJOR 0
#define NRM_VERSION_MINOR 2
#define NRM_VERSION_PATCH 0
#define NRM_VERSION (NRM_VERSION_MAJOR * 10000 + NRM_VERSION_MINOR * 100 + NRM_VERSION_PATCH)

/* ---- B2 Linkage -------------------------------------------------------------------------- */

#include <stddef.h>
#include <stdint.h>

#ifndef NRM_API
#ifdef NORMALIZE_STATIC
#if defined(__GNUC__) || defined(__clang__)
#define NRM_API static __attribute__((unused))
#else
#define NRM_API static
#endif
#else
#define NRM_API extern
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- B3 Types ---------------------------------------------------------------------------- */

typedef enum nrm_kind { NRM_BATCH, NRM_LAYER, NRM_INSTANCE, NRM_GROUP, NRM_RMS } nrm_kind;
typedef enum nrm_layout { NRM_NCHW, NRM_NHWC } nrm_layout;
typedef enum nrm_dtype { NRM_F32, NRM_F64, NRM_BF16, NRM_F16 } nrm_dtype;
typedef enum nrm_act { NRM_IDENTITY, NRM_RELU, NRM_LEAKY_RELU, NRM_CLIP, NRM_HARD_SWISH,
                       NRM_SILU } nrm_act;
typedef enum nrm_isa { NRM_AUTO, NRM_SCALAR, NRM_AVX2, NRM_AVX512, NRM_NEON, NRM_WASM } nrm_isa;
/* The calls of B5 and B6 by name, for what is written around them. */
typedef enum nrm_verb { NRM_FORWARD, NRM_INFER, NRM_BACKWARD, NRM_INFER_BACKWARD, NRM_REDUCE,
                        NRM_APPLY, NRM_BACKWARD_REDUCE, NRM_BACKWARD_APPLY } nrm_verb;

typedef enum nrm_status {
    NRM_OK = 0,
    NRM_ERR_NULL,     /* a pointer that the call needs is NULL                                */
    NRM_ERR_DESC,     /* an enumerator out of range, groups that do not divide c, gamma_offset or
                         act_slope not finite, act_low above act_high or NaN, a kind or a type
                         that the call or an option does not take, a type left out            */
    NRM_ERR_SIZE,     /* n*c*s, or a size in bytes, exceeds size_t; a pitch is too small; a
                         length exceeds s                                                     */
    NRM_ERR_EPS,      /* eps is negative, infinite or NaN                                     */
    NRM_ERR_RATE,     /* running_rate is outside [0, 1] or NaN                                */
    NRM_ERR_ALIAS,    /* an output overlaps another buffer other than as A6 allows            */
    NRM_ERR_SAMPLES,  /* the unbiased running variance of one value per channel is asked for  */
    NRM_ERR_ISA,      /* this build or this CPU does not have the instruction set asked for   */
    NRM_ERR_NONFINITE /* done, but no running statistic has moved: one would not be finite    */
} nrm_status;

typedef struct nrm_pitch {
    size_t sample, line; /* in elements; 0 means packed */
} nrm_pitch;

/* What to compute. Zero is every field's default: `nrm_desc d = {0};` in C, `= {};` in C++, where
   {0} compiles too, but g++ -Wextra warns. */
typedef struct nrm_desc {
    size_t n, c, s;             /* samples, channels, positions (L, H*W or D*H*W; 0 means 1)  */
    size_t groups;              /* of channels, NRM_GROUP alone: divides c                    */
    nrm_kind kind;              /* what is averaged over: A3                                  */
    nrm_layout layout;          /* NCHW: positions are neighbours; NHWC: channels are         */
    nrm_dtype dtype;            /* storage of x, y, residual, add, gate and their gradients   */
    nrm_act act;                /* applied to what add has been added to: A3                  */
    double eps;                 /* added to the variance under the root; 0 if you forget it   */
    double gamma_offset;        /* added to every gamma: 1 for weights stored as w - 1        */
    int affine_per_sample;      /* gamma and beta hold n*c values (AdaIN, conditional norm)   */
    nrm_pitch x_pitch, y_pitch; /* y's: of y, dy, add, dadd, gate, dgate; x's: the others'    */
    double act_slope;           /* NRM_LEAKY_RELU: what negative values are multiplied by     */
    double act_low, act_high;   /* NRM_CLIP: ReLU6 is 0 and 6                                 */
    int param_half;             /* 16-bit data: gamma, beta, dgamma, dbeta are of dtype too   */
    int wide_residual;          /* 16-bit data: residual, sum, dsum, dresidual are float      */
    int transpose_y;            /* y, dy, add, dadd, gate, dgate, q8 lie in the other layout  */
} nrm_desc;

/* Where the data are. Every pointer that a call does not need may be NULL. Zero it as nrm_desc. */
typedef struct nrm_args {
    const void *x;                    /* the input                                            */
    void *y;                          /* the output                                           */
    const void *residual;             /* added BEFORE the norm: z = x + residual is normalised */
    void *sum;                        /* output: z                                            */
    const void *gamma, *beta;         /* either may be NULL: 1 and 0                          */
    double *mean, *rstd;              /* statistics: forward writes them, backward reads them */
    void *running_mean, *running_var; /* batch and instance norm: c values                    */
    double running_rate;              /* weight of the new value: r = (1-rate)*r + rate*new;
                                         0 leaves r as it is, 1 replaces it                   */
    int running_population;           /* new variance: 0 unbiased (PyTorch), 1 not (Keras, ONNX) */
    const void *dy;                   /* the gradient of y                                    */
    void *dx;                         /* the gradient of x, and of residual                   */
    const void *dsum;                 /* the gradient of sum by another way; added to dx      */
    void *dgamma, *dbeta;             /* the gradients of gamma and beta                      */
    int accumulate;                   /* 1: add to dgamma and dbeta instead of overwriting    */
    nrm_isa isa;                      /* NRM_AUTO: the best this CPU has                      */
    const struct nrm_pool *pool;      /* NULL: the calling thread alone                       */
    void *workspace;                  /* optional memory for partial sums: A7                 */
    size_t workspace_size;            /* in bytes                                             */
    const void *add;                  /* added AFTER the norm, before act: ResNet's skip      */
    void *dadd;                       /* its gradient; may be dy                              */
    const void *gate;                 /* y is multiplied by silu(gate) at last                */
    void *dgate;                      /* its gradient                                         */
    void *dresidual;                  /* wide_residual: the gradient of residual, a float     */
    const size_t *lengths;            /* n of them: positions from lengths[i] on are padding  */
    int8_t *q8;                       /* layer and RMS norm: y in steps of q8_scale           */
    float *q8_scale;                  /* one for each row: A6                                 */
} nrm_args;

/* Your threads: OpenMP, pthreads, a job system. run() calls task(arg, index) once for each index
   below tasks and returns when all have returned: A7. */
typedef struct nrm_pool {
    void (*run)(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg);
    void *user;
    size_t threads;
} nrm_pool;

/* Of one channel of a share of a batch. m2: the sum of (x - mean)^2. */
typedef struct nrm_moments {
    double count, mean, m2;
} nrm_moments;

/* Of one channel of a share of a batch: the sums of dy' and of dy' * xhat (A3). */
typedef struct nrm_sums {
    double count, dy, dy_xhat;
} nrm_sums;

/* ---- B4 Short forms: float, packed, one thread. gamma and beta may be NULL. ---------------- */

/* Layer norm of each row of x[rows][cols]. In these five y may be x. */
NRM_API nrm_status nrm_layernorm(float *y, const float *x, size_t rows, size_t cols,
                                 const float *gamma, const float *beta, double eps);
/* RMS norm of each row: y = x / sqrt(mean(x*x) + eps) * gamma. */
NRM_API nrm_status nrm_rmsnorm(float *y, const float *x, size_t rows, size_t cols,
                               const float *gamma, double eps);
/* Batch norm with the running statistics mean[c] and var[c]. */
NRM_API nrm_status nrm_batchnorm_infer(float *y, const float *x, size_t n, size_t c, size_t s,
                                       nrm_layout layout, const float *mean, const float *var,
                                       const float *gamma, const float *beta, double eps);
/* Instance norm: each channel of each sample has its own mean and variance over s. */
NRM_API nrm_status nrm_instancenorm(float *y, const float *x, size_t n, size_t c, size_t s,
                                    nrm_layout layout, const float *gamma, const float *beta,
                                    double eps);
/* Group norm: each group of c/groups channels of each sample has its own mean and variance. */
NRM_API nrm_status nrm_groupnorm(float *y, const float *x, size_t n, size_t c, size_t s,
                                 size_t groups, nrm_layout layout, const float *gamma,
                                 const float *beta, double eps);

/* ---- B5 Described calls ------------------------------------------------------------------ */

/* Normalises with the statistics of the input itself: training of batch norm; the other kinds
   always. Needs x, y (A3 and A6 say when either may be NULL). Optional outputs, each on its own:
   sum, mean, rstd; q8 and q8_scale together; running_mean and running_var, which are updated. y may
   be x, residual, add or gate, sum x or residual. Statuses: all. */
NRM_API nrm_status nrm_forward(const nrm_desc *, const nrm_args *);

/* Normalises with the running statistics, which are only read. NRM_BATCH and NRM_INSTANCE.
   Needs x, y, running_mean, running_var. Optional output: sum. The same buffers as nrm_forward.
   Statuses: all but RATE, SAMPLES, NONFINITE. */
NRM_API nrm_status nrm_infer(const nrm_desc *, const nrm_args *);

/* Gradient of nrm_forward. Needs dy; x and residual as in forward, or its sum as x; mean (not for
   RMS) and rstd as forward wrote them; gamma, beta, add, gate, lengths and the desc as in forward;
   and at least one of the outputs dx, dgamma, dbeta, dresidual, dadd, dgate, of which the last
   needs gate. dx may be x, dy or dsum, dadd dy or add, dgate dy or gate. Statuses: as nrm_infer. */
NRM_API nrm_status nrm_backward(const nrm_desc *, const nrm_args *);

/* Gradient of nrm_infer: frozen batch norm. Needs x, dy, running_mean, running_var, the rest and an
   output as nrm_backward. Statuses: as nrm_infer. */
NRM_API nrm_status nrm_infer_backward(const nrm_desc *, const nrm_args *);

/* ---- B6 Parts: batch norm over many machines, pieces of a batch, several batches as one ----
   NRM_BATCH alone. A share is the part of the batch that one call sees. How to: A7, and
   examples/08_sync_batchnorm_mpi.c. Statuses as of nrm_forward and nrm_backward. */

/* Writes the moments of this share, one for each channel. Needs x (and residual if used); add and
   gate are ignored. A share without samples gives zeros. */
NRM_API nrm_status nrm_reduce(const nrm_desc *, const nrm_args *, nrm_moments *c_of_them);
/* Adds `from` to `into`, channel by channel. The order of merging decides the last bits. */
NRM_API void nrm_merge(nrm_moments *into, const nrm_moments *from, size_t c);
/* Normalises this share with the merged moments. Needs x, y. Optional outputs as of nrm_forward. */
NRM_API nrm_status nrm_apply(const nrm_desc *, const nrm_args *, const nrm_moments *c_of_them);
/* Writes the gradient sums of this share, one for each channel, and its dgamma and dbeta if given.
   Needs x, dy, mean, rstd; gamma, beta, add and gate as in forward where there is an activation or
   a gate; gamma under affine_per_sample. */
NRM_API nrm_status nrm_backward_reduce(const nrm_desc *, const nrm_args *, nrm_sums *c_of_them);
/* Adds `from` to `into`, channel by channel. */
NRM_API void nrm_merge_sums(nrm_sums *into, const nrm_sums *from, size_t c);
/* dx of this share from the merged sums, dadd and dgate if given. Needs x, dy, mean, rstd, dx (or
   dresidual), and
   gamma; beta, add and gate where there is an activation or a gate. All as in forward. */
NRM_API nrm_status nrm_backward_apply(const nrm_desc *, const nrm_args *,
                                      const nrm_sums *c_of_them);

/* ---- B7 Helpers -------------------------------------------------------------------------- */

/* Folds an inference batch norm into the convolution or linear layer before it, so that the layer
   alone gives the same result but for rounding (examples/10_fold.c). weight is [c][k]; of a
   convolution, k = input channels of a group * kernel height * kernel width. bias, gamma and beta
   may be NULL; weight_out may be weight, bias_out may be bias. Statuses: OK, NULL, SIZE, EPS,
   ALIAS. */
NRM_API nrm_status nrm_fold(float *weight_out, float *bias_out, const float *weight,
                            const float *bias, size_t c, size_t k, const float *mean,
                            const float *var, const float *gamma, const float *beta, double eps);

/* Folds gamma and beta of a layer or RMS norm into the linear layer after it, whose weight is
   [rows][c], so that the norm needs neither: weight * gamma, bias + weight * beta. bias, gamma and
   beta may be NULL; weight_out may be weight, bias_out may be bias. Statuses: OK, NULL, SIZE,
   ALIAS. */
NRM_API nrm_status nrm_fold_next(float *weight_out, float *bias_out, const float *weight,
                                 const float *bias, size_t rows, size_t c, const float *gamma,
                                 const float *beta);

/* The status that the call would return, and why, in a sentence that names the field, its value
   and what would do. `text` may be NULL; of `size` bytes, it is cut where it does not fit: 160 are
   enough unless sizes are huge. NRM_ERR_NONFINITE, and what depends on the array of a part, cannot
   be known before. Nothing is read but *desc, *args, the pool and lengths. */
NRM_API nrm_status nrm_explain(nrm_verb, const nrm_desc *, const nrm_args *, char *text,
                               size_t size);

NRM_API size_t nrm_stat_count(const nrm_desc *); /* length of mean and rstd; 0: desc invalid */
NRM_API size_t nrm_workspace_size(const nrm_desc *, size_t threads); /* bytes that are enough  */
NRM_API nrm_isa nrm_best_isa(void);                                  /* what NRM_AUTO runs     */
NRM_API int nrm_has_isa(nrm_isa);                                    /* 1 if it can run here   */
NRM_API const char *nrm_isa_name(nrm_isa);
NRM_API const char *nrm_status_string(nrm_status); /* what it means, in a line of English */
NRM_API int nrm_version(void);                     /* NRM_VERSION of the compiled code */

NRM_API uint16_t nrm_f32_to_bf16(float); /* round to nearest even; NaN stays NaN */
NRM_API float nrm_bf16_to_f32(uint16_t); /* exact */
NRM_API uint16_t nrm_f32_to_f16(float);  /* round to nearest even; overflow gives Inf */
NRM_API float nrm_f16_to_f32(uint16_t);  /* exact */

#ifdef __cplusplus
}
#endif

#endif /* NORMALIZE_H */

/* ========================================================================================= */
/* C IMPLEMENTATION                                                                            */
/* ========================================================================================= */
#if defined(NORMALIZE_IMPLEMENTATION) && !defined(NRMI_IMPLEMENTED)
#define NRMI_IMPLEMENTED

/* ---- C1 Options --------------------------------------------------------------------------- */

#ifndef NRM_HEADER_FILENAME
#define NRM_HEADER_FILENAME "normalize.h"
#endif

/* gcc, clang, and clang in the manner of MSVC, which does not say __GNUC__. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(__TINYC__)
#define NRMI_GNU 1
#else
#define NRMI_GNU 0
#endif

#if !defined(NRM_NO_SIMD) && (defined(__x86_64__) || defined(__i386__) || defined(_M_X64)) && \
    (NRMI_GNU || defined(_MSC_VER))
#define NRMI_X86 1
#else
#define NRMI_X86 0
#endif
#if NRMI_X86 && !defined(NRM_NO_AVX2)
#define NRMI_HAS_AVX2 1
#else
#define NRMI_HAS_AVX2 0
#endif
#if NRMI_X86 && !defined(NRM_NO_AVX512)
#define NRMI_HAS_AVX512 1
#else
#define NRMI_HAS_AVX512 0
#endif

/* Big-endian lanes lie the other way round; 32-bit NEON flushes denormals. Both are scalar. */
#if !defined(NRM_NO_SIMD) && !defined(NRM_NO_NEON) && defined(__aarch64__) && NRMI_GNU && \
    defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)
#define NRMI_HAS_NEON 1
#include <arm_neon.h>
#else
#define NRMI_HAS_NEON 0
#endif
#if !defined(NRM_NO_SIMD) && !defined(NRM_NO_WASM) && defined(__wasm_simd128__) && \
    defined(__clang__)
#define NRMI_HAS_WASM 1
#else
#define NRMI_HAS_WASM 0
#endif
#define NRMI_HAS_V128 (NRMI_HAS_NEON || NRMI_HAS_WASM)
/* clang 14 loads some values (v128.load64_splat) after storing over them, in scalar code too. */
#if defined(__wasm_simd128__) && defined(__clang__) && __clang_major__ < 16
#error "normalize.h: -msimd128 of clang before 16 gives wrong sums; leave it out or use a later one"
#endif

#if NRMI_X86
#include <immintrin.h>
#ifdef _MSC_VER
#include <intrin.h>
#if defined(__clang__) && __clang_major__ < 19 /* keeps back what -mavx2 has not asked for */
#include <smmintrin.h>
#include <avxintrin.h>
#include <avx2intrin.h>
#include <f16cintrin.h>
#include <avx512fintrin.h>
#include <avx512bwintrin.h>
#include <avx512dqintrin.h>
#include <avx512vlintrin.h>
#include <avx512vlbwintrin.h>
#include <avx512vldqintrin.h>
#endif
#else
#include <cpuid.h>
#endif
#endif

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h> /* the state of C7 and the root, without SIMD too */
#endif

/* Without a C library (wasm32-unknown-unknown of clang has no <string.h>) memcpy and memset are
   declared in C2, and the root is the compiler's: an instruction, or a call of sqrt. */
#if NRMI_GNU && defined(__has_include)
#if !__has_include(<string.h>)
#define NRMI_NO_STRING_H
#endif
#if !__has_include(<math.h>)
#define NRMI_NO_MATH_H
#endif
#endif

#ifndef NRMI_NO_STRING_H
#include <string.h> /* memcpy, only ever of a constant few bytes */
#endif

#ifndef NRM_SQRT
#if defined(__SSE2__) || defined(_M_X64)
#define NRM_SQRT(x) nrmi_sqrt_sse2(x) /* one instruction, no libm */
#elif NRMI_HAS_NEON
#define NRM_SQRT(x) vget_lane_f64(vsqrt_f64(vdup_n_f64(x)), 0)
#elif defined(NRMI_NO_MATH_H)
#define NRM_SQRT(x) __builtin_sqrt(x)
#else
#include <math.h>
#define NRM_SQRT(x) sqrt(x)
#endif
#endif

#ifndef NRM_STREAM_BYTES
#define NRM_STREAM_BYTES 25165824 /* 24 MiB: A8 */
#endif

#ifndef NRM_TILE
#define NRM_TILE 256 /* lanes: A8 */
#endif

#ifndef NRM_POOL_MIN
#define NRM_POOL_MIN 524288 /* elements: A8 */
#endif

#ifndef NRM_ASSERT
#define NRM_ASSERT(condition) ((void)0)
#endif

/* For tests: called where a slow path is taken, and with the instruction set of each call. */
#ifndef NRMI_TRACE
#define NRMI_TRACE(what) ((void)0)
#endif
#ifndef NRMI_TRACE_ISA
#define NRMI_TRACE_ISA(isa) ((void)0)
#endif
/* For tests: a processor and an operating system that this machine does not have. */
#ifndef NRMI_CPUID
#define NRMI_CPUID(leaf, r) nrmi_cpuid(leaf, r)
#define NRMI_XGETBV() nrmi_xgetbv()
#endif

/* ---- C2 Compiler -------------------------------------------------------------------------- */

/* The bits are a promise, so the user's -ffast-math and -ffp-contract end here. gcc 12 contracts
   even separate multiply and add intrinsics in its gnu modes; clang 14 allows contraction again
   under float_control(precise), hence both pragmas, in this order. Both are popped at the end. */
#if defined(__clang__)
/* clang has float_control on x86 and s390x, since 16 on AArch64, since 19 on RISC-V; on PowerPC it
   takes the pragma, and -ffast-math changes bits all the same (14). */
#if defined(__x86_64__) || defined(__i386__) || defined(__s390x__) || \
    (defined(__aarch64__) && __clang_major__ >= 16) || (defined(__riscv) && __clang_major__ >= 19)
#define NRMI_FLOAT_CONTROL 1
#pragma float_control(precise, on, push)
#else
#define NRMI_FLOAT_CONTROL 0
#ifdef __FAST_MATH__
#error "normalize.h: this clang cannot switch -ffast-math off here; compile this file without it"
#endif
#endif
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("no-fast-math", "fp-contract=off")
/* gcc 12 -O3 makes vectors of scalar code, and takes stores before the end for stores beyond it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#elif defined(_MSC_VER)
#pragma float_control(precise, on, push)
#pragma fp_contract(off)
#endif

/* Float has to be computed as float. __SSE2_MATH__ says so on x86, whatever __FLT_EVAL_METHOD__
   is: 16 under AVX512-FP16 (gcc 12, -march=sapphirerapids), where _Float16 alone has a range of its
   own, 0 without SSE2 (clang 14, x86-64), -1 where gcc mixes both units. */
#if NRMI_GNU && (defined(__x86_64__) || defined(__i386__))
#if !defined(__SSE2_MATH__) || (!defined(__clang__) && __FLT_EVAL_METHOD__ < 0)
#define NRMI_X87 1
#endif
#elif defined(__i386__) || (defined(_M_IX86) && _M_IX86_FP + 0 < 2)
#define NRMI_X87 1
#elif defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ > 0 && __FLT_EVAL_METHOD__ != 16
#error "normalize.h: float is computed in more digits here; -fexcess-precision=fast may help"
#endif
#ifdef NRMI_X87
#error "normalize.h: x87 arithmetic gives other bits; compile with -msse2 -mfpmath=sse"
#endif

/* noclone: when gcc 12 at -O3 -fno-signed-zeros (part of -Ofast) copies a function for a constant,
   it takes 0.0 and -0.0 for the same, in spite of the pragma. Without optimization calls stay
   calls: written out, they took gcc 12 seven times as long to compile (20 s), 4.4 MB of object
   instead of 0.4, and twice the stack, and were no faster. */
#if NRMI_GNU && !defined(__OPTIMIZE__)
#define NRMI_INLINE __attribute__((unused))
#define NRMI_NOINLINE __attribute__((unused))
#elif defined(__clang__)
#define NRMI_INLINE inline __attribute__((always_inline, unused))
#define NRMI_NOINLINE __attribute__((noinline, unused))
#elif NRMI_GNU
#define NRMI_INLINE inline __attribute__((always_inline, unused))
#define NRMI_NOINLINE __attribute__((noinline, noclone, unused))
#elif defined(_MSC_VER)
#define NRMI_INLINE __forceinline
#define NRMI_NOINLINE __declspec(noinline)
#else
#define NRMI_INLINE inline
#define NRMI_NOINLINE
#endif

/* clang is asked for an instruction set by an attribute of each function, but not where the whole
   file is compiled for it: clang 19 -march=native warned 6,292 times under AVX10.1, which is there
   with 256 bits alone as well. */
#if defined(__clang__) && !(defined(__AVX2__) && defined(__F16C__))
#define NRMI_ASK_AVX2 1
#else
#define NRMI_ASK_AVX2 0
#endif
#if defined(__clang__) && !(defined(__AVX512F__) && defined(__AVX512DQ__) && \
                            defined(__AVX512VL__) && defined(__AVX512BW__) && \
                            (!defined(__AVX10_1__) || defined(__EVEX512__)))
#define NRMI_ASK_AVX512 1
#else
#define NRMI_ASK_AVX512 0
#endif

#if defined(__GNUC__)
#define NRMI_RARELY(condition) __builtin_expect(condition, 0)
#else
#define NRMI_RARELY(condition) (condition)
#endif

/* Asks for a line of the cache that will be stored to; the address need not be one. */
#if NRMI_GNU
#define NRMI_FETCH(address) __builtin_prefetch((const void *)(address), 1)
#else
#define NRMI_FETCH(address) ((void)(address))
#endif

/* Reads before it come before those after it. Where a block's dy was read first and then its x,
   backward of rows from memory took 1.1 to 1.4 times as long as where they took turns (Zen 3). */
#if NRMI_GNU
#define NRMI_IN_ORDER __asm__ volatile("" : : : "memory")
#else
#define NRMI_IN_ORDER ((void)0)
#endif

/* Before a loop that clang would make of gathers and scatters, which are slower than its loads, and
   which the memory sanitizer of 14 does not see. */
#if defined(__clang__)
#define NRMI_ONE_BY_ONE _Pragma("clang loop vectorize(disable)")
#else
#define NRMI_ONE_BY_ONE
#endif
/* Before a loop over 16 lanes of doubles, which clang would write out: 10 KB for 0 to 6% of F64. */
#if defined(__clang__)
#define NRMI_ROLLED _Pragma("clang loop unroll(disable)")
#else
#define NRMI_ROLLED
#endif

/* Arithmetic on vectors: operators where the compiler has them. clang's intrinsics are functions
   compiled with the user's flags, so under -ffast-math an intrinsic sum may be reassociated after
   inlining; an operator written here obeys the pragmas above. */
#if NRMI_GNU
#define NRMI_OPERATE(x, sign, y, intrinsic) ((x)sign(y))
#else
#define NRMI_OPERATE(x, sign, y, intrinsic) intrinsic((x), (y))
#endif

#define NRMI_GLUE2_(a, b) a##_##b
#define NRMI_GLUE2(a, b) NRMI_GLUE2_(a, b)
#define NRMI_GLUE3_(a, b, c) a##b##_##c
#define NRMI_GLUE3(a, b, c) NRMI_GLUE3_(a, b, c)

#ifdef __cplusplus
extern "C" {
#endif

#ifdef NRMI_NO_STRING_H
void *memcpy(void *, const void *, size_t);
void *memset(void *, int, size_t);
#endif

/* For what has more than 32 bytes, of a size that gcc 12 finds out: it clears and copies that by
   rep stos and rep movs, which take so long to begin that they were 6 to 26% of a small call
   (Zen 3). */
static NRMI_NOINLINE void nrmi_zero(void *to, size_t bytes)
{
    const volatile size_t unknown = bytes;
    memset(to, 0, unknown);
}

static NRMI_NOINLINE void nrmi_copy(void *to, const void *from, size_t bytes)
{
    const volatile size_t unknown = bytes;
    memcpy(to, from, unknown);
}

/* ---- C3 Tiles, chunks, kernels -------------------------------------------------------------- */

/* NUMERICS, "Order". These three numbers are part of the promise. */
enum {
    NRMI_LANE = 16,   /* value i of a block has lane i mod 16 and step i / 16 */
    NRMI_BLOCK = 128, /* 16 lanes of 8 steps                                  */
    NRMI_RUN = 1024   /* 8 blocks                                             */
};

/* Sizes on the stack. No bit depends on them. */
enum {
    NRMI_LANES = NRM_TILE, /* lanes of a tile that lie side by side             */
    NRMI_SHARED = NRMI_LANES * 3 / 4, /* ... whose groups have several          */
    NRMI_BROAD = 4 * NRMI_LANES, /* lanes that are mapped together              */
    NRMI_AT_ONCE = 64,     /* ... whose coefficients are made at once           */
    NRMI_LINES = 128,      /* lanes of a tile that are lines of memory          */
    NRMI_CHUNK = 4 * NRMI_LANES, /* packed floats; half as many doubles         */
    NRMI_PIECE = 128,      /* coefficients along the lane, copied at once       */
    NRMI_BACK = 32,        /* lines of a column that are mapped at once, from the end */
    NRMI_LONG = 1024,      /* lanes that are mapped line by line, as if they were all */
    NRMI_ACROSS = 64       /* values of a line that is transposed: 16 lines at once   */
};

/* Bytes that a row walk may read between two readings of a value: so that it stays in the second
   cache; in the first. And from how many on a tensor is far: not in the second cache. */
enum { NRMI_TWICE = 262144, NRMI_FIRST_CACHE = 24576, NRMI_FAR = 1048576 };

/* What a pass computes; which coefficients belong to the lane and which to the place along it:
     MOMENTS  d = x - pilot:       sums of d and d*d              pilot: lane
     CHANNEL  batch, instance, group norm                         mean, rstd, gamma, beta: lane
     INNER    layer and RMS norm: a lane is a row of c        mean, rstd: lane; gamma, beta: along
     PARAM    their dgamma and dbeta: a lane is a channel    gamma, beta: lane; mean, rstd: along */
enum { NRMI_MOMENTS, NRMI_CHANNEL, NRMI_INNER, NRMI_PARAM, NRMI_MASKED, NRMI_TOTAL };
enum { NRMI_Y, NRMI_DX };

/* Of a map: may read or write halves; y has a factor k; stores go past the caches; dx gives what it
   adds to dbeta and dgamma; two lines are mapped at once.
   MORE is what comes with CHANNEL's tensors, in the same reading: a residual is added to x, or dsum
   to dx; the sum is kept, or dadd; add comes after y, late; y is that of ReLU, or dy counts where
   that is not flat (MASKED: in sums). Through packed values, batch inference of 32x64x56x56 with
   ReLU took 1.6 times as long in NCHW and twice in NHWC, backward 2 and 2.3 times (Zen 3).
   BARE: rows of RMS in float, without a mean, P and dbeta. */
enum {
    NRMI_HALVED = 1,
    NRMI_SCALED = 2,
    NRMI_STREAMED = 4,
    NRMI_GIVING = 8,
    NRMI_PAIRED = 16,
    NRMI_ADDED = 32,
    NRMI_KEPT = 64,
    NRMI_LATE = 128,
    NRMI_RECTIFIED = 256,
    NRMI_MORE = 480,
    NRMI_BARE = 512
};

typedef struct nrmi_tile {
    const unsigned char *x, *res, *dy, *dsum; /* first element of the tile; NULL if absent      */
    unsigned char *out, *sum, *dres;          /* y or dx; z; dresidual                          */
    unsigned char *scales;                    /* of q8, by lane                                 */
    const struct nrmi_call *call;             /* add, gate, dadd, dgate, q8, and what acts      */
    size_t y_moved;                           /* elements of y before the tile                  */
    size_t x_step, y_step;                    /* elements from one line of memory to the next   */
    size_t y_next;                            /* ... from one value of y's line to the next     */
    size_t x_plane, y_plane;                  /* ... from one plane of the list to the next     */
    size_t planes, lanes, len;                /* a lane has planes * len values                 */
    const unsigned char *lens;                /* if not NULL: how many each plane has of len    */
    size_t times;                             /* maps: so many lines are one                    */
    unsigned char column;      /* lanes lie side by side, and go down the lines                  */
    unsigned char few;         /* a block is 8 of them                                           */
    unsigned char packs;       /* halves, which the kernels do not take as they lie              */
    unsigned char acts;        /* forward: something follows the norm; backward: has a slope     */
    unsigned char relu, late;  /* ... of CHANNEL, which is ReLU; which has add, with ReLU at most */
    unsigned char gives;       /* backward: dadd or dgate is asked for                           */
    unsigned char turns;       /* what lies as y has to be transposed                            */
    unsigned char keeps;       /* sums leave the transposed dy where dx goes, which maps it      */
    unsigned char frozen;      /* mean and rstd do not depend on x                               */
    unsigned char stream;      /* out is too large to stay in the caches, and apart from x       */
    unsigned char apart;       /* out shares no byte with an input                               */
    unsigned char distant;     /* the tensors do not stay in the second cache                    */
    unsigned char inner;       /* the maps' coefficients are INNER's                             */
    unsigned char forced;      /* INNER, PARAM: gamma or beta asks for double                    */
    unsigned char back;        /* the sums have just been read: map from the end                 */
    unsigned char tiny;        /* CHANNEL: gamma * rstd needs two factors                        */
    unsigned char odd;         /* statistics or parameters that are prepared one by one          */
    /* storage (nrm_dtype) and its size in bytes: of x; of res, sum, dsum, dres; of the others */
    unsigned char x_dtype, x_size, z_dtype, z_size, dtype;
    size_t size;
    double scale;              /* F64: z is multiplied by this power of two first; 0: by 1       */
    const double *mean, *rstd; /* by lane. MOMENTS: mean is the pilot, rstd NULL                 */
    const unsigned char *len_mean, *len_rstd; /* PARAM: doubles, along the lane, as the caller  */
    size_t stat_plane, stat_len;              /* has them; the steps to the next plane and len  */
    const double *g, *b;                      /* gamma + offset and beta, by lane               */
    const double *p, *q;                      /* mean of t and of t*xhat, by lane               */
    const struct nrmi_chunk *coefs;           /* if not NULL: what these make is there already  */
    const unsigned char *gamma, *beta;        /* INNER: along the lane, as the caller has them  */
    double offset;                            /* INNER: added to gamma                          */
} nrmi_tile;

/* What a kernel sees: lines of values, float or double as its arithmetic, or halves. */
typedef struct nrmi_chunk {
    const void *x, *dy;
    void *out;
    size_t x_step, dy_step, out_step; /* values from one line to the next                       */
    size_t lines, n;                  /* so many lines of n values                              */
    const void *mh, *ml, *r;          /* the mean in two parts (MOMENTS: the pilot), a factor   */
    const void *k, *p, *q, *o;        /* dx = ((dy*k - p) - d*r*q) * o                          */
    const void *s;                    /* dx of rows: rstd, for dgamma; RECTIFIED: r of y, whose
                                         sign b completes                                       */
    const void *g, *b;                /* gamma and beta on the other side; CHANNEL: b on this   */
    size_t g_step, b_step, stat_step; /* from one coefficient to the next: 0 for a missing one  */
    size_t block, apart, stride;      /* column sums: lines of the block, between two steps, and
                                         between two phases                                     */
    size_t x_leap, dy_leap;           /* ... values between two steps                           */
    size_t phase, phases, top;        /* the first phase here; levels of the tree of phases     */
    void *level;
    size_t level_step;
    double *first, *second;           /* the sums, by lane                                      */
    const size_t *at;                 /* column pilots: 32 places                               */
    int goes_on;                      /* row sums: the values go on with a run that has begun   */
    int half, half_out;               /* x and dy, out: halves of this type as they lie, or 0   */
    int half_param;                   /* INNER of rows: the same of gamma and beta              */
    int in_order;                     /* maps: line by line, as they follow one another         */
    int bare;                         /* BARE, or 0: mh, ml and p are 0, and of first only P is
                                         read                                                   */
    int more;                         /* of NRMI_MORE                                           */
    uintptr_t to_added, to_kept, to_late; /* bytes: x to the residual and to sum, out to add; or
                                             out to dsum, dy to dadd and to add                 */
    int stream, finite;               /* dx: out: whether all of it is                          */
} nrmi_chunk;

/* What follows the norm, u = xhat * g + b: out = act(u + add), or, with dy, dy times the slope
   there. add may be NULL. The steps are values from one line to the next. */
typedef struct nrmi_acting {
    const unsigned char *u, *add, *dy;
    unsigned char *out;
    size_t u_step, add_step, dy_step, out_step;
    size_t lines, n;
    int act, stream;
    double slope, low, high;
} nrmi_acting;

/* Work on lanes in double, several at a time. NRMI_OF_PILOT: mh alone. NRMI_OF_Y: mh, ml, r = rstd
   or, with g, g * rstd, b. NRMI_OF_SUMS: mh, ml, r = v * lift, k = u. NRMI_OF_DX: mh, ml, r = v,
   k = u or g * u, p, q, o. What is NULL is left out. */
enum { NRMI_OF_PILOT, NRMI_OF_Y, NRMI_OF_SUMS, NRMI_OF_DX };
typedef struct nrmi_lanes {
    size_t n;
    int of;
    const double *mean, *rstd, *g, *b, *p, *q;
    float *mh, *ml, *r, *k, *to_b, *to_p, *to_q, *o;
    double lift, m; /* m: of gradient, the values of a row                                     */
    int rms;
} nrmi_lanes;

/* NUMERICS, "Accept", of n groups of m values: mean, m2, rstd from the sums around the pilots. */
typedef struct nrmi_judged {
    size_t n;
    int rms;
    double m, eps;
    const double *first, *second, *pilot;
    double *mean, *m2, *rstd;
} nrmi_judged;

/* The order in which a pilot's 32 places go up in memory. Read so, they took 2.4 ms instead of 3.4
   for layer norm of 4096 rows of 768 (Zen 4). */
static const unsigned char nrmi_upward[32] = {12, 25, 4, 17, 30, 9, 22, 1,  14, 27, 6,
                                              19, 11, 24, 3, 16, 29, 8, 21, 0,  13, 26,
                                              5,  18, 31, 10, 23, 2, 15, 28, 7, 20};

typedef void nrmi_kernel(nrmi_chunk *);

/* Lines of values of any type, and of the same values packed. */
typedef struct nrmi_packing {
    unsigned char *packed, *x; /* unpack writes x                                             */
    const unsigned char *res;  /* or NULL; z is rounded to its type                           */
    size_t step, x_step;       /* from line to line, in values                                */
    size_t lines, n;
    int dtype, res_dtype;
} nrmi_packing;

/* Packed y in steps of a scale, which belongs to the line or to the place in it. */
typedef struct nrmi_steps {
    float *y;
    float *scale; /* largest: the largest |y| so far, by its bits                              */
    size_t step, lines, n;
    int place;
} nrmi_steps;

typedef struct nrmi_kernels {
    int is_double, halves, more; /* halves are read and written as they lie; NRMI_MORE, but for
                                    y of ReLU, which all of them make                         */
    size_t size;                 /* of a value                                                */
    nrmi_kernel *sums[2][5];     /* of rows, of columns, which alone have PARAM; to MASKED    */
    nrmi_kernel *totals;         /* floats: first alone, the sums of rows of one block        */
    nrmi_kernel *rest;           /* of column sums: fewer than 16 phases                      */
    nrmi_kernel *pilots[2];      /* of rows, of columns                                       */
    nrmi_kernel *map[2][2][2];   /* Y, DX; statistics by line, by place; INNER                */
    void (*pack)(const nrmi_packing *);   /* z of any type; what is past n may be set          */
    void (*unpack)(const nrmi_packing *); /* the way back, rounded once                        */
    void (*act)(const nrmi_acting *);
    void (*slope)(const nrmi_acting *);
    void (*plus)(void *to, const void *more, size_t n); /* whole vectors                      */
    void (*times)(void *to, const void *more, size_t n);
    int (*within)(const unsigned char *values, size_t count, double limit); /* floats alone */
    void (*largest)(const nrmi_steps *); /* floats alone                                       */
    void (*steps)(const nrmi_steps *);   /* y: a float whose low byte is the step             */
    void (*coefs)(const nrmi_lanes *);
    int (*judge)(const nrmi_judged *);        /* 1: all of them are accepted                   */
    int (*comfortable)(const nrmi_lanes *);   /* 1: float arithmetic keeps the bound in all    */
    int (*gradient)(const nrmi_lanes *);      /* p, q, o of rows from their sums; 1: all fit   */
    void (*settle)(double *into, double *from, size_t n);   /* into += from, from = 0          */
    int (*narrow)(unsigned char *to, const double *from, size_t n); /* floats; 1: all finite   */
} nrmi_kernels;

typedef struct nrmi_set {
    nrm_isa isa;
    const nrmi_kernels *f32, *f64;
} nrmi_set;

/* ---- C4 Bits, half floats, checked sizes ---------------------------------------------------- */

typedef float nrmi_f32;
typedef double nrmi_f64;

/* clang's back end fuses a product into a sum under -ffast-math or -ffp-contract=fast whatever the
   pragmas say (14, 16 and 19). An empty statement that might have changed the product stops it. */
#if defined(__clang__) && defined(__SSE2__)
#define NRMI_KEEP_PRODUCT(x) __asm__("" : "+x"(x))
#define NRMI_KEEP_PRODUCT_512(x) __asm__("" : "+v"(x))
#elif defined(__clang__) && (defined(__aarch64__) || defined(__ARM_FEATURE_FMA))
#define NRMI_KEEP_PRODUCT(x) __asm__("" : "+w"(x))
#define NRMI_KEEP_PRODUCT_512(x) ((void)0)
#elif defined(__clang__) && (__riscv_flen + 0 == 64 || __loongarch_frlen + 0 == 64 ||       \
                             defined(__s390x__) ||                                          \
                             (defined(__powerpc__) && !defined(_SOFT_FLOAT)))
#define NRMI_KEEP_PRODUCT(x) __asm__("" : "+f"(x))
#define NRMI_KEEP_PRODUCT_512(x) ((void)0)
#else
#define NRMI_KEEP_PRODUCT(x) ((void)0)
#define NRMI_KEEP_PRODUCT_512(x) ((void)0)
#endif
#if defined(__SSE2__) && !defined(__FMA__) && !defined(__FMA4__)
#define NRMI_KEEP_SCALAR(x) ((void)0)
#else
#define NRMI_KEEP_SCALAR(x) NRMI_KEEP_PRODUCT(x)
#endif

/* v as a float. By way of memory, since gcc 12 (-O2) takes `c ? v : (double)(float)v` for v where
   its vectoriser of straight-line code meets it beside another double. */
static NRMI_INLINE double nrmi_as_float(double v)
{
    volatile float r = (float)v;
    return (double)r;
}

static NRMI_INLINE double nrmi_product(double a, double b)
{
    double r = a * b;
    NRMI_KEEP_SCALAR(r);
    return r;
}
static NRMI_INLINE float nrmi_product_f32(float a, float b)
{
    float r = a * b;
    NRMI_KEEP_SCALAR(r);
    return r;
}

/* A float for a product of doubles. clang for s390x makes MDEBR of two that are widened and
   multiplied, which qemu 7.2 does not: it takes the bits of the first for a double's. */
static NRMI_INLINE double nrmi_widened(float x)
{
    double r = (double)x;
    NRMI_KEEP_SCALAR(r);
    return r;
}

/* sum += v, and what that rounds off goes to `lost`: totals of F64, for want of a wider type. */
static NRMI_INLINE void nrmi_add_two(double *sum, double *lost, double v)
{
    const double s = *sum + v, part = s - *sum;
    *lost += (*sum - (s - part)) + (v - part);
    *sum = s;
}

/* Loads that ask for no alignment; every compiler makes one instruction of each. */
static NRMI_INLINE float nrmi_f32_at(const void *p, size_t i)
{
    float v;
    memcpy(&v, (const unsigned char *)p + i * sizeof v, sizeof v);
    return v;
}
static NRMI_INLINE double nrmi_f64_at(const void *p, size_t i)
{
    double v;
    memcpy(&v, (const unsigned char *)p + i * sizeof v, sizeof v);
    return v;
}
static NRMI_INLINE uint16_t nrmi_u16_at(const void *p, size_t i)
{
    uint16_t v;
    memcpy(&v, (const unsigned char *)p + i * sizeof v, sizeof v);
    return v;
}
static NRMI_INLINE void nrmi_u16_set(void *p, size_t i, uint16_t v)
{
    memcpy((unsigned char *)p + i * sizeof v, &v, sizeof v);
}
static NRMI_INLINE void nrmi_f32_set(void *p, size_t i, float v)
{
    memcpy((unsigned char *)p + i * sizeof v, &v, sizeof v);
}
static NRMI_INLINE void nrmi_f64_set(void *p, size_t i, double v)
{
    memcpy((unsigned char *)p + i * sizeof v, &v, sizeof v);
}

/* Bits of |x|: they order like the values, and a NaN is larger than everything. clang 14's
   -ffast-math folds x != x even here, so NaN and Inf are only ever tested on these. */
static NRMI_INLINE uint64_t nrmi_bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u & 0x7fffffffffffffffu;
}
static NRMI_INLINE double nrmi_from_bits(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}
static NRMI_INLINE uint32_t nrmi_bits32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static NRMI_INLINE float nrmi_from_bits32(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}
#define NRMI_POW2_BITS(e) ((uint64_t)(1023 + (e)) << 52)
#define NRMI_INF_BITS 0x7ff0000000000000u

static NRMI_INLINE int nrmi_finite(double x)
{
    return nrmi_bits(x) < NRMI_INF_BITS;
}
static NRMI_INLINE double nrmi_nan(void)
{
    return nrmi_from_bits(0x7ff8000000000000u);
}
/* y > 0, on the bits: 0 < u <= Inf. */
static NRMI_INLINE int nrmi_positive_f32(float y)
{
    return nrmi_bits32(y) - 1u < 0x7f800000u;
}
static NRMI_INLINE int nrmi_positive_f64(double y)
{
    uint64_t u;
    memcpy(&u, &y, sizeof u);
    return u - 1u < NRMI_INF_BITS;
}
/* y <= 0: minus zero and below, or plus zero. */
static NRMI_INLINE int nrmi_negative_f32(float y)
{
    return nrmi_bits32(y) - 0x80000000u <= 0x7f800000u || nrmi_bits32(y) == 0;
}
static NRMI_INLINE int nrmi_negative_f64(double y)
{
    uint64_t u;
    memcpy(&u, &y, sizeof u);
    return u - 0x8000000000000000u <= NRMI_INF_BITS || u == 0;
}

#if defined(__SSE2__) || defined(_M_X64)
static NRMI_INLINE double nrmi_sqrt_sse2(double x)
{
    const __m128d v = _mm_set_sd(x);
    return _mm_cvtsd_f64(_mm_sqrt_sd(v, v));
}
#endif

/* rstd = v * rho = u * o, where v and u are powers of two: 1 <= rho < 2, u = max(v, 1) * 2^24.
   Scaling by v and u is exact. Gradients are computed u / rstd too large, so that a dy of 1e-45
   keeps 24 bits until the last multiplication. In double arithmetic nothing is split. */
#define NRMI_LIFT 16777216.0
typedef struct nrmi_scale {
    double v, rho, u, o;
} nrmi_scale;

static NRMI_INLINE nrmi_scale nrmi_scale_of(double rstd, int whole)
{
    nrmi_scale s = {rstd, 1, 1, rstd};
    if (whole)
        return s;
    s.u = NRMI_LIFT;
    if (nrmi_bits(rstd) == 0)
        return s;
    s.v = nrmi_from_bits(nrmi_bits(rstd) & 0x7ff0000000000000u);
    s.rho = nrmi_from_bits((nrmi_bits(rstd) & 0x000fffffffffffffu) | NRMI_POW2_BITS(0));
    s.u = s.v > 1 ? s.v * NRMI_LIFT : NRMI_LIFT;
    s.o = (s.v > 1 ? s.rho : rstd) / NRMI_LIFT;
    return s;
}

/* a = g * rstd as r * g: as a and 1, but so that a below 2^-100 keeps its digits as a float. In F64
   near the ends of the range each takes half of a's exponent: what is multiplied by both is neither
   denormal nor infinite in between unless it ends so. */
typedef struct nrmi_factors {
    double r, g;
} nrmi_factors;

static NRMI_INLINE nrmi_factors nrmi_factors_of(double rstd, double g, int f64)
{
    const double a = g * rstd;
    nrmi_factors f = {a, 1};
    if (f64 && (nrmi_bits(a) < NRMI_POW2_BITS(-900) || nrmi_bits(a) > NRMI_POW2_BITS(900))) {
        const int apart = (int)(nrmi_bits(g) >> 52) - (int)(nrmi_bits(rstd) >> 52);
        const double t = nrmi_from_bits(NRMI_POW2_BITS(apart / 2));
        f.r = rstd * t;
        f.g = g / t;
    } else if (!f64 && nrmi_bits(a) < NRMI_POW2_BITS(-100)) {
        f.r = a * nrmi_from_bits(NRMI_POW2_BITS(100));
        f.g = nrmi_from_bits(NRMI_POW2_BITS(-100));
    }
    return f;
}

/* F64: whether z - mean might overflow. */
static NRMI_INLINE int nrmi_large_f64(double mean, double rstd)
{
    return nrmi_bits(mean) >= NRMI_POW2_BITS(1000) || nrmi_bits(rstd) < NRMI_POW2_BITS(-1000);
}

/* NUMERICS, "Double": the range in which float keeps the bound; outside it double is used. The last
   line: (float)(mean - (float)mean) is off by 2^-49 |mean|, which rstd magnifies. */
static NRMI_INLINE int nrmi_comfortable(double mean, double rstd)
{
    return nrmi_bits(mean) < NRMI_POW2_BITS(100) && nrmi_bits(rstd) <= NRMI_POW2_BITS(60) &&
           (nrmi_bits(rstd) >= NRMI_POW2_BITS(-60) || nrmi_bits(rstd) == 0) &&
           nrmi_bits(mean * rstd) <= NRMI_POW2_BITS(25);
}
#define NRMI_GAMMA_LIMIT 1099511627776.0                  /* 2^40  */
#define NRMI_BETA_LIMIT 1267650600228229401496703205376.0 /* 2^100 */
#define NRMI_PQ_LIMIT NRMI_POW2_BITS(42) /* p * u and q * rho * u stay below 2^127 */
static NRMI_INLINE int nrmi_comfortable_affine(double g, double b)
{
    return nrmi_bits(g) <= nrmi_bits(NRMI_GAMMA_LIMIT) &&
           nrmi_bits(b) <= nrmi_bits(NRMI_BETA_LIMIT);
}

/* One y before the activation, by the choice and the formulas that the kernels use, as a float if
   it is one: the gradient in double asks it for the place that the forward pass saw. */
static double nrmi_point(double x, double mean, double rstd, double g, double b, int inner,
                        int forced)
{
    nrmi_factors f = {rstd, g};
    float mh, y;
    if (forced || !nrmi_comfortable(mean, rstd) || (!inner && !nrmi_comfortable_affine(g, b))) {
        const double wide = nrmi_product((x - mean) * rstd, g) + b, narrow = nrmi_as_float(wide);
        return nrmi_finite(narrow) ? narrow : wide;
    }
    if (!inner)
        f = nrmi_factors_of(rstd, g, 0);
    mh = (float)mean;
    y = (float)x - mh;
    y = y - (float)(mean - (double)mh);
    y = y * (float)f.r;
    y = nrmi_product_f32(y, (float)f.g);
    y = y + (float)b;
    return (double)y;
}

NRM_API uint16_t nrm_f32_to_bf16(float value)
{
    const uint32_t u = nrmi_bits32(value);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((u >> 16) | 0x40u);
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

NRM_API float nrm_bf16_to_f32(uint16_t half)
{
    return nrmi_from_bits32((uint32_t)half << 16);
}

NRM_API uint16_t nrm_f32_to_f16(float value)
{
    const uint32_t u = nrmi_bits32(value), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    uint32_t shift, m, half;
    if (a > 0x7f800000u) /* NaN */
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) /* 65520 and more round to Inf */
        return (uint16_t)(sign | 0x7c00u);
    if (a >= 0x38800000u) /* normal: rebias by 112 and round 13 bits off, a carry moves up */
        return (uint16_t)(sign | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13));
    if (a <= 0x33000000u) /* at most half of the smallest denormal */
        return (uint16_t)sign;
    shift = 126u - (a >> 23); /* denormal: the mantissa in units of 2^-24 */
    m = (a & 0x7fffffu) | 0x800000u;
    half = m >> shift;
    if ((m & ((1u << shift) - 1u)) + (half & 1u) > 1u << (shift - 1u))
        half++;
    return (uint16_t)(sign | half);
}

NRM_API float nrm_f16_to_f32(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, e = (half >> 10) & 31u;
    uint32_t m = half & 0x3ffu, shift = 0;
    if (e == 31u)
        return nrmi_from_bits32(sign | 0x7f800000u | (m << 13));
    if (e != 0)
        return nrmi_from_bits32(sign | ((e + 112u) << 23) | (m << 13));
    if (m == 0)
        return nrmi_from_bits32(sign);
    while (!(m & 0x400u)) {
        m <<= 1;
        shift++;
    }
    return nrmi_from_bits32(sign | ((113u - shift) << 23) | ((m & 0x3ffu) << 13));
}

/* v as a float for a second rounding to a half: an inexact one is cut off and its last bit set, so
   that the two roundings are together one (bf16 and f16 have at least two bits less). A NaN, whose
   digits may be cut off too, stays one. */
static float nrmi_to_odd(double v)
{
    const float f = (float)v;
    const uint64_t exact = nrmi_bits(v), rounded = nrmi_bits((double)f);
    uint32_t u;
    if (exact == rounded)
        return f;
    memcpy(&u, &f, sizeof u);
    return nrmi_from_bits32((rounded > exact ? u - 1u : u) | 1u);
}

/* Element i of a tensor: as a double, and from one, rounded once. */
static double nrmi_value(int dtype, const void *p, size_t i)
{
    switch (dtype) {
    case NRM_F32: return (double)nrmi_f32_at(p, i);
    case NRM_F64: return nrmi_f64_at(p, i);
    case NRM_BF16: return (double)nrm_bf16_to_f32(nrmi_u16_at(p, i));
    default: return (double)nrm_f16_to_f32(nrmi_u16_at(p, i));
    }
}
static void nrmi_value_set(int dtype, void *p, size_t i, double v)
{
    switch (dtype) {
    case NRM_F32: nrmi_f32_set(p, i, (float)v); break;
    case NRM_F64: nrmi_f64_set(p, i, v); break;
    case NRM_BF16: nrmi_u16_set(p, i, nrm_f32_to_bf16(nrmi_to_odd(v))); break;
    default: nrmi_u16_set(p, i, nrm_f32_to_f16(nrmi_to_odd(v))); break;
    }
}
static double nrmi_rounded(int dtype, double v)
{
    double space;
    nrmi_value_set(dtype, &space, 0, v);
    return nrmi_value(dtype, &space, 0);
}

/* z, rounded as stored, which is as residual. The sum of two halves or floats is in double what it
   is in float. */
static double nrmi_z(int dtype, int z_dtype, const void *x, const void *residual, size_t i)
{
    const double v = nrmi_value(dtype, x, i);
    return residual ? nrmi_rounded(z_dtype, v + nrmi_value(z_dtype, residual, i)) : v;
}

/* The bits of float i. */
static NRMI_INLINE uint32_t nrmi_word_at(const float *p, size_t i)
{
    uint32_t u;
    memcpy(&u, p + i, sizeof u);
    return u;
}

/* A length; nothing needs to be aligned. */
static NRMI_INLINE size_t nrmi_size_at(const void *p, size_t i)
{
    size_t v;
    memcpy(&v, (const unsigned char *)p + i * sizeof v, sizeof v);
    return v;
}

/* Gives sums back what they lost; nothing to those that overflowed. */
static void nrmi_make_up(double *sum, double *lost, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        sum[i] += nrmi_finite(lost[i]) ? lost[i] : 0;
        lost[i] = 0;
    }
}

static NRMI_INLINE size_t nrmi_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

#if NRMI_HAS_AVX2 || NRMI_HAS_AVX512
/* How many bits are set from the lowest on. */
static NRMI_INLINE size_t nrmi_low_bits(unsigned mask)
{
    size_t n = 0;
    for (; mask & 1; mask >>= 1)
        n++;
    return n;
}
#endif

/* Bytes of a value. */
static NRMI_INLINE size_t nrmi_size(nrm_dtype dtype)
{
    return dtype == NRM_F32 ? 4 : dtype == NRM_F64 ? 8 : 2;
}

/* 0 where the product does not fit. */
static int nrmi_times(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return 0;
    *product = a * b;
    return 1;
}

/* ---- C5 Vector operations ----------------------------------------------------------------- */

/* A vector is a register: NRMI_W_f32_avx2 is 8. For each instruction set, of float and of double:
     set1 load store stream    broadcast; no alignment is asked, but of stream
     mask(n)                   the first n of a vector, n <= W
     load_part store_part keep those of a mask; missing ones load as +0, and keep leaves +0
     add sub mul div           IEEE, rounded once
     pairs(a, b)               a0+a1, a2+a3 ... b0+b1, b2+b3 ...
     choose(t, x, y)           x where t > 0, else y, also where t is NaN
     relu(y)                   y where y > 0, NaN where NaN, else +0
     pow2(z)                   2^k of NRMI_MAGIC + k
     within(v, limit)          float alone: 1 if every |value| <= limit; a NaN is not
     tally(totals, v)          totals[i] += v[i], in double
   of halves half_get, half_put: W of them, as floats; and of doubles alone
     root biggest and_bits or_bits most(x, limit)     most: bit i is set where x[i] <= limit
     get_f32 put_f32           W floats, widened and rounded */

#define NRMI_W_f32_scalar 1
#define NRMI_W_f64_scalar 1
#define NRMI_W_f32_avx2 8
#define NRMI_W_f64_avx2 4
#define NRMI_W_f32_avx512 16
#define NRMI_W_f64_avx512 8
#define NRMI_W_f32_v128 4
#define NRMI_W_f64_v128 2
#define NRMI_IS_DOUBLE_f32 0
#define NRMI_IS_DOUBLE_f64 1

/* As signed integers, the bits of -Inf and below in value end before the first of these, those of
   Inf before the second; beyond are the NaNs. clang's -ffast-math takes liberties with comparisons
   of NaN, and of -0 when they choose, so vectors too are only compared as integers. */
#define NRMI_UNDER_INF (-0x7fffff)
#define NRMI_OVER_INF 0x7f800001
#define NRMI_UNDER_INF64 ((int64_t)-0xfffffffffffff)
#define NRMI_OVER_INF64 ((int64_t)0x7ff0000000000001)

/* An operation of one instruction set: NRMI_DEFINE(type, nrmi_add_f32_avx2, (arguments), value). */
#define NRMI_DEFINE(type, name, arguments, value) \
    static NRMI_INLINE type name arguments        \
    {                                             \
        return value;                             \
    }
#define NRMI_DO(name, arguments, statement) \
    static NRMI_INLINE void name arguments  \
    {                                       \
        statement;                          \
    }

/* ISA HOOK op block: scalar. A vector of one value; the oracle of the others. */

static NRMI_INLINE uint64_t nrmi_bits_of_f64(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}
static NRMI_INLINE double nrmi_f64_of_bits(uint64_t u)
{
    return nrmi_from_bits(u);
}

typedef int nrmi_m_f32_scalar, nrmi_m_f64_scalar;
#define NRMI_SCALAR_OPS(A)                                                                         \
    typedef nrmi_##A nrmi_v_##A##_scalar;                                                          \
    NRMI_DEFINE(nrmi_##A, nrmi_set1_##A##_scalar, (nrmi_##A x), x)                                 \
    NRMI_DEFINE(nrmi_##A, nrmi_load_##A##_scalar, (const void *p), nrmi_##A##_at(p, 0))            \
    NRMI_DO(nrmi_store_##A##_scalar, (void *p, nrmi_##A x), nrmi_##A##_set(p, 0, x))               \
    NRMI_DO(nrmi_stream_##A##_scalar, (void *p, nrmi_##A x), nrmi_##A##_set(p, 0, x))              \
    NRMI_DEFINE(int, nrmi_mask_##A##_scalar, (size_t n), n > 0)                                    \
    NRMI_DEFINE(nrmi_##A, nrmi_load_part_##A##_scalar, (const void *p, int m),                     \
                m ? nrmi_##A##_at(p, 0) : 0)                                                       \
    static NRMI_INLINE void nrmi_store_part_##A##_scalar(void *p, nrmi_##A x, int m)               \
    {                                                                                              \
        if (m)                                                                                     \
            nrmi_##A##_set(p, 0, x);                                                               \
    }                                                                                              \
    NRMI_DEFINE(nrmi_##A, nrmi_keep_##A##_scalar, (nrmi_##A x, int m), m ? x : 0)                  \
    NRMI_DEFINE(nrmi_##A, nrmi_add_##A##_scalar, (nrmi_##A x, nrmi_##A y), x + y)                  \
    NRMI_DEFINE(nrmi_##A, nrmi_sub_##A##_scalar, (nrmi_##A x, nrmi_##A y), x - y)                  \
    static NRMI_INLINE nrmi_##A nrmi_mul_##A##_scalar(nrmi_##A x, nrmi_##A y)                      \
    {                                                                                              \
        nrmi_##A r = x * y;                                                                        \
        NRMI_KEEP_SCALAR(r);                                                                       \
        return r;                                                                                  \
    }                                                                                              \
    NRMI_DEFINE(nrmi_##A, nrmi_pairs_##A##_scalar, (nrmi_##A x, nrmi_##A y), x + y)                \
    NRMI_DEFINE(nrmi_##A, nrmi_div_##A##_scalar, (nrmi_##A x, nrmi_##A y), x / y)                  \
    NRMI_DEFINE(nrmi_##A, nrmi_choose_##A##_scalar, (nrmi_##A t, nrmi_##A x, nrmi_##A y),          \
                nrmi_positive_##A(t) ? x : y)                                                      \
    NRMI_DEFINE(nrmi_##A, nrmi_relu_##A##_scalar, (nrmi_##A y), nrmi_negative_##A(y) ? 0 : y)      \
    NRMI_DO(nrmi_tally_##A##_scalar, (double *to, nrmi_##A x), *to = *to + (double)x)
NRMI_SCALAR_OPS(f32)
NRMI_SCALAR_OPS(f64)
NRMI_DEFINE(float, nrmi_pow2_f32_scalar, (float z),
            nrmi_from_bits32((nrmi_bits32(z) << 23) + 0x3f800000u))
NRMI_DEFINE(double, nrmi_pow2_f64_scalar, (double z),
            nrmi_from_bits((nrmi_bits_of_f64(z) << 52) + NRMI_POW2_BITS(0)))
NRMI_DEFINE(int, nrmi_within_f32_scalar, (float x, float limit),
            (nrmi_bits32(x) & 0x7fffffffu) <= nrmi_bits32(limit))
static NRMI_INLINE float nrmi_larger_f32_scalar(float most, float x)
{
    return nrmi_within_f32_scalar(x, most) ? most : nrmi_from_bits32(nrmi_bits32(x) & 0x7fffffffu);
}
static NRMI_INLINE float nrmi_half_get_scalar(int dtype, const void *p)
{
    const uint16_t h = nrmi_u16_at(p, 0);
    return dtype == NRM_F16 ? nrm_f16_to_f32(h) : nrm_bf16_to_f32(h);
}
static NRMI_INLINE void nrmi_half_put_scalar(int dtype, void *p, float x)
{
    nrmi_u16_set(p, 0, dtype == NRM_F16 ? nrm_f32_to_f16(x) : nrm_f32_to_bf16(x));
}
NRMI_DEFINE(double, nrmi_root_scalar, (double x), NRM_SQRT(x))
NRMI_DEFINE(double, nrmi_biggest_scalar, (double x, double y), x > y ? x : y)
NRMI_DEFINE(double, nrmi_and_bits_scalar, (double x, uint64_t bits),
            nrmi_f64_of_bits(nrmi_bits_of_f64(x) & bits))
NRMI_DEFINE(double, nrmi_or_bits_scalar, (double x, uint64_t bits),
            nrmi_f64_of_bits(nrmi_bits_of_f64(x) | bits))
NRMI_DEFINE(unsigned, nrmi_most_scalar, (double x, double y), x <= y)
NRMI_DEFINE(double, nrmi_get_f32_scalar, (const float *p), (double)*p)
NRMI_DO(nrmi_put_f32_scalar, (float *p, double x), *p = (float)x)

#if NRMI_HAS_AVX2 || NRMI_HAS_V128
/* Read at 16 - n this is a mask of the first n of 16. */
static const int32_t nrmi_edge[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                      -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                      0,  0,  0,  0,  0,  0,  0,  0,  0,  0};
#endif

/* ISA HOOK op block: AVX2, with F16C, as every processor with it. */

#if NRMI_HAS_AVX2
#if NRMI_ASK_AVX2
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif

typedef __m256 nrmi_v_f32_avx2;
typedef __m256d nrmi_v_f64_avx2;
typedef __m256i nrmi_m_f32_avx2, nrmi_m_f64_avx2;

/* s: the suffix of the intrinsics; V a vector, T a value. */
#define NRMI_AVX2_OPS(A, s, V, T)                                                                  \
    NRMI_DEFINE(V, nrmi_set1_##A##_avx2, (T x), _mm256_set1_##s(x))                                \
    NRMI_DEFINE(V, nrmi_load_##A##_avx2, (const void *p), _mm256_loadu_##s((const T *)p))          \
    NRMI_DO(nrmi_store_##A##_avx2, (void *p, V x), _mm256_storeu_##s((T *)p, x))                   \
    NRMI_DO(nrmi_stream_##A##_avx2, (void *p, V x), _mm256_stream_##s((T *)p, x))                  \
    NRMI_DEFINE(V, nrmi_load_part_##A##_avx2, (const void *p, __m256i m),                          \
                _mm256_maskload_##s((const T *)p, m))                                              \
    NRMI_DO(nrmi_store_part_##A##_avx2, (void *p, V x, __m256i m),                                 \
            _mm256_maskstore_##s((T *)p, m, x))                                                    \
    NRMI_DEFINE(V, nrmi_keep_##A##_avx2, (V x, __m256i m),                                         \
                _mm256_and_##s(x, _mm256_castsi256_##s(m)))                                        \
    NRMI_DEFINE(V, nrmi_add_##A##_avx2, (V x, V y), NRMI_OPERATE(x, +, y, _mm256_add_##s))         \
    NRMI_DEFINE(V, nrmi_sub_##A##_avx2, (V x, V y), NRMI_OPERATE(x, -, y, _mm256_sub_##s))         \
    NRMI_DEFINE(V, nrmi_div_##A##_avx2, (V x, V y), NRMI_OPERATE(x, /, y, _mm256_div_##s))         \
    static NRMI_INLINE V nrmi_mul_##A##_avx2(V x, V y)                                             \
    {                                                                                              \
        x = NRMI_OPERATE(x, *, y, _mm256_mul_##s);                                                 \
        NRMI_KEEP_SCALAR(x);                                                                       \
        return x;                                                                                  \
    }
NRMI_AVX2_OPS(f32, ps, __m256, float)
NRMI_AVX2_OPS(f64, pd, __m256d, double)
NRMI_DEFINE(__m256i, nrmi_mask_f32_avx2, (size_t n),
            _mm256_loadu_si256((const __m256i *)(const void *)(nrmi_edge + 16 - n)))
NRMI_DEFINE(__m256i, nrmi_mask_f64_avx2, (size_t n),
            _mm256_cvtepi32_epi64(
                _mm_loadu_si128((const __m128i *)(const void *)(nrmi_edge + 16 - n))))
static NRMI_INLINE __m256 nrmi_pairs_f32_avx2(__m256 x, __m256 y)
{
    const __m256 t = _mm256_hadd_ps(x, y); /* x01 x23 y01 y23 x45 x67 y45 y67 */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(t), 0xd8));
}
NRMI_DEFINE(__m256d, nrmi_pairs_f64_avx2, (__m256d x, __m256d y),
            _mm256_permute4x64_pd(_mm256_hadd_pd(x, y), 0xd8)) /* x01 y01 x23 y23, in order */
/* y < 0 and y > 0 on the bits, as signed integers, like the scalar tests; -0 is below. */
static NRMI_INLINE __m256 nrmi_relu_f32_avx2(__m256 y)
{
    const __m256i u = _mm256_castps_si256(y);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(NRMI_UNDER_INF), u);
    return _mm256_castsi256_ps(_mm256_andnot_si256(below, u));
}
static NRMI_INLINE __m256 nrmi_choose_f32_avx2(__m256 t, __m256 x, __m256 y)
{
    const __m256i u = _mm256_castps_si256(t);
    const __m256i above = _mm256_and_si256(_mm256_cmpgt_epi32(u, _mm256_setzero_si256()),
                                           _mm256_cmpgt_epi32(_mm256_set1_epi32(NRMI_OVER_INF), u));
    return _mm256_blendv_ps(y, x, _mm256_castsi256_ps(above));
}
static NRMI_INLINE __m256d nrmi_relu_f64_avx2(__m256d y)
{
    const __m256i u = _mm256_castpd_si256(y);
    const __m256i below = _mm256_cmpgt_epi64(_mm256_set1_epi64x(NRMI_UNDER_INF64), u);
    return _mm256_castsi256_pd(_mm256_andnot_si256(below, u));
}
static NRMI_INLINE __m256d nrmi_choose_f64_avx2(__m256d t, __m256d x, __m256d y)
{
    const __m256i u = _mm256_castpd_si256(t);
    const __m256i above =
        _mm256_and_si256(_mm256_cmpgt_epi64(u, _mm256_setzero_si256()),
                         _mm256_cmpgt_epi64(_mm256_set1_epi64x(NRMI_OVER_INF64), u));
    return _mm256_blendv_pd(y, x, _mm256_castsi256_pd(above));
}
NRMI_DEFINE(__m256, nrmi_pow2_f32_avx2, (__m256 z),
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(z), 23),
                                                 _mm256_set1_epi32(0x3f800000))))
NRMI_DEFINE(__m256d, nrmi_pow2_f64_avx2, (__m256d z),
            _mm256_castsi256_pd(_mm256_add_epi64(_mm256_slli_epi64(_mm256_castpd_si256(z), 52),
                                                 _mm256_set1_epi64x(NRMI_POW2_BITS(0)))))
static NRMI_INLINE __m256 nrmi_larger_f32_avx2(__m256 most, __m256 x)
{
    const __m256i size = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(most), size));
}
static NRMI_INLINE int nrmi_within_f32_avx2(__m256 x, float limit)
{
    const __m256i size = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
    const __m256i beyond = _mm256_cmpgt_epi32(size, _mm256_set1_epi32((int)nrmi_bits32(limit)));
    return _mm256_testz_si256(beyond, beyond);
}
NRMI_DO(nrmi_tally_f64_avx2, (double *to, __m256d x),
        nrmi_store_f64_avx2(to, nrmi_add_f64_avx2(nrmi_load_f64_avx2(to), x)))
static NRMI_INLINE void nrmi_tally_f32_avx2(double *to, __m256 x)
{
    nrmi_tally_f64_avx2(to, _mm256_cvtps_pd(_mm256_castps256_ps128(x)));
    nrmi_tally_f64_avx2(to + 4, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)));
}
/* F16C converts exactly, denormals too; bf16 is rounded with integers, as nrm_f32_to_bf16 does. */
static NRMI_INLINE __m256 nrmi_half_get_avx2(int dtype, const void *p)
{
    const __m128i h = _mm_loadu_si128((const __m128i *)p);
    if (dtype == NRM_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
/* Few constants: gcc makes each of them anew for each vector. */
static NRMI_INLINE __m128i nrmi_bf16_avx2(__m256 x)
{
    const __m256i u = _mm256_castps_si256(x);
    const __m256i odd = _mm256_srli_epi32(_mm256_slli_epi32(u, 15), 31);
    const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    __m256i h = _mm256_srli_epi32(_mm256_add_epi32(u, up), 16);
    if (NRMI_RARELY(_mm256_movemask_ps(nan) != 0))
        h = _mm256_blendv_epi8(
            h, _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40)),
            _mm256_castps_si256(nan));
    h = _mm256_permute4x64_epi64(_mm256_packus_epi32(h, h), 0xd8);
    return _mm256_castsi256_si128(h);
}
static NRMI_INLINE void nrmi_half_put_avx2(int dtype, void *p, __m256 x)
{
    if (dtype == NRM_F16)
        _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, 0));
    else
        _mm_storeu_si128((__m128i *)p, nrmi_bf16_avx2(x));
}
NRMI_DEFINE(size_t, nrmi_there_avx2, (__m256i m),
            nrmi_low_bits((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(m))))
static NRMI_NOINLINE __m256 nrmi_half_part_avx2(int dtype, const void *p, __m256i m)
{
    uint16_t h[8];
    memset(h, 0, sizeof h);
    memcpy(h, p, 2 * nrmi_there_avx2(m));
    return nrmi_half_get_avx2(dtype, h);
}
static NRMI_NOINLINE void nrmi_half_put_part_avx2(int dtype, void *p, __m256 x, __m256i m)
{
    uint16_t h[8];
    nrmi_half_put_avx2(dtype, h, x);
    memcpy(p, h, 2 * nrmi_there_avx2(m));
}
NRMI_DEFINE(__m256d, nrmi_root_avx2, (__m256d x), _mm256_sqrt_pd(x))
NRMI_DEFINE(__m256d, nrmi_biggest_avx2, (__m256d x, __m256d y), _mm256_max_pd(x, y))
NRMI_DEFINE(__m256d, nrmi_and_bits_avx2, (__m256d x, uint64_t bits),
            _mm256_and_pd(x, _mm256_castsi256_pd(_mm256_set1_epi64x((int64_t)bits))))
NRMI_DEFINE(__m256d, nrmi_or_bits_avx2, (__m256d x, uint64_t bits),
            _mm256_or_pd(x, _mm256_castsi256_pd(_mm256_set1_epi64x((int64_t)bits))))
NRMI_DEFINE(unsigned, nrmi_most_avx2, (__m256d x, __m256d y),
            (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(x, y, _CMP_LE_OQ)))
NRMI_DEFINE(__m256d, nrmi_get_f32_avx2, (const float *p), _mm256_cvtps_pd(_mm_loadu_ps(p)))
NRMI_DO(nrmi_put_f32_avx2, (float *p, __m256d x), _mm_storeu_ps(p, _mm256_cvtpd_ps(x)))

#if NRMI_ASK_AVX2
#pragma clang attribute pop
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif /* NRMI_HAS_AVX2 */

/* ISA HOOK op block: AVX-512 (F, DQ, VL, BW, as every processor since Skylake-X). */

#if NRMI_HAS_AVX512
#if NRMI_ASK_AVX512
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))), \
                             apply_to = function)
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw")
#endif

typedef __m512 nrmi_v_f32_avx512;
typedef __m512d nrmi_v_f64_avx512;
typedef __mmask16 nrmi_m_f32_avx512;
typedef __mmask8 nrmi_m_f64_avx512;

/* s: the suffix of the intrinsics; V a vector, T a value, M a mask, I of integers of this size.
   The zero-masked forms below: g++ 12 calls what the plain ones leave undefined uninitialised. */
#define NRMI_AVX512_OPS(A, s, V, T, M)                                                             \
    NRMI_DEFINE(V, nrmi_set1_##A##_avx512, (T x), _mm512_set1_##s(x))                              \
    NRMI_DEFINE(V, nrmi_load_##A##_avx512, (const void *p), _mm512_loadu_##s(p))                   \
    NRMI_DO(nrmi_store_##A##_avx512, (void *p, V x), _mm512_storeu_##s(p, x))                      \
    NRMI_DEFINE(M, nrmi_mask_##A##_avx512, (size_t n), (M)((1u << n) - 1u))                        \
    NRMI_DEFINE(V, nrmi_load_part_##A##_avx512, (const void *p, M m),                              \
                _mm512_maskz_loadu_##s(m, p))                                                      \
    NRMI_DEFINE(V, nrmi_add_##A##_avx512, (V x, V y), NRMI_OPERATE(x, +, y, _mm512_add_##s))       \
    NRMI_DEFINE(V, nrmi_sub_##A##_avx512, (V x, V y), NRMI_OPERATE(x, -, y, _mm512_sub_##s))       \
    NRMI_DEFINE(V, nrmi_div_##A##_avx512, (V x, V y), NRMI_OPERATE(x, /, y, _mm512_div_##s))       \
    static NRMI_INLINE V nrmi_mul_##A##_avx512(V x, V y)                                           \
    {                                                                                              \
        x = NRMI_OPERATE(x, *, y, _mm512_mul_##s);                                                 \
        NRMI_KEEP_PRODUCT_512(x); /* this target implies FMA */                                    \
        return x;                                                                                  \
    }
/* What sums and maps alone ask for; in double they are AVX2's where that is. */
#define NRMI_AVX512_MORE(A, s, V, T, M, UNDER, OVER, e)                                            \
    NRMI_DO(nrmi_stream_##A##_avx512, (void *p, V x), _mm512_stream_##s((T *)p, x))                \
    NRMI_DO(nrmi_store_part_##A##_avx512, (void *p, V x, M m), _mm512_mask_storeu_##s(p, m, x))    \
    NRMI_DEFINE(V, nrmi_keep_##A##_avx512, (V x, M m), _mm512_maskz_mov_##s(m, x))                 \
    static NRMI_INLINE V nrmi_relu_##A##_avx512(V y)                                               \
    {                                                                                              \
        const __m512i u = _mm512_cast##s##_si512(y);                                               \
        const M below = _mm512_cmplt_epi##e##_mask(u, NRMI_INT512_##A(UNDER));                     \
        return _mm512_maskz_mov_##s((M)~below, y);                                                 \
    }                                                                                              \
    static NRMI_INLINE V nrmi_choose_##A##_avx512(V t, V x, V y)                                   \
    {                                                                                              \
        const __m512i u = _mm512_cast##s##_si512(t);                                               \
        const M real = _mm512_cmplt_epi##e##_mask(u, NRMI_INT512_##A(OVER));                       \
        return _mm512_mask_mov_##s(                                                                \
            y, (M)(_mm512_cmpgt_epi##e##_mask(u, _mm512_setzero_si512()) & real), x);              \
    }                                                                                              \
    NRMI_DEFINE(V, nrmi_pow2_##A##_avx512, (V z),                                                  \
                _mm512_castsi512_##s(_mm512_add_epi##e(                                            \
                    _mm512_maskz_slli_epi##e((M)-1, _mm512_cast##s##_si512(z), e == 32 ? 23 : 52), \
                    NRMI_INT512_##A(e == 32 ? 0x3f800000 : NRMI_POW2_BITS(0)))))
#define NRMI_INT512_f32(x) _mm512_set1_epi32(x)
#define NRMI_INT512_f64(x) _mm512_set1_epi64(x)
NRMI_AVX512_OPS(f32, ps, __m512, float, __mmask16)
NRMI_AVX512_OPS(f64, pd, __m512d, double, __mmask8)
NRMI_AVX512_MORE(f32, ps, __m512, float, __mmask16, NRMI_UNDER_INF, NRMI_OVER_INF, 32)
static NRMI_INLINE __m512 nrmi_pairs_f32_avx512(__m512 x, __m512 y)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return NRMI_OPERATE(_mm512_permutex2var_ps(x, even, y), +, _mm512_permutex2var_ps(x, odd, y),
                        _mm512_add_ps);
}
#if !NRMI_HAS_AVX2
NRMI_AVX512_MORE(f64, pd, __m512d, double, __mmask8, NRMI_UNDER_INF64, NRMI_OVER_INF64, 64)
static NRMI_INLINE __m512d nrmi_pairs_f64_avx512(__m512d x, __m512d y)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    return NRMI_OPERATE(_mm512_permutex2var_pd(x, even, y), +, _mm512_permutex2var_pd(x, odd, y),
                        _mm512_add_pd);
}
#endif
static NRMI_INLINE __m512 nrmi_larger_f32_avx512(__m512 most, __m512 x)
{
    const __m512i size = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    return _mm512_castsi512_ps(_mm512_maskz_max_epi32(0xffff, _mm512_castps_si512(most), size));
}
static NRMI_INLINE int nrmi_within_f32_avx512(__m512 x, float limit)
{
    const __m512i size = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    return _mm512_cmpgt_epi32_mask(size, _mm512_set1_epi32((int)nrmi_bits32(limit))) == 0;
}
NRMI_DO(nrmi_tally_f64_avx512, (double *to, __m512d x),
        nrmi_store_f64_avx512(to, nrmi_add_f64_avx512(nrmi_load_f64_avx512(to), x)))
static NRMI_INLINE void nrmi_tally_f32_avx512(double *to, __m512 x)
{
    nrmi_tally_f64_avx512(to,
                          _mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, x, 0)));
    nrmi_tally_f64_avx512(to + 8,
                          _mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, x, 1)));
}
/* bf16 is rounded with integers: VCVTNEPS2BF16 flushes denormals. */
static NRMI_INLINE __m512 nrmi_floats_avx512(int dtype, __m256i h)
{
    if (dtype == NRM_F16)
        return _mm512_maskz_cvtph_ps(0xffff, h);
    return _mm512_castsi512_ps(
        _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, h), 16));
}
NRMI_DEFINE(__m512, nrmi_half_get_avx512, (int dtype, const void *p),
            nrmi_floats_avx512(dtype, _mm256_loadu_si256((const __m256i *)p)))
/* Few constants: gcc makes each of them anew for each vector. */
static NRMI_INLINE __m256i nrmi_halves_avx512(int dtype, __m512 x)
{
    const __m512i u = _mm512_castps_si512(x);
    const __m512i odd = _mm512_maskz_srli_epi32(0xffff, _mm512_maskz_slli_epi32(0xffff, u, 15), 31);
    const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __mmask16 nan = _mm512_fpclass_ps_mask(x, 0x81);
    __m512i h;
    if (dtype == NRM_F16)
        return _mm512_maskz_cvtps_ph(0xffff, x, 0);
    h = _mm512_maskz_srli_epi32(0xffff, _mm512_add_epi32(u, up), 16);
    if (NRMI_RARELY(nan != 0))
        h = _mm512_mask_or_epi32(h, nan, _mm512_maskz_srli_epi32(0xffff, u, 16),
                                 _mm512_set1_epi32(0x40));
    return _mm512_maskz_cvtepi32_epi16(0xffff, h);
}
NRMI_DO(nrmi_half_put_avx512, (int dtype, void *p, __m512 x),
        _mm256_storeu_si256((__m256i *)p, nrmi_halves_avx512(dtype, x)))
static NRMI_INLINE __m512 nrmi_half_part_avx512(int dtype, const void *p, __mmask16 m)
{
    return nrmi_floats_avx512(dtype, _mm256_maskz_loadu_epi16(m, p));
}
static NRMI_INLINE void nrmi_half_put_part_avx512(int dtype, void *p, __m512 x, __mmask16 m)
{
    _mm256_mask_storeu_epi16(p, m, nrmi_halves_avx512(dtype, x));
}
NRMI_DEFINE(__m512d, nrmi_root_avx512, (__m512d x), _mm512_maskz_sqrt_pd(0xff, x))
NRMI_DEFINE(__m512d, nrmi_biggest_avx512, (__m512d x, __m512d y), _mm512_maskz_max_pd(0xff, x, y))
NRMI_DEFINE(__m512d, nrmi_and_bits_avx512, (__m512d x, uint64_t bits),
            _mm512_and_pd(x, _mm512_castsi512_pd(_mm512_set1_epi64((int64_t)bits))))
NRMI_DEFINE(__m512d, nrmi_or_bits_avx512, (__m512d x, uint64_t bits),
            _mm512_or_pd(x, _mm512_castsi512_pd(_mm512_set1_epi64((int64_t)bits))))
NRMI_DEFINE(unsigned, nrmi_most_avx512, (__m512d x, __m512d y),
            (unsigned)_mm512_cmp_pd_mask(x, y, _CMP_LE_OQ))
NRMI_DEFINE(__m512d, nrmi_get_f32_avx512, (const float *p),
            _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(p)))
NRMI_DO(nrmi_put_f32_avx512, (float *p, __m512d x),
        _mm256_storeu_ps(p, _mm512_maskz_cvtpd_ps(0xff, x)))

#if NRMI_ASK_AVX512
#pragma clang attribute pop
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif /* NRMI_HAS_AVX512 */

/* ISA HOOK op block: v128, the 128-bit registers of AArch64's NEON and of WASM SIMD128.
   A machine has one of them at most, so they are one instruction set to the kernels, in the vector
   extensions of gcc and clang. What these cannot say comes first, once for each. */

#if NRMI_HAS_V128
typedef float nrmi_4xf32 __attribute__((vector_size(16)));
typedef double nrmi_2xf64 __attribute__((vector_size(16)));
typedef int32_t nrmi_4xi32 __attribute__((vector_size(16)));
typedef int64_t nrmi_2xi64 __attribute__((vector_size(16)));
typedef int32_t nrmi_2xi32 __attribute__((vector_size(8)));
typedef uint32_t nrmi_4xu32 __attribute__((vector_size(16)));
typedef uint16_t nrmi_4xu16 __attribute__((vector_size(8)));

#if NRMI_HAS_NEON
#define NRMI_PAIRS_f32(x, y) vpaddq_f32(x, y)
#define NRMI_PAIRS_f64(x, y) vpaddq_f64(x, y)
#define NRMI_LOW(x) vcvt_f64_f32(vget_low_f32(x))
#define NRMI_HIGH(x) vcvt_high_f64_f32(x)
#define NRMI_NARROW(x, y) vcvt_high_f32_f64(vcvt_f32_f64(x), y)
/* With __builtin_convertvector for these, gcc 12 -O2 makes 470 KB of code, not 401. */
#define NRMI_U32(x) ((nrmi_4xu32)vmovl_u16((uint16x4_t)(x)))
#define NRMI_U16(x) ((nrmi_4xu16)vmovn_u32((uint32x4_t)(x)))
#define NRMI_I64(x) ((nrmi_2xi64)vmovl_s32((int32x2_t)(x)))
/* FCVTL and FCVTN convert f16 exactly. */
static NRMI_INLINE nrmi_4xf32 nrmi_from_f16_v128(nrmi_4xu16 h)
{
    return vcvt_f32_f16((float16x4_t)h);
}
static NRMI_INLINE nrmi_4xu16 nrmi_to_f16_v128(nrmi_4xf32 x)
{
    return (nrmi_4xu16)vcvt_f16_f32(x);
}
#else /* WASM, whose only compiler is clang */
#define NRMI_PAIRS_f32(x, y) \
    (__builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7))
#define NRMI_PAIRS_f64(x, y) \
    (__builtin_shufflevector(x, y, 0, 2) + __builtin_shufflevector(x, y, 1, 3))
#define NRMI_LOW(x) __builtin_convertvector(__builtin_shufflevector(x, x, 0, 1), nrmi_2xf64)
#define NRMI_HIGH(x) __builtin_convertvector(__builtin_shufflevector(x, x, 2, 3), nrmi_2xf64)
#define NRMI_NARROW(x, y) \
    __builtin_convertvector(__builtin_shufflevector(x, y, 0, 1, 2, 3), nrmi_4xf32)
#define NRMI_U32(x) __builtin_convertvector(x, nrmi_4xu32)
#define NRMI_U16(x) __builtin_convertvector(x, nrmi_4xu16)
#define NRMI_I64(x) __builtin_convertvector(x, nrmi_2xi64)
/* An f16's exponent and fraction in a float's place are its value times 2^-112, also of denormals.
   Inf and NaN come out as 2^16 and more, and get the exponent of a float's. */
static NRMI_INLINE nrmi_4xf32 nrmi_from_f16_v128(nrmi_4xu16 h)
{
    const nrmi_4xu32 u = NRMI_U32(h), size = (u & 0x7fffu) << 13;
    const nrmi_4xu32 special = (nrmi_4xu32)(size >= 0x0f800000u) & 0x7f800000u;
    const nrmi_4xu32 value = (nrmi_4xu32)((nrmi_4xf32)size * nrmi_from_bits32(0x77800000u));
    return (nrmi_4xf32)(value | special | (u & 0x8000u) << 16);
}
/* nrm_f32_to_f16, every case computed and one chosen. 0.5 has the last bit of an f16's denormals:
   added to one it rounds it, and leaves its digits at the bottom. */
static NRMI_INLINE nrmi_4xu16 nrmi_to_f16_v128(nrmi_4xf32 x)
{
    const nrmi_4xu32 u = (nrmi_4xu32)x, a = u & 0x7fffffffu;
    const nrmi_4xu32 nan = (nrmi_4xu32)(a > 0x7f800000u), inf = (nrmi_4xu32)(a >= 0x477ff000u);
    const nrmi_4xu32 small = (nrmi_4xu32)(a < 0x38800000u);
    const nrmi_4xu32 tiny = (nrmi_4xu32)((nrmi_4xf32)(a & small) + 0.5f) - 0x3f000000u;
    const nrmi_4xu32 normal = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13;
    const nrmi_4xu32 most = (0x7c00u & ~nan) | (0x7e00u & nan);
    const nrmi_4xu32 finite = (tiny & small) | (normal & ~small);
    return NRMI_U16((most & inf) | (finite & ~inf) | ((u >> 16) & 0x8000u));
}
#endif

typedef nrmi_4xf32 nrmi_v_f32_v128;
typedef nrmi_2xf64 nrmi_v_f64_v128;
typedef size_t nrmi_m_f32_v128, nrmi_m_f64_v128; /* how many of the first */

static NRMI_INLINE nrmi_4xi32 nrmi_ones_f32_v128(size_t n)
{
    nrmi_4xi32 mask;
    memcpy(&mask, nrmi_edge + 16 - n, sizeof mask);
    return mask;
}
static NRMI_INLINE nrmi_2xi64 nrmi_ones_f64_v128(size_t n)
{
    nrmi_2xi32 mask;
    memcpy(&mask, nrmi_edge + 16 - n, sizeof mask);
    return NRMI_I64(mask);
}

/* V and I are a register of numbers and of integers of their size. */
#define NRMI_V128_OPS(A, V, I, UNDER, OVER, SHIFT, ONE)                                            \
    static NRMI_INLINE V nrmi_set1_##A##_v128(nrmi_##A x)                                          \
    {                                                                                              \
        const V r = NRMI_ALL_##A(x);                                                               \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE V nrmi_load_##A##_v128(const void *p)                                       \
    {                                                                                              \
        V r;                                                                                       \
        memcpy(&r, p, sizeof r);                                                                   \
        return r;                                                                                  \
    }                                                                                              \
    NRMI_DO(nrmi_store_##A##_v128, (void *p, V x), memcpy(p, &x, sizeof x))                        \
    NRMI_DO(nrmi_stream_##A##_v128, (void *p, V x), memcpy(p, &x, sizeof x)) /* there are none */  \
    NRMI_DEFINE(size_t, nrmi_mask_##A##_v128, (size_t n), n)                                       \
    static NRMI_INLINE V nrmi_load_part_##A##_v128(const void *p, size_t n)                        \
    {                                                                                              \
        nrmi_##A r[sizeof(V) / sizeof(nrmi_##A)] = {0}; /* V's lanes by index are slow */         \
        size_t i;                                                                                  \
        if (n == sizeof(V) / sizeof(nrmi_##A))                                                     \
            return nrmi_load_##A##_v128(p);                                                        \
        for (i = 0; i < n; i++)                                                                    \
            r[i] = nrmi_##A##_at(p, i);                                                            \
        return nrmi_load_##A##_v128(r);                                                            \
    }                                                                                              \
    static NRMI_INLINE void nrmi_store_part_##A##_v128(void *p, V x, size_t n)                     \
    {                                                                                              \
        size_t i;                                                                                  \
        for (i = 0; i < n; i++)                                                                    \
            nrmi_##A##_set(p, i, x[i]);                                                            \
    }                                                                                              \
    NRMI_DEFINE(V, nrmi_keep_##A##_v128, (V x, size_t n), (V)((I)x & nrmi_ones_##A##_v128(n)))     \
    NRMI_DEFINE(V, nrmi_add_##A##_v128, (V x, V y), x + y)                                         \
    NRMI_DEFINE(V, nrmi_sub_##A##_v128, (V x, V y), x - y)                                         \
    NRMI_DEFINE(V, nrmi_div_##A##_v128, (V x, V y), x / y)                                         \
    static NRMI_INLINE V nrmi_mul_##A##_v128(V x, V y)                                             \
    {                                                                                              \
        x = x * y;                                                                                 \
        NRMI_KEEP_PRODUCT(x);                                                                      \
        return x;                                                                                  \
    }                                                                                              \
    NRMI_DEFINE(V, nrmi_pairs_##A##_v128, (V x, V y), NRMI_PAIRS_##A(x, y))                        \
    NRMI_DEFINE(V, nrmi_relu_##A##_v128, (V y),                                                    \
                (V)((I)y & ~(I)((I)y < UNDER)))                                                    \
    static NRMI_INLINE V nrmi_choose_##A##_v128(V t, V x, V y)                                     \
    {                                                                                              \
        const I above = (I)((I)t > 0) & (I)((I)t < OVER);                                          \
        return (V)(((I)x & above) | ((I)y & ~above));                                              \
    }                                                                                              \
    NRMI_DEFINE(V, nrmi_pow2_##A##_v128, (V z), (V)(((I)z << SHIFT) + ONE))
#define NRMI_ALL_f32(x) {x, x, x, x}
#define NRMI_ALL_f64(x) {x, x}
NRMI_V128_OPS(f32, nrmi_4xf32, nrmi_4xi32, NRMI_UNDER_INF, NRMI_OVER_INF, 23, 0x3f800000)
NRMI_V128_OPS(f64, nrmi_2xf64, nrmi_2xi64, NRMI_UNDER_INF64, NRMI_OVER_INF64, 52,
              (int64_t)NRMI_POW2_BITS(0))
static NRMI_INLINE nrmi_4xf32 nrmi_larger_f32_v128(nrmi_4xf32 most, nrmi_4xf32 x)
{
    const nrmi_4xi32 size = (nrmi_4xi32)x & 0x7fffffff, above = size > (nrmi_4xi32)most;
    return (nrmi_4xf32)((size & above) | ((nrmi_4xi32)most & ~above));
}
static NRMI_INLINE int nrmi_within_f32_v128(nrmi_4xf32 x, float limit)
{
    const nrmi_4xi32 most = (nrmi_4xi32)nrmi_set1_f32_v128(limit);
    const nrmi_2xi64 beyond = (nrmi_2xi64)(((nrmi_4xi32)x & 0x7fffffff) > most);
    return (beyond[0] | beyond[1]) == 0;
}
NRMI_DO(nrmi_tally_f64_v128, (double *to, nrmi_2xf64 x),
        nrmi_store_f64_v128(to, nrmi_load_f64_v128(to) + x))
static NRMI_INLINE void nrmi_tally_f32_v128(double *to, nrmi_4xf32 x)
{
    nrmi_tally_f64_v128(to, NRMI_LOW(x));
    nrmi_tally_f64_v128(to + 2, NRMI_HIGH(x));
}
/* bf16 is rounded with integers, like nrm_f32_to_bf16. */
static NRMI_INLINE nrmi_4xf32 nrmi_half_get_v128(int dtype, const void *p)
{
    nrmi_4xu16 h;
    memcpy(&h, p, sizeof h);
    if (dtype == NRM_F16)
        return nrmi_from_f16_v128(h);
    return (nrmi_4xf32)(NRMI_U32(h) << 16);
}
static NRMI_INLINE void nrmi_half_put_v128(int dtype, void *p, nrmi_4xf32 x)
{
    const nrmi_4xu32 u = (nrmi_4xu32)x, high = u >> 16;
    const nrmi_4xu32 nan = (nrmi_4xu32)((u & 0x7fffffffu) > 0x7f800000u);
    const nrmi_4xu32 rounded = (u + 0x7fffu + (high & 1u)) >> 16;
    nrmi_4xu16 h;
    if (dtype == NRM_F16)
        h = nrmi_to_f16_v128(x);
    else
        h = NRMI_U16(((high | 0x40u) & nan) | (rounded & ~nan));
    memcpy(p, &h, sizeof h);
}
static NRMI_INLINE nrmi_2xf64 nrmi_root_v128(nrmi_2xf64 x)
{
    x[0] = NRM_SQRT(x[0]);
    x[1] = NRM_SQRT(x[1]);
    return x;
}
static NRMI_INLINE nrmi_2xf64 nrmi_biggest_v128(nrmi_2xf64 x, nrmi_2xf64 y)
{
    const nrmi_2xi64 more = (nrmi_2xi64)(x > y);
    return (nrmi_2xf64)(((nrmi_2xi64)x & more) | ((nrmi_2xi64)y & ~more));
}
NRMI_DEFINE(nrmi_2xf64, nrmi_and_bits_v128, (nrmi_2xf64 x, uint64_t bits),
            (nrmi_2xf64)((nrmi_2xi64)x & (int64_t)bits))
NRMI_DEFINE(nrmi_2xf64, nrmi_or_bits_v128, (nrmi_2xf64 x, uint64_t bits),
            (nrmi_2xf64)((nrmi_2xi64)x | (int64_t)bits))
NRMI_DEFINE(unsigned, nrmi_most_v128, (nrmi_2xf64 x, nrmi_2xf64 y),
            (x[0] <= y[0] ? 1u : 0u) | (x[1] <= y[1] ? 2u : 0u))
static NRMI_INLINE nrmi_2xf64 nrmi_get_f32_v128(const float *p)
{
    const nrmi_2xf64 r = {(double)p[0], (double)p[1]};
    return r;
}
NRMI_DO(nrmi_put_f32_v128, (float *p, nrmi_2xf64 x), (p[0] = (float)x[0], p[1] = (float)x[1]))
#endif /* NRMI_HAS_V128 */

/* ---- C6 Instantiation --------------------------------------------------------------------- */

#define NRMI_PASS 200

/* ISA HOOK pass: scalar. */
#define NRMI_ISA scalar
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_ISA

/* ISA HOOK pass: AVX2. */
#if NRMI_HAS_AVX2
#if NRMI_ASK_AVX2
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif
#define NRMI_ISA avx2
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_ISA
#if NRMI_ASK_AVX2
#pragma clang attribute pop
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif

/* ISA HOOK pass: AVX-512. */
#if NRMI_HAS_AVX512
#if NRMI_ASK_AVX512
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))), \
                             apply_to = function)
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw")
#endif
#define NRMI_ISA avx512
#define NRMI_A f64
#if NRMI_HAS_AVX2
#define NRMI_LANES_ALONE /* sums and maps in double are AVX2's; their own would be 31 KB */
#endif
#include NRM_HEADER_FILENAME
#undef NRMI_LANES_ALONE
#undef NRMI_A
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_ISA
#if NRMI_ASK_AVX512
#pragma clang attribute pop
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif
#endif

/* ISA HOOK pass: v128. */
#if NRMI_HAS_V128
#define NRMI_ISA v128
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_ISA
#endif
#undef NRMI_PASS

/* Best last. */
static const nrmi_set nrmi_sets[] = {
    /* ISA HOOK row: scalar. */
    {NRM_SCALAR, &nrmi_kernels_f32_scalar, &nrmi_kernels_f64_scalar},
#if NRMI_HAS_AVX2
    /* ISA HOOK row: AVX2. */
    {NRM_AVX2, &nrmi_kernels_f32_avx2, &nrmi_kernels_f64_avx2},
#endif
#if NRMI_HAS_AVX512
    /* ISA HOOK row: AVX-512. */
#if NRMI_HAS_AVX2
    {NRM_AVX512, &nrmi_kernels_f32_avx512, &nrmi_kernels_f64_avx2},
#else
    {NRM_AVX512, &nrmi_kernels_f32_avx512, &nrmi_kernels_f64_avx512},
#endif
#endif
#if NRMI_HAS_V128
    /* ISA HOOK row: v128. */
    {NRMI_HAS_NEON ? NRM_NEON : NRM_WASM, &nrmi_kernels_f32_v128, &nrmi_kernels_f64_v128},
#endif
};
#define NRMI_SETS (sizeof nrmi_sets / sizeof nrmi_sets[0])

/* ---- C7 CPU detection --------------------------------------------------------------------- */

#if NRMI_X86
static NRMI_NOINLINE void nrmi_cpuid(unsigned leaf, unsigned r[4])
{
#ifdef _MSC_VER
    int v[4];
    __cpuidex(v, (int)leaf, 0);
    r[0] = (unsigned)v[0];
    r[1] = (unsigned)v[1];
    r[2] = (unsigned)v[2];
    r[3] = (unsigned)v[3];
#else
    __cpuid_count(leaf, 0, r[0], r[1], r[2], r[3]);
#endif
}
static NRMI_NOINLINE unsigned nrmi_xgetbv(void)
{
#ifdef _MSC_VER
    return (unsigned)_xgetbv(0);
#else
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
#endif
}
/* A set of instructions is there when the processor has it and the operating system saves its
   registers: bits 1 and 2 of XCR0 for AVX, 5 to 7 as well for AVX-512. XGETBV faults without
   OSXSAVE, and a leaf beyond the last answers with that of another one. */
static unsigned nrmi_detect(void)
{
    unsigned r[4], state, isas = 1u << NRM_SCALAR;
    NRMI_CPUID(0, r);
    if (r[0] < 7)
        return isas;
    NRMI_CPUID(1, r);
    if (!(r[2] & 1u << 27) || !(r[2] & 1u << 28) || !(r[2] & 1u << 29)) /* OSXSAVE, AVX, F16C */
        return isas;
    state = NRMI_XGETBV();
    NRMI_CPUID(7, r);
    if (NRMI_HAS_AVX2 && (state & 0x6u) == 0x6u && (r[1] & 1u << 5))
        isas |= 1u << NRM_AVX2;
    if (NRMI_HAS_AVX512 && (state & 0xe6u) == 0xe6u && (r[1] & 1u << 16) && (r[1] & 1u << 17) &&
        (r[1] & 1u << 30) && (r[1] & 1u << 31))
        isas |= 1u << NRM_AVX512;
    return isas;
}
#else
static unsigned nrmi_detect(void)
{
    /* AArch64 always has NEON, and a WASM module with SIMD does not load where there is none. */
    return 1u << NRM_SCALAR | (unsigned)NRMI_HAS_NEON << NRM_NEON |
           (unsigned)NRMI_HAS_WASM << NRM_WASM;
}
#endif

/* cpuid traps in virtual machines and costs microseconds there, so its answer is kept: the only
   mutable global. Any thread may write it, and all write the same. */
static unsigned nrmi_isas(void)
{
#if NRMI_GNU
    static unsigned cached;
    unsigned isas = __atomic_load_n(&cached, __ATOMIC_RELAXED);
    if (isas == 0) {
        isas = nrmi_detect();
        __atomic_store_n(&cached, isas, __ATOMIC_RELAXED);
    }
#else
    static volatile unsigned cached;
    unsigned isas = cached;
    if (isas == 0)
        cached = isas = nrmi_detect();
#endif
    return isas;
}

/* The kernels for an instruction set, NULL if it is not built in or not on this CPU. */
static const nrmi_set *nrmi_find_set(nrm_isa isa)
{
    const unsigned isas = nrmi_isas();
    size_t i;
    for (i = NRMI_SETS; i-- > 0;)
        if ((isas >> nrmi_sets[i].isa & 1u) && (isa == NRM_AUTO || isa == nrmi_sets[i].isa))
            return &nrmi_sets[i];
    return NULL;
}

NRM_API nrm_isa nrm_best_isa(void)
{
    return nrmi_find_set(NRM_AUTO)->isa;
}

NRM_API int nrm_has_isa(nrm_isa isa)
{
    return nrmi_find_set(isa) != NULL;
}

NRM_API const char *nrm_isa_name(nrm_isa isa)
{
    static const char *const names[] = {"auto",    "scalar", "AVX2",
                                        "AVX-512", "NEON",   "WASM SIMD128"};
    return (unsigned)isa < sizeof names / sizeof names[0] ? names[(unsigned)isa] : "unknown";
}

NRM_API const char *nrm_status_string(nrm_status status)
{
    static const char *const lines[] = {
        "ok",
        "a pointer that this call needs is NULL",
        "nrm_desc does not fit this call: kind, layout, dtype, act, groups or gamma_offset",
        "n*c*s or a size in bytes exceeds size_t, or a pitch is too small",
        "eps is negative, infinite or NaN",
        "running_rate is outside [0, 1] or NaN",
        "an output overlaps another buffer, and these two may not be the same one",
        "one value per channel has no unbiased variance for running_var",
        "this build or this CPU does not have the instruction set asked for",
        "done, but running_mean and running_var have not moved: a new value would not be finite"};
    return (unsigned)status < sizeof lines / sizeof lines[0] ? lines[(unsigned)status]
                                                             : "unknown status";
}

NRM_API int nrm_version(void)
{
    return NRM_VERSION;
}

/* -Ofast at link time sets flush-to-zero and denormals-are-zero for the whole program, and a caller
   may round otherwise or trap. Every call sets the default and puts back what it found. */
#if defined(__SSE2__) || defined(_M_X64)
static unsigned nrmi_enter(void)
{
    const unsigned found = _mm_getcsr();
    if ((found & 0xffc0u) != 0x1f80u)
        _mm_setcsr(0x1f80u);
    return found;
}
static void nrmi_leave(unsigned found)
{
    if ((found & 0xffc0u) != 0x1f80u)
        _mm_setcsr(found);
}
#elif defined(__aarch64__) && NRMI_GNU
/* FPCR: rounding, flushing, traps and alternative formats, but not DN, which NaNs alone show. */
static unsigned nrmi_enter(void)
{
    uint64_t found;
    __asm__ volatile("mrs %0, fpcr" : "=r"(found));
    if (found & 0xfdfffffu)
        __asm__ volatile("msr fpcr, %0" : : "r"(found & 0x2000000u));
    return (unsigned)found;
}
static void nrmi_leave(unsigned found)
{
    if (found & 0xfdfffffu)
        __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)found));
}
#else
static unsigned nrmi_enter(void)
{
    return 0;
}
static void nrmi_leave(unsigned found)
{
    (void)found;
}
#endif

/* The caller's run() finds the caller's state: it is the caller's code, and may leave by longjmp.
   Tasks set their own. */
static NRMI_NOINLINE void nrmi_pool_run(const nrm_pool *pool, unsigned found, size_t tasks,
                                        void (*task)(void *arg, size_t index), void *arg)
{
    nrmi_leave(found);
    pool->run(pool->user, tasks, task, arg);
    nrmi_enter();
}

/* ---- C8 Validation ------------------------------------------------------------------------ */

/* For size: gcc 12 -O2 takes 700 bytes less. */
#if NRMI_GNU
#define NRMI_COLD NRMI_NOINLINE __attribute__((cold))
#else
#define NRMI_COLD NRMI_NOINLINE
#endif

/* Addresses inside a tensor, in elements. */
typedef struct nrmi_step {
    size_t x, y;
} nrmi_step;

/* The buffers of a call: name, size, and what an output may be the very same as. */
#define NRMI_BUFFERS(row)                                                                       \
    row(y, NRMI_LIKE_Y, NRMI_BIT(x) | NRMI_BIT(residual) | NRMI_BIT(add) | NRMI_BIT(gate))        \
    row(sum, NRMI_LIKE_Z, NRMI_BIT(x) | NRMI_BIT(residual))                                       \
    row(q8, NRMI_LIKE_Q8, 0)                                                                      \
    row(q8_scale, NRMI_LIKE_SCALES, 0)                                                            \
    row(mean, NRMI_LIKE_STATS, 0)                                                                 \
    row(rstd, NRMI_LIKE_STATS, 0)                                                                 \
    row(running_mean, NRMI_LIKE_CHANNELS, 0)                                                      \
    row(running_var, NRMI_LIKE_CHANNELS, 0)                                                       \
    row(workspace, NRMI_LIKE_WORKSPACE, 0)                                                        \
    row(lengths, NRMI_LIKE_LENGTHS, 0)                                                            \
    row(x, NRMI_LIKE_X, 0)                                                                        \
    row(residual, NRMI_LIKE_Z, 0)                                                                 \
    row(gamma, NRMI_LIKE_PARAMS, 0)                                                               \
    row(beta, NRMI_LIKE_PARAMS, 0)                                                                \
    row(add, NRMI_LIKE_Y, 0)                                                                      \
    row(gate, NRMI_LIKE_Y, 0)                                                                     \
    row(dy, NRMI_LIKE_Y, 0)                                                                       \
    row(dsum, NRMI_LIKE_Z, 0)                                                                     \
    row(dx, NRMI_LIKE_X, NRMI_BIT(x) | NRMI_BIT(dy) | NRMI_BIT(dsum))                             \
    row(dresidual, NRMI_LIKE_Z, NRMI_BIT(residual) | NRMI_BIT(dsum))                              \
    row(dadd, NRMI_LIKE_Y, NRMI_BIT(dy) | NRMI_BIT(add))                                          \
    row(dgate, NRMI_LIKE_Y, NRMI_BIT(dy) | NRMI_BIT(gate))                                        \
    row(dgamma, NRMI_LIKE_PARAMS, 0)                                                              \
    row(dbeta, NRMI_LIKE_PARAMS, 0)

#define NRMI_BIT(name) (1u << NRMI_BUFFER_##name)
#define NRMI_ENUM(name, size, same) NRMI_BUFFER_##name,
/* The array of the parts comes last: it is no field of nrm_args. */
enum { NRMI_BUFFERS(NRMI_ENUM) NRMI_BUFFER_array };
#undef NRMI_ENUM

/* X and Z have the pitch of x, Y and Q8 that of y. */
enum { NRMI_LIKE_X, NRMI_LIKE_Z, NRMI_LIKE_Y, NRMI_LIKE_Q8, NRMI_TENSORS };
enum { NRMI_LIKE_PARAMS = NRMI_TENSORS, NRMI_LIKE_STATS, NRMI_LIKE_SCALES, NRMI_LIKE_CHANNELS,
       NRMI_LIKE_LENGTHS, NRMI_LIKE_WORKSPACE, NRMI_LIKE_ARRAY, NRMI_SIZES };

typedef struct nrmi_field {
    unsigned same;
    unsigned char at, like; /* offset in nrm_args; NRMI_LIKE */
} nrmi_field;

#define NRMI_FIELD(name, size, same) {same, offsetof(nrm_args, name), size},
static const nrmi_field nrmi_fields[] = {NRMI_BUFFERS(NRMI_FIELD){0, 0, NRMI_LIKE_ARRAY}};
#undef NRMI_FIELD

/* What a call is. */
enum {
    NRMI_NEEDS_Y = 1,       /* forward                                              */
    NRMI_NEEDS_DY = 2,      /* backward                                             */
    NRMI_NEEDS_RUNNING = 4, /* running statistics are read                          */
    NRMI_GIVES_STATS = 8,   /* mean and rstd are optional outputs                   */
    NRMI_GIVES_RUNNING = 16, /* running statistics are optional, read and written   */
    NRMI_GIVES_PARAMS = 32, /* dgamma and dbeta are optional outputs                */
    NRMI_READS_ARRAY = 64,
    NRMI_WRITES_ARRAY = 128
};

typedef struct nrmi_verb {
    unsigned flags, kinds;         /* kinds: a bit each                                       */
    unsigned needs, reads, writes; /* buffers: a bit each; what is read or written, if given  */
} nrmi_verb;

#define NRMI_ALL_KINDS 31u
#define NRMI_RUNNING_KINDS (1u << NRM_BATCH | 1u << NRM_INSTANCE)
#define NRMI_PART (1u << NRM_BATCH)
#define NRMI_Z (NRMI_BIT(x) | NRMI_BIT(residual) | NRMI_BIT(lengths))
#define NRMI_ALL_OF_Y (NRMI_Z | NRMI_BIT(gamma) | NRMI_BIT(beta) | NRMI_BIT(add) | NRMI_BIT(gate))
#define NRMI_STATS (NRMI_BIT(mean) | NRMI_BIT(rstd))
#define NRMI_RUNNING (NRMI_BIT(running_mean) | NRMI_BIT(running_var))
#define NRMI_YS (NRMI_BIT(y) | NRMI_BIT(sum) | NRMI_BIT(workspace))
#define NRMI_Q8S (NRMI_BIT(q8) | NRMI_BIT(q8_scale))
#define NRMI_DXS (NRMI_BIT(dx) | NRMI_BIT(dresidual) | NRMI_BIT(dadd) | NRMI_BIT(dgate) | \
                  NRMI_BIT(workspace))
#define NRMI_PARAMS (NRMI_BIT(dgamma) | NRMI_BIT(dbeta))
/* In the order of nrm_verb. */
static const nrmi_verb nrmi_verbs[] = {
    {NRMI_NEEDS_Y | NRMI_GIVES_STATS | NRMI_GIVES_RUNNING, NRMI_ALL_KINDS,
     NRMI_BIT(x) | NRMI_BIT(y), NRMI_ALL_OF_Y, NRMI_YS | NRMI_Q8S | NRMI_STATS | NRMI_RUNNING},
    {NRMI_NEEDS_Y | NRMI_NEEDS_RUNNING, NRMI_RUNNING_KINDS,
     NRMI_BIT(x) | NRMI_BIT(y) | NRMI_RUNNING, NRMI_ALL_OF_Y | NRMI_RUNNING, NRMI_YS},
    {NRMI_NEEDS_DY | NRMI_GIVES_PARAMS, NRMI_ALL_KINDS, NRMI_BIT(x) | NRMI_BIT(dy) | NRMI_STATS,
     NRMI_ALL_OF_Y | NRMI_STATS | NRMI_BIT(dy) | NRMI_BIT(dsum), NRMI_DXS | NRMI_PARAMS},
    {NRMI_NEEDS_DY | NRMI_NEEDS_RUNNING | NRMI_GIVES_PARAMS, NRMI_RUNNING_KINDS,
     NRMI_BIT(x) | NRMI_BIT(dy) | NRMI_RUNNING,
     NRMI_ALL_OF_Y | NRMI_RUNNING | NRMI_BIT(dy) | NRMI_BIT(dsum), NRMI_DXS | NRMI_PARAMS},
    {NRMI_WRITES_ARRAY, NRMI_PART, NRMI_BIT(x), NRMI_Z, NRMI_BIT(workspace)},
    {NRMI_NEEDS_Y | NRMI_GIVES_STATS | NRMI_GIVES_RUNNING | NRMI_READS_ARRAY, NRMI_PART,
     NRMI_BIT(x) | NRMI_BIT(y), NRMI_ALL_OF_Y, NRMI_YS | NRMI_STATS | NRMI_RUNNING},
    {NRMI_NEEDS_DY | NRMI_GIVES_PARAMS | NRMI_WRITES_ARRAY, NRMI_PART,
     NRMI_BIT(x) | NRMI_BIT(dy) | NRMI_STATS, NRMI_ALL_OF_Y | NRMI_STATS | NRMI_BIT(dy),
     NRMI_PARAMS | NRMI_BIT(workspace)},
    {NRMI_NEEDS_DY | NRMI_READS_ARRAY, NRMI_PART,
     NRMI_BIT(x) | NRMI_BIT(dy) | NRMI_BIT(dx) | NRMI_STATS,
     NRMI_ALL_OF_Y | NRMI_STATS | NRMI_BIT(dy) | NRMI_BIT(dsum), NRMI_DXS}};

/* What is wrong with a call: name, status, and the sentence of nrm_explain, in which % and a sign
   stand for a value (C22). */
#define NRMI_WRONGS(row)                                                                        \
    row(NOTHING, NRM_OK, "%0 would return NRM_OK")                                              \
    row(VERB, NRM_ERR_DESC, "verb is %V; NRM_FORWARD (0) to NRM_BACKWARD_APPLY (7) would do") \
    row(NO_DESC, NRM_ERR_NULL, "desc is NULL; %0 needs an nrm_desc")               \
    row(NO_ARGS, NRM_ERR_NULL, "args is NULL; %0 needs an nrm_args")          \
    row(KIND, NRM_ERR_DESC, "kind is %K; NRM_BATCH (0) to NRM_RMS (4) would do")                \
    row(LAYOUT, NRM_ERR_DESC, "layout is %L; NRM_NCHW (0) or NRM_NHWC (1) would do")            \
    row(ACT, NRM_ERR_DESC, "act is %A; NRM_IDENTITY (0) to NRM_SILU (5) would do")              \
    row(DTYPE, NRM_ERR_DESC,                                                                    \
        "dtype is %T; NRM_F32 (0) to NRM_F16 (3) would do, if this build has it") \
    row(GROUPS, NRM_ERR_DESC, "groups is %G, which does not divide c = %C")                     \
    row(SLOPE, NRM_ERR_DESC, "act_slope is %F; NRM_LEAKY_RELU needs a finite one")              \
    row(LIMIT, NRM_ERR_DESC, "act_low is %D and act_high is %U; NRM_CLIP takes no NaN")         \
    row(LIMITS, NRM_ERR_DESC, "act_low is %D, above act_high, which is %U")                     \
    row(PARAM_HALF, NRM_ERR_DESC,                                                               \
        "dtype is %T; param_half takes NRM_BF16 (2) and NRM_F16 (3) alone")                     \
    row(WIDE, NRM_ERR_DESC,                                                                     \
        "dtype is %T; wide_residual takes NRM_BF16 (2) and NRM_F16 (3) alone")                  \
    row(DRESIDUAL, NRM_ERR_DESC,                                                                \
        "dresidual is given; it needs wide_residual: dx is the gradient of residual otherwise") \
    row(Q8_KIND, NRM_ERR_DESC, "kind is NRM_%4; q8 takes NRM_LAYER and NRM_RMS alone")          \
    row(Q8_DTYPE, NRM_ERR_DESC, "dtype is %T; q8 does not take NRM_F64 (1)")                    \
    row(FIT_BATCH, NRM_ERR_DESC, "kind is NRM_%4; %0 takes NRM_BATCH alone")                    \
    row(FIT_RUNNING, NRM_ERR_DESC, "kind is NRM_%4; %0 takes NRM_BATCH and NRM_INSTANCE alone") \
    row(OFFSET, NRM_ERR_DESC, "gamma_offset is %O; it must be finite")                          \
    row(CHANNELS, NRM_ERR_SIZE, "c is %C, of which nrm_moments exceed size_t")                  \
    row(STATS, NRM_ERR_SIZE,                                                                    \
        "n, c, s, groups are %N, %C, %S, %G; the bytes of mean exceed size_t")                  \
    row(PARAMS, NRM_ERR_SIZE, "n * c is %N * %C; the bytes of gamma exceed size_t")             \
    row(LINE, NRM_ERR_SIZE, "%5_pitch.line is %P, less than the %W %6 of a line")               \
    row(SAMPLE, NRM_ERR_SIZE, "%5_pitch.sample is %Q, less than the %M elements of a sample")   \
    row(TENSOR, NRM_ERR_SIZE,                                                                   \
        "n, c, s are %N, %C, %S, and %5_pitch is {%Q, %P}; the bytes of %5 exceed size_t")      \
    row(LENGTH, NRM_ERR_SIZE, "lengths[%X] is %Y; s = %S is the most")                          \
    row(EPS, NRM_ERR_EPS, "eps is %E; it must be finite and at least 0")                        \
    row(RATE, NRM_ERR_RATE, "running_rate is %R; it must be in [0, 1]")                         \
    row(GATE, NRM_ERR_NULL, "gate is NULL; dgate, which is given, is its gradient")             \
    row(OUTPUTS, NRM_ERR_NULL,                                                                  \
        "dx, dgamma, dbeta, dresidual, dadd and dgate are NULL; %0 needs one of them")          \
    row(Q8, NRM_ERR_NULL, "q8 or q8_scale is NULL, the other is given; %0 needs both")          \
    row(POOL, NRM_ERR_NULL, "pool->run is NULL; it is called where pool->threads is %H")        \
    row(ISA, NRM_ERR_ISA,                                                                       \
        "isa is %I, which this build or processor does not have; NRM_AUTO (0) would do")        \
    row(NULL_IN, NRM_ERR_NULL, "%1 is NULL; %0 reads it")                                       \
    row(NULL_STATS, NRM_ERR_NULL, "%1 is NULL; %0 reads what the forward pass wrote there")     \
    row(NULL_OUT, NRM_ERR_NULL, "%1 is NULL; %0 writes its output there")                       \
    row(OVERLAP, NRM_ERR_ALIAS, "%1 overlaps %2 by %B bytes; it must lie apart")                \
    row(OVERLAP_SAME, NRM_ERR_ALIAS,                                                            \
        "%1 overlaps %2 by %B bytes; it may be %3 itself, of equal pitch, or lie apart")        \
    row(SAMPLES, NRM_ERR_SAMPLES,                                                               \
        "running_var is given, and one value has no unbiased variance; running_population = 1 " \
        "would do")

/* A status, and with it in 16s the number of the sentence. */
#define NRMI_NUMBER(name, status, sentence) NRMI_SENTENCE_##name,
#define NRMI_WRONG(name, status, sentence) NRMI_WRONG_##name = 16 * NRMI_SENTENCE_##name + status,
enum { NRMI_WRONGS(NRMI_NUMBER) NRMI_SENTENCES };
enum { NRMI_WRONGS(NRMI_WRONG) NRMI_OF_Y_PITCH = 1024 };
#undef NRMI_NUMBER
#undef NRMI_WRONG

/* A buffer for the alias check: a tensor with a pitch, or plain bytes. */
typedef struct nrmi_buffer {
    const unsigned char *p;
    size_t bytes;
    const nrmi_field *field;
} nrmi_buffer;

/* A call, checked and resolved. It is not copied: d leads to its own desc. */
typedef struct nrmi_call {
    nrm_desc desc;    /* the caller's, but s is never 0            */
    const nrm_desc *d;
    const nrm_args *a;
    const nrmi_verb *verb;
    const nrmi_set *set;
    void *array;      /* nrm_moments or nrm_sums of the parts      */
    size_t size, z_size;      /* bytes of an element of the tensors, of residual and sum   */
    nrm_dtype param, running; /* storage of gamma and beta, of running statistics          */
    size_t bytes[NRMI_SIZES]; /* by NRMI_LIKE                      */
    nrm_pitch xp, yp; /* never 0                                   */
    const unsigned char *lengths; /* of samples, or NULL                                   */
    size_t positions; /* of all samples, without padding           */
    size_t sample;    /* of which the length is wrong              */
    int empty;        /* no memory: n or c is 0                    */
    unsigned needs, writes;   /* buffers: a bit each                                       */
    int8_t *q8;               /* NULL too where the call does not make it                  */
    unsigned found;   /* the caller's floating-point state         */
    const nrmi_field *met[2]; /* where the call is wrong: what is NULL; what overlaps, ... */
    size_t overlap;           /* ... and by how many bytes                                 */
} nrmi_call;

/* s = 0 is 1, as a pitch of 0 is packed: n and c alone make a matrix. */
static void nrmi_complete(nrmi_call *q, const nrm_desc *d)
{
    q->desc = *d;
    if (d->s == 0)
        q->desc.s = 1;
    q->d = &q->desc;
}

static int nrmi_has_dtype(nrm_dtype dtype)
{
#ifdef NRM_NO_F64
    if (dtype == NRM_F64)
        return 0;
#endif
#ifdef NRM_NO_HALF
    if (dtype == NRM_BF16 || dtype == NRM_F16)
        return 0;
#endif
    return (unsigned)dtype <= NRM_F16;
}

static int nrmi_is_nan(double x)
{
    return nrmi_bits(x) > NRMI_INF_BITS;
}

/* These return 0, or what is wrong: NRMI_WRONG_. */
static unsigned nrmi_check_desc(const nrm_desc *d)
{
    if ((unsigned)d->kind > NRM_RMS)
        return NRMI_WRONG_KIND;
    if ((unsigned)d->layout > NRM_NHWC)
        return NRMI_WRONG_LAYOUT;
    if ((unsigned)d->act > NRM_SILU)
        return NRMI_WRONG_ACT;
    if (!nrmi_has_dtype(d->dtype))
        return NRMI_WRONG_DTYPE;
    if (d->kind == NRM_GROUP && (d->groups == 0 || d->c % d->groups != 0))
        return NRMI_WRONG_GROUPS;
    if (d->act == NRM_LEAKY_RELU && !nrmi_finite(d->act_slope))
        return NRMI_WRONG_SLOPE;
    if (d->act == NRM_CLIP) {
        if (nrmi_is_nan(d->act_low) || nrmi_is_nan(d->act_high))
            return NRMI_WRONG_LIMIT;
        if (d->act_low > d->act_high)
            return NRMI_WRONG_LIMITS;
    }
    if (d->dtype != NRM_BF16 && d->dtype != NRM_F16)
        return d->param_half ? NRMI_WRONG_PARAM_HALF : d->wide_residual ? NRMI_WRONG_WIDE : 0;
    return 0;
}

static unsigned nrmi_check_eps(const nrm_desc *d)
{
    return nrmi_finite(d->eps) && d->eps >= 0 ? 0 : (unsigned)NRMI_WRONG_EPS;
}

/* The layout of tensors like x or y, and lines of their samples, and elements of a line. */
static nrm_layout nrmi_layout(const nrm_desc *d, int like)
{
    const int turned = d->transpose_y && like >= NRMI_LIKE_Y;
    return (d->layout == NRM_NCHW) != turned ? NRM_NCHW : NRM_NHWC;
}
static size_t nrmi_lines(const nrm_desc *d, int like)
{
    return nrmi_layout(d, like) == NRM_NCHW ? d->c : d->s;
}
static size_t nrmi_width(const nrm_desc *d, int like)
{
    return nrmi_layout(d, like) == NRM_NCHW ? d->s : d->c;
}

static int nrmi_same_pitch(const nrm_pitch *a, const nrm_pitch *b)
{
    return a->sample == b->sample && a->line == b->line;
}

/* Completes the pitch of tensors like x or y that are not empty, and counts the elements from the
   first to past the last; their bytes, of elements of at most `size`, are to fit. */
static unsigned nrmi_check_pitch(const nrm_desc *d, int like, size_t size, nrm_pitch given,
                                 nrm_pitch *pitch, size_t *count)
{
    const size_t lines = nrmi_lines(d, like), width = nrmi_width(d, like);
    size_t all;
    *pitch = given;
    if (!given.line)
        pitch->line = width;
    if (pitch->line < width)
        return NRMI_WRONG_LINE;
    if (!nrmi_times(lines, pitch->line, &all))
        return NRMI_WRONG_TENSOR;
    if (!given.sample)
        pitch->sample = all;
    if (pitch->sample < all)
        return NRMI_WRONG_SAMPLE;
    if (!nrmi_times(d->n, pitch->sample, &all) || !nrmi_times(all, size, &all))
        return NRMI_WRONG_TENSOR;
    *count = (d->n - 1) * pitch->sample + (lines - 1) * pitch->line + width;
    /* what leads nowhere is as if packed, so that tensors which lie the same way compare equal */
    if (lines == 1)
        pitch->line = width;
    if (d->n == 1)
        pitch->sample = lines * pitch->line;
    return 0;
}

/* Statistics: those of each sample, or, for NRM_BATCH, of all. */
static size_t nrmi_stats_each(const nrm_desc *d)
{
    switch (d->kind) {
    case NRM_BATCH:
    case NRM_INSTANCE: return d->c;
    case NRM_GROUP: return d->groups;
    default: return d->s;
    }
}
static size_t nrmi_stats(const nrm_desc *d)
{
    return nrmi_stats_each(d) * (d->kind == NRM_BATCH ? 1 : d->n);
}

/* Where no parameter says otherwise. */
static unsigned nrmi_check_counts(nrmi_call *q)
{
    const nrm_desc *d = q->d;
    const size_t size = nrmi_size(q->param);
    size_t m;
    /* the array of the parts; mean and rstd, which are counted without values too */
    if (!nrmi_times(d->c, sizeof(nrm_moments), &q->bytes[NRMI_LIKE_ARRAY]))
        return NRMI_WRONG_CHANNELS;
    if (!nrmi_times(d->kind == NRM_BATCH ? 1 : d->n, nrmi_stats_each(d), &m) ||
        !nrmi_times(m, 8, &q->bytes[NRMI_LIKE_STATS]))
        return NRMI_WRONG_STATS;
    q->bytes[NRMI_LIKE_SCALES] = 4 * m;
    q->bytes[NRMI_LIKE_CHANNELS] = nrmi_size(q->running) * d->c;
    q->bytes[NRMI_LIKE_PARAMS] = size * d->c;
    if (!d->affine_per_sample)
        return 0;
    /* n*c parameters of 16-bit data take twice what its values do */
    return nrmi_times(d->n, size * d->c, &q->bytes[NRMI_LIKE_PARAMS]) ? 0 : NRMI_WRONG_PARAMS;
}

static unsigned nrmi_check_sizes(nrmi_call *q)
{
    const nrm_desc *d = q->d;
    size_t count;
    unsigned wrong;
    q->empty = d->n == 0 || d->c == 0;
    q->size = nrmi_size(d->dtype);
    q->z_size = d->wide_residual ? 4 : q->size;
    q->running = d->dtype == NRM_F64 ? NRM_F64 : NRM_F32;
    q->param = d->param_half ? d->dtype : q->running;
    q->bytes[NRMI_LIKE_X] = q->bytes[NRMI_LIKE_Z] = 0;
    q->bytes[NRMI_LIKE_Y] = q->bytes[NRMI_LIKE_Q8] = q->bytes[NRMI_LIKE_LENGTHS] = 0;
    wrong = nrmi_check_counts(q);
    if (wrong || q->empty)
        return wrong;
    wrong = nrmi_check_pitch(d, NRMI_LIKE_X, q->z_size, d->x_pitch, &q->xp, &count);
    if (wrong)
        return wrong;
    q->bytes[NRMI_LIKE_X] = q->size * count;
    q->bytes[NRMI_LIKE_Z] = q->z_size * count;
    if (nrmi_same_pitch(&d->x_pitch, &d->y_pitch) && !d->transpose_y) {
        q->yp = q->xp; /* most calls: three divisions less */
    } else {
        wrong = nrmi_check_pitch(d, NRMI_LIKE_Y, q->size, d->y_pitch, &q->yp, &count);
        if (wrong)
            return wrong + NRMI_OF_Y_PITCH;
    }
    q->bytes[NRMI_LIKE_Y] = q->size * count;
    q->bytes[NRMI_LIKE_Q8] = count;
    return 0;
}

/* What is padding, if anything is. */
static unsigned nrmi_check_lengths(nrmi_call *q)
{
    const nrm_desc *d = q->d;
    q->lengths = q->empty ? NULL : (const unsigned char *)q->a->lengths;
    q->positions = d->n * d->s;
    if (!q->lengths)
        return 0;
    if (!nrmi_times(d->n, sizeof(size_t), &q->bytes[NRMI_LIKE_LENGTHS]))
        return NRMI_WRONG_STATS;
    q->positions = 0;
    for (q->sample = 0; q->sample < d->n; q->sample++) {
        const size_t length = nrmi_size_at(q->lengths, q->sample);
        if (length > d->s)
            return NRMI_WRONG_LENGTH;
        q->positions += length;
    }
    return 0;
}

/* Whether running statistics are moved. */
static int nrmi_moves_running(const nrmi_call *q)
{
    return (q->verb->flags & NRMI_GIVES_RUNNING) && (q->a->running_mean || q->a->running_var) &&
           (q->d->kind == NRM_BATCH || q->d->kind == NRM_INSTANCE);
}

/* Whether the unbiased running variance is asked of one value. */
static int nrmi_one_sample(const nrmi_call *q, double values)
{
    return nrmi_moves_running(q) && q->a->running_var && !q->a->running_population && values == 1;
}
static int nrmi_has_one_sample(const nrmi_call *q)
{
    size_t i, length;
    if (q->d->kind == NRM_BATCH)
        return nrmi_one_sample(q, (double)q->positions);
    for (i = 0; q->lengths && i < q->d->n; i++) {
        length = nrmi_size_at(q->lengths, i);
        if (nrmi_one_sample(q, (double)length))
            return 1;
    }
    return !q->lengths && nrmi_one_sample(q, (double)q->d->s);
}

/* Which parameters a call reads. Statistics need none; gradient sums need gamma as a weight, and
   all of them where the gradient of act or of gate asks for v = xhat * gamma + beta + add. */
static int nrmi_reads_beta(const nrmi_call *q)
{
    return (q->verb->flags & NRMI_NEEDS_Y) ||
           ((q->verb->flags & NRMI_NEEDS_DY) && (q->d->act != NRM_IDENTITY || q->a->gate));
}
static int nrmi_reads_gamma(const nrmi_call *q)
{
    return q->verb != &nrmi_verbs[NRM_REDUCE] &&
           (q->verb != &nrmi_verbs[NRM_BACKWARD_REDUCE] || q->d->affine_per_sample ||
            nrmi_reads_beta(q));
}

/* Combinations of pointers. */
static unsigned nrmi_check_pointers(const nrmi_call *q)
{
    const nrm_args *a = q->a;
    if (q->empty) /* an empty tensor needs no memory */
        return 0;
    if (q->verb->writes & NRMI_BIT(dgate)) {
        if (a->dgate && !a->gate)
            return NRMI_WRONG_GATE;
        if (!a->dx && !a->dgamma && !a->dbeta && !a->dresidual && !a->dadd && !a->dgate &&
            (q->verb->writes & NRMI_BIT(dgamma)))
            return NRMI_WRONG_OUTPUTS;
    }
    if ((q->verb->writes & NRMI_BIT(q8)) && !a->q8 != !a->q8_scale)
        return NRMI_WRONG_Q8;
    if (a->pool && a->pool->threads > 1 && !a->pool->run)
        return NRMI_WRONG_POOL;
    return 0;
}

/* Bytes of an element of tensors like x or y; their pitch. */
static size_t nrmi_element(const nrmi_call *q, int like)
{
    return like == NRMI_LIKE_Q8 ? 1 : like == NRMI_LIKE_Z ? q->z_size : q->size;
}
static const nrm_pitch *nrmi_pitch(const nrmi_call *q, int like)
{
    return like < NRMI_LIKE_Y ? &q->xp : &q->yp;
}

/* Whether elements of two tensors that lie alike overlap: is there a (sample, line, place)
   difference whose distance is less than an element away? */
static int nrmi_elements_meet(const nrmi_call *q, int like, const void *a, const void *b)
{
    const nrm_desc *d = q->d;
    const nrm_pitch *pitch = nrmi_pitch(q, like);
    const uintptr_t pa = (uintptr_t)a, pb = (uintptr_t)b;
    const size_t apart = pa < pb ? pb - pa : pa - pb, size = nrmi_element(q, like);
    const size_t lines = nrmi_lines(d, like), width = nrmi_width(d, like);
    size_t up, i, j;
    for (up = 0; up < (apart % size ? 2u : 1u); up++) { /* misaligned: the two it touches */
        const size_t e = apart / size + up, sample = e / pitch->sample;
        for (i = sample; i <= sample + 1 && i < d->n; i++) {
            const size_t at = i * pitch->sample, away = at > e ? at - e : e - at;
            const size_t line = away / pitch->line;
            for (j = line; j <= line + 1 && j < lines; j++) {
                const size_t l = j * pitch->line, rest = l > away ? l - away : away - l;
                if (rest < width)
                    return 1;
            }
        }
    }
    return 0;
}

/* Whether both are tensors of one layout, pitch and size of elements. */
static int nrmi_lie_alike(const nrmi_call *q, int a, int b)
{
    return a < NRMI_TENSORS && b < NRMI_TENSORS && nrmi_layout(q->d, a) == nrmi_layout(q->d, b) &&
           nrmi_element(q, a) == nrmi_element(q, b) &&
           nrmi_same_pitch(nrmi_pitch(q, a), nrmi_pitch(q, b));
}

/* Whether an output, a, that meets b does so other than it may. */
static NRMI_COLD int nrmi_clash(nrmi_call *q, const nrmi_buffer *a, const nrmi_buffer *b)
{
    const size_t after = (size_t)((uintptr_t)b->p - (uintptr_t)a->p);
    if (a->bytes == 0 || b->bytes == 0)
        return 0;
    if (nrmi_lie_alike(q, a->field->like, b->field->like) &&
        ((after == 0 && (a->field->same >> (b->field - nrmi_fields) & 1u)) ||
         !nrmi_elements_meet(q, a->field->like, a->p, b->p)))
        return 0;
    q->met[0] = a->field;
    q->met[1] = b->field;
    q->overlap = after < a->bytes ? nrmi_least(a->bytes - after, b->bytes)
                                  : nrmi_least(b->bytes + after, a->bytes);
    return 1;
}

/* Whether either begins in the other. */
static NRMI_INLINE int nrmi_near(const nrmi_buffer *a, const nrmi_buffer *b)
{
    const uintptr_t pa = (uintptr_t)a->p, pb = (uintptr_t)b->p;
    return pb - pa < a->bytes || pa - pb < b->bytes;
}

/* The place of the lowest bit that is set. */
static NRMI_INLINE unsigned nrmi_lowest(unsigned mask)
{
#if NRMI_GNU
    return (unsigned)__builtin_ctz(mask);
#else
    unsigned n = 0;
    for (; !(mask & 1); mask >>= 1)
        n++;
    return n;
#endif
}

/* Whether the last of a list, an output, meets another one other than it may. */
static NRMI_INLINE int nrmi_meets(nrmi_call *q, const nrmi_buffer *list, const nrmi_buffer *last)
{
    for (; list < last; list++)
        if (nrmi_near(last, list) && nrmi_clash(q, last, list))
            return 1;
    return 0;
}

/* Adds the buffers of a set that are given to a list; those that are written must not meet any
   before. */
static NRMI_NOINLINE unsigned nrmi_check_set(nrmi_call *q, unsigned set, int written,
                                             nrmi_buffer *list, nrmi_buffer **end)
{
    nrmi_buffer *b = *end;
    for (; set; set &= set - 1) {
        const unsigned i = nrmi_lowest(set);
        const nrmi_field *field = &nrmi_fields[i];
        const unsigned char *p;
        memcpy(&p, (const unsigned char *)q->a + field->at, sizeof p);
        if (p) {
            b->p = p;
            b->bytes = q->bytes[field->like];
            b->field = field;
            if (written && nrmi_meets(q, list, b))
                return field->same ? NRMI_WRONG_OVERLAP_SAME : NRMI_WRONG_OVERLAP;
            b++;
        } else if ((q->needs >> i & 1u) && !q->empty) {
            q->met[0] = field;
            return written                          ? NRMI_WRONG_NULL_OUT
                   : field->like == NRMI_LIKE_STATS ? NRMI_WRONG_NULL_STATS
                                                    : NRMI_WRONG_NULL_IN;
        }
    }
    *end = b;
    return 0;
}

/* Pointers that are missing, and buffers that overlap. */
static unsigned nrmi_check_buffers(nrmi_call *q, int moves)
{
    const nrm_args *a = q->a;
    unsigned reads = q->verb->reads, writes = q->verb->writes, wrong;
    nrmi_buffer list[NRMI_BUFFER_array + 1], *end = list;
    q->needs = q->verb->needs;
    if (q->d->wide_residual && a->residual) /* z is residual then */
        q->needs &= ~NRMI_BIT(x);
    if (q->d->wide_residual && a->dresidual)
        q->needs &= ~NRMI_BIT(dx);
    if (q->q8)
        q->needs &= ~NRMI_BIT(y);
    if (!nrmi_reads_gamma(q))
        reads &= ~NRMI_BIT(gamma);
    if (!nrmi_reads_beta(q))
        reads &= ~(NRMI_BIT(beta) | NRMI_BIT(add));
    if (!moves)
        writes &= ~NRMI_RUNNING;
    if (q->d->kind == NRM_RMS) {
        reads &= ~NRMI_BIT(mean);
        writes &= ~NRMI_BIT(mean);
    }
    q->writes = writes;
    wrong = nrmi_check_set(q, reads, 0, list, &end);
    if (wrong)
        return wrong;
    if (q->array) {
        end->p = (const unsigned char *)q->array;
        end->bytes = q->bytes[NRMI_LIKE_ARRAY];
        end->field = &nrmi_fields[NRMI_BUFFER_array];
        if ((q->verb->flags & NRMI_WRITES_ARRAY) && nrmi_meets(q, list, end))
            return NRMI_WRONG_OVERLAP;
        end++;
    }
    return nrmi_check_set(q, writes, 1, list, &end);
}

/* What buffers ask of the desc. */
static unsigned nrmi_check_options(const nrmi_call *q)
{
    const nrm_desc *d = q->d;
    if ((q->verb->writes & NRMI_BIT(dresidual)) && q->a->dresidual && !d->wide_residual)
        return NRMI_WRONG_DRESIDUAL;
    if (!(q->verb->writes & NRMI_BIT(q8)) || !(q->a->q8 || q->a->q8_scale))
        return 0;
    if (d->kind != NRM_LAYER && d->kind != NRM_RMS)
        return NRMI_WRONG_Q8_KIND;
    return d->dtype == NRM_F64 ? (unsigned)NRMI_WRONG_Q8_DTYPE : 0;
}

/* Everything wrong with a call, before anything is written, but for its array. */
static NRMI_NOINLINE unsigned nrmi_check(const nrmi_verb *verb, const nrm_desc *d,
                                         const nrm_args *a, void *array, nrmi_call *q)
{
    unsigned wrong;
    int moves;
    if (!d)
        return NRMI_WRONG_NO_DESC;
    if (!a)
        return NRMI_WRONG_NO_ARGS;
    nrmi_complete(q, d);
    d = q->d;
    q->a = a;
    q->verb = verb;
    q->array = array;
    q->q8 = verb->writes & NRMI_BIT(q8) ? a->q8 : NULL;
    q->xp.sample = q->xp.line = q->yp.sample = q->yp.line = 0;
    wrong = nrmi_check_desc(d);
    if (wrong)
        return wrong;
    if (!(verb->kinds >> d->kind & 1u))
        return verb->kinds == NRMI_PART ? NRMI_WRONG_FIT_BATCH : NRMI_WRONG_FIT_RUNNING;
    if (a->gamma && nrmi_reads_gamma(q) && !nrmi_finite(d->gamma_offset))
        return NRMI_WRONG_OFFSET;
    wrong = nrmi_check_options(q);
    if (wrong)
        return wrong;
    wrong = nrmi_check_sizes(q);
    if (wrong)
        return wrong;
    wrong = nrmi_check_lengths(q);
    if (wrong)
        return wrong;
    wrong = nrmi_check_eps(d);
    if (wrong)
        return wrong;
    moves = nrmi_moves_running(q);
    q->bytes[NRMI_LIKE_WORKSPACE] = a->workspace_size;
    if (moves && (nrmi_bits(a->running_rate) > NRMI_POW2_BITS(0) || a->running_rate < 0))
        return NRMI_WRONG_RATE;
    wrong = nrmi_check_pointers(q);
    if (wrong)
        return wrong;
    q->set = (unsigned)a->isa <= NRM_WASM ? nrmi_find_set(a->isa) : NULL;
    if (!q->set)
        return NRMI_WRONG_ISA;
    NRMI_TRACE_ISA(q->set->isa);
    wrong = nrmi_check_buffers(q, moves);
    if (wrong)
        return wrong;
    if (verb == &nrmi_verbs[NRM_FORWARD] && !q->empty && nrmi_has_one_sample(q))
        return NRMI_WRONG_SAMPLES;
    return 0;
}

NRM_API size_t nrm_stat_count(const nrm_desc *d)
{
    nrmi_call q;
    if (!d || nrmi_check_desc(d) || nrmi_check_eps(d))
        return 0;
    nrmi_complete(&q, d);
    return nrmi_check_sizes(&q) ? 0 : nrmi_stats(q.d);
}

/* ---- C9 Axes and jobs ----------------------------------------------------------------- */

/* The axis table: what is one sum, in which order, and where it lies. For each of `outer` samples
   there are `groups`; a group is `fold` lanes; a lane is a list of `planes` planes of `len` values
   (fold or planes is 1). In a column walk the lanes are neighbours in memory. */
typedef struct nrmi_walk {
    int column, few; /* few: a block is 8 values of the list */
    size_t outer, groups, fold, planes, len;
    nrmi_step outer_step, group_step, fold_step, plane_step, len_step;
} nrmi_walk;

enum { NRMI_SMALL = 16 };    /* of s, for NRM_BATCH: NUMERICS, "Lists"              */
enum { NRMI_WAITING = 64 };  /* running statistics of so many channels wait on the stack */

/* Sizes: 1, n, c, s, groups g, q = c / groups. Steps: 0, one element 1, line L, sample S, q
   elements q, q lines Q, all of x: of y in the other layout 1 and L change places. few: for s < 16
   without lengths (1), for others (0), for all (2). */
static const struct nrmi_axes {
    unsigned char kind, layout, few, column;
    char sizes[6], steps[6];
} nrmi_axes[] = {
    /*                             column   outer groups fold planes len: sizes, steps */
    {NRM_BATCH, NRM_NCHW, 0, 0, "1c1ns", "0L0S1"},
    {NRM_BATCH, NRM_NCHW, 1, 1, "1cs1n", "0L10S"},
    {NRM_BATCH, NRM_NHWC, 0, 1, "1c1ns", "010SL"},
    {NRM_BATCH, NRM_NHWC, 1, 1, "1c1sn", "010LS"},
    {NRM_INSTANCE, NRM_NCHW, 2, 0, "nc11s", "SL001"},
    {NRM_INSTANCE, NRM_NHWC, 2, 1, "nc11s", "S100L"},
    {NRM_GROUP, NRM_NCHW, 2, 0, "ngq1s", "SQL01"},
    {NRM_GROUP, NRM_NHWC, 2, 1, "ngq1s", "Sq10L"},
    {NRM_LAYER, NRM_NCHW, 2, 1, "ns11c", "S100L"},
    {NRM_LAYER, NRM_NHWC, 2, 0, "ns11c", "SL001"},
};

/* A problem: a call, or one of the groups that GROUP with s = 1 falls into (each is LAYER over its
   c / groups channels). Tensors that lie the same way under two names use one walk. */
typedef struct nrmi_job {
    const nrmi_call *q;
    nrmi_tile t; /* the tensors' first elements and the flags              */
    nrm_kind kind;
    nrm_layout layout;
    size_t n, c, s, groups, all_c; /* all_c: channels from one sample's gamma to the next    */
    nrm_pitch xp, yp;
    const unsigned char *gamma, *beta;
    unsigned char *dgamma, *dbeta;
    unsigned char *mean, *rstd; /* the caller's; statistic i lies at i * stat_step        */
    size_t stat_step;
    int inner; /* gamma and beta lie along the lane                      */
    nrmi_walk w;
    const nrm_pool *pool; /* NULL: on this thread                                   */
    double *park;         /* workspace for partial sums, and how many it holds      */
    size_t park_count;
    size_t *pilot_at;     /* NUMERICS, "Pilot": 32 places in the list of a group    */
} nrmi_job;

static size_t nrmi_size_of(const nrmi_job *j, char code, size_t q)
{
    switch (code) {
    case 'n': return j->n;
    case 'c': return j->c;
    case 's': return j->s;
    case 'g': return j->groups;
    case 'q': return q;
    default: return 1;
    }
}

static nrmi_step nrmi_step_of(const nrmi_job *j, char code, size_t q)
{
    nrmi_step step = {0, 0};
    switch (code) {
    case '1': step.x = 1; step.y = j->t.turns ? j->yp.line : 1; break;
    case 'q': step.x = q; step.y = j->t.turns ? q * j->yp.line : q; break;
    case 'L': step.x = j->xp.line; step.y = j->t.turns ? 1 : j->yp.line; break;
    case 'Q': step.x = q * j->xp.line; step.y = j->t.turns ? q : q * j->yp.line; break;
    case 'S': step.x = j->xp.sample; step.y = j->yp.sample; break;
    default: break;
    }
    return step;
}

static void nrmi_walk_of(nrmi_walk *w, const nrmi_job *j, nrm_kind kind)
{
    const size_t q = kind == NRM_GROUP ? j->c / j->groups : 0;
    const nrm_kind row = kind == NRM_RMS ? NRM_LAYER : kind;
    const int few = j->s < NRMI_SMALL && !j->q->d->affine_per_sample && !j->q->lengths;
    const struct nrmi_axes *r = nrmi_axes;
    while (r->kind != row || r->layout != j->layout || (r->few != 2 && r->few != few))
        r++;
    w->column = r->column;
    w->few = r->few == 1;
    w->outer = nrmi_size_of(j, r->sizes[0], q);
    w->groups = nrmi_size_of(j, r->sizes[1], q);
    w->fold = nrmi_size_of(j, r->sizes[2], q);
    w->planes = nrmi_size_of(j, r->sizes[3], q);
    w->len = nrmi_size_of(j, r->sizes[4], q);
    w->outer_step = nrmi_step_of(j, r->steps[0], q);
    w->group_step = nrmi_step_of(j, r->steps[1], q);
    w->fold_step = nrmi_step_of(j, r->steps[2], q);
    w->plane_step = nrmi_step_of(j, r->steps[3], q);
    w->len_step = nrmi_step_of(j, r->steps[4], q);
}

/* Samples that follow one another like the groups of one sample are groups of one sample. Only of
   layer and RMS norm, which have no fold. */
static void nrmi_join_samples(nrmi_walk *w)
{
    if (!w->column &&
        (w->groups == 1 || (w->outer_step.x == w->groups * w->group_step.x &&
                            w->outer_step.y == w->groups * w->group_step.y))) {
        if (w->groups == 1)
            w->group_step = w->outer_step;
        w->groups *= w->outer;
        w->outer = 1;
    }
}

/* With lengths, lists of positions are shorter than s: of INSTANCE and GROUP the list of a sample,
   of BATCH the planes of the list. LAYER and RMS have fewer groups in a sample. These are what
   sample o has. */
static size_t nrmi_length(const nrmi_job *j, size_t o)
{
    return j->q->lengths ? nrmi_size_at(j->q->lengths, o) : j->s;
}
static size_t nrmi_len_in(const nrmi_job *j, size_t o)
{
    return j->inner || j->kind == NRM_BATCH || !j->q->lengths ? j->w.len : nrmi_length(j, o);
}
static size_t nrmi_groups_in(const nrmi_job *j, size_t o)
{
    return j->inner && j->q->lengths ? nrmi_length(j, o) : j->w.groups;
}

/* The values of a group of sample o. */
static size_t nrmi_values_in(const nrmi_job *j, size_t o)
{
    if (j->kind == NRM_BATCH && j->q->lengths)
        return j->q->positions;
    return j->w.planes * j->w.fold * nrmi_len_in(j, o);
}

/* NUMERICS, "Pilot": whether a group is one plane, short enough to be summed for its pilot; or
   empty. */
static int nrmi_sums_are_pilots(const nrmi_job *j, size_t o)
{
    const size_t values = nrmi_values_in(j, o);
    return !values || (j->w.planes * j->w.fold == 1 && values <= NRMI_BLOCK);
}

/* Where in a group's list its 32 samples lie, in elements from the first. */
static void nrmi_find_pilots(const nrmi_job *j, size_t o, size_t *at)
{
    /* frac((i + 1) * 0.6180339887498949): evenly spaced places fall into one image column, whose
       dark border then spoils 21% of groups; these spoil none */
    static const double golden[32] = {
        0.6180339887498949,  0.2360679774997898,  0.8541019662496847,  0.4721359549995796,
        0.09016994374947451, 0.7082039324993694,  0.3262379212492643,  0.9442719099991592,
        0.5623058987490541,  0.18033988749894903, 0.7983738762488439,  0.4164078649987388,
        0.03444185374863305, 0.6524758424985287,  0.27050983124842275, 0.8885438199983185,
        0.5065778087482133,  0.12461179749810754, 0.742645786248002,   0.36067977499789805,
        0.9787137637477922,  0.5967477524976863,  0.2147817412475822,  0.8328157299974764,
        0.45084971874737123, 0.06888370749726706, 0.6869176962471603,  0.30495168499705614,
        0.922985673746949,   0.541019662496845,   0.1590536512467391,  0.7770876399966351};
    const nrmi_walk *w = &j->w;
    const size_t values = nrmi_values_in(j, o);
    const double m = (double)values;
    const int planes = j->kind == NRM_BATCH && j->q->lengths;
    const size_t len = nrmi_len_in(j, o);
    size_t i;
    if (j->kind == NRM_RMS || nrmi_sums_are_pilots(j, o))
        return;
    for (i = 0; i < 32; i++) {
        size_t value = (size_t)(golden[i] * m), list = 0;
        for (; planes && value >= nrmi_length(j, list); list++)
            value -= nrmi_length(j, list);
        if (!planes && w->planes * w->fold > 1) {
            list = value / len;
            value -= list * len;
        }
        at[i] = value * w->len_step.x;
        if (list)
            at[i] += list / w->fold * w->plane_step.x + list % w->fold * w->fold_step.x;
    }
}

/* The pool, if the call is large enough for it, and what the workspace has left for partial sums
   beside the running statistics that may wait in it. */
static void nrmi_start_pool(const nrmi_call *q, nrmi_job *j)
{
    const nrm_args *a = q->a;
    const size_t waiting = nrmi_moves_running(q) && q->d->c > NRMI_WAITING ? 2 * q->d->c : 0;
    const size_t room = a->workspace && a->workspace_size >= 16 ? a->workspace_size / 8 - 1 : 0;
    unsigned char *w = (unsigned char *)a->workspace;
    if (!a->pool || a->pool->threads < 2 || q->d->n * q->d->c * q->d->s < NRM_POOL_MIN)
        return;
    j->pool = a->pool;
    if (room <= waiting)
        return;
    j->park = (double *)(void *)(w + (8 - (uintptr_t)w % 8) % 8) + waiting;
    j->park_count = room - waiting;
}

/* Whether stores may go past the caches: all lines of the output begin at the same place of a line
   of the cache, so that all but its ends are whole lines. Where lines are short, too much is stored
   through the caches as well: planes of 14 x 14 took 1.5 to 3 times as long (Zen 4). */
static int nrmi_lines_whole(const nrmi_call *q, const nrmi_job *j)
{
    const nrm_pitch *pitch = q->verb->flags & NRMI_NEEDS_DY ? &q->xp : &q->yp;
    const size_t line = j->s > 1 || j->layout == NRM_NCHW ? pitch->line : 0;
    const uintptr_t out = (uintptr_t)j->t.out;
    return (q->size * (line | pitch->sample)) % 64 == 0 && out % q->size == 0 &&
           (out % 64 == 0 || j->w.column || q->size * j->w.len >= 512);
}

/* What one position, or one channel, makes alike: the layouts, if it lies so in x and y. */
static void nrmi_choose_layout(nrmi_job *j)
{
    const nrm_desc *d = j->q->d;
    const int nchw = d->layout == NRM_NCHW, turned = d->transpose_y != 0;
    const size_t x = j->xp.line, y = j->yp.line;
    j->layout = d->layout;
    j->t.turns = (unsigned char)turned;
    if (d->s == 1 && (!nchw || x == 1) && (nchw == turned || y == 1)) {
        j->layout = NRM_NHWC;
        j->t.turns = 0;
    } else if (d->c == 1 && (nchw || x == 1) && (nchw != turned || y == 1)) {
        j->layout = NRM_NCHW;
        j->t.turns = 0;
    }
}

/* Storage, and what lies between it and the kernels. */
static void nrmi_start_types(const nrmi_call *q, nrmi_tile *t)
{
    const nrm_dtype z = q->d->wide_residual ? NRM_F32 : q->d->dtype;
    const nrm_args *a = q->a;
    t->dtype = t->x_dtype = (unsigned char)q->d->dtype;
    t->z_dtype = (unsigned char)z;
    t->size = q->size;
    t->x_size = (unsigned char)q->size;
    t->z_size = (unsigned char)q->z_size;
    t->x = (const unsigned char *)a->x;
    t->res = (const unsigned char *)a->residual;
    if (!t->x) { /* residual alone */
        t->x = t->res;
        t->res = NULL;
        t->x_dtype = t->z_dtype;
        t->x_size = t->z_size;
    }
    t->packs = q->size == 2 && !q->set->f32->halves;
}

/* places: room for 32 of them, or NULL where no statistics are asked. */
static void nrmi_start(const nrmi_call *q, nrmi_job *j, size_t *places)
{
    const nrm_desc *d = q->d;
    const nrm_args *a = q->a;
    const unsigned f = q->verb->flags;
    const size_t values = q->positions * d->c;
    nrmi_zero(j, sizeof *j);
    j->q = q;
    j->kind = d->kind;
    j->inner = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    j->n = d->n;
    j->c = j->all_c = d->c;
    j->s = d->s;
    j->groups = d->groups;
    j->xp = q->xp;
    j->yp = q->yp;
    /* infer: instance norm with running statistics is batch norm */
    j->t.frozen = (f & NRMI_NEEDS_RUNNING) != 0;
    if (j->t.frozen)
        j->kind = NRM_BATCH;
    nrmi_choose_layout(j);
    nrmi_start_types(q, &j->t);
    j->t.acts = d->act != NRM_IDENTITY || a->gate || ((f & NRMI_NEEDS_Y) && a->add);
    j->t.inner = (unsigned char)j->inner;
    j->t.relu = d->act == NRM_RELU && !a->gate && !j->inner;
    j->t.late = a->add && (j->t.relu || d->act == NRM_IDENTITY) && !a->gate && !j->inner;
    if (j->t.relu && !a->add && f & NRMI_NEEDS_Y)
        j->t.acts = 0;
    j->t.keeps = j->t.turns && q->verb == &nrmi_verbs[NRM_BACKWARD] && a->dx && !a->dresidual &&
                 !j->t.acts && !a->dadd && a->dx != a->x && a->dx != a->dsum;
    j->t.gives = (f & NRMI_NEEDS_DY) && (a->dadd || a->dgate) &&
                 q->verb != &nrmi_verbs[NRM_BACKWARD_REDUCE];
    j->t.call = q;
    j->t.stream = values >= NRM_STREAM_BYTES / 2 / q->size;
    j->t.distant = values > NRMI_FAR / q->size;
    if (f & NRMI_NEEDS_Y) {
        j->t.out = (unsigned char *)a->y;
        j->t.sum = (unsigned char *)a->sum;
    } else if (f & NRMI_NEEDS_DY) {
        j->t.dy = (const unsigned char *)a->dy;
        j->t.dsum = (const unsigned char *)a->dsum;
        j->t.out = (unsigned char *)a->dx;
        j->t.dres = d->wide_residual ? (unsigned char *)a->dresidual : NULL;
    }
    j->t.apart = !(f & NRMI_NEEDS_DY) || (j->t.out != j->t.x && j->t.out != j->t.res &&
                                          j->t.out != j->t.dy && j->t.out != j->t.dsum);
    if (j->t.out == j->t.x || j->t.out == j->t.res || j->t.out == j->t.dy ||
        j->t.out == a->add || j->t.out == a->gate || j->t.turns || (j->inner && j->t.dsum))
        j->t.stream = 0; /* it is read or written once more */
    j->gamma = nrmi_reads_gamma(q) ? (const unsigned char *)a->gamma : NULL;
    j->beta = nrmi_reads_beta(q) ? (const unsigned char *)a->beta : NULL;
    j->dgamma = (unsigned char *)a->dgamma;
    j->dbeta = (unsigned char *)a->dbeta;
    j->mean = d->kind == NRM_RMS ? NULL : (unsigned char *)a->mean;
    j->rstd = (unsigned char *)a->rstd;
    j->stat_step = 1;
    nrmi_walk_of(&j->w, j, j->kind);
    if (j->inner && !d->affine_per_sample && !q->lengths)
        nrmi_join_samples(&j->w);
    if (q->empty || !q->positions)
        return;
    if (j->t.stream && !nrmi_lines_whole(q, j))
        j->t.stream = 0;
    j->pilot_at = places;
    if (f & (NRMI_GIVES_STATS | NRMI_WRITES_ARRAY))
        nrmi_find_pilots(j, 0, places);
    nrmi_start_pool(q, j);
}

static unsigned char *nrmi_shift(const unsigned char *p, size_t bytes)
{
    return p ? (unsigned char *)(uintptr_t)(p + bytes) : NULL;
}

/* Moves a tile by x and y elements of its tensors. */
static void nrmi_shift_tile(const nrmi_call *q, nrmi_tile *t, size_t x, size_t y)
{
    const int backward = (q->verb->flags & NRMI_NEEDS_DY) != 0;
    t->x = nrmi_shift(t->x, t->x_size * x);
    t->res = nrmi_shift(t->res, t->z_size * x);
    t->sum = nrmi_shift(t->sum, t->z_size * x);
    t->dsum = nrmi_shift(t->dsum, t->z_size * x);
    t->dres = nrmi_shift(t->dres, t->z_size * x);
    t->dy = nrmi_shift(t->dy, q->size * y);
    t->y_moved += y;
    t->out = nrmi_shift(t->out, q->size * (backward ? x : y));
}

/* Makes a GROUP job with s = 1 a LAYER job of its group g. */
static void nrmi_group_as_layer(nrmi_job *j, size_t g)
{
    const size_t q = j->c / j->groups, params = nrmi_size(j->q->param) * g * q;
    const nrmi_step channel = nrmi_step_of(j, j->layout == NRM_NCHW ? 'L' : '1', q);
    const size_t x = g * q * channel.x, y = g * q * channel.y;
    j->kind = NRM_LAYER;
    j->inner = j->t.inner = 1;
    j->t.acts |= j->t.relu;
    j->t.relu = j->t.late = 0;
    j->c = q;
    nrmi_shift_tile(j->q, &j->t, x, y);
    j->gamma = nrmi_shift(j->gamma, params);
    j->beta = nrmi_shift(j->beta, params);
    j->dgamma = nrmi_shift(j->dgamma, params);
    j->dbeta = nrmi_shift(j->dbeta, params);
    j->mean = nrmi_shift(j->mean, 8 * g);
    j->rstd = nrmi_shift(j->rstd, 8 * g);
    j->stat_step = j->groups;
    nrmi_walk_of(&j->w, j, NRM_LAYER);
    if (!j->q->d->affine_per_sample && !j->q->lengths)
        nrmi_join_samples(&j->w);
    nrmi_find_pilots(j, 0, j->pilot_at);
}

/* A parameter or running statistic of either type. */
static NRMI_INLINE double nrmi_param(nrm_dtype dtype, const void *p, size_t i)
{
    return dtype == NRM_F32 ? (double)nrmi_f32_at(p, i) : nrmi_value((int)dtype, p, i);
}
/* v in the arithmetic of this call. */
static NRMI_INLINE double nrmi_param_rounded(const nrmi_job *j, double v)
{
    return j->q->running == NRM_F64 ? v : nrmi_as_float(v);
}

/* gamma + offset of parameter i as the formulas take it: as a float, unless that is out of the
   comfortable range anyway. */
static NRMI_INLINE double nrmi_gamma_at(const nrmi_job *j, size_t i)
{
    const double g = j->gamma ? nrmi_param(j->q->param, j->gamma, i) + j->q->d->gamma_offset : 1;
    return nrmi_bits(g) <= nrmi_bits(NRMI_GAMMA_LIMIT) ? nrmi_param_rounded(j, g) : g;
}
static NRMI_INLINE double nrmi_beta_at(const nrmi_job *j, size_t i)
{
    return j->beta ? nrmi_param(j->q->param, j->beta, i) : 0;
}

/* The parameter of lane (g, f) of sample o and plane p, for kinds whose lane has one. */
static size_t nrmi_param_of(const nrmi_job *j, size_t o, size_t p, size_t g, size_t f)
{
    const size_t channel = j->kind == NRM_GROUP ? g * j->w.fold + f : g;
    const size_t sample = j->kind == NRM_BATCH ? p : o;
    return channel + (j->q->d->affine_per_sample ? sample * j->all_c : 0);
}

/* 1 / sqrt(variance + eps); 0 where that is 0. */
static double nrmi_rstd(double variance, double eps)
{
    const double v = variance + eps;
    if (nrmi_bits(v) == 0)
        return 0;
    if (!nrmi_finite(v)) /* in F64 the sum alone may overflow */
        return nrmi_finite(variance) ? 0.5 / NRM_SQRT(variance * 0.25 + eps * 0.25)
                                     : 1 / NRM_SQRT(v);
    return v < 0 ? nrmi_nan() : 1 / NRM_SQRT(v);
}

/* The same from the m2 of values that were multiplied by `scale`. Denormals with eps 0 may ask for
   more than the largest double. */
static double nrmi_rstd_scaled(double m2, double m, double scale, double eps)
{
    const double rstd = nrmi_bits(m2) == 0 ? nrmi_rstd(0, eps)
                                           : nrmi_rstd(m2 / m, eps * scale * scale) * scale;
    return nrmi_bits(rstd) == NRMI_INF_BITS ? nrmi_from_bits(NRMI_INF_BITS - 1) : rstd;
}

/* Whether a lane leaves the range of its usual arithmetic, by its statistics; by its parameters. */
static NRMI_INLINE int nrmi_wide_stats(const nrmi_job *j, double mean, double rstd)
{
    if (j->t.dtype != NRM_F64)
        return !nrmi_comfortable(mean, rstd);
    return nrmi_large_f64(mean, rstd);
}
static NRMI_INLINE int nrmi_wide_params(const nrmi_job *j, double g, double b)
{
    return j->t.dtype != NRM_F64 && !nrmi_comfortable_affine(g, b);
}

/* The kernels for a tile of lanes that left it, or did not. */
static const nrmi_kernels *nrmi_kernels_for(const nrmi_job *j, int wide, nrmi_tile *t)
{
    if (wide && j->t.dtype == NRM_F64)
        t->scale = 0.25;
    return wide || j->t.dtype == NRM_F64 ? j->q->set->f64 : j->q->set->f32;
}

/* ---- C10 A tile through the kernels --------------------------------------------------- */

/* Stack that a tile's arrays are taken from. */
typedef struct nrmi_room {
    unsigned char *at, *end;
} nrmi_room;
enum {
    NRMI_FIXED_ROOM = NRMI_LANES < 256 ? 8192 : 4096, /* tiles of rows are not smaller then */
    NRMI_SUMS_ROOM = NRMI_FIXED_ROOM + 79 * NRMI_LANES,
    NRMI_PARK_ROOM = NRMI_SUMS_ROOM - 25 * NRMI_LANES, /* without a list and the sums of a cell */
    NRMI_MAP_ROOM = NRMI_FIXED_ROOM + 59 * NRMI_LANES
};

static unsigned char *nrmi_take(nrmi_room *room, size_t bytes)
{
    unsigned char *const p = room->at + (64 - (uintptr_t)room->at % 64) % 64;
    room->at = p + bytes;
    NRM_ASSERT(room->at <= room->end);
    return p;
}

/* A tile, and what its chunks share. */
typedef struct nrmi_work {
    const nrmi_tile *t;
    const nrmi_kernels *k;
    int what, gradient;
    int place;                   /* statistics belong to the place in a line                    */
    int packs_x, packs_dy;       /* the front's: x, dy are not as the kernel takes them         */
    int ignores_x;               /* frozen statistics without a slope                           */
    int packs_out;               /* the back's: out is not written by the kernel                */
    int acts;                    /* something acts, beside what the kernel does                 */
    int gives;                   /* dadd or dgate, now                                          */
    int copies_g, copies_b;      /* INNER: gamma, beta are not as the kernel takes them         */
    float *scale;                /* q8: the largest |y| of each lane, then its scale, ...       */
    int round;                   /* ... found in round 1, used in round 2; 0: no q8             */
    size_t most;                 /* packed values at once                                       */
    size_t shift;                /* bytes from a line of the cache to coefficients by place, as
                                    to what they make: neither is read or written across two   */
    nrmi_chunk c, again;         /* for the kernel, and, of gradients, for y once more          */
    unsigned char *z, *w;        /* packed x and dy                                             */
    unsigned char *u, *e;        /* packed y before it acts; add, gate, dgate                   */
    double *run;                 /* of row sums                                                 */
    unsigned char *along[3];     /* copied coefficients along the lane                          */
    unsigned char *units;        /* PARAM of rows: NRMI_PIECE zeros, as many ones               */
} nrmi_work;

static size_t nrmi_plane_len(const nrmi_tile *t, size_t p)
{
    return t->lens ? nrmi_size_at(t->lens, p) : t->len;
}

/* A tensor that lies as y: from the y of the tile's place `at` on. */
static unsigned char *nrmi_like_y(const nrmi_tile *t, const void *first, size_t at)
{
    return nrmi_shift((const unsigned char *)first, t->size * (t->y_moved + at));
}

static void nrmi_put(const nrmi_kernels *k, const void *to, size_t i, double v)
{
    if (k->is_double)
        ((double *)(uintptr_t)to)[i] = v;
    else
        ((float *)(uintptr_t)to)[i] = (float)v;
}

/* Whether the values are of another type than the kernel's arithmetic. */
static int nrmi_converts(const nrmi_tile *t, int wide)
{
    return t->size == 2 || (wide && t->dtype != NRM_F64);
}
/* Whether what lies as y is packed before anything is done to it. */
static int nrmi_packs_like_y(const nrmi_tile *t, int is_double)
{
    return t->turns || nrmi_converts(t, is_double);
}
/* Whether a slope needs four packed arrays, of x, y before it acts, dy, and add or gate. */
static int nrmi_crowded(const nrmi_tile *t, int is_double)
{
    return t->acts && t->dy && (t->call->a->gate || nrmi_packs_like_y(t, is_double));
}
/* Whether there is an output as large as x that the map makes. */
static int nrmi_makes_out(const nrmi_tile *t)
{
    return t->out || t->dres || !t->dy;
}
/* Whether the kernels do all that comes between CHANNEL's tensors and them: NRMI_MORE. */
static int nrmi_takes_more(const nrmi_tile *t)
{
    if (!t->call->set->f32->more || t->dtype != NRM_F32 || t->turns || t->tiny || t->call->q8 ||
        t->inner)
        return 0;
    if (t->acts && !t->relu && !t->late)
        return 0;
    if (!t->dy)
        return 1;
    if (t->gives && (!t->relu || t->call->a->dadd == t->call->a->add)) /* add is read again */
        return 0;
    return !t->res && !t->frozen && t->apart; /* no dx is not apart */
}

static size_t nrmi_most_lanes(const nrmi_tile *t, int wide)
{
    size_t lanes = NRMI_LANES;
    if (!t->column)
        return wide || t->dtype == NRM_F64 ? NRMI_LINES / 2 : NRMI_LINES;
    if (wide || t->dtype == NRM_F64)
        lanes /= 2;
    if (wide || t->packs || t->dtype == NRM_F64 || t->dres || t->turns ||
        (t->dy && t->x_size != t->size) ||
        ((t->res || t->sum || t->dsum || t->acts) && !nrmi_takes_more(t)))
        lanes /= 2;
    if (t->turns && lanes > NRMI_ACROSS)
        lanes = NRMI_ACROSS;
    return nrmi_crowded(t, wide) ? lanes / 2 : lanes;
}

/* Moments: whether their tile is as narrow as one in double. They pack a residual even where maps
   do not. */
static int nrmi_sums_packed(const nrmi_tile *t, const nrmi_kernels *k)
{
    return k->is_double || (t->res && nrmi_takes_more(t));
}

/* Packed values at once: four arrays share the room of two. A line of what is transposed has at
   most NRMI_ACROSS values, so that of the other direction there are 16, a line of cache. */
static size_t nrmi_most_packed(const nrmi_tile *t, int is_double)
{
    return (size_t)NRMI_CHUNK >> (is_double ? 1 : 0) >> (nrmi_crowded(t, is_double) ? 1 : 0);
}

/* Coefficients by lane from doubles: NUMERICS, "Apply", "Gradient". `sums`: of the sums. */
static NRMI_NOINLINE void nrmi_prepare_lane(nrmi_work *w, int sums, size_t i, double mean,
                                            double rstd)
{
    const nrmi_tile *t = w->t;
    const nrmi_kernels *k = w->k;
    const int is_double = k->is_double, channel = w->what == NRMI_CHANNEL;
    const double scale = is_double && t->scale > 0 && w->what != NRMI_MOMENTS ? t->scale : 1;
    const double m = mean * scale, mh = is_double ? m : nrmi_as_float(m);
    /* y of an infinite running mean is infinite; of other statistics it is NaN */
    const double ml = nrmi_finite(m) || !t->frozen ? m - mh : 0;
    const double g = t->g ? t->g[i] : 0;
    nrmi_factors f;
    nrmi_scale s;
    if (!t->frozen || !w->gradient) {
        nrmi_put(k, w->c.mh, i, mh);
        if (w->what == NRMI_MOMENTS)
            return;
        nrmi_put(k, w->c.ml, i, ml);
    }
    f.r = rstd;
    f.g = g;
    if (channel && (!is_double || t->dtype == NRM_F64))
        f = nrmi_factors_of(rstd, g, is_double);
    if (!w->gradient || t->frozen) {
        if (!sums) {
            nrmi_put(k, w->c.r, i, f.r / (t->frozen && w->gradient ? 1 : scale));
            if (channel) {
                nrmi_put(k, w->c.b, i, w->gradient ? -0.0 : t->b[i]);
                if (w->c.k)
                    nrmi_put(k, w->c.k, i, f.g);
            }
        }
    }
    if (!w->gradient)
        return;
    if (t->acts) {
        nrmi_put(k, w->again.mh, i, mh);
        nrmi_put(k, w->again.ml, i, ml);
        nrmi_put(k, w->again.r, i, f.r / scale);
        if (channel) {
            nrmi_put(k, w->again.b, i, t->b[i]);
            if (w->again.k)
                nrmi_put(k, w->again.k, i, f.g);
        }
    }
    if (t->frozen && !sums)
        return;
    s = nrmi_scale_of(rstd, is_double);
    if (t->frozen) { /* sums of frozen statistics: as of others */
        nrmi_put(k, w->c.mh, i, mh);
        nrmi_put(k, w->c.ml, i, ml);
    }
    nrmi_put(k, w->c.r, i, channel && sums && !is_double ? s.v * NRMI_LIFT : s.v / scale);
    if (sums && channel)
        return;
    nrmi_put(k, w->c.k, i, channel ? g * s.u : s.u);
    if (sums)
        return;
    nrmi_put(k, w->c.o, i, s.o);
    nrmi_put(k, w->c.p, i, t->p[i] * s.u);
    nrmi_put(k, w->c.q, i, t->q[i] * s.rho * s.u);
}

/* The same for all lanes, several at a time, in float's usual arithmetic. */
static void nrmi_prepare_usual(nrmi_work *w, int sums, nrmi_room *room)
{
    const nrmi_tile *t = w->t;
    const int channel = w->what == NRMI_CHANNEL;
    nrmi_lanes l;
    nrmi_zero(&l, sizeof l);
    l.n = t->lanes;
    l.mean = t->mean;
    l.rstd = t->rstd;
    l.mh = (float *)(uintptr_t)w->c.mh;
    l.ml = (float *)(uintptr_t)w->c.ml;
    l.r = (float *)(uintptr_t)w->c.r;
    l.k = (float *)(uintptr_t)w->c.k;
    l.g = channel && !sums ? t->g : NULL;
    l.b = t->b;
    l.lift = channel && sums ? NRMI_LIFT : 1;
    l.of = w->what == NRMI_MOMENTS ? NRMI_OF_PILOT
           : sums                  ? NRMI_OF_SUMS
           : w->gradient           ? NRMI_OF_DX
                                   : NRMI_OF_Y;
    if (l.of == NRMI_OF_DX && !t->frozen) {
        l.p = t->p;
        l.q = t->q;
        l.to_p = (float *)(uintptr_t)w->c.p;
        l.to_q = (float *)(uintptr_t)w->c.q;
        l.o = (float *)(uintptr_t)w->c.o;
    }
    l.to_b = l.of == NRMI_OF_Y && channel ? (float *)(uintptr_t)w->c.b : NULL;
    if (l.of == NRMI_OF_DX && t->frozen) { /* dx = dy * r */
        float *const zero = l.mh;
        size_t i;
        l.of = NRMI_OF_Y;
        l.mh = (float *)(void *)nrmi_take(room, 4 * (t->lanes + 16));
        l.ml = l.mh;
        w->k->coefs(&l);
        for (i = 0; i < t->lanes; i++) {
            zero[i] = 0;
            ((float *)(uintptr_t)w->c.b)[i] = -0.0f;
        }
    } else {
        w->k->coefs(&l);
    }
    if (!w->gradient || !t->acts)
        return;
    l.of = NRMI_OF_Y;
    l.g = channel ? t->g : NULL;
    l.mh = (float *)(uintptr_t)w->again.mh;
    l.ml = (float *)(uintptr_t)w->again.ml;
    l.r = (float *)(uintptr_t)w->again.r;
    l.to_b = channel ? (float *)(uintptr_t)w->again.b : NULL;
    w->k->coefs(&l);
}

/* Coefficients of lanes: whole vectors are read of them, so what follows the last is 0. */
static unsigned char *nrmi_take_lanes(const nrmi_work *w, nrmi_room *room, size_t bytes,
                                      size_t used)
{
    unsigned char *const p = nrmi_take(room, bytes + w->shift) + w->shift;
    memset(p + used, 0, bytes - used);
    return p;
}

static void nrmi_prepare(nrmi_work *w, int sums, nrmi_room *room)
{
    const nrmi_tile *t = w->t;
    const size_t used = w->k->size * t->lanes * (sums ? 1 : t->times);
    const size_t bytes = (used + 31 * w->k->size) & ~(size_t)(16 * w->k->size - 1);
    const int channel = w->what == NRMI_CHANNEL, is_double = w->k->is_double;
    const int dx = w->gradient && !sums && !t->frozen;
    size_t i;
    if (w->what == NRMI_PARAM) {
        if (!t->acts)
            return;
        w->again.g = nrmi_take_lanes(w, room, bytes, used);
        w->again.b = nrmi_take_lanes(w, room, bytes, used);
        w->again.g_step = w->again.b_step = 1;
        for (i = 0; i < t->lanes; i++) {
            nrmi_put(w->k, w->again.g, i, t->g[i]);
            nrmi_put(w->k, w->again.b, i, t->b[i]);
        }
        return;
    }
    w->c.mh = nrmi_take_lanes(w, room, bytes, used);
    if (w->what != NRMI_MOMENTS) {
        w->c.ml = nrmi_take_lanes(w, room, bytes, used);
        w->c.r = nrmi_take_lanes(w, room, bytes, used);
    }
    if (dx || (sums ? w->gradient && !channel : channel && (is_double || t->tiny)))
        w->c.k = nrmi_take_lanes(w, room, bytes, used);
    if (dx) {
        w->c.p = nrmi_take_lanes(w, room, bytes, used);
        w->c.q = nrmi_take_lanes(w, room, bytes, used);
        w->c.o = nrmi_take_lanes(w, room, bytes, used);
    } else if (!sums && channel) {
        w->c.b = nrmi_take_lanes(w, room, bytes, used);
    }
    if (w->gradient && t->frozen && !sums) { /* dx = (dy * r) * k */
        memset((void *)(uintptr_t)w->c.mh, 0, bytes);
        w->c.ml = w->c.mh;
    }
    if (w->gradient && t->acts) {
        w->again.mh = nrmi_take_lanes(w, room, bytes, used);
        w->again.ml = nrmi_take_lanes(w, room, bytes, used);
        w->again.r = nrmi_take_lanes(w, room, bytes, used);
        if (channel) {
            w->again.b = nrmi_take_lanes(w, room, bytes, used);
            if (is_double || t->tiny)
                w->again.k = nrmi_take_lanes(w, room, bytes, used);
        }
    }
    if (!is_double && !t->odd) {
        nrmi_prepare_usual(w, sums, room);
        return;
    }
    for (i = 0; i < t->lanes; i++)
        nrmi_prepare_lane(w, sums, i, t->mean[i], t->rstd ? t->rstd[i] : 0);
}

/* Whether the kernels can use the caller's gamma or beta as it is. */
static int nrmi_param_serves(const nrmi_work *w, const unsigned char *from, double offset)
{
    const nrm_dtype dtype = w->t->call->param;
    return !from || ((dtype == (w->k->is_double ? NRM_F64 : NRM_F32) || w->c.half_param) &&
                     nrmi_bits(offset) == 0);
}

/* Whether y has to lie elsewhere before it acts: add or gate may be where it goes, and what goes
   past the caches is not read there again. */
static int nrmi_acts_apart(const nrmi_tile *t)
{
    const nrm_args *a = t->call->a;
    return a->gate || t->stream || t->out == nrmi_like_y(t, a->add, 0);
}

static void nrmi_clear(const nrmi_work *w, size_t bytes)
{
    unsigned char *const all[3] = {w->w, w->u, w->e};
    int i;
    for (i = 0; i < 3; i++)
        if (all[i])
            memset(all[i], 0, bytes);
}

/* Coefficients by lane from lane `lane` of the tile on. */
static void nrmi_lanes_from(const nrmi_work *w, const nrmi_chunk *all, nrmi_chunk *c, size_t lane)
{
    const size_t at = w->k->size * lane;
#define NRMI_FROM(p) c->p = all->p ? (const unsigned char *)all->p + at : NULL
    if (w->what == NRMI_PARAM) {
        NRMI_FROM(g);
        NRMI_FROM(b);
        return;
    }
    NRMI_FROM(mh);
    NRMI_FROM(ml);
    NRMI_FROM(r);
    NRMI_FROM(k);
    NRMI_FROM(p);
    NRMI_FROM(q);
    NRMI_FROM(o);
    NRMI_FROM(s);
    if (w->what == NRMI_CHANNEL)
        NRMI_FROM(b);
#undef NRMI_FROM
}

/* Bytes from a line of the cache to a coefficient of the first value of out, if it lies as far from
   one as the value, in coefficients. */
static size_t nrmi_shift_of(const unsigned char *out, size_t size, size_t coefficient)
{
    return (uintptr_t)out % 64 / size * coefficient % 64;
}

/* What of NRMI_MORE the kernels do. */
static int nrmi_more_of(const nrmi_tile *t, const nrmi_kernels *k, int what, int gradient,
                        int sums)
{
    const int takes = k->more && what == NRMI_CHANNEL && nrmi_takes_more(t);
    const int late = takes && t->late ? NRMI_LATE : 0, add = t->call->a->add != NULL;
    const int relu = t->relu && (takes || !add) ? NRMI_RECTIFIED : 0;
    if (!gradient && !sums)
        return (takes && t->res ? NRMI_ADDED : 0) | (takes && t->sum ? NRMI_KEPT : 0) | late | relu;
    if (!gradient || t->frozen || t->tiny || !k->more || what != NRMI_CHANNEL || !relu ||
        (t->gives && !takes))
        return takes && !sums && t->dsum ? NRMI_ADDED : 0;
    if (sums)
        return late | relu;
    return (takes && t->dsum ? NRMI_ADDED : 0) | (t->gives ? NRMI_KEPT : 0) | late | relu;
}

static void nrmi_open_work(nrmi_work *w, const nrmi_tile *t, const nrmi_kernels *k, int what,
                           int gradient, int sums, nrmi_room *room)
{
    const size_t packed = k->size * nrmi_most_packed(t, k->is_double);
    const int makes_xhat = what == NRMI_PARAM && !t->column;
    size_t i;
    const int gives = gradient && !sums && t->gives;
    const int more = nrmi_more_of(t, k, what, gradient, sums);
    const int acts = t->acts && !(more & (NRMI_LATE | NRMI_RECTIFIED));
    const int adds = (more & (gradient ? NRMI_ADDED : NRMI_ADDED | NRMI_KEPT)) != 0;
    /* halves are read and written as they lie where nothing comes between */
    const int turns = t->turns && (gradient || !sums), q8 = !gradient && !sums && t->call->q8;
    const int direct = t->size == 2 && !t->packs && !k->is_double && !t->res && !t->sum &&
                       !turns && !q8 && !makes_xhat &&
                       !(gradient && (t->acts || gives || t->x_size != 2 ||
                                      (!sums && (t->frozen || t->dres || t->dsum))));
    const int converts = !direct && nrmi_converts(t, k->is_double);
    const int converts_x = !direct && t->x_dtype != (k->is_double ? NRM_F64 : NRM_F32);
    nrmi_zero(w, sizeof *w);
    w->t = t;
    w->k = k;
    w->what = what;
    w->gradient = gradient;
    w->place = what == NRMI_PARAM ? !t->column : t->column;
    w->c.stat_step = w->again.stat_step = 1;
    w->packs_x = converts_x || t->scale > 0 || makes_xhat ||
                 (!adds && (t->res || (!sums && t->sum)));
    w->c.more = more;
    w->acts = acts;
    w->gives = gives && !(more & NRMI_KEPT);
    w->most = nrmi_most_packed(t, k->is_double);
    w->ignores_x = gradient && !sums && t->frozen && !t->acts;
    w->packs_dy = gradient && (converts || w->acts || w->gives || turns);
    w->packs_out = !sums && (converts || (t->dsum && !adds) || !t->apart || q8 ||
                             (!gradient && (turns || (acts && (direct || nrmi_acts_apart(t))))));
    w->round = q8;
    w->c.half = direct && t->x_size == 2 ? t->dtype : 0;
    w->c.half_out = direct && !w->packs_out ? t->dtype : 0;
    if ((w->c.half || w->c.half_out) && what == NRMI_INNER && !t->column &&
        t->call->param != NRM_F32 &&
        !(t->gamma && nrmi_bits(t->offset) != 0))
        w->c.half_param = t->dtype;
    if (what == NRMI_INNER) {
        w->copies_g = !nrmi_param_serves(w, t->gamma, t->offset);
        w->copies_b = !nrmi_param_serves(w, t->beta, 0);
    }
    if (what == NRMI_PARAM || w->copies_g || w->copies_b || !t->gamma || !t->beta) {
        const int all = what == NRMI_PARAM;
        w->along[0] = what < NRMI_INNER ? NULL : nrmi_take(room, k->size * NRMI_PIECE);
        w->along[1] = what < NRMI_INNER ? NULL : nrmi_take(room, k->size * NRMI_PIECE);
        w->along[2] = all ? nrmi_take(room, k->size * NRMI_PIECE) : NULL;
    }
    if (makes_xhat) {
        w->units = nrmi_take(room, k->size * 2 * NRMI_PIECE);
        for (i = 0; i < 2 * NRMI_PIECE; i++)
            nrmi_put(k, w->units, i, i < NRMI_PIECE ? 0 : 1);
    }
    if (w->place && !sums && !w->packs_out)
        w->shift = nrmi_shift_of(t->out, t->size, k->size);
    if (t->coefs)
        nrmi_lanes_from(w, t->coefs, &w->c, 0);
    else
        nrmi_prepare(w, sums, room);
    if (gradient && more & NRMI_RECTIFIED && !t->coefs) {
        w->c.s = w->again.r;
        w->c.b = w->again.b;
    }
    if (w->packs_x || w->packs_out)
        w->z = nrmi_take(room, packed);
    if (w->z && (!w->packs_x || w->ignores_x)) /* parts of vectors are stored there first */
        memset(w->z, 0, packed);
    if (w->packs_dy || (gradient && t->dsum && !adds))
        w->w = nrmi_take(room, packed);
    if (q8)
        w->scale = (float *)(void *)nrmi_take_lanes(w, room, 4 * ((t->lanes + 15) & ~(size_t)15),
                                                    0);
    w->u = gradient && nrmi_crowded(t, k->is_double) ? nrmi_take(room, packed) : w->w;
    if (q8 || (acts && (w->u != w->w || (!gradient && !sums && w->packs_out))))
        w->e = nrmi_take(room, packed);
    if (acts) /* what is past a line's end acts too */
        nrmi_clear(w, packed);
}

/* ---- C11 The front -------------------------------------------------------------------- */

/* Lines without a residual: packed with `step` values from one to the next, at x with x_step. */
static nrmi_packing nrmi_packing_of(unsigned char *packed, size_t step, const unsigned char *x,
                                    size_t x_step, size_t lines, size_t n, int dtype)
{
    nrmi_packing p;
    p.packed = packed;
    p.x = (unsigned char *)(uintptr_t)x;
    p.res = NULL;
    p.step = step;
    p.x_step = x_step;
    p.lines = lines;
    p.n = n;
    p.dtype = p.res_dtype = dtype;
    return p;
}

enum { NRMI_Y_SPACE = 512 };
/* to = x + res of n values, to of which may be one of them; packed elsewhere where they are halves,
   or no whole vectors. res may be NULL. */
static NRMI_NOINLINE void nrmi_add_values(const nrmi_set *set, int dtype, unsigned char *to,
                                          const unsigned char *x, const unsigned char *res,
                                          size_t n)
{
    const nrmi_kernels *k = dtype == NRM_F64 ? set->f64 : set->f32;
    const size_t size = nrmi_size((nrm_dtype)dtype), whole = size == 2 ? 0 : n - n % 16;
    double space[NRMI_Y_SPACE / 2];
    nrmi_packing p = nrmi_packing_of(to, n, x, n, 1, whole, dtype);
    size_t i;
    p.res = res;
    if (whole)
        k->pack(&p);
    p.packed = (unsigned char *)space;
    for (i = whole; i < n; i += p.n) {
        p.n = nrmi_least(n - i, NRMI_Y_SPACE / 2);
        p.x = (unsigned char *)(uintptr_t)(x + size * i);
        p.res = nrmi_shift(res, size * i);
        k->pack(&p);
        p.x = to + size * i;
        k->unpack(&p);
    }
}

/* y of lines with coefficients of their own, from halves or to them. The kernel takes floats: as
   many at a time as stay in the first cache. In bf16 batch inference takes 0.65 to 1.0 of the time
   of a kernel that takes halves (Zen 3), and the object is 4 KB smaller. */
static NRMI_NOINLINE void nrmi_y_of_halves(const nrmi_kernels *k, const nrmi_chunk *c)
{
    const size_t pad = (nrmi_least(c->n, NRMI_Y_SPACE) + 15) & ~(size_t)15;
    const size_t step = c->stat_step;
    float space[NRMI_Y_SPACE];
    nrmi_chunk f;
    size_t line, at;
    nrmi_copy(&f, c, sizeof f);
    f.stream = 0;
    f.out_step = c->half_out ? pad : c->out_step;
    for (line = 0; line < c->lines; line += f.lines) {
        f.lines = nrmi_least(c->lines - line, NRMI_Y_SPACE / pad);
        f.mh = (const float *)c->mh + line * step;
        f.ml = (const float *)c->ml + line * step;
        f.r = (const float *)c->r + line * step;
        f.k = c->k ? (const float *)c->k + line * step : NULL;
        f.b = (const float *)c->b + line * step;
        for (at = 0; at < c->n; at += f.n) {
            const size_t x_at = line * c->x_step + at, out_at = line * c->out_step + at;
            nrmi_packing p;
            f.n = nrmi_least(c->n - at, NRMI_Y_SPACE);
            p = nrmi_packing_of((unsigned char *)space, pad, (const unsigned char *)c->x + 2 * x_at,
                                c->x_step, f.lines, f.n, c->half);
            f.x = c->half ? (const void *)space : (const void *)((const float *)c->x + x_at);
            f.x_step = c->half ? pad : c->x_step;
            if (c->half)
                k->pack(&p);
            f.out = c->half_out ? (void *)space : (void *)((float *)c->out + out_at);
            k->map[NRMI_Y][0][0](&f);
            p.x = (unsigned char *)c->out + 2 * out_at;
            p.x_step = c->out_step;
            p.dtype = c->half_out;
            if (c->half_out)
                k->unpack(&p);
        }
    }
}

static void nrmi_run_map(const nrmi_kernels *k, int what, int place, int inner, nrmi_chunk *c)
{
    if (what == NRMI_Y && !place && !inner && (c->half | c->half_out))
        nrmi_y_of_halves(k, c);
    else
        k->map[what][place][inner](c);
}

/* gamma or beta along the lane from position `at` on: the caller's own, a copy with the offset
   added, or 1 or 0 over and over. */
static const void *nrmi_param_along(const nrmi_work *w, const unsigned char *from, int copies,
                                    double offset, double missing, size_t at, size_t count,
                                    unsigned char *space)
{
    const nrm_dtype dtype = w->t->call->param;
    const size_t size = nrmi_size(dtype);
    size_t i;
    if (from && !copies)
        return from + at * size;
    if (from && nrmi_bits(offset) == 0) {
        const nrmi_packing p =
            nrmi_packing_of(space, count, from + at * size, count, 1, count, (int)dtype);
        w->k->pack(&p);
        return space;
    }
    for (i = 0; !from && i < 16; i++)
        if (w->c.half_param)
            nrmi_value_set(w->c.half_param, space, i, missing);
        else
            nrmi_put(w->k, space, i, missing);
    for (i = 0; from && i < count; i++)
        nrmi_put(w->k, space, i, nrmi_param(dtype, from, at + i) + offset);
    return space;
}

/* The coefficients along the lane at positions from..from+count of plane p. */
static void nrmi_find_along(nrmi_work *w, size_t p, size_t from, size_t count)
{
    const nrmi_tile *t = w->t;
    const int is_double = w->k->is_double;
    size_t i;
    if (w->what == NRMI_INNER) {
        w->c.g = nrmi_param_along(w, t->gamma, w->copies_g, t->offset, 1, from, count, w->along[0]);
        w->c.b = nrmi_param_along(w, t->beta, w->copies_b, 0, 0, from, count, w->along[1]);
        w->c.g_step = t->gamma != NULL;
        w->c.b_step = t->beta != NULL;
        w->again.g = w->c.g;
        w->again.b = w->c.b;
        w->again.g_step = w->c.g_step;
        w->again.b_step = w->c.b_step;
    }
    if (w->what != NRMI_PARAM)
        return;
    for (i = 0; i < ((count + 15) & ~(size_t)15); i++) {
        const size_t at = p * t->stat_plane + (from + i) * t->stat_len;
        const double mean = i < count && t->len_mean ? nrmi_f64_at(t->len_mean, at) : 0;
        const double rstd = i < count ? nrmi_f64_at(t->len_rstd, at) : 0;
        const double scale =
            is_double && t->scale > 0 && nrmi_large_f64(mean, rstd) ? t->scale : 1;
        const double m = mean * scale, mh = is_double ? m : nrmi_as_float(m);
        nrmi_put(w->k, w->along[0], i, mh);
        nrmi_put(w->k, w->along[1], i, is_double ? 0 : m - mh); /* mean may be Inf */
        nrmi_put(w->k, w->along[2], i, rstd / scale);
    }
    w->c.mh = w->again.mh = w->along[0];
    w->c.ml = w->again.ml = w->along[1];
    w->c.r = w->again.r = w->along[2];
}

/* Moves what belongs along the lane by `lines` positions, `apart` from one line to the next. */
static void nrmi_shift_along(const nrmi_work *w, nrmi_chunk *c, size_t lines, size_t apart)
{
    const size_t size = w->k->size; /* of columns, which copy halves */
#define NRMI_MOVE(p, step) ((const unsigned char *)(p) + size * lines * (step))
    if (w->what == NRMI_PARAM) {
        c->mh = NRMI_MOVE(c->mh, 1);
        c->ml = NRMI_MOVE(c->ml, 1);
        c->r = NRMI_MOVE(c->r, 1);
        c->stat_step = apart;
    } else if (w->what == NRMI_INNER) {
        c->g = NRMI_MOVE(c->g, c->g_step);
        c->b = NRMI_MOVE(c->b, c->b_step);
        c->g_step *= apart;
        c->b_step *= apart;
    }
#undef NRMI_MOVE
}

/* F64: multiplies packed z by the tile's scale; PARAM: of those positions alone that need it, since
   a denormal z of another would be lost, and with it the sign that RELU asks for. */
static void nrmi_rescale(const nrmi_work *w, size_t p, size_t from, size_t lines, size_t apart,
                         size_t n, size_t step)
{
    const nrmi_tile *t = w->t;
    double *z = (double *)(void *)w->z;
    size_t l, i;
    for (l = 0; l < lines; l++, z += step)
        for (i = 0; i < n; i++) {
            const size_t along = from + (t->column ? l * apart : i);
            const size_t at = p * t->stat_plane + along * t->stat_len;
            if (w->what != NRMI_PARAM ||
                nrmi_large_f64(t->len_mean ? nrmi_f64_at(t->len_mean, at) : 0,
                               nrmi_f64_at(t->len_rstd, at)))
                z[i] *= t->scale;
        }
}

/* Where the chunk lies in a plane: of so many lines of n values, `apart` lines of memory apart; the
   first at `from` along the lanes, which begin with `lane`. */
typedef struct nrmi_span {
    size_t plane, from, lane, lines, apart, n;
} nrmi_span;

/* Where a chunk begins in tensors with these steps; `next`: of a line. */
static size_t nrmi_span_at(const nrmi_work *w, const nrmi_span *s, size_t plane, size_t step,
                           size_t next)
{
    return s->plane * plane +
           (w->t->column ? s->from * step + s->lane * next : s->lane * step + s->from * next);
}
static size_t nrmi_span_x(const nrmi_work *w, const nrmi_span *s)
{
    return nrmi_span_at(w, s, w->t->x_plane, w->t->x_step, 1);
}
static size_t nrmi_span_y(const nrmi_work *w, const nrmi_span *s)
{
    return nrmi_span_at(w, s, w->t->y_plane, w->t->y_step, w->t->y_next);
}

static size_t nrmi_packed_step(const nrmi_span *s)
{
    return (s->n + 15) & ~(size_t)15;
}

/* A square, transposed: 4 floats, 4 halves, 2 doubles a row. Steps in bytes. */
#define NRMI_SQUARE(size) ((size) == 1 ? 0 : (size) == 8 ? 2 : 4)
#if defined(__SSE2__) || defined(_M_X64)
static NRMI_INLINE __m128i nrmi_row(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}
static NRMI_INLINE void nrmi_row_set(void *p, __m128i v)
{
    _mm_storeu_si128((__m128i *)p, v);
}
static NRMI_INLINE __m128i nrmi_half_row(const void *p)
{
    return _mm_loadl_epi64((const __m128i *)p);
}
static NRMI_INLINE void nrmi_half_row_set(void *p, __m128i v)
{
    _mm_storel_epi64((__m128i *)p, v);
}
static NRMI_INLINE void nrmi_square(unsigned char *to, size_t to_step, const unsigned char *from,
                                    size_t step, size_t size)
{
    __m128i a, b, c, d, e;
    if (size == 8) {
        a = nrmi_row(from);
        b = nrmi_row(from + step);
        nrmi_row_set(to, _mm_unpacklo_epi64(a, b));
        nrmi_row_set(to + to_step, _mm_unpackhi_epi64(a, b));
    } else if (size == 4) {
        a = nrmi_row(from);
        b = nrmi_row(from + step);
        c = nrmi_row(from + 2 * step);
        d = nrmi_row(from + 3 * step);
        e = _mm_unpacklo_epi32(a, b);
        a = _mm_unpackhi_epi32(a, b);
        b = _mm_unpacklo_epi32(c, d);
        c = _mm_unpackhi_epi32(c, d);
        nrmi_row_set(to, _mm_unpacklo_epi64(e, b));
        nrmi_row_set(to + to_step, _mm_unpackhi_epi64(e, b));
        nrmi_row_set(to + 2 * to_step, _mm_unpacklo_epi64(a, c));
        nrmi_row_set(to + 3 * to_step, _mm_unpackhi_epi64(a, c));
    } else {
        a = nrmi_half_row(from);
        b = nrmi_half_row(from + step);
        c = nrmi_half_row(from + 2 * step);
        d = nrmi_half_row(from + 3 * step);
        a = _mm_unpacklo_epi16(a, b);
        c = _mm_unpacklo_epi16(c, d);
        e = _mm_unpacklo_epi32(a, c);
        a = _mm_unpackhi_epi32(a, c);
        nrmi_half_row_set(to, e);
        nrmi_half_row_set(to + to_step, _mm_unpackhi_epi64(e, e));
        nrmi_half_row_set(to + 2 * to_step, a);
        nrmi_half_row_set(to + 3 * to_step, _mm_unpackhi_epi64(a, a));
    }
}
#else
static NRMI_INLINE void nrmi_square(unsigned char *to, size_t to_step, const unsigned char *from,
                                    size_t step, size_t size)
{
    size_t i;
    for (i = 0; i < NRMI_SQUARE(size); i++) {
        memcpy(to + i * size, from + i * step, size);
        memcpy(to + to_step + i * size, from + i * step + size, size);
        if (size == 8)
            continue;
        memcpy(to + 2 * to_step + i * size, from + i * step + 2 * size, size);
        memcpy(to + 3 * to_step + i * size, from + i * step + 3 * size, size);
    }
}
#endif

/* Copies elements from one pair of steps to another: `rows` that are `step` bytes apart, of n
   elements `next` bytes apart. What is transposed goes square by square. */
static NRMI_INLINE void nrmi_turn_of(unsigned char *to, size_t to_step, size_t to_next,
                                     const unsigned char *from, size_t step, size_t next,
                                     size_t rows, size_t n, size_t size)
{
    const size_t square = to_step == size && next == size ? NRMI_SQUARE(size) : 0;
    const size_t whole_n = square ? n - n % square : 0;
    const size_t whole = whole_n ? rows - rows % square : 0;
    size_t r, i;
    for (r = 0; r < whole; r += square)
        for (i = 0; i < whole_n; i += square)
            nrmi_square(to + r * size + i * to_next, to_next, from + r * step + i * size, step,
                        size);
    for (r = 0; r < rows; r++)
        for (i = r < whole ? whole_n : 0; i < n; i++)
            memcpy(to + r * to_step + i * to_next, from + r * step + i * next, size);
}
static NRMI_NOINLINE void nrmi_turn(unsigned char *to, size_t to_step, size_t to_next,
                                    const unsigned char *from, const size_t *steps, size_t rows,
                                    size_t n, size_t size)
{
    const size_t step = steps[0] * size, next = steps[1] * size;
    to_step *= size;
    to_next *= size;
    switch (size) {
    case 1: nrmi_turn_of(to, to_step, to_next, from, step, next, rows, n, 1); break;
    case 2: nrmi_turn_of(to, to_step, to_next, from, step, next, rows, n, 2); break;
    case 4: nrmi_turn_of(to, to_step, to_next, from, step, next, rows, n, 4); break;
    default: nrmi_turn_of(to, to_step, to_next, from, step, next, rows, n, 8);
    }
}

/* Packs a chunk of a tensor that lies as y; or unpacks it. What is transposed passes the end of
   packed, as it is stored: packing and unpacking go up there and never meet what is to be read. */
static void nrmi_pack_like_y(const nrmi_work *w, const nrmi_span *s, unsigned char *packed,
                             const unsigned char *at, int back)
{
    const nrmi_tile *t = w->t;
    const size_t step = nrmi_packed_step(s), line = s->apart * t->y_step;
    const size_t theirs[2] = {t->y_next, line}, ours[2] = {step, 1};
    const size_t rest = (w->k->size - t->size) * s->lines * step;
    nrmi_packing p = nrmi_packing_of(packed, step, at, line, s->lines, s->n, t->dtype);
    if (t->turns) {
        p.x = packed + (back ? 0 : rest);
        p.x_step = step;
    }
    if (t->turns && !back)
        nrmi_turn(p.x, 1, step, at, theirs, s->n, s->lines, t->size);
    if (rest || !t->turns)
        (back ? w->k->unpack : w->k->pack)(&p);
    if (t->turns && back)
        nrmi_turn((unsigned char *)(uintptr_t)at, line, t->y_next, p.x, ours, s->lines, s->n,
                  t->size);
}

/* What acts, of nothing yet. */
static nrmi_acting nrmi_acting_by(const nrmi_tile *t)
{
    const nrm_desc *d = t->call->d;
    const int f64 = t->dtype == NRM_F64;
    nrmi_acting a;
    nrmi_zero(&a, sizeof a);
    a.act = (int)d->act;
    a.slope = f64 ? d->act_slope : nrmi_as_float(d->act_slope);
    a.low = f64 ? d->act_low : nrmi_as_float(d->act_low);
    a.high = f64 ? d->act_high : nrmi_as_float(d->act_high);
    return a;
}

/* What acts on packed u of a chunk whose y begins at y_at; add that has to be packed is in u. */
static nrmi_acting nrmi_acting_of(const nrmi_work *w, const nrmi_span *s, size_t y_at,
                                  unsigned char *u)
{
    const nrmi_tile *t = w->t;
    nrmi_acting a = nrmi_acting_by(t);
    a.u = u;
    a.out = u;
    a.u_step = a.out_step = nrmi_packed_step(s);
    a.add = nrmi_like_y(t, t->call->a->add, y_at);
    a.add_step = a.dy_step = s->apart * t->y_step;
    if (a.add && nrmi_packs_like_y(t, w->k->is_double)) {
        nrmi_pack_like_y(w, s, w->e, a.add, 0);
        w->k->plus(u, w->e, s->lines * a.u_step);
        a.add = NULL;
    }
    a.dy = nrmi_shift(t->dy, t->size * y_at);
    a.lines = s->lines;
    a.n = s->n;
    return a;
}

/* act(v), or w times its slope there, of one value. */
static double nrmi_act_one(const nrmi_kernels *k, const nrmi_acting *by, int act, double v,
                           double w, int slope)
{
    nrmi_acting a = *by;
    double u = 0, dy = 0, out = 0;
    nrmi_put(k, &u, 0, v);
    nrmi_put(k, &dy, 0, w);
    a.act = act;
    a.n = a.lines = 1;
    a.u = (const unsigned char *)&u;
    a.dy = (const unsigned char *)&dy;
    a.out = (unsigned char *)&out;
    (slope ? k->slope : k->act)(&a);
    return k->is_double ? out : (double)nrmi_f32_at(&out, 0);
}

/* dy' and, if it is asked for, dgate of place `at` of y from u, in this arithmetic. Sums and
   products of two floats are in double, rounded, what they are in float. */
static double nrmi_slope_one(const nrmi_kernels *k, const nrmi_tile *t, size_t at, double u,
                             double *dgate)
{
#define NRMI_AS(x) (k->is_double ? (x) : nrmi_as_float(x))
    const nrm_args *more = t->call->a;
    const int act = (int)t->call->d->act;
    const double dy = nrmi_value(t->dtype, nrmi_like_y(t, more->dy, at), 0);
    const nrmi_acting a = nrmi_acting_by(t);
    double gate, y, s;
    if (more->add)
        u = NRMI_AS(u + nrmi_value(t->dtype, nrmi_like_y(t, more->add, at), 0));
    if (!more->gate)
        return nrmi_act_one(k, &a, act, u, dy, 1);
    gate = nrmi_value(t->dtype, nrmi_like_y(t, more->gate, at), 0);
    if (dgate) {
        y = nrmi_act_one(k, &a, act, u, 0, 0);
        y = nrmi_act_one(k, &a, NRM_SILU, gate, y, 1);
        *dgate = NRMI_AS(nrmi_product(dy, y));
    }
    s = nrmi_act_one(k, &a, NRM_SILU, gate, 0, 0);
    s = nrmi_act_one(k, &a, act, u, s, 1);
    return NRMI_AS(nrmi_product(dy, s));
#undef NRMI_AS
}

/* dy' in double arithmetic on other storage: as in float, where that is finite, so that whatever
   adds them up meets the same numbers. */
static NRMI_NOINLINE void nrmi_slopes_one_by_one(const nrmi_work *w, const nrmi_chunk *m,
                                                 size_t y_at)
{
    const nrmi_tile *t = w->t;
    const int channel = w->what == NRMI_CHANNEL, asked = w->gives && t->call->a->dgate;
    const double *mean = (const double *)m->mh, *rstd = (const double *)m->r;
    const double *g = (const double *)(channel ? m->k : m->g), *b = (const double *)m->b;
    size_t l, i;
    for (l = 0; l < m->lines; l++)
        for (i = 0; i < m->n; i++) {
            const size_t s = w->place ? i : l * m->stat_step, o = w->place ? l : i;
            const size_t at = y_at + l * m->dy_step + i * t->y_next, to = l * m->out_step + i;
            const double x = ((const double *)m->x)[l * m->x_step + i];
            const double u = nrmi_point(x, mean[s], rstd[s], channel ? g[s] : g[o * m->g_step],
                                        channel ? b[s] : b[o * m->b_step], !channel, t->forced);
            double narrow = 0, wide = 0;
            double dy =
                nrmi_slope_one(&nrmi_kernels_f32_scalar, t, at, u, asked ? &narrow : NULL);
            if (!nrmi_finite(dy) || !nrmi_finite(narrow)) {
                const double more = nrmi_slope_one(&nrmi_kernels_f64_scalar, t, at, u, &wide);
                dy = nrmi_finite(dy) ? dy : more;
                narrow = nrmi_finite(narrow) ? narrow : wide;
            }
            ((double *)(void *)w->w)[to] = dy;
            if (asked)
                ((double *)(void *)w->e)[to] = narrow;
        }
}

/* `count` packed values: v, dy and gate, in u, w and e, give dy * (silu(gate) * act'(v)) in w and,
   if it is asked for, dgate = dy * (act(v) * silu'(gate)) in e: products that overflow only where
   silu or act does. So many at a time, whose act(v) is kept here. */
static void nrmi_gate_slope(const nrmi_work *w, const nrmi_acting *act, size_t count, int asked)
{
    enum { NRMI_SOME = 64 };
    const nrmi_kernels *k = w->k;
    double space[NRMI_SOME];
    unsigned char *const y = (unsigned char *)space;
    nrmi_acting a = *act;
    size_t from;
    a.lines = 1;
    for (from = 0; from < count; from += NRMI_SOME) {
        unsigned char *const v = w->u + k->size * from, *const gate = w->e + k->size * from;
        unsigned char *const dy = w->w + k->size * from;
        a.n = nrmi_least(count - from, NRMI_SOME);
        if (asked) {
            a.act = act->act;
            a.u = v;
            a.out = y;
            k->act(&a);
            a.act = NRM_SILU;
            a.u = gate;
            a.dy = y;
            k->slope(&a);
            k->times(y, dy, a.n);
        }
        a.act = NRM_SILU;
        a.u = a.out = gate;
        k->act(&a);
        a.act = act->act;
        a.u = a.out = v;
        a.dy = gate;
        k->slope(&a);
        k->times(dy, v, a.n);
        if (asked)
            memcpy(gate, y, k->size * a.n);
    }
}

/* dy' of a chunk, packed: y before it acts once more, and the slope there. */
static void nrmi_front_slope(nrmi_work *w, const nrmi_span *s, size_t y_at)
{
    const nrmi_tile *t = w->t;
    const nrmi_kernels *k = w->k;
    nrmi_chunk c;
    nrmi_acting a;
    nrmi_copy(&c, &w->again, sizeof c);
    c.lines = s->lines;
    c.n = s->n;
    c.x = w->c.x;
    c.x_step = w->c.x_step;
    c.out = w->u;
    c.out_step = nrmi_packed_step(s);
    if (t->column)
        nrmi_shift_along(w, &c, 0, s->apart);
    if (k->is_double && t->dtype != NRM_F64) {
        c.dy_step = s->apart * t->y_step;
        nrmi_slopes_one_by_one(w, &c, y_at);
        return;
    }
    k->map[NRMI_Y][w->place][w->what != NRMI_CHANNEL](&c);
    a = nrmi_acting_of(w, s, y_at, w->u);
    if (w->u != w->w) {
        nrmi_pack_like_y(w, s, w->w, a.dy, 0);
        a.dy = w->w;
        a.dy_step = c.out_step;
    }
    a.out = w->w;
    if (!t->call->a->gate) {
        k->slope(&a);
        return;
    }
    if (a.add) {
        nrmi_acting more = a;
        more.act = NRM_IDENTITY;
        more.out = w->u;
        k->act(&more);
        a.add = NULL;
    }
    nrmi_pack_like_y(w, s, w->e, nrmi_like_y(t, t->call->a->gate, y_at), 0);
    nrmi_gate_slope(w, &a, s->lines * c.out_step, w->gives && t->call->a->dgate);
}

/* Bytes from one tensor to the other. */
static uintptr_t nrmi_way(const void *from, const void *to)
{
    return (uintptr_t)to - (uintptr_t)from;
}

static void nrmi_front(nrmi_work *w, const nrmi_span *s)
{
    const nrmi_tile *t = w->t;
    const nrmi_kernels *k = w->k;
    const size_t step = nrmi_packed_step(s), x_at = nrmi_span_x(w, s), y_at = nrmi_span_y(w, s);
    const unsigned char *x = t->x + t->x_size * x_at, *dy = nrmi_shift(t->dy, t->size * y_at);
    nrmi_packing p;
    NRM_ASSERT(!(w->packs_x || w->packs_dy) || s->lines * step <= w->most);
    w->c.lines = s->lines;
    w->c.n = s->n;
    w->c.x = x;
    w->c.x_step = s->apart * t->x_step;
    w->c.dy = dy;
    w->c.dy_step = s->apart * t->y_step;
    if (w->c.more && !w->gradient) {
        w->c.to_added = nrmi_way(x, nrmi_shift(t->res, 4 * x_at));
        w->c.to_kept = nrmi_way(x, nrmi_shift(t->sum, 4 * x_at));
    } else if (w->c.more) {
        w->c.to_late = nrmi_way(dy, nrmi_like_y(t, t->call->a->add, y_at));
        w->c.to_kept = nrmi_way(dy, nrmi_like_y(t, t->call->a->dadd, y_at));
    }
    if (w->packs_x && !w->ignores_x) {
        p = nrmi_packing_of(w->z, step, x, w->c.x_step, s->lines, s->n, t->x_dtype);
        p.res = nrmi_shift(t->res, t->z_size * x_at);
        p.res_dtype = t->z_dtype;
        k->pack(&p);
        if (t->sum && w->round != 1) { /* sum may be x, which is read again in round 2 */
            p.x = t->sum + t->z_size * x_at;
            p.dtype = t->z_dtype;
            k->unpack(&p);
        }
        if (k->is_double && t->scale > 0)
            nrmi_rescale(w, s->plane, s->from, s->lines, s->apart, s->n, step);
        w->c.x = w->z;
        w->c.x_step = step;
    }
    if (!w->packs_dy)
        return;
    if (w->acts)
        nrmi_front_slope(w, s, y_at);
    else
        nrmi_pack_like_y(w, s, w->w, dy, 0);
    w->c.dy = w->w;
    w->c.dy_step = step;
}

/* ---- C12 Sums ------------------------------------------------------------------------- */

/* The sums of a list as far as its cells are added (NUMERICS, "Order"): runs to planes, planes to
   the list. F64's are compensated: what is lost is kept beside. */
typedef struct nrmi_list {
    size_t lanes, across, cell; /* cells to a plane; the next one                              */
    int f64;
    double *sum[2], *plane[2], *lost_plane[2], *lost_sum[2];
} nrmi_list;

static void nrmi_add_cell(nrmi_list *l, const double *a, const double *b)
{
    const double *from[2];
    const int ends = l->cell % l->across == l->across - 1;
    size_t i;
    int k;
    from[0] = a;
    from[1] = b;
    l->cell++;
    for (k = 0; k < 2; k++) {
        double *const sum = l->sum[k], *const plane = l->plane[k];
        if (l->f64) {
            double *const lost = l->lost_plane[k];
            for (i = 0; i < l->lanes; i++)
                nrmi_add_two(&plane[i], &lost[i], from[k][i]);
            for (i = 0; ends && i < l->lanes; i++) {
                nrmi_make_up(&plane[i], &lost[i], 1);
                nrmi_add_two(&sum[i], &l->lost_sum[k][i], plane[i]);
                plane[i] = 0;
            }
        } else if (l->across == 1) {
            for (i = 0; i < l->lanes; i++)
                sum[i] += from[k][i];
        } else {
            for (i = 0; i < l->lanes; i++)
                plane[i] += from[k][i];
            for (i = 0; ends && i < l->lanes; i++) {
                sum[i] += plane[i];
                plane[i] = 0;
            }
        }
    }
}

static void nrmi_open_list(nrmi_list *l, const nrmi_tile *t, size_t across, double *first,
                           double *second, nrmi_room *room)
{
    const size_t bytes = 8 * t->lanes;
    int k;
    l->lanes = t->lanes;
    l->across = across;
    l->cell = 0;
    l->f64 = t->dtype == NRM_F64;
    l->sum[0] = first;
    l->sum[1] = second;
    memset(first, 0, bytes);
    memset(second, 0, bytes);
    for (k = 0; k < 2; k++) {
        l->plane[k] = (double *)(void *)nrmi_take(room, bytes);
        memset(l->plane[k], 0, bytes);
        l->lost_plane[k] = l->f64 ? (double *)(void *)nrmi_take(room, bytes) : NULL;
        l->lost_sum[k] = l->f64 ? (double *)(void *)nrmi_take(room, bytes) : NULL;
        if (l->f64) {
            memset(l->lost_plane[k], 0, bytes);
            memset(l->lost_sum[k], 0, bytes);
        }
    }
}

static void nrmi_close_list(nrmi_list *l)
{
    if (!l->f64)
        return;
    nrmi_make_up(l->sum[0], l->lost_sum[0], l->lanes);
    nrmi_make_up(l->sum[1], l->lost_sum[1], l->lanes);
}

static int nrmi_summed(const nrmi_work *w)
{
    return w->c.more & NRMI_RECTIFIED ? NRMI_MASKED : w->what;
}

/* One block of at most 128 lines of plane p, lanes side by side, or, where lists run down rows of
   memory in both layouts, 16 blocks of 8. Up to 8 lines are phases of one step each, whose tree is
   that of 8 steps. */
static void nrmi_column_block(nrmi_work *w, size_t p, size_t from, size_t lines)
{
    nrmi_kernel *const sums = w->k->sums[1][nrmi_summed(w)];
    const int few = w->t->few || lines <= 8, packs = w->packs_x || w->packs_dy;
    nrmi_chunk *c = &w->c;
    nrmi_span s;
    nrmi_find_along(w, p, from, lines);
    s.plane = p;
    s.from = from;
    s.lane = 0;
    s.lines = few ? lines : (lines + 15) / 16;
    s.apart = few ? 1 : 16;
    s.n = w->t->lanes;
    c->block = lines;
    c->apart = s.apart;
    c->stride = few ? 8 : 1;
    c->phase = 0;
    c->phases = few ? (lines + 7) / 8 : nrmi_least(lines, 16);
    c->top = few ? 0 : 4;
    if (!packs) {
        nrmi_front(w, &s);
        c->x_leap = c->x_step;
        c->dy_leap = c->dy_step;
        c->x_step = w->t->x_step;
        c->dy_step = w->t->y_step;
        sums(c);
    } else {
        const size_t phases = c->phases;
        nrmi_chunk all;
        nrmi_copy(&all, &w->again, sizeof all);
        for (c->phases = 1; c->phase < phases; c->phase++, s.from += c->stride) {
            s.lines = few ? nrmi_least(lines - 8 * c->phase, 8) : (lines - c->phase + 15) / 16;
            nrmi_copy(&w->again, &all, sizeof all);
            if (w->t->acts)
                nrmi_shift_along(w, &w->again, c->phase * c->stride, 1);
            nrmi_front(w, &s);
            c->x_leap = c->x_step;
            c->dy_leap = c->dy_step;
            sums(c);
        }
        c->phases = phases;
        nrmi_copy(&w->again, &all, sizeof all);
    }
    if (!few && c->phases < 16)
        w->k->rest(c);
}

/* PARAM of rows: makes packed x xhat, so that CHANNEL of a mean of 0 and an rstd of 1 is left. */
static void nrmi_make_xhat(nrmi_work *w)
{
    const void *const ones = w->units + w->k->size * NRMI_PIECE;
    nrmi_chunk m, *c = &w->c;
    nrmi_copy(&m, &w->again, sizeof m);
    m.lines = c->lines;
    m.n = c->n;
    m.x = m.out = w->z;
    m.x_step = m.out_step = c->x_step;
    m.b = w->units;
    m.k = ones;
    w->k->map[NRMI_Y][1][0](&m);
    c->mh = c->ml = w->units;
    c->r = ones;
}

/* The same for a run that has to be packed, or whose coefficients along the lane are copied. */
static NRMI_NOINLINE void nrmi_row_pieces(nrmi_work *w, nrmi_span *s, size_t from, size_t count,
                                          int copies, double *a, double *b)
{
    const int param = w->what == NRMI_PARAM;
    nrmi_kernel *const sums = w->k->sums[0][param ? NRMI_CHANNEL : nrmi_summed(w)];
    const size_t most = w->most, lanes = w->t->lanes;
    const size_t piece = copies || w->t->turns ? (size_t)NRMI_PIECE : most;
    double *const run = w->run;
    nrmi_chunk mine, agains;
    size_t at, end, i;
    nrmi_copy(&mine, &w->c, sizeof mine);
    nrmi_copy(&agains, &w->again, sizeof agains);
    for (; count > 0; from += end, count -= end) {
        end = nrmi_least(count, NRMI_RUN);
        memset(run, 0, 16 * lanes);
        for (at = 0; at < end; at += piece) {
            const size_t n = nrmi_least(end - at, piece);
            const size_t blocks = (n + NRMI_BLOCK - 1) / NRMI_BLOCK;
            nrmi_find_along(w, s->plane, from + at, n);
            s->from = from + at;
            s->n = n;
            for (s->lane = 0; s->lane < lanes; s->lane += s->lines) {
                nrmi_chunk *c = &w->c;
                s->lines = nrmi_least(8 / blocks, most / ((n + 15) & ~(size_t)15));
                s->lines = nrmi_least(lanes - s->lane, s->lines);
                nrmi_lanes_from(w, &mine, c, s->lane);
                nrmi_lanes_from(w, &agains, &w->again, s->lane);
                nrmi_front(w, s);
                if (param)
                    nrmi_make_xhat(w);
                c->first = run + s->lane;
                c->second = run + lanes + s->lane;
                c->goes_on = 1;
                sums(c);
            }
        }
        for (i = 0; i < lanes; i++) {
            a[i] += run[i];
            b[i] += run[lanes + i];
        }
    }
    nrmi_copy(&w->c, &mine, sizeof mine);
    nrmi_copy(&w->again, &agains, sizeof agains);
}

/* Values from..from+count of plane p, added to the sums of the lanes of a row tile. What has to be
   packed comes in pieces of as many lines at once as have eight blocks. */
static void nrmi_row_plane(nrmi_work *w, size_t p, size_t from, size_t count, double *a, double *b)
{
    nrmi_kernel *const sums = w->k->sums[0][nrmi_summed(w)];
    const int packs = w->packs_x || w->packs_dy;
    const int copies = w->what == NRMI_PARAM || w->copies_g || w->copies_b;
    nrmi_span s;
    s.plane = p;
    s.apart = 1;
    if (!packs && !copies) {
        s.from = from;
        s.n = count;
        s.lane = 0;
        s.lines = w->t->lanes;
        nrmi_find_along(w, p, from, count);
        nrmi_front(w, &s);
        w->c.first = a;
        w->c.second = b;
        sums(&w->c);
        return;
    }
    nrmi_row_pieces(w, &s, from, count, copies, a, b);
}

static void nrmi_open_room(nrmi_room *room, unsigned char *at, size_t bytes)
{
    room->at = at;
    room->end = at + bytes;
}

/* The list of a row tile, plane by plane. */
static void nrmi_row_list(nrmi_work *w, nrmi_list *l)
{
    const nrmi_tile *t = w->t;
    size_t p, i;
    for (p = 0; p < t->planes; p++) {
        const size_t len = nrmi_plane_len(t, p);
        if (!len)
            continue;
        if (l->across == 1) {
            nrmi_row_plane(w, p, 0, len, l->sum[0], l->sum[1]);
            continue;
        }
        memset(l->plane[0], 0, 8 * t->lanes);
        memset(l->plane[1], 0, 8 * t->lanes);
        nrmi_row_plane(w, p, 0, len, l->plane[0], l->plane[1]);
        for (i = 0; i < t->lanes; i++) {
            l->sum[0][i] += l->plane[0][i];
            l->sum[1][i] += l->plane[1][i];
        }
    }
}

/* From here on dy is where the sums left it, and where dx goes. */
static void nrmi_take_kept(nrmi_tile *t)
{
    if (!t->keeps)
        return;
    t->keeps = t->turns = t->apart = 0;
    t->dy = t->out;
    t->y_step = t->x_step;
    t->y_plane = t->x_plane;
    t->y_next = 1;
}

/* Transposes the dy of a cell to where it is kept, for the kernels to read it as it lies there. */
static void nrmi_keep_cell(const nrmi_tile *t, size_t p, size_t from, size_t n)
{
    const size_t lines = t->column ? (size_t)NRMI_ACROSS : n;
    size_t at, end;
    for (at = from; at < from + n; at += end) {
        const size_t x = p * t->x_plane + at * (t->column ? t->x_step : 1);
        const size_t y = p * t->y_plane + at * (t->column ? t->y_step : t->y_next);
        const size_t steps[2] = {t->y_next, t->y_step};
        end = nrmi_least(from + n - at, lines);
        nrmi_turn(t->out + t->size * x, 1, t->x_step, t->dy + t->size * y, steps,
                  t->column ? t->lanes : end, t->column ? end : t->lanes, t->size);
    }
}

/* Cells first..first+count of a tile, a run of a plane each: to the list, or, where `park` is
   given, each to its place there: both sums of a cell, one after the other. */
static NRMI_NOINLINE void nrmi_sum_cells(const nrmi_tile *given, const nrmi_kernels *k, int what,
                                         size_t first, size_t count, double *park,
                                         nrmi_list *list, nrmi_room *room)
{
    nrmi_tile kept;
    const nrmi_tile *t = given;
    const size_t lanes = (given->lanes + 15) & ~(size_t)15, run = NRMI_RUN;
    const size_t across = (given->len + run - 1) / run;
    const int keeps = given->keeps;
    nrmi_work w;
    double *a, *b;
    size_t cell, i;
    if (keeps) {
        nrmi_copy(&kept, given, sizeof kept);
        nrmi_take_kept(&kept);
        t = &kept;
    }
    nrmi_open_work(&w, t, k, what, what != NRMI_MOMENTS, 1, room);
    if (!t->column)
        w.run = (double *)(void *)nrmi_take(room, 16 * lanes);
    if (!t->column && list && !list->f64 && !keeps) {
        nrmi_row_list(&w, list);
        return;
    }
    a = park ? park : (double *)(void *)nrmi_take(room, 8 * lanes);
    b = park ? park + lanes : (double *)(void *)nrmi_take(room, 8 * lanes);
    if (t->column) {
        w.c.level_step = lanes;
        w.c.level = nrmi_take(room, 8 * lanes * k->size);
    }
    for (cell = first; cell < first + count; cell++) {
        const size_t p = cell / across, from = cell % across * run;
        const size_t plane = nrmi_plane_len(t, p);
        const size_t n = plane > from ? nrmi_least(plane - from, run) : 0;
        if (keeps && n)
            nrmi_keep_cell(given, p, from, n);
        memset(a, 0, 8 * lanes);
        memset(b, 0, 8 * lanes);
        w.c.first = a;
        w.c.second = b;
        if (t->column)
            for (i = 0; i < n; i += NRMI_BLOCK)
                nrmi_column_block(&w, p, from + i, nrmi_least(n - i, NRMI_BLOCK));
        else if (n)
            nrmi_row_plane(&w, p, from, n, a, b);
        if (list)
            nrmi_add_cell(list, a, b);
        else {
            a += 2 * lanes;
            b += 2 * lanes;
        }
    }
}

static NRMI_NOINLINE void nrmi_sums(const nrmi_tile *t, const nrmi_kernels *k, int what,
                                    double *first, double *second)
{
    const size_t across = (t->len + NRMI_RUN - 1) / NRMI_RUN;
    unsigned char space[NRMI_SUMS_ROOM];
    nrmi_room room;
    nrmi_list l;
    nrmi_open_room(&room, space, sizeof space);
    nrmi_open_list(&l, t, across, first, second, &room);
    nrmi_sum_cells(t, k, what, 0, across * t->planes, NULL, &l, &room);
    nrmi_close_list(&l);
}

/* ---- C13 Maps, and the back ----------------------------------------------------------- */

static float nrmi_chunk_at(const nrmi_chunk *c, const void *p, size_t i)
{
    return c->half ? (float)nrmi_value(c->half, (const unsigned char *)p, i) : nrmi_f32_at(p, i);
}

/* dy' of value i of line l in double, where it overflows in float. */
static NRMI_NOINLINE double nrmi_dy_wide(const nrmi_work *w, const nrmi_span *s, size_t l, size_t i)
{
    const nrmi_tile *t = w->t;
    const nrmi_chunk *c = &w->again;
    const int inner = w->what == NRMI_INNER;
    const size_t on = w->place ? i : l, off = w->place ? l : i;
    const size_t at = nrmi_span_y(w, s) + l * t->y_step + i * t->y_next;
    float u = nrmi_f32_at(w->c.x, l * w->c.x_step + i) - ((const float *)c->mh)[on];
    u = nrmi_product_f32(u - ((const float *)c->ml)[on], ((const float *)c->r)[on]);
    if (inner || c->k)
        u = nrmi_product_f32(u, inner ? nrmi_f32_at(c->g, off * c->g_step)
                                      : ((const float *)c->k)[on]);
    u += inner ? nrmi_f32_at(c->b, off * c->b_step) : ((const float *)c->b)[on];
    return nrmi_slope_one(&nrmi_kernels_f64_scalar, t, at, (double)u, NULL);
}

/* A chunk of dx that is not all finite in float, again: what is not is computed in double from the
   same coefficients, dsum included: dy * gamma can overflow where dx does not. */
static NRMI_NOINLINE void nrmi_again(nrmi_work *w, const nrmi_span *s, size_t out_at)
{
    const nrmi_tile *t = w->t;
    const nrmi_chunk *c = &w->c;
    const int inner = w->what == NRMI_INNER;
    size_t l, i;
    NRMI_TRACE(NRMI_TRACE_AGAIN);
    nrmi_front(w, s); /* the kernel may have written over it */
    for (l = 0; l < s->lines; l++)
        for (i = 0; i < s->n; i++) {
            const size_t on = w->place ? i : l, off = w->place ? l : i;
            const size_t at = out_at + l * t->x_step + i;
            const float x = t->frozen ? 0 : nrmi_chunk_at(c, c->x, l * c->x_step + i);
            float dy = nrmi_chunk_at(c, c->dy, l * c->dy_step + i);
#define NRMI_OF(name) (((const float *)c->name)[on])
            const double more = t->dsum ? nrmi_value(t->z_dtype, t->dsum, at) : -0.0;
            float dx, k, h;
            double wide, dy_wide;
            if (c->more & NRMI_RECTIFIED) {
                h = nrmi_product_f32((x - NRMI_OF(mh)) - NRMI_OF(ml), NRMI_OF(s)) + NRMI_OF(b);
                if (c->more & NRMI_LATE)
                    h += nrmi_f32_at(nrmi_like_y(t, t->call->a->add, nrmi_span_y(w, s)),
                                     l * t->y_step + i);
                dy = nrmi_positive_f32(h) ? dy : 0;
            }
            dy_wide = w->acts && !nrmi_finite((double)dy) ? nrmi_dy_wide(w, s, l, i)
                                                          : nrmi_widened(dy);
            if (t->frozen) {
                k = NRMI_OF(r);
                dx = c->k ? nrmi_product_f32(dy * k, NRMI_OF(k)) : dy * k;
                wide = nrmi_product(dy_wide, (double)k);
                wide = nrmi_product(wide, c->k ? (double)NRMI_OF(k) : 1);
            } else {
                const float d = (x - NRMI_OF(mh)) - NRMI_OF(ml);
                k = inner ? nrmi_f32_at(c->g, off * c->g_step) * NRMI_OF(k) : NRMI_OF(k);
                h = nrmi_product_f32(nrmi_product_f32(d, NRMI_OF(r)), NRMI_OF(q));
                dx = ((nrmi_product_f32(dy, k) - NRMI_OF(p)) - h) * NRMI_OF(o);
                wide = nrmi_product(dy_wide, (double)k) - (double)NRMI_OF(p);
                wide -= nrmi_product(nrmi_widened(d) * (double)NRMI_OF(r), (double)NRMI_OF(q));
                wide = nrmi_product(wide, (double)NRMI_OF(o));
            }
#undef NRMI_OF
            if (nrmi_finite((double)dx))
                dx = t->dsum ? (float)((double)dx + more) : dx;
            else
                dx = (float)(wide + more);
            if (t->dres)
                nrmi_f32_set(t->dres, at, dx);
            if (t->out)
                nrmi_value_set(t->dtype, t->out, at, (double)dx);
        }
}

static int nrmi_all_finite(const nrmi_work *w)
{
    const nrmi_chunk *c = &w->c;
    size_t l;
    for (l = 0; l < c->lines; l++)
        if (!w->k->within((const unsigned char *)c->out + 4 * l * c->out_step, c->n,
                          3.402823466e38))
            return 0;
    return 1;
}

/* NUMERICS, "Steps", of packed y, an array of floats. Round 1 finds the largest |y| of each lane,
   round 2 has scales instead, of which the sign bit says that all steps are 0. */
static NRMI_NOINLINE void nrmi_give_steps(nrmi_work *w, const nrmi_span *s, size_t y_at)
{
    const nrmi_tile *t = w->t;
    const size_t step = nrmi_packed_step(s), ours[2] = {step, 1}, all = s->lines * step;
    unsigned char *const to = (unsigned char *)t->call->q8 + t->y_moved + y_at;
    unsigned char *const bytes = w->e; /* steps go over the floats they are of */
    nrmi_steps q;
    size_t l, i;
    q.y = (float *)(void *)w->e;
    q.scale = w->scale + s->lane;
    q.step = step;
    q.lines = s->lines;
    q.n = s->n;
    q.place = t->column;
    for (i = 0; w->k->is_double && i < all; i++)
        q.y[i] = (float)((const double *)(void *)w->z)[i];
    if (!w->k->is_double && w->round == 1)
        q.y = (float *)(void *)w->z;
    else if (!w->k->is_double)
        memcpy(q.y, w->z, 4 * all);
    if (w->round == 1) {
        t->call->set->f32->largest(&q);
        return;
    }
    t->call->set->f32->steps(&q);
    for (l = 0; l < s->lines; l++) {
        unsigned char *const line = q.place || t->turns ? bytes + l * step : to + l * t->y_step;
        const float *const v = q.y + l * step;
        for (i = 0; i < s->n; i++)
            line[i] = (unsigned char)nrmi_word_at(v, i);
        for (i = 0; q.place && i < s->n; i++)
            line[i] &= (unsigned char)((nrmi_word_at(q.scale, i) >> 31) - 1u);
        if (!q.place && nrmi_word_at(q.scale, l) >> 31)
            memset(line, 0, s->n);
    }
    if (q.place || t->turns)
        nrmi_turn(to, t->y_step, t->y_next, bytes, ours, s->lines, s->n, 1);
}

/* Between the rounds: the largest |y| of each lane makes its scale, which the caller gets. -1: all
   steps are 0. */
static NRMI_NOINLINE void nrmi_find_scales(const nrmi_work *w)
{
    const nrmi_tile *t = w->t;
    size_t i;
    for (i = 0; i < t->lanes; i++) {
        const float most = w->scale[i];
        const int finite = nrmi_finite((double)most);
        const float scale = finite ? most / 127 : nrmi_from_bits32(0x7fc00000u);
        nrmi_f32_set(t->scales, i, scale);
        w->scale[i] = finite && nrmi_bits32(scale) ? scale : -1;
    }
}

/* Packed y, done: in steps, and to where it lies, which may pack it elsewhere. */
static void nrmi_give_y(nrmi_work *w, const nrmi_span *s, size_t y_at)
{
    const nrmi_tile *t = w->t;
    if (w->round)
        nrmi_give_steps(w, s, y_at);
    if (t->out && w->round != 1)
        nrmi_pack_like_y(w, s, w->z, t->out + t->size * y_at, 1);
}

/* y from u, which lies packed, or where y does. */
static void nrmi_back_act(nrmi_work *w, const nrmi_span *s, size_t y_at)
{
    const nrmi_tile *t = w->t;
    unsigned char *const out = nrmi_shift(t->out, t->size * y_at);
    const void *const gate = t->call->a->gate;
    const int last = !gate && !w->round && !nrmi_packs_like_y(t, w->k->is_double);
    nrmi_acting a = nrmi_acting_of(w, s, y_at, w->packs_out ? w->z : out);
    if (!w->packs_out)
        a.u_step = t->y_step;
    if (last) {
        a.out = out;
        a.out_step = t->y_step;
        a.stream = t->stream && s->n > 32;
    }
    w->k->act(&a);
    if (last)
        return;
    if (gate) {
        nrmi_pack_like_y(w, s, w->e, nrmi_like_y(t, gate, y_at), 0);
        a.u = a.out = w->e;
        a.add = NULL;
        a.act = NRM_SILU;
        w->k->act(&a);
        w->k->times(w->z, w->e, s->lines * a.u_step);
    }
    nrmi_give_y(w, s, y_at);
}

/* dadd and dgate, which lie packed. */
static void nrmi_give_acts(nrmi_work *w, const nrmi_span *s, size_t y_at)
{
    const nrm_args *a = w->t->call->a;
    if (w->gives && a->dadd)
        nrmi_pack_like_y(w, s, w->w, nrmi_like_y(w->t, a->dadd, y_at), 1);
    if (w->gives && a->dgate)
        nrmi_pack_like_y(w, s, w->e, nrmi_like_y(w->t, a->dgate, y_at), 1);
}

/* Packed dx, done: with dsum, to dresidual as a float, which dx rounds, and to where dx lies. */
static void nrmi_back(nrmi_work *w, const nrmi_span *s, size_t out_at)
{
    const nrmi_tile *t = w->t;
    const nrmi_kernels *k = w->k;
    const size_t step = w->c.out_step;
    unsigned char *const out = (unsigned char *)w->c.out;
    nrmi_packing p;
    size_t l, i;
    if (t->dsum) {
        p = nrmi_packing_of(w->w, step, t->dsum + t->z_size * out_at, t->x_step, s->lines, s->n,
                            t->z_dtype);
        k->pack(&p);
    }
    for (l = 0; t->dsum && l < s->lines; l++)
        k->plus(out + k->size * l * step, w->w + k->size * l * step, s->n);
    if (!w->packs_out)
        return;
    for (l = 0; t->call->d->wide_residual && k->is_double && l < s->lines; l++)
        for (i = 0; i < s->n; i++)
            nrmi_put(k, out, l * step + i, nrmi_as_float(((double *)(void *)out)[l * step + i]));
    p = nrmi_packing_of(out, step, t->dres, t->x_step, s->lines, s->n, t->z_dtype);
    if (t->dres) {
        p.x = t->dres + t->z_size * out_at;
        k->unpack(&p);
    }
    if (t->out) {
        p.x = t->out + t->size * out_at;
        p.dtype = t->dtype;
        k->unpack(&p);
    }
}

static void nrmi_map_chunk(nrmi_work *w, const nrmi_span *s)
{
    const nrmi_tile *t = w->t;
    const nrmi_kernels *k = w->k;
    const int dx = w->gradient && !t->frozen;
    const size_t y_at = nrmi_span_y(w, s), out_at = w->gradient ? nrmi_span_x(w, s) : y_at;
    nrmi_chunk *c = &w->c;
    nrmi_find_along(w, s->plane, s->from, t->column ? s->lines : s->n);
    nrmi_front(w, s);
    if (!nrmi_makes_out(t)) {
        nrmi_give_acts(w, s, y_at);
        return;
    }
    c->out = w->packs_out ? w->z : t->out + t->size * out_at;
    c->out_step = w->packs_out ? nrmi_packed_step(s) : w->gradient ? t->x_step : t->y_step;
    c->stream = t->stream && !w->packs_out && s->n > 32;
    c->in_order = t->column && (t->x_step == s->n || s->n >= NRMI_LONG);
    if (w->gradient)
        c->to_added = nrmi_way(c->out, nrmi_shift(t->dsum, 4 * out_at));
    else
        c->to_late = nrmi_way(c->out, nrmi_like_y(t, t->call->a->add, y_at));
    if (w->gradient && t->frozen) {
        c->x = c->dy;
        c->x_step = c->dy_step;
        k->map[NRMI_Y][w->place][0](c);
        c->finite = k->is_double || nrmi_all_finite(w);
    } else {
        nrmi_run_map(k, dx ? NRMI_DX : NRMI_Y, w->place, w->what == NRMI_INNER, c);
    }
    if (w->gradient && !k->is_double && !c->finite) {
        nrmi_again(w, s, out_at);
        nrmi_give_acts(w, s, y_at);
    } else if (w->gradient) {
        nrmi_give_acts(w, s, y_at);
        if (!(c->more & NRMI_ADDED))
            nrmi_back(w, s, out_at);
    } else if (w->acts) {
        nrmi_back_act(w, s, y_at);
    } else if (w->packs_out) {
        nrmi_give_y(w, s, y_at);
    }
}

/* Lines of a column in chunks; from the end where the sums have just been there. */
static void nrmi_map_column(nrmi_work *w)
{
    const nrmi_tile *t = w->t;
    const size_t most = w->most;
    const size_t piece = w->packs_x || w->packs_dy || w->packs_out
                             ? most / ((t->lanes + 15) & ~(size_t)15)
                         : w->copies_g | w->copies_b ? (size_t)NRMI_PIECE
                         : t->back                   ? NRMI_BACK * NRMI_LANES / t->lanes
                                                      : t->len;
    nrmi_span s;
    size_t p, end;
    s.apart = 1;
    s.lane = 0;
    s.n = t->lanes;
    for (p = 0; p < t->planes; p++) {
        size_t len;
        s.plane = t->back ? t->planes - 1 - p : p;
        len = nrmi_plane_len(t, s.plane);
        for (s.from = 0; !t->back && s.from < len; s.from += piece) {
            s.lines = nrmi_least(len - s.from, piece);
            nrmi_map_chunk(w, &s);
        }
        for (end = len; t->back && end > 0; end = s.from) {
            s.lines = end % piece ? end % piece : piece;
            s.from = end - s.lines;
            nrmi_map_chunk(w, &s);
        }
    }
}

/* A column tile of CHANNEL as it lies in memory: lines that follow one another are one plane. */
static void nrmi_in_order(nrmi_tile *t)
{
    const size_t len = t->len, x_step = t->x_step, y_step = t->y_step;
    if (t->lens)
        return;
    if (t->planes > 1 && t->x_plane < t->x_step) {
        t->len = t->planes;
        t->planes = len;
        t->x_step = t->x_plane;
        t->y_step = t->y_plane;
        t->x_plane = x_step;
        t->y_plane = y_step;
    }
    if (t->planes > 1 && t->x_plane == t->len * t->x_step && t->y_plane == t->len * t->y_step) {
        t->len *= t->planes;
        t->planes = 1;
    }
}

/* Makes coefficients of a line those of `times` lines, which are then one, and begins once more. */
static void nrmi_repeat(const nrmi_work *w, const void *array, size_t times, size_t ahead)
{
    const size_t bytes = w->k->size * w->t->lanes;
    unsigned char *const to = (unsigned char *)(uintptr_t)array;
    size_t i;
    for (i = 1; array && i < times; i++)
        memcpy(to + i * bytes, to, bytes);
    if (array && ahead)
        memcpy(to + times * bytes, to, w->k->size * ahead);
}

/* Lines that follow one another: `times` of them are one. It begins on a line of the cache, so the
   first `ahead` values come by themselves, as does what is left: with both ends of each line stored
   in part, inference as malloc aligns took 6 times as long for 32x64x56x56, past the caches, and
   1.7 times for 1x64x112x112, in them (Zen 3). */
static void nrmi_map_joined(nrmi_work *w, size_t times, size_t ahead)
{
    const nrmi_tile *const t = w->t;
    nrmi_chunk mine, agains;
    const nrmi_chunk *const chunks[2] = {&mine, &agains};
    const size_t line = times * t->lanes, all = t->len * t->lanes, lines = (all - ahead) / line;
    const size_t from[4] = {0, ahead, ahead + lines * line, all};
    int i, k;
    nrmi_copy(&mine, &w->c, sizeof mine);
    nrmi_copy(&agains, &w->again, sizeof agains);
    for (i = 0; !t->coefs && i < 2; i++) {
        const nrmi_chunk *c = chunks[i];
        const void *const arrays[8] = {c->mh, c->r, c->k, c->p, c->q, c->o, c->b, c->ml};
        for (k = 0; k < (c->ml == c->mh ? 7 : 8); k++)
            nrmi_repeat(w, arrays[k], times, ahead);
    }
    for (i = 0; i < 3; i++) {
        const int part = t->back ? 2 - i : i;
        const size_t count = from[part + 1] - from[part];
        nrmi_tile some;
        if (!count)
            continue;
        nrmi_copy(&some, t, sizeof some);
        nrmi_shift_tile(t->call, &some, from[part], from[part]);
        some.lanes = part == 1 ? line : count;
        some.x_step = some.y_step = some.lanes;
        some.len = part == 1 ? lines : 1;
        nrmi_lanes_from(w, &mine, &w->c, part ? ahead : 0);
        if (t->acts)
            nrmi_lanes_from(w, &agains, &w->again, part ? ahead : 0);
        w->t = &some;
        nrmi_map_column(w);
    }
    w->t = t;
}

/* Rows, as many at a time as have room where they are packed. Of rows that are transposed, all at
   the same places come one after the other: they share lines of cache. */
static void nrmi_map_rows(nrmi_work *w)
{
    const nrmi_tile *t = w->t;
    size_t piece = t->len, lines = t->lanes, len, band, end;
    nrmi_chunk mine, agains;
    nrmi_span s;
    nrmi_copy(&mine, &w->c, sizeof mine);
    nrmi_copy(&agains, &w->again, sizeof agains);
    s.apart = 1;
    if (w->packs_x || w->packs_dy || w->packs_out) {
        piece = t->turns ? nrmi_least(w->most, NRMI_ACROSS) : w->most;
        lines = w->most / ((nrmi_least(t->len, piece) + 15) & ~(size_t)15);
    }
    if (w->copies_g || w->copies_b)
        piece = nrmi_least(piece, NRMI_PIECE);
    for (s.plane = 0; s.plane < t->planes; s.plane++)
        for (len = nrmi_plane_len(t, s.plane), band = 0; band < len; band = end) {
            end = t->turns ? nrmi_least(len, band + piece) : len;
            for (s.lane = 0; s.lane < t->lanes; s.lane += s.lines) {
                s.lines = nrmi_least(t->lanes - s.lane, lines);
                nrmi_lanes_from(w, &mine, &w->c, s.lane);
                nrmi_lanes_from(w, &agains, &w->again, s.lane);
                for (s.from = band; s.from < end; s.from += piece) {
                    s.n = nrmi_least(end - s.from, piece);
                    nrmi_map_chunk(w, &s);
                }
            }
        }
    nrmi_copy(&w->c, &mine, sizeof mine);
    nrmi_copy(&w->again, &agains, sizeof agains);
}

/* y or dx of a tile; with q8 in two rounds. */
static NRMI_NOINLINE void nrmi_map_in(nrmi_room *room, const nrmi_tile *given,
                                      const nrmi_kernels *k, int what, int gradient)
{
    const int columns = given->column && what == NRMI_CHANNEL;
    size_t ahead = 0;
    nrmi_tile t;
    nrmi_work w;
    int joins;
    nrmi_copy(&t, given, sizeof t);
    if (columns)
        nrmi_in_order(&t);
    joins = columns && t.planes == 1 && t.x_step == t.lanes && t.y_step == t.lanes;
    t.times = 1;
    if (joins && !t.coefs) /* of few lines few, for coefficients have to be repeated as often */
        t.times = nrmi_least(nrmi_most_lanes(&t, k->is_double) / t.lanes, t.len / 16 + 1);
    if (t.column && (uintptr_t)t.out % 64) {
        const int shifts = joins && t.size > 2 && t.len * t.lanes > 256;
        ahead = shifts ? (64 - (uintptr_t)t.out % 64) / t.size : 0;
        t.stream &= (unsigned char)shifts;
    }
    nrmi_open_work(&w, &t, k, what, gradient, 0, room);
    for (;; w.round++) {
        if (!t.column)
            nrmi_map_rows(&w);
        else if (t.times > 1 || ahead)
            nrmi_map_joined(&w, t.times, ahead);
        else
            nrmi_map_column(&w);
        if (w.round != 1)
            return;
        nrmi_find_scales(&w);
    }
}

/* A map from coefficients that are there takes no room unless something acts on y: nothing else is
   packed. */
static NRMI_NOINLINE void nrmi_map_with_room(const nrmi_tile *t, const nrmi_kernels *k, int what,
                                             int gradient)
{
    unsigned char space[NRMI_MAP_ROOM];
    nrmi_room room;
    nrmi_open_room(&room, space, sizeof space);
    nrmi_map_in(&room, t, k, what, gradient);
}
static void nrmi_map(const nrmi_tile *t, const nrmi_kernels *k, int what, int gradient)
{
    if (t->coefs && (gradient || !t->acts || nrmi_takes_more(t)))
        nrmi_map_in(NULL, t, k, what, gradient);
    else
        nrmi_map_with_room(t, k, what, gradient);
}

/* ---- C14 A stretch of lanes, and all that its kernels need ---------------------------- */

enum { NRMI_USUAL, NRMI_IN_DOUBLE, NRMI_TINY };

typedef struct nrmi_stretch {
    const nrmi_job *j;
    nrmi_tile t;
    size_t lanes;
    unsigned char wide[NRMI_LANES]; /* by lane: double arithmetic */
    double g[NRMI_LANES + 8], b[NRMI_LANES + 8], p[NRMI_LANES + 8], q[NRMI_LANES + 8];
    double mean[NRMI_LANES + 8], rstd[NRMI_LANES + 8]; /* by lane, where the caller has no such */
} nrmi_stretch;

/* Lanes of a stretch of `lanes` lanes in all: pieces that differ little. */
static size_t nrmi_stretch_lanes(const nrmi_job *j, size_t lanes)
{
    const size_t shared = NRMI_SHARED, pieces = 1 + (lanes - 1) / shared;
    return j->w.fold > 1 ? (lanes / pieces + 15) / 16 * 16 : (size_t)NRMI_LANES;
}

/* Gives lanes what their groups of `fold` lanes have; the first is lane f of its group. */
static NRMI_NOINLINE void nrmi_give_lanes(double *lane, const double *of_group, size_t lanes,
                                          size_t fold, size_t f)
{
    size_t i = 0;
    for (; i < lanes; of_group++, f = 0) {
        const size_t end = nrmi_least(lanes, i + fold - f);
        const double v = *of_group;
        for (; i < end; i++)
            lane[i] = v;
    }
}

/* Adds lanes, times their weights if there are any, to what their groups of `fold` lanes sum to;
   the first is lane f of its group. */
static NRMI_NOINLINE void nrmi_add_lanes(double *sum, const double *lane, const double *weight,
                                         size_t lanes, size_t fold, size_t f)
{
    size_t i = 0;
    for (; i < lanes; sum++, f = 0) {
        const size_t end = nrmi_least(lanes, i + fold - f);
        double all = *sum;
        for (; i < end; i++)
            all += weight ? nrmi_product(weight[i], lane[i]) : lane[i];
        *sum = all;
    }
}

/* Whether the bits of all of `count` halves, without the sign, are at most `limit`. Four at a time:
   what is larger carries into the sign of its own half. */
static NRMI_NOINLINE int nrmi_halves_within(const unsigned char *p, size_t count, unsigned limit)
{
    const uint64_t all = 0x0001000100010001u, add = all * (0x7fffu - limit);
    uint64_t beyond = 0, v;
    size_t i;
    for (i = 0; i < count; i += 4) {
        v = 0;
        memcpy(&v, p + 2 * i, count - i < 4 ? 2 * (count - i) : 8);
        beyond |= (v & all * 0x7fffu) + add;
    }
    return !(beyond & all << 15);
}

/* Whether c parameters from p on are all at most `limit`, a power of two. f16 ends below it. */
static int nrmi_params_within(const nrmi_job *j, const unsigned char *p, double limit)
{
    if (j->q->param == NRM_F32)
        return j->q->set->f32->within(p, j->c, limit);
    return nrmi_halves_within(p, j->c, j->q->param == NRM_F16
                                           ? 0x7bffu
                                           : nrmi_bits32((float)limit) >> 16);
}

/* Whether the c parameters from `at` on are not all in the comfortable range: then layer and RMS
   norm compute every row that uses them in double. */
static int nrmi_uncomfortable_params(const nrmi_job *j, size_t at)
{
    const double offset = j->gamma ? j->q->d->gamma_offset : 0;
    const size_t byte = nrmi_size(j->q->param) * at;
    size_t i;
    if (j->t.dtype == NRM_F64)
        return 0;
    if (j->gamma && nrmi_bits(offset) == 0 &&
        !nrmi_params_within(j, j->gamma + byte, NRMI_GAMMA_LIMIT))
        return 1;
    for (i = 0; j->gamma && nrmi_bits(offset) != 0 && i < j->c; i++)
        if (nrmi_bits(nrmi_param(j->q->param, j->gamma, at + i) + offset) >
            nrmi_bits(NRMI_GAMMA_LIMIT))
            return 1;
    return j->beta && !nrmi_params_within(j, j->beta + byte, NRMI_BETA_LIMIT);
}

/* So many planes; one has a length of its own. */
static void nrmi_set_planes(nrmi_tile *t, size_t planes)
{
    t->planes = planes;
    if (planes == 1 && t->lens) {
        t->len = nrmi_size_at(t->lens, 0);
        t->lens = NULL;
    }
}

/* Points a tile at lane (g, f) of sample o, plane p. */
static void nrmi_aim(nrmi_tile *t, const nrmi_job *j, size_t o, size_t p, size_t g, size_t f)
{
    const nrmi_walk *w = &j->w;
    const size_t x =
        o * w->outer_step.x + p * w->plane_step.x + g * w->group_step.x + f * w->fold_step.x;
    const size_t y =
        o * w->outer_step.y + p * w->plane_step.y + g * w->group_step.y + f * w->fold_step.y;
    nrmi_step lane;
    nrmi_copy(t, &j->t, sizeof *t);
    nrmi_shift_tile(j->q, t, x, y);
    t->column = (unsigned char)w->column;
    t->few = (unsigned char)w->few;
    if (w->column && t->size == 2) /* 16 halves are half a line of cache */
        t->stream = 0;
    lane = w->fold == 1 ? w->group_step : w->fold_step;
    t->x_step = w->column ? w->len_step.x : lane.x;
    t->y_step = w->column ? w->len_step.y : lane.y;
    t->y_next = !t->turns ? 1 : w->column ? lane.y : w->len_step.y;
    t->x_plane = w->plane_step.x;
    t->y_plane = w->plane_step.y;
    t->len = nrmi_len_in(j, o);
    if (j->kind == NRM_BATCH && j->q->lengths)
        t->lens = j->q->lengths + sizeof(size_t) * p;
    if (j->inner) {
        const size_t at = j->q->d->affine_per_sample ? o * j->all_c : 0;
        t->gamma = nrmi_shift(j->gamma, nrmi_size(j->q->param) * at);
        t->beta = nrmi_shift(j->beta, nrmi_size(j->q->param) * at);
        t->offset = j->gamma ? j->q->d->gamma_offset : 0;
        if (j->q->d->affine_per_sample)
            t->forced = (unsigned char)nrmi_uncomfortable_params(j, at);
    }
    nrmi_set_planes(t, w->planes);
}

/* The tile of lanes from..from+count of a stretch. */
static void nrmi_part(nrmi_tile *t, const nrmi_stretch *v, size_t from, size_t count)
{
    const size_t x = from * (v->t.column ? 1 : v->t.x_step);
    const size_t y = from * (v->t.column ? v->t.y_next : v->t.y_step);
    nrmi_copy(t, &v->t, sizeof *t);
    nrmi_shift_tile(v->j->q, t, x, y);
    t->scales = nrmi_shift(t->scales, 4 * from);
    t->lanes = count;
    if (t->mean) {
        t->mean += from;
        t->rstd += from;
    }
    t->g = v->t.g ? v->g + from : NULL;
    t->b = v->t.b ? v->b + from : NULL;
    t->p = v->p + from;
    t->q = v->q + from;
}

/* Lanes per stretch that keep whole groups, and how many groups. A row walk wants what it reads
   twice to stay in the cache: `keep` bytes of values. What comes from memory and goes there comes
   in smaller pieces, since reading and writing at once is faster than in turn. */
static size_t nrmi_groups_at_once(const nrmi_job *j, size_t keep)
{
    const nrmi_walk *w = &j->w;
    const int solid = w->fold == 1 ? !w->column || (w->group_step.x == 1 &&
                                                    (w->group_step.y == 1 || j->t.turns))
                                   : w->group_step.x == w->fold * w->fold_step.x &&
                                         w->group_step.y == w->fold * w->fold_step.y;
    const size_t lanes = w->column ? NRMI_LANES : NRMI_LINES;
    const size_t most = w->fold < lanes ? lanes / w->fold : 1;
    /* short pieces of planes that lie far apart cost more than what leaves the second cache: batch
       norm training of 32x256x14x14 took 1060 to 1550 us, and so 380 to 580 (Zen 4) */
    const size_t kept = w->planes > 1 && keep <= NRMI_TWICE ? 8 * keep : keep;
    /* lanes that are transposed share lines of cache: so many that they fill some */
    const size_t least = j->t.turns ? (NRMI_ACROSS + w->fold - 1) / w->fold : 1;
    size_t fit;
    if (!solid)
        return 1;
    if (w->column)
        return most;
    fit = kept / j->q->size / w->planes / w->fold / w->len;
    if (fit > most)
        return most;
    return fit > least ? fit : nrmi_least(least, most);
}

/* Starts the stretch of `count` lanes from (g, f) on. */
static void nrmi_open(nrmi_stretch *v, const nrmi_job *j, size_t o, size_t p, size_t planes,
                      size_t g, size_t f, size_t count)
{
    v->j = j;
    nrmi_aim(&v->t, j, o, p, g, f);
    nrmi_set_planes(&v->t, planes);
    if (j->q->q8)
        v->t.scales = (unsigned char *)j->q->a->q8_scale + 4 * (o * j->w.groups + g);
    v->lanes = count;
}

/* Floats from place `at` on, and an offset of 0, which makes -0 +0, or of -0, which does not; or
   what stands for missing ones. */
static NRMI_NOINLINE void nrmi_widen(double *to, const unsigned char *from, size_t at,
                                     size_t count, double offset, double missing)
{
    size_t i;
    for (i = 0; i < count; i++)
        to[i] = from ? (double)nrmi_f32_at(from, at + i) + offset : missing;
}

/* gamma and beta of `count` channels from parameter `at` on. */
static void nrmi_channel_params(const nrmi_job *j, size_t at, size_t count, double *g, double *b)
{
    size_t i;
    if (j->q->param == NRM_F32 && nrmi_bits(j->q->d->gamma_offset) == 0) {
        nrmi_widen(g, j->gamma, at, count, j->q->d->gamma_offset, 1);
        nrmi_widen(b, j->beta, at, count, -0.0, 0);
        return;
    }
    for (i = 0; i < count; i++) {
        g[i] = nrmi_gamma_at(j, at + i);
        b[i] = nrmi_beta_at(j, at + i);
    }
}

/* Gives every lane its parameters, where they are needed: those of one channel after the other, or
   of one for all that make up a group of BATCH. */
static void nrmi_lane_params(const nrmi_job *j, size_t o, size_t p, size_t g, size_t f,
                             size_t lanes, double *gamma, double *beta)
{
    size_t at = nrmi_param_of(j, o, p, g, f), i;
    if (j->kind != NRM_BATCH || j->w.fold == 1) {
        nrmi_channel_params(j, at, lanes, gamma, beta);
        return;
    }
    for (i = 0; i < lanes; i++) {
        gamma[i] = nrmi_gamma_at(j, at);
        beta[i] = nrmi_beta_at(j, at);
        if (++f % j->w.fold == 0)
            at++;
    }
}
static void nrmi_fill_params(nrmi_stretch *v, size_t o, size_t p, size_t g, size_t f)
{
    v->t.g = v->g;
    v->t.b = v->b;
    nrmi_lane_params(v->j, o, p, g, f, v->lanes, v->g, v->b);
}

/* Makes variances rstd, several at a time where all are usual ones. */
static void nrmi_roots(const nrmi_kernels *k, double *v, size_t count, double eps)
{
    double zeros[8] = {0}, mean[8], m2[8], rstd[8];
    nrmi_judged q;
    size_t i, n, l;
    int usual;
    q.rms = 1; /* the variance is the second sum */
    q.m = 1;
    q.eps = eps;
    q.first = q.pilot = zeros;
    q.mean = mean;
    q.m2 = m2;
    q.rstd = rstd;
    for (i = 0; i < count; i += n) {
        n = q.n = nrmi_least(count - i, 8);
        q.second = v + i;
        usual = k->judge(&q);
        for (l = 0; l < n; l++) /* 0: variance + eps overflowed */
            v[i + l] = usual && nrmi_bits(rstd[l]) != 0 ? rstd[l] : nrmi_rstd(v[i + l], eps);
    }
}

/* Where the statistics of groups g..g+count of sample o come from: the caller's arrays, or running
   statistics. */
static void nrmi_read_stats(const nrmi_job *j, size_t o, size_t g, size_t count, double *mean,
                            double *rstd)
{
    const nrm_args *a = j->q->a;
    const size_t at = o * j->w.groups + g;
    size_t i;
    if (j->q->verb->flags & NRMI_NEEDS_RUNNING) {
        for (i = 0; i < count; i++) {
            mean[i] = nrmi_param(j->q->running, a->running_mean, g + i);
            rstd[i] = nrmi_param(j->q->running, a->running_var, g + i);
        }
        nrmi_roots(j->q->set->f32, rstd, count, j->q->d->eps);
        return;
    }
    for (i = 0; i < count; i++) {
        mean[i] = j->mean ? nrmi_f64_at(j->mean, (at + i) * j->stat_step) : 0;
        rstd[i] = nrmi_f64_at(j->rstd, (at + i) * j->stat_step);
    }
}

/* Gives every lane its statistics (those of group g0 and on), parameters and arithmetic.
   Without a mean the statistics are read here, for lanes that are groups. Sums without a slope do
   not depend on the parameters, so neither does their arithmetic; those of BATCH are not even
   weighted. */
static void nrmi_fill(nrmi_stretch *v, int sums, size_t o, size_t p, size_t g, size_t f,
                      const double *mean, const double *rstd, size_t g0)
{
    const nrmi_job *j = v->j;
    const int matter = !sums || v->t.acts;
    const int weights = j->kind != NRM_BATCH || j->q->d->affine_per_sample;
    const int params = !j->inner && (matter || weights);
    const size_t group = g - g0;
    size_t i;
    v->t.mean = mean ? mean + group : v->mean;
    v->t.rstd = mean ? rstd + group : v->rstd;
    if (!mean)
        nrmi_read_stats(j, o, g, v->lanes, v->mean, v->rstd);
    if (params)
        nrmi_fill_params(v, o, p, g, f);
    memset(v->wide, 0, v->lanes);
    if (j->w.fold > 1) {
        nrmi_give_lanes(v->mean, mean + group, v->lanes, j->w.fold, f);
        nrmi_give_lanes(v->rstd, rstd + group, v->lanes, j->w.fold, f);
        v->t.mean = v->mean;
        v->t.rstd = v->rstd;
    }
    if (j->t.dtype != NRM_F64 && !v->t.forced) {
        nrmi_lanes l;
        l.n = v->lanes;
        l.mean = v->t.mean;
        l.rstd = v->t.rstd;
        l.g = params && matter ? v->g : NULL;
        l.b = v->b;
        if (j->q->set->f32->comfortable(&l))
            return;
    }
    v->t.odd = 1;
    for (i = 0; i < v->lanes; i++)
        v->wide[i] =
            (unsigned char)(v->t.forced || nrmi_wide_stats(j, v->t.mean[i], v->t.rstd[i]));
    if (!params || !matter)
        return;
    for (i = 0; i < v->lanes; i++) {
        const uint64_t a = nrmi_bits(v->g[i] * v->t.rstd[i]);
        v->wide[i] |= (unsigned char)nrmi_wide_params(j, v->g[i], v->b[i]);
        if (!v->wide[i] && j->t.dtype != NRM_F64 && a && a < NRMI_POW2_BITS(-100))
            v->wide[i] = NRMI_TINY;
    }
}

/* The end of the run of equal states from `from` on. */
static size_t nrmi_same_until(const unsigned char *state, size_t from, size_t count)
{
    size_t i = from + 1;
    while (i < count && state[i] == state[from])
        i++;
    return i;
}

/* The same for lanes by their arithmetic, as far as a tile may go. */
static size_t nrmi_lanes_until(const nrmi_stretch *v, size_t from)
{
    return nrmi_least(nrmi_same_until(v->wide, from, v->lanes),
                      from + nrmi_most_lanes(&v->t, v->wide[from] != NRMI_USUAL));
}

/* ---- C15 Threads: a job in units, or one tile in cells -------------------------------- */

/* No bit depends on what is said here: a unit is a stretch of lanes, which nobody shares; a cell is
   a run or a plane of a tile, and what cells sum to is added in index order by one thread.
   Either the units of a job are spread over the pool, each on one thread; or they come one after
   the other and their tiles are spread. */

typedef void nrmi_unit(const nrmi_job *, void *context, size_t unit);

typedef struct nrmi_spread {
    const nrmi_job *j;
    nrmi_unit *unit;
    void *context;
    size_t units, tasks, threads;
} nrmi_spread;

/* The share that task `index` does. Tasks begin in order, and threads that do neighbouring columns
   at the same time take lines of memory from one another: batch norm training of 8x2048x7x7 in
   NHWC took 1.4 times as long (2 threads, Zen 4). So what begins together lies far apart. */
static size_t nrmi_share_of(const nrmi_spread *s, size_t index)
{
    const size_t each = s->tasks / s->threads;
    return each * s->threads == s->tasks ? index % s->threads * each + index / s->threads : index;
}

/* The first unit of a share; the shares differ by one at most. */
static size_t nrmi_share(size_t all, size_t tasks, size_t index)
{
    return all / tasks * index + nrmi_least(all % tasks, index);
}

/* Streamed stores become visible before others are told that they are done. */
static void nrmi_fence(void)
{
#if NRMI_X86 && defined(__SSE2__)
    _mm_sfence();
#endif
}

static void nrmi_task(void *arg, size_t index)
{
    const nrmi_spread *s = (const nrmi_spread *)arg;
    const size_t share = nrmi_share_of(s, index);
    const size_t end = nrmi_share(s->units, s->tasks, share + 1);
    const unsigned found = nrmi_enter();
    size_t u;
    for (u = nrmi_share(s->units, s->tasks, share); u < end; u++)
        s->unit(s->j, s->context, u);
    nrmi_fence();
    nrmi_leave(found);
}

/* A few tasks for each thread even out what their speed differs by. */
static size_t nrmi_tasks(const nrmi_job *j)
{
    return 4 * nrmi_least(j->pool->threads, 1024);
}

/* Units on the pool, each on one thread, in a few tasks for each of them. */
static NRMI_NOINLINE void nrmi_on_pool(const nrmi_job *j, size_t units, nrmi_unit *unit,
                                       void *context)
{
    const nrm_pool *pool = j->pool;
    nrmi_job one;
    nrmi_spread s;
    nrmi_copy(&one, j, sizeof one);
    one.pool = NULL;
    s.j = &one;
    s.unit = unit;
    s.context = context;
    s.units = units;
    s.tasks = nrmi_least(units, nrmi_tasks(j));
    s.threads = pool->threads;
    nrmi_pool_run(pool, j->q->found, s.tasks, nrmi_task, &s);
}

/* From so many elements on a tile is worth a round of the pool: 20 to 40 us of one core. */
static size_t nrmi_cut(void)
{
    return NRM_POOL_MIN / 4;
}

/* Whether the units of a job, of `values` elements each, keep all threads busy; or have tiles that
   are too small to be cut up, or consist of one cell. A large column tile is cut all the same:
   threads that each have lines of their own took half the time that threads with columns of their
   own took for 32x256x14x14. */
static int nrmi_units_suffice(const nrmi_job *j, size_t units, size_t values)
{
    const size_t lanes = j->t.turns ? NRMI_ACROSS : NRMI_LANES;
    const size_t threads = j->pool->threads, most = lanes * j->w.planes * j->w.len;
    const int one_cell = j->w.planes == 1 && j->w.len <= NRMI_RUN;
    if (j->w.column && !one_cell && nrmi_least(values, most) >= nrmi_cut())
        return 0;
    return units / 4 >= threads || (units >= threads && units % threads == 0) ||
           (units > 1 && (one_cell || nrmi_least(values, most) < nrmi_cut()));
}

static void nrmi_all_units(const nrmi_job *j, size_t units, size_t values, nrmi_unit *unit,
                           void *context)
{
    size_t u;
    if (j->pool && nrmi_units_suffice(j, units, values))
        nrmi_on_pool(j, units, unit, context);
    else
        for (u = 0; u < units; u++)
            unit(j, context, u);
}

/* `planes` planes of a tile from plane p on, and of each `len` values from `from` on. */
static nrmi_tile nrmi_slice(const nrmi_job *j, const nrmi_tile *all, size_t p, size_t planes,
                            size_t from, size_t len)
{
    const size_t x = p * all->x_plane + from * (all->column ? all->x_step : 1);
    const size_t y = p * all->y_plane + from * (all->column ? all->y_step : all->y_next);
    const size_t stat = p * all->stat_plane + from * all->stat_len;
    nrmi_tile t = *all;
    nrmi_shift_tile(j->q, &t, x, y);
    t.gamma = nrmi_shift(t.gamma, nrmi_size(j->q->param) * from);
    t.beta = nrmi_shift(t.beta, nrmi_size(j->q->param) * from);
    t.len_mean = nrmi_shift(t.len_mean, 8 * stat);
    t.len_rstd = nrmi_shift(t.len_rstd, 8 * stat);
    t.planes = planes;
    t.len = len;
    t.lens = NULL;
    return t;
}

/* Cells of a tile on the pool: runs and planes of sums, or pieces of a map, `each` long, `across`
   to a plane. */
typedef struct nrmi_cells {
    const nrmi_kernels *k;
    const nrmi_tile *t;
    int what, gradient;
    size_t each, across, first, count, tasks;
    double *park; /* sums of cell first and on */
} nrmi_cells;

/* The sums of cells cell..end, each to its place. */
static NRMI_NOINLINE void nrmi_park_cells(const nrmi_cells *c, size_t cell, size_t end)
{
    const size_t lanes = (c->t->lanes + 15) & ~(size_t)15;
    unsigned char space[NRMI_PARK_ROOM];
    nrmi_room room;
    nrmi_open_room(&room, space, sizeof space);
    nrmi_sum_cells(c->t, c->k, c->what, cell, end - cell,
                   c->park + 2 * lanes * (cell - c->first), NULL, &room);
}

static void nrmi_cells_unit(const nrmi_job *j, void *context, size_t index)
{
    const nrmi_cells *c = (const nrmi_cells *)context;
    const size_t end = c->first + nrmi_share(c->count, c->tasks, index + 1);
    size_t cell = c->first + nrmi_share(c->count, c->tasks, index);
    if (c->park) {
        nrmi_park_cells(c, cell, end);
        return;
    }
    for (; cell < end; cell++) {
        const size_t p = cell / c->across, from = cell % c->across * c->each;
        const size_t len = nrmi_plane_len(c->t, p);
        if (from < len) {
            const nrmi_tile t = nrmi_slice(j, c->t, p, 1, from, nrmi_least(len - from, c->each));
            nrmi_map(&t, c->k, c->what, c->gradient);
        }
    }
}

static size_t nrmi_tile_values(const nrmi_tile *t)
{
    return t->lanes * t->planes * t->len;
}

enum { NRMI_HERE = NRMI_LANES }; /* doubles for the sums of a cell, without a workspace */

/* Sums, their cells parked as many at a time as there is room for, then added in order. */
static NRMI_NOINLINE void nrmi_sums_on_pool(const nrmi_job *j, nrmi_cells *c, double *first,
                                            double *second)
{
    const size_t lanes = (c->t->lanes + 15) & ~(size_t)15, all = c->t->planes * c->across;
    double here[NRMI_HERE];
    /* sums of planes; F64 has fewer lanes, but not fewer rows where tiles are small */
    unsigned char space[(NRMI_LANES < 256 ? 24 : 16) * NRMI_LANES + 6 * 64];
    nrmi_room room;
    nrmi_list list;
    double *const park = j->park_count > NRMI_HERE ? j->park : here;
    const size_t count = j->park_count > NRMI_HERE ? j->park_count : (size_t)NRMI_HERE;
    const size_t window = nrmi_least(count / lanes / 2, all);
    size_t i;
    if (window < 2 || 2 * window * lanes * c->each < nrmi_cut()) { /* rounds too small */
        nrmi_sums(c->t, c->k, c->what, first, second);
        return;
    }
    nrmi_open_room(&room, space, sizeof space);
    nrmi_open_list(&list, c->t, c->across, first, second, &room);
    c->park = park;
    for (c->first = 0; c->first < all; c->first += c->count) {
        c->count = nrmi_least(window, all - c->first);
        c->tasks = nrmi_least(c->count, nrmi_tasks(j));
        nrmi_on_pool(j, c->tasks, nrmi_cells_unit, c);
        for (i = 0; i < c->count; i++)
            nrmi_add_cell(&list, park + 2 * i * lanes, park + (2 * i + 1) * lanes);
    }
    nrmi_close_list(&list);
}

static void nrmi_reduce_tile(const nrmi_job *j, const nrmi_kernels *k, const nrmi_tile *t, int what,
                             double *first, double *second)
{
    nrmi_cells c;
    if (!t->len) {
        memset(first, 0, 8 * t->lanes);
        memset(second, 0, 8 * t->lanes);
        return;
    }
    c.each = nrmi_least(t->len, NRMI_RUN);
    c.across = (t->len + c.each - 1) / c.each;
    if (!j->pool || nrmi_tile_values(t) < nrmi_cut() || t->planes * c.across < 2) {
        nrmi_sums(t, k, what, first, second);
        return;
    }
    c.k = k;
    c.t = t;
    c.what = what;
    c.gradient = 0;
    nrmi_sums_on_pool(j, &c, first, second);
}

static void nrmi_apply_tile(const nrmi_job *j, const nrmi_kernels *k, const nrmi_tile *t,
                            int gradient, int what)
{
    nrmi_cells c;
    size_t pieces;
    if (!t->len)
        return;
    /* the scale of a row is one for all of it */
    if (!j->pool || nrmi_tile_values(t) < nrmi_cut() || (!gradient && j->q->q8)) {
        nrmi_map(t, k, what, gradient);
        return;
    }
    pieces = t->planes >= nrmi_tasks(j) ? 1 : nrmi_tasks(j) / t->planes;
    c.each = ((t->len + pieces - 1) / pieces + 15) / 16 * 16;
    if (c.each > t->len || pieces == 1)
        c.each = t->len;
    c.across = (t->len + c.each - 1) / c.each;
    c.k = k;
    c.t = t;
    c.what = what;
    c.gradient = gradient;
    c.park = NULL;
    c.first = 0;
    c.count = t->planes * c.across;
    c.tasks = nrmi_least(c.count, nrmi_tasks(j));
    nrmi_on_pool(j, c.tasks, nrmi_cells_unit, &c);
}

static void nrmi_map_lanes(const nrmi_stretch *v, int gradient)
{
    const int what = v->j->inner ? NRMI_INNER : NRMI_CHANNEL;
    size_t from, to;
    for (from = 0; from < v->lanes; from = to) {
        const nrmi_kernels *k;
        nrmi_tile t;
        to = nrmi_lanes_until(v, from);
        nrmi_part(&t, v, from, to - from);
        if (v->wide[from] == NRMI_IN_DOUBLE)
            NRMI_TRACE(NRMI_TRACE_WIDE_APPLY);
        k = nrmi_kernels_for(v->j, v->wide[from] == NRMI_IN_DOUBLE, &t);
        t.tiny = v->wide[from] == NRMI_TINY;
        nrmi_apply_tile(v->j, k, &t, gradient, what);
    }
}

/* ---- C16 Statistics ------------------------------------------------------------------- */

/* A tile of the sums of d and d*d around pilots, of values times `scale` if that is not 0. */
static void nrmi_moment_tile(nrmi_tile *t, const nrmi_job *j, double scale, size_t o, size_t g,
                             size_t f)
{
    nrmi_aim(t, j, o, 0, g, f);
    t->sum = NULL;
    t->acts = 0;
    t->scale = scale;
}

/* Of groups of several lanes. */
static NRMI_NOINLINE void nrmi_fold_moment_sums(const nrmi_job *j, const nrmi_kernels *k,
                                                double scale, size_t o, size_t g, size_t count,
                                                const double *pilot, double *first, double *second)
{
    const size_t fold = j->w.fold, lanes = count * fold;
    const int f64 = j->t.dtype == NRM_F64;
    double lost[2] = {0, 0};
    double a[NRMI_LANES], b[NRMI_LANES], pilots[NRMI_LANES + 8];
    size_t from, i, n, group = 0, f = 0;
    for (i = 0; i < count; i++)
        first[i] = second[i] = 0;
    for (from = 0; from < lanes; from += n) {
        nrmi_tile t;
        nrmi_moment_tile(&t, j, scale, o, g + group, f);
        n = t.lanes = nrmi_least(lanes - from, nrmi_most_lanes(&t, nrmi_sums_packed(&t, k)));
        t.mean = pilots;
        nrmi_give_lanes(pilots, pilot + group, n, fold, f);
        nrmi_reduce_tile(j, k, &t, NRMI_MOMENTS, a, b);
        if (!f64) {
            nrmi_add_lanes(first + group, a, NULL, n, fold, f);
            nrmi_add_lanes(second + group, b, NULL, n, fold, f);
            group += (f + n) / fold;
            f = (f + n) % fold;
            continue;
        }
        for (i = 0; i < n; i++) {
            nrmi_add_two(&first[group], &lost[0], a[i]);
            nrmi_add_two(&second[group], &lost[1], b[i]);
            if (++f < fold)
                continue;
            nrmi_make_up(&first[group], &lost[0], 1);
            nrmi_make_up(&second[group], &lost[1], 1);
            f = 0;
            group++;
        }
    }
}

/* Sums over the lists of `count` groups from g on, around a pilot for each. */
static NRMI_NOINLINE void nrmi_moment_sums(const nrmi_job *j, const nrmi_kernels *k, double scale,
                                           size_t o, size_t g, size_t count, const double *pilot,
                                           double *first, double *second)
{
    size_t from;
    if (j->w.fold > 1) {
        nrmi_fold_moment_sums(j, k, scale, o, g, count, pilot, first, second);
        return;
    }
    for (from = 0; from < count;) {
        nrmi_tile t;
        nrmi_moment_tile(&t, j, scale, o, g + from, 0);
        t.lanes = nrmi_least(count - from, nrmi_most_lanes(&t, nrmi_sums_packed(&t, k)));
        t.mean = pilot + from;
        nrmi_reduce_tile(j, k, &t, NRMI_MOMENTS, first + from, second + from);
        from += t.lanes;
    }
}

/* The 32 places of values that are packed. */
static const size_t nrmi_upward_at[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                          11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                          22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

static void nrmi_gather(unsigned char *to, const unsigned char *from, size_t first,
                        const size_t *at, size_t size)
{
    size_t i;
    for (i = 0; i < 32; i++) {
        const size_t k = nrmi_upward[i];
        const unsigned char *x = from + size * (first + at[k]);
        if (size == 2)
            memcpy(to + 2 * k, x, 2);
        else if (size == 4)
            memcpy(to + 4 * k, x, 4);
        else
            memcpy(to + 8 * k, x, 8);
    }
}

/* Pilots of groups that are lines of memory: 32 values of each, side by side. */
static NRMI_NOINLINE void nrmi_line_pilots(const nrmi_tile *t, const nrmi_kernels *k,
                                           const size_t *at, double *pilot)
{
    const int packs = t->x_size == 2 || t->res;
    unsigned char x[32 * 8], res[32 * 8], z[16 * 32 * 8];
    double out[16];
    nrmi_packing p;
    nrmi_chunk c;
    size_t line, n, l;
    nrmi_zero(&c, sizeof c);
    c.out = out;
    c.at = packs ? nrmi_upward_at : at;
    for (line = 0; line < t->lanes; line += n) {
        const size_t first = line * t->x_step;
        n = nrmi_least(t->lanes - line, 16);
        c.x = packs ? z : t->x + t->x_size * first;
        c.x_step = packs ? 32 : t->x_step;
        for (l = 0; packs && l < n; l++) {
            nrmi_gather(x, t->x, first + l * t->x_step, at, t->x_size);
            if (t->res)
                nrmi_gather(res, t->res, first + l * t->x_step, at, t->z_size);
            p = nrmi_packing_of(z + k->size * 32 * l, 32, x, 32, 1, 32, t->x_dtype);
            p.res = t->res ? res : NULL;
            p.res_dtype = t->z_dtype;
            k->pack(&p);
        }
        c.lines = n;
        k->pilots[0](&c);
        for (l = 0; l < n; l++)
            pilot[line + l] = k->is_double ? out[l] + 0 : (double)(((float *)out)[l] + 0);
    }
}

/* The same where the groups lie side by side. */
static NRMI_NOINLINE void nrmi_column_pilots(const nrmi_tile *t, const nrmi_kernels *k,
                                             const size_t *at, double *pilot)
{
    enum { NRMI_SIDE = 64 };
    double out[NRMI_SIDE];
    unsigned char z[NRMI_SIDE * 32 * 8];
    size_t packed[32], lane, i, n;
    nrmi_packing p;
    nrmi_chunk c;
    nrmi_zero(&c, sizeof c);
    c.out = out;
    for (lane = 0; lane < t->lanes; lane += n) {
        n = nrmi_least(t->lanes - lane, NRMI_SIDE);
        c.x = t->x + t->x_size * lane;
        c.at = at;
        c.n = n;
        if (t->res || t->x_size == 2) {
            for (i = 0; i < 32; i++) {
                const size_t from = at[i] + lane;
                packed[i] = i * NRMI_SIDE;
                p = nrmi_packing_of(z + k->size * packed[i], n, t->x + t->x_size * from, n, 1, n,
                                    t->x_dtype);
                p.res = nrmi_shift(t->res, t->z_size * from);
                p.res_dtype = t->z_dtype;
                k->pack(&p);
            }
            c.x = z;
            c.at = packed;
        }
        k->pilots[1](&c);
        for (i = 0; i < n; i++)
            pilot[lane + i] = k->is_double ? out[i] + 0 : (double)(((float *)out)[i] + 0);
    }
}

/* Pilots from the 32 sampled values of each group, or its first value. */
static void nrmi_pilots(const nrmi_job *j, const nrmi_kernels *k, double scale, const size_t *at,
                        size_t o, size_t g, size_t count, double *pilot)
{
    const nrmi_walk *w = &j->w;
    nrmi_tile t;
    size_t i, p = 0;
    while (!at && j->kind == NRM_BATCH && !nrmi_length(j, p)) /* an empty sample has no value */
        p++;
    nrmi_aim(&t, j, o, p, g, 0);
    t.lanes = count;
    t.column = (unsigned char)(w->column && w->group_step.x == 1);
    t.x_step = w->group_step.x;
    for (i = 0; !at && i < count; i++)
        pilot[i] = nrmi_z(t.x_dtype, t.z_dtype, t.x, t.res, i * w->group_step.x) *
                   (scale > 0 ? scale : 1);
    if (at)
        (t.column ? nrmi_column_pilots : nrmi_line_pilots)(&t, k, at, pilot);
}

/* The same from places that, with lengths, each sample has of its own. */
static NRMI_NOINLINE void nrmi_pilots_in(const nrmi_job *j, const nrmi_kernels *k, size_t o,
                                         size_t g, size_t count, double *pilot)
{
    size_t places[32];
    if (!j->q->lengths || j->inner || j->kind == NRM_BATCH) {
        nrmi_pilots(j, k, 0, j->pilot_at, o, g, count, pilot);
        return;
    }
    nrmi_find_pilots(j, o, places);
    nrmi_pilots(j, k, 0, places, o, g, count, pilot);
}

enum { NRMI_ACCEPT, NRMI_RETRY, NRMI_WIDE, NRMI_DONE };

/* NUMERICS, "Accept": mean and m2 from the sums, and whether float was good enough. In F64 a
   variance below 2^-900 stands if the values are so large that their differences cannot vanish. */
static int nrmi_judge(const nrmi_job *j, double pilot, double first, double second, double m,
                      double *mean, double *m2)
{
    const int f64 = j->t.dtype == NRM_F64;
    const double dm = j->kind == NRM_RMS ? 0 : first / m, rest = second - nrmi_product(first, dm);
    double v;
    *mean = pilot + dm;
    *m2 = j->kind == NRM_RMS ? second : rest > 0 ? rest : 0;
    if (!nrmi_finite(first) || !nrmi_finite(second)) {
        *mean = *m2 = nrmi_nan();
        return NRMI_WIDE;
    }
    v = *m2 / m + j->q->d->eps;
    if (v < nrmi_from_bits(f64 ? NRMI_POW2_BITS(-900) : NRMI_POW2_BITS(-100)) &&
        !(f64 && nrmi_bits(pilot) >= NRMI_POW2_BITS(-400)))
        return NRMI_WIDE;
    return dm * dm <= v / 2 ? NRMI_ACCEPT : NRMI_RETRY;
}

/* 2^600, 1 or 2^-600, by which F64's last resort multiplies the values; and m2 without it. */
static NRMI_INLINE double nrmi_power(int power)
{
    return power == 0 ? 1 : nrmi_from_bits(power < 0 ? NRMI_POW2_BITS(-600) : NRMI_POW2_BITS(600));
}
static NRMI_INLINE double nrmi_unscaled(double m2, int power)
{
    return power == 0 ? m2 : m2 / nrmi_power(power) / nrmi_power(power);
}

/* The last resort of F64: one group times nrmi_power(power), around its first value, then around
   the mean that this gives. */
static void nrmi_scaled_moments(const nrmi_job *j, size_t o, size_t g, int power, double m,
                                double *mean, double *m2)
{
    const double scale = nrmi_power(power);
    const nrmi_kernels *k = j->q->set->f64;
    double pilot = 0, first, second;
    int round;
    if (j->kind != NRM_RMS)
        nrmi_pilots(j, k, scale, NULL, o, g, 1, &pilot);
    for (round = 0; round < 2; round++) {
        nrmi_moment_sums(j, k, scale, o, g, 1, &pilot, &first, &second);
        nrmi_judge(j, pilot, first, second, m, mean, m2);
        pilot = j->kind == NRM_RMS ? 0 : *mean;
    }
    *mean = *mean / scale;
}

/* Mean and m2 of groups g..g+count (at most NRMI_LANES) of sample o; m2 is that of the values times
   nrmi_power(power), which is 1 but in the last resort of F64. */
static NRMI_NOINLINE int nrmi_moments_of(const nrmi_job *j, size_t o, size_t g, size_t count,
                                         double *mean, double *m2, signed char *power,
                                         double *rstd)
{
    const nrmi_set *set = j->q->set;
    const size_t values = nrmi_values_in(j, o);
    const double m = (double)values;
    const int dtype = j->t.dtype;
    double pilot[NRMI_LANES + 8], *const first = mean, *const second = m2; /* which they become */
    unsigned char state[NRMI_LANES];
    size_t i, to;
    int round;
    memset(power, 0, count);
    memset(pilot, 0, 8 * count);
    if (j->kind != NRM_RMS && nrmi_sums_are_pilots(j, o)) {
        nrmi_moment_sums(j, dtype == NRM_F64 ? set->f64 : set->f32, 0, o, g, count, pilot, first,
                         second);
        for (i = 0; i < count; i++)
            pilot[i] = (dtype == NRM_F64 ? first[i] / m : (double)((float)first[i] / (float)m)) + 0;
    } else if (j->kind != NRM_RMS) {
        nrmi_pilots_in(j, dtype == NRM_F64 ? set->f64 : set->f32, o, g, count, pilot);
    }
    if (dtype != NRM_F64) {
        nrmi_judged q;
        q.n = count;
        q.rms = j->kind == NRM_RMS;
        q.m = m;
        q.eps = j->q->d->eps;
        q.first = first;
        q.second = second;
        q.pilot = pilot;
        q.mean = mean;
        q.m2 = m2;
        q.rstd = rstd;
        nrmi_moment_sums(j, set->f32, 0, o, g, count, pilot, first, second);
        if (set->f32->judge(&q))
            return 1;
    }
    memset(state, NRMI_ACCEPT, count);
    for (round = NRMI_ACCEPT; round <= NRMI_WIDE; round++)
        for (i = 0; i < count; i = to) {
            const nrmi_kernels *k =
                round == NRMI_WIDE || dtype == NRM_F64 ? set->f64 : set->f32;
            size_t s;
            to = nrmi_same_until(state, i, count);
            if (state[i] != round)
                continue;
            if (round == NRMI_RETRY) {
                NRMI_TRACE(NRMI_TRACE_RETRY);
                for (s = i; s < to; s++)
                    pilot[s] = dtype == NRM_F64 ? mean[s] : nrmi_as_float(mean[s]);
            } else if (round == NRMI_WIDE) {
                NRMI_TRACE(NRMI_TRACE_WIDE_STATS);
                for (s = i; dtype == NRM_F64 && s < to; s++) {
                    power[s] = nrmi_finite(m2[s]) ? 1 : -1; /* else the sums overflowed */
                    nrmi_scaled_moments(j, o, g + s, power[s], m, &mean[s], &m2[s]);
                }
                if (dtype == NRM_F64)
                    continue;
                if (j->kind != NRM_RMS)
                    nrmi_pilots(j, k, 0, NULL, o, g + i, to - i, pilot + i);
            }
            nrmi_moment_sums(j, k, 0, o, g + i, to - i, pilot + i, first + i, second + i);
            for (s = i; s < to; s++) {
                state[s] = (unsigned char)nrmi_judge(j, pilot[s], first[s], second[s], m, &mean[s],
                                                     &m2[s]);
                if (state[s] == NRMI_RETRY && round == NRMI_RETRY)
                    state[s] = dtype == NRM_F64 ? NRMI_DONE : NRMI_WIDE;
                if (state[s] == NRMI_ACCEPT)
                    state[s] = NRMI_DONE;
            }
        }
    return 0;
}

/* ---- C17 Forward ---------------------------------------------------------------------- */

/* y (and sum) of groups g..g+count of sample o from their statistics. */
static NRMI_NOINLINE void nrmi_apply_groups(const nrmi_job *j, size_t o, size_t g, size_t count,
                              const double *mean, const double *rstd)
{
    const nrmi_walk *w = &j->w;
    /* one plane at a time where its parameters are its own */
    const size_t each = j->q->d->affine_per_sample && w->planes > 1 ? 1 : w->planes;
    const size_t most = nrmi_stretch_lanes(j, count * w->fold);
    size_t p, from;
    for (p = 0; p < w->planes; p += each)
        for (from = 0; from < count * w->fold; from += most) {
            const size_t left = count * w->fold - from, at = g + from / w->fold;
            nrmi_stretch v;
            nrmi_open(&v, j, o, p, each, at, from % w->fold, nrmi_least(left, most));
            nrmi_fill(&v, 0, o, p, at, from % w->fold, mean, rstd, g);
            nrmi_map_lanes(&v, 0);
        }
}

/* Whether sums may stay as float arithmetic gave them: any finite ones; but t, p and q of a row,
   which all hold gamma, go to double together. */
static int nrmi_sums_fit(const nrmi_job *j, int what, const double *p, const double *q,
                         size_t count)
{
    const uint64_t most = what == NRMI_INNER ? NRMI_PQ_LIMIT : NRMI_INF_BITS - 1;
    int beyond = 0;
    size_t i;
    for (i = 0; i < count; i++)
        beyond |= nrmi_bits(p[i]) > most || nrmi_bits(q[i]) > most;
    return !beyond || j->t.dtype == NRM_F64; /* there is no more than double */
}

/* Whether the map takes more lanes side by side than the sums: lines of usual floats or halves that
   the kernels take as they lie. Whole lines, or 1024 lanes of longer ones, are fetched ahead by
   memory: batch inference of 32x1024x14x14 in NHWC took 6.9 times as long by 256 lanes (Zen 3). */
static int nrmi_goes_broad(const nrmi_job *j)
{
    const nrmi_tile *t = &j->t;
    const nrmi_walk *w = &j->w;
    const int backward = (j->q->verb->flags & NRMI_NEEDS_DY) != 0;
    const int one_cell = w->planes == 1 && w->len <= NRMI_RUN;
    const size_t most = w->fold > 1 ? NRMI_SHARED : NRMI_LANES;
    const nrmi_step lane = w->fold > 1 ? w->fold_step : w->group_step;
    if (!w->column || j->inner || t->dtype == NRM_F64 || t->packs || t->turns || j->q->lengths ||
        j->q->d->affine_per_sample || t->x_size != t->size)
        return 0;
    if ((t->res || t->sum || t->dsum || t->gives || (backward && t->acts)) && !nrmi_takes_more(t))
        return 0;
    if (backward && (!t->out || t->dres || t->frozen || !t->apart))
        return 0;
    return w->groups * w->fold > most && w->fold <= NRMI_LANES && lane.x == 1 && lane.y == 1 &&
           w->group_step.x == w->fold && w->group_step.y == w->fold &&
           !(j->pool && (one_cell || backward));
}

/* Groups of a unit, in units that differ little; and of a piece, whose sums are one tile. */
static size_t nrmi_broad_groups(const nrmi_job *j, size_t limit)
{
    const size_t lanes = j->t.dy && j->t.relu ? NRMI_BROAD / 4 * 3 : NRMI_BROAD;
    const size_t most = nrmi_least(limit, lanes / j->w.fold);
    const size_t units = (j->w.groups + most - 1) / most;
    return (j->w.groups + units - 1) / units;
}
static size_t nrmi_piece_groups(const nrmi_job *j)
{
    return NRMI_LANES / j->w.fold;
}

/* ... of which fewer groups have their statistics on the stack. */
static size_t nrmi_few_groups(const nrmi_job *j, size_t left)
{
    return nrmi_least(left, nrmi_least(nrmi_piece_groups(j), NRMI_AT_ONCE));
}

/* Coefficients of lanes side by side, as far as they are there. */
typedef struct nrmi_broad {
    nrmi_chunk c;
    size_t lanes;
} nrmi_broad;
enum { NRMI_BROAD_STEP = NRMI_BROAD + 32 }; /* what follows the last is read as well */

/* Its arrays: four of y, seven of dx, or, with ReLU, nine of fewer lanes. */
static void nrmi_open_broad(nrmi_broad *w, unsigned char *space, size_t shift, int gradient,
                            int masked)
{
    const size_t step = 4 * (masked ? NRMI_BROAD_STEP * 7 / 9 / 16 * 16 : NRMI_BROAD_STEP);
    nrmi_chunk *c = &w->c;
    unsigned char *const at = space + (64 - (uintptr_t)space % 64) % 64 + shift;
    nrmi_zero(c, sizeof *c);
    w->lanes = 0;
    c->mh = at;
    c->ml = at + step;
    c->r = at + 2 * step;
    if (!gradient) {
        c->b = at + 3 * step;
        return;
    }
    c->k = at + 3 * step;
    c->p = at + 4 * step;
    c->q = at + 5 * step;
    c->o = at + 6 * step;
    if (masked) {
        c->s = at + 7 * step;
        c->b = at + 8 * step;
    }
}

/* Gives `lanes` lanes p and q of their groups, of which the first lane is lane f of its own: before
   gamma (g by lane) where that is not NULL. */
static void nrmi_give_pq(const nrmi_job *j, const double *p_of, const double *q_of, size_t lanes,
                         size_t f, const double *g, double *p, double *q)
{
    size_t i;
    nrmi_give_lanes(p, p_of, lanes, j->w.fold, f);
    nrmi_give_lanes(q, q_of, lanes, j->w.fold, f);
    for (i = 0; g && i < lanes; i++) {
        p[i] *= g[i];
        q[i] *= g[i];
    }
}

/* The coefficients of groups g..g+count of sample o, after those that are there: of y, or, from p
   and q by group, of dx. 0: one of them leaves the usual arithmetic. */
static NRMI_NOINLINE int nrmi_broad_coefs(nrmi_broad *w, const nrmi_job *j, size_t o, size_t g,
                                          size_t count, const double *mean_of,
                                          const double *rstd_of, const double *p_of,
                                          const double *q_of)
{
    const nrmi_kernels *k = j->q->set->f32;
    const size_t fold = j->w.fold, all = count * fold;
    double mean[NRMI_AT_ONCE + 8], rstd[NRMI_AT_ONCE + 8];
    double gamma[NRMI_AT_ONCE + 8], beta[NRMI_AT_ONCE + 8];
    double p[NRMI_AT_ONCE + 8], q[NRMI_AT_ONCE + 8];
    nrmi_lanes l;
    size_t from;
    nrmi_zero(&l, sizeof l);
    l.of = p_of ? NRMI_OF_DX : NRMI_OF_Y;
    l.mean = mean;
    l.rstd = rstd;
    l.g = gamma;
    l.b = beta;
    l.p = p;
    l.q = q;
    l.lift = 1;
    for (from = 0; from < all; from += l.n, w->lanes += l.n) {
        const size_t group = from / fold, f = from % fold;
        const nrmi_chunk *c = &w->c;
        l.n = nrmi_least(all - from, NRMI_AT_ONCE);
        nrmi_give_lanes(mean, mean_of + group, l.n, fold, f);
        nrmi_give_lanes(rstd, rstd_of + group, l.n, fold, f);
        nrmi_lane_params(j, o, 0, g + group, f, l.n, gamma, beta);
        if (p_of)
            nrmi_give_pq(j, p_of + group, q_of + group, l.n, f,
                         j->kind == NRM_BATCH ? gamma : NULL, p, q);
        if (!k->comfortable(&l) || (p_of && !nrmi_sums_fit(j, NRMI_INNER, p, q, l.n)))
            return 0;
#define NRMI_TO(name) ((float *)(uintptr_t)c->name + w->lanes)
        l.mh = NRMI_TO(mh);
        l.ml = NRMI_TO(ml);
        l.r = NRMI_TO(r);
        if (p_of && c->s) {
            l.of = NRMI_OF_Y;
            l.r = NRMI_TO(s);
            l.to_b = NRMI_TO(b);
            k->coefs(&l);
            l.of = NRMI_OF_DX;
            l.r = NRMI_TO(r);
            l.to_b = NULL;
        }
        if (p_of) {
            l.k = NRMI_TO(k);
            l.to_p = NRMI_TO(p);
            l.to_q = NRMI_TO(q);
            l.o = NRMI_TO(o);
        } else {
            l.to_b = NRMI_TO(b);
        }
#undef NRMI_TO
        k->coefs(&l);
    }
    return 1;
}

/* y or dx of these lanes, from group g of sample o on. */
static void nrmi_map_broad(const nrmi_broad *w, const nrmi_job *j, size_t o, size_t g, int gradient)
{
    const nrmi_chunk *c = &w->c;
    const void *const arrays[9] = {c->mh, c->ml, c->r, c->b, c->k, c->p, c->q, c->o, c->s};
    nrmi_tile t;
    size_t i, k;
    nrmi_aim(&t, j, o, 0, g, 0);
    for (i = 0; i < 9; i++) { /* they begin once more, for whole lines that begin elsewhere */
        float *const array = (float *)(uintptr_t)arrays[i];
        for (k = 0; array && k < 16; k++)
            array[w->lanes + k] = array[k];
    }
    t.lanes = w->lanes;
    t.coefs = c;
    nrmi_apply_tile(j, j->q->set->f32, &t, gradient, NRMI_CHANNEL);
}

/* Running statistics move only when every new value is finite, which is known last; so the new ones
   wait somewhere: BATCH in the caller's mean and rstd (rstd holds m2 meanwhile), else here, else
   in the workspace. Without such a place everything is computed twice, and first only judged. */
typedef struct nrmi_running {
    int moves, unbiased, judge_only, all_finite;
    double *mean, *variance; /* c waiting values, or NULL */
    int in_stats;            /* they wait in mean and rstd */
    double early, late;      /* divide what samples add, and their sum: one by n, the other by 1 */
    double space[2 * NRMI_WAITING];
} nrmi_running;

static double nrmi_moved(const nrmi_job *j, const void *running, size_t i, double value)
{
    const double rate = j->q->a->running_rate;
    if (rate == 1) /* replaced: what it was may be NaN, or nothing yet */
        return nrmi_param_rounded(j, value);
    return nrmi_param_rounded(j, nrmi_product(1 - rate, nrmi_param(j->q->running, running, i)) +
                                     nrmi_product(rate, value));
}

/* Judges or writes one new statistic of channels i..i+count. */
static void nrmi_move_one(const nrmi_job *j, nrmi_running *r, void *to, size_t i, size_t count,
                          const double *value, int write)
{
    const int floats = j->q->running == NRM_F32;
    size_t k;
    for (k = 0; to && k < count; k++) {
        const double moved = nrmi_moved(j, to, i + k, value[k]);
        if (!write)
            r->all_finite &= nrmi_finite(moved);
        else if (floats)
            nrmi_f32_set(to, i + k, (float)moved);
        else
            nrmi_value_set((int)j->q->running, to, i + k, moved);
    }
}
static NRMI_NOINLINE void nrmi_move(const nrmi_job *j, nrmi_running *r, size_t i, size_t count,
                                    const double *mean, const double *variance, int write)
{
    nrmi_move_one(j, r, j->q->a->running_mean, i, count, mean, write);
    nrmi_move_one(j, r, j->q->a->running_var, i, count, variance, write);
}

static double nrmi_variance(double m2, double m, int unbiased)
{
    return unbiased ? m2 / (m - 1) : m2 / m;
}

static void nrmi_running_start(const nrmi_job *j, nrmi_running *r)
{
    const nrm_args *a = j->q->a;
    unsigned char *w = (unsigned char *)a->workspace;
    double samples = 0;
    size_t o;
    r->moves = nrmi_moves_running(j->q);
    r->unbiased = !a->running_population;
    r->judge_only = r->in_stats = 0;
    r->all_finite = 1;
    for (o = 0; o < j->w.outer; o++)
        samples += nrmi_values_in(j, o) != 0;
    r->early = j->t.dtype == NRM_F64 ? samples : 1;
    r->late = samples / r->early;
    r->mean = r->variance = NULL;
    if (!r->moves)
        return;
    if (j->mean && j->rstd && j->t.dtype != NRM_F64 &&
        (j->kind == NRM_BATCH || !j->q->lengths)) { /* samples of one length */
        r->in_stats = 1;
    } else if (j->all_c <= NRMI_WAITING) {
        r->mean = r->space;
        r->variance = r->space + j->all_c;
    } else if (w && a->workspace_size / 16 > j->all_c) {
        r->mean = (double *)(void *)(w + (8 - (uintptr_t)w % 8) % 8);
        r->variance = r->mean + j->all_c;
    } else {
        r->judge_only = 1;
    }
}

/* The mean over the samples of channel i's waiting statistics, of m values each. */
static void nrmi_waited(const nrmi_job *j, const nrmi_running *r, size_t i, double m, double *mean,
                        double *variance)
{
    const double outer = (double)j->w.outer;
    size_t o;
    *mean = r->in_stats ? 0 : r->mean[i];
    *variance = r->in_stats ? 0 : r->variance[i];
    if (!r->in_stats)
        return;
    for (o = 0; o < j->w.outer; o++) {
        *mean += nrmi_f64_at(j->mean, o * j->w.groups + i);
        *variance += nrmi_variance(nrmi_f64_at(j->rstd, o * j->w.groups + i), m, r->unbiased);
    }
    *mean /= outer;
    *variance /= outer;
}

/* Everything is written; now the running statistics, if all of them may move. */
static nrm_status nrmi_running_end(const nrmi_job *j, nrmi_running *r, double m)
{
    const size_t waiting = r->in_stats ? j->w.outer * j->w.groups : 0;
    double mean[NRMI_WAITING], variance[NRMI_WAITING];
    int write;
    size_t i, k, n;
    if (!r->moves)
        return NRM_OK;
    for (write = 0; write < 2 && r->all_finite && (r->in_stats || r->mean); write++)
        for (i = 0; i < j->all_c; i += n) {
            n = nrmi_least(j->all_c - i, NRMI_WAITING);
            for (k = 0; k < n; k++)
                nrmi_waited(j, r, i + k, m, mean + k, variance + k);
            nrmi_move(j, r, i, n, mean, variance, write);
        }
    for (i = 0; i < waiting; i += n) {
        n = nrmi_least(waiting - i, NRMI_WAITING);
        for (k = 0; k < n; k++)
            variance[k] = nrmi_f64_at(j->rstd, i + k) / m;
        nrmi_roots(j->q->set->f32, variance, n, j->q->d->eps);
        nrmi_copy(j->rstd + 8 * i, variance, 8 * n);
    }
    return r->all_finite ? NRM_OK : NRM_ERR_NONFINITE;
}

/* Whether rows can go the short way: floats or halves as they lie, one arithmetic, nothing that
   comes between, gamma and beta as the caller has them. */
static int nrmi_plain_rows(const nrmi_job *j)
{
    const nrmi_tile *t = &j->t;
    const int offset = nrmi_bits(j->gamma ? j->q->d->gamma_offset : 0) != 0;
    return !j->w.column && !j->pool && t->dtype != NRM_F64 && !t->packs && !t->res && !t->acts &&
           !t->gives && !t->forced && !t->turns && !t->dres &&
           !(j->inner && (j->q->d->affine_per_sample || offset));
}

/* LAYER, RMS and INSTANCE of the usual kind: rows of floats or halves as they lie, of which so many
   at a time as stay in the second cache have their statistics and then their y. Short ones from far
   come so few at a time that x and y stay in the first: layer norm of 32768x64 took 1.3 times as
   long with 64 rows, but rows of 768 took 1.1 times as long with 16 (Zen 4). */
enum { NRMI_ROWS = 64, NRMI_FEW_ROWS = 16 };

static int nrmi_goes_by_rows(const nrmi_job *j, int moves)
{
    return nrmi_plain_rows(j) && j->w.planes * j->w.fold == 1 && !moves && j->stat_step == 1 &&
           !j->t.sum && !j->q->q8 && (j->inner || !j->q->lengths);
}

/* A vector of ones, which is read over and over: floats, or halves of this type. */
static void nrmi_ones(float *to, int half)
{
    size_t i;
    for (i = 0; i < 16; i++)
        if (half)
            nrmi_value_set(half, to, i, 1);
        else
            to[i] = 1;
}

/* What the kernels read and write of these rows: x, y, pilots, sums, statistics, coefficients. */
typedef struct nrmi_rows {
    nrmi_chunk c;
    nrmi_judged q;
    nrmi_lanes l;
    double pilot[NRMI_ROWS], first[NRMI_ROWS], second[NRMI_ROWS];
    double mean[NRMI_ROWS], m2[NRMI_ROWS], rstd[NRMI_ROWS], g[NRMI_ROWS], b[NRMI_ROWS];
    float mh[NRMI_ROWS], ml[NRMI_ROWS], r[NRMI_ROWS], to_b[NRMI_ROWS], ones[16], zeros[16];
} nrmi_rows;

/* The statistics of `rows` rows from group g of sample o on. 0: not all are accepted. */
static int nrmi_row_stats(nrmi_rows *w, const nrmi_job *j, size_t o, size_t g, size_t rows)
{
    const nrmi_kernels *k = j->q->set->f32;
    const float m = (float)w->q.m, part = 1 / m;
    const int exact = (nrmi_bits(w->q.m) & 0x000fffffffffffffu) == 0; /* of a power of two */
    size_t i;
    if (j->kind == NRM_RMS) {
        nrmi_zero(w->pilot, 8 * rows);
    } else if (nrmi_sums_are_pilots(j, o)) {
        k->totals(&w->c);
        for (i = 0; i < rows; i++) {
            const float sum = (float)w->first[i];
            w->pilot[i] = (double)(exact ? sum * part : sum / m) + 0;
        }
    } else {
        nrmi_pilots(j, k, 0, j->pilot_at, o, g, rows, w->pilot);
    }
    for (i = 0; i < rows; i++)
        w->mh[i] = (float)w->pilot[i];
    nrmi_zero(w->first, 8 * rows);
    nrmi_zero(w->second, 8 * rows);
    k->sums[0][NRMI_MOMENTS](&w->c);
    w->q.n = w->l.n = rows;
    return k->judge(&w->q) && k->comfortable(&w->l);
}

static void nrmi_open_rows(nrmi_rows *w, const nrmi_job *j)
{
    size_t i;
    nrmi_zero(&w->c, sizeof w->c);
    nrmi_zero(&w->l, sizeof w->l);
    w->c.x_step = j->w.group_step.x;
    w->c.out_step = j->w.group_step.y;
    w->c.n = j->w.len;
    w->c.half = j->t.x_size == 2 ? j->t.dtype : 0;
    w->c.half_out = j->t.size == 2 ? j->t.dtype : 0;
    w->c.half_param = (int)j->q->param;
    w->c.stream = j->t.stream && j->w.len > 32;
    w->c.more = j->t.relu ? NRMI_RECTIFIED : 0;
    w->c.bare = j->kind == NRM_RMS ? NRMI_BARE : 0;
    w->c.stat_step = 1;
    w->c.mh = w->l.mh = w->mh;
    w->c.ml = w->l.ml = w->ml;
    w->c.r = w->l.r = w->r;
    w->c.first = w->first;
    w->c.second = w->second;
    for (i = 0; i < 16; i++)
        w->zeros[i] = 0;
    nrmi_ones(w->ones, w->c.half_param);
    w->c.g = j->gamma ? (const void *)j->gamma : (const void *)w->ones;
    w->c.b = !j->inner ? w->to_b : j->beta ? (const void *)j->beta : (const void *)w->zeros;
    w->c.g_step = j->gamma != NULL;
    w->c.b_step = j->beta != NULL;
    w->q.rms = j->kind == NRM_RMS;
    w->q.m = (double)j->w.len;
    w->q.eps = j->q->d->eps;
    w->q.first = w->first;
    w->q.second = w->second;
    w->q.pilot = w->pilot;
    w->q.mean = w->mean;
    w->q.m2 = w->m2;
    w->q.rstd = w->rstd;
    w->l.of = NRMI_OF_Y;
    w->l.mean = w->mean;
    w->l.rstd = w->rstd;
    w->l.lift = 1;
    if (!j->inner) {
        w->l.g = w->g;
        w->l.b = w->b;
        w->l.to_b = w->to_b;
    }
}

/* Groups g..g+count of sample o, as far as all are accepted: the first that may not be. */
static NRMI_NOINLINE size_t nrmi_forward_rows(const nrmi_job *j, size_t o, size_t g, size_t end)
{
    const nrmi_kernels *k = j->q->set->f32;
    const nrmi_walk *w = &j->w;
    const size_t fit = NRMI_TWICE / j->t.x_size / w->len;
    const int few_rows = j->t.distant && 2 * NRMI_FEW_ROWS * j->t.size <= NRMI_FIRST_CACHE / w->len;
    const size_t each =
        fit < 2 ? 1 : nrmi_least(fit, few_rows ? (size_t)NRMI_FEW_ROWS : (size_t)NRMI_ROWS);
    nrmi_rows r;
    size_t rows;
    nrmi_open_rows(&r, j);
    for (; g < end; g += rows) {
        const size_t at = 8 * (o * w->groups + g);
        rows = nrmi_least(end - g, each);
        r.c.lines = rows;
        r.c.x = j->t.x + j->t.x_size * (o * w->outer_step.x + g * w->group_step.x);
        r.c.out = j->t.out + j->t.size * (o * w->outer_step.y + g * w->group_step.y);
        if (!j->inner)
            nrmi_channel_params(j, nrmi_param_of(j, o, 0, g, 0), rows, r.g, r.b);
        if (!nrmi_row_stats(&r, j, o, g, rows))
            return g;
        if (j->mean)
            nrmi_copy(j->mean + at, r.mean, 8 * rows);
        if (j->rstd)
            nrmi_copy(j->rstd + at, r.rstd, 8 * rows);
        k->coefs(&r.l);
        nrmi_run_map(k, NRMI_Y, 0, j->inner, &r.c);
    }
    return end;
}

/* Statistics, outputs and y of groups g..g+count of sample o. What running statistics move by is
   added to rm and rv. */
static NRMI_NOINLINE void nrmi_forward_groups(const nrmi_job *j, const nrmi_running *r, size_t o,
                                              size_t g, size_t count, double *rm, double *rv)
{
    const nrmi_walk *w = &j->w;
    const size_t values = nrmi_values_in(j, o);
    const double m = (double)values;
    double mean[NRMI_LANES + 8], m2[NRMI_LANES + 8], rstd[NRMI_LANES + 8];
    signed char power[NRMI_LANES];
    size_t i;
    const int usual = nrmi_moments_of(j, o, g, count, mean, m2, power, rstd);
    if (usual && (!r->moves || r->in_stats) && j->stat_step == 1) {
        if (j->mean)
            memcpy(j->mean + 8 * (o * w->groups + g), mean, 8 * count);
        if (j->rstd)
            memcpy(j->rstd + 8 * (o * w->groups + g), r->in_stats ? m2 : rstd, 8 * count);
        nrmi_apply_groups(j, o, g, count, mean, rstd);
        return;
    }
    for (i = 0; i < count; i++) {
        const size_t at = (o * w->groups + g + i) * j->stat_step;
        if (r->moves && !r->in_stats) {
            rm[i] += mean[i] / r->early;
            rv[i] += nrmi_variance(nrmi_unscaled(m2[i], power[i]), m, r->unbiased) / r->early;
        }
        if (!r->judge_only && j->mean)
            nrmi_f64_set(j->mean, at, mean[i]);
        if (!r->judge_only && j->rstd && r->in_stats)
            nrmi_f64_set(j->rstd, at, m2[i]);
        m2[i] = nrmi_rstd_scaled(m2[i], m, nrmi_power(power[i]), j->q->d->eps);
        if (!r->judge_only && j->rstd && !r->in_stats)
            nrmi_f64_set(j->rstd, at, m2[i]);
        if (j->kind == NRM_RMS)
            mean[i] = 0;
    }
    if (!r->judge_only)
        nrmi_apply_groups(j, o, g, count, mean, m2);
}

/* The same, of groups whose sums are one tile, but coefficients in place of y. 0: not all of them
   are of the usual kind. */
static NRMI_NOINLINE int nrmi_broad_stats(nrmi_broad *w, const nrmi_job *j, const nrmi_running *r,
                                         size_t o, size_t g, size_t count)
{
    const size_t at = 8 * (o * j->w.groups + g);
    double mean[NRMI_LANES + 8], m2[NRMI_LANES + 8], rstd[NRMI_LANES + 8];
    signed char power[NRMI_LANES];
    if (!nrmi_moments_of(j, o, g, count, mean, m2, power, rstd))
        return 0;
    if (j->mean)
        memcpy(j->mean + at, mean, 8 * count);
    if (j->rstd)
        memcpy(j->rstd + at, r->in_stats ? m2 : rstd, 8 * count);
    return nrmi_broad_coefs(w, j, o, g, count, mean, rstd, NULL, NULL);
}

static NRMI_NOINLINE int nrmi_forward_broad(const nrmi_job *j, const nrmi_running *r, size_t o,
                                           size_t g, size_t count)
{
    unsigned char space[4 * 4 * NRMI_BROAD_STEP + 128];
    nrmi_broad w;
    size_t at, n;
    nrmi_open_broad(&w, space, nrmi_shift_of(j->t.out, j->t.size, 4), 0, 0);
    for (at = 0; at < count; at += n) {
        n = nrmi_least(count - at, nrmi_piece_groups(j));
        if (!nrmi_broad_stats(&w, j, r, o, g + at, n))
            return 0;
    }
    nrmi_map_broad(&w, j, o, g, 0);
    return 1;
}

/* By rows; where one is not accepted, NRMI_ROWS of them go the longer way. */
static void nrmi_forward_by_rows(const nrmi_job *j, const nrmi_running *r, size_t o, size_t g,
                                 size_t end)
{
    while ((g = nrmi_forward_rows(j, o, g, end)) < end) {
        const size_t count = nrmi_least(end - g, NRMI_ROWS);
        nrmi_forward_groups(j, r, o, g, count, NULL, NULL);
        g += count;
    }
}

/* By broad lines; where one of them is not of the usual kind, a piece after the other. */
static void nrmi_forward_lines(const nrmi_job *j, const nrmi_running *r, size_t o, size_t g,
                               size_t count)
{
    const size_t end = g + count;
    if (nrmi_forward_broad(j, r, o, g, count))
        return;
    for (; g < end; g += count) {
        count = nrmi_least(end - g, nrmi_piece_groups(j));
        nrmi_forward_groups(j, r, o, g, count, NULL, NULL);
    }
}

static size_t nrmi_group_values(const nrmi_job *j) /* without lengths, the most */
{
    return j->w.planes * j->w.fold * j->w.len;
}

typedef struct nrmi_forward {
    nrmi_running r;
    size_t at_once, stretches; /* groups of a unit, units of a sample */
    int whole;                 /* a unit has all samples: what it moves by is added in order */
    int broad;
    int adds;                  /* x is the sum, which each unit adds first, of these two     */
    const unsigned char *x, *res;
} nrmi_forward;

/* What a unit adds: groups g..g+count of sample o. */
typedef struct nrmi_adding {
    const nrmi_forward *f;
    size_t o, g, count, pieces;
} nrmi_adding;

/* Whether the residual is added before anything else, and the sum then taken for x, which nothing
   comes between. It is kept where the caller wants it; of rows, which stay in the caches until they
   are read again, it may also lie where y goes. */
static unsigned char *nrmi_sum_room(const nrmi_job *j)
{
    const nrmi_tile *t = &j->t;
    const nrmi_call *q = j->q;
    if (q->lengths || t->x_dtype != t->z_dtype || (!t->res && !t->sum))
        return NULL;
    if (t->sum)
        return t->sum;
    if (j->w.column || t->turns || q->q8 || q->a->y == q->a->add || q->a->y == q->a->gate ||
        j->xp.line != j->yp.line || j->xp.sample != j->yp.sample)
        return NULL;
    return t->out;
}
static int nrmi_take_sum(nrmi_job *j, nrmi_forward *f)
{
    unsigned char *const sum = nrmi_sum_room(j);
    if (!sum)
        return 0;
    f->x = j->t.x;
    f->res = j->t.res;
    if (sum == j->t.out)
        j->t.stream = 0;
    j->t.x = sum;
    j->t.res = NULL;
    j->t.sum = NULL;
    return 1;
}

/* A piece of the lines of a plane. */
static void nrmi_add_unit(const nrmi_job *j, void *context, size_t index)
{
    const nrmi_adding *a = (const nrmi_adding *)context;
    const nrmi_walk *w = &j->w;
    const size_t step = w->column      ? w->len_step.x
                        : w->fold == 1 ? w->group_step.x
                                       : w->fold_step.x;
    const size_t lanes = a->count * w->fold, lines = w->column ? w->len : lanes;
    const size_t n = w->column ? lanes : w->len, p = index / a->pieces, i = index % a->pieces;
    const size_t to = nrmi_share(lines, a->pieces, i + 1);
    const size_t at = a->o * w->outer_step.x + p * w->plane_step.x + a->g * w->group_step.x;
    const size_t size = j->t.x_size;
    size_t line = nrmi_share(lines, a->pieces, i);
    const size_t each = step == n ? to - line : 1; /* lines that are one */
    for (; line < to; line += each) {
        const size_t from = size * (at + line * step);
        nrmi_add_values(j->q->set, j->t.x_dtype, (unsigned char *)(uintptr_t)j->t.x + from,
                        a->f->x + from, nrmi_shift(a->f->res, from), each * n);
    }
}
static NRMI_NOINLINE void nrmi_add_first(const nrmi_job *j, const nrmi_forward *f, size_t o,
                                         size_t g, size_t count)
{
    const size_t planes = j->w.planes;
    nrmi_adding a;
    size_t i;
    a.f = f;
    a.o = o;
    a.g = g;
    a.count = count;
    a.pieces = j->pool && planes < nrmi_tasks(j) ? nrmi_tasks(j) / planes : 1;
    if (j->pool)
        nrmi_on_pool(j, planes * a.pieces, nrmi_add_unit, &a);
    else
        for (i = 0; i < planes; i++)
            nrmi_add_unit(j, &a, i);
}

/* Groups g..g+count of all samples, and what running statistics move by. */
static NRMI_NOINLINE void nrmi_forward_whole(const nrmi_job *j, nrmi_running *r, size_t g,
                                             size_t count)
{
    double rm[NRMI_LANES], rv[NRMI_LANES];
    size_t o, i;
    for (i = 0; i < count; i++)
        rm[i] = rv[i] = 0;
    for (o = 0; o < j->w.outer; o++)
        if (nrmi_values_in(j, o))
            nrmi_forward_groups(j, r, o, g, count, rm, rv);
    for (i = 0; i < count; i++) {
        rm[i] /= r->late;
        rv[i] /= r->late;
    }
    if (r->mean) {
        memcpy(r->mean + g, rm, 8 * count);
        memcpy(r->variance + g, rv, 8 * count);
    } else {
        nrmi_move(j, r, g, count, rm, rv, !r->judge_only && r->all_finite);
    }
}

static void nrmi_forward_unit(const nrmi_job *j, void *context, size_t unit)
{
    nrmi_forward *f = (nrmi_forward *)context;
    nrmi_running *r = &f->r;
    const size_t g = unit % f->stretches * f->at_once, o = unit / f->stretches;
    const size_t all = f->whole ? j->w.groups : nrmi_groups_in(j, o);
    const size_t count = g < all ? nrmi_least(all - g, f->at_once) : 0;
    if (!count || (!f->whole && !nrmi_values_in(j, o)))
        return;
    if (f->adds)
        nrmi_add_first(j, f, o, g, count);
    if (nrmi_goes_by_rows(j, r->moves))
        nrmi_forward_by_rows(j, r, o, g, g + count);
    else if (f->broad)
        nrmi_forward_lines(j, r, o, g, count);
    else if (f->whole)
        nrmi_forward_whole(j, r, g, count);
    else
        nrmi_forward_groups(j, r, o, g, count, NULL, NULL);
}

/* How many stretches of `at_once` groups there are. */
static size_t nrmi_stretches(const nrmi_job *j, size_t at_once)
{
    return (j->w.groups + at_once - 1) / at_once;
}

static nrm_status nrmi_run_forward(nrmi_job *j)
{
    size_t values = nrmi_group_values(j), units, u;
    nrmi_forward f;
    nrmi_running_start(j, &f.r);
    f.whole = f.r.moves && !f.r.in_stats;
    f.adds = !f.whole && nrmi_take_sum(j, &f);
    f.broad = !f.whole && nrmi_goes_broad(j);
    f.at_once = f.broad ? nrmi_broad_groups(j, NRMI_BROAD) : nrmi_groups_at_once(j, NRMI_TWICE);
    f.stretches = nrmi_stretches(j, f.at_once);
    j->t.back = !j->t.stream;
    units = f.stretches * (f.whole ? 1 : j->w.outer);
    if (f.whole && !f.r.mean) { /* twice, and one by one: all share all_finite */
        for (u = 0; u < units; u++)
            nrmi_forward_unit(j, &f, u);
        f.r.judge_only = 0;
        for (u = 0; u < units; u++)
            nrmi_forward_unit(j, &f, u);
    } else {
        nrmi_all_units(j, units, f.at_once * values * (f.whole ? j->w.outer : 1),
                       nrmi_forward_unit, &f);
    }
    values = nrmi_values_in(j, 0);
    return nrmi_running_end(j, &f.r, (double)values);
}

/* ---- C18 Backward --------------------------------------------------------------------- */

/* Writes or adds to a parameter's gradient. */
static void nrmi_give(const nrmi_job *j, unsigned char *to, size_t i, double value)
{
    const nrm_dtype dtype = j->q->param;
    if (to && j->q->a->accumulate)
        value = nrmi_param(dtype, to, i) + value;
    if (to)
        nrmi_value_set((int)dtype, to, i, value);
}

/* The same for `count` of them from `at` on. */
static NRMI_NOINLINE void nrmi_give_all(const nrmi_job *j, unsigned char *to, size_t at,
                                        size_t count, const double *value)
{
    size_t i;
    if (to && j->q->param == NRM_F32 && !j->q->a->accumulate)
        for (i = 0; i < count; i++)
            nrmi_f32_set(to, at + i, (float)value[i]);
    else
        for (i = 0; i < count; i++)
            nrmi_give(j, to, at + i, value[i]);
}

/* The two sums of lanes from..from+count of a stretch, all of one arithmetic. */
static void nrmi_lane_sums(const nrmi_stretch *v, int what, int wide, size_t from, size_t count,
                           double *p, double *q)
{
    const nrmi_kernels *k;
    nrmi_tile t;
    nrmi_part(&t, v, from, count);
    k = nrmi_kernels_for(v->j, wide == NRMI_IN_DOUBLE, &t);
    t.tiny = wide == NRMI_TINY;
    if (wide == NRMI_IN_DOUBLE)
        NRMI_TRACE(NRMI_TRACE_WIDE_SUMS);
    t.sum = NULL;
    t.dsum = NULL;
    nrmi_reduce_tile(v->j, k, &t, what, p, q);
}

/* The sum of `unit` lanes that make one value. */
static double nrmi_fold_sum(int f64, const double *lane, size_t unit)
{
    double sum = 0, lost = 0;
    size_t i;
    for (i = 0; i < unit; i++)
        if (f64)
            nrmi_add_two(&sum, &lost, lane[i]);
        else
            sum += lane[i];
    nrmi_make_up(&sum, &lost, 1);
    return sum;
}

/* The two sums of a stretch of lanes, `unit` lanes making one value (more than 1 for BATCH of few
   positions): P, sum of dy' (INNER: of t), and Q, sum of dy' * xhat (t * xhat). What does not fit
   float is summed again in double. p and q have room for all lanes. */
static NRMI_NOINLINE void nrmi_gradient_sums(const nrmi_stretch *v, int what, size_t unit,
                                             double *p, double *q)
{
    const int f64 = v->j->t.dtype == NRM_F64, plain = f64 || what == NRMI_PARAM;
    const size_t values = v->lanes / unit;
    double a[NRMI_SMALL], b[NRMI_SMALL];
    size_t from, to, u;
    for (from = 0; from < v->lanes; from = to) {
        to = nrmi_lanes_until(v, from);
        nrmi_lane_sums(v, what, v->wide[from], from, to - from, p + from, q + from);
    }
    for (u = 0; unit > 1 && u < values; u++) {
        p[u] = nrmi_fold_sum(f64, p + u * unit, unit);
        q[u] = nrmi_fold_sum(f64, q + u * unit, unit);
    }
    for (u = 0; !plain && u < values; u++)
        if (v->wide[u * unit] != NRMI_IN_DOUBLE) {
            const nrmi_scale s = nrmi_scale_of(v->t.rstd[u * unit], 0);
            const double down = 1 / (what == NRMI_INNER ? s.u : NRMI_LIFT); /* a power of two */
            p[u] *= what == NRMI_INNER ? down : 1;
            q[u] = q[u] * s.rho * down;
        }
    if (nrmi_sums_fit(v->j, what, p, q, values))
        return;
    for (u = 0; u < values; u++) {
        if (v->wide[u * unit] == NRMI_IN_DOUBLE || nrmi_sums_fit(v->j, what, p + u, q + u, 1))
            continue;
        nrmi_lane_sums(v, what, 1, u * unit, unit, a, b);
        p[u] = nrmi_fold_sum(f64, a, unit);
        q[u] = nrmi_fold_sum(f64, b, unit);
    }
}

/* dx of a stretch, whose p and q are set. */
static NRMI_NOINLINE void nrmi_gradient_lanes(nrmi_stretch *v)
{
    size_t i;
    nrmi_take_kept(&v->t);
    for (i = 0; i < v->lanes; i++)
        if (v->j->t.dtype != NRM_F64 &&
            (nrmi_bits(v->p[i]) > NRMI_PQ_LIMIT || nrmi_bits(v->q[i]) > NRMI_PQ_LIMIT))
            v->wide[i] = NRMI_IN_DOUBLE;
    nrmi_map_lanes(v, 1);
}

/* dgamma and dbeta of LAYER and RMS: channels are lanes, rows are values. all: the job of dx. */
typedef struct nrmi_params_job {
    nrmi_job j;
    int few, forced, wide;     /* s planes of n; gamma or beta, or a row, asks for double */
    size_t at_once, stretches; /* channels of a unit, units of a sample */
} nrmi_params_job;

static nrmi_params_job nrmi_params_of(const nrmi_job *all)
{
    nrmi_params_job r;
    const int per_sample = all->q->d->affine_per_sample;
    r.j = *all;
    r.j.inner = 0;
    r.j.kind = per_sample ? NRM_INSTANCE : NRM_BATCH;
    r.few = !per_sample && all->s < NRMI_SMALL && !all->q->lengths;
    r.forced = all->t.forced && all->t.acts;
    nrmi_walk_of(&r.j.w, &r.j, r.j.kind);
    if (r.few && all->q->d->kind == NRM_GROUP) { /* in order of samples, as with any s */
        r.few = 0;
        r.j.w.planes = all->n;
        r.j.w.plane_step = r.j.w.len_step;
        r.j.w.len = 1;
    } else if (r.few && all->layout == NRM_NCHW) { /* channels a line apart: one at a time */
        r.j.w.fold = 1;
        r.j.w.planes = all->s;
        r.j.w.plane_step = nrmi_step_of(&r.j, '1', 0);
    }
    return r;
}

/* Whether one of the rows of samples o..end leaves the comfortable range. */
static int nrmi_uncomfortable_rows(const nrmi_job *j, size_t o, size_t end)
{
    size_t i;
    for (; o < end; o++)
        for (i = o * j->s; i < o * j->s + nrmi_length(j, o); i++)
            if (nrmi_wide_stats(j, j->mean ? nrmi_f64_at(j->mean, i * j->stat_step) : 0,
                                nrmi_f64_at(j->rstd, i * j->stat_step)))
                return 1;
    return 0;
}

/* Channels g..g+count of sample o, or of all; wide as the rows and parameters they meet ask for. */
static void nrmi_params_unit(const nrmi_job *j, void *context, size_t unit)
{
    const nrmi_params_job *r = (const nrmi_params_job *)context;
    const int per_sample = j->q->d->affine_per_sample;
    const size_t o = unit / r->stretches, g = unit % r->stretches * r->at_once;
    const size_t count = nrmi_least(j->w.groups - g, r->at_once);
    const size_t stat = o * j->s, first = per_sample ? o * j->all_c : 0;
    const int forced = per_sample ? j->t.acts && nrmi_uncomfortable_params(j, first) : r->forced;
    const int wide = forced || (per_sample ? nrmi_uncomfortable_rows(j, o, o + 1) : r->wide);
    double p[NRMI_LANES], q[NRMI_LANES];
    nrmi_stretch v;
    size_t i;
    nrmi_open(&v, j, o, 0, j->w.planes, g, 0, count);
    v.t.forced = (unsigned char)forced;
    v.t.len_mean = nrmi_shift(j->mean, 8 * stat * j->stat_step);
    v.t.len_rstd = nrmi_shift(j->rstd, 8 * stat * j->stat_step);
    v.t.stat_plane = j->stat_step * (r->few ? 1 : j->s);
    v.t.stat_len = j->stat_step * (r->few ? j->s : 1);
    for (i = 0; i < count; i++)
        v.wide[i] = (unsigned char)wide;
    if (j->t.acts)
        nrmi_fill_params(&v, o, 0, g, 0);
    nrmi_gradient_sums(&v, NRMI_PARAM, 1, p, q);
    nrmi_give_all(j, j->dbeta, first + g, count, p);
    nrmi_give_all(j, j->dgamma, first + g, count, q);
}

static NRMI_NOINLINE void nrmi_inner_params(const nrmi_job *all)
{
    nrmi_params_job r = nrmi_params_of(all);
    const nrmi_job *j = &r.j;
    r.at_once = nrmi_groups_at_once(j, (size_t)-1);
    r.stretches = nrmi_stretches(j, r.at_once);
    r.wide = !j->q->d->affine_per_sample && nrmi_uncomfortable_rows(j, 0, j->n);
    nrmi_all_units(j, r.stretches * j->w.outer, r.at_once * nrmi_group_values(j), nrmi_params_unit,
                   &r);
}

/* LAYER and RMS: a row is a lane and a group. */
static void nrmi_inner_unit(const nrmi_job *j, void *context, size_t unit)
{
    const size_t at_once = *(const size_t *)context, stretches = nrmi_stretches(j, at_once);
    const size_t o = unit / stretches, g = unit % stretches * at_once;
    const size_t all = nrmi_groups_in(j, o), count = g < all ? nrmi_least(all - g, at_once) : 0;
    const double m = (double)j->w.len;
    double mean[NRMI_LANES + 8], rstd[NRMI_LANES + 8];
    nrmi_stretch v;
    size_t i;
    if (!count)
        return;
    nrmi_open(&v, j, o, 0, 1, g, 0, count);
    nrmi_read_stats(j, o, g, count, mean, rstd);
    nrmi_fill(&v, 0, o, 0, g, 0, mean, rstd, g);
    nrmi_zero(v.p, sizeof v.p);
    nrmi_zero(v.q, sizeof v.q);
    if (j->dgamma || j->dbeta) /* whose sums have met every dy */
        nrmi_take_kept(&v.t);
    if (j->t.out || j->t.dres)
        nrmi_gradient_sums(&v, NRMI_INNER, 1, v.p, v.q);
    for (i = 0; i < count; i++) {
        v.p[i] = j->kind == NRM_RMS ? 0 : v.p[i] / m;
        v.q[i] = v.q[i] / m;
    }
    nrmi_gradient_lanes(&v);
}

/* LAYER and RMS in one walk: of some rows P and Q, then dx and what they add to dgamma and dbeta,
   while they are in the first cache. */
enum { NRMI_TOGETHER = 4 * NRMI_LANES, NRMI_GROUP_ROWS = 32 };

typedef struct nrmi_together {
    const nrmi_job *j;
    nrmi_chunk c;
    size_t planes, rows; /* planes of the list of rows, one after the other                     */
    size_t each, stride; /* so many rows at once, each so many after the one before             */
    size_t most, from, n; /* the columns from..from+n, at most so many, add to dgamma and dbeta */
    size_t stripe;       /* ... so many at a time, whose levels there is room for               */
    int single;          /* dgamma alone has sums                                               */
    int alone;           /* all rows are done at once                                           */
    int tree;            /* all rows are one block of 8: its tree is the sum                    */
    int phases;          /* blocks of 128 rows with 16 phases, not of 8                         */
    int late;            /* phases: all dx of a block, then what it adds to dgamma and dbeta    */
    size_t slot;         /* late: where in mh, ml, s these rows are                             */
    int levels;          /* arrays of float: of a block's tree, of phases; for both sums        */
    int sums;            /* arrays of double: of a run; of a plane of several; of all           */
    float mh[NRMI_BLOCK], ml[NRMI_BLOCK], s[NRMI_BLOCK];
    float v[NRMI_GROUP_ROWS], u[NRMI_GROUP_ROWS];
    float p[NRMI_GROUP_ROWS], q[NRMI_GROUP_ROWS], o[NRMI_GROUP_ROWS];
    double big_p[NRMI_GROUP_ROWS], big_q[NRMI_GROUP_ROWS];
    double mean[NRMI_GROUP_ROWS], rstd[NRMI_GROUP_ROWS]; /* whole vectors are read of them */
    float ones[16], *level;
    double *sum;
    /* 2 x 2 levels of a block's tree and 2 x 2 sums of so many columns; or as many more levels as
       phases have, and one more sum, of half as many */
    unsigned char space[96 * (NRMI_TOGETHER / 2 + 32) + 64];
} nrmi_together;

/* Whether this call is of the usual kind, and dx apart from what it is computed from, so that
   whatever turns up can be computed again. */
static int nrmi_goes_together(const nrmi_job *j)
{
    if (!nrmi_plain_rows(j) || j->w.outer != 1 ||
        (j->s > 1 && j->s < NRMI_SMALL) || j->q->d->kind == NRM_GROUP ||
        (j->w.len > NRMI_TOGETHER / 2 && j->q->a->accumulate))
        return 0;
    return j->t.out && j->t.apart && (!j->t.dsum || j->t.dtype == NRM_F32) &&
           j->t.x_size == j->t.size && !j->q->lengths && (j->dgamma || j->dbeta);
}

/* Sum k, of dbeta or of dgamma, of array i. */
static double *nrmi_together_sum(nrmi_together *g, int i, int k)
{
    return g->sum + (size_t)(g->single ? i : 2 * i + k) * (g->most + 32);
}

/* Room for the levels and sums. Where dx does not begin on a line of the cache, they begin as far
   before one, so that its vectors are lines of all. */
static void nrmi_room_together(nrmi_together *g)
{
    const size_t ahead = (64 - (uintptr_t)g->j->t.out % 64) / 4 % 16;
    unsigned char *const at = g->space + (64 - (uintptr_t)g->space % 64) % 64;
    const size_t step = g->stripe + 32;
    g->c.level_step = step;
    g->level = (float *)(void *)at + 16 - ahead;
    g->sum = (double *)(void *)(at + 4 * (size_t)g->levels * step) + 16 - ahead;
}

/* Rows of more columns than that have sums for as many as there is room for beside the levels, and
   come 8 at a time, a whole tree of them. Each more walk reads x and dy again: RMS of 512x4096 took
   1.5 times as long in four. */
static void nrmi_widen_together(nrmi_together *g)
{
    const size_t levels = 4 * (size_t)g->levels * (g->stripe + 32) + 64;
    const size_t each = (sizeof g->space - levels) / (8 * (size_t)g->sums);
    if (g->phases || g->j->w.len <= g->most)
        return;
    g->each = 8;
    if (g->tree) /* whose walks read other columns */
        return;
    g->single = g->c.bare && g->j->q->set->f32->more && g->j->t.size == 4;
    g->most = ((g->single ? each : each / 2) - 32) / 16 * 16;
}

static void nrmi_open_together(nrmi_together *g, const nrmi_job *j)
{
    nrmi_chunk *c = &g->c;
    g->j = j;
    g->rows = j->s > 1 ? j->s : j->w.groups;
    g->planes = j->w.groups / g->rows;
    g->phases = j->s > 1;
    g->stripe = g->most = g->phases ? NRMI_TOGETHER / 2 : NRMI_TOGETHER;
    g->single = 0;
    g->sums = 1 + (g->rows > NRMI_RUN) + (g->planes > 1);
    g->late = g->phases && 2 * NRMI_BLOCK * j->t.size * j->w.len <= NRMI_TWICE / 2;
    g->each = g->phases && !g->late ? 8 : NRMI_GROUP_ROWS;
    while (g->each > 2 && 2 * j->t.size * g->each > NRMI_FIRST_CACHE / j->w.len)
        g->each /= 2;
    g->tree = g->planes == 1 && g->rows <= 8 && !j->q->a->accumulate;
    g->levels = g->phases ? 12 : g->tree ? 6 : 4;
    nrmi_zero(c, sizeof *c);
    c->bare = j->kind == NRM_RMS && !j->dbeta ? NRMI_BARE : 0;
    nrmi_widen_together(g);
    g->alone = g->planes == 1 && g->rows <= g->each;
    nrmi_zero(g->mean, sizeof g->mean);
    nrmi_zero(g->rstd, sizeof g->rstd);
    c->half_param = (int)j->q->param;
    nrmi_ones(g->ones, c->half_param);
    g->slot = 0;
    nrmi_room_together(g);
    c->half = c->half_out = j->t.size == 2 ? j->t.dtype : 0;
    c->r = g->v;
    c->k = g->u;
    c->p = g->p;
    c->q = g->q;
    c->o = g->o;
    c->g_step = j->gamma != NULL;
    c->stat_step = 1;
}

/* Points the chunk at columns from..from+n of `rows` rows from row `row` on. */
static void nrmi_aim_together(nrmi_together *g, size_t row, size_t rows, size_t from, size_t n)
{
    const nrmi_tile *t = &g->j->t;
    const nrmi_step step = g->j->w.group_step;
    nrmi_chunk *c = &g->c;
    c->x = t->x + t->size * (row * step.x + from);
    c->dy = t->dy + t->size * (row * step.y + from);
    c->out = t->out + t->size * (row * step.x + from);
    c->x_step = c->out_step = g->stride * step.x;
    c->dy_step = g->stride * step.y;
    c->g = g->j->gamma ? (const void *)(g->j->gamma + nrmi_size(g->j->q->param) * from)
                       : (const void *)g->ones;
    c->lines = rows;
    c->n = n;
    c->stream = t->stream && n > 32;
    c->mh = g->mh + g->slot;
    c->ml = g->ml + g->slot;
    c->s = g->s + g->slot;
    c->first = nrmi_together_sum(g, 0, 0) + (from - g->from);
    c->second = nrmi_together_sum(g, 0, 1) + (from - g->from);
    c->level = NULL;
}

/* The coefficients of these rows, but for those that P and Q give. 0: float is not for all. */
static int nrmi_stats_together(nrmi_together *g, nrmi_lanes *l, size_t row, size_t rows)
{
    const nrmi_job *j = g->j;
    size_t i;
    nrmi_zero(l, sizeof *l);
    l->n = rows;
    l->of = NRMI_OF_SUMS;
    for (i = 0; i < rows; i++) {
        if (j->mean)
            g->mean[i] = nrmi_f64_at(j->mean, row + i * g->stride);
        g->rstd[i] = nrmi_f64_at(j->rstd, row + i * g->stride);
    }
    l->mean = g->mean;
    l->rstd = g->rstd;
    l->mh = g->mh + g->slot;
    l->ml = g->ml + g->slot;
    l->r = g->v;
    l->k = g->u;
    l->lift = 1;
    if (!j->q->set->f32->comfortable(l))
        return 0;
    j->q->set->f32->coefs(l);
    for (i = 0; i < rows; i++)
        g->s[g->slot + i] = (float)g->rstd[i];
    return 1;
}

/* P and Q of these rows, and the coefficients of dx. */
static int nrmi_sums_together(nrmi_together *g, nrmi_lanes *l, size_t row, size_t rows)
{
    const nrmi_kernels *k = g->j->q->set->f32;
    nrmi_aim_together(g, row, rows, 0, g->j->w.len);
    g->c.first = g->big_p;
    g->c.second = g->big_q;
    nrmi_zero(g->big_p, sizeof g->big_p);
    nrmi_zero(g->big_q, sizeof g->big_q);
    k->sums[0][NRMI_INNER](&g->c);
    l->p = g->big_p;
    l->q = g->big_q;
    l->to_p = g->p;
    l->to_q = g->q;
    l->o = g->o;
    l->m = (double)g->j->w.len;
    l->rms = g->j->kind == NRM_RMS;
    return k->gradient(l);
}

/* What rows add to dgamma and dbeta, where their dx is there: trees over rows `apart` apart, each
   `stride` after the one before. */
static void nrmi_param_together(nrmi_together *g, size_t rows, size_t apart, size_t stride)
{
    nrmi_chunk param;
    nrmi_copy(&param, &g->c, sizeof param);
    param.level = g->level + 4 * param.level_step;
    param.r = param.s;
    param.x_leap = apart * param.x_step;
    param.dy_leap = apart * param.dy_step;
    param.apart = apart;
    param.phase = param.block;
    param.stride = stride;
    param.block = rows;
    param.phases = apart > 1 ? nrmi_least(rows, 16) : (rows + 7) / 8;
    g->j->q->set->f32->sums[1][NRMI_PARAM](&param);
}

/* dx of n columns, from column `from` on, of these rows. 0: not all of it is finite. */
static int nrmi_dx_together(nrmi_together *g, size_t row, size_t rows, size_t from, size_t n)
{
    const nrmi_tile *t = &g->j->t;
    nrmi_chunk *c = &g->c;
    size_t i;
    g->j->q->set->f32->map[NRMI_DX][0][1](c);
    if (!c->finite)
        return 0;
    for (i = 0; t->dsum && i < rows; i++) {
        unsigned char *const dx = (unsigned char *)c->out + 4 * i * c->out_step;
        const size_t at = (row + i * g->stride) * g->j->w.group_step.x + from;
        nrmi_add_values(g->j->q->set, NRM_F32, dx, dx, t->dsum + 4 * at, n);
    }
    return 1;
}

/* What `rows` rows from row `row` on add to dgamma and dbeta of the columns from g->from on; in the
   first walk dx too, of all columns. 0: something did not fit float, and is to be done by the
   longer way. */
static int nrmi_rows_together(nrmi_together *g, size_t row, size_t rows)
{
    nrmi_chunk *c = &g->c;
    nrmi_lanes l;
    size_t at, n;
    if (!g->alone || g->from == 0)
        if (!nrmi_stats_together(g, &l, row, rows))
            return 0;
    if (g->from == 0 && !nrmi_sums_together(g, &l, row, rows))
        return 0;
    if (g->from > 0 && !g->alone) { /* dx is there */
        nrmi_aim_together(g, row, rows, g->from, g->n);
        nrmi_param_together(g, rows, 1, c->top ? 0 : 8);
        return 1;
    }
    for (at = 0; at < g->n; at += n) {
        n = nrmi_least(g->n - at, g->stripe);
        nrmi_aim_together(g, row, rows, g->from + at, n);
        c->level = c->top == 4 && g->late ? NULL : g->level;
        if (!nrmi_dx_together(g, row, rows, g->from + at, n))
            return 0;
    }
    if (g->alone || g->n == g->j->w.len)
        return 1;
    nrmi_aim_together(g, row, rows, g->n, g->j->w.len - g->n);
    return nrmi_dx_together(g, row, rows, g->n, g->j->w.len - g->n);
}

/* `rows` rows from row `row` on, g->stride apart: blocks of 8, or phase `phase` of one of 128. */
static int nrmi_block_together(nrmi_together *g, size_t row, size_t rows, size_t phase)
{
    /* without dx, whole trees of 8 rows */
    const size_t each = g->from > 0 && !g->alone ? (size_t)NRMI_GROUP_ROWS : g->each;
    size_t at, n;
    g->c.block = phase;
    g->c.top = g->stride > 1 ? 4 : (size_t)g->tree; /* as a phase that waits for others */
    for (at = 0; at < rows; at += n) {
        n = nrmi_least(rows - at, each);
        g->c.phase = at / 2;
        g->c.phases = (rows + 1) / 2;
        if (!nrmi_rows_together(g, row + at * g->stride, n))
            return 0;
    }
    return 1;
}

/* A block of `rows` rows, of 16 phases: one after the other; or late. */
static int nrmi_phases_together(nrmi_together *g, size_t row, size_t rows)
{
    const size_t phases = nrmi_least(rows, 16);
    nrmi_chunk rest;
    size_t i, n;
    g->c.block = 0;
    g->c.top = 4;
    for (i = 0; g->late && i < rows; i += n) {
        n = nrmi_least(rows - i, g->each);
        g->slot = i;
        if (!nrmi_rows_together(g, row + i, n))
            return 0;
    }
    g->slot = 0;
    if (g->late) {
        nrmi_aim_together(g, row, rows, 0, g->n);
        nrmi_param_together(g, rows, 16, 1);
    }
    g->stride = 16;
    for (i = 0; !g->late && i < phases; i++)
        if (!nrmi_block_together(g, row + i, (rows - i + 15) / 16, i))
            return 0;
    nrmi_copy(&rest, &g->c, sizeof rest);
    rest.n = g->n;
    rest.level = g->level + 4 * rest.level_step;
    rest.phases = phases;
    if (phases < 16)
        g->j->q->set->f32->rest(&rest);
    return 1;
}

/* Adds array i of sums to the next one and clears it. */
static void nrmi_settle_together(nrmi_together *g, int i)
{
    int k;
    for (k = g->single; k < 2; k++)
        g->j->q->set->f32->settle(nrmi_together_sum(g, i + 1, k), nrmi_together_sum(g, i, k), g->n);
}

/* dbeta and dgamma of these columns, if all of them are finite in double; else what is written is
   not the last word. */
static int nrmi_give_together(nrmi_together *g)
{
    const nrmi_job *j = g->j;
    unsigned char *const to[2] = {j->dbeta, j->dgamma};
    double *const sum[2] = {nrmi_together_sum(g, g->sums - 1, 0),
                            nrmi_together_sum(g, g->sums - 1, 1)};
    const int alone = j->q->a->accumulate || j->q->param != NRM_F32; /* one by one */
    size_t i;
    int k;
    for (k = 0; g->tree && k < 2; k++) {
        float *const tree = g->level + (size_t)(4 + k) * g->c.level_step;
        if (!to[k])
            continue;
        j->q->set->f32->plus(tree, sum[0], g->n); /* 0: a sum is no -0 */
        if (!j->q->set->f32->within((const unsigned char *)tree, g->n, 3.402823466e38))
            return 0;
        for (i = 0; j->q->param != NRM_F32 && i < g->n; i++)
            nrmi_value_set((int)j->q->param, to[k], g->from + i, (double)tree[i]);
        if (j->q->param == NRM_F32)
            memcpy(to[k] + 4 * g->from, tree, 4 * g->n);
    }
    if (g->tree)
        return 1;
    if (alone && !nrmi_sums_fit(j, NRMI_PARAM, sum[0], sum[1], g->n))
        return 0;
    for (k = 0; k < 2; k++) {
        if (alone)
            nrmi_give_all(j, to[k], g->from, g->n, sum[k]);
        else if (to[k] && !j->q->set->f32->narrow(to[k] + 4 * g->from, sum[k], g->n))
            return 0;
    }
    return 1;
}

/* All rows, and what the columns from g->from on get of them. */
static int nrmi_columns_together(nrmi_together *g)
{
    const size_t most = g->phases ? NRMI_BLOCK : NRMI_RUN;
    size_t p, row, n;
    const size_t stripe = nrmi_least(g->n, g->stripe);
    int k;
    for (k = 0; k < (g->tree ? 1 : 2 * g->sums); k++)
        memset(nrmi_together_sum(g, k / 2, k % 2), 0, g->tree ? 4 * g->n + 64 : 8 * g->n);
    /* both ends of the levels are stored to in part, which memory sanitizers do not see */
    for (k = 0; k < g->levels; k++) {
        float *const level = g->level + (size_t)k * g->c.level_step;
        memset(level, 0, 64);
        memset(level + stripe - nrmi_least(stripe, 16), 0, 128);
    }
    for (p = 0; p < g->planes; p++) {
        const size_t plane = p * g->rows;
        for (row = 0; row < g->rows; row += n) {
            n = nrmi_least(g->rows - row, most);
            g->stride = 1;
            if (!(g->phases && n > 8 ? nrmi_phases_together(g, plane + row, n)
                                     : nrmi_block_together(g, plane + row, n, 0)))
                return 0;
            if (g->rows > NRMI_RUN && (row + n == g->rows || (row + n) % NRMI_RUN == 0))
                nrmi_settle_together(g, 0);
        }
        if (g->planes > 1)
            nrmi_settle_together(g, g->sums - 2);
    }
    return nrmi_give_together(g);
}

/* 0: something did not fit float, and the longer way writes all of it anew. */
static NRMI_NOINLINE int nrmi_inner_together(const nrmi_job *j)
{
    nrmi_together g;
    nrmi_open_together(&g, j);
    for (g.from = 0; g.from < j->w.len; g.from += g.most) {
        g.n = nrmi_least(j->w.len - g.from, g.most);
        if (!nrmi_columns_together(&g))
            return 0;
    }
    return 1;
}

/* Whether there is an output as large as dy. */
static int nrmi_maps(const nrmi_job *j)
{
    return j->t.out || j->t.dres || j->t.gives;
}

static NRMI_NOINLINE void nrmi_inner_backward(const nrmi_job *j)
{
    size_t at_once = nrmi_groups_at_once(j, NRMI_TWICE / 2);
    if (nrmi_goes_together(j) && nrmi_inner_together(j))
        return;
    if (j->dgamma || j->dbeta)
        nrmi_inner_params(j);
    if (nrmi_maps(j))
        nrmi_all_units(j, nrmi_stretches(j, at_once) * j->w.outer, at_once * j->w.len,
                       nrmi_inner_unit, &at_once);
}

/* F64: sums for dgamma and dbeta go to the first half of their space, and what they lose to the
   second. */
static size_t nrmi_most_params(const nrmi_job *j)
{
    return j->t.dtype == NRM_F64 ? NRMI_LANES / 2 : j->w.fold > 1 ? NRMI_SHARED : NRMI_LANES;
}
static size_t nrmi_lost_params(const nrmi_job *j)
{
    return j->t.dtype == NRM_F64 ? NRMI_LANES / 2 : 0;
}
static void nrmi_collect(double *sum, size_t lost, double v)
{
    if (lost)
        nrmi_add_two(sum, sum + lost, v);
    else
        *sum += v;
}

/* The gradient sums of groups g..g+count over everything (BATCH: all planes; INSTANCE, GROUP:
   sample o), weighted by gamma where each lane has its own. What they are to dgamma and dbeta is
   added to kp and kq where given, or written where a plane has parameters of its own. */
static NRMI_NOINLINE void nrmi_channel_sums(const nrmi_job *j, size_t o, size_t g, size_t count,
                                            const double *mean, const double *rstd, double *big_p,
                                            double *big_q, double *kp, double *kq, size_t lost)
{
    const nrmi_walk *w = &j->w;
    const int per_sample = j->q->d->affine_per_sample;
    const int whole = j->kind == NRM_BATCH && !per_sample; /* one value for a group */
    const size_t each = whole ? w->planes : 1, unit = whole ? w->fold : 1;
    const size_t most = nrmi_stretch_lanes(j, count * w->fold) / unit * unit;
    nrmi_stretch v;
    size_t p, from, i;
    for (i = 0; i < count; i++)
        big_p[i] = big_q[i] = 0;
    for (p = 0; p < w->planes; p += each)
        for (from = 0; from < count * w->fold; from += most) {
            const size_t left = count * w->fold - from, group = from / w->fold;
            const size_t f = from % w->fold, first = whole ? group : from;
            double *const a = v.p, *const b = v.q; /* not needed before dx */
            nrmi_open(&v, j, o, p, each, g + group, f, nrmi_least(left, most));
            nrmi_fill(&v, 1, o, p, g + group, f, mean, rstd, g);
            nrmi_gradient_sums(&v, NRMI_CHANNEL, unit, a, b);
            nrmi_add_lanes(big_p + group, a, whole ? NULL : v.g, v.lanes / unit, w->fold / unit, f);
            nrmi_add_lanes(big_q + group, b, whole ? NULL : v.g, v.lanes / unit, w->fold / unit, f);
            if (per_sample) {
                const size_t at = nrmi_param_of(j, o, p, g + group, f);
                nrmi_give_all(j, j->dbeta, at, v.lanes, a);
                nrmi_give_all(j, j->dgamma, at, v.lanes, b);
            }
            for (i = 0; kp && i < v.lanes / unit; i++) {
                nrmi_collect(&kp[first + i], lost, a[i]);
                nrmi_collect(&kq[first + i], lost, b[i]);
            }
        }
}

/* dx of groups g..g+count from p and q by group, before gamma where `whole`. */
static NRMI_NOINLINE void nrmi_channel_dx(const nrmi_job *j, size_t o, size_t g, size_t count,
                                          const double *mean, const double *rstd,
                                          const double *p_of, const double *q_of)
{
    const nrmi_walk *w = &j->w;
    const int per_sample = j->q->d->affine_per_sample;
    const int whole = j->kind == NRM_BATCH && !per_sample;
    const size_t each = per_sample ? 1 : w->planes;
    const size_t most = nrmi_stretch_lanes(j, count * w->fold);
    size_t p, from;
    for (p = 0; p < w->planes; p += each)
        for (from = 0; from < count * w->fold; from += most) {
            const size_t left = count * w->fold - from;
            const size_t group = from / w->fold, f = from % w->fold;
            nrmi_stretch v;
            nrmi_open(&v, j, o, p, each, g + group, f, nrmi_least(left, most));
            nrmi_fill(&v, 0, o, p, g + group, f, mean, rstd, g);
            if (p_of) {
                nrmi_give_pq(j, p_of + group, q_of + group, v.lanes, f, whole ? v.g : NULL, v.p,
                             v.q);
            } else { /* of frozen statistics */
                nrmi_zero(v.p, sizeof v.p);
                nrmi_zero(v.q, sizeof v.q);
            }
            nrmi_gradient_lanes(&v);
        }
}

/* Gives dgamma and dbeta of `count` parameters from `at` on. */
static void nrmi_give_params(const nrmi_job *j, size_t at, size_t count, double *kp, double *kq,
                             size_t lost)
{
    if (lost) {
        nrmi_make_up(kp, kp + lost, count);
        nrmi_make_up(kq, kq + lost, count);
    }
    nrmi_give_all(j, j->dbeta, at, count, kp);
    nrmi_give_all(j, j->dgamma, at, count, kq);
}

/* dgamma and dbeta of some channels of a group that has more than the stack holds sums for. */
static void nrmi_large_group_unit(const nrmi_job *j, void *context, size_t unit)
{
    const nrmi_walk *w = &j->w;
    const size_t most = nrmi_most_params(j), lost = nrmi_lost_params(j);
    const size_t parts = (w->fold + most - 1) / most;
    const size_t g = unit / parts, from = unit % parts * most;
    double kp[NRMI_LANES], kq[NRMI_LANES], mean, rstd;
    nrmi_stretch v;
    size_t o, i;
    (void)context;
    nrmi_zero(kp, sizeof kp);
    nrmi_zero(kq, sizeof kq);
    v.lanes = nrmi_least(w->fold - from, most);
    for (o = 0; o < w->outer; o++) {
        nrmi_read_stats(j, o, g, 1, &mean, &rstd);
        nrmi_open(&v, j, o, 0, 1, g, from, v.lanes);
        nrmi_fill(&v, 1, o, 0, g, from, &mean, &rstd, g);
        nrmi_gradient_sums(&v, NRMI_CHANNEL, 1, v.p, v.q);
        for (i = 0; i < v.lanes; i++) {
            nrmi_collect(&kp[i], lost, v.p[i]);
            nrmi_collect(&kq[i], lost, v.q[i]);
        }
    }
    nrmi_give_params(j, g * w->fold + from, v.lanes, kp, kq, lost);
}

/* p and q of one group for nrmi_channel_dx. The parts put the sums into the caller's array, or take
   them from there. */
static void nrmi_channel_pq(const nrmi_job *j, size_t channel, double m, double *p, double *q)
{
    unsigned char *at = (unsigned char *)j->q->array;
    nrm_sums s;
    s.count = m;
    s.dy = *p;
    s.dy_xhat = *q;
    if (j->q->verb->flags & NRMI_WRITES_ARRAY)
        memcpy(at + channel * sizeof s, &s, sizeof s);
    if (j->q->verb->flags & NRMI_READS_ARRAY)
        memcpy(&s, at + channel * sizeof s, sizeof s);
    *p = s.dy / s.count;
    *q = s.dy_xhat / s.count;
}

/* BATCH, INSTANCE and GROUP: what a unit does. */
typedef struct nrmi_channels {
    size_t at_once, stretches; /* groups of a unit, units of a sample                          */
    size_t each;               /* parameters of a group                                        */
    int sums, collect;         /* gradient sums are needed; are added up for dgamma and dbeta   */
    int whole;                 /* a unit has all samples and gives dgamma and dbeta            */
    int broad;                  /* by broad lines                                                */
    double *park;              /* else what sample o adds to them: all kp, all kq              */
    size_t from;               /* ... from this sample on                                      */
} nrmi_channels;

/* INSTANCE and GROUP of the usual kind, by rows: P and Q of some groups, then dx while x and dy are
   in the first cache; or of one larger group, with less to do for each row. GROUP of 2x1280x8x8
   takes 0.78 of the time of tiles, of 2x640x32x32 0.9 (Zen 4). */
typedef struct nrmi_slopes {
    nrmi_chunk c;
    nrmi_lanes l;
    double of_group[2][NRMI_ROWS]; /* mean and rstd; p and q */
    double mean[NRMI_ROWS], rstd[NRMI_ROWS], p[NRMI_ROWS], q[NRMI_ROWS]; /* by row */
    double first[NRMI_ROWS], second[NRMI_ROWS], gamma[NRMI_ROWS], beta[NRMI_ROWS];
    float mh[NRMI_ROWS], ml[NRMI_ROWS], r[NRMI_ROWS], k[NRMI_ROWS], to_p[NRMI_ROWS],
        to_q[NRMI_ROWS], o[NRMI_ROWS];
} nrmi_slopes;

static int nrmi_goes_back_by_rows(const nrmi_job *j)
{
    const size_t fold = j->w.fold, most = fold > 1 ? NRMI_TWICE / 2 / fold : NRMI_FIRST_CACHE / 2;
    return nrmi_plain_rows(j) && j->kind != NRM_BATCH && fold <= NRMI_ROWS && j->t.out &&
           j->t.apart && !j->t.dsum && j->t.x_size == j->t.size && !j->q->lengths &&
           !j->q->d->affine_per_sample && j->w.len <= most / j->t.size;
}

static void nrmi_open_slopes(nrmi_slopes *s, const nrmi_job *j)
{
    const nrmi_step step = j->w.fold > 1 ? j->w.fold_step : j->w.group_step;
    nrmi_chunk *c = &s->c;
    nrmi_lanes *l = &s->l;
    nrmi_zero(c, sizeof *c);
    nrmi_zero(l, sizeof *l);
    c->x_step = c->out_step = step.x;
    c->dy_step = step.y;
    c->n = j->w.len;
    c->half = c->half_out = j->t.size == 2 ? j->t.dtype : 0;
    c->stream = j->t.stream && j->w.len > 32;
    c->stat_step = 1;
    c->first = s->first;
    c->second = s->second;
    c->mh = l->mh = s->mh;
    c->ml = l->ml = s->ml;
    c->r = l->r = s->r;
    c->k = s->k;
    c->p = l->to_p = s->to_p;
    c->q = l->to_q = s->to_q;
    c->o = l->o = s->o;
    l->mean = s->mean;
    l->rstd = s->rstd;
    l->g = s->gamma;
    l->b = s->beta;
    l->p = s->p;
    l->q = s->q;
}

/* P and Q of the rows of `count` groups from g of sample o on. 0: not all stay in float. */
static int nrmi_row_slopes(nrmi_slopes *s, const nrmi_job *j, size_t o, size_t g, size_t count)
{
    const nrmi_kernels *k = j->q->set->f32;
    const size_t fold = j->w.fold, rows = count * fold;
    size_t i;
    nrmi_read_stats(j, o, g, count, s->of_group[0], s->of_group[1]);
    nrmi_give_lanes(s->mean, s->of_group[0], rows, fold, 0);
    nrmi_give_lanes(s->rstd, s->of_group[1], rows, fold, 0);
    nrmi_channel_params(j, nrmi_param_of(j, o, 0, g, 0), rows, s->gamma, s->beta);
    s->l.n = rows;
    if (!k->comfortable(&s->l))
        return 0;
    s->l.of = NRMI_OF_SUMS;
    s->l.lift = NRMI_LIFT;
    s->l.k = NULL;
    k->coefs(&s->l);
    for (i = 0; i < rows; i++)
        s->first[i] = s->second[i] = 0;
    k->sums[0][NRMI_CHANNEL](&s->c);
    NRMI_ONE_BY_ONE
    for (i = 0; i < rows; i++)
        s->second[i] = s->second[i] * nrmi_scale_of(s->rstd[i], 0).rho / NRMI_LIFT;
    return nrmi_sums_fit(j, NRMI_CHANNEL, s->first, s->second, rows);
}

/* dx of these rows. 0: not all of it is finite, or p and q are too large for float. */
static int nrmi_row_dx(nrmi_slopes *s, const nrmi_job *j, size_t count)
{
    const nrmi_kernels *k = j->q->set->f32;
    const size_t fold = j->w.fold, rows = count * fold, values = nrmi_group_values(j);
    const double m = (double)values;
    double *const p = s->of_group[0], *const q = s->of_group[1];
    size_t i;
    nrmi_zero(p, 8 * count);
    nrmi_zero(q, 8 * count);
    nrmi_add_lanes(p, s->first, s->gamma, rows, fold, 0);
    nrmi_add_lanes(q, s->second, s->gamma, rows, fold, 0);
    NRMI_ONE_BY_ONE
    for (i = 0; i < count; i++) {
        p[i] /= m;
        q[i] /= m;
    }
    if (!nrmi_sums_fit(j, NRMI_INNER, p, q, count))
        return 0;
    nrmi_give_lanes(s->p, p, rows, fold, 0);
    nrmi_give_lanes(s->q, q, rows, fold, 0);
    s->l.of = NRMI_OF_DX;
    s->l.lift = 1;
    s->l.k = s->k;
    k->coefs(&s->l);
    k->map[NRMI_DX][0][0](&s->c);
    return s->c.finite;
}

/* Groups g..end of sample o, as far as all go this way: the first that may not. What they are to
   dgamma and dbeta is added to kp and kq, if `collect`. */
static NRMI_NOINLINE size_t nrmi_backward_rows(const nrmi_job *j, int collect, size_t o, size_t g,
                                               size_t end, double *kp, double *kq)
{
    const nrmi_walk *w = &j->w;
    const size_t fit = NRMI_FIRST_CACHE / 2 / j->t.size / w->len / w->fold;
    const size_t each = fit < 2 ? 1 : nrmi_least(fit, NRMI_ROWS / w->fold);
    nrmi_slopes s;
    size_t count, i;
    nrmi_open_slopes(&s, j);
    for (; g < end; g += count) {
        const size_t x = o * w->outer_step.x + g * w->group_step.x;
        count = nrmi_least(end - g, each);
        s.c.lines = count * w->fold;
        s.c.x = j->t.x + j->t.size * x;
        s.c.out = j->t.out + j->t.size * x;
        s.c.dy = j->t.dy + j->t.size * (o * w->outer_step.y + g * w->group_step.y);
        if (!nrmi_row_slopes(&s, j, o, g, count) || !nrmi_row_dx(&s, j, count))
            return g;
        NRMI_ONE_BY_ONE
        for (i = 0; collect && i < s.c.lines; i++) {
            *kp++ += s.first[i];
            *kq++ += s.second[i];
        }
    }
    return end;
}

/* By rows, where that can be; where a group does not fit float, NRMI_ROWS go the longer way. */
static NRMI_NOINLINE void nrmi_channel_groups(const nrmi_job *j, const nrmi_channels *c, size_t o,
                                              size_t g, size_t count, double *kp, double *kq)
{
    const size_t lost = c->whole ? nrmi_lost_params(j) : 0, each = c->collect ? c->each : 0;
    const size_t end = g + count;
    const int by_rows = nrmi_goes_back_by_rows(j);
    const size_t values = nrmi_values_in(j, o);
    const double m = (double)values;
    double mean[NRMI_LANES + 8], rstd[NRMI_LANES + 8], p[NRMI_LANES], q[NRMI_LANES];
    size_t i;
    for (; g < end; g += count, kp += each * count, kq += each * count) {
        if (by_rows) {
            count = nrmi_backward_rows(j, c->collect, o, g, end, kp, kq) - g;
            if (count > 0)
                continue;
            count = nrmi_least(end - g, NRMI_ROWS / j->w.fold);
        }
        for (i = 0; i < count; i++)
            p[i] = q[i] = 0;
        nrmi_read_stats(j, o, g, count, mean, rstd);
        if (c->sums)
            nrmi_channel_sums(j, o, g, count, mean, rstd, p, q, c->collect ? kp : NULL, kq, lost);
        for (i = 0; i < count; i++)
            nrmi_channel_pq(j, g + i, m, &p[i], &q[i]);
        if (nrmi_maps(j))
            nrmi_channel_dx(j, o, g, count, mean, rstd, j->t.frozen ? NULL : p, q);
    }
}

/* The sums of a piece of groups g..g+count, of which p and q are made: how many. */
static NRMI_NOINLINE size_t nrmi_broad_sums(const nrmi_job *j, size_t o, size_t g, size_t count,
                                            double *p, double *q, double *kp, double *kq)
{
    const int alone = j->w.fold == 1; /* lanes, whose statistics are read where they are needed */
    double mean[NRMI_AT_ONCE + 8], rstd[NRMI_AT_ONCE + 8];
    count = alone ? nrmi_least(count, nrmi_piece_groups(j)) : nrmi_few_groups(j, count);
    if (!alone)
        nrmi_read_stats(j, o, g, count, mean, rstd);
    nrmi_channel_sums(j, o, g, count, alone ? NULL : mean, alone ? NULL : rstd, p, q, kp, kq, 0);
    return count;
}

/* dx of these groups by broad lines. 0: one of them is not of the usual kind. */
static NRMI_NOINLINE int nrmi_broad_dx(const nrmi_job *j, size_t o, size_t g, size_t count,
                                      const double *p, const double *q)
{
    unsigned char space[7 * 4 * NRMI_BROAD_STEP + 128];
    double mean[NRMI_AT_ONCE + 8], rstd[NRMI_AT_ONCE + 8];
    nrmi_broad w;
    size_t at, n;
    nrmi_open_broad(&w, space, nrmi_shift_of(j->t.out, j->t.size, 4), 1, j->t.relu);
    for (at = 0; at < count; at += n) {
        n = nrmi_few_groups(j, count - at);
        nrmi_read_stats(j, o, g + at, n, mean, rstd);
        if (!nrmi_broad_coefs(&w, j, o, g + at, n, mean, rstd, p + at, q + at))
            return 0;
    }
    nrmi_map_broad(&w, j, o, g, 1);
    return 1;
}
/* ... or a piece after the other. */
static NRMI_NOINLINE void nrmi_pieces_dx(const nrmi_job *j, size_t o, size_t g, size_t count,
                                         const double *p, const double *q)
{
    double mean[NRMI_AT_ONCE + 8], rstd[NRMI_AT_ONCE + 8];
    size_t at, n;
    for (at = 0; at < count; at += n) {
        n = nrmi_few_groups(j, count - at);
        nrmi_read_stats(j, o, g + at, n, mean, rstd);
        nrmi_channel_dx(j, o, g + at, n, mean, rstd, p + at, q + at);
    }
}

/* Groups g..g+count of samples o..end by broad lines. The sums of BATCH are its dbeta and dgamma;
   those of others are weighted, or added up over the samples. */
static size_t nrmi_most_broad(const nrmi_job *j)
{
    return j->kind == NRM_BATCH ? NRMI_BROAD : j->w.fold > 1 ? NRMI_AT_ONCE : NRMI_BROAD / 2;
}
static NRMI_NOINLINE void nrmi_channel_broad(const nrmi_job *j, const nrmi_channels *c, size_t o,
                                            size_t end, size_t g, size_t count)
{
    const int batch = j->kind == NRM_BATCH;
    const size_t params = count * c->each, values = nrmi_group_values(j);
    double kp[NRMI_BROAD + NRMI_AT_ONCE], kq[NRMI_BROAD + NRMI_AT_ONCE];
    const size_t at_p = batch ? 0 : j->w.fold > 1 ? NRMI_BROAD : NRMI_BROAD / 2;
    double *const p = kp + at_p, *const q = kq + at_p;
    size_t at, n, i;
    for (i = 0; i < params; i++)
        kp[i] = kq[i] = 0;
    for (; o < end; o++) {
        for (at = 0; c->sums && at < count; at += n)
            n = nrmi_broad_sums(j, o, g + at, count - at, p + at, q + at,
                                c->collect && !batch ? kp + at * c->each : NULL,
                                kq + at * c->each);
        if (c->collect && batch)
            nrmi_give_params(j, g, count, p, q, 0);
        for (i = 0; i < count; i++)
            nrmi_channel_pq(j, g + i, (double)values, &p[i], &q[i]);
        if (!nrmi_broad_dx(j, o, g, count, p, q))
            nrmi_pieces_dx(j, o, g, count, p, q);
    }
    if (c->collect && !batch)
        nrmi_give_params(j, g * c->each, params, kp, kq, 0);
}

static NRMI_NOINLINE void nrmi_channel_narrow(const nrmi_job *j, const nrmi_channels *c, size_t o,
                                              size_t g, size_t count)
{
    const size_t params = count * c->each, all = j->w.groups * c->each;
    const size_t lost = c->whole ? nrmi_lost_params(j) : 0;
    double here[2][NRMI_LANES], *kp = here[0], *kq = here[1];
    size_t i;
    if (c->park) {
        kp = c->park + 2 * all * o + g * c->each;
        kq = kp + all;
    }
    for (i = 0; c->collect && i < params; i++)
        kp[i] = kq[i] = 0;
    for (i = lost; i < lost + params && lost; i++)
        kp[i] = kq[i] = 0;
    if (!c->whole) {
        nrmi_channel_groups(j, c, c->from + o, g, count, kp, kq);
        return;
    }
    for (i = 0; i < j->w.outer; i++)
        nrmi_channel_groups(j, c, i, g, count, kp, kq);
    nrmi_give_params(j, g * c->each, params, kp, kq, nrmi_lost_params(j));
}

static void nrmi_channel_unit(const nrmi_job *j, void *context, size_t unit)
{
    const nrmi_channels *c = (const nrmi_channels *)context;
    const size_t o = unit / c->stretches, g = unit % c->stretches * c->at_once;
    const size_t count = nrmi_least(j->w.groups - g, c->at_once);
    if (c->broad)
        nrmi_channel_broad(j, c, c->whole ? 0 : o, c->whole ? j->w.outer : o + 1, g, count);
    else
        nrmi_channel_narrow(j, c, o, g, count);
}

/* Few channels and many samples: the samples are units, and what each adds to dgamma and dbeta is
   parked, for as many samples at a time as there is room, behind the sums themselves and, in F64,
   what these lose. */
static void nrmi_channels_by_sample(nrmi_job *j, nrmi_channels *c, size_t values)
{
    const size_t outer = j->w.outer, all = j->w.groups * c->each;
    const size_t lost = j->t.dtype == NRM_F64 ? 2 * all : 0, taken = 2 * all + lost;
    const size_t window = nrmi_least((j->park_count - taken) / 2 / all, outer);
    double *const sum = j->park;
    size_t o, i;
    j->park_count = 0; /* it is taken */
    c->park = sum + taken;
    for (i = 0; i < taken; i++)
        sum[i] = 0;
    for (c->from = 0; c->from < outer; c->from += window) {
        const size_t count = nrmi_least(window, outer - c->from);
        nrmi_all_units(j, count * c->stretches, values, nrmi_channel_unit, c);
        for (o = 0; o < count; o++)
            for (i = 0; i < 2 * all; i++)
                nrmi_collect(&sum[i], lost, c->park[2 * all * o + i]);
    }
    nrmi_give_params(j, 0, all, sum, sum + all, lost);
}

/* BATCH, INSTANCE and GROUP. */
static NRMI_NOINLINE void nrmi_channel_backward(nrmi_job *j)
{
    const nrmi_walk *w = &j->w;
    const unsigned f = j->q->verb->flags;
    const int params = (f & NRMI_GIVES_PARAMS) && (j->dgamma || j->dbeta);
    const size_t most = nrmi_most_params(j);
    nrmi_channels c;
    size_t values;
    c.each = j->kind == NRM_BATCH ? 1 : w->fold;
    c.at_once = nrmi_groups_at_once(j, NRMI_TWICE / 2);
    if (c.each <= most)
        c.at_once = nrmi_least(c.at_once, most / c.each);
    c.stretches = nrmi_stretches(j, c.at_once);
    c.sums = !(f & NRMI_READS_ARRAY) &&
             (((j->t.out || j->t.dres) && !j->t.frozen) || params || (f & NRMI_WRITES_ARRAY));
    c.collect = params && !j->q->d->affine_per_sample;
    c.park = NULL;
    c.broad = 0;
    c.from = 0;
    values = c.at_once * nrmi_group_values(j);
    if (c.collect && c.each > most) {
        const size_t units = w->groups * ((w->fold + most - 1) / most);
        c.collect = 0;
        nrmi_all_units(j, units, most * w->len * w->outer, nrmi_large_group_unit, NULL);
        if (!nrmi_maps(j) && !(f & NRMI_WRITES_ARRAY))
            return;
    }
    c.whole = c.collect;
    if (c.collect && w->outer > 1 && j->pool && j->park_count / 6 / w->groups / c.each > 0 &&
        !nrmi_units_suffice(j, c.stretches, values * w->outer)) {
        c.whole = 0;
        nrmi_channels_by_sample(j, &c, values);
        return;
    }
    if (nrmi_goes_broad(j)) {
        c.broad = 1;
        c.at_once = nrmi_broad_groups(j, nrmi_most_broad(j));
        c.stretches = nrmi_stretches(j, c.at_once);
        values = c.at_once * nrmi_group_values(j);
    }
    nrmi_all_units(j, c.stretches * (c.whole ? 1 : w->outer), values * (c.whole ? w->outer : 1),
                   nrmi_channel_unit, &c);
}

/* ---- C19 Verbs ------------------------------------------------------------------------ */

/* nrm_infer, and nrm_apply: y from statistics that are known before. */
static void nrmi_known_stats(const nrmi_job *j, size_t g, size_t count, double *mean, double *rstd)
{
    nrm_moments one;
    size_t i;
    if (j->q->verb->flags & NRMI_NEEDS_RUNNING) {
        nrmi_read_stats(j, 0, g, count, mean, rstd);
        return;
    }
    for (i = 0; i < count; i++) {
        memcpy(&one, (const unsigned char *)j->q->array + (g + i) * sizeof one, sizeof one);
        mean[i] = one.mean;
        rstd[i] = nrmi_rstd(one.m2 / one.count, j->q->d->eps);
    }
}

/* By broad lines. 0: one of them is not of the usual kind. */
static NRMI_NOINLINE int nrmi_known_broad(const nrmi_job *j, size_t g, size_t count)
{
    unsigned char space[4 * 4 * NRMI_BROAD_STEP + 128];
    double mean[NRMI_AT_ONCE + 8], rstd[NRMI_AT_ONCE + 8];
    nrmi_broad w;
    size_t at, n;
    nrmi_open_broad(&w, space, nrmi_shift_of(j->t.out, j->t.size, 4), 0, 0);
    for (at = 0; at < count; at += n) {
        n = nrmi_few_groups(j, count - at);
        nrmi_known_stats(j, g + at, n, mean, rstd);
        if (!nrmi_broad_coefs(&w, j, 0, g + at, n, mean, rstd, NULL, NULL))
            return 0;
    }
    nrmi_map_broad(&w, j, 0, g, 0);
    return 1;
}

static void nrmi_known_unit(const nrmi_job *j, void *context, size_t unit)
{
    const size_t at_once = *(const size_t *)context;
    const size_t end = nrmi_least(j->w.groups, (unit + 1) * at_once);
    double mean[NRMI_LANES + 8], rstd[NRMI_LANES + 8];
    size_t g = unit * at_once, count;
    if (nrmi_goes_broad(j) && nrmi_known_broad(j, g, end - g))
        return;
    for (; g < end; g += count) {
        count = nrmi_least(end - g, nrmi_goes_broad(j) ? nrmi_piece_groups(j) : at_once);
        nrmi_known_stats(j, g, count, mean, rstd);
        nrmi_apply_groups(j, 0, g, count, mean, rstd);
    }
}

static void nrmi_apply_known(const nrmi_job *j)
{
    /* threads: whole planes for each, or, of few planes, whole rows. Pieces of all rows took 1.5
       times as long (2 threads, 1x64x112x112). */
    const int rows = j->pool && j->w.planes < nrmi_tasks(j);
    size_t at_once = nrmi_goes_broad(j)
                         ? nrmi_broad_groups(j, NRMI_BROAD)
                         : nrmi_groups_at_once(j, rows ? (size_t)NRMI_TWICE : (size_t)-1);
    nrmi_all_units(j, nrmi_stretches(j, at_once), at_once * nrmi_group_values(j), nrmi_known_unit,
                   &at_once);
}

/* nrm_apply's other outputs, all of which the moments give. */
static nrm_status nrmi_moments_out(const nrmi_job *j)
{
    const unsigned char *from = (const unsigned char *)j->q->array;
    nrmi_running r;
    nrm_moments one;
    double variance;
    size_t i;
    int write;
    r.moves = nrmi_moves_running(j->q);
    r.unbiased = !j->q->a->running_population;
    r.all_finite = 1;
    for (write = 0; write < 2; write++)
        for (i = 0; i < j->all_c; i++) {
            memcpy(&one, from + i * sizeof one, sizeof one);
            variance = nrmi_variance(one.m2, one.count, r.unbiased);
            if (r.moves && r.all_finite)
                nrmi_move(j, &r, i, 1, &one.mean, &variance, write);
            if (write && j->mean)
                nrmi_f64_set(j->mean, i, one.mean);
            if (write && j->rstd)
                nrmi_f64_set(j->rstd, i, nrmi_rstd(one.m2 / one.count, j->q->d->eps));
        }
    return r.all_finite ? NRM_OK : NRM_ERR_NONFINITE;
}

/* nrm_reduce. */
static void nrmi_reduce_unit(const nrmi_job *j, void *context, size_t unit)
{
    const size_t at_once = *(const size_t *)context, g = unit * at_once;
    const size_t values = nrmi_values_in(j, 0);
    const size_t count = nrmi_least(j->w.groups - g, at_once);
    double mean[NRMI_LANES + 8], m2[NRMI_LANES + 8], rstd[NRMI_LANES + 8];
    signed char power[NRMI_LANES];
    size_t i;
    nrmi_moments_of(j, 0, g, count, mean, m2, power, rstd);
    for (i = 0; i < count; i++) {
        nrm_moments one;
        one.count = (double)values;
        one.mean = mean[i];
        one.m2 = nrmi_unscaled(m2[i], power[i]);
        memcpy((unsigned char *)j->q->array + (g + i) * sizeof one, &one, sizeof one);
    }
}

/* Runs a checked call that is not empty: as one job, or, for GROUP with s = 1, as one for each
   group. */
static NRMI_NOINLINE nrm_status nrmi_run(const nrmi_call *q, nrm_status (*run)(nrmi_job *))
{
    nrm_status status = NRM_OK;
    size_t g = 0, jobs, places[32];
    nrmi_job j;
    do {
        nrmi_start(q, &j, places);
        jobs = j.kind == NRM_GROUP && j.s == 1 ? j.groups : 1;
        if (j.kind == NRM_GROUP && j.s == 1)
            nrmi_group_as_layer(&j, g);
        if (j.inner && !q->d->affine_per_sample)
            j.t.forced = (unsigned char)nrmi_uncomfortable_params(&j, 0);
        status = run(&j);
    } while (++g < jobs);
    return status;
}

static nrm_status nrmi_run_infer(nrmi_job *j)
{
    nrmi_apply_known(j);
    return NRM_OK;
}
static nrm_status nrmi_run_apply(nrmi_job *j)
{
    nrmi_apply_known(j);
    return nrmi_moments_out(j);
}
static nrm_status nrmi_run_reduce(nrmi_job *j)
{
    size_t at_once = nrmi_groups_at_once(j, NRMI_TWICE);
    nrmi_all_units(j, nrmi_stretches(j, at_once), at_once * nrmi_group_values(j), nrmi_reduce_unit,
                   &at_once);
    return NRM_OK;
}
static nrm_status nrmi_run_backward(nrmi_job *j)
{
    j->t.back = !j->t.stream && !(j->q->verb->flags & NRMI_READS_ARRAY);
    if (!(j->q->verb->flags & NRMI_GIVES_PARAMS))
        j->dgamma = j->dbeta = NULL;
    if (j->q->verb == &nrmi_verbs[NRM_BACKWARD_REDUCE])
        j->t.out = j->t.dres = NULL;
    if (j->inner)
        nrmi_inner_backward(j);
    else
        nrmi_channel_backward(j);
    return NRM_OK;
}

/* The gradients of parameters that met no value. */
static NRMI_NOINLINE void nrmi_no_gradient(const nrmi_call *q)
{
    const nrm_args *a = q->a;
    const size_t count = q->d->c * (q->d->affine_per_sample ? q->d->n : 1);
    size_t i;
    nrmi_job j;
    nrmi_start(q, &j, NULL);
    for (i = 0; !a->accumulate && i < count; i++) {
        nrmi_give(&j, j.dgamma, i, 0);
        nrmi_give(&j, j.dbeta, i, 0);
    }
}

static void nrmi_zeros(void *array, size_t c)
{
    size_t i;
    for (i = 0; i < 3 * c; i++)
        nrmi_f64_set(array, i, 0);
}

/* nrm_apply: emptiness and single samples are those of the merged batch. */
static NRMI_NOINLINE nrm_status nrmi_apply_call(const nrmi_call *q)
{
    int values = 0, one = 0;
    nrmi_job j;
    size_t i;
    for (i = 0; i < q->d->c; i++) {
        const double count = nrmi_f64_at(q->array, 3 * i);
        values |= nrmi_bits(count) != 0;
        one |= nrmi_one_sample(q, count);
    }
    if (!values)
        return NRM_OK;
    if (one)
        return NRM_ERR_SAMPLES;
    if (!q->empty && q->positions)
        return nrmi_run(q, nrmi_run_apply);
    nrmi_start(q, &j, NULL);
    return nrmi_moments_out(&j);
}

/* Clears elements from..d->s of each line of a sample, or lines from..d->s. */
static void nrmi_clear_sample(const nrmi_call *q, int like, unsigned char *p, size_t from)
{
    const size_t size = nrmi_element(q, like), line = nrmi_pitch(q, like)->line;
    const int whole = nrmi_layout(q->d, like) == NRM_NHWC;
    const size_t lines = nrmi_lines(q->d, like), at = whole ? 0 : from;
    size_t l;
    for (l = whole ? from : 0; l < lines; l++)
        memset(p + size * (l * line + at), 0, size * (nrmi_width(q->d, like) - at));
}

/* Padding is +0 in every output, and so are statistics and scales of what is not there. */
static NRMI_NOINLINE void nrmi_clear_padding(const nrmi_call *q)
{
    const size_t s = q->d->s, each = q->d->kind == NRM_BATCH ? 0 : nrmi_stats_each(q->d);
    const int rows = q->d->kind == NRM_LAYER || q->d->kind == NRM_RMS;
    unsigned set;
    size_t i;
    for (set = q->writes; set; set &= set - 1) {
        const nrmi_field *field = &nrmi_fields[nrmi_lowest(set)];
        const int like = field->like, scales = like == NRMI_LIKE_SCALES;
        unsigned char *p;
        memcpy(&p, (const unsigned char *)q->a + field->at, sizeof p);
        for (i = 0; p && i < q->d->n; i++) {
            const size_t length = nrmi_size_at(q->lengths, i);
            const size_t from = rows ? length : length ? each : 0, size = scales ? 4 : 8;
            if (like < NRMI_TENSORS && length < s)
                nrmi_clear_sample(
                    q, like, p + nrmi_element(q, like) * i * nrmi_pitch(q, like)->sample, length);
            if (scales || like == NRMI_LIKE_STATS)
                memset(p + size * (i * each + from), 0, size * (each - nrmi_least(from, each)));
        }
    }
}

/* A checked call. */
static nrm_status nrmi_do(const nrmi_verb *verb, nrmi_call *q)
{
    if (verb == &nrmi_verbs[NRM_APPLY])
        return nrmi_apply_call(q);
    if (q->empty || !q->positions) {
        if (verb->flags & NRMI_GIVES_PARAMS)
            nrmi_no_gradient(q);
        if (verb->flags & NRMI_WRITES_ARRAY)
            nrmi_zeros(q->array, q->d->c);
        return NRM_OK;
    }
    return nrmi_run(q, verb == &nrmi_verbs[NRM_FORWARD]  ? nrmi_run_forward
                       : verb == &nrmi_verbs[NRM_INFER]  ? nrmi_run_infer
                       : verb == &nrmi_verbs[NRM_REDUCE] ? nrmi_run_reduce
                                                         : nrmi_run_backward);
}

static NRMI_NOINLINE nrm_status nrmi_dispatch(const nrmi_verb *verb, const nrm_desc *d,
                                              const nrm_args *a, void *array, unsigned found)
{
    nrmi_call q;
    const unsigned wrong = nrmi_check(verb, d, a, array, &q);
    nrm_status status;
    if (wrong)
        return (nrm_status)(wrong % 16);
    if (!array && q.d->c && (verb->flags & (NRMI_READS_ARRAY | NRMI_WRITES_ARRAY)))
        return NRM_ERR_NULL;
    q.found = found;
    status = nrmi_do(verb, &q);
    if (q.lengths && (status == NRM_OK || status == NRM_ERR_NONFINITE))
        nrmi_clear_padding(&q);
    return status;
}

/* Every verb, in the default floating-point state. */
static nrm_status nrmi_public(const nrmi_verb *verb, const nrm_desc *d, const nrm_args *a,
                              const void *array)
{
    const unsigned found = nrmi_enter();
    const nrm_status status = nrmi_dispatch(verb, d, a, (void *)(uintptr_t)array, found);
    nrmi_fence();
    nrmi_leave(found);
    return status;
}

NRM_API nrm_status nrm_forward(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verbs[NRM_FORWARD], d, a, NULL);
}

NRM_API nrm_status nrm_infer(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verbs[NRM_INFER], d, a, NULL);
}

NRM_API nrm_status nrm_backward(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verbs[NRM_BACKWARD], d, a, NULL);
}

NRM_API nrm_status nrm_infer_backward(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verbs[NRM_INFER_BACKWARD], d, a, NULL);
}

NRM_API nrm_status nrm_reduce(const nrm_desc *d, const nrm_args *a, nrm_moments *c_of_them)
{
    return nrmi_public(&nrmi_verbs[NRM_REDUCE], d, a, c_of_them);
}

NRM_API nrm_status nrm_apply(const nrm_desc *d, const nrm_args *a, const nrm_moments *c_of_them)
{
    return nrmi_public(&nrmi_verbs[NRM_APPLY], d, a, c_of_them);
}

NRM_API nrm_status nrm_backward_reduce(const nrm_desc *d, const nrm_args *a, nrm_sums *c_of_them)
{
    return nrmi_public(&nrmi_verbs[NRM_BACKWARD_REDUCE], d, a, c_of_them);
}

NRM_API nrm_status nrm_backward_apply(const nrm_desc *d, const nrm_args *a,
                                      const nrm_sums *c_of_them)
{
    return nrmi_public(&nrmi_verbs[NRM_BACKWARD_APPLY], d, a, c_of_them);
}

/* NUMERICS, "Merge": from the mean of more values. The other way, a share of one outlier costs
   F64 the square root of their number in roundings. */
static NRMI_NOINLINE void nrmi_merge_moments(nrm_moments *into, const nrm_moments *from, size_t c)
{
    size_t i;
    for (i = 0; i < c; i++) {
        const int swap = into[i].count < from[i].count;
        nrm_moments a = swap ? from[i] : into[i];
        const nrm_moments b = swap ? into[i] : from[i];
        if (nrmi_bits(b.count) != 0) {
            const double n = a.count + b.count, d = b.mean - a.mean, part = b.count / n;
            a.mean = a.mean + nrmi_product(d, part);
            a.m2 = (a.m2 + b.m2) + nrmi_product(d * d, a.count * part);
            a.count = n;
        }
        into[i] = a;
    }
}

NRM_API void nrm_merge(nrm_moments *into, const nrm_moments *from, size_t c)
{
    const unsigned found = nrmi_enter();
    nrmi_merge_moments(into, from, c);
    nrmi_leave(found);
}

static NRMI_NOINLINE void nrmi_add_sums(nrm_sums *into, const nrm_sums *from, size_t c)
{
    size_t i;
    for (i = 0; i < c; i++) {
        into[i].count += from[i].count;
        into[i].dy += from[i].dy;
        into[i].dy_xhat += from[i].dy_xhat;
    }
}

NRM_API void nrm_merge_sums(nrm_sums *into, const nrm_sums *from, size_t c)
{
    const unsigned found = nrmi_enter();
    nrmi_add_sums(into, from, c);
    nrmi_leave(found);
}

/* Room for the running statistics that wait; and, with a pool, for the partial sums of 16 cells of
   NRMI_LANES lanes for each thread, or of INSTANCE's and GROUP's samples. */
NRM_API size_t nrm_workspace_size(const nrm_desc *d, size_t threads)
{
    size_t waiting = 0, cells, samples = 0;
    if (nrm_stat_count(d) == 0)
        return 0;
    if ((d->kind == NRM_BATCH || d->kind == NRM_INSTANCE) && d->c > NRMI_WAITING)
        waiting = 16 * d->c + 16;
    if (threads < 2 || d->n * d->c * (d->s ? d->s : 1) < NRM_POOL_MIN)
        return waiting;
    threads = nrmi_least(threads, 1024);
    cells = threads * 16 * NRMI_LANES * 16;
    if (d->kind == NRM_INSTANCE || d->kind == NRM_GROUP)
        samples = 16 * d->c * (1 + nrmi_least(d->n, 4 * threads));
    return waiting + 16 + (cells > samples ? cells : samples);
}

/* ---- C20 Short forms ------------------------------------------------------------------ */

static nrm_status nrmi_short(nrm_kind kind, nrm_layout layout, size_t n, size_t c, size_t s,
                             size_t groups, float *y, const float *x, const float *gamma,
                             const float *beta, double eps)
{
    nrm_desc d;
    nrm_args a;
    nrmi_zero(&d, sizeof d);
    nrmi_zero(&a, sizeof a);
    d.kind = kind;
    d.layout = layout;
    d.n = n;
    d.c = c;
    d.s = s;
    d.groups = groups;
    d.eps = eps;
    a.x = x;
    a.y = y;
    a.gamma = gamma;
    a.beta = beta;
    return nrm_forward(&d, &a);
}

NRM_API nrm_status nrm_layernorm(float *y, const float *x, size_t rows, size_t cols,
                                 const float *gamma, const float *beta, double eps)
{
    return nrmi_short(NRM_LAYER, NRM_NHWC, rows, cols, 1, 0, y, x, gamma, beta, eps);
}

NRM_API nrm_status nrm_rmsnorm(float *y, const float *x, size_t rows, size_t cols,
                               const float *gamma, double eps)
{
    return nrmi_short(NRM_RMS, NRM_NHWC, rows, cols, 1, 0, y, x, gamma, NULL, eps);
}

NRM_API nrm_status nrm_instancenorm(float *y, const float *x, size_t n, size_t c, size_t s,
                                    nrm_layout layout, const float *gamma, const float *beta,
                                    double eps)
{
    return nrmi_short(NRM_INSTANCE, layout, n, c, s, 0, y, x, gamma, beta, eps);
}

NRM_API nrm_status nrm_groupnorm(float *y, const float *x, size_t n, size_t c, size_t s,
                                 size_t groups, nrm_layout layout, const float *gamma,
                                 const float *beta, double eps)
{
    return nrmi_short(NRM_GROUP, layout, n, c, s, groups, y, x, gamma, beta, eps);
}

NRM_API nrm_status nrm_batchnorm_infer(float *y, const float *x, size_t n, size_t c, size_t s,
                                       nrm_layout layout, const float *mean, const float *var,
                                       const float *gamma, const float *beta, double eps)
{
    nrm_desc d;
    nrm_args a;
    nrmi_zero(&d, sizeof d);
    nrmi_zero(&a, sizeof a);
    d.kind = NRM_BATCH;
    d.layout = layout;
    d.n = n;
    d.c = c;
    d.s = s;
    d.eps = eps;
    a.x = x;
    a.y = y;
    a.gamma = gamma;
    a.beta = beta;
    a.running_mean = (void *)(uintptr_t)mean; /* only read */
    a.running_var = (void *)(uintptr_t)var;
    return nrm_infer(&d, &a);
}

/* ---- C21 Fold ------------------------------------------------------------------------- */

/* Whether two float arrays overlap other than by being the same one. */
static NRMI_NOINLINE int nrmi_apart(const float *out, size_t out_count, const float *in,
                                    size_t in_count, int same)
{
    const uintptr_t a = (uintptr_t)out, b = (uintptr_t)in;
    if (!in || !out_count || !in_count || (same && a == b))
        return 1;
    return a < b ? b - a >= 4 * out_count : a - b >= 4 * in_count;
}

/* Of the inputs the first is weight with `all` values, the second bias with `rows`, the others have
   c. weight_out may be weight, bias_out may be bias. */
static NRMI_NOINLINE int nrmi_fold_apart(const float *weight_out, const float *bias_out,
                                         const float *const *in, int ins, size_t all, size_t rows,
                                         size_t c)
{
    int i;
    for (i = 0; i < ins; i++) {
        const size_t count = i == 0 ? all : i == 1 ? rows : c;
        if (!nrmi_apart(weight_out, all, in[i], count, i == 0) ||
            !nrmi_apart(bias_out, rows, in[i], count, i == 1))
            return 0;
    }
    return nrmi_apart(weight_out, all, bias_out, rows, 0);
}

static NRMI_NOINLINE nrm_status nrmi_fold_it(float *weight_out, float *bias_out,
                                             const float *weight, const float *bias, size_t c,
                                             size_t k, const float *mean, const float *var,
                                             const float *gamma, const float *beta, double eps)
{
    const float *in[6];
    size_t all, i, j;
    if (!nrmi_times(c, k, &all) || !nrmi_times(all, 4, &i) || !nrmi_times(c, 4, &i))
        return NRM_ERR_SIZE;
    if (!nrmi_finite(eps) || eps < 0)
        return NRM_ERR_EPS;
    if (c == 0)
        return NRM_OK;
    if (!bias_out || !mean || !var || (k && (!weight || !weight_out)))
        return NRM_ERR_NULL;
    in[0] = weight;
    in[1] = bias;
    in[2] = gamma;
    in[3] = beta;
    in[4] = mean;
    in[5] = var;
    if (!nrmi_fold_apart(weight_out, bias_out, in, 6, all, c, c))
        return NRM_ERR_ALIAS;
    for (i = 0; i < c; i++) {
        const double rstd = nrmi_rstd((double)nrmi_f32_at(var, i), eps);
        const double scale = (gamma ? (double)nrmi_f32_at(gamma, i) : 1) * rstd;
        const double shift =
            (bias ? (double)nrmi_f32_at(bias, i) : 0) - (double)nrmi_f32_at(mean, i);
        nrmi_f32_set(bias_out, i,
                     (float)(nrmi_product(shift, scale) +
                             (beta ? (double)nrmi_f32_at(beta, i) : 0)));
        for (j = 0; j < k; j++)
            nrmi_f32_set(weight_out, i * k + j,
                         (float)((double)nrmi_f32_at(weight, i * k + j) * scale));
    }
    return NRM_OK;
}

NRM_API nrm_status nrm_fold(float *weight_out, float *bias_out, const float *weight,
                            const float *bias, size_t c, size_t k, const float *mean,
                            const float *var, const float *gamma, const float *beta, double eps)
{
    const unsigned found = nrmi_enter();
    const nrm_status status =
        nrmi_fold_it(weight_out, bias_out, weight, bias, c, k, mean, var, gamma, beta, eps);
    nrmi_leave(found);
    return status;
}

static NRMI_NOINLINE nrm_status nrmi_fold_next_it(float *weight_out, float *bias_out,
                                                  const float *weight, const float *bias,
                                                  size_t rows, size_t c, const float *gamma,
                                                  const float *beta)
{
    const float *in[4];
    size_t all, i, j;
    if (!nrmi_times(rows, c, &all) || !nrmi_times(all, 4, &i) || !nrmi_times(rows, 4, &i) ||
        !nrmi_times(c, 4, &i))
        return NRM_ERR_SIZE;
    if (rows == 0)
        return NRM_OK;
    if (!bias_out || (c && (!weight || !weight_out)))
        return NRM_ERR_NULL;
    in[0] = weight;
    in[1] = bias;
    in[2] = gamma;
    in[3] = beta;
    if (!nrmi_fold_apart(weight_out, bias_out, in, 4, all, rows, c))
        return NRM_ERR_ALIAS;
    for (i = 0; i < rows; i++) {
        double sum = bias ? (double)nrmi_f32_at(bias, i) : 0;
        for (j = 0; j < c; j++) {
            const double w = (double)nrmi_f32_at(weight, i * c + j);
            if (beta)
                sum += nrmi_product(w, (double)nrmi_f32_at(beta, j));
            nrmi_f32_set(weight_out, i * c + j,
                         gamma ? (float)(w * (double)nrmi_f32_at(gamma, j)) : (float)w);
        }
        nrmi_f32_set(bias_out, i, (float)sum);
    }
    return NRM_OK;
}

NRM_API nrm_status nrm_fold_next(float *weight_out, float *bias_out, const float *weight,
                                 const float *bias, size_t rows, size_t c, const float *gamma,
                                 const float *beta)
{
    const unsigned found = nrmi_enter();
    const nrm_status status =
        nrmi_fold_next_it(weight_out, bias_out, weight, bias, rows, c, gamma, beta);
    nrmi_leave(found);
    return status;
}

/* ---- C22 Explain ---------------------------------------------------------------------- */

#define NRMI_NAME(name, like, same) #name "\0"
#define NRMI_SENTENCE(name, status, sentence) sentence "\0"
#define NRMI_VERB_NAMES                                                                         \
    "nrm_forward\0nrm_infer\0nrm_backward\0nrm_infer_backward\0nrm_reduce\0nrm_apply\0"          \
    "nrm_backward_reduce\0nrm_backward_apply"

/* Where a sentence goes: `left` bytes, the last of which is for the NUL. */
typedef struct nrmi_text {
    char *at;
    size_t left;
} nrmi_text;

static NRMI_COLD void nrmi_say(nrmi_text *t, char c)
{
    if (t->left > 1) {
        *t->at++ = c;
        t->left--;
    }
}

/* Word i of several, each with a NUL after it. */
static NRMI_COLD void nrmi_say_word(nrmi_text *t, const char *words, size_t i)
{
    for (; i; words++)
        i -= *words == 0;
    while (*words)
        nrmi_say(t, *words++);
}

static NRMI_COLD void nrmi_say_whole(nrmi_text *t, size_t v)
{
    if (v > 9)
        nrmi_say_whole(t, v / 10);
    nrmi_say(t, (char)('0' + v % 10));
}

/* Of an enumeration, which may have been given anything. */
static NRMI_COLD void nrmi_say_int(nrmi_text *t, int v)
{
    if (v < 0)
        nrmi_say(t, '-');
    nrmi_say_whole(t, v < 0 ? 0 - (size_t)v : (size_t)v);
}

/* Six digits, as %g has them, but 1e-5 for 1e-05. */
static NRMI_COLD void nrmi_say_real(nrmi_text *t, double v)
{
    uint64_t bits;
    unsigned digits, power = 100000;
    int e = 0, point, i;
    memcpy(&bits, &v, sizeof bits);
    if (bits >> 63)
        nrmi_say(t, '-');
    v = nrmi_from_bits(nrmi_bits(v));
    if (!nrmi_finite(v)) {
        nrmi_say_word(t, "inf\0nan", (size_t)nrmi_is_nan(v));
        return;
    }
    for (; v >= 10; e++)
        v /= 10;
    for (; v < 1 && nrmi_bits(v); e--)
        v *= 10;
    digits = (unsigned)(v * power + 0.5);
    if (digits >= 10 * power) {
        digits /= 10;
        e++;
    }
    point = e < -4 || e > 5 ? 0 : e; /* the place of the last digit before the point */
    for (i = point < 0 ? point : 0; i <= point || digits; i++) {
        if (i == point + 1)
            nrmi_say(t, '.');
        nrmi_say(t, (char)('0' + (i < 0 ? 0 : digits / power)));
        if (i >= 0)
            digits = digits % power * 10;
    }
    if (point != e) {
        nrmi_say(t, 'e');
        nrmi_say_int(t, e);
    }
}

/* The buffers of a set: "x, residual, add or gate". */
static NRMI_COLD void nrmi_say_set(nrmi_text *t, unsigned set)
{
    static const char names[] = NRMI_BUFFERS(NRMI_NAME);
    int first = 1;
    for (; set; set &= set - 1, first = 0) {
        if (!first)
            nrmi_say_word(t, set & (set - 1) ? ", " : " or ", 0);
        nrmi_say_word(t, names, nrmi_lowest(set));
    }
}

/* What a sign after % in a sentence stands for. */
static NRMI_COLD void nrmi_say_value(nrmi_text *t, const nrmi_call *q, nrm_verb verb,
                                     unsigned wrong, char sign)
{
    const nrm_desc *d = &q->desc;
    const int like = wrong & NRMI_OF_Y_PITCH ? NRMI_LIKE_Y : NRMI_LIKE_X;
    const nrm_pitch *pitch = nrmi_pitch(q, like);
    switch (sign) {
    case '0': nrmi_say_word(t, NRMI_VERB_NAMES, verb); break;
    case '1': nrmi_say_set(t, 1u << (q->met[0] - nrmi_fields)); break;
    case '2': nrmi_say_set(t, 1u << (q->met[1] - nrmi_fields)); break;
    case '3': nrmi_say_set(t, q->met[0]->same); break;
    case '4': nrmi_say_word(t, "BATCH\0LAYER\0INSTANCE\0GROUP\0RMS", d->kind); break;
    case '5': nrmi_say(t, like == NRMI_LIKE_Y ? 'y' : 'x'); break;
    case '6': nrmi_say_word(t, "positions\0channels", nrmi_layout(d, like)); break;
    case 'V': nrmi_say_int(t, (int)verb); break;
    case 'K': nrmi_say_int(t, (int)d->kind); break;
    case 'L': nrmi_say_int(t, (int)d->layout); break;
    case 'A': nrmi_say_int(t, (int)d->act); break;
    case 'T': nrmi_say_int(t, (int)d->dtype); break;
    case 'I': nrmi_say_int(t, (int)q->a->isa); break;
    case 'F': nrmi_say_real(t, d->act_slope); break;
    case 'D': nrmi_say_real(t, d->act_low); break;
    case 'U': nrmi_say_real(t, d->act_high); break;
    case 'O': nrmi_say_real(t, d->gamma_offset); break;
    case 'E': nrmi_say_real(t, d->eps); break;
    case 'R': nrmi_say_real(t, q->a->running_rate); break;
    case 'N': nrmi_say_whole(t, d->n); break;
    case 'C': nrmi_say_whole(t, d->c); break;
    case 'S': nrmi_say_whole(t, d->s); break;
    case 'G': nrmi_say_whole(t, d->groups); break;
    case 'P': nrmi_say_whole(t, pitch->line); break;
    case 'Q': nrmi_say_whole(t, pitch->sample); break;
    case 'W': nrmi_say_whole(t, nrmi_width(d, like)); break;
    case 'M': nrmi_say_whole(t, nrmi_lines(d, like) * pitch->line); break;
    case 'X': nrmi_say_whole(t, q->sample); break;
    case 'Y': nrmi_say_whole(t, nrmi_size_at(q->lengths, q->sample)); break;
    case 'H': nrmi_say_whole(t, q->a->pool->threads); break;
    default: nrmi_say_whole(t, q->overlap); /* B */
    }
}

/* The status of a call, and its sentence with the values put in. */
static NRMI_COLD nrm_status nrmi_explain(nrm_verb verb, const nrm_desc *d, const nrm_args *a,
                                             nrmi_text *t)
{
    static const char sentences[] = NRMI_WRONGS(NRMI_SENTENCE);
    const char *s = sentences;
    nrmi_call q;
    const unsigned wrong = (unsigned)verb > NRM_BACKWARD_APPLY
                               ? (unsigned)NRMI_WRONG_VERB
                               : nrmi_check(&nrmi_verbs[verb], d, a, NULL, &q);
    unsigned i;
    for (i = wrong / 16 % 64; i; s++)
        i -= *s == 0;
    for (; *s; s++)
        if (*s == '%')
            nrmi_say_value(t, &q, verb, wrong, *++s);
        else
            nrmi_say(t, *s);
    return (nrm_status)(wrong % 16);
}

NRM_API nrm_status nrm_explain(nrm_verb verb, const nrm_desc *d, const nrm_args *a, char *text,
                               size_t size)
{
    const unsigned found = nrmi_enter();
    nrm_status status;
    nrmi_text t;
    t.at = text;
    t.left = text ? size : 0;
    status = nrmi_explain(verb, d, a, &t);
    if (t.left)
        *t.at = 0;
    nrmi_leave(found);
    return status;
}

#ifdef __cplusplus
}
#endif

#if defined(__clang__)
#if NRMI_FLOAT_CONTROL
#pragma float_control(pop)
#else
#pragma STDC FP_CONTRACT DEFAULT
#endif
#elif defined(__GNUC__)
#pragma GCC diagnostic pop
#pragma GCC pop_options
#elif defined(_MSC_VER)
#pragma float_control(pop)
#pragma fp_contract(on)
#endif

#endif /* NORMALIZE_IMPLEMENTATION */

#else /* NRMI_PASS */

/* ========================================================================================= */
/* D KERNELS: compiled once for each instruction set and arithmetic                            */
/*                                                                                             */
/* A pass sets NRMI_PASS, NRMI_ISA (scalar, avx2, avx512, v128), NRMI_A (f32 or f64) and        */
/* includes this file again, which then holds only this section. A kernel sees a chunk (C3):    */
/* lines of packed values. Each coefficient belongs either to the line, and is broadcast, or    */
/* to the place in it, and is loaded. That is the whole difference between NCHW and NHWC.       */
/* ========================================================================================= */
#if NRMI_PASS != 200
#error "normalize.h includes itself by name: define NRM_HEADER_FILENAME to this file's new name"
#endif

#define NRMI_OP(name) NRMI_GLUE3(name##_, NRMI_A, NRMI_ISA)
#define NRMI_OP1(name) NRMI_GLUE2(name, NRMI_ISA)
#define NRMI_OP64(name) NRMI_GLUE2(name##_f64, NRMI_ISA)
#define NRMI_W NRMI_GLUE3(NRMI_W_, NRMI_A, NRMI_ISA)
#define NRMI_DOUBLE NRMI_GLUE2(NRMI_IS_DOUBLE, NRMI_A)
#define nrmi_a NRMI_GLUE2(nrmi, NRMI_A)
#define nrmi_v NRMI_OP(nrmi_v)
#define nrmi_m NRMI_OP(nrmi_m)
#define nrmi_two NRMI_OP(nrmi_two)
#define nrmi_stats NRMI_OP(nrmi_stats)
#define nrmi_from NRMI_OP(nrmi_from)
#define nrmi_lane NRMI_OP(nrmi_lane)
#define nrmi_other NRMI_OP(nrmi_other)
#define nrmi_line NRMI_OP(nrmi_line)
#define nrmi_twin NRMI_OP(nrmi_twin)
#define nrmi_set1 NRMI_OP(nrmi_set1)
#define nrmi_load NRMI_OP(nrmi_load)
#define nrmi_load_part NRMI_OP(nrmi_load_part)
#define nrmi_store NRMI_OP(nrmi_store)
#define nrmi_store_part NRMI_OP(nrmi_store_part)
#define nrmi_stream NRMI_OP(nrmi_stream)
#define nrmi_mask NRMI_OP(nrmi_mask)
#define nrmi_keep NRMI_OP(nrmi_keep)
#define nrmi_add NRMI_OP(nrmi_add)
#define nrmi_sub NRMI_OP(nrmi_sub)
#define nrmi_mul NRMI_OP(nrmi_mul)
#define nrmi_pairs NRMI_OP(nrmi_pairs)
#define nrmi_div NRMI_OP(nrmi_div)
#define nrmi_choose NRMI_OP(nrmi_choose)
#define nrmi_pow2 NRMI_OP(nrmi_pow2)
#define nrmi_bell NRMI_OP(nrmi_bell)
#define nrmi_relu NRMI_OP(nrmi_relu)
#define nrmi_tally NRMI_OP(nrmi_tally)

typedef struct nrmi_two {
    nrmi_v a, b;
} nrmi_two;

/* Where a block's x and dy are read from, and whether each place has a gamma (row sums). */
typedef struct nrmi_from {
    const unsigned char *x, *dy, *g; /* g: INNER of rows                                         */
    size_t g_step;
    int half;
} nrmi_from;

/* What belongs to the statistics of a line or of a vector of places. */
typedef struct nrmi_stats {
    nrmi_v mh, ml, r, k, b; /* MASKED: k and b are those of y */
} nrmi_stats;

/* What does not change along a line is asked before it, and each answer has a loop of its own. */
#define NRMI_FIXED (!NRMI_DOUBLE && NRMI_W > 1)

#ifndef NRMI_LANES_ALONE /* D1 to D4 */

/* ---- D1 Loads ----------------------------------------------------------------------------- */

static NRMI_INLINE const unsigned char *NRMI_OP(nrmi_at)(const void *p, size_t i)
{
    return (const unsigned char *)p + i * sizeof(nrmi_a);
}
/* A vector of values from place i on; a part of it where `part`. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_read)(const void *p, size_t i, nrmi_m m, int part)
{
    return part ? nrmi_load_part(NRMI_OP(nrmi_at)(p, i), m) : nrmi_load(NRMI_OP(nrmi_at)(p, i));
}
#ifdef NRM_NO_HALF
#define NRMI_HALVES 0
#else
/* Halves are read and written as they lie. To ask for them costs vectors of 16 bytes more than it
   is worth: batch inference of floats in WASM took 189 us instead of 77. */
#define NRMI_HALVES (!NRMI_DOUBLE && NRMI_W > 4)
#endif
/* Bytes of a value: of our arithmetic, or a half. */
static NRMI_INLINE size_t NRMI_OP(nrmi_bytes)(int half)
{
    return half ? 2 : sizeof(nrmi_a);
}
/* x or dy from place i on: values of our arithmetic, or halves. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_data)(int half, const void *p, size_t i, nrmi_m m, int part)
{
#if NRMI_HALVES
    if (NRMI_RARELY(half != 0)) {
        const unsigned char *at = (const unsigned char *)p + 2 * i;
        if (!part)
            return NRMI_OP1(nrmi_half_get)(half, at);
        return NRMI_OP1(nrmi_half_part)(half, at, m);
    }
#else
    (void)half;
#endif
    return NRMI_OP(nrmi_read)(p, i, m, part);
}
/* One value for all of a vector. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_spread_of)(const void *p, size_t i)
{
    nrmi_a x;
    memcpy(&x, NRMI_OP(nrmi_at)(p, i), sizeof x);
    return nrmi_set1(x);
}
/* A coefficient of ours, of place i or of line i; the arrays are padded to whole vectors. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_pick)(const void *p, size_t i, int place)
{
    return place ? nrmi_load(NRMI_OP(nrmi_at)(p, i)) : NRMI_OP(nrmi_spread_of)(p, i);
}
/* A parameter of the caller's. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_param)(int half, const void *p, size_t i, int place,
                                              nrmi_m m, int part)
{
#if NRMI_HALVES
    if (place && NRMI_RARELY(half != 0))
        return NRMI_OP(nrmi_data)(half, p, i, m, part);
#else
    (void)half;
#endif
    return place ? NRMI_OP(nrmi_read)(p, i, m, part) : NRMI_OP(nrmi_spread_of)(p, i);
}

static NRMI_INLINE nrmi_v NRMI_OP(nrmi_deviation)(nrmi_v x, nrmi_v mh, nrmi_v ml)
{
    return nrmi_sub(nrmi_sub(x, mh), ml);
}

#if !NRMI_DOUBLE
/* z of whole vectors of halves, x + res if there is one, rounded as stored; and the way back. */
static NRMI_INLINE void NRMI_OP(nrmi_pack_half)(float *z, const unsigned char *x,
                                                const unsigned char *res, size_t n, int dtype)
{
    uint16_t half[NRMI_W];
    size_t i;
    for (i = 0; i < n; i += NRMI_W) {
        nrmi_v v = NRMI_OP1(nrmi_half_get)(dtype, x + 2 * i);
        if (res) {
            v = nrmi_add(v, NRMI_OP1(nrmi_half_get)(dtype, res + 2 * i));
            NRMI_OP1(nrmi_half_put)(dtype, half, v);
            v = NRMI_OP1(nrmi_half_get)(dtype, half);
        }
        nrmi_store(z + i, v);
    }
}
static NRMI_INLINE void NRMI_OP(nrmi_unpack_half)(unsigned char *to, const float *v, size_t n,
                                                  int dtype)
{
    size_t i;
    for (i = 0; i < n; i += NRMI_W)
        NRMI_OP1(nrmi_half_put)(dtype, to + 2 * i, nrmi_load(v + i));
}
/* The same for any number, type and residual: each has a loop without questions. */
static NRMI_INLINE void NRMI_OP(nrmi_pack_halves)(float *z, const unsigned char *x,
                                                    const unsigned char *res, size_t n, int dtype)
{
    const size_t whole = n - n % NRMI_W;
    uint16_t half[2][NRMI_W];
    if (dtype == NRM_F16 && !res)
        NRMI_OP(nrmi_pack_half)(z, x, NULL, whole, NRM_F16);
    else if (dtype == NRM_F16)
        NRMI_OP(nrmi_pack_half)(z, x, res, whole, NRM_F16);
    else if (!res)
        NRMI_OP(nrmi_pack_half)(z, x, NULL, whole, NRM_BF16);
    else
        NRMI_OP(nrmi_pack_half)(z, x, res, whole, NRM_BF16);
    if (whole == n)
        return;
    memset(half, 0, sizeof half);
    memcpy(half[0], x + 2 * whole, 2 * (n - whole));
    if (res)
        memcpy(half[1], res + 2 * whole, 2 * (n - whole));
    NRMI_OP(nrmi_pack_half)(z + whole, (const unsigned char *)half[0],
                            res ? (const unsigned char *)half[1] : NULL, NRMI_W, dtype);
}
static NRMI_INLINE void NRMI_OP(nrmi_unpack_halves)(unsigned char *to, const float *v, size_t n,
                                                      int dtype)
{
    const size_t whole = n - n % NRMI_W;
    uint16_t half[NRMI_W];
    if (dtype == NRM_F16)
        NRMI_OP(nrmi_unpack_half)(to, v, whole, NRM_F16);
    else
        NRMI_OP(nrmi_unpack_half)(to, v, whole, NRM_BF16);
    if (whole == n)
        return;
    NRMI_OP1(nrmi_half_put)(dtype, half, nrmi_load_part(v + whole, nrmi_mask(n - whole)));
    memcpy(to + 2 * whole, half, 2 * (n - whole));
}
#endif

/* z of n values of any type. */
static NRMI_INLINE void NRMI_OP(nrmi_pack_line)(void *to, const void *x, const void *res, size_t n,
                                                int dtype, int res_dtype)
{
    nrmi_a *z = (nrmi_a *)to;
    size_t i = 0;
    if (dtype != (NRMI_DOUBLE ? NRM_F64 : NRM_F32)) {
#if NRMI_DOUBLE
        for (; i < n; i++)
            z[i] = nrmi_z(dtype, res_dtype, x, res, i);
        return;
#else
        const int wide = res && res_dtype == NRM_F32;
        NRMI_OP(nrmi_pack_halves)(z, (const unsigned char *)x,
                                  wide ? NULL : (const unsigned char *)res, n, dtype);
        if (!wide)
            return;
        x = to;
#endif
    }
    for (; i + NRMI_W <= n; i += NRMI_W) {
        const nrmi_v v = nrmi_load(NRMI_OP(nrmi_at)(x, i));
        nrmi_store(z + i, res ? nrmi_add(v, nrmi_load(NRMI_OP(nrmi_at)(res, i))) : v);
    }
    if (i < n) {
        const nrmi_m m = nrmi_mask(n - i);
        const nrmi_v v = nrmi_load_part(NRMI_OP(nrmi_at)(x, i), m);
        nrmi_store(z + i, res ? nrmi_add(v, nrmi_load_part(NRMI_OP(nrmi_at)(res, i), m)) : v);
    }
}

/* The way back, rounded once. */
static NRMI_INLINE void NRMI_OP(nrmi_unpack_line)(void *to, const void *from, size_t n, int dtype)
{
    const nrmi_a *v = (const nrmi_a *)from;
    unsigned char *p = (unsigned char *)to;
    size_t i = 0;
    if (dtype != (NRMI_DOUBLE ? NRM_F64 : NRM_F32)) {
#if NRMI_DOUBLE
        for (; i < n; i++)
            nrmi_value_set(dtype, p, i, v[i]);
#else
        NRMI_OP(nrmi_unpack_halves)(p, v, n, dtype);
#endif
        return;
    }
    for (; i + NRMI_W <= n; i += NRMI_W)
        nrmi_store(p + sizeof(nrmi_a) * i, nrmi_load(v + i));
    if (i < n)
        nrmi_store_part(p + sizeof(nrmi_a) * i, nrmi_load_part(v + i, nrmi_mask(n - i)),
                        nrmi_mask(n - i));
}

/* Lines that follow one another in both places are one. */
static NRMI_INLINE size_t NRMI_OP(nrmi_lines)(const nrmi_packing *p, size_t *n)
{
    const int joined = p->step == p->n && p->x_step == p->n;
    *n = joined ? p->n * p->lines : p->n;
    return joined ? 1 : p->lines;
}
static NRMI_NOINLINE void NRMI_OP(nrmi_pack)(const nrmi_packing *p)
{
    const size_t size = nrmi_size((nrm_dtype)p->dtype);
    const size_t res_size = nrmi_size((nrm_dtype)p->res_dtype);
    size_t n, l, lines = NRMI_OP(nrmi_lines)(p, &n);
    for (l = 0; l < lines; l++)
        NRMI_OP(nrmi_pack_line)(p->packed + sizeof(nrmi_a) * l * p->step,
                                p->x + size * l * p->x_step,
                                p->res ? p->res + res_size * l * p->x_step : NULL, n, p->dtype,
                                p->res_dtype);
}
static NRMI_NOINLINE void NRMI_OP(nrmi_unpack)(const nrmi_packing *p)
{
    const size_t size = nrmi_size((nrm_dtype)p->dtype);
    size_t n, l, lines = NRMI_OP(nrmi_lines)(p, &n);
    for (l = 0; l < lines; l++)
        NRMI_OP(nrmi_unpack_line)(p->x + size * l * p->x_step,
                                  p->packed + sizeof(nrmi_a) * l * p->step, n, p->dtype);
}

/* ---- D2 Sums ------------------------------------------------------------------------------ */

static NRMI_INLINE void NRMI_OP(nrmi_stats_of)(const nrmi_chunk *c, int what, int place, size_t i,
                                               nrmi_stats *s)
{
    s->mh = NRMI_OP(nrmi_pick)(c->mh, i, place);
    s->ml = s->r = s->k = s->b = s->mh;
    if (what == NRMI_MOMENTS)
        return;
    s->ml = NRMI_OP(nrmi_pick)(c->ml, i, place);
    s->r = NRMI_OP(nrmi_pick)(c->r, i, place);
    if (what == NRMI_INNER)
        s->k = NRMI_OP(nrmi_pick)(c->k, i, place);
    if (what == NRMI_MASKED) {
        s->k = NRMI_OP(nrmi_pick)(c->s, i, place);
        s->b = NRMI_OP(nrmi_pick)(c->b, i, place);
    }
}

/* dy, which lies at `at`, where ReLU passes y, of deviation d, with these two coefficients. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_masked)(const nrmi_chunk *c, int late, const void *at,
                                               nrmi_v dy, nrmi_v d, nrmi_v k, nrmi_v b, nrmi_m m,
                                               int part)
{
    nrmi_v u = nrmi_add(nrmi_mul(d, k), b);
    if (NRMI_RARELY(late))
        u = nrmi_add(u, NRMI_OP(nrmi_read)((const void *)((uintptr_t)at + c->to_late), 0, m, part));
    return nrmi_choose(u, dy, nrmi_set1(0));
}

/* What the two sums add up: d and d*d of the pilot, or dy' (INNER: t) and dy' * xhat. `along` is
   where the coefficients of the other side are; missing values count as +0. row: of rows; 2: BARE
   ones. */
static NRMI_INLINE nrmi_two NRMI_OP(nrmi_term)(const nrmi_chunk *c, int what, int row,
                                               const nrmi_stats *of_lane, const nrmi_from *at,
                                               size_t x_at, size_t dy_at, size_t along, nrmi_m m,
                                               int part)
{
    nrmi_stats s = *of_lane;
    nrmi_two t;
    nrmi_v x, d, g = s.k;
    if (row && what != NRMI_MOMENTS && what != NRMI_TOTAL)
        NRMI_IN_ORDER; /* x and dy take turns */
    if (what == NRMI_TOTAL) {
        x = NRMI_OP(nrmi_read)(at->x, x_at, m, part);
        t.a = part ? nrmi_keep(x, m) : x;
        t.b = nrmi_set1(0);
        return t;
    }
    if (what == NRMI_MOMENTS) {
        x = NRMI_OP(nrmi_read)(at->x, x_at, m, part);
        t.a = row == 2 ? x : nrmi_sub(x, s.mh);
        if (part)
            t.a = nrmi_keep(t.a, m);
        t.b = nrmi_mul(t.a, t.a);
        if (row == 2)
            t.a = nrmi_set1(0);
        return t;
    }
    if (what == NRMI_PARAM)
        NRMI_OP(nrmi_stats_of)(c, what, 0, along, &s);
    x = NRMI_OP(nrmi_read)(at->x, x_at, m, part);
    t.a = NRMI_OP(nrmi_read)(at->dy, dy_at, m, part);
    if (what == NRMI_INNER && row)
        g = NRMI_OP(nrmi_read)(at->g, x_at & (0 - at->g_step), m, part);
    else if (what == NRMI_INNER)
        g = NRMI_OP(nrmi_spread_of)(c->g, along * c->g_step);
    if (what == NRMI_INNER)
        t.a = nrmi_mul(t.a, nrmi_mul(g, s.k));
    d = row == 2 ? x : NRMI_OP(nrmi_deviation)(x, s.mh, s.ml);
    if (what == NRMI_MASKED)
        t.a = NRMI_OP(nrmi_masked)(c, c->more & NRMI_LATE, at->dy + dy_at * sizeof(nrmi_a), t.a, d,
                                   s.k, s.b, m, part);
    t.b = nrmi_mul(t.a, nrmi_mul(d, s.r));
    if (part) {
        t.a = nrmi_keep(t.a, m);
        t.b = nrmi_keep(t.b, m);
    }
    return t;
}

static NRMI_INLINE nrmi_from NRMI_OP(nrmi_begin)(const nrmi_chunk *c, size_t x_at, size_t dy_at)
{
    const size_t size = NRMI_OP(nrmi_bytes)(c->half);
    nrmi_from at;
    at.x = (const unsigned char *)c->x + size * x_at;
    at.dy = c->dy ? (const unsigned char *)c->dy + size * dy_at : NULL;
    at.g = NULL;
    at.g_step = c->g_step;
    at.half = NRMI_HALVES ? c->half : 0;
    return at;
}
#if NRMI_HALVES
/* What is added up becomes floats first, a block at a time: kernels in which each vector asked for
   its type were 21 KB larger, and sums of floats in NHWC executed 1.07 times as much (AVX2). */

/* Space from a line of the cache on. Vectors that lie across two took 1.03 times as long. */
static NRMI_INLINE nrmi_a *NRMI_OP(nrmi_aligned)(nrmi_a *room)
{
    return room + (64 - (uintptr_t)room % 64) % 64 / sizeof *room;
}
/* n values of a row become floats. */
static NRMI_NOINLINE void NRMI_OP(nrmi_row_floats)(nrmi_a *to, const unsigned char *from, size_t n,
                                                   int dtype)
{
    NRMI_OP(nrmi_pack_halves)(to, from, NULL, n, dtype);
}
/* Vectors of a column, `leap` from one to the next; and the first n values of each. */
static NRMI_INLINE void NRMI_OP(nrmi_floats_of)(nrmi_a *to, const unsigned char *from,
                                                size_t vectors, size_t leap, int dtype)
{
    size_t i;
    for (i = 0; i < vectors; i++)
        nrmi_store(to + NRMI_W * i, NRMI_OP1(nrmi_half_get)(dtype, from + 2 * i * leap));
}
static NRMI_NOINLINE void NRMI_OP(nrmi_floats)(nrmi_a *to, const unsigned char *from,
                                               size_t vectors, size_t leap, int dtype)
{
    if (dtype == NRM_F16)
        NRMI_OP(nrmi_floats_of)(to, from, vectors, leap, NRM_F16);
    else
        NRMI_OP(nrmi_floats_of)(to, from, vectors, leap, NRM_BF16);
}
static NRMI_NOINLINE void NRMI_OP(nrmi_some_floats)(nrmi_a *to, const unsigned char *from, size_t n,
                                                    size_t vectors, size_t leap, int dtype)
{
    size_t i;
    for (i = 0; i < vectors; i++)
        NRMI_OP(nrmi_row_floats)(to + NRMI_W * i, from + 2 * i * leap, n, dtype);
}
static NRMI_NOINLINE void NRMI_OP(nrmi_column_floats)(nrmi_a *to, const unsigned char *from,
                                                      size_t vectors, size_t n, size_t leap,
                                                      int dtype)
{
    if (n == NRMI_W)
        NRMI_OP(nrmi_floats)(to, from, vectors, leap, dtype);
    else
        NRMI_OP(nrmi_some_floats)(to, from, n, vectors, leap, dtype);
}
#endif

static NRMI_INLINE nrmi_two NRMI_OP(nrmi_both)(nrmi_two x, nrmi_two y)
{
    x.a = nrmi_add(x.a, y.a);
    x.b = nrmi_add(x.b, y.b);
    return x;
}

/* The tree over up to 8 steps: T(i) is the term of step i. An odd one out moves up as it is. */
#define NRMI_TREE(s, steps, T)                                   \
    do {                                                         \
        nrmi_two u_, w_;                                         \
        s = T(0);                                                \
        if ((steps) > 1)                                         \
            s = NRMI_OP(nrmi_both)(s, T(1));                     \
        if ((steps) > 2) {                                       \
            u_ = T(2);                                           \
            if ((steps) > 3)                                     \
                u_ = NRMI_OP(nrmi_both)(u_, T(3));               \
            s = NRMI_OP(nrmi_both)(s, u_);                       \
        }                                                        \
        if ((steps) > 4) {                                       \
            u_ = T(4);                                           \
            if ((steps) > 5)                                     \
                u_ = NRMI_OP(nrmi_both)(u_, T(5));               \
            if ((steps) > 6) {                                   \
                w_ = T(6);                                       \
                if ((steps) > 7)                                 \
                    w_ = NRMI_OP(nrmi_both)(w_, T(7));           \
                u_ = NRMI_OP(nrmi_both)(u_, w_);                 \
            }                                                    \
            s = NRMI_OP(nrmi_both)(s, u_);                       \
        }                                                        \
    } while (0)

/* to[i] = the neighbour tree of s[i][0..15]: W lines fold into one vector of their totals. */
#define NRMI_R(i, k) nrmi_load(s[i] + NRMI_W * (k))
#if NRMI_W == 16
#define NRMI_F1(i) NRMI_R(i, 0)
#elif NRMI_W == 8
#define NRMI_F1(i) nrmi_pairs(NRMI_R(i, 0), NRMI_R(i, 1))
#elif NRMI_W == 4
#define NRMI_Q4(i, k) nrmi_pairs(NRMI_R(i, k), NRMI_R(i, (k) + 1))
#define NRMI_F1(i) nrmi_pairs(NRMI_Q4(i, 0), NRMI_Q4(i, 2))
#else
#define NRMI_Q2(i, k) nrmi_pairs(NRMI_R(i, k), NRMI_R(i, (k) + 1))
#define NRMI_Q4(i, k) nrmi_pairs(NRMI_Q2(i, k), NRMI_Q2(i, (k) + 2))
#if NRMI_W == 2
#define NRMI_F1(i) nrmi_pairs(NRMI_Q4(i, 0), NRMI_Q4(i, 4))
#else
#define NRMI_Q8(i, k) nrmi_pairs(NRMI_Q4(i, k), NRMI_Q4(i, (k) + 4))
#define NRMI_F1(i) nrmi_pairs(NRMI_Q8(i, 0), NRMI_Q8(i, 8))
#endif
#endif
#define NRMI_F2(i) nrmi_pairs(NRMI_F1(i), NRMI_F1((i) + 1))
#define NRMI_F4(i) nrmi_pairs(NRMI_F2(i), NRMI_F2((i) + 2))
#define NRMI_F8(i) nrmi_pairs(NRMI_F4(i), NRMI_F4((i) + 4))
#define NRMI_F16(i) nrmi_pairs(NRMI_F8(i), NRMI_F8((i) + 8))
#if NRMI_W == 16
#define NRMI_FOLD(i) NRMI_F16(i)
#elif NRMI_W == 8
#define NRMI_FOLD(i) NRMI_F8(i)
#elif NRMI_W == 4
#define NRMI_FOLD(i) NRMI_F4(i)
#elif NRMI_W == 2
#define NRMI_FOLD(i) NRMI_F2(i)
#else
#define NRMI_FOLD(i) NRMI_F1(i)
#endif
static NRMI_NOINLINE void NRMI_OP(nrmi_totals)(nrmi_a (*s)[16], size_t lines, nrmi_a *to)
{
    size_t i;
    for (; lines % NRMI_W; lines++) /* nobody reads these totals */
        for (i = 0; i < 16; i += NRMI_W)
            nrmi_store(s[lines] + i, nrmi_load(s[0] + i));
    for (i = 0; i < lines; i += NRMI_W)
        nrmi_store(to + i, NRMI_FOLD(i));
}

/* One block of a line, n <= 128 values from `at` on, as 16 lanes: each lane's tree of the steps.
   What is left for the last step is made before the tree, in which it takes its place. */
static NRMI_INLINE void NRMI_OP(nrmi_row_block)(const nrmi_chunk *c, int what,
                                                const nrmi_stats *s, nrmi_from from, size_t at,
                                                size_t n, nrmi_a *first, nrmi_a *second)
{
    const size_t left = n % 16, done = n - left;
    const nrmi_m all = nrmi_mask(NRMI_W);
    nrmi_from last = from;
    size_t h;
    last.x += done * sizeof(nrmi_a);
    last.dy = from.dy ? from.dy + done * sizeof(nrmi_a) : NULL;
    if (what == NRMI_INNER && from.g_step)
        last.g += done * sizeof(nrmi_a);
#if NRMI_DOUBLE
    NRMI_ROLLED
#endif
    for (h = 0; h < 16; h += NRMI_W) {
        nrmi_two t, rest;
        rest.a = rest.b = nrmi_set1(0);
#define NRMI_WHOLE(j)                                                                         \
    NRMI_OP(nrmi_term)(c, what, 1, s, &from, h + 16 * (j), h + 16 * (j), at + h + 16 * (j), all, 0)
#define NRMI_STEP(j) (16 * (j) < done ? NRMI_WHOLE(j) : rest)
        if (NRMI_W == 1 && n <= h) { /* a lane may have no step, but never part of a vector */
            t = rest;
        } else if (NRMI_W == 1) {
            NRMI_TREE(t, (n - h + 15) / 16, NRMI_WHOLE);
        } else {
            if (left > h)
                rest = NRMI_OP(nrmi_term)(c, what, 1, s, &last, h, h, at + done + h,
                                          nrmi_mask(nrmi_least(left - h, NRMI_W)), 1);
            NRMI_TREE(t, (n + 15) / 16, NRMI_STEP);
        }
#undef NRMI_WHOLE
#undef NRMI_STEP
        nrmi_store(first + h, t.a);
        if (what != NRMI_TOTAL)
            nrmi_store(second + h, t.b);
    }
}

#if NRMI_FIXED
/* The same of whole steps of floats, of which nothing has to be asked: 0.6 of the instructions. */
static NRMI_INLINE void NRMI_OP(nrmi_usual_block)(const nrmi_chunk *c, int what, int row,
                                                  const nrmi_stats *s, const nrmi_from *from,
                                                  size_t at, size_t steps, nrmi_a *first,
                                                  nrmi_a *second)
{
    const nrmi_m all = nrmi_mask(NRMI_W);
    size_t h;
    for (h = 0; h < 16; h += NRMI_W) {
        nrmi_two t;
#define NRMI_WHOLE(j)                                                                         \
    NRMI_OP(nrmi_term)(c, what, row, s, from, h + 16 * (j), h + 16 * (j), at + h + 16 * (j), all, 0)
        NRMI_TREE(t, steps, NRMI_WHOLE);
#undef NRMI_WHOLE
        nrmi_store(first + h, t.a);
        if (what != NRMI_TOTAL)
            nrmi_store(second + h, t.b);
    }
}
#endif

static NRMI_INLINE void NRMI_OP(nrmi_block)(const nrmi_chunk *c, int what, const nrmi_stats *s,
                                            const nrmi_from *given, size_t at, size_t n,
                                            nrmi_a *first, nrmi_a *second)
{
    nrmi_from from = *given;
#if NRMI_HALVES
    nrmi_a room[3 * NRMI_BLOCK + 16], *const space = NRMI_OP(nrmi_aligned)(room);
#endif
    n = nrmi_least(n, NRMI_BLOCK);
    if (what == NRMI_INNER)
        from.g = (const unsigned char *)c->g +
                 (at & (0 - c->g_step)) * NRMI_OP(nrmi_bytes)(c->half_param);
#if NRMI_HALVES
    if (NRMI_RARELY(from.half != 0)) {
        NRMI_OP(nrmi_row_floats)(space, from.x, n, from.half);
        from.x = (const unsigned char *)space;
        if (what != NRMI_MOMENTS && what != NRMI_TOTAL) {
            NRMI_OP(nrmi_row_floats)(space + NRMI_BLOCK, from.dy, n, from.half);
            from.dy = (const unsigned char *)(space + NRMI_BLOCK);
        }
        if (what == NRMI_INNER && c->half_param) {
            NRMI_OP(nrmi_row_floats)(space + 2 * NRMI_BLOCK, from.g, from.g_step ? n : 16,
                                     c->half_param);
            from.g = (const unsigned char *)(space + 2 * NRMI_BLOCK);
        }
    }
#endif
#if NRMI_FIXED
    if (n == NRMI_BLOCK && (what != NRMI_INNER || from.g_step)) {
        from.g_step = 1;
        if ((what == NRMI_MOMENTS || what == NRMI_INNER) && c->bare) {
            NRMI_IN_ORDER; /* else all of x is read before the question */
            NRMI_OP(nrmi_usual_block)(c, what, 2, s, &from, at, 8, first, second);
            return;
        }
        NRMI_OP(nrmi_usual_block)(c, what, 1, s, &from, at, 8, first, second);
        return;
    }
    if (n % 16 == 0 && what != NRMI_MASKED) {
        NRMI_OP(nrmi_usual_block)(c, what, 1, s, &from, at, n / 16, first, second);
        return;
    }
#endif
    NRMI_OP(nrmi_row_block)(c, what, s, from, at, n, first, second);
}

#if !NRMI_DOUBLE
/* The sums of lines of one block: 16 of them share the neighbour trees. */
static NRMI_NOINLINE void NRMI_OP(nrmi_row_totals)(nrmi_chunk *given)
{
    const nrmi_chunk chunk = *given, *const c = &chunk;
    nrmi_a s[16][16], total[16];
    nrmi_stats none;
    size_t line, lines, k;
    none.mh = none.ml = none.r = none.k = none.b = nrmi_set1(0);
    for (line = 0; line < c->lines; line += lines) {
        lines = nrmi_least(c->lines - line, 16);
        for (k = 0; k < lines; k++) {
            const nrmi_from from = NRMI_OP(nrmi_begin)(c, (line + k) * c->x_step, 0);
            NRMI_OP(nrmi_block)(c, NRMI_TOTAL, &none, &from, 0, c->n, s[k], s[k]);
        }
        NRMI_OP(nrmi_totals)(s, lines, total);
        for (k = 0; k < lines; k++)
            c->first[line + k] = (double)total[k];
    }
}
#endif

/* Eight blocks at most: n values of each of `lines` lines from (line, at) on. Their totals share
   the neighbour trees; those of a line are one run, which is added to what the line has. */
static NRMI_INLINE void NRMI_OP(nrmi_row_octet)(const nrmi_chunk *c, int what, size_t line,
                                                size_t lines, size_t at, size_t n)
{
    nrmi_a s[16][16], total[16];
    const int one = n <= NRMI_BLOCK;
    const size_t block = NRMI_BLOCK * NRMI_OP(nrmi_bytes)(c->half);
    nrmi_from from = NRMI_OP(nrmi_begin)(c, 0, 0);
    nrmi_stats of_lane;
    size_t l, i, k;
    of_lane.mh = of_lane.ml = of_lane.r = of_lane.k = of_lane.b = nrmi_set1(0);
    for (k = 0, i = 0, l = line; l < line + lines; k++) {
        if (i == 0) {
            from = NRMI_OP(nrmi_begin)(c, l * c->x_step + at, l * c->dy_step + at);
            NRMI_OP(nrmi_stats_of)(c, what, 0, l, &of_lane);
        }
        NRMI_OP(nrmi_block)(c, what, &of_lane, &from, at + i, n - i, s[k], s[8 + k]);
        i += NRMI_BLOCK;
        if (i < n) {
            from.x += block;
            from.dy = from.dy ? from.dy + block : NULL;
        } else {
            i = 0;
            l++;
        }
    }
    for (; k < 8; k++) /* nobody reads these totals; zeros would be a slow memset */
        for (i = 0; i < 16; i += NRMI_W) {
            nrmi_store(s[k] + i, of_lane.mh);
            nrmi_store(s[8 + k] + i, of_lane.mh);
        }
    NRMI_OP(nrmi_totals)(s, 16, total);
    for (k = 0; one && k < lines; k++) {
        c->first[line + k] += (double)total[k];
        c->second[line + k] += (double)total[8 + k];
    }
    if (one)
        return;
    for (k = 0, l = line; l < line + lines; l++) {
        double a = c->goes_on ? c->first[l] : 0, b = c->goes_on ? c->second[l] : 0;
        for (i = 0; i < n; i += NRMI_BLOCK, k++) {
            a += (double)total[k];
            b += (double)total[8 + k];
        }
        c->first[l] = c->goes_on ? a : c->first[l] + a;
        c->second[l] = c->goes_on ? b : c->second[l] + b;
    }
}

/* Adds the runs of each line to its two sums. */
static NRMI_INLINE void NRMI_OP(nrmi_row_sums)(const nrmi_chunk *given, int what)
{
    const nrmi_chunk chunk = *given, *const c = &chunk; /* which no store can change */
    const size_t run = NRMI_RUN, n = nrmi_least(c->n, run);
    const size_t at_once = 8 / ((n + NRMI_BLOCK - 1) / NRMI_BLOCK);
    size_t line, at, lines;
    for (line = 0; line < c->lines; line += lines) {
        lines = nrmi_least(c->lines - line, at_once);
        for (at = 0; at < c->n; at += run)
            NRMI_OP(nrmi_row_octet)(c, what, line, lines, at, nrmi_least(c->n - at, run));
    }
}

/* Lanes side by side: a phase is one lane's tree of steps, and the tree of the phases is a binary
   counter. Level k holds the sum of 2^k phases; that of all goes to the run. */
static NRMI_INLINE nrmi_a *NRMI_OP(nrmi_level)(const nrmi_chunk *c, size_t k, size_t i)
{
    return (nrmi_a *)c->level + 2 * k * c->level_step + i;
}
/* What lies at `level` and s; where it is BARE, of the second sum alone. */
static NRMI_INLINE nrmi_two NRMI_OP(nrmi_with_level)(const nrmi_chunk *c, int how,
                                                     const nrmi_a *level, nrmi_two s)
{
    if (!(how & NRMI_BARE))
        s.a = nrmi_add(nrmi_load(level), s.a);
    s.b = nrmi_add(nrmi_load(level + c->level_step), s.b);
    return s;
}
/* Whole vectors of fewer than 8 steps have code of their own, without masks, where these lists are
   often so long: layer norm of 96 channels in NCHW takes 0.75 of the time, its backward 0.9. */
#define NRMI_UNMASKED(what)    \
    ((what) == NRMI_MOMENTS || \
     (NRMI_FIXED && ((what) == NRMI_CHANNEL || (what) == NRMI_INNER)))
static NRMI_INLINE void NRMI_OP(nrmi_column_phase)(const nrmi_chunk *c, int what, size_t phase)
{
    const size_t from = phase * c->stride;
    const size_t steps = nrmi_least((c->block - from + c->apart - 1) / c->apart, 8);
    const size_t line = from - c->phase * c->stride, ax = c->x_leap, ay = c->dy_leap;
    const size_t vector = NRMI_W * NRMI_OP(nrmi_bytes)(c->half);
    const nrmi_m all = nrmi_mask(NRMI_W);
    nrmi_from begin = NRMI_OP(nrmi_begin)(c, line * c->x_step, line * c->dy_step);
    nrmi_a *put;
    size_t j, k, adds = 0; /* levels that are added to it; put: the one that takes it */
    while (adds < c->top && phase >> adds & 1)
        adds++;
    put = adds < c->top ? NRMI_OP(nrmi_level)(c, adds, 0) : NULL;
    for (j = 0; j < c->n; j += NRMI_W) {
        size_t bx = ax, by = ay;
        nrmi_from at = begin;
        nrmi_stats l;
        nrmi_two s;
#if NRMI_HALVES
        nrmi_a room[16 * NRMI_W + 16], *const space = NRMI_OP(nrmi_aligned)(room);
        if (NRMI_RARELY(at.half != 0)) {
            const size_t n = nrmi_least(c->n - j, NRMI_W);
            NRMI_OP(nrmi_column_floats)(space, at.x, steps, n, ax, at.half);
            at.x = (const unsigned char *)space;
            if (what != NRMI_MOMENTS) {
                NRMI_OP(nrmi_column_floats)(space + 8 * NRMI_W, at.dy, steps, n, ay, at.half);
                at.dy = (const unsigned char *)(space + 8 * NRMI_W);
            }
            bx = by = NRMI_W;
        }
#endif
        if (what == NRMI_PARAM)
            l.mh = l.ml = l.r = l.k = l.b = nrmi_set1(0);
        else
            NRMI_OP(nrmi_stats_of)(c, what, 1, j, &l);
#define NRMI_WHOLE(i) \
    NRMI_OP(nrmi_term)(c, what, 0, &l, &at, bx * (i), by * (i), from + c->apart * (i), all, 0)
#define NRMI_PART(i) \
    NRMI_OP(nrmi_term)(c, what, 0, &l, &at, bx * (i), by * (i), from + c->apart * (i), part, 1)
        if (steps == 8 && c->n - j >= NRMI_W) {
            NRMI_TREE(s, 8, NRMI_WHOLE);
        } else if (NRMI_W == 1 || (NRMI_UNMASKED(what) && c->n - j >= NRMI_W)) {
            NRMI_TREE(s, steps, NRMI_WHOLE);
        } else {
            const nrmi_m part = nrmi_mask(nrmi_least(c->n - j, NRMI_W));
            NRMI_TREE(s, steps, NRMI_PART);
        }
#undef NRMI_WHOLE
#undef NRMI_PART
        for (k = 0; k < adds; k++)
            s = NRMI_OP(nrmi_with_level)(c, 0, NRMI_OP(nrmi_level)(c, k, j), s);
        if (put) {
            nrmi_store(put + j, s.a);
            nrmi_store(put + c->level_step + j, s.b);
        } else {
            if (what != NRMI_PARAM || !c->bare)
                nrmi_tally(c->first + j, s.a);
            nrmi_tally(c->second + j, s.b);
        }
        begin.x += vector;
        begin.dy = begin.dy ? begin.dy + vector : NULL;
    }
}
static NRMI_INLINE void NRMI_OP(nrmi_column_sums)(const nrmi_chunk *given, int what)
{
    const nrmi_chunk chunk = *given, *const c = &chunk;
    size_t i;
    for (i = 0; i < c->phases; i++)
        NRMI_OP(nrmi_column_phase)(c, what, c->phase + i);
}
/* What is left of fewer than 16 phases. */
static NRMI_NOINLINE void NRMI_OP(nrmi_column_rest)(nrmi_chunk *c)
{
    size_t j, k;
    for (j = 0; j < c->n; j += NRMI_W) {
        nrmi_two s;
        for (k = 0; !(c->phases >> k & 1); k++) {
        }
        s.a = nrmi_load(NRMI_OP(nrmi_level)(c, k, j));
        s.b = nrmi_load(NRMI_OP(nrmi_level)(c, k, j) + c->level_step);
        for (k++; k < 4; k++)
            if (c->phases >> k & 1)
                s = NRMI_OP(nrmi_with_level)(c, 0, NRMI_OP(nrmi_level)(c, k, j), s);
        nrmi_tally(c->first + j, s.a);
        nrmi_tally(c->second + j, s.b);
    }
}

/* NUMERICS, "Pilot": of vectors of lanes, from their places in memory. */
static NRMI_NOINLINE void NRMI_OP(nrmi_column_pilots)(nrmi_chunk *c)
{
    const nrmi_v down = nrmi_set1((nrmi_a)0.03125);
    nrmi_v of[4];
    size_t j, k;
    for (j = 0; j < c->n; j += NRMI_W) {
        const nrmi_m m = nrmi_mask(nrmi_least(c->n - j, NRMI_W));
        for (k = 0; k < 4; k++) {
            const size_t *const at = c->at + 8 * k;
#define NRMI_P1(i) nrmi_mul(NRMI_OP(nrmi_read)(c->x, at[i] + j, m, 1), down)
#define NRMI_P2(i) nrmi_add(NRMI_P1(i), NRMI_P1((i) + 1))
#define NRMI_P4(i) nrmi_add(NRMI_P2(i), NRMI_P2((i) + 2))
            of[k] = nrmi_add(NRMI_P4(0), NRMI_P4(4));
#undef NRMI_P1
#undef NRMI_P2
#undef NRMI_P4
        }
        nrmi_store((nrmi_a *)c->out + j,
                   nrmi_add(nrmi_add(of[0], of[1]), nrmi_add(of[2], of[3])));
    }
}
/* Four values, `step` bytes apart, come to lie side by side. */
static NRMI_INLINE void NRMI_OP(nrmi_four)(nrmi_a *to, const unsigned char *from, size_t step)
{
    nrmi_a x[4];
    memcpy(&x[0], from, sizeof *x);
    memcpy(&x[1], from + step, sizeof *x);
    memcpy(&x[2], from + 2 * step, sizeof *x);
    memcpy(&x[3], from + 3 * step, sizeof *x);
#if NRMI_W >= 8 && !NRMI_DOUBLE /* one store instead of four */
    _mm_storeu_ps(to, _mm_set_ps(x[3], x[2], x[1], x[0]));
#else
    memcpy(to, x, sizeof x);
#endif
}
/* The same of up to 16 lines: each place of four lines at a time, side by side. */
static NRMI_NOINLINE void NRMI_OP(nrmi_row_pilots)(nrmi_chunk *c)
{
    nrmi_a x[32][16];
    const size_t lines = nrmi_least(c->lines, 16), step = c->x_step * sizeof(nrmi_a);
    size_t packed[32], i, k, line;
    nrmi_chunk side; /* what the other one reads */
    for (i = 0; i < 32; i++) {
        const size_t place = nrmi_upward[i];
        const unsigned char *from = NRMI_OP(nrmi_at)(c->x, c->at[place]);
        nrmi_a *const to = x[place];
        packed[i] = 16 * i;
        for (line = 0; line + 4 <= lines; line += 4, from += 4 * step)
            NRMI_OP(nrmi_four)(to + line, from, step);
        for (k = line; k < lines; k++, from += step)
            memcpy(to + k, from, sizeof *to);
    }
    side.x = x;
    side.at = packed;
    side.n = lines;
    side.out = c->out;
    NRMI_OP(nrmi_column_pilots)(&side);
}

/* ---- D3 Maps ------------------------------------------------------------------------------ */

/* Lines whose coefficients of places are the same are mapped two at a time, which loads these once
   for both. */
#define NRMI_TWIN (!NRMI_DOUBLE)
#define NRMI_TWINS(inner) (NRMI_TWIN && (inner))
/* ... and dx of two rows gives what they add to dbeta and dgamma. */
#define NRMI_TWIN_SUMS(what, inner) (NRMI_TWINS(inner) && (what) == NRMI_DX)

/* Coefficients of a vector: those of the statistics' side, and of the other one. */
typedef struct nrmi_lane {
    nrmi_v mh, ml, r, k, p, q, o, b, s;
} nrmi_lane;
typedef struct nrmi_other {
    nrmi_v g, b;
} nrmi_other;

static NRMI_INLINE void NRMI_OP(nrmi_lane_of)(const nrmi_chunk *c, int what, int inner, int how,
                                              size_t i, int place, nrmi_lane *l)
{
    l->mh = NRMI_OP(nrmi_pick)(c->mh, i, place);
    l->ml = NRMI_OP(nrmi_pick)(c->ml, i, place);
    l->r = NRMI_OP(nrmi_pick)(c->r, i, place);
    l->k = l->p = l->q = l->o = l->b = l->s = l->r;
    if (what == NRMI_DX || (!inner && (NRMI_DOUBLE || c->k)))
        l->k = NRMI_OP(nrmi_pick)(c->k, i, place);
    if (what == NRMI_DX) {
        l->p = NRMI_OP(nrmi_pick)(c->p, i, place);
        l->q = NRMI_OP(nrmi_pick)(c->q, i, place);
        l->o = NRMI_OP(nrmi_pick)(c->o, i, place);
        if (NRMI_FIXED && how & NRMI_RECTIFIED) {
            l->s = NRMI_OP(nrmi_pick)(c->s, i, place);
            l->b = NRMI_OP(nrmi_pick)(c->b, i, place);
        }
        if (NRMI_TWIN_SUMS(what, inner) && c->level)
            l->s = NRMI_OP(nrmi_pick)(c->s, i, place);
    } else if (!inner) {
        l->b = NRMI_OP(nrmi_pick)(c->b, i, place);
    }
}
static NRMI_INLINE nrmi_other NRMI_OP(nrmi_other_of)(const nrmi_chunk *c, int what, int halves,
                                                     size_t i, int place, nrmi_m m, int part)
{
    const int half = halves ? c->half_param : 0;
    nrmi_other o;
    const size_t g = place ? i & (0 - c->g_step) : i * c->g_step; /* of a place: a step of 0 or 1 */
    const size_t b = place ? i & (0 - c->b_step) : i * c->b_step;
    o.g = o.b = NRMI_OP(nrmi_param)(half, c->g, g, place, m, part);
    if (what != NRMI_DX)
        o.b = NRMI_OP(nrmi_param)(half, c->b, b, place, m, part);
    return o;
}

/* Where a line lies. */
typedef struct nrmi_line {
    const unsigned char *x, *dy;
    unsigned char *out;
} nrmi_line;

static NRMI_INLINE nrmi_line NRMI_OP(nrmi_line_of)(const nrmi_chunk *c, int what, size_t line)
{
    const size_t size = NRMI_OP(nrmi_bytes)(c->half);
    nrmi_line l;
    l.x = (const unsigned char *)c->x + line * c->x_step * size;
    l.dy = what == NRMI_Y ? l.x : (const unsigned char *)c->dy + line * c->dy_step * size;
    l.out = (unsigned char *)c->out + line * c->out_step * NRMI_OP(nrmi_bytes)(c->half_out);
    return l;
}

static NRMI_INLINE void NRMI_OP(nrmi_next_line)(const nrmi_chunk *c, int what, nrmi_line *l)
{
    const size_t size = NRMI_OP(nrmi_bytes)(c->half);
    l->x += c->x_step * size;
    l->dy = what == NRMI_Y ? l->x : l->dy + c->dy_step * size;
    l->out += c->out_step * NRMI_OP(nrmi_bytes)(c->half_out);
}

#if NRMI_FIXED
#define NRMI_TAKES(c, what, place, inner, halves) \
    (!(inner) ? (c)->more & NRMI_MORE : (place) || (halves) ? 0 : (c)->bare & NRMI_BARE)
#else
#define NRMI_TAKES(c, what, place, inner, halves) \
    ((what) == NRMI_Y && !(inner) ? (c)->more & NRMI_RECTIFIED : 0)
#endif
static NRMI_INLINE int NRMI_OP(nrmi_how)(const nrmi_chunk *c, int what, int place, int inner,
                                         int halves)
{
    (void)what;
    (void)place;
    return (halves ? NRMI_HALVED : 0) | (c->k ? NRMI_SCALED : 0) |
           (c->stream ? NRMI_STREAMED : 0) | NRMI_TAKES(c, what, place, inner, halves);
}

#if NRMI_FIXED
/* A vector and what lies so far from it: the residual, dsum, add; and sum or dadd, kept. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_added)(const void *at, uintptr_t to, nrmi_v v, nrmi_m m,
                                              int part)
{
    return nrmi_add(v, NRMI_OP(nrmi_read)((const void *)((uintptr_t)at + to), 0, m, part));
}
static NRMI_INLINE void NRMI_OP(nrmi_kept)(const nrmi_chunk *c, const void *at, nrmi_v v, nrmi_m m,
                                           int part)
{
    unsigned char *const to = (unsigned char *)((uintptr_t)at + c->to_kept);
    if (part)
        nrmi_store_part(to, nrmi_keep(v, m), m);
    else
        nrmi_store(to, v);
}
#endif

/* y or dx of one vector; what is found is added up, to tell whether all of it is finite. more:
   what it adds to dbeta and dgamma. */
static NRMI_INLINE void NRMI_OP(nrmi_element)(const nrmi_chunk *c, int what, int inner, int how,
                                              const nrmi_lane *l, const nrmi_other *o,
                                              const nrmi_line *at, size_t j, nrmi_m m, int part,
                                              nrmi_v *all, nrmi_two *more)
{
    const int half = how & NRMI_HALVED ? c->half : 0;
    unsigned char *to = at->out + j * sizeof(nrmi_a);
    nrmi_v x = NRMI_OP(nrmi_data)(half, at->x, j, m, part);
    nrmi_v d, w, y;
#if NRMI_FIXED
    if (what == NRMI_Y && !inner && how & NRMI_ADDED)
        x = NRMI_OP(nrmi_added)(at->x + j * sizeof(nrmi_a), c->to_added, x, m, part);
    if (what == NRMI_Y && !inner && how & NRMI_KEPT)
        NRMI_OP(nrmi_kept)(c, at->x + j * sizeof(nrmi_a), x, m, part);
#endif
    d = inner && how & NRMI_BARE ? x : NRMI_OP(nrmi_deviation)(x, l->mh, l->ml);
    if (what == NRMI_DX) {
        w = NRMI_OP(nrmi_data)(half, at->dy, j, m, part);
#if NRMI_FIXED
        if (!inner && how & NRMI_RECTIFIED)
            w = NRMI_OP(nrmi_masked)(c, how & NRMI_LATE, at->dy + j * sizeof(nrmi_a), w, d, l->s,
                                     l->b, m, part);
        if (!inner && how & NRMI_KEPT)
            NRMI_OP(nrmi_kept)(c, at->dy + j * sizeof(nrmi_a), w, m, part);
#endif
        y = nrmi_mul(w, inner ? nrmi_mul(o->g, l->k) : l->k);
        if (!(inner && how & NRMI_BARE))
            y = nrmi_sub(y, l->p);
        y = nrmi_sub(y, nrmi_mul(nrmi_mul(d, l->r), l->q));
        y = nrmi_mul(y, l->o);
        if (NRMI_TWINS(inner) && more && how & NRMI_GIVING) {
            more->a = w;
            more->b = nrmi_mul(w, nrmi_mul(d, l->s));
        }
        *all = nrmi_add(*all, part ? nrmi_keep(y, m) : y);
#if NRMI_FIXED
        if (!inner && how & NRMI_ADDED)
            y = NRMI_OP(nrmi_added)(to, c->to_added, y, m, part);
#endif
    } else {
        y = nrmi_mul(d, l->r);
        if (inner || NRMI_DOUBLE || how & NRMI_SCALED)
            y = nrmi_mul(y, inner ? o->g : l->k);
        y = nrmi_add(y, inner ? o->b : l->b);
#if NRMI_FIXED
        if (!inner && how & NRMI_LATE)
            y = NRMI_OP(nrmi_added)(to, c->to_late, y, m, part);
#endif
        if (!inner && how & NRMI_RECTIFIED)
            y = nrmi_relu(y);
    }
#if NRMI_HALVES
    if (how & NRMI_HALVED && NRMI_RARELY(c->half_out != 0)) {
        if (part)
            NRMI_OP1(nrmi_half_put_part)(c->half_out, at->out + 2 * j, nrmi_keep(y, m), m);
        else
            NRMI_OP1(nrmi_half_put)(c->half_out, at->out + 2 * j, y);
        return;
    }
#endif
    if (part)
        nrmi_store_part(to, nrmi_keep(y, m), m); /* what is not stored may not be set */
    else if (how & NRMI_STREAMED)
        nrmi_stream(to, y);
    else
        nrmi_store(to, y);
}

/* Past the caches go whole lines of them; halves do not. With AVX2, whose vector is half of one,
   layer norm of 4096x768 16 bytes off a line took 1.4 times as long where a first or last vector
   did so alone (Zen 3). */
#define NRMI_UNIT(stream) (NRMI_W > 1 && (stream) ? 64 / sizeof(nrmi_a) : NRMI_W)
static NRMI_INLINE int NRMI_OP(nrmi_streams)(const nrmi_chunk *c)
{
    return c->stream && !c->half_out;
}
static NRMI_INLINE size_t NRMI_OP(nrmi_unit)(const nrmi_chunk *c)
{
    return NRMI_UNIT(NRMI_OP(nrmi_streams)(c));
}
/* Where whole vectors from place j on end. */
static NRMI_INLINE size_t NRMI_OP(nrmi_end)(const nrmi_chunk *c, size_t j)
{
    return c->n - ((c->n - j) & (NRMI_OP(nrmi_unit)(c) - 1));
}
/* Places before the output's next line of cache; short lines in the caches do without. */
static NRMI_INLINE size_t NRMI_OP(nrmi_head)(const nrmi_chunk *c, int halves, const nrmi_line *at)
{
    const size_t size = NRMI_OP(nrmi_bytes)(halves ? c->half_out : 0);
    const size_t unit = NRMI_OP(nrmi_unit)(c), past = (uintptr_t)at->out / size & (unit - 1);
    return past && c->n > (c->stream ? 2 * unit : 8u * NRMI_W) ? unit - past : 0;
}
/* Where lines are stored past the caches, their ends, if they are parts of lines of the cache, are
   not, and each would wait for memory. Those 4 lines after the one at `out`, and after the next one
   of two, are asked for: rows of 128 floats, 16 bytes off a line, take 0.7 of the time (Zen 3). */
static NRMI_INLINE void NRMI_OP(nrmi_fetch_ends)(const void *out, size_t step, int stream, int two)
{
    if (NRMI_W == 1 || !stream || (uintptr_t)out % 64 == 0)
        return;
    NRMI_FETCH((uintptr_t)out + 4 * step * sizeof(nrmi_a));
    if (two)
        NRMI_FETCH((uintptr_t)out + 5 * step * sizeof(nrmi_a));
}
/* Of n places, those before `head` and from j on come as parts of vectors: the mask of the part at
   place i, and the place of the next. */
static NRMI_INLINE nrmi_m NRMI_OP(nrmi_part)(size_t i, size_t head, size_t n)
{
    return nrmi_mask(nrmi_least((i < head ? head : n) - i, NRMI_W));
}
static NRMI_INLINE size_t NRMI_OP(nrmi_next_part)(size_t i, size_t head, size_t j)
{
    return i >= head || (NRMI_W * sizeof(nrmi_a) < 64 && i + NRMI_W < head) ? i + NRMI_W : j;
}

/* Vectors side by side, from place j on, of `lines` lines: the coefficients of places stay in
   registers, of which the larger vectors have 32. */
#define NRMI_PANEL (NRMI_W == 1 ? 1 : NRMI_W * sizeof(nrmi_a) == 64 ? 4 : 2)
static NRMI_INLINE void NRMI_OP(nrmi_panel)(const nrmi_chunk *c, int what, int inner, int how,
                                            size_t vectors, const nrmi_line *first, size_t line,
                                            size_t lines, size_t j, nrmi_m m, int part,
                                            nrmi_v *all)
{
    const size_t size = NRMI_OP(nrmi_bytes)(c->half);
    const size_t x_step = c->x_step * size, dy_step = c->dy_step * size;
    const size_t out_step = c->out_step * NRMI_OP(nrmi_bytes)(c->half_out);
    nrmi_line at = *first;
    nrmi_other o;
    nrmi_lane l0, l1, l2, l3;
    size_t i;
    NRMI_OP(nrmi_lane_of)(c, what, inner, how, j, 1, &l0);
    l1 = l2 = l3 = l0;
    if (vectors > 1)
        NRMI_OP(nrmi_lane_of)(c, what, inner, how, j + NRMI_W, 1, &l1);
    if (vectors > 2) {
        NRMI_OP(nrmi_lane_of)(c, what, inner, how, j + 2 * NRMI_W, 1, &l2);
        NRMI_OP(nrmi_lane_of)(c, what, inner, how, j + 3 * NRMI_W, 1, &l3);
    }
    o.g = o.b = nrmi_set1(0);
    for (i = 0; i < lines; i++) {
        if (inner)
            o = NRMI_OP(nrmi_other_of)(c, what, 0, line + i, 0, m, 0);
        NRMI_OP(nrmi_element)(c, what, inner, how, &l0, &o, &at, j, m, part, all, NULL);
        if (vectors > 1)
            NRMI_OP(nrmi_element)(c, what, inner, how, &l1, &o, &at, j + NRMI_W, m, part, all,
                                  NULL);
        if (vectors > 2) {
            NRMI_OP(nrmi_element)(c, what, inner, how, &l2, &o, &at, j + 2 * NRMI_W, m, part,
                                  all, NULL);
            NRMI_OP(nrmi_element)(c, what, inner, how, &l3, &o, &at, j + 3 * NRMI_W, m, part,
                                  all, NULL);
        }
        at.x += x_step;
        at.dy += dy_step;
        at.out += out_step;
    }
}

/* Lines of places: panels from a line of the output's cache on; what is left at both ends comes a
   vector at a time. */
static NRMI_INLINE void NRMI_OP(nrmi_places)(const nrmi_chunk *c, int what, int inner, size_t line,
                                             size_t lines, nrmi_v *all)
{
    const nrmi_line at = NRMI_OP(nrmi_line_of)(c, what, line);
    const size_t vectors = NRMI_PANEL, n = c->n;
    const size_t head = NRMI_OP(nrmi_head)(c, NRMI_HALVES, &at);
    const int how = NRMI_OP(nrmi_how)(c, what, 1, inner, NRMI_HALVES) & ~NRMI_MORE;
    /* layer norm of 8x384x14x14 in NCHW takes 0.87 of the time so; others gain nothing */
    const int plain =
        NRMI_FIXED && inner && what == NRMI_Y && !c->half && !c->half_out && !c->stream;
    size_t i, j;
    for (j = head; plain && j + vectors * NRMI_W <= n; j += vectors * NRMI_W)
        NRMI_OP(nrmi_panel)(c, what, inner, how & NRMI_SCALED, vectors, &at, line, lines, j,
                            nrmi_mask(NRMI_W), 0, all);
    for (; j + vectors * NRMI_W <= n; j += vectors * NRMI_W)
        NRMI_OP(nrmi_panel)(c, what, inner, how, vectors, &at, line, lines, j, nrmi_mask(NRMI_W), 0,
                            all);
    for (i = head ? 0 : j; i < n; i = NRMI_OP(nrmi_next_part)(i, head, j)) {
        const nrmi_m m = NRMI_OP(nrmi_part)(i, head, n);
        NRMI_OP(nrmi_panel)(c, what, inner, how, 1, &at, line, lines, i, m, 1, all);
    }
}

/* Whole vectors of places, from place j to `end`, which is returned. */
static NRMI_INLINE size_t NRMI_OP(nrmi_in_order)(const nrmi_chunk *c, int what, int how,
                                                 const nrmi_line *at, size_t j, size_t end,
                                                 nrmi_v *all)
{
    const nrmi_m m = nrmi_mask(NRMI_W);
    nrmi_other o;
    nrmi_lane l;
    o.g = o.b = nrmi_set1(0);
    for (; j < end; j += NRMI_W) {
        NRMI_OP(nrmi_lane_of)(c, what, 0, how, j, 1, &l);
        NRMI_OP(nrmi_element)(c, what, 0, how, &l, &o, at, j, m, 0, all, NULL);
    }
    return end;
}

/* The same, with what does not change asked before the loop: what comes with the tensor, y's second
   factor, streamed stores. */
static NRMI_INLINE size_t NRMI_OP(nrmi_asked)(const nrmi_chunk *c, int what, int how,
                                              const nrmi_line *at, size_t j, nrmi_v *all)
{
    const size_t end = NRMI_OP(nrmi_end)(c, j);
#if NRMI_FIXED
    const int scaled = what == NRMI_Y ? NRMI_SCALED : 0, stream = how & NRMI_STREAMED;
    const int come = how & (NRMI_ADDED | NRMI_KEPT | NRMI_LATE | scaled);
    const int acts = how & NRMI_RECTIFIED;
    if (how & NRMI_HALVED)
        return NRMI_OP(nrmi_in_order)(c, what, NRMI_HALVED | acts | (how & scaled), at, j, end,
                                      all);
    if (come == NRMI_ADDED)
        return NRMI_OP(nrmi_in_order)(c, what, NRMI_ADDED | acts | stream, at, j, end, all);
    if (what == NRMI_Y && come == NRMI_LATE)
        return NRMI_OP(nrmi_in_order)(c, what, NRMI_LATE | acts | stream, at, j, end, all);
    if (what == NRMI_Y && come == (NRMI_ADDED | NRMI_KEPT))
        return NRMI_OP(nrmi_in_order)(c, what, NRMI_ADDED | NRMI_KEPT | acts | stream, at, j, end,
                                      all);
    if (come)
        return NRMI_OP(nrmi_in_order)(c, what, how & ~NRMI_HALVED, at, j, end, all);
    if (acts)
        return NRMI_OP(nrmi_in_order)(c, what, NRMI_RECTIFIED | stream, at, j, end, all);
    if (stream)
        return NRMI_OP(nrmi_in_order)(c, what, NRMI_STREAMED, at, j, end, all);
    return NRMI_OP(nrmi_in_order)(c, what, 0, at, j, end, all);
#else
    return NRMI_OP(nrmi_in_order)(c, what, how, at, j, end, all);
#endif
}

/* Places line by line, as they follow one another, which memory fetches ahead: batch inference of
   8x144x56x56 took 2.3 times as long in panels of 8 lines, in bf16 that of 32x64x56x56 1.7 times
   (Zen 3). */
static NRMI_INLINE void NRMI_OP(nrmi_straight)(const nrmi_chunk *c, int what, int how, nrmi_v *all)
{
    nrmi_line at = NRMI_OP(nrmi_line_of)(c, what, 0);
    nrmi_other o;
    nrmi_lane l;
    size_t line, i, j, head;
    o.g = o.b = nrmi_set1(0);
    for (line = 0; line < c->lines; line++) {
        head = NRMI_OP(nrmi_head)(c, NRMI_HALVES, &at);
        NRMI_OP(nrmi_fetch_ends)(at.out, c->out_step, NRMI_OP(nrmi_streams)(c), 0);
        j = NRMI_OP(nrmi_asked)(c, what, how, &at, head, all);
        for (i = head ? 0 : j; i < c->n; i = NRMI_OP(nrmi_next_part)(i, head, j)) {
            const nrmi_m m = NRMI_OP(nrmi_part)(i, head, c->n);
            NRMI_OP(nrmi_lane_of)(c, what, 0, how, i, 1, &l);
            NRMI_OP(nrmi_element)(c, what, 0, how, &l, &o, &at, i, m, 1, all, NULL);
        }
        NRMI_OP(nrmi_next_line)(c, what, &at);
    }
}

/* Lines that are mapped at once, one or two; and where what they give goes: the level that is added
   to it, if one is, and the level that takes it. */
typedef struct nrmi_twin {
    nrmi_lane l, k;
    nrmi_line at, next;
    size_t number;
    const nrmi_a *add;
    nrmi_a *put;
    int last; /* of a tree, which is to be carried on */
} nrmi_twin;

static NRMI_INLINE void NRMI_OP(nrmi_open_twin)(const nrmi_chunk *c, int what, int inner, int how,
                                                size_t line, nrmi_line *at, nrmi_twin *r)
{
    size_t of;
    r->number = c->phase + line / 2;
    r->at = r->next = *at;
    NRMI_OP(nrmi_lane_of)(c, what, inner, how, line * c->stat_step, 0, &r->l);
    r->k = r->l;
    NRMI_OP(nrmi_next_line)(c, what, at);
    if (NRMI_TWIN && how & NRMI_PAIRED) {
        r->next = *at;
        NRMI_OP(nrmi_lane_of)(c, what, inner, how, (line + 1) * c->stat_step, 0, &r->k);
        NRMI_OP(nrmi_next_line)(c, what, at);
    }
    r->add = r->put = NULL;
    r->last = 0;
    if (!NRMI_TWIN_SUMS(what, inner) || !(how & NRMI_GIVING))
        return;
    of = r->number % 4;
    r->last = of == 3 || r->number + 1 == c->phases;
    r->put = NRMI_OP(nrmi_level)(c, of / 2, 0);
    if (of & 1)
        r->add = r->put;
    if (r->last && of < 2 && c->top && !(c->block & 1)) { /* nothing to carry */
        r->put = NRMI_OP(nrmi_level)(c, 2, 0);
        r->last = 0;
    }
}

#if NRMI_TWIN
static NRMI_INLINE void NRMI_OP(nrmi_put_level)(const nrmi_chunk *c, int how, nrmi_a *level,
                                                nrmi_two t, nrmi_m m, int part)
{
    if (part) {
        nrmi_store_part(level, nrmi_keep(t.a, m), m);
        nrmi_store_part(level + c->level_step, nrmi_keep(t.b, m), m);
        return;
    }
    if (!(how & NRMI_BARE))
        nrmi_store(level, t.a);
    nrmi_store(level + c->level_step, t.b);
}
/* What pairs of rows add to dbeta and dgamma: the tree over 8 rows, whose two levels the loops of
   dx fill. With what its last pair, `number`, has left at `from`, this makes the sum of the tree,
   which goes to the run or, as phase c->block, up c->top levels of phases. */
static NRMI_INLINE void NRMI_OP(nrmi_carry_to)(const nrmi_chunk *c, int how, size_t number,
                                               const nrmi_a *from, size_t adds, nrmi_a *put)
{
    const size_t n = c->n;
    size_t j, k;
    for (j = 0; j < n; j += NRMI_W) {
        nrmi_two t;
        t.a = how & NRMI_BARE ? nrmi_set1(0) : nrmi_load(from + j);
        t.b = nrmi_load(from + c->level_step + j);
        if (number % 4 > 1)
            t = NRMI_OP(nrmi_with_level)(c, how, NRMI_OP(nrmi_level)(c, 0, j), t);
        for (k = 0; k < adds; k++)
            t = NRMI_OP(nrmi_with_level)(c, how, NRMI_OP(nrmi_level)(c, 2 + k, j), t);
        if (put) {
            NRMI_OP(nrmi_put_level)(c, how, put + j, t, nrmi_mask(n % NRMI_W), n - j < NRMI_W);
            continue;
        }
        if (!(how & NRMI_BARE))
            nrmi_tally(c->first + j, t.a);
        nrmi_tally(c->second + j, t.b);
    }
}
static NRMI_NOINLINE void NRMI_OP(nrmi_carry)(const nrmi_chunk *c, int how, size_t number,
                                              const nrmi_a *from)
{
    size_t adds = 0;
    while (adds < c->top && c->block >> adds & 1)
        adds++;
    if (adds < c->top)
        NRMI_OP(nrmi_carry_to)(c, how, number, from, adds, NRMI_OP(nrmi_level)(c, 2 + adds, 0));
    else if (how & NRMI_BARE)
        NRMI_OP(nrmi_carry_to)(c, NRMI_BARE, number, from, adds, NULL);
    else
        NRMI_OP(nrmi_carry_to)(c, 0, number, from, adds, NULL);
}
#endif

/* A vector of places of all lines of r. */
static NRMI_INLINE void NRMI_OP(nrmi_place)(const nrmi_chunk *c, int what, int inner, int how,
                                            const nrmi_twin *r, const nrmi_other *o, size_t j,
                                            nrmi_m m, int part, nrmi_v *all)
{
    nrmi_two t, u;
    t.a = t.b = nrmi_set1(0);
    u = t;
    NRMI_OP(nrmi_element)(c, what, inner, how, &r->l, o, &r->at, j, m, part, all, &t);
    if (NRMI_TWIN && how & NRMI_PAIRED) {
        NRMI_OP(nrmi_element)(c, what, inner, how, &r->k, o, &r->next, j, m, part, all, &u);
        if (how & NRMI_GIVING)
            t = NRMI_OP(nrmi_both)(t, u);
    }
#if NRMI_TWIN
    if (NRMI_TWIN_SUMS(what, inner) && how & NRMI_GIVING) {
        NRM_ASSERT(r->put);
        if (r->add)
            t = NRMI_OP(nrmi_with_level)(c, how, r->add + j, t);
        NRMI_OP(nrmi_put_level)(c, how, r->put + j, t, m, part);
    }
#endif
}

/* Whole vectors of floats, from place j to `end`, which is returned. */
static NRMI_INLINE size_t NRMI_OP(nrmi_vectors)(const nrmi_chunk *c, int what, int inner, int how,
                                                const nrmi_twin *r, size_t j, size_t end,
                                                nrmi_v *all)
{
    const nrmi_m m = nrmi_mask(NRMI_W);
    const size_t g_step = NRMI_W & (0 - c->g_step), b_step = NRMI_W & (0 - c->b_step);
    size_t g = j & (0 - c->g_step), b = j & (0 - c->b_step);
    nrmi_other o;
    o.g = o.b = nrmi_set1(0);
    /* two at a time: as one, 32 bytes of a loop that lies across two lines of the cache took 1.3
       times as long (inference of 8x64x14x14, Zen 3) */
    for (; what == NRMI_Y && !inner && j + 2 * NRMI_W <= end; j += 2 * NRMI_W) {
        NRMI_OP(nrmi_place)(c, what, inner, how, r, &o, j, m, 0, all);
        NRMI_OP(nrmi_place)(c, what, inner, how, r, &o, j + NRMI_W, m, 0, all);
    }
    for (; j < end; j += NRMI_W) {
        if (inner) {
            o.g = nrmi_load(NRMI_OP(nrmi_at)(c->g, g));
            g += g_step;
        }
        if (inner && what == NRMI_Y) {
            o.b = nrmi_load(NRMI_OP(nrmi_at)(c->b, b));
            b += b_step;
        }
        NRMI_OP(nrmi_place)(c, what, inner, how, r, &o, j, m, 0, all);
    }
    return end;
}

/* The same, with two questions answered before the loop, and not for each vector: half of the
   instructions (AVX2). */
static NRMI_INLINE size_t NRMI_OP(nrmi_whole)(const nrmi_chunk *c, int what, int inner, int how,
                                              const nrmi_twin *r, size_t j, nrmi_v *all)
{
    const size_t end = NRMI_OP(nrmi_end)(c, j);
#if NRMI_FIXED
    const int first = inner ? NRMI_PAIRED : NRMI_RECTIFIED;
    const int second = what == NRMI_DX && inner ? NRMI_GIVING : NRMI_STREAMED;
    const int rest = what == NRMI_DX && inner ? how & NRMI_STREAMED : 0;
    const int bare = inner ? how & NRMI_BARE : 0;
    const int scaled = what == NRMI_Y ? NRMI_SCALED : 0;
    const int come = inner ? 0 : how & (NRMI_ADDED | NRMI_KEPT | NRMI_LATE | scaled);
    const int asked = how & (NRMI_RECTIFIED | NRMI_STREAMED);
    if (bare && (what == NRMI_DX) == !!(how & second)) {
        const int given = rest | NRMI_BARE | (what == NRMI_DX ? second : 0);
        if (how & first)
            return NRMI_OP(nrmi_vectors)(c, what, inner, given | first, r, j, end, all);
        return NRMI_OP(nrmi_vectors)(c, what, inner, given, r, j, end, all);
    }
    if (come == NRMI_ADDED)
        return NRMI_OP(nrmi_vectors)(c, what, inner, NRMI_ADDED | asked, r, j, end, all);
    if (what == NRMI_Y && come == NRMI_LATE)
        return NRMI_OP(nrmi_vectors)(c, what, inner, NRMI_LATE | asked, r, j, end, all);
    if (what == NRMI_Y && come == (NRMI_ADDED | NRMI_KEPT))
        return NRMI_OP(nrmi_vectors)(c, what, inner, NRMI_ADDED | NRMI_KEPT | asked, r, j, end,
                                     all);
    if (come)
        return NRMI_OP(nrmi_vectors)(c, what, inner, how, r, j, end, all);
    if (how & first && how & second)
        return NRMI_OP(nrmi_vectors)(c, what, inner, rest | first | second, r, j, end, all);
    if (how & first)
        return NRMI_OP(nrmi_vectors)(c, what, inner, rest | first, r, j, end, all);
    if (how & second)
        return NRMI_OP(nrmi_vectors)(c, what, inner, rest | second, r, j, end, all);
    return NRMI_OP(nrmi_vectors)(c, what, inner, rest, r, j, end, all);
#else
    return NRMI_OP(nrmi_vectors)(c, what, inner, how, r, j, end, all);
#endif
}

/* Whether the ends of a line may be whole vectors that reach over places that are done: these come
   out alike once more, unless they are made of themselves. dx never is of dy: where it takes its
   place, it is packed first, for it may have to be computed again. Planes of 14 x 14 take 0.9 to
   0.97 of the time that parts of vectors take (AVX2, Zen 3). */
static NRMI_INLINE int NRMI_OP(nrmi_overlaps)(const nrmi_chunk *c, int inner, int how,
                                              const nrmi_line *at)
{
    return NRMI_W > 1 && !inner && !(how & ~(NRMI_SCALED | NRMI_RECTIFIED)) && c->n >= NRMI_W &&
           at->out != at->x;
}

static NRMI_INLINE void NRMI_OP(nrmi_along)(const nrmi_chunk *c, int what, int inner, int how,
                                            size_t line, nrmi_line *at, nrmi_v *all)
{
    const size_t n = c->n;
    nrmi_other o;
    nrmi_twin r;
    size_t i, j, head;
    NRMI_OP(nrmi_open_twin)(c, what, inner, how, line, at, &r);
    head = n <= 2 * NRMI_W ? 0 : NRMI_OP(nrmi_head)(c, how & NRMI_HALVED, &r.at);
    NRMI_OP(nrmi_fetch_ends)(r.at.out, c->out_step, NRMI_OP(nrmi_streams)(c),
                             how & NRMI_PAIRED);
    o.g = o.b = nrmi_set1(0);
    j = head;
    if (how & NRMI_HALVED)
        for (; j + NRMI_W <= n; j += NRMI_W) {
            const nrmi_m m = nrmi_mask(NRMI_W);
            if (inner)
                o = NRMI_OP(nrmi_other_of)(c, what, 1, j, 1, m, 0);
            NRMI_OP(nrmi_place)(c, what, inner, how & ~NRMI_BARE, &r, &o, j, m, 0, all);
        }
    else
        j = NRMI_OP(nrmi_whole)(c, what, inner, how, &r, j, all);
    if (NRMI_OP(nrmi_overlaps)(c, inner, how, &r.at)) {
        int ends = (head > 0) + (j < n);
        NRM_ASSERT(r.at.out != r.at.dy);
        for (i = head ? 0 : n - NRMI_W; ends > 0; ends--, i = n - NRMI_W)
            NRMI_OP(nrmi_place)(c, what, inner, how & (NRMI_SCALED | NRMI_RECTIFIED), &r, &o, i,
                                nrmi_mask(NRMI_W), 0, all);
        return;
    }
    for (i = head ? 0 : j; i < n; i = NRMI_OP(nrmi_next_part)(i, head, j)) {
        const nrmi_m m = NRMI_OP(nrmi_part)(i, head, n);
        if (inner)
            o = NRMI_OP(nrmi_other_of)(c, what, how & NRMI_HALVED, i, 1, m, 1);
        NRMI_OP(nrmi_place)(c, what, inner, how, &r, &o, i, m, 1, all);
    }
#if NRMI_TWIN
    if (NRMI_TWIN_SUMS(what, inner) && how & NRMI_GIVING && r.last)
        NRMI_OP(nrmi_carry)(c, how, r.number, r.put);
#endif
}

/* Short lines, with nothing asked for each: inference of planes of 7 x 7 takes 0.6 of the time. The
   last vector overlaps what is done, of which it may be made itself: it is read first. */
static NRMI_INLINE void NRMI_OP(nrmi_short_lines)(const nrmi_chunk *c, int what, int how,
                                                  nrmi_v *all)
{
    const nrmi_m m = nrmi_mask(NRMI_W);
    const size_t last = c->n - NRMI_W, to_last = last * sizeof(nrmi_a);
    nrmi_line at = NRMI_OP(nrmi_line_of)(c, what, 0), end;
    nrmi_a x[NRMI_W], dy[NRMI_W];
    nrmi_other o;
    nrmi_lane l;
    size_t line, j;
    o.g = o.b = nrmi_set1(0);
    end.x = (const unsigned char *)x;
    end.dy = what == NRMI_Y ? end.x : (const unsigned char *)dy;
    for (line = 0; line < c->lines; line++) {
        NRMI_OP(nrmi_lane_of)(c, what, 0, how, line * c->stat_step, 0, &l);
        nrmi_store(x, nrmi_load(at.x + to_last));
        if (what == NRMI_DX)
            nrmi_store(dy, nrmi_load(at.dy + to_last));
        for (j = 0; j < last; j += NRMI_W)
            NRMI_OP(nrmi_element)(c, what, 0, how, &l, &o, &at, j, m, 0, all, NULL);
        end.out = at.out + to_last;
        NRMI_OP(nrmi_element)(c, what, 0, how, &l, &o, &end, 0, m, 0, all, NULL);
        NRMI_OP(nrmi_next_line)(c, what, &at);
    }
}

static NRMI_INLINE void NRMI_OP(nrmi_map)(nrmi_chunk *given, int what, int place, int inner)
{
    /* y of lines comes from nrmi_y_of_halves */
    const int halves = NRMI_HALVES && (what == NRMI_DX || place || inner);
    nrmi_chunk chunk = *given;
    const nrmi_chunk *const c = &chunk;
    nrmi_v all = nrmi_set1(0);
    nrmi_a sum[NRMI_W];
    nrmi_line at;
    /* lines a multiple of 4096 bytes apart push one another out of the first cache, where that is
       what counts */
    const size_t each = c->x_step * sizeof(nrmi_a) % 4096 || c->stream ? 8 : 2;
    const size_t lines =
        NRMI_TWINS(inner) && (what == NRMI_Y || each > 2 || c->level) ? 2 : 1;
    const int half = halves && (c->half | c->half_out) != 0;
    const int gives = NRMI_TWIN_SUMS(what, inner) && c->level ? NRMI_GIVING : 0;
    const int how = NRMI_OP(nrmi_how)(c, what, place, inner, half) | gives;
    const int straight = place && !inner && (how & NRMI_MORE ||
                                             (c->in_order && (what == NRMI_DX || !c->k)));
    const int brief = NRMI_FIXED && !place && !inner && c->n >= NRMI_W && c->n <= 16 * NRMI_W &&
                      !(how & ~(what == NRMI_Y ? NRMI_RECTIFIED : NRMI_SCALED));
    size_t line, i;
    if (!halves)
        chunk.half = chunk.half_out = 0;
    if (straight)
        NRMI_OP(nrmi_straight)(c, what, how, &all);
    for (line = 0; place && !straight && line < c->lines; line += each)
        NRMI_OP(nrmi_places)(c, what, inner, line, nrmi_least(c->lines - line, each), &all);
    at = NRMI_OP(nrmi_line_of)(c, what, 0);
    if (brief && how & NRMI_RECTIFIED)
        NRMI_OP(nrmi_short_lines)(c, what, NRMI_RECTIFIED, &all);
    else if (brief)
        NRMI_OP(nrmi_short_lines)(c, what, 0, &all);
    for (line = 0; !place && !brief && line < c->lines; line += lines)
        NRMI_OP(nrmi_along)(c, what, inner,
                            lines > 1 && c->lines - line > 1 ? how | NRMI_PAIRED : how, line, &at,
                            &all);
    if (what != NRMI_DX)
        return;
    nrmi_store(sum, all);
    for (given->finite = 1, i = 0; i < NRMI_W; i++)
        if (!nrmi_finite((double)sum[i]))
            given->finite = 0;
}

/* ---- D4 Front and back -------------------------------------------------------------------- */

/* What of exp(-|v|) silu is made: the exponential is p * one * two, of which `one` and `two` are
   powers of two, so that it may be as small as a denormal; n is -|v|. */
typedef struct nrmi_bell {
    nrmi_v n, p, one, two, t;
} nrmi_bell;

/* NUMERICS, "Activations": exp(n) = 2^k * exp(r), |r| <= ln 2 / 2, by r + r^2 * (a polynomial that
   is off by 2^-27 of a float's, 2^-56 of a double's exp). Below `least` silu is 0. */
#if NRMI_DOUBLE
#define NRMI_MAGIC 6755399441055744.0 /* 1.5 * 2^52 */
#else
#define NRMI_MAGIC 12582912.0f /* 1.5 * 2^23 */
#endif
static NRMI_INLINE nrmi_bell NRMI_OP(nrmi_bell_of)(nrmi_v v)
{
    const nrmi_v magic = nrmi_set1(NRMI_MAGIC), zero = nrmi_set1(0);
#if NRMI_DOUBLE
    static const double high = 0.69314718036912382, low = 1.9082149292705877e-10, least = -760;
    static const double c[10] = {2.5100569275813683e-08, 2.762032742826824e-07,
                                 2.75572680728901e-06,   2.4801520792572694e-05,
                                 0.00019841269863303223, 0.0013888888917538296,
                                 0.008333333333330011,   0.04166666666662348,
                                 0.16666666666666669,    0.5};
#else
    static const float high = 0.693359375f, low = -2.12194440e-4f, least = -110;
    static const float c[5] = {1.39263261e-3f, 8.36329255e-3f, 4.16665524e-2f, 1.66665763e-1f,
                               0.5f};
#endif
    nrmi_bell e;
    nrmi_v z, k, half, r, q = nrmi_set1(c[0]);
    e.n = nrmi_choose(v, nrmi_sub(zero, v), v);
    e.n = nrmi_choose(nrmi_sub(nrmi_set1(least), e.n), nrmi_set1(least), e.n);
    k = nrmi_mul(e.n, nrmi_set1((nrmi_a)1.4426950408889634));
    z = nrmi_add(nrmi_mul(k, nrmi_set1((nrmi_a)0.5)), magic);
    k = nrmi_sub(nrmi_add(k, magic), magic);
    half = nrmi_sub(z, magic);
    e.one = nrmi_pow2(z);
    e.two = nrmi_pow2(nrmi_add(nrmi_sub(k, half), magic));
    r = nrmi_sub(nrmi_sub(e.n, nrmi_mul(k, nrmi_set1(high))), nrmi_mul(k, nrmi_set1(low)));
#define NRMI_NEXT(i) q = nrmi_add(nrmi_mul(q, r), nrmi_set1(c[i]))
    NRMI_NEXT(1);
    NRMI_NEXT(2);
    NRMI_NEXT(3);
    NRMI_NEXT(4);
#if NRMI_DOUBLE
    NRMI_NEXT(5);
    NRMI_NEXT(6);
    NRMI_NEXT(7);
    NRMI_NEXT(8);
    NRMI_NEXT(9);
#endif
#undef NRMI_NEXT
    e.p = nrmi_add(nrmi_add(r, nrmi_mul(nrmi_mul(r, r), q)), nrmi_set1(1));
    e.t = nrmi_mul(nrmi_mul(e.p, e.one), e.two);
    return e;
}
/* v * sigmoid(v): v / (1 + t), or v * t / (1 + t) where v is negative, with t put in last. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_silu)(const nrmi_bell *e, nrmi_v v)
{
    const nrmi_v all = nrmi_add(e->t, nrmi_set1(1));
    const nrmi_v q = nrmi_div(nrmi_choose(v, v, nrmi_mul(e->n, e->p)), all);
    return nrmi_choose(v, q, nrmi_mul(nrmi_mul(q, e->one), e->two));
}
/* Its slope, s + v * s * (1 - s) of s = sigmoid(v). */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_silu_slope)(const nrmi_bell *e, nrmi_v v)
{
    const nrmi_v plus = nrmi_div(nrmi_set1(1), nrmi_add(e->t, nrmi_set1(1))); /* of |v| */
    const nrmi_v minus = nrmi_mul(e->t, plus), n = e->n;                       /* of -|v| */
    const nrmi_v x = nrmi_choose(v, nrmi_sub(nrmi_set1(0), n), n);
    return nrmi_add(nrmi_choose(v, plus, minus), nrmi_mul(x, nrmi_mul(plus, minus)));
}

/* act(v), or w times its slope at v, or +0 where that is flat. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_acted)(const nrmi_acting *a, int act, nrmi_v v)
{
    const nrmi_v three = nrmi_set1(3), six = nrmi_set1(6);
    nrmi_bell e;
    nrmi_v w;
    switch (act) {
    case NRM_RELU: return nrmi_relu(v);
    case NRM_LEAKY_RELU:
        w = nrmi_mul(v, nrmi_set1((nrmi_a)a->slope));
        return nrmi_choose(nrmi_sub(nrmi_set1(0), v), w, v);
    case NRM_CLIP:
        w = nrmi_set1((nrmi_a)a->low);
        v = nrmi_choose(nrmi_sub(w, v), w, v);
        w = nrmi_set1((nrmi_a)a->high);
        return nrmi_choose(nrmi_sub(v, w), w, v);
    case NRM_HARD_SWISH:
        w = nrmi_set1(-3);
        v = nrmi_choose(nrmi_sub(w, v), w, v);
        w = nrmi_add(v, three);
        return nrmi_mul(v, nrmi_div(nrmi_choose(nrmi_sub(w, six), six, w), six));
    case NRM_SILU:
        e = NRMI_OP(nrmi_bell_of)(v);
        return NRMI_OP(nrmi_silu)(&e, v);
    default: return v;
    }
}
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_sloped)(const nrmi_acting *a, int act, nrmi_v v, nrmi_v w)
{
    const nrmi_v zero = nrmi_set1(0), three = nrmi_set1(3);
    nrmi_bell e;
    nrmi_v d;
    switch (act) {
    case NRM_RELU: return nrmi_choose(v, w, zero);
    case NRM_LEAKY_RELU: return nrmi_choose(v, w, nrmi_mul(w, nrmi_set1((nrmi_a)a->slope)));
    case NRM_CLIP:
        w = nrmi_choose(nrmi_sub(nrmi_set1((nrmi_a)a->high), v), w, zero);
        return nrmi_choose(nrmi_sub(v, nrmi_set1((nrmi_a)a->low)), w, zero);
    case NRM_HARD_SWISH:
        d = nrmi_add(nrmi_div(v, three), nrmi_set1((nrmi_a)0.5));
        w = nrmi_choose(nrmi_sub(three, v), nrmi_mul(w, d), w);
        return nrmi_choose(nrmi_add(v, three), w, zero);
    case NRM_SILU:
        e = NRMI_OP(nrmi_bell_of)(v);
        return nrmi_mul(w, NRMI_OP(nrmi_silu_slope)(&e, v));
    default: return w;
    }
}

/* A vector of places from i on. */
static NRMI_INLINE void NRMI_OP(nrmi_act_at)(const nrmi_acting *a, int act, int slope, size_t line,
                                             size_t i, nrmi_m m, int part)
{
    unsigned char *const out = a->out + sizeof(nrmi_a) * (line * a->out_step + i);
    nrmi_v v = NRMI_OP(nrmi_read)(a->u, line * a->u_step + i, m, part);
    if (a->add)
        v = nrmi_add(v, NRMI_OP(nrmi_read)(a->add, line * a->add_step + i, m, part));
    v = slope ? NRMI_OP(nrmi_sloped)(a, act, v,
                                     NRMI_OP(nrmi_read)(a->dy, line * a->dy_step + i, m, part))
              : NRMI_OP(nrmi_acted)(a, act, v);
    if (part)
        nrmi_store_part(out, nrmi_keep(v, m), m);
    else if (!slope && a->stream)
        nrmi_stream(out, v);
    else
        nrmi_store(out, v);
}
static NRMI_INLINE void NRMI_OP(nrmi_act_all)(const nrmi_acting *given, int act, int slope)
{
    const nrmi_acting acting = *given, *const a = &acting;
    const int stream = !slope && a->stream;
    const size_t n = a->n, unit = NRMI_UNIT(stream);
    size_t line, i, j;
    for (line = 0; line < a->lines; line++) {
        const unsigned char *const out = a->out + sizeof(nrmi_a) * line * a->out_step;
        const size_t past = (uintptr_t)out / sizeof(nrmi_a);
        const size_t head = stream ? (0 - past) & (unit - 1) : 0;
        const size_t end = n - ((n - head) & (unit - 1));
        NRMI_OP(nrmi_fetch_ends)(out, a->out_step, stream, 0);
        for (j = head; j < end; j += NRMI_W)
            NRMI_OP(nrmi_act_at)(a, act, slope, line, j, nrmi_mask(NRMI_W), 0);
        for (i = head ? 0 : j; i < n; i = NRMI_OP(nrmi_next_part)(i, head, j))
            NRMI_OP(nrmi_act_at)(a, act, slope, line, i, NRMI_OP(nrmi_part)(i, head, n), 1);
    }
}
#if NRMI_DOUBLE /* seldom used: asked for each vector */
#define NRMI_FOR_ACT(slope) NRMI_OP(nrmi_act_all)(a, a->act, slope);
#else
#define NRMI_FOR_ACT(slope)                                                       \
    switch (a->act) {                                                             \
    case NRM_RELU: NRMI_OP(nrmi_act_all)(a, NRM_RELU, slope); break;              \
    case NRM_LEAKY_RELU: NRMI_OP(nrmi_act_all)(a, NRM_LEAKY_RELU, slope); break;  \
    case NRM_CLIP: NRMI_OP(nrmi_act_all)(a, NRM_CLIP, slope); break;              \
    case NRM_HARD_SWISH: NRMI_OP(nrmi_act_all)(a, NRM_HARD_SWISH, slope); break;  \
    case NRM_SILU: NRMI_OP(nrmi_act_all)(a, NRM_SILU, slope); break;              \
    default: NRMI_OP(nrmi_act_all)(a, NRM_IDENTITY, slope);                       \
    }
#endif
static NRMI_NOINLINE void NRMI_OP(nrmi_act)(const nrmi_acting *a)
{
    NRMI_FOR_ACT(0)
}
static NRMI_NOINLINE void NRMI_OP(nrmi_slope)(const nrmi_acting *a)
{
    NRMI_FOR_ACT(1)
}
#undef NRMI_FOR_ACT

static NRMI_NOINLINE void NRMI_OP(nrmi_plus)(void *to, const void *more, size_t n)
{
    nrmi_a *v = (nrmi_a *)to;
    const nrmi_a *w = (const nrmi_a *)more;
    size_t i;
    for (i = 0; i < n; i += NRMI_W)
        nrmi_store(v + i, nrmi_add(nrmi_load(v + i), nrmi_load(w + i)));
}
static NRMI_NOINLINE void NRMI_OP(nrmi_times)(void *to, const void *more, size_t n)
{
    nrmi_a *v = (nrmi_a *)to;
    const nrmi_a *w = (const nrmi_a *)more;
    size_t i;
    for (i = 0; i < n; i += NRMI_W)
        nrmi_store(v + i, nrmi_mul(nrmi_load(v + i), nrmi_load(w + i)));
}

#if !NRMI_DOUBLE
static int NRMI_OP(nrmi_all_within)(const unsigned char *values, size_t count, double limit)
{
    nrmi_v most = nrmi_set1(0), more = most; /* by the bits of |x|, which order like the values */
    size_t i = 0;
    for (; i + 4 * NRMI_W <= count; i += 4 * NRMI_W) {
        most = NRMI_OP(nrmi_larger)(most, nrmi_load(values + i * 4));
        more = NRMI_OP(nrmi_larger)(more, nrmi_load(values + (i + NRMI_W) * 4));
        most = NRMI_OP(nrmi_larger)(most, nrmi_load(values + (i + 2 * NRMI_W) * 4));
        more = NRMI_OP(nrmi_larger)(more, nrmi_load(values + (i + 3 * NRMI_W) * 4));
    }
    most = NRMI_OP(nrmi_larger)(most, more);
    for (; i < count; i += NRMI_W)
        most = NRMI_OP(nrmi_larger)(
            most, nrmi_load_part(values + i * 4, nrmi_mask(nrmi_least(count - i, NRMI_W))));
    return NRMI_OP(nrmi_within)(most, (float)limit);
}
#endif

#if !NRMI_DOUBLE
/* The largest |y| of a line, or of each place, by its bits: NaN is larger than everything. */
static NRMI_NOINLINE void NRMI_OP(nrmi_largest)(const nrmi_steps *q)
{
    float lane[NRMI_W];
    size_t l, i, k;
    for (l = 0; l < q->lines; l++) {
        const float *y = q->y + l * q->step;
        nrmi_v most = nrmi_set1(0);
        for (i = 0; i < q->n; i += NRMI_W) {
            const size_t n = nrmi_least(q->n - i, NRMI_W);
            const nrmi_v v = n < NRMI_W ? nrmi_load_part(y + i, nrmi_mask(n)) : nrmi_load(y + i);
            if (q->place)
                nrmi_store(q->scale + i, NRMI_OP(nrmi_larger)(nrmi_load(q->scale + i), v));
            else
                most = NRMI_OP(nrmi_larger)(most, v);
        }
        nrmi_store(lane, most);
        for (k = 0; !q->place && k < NRMI_W; k++)
            if (nrmi_bits32(lane[k]) > nrmi_bits32(q->scale[l]))
                q->scale[l] = lane[k];
    }
}
/* The low byte of what is left is the step: 1.5 * 2^23 rounds to the nearest even one. */
static NRMI_NOINLINE void NRMI_OP(nrmi_to_steps)(const nrmi_steps *q)
{
    const nrmi_v most = nrmi_set1(127), least = nrmi_set1(-127), magic = nrmi_set1(NRMI_MAGIC);
    size_t l, i;
    for (l = 0; l < q->lines; l++)
        for (i = 0; i < q->n; i += NRMI_W) {
            float *const y = q->y + l * q->step + i;
            nrmi_v v = nrmi_load(y); /* what is past the end may be anything */
            v = nrmi_div(v, q->place ? nrmi_load(q->scale + i) : nrmi_set1(q->scale[l]));
            v = nrmi_choose(nrmi_sub(v, most), most, v); /* where the scale is denormal */
            v = nrmi_choose(nrmi_sub(least, v), least, v);
            nrmi_store(y, nrmi_add(v, magic));
        }
}
#endif

#endif /* D1 to D4 */

/* ---- D5 Lanes in double --------------------------------------------------------------------- */

#if NRMI_DOUBLE
/* Lanes from i on of n; those past the end are 0. */
static NRMI_INLINE nrmi_v NRMI_OP(nrmi_lanes_at)(const double *p, size_t i, size_t n)
{
    return n - i < NRMI_W ? nrmi_load_part(p + i, nrmi_mask(n - i)) : nrmi_load(p + i);
}

/* Coefficients of the usual arithmetic (NUMERICS, "Gradient"): rstd = v * rho, u is the larger of
   v and 1 times 2^24. Powers of two divide exactly. */
static NRMI_NOINLINE void NRMI_OP(nrmi_coefs)(const nrmi_lanes *l)
{
    const nrmi_v one = nrmi_set1(1), lift = nrmi_set1(NRMI_LIFT);
    size_t i;
    for (i = 0; i < l->n; i += NRMI_W) {
        const nrmi_v m = NRMI_OP(nrmi_lanes_at)(l->mean, i, l->n);
        nrmi_v r, v, u, rho, g;
        NRMI_OP1(nrmi_put_f32)(l->mh + i, m);
        if (l->of == NRMI_OF_PILOT)
            continue;
        r = NRMI_OP(nrmi_lanes_at)(l->rstd, i, l->n);
        g = l->g ? NRMI_OP(nrmi_lanes_at)(l->g, i, l->n) : one;
        NRMI_OP1(nrmi_put_f32)(l->ml + i, nrmi_sub(m, NRMI_OP1(nrmi_get_f32)(l->mh + i)));
        if (l->of == NRMI_OF_Y) {
            NRMI_OP1(nrmi_put_f32)(l->r + i, l->g ? nrmi_mul(g, r) : r);
            if (l->to_b)
                NRMI_OP1(nrmi_put_f32)(l->to_b + i, NRMI_OP(nrmi_lanes_at)(l->b, i, l->n));
            continue;
        }
        v = NRMI_OP1(nrmi_and_bits)(r, 0x7ff0000000000000u);
        u = nrmi_mul(NRMI_OP1(nrmi_biggest)(v, one), lift);
        NRMI_OP1(nrmi_put_f32)(l->r + i, nrmi_mul(v, nrmi_set1(l->lift)));
        if (l->k)
            NRMI_OP1(nrmi_put_f32)(l->k + i, l->g ? nrmi_mul(g, u) : u);
        if (l->of == NRMI_OF_SUMS)
            continue;
        rho = NRMI_OP1(nrmi_or_bits)(NRMI_OP1(nrmi_and_bits)(r, 0x000fffffffffffffu),
                                     NRMI_POW2_BITS(0));
        NRMI_OP1(nrmi_put_f32)(l->to_p + i, nrmi_mul(NRMI_OP(nrmi_lanes_at)(l->p, i, l->n), u));
        NRMI_OP1(nrmi_put_f32)
        (l->to_q + i, nrmi_mul(nrmi_mul(NRMI_OP(nrmi_lanes_at)(l->q, i, l->n), rho), u));
        NRMI_OP1(nrmi_put_f32)(l->o + i, nrmi_div(r, u));
    }
}

static NRMI_INLINE unsigned NRMI_OP(nrmi_below)(nrmi_v x, uint64_t limit)
{
    return NRMI_OP1(nrmi_most)(NRMI_OP1(nrmi_and_bits)(x, 0x7fffffffffffffffu),
                               nrmi_set1(nrmi_from_bits(limit)));
}
/* The lanes from i on that are there, of those that failed. */
static NRMI_INLINE unsigned NRMI_OP(nrmi_failed)(unsigned good, size_t i, size_t n)
{
    return ~good & (n - i < NRMI_W ? (1u << (n - i)) - 1u : (1u << NRMI_W) - 1u);
}

static NRMI_NOINLINE int NRMI_OP(nrmi_judge_all)(const nrmi_judged *q)
{
    const nrmi_v zero = nrmi_set1(0), m = nrmi_set1(q->m), eps = nrmi_set1(q->eps);
    const nrmi_v part = nrmi_set1(1 / q->m);
    const int exact = (nrmi_bits(q->m) & 0x000fffffffffffffu) == 0; /* of a power of two */
    unsigned failed = 0;
    size_t i;
#define NRMI_OVER_M(x) (exact ? nrmi_mul(x, part) : nrmi_div(x, m))
    for (i = 0; i < q->n; i += NRMI_W) {
        const nrmi_v a = NRMI_OP(nrmi_lanes_at)(q->first, i, q->n);
        const nrmi_v b = NRMI_OP(nrmi_lanes_at)(q->second, i, q->n);
        const nrmi_v dm = q->rms ? zero : NRMI_OVER_M(a);
        const nrmi_v m2 =
            q->rms ? b : NRMI_OP1(nrmi_biggest)(nrmi_sub(b, nrmi_mul(a, dm)), zero);
        const nrmi_v v = nrmi_add(NRMI_OVER_M(m2), eps);
        const unsigned good =
            NRMI_OP(nrmi_below)(a, NRMI_INF_BITS - 1) & NRMI_OP(nrmi_below)(b, NRMI_INF_BITS - 1) &
            NRMI_OP1(nrmi_most)(nrmi_set1(nrmi_from_bits(NRMI_POW2_BITS(-100))), v) &
            NRMI_OP1(nrmi_most)(nrmi_mul(dm, dm), nrmi_mul(v, nrmi_set1(0.5)));
        failed |= NRMI_OP(nrmi_failed)(good, i, q->n);
        nrmi_store(q->mean + i, nrmi_add(NRMI_OP(nrmi_lanes_at)(q->pilot, i, q->n), dm));
        nrmi_store(q->m2 + i, m2);
        nrmi_store(q->rstd + i, nrmi_div(nrmi_set1(1), NRMI_OP1(nrmi_root)(v)));
    }
#undef NRMI_OVER_M
    return failed == 0;
}

/* Rows: P and Q as the kernel summed them give p, q and o of dx. */
static NRMI_NOINLINE int NRMI_OP(nrmi_row_gradient)(const nrmi_lanes *l)
{
    const nrmi_v one = nrmi_set1(1), lift = nrmi_set1(NRMI_LIFT), m = nrmi_set1(l->m);
    unsigned failed = 0;
    size_t i;
    for (i = 0; i < l->n; i += NRMI_W) {
        const nrmi_v r = NRMI_OP(nrmi_lanes_at)(l->rstd, i, l->n);
        const nrmi_v v = NRMI_OP1(nrmi_and_bits)(r, 0x7ff0000000000000u);
        const nrmi_v u = nrmi_mul(NRMI_OP1(nrmi_biggest)(v, one), lift);
        const nrmi_v rho = NRMI_OP1(nrmi_or_bits)(
            NRMI_OP1(nrmi_and_bits)(r, 0x000fffffffffffffu), NRMI_POW2_BITS(0));
        nrmi_v p = nrmi_div(NRMI_OP(nrmi_lanes_at)(l->p, i, l->n), u);
        nrmi_v q = nrmi_div(nrmi_mul(NRMI_OP(nrmi_lanes_at)(l->q, i, l->n), rho), u);
        failed |= NRMI_OP(nrmi_failed)(
            NRMI_OP(nrmi_below)(p, NRMI_PQ_LIMIT) & NRMI_OP(nrmi_below)(q, NRMI_PQ_LIMIT), i, l->n);
        p = l->rms ? nrmi_set1(0) : nrmi_div(p, m);
        q = nrmi_div(q, m);
        NRMI_OP1(nrmi_put_f32)(l->to_p + i, nrmi_mul(p, u));
        NRMI_OP1(nrmi_put_f32)(l->to_q + i, nrmi_mul(nrmi_mul(q, rho), u));
        NRMI_OP1(nrmi_put_f32)(l->o + i, nrmi_div(r, u));
    }
    return failed == 0;
}

static NRMI_NOINLINE void NRMI_OP(nrmi_settle)(double *into, double *from, size_t n)
{
    size_t i;
    for (i = 0; i + NRMI_W <= n; i += NRMI_W) {
        nrmi_store(into + i, nrmi_add(nrmi_load(into + i), nrmi_load(from + i)));
        nrmi_store(from + i, nrmi_set1(0));
    }
    for (; i < n; i++) {
        into[i] += from[i];
        from[i] = 0;
    }
}

static NRMI_NOINLINE int NRMI_OP(nrmi_narrow)(unsigned char *to, const double *from, size_t n)
{
    unsigned failed = 0;
    float part[NRMI_W];
    size_t i;
    for (i = 0; i + NRMI_W <= n; i += NRMI_W) {
        const nrmi_v v = nrmi_load(from + i);
        failed |= NRMI_OP(nrmi_failed)(NRMI_OP(nrmi_below)(v, NRMI_INF_BITS - 1), i, n);
        NRMI_OP1(nrmi_put_f32)(part, v);
        memcpy(to + 4 * i, part, sizeof part);
    }
    for (; i < n; i++) {
        failed |= !nrmi_finite(from[i]);
        nrmi_f32_set(to, i, (float)from[i]);
    }
    return failed == 0;
}

/* nrmi_comfortable and nrmi_comfortable_affine of all lanes, and none whose gamma * rstd needs two
   factors. */
static NRMI_NOINLINE int NRMI_OP(nrmi_comfortable_all)(const nrmi_lanes *l)
{
    const nrmi_v least = nrmi_set1(nrmi_from_bits(NRMI_POW2_BITS(-60)));
    unsigned failed = 0;
    size_t i;
    for (i = 0; i < l->n; i += NRMI_W) {
        const nrmi_v m = NRMI_OP(nrmi_lanes_at)(l->mean, i, l->n);
        const nrmi_v r = NRMI_OP(nrmi_lanes_at)(l->rstd, i, l->n);
        unsigned good = NRMI_OP(nrmi_below)(m, NRMI_POW2_BITS(100) - 1) &
                        NRMI_OP(nrmi_below)(r, NRMI_POW2_BITS(60)) & NRMI_OP1(nrmi_most)(least, r) &
                        NRMI_OP(nrmi_below)(nrmi_mul(m, r), NRMI_POW2_BITS(25));
        if (l->g) {
            const nrmi_v g = NRMI_OP(nrmi_lanes_at)(l->g, i, l->n);
            const nrmi_v a = NRMI_OP1(nrmi_and_bits)(nrmi_mul(g, r), 0x7fffffffffffffffu);
            good &= NRMI_OP(nrmi_below)(g, NRMI_POW2_BITS(40)) &
                    NRMI_OP(nrmi_below)(NRMI_OP(nrmi_lanes_at)(l->b, i, l->n),
                                        NRMI_POW2_BITS(100)) &
                    NRMI_OP1(nrmi_most)(nrmi_set1(nrmi_from_bits(NRMI_POW2_BITS(-100))), a);
        }
        failed |= NRMI_OP(nrmi_failed)(good, i, l->n);
    }
    return failed == 0;
}
#endif

#ifndef NRMI_LANES_ALONE

/* ---- D6 The kernels by name ---------------------------------------------------------------- */

#define NRMI_KERNEL(name, call)                              \
    static NRMI_NOINLINE void NRMI_OP(name)(nrmi_chunk *c) \
    {                                                        \
        call;                                                \
    }
NRMI_KERNEL(nrmi_row_moments, NRMI_OP(nrmi_row_sums)(c, NRMI_MOMENTS))
NRMI_KERNEL(nrmi_row_channel, NRMI_OP(nrmi_row_sums)(c, NRMI_CHANNEL))
NRMI_KERNEL(nrmi_row_inner, NRMI_OP(nrmi_row_sums)(c, NRMI_INNER))
NRMI_KERNEL(nrmi_column_moments, NRMI_OP(nrmi_column_sums)(c, NRMI_MOMENTS))
NRMI_KERNEL(nrmi_column_channel, NRMI_OP(nrmi_column_sums)(c, NRMI_CHANNEL))
NRMI_KERNEL(nrmi_column_inner, NRMI_OP(nrmi_column_sums)(c, NRMI_INNER))
NRMI_KERNEL(nrmi_column_param, NRMI_OP(nrmi_column_sums)(c, NRMI_PARAM))
#if NRMI_FIXED
NRMI_KERNEL(nrmi_row_masked, NRMI_OP(nrmi_row_sums)(c, NRMI_MASKED))
NRMI_KERNEL(nrmi_column_masked, NRMI_OP(nrmi_column_sums)(c, NRMI_MASKED))
#define NRMI_MASKS(name) NRMI_OP(name)
#else
#define NRMI_MASKS(name) NULL
#endif
NRMI_KERNEL(nrmi_y_line, NRMI_OP(nrmi_map)(c, NRMI_Y, 0, 0))
NRMI_KERNEL(nrmi_y_line_inner, NRMI_OP(nrmi_map)(c, NRMI_Y, 0, 1))
NRMI_KERNEL(nrmi_y_place, NRMI_OP(nrmi_map)(c, NRMI_Y, 1, 0))
NRMI_KERNEL(nrmi_y_place_inner, NRMI_OP(nrmi_map)(c, NRMI_Y, 1, 1))
NRMI_KERNEL(nrmi_dx_line, NRMI_OP(nrmi_map)(c, NRMI_DX, 0, 0))
NRMI_KERNEL(nrmi_dx_line_inner, NRMI_OP(nrmi_map)(c, NRMI_DX, 0, 1))
NRMI_KERNEL(nrmi_dx_place, NRMI_OP(nrmi_map)(c, NRMI_DX, 1, 0))
NRMI_KERNEL(nrmi_dx_place_inner, NRMI_OP(nrmi_map)(c, NRMI_DX, 1, 1))
#undef NRMI_KERNEL

static const nrmi_kernels NRMI_OP(nrmi_kernels) = {
    NRMI_DOUBLE,
    NRMI_HALVES,
    NRMI_FIXED,
    sizeof(nrmi_a),
    {{NRMI_OP(nrmi_row_moments), NRMI_OP(nrmi_row_channel), NRMI_OP(nrmi_row_inner), NULL,
      NRMI_MASKS(nrmi_row_masked)},
     {NRMI_OP(nrmi_column_moments), NRMI_OP(nrmi_column_channel), NRMI_OP(nrmi_column_inner),
      NRMI_OP(nrmi_column_param), NRMI_MASKS(nrmi_column_masked)}},
#if NRMI_DOUBLE
    NULL,
#else
    NRMI_OP(nrmi_row_totals),
#endif
    NRMI_OP(nrmi_column_rest),
    {NRMI_OP(nrmi_row_pilots), NRMI_OP(nrmi_column_pilots)},
    {{{NRMI_OP(nrmi_y_line), NRMI_OP(nrmi_y_line_inner)},
      {NRMI_OP(nrmi_y_place), NRMI_OP(nrmi_y_place_inner)}},
     {{NRMI_OP(nrmi_dx_line), NRMI_OP(nrmi_dx_line_inner)},
      {NRMI_OP(nrmi_dx_place), NRMI_OP(nrmi_dx_place_inner)}}},
    NRMI_OP(nrmi_pack),
    NRMI_OP(nrmi_unpack),
    NRMI_OP(nrmi_act),
    NRMI_OP(nrmi_slope),
    NRMI_OP(nrmi_plus),
    NRMI_OP(nrmi_times),
#if NRMI_DOUBLE
    NULL,
    NULL,
    NULL,
#else
    NRMI_OP(nrmi_all_within),
    NRMI_OP(nrmi_largest),
    NRMI_OP(nrmi_to_steps),
#endif
    NRMI_OP64(nrmi_coefs),
    NRMI_OP64(nrmi_judge_all),
    NRMI_OP64(nrmi_comfortable_all),
    NRMI_OP64(nrmi_row_gradient),
    NRMI_OP64(nrmi_settle),
    NRMI_OP64(nrmi_narrow)
};
#endif

#undef NRMI_OP
#undef NRMI_OP1
#undef NRMI_OP64
#undef NRMI_W
#undef NRMI_DOUBLE
#undef NRMI_HALVES
#undef NRMI_FIXED
#undef NRMI_MASKS
#undef NRMI_TAKES
#undef NRMI_UNIT
#undef NRMI_PANEL
#undef NRMI_TWIN
#undef NRMI_TWINS
#undef NRMI_TWIN_SUMS
#undef nrmi_twin
#undef nrmi_a
#undef nrmi_v
#undef nrmi_m
#undef nrmi_two
#undef nrmi_stats
#undef nrmi_from
#undef nrmi_lane
#undef nrmi_other
#undef nrmi_line
#undef nrmi_set1
#undef nrmi_load
#undef nrmi_load_part
#undef nrmi_store
#undef nrmi_store_part
#undef nrmi_stream
#undef nrmi_mask
#undef nrmi_keep
#undef nrmi_add
#undef nrmi_sub
#undef nrmi_mul
#undef nrmi_pairs
#undef nrmi_div
#undef nrmi_choose
#undef nrmi_pow2
#undef nrmi_bell
#undef NRMI_MAGIC
#undef nrmi_relu
#undef nrmi_tally
#undef NRMI_TREE
#undef NRMI_R
#undef NRMI_Q2
#undef NRMI_Q4
#undef NRMI_Q8
#undef NRMI_F1
#undef NRMI_F2
#undef NRMI_F4
#undef NRMI_F8
#undef NRMI_F16
#undef NRMI_FOLD

#endif /* NRMI_PASS */


/*
normalize.h is available under two licences. Choose whichever you prefer.

--------------------------------------------------------------------------------
ALTERNATIVE A - MIT License

Copyright (c) 2026 the normalize.h authors

Permission is hereby granted, free of charge, to any person obtaining a copy of
this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to
use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies
of the Software, and to permit persons to whom the Software is furnished to do
so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.

--------------------------------------------------------------------------------
ALTERNATIVE B - Public Domain (www.unlicense.org)

This is free and unencumbered software released into the public domain.

Anyone is free to copy, modify, publish, use, compile, sell, or distribute this
software, either in source code form or as a compiled binary, for any purpose,
commercial or non-commercial, and by any means.

In jurisdictions that recognize copyright laws, the author or authors of this
software dedicate any and all copyright interest in the software to the public
domain. We make this dedication for the benefit of the public at large and to
the detriment of our heirs and successors. We intend this dedication to be an
overt act of relinquishment in perpetuity of all present and future rights to
this software under copyright law.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN
ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
*/
