/* trainer.c: see trainer.h. Batches are drawn without replacement from a permutation that depends on (seed, epoch) only; the
 * last batch of an epoch may be smaller, and is then a step with fewer valid samples. */
#include "runtime/train/trainer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/reference/philox.h"
#include "runtime/train/log.h"
#include "runtime/train/model.h"
#include "runtime/train/schedule.h"

enum { SHUFFLE_STREAM = 1 << 21 };

typedef struct trainer {
  rgc_arena *arena;
  rgc_network *network;
  const rgc_dataset *data;
  const rgc_run_options *options;
  rgc_diagnostics *diags;
  rgc_model model;
  rgc_transform *transform;
  uint8_t *bytes;      /* one sample */
  float *workspace;    /* of the transform */
  float *image;        /* one transformed sample, H W C */
  int64_t image_elems; /* H*W*C */
  int *order;          /* permutation of the training samples */
  int *labels;         /* of the batch at hand */
  int64_t epoch_steps, total;
  rgc_log log;
} trainer;

static bool prepare_transform(trainer *t) {
  const rgc_network *n = t->network;
  float *mean = RGC_NEW_ARRAY(t->arena, float, n->channels), *std = RGC_NEW_ARRAY(t->arena, float, n->channels);
  for (int c = 0; c < n->channels; c++) mean[c] = (float)n->mean[c], std[c] = (float)n->std[c];
  rgc_transform_options o = {.src = rgc_dataset_shape(t->data), .mean = mean, .stddev = std};
  o.dst = (rgc_image_shape){(int)n->height, (int)n->width, (int)n->channels};
  t->transform = rgc_transform_create(&o, t->arena, t->diags);
  if (!t->transform) return false;
  t->image_elems = n->height * n->width * n->channels;
  t->bytes = rgc_arena_alloc(t->arena, rgc_dataset_sample_bytes(t->data));
  t->workspace = RGC_NEW_ARRAY(t->arena, float, rgc_transform_workspace_floats(t->transform) + 1);
  t->image = RGC_NEW_ARRAY(t->arena, float, t->image_elems);
  t->labels = RGC_NEW_ARRAY(t->arena, int, t->options->batch);
  return true;
}

static bool check_classes(trainer *t) {
  int64_t wanted = t->network->classes[0].count, found = rgc_dataset_class_count(t->data);
  return wanted == found || rgc_diag_fail(t->diags, RGC_CODE_DATA_CLASSES, t->network->file, "set classes: to the data set's count",
                                          "the network has %lld classes, the data set %lld", (long long)wanted, (long long)found);
}

/* Fisher-Yates by counter: the same for any (seed, epoch). */
static void shuffle(trainer *t, int64_t epoch) {
  int count = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN);
  for (int i = 0; i < count; i++) t->order[i] = i;
  for (int i = count - 1; i > 0; i--) {
    double u = rgc_philox_uniform(t->options->seed, SHUFFLE_STREAM, (uint32_t)epoch, (uint64_t)i);
    int j = (int)(u * (i + 1)), keep = t->order[i];
    t->order[i] = t->order[j];
    t->order[j] = keep;
  }
}

/* Sample `index` of a split becomes sample `slot` of `input`. */
static void load_sample(trainer *t, rgc_split split, int index, int64_t slot, double *input) {
  t->labels[slot] = rgc_dataset_fetch(t->data, split, index, t->bytes);
  rgc_transform_apply(t->transform, t->bytes, t->workspace, t->image);
  for (int64_t e = 0; e < t->image_elems; e++) input[slot * t->image_elems + e] = t->image[e];
}

