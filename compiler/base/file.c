/* file.c: see file.h. */
#include "compiler/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool rgc_write_text_file(const char *path, const char *text, const char *help, rgc_diagnostics *diags) {
  FILE *to = fopen(path, "w");
  bool good = to && fputs(text, to) >= 0;
  if (to && fclose(to)) good = false;
  return good || rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, help, "cannot be written: %s", strerror(errno));
}

char *rgc_read_bytes(const char *path, rgc_arena *arena, size_t *size_bytes) {
  FILE *from = fopen(path, "rb");
  struct stat about;
  char *bytes = NULL;
  if (from && !fstat(fileno(from), &about)) {
    *size_bytes = (size_t)about.st_size;
    bytes = rgc_arena_alloc(arena, *size_bytes + 1);
    if (fread(bytes, 1, *size_bytes, from) != *size_bytes) bytes = NULL;
  }
  if (from) fclose(from);
  return bytes;
}

bool rgc_process_is_gone(long pid) { return pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH; }

const char *rgc_folder_of(const char *path, rgc_arena *arena) {
  const char *slash = strrchr(path, '/');
  return slash ? rgc_arena_strndup(arena, path, slash > path ? (size_t)(slash - path) : 1) : ".";
}

/* Files beside `path` that processes began and were killed over: PATH.tmpPID of a PID that is no more. */
static void remove_left_over(const char *path, rgc_arena *arena) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *folder = rgc_folder_of(path, arena);
  DIR *dir = opendir(folder);
  size_t length = strlen(name);
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    const char *end = entry->d_name + length;
    if (strncmp(entry->d_name, name, length) || strncmp(end, ".tmp", 4) || !end[4] || end[4 + strspn(end + 4, "0123456789")]) continue;
    if (rgc_process_is_gone(strtol(end + 4, NULL, 10))) remove(rgc_arena_printf(arena, "%s/%s", folder, entry->d_name));
  }
  if (dir) closedir(dir);
}

/* 0, or errno. */
static int write_file(const char *path, rgc_file_writer *write, const void *contents, bool to_disk) {
  FILE *f = fopen(path, "wb");
  bool good = f && write(contents, f) && !fflush(f) && (!to_disk || !fsync(fileno(f)));
  int error = good ? 0 : errno;
  if (f && fclose(f) && good) error = errno;
  if (f && error && to_disk) remove(path);
  return error;
}

static int replace(const char *path, rgc_file_writer *write, const void *contents, rgc_arena *arena) {
  char *beside = rgc_arena_printf(arena, "%s.tmp%ld", path, (long)getpid());
  remove_left_over(path, arena);
  int error = write_file(beside, write, contents, true);
  if (!error && rename(beside, path)) {
    error = errno;
    remove(beside);
  }
  return error;
}

bool rgc_replace_file(const char *path, rgc_file_writer *write, const void *contents, rgc_diagnostics *diags) {
  struct stat there;
  char *real = realpath(path, NULL); /* of a link the file that it leads to is replaced */
  bool device = real && !stat(real, &there) && !S_ISREG(there.st_mode) && !S_ISDIR(there.st_mode);
  int error = device ? write_file(path, write, contents, false) : replace(real ? real : path, write, contents, diags->arena);
  free(real);
  if (!error) return true;
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
