/* import_weights.h: imported tensors (runtime/import) into weights that lie in memory, and into plans. */
#ifndef RGC_TRAIN_IMPORT_WEIGHTS_H
#define RGC_TRAIN_IMPORT_WEIGHTS_H
#include "compiler/plan/plan.h"
#include "runtime/import/import.h"
#include "runtime/train/weights.h"

/* Every weight from `file` (of `path`), by the network's rules; those drawn anew stay as they are. `graph` is the composite one; `report` may be
 * NULL, and lives in its own arena if not: the network's. False after an error, when some weights may have been taken already. */
bool rgc_weights_import(const rgc_network *network, const rgc_graph *graph, const rgc_weight *weights, int count, const rgc_tensor_file *file, const char *path,
                        rgc_import_report *report, rgc_diagnostics *diags);
/* Gives the plan tensors: those of the file, the others drawn by `seed`. */
bool rgc_plan_take_weights(rgc_plan *plan, const rgc_network *network, const char *path, uint64_t seed, rgc_import_report *report,
                           rgc_diagnostics *diags);
#endif
