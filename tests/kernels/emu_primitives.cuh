/* emu_primitives.cuh: a kernel a primitive, each as plain as can be: global arrays in, global arrays out. */
#include "codegen/cuda/templates/prelude.cuh"

typedef struct primitive_args {
  const u32 *in;
  const float *in_f;
  u32 *out;
  float *out_f;
  double *out_d;
  int count;
} primitive_args;

/* in_f[2 * count] -> out[i] = bf_pack of two, out[count + 2i ...] = tf32 bits; out_f the way back. One thread an element. */
RGC_KERNEL(convert, 128, 1, primitive_args) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= args.count) return;
  const u32 pair = bf_pack(args.in_f[2 * i], args.in_f[2 * i + 1]);
  args.out[i] = pair;
  args.out[args.count + 2 * i] = tf32_round(args.in_f[2 * i]);
  args.out[args.count + 2 * i + 1] = tf32_round(args.in_f[2 * i + 1]);
  args.out_f[2 * i] = bf_lo(pair);
  args.out_f[2 * i + 1] = bf_float(bf_round(args.in_f[2 * i + 1]));
  if (bf_hi(pair) != args.out_f[2 * i + 1] && args.in_f[2 * i + 1] == args.in_f[2 * i + 1]) args.out_f[2 * i + 1] = -1234.0f;
}

/* 64 threads: out[thread * 6 ..], out_d[thread]. */
RGC_KERNEL(shuffles, 64, 1, primitive_args) {
  const int t = (int)threadIdx.x;
  const float f = args.in_f[t];
  const u32 u = args.in[t];
  u32 *out = args.out + t * 6;
  out[0] = __float_as_uint(shfl_xor(f, 5));
  out[1] = shfl_xor_u32(u, 16);
  out[2] = __float_as_uint(shfl_down(f, 3));
  out[3] = __float_as_uint(shfl_from(f, 7));
  out[4] = shfl_from_u32(u, 31);
  out[5] = warp_ballot(u & 1);
  args.out_d[t] = shfl_xor_f64((double)f * 1.0e-9 + 1.0, 1);
  __syncwarp();
}

/* One warp. in: four 8x8 matrices of u16, rows one after another; out[lane * 12 ..]: x4, x4_trans, x2, x2_trans. Rows in shared memory lie
 * 48 bytes apart. */
RGC_KERNEL(load_matrices, 32, 1, primitive_args) {
  RGC_SHARED(shared);
  const int lane = (int)threadIdx.x;
  const u32 base = smem_u32(shared);
  sts_v4(base + lane * 48, ldg_v4(args.in + lane * 4));
  __syncwarp();
  ldmatrix_x4(args.out + lane * 12, base + lane * 48);
  ldmatrix_x4_trans(args.out + lane * 12 + 4, base + lane * 48);
  ldmatrix_x2(args.out + lane * 12 + 8, base + (lane & 15) * 48);
  ldmatrix_x2_trans(args.out + lane * 12 + 10, base + (lane & 15) * 48);
}

/* One warp, two products of registers filled straight from the matrices. in_f: A[16][16], B[16][8], D[16][8], then tf32's A[16][8], B[8][8];
 * out_f: D of bf16, D of tf32. */
