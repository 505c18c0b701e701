/* file.h: files and folders, made; what fails is told with the file's name. */
#ifndef RGC_BASE_FILE_H
#define RGC_BASE_FILE_H
#include <stdio.h>

#include "compiler/base/diag.h"

/* Errors are FILE_WRITE, with `help` (NULL: none). */
bool rgc_write_text_file(const char *path, const char *text, const char *help, rgc_diagnostics *diags);
/* Writes contents to an open file; false with errno. */
typedef bool rgc_file_writer(const void *contents, FILE *file);
/* A file with what `write` makes of `contents`, to the disk: beside `path` first, then renamed, so that an earlier file of that name stays whole if
 * anything fails; what a killed process left beside it is removed. A device (/dev/null) is written to. Errors are FILE_WRITE. */
bool rgc_replace_file(const char *path, rgc_file_writer *write, const void *contents, rgc_diagnostics *diags);
/* All bytes of a file, in `arena`; NULL with errno. */
char *rgc_read_bytes(const char *path, rgc_arena *arena, size_t *size_bytes);
/* Whether there is no process of that number: it was killed over what bears its number, or ended. */
bool rgc_process_is_gone(long pid);
/* The folder of a file: "graphs" of "graphs/net.yaml", "." of "net.yaml", "/" of "/net.yaml". In `arena`. */
const char *rgc_folder_of(const char *path, rgc_arena *arena);
/* A folder whose parent exists; true also where it is there. */
bool rgc_make_dir(const char *path, const char *help, rgc_diagnostics *diags);
/* A folder with those above it. */
bool rgc_make_dirs(const char *path, const char *help, rgc_diagnostics *diags);
#endif
