/* verify_model.c: a model's kernels on random data beside the reference (device/verify.h), or beside another device's (device/beside.h):
 * rgc_model_verify and rgc_model_verify_beside of rgc.h. */
#include "runtime/device/beside.h"
#include "runtime/device/verify.h"
#include "runtime/reference/philox.h"
#include "runtime/train/model.h"

/* Of the output that a label is of; other_label is the first one's. */
static int64_t count_classes(const rgc_model *model, const rgc_model_program *program, int label) {
  for (int k = 0; k < model->network->class_set_count; k++)
    if (program->outputs[k].label == label) return model->network->classes[k].count;
  return model->network->classes[0].count;
}

static bool is_batch(const rgc_value *v) { return v->op < 0 && (v->role == RGC_ROLE_INPUT || v->role == RGC_ROLE_LABEL); }
/* Running statistics away from their initial values, so that a kernel that ignores them is found. */
static bool is_kept(const rgc_value *v) { return v->op < 0 && (v->role == RGC_ROLE_BUFFER || v->role == RGC_ROLE_STATE); }

/* Random numbers for the values that are `wanted`. */
static bool fill(const rgc_model *model, const rgc_model_program *program, bool (*wanted)(const rgc_value *), uint64_t seed, rgc_diagnostics *diags) {
  const rgc_graph *graph = program->program->graph;
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (!wanted(v)) continue;
    for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) {
      double u = rgc_philox_uniform(seed + 1, (uint32_t)i, 0, (uint64_t)e);
      if (v->role == RGC_ROLE_LABEL) ((int32_t *)program->data[i])[e] = (int32_t)(u * (double)count_classes(model, program, i));
      else if (v->role == RGC_ROLE_INPUT) ((float *)program->data[i])[e] = (float)(2 * u - 1);
      else ((float *)program->data[i])[e] += (float)(v->role == RGC_ROLE_STATE ? 1e-4 * u : 0.1 * u);
    }
    if (!rgc_device_write(program->run, i, diags)) return false;
  }
  return true;
}

static void judge(const rgc_model *model, const rgc_graph *graph, const rgc_verified *results, double tolerance, rgc_verify_result *to,
                  rgc_diagnostics *diags) {
  *to = (rgc_verify_result){.kernels = graph->op_count, .agree = graph->op_count};
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    double allowed = rgc_verify_allowed(graph, op, tolerance);
    if (results[i].error > to->error) to->error = results[i].error, to->furthest = i;
    if (results[i].error <= allowed || to->agree-- != graph->op_count) continue;
    rgc_diag_fail(diags, RGC_CODE_DEVICE, model->plan->path ? model->plan->path : model->network->file,
                  "this is a bug of rgc: please report it with the graph file",
                  "kernel %d (%s%s, line %d) is the first that is off: %%%s by %.3g, allowed %.3g", i, op->layer, op->backward ? ", backward" : "", op->line, graph->values[results[i].value].name, results[i].error, allowed);
  }
  to->layer = graph->ops[to->furthest].layer;
}

static rgc_cpu_step make_step(const rgc_model *model, uint64_t seed) {
  rgc_cpu_step step = {.seed = seed};
  step.scalars[RGC_SCALAR_LR] = 1e-3f;
  step.scalars[RGC_SCALAR_MIX] = 0.3f;
  step.scalars[RGC_SCALAR_BIAS1] = step.scalars[RGC_SCALAR_BIAS2] = 1.1f;
  rgc_cpu_step_set_valid(&step, model->batch);
  return step;
}

bool rgc_model_verify(rgc_model *model, bool infer, uint64_t seed, double tolerance, rgc_verify_result *result, rgc_diagnostics *diags) {
  const rgc_model_program *program = rgc_model_program_of(model, infer, diags);
  if (!program) return false;
  const rgc_graph *graph = program->program->graph;
  rgc_arena *scratch = rgc_arena_create();
  rgc_cpu_step step = make_step(model, seed);
  bool good = fill(model, program, is_kept, seed, diags);
  model->folded = false;
  good = good && rgc_model_fold(model, diags) && rgc_device_memory_download(&model->memory, RGC_REGION_FOLDED, diags);
  model->folded = infer && good;
  good = good && fill(model, program, is_batch, seed, diags); /* folding works where the batch lies */
  rgc_verified *results = RGC_NEW_ARRAY(scratch, rgc_verified, graph->op_count);
  *result = (rgc_verify_result){0};
  good = good && rgc_device_verify(program->run, graph, program->data, &step, results, diags);
  if (good) judge(model, graph, results, tolerance, result, diags);
  rgc_arena_destroy(scratch);
  return good && result->agree == result->kernels;
}

static void judge_beside(const rgc_graph *graph, const rgc_beside *results, double tolerance, rgc_beside_result *to, rgc_diagnostics *diags) {
  *to = (rgc_beside_result){.kernels = graph->op_count};
  for (int i = 0; i < graph->op_count; i++) {
    to->equal += results[i].differ == 0;
    to->close += results[i].distance <= tolerance;
    if (results[i].distance > to->distance) to->distance = results[i].distance, to->furthest = i;
    if (results[i].distance <= tolerance || diags->error_count) continue;
    const rgc_op *op = &graph->ops[i];
    rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "this is a bug of rgc: please report it with the graph file",
                  "kernel %d (%s%s, line %d) is the first that differs: %%%s by %.3g, allowed %.3g", i, op->layer, op->backward ? ", backward" : "", op->line,
                  graph->values[results[i].value].name, results[i].distance, tolerance);
  }
  to->layer = graph->ops[to->furthest].layer;
}

bool rgc_model_verify_beside(rgc_model *model, rgc_model *other, bool infer, uint64_t seed, double tolerance, rgc_beside_result *result,
                             rgc_diagnostics *diags) {
  const rgc_model_program *program = rgc_model_program_of(model, infer, diags), *second = rgc_model_program_of(other, infer, diags);
  if (!program || !second) return false;
  const rgc_graph *graph = program->program->graph;
  if (model->target != other->target || model->batch != other->batch || second->program->graph->op_count != graph->op_count)
    return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "open both with the same target and batch", "the models do not run the same program");
  rgc_arena *scratch = rgc_arena_create();
  rgc_cpu_step step = make_step(model, seed);
  rgc_beside *results = RGC_NEW_ARRAY(scratch, rgc_beside, graph->op_count);
  const rgc_beside_side sides[2] = {{program->run, program->data}, {second->run, second->data}};
  *result = (rgc_beside_result){0};
  bool good = fill(model, program, is_kept, seed, diags) && fill(model, program, is_batch, seed, diags) && rgc_devices_beside(sides, graph, &step, seed, results, diags);
  if (good) judge_beside(graph, results, tolerance, result, diags);
  rgc_arena_destroy(scratch);
  return good && result->close == result->kernels;
}
