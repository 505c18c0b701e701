/* prelude.cuh: what a CUDA kernel of rgc is written with, and all that differs between a GPU and the emulator.
 *
 * Kernels are C that is also CUDA C++: no templates, no classes, no void* that converts by itself, array sizes as macros or enums,
 * no designated initialisers. No header of CUDA is read: they cost more time to compile than the kernels do. On a GPU the
 * primitives are inline PTX; with RGC_EMU they are prelude_emu.cuh, calls into runtime/device/emu, and the host's C compiler
 * takes the same kernel. Each primitive is a row here and a row there, under one name.
 *
 *   RGC_KERNEL(name, threads, blocks, args_type) { ... }    one parameter, a struct: args. At most `threads` in a block; registers
 *                                                           such that `blocks` of them fit on one SM
 *   RGC_SHARED(name);                                       dynamic shared memory, 1024-aligned bytes; the only kind there is
 *   DEV                                                     before each function that is no kernel
 *
 * "Shared address": u32 in the shared window, from smem_u32(). "Warp": all 32 lanes must get there, at the same line.
 *
 * What an architecture has: RGC_HAS_TMA (mbarrier, TMA, setmaxnreg: sm_90 and later), RGC_HAS_WGMMA (sm_90a only). */
#ifndef RGC_CUDA_PRELUDE_CUH
#define RGC_CUDA_PRELUDE_CUH

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#ifdef RGC_EMU
#include "codegen/cuda/templates/prelude_emu.cuh"
#else

#define DEV static __device__ __forceinline__
/* NAME_limits tells who reads the cubin what is declared (runtime/device/cubin.c). */
#define RGC_KERNEL(name, threads, blocks, args_type) \
  extern "C" __device__ const int name##_limits[2] = {threads, blocks}; \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ args_type args)
#define RGC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]

#define RGC_HAS_TMA (__CUDA_ARCH__ >= 900)
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define RGC_HAS_WGMMA 1
#else
#define RGC_HAS_WGMMA 0
#endif

/* A tensor map of TMA as a member of a kernel's args; the host fills it (cuTensorMapEncode*). */
struct __align__(64) tensor_map {
  u64 opaque[16];
};
typedef struct tensor_map tensor_map;

/* blockIdx.x, read again at each call: what follows from it need not be kept in registers. */
DEV int block_number(void) {
  int number;
  asm volatile("mov.u32 %0, %%ctaid.x;" : "=r"(number));
  return number;
}

/* Numbers. bf16 is kept in u16, two in a u32 with the lower index in the lower half; rounding is to nearest even, NaN becomes 0x7fff. */

