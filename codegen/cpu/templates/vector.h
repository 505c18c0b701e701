/* vector.h: LANES floats at once, for the kernels of the host.
 *
 * In: CONTRACT_LANES, 16 (AVX-512), 8 (AVX2) or 4 (SSE, NEON). Out: `vec`, its loads, stores and arithmetic, in the vector
 * types that gcc and clang share. There is no system header and no intrinsic header, so that a generated kernel compiles alone.
 *
 * Kernels are compiled with -ffp-contract=off: what is fused is said here, by vec_fma, and nowhere else. Where the target
 * has FMA, vec_fma rounds once; where it has not, it is a product and a sum (fmaf would be a call into libm for each lane).
 * Bits therefore depend on the target, never on the compiler's mood, nor on threads.
 *
 * Tails: vec_load_part reads `count` floats and gives zeros above; vec_store_part writes `count`. A count that the compiler
 * knows to be CONTRACT_LANES becomes one plain load or store. */
#ifndef RGC_TEMPLATE_VECTOR_H
#define RGC_TEMPLATE_VECTOR_H
#include "codegen/cpu/templates/integer.h"

typedef float vec __attribute__((vector_size(4 * CONTRACT_LANES)));
typedef __INT32_TYPE__ vec_int __attribute__((vector_size(4 * CONTRACT_LANES)));
/* It may alias floats: GCC gives a vector the alias set of its elements, and clang lets it alias all. Not more than that, or each store would make the
 * compiler load extents and pointers of the arguments again (ResNet-50, batch 1, AVX2: 6 % slower). */
typedef float vec_unaligned __attribute__((vector_size(4 * CONTRACT_LANES), aligned(4)));

INLINE vec vec_load(const float *p) { return *(const vec_unaligned *)p; }
INLINE void vec_store(float *p, vec v) { *(vec_unaligned *)p = v; }

/* All lanes x. Subtracting zero, because x + 0 would turn -0 into 0 and so could not be dropped. */
INLINE vec vec_set(float x) { return x - (vec){0}; }

/* All ones in the lanes below count. */
INLINE vec_int vec_below(int64_t count) {
  vec_int number;
  UNROLL_ALL for (int i = 0; i < CONTRACT_LANES; i++) number[i] = i;
  return number < (__INT32_TYPE__)count;
}

INLINE vec vec_load_part(const float *p, int64_t count) {
  if (count >= CONTRACT_LANES) return vec_load(p);
#if CONTRACT_LANES == 16 && defined(__AVX512F__)
  return __builtin_ia32_loadups512_mask(p, (vec){0}, (unsigned short)((1u << count) - 1));
#elif CONTRACT_LANES == 8 && defined(__AVX2__)
  return __builtin_ia32_maskloadps256((const vec *)p, vec_below(count));
#else
  vec v = {0};
  for (int64_t i = 0; i < count; i++) v[i] = p[i];
  return v;
#endif
}

INLINE void vec_store_part(float *p, vec v, int64_t count) {
  if (count >= CONTRACT_LANES) {
    vec_store(p, v);
    return;
  }
#if CONTRACT_LANES == 16 && defined(__AVX512F__)
  __builtin_ia32_storeups512_mask(p, v, (unsigned short)((1u << count) - 1));
#elif CONTRACT_LANES == 8 && defined(__AVX2__)
  __builtin_ia32_maskstoreps256((vec *)p, vec_below(count), v);
#else
  for (int64_t i = 0; i < count; i++) p[i] = v[i];
#endif
}

/* a * b + c. */
INLINE vec vec_fma(vec a, vec b, vec c) {
#if CONTRACT_LANES == 16 && defined(__AVX512F__)
  return __builtin_ia32_vfmaddps512_mask(a, b, c, (unsigned short)-1, 4 /* the current rounding */);
#elif CONTRACT_LANES == 8 && defined(__FMA__)
  return __builtin_ia32_vfmaddps256(a, b, c);
#elif CONTRACT_LANES == 4 && defined(__FMA__)
  return __builtin_ia32_vfmaddps(a, b, c);
#elif defined(__ARM_FEATURE_FMA) || defined(__FMA__)
  vec r;
  for (int i = 0; i < CONTRACT_LANES; i++) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return r;
#else
  return a * b + c;
#endif
}

/* v where `mask` is all ones, else 0. */
INLINE vec vec_keep(vec v, vec_int mask) { return (vec)((vec_int)v & mask); }
/* a where `mask` is all ones, else b. */
INLINE vec vec_choose(vec_int mask, vec a, vec b) { return (vec)(((vec_int)a & mask) | ((vec_int)b & ~mask)); }

/* a > b ? a : b, so b where either is no number; the minimum likewise. */
INLINE vec vec_max(vec a, vec b) {
#if CONTRACT_LANES == 16 && defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_maxps512_mask(a, b, a, (unsigned short)-1, 4);
#elif CONTRACT_LANES == 8 && defined(__AVX__)
  return __builtin_ia32_maxps256(a, b);
#elif CONTRACT_LANES == 4 && defined(__SSE__)
  return __builtin_ia32_maxps(a, b);
#else
  return vec_choose(a > b, a, b);
#endif
}
INLINE vec vec_min(vec a, vec b) {
#if CONTRACT_LANES == 16 && defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_minps512_mask(a, b, a, (unsigned short)-1, 4);
#elif CONTRACT_LANES == 8 && defined(__AVX__)
  return __builtin_ia32_minps256(a, b);
#elif CONTRACT_LANES == 4 && defined(__SSE__)
  return __builtin_ia32_minps(a, b);
#else
  return vec_choose(a < b, a, b);
#endif
}
#endif
