/* decompose_window.c: pools and their gradients become windows (kernel.h).
 *
 * A max pool gathers x, -inf outside, and keeps the maximum and the first tap that has it; its gradient walks the taps
 * backwards over dy and takes dy where the stored tap is this one. An average divides by how many elements its window
 * covers, a formula in the output's coordinates (PyTorch's): without count_pad the window is cut at the input's border, with
 * it at the padding's far border, which matters in ceil mode only. A filter multiplies what it gathers by a weight that is a formula
 * in the coordinates of input and output, the same in its gradient. */
#include <math.h>

#include "compiler/passes/decompose_build.h"

static rgc_geometry pool_geometry(const rgc_op *op, bool transposed) {
  rgc_window w = rgc_op_window(op);
  return (rgc_geometry){.kernel_h = w.kernel[0],
                        .kernel_w = w.kernel[1],
                        .stride = w.stride[0],
                        .stride_w = w.stride[1],
                        .pad = w.pad[0],
                        .pad_w = w.pad[1],
                        .dilation = 1,
                        .groups = 1,
                        .transposed = transposed};
}

/* A window from the op's first input to its first output; A is open and empty. */
static rgc_kernel *open_window(rgc_decomposer *d, bool transposed) {
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_WINDOW, rgc_decompose_shape(d, d->op->outputs[0]));
  kernel->geometry = pool_geometry(d->op, transposed);
  rgc_decompose_a_space(d, kernel, rgc_decompose_shape(d, d->op->inputs[0]));
  kernel->tap = rgc_body_create(d->graph->arena);
  return kernel;
}

static int load_a(rgc_decomposer *d, rgc_kernel *kernel, int number) {
  return rgc_decompose_load(d, kernel->a, d->op->inputs[number], kernel->a_extent);
}

/* Stores accumulator k. */
static void store_accumulator(rgc_kernel *kernel, int value, int k) {
  rgc_decompose_store(kernel, RGC_STORE, value, rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, k));
}

void rgc_decompose_maxpool(rgc_decomposer *d) {
  rgc_kernel *kernel = open_window(d, false);
  rgc_decompose_root(kernel, load_a(d, kernel, 0), -INFINITY);
  int gathered = rgc_body_leaf(kernel->tap, RGC_EXPR_GATHER, 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_MAX, gathered);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_ARGMAX, gathered);
  store_accumulator(kernel, d->op->outputs[0], 0);
  store_accumulator(kernel, d->op->outputs[1], 1);
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_maxpool_grad(rgc_decomposer *d) {
  rgc_kernel *kernel = open_window(d, true);
  rgc_decompose_root(kernel, load_a(d, kernel, 0), 0);
  rgc_decompose_root(kernel, load_a(d, kernel, 1), -1);
  rgc_body *tap = kernel->tap;
  int dy = rgc_body_leaf(tap, RGC_EXPR_GATHER, 0), chosen = rgc_body_leaf(tap, RGC_EXPR_GATHER, 1);
  int mine = rgc_decompose_binary(tap, RGC_EXPR_EQ, chosen, rgc_body_leaf(tap, RGC_EXPR_TAP, 0));
  int taken = rgc_body_node(tap, RGC_EXPR_SELECT, mine, dy, rgc_body_const(tap, 0));
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, taken);
  store_accumulator(kernel, d->op->outputs[0], 0);
  rgc_decompose_emit(d, kernel);
}

/* How many rows (axis H) or columns (W) of an input of `extent` the window at this point of pooled space counts. */
static int covered(const rgc_op *op, rgc_body *body, int axis, int64_t extent) {
  rgc_window window = rgc_op_window(op);
  int of = axis - RGC_H;
  double pad = (double)window.pad[of];
  int start = rgc_decompose_scaled(body, rgc_body_leaf(body, RGC_EXPR_COORD, axis), (double)window.stride[of]);
  start = rgc_decompose_binary(body, RGC_EXPR_SUB, start, rgc_body_const(body, pad));
  int end = rgc_decompose_binary(body, RGC_EXPR_ADD, start, rgc_body_const(body, (double)window.kernel[of]));
  double border = (double)extent;
  if (op->attr[RGC_ATTR_COUNT_PAD] != 0)
    border += pad;
  else
    start = rgc_decompose_binary(body, RGC_EXPR_MAX, start, rgc_body_const(body, 0));
  end = rgc_decompose_binary(body, RGC_EXPR_MIN, end, rgc_body_const(body, border));
  return rgc_decompose_binary(body, RGC_EXPR_SUB, end, start);
}

