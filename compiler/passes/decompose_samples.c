/* decompose_samples.c: see decompose_samples.h. One walk in execution order. */
#include "compiler/passes/decompose_samples.h"

static bool body_samples(const rgc_body *body, const bool *sample_values) {
  for (int i = 0; body && i < body->operand_count; i++) {
    const rgc_axis_view *n = &body->operands[i].view.axis[RGC_N];
    if (sample_values[body->operands[i].value] && n->from == RGC_N && n->mul) return true;
  }
  return false;
}

bool rgc_kernel_samples_in(const rgc_kernel *kernel, const bool *sample_values) {
  return body_samples(kernel->a, sample_values) || body_samples(kernel->b, sample_values);
}

bool rgc_kernel_samples_out(const rgc_kernel *kernel, const bool *sample_values) {
  if (kernel->kind == RGC_MAP) return body_samples(kernel->epi, sample_values);
  if (kernel->kind == RGC_REDUCE && kernel->reduce_axes >> RGC_N & 1) return false;
  if (kernel->kind == RGC_CONTRACT && kernel->form == RGC_WEIGHTS) return false;
  return rgc_kernel_samples_in(kernel, sample_values);
}

static void mark_stores(const rgc_kernel *kernel, bool *samples) {
  bool in = rgc_kernel_samples_in(kernel, samples), out = rgc_kernel_samples_out(kernel, samples);
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_store *store = &kernel->stores[i];
    samples[store->value] = (store->kind == RGC_STORE && out) || (store->kind == RGC_SIDE_STORE && in);
  }
}

bool *rgc_sample_values(const rgc_graph *graph, rgc_arena *arena) {
  bool *samples = RGC_NEW_ARRAY(arena, bool, graph->value_count);
  for (int i = 0; i < graph->value_count; i++) {
    rgc_role role = graph->values[i].role;
    samples[i] = graph->values[i].op < 0 && (role == RGC_ROLE_INPUT || role == RGC_ROLE_LABEL);
  }
  for (int i = 0; i < graph->op_count; i++)
    if (graph->ops[i].kind == RGC_OP_KERNEL) mark_stores(graph->ops[i].kernel, samples);
  return samples;
}