DEV float bf_lo(u32 pair) { return __uint_as_float(pair << 16); }
DEV float bf_hi(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
DEV float bf_float(u16 value) { return __uint_as_float((u32)value << 16); }
DEV u32 bf_pack(float lo, float hi) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(hi), "f"(lo));
  return pair;
}
DEV u16 bf_round(float value) { return (u16)bf_pack(value, 0.0f); }
/* To tf32 (10 bits of mantissa, nearest, ties away from zero), as the bits of a float. */
DEV u32 tf32_round(float value) {
  u32 bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

/* The nearest number of bf16, as a float. */
DEV float bf_nearest(float value) { return __uint_as_float(bf_pack(0.0f, value)); }

/* Memory. Global loads ldg_* are for what no thread of this launch writes, ld_* for the rest; v2 and v4 are aligned to 8 and 16 bytes. */

DEV u32 smem_u32(const void *pointer) { return (u32)__cvta_generic_to_shared(pointer); }

#define RGC_LOAD_STORE(suffix, T)                                                                             \
  DEV T lds_##suffix(u32 address) { return *(const T *)__cvta_shared_to_generic(address); }                   \
  DEV void sts_##suffix(u32 address, T value) { *(T *)__cvta_shared_to_generic(address) = value; }            \
  DEV T ld_##suffix(const void *from) { return *(const T *)from; }                                            \
  DEV void stg_##suffix(void *to, T value) { *(T *)to = value; }
RGC_LOAD_STORE(u16, u16)
RGC_LOAD_STORE(u32, u32)
RGC_LOAD_STORE(f32, float)
RGC_LOAD_STORE(v2, uint2)
RGC_LOAD_STORE(v4, uint4)

DEV u16 ldg_u16(const void *from) {
  u16 value;
  asm("ld.global.nc.u16 %0, [%1];" : "=h"(value) : "l"(from));
  return value;
}
DEV u32 ldg_u32(const void *from) {
  u32 value;
  asm("ld.global.nc.u32 %0, [%1];" : "=r"(value) : "l"(from));
  return value;
}
DEV float ldg_f32(const void *from) { return __uint_as_float(ldg_u32(from)); }
DEV uint2 ldg_v2(const void *from) {
  uint2 value;
  asm("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(value.x), "=r"(value.y) : "l"(from));
  return value;
}
DEV uint4 ldg_v4(const void *from) {
  uint4 value;
  asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "l"(from));
  return value;
}

/* Barriers and fences. __syncthreads() and __syncwarp() are CUDA's own. */

/* Named barrier 1 to 15 for `threads`, a multiple of 32: bar_sync waits, bar_arrive only counts. */
DEV void bar_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
DEV void bar_arrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
/* What this thread wrote is seen by the whole GPU before what it writes next. */
DEV void fence_gpu(void) { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

/* Takes the next number of `count`: 0, 1, ... count - 1, and then from 0 again, so a launch leaves the counter as it found it. */
DEV u32 ticket_take(u32 *counter, u32 count) {
  u32 taken;
  asm volatile("atom.acq_rel.gpu.global.inc.u32 %0, [%1], %2;" : "=r"(taken) : "l"(counter), "r"(count - 1) : "memory");
  return taken;
}

/* Warp: the value of lane (lane ^ mask), of lane + by (its own past the last), of lane `from`; and votes. */

DEV float shfl_xor(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
DEV u32 shfl_xor_u32(u32 value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
DEV double shfl_xor_f64(double value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }
DEV float shfl_down(float value, int by) { return __shfl_down_sync(0xffffffffu, value, by); }
DEV float shfl_from(float value, int from) { return __shfl_sync(0xffffffffu, value, from); }
DEV u32 shfl_from_u32(u32 value, int from) { return __shfl_sync(0xffffffffu, value, from); }
DEV u32 warp_ballot(int predicate) { return __ballot_sync(0xffffffffu, predicate); }

/* Warp: 8x8 matrices of 16-bit elements, a row 16 aligned bytes at the shared address of lane 8 * matrix + row (x2 reads those
 * of lanes 0 to 15). Lane l receives in out[matrix] elements (l / 4, 2 * (l % 4) + {0, 1}); with _trans those of the transpose. */

DEV void ldmatrix_x4(u32 *out, u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(address) : "memory");
}
DEV void ldmatrix_x4_trans(u32 *out, u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3]) : "r"(address) : "memory");
}
DEV void ldmatrix_x2(u32 *out, u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(out[0]), "=r"(out[1]) : "r"(address) : "memory");
}
DEV void ldmatrix_x2_trans(u32 *out, u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(out[0]), "=r"(out[1]) : "r"(address) : "memory");
}

/* Warp: d += a * b on tensor cores, float32 sums. With g = lane / 4, t = lane % 4:
 *   d[0..3] = D[g][2t, 2t+1], D[g+8][2t, 2t+1]                                        (16 x 8, both)
 *   bf16, K = 16: a[0..3] = A[g][2t..], A[g+8][2t..], A[g][2t+8..], A[g+8][2t+8..] in pairs; b0, b1 = B[2t..][g], B[2t+8..][g]
 *   tf32, K = 8:  a[0..3] = A[g][t], A[g+8][t], A[g][t+4], A[g+8][t+4];                b0, b1 = B[t][g], B[t+4][g] */

