/* trainer.c: training and validation of a model (rgc_model_train, rgc_model_evaluate of rgc.h). Batches are drawn without replacement from a permutation that depends on (seed, epoch) only; the
 * last batch of an epoch may be smaller, and is then a step with fewer valid samples. */
#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/clock.h"
#include "compiler/plan/plan_build.h"
#include "runtime/data/loader.h"
#include "runtime/reference/philox.h"
#include "runtime/train/model.h"
#include "runtime/train/probe.h"
#include "runtime/train/schedule.h"

enum { SHUFFLE_STREAM = 1 << 21, MIN_WORKERS = 2, MAX_WORKERS = 16 };

typedef struct trainer {
  rgc_arena *arena;
  rgc_model *model;
  rgc_network *network; /* the model's */
  const rgc_dataset *data;
  const rgc_run_options *options;
  rgc_diagnostics *diags;
  rgc_loader *loader, *valid_loader; /* of the training and the validation split */
  int *order;          /* permutation of the training samples */
  int *valid_order;    /* 0, 1, .. of the validation samples */
  int64_t epoch_steps, total, first; /* first: steps done before, by an earlier run */
  FILE *csv;           /* NULL: none */
} trainer;

static int count_workers(const rgc_network *network) {
  if (network->data.workers >= 0) return network->data.workers;
  int half = omp_get_num_procs() / 2;
  return half < MIN_WORKERS ? MIN_WORKERS : half > MAX_WORKERS ? MAX_WORKERS : half;
}

static rgc_loader *open_loader(trainer *t, rgc_split split) {
  rgc_pipeline_options pipeline = rgc_input_pipeline(t->network, t->data, split == RGC_SPLIT_TRAIN, t->options->seed, t->arena);
  rgc_loader_options o = {.split = split, .batch = t->model->batch, .workers = count_workers(t->network), .skip_corrupt = t->network->data.skip_corrupt};
  return rgc_loader_create(t->data, &pipeline, &o, t->diags);
}

static bool open_loaders(trainer *t, bool train) {
  int count = rgc_dataset_count(t->data, RGC_SPLIT_VALIDATION);
  if (train) t->loader = open_loader(t, RGC_SPLIT_TRAIN);
  t->valid_loader = open_loader(t, RGC_SPLIT_VALIDATION);
  t->valid_order = RGC_NEW_ARRAY(t->arena, int, count + 1);
  for (int i = 0; i < count; i++) t->valid_order[i] = i;
  return (t->loader || !train) && t->valid_loader;
}

/* Names every file that was left out, to a limit. */
static void tell_skipped(const trainer *t, rgc_loader *loader) {
  enum { MOST = 20 };
  int count = 0;
  const rgc_bad_file *files = loader && t->network->data.skip_corrupt ? rgc_loader_skipped(loader, &count) : NULL;
  for (int i = 0; i < count && i < MOST; i++)
    rgc_diag_add(t->diags, RGC_WARNING, RGC_CODE_DATA_FORMAT, (rgc_location){.file = rgc_arena_strdup(t->diags->arena, files[i].path)},
                 "skipped: %s", files[i].problem);
  if (count > MOST) rgc_diag_add(t->diags, RGC_WARNING, RGC_CODE_DATA_FORMAT, (rgc_location){0}, "and %d more files were skipped", count - MOST);
}

