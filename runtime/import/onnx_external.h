/* onnx_external.h: numbers of ONNX tensors that stand in other files beside the model ("external data"), as models over 2 GB must have them.
 *
 *   TENSOR   external_data {location: "m.onnx.data"} {offset: "4096"} {length: "37632"}      (all three are texts)
 *   m.onnx.data   |0 ....|4096: numbers of one tensor, little-endian ....|41728 ....|
 *
 * A model may be anybody's, so a location is a path below the model's folder: not absolute, without "..", and no link may lead out of the folder. Memory is bounded
 * by the size of the files: parts of one file must not overlap, whatever name or link it is reached by; a part that is there twice is read once. */
#ifndef RGC_IMPORT_ONNX_EXTERNAL_H
#define RGC_IMPORT_ONNX_EXTERNAL_H
#include "compiler/plan/safetensors.h"
#include "runtime/import/protobuf.h"

/* Where the numbers of a tensor stand. */
typedef struct rgc_onnx_external {
  int tensor;           /* its index in the file */
  const char *location; /* NULL: not said */
  uint64_t offset_bytes, length_bytes;
  bool has_length; /* else the part is as long as the tensor's shape needs */
} rgc_onnx_external;

/* Takes an ENTRY message of external_data over; keys that do not tell a place ("checksum") are ignored. False where it is none, or no number. */
bool rgc_onnx_external_entry(rgc_onnx_external *external, rgc_proto_span entry, rgc_arena *arena);
/* Reads the numbers of `count` tensors of `file`, whose size_bytes their shapes have told. `folder` is that of the model, `path` its name for
 * messages. False with a WEIGHTS error that names the tensor and its file. */
bool rgc_onnx_read_external(rgc_tensor_file *file, const rgc_onnx_external *externals, int count, const char *folder, const char *path, rgc_arena *arena,
                            rgc_diagnostics *diags);
#endif
