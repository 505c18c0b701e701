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

/* Whether the graph changes a parameter: it is a training step, and copies of weights outlive it. */
static bool is_step(const rgc_graph *graph) {
  for (int i = 0; i < graph->value_count; i++)
    if (graph->values[i].updates >= 0 && graph->values[graph->values[i].updates].role == RGC_ROLE_PARAM) return true;
  return false;
}

/* The bf16 copy of a weight: a value that outlives the step, or else made by a map in front of its first reader. copies[v]: that of value v, or -1. */
static int copy_weight(rgc_graph *graph, const rgc_op *op, int weight, bool step, int *copies) {
  if (graph->values[weight].dtype == RGC_BF16) return weight;
  if (copies[weight] >= 0) return copies[weight];
  bool lasts = step && graph->values[weight].role == RGC_ROLE_PARAM;
  const char *name = rgc_arena_printf(graph->arena, "%s.bf16", graph->values[weight].name);
  int copy = rgc_graph_value(graph, name, RGC_BF16, lasts ? RGC_ROLE_COPY : RGC_ROLE_TEMP, graph->values[weight].shape);
  if (lasts) return copies[weight] = copy;
  rgc_kernel *kernel = rgc_kernel_map(graph, copy, graph->arena);
  rgc_view view = rgc_view_identity();
  kernel->stores[0].node = round_node(graph, kernel->epi, rgc_body_load(kernel->epi, weight, &view));
  rgc_append_kernel(graph, op, kernel)->word = "bf16";
  return copies[weight] = copy;
}

/* What changes a weight writes its copy, too. Its readers stand before. */
static void update_copies(rgc_graph *graph, rgc_kernel *kernel, const int *copies) {
  int count = kernel->store_count;
  rgc_store *stores = RGC_NEW_ARRAY(graph->arena, rgc_store, 2 * count);
  for (int i = 0; i < count; i++) {
    int weight = graph->values[kernel->stores[i].value].updates, copy = weight >= 0 ? copies[weight] : -1;
    stores[i] = kernel->stores[i];
    if (copy < 0) continue;
    int next = rgc_graph_value(graph, rgc_arena_printf(graph->arena, "%s.next", graph->values[copy].name), RGC_BF16, RGC_ROLE_TEMP, graph->values[copy].shape);
    graph->values[next].updates = copy;
    stores[kernel->store_count++] = (rgc_store){RGC_STORE, next, round_node(graph, kernel->epi, stores[i].node)};
  }
  kernel->stores = stores;
}

static void note_copies(const rgc_graph *graph, rgc_text *ledger) {
  int count = 0;
  double bytes = 0;
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->role != RGC_ROLE_COPY) continue;
    count++;
    bytes += (double)(rgc_shape_elems(v->shape) * rgc_dtype_bytes(RGC_F32));
  }
  if (ledger && count)
    rgc_text_printf(ledger, "weights: %d are kept in bf16, too, and written where they are updated: %d passes and %.3g MB a step less to read\n", count, count, bytes * 1e-6);
}

void rgc_apply_precision(rgc_graph *graph, rgc_precision precision, rgc_text *ledger) {
  graph->precision = precision;
  if (precision != RGC_PRECISION_BF16) return;
  choose_types(graph);
  rgc_arena *scratch = rgc_arena_create();
  int *copies = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1);
  for (int i = 0; i < graph->value_count; i++) copies[i] = -1;
  bool step = is_step(graph);
  rgc_old_ops old = rgc_take_ops(graph);
  for (int i = 0; i < old.count; i++) {
    rgc_kernel *kernel = old.items[i].kernel;
    round_stores(graph, kernel);
    if (kernel->kind == RGC_CONTRACT) round_operands(graph, kernel);
    if (kernel->weight >= 0) kernel->weight = copy_weight(graph, &old.items[i], kernel->weight, step, copies);
    update_copies(graph, kernel, copies);
    rgc_append_kernel(graph, &old.items[i], kernel);
  }
  note_copies(graph, ledger);
  rgc_arena_destroy(scratch);
}
