/* graph_print.c: the canonical text of a graph; graph_parse.c reads it back to a graph that prints the same.
 *
 *   graph "resnet18" batch 32
 *   value %x f32 input [32,224,224,3]
 *   value %w f32 param [64,7,7,3] torch_rank=4 init=normal(0.05)
 *   value %y f32 temp [32,112,112,64]
 *   value %z f32 temp [32,112,112,64]
 *   %y = conv(%x, %w) stride=2 pad=3 layer="conv1" line=4
 *   %z = map layer="relu" word="relu" {
 *     operand %y
 *     operand %w [n*0,h*0,w*2-1,c/2] fill=-inf
 *     n0 = load 0
 *     n1 = const 0.5
 *     n2 = max n0 n1
 *     return n2
 *   }
 *
 * Values stand first, in the order of their ids; ops follow in theirs. What has its default value is left out. Numbers have
 * the fewest digits that read back to the same bits. A kernel op has its fields (kernel.h), one a line, between braces; the
 * operands and nodes of a stage follow its line:
 *
 *   %y = kernel(%x, %w) {
 *     contract pixels
 *     extent [2,8,8,6]
 *     ...                                       geometry, and `columns` stride,pad where those of columns are others
 *     stage a
 *     operand %x
 *     n0 = load 0
 *     root a n0 fill=0
 *     store point %y n0
 *   } */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "compiler/graph/graph_text.h"

enum { NUMBER_CHARS = 40 };

/* Whether the number in so many digits reads back to the same bits (of a NaN, as nearly as it can be written). */
static bool reads_back(double number, int digits, char chars[NUMBER_CHARS]) {
  snprintf(chars, NUMBER_CHARS, "%.*g", digits, number);
  double back = strtod(chars, NULL);
  return !memcmp(&back, &number, sizeof back) || digits == DBL_DECIMAL_DIG;
}

/* Whole numbers whose digits are the fewest that will do: not 110, which in two digits is 1.1e+02, and not -0. */
static bool is_plain_integer(double number) {
  if (!(number > -1e15 && number < 1e15) || number != (double)(int64_t)number) return false;
  return number == 0 ? !signbit(number) : (int64_t)number % 10 != 0;
}

/* What DBL_DIG digits do not say, fewer do not. */
static void print_number(rgc_text *out, double number) {
  char chars[NUMBER_CHARS];
  if (is_plain_integer(number)) {
    rgc_text_add_int(out, (int64_t)number);
    return;
  }
  int digits = reads_back(number, DBL_DIG, chars) ? 1 : DBL_DIG + 1;
  while (!reads_back(number, digits, chars)) digits++;
  rgc_text_add(out, chars);
}

static void print_string(rgc_text *out, const char *chars) {
  rgc_text_add(out, "\"");
  for (; *chars; chars++) {
    if (*chars == '"' || *chars == '\\') rgc_text_add(out, "\\");
    if (*chars == '\n')
      rgc_text_add(out, "\\n");
    else
      rgc_text_add_bytes(out, chars, 1);
  }
  rgc_text_add(out, "\"");
}

/* A graph that is being debugged may hold ids that name nothing. */
static void print_name(const rgc_graph *graph, int value, rgc_text *out) {
  bool there = value >= 0 && value < graph->value_count;
  rgc_text_add(out, there ? "%" : "%?");
  if (there) rgc_text_add(out, graph->values[value].name);
  else rgc_text_add_int(out, value);
}

/* "[32,8,8,16]" */
static void print_shape(const int64_t shape[RGC_AXES], rgc_text *out) {
  for (int j = 0; j < RGC_AXES; j++) {
    rgc_text_add(out, j ? "," : "[");
    rgc_text_add_int(out, shape[j]);
  }
  rgc_text_add(out, "]");
}

static void print_init(const rgc_value *value, rgc_text *out) {
  static const double zero = 0;
  bool is_zero = value->init.kind == RGC_INIT_CONST && !memcmp(&value->init.number, &zero, sizeof zero);
  if (is_zero) return;
  rgc_text_printf(out, " init=%s(", rgc_init_words[value->init.kind]);
  print_number(out, value->init.number);
  rgc_text_add(out, ")");
}

static void print_value(const rgc_graph *graph, const rgc_value *value, rgc_text *out) {
  const rgc_layout *layout = &value->layout;
  rgc_text_printf(out, "value %%%s %s %s ", value->name, rgc_dtype_words[value->dtype], rgc_role_words[value->role]);
  print_shape(value->shape, out);
  if (layout->kind != RGC_LAYOUT_NHWC)
    rgc_text_printf(out, " layout=%s(%d,%d,%d)", layout->kind == RGC_LAYOUT_PANEL ? "panel" : "panel_t", layout->groups, layout->lanes, layout->block);
  if (value->torch_rank) rgc_text_printf(out, " torch_rank=%d", value->torch_rank);
  print_init(value, out);
  if (value->updates >= 0) {
    rgc_text_add(out, " updates=");
    print_name(graph, value->updates, out);
  }
  rgc_text_add(out, "\n");
}

