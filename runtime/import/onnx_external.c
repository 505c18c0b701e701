/* onnx_external.c: see onnx_external.h. */
#include "runtime/import/onnx_external.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/import/onnx.h"

enum { MAX_TEXT = 1 << 10 };

/* ---- entries ---- */

/* Decimal digits and nothing else. */
static bool read_number(const char *text, uint64_t *number) {
  *number = 0;
  if (!*text) return false;
  for (; *text; text++)
    if (*text < '0' || *text > '9' || __builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, (uint64_t)(*text - '0'), number)) return false;
  return true;
}

bool rgc_onnx_external_entry(rgc_onnx_external *external, rgc_proto_span entry, rgc_arena *arena) {
  const char *texts[ONNX_ENTRY_VALUE + 1] = {"", "", ""};
  rgc_proto_field f;
  int status;
  while ((status = rgc_proto_next(&entry, &f)) > 0) {
    size_t length = f.wire == 2 ? (size_t)(f.span.end - f.span.at) : MAX_TEXT + 1;
    if (f.number > ONNX_ENTRY_VALUE) continue;
    if (length > MAX_TEXT || memchr(f.span.at, 0, length)) return false;
    texts[f.number] = rgc_arena_strndup(arena, (const char *)f.span.at, length);
  }
  const char *key = texts[ONNX_ENTRY_KEY], *value = texts[ONNX_ENTRY_VALUE];
  if (!strcmp(key, "location")) external->location = value;
  if (!strcmp(key, "offset")) return !status && read_number(value, &external->offset_bytes);
  if (!strcmp(key, "length")) return !status && (external->has_length = read_number(value, &external->length_bytes));
  return !status;
}

/* ---- files ---- */

/* A tensor's numbers, found: of the file `device`, `inode`, which one may reach by several names. */
typedef struct part {
  const rgc_onnx_external *external;
  rgc_tensor *tensor;
  const char *real_path;
  dev_t device;
  ino_t inode;
} part;

typedef struct reader {
  const char *folder, *path;
  rgc_arena *arena;
  rgc_diagnostics *diags;
} reader;

static bool fault(const reader *r, const part *p, const char *what, const char *help) {
  return rgc_diag_fail(r->diags, RGC_CODE_WEIGHTS, r->path, help, "the numbers of '%s' are in the file '%s' (external data), %s", p->tensor->name, p->external->location, what);
}

/* Relative, and no step of it goes up. */
static bool is_below(const char *location) {
  if (!*location || *location == '/') return false;
  for (const char *step = location;; step = strchr(step, '/') + 1) {
    if (!strncmp(step, "..", 2) && (!step[2] || step[2] == '/')) return false;
    if (!strchr(step, '/')) return true;
  }
}

/* `path` without links, in the arena; NULL with errno. */
static const char *resolve(const reader *r, const char *path) {
  char *found = realpath(path, NULL);
  const char *copy = found ? rgc_arena_strdup(r->arena, found) : NULL;
  free(found);
  return copy;
}

static bool find_file(const reader *r, part *p) {
  static const char beside[] = "a model and the files that belong to it lie in one folder, under the names that they were written with";
  static const char alone[] = "write one file: in Python, onnx.save(onnx.load(FILE), OTHER, save_as_external_data=False)";
  struct stat found;
  const char *location = p->external->location, *folder = resolve(r, r->folder);
  if (!is_below(location)) return fault(r, p, "which is not below the folder of the model: it is not read", alone);
  p->real_path = folder ? resolve(r, rgc_arena_printf(r->arena, "%s/%s", folder, location)) : NULL;
  if (!p->real_path || stat(p->real_path, &found)) return fault(r, p, rgc_arena_printf(r->arena, "which cannot be read: %s", strerror(errno)), beside);
  size_t length = strcmp(folder, "/") ? strlen(folder) : 0;
  if (strncmp(p->real_path, folder, length) || p->real_path[length] != '/') return fault(r, p, "a link that leads out of the folder of the model: it is not followed", beside);
  if (!S_ISREG(found.st_mode)) return fault(r, p, "which is no plain file", beside);
  p->device = found.st_dev;
  p->inode = found.st_ino;
  uint64_t size = (uint64_t)found.st_size, offset = p->external->offset_bytes, need = p->tensor->size_bytes;
  if (p->external->has_length && p->external->length_bytes != need)
    return fault(r, p, rgc_arena_printf(r->arena, "%" PRIu64 " bytes of it, and the shape needs %" PRIu64, p->external->length_bytes, need), "write the model again");
  if (offset <= size && need <= size - offset) return true;
  return fault(r, p, rgc_arena_printf(r->arena, "which is truncated: %" PRIu64 " bytes from %" PRIu64 " on are needed, and it has %" PRIu64, need, offset, size),
               "fetch or write the file again");
}

/* ---- numbers ---- */

static int by_place(const void *a, const void *b) {
  const part *p = a, *q = b;
  if (p->device != q->device) return p->device < q->device ? -1 : 1;
  if (p->inode != q->inode) return p->inode < q->inode ? -1 : 1;
  uint64_t from = p->external->offset_bytes, other = q->external->offset_bytes;
  return from != other ? (from < other ? -1 : 1) : (p->tensor->size_bytes > q->tensor->size_bytes) - (p->tensor->size_bytes < q->tensor->size_bytes);
}

static bool same_file(const part *p, const part *q) { return p->device == q->device && p->inode == q->inode; }

/* All bytes of a part; false where the file ends early or cannot be read. */
static bool read_bytes(const reader *r, const part *p) {
  size_t done = 0, size = p->tensor->size_bytes;
  unsigned char *to = rgc_arena_alloc(r->arena, size + 1);
  int file = open(p->real_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  for (ssize_t got = 1; file >= 0 && done < size && got > 0; done += got > 0 ? (size_t)got : 0)
    got = pread(file, to + done, size - done, (off_t)(p->external->offset_bytes + done));
  if (file >= 0) close(file);
  p->tensor->data = to;
  return done == size || fault(r, p, "which cannot be read", "fetch or write the file again");
}

/* `before` is the last part of the same file that has numbers; NULL: none. */
static bool read_part(const reader *r, const part *p, const part *before) {
  p->tensor->data = "";
  if (!p->tensor->size_bytes) return true;
  if (!before || p->external->offset_bytes >= before->external->offset_bytes + before->tensor->size_bytes) return read_bytes(r, p);
  bool same = p->external->offset_bytes == before->external->offset_bytes && p->tensor->size_bytes == before->tensor->size_bytes;
  p->tensor->data = before->tensor->data;
  return same || fault(r, p, rgc_arena_printf(r->arena, "where they overlap those of '%s'", before->tensor->name), "write the model again");
}

bool rgc_onnx_read_external(rgc_tensor_file *file, const rgc_onnx_external *externals, int count, const char *folder, const char *path, rgc_arena *arena,
                            rgc_diagnostics *diags) {
  const reader r = {folder, path, arena, diags};
  part *parts = RGC_NEW_ARRAY(arena, part, count + 1);
  for (int i = 0; i < count; i++) {
    parts[i] = (part){.external = &externals[i], .tensor = &file->tensors[externals[i].tensor]};
    if (!find_file(&r, &parts[i])) return false;
  }
  qsort(parts, (size_t)count, sizeof *parts, by_place);
  const part *before = NULL;
  for (int i = 0; i < count; i++) {
    if (before && !same_file(before, &parts[i])) before = NULL;
    if (!read_part(&r, &parts[i], before)) return false;
    if (parts[i].tensor->size_bytes) before = &parts[i];
  }
  return true;
}
