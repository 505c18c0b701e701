/* mma_bf16.cuh: bf16 products on tensor cores (mma.sync m16n8k16), operands from tiles in shared memory. Included again by each template that
 * uses it, so it has no guard; mma_tile_end.cuh ends it.
 *
 * A tile [rows][columns] of bf16 lies in chunks of 8, 16 bytes each; columns are 32 or a multiple of 64. Chunk j of row r is at place j ^ (r & 7)
 * of its row (of 4 chunks: j ^ (r / 2 & 3)), so the chunks that ldmatrix reads at once, j of 8 rows one below the other, are in all 32 banks
 * once; so are those of a row, which copies write. */
#include "codegen/cuda/templates/mma_warp.cuh"

/* Byte of an element. */
DEV u32 FN(tile_byte)(int row, int column, int columns) {
  const int chunks = columns / 8, chunk = column / 8 ^ (chunks == 4 ? row / 2 & 3 : row & 7);
  return (u32)((row * chunks + chunk) * 16 + column % 8 * 2);
}

/* A[16][16] for a product, of a tile [m][k] or, _trans, [k][m], from (m, k) on. */
DEV void FN(read_a)(u32 *a, u32 tile, int m, int k, int columns) {
  const int lane = FN(lane)();
  ldmatrix_x4(a, tile + FN(tile_byte)(m + lane % 16, k + lane / 16 * 8, columns));
}
DEV void FN(read_a_trans)(u32 *a, u32 tile, int m, int k, int columns) {
  const int lane = FN(lane)();
  ldmatrix_x4_trans(a, tile + FN(tile_byte)(k + lane / 16 * 8 + lane % 8, m + lane / 8 % 2 * 8, columns));
}

/* B[16][16], two products wide, of a tile [n][k] or, _trans, [k][n]: b[0], b[1] are the first's, b[2], b[3] the second's. */
DEV void FN(read_b)(u32 *b, u32 tile, int n, int k, int columns) {
  const int lane = FN(lane)();
  ldmatrix_x4(b, tile + FN(tile_byte)(n + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * 8, columns));
}
DEV void FN(read_b_trans)(u32 *b, u32 tile, int n, int k, int columns) {
  const int lane = FN(lane)();
  ldmatrix_x4_trans(b, tile + FN(tile_byte)(k + lane / 8 % 2 * 8 + lane % 8, n + lane / 16 * 8, columns));
}

/* acc of one 16 x 8 tile. */
DEV void FN(multiply)(float acc[THREAD_M][THREAD_N], int i, int j, const u32 *a, const u32 *b) {
  float d[4];
  d[0] = acc[2 * i][2 * j], d[1] = acc[2 * i][2 * j + 1], d[2] = acc[2 * i + 1][2 * j], d[3] = acc[2 * i + 1][2 * j + 1];
  mma_bf16(d, a, b[0], b[1]);
  acc[2 * i][2 * j] = d[0], acc[2 * i][2 * j + 1] = d[1], acc[2 * i + 1][2 * j] = d[2], acc[2 * i + 1][2 * j + 1] = d[3];
}

DEV void FN(clear)(float acc[THREAD_M][THREAD_N]) {
#pragma unroll
  for (int i = 0; i < THREAD_M; i++)
#pragma unroll
    for (int j = 0; j < THREAD_N; j++) acc[i][j] = 0.0f;
}