DEV void mma_bf16(float *d, const u32 *a, u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
DEV void mma_tf32(float *d, const u32 *a, u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Asynchronous copies, global to shared: `bytes` (0 to the size) are read, the rest of the size is zero. Both addresses are
 * aligned to the size, even where bytes is 0. cp_wait(n), n a constant: all but the n groups committed last have landed, for this thread;
 * for others after a barrier. */

DEV void cp_async_16(u32 to, const void *from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
DEV void cp_async_8(u32 to, const void *from, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
DEV void cp_async_4(u32 to, const void *from, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}
DEV void cp_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
#define cp_wait(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

#if RGC_HAS_TMA
/* mbarrier: 8 aligned shared bytes. A phase is over when `count` arrivals and all expected bytes are in; mbar_wait(bar, parity) waits until
 * the phase of that parity is over (1 passes on a fresh one). One thread calls mbar_init, then mbar_fence_init, before a barrier. */
DEV void mbar_init(u32 bar, u32 count) { asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(bar), "r"(count) : "memory"); }
DEV void mbar_fence_init(void) { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
DEV void mbar_arrive(u32 bar) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory"); }
/* Arrives, and lets the phase wait for `bytes` more. */
DEV void mbar_expect(u32 bar, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(bar), "r"(bytes) : "memory");
}
DEV u32 mbar_try_wait(u32 bar, u32 parity) {
  u32 over;
  asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(over) : "r"(bar), "r"(parity) : "memory");
  return over;
}
DEV void mbar_wait(u32 bar, u32 parity) {
  while (!mbar_try_wait(bar, parity)) {}
}
/* An arrival when all cp_async_* of this thread so far have landed; one of `count`. */
DEV void mbar_arrive_cp(u32 bar) { asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(bar) : "memory"); }
/* Writes to shared memory by ordinary stores are seen by TMA and wgmma that come after. */
DEV void fence_proxy_async(void) { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/* TMA: one thread starts a copy of a box into shared memory at `to` (1024-aligned, 128-byte rows, 128-byte swizzle:
 * 16-byte chunk j of row r lies at chunk j ^ (r & 7)); its bytes count for `bar`. What is outside the tensor is zero.
 * im2col over [N, H, W, C]: pixels from (n, h, w) on within the map's pixel box, channels from c, each read at (h + off_h, w + off_w). */
DEV void tma_load_im2col(u32 to, const tensor_map *map, u32 bar, int c, int w, int h, int n, u16 off_w, u16 off_h) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2], {%7, %8};"
               ::"r"(to), "l"(map), "r"(bar), "r"(c), "r"(w), "r"(h), "r"(n), "h"(off_w), "h"(off_h) : "memory");
}
DEV void tma_load_2d(u32 to, const tensor_map *map, u32 bar, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
               ::"r"(to), "l"(map), "r"(bar), "r"(x), "r"(y) : "memory");
}
DEV void tma_load_3d(u32 to, const tensor_map *map, u32 bar, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];"
               ::"r"(to), "l"(map), "r"(bar), "r"(x), "r"(y), "r"(z) : "memory");
}
DEV void tma_prefetch_map(const tensor_map *map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

/* Warpgroup: registers a thread, a constant, a multiple of 8; only sm_90a and its like. */
#define setmaxnreg_dec(n) asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(n))
#define setmaxnreg_inc(n) asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(n))
#endif /* RGC_HAS_TMA */

#if RGC_HAS_WGMMA
/* Warpgroup (128 threads): d += A * B (scale_d 1) or d = A * B (0), asynchronously, M = 64, K = 16, bf16, float32 sums. B, and A in _ss, come from
 * shared memory by descriptor, K-major (wgmma_desc): A[64][16], B[n][16]; B in _trans N-major (wgmma_desc_trans): B[16][n]. A in _rs comes from
 * registers, as in mma_bf16 for the 16 rows of each warp. With w the warp in its group: d[4j + 0..3] = D[16w + g][8j + 2t, +1], D[16w + g + 8][8j + 2t, +1].
 * wgmma_fence() before the first, wgmma_commit() ends a group, wgmma_wait(n), a constant: all but the last n groups are done;
 * until then neither d nor a may be touched, nor the shared memory be written. */
DEV void wgmma_fence(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEV void wgmma_commit(void) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
#define wgmma_wait(n) asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(n) : "memory")

/* %0 to %15 and so on, and the operands that they are. */
#define RGC_P16_0 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define RGC_P16_1 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define RGC_P16_2 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define RGC_P16_3 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define RGC_P16_4 "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define RGC_P16_5 "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define RGC_P16_6 "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111"
#define RGC_P16_7 "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define RGC_P32 RGC_P16_0 "," RGC_P16_1
#define RGC_P64 RGC_P32 "," RGC_P16_2 "," RGC_P16_3
#define RGC_P128 RGC_P64 "," RGC_P16_4 "," RGC_P16_5 "," RGC_P16_6 "," RGC_P16_7
#define RGC_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define RGC_D16(i) RGC_D4(i), RGC_D4(i + 4), RGC_D4(i + 8), RGC_D4(i + 12)
#define RGC_D32 RGC_D16(0), RGC_D16(16)
#define RGC_D64 RGC_D32, RGC_D16(32), RGC_D16(48)
#define RGC_D128 RGC_D64, RGC_D16(64), RGC_D16(80), RGC_D16(96), RGC_D16(112)

/* n columns, n / 2 = `regs` registers of d; o0.. are the operands after them; trans: B is N-major. */
#define RGC_WGMMA(suffix, n, regs, trans, o0, o1, o2, o3, o4, o5)                                                         \
  DEV void wgmma_ss_n##suffix(float *d, u64 a, u64 b, int scale_d) {                                                      \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " o2 ", 0;\n"                                                          \
                 "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" RGC_P##regs "}, " o0 ", " o1 ", p, 1, 1, 0, " #trans ";\n}" \
                 : RGC_D##regs : "l"(a), "l"(b), "r"(scale_d) : "memory");                                                \
  }                                                                                                                       \
  DEV void wgmma_rs_n##suffix(float *d, const u32 *a, u64 b, int scale_d) {                                               \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " o5 ", 0;\n"                                                          \
                 "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" RGC_P##regs "}, {" o0 ", " o1 ", " o2 ", " o3 "}, " o4 ", p, 1, 1, " #trans ";\n}" \
                 : RGC_D##regs : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(scale_d) : "memory");            \
  }
