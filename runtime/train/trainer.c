/* trainer.c: rgc_model_train of rgc.h. Batches are drawn without replacement from a permutation that depends on (seed, epoch) only; the
 * last batch of an epoch may be smaller, and is then one with fewer valid samples. A step is of train: accumulate batches, the last of an
 * epoch of those that are left. A batch is what the program takes at once, or, where memory: had it split, several micro-batches. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/base/clock.h"
#include "runtime/reference/philox.h"
#include "runtime/train/feed.h"
#include "runtime/train/finite.h"
#include "runtime/train/probe.h"
#include "runtime/train/schedule.h"
#include "runtime/train/validate.h"

enum { SHUFFLE_STREAM = 1 << 21 };

typedef struct trainer {
  rgc_arena *arena;
  rgc_network *network; /* the model's */
  rgc_model *model;
  const rgc_dataset *data;
  const rgc_run_options *options;
  rgc_diagnostics *diags;
  rgc_loader *loader; /* of the training split */
  rgc_feed feed;
  rgc_validation validation;
  rgc_teacher *teacher; /* NULL: none */
  int *order;           /* permutation of the training samples */
  int64_t epoch_batches, epoch_steps, total;
  int64_t first;        /* steps done before, by an earlier run */
  rgc_run_state state;
  FILE *csv;            /* NULL: none */
} trainer;

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

static bool check_finite(const trainer *t, const char *which, double loss, int64_t step) {
  return rgc_check_finite(t->model, which, loss, step, t->diags);
}

/* One run of the program. */
typedef struct micro_batch {
  int64_t number;  /* among those of all steps: of random numbers, so that no two share them */
  double fraction; /* of the samples of its batch; 1 where that is not split */
  int64_t batches; /* of the step */
  bool last;       /* of the step */
} micro_batch;

/* Of the micro-batches of one step. */
typedef struct step_sums {
  double loss, weight; /* sums of fraction times the mean, and of the fractions */
  double correct;
  int64_t runs, valid;
} step_sums;

/* The sums of a run that has been asked for; tells where it is no number. */
static bool read_sums(trainer *t, const rgc_batch *batch, const rgc_cpu_step *numbers, int64_t step, const micro_batch *part, step_sums *sums) {
  const rgc_model_program *program = &t->model->train;
  int hits = batch->mix < 0.5 && program->other_correct >= 0 ? program->other_correct : program->correct; /* of the label that weighs more */
  const float *loss = rgc_model_read(program, program->loss, t->diags), *correct = rgc_model_read(program, hits, t->diags);
  if (!loss || !correct) return false;
  sums->loss += part->fraction * (double)*loss;
  sums->weight += part->fraction;
  sums->correct += (double)*correct;
  sums->runs++;
  sums->valid += batch->valid;
  double told = (double)*loss; /* what is found below may run over it */
  if (!isfinite(told) && rgc_feed_again(&t->feed, t->diags))
    rgc_name_first_not_finite(t->model, program, numbers, program->program->graph->values[program->loss].op + 1, t->diags);
  return check_finite(t, "training", told, step);
}

/* One of which every file was skipped does nothing: where it is the last of several, the step updates nothing. */
static bool train_part(trainer *t, int64_t step, const micro_batch *part, step_sums *sums) {
  const rgc_model_program *program = &t->model->train;
  const rgc_batch *batch = rgc_feed_next(&t->feed, t->diags);
  if (!batch) return rgc_loader_failed(t->loader, t->diags), false;
  if (!batch->valid) return true;
  t->model->folded = false;
  rgc_cpu_step numbers = step_numbers(t, step, batch->valid);
  numbers.step = (uint32_t)part->number;
  numbers.scalars[RGC_SCALAR_FIRST] = sums->runs == 0;
  numbers.scalars[RGC_SCALAR_LAST] = part->last;
  numbers.scalars[RGC_SCALAR_SHARE] = (float)part->fraction / (float)part->batches;
  numbers.scalars[RGC_SCALAR_MIX] = (float)batch->mix;
  return rgc_device_run_step(program->run, &numbers, program->loss, t->diags) && rgc_feed_ahead(&t->feed, t->diags) &&
         read_sums(t, batch, &numbers, step, part, sums);
}

/* The micro-batches of batch `within` of the epoch, which is number `batch` of the `batches` of the step. */
static bool train_batch(trainer *t, int64_t step, int64_t within, int64_t batch, int64_t batches, step_sums *sums) {
  int64_t micro = t->model->batch, whole = t->model->step_batch, left = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN) - within * whole;
  int64_t size = left < whole ? left : whole, parts = (whole + micro - 1) / micro;
  for (int64_t first = 0; first < size; first += micro) {
    int64_t samples = size - first < micro ? size - first : micro;
    micro_batch part = {.number = (step * t->network->train.accumulate + batch) * parts + first / micro, .batches = batches,
                        .fraction = (double)samples / (double)size, .last = batch + 1 == batches && first + micro >= size};
    if (!train_part(t, step, &part, sums)) return false;
  }
  return true;
}

