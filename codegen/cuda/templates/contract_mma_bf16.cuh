/* contract_mma_bf16.cuh: implicit GEMM on tensor cores in bf16: convolutions, data gradients and linear layers, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_walk.cuh asks for, where the weight is bf16 and CONTRACT_A is
 *   CONTRACT_A        void (args, n, h, w, c, float *row): A_CHUNK channels of A from c on, the prologue included; what it gives is rounded here
 * and
 *   BLOCK_K           k of a step, 32 or a multiple of 64; STAGES steps are in shared memory at once
 *   A_CHUNK           channels that a thread takes of A at once, 8, 2 or 1; they divide A's channels of a group
 *   A_OPERAND         the operand that A is, as it lies, where A has no prologue
 *   A_ASYNC           1: A is copied asynchronously; then it has no prologue, and A_CHUNK is not 1
 *   WEIGHT_CHUNK      neighbours in a row of W that are copied at once: 8, 2 or 1
 *
 * Shared memory: the pixels' places, then STAGES times A [BLOCK_M][BLOCK_K] and W [BLOCK_N][BLOCK_K], transposed [BLOCK_K][BLOCK_N], as it lies in
 * memory, swizzled (mma_bf16.cuh). Sums are float32, in the order of k, 16 at a time.
 * Copies of W, and of A where it has no prologue, are asynchronous and STAGES - 1 steps ahead. A prologue needs registers: step s + 1 is
 * loaded before products of step s and stored after them; chunks of 8 at once, since they are few and share what depends on the channel,
 * others in as many parts as a step has products along k. Neighbouring threads take neighbouring chunks. */
#include "codegen/cuda/templates/contract_place.cuh"
#include "codegen/cuda/templates/contract_mma_place.cuh"
#include "codegen/cuda/templates/mma_bf16.cuh"
#define A_BYTES (BLOCK_M * BLOCK_K * 2)
#define STAGE_BYTES (A_BYTES + BLOCK_N * BLOCK_K * 2)
#define WEIGHT_CHUNKS (BLOCK_N * BLOCK_K / WEIGHT_CHUNK)
#define CHUNKS_K (BLOCK_K / A_CHUNK)
#define PARTS (BLOCK_K / 16)
#define LOADS (BLOCK_M * CHUNKS_K / THREADS)
#define PART_LOADS (A_CHUNK == 8 ? LOADS : (LOADS + PARTS - 1) / PARTS)
#define PACKED ((A_CHUNK + 1) / 2)

/* Row of the block that load i of a thread is of. */
DEV int FN(load_row)(int i) { return (int)threadIdx.x / CHUNKS_K + i * (THREADS / CHUNKS_K); }

#if A_ASYNC
DEV void FN(copy_a)(const kernel_args *args, const FN(place) *at, const int *pixels, int k0, int k_end, u32 to) {
  const u16 *from = (const u16 *)args->operands[A_OPERAND];
  const int kk = (int)threadIdx.x % CHUNKS_K * A_CHUNK;
  const FN(element) k = FN(find_k)(at, k0 + kk, k_end);
#pragma unroll
  for (int i = 0; i < LOADS; i++) {
    const int row = FN(load_row)(i), n = pixels[3 * row], h = pixels[3 * row + 1] + k.down, w = pixels[3 * row + 2] + k.right;
    const int inside = k.inside && n >= 0 && h >= 0 && h < A_H && w >= 0 && w < A_W;
    row_copy(to + FN(tile_byte)(row, kk, BLOCK_K), from + (inside ? ((n * A_H + h) * A_W + w) * A_C + k.c : 0), inside, A_CHUNK);
  }
}
#else
/* A through its prologue: this thread's loads of part `part` of a step, and where they go. Points outside read another in their place and are zeros
 * then: without a branch, loads of all points are under way together, and what depends on the channel alone is loaded once. */
DEV void FN(load_a)(const kernel_args *args, const FN(element) *k, const int *pixels, int part, u32 packed[PART_LOADS][PACKED]) {
#pragma unroll
  for (int i = 0; i < PART_LOADS; i++) {
    if (part * PART_LOADS + i >= LOADS) continue;
    const int row = FN(load_row)(part * PART_LOADS + i), n = pixels[3 * row], h = pixels[3 * row + 1] + k->down, w = pixels[3 * row + 2] + k->right;
    const int inside = k->inside && n >= 0 && h >= 0 && h < A_H && w >= 0 && w < A_W;
    const int own_n = inside ? n : 0, own_h = inside ? h : 0, own_w = inside ? w : 0;
#ifdef A_OPERAND
    row_load_raw(packed[i], (const u16 *)args->operands[A_OPERAND] + ((own_n * A_H + own_h) * A_W + own_w) * A_C + k->c, A_CHUNK);
#else
    float numbers[A_CHUNK];
    CONTRACT_A(args, own_n, own_h, own_w, k->c, numbers);
    row_pack_raw(packed[i], numbers, A_CHUNK);
#endif
    EACH_OF(e, PACKED) packed[i][e] = inside ? packed[i][e] : 0u;
  }
}

