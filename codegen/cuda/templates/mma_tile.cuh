/* mma_tile.cuh: BLOCK_M x BLOCK_N sums on tensor cores, shared out to warps. Included again by each template that uses it, so it has no guard.
 *
 * Warps of a block: BLOCK_M / WARP_M by BLOCK_N / WARP_N; a warp has THREAD_M / 2 by THREAD_N / 2 tiles of 16 x 8 (mma.sync m16n8k8).
 * MMA_PRODUCTS 1: operands are rounded to tf32 (10 bits of mantissa). 3: each is split in two such parts, x = high + low, and a product is
 * high * high + high * low + low * high: the error of what is left out, 2^-22, is about that of float32. */
#define WARP_M (THREAD_M * 8)
#define WARP_N (THREAD_N * 4)
#define WARPS_N (BLOCK_N / WARP_N)
#define TILES_M (THREAD_M / 2)
#define TILES_N (THREAD_N / 2)

DEV int FN(lane)(void) { return (int)threadIdx.x % 32; }
DEV int FN(warp_row)(void) { return (int)threadIdx.x / 32 / WARPS_N; }
DEV int FN(warp_column)(void) { return (int)threadIdx.x / 32 % WARPS_N; }
DEV int FN(own_row)(int i) { return FN(warp_row)() * WARP_M + i / 2 * 16 + i % 2 * 8 + FN(lane)() / 4; }
DEV int FN(own_column)(int j) { return FN(warp_column)() * WARP_N + j / 2 * 8 + FN(lane)() % 4 * 2 + j % 2; }

/* A float as tf32 parts. */
DEV void FN(split)(u32 value, u32 *high, u32 *low) {
  *high = tf32_round(__uint_as_float(value));
  *low = MMA_PRODUCTS == 3 ? tf32_round(__uint_as_float(value) - __uint_as_float(*high)) : 0u;
}

/* acc of one 16 x 8 tile. The smallest products first. */
DEV void FN(multiply)(float acc[THREAD_M][THREAD_N], int i, int j, const u32 *a_high, const u32 *a_low, const u32 *b_high, const u32 *b_low) {
  float d[4];
  d[0] = acc[2 * i][2 * j], d[1] = acc[2 * i][2 * j + 1], d[2] = acc[2 * i + 1][2 * j], d[3] = acc[2 * i + 1][2 * j + 1];
  if (MMA_PRODUCTS == 3) {
    mma_tf32(d, a_low, b_high[0], b_high[1]);
    mma_tf32(d, a_high, b_low[0], b_low[1]);
  }
  mma_tf32(d, a_high, b_high[0], b_high[1]);
  acc[2 * i][2 * j] = d[0], acc[2 * i][2 * j + 1] = d[1], acc[2 * i + 1][2 * j] = d[2], acc[2 * i + 1][2 * j + 1] = d[3];
}
