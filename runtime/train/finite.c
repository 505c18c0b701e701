/* finite.c: see finite.h. */
#include "runtime/train/finite.h"

#include <math.h>

#include "runtime/reference/interpret.h"

static bool is_finite(const rgc_value *value, const void *data) {
  int64_t count = rgc_is_real(value) && value->layout.kind == RGC_LAYOUT_NHWC ? rgc_shape_elems(value->shape) : 0;
  for (int64_t e = 0; e < count; e++)
    if (!isfinite(value->dtype == RGC_BF16 ? rgc_bf16_number(((const uint16_t *)data)[e]) : (double)((const float *)data)[e])) return false;
  return true;
}

void rgc_name_first_not_finite(const rgc_model *model, const rgc_model_program *program, const rgc_cpu_step *numbers, int op_count,
                               rgc_diagnostics *diags) {
  const rgc_graph *graph = program->program->graph;
  if (!is_finite(&graph->values[program->input], program->data[program->input])) {
    rgc_diag_fail(diags, RGC_CODE_NOT_FINITE, model->network->file, "look at the data", "the first value that is not finite is the input");
    return;
  }
  for (int i = 0; i < op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    rgc_device_run_ops(program->run, numbers, i, 1);
    for (int k = 0; k < op->output_count; k++) {
      const rgc_value *value = &graph->values[op->outputs[k]];
      if (is_finite(value, program->data[value->id])) continue;
      rgc_diag_fail(diags, RGC_CODE_NOT_FINITE, model->network->file, "rgc run --dump writes a value to a file",
                    "the first value that is not finite is '%s' of layer %s, line %d", value->name, op->layer, op->line);
      return;
    }
  }
}

bool rgc_check_finite(const rgc_model *model, const char *which, double loss, int64_t step, rgc_diagnostics *diags) {
  return isfinite(loss) || rgc_diag_fail(diags, RGC_CODE_NOT_FINITE, model->network->file, "lower the learning rate",
                                         "the %s loss of step %lld is not finite; earlier checkpoints are untouched", which,
                                         (long long)step);
}