static rgc_step_numbers step_numbers(const trainer *t, int64_t step, int64_t valid) {
  const rgc_train_settings *s = &t->network->train;
  rgc_step_numbers n = {.seed = t->options->seed, .step = (uint32_t)step};
  n.scalars[RGC_SCALAR_LR] = rgc_learning_rate(s, step, t->total, t->epoch_steps);
  n.scalars[RGC_SCALAR_BIAS1] = 1 / (1 - pow(s->beta1, (double)step + 1));
  n.scalars[RGC_SCALAR_BIAS2] = 1 / (1 - pow(s->beta2, (double)step + 1));
  n.scalars[RGC_SCALAR_N_VALID] = (double)valid;
  n.scalars[RGC_SCALAR_INV_N] = 1 / (double)valid;
  return n;
}

static bool check_finite(trainer *t, const char *which, double loss, int64_t step) {
  return isfinite(loss) || rgc_diag_fail(t->diags, RGC_CODE_NOT_FINITE, t->network->file, "lower the learning rate",
                                         "the %s loss of step %lld is not finite; earlier checkpoints are untouched", which,
                                         (long long)step);
}

static bool train_step(trainer *t, int64_t step, double *loss, double *acc) {
  int64_t within = step % t->epoch_steps, batch = t->options->batch;
  int64_t left = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN) - within * batch, valid = left < batch ? left : batch;
  if (within == 0) shuffle(t, step / t->epoch_steps);
  double *input = rgc_reference_tensor(t->model.train, t->model.input), *label = rgc_reference_tensor(t->model.train, t->model.label);
  for (int64_t i = 0; i < valid; i++) {
    load_sample(t, RGC_SPLIT_TRAIN, t->order[within * batch + i], i, input);
    label[i] = t->labels[i];
  }
  rgc_step_numbers numbers = step_numbers(t, step, valid);
  rgc_reference_step(t->model.train, &numbers);
  *loss = *rgc_reference_tensor(t->model.train, t->model.loss);
  *acc = *rgc_reference_tensor(t->model.train, t->model.correct) / (double)valid;
  return check_finite(t, "training", *loss, step);
}

/* Cross entropy of one sample, and its first largest logit as the prediction. */
static double sample_loss(const double *logits, int64_t classes, int label, rgc_prediction *prediction) {
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (logits[c] > logits[best]) best = c;
  double total = 0;
  for (int c = 0; c < classes; c++) total += exp(logits[c] - logits[best]);
  *prediction = (rgc_prediction){.label = label, .predicted = best, .probability = 1 / total};
  return log(total) + logits[best] - logits[label];
}

/* Validation samples begin .. begin+valid-1; adds to the sums in `result`. */
static void validate_batch(trainer *t, int begin, int valid, rgc_run_result *result, rgc_prediction *predictions) {
  int64_t classes = t->network->classes[0].count;
  double *input = rgc_reference_tensor(t->model.eval, t->model.eval_input);
  for (int i = 0; i < valid; i++) load_sample(t, RGC_SPLIT_VALIDATION, begin + i, i, input);
  rgc_step_numbers numbers = step_numbers(t, 0, valid);
  rgc_reference_step(t->model.eval, &numbers);
  const double *logits = rgc_reference_tensor(t->model.eval, t->model.eval_logits);
  for (int i = 0; i < valid; i++) {
    rgc_prediction p;
    result->valid_loss += sample_loss(logits + i * classes, classes, t->labels[i], &p);
    result->valid_acc += p.predicted == p.label;
    if (predictions) predictions[begin + i] = p;
  }
}

static void validate(trainer *t, rgc_run_result *result, rgc_prediction *predictions) {
  int count = rgc_dataset_count(t->data, RGC_SPLIT_VALIDATION), batch = (int)t->options->batch;
  rgc_model_sync(&t->model);
  result->valid_loss = result->valid_acc = 0;
  for (int begin = 0; begin < count; begin += batch)
    validate_batch(t, begin, count - begin < batch ? count - begin : batch, result, predictions);
  result->valid_loss /= fmax(count, 1);
  result->valid_acc /= fmax(count, 1);
}

