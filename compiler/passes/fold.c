/* fold.c: see fold.h. */
#include "compiler/passes/fold.h"

#include <string.h>

#include "compiler/passes/rewrite.h"

static bool is_stored(const rgc_value *v) { return v->role == RGC_ROLE_PARAM || v->role == RGC_ROLE_BUFFER; }

/* constant[v]: computed from parameters and buffers alone. */
static bool *find_constant(const rgc_graph *graph, rgc_arena *scratch) {
  bool *constant = RGC_NEW_ARRAY(scratch, bool, graph->value_count + 1);
  for (int v = 0; v < graph->value_count; v++) constant[v] = graph->values[v].op < 0 && is_stored(&graph->values[v]);
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    bool all = true;
    for (int k = 0; k < op->input_count; k++) all = all && constant[op->inputs[k]];
    for (int k = 0; k < op->output_count; k++) constant[op->outputs[k]] = all && graph->values[op->outputs[k]].role != RGC_ROLE_OUTPUT;
  }
  return constant;
}

/* Scales. */

/* By value, the only op that reads it, by number; -1: several, or none. */
static int *find_only_readers(const rgc_graph *graph, rgc_arena *scratch) {
  int *reader = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1);
  enum { NONE = -2, SEVERAL = -1 };
  for (int v = 0; v < graph->value_count; v++) reader[v] = NONE;
  for (int i = 0; i < graph->op_count; i++)
    for (int k = 0; k < graph->ops[i].input_count; k++) {
      int *at = &reader[graph->ops[i].inputs[k]];
      *at = *at == NONE ? i : SEVERAL;
    }
  for (int v = 0; v < graph->value_count; v++)
    if (reader[v] == NONE) reader[v] = SEVERAL;
  return reader;
}

static bool is_plain_contract(const rgc_kernel *kernel) {
  return kernel && kernel->kind == RGC_CONTRACT && kernel->form == RGC_PIXELS && !kernel->geometry.transposed && kernel->store_count == 1 &&
         kernel->epi->nodes[kernel->stores[0].node].kind == RGC_EXPR_ACC;
}

static int load_of(const rgc_body *body, int node) {
  return body->nodes[node].kind == RGC_EXPR_LOAD ? body->operands[body->nodes[node].index].value : -1;
}

/* A map fma(load y, load scale, rest) over y's shape: returns scale's value, -1 otherwise. */
static int scale_of(const rgc_graph *graph, const rgc_kernel *map, int y, const bool *constant) {
  if (map->kind != RGC_MAP || map->store_count != 1 || memcmp(map->extent, graph->values[y].shape, sizeof map->extent)) return -1;
  const rgc_node *root = &map->epi->nodes[map->stores[0].node];
  if (root->kind != RGC_EXPR_FMA || load_of(map->epi, root->arg[0]) != y) return -1;
  int scale = load_of(map->epi, root->arg[1]);
  const rgc_view *view = scale >= 0 ? &map->epi->operands[map->epi->nodes[root->arg[1]].index].view : NULL;
  bool by_channel = view && view->axis[RGC_C].from == RGC_C && view->axis[RGC_C].mul == 1 && !view->axis[RGC_C].add && view->axis[RGC_C].div == 1;
  const int64_t *shape = scale >= 0 ? graph->values[scale].shape : NULL;
  bool vector = shape && shape[RGC_N] == 1 && shape[RGC_H] == 1 && shape[RGC_W] == 1 && shape[RGC_C] == map->extent[RGC_C];
  return by_channel && vector && constant[scale] ? scale : -1;
}

