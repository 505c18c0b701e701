/* teacher.h: distillation's other network: a plan with weights, run by its inference program on the batches that the network learns. */
#ifndef RGC_TRAIN_TEACHER_H
#define RGC_TRAIN_TEACHER_H
#include "runtime/train/model.h"

typedef struct rgc_teacher rgc_teacher;

/* The plan that train: distill: of the model's network names. NULL after an error: it has no weights, or its image, normalisation or classes are not
 * the network's. It runs where the model does and lives in `arena`; close it in any case. */
rgc_teacher *rgc_teacher_open(const rgc_model *model, rgc_arena *arena, rgc_diagnostics *diags);
/* Logits [valid,C] of a batch of images. */
bool rgc_teacher_logits(const rgc_teacher *teacher, const rgc_batch *batch, float *logits, rgc_diagnostics *diags);
void rgc_teacher_close(rgc_teacher *teacher); /* may be NULL */
#endif
