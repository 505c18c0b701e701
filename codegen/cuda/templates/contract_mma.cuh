/* contract_mma.cuh: implicit GEMM on tensor cores: convolutions, data gradients and linear layers, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_walk.cuh asks for, and
 *   BLOCK_K           k of a step, a multiple of 8; STAGES steps are in shared memory at once
 *   MMA_PRODUCTS      see mma_tile.cuh
 *   A_ASYNC           floats that a copy of A takes, 4 or 1, where A has no prologue; 0 where it has one
 *   A_OPERAND         its operand, where A has no prologue
 *   WEIGHT_ASYNC      floats that a copy of W takes, 4 or 1
 *
 * Shared memory: the pixels' places, then STAGES times
 *   A [BLOCK_M][BLOCK_K + 4], and W [BLOCK_N][BLOCK_K + 4] forward, [BLOCK_K][BLOCK_N + 8] transposed, as it lies in memory
 * Fragments of rows along k come by ldmatrix: 8 rows of 4 floats are 8 rows of 8 halves, and the lanes get the very elements that a tf32 fragment has.
 * With rows 4 floats longer than a multiple of 32, the 8 rows of a matrix are in different banks; with 8 floats, lanes (k, n) of the
 * transposed weight are.
 * Copies of W, and of A where it has no prologue, are asynchronous and STAGES - 1 steps ahead. A prologue needs registers: step k + 1 is
 * loaded before the products of step k and stored after them; neighbouring lanes take neighbouring channels. */
#include "codegen/cuda/templates/contract_place.cuh"
#include "codegen/cuda/templates/mma_tile.cuh"
#include "codegen/cuda/templates/contract_mma_place.cuh"
#define A_ROW (BLOCK_K + 4)
#define W_ROW (TRANSPOSED ? BLOCK_N + 8 : BLOCK_K + 4)
#define STAGE_FLOATS (BLOCK_M * A_ROW + (TRANSPOSED ? BLOCK_K : BLOCK_N) * W_ROW)
#define LOADS_A (BLOCK_M * 8 / THREADS)

#if A_ASYNC
DEV void FN(copy_a)(const kernel_args *args, const FN(place) *at, const int *pixels, int k0, int k_end, float *to) {
  const float *from = args->operands[A_OPERAND];
  const int kk = (int)threadIdx.x % (BLOCK_K / A_ASYNC) * A_ASYNC;
  const FN(element) k = FN(find_k)(at, k0 + kk, k_end);
  for (int row = (int)threadIdx.x / (BLOCK_K / A_ASYNC); row < BLOCK_M; row += THREADS / (BLOCK_K / A_ASYNC)) {
    const int n = pixels[3 * row], h = pixels[3 * row + 1] + k.down, w = pixels[3 * row + 2] + k.right;
    const int inside = k.inside && n >= 0 && h >= 0 && h < A_H && w >= 0 && w < A_W;
    const float *source = from + (inside ? ((n * A_H + h) * A_W + w) * A_C + k.c : 0);
#if A_ASYNC == 4
    cp_async_16(smem_u32(to + row * A_ROW + kk), source, inside ? 16 : 0);
#else
    cp_async_4(smem_u32(to + row * A_ROW + kk), source, inside ? 4 : 0);
#endif
  }
}
#else
/* A through its prologue: this thread's elements of part `part` of a step, and where they go. A step has BLOCK_K / 8 parts, as it has
 * groups of products, so that few registers wait. */
DEV void FN(load_a)(const kernel_args *args, const FN(element) *k, const int *pixels, int part, float *values) {
#pragma unroll
  for (int i = 0; i < LOADS_A; i++) {
    const int row = (int)threadIdx.x / BLOCK_K + (part * LOADS_A + i) * (THREADS / BLOCK_K);
    const int n = pixels[3 * row], h = pixels[3 * row + 1] + k->down, w = pixels[3 * row + 2] + k->right;
    const int inside = k->inside && n >= 0 && h >= 0 && h < A_H && w >= 0 && w < A_W;
    values[i] = inside ? CONTRACT_A(args, n, h, w, k->c) : 0.0f;
  }
}

DEV void FN(store_a)(const float *values, int part, float *to) {
#pragma unroll
  for (int i = 0; i < LOADS_A; i++)
    to[((int)threadIdx.x / BLOCK_K + (part * LOADS_A + i) * (THREADS / BLOCK_K)) * A_ROW + (int)threadIdx.x % BLOCK_K] = values[i];
}
#endif

/* Rows of W: output channels forward, k transposed; WEIGHT_ASYNC neighbours at a time. */
DEV void FN(copy_weights)(const kernel_args *args, const FN(place) *at, int k0, int k_end, float *to) {
  const float *from = args->operands[CONTRACT_WEIGHT];
  for (int e = (int)threadIdx.x; e < BLOCK_N * BLOCK_K / WEIGHT_ASYNC; e += THREADS) {
#if TRANSPOSED
    const int kk = e / (BLOCK_N / WEIGHT_ASYNC), o = e % (BLOCK_N / WEIGHT_ASYNC) * WEIGHT_ASYNC, to_element = kk * W_ROW + o;
#else
    const int o = e / (BLOCK_K / WEIGHT_ASYNC), kk = e % (BLOCK_K / WEIGHT_ASYNC) * WEIGHT_ASYNC, to_element = o * W_ROW + kk;
#endif
    const int inside = k0 + kk < k_end && at->channel + o < GROUP_OUT;
    const float *source = from + (inside ? FN(weight_element)(at, at->channel + o, k0 + kk) : 0);
#if WEIGHT_ASYNC == 4
    cp_async_16(smem_u32(to + to_element), source, inside ? 16 : 0);
#else
    cp_async_4(smem_u32(to + to_element), source, inside ? 4 : 0);
#endif
  }
}