/* A step of which every file was skipped is none: loss and accuracy stay. */
static bool train_step(trainer *t, int64_t step, double *loss, double *acc) {
  int64_t accumulate = t->network->train.accumulate, within = step % t->epoch_steps * accumulate, left = t->epoch_batches - within;
  int64_t parts = left < accumulate ? left : accumulate, seen = within * t->model->step_batch, epoch = step / t->epoch_steps;
  if (within == 0 || step == t->first) {
    shuffle(t, epoch);
    rgc_feed_start(&t->feed, t->order + seen, rgc_dataset_count(t->data, RGC_SPLIT_TRAIN) - seen, epoch);
  }
  step_sums sums = {0};
  for (int64_t part = 0; part < parts; part++)
    if (!train_batch(t, step, within + part, part, parts, &sums)) return false;
  if (!sums.runs) return true;
  *loss = sums.loss / sums.weight;
  *acc = sums.correct / (double)sums.valid;
  return true;
}

static char *out_path(trainer *t, const char *name) { return rgc_arena_printf(t->arena, "%s/%s", t->options->out_dir, name); }

/* Weights and state are two files: the new state waits under another name until the weights are there, so that whenever the run dies one of the
 * states is that of last.bin. */
static bool save_last(trainer *t, int64_t step) {
  t->state.step = step + 1;
  if (!t->options->out_dir) return true;
  char *next = out_path(t, "last.state.next"), *state = out_path(t, "last.state");
  bool good = rgc_model_save_state(t->model, next, &t->state, t->diags) && rgc_model_save(t->model, out_path(t, "last.bin"), t->diags);
  if (good && !rename(next, state)) return true;
  int error = errno;
  remove(next);
  return good && rgc_diag_fail(t->diags, RGC_CODE_FILE_WRITE, state, NULL, "cannot be written: %s", strerror(error));
}

static void tell(const trainer *t, rgc_progress progress) {
  progress.total = t->total;
  progress.batch = t->model->step_batch * t->network->train.accumulate;
  if (t->options->progress) t->options->progress(t->options->context, &progress);
}

/* To the CSV file, in the tutorial's form, and to who looks on. */
static void tell_validated(const trainer *t, int64_t step, double loss, double acc, const rgc_run_result *r) {
  tell(t, (rgc_progress){.event = RGC_EVENT_VALIDATED, .step = step, .loss = loss, .acc = acc, .valid_loss = r->valid_loss,
                         .valid_acc = r->valid_acc, .outputs = r->outputs, .output_count = r->output_count});
  if (!t->csv) return;
  fprintf(t->csv, "%d,%.4f,%.4f,%.4f,%.4f\n", (int)step, loss, acc, r->valid_loss, r->valid_acc);
  fflush(t->csv);
}

/* What `bn: running_after_first_validation` asks for: from the first validation on the step uses the running statistics. That is
 * another program over the same values. */
static bool freeze_statistics(trainer *t) {
  if (t->network->train.bn != RGC_BN_RUNNING_AFTER_FIRST_VALIDATION) return true;
  t->network->train.bn = RGC_BN_RUNNING;
  return rgc_model_retrain(t->model, t->diags) && rgc_feed_renew(&t->feed, t->diags);
}

/* With the weights as they are now; keeps them if they are the best. */
static bool validate_weights(trainer *t, int64_t step, double loss, double acc, rgc_run_result *result) {
  if (!rgc_validation_run(&t->validation, result, NULL)) return false;
  tell_validated(t, step, loss, acc, result);
  if (!check_finite(t, "validation", result->valid_loss, step)) return false;
  return !t->options->out_dir || result->valid_acc < t->state.best_acc || rgc_model_save(t->model, out_path(t, "best.bin"), t->diags);
}

/* Validates, with the averaged weights where there are any, and keeps the best and the last. */
static bool validate_step(trainer *t, int64_t step, double loss, double acc, rgc_run_result *result) {
  bool good = rgc_model_swap_averages(t->model, t->diags) && validate_weights(t, step, loss, acc, result);
  if (!rgc_model_swap_averages(t->model, t->diags) || !good) return false;
  bool better = t->state.step == 0 || result->valid_acc > t->state.best_acc;
  t->state.stale = better ? 0 : t->state.stale + 1;
  result->best_acc = t->state.best_acc = fmax(t->state.best_acc, result->valid_acc);
  return save_last(t, step) && freeze_statistics(t);
}

