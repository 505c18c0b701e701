/* import_mismatch.h: what is said when a file's tensors and a network's do not fit: both shapes, the layer, and what would fit. */
#ifndef RGC_IMPORT_IMPORT_MISMATCH_H
#define RGC_IMPORT_IMPORT_MISMATCH_H
#include "runtime/import/import.h"

/* A parameter or buffer and the tensor of its name, which is of another shape. */
typedef struct rgc_misfit {
  const rgc_value *value;
  const rgc_tensor *tensor;
} rgc_misfit;

typedef struct rgc_mismatch {
  rgc_names missing, left_over;
  rgc_misfit *misfits;
  int count, capacity; /* of misfits */
  const char *head;    /* the last layer with weights; NULL: none */
} rgc_mismatch;

/* Adds WEIGHTS errors that name `path`, the first with the help that fits best; nothing where nothing is missing or misfits. */
void rgc_import_report_mismatch(const rgc_mismatch *mismatch, const rgc_network *network, const rgc_tensor_file *file, const char *path,
                                rgc_diagnostics *diags);
/* "[64,3,7,7]". */
const char *rgc_import_shape_text(const int64_t *shape, int rank, rgc_arena *arena);
#endif
