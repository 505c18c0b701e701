/* validate.c: see validate.h; and rgc_model_evaluate of rgc.h. */
#include "runtime/train/validate.h"

#include <math.h>

#include "runtime/train/finite.h"
#include "runtime/train/probe.h"

_Static_assert(RGC_OUTPUTS == RGC_MAX_OUTPUTS, "rgc.h has room for every output's result");

/* A network that knows only how many classes it has learns their names, and keeps them in its plan. */
static void take_class_names(const rgc_model *model, const rgc_dataset *data, rgc_arena *arena) {
  int count = rgc_dataset_class_count(data);
  if (!rgc_dataset_has_class_names(data)) return;
  const char **names = RGC_NEW_ARRAY(arena, const char *, count);
  for (int i = 0; i < count; i++) names[i] = rgc_dataset_class_name(data, i);
  rgc_network_name_classes(model->network, names, count);
  rgc_plan_update_source(model->plan, model->network);
}

/* Cross entropy of one sample, and its first largest logit as the prediction. */
static double sample_loss(const float *logits, int64_t classes, int label, rgc_prediction *prediction) {
  int best = 0, rank = 0;
  for (int c = 0; c < classes; c++) {
    if (logits[c] > logits[best]) best = c;
    rank += logits[c] > logits[label] || (logits[c] == logits[label] && c < label);
  }
  double log_sum = rgc_softmax(logits, classes, NULL);
  *prediction = (rgc_prediction){.label = label, .predicted = best, .probability = exp((double)logits[best] - log_sum), .rank = rank};
  return log_sum - (double)logits[label];
}

/* Output `k` of a batch that has run, with its logits: adds to the sums in `result`. */
static void add_output(const rgc_validation *v, const rgc_batch *batch, int k, const float *logits, rgc_run_result *result,
                       rgc_prediction *predictions) {
  const rgc_network *n = v->model->network;
  const rgc_label_map *map = &n->train.labels[k];
  int64_t classes = n->classes[k].count;
  for (int i = 0; i < batch->valid; i++) {
    rgc_prediction p;
    int label = map->count ? map->classes[batch->labels[i]] : batch->labels[i];
    result->outputs[k].loss += sample_loss(logits + i * classes, classes, label, &p);
    result->outputs[k].acc += p.predicted == p.label;
    if (k) continue;
    result->valid_top5 += p.rank < 5;
    if (predictions) predictions[batch->samples[i]] = p;
  }
}

static bool all_finite(const float *numbers, int64_t count) {
  for (int64_t e = 0; e < count; e++)
    if (!isfinite(numbers[e])) return false;
  return true;
}

static bool run_batch(rgc_validation *v, const rgc_batch *batch, rgc_run_result *result, rgc_prediction *predictions) {
  const rgc_model *m = v->model;
  const rgc_model_program *program = &m->infer;
  rgc_cpu_step numbers = rgc_single_step(m, 0, batch->valid);
  if (!rgc_device_run(program->run, &numbers, v->diags) || !rgc_feed_ahead(&v->feed, v->diags)) return false;
  for (int k = 0; k < m->network->class_set_count; k++) {
    const float *logits = rgc_model_read(program, program->outputs[k].logits, v->diags);
    if (!logits) return false;
    add_output(v, batch, k, logits, result, predictions);
  }
  if (!v->diags->error_count && !all_finite(program->data[program->logits], batch->valid * m->network->classes[0].count) && rgc_feed_again(&v->feed, v->diags))
    rgc_name_first_not_finite(m, program, &numbers, program->program->graph->op_count, v->diags);
  return true;
}

static void begin_result(const rgc_network *n, rgc_run_result *result) {
  result->valid_loss = result->valid_acc = result->valid_top5 = 0;
  result->output_count = n->class_set_count;
  for (int k = 0; k < n->class_set_count; k++) result->outputs[k] = (rgc_output_result){.name = n->classes[k].output};
}

/* Sums over `seen` samples become means. */
static void end_result(const rgc_network *n, int64_t seen, rgc_run_result *result) {
  double samples = fmax((double)seen, 1);
  for (int k = 0; k < n->class_set_count; k++) {
    rgc_output_result *o = &result->outputs[k];
    o->loss /= samples;
    o->acc /= samples;
    result->valid_loss += (n->class_set_count > 1 ? n->train.losses[k].weight : 1) * o->loss;
  }
  if (isnan(result->valid_loss)) result->valid_loss = NAN; /* without a sign, to be printed alike everywhere */
  result->valid_acc = result->outputs[0].acc;
  result->valid_top5 /= samples;
}

bool rgc_validation_run(rgc_validation *v, rgc_run_result *result, rgc_prediction *predictions) {
  int count = rgc_dataset_count(v->data, RGC_SPLIT_VALIDATION);
  int64_t seen = 0;
  begin_result(v->model->network, result);
  for (int i = 0; predictions && i < count; i++)
    predictions[i] = (rgc_prediction){.label = rgc_dataset_label(v->data, RGC_SPLIT_VALIDATION, i), .predicted = -1};
  if (!rgc_model_fold(v->model, v->diags)) return false;
  bool good = true;
  rgc_feed_start(&v->feed, v->order, count, 0);
  for (const rgc_batch *batch; good && (batch = rgc_feed_next(&v->feed, v->diags)); seen += batch->valid)
    if (batch->valid) good = run_batch(v, batch, result, predictions);
  end_result(v->model->network, seen, result);
  return good && !v->feed.failed && !rgc_loader_failed(v->loader, v->diags);
}

bool rgc_validation_open(rgc_validation *v, rgc_model *model, const rgc_dataset *data, rgc_arena *arena, rgc_diagnostics *diags) {
  *v = (rgc_validation){.model = model, .data = data, .diags = diags};
  if (!rgc_dataset_fits(data, model->network, diags)) return false;
  take_class_names(model, data, arena);
  int count = rgc_dataset_count(data, RGC_SPLIT_VALIDATION);
  v->order = RGC_NEW_ARRAY(arena, int, count + 1);
  for (int i = 0; i < count; i++) v->order[i] = i;
  v->loader = rgc_split_loader_open(model, data, RGC_SPLIT_VALIDATION, 0, arena, diags);
  rgc_feed_open(&v->feed, model, &model->infer, v->loader, NULL, arena);
  return v->loader != NULL;
}

void rgc_validation_close(rgc_validation *v) { rgc_split_loader_close(v->model, v->loader, v->diags); }

bool rgc_model_evaluate(rgc_model *model, const rgc_dataset *data, rgc_run_result *result, rgc_prediction *predictions,
                        rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_validation v;
  *result = (rgc_run_result){0};
  bool good = rgc_validation_open(&v, model, data, scratch, diags) && rgc_validation_run(&v, result, predictions);
  rgc_validation_close(&v);
  rgc_arena_destroy(scratch);
  return good;
}
