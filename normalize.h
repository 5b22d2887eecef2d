/* normalize.h - v0.2.0 - batch/layer/instance/group/RMS normalization - MIT or Unlicense, see end

   Normalises tensors of float, double, bf16 and f16 on the CPU, forward and backward, NCHW and
 NHWC. The result depends on the numbers and the shape alone: not on the instruction set, the
 layout, the number of threads, the batch around a sample, alignment, in-place use, the compiler or
 its flags.

 ==== A MANUAL ==================================================================================

 -- A1 Use it -----------------------------------------------------------------------------------

   #define NORMALIZE_IMPLEMENTATION      in exactly one C or C++ file,
   #include "normalize.h"                and just the include everywhere else.
   cc -O2 file.c                         no flags, no library; SIMD is chosen at run time

  A file of its own for the first keeps its ten seconds of compiling out of yours.

 -- A2 Quick start (examples/01_layernorm.c) -----------------------------------------------------

   float x[2][4] = {{1, 2, 3, 4}, {40000, 40001, 40002, 40003}}, y[2][4];
   nrm_status status = nrm_layernorm(y[0], x[0], 2, 4, NULL, NULL, 1e-5);
   if (status != NRM_OK) puts(nrm_status_string(status));     both rows: -1.34 -0.45 0.45 1.34

  Everything else is a described call: zero the two structs, fill in what you use.

   nrm_desc d = {0};                     what:  batch norm of 32 images, 64 channels, 56 x 56
   nrm_args a = {0};
   d.kind = NRM_BATCH; d.layout = NRM_NHWC; d.n = 32; d.c = 64; d.s = 56 * 56; d.eps = 1e-5;
   a.x = x; a.y = y; a.gamma = gamma; a.beta = beta;           where
   a.mean = mean; a.rstd = rstd;         64 doubles each, kept for the backward pass
   a.running_mean = rm; a.running_var = rv; a.running_rate = 0.1;
   nrm_forward(&d, &a);                  training
   a.dy = dy; a.dx = dx; a.dgamma = dgamma; a.dbeta = dbeta;
   nrm_backward(&d, &a);                 its gradient
   nrm_infer(&d, &a);                    inference, with the running statistics

   d.dtype = NRM_BF16; d.act = NRM_RELU;       x, y, dy, dx are uint16_t now, gamma and beta float
   a.residual = skip; a.sum = sum;             y = relu(norm(x + skip)); sum = x + skip, if wanted

  Backward then takes the same x and residual, or x = sum without residual. Every call returns a
  status. (A global named gamma is no good name: outside of -std=c99 <math.h> has it, a function.)

 -- A3 What it computes --------------------------------------------------------------------------

   kind           averages over                              statistics (mean, rstd)
   NRM_BATCH      n and s, for each channel                  c        [c]
   NRM_INSTANCE   s, for each sample and channel             n*c      [n][c]
   NRM_LAYER      c, for each sample and position            n*s      [n][s]
   NRM_GROUP      c/groups channels and s, for each sample   n*groups [n][groups]
   NRM_RMS        c, like NRM_LAYER; no mean is subtracted   n*s      [n][s]

   forward    z = x + residual;  xhat = (z - mean) * rstd;  y = act(xhat * (gamma + gamma_offset)
              + beta);  rstd = 1 / sqrt(var + eps), 0 if var + eps is 0; var over m values, by m
   backward   dy' = dy where y > 0 under NRM_RELU;  t = dy' * (gamma + gamma_offset);
              dx = rstd * (t - mean(t) - xhat * mean(t * xhat)) + dsum   (RMS: no mean(t);
              nrm_infer_backward: dx = rstd * t + dsum);  means over what the kind averages over
              dgamma = sum dy' * xhat;  dbeta = sum dy'   over all that share the parameter

  A matrix is n = rows, c = columns, s = 1. Layer norm over C, H and W with a weight for each
  element is NRM_LAYER with c = C*H*W, s = 1. The norm of a whole image is NRM_GROUP, groups = 1.
  With s = 1 NRM_GROUP is layer norm of c/groups values, and NRM_INSTANCE is always beta.
  gamma, beta, dgamma, dbeta are c values, or [n][c] with affine_per_sample (AdaIN). gamma NULL is 1
  and then gamma_offset is ignored; beta NULL is 0. mean and rstd are doubles: a float mean is
  what makes a backward pass wrong by 0.8 at a mean of 1e6.

 -- A4 API map -----------------------------------------------------------------------------------

   training, and all norms without running statistics     nrm_forward, nrm_backward
   batch (and instance) norm with running statistics      nrm_infer, nrm_infer_backward
   one batch on many machines, or in pieces (NRM_BATCH)   nrm_reduce, nrm_merge, nrm_apply,
                          nrm_backward_reduce, nrm_merge_sums, nrm_backward_apply
   mean and variance of each channel alone                nrm_reduce: variance is m2 / count
   float, packed, one line                                nrm_layernorm, nrm_rmsnorm,
                          nrm_batchnorm_infer, nrm_instancenorm, nrm_groupnorm
   into the convolution before it                         nrm_fold
   lengths, instruction sets, words, half floats          nrm_stat_count, nrm_workspace_size,
                          nrm_best_isa, nrm_has_isa, nrm_isa_name, nrm_status_string, nrm_version,
                          nrm_f32_to_bf16, nrm_bf16_to_f32, nrm_f32_to_f16, nrm_f16_to_f32

  running = (1 - running_rate) * running + running_rate * new, in double, then rounded. PyTorch's
  momentum is running_rate; Keras's and ONNX's is 1 - running_rate. A rate of 1/k in step k gives
  the cumulative average. running_population 0 takes the unbiased variance m2 / (m - 1) as PyTorch
  does, 1 the population's as ONNX and Keras do. Instance norm moves its c running values by the
  mean over the samples.

 -- A5 Layouts and types -------------------------------------------------------------------------

  Element (i, j, k) of sample i, channel j, position k lies at
     NCHW   i * pitch.sample + j * pitch.line + k        line >= s, sample >= c * line
     NHWC   i * pitch.sample + k * pitch.line + j        line >= c, sample >= s * line
  A line of 0 is its least value, and so is a sample of 0: 0, 0 is packed. Three channels of RGBA
  pixels are NHWC with c = 3, line = 4. x_pitch is that of x, residual, sum, dsum and dx; y_pitch of
  y and dy.
  No alignment is asked, not even that of float. Gaps are neither read nor written.
  An output may be the very same buffer (equal pitches) as: y: x or residual; sum: x or residual;
  dx: x, dy or dsum. y is not sum. Any other overlap of an output is NRM_ERR_ALIAS. Inputs may
  overlap. Two column slices of one matrix do not overlap.

   dtype      x, y, residual, sum, dy, dx, dsum   gamma, beta, dgamma, dbeta, running_*   mean, rstd
   NRM_F32    float                               float                                   double
   NRM_F64    double                              double                                  double
   NRM_BF16   the upper half of a float           float                                   double
   NRM_F16    IEEE binary16                       float                                   double

  bf16 and f16 are storage: widened exactly, computed as float, rounded once to nearest even. NaN
  stays NaN, what is too large for f16 becomes Inf, denormals are kept. The same values in bf16 and
  in float give the same statistics and parameter gradients to the bit.

 -- A6 Numerics ----------------------------------------------------------------------------------

  Only IEEE add, subtract, multiply, divide and square root, in float and double, in the order
  written here; no fused multiply-add, no reassociation, whatever your flags. All NaNs count as
  one value. x87 arithmetic is refused at compile time.

  Order of summation. A sum runs over a list of planes.
     block   128 values. Value i has lane i mod 16 and step i / 16. Each lane's 8 steps are added
             as a tree, ((0+1)+(2+3))+((4+5)+(6+7)); then the 16 lanes as a tree of neighbours.
             A value missing at the end adds nothing.
     run     8 blocks,   plane: runs,   list: planes. Their totals are double; each starts at +0
             and adds in index order.
  The lists, the same in both layouts:
     BATCH statistics and gradient sums       s >= 16, or affine_per_sample: n planes of s
                                              else: s planes of n
     INSTANCE statistics                      one plane of s
     GROUP statistics                         c/groups planes of s, channels in order
     INSTANCE and GROUP gradient sums         a plane of s for each (n, c) gives P and Q; the
             group's are the sums over its channels, in order, of gamma * P and gamma * Q in
             double; dgamma and dbeta are the sums over n, in order
     LAYER, RMS statistics and gradient sums  one plane of c
     LAYER, RMS dgamma and dbeta              as BATCH; with affine_per_sample one plane of s
     BATCH gradient with affine_per_sample    sum over n of gamma[n][c] * (plane of s), in double
     GROUP with s = 1                         is LAYER over c/groups values, group by group, but
             its dgamma and dbeta are n planes of 1

  Statistics. S1 = sum d and S2 = sum d*d in float, d = z - K, K a pilot near the mean.
     dm = S1 / m,  m2 = max(0, S2 - S1 * dm),  mean = K + dm,  var = m2 / m      in double
     Pilot: a list of one plane of m <= 128 values: K = (float)(sum z) / (float)m, the sum in the
             same order. Else the neighbour tree of 32 values z[(size_t)(f_i * m)] * 2^-5 in float,
             f_i = frac((i+1) * 0.6180339887498949). K is never -0. RMS: K = 0, dm = 0.
     Accept: S1 and S2 are finite, var + eps >= 2^-100 and dm * dm <= (var + eps) / 2.
     Else, if only the last fails: K = (float)mean and once more. Else: the same sums in double
     with K the first value of the list (RMS: 0). If those are not finite, mean = rstd = NaN.

  Apply. mh = (float)mean, ml = (float)(mean - mh), g = (float)(gamma + gamma_offset) after adding
     in double, b = beta; a = g * rstd in double. All in float:
     BATCH, INSTANCE, GROUP, infer   y = ((z - mh) - ml) * (float)a + b
             (a below 2^-100: times (float)(a * 2^100), then times 2^-100)
     LAYER                           y = (((z - mh) - ml) * (float)rstd) * g + b
     RMS                             y = (z * (float)rstd) * g + b
     RELU: y where y > 0, NaN where NaN, else +0.
  Gradient. rstd = v * rho with v a power of two and 1 <= rho < 2; u = max(v, 1) * 2^24,
     o = (float)(rstd / u); h = ((z - mh) - ml) * v. In float, but for what is said to be double:
     channels (BATCH, INSTANCE, GROUP)   P = sum dy',  Q = sum dy' * (h * 2^24), then Q * rho / 2^24
             in double; p = g * (P / m) (weighted sums: P / m), q likewise
     rows (LAYER, RMS)                   P = sum t, Q = sum t * h with t = dy' * (g * u), then P / u
             and Q * rho / u in double; p = P / m (RMS: 0), q = Q / m
     dx = ((dy' * (g * u) - (float)(p * u)) - h * (float)(q * rho * u)) * o, then + dsum
     infer_backward                      dx = (dy' * r) * w, (r, w) = ((float)a, 1) or, below
             2^-100, ((float)(a * 2^100), 2^-100); then + dsum
     dgamma of rows                      sum dy' * (((z - mh) - ml) * (float)rstd)
     The powers of two are exact; they keep 24 bits of a dy as small as 1e-45.
     accumulate: (float)((double)old + new).
  In double instead, by the same sums and formulas, with mean, rstd, g and b themselves, no v, u,
  rho, and one rounding at the end:
     - an element whose statistics leave |mean| < 2^100, rstd = 0 or 2^-60 <= rstd <= 2^60,
       |mean| * rstd <= 2^25, or whose parameters leave |g| <= 2^40, |b| <= 2^100. LAYER and RMS:
       one such parameter sends all rows that use it there, one such row dgamma and dbeta.
     - a gradient sum that is not finite in float; P and Q of a row above 2^42; dx where |p| or |q|
       is above 2^42. The sign that RELU masks by stays that of forward's y.
     - a single dx that is not finite in float, from the float coefficients, dsum included.
  Merge. a is `into`, or `from` if its count is larger; b.count 0 leaves a. Else
     d = b.mean - a.mean,  n = a.count + b.count,
     mean = a.mean + d * (b.count / n),  m2 = (a.m2 + b.m2) + d * d * (a.count * (b.count / n)).

  Types. bf16 and f16: as float; z = x + residual, y, sum and dx are rounded to the type, once, also
  from double. The sign that RELU masks by is that of y before this.
  F64: the same sums and formulas in double throughout, ml = 0, v = u = 1 and rho = 1 with rstd in
  their place, gamma and beta not rounded, with these differences:
     Pilot and retry: K = (sum z) / m, or 32 values, or mean, in double; a retry is not judged.
     Accept asks for var + eps >= 2^-900, or |K| >= 2^-400.
     Last resort: z times 2^-600 (where sums are not finite) or 2^600 (where they are too small),
             around the first value, then around the mean that this gives. A rstd that no double
             can hold is the largest double. Where var + eps is too large for one, rstd is half of
             1 / sqrt(var / 4 + eps / 4).
     |mean| >= 2^1000 or rstd < 2^-1000: apply and gradients take z / 4 and mean / 4, 4 * rstd;
             dgamma and dbeta of LAYER and RMS in those rows alone.
     a and 1 stand for a, but rstd * t and g / t where |a| is not within 2^-900 to 2^900; t is 2 to
             half of what g's exponent is above rstd's.
     Totals of planes and lists, of GROUP's statistics over its channels, and of dgamma and dbeta
             over the samples are compensated: what each addition rounds off is added up beside
             it, s = a + b, p = s - a, lost += (a - (s - p)) + (b - p), and goes to the total at
             its end if it is finite.
     INSTANCE's running statistics move by the sum of mean / n over the samples, which cannot
             overflow, where float has the sum of mean, divided by n.
     Nothing is done again: there is no wider type.

  Error bound, for every finite input, e = 2^-23, tests/ref.h:
     y        4e * (|g| * (1 + |xhat|) + |b|) + 2^-149, overflow as correctly rounded
     dx       6e * rstd * (1 + |xhat|) * (|t| + mean|t| + mean|t * xhat|) + m * 2^-149
     dgamma   4e * sum |dy'| * (1 + |xhat|) + m * 2^-149
     dbeta    4e * sum |dy'| + m * 2^-149
  bf16 and f16: these and half a unit in the last place of the stored result.
  F64: e = 2^-52, 2^-1074 for 2^-149, and, since one double holds the mean, with
  d = |mean| * rstd * 2^-53, for y |g| * d more, for dgamma d * sum |dy'|, and for dx
  rstd * d * (mean|t * xhat| + (|xhat| + d) * mean|t|). The derivation below is the same: each
  operation rounds once to half a unit of its arithmetic, whatever that is, and the pilot keeps
  (mean-K)^2 <= var/2; but the half unit that ml saves float is then |mean| * 2^-53, times rstd.
  The sums of gamma * P and gamma * Q, over samples in BATCH with affine_per_sample and over
  channels in GROUP, are plain sums of doubles: k of them may add k/16 of the bound.
  It holds for deviations above 2^-1020, for y while |gamma * xhat| stays below 2^1000, and for
  gradients while |dy * gamma| * m does and no dy * gamma is denormal; with running statistics, of
  which xhat may be anything, while |z - mean|, |xhat| and |dy * gamma * xhat| * m do too.
  nrm_moments hold m2 as a double: the parts in F64 need deviations within 2^-500 to 2^500, and
  after k merges have k + 1 times these bounds. Each rounds the mean to a double again, and a few
  numbers in proportion to the deviation, since a step from the mean of more values is no longer
  than one. Float does not notice.
  Where it comes from, for y, in units of e/2, the half unit in the last place: z - mh rounds once
  (1), ml is off by 2^-49 |mean|, at most 1/2 after rstd, its subtraction rounds (1), the factor a
  or r and g (1 to 2), the products (1 to 2), the last sum (1 of |y|); mean and rstd themselves come
  from float sums around K: with (mean-K)^2 <= var/2 the tree of depth 7 leaves at most 1 to 2.
  Together under 8, which is 4e. dgamma and dbeta have the same roundings, of other terms. dx, in
  the same units: t (2), its difference from p (1), its product with o and o itself (2); p as a
  float (1), the tree of P (3 to 4), rstd (2): under 12, which is 6e. An error of the mean of e
  moves it by rstd * |xhat| * mean|t|, hence 1 + |xhat| there as well.

 -- A7 Options: define before including, in every file (first group) or with the implementation ----

   NORMALIZE_IMPLEMENTATION   emit the code here
   NORMALIZE_STATIC           everything static: a private copy for this file
   NRM_API                    linkage of the public functions; default extern
   NRM_HEADER_FILENAME        the name this file includes itself by; default "normalize.h"
   NRM_NO_SIMD                scalar only
   NRM_NO_AVX2, NRM_NO_AVX512, NRM_NO_NEON, NRM_NO_WASM   without that one
   NRM_NO_F64, NRM_NO_HALF    without NRM_F64; without NRM_BF16 and NRM_F16: NRM_ERR_DESC
   NRM_SQRT(x)                correctly rounded square root of a double; default: the SSE2
                              instruction, elsewhere sqrt of <math.h>
   NRM_STREAM_BYTES           from this size of input and output together on, an output apart
                              from the input, whose lines begin with lines of the cache, is stored
                              past the caches; default 24 MiB. Changes no bit. Zen 4 with 32 MB of
                              L3, layer norm of 4096 x 768: 1.74 ms without, 1.16 ms with
   NRM_POOL_MIN               elements (n*c*s) from which on a call uses its pool; default 524288.
                              From a quarter of it on, up to 128 channels or rows are cut up.
                              Changes no bit. Two cores of Zen 4, float, a pool that sleeps on a
                              condition variable: batch norm NHWC 84x64x49 (263424) took 104 us
                              instead of 66, 168x64x49 (526848) 138 instead of 135, 336x64x49 263
                              instead of 271; layer norm 342x768 81 instead of 98. With threads
                              that spin, layer norm gains from 49152 on
   NRM_ASSERT(condition)      default: nothing

 -- A8 Instruction sets --------------------------------------------------------------------------

  Scalar, AVX2 (with F16C) and AVX-512 (F, DQ, VL, BW) are compiled from one kernel text (section D)
  in a plain build and chosen once at run time by CPUID and XGETBV. AArch64 has scalar and NEON,
  WASM has scalar and, compiled with -msimd128, SIMD128: what the compiler was told is what runs.
  Every other machine is scalar. So are 32-bit Arm, whose NEON flushes denormals, MSVC for 32-bit
  x86 and for Arm, and tcc. args.isa forces one for a call, or NRM_ERR_ISA. The bits are the same;
  the scalar code is the oracle of the others.

 -- A9 Threads, pieces, memory, freestanding ------------------------------------------------------

  Every function may be called from any thread at any time; the only mutable global is the cached
  answer of CPUID.
  args.pool lends a call the caller's threads (examples/06_threads_pthread.c, 07_threads_openmp.c):
  run() is given a number of tasks, calls each index once, in any order, on any threads, and returns
  when all have returned. A call has several such rounds. With threads below 2 the pool is ignored,
  and so it is for less than NRM_POOL_MIN elements; run NULL is NRM_ERR_NULL. A call is cut by
  groups of channels or rows, or, where there are too few of them, by runs and planes (A6), whose
  sums are parked and added in order by the calling thread: the bits never change.
  args.workspace holds such sums. Any size and alignment will do; nrm_workspace_size(d, threads)
  bytes are worth giving: about 64 KiB a thread. Without it there are more and smaller rounds, fewer
  tasks where planes are short, and INSTANCE and GROUP of few channels find dgamma and dbeta sample
  by sample. With one thread it spares nrm_forward a second pass over x when running statistics of
  more than 64 channels move and not both of mean and rstd are given.

  A batch that comes in pieces, as one (tests/test_pieces.c; on many machines:
  examples/08_sync_batchnorm_mpi.c). all and part are c nrm_moments, in backward c nrm_sums, all 0:

   for (i = 0; i < pieces; i++, nrm_merge(all, part, C))
       desc.n = n[i], args.x = x[i], nrm_reduce(&desc, &args, part);
   for (i = 0; i < pieces; i++)
       desc.n = n[i], args.x = x[i], args.y = y[i], nrm_apply(&desc, &args, all);

   args.accumulate = 1;
   for (i = 0; i < pieces; i++, nrm_merge_sums(all, part, C))
       desc.n = n[i], args.x = x[i], args.dy = dy[i], nrm_backward_reduce(&desc, &args, part);
   for (i = 0; i < pieces; i++, nrm_backward_apply(&desc, &args, all))
       desc.n = n[i], args.x = x[i], args.dy = dy[i], args.dx = dx[i];

  The order of merging decides the bits, so fix it: by rank, by piece. Running statistics are given
  to one nrm_apply alone; with n = 0 it does nothing else. Ghost batches are the opposite, a large
  batch as several small ones, step elements each; backward with accumulate from the second one on:

   for (i = 0, desc.n = N / GHOSTS; i < GHOSTS; i++) {
       args.x = x + i * step, args.y = y + i * step;
       args.mean = mean + i * C, args.rstd = rstd + i * C;
       nrm_forward(&desc, &args);
   }

  No allocation, at most 40 KiB of stack for each thread (what a pool adds aside), no libc beyond
  memcpy and memset (which compilers emit anyway) and, outside of x86 with SSE2, sqrt.
  Each call and each task sets round-to-nearest without flushing to zero, exceptions masked, and
  restores what it found.

 -- A10 Errors and limits ------------------------------------------------------------------------

  A call that returns an error has not written a byte. The one exception is NRM_ERR_NONFINITE:
  everything is written, but no running statistic has moved, as one of them would not be finite.
   empty (n, c or s is 0)   NRM_OK; nothing is read or written but zeros to dgamma and dbeta, and
                            zero moments or sums by the parts; NULL tensors are fine
   one value per channel    y = beta, dx = 0; with running_var, unbiased: NRM_ERR_SAMPLES. Leave
                            running_* out of such a call, as of a sequence's last rows
   a constant group         exactly beta, also when eps is 0 (rstd is 0, never Inf)
   NaN or Inf in x          NaN in all of its own statistics group, no bit elsewhere; nrm_infer:
                            its own element. running_var + eps below 0 or NaN: NaN
  Needed pointers are listed in B5; others are ignored.

 -- A11 Compatibility ----------------------------------------------------------------------------

  C99, C11, C++11 and later. `make check-cross` compiles, runs and compares with x86's scalar code:
   x86-64 and i386 with SSE2     gcc 11 and 12, clang 14, 16 and 19, musl, tcc (scalar)
   AArch64 (NEON)                gcc and clang, under qemu-user
   armhf, riscv64, ppc64le, s390x (big-endian)   gcc, under qemu-user
   WASM, with and without SIMD   clang, in node's WASI
   Windows, x86-64               mingw-w64, under wine
  Compiled only, in lack of the system: clang in MSVC mode for x86-64, i686 and Arm, and what MSVC
  itself would see. Bits are the same from -O0 to -Ofast -march=native, with -ffast-math and -flto.
  Refused by #error, since nothing written here could hold the bits: x87 arithmetic (-msse2
  -mfpmath=sse helps); -ffast-math of clang for WASM, PowerPC and 32-bit Arm, before 16 for
  AArch64, before 19 for RISC-V; -msimd128 of clang before 16.
  Flushing to zero, rounding and traps are set for each call on x86 with SSE2 and AArch64, but not
  by tcc and not by MSVC for Arm; elsewhere they have to be as a program finds them at its start.
  Nothing but NRM*, NORMALIZE_* and nrm names is left behind.
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
typedef enum nrm_act { NRM_IDENTITY, NRM_RELU } nrm_act;
typedef enum nrm_isa { NRM_AUTO, NRM_SCALAR, NRM_AVX2, NRM_AVX512, NRM_NEON, NRM_WASM } nrm_isa;

typedef enum nrm_status {
    NRM_OK = 0,
    NRM_ERR_NULL,     /* a pointer the call needs is NULL                                     */
    NRM_ERR_DESC,     /* enumerator out of range, groups not dividing c, kind unfit for a call */
    NRM_ERR_SIZE,     /* n*c*s, or a size in bytes, exceeds size_t; a pitch is too small      */
    NRM_ERR_EPS,      /* eps negative, infinite or NaN                                        */
    NRM_ERR_RATE,     /* running_rate outside [0, 1] or NaN                                   */
    NRM_ERR_ALIAS,    /* buffers overlap in a way that is neither "same" nor "apart"          */
    NRM_ERR_SAMPLES,  /* running variance asked of one value per channel: it has no estimate  */
    NRM_ERR_ISA,      /* the instruction set asked for is not built in or not on this CPU     */
    NRM_ERR_NONFINITE /* all is written but the running statistics: a new one is not finite   */
} nrm_status;

typedef struct nrm_pitch {
    size_t sample, line; /* in elements; 0 means packed */
} nrm_pitch;

/* What to compute. Zero is every field's default, and the first field is a number, so that
   `nrm_desc d = {0}` compiles as C and as C++. */
typedef struct nrm_desc {
    size_t n, c, s;             /* samples, channels, positions (1, L, H*W or D*H*W)          */
    size_t groups;              /* NRM_GROUP: divides c                                       */
    nrm_kind kind;              /* what is averaged over: manual, A3                          */
    nrm_layout layout;          /* NCHW: positions are neighbours; NHWC: channels are         */
    nrm_dtype dtype;            /* storage of x, y, residual, sum, dy, dx and dsum            */
    nrm_act act;                /* applied last                                               */
    double eps;                 /* added to the variance under the root                       */
    double gamma_offset;        /* added to every gamma: 1 for zero-centred weights           */
    int affine_per_sample;      /* gamma and beta hold n*c values (AdaIN, conditional norm)   */
    nrm_pitch x_pitch, y_pitch; /* of x, residual, sum, dsum, dx / of y, dy: slices           */
} nrm_desc;

/* Where it lies. Every pointer that a call does not need may be NULL. */
typedef struct nrm_args {
    const void *x;                    /* the input                                            */
    void *y;                          /* the output                                           */
    const void *residual;             /* z = x + residual is what gets normalised             */
    void *sum;                        /* z goes here                                          */
    const void *gamma, *beta;         /* NULL: 1 and 0, each on its own                       */
    double *mean, *rstd;              /* statistics: out of forward, into backward            */
    void *running_mean, *running_var; /* batch and instance norm: c values                    */
    double running_rate;              /* weight of the new value: r = (1-rate)*r + rate*new   */
    int running_population;           /* 0: unbiased variance (PyTorch); 1: population (ONNX) */
    const void *dy;                   /* the gradient of y                                    */
    void *dx;                         /* the gradient of x (and of residual)                  */
    const void *dsum;                 /* gradient reaching sum from elsewhere; added to dx    */
    void *dgamma, *dbeta;             /* the gradients of gamma and beta                      */
    int accumulate;                   /* 1: add to dgamma and dbeta instead of overwriting    */
    nrm_isa isa;                      /* NRM_AUTO: the best this CPU has                      */
    const struct nrm_pool *pool;      /* NULL: the calling thread alone                       */
    void *workspace;                  /* lets more work run in parallel; never changes a bit  */
    size_t workspace_size;            /* in bytes                                             */
} nrm_args;

/* The caller's threads: OpenMP, pthreads, a job system. run() returns when all tasks have run. */
typedef struct nrm_pool {
    void (*run)(void *user, size_t tasks, void (*task)(void *arg, size_t index), void *arg);
    void *user;
    size_t threads;
} nrm_pool;

/* One channel of a share of a batch: m2 is the sum of squared deviations from mean. */
typedef struct nrm_moments {
    double count, mean, m2;
} nrm_moments;

/* One channel's gradient sums over a share of a batch. */
typedef struct nrm_sums {
    double count, dy, dy_xhat;
} nrm_sums;

/* ---- B4 Short forms: float, packed, one thread. gamma and beta may be NULL. ---------------- */

/* y[rows][cols] = layer norm of each row of x. y may be x. */
NRM_API nrm_status nrm_layernorm(float *y, const float *x, size_t rows, size_t cols,
                                 const float *gamma, const float *beta, double eps);
/* y[rows][cols] = x / sqrt(mean(x*x) + eps) * gamma, row by row. y may be x. */
NRM_API nrm_status nrm_rmsnorm(float *y, const float *x, size_t rows, size_t cols,
                               const float *gamma, double eps);
/* Batch norm with running statistics mean[c] and var[c]. y may be x. */
NRM_API nrm_status nrm_batchnorm_infer(float *y, const float *x, size_t n, size_t c, size_t s,
                                       nrm_layout layout, const float *mean, const float *var,
                                       const float *gamma, const float *beta, double eps);
/* Each channel of each sample by its own mean and variance over s. y may be x. */
NRM_API nrm_status nrm_instancenorm(float *y, const float *x, size_t n, size_t c, size_t s,
                                    nrm_layout layout, const float *gamma, const float *beta,
                                    double eps);
/* Each group of c/groups channels of each sample by its own mean and variance. y may be x. */
NRM_API nrm_status nrm_groupnorm(float *y, const float *x, size_t n, size_t c, size_t s,
                                 size_t groups, nrm_layout layout, const float *gamma,
                                 const float *beta, double eps);

/* ---- B5 Described calls ------------------------------------------------------------------ */

/* With the input's own statistics: training; layer, instance, group and RMS norm always.
   Needs x, y. Optional outputs: sum, mean, rstd, running_mean, running_var, each alone.
   y may be x or residual, sum may be x or residual. Statuses: all. */
NRM_API nrm_status nrm_forward(const nrm_desc *, const nrm_args *);

/* NRM_BATCH and NRM_INSTANCE with running statistics, which are only read.
   Needs x, y, running_mean, running_var. Optional output: sum. */
NRM_API nrm_status nrm_infer(const nrm_desc *, const nrm_args *);

