/* reference_map.c: map and reduce, in double.
 *
 * A map is evaluated one row of channels at a time: every node the root needs has a row of C doubles, filled in node order.
 * Loads whose channel axis is read straight or broadcast find their row with one view; others look up each element. */
#include <math.h>
#include <stdlib.h>

#include "runtime/reference/philox.h"
#include "runtime/reference/reference_ops.h"

typedef struct map_run {
  const rgc_reference *reference;
  const rgc_body *body;
  const int64_t *extent; /* of the space */
  bool *needed;          /* [node_count] */
  double *rows;          /* [node_count][C] */
} map_run;

static double *row_of(const map_run *run, int node) { return run->rows + node * run->extent[RGC_C]; }

static bool reads_channel(const rgc_view *view) {
  for (int j = 0; j < RGC_C; j++)
    if (view->axis[j].from == RGC_C && view->axis[j].mul) return true;
  return false;
}

/* 0 or 1: elements between neighbours along C; -1: look up each. */
static int64_t channel_step(const rgc_view *view, int64_t value_channels, int64_t channels) {
  const rgc_axis_view *c = &view->axis[RGC_C];
  if (reads_channel(view)) return -1;
  if (!c->mul || c->from != RGC_C) return 0;
  return c->mul == 1 && !c->add && c->div == 1 && value_channels >= channels ? 1 : -1;
}

static void load_row(const map_run *run, int operand_index, const int64_t point[RGC_AXES], double *row) {
  const rgc_operand *operand = &run->body->operands[operand_index];
  const int64_t *shape = run->reference->graph->values[operand->value].shape;
  const double *data = run->reference->tensors[operand->value];
  int64_t step = channel_step(&operand->view, shape[RGC_C], run->extent[RGC_C]);
  int64_t at[RGC_AXES] = {point[0], point[1], point[2], 0};
  int64_t first = step < 0 ? -1 : rgc_view_element(&operand->view, shape, at);
  for (int64_t c = 0; c < run->extent[RGC_C]; c++) {
    at[RGC_C] = c;
    int64_t element = step < 0 ? rgc_view_element(&operand->view, shape, at) : first < 0 ? -1 : first + c * step;
    row[c] = element < 0 ? operand->view.fill : data[element];
  }
}

static void random_row(const map_run *run, const rgc_node *node, const int64_t point[RGC_AXES], double *row) {
  const rgc_step_numbers *numbers = run->reference->numbers;
  for (int64_t c = 0; c < run->extent[RGC_C]; c++) {
    uint64_t element = 0;
    for (int j = 0; j < RGC_AXES; j++)
      if (node->axes & 1u << j)
        element = element * (uint64_t)run->extent[j] + (uint64_t)(j == RGC_C ? c : point[j]);
    row[c] = rgc_philox_uniform(numbers->seed, (uint32_t)node->index, numbers->step, element);
  }
}

static void leaf_row(const map_run *run, const rgc_node *node, const int64_t point[RGC_AXES], double *row) {
  switch (node->kind) {
    case RGC_EXPR_LOAD: load_row(run, node->index, point, row); return;
    case RGC_EXPR_RANDOM: random_row(run, node, point, row); return;
    default: break;
  }
  for (int64_t c = 0; c < run->extent[RGC_C]; c++) switch (node->kind) {
      case RGC_EXPR_CONST: row[c] = node->number; break;
      case RGC_EXPR_COORD: row[c] = (double)(node->index == RGC_C ? c : point[node->index]); break;
      case RGC_EXPR_SCALAR: row[c] = run->reference->numbers->scalars[node->index]; break;
      default: rgc_internal_error("reference", "a map cannot read %s", rgc_expr_word(node->kind));
    }
}

static double larger_or_nan(double a, double b) { return isnan(a) || isnan(b) ? NAN : a > b ? a : b; }

static double smaller_or_nan(double a, double b) { return isnan(a) || isnan(b) ? NAN : a < b ? a : b; }

#define EACH(expression)                            \
  for (int64_t i = 0; i < count; i++) row[i] = (expression); \
  return

/* One operation on rows of `count` elements. */
static void compute_row(rgc_expr_kind kind, const double *a, const double *b, const double *c, double *row,
                        int64_t count) {
  switch (kind) {
    case RGC_EXPR_ADD: EACH(a[i] + b[i]);
    case RGC_EXPR_SUB: EACH(a[i] - b[i]);
    case RGC_EXPR_MUL: EACH(a[i] * b[i]);
    case RGC_EXPR_DIV: EACH(a[i] / b[i]);
    case RGC_EXPR_MIN: EACH(smaller_or_nan(a[i], b[i]));
    case RGC_EXPR_MAX: EACH(larger_or_nan(a[i], b[i]));
    case RGC_EXPR_POW: EACH(pow(a[i], b[i]));
    case RGC_EXPR_FMA: EACH(fma(a[i], b[i], c[i]));
    case RGC_EXPR_NEG: EACH(-a[i]);
    case RGC_EXPR_ABS: EACH(fabs(a[i]));
    case RGC_EXPR_SQRT: EACH(sqrt(a[i]));
    case RGC_EXPR_RECIP: EACH(1 / a[i]);
    case RGC_EXPR_EXP: EACH(exp(a[i]));
    case RGC_EXPR_LOG: EACH(log(a[i]));
    case RGC_EXPR_TANH: EACH(tanh(a[i]));
    case RGC_EXPR_ERF: EACH(erf(a[i]));
    case RGC_EXPR_SIGMOID: EACH(1 / (1 + exp(-a[i])));
    case RGC_EXPR_FLOOR: EACH(floor(a[i]));
    case RGC_EXPR_LT: EACH(a[i] < b[i]);
    case RGC_EXPR_LE: EACH(a[i] <= b[i]);
    case RGC_EXPR_EQ: EACH(a[i] == b[i]);
    case RGC_EXPR_SELECT: EACH(a[i] != 0 ? b[i] : c[i]);
    default: rgc_internal_error("reference", "a map cannot compute %s", rgc_expr_word(kind));
  }
}
#undef EACH