/* A network that knows only how many classes it has learns their names, and keeps them in its plan. */
static void take_class_names(trainer *t) {
  int count = rgc_dataset_class_count(t->data);
  if (!rgc_dataset_has_class_names(t->data)) return;
  const char **names = RGC_NEW_ARRAY(t->arena, const char *, count);
  for (int i = 0; i < count; i++) names[i] = rgc_dataset_class_name(t->data, i);
  rgc_network_name_classes(t->network, names, count);
  rgc_plan_update_source(t->model->plan, t->network);
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

static rgc_cpu_step step_numbers(const trainer *t, int64_t step, int64_t valid) {
  const rgc_train_settings *s = &t->network->train;
  rgc_cpu_step n = {.seed = t->options->seed, .step = (uint32_t)step};
  rgc_cpu_step_set_valid(&n, valid);
  rgc_step_set_rates(&n, s, rgc_learning_rate(s, step, t->total, t->epoch_steps), step);
  return n;
}

static bool is_finite(const rgc_value *value, const float *data) {
  int64_t count = rgc_shape_elems(value->shape);
  for (int64_t e = 0; value->dtype == RGC_F32 && value->layout.kind == RGC_LAYOUT_NHWC && e < count; e++)
    if (!isfinite(data[e])) return false;
  return true;
}

/* Runs the first ops once more, one at a time, until one gives a value that is not finite; names it. */
static void name_first_not_finite(trainer *t, const rgc_model_program *program, const rgc_cpu_step *numbers, int op_count) {
  const rgc_graph *graph = program->program->graph;
  if (!is_finite(&graph->values[program->input], program->data[program->input])) {
    rgc_diag_fail(t->diags, RGC_CODE_NOT_FINITE, t->network->file, "look at the data", "the first value that is not finite is the input");
    return;
  }
  for (int i = 0; i < op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    rgc_device_run_ops(program->run, numbers, i, 1);
    for (int k = 0; k < op->output_count; k++) {
      const rgc_value *value = &graph->values[op->outputs[k]];
      if (is_finite(value, program->data[value->id])) continue;
      rgc_diag_fail(t->diags, RGC_CODE_NOT_FINITE, t->network->file, "rgc run --dump writes a value to a file",
                    "the first value that is not finite is '%s' of layer %s, line %d", value->name, op->layer, op->line);
      return;
    }
  }
}

static bool check_finite(trainer *t, const char *which, double loss, int64_t step) {
  return isfinite(loss) || rgc_diag_fail(t->diags, RGC_CODE_NOT_FINITE, t->network->file, "lower the learning rate",
                                         "the %s loss of step %lld is not finite; earlier checkpoints are untouched", which,
                                         (long long)step);
}

/* The batch of a step; NULL with an error. */
static const rgc_batch *take_batch(trainer *t, int64_t step) {
  int64_t within = step % t->epoch_steps, seen = within * t->model->batch;
  if (within == 0 || step == t->first) {
    shuffle(t, step / t->epoch_steps);
    rgc_loader_start(t->loader, t->order + seen, rgc_dataset_count(t->data, RGC_SPLIT_TRAIN) - seen, step / t->epoch_steps);
  }
  const rgc_batch *batch = rgc_loader_next(t->loader);
  if (!batch) rgc_loader_failed(t->loader, t->diags);
  return batch;
}

/* A batch of which every file was skipped is no step: loss and accuracy stay. */
static bool train_step(trainer *t, int64_t step, double *loss, double *acc) {
  const rgc_model_program *program = &t->model->train;
  const rgc_batch *batch = take_batch(t, step);
  if (!batch) return false;
  if (!batch->valid) return true;
  t->model->folded = false;
  rgc_cpu_step numbers = step_numbers(t, step, batch->valid);
  int op_count = program->program->graph->op_count, forward_ops = program->program->graph->values[program->loss].op + 1;
  numbers.scalars[RGC_SCALAR_MIX] = (float)batch->mix;
  rgc_model_give_batch(program, batch->images, batch->labels, batch->valid);
  rgc_model_give_others(program, batch->others, batch->valid);
  rgc_device_run_ops(program->run, &numbers, 0, forward_ops);
  *loss = (double)*rgc_model_f32(program, program->loss);
  int hits = batch->mix < 0.5 && program->other_correct >= 0 ? program->other_correct : program->correct; /* of the label that weighs more */
  *acc = (double)*rgc_model_f32(program, hits) / (double)batch->valid;
  if (!isfinite(*loss)) name_first_not_finite(t, program, &numbers, forward_ops);
  else rgc_device_run_ops(program->run, &numbers, forward_ops, op_count - forward_ops);
  return check_finite(t, "training", *loss, step);
}

/* Cross entropy of one sample, and its first largest logit as the prediction. */
static double sample_loss(const float *logits, int64_t classes, int label, rgc_prediction *prediction) {
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (logits[c] > logits[best]) best = c;
  double log_sum = rgc_softmax(logits, classes, NULL);
  *prediction = (rgc_prediction){.label = label, .predicted = best, .probability = exp((double)logits[best] - log_sum)};
  return log_sum - (double)logits[label];
}

/* Adds to the sums in `result`. */
static void validate_batch(trainer *t, const rgc_batch *batch, rgc_run_result *result, rgc_prediction *predictions) {
  const rgc_model_program *program = &t->model->infer;
  int64_t classes = t->network->classes[0].count;
  rgc_cpu_step numbers = step_numbers(t, 0, batch->valid);
  rgc_model_give_batch(program, batch->images, batch->labels, batch->valid);
  rgc_device_run(program->run, &numbers);
  const float *logits = rgc_model_f32(program, program->logits);
  for (int64_t e = 0; e < batch->valid * classes && !t->diags->error_count; e++) {
    if (isfinite(logits[e])) continue;
    rgc_model_give_batch(program, batch->images, batch->labels, batch->valid); /* other values lay over it */
    name_first_not_finite(t, program, &numbers, program->program->graph->op_count);
  }
  for (int i = 0; i < batch->valid; i++) {
    rgc_prediction p;
    result->valid_loss += sample_loss(logits + i * classes, classes, batch->labels[i], &p);
    result->valid_acc += p.predicted == p.label;
    if (predictions) predictions[batch->samples[i]] = p;
  }
}

/* False when a file cannot be decoded. */
static bool validate(trainer *t, rgc_run_result *result, rgc_prediction *predictions) {
  int count = rgc_dataset_count(t->data, RGC_SPLIT_VALIDATION);
  int64_t seen = 0;
  result->valid_loss = result->valid_acc = 0;
  for (int i = 0; predictions && i < count; i++)
    predictions[i] = (rgc_prediction){.label = rgc_dataset_label(t->data, RGC_SPLIT_VALIDATION, i), .predicted = -1};
  rgc_model_fold(t->model);
  rgc_loader_start(t->valid_loader, t->valid_order, count, 0);
  for (const rgc_batch *batch; (batch = rgc_loader_next(t->valid_loader)); seen += batch->valid)
    if (batch->valid) validate_batch(t, batch, result, predictions);
  double samples = fmax((double)seen, 1);
  result->valid_loss = isnan(result->valid_loss) ? NAN : result->valid_loss / samples; /* without a sign, to be printed alike everywhere */
  result->valid_acc /= samples;
  return !rgc_loader_failed(t->valid_loader, t->diags);
}

static char *out_path(trainer *t, const char *name) { return rgc_arena_printf(t->arena, "%s/%s", t->options->out_dir, name); }

/* The best so far, and the last. */
static bool save(trainer *t, int64_t step, const rgc_run_result *result) {
  if (!t->options->out_dir) return true;
  if (result->valid_acc >= result->best_acc && !rgc_model_save(t->model, out_path(t, "best.bin"), t->diags)) return false;
  return rgc_model_save(t->model, out_path(t, "last.bin"), t->diags) &&
         rgc_model_save_state(t->model, out_path(t, "last.state"), step + 1, t->diags);
}

static void tell(const trainer *t, rgc_progress progress) {
  progress.total = t->total;
  progress.batch = t->model->batch;
  if (t->options->progress) t->options->progress(t->options->context, &progress);
}

/* To the CSV file, in the tutorial's form, and to who looks on. */
static void tell_validated(const trainer *t, int64_t step, double loss, double acc, const rgc_run_result *r) {
  tell(t, (rgc_progress){.event = RGC_EVENT_VALIDATED, .step = step, .loss = loss, .acc = acc, .valid_loss = r->valid_loss, .valid_acc = r->valid_acc});
  if (!t->csv) return;
  fprintf(t->csv, "%d,%.4f,%.4f,%.4f,%.4f\n", (int)step, loss, acc, r->valid_loss, r->valid_acc);
  fflush(t->csv);
}

/* What `bn: running_after_first_validation` asks for: from the first validation on the step uses the running statistics. That is
 * another program over the same values. */
static bool freeze_statistics(trainer *t) {
  if (t->network->train.bn != RGC_BN_RUNNING_AFTER_FIRST_VALIDATION) return true;
  t->network->train.bn = RGC_BN_RUNNING;
  return rgc_model_retrain(t->model, t->diags);
}

static bool loop(trainer *t, rgc_run_result *result) {
  int64_t every = t->options->validate ? t->options->validate : t->epoch_steps;
  double loss = 0, acc = 0;
  tell(t, (rgc_progress){.event = RGC_EVENT_BEGIN, .step = t->first});
  for (int64_t step = t->first; step < t->total; step++) {
    double begun = rgc_now_seconds();
    if (!train_step(t, step, &loss, &acc)) return false;
    result->seconds += rgc_now_seconds() - begun;
    bool stop = t->options->stop && *t->options->stop;
    tell(t, (rgc_progress){.event = RGC_EVENT_STEP, .step = step, .loss = loss, .acc = acc});
    if (step % every && step + 1 < t->total && !stop) continue;
    if (!validate(t, result, NULL)) return false;
    tell_validated(t, step, loss, acc, result);
    if (!check_finite(t, "validation", result->valid_loss, step) || !save(t, step, result) || !freeze_statistics(t)) return false;
    result->best_acc = fmax(result->best_acc, result->valid_acc);
    if (stop) return result->stopped = true;
  }
  return true;
}

static bool open_csv(trainer *t) {
  char *path = t->options->out_dir ? out_path(t, "log.csv") : NULL;
  t->csv = path ? fopen(path, "w") : NULL;
  return !path || t->csv || rgc_diag_fail(t->diags, RGC_CODE_FILE_WRITE, path, "choose another --out", "cannot be written: %s", strerror(errno));
}

static bool train(trainer *t, rgc_run_result *result) {
  int train_count = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN);
  if (!t->model->train.program) return rgc_diag_fail(t->diags, RGC_CODE_USAGE, NULL, "open it with `train`", "the model was opened for inference only");
  if (!train_count) return rgc_diag_fail(t->diags, RGC_CODE_DATA_MISSING, NULL, NULL, "the data set has no training samples");
  if (t->model->bn != t->network->train.bn && !rgc_model_retrain(t->model, t->diags)) return false; /* an earlier run has frozen the statistics */
  if (t->options->state && !rgc_model_load_state(t->model, t->options->state, &t->first, t->diags)) return false;
  t->order = RGC_NEW_ARRAY(t->arena, int, train_count);
  t->epoch_steps = (train_count + t->model->batch - 1) / t->model->batch;
  t->total = t->options->steps ? t->options->steps : t->options->epochs * t->epoch_steps;
  bool good = open_csv(t) && loop(t, result);
  result->waited_seconds = rgc_loader_waited_seconds(t->loader);
  return (!t->csv || fclose(t->csv) == 0) && good;
}

