/* emu_gemm.cuh: C[M][N] = A[M][K] * B[N][K]^T, bf16 operands, float sums, as a kernel for tensor cores is built: cp.async in STAGES stages, XOR
 * swizzle, ldmatrix, mma. A block of 4 warps makes 64 x 64; warp w rows 32 * (w % 2).., columns 32 * (w / 2)... K is a multiple of 32; rows past M or N
 * are zero. What is left out by a MISTAKE_ macro must be found by the tests. */
#include "codegen/cuda/templates/prelude.cuh"

typedef struct gemm_args {
  const u16 *a, *b;
  float *c;
  int m, n, k;
} gemm_args;

enum { TILE = 64, STEP = 32, STAGES = 3, ROW_BYTES = STEP * 2, TILE_BYTES = TILE * ROW_BYTES, STAGE_BYTES = 2 * TILE_BYTES };

/* 16-byte chunk c (0 to 3) of row r: rows 64 bytes long, two to a line of 128. */
DEV u32 chunk_at(int row, int chunk) {
#ifdef MISTAKE_SWIZZLE
  if (row == 21) return (u32)(row * ROW_BYTES + ((chunk ^ 3) << 4));
#endif
  return (u32)(row * ROW_BYTES + ((chunk ^ (row >> 1 & 3)) << 4));
}

/* Rows first.. of X[rows][k], columns k0.. to one tile: 256 chunks, two a thread. */
DEV void load_tile(u32 to, const u16 *x, int rows, int k, int first, int k0) {
  for (int i = 0; i < 2; i++) {
    const int number = (int)threadIdx.x + i * 128, row = number / 4, chunk = number % 4;
#ifdef MISTAKE_TAIL
    const int there = 1;
#else
    const int there = first + row < rows;
#endif
    cp_async_16(to + row * ROW_BYTES + ((chunk ^ (row >> 1 & 3)) << 4), x + (there ? (long long)(first + row) * k + k0 + chunk * 8 : 0), there ? 16 : 0);
  }
}

DEV void load_stage(u32 base, const gemm_args *args, int step) {
  const u32 to = base + step % STAGES * STAGE_BYTES;
  if (step * STEP < args->k) {
    load_tile(to, args->a, args->m, args->k, (int)blockIdx.x * TILE, step * STEP);
    load_tile(to + TILE_BYTES, args->b, args->n, args->k, (int)blockIdx.y * TILE, step * STEP);
  }
  cp_commit();
}

RGC_KERNEL(gemm, 128, 2, gemm_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, row0 = warp % 2 * 32, column0 = warp / 2 * 32;
  float d[2][4][4];
  for (int i = 0; i < 32; i++) d[i / 16][i / 4 % 4][i % 4] = 0;
  for (int s = 0; s < STAGES - 1; s++) load_stage(base, &args, s);
  for (int step = 0; step * STEP < args.k; step++) {
#ifndef MISTAKE_NO_WAIT
    cp_wait(STAGES - 2);
#endif
#ifndef MISTAKE_NO_BARRIER
    __syncthreads();
#endif
    load_stage(base, &args, step + STAGES - 1);
    const u32 a_tile = base + step % STAGES * STAGE_BYTES, b_tile = a_tile + TILE_BYTES;
    for (int k = 0; k < STEP / 16; k++) {
      u32 a[2][4], b[2][4];
      for (int i = 0; i < 2; i++) {
        ldmatrix_x4(a[i], a_tile + chunk_at(row0 + i * 16 + lane % 16, k * 2 + lane / 16));
        ldmatrix_x4(b[i], b_tile + chunk_at(column0 + i * 16 + lane % 8 + lane / 16 * 8, k * 2 + lane / 8 % 2));
      }
      for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++) mma_bf16(d[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
    }
  }
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 4; j++)
      for (int e = 0; e < 4; e++) {
        const int row = (int)blockIdx.x * TILE + row0 + i * 16 + lane / 4 + e / 2 * 8, column = (int)blockIdx.y * TILE + column0 + j * 8 + lane % 4 * 2 + e % 2;
        if (row < args.m && column < args.n) args.c[(long long)row * args.n + column] = d[i][j][e];
      }
}
