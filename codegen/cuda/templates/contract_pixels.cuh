/* contract_pixels.cuh: implicit GEMM in plain float32: convolutions, data gradients and linear layers, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_walk.cuh asks for, with BLOCK_K k of a step; WEIGHT_BF16: 1 if
 * the weight is bf16 in memory. THREADS is 256.
 *
 * A step copies A[BLOCK_K][BLOCK_M], through its prologue, and W[BLOCK_K][BLOCK_N] to shared memory: threads along k for A and the forward
 * weight (channels are neighbours in memory), along o for the transposed one. Then each thread adds THREAD_M x THREAD_N products a k from
 * registers. Rows of A are 2 floats longer than BLOCK_M, so that threads along k write to different banks. Order of a sum: k ascending. */
#include "codegen/cuda/templates/contract_place.cuh"
#define TILE_ROW (BLOCK_M + 2)
#define COLUMN_THREADS (BLOCK_N / THREAD_N)
#define LOADS_A (BLOCK_M * BLOCK_K / THREADS)
#define LOADS_W ((BLOCK_N * BLOCK_K + THREADS - 1) / THREADS)

/* This thread's rows and columns of the block. */
DEV int FN(own_row)(int i) { return (int)threadIdx.x / COLUMN_THREADS * THREAD_M + i; }
DEV int FN(own_column)(int j) { return (int)threadIdx.x % COLUMN_THREADS + j * COLUMN_THREADS; }
DEV float FN(weight)(const kernel_args *args, int element) {
  const float *data = args->operands[CONTRACT_WEIGHT];
  return WEIGHT_BF16 ? bf_float(((const u16 *)data)[element]) : data[element];
}
DEV void FN(load_weights)(const kernel_args *args, const FN(place) *at, int k0, int k_end, float *to) {
  for (int i = 0; i < LOADS_W; i++) {
    const int e = (int)threadIdx.x + i * THREADS, kk = TRANSPOSED ? e / BLOCK_N : e % BLOCK_K, o = TRANSPOSED ? e % BLOCK_N : e / BLOCK_K;
    const int inside = k0 + kk < k_end && at->channel + o < GROUP_OUT;
    if (e < BLOCK_N * BLOCK_K) to[kk * BLOCK_N + o] = inside ? FN(weight)(args, FN(weight_element)(at, at->channel + o, k0 + kk)) : 0.0f;
  }
}

/* The products of BLOCK_M pixels from m0 on; acc: this thread's. */
DEV void FN(sum)(const kernel_args *args, const FN(place) *at, int m0, float *tile, float acc[THREAD_M][THREAD_N]) {
  float *tile_w = tile + BLOCK_K * TILE_ROW;
  const int tid = (int)threadIdx.x, kk = tid % BLOCK_K, row = tid / COLUMN_THREADS * THREAD_M, column = tid % COLUMN_THREADS;
  const int k_end = at->h.count * at->w.count * GROUP_A;
  FN(pixel) pixels[LOADS_A];
  for (int i = 0; i < LOADS_A; i++) pixels[i] = FN(find_pixel)(at, m0 + tid / BLOCK_K + i * (THREADS / BLOCK_K));
  for (int i = 0; i < THREAD_M; i++)
    for (int j = 0; j < THREAD_N; j++) acc[i][j] = 0.0f;
  for (int k0 = 0; k0 < k_end; k0 += BLOCK_K) {
    const int k = k0 + kk, tap = k / GROUP_A, c = k % GROUP_A, down = tap / at->w.count * A_TAP_STEP, right = tap % at->w.count * A_TAP_STEP;
    for (int i = 0; i < LOADS_A; i++) {
      const int n = pixels[i].n, h = pixels[i].h + down, w = pixels[i].w + right, inside = n >= 0 && k < k_end && h >= 0 && h < A_H && w >= 0 && w < A_W;
      tile[kk * TILE_ROW + tid / BLOCK_K + i * (THREADS / BLOCK_K)] = inside ? CONTRACT_A(args, n, h, w, at->group * GROUP_A + c) : 0.0f;
    }
    FN(load_weights)(args, at, k0, k_end, tile_w);
    __syncthreads();
#pragma unroll 4
    for (int step = 0; step < BLOCK_K; step++) {
      float a[THREAD_M], b[THREAD_N];
      for (int i = 0; i < THREAD_M; i++) a[i] = tile[step * TILE_ROW + row + i];
      for (int j = 0; j < THREAD_N; j++) b[j] = tile_w[step * BLOCK_N + column + j * COLUMN_THREADS];
      for (int i = 0; i < THREAD_M; i++)
        for (int j = 0; j < THREAD_N; j++) acc[i][j] = fmaf(a[i], b[j], acc[i][j]);
    }
    __syncthreads();
  }
}

#include "codegen/cuda/templates/contract_block.cuh"
#undef TILE_ROW
#undef COLUMN_THREADS
#undef LOADS_A
#undef LOADS_W
#undef WEIGHT_BF16
#include "codegen/cuda/templates/contract_names_end.cuh"