static bool loop(trainer *t, rgc_run_result *result) {
  int64_t every = t->options->validate ? t->options->validate : t->epoch_steps, patience = t->options->patience;
  double loss = 0, acc = 0;
  result->best_acc = t->state.best_acc;
  result->early = patience && t->state.stale >= patience;
  tell(t, (rgc_progress){.event = RGC_EVENT_BEGIN, .step = t->first});
  for (int64_t step = t->first; step < t->total && !result->early; step++) {
    double begun = rgc_now_seconds();
    if (!train_step(t, step, &loss, &acc)) return false;
    result->seconds += rgc_now_seconds() - begun;
    bool stop = t->options->stop && *t->options->stop;
    tell(t, (rgc_progress){.event = RGC_EVENT_STEP, .step = step, .loss = loss, .acc = acc});
    if (step % every && step + 1 < t->total && !stop) continue;
    if (!validate_step(t, step, loss, acc, result)) return false;
    if (stop) return result->stopped = true;
    result->early = patience && t->state.stale >= patience;
  }
  return true;
}

/* The log to write to; of a run that goes on, behind the lines of the steps before it. */
static bool open_csv(trainer *t) {
  if (!t->options->out_dir) return true;
  char *path = out_path(t, "log.csv"), line[256];
  bool resume = t->options->resume;
  t->csv = fopen(path, resume ? "r+" : "w");
  if (!t->csv && resume && errno == ENOENT) t->csv = fopen(path, "w");
  long kept = 0;
  while (t->csv && resume && fgets(line, sizeof line, t->csv) && strtoll(line, NULL, 10) < t->first) kept = ftell(t->csv);
  if (t->csv && (!resume || (!fseek(t->csv, kept, SEEK_SET) && !ftruncate(fileno(t->csv), kept)))) return true;
  return rgc_diag_fail(t->diags, RGC_CODE_FILE_WRITE, path, "choose another --out", "cannot be written: %s", strerror(errno));
}

/* Weights, averages, moments and steps done, as the run begins with them. */
static bool start_state(trainer *t) {
  const char *state = t->options->state;
  if (t->options->resume) {
    if (!t->options->out_dir) return rgc_diag_fail(t->diags, RGC_CODE_USAGE, NULL, "give `out_dir`", "a run without files cannot be resumed");
    if (!rgc_model_restore(t->model, out_path(t, "last.bin"), t->diags)) return false;
    state = out_path(t, "last.state.next"); /* of a run that died between its two files */
    if (!rgc_model_has_state(t->model, state)) state = out_path(t, "last.state");
  }
  if (!rgc_model_start_averages(t->model, t->diags)) return false;
  if (state && !rgc_model_load_state(t->model, state, &t->state, t->diags)) return false;
  t->first = t->state.step;
  return !t->first || freeze_statistics(t); /* a validation was before the first checkpoint */
}

static bool train(trainer *t, rgc_run_result *result) {
  int train_count = rgc_dataset_count(t->data, RGC_SPLIT_TRAIN);
  int64_t accumulate = t->network->train.accumulate;
  t->order = RGC_NEW_ARRAY(t->arena, int, train_count);
  t->epoch_batches = (train_count + t->model->step_batch - 1) / t->model->step_batch;
  t->epoch_steps = (t->epoch_batches + accumulate - 1) / accumulate;
  t->total = t->options->steps ? t->options->steps : t->options->epochs * t->epoch_steps;
  bool good = start_state(t) && open_csv(t) && loop(t, result);
  result->waited_seconds = rgc_loader_waited_seconds(t->loader);
  return (!t->csv || fclose(t->csv) == 0) && good;
}

static bool open_trainer(trainer *t) {
  const rgc_model *m = t->model;
  if (!rgc_model_program_of(m, false, t->diags)) return false;
  if (!rgc_validation_open(&t->validation, t->model, t->data, t->arena, t->diags)) return false;
  if (!rgc_dataset_count(t->data, RGC_SPLIT_TRAIN))
    return rgc_diag_fail(t->diags, RGC_CODE_DATA_MISSING, NULL, NULL, "the data set has no training samples");
  t->loader = rgc_split_loader_open(m, t->data, RGC_SPLIT_TRAIN, t->options->seed, t->arena, t->diags);
  if (t->loader && t->network->train.distill_plan) {
    t->teacher = rgc_teacher_open(m, t->arena, t->diags);
    if (!t->teacher) return false;
  }
  rgc_feed_open(&t->feed, m, &m->train, t->loader, t->teacher, t->arena);
  /* An earlier run may have frozen the statistics. */
  return t->loader && (m->bn == t->network->train.bn || rgc_model_retrain(t->model, t->diags));
}

static void close_trainer(trainer *t) {
  rgc_split_loader_close(t->model, t->loader, t->diags);
  if (t->validation.model) rgc_validation_close(&t->validation);
  rgc_teacher_close(t->teacher);
  rgc_arena_destroy(t->arena);
}

bool rgc_model_train(rgc_model *model, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
                     rgc_diagnostics *diags) {
  trainer t = {.arena = rgc_arena_create(), .network = model->network, .model = model, .data = data, .options = options, .diags = diags};
  rgc_train_settings settings = model->network->train; /* this run's are its own */
  model->network->train.lr = options->lr;
  *result = (rgc_run_result){0};
  bool good = open_trainer(&t) && train(&t, result);
  close_trainer(&t);
  model->network->train = settings;
  return good;
}
