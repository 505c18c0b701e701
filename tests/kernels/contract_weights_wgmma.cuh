/* contract_weights_wgmma.cuh: the template of that name as codegen prints it, but for the extents, which the test defines before. Prologues, whose results for
 * a zero are not zero: A's is relu(x * scale[c] + shift[c]), plus the second stream times scale[c] where there are two; B's is dy * scale[c] +
 * (y - mean[c]) * slope[c], plus one number by sample and channel, which is loaded by the point. */
#include "codegen/cuda/templates/expression.cuh"

#define KERNEL_NAME weights
#define KERNEL_UPDATES 0
#define KERNEL_PARTIALS 0
#define CONTRACT_A weights_a
#define CONTRACT_B weights_b
#define A_CHANNELS 2
#define A_CHANNEL_OPERANDS {0, 1, 0}
#define B_CHANNELS 3
#define B_CHANNEL_OPERANDS {2, 3, 4, 0}

DEV void weights_a(const kernel_args *args, int n, int h, int w, int c, const float *raw, float *row) {
  const float *scale = raw + 8 * A_STREAMS, *shift = scale + 8;
  (void)args, (void)n, (void)h, (void)w, (void)c;
  for (int i = 0; i < 8; i++) {
    float x = fmaf(raw[i], scale[i], shift[i]);
    if (A_STREAMS == 2) x = fmaf(raw[8 * (A_STREAMS - 1) + i], scale[i], x);
    row[i] = number_max(0.0f, x);
  }
}

DEV void weights_b(const kernel_args *args, int n, int h, int w, int c, const float *raw, float *row) {
  const float *by_channel = raw + B_STREAMS;
  const float point = args->operands[5][n * B_C + c];
  (void)h, (void)w;
  row[0] = fmaf(raw[0], by_channel[0], fmaf(raw[B_STREAMS - 1] - by_channel[1], by_channel[2], point));
}

#include "codegen/cuda/templates/contract_weights_wgmma.cuh"
