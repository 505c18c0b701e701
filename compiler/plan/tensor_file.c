/* tensor_file.c: tensors and texts in memory, what both directions of safetensors.h share; and their digest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "compiler/plan/safetensors.h"

static const struct {
  const char *word;
  size_t bytes;
} dtypes[] = {
#define X(id, word, bytes) {word, bytes},
    RGC_TENSOR_DTYPES(X)
#undef X
};

size_t rgc_tensor_elem_bytes(rgc_tensor_dtype dtype) { return dtypes[dtype].bytes; }
const char *rgc_tensor_dtype_word(rgc_tensor_dtype dtype) { return dtypes[dtype].word; }

const rgc_tensor *rgc_tensor_find(const rgc_tensor_file *file, const char *name) {
  for (int i = 0; i < file->tensor_count; i++)
    if (!strcmp(file->tensors[i].name, name)) return &file->tensors[i];
  return NULL;
}

const char *rgc_metadata_find(const rgc_tensor_file *file, const char *key) {
  for (int i = 0; i < file->metadata_count; i++)
    if (!strcmp(file->metadata[i].key, key)) return file->metadata[i].text;
  return NULL;
}

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
