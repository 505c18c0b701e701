/* contract_weights_mma.cuh: the gradient of a weight on tensor cores, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_weights_walk.cuh asks for, and MMA_PRODUCTS (mma_tile.cuh).
 * Shared memory, twice: A[BLOCK_K][BLOCK_M + 8] and B[BLOCK_K][BLOCK_N + 8], pixels by channels, as they lie in memory; both operands usually have
 * prologues, so they come through registers: step s + 1 is loaded before the products of step s and stored behind them, and threads along
 * channels are neighbours. Pixels are the k of a product: a fragment's lanes (k, channel) are in different banks with rows 8 floats longer
 * than a multiple of 32. */
#include "codegen/cuda/templates/contract_weights_place.cuh"
#include "codegen/cuda/templates/contract_weights_find.cuh"
#include "codegen/cuda/templates/mma_tile.cuh"
#define A_ROW (BLOCK_M + 8)
#define B_ROW (BLOCK_N + 8)
#define STAGE_FLOATS (BLOCK_K * (A_ROW + B_ROW))
#define LOADS_A (BLOCK_K * BLOCK_M / THREADS)
#define LOADS_B (BLOCK_K * BLOCK_N / THREADS)

/* This thread's elements of a step that begins at pixel p0. */
DEV void FN(load)(const kernel_args *args, const FN(place) *at, int p0, float *a, float *b) {
  const int tid = (int)threadIdx.x;
#pragma unroll
  for (int i = 0; i < LOADS_A; i++) a[i] = FN(find_a)(args, at, p0 + tid / BLOCK_M + i * (THREADS / BLOCK_M), tid % BLOCK_M);
#pragma unroll
  for (int i = 0; i < LOADS_B; i++) b[i] = FN(find_b)(args, at, p0 + tid / BLOCK_N + i * (THREADS / BLOCK_N), tid % BLOCK_N);
}

DEV void FN(store)(const float *a, const float *b, float *stage) {
  const int tid = (int)threadIdx.x;
#pragma unroll
  for (int i = 0; i < LOADS_A; i++) stage[(tid / BLOCK_M + i * (THREADS / BLOCK_M)) * A_ROW + tid % BLOCK_M] = a[i];
#pragma unroll
  for (int i = 0; i < LOADS_B; i++) stage[BLOCK_K * A_ROW + (tid / BLOCK_N + i * (THREADS / BLOCK_N)) * B_ROW + tid % BLOCK_N] = b[i];
}

/* The products of pixels kk to kk + 7 of a step. */
DEV void FN(products)(const float *stage, int kk, float acc[THREAD_M][THREAD_N]) {
  const int lane = FN(lane)();
  const float *a = stage + (kk + lane % 4) * A_ROW + FN(warp_row)() * WARP_M + lane / 4;
  const float *b = stage + BLOCK_K * A_ROW + (kk + lane % 4) * B_ROW + FN(warp_column)() * WARP_N + lane / 4;
  u32 a_high[TILES_M][4], a_low[TILES_M][4];
#pragma unroll
  for (int i = 0; i < TILES_M; i++)
#pragma unroll
    for (int e = 0; e < 4; e++)
      FN(split)(__float_as_uint(a[e / 2 * 4 * A_ROW + i * 16 + e % 2 * 8]), &a_high[i][e], &a_low[i][e]);
#pragma unroll
  for (int j = 0; j < TILES_N; j++) {
    u32 b_high[2], b_low[2];
    FN(split)(__float_as_uint(b[j * 8]), &b_high[0], &b_low[0]);
    FN(split)(__float_as_uint(b[4 * B_ROW + j * 8]), &b_high[1], &b_low[1]);
#pragma unroll
    for (int i = 0; i < TILES_M; i++) FN(multiply)(acc, i, j, a_high[i], a_low[i], b_high, b_low);
  }
}

DEV void FN(sum)(const kernel_args *args, const FN(place) *at, float *shared, float acc[THREAD_M][THREAD_N]) {
  float a[LOADS_A], b[LOADS_B];
#pragma unroll
  for (int i = 0; i < THREAD_M; i++)
#pragma unroll
    for (int k = 0; k < THREAD_N; k++) acc[i][k] = 0.0f;
  /* The first round only loads: one place in the text, for the compiler takes long over each. */
#pragma unroll 1
  for (int p0 = at->first - BLOCK_K, s = 1; p0 < at->last; p0 += BLOCK_K, s ^= 1) {
    if (p0 + BLOCK_K < at->last) FN(load)(args, at, p0 + BLOCK_K, a, b);
    if (p0 >= at->first) {
#pragma unroll
      for (int kk = 0; kk < BLOCK_K; kk += 8) FN(products)(shared + s * STAGE_FLOATS, kk, acc);
    }
    if (p0 + BLOCK_K < at->last) FN(store)(a, b, shared + (s ^ 1) * STAGE_FLOATS);
    __syncthreads();
  }
}

#include "codegen/cuda/templates/contract_weights_walk.cuh"
#undef A_ROW
#undef B_ROW
#undef STAGE_FLOATS
#undef LOADS_A
#undef LOADS_B
#include "codegen/cuda/templates/mma_tile_end.cuh"
#include "codegen/cuda/templates/contract_names_end.cuh"
