/* expression.h: what printed expressions call: loads through views, and functions that vector.h has no instruction for.
 *
 * LANES floats at a time; `count` of them are there. The lanes above hold anything, and are never stored. */
#ifndef RGC_TEMPLATE_EXPRESSION_H
#define RGC_TEMPLATE_EXPRESSION_H
#include "codegen/cpu/templates/philox.h"

typedef const __INT32_TYPE__ *const_i32;
typedef const __UINT8_TYPE__ *const_u8;

/* Elements first .. first+count of a row of `extent`; outside of it `fill`. */
INLINE vec vec_load_range(const float *row, int64_t first, int64_t extent, float fill, int64_t count) {
  if (first >= 0 && first + count <= extent) return vec_load_part(row + first, count);
  vec v = vec_set(fill);
  for (int64_t i = 0; i < count; i++)
    if (first + i >= 0 && first + i < extent) v[i] = row[first + i];
  return v;
}

INLINE vec vec_load_i32(const_i32 p, int64_t count) {
  vec v = {0};
  for (int64_t i = 0; i < count; i++) v[i] = (float)p[i];
  return v;
}
INLINE vec vec_load_u8(const_u8 p, int64_t count) {
  vec v = {0};
  for (int64_t i = 0; i < count; i++) v[i] = (float)p[i];
  return v;
}
INLINE void vec_store_i32(__INT32_TYPE__ *p, vec v, int64_t count) {
  for (int64_t i = 0; i < count; i++) p[i] = (__INT32_TYPE__)v[i];
}

INLINE void vec_store_u8(__UINT8_TYPE__ *p, vec v, int64_t count) {
  for (int64_t i = 0; i < count; i++) p[i] = (__UINT8_TYPE__)v[i];
}

/* first, first + 1, ... */
INLINE vec vec_count_from(int64_t first) {
  vec v;
  UNROLL_ALL for (int i = 0; i < CONTRACT_LANES; i++) v[i] = (float)(first + i);
  return v;
}

/* The element number grows by `lane_step` from lane to lane. */
INLINE vec vec_random(int64_t seed, int64_t stream, int64_t step, int64_t element, int64_t lane_step, int64_t count) {
  vec v = {0};
  for (int64_t i = 0; i < (lane_step ? count : 1); i++)
    v[i] = (float)philox_uniform((__UINT64_TYPE__)seed, (__UINT32_TYPE__)stream, (__UINT32_TYPE__)step,
                                 (__UINT64_TYPE__)(element + i * lane_step));
  return lane_step ? v : vec_set(v[0]);
}

INLINE vec vec_sqrt(vec x) {
#if CONTRACT_LANES == 16 && defined(__AVX512F__) && !defined(__clang__)
  return __builtin_ia32_sqrtps512_mask(x, x, (unsigned short)-1, 4);
#elif CONTRACT_LANES == 8 && defined(__AVX__)
  return __builtin_ia32_sqrtps256(x);
#elif CONTRACT_LANES == 4 && defined(__SSE__)
  return __builtin_ia32_sqrtps(x);
#else
  for (int i = 0; i < CONTRACT_LANES; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

/* Rows become columns: LANES vectors, in place. Step by step, rows `step` apart exchange the lanes whose number has that bit. */
INLINE void vec_transpose(vec *rows) {
#ifdef __clang__
  float square[CONTRACT_LANES][CONTRACT_LANES];
  for (int i = 0; i < CONTRACT_LANES; i++)
    for (int l = 0; l < CONTRACT_LANES; l++) square[l][i] = rows[i][l];
  for (int i = 0; i < CONTRACT_LANES; i++) rows[i] = vec_load(square[i]);
#else
  UNROLL_ALL for (int step = 1; step < CONTRACT_LANES; step *= 2) {
    vec_int low, high; /* lanes of the two rows together: those of the second count from LANES */
    UNROLL_ALL for (int l = 0; l < CONTRACT_LANES; l++) {
      low[l] = l & step ? CONTRACT_LANES + l - step : l;
      high[l] = l & step ? CONTRACT_LANES + l : l + step;
    }
    UNROLL_ALL for (int i = 0; i < CONTRACT_LANES; i++) {
      if (i & step) continue;
      vec a = rows[i], b = rows[i + step];
      rows[i] = __builtin_shuffle(a, b, low);
      rows[i + step] = __builtin_shuffle(a, b, high);
    }
  }
#endif
}

INLINE vec vec_abs(vec x) { return (vec)((vec_int)x & 0x7fffffff); }

/* e^x within 2 units in the last place: x = k ln2 + r, |r| <= ln2/2; a polynomial in r (Cephes, S. Moshier), times 2^k in two
 * steps, so that results below the normal range are right too. No number stays no number. */
INLINE vec vec_exp(vec x) {
  vec t = vec_min(vec_set(89.0f), vec_max(vec_set(-104.0f), x));
  vec magic = vec_set(12582912.0f), k = vec_fma(t, vec_set(1.44269504f), magic) - magic;
  vec r = vec_fma(k, vec_set(-0.693359375f), t);
  r = vec_fma(k, vec_set(2.12194440e-4f), r);
  vec p = vec_set(1.9875691500e-4f);
  p = vec_fma(p, r, vec_set(1.3981999507e-3f));
  p = vec_fma(p, r, vec_set(8.3334519073e-3f));
  p = vec_fma(p, r, vec_set(4.1665795894e-2f));
  p = vec_fma(p, r, vec_set(1.6666665459e-1f));
  p = vec_fma(p, r, vec_set(5.0000001201e-1f));
  p = vec_fma(p, r * r, r) + vec_set(1);
  vec_int whole = __builtin_convertvector(vec_choose(k == k, k, (vec){0}), vec_int), half = whole >> 1;
  vec low = (vec)((half + 127) << 23), high = (vec)((whole - half + 127) << 23);
  return p * low * high;
}

INLINE vec vec_sigmoid(vec x) { return 1 / (1 + vec_exp(-x)); }

/* libm's, lane by lane: rare in a network. */
#define EACH_LANE(name, call)                                                                                          \
  INLINE vec name(vec x) {                                                                                             \
    for (int i = 0; i < CONTRACT_LANES; i++) x[i] = call(x[i]);                                                        \
    return x;                                                                                                          \
  }
EACH_LANE(vec_log, __builtin_logf)
EACH_LANE(vec_tanh, __builtin_tanhf)
EACH_LANE(vec_erf, __builtin_erff)
EACH_LANE(vec_floor, __builtin_floorf)
#undef EACH_LANE

/* The nearest number of bf16, ties to even. No number stays no number. */
INLINE vec vec_bf16(vec x) {
  vec_int bits = (vec_int)x, kept = (bits + 0x7fff + (bits >> 16 & 1)) & (__INT32_TYPE__)0xffff0000;
  return vec_choose(x != x, x, (vec)kept);
}

INLINE vec vec_pow(vec x, vec y) {
  for (int i = 0; i < CONTRACT_LANES; i++) x[i] = __builtin_powf(x[i], y[i]);
  return x;
}
#endif
