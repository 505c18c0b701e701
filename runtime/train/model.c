/* model.c: see model.h. */
#include "compiler/memory_limit.h"
#include "compiler/plan/plan_file.h"
#include "runtime/train/model.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/reference/interpret.h"
#include "runtime/train/import_weights.h"

static int find_logits(const rgc_graph *graph) {
  int named = rgc_graph_find(graph, "logits");
  for (int i = graph->value_count - 1; named < 0 && i >= 0; i--)
    if (graph->values[i].role == RGC_ROLE_OUTPUT) named = i;
  return named;
}

static int find_of(const rgc_graph *graph, const char *word, const char *output) {
  rgc_arena *scratch = rgc_arena_create();
  int value = rgc_graph_find(graph, rgc_arena_printf(scratch, "%s.%s", word, output));
  rgc_arena_destroy(scratch);
  return value;
}

static void find_outputs(const rgc_network *n, rgc_model_program *p) {
  const rgc_graph *graph = p->program->graph;
  p->outputs[0] = (struct rgc_model_output){p->logits, p->label, p->loss, p->correct};
  for (int i = 0; n->class_set_count > 1 && i < n->class_set_count; i++) {
    const char *name = n->classes[i].output;
    p->outputs[i] = (struct rgc_model_output){rgc_graph_find(graph, name), find_of(graph, "label", name), find_of(graph, "loss", name),
                                              find_of(graph, "correct", name)};
  }
  if (n->class_set_count > 1) {
    p->logits = p->outputs[0].logits;
    p->label = p->outputs[0].label;
    p->correct = p->outputs[0].correct;
  }
}

/* A training program that is there already is compiled anew for as many micro-batches. */
static bool need(rgc_model *m, rgc_program_kind kind, const char *keep, rgc_model_program *program, rgc_diagnostics *diags) {
  rgc_compile_options o = {.kind = kind, .batch = kind == RGC_PROGRAM_TRAIN ? m->step_batch : m->batch, .target = m->target, .keep = keep,
                           .parts = program->program ? program->program->parts : 0};
  const rgc_program *found = rgc_plan_need_program(m->plan, m->network, &o, diags);
  if (!found) return false;
  rgc_program *own = RGC_NEW(m->arena, rgc_program); /* the plan's array may move */
  *own = *found;
  const rgc_graph *graph = own->graph;
  rgc_device_program *run = program->run;
  *program = (rgc_model_program){.program = own, .run = run, .input = rgc_graph_find(graph, "input"), .label = rgc_graph_find(graph, "label"),
                                 .other_label = rgc_graph_find(graph, "other_label"),
                                 .other_correct = rgc_graph_find(graph, "other_correct"),
                                 .loss = rgc_graph_find(graph, "loss"), .correct = rgc_graph_find(graph, "correct"),
                                 .logits = find_logits(graph), .kept = keep ? rgc_find_kept(graph, keep) : -1,
                                 .teacher = rgc_graph_find(graph, "teacher")};
  find_outputs(m->network, program);
  return true;
}

static void need_bytes(int64_t need[RGC_REGION_COUNT], const rgc_model_program *program) {
  for (int r = 0; program->program && r < RGC_REGION_COUNT; r++)
    if (program->program->memory->region_bytes[r] > need[r]) need[r] = program->program->memory->region_bytes[r];
}

/* What programs that are not started yet will take beside the regions. */
static bool count_extra(const rgc_model *m, int64_t *bytes, rgc_diagnostics *diags) {
  const rgc_model_program *programs[] = {&m->train, &m->fold, &m->infer};
  *bytes = 0;
  for (int i = 0; i < 3; i++) {
    int64_t own = 0;
    if (programs[i]->program && !programs[i]->run && !rgc_device_memory_extra_bytes(&m->memory, programs[i]->program->graph, m->target, &own, diags)) return false;
    *bytes += own;
  }
  return true;
}

static bool fits_memory(const rgc_model *m, const int64_t need_region[RGC_REGION_COUNT], rgc_diagnostics *diags) {
  int64_t total, there;
  if (!rgc_device_memory_free_bytes(&m->memory, &there, diags) || !count_extra(m, &total, diags)) return false;
  int64_t extra = total;
  for (int r = 0; r < RGC_REGION_COUNT; r++) total += need_region[r] - m->memory.size_bytes[r];
  if (total <= there) return true;
  rgc_compile_options o = {.kind = m->train.program ? RGC_PROGRAM_TRAIN : RGC_PROGRAM_INFER, .batch = m->batch, .target = m->target};
  int64_t fits = rgc_largest_batch(m->network, &o, there - extra);
  const char *largest = fits ? rgc_arena_printf(diags->arena, "the largest batch that fits is %lld", (long long)fits) : "not even one sample fits";
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, m->network->file, fits ? "give a smaller --batch" : "end what else takes memory there, or choose a smaller network or another --device",
                       "batch %lld needs %.1f MB and %.1f MB are available; %s", (long long)m->batch, (double)total * 1e-6, (double)there * 1e-6, largest);
}

