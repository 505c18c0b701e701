/* contract_weights_find.cuh: the operands of a weight gradient in float32, element by element. Included again by each template that loads them so. */

/* A at pixel p under tap and channel j of the group; outside 0. */
DEV float FN(load_a)(const kernel_args *args, int p, int j, int group) {
  const int i = j % GROUP_A, s = j / GROUP_A % OUT_W, r = j / (GROUP_A * OUT_W);
  const int h = p / B_W % B_H * STRIDE + r * DILATION - PAD, w = p % B_W * STRIDE + s * DILATION - PAD;
  if (h < 0 || h >= A_H || w < 0 || w >= A_W) return 0.0f;
  return CONTRACT_A(args, p / (B_W * B_H), h, w, group * GROUP_A + i);
}

DEV float FN(load_b)(const kernel_args *args, int p, int o) { return CONTRACT_B(args, p / (B_W * B_H), p / B_W % B_H, p % B_W, o); }

/* Element `row` of BLOCK_M of pixel p, and `column` of BLOCK_N; past the last 0. */
DEV float FN(find_a)(const kernel_args *args, const FN(place) *at, int p, int row) {
  return p < at->last && at->j + row < ALL_J ? FN(load_a)(args, p, at->j + row, at->group) : 0.0f;
}
DEV float FN(find_b)(const kernel_args *args, const FN(place) *at, int p, int column) {
  return p < at->last && at->o + column < GROUP_OUT ? FN(load_b)(args, p, at->group * GROUP_OUT + at->o + column) : 0.0f;
}
