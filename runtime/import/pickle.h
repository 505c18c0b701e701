/* pickle.h: a strict reader of Python pickles that hold tensors. It executes nothing.
 *
 * A pickle is a program for a small stack machine that may name any function of Python ("global") and call it. This reader knows a
 * handful of globals, all of them plain data (rgc_pickle_globals in pickle.c): OrderedDict, the builders of a tensor from a storage,
 * the types of storages and elements, and what scripts put beside weights (argparse.Namespace), which is read over. Whatever else a file names is refused by that name. Opcodes: protocol 2, and the few that protocols 3
 * and 4 write for the same things. Memory is bounded by the size of the input, and by MAX_VALUES. */
#ifndef RGC_IMPORT_PICKLE_H
#define RGC_IMPORT_PICKLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"
#include "compiler/plan/safetensors.h"

typedef enum rgc_pickle_kind {
  RGC_PICKLE_NONE,
  RGC_PICKLE_BOOL,    /* integer 0 or 1 */
  RGC_PICKLE_INT,     /* integer */
  RGC_PICKLE_REAL,    /* real */
  RGC_PICKLE_TEXT,    /* text */
  RGC_PICKLE_LIST,    /* items: a tuple or a list */
  RGC_PICKLE_DICT,    /* items[i] under keys[i]; an OrderedDict too */
  RGC_PICKLE_GLOBAL,  /* integer: which of the known ones */
  RGC_PICKLE_STORAGE, /* text: its key; dtype; integer: elements; untyped: the file counts it in bytes (dtype is U8 until it is typed) */
  RGC_PICKLE_TENSOR   /* a view of items[0], a storage: integer is the offset in elements; shape, stride, rank */
} rgc_pickle_kind;

typedef struct rgc_pickle rgc_pickle;
struct rgc_pickle {
  rgc_pickle_kind kind;
  rgc_tensor_dtype dtype; /* STORAGE */
  bool untyped, typed;    /* STORAGE */
  int count, capacity, key_capacity, rank;
  union {
    int64_t integer;
    double real;
  };
  const char *text;
  rgc_pickle **items, **keys;
  const int64_t *shape, *stride; /* TENSOR: [rank] each, stride in elements */
};

/* Reads one pickle, up to its STOP; *used_bytes is its length. Every STORAGE in it is added to
 * `storages`, a LIST. NULL with WEIGHTS errors that name `path`. The graph of values may have
 * cycles (a list that holds itself): walk it to a bounded depth. */
rgc_pickle *rgc_pickle_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, size_t *used_bytes, rgc_pickle *storages,
                             const char *path, rgc_diagnostics *diags);
/* The value under a text key of a DICT; NULL: none, or no DICT. */
rgc_pickle *rgc_pickle_get(const rgc_pickle *dict, const char *key);
#endif
