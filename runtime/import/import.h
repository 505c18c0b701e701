/* import.h: other people's weights, mapped onto a network's parameters.
 *
 * Reading: PyTorch's files (torch_file.h), ONNX models (onnx_file.h), safetensors (plans among them) and indexes of several files (shards.h), told apart by their contents.
 * Prefixes that all names share because a wrapper put them there ("module.") are taken off, and told.
 * Mapping: a parameter takes the tensor of its name, after the graph file's rename: rules and, where more names fit so, one of its names:.
 * Shapes must be equal, but for extents of 1 behind (a linear layer as a 1x1 convolution, and back), and for what the graph file allows: fresh: and head: fresh (drawn anew), channels: sum (the
 * input channels of a first convolution summed to the network's single one). What the graph file says holds once: a plan that was made by
 * the same rules is taken as it is (import_settled.h). Values are converted to float32; one that is not finite is
 * an error that names its tensor. */
#ifndef RGC_IMPORT_IMPORT_H
#define RGC_IMPORT_IMPORT_H
#include "compiler/lang/lang.h"
#include "compiler/plan/safetensors.h"

typedef enum rgc_import_fate {
  RGC_IMPORT_LOADED,   /* as it is, or converted to float32 */
  RGC_IMPORT_RESHAPED, /* same elements under another shape, or summed channels */
  RGC_IMPORT_FOLDED,   /* of a batch norm that the file has folded into the layer before: as one that adds only its bias */
  RGC_IMPORT_FRESH,    /* the graph file says so: not taken from the file */
  RGC_IMPORT_MISSING,  /* the file has none: an error */
  RGC_IMPORT_MISFIT,   /* of another shape: an error */
  RGC_IMPORT_LEFT_OVER /* in the file, and the network has no use for it */
} rgc_import_fate;

typedef struct rgc_import_line {
  rgc_import_fate fate;
  const char *name;   /* the network's; LEFT_OVER: the file's */
  const char *detail; /* "float16 to float32", "from fc.weight", ""... */
} rgc_import_line;

typedef struct rgc_import_report {
  rgc_import_line *lines; /* the network's parameters in its order, then what is left over */
  int count, capacity;
  rgc_names notes; /* "the weights stand under 'state_dict' in the file" */
} rgc_import_report;

/* A file of any of the kinds, its names without wrappers' prefixes. NULL with errors that name `path`. */
rgc_tensor_file *rgc_import_open(rgc_arena *arena, const char *path, rgc_diagnostics *diags);
/* The same from memory. `folder`: where files lie that belong to it (an ONNX model's external data); NULL: none is read. */
rgc_tensor_file *rgc_import_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *folder, const char *path, rgc_diagnostics *diags);
/* Tensors for the parameters and buffers of `graph` (of `network`), float32 under their names and in PyTorch's shapes; those that are
 * drawn anew are not among them. `report` may be NULL. NULL with WEIGHTS errors that name `path`, layers and both shapes. */
rgc_tensor_file *rgc_import_map(const rgc_network *network, const rgc_graph *graph, const rgc_tensor_file *file, const char *path,
                                rgc_arena *arena, rgc_import_report *report, rgc_diagnostics *diags);
const char *rgc_import_fate_word(rgc_import_fate fate); /* "loaded", "left over"... */
/* Replaces a name by a rule: each `*` of `pattern` matches a run of characters without a dot (at the end: all that is left), and
 * stands for the same run in `replacement`. NULL: the
 * pattern does not match. */
const char *rgc_import_rename(const char *pattern, const char *replacement, const char *name, rgc_arena *arena);
#endif
