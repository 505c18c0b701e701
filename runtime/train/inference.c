/* inference.c: images in, logits out: rgc_model_run and its neighbours of rgc.h. */
#include <math.h>
#include <string.h>

#include "runtime/train/model.h"
#include "runtime/train/probe.h"

double rgc_softmax(const float *logits, int64_t count, double *probabilities) {
  double most = -INFINITY, total = 0;
  for (int64_t c = 0; c < count; c++) most = fmax(most, (double)logits[c]);
  for (int64_t c = 0; c < count; c++) {
    double part = exp((double)logits[c] - most);
    total += part;
    if (probabilities) probabilities[c] = part;
  }
  for (int64_t c = 0; probabilities && c < count; c++) probabilities[c] /= total;
  return log(total) + most;
}

/* Elements of one sample of a value. */
static int64_t sample_elems(const rgc_model_program *program, int value) {
  const rgc_value *v = &program->program->graph->values[value];
  return rgc_shape_elems(v->shape) / v->shape[RGC_N];
}

int64_t rgc_model_classes(const rgc_model *model) {
  int64_t classes = 0;
  for (int k = 0; k < model->network->class_set_count; k++) classes += sample_elems(&model->infer, model->infer.outputs[k].logits);
  return classes;
}

/* Output k of a batch that has run: to its columns of the rows. */
static bool copy_output(const rgc_model *model, int k, int64_t valid, float *rows, int64_t row_elems, rgc_diagnostics *diags) {
  int value = model->infer.outputs[k].logits;
  int64_t classes = sample_elems(&model->infer, value);
  const float *logits = rgc_model_read(&model->infer, value, diags);
  for (int64_t i = 0; logits && i < valid; i++) memcpy(rows + i * row_elems, logits + i * classes, sizeof *rows * (size_t)classes);
  return logits != NULL;
}

/* Samples that count of the batch that begins with sample `begin`; 0: there is none. */
static int64_t count_valid(const rgc_model *model, int64_t begin, int64_t count) {
  int64_t left = count - begin;
  return left <= 0 ? 0 : left < model->batch ? left : model->batch;
}

/* Batches take slots in turn. */
static int slot_of(const rgc_model *model, int64_t begin) { return (int)(begin / model->batch % RGC_DEVICE_SLOTS); }

/* The batch that begins with sample `begin`, if there is one, to its slot. */
static bool stage_images(const rgc_model *model, const float *images, int64_t begin, int64_t count, rgc_diagnostics *diags) {
  const rgc_model_program *program = &model->infer;
  rgc_batch batch = {.images = (float *)(images + begin * sample_elems(program, program->input)), .valid = count_valid(model, begin, count)};
  return !batch.valid || rgc_model_stage(model, program, slot_of(model, begin), &batch, diags);
}

/* A device with memory of its own is given the next batch while it computes. */
bool rgc_model_run(rgc_model *model, const float *images, int64_t count, float *logits, rgc_diagnostics *diags) {
  const rgc_model_program *program = &model->infer;
  int64_t classes = rgc_model_classes(model);
  bool ahead = rgc_device_stages_ahead(program->run), good = rgc_model_fold(model, diags) && (!ahead || stage_images(model, images, 0, count, diags));
  for (int64_t begin = 0; good && begin < count; begin += model->batch) {
    int64_t valid = count_valid(model, begin, count);
    rgc_cpu_step step = rgc_single_step(model, 0, valid);
    rgc_output_facts output;
    good = (ahead || stage_images(model, images, begin, count, diags)) && rgc_device_load(program->run, slot_of(model, begin), diags) &&
           rgc_device_run(program->run, &step, diags) && (!ahead || stage_images(model, images, begin + model->batch, count, diags));
    for (int k = 0; good && rgc_network_output(model->network, k, &output); k++)
      good = copy_output(model, k, valid, logits + begin * classes + output.first, classes, diags);
  }
  return good;
}

bool rgc_network_input(const rgc_network *network, const uint8_t *pixels, int height, int width, int channels, float *dst,
                       rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_pipeline_options input = rgc_input_pipeline(network, NULL, false, 0, scratch);
  rgc_transform_options options = {.src = {height, width, channels}, .dst = input.dst, .mean = input.mean, .stddev = input.stddev};
  rgc_transform *transform = rgc_transform_create(&options, scratch, diags);
  if (transform)
    rgc_transform_apply(transform, pixels, RGC_NEW_ARRAY(scratch, float, rgc_transform_workspace_floats(transform) + 1), dst);
  rgc_arena_destroy(scratch);
  return transform != NULL;
}

bool rgc_model_predict_file(rgc_model *model, const char *path, double *probabilities, rgc_diagnostics *diags) {
  const rgc_network *n = model->network;
  rgc_arena *scratch = rgc_arena_create();
  rgc_pipeline_options options = rgc_input_pipeline(n, NULL, false, 0, scratch);
  rgc_pipeline *pipeline = rgc_pipeline_create(&options, scratch, diags);
  float *input = RGC_NEW_ARRAY(scratch, float, n->height * n->width * n->channels);
  float *logits = RGC_NEW_ARRAY(scratch, float, rgc_model_classes(model));
  rgc_output_facts output;
  const char *problem = pipeline ? rgc_pipeline_file(pipeline, path, scratch, input) : NULL;
  if (problem) rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "give a whole JPEG, PNG or WebP file", "%s", problem);
  bool good = pipeline && !problem && rgc_model_run(model, input, 1, logits, diags);
  for (int k = 0; good && rgc_network_output(n, k, &output); k++) rgc_softmax(logits + output.first, output.classes, probabilities + output.first);
  rgc_arena_destroy(scratch);
  return good;
}
