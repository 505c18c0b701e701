/* plan_build.c: see plan_build.h. */
#include "compiler/plan/plan_build.h"

#include "compiler/base/parallel.h"

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

static rgc_program program_of(const rgc_compilation *c) {
  return (rgc_program){.kind = c->kind, .target = c->target->name, .precision = rgc_precision_word(c->precision), .batch = c->batch, .parts = c->parts,
                       .graph = c->graph, .memory = c->memory, .ledger = c->ledger};
}

static rgc_program *add_program(rgc_plan *plan, const rgc_compilation *c) {
  rgc_program *made = RGC_PUSH(plan->arena, plan->programs, plan->program_count, plan->program_capacity);
  *made = program_of(c);
  return made;
}

const rgc_program *rgc_plan_need_program(rgc_plan *plan, rgc_network *network, const rgc_compile_options *options, rgc_diagnostics *diags) {
  tell_precision(network, options->target, diags);
  const rgc_program *found = rgc_plan_find_program(plan, network, options->kind, options->target, options->batch);
  if (found && !options->keep) return found;
  rgc_compilation *c = rgc_compile(network, options, plan->arena, diags);
  if (!c) return NULL;
  if (!options->keep) return add_program(plan, c);
  rgc_program *made = RGC_NEW(plan->arena, rgc_program);
  *made = program_of(c);
  return made;
}

/* A program in the making. What it is made of is its own; the network is shared and read only, but for its arena and its counts. */
typedef struct making {
  const rgc_compile_options *options;
  rgc_network network;
  rgc_arena *arena;
  rgc_diagnostics diags;
  const rgc_compilation *made; /* NULL: an error, or not wanted */
  bool wanted;                 /* neither the plan nor an earlier one of the list has it */
} making;

static void make_program(void *context, int i) {
  making *m = &((making *)context)[i];
  if (m->wanted) m->made = rgc_compile(&m->network, m->options, m->arena, &m->diags);
}

static bool is_listed(const rgc_compile_options *list, int count, const rgc_compile_options *o) {
  for (int i = 0; i < count; i++)
    if (list[i].kind == o->kind && list[i].batch == o->batch && list[i].target == o->target) return true;
  return false;
}

static making open_making(const rgc_plan *plan, const rgc_network *network, const rgc_compile_options *list, int i) {
  const rgc_compile_options *o = &list[i];
  bool wanted = !rgc_plan_find_program(plan, network, o->kind, o->target, o->batch) && !is_listed(list, i, o);
  making m = {.options = o, .network = *network, .arena = rgc_arena_create(), .wanted = wanted};
  m.network.arena = m.arena;
  rgc_diagnostics_init(&m.diags, rgc_arena_create());
  return m;
}

/* Adds what was made, or tells why it was not; after an error of another one, neither. */
static bool close_making(making *m, rgc_plan *plan, bool told, rgc_diagnostics *diags) {
  bool good = told && (m->made || !m->wanted);
  if (!told) {
    rgc_arena_destroy(m->diags.arena);
    rgc_arena_destroy(m->arena);
    return false;
  }
  rgc_diagnostics_adopt(diags, &m->diags);
  rgc_arena_adopt(good ? plan->arena : diags->arena, m->arena); /* errors may point into it */
  if (good && m->made) add_program(plan, m->made);
  return good;
}

int rgc_plan_make_programs(rgc_plan *plan, const rgc_network *network, const rgc_compile_options *options, int count, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  making *all = RGC_NEW_ARRAY(scratch, making, count);
  int done = 0;
  bool good = true;
  for (int i = 0; i < count; i++) {
    tell_precision(network, options[i].target, diags);
    all[i] = open_making(plan, network, options, i);
  }
  rgc_parallel(count, make_program, all);
  for (int i = 0; i < count; i++) done += good = close_making(&all[i], plan, good, diags);
  rgc_arena_destroy(scratch);
  return done;
}
