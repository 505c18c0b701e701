/* decompose.c: every composite op becomes kernels (decompose.h).
 *
 * The new graph is a clone with its ops taken out; then each composite, in order, is rewritten by the rule of its kind, so
 * that order and updates stay as they were. A rule may append values, never change one. Maps are written here, for they
 * only change their dress; the other rules stand in decompose_conv, _bn, _window and _reduce. */
#include "compiler/passes/decompose_build.h"
#include "compiler/passes/rewrite.h"

static void decompose_map(rgc_decomposer *d) {
  int output = d->op->outputs[0];
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, output));
  kernel->epi = d->op->body;
  rgc_decompose_store(kernel, RGC_STORE, output, d->op->root);
  rgc_decompose_emit(d, kernel);
}

static void keep_kernel(rgc_decomposer *d) {
  const rgc_op *op = d->op;
  rgc_op *copy = rgc_graph_op(d->graph, RGC_OP_KERNEL, op->inputs, op->input_count, op->outputs, op->output_count);
  int id = copy->id;
  *copy = *op;
  copy->id = id;
}

typedef void rule(rgc_decomposer *d);
static rule *const rules[RGC_OP_COUNT] = {
    [RGC_OP_CONV] = rgc_decompose_conv,
    [RGC_OP_CONV_DGRAD] = rgc_decompose_conv_dgrad,
    [RGC_OP_CONV_WGRAD] = rgc_decompose_conv_wgrad,
    [RGC_OP_BN] = rgc_decompose_bn,
    [RGC_OP_BN_GRAD] = rgc_decompose_bn_grad,
    [RGC_OP_MAXPOOL] = rgc_decompose_maxpool,
    [RGC_OP_MAXPOOL_GRAD] = rgc_decompose_maxpool_grad,
    [RGC_OP_AVGPOOL] = rgc_decompose_avgpool,
    [RGC_OP_AVGPOOL_GRAD] = rgc_decompose_avgpool_grad,
    [RGC_OP_FILTER] = rgc_decompose_filter,
    [RGC_OP_FILTER_GRAD] = rgc_decompose_filter,
    [RGC_OP_REDUCE] = rgc_decompose_reduce,
    [RGC_OP_MAP] = decompose_map,
    [RGC_OP_XENT] = rgc_decompose_xent,
    [RGC_OP_XENT_GRAD] = rgc_decompose_xent_grad,
    [RGC_OP_KERNEL] = keep_kernel,
};

rgc_graph *rgc_decompose(const rgc_graph *graph, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_graph *result = rgc_graph_clone(graph, arena);
  rgc_old_ops old = rgc_take_ops(result);
  for (int i = 0; i < old.count; i++) {
    const rgc_op *op = &old.items[i];
    if (!rules[op->kind]) {
      rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "op %d (%s) has no kernels", i, op->word);
      return NULL;
    }
    rgc_decomposer d = {.graph = result, .op = op};
    rules[op->kind](&d);
  }
  return result;
}
