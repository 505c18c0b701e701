/* probe.c: see probe.h. */
#include "runtime/train/probe.h"

#include <math.h>
#include <string.h>

#include "runtime/data/image.h"
#include "runtime/data/loader.h"
#include "runtime/data/npy.h"

rgc_transform_options rgc_input_transform(const rgc_network *n, rgc_image_shape src, rgc_arena *arena) {
  float *mean = RGC_NEW_ARRAY(arena, float, n->channels), *std = RGC_NEW_ARRAY(arena, float, n->channels);
  for (int c = 0; c < n->channels; c++) mean[c] = (float)n->mean[c], std[c] = (float)n->std[c];
  return (rgc_transform_options){.src = src, .mean = mean, .stddev = std,
                                 .dst = {(int)n->height, (int)n->width, (int)n->channels}};
}

void rgc_step_set_rates(rgc_cpu_step *numbers, const rgc_train_settings *s, double rate, int64_t step) {
  numbers->scalars[RGC_SCALAR_LR] = (float)rate;
  numbers->scalars[RGC_SCALAR_BIAS1] = (float)(1 / (1 - pow(s->beta1, (double)step + 1)));
  numbers->scalars[RGC_SCALAR_BIAS2] = (float)(1 / (1 - pow(s->beta2, (double)step + 1)));
}

static rgc_cpu_step one_step(const rgc_model *model, uint64_t seed, int64_t valid) {
  rgc_cpu_step step = {.seed = seed};
  rgc_cpu_step_set_valid(&step, valid);
  rgc_step_set_rates(&step, &model->network->train, model->network->train.lr, 0);
  return step;
}

bool rgc_predict_file(const rgc_model *model, const char *path, double *probabilities, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_image_shape shape;
  const uint8_t *pixels = rgc_png_read(path, model->network->channels == 1 ? 1 : 3, scratch, &shape, diags);
  rgc_transform_options options = pixels ? rgc_input_transform(model->network, shape, scratch) : (rgc_transform_options){0};
  rgc_transform *transform = pixels ? rgc_transform_create(&options, scratch, diags) : NULL;
  if (transform) {
    const rgc_model_program *program = &model->infer;
    int64_t classes = model->network->classes[0].count;
    rgc_cpu_step step = one_step(model, 0, 1);
    rgc_transform_apply(transform, pixels, RGC_NEW_ARRAY(scratch, float, rgc_transform_workspace_floats(transform) + 1),
                        rgc_model_f32(program, program->input));
    rgc_cpu_program_run(program->run, &step);
    const float *logits = rgc_model_f32(program, program->logits);
    double most = -INFINITY, total = 0;
    for (int64_t c = 0; c < classes; c++) most = fmax(most, (double)logits[c]);
    for (int64_t c = 0; c < classes; c++) total += probabilities[c] = exp((double)logits[c] - most);
    for (int64_t c = 0; c < classes; c++) probabilities[c] /= total;
  }
  rgc_arena_destroy(scratch);
  return transform != NULL;
}

static bool write_value(const rgc_model_program *program, const char *path, rgc_diagnostics *diags) {
  const rgc_value *v = &program->program->graph->values[program->kept];
  rgc_npy array = {.type = RGC_NPY_F32, .rank = RGC_AXES, .count_elems = (size_t)rgc_shape_elems(v->shape), .data = program->data[v->id]};
  memcpy(array.shape, v->shape, sizeof v->shape);
  if (v->dtype == RGC_I32) array.type = RGC_NPY_I32;
  if (v->dtype == RGC_U8) array.type = RGC_NPY_U8;
  return rgc_npy_write(path, &array, diags);
}

bool rgc_dump_value(const rgc_model *model, const rgc_dataset *data, uint64_t seed, const char *path, rgc_diagnostics *diags) {
  const rgc_model_program *program = model->train.program ? &model->train : &model->infer;
  rgc_arena *scratch = rgc_arena_create();
  rgc_transform_options options = rgc_input_transform(model->network, rgc_dataset_shape(data), scratch);
  rgc_loader *loader = rgc_loader_create(data, &options, RGC_SPLIT_TRAIN, model->batch, 0, diags);
  int count = rgc_dataset_count(data, RGC_SPLIT_TRAIN), *order = RGC_NEW_ARRAY(scratch, int, count + 1);
  for (int i = 0; i < count; i++) order[i] = i;
  if (loader) rgc_loader_start(loader, order, count);
  const rgc_batch *batch = loader ? rgc_loader_next(loader) : NULL;
  bool good = batch != NULL;
  if (batch) {
    rgc_model_give_batch(model, program, batch->images, batch->labels, batch->valid);
    rgc_cpu_step step = one_step(model, seed, batch->valid);
    rgc_cpu_program_run(program->run, &step);
    good = write_value(program, path, diags);
  } else if (loader) {
    rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, NULL, NULL, "the data set has no training samples");
  }
  rgc_loader_destroy(loader);
  rgc_arena_destroy(scratch);
  return good;
}
