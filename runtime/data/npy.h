/* npy.h: arrays in NumPy's .npy files, versions 1 to 3, read and written.
 *
 * Little-endian, row-major (C order) arrays of the types below; anything else is refused by name. Format:
 * numpy.lib.format's documentation. The host is taken to be little-endian. */
#ifndef RGC_RUNTIME_DATA_NPY_H
#define RGC_RUNTIME_DATA_NPY_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"

enum { RGC_NPY_MAX_RANK = 8 };

typedef enum rgc_npy_type {
  RGC_NPY_U8,
  RGC_NPY_I8,
  RGC_NPY_BOOL,
  RGC_NPY_I32,
  RGC_NPY_I64,
  RGC_NPY_F32,
  RGC_NPY_F64,
  RGC_NPY_TYPE_COUNT
} rgc_npy_type;

typedef struct rgc_npy {
  rgc_npy_type type;
  int rank;                        /* 0 for a scalar */
  int64_t shape[RGC_NPY_MAX_RANK]; /* rank sizes, slowest first */
  size_t count_elems;
  const void *data; /* count_elems elements, aligned for their type, in the arena given to rgc_npy_read */
} rgc_npy;

size_t rgc_npy_type_bytes(rgc_npy_type type);
/* Reads `path` (gzip allowed) into `arena`. Errors: those of rgc_file_slurp; data-format. */
bool rgc_npy_read(const char *path, rgc_arena *arena, rgc_npy *out, rgc_diagnostics *diags);
/* Writes version 1. Errors: file-write. */
bool rgc_npy_write(const char *path, const rgc_npy *array, rgc_diagnostics *diags);
#endif
