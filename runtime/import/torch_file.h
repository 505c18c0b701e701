/* torch_file.h: the tensors of a file that torch.save wrote, in either of its forms.
 *
 *   zip     (PyTorch 1.6 and later) STEM/data.pkl, STEM/data/KEY a storage each, STEM/byteorder; all stored, not compressed
 *   legacy  pickles one behind the other: magic, version 1001, system, the object, list of storage keys; then for each key, in the list's
 *           order, its number of elements (i64) and its raw bytes
 * Memory is bounded by the file's length: compressed entries are refused (so a zip bomb is), storages together are no larger than the
 * file, a tensor holds no element of its storage twice, and no two tensors share elements unless they are the same view. */
#ifndef RGC_IMPORT_TORCH_FILE_H
#define RGC_IMPORT_TORCH_FILE_H
#include "compiler/plan/safetensors.h"

bool rgc_torch_is_file(const void *bytes, size_t size_bytes);
/* The tensors of the state dict, row-major and little-endian, of the type they are stored with. Wrappers around it (a dict with "state_dict", "model"...)
 * are seen through; each is told in the metadata, under the key "note". NULL with WEIGHTS errors that name `path`. */
rgc_tensor_file *rgc_torch_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *path, rgc_diagnostics *diags);
#endif
