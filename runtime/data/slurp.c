/* slurp.c: see slurp.h. zlib's gz functions read plain files unchanged, so one loop serves both. */
#include "runtime/data/slurp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* A gzip file that unpacks to more than BOMB_BYTES and BOMB_RATIO times its size holds nothing worth the memory. */
enum { FIRST_BYTES = 1 << 16, READ_BYTES = 1 << 24, BOMB_BYTES = 1 << 26, BOMB_RATIO = 200 };

static const char damaged_help[] = "the download may be incomplete: fetch the file again";

bool rgc_file_exists(const char *path) { return access(path, F_OK) == 0; }

/* Doubles `*buffer` when full. False when there is no memory for it. */
static bool make_room(uint8_t **buffer, size_t used, size_t *capacity) {
  if (used + 1 < *capacity) return true;
  size_t wanted = *capacity ? *capacity * 2 : FIRST_BYTES;
  uint8_t *larger = realloc(*buffer, wanted);
  if (!larger) return false;
  *buffer = larger;
  *capacity = wanted;
  return true;
}

/* Everything up to the end of the stream; NULL on success, else what went wrong. */
static const char *read_all(gzFile stream, uint8_t **buffer, size_t *used) {
  size_t capacity = 0;
  for (;;) {
    if (*used > BOMB_BYTES && !gzdirect(stream) && *used / BOMB_RATIO > (size_t)gzoffset(stream)) return "it unpacks to over 200 times its size";
    if (!make_room(buffer, *used, &capacity)) return "too large for the memory there is";
    size_t room = capacity - *used - 1;
    errno = 0;
    int got = gzread(stream, *buffer + *used, (unsigned)(room < READ_BYTES ? room : READ_BYTES));
    if (got > 0) *used += (size_t)got;
    if (got > 0) continue;
    int status;
    const char *message = gzerror(stream, &status);
    if (status == Z_ERRNO) return strerror(errno);
    return status == Z_OK || status == Z_STREAM_END ? NULL : status == Z_BUF_ERROR ? "the gzip stream ends early" : message;
  }
}

bool rgc_file_slurp(const char *path, rgc_arena *arena, rgc_file_bytes *out, rgc_diagnostics *diags) {
  gzFile stream = gzopen(path, "rb");
  if (!stream) {
    rgc_code code = errno == ENOENT ? RGC_CODE_DATA_MISSING : RGC_CODE_FILE_READ;
    return rgc_diag_fail(diags, code, path, "check the path and its permissions", "cannot open the file: %s",
                         strerror(errno));
  }
  uint8_t *buffer = NULL;
  size_t used = 0;
  const char *problem = read_all(stream, &buffer, &used);
  if (problem)
    rgc_diag_fail(diags, gzdirect(stream) ? RGC_CODE_FILE_READ : RGC_CODE_DATA_FORMAT, path, damaged_help,
                  "cannot read the file: %s", problem);
  gzclose(stream);
  if (!problem) {
    uint8_t *copy = rgc_arena_alloc(arena, used + 1);
    memcpy(copy, buffer, used);
    *out = (rgc_file_bytes){.path = rgc_arena_strdup(arena, path), .data = copy, .size_bytes = used};
  }
  free(buffer);
  return !problem;
}

bool rgc_file_is_short(const rgc_file_bytes *file, uint64_t need_bytes, const char *what, rgc_diagnostics *diags) {
  if (file->size_bytes >= need_bytes) return false;
  rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, file->path, damaged_help,
                "the file is truncated: %s needs %" PRIu64 " bytes, there are %zu", what, need_bytes, file->size_bytes);
  return true;
}
