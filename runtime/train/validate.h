/* validate.h: the validation split through a model. */
#ifndef RGC_TRAIN_VALIDATE_H
#define RGC_TRAIN_VALIDATE_H
#include "runtime/train/feed.h"
#include "runtime/train/split_loader.h"

typedef struct rgc_validation {
  rgc_model *model;
  const rgc_dataset *data;
  rgc_loader *loader;
  rgc_feed feed;
  int *order; /* 0, 1, .. of the samples */
  rgc_diagnostics *diags;
} rgc_validation;

/* Checks, too, that the network fits the data; and a network without names for its classes gets the data set's. False after an error;
 * close it in any case. */
bool rgc_validation_open(rgc_validation *v, rgc_model *model, const rgc_dataset *data, rgc_arena *arena, rgc_diagnostics *diags);
/* Sets what `result` has of a validation. `predictions`: an entry a sample, or NULL. False when a file cannot be decoded. */
bool rgc_validation_run(rgc_validation *v, rgc_run_result *result, rgc_prediction *predictions);
void rgc_validation_close(rgc_validation *v);
#endif
