/* trainer.c: see trainer.h. Batches are drawn without replacement from a permutation that depends on (seed, epoch) only; the
 * last batch of an epoch may be smaller, and is then a step with fewer valid samples. */
#include "runtime/train/trainer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/loader.h"
#include "runtime/reference/philox.h"
#include "runtime/train/log.h"
#include "runtime/train/model.h"
#include "runtime/train/probe.h"
#include "runtime/train/schedule.h"
#include "runtime/train/teacher.h"

enum { SHUFFLE_STREAM = 1 << 21, LOADER_WORKERS = 2 };

typedef struct trainer {
  rgc_arena *arena;
  rgc_network *network;
  rgc_plan *plan;
  const rgc_dataset *data;
  const rgc_run_options *options;
  rgc_diagnostics *diags;
  rgc_model model;
  rgc_loader *loader, *valid_loader; /* of the training and the validation split */
  int *order;          /* permutation of the training samples */
  int *valid_order;    /* 0, 1, .. of the validation samples */
  int64_t epoch_batches, epoch_steps, total;
  int64_t first;         /* steps done before, by an earlier run */
  rgc_progress progress;
  rgc_teacher *teacher; /* NULL: none */
  rgc_log log;
} trainer;

static bool open_loaders(trainer *t) {
  rgc_transform_options o = rgc_input_transform(t->network, rgc_dataset_shape(t->data), t->arena);
  t->loader = rgc_loader_create(t->data, &o, RGC_SPLIT_TRAIN, t->options->batch, LOADER_WORKERS, t->diags);
  t->valid_loader = rgc_loader_create(t->data, &o, RGC_SPLIT_VALIDATION, t->options->batch, LOADER_WORKERS, t->diags);
  int count = rgc_dataset_count(t->data, RGC_SPLIT_VALIDATION);
  t->valid_order = RGC_NEW_ARRAY(t->arena, int, count + 1);
  for (int i = 0; i < count; i++) t->valid_order[i] = i;
  return t->loader && t->valid_loader;
}

static bool check_output_classes(trainer *t, int set) {
  const rgc_class_set *classes = &t->network->classes[set];
  const rgc_label_map *map = &t->network->train.labels[set];
  const char *of = *classes->output ? rgc_arena_printf(t->arena, " of output %s", classes->output) : "";
  int64_t found = rgc_dataset_class_count(t->data);
  if (map->count && map->count != found)
    return rgc_diag_fail(t->diags, RGC_CODE_DATA_CLASSES, t->network->file, "labels: takes one class for each of the data set's",
                         "labels%s are %d, and the data set has %lld classes", of, map->count, (long long)found);
  return map->count || classes->count == found ||
         rgc_diag_fail(t->diags, RGC_CODE_DATA_CLASSES, t->network->file,
                       *of ? "set classes: to the data set's count, or give train: labels:" : "set classes: to the data set's count",
                       "the network has %lld classes%s, the data set %lld", (long long)classes->count, of, (long long)found);
}

