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
} FN(place);

/* Element number of the weight of output channel o of the group, k = (tap, channel of A's group). */
DEV int FN(weight_element)(const FN(place) *at, int o, int k) {
  const int tap = k / GROUP_A, c = k % GROUP_A, r = at->h.first + tap / at->w.count * TAP_STEP, s = at->w.first + tap % at->w.count * TAP_STEP;
  if (TRANSPOSED) return (((at->group * GROUP_A + c) * KERNEL_H + r) * KERNEL_W + s) * GROUP_OUT + o;
  return (at->group * GROUP_OUT + o) * KERNEL_H * KERNEL_W * GROUP_A + k; /* all taps, in order */
}

