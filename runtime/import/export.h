/* export.h: a plan's weights for other programs. */
#ifndef RGC_IMPORT_EXPORT_H
#define RGC_IMPORT_EXPORT_H
#include "compiler/plan/plan.h"
#include "runtime/import/protobuf.h"

/* Writes the plan's tensors as safetensors under torchvision's names or, with `names`, under those that a names: of the network has ("timm"; "weights": the
 * rename: rules of weights:), and a num_batches_tracked of 0 (I64, no axes) for each batch norm, so
 * that load_state_dict(strict=True) takes them as they are. `name` is the plan's, for messages; a plan without weights is a WEIGHTS error. */
bool rgc_export_safetensors(const rgc_plan *plan, const char *name, const char *names, const char *path, rgc_diagnostics *diags);
/* Writes the inference of the plan's network as an ONNX model of operator set 17: input "input" [N,C,H,W], outputs [N,classes] under
 * their names; initializers under torchvision's names and in PyTorch's shapes. With `fold`, batch norms are folded into the weights of the
 * layers before them, where those have no other reader. `nodes` gets how many; may be NULL. Errors: WEIGHTS, FILE_WRITE. */
bool rgc_export_onnx(const rgc_plan *plan, const char *name, const char *path, bool fold, int *nodes, rgc_diagnostics *diags);
/* A MODEL message as a file; one over 2 GB, which no reader would take, is a FILE_WRITE error. */
bool rgc_onnx_write(const rgc_proto *model, const char *path, rgc_diagnostics *diags);
#endif