DEV void FN(store_a)(u32 packed[PART_LOADS][PACKED], int part, u32 to) {
#pragma unroll
  for (int i = 0; i < PART_LOADS; i++)
    if (part * PART_LOADS + i < LOADS)
      row_put(to + FN(tile_byte)(FN(load_row)(part * PART_LOADS + i), (int)threadIdx.x % CHUNKS_K * A_CHUNK, BLOCK_K), packed[i], A_CHUNK);
}
#endif

/* Rows of W: output channels forward, k transposed. Neighbours one by one are stored at once, which is as good: the stage is free. */
DEV void FN(copy_weights)(const kernel_args *args, const FN(place) *at, int k0, int k_end, u32 to) {
  const u16 *from = (const u16 *)args->operands[CONTRACT_WEIGHT];
#pragma unroll
  for (int i = 0; i < (WEIGHT_CHUNKS + THREADS - 1) / THREADS; i++) {
    const int e = (int)threadIdx.x + i * THREADS;
    if (WEIGHT_CHUNKS % THREADS != 0 && e >= WEIGHT_CHUNKS) continue;
#if TRANSPOSED
    const int kk = e / (BLOCK_N / WEIGHT_CHUNK), o = e % (BLOCK_N / WEIGHT_CHUNK) * WEIGHT_CHUNK;
    const u32 place = to + FN(tile_byte)(kk, o, BLOCK_N);
#else
    const int o = e / (BLOCK_K / WEIGHT_CHUNK), kk = e % (BLOCK_K / WEIGHT_CHUNK) * WEIGHT_CHUNK;
    const u32 place = to + FN(tile_byte)(o, kk, BLOCK_K);
#endif
    const int inside = k0 + kk < k_end && at->channel + o < GROUP_OUT;
    row_copy(place, from + (inside ? FN(weight_element)(at, at->channel + o, k0 + kk) : 0), inside, WEIGHT_CHUNK);
  }
}

#define A_TRANSPOSED 0
#define B_TRANSPOSED TRANSPOSED
#include "codegen/cuda/templates/mma_bf16_products.cuh"

/* Starts the copies of step `step` into its stage. */
DEV void FN(start)(const kernel_args *args, const FN(place) *at, const int *pixels, int step, int k_end, u32 stages) {
  const u32 stage = stages + (u32)(step % STAGES * STAGE_BYTES);
  if (step * BLOCK_K < k_end) {
    FN(copy_weights)(args, at, step * BLOCK_K, k_end, stage + A_BYTES);
#if A_ASYNC
    FN(copy_a)(args, at, pixels, step * BLOCK_K, k_end, stage);
#else
    (void)pixels;
#endif
  }
  cp_commit();
}

DEV void FN(sum)(const kernel_args *args, const FN(place) *at, int m0, float *shared, float acc[THREAD_M][THREAD_N]) {
  int *pixels = (int *)shared;
  const u32 stages = smem_u32(shared + 4 * BLOCK_M);
  const int k_end = at->h.count * at->w.count * GROUP_A, steps = (k_end + BLOCK_K - 1) / BLOCK_K;
  FN(clear)(acc);
  FN(place_pixels)(at, m0, pixels);
  __syncthreads();
#pragma unroll
  for (int s = 0; s < STAGES - 1; s++) FN(start)(args, at, pixels, s, k_end, stages);
#if !A_ASYNC
  u32 packed[PART_LOADS][PACKED];
  const int own_k = (int)threadIdx.x % CHUNKS_K * A_CHUNK;
  FN(element) k = FN(find_k)(at, own_k, k_end);
#pragma unroll
  for (int part = 0; part < PARTS; part++) {
    FN(load_a)(args, &k, pixels, part, packed);
    FN(store_a)(packed, part, stages);
  }
#endif
#pragma unroll 1
  for (int s = 0; s < steps; s++) {
    cp_wait(STAGES - 2);
    __syncthreads();
    FN(start)(args, at, pixels, s + STAGES - 1, k_end, stages);
#if !A_ASYNC
    k = FN(find_k)(at, (s + 1) * BLOCK_K + own_k, k_end);
#endif
#pragma unroll
    for (int part = 0; part < PARTS; part++) {
#if !A_ASYNC
      if (s + 1 < steps) FN(load_a)(args, &k, pixels, part, packed);
#endif
      FN(products)(stages + (u32)(s % STAGES * STAGE_BYTES), part * 16, acc);
#if !A_ASYNC
      if (s + 1 < steps) FN(store_a)(packed, part, stages + (u32)((s + 1) % STAGES * STAGE_BYTES));
#endif
    }
  }
  cp_wait(0);
  __syncthreads(); /* the next pixels may overwrite all of it */
}

#include "codegen/cuda/templates/contract_block.cuh"
#undef A_BYTES
#undef STAGE_BYTES
#undef WEIGHT_CHUNKS
#undef CHUNKS_K
#undef PARTS
#undef LOADS
#undef PART_LOADS
#undef PACKED
#undef STAGES
#undef A_CHUNK
#undef A_OPERAND
#undef A_ASYNC
#undef WEIGHT_CHUNK
#include "codegen/cuda/templates/mma_tile_end.cuh"
#include "codegen/cuda/templates/contract_names_end.cuh"