static void evaluate_node(const map_run *run, int index, const int64_t point[RGC_AXES]) {
  const rgc_node *node = &run->body->nodes[index];
  double *row = row_of(run, index);
  if (!rgc_expr_arity(node->kind)) {
    leaf_row(run, node, point, row);
    return;
  }
  const double *arg[3] = {NULL, NULL, NULL};
  for (int k = 0; k < rgc_expr_arity(node->kind); k++) arg[k] = row_of(run, node->arg[k]);
  compute_row(node->kind, arg[0], arg[1], arg[2], row, run->extent[RGC_C]);
}

static void mark_needed(const rgc_body *body, int root, bool *needed) {
  needed[root] = true;
  for (int i = root; i >= 0; i--)
    for (int k = 0; needed[i] && k < rgc_expr_arity(body->nodes[i].kind); k++) needed[body->nodes[i].arg[k]] = true;
}

static void evaluate_space(const map_run *run, int root, rgc_tensor_view y) {
  double *dst = y.data;
  const double *result = row_of(run, root);
  for (int64_t n = 0; n < y.rows; n++)
    for (int64_t h = 0; h < y.shape[RGC_H]; h++)
      for (int64_t w = 0; w < y.shape[RGC_W]; w++) {
        int64_t point[RGC_AXES] = {n, h, w, 0};
        for (int i = 0; i <= root; i++)
          if (run->needed[i]) evaluate_node(run, i, point);
        for (int64_t c = 0; c < y.shape[RGC_C]; c++) *dst++ = result[c];
      }
}

void rgc_reference_map(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view y = rgc_reference_output(reference, op, 0);
  size_t nodes = (size_t)op->root + 1;
  map_run run = {.reference = reference, .body = op->body, .extent = y.shape};
  run.needed = calloc(nodes, sizeof *run.needed);
  run.rows = calloc(nodes * (size_t)y.shape[RGC_C] + 1, sizeof *run.rows);
  if (!run.needed || !run.rows) rgc_internal_error("reference", "out of memory");
  mark_needed(op->body, op->root, run.needed);
  evaluate_space(&run, op->root, y);
  free(run.needed);
  free(run.rows);
}

/* Reduce. */

typedef struct reduction {
  rgc_tensor_view x, y;
  double *index; /* of the maximum, or NULL */
  unsigned axes;
  int by;
} reduction;

/* Element of y that point p of x goes to, and p's row-major number over the reduced axes. */
static int64_t target_of(const reduction *reduce, const int64_t point[RGC_AXES], int64_t *number) {
  int64_t element = 0;
  *number = 0;
  for (int j = 0; j < RGC_AXES; j++) {
    bool reduced = reduce->axes & 1u << j;
    element = element * reduce->y.shape[j] + (reduced ? 0 : point[j]);
    if (reduced) *number = *number * reduce->x.shape[j] + point[j];
  }
  return element;
}

static void combine(const reduction *reduce, const int64_t point[RGC_AXES], double x) {
  int64_t number, element = target_of(reduce, point, &number);
  double *y = &reduce->y.data[element];
  if (reduce->by != RGC_BY_MAX) {
    *y += x;
  } else if (!number || x > *y || (isnan(x) && !isnan(*y))) {
    *y = x;
    if (reduce->index) reduce->index[element] = (double)number;
  }
}

static void divide_by_count(const reduction *reduce) {
  double count = 1;
  for (int j = 0; j < RGC_AXES; j++)
    if (reduce->axes & 1u << j) count *= (double)(j == RGC_N ? reduce->x.rows : reduce->x.shape[j]);
  for (int64_t i = 0; i < rgc_shape_elems(reduce->y.shape); i++) reduce->y.data[i] /= count;
}

void rgc_reference_reduce(rgc_reference *reference, const rgc_op *op) {
  reduction reduce = {.x = rgc_reference_input(reference, op, 0), .y = rgc_reference_output(reference, op, 0)};
  reduce.index = op->output_count > 1 ? rgc_reference_output(reference, op, 1).data : NULL;
  reduce.axes = (unsigned)op->attr[RGC_ATTR_AXES];
  reduce.by = (int)op->attr[RGC_ATTR_BY];
  const int64_t *shape = reduce.x.shape;
  const double *src = reduce.x.data;
  for (int64_t n = 0; n < reduce.x.rows; n++)
    for (int64_t h = 0; h < shape[RGC_H]; h++)
      for (int64_t w = 0; w < shape[RGC_W]; w++)
        for (int64_t c = 0; c < shape[RGC_C]; c++) combine(&reduce, (int64_t[]){n, h, w, c}, *src++);
  if (reduce.by == RGC_BY_MEAN) divide_by_count(&reduce);
}
