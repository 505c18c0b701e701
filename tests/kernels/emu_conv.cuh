/* emu_conv.cuh: a forward convolution, NHWC by KRSC, as a kernel for sm_90a is built: warpgroup 0 loads with TMA (im2col for x, tiled for w), warpgroups 1
 * and 2 multiply 64 pixels each with wgmma, mbarriers between them. C is a multiple of 64, K of COLUMNS. With A_FROM_REGISTERS, x is max(x, 0)
 * on its way from shared memory to registers. */
#include "codegen/cuda/templates/prelude.cuh"

#if RGC_HAS_WGMMA
typedef struct conv_args {
  tensor_map x, w;
  float *y; /* [N * P * Q][K] */
  int n, p, q, c, k, kernel, stride, pad;
} conv_args;

#ifndef COLUMNS
#define COLUMNS 64
#endif
#define CONV_PASTE(a, b) a##b
#define CONV_NAME(a, b) CONV_PASTE(a, b)
enum { PIXELS = 128, CHANNELS = 64, STAGES = 3, X_BYTES = PIXELS * 128, W_BYTES = COLUMNS * 128, STAGE_BYTES = X_BYTES + W_BYTES };

DEV void produce(u32 base, const conv_args *args) {
  const u32 full = base + STAGES * STAGE_BYTES, empty = full + 8 * STAGES;
  const int m = (int)blockIdx.x * PIXELS, q = m % args->q, p = m / args->q % args->p, n = m / (args->q * args->p);
  const int steps = args->kernel * args->kernel * args->c / CHANNELS, per_tap = args->c / CHANNELS;
  for (int step = 0; step < steps; step++) {
    const int stage = step % STAGES, tap = step / per_tap, c = step % per_tap * CHANNELS;
#ifndef MISTAKE_NO_EMPTY
    mbar_wait(empty + 8 * stage, (step / STAGES & 1) ^ 1);
#endif
    mbar_expect(full + 8 * stage, STAGE_BYTES);
    tma_load_im2col(base + stage * STAGE_BYTES, &args->x, full + 8 * stage, c, q * args->stride - args->pad, p * args->stride - args->pad, n,
                    (u16)(tap % args->kernel), (u16)(tap / args->kernel));
    tma_load_2d(base + stage * STAGE_BYTES + X_BYTES, &args->w, full + 8 * stage, step * CHANNELS, (int)blockIdx.y * COLUMNS);
  }
}

DEV void consume(u32 base, const conv_args *args, int group, float *d) {
  const u32 full = base + STAGES * STAGE_BYTES, empty = full + 8 * STAGES;
  const int steps = args->kernel * args->kernel * args->c / CHANNELS, lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32 % 4;
  for (int step = 0; step < steps; step++) {
    const int stage = step % STAGES;
    const u32 x = base + stage * STAGE_BYTES + group * 64 * 128, w = base + stage * STAGE_BYTES + X_BYTES;
#ifndef MISTAKE_NO_FULL
    mbar_wait(full + 8 * stage, step / STAGES & 1);
#endif
#ifdef A_FROM_REGISTERS
    u32 a[4][4];
    for (int k = 0; k < 4; k++) {
      const int row = warp * 16 + lane % 16, chunk = k * 2 + lane / 16;
      ldmatrix_x4(a[k], x + row * 128 + ((chunk ^ (row & 7)) << 4));
      for (int i = 0; i < 4; i++) a[k][i] = bf_pack(fmaxf(bf_lo(a[k][i]), 0.0f), fmaxf(bf_hi(a[k][i]), 0.0f));
    }
    wgmma_fence();
    for (int k = 0; k < 4; k++) CONV_NAME(wgmma_rs_n, COLUMNS)(d, a[k], wgmma_desc(w) + k * 2, step > 0 || k > 0);
#else
    (void)lane, (void)warp;
    wgmma_fence();
    for (int k = 0; k < 4; k++) CONV_NAME(wgmma_ss_n, COLUMNS)(d, wgmma_desc(x) + k * 2, wgmma_desc(w) + k * 2, step > 0 || k > 0);
#endif
    wgmma_commit();
    wgmma_wait(0);
    if (threadIdx.x % 128 == 0) mbar_arrive(empty + 8 * stage);
  }
}

RGC_KERNEL(conv, 384, 1, conv_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared), full = base + STAGES * STAGE_BYTES;
  const int group = (int)threadIdx.x / 128 - 1, lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32 % 4;
  if (threadIdx.x == 0) {
    for (int i = 0; i < STAGES; i++) {
      mbar_init(full + 8 * i, 1);
      mbar_init(full + 8 * (STAGES + i), 2);
    }
    mbar_fence_init();
  }
  __syncthreads();
  if (group < 0) {
    setmaxnreg_dec(40);
    if (threadIdx.x == 0) produce(base, &args);
    return;
  }
  setmaxnreg_inc(232);
  float d[COLUMNS / 2];
  for (int i = 0; i < COLUMNS / 2; i++) d[i] = 0;
  consume(base, &args, group, d);
  for (int i = 0; i < COLUMNS / 2; i++) {
    const int m = (int)blockIdx.x * PIXELS + group * 64 + warp * 16 + lane / 4 + i / 2 % 2 * 8;
    const int k = (int)blockIdx.y * COLUMNS + i / 4 * 8 + lane % 4 * 2 + i % 2;
    if (m < args.n * args.p * args.q) args.y[(long long)m * args.k + k] = d[i];
  }
}
#endif