/* Gradient of nrm_forward. Needs x, dy, rstd and mean (not for RMS) as forward wrote them, at least
   one of dx, dgamma, dbeta, and gamma, beta, gamma_offset as in forward; x and residual as there,
   or its sum as x. dx may be x, dy, dsum. */
NRM_API nrm_status nrm_backward(const nrm_desc *, const nrm_args *);

/* Gradient of nrm_infer: frozen batch norm. Needs x, dy, running_mean, running_var and at least one
   of dx, dgamma, dbeta. */
NRM_API nrm_status nrm_infer_backward(const nrm_desc *, const nrm_args *);

/* ---- B6 Parts: batch norm over many machines, pieces of a batch, several batches as one ----
   NRM_BATCH alone; examples/08_sync_batchnorm_mpi.c. */

/* Writes c moments of this share. Needs x (and residual if used). An empty share gives zeros. */
NRM_API nrm_status nrm_reduce(const nrm_desc *, const nrm_args *, nrm_moments *c_of_them);
/* into += from, channel by channel; the order of merging is the caller's and decides the bits. */
NRM_API void nrm_merge(nrm_moments *into, const nrm_moments *from, size_t c);
/* Normalises this share with merged moments: y, and sum, mean, rstd, running_* if given. */
NRM_API nrm_status nrm_apply(const nrm_desc *, const nrm_args *, const nrm_moments *c_of_them);
/* Writes c gradient sums of this share, and dgamma, dbeta of this share if given. */
NRM_API nrm_status nrm_backward_reduce(const nrm_desc *, const nrm_args *, nrm_sums *c_of_them);
/* into += from, channel by channel. */
NRM_API void nrm_merge_sums(nrm_sums *into, const nrm_sums *from, size_t c);
/* dx of this share from merged sums. Needs x, dy, mean, rstd, dx. */
NRM_API nrm_status nrm_backward_apply(const nrm_desc *, const nrm_args *,
                                      const nrm_sums *c_of_them);

/* ---- B7 Helpers -------------------------------------------------------------------------- */

/* Folds an inference batch norm into the convolution or linear layer before it: weight is [c][k],
   of a convolution with k = input channels of a group * kernel height * width (examples/10_fold.c).
   bias, gamma and beta may be NULL; weight_out may be weight, bias_out may be bias. Errors: NULL,
   SIZE, EPS, ALIAS. */
NRM_API nrm_status nrm_fold(float *weight_out, float *bias_out, const float *weight,
                            const float *bias, size_t c, size_t k, const float *mean,
                            const float *var, const float *gamma, const float *beta, double eps);

NRM_API size_t nrm_stat_count(const nrm_desc *); /* length of mean and rstd; 0: desc invalid */
NRM_API size_t nrm_workspace_size(const nrm_desc *, size_t threads); /* bytes worth giving     */
NRM_API nrm_isa nrm_best_isa(void);                                  /* what NRM_AUTO means     */
NRM_API int nrm_has_isa(nrm_isa);                                    /* 1 if it can run here    */
NRM_API const char *nrm_isa_name(nrm_isa);
NRM_API const char *nrm_status_string(nrm_status); /* one line a person understands */
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

#include <string.h> /* memcpy, only ever of a constant few bytes */

#ifndef NRM_SQRT
#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define NRM_SQRT(x) nrmi_sqrt_sse2(x) /* one instruction, no libm */
#elif NRMI_HAS_NEON
#define NRM_SQRT(x) vget_lane_f64(vsqrt_f64(vdup_n_f64(x)), 0)
#else
#include <math.h>
#define NRM_SQRT(x) sqrt(x)
#endif
#endif

#ifndef NRM_STREAM_BYTES
#define NRM_STREAM_BYTES 25165824 /* 24 MiB: A7 */
#endif

#ifndef NRM_POOL_MIN
#define NRM_POOL_MIN 524288 /* elements: A7 */
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
#elif defined(_MSC_VER)
#pragma float_control(precise, on, push)
#pragma fp_contract(off)
#endif

#if (defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ > 0) || \
    (defined(__i386__) && !defined(__SSE2_MATH__)) || (defined(_M_IX86) && _M_IX86_FP + 0 < 2)
#error "normalize.h: x87 arithmetic gives other bits; compile with -msse2 -mfpmath=sse"
#endif

/* noclone: when gcc 12 at -O3 -fno-signed-zeros (part of -Ofast) copies a function for a constant,
   it takes 0.0 and -0.0 for the same, in spite of the pragma. */
#if defined(__clang__)
#define NRMI_INLINE inline __attribute__((always_inline, unused))
#define NRMI_NOINLINE __attribute__((noinline, unused))
#elif defined(__GNUC__)
#define NRMI_INLINE inline __attribute__((always_inline, unused))
#define NRMI_NOINLINE __attribute__((noinline, noclone, unused))
#elif defined(_MSC_VER)
#define NRMI_INLINE __forceinline
#define NRMI_NOINLINE __declspec(noinline)
#else
#define NRMI_INLINE inline
#define NRMI_NOINLINE
#endif

/* Whether it is worth writing loops out: D, NRMI_UNROLL. Other compilers do not say. */
#if NRMI_GNU && !defined(__OPTIMIZE__)
#define NRMI_OPTIMIZED 0
#else
#define NRMI_OPTIMIZED 1
#endif

#if NRMI_GNU
#define NRMI_PREFETCH(p) __builtin_prefetch((p), 0, 2)
#define NRMI_PREFETCH_STORE(p) __builtin_prefetch((p), 1, 3)
#else
#define NRMI_PREFETCH(p) ((void)(p))
#define NRMI_PREFETCH_STORE(p) ((void)(p))
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
#define NRMI_GLUE3_(a, b, c) a##_##b##_##c
#define NRMI_GLUE3(a, b, c) NRMI_GLUE3_(a, b, c)
#define NRMI_GLUE4_(a, b, c, d) a##_##b##_##c##_##d
#define NRMI_GLUE4(a, b, c, d) NRMI_GLUE4_(a, b, c, d)

