/* plan_build.c: see plan_build.h. */
#include "compiler/plan/plan_build.h"

void rgc_plan_update_source(rgc_plan *plan, const rgc_network *network) {
  rgc_text source = {0}, line_map = {0};
  rgc_network_source(network, &source, &line_map);
  plan->source = rgc_text_take(&source, plan->arena);
  plan->line_map = rgc_text_take(&line_map, plan->arena);
}

rgc_plan *rgc_plan_create(rgc_network *network, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_plan *plan = RGC_NEW(arena, rgc_plan);
  plan->arena = arena;
  plan->network = network;
  plan->unfused = rgc_network_build(network, 1, network->class_set_count == 1, diags);
  rgc_plan_update_source(plan, network);
  return plan->unfused ? plan : NULL;
}

/* Once for all programs. */
static void tell_precision(const rgc_network *network, const rgc_target *target, rgc_diagnostics *diags) {
  const char *wanted = rgc_precision_word(network->precision);
  if (rgc_effective_precision(network, target) == network->precision) return;
  for (int i = 0; i < diags->count; i++)
    if (diags->items[i].code == RGC_CODE_PRECISION) return;
  rgc_diag_add(diags, RGC_NOTE, RGC_CODE_PRECISION, (rgc_location){.file = network->file}, "target %s has no %s: it computes in fp32", target->name, wanted);
}

const rgc_program *rgc_plan_find_program(const rgc_plan *plan, const rgc_network *network, rgc_program_kind kind, const rgc_target *target, int64_t batch) {
  return rgc_plan_program(plan, kind, target->name, rgc_precision_word(rgc_effective_precision(network, target)), batch);
}

const rgc_program *rgc_plan_need_program(rgc_plan *plan, rgc_network *network, const rgc_compile_options *options, rgc_diagnostics *diags) {
  tell_precision(network, options->target, diags);
  const rgc_program *found = rgc_plan_find_program(plan, network, options->kind, options->target, options->batch);
  if (found && !options->keep) return found;
  rgc_compilation *c = rgc_compile(network, options, plan->arena, diags);
  if (!c) return NULL;
  rgc_program *made = options->keep ? RGC_NEW(plan->arena, rgc_program)
                                    : RGC_PUSH(plan->arena, plan->programs, plan->program_count, plan->program_capacity);
  *made = (rgc_program){.kind = options->kind, .target = options->target->name, .precision = rgc_precision_word(c->precision), .batch = options->batch, .parts = c->parts,
                        .graph = c->graph, .memory = c->memory, .ledger = c->ledger};
  return made;
}
