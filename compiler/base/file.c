/* file.c: see file.h. */
#include "compiler/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool rgc_write_text_file(const char *path, const char *text, const char *help, rgc_diagnostics *diags) {
  FILE *to = fopen(path, "w");
  bool good = to && fputs(text, to) >= 0;
  if (to && fclose(to)) good = false;
  return good || rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, help, "cannot be written: %s", strerror(errno));
}

bool rgc_replace_file(const char *path, rgc_file_writer *write, const void *contents, rgc_diagnostics *diags) {
  char *beside = rgc_arena_printf(diags->arena, "%s.tmp%ld", path, (long)getpid());
  FILE *f = fopen(beside, "wb");
  bool good = f && write(contents, f) && !fflush(f) && !fsync(fileno(f));
  int error = errno;
  if (f && fclose(f)) good = false, error = errno;
  if (good && rename(beside, path)) good = false, error = errno;
  if (good) return true;
  if (f) remove(beside);
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "an earlier file of this name is untouched; free space or choose another place",
                       "cannot be written: %s", strerror(error));
}

bool rgc_make_dir(const char *path, const char *help, rgc_diagnostics *diags) {
  if (!mkdir(path, 0777) || errno == EEXIST) return true;
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, help, "cannot be made: %s", strerror(errno));
}

bool rgc_make_dirs(const char *path, const char *help, rgc_diagnostics *diags) {
  char *copy = rgc_arena_strdup(diags->arena, path);
  for (char *at = copy + 1; *copy; at++) {
    char keep = *at;
    if (keep && keep != '/') continue;
    *at = 0;
    if (!rgc_make_dir(copy, help, diags)) return false;
    if (!keep) return true;
    *at = keep;
  }
  return rgc_make_dir(copy, help, diags);
}
