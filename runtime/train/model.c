/* model.c: see model.h. */
#include "runtime/train/model.h"

#include <string.h>
#include <sys/mman.h>

#include "runtime/train/weights.h"

static int find_logits(const rgc_graph *graph) {
  int named = rgc_graph_find(graph, "logits");
  for (int i = graph->value_count - 1; named < 0 && i >= 0; i--)
    if (graph->values[i].role == RGC_ROLE_OUTPUT) named = i;
  return named;
}

static bool compile(rgc_model *m, rgc_program_kind kind, rgc_model_program *program, rgc_diagnostics *diags) {
  rgc_compilation *c = rgc_compile(m->network, kind, m->batch, &m->target->facts, m->arena, NULL, NULL, diags);
  *program = (rgc_model_program){.compilation = c};
  if (!c) return false;
  program->input = rgc_graph_find(c->graph, "input");
  program->label = rgc_graph_find(c->graph, "label");
  program->loss = rgc_graph_find(c->graph, "loss");
  program->correct = rgc_graph_find(c->graph, "correct");
  program->logits = find_logits(c->graph);
  return true;
}

static void need_bytes(int64_t need[RGC_REGION_COUNT], const rgc_model_program *program) {
  for (int r = 0; program->compilation && r < RGC_REGION_COUNT; r++)
    if (program->compilation->memory->region_bytes[r] > need[r]) need[r] = program->compilation->memory->region_bytes[r];
}

/* Zeroed, in huge pages where the system has them. What is there already stays as it is if it is large enough. */
static bool allocate(rgc_model *m, rgc_diagnostics *diags) {
  int64_t need[RGC_REGION_COUNT] = {0};
  need_bytes(need, &m->train);
  need_bytes(need, &m->fold);
  need_bytes(need, &m->infer);
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    if (need[r] <= m->region_bytes[r]) continue;
    void *made = mmap(NULL, (size_t)need[r], PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
      return rgc_diag_fail(diags, RGC_CODE_MEMORY, m->network->file, "a smaller --batch needs less",
                           "%lld MB of memory for batch %lld are not there", (long long)(need[r] >> 20), (long long)m->batch);
    madvise(made, (size_t)need[r], MADV_HUGEPAGE);
    if (m->regions[r]) {
      memcpy(made, m->regions[r], (size_t)m->region_bytes[r]);
      munmap(m->regions[r], (size_t)m->region_bytes[r]);
    }
    m->regions[r] = made;
    m->region_bytes[r] = need[r];
  }
  return true;
}

static bool start(rgc_model *m, rgc_model_program *program, rgc_diagnostics *diags) {
  if (!program->compilation) return true;
  const rgc_graph *graph = program->compilation->graph;
  const rgc_place *places = program->compilation->memory->places;
  program->data = RGC_NEW_ARRAY(m->arena, void *, graph->value_count);
  for (int i = 0; i < graph->value_count; i++) program->data[i] = (char *)m->regions[places[i].region] + places[i].offset_bytes;
  rgc_cpu_program_destroy(program->run);
  program->run = rgc_cpu_program_create(graph, m->target, program->data, m->threads, diags);
  double seconds = 0;
  if (program->run) m->compiled += rgc_cpu_program_compiled(program->run, &seconds);
  m->compile_seconds += seconds;
  return program->run != NULL;
}

static bool start_all(rgc_model *m, rgc_diagnostics *diags) {
  return start(m, &m->train, diags) && start(m, &m->fold, diags) && start(m, &m->infer, diags);
}

/* Stored values of the program that has most of them. */
static rgc_weight *list_weights(const rgc_model *m, rgc_arena *arena, int *count) {
  const rgc_model_program *program = m->train.compilation ? &m->train : &m->fold; /* a graph has all, whichever it reads */
  const rgc_graph *graph = program->compilation->graph;
  rgc_weight *weights = RGC_NEW_ARRAY(arena, rgc_weight, graph->value_count);
  *count = 0;
  for (int i = 0; i < graph->value_count; i++)
    if (rgc_is_learnt(&graph->values[i]) && graph->values[i].op < 0)
      weights[(*count)++] = (rgc_weight){.value = &graph->values[i], .f32 = program->data[i]};
  return weights;
}

static const rgc_cpu_target *choose_target(const char *name, rgc_diagnostics *diags) {
  const rgc_cpu_target *target = name ? rgc_cpu_target_named(name) : rgc_cpu_target_best();
  if (!target)
    rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "targets: cpu-avx512, cpu-avx2, cpu-plain", "this machine cannot run target '%s'", name ? name : "cpu");
  return target;
}

bool rgc_model_create(rgc_model *m, rgc_network *network, const rgc_model_options *options, rgc_diagnostics *diags) {
  *m = (rgc_model){.arena = rgc_arena_create(), .network = network, .batch = options->batch, .threads = options->threads};
  m->target = choose_target(options->target, diags);
  if (!m->target) return false;
  if (options->train && !compile(m, RGC_PROGRAM_TRAIN, &m->train, diags)) return false;
  if (!compile(m, RGC_PROGRAM_FOLD, &m->fold, diags) || !compile(m, RGC_PROGRAM_INFER, &m->infer, diags) || !allocate(m, diags)) return false;
  if (!start_all(m, diags)) return false;
  int count;
  rgc_weight *weights = list_weights(m, m->arena, &count);
  rgc_weights_draw(weights, count, options->seed);
  return true;
}

bool rgc_model_retrain(rgc_model *m, rgc_diagnostics *diags) {
  rgc_cpu_program *old = m->train.run;
  bool good = compile(m, RGC_PROGRAM_TRAIN, &m->train, diags) && allocate(m, diags) && start_all(m, diags);
  rgc_cpu_program_destroy(old);
  return good;
}

void rgc_model_destroy(rgc_model *m) {
  rgc_cpu_program_destroy(m->train.run);
  rgc_cpu_program_destroy(m->fold.run);
  rgc_cpu_program_destroy(m->infer.run);
  for (int r = 0; r < RGC_REGION_COUNT; r++)
    if (m->regions[r]) munmap(m->regions[r], (size_t)m->region_bytes[r]);
  rgc_arena_destroy(m->arena);
}

void rgc_model_fold(const rgc_model *m) {
  rgc_cpu_step step = {.scalars = {[RGC_SCALAR_N_VALID] = (float)m->batch, [RGC_SCALAR_INV_N] = 1 / (float)m->batch}};
  rgc_cpu_program_run(m->fold.run, &step);
}

float *rgc_model_f32(const rgc_model_program *program, int value) { return program->data[value]; }

bool rgc_model_save(const rgc_model *m, const char *path, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *weights = list_weights(m, scratch, &count);
  bool good = rgc_weights_save(weights, count, m->network->name, path, diags);
  rgc_arena_destroy(scratch);
  return good;
}

bool rgc_model_load(rgc_model *m, const char *path, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *weights = list_weights(m, scratch, &count);
  bool good = rgc_weights_load(weights, count, path, diags);
  rgc_arena_destroy(scratch);
  return good;
}
