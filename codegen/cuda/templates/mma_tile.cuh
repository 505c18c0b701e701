/* mma_tile.cuh: float32 products on tensor cores (mma.sync m16n8k8). Included again by each template that uses it, so it has no guard.
 *
 * MMA_PRODUCTS 1: operands are rounded to tf32 (10 bits of mantissa). 3: each is split in two such parts, x = high + low, and a product is
 * high * high + high * low + low * high: the error of what is left out, 2^-22, is about that of float32. */
#include "codegen/cuda/templates/mma_warp.cuh"

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
