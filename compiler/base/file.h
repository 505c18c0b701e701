/* file.h: text files and folders, made; what fails is told with the file's name. */
#ifndef RGC_BASE_FILE_H
#define RGC_BASE_FILE_H
#include "compiler/base/diag.h"

/* Errors are FILE_WRITE, with `help` (NULL: none). */
bool rgc_write_text_file(const char *path, const char *text, const char *help, rgc_diagnostics *diags);
/* A folder whose parent exists; true also where it is there. */
bool rgc_make_dir(const char *path, const char *help, rgc_diagnostics *diags);
/* A folder with those above it. */
bool rgc_make_dirs(const char *path, const char *help, rgc_diagnostics *diags);
#endif
