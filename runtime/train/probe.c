/* probe.c: see probe.h; and rgc_model_dump of rgc.h. */
#include "runtime/train/probe.h"

#include <math.h>
#include <string.h>

#include "runtime/data/loader.h"
#include "runtime/data/npy.h"
#include "runtime/reference/interpret.h"

rgc_pipeline_options rgc_input_pipeline(const rgc_network *n, const rgc_dataset *data, bool train, uint64_t seed, rgc_arena *arena) {
  float *mean = RGC_NEW_ARRAY(arena, float, n->channels), *std = RGC_NEW_ARRAY(arena, float, n->channels);
  for (int c = 0; c < n->channels; c++) mean[c] = (float)n->mean[c], std[c] = (float)n->std[c];
  rgc_pipeline_options o = {.mean = mean, .stddev = std, .settings = &n->data, .train = train, .seed = seed,
                            .dst = {(int)n->height, (int)n->width, (int)n->channels}};
  if (data) o.src = rgc_dataset_shape(data), o.src_is_float = rgc_dataset_is_float(data);
  return o;
}

void rgc_step_set_rates(rgc_cpu_step *numbers, const rgc_train_settings *s, double rate, int64_t step) {
  numbers->scalars[RGC_SCALAR_LR] = (float)rate;
  numbers->scalars[RGC_SCALAR_MIX] = 1;
  numbers->scalars[RGC_SCALAR_BIAS1] = (float)(1 / (1 - pow(s->beta1, (double)step + 1)));
  numbers->scalars[RGC_SCALAR_BIAS2] = (float)(1 / (1 - pow(s->beta2, (double)step + 1)));
}

rgc_cpu_step rgc_single_step(const rgc_model *model, uint64_t seed, int64_t valid) {
  rgc_cpu_step step = {.seed = seed};
  rgc_cpu_step_set_valid(&step, valid);
  rgc_step_set_rates(&step, &model->network->train, model->network->train.lr, 0);
  return step;
}

/* numpy has no bf16: such a value is written as the float32 numbers that it is. */
static void *widen(const uint16_t *data, int64_t count, rgc_arena *arena) {
  float *wide = RGC_NEW_ARRAY(arena, float, count);
  for (int64_t e = 0; e < count; e++) wide[e] = (float)rgc_bf16_number(data[e]);
  return wide;
}

static bool write_value(const rgc_model_program *program, const char *path, rgc_diagnostics *diags) {
  const rgc_value *v = &program->program->graph->values[program->kept];
  rgc_arena *scratch = rgc_arena_create();
  rgc_npy array = {.type = RGC_NPY_F32, .rank = RGC_AXES, .count_elems = (size_t)rgc_shape_elems(v->shape), .data = program->data[v->id]};
  memcpy(array.shape, v->shape, sizeof v->shape);
  if (v->dtype == RGC_I32) array.type = RGC_NPY_I32;
  if (v->dtype == RGC_U8) array.type = RGC_NPY_U8;
  if (v->dtype == RGC_BF16) array.data = widen(program->data[v->id], rgc_shape_elems(v->shape), scratch);
  bool good = rgc_npy_write(path, &array, diags);
  rgc_arena_destroy(scratch);
  return good;
}

/* The first training batch through the program, and the value to the file. */
static bool dump_first_batch(rgc_model *model, const rgc_model_program *program, rgc_loader *loader, uint64_t seed, const char *path,
                             rgc_diagnostics *diags) {
  const rgc_batch *batch = rgc_loader_next(loader);
  if (!batch && rgc_loader_failed(loader, diags)) return false;
  if (!batch) return rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, NULL, NULL, "the data set has no training samples");
  if (program == &model->infer && !rgc_model_fold(model, diags)) return false;
  if (program != &model->infer) model->folded = false;
  if (!rgc_model_give(model, program, batch, diags)) return false;
  rgc_cpu_step step = rgc_single_step(model, seed, batch->valid);
  rgc_role role = program->program->graph->values[program->kept].role;
  bool given = role == RGC_ROLE_INPUT || role == RGC_ROLE_LABEL; /* its place is another value's later in the step */
  if (!given && !rgc_device_run(program->run, &step, diags)) return false;
  return rgc_device_read(program->run, program->kept, diags) && write_value(program, path, diags);
}

bool rgc_model_dump(rgc_model *model, const rgc_dataset *data, uint64_t seed, const char *path, rgc_value_facts *facts, rgc_diagnostics *diags) {
  const rgc_model_program *program = model->train.program ? &model->train : &model->infer;
  if (program->kept < 0) return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "open it with `keep`", "the model keeps no value");
  rgc_arena *scratch = rgc_arena_create();
  rgc_pipeline_options options = rgc_input_pipeline(model->network, data, false, seed, scratch);
  rgc_loader *loader = rgc_loader_create(data, &options, &(rgc_loader_options){.split = RGC_SPLIT_TRAIN, .batch = model->batch}, diags);
  int count = rgc_dataset_count(data, RGC_SPLIT_TRAIN), *order = RGC_NEW_ARRAY(scratch, int, count + 1);
  for (int i = 0; i < count; i++) order[i] = i;
  if (loader) rgc_loader_start(loader, order, count, 0);
  bool good = loader && dump_first_batch(model, program, loader, seed, path, diags);
  const rgc_value *kept = &program->program->graph->values[program->kept];
  *facts = (rgc_value_facts){.name = kept->name};
  memcpy(facts->shape, kept->shape, sizeof facts->shape);
  rgc_loader_destroy(loader);
  rgc_arena_destroy(scratch);
  return good;
}