/* node / elements counted, in a body over pooled space; `image` has the shape that is pooled. */
static int averaged(const rgc_decomposer *d, rgc_body *body, int node, int image) {
  const int64_t *shape = rgc_decompose_shape(d, image);
  int rows = covered(d->op, body, RGC_H, shape[RGC_H]), columns = covered(d->op, body, RGC_W, shape[RGC_W]);
  return rgc_decompose_binary(body, RGC_EXPR_DIV, node, rgc_decompose_binary(body, RGC_EXPR_MUL, rows, columns));
}

void rgc_decompose_avgpool(rgc_decomposer *d) {
  rgc_kernel *kernel = open_window(d, false);
  rgc_decompose_root(kernel, load_a(d, kernel, 0), 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, rgc_body_leaf(kernel->tap, RGC_EXPR_GATHER, 0));
  int sum = rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, 0);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], averaged(d, kernel->epi, sum, d->op->inputs[0]));
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_avgpool_grad(rgc_decomposer *d) {
  rgc_kernel *kernel = open_window(d, true);
  rgc_decompose_root(kernel, averaged(d, kernel->a, load_a(d, kernel, 0), d->op->outputs[0]), 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, rgc_body_leaf(kernel->tap, RGC_EXPR_GATHER, 0));
  store_accumulator(kernel, d->op->outputs[0], 0);
  rgc_decompose_emit(d, kernel);
}

/* The tap of the filter at `position` of its window, 0 elsewhere. */
static int tap_at(const rgc_op *op, rgc_body *body, int position) {
  int weight = rgc_body_const(body, 0);
  for (int k = 0; k < (int)op->attr[RGC_ATTR_KERNEL]; k++) {
    int here = rgc_decompose_binary(body, RGC_EXPR_EQ, position, rgc_body_const(body, k));
    weight = rgc_body_node(body, RGC_EXPR_SELECT, here, rgc_body_const(body, op->attr[RGC_ATTR_TAP0 + k]), weight);
  }
  return weight;
}

/* The tap that meets row (or column) `image` when its window begins at `start`, unless the row is the border itself. */
static int mirrored(const rgc_op *op, rgc_body *body, int start, int in, double border) {
  int image = rgc_decompose_binary(body, RGC_EXPR_SUB, rgc_body_const(body, 2 * border), in);
  int weight = tap_at(op, body, rgc_decompose_binary(body, RGC_EXPR_SUB, image, start));
  int at_border = rgc_decompose_binary(body, RGC_EXPR_EQ, in, rgc_body_const(body, border));
  return rgc_body_node(body, RGC_EXPR_SELECT, at_border, rgc_body_const(body, 0), weight);
}

/* What an input row counts in an output row: its tap, and those of its mirror images beyond both borders. A mirror image stands in
 * no window that the row itself does not stand in, so the taps of the window reach them all. */
static int filter_weight(const rgc_op *op, rgc_body *body, int axis, bool transposed, int64_t extent) {
  int in = rgc_body_leaf(body, transposed ? RGC_EXPR_COORD : RGC_EXPR_TAP_COORD, axis);
  int out = rgc_body_leaf(body, transposed ? RGC_EXPR_TAP_COORD : RGC_EXPR_COORD, axis);
  int start = rgc_decompose_scaled(body, out, op->attr[RGC_ATTR_STRIDE]);
  start = rgc_decompose_binary(body, RGC_EXPR_SUB, start, rgc_body_const(body, op->attr[RGC_ATTR_PAD]));
  int weight = tap_at(op, body, rgc_decompose_binary(body, RGC_EXPR_SUB, in, start));
  if (op->attr[RGC_ATTR_REFLECT] == 0) return weight;
  weight = rgc_decompose_binary(body, RGC_EXPR_ADD, weight, mirrored(op, body, start, in, 0));
  return rgc_decompose_binary(body, RGC_EXPR_ADD, weight, mirrored(op, body, start, in, (double)extent - 1));
}

void rgc_decompose_filter(rgc_decomposer *d) {
  bool transposed = d->op->kind == RGC_OP_FILTER_GRAD;
  const int64_t *image = rgc_decompose_shape(d, transposed ? d->op->outputs[0] : d->op->inputs[0]);
  rgc_kernel *kernel = open_window(d, transposed);
  rgc_decompose_root(kernel, load_a(d, kernel, 0), 0);
  rgc_body *tap = kernel->tap;
  int rows = filter_weight(d->op, tap, RGC_H, transposed, image[RGC_H]);
  int columns = filter_weight(d->op, tap, RGC_W, transposed, image[RGC_W]);
  int weight = rgc_decompose_binary(tap, RGC_EXPR_MUL, rows, columns);
  int gathered = rgc_body_leaf(tap, RGC_EXPR_GATHER, 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, rgc_decompose_binary(tap, RGC_EXPR_MUL, gathered, weight));
  store_accumulator(kernel, d->op->outputs[0], 0);
  rgc_decompose_emit(d, kernel);
}
