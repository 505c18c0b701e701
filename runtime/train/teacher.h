/* teacher.h: distillation's other network: a plan with weights, run by its inference program on the batches that the network learns. */
#ifndef RGC_TRAIN_TEACHER_H
#define RGC_TRAIN_TEACHER_H
#include "runtime/train/model.h"

typedef struct rgc_teacher rgc_teacher;

/* The plan that network->train.distill_plan names. NULL after an error: it has no weights, or its image, normalisation or classes are not
 * the network's. It lives in `arena`; close it in any case. */
rgc_teacher *rgc_teacher_open(const rgc_network *network, int64_t batch, int threads, const char *target, rgc_arena *arena,
                              rgc_diagnostics *diags);
/* Logits [valid,C] of images [valid,H,W,C], valid <= batch. */
void rgc_teacher_logits(const rgc_teacher *teacher, const float *images, int64_t valid, float *logits);
void rgc_teacher_close(rgc_teacher *teacher); /* may be NULL */
#endif
