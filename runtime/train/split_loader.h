/* split_loader.h: the samples of one split of a data set, in batches, as a model's network has them. */
#ifndef RGC_TRAIN_SPLIT_LOADER_H
#define RGC_TRAIN_SPLIT_LOADER_H
#include "runtime/data/loader.h"
#include "runtime/train/model.h"

/* The training split by data: train:, the other by data: evaluate:. For a device with memory of its own as u8, where it can. NULL after an error. */
rgc_loader *rgc_split_loader_open(const rgc_model *model, const rgc_dataset *data, rgc_split split, uint64_t seed, rgc_arena *arena,
                                  rgc_diagnostics *diags);
/* Names every file that was left out, to a limit; then destroys the loader. NULL is allowed. */
void rgc_split_loader_close(const rgc_model *model, rgc_loader *loader, rgc_diagnostics *diags);
#endif