/* b0, b1 of all tiles along n, for 8 k from kk on. */
DEV void FN(read_weights)(const float *tile, int kk, u32 b[TILES_N][2]) {
  const int lane = FN(lane)(), column = FN(warp_column)() * WARP_N;
#if TRANSPOSED
#pragma unroll
  for (int j = 0; j < TILES_N; j++) {
    b[j][0] = __float_as_uint(tile[(kk + lane % 4) * W_ROW + column + j * 8 + lane / 4]);
    b[j][1] = __float_as_uint(tile[(kk + lane % 4 + 4) * W_ROW + column + j * 8 + lane / 4]);
  }
#else
#pragma unroll
  for (int j = 0; j < TILES_N; j += 2) {
    u32 four[4];
    ldmatrix_x4(four, smem_u32(tile + (column + j * 8 + lane / 16 * 8 + lane % 8) * W_ROW + kk + lane / 8 % 2 * 4));
    b[j][0] = four[0], b[j][1] = four[1], b[j + 1][0] = four[2], b[j + 1][1] = four[3];
  }
#endif
}

/* The products of 8 k from kk on. */
DEV void FN(products)(const float *tile, int kk, float acc[THREAD_M][THREAD_N]) {
  const int lane = FN(lane)();
  u32 b[TILES_N][2], a_high[TILES_M][4], a_low[TILES_M][4];
  FN(read_weights)(tile + BLOCK_M * A_ROW, kk, b);
#pragma unroll
  for (int i = 0; i < TILES_M; i++) {
    u32 a[4];
    ldmatrix_x4(a, smem_u32(tile + (FN(warp_row)() * WARP_M + i * 16 + lane % 16) * A_ROW + kk + lane / 16 * 4));
#pragma unroll
    for (int e = 0; e < 4; e++) FN(split)(a[e], &a_high[i][e], &a_low[i][e]);
  }
#pragma unroll
  for (int j = 0; j < TILES_N; j++) {
    u32 b_high[2], b_low[2];
    FN(split)(b[j][0], &b_high[0], &b_low[0]);
    FN(split)(b[j][1], &b_high[1], &b_low[1]);
#pragma unroll
    for (int i = 0; i < TILES_M; i++) FN(multiply)(acc, i, j, a_high[i], a_low[i], b_high, b_low);
  }
}

DEV void FN(sum)(const kernel_args *args, const FN(place) *at, int m0, float *shared, float acc[THREAD_M][THREAD_N]) {
  int *pixels = (int *)shared;
  float *stages = shared + 4 * BLOCK_M;
  const int k_end = at->h.count * at->w.count * GROUP_A, steps = (k_end + BLOCK_K - 1) / BLOCK_K;
#pragma unroll
  for (int i = 0; i < THREAD_M; i++)
#pragma unroll
    for (int j = 0; j < THREAD_N; j++) acc[i][j] = 0.0f;
  FN(place_pixels)(at, m0, pixels);
  __syncthreads();
#if !A_ASYNC
  float values[LOADS_A];
  FN(element) k = FN(find_k)(at, (int)threadIdx.x % BLOCK_K, k_end);
  for (int part = 0; part < BLOCK_K / 8; part++) {
    FN(load_a)(args, &k, pixels, part, values);
    FN(store_a)(values, part, stages);
  }
#endif
  /* The first STAGES - 1 rounds only copy: one place in the text, for the compiler takes long over each. */
#pragma unroll 1
  for (int s = 1 - STAGES; s < steps; s++) {
    if (s >= 0) {
      cp_wait(STAGES - 2);
      __syncthreads();
    }
    const int ahead = s + STAGES - 1;
    float *stage = stages + ahead % STAGES * STAGE_FLOATS;
    if (ahead < steps) FN(copy_weights)(args, at, ahead * BLOCK_K, k_end, stage + BLOCK_M * A_ROW);
#if A_ASYNC
    if (ahead < steps) FN(copy_a)(args, at, pixels, ahead * BLOCK_K, k_end, stage);
#endif
    cp_commit();
    if (s < 0) continue;
#if !A_ASYNC
    k = FN(find_k)(at, (s + 1) * BLOCK_K + (int)threadIdx.x % BLOCK_K, k_end);
#endif
#pragma unroll 1
    for (int part = 0; part < BLOCK_K / 8; part++) {
#if !A_ASYNC
      if (s + 1 < steps) FN(load_a)(args, &k, pixels, part, values);
#endif
      FN(products)(stages + s % STAGES * STAGE_FLOATS, part * 8, acc);
#if !A_ASYNC
      if (s + 1 < steps) FN(store_a)(values, part, stages + (s + 1) % STAGES * STAGE_FLOATS);
#endif
    }
  }
  cp_wait(0);
  __syncthreads(); /* the next pixels may overwrite all of it */
}

#include "codegen/cuda/templates/contract_block.cuh"
#undef A_ROW
#undef W_ROW
#undef STAGE_FLOATS
#undef LOADS_A
#undef STAGES
#include "codegen/cuda/templates/mma_tile_end.cuh"
#undef A_ASYNC
#undef A_OPERAND
#undef WEIGHT_ASYNC
#include "codegen/cuda/templates/contract_names_end.cuh"
