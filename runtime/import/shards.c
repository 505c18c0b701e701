/* shards.c: see shards.h. */
#include "runtime/import/shards.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data/slurp.h"
#include "runtime/import/torch_file.h"

enum { LENGTH_BYTES = 8 }; /* of a safetensors header's length */

bool rgc_shards_is_index(const void *bytes, size_t size_bytes) {
  return size_bytes && *(const char *)bytes == '{' && !memchr(bytes, 0, size_bytes < LENGTH_BYTES ? size_bytes : LENGTH_BYTES);
}

typedef struct reader {
  rgc_arena *arena;
  const char *folder, *path;
  rgc_diagnostics *diags;
  json_t *places; /* {tensor: file}: what is still to be read */
  rgc_tensor_file *file;
} reader;

static bool fault(const reader *r, const char *what) {
  return rgc_diag_fail(r->diags, RGC_CODE_WEIGHTS, r->path, "an index and the files that it names lie in one folder, as they were written; fetch what is missing", "%s", what);
}

/* A name, not a path: nothing outside of the folder is reached by it. */
static bool is_bare(const char *name) { return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, ".."); }

static bool check_places(const reader *r) {
  const char *name;
  json_t *place;
  if (!json_object_size(r->places)) return fault(r, "is JSON, and no index of weights in several files: it has no weight_map");
  if (!r->folder) return fault(r, "names other files, and the index is in no folder");
  json_object_foreach(r->places, name, place) {
    if (!json_is_string(place)) return fault(r, rgc_arena_printf(r->arena, "'%s' is in no file: the index has no text there", name));
    if (!is_bare(json_string_value(place)))
      return fault(r, rgc_arena_printf(r->arena, "'%s' would be in '%s', which is no file of the index's folder: it is not read", name, json_string_value(place)));
  }
  return true;
}

static rgc_tensor_file *read_shard(const reader *r, const char *shard) {
  const char *path = rgc_arena_printf(r->arena, "%s/%s", r->folder, shard);
  struct stat found;
  rgc_file_bytes bytes;
  bool there = !stat(path, &found);
  if (!there || !S_ISREG(found.st_mode)) {
    fault(r, rgc_arena_printf(r->arena, "names the file '%s', which %s", shard, there ? "is no plain file" : rgc_arena_printf(r->arena, "cannot be read: %s", strerror(errno))));
    return NULL;
  }
  if (!rgc_file_slurp(path, r->arena, &bytes, r->diags)) return NULL;
  return rgc_torch_is_file(bytes.data, bytes.size_bytes) ? rgc_torch_parse(r->arena, bytes.data, bytes.size_bytes, path, r->diags)
                                                         : rgc_safetensors_parse(r->arena, bytes.data, bytes.size_bytes, path, r->diags);
}

/* Takes the tensors of a file over; what was placed there and found is no longer among the places. */
static bool take_shard(reader *r, const char *shard) {
  const rgc_tensor_file *part = read_shard(r, shard);
  for (int i = 0; part && i < part->tensor_count; i++) {
    const char *place = json_string_value(json_object_get(r->places, part->tensors[i].name));
    if (!place || strcmp(place, shard))
      return fault(r, rgc_arena_printf(r->arena, "the file '%s' holds '%s', which the index does not place there", shard, part->tensors[i].name));
    *RGC_PUSH(r->arena, r->file->tensors, r->file->tensor_count, r->file->tensor_capacity) = part->tensors[i];
    json_object_del(r->places, part->tensors[i].name);
  }
  const char *name;
  json_t *place;
  json_object_foreach(r->places, name, place) {
    if (part && !strcmp(json_string_value(place), shard)) return fault(r, rgc_arena_printf(r->arena, "'%s' is not in the file '%s', where the index places it", name, shard));
  }
  return part != NULL;
}

static bool take_all(reader *r) {
  int count = 0;
  for (void *first; (first = json_object_iter(r->places)); count++)
    if (!take_shard(r, rgc_arena_strdup(r->arena, json_string_value(json_object_iter_value(first))))) return false;
  *RGC_PUSH(r->arena, r->file->metadata, r->file->metadata_count, r->file->metadata_capacity) =
      (rgc_metadata){"note", rgc_arena_printf(r->arena, "the weights stand in %d file%s, which the index names", count, count == 1 ? "" : "s")};
  return true;
}

rgc_tensor_file *rgc_shards_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *folder, const char *path, rgc_diagnostics *diags) {
  json_error_t error;
  json_t *index = json_loadb(bytes, size_bytes, JSON_REJECT_DUPLICATES, &error);
  reader r = {arena, folder, path, diags, json_object_get(index, "weight_map"), RGC_NEW(arena, rgc_tensor_file)};
  bool good = index ? check_places(&r) && take_all(&r) : fault(&r, rgc_arena_printf(arena, "begins as JSON and is none: %s (line %d)", error.text, error.line));
  json_decref(index);
  return good ? r.file : NULL;
}
