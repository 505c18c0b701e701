/* map.h: an expression at every point of a space, to be #included once for each specialisation.
 *
 * In, as macros (but for CONTRACT_LANES they are undefined again at the end of the file):
 *   CONTRACT_LANES   16, 8 or 4, the same for a whole translation unit
 *   LOOP_NAME        the kernel: void NAME(const void *kernel_args, int64_t tile, void *slab)
 *   LOOP_BODY        void (args, n, h, w, c, count, vec *partial): loads, computes, stores, and gives a value to each partial
 *   LOOP_PARTIALS    how many partial outputs, may be 0; LOOP_PARTIAL_KINDS: their kinds, {CONTRACT_SUM, ..}
 *
 * A tile (loop.h) walks its points in memory order, LANES channels at a time. Running partials lie in the slab,
 * [block of LANES channels][partial]. */
#include "codegen/cpu/templates/loop_names.h"
#define PARTIALS_HELD (LOOP_PARTIALS > 0 ? LOOP_PARTIALS : 1)

/* LANES channels of one point. */
INLINE void FN(point)(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count, partial *held, int first) {
  static const int kinds[PARTIALS_HELD] = LOOP_PARTIAL_KINDS;
  vec value[PARTIALS_HELD];
  LOOP_BODY(args, n, h, w, c, count, value);
  UNROLL_ALL for (int k = 0; k < LOOP_PARTIALS; k++) partial_take(&held[k], kinds[k], first, value[k]);
}

#include "codegen/cpu/templates/loop_walk.h"
