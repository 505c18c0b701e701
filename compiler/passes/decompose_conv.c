/* decompose_conv.c: convolutions and their gradients become contracts (kernel.h).
 *
 * Shapes: x [N,H,W,I*G], w [O,KH,KW,I], y [N,OH,OW,O]. The data gradient walks the same taps backwards (transposed) over dy
 * with the forward weight as it lies; the weight gradient sums dy times x over all valid pixels. The bias is added in the
 * epilogue, after the sum. */
#include <string.h>

#include "compiler/passes/decompose_build.h"

static rgc_geometry conv_geometry(const rgc_op *op, const int64_t weight_shape[RGC_AXES], bool transposed) {
  return (rgc_geometry){.kernel_h = weight_shape[RGC_H],
                        .kernel_w = weight_shape[RGC_W],
                        .stride = (int64_t)op->attr[RGC_ATTR_STRIDE],
                        .stride_w = (int64_t)op->attr[RGC_ATTR_STRIDE],
                        .pad = (int64_t)op->attr[RGC_ATTR_PAD],
                        .pad_w = (int64_t)op->attr[RGC_ATTR_PAD],
                        .dilation = (int64_t)op->attr[RGC_ATTR_DILATION],
                        .groups = (int64_t)op->attr[RGC_ATTR_GROUPS],
                        .transposed = transposed};
}

/* A contract into the op's output that reads `source`; its epilogue is still empty. */
static rgc_kernel *open_contract(rgc_decomposer *d, rgc_contract_form form, int source) {
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_CONTRACT, rgc_decompose_shape(d, d->op->outputs[0]));
  kernel->form = form;
  rgc_decompose_a_space(d, kernel, rgc_decompose_shape(d, source));
  rgc_decompose_root(kernel, rgc_decompose_load(d, kernel->a, source, kernel->a_extent), 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, -1);
  return kernel;
}

static void store_sum(rgc_decomposer *d, rgc_kernel *kernel) {
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, 0));
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_conv(rgc_decomposer *d) {
  int weight = d->op->inputs[1];
  rgc_kernel *kernel = open_contract(d, RGC_PIXELS, d->op->inputs[0]);
  kernel->geometry = conv_geometry(d->op, rgc_decompose_shape(d, weight), false);
  kernel->weight = weight;
  int result = rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, 0);
  if (d->op->input_count > 2) {
    int bias = rgc_decompose_load(d, kernel->epi, d->op->inputs[2], kernel->extent);
    result = rgc_decompose_binary(kernel->epi, RGC_EXPR_ADD, result, bias);
  }
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], result);
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_conv_dgrad(rgc_decomposer *d) {
  int weight = d->op->inputs[1];
  rgc_kernel *kernel = open_contract(d, RGC_PIXELS, d->op->inputs[0]);
  kernel->geometry = conv_geometry(d->op, rgc_decompose_shape(d, weight), true);
  kernel->weight = weight;
  store_sum(d, kernel);
}

void rgc_decompose_conv_wgrad(rgc_decomposer *d) {
  int output_gradient = d->op->inputs[1];
  rgc_kernel *kernel = open_contract(d, RGC_WEIGHTS, d->op->inputs[0]);
  kernel->geometry = conv_geometry(d->op, kernel->extent, false);
  memcpy(kernel->b_extent, rgc_decompose_shape(d, output_gradient), sizeof kernel->b_extent);
  kernel->b = rgc_body_create(d->graph->arena);
  kernel->b_root = rgc_decompose_load(d, kernel->b, output_gradient, kernel->b_extent);
  store_sum(d, kernel);
}