static bool save(trainer *t, const char *name) {
  return rgc_model_save(&t->model, rgc_arena_printf(t->arena, "%s/%s.safetensors", t->options->out_dir, name), t->diags);
}

/* What `bn: running_after_first_validation` asks for: from the first validation on the step uses the running statistics. The
 * graph is another one then, so the model is built anew and takes over all values and optimizer states. */
static bool freeze_statistics(trainer *t) {
  rgc_model frozen;
  if (t->network->train.bn != RGC_BN_RUNNING_AFTER_FIRST_VALIDATION) return true;
  t->network->train.bn = RGC_BN_RUNNING;
  bool good = rgc_model_create(&frozen, t->network, t->options->batch, t->options->seed, t->diags);
  if (good) rgc_model_copy(&frozen, &t->model);
  rgc_model_destroy(&t->model);
  t->model = frozen;
  return good;
}

static bool loop(trainer *t, rgc_run_result *result) {
  int64_t every = t->options->validate ? t->options->validate : t->epoch_steps;
  for (int64_t step = 0; step < t->total; step++) {
    double loss, acc;
    if (!train_step(t, step, &loss, &acc)) return false;
    bool stop = t->options->stop && *t->options->stop;
    rgc_log_step(&t->log, step, loss);
    if (step % every && step + 1 < t->total && !stop) continue;
    validate(t, result, NULL);
    rgc_log_validated(&t->log, step, loss, acc, result->valid_loss, result->valid_acc);
    if (!check_finite(t, "validation", result->valid_loss, step)) return false;
    if (result->valid_acc >= result->best_acc && !save(t, "best")) return false;
    result->best_acc = fmax(result->best_acc, result->valid_acc);
    if (!save(t, "last") || !freeze_statistics(t)) return false;
    if (stop) return result->stopped = true;
  }
  return true;
}

static bool prepare(trainer *t) {
  if (!check_classes(t) || !prepare_transform(t)) return false;
  if (!rgc_model_create(&t->model, t->network, t->options->batch, t->options->seed, t->diags)) return false;
  return !t->options->weights || rgc_model_load(&t->model, t->options->weights, t->diags);
}

static bool run(trainer *t, rgc_run_result *result) {
  int train_count = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN);
  if (!prepare(t)) return false;
  t->order = RGC_NEW_ARRAY(t->arena, int, train_count);
  t->epoch_steps = (train_count + t->options->batch - 1) / t->options->batch;
  t->total = t->options->steps ? t->options->steps : t->options->epochs * t->epoch_steps;
  char *csv_path = rgc_arena_printf(t->arena, "%s/log.csv", t->options->out_dir);
  FILE *csv = fopen(csv_path, "w");
  if (!csv) return rgc_diag_fail(t->diags, RGC_CODE_FILE_WRITE, csv_path, "choose another --out", "cannot be written: %s", strerror(errno));
  rgc_log_begin(&t->log, stdout, csv, t->total, t->options->batch);
  bool good = loop(t, result);
  return fclose(csv) == 0 && good;
}

bool rgc_train(rgc_network *network, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
               rgc_diagnostics *diags) {
  trainer t = {.arena = rgc_arena_create(), .network = network, .data = data, .options = options, .diags = diags};
  *result = (rgc_run_result){0};
  bool good = run(&t, result);
  rgc_model_destroy(&t.model);
  rgc_arena_destroy(t.arena);
  return good;
}

bool rgc_evaluate(rgc_network *network, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
                  rgc_prediction *predictions, rgc_diagnostics *diags) {
  trainer t = {.arena = rgc_arena_create(), .network = network, .data = data, .options = options, .diags = diags};
  *result = (rgc_run_result){0};
  t.epoch_steps = t.total = 1;
  bool good = prepare(&t);
  if (good) validate(&t, result, predictions);
  rgc_model_destroy(&t.model);
  rgc_arena_destroy(t.arena);
  return good;
}
