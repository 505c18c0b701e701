/* mma_bf16_products.cuh: a warp's products of 16 k, of the tiles that lie in a stage: A at its begin, B at A_BYTES. Included again by each template
 * that uses mma_bf16.cuh, behind it.
 *
 * In, as macros (undefined at the end): A_TRANSPOSED, A is [k][BLOCK_M] instead of [BLOCK_M][k]; B_TRANSPOSED, B is [k][BLOCK_N] instead of
 * [BLOCK_N][k]. k runs over BLOCK_K; the products are those of kk to kk + 15. */
DEV void FN(products)(u32 stage, int kk, float acc[THREAD_M][THREAD_N]) {
  u32 a[TILES_M][4];
#pragma unroll
  for (int i = 0; i < TILES_M; i++) {
#if A_TRANSPOSED
    FN(read_a_trans)(a[i], stage, FN(warp_row)() * WARP_M + i * 16, kk, BLOCK_M);
#else
    FN(read_a)(a[i], stage, FN(warp_row)() * WARP_M + i * 16, kk, BLOCK_K);
#endif
  }
#pragma unroll
  for (int j = 0; j < TILES_N; j += 2) {
    u32 b[4];
#if B_TRANSPOSED
    FN(read_b_trans)(b, stage + A_BYTES, FN(warp_column)() * WARP_N + j * 8, kk, BLOCK_N);
#else
    FN(read_b)(b, stage + A_BYTES, FN(warp_column)() * WARP_N + j * 8, kk, BLOCK_K);
#endif
#pragma unroll
    for (int i = 0; i < TILES_M; i++) {
      FN(multiply)(acc, i, j, a[i], b);
      FN(multiply)(acc, i, j + 1, a[i], b + 2);
    }
  }
}
#undef A_TRANSPOSED
#undef B_TRANSPOSED
