/* onnx_names.h: the names of tensors that only the nodes tell; see onnx_file.h. */
#ifndef RGC_IMPORT_ONNX_NAMES_H
#define RGC_IMPORT_ONNX_NAMES_H
#include "compiler/plan/safetensors.h"
#include "runtime/import/protobuf.h"

enum { RGC_ONNX_MAX_TENSORS = 1 << 14 }; /* of a file */

/* An Identity of an initializer is one more tensor of the same numbers: PyTorch's exporter writes equal ones once. Each tensor that is called
 * "onnx::..." is named after the layer of the node that reads it, and a "conv1.weight_bias" beside "conv1.weight" is "conv1.bias". All is noted in the metadata. `graph` is the GRAPH message. False if
 * there are too many. */
bool rgc_onnx_name_tensors(rgc_tensor_file *file, rgc_proto_span graph, rgc_arena *arena);
#endif
