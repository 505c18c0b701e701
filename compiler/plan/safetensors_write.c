/* safetensors_write.c: the writer and the digest; see safetensors.h. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
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

/* The header, as jansson would print it. It is printed here since the programs of a deep network are tens of megabytes, which jansson
 * copies three times. */

/* Any text, by jansson; false if it is not UTF-8. */
static bool add_any_string(rgc_text *out, const char *text) {
  json_t *string = json_string(text);
  char *chars = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
  if (chars) rgc_text_add(out, chars);
  free(chars);
  json_decref(string);
  return chars != NULL;
}

/* ASCII that stands for itself. */
static const bool is_plain[UCHAR_MAX + 1] = {[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

/* Lines of ASCII; else as above. */
static bool add_string(rgc_text *out, const char *text) {
  size_t before = out->length;
  rgc_text_add(out, "\"");
  for (const char *at = text;; at++) {
    const char *from = at;
    while (is_plain[(unsigned char)*at]) at++;
    rgc_text_add_bytes(out, from, (size_t)(at - from));
    if (!*at) break;
    if (*at != '\n' && *at != '"') return out->length = before, add_any_string(out, text);
    rgc_text_add(out, *at == '"' ? "\\\"" : "\\n");
  }
  rgc_text_add(out, "\"");
  return true;
}

static bool add_tensor(rgc_text *out, const rgc_tensor *t, size_t begin) {
  rgc_text_add(out, ",");
  bool good = add_string(out, t->name);
  rgc_text_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", rgc_tensor_dtype_word(t->dtype));
  for (int d = 0; d < t->rank; d++) rgc_text_printf(out, "%s%lld", d ? "," : "", (long long)t->shape[d]);
  rgc_text_printf(out, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->size_bytes);
  return good;
}

/* False where a name or a text is not UTF-8. */
static bool add_header(rgc_text *out, const rgc_tensor_file *file) {
  char digest[33];
  size_t offset = 0;
  bool good = true;
  rgc_safetensors_digest(file, digest);
  rgc_text_add(out, "{\"__metadata__\":{");
  for (int i = 0; i < file->metadata_count; i++) {
    if (!strcmp(file->metadata[i].key, "digest")) continue;
    good = add_string(out, file->metadata[i].key) && good;
    rgc_text_add(out, ":");
    good = add_string(out, file->metadata[i].text) && good;
    rgc_text_add(out, ",");
  }
  rgc_text_printf(out, "\"digest\":\"%s\"}", digest);
  for (int i = 0; i < file->tensor_count; i++) {
    good = add_tensor(out, &file->tensors[i], offset) && good;
    offset += file->tensors[i].size_bytes;
  }
  rgc_text_add(out, "}");
  return good;
}

enum { PADDING = 64 };

/* Header padded with spaces so that the data begins at a multiple of 64 bytes. */
static bool write_header(const rgc_text *header, FILE *f) {
  size_t padded = (header->length + 8 + PADDING - 1) / PADDING * PADDING - 8;
  unsigned char count[8];
  for (int i = 0; i < 8; i++) count[i] = (unsigned char)(padded >> (8 * i));
  bool good = fwrite(count, 1, 8, f) == 8 && fwrite(header->chars, 1, header->length, f) == header->length;
  for (size_t i = header->length; good && i < padded; i++) good = fputc(' ', f) != EOF;
  return good;
}

static bool write_all(const rgc_tensor_file *file, const rgc_text *header, FILE *f) {
  bool good = write_header(header, f);
  for (int i = 0; good && i < file->tensor_count; i++)
    good = fwrite(file->tensors[i].data, 1, file->tensors[i].size_bytes, f) == file->tensors[i].size_bytes;
  return good;
}

/* What a file is written of. */
typedef struct file_parts {
  const rgc_tensor_file *file;
  const rgc_text *header;
} file_parts;

static bool write_parts(const void *contents, FILE *f) {
  const file_parts *parts = contents;
  return write_all(parts->file, parts->header, f);
}

bool rgc_safetensors_write(const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags) {
  rgc_text header = {0};
  bool good = add_header(&header, file);
  if (!good) rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, NULL, "cannot be written: a name or a text in it is not UTF-8");
  else if (header.length > RGC_MAX_HEADER_BYTES - PADDING)
    good = rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "put fewer programs into one plan, or make the network shallower",
                         "cannot be written: its header would have %zu bytes, and readers take %d", header.length, RGC_MAX_HEADER_BYTES);
  good = good && rgc_replace_file(path, write_parts, &(file_parts){file, &header}, diags);
  rgc_text_free(&header);
  return good;
}
