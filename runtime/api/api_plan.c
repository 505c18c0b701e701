/* api_plan.c: rgc.h's plans. A public rgc_plan is that of compiler/plan/plan.h in an arena of its own, in which its network lies,
 * too, when both come from one file. */
#include <string.h>

#include "compiler/memory_limit.h"
#include "compiler/plan/explain.h"
#include "compiler/plan/plan_build.h"
#include "runtime/device/target_code.h"
#include "runtime/rgc.h"

static bool is_graph_file(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

/* In `arena`; NULL after an error. */
static rgc_plan *read_plan(const char *path, const char *const *overrides, int override_count, rgc_arena *arena, rgc_diagnostics *diags) {
  if (is_graph_file(path)) {
    rgc_network *network = rgc_network_load(arena, path, overrides, override_count, diags);
    return network ? rgc_plan_create(network, arena, diags) : NULL;
  }
  if (override_count) {
    rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "give --set to rgc compile", "--set changes a graph file, and %s is a plan", path);
    return NULL;
  }
  rgc_plan *plan = rgc_plan_read(arena, path, diags);
  if (plan) plan->network = rgc_network_parse(arena, plan->source, plan->line_map, diags);
  return plan && plan->network ? plan : NULL;
}

rgc_plan *rgc_plan_open(const char *path, const char *const *overrides, int override_count, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_plan *plan = read_plan(path, overrides, override_count, arena, diags);
  if (!plan) return rgc_arena_destroy(arena), NULL;
  plan->path = rgc_arena_strdup(arena, path);
  return plan;
}

rgc_plan *rgc_plan_of_network(rgc_network *network, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_plan *plan = rgc_plan_create(network, arena, diags);
  if (!plan) rgc_arena_destroy(arena);
  return plan;
}

void rgc_plan_close(rgc_plan *plan) {
  if (plan) rgc_arena_destroy(plan->arena);
}

bool rgc_plan_save(const rgc_plan *plan, const char *path, rgc_diagnostics *diags) { return rgc_plan_write(plan, path, diags); }
rgc_network *rgc_plan_network(const rgc_plan *plan) { return plan->network; }
bool rgc_plan_has_weights(const rgc_plan *plan) { return plan->tensor_count > 0; }

/* What is told of a program; shares[RGC_PART_COUNT] is filled. */
static rgc_program_facts program_facts(const rgc_program *program, const rgc_code_facts *code, rgc_memory_share *shares) {
  const rgc_memory_plan *m = program->memory;
  rgc_program_facts f = {.kind = rgc_program_word(program->kind), .target = program->target, .batch = program->batch, .parts = program->parts,
                         .kernels = program->graph->op_count, .functions = code->functions, .total_bytes = rgc_memory_bytes(m),
                         .param_bytes = m->region_bytes[RGC_REGION_PARAM], .state_bytes = m->region_bytes[RGC_REGION_STATE],
                         .folded_bytes = m->region_bytes[RGC_REGION_FOLDED], .activation_bytes = m->region_bytes[RGC_REGION_ACT],
                         .peak_bytes = m->peak.bytes, .shares = shares, .share_count = RGC_PART_COUNT, .scratch_bytes = code->scratch_bytes,
                         .shared_scratch_bytes = code->shared_scratch_bytes, .with_code = code->with_code,
                         .compiled = code->compiled, .compile_seconds = code->compile_seconds,
                         .function_facts = code->function_facts};
  for (int k = 0; k < RGC_PART_COUNT; k++) shares[k] = (rgc_memory_share){rgc_part_word((rgc_part)k), m->peak.part_bytes[k]};
  return f;
}

static void tell_program(rgc_plan *plan, const rgc_program *program, const rgc_compile_options *o, const rgc_compile_settings *s, const rgc_code_facts *code) {
  rgc_memory_share shares[RGC_PART_COUNT];
  rgc_program_facts facts = program_facts(program, code, shares);
  facts.unfrozen_bytes = o->kind == RGC_PROGRAM_TRAIN ? rgc_unfrozen_bytes(plan->network, o) : -1;
  s->compiled(s->context, &facts);
}

