/* contract_weights.cuh: the gradient of a weight in plain float32, included once for each kernel.
 *
 *   acc[j, o] = sum over pixels p of A[p at tap, channel] * B[p, o];  j = (r, s, i): taps and input channels, o: output channels of one group
 *
 * In, as macros (all are undefined at the end):
 *   KERNEL_NAME
 *   OUT_N .. OUT_C           the weight's space O, KH, KW, I
 *   A_N .. A_C, A_SAMPLES    A space; B_H, B_W: the output gradient's (its N is A's)
 *   GROUPS, STRIDE, PAD, DILATION
 *   CONTRACT_A, CONTRACT_B   float (args, n, h, w, c): A and B, their prologues included
 *   SPLITS                   into how many parts the pixels are cut. 1: then
 *   KERNEL_BODY              void (args, o, r, s, i, const float *acc, float *partial) stores; else contract_merge.cuh does, of the sums that
 *                            the parts leave in workspace[part][O,KH,KW,I]
 *   BLOCK_M, BLOCK_N, BLOCK_K, THREAD_M, THREAD_N   j, o and pixels of a block's step; j and o of a thread. THREADS is 256
 *
 * A step copies A[BLOCK_K][BLOCK_M] and B[BLOCK_K][BLOCK_N] to shared memory; threads along channels are neighbours in memory, and each keeps
 * its j for all steps. Pixels are cut because there are few (j, o) and many pixels; the cuts depend on shapes alone, and are added in
 * their order, so no sum depends on which block was first. Order of a sum: pixels ascending. */
#include "codegen/cuda/templates/contract_names.cuh"
#define GROUP_OUT (OUT_N / GROUPS)
#define ALL_J (OUT_H * OUT_W * GROUP_A)
#define BLOCKS_J ((ALL_J + BLOCK_M - 1) / BLOCK_M)
#define BLOCKS_O ((GROUP_OUT + BLOCK_N - 1) / BLOCK_N)
#define PART_PIXELS (((A_N * B_H * B_W + SPLITS - 1) / SPLITS + BLOCK_K - 1) / BLOCK_K * BLOCK_K)
#define ROW_THREADS (BLOCK_M / THREAD_M)

/* A at pixel p under tap and channel j of the group; outside 0. */
DEV float FN(load_a)(const kernel_args *args, int p, int j, int group) {
  const int i = j % GROUP_A, s = j / GROUP_A % OUT_W, r = j / (GROUP_A * OUT_W);
  const int h = p / B_W % B_H * STRIDE + r * DILATION - PAD, w = p % B_W * STRIDE + s * DILATION - PAD;
  if (h < 0 || h >= A_H || w < 0 || w >= A_W) return 0.0f;
  return CONTRACT_A(args, p / (B_W * B_H), h, w, group * GROUP_A + i);
}

DEV float FN(load_b)(const kernel_args *args, int p, int o) { return CONTRACT_B(args, p / (B_W * B_H), p / B_W % B_H, p % B_W, o); }

TEMPLATE_KERNEL(KERNEL_NAME, THREADS, 1) {
  RGC_SHARED(shared);
  float *tile_a = (float *)shared, *tile_b = tile_a + BLOCK_K * BLOCK_M, acc[THREAD_M][THREAD_N];
  const int block = (int)blockIdx.x, o0 = block % BLOCKS_O * BLOCK_N, j0 = block / BLOCKS_O % BLOCKS_J * BLOCK_M;
  const int group = block / (BLOCKS_O * BLOCKS_J) % GROUPS, part = block / (BLOCKS_O * BLOCKS_J * GROUPS);
  const int tid = (int)threadIdx.x, row = tid % ROW_THREADS, column = tid / ROW_THREADS * THREAD_N;
  const int j = j0 + tid % BLOCK_M, o = o0 + tid % BLOCK_N, limit = (A_SAMPLES ? int_min(args.step->valid, A_N) : A_N) * B_H * B_W;
  const int first = part * PART_PIXELS, last = int_min(limit, first + PART_PIXELS);
  for (int i = 0; i < THREAD_M; i++)
    for (int k = 0; k < THREAD_N; k++) acc[i][k] = 0.0f;
  for (int p0 = first; p0 < last; p0 += BLOCK_K) {
    for (int kk = tid / BLOCK_M; kk < BLOCK_K; kk += THREADS / BLOCK_M)
      tile_a[kk * BLOCK_M + tid % BLOCK_M] = p0 + kk < last && j < ALL_J ? FN(load_a)(&args, p0 + kk, j, group) : 0.0f;
    for (int kk = tid / BLOCK_N; kk < BLOCK_K; kk += THREADS / BLOCK_N)
      tile_b[kk * BLOCK_N + tid % BLOCK_N] = p0 + kk < last && o < GROUP_OUT ? FN(load_b)(&args, p0 + kk, group * GROUP_OUT + o) : 0.0f;
    __syncthreads();
#pragma unroll 4
    for (int kk = 0; kk < BLOCK_K; kk++) {
      float a[THREAD_M], b[THREAD_N];
      for (int i = 0; i < THREAD_M; i++) a[i] = tile_a[kk * BLOCK_M + row + i * ROW_THREADS];
      for (int k = 0; k < THREAD_N; k++) b[k] = tile_b[kk * BLOCK_N + column + k];
      for (int i = 0; i < THREAD_M; i++)
        for (int k = 0; k < THREAD_N; k++) acc[i][k] = fmaf(a[i], b[k], acc[i][k]);
    }
    __syncthreads();
  }
  for (int k = 0; k < THREAD_N; k++)
    for (int i = 0; i < THREAD_M; i++) {
      const int at = j0 + row + i * ROW_THREADS, channel = o0 + column + k, out = group * GROUP_OUT + channel;
      if (at >= ALL_J || channel >= GROUP_OUT) continue;
#if SPLITS > 1
      args.workspace[((s64)part * OUT_N + out) * ALL_J + at] = acc[i][k];
#else
      float none[1];
      KERNEL_BODY(&args, out, at / (GROUP_A * OUT_W), at / GROUP_A % OUT_W, at % GROUP_A, &acc[i][k], none);
#endif
    }
}

#undef GROUP_OUT
#undef ALL_J
#undef BLOCKS_J
#undef BLOCKS_O
#undef PART_PIXELS
#undef ROW_THREADS
#undef B_H
#undef B_W
#include "codegen/cuda/templates/contract_names_end.cuh"
