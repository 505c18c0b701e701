/* contract_weights.cuh: the gradient of a weight in plain float32, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_weights_walk.cuh asks for. THREADS is 256.
 * A step copies A[BLOCK_K][BLOCK_M] and B[BLOCK_K][BLOCK_N] to shared memory; threads along channels are neighbours in memory, and each keeps
 * its j for all steps. */
#include "codegen/cuda/templates/contract_weights_place.cuh"
#include "codegen/cuda/templates/contract_weights_find.cuh"
#define ROW_THREADS (BLOCK_M / THREAD_M)

DEV int FN(own_row)(int i) { return (int)threadIdx.x % ROW_THREADS + i * ROW_THREADS; }
DEV int FN(own_column)(int k) { return (int)threadIdx.x / ROW_THREADS * THREAD_N + k; }

DEV void FN(sum)(const kernel_args *args, const FN(place) *at, float *shared, float acc[THREAD_M][THREAD_N]) {
  float *tile_a = shared, *tile_b = tile_a + BLOCK_K * BLOCK_M;
  const int tid = (int)threadIdx.x;
  for (int i = 0; i < THREAD_M; i++)
    for (int k = 0; k < THREAD_N; k++) acc[i][k] = 0.0f;
  for (int p0 = at->first; p0 < at->last; p0 += BLOCK_K) {
    for (int kk = tid / BLOCK_M; kk < BLOCK_K; kk += THREADS / BLOCK_M)
      tile_a[kk * BLOCK_M + tid % BLOCK_M] = FN(find_a)(args, at, p0 + kk, tid % BLOCK_M);
    for (int kk = tid / BLOCK_N; kk < BLOCK_K; kk += THREADS / BLOCK_N)
      tile_b[kk * BLOCK_N + tid % BLOCK_N] = FN(find_b)(args, at, p0 + kk, tid % BLOCK_N);
    __syncthreads();
#pragma unroll 4
    for (int kk = 0; kk < BLOCK_K; kk++) {
      float a[THREAD_M], b[THREAD_N];
      for (int i = 0; i < THREAD_M; i++) a[i] = tile_a[kk * BLOCK_M + FN(own_row)(i)];
      for (int k = 0; k < THREAD_N; k++) b[k] = tile_b[kk * BLOCK_N + FN(own_column)(k)];
      for (int i = 0; i < THREAD_M; i++)
        for (int k = 0; k < THREAD_N; k++) acc[i][k] = fmaf(a[i], b[k], acc[i][k]);
    }
    __syncthreads();
  }
}

#include "codegen/cuda/templates/contract_weights_walk.cuh"
#undef ROW_THREADS
#include "codegen/cuda/templates/contract_names_end.cuh"
