/* precision.c: see precision.h. Before fusion a kernel has one store or few, so roundings are put where values are made and contracts
 * read; `fuse` then moves them like any other node. */
#include "compiler/passes/precision.h"

#include "compiler/passes/decompose_samples.h"
#include "compiler/passes/rewrite.h"

/* Whether the value is bf16 in memory; samples: its axis N counts samples. */
static bool is_wide(const rgc_value *value, bool samples) {
  bool computed = value->op >= 0 && value->updates < 0 && value->dtype == RGC_F32;
  return computed && samples && value->shape[RGC_H] * value->shape[RGC_W] > 1;
}

static void choose_types(rgc_graph *graph) {
  rgc_arena *scratch = rgc_arena_create();
  const bool *samples = rgc_sample_values(graph, scratch);
  for (int i = 0; i < graph->value_count; i++)
    if (is_wide(&graph->values[i], samples[i])) graph->values[i].dtype = RGC_BF16;
  rgc_arena_destroy(scratch);
}

/* The node rounded; itself where it is a bf16 number already. */
static int round_node(const rgc_graph *graph, rgc_body *body, int node) {
  const rgc_node *n = &body->nodes[node];
  const rgc_operand *from = n->kind == RGC_EXPR_LOAD ? &body->operands[n->index] : NULL;
  if (from && graph->values[from->value].dtype == RGC_BF16 && rgc_round_bf16(from->view.fill) == from->view.fill) return node;
  return rgc_body_node(body, RGC_EXPR_BF16, node, -1, -1);
}

static void round_stores(const rgc_graph *graph, rgc_kernel *kernel) {
  for (int i = 0; i < kernel->store_count; i++) {
    rgc_store *store = &kernel->stores[i];
    if (graph->values[store->value].dtype != RGC_BF16) continue;
    store->node = round_node(graph, store->kind == RGC_SIDE_STORE ? kernel->a : kernel->epi, store->node);
  }
}

static void round_operands(const rgc_graph *graph, rgc_kernel *kernel) {
  kernel->a_roots[0] = round_node(graph, kernel->a, kernel->a_roots[0]);
  if (kernel->b) kernel->b_root = round_node(graph, kernel->b, kernel->b_root);
}

/* The bf16 copy of a weight, made by a map in front of its first reader. copies[v]: that of value v, or -1. */
static int copy_weight(rgc_graph *graph, const rgc_op *op, int weight, int *copies) {
  if (graph->values[weight].dtype == RGC_BF16) return weight;
  if (copies[weight] >= 0) return copies[weight];
  const char *name = rgc_arena_printf(graph->arena, "%s.bf16", graph->values[weight].name);
  int copy = rgc_graph_value(graph, name, RGC_BF16, RGC_ROLE_TEMP, graph->values[weight].shape);
  rgc_kernel *kernel = rgc_kernel_map(graph, copy, graph->arena);
  rgc_view view = rgc_view_identity();
  kernel->stores[0].node = round_node(graph, kernel->epi, rgc_body_load(kernel->epi, weight, &view));
  rgc_append_kernel(graph, op, kernel)->word = "bf16";
  return copies[weight] = copy;
}

void rgc_apply_precision(rgc_graph *graph, rgc_precision precision) {
  graph->precision = precision;
  if (precision != RGC_PRECISION_BF16) return;
  choose_types(graph);
  rgc_arena *scratch = rgc_arena_create();
  int *copies = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1);
  for (int i = 0; i < graph->value_count; i++) copies[i] = -1;
  rgc_old_ops old = rgc_take_ops(graph);
  for (int i = 0; i < old.count; i++) {
    rgc_kernel *kernel = old.items[i].kernel;
    round_stores(graph, kernel);
    if (kernel->kind == RGC_CONTRACT) round_operands(graph, kernel);
    if (kernel->weight >= 0) kernel->weight = copy_weight(graph, &old.items[i], kernel->weight, copies);
    rgc_append_kernel(graph, &old.items[i], kernel);
  }
  rgc_arena_destroy(scratch);
}
