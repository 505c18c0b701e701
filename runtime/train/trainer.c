/* trainer.c: see trainer.h. Batches are drawn without replacement from a permutation that depends on (seed, epoch) only; the
 * last batch of an epoch may be smaller, and is then a step with fewer valid samples. */
#include "runtime/train/trainer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/loader.h"
#include "runtime/reference/philox.h"
#include "runtime/train/import_weights.h"
#include "runtime/train/log.h"
#include "runtime/train/model.h"
#include "runtime/train/probe.h"
#include "runtime/train/schedule.h"

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
  int64_t epoch_steps, total, first; /* first: steps done before, by an earlier run */
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

static bool train_step(trainer *t, int64_t step, double *loss, double *acc) {
  const rgc_model_program *program = &t->model.train;
  int64_t within = step % t->epoch_steps, seen = within * t->options->batch;
  if (within == 0 || step == t->first) {
    shuffle(t, step / t->epoch_steps);
    rgc_loader_start(t->loader, t->order + seen, rgc_dataset_count(t->data, RGC_SPLIT_TRAIN) - seen);
  }
  const rgc_batch *batch = rgc_loader_next(t->loader);
  rgc_cpu_step numbers = step_numbers(t, step, batch->valid);
  int op_count = program->program->graph->op_count, forward_ops = program->program->graph->values[program->loss].op + 1;
  rgc_model_give_batch(program, batch->images, batch->labels, batch->valid);
  rgc_cpu_program_run_ops(program->run, &numbers, 0, forward_ops);
  *loss = (double)*rgc_model_f32(program, program->loss);
  *acc = (double)*rgc_model_f32(program, program->correct) / (double)batch->valid;
  if (!isfinite(*loss)) name_first_not_finite(t, program, &numbers, forward_ops);
  else rgc_cpu_program_run_ops(program->run, &numbers, forward_ops, op_count - forward_ops);
  return check_finite(t, "training", *loss, step);
}

/* Cross entropy of one sample, and its first largest logit as the prediction. */
static double sample_loss(const float *logits, int64_t classes, int label, rgc_prediction *prediction) {
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (logits[c] > logits[best]) best = c;
  double total = 0;
  for (int c = 0; c < classes; c++) total += exp((double)logits[c] - (double)logits[best]);
  *prediction = (rgc_prediction){.label = label, .predicted = best, .probability = 1 / total};
  return log(total) + (double)logits[best] - (double)logits[label];
}

/* Validation samples from number `begin`; adds to the sums in `result`. */
static void validate_batch(trainer *t, const rgc_batch *batch, int begin, rgc_run_result *result, rgc_prediction *predictions) {
  const rgc_model_program *program = &t->model.infer;
  int64_t classes = t->network->classes[0].count;
  rgc_cpu_step numbers = step_numbers(t, 0, batch->valid);
  rgc_model_give_batch(program, batch->images, batch->labels, batch->valid);
  rgc_cpu_program_run(program->run, &numbers);
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
    if (predictions) predictions[begin + i] = p;
  }
}

static void validate(trainer *t, rgc_run_result *result, rgc_prediction *predictions) {
  int count = rgc_dataset_count(t->data, RGC_SPLIT_VALIDATION), begin = 0;
  result->valid_loss = result->valid_acc = 0;
  rgc_model_fold(&t->model);
  rgc_loader_start(t->valid_loader, t->valid_order, count);
  for (const rgc_batch *batch; (batch = rgc_loader_next(t->valid_loader)); begin += (int)batch->valid)
    validate_batch(t, batch, begin, result, predictions);
  result->valid_loss = isnan(result->valid_loss) ? NAN : result->valid_loss / fmax(count, 1); /* without a sign, to be printed alike everywhere */
  result->valid_acc /= fmax(count, 1);
}

static char *out_path(trainer *t, const char *name) { return rgc_arena_printf(t->arena, "%s/%s", t->options->out_dir, name); }

static bool save_last(trainer *t, int64_t step) {
  return rgc_model_save(&t->model, out_path(t, "last.bin"), t->diags) &&
         rgc_model_save_state(&t->model, out_path(t, "last.state"), step + 1, t->diags);
}

/* What `bn: running_after_first_validation` asks for: from the first validation on the step uses the running statistics. That is
 * another program over the same values. */
static bool freeze_statistics(trainer *t) {
  if (t->network->train.bn != RGC_BN_RUNNING_AFTER_FIRST_VALIDATION) return true;
  t->network->train.bn = RGC_BN_RUNNING;
  return rgc_model_retrain(&t->model, t->diags);
}

static bool loop(trainer *t, rgc_run_result *result) {
  int64_t every = t->options->validate ? t->options->validate : t->epoch_steps;
  for (int64_t step = t->first; step < t->total; step++) {
    double loss, acc;
    if (!train_step(t, step, &loss, &acc)) return false;
    bool stop = t->options->stop && *t->options->stop;
    rgc_log_step(&t->log, step, loss);
    if (step % every && step + 1 < t->total && !stop) continue;
    validate(t, result, NULL);
    rgc_log_validated(&t->log, step, loss, acc, result->valid_loss, result->valid_acc);
    if (!check_finite(t, "validation", result->valid_loss, step)) return false;
    if (result->valid_acc >= result->best_acc && !rgc_model_save(&t->model, out_path(t, "best.bin"), t->diags)) return false;
    result->best_acc = fmax(result->best_acc, result->valid_acc);
    if (!save_last(t, step) || !freeze_statistics(t)) return false;
    if (stop) return result->stopped = true;
  }
  return true;
}

static bool prepare(trainer *t, bool train) {
  rgc_model_options o = {.batch = t->options->batch, .seed = t->options->seed, .threads = t->options->threads, .train = train,
                         .target = t->options->target};
  if (!check_classes(t) || !open_loaders(t) || !rgc_model_create(&t->model, t->network, t->plan, &o, t->diags)) return false;
  if (t->model.compiled) printf("compiled %d kernels in %.1f s\n", t->model.compiled, t->model.compile_seconds);
  const char *weights = rgc_weights_choose(t->network, t->plan, t->options->weights);
  if (weights && !rgc_model_load(&t->model, weights, t->diags)) return false;
  return !train || !t->options->state || rgc_model_load_state(&t->model, t->options->state, &t->first, t->diags);
}

static void close_trainer(trainer *t) {
  rgc_loader_destroy(t->loader);
  rgc_loader_destroy(t->valid_loader);
  if (t->model.arena) rgc_model_destroy(&t->model);
  rgc_arena_destroy(t->arena);
}

static bool run(trainer *t, rgc_run_result *result) {
  int train_count = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN);
  if (!prepare(t, true)) return false;
  t->order = RGC_NEW_ARRAY(t->arena, int, train_count);
  t->epoch_steps = (train_count + t->options->batch - 1) / t->options->batch;
  t->total = t->options->steps ? t->options->steps : t->options->epochs * t->epoch_steps;
  char *csv_path = out_path(t, "log.csv");
  FILE *csv = fopen(csv_path, "w");
  if (!csv) return rgc_diag_fail(t->diags, RGC_CODE_FILE_WRITE, csv_path, "choose another --out", "cannot be written: %s", strerror(errno));
  rgc_log_begin(&t->log, stdout, csv, t->total, t->options->batch);
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
