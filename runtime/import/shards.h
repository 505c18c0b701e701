/* shards.h: weights in several files, and the index that tells which tensor is in which (model.safetensors.index.json, as Hugging Face's programs write it).
 *
 *   {"metadata": {"total_size": 97}, "weight_map": {"conv1.weight": "model-00001-of-00002.safetensors", NAME: FILE...}}
 *
 * An index may be anybody's, so FILE is a bare name in the index's folder (a link there is followed: caches of downloads are made of them). Index and files must
 * agree: each tensor that is placed in a file is there, and a file holds no other. So each file is read once, and memory is bounded by what the files hold. */
#ifndef RGC_IMPORT_SHARDS_H
#define RGC_IMPORT_SHARDS_H
#include "compiler/plan/safetensors.h"

/* Whether the bytes begin as JSON: a brace, and none of the zeros that a safetensors header's length has. */
bool rgc_shards_is_index(const void *bytes, size_t size_bytes);
/* The tensors of all files in `folder` (NULL: none is read), safetensors or PyTorch's. NULL with errors that name the index `path`, the file and the tensor. */
rgc_tensor_file *rgc_shards_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *folder, const char *path, rgc_diagnostics *diags);
#endif
