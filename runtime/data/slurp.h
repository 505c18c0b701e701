/* slurp.h: a whole file in memory, unpacked if it is gzip.
 *
 * Every reader of a data set starts here, so a missing, unreadable or damaged file gets the same diagnostic everywhere:
 * it names the file, the reason and what to do. The readers then check the length they need with rgc_file_is_short. */
#ifndef RGC_RUNTIME_DATA_SLURP_H
#define RGC_RUNTIME_DATA_SLURP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"

typedef struct rgc_file_bytes {
  const char *path;    /* in the arena */
  const uint8_t *data; /* size_bytes, then one NUL that is not counted */
  size_t size_bytes;
} rgc_file_bytes;

/* Reads `path` into `arena`; gzip contents are unpacked whatever the name. Errors: data-missing, file-read, and
 * data-format for a gzip stream that ends early, is damaged, or unpacks to more than 64 MB and 200 times its size. */
bool rgc_file_slurp(const char *path, rgc_arena *arena, rgc_file_bytes *out, rgc_diagnostics *diags);
bool rgc_file_exists(const char *path);
/* Reports a file that ends before `need_bytes`; true if it does. `what` names what was being read. */
bool rgc_file_is_short(const rgc_file_bytes *file, uint64_t need_bytes, const char *what, rgc_diagnostics *diags);
#endif