#ifdef __cplusplus
extern "C" {
#endif

/* ---- C3 ISA table ------------------------------------------------------------------------- */

/* The order of summation (A6). These three numbers are part of the promise. */
enum {
    NRMI_LANE = 16,   /* value i of a block has lane i mod 16 and step i / 16 */
    NRMI_BLOCK = 128, /* 16 lanes of 8 steps                                  */
    NRMI_RUN = 1024   /* 8 blocks                                             */
};

/* Sizes of the stack tiles. No bit depends on them. */
enum {
    NRMI_LANES = 128, /* lanes of a stretch                                      */
    NRMI_LENS = 128,  /* coefficients along the lane that are prepared at once   */
    NRMI_ROWS = 4,    /* rows that share loaded lane coefficients in a map       */
    NRMI_AHEAD = 512, /* values of a row between a store and what is fetched     */
    NRMI_DOWN = 8     /* lines of a column between what is mapped and fetched    */
};

/* Bytes. Both aim at a second-level cache of 1 MB. */
enum {
    NRMI_TWICE = 262144, /* that a row walk may read between two readings of a value     */
    NRMI_NEAR = 1048576, /* of two tensors, from which on columns are fetched ahead      */
    NRMI_FAR = 16777216  /* of all tensors of a map, from which on it fetches ahead      */
};

/* Lanes of a tile; few where a vector is an array of doubles on the stack. */
#define NRMI_TILE_LANES(is_double, is_simd) \
    ((is_simd) ? (is_double) ? 32 : NRMI_LANES : (is_double) ? 16 : 32)

/* What a pass computes; which coefficients belong to the lane and which to the place along it:
     MOMENTS  d = x - pilot:       sums of d and d*d              pilot: lane
     CHANNEL  batch, instance, group norm                         mean, rstd, gamma, beta: lane
     INNER    layer and RMS norm: a lane is a row of c        mean, rstd: lane; gamma, beta: len
     PARAM    their dgamma and dbeta: a lane is a channel     gamma, beta: lane; mean, rstd: len */
enum { NRMI_MOMENTS, NRMI_CHANNEL, NRMI_INNER, NRMI_PARAM };

typedef struct nrmi_tile {
    const unsigned char *x, *res, *dy, *dsum; /* first element of the tile; NULL if absent      */
    unsigned char *out, *sum;                 /* y or dx; z                                     */
    size_t x_step, y_step;                    /* elements from one line of memory to the next   */
    size_t x_plane, y_plane;                  /* ... from one plane of the list to the next     */
    size_t planes, lanes, len;                /* a lane has planes * len values                 */
    int column;                /* lanes lie side by side, and go down the lines                  */
    int relu, frozen;          /* frozen: mean and rstd do not depend on x                       */
    size_t ahead;              /* row map to y: so many elements on x is fetched; 0: not at all  */
    int far_;                  /* 1: from NRMI_NEAR on; 2: from NRMI_FAR on                      */
    int stream;                /* out is too large to stay in the caches, and apart from x       */
    int forced;                /* INNER, PARAM: gamma or beta asks for double                    */
    int plain;                 /* in a kernel: its text has no questions (nrmi_is_plain)         */
    int dtype;                 /* storage (nrm_dtype) and its size in bytes                      */
    size_t size;
    size_t park;               /* sums: where the next plane's are put; 0: all planes are added  */
    double scale;              /* F64: z is multiplied by this power of two first; 0: by 1       */
    const double *mean, *rstd; /* by group. MOMENTS: mean is the pilot, rstd NULL                */
    size_t fold, fold_at;      /* so many lanes have a group's; how many of the first's are past */
    const unsigned char *len_mean, *len_rstd; /* PARAM: doubles, along the lane, as the caller  */
    size_t stat_plane, stat_len;              /* has them; the steps to the next plane and len  */
    const double *g, *b;                      /* gamma + offset and beta, by lane               */
    const double *p, *q;                      /* mean of t and of t*xhat, by lane               */
    const unsigned char *gamma, *beta;        /* INNER: along the lane, as the caller has them  */
    size_t param_plane;                       /* INNER: along them, from one plane to the next   */
    double offset;                            /* INNER: added to gamma                          */
} nrmi_tile;

/* Most calls want neither residual nor sum, dsum, activation or frozen statistics; these are plain,
   and have kernels of their own text without the questions. Sums do not ask for all of that. */
static NRMI_INLINE int nrmi_is_plain(const nrmi_tile *t, int what, int sums)
{
    if (sums)
        return !t->res && (what == NRMI_MOMENTS || !t->relu);
    return !t->res && !t->sum && !t->dsum && !t->relu && !t->frozen;
}

/* A copy that no store can change; of a plain tile one that says so to the compiler. */
static NRMI_INLINE nrmi_tile nrmi_tile_of(const nrmi_tile *given, int plain)
{
    nrmi_tile t = *given;
    t.plain = plain;
    if (plain) {
        t.res = t.dsum = NULL;
        t.sum = NULL;
        t.relu = t.frozen = 0;
    }
    return t;
}

/* The order in which a pilot's 32 places go up in memory. Read so, they took 2.4 ms instead of 3.4
   for layer norm of 4096 rows of 768 (Zen 4). */
#define NRMI_UPWARD(M)                                                                       \
    M(12) M(25) M(4) M(17) M(30) M(9) M(22) M(1) M(14) M(27) M(6) M(19) M(11) M(24) M(3) M(16) \
    M(29) M(8) M(21) M(0) M(13) M(26) M(5) M(18) M(31) M(10) M(23) M(2) M(15) M(28) M(7) M(20)
#define NRMI_M(k) k,
static const unsigned char nrmi_upward[32] = {NRMI_UPWARD(NRMI_M)};
#undef NRMI_M

typedef struct nrmi_kernels {
    size_t lanes; /* most lanes of a tile */
    /* A value near the mean of each lane: the tree of 32 values at the given places; without places
       the first value. */
    void (*pilot)(const nrmi_tile *, const size_t *at, double *k);
    /* Two sums for each lane, in the order of A6. */
    void (*reduce)(const nrmi_tile *, int what, double *first, double *second);
    void (*apply)(const nrmi_tile *, int gradient, int what);               /* y, or dx */
    int (*within)(const unsigned char *values, size_t count, double limit); /* floats alone */
} nrmi_kernels;

typedef struct nrmi_set {
    nrm_isa isa;
    nrmi_kernels near_[4], wide[4]; /* by nrm_dtype: the usual arithmetic, and the last resort */
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
    if (whole || !nrmi_finite(rstd))
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

/* The range in which float arithmetic keeps the bound of A6; outside it double is used. The last
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

/* One y before the activation, by the choice and the formulas that the kernels use: the gradient
   kernels in double ask it for the sign that the forward pass saw. */
static float nrmi_point(double x, double mean, double rstd, double g, double b, int inner,
                        int forced)
{
    nrmi_factors f = {rstd, g};
    float mh, y;
    if (forced || !nrmi_comfortable(mean, rstd) || (!inner && !nrmi_comfortable_affine(g, b)))
        return (float)(nrmi_product((x - mean) * rstd, g) + b);
    if (!inner)
        f = nrmi_factors_of(rstd, g, 0);
    mh = (float)mean;
    y = (float)x - mh;
    y = y - (float)(mean - (double)mh);
    y = y * (float)f.r;
    y = nrmi_product_f32(y, (float)f.g);
    return y + (float)b;
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

/* z, rounded as stored. The sum of two halves or floats is in double what it is in float. */
static double nrmi_z(int dtype, const void *x, const void *residual, size_t i)
{
    const double v = nrmi_value(dtype, x, i);
    return residual ? nrmi_rounded(dtype, v + nrmi_value(dtype, residual, i)) : v;
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

/* 0 where the product does not fit. */
static int nrmi_times(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b)
        return 0;
    *product = a * b;
    return 1;
}

/* ---- C5 Vector ops ------------------------------------------------------------------------ */

/* The vocabulary of the kernels, for each instruction set and arithmetic, always 16 values:
     set1 get get_part put     broadcast; load and store of coefficients
     add sub mul               IEEE, rounded once
     relu(y)                   y where y > 0, NaN where NaN, else +0
     keep(dy, y)               dy where y > 0, else +0
     first(v, n)               the first n values, then +0
     pairs(a, b)               a0+a1, a2+a3 ... a14+a15, b0+b1 ... b14+b15
     within(v, limit)          float alone: 1 if every |value| <= limit; a NaN is not
     tally(totals, v)          totals[i] += v[i], in double
     offset(type, p, n, o)     n parameters (double for NRM_F64, else float) + o, added in double
   and for each storage, the type being the first argument: load, load_part (n values, then +0;
   reads no byte beyond), store, store_part, stored (rounded as if stored and loaded again); with
   SIMD in float arithmetic, stream: a store past the caches. Storages are f32; half, which is bf16
   or f16; and any, which looks its type up at every vector.
   Vectors are structs with named members: gcc 12 keeps array members in memory, and ran a prototype
   7 to 23 times slower. */

#define NRMI_IS_DOUBLE_f32 0
#define NRMI_IS_DOUBLE_f64 1
#define NRMI_IS_SIMD_scalar 0
#define NRMI_IS_SIMD_avx2 1
#define NRMI_IS_SIMD_avx512 1
#define NRMI_IS_SIMD_v128 1
#define NRMI_BYTES_f32(t) 4
#define NRMI_BYTES_half(t) 2
#define NRMI_BYTES_any(t) ((t)->size)
#define NRMI_COPY_f32(t, to, from) memcpy(to, from, 4)
#define NRMI_COPY_half(t, to, from) memcpy(to, from, 2)
#define NRMI_COPY_any(t, to, from)         \
    ((t)->size == 4 ? memcpy(to, from, 4)  \
                    : (t)->size == 8 ? memcpy(to, from, 8) : memcpy(to, from, 2))

/* As signed integers, the bits of -Inf and below in value end before the first of these, those of
   Inf before the second; beyond are the NaNs. clang's -ffast-math takes liberties with comparisons
   of NaN, and of -0 when they choose, so vectors too are only compared as integers. */
#define NRMI_UNDER_INF (-0x7fffff)
#define NRMI_OVER_INF 0x7f800001
#define NRMI_UNDER_INF64 ((int64_t)-0xfffffffffffff)
#define NRMI_OVER_INF64 ((int64_t)0x7ff0000000000001)

/* ISA HOOK op block: scalar. Sixteen values in an array; the oracle of the others. */

/* Double is here the exception of an exception; inlined it would be a third of the library. */
#define NRMI_INLINE_f32 NRMI_INLINE
#define NRMI_INLINE_f64 NRMI_NOINLINE
#define NRMI_EACH(i) for (i = 0; i < 16; i++)
#define NRMI_SCALAR_OPS(A)                                                                         \
    typedef struct nrmi_##A##_scalar {                                                             \
        nrmi_##A l[16];                                                                            \
    } nrmi_##A##_scalar;                                                                           \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_set1_##A##_scalar(nrmi_##A x)                    \
    {                                                                                              \
        nrmi_##A##_scalar r;                                                                       \
        int i;                                                                                     \
        NRMI_EACH(i) r.l[i] = x;                                                                   \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_get_part_##A##_scalar(const void *p, size_t n)   \
    {                                                                                              \
        nrmi_##A##_scalar r = nrmi_set1_##A##_scalar(0);                                           \
        size_t i;                                                                                  \
        for (i = 0; i < n; i++)                                                                    \
            r.l[i] = nrmi_##A##_at(p, i);                                                          \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_get_##A##_scalar(const void *p)                  \
    {                                                                                              \
        nrmi_##A##_scalar r;                                                                       \
        memcpy(&r, p, sizeof r);                                                                   \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A void nrmi_put_##A##_scalar(void *p, nrmi_##A##_scalar x)                \
    {                                                                                              \
        memcpy(p, &x, sizeof x);                                                                   \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_add_##A##_scalar(nrmi_##A##_scalar x,            \
                                                                   nrmi_##A##_scalar y)            \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) x.l[i] = x.l[i] + y.l[i];                                                     \
        return x;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_sub_##A##_scalar(nrmi_##A##_scalar x,            \
                                                                   nrmi_##A##_scalar y)            \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) x.l[i] = x.l[i] - y.l[i];                                                     \
        return x;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_mul_##A##_scalar(nrmi_##A##_scalar x,            \
                                                                   nrmi_##A##_scalar y)            \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) { x.l[i] = x.l[i] * y.l[i]; NRMI_KEEP_SCALAR(x.l[i]); } \
        return x;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_relu_##A##_scalar(nrmi_##A##_scalar y)           \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) y.l[i] = nrmi_negative_##A(y.l[i]) ? 0 : y.l[i];                              \
        return y;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_keep_##A##_scalar(nrmi_##A##_scalar x,           \
                                                                    nrmi_##A##_scalar y)           \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) x.l[i] = nrmi_positive_##A(y.l[i]) ? x.l[i] : 0;                              \
        return x;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_first_##A##_scalar(nrmi_##A##_scalar x,          \
                                                                     size_t n)                     \
    {                                                                                              \
        size_t i;                                                                                  \
        for (i = n; i < 16; i++)                                                                   \
            x.l[i] = 0;                                                                            \
        return x;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_pairs_##A##_scalar(nrmi_##A##_scalar x,          \
                                                                     nrmi_##A##_scalar y)          \
    {                                                                                              \
        nrmi_##A##_scalar r;                                                                       \
        int i;                                                                                     \
        NRMI_EACH(i)                                                                               \
        r.l[i] = i < 8 ? x.l[2 * i] + x.l[2 * i + 1] : y.l[2 * i - 16] + y.l[2 * i - 15];          \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A void nrmi_tally_##A##_scalar(double *totals, nrmi_##A##_scalar x)       \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) totals[i] = totals[i] + (double)x.l[i];                                       \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_load_part_any_##A##_scalar(                      \
        int dtype, const void *p, size_t n)                                                        \
    {                                                                                              \
        nrmi_##A##_scalar r = nrmi_set1_##A##_scalar(0);                                           \
        size_t i;                                                                                  \
        if (dtype == NRM_F32)                                                                      \
            for (i = 0; i < n; i++)                                                                \
                r.l[i] = (nrmi_##A)nrmi_f32_at(p, i);                                              \
        else                                                                                       \
            for (i = 0; i < n; i++)                                                                \
                r.l[i] = (nrmi_##A)nrmi_value(dtype, p, i);                                        \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_load_any_##A##_scalar(                           \
        int dtype, const void *p)                                                                  \
    {                                                                                              \
        return nrmi_load_part_any_##A##_scalar(dtype, p, 16);                                      \
    }                                                                                              \
    static NRMI_INLINE_##A void nrmi_store_part_any_##A##_scalar(                                  \
        int dtype, void *p, nrmi_##A##_scalar x, size_t n)                                         \
    {                                                                                              \
        size_t i;                                                                                  \
        if (dtype == NRM_F32)                                                                      \
            for (i = 0; i < n; i++)                                                                \
                nrmi_f32_set(p, i, (float)x.l[i]);                                                 \
        else                                                                                       \
            for (i = 0; i < n; i++)                                                                \
                nrmi_value_set(dtype, p, i, (double)x.l[i]);                                       \
    }                                                                                              \
    static NRMI_INLINE_##A void nrmi_store_any_##A##_scalar(                                       \
        int dtype, void *p, nrmi_##A##_scalar x)                                                   \
    {                                                                                              \
        nrmi_store_part_any_##A##_scalar(dtype, p, x, 16);                                         \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_offset_##A##_scalar(                             \
        int dtype, const void *p, size_t n, double offset)                                         \
    {                                                                                              \
        nrmi_##A##_scalar r = nrmi_set1_##A##_scalar(0);                                           \
        size_t i;                                                                                  \
        for (i = 0; i < n; i++)                                                                    \
            r.l[i] = (nrmi_##A)((dtype == NRM_F64 ? nrmi_f64_at(p, i)                              \
                                                 : (double)nrmi_f32_at(p, i)) +                    \
                                offset);                                                           \
        return r;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE_##A nrmi_##A##_scalar nrmi_stored_any_##A##_scalar(                         \
        int dtype, nrmi_##A##_scalar x)                                                            \
    {                                                                                              \
        int i;                                                                                     \
        NRMI_EACH(i) x.l[i] = (nrmi_##A)nrmi_rounded(dtype, (double)x.l[i]);                       \
        return x;                                                                                  \
    }
NRMI_SCALAR_OPS(f32)
NRMI_SCALAR_OPS(f64)

static NRMI_INLINE int nrmi_within_f32_scalar(nrmi_f32_scalar x, float limit)
{
    int i, ok = 1;
    NRMI_EACH(i) ok &= (nrmi_bits32(x.l[i]) & 0x7fffffffu) <= nrmi_bits32(limit);
    return ok;
}

#if NRMI_HAS_AVX2 || NRMI_HAS_AVX512 || NRMI_HAS_V128
/* Read at 16 - n this is a mask of the first n of 16. */
static const int32_t nrmi_edge[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                      -1, -1, -1, -1, -1, 0,  0,  0,  0,  0,  0,
                                      0,  0,  0,  0,  0,  0,  0,  0,  0,  0};
#endif

/* What storage is to every instruction set with SIMD: float as it is; and any type, in double,
   where a half is rounded from the double once, one by one. */
#define NRMI_PLAIN_STORAGE(ISA)                                                                    \
    static NRMI_INLINE nrmi_f32_##ISA nrmi_load_f32_f32_##ISA(int dtype, const void *p)            \
    {                                                                                              \
        (void)dtype;                                                                               \
        return nrmi_get_f32_##ISA(p);                                                              \
    }                                                                                              \
    static NRMI_INLINE nrmi_f32_##ISA nrmi_load_part_f32_f32_##ISA(int dtype, const void *p,       \
            size_t n)                                                                              \
    {                                                                                              \
        (void)dtype;                                                                               \
        return nrmi_get_part_f32_##ISA(p, n);                                                      \
    }                                                                                              \
    static NRMI_INLINE void nrmi_store_f32_f32_##ISA(int dtype, void *p, nrmi_f32_##ISA x)         \
    {                                                                                              \
        (void)dtype;                                                                               \
        nrmi_put_f32_##ISA(p, x);                                                                  \
    }                                                                                              \
    static NRMI_INLINE nrmi_f32_##ISA nrmi_stored_f32_f32_##ISA(int dtype, nrmi_f32_##ISA x)       \
    {                                                                                              \
        (void)dtype;                                                                               \
        return x;                                                                                  \
    }                                                                                              \
    static NRMI_INLINE nrmi_f64_##ISA nrmi_load_any_f64_##ISA(int dtype, const void *p)            \
    {                                                                                              \
        if (dtype == NRM_F64)                                                                      \
            return nrmi_get_f64_##ISA(p);                                                          \
        return nrmi_widen_##ISA(dtype == NRM_F32 ? nrmi_get_f32_##ISA(p)                           \
                                                : nrmi_load_half_f32_##ISA(dtype, p));             \
    }                                                                                              \
    static NRMI_INLINE nrmi_f64_##ISA nrmi_load_part_any_f64_##ISA(int dtype, const void *p,       \
            size_t n)                                                                              \
    {                                                                                              \
        if (dtype == NRM_F64)                                                                      \
            return nrmi_get_part_f64_##ISA(p, n);                                                  \
        return nrmi_widen_##ISA(dtype == NRM_F32 ? nrmi_get_part_f32_##ISA(p, n)                   \
                                                : nrmi_load_part_half_f32_##ISA(dtype, p, n));     \
    }                                                                                              \
    static NRMI_INLINE void nrmi_store_part_any_f64_##ISA(int dtype, void *p, nrmi_f64_##ISA x,    \
            size_t n)                                                                              \
    {                                                                                              \
        double one[16];                                                                            \
        size_t i;                                                                                  \
        if (dtype == NRM_F32) {                                                                    \
            nrmi_store_part_f32_f32_##ISA(dtype, p, nrmi_narrow_##ISA(x), n);                      \
            return;                                                                                \
        }                                                                                          \
        nrmi_put_f64_##ISA(one, x);                                                                \
        for (i = 0; i < n; i++)                                                                    \
            nrmi_value_set(dtype, p, i, one[i]);                                                   \
    }                                                                                              \
    static NRMI_INLINE void nrmi_store_any_f64_##ISA(int dtype, void *p, nrmi_f64_##ISA x)         \
    {                                                                                              \
        if (dtype == NRM_F64)                                                                      \
            nrmi_put_f64_##ISA(p, x);                                                              \
        else if (dtype == NRM_F32)                                                                 \
            nrmi_put_f32_##ISA(p, nrmi_narrow_##ISA(x));                                           \
        else                                                                                       \
            nrmi_store_part_any_f64_##ISA(dtype, p, x, 16);                                        \
    }                                                                                              \
    static NRMI_INLINE nrmi_f64_##ISA nrmi_stored_any_f64_##ISA(int dtype, nrmi_f64_##ISA x)       \
    {                                                                                              \
        double space[16];                                                                          \
        nrmi_store_any_f64_##ISA(dtype, space, x);                                                 \
        return nrmi_load_any_f64_##ISA(dtype, space);                                              \
    }                                                                                              \
    static NRMI_INLINE nrmi_f64_##ISA nrmi_offset_f64_##ISA(int dtype, const void *p, size_t n,    \
                                                          double offset)                           \
    {                                                                                              \
        const int type = dtype == NRM_F64 ? NRM_F64 : NRM_F32;                                     \
        return nrmi_add_f64_##ISA(nrmi_load_part_any_f64_##ISA(type, p, n),                        \
            nrmi_set1_f64_##ISA(offset));                                                          \
    }                                                                                              \
    static NRMI_INLINE nrmi_f32_##ISA nrmi_offset_f32_##ISA(int dtype, const void *p, size_t n,    \
                                                          double offset)                           \
    {                                                                                              \
        return nrmi_narrow_##ISA(nrmi_offset_f64_##ISA(dtype, p, n, offset));                      \
    }

/* ISA HOOK op block: AVX2, with F16C, as every processor with it. */

#if NRMI_HAS_AVX2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif

typedef struct nrmi_f32_avx2 {
    __m256 a, b;
} nrmi_f32_avx2;

#define NRMI_V(x, y) \
    nrmi_f32_avx2 r; \
    r.a = (x);       \
    r.b = (y);       \
    return r
static NRMI_INLINE __m256i nrmi_mask_avx2(size_t n, size_t from) /* lanes from..from+8 below n */
{
    return _mm256_loadu_si256((const __m256i *)(const void *)(nrmi_edge + 16 - n + from));
}
static NRMI_INLINE __m256 nrmi_maskf_avx2(size_t n, size_t from)
{
    return _mm256_castsi256_ps(nrmi_mask_avx2(n, from));
}
static NRMI_INLINE const float *nrmi_floats(const void *p, size_t i)
{
    return (const float *)(const void *)((const unsigned char *)p + i * 4);
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_set1_f32_avx2(float x)
{
    NRMI_V(_mm256_set1_ps(x), _mm256_set1_ps(x));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_get_f32_avx2(const void *p)
{
    NRMI_V(_mm256_loadu_ps(nrmi_floats(p, 0)), _mm256_loadu_ps(nrmi_floats(p, 8)));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_get_part_f32_avx2(const void *p, size_t n)
{
    NRMI_V(_mm256_maskload_ps(nrmi_floats(p, 0), nrmi_mask_avx2(n, 0)),
           _mm256_maskload_ps(nrmi_floats(p, 8), nrmi_mask_avx2(n, 8)));
}
static NRMI_INLINE void nrmi_put_f32_avx2(void *p, nrmi_f32_avx2 x)
{
    _mm256_storeu_ps((float *)p, x.a);
    _mm256_storeu_ps((float *)p + 8, x.b);
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_add_f32_avx2(nrmi_f32_avx2 x, nrmi_f32_avx2 y)
{
    NRMI_V(NRMI_OPERATE(x.a, +, y.a, _mm256_add_ps), NRMI_OPERATE(x.b, +, y.b, _mm256_add_ps));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_sub_f32_avx2(nrmi_f32_avx2 x, nrmi_f32_avx2 y)
{
    NRMI_V(NRMI_OPERATE(x.a, -, y.a, _mm256_sub_ps), NRMI_OPERATE(x.b, -, y.b, _mm256_sub_ps));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_mul_f32_avx2(nrmi_f32_avx2 x, nrmi_f32_avx2 y)
{
    x.a = NRMI_OPERATE(x.a, *, y.a, _mm256_mul_ps);
    x.b = NRMI_OPERATE(x.b, *, y.b, _mm256_mul_ps);
    NRMI_KEEP_SCALAR(x.a);
    NRMI_KEEP_SCALAR(x.b);
    return x;
}
/* y <= 0 and y > 0 on the bits, as signed integers, like the scalar tests. */
static NRMI_INLINE __m256 nrmi_relu8_avx2(__m256 y)
{
    const __m256i u = _mm256_castps_si256(y);
    const __m256i below = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(NRMI_UNDER_INF), u),
                                          _mm256_cmpeq_epi32(u, _mm256_setzero_si256()));
    return _mm256_castsi256_ps(_mm256_andnot_si256(below, u));
}
static NRMI_INLINE __m256 nrmi_keep8_avx2(__m256 x, __m256 y)
{
    const __m256i u = _mm256_castps_si256(y);
    const __m256i above =
        _mm256_and_si256(_mm256_cmpgt_epi32(u, _mm256_setzero_si256()),
                         _mm256_cmpgt_epi32(_mm256_set1_epi32(NRMI_OVER_INF), u));
    return _mm256_and_ps(x, _mm256_castsi256_ps(above));
}
static NRMI_INLINE __m256i nrmi_beyond8_avx2(__m256 x, float limit)
{
    const __m256i size = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
    return _mm256_cmpgt_epi32(size, _mm256_set1_epi32((int)nrmi_bits32(limit)));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_relu_f32_avx2(nrmi_f32_avx2 y)
{
    NRMI_V(nrmi_relu8_avx2(y.a), nrmi_relu8_avx2(y.b));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_keep_f32_avx2(nrmi_f32_avx2 x, nrmi_f32_avx2 y)
{
    NRMI_V(nrmi_keep8_avx2(x.a, y.a), nrmi_keep8_avx2(x.b, y.b));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_first_f32_avx2(nrmi_f32_avx2 x, size_t n)
{
    NRMI_V(_mm256_and_ps(x.a, nrmi_maskf_avx2(n, 0)), _mm256_and_ps(x.b, nrmi_maskf_avx2(n, 8)));
}
static NRMI_INLINE __m256 nrmi_pairs8_avx2(__m256 x, __m256 y)
{
    const __m256 t = _mm256_hadd_ps(x, y); /* x01 x23 y01 y23 x45 x67 y45 y67 */
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(t), 0xd8));
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_pairs_f32_avx2(nrmi_f32_avx2 x, nrmi_f32_avx2 y)
{
    NRMI_V(nrmi_pairs8_avx2(x.a, x.b), nrmi_pairs8_avx2(y.a, y.b));
}
static NRMI_INLINE int nrmi_within_f32_avx2(nrmi_f32_avx2 x, float limit)
{
    const __m256i bad =
        _mm256_or_si256(nrmi_beyond8_avx2(x.a, limit), nrmi_beyond8_avx2(x.b, limit));
    return _mm256_testz_si256(bad, bad);
}
#undef NRMI_V

typedef struct nrmi_f64_avx2 {
    __m256d a, b, c, d;
} nrmi_f64_avx2;

#define NRMI_V(x, y, z, w) \
    nrmi_f64_avx2 r;       \
    r.a = (x);             \
    r.b = (y);             \
    r.c = (z);             \
    r.d = (w);             \
    return r
#define NRMI_V2(x, sign, y, f)                                               \
    NRMI_V(NRMI_OPERATE(x.a, sign, y.a, f), NRMI_OPERATE(x.b, sign, y.b, f), \
           NRMI_OPERATE(x.c, sign, y.c, f), NRMI_OPERATE(x.d, sign, y.d, f))
static NRMI_INLINE __m256d nrmi_mask4_avx2(size_t n, size_t from)
{
    return _mm256_castsi256_pd(_mm256_cvtepi32_epi64(
        _mm_loadu_si128((const __m128i *)(const void *)(nrmi_edge + 16 - n + from))));
}
static NRMI_INLINE const double *nrmi_doubles(const void *p, size_t i)
{
    return (const double *)(const void *)((const unsigned char *)p + i * 8);
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_set1_f64_avx2(double x)
{
    const __m256d v = _mm256_set1_pd(x);
    NRMI_V(v, v, v, v);
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_get_f64_avx2(const void *p)
{
    NRMI_V(_mm256_loadu_pd(nrmi_doubles(p, 0)), _mm256_loadu_pd(nrmi_doubles(p, 4)),
           _mm256_loadu_pd(nrmi_doubles(p, 8)), _mm256_loadu_pd(nrmi_doubles(p, 12)));
}
static NRMI_INLINE __m256d nrmi_get4_avx2(const void *p, size_t n, size_t from)
{
    return _mm256_maskload_pd(nrmi_doubles(p, from), _mm256_castpd_si256(nrmi_mask4_avx2(n, from)));
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_get_part_f64_avx2(const void *p, size_t n)
{
    NRMI_V(nrmi_get4_avx2(p, n, 0), nrmi_get4_avx2(p, n, 4), nrmi_get4_avx2(p, n, 8),
           nrmi_get4_avx2(p, n, 12));
}
static NRMI_INLINE void nrmi_put_f64_avx2(void *p, nrmi_f64_avx2 x)
{
    _mm256_storeu_pd((double *)p, x.a);
    _mm256_storeu_pd((double *)p + 4, x.b);
    _mm256_storeu_pd((double *)p + 8, x.c);
    _mm256_storeu_pd((double *)p + 12, x.d);
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_add_f64_avx2(nrmi_f64_avx2 x, nrmi_f64_avx2 y)
{
    NRMI_V2(x, +, y, _mm256_add_pd);
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_sub_f64_avx2(nrmi_f64_avx2 x, nrmi_f64_avx2 y)
{
    NRMI_V2(x, -, y, _mm256_sub_pd);
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_mul_f64_avx2(nrmi_f64_avx2 x, nrmi_f64_avx2 y)
{
    x.a = NRMI_OPERATE(x.a, *, y.a, _mm256_mul_pd);
    x.b = NRMI_OPERATE(x.b, *, y.b, _mm256_mul_pd);
    x.c = NRMI_OPERATE(x.c, *, y.c, _mm256_mul_pd);
    x.d = NRMI_OPERATE(x.d, *, y.d, _mm256_mul_pd);
    NRMI_KEEP_SCALAR(x.a);
    NRMI_KEEP_SCALAR(x.b);
    NRMI_KEEP_SCALAR(x.c);
    NRMI_KEEP_SCALAR(x.d);
    return x;
}
static NRMI_INLINE __m256d nrmi_relu4_avx2(__m256d y)
{
    const __m256i u = _mm256_castpd_si256(y);
    const __m256i below =
        _mm256_or_si256(_mm256_cmpgt_epi64(_mm256_set1_epi64x(NRMI_UNDER_INF64), u),
                        _mm256_cmpeq_epi64(u, _mm256_setzero_si256()));
    return _mm256_castsi256_pd(_mm256_andnot_si256(below, u));
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_relu_f64_avx2(nrmi_f64_avx2 y)
{
    NRMI_V(nrmi_relu4_avx2(y.a), nrmi_relu4_avx2(y.b), nrmi_relu4_avx2(y.c), nrmi_relu4_avx2(y.d));
}
static NRMI_INLINE __m256d nrmi_keep4_avx2(__m256d x, __m256d y)
{
    const __m256i u = _mm256_castpd_si256(y);
    const __m256i above =
        _mm256_and_si256(_mm256_cmpgt_epi64(u, _mm256_setzero_si256()),
                         _mm256_cmpgt_epi64(_mm256_set1_epi64x(NRMI_OVER_INF64), u));
    return _mm256_and_pd(x, _mm256_castsi256_pd(above));
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_keep_f64_avx2(nrmi_f64_avx2 x, nrmi_f64_avx2 y)
{
    NRMI_V(nrmi_keep4_avx2(x.a, y.a), nrmi_keep4_avx2(x.b, y.b), nrmi_keep4_avx2(x.c, y.c),
           nrmi_keep4_avx2(x.d, y.d));
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_first_f64_avx2(nrmi_f64_avx2 x, size_t n)
{
    NRMI_V(_mm256_and_pd(x.a, nrmi_mask4_avx2(n, 0)), _mm256_and_pd(x.b, nrmi_mask4_avx2(n, 4)),
           _mm256_and_pd(x.c, nrmi_mask4_avx2(n, 8)), _mm256_and_pd(x.d, nrmi_mask4_avx2(n, 12)));
}
static NRMI_INLINE __m256d nrmi_pairs4_avx2(__m256d x, __m256d y)
{
    return _mm256_permute4x64_pd(_mm256_hadd_pd(x, y), 0xd8); /* x01 y01 x23 y23, in order */
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_pairs_f64_avx2(nrmi_f64_avx2 x, nrmi_f64_avx2 y)
{
    NRMI_V(nrmi_pairs4_avx2(x.a, x.b), nrmi_pairs4_avx2(x.c, x.d), nrmi_pairs4_avx2(y.a, y.b),
           nrmi_pairs4_avx2(y.c, y.d));
}
static NRMI_INLINE void nrmi_tally_f64_avx2(double *totals, nrmi_f64_avx2 x)
{
    nrmi_put_f64_avx2(totals, nrmi_add_f64_avx2(nrmi_get_f64_avx2(totals), x));
}
static NRMI_INLINE nrmi_f64_avx2 nrmi_widen_avx2(nrmi_f32_avx2 x)
{
    NRMI_V(_mm256_cvtps_pd(_mm256_castps256_ps128(x.a)),
           _mm256_cvtps_pd(_mm256_extractf128_ps(x.a, 1)),
           _mm256_cvtps_pd(_mm256_castps256_ps128(x.b)),
           _mm256_cvtps_pd(_mm256_extractf128_ps(x.b, 1)));
}
#undef NRMI_V
#undef NRMI_V2
static NRMI_INLINE nrmi_f32_avx2 nrmi_narrow_avx2(nrmi_f64_avx2 x)
{
    nrmi_f32_avx2 r;
    r.a =
        _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(x.a)), _mm256_cvtpd_ps(x.b), 1);
    r.b =
        _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(x.c)), _mm256_cvtpd_ps(x.d), 1);
    return r;
}
static NRMI_INLINE void nrmi_tally_f32_avx2(double *totals, nrmi_f32_avx2 x)
{
    nrmi_tally_f64_avx2(totals, nrmi_widen_avx2(x));
}
/* Storage: float. */
static NRMI_INLINE void nrmi_stream_f32_f32_avx2(int dtype, void *p, nrmi_f32_avx2 x)
{
    (void)dtype;
    if ((uintptr_t)p % 32 != 0) {
        nrmi_put_f32_avx2(p, x);
        return;
    }
    _mm256_stream_ps((float *)p, x.a);
    _mm256_stream_ps((float *)p + 8, x.b);
}
static NRMI_INLINE void nrmi_store_part_f32_f32_avx2(int dtype, void *p, nrmi_f32_avx2 x, size_t n)
{
    (void)dtype;
    _mm256_maskstore_ps((float *)p, nrmi_mask_avx2(n, 0), x.a);
    _mm256_maskstore_ps((float *)p + 8, nrmi_mask_avx2(n, 8), x.b);
}

/* Storage: bf16 and f16. F16C converts exactly, denormals too; bf16 is rounded with integers. */
static NRMI_INLINE __m256 nrmi_widen8_avx2(int dtype, __m128i h)
{
    if (dtype == NRM_F16)
        return _mm256_cvtph_ps(h);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
static NRMI_INLINE __m256i nrmi_bf16_avx2(__m256 x) /* in 32 bits each */
{
    const __m256i u = _mm256_castps_si256(x), high = _mm256_srli_epi32(u, 16);
    const __m256i even = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff));
    const __m256i nan = _mm256_cmpgt_epi32(_mm256_and_si256(u, _mm256_set1_epi32(0x7fffffff)),
                                           _mm256_set1_epi32(0x7f800000));
    return _mm256_blendv_epi8(_mm256_srli_epi32(_mm256_add_epi32(u, up), 16),
                              _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
}
static NRMI_INLINE __m256i nrmi_halves_avx2(int dtype, nrmi_f32_avx2 x)
{
    if (dtype == NRM_F16)
        return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm256_cvtps_ph(x.a, 0)),
                                       _mm256_cvtps_ph(x.b, 0), 1);
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(nrmi_bf16_avx2(x.a), nrmi_bf16_avx2(x.b)),
                                    0xd8);
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_load_half_f32_avx2(int dtype, const void *p)
{
    const __m128i *h = (const __m128i *)p;
    nrmi_f32_avx2 r;
    r.a = nrmi_widen8_avx2(dtype, _mm_loadu_si128(h));
    r.b = nrmi_widen8_avx2(dtype, _mm_loadu_si128(h + 1));
    return r;
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_load_part_half_f32_avx2(int dtype, const void *p, size_t n)
{
    uint16_t h[16] = {0};
    size_t i;
    for (i = 0; i < n; i++)
        h[i] = nrmi_u16_at(p, i);
    return nrmi_load_half_f32_avx2(dtype, h);
}
static NRMI_INLINE void nrmi_store_half_f32_avx2(int dtype, void *p, nrmi_f32_avx2 x)
{
    _mm256_storeu_si256((__m256i *)p, nrmi_halves_avx2(dtype, x));
}
static NRMI_INLINE void nrmi_stream_half_f32_avx2(int dtype, void *p, nrmi_f32_avx2 x)
{
    if ((uintptr_t)p % 32 == 0)
        _mm256_stream_si256((__m256i *)p, nrmi_halves_avx2(dtype, x));
    else
        nrmi_store_half_f32_avx2(dtype, p, x);
}
static NRMI_INLINE void nrmi_store_part_half_f32_avx2(int dtype, void *p, nrmi_f32_avx2 x, size_t n)
{
    uint16_t h[16];
    size_t i;
    nrmi_store_half_f32_avx2(dtype, h, x);
    for (i = 0; i < n; i++)
        nrmi_u16_set(p, i, h[i]);
}
static NRMI_INLINE nrmi_f32_avx2 nrmi_stored_half_f32_avx2(int dtype, nrmi_f32_avx2 x)
{
    const __m256i h = nrmi_halves_avx2(dtype, x);
    x.a = nrmi_widen8_avx2(dtype, _mm256_castsi256_si128(h));
    x.b = nrmi_widen8_avx2(dtype, _mm256_extracti128_si256(h, 1));
    return x;
}

NRMI_PLAIN_STORAGE(avx2)

#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif /* NRMI_HAS_AVX2 */

/* ISA HOOK op block: AVX-512 (F, DQ, VL, BW, as every processor since Skylake-X). */

#if NRMI_HAS_AVX512
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))), \
                             apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw")
#endif

typedef struct nrmi_f32_avx512 {
    __m512 a;
} nrmi_f32_avx512;

#define NRMI_V(x)      \
    nrmi_f32_avx512 r; \
    r.a = (x);         \
    return r
static NRMI_INLINE __mmask16 nrmi_mask_avx512(size_t n)
{
    return (__mmask16)((1u << n) - 1u);
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_set1_f32_avx512(float x)
{
    NRMI_V(_mm512_set1_ps(x));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_get_f32_avx512(const void *p)
{
    NRMI_V(_mm512_loadu_ps(p));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_get_part_f32_avx512(const void *p, size_t n)
{
    NRMI_V(_mm512_maskz_loadu_ps(nrmi_mask_avx512(n), p));
}
static NRMI_INLINE void nrmi_put_f32_avx512(void *p, nrmi_f32_avx512 x)
{
    _mm512_storeu_ps(p, x.a);
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_add_f32_avx512(nrmi_f32_avx512 x, nrmi_f32_avx512 y)
{
    NRMI_V(NRMI_OPERATE(x.a, +, y.a, _mm512_add_ps));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_sub_f32_avx512(nrmi_f32_avx512 x, nrmi_f32_avx512 y)
{
    NRMI_V(NRMI_OPERATE(x.a, -, y.a, _mm512_sub_ps));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_mul_f32_avx512(nrmi_f32_avx512 x, nrmi_f32_avx512 y)
{
    x.a = NRMI_OPERATE(x.a, *, y.a, _mm512_mul_ps);
    NRMI_KEEP_PRODUCT_512(x.a); /* this target implies FMA */
    return x;
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_relu_f32_avx512(nrmi_f32_avx512 y)
{
    const __m512i u = _mm512_castps_si512(y.a);
    const __mmask16 below = _mm512_cmplt_epi32_mask(u, _mm512_set1_epi32(NRMI_UNDER_INF));
    const __mmask16 some = _mm512_test_epi32_mask(u, u);
    NRMI_V(_mm512_castsi512_ps(_mm512_maskz_mov_epi32((__mmask16)(some & ~below), u)));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_keep_f32_avx512(nrmi_f32_avx512 x, nrmi_f32_avx512 y)
{
    const __m512i u = _mm512_castps_si512(y.a);
    const __mmask16 above = _mm512_cmpgt_epi32_mask(u, _mm512_setzero_si512());
    const __mmask16 real = _mm512_cmplt_epi32_mask(u, _mm512_set1_epi32(NRMI_OVER_INF));
    NRMI_V(_mm512_maskz_mov_ps((__mmask16)(above & real), x.a));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_first_f32_avx512(nrmi_f32_avx512 x, size_t n)
{
    NRMI_V(_mm512_maskz_mov_ps(nrmi_mask_avx512(n), x.a));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_pairs_f32_avx512(nrmi_f32_avx512 x, nrmi_f32_avx512 y)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    NRMI_V(NRMI_OPERATE(_mm512_permutex2var_ps(x.a, even, y.a), +,
                        _mm512_permutex2var_ps(x.a, odd, y.a), _mm512_add_ps));
}
static NRMI_INLINE int nrmi_within_f32_avx512(nrmi_f32_avx512 x, float limit)
{
    const __m512i size =
        _mm512_and_si512(_mm512_castps_si512(x.a), _mm512_set1_epi32(0x7fffffff));
    return _mm512_cmpgt_epi32_mask(size, _mm512_set1_epi32((int)nrmi_bits32(limit))) == 0;
}
#undef NRMI_V

typedef struct nrmi_f64_avx512 {
    __m512d a, b;
} nrmi_f64_avx512;

#define NRMI_V(x, y)   \
    nrmi_f64_avx512 r; \
    r.a = (x);         \
    r.b = (y);         \
    return r
static NRMI_INLINE __mmask8 nrmi_mask8_avx512(size_t n, unsigned from)
{
    return (__mmask8)((((1u << n) - 1u) >> from) & 0xffu);
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_set1_f64_avx512(double x)
{
    NRMI_V(_mm512_set1_pd(x), _mm512_set1_pd(x));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_get_f64_avx512(const void *p)
{
    NRMI_V(_mm512_loadu_pd(p), _mm512_loadu_pd((const unsigned char *)p + 64));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_get_part_f64_avx512(const void *p, size_t n)
{
    NRMI_V(_mm512_maskz_loadu_pd(nrmi_mask8_avx512(n, 0), p),
           _mm512_maskz_loadu_pd(nrmi_mask8_avx512(n, 8), (const unsigned char *)p + 64));
}
static NRMI_INLINE void nrmi_put_f64_avx512(void *p, nrmi_f64_avx512 x)
{
    _mm512_storeu_pd(p, x.a);
    _mm512_storeu_pd((unsigned char *)p + 64, x.b);
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_add_f64_avx512(nrmi_f64_avx512 x, nrmi_f64_avx512 y)
{
    NRMI_V(NRMI_OPERATE(x.a, +, y.a, _mm512_add_pd), NRMI_OPERATE(x.b, +, y.b, _mm512_add_pd));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_sub_f64_avx512(nrmi_f64_avx512 x, nrmi_f64_avx512 y)
{
    NRMI_V(NRMI_OPERATE(x.a, -, y.a, _mm512_sub_pd), NRMI_OPERATE(x.b, -, y.b, _mm512_sub_pd));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_mul_f64_avx512(nrmi_f64_avx512 x, nrmi_f64_avx512 y)
{
    x.a = NRMI_OPERATE(x.a, *, y.a, _mm512_mul_pd);
    x.b = NRMI_OPERATE(x.b, *, y.b, _mm512_mul_pd);
    NRMI_KEEP_PRODUCT_512(x.a);
    NRMI_KEEP_PRODUCT_512(x.b);
    return x;
}
static NRMI_INLINE __m512d nrmi_relu8_avx512(__m512d y)
{
    const __m512i u = _mm512_castpd_si512(y);
    const __mmask8 below = _mm512_cmplt_epi64_mask(u, _mm512_set1_epi64(NRMI_UNDER_INF64));
    const __mmask8 some = _mm512_test_epi64_mask(u, u);
    return _mm512_castsi512_pd(_mm512_maskz_mov_epi64((__mmask8)(some & ~below), u));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_relu_f64_avx512(nrmi_f64_avx512 y)
{
    NRMI_V(nrmi_relu8_avx512(y.a), nrmi_relu8_avx512(y.b));
}
static NRMI_INLINE __m512d nrmi_keep8_avx512(__m512d x, __m512d y)
{
    const __m512i u = _mm512_castpd_si512(y);
    const __mmask8 above = _mm512_cmpgt_epi64_mask(u, _mm512_setzero_si512());
    const __mmask8 real = _mm512_cmplt_epi64_mask(u, _mm512_set1_epi64(NRMI_OVER_INF64));
    return _mm512_maskz_mov_pd((__mmask8)(above & real), x);
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_keep_f64_avx512(nrmi_f64_avx512 x, nrmi_f64_avx512 y)
{
    NRMI_V(nrmi_keep8_avx512(x.a, y.a), nrmi_keep8_avx512(x.b, y.b));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_first_f64_avx512(nrmi_f64_avx512 x, size_t n)
{
    NRMI_V(_mm512_maskz_mov_pd(nrmi_mask8_avx512(n, 0), x.a),
           _mm512_maskz_mov_pd(nrmi_mask8_avx512(n, 8), x.b));
}
static NRMI_INLINE __m512d nrmi_pairs8_avx512(__m512d x, __m512d y)
{
    const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    return NRMI_OPERATE(_mm512_permutex2var_pd(x, even, y), +, _mm512_permutex2var_pd(x, odd, y),
                        _mm512_add_pd);
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_pairs_f64_avx512(nrmi_f64_avx512 x, nrmi_f64_avx512 y)
{
    NRMI_V(nrmi_pairs8_avx512(x.a, x.b), nrmi_pairs8_avx512(y.a, y.b));
}
static NRMI_INLINE void nrmi_tally_f64_avx512(double *totals, nrmi_f64_avx512 x)
{
    nrmi_put_f64_avx512(totals, nrmi_add_f64_avx512(nrmi_get_f64_avx512(totals), x));
}
static NRMI_INLINE nrmi_f64_avx512 nrmi_widen_avx512(nrmi_f32_avx512 x)
{
    /* the zero-masked forms: g++ 12 calls what the plain ones leave undefined uninitialised */
    NRMI_V(_mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, x.a, 0)),
           _mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, x.a, 1)));
}
#undef NRMI_V
static NRMI_INLINE nrmi_f32_avx512 nrmi_narrow_avx512(nrmi_f64_avx512 x)
{
    nrmi_f32_avx512 r;
    r.a = _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_maskz_cvtpd_ps(0xff, x.a)),
                             _mm512_maskz_cvtpd_ps(0xff, x.b), 1);
    return r;
}
static NRMI_INLINE void nrmi_tally_f32_avx512(double *totals, nrmi_f32_avx512 x)
{
    nrmi_tally_f64_avx512(totals, nrmi_widen_avx512(x));
}

/* Storage: float. */
static NRMI_INLINE void nrmi_stream_f32_f32_avx512(int dtype, void *p, nrmi_f32_avx512 x)
{
    (void)dtype;
    if ((uintptr_t)p % 64 == 0)
        _mm512_stream_ps((float *)p, x.a);
    else
        nrmi_put_f32_avx512(p, x);
}
static NRMI_INLINE void nrmi_store_part_f32_f32_avx512(int dtype, void *p, nrmi_f32_avx512 x,
                                                       size_t n)
{
    (void)dtype;
    _mm512_mask_storeu_ps(p, nrmi_mask_avx512(n), x.a);
}

/* Storage: bf16 and f16. bf16 is rounded with integers: VCVTNEPS2BF16 flushes denormals. */
static NRMI_INLINE nrmi_f32_avx512 nrmi_widen16_avx512(int dtype, __m256i h)
{
    nrmi_f32_avx512 r;
    if (dtype == NRM_F16)
        r.a = _mm512_maskz_cvtph_ps(0xffff, h);
    else
        r.a = _mm512_castsi512_ps(
            _mm512_maskz_slli_epi32(0xffff, _mm512_maskz_cvtepu16_epi32(0xffff, h), 16));
    return r;
}
static NRMI_INLINE __m256i nrmi_halves_avx512(int dtype, nrmi_f32_avx512 x)
{
    const __m512i u = _mm512_castps_si512(x.a), high = _mm512_maskz_srli_epi32(0xffff, u, 16);
    const __m512i even = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(even, _mm512_set1_epi32(0x7fff));
    const __m512i near_ = _mm512_maskz_srli_epi32(0xffff, _mm512_add_epi32(u, up), 16);
    const __mmask16 nan = _mm512_cmpgt_epu32_mask(
        _mm512_and_si512(u, _mm512_set1_epi32(0x7fffffff)), _mm512_set1_epi32(0x7f800000));
    if (dtype == NRM_F16)
        return _mm512_maskz_cvtps_ph(0xffff, x.a, 0);
    return _mm512_maskz_cvtepi32_epi16(
        0xffff, _mm512_mask_or_epi32(near_, nan, high, _mm512_set1_epi32(0x40)));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_load_half_f32_avx512(int dtype, const void *p)
{
    return nrmi_widen16_avx512(dtype, _mm256_loadu_si256((const __m256i *)p));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_load_part_half_f32_avx512(int dtype, const void *p,
                                                                  size_t n)
{
    return nrmi_widen16_avx512(dtype, _mm256_maskz_loadu_epi16(nrmi_mask_avx512(n), p));
}
static NRMI_INLINE void nrmi_store_half_f32_avx512(int dtype, void *p, nrmi_f32_avx512 x)
{
    _mm256_storeu_si256((__m256i *)p, nrmi_halves_avx512(dtype, x));
}
static NRMI_INLINE void nrmi_stream_half_f32_avx512(int dtype, void *p, nrmi_f32_avx512 x)
{
    if ((uintptr_t)p % 32 == 0)
        _mm256_stream_si256((__m256i *)p, nrmi_halves_avx512(dtype, x));
    else
        nrmi_store_half_f32_avx512(dtype, p, x);
}
static NRMI_INLINE void nrmi_store_part_half_f32_avx512(int dtype, void *p, nrmi_f32_avx512 x,
                                                        size_t n)
{
    _mm256_mask_storeu_epi16(p, nrmi_mask_avx512(n), nrmi_halves_avx512(dtype, x));
}
static NRMI_INLINE nrmi_f32_avx512 nrmi_stored_half_f32_avx512(int dtype, nrmi_f32_avx512 x)
{
    return nrmi_widen16_avx512(dtype, nrmi_halves_avx512(dtype, x));
}

NRMI_PLAIN_STORAGE(avx512)

#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
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

typedef struct nrmi_f32_v128 {
    nrmi_4xf32 a, b, c, d;
} nrmi_f32_v128;
typedef struct nrmi_f64_v128 {
    nrmi_2xf64 a, b, c, d, e, f, g, h;
} nrmi_f64_v128;

/* A statement for each register of a vector: M(arithmetic, name, number). */
#define NRMI_FOUR(A, M) \
    M(A, a, 0);         \
    M(A, b, 1);         \
    M(A, c, 2);         \
    M(A, d, 3)
#define NRMI_EACH_f32(M) NRMI_FOUR(f32, M)
#define NRMI_EACH_f64(M) \
    NRMI_FOUR(f64, M);   \
    M(f64, e, 4);        \
    M(f64, f, 5);        \
    M(f64, g, 6);        \
    M(f64, h, 7)
#define NRMI_ALL_f32(x) {x, x, x, x}
#define NRMI_ALL_f64(x) {x, x}

/* The first n of 16, of which these are the k-th four or two. */
static NRMI_INLINE nrmi_4xi32 nrmi_mask_f32_v128(size_t n, size_t k)
{
    nrmi_4xi32 mask;
    memcpy(&mask, nrmi_edge + 16 - n + 4 * k, sizeof mask);
    return mask;
}
static NRMI_INLINE nrmi_2xi64 nrmi_mask_f64_v128(size_t n, size_t k)
{
    nrmi_2xi32 mask;
    memcpy(&mask, nrmi_edge + 16 - n + 2 * k, sizeof mask);
    return NRMI_I64(mask);
}

/* What both arithmetics do register by register; F and I are a register of the numbers and of
   integers of their size. */
#define NRMI_V128_MAP(A, name, parameters, M)                                              \
    static NRMI_INLINE nrmi_##A##_v128 nrmi_##name##_##A##_v128 parameters                 \
    {                                                                                      \
        nrmi_##A##_v128 r;                                                                 \
        NRMI_EACH_##A(M);                                                                  \
        return r;                                                                          \
    }
#define NRMI_V128_OPS(A, F, I, UNDER, OVER)                                                \
    static NRMI_INLINE F nrmi_reg_all_##A##_v128(nrmi_##A x)                               \
    {                                                                                      \
        const F r = NRMI_ALL_##A(x);                                                       \
        return r;                                                                          \
    }                                                                                      \
    static NRMI_INLINE F nrmi_reg_get_##A##_v128(const void *p, size_t k)                  \
    {                                                                                      \
        F r;                                                                               \
        memcpy(&r, (const unsigned char *)p + 16 * k, sizeof r);                           \
        return r;                                                                          \
    }                                                                                      \
    static NRMI_INLINE void nrmi_reg_put_##A##_v128(void *p, size_t k, F x)                \
    {                                                                                      \
        memcpy((unsigned char *)p + 16 * k, &x, sizeof x);                                 \
    }                                                                                      \
    static NRMI_INLINE F nrmi_reg_relu_##A##_v128(F y)                                     \
    {                                                                                      \
        const I u = (I)y;                                                                  \
        return (F)(u & ~((I)(u < UNDER) | (I)(u == 0)));                                   \
    }                                                                                      \
    static NRMI_INLINE F nrmi_reg_keep_##A##_v128(F x, F y)                                \
    {                                                                                      \
        const I u = (I)y;                                                                  \
        return (F)((I)x & (I)(u > 0) & (I)(u < OVER));                                     \
    }                                                                                      \
    static NRMI_INLINE F nrmi_reg_first_##A##_v128(F x, size_t n, size_t k)                \
    {                                                                                      \
        return (F)((I)x & nrmi_mask_##A##_v128(n, k));                                     \
    }                                                                                      \
    NRMI_V128_MAP(A, set1, (nrmi_##A x), NRMI_SET1)                                        \
    NRMI_V128_MAP(A, get, (const void *p), NRMI_GET)                                       \
    NRMI_V128_MAP(A, add, (nrmi_##A##_v128 x, nrmi_##A##_v128 y), NRMI_ADD)                \
    NRMI_V128_MAP(A, sub, (nrmi_##A##_v128 x, nrmi_##A##_v128 y), NRMI_SUB)                \
    NRMI_V128_MAP(A, mul, (nrmi_##A##_v128 x, nrmi_##A##_v128 y), NRMI_MUL)                \
    NRMI_V128_MAP(A, relu, (nrmi_##A##_v128 y), NRMI_RELU)                                 \
    NRMI_V128_MAP(A, keep, (nrmi_##A##_v128 x, nrmi_##A##_v128 y), NRMI_KEEP)              \
    NRMI_V128_MAP(A, first, (nrmi_##A##_v128 x, size_t n), NRMI_FIRST)                     \
    static NRMI_INLINE void nrmi_put_##A##_v128(void *p, nrmi_##A##_v128 x)                \
    {                                                                                      \
        NRMI_EACH_##A(NRMI_PUT);                                                           \
    }                                                                                      \
    static NRMI_INLINE nrmi_##A##_v128 nrmi_get_part_##A##_v128(const void *p, size_t n)   \
    {                                                                                      \
        nrmi_##A v[16] = {0};                                                              \
        size_t i;                                                                          \
        for (i = 0; i < n; i++)                                                            \
            v[i] = nrmi_##A##_at(p, i);                                                    \
        return nrmi_get_##A##_v128(v);                                                     \
    }
#define NRMI_ADD(A, i, k) r.i = x.i + y.i
#define NRMI_SUB(A, i, k) r.i = x.i - y.i
#define NRMI_MUL(A, i, k) \
    r.i = x.i * y.i;      \
    NRMI_KEEP_PRODUCT(r.i)
#define NRMI_SET1(A, i, k) r.i = nrmi_reg_all_##A##_v128(x)
#define NRMI_GET(A, i, k) r.i = nrmi_reg_get_##A##_v128(p, k)
#define NRMI_PUT(A, i, k) nrmi_reg_put_##A##_v128(p, k, x.i)
#define NRMI_RELU(A, i, k) r.i = nrmi_reg_relu_##A##_v128(y.i)
#define NRMI_KEEP(A, i, k) r.i = nrmi_reg_keep_##A##_v128(x.i, y.i)
#define NRMI_FIRST(A, i, k) r.i = nrmi_reg_first_##A##_v128(x.i, n, k)
NRMI_V128_OPS(f32, nrmi_4xf32, nrmi_4xi32, NRMI_UNDER_INF, NRMI_OVER_INF)
NRMI_V128_OPS(f64, nrmi_2xf64, nrmi_2xi64, NRMI_UNDER_INF64, NRMI_OVER_INF64)

#define NRMI_BEYOND(A, i, k) \
    beyond |= (nrmi_2xi64)(((nrmi_4xi32)x.i & 0x7fffffff) > (nrmi_4xi32)most)
static NRMI_INLINE int nrmi_within_f32_v128(nrmi_f32_v128 x, float limit)
{
    const nrmi_4xf32 most = nrmi_reg_all_f32_v128(limit);
    nrmi_2xi64 beyond = {0, 0};
    NRMI_EACH_f32(NRMI_BEYOND);
    return (beyond[0] | beyond[1]) == 0;
}

static NRMI_INLINE nrmi_f32_v128 nrmi_pairs_f32_v128(nrmi_f32_v128 x, nrmi_f32_v128 y)
{
    nrmi_f32_v128 r;
    r.a = NRMI_PAIRS_f32(x.a, x.b);
    r.b = NRMI_PAIRS_f32(x.c, x.d);
    r.c = NRMI_PAIRS_f32(y.a, y.b);
    r.d = NRMI_PAIRS_f32(y.c, y.d);
    return r;
}
static NRMI_INLINE nrmi_f64_v128 nrmi_pairs_f64_v128(nrmi_f64_v128 x, nrmi_f64_v128 y)
{
    nrmi_f64_v128 r;
    r.a = NRMI_PAIRS_f64(x.a, x.b);
    r.b = NRMI_PAIRS_f64(x.c, x.d);
    r.c = NRMI_PAIRS_f64(x.e, x.f);
    r.d = NRMI_PAIRS_f64(x.g, x.h);
    r.e = NRMI_PAIRS_f64(y.a, y.b);
    r.f = NRMI_PAIRS_f64(y.c, y.d);
    r.g = NRMI_PAIRS_f64(y.e, y.f);
    r.h = NRMI_PAIRS_f64(y.g, y.h);
    return r;
}
static NRMI_INLINE nrmi_f64_v128 nrmi_widen_v128(nrmi_f32_v128 x)
{
    nrmi_f64_v128 r;
    r.a = NRMI_LOW(x.a);
    r.b = NRMI_HIGH(x.a);
    r.c = NRMI_LOW(x.b);
    r.d = NRMI_HIGH(x.b);
    r.e = NRMI_LOW(x.c);
    r.f = NRMI_HIGH(x.c);
    r.g = NRMI_LOW(x.d);
    r.h = NRMI_HIGH(x.d);
    return r;
}
static NRMI_INLINE nrmi_f32_v128 nrmi_narrow_v128(nrmi_f64_v128 x)
{
    nrmi_f32_v128 r;
    r.a = NRMI_NARROW(x.a, x.b);
    r.b = NRMI_NARROW(x.c, x.d);
    r.c = NRMI_NARROW(x.e, x.f);
    r.d = NRMI_NARROW(x.g, x.h);
    return r;
}
static NRMI_INLINE void nrmi_tally_f64_v128(double *totals, nrmi_f64_v128 x)
{
    nrmi_put_f64_v128(totals, nrmi_add_f64_v128(nrmi_get_f64_v128(totals), x));
}
static NRMI_INLINE void nrmi_tally_f32_v128(double *totals, nrmi_f32_v128 x)
{
    nrmi_tally_f64_v128(totals, nrmi_widen_v128(x));
}

/* Storage: float. */
static NRMI_INLINE void nrmi_stream_f32_f32_v128(int dtype, void *p, nrmi_f32_v128 x)
{
    (void)dtype;
    nrmi_put_f32_v128(p, x); /* there are no such stores */
}
static NRMI_INLINE void nrmi_store_part_f32_f32_v128(int dtype, void *p, nrmi_f32_v128 x, size_t n)
{
    float v[16];
    (void)dtype;
    nrmi_put_f32_v128(v, x);
    memcpy(p, v, 4 * n);
}

/* Storage: bf16 and f16. bf16 is rounded with integers, like nrm_f32_to_bf16. */
static NRMI_INLINE nrmi_4xf32 nrmi_reg_widen_v128(int dtype, nrmi_4xu16 h)
{
    if (dtype == NRM_F16)
        return nrmi_from_f16_v128(h);
    return (nrmi_4xf32)(NRMI_U32(h) << 16);
}
static NRMI_INLINE nrmi_4xu16 nrmi_reg_half_v128(int dtype, nrmi_4xf32 x)
{
    const nrmi_4xu32 u = (nrmi_4xu32)x, high = u >> 16;
    const nrmi_4xu32 nan = (nrmi_4xu32)((u & 0x7fffffffu) > 0x7f800000u);
    const nrmi_4xu32 rounded = (u + 0x7fffu + (high & 1u)) >> 16;
    if (dtype == NRM_F16)
        return nrmi_to_f16_v128(x);
    return NRMI_U16(((high | 0x40u) & nan) | (rounded & ~nan));
}
static NRMI_INLINE nrmi_f32_v128 nrmi_load_half_f32_v128(int dtype, const void *p)
{
    nrmi_4xu16 h;
    nrmi_f32_v128 r;
#define NRMI_M(A, i, k)                                                \
    memcpy(&h, (const unsigned char *)p + sizeof h * (k), sizeof h);   \
    r.i = nrmi_reg_widen_v128(dtype, h)
    NRMI_EACH_f32(NRMI_M);
#undef NRMI_M
    return r;
}
static NRMI_INLINE nrmi_f32_v128 nrmi_load_part_half_f32_v128(int dtype, const void *p, size_t n)
{
    uint16_t h[16] = {0};
    memcpy(h, p, 2 * n);
    return nrmi_load_half_f32_v128(dtype, h);
}
static NRMI_INLINE void nrmi_store_half_f32_v128(int dtype, void *p, nrmi_f32_v128 x)
{
    nrmi_4xu16 h;
#define NRMI_M(A, i, k)                     \
    h = nrmi_reg_half_v128(dtype, x.i);     \
    memcpy((unsigned char *)p + sizeof h * (k), &h, sizeof h)
    NRMI_EACH_f32(NRMI_M);
#undef NRMI_M
}
static NRMI_INLINE void nrmi_stream_half_f32_v128(int dtype, void *p, nrmi_f32_v128 x)
{
    nrmi_store_half_f32_v128(dtype, p, x);
}
static NRMI_INLINE void nrmi_store_part_half_f32_v128(int dtype, void *p, nrmi_f32_v128 x, size_t n)
{
    uint16_t h[16];
    nrmi_store_half_f32_v128(dtype, h, x);
    memcpy(p, h, 2 * n);
}
static NRMI_INLINE nrmi_f32_v128 nrmi_stored_half_f32_v128(int dtype, nrmi_f32_v128 x)
{
#define NRMI_M(A, i, k) x.i = nrmi_reg_widen_v128(dtype, nrmi_reg_half_v128(dtype, x.i))
    NRMI_EACH_f32(NRMI_M);
#undef NRMI_M
    return x;
}
NRMI_PLAIN_STORAGE(v128)
#undef NRMI_EACH_f32
#undef NRMI_EACH_f64
#endif /* NRMI_HAS_V128 */

/* ---- C6 Instantiation --------------------------------------------------------------------- */

/* Storage any serves where speed is not asked: the scalar oracle, and double arithmetic. */

/* ISA HOOK pass: scalar. */
#define NRMI_PASS 200
#define NRMI_T any
#define NRMI_ISA scalar
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_A
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_ISA
#undef NRMI_T

/* ISA HOOK pass: AVX2. */
#if NRMI_HAS_AVX2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx2,f16c")
#endif
#define NRMI_ISA avx2
#define NRMI_T f32
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_T
#ifndef NRM_NO_HALF
#define NRMI_T half
#include NRM_HEADER_FILENAME
#undef NRMI_T
#endif
#undef NRMI_A
#define NRMI_T any
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_T
#undef NRMI_ISA
#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif

/* ISA HOOK pass: AVX-512. */
#if NRMI_HAS_AVX512
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))), \
                             apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw")
#endif
#define NRMI_ISA avx512
#define NRMI_T f32
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_T
#ifndef NRM_NO_HALF
#define NRMI_T half
#include NRM_HEADER_FILENAME
#undef NRMI_T
#endif
#undef NRMI_A
#define NRMI_T any
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_T
#undef NRMI_ISA
#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#endif

/* ISA HOOK pass: v128. */
#if NRMI_HAS_V128
#define NRMI_ISA v128
#define NRMI_T f32
#define NRMI_A f32
#include NRM_HEADER_FILENAME
#undef NRMI_T
#ifndef NRM_NO_HALF
#define NRMI_T half
#include NRM_HEADER_FILENAME
#undef NRMI_T
#endif
#undef NRMI_A
#define NRMI_T any
#define NRMI_A f64
#include NRM_HEADER_FILENAME
#undef NRMI_A
#undef NRMI_T
#undef NRMI_ISA
#endif
#undef NRMI_PASS

/* ---- C7 CPU detection --------------------------------------------------------------------- */

#define NRMI_ALL_WITHIN_f32(T, isa) nrmi_all_within_##T##_f32_##isa
#define NRMI_ALL_WITHIN_f64(T, isa) NULL
#define NRMI_KERNELS(T, A, isa)                                                                    \
    {                                                                                              \
        NRMI_TILE_LANES(NRMI_IS_DOUBLE_##A, NRMI_IS_SIMD_##isa), nrmi_pilot_##T##_##A##_##isa,     \
            nrmi_reduce_##T##_##A##_##isa, nrmi_apply_##T##_##A##_##isa,                           \
            NRMI_ALL_WITHIN_##A(T, isa)                                                            \
    }

#ifndef NRM_NO_HALF
#define NRMI_HALF(isa) NRMI_KERNELS(half, f32, isa)
#else
#define NRMI_HALF(isa) NRMI_KERNELS(any, f64, isa) /* never asked */
#endif
/* F32, F64, BF16, F16 */
#define NRMI_SET(id, isa)                                                                  \
    {                                                                                      \
        id, {NRMI_KERNELS(f32, f32, isa), NRMI_KERNELS(any, f64, isa), NRMI_HALF(isa),     \
             NRMI_HALF(isa)},                                                              \
            {NRMI_KERNELS(any, f64, isa), NRMI_KERNELS(any, f64, isa),                     \
             NRMI_KERNELS(any, f64, isa), NRMI_KERNELS(any, f64, isa)}                     \
    }

/* Best last. */
static const nrmi_set nrmi_sets[] = {
    /* ISA HOOK row: scalar. */
    {NRM_SCALAR,
     {NRMI_KERNELS(any, f32, scalar), NRMI_KERNELS(any, f64, scalar),
      NRMI_KERNELS(any, f32, scalar), NRMI_KERNELS(any, f32, scalar)},
     {NRMI_KERNELS(any, f64, scalar), NRMI_KERNELS(any, f64, scalar),
      NRMI_KERNELS(any, f64, scalar), NRMI_KERNELS(any, f64, scalar)}},
#if NRMI_HAS_AVX2
    /* ISA HOOK row: AVX2. */
    NRMI_SET(NRM_AVX2, avx2),
#endif
#if NRMI_HAS_AVX512
    /* ISA HOOK row: AVX-512. */
    NRMI_SET(NRM_AVX512, avx512),
#endif
#if NRMI_HAS_V128
    /* ISA HOOK row: v128. */
    NRMI_SET(NRMI_HAS_NEON ? NRM_NEON : NRM_WASM, v128),
#endif
};
#define NRMI_SETS (sizeof nrmi_sets / sizeof nrmi_sets[0])

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
        "the description is invalid: an enumerator is out of range, groups do not divide c, "
        "gamma_offset is not finite, or the kind or the type does not fit this call",
        "a size does not fit size_t, or a pitch is smaller than what it spans",
        "eps is negative, infinite or NaN",
        "running_rate is outside [0, 1]",
        "an output overlaps another buffer without being the same one, or may not be the same",
        "the unbiased running variance of one value per channel does not exist",
        "the instruction set asked for is not built in or not on this CPU",
        "done, but a new running statistic is not finite: running_mean and running_var were not "
        "moved"};
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

/* ---- C8 Validation ------------------------------------------------------------------------ */

/* Addresses inside a tensor, in elements. */
typedef struct nrmi_step {
    size_t x, y;
} nrmi_step;

/* What a call reads and writes, beside what its optional pointers say. */
enum {
    NRMI_NEEDS_Y = 1,        /* forward: y                                              */
    NRMI_NEEDS_DY = 2,       /* backward: dy                                            */
    NRMI_NEEDS_STATS = 4,    /* mean and rstd are read                                  */
    NRMI_GIVES_STATS = 8,    /* mean and rstd are optional outputs                      */
    NRMI_NEEDS_RUNNING = 16, /* running statistics are read                            */
    NRMI_GIVES_RUNNING = 32, /* running statistics are optional, read and written      */
    NRMI_NEEDS_DX = 64,      /* dx is required                                          */
    NRMI_GIVES_PARAMS = 128, /* dgamma and dbeta are optional outputs                  */
    NRMI_READS_ARRAY = 256,
    NRMI_WRITES_ARRAY = 512,
    NRMI_ONE_OUTPUT = 1024 /* at least one of dx, dgamma, dbeta                       */
};

typedef struct nrmi_verb {
    unsigned flags, kinds; /* kinds: a bit each */
} nrmi_verb;

#define NRMI_ALL_KINDS 31u
#define NRMI_KIND(kind) (1u << (kind))
static const nrmi_verb nrmi_verb_forward = {NRMI_NEEDS_Y | NRMI_GIVES_STATS | NRMI_GIVES_RUNNING,
                                            NRMI_ALL_KINDS};
static const nrmi_verb nrmi_verb_infer = {NRMI_NEEDS_Y | NRMI_NEEDS_RUNNING,
                                          NRMI_KIND(NRM_BATCH) | NRMI_KIND(NRM_INSTANCE)};
static const nrmi_verb nrmi_verb_backward = {
    NRMI_NEEDS_DY | NRMI_NEEDS_STATS | NRMI_GIVES_PARAMS | NRMI_ONE_OUTPUT, NRMI_ALL_KINDS};
static const nrmi_verb nrmi_verb_infer_backward = {NRMI_NEEDS_DY | NRMI_NEEDS_RUNNING |
                                                       NRMI_GIVES_PARAMS | NRMI_ONE_OUTPUT,
                                                   NRMI_KIND(NRM_BATCH) | NRMI_KIND(NRM_INSTANCE)};
static const nrmi_verb nrmi_verb_reduce = {NRMI_WRITES_ARRAY, NRMI_KIND(NRM_BATCH)};
static const nrmi_verb nrmi_verb_apply = {
    NRMI_NEEDS_Y | NRMI_GIVES_STATS | NRMI_GIVES_RUNNING | NRMI_READS_ARRAY, NRMI_KIND(NRM_BATCH)};
static const nrmi_verb nrmi_verb_backward_reduce = {
    NRMI_NEEDS_DY | NRMI_NEEDS_STATS | NRMI_GIVES_PARAMS | NRMI_WRITES_ARRAY, NRMI_KIND(NRM_BATCH)};
static const nrmi_verb nrmi_verb_backward_apply = {
    NRMI_NEEDS_DY | NRMI_NEEDS_STATS | NRMI_NEEDS_DX | NRMI_READS_ARRAY, NRMI_KIND(NRM_BATCH)};

/* A call, checked and resolved. */
typedef struct nrmi_call {
    const nrm_desc *d;
    const nrm_args *a;
    const nrmi_verb *verb;
    const nrmi_set *set;
    void *array;      /* nrm_moments or nrm_sums of the parts      */
    size_t size, param; /* bytes of an element of the tensors, of gamma and running statistics */
    nrm_pitch xp, yp; /* never 0                                   */
    int empty;        /* no values, or none along c                */
} nrmi_call;

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

static size_t nrmi_size(nrm_dtype dtype)
{
    return dtype == NRM_F32 ? 4 : dtype == NRM_F64 ? 8 : 2;
}

static nrm_status nrmi_check_desc(const nrm_desc *d)
{
    if ((unsigned)d->kind > NRM_RMS || (unsigned)d->layout > NRM_NHWC ||
        (unsigned)d->act > NRM_RELU || !nrmi_has_dtype(d->dtype))
        return NRM_ERR_DESC;
    if (d->kind == NRM_GROUP && (d->groups == 0 || d->c % d->groups != 0))
        return NRM_ERR_DESC;
    return NRM_OK;
}

static nrm_status nrmi_check_eps(const nrm_desc *d)
{
    return nrmi_finite(d->eps) && d->eps >= 0 ? NRM_OK : NRM_ERR_EPS;
}

/* Completes the pitch of a tensor that is not empty, and counts the bytes from its first element to
   past the last. */
static int nrmi_check_pitch(const nrm_desc *d, nrm_pitch given, nrm_pitch *pitch, size_t *bytes)
{
    const size_t lines = d->layout == NRM_NCHW ? d->c : d->s;
    const size_t width = d->layout == NRM_NCHW ? d->s : d->c, size = nrmi_size(d->dtype);
    size_t all;
    pitch->line = given.line ? given.line : width;
    if (pitch->line < width || !nrmi_times(lines, pitch->line, &all))
        return 0;
    pitch->sample = given.sample ? given.sample : all;
    if (pitch->sample < all || !nrmi_times(d->n, pitch->sample, &all) ||
        !nrmi_times(all, size, &all))
        return 0;
    *bytes = size * ((d->n - 1) * pitch->sample + (lines - 1) * pitch->line + width);
    return 1;
}

static size_t nrmi_stats(const nrm_desc *d)
{
    switch (d->kind) {
    case NRM_BATCH: return d->c;
    case NRM_INSTANCE: return d->n * d->c;
    case NRM_GROUP: return d->n * d->groups;
    default: return d->n * d->s;
    }
}

static nrm_status nrmi_check_sizes(const nrm_desc *d, nrmi_call *q, size_t *x_bytes,
                                   size_t *y_bytes)
{
    size_t m, all;
    q->empty = d->n == 0 || d->c == 0 || d->s == 0;
    q->size = nrmi_size(d->dtype);
    q->param = d->dtype == NRM_F64 ? 8 : 4;
    if (!nrmi_times(d->c, sizeof(nrm_moments), &all))
        return NRM_ERR_SIZE;
    if (q->empty) { /* n*c values of gamma, n*groups statistics: the products may still be large */
        *x_bytes = *y_bytes = 0;
        if (!nrmi_times(d->n, d->c, &m) || !nrmi_times(m, 8, &m) || !nrmi_times(d->n, d->s, &m) ||
            !nrmi_times(m, 8, &m) || !nrmi_times(d->n, d->groups, &m) || !nrmi_times(m, 8, &m))
            return NRM_ERR_SIZE;
        return NRM_OK;
    }
    if (!nrmi_times(d->n, d->c, &m) || !nrmi_times(m, d->s, &m) ||
        !nrmi_times(m, q->size, &m) ||
        !nrmi_times(nrmi_stats(d), 8, &m))
        return NRM_ERR_SIZE;
    if (!nrmi_check_pitch(d, d->x_pitch, &q->xp, x_bytes) ||
        !nrmi_check_pitch(d, d->y_pitch, &q->yp, y_bytes))
        return NRM_ERR_SIZE;
    return NRM_OK;
}

/* Whether running statistics are moved. */
static int nrmi_moves_running(const nrmi_call *q)
{
    return (q->verb->flags & NRMI_GIVES_RUNNING) && (q->a->running_mean || q->a->running_var) &&
           (q->d->kind == NRM_BATCH || q->d->kind == NRM_INSTANCE);
}

static nrm_status nrmi_check_pointers(const nrmi_call *q)
{
    const nrm_args *a = q->a;
    const unsigned f = q->verb->flags;
    if ((f & (NRMI_READS_ARRAY | NRMI_WRITES_ARRAY)) && !q->array && q->d->c)
        return NRM_ERR_NULL;
    if (q->empty) /* an empty tensor needs no memory */
        return NRM_OK;
    if (!a->x || ((f & NRMI_NEEDS_Y) && !a->y) || ((f & NRMI_NEEDS_DY) && !a->dy) ||
        ((f & NRMI_NEEDS_DX) && !a->dx))
        return NRM_ERR_NULL;
    if ((f & NRMI_NEEDS_STATS) && (!a->rstd || (!a->mean && q->d->kind != NRM_RMS)))
        return NRM_ERR_NULL;
    if ((f & NRMI_NEEDS_RUNNING) && (!a->running_mean || !a->running_var))
        return NRM_ERR_NULL;
    if ((f & NRMI_ONE_OUTPUT) && !a->dx && !a->dgamma && !a->dbeta)
        return NRM_ERR_NULL;
    if (a->pool && a->pool->threads > 1 && !a->pool->run)
        return NRM_ERR_NULL;
    return NRM_OK;
}

/* Which parameters a call reads. Statistics need none; gradient sums need gamma as a weight or for
   the sign under RELU, which is all that beta is for. */
static int nrmi_reads_gamma(const nrmi_call *q)
{
    return q->verb != &nrmi_verb_reduce && (q->verb != &nrmi_verb_backward_reduce ||
                                            q->d->act == NRM_RELU || q->d->affine_per_sample);
}
static int nrmi_reads_beta(const nrmi_call *q)
{
    return (q->verb->flags & NRMI_NEEDS_Y) ||
           ((q->verb->flags & NRMI_NEEDS_DY) && q->d->act == NRM_RELU);
}

/* A buffer for the alias check: a tensor with a pitch, or plain bytes. */
typedef struct nrmi_buffer {
    const unsigned char *p;
    size_t bytes;
    const nrm_pitch *pitch; /* NULL: plain bytes */
    unsigned id, same;      /* a bit; the bits of those which may be the very same */
    int out;
} nrmi_buffer;

/* Whether elements of two tensors of one shape and pitch overlap, b starting `apart` bytes after a:
   is there a (sample, line, place) difference whose distance is less than an element away? */
static int nrmi_elements_meet(const nrm_desc *d, const nrm_pitch *pitch, size_t apart)
{
    const size_t size = nrmi_size(d->dtype);
    const size_t lines = d->layout == NRM_NCHW ? d->c : d->s;
    const size_t width = d->layout == NRM_NCHW ? d->s : d->c;
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

static int nrmi_same_pitch(const nrm_pitch *a, const nrm_pitch *b)
{
    return a && b && a->sample == b->sample && a->line == b->line;
}

static int nrmi_clash(const nrm_desc *d, const nrmi_buffer *a, const nrmi_buffer *b)
{
    const uintptr_t pa = (uintptr_t)a->p, pb = (uintptr_t)b->p;
    const int equal = nrmi_same_pitch(a->pitch, b->pitch);
    if ((!a->out && !b->out) || a->bytes == 0 || b->bytes == 0)
        return 0;
    if (pa == pb && equal && ((a->same & b->id) || (b->same & a->id)))
        return 0;
    if (pa < pb ? pb - pa >= a->bytes : pa - pb >= b->bytes)
        return 0;
    return !equal || nrmi_elements_meet(d, a->pitch, pa < pb ? pb - pa : pa - pb);
}

static nrm_status nrmi_check_alias(const nrmi_call *q, size_t x_bytes, size_t y_bytes)
{
    enum { NRMI_IS_X = 1, NRMI_IS_RES = 2, NRMI_IS_DY = 4, NRMI_IS_DSUM = 8, NRMI_IS_OUT = 16 };
    const nrm_args *a = q->a;
    const nrm_desc *d = q->d;
    const unsigned f = q->verb->flags;
    const int forward = (f & NRMI_NEEDS_Y) != 0, moves = nrmi_moves_running(q);
    const size_t params = q->param * d->c * (d->affine_per_sample ? d->n : 1);
    const size_t stats = 8 * nrmi_stats(d);
    const int params_out = (f & NRMI_GIVES_PARAMS) != 0,
              dx = (f & (NRMI_ONE_OUTPUT | NRMI_NEEDS_DX)) != 0;
    const int stats_out = (f & NRMI_GIVES_STATS) != 0, stats_in = (f & NRMI_NEEDS_STATS) != 0;
    const int running = moves || (f & NRMI_NEEDS_RUNNING), none = 0;
    const size_t array = d->c * sizeof(nrm_moments), running_bytes = q->param * d->c;
    nrmi_buffer list[18];
    size_t count = 0, i, j;
#define NRMI_BUFFER(used, pointer, size, pitches, id_, same_, out_) \
    if ((used) && (pointer)) {                                      \
        list[count].p = (const unsigned char *)(pointer);           \
        list[count].bytes = (size);                                 \
        list[count].pitch = (pitches);                              \
        list[count].id = (id_);                                     \
        list[count].same = (same_);                                 \
        list[count++].out = (out_);                                 \
    }
    NRMI_BUFFER(1, a->x, x_bytes, &q->xp, NRMI_IS_X, 0, none)
    NRMI_BUFFER(1, a->residual, x_bytes, &q->xp, NRMI_IS_RES, 0, none)
    NRMI_BUFFER(f & NRMI_NEEDS_DY, a->dy, y_bytes, &q->yp, NRMI_IS_DY, 0, none)
    NRMI_BUFFER(dx, a->dsum, x_bytes, &q->xp, NRMI_IS_DSUM, 0, none)
    NRMI_BUFFER(forward, a->y, y_bytes, &q->yp, NRMI_IS_OUT, NRMI_IS_X | NRMI_IS_RES, 1)
    NRMI_BUFFER(forward, a->sum, x_bytes, &q->xp, 2 * NRMI_IS_OUT, NRMI_IS_X | NRMI_IS_RES, 1)
    NRMI_BUFFER(dx, a->dx, x_bytes, &q->xp, NRMI_IS_OUT, NRMI_IS_X | NRMI_IS_DY | NRMI_IS_DSUM, 1)
    NRMI_BUFFER(nrmi_reads_gamma(q), a->gamma, params, NULL, 0, 0, none)
    NRMI_BUFFER(nrmi_reads_beta(q), a->beta, params, NULL, 0, 0, none)
    NRMI_BUFFER((stats_in || stats_out) && d->kind != NRM_RMS, a->mean, stats, NULL, 0, 0,
                stats_out)
    NRMI_BUFFER(stats_in || stats_out, a->rstd, stats, NULL, 0, 0, stats_out)
    NRMI_BUFFER(running, a->running_mean, running_bytes, NULL, 0, 0, moves)
    NRMI_BUFFER(running, a->running_var, running_bytes, NULL, 0, 0, moves)
    NRMI_BUFFER(params_out, a->dgamma, params, NULL, 0, 0, 1)
    NRMI_BUFFER(params_out, a->dbeta, params, NULL, 0, 0, 1)
    NRMI_BUFFER(1, q->array, array, NULL, 0, 0, (f & NRMI_WRITES_ARRAY) != 0)
    NRMI_BUFFER(1, a->workspace, a->workspace_size, NULL, 0, 0, 1)
#undef NRMI_BUFFER
    for (i = 0; i < count; i++)
        for (j = 0; j < i; j++)
            if (nrmi_clash(d, &list[i], &list[j]))
                return NRM_ERR_ALIAS;
    return NRM_OK;
}

/* Everything wrong with a call, before anything is written. */
static NRMI_NOINLINE nrm_status nrmi_check(const nrmi_verb *verb, const nrm_desc *d,
                                           const nrm_args *a, void *array, nrmi_call *q)
{
    size_t x_bytes, y_bytes;
    nrm_status status;
    if (!d || !a)
        return NRM_ERR_NULL;
    q->d = d;
    q->a = a;
    q->verb = verb;
    q->array = array;
    q->xp.sample = q->xp.line = q->yp.sample = q->yp.line = 0;
    status = nrmi_check_desc(d);
    if (status != NRM_OK)
        return status;
    if (!(verb->kinds >> d->kind & 1u) ||
        (a->gamma && nrmi_reads_gamma(q) && !nrmi_finite(d->gamma_offset)))
        return NRM_ERR_DESC;
    status = nrmi_check_sizes(d, q, &x_bytes, &y_bytes);
    if (status != NRM_OK)
        return status;
    status = nrmi_check_eps(d);
    if (status != NRM_OK)
        return status;
    if (nrmi_moves_running(q) &&
        (nrmi_bits(a->running_rate) > NRMI_POW2_BITS(0) || (a->running_rate < 0)))
        return NRM_ERR_RATE;
    status = nrmi_check_pointers(q);
    if (status != NRM_OK)
        return status;
    q->set = (unsigned)a->isa <= NRM_WASM ? nrmi_find_set(a->isa) : NULL;
    if (!q->set)
        return NRM_ERR_ISA;
    NRMI_TRACE_ISA(q->set->isa);
    return nrmi_check_alias(q, x_bytes, y_bytes);
}

NRM_API size_t nrm_stat_count(const nrm_desc *d)
{
    nrmi_call q;
    size_t x, y;
    if (!d || nrmi_check_desc(d) != NRM_OK || nrmi_check_eps(d) != NRM_OK ||
        nrmi_check_sizes(d, &q, &x, &y) != NRM_OK)
        return 0;
    return nrmi_stats(d);
}

/* ---- C9 Public functions ------------------------------------------------------------------ */

/* The axis table: what is one sum, in which order, and where it lies. For each of `outer` samples
   there are `groups`; a group is `fold` lanes; a lane is a list of `planes` planes of `len` values
   (fold or planes is 1). In a column walk the lanes are neighbours in memory. */
typedef struct nrmi_walk {
    int column;
    size_t outer, groups, fold, planes, len;
    nrmi_step outer_step, group_step, fold_step, plane_step, len_step;
} nrmi_walk;

enum { NRMI_SMALL = 16 };    /* of s, for NRM_BATCH: A6                             */
enum { NRMI_WAITING = 64 };  /* running statistics of so many channels wait on the stack */

/* Sizes: 1, n, c, s, groups g, q = c / groups. Steps: 0, one element 1, line L, sample S, q
   elements q, q lines Q. few: for s < 16 (1), for others (0), for all (2). */
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
    size_t ahead;         /* groups between what is mapped and what is asked for     */
    size_t *pilot_at;     /* A6, "Pilot": 32 places in the list of a group          */
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
    case '1': step.x = step.y = 1; break;
    case 'q': step.x = step.y = q; break;
    case 'L': step.x = j->xp.line, step.y = j->yp.line; break;
    case 'Q': step.x = q * j->xp.line, step.y = q * j->yp.line; break;
    case 'S': step.x = j->xp.sample, step.y = j->yp.sample; break;
    default: break;
    }
    return step;
}

static nrmi_walk nrmi_walk_of(const nrmi_job *j, nrm_kind kind)
{
    const size_t q = kind == NRM_GROUP ? j->c / j->groups : 0;
    const nrm_kind row = kind == NRM_RMS ? NRM_LAYER : kind;
    const int few = j->s < NRMI_SMALL && !j->q->d->affine_per_sample;
    const struct nrmi_axes *r = nrmi_axes;
    nrmi_walk w;
    while (r->kind != row || r->layout != j->layout || (r->few != 2 && r->few != few))
        r++;
    w.column = r->column;
    w.outer = nrmi_size_of(j, r->sizes[0], q);
    w.groups = nrmi_size_of(j, r->sizes[1], q);
    w.fold = nrmi_size_of(j, r->sizes[2], q);
    w.planes = nrmi_size_of(j, r->sizes[3], q);
    w.len = nrmi_size_of(j, r->sizes[4], q);
    w.outer_step = nrmi_step_of(j, r->steps[0], q);
    w.group_step = nrmi_step_of(j, r->steps[1], q);
    w.fold_step = nrmi_step_of(j, r->steps[2], q);
    w.plane_step = nrmi_step_of(j, r->steps[3], q);
    w.len_step = nrmi_step_of(j, r->steps[4], q);
    return w;
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

/* A6, "Pilot": whether a group is one plane that is short enough to be summed for its pilot. */
static int nrmi_sums_are_pilots(const nrmi_job *j)
{
    return j->w.planes * j->w.fold == 1 && j->w.len <= NRMI_BLOCK;
}

/* Where in a group's list its 32 samples lie, in elements from the first. */
static void nrmi_find_pilots(nrmi_job *j)
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
    const double m = (double)(w->planes * w->fold * w->len);
    size_t i;
    if (nrmi_sums_are_pilots(j))
        return;
    for (i = 0; i < 32; i++) {
        const size_t value = (size_t)(golden[i] * m);
        const size_t list = w->planes * w->fold == 1 ? 0 : value / w->len;
        j->pilot_at[i] = (value - list * w->len) * w->len_step.x;
        if (list)
            j->pilot_at[i] += list / w->fold * w->plane_step.x + list % w->fold * w->fold_step.x;
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

/* Whether every line of the output begins with a line of the cache. Where stores past the caches
   and others share these, they are slow: 1.5 to 3 times for planes of 14 x 14 (Zen 4). */
static int nrmi_lines_whole(const nrmi_call *q, const nrmi_job *j)
{
    const nrm_pitch *pitch = q->verb->flags & NRMI_NEEDS_DY ? &q->xp : &q->yp;
    const size_t line = j->s > 1 || j->layout == NRM_NCHW ? pitch->line : 0;
    return (((uintptr_t)j->t.out | q->size * (line | pitch->sample)) & 63) == 0;
}

/* places: room for 32 of them, or NULL where no statistics are asked. */
static void nrmi_start(const nrmi_call *q, nrmi_job *j, size_t *places)
{
    const nrm_desc *d = q->d;
    const nrm_args *a = q->a;
    const unsigned f = q->verb->flags;
    const size_t values = d->n * d->c * d->s;
    memset(j, 0, sizeof *j);
    j->q = q;
    j->kind = d->kind;
    j->layout = d->layout;
    j->n = d->n;
    j->c = j->all_c = d->c;
    j->s = d->s;
    j->groups = d->groups;
    j->xp = q->xp;
    j->yp = q->yp;
    /* infer: instance norm with running statistics is batch norm */
    if ((f & NRMI_NEEDS_RUNNING) != 0)
        j->kind = NRM_BATCH;
    /* one position, or one channel, lies the same way in both layouts */
    if (d->s == 1 && d->layout == NRM_NCHW && j->xp.line == 1 && j->yp.line == 1)
        j->layout = NRM_NHWC;
    else if (d->c == 1 && d->layout == NRM_NHWC && j->xp.line == 1 && j->yp.line == 1)
        j->layout = NRM_NCHW;
    j->t.x = (const unsigned char *)a->x;
    j->t.res = (const unsigned char *)a->residual;
    j->t.relu = d->act == NRM_RELU;
    j->t.stream = values >= NRM_STREAM_BYTES / 2 / q->size;
    j->t.far_ = values >= NRMI_NEAR / 2 / q->size;
    if (values >= NRMI_FAR / (f & NRMI_NEEDS_DY ? 3u : 2u) / q->size)
        j->t.far_ = 2;
    j->t.dtype = (int)d->dtype;
    j->t.size = q->size;
    if (f & NRMI_NEEDS_Y) {
        j->t.out = (unsigned char *)a->y;
        j->t.sum = (unsigned char *)a->sum;
    } else if (f & NRMI_NEEDS_DY) {
        j->t.dy = (const unsigned char *)a->dy;
        j->t.dsum = (const unsigned char *)a->dsum;
        j->t.out = (unsigned char *)a->dx;
    }
    if (j->t.out == j->t.x || j->t.out == j->t.res || j->t.out == j->t.dy ||
        !nrmi_lines_whole(q, j))
        j->t.stream = 0;
    j->gamma = nrmi_reads_gamma(q) ? (const unsigned char *)a->gamma : NULL;
    j->beta = nrmi_reads_beta(q) ? (const unsigned char *)a->beta : NULL;
    j->dgamma = (unsigned char *)a->dgamma;
    j->dbeta = (unsigned char *)a->dbeta;
    j->mean = d->kind == NRM_RMS ? NULL : (unsigned char *)a->mean;
    j->rstd = (unsigned char *)a->rstd;
    j->stat_step = 1;
    j->inner = d->kind == NRM_LAYER || d->kind == NRM_RMS;
    j->w = nrmi_walk_of(j, j->kind);
    if (j->inner && !d->affine_per_sample)
        nrmi_join_samples(&j->w);
    if (q->empty)
        return;
    j->pilot_at = places;
    if (f & (NRMI_GIVES_STATS | NRMI_WRITES_ARRAY))
        nrmi_find_pilots(j);
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
    t->x = nrmi_shift(t->x, q->size * x);
    t->res = nrmi_shift(t->res, q->size * x);
    t->sum = nrmi_shift(t->sum, q->size * x);
    t->dsum = nrmi_shift(t->dsum, q->size * x);
    t->dy = nrmi_shift(t->dy, q->size * y);
    t->out = nrmi_shift(t->out, q->size * (backward ? x : y));
}

/* Makes a GROUP job with s = 1 a LAYER job of its group g. */
static void nrmi_group_as_layer(nrmi_job *j, size_t g)
{
    const size_t q = j->c / j->groups, params = j->q->param * g * q;
    const size_t x = g * q * (j->layout == NRM_NCHW ? j->xp.line : 1);
    const size_t y = g * q * (j->layout == NRM_NCHW ? j->yp.line : 1);
    j->kind = NRM_LAYER;
    j->inner = 1;
    j->c = q;
    nrmi_shift_tile(j->q, &j->t, x, y);
    j->gamma = nrmi_shift(j->gamma, params);
    j->beta = nrmi_shift(j->beta, params);
    j->dgamma = nrmi_shift(j->dgamma, params);
    j->dbeta = nrmi_shift(j->dbeta, params);
    j->mean = nrmi_shift(j->mean, 8 * g);
    j->rstd = nrmi_shift(j->rstd, 8 * g);
    j->stat_step = j->groups;
    j->w = nrmi_walk_of(j, NRM_LAYER);
    if (!j->q->d->affine_per_sample)
        nrmi_join_samples(&j->w);
    nrmi_find_pilots(j);
}

/* A parameter or running statistic: float, but double for F64 storage. */
static NRMI_INLINE double nrmi_param(const nrmi_job *j, const void *p, size_t i)
{
    return j->q->param == 8 ? nrmi_f64_at(p, i) : (double)nrmi_f32_at(p, i);
}
static NRMI_INLINE double nrmi_param_rounded(const nrmi_job *j, double v)
{
    return j->q->param == 8 ? v : (double)(float)v;
}
static void nrmi_param_set(const nrmi_job *j, void *p, size_t i, double v)
{
    if (j->q->param == 8)
        nrmi_f64_set(p, i, v);
    else
        nrmi_f32_set(p, i, (float)v);
}

/* gamma + offset of parameter i as the formulas take it: as a float, unless that is out of the
   comfortable range anyway. */
static NRMI_INLINE double nrmi_gamma_at(const nrmi_job *j, size_t i)
{
    const double g = j->gamma ? nrmi_param(j, j->gamma, i) + j->q->d->gamma_offset : 1;
    return nrmi_bits(g) <= nrmi_bits(NRMI_GAMMA_LIMIT) ? nrmi_param_rounded(j, g) : g;
}
static NRMI_INLINE double nrmi_beta_at(const nrmi_job *j, size_t i)
{
    return j->beta ? nrmi_param(j, j->beta, i) : 0;
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
    return wide ? &j->q->set->wide[j->t.dtype] : &j->q->set->near_[j->t.dtype];
}

/* ---- lanes: a stretch of a walk that fits the stack, and all that its kernels need ----------- */

typedef struct nrmi_stretch {
    const nrmi_job *j;
    nrmi_tile t;
    size_t lanes;
    unsigned char wide[NRMI_LANES]; /* by lane: double arithmetic */
    double g[NRMI_LANES], b[NRMI_LANES], p[NRMI_LANES], q[NRMI_LANES];
} nrmi_stretch;

/* Which group a lane belongs to, where `fold` lanes have one. */
static NRMI_INLINE size_t nrmi_group_of(size_t fold, size_t lane)
{
    return fold == 1 ? lane : lane / fold;
}

/* Whether the c parameters from `at` on are not all in the comfortable range: then layer and RMS
   norm compute every row that uses them in double. */
static int nrmi_uncomfortable_params(const nrmi_job *j, size_t at)
{
    const nrmi_kernels *k = &j->q->set->near_[j->t.dtype];
    if (j->t.dtype == NRM_F64)
        return 0;
    if (j->gamma && (nrmi_bits(j->q->d->gamma_offset) > nrmi_bits(NRMI_GAMMA_LIMIT) ||
                     !k->within(j->gamma + 4 * at, j->c, NRMI_GAMMA_LIMIT)))
        return 1;
    return (j->beta && !k->within(j->beta + 4 * at, j->c, NRMI_BETA_LIMIT));
}

/* Points a tile at lane (g, f) of sample o, plane p. */
static nrmi_tile nrmi_aim(const nrmi_job *j, size_t o, size_t p, size_t g, size_t f)
{
    const nrmi_walk *w = &j->w;
    const size_t x =
        o * w->outer_step.x + p * w->plane_step.x + g * w->group_step.x + f * w->fold_step.x;
    const size_t y =
        o * w->outer_step.y + p * w->plane_step.y + g * w->group_step.y + f * w->fold_step.y;
    nrmi_tile t = j->t;
    nrmi_shift_tile(j->q, &t, x, y);
    t.column = w->column;
    if (w->column && t.size == 2) /* 16 halves are half a line of cache */
        t.stream = 0;
    t.x_step = w->column ? w->len_step.x : w->fold == 1 ? w->group_step.x : w->fold_step.x;
    t.y_step = w->column ? w->len_step.y : w->fold == 1 ? w->group_step.y : w->fold_step.y;
    t.x_plane = w->plane_step.x;
    t.y_plane = w->plane_step.y;
    t.fold = w->fold;
    t.fold_at = f;
    t.ahead = w->column ? 0 : j->ahead * w->group_step.x;
    t.planes = w->planes;
    t.len = w->len;
    if (j->inner) {
        const size_t at = j->q->d->affine_per_sample ? o * j->all_c : 0;
        t.gamma = nrmi_shift(j->gamma, j->q->param * at);
        t.beta = nrmi_shift(j->beta, j->q->param * at);
        t.offset = j->gamma ? j->q->d->gamma_offset : 0;
        if (j->q->d->affine_per_sample)
            t.forced = nrmi_uncomfortable_params(j, at);
    }
    return t;
}

/* The tile of lanes from..from+count of a stretch. */
static nrmi_tile nrmi_part(const nrmi_stretch *v, size_t from, size_t count)
{
    const size_t x = from * (v->t.column ? 1 : v->t.x_step);
    const size_t y = from * (v->t.column ? 1 : v->t.y_step);
    const size_t group = nrmi_group_of(v->t.fold, v->t.fold_at + from);
    nrmi_tile t = v->t;
    nrmi_shift_tile(v->j->q, &t, x, y);
    t.lanes = count;
    if (t.mean) {
        t.mean += group;
        t.rstd += group;
    }
    t.fold_at += from - group * t.fold;
    t.g = v->t.g ? v->g + from : NULL;
    t.b = v->t.b ? v->b + from : NULL;
    t.p = v->p + from;
    t.q = v->q + from;
    return t;
}

/* Lanes per stretch that keep whole groups, and how many groups. A row walk wants what it reads
   twice to stay in the cache: `keep` bytes of values. What comes from memory and goes there comes
   in smaller pieces, since reading and writing at once is faster than in turn. */
static size_t nrmi_groups_at_once(const nrmi_job *j, size_t keep)
{
    const nrmi_walk *w = &j->w;
    const int solid = w->fold == 1 ? !w->column || (w->group_step.x == 1 && w->group_step.y == 1)
                                   : w->group_step.x == w->fold * w->fold_step.x &&
                                         w->group_step.y == w->fold * w->fold_step.y;
    const size_t most = w->fold < NRMI_LANES ? NRMI_LANES / w->fold : 1;
    size_t fit = keep / j->q->size / w->planes / w->fold / w->len;
    if (!solid || (!w->column && j->t.stream && fit <= 8))
        return 1;
    if (w->column || fit > most)
        return most;
    return fit ? fit : 1;
}

/* Starts the stretch of `count` lanes from (g, f) on. */
static void nrmi_open(nrmi_stretch *v, const nrmi_job *j, size_t o, size_t p, size_t planes,
                      size_t g, size_t f, size_t count)
{
    v->j = j;
    v->t = nrmi_aim(j, o, p, g, f);
    v->t.planes = planes;
    v->lanes = count;
}

/* Gives every lane its parameters, where they are needed: those of one channel after the other, or
   of one for all that make up a group of BATCH. */
static void nrmi_fill_params(nrmi_stretch *v, size_t o, size_t p, size_t g, size_t f)
{
    const nrmi_job *j = v->j;
    const int shared = j->kind == NRM_BATCH && j->w.fold > 1;
    size_t at = nrmi_param_of(j, o, p, g, f), i;
    v->t.g = v->g;
    v->t.b = v->b;
    for (i = 0; i < v->lanes; i++) {
        v->g[i] = nrmi_gamma_at(j, at);
        v->b[i] = nrmi_beta_at(j, at);
        if (!shared || ++f % j->w.fold == 0)
            at++;
    }
}

/* Gives every lane its statistics (those of group g0 and on), parameters and arithmetic.
   Sums without RELU do not depend on the parameters, so neither does their arithmetic; those of
   BATCH are not even weighted. */
static void nrmi_fill(nrmi_stretch *v, int sums, size_t o, size_t p, size_t g, size_t f,
                      const double *mean, const double *rstd, size_t g0)
{
    const nrmi_job *j = v->j;
    const int matter = !sums || v->t.relu;
    const int weights = j->kind != NRM_BATCH || j->q->d->affine_per_sample;
    const int params = !j->inner && (matter || weights);
    size_t i, group = g - g0, at = f;
    v->t.mean = mean + group;
    v->t.rstd = rstd + group;
    for (i = 0; i < v->lanes; i++) {
        v->wide[i] = (unsigned char)(v->t.forced || nrmi_wide_stats(j, mean[group], rstd[group]));
        if (++at == j->w.fold) {
            at = 0;
            group++;
        }
    }
    if (params)
        nrmi_fill_params(v, o, p, g, f);
    for (i = 0; params && matter && i < v->lanes; i++)
        v->wide[i] |= (unsigned char)nrmi_wide_params(j, v->g[i], v->b[i]);
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
    const nrmi_set *set = v->j->q->set;
    const nrmi_kernels *k = v->wide[from] ? &set->wide[v->t.dtype] : &set->near_[v->t.dtype];
    return nrmi_least(nrmi_same_until(v->wide, from, v->lanes), from + k->lanes);
}

/* ---- threads: a job in units, or one tile in cells ------------------------------------------- */

/* No bit depends on what is said here: a unit is a stretch of lanes, which nobody shares; a cell is
   a run or a plane of a tile, and what cells sum to is added in the order of A6 by one thread.
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
    nrmi_job one = *j;
    nrmi_spread s;
    one.pool = NULL;
    s.j = &one;
    s.unit = unit;
    s.context = context;
    s.units = units;
    s.tasks = nrmi_least(units, nrmi_tasks(j));
    s.threads = pool->threads;
    pool->run(pool->user, s.tasks, nrmi_task, &s);
}

/* From so many elements on a tile is worth a round of the pool: 20 to 40 us of one core (A7). */
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
    const size_t threads = j->pool->threads, most = NRMI_LANES * j->w.planes * j->w.len;
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
    const size_t y = p * all->y_plane + from * (all->column ? all->y_step : 1);
    const size_t stat = p * all->stat_plane + from * all->stat_len;
    nrmi_tile t = *all;
    nrmi_shift_tile(j->q, &t, x, y);
    t.gamma = nrmi_shift(t.gamma, j->q->param * from);
    t.beta = nrmi_shift(t.beta, j->q->param * from);
    t.len_mean = nrmi_shift(t.len_mean, 8 * stat);
    t.len_rstd = nrmi_shift(t.len_rstd, 8 * stat);
    t.planes = planes;
    t.len = len;
    return t;
}

/* The cells of a tile, `each` long: `across` to a plane, the last of which may be shorter. */
typedef struct nrmi_cells {
    const nrmi_kernels *k;
    const nrmi_tile *t;
    int what, gradient;
    size_t each, across, first, count, tasks;
    double *a, *b; /* sums of cell first and on, by lane */
} nrmi_cells;

/* The longest stretch of cells from `cell` on, before `end`, that one call of a kernel can do:
   whole planes, or whole cells of one plane, which are then called its planes. */
static size_t nrmi_cells_tile(const nrmi_job *j, const nrmi_cells *c, size_t cell, size_t end,
                              nrmi_tile *t)
{
    const size_t p = cell / c->across, at = cell % c->across, whole = c->t->len / c->each;
    size_t count = nrmi_least(end - cell, whole - at);
    if (c->across == 1) {
        *t = nrmi_slice(j, c->t, p, end - cell, 0, c->t->len);
        return end - cell;
    }
    if (at == whole) { /* what is left of the plane */
        *t = nrmi_slice(j, c->t, p, 1, at * c->each, c->t->len % c->each);
        return 1;
    }
    *t = nrmi_slice(j, c->t, p, count, at * c->each, c->each);
    t->x_plane = c->each * (t->column ? t->x_step : 1);
    t->y_plane = c->each * (t->column ? t->y_step : 1);
    t->stat_plane = c->each * t->stat_len;
    t->param_plane = c->each;
    return count;
}

static void nrmi_cells_unit(const nrmi_job *j, void *context, size_t index)
{
    const nrmi_cells *c = (const nrmi_cells *)context;
    const size_t end = c->first + nrmi_share(c->count, c->tasks, index + 1);
    size_t cell = c->first + nrmi_share(c->count, c->tasks, index), done;
    for (; cell < end; cell += done) {
        const size_t at = (cell - c->first) * c->t->lanes;
        nrmi_tile t;
        done = nrmi_cells_tile(j, c, cell, end, &t);
        t.park = t.lanes;
        if (c->a)
            c->k->reduce(&t, c->what, c->a + at, c->b + at);
        else
            c->k->apply(&t, c->gradient, c->what);
    }
}

static size_t nrmi_tile_values(const nrmi_tile *t)
{
    return t->lanes * t->planes * t->len;
}

/* A list of every lane as far as its cells are added, as a kernel adds them. */
typedef struct nrmi_list {
    double plane[NRMI_LANES]; /* F64, of half as many lanes: then what the planes lost */
    double lost[NRMI_LANES / 2];
} nrmi_list;

static void nrmi_add_cells(const nrmi_cells *c, nrmi_list *l, double *total, const double *from)
{
    const size_t lanes = c->t->lanes;
    const int f64 = c->t->dtype == NRM_F64;
    double *const lost = l->plane + NRMI_LANES / 2;
    size_t cell, i;
    for (cell = 0; cell < c->count; cell++, from += lanes) {
        const int ends = (c->first + cell) % c->across == c->across - 1;
        for (i = 0; i < lanes; i++) {
            if (f64)
                nrmi_add_two(&l->plane[i], &lost[i], from[i]);
            else
                l->plane[i] += from[i];
            if (!ends)
                continue;
            if (f64) {
                nrmi_make_up(&l->plane[i], &lost[i], 1);
                nrmi_add_two(&total[i], &l->lost[i], l->plane[i]);
            } else {
                total[i] += l->plane[i];
            }
            l->plane[i] = 0;
        }
    }
}

enum { NRMI_HERE = 2 * NRMI_LANES }; /* doubles for the sums of a cell, without a workspace */

/* reduce, its cells parked as many at a time as there is room for, then added in order. */
static NRMI_NOINLINE void nrmi_reduce_cells(const nrmi_job *j, nrmi_cells *c, double *first,
                                            double *second)
{
    const size_t lanes = c->t->lanes, all = c->t->planes * c->across;
    double here[NRMI_HERE];
    nrmi_list lists[2];
    double *const room = j->park_count > NRMI_HERE ? j->park : here;
    const size_t count = j->park_count > NRMI_HERE ? j->park_count : (size_t)NRMI_HERE;
    const size_t window = nrmi_least(count / lanes / 2, all);
    size_t i;
    if (2 * window * lanes * c->each < nrmi_cut()) { /* rounds too small */
        c->k->reduce(c->t, c->what, first, second);
        return;
    }
    memset(lists, 0, sizeof lists);
    for (i = 0; i < lanes; i++)
        first[i] = second[i] = 0;
    c->a = room;
    c->b = room + window * lanes;
    for (c->first = 0; c->first < all; c->first += c->count) {
        c->count = nrmi_least(window, all - c->first);
        c->tasks = nrmi_least(c->count, nrmi_tasks(j));
        nrmi_on_pool(j, c->tasks, nrmi_cells_unit, c);
        nrmi_add_cells(c, &lists[0], first, c->a);
        nrmi_add_cells(c, &lists[1], second, c->b);
    }
    if (c->t->dtype == NRM_F64) {
        nrmi_make_up(first, lists[0].lost, lanes);
        nrmi_make_up(second, lists[1].lost, lanes);
    }
}

static void nrmi_reduce_tile(const nrmi_job *j, const nrmi_kernels *k, const nrmi_tile *t, int what,
                             double *first, double *second)
{
    nrmi_cells c;
    c.each = nrmi_least(t->len, NRMI_RUN);
    c.across = (t->len + c.each - 1) / c.each;
    if (!j->pool || nrmi_tile_values(t) < nrmi_cut() || t->planes * c.across < 2) {
        k->reduce(t, what, first, second);
        return;
    }
    c.k = k;
    c.t = t;
    c.what = what;
    nrmi_reduce_cells(j, &c, first, second);
}

static void nrmi_apply_tile(const nrmi_job *j, const nrmi_kernels *k, const nrmi_tile *t,
                            int gradient, int what)
{
    nrmi_cells c;
    size_t pieces;
    if (!j->pool || nrmi_tile_values(t) < nrmi_cut()) {
        k->apply(t, gradient, what);
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
    c.a = c.b = NULL;
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
        t = nrmi_part(v, from, to - from);
        if (v->wide[from])
            NRMI_TRACE(NRMI_TRACE_WIDE_APPLY);
        k = nrmi_kernels_for(v->j, v->wide[from], &t);
        nrmi_apply_tile(v->j, k, &t, gradient, what);
    }
}

/* ---- statistics ----------------------------------------------------------------------------- */

/* Sums of d and d*d over the lists of `count` groups from g on, around a pilot for each, of values
   times `scale` if that is not 0. */
static void nrmi_moment_sums(const nrmi_job *j, const nrmi_kernels *k, double scale, size_t o,
                             size_t g, size_t count, const double *pilot, double *first,
                             double *second)
{
    const size_t lanes = count * j->w.fold;
    const int alone = j->w.fold == 1; /* a group is a lane */
    const int f64 = j->t.dtype == NRM_F64;
    double lost[2] = {0, 0};
    double a[NRMI_LANES], b[NRMI_LANES];
    size_t from, i, group = 0, f = 0;
    for (i = 0; !alone && i < count; i++)
        first[i] = second[i] = 0;
    for (from = 0; from < lanes; from += k->lanes) {
        const size_t n = nrmi_least(lanes - from, k->lanes);
        nrmi_tile t = nrmi_aim(j, o, 0, g + group, f);
        t.lanes = n;
        t.mean = pilot + group;
        t.scale = scale;
        if (alone) {
            nrmi_reduce_tile(j, k, &t, NRMI_MOMENTS, first + from, second + from);
            group += n;
            continue;
        }
        nrmi_reduce_tile(j, k, &t, NRMI_MOMENTS, a, b);
        for (i = 0; i < n; i++) {
            if (f64) {
                nrmi_add_two(&first[group], &lost[0], a[i]);
                nrmi_add_two(&second[group], &lost[1], b[i]);
            } else {
                first[group] += a[i];
                second[group] += b[i];
            }
            if (++f < j->w.fold)
                continue;
            if (f64) {
                nrmi_make_up(&first[group], &lost[0], 1);
                nrmi_make_up(&second[group], &lost[1], 1);
            }
            f = 0;
            group++;
        }
    }
}

/* Pilots from the 32 sampled values of each group, or its first value. */
static void nrmi_pilots(const nrmi_job *j, const nrmi_kernels *k, double scale, const size_t *at,
                        size_t o, size_t g, size_t count, double *pilot)
{
    const nrmi_walk *w = &j->w;
    nrmi_tile t = nrmi_aim(j, o, 0, g, 0);
    t.lanes = count;
    t.column = w->column && w->group_step.x == 1;
    t.x_step = w->group_step.x;
    t.scale = scale;
    k->pilot(&t, at, pilot);
}

enum { NRMI_ACCEPT, NRMI_RETRY, NRMI_WIDE, NRMI_DONE };

/* A6, "Accept": mean and m2 from the sums, and whether the arithmetic was good enough. In F64 a
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
    const nrmi_kernels *k = &j->q->set->wide[NRM_F64];
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
static void nrmi_moments_of(const nrmi_job *j, size_t o, size_t g, size_t count, double *mean,
                            double *m2, signed char *power)
{
    const nrmi_walk *w = &j->w;
    const nrmi_set *set = j->q->set;
    const size_t values = w->planes * w->fold * w->len;
    const double m = (double)values;
    const int dtype = j->t.dtype;
    double pilot[NRMI_LANES] = {0}, first[NRMI_LANES], second[NRMI_LANES];
    unsigned char state[NRMI_LANES];
    size_t i, to;
    int round;
    for (i = 0; i < count; i++) {
        state[i] = NRMI_ACCEPT;
        power[i] = 0;
    }
    if (j->kind != NRM_RMS && nrmi_sums_are_pilots(j)) {
        nrmi_moment_sums(j, &set->near_[dtype], 0, o, g, count, pilot, first, second);
        for (i = 0; i < count; i++)
            pilot[i] = (dtype == NRM_F64 ? first[i] / m : (double)((float)first[i] / (float)m)) + 0;
    } else if (j->kind != NRM_RMS) {
        nrmi_pilots(j, &set->near_[dtype], 0, j->pilot_at, o, g, count, pilot);
    }
    for (round = NRMI_ACCEPT; round <= NRMI_WIDE; round++)
        for (i = 0; i < count; i = to) {
            const nrmi_kernels *k = round == NRMI_WIDE ? &set->wide[dtype] : &set->near_[dtype];
            size_t s;
            to = nrmi_same_until(state, i, count);
            if (state[i] != round)
                continue;
            if (round == NRMI_RETRY) {
                NRMI_TRACE(NRMI_TRACE_RETRY);
                for (s = i; s < to; s++)
                    pilot[s] = dtype == NRM_F64 ? mean[s] : (double)(float)mean[s];
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
}

/* ---- forward ------------------------------------------------------------------------------ */

/* y (and sum) of groups g..g+count of sample o from their statistics. */
static void nrmi_apply_groups(const nrmi_job *j, size_t o, size_t g, size_t count,
                              const double *mean, const double *rstd)
{
    const nrmi_walk *w = &j->w;
    /* one plane at a time where its parameters are its own */
    const size_t each = j->q->d->affine_per_sample && w->planes > 1 ? 1 : w->planes;
    size_t p, from;
    for (p = 0; p < w->planes; p += each)
        for (from = 0; from < count * w->fold; from += NRMI_LANES) {
            const size_t left = count * w->fold - from, at = g + from / w->fold;
            nrmi_stretch v;
            nrmi_open(&v, j, o, p, each, at, from % w->fold, nrmi_least(left, NRMI_LANES));
            nrmi_fill(&v, 0, o, p, at, from % w->fold, mean, rstd, g);
            nrmi_map_lanes(&v, 0);
        }
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
    return nrmi_param_rounded(j, nrmi_product(1 - rate, nrmi_param(j, running, i)) +
                                     nrmi_product(rate, value));
}

/* Judges, keeps or writes the new statistics of channel i. */
static void nrmi_move(const nrmi_job *j, nrmi_running *r, size_t i, double mean, double variance,
                      int write)
{
    void *const to[2] = {j->q->a->running_mean, j->q->a->running_var};
    const double value[2] = {mean, variance};
    int k;
    for (k = 0; k < 2; k++)
        if (to[k]) {
            const double moved = nrmi_moved(j, to[k], i, value[k]);
            if (write)
                nrmi_param_set(j, to[k], i, moved);
            else if (!nrmi_finite(moved))
                r->all_finite = 0;
        }
}

static double nrmi_variance(double m2, double m, int unbiased)
{
    return unbiased ? m2 / (m - 1) : m2 / m;
}

static void nrmi_running_start(const nrmi_job *j, nrmi_running *r)
{
    const nrm_args *a = j->q->a;
    unsigned char *w = (unsigned char *)a->workspace;
    r->moves = nrmi_moves_running(j->q);
    r->unbiased = !a->running_population;
    r->judge_only = r->in_stats = 0;
    r->all_finite = 1;
    r->early = j->t.dtype == NRM_F64 ? (double)j->w.outer : 1;
    r->late = (double)j->w.outer / r->early;
    r->mean = r->variance = NULL;
    if (!r->moves)
        return;
    if (j->mean && j->rstd && j->t.dtype != NRM_F64) {
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
    const double eps = j->q->d->eps;
    double mean, variance;
    int write;
    size_t i;
    if (!r->moves)
        return NRM_OK;
    for (write = 0; write < 2 && r->all_finite && (r->in_stats || r->mean); write++)
        for (i = 0; i < j->all_c; i++) {
            nrmi_waited(j, r, i, m, &mean, &variance);
            nrmi_move(j, r, i, mean, variance, write);
        }
    for (i = 0; r->in_stats && i < j->w.outer * j->w.groups; i++)
        nrmi_f64_set(j->rstd, i, nrmi_rstd(nrmi_f64_at(j->rstd, i) / m, eps));
    return r->all_finite ? NRM_OK : NRM_ERR_NONFINITE;
}

/* Statistics, outputs and y of groups g..g+count of sample o. What running statistics move by is
   added to rm and rv. */
static void nrmi_forward_groups(const nrmi_job *j, const nrmi_running *r, size_t o, size_t g,
                                size_t count, double *rm, double *rv)
{
    const nrmi_walk *w = &j->w;
    const double m = (double)(w->planes * w->fold * w->len);
    double mean[NRMI_LANES], m2[NRMI_LANES];
    signed char power[NRMI_LANES];
    size_t i;
    nrmi_moments_of(j, o, g, count, mean, m2, power);
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

typedef struct nrmi_forward {
    nrmi_running r;
    size_t at_once, stretches; /* groups of a unit, units of a sample */
    int whole;                 /* a unit has all samples: what it moves by is added in order */
} nrmi_forward;

static void nrmi_forward_unit(const nrmi_job *j, void *context, size_t unit)
{
    nrmi_forward *f = (nrmi_forward *)context;
    nrmi_running *r = &f->r;
    const size_t g = unit % f->stretches * f->at_once;
    const size_t count = nrmi_least(j->w.groups - g, f->at_once);
    double rm[NRMI_LANES] = {0}, rv[NRMI_LANES] = {0};
    size_t o = unit / f->stretches, i;
    if (!f->whole) {
        nrmi_forward_groups(j, r, o, g, count, rm, rv);
        return;
    }
    for (o = 0; o < j->w.outer; o++)
        nrmi_forward_groups(j, r, o, g, count, rm, rv);
    for (i = 0; i < count; i++)
        if (r->mean) {
            r->mean[g + i] = rm[i] / r->late;
            r->variance[g + i] = rv[i] / r->late;
        } else {
            nrmi_move(j, r, g + i, rm[i] / r->late, rv[i] / r->late,
                      !r->judge_only && r->all_finite);
        }
}

/* How many stretches of `at_once` groups there are, and the values of a group. */
static size_t nrmi_stretches(const nrmi_job *j, size_t at_once)
{
    return (j->w.groups + at_once - 1) / at_once;
}
static size_t nrmi_group_values(const nrmi_job *j)
{
    return j->w.planes * j->w.fold * j->w.len;
}

static nrm_status nrmi_run_forward(nrmi_job *j)
{
    const size_t values = nrmi_group_values(j);
    nrmi_forward f;
    size_t units, u;
    f.at_once = nrmi_groups_at_once(j, NRMI_TWICE);
    if (j->w.planes * j->w.fold == 1 && j->t.far_ > 1 &&
        values * f.at_once <= NRMI_TWICE / j->q->size)
        j->ahead = f.at_once;
    f.stretches = nrmi_stretches(j, f.at_once);
    nrmi_running_start(j, &f.r);
    f.whole = f.r.moves && !f.r.in_stats;
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
    return nrmi_running_end(j, &f.r, (double)values);
}

/* ---- backward ----------------------------------------------------------------------------- */

/* Writes or adds to a parameter's gradient. */
static void nrmi_give(const nrmi_job *j, unsigned char *to, size_t i, double value)
{
    if (to)
        nrmi_param_set(j, to, i, j->q->a->accumulate ? nrmi_param(j, to, i) + value : value);
}

/* The same for `count` of them from `at` on. */
static void nrmi_give_all(const nrmi_job *j, unsigned char *to, size_t at, size_t count,
                          const double *value)
{
    size_t i;
    if (to && j->q->param == 4 && !j->q->a->accumulate)
        for (i = 0; i < count; i++)
            nrmi_f32_set(to, at + i, (float)value[i]);
    else
        for (i = 0; i < count; i++)
            nrmi_give(j, to, at + i, value[i]);
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

/* The two sums of lanes from..from+count of a stretch, all of one arithmetic. */
static void nrmi_lane_sums(const nrmi_stretch *v, int what, int wide, size_t from, size_t count,
                           double *p, double *q)
{
    nrmi_tile t = nrmi_part(v, from, count);
    const nrmi_kernels *k = nrmi_kernels_for(v->j, wide, &t);
    if (wide)
        NRMI_TRACE(NRMI_TRACE_WIDE_SUMS);
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
static void nrmi_gradient_sums(const nrmi_stretch *v, int what, size_t unit, double *p, double *q)
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
        if (!v->wide[u * unit]) {
            const size_t group = nrmi_group_of(v->t.fold, v->t.fold_at + u * unit);
            const nrmi_scale s = nrmi_scale_of(v->t.rstd[group], 0);
            p[u] /= what == NRMI_INNER ? s.u : 1;
            q[u] = q[u] * s.rho / (what == NRMI_INNER ? s.u : NRMI_LIFT);
        }
    if (nrmi_sums_fit(v->j, what, p, q, values))
        return;
    for (u = 0; u < values; u++) {
        if (v->wide[u * unit] || nrmi_sums_fit(v->j, what, p + u, q + u, 1))
            continue;
        nrmi_lane_sums(v, what, 1, u * unit, unit, a, b);
        p[u] = nrmi_fold_sum(f64, a, unit);
        q[u] = nrmi_fold_sum(f64, b, unit);
    }
}

/* dx of a stretch, whose p and q are set. */
static void nrmi_gradient_lanes(nrmi_stretch *v)
{
    size_t i;
    for (i = 0; i < v->lanes; i++)
        if (v->j->t.dtype != NRM_F64 &&
            (nrmi_bits(v->p[i]) > NRMI_PQ_LIMIT || nrmi_bits(v->q[i]) > NRMI_PQ_LIMIT))
            v->wide[i] = 1;
    nrmi_map_lanes(v, 1);
}

/* Where the statistics of groups g..g+count of sample o come from: the caller's arrays, or running
   statistics. */
static void nrmi_read_stats(const nrmi_job *j, size_t o, size_t g, size_t count, double *mean,
                            double *rstd)
{
    const nrm_args *a = j->q->a;
    size_t i;
    for (i = 0; i < count; i++) {
        const size_t at = (o * j->w.groups + g + i) * j->stat_step;
        if (j->q->verb->flags & NRMI_NEEDS_RUNNING) {
            mean[i] = nrmi_param(j, a->running_mean, g + i);
            rstd[i] = nrmi_rstd(nrmi_param(j, a->running_var, g + i), j->q->d->eps);
        } else {
            mean[i] = j->mean ? nrmi_f64_at(j->mean, at) : 0;
            rstd[i] = nrmi_f64_at(j->rstd, at);
        }
    }
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
    r.few = !per_sample && all->s < NRMI_SMALL;
    r.forced = all->t.forced && all->t.relu;
    r.j.w = nrmi_walk_of(&r.j, r.j.kind);
    if (!per_sample && all->q->d->kind == NRM_GROUP) { /* in order of samples, as with any s */
        r.few = 0;
        r.j.w.planes = all->n;
        r.j.w.plane_step = r.j.w.len_step;
        r.j.w.len = 1;
    } else if (r.few && all->layout == NRM_NCHW) { /* channels a line apart: one at a time */
        r.j.w.fold = 1;
        r.j.w.planes = all->s;
        r.j.w.plane_step.x = r.j.w.plane_step.y = 1;
    }
    return r;
}

/* Whether one of `count` rows from statistic `at` on leaves the comfortable range. */
static int nrmi_uncomfortable_rows(const nrmi_job *j, size_t at, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (nrmi_wide_stats(j, j->mean ? nrmi_f64_at(j->mean, (at + i) * j->stat_step) : 0,
                            nrmi_f64_at(j->rstd, (at + i) * j->stat_step)))
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
    const int forced = per_sample ? j->t.relu && nrmi_uncomfortable_params(j, first) : r->forced;
    const int wide = forced || (per_sample ? nrmi_uncomfortable_rows(j, stat, j->s) : r->wide);
    double p[NRMI_LANES], q[NRMI_LANES];
    nrmi_stretch v;
    size_t i;
    nrmi_open(&v, j, o, 0, j->w.planes, g, 0, count);
    v.t.forced = forced;
    v.t.len_mean = nrmi_shift(j->mean, 8 * stat * j->stat_step);
    v.t.len_rstd = nrmi_shift(j->rstd, 8 * stat * j->stat_step);
    v.t.stat_plane = j->stat_step * (r->few ? 1 : j->s);
    v.t.stat_len = j->stat_step * (r->few ? j->s : 1);
    for (i = 0; i < count; i++)
        v.wide[i] = (unsigned char)wide;
    if (j->t.relu)
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
    r.wide = !j->q->d->affine_per_sample && nrmi_uncomfortable_rows(j, 0, j->n * j->s);
    nrmi_all_units(j, r.stretches * j->w.outer, r.at_once * nrmi_group_values(j), nrmi_params_unit,
                   &r);
}

/* LAYER and RMS: a row is a lane and a group. */
static void nrmi_inner_unit(const nrmi_job *j, void *context, size_t unit)
{
    const size_t at_once = *(const size_t *)context, stretches = nrmi_stretches(j, at_once);
    const size_t o = unit / stretches, g = unit % stretches * at_once;
    const size_t count = nrmi_least(j->w.groups - g, at_once);
    const double m = (double)j->w.len;
    double mean[NRMI_LANES], rstd[NRMI_LANES];
    nrmi_stretch v;
    size_t i;
    nrmi_open(&v, j, o, 0, 1, g, 0, count);
    nrmi_read_stats(j, o, g, count, mean, rstd);
    nrmi_fill(&v, 0, o, 0, g, 0, mean, rstd, g);
    nrmi_gradient_sums(&v, NRMI_INNER, 1, v.p, v.q);
    for (i = 0; i < count; i++) {
        v.p[i] = j->kind == NRM_RMS ? 0 : v.p[i] / m;
        v.q[i] = v.q[i] / m;
    }
    nrmi_gradient_lanes(&v);
}

static NRMI_NOINLINE void nrmi_inner_backward(const nrmi_job *j)
{
    size_t at_once = nrmi_groups_at_once(j, NRMI_TWICE / 2);
    if (j->dgamma || j->dbeta)
        nrmi_inner_params(j);
    if (j->t.out)
        nrmi_all_units(j, nrmi_stretches(j, at_once) * j->w.outer, at_once * j->w.len,
                       nrmi_inner_unit, &at_once);
}

/* F64: sums for dgamma and dbeta go to the first half of their space, and what they lose to the
   second. */
static size_t nrmi_most_params(const nrmi_job *j)
{
    return j->t.dtype == NRM_F64 ? NRMI_LANES / 2 : NRMI_LANES;
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
    nrmi_stretch v;
    size_t p, from, i;
    for (i = 0; i < count; i++)
        big_p[i] = big_q[i] = 0;
    for (p = 0; p < w->planes; p += each)
        for (from = 0; from < count * w->fold; from += NRMI_LANES) {
            const size_t left = count * w->fold - from, at = g + from / w->fold;
            double *const a = v.p, *const b = v.q; /* not needed before dx */
            nrmi_open(&v, j, o, p, each, at, from % w->fold, nrmi_least(left, NRMI_LANES));
            nrmi_fill(&v, 1, o, p, at, from % w->fold, mean, rstd, g);
            nrmi_gradient_sums(&v, NRMI_CHANNEL, unit, a, b);
            for (i = 0; i < v.lanes / unit; i++) {
                const size_t lane = from + i * unit, group = nrmi_group_of(w->fold, lane);
                const size_t param = nrmi_param_of(j, o, p, g + group, lane - group * w->fold);
                big_p[group] += whole ? a[i] : nrmi_product(v.g[i], a[i]);
                big_q[group] += whole ? b[i] : nrmi_product(v.g[i], b[i]);
                if (per_sample) {
                    nrmi_give(j, j->dbeta, param, a[i]);
                    nrmi_give(j, j->dgamma, param, b[i]);
                } else if (kp) {
                    nrmi_collect(&kp[whole ? group : lane], lost, a[i]);
                    nrmi_collect(&kq[whole ? group : lane], lost, b[i]);
                }
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
    size_t p, from, i;
    for (p = 0; p < w->planes; p += each)
        for (from = 0; from < count * w->fold; from += NRMI_LANES) {
            const size_t left = count * w->fold - from, at = g + from / w->fold;
            nrmi_stretch v;
            nrmi_open(&v, j, o, p, each, at, from % w->fold, nrmi_least(left, NRMI_LANES));
            nrmi_fill(&v, 0, o, p, at, from % w->fold, mean, rstd, g);
            for (i = 0; i < v.lanes; i++) {
                const size_t group = nrmi_group_of(w->fold, from + i);
                v.p[i] = !p_of ? 0 : whole ? v.g[i] * p_of[group] : p_of[group];
                v.q[i] = !p_of ? 0 : whole ? v.g[i] * q_of[group] : q_of[group];
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
    double kp[NRMI_LANES] = {0}, kq[NRMI_LANES] = {0}, mean, rstd;
    nrmi_stretch v;
    size_t o, i;
    (void)context;
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
    double *park;              /* else what sample o adds to them: all kp, all kq              */
    size_t from;               /* ... from this sample on                                      */
} nrmi_channels;

static void nrmi_channel_groups(const nrmi_job *j, const nrmi_channels *c, size_t o, size_t g,
                                size_t count, double *kp, double *kq)
{
    const size_t lost = c->whole ? nrmi_lost_params(j) : 0;
    const double m = (double)nrmi_group_values(j);
    double mean[NRMI_LANES], rstd[NRMI_LANES], p[NRMI_LANES], q[NRMI_LANES];
    size_t i;
    for (i = 0; i < count; i++)
        p[i] = q[i] = 0;
    nrmi_read_stats(j, o, g, count, mean, rstd);
    if (c->sums)
        nrmi_channel_sums(j, o, g, count, mean, rstd, p, q, c->collect ? kp : NULL, kq, lost);
    for (i = 0; i < count; i++)
        nrmi_channel_pq(j, g + i, m, &p[i], &q[i]);
    if (j->t.out)
        nrmi_channel_dx(j, o, g, count, mean, rstd, j->t.frozen ? NULL : p, q);
}

static void nrmi_channel_unit(const nrmi_job *j, void *context, size_t unit)
{
    const nrmi_channels *c = (const nrmi_channels *)context;
    const size_t o = unit / c->stretches, g = unit % c->stretches * c->at_once;
    const size_t count = nrmi_least(j->w.groups - g, c->at_once), params = count * c->each;
    const size_t all = j->w.groups * c->each;
    double here[2][NRMI_LANES] = {{0}}, *kp = here[0], *kq = here[1];
    size_t i;
    if (c->park) {
        kp = c->park + 2 * all * o + g * c->each;
        kq = kp + all;
        for (i = 0; i < params; i++)
            kp[i] = kq[i] = 0;
    }
    if (!c->whole) {
        nrmi_channel_groups(j, c, c->from + o, g, count, kp, kq);
        return;
    }
    for (i = 0; i < j->w.outer; i++)
        nrmi_channel_groups(j, c, i, g, count, kp, kq);
    nrmi_give_params(j, g * c->each, params, kp, kq, nrmi_lost_params(j));
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
    c.sums = !(f & NRMI_READS_ARRAY) && (!j->t.frozen || params);
    c.collect = params && !j->q->d->affine_per_sample;
    c.park = NULL;
    c.from = 0;
    values = c.at_once * nrmi_group_values(j);
    if (c.collect && c.each > most) {
        const size_t units = w->groups * ((w->fold + most - 1) / most);
        c.collect = 0;
        nrmi_all_units(j, units, most * w->len * w->outer, nrmi_large_group_unit, NULL);
        if (!j->t.out && !(f & NRMI_WRITES_ARRAY))
            return;
    }
    c.whole = c.collect;
    if (c.collect && w->outer > 1 && j->pool && j->park_count / 6 / w->groups / c.each > 0 &&
        !nrmi_units_suffice(j, c.stretches, values * w->outer)) {
        c.whole = 0;
        nrmi_channels_by_sample(j, &c, values);
        return;
    }
    nrmi_all_units(j, c.stretches * (c.whole ? 1 : w->outer), values * (c.whole ? w->outer : 1),
                   nrmi_channel_unit, &c);
}

/* ---- verbs -------------------------------------------------------------------------------- */

/* nrm_infer, and nrm_apply: y from statistics that are known before. */
static void nrmi_known_unit(const nrmi_job *j, void *context, size_t unit)
{
    const size_t at_once = *(const size_t *)context, g = unit * at_once;
    const size_t count = nrmi_least(j->w.groups - g, at_once);
    double mean[NRMI_LANES], rstd[NRMI_LANES];
    nrm_moments one;
    size_t i;
    if (j->q->verb->flags & NRMI_NEEDS_RUNNING)
        nrmi_read_stats(j, 0, g, count, mean, rstd);
    else
        for (i = 0; i < count; i++) {
            memcpy(&one, (const unsigned char *)j->q->array + (g + i) * sizeof one, sizeof one);
            mean[i] = one.mean;
            rstd[i] = nrmi_rstd(one.m2 / one.count, j->q->d->eps);
        }
    nrmi_apply_groups(j, 0, g, count, mean, rstd);
}

static void nrmi_apply_known(const nrmi_job *j)
{
    /* threads: whole planes for each, or, of few planes, whole rows. Pieces of all rows took 1.5
       times as long (2 threads, 1x64x112x112). */
    const int rows = j->pool && j->w.planes < nrmi_tasks(j);
    size_t at_once = nrmi_groups_at_once(j, rows ? (size_t)NRMI_TWICE : (size_t)-1);
    nrmi_all_units(j, nrmi_stretches(j, at_once), at_once * nrmi_group_values(j), nrmi_known_unit,
                   &at_once);
}

/* nrm_apply's other outputs, all of which the moments give. */
static nrm_status nrmi_moments_out(const nrmi_job *j)
{
    const unsigned char *from = (const unsigned char *)j->q->array;
    nrmi_running r;
    nrm_moments one;
    size_t i;
    int write;
    r.moves = nrmi_moves_running(j->q);
    r.unbiased = !j->q->a->running_population;
    r.all_finite = 1;
    for (write = 0; write < 2; write++)
        for (i = 0; i < j->all_c; i++) {
            memcpy(&one, from + i * sizeof one, sizeof one);
            if (r.moves && r.all_finite)
                nrmi_move(j, &r, i, one.mean, nrmi_variance(one.m2, one.count, r.unbiased), write);
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
    const size_t count = nrmi_least(j->w.groups - g, at_once);
    double mean[NRMI_LANES], m2[NRMI_LANES];
    signed char power[NRMI_LANES];
    size_t i;
    nrmi_moments_of(j, 0, g, count, mean, m2, power);
    for (i = 0; i < count; i++) {
        nrm_moments one;
        one.count = (double)nrmi_group_values(j);
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
            j.t.forced = nrmi_uncomfortable_params(&j, 0);
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
    j->t.frozen = (j->q->verb->flags & NRMI_NEEDS_RUNNING) != 0;
    if (!(j->q->verb->flags & NRMI_GIVES_PARAMS))
        j->dgamma = j->dbeta = NULL;
    if (j->q->verb == &nrmi_verb_backward_reduce)
        j->t.out = NULL;
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

/* Whether the unbiased running variance is asked of one value. */
static int nrmi_one_sample(const nrmi_call *q, double values)
{
    return nrmi_moves_running(q) && q->a->running_var && !q->a->running_population && values == 1;
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
    if (!values || q->d->s == 0)
        return NRM_OK;
    if (one)
        return NRM_ERR_SAMPLES;
    if (!q->empty)
        return nrmi_run(q, nrmi_run_apply);
    nrmi_start(q, &j, NULL);
    return nrmi_moments_out(&j);
}

static NRMI_NOINLINE nrm_status nrmi_dispatch(const nrmi_verb *verb, const nrm_desc *d,
                                              const nrm_args *a, void *array)
{
    nrmi_call q;
    const nrm_status status = nrmi_check(verb, d, a, array, &q);
    if (status != NRM_OK)
        return status;
    if (verb == &nrmi_verb_apply)
        return nrmi_apply_call(&q);
    if (q.empty) {
        if (verb->flags & NRMI_GIVES_PARAMS)
            nrmi_no_gradient(&q);
        if (verb->flags & NRMI_WRITES_ARRAY)
            nrmi_zeros(array, d->c);
        return NRM_OK;
    }
    if (verb == &nrmi_verb_forward &&
        nrmi_one_sample(&q, (double)(d->kind == NRM_BATCH ? d->n * d->s : d->s)))
        return NRM_ERR_SAMPLES;
    return nrmi_run(&q, verb == &nrmi_verb_forward  ? nrmi_run_forward
                        : verb == &nrmi_verb_infer  ? nrmi_run_infer
                        : verb == &nrmi_verb_reduce ? nrmi_run_reduce
                                                    : nrmi_run_backward);
}

/* Every verb, in the default floating-point state. */
static nrm_status nrmi_public(const nrmi_verb *verb, const nrm_desc *d, const nrm_args *a,
                              const void *array)
{
    const unsigned found = nrmi_enter();
    const nrm_status status = nrmi_dispatch(verb, d, a, (void *)(uintptr_t)array);
    nrmi_fence();
    nrmi_leave(found);
    return status;
}

NRM_API nrm_status nrm_forward(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verb_forward, d, a, NULL);
}

NRM_API nrm_status nrm_infer(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verb_infer, d, a, NULL);
}

NRM_API nrm_status nrm_backward(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verb_backward, d, a, NULL);
}

NRM_API nrm_status nrm_infer_backward(const nrm_desc *d, const nrm_args *a)
{
    return nrmi_public(&nrmi_verb_infer_backward, d, a, NULL);
}

NRM_API nrm_status nrm_reduce(const nrm_desc *d, const nrm_args *a, nrm_moments *c_of_them)
{
    return nrmi_public(&nrmi_verb_reduce, d, a, c_of_them);
}

NRM_API nrm_status nrm_apply(const nrm_desc *d, const nrm_args *a, const nrm_moments *c_of_them)
{
    return nrmi_public(&nrmi_verb_apply, d, a, c_of_them);
}

NRM_API nrm_status nrm_backward_reduce(const nrm_desc *d, const nrm_args *a, nrm_sums *c_of_them)
{
    return nrmi_public(&nrmi_verb_backward_reduce, d, a, c_of_them);
}

NRM_API nrm_status nrm_backward_apply(const nrm_desc *d, const nrm_args *a,
                                      const nrm_sums *c_of_them)
{
    return nrmi_public(&nrmi_verb_backward_apply, d, a, c_of_them);
}

/* A6, "Merge": from the mean of more values on. The other way, a share of one outlier costs F64 the
   square root of their number in roundings. */
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

/* Room for the running statistics that wait; and, with a pool, for the partial sums of 64 cells of
   NRMI_LANES lanes for each thread, or of INSTANCE's and GROUP's samples. */
NRM_API size_t nrm_workspace_size(const nrm_desc *d, size_t threads)
{
    size_t waiting = 0, cells, samples = 0;
    if (nrm_stat_count(d) == 0)
        return 0;
    if ((d->kind == NRM_BATCH || d->kind == NRM_INSTANCE) && d->c > NRMI_WAITING)
        waiting = 16 * d->c + 16;
    if (threads < 2 || d->n * d->c * d->s < NRM_POOL_MIN)
        return waiting;
    threads = nrmi_least(threads, 1024);
    cells = threads * 64 * NRMI_LANES * 16;
    if (d->kind == NRM_INSTANCE || d->kind == NRM_GROUP)
        samples = 16 * d->c * (1 + nrmi_least(d->n, 4 * threads));
    return waiting + 16 + (cells > samples ? cells : samples);
}

/* ---- short forms -------------------------------------------------------------------------- */

static nrm_status nrmi_short(nrm_kind kind, nrm_layout layout, size_t n, size_t c, size_t s,
                             size_t groups, float *y, const float *x, const float *gamma,
                             const float *beta, double eps)
{
    nrm_desc d;
    nrm_args a;
    memset(&d, 0, sizeof d);
    memset(&a, 0, sizeof a);
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
    memset(&d, 0, sizeof d);
    memset(&a, 0, sizeof a);
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

/* ---- fold --------------------------------------------------------------------------------- */

/* Whether two float arrays overlap other than by being the same one. */
static int nrmi_apart(const float *out, size_t out_count, const float *in, size_t in_count,
                      int same)
{
    const uintptr_t a = (uintptr_t)out, b = (uintptr_t)in;
    if (!in || !out_count || !in_count || (same && a == b))
        return 1;
    return a < b ? b - a >= 4 * out_count : a - b >= 4 * in_count;
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
    in[2] = mean;
    in[3] = var;
    in[4] = gamma;
    in[5] = beta;
    for (i = 0; i < 6; i++)
        if (!nrmi_apart(weight_out, all, in[i], i == 0 ? all : c, i == 0) ||
            !nrmi_apart(bias_out, c, in[i], i == 0 ? all : c, i == 1))
            return NRM_ERR_ALIAS;
    if (!nrmi_apart(weight_out, all, bias_out, c, 0))
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
/* A pass sets NRMI_PASS, NRMI_ISA (scalar, avx2, avx512), NRMI_T (storage: f32, half, any),   */
/* NRMI_A (arithmetic: f32 or f64) and includes this file again, which then holds only this     */
/* section. A vector has 16 values whatever the machine. A tile (C3) is a block of lanes; a     */
/* lane is one sum, or one line to map. In a row tile a lane lies along memory and the vector   */
/* covers 16 values of it; in a column tile the lanes lie side by side and the vector covers    */
/* 16 lanes. So each coefficient belongs either to the lane or to the place along it (len), and */
/* is broadcast in one kind of tile where it is loaded in the other. That is the whole          */
/* difference between NCHW and NHWC.                                                            */
/* ========================================================================================= */
#if NRMI_PASS != 200
#error "normalize.h includes itself by name: define NRM_HEADER_FILENAME to this file's new name"
#endif

#define nrmi_v NRMI_GLUE3(nrmi, NRMI_A, NRMI_ISA)
#define nrmi_a NRMI_GLUE2(nrmi, NRMI_A)
#define nrmi_pair NRMI_FN(nrmi_pair)
#define nrmi_lanes NRMI_FN(nrmi_lanes)
#define nrmi_lens NRMI_FN(nrmi_lens)
#define nrmi_coefs NRMI_FN(nrmi_coefs)
#define nrmi_along NRMI_FN(nrmi_along)
#define NRMI_OP(name) NRMI_GLUE3(name, NRMI_A, NRMI_ISA)
#define NRMI_OP64(name) NRMI_GLUE2(name##_f64, NRMI_ISA)
#define NRMI_FN(name) NRMI_GLUE4(name, NRMI_T, NRMI_A, NRMI_ISA)
#define nrmi_set1 NRMI_OP(nrmi_set1)
#define nrmi_get NRMI_OP(nrmi_get)
#define nrmi_get_part NRMI_OP(nrmi_get_part)
#define nrmi_put NRMI_OP(nrmi_put)
#define nrmi_add NRMI_OP(nrmi_add)
#define nrmi_sub NRMI_OP(nrmi_sub)
#define nrmi_mul NRMI_OP(nrmi_mul)
#define nrmi_relu NRMI_OP(nrmi_relu)
#define nrmi_keep NRMI_OP(nrmi_keep)
#define nrmi_first NRMI_OP(nrmi_first)
#define nrmi_pairs NRMI_OP(nrmi_pairs)
#define nrmi_within NRMI_OP(nrmi_within)
#define nrmi_tally NRMI_OP(nrmi_tally)
#define nrmi_load NRMI_FN(nrmi_load)
#define nrmi_load_part NRMI_FN(nrmi_load_part)
#define nrmi_store NRMI_FN(nrmi_store)
#define nrmi_store_part NRMI_FN(nrmi_store_part)
#define nrmi_stored NRMI_FN(nrmi_stored)
#define nrmi_stream NRMI_FN(nrmi_stream)
#define nrmi_offset NRMI_OP(nrmi_offset)
#define NRMI_COPY_ONE(t, to, from) NRMI_GLUE2(NRMI_COPY, NRMI_T)(t, to, from)
#define NRMI_AT(t, pointer, index) ((pointer) + (index)*NRMI_GLUE2(NRMI_BYTES, NRMI_T)(t))
#define NRMI_WIDTH NRMI_TILE_LANES(NRMI_DOUBLE, NRMI_GLUE2(NRMI_IS_SIMD, NRMI_ISA))
/* The scalar and the double passes keep loops: written out, they came to 2.4 MB of code. So does
   everything without optimization: written out, gcc 12 -O0 took 100 s instead of 4. */
#define NRMI_UNROLL (NRMI_OPTIMIZED && !NRMI_DOUBLE && NRMI_GLUE2(NRMI_IS_SIMD, NRMI_ISA))
#define NRMI_DOUBLE NRMI_GLUE2(NRMI_IS_DOUBLE, NRMI_A)
/* Pilots found at once: few where a vector is an array of doubles on the stack. */
#define NRMI_PILOTS (NRMI_DOUBLE ? 2 : 16)
/* What is called once for many values: in line only where the loops are written out, since gcc 12
   gives inlined calls stack of their own, side by side. */
#if NRMI_UNROLL || NRMI_GLUE2(NRMI_IS_SIMD, NRMI_ISA)
#define NRMI_OFTEN NRMI_INLINE
#else
#define NRMI_OFTEN NRMI_NOINLINE
#endif

/* Coefficients of the lanes of a tile, as the arithmetic wants them. Unused ones are not set. */
typedef struct nrmi_lanes {
    nrmi_a mh[NRMI_WIDTH], ml[NRMI_WIDTH]; /* the mean in two parts; or the pilot               */
    nrmi_a r[NRMI_WIDTH], g[NRMI_WIDTH], b[NRMI_WIDTH]; /* y = ((x - mh - ml) * r) * g + b       */
    nrmi_a v[NRMI_WIDTH]; /* xhat = (x - mh - ml) * v                          */
    nrmi_a k[NRMI_WIDTH]; /* t = dy * k                                        */
    nrmi_a p[NRMI_WIDTH], q[NRMI_WIDTH], o[NRMI_WIDTH]; /* dx = o * ((t - p) - xhat * q)         */
} nrmi_lanes;

/* Room for coefficients along the lane. LAYER and RMS: gamma and beta, unless the caller's own
   arrays serve. Their parameter gradients: mean in two parts, or mean and scale, and rstd of each
   row. */
typedef struct nrmi_lens {
    nrmi_a a0[NRMI_LENS], a1[NRMI_LENS], a2[NRMI_LENS];
} nrmi_lens;

/* Where the coefficients along the lane are; a missing gamma or beta is 16 values over and over. */
typedef struct nrmi_along {
    const unsigned char *g, *b;
    size_t g_step, b_step; /* bytes from one value to the next: 0 for a missing one */
    const nrmi_a *mh, *ml, *r;
    const nrmi_a *scale; /* double arithmetic, which needs no ml: what z is multiplied by */
} nrmi_along;

typedef struct nrmi_coefs {
    nrmi_v mh, ml, r, g, b, v, k, p, q, o;
} nrmi_coefs;

typedef struct nrmi_pair {
    nrmi_v a, b;
} nrmi_pair;

/* ---- D1 Coefficients ---------------------------------------------------------------------- */

/* Fills the coefficients of the lanes from doubles, by the formulas of A6; those that lie side by
   side up to whole vectors. */
static NRMI_NOINLINE void NRMI_FN(nrmi_prepare)(const nrmi_tile *t, int what, int gradient,
                                                int sums, nrmi_lanes *c)
{
    const int channel = what == NRMI_CHANNEL, plain = nrmi_is_plain(t, what, sums);
    const size_t lanes = t->column ? (t->lanes + 15) & ~(size_t)15 : t->lanes;
    nrmi_scale s;
    size_t i, group = 0, at = t->fold_at;
    if (what == NRMI_PARAM && plain) /* then these are dy and what belongs to the rows */
        return;
    for (i = 0; i < lanes; i++) {
        const int in = i < t->lanes, stat = in && what != NRMI_PARAM;
        const double mean = stat && t->mean ? t->mean[group] : 0;
        const double rstd = stat && t->rstd ? t->rstd[group] : 0, g = in && t->g ? t->g[i] : 0;
        const double scale = NRMI_DOUBLE && t->scale > 0 && what != NRMI_MOMENTS ? t->scale : 1;
        nrmi_factors f;
        if (++at == t->fold) {
            at = 0;
            group++;
        }
        c->mh[i] = (nrmi_a)(mean * scale);
        if (what == NRMI_MOMENTS)
            continue;
        f.r = rstd;
        f.g = g;
        c->ml[i] = (nrmi_a)(mean * scale - (double)c->mh[i]);
        if (!gradient || !plain) {
            if (channel && (!NRMI_DOUBLE || t->dtype == NRM_F64))
                f = nrmi_factors_of(rstd, g, NRMI_DOUBLE);
            c->r[i] = (nrmi_a)(f.r / scale);
            c->g[i] = (nrmi_a)f.g;
            c->b[i] = (nrmi_a)(in && t->b ? t->b[i] : 0);
        }
        if (!gradient)
            continue;
        s = nrmi_scale_of(rstd, NRMI_DOUBLE);
        c->v[i] = (nrmi_a)(channel && sums && !NRMI_DOUBLE ? s.v * NRMI_LIFT : s.v / scale);
        if (sums && channel)
            continue;
        c->k[i] = (nrmi_a)(t->frozen ? f.r : channel ? g * s.u : s.u);
        if (sums)
            continue;
        c->o[i] = (nrmi_a)(t->frozen ? f.g : s.o);
        c->p[i] = (nrmi_a)(in && t->p ? t->p[i] * s.u : 0);
        c->q[i] = (nrmi_a)(in && t->q ? t->q[i] * s.rho * s.u : 0);
    }
}

/* Whether the arithmetic can use the caller's gamma or beta as it is. */
static NRMI_INLINE int NRMI_FN(nrmi_param_serves)(int dtype, const unsigned char *from,
                                                  double offset)
{
    return !from || (sizeof(nrmi_a) == (dtype == NRM_F64 ? 8 : 4) && nrmi_bits(offset) == 0);
}

/* So many positions along the lane can be prepared at once: all, unless they have to be copied. */
static NRMI_INLINE size_t NRMI_FN(nrmi_reach)(const nrmi_tile *t, size_t all)
{
    const size_t lens = NRMI_LENS;
    return NRMI_FN(nrmi_param_serves)(t->dtype, t->gamma, t->offset) &&
                   NRMI_FN(nrmi_param_serves)(t->dtype, t->beta, 0)
               ? all
               : lens;
}

/* gamma or beta along the lane: the caller's own array, or a copy in `space`, with the offset
   added. */
static NRMI_INLINE const unsigned char *NRMI_FN(nrmi_param)(int dtype, const unsigned char *from,
                                                            double offset, nrmi_a missing,
                                                            size_t at, size_t count, nrmi_a *space)
{
    const size_t size = dtype == NRM_F64 ? 8 : 4;
    size_t i;
    if (!from) {
        nrmi_put(space, nrmi_set1(missing));
        return (const unsigned char *)space;
    }
    if (NRMI_FN(nrmi_param_serves)(dtype, from, offset))
        return from + at * size;
    for (i = 0; i < count; i += 16)
        nrmi_put(space + i,
                 nrmi_offset(dtype, from + (at + i) * size, nrmi_least(count - i, 16), offset));
    return (const unsigned char *)space;
}

/* The coefficients along the lane at positions from..from+count of plane p. */
static NRMI_NOINLINE nrmi_along NRMI_FN(nrmi_find_along)(const nrmi_tile *t, int what, size_t p,
                                                         size_t from, size_t count, nrmi_lens *e)
{
    nrmi_along found = {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL};
    size_t i;
    if (what == NRMI_INNER) {
        from += p * t->param_plane;
        found.g = NRMI_FN(nrmi_param)(t->dtype, t->gamma, t->offset, 1, from, count, e->a0);
        found.b = NRMI_FN(nrmi_param)(t->dtype, t->beta, 0, 0, from, count, e->a1);
        found.g_step = t->gamma ? sizeof(nrmi_a) : 0;
        found.b_step = t->beta ? sizeof(nrmi_a) : 0;
    }
    if (what != NRMI_PARAM)
        return found;
    for (i = 0; i < ((count + 15) & ~(size_t)15); i++) {
        const size_t at = p * t->stat_plane + (from + i) * t->stat_len;
        const double mean = i < count && t->len_mean ? nrmi_f64_at(t->len_mean, at) : 0;
        const double rstd = i < count ? nrmi_f64_at(t->len_rstd, at) : 0;
        /* only rows that need it: a denormal z of another would be lost, and with it RELU's sign */
        const double scale = NRMI_DOUBLE && t->scale > 0 && nrmi_large_f64(mean, rstd) ? t->scale
                                                                                      : 1;
        e->a0[i] = (nrmi_a)(mean * scale);
        e->a1[i] = NRMI_DOUBLE ? (nrmi_a)scale : (nrmi_a)(mean - (double)e->a0[i]);
        e->a2[i] = (nrmi_a)(rstd / scale);
    }
    found.mh = e->a0;
    found.ml = found.scale = e->a1;
    found.r = e->a2;
    return found;
}

/* A coefficient at i: loaded where its neighbours are in the vector, else broadcast. */
static NRMI_INLINE nrmi_v NRMI_FN(nrmi_pick)(const nrmi_a *a, size_t i, int along)
{
    return along ? nrmi_get(a + i) : nrmi_set1(a[i]);
}
static NRMI_INLINE nrmi_v NRMI_FN(nrmi_pick_param)(const unsigned char *a, size_t step, size_t i,
                                                   int along, size_t n)
{
    const unsigned char *at = a + i * step;
    nrmi_a one;
    if (along)
        return n == 16 ? nrmi_get(at) : nrmi_get_part(at, n);
    memcpy(&one, at, sizeof one);
    return nrmi_set1(one);
}

/* All that an element needs to know of its lane. */
static NRMI_INLINE void NRMI_FN(nrmi_of_lane)(const nrmi_lanes *c, int what, int column, size_t i,
                                              nrmi_coefs *l)
{
    l->mh = NRMI_FN(nrmi_pick)(c->mh, i, column);
    l->ml = NRMI_FN(nrmi_pick)(c->ml, i, column);
    l->r = NRMI_FN(nrmi_pick)(c->r, i, column);
    l->v = NRMI_FN(nrmi_pick)(c->v, i, column);
    l->k = NRMI_FN(nrmi_pick)(c->k, i, column);
    l->p = NRMI_FN(nrmi_pick)(c->p, i, column);
    l->q = NRMI_FN(nrmi_pick)(c->q, i, column);
    l->o = NRMI_FN(nrmi_pick)(c->o, i, column);
    if (what != NRMI_INNER) {
        l->g = NRMI_FN(nrmi_pick)(c->g, i, column);
        l->b = NRMI_FN(nrmi_pick)(c->b, i, column);
    } else {
        l->g = l->b = l->r; /* set by nrmi_of_len */
    }
}

/* What the gradient sums need of it: loading all, an array in some passes, takes longer than the
   sums. */
static NRMI_INLINE void NRMI_FN(nrmi_sums_of_lane)(const nrmi_tile *t, const nrmi_lanes *c,
                                                   int what, int column, size_t i, nrmi_coefs *l)
{
    if (what != NRMI_PARAM) { /* whose are along the lane */
        l->mh = NRMI_FN(nrmi_pick)(c->mh, i, column);
        l->ml = NRMI_FN(nrmi_pick)(c->ml, i, column);
        l->v = NRMI_FN(nrmi_pick)(c->v, i, column);
    }
    if (what == NRMI_INNER)
        l->k = NRMI_FN(nrmi_pick)(c->k, i, column);
    l->r = l->g = l->b = nrmi_set1(0);
    if (!t->relu)
        return;
    if (what != NRMI_PARAM)
        l->r = NRMI_FN(nrmi_pick)(c->r, i, column);
    if (what != NRMI_INNER) {
        l->g = NRMI_FN(nrmi_pick)(c->g, i, column);
        l->b = NRMI_FN(nrmi_pick)(c->b, i, column);
    }
}

/* Adds what belongs to position i along the lane; n values of it in a row tile. */
static NRMI_INLINE void NRMI_FN(nrmi_of_len)(nrmi_coefs *l, const nrmi_along *e, int what,
                                             int column, size_t i, size_t n)
{
    if (what == NRMI_INNER) {
        l->g = NRMI_FN(nrmi_pick_param)(e->g, e->g_step, i, !column, n);
        l->b = NRMI_FN(nrmi_pick_param)(e->b, e->b_step, i, !column, n);
    } else if (what == NRMI_PARAM) {
        l->mh = NRMI_FN(nrmi_pick)(e->mh, i, !column);
        l->ml = NRMI_DOUBLE ? nrmi_set1(0) : NRMI_FN(nrmi_pick)(e->ml, i, !column);
        l->r = l->v = NRMI_FN(nrmi_pick)(e->r, i, !column);
    }
}

/* ---- D2 Elements -------------------------------------------------------------------------- */

static NRMI_INLINE nrmi_v NRMI_FN(nrmi_read)(const nrmi_tile *t, const unsigned char *p, size_t at,
                                             size_t n)
{
    p = NRMI_AT(t, p, at);
    return n == 16 ? nrmi_load(t->dtype, p) : nrmi_load_part(t->dtype, p, n);
}
static NRMI_INLINE void NRMI_FN(nrmi_write)(const nrmi_tile *t, unsigned char *p, size_t at,
                                            nrmi_v x, size_t n)
{
    p = NRMI_AT(t, p, at);
    if (n == 16)
        nrmi_store(t->dtype, p, x);
    else
        nrmi_store_part(t->dtype, p, x, n);
}

/* y or dx; one that will not stay in the caches goes past them. */
static NRMI_INLINE void NRMI_FN(nrmi_write_out)(const nrmi_tile *t, size_t at, nrmi_v x, size_t n)
{
#if NRMI_UNROLL
    if (t->stream && n == 16) {
        nrmi_stream(t->dtype, NRMI_AT(t, t->out, at), x);
        return;
    }
#endif
    NRMI_FN(nrmi_write)(t, t->out, at, x, n);
}

/* z = x + residual, rounded as stored. */
static NRMI_INLINE nrmi_v NRMI_FN(nrmi_input)(const nrmi_tile *t, size_t at, size_t n)
{
    const nrmi_v x = NRMI_FN(nrmi_read)(t, t->x, at, n);
    if (!t->res)
        return x;
    return nrmi_stored(t->dtype, nrmi_add(x, NRMI_FN(nrmi_read)(t, t->res, at, n)));
}

/* z as the formulas take it: F64 near the ends of its range is scaled first. */
static NRMI_INLINE nrmi_v NRMI_FN(nrmi_scaled)(const nrmi_tile *t, nrmi_v z)
{
    return NRMI_DOUBLE && t->scale > 0 ? nrmi_mul(z, nrmi_set1((nrmi_a)t->scale)) : z;
}

/* dy where forward's y is above 0. In double arithmetic on other storage than double the sign is
   that of the y which forward computed, in float where that was its choice. */
#if NRMI_DOUBLE
static NRMI_NOINLINE nrmi_v NRMI_FN(nrmi_mask_narrow)(const nrmi_tile *t, int what, nrmi_v dy,
                                                      nrmi_v x, const nrmi_coefs *l)
{
    double a[6][16];
    int i;
    nrmi_put(a[0], dy);
    nrmi_put(a[1], x);
    nrmi_put(a[2], l->mh);
    nrmi_put(a[3], l->r);
    nrmi_put(a[4], l->g);
    nrmi_put(a[5], l->b);
    for (i = 0; i < 16; i++)
        if (!nrmi_positive_f32(nrmi_point(a[1][i], a[2][i], a[3][i], a[4][i], a[5][i],
                                          what != NRMI_CHANNEL, t->forced)))
            a[0][i] = 0;
    return nrmi_get(a[0]);
}
#endif
static NRMI_INLINE nrmi_v NRMI_FN(nrmi_mask)(const nrmi_tile *t, int what, nrmi_v dy, nrmi_v x,
                                             const nrmi_coefs *l)
{
    nrmi_v d;
    (void)t;
    (void)what;
#if NRMI_DOUBLE
    if (t->dtype != NRM_F64)
        return NRMI_FN(nrmi_mask_narrow)(t, what, dy, x, l);
#endif
    d = nrmi_sub(nrmi_sub(x, l->mh), l->ml);
    return nrmi_keep(dy, nrmi_add(nrmi_mul(nrmi_mul(d, l->r), l->g), l->b));
}

/* What the two sums add up: d and d*d of the pilot, or dy' (INNER: t) and dy' * xhat. Values
   missing at the end of a row count as +0. */
static NRMI_OFTEN nrmi_pair NRMI_FN(nrmi_terms)(const nrmi_tile *t, int what, int column,
                                                 const nrmi_lanes *c, const nrmi_along *e,
                                                 size_t lane, size_t i, size_t x_at, size_t y_at,
                                                 size_t n)
{
    nrmi_v x = NRMI_FN(nrmi_input)(t, x_at, n);
    nrmi_coefs l;
    nrmi_pair s;
    if (NRMI_DOUBLE && t->scale > 0)
        x = nrmi_mul(x, what == NRMI_PARAM ? NRMI_FN(nrmi_pick)(e->scale, i, !column)
                                           : nrmi_set1((nrmi_a)t->scale));
    if (what == NRMI_MOMENTS) {
        s.a = nrmi_sub(x, NRMI_FN(nrmi_pick)(c->mh, lane, column));
        if (!column && n < 16)
            s.a = nrmi_first(s.a, n);
        s.b = nrmi_mul(s.a, s.a);
        return s;
    }
    NRMI_FN(nrmi_sums_of_lane)(t, c, what, column, lane, &l);
    NRMI_FN(nrmi_of_len)(&l, e, what, column, i, n);
    s.a = NRMI_FN(nrmi_read)(t, t->dy, y_at, n);
    if (t->relu)
        s.a = NRMI_FN(nrmi_mask)(t, what, s.a, x, &l);
    if (what == NRMI_INNER)
        s.a = nrmi_mul(s.a, nrmi_mul(l.g, l.k));
    s.b = nrmi_mul(s.a, nrmi_mul(nrmi_sub(nrmi_sub(x, l.mh), l.ml), l.v));
    if (!column && n < 16) {
        s.a = nrmi_first(s.a, n);
        s.b = nrmi_first(s.b, n);
    }
    return s;
}

/* ---- D3 Sums ------------------------------------------------------------------------------ */

static NRMI_INLINE nrmi_pair NRMI_FN(nrmi_both)(nrmi_pair x, nrmi_pair y)
{
    x.a = nrmi_add(x.a, y.a);
    x.b = nrmi_add(x.b, y.b);
    return x;
}

/* The tree over the steps of one vector of lanes: `steps` terms, `apart` values of the lane apart,
   of n values each, the last one of `last`. */
static NRMI_OFTEN nrmi_pair NRMI_FN(nrmi_tree)(const nrmi_tile *t, int what, int column,
                                                const nrmi_lanes *c, const nrmi_along *e,
                                                size_t lane, size_t i, size_t x_at, size_t y_at,
                                                size_t apart, size_t steps, size_t n, size_t last)
{
    const size_t dx = column ? apart * t->x_step : 16, dy = column ? apart * t->y_step : 16;
#define NRMI_TERM_OF(j, values)                                                                  \
    NRMI_FN(nrmi_terms)                                                                          \
    (t, what, column, c, e, lane, i + apart * (j), x_at + dx * (j), y_at + dy * (j), values)
#if NRMI_UNROLL
#define NRMI_TERM(j) ((j) + 1 == steps ? end : NRMI_TERM_OF(j, n))
    const nrmi_pair end = NRMI_TERM_OF(steps - 1, last);
    nrmi_pair s = NRMI_TERM(0), u, w;
    if (steps > 1)
        s = NRMI_FN(nrmi_both)(s, NRMI_TERM(1));
    if (steps > 2) {
        u = NRMI_TERM(2);
        if (steps > 3)
            u = NRMI_FN(nrmi_both)(u, NRMI_TERM(3));
        s = NRMI_FN(nrmi_both)(s, u);
    }
    if (steps > 4) {
        u = NRMI_TERM(4);
        if (steps > 5)
            u = NRMI_FN(nrmi_both)(u, NRMI_TERM(5));
        if (steps > 6) {
            w = NRMI_TERM(6);
            if (steps > 7)
                w = NRMI_FN(nrmi_both)(w, NRMI_TERM(7));
            u = NRMI_FN(nrmi_both)(u, w);
        }
        s = NRMI_FN(nrmi_both)(s, u);
    }
    return s;
#undef NRMI_TERM
#else
    nrmi_pair s[8];
    size_t k, left;
    for (k = 0; k < steps; k++)
        s[k] = NRMI_TERM_OF(k, k + 1 == steps ? last : n);
    for (left = steps; left > 1; left = (left + 1) / 2) { /* an odd one out moves up as it is */
        for (k = 0; k < left / 2; k++)
            s[k] = NRMI_FN(nrmi_both)(s[2 * k], s[2 * k + 1]);
        if (left & 1)
            s[left / 2] = s[left - 1];
    }
    return s[0];
#endif
#undef NRMI_TERM_OF
}

/* The same for n values, in a row tile fewer in the last step. In a plain tile a whole block has
   text of its own, without questions. */
static NRMI_INLINE nrmi_pair NRMI_FN(nrmi_steps)(const nrmi_tile *t, int what, int column,
                                                 const nrmi_lanes *c, const nrmi_along *e,
                                                 size_t lane, size_t i, size_t x_at, size_t y_at,
                                                 size_t apart, size_t steps, size_t n, size_t last)
{
#if NRMI_UNROLL
    if (t->plain && n == 16 && last == 16 && steps == 8)
        return NRMI_FN(nrmi_tree)(t, what, column, c, e, lane, i, x_at, y_at, apart, 8, 16, 16);
#endif
    return NRMI_FN(nrmi_tree)(t, what, column, c, e, lane, i, x_at, y_at, apart, steps, n, last);
}

/* The neighbour trees of 16 vectors at once: total i of the result is that of s[i]. Written out
   where speed is asked: in a loop over the array each level waits for the stores of the last. */
static NRMI_INLINE nrmi_v NRMI_FN(nrmi_totals)(nrmi_v *s)
{
#if NRMI_UNROLL
    return nrmi_pairs(
        nrmi_pairs(nrmi_pairs(nrmi_pairs(s[0], s[1]), nrmi_pairs(s[2], s[3])),
                   nrmi_pairs(nrmi_pairs(s[4], s[5]), nrmi_pairs(s[6], s[7]))),
        nrmi_pairs(nrmi_pairs(nrmi_pairs(s[8], s[9]), nrmi_pairs(s[10], s[11])),
                   nrmi_pairs(nrmi_pairs(s[12], s[13]), nrmi_pairs(s[14], s[15]))));
#else
    size_t left, k;
    for (left = 8; left > 0; left /= 2)
        for (k = 0; k < left; k++)
            s[k] = nrmi_pairs(s[2 * k], s[2 * k + 1]);
    return s[0];
#endif
}

/* Row tile: adds the blocks of positions from..from+count (within one run) of plane p to the runs
   of all lanes. Eight blocks share their neighbour trees: of one lane, or of several short ones. */
static NRMI_OFTEN void NRMI_FN(nrmi_row_blocks)(const nrmi_tile *t, int what, const nrmi_lanes *c,
                                                 const nrmi_along *e, size_t p, size_t from,
                                                 size_t count, double *first, double *second)
{
    const size_t block = NRMI_BLOCK, blocks = (count + block - 1) / block, at_once = 8 / blocks;
    size_t lane, who, i, k;
    for (lane = 0; lane < t->lanes; lane += at_once) {
        const size_t end = lane + nrmi_least(t->lanes - lane, at_once);
        nrmi_v s[16];
        nrmi_a total[16];
        for (k = 0, who = lane; who < end; who++)
            for (i = 0; i < count; i += block, k++) {
                const size_t here = nrmi_least(count - i, block), steps = (here + 15) / 16;
                const size_t x_at = p * t->x_plane + who * t->x_step + from + i;
                const size_t y_at = p * t->y_plane + who * t->y_step + from + i;
                const nrmi_pair b = NRMI_FN(nrmi_steps)(t, what, 0, c, e, who, i, x_at, y_at, 16,
                                                        steps, 16, here - 16 * (steps - 1));
                s[k] = b.a;
                s[8 + k] = b.b;
            }
        for (; k < 8; k++) /* unused: anything will do */
            s[k] = s[8 + k] = nrmi_set1(0);
        nrmi_put(total, NRMI_FN(nrmi_totals)(s));
        for (k = 0, who = lane; who < end; who++) {
            double run_a = first[who], run_b = second[who];
            for (i = 0; i < blocks; i++, k++) {
                run_a += (double)total[k];
                run_b += (double)total[8 + k];
            }
            first[who] = run_a;
            second[who] = run_b;
        }
    }
}

/* Asks for `steps` vectors of a column, 16 lines apart, for the second-level cache: in the first,
   lines a multiple of 4096 bytes apart would push one another out. */
static NRMI_INLINE void NRMI_FN(nrmi_fetch)(const nrmi_tile *t, int what, size_t x_at, size_t y_at,
                                            size_t steps)
{
    size_t j;
    for (j = 0; j < steps; j++) {
        NRMI_PREFETCH(NRMI_AT(t, t->x, x_at + 16 * j * t->x_step));
        if (what != NRMI_MOMENTS)
            NRMI_PREFETCH(NRMI_AT(t, t->dy, y_at + 16 * j * t->y_step));
    }
}

/* Column tile: the same for one block of `rows` lines. The 16 lanes of a block are 16 phases of its
   lines; their tree is a binary counter, level k holding the sum of 2^k phases; that of all 16
   needs no place. Up to 8 lines are phases of one step each, whose tree is that of 8 steps. */
static NRMI_OFTEN void NRMI_FN(nrmi_column_block)(const nrmi_tile *t, int what,
                                                   const nrmi_lanes *c, const nrmi_along *e,
                                                   size_t p, size_t from, size_t rows,
                                                   double *first, double *second)
{
    nrmi_a level[4][2][NRMI_WIDTH];
    const int few = rows <= 8;
    const size_t phases = few ? 1 : nrmi_least(rows, 16);
    const size_t x_from = p * t->x_plane + from * t->x_step;
    const size_t y_from = p * t->y_plane + from * t->y_step;
    nrmi_pair s, w;
    size_t lane, i, k;
    for (i = 0; i < phases; i++) {
        const size_t steps = few ? rows : (rows - i + 15) / 16;
        const size_t next = i < 15 ? 1 : 113; /* line: of the next phase, or of the next block */
        for (lane = 0; lane < t->lanes; lane += 16) {
            const size_t n = nrmi_least(t->lanes - lane, 16);
            const size_t x_at = x_from + i * t->x_step + lane, y_at = y_from + i * t->y_step + lane;
            if (t->far_ && !few)
                NRMI_FN(nrmi_fetch)(t, what, x_at + next * t->x_step, y_at + next * t->y_step,
                                    steps);
            s = NRMI_FN(nrmi_steps)(t, what, 1, c, e, lane, i, x_at, y_at, few ? 1 : 16, steps, n,
                                    n);
            for (k = 0; i >> k & 1; k++) {
                w.a = nrmi_get(level[k][0] + lane);
                w.b = nrmi_get(level[k][1] + lane);
                s = NRMI_FN(nrmi_both)(w, s);
            }
            if (k == 4) {
                nrmi_tally(first + lane, s.a);
                nrmi_tally(second + lane, s.b);
            } else {
                nrmi_put(level[k][0] + lane, s.a);
                nrmi_put(level[k][1] + lane, s.b);
            }
        }
    }
    for (lane = 0; phases < 16 && lane < t->lanes; lane += 16) {
        for (k = 0; !(phases >> k & 1); k++) {
        }
        s.a = nrmi_get(level[k][0] + lane);
        s.b = nrmi_get(level[k][1] + lane);
        for (k++; k < 4; k++)
            if (phases >> k & 1) {
                w.a = nrmi_get(level[k][0] + lane);
                w.b = nrmi_get(level[k][1] + lane);
                s = NRMI_FN(nrmi_both)(w, s);
            }
        nrmi_tally(first + lane, s.a);
        nrmi_tally(second + lane, s.b);
    }
}

/* into += from, from = 0: a run into its plane, a plane into its list. lost: F64's. */
static NRMI_INLINE void NRMI_FN(nrmi_settle)(double *into, double *from, double *lost, size_t lanes)
{
    size_t i, k;
    for (i = 0; lost && i < lanes; i++) {
        nrmi_add_two(&into[i], &lost[i], from[i]);
        from[i] = 0;
    }
    for (; i + 16 <= lanes; i += 16) {
        NRMI_OP64(nrmi_tally)(into + i, NRMI_OP64(nrmi_get)(from + i));
        NRMI_OP64(nrmi_put)(from + i, NRMI_OP64(nrmi_set1)(0));
    }
    for (k = i; k < lanes; k++) {
        into[k] += from[k];
        from[k] = 0;
    }
}

/* Adds all blocks of plane p, run by run; of one run, which is then the plane's total: 0 + run. */
static NRMI_INLINE void NRMI_FN(nrmi_plane)(const nrmi_tile *given, const nrmi_tile *t, int what,
                                            int column, const nrmi_lanes *c, nrmi_lens *space,
                                            size_t p, double (*run)[NRMI_WIDTH],
                                            double (*plane)[NRMI_WIDTH], double *const *lost)
{
    const size_t lens = NRMI_LENS, run_ = NRMI_RUN, block = NRMI_BLOCK;
    const size_t piece = column               ? block
                         : what == NRMI_PARAM ? lens
                         : what == NRMI_INNER ? NRMI_FN(nrmi_reach)(given, run_)
                                              : run_;
    nrmi_along e = {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL};
    size_t from, at;
    for (from = 0; from < t->len; from += NRMI_RUN) {
        const size_t end = from + nrmi_least(t->len - from, NRMI_RUN);
        for (at = from; at < end; at += piece) {
            const size_t count = nrmi_least(end - at, piece);
            if (what >= NRMI_INNER)
                e = NRMI_FN(nrmi_find_along)(given, what, p, at, count, space);
            if (column)
                NRMI_FN(nrmi_column_block)(t, what, c, &e, p, at, count, run[0], run[1]);
            else
                NRMI_FN(nrmi_row_blocks)(t, what, c, &e, p, at, count, run[0], run[1]);
        }
        if (t->len > NRMI_RUN) {
            NRMI_FN(nrmi_settle)(plane[0], run[0], lost[0], t->lanes);
            NRMI_FN(nrmi_settle)(plane[1], run[1], lost[1], t->lanes);
        }
    }
    if (lost[0] && t->len > NRMI_RUN) {
        nrmi_make_up(plane[0], lost[0], t->lanes);
        nrmi_make_up(plane[1], lost[1], t->lanes);
    }
}

/* The list of every lane of the tile; or, parked, each of its planes. */
static NRMI_INLINE void NRMI_FN(nrmi_list)(const nrmi_tile *given, int what, int column, int plain,
                                           double *first, double *second)
{
    const nrmi_tile tile = nrmi_tile_of(given, plain), *const t = &tile;
    double run[2][NRMI_WIDTH], plane[2][NRMI_WIDTH];
    nrmi_lanes c;
    nrmi_lens space;
    size_t i, p;
    const int one = t->len <= NRMI_RUN;
    double *lost[4] = {NULL, NULL, NULL, NULL}; /* F64: of planes, of the list */
#if NRMI_DOUBLE
    double space_lost[4][NRMI_WIDTH];
    for (p = 0; t->dtype == NRM_F64 && p < 4; p++) {
        lost[p] = space_lost[p];
        for (i = 0; i < t->lanes; i++)
            lost[p][i] = 0;
    }
#endif
    for (i = 0; i < ((t->lanes + 15) & ~(size_t)15); i++)
        run[0][i] = run[1][i] = plane[0][i] = plane[1][i] = 0;
    NRMI_FN(nrmi_prepare)(given, what, what != NRMI_MOMENTS, 1, &c);
    for (p = 0; p < t->planes; p++) {
        first += p ? t->park : 0;
        second += p ? t->park : 0;
        for (i = 0; (!p || t->park) && i < t->lanes; i++)
            first[i] = second[i] = 0;
        NRMI_FN(nrmi_plane)(given, t, what, column, &c, &space, p, run, plane, lost);
        NRMI_FN(nrmi_settle)(first, one ? run[0] : plane[0], lost[2], t->lanes);
        NRMI_FN(nrmi_settle)(second, one ? run[1] : plane[1], lost[3], t->lanes);
    }
    if (lost[2]) {
        nrmi_make_up(first, lost[2], t->lanes);
        nrmi_make_up(second, lost[3], t->lanes);
    }
}

/* A pass with loops has one instance; the others have one for each kind of sum and tile, and of
   each a plain one. */
#if NRMI_UNROLL
#define NRMI_VARIANT(name, what, column, plain)                                                \
    static NRMI_NOINLINE void NRMI_FN(name)(const nrmi_tile *t, double *first, double *second) \
    {                                                                                          \
        NRMI_FN(nrmi_list)(t, what, column, plain, first, second);                             \
    }
NRMI_VARIANT(nrmi_row_moments, NRMI_MOMENTS, 0, 0)
NRMI_VARIANT(nrmi_row_channel, NRMI_CHANNEL, 0, 0)
NRMI_VARIANT(nrmi_row_inner, NRMI_INNER, 0, 0)
NRMI_VARIANT(nrmi_row_param, NRMI_PARAM, 0, 0)
NRMI_VARIANT(nrmi_column_moments, NRMI_MOMENTS, 1, 0)
NRMI_VARIANT(nrmi_column_channel, NRMI_CHANNEL, 1, 0)
NRMI_VARIANT(nrmi_column_inner, NRMI_INNER, 1, 0)
NRMI_VARIANT(nrmi_column_param, NRMI_PARAM, 1, 0)
NRMI_VARIANT(nrmi_plain_row_moments, NRMI_MOMENTS, 0, 1)
NRMI_VARIANT(nrmi_plain_row_channel, NRMI_CHANNEL, 0, 1)
NRMI_VARIANT(nrmi_plain_row_inner, NRMI_INNER, 0, 1)
NRMI_VARIANT(nrmi_plain_row_param, NRMI_PARAM, 0, 1)
NRMI_VARIANT(nrmi_plain_column_moments, NRMI_MOMENTS, 1, 1)
NRMI_VARIANT(nrmi_plain_column_channel, NRMI_CHANNEL, 1, 1)
NRMI_VARIANT(nrmi_plain_column_inner, NRMI_INNER, 1, 1)
NRMI_VARIANT(nrmi_plain_column_param, NRMI_PARAM, 1, 1)
#undef NRMI_VARIANT
#endif

static void NRMI_FN(nrmi_reduce)(const nrmi_tile *t, int what, double *first, double *second)
{
#if NRMI_UNROLL
    typedef void variant(const nrmi_tile *, double *, double *);
    static variant *const row[2][4] = {
        {NRMI_FN(nrmi_row_moments), NRMI_FN(nrmi_row_channel), NRMI_FN(nrmi_row_inner),
         NRMI_FN(nrmi_row_param)},
        {NRMI_FN(nrmi_plain_row_moments), NRMI_FN(nrmi_plain_row_channel),
         NRMI_FN(nrmi_plain_row_inner), NRMI_FN(nrmi_plain_row_param)}};
    static variant *const column[2][4] = {
        {NRMI_FN(nrmi_column_moments), NRMI_FN(nrmi_column_channel), NRMI_FN(nrmi_column_inner),
         NRMI_FN(nrmi_column_param)},
        {NRMI_FN(nrmi_plain_column_moments), NRMI_FN(nrmi_plain_column_channel),
         NRMI_FN(nrmi_plain_column_inner), NRMI_FN(nrmi_plain_column_param)}};
    (t->column ? column : row)[nrmi_is_plain(t, what, 1)][what](t, first, second);
#else
    NRMI_FN(nrmi_list)(t, what, t->column, 0, first, second);
#endif
}

/* The places of lanes from..from+n of a row tile, side by side in `to`. */
static NRMI_INLINE void NRMI_FN(nrmi_sample)(const nrmi_tile *t, const unsigned char *from,
                                             const size_t *at, size_t lane, size_t n,
                                             unsigned char (*to)[32 * sizeof(nrmi_a)])
{
    size_t i;
    for (i = 0; i < n; i++) {
        const unsigned char *x = NRMI_AT(t, from, (lane + i) * t->x_step);
#define NRMI_M(k) NRMI_COPY_ONE(t, NRMI_AT(t, to[i], k), NRMI_AT(t, x, at[k]));
#if NRMI_UNROLL
        NRMI_UPWARD(NRMI_M)
#else
        size_t k;
        for (k = 0; k < 32; k++)
            NRMI_M(nrmi_upward[k])
#endif
#undef NRMI_M
    }
}

/* The pilots of at most NRMI_PILOTS lanes of a row tile. All values are copied first: loading a
   vector while its parts are being stored takes long. */
static NRMI_OFTEN nrmi_v NRMI_FN(nrmi_row_pilots)(const nrmi_tile *t, const size_t *at, size_t lane,
                                                   size_t n)
{
    const nrmi_v down = nrmi_set1((nrmi_a)0.03125);
    unsigned char x[NRMI_PILOTS][32 * sizeof(nrmi_a)], res[NRMI_PILOTS][32 * sizeof(nrmi_a)];
    nrmi_v s[16], half[2];
    size_t i, k;
    NRMI_FN(nrmi_sample)(t, t->x, at, lane, n, x);
    if (t->res)
        NRMI_FN(nrmi_sample)(t, t->res, at, lane, n, res);
    for (i = 0; i < n; i++) {
        for (k = 0; k < 2; k++) {
            half[k] = NRMI_FN(nrmi_read)(t, x[i], 16 * k, 16);
            if (t->res)
                half[k] = nrmi_stored(
                    t->dtype, nrmi_add(half[k], NRMI_FN(nrmi_read)(t, res[i], 16 * k, 16)));
            half[k] = nrmi_mul(half[k], down);
        }
        s[i] = nrmi_pairs(half[0], half[1]);
    }
    for (; i < 16; i++)
        s[i] = down; /* unused */
    return NRMI_FN(nrmi_totals)(s);
}

/* A6, "Pilot": the neighbour tree of 32 values, each scaled by 2^-5 first. `at` holds their places
   relative to the first of a lane; NULL asks for the first value of each. */
static void NRMI_FN(nrmi_pilot)(const nrmi_tile *t, const size_t *at, double *k)
{
    const nrmi_v down = nrmi_set1((nrmi_a)0.03125), zero = nrmi_set1(0);
    const double scale = t->scale > 0 ? t->scale : 1;
    nrmi_v s[32];
    nrmi_a row[16];
    size_t lane, i, width;
    for (lane = 0; !at && lane < t->lanes; lane++)
        k[lane] = nrmi_z(t->dtype, t->x, t->res, lane * (t->column ? 1 : t->x_step)) * scale;
    if (!at)
        return;
    for (lane = 0; t->column && lane < t->lanes; lane += 16) {
        const size_t n = nrmi_least(t->lanes - lane, 16);
        for (i = 0; i < 32; i++)
            s[nrmi_upward[i]] =
                nrmi_mul(NRMI_FN(nrmi_input)(t, at[nrmi_upward[i]] + lane, n), down);
        for (width = 16; width > 0; width /= 2)
            for (i = 0; i < width; i++)
                s[i] = nrmi_add(s[2 * i], s[2 * i + 1]);
        nrmi_put(row, nrmi_add(s[0], zero)); /* never -0 */
        for (i = 0; i < n; i++)
            k[lane + i] = (double)row[i];
    }
    for (; lane < t->lanes; lane += NRMI_PILOTS) {
        const size_t n = nrmi_least(t->lanes - lane, NRMI_PILOTS);
        nrmi_put(row, nrmi_add(NRMI_FN(nrmi_row_pilots)(t, at, lane, n), zero));
        for (i = 0; i < n; i++)
            k[lane + i] = (double)row[i];
    }
}

/* ---- D4 Apply and gradient ------------------------------------------------------------------ */

/* A6: y = ((x - mean) * r) * g + b, the mean in two parts. */
static NRMI_INLINE void NRMI_FN(nrmi_apply_one)(const nrmi_tile *t, const nrmi_coefs *l,
                                                size_t x_at, size_t y_at, size_t n)
{
    const nrmi_v z = NRMI_FN(nrmi_input)(t, x_at, n);
    const nrmi_v d = nrmi_sub(nrmi_sub(NRMI_FN(nrmi_scaled)(t, z), l->mh), l->ml);
    nrmi_v y = nrmi_add(nrmi_mul(nrmi_mul(d, l->r), l->g), l->b);
    if (t->relu)
        y = nrmi_relu(y);
    if (t->sum)
        NRMI_FN(nrmi_write)(t, t->sum, x_at, z, n);
    NRMI_FN(nrmi_write_out)(t, y_at, y, n);
}

#if !NRMI_DOUBLE
/* A dx that is not finite in float is computed again in double from the same coefficients, dsum
   included: dy * gamma can overflow where dx does not. */
static NRMI_NOINLINE nrmi_v NRMI_FN(nrmi_again)(nrmi_v dx, nrmi_v dy, nrmi_v d, nrmi_v dsum,
                                                const nrmi_coefs *l)
{
    nrmi_a a[8][16], out[16], float_out[16];
    int i;
    NRMI_TRACE(NRMI_TRACE_AGAIN);
    nrmi_put(out, dx);
    nrmi_put(float_out, nrmi_add(dx, dsum));
    nrmi_put(a[0], dy);
    nrmi_put(a[1], d);
    nrmi_put(a[2], dsum);
    nrmi_put(a[3], l->k);
    nrmi_put(a[4], l->v);
    nrmi_put(a[5], l->p);
    nrmi_put(a[6], l->q);
    nrmi_put(a[7], l->o);
    for (i = 0; i < 16; i++) {
        const double t = nrmi_product((double)a[0][i], (double)a[3][i]);
        const double xhat = (double)a[1][i] * (double)a[4][i];
        const double rest = (t - (double)a[5][i]) - nrmi_product(xhat, (double)a[6][i]);
        const double o = nrmi_product((double)a[7][i], rest);
        out[i] = nrmi_finite((double)out[i]) ? float_out[i] : (nrmi_a)(o + (double)a[2][i]);
    }
    return nrmi_get(out);
}
#endif

/* A6: dx = ((dy' * k - p) - xhat * q) * o + dsum. Frozen statistics: dx = (dy' * k) * o + dsum, and
   x is read for the mask alone. */
static NRMI_INLINE void NRMI_FN(nrmi_gradient_one)(const nrmi_tile *t, int what,
                                                   const nrmi_coefs *l, size_t x_at, size_t y_at,
                                                   size_t n)
{
    const nrmi_v k = what == NRMI_INNER ? nrmi_mul(l->g, l->k) : l->k;
    const nrmi_v zero = nrmi_set1(0);
    nrmi_v w = NRMI_FN(nrmi_read)(t, t->dy, y_at, n), x, d = zero, dx, out;
    nrmi_v s = nrmi_set1((nrmi_a)-0.0); /* changes nothing when added, not even -0 */
    if (!t->frozen || t->relu) {
        x = NRMI_FN(nrmi_scaled)(t, NRMI_FN(nrmi_input)(t, x_at, n));
        if (t->relu)
            w = NRMI_FN(nrmi_mask)(t, what, w, x, l);
        d = nrmi_sub(nrmi_sub(x, l->mh), l->ml);
    }
    dx = nrmi_mul(w, k);
    if (t->frozen)
        d = zero;
    else
        dx = nrmi_sub(nrmi_sub(dx, l->p), nrmi_mul(nrmi_mul(d, l->v), l->q));
    dx = nrmi_mul(dx, l->o);
    if (t->dsum)
        s = NRMI_FN(nrmi_read)(t, t->dsum, x_at, n);
    out = t->dsum ? nrmi_add(dx, s) : dx;
#if !NRMI_DOUBLE
    if (!nrmi_within(dx, 3.402823466e38f)) {
        nrmi_coefs copy = *l; /* or gcc 12 keeps all of them in memory all the time */
        copy.k = k;
        out = NRMI_FN(nrmi_again)(dx, w, d, s, &copy);
    }
#endif
    NRMI_FN(nrmi_write_out)(t, x_at, out, n);
}

static NRMI_OFTEN void NRMI_FN(nrmi_map_one)(const nrmi_tile *t, int gradient, int what,
                                             int column, nrmi_coefs *l, const nrmi_along *e,
                                             size_t i, size_t x_at, size_t y_at, size_t n)
{
    NRMI_FN(nrmi_of_len)(l, e, what, column, i, n);
    if (gradient)
        NRMI_FN(nrmi_gradient_one)(t, what, l, x_at, y_at, n);
    else
        NRMI_FN(nrmi_apply_one)(t, l, x_at, y_at, n);
}

/* `count` values of one lane of a row tile. What does not fit the caches is asked for ahead: where
   the row is stored to (layer norm of 512 x 4096 took 0.88 of its time so, Zen 4) and, with
   `ahead`, the rows that are next (4096 x 768: 0.84 of that). */
static NRMI_INLINE void NRMI_FN(nrmi_map_row)(const nrmi_tile *t, int gradient, int what, int ahead,
                                              nrmi_coefs *l, const nrmi_along *e, size_t count,
                                              size_t x_at, size_t y_at)
{
    const int fetch = t->far_ && !t->stream;
    size_t i;
    for (i = 0; i + 16 <= count; i += 16) {
        if (ahead)
            NRMI_PREFETCH(NRMI_AT(t, t->x, x_at + i + t->ahead));
        if (fetch)
            NRMI_PREFETCH_STORE(NRMI_AT(t, t->out, (gradient ? x_at : y_at) + i + NRMI_AHEAD));
        NRMI_FN(nrmi_map_one)(t, gradient, what, 0, l, e, i, x_at + i, y_at + i, 16);
    }
    if (i < count)
        NRMI_FN(nrmi_map_one)
        (t, gradient, what, 0, l, e, i, x_at + i, y_at + i, count - i);
}

/* Asks for the next `rows` lines of a column that dx is to be computed from and stored to. Where a
   tile is not as wide as the lines, the processor does not see what follows: batch norm backward of
   32x256x14x14 took 0.84 to 0.88 of its time so (Zen 4); forward gained nothing. */
static NRMI_INLINE void NRMI_FN(nrmi_fetch_down)(const nrmi_tile *t, size_t x_at, size_t y_at,
                                                 size_t rows)
{
    size_t i;
    for (i = NRMI_DOWN; i < NRMI_DOWN + rows; i++) {
        NRMI_PREFETCH(NRMI_AT(t, t->x, x_at + i * t->x_step));
        NRMI_PREFETCH(NRMI_AT(t, t->dy, y_at + i * t->y_step));
        NRMI_PREFETCH_STORE(NRMI_AT(t, t->out, x_at + i * t->x_step));
    }
}

/* Walks a tile. In a row tile the lane's coefficients are broadcast once and a line is walked; in a
   column tile they are loaded once for NRMI_ROWS lines. */
static NRMI_INLINE void NRMI_FN(nrmi_map)(const nrmi_tile *given, int gradient, int what,
                                          int column, int plain)
{
    const nrmi_tile tile = nrmi_tile_of(given, plain), *const t = &tile;
    const size_t rows = NRMI_ROWS, run = NRMI_RUN, whole = gradient ? t->len : run;
    const int down = column && t->far_ > 1 && !t->stream && t->x_step > t->lanes;
    const size_t piece = column               ? rows
                         : what == NRMI_INNER ? NRMI_FN(nrmi_reach)(given, whole)
                                              : t->len;
    nrmi_lanes c;
    nrmi_lens space;
    nrmi_along e = {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL};
    size_t p, from, lane, i;
    NRMI_FN(nrmi_prepare)(given, what, gradient, 0, &c);
    for (p = 0; p < t->planes; p++)
        for (from = 0; from < t->len; from += piece) {
            const size_t count = nrmi_least(t->len - from, piece);
            if (what == NRMI_INNER)
                e = NRMI_FN(nrmi_find_along)(given, what, p, from, count, &space);
            for (lane = 0; lane < t->lanes; lane += column ? 16 : 1) {
                nrmi_coefs l;
                size_t x_at =
                    p * t->x_plane + (column ? from * t->x_step + lane : lane * t->x_step + from);
                size_t y_at =
                    p * t->y_plane + (column ? from * t->y_step + lane : lane * t->y_step + from);
                const size_t n = column ? nrmi_least(t->lanes - lane, 16) : 16;
                NRMI_FN(nrmi_of_lane)(&c, what, column, lane, &l);
                if (gradient && down)
                    NRMI_FN(nrmi_fetch_down)(t, x_at, y_at, count);
                if (column && n == 16)
                    for (i = 0; i < count; i++, x_at += t->x_step, y_at += t->y_step)
                        NRMI_FN(nrmi_map_one)(t, gradient, what, column, &l, &e, i, x_at, y_at, 16);
                else if (column)
                    for (i = 0; i < count; i++, x_at += t->x_step, y_at += t->y_step)
                        NRMI_FN(nrmi_map_one)(t, gradient, what, column, &l, &e, i, x_at, y_at, n);
                else if (!gradient && t->ahead)
                    NRMI_FN(nrmi_map_row)(t, gradient, what, 1, &l, &e, count, x_at, y_at);
                else
                    NRMI_FN(nrmi_map_row)(t, gradient, what, 0, &l, &e, count, x_at, y_at);
            }
        }
}

#if NRMI_UNROLL
#define NRMI_VARIANT(name, gradient, what, column, plain)       \
    static NRMI_NOINLINE void NRMI_FN(name)(const nrmi_tile *t) \
    {                                                           \
        NRMI_FN(nrmi_map)(t, gradient, what, column, plain);    \
    }
NRMI_VARIANT(nrmi_y_row_channel, 0, NRMI_CHANNEL, 0, 0)
NRMI_VARIANT(nrmi_y_row_inner, 0, NRMI_INNER, 0, 0)
NRMI_VARIANT(nrmi_y_column_channel, 0, NRMI_CHANNEL, 1, 0)
NRMI_VARIANT(nrmi_y_column_inner, 0, NRMI_INNER, 1, 0)
NRMI_VARIANT(nrmi_dx_row_channel, 1, NRMI_CHANNEL, 0, 0)
NRMI_VARIANT(nrmi_dx_row_inner, 1, NRMI_INNER, 0, 0)
NRMI_VARIANT(nrmi_dx_column_channel, 1, NRMI_CHANNEL, 1, 0)
NRMI_VARIANT(nrmi_dx_column_inner, 1, NRMI_INNER, 1, 0)
NRMI_VARIANT(nrmi_plain_y_row_channel, 0, NRMI_CHANNEL, 0, 1)
NRMI_VARIANT(nrmi_plain_y_row_inner, 0, NRMI_INNER, 0, 1)
NRMI_VARIANT(nrmi_plain_y_column_channel, 0, NRMI_CHANNEL, 1, 1)
NRMI_VARIANT(nrmi_plain_y_column_inner, 0, NRMI_INNER, 1, 1)
NRMI_VARIANT(nrmi_plain_dx_row_channel, 1, NRMI_CHANNEL, 0, 1)
NRMI_VARIANT(nrmi_plain_dx_row_inner, 1, NRMI_INNER, 0, 1)
NRMI_VARIANT(nrmi_plain_dx_column_channel, 1, NRMI_CHANNEL, 1, 1)
NRMI_VARIANT(nrmi_plain_dx_column_inner, 1, NRMI_INNER, 1, 1)
#undef NRMI_VARIANT
#endif

static void NRMI_FN(nrmi_apply)(const nrmi_tile *t, int gradient, int what)
{
#if NRMI_UNROLL
    typedef void variant(const nrmi_tile *);
    static variant *const row[2][2][2] = {
        {{NRMI_FN(nrmi_y_row_channel), NRMI_FN(nrmi_y_row_inner)},
         {NRMI_FN(nrmi_dx_row_channel), NRMI_FN(nrmi_dx_row_inner)}},
        {{NRMI_FN(nrmi_plain_y_row_channel), NRMI_FN(nrmi_plain_y_row_inner)},
         {NRMI_FN(nrmi_plain_dx_row_channel), NRMI_FN(nrmi_plain_dx_row_inner)}}};
    static variant *const column[2][2][2] = {
        {{NRMI_FN(nrmi_y_column_channel), NRMI_FN(nrmi_y_column_inner)},
         {NRMI_FN(nrmi_dx_column_channel), NRMI_FN(nrmi_dx_column_inner)}},
        {{NRMI_FN(nrmi_plain_y_column_channel), NRMI_FN(nrmi_plain_y_column_inner)},
         {NRMI_FN(nrmi_plain_dx_column_channel), NRMI_FN(nrmi_plain_dx_column_inner)}}};
    (t->column ? column : row)[nrmi_is_plain(t, what, 0)][gradient][what == NRMI_INNER](t);
#else
    NRMI_FN(nrmi_map)(t, gradient, what, t->column, 0);
#endif
}

#if !NRMI_DOUBLE
static int NRMI_FN(nrmi_all_within)(const unsigned char *values, size_t count, double limit)
{
    size_t i;
    int ok = 1;
    for (i = 0; ok && i + 16 <= count; i += 16)
        ok = nrmi_within(nrmi_get(values + i * 4), (float)limit);
    if (ok && i < count)
        ok = nrmi_within(nrmi_get_part(values + i * 4, count - i), (float)limit);
    return ok;
}
#endif

#undef nrmi_v
#undef nrmi_a
#undef nrmi_pair
#undef nrmi_lanes
#undef nrmi_lens
#undef nrmi_coefs
#undef nrmi_along
#undef NRMI_OP
#undef NRMI_OP64
#undef NRMI_FN
#undef nrmi_set1
#undef nrmi_get
#undef nrmi_get_part
#undef nrmi_put
#undef nrmi_add
#undef nrmi_sub
#undef nrmi_mul
#undef nrmi_relu
#undef nrmi_keep
#undef nrmi_first
#undef nrmi_pairs
#undef nrmi_within
#undef nrmi_tally
#undef nrmi_load
#undef nrmi_load_part
#undef nrmi_store
#undef nrmi_store_part
#undef nrmi_stored
#undef nrmi_stream
#undef nrmi_offset
#undef NRMI_AT
#undef NRMI_COPY_ONE
#undef NRMI_WIDTH
#undef NRMI_UNROLL
#undef NRMI_PILOTS
#undef NRMI_DOUBLE
#undef NRMI_OFTEN

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