static void print_axis(const rgc_axis_view *axis, rgc_text *out) {
  bool known = axis->from >= 0 && axis->from < RGC_AXES;
  rgc_text_printf(out, "%c", known ? rgc_axis_letters[axis->from] : '?');
  if (axis->mul != 1) rgc_text_printf(out, "*%lld", (long long)axis->mul);
  if (axis->add) rgc_text_printf(out, "%+lld", (long long)axis->add);
  if (axis->div != 1 || axis->whole) rgc_text_printf(out, "%s%lld", axis->whole ? "//" : "/", (long long)axis->div);
}

static void print_operand(const rgc_graph *graph, const rgc_operand *operand, rgc_text *out) {
  rgc_text_add(out, "  operand ");
  print_name(graph, operand->value, out);
  if (!rgc_view_is_identity(&operand->view))
    for (int j = 0; j < RGC_AXES; j++) {
      rgc_text_add(out, j ? "," : " [");
      print_axis(&operand->view.axis[j], out);
      if (j == RGC_AXES - 1) rgc_text_add(out, "]");
    }
  static const double zero = 0;
  if (memcmp(&operand->view.fill, &zero, sizeof zero)) {
    rgc_text_add(out, " fill=");
    print_number(out, operand->view.fill);
  }
  rgc_text_add(out, "\n");
}

static void print_node(const rgc_node *node, int number, rgc_text *out) {
  rgc_text_add(out, "  n");
  rgc_text_add_int(out, number);
  rgc_text_add(out, " = ");
  rgc_text_add(out, rgc_expr_word(node->kind));
  for (int i = 0; i < rgc_expr_arity(node->kind); i++) {
    rgc_text_add(out, " n");
    rgc_text_add_int(out, node->arg[i]);
  }
  if (node->kind == RGC_EXPR_CONST) {
    rgc_text_add(out, " ");
    print_number(out, node->number);
  } else if (node->kind == RGC_EXPR_SCALAR) {
    rgc_text_printf(out, " %s", rgc_scalar_word((rgc_scalar)node->index));
  } else if (rgc_expr_has_index(node->kind)) {
    rgc_text_add(out, " ");
    rgc_text_add_int(out, node->index);
  }
  if (node->kind == RGC_EXPR_RANDOM) rgc_text_printf(out, " axes=%u", node->axes);
  rgc_text_add(out, "\n");
}

static void print_nodes(const rgc_graph *graph, const rgc_body *body, rgc_text *out) {
  for (int i = 0; i < body->operand_count; i++) print_operand(graph, &body->operands[i], out);
  for (int i = 0; i < body->node_count; i++) print_node(&body->nodes[i], i, out);
}

static void print_body(const rgc_graph *graph, const rgc_body *body, int root, rgc_text *out) {
  rgc_text_add(out, " {\n");
  print_nodes(graph, body, out);
  rgc_text_printf(out, "  return n%d\n}", root);
}

/* Kernels. */

static void print_stage(const rgc_graph *graph, const char *name, const rgc_body *body, rgc_text *out) {
  if (!body) return;
  rgc_text_printf(out, "  stage %s\n", name);
  print_nodes(graph, body, out);
}

static void print_extent(const char *name, const int64_t extent[RGC_AXES], rgc_text *out) {
  rgc_text_add(out, name);
  print_shape(extent, out);
  rgc_text_add(out, "\n");
}

static void print_core(const rgc_graph *graph, const rgc_kernel *kernel, rgc_text *out) {
  const rgc_geometry *g = &kernel->geometry;
  rgc_text_printf(out, "  %s %s\n", rgc_kernel_words[kernel->kind], rgc_form_words[kernel->form]);
  print_extent("  extent ", kernel->extent, out);
  print_extent("  a_extent ", kernel->a_extent, out);
  print_extent("  b_extent ", kernel->b_extent, out);
  rgc_text_printf(out, "  geometry %lld,%lld,%lld,%lld,%lld,%lld,%d\n", (long long)g->kernel_h, (long long)g->kernel_w,
                  (long long)g->stride, (long long)g->pad, (long long)g->dilation, (long long)g->groups, g->transposed);
  if (g->stride_w != g->stride || g->pad_w != g->pad) rgc_text_printf(out, "  columns %lld,%lld\n", (long long)g->stride_w, (long long)g->pad_w);
  rgc_text_printf(out, "  reduce_axes %u\n  tap_operand %u\n", kernel->reduce_axes, kernel->tap_operand);
  rgc_text_printf(out, "  tiles %lld,%lld\n", (long long)kernel->tile_rows, (long long)kernel->tile_images);
  if (kernel->weight < 0) return;
  rgc_text_add(out, "  weight ");
  print_name(graph, kernel->weight, out);
  rgc_text_add(out, "\n");
}

