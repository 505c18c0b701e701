/* decompose_conv.c: convolutions and their gradients become contracts (kernel.h).
 *
 * Shapes: x [N,H,W,I*G], w [O,KH,KW,I], y [N,OH,OW,O]. The data gradient walks the same taps backwards (transposed) over dy
 * with the forward weight as it lies; the weight gradient sums dy times x over all valid pixels. The bias is added in the
 * epilogue, after the sum.
 *
 * A depthwise convolution (a group a channel) has no products to share: forward and data gradient are windows whose taps are weighed,
 * channels along the vectors; the weight gradient is a sum over pixels for each tap. */
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

static bool is_depthwise(const int64_t weight_shape[RGC_AXES], const rgc_op *op) {
  return op->attr[RGC_ATTR_GROUPS] > 1 && weight_shape[0] == (int64_t)op->attr[RGC_ATTR_GROUPS] && weight_shape[3] == 1;
}

/* The weight [C,KH,KW,1] as [1,KH,KW,C], so that a tap's channels lie side by side. */
static int turn_weight(rgc_decomposer *d, int weight) {
  const int64_t *w = rgc_decompose_shape(d, weight), shape[RGC_AXES] = {1, w[1], w[2], w[0]};
  int taps = rgc_decompose_temp(d, "taps", shape);
  rgc_view view = rgc_view_identity();
  view.axis[RGC_N].from = RGC_C;
  view.axis[RGC_C] = (rgc_axis_view){.from = RGC_N, .mul = 1, .div = 1};
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, shape);
  rgc_decompose_store(kernel, RGC_STORE, taps, rgc_body_load(kernel->epi, weight, &view));
  rgc_decompose_emit(d, kernel);
  return taps;
}

/* acc 0 = sum over taps of input 0 times the tap's weight; its epilogue is still empty. */
static rgc_kernel *open_weighted_window(rgc_decomposer *d, int weight, bool transposed) {
  int taps = turn_weight(d, weight);
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_WINDOW, rgc_decompose_shape(d, d->op->outputs[0]));
  kernel->geometry = conv_geometry(d->op, rgc_decompose_shape(d, weight), transposed);
  kernel->geometry.groups = 1;
  rgc_decompose_a_space(d, kernel, rgc_decompose_shape(d, d->op->inputs[0]));
  rgc_decompose_root(kernel, rgc_decompose_load(d, kernel->a, d->op->inputs[0], kernel->a_extent), 0);
  rgc_view view = rgc_view_identity();
  view.axis[RGC_N].mul = 0;
  kernel->tap = rgc_body_create(d->graph->arena);
  kernel->tap_operand = 1;
  int weighed = rgc_body_load(kernel->tap, taps, &view), gathered = rgc_body_leaf(kernel->tap, RGC_EXPR_GATHER, 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, rgc_decompose_binary(kernel->tap, RGC_EXPR_MUL, gathered, weighed));
  return kernel;
}

static rgc_kernel *open_pixels(rgc_decomposer *d, int weight, bool transposed) {
  if (is_depthwise(rgc_decompose_shape(d, weight), d->op)) return open_weighted_window(d, weight, transposed);
  rgc_kernel *kernel = open_contract(d, RGC_PIXELS, d->op->inputs[0]);
  kernel->geometry = conv_geometry(d->op, rgc_decompose_shape(d, weight), transposed);
  kernel->weight = weight;
  return kernel;
}

void rgc_decompose_conv(rgc_decomposer *d) {
  rgc_kernel *kernel = open_pixels(d, d->op->inputs[1], false);
  int result = rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, 0);
  if (d->op->input_count > 2) {
    int bias = rgc_decompose_load(d, kernel->epi, d->op->inputs[2], kernel->extent);
    result = rgc_decompose_binary(kernel->epi, RGC_EXPR_ADD, result, bias);
  }
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], result);
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_conv_dgrad(rgc_decomposer *d) {
  store_sum(d, open_pixels(d, d->op->inputs[1], true));
}

