/* npy.c: see npy.h. The header is a Python dict literal; NumPy writes its three keys in sorted order with fixed spelling,
 * others may not, so each key is searched for. */
#include "runtime/data/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/slurp.h"

enum { PREFIX_BYTES = 10, HEADER_ALIGN_BYTES = 64 };

static const char magic[] = "\x93NUMPY";
static const char convert_help[] = "save it again with numpy.save(path, numpy.ascontiguousarray(array.astype('<f4')))";

static const struct {
  const char *descr;
  size_t bytes;
} types[RGC_NPY_TYPE_COUNT] = {
    [RGC_NPY_U8] = {"|u1", 1},  [RGC_NPY_I8] = {"|i1", 1},  [RGC_NPY_BOOL] = {"|b1", 1}, [RGC_NPY_I32] = {"<i4", 4},
    [RGC_NPY_I64] = {"<i8", 8}, [RGC_NPY_F32] = {"<f4", 4}, [RGC_NPY_F64] = {"<f8", 8},
};

size_t rgc_npy_type_bytes(rgc_npy_type type) { return types[type].bytes; }

static bool bad_header(const char *path, rgc_diagnostics *diags) {
  return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "the file may be damaged: fetch or save it again",
                       "the .npy header cannot be read");
}

/* Where the value of `key` starts, NULL if the header has no such key. */
static const char *find_value(const char *header, const char *key) {
  const char *at = strstr(header, key);
  if (!at) return NULL;
  at += strlen(key);
  at += strspn(at, " ");
  if (*at++ != ':') return NULL;
  return at + strspn(at, " ");
}

static bool parse_type(const char *path, const char *value, rgc_npy *out, rgc_diagnostics *diags) {
  if (!value || (*value != '\'' && *value != '"')) return bad_header(path, diags);
  for (int i = 0; i < RGC_NPY_TYPE_COUNT; i++) {
    size_t length = strlen(types[i].descr);
    if (strncmp(value + 1, types[i].descr, length) || value[1 + length] != *value) continue;
    out->type = (rgc_npy_type)i;
    return true;
  }
  return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, convert_help, "element type %.*s is not supported",
                       (int)strcspn(value, ","), value);
}

/* "(5, 3, 7)" or "()" or "(5,)"; the product must fit the memory. */
static bool parse_shape(const char *path, const char *at, rgc_npy *out, rgc_diagnostics *diags) {
  if (!at || *at++ != '(') return bad_header(path, diags);
  out->count_elems = 1;
  for (;;) {
    at += strspn(at, ", ");
    if (*at == ')') return true;
    char *end;
    errno = 0;
    long long size = strtoll(at, &end, 10);
    if (end == at || size < 0 || errno || out->rank == RGC_NPY_MAX_RANK) return bad_header(path, diags);
    if (__builtin_mul_overflow(out->count_elems, (size_t)size, &out->count_elems)) return bad_header(path, diags);
    if (out->count_elems > SIZE_MAX / 16) return bad_header(path, diags);
    out->shape[out->rank++] = size;
    at = end;
  }
}

static bool parse_order(const char *path, const char *value, rgc_diagnostics *diags) {
  if (value && !strncmp(value, "False", 5)) return true;
  if (!value || strncmp(value, "True", 4)) return bad_header(path, diags);
  return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, convert_help, "arrays in Fortran order are not supported");
}

/* The bytes before the data, 0 if the file is not .npy (reported). */
static size_t header_end(const rgc_file_bytes *file, size_t *start, rgc_diagnostics *diags) {
  const uint8_t *b = file->data;
  if (file->size_bytes < PREFIX_BYTES || memcmp(b, magic, 6)) {
    rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, file->path, "give a file written by numpy.save", "not a .npy file");
    return 0;
  }
  if (b[6] < 1 || b[6] > 3) return (size_t)bad_header(file->path, diags);
  *start = b[6] == 1 ? PREFIX_BYTES : PREFIX_BYTES + 2;
  if (rgc_file_is_short(file, *start, "the header", diags)) return 0;
  size_t length = (size_t)b[8] | (size_t)b[9] << 8;
  if (b[6] > 1) length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  return rgc_file_is_short(file, *start + length, "the header", diags) ? 0 : *start + length;
}

bool rgc_npy_read(const char *path, rgc_arena *arena, rgc_npy *out, rgc_diagnostics *diags) {
  rgc_file_bytes file;
  size_t start = 0;
  *out = (rgc_npy){0};
  if (!rgc_file_slurp(path, arena, &file, diags)) return false;
  size_t end = header_end(&file, &start, diags);
  if (!end) return false;
  const char *header = rgc_arena_strndup(arena, (const char *)file.data + start, end - start);
  if (!parse_type(path, find_value(header, "'descr'"), out, diags)) return false;
  if (!parse_order(path, find_value(header, "'fortran_order'"), diags)) return false;
  if (!parse_shape(path, find_value(header, "'shape'"), out, diags)) return false;
  size_t bytes = out->count_elems * types[out->type].bytes;
  if (rgc_file_is_short(&file, (uint64_t)end + bytes, "the array", diags)) return false;
  void *copy = (void *)(file.data + end);
  if (end % 8) copy = memcpy(rgc_arena_alloc(arena, bytes), file.data + end, bytes); /* old writers align to 16 only */
  out->data = copy;
  return true;
}

static void print_header(const rgc_npy *array, rgc_text *out) {
  rgc_text_printf(out, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[array->type].descr);
  for (int i = 0; i < array->rank; i++)
    rgc_text_printf(out, "%s%" PRId64 "%s", i ? " " : "", array->shape[i], i + 1 < array->rank || i == 0 ? "," : "");
  rgc_text_add(out, "), }");
  while ((PREFIX_BYTES + out->length + 1) % HEADER_ALIGN_BYTES) rgc_text_add(out, " ");
  rgc_text_add(out, "\n");
}

bool rgc_npy_write(const char *path, const rgc_npy *array, rgc_diagnostics *diags) {
  rgc_text header = {0};
  print_header(array, &header);
  const unsigned char tail[] = {1, 0, (unsigned char)(header.length & 255), (unsigned char)(header.length >> 8)};
  FILE *f = fopen(path, "wb");
  bool ok = f != NULL;
  ok = ok && fwrite(magic, 1, 6, f) == 6 && fwrite(tail, 1, sizeof tail, f) == sizeof tail;
  ok = ok && fwrite(header.chars, 1, header.length, f) == header.length;
  ok = ok && fwrite(array->data, types[array->type].bytes, array->count_elems, f) == array->count_elems;
  int reason = errno;
  if (f && fclose(f)) ok = false, reason = errno;
  rgc_text_free(&header);
  return ok || rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "check that the folder exists and has room",
                             "cannot write the array: %s", strerror(reason));
}
