/* prelude_emu.cuh: the prelude's primitives for the emulator; see prelude.cuh, whose rows these are. Compiled by the host's C compiler.
 *
 * Primitives are macros, so that each use is a site of its own (emu_calls.cuh). A kernel becomes a function that takes a pointer to
 * its args; beside it stands what the emulator checks a launch against. */
#ifndef RGC_CUDA_PRELUDE_EMU_CUH
#define RGC_CUDA_PRELUDE_EMU_CUH
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "codegen/cuda/templates/emu_calls.cuh"

static __thread emu_view *rgc_emu;
void rgc_emu_bind(emu_view *view) { rgc_emu = view; }

#define EMU_CALL(primitive, call, ...)                                      \
  ({                                                                        \
    static const emu_site emu_here = {#primitive, __FILE__, __LINE__};      \
    rgc_emu->call_##call(rgc_emu, &emu_here, __VA_ARGS__);                 \
  })

#ifdef RGC_EMU_WATCH
#include "codegen/cuda/templates/emu_watch.cuh"
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define DEV static inline
#define RGC_KERNEL(...) EMU_KERNEL(__VA_ARGS__)
#define EMU_KERNEL(name, threads, blocks, args_type)                        \
  static void name##_thread(const args_type args);                          \
  const unsigned int name##_limits[2] = {threads, sizeof(args_type)};       \
  void name(const void *args) { name##_thread(*(const args_type *)args); }  \
  static void name##_thread(const args_type args)
#define RGC_SHARED(name) unsigned char *const name = rgc_emu->shared
#define RGC_HAS_TMA 1
#define RGC_HAS_WGMMA 1

#define threadIdx (rgc_emu->thread)
#define blockIdx (rgc_emu->block)
#define blockDim (rgc_emu->block_size)
#define gridDim (rgc_emu->grid_size)
#define block_number() ((int)blockIdx.x)

typedef struct tensor_map {
  u64 opaque[16];
} __attribute__((aligned(64))) tensor_map;

typedef struct uint2 { unsigned int x, y; } __attribute__((aligned(8))) uint2;
typedef struct uint4 { unsigned int x, y, z, w; } __attribute__((aligned(16))) uint4;
typedef struct int2 { int x, y; } __attribute__((aligned(8))) int2;
typedef struct int4 { int x, y, z, w; } __attribute__((aligned(16))) int4;
typedef struct float2 { float x, y; } __attribute__((aligned(8))) float2;
typedef struct float4 { float x, y, z, w; } __attribute__((aligned(16))) float4;
typedef struct double2 { double x, y; } __attribute__((aligned(16))) double2;
DEV uint2 make_uint2(unsigned int x, unsigned int y) { return (uint2){x, y}; }
DEV uint4 make_uint4(unsigned int x, unsigned int y, unsigned int z, unsigned int w) { return (uint4){x, y, z, w}; }
DEV float2 make_float2(float x, float y) { return (float2){x, y}; }
DEV float4 make_float4(float x, float y, float z, float w) { return (float4){x, y, z, w}; }

/* Numbers. */
DEV float __uint_as_float(u32 bits) { float value; memcpy(&value, &bits, 4); return value; }
DEV u32 __float_as_uint(float value) { u32 bits; memcpy(&bits, &value, 4); return bits; }
DEV float __int_as_float(int bits) { return __uint_as_float((u32)bits); }
DEV int __float_as_int(float value) { return (int)__float_as_uint(value); }
DEV u32 __umulhi(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }
DEV float rsqrtf(float value) { return 1.0f / sqrtf(value); }
DEV float bf_lo(u32 pair) { return __uint_as_float(pair << 16); }
DEV float bf_hi(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
DEV float bf_float(u16 value) { return __uint_as_float((u32)value << 16); }
DEV u16 bf_round(float value) {
  u32 bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (u16)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}
DEV u32 bf_pack(float lo, float hi) { return bf_round(lo) | (u32)bf_round(hi) << 16; }
DEV float bf_nearest(float value) { return bf_float(bf_round(value)); }
DEV u32 tf32_round(float value) {
  u32 bits = __float_as_uint(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return bits & 0x7fffffu ? 0x7fffffffu : bits;
  return (bits + 0x1000u) & ~0x1fffu;
}

/* Memory. */
DEV u32 smem_u32(const void *pointer) { return (u32)((const unsigned char *)pointer - rgc_emu->shared) + EMU_SHARED_WINDOW; }
#define EMU_LOAD(primitive, where, T, address) (*(const T *)EMU_CALL(primitive, where, address, sizeof(T), 0))
#define EMU_STORE(primitive, where, T, address, value) (void)(*(T *)EMU_CALL(primitive, where, address, sizeof(T), 1) = (value))
#define lds_u16(address) EMU_LOAD(lds_u16, shared_at, u16, address)
#define lds_u32(address) EMU_LOAD(lds_u32, shared_at, u32, address)
#define lds_f32(address) EMU_LOAD(lds_f32, shared_at, float, address)
#define lds_v2(address) EMU_LOAD(lds_v2, shared_at, uint2, address)
#define lds_v4(address) EMU_LOAD(lds_v4, shared_at, uint4, address)
#define sts_u16(address, value) EMU_STORE(sts_u16, shared_at, u16, address, value)
#define sts_u32(address, value) EMU_STORE(sts_u32, shared_at, u32, address, value)
#define sts_f32(address, value) EMU_STORE(sts_f32, shared_at, float, address, value)
#define sts_v2(address, value) EMU_STORE(sts_v2, shared_at, uint2, address, value)
#define sts_v4(address, value) EMU_STORE(sts_v4, shared_at, uint4, address, value)
#define ldg_u16(from) EMU_LOAD(ldg_u16, global_at, u16, from)
#define ldg_u32(from) EMU_LOAD(ldg_u32, global_at, u32, from)
#define ldg_f32(from) EMU_LOAD(ldg_f32, global_at, float, from)
#define ldg_v2(from) EMU_LOAD(ldg_v2, global_at, uint2, from)
#define ldg_v4(from) EMU_LOAD(ldg_v4, global_at, uint4, from)
#define ld_u16(from) EMU_LOAD(ld_u16, global_at, u16, from)
#define ld_u32(from) EMU_LOAD(ld_u32, global_at, u32, from)
#define ld_f32(from) EMU_LOAD(ld_f32, global_at, float, from)
#define ld_v2(from) EMU_LOAD(ld_v2, global_at, uint2, from)
#define ld_v4(from) EMU_LOAD(ld_v4, global_at, uint4, from)
#define stg_u16(to, value) EMU_STORE(stg_u16, global_at, u16, to, value)
#define stg_u32(to, value) EMU_STORE(stg_u32, global_at, u32, to, value)
#define stg_f32(to, value) EMU_STORE(stg_f32, global_at, float, to, value)
#define stg_v2(to, value) EMU_STORE(stg_v2, global_at, uint2, to, value)
#define stg_v4(to, value) EMU_STORE(stg_v4, global_at, uint4, to, value)

/* Barriers and fences; blocks run one after another, so a ticket is a plain counter. */
#define __syncthreads() EMU_CALL(__syncthreads, barrier, 0, 0, 1)
#define __syncwarp() EMU_CALL(__syncwarp, sync_warp, 0)
#define bar_sync(id, threads) EMU_CALL(bar_sync, barrier, id, threads, 1)
#define bar_arrive(id, threads) EMU_CALL(bar_arrive, barrier, id, threads, 0)
#define fence_gpu() ((void)0)
#define __threadfence() ((void)0)
DEV u32 emu_take(u32 *counter, u32 count) {
  u32 taken = *counter;
  *counter = taken >= count - 1 ? 0 : taken + 1;
  return taken;
}
#define ticket_take(counter, count) emu_take(EMU_CALL(ticket_take, global_at, counter, 4, 1), count)

/* Warp. */
DEV int emu_lane(void) {
  const emu_index at = rgc_emu->thread, size = rgc_emu->block_size;
  return (int)((at.z * size.y + at.y) * size.x + at.x) & 31;
}
DEV u64 emu_bits(double value) { u64 bits; memcpy(&bits, &value, 8); return bits; }
DEV double emu_double(u64 bits) { double value; memcpy(&value, &bits, 8); return value; }
#define EMU_SHUFFLE_F(primitive, value, from) __uint_as_float((u32)EMU_CALL(primitive, shuffle, __float_as_uint(value), from))
DEV int emu_lane_down(int by) { return emu_lane() + by > 31 ? emu_lane() : emu_lane() + by; }
#define shfl_xor(value, mask) EMU_SHUFFLE_F(shfl_xor, value, emu_lane() ^ (mask))
#define shfl_xor_u32(value, mask) ((u32)EMU_CALL(shfl_xor_u32, shuffle, (u32)(value), emu_lane() ^ (mask)))
#define shfl_xor_f64(value, mask) emu_double(EMU_CALL(shfl_xor_f64, shuffle, emu_bits(value), emu_lane() ^ (mask)))
#define shfl_down(value, by) EMU_SHUFFLE_F(shfl_down, value, emu_lane_down(by))
#define shfl_from(value, from) EMU_SHUFFLE_F(shfl_from, value, (from) & 31)
#define shfl_from_u32(value, from) ((u32)EMU_CALL(shfl_from_u32, shuffle, (u32)(value), (from) & 31))
#define warp_ballot(predicate) EMU_CALL(warp_ballot, ballot, (predicate) != 0)
#define ldmatrix_x4(out, address) EMU_CALL(ldmatrix_x4, ldmatrix, out, address, 4, 0)
#define ldmatrix_x4_trans(out, address) EMU_CALL(ldmatrix_x4_trans, ldmatrix, out, address, 4, 1)
#define ldmatrix_x2(out, address) EMU_CALL(ldmatrix_x2, ldmatrix, out, address, 2, 0)
#define ldmatrix_x2_trans(out, address) EMU_CALL(ldmatrix_x2_trans, ldmatrix, out, address, 2, 1)
#define mma_bf16(d, a, b0, b1) EMU_CALL(mma_bf16, mma_bf16, d, a, b0, b1)
#define mma_tf32(d, a, b0, b1) EMU_CALL(mma_tf32, mma_tf32, d, a, b0, b1)

/* Asynchronous copies. */
#define cp_async_16(to, from, bytes) EMU_CALL(cp_async_16, cp_async, to, from, 16, bytes)
#define cp_async_8(to, from, bytes) EMU_CALL(cp_async_8, cp_async, to, from, 8, bytes)
#define cp_async_4(to, from, bytes) EMU_CALL(cp_async_4, cp_async, to, from, 4, bytes)
#define cp_commit() EMU_CALL(cp_commit, cp_commit, 0)
#define cp_wait(n) EMU_CALL(cp_wait, cp_wait, n)

#define mbar_init(bar, count) EMU_CALL(mbar_init, mbar_init, bar, count)
#define mbar_fence_init() ((void)0)
#define mbar_arrive(bar) EMU_CALL(mbar_arrive, mbar_arrive, bar, 0)
#define mbar_expect(bar, bytes) EMU_CALL(mbar_expect, mbar_arrive, bar, bytes)
#define mbar_try_wait(bar, parity) ((u32)EMU_CALL(mbar_try_wait, mbar_try_wait, bar, parity))
#define mbar_wait(bar, parity)                                                                 \
  do {                                                                                         \
    const u32 emu_bar = (bar), emu_parity = (parity);                                          \
    while (!EMU_CALL(mbar_wait, mbar_try_wait, emu_bar, emu_parity)) {}                        \
  } while (0)
#define mbar_arrive_cp(bar) EMU_CALL(mbar_arrive_cp, mbar_arrive_cp, bar)
#define fence_proxy_async() EMU_CALL(fence_proxy_async, fence_proxy_async, 0)

#define tma_load_im2col(to, map, bar, c, w, h, n, off_w, off_h) \
  EMU_CALL(tma_load_im2col, tma_load, to, map, bar, ((emu_box){{c, w, h, n}, {off_w, off_h}, 4}))
#define tma_load_2d(to, map, bar, x, y) EMU_CALL(tma_load_2d, tma_load, to, map, bar, ((emu_box){{x, y, 0, 0}, {0, 0}, 2}))
#define tma_load_3d(to, map, bar, x, y, z) EMU_CALL(tma_load_3d, tma_load, to, map, bar, ((emu_box){{x, y, z, 0}, {0, 0}, 3}))
#define tma_prefetch_map(map) ((void)(map))

#define setmaxnreg_dec(n) ((void)0)
#define setmaxnreg_inc(n) ((void)0)
#define wgmma_fence() EMU_CALL(wgmma_fence, wgmma_fence, 0)
#define wgmma_commit() EMU_CALL(wgmma_commit, wgmma_commit, 0)
#define wgmma_wait(n) EMU_CALL(wgmma_wait, wgmma_wait, n)
#define wgmma_ss_n64(d, a, b, scale_d) EMU_CALL(wgmma_ss_n64, wgmma, 64, 0, d, 0, a, b, scale_d)
#define wgmma_ss_n128(d, a, b, scale_d) EMU_CALL(wgmma_ss_n128, wgmma, 128, 0, d, 0, a, b, scale_d)
#define wgmma_ss_n256(d, a, b, scale_d) EMU_CALL(wgmma_ss_n256, wgmma, 256, 0, d, 0, a, b, scale_d)
#define wgmma_ss_n64_trans(d, a, b, scale_d) EMU_CALL(wgmma_ss_n64_trans, wgmma, 64, 1, d, 0, a, b, scale_d)
#define wgmma_ss_n128_trans(d, a, b, scale_d) EMU_CALL(wgmma_ss_n128_trans, wgmma, 128, 1, d, 0, a, b, scale_d)
#define wgmma_ss_n256_trans(d, a, b, scale_d) EMU_CALL(wgmma_ss_n256_trans, wgmma, 256, 1, d, 0, a, b, scale_d)
#define wgmma_rs_n64(d, a, b, scale_d) EMU_CALL(wgmma_rs_n64, wgmma, 64, 0, d, a, 0, b, scale_d)
#define wgmma_rs_n128(d, a, b, scale_d) EMU_CALL(wgmma_rs_n128, wgmma, 128, 0, d, a, 0, b, scale_d)
#define wgmma_rs_n256(d, a, b, scale_d) EMU_CALL(wgmma_rs_n256, wgmma, 256, 0, d, a, 0, b, scale_d)
#define wgmma_rs_n64_trans(d, a, b, scale_d) EMU_CALL(wgmma_rs_n64_trans, wgmma, 64, 1, d, a, 0, b, scale_d)
#define wgmma_rs_n128_trans(d, a, b, scale_d) EMU_CALL(wgmma_rs_n128_trans, wgmma, 128, 1, d, a, 0, b, scale_d)
#define wgmma_rs_n256_trans(d, a, b, scale_d) EMU_CALL(wgmma_rs_n256_trans, wgmma, 256, 1, d, a, 0, b, scale_d)
#endif
