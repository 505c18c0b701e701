/* emu_mistakes.cuh: kernels that are wrong, one mistake each; test_emu_mistakes.c knows what is to be said of them, and at which line. */
#include "codegen/cuda/templates/prelude.cuh"

typedef struct mistake_args {
  float *x; /* [count] */
  int count;
} mistake_args;

RGC_KERNEL(half_a_block_waits, 128, 1, mistake_args) {
  if (threadIdx.x < 64) __syncthreads(); /* LINE deadlock */
  else bar_sync(1, 128);
}

RGC_KERNEL(split_shuffle, 32, 1, mistake_args) {
  float v = args.x[threadIdx.x];
  if (threadIdx.x < 16) v = shfl_xor(v, 1);
  else v = shfl_xor(v, 2);
  args.x[threadIdx.x] = v;
}

RGC_KERNEL(shuffle_after_the_end, 64, 1, mistake_args) {
  if (threadIdx.x == 40) return;
  args.x[threadIdx.x] = shfl_xor(1.0f, 1);
}

RGC_KERNEL(split_barrier, 64, 1, mistake_args) {
  if (threadIdx.x & 1) __syncthreads();
  else __syncthreads(); /* another one */
}

RGC_KERNEL(shared_past_the_end, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  cp_async_16(base + threadIdx.x * 16, args.x, 16); /* 512 bytes, and there are 496 */
  cp_commit();
  cp_wait(0);
}

RGC_KERNEL(shared_misaligned, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  u32 r[4];
  const u32 base = smem_u32(shared);
  sts_v4(base + threadIdx.x * 16, ldg_v4(args.x));
  __syncwarp();
  ldmatrix_x4(r, base + (threadIdx.x == 9 ? 8 : threadIdx.x * 16));
  args.x[threadIdx.x] = (float)r[0];
}

RGC_KERNEL(ordinary_shared_past_the_end, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  ((float *)shared)[threadIdx.x * 64] = 1.0f; /* up to byte 7936 */
  __syncthreads();
}

RGC_KERNEL(ordinary_shared_just_past_the_end, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  ((float *)shared)[threadIdx.x] = 1.0f; /* 128 bytes, and there are 124 */
}

RGC_KERNEL(global_past_the_end, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  cp_async_16(base + threadIdx.x * 16, args.x + args.count - 64 + (int)threadIdx.x * 4, 16);
  cp_commit();
  cp_wait(0);
}

RGC_KERNEL(ordinary_global_past_the_end, 32, 1, mistake_args) { args.x[args.count - 31 + (int)threadIdx.x] = 1.0f; }

RGC_KERNEL(read_before_write, 64, 1, mistake_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  if (threadIdx.x >= 32) sts_f32(base + (threadIdx.x - 32) * 4, args.x[threadIdx.x]);
  if (threadIdx.x < 32) args.x[threadIdx.x] = lds_f32(base + threadIdx.x * 4); /* no __syncthreads before */
}

RGC_KERNEL(copy_without_wait, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared) + threadIdx.x * 16;
  cp_async_16(base, args.x, 16);
  cp_commit();
  args.x[threadIdx.x] = lds_f32(base);
}

RGC_KERNEL(ordinary_race, 64, 1, mistake_args) {
  RGC_SHARED(shared);
  float *held = (float *)shared;
  held[threadIdx.x] = 0.0f;
  __syncthreads();
  held[threadIdx.x] = args.x[threadIdx.x];
  args.x[threadIdx.x] = held[threadIdx.x ^ 32]; /* of the other warp */
}

RGC_KERNEL(ordinary_overwrite, 64, 1, mistake_args) {
  RGC_SHARED(shared);
  float *held = (float *)shared;
  if (threadIdx.x < 32) held[threadIdx.x] = args.x[threadIdx.x];
  __syncthreads();
  const float v = held[threadIdx.x % 32];
  if (threadIdx.x < 32) held[threadIdx.x] = v + 1.0f; /* the other warp may not have read it */
  args.x[threadIdx.x] = v;
}

RGC_KERNEL(ordinary_read_of_a_copy, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  cp_async_16(smem_u32(shared) + threadIdx.x * 16, args.x, 16);
  cp_commit();
  args.x[threadIdx.x] = ((float *)shared)[threadIdx.x * 4];
}

RGC_KERNEL(ordinary_read_of_nothing, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  args.x[threadIdx.x] = ((float *)shared)[threadIdx.x];
}

