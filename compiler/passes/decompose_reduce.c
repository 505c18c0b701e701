/* decompose_reduce.c: reductions, and the softmax cross entropy made of them.
 *
 * Cross entropy of a row z with label t and smoothing s, C classes (Szegedy et al. 2016), m = max z:
 *   loss = log sum exp(z-m) - (1-s) (z_t - m) - s/C sum (z-m)
 * so four kernels: the row maximum with its place; the three row sums and the row's loss; the probabilities; the sum over
 * the rows below n_valid. Rows past n_valid hold anything, so they are masked before they are summed. */
#include "compiler/passes/decompose_build.h"

static void reduced_shape(const int64_t shape[RGC_AXES], unsigned axes, int64_t result[RGC_AXES]) {
  for (int j = 0; j < RGC_AXES; j++) result[j] = axes >> j & 1 ? 1 : shape[j];
}

/* A reduce of the space of value `source` over `axes`; A is open and empty. */
static rgc_kernel *open_reduce(rgc_decomposer *d, int source, unsigned axes) {
  int64_t extent[RGC_AXES];
  reduced_shape(rgc_decompose_shape(d, source), axes, extent);
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_REDUCE, extent);
  rgc_decompose_a_space(d, kernel, rgc_decompose_shape(d, source));
  kernel->reduce_axes = axes;
  return kernel;
}

/* One more accumulator over `node` of A; returns its node in the epilogue. */
static int combine(rgc_kernel *kernel, rgc_combine how, int node) {
  rgc_decompose_root(kernel, node, 0);
  return rgc_body_leaf(kernel->epi, RGC_EXPR_ACC, rgc_decompose_accumulate(kernel, how, -1));
}

static int load_a(rgc_decomposer *d, rgc_kernel *kernel, int value) {
  return rgc_decompose_load(d, kernel->a, value, kernel->a_extent);
}

void rgc_decompose_reduce(rgc_decomposer *d) {
  const rgc_op *op = d->op;
  rgc_kernel *kernel = open_reduce(d, op->inputs[0], (unsigned)op->attr[RGC_ATTR_AXES]);
  int by = (int)op->attr[RGC_ATTR_BY], x = load_a(d, kernel, op->inputs[0]);
  int result = combine(kernel, by == RGC_BY_MAX ? RGC_COMBINE_MAX : RGC_COMBINE_SUM, x);
  if (by == RGC_BY_MEAN) {
    bool over_samples = kernel->reduce_axes >> RGC_N & 1;
    int64_t count = rgc_shape_elems(kernel->a_extent) / rgc_shape_elems(kernel->extent);
    if (over_samples) count /= kernel->a_extent[RGC_N];
    result = rgc_decompose_binary(kernel->epi, RGC_EXPR_DIV, result, rgc_body_const(kernel->epi, (double)count));
    int samples = over_samples ? rgc_body_leaf(kernel->epi, RGC_EXPR_SCALAR, RGC_SCALAR_INV_N) : -1;
    if (over_samples) result = rgc_decompose_binary(kernel->epi, RGC_EXPR_MUL, result, samples);
  }
  rgc_decompose_store(kernel, RGC_STORE, op->outputs[0], result);
  if (op->output_count > 1)
    rgc_decompose_store(kernel, RGC_STORE, op->outputs[1], combine(kernel, RGC_COMBINE_ARGMAX, x));
  rgc_decompose_emit(d, kernel);
}

/* Values a row, all [N,1,1,1]. */
typedef struct row_values {
  int maximum, place, sum, loss, hit;
} row_values;

static row_values make_rows(rgc_decomposer *d) {
  int64_t shape[RGC_AXES] = {rgc_decompose_shape(d, d->op->inputs[0])[RGC_N], 1, 1, 1};
  row_values rows = {.maximum = rgc_decompose_temp(d, "row_max", shape)};
  rows.place = rgc_decompose_temp(d, "row_argmax", shape);
  rows.sum = rgc_decompose_temp(d, "row_sum", shape);
  rows.loss = rgc_decompose_temp(d, "row_loss", shape);
  rows.hit = rgc_decompose_temp(d, "row_hit", shape);
  d->graph->values[rows.place].dtype = RGC_I32;
  return rows;
}

static void reduce_row_maximum(rgc_decomposer *d, const row_values *rows) {
  rgc_kernel *kernel = open_reduce(d, d->op->inputs[0], 1u << RGC_C);
  int z = load_a(d, kernel, d->op->inputs[0]);
  rgc_decompose_store(kernel, RGC_STORE, rows->maximum, combine(kernel, RGC_COMBINE_MAX, z));
  rgc_decompose_store(kernel, RGC_STORE, rows->place, combine(kernel, RGC_COMBINE_ARGMAX, z));
  rgc_decompose_emit(d, kernel);
}

/* `body` over [N,1,1,C]: 1 where the channel is the row's label. */
static int is_label(rgc_decomposer *d, rgc_body *body, const int64_t extent[RGC_AXES]) {
  int label = rgc_decompose_load(d, body, d->op->inputs[1], extent);
  return rgc_decompose_binary(body, RGC_EXPR_EQ, rgc_body_leaf(body, RGC_EXPR_COORD, RGC_C), label);
}

