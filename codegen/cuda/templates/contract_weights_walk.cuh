/* contract_weights_walk.cuh: the kernel of the templates for gradients of weights: which pixels, taps and channels a block has, and what
 * becomes of its sums. Included by them, so it has no guard. They give FN(sum)(args, place, shared, acc), after which shared memory is free;
 * FN(own_row), FN(own_column): which j and o a thread has. Shared memory: BLOCK_M * (BLOCK_N + 1) floats. In, as macros:
 *   KERNEL_NAME
 *   OUT_N .. OUT_C           the weight's space O, KH, KW, I
 *   A_N .. A_C, A_SAMPLES    A space; B_N .. B_C: the output gradient's
 *   GROUPS, STRIDE, PAD, DILATION
 *   CONTRACT_A, CONTRACT_B   float (args, n, h, w, c): A and B, their prologues included
 *   SPLITS                   into how many parts the pixels are cut. 1: then
 *   KERNEL_BODY              void (args, o, r, s, i, const float *acc, float *partial) stores; else contract_merge.cuh does, of the sums that
 *                            the parts leave in workspace[part][O,KH,KW,I]
 *   BLOCK_M, BLOCK_N, BLOCK_K, THREAD_M, THREAD_N   j, o and pixels of a block's step; j and o of a thread
 *
 * Pixels are cut because there are few (j, o) and many pixels; the cuts depend on shapes alone, and are added in their order, so no sum
 * depends on which block was first. Order of a sum: pixels ascending. */

DEV void FN(keep)(const kernel_args *args, int part, int out, int at, float sum) {
#if SPLITS > 1
  args->workspace[((s64)part * OUT_N + out) * ALL_J + at] = sum;
#else
  float none[1];
  (void)part;
  KERNEL_BODY(args, out, at / (GROUP_A * OUT_W), at / GROUP_A % OUT_W, at % GROUP_A, &sum, none);
#endif
}

TEMPLATE_KERNEL(KERNEL_NAME, THREADS, 2) {
  KERNEL_GUARD();
  RGC_SHARED(shared);
  float *sums = (float *)shared, acc[THREAD_M][THREAD_N];
  const int tid = (int)threadIdx.x;
  const FN(place) at = FN(find_place)(&args);
  FN(sum)(&args, &at, (float *)shared, acc);
#pragma unroll
  for (int i = 0; i < THREAD_M; i++)
#pragma unroll
    for (int k = 0; k < THREAD_N; k++) sums[FN(own_row)(i) * (BLOCK_N + 1) + FN(own_column)(k)] = acc[i][k];
  __syncthreads();
  /* neighbouring threads: neighbouring j, which are neighbours in memory */
  const int row = tid % BLOCK_M;
#pragma unroll 1
  for (int column = tid / BLOCK_M; column < BLOCK_N && at.o + column < GROUP_OUT; column += THREADS / BLOCK_M)
    if (at.j + row < ALL_J) FN(keep)(&args, at.part, at.group * GROUP_OUT + at.o + column, at.j + row, sums[row * (BLOCK_N + 1) + column]);
}

#include "codegen/cuda/templates/contract_weights_end.cuh"