RGC_KERNEL(products, 32, 1, primitive_args) {
  const int g = (int)threadIdx.x / 4, t = (int)threadIdx.x % 4;
  const float *a = args.in_f, *b = a + 256, *c = b + 128, *ta = c + 128, *tb = ta + 128;
  u32 x[4], y[2];
  float d[4], e[4];
  for (int i = 0; i < 4; i++) {
    const float *at = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
    x[i] = bf_pack(at[0], at[1]);
    d[i] = e[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  }
  for (int i = 0; i < 2; i++) y[i] = bf_pack(b[(2 * t + 8 * i) * 8 + g], b[(2 * t + 1 + 8 * i) * 8 + g]);
  mma_bf16(d, x, y[0], y[1]);
  for (int i = 0; i < 4; i++) x[i] = tf32_round(ta[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
  for (int i = 0; i < 2; i++) y[i] = tf32_round(tb[(t + 4 * i) * 8 + g]);
  mma_tf32(e, x, y[0], y[1]);
  for (int i = 0; i < 4; i++) {
    args.out_f[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
    args.out_f[128 + (g + i / 2 * 8) * 8 + 2 * t + i % 2] = e[i];
  }
}

/* 32 threads: thread t copies t % 17 bytes of 16, t % 9 of 8, t % 5 of 4. out: what then lies in shared memory, 28 bytes a thread. */
RGC_KERNEL(copies, 32, 1, primitive_args) {
  RGC_SHARED(shared);
  const int t = (int)threadIdx.x;
  const u32 base = smem_u32(shared);
  const u8 *from = (const u8 *)args.in;
  cp_async_16(base + t * 16, from + t * 16, t % 17);
  cp_commit();
  cp_async_8(base + 512 + t * 8, from + t * 8, t % 9);
  cp_async_4(base + 768 + t * 4, from + t * 4, t % 5);
  cp_commit();
  cp_wait(1);
  for (int i = 0; i < 4; i++) args.out[t * 7 + i] = lds_u32(base + t * 16 + i * 4);
  cp_wait(0);
  for (int i = 0; i < 2; i++) args.out[t * 7 + 4 + i] = lds_u32(base + 512 + t * 8 + i * 4);
  args.out[t * 7 + 6] = lds_u32(base + 768 + t * 4);
}

/* Typed accesses: 64 threads, out[t * 4 ..]. */
RGC_KERNEL(accesses, 64, 1, primitive_args) {
  RGC_SHARED(shared);
  const int t = (int)threadIdx.x;
  const u32 base = smem_u32(shared);
  uint2 pair = ldg_v2(args.in + 2 * t);
  sts_v2(base + t * 8, pair);
  sts_f32(base + 512 + t * 4, ldg_f32(args.in_f + t));
  sts_u16(base + 768 + t * 2, ldg_u16((const u16 *)args.in + t));
  __syncthreads();
  pair = lds_v2(base + (63 - t) * 8);
  stg_u32(args.out + t * 4, pair.x);
  stg_u32(args.out + t * 4 + 1, pair.y);
  stg_f32(args.out + t * 4 + 2, lds_f32(base + 512 + (63 - t) * 4));
  /* what the thread itself wrote, and what nobody writes */
  const uint2 own = ld_v2(args.out + t * 4), same = ldg_v2(args.in + 2 * t);
  const uint4 four = ld_v4(args.in + t / 2 * 4);
  u32 apart = (own.x - pair.x) | (ld_u32(args.out + t * 4 + 1) - pair.y) | (u32)(ld_u16(args.in + t) ^ ldg_u16(args.in + t));
  apart |= ((t % 2 ? four.z : four.x) - same.x) | ((t % 2 ? four.w : four.y) - same.y) | (u32)(ld_f32(args.out + t * 4 + 2) != lds_f32(base + 512 + (63 - t) * 4));
  stg_u32(args.out + t * 4 + 3, (u32)lds_u16(base + 768 + (63 - t) * 2) + apart + lds_u32(base) * 0);
}

/* Four warps, in a ring through named barriers: warp w adds w to what warp w - 1 left. And blocks take tickets: the last one adds up. */
RGC_KERNEL(turns, 128, 1, primitive_args) {
  RGC_SHARED(shared);
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  u32 *held = (u32 *)shared, *number = held + 32;
  if (warp == 0) held[lane] = (u32)lane + blockIdx.x;
  if (warp > 0) bar_sync(warp, 64);
  if (warp > 0) held[lane] = held[lane] * 3 + (u32)warp;
  if (warp < 3) bar_arrive(warp + 1, 64);
  __syncthreads();
  if (warp == 0) args.out[1 + blockIdx.x * 32 + lane] = held[lane];
  fence_gpu();
  __syncthreads();
  if (threadIdx.x == 0) *number = ticket_take(args.out, gridDim.x);
  __syncthreads();
  if (*number != gridDim.x - 1 || warp) return;
  u32 sum = 0;
  for (int block = 0; block < (int)gridDim.x; block++) sum += args.out[1 + block * 32 + lane];
  args.out[1 + gridDim.x * 32 + lane] = sum;
}
