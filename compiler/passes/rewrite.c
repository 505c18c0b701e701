/* rewrite.c: see rewrite.h. */
#include "compiler/passes/rewrite.h"

#include <string.h>

rgc_old_ops rgc_take_ops(rgc_graph *graph) {
  rgc_old_ops old = {graph->ops, graph->op_count};
  graph->ops = NULL;
  graph->op_count = graph->op_capacity = 0;
  for (int i = 0; i < graph->value_count; i++) graph->values[i].op = -1;
  return old;
}

static void add_once(int *list, int *count, int value) {
  for (int i = 0; i < *count; i++)
    if (list[i] == value) return;
  list[(*count)++] = value;
}

rgc_op *rgc_append_kernel(rgc_graph *graph, const rgc_op *op, rgc_kernel *kernel) {
  const rgc_body *bodies[] = {kernel->a, kernel->b, kernel->tap, kernel->epi};
  int most = 1, input_count = 0;
  for (int i = 0; i < 4; i++) most += bodies[i] ? bodies[i]->operand_count : 0;
  int *inputs = RGC_NEW_ARRAY(graph->arena, int, most), *outputs = RGC_NEW_ARRAY(graph->arena, int, kernel->store_count + 1);
  for (int i = 0; i < 4; i++)
    for (int j = 0; bodies[i] && j < bodies[i]->operand_count; j++) add_once(inputs, &input_count, bodies[i]->operands[j].value);
  if (kernel->weight >= 0) add_once(inputs, &input_count, kernel->weight);
  for (int i = 0; i < kernel->store_count; i++) outputs[i] = kernel->stores[i].value;
  rgc_op *made = rgc_graph_op(graph, RGC_OP_KERNEL, inputs, input_count, outputs, kernel->store_count);
  made->kernel = kernel;
  made->layer = op->layer;
  made->word = op->word;
  made->line = op->line;
  made->backward = op->backward;
  made->recomputed = op->recomputed;
  return made;
}

static rgc_body *copy_body(const rgc_body *src, rgc_arena *arena) {
  if (!src) return NULL;
  rgc_body *dst = rgc_body_create(arena);
  *dst = *src;
  dst->arena = arena;
  dst->operands = RGC_NEW_ARRAY(arena, rgc_operand, src->operand_count + 1);
  dst->nodes = RGC_NEW_ARRAY(arena, rgc_node, src->node_count + 1);
  dst->operand_capacity = src->operand_count + 1;
  dst->node_capacity = src->node_count + 1;
  if (src->operand_count) memcpy(dst->operands, src->operands, sizeof *src->operands * (size_t)src->operand_count);
  if (src->node_count) memcpy(dst->nodes, src->nodes, sizeof *src->nodes * (size_t)src->node_count);
  return dst;
}

rgc_kernel *rgc_kernel_copy(const rgc_kernel *kernel, rgc_arena *arena) {
  rgc_kernel *copy = RGC_NEW(arena, rgc_kernel);
  *copy = *kernel;
  copy->a = copy_body(kernel->a, arena);
  copy->b = copy_body(kernel->b, arena);
  copy->tap = copy_body(kernel->tap, arena);
  copy->epi = copy_body(kernel->epi, arena);
  copy->stores = RGC_NEW_ARRAY(arena, rgc_store, kernel->store_count + 1);
  memcpy(copy->stores, kernel->stores, sizeof *kernel->stores * (size_t)kernel->store_count);
  return copy;
}

rgc_kernel *rgc_kernel_map(const rgc_graph *graph, int output, rgc_arena *arena) {
  rgc_kernel *kernel = RGC_NEW(arena, rgc_kernel);
  kernel->kind = RGC_MAP;
  memcpy(kernel->extent, graph->values[output].shape, sizeof kernel->extent);
  kernel->weight = kernel->b_root = -1;
  for (int k = 0; k < RGC_MAX_ROOTS; k++) kernel->a_roots[k] = kernel->tap_roots[k] = -1;
  kernel->epi = rgc_body_create(arena);
  kernel->stores = RGC_NEW(arena, rgc_store);
  kernel->stores[0] = (rgc_store){.kind = RGC_STORE, .value = output};
  kernel->store_count = 1;
  return kernel;
}
