/* api_model.c: rgc.h's models, opened and closed; what they do is in runtime/train. */
#include <stdlib.h>

#include "runtime/train/model.h"

rgc_model *rgc_model_open(rgc_plan *plan, const rgc_model_options *options, rgc_diagnostics *diags) {
  rgc_model_options o = *options;
  if (!o.batch) o.batch = plan->network->train.batch;
  if (o.batch < 0) return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "a batch must be at least 1"), NULL;
  rgc_model *model = calloc(1, sizeof *model);
  if (!model) abort();
  if (rgc_model_create(model, plan->network, plan, &o, diags)) return model;
  rgc_model_close(model);
  return NULL;
}

void rgc_model_close(rgc_model *model) {
  if (model) rgc_model_destroy(model);
  free(model);
}

void rgc_model_tell(const rgc_model *model, rgc_model_facts *facts) {
  const rgc_model_program *infer = &model->infer;
  *facts = (rgc_model_facts){.batch = model->batch, .step_batch = model->step_batch, .threads = rgc_device_tell(infer->run).threads, .compiled = model->compiled,
                             .compile_seconds = model->compile_seconds, .device = model->device->name, .target = model->target->name,
                             .timed = model->device->measure != NULL, .classes = rgc_model_classes(model), .infer_products = rgc_device_tell(infer->run).products,
                             .train_products = model->train.run ? rgc_device_tell(model->train.run).products : 0};
}
