/* contract.cuh: how the output pixels of a convolution, or of a data gradient, meet A: shared by the contract templates,
 * and by codegen/cuda/contract_maps.c, which says the same to TMA.
 *
 * Residues: an output point is (i * OUT_STEP + first_h, j * OUT_STEP + first_w). Forward there is one residue and OUT_STEP is 1; a data
 * gradient of a strided convolution has STRIDE * STRIDE, each reached by its own taps only, so that there are no structural zeros.
 * The taps of a residue are r = first + k * TAP_STEP, k < count; class row i meets A at row i * A_STEP + origin + k * A_TAP_STEP. The same of columns.
 * TAP_STEP is STRIDE / gcd(STRIDE, DILATION) for a data gradient, else 1. */
#ifndef RGC_CUDA_CONTRACT_CUH
#define RGC_CUDA_CONTRACT_CUH

/* One axis of a residue. */
typedef struct contract_axis {
  int points;       /* of the output with this residue */
  int first, count; /* taps */
  int origin;       /* where class point 0 meets A by its first tap */
} contract_axis;

/* Output points [begin, end) of an axis; begin is a multiple of the step, and class points are counted from it. */
DEV contract_axis contract_reach(int residue, int begin, int end, int taps, int stride, int pad, int dilation, int tap_step, int transposed) {
  contract_axis axis;
  const int step = transposed ? stride : 1;
  axis.points = int_max(0, int_ceil_div(end - begin - residue, step));
  axis.first = 0;
  if (!transposed) {
    axis.count = taps;
    axis.origin = begin * stride - pad;
    return axis;
  }
  while (axis.first < tap_step && (residue + pad - axis.first * dilation) % stride != 0) axis.first++;
  axis.count = axis.first < tap_step && axis.first < taps ? int_ceil_div(taps - axis.first, tap_step) : 0;
  axis.origin = begin / stride + (residue + pad - axis.first * dilation) / stride;
  return axis;
}
#endif
