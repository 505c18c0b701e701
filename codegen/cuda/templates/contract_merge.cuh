/* contract_merge.cuh: the sums that the parts of a weight gradient left in the workspace become one, and the epilogue stores it.
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; OUT_N .. OUT_C: the weight's space O, KH, KW, I; SPLITS; KERNEL_BODY
 *   void (args, o, r, s, i, const float *acc, float *partial). A thread has an element, and adds the parts in their order. */
#include "codegen/cuda/templates/names.cuh"
#define ELEMENTS (OUT_N * OUT_H * OUT_W * OUT_C)

TEMPLATE_KERNEL(KERNEL_NAME, 256, 1) {
  KERNEL_GUARD();
  const int e = (int)blockIdx.x * 256 + (int)threadIdx.x;
  float sum = 0.0f, none[1];
  if (e >= ELEMENTS) return;
  for (int part = 0; part < SPLITS; part++) sum += args.workspace[(s64)part * ELEMENTS + e];
  KERNEL_BODY(&args, e / (OUT_H * OUT_W * OUT_C), e / (OUT_W * OUT_C) % OUT_H, e / OUT_C % OUT_W, e % OUT_C, &sum, none);
}

#undef ELEMENTS
#include "codegen/cuda/templates/names_end.cuh"
