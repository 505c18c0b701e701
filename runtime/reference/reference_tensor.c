/* reference_tensor.c: an op's operands as tensors; see reference_ops.h. */
#include "runtime/reference/reference_ops.h"

static rgc_tensor_view view_of(const rgc_reference *reference, int value) {
  const int64_t *shape = reference->graph->values[value].shape;
  int64_t valid = (int64_t)reference->numbers->scalars[RGC_SCALAR_N_VALID];
  bool cut = reference->batched[value] && valid < shape[RGC_N];
  return (rgc_tensor_view){.data = reference->tensors[value], .shape = shape, .rows = cut ? valid : shape[RGC_N]};
}

rgc_tensor_view rgc_reference_input(const rgc_reference *reference, const rgc_op *op, int index) {
  return view_of(reference, op->inputs[index]);
}

rgc_tensor_view rgc_reference_output(const rgc_reference *reference, const rgc_op *op, int index) {
  return view_of(reference, op->outputs[index]);
}
