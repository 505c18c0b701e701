/* teacher.c: see teacher.h. */
#include "runtime/train/teacher.h"

#include <string.h>

#include "compiler/plan/plan_file.h"

struct rgc_teacher {
  rgc_model model;
};

static bool same_input(const rgc_network *a, const rgc_network *b) {
  return a->channels == b->channels && a->height == b->height && a->width == b->width && !memcmp(a->mean, b->mean, sizeof a->mean) &&
         !memcmp(a->std, b->std, sizeof a->std);
}

static bool fits(const rgc_network *network, const rgc_network *teacher, const rgc_plan *plan, const char *path, rgc_diagnostics *diags) {
  if (!plan->tensor_count)
    return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, "give a checkpoint: best.bin", "the teacher has no weights");
  if (!same_input(network, teacher))
    return rgc_diag_fail(diags, RGC_CODE_SHAPE, path, "the teacher sees the same images: input: must be equal", "the teacher's input is not the network's");
  return (teacher->class_set_count == 1 && teacher->classes[0].count == network->classes[0].count) ||
         rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, path, NULL, "the teacher has %lld classes, the network %lld",
                       (long long)teacher->classes[0].count, (long long)network->classes[0].count);
}

rgc_teacher *rgc_teacher_open(const rgc_model *model, rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_network *network = model->network;
  const char *path = network->train.distill_plan;
  rgc_plan *plan = rgc_plan_read(arena, path, diags);
  rgc_network *own = plan ? rgc_network_parse(arena, plan->source, plan->line_map, diags) : NULL;
  if (!own || !fits(network, own, plan, path, diags)) return NULL;
  rgc_teacher *teacher = RGC_NEW(arena, rgc_teacher);
  rgc_model_options o = {.batch = model->batch, .threads = model->threads, .target = model->target->name, .device = model->device->name};
  if (rgc_model_create(&teacher->model, own, plan, &o, diags) && rgc_model_fold(&teacher->model, diags)) return teacher;
  rgc_teacher_close(teacher);
  return NULL;
}

bool rgc_teacher_logits(const rgc_teacher *teacher, const rgc_batch *batch, float *logits, rgc_diagnostics *diags) {
  const rgc_model_program *program = &teacher->model.infer;
  rgc_cpu_step step = {0};
  rgc_cpu_step_set_valid(&step, batch->valid);
  bool good = rgc_model_give(&teacher->model, program, batch, diags) && rgc_device_run(program->run, &step, diags);
  const float *made = good ? rgc_model_read(program, program->logits, diags) : NULL;
  if (made) memcpy(logits, made, sizeof *logits * (size_t)(batch->valid * teacher->model.network->classes[0].count));
  return made != NULL;
}

void rgc_teacher_close(rgc_teacher *teacher) {
  if (teacher && teacher->model.arena) rgc_model_destroy(&teacher->model);
}
