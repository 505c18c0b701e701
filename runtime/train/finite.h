/* finite.h: names the first value that is not finite. */
#ifndef RGC_TRAIN_FINITE_H
#define RGC_TRAIN_FINITE_H
#include "runtime/train/model.h"

/* Runs the first `op_count` ops once more, one at a time, until one gives a value that is not finite; an error names it. The program has
 * the batch. */
void rgc_name_first_not_finite(const rgc_model *model, const rgc_model_program *program, const rgc_cpu_step *numbers, int op_count,
                               rgc_diagnostics *diags);
/* An error (NOT_FINITE) unless the loss is finite; `which`: "training", "validation". */
bool rgc_check_finite(const rgc_model *model, const char *which, double loss, int64_t step, rgc_diagnostics *diags);
#endif
