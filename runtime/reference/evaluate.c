/* evaluate.c: tensors, the order of a step, and which values follow the batch (evaluate.h).
 *
 * Whether axis N of a value is the batch is not written in the graph (a weight's axis N is its output channels), so it is
 * derived once: inputs and labels follow the batch, parameters do not, an op's outputs as its kind says. */
#include "runtime/reference/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/reference/reference_ops.h"

static void *allocate(size_t count, size_t size_bytes) {
  void *memory = calloc(count ? count : 1, size_bytes);
  if (!memory) rgc_internal_error("reference", "out of memory");
  return memory;
}

static bool map_follows_batch(const bool *batched, const rgc_body *body) {
  for (int k = 0; k < body->operand_count; k++) {
    const rgc_axis_view *axis = &body->operands[k].view.axis[RGC_N];
    if (batched[body->operands[k].value] && axis->from == RGC_N && axis->mul) return true;
  }
  return false;
}

/* Whether output `index` of the op follows the batch. */
static bool output_follows_batch(const bool *batched, const rgc_op *op, int index) {
  switch (op->kind) {
    case RGC_OP_CONV_WGRAD: return false;
    case RGC_OP_BN: return !index && batched[op->inputs[0]];
    case RGC_OP_BN_GRAD: return !index && (batched[op->inputs[0]] || batched[op->inputs[1]]);
    case RGC_OP_REDUCE: return batched[op->inputs[0]] && !((unsigned)op->attr[RGC_ATTR_AXES] & 1u << RGC_N);
    case RGC_OP_XENT: return index == 2 && batched[op->inputs[0]];
    case RGC_OP_MAP: return map_follows_batch(batched, op->body);
    default: return batched[op->inputs[0]];
  }
}

static void find_batched(rgc_reference *reference) {
  const rgc_graph *graph = reference->graph;
  for (int v = 0; v < graph->value_count; v++)
    reference->batched[v] = graph->values[v].role == RGC_ROLE_INPUT || graph->values[v].role == RGC_ROLE_LABEL;
  for (int i = 0; i < graph->op_count; i++)
    for (int k = 0; k < graph->ops[i].output_count; k++)
      reference->batched[graph->ops[i].outputs[k]] = output_follows_batch(reference->batched, &graph->ops[i], k);
}

static void fill_constant(double *tensor, const rgc_value *value) {
  if (value->init.kind != RGC_INIT_CONST) return;
  for (int64_t i = 0; i < rgc_shape_elems(value->shape); i++) tensor[i] = value->init.number;
}

rgc_reference *rgc_reference_create(const rgc_graph *graph) {
  rgc_reference *reference = allocate(1, sizeof *reference);
  reference->graph = graph;
  reference->tensors = allocate((size_t)graph->value_count, sizeof *reference->tensors);
  reference->batched = allocate((size_t)graph->value_count, sizeof *reference->batched);
  for (int v = 0; v < graph->value_count; v++) {
    const rgc_value *value = &graph->values[v];
    reference->tensors[v] = allocate((size_t)rgc_shape_elems(value->shape), sizeof(double));
    if (value->op < 0) fill_constant(reference->tensors[v], value);
  }
  find_batched(reference);
  return reference;
}

void rgc_reference_destroy(rgc_reference *reference) {
  if (!reference) return;
  for (int v = 0; v < reference->graph->value_count; v++) free(reference->tensors[v]);
  free(reference->tensors);
  free(reference->batched);
  free(reference);
}

double *rgc_reference_tensor(rgc_reference *reference, int value) { return reference->tensors[value]; }

typedef void (*op_function)(rgc_reference *, const rgc_op *);
static const op_function functions[RGC_OP_COUNT] = {
    [RGC_OP_CONV] = rgc_reference_conv,
    [RGC_OP_CONV_DGRAD] = rgc_reference_conv_dgrad,
    [RGC_OP_CONV_WGRAD] = rgc_reference_conv_wgrad,
    [RGC_OP_BN] = rgc_reference_bn,
    [RGC_OP_BN_GRAD] = rgc_reference_bn_grad,
    [RGC_OP_MAXPOOL] = rgc_reference_maxpool,
    [RGC_OP_MAXPOOL_GRAD] = rgc_reference_maxpool_grad,
    [RGC_OP_AVGPOOL] = rgc_reference_avgpool,
    [RGC_OP_AVGPOOL_GRAD] = rgc_reference_avgpool_grad,
    [RGC_OP_FILTER] = rgc_reference_filter,
    [RGC_OP_FILTER_GRAD] = rgc_reference_filter_grad,
    [RGC_OP_REDUCE] = rgc_reference_reduce,
    [RGC_OP_MAP] = rgc_reference_map,
    [RGC_OP_XENT] = rgc_reference_xent,
    [RGC_OP_XENT_GRAD] = rgc_reference_xent_grad,
};

void rgc_reference_run_op(rgc_reference *reference, int op, const rgc_step_numbers *numbers) {
  const rgc_graph *graph = reference->graph;
  const rgc_op *node = &graph->ops[op];
  if (!functions[node->kind]) rgc_internal_error("reference", "op %d: %s is no composite op", op, node->word);
  reference->numbers = numbers;
  for (int k = 0; k < node->output_count; k++) {
    const rgc_value *value = &graph->values[node->outputs[k]];
    memset(reference->tensors[value->id], 0, sizeof(double) * (size_t)rgc_shape_elems(value->shape));
  }
  functions[node->kind](reference, node);
}

void rgc_reference_apply_updates(rgc_reference *reference) {
  const rgc_graph *graph = reference->graph;
  for (int v = 0; v < graph->value_count; v++) {
    const rgc_value *value = &graph->values[v];
    if (value->updates < 0) continue;
    size_t size_bytes = sizeof(double) * (size_t)rgc_shape_elems(value->shape);
    memcpy(reference->tensors[value->updates], reference->tensors[v], size_bytes);
  }
}

void rgc_reference_step(rgc_reference *reference, const rgc_step_numbers *numbers) {
  for (int i = 0; i < reference->graph->op_count; i++) rgc_reference_run_op(reference, i, numbers);
  rgc_reference_apply_updates(reference);
}