static bool open_trainer(trainer *t, bool train_too) {
  t->arena = rgc_arena_create();
  t->network = t->model->network;
  t->epoch_steps = t->total = 1;
  if (!rgc_dataset_fits(t->data, t->network, t->diags)) return false;
  take_class_names(t);
  return open_loaders(t, train_too);
}

static void close_trainer(trainer *t) {
  tell_skipped(t, t->loader);
  tell_skipped(t, t->valid_loader);
  rgc_loader_destroy(t->loader);
  rgc_loader_destroy(t->valid_loader);
  rgc_arena_destroy(t->arena);
}

bool rgc_model_train(rgc_model *model, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
                     rgc_diagnostics *diags) {
  trainer t = {.model = model, .data = data, .options = options, .diags = diags};
  rgc_train_settings settings = model->network->train; /* this run's are its own */
  model->network->train.lr = options->lr;
  *result = (rgc_run_result){0};
  bool good = open_trainer(&t, true) && train(&t, result);
  close_trainer(&t);
  model->network->train = settings;
  return good;
}

bool rgc_model_evaluate(rgc_model *model, const rgc_dataset *data, rgc_run_result *result, rgc_prediction *predictions,
                        rgc_diagnostics *diags) {
  const rgc_run_options none = {0};
  trainer t = {.model = model, .data = data, .options = &none, .diags = diags};
  *result = (rgc_run_result){0};
  bool good = open_trainer(&t, false) && validate(&t, result, predictions);
  close_trainer(&t);
  return good;
}