/* What is there already stays as it is if it is large enough. */
static bool allocate(rgc_model *m, rgc_diagnostics *diags) {
  int64_t need[RGC_REGION_COUNT] = {0};
  need_bytes(need, &m->train);
  need_bytes(need, &m->fold);
  need_bytes(need, &m->infer);
  return fits_memory(m, need, diags) && rgc_device_memory_grow(&m->memory, need, diags);
}

static bool start(rgc_model *m, rgc_model_program *program, rgc_diagnostics *diags) {
  if (!program->program) return true;
  const rgc_graph *graph = program->program->graph;
  const rgc_place *places = program->program->memory->places;
  program->data = RGC_NEW_ARRAY(m->arena, void *, graph->value_count);
  for (int i = 0; i < graph->value_count; i++) program->data[i] = (char *)m->memory.host[places[i].region] + places[i].offset_bytes;
  rgc_device_program_destroy(program->run);
  program->run = rgc_device_program_create(&m->memory, graph, m->target, program->data, m->threads, diags);
  if (!program->run) return false;
  rgc_device_facts facts = rgc_device_tell(program->run);
  m->compiled += facts.compiled;
  m->compile_seconds += facts.compile_seconds;
  return true;
}

static bool start_all(rgc_model *m, rgc_diagnostics *diags) {
  return start(m, &m->train, diags) && start(m, &m->fold, diags) && start(m, &m->infer, diags);
}

/* Values that the program is given and that are `wanted`, and where they are. */
static rgc_weight *list_values(const rgc_model_program *program, bool (*wanted)(const rgc_value *), rgc_arena *arena, int *count) {
  const rgc_graph *graph = program->program->graph;
  rgc_weight *weights = RGC_NEW_ARRAY(arena, rgc_weight, graph->value_count);
  *count = 0;
  for (int i = 0; i < graph->value_count; i++)
    if (wanted(&graph->values[i]) && graph->values[i].op < 0)
      weights[(*count)++] = (rgc_weight){.value = &graph->values[i], .f32 = program->data[i]};
  return weights;
}

/* Parameters and buffers. Each graph has all, whichever it reads. */
static rgc_weight *list_weights(const rgc_model *m, rgc_arena *arena, int *count) {
  return list_values(m->train.program ? &m->train : &m->fold, rgc_is_learnt, arena, count);
}

static bool is_state(const rgc_value *value) { return value->role == RGC_ROLE_STATE; }

/* Optimizer states of the training program. */
static rgc_weight *list_states(const rgc_model *m, rgc_arena *arena, int *count) { return list_values(&m->train, is_state, arena, count); }

/* The training step's copies of parameters, from these as they are in this process now. */
static bool round_copies(const rgc_model *m, rgc_diagnostics *diags) {
  const rgc_model_program *train = &m->train;
  const rgc_graph *graph = train->program ? train->program->graph : NULL;
  for (int i = 0; graph && i < graph->value_count; i++) {
    int param = graph->values[i].op < 0 ? rgc_graph_copied(graph, &graph->values[i]) : -1;
    if (param < 0) continue;
    for (int64_t e = 0; e < rgc_shape_elems(graph->values[i].shape); e++)
      ((uint16_t *)train->data[i])[e] = rgc_bf16_bits(((const float *)train->data[param])[e]);
    if (!rgc_device_write(train->run, i, diags)) return false;
  }
  return true;
}

/* What was done to parameters in this process goes to the device. */
static bool upload_weights(const rgc_model *m, rgc_diagnostics *diags) {
  return rgc_device_memory_upload(&m->memory, RGC_REGION_PARAM, diags) && round_copies(m, diags);
}

static bool start_weights(rgc_model *m, uint64_t seed, rgc_diagnostics *diags) {
  int count;
  rgc_weight *weights = list_weights(m, m->arena, &count);
  rgc_tensor_file tensors = {.tensors = m->plan->tensors, .tensor_count = m->plan->tensor_count};
  if (m->plan->tensor_count && !rgc_weights_take(weights, count, &tensors, m->network->file, diags)) return false;
  if (!m->plan->tensor_count) rgc_weights_draw(weights, count, seed);
  return upload_weights(m, diags);
}

