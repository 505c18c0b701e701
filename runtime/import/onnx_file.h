/* onnx_file.h: the weights in an ONNX file: the initializers of its graph, also where their numbers stand in files beside it (onnx_external.h). What the graph
 * computes is not looked at.
 *
 * Exporters rename: PyTorch's calls a constant that it computed or shared "onnx::Conv_193", and the node that reads it after the layer,
 * "/layer1/layer1.0/conv1/Conv". Such a tensor is named after that layer, "layer1.0.conv1.weight", which is told.
 * Memory: a tensor points into the file where its numbers lie there as they are, at any address; else it takes at most eight times its bytes there. */
#ifndef RGC_IMPORT_ONNX_FILE_H
#define RGC_IMPORT_ONNX_FILE_H
#include "compiler/plan/safetensors.h"

/* By the first bytes: ONNX has no magic number, but every writer begins with the field ir_version. */
bool rgc_onnx_is_file(const void *bytes, size_t size_bytes);
/* The tensors, row-major and little-endian, of the type they are stored with; `bytes` must outlive them. `folder` is where the model lies; NULL: what it has beside it is
 * not read. NULL with WEIGHTS errors that name `path`: bytes that are no message, shapes that do not match the data, types without numbers, data outside of the files. */
rgc_tensor_file *rgc_onnx_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *folder, const char *path, rgc_diagnostics *diags);
#endif