/* Appends w * scale[o]; returns the new weight. */
static int append_scaled(rgc_graph *graph, const rgc_op *op, int weight, int scale) {
  int64_t shape[RGC_AXES];
  memcpy(shape, graph->values[weight].shape, sizeof shape);
  int made = rgc_graph_value(graph, rgc_arena_printf(graph->arena, "%s.scaled", graph->values[weight].name), RGC_F32, RGC_ROLE_TEMP, shape);
  rgc_kernel *kernel = rgc_kernel_map(graph, made, graph->arena);
  rgc_view identity = rgc_view_identity(), by_output = rgc_view_identity();
  for (int j = 0; j < RGC_AXES; j++) by_output.axis[j].mul = 0;
  by_output.axis[RGC_C] = (rgc_axis_view){.from = RGC_N, .mul = 1, .div = 1};
  int w = rgc_body_load(kernel->epi, weight, &identity), s = rgc_body_load(kernel->epi, scale, &by_output);
  kernel->stores[0].node = rgc_body_node(kernel->epi, RGC_EXPR_MUL, w, s, -1);
  rgc_append_kernel(graph, op, kernel)->word = "fold";
  return made;
}

/* y + rest instead of fma(y, scale, rest). */
static void drop_scale(rgc_kernel *map) {
  const rgc_node root = map->epi->nodes[map->stores[0].node];
  map->stores[0].node = rgc_body_node(map->epi, RGC_EXPR_ADD, root.arg[0], root.arg[2], -1);
}

typedef struct folding {
  int scale; /* value, -1: none */
  int map;   /* op that multiplied by it */
} folding;

static void find_foldings(const rgc_graph *graph, const bool *constant, const int *only_reader, folding *foldings) {
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_kernel *kernel = graph->ops[i].kernel;
    foldings[i] = (folding){-1, -1};
    if (!is_plain_contract(kernel) || !constant[kernel->weight]) continue;
    int y = kernel->stores[0].value, reader = only_reader[y];
    int scale = reader >= 0 && graph->values[y].role == RGC_ROLE_TEMP ? scale_of(graph, graph->ops[reader].kernel, y, constant) : -1;
    if (scale >= 0) foldings[i] = (folding){scale, reader};
  }
}

/* Constant ops go first, in their order, so that a scale is there before the contract. */
void rgc_fold_scales(rgc_graph *graph) {
  rgc_arena *scratch = rgc_arena_create();
  const bool *constant = find_constant(graph, scratch);
  folding *foldings = RGC_NEW_ARRAY(scratch, folding, graph->op_count + 1);
  bool *unscaled = RGC_NEW_ARRAY(scratch, bool, graph->op_count + 1);
  find_foldings(graph, constant, find_only_readers(graph, scratch), foldings);
  for (int i = 0; i < graph->op_count; i++)
    if (foldings[i].map >= 0) unscaled[foldings[i].map] = true;
  rgc_old_ops old = rgc_take_ops(graph);
  for (int constants = 1; constants >= 0; constants--)
    for (int i = 0; i < old.count; i++) {
      if (constant[old.items[i].outputs[0]] != constants) continue;
      rgc_kernel *kernel = old.items[i].kernel;
      if (unscaled[i]) drop_scale(kernel);
      if (foldings[i].scale >= 0) kernel->weight = append_scaled(graph, &old.items[i], kernel->weight, foldings[i].scale);
      rgc_append_kernel(graph, &old.items[i], kernel);
    }
  rgc_arena_destroy(scratch);
}

/* Split. */

void rgc_split_constant(rgc_graph *graph, bool keep_constant) {
  rgc_arena *scratch = rgc_arena_create();
  const bool *constant = find_constant(graph, scratch);
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    if (constant[op->outputs[0]]) continue;
    for (int k = 0; k < op->input_count; k++) {
      rgc_value *input = &graph->values[op->inputs[k]];
      if (constant[input->id] && input->op >= 0) input->role = RGC_ROLE_FOLDED;
    }
  }
  rgc_old_ops old = rgc_take_ops(graph);
  for (int i = 0; i < old.count; i++)
    if (constant[old.items[i].outputs[0]] == keep_constant) rgc_append_kernel(graph, &old.items[i], old.items[i].kernel);
  for (int v = 0; v < graph->value_count; v++) /* what this program does not compute is no output of it */
    if (graph->values[v].role == RGC_ROLE_OUTPUT && graph->values[v].op < 0) graph->values[v].role = RGC_ROLE_TEMP;
  rgc_arena_destroy(scratch);
}