/* What the training program takes, and where there is none as many samples as the file's memory: lets inference take. */
static int64_t take_at_once(const rgc_model *m) {
  rgc_compile_options o = {.kind = RGC_PROGRAM_INFER, .batch = m->step_batch, .target = m->target};
  if (m->train.program) return m->train.program->graph->batch;
  if (rgc_plan_find_program(m->plan, m->network, RGC_PROGRAM_INFER, m->target, m->step_batch)) return m->step_batch;
  return rgc_micro_batch(m->step_batch, rgc_count_parts(m->network, &o));
}

bool rgc_model_create(rgc_model *m, rgc_network *network, rgc_plan *plan, const rgc_model_options *o, rgc_diagnostics *diags) {
  *m = (rgc_model){.arena = rgc_arena_create(), .network = network, .plan = plan, .batch = o->batch, .step_batch = o->batch, .threads = o->threads, .bn = network->train.bn};
  m->device = rgc_device_choose(o->device, o->target, diags);
  m->target = m->device ? rgc_device_target(m->device, o->target, diags) : NULL;
  if (!m->target || (o->train && !need(m, RGC_PROGRAM_TRAIN, o->keep, &m->train, diags))) return false;
  m->batch = take_at_once(m);
  if (!need(m, RGC_PROGRAM_FOLD, NULL, &m->fold, diags)) return false;
  if (!need(m, RGC_PROGRAM_INFER, o->train ? NULL : o->keep, &m->infer, diags)) return false;
  return rgc_device_memory_open(&m->memory, m->device, m->target, diags) && allocate(m, diags) && start_all(m, diags) && start_weights(m, o->seed, diags);
}

bool rgc_model_create_fold(rgc_model *m, rgc_plan *plan, int64_t batch, const rgc_target *target, rgc_diagnostics *diags) {
  *m = (rgc_model){.arena = rgc_arena_create(), .network = plan->network, .plan = plan, .batch = batch};
  m->device = rgc_device_choose(NULL, target->name, diags);
  m->target = m->device ? rgc_device_target(m->device, target->name, diags) : NULL;
  return m->target && need(m, RGC_PROGRAM_FOLD, NULL, &m->fold, diags) && need(m, RGC_PROGRAM_INFER, NULL, &m->infer, diags) &&
         rgc_device_memory_open(&m->memory, m->device, m->target, diags) && allocate(m, diags) && start(m, &m->fold, diags) && start_weights(m, 0, diags);
}

const rgc_model_program *rgc_model_program_of(const rgc_model *m, bool infer, rgc_diagnostics *diags) {
  const rgc_model_program *program = infer ? &m->infer : &m->train;
  if (program->program) return program;
  rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "open it with `train`", "the model was opened for inference only");
  return NULL;
}

bool rgc_model_retrain(rgc_model *m, rgc_diagnostics *diags) {
  rgc_plan *apart = RGC_NEW(m->arena, rgc_plan), *plan = m->plan; /* what the plan holds is of the old settings */
  *apart = (rgc_plan){.arena = m->arena};
  m->plan = apart;
  bool good = need(m, RGC_PROGRAM_TRAIN, NULL, &m->train, diags);
  m->plan = plan;
  m->bn = m->network->train.bn;
  return good && allocate(m, diags) && start_all(m, diags);
}

void rgc_model_destroy(rgc_model *m) {
  if (!m->arena) return;
  rgc_device_program_destroy(m->train.run);
  rgc_device_program_destroy(m->fold.run);
  rgc_device_program_destroy(m->infer.run);
  rgc_device_memory_close(&m->memory);
  rgc_arena_destroy(m->arena);
}

bool rgc_model_fold(rgc_model *m, rgc_diagnostics *diags) {
  if (m->folded) return true;
  rgc_cpu_step step = {0};
  rgc_cpu_step_set_valid(&step, m->batch);
  return m->folded = rgc_device_run(m->fold.run, &step, diags);
}

/* The data set's labels as an output has them. */
static void give_labels(int32_t *dst, const int32_t *labels, int64_t count, const rgc_label_map *map) {
  for (int64_t i = 0; i < count; i++) dst[i] = map->count ? map->classes[labels[i]] : labels[i];
}

