/* slab.h: copies a window of an NHWC tensor into a slab, through its prologue.
 *
 * In: a window of A space (rows, columns, some channels of one image) and a prologue that gives `count` channels at a point.
 * Out: BLOCK channels of a point lie together; points are `point` floats apart, blocks `plane`: [block][row][column][BLOCK], or
 * [row][column][block][BLOCK]. Points outside of the tensor and channels past the
 * window's are 0: padding comes after the prologue, and channel tails meet zero weights.
 *
 * Why a slab: the prologue runs once for a point, not once for a tap; and with many channels the pixels of an NHWC tensor
 * are multiples of 4 KB apart, so that those of one channel fall into one set of the L1 cache. Blocks bring them together, or an odd number
 * of cache lines from point to point spreads them.
 * A prologue may store what it computed (a side store, compiler/graph/kernel.h): windows overlap, so only the one whose tile owns a row
 * stores it.
 * BLOCK is a constant to every caller. Four vectors of a pixel are copied at a time, a cache line or more at each visit,
 * while the per-channel operands of the prologue stay in registers. */
#ifndef RGC_TEMPLATE_SLAB_H
#define RGC_TEMPLATE_SLAB_H

typedef vec (*slab_prologue)(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count);

typedef struct slab_window {
  float *data;             /* of slab row 0 of the image */
  int64_t plane, point;    /* floats from block to block, from point to point */
  int64_t rows, columns;   /* of the slab */
  int64_t n, h, w, c;      /* point of A at slab row 0, column 0, channel 0 */
  int64_t step;            /* points of A from slab point to slab point */
  int64_t height, width;   /* of A */
  int64_t channels;        /* to copy; the last block is filled up with zeros */
} slab_window;

INLINE void slab_zero(const slab_window *to, int64_t row, int64_t first, int64_t last, int64_t block) {
  for (int64_t c = 0; c < to->channels; c += block) {
    float *data = to->data + c / block * to->plane + row * to->columns * to->point;
    for (int64_t q = first; q < last; q++)
      for (int64_t i = 0; i < block; i++) data[q * to->point + i] = 0;
  }
}

/* Columns [first, last) of a row of 4 * LANES channels, all of them there. */
INLINE void slab_copy_four(const contract_args *args, slab_prologue prologue, const slab_window *to, int64_t row,
                           int64_t first, int64_t last, int64_t c, int64_t block) {
  float *data = to->data + row * to->columns * to->point;
  for (int64_t q = first; q < last; q++) {
    vec v[4];
    UNROLL_ALL for (int k = 0; k < 4; k++) v[k] = prologue(args, to->n, to->h + row * to->step, to->w + q * to->step,
                                                           to->c + c + k * CONTRACT_LANES, CONTRACT_LANES);
    UNROLL_ALL for (int k = 0; k < 4; k++) {
      int64_t at = c + k * CONTRACT_LANES;
      vec_store(data + at / block * to->plane + q * to->point + at % block, v[k]);
    }
  }
}

/* As above, for one vector or less: channels past the window's become zeros up to the end of their block. */
INLINE void slab_copy_part(const contract_args *args, slab_prologue prologue, const slab_window *to, int64_t row,
                           int64_t first, int64_t last, int64_t c, int64_t block) {
  int64_t width = int_min(CONTRACT_LANES, block - c % block), count = int_max(0, int_min(width, to->channels - c));
  float *data = to->data + c / block * to->plane + row * to->columns * to->point + c % block;
  for (int64_t q = first; q < last; q++) {
    vec v = {0};
    if (count) v = prologue(args, to->n, to->h + row * to->step, to->w + q * to->step, to->c + c, count);
    if (count < width) v = (vec)((vec_int)v & vec_below(count)); /* a prologue may add to the lanes that are not there */
    vec_store_part(data + q * to->point, v, width);
  }
}

/* Columns [first, last) of a row through the prologue, zeros beside them. */
INLINE void slab_fill_row(const contract_args *args, slab_prologue prologue, const slab_window *to, int64_t row, int64_t first, int64_t last,
                          int64_t block) {
  int64_t c = 0;
  if (first > 0) slab_zero(to, row, 0, first, block);
  if (last < to->columns) slab_zero(to, row, last, to->columns, block);
  if (block % CONTRACT_LANES == 0)
    for (; c + 4 * CONTRACT_LANES <= to->channels; c += 4 * CONTRACT_LANES)
      slab_copy_four(args, prologue, to, row, first, last, c, block);
  while (c < int_ceil_div(to->channels, block) * block) {
    slab_copy_part(args, prologue, to, row, first, last, c, block);
    c += int_min(CONTRACT_LANES, block - c % block);
  }
}

/* Rows of A [own, own_end) go through `side`, a prologue that gives the same and stores something as well; the others through `prologue`. */
INLINE void slab_fill_storing(const contract_args *args, slab_prologue prologue, slab_prologue side, int64_t own, int64_t own_end,
                              const slab_window *to, int64_t block) {
  int64_t first = to->w < 0 ? int_min(int_ceil_div(-to->w, to->step), to->columns) : 0;
  int64_t last = int_max(first, int_min(to->columns, int_ceil_div(to->width - to->w, to->step)));
  for (int64_t row = 0; row < to->rows; row++) {
    int64_t h = to->h + row * to->step;
    if (h < 0 || h >= to->height) slab_zero(to, row, 0, to->columns, block);
    else if (h >= own && h < own_end) slab_fill_row(args, side, to, row, first, last, block);
    else slab_fill_row(args, prologue, to, row, first, last, block);
  }
}

INLINE void slab_fill(const contract_args *args, slab_prologue prologue, const slab_window *to, int64_t block) {
  slab_fill_storing(args, prologue, prologue, 0, 0, to, block);
}
#endif
