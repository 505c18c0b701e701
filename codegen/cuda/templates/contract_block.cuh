/* contract_block.cuh: the kernel of the templates for contracts over pixels whose threads all load and multiply.
 *
 * Included by them, so it has no guard. They give FN(sum)(args, place, m0, shared, acc), the sums of BLOCK_M pixels from m0 on, after
 * which shared memory is free; FN(own_row), FN(own_column): which of them a thread has. */
#include "codegen/cuda/templates/contract_walk.cuh"

/* The sums of a block to shared memory. */
DEV void FN(put)(float acc[THREAD_M][THREAD_N], float *tile) {
#pragma unroll
  for (int i = 0; i < THREAD_M; i++)
#pragma unroll
    for (int j = 0; j < THREAD_N; j++) tile[FN(own_row)(i) * SUMS_ROW + FN(own_column)(j)] = acc[i][j];
}

DEV void FN(chunk)(const kernel_args *args, const FN(place) *at, float *shared, partial *held, int *taken) {
  float acc[THREAD_M][THREAD_N];
  FN(sum)(args, at, at->m0, shared, acc);
  FN(put)(acc, shared);
  __syncthreads();
  FN(finish)(args, at, shared, held, taken);
  __syncthreads();
}

TEMPLATE_KERNEL(KERNEL_NAME, THREADS, 2) {
  KERNEL_GUARD();
  RGC_SHARED(shared);
  FN(place) at;
  partial held[PARTIALS_HELD * ROW];
  int taken = 0;
  for (int more = FN(first)(&args, &at); more; more = FN(next)(&at)) FN(chunk)(&args, &at, (float *)shared, held, &taken);
#if KERNEL_PARTIALS > 0
  FN(write_partials)(&args, &at, held, taken, (float *)shared);
#endif
}

#include "codegen/cuda/templates/contract_walk_end.cuh"
