/* safetensors.h: the container of plans and checkpoints (https://github.com/huggingface/safetensors, format section).
 *
 *   u64 little-endian N | N bytes of JSON | data
 *   JSON: {"__metadata__": {text: text}, NAME: {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}}
 * Offsets count from the end of the header. A file is accepted only if the tensors tile the data exactly: no holes, no
 * overlaps, sizes that match dtype and shape, nothing after the last one. */
#ifndef RGC_PLAN_SAFETENSORS_H
#define RGC_PLAN_SAFETENSORS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"

enum { RGC_TENSOR_MAX_RANK = 8 };
enum { RGC_MAX_HEADER_BYTES = 100 * 1000 * 1000 }; /* what readers of such files, ours too, take */

/* X(identifier, word, bytes of an element). Plans hold F32 only; the others come from other programs' files. */
#define RGC_TENSOR_DTYPES(X)                                                                                           \
  X(F32, "F32", 4) X(I64, "I64", 8) X(F64, "F64", 8) X(F16, "F16", 2) X(BF16, "BF16", 2) X(I32, "I32", 4) X(U8, "U8", 1)   \
  X(BOOL, "BOOL", 1) X(I16, "I16", 2) X(I8, "I8", 1)
typedef enum rgc_tensor_dtype {
#define X(id, word, bytes) RGC_TENSOR_##id,
  RGC_TENSOR_DTYPES(X)
#undef X
      RGC_TENSOR_DTYPE_COUNT
} rgc_tensor_dtype;

typedef struct rgc_tensor {
  const char *name;
  rgc_tensor_dtype dtype;
  int rank;
  int64_t shape[RGC_TENSOR_MAX_RANK]; /* row-major */
  const void *data;                   /* size_bytes bytes */
  size_t size_bytes;
} rgc_tensor;

typedef struct rgc_metadata {
  const char *key, *text;
} rgc_metadata;

typedef struct rgc_tensor_file {
  rgc_metadata *metadata;
  int metadata_count, metadata_capacity;
  rgc_tensor *tensors;
  int tensor_count, tensor_capacity;
} rgc_tensor_file;

size_t rgc_tensor_elem_bytes(rgc_tensor_dtype dtype);
const char *rgc_tensor_dtype_word(rgc_tensor_dtype dtype); /* "F32" */
const rgc_tensor *rgc_tensor_find(const rgc_tensor_file *file, const char *name);  /* NULL: none */
const char *rgc_metadata_find(const rgc_tensor_file *file, const char *key);       /* NULL: none */

/* Reads a whole file into the arena. On any fault (missing, truncated, lying header, wrong digest) an error is added that
 * names the file, and NULL is returned. If the metadata has a "digest" it is compared (rgc_safetensors_digest). */
rgc_tensor_file *rgc_safetensors_read(rgc_arena *arena, const char *path, rgc_diagnostics *diags);
/* The same from memory; `bytes` must outlive the result. `path` is for messages. */
rgc_tensor_file *rgc_safetensors_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *path,
                                       rgc_diagnostics *diags);
/* Writes beside `path` and renames, so that an earlier file stays whole if anything fails. Adds the "digest" entry. */
bool rgc_safetensors_write(const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags);
/* XXH3-128 in hex over all metadata but "digest", and over names, shapes and bytes of all tensors. 33 bytes with NUL. */
void rgc_safetensors_digest(const rgc_tensor_file *file, char digest[33]);
#endif
