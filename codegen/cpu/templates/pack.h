/* pack.h: a weight from its logical order into panels (compiler/graph/kernel.h), to be #included once for each specialisation.
 *
 * In, as macros (but for CONTRACT_LANES they are undefined again at the end of the file):
 *   LOOP_NAME        the kernel: void NAME(const void *kernel_args, int64_t tile, void *slab)
 *   PACK_VALUE       vec (args, n, h, w, c, count): LANES elements at the logical point (n,h,w,c), along C; swapped: along N
 *   PACK_SWAPPED     0: layout panel, [O,KH,KW,I], lanes are o. 1: panel_t, [I,KH,KW,O], lanes are i and groups cut C
 *   PACK_LANES, PACK_BLOCK, PACK_GROUPS   L, B and G of the layout
 *
 * The output space is the logical shape; the panels are outputs[0]. What is not there becomes 0. A tile takes the rows of the
 * source that belong together, those of a panel's lanes, or (swapped) of a block, and goes along all of them at once, tap by tap: as
 * many streams that memory can follow. */
#include "codegen/cpu/templates/loop_names.h"
#define GROUP_N (PACK_SWAPPED ? args->out_n : args->out_n / PACK_GROUPS)
#define GROUP_C (PACK_SWAPPED ? args->out_c / PACK_GROUPS : args->out_c)

/* One tap and block of a panel. n, c: logical point of its lane 0, row 0; lanes and rows that are there. */
INLINE void FN(cell)(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t lanes, int64_t rows, float *to) {
  if (lanes < PACK_LANES || rows < PACK_BLOCK)
    for (int64_t i = 0; i < PACK_BLOCK * PACK_LANES; i++) to[i] = 0;
  if (PACK_SWAPPED) {
    for (int64_t k = 0; k < rows; k++)
      for (int64_t l = 0; l < lanes; l += CONTRACT_LANES) {
        int64_t count = int_min(CONTRACT_LANES, lanes - l);
        vec_store_part(to + k * PACK_LANES + l, PACK_VALUE(args, n + l, h, w, c + k, count), count);
      }
    return;
  }
  if (lanes == PACK_LANES && rows == PACK_BLOCK && PACK_LANES % CONTRACT_LANES == 0 && PACK_BLOCK % CONTRACT_LANES == 0) {
    for (int64_t l = 0; l < PACK_LANES; l += CONTRACT_LANES)
      for (int64_t k = 0; k < PACK_BLOCK; k += CONTRACT_LANES) {
        vec square[CONTRACT_LANES];
        UNROLL_ALL for (int i = 0; i < CONTRACT_LANES; i++) square[i] = PACK_VALUE(args, n + l + i, h, w, c + k, CONTRACT_LANES);
        vec_transpose(square);
        UNROLL_ALL for (int i = 0; i < CONTRACT_LANES; i++) vec_store(to + (k + i) * PACK_LANES + l, square[i]);
      }
    return;
  }
  for (int64_t l = 0; l < lanes; l++)
    for (int64_t k = 0; k < rows; k += CONTRACT_LANES) {
      int64_t count = int_min(CONTRACT_LANES, rows - k);
      vec v = PACK_VALUE(args, n + l, h, w, c + k, count);
      for (int64_t i = 0; i < count; i++) to[(k + i) * PACK_LANES + l] = v[i];
    }
}

void LOOP_NAME(const void *told, int64_t index, void *slab) {
  const kernel_args *args = told;
  int64_t panels = int_ceil_div(GROUP_N, PACK_LANES), blocks = int_ceil_div(GROUP_C, PACK_BLOCK), taps = args->out_h * args->out_w;
  int64_t fixed = PACK_SWAPPED ? blocks : panels, moving = PACK_SWAPPED ? panels : blocks, group = index / fixed;
  (void)slab;
  for (int64_t tap = 0; tap < taps; tap++)
    for (int64_t i = 0; i < moving; i++) {
      int64_t panel = PACK_SWAPPED ? i : index % fixed, block = PACK_SWAPPED ? index % fixed : i;
      int64_t n = panel * PACK_LANES, c = block * PACK_BLOCK, cell = ((group * panels + panel) * blocks + block) * taps + tap;
      FN(cell)(args, n + (PACK_SWAPPED ? 0 : group * GROUP_N), tap / args->out_w, tap % args->out_w, c + (PACK_SWAPPED ? group * GROUP_C : 0),
               int_min(PACK_LANES, GROUP_N - n), int_min(PACK_BLOCK, GROUP_C - c), args->outputs[0] + cell * PACK_BLOCK * PACK_LANES);
    }
}

#undef PASTE_
#undef PASTE
#undef FN
#undef GROUP_N
#undef GROUP_C
#undef LOOP_NAME
#undef PACK_VALUE
#undef PACK_SWAPPED
#undef PACK_LANES
#undef PACK_BLOCK
#undef PACK_GROUPS
