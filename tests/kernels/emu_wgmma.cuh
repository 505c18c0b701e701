/* emu_wgmma.cuh: one product of 64 x COLUMNS x 32, as the registers and descriptors say; the test lays out what they name.
 *
 * image: shared memory as it shall be, 16 bytes a number; a: [64][32] bf16; leading: bytes from 64 columns to the next; d: [64][COLUMNS]. */
#include "codegen/cuda/templates/prelude.cuh"

#define PASTE3_(a, b, c) a##b##c
#define PASTE3(a, b, c) PASTE3_(a, b, c)
#define WGMMA PASTE3(wgmma_rs_n, COLUMNS, _trans)

typedef struct product_args {
  const uint4 *image;
  const u16 *a;
  float *d;
  int image_count, leading;
} product_args;

RGC_KERNEL(product, 128, 1, product_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  const int row = (int)threadIdx.x / 32 * 16 + (int)threadIdx.x % 32 / 4, pair = (int)threadIdx.x % 4 * 2;
  float d[COLUMNS / 2];
  u32 a[2][4];
  for (int i = (int)threadIdx.x; i < args.image_count; i += 128) sts_v4(base + 16 * i, ldg_v4(args.image + i));
  fence_proxy_async();
  __syncthreads();
#pragma unroll
  for (int i = 0; i < COLUMNS / 2; i++) d[i] = 0.0f;
#pragma unroll
  for (int k = 0; k < 2; k++)
#pragma unroll
    for (int e = 0; e < 4; e++) a[k][e] = ldg_u32(args.a + (row + e % 2 * 8) * 32 + 16 * k + e / 2 * 8 + pair);
  wgmma_fence();
#pragma unroll
  for (int k = 0; k < 2; k++) WGMMA(d, a[k], wgmma_desc_of(base, (u32)args.leading) + k * 128, 1);
  wgmma_commit();
  wgmma_wait(0);
#pragma unroll
  for (int i = 0; i < COLUMNS / 2; i++) args.d[(row + i / 2 % 2 * 8) * COLUMNS + i / 4 * 8 + pair + i % 2] = d[i];
}
