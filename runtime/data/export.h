/* export.h: a data set as a folder of PNG files, DIR/train/CLASS/00001.png and DIR/val/CLASS/00001.png, which folder:DIR reads again. */
#ifndef RGC_RUNTIME_DATA_EXPORT_H
#define RGC_RUNTIME_DATA_EXPORT_H
#include "runtime/data/dataset.h"

/* At most `limit` samples of a class in each split (0: all). `dir` must not be there: it appears, whole, at the end. Returns the number of
 * files, -1 after an error: file-write, data-format (a sample that cannot be decoded), bad-value (a class name that is no file name). */
int rgc_dataset_export(const rgc_dataset *dataset, const char *dir, int limit, rgc_diagnostics *diags);
#endif
