/* new_folder.c: see new_folder.h. */
#include "compiler/base/new_folder.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool fail(const char *path, rgc_diagnostics *diags) {
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "choose a new folder where there is room", "cannot be made: %s", strerror(errno));
}

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *place) {
  (void)about, (void)kind, (void)place;
  return remove(path);
}

bool rgc_new_folder_begin(rgc_new_folder *folder, const char *path, rgc_arena *arena, rgc_diagnostics *diags) {
  struct stat about;
  *folder = (rgc_new_folder){.path = path};
  if (!lstat(path, &about)) return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "choose a new folder", "is there already");
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') length--;
  char *part = rgc_arena_printf(arena, "%.*s.XXXXXX", (int)length, path);
  if (!mkdtemp(part)) return fail(path, diags);
  folder->part = part;
  return !chmod(part, 0755) || rgc_new_folder_end(folder, false, diags) || fail(path, diags);
}

bool rgc_new_folder_end(rgc_new_folder *folder, bool good, rgc_diagnostics *diags) {
  if (good && rename(folder->part, folder->path)) good = fail(folder->path, diags);
  if (!good) nftw(folder->part, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  return good;
}
