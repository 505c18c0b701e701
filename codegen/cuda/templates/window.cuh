/* window.cuh: a sliding window over A, to be included once for each kernel. Pools, their gradients, weighted windows.
 *
 *   acc k = combine k over taps r,s of TAP(A at ih,iw); ih = h*STRIDE + r*DILATION - PAD, transposed: (h + PAD - r*DILATION) / STRIDE
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; what loop.cuh asks for; A_H, A_W; KERNEL_H, KERNEL_W, STRIDE, PAD (STRIDE_W and PAD_W:
 * of columns), DILATION, TRANSPOSED; and
 *   WINDOW_ROOTS    how many tensors of A; WINDOW_FILLS: what each is outside of A, {0.0f, ..}
 *   WINDOW_GATHER   void (args, n, ih, iw, c, float *roots): A, its prologue included, ROW numbers of each tensor; as all that follows
 *   ACCS, COMBINES  how many accumulators, {COMBINE_SUM, ..}
 *   WINDOW_TAP      void (args, n, h, w, c, r, s, ih, iw, const float *roots, float *terms)
 *   KERNEL_BODY     void (args, n, h, w, c, const float *acc, float *partial): the epilogue
 *
 * A thread has ROW output points and their whole windows; rows of A that windows share come from L1 and L2. Order of a sum: taps in
 * row-major order. */
#include "codegen/cuda/templates/names.cuh"
#define ROOTS_HELD (WINDOW_ROOTS > 0 ? WINDOW_ROOTS : 1)

/* Row (or column) of A under tap r of output coordinate `at`; 0 where a transposed tap does not reach. */
DEV int FN(meet)(int stride, int pad, int at, int r, int *in) {
  if (!TRANSPOSED) {
    *in = at * stride + r * DILATION - pad;
    return 1;
  }
  const int scaled = at + pad - r * DILATION;
  *in = scaled / stride;
  return scaled % stride == 0;
}

DEV void FN(take)(const kernel_args *args, int n, int h, int w, int c, int r, int s, int ih, int iw, float *acc, float *best) {
  const int combines[ACCS] = COMBINES;
  const float fills[ROOTS_HELD] = WINDOW_FILLS;
  float roots[ROOTS_HELD * ROW], terms[ACCS * ROW];
  for (int k = 0; k < ROOTS_HELD * ROW; k++) roots[k] = fills[k / ROW];
  if (ih >= 0 && ih < A_H && iw >= 0 && iw < A_W) WINDOW_GATHER(args, n, ih, iw, c, roots);
  WINDOW_TAP(args, n, h, w, c, r, s, ih, iw, roots, terms);
  for (int k = 0; k < ACCS * ROW; k++) {
    const int combine = combines[k / ROW];
    if (combine == COMBINE_SUM) acc[k] += terms[k];
    if (combine == COMBINE_MAX) acc[k] = number_max(terms[k], acc[k]);
    if (combine != COMBINE_ARGMAX || !(terms[k] > best[k])) continue;
    best[k] = terms[k];
    acc[k] = (float)(r * KERNEL_W + s);
  }
}

DEV void FN(point)(const kernel_args *args, int n, int h, int w, int c, float *partial) {
  const int combines[ACCS] = COMBINES;
  float acc[ACCS * ROW], best[ACCS * ROW];
  for (int k = 0; k < ACCS * ROW; k++) {
    acc[k] = combines[k / ROW] == COMBINE_MAX ? -number_infinity() : 0.0f;
    best[k] = -number_infinity();
  }
  for (int r = 0; r < KERNEL_H; r++)
    for (int s = 0; s < KERNEL_W; s++) {
      int ih, iw;
      if (!FN(meet)(STRIDE, PAD, h, r, &ih) || !FN(meet)(STRIDE_W, PAD_W, w, s, &iw)) continue;
      FN(take)(args, n, h, w, c, r, s, ih, iw, acc, best);
    }
  KERNEL_BODY(args, n, h, w, c, acc, partial);
}

#include "codegen/cuda/templates/loop.cuh"
#undef ROOTS_HELD
#include "codegen/cuda/templates/names_end.cuh"