/* The labels of each output, in the places that the program has for them. */
static int give_all_labels(const rgc_model *m, const rgc_model_program *program, const rgc_batch *batch, rgc_device_input *inputs) {
  int count = 0;
  for (int i = 0; i < m->network->class_set_count; i++) {
    int label = program->outputs[i].label;
    if (label < 0) continue;
    give_labels(program->data[label], batch->labels, batch->valid, &m->network->train.labels[i]);
    inputs[count++] = (rgc_device_input){.value = label, .data = program->data[label], .size_bytes = sizeof(int32_t) * (size_t)batch->valid};
  }
  return count;
}

bool rgc_model_stage(const rgc_model *m, const rgc_model_program *program, int slot, const rgc_batch *batch, rgc_diagnostics *diags) {
  const rgc_value *input = &program->program->graph->values[program->input];
  size_t image = (size_t)(rgc_shape_elems(input->shape) / input->shape[RGC_N]), valid = (size_t)batch->valid;
  float mean[RGC_MAX_CHANNELS], stddev[RGC_MAX_CHANNELS];
  rgc_device_input inputs[RGC_MAX_OUTPUTS + 3] = {{.value = program->input, .data = batch->images, .size_bytes = sizeof(float) * image * valid}};
  for (int c = 0; batch->pixels && c < m->network->channels; c++) mean[c] = (float)m->network->mean[c], stddev[c] = (float)m->network->std[c];
  if (batch->pixels)
    inputs[0] = (rgc_device_input){.value = program->input, .data = batch->pixels, .size_bytes = image * valid, .mean = mean, .stddev = stddev,
                                   .channels = (int)m->network->channels};
  int count = 1 + give_all_labels(m, program, batch, inputs + 1);
  if (program->other_label >= 0 && batch->others)
    inputs[count++] = (rgc_device_input){.value = program->other_label, .data = batch->others, .size_bytes = sizeof(int32_t) * valid};
  if (program->teacher >= 0) {
    const rgc_value *teacher = &program->program->graph->values[program->teacher];
    inputs[count++] = (rgc_device_input){.value = program->teacher, .data = program->data[program->teacher],
                                         .size_bytes = sizeof(float) * (size_t)(rgc_shape_elems(teacher->shape) / teacher->shape[RGC_N]) * valid};
  }
  return rgc_device_stage(program->run, slot, inputs, count, diags);
}

bool rgc_model_give(const rgc_model *m, const rgc_model_program *program, const rgc_batch *batch, rgc_diagnostics *diags) {
  return rgc_model_stage(m, program, 0, batch, diags) && rgc_device_load(program->run, 0, diags);
}

const float *rgc_model_read(const rgc_model_program *program, int value, rgc_diagnostics *diags) {
  return rgc_device_read(program->run, value, diags) ? program->data[value] : NULL;
}

bool rgc_model_save(rgc_model *m, const char *path, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_plan full = *m->plan;
  int count;
  rgc_weight *weights = list_weights(m, scratch, &count);
  bool good = rgc_device_memory_download(&m->memory, RGC_REGION_PARAM, diags);
  full.tensors = rgc_weights_tensors(weights, count, scratch, &full.tensor_count);
  good = good && rgc_plan_write(&full, path, diags);
  rgc_arena_destroy(scratch);
  return good;
}

/* All weights of the file, or what the network's rules leave of it. */
static bool load(rgc_model *m, const char *path, bool all, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *weights = list_weights(m, scratch, &count);
  rgc_tensor_file *file = rgc_import_open(scratch, path, diags);
  bool good = file && (all ? rgc_weights_take(weights, count, file, path, diags)
                           : rgc_weights_import(m->network, m->plan->unfused, weights, count, file, path, NULL, diags));
  m->folded = false;
  rgc_arena_destroy(scratch);
  return good && upload_weights(m, diags);
}

bool rgc_model_load(rgc_model *m, const char *path, rgc_diagnostics *diags) { return load(m, path, false, diags); }
bool rgc_model_restore(rgc_model *m, const char *path, rgc_diagnostics *diags) { return load(m, path, true, diags); }

/* Of the weights as they are, in hex. NULL after an error. */
static const char *weights_digest(const rgc_model *m, rgc_arena *arena, rgc_diagnostics *diags) {
  char digest[33];
  int count;
  rgc_weight *weights = list_weights(m, arena, &count);
  rgc_tensor_file file = {0};
  if (!rgc_device_memory_download(&m->memory, RGC_REGION_PARAM, diags)) return NULL;
  file.tensors = rgc_weights_tensors(weights, count, arena, &file.tensor_count);
  rgc_safetensors_digest(&file, digest);
  return rgc_arena_strdup(arena, digest);
}

