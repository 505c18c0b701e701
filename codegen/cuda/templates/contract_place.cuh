/* contract_place.cuh: what a block of a contract over pixels works on. Included again by each such template, so it has no guard. */
#include "codegen/cuda/templates/contract_names.cuh"
#define GROUP_OUT (OUT_C / GROUPS)
#define COLUMN_BLOCKS ((GROUP_OUT + BLOCK_N - 1) / BLOCK_N)

/* Where a block works: pixels of images [image, image + images), rows and columns of a residue; channels [channel, ..) of a group. */
typedef struct FN(place) {
  contract_axis h, w;
  int first_h, first_w; /* output row of class row 0, and column */
  int image, images;
  int group, channel;
  int tile, begin, end; /* number of the tile, its output rows */
  int residue, m0;      /* pixels [m0, m0 + BLOCK_M) of the residue are next */
} FN(place);

DEV int FN(points)(const FN(place) *at) { return at->h.points * at->w.points * at->images; }

/* Image and class pixel of it that class pixel m of the block's is. A tile of rows has one image; a division by numbers that only run time knows costs
 * as much as an epilogue. */
DEV void FN(split_pixel)(const FN(place) *at, int m, int *image, int *p) {
#if CONTRACT_TILED && !TILE_IMAGES
  *image = at->image;
  *p = m;
#else
  const int image_points = int_max(1, at->h.points * at->w.points);
  *image = at->image + m / image_points;
  *p = m % image_points;
#endif
}

/* Class pixels of a row. Without residues a constant. */
DEV int FN(row_points)(const FN(place) *at) { return OUT_STEP == 1 ? OUT_W : int_max(1, at->w.points); }

/* Where class pixel m lies in A, without taps: image (-1: there is no such pixel), row, column. */
typedef struct FN(pixel) {
  int n, h, w;
} FN(pixel);

DEV FN(pixel) FN(find_pixel)(const FN(place) *at, int m) {
  const int columns = FN(row_points)(at);
  int image, p;
  FN(split_pixel)(at, m, &image, &p);
  FN(pixel) found;
  found.n = m < FN(points)(at) ? image : -1;
  found.h = p / columns * A_STEP + at->h.origin;
  found.w = p % columns * A_STEP + at->w.origin;
  return found;
}

/* Element number of the weight of output channel o of the group, k = (tap, channel of A's group). */
DEV int FN(weight_element)(const FN(place) *at, int o, int k) {
  const int tap = k / GROUP_A, c = k % GROUP_A, r = at->h.first + tap / at->w.count * TAP_STEP, s = at->w.first + tap % at->w.count * TAP_STEP;
  if (TRANSPOSED) return (((at->group * GROUP_A + c) * KERNEL_H + r) * KERNEL_W + s) * GROUP_OUT + o;
  return (at->group * GROUP_OUT + o) * KERNEL_H * KERNEL_W * GROUP_A + k; /* all taps, in order */
}

