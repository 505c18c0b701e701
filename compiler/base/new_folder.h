/* new_folder.h: a folder that appears whole, or not at all: it is filled beside the place wanted and then renamed. */
#ifndef RGC_BASE_NEW_FOLDER_H
#define RGC_BASE_NEW_FOLDER_H
#include "compiler/base/diag.h"

typedef struct rgc_new_folder {
  const char *path; /* wanted */
  char *part;       /* where it is filled until then; NULL: nothing is there */
} rgc_new_folder;

/* `path` must not be there. Lives in `arena`. Errors are FILE_WRITE. */
bool rgc_new_folder_begin(rgc_new_folder *folder, const char *path, rgc_arena *arena, rgc_diagnostics *diags);
/* After rgc_new_folder_begin succeeded: with `good` the folder gets its name, else (or if that fails) all of it is removed. */
bool rgc_new_folder_end(rgc_new_folder *folder, bool good, rgc_diagnostics *diags);
#endif
