/* contract_weights_mma_bf16.cuh: the gradient of a weight on tensor cores from bf16 operands, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_weights_walk.cuh asks for, where CONTRACT_A and CONTRACT_B are
 *   CONTRACT_A, CONTRACT_B   void (args, n, h, w, c, float *row): A_CHUNK and B_CHUNK channels from c on, prologues included; what they give is rounded here
 * and
 *   A_CHUNK, B_CHUNK         8, 2 or 1; they divide the channels of a group
 *   A_OPERAND, B_OPERAND     the operands that they are, as they lie, where they have no prologue
 * Shared memory, twice: A[BLOCK_K][BLOCK_M] and B[BLOCK_K][BLOCK_N], pixels by channels, as they lie in memory, swizzled (mma_bf16.cuh); ldmatrix
 * turns them. Both usually have prologues, so they come through registers: step s + 1 is loaded before the products of step s and stored
 * behind them. Neighbouring threads take neighbouring chunks, and each keeps its channels for all steps. The sum is float32. */
#include "codegen/cuda/templates/contract_weights_place.cuh"
#include "codegen/cuda/templates/mma_bf16.cuh"
#define A_BYTES (BLOCK_K * BLOCK_M * 2)
#define STAGE_BYTES (A_BYTES + BLOCK_K * BLOCK_N * 2)
#define CHUNKS_A (BLOCK_M / A_CHUNK)
#define CHUNKS_B (BLOCK_N / B_CHUNK)
#define ALL_A (BLOCK_K * CHUNKS_A)
#define ALL_B (BLOCK_K * CHUNKS_B)
#define LOADS_A ((ALL_A + THREADS - 1) / THREADS)
#define LOADS_B ((ALL_B + THREADS - 1) / THREADS)
#define PACKED_A ((A_CHUNK + 1) / 2)
#define PACKED_B ((B_CHUNK + 1) / 2)

/* A_CHUNK numbers of A at pixel p under tap and channel j of the group; outside 0. */
DEV void FN(take_a)(const kernel_args *args, const FN(place) *at, int p, int j, u32 *packed) {
  const int i = j % GROUP_A, s = j / GROUP_A % OUT_W, r = j / (GROUP_A * OUT_W);
  const int n = p / (B_W * B_H), h = p / B_W % B_H * STRIDE + r * DILATION - PAD, w = p % B_W * STRIDE + s * DILATION - PAD;
  EACH_OF(e, PACKED_A) packed[e] = 0u;
  if (p >= at->last || j >= ALL_J || h < 0 || h >= A_H || w < 0 || w >= A_W) return;
#ifdef A_OPERAND
  row_load_raw(packed, (const u16 *)args->operands[A_OPERAND] + ((n * A_H + h) * A_W + w) * A_C + at->group * GROUP_A + i, A_CHUNK);
#else
  float numbers[A_CHUNK];
  CONTRACT_A(args, n, h, w, at->group * GROUP_A + i, numbers);
  row_pack_raw(packed, numbers, A_CHUNK);
#endif
}

/* B_CHUNK numbers of B at pixel p from output channel o of the group on. */
DEV void FN(take_b)(const kernel_args *args, const FN(place) *at, int p, int o, u32 *packed) {
  EACH_OF(e, PACKED_B) packed[e] = 0u;
  if (p >= at->last || o >= GROUP_OUT) return;
#ifdef B_OPERAND
  row_load_raw(packed, (const u16 *)args->operands[B_OPERAND] + p * B_C + at->group * GROUP_OUT + o, B_CHUNK);
#else
  float numbers[B_CHUNK];
  CONTRACT_B(args, p / (B_W * B_H), p / B_W % B_H, p % B_W, at->group * GROUP_OUT + o, numbers);
  row_pack_raw(packed, numbers, B_CHUNK);
#endif
}

/* This thread's numbers of a step that begins at pixel p0. */
DEV void FN(load)(const kernel_args *args, const FN(place) *at, int p0, u32 a[LOADS_A][PACKED_A], u32 b[LOADS_B][PACKED_B]) {
  const int tid = (int)threadIdx.x;
#pragma unroll
  for (int i = 0; i < LOADS_A; i++)
    if (tid + i * THREADS < ALL_A) FN(take_a)(args, at, p0 + (tid + i * THREADS) / CHUNKS_A, at->j + (tid + i * THREADS) % CHUNKS_A * A_CHUNK, a[i]);
#pragma unroll
  for (int i = 0; i < LOADS_B; i++)
    if (tid + i * THREADS < ALL_B) FN(take_b)(args, at, p0 + (tid + i * THREADS) / CHUNKS_B, at->o + (tid + i * THREADS) % CHUNKS_B * B_CHUNK, b[i]);
}

DEV void FN(store)(u32 a[LOADS_A][PACKED_A], u32 b[LOADS_B][PACKED_B], u32 stage) {
  const int tid = (int)threadIdx.x;
#pragma unroll
  for (int i = 0; i < LOADS_A; i++)
    if (tid + i * THREADS < ALL_A)
      row_put(stage + FN(tile_byte)((tid + i * THREADS) / CHUNKS_A, (tid + i * THREADS) % CHUNKS_A * A_CHUNK, BLOCK_M), a[i], A_CHUNK);
#pragma unroll
  for (int i = 0; i < LOADS_B; i++)
    if (tid + i * THREADS < ALL_B)
      row_put(stage + A_BYTES + FN(tile_byte)((tid + i * THREADS) / CHUNKS_B, (tid + i * THREADS) % CHUNKS_B * B_CHUNK, BLOCK_N), b[i], B_CHUNK);
}

#define A_TRANSPOSED 1
#define B_TRANSPOSED 1
#include "codegen/cuda/templates/mma_bf16_products.cuh"

DEV void FN(sum)(const kernel_args *args, const FN(place) *at, float *shared, float acc[THREAD_M][THREAD_N]) {
  u32 a[LOADS_A][PACKED_A], b[LOADS_B][PACKED_B];
  const u32 stages = smem_u32(shared);
  FN(clear)(acc);
  FN(load)(args, at, at->first, a, b);
  FN(store)(a, b, stages);
  __syncthreads();
#pragma unroll 1
  for (int p0 = at->first, s = 0; p0 < at->last; p0 += BLOCK_K, s ^= 1) {
    if (p0 + BLOCK_K < at->last) FN(load)(args, at, p0 + BLOCK_K, a, b);
#pragma unroll
    for (int kk = 0; kk < BLOCK_K; kk += 16) FN(products)(stages + (u32)(s * STAGE_BYTES), kk, acc);
    if (p0 + BLOCK_K < at->last) FN(store)(a, b, stages + (u32)((s ^ 1) * STAGE_BYTES));
    __syncthreads();
  }
}

#include "codegen/cuda/templates/contract_weights_walk.cuh"
#undef A_BYTES
#undef STAGE_BYTES
#undef CHUNKS_A
#undef CHUNKS_B
#undef ALL_A
#undef ALL_B
#undef LOADS_A
#undef LOADS_B
#undef PACKED_A
#undef PACKED_B
#undef A_CHUNK
#undef B_CHUNK
#undef A_OPERAND
#undef B_OPERAND
#include "codegen/cuda/templates/mma_tile_end.cuh"
#include "codegen/cuda/templates/contract_names_end.cuh"