#define RGC_WGMMA_BOTH(n, regs, ...) RGC_WGMMA(n, n, regs, 0, __VA_ARGS__) RGC_WGMMA(n##_trans, n, regs, 1, __VA_ARGS__)
RGC_WGMMA_BOTH(64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
RGC_WGMMA_BOTH(128, 64, "%64", "%65", "%66", "%67", "%68", "%69")
RGC_WGMMA_BOTH(256, 128, "%128", "%129", "%130", "%131", "%132", "%133")
#endif /* RGC_HAS_WGMMA */
#endif /* RGC_EMU */

/* Descriptors of operands at a 1024-aligned shared address, in rows of 64 bf16 (128 bytes, 128-byte swizzle, as TMA leaves them).
 * K-major: a row for each m or n, 64 k of it; a step of 16 along K is 32 bytes: + 2. N-major: a row for each of 64 k, 64 n of it; then the next
 * 64 n (after 64 rows, 8192 bytes); a step of 16 along K is 16 rows: + 128. */
DEV u64 wgmma_desc_of(u32 address, u32 leading_bytes) {
  return (u64)((address & 0x3ffff) >> 4) | (u64)(leading_bytes >> 4) << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}
DEV u64 wgmma_desc(u32 address) { return wgmma_desc_of(address, 16); }
DEV u64 wgmma_desc_trans(u32 address) { return wgmma_desc_of(address, 8192); }
#endif
