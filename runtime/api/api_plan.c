/* api_plan.c: rgc.h's plans. A public rgc_plan is that of compiler/plan/plan.h in an arena of its own, in which its network lies,
 * too, when both come from one file. */
#include <string.h>

#include "compiler/base/parallel.h"
#include "compiler/memory_limit.h"
#include "compiler/plan/explain.h"
#include "compiler/plan/plan_build.h"
#include "compiler/plan/plan_file.h"
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

/* A program's code: facts and errors of its own, so that several can be printed side by side. */
typedef struct coding {
  const rgc_compile_settings *settings;
  const rgc_program *program;
  const rgc_target *target;
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_code_facts facts;
  bool good;
} coding;

static void make_code(void *context, int i) {
  coding *c = &((coding *)context)[i];
  c->good = rgc_code_make(c->program->graph, c->target, !c->settings->without_code, c->settings->emit_dir, &c->facts, c->arena, &c->diags);
}

static coding open_coding(const rgc_plan *plan, const rgc_compile_options *o, const rgc_compile_settings *s) {
  coding c = {.settings = s, .target = o->target, .arena = rgc_arena_create()};
  c.program = rgc_plan_find_program(plan, plan->network, o->kind, o->target, o->batch);
  rgc_diagnostics_init(&c.diags, rgc_arena_create());
  return c;
}

static bool close_coding(coding *c, rgc_plan *plan, const rgc_compile_options *o, bool good, rgc_diagnostics *diags) {
  if (good) rgc_diagnostics_adopt(diags, &c->diags);
  else rgc_arena_destroy(c->diags.arena);
  good = good && c->good;
  if (good && c->settings->compiled) tell_program(plan, c->program, o, c->settings, &c->facts);
  rgc_arena_destroy(c->arena);
  return good;
}

/* Code of programs that the plan has. Texts are printed side by side; where they are compiled, or written to files, one program comes after
 * the other, since each keeps all processors busy and two may have the same functions. */
static bool make_codes(rgc_plan *plan, const rgc_compile_options *options, int count, const rgc_compile_settings *s, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  coding *all = RGC_NEW_ARRAY(scratch, coding, count);
  bool good = true, at_once = s->without_code && !s->emit_dir;
  for (int i = 0; i < count; i++) all[i] = open_coding(plan, &options[i], s);
  if (at_once) rgc_parallel(count, make_code, all);
  for (int i = 0; i < count; i++) {
    if (!at_once && good) make_code(all, i);
    good = close_coding(&all[i], plan, &options[i], good, diags);
  }
  rgc_arena_destroy(scratch);
  return good;
}

/* What inference takes at once beside training steps in so many parts or, without them, as many of its samples as may be. */
static int64_t infer_batch(const rgc_plan *plan, const rgc_compile_options *train) {
  rgc_compile_options o = {.kind = RGC_PROGRAM_INFER, .batch = train->batch, .target = train->target};
  return rgc_micro_batch(train->batch, train->parts ? train->parts : rgc_count_parts(plan->network, &o));
}

/* The training program's options, with the parts that the plan's has or a new one will have; 0: there is none, and none is wanted. */
static rgc_compile_options train_options(const rgc_plan *plan, const rgc_compile_settings *s, const rgc_target *target) {
  rgc_compile_options o = {.kind = RGC_PROGRAM_TRAIN, .batch = s->batch ? s->batch : plan->network->train.batch, .target = target};
  const rgc_program *there = rgc_plan_find_program(plan, plan->network, RGC_PROGRAM_TRAIN, target, o.batch);
  o.parts = there ? there->parts : s->infer_only ? 0 : rgc_count_parts(plan->network, &o);
  return o;
}

static bool add_programs(rgc_plan *plan, const rgc_compile_settings *s, rgc_diagnostics *diags) {
  const rgc_target *target = rgc_target_choose(s->target, diags);
  if (!target) return false;
  rgc_arena *scratch = rgc_arena_create();
  rgc_compile_options *options = RGC_NEW_ARRAY(scratch, rgc_compile_options, 3 + 2 * s->infer_batch_count);
  options[0] = train_options(plan, s, target);
  int64_t batch = infer_batch(plan, &options[0]);
  int count = !s->infer_only;
  for (int i = -1; i < s->infer_batch_count; i++)
    for (int infer = 0; infer < 2; infer++)
      options[count++] = (rgc_compile_options){.kind = infer ? RGC_PROGRAM_INFER : RGC_PROGRAM_FOLD, .batch = i < 0 ? batch : s->infer_batches[i], .target = target};
  int made = rgc_plan_make_programs(plan, plan->network, options, count, diags);
  bool good = make_codes(plan, options, made, s, diags) && made == count;
  rgc_arena_destroy(scratch);
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
