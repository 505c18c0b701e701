/* contract_weights_place.cuh: what a block of a weight gradient works on, and its operands.
 *
 *   acc[j, o] = sum over pixels p of A[p at tap, channel] * B[p, o];  j = (r, s, i): taps and input channels, o: output channels of one group
 *
 * Included again by each such template, so it has no guard; contract_weights_walk.cuh says what it asks for. */
#include "codegen/cuda/templates/contract_names.cuh"
#define GROUP_OUT (OUT_N / GROUPS)
#define ALL_J (OUT_H * OUT_W * GROUP_A)
#define BLOCKS_J ((ALL_J + BLOCK_M - 1) / BLOCK_M)
#define BLOCKS_O ((GROUP_OUT + BLOCK_N - 1) / BLOCK_N)
#define PART_PIXELS (((A_N * B_H * B_W + SPLITS - 1) / SPLITS + BLOCK_K - 1) / BLOCK_K * BLOCK_K)

/* A at pixel p under tap and channel j of the group; outside 0. */
DEV float FN(load_a)(const kernel_args *args, int p, int j, int group) {
  const int i = j % GROUP_A, s = j / GROUP_A % OUT_W, r = j / (GROUP_A * OUT_W);
  const int h = p / B_W % B_H * STRIDE + r * DILATION - PAD, w = p % B_W * STRIDE + s * DILATION - PAD;
  if (h < 0 || h >= A_H || w < 0 || w >= A_W) return 0.0f;
  return CONTRACT_A(args, p / (B_W * B_H), h, w, group * GROUP_A + i);
}

DEV float FN(load_b)(const kernel_args *args, int p, int o) { return CONTRACT_B(args, p / (B_W * B_H), p / B_W % B_H, p % B_W, o); }

/* Where a block works. */
typedef struct FN(place) {
  int group, j, o; /* from where on: j and o of the group */
  int first, last; /* pixels */
} FN(place);

/* Element `row` of BLOCK_M of pixel p, and `column` of BLOCK_N; past the last 0. */
DEV float FN(find_a)(const kernel_args *args, const FN(place) *at, int p, int row) {
  return p < at->last && at->j + row < ALL_J ? FN(load_a)(args, p, at->j + row, at->group) : 0.0f;
}
DEV float FN(find_b)(const kernel_args *args, const FN(place) *at, int p, int column) {
  return p < at->last && at->o + column < GROUP_OUT ? FN(load_b)(args, p, at->group * GROUP_OUT + at->o + column) : 0.0f;
}
