/* contract_wgmma.cuh: the template of that name as codegen prints it, but for the extents, which the test defines before. A's prologue is relu(x * scale[c] +
 * shift[c]), plus the second stream times scale[c] where there are two; its result for a padded zero is not zero. The epilogue adds a bias, stores and
 * takes moments. */
#include "codegen/cuda/templates/expression.cuh"
#include "codegen/cuda/templates/partial.cuh"
#include "codegen/cuda/templates/combine.cuh"
#include "codegen/cuda/templates/contract.cuh"

#define KERNEL_NAME contract
#define KERNEL_UPDATES 0
#define KERNEL_PARTIALS CONTRACT_TILED
#define KERNEL_PARTIAL_KINDS {PARTIAL_MOMENTS}
#define KERNEL_PARTIAL_OUTPUTS {1}
#define CONTRACT_A contract_a
#define KERNEL_BODY contract_body

DEV void contract_a(const kernel_args *args, int n, int h, int w, int c, const float *raw, float *row) {
  (void)n, (void)h, (void)w;
  for (int i = 0; i < 2; i++) {
    float x = fmaf(raw[i], args->operands[0][c + i], args->operands[1][c + i]);
    if (STREAMS == 2) x = fmaf(raw[2 * (STREAMS - 1) + i], args->operands[0][c + i], x);
    row[i] = number_max(0.0f, x);
  }
}

DEV void contract_body(const kernel_args *args, int n, int h, int w, int c, const float *acc, float *partial) {
  for (int i = 0; i < ROW; i++) {
    partial[i] = acc[i] + args->operands[2][c + i];
    args->outputs[0][((n * OUT_H + h) * OUT_W + w) * OUT_C + c + i] = partial[i];
  }
}

#include "codegen/cuda/templates/contract_wgmma.cuh"
