/* expression.cuh: what every emitted kernel includes first: the primitives, the arguments, and the functions that printed expressions
 * call. One thread evaluates an expression at one point, in float32; what is fused is said by fmaf, and the compiler adds none. */
#ifndef RGC_CUDA_EXPRESSION_CUH
#define RGC_CUDA_EXPRESSION_CUH
#include "codegen/cuda/templates/prelude.cuh"
#include "codegen/cuda/templates/kernel_args.cuh"
#include "codegen/cuda/templates/row.cuh"
#define PHILOX_FUNCTION DEV
#include "codegen/cpu/templates/philox.h"

typedef const int *const_i32;
typedef const unsigned char *const_u8;
typedef const u16 *const_u16;

/* The kernel NAME; the macro's name is replaced before the prelude, which pastes it, sees it. TAKING: its parameter is another struct. */
#define TEMPLATE_KERNEL(name, threads, blocks) TEMPLATE_KERNEL_TAKING(name, threads, blocks, kernel_args)
#define TEMPLATE_KERNEL_TAKING(name, threads, blocks, args_type) RGC_KERNEL(name, threads, blocks, args_type)

/* Begins a kernel: one that changes a parameter, buffer or state (KERNEL_UPDATES) does nothing in a step that was halted. */
#define KERNEL_GUARD() KERNEL_GUARD_BY(args)
#define KERNEL_GUARD_BY(args) \
  if (KERNEL_UPDATES && (args).step->halted) return

DEV int int_min(int a, int b) { return a < b ? a : b; }
DEV int int_max(int a, int b) { return a > b ? a : b; }
DEV int int_ceil_div(int a, int b) { return (a + b - 1) / b; }

DEV float number_infinity(void) { return __uint_as_float(0x7f800000u); }
DEV float number_nan(void) { return __uint_as_float(0x7fc00000u); }

/* b where either is no number: a constant goes first. */
DEV float number_max(float a, float b) { return a > b ? a : b; }
DEV float number_min(float a, float b) { return a < b ? a : b; }

/* e^x within 2 units in the last place, the bits of the CPU's vec_exp: x = k ln2 + r, |r| <= ln2/2; a polynomial in r (Cephes,
 * S. Moshier), times 2^k in two steps, so that results below the normal range are right too. No number stays no number. */
DEV float number_exp(float x) {
  float t = number_min(89.0f, number_max(-104.0f, x)), magic = 12582912.0f, k = fmaf(t, 1.44269504f, magic) - magic;
  float r = fmaf(k, 2.12194440e-4f, fmaf(k, -0.693359375f, t)), p = 1.9875691500e-4f;
  p = fmaf(p, r, 1.3981999507e-3f);
  p = fmaf(p, r, 8.3334519073e-3f);
  p = fmaf(p, r, 4.1665795894e-2f);
  p = fmaf(p, r, 1.6666665459e-1f);
  p = fmaf(p, r, 5.0000001201e-1f);
  p = fmaf(p, r * r, r) + 1.0f;
  int whole = k == k ? (int)k : 0, half = whole >> 1;
  return p * __uint_as_float((u32)(half + 127) << 23) * __uint_as_float((u32)(whole - half + 127) << 23);
}

DEV float number_sigmoid(float x) { return 1.0f / (1.0f + number_exp(-x)); }

/* Uniform in [0, 1): the number of this element in this step. */
DEV float number_random(const kernel_step *step, u32 stream, u64 element) {
  u32 word[4];
  word[0] = (u32)element;
  word[1] = (u32)(element >> 32);
  word[2] = stream;
  word[3] = step->number;
  philox_rounds(word, step->seed);
  return (float)(word[0] >> 8) * 5.9604644775390625e-8f; /* 2^-24 */
}
#endif
