/* teacher.c: see teacher.h. */
#include "runtime/train/teacher.h"

#include <string.h>

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

rgc_teacher *rgc_teacher_open(const rgc_network *network, int64_t batch, int threads, const char *target, rgc_arena *arena,
                              rgc_diagnostics *diags) {
  const char *path = network->train.distill_plan;
  rgc_plan *plan = rgc_plan_read(arena, path, diags);
  rgc_network *own = plan ? rgc_network_parse(arena, plan->source, plan->line_map, diags) : NULL;
  if (!own || !fits(network, own, plan, path, diags)) return NULL;
  rgc_teacher *teacher = RGC_NEW(arena, rgc_teacher);
  rgc_model_options o = {.batch = batch, .threads = threads, .target = target};
  if (!rgc_model_create(&teacher->model, own, plan, &o, diags)) {
    rgc_teacher_close(teacher);
    return NULL;
  }
  rgc_model_fold(&teacher->model);
  return teacher;
}

void rgc_teacher_logits(const rgc_teacher *teacher, const float *images, int64_t valid, float *logits) {
  const rgc_model_program *program = &teacher->model.infer;
  rgc_cpu_step step = {0};
  rgc_cpu_step_set_valid(&step, valid);
  rgc_model_give_batch(&teacher->model, program, images, NULL, valid);
  rgc_device_run(program->run, &step);
  memcpy(logits, rgc_model_f32(program, program->logits), sizeof *logits * (size_t)(valid * teacher->model.network->classes[0].count));
}

void rgc_teacher_close(rgc_teacher *teacher) {
  if (teacher && teacher->model.arena) rgc_model_destroy(&teacher->model);
}
