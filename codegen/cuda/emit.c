/* emit.c: see emit.h. Each op is printed by the rule of its kind; a text that was printed before is the same function. */
#include "codegen/cuda/emit.h"

#include "codegen/cuda/emit_kernel.h"
#include "compiler/passes/decompose_samples.h"

/* Kernels count elements in 32 bits. */
static bool value_fits(const rgc_value *value) {
  return value->layout.kind == RGC_LAYOUT_NHWC && rgc_shape_elems(value->shape) <= INT32_MAX;
}

static bool fits(const rgc_cuda_text *k) {
  const rgc_op *op = k->op;
  if (op->input_count > CUDA_MAX_OPERANDS || op->output_count > CUDA_MAX_OUTPUTS) return false;
  for (int i = 0; i < op->input_count; i++)
    if (!value_fits(&k->graph->values[op->inputs[i]])) return false;
  for (int i = 0; i < op->output_count; i++)
    if (!value_fits(&k->graph->values[op->outputs[i]])) return false;
  return true;
}

static bool print_kernel(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  if (!fits(k) || (rgc_kernel_has_side_stores(kernel) && !rgc_cuda_emit_side(k))) return false;
  switch (kernel->kind) {
    case RGC_MAP: return rgc_cuda_emit_map(k);
    case RGC_REDUCE: return rgc_cuda_emit_reduce(k);
    case RGC_WINDOW: return rgc_cuda_emit_window(k);
    case RGC_CONTRACT: return kernel->form == RGC_PIXELS ? rgc_cuda_emit_pixels(k) : rgc_cuda_emit_weights(k);
  }
  return false;
}

rgc_cuda_code *rgc_cuda_emit(const rgc_graph *graph, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_cuda_code *code = RGC_NEW(arena, rgc_cuda_code);
  const bool *samples = rgc_sample_values(graph, arena);
  bool good = true;
  code->first_launch = RGC_NEW_ARRAY(arena, int, graph->op_count + 1);
  code->calls = RGC_NEW_ARRAY(arena, const rgc_cuda_call *, graph->op_count + 1);
  for (int i = 0; i < graph->op_count; i++) {
    rgc_cuda_text k = {.graph = graph, .op = &graph->ops[i], .target = target, .samples = samples, .arena = arena, .code = code};
    code->first_launch[i] = code->launch_count;
    if (!print_kernel(&k))
      good = rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "op %d (%s): the kernel is beyond target %s", i, k.op->layer, target->facts.name);
    code->calls[i] = rgc_cuda_emit_call(&k);
    rgc_text_free(&k.text);
  }
  code->first_launch[graph->op_count] = code->launch_count;
  int loss = rgc_graph_find(graph, "loss"), input = rgc_graph_find(graph, "input");
  if (loss >= 0) code->guard = rgc_cuda_emit_guard(code, arena);
  if (input >= 0) code->pixels = rgc_cuda_emit_step_pixels(code, &graph->values[input], arena);
  rgc_functions_finish(code->functions, code->function_count, arena);
  return good ? code : NULL;
}