static bool add_program(rgc_plan *plan, rgc_program_kind kind, int64_t batch, const rgc_compile_settings *s, const rgc_target *target,
                        rgc_diagnostics *diags) {
  rgc_compile_options o = {.kind = kind, .batch = batch, .target = target};
  const rgc_program *program = rgc_plan_need_program(plan, plan->network, &o, diags);
  rgc_arena *scratch = rgc_arena_create();
  rgc_code_facts code;
  bool good = program && rgc_code_make(program->graph, target, !s->without_code, s->emit_dir, &code, scratch, diags);
  if (good && s->compiled) tell_program(plan, program, &o, s, &code);
  rgc_arena_destroy(scratch);
  return good;
}

/* What inference takes at once beside training steps of that batch, or, without them, as many of its samples as may be. */
static int64_t infer_batch(const rgc_plan *plan, int64_t batch, const rgc_target *target) {
  const rgc_program *train = rgc_plan_find_program(plan, plan->network, RGC_PROGRAM_TRAIN, target, batch);
  rgc_compile_options o = {.kind = RGC_PROGRAM_INFER, .batch = batch, .target = target};
  return train ? train->graph->batch : rgc_micro_batch(batch, rgc_count_parts(plan->network, &o));
}

static bool add_programs(rgc_plan *plan, const rgc_compile_settings *s, rgc_diagnostics *diags) {
  const rgc_target *target = rgc_target_choose(s->target, diags);
  int64_t batch = s->batch ? s->batch : plan->network->train.batch;
  bool train = !s->infer_only;
  bool good = target && (!train || add_program(plan, RGC_PROGRAM_TRAIN, batch, s, target, diags));
  if (good) batch = infer_batch(plan, batch, target);
  for (int i = -1; good && i < s->infer_batch_count; i++) {
    int64_t size = i < 0 ? batch : s->infer_batches[i];
    good = add_program(plan, RGC_PROGRAM_FOLD, size, s, target, diags) && add_program(plan, RGC_PROGRAM_INFER, size, s, target, diags);
  }
  return good;
}

static bool check_batches(const rgc_compile_settings *s, rgc_diagnostics *diags) {
  if (s->batch < 0) return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "batch %lld is no batch", (long long)s->batch);
  for (int i = 0; i < s->infer_batch_count; i++)
    if (s->infer_batches[i] < 1)
      return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "inference batch %lld is no batch", (long long)s->infer_batches[i]);
  return true;
}

bool rgc_plan_compile(rgc_plan *plan, const rgc_compile_settings *settings, rgc_diagnostics *diags) {
  int64_t allowed = plan->network->memory_bytes;
  if (settings->memory_bytes) plan->network->memory_bytes = settings->memory_bytes;
  bool good = check_batches(settings, diags) && add_programs(plan, settings, diags);
  plan->network->memory_bytes = allowed;
  return good;
}

static char *explain_program(rgc_plan *plan, const rgc_explain_options *o, const rgc_machine *machine, rgc_arena *scratch, rgc_diagnostics *diags) {
  const rgc_target *target = rgc_target_choose(!o->target && machine ? machine->target : o->target, diags);
  if (!target) return NULL;
  rgc_compile_options c = {.kind = o->infer ? RGC_PROGRAM_INFER : RGC_PROGRAM_TRAIN, .target = target,
                           .batch = o->batch ? o->batch : plan->network->train.batch};
  const rgc_program *program = rgc_plan_need_program(plan, plan->network, &c, diags);
  const rgc_roofline *roofline = program && machine ? rgc_roofline_find(program, plan->network, target, machine, scratch, diags) : NULL;
  rgc_text text = {0};
  if (program && (roofline || !machine)) rgc_program_explain(program, target, o->kernels, roofline, &text);
  return text.chars;
}

char *rgc_plan_explain(rgc_plan *plan, const rgc_explain_options *o, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  const rgc_machine *machine = o->machine ? rgc_machine_find(o->machine, scratch, diags) : NULL;
  char *text = machine || !o->machine ? explain_program(plan, o, machine, scratch, diags) : NULL;
  rgc_arena_destroy(scratch);
  return text;
}