/* x as dy's pixel (oh,ow) meets it at tap (r,s). */
static int load_met(rgc_body *body, const rgc_op *op, int64_t r, int64_t s) {
  int64_t stride = (int64_t)op->attr[RGC_ATTR_STRIDE], pad = (int64_t)op->attr[RGC_ATTR_PAD], dilation = (int64_t)op->attr[RGC_ATTR_DILATION];
  rgc_view view = rgc_view_identity();
  view.axis[RGC_H].mul = view.axis[RGC_W].mul = stride;
  view.axis[RGC_H].add = r * dilation - pad;
  view.axis[RGC_W].add = s * dilation - pad;
  return rgc_body_load(body, op->inputs[0], &view);
}

/* sums[tap] [1,1,1,C]: over all pixels of x at that tap times dy, up to RGC_MAX_ROOTS taps a kernel. */
static void sum_taps(rgc_decomposer *d, const int64_t weight_shape[RGC_AXES], int *sums) {
  int64_t columns = weight_shape[RGC_W], count = weight_shape[RGC_H] * columns;
  const int64_t vector[RGC_AXES] = {1, 1, 1, weight_shape[0]};
  for (int64_t first = 0; first < count; first += RGC_MAX_ROOTS) {
    rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_REDUCE, vector);
    kernel->reduce_axes = 1u << RGC_N | 1u << RGC_H | 1u << RGC_W;
    rgc_decompose_a_space(d, kernel, rgc_decompose_shape(d, d->op->inputs[1]));
    int dy = rgc_decompose_load(d, kernel->a, d->op->inputs[1], kernel->a_extent);
    for (int64_t tap = first; tap < count && tap < first + RGC_MAX_ROOTS; tap++) {
      int x = load_met(kernel->a, d->op, tap / columns, tap % columns);
      rgc_decompose_root(kernel, rgc_decompose_binary(kernel->a, RGC_EXPR_MUL, x, dy), 0);
      sums[tap] = rgc_decompose_temp(d, "tap", vector);
      rgc_decompose_store(kernel, RGC_STORE, sums[tap], rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, -1)));
    }
    rgc_decompose_emit(d, kernel);
  }
}

enum { MOST_SUMMED_TAPS = 16 }; /* operands of the kernel that puts them together */

static void depthwise_wgrad(rgc_decomposer *d) {
  int sums[MOST_SUMMED_TAPS];
  int64_t shape[RGC_AXES];
  memcpy(shape, rgc_decompose_shape(d, d->op->outputs[0]), sizeof shape);
  sum_taps(d, shape, sums);
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, shape);
  rgc_view by_filter = rgc_view_broadcast((int64_t[]){1, 1, 1, 1}, (int64_t[]){2, 2, 2, 2});
  by_filter.axis[RGC_C] = (rgc_axis_view){.from = RGC_N, .mul = 1, .div = 1};
  int row = rgc_body_leaf(kernel->epi, RGC_EXPR_COORD, RGC_H), column = rgc_body_leaf(kernel->epi, RGC_EXPR_COORD, RGC_W);
  int tap = rgc_decompose_binary(kernel->epi, RGC_EXPR_ADD, rgc_decompose_scaled(kernel->epi, row, (double)shape[RGC_W]), column), value = -1;
  for (int64_t k = 0; k < shape[RGC_H] * shape[RGC_W]; k++) {
    int sum = rgc_body_load(kernel->epi, sums[k], &by_filter), here = rgc_decompose_binary(kernel->epi, RGC_EXPR_EQ, tap, rgc_body_const(kernel->epi, (double)k));
    value = value < 0 ? sum : rgc_body_node(kernel->epi, RGC_EXPR_SELECT, here, sum, value);
  }
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], value);
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_conv_wgrad(rgc_decomposer *d) {
  int output_gradient = d->op->inputs[1];
  const int64_t *weight = rgc_decompose_shape(d, d->op->outputs[0]);
  if (is_depthwise(weight, d->op) && weight[RGC_H] * weight[RGC_W] <= MOST_SUMMED_TAPS) {
    depthwise_wgrad(d);
    return;
  }
  rgc_kernel *kernel = open_contract(d, RGC_WEIGHTS, d->op->inputs[0]);
  kernel->geometry = conv_geometry(d->op, kernel->extent, false);
  memcpy(kernel->b_extent, rgc_decompose_shape(d, output_gradient), sizeof kernel->b_extent);
  kernel->b = rgc_body_create(d->graph->arena);
  kernel->b_root = rgc_decompose_load(d, kernel->b, output_gradient, kernel->b_extent);
  store_sum(d, kernel);
}
