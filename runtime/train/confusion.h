/* confusion.h: which classes are taken for which. */
#ifndef RGC_TRAIN_CONFUSION_H
#define RGC_TRAIN_CONFUSION_H
#include "runtime/train/trainer.h"

/* counts[label * classes + predicted], of `count` predictions whose classes are below `classes`; in `arena`. */
int64_t *rgc_confusion_counts(const rgc_prediction *predictions, int count, int classes, rgc_arena *arena);
/* Writes them to `path` as CSV: a first line "label,CLASS,..." and a line a label; prints them, too, where there are at most 20 classes,
 * else the ten pairs that are confused most often. False (FILE_WRITE) if the file cannot be written. */
bool rgc_confusion_report(const char *path, const rgc_dataset *data, const rgc_prediction *predictions, int count, rgc_diagnostics *diags);
#endif
