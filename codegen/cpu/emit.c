/* emit.c: see emit.h. Each op is printed by the rule of its kind; a text that was printed before is the same function. */
#include "codegen/cpu/emit.h"

#include "codegen/cpu/emit_kernel.h"
#include "codegen/cpu/templates/contract_args.h"
#include "compiler/passes/decompose_samples.h"

static bool packs(const rgc_kernel_text *k) {
  return k->op->output_count == 1 && k->graph->values[k->op->outputs[0]].layout.kind != RGC_LAYOUT_NHWC;
}

/* Plans of others may hold it. */
static bool has_bf16(const rgc_kernel_text *k) {
  bool found = false;
  for (int i = 0; i < k->op->input_count; i++) found |= k->graph->values[k->op->inputs[i]].dtype == RGC_BF16;
  for (int i = 0; i < k->op->output_count; i++) found |= k->graph->values[k->op->outputs[i]].dtype == RGC_BF16;
  return found;
}

static bool print_kernel(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  if ((rgc_kernel_has_side_stores(kernel) && !rgc_kernel_may_side_store(kernel)) || has_bf16(k)) return false;
  switch (kernel->kind) {
    case RGC_MAP: return packs(k) ? rgc_cpu_emit_pack(k) : rgc_cpu_emit_map(k);
    case RGC_REDUCE: return rgc_cpu_emit_reduce(k);
    case RGC_WINDOW: return rgc_cpu_emit_window(k);
    case RGC_CONTRACT: return kernel->form == RGC_PIXELS ? rgc_cpu_emit_pixels(k) : rgc_cpu_emit_weights(k);
  }
  return false;
}

rgc_cpu_code *rgc_cpu_emit(const rgc_graph *graph, const rgc_cpu_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_cpu_code *code = RGC_NEW(arena, rgc_cpu_code);
  const bool *samples = rgc_sample_values(graph, arena);
  bool good = true;
  code->launches = RGC_NEW_ARRAY(arena, rgc_cpu_launch, graph->op_count + 1);
  for (int i = 0; i < graph->op_count; i++) {
    rgc_kernel_text k = {.graph = graph, .op = &graph->ops[i], .target = target, .samples = samples, .arena = arena,
                         .launch = &code->launches[i]};
    if (print_kernel(&k))
      k.launch->function = rgc_function_intern(&code->functions, &code->function_count, &code->function_capacity, &k.text, k.op, k.launch->contract, arena);
    else
      good = rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "op %d (%s): the kernel is beyond target %s", i, k.op->layer, target->facts.name);
    if (k.launch->slab_bytes > code->slab_bytes) code->slab_bytes = k.launch->slab_bytes;
    if (k.launch->shared_bytes > code->shared_bytes) code->shared_bytes = k.launch->shared_bytes;
    rgc_text_free(&k.text);
  }
  rgc_functions_finish(code->functions, code->function_count, arena);
  return good ? code : NULL;
}

void rgc_cpu_launch_bind(rgc_cpu_launch *launch, const rgc_op *op, void *const *data, void *shared) {
  common_args *args = launch->args;
  int partial = 0;
  for (int k = 0; k < op->input_count; k++) args->operands[k] = data[op->inputs[k]];
  for (int k = 0; k < op->output_count; k++) args->outputs[k] = data[op->outputs[k]];
  for (int k = 0; k < op->kernel->store_count; k++)
    if (rgc_store_is_partial(op->kernel->stores[k].kind)) args->partials[partial++] = data[op->kernel->stores[k].value];
  if (!launch->contract) return;
  contract_args *contract = launch->args;
  contract->shared = shared;
  if (op->kernel->weight >= 0) contract->weight = data[op->kernel->weight];
}
