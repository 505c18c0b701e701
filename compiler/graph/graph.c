/* graph.c: making graphs; see graph.h. Tables of ops and attributes come from ops.def. */
#include "compiler/graph/graph.h"

#include <string.h>

static const rgc_op_info op_infos[] = {
#define OP(id, word, min_in, max_in, min_out, max_out, attributes) {word, min_in, max_in, min_out, max_out, attributes},
#include "compiler/graph/ops.def"
#undef OP
};

static const char *const attribute_words[] = {
#define X(id, word) word,
    RGC_ATTRIBUTES(X)
#undef X
};

const rgc_op_info *rgc_op_info_of(rgc_op_kind kind) { return &op_infos[kind]; }
const char *rgc_attribute_word(rgc_attribute attribute) { return attribute_words[attribute]; }

rgc_graph *rgc_graph_create(rgc_arena *arena, const char *name, int64_t batch) {
  rgc_graph *graph = RGC_NEW(arena, rgc_graph);
  graph->arena = arena;
  graph->name = rgc_arena_strdup(arena, name ? name : "graph");
  graph->batch = batch;
  return graph;
}

int rgc_graph_find(const rgc_graph *graph, const char *name) {
  for (int i = 0; i < graph->value_count; i++)
    if (!strcmp(graph->values[i].name, name)) return i;
  return -1;
}

int rgc_graph_value(rgc_graph *graph, const char *name, rgc_dtype dtype, rgc_role role, const int64_t shape[RGC_AXES]) {
  const char *unique = name;
  for (int i = 2; role == RGC_ROLE_TEMP && rgc_graph_find(graph, unique) >= 0; i++)
    unique = rgc_arena_printf(graph->arena, "%s.%d", name, i);
  rgc_value value = {.id = graph->value_count, .dtype = dtype, .role = role, .op = -1, .updates = -1};
  value.name = rgc_arena_strdup(graph->arena, unique);
  memcpy(value.shape, shape, sizeof value.shape);
  *RGC_PUSH(graph->arena, graph->values, graph->value_count, graph->value_capacity) = value;
  return value.id;
}

static int *copy_ids(rgc_arena *arena, const int *ids, int count) {
  int *copy = RGC_NEW_ARRAY(arena, int, count ? count : 1);
  if (count) memcpy(copy, ids, sizeof *ids * (size_t)count);
  return copy;
}

rgc_op *rgc_graph_op(rgc_graph *graph, rgc_op_kind kind, const int *inputs, int input_count, const int *outputs,
                     int output_count) {
  rgc_op *op = RGC_PUSH(graph->arena, graph->ops, graph->op_count, graph->op_capacity);
  *op = (rgc_op){.id = graph->op_count - 1, .kind = kind, .input_count = input_count, .output_count = output_count};
  op->inputs = copy_ids(graph->arena, inputs, input_count);
  op->outputs = copy_ids(graph->arena, outputs, output_count);
  op->attr[RGC_ATTR_STRIDE] = op->attr[RGC_ATTR_DILATION] = op->attr[RGC_ATTR_GROUPS] = 1;
  op->root = -1;
  op->layer = op->word = "";
  for (int i = 0; i < output_count; i++) graph->values[outputs[i]].op = op->id;
  return op;
}

rgc_op *rgc_graph_map(rgc_graph *graph, rgc_body *body, int root, int output) {
  int *inputs = RGC_NEW_ARRAY(graph->arena, int, body->operand_count ? body->operand_count : 1);
  for (int i = 0; i < body->operand_count; i++) inputs[i] = body->operands[i].value;
  rgc_op *op = rgc_graph_op(graph, RGC_OP_MAP, inputs, body->operand_count, &output, 1);
  op->body = body;
  op->root = root;
  return op;
}

rgc_body *rgc_body_create(rgc_arena *arena) {
  rgc_body *body = RGC_NEW(arena, rgc_body);
  body->arena = arena;
  return body;
}

int64_t rgc_shape_elems(const int64_t shape[RGC_AXES]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

int64_t rgc_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, bool ceil_mode) {
  int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1;
  if (room < 0) return 0;
  int64_t extent = (ceil_mode ? (room + stride - 1) / stride : room / stride) + 1;
  if (ceil_mode && (extent - 1) * stride >= in + pad) extent--;
  return extent;
}

static rgc_body *clone_body(const rgc_body *body, rgc_arena *arena) {
  rgc_body *copy = rgc_body_create(arena);
  copy->operand_count = copy->operand_capacity = body->operand_count;
  copy->node_count = copy->node_capacity = body->node_count;
  copy->operands = RGC_NEW_ARRAY(arena, rgc_operand, body->operand_count + 1);
  copy->nodes = RGC_NEW_ARRAY(arena, rgc_node, body->node_count + 1);
  if (body->operand_count) memcpy(copy->operands, body->operands, sizeof *body->operands * (size_t)body->operand_count);
  if (body->node_count) memcpy(copy->nodes, body->nodes, sizeof *body->nodes * (size_t)body->node_count);
  return copy;
}

/* Kernels are shared, not copied: no pass changes one in place once it stands in a graph that was handed on. */
rgc_graph *rgc_graph_clone(const rgc_graph *graph, rgc_arena *arena) {
  rgc_graph *copy = rgc_graph_create(arena, graph->name, graph->batch);
  for (int i = 0; i < graph->value_count; i++) {
    rgc_value value = graph->values[i];
    value.name = rgc_arena_strdup(arena, value.name);
    *RGC_PUSH(arena, copy->values, copy->value_count, copy->value_capacity) = value;
  }
  for (int i = 0; i < graph->op_count; i++) {
    rgc_op op = graph->ops[i];
    op.inputs = copy_ids(arena, op.inputs, op.input_count);
    op.outputs = copy_ids(arena, op.outputs, op.output_count);
    op.layer = rgc_arena_strdup(arena, op.layer);
    op.word = rgc_arena_strdup(arena, op.word);
    if (op.body) op.body = clone_body(op.body, arena);
    *RGC_PUSH(arena, copy->ops, copy->op_count, copy->op_capacity) = op;
  }
  return copy;
}