static void reduce_row_sums(rgc_decomposer *d, const row_values *rows) {
  rgc_kernel *kernel = open_reduce(d, d->op->inputs[0], 1u << RGC_C);
  rgc_body *a = kernel->a, *epi = kernel->epi;
  double smoothing = d->op->attr[RGC_ATTR_SMOOTHING];
  int z = rgc_decompose_binary(a, RGC_EXPR_SUB, load_a(d, kernel, d->op->inputs[0]), load_a(d, kernel, rows->maximum));
  int picked = rgc_body_node(a, RGC_EXPR_SELECT, is_label(d, a, kernel->a_extent), z, rgc_body_const(a, 0));
  int sum = combine(kernel, RGC_COMBINE_SUM, rgc_decompose_unary(a, RGC_EXPR_EXP, z));
  int at_label = rgc_decompose_scaled(epi, combine(kernel, RGC_COMBINE_SUM, picked), 1 - smoothing);
  int loss = rgc_decompose_binary(epi, RGC_EXPR_SUB, rgc_decompose_unary(epi, RGC_EXPR_LOG, sum), at_label);
  if (smoothing != 0) {
    double share = smoothing / (double)kernel->a_extent[RGC_C];
    int spread = rgc_decompose_scaled(epi, combine(kernel, RGC_COMBINE_SUM, z), share);
    loss = rgc_decompose_binary(epi, RGC_EXPR_SUB, loss, spread);
  }
  int label = rgc_decompose_load(d, epi, d->op->inputs[1], kernel->extent);
  int place = rgc_decompose_load(d, epi, rows->place, kernel->extent);
  rgc_decompose_store(kernel, RGC_STORE, rows->sum, sum);
  rgc_decompose_store(kernel, RGC_STORE, rows->loss, loss);
  rgc_decompose_store(kernel, RGC_STORE, rows->hit, rgc_decompose_binary(epi, RGC_EXPR_EQ, place, label));
  rgc_decompose_emit(d, kernel);
}

static void map_probabilities(rgc_decomposer *d, const row_values *rows) {
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, d->op->inputs[0]));
  rgc_body *epi = kernel->epi;
  int z = rgc_decompose_load(d, epi, d->op->inputs[0], kernel->extent);
  int maximum = rgc_decompose_load(d, epi, rows->maximum, kernel->extent);
  int sum = rgc_decompose_load(d, epi, rows->sum, kernel->extent);
  int power = rgc_decompose_unary(epi, RGC_EXPR_EXP, rgc_decompose_binary(epi, RGC_EXPR_SUB, z, maximum));
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[2], rgc_decompose_binary(epi, RGC_EXPR_DIV, power, sum));
  rgc_decompose_emit(d, kernel);
}

static void reduce_rows(rgc_decomposer *d, const row_values *rows) {
  rgc_kernel *kernel = open_reduce(d, rows->loss, 1u << RGC_N);
  int losses = combine(kernel, RGC_COMBINE_SUM, rgc_decompose_masked(kernel->a, load_a(d, kernel, rows->loss), 0));
  int hits = combine(kernel, RGC_COMBINE_SUM, rgc_decompose_masked(kernel->a, load_a(d, kernel, rows->hit), 0));
  int inverse = rgc_body_leaf(kernel->epi, RGC_EXPR_SCALAR, RGC_SCALAR_INV_N);
  int mean = rgc_decompose_binary(kernel->epi, RGC_EXPR_MUL, losses, inverse);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], mean);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[1], hits);
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_xent(rgc_decomposer *d) {
  row_values rows = make_rows(d);
  reduce_row_maximum(d, &rows);
  reduce_row_sums(d, &rows);
  map_probabilities(d, &rows);
  reduce_rows(d, &rows);
}

void rgc_decompose_xent_grad(rgc_decomposer *d) {
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, d->op->outputs[0]));
  rgc_body *epi = kernel->epi;
  double smoothing = d->op->attr[RGC_ATTR_SMOOTHING];
  int here = rgc_decompose_scaled(epi, is_label(d, epi, kernel->extent), 1 - smoothing);
  int floor_share = rgc_body_const(epi, smoothing / (double)kernel->extent[RGC_C]);
  int target = smoothing != 0 ? rgc_decompose_binary(epi, RGC_EXPR_ADD, here, floor_share) : here;
  int p = rgc_decompose_load(d, epi, d->op->inputs[0], kernel->extent);
  int difference = rgc_decompose_binary(epi, RGC_EXPR_SUB, p, target);
  int inverse = rgc_body_leaf(epi, RGC_EXPR_SCALAR, RGC_SCALAR_INV_N);
  int gradient = rgc_decompose_binary(epi, RGC_EXPR_MUL, difference, inverse);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], rgc_decompose_masked(epi, gradient, 0));
  rgc_decompose_emit(d, kernel);
}
