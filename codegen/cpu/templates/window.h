/* window.h: a sliding window over A, to be #included once for each specialisation. Pools, their gradients, weighted windows.
 *
 *   acc k = combine k over taps r,s of TAP(A at ih,iw); ih = h*stride + r*dilation - pad, transposed: (h + pad - r*dilation) / stride
 *
 * In, as macros (but for CONTRACT_LANES they are undefined again at the end of the file):
 *   LOOP_NAME, LOOP_PARTIALS, LOOP_PARTIAL_KINDS   as in map.h
 *   WINDOW_GEOMETRY     initialiser of a window_geometry
 *   WINDOW_ROOTS        how many tensors of A; WINDOW_FILLS: what each is outside of A, {0, ..}
 *   WINDOW_GATHER       void (args, n, ih, iw, c, count, vec *roots): A, its prologue included
 *   WINDOW_ACCS         how many accumulators; WINDOW_COMBINES: {REDUCE_SUM, ..}
 *   WINDOW_TAP          void (args, n, h, w, c, count, r, s, ih, iw, const vec *roots, vec *terms)
 *   LOOP_BODY           void (args, n, h, w, c, count, const vec *acc, vec *partial): the epilogue
 *
 * A tile (loop.h) takes each output point in turn; rows of A that a window shares stay in the caches. The prologue runs once a tap:
 * windows are small, and what it would save is less than a slab costs. Order of a sum: taps in row-major order. */
#include "codegen/cpu/templates/loop_names.h"
#define PARTIALS_HELD (LOOP_PARTIALS > 0 ? LOOP_PARTIALS : 1)
#define ROOTS_HELD (WINDOW_ROOTS > 0 ? WINDOW_ROOTS : 1)

#ifndef RGC_TEMPLATE_WINDOW_TYPES
#define RGC_TEMPLATE_WINDOW_TYPES
typedef struct window_geometry {
  int64_t kernel[2], stride[2], pad[2], dilation, transposed; /* rows, columns */
} window_geometry;

/* Row (axis 0) or column (1) of A under tap r of output coordinate `at`; false where a transposed tap does not reach. */
INLINE int window_meet(const window_geometry *g, int axis, int64_t at, int64_t r, int64_t *in) {
  int64_t stride = g->stride[axis], pad = g->pad[axis];
  if (!g->transposed) {
    *in = at * stride + r * g->dilation - pad;
    return 1;
  }
  int64_t scaled = at + pad - r * g->dilation;
  *in = scaled / stride;
  return scaled % stride == 0;
}
#endif

INLINE void FN(take)(const kernel_args *args, const window_geometry *g, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count,
                     int64_t r, int64_t s, int64_t ih, int64_t iw, vec *acc, vec *best) {
  static const int combines[WINDOW_ACCS] = WINDOW_COMBINES;
  static const float fills[ROOTS_HELD] = WINDOW_FILLS;
  vec roots[ROOTS_HELD], terms[WINDOW_ACCS];
  if (ih >= 0 && ih < args->a_h && iw >= 0 && iw < args->a_w)
    WINDOW_GATHER(args, n, ih, iw, c, count, roots);
  else
    UNROLL_ALL for (int k = 0; k < WINDOW_ROOTS; k++) roots[k] = vec_set(fills[k]);
  WINDOW_TAP(args, n, h, w, c, count, r, s, ih, iw, roots, terms);
  UNROLL_ALL for (int k = 0; k < WINDOW_ACCS; k++) {
    if (combines[k] == REDUCE_SUM) acc[k] += terms[k];
    if (combines[k] == REDUCE_MAX) acc[k] = vec_max(terms[k], acc[k]);
    if (combines[k] != REDUCE_ARGMAX) continue;
    vec_int more = terms[k] > best[k];
    best[k] = vec_choose(more, terms[k], best[k]);
    acc[k] = vec_choose(more, vec_set((float)(r * g->kernel[1] + s)), acc[k]);
  }
}

INLINE void FN(point)(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count, partial *held, int first) {
  static const window_geometry g = WINDOW_GEOMETRY;
  static const int combines[WINDOW_ACCS] = WINDOW_COMBINES, kinds[PARTIALS_HELD] = LOOP_PARTIAL_KINDS;
  vec acc[WINDOW_ACCS], best[WINDOW_ACCS], value[PARTIALS_HELD];
  UNROLL_ALL for (int k = 0; k < WINDOW_ACCS; k++) {
    acc[k] = vec_set(combines[k] == REDUCE_MAX ? -__builtin_inff() : 0);
    best[k] = vec_set(-__builtin_inff());
  }
  for (int64_t r = 0; r < g.kernel[0]; r++)
    for (int64_t s = 0; s < g.kernel[1]; s++) {
      int64_t ih, iw;
      if (!window_meet(&g, 0, h, r, &ih) || !window_meet(&g, 1, w, s, &iw)) continue;
      FN(take)(args, &g, n, h, w, c, count, r, s, ih, iw, acc, best);
    }
  LOOP_BODY(args, n, h, w, c, count, acc, value);
  UNROLL_ALL for (int k = 0; k < LOOP_PARTIALS; k++) partial_take(&held[k], kinds[k], first, value[k]);
}

#include "codegen/cpu/templates/loop_walk.h"
#undef ROOTS_HELD
#undef WINDOW_GEOMETRY
#undef WINDOW_ROOTS
#undef WINDOW_FILLS
#undef WINDOW_GATHER
#undef WINDOW_ACCS
#undef WINDOW_COMBINES
#undef WINDOW_TAP