static bool check_classes(trainer *t) {
  bool good = true;
  for (int i = 0; i < t->network->class_set_count; i++) good = check_output_classes(t, i) && good;
  return good;
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
    rgc_cpu_program_run_ops(program->run, numbers, i, 1);
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

/* Of the batches of one step. */
typedef struct step_sums {
  double loss;    /* sum of the batches' means */
  double correct;
  int64_t valid;
} step_sums;

/* Micro-batch `part` of the `parts` of a step. */
static bool train_batch(trainer *t, int64_t step, int64_t part, int64_t parts, step_sums *sums) {
  const rgc_model_program *program = &t->model.train;
  const rgc_batch *batch = rgc_loader_next(t->loader);
  rgc_cpu_step numbers = step_numbers(t, step, batch->valid);
  numbers.step = (uint32_t)(step * t->network->train.accumulate + part); /* of random numbers: no two batches share them */
  numbers.scalars[RGC_SCALAR_FIRST] = part == 0;
  numbers.scalars[RGC_SCALAR_LAST] = part + 1 == parts;
  numbers.scalars[RGC_SCALAR_SHARE] = 1 / (float)parts;
  int op_count = program->program->graph->op_count, forward_ops = program->program->graph->values[program->loss].op + 1;
  rgc_model_give_batch(&t->model, program, batch->images, batch->labels, batch->valid);
  if (t->teacher) rgc_teacher_logits(t->teacher, batch->images, batch->valid, rgc_model_f32(program, program->teacher));
  rgc_cpu_program_run_ops(program->run, &numbers, 0, forward_ops);
  double loss = (double)*rgc_model_f32(program, program->loss);
  sums->loss += loss;
  sums->valid += batch->valid;
  if (!isfinite(loss)) name_first_not_finite(t, program, &numbers, forward_ops);
  else rgc_cpu_program_run_ops(program->run, &numbers, forward_ops, op_count - forward_ops);
  sums->correct += (double)*rgc_model_f32(program, program->correct);
  return check_finite(t, "training", loss, step);
}

static bool train_step(trainer *t, int64_t step, double *loss, double *acc) {
  int64_t within = step % t->epoch_steps * t->network->train.accumulate, left = t->epoch_batches - within, seen = within * t->options->batch;
  int64_t parts = left < t->network->train.accumulate ? left : t->network->train.accumulate;
  if (within == 0 || step == t->first) {
    shuffle(t, step / t->epoch_steps);
    rgc_loader_start(t->loader, t->order + seen, rgc_dataset_count(t->data, RGC_SPLIT_TRAIN) - seen);
  }
  step_sums sums = {0};
  for (int64_t part = 0; part < parts; part++)
    if (!train_batch(t, step, part, parts, &sums)) return false;
  *loss = sums.loss / (double)parts;
  *acc = sums.correct / (double)sums.valid;
  return true;
}

/* Cross entropy of one sample, and its first largest logit as the prediction. */
static double sample_loss(const float *logits, int64_t classes, int label, rgc_prediction *prediction) {
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (logits[c] > logits[best]) best = c;
  double total = 0;
  for (int c = 0; c < classes; c++) total += exp((double)logits[c] - (double)logits[best]);
  int rank = 0;
  for (int c = 0; c < classes; c++) rank += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
  *prediction = (rgc_prediction){.label = label, .predicted = best, .probability = 1 / total, .rank = rank};
  return log(total) + (double)logits[best] - (double)logits[label];
}

/* Validation samples from number `begin`; adds to the sums in `result`. */
static void validate_batch(trainer *t, const rgc_batch *batch, int begin, rgc_run_result *result, rgc_prediction *predictions) {
  const rgc_model_program *program = &t->model.infer;
  int64_t classes = t->network->classes[0].count;
  rgc_cpu_step numbers = step_numbers(t, 0, batch->valid);
  rgc_model_give_batch(&t->model, program, batch->images, batch->labels, batch->valid);
  rgc_cpu_program_run(program->run, &numbers);
  const float *logits = rgc_model_f32(program, program->logits);
  for (int64_t e = 0; e < batch->valid * classes && !t->diags->error_count; e++) {
    if (isfinite(logits[e])) continue;
    rgc_model_give_batch(&t->model, program, batch->images, batch->labels, batch->valid); /* other values lay over it */
    name_first_not_finite(t, program, &numbers, program->program->graph->op_count);
  }
  for (int k = 0; k < t->network->class_set_count; k++) {
    const rgc_label_map *map = &t->network->train.labels[k];
    classes = t->network->classes[k].count;
    logits = rgc_model_f32(program, program->outputs[k].logits);
    for (int i = 0; i < batch->valid; i++) {
      rgc_prediction p;
      int label = map->count ? map->classes[batch->labels[i]] : batch->labels[i];
      result->output_loss[k] += sample_loss(logits + i * classes, classes, label, &p);
      result->output_acc[k] += p.predicted == p.label;
      if (k) continue;
      result->valid_top5 += p.rank < 5;
      if (predictions) predictions[begin + i] = p;
    }
  }
}

static void validate(trainer *t, rgc_run_result *result, rgc_prediction *predictions) {
  int count = rgc_dataset_count(t->data, RGC_SPLIT_VALIDATION), begin = 0;
  *result = (rgc_run_result){.best_acc = result->best_acc};
  rgc_model_fold(&t->model);
  rgc_loader_start(t->valid_loader, t->valid_order, count);
  for (const rgc_batch *batch; (batch = rgc_loader_next(t->valid_loader)); begin += (int)batch->valid)
    validate_batch(t, batch, begin, result, predictions);
  for (int k = 0; k < t->network->class_set_count; k++) {
    result->output_loss[k] /= fmax(count, 1);
    result->output_acc[k] /= fmax(count, 1);
    result->valid_loss += (t->network->class_set_count > 1 ? t->network->train.losses[k].weight : 1) * result->output_loss[k];
  }
  if (isnan(result->valid_loss)) result->valid_loss = NAN; /* without a sign, to be printed alike everywhere */
  result->valid_acc = result->output_acc[0];
  result->valid_top5 /= fmax(count, 1);
}

static char *out_path(trainer *t, const char *name) { return rgc_arena_printf(t->arena, "%s/%s", t->options->out_dir, name); }

static bool save_last(trainer *t, int64_t step) {
  t->progress.step = step + 1;
  return rgc_model_save(&t->model, out_path(t, "last.bin"), t->diags) &&
         rgc_model_save_state(&t->model, out_path(t, "last.state"), &t->progress, t->diags);
}

/* What `bn: running_after_first_validation` asks for: from the first validation on the step uses the running statistics. That is
 * another program over the same values. */
static bool freeze_statistics(trainer *t) {
  if (t->network->train.bn != RGC_BN_RUNNING_AFTER_FIRST_VALIDATION) return true;
  t->network->train.bn = RGC_BN_RUNNING;
  return rgc_model_retrain(&t->model, t->diags);
}

/* Validates, with the averaged weights where there are any, and keeps the best. */
static bool validate_step(trainer *t, int64_t step, double loss, double acc, rgc_run_result *result) {
  rgc_model_swap_averages(&t->model);
  validate(t, result, NULL);
  rgc_log_validated(&t->log, step, loss, acc, result->valid_loss, result->valid_acc);
  for (int k = 0; t->network->class_set_count > 1 && k < t->network->class_set_count; k++)
    rgc_log_output(&t->log, t->network->classes[k].output, result->output_loss[k], result->output_acc[k]);
  bool good = check_finite(t, "validation", result->valid_loss, step);
  bool better = t->progress.step == 0 || result->valid_acc > t->progress.best_acc;
  if (good && result->valid_acc >= t->progress.best_acc) good = rgc_model_save(&t->model, out_path(t, "best.bin"), t->diags);
  rgc_model_swap_averages(&t->model);
  t->progress.stale = better ? 0 : t->progress.stale + 1;
  result->best_acc = t->progress.best_acc = fmax(t->progress.best_acc, result->valid_acc);
  return good && save_last(t, step) && freeze_statistics(t);
}

static bool loop(trainer *t, rgc_run_result *result) {
  int64_t every = t->options->validate ? t->options->validate : t->epoch_steps, patience = t->network->train.patience;
  result->best_acc = t->progress.best_acc;
  result->early = patience && t->progress.stale >= patience;
  for (int64_t step = t->first; step < t->total && !result->early; step++) {
    double loss, acc;
    if (!train_step(t, step, &loss, &acc)) return false;
    bool stop = t->options->stop && *t->options->stop;
    rgc_log_step(&t->log, step, loss);
    if (step % every && step + 1 < t->total && !stop) continue;
    if (!validate_step(t, step, loss, acc, result)) return false;
    if (stop) return result->stopped = true;
    result->early = patience && t->progress.stale >= patience;
  }
  return true;
}

static bool prepare(trainer *t, bool train) {
  rgc_model_options o = {.batch = t->options->batch, .seed = t->options->seed, .threads = t->options->threads, .train = train,
                         .target = t->options->target};
  if (!check_classes(t) || !open_loaders(t) || !rgc_model_create(&t->model, t->network, t->plan, &o, t->diags)) return false;
  if (t->model.compiled) printf("compiled %d kernels in %.1f s\n", t->model.compiled, t->model.compile_seconds);
  const char *weights = t->options->weights, *state = t->options->state;
  bool resume = train && t->options->resume;
  if (resume) state = out_path(t, "last.state");
  if (resume && !rgc_model_restore(&t->model, out_path(t, "last.bin"), t->diags)) return false;
  if (!resume && weights && !rgc_model_load(&t->model, weights, t->diags)) return false;
  if (!train) return true;
  if (t->network->train.distill_plan) {
    t->teacher = rgc_teacher_open(t->network, t->options->batch, t->options->threads, t->options->target, t->arena, t->diags);
    if (!t->teacher) return false;
  }
  rgc_model_start_averages(&t->model);
  if (state && !rgc_model_load_state(&t->model, state, &t->progress, t->diags)) return false;
  t->first = t->progress.step;
  return !t->first || freeze_statistics(t); /* a validation was before the first checkpoint */
}

static void close_trainer(trainer *t) {
  rgc_loader_destroy(t->loader);
  rgc_loader_destroy(t->valid_loader);
  if (t->model.arena) rgc_model_destroy(&t->model);
  rgc_teacher_close(t->teacher);
  rgc_arena_destroy(t->arena);
}

/* The log to write to; of a run that goes on, behind the lines of the steps before it. */
static FILE *open_csv(trainer *t) {
  char *path = out_path(t, "log.csv"), line[256];
  FILE *csv = fopen(path, t->options->resume ? "r+" : "w");
  if (!csv && t->options->resume && errno == ENOENT) csv = fopen(path, "w");
  long kept = 0;
  while (csv && t->options->resume && fgets(line, sizeof line, csv) && strtoll(line, NULL, 10) < t->first) kept = ftell(csv);
  if (csv && (!t->options->resume || (!fseek(csv, kept, SEEK_SET) && !ftruncate(fileno(csv), kept)))) return csv;
  rgc_diag_fail(t->diags, RGC_CODE_FILE_WRITE, path, "choose another --out", "cannot be written: %s", strerror(errno));
  if (csv) fclose(csv);
  return NULL;
}

static bool run(trainer *t, rgc_run_result *result) {
  int train_count = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN);
  int64_t accumulate = t->network->train.accumulate;
  if (!prepare(t, true)) return false;
  t->order = RGC_NEW_ARRAY(t->arena, int, train_count);
  t->epoch_batches = (train_count + t->options->batch - 1) / t->options->batch;
  t->epoch_steps = (t->epoch_batches + accumulate - 1) / accumulate;
  t->total = t->options->steps ? t->options->steps : t->options->epochs * t->epoch_steps;
  FILE *csv = open_csv(t);
  if (!csv) return false;
  rgc_log_begin(&t->log, stdout, csv, t->total, t->options->batch * accumulate);
  bool good = loop(t, result);
  return fclose(csv) == 0 && good;
}

bool rgc_train(rgc_network *network, rgc_plan *plan, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
               rgc_diagnostics *diags) {
  trainer t = {.arena = rgc_arena_create(), .network = network, .plan = plan, .data = data, .options = options, .diags = diags};
  *result = (rgc_run_result){0};
  bool good = run(&t, result);
  close_trainer(&t);
  return good;
}

bool rgc_evaluate(rgc_network *network, rgc_plan *plan, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
                  rgc_prediction *predictions, rgc_diagnostics *diags) {
  trainer t = {.arena = rgc_arena_create(), .network = network, .plan = plan, .data = data, .options = options, .diags = diags};
  *result = (rgc_run_result){0};
  t.epoch_steps = t.total = 1;
  bool good = prepare(&t, false);
  if (good) validate(&t, result, predictions);
  close_trainer(&t);
  return good;
}
