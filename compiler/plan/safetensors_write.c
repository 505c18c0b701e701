/* safetensors_write.c: the writer and the digest; see safetensors.h. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "compiler/base/file.h"
#include "compiler/plan/safetensors.h"

static int by_key(const void *a, const void *b) {
  return strcmp((*(const rgc_metadata *const *)a)->key, (*(const rgc_metadata *const *)b)->key);
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(const rgc_tensor *const *)a)->name, (*(const rgc_tensor *const *)b)->name);
}

/* Texts are hashed with their NUL, so that neighbours cannot run into each other. */
static void hash_text(XXH3_state_t *state, const char *text) { XXH3_128bits_update(state, text, strlen(text) + 1); }

static void *pointers(size_t count) {
  void *p = calloc(count ? count : 1, sizeof(void *));
  if (!p) rgc_internal_error("safetensors", "out of memory");
  return p;
}

static void hash_metadata(XXH3_state_t *state, const rgc_tensor_file *file) {
  const rgc_metadata **sorted = pointers((size_t)file->metadata_count);
  for (int i = 0; i < file->metadata_count; i++) sorted[i] = &file->metadata[i];
  qsort(sorted, (size_t)file->metadata_count, sizeof *sorted, by_key);
  for (int i = 0; i < file->metadata_count; i++) {
    if (!strcmp(sorted[i]->key, "digest")) continue;
    hash_text(state, sorted[i]->key);
    hash_text(state, sorted[i]->text);
  }
  free(sorted);
}

static void hash_tensors(XXH3_state_t *state, const rgc_tensor_file *file) {
  const rgc_tensor **sorted = pointers((size_t)file->tensor_count);
  for (int i = 0; i < file->tensor_count; i++) sorted[i] = &file->tensors[i];
  qsort(sorted, (size_t)file->tensor_count, sizeof *sorted, by_name);
  for (int i = 0; i < file->tensor_count; i++) {
    hash_text(state, sorted[i]->name);
    hash_text(state, rgc_tensor_dtype_word(sorted[i]->dtype));
    XXH3_128bits_update(state, sorted[i]->shape, sizeof(int64_t) * (size_t)sorted[i]->rank);
    XXH3_128bits_update(state, sorted[i]->data, sorted[i]->size_bytes);
  }
  free(sorted);
}

void rgc_safetensors_digest(const rgc_tensor_file *file, char digest[33]) {
  XXH3_state_t *state = XXH3_createState();
  XXH3_128bits_reset(state);
  hash_metadata(state, file);
  hash_tensors(state, file);
  XXH128_hash_t hash = XXH3_128bits_digest(state);
  XXH3_freeState(state);
  snprintf(digest, 33, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

static json_t *entry_of(const rgc_tensor *t, json_int_t begin) {
  json_t *shape = json_array();
  for (int d = 0; d < t->rank; d++) json_array_append_new(shape, json_integer(t->shape[d]));
  return json_pack("{s:s,s:o,s:[I,I]}", "dtype", rgc_tensor_dtype_word(t->dtype), "shape", shape, "data_offsets", begin,
                   begin + (json_int_t)t->size_bytes);
}

/* NULL where a name or a text is not UTF-8. */
static json_t *header_of(const rgc_tensor_file *file) {
  json_t *header = json_object(), *metadata = json_object();
  char digest[33];
  int faults = 0;
  for (int i = 0; i < file->metadata_count; i++)
    faults |= json_object_set_new(metadata, file->metadata[i].key, json_string(file->metadata[i].text));
  rgc_safetensors_digest(file, digest);
  faults |= json_object_set_new(metadata, "digest", json_string(digest)) | json_object_set_new(header, "__metadata__", metadata);
  json_int_t offset = 0;
  for (int i = 0; i < file->tensor_count; i++) {
    faults |= json_object_set_new(header, file->tensors[i].name, entry_of(&file->tensors[i], offset));
    offset += (json_int_t)file->tensors[i].size_bytes;
  }
  if (!faults) return header;
  json_decref(header);
  errno = EILSEQ;
  return NULL;
}

/* Header padded with spaces so that the data begins at a multiple of 64 bytes. */
static bool write_all(const void *contents, FILE *f) {
  const rgc_tensor_file *file = contents;
  json_t *header = header_of(file);
  if (!header) return false;
  char *text = json_dumps(header, JSON_COMPACT);
  json_decref(header);
  if (!text) return false;
  size_t length = strlen(text), padded = (length + 8 + 63) / 64 * 64 - 8;
  unsigned char count[8];
  for (int i = 0; i < 8; i++) count[i] = (unsigned char)(padded >> (8 * i));
  bool good = fwrite(count, 1, 8, f) == 8 && fwrite(text, 1, length, f) == length;
  free(text);
  for (size_t i = length; good && i < padded; i++) good = fputc(' ', f) != EOF;
  for (int i = 0; good && i < file->tensor_count; i++)
    good = fwrite(file->tensors[i].data, 1, file->tensors[i].size_bytes, f) == file->tensors[i].size_bytes;
  return good;
}

bool rgc_safetensors_write(const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags) {
  return rgc_replace_file(path, write_all, file, diags);
}
