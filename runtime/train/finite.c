/* finite.c: see finite.h. */
#include "runtime/train/finite.h"

#include <math.h>

#include "compiler/passes/decompose_samples.h"
#include "runtime/reference/interpret.h"

/* samples: of the value that count; -1: it has none. */
static bool is_finite(const rgc_value *value, const void *data, int64_t samples) {
  int64_t count = rgc_is_real(value) && value->layout.kind == RGC_LAYOUT_NHWC ? rgc_shape_elems(value->shape) : 0;
  if (samples >= 0 && samples < value->shape[RGC_N]) count = count / value->shape[RGC_N] * samples;
  for (int64_t e = 0; e < count; e++)
    if (!isfinite(value->dtype == RGC_BF16 ? rgc_bf16_number(((const uint16_t *)data)[e]) : (double)((const float *)data)[e])) return false;
  return true;
}

/* of_samples: by value, whether axis N counts samples. */
static void name_first(const rgc_model *model, const rgc_model_program *program, const rgc_cpu_step *numbers, int op_count, const bool *of_samples,
                       rgc_diagnostics *diags) {
  const rgc_graph *graph = program->program->graph;
  int64_t valid = (int64_t)numbers->scalars[RGC_SCALAR_N_VALID];
  if (!rgc_device_read(program->run, program->input, diags)) return;
  if (!is_finite(&graph->values[program->input], program->data[program->input], valid)) {
    rgc_diag_fail(diags, RGC_CODE_NOT_FINITE, model->network->file, "look at the data", "the first value that is not finite is the input");
    return;
  }
  for (int i = 0; i < op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    if (!rgc_device_run_ops(program->run, numbers, i, 1, diags)) return;
    for (int k = 0; k < op->output_count; k++) {
      const rgc_value *value = &graph->values[op->outputs[k]];
      if (!rgc_device_read(program->run, value->id, diags)) return;
      if (is_finite(value, program->data[value->id], of_samples[value->id] ? valid : -1)) continue;
      rgc_diag_fail(diags, RGC_CODE_NOT_FINITE, model->network->file, "rgc run --dump writes a value to a file",
                    "the first value that is not finite is '%s' of layer %s, line %d", value->name, op->layer, op->line);
      return;
    }
  }
}

void rgc_name_first_not_finite(const rgc_model *model, const rgc_model_program *program, const rgc_cpu_step *numbers, int op_count,
                               rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  name_first(model, program, numbers, op_count, rgc_sample_values(program->program->graph, scratch), diags);
  rgc_arena_destroy(scratch);
}

bool rgc_check_finite(const rgc_model *model, const char *which, double loss, int64_t step, rgc_diagnostics *diags) {
  return isfinite(loss) || rgc_diag_fail(diags, RGC_CODE_NOT_FINITE, model->network->file, "lower the learning rate",
                                         "the %s loss of step %lld is not finite; earlier checkpoints are untouched", which,
                                         (long long)step);
}
