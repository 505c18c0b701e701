/* safetensors_read.c: the strict reader; see safetensors.h. Tensors point into the bytes that were read. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/plan/safetensors.h"

/* What one parse needs: where the data lies, and where faults go. */
typedef struct reader {
  rgc_arena *arena;
  const unsigned char *data;
  size_t data_bytes;
  const char *path;
  rgc_diagnostics *diags;
  rgc_tensor_file *file;
} reader;

static bool fault(const reader *r, const char *what, const char *name) {
  return rgc_diag_fail(r->diags, RGC_CODE_PLAN_FORMAT, r->path, "write the file again, or take an earlier copy of it", "%s%s%s",
                       what, name ? ": " : "", name ? name : "");
}

static bool read_metadata(reader *r, json_t *object) {
  const char *key;
  json_t *text;
  json_object_foreach(object, key, text) {
    if (!json_is_string(text)) return fault(r, "a metadata entry that is not text", key);
    rgc_metadata *m = RGC_PUSH(r->arena, r->file->metadata, r->file->metadata_count, r->file->metadata_capacity);
    *m = (rgc_metadata){rgc_arena_strdup(r->arena, key), rgc_arena_strdup(r->arena, json_string_value(text))};
  }
  return true;
}

static bool read_shape(reader *r, json_t *shape, rgc_tensor *t) {
  size_t rank = json_array_size(shape), elems = 1;
  if (!json_is_array(shape) || rank > RGC_TENSOR_MAX_RANK) return fault(r, "a tensor without a usable shape", t->name);
  t->rank = (int)rank;
  for (size_t i = 0; i < rank; i++) {
    json_t *dim = json_array_get(shape, i);
    json_int_t extent = json_integer_value(dim);
    if (!json_is_integer(dim) || extent < 0 || __builtin_mul_overflow(elems, (size_t)extent, &elems))
      return fault(r, "a tensor with an impossible shape", t->name);
    t->shape[i] = extent;
  }
  if (__builtin_mul_overflow(elems, rgc_tensor_elem_bytes(t->dtype), &t->size_bytes))
    return fault(r, "a tensor with an impossible shape", t->name);
  return true;
}

static bool read_tensor(reader *r, const char *name, json_t *entry) {
  rgc_tensor t = {.name = rgc_arena_strdup(r->arena, name), .dtype = RGC_TENSOR_DTYPE_COUNT};
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  for (int d = 0; d < RGC_TENSOR_DTYPE_COUNT; d++)
    if (dtype && !strcmp(dtype, rgc_tensor_dtype_word((rgc_tensor_dtype)d))) t.dtype = (rgc_tensor_dtype)d;
  if (t.dtype == RGC_TENSOR_DTYPE_COUNT) return fault(r, "a tensor of a type that is not known", name);
  if (!read_shape(r, json_object_get(entry, "shape"), &t)) return false;
  json_t *offsets = json_object_get(entry, "data_offsets");
  json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
    return fault(r, "a tensor without data_offsets", name);
  json_int_t b = json_integer_value(begin), e = json_integer_value(end);
  if (b < 0 || e < b || (size_t)e > r->data_bytes || (size_t)(e - b) != t.size_bytes)
    return fault(r, "a tensor whose data_offsets do not match its shape or the file's length", name);
  t.data = r->data + b;
  *RGC_PUSH(r->arena, r->file->tensors, r->file->tensor_count, r->file->tensor_capacity) = t;
  return true;
}

static int by_offset(const void *a, const void *b) {
  const rgc_tensor *x = a, *y = b;
  if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
  return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

static bool check_tiling(reader *r) {
  rgc_tensor_file *f = r->file;
  if (f->tensor_count) qsort(f->tensors, (size_t)f->tensor_count, sizeof *f->tensors, by_offset);
  const unsigned char *next = r->data;
  for (int i = 0; i < f->tensor_count; i++) {
    if (f->tensors[i].data != next) return fault(r, "tensors that overlap or leave a hole", f->tensors[i].name);
    next += f->tensors[i].size_bytes;
  }
  return next == r->data + r->data_bytes || fault(r, "bytes after the last tensor", NULL);
}

static bool check_digest(reader *r) {
  const char *wanted = rgc_metadata_find(r->file, "digest");
  char digest[33];
  if (!wanted) return true;
  rgc_safetensors_digest(r->file, digest);
  return !strcmp(wanted, digest) ||
         rgc_diag_fail(r->diags, RGC_CODE_PLAN_DIGEST, r->path, "the file was changed or damaged; take an earlier copy of it",
                       "the contents do not match the digest (%s, found %s)", wanted, digest);
}

static bool read_header(reader *r, json_t *header) {
  const char *name;
  json_t *entry;
  json_object_foreach(header, name, entry) {
    if (!json_is_object(entry)) return fault(r, "a header entry that is not a map", name);
    if (!(strcmp(name, "__metadata__") ? read_tensor(r, name, entry) : read_metadata(r, entry))) return false;
  }
  return check_tiling(r) && check_digest(r);
}

rgc_tensor_file *rgc_safetensors_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *path,
                                       rgc_diagnostics *diags) {
  reader r = {.arena = arena, .path = path, .diags = diags, .file = RGC_NEW(arena, rgc_tensor_file)};
  const unsigned char *b = bytes;
  uint64_t header_bytes = 0;
  for (int i = 0; i < 8 && size_bytes >= 8; i++) header_bytes |= (uint64_t)b[i] << (8 * i);
  if (size_bytes < 8 || header_bytes > RGC_MAX_HEADER_BYTES || header_bytes > size_bytes - 8) {
    fault(&r, "not a safetensors file, or truncated", NULL);
    return NULL;
  }
  r.data = b + 8 + header_bytes;
  r.data_bytes = size_bytes - 8 - header_bytes;
  json_error_t error;
  json_t *header = json_loadb((const char *)b + 8, header_bytes, JSON_REJECT_DUPLICATES, &error);
  bool good = json_is_object(header) ? read_header(&r, header) : fault(&r, "the header is not JSON", header ? NULL : error.text);
  json_decref(header);
  return good ? r.file : NULL;
}

rgc_tensor_file *rgc_safetensors_read(rgc_arena *arena, const char *path, rgc_diagnostics *diags) {
  FILE *f = fopen(path, "rb");
  struct stat about;
  if (!f || fstat(fileno(f), &about)) {
    rgc_diag_fail(diags, RGC_CODE_FILE_READ, path, NULL, "cannot be opened: %s", strerror(errno));
    if (f) fclose(f);
    return NULL;
  }
  if (!S_ISREG(about.st_mode)) {
    fclose(f);
    rgc_diag_fail(diags, RGC_CODE_FILE_READ, path, NULL, "is no file");
    return NULL;
  }
  size_t size_bytes = (size_t)about.st_size;
  char *bytes = rgc_arena_alloc(arena, size_bytes + 1);
  bool whole = fread(bytes, 1, size_bytes, f) == size_bytes;
  fclose(f);
  if (whole) return rgc_safetensors_parse(arena, bytes, size_bytes, path, diags);
  rgc_diag_fail(diags, RGC_CODE_FILE_READ, path, NULL, "cannot be read to its end");
  return NULL;
}
