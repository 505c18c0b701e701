/* export.h: a plan's weights for other programs. */
#ifndef RGC_IMPORT_EXPORT_H
#define RGC_IMPORT_EXPORT_H
#include "compiler/plan/plan.h"

/* Writes the plan's tensors as safetensors under torchvision's names or, with `names`, under those that a names: of the network has ("timm"; "weights": the
 * rename: rules of weights:), and a num_batches_tracked of 0 (I64, no axes) for each batch norm, so
 * that load_state_dict(strict=True) takes them as they are. `name` is the plan's, for messages; a plan without weights is a WEIGHTS error. */
bool rgc_export_safetensors(const rgc_plan *plan, const char *name, const char *names, const char *path, rgc_diagnostics *diags);
#endif
