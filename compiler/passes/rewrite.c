/* rewrite.c: see rewrite.h. */
#include "compiler/passes/rewrite.h"

#include <string.h>

rgc_old_ops rgc_take_ops(rgc_graph *graph) {
  rgc_old_ops old = {graph->ops, graph->op_count};
  graph->ops = RGC_NEW_ARRAY(graph->arena, rgc_op, old.count); /* as many again, most often */
  graph->op_capacity = old.count;
  graph->op_count = 0;
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
  rgc_op *made = rgc_graph_op(graph, RGC_OP_KERNEL, NULL, 0, outputs, kernel->store_count);
  made->inputs = inputs;
  made->input_count = input_count;
  made->kernel = kernel;
  made->layer = op->layer;
  made->word = op->word;
  made->line = op->line;
  made->backward = op->backward;
  made->recomputed = op->recomputed;
  return made;
}

rgc_kernel *rgc_kernel_copy(const rgc_kernel *kernel, rgc_arena *arena) {
  rgc_kernel *copy = rgc_arena_copy(arena, kernel, sizeof *kernel);
  copy->stores = rgc_arena_copy(arena, kernel->stores, sizeof *kernel->stores * (size_t)kernel->store_count);
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
