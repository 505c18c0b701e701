/* matmul.c: see matmul.h. */
#include "compiler/passes/matmul.h"

#include <string.h>

static int64_t pixels_of(const int64_t extent[RGC_AXES]) { return extent[RGC_N] * extent[RGC_H] * extent[RGC_W]; }

/* Whether pixels of `in` are the rows of a matrix, window by window: windows of one pixel, or one window that is all of an image. */
static bool is_dense(const rgc_geometry *g, const int64_t in[RGC_AXES], const int64_t out[RGC_AXES]) {
  bool point = g->kernel_h == 1 && g->kernel_w == 1 && g->stride == 1 && in[RGC_H] == out[RGC_H] && in[RGC_W] == out[RGC_W];
  bool image = g->kernel_h == in[RGC_H] && g->kernel_w == in[RGC_W] && out[RGC_H] * out[RGC_W] == 1 && g->dilation == 1;
  return g->groups == 1 && g->pad == 0 && (point || image);
}

/* The value that a root is, rounded to bf16 in a graph of bf16; -1: there is more in the stage than that. */
static int find_operand(const rgc_graph *graph, const rgc_body *body, int root, const int64_t extent[RGC_AXES]) {
  bool bf16 = graph->precision == RGC_PRECISION_BF16, rounds = bf16 && body->nodes[root].kind == RGC_EXPR_BF16;
  const rgc_node *node = &body->nodes[rounds ? body->nodes[root].arg[0] : root];
  if (node->kind != RGC_EXPR_LOAD) return -1;
  const rgc_operand *operand = &body->operands[node->index];
  const rgc_value *value = &graph->values[operand->value];
  bool small = value->shape[RGC_H] * value->shape[RGC_W] == 1;
  if (value->dtype != (bf16 && !rounds ? RGC_BF16 : RGC_F32) || (rounds && !small)) return -1;
  return rgc_view_is_same_point(&operand->view, value->shape, extent) ? value->id : -1;
}

/* The one value stored at each point; NULL where something else is stored, or what outlives a run. */
static const rgc_value *find_output(const rgc_graph *graph, const rgc_kernel *kernel) {
  const rgc_value *value = &graph->values[kernel->stores[0].value];
  bool plain = kernel->store_count == 1 && kernel->stores[0].kind == RGC_STORE && value->updates < 0 && rgc_is_real(value);
  return plain && (value->role == RGC_ROLE_TEMP || value->role == RGC_ROLE_OUTPUT) ? value : NULL;
}

/* What is added to the sum: the node is a tree of additions over one ACC. */
static bool find_terms(const rgc_graph *graph, const rgc_kernel *kernel, int number, int *sums, rgc_matmul *to) {
  const rgc_node *node = &kernel->epi->nodes[number];
  if (node->kind == RGC_EXPR_ADD) return find_terms(graph, kernel, node->arg[0], sums, to) && find_terms(graph, kernel, node->arg[1], sums, to);
  if (node->kind == RGC_EXPR_ACC) return ++*sums == 1;
  if (node->kind != RGC_EXPR_LOAD) return false;
  const rgc_operand *operand = &kernel->epi->operands[node->index];
  const rgc_value *value = &graph->values[operand->value];
  bool whole = rgc_view_is_same_point(&operand->view, value->shape, kernel->extent);
  int *place = whole ? &to->addend : &to->bias;
  if (*place >= 0 || value->dtype != graph->values[to->output].dtype) return false;
  *place = value->id;
  return whole || (rgc_view_is_channel(&operand->view, value->shape, kernel->extent) && kernel->extent[RGC_C] == to->cols);
}

static bool is_zero(const rgc_node *node) { return node->kind == RGC_EXPR_CONST && node->number == 0; }

static bool find_epilogue(const rgc_graph *graph, const rgc_kernel *kernel, rgc_matmul *to) {
  const rgc_node *nodes = kernel->epi->nodes;
  int node = kernel->stores[0].node, sums = 0;
  bool rounds = nodes[node].kind == RGC_EXPR_BF16;
  if (rounds != (graph->values[to->output].dtype == RGC_BF16)) return false;
  if (rounds) node = nodes[node].arg[0];
  to->relu = nodes[node].kind == RGC_EXPR_MAX && is_zero(&nodes[nodes[node].arg[1]]);
  if (to->relu) node = nodes[node].arg[0];
  if (rounds && to->relu && nodes[node].kind == RGC_EXPR_BF16) node = nodes[node].arg[0]; /* rounding keeps the order of numbers */
  return find_terms(graph, kernel, node, &sums, to) && sums == 1;
}

static bool find_pixels(const rgc_graph *graph, const rgc_kernel *k, rgc_matmul *to) {
  const rgc_geometry *g = &k->geometry;
  int64_t taps = g->kernel_h * g->kernel_w, channels = k->extent[RGC_C];
  rgc_dtype wanted = graph->precision == RGC_PRECISION_BF16 ? RGC_BF16 : RGC_F32;
  if (!is_dense(g, g->transposed ? k->extent : k->a_extent, g->transposed ? k->a_extent : k->extent)) return false;
  to->rows = pixels_of(g->transposed ? k->a_extent : k->extent);
  to->cols = g->transposed ? taps * channels : channels;
  to->depth = (g->transposed ? 1 : taps) * k->a_extent[RGC_C];
  to->left = find_operand(graph, k->a, k->a_roots[0], k->a_extent);
  to->right = k->weight;
  to->right_transposed = !g->transposed;
  return graph->values[k->weight].dtype == wanted && graph->values[k->weight].layout.kind == RGC_LAYOUT_NHWC;
}

static bool find_weights(const rgc_graph *graph, const rgc_kernel *k, const rgc_target *target, rgc_matmul *to) {
  if (k->geometry.transposed || !is_dense(&k->geometry, k->a_extent, k->b_extent)) return false;
  to->rows = k->extent[0];
  to->cols = k->extent[1] * k->extent[2] * k->extent[3];
  to->depth = pixels_of(k->b_extent);
  to->left = find_operand(graph, k->b, k->b_root, k->b_extent);
  to->right = find_operand(graph, k->a, k->a_roots[0], k->a_extent);
  to->left_transposed = to->sums_samples = true;
  return to->depth <= target->library_samples;
}

bool rgc_matmul_find(const rgc_graph *graph, const rgc_op *op, const rgc_target *target, rgc_matmul *to) {
  const rgc_kernel *k = op->kernel;
  if (!target->library_samples || !k || k->kind != RGC_CONTRACT) return false;
  const rgc_value *output = find_output(graph, k);
  if (!output) return false;
  *to = (rgc_matmul){.bias = -1, .addend = -1, .output = output->id};
  bool product = k->form == RGC_PIXELS ? find_pixels(graph, k, to) : find_weights(graph, k, target, to);
  return product && to->left >= 0 && to->right >= 0 && find_epilogue(graph, k, to);
}

void rgc_matmul_print(const rgc_matmul *p, rgc_text *out) {
  rgc_text_printf(out, "%lld x %lld x %lld", (long long)p->rows, (long long)p->cols, (long long)p->depth);
  if (p->bias >= 0) rgc_text_add(out, ", with a bias");
  if (p->addend >= 0) rgc_text_add(out, ", added to a tensor");
  if (p->relu) rgc_text_add(out, ", with ReLU");
}
