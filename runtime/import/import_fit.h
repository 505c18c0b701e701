/* import_fit.h: which graph files a file of weights is of; see import_fit.c. */
#ifndef RGC_IMPORT_IMPORT_FIT_H
#define RGC_IMPORT_IMPORT_FIT_H
#include "runtime/import/import.h"

/* Those of the graph files beside the network's, and beside the files that it is based on, that take every tensor of the file in its shape: "graphs/resnet50d.yaml",
 * "a.yaml, b.yaml or 2 more"; where there is none, those that do but for the last layer, and that it takes head: fresh. NULL: none, or no such
 * files are there. Values are not looked at. */
const char *rgc_import_fitting(const rgc_network *network, const rgc_tensor_file *file, rgc_arena *arena);
/* Equal shapes, or equal but for extents of 1 behind. */
bool rgc_import_same_shape(const int64_t *a, int a_rank, const int64_t *b, int b_rank);
#endif