static void print_roots(const rgc_kernel *kernel, rgc_text *out) {
  for (int i = 0; i < kernel->a_root_count; i++) {
    rgc_text_printf(out, "  root a n%d fill=", kernel->a_roots[i]);
    print_number(out, kernel->a_fill[i]);
    rgc_text_add(out, "\n");
  }
  if (kernel->b) rgc_text_printf(out, "  root b n%d\n", kernel->b_root);
  for (int i = 0; i < kernel->acc_count; i++) {
    rgc_text_printf(out, "  acc %s", rgc_combine_words[kernel->combine[i]]);
    if (kernel->tap) rgc_text_printf(out, " n%d", kernel->tap_roots[i]);
    rgc_text_add(out, "\n");
  }
}

static void print_kernel(const rgc_graph *graph, const rgc_kernel *kernel, rgc_text *out) {
  rgc_text_add(out, " {\n");
  print_core(graph, kernel, out);
  print_stage(graph, "a", kernel->a, out);
  print_stage(graph, "b", kernel->b, out);
  print_stage(graph, "tap", kernel->tap, out);
  print_stage(graph, "epi", kernel->epi, out);
  print_roots(kernel, out);
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_store *store = &kernel->stores[i];
    rgc_text_printf(out, "  store %s ", rgc_store_words[store->kind]);
    print_name(graph, store->value, out);
    rgc_text_printf(out, " n%d\n", store->node);
  }
  rgc_text_add(out, "}");
}

static void print_names(const rgc_graph *graph, const int *values, int count, rgc_text *out) {
  for (int i = 0; i < count; i++) {
    if (i) rgc_text_add(out, ", ");
    print_name(graph, values[i], out);
  }
}

static void print_attributes(const rgc_op *op, rgc_text *out) {
  for (int i = 0; i < RGC_ATTR_COUNT; i++) {
    double value = op->attr[i], usual = rgc_attribute_defaults[i];
    if (!memcmp(&value, &usual, sizeof value)) continue;
    rgc_text_printf(out, " %s=", rgc_attribute_word((rgc_attribute)i));
    print_number(out, value);
  }
}

static void print_origin(const rgc_op *op, rgc_text *out) {
  if (op->layer && *op->layer) {
    rgc_text_add(out, " layer=");
    print_string(out, op->layer);
  }
  if (op->word && strcmp(op->word, rgc_op_info_of(op->kind)->word)) {
    rgc_text_add(out, " word=");
    print_string(out, op->word);
  }
  if (op->line) rgc_text_printf(out, " line=%d", op->line);
  if (op->backward) rgc_text_add(out, op->recomputed ? " recomputed" : " backward");
}

void rgc_op_print(const rgc_graph *graph, const rgc_op *op, rgc_text *out) {
  print_names(graph, op->outputs, op->output_count, out);
  rgc_text_printf(out, " = %s", rgc_op_info_of(op->kind)->word);
  if (op->kind != RGC_OP_MAP) {
    rgc_text_add(out, "(");
    print_names(graph, op->inputs, op->input_count, out);
    rgc_text_add(out, ")");
  }
  print_attributes(op, out);
  print_origin(op, out);
  if (op->kind == RGC_OP_MAP && op->body) print_body(graph, op->body, op->root, out);
  if (op->kind == RGC_OP_KERNEL && op->kernel) print_kernel(graph, op->kernel, out);
  rgc_text_add(out, "\n");
}

void rgc_graph_print(const rgc_graph *graph, rgc_text *out) {
  rgc_text_add(out, "graph ");
  print_string(out, graph->name);
  rgc_text_printf(out, " batch %lld", (long long)graph->batch);
  if (graph->precision != RGC_PRECISION_FP32) rgc_text_printf(out, " precision %s", rgc_precision_word(graph->precision));
  rgc_text_add(out, "\n");
  for (int i = 0; i < graph->value_count; i++) print_value(graph, &graph->values[i], out);
  for (int i = 0; i < graph->op_count; i++) rgc_op_print(graph, &graph->ops[i], out);
}