static bool state_fits(const rgc_model *m, const rgc_tensor_file *file, rgc_arena *arena, rgc_diagnostics *diags) {
  const char *of = rgc_metadata_find(file, "weights"), *ours = weights_digest(m, arena, diags);
  return of && ours && !strcmp(of, ours);
}

bool rgc_model_has_state(const rgc_model *m, const char *path) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics unheard;
  rgc_diagnostics_init(&unheard, scratch);
  rgc_tensor_file *file = rgc_safetensors_read(scratch, path, &unheard);
  bool fits = file && state_fits(m, file, scratch, &unheard);
  rgc_arena_destroy(scratch);
  return fits;
}

bool rgc_model_save_state(const rgc_model *m, const char *path, const rgc_run_state *run, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *states = list_states(m, scratch, &count);
  const char *digest = weights_digest(m, scratch, diags);
  rgc_metadata metadata[] = {{"rgc", "state"},
                             {"weights", digest},
                             {"step", rgc_arena_printf(scratch, "%lld", (long long)run->step)},
                             {"best", rgc_arena_printf(scratch, "%.17g", run->best_acc)},
                             {"stale", rgc_arena_printf(scratch, "%lld", (long long)run->stale)}};
  rgc_tensor_file file = {.metadata = metadata, .metadata_count = sizeof metadata / sizeof *metadata};
  bool good = digest && rgc_device_memory_download(&m->memory, RGC_REGION_STATE, diags);
  file.tensors = rgc_weights_tensors(states, count, scratch, &file.tensor_count);
  good = good && rgc_safetensors_write(&file, path, diags);
  rgc_arena_destroy(scratch);
  return good;
}

/* What a file does not say is 0. */
static rgc_run_state read_run_state(const rgc_tensor_file *file) {
  const char *step = rgc_metadata_find(file, "step"), *best = rgc_metadata_find(file, "best"), *stale = rgc_metadata_find(file, "stale");
  rgc_run_state run = {.step = step ? strtoll(step, NULL, 10) : 0, .best_acc = best ? strtod(best, NULL) : 0,
                           .stale = stale ? strtoll(stale, NULL, 10) : 0};
  if (run.step < 0) run.step = 0;
  return run;
}

bool rgc_model_load_state(rgc_model *m, const char *path, rgc_run_state *run, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *states = list_states(m, scratch, &count);
  rgc_tensor_file *file = rgc_safetensors_read(scratch, path, diags);
  bool good = file && rgc_weights_take(states, count, file, path, diags);
  for (int i = 0; good && i < count; i++) good = rgc_device_write(m->train.run, states[i].value->id, diags); /* copies of parameters stay */
  if (file && !rgc_metadata_find(file, "step"))
    good = rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "give the .state file beside a checkpoint", "holds no optimizer state");
  else if (good && !state_fits(m, file, scratch, diags))
    good = rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "give the last.bin that was saved with it", "is the optimizer state of other weights");
  if (good) *run = read_run_state(file);
  rgc_arena_destroy(scratch);
  return good;
}

/* The average of a parameter, a state of the training program; -1: it has none. */
static int find_average(const rgc_graph *graph, const rgc_value *v, rgc_arena *scratch) {
  int average = v->role == RGC_ROLE_PARAM ? rgc_graph_find(graph, rgc_arena_printf(scratch, "%s.ema", v->name)) : -1;
  return average >= 0 && graph->values[average].role == RGC_ROLE_STATE ? average : -1;
}

/* Calls `use` with each average and its parameter, where they are. */
static bool each_average(rgc_model *m, bool (*use)(const rgc_device_program *run, int average, int weight, rgc_diagnostics *diags), rgc_diagnostics *diags) {
  const rgc_graph *graph = m->train.program->graph;
  rgc_arena *scratch = rgc_arena_create();
  bool good = true;
  for (int i = 0; i < graph->value_count && good; i++) {
    int average = find_average(graph, &graph->values[i], scratch);
    if (average < 0) continue;
    m->folded = false;
    good = use(m->train.run, average, i, diags);
  }
  rgc_arena_destroy(scratch);
  return good;
}

bool rgc_model_start_averages(rgc_model *m, rgc_diagnostics *diags) { return each_average(m, rgc_device_copy, diags); }
bool rgc_model_swap_averages(rgc_model *m, rgc_diagnostics *diags) { return each_average(m, rgc_device_swap, diags); }
