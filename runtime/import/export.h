/* export.h: a plan's weights for other programs. */
#ifndef RGC_IMPORT_EXPORT_H
#define RGC_IMPORT_EXPORT_H
#include "compiler/plan/plan.h"

/* Writes the plan's tensors as safetensors under torchvision's names or, with `names`, under those that a names: of the network has ("timm"; "weights": the
 * rename: rules of weights:), and a num_batches_tracked of 0 (I64, no axes) for each batch norm, so
 * that load_state_dict(strict=True) takes them as they are. `name` is the plan's, for messages; a plan without weights is a WEIGHTS error. */
bool rgc_export_safetensors(const rgc_plan *plan, const char *name, const char *names, const char *path, rgc_diagnostics *diags);
/* Writes the inference of the plan's network as an ONNX model of operator set 17: input "input" [N,C,H,W], outputs [N,classes] under
 * their names; initializers under torchvision's names and in PyTorch's shapes. With `fold`, batch norms are folded into the weights of the
 * layers before them, where those have no other reader. `nodes` gets how many; may be NULL. A model of more than `most_bytes` (at most RGC_ONNX_MOST_BYTES, which no
 * message of Protocol Buffers may be longer than) has its weights in "PATH.data" beside it, which a note tells. Errors: WEIGHTS, FILE_WRITE. */
bool rgc_export_onnx(const rgc_plan *plan, const char *name, const char *path, bool fold, uint64_t most_bytes, int *nodes, rgc_diagnostics *diags);
enum { RGC_ONNX_MOST_BYTES = INT32_MAX };
#endif