RGC_KERNEL(ordinary_misaligned, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  ((float *)shared)[threadIdx.x] = 1.0f;
  __syncthreads();
  args.x[threadIdx.x] = (float)((u64 *)(shared + 4))[threadIdx.x % 8];
}

#if RGC_HAS_TMA
RGC_KERNEL(wait_for_bytes_that_never_come, 64, 1, mistake_args) {
  RGC_SHARED(shared);
  const u32 bar = smem_u32(shared);
  if (threadIdx.x == 0) {
    mbar_init(bar, 1);
    mbar_fence_init();
    mbar_expect(bar, 256);
  }
  __syncthreads();
  if (threadIdx.x < 32) mbar_wait(bar, 0); /* LINE mbarrier */
  __syncthreads();
}

RGC_KERNEL(too_many_arrivals, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  const u32 bar = smem_u32(shared);
  if (threadIdx.x == 0) {
    mbar_init(bar, 2);
    mbar_expect(bar, 16);
  }
  __syncwarp();
  mbar_arrive(bar);
}

RGC_KERNEL(barrier_without_init, 32, 1, mistake_args) {
  RGC_SHARED(shared);
  mbar_arrive(smem_u32(shared));
}
#endif

#if RGC_HAS_WGMMA
/* 64 x 64 of zeros, twice: A and B. */
DEV void clear_operands(unsigned char *shared) {
  for (int i = (int)threadIdx.x; i < 2 * 64 * 128 / 4; i += 128) ((float *)shared)[i] = 0.0f;
}

RGC_KERNEL(stores_that_wgmma_does_not_see, 128, 1, mistake_args) {
  RGC_SHARED(shared);
  float d[32];
  clear_operands(shared);
  __syncthreads();
  for (int i = 0; i < 32; i++) d[i] = 0.0f;
  wgmma_fence();
  wgmma_ss_n64(d, wgmma_desc(smem_u32(shared)), wgmma_desc(smem_u32(shared) + 64 * 128), 1);
  wgmma_commit();
  wgmma_wait(0);
  args.x[threadIdx.x] = d[0];
}

/* Products of A in registers and of columns that a descriptor says. */
DEV void multiply_columns(unsigned char *shared, u64 columns) {
  float d[64];
  u32 a[4];
  clear_operands(shared);
  fence_proxy_async();
  __syncthreads();
  for (int i = 0; i < 64; i++) d[i] = 0.0f;
  for (int i = 0; i < 4; i++) a[i] = 0u;
  wgmma_fence();
  wgmma_rs_n128_trans(d, a, columns, 1);
  wgmma_commit();
  wgmma_wait(0);
}
RGC_KERNEL(columns_within_a_pattern, 128, 1, mistake_args) {
  RGC_SHARED(shared);
  multiply_columns(shared, wgmma_desc_trans(smem_u32(shared)) + 4 * (args.count / 128));
}
RGC_KERNEL(columns_half_a_pattern_apart, 128, 1, mistake_args) {
  RGC_SHARED(shared);
  multiply_columns(shared, wgmma_desc_of(smem_u32(shared), 2 * (u32)args.count));
}

RGC_KERNEL(operand_changed_before_the_wait, 128, 1, mistake_args) {
  RGC_SHARED(shared);
  float d[32];
  u32 a[4];
  clear_operands(shared);
  fence_proxy_async();
  __syncthreads();
  for (int i = 0; i < 32; i++) d[i] = 0.0f;
  for (int i = 0; i < 4; i++) a[i] = 0u;
  wgmma_fence();
  wgmma_rs_n64(d, a, wgmma_desc(smem_u32(shared)), 1);
  wgmma_commit();
  a[2] = (u32)args.count;
  wgmma_wait(0);
  args.x[threadIdx.x] = d[0] + (float)a[2];
}
#endif

RGC_KERNEL(divide_by_zero, 32, 1, mistake_args) { args.x[threadIdx.x] = (float)(7 / (args.count - 256)); }

DEV float deep(float *x, int n) {
  float local[40000];
  for (int i = 0; i < 40000; i++) local[i] = x[i % 256] + (float)n;
  for (int i = 0; i < 40000; i++) local[i] += local[(i * 7 + n) % 40000];
  return local[n % 40000] + (n > 0 ? x[n] : 0.0f);
}
RGC_KERNEL(large_arrays, 32, 1, mistake_args) { args.x[threadIdx.x] = deep(args.x, args.count - 256); }
