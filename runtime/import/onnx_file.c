/* onnx_file.c: see onnx_file.h. */
#include "runtime/import/onnx_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/import/onnx.h"
#include "runtime/import/onnx_external.h"
#include "runtime/import/onnx_names.h"
#include "runtime/import/protobuf.h"

enum { MAX_NAME = 1 << 10 };

typedef struct reader {
  rgc_arena *arena;
  const char *path;
  rgc_diagnostics *diags;
  rgc_tensor_file *file;
  rgc_onnx_external *externals; /* of the tensors whose numbers stand in other files */
  int external_count, external_capacity;
  rgc_proto_span graph;
  bool has_opset;
} reader;

static bool fault(const reader *r, const char *what, const char *name) {
  return rgc_diag_fail(r->diags, RGC_CODE_WEIGHTS, r->path, "fetch or write the file again", "%s%s%s", what, name ? ": " : "", name ? name : "");
}

static bool broken(const reader *r) { return fault(r, "the ONNX file is truncated or damaged", NULL); }

/* The tag of ir_version is 8, which may also be the lowest byte of a safetensors header's length: that has zeros above, and a brace behind. */
bool rgc_onnx_is_file(const void *bytes, size_t size_bytes) {
  const unsigned char *b = bytes;
  bool is_safetensors = size_bytes > 8 && b[8] == '{' && !b[6] && !b[7];
  return size_bytes > 2 && b[0] == ONNX_MODEL_IR_VERSION << 3 && b[1] > 0 && b[1] < 128 && !is_safetensors;
}

/* ---- one tensor ---- */

/* How each type is stored: raw, or in the field `typed`, whose numbers are of `typed_bytes` bytes, 0: varints. */
static const struct {
  int onnx;
  rgc_tensor_dtype dtype;
  int typed, typed_bytes;
} types[] = {
    {ONNX_FLOAT, RGC_TENSOR_F32, ONNX_TENSOR_FLOATS, 4},  {ONNX_DOUBLE, RGC_TENSOR_F64, ONNX_TENSOR_DOUBLES, 8},
    {ONNX_INT64, RGC_TENSOR_I64, ONNX_TENSOR_INT64S, 0},  {ONNX_INT32, RGC_TENSOR_I32, ONNX_TENSOR_INT32S, 0},
    {ONNX_FLOAT16, RGC_TENSOR_F16, ONNX_TENSOR_INT32S, 0}, {ONNX_BFLOAT16, RGC_TENSOR_BF16, ONNX_TENSOR_INT32S, 0},
    {ONNX_UINT8, RGC_TENSOR_U8, ONNX_TENSOR_INT32S, 0},   {ONNX_BOOL, RGC_TENSOR_BOOL, ONNX_TENSOR_INT32S, 0},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

/* What a TENSOR message says, before it is believed. */
typedef struct draft {
  rgc_tensor tensor;
  uint64_t type;
  int raw_count, typed_field; /* RAW fields; the field of numbers that was seen, 0: none */
  rgc_proto_span raw;
  unsigned char *numbers; /* those of typed_field, as they will lie in memory */
  size_t number_bytes, number_capacity;
  bool is_external;
  rgc_onnx_external external;
} draft;

static bool add_dim(const reader *r, draft *d, uint64_t extent) {
  if (d->tensor.rank == RGC_TENSOR_MAX_RANK || extent > INT64_MAX) return fault(r, "a tensor without a usable shape", d->tensor.name);
  d->tensor.shape[d->tensor.rank++] = (int64_t)extent;
  return true;
}

static bool read_dims(const reader *r, draft *d, const rgc_proto_field *f) {
  rgc_proto_span span = f->span;
  uint64_t extent;
  if (f->wire == 0) return add_dim(r, d, f->value);
  while (f->wire == 2 && span.at < span.end)
    if (!rgc_proto_varint(&span, &extent)) return broken(r);
    else if (!add_dim(r, d, extent)) return false;
  return f->wire == 2 || broken(r);
}

static const char *read_text(const reader *r, const rgc_proto_field *f) {
  size_t length = f->wire == 2 ? (size_t)(f->span.end - f->span.at) : MAX_NAME + 1;
  if (length > MAX_NAME || memchr(f->span.at, 0, length)) return fault(r, "a name that is none", NULL), NULL;
  return rgc_arena_strndup(r->arena, (const char *)f->span.at, length);
}

static void add_number(const reader *r, draft *d, uint64_t number, size_t bytes) {
  if (d->number_bytes + 8 > d->number_capacity) {
    d->number_capacity = d->number_capacity * 2 + 64;
    unsigned char *larger = rgc_arena_alloc(r->arena, d->number_capacity);
    if (d->number_bytes) memcpy(larger, d->numbers, d->number_bytes);
    d->numbers = larger;
  }
  memcpy(d->numbers + d->number_bytes, &number, bytes);
  d->number_bytes += bytes;
}

/* Numbers of a field of another type than RAW; the tensor's own type is known by now. */
static bool read_numbers(const reader *r, draft *d, const rgc_proto_field *f, int typed_bytes, size_t elem_bytes) {
  rgc_proto_span span = f->span;
  uint64_t number;
  if (f->wire != 2) return add_number(r, d, f->value, elem_bytes), f->wire == (typed_bytes == 8 ? 1 : typed_bytes == 4 ? 5 : 0) || broken(r);
  if (typed_bytes && (span.end - span.at) % typed_bytes) return broken(r);
  if (typed_bytes && !d->number_bytes) { /* all at once, as nearly always: they stay where they are */
    d->numbers = (unsigned char *)(uintptr_t)span.at;
    d->number_bytes = d->number_capacity = (size_t)(span.end - span.at);
    return true;
  }
  for (; span.at < span.end; add_number(r, d, number, elem_bytes)) {
    if (!typed_bytes && !rgc_proto_varint(&span, &number)) return broken(r);
    if (typed_bytes) memcpy(&number, span.at, (size_t)typed_bytes), span.at += typed_bytes;
  }
  return true;
}

/* All fields but the numbers. */
static bool read_head(const reader *r, rgc_proto_span span, draft *d) {
  rgc_proto_field f;
  int status;
  while ((status = rgc_proto_next(&span, &f)) > 0) {
    if (f.number == ONNX_TENSOR_NAME && !(d->tensor.name = read_text(r, &f))) return false;
    if (f.number == ONNX_TENSOR_DIMS && !read_dims(r, d, &f)) return false;
    if (f.number == ONNX_TENSOR_TYPE) d->type = f.value;
    if (f.number == ONNX_TENSOR_RAW) d->raw = f.span, d->raw_count++;
    d->is_external |= f.number == ONNX_TENSOR_EXTERNAL || (f.number == ONNX_TENSOR_LOCATION && f.value == ONNX_LOCATION_EXTERNAL);
    if (f.number == ONNX_TENSOR_EXTERNAL && (f.wire != 2 || !rgc_onnx_external_entry(&d->external, f.span, r->arena)))
      return fault(r, "a tensor whose numbers are in another file, at a place that is none", d->tensor.name);
    if (f.number == ONNX_TENSOR_SEGMENT) return fault(r, "a tensor in segments, which nobody writes", d->tensor.name);
    if (f.number == ONNX_TENSOR_RAW && f.wire != 2) return broken(r);
  }
  return !status || broken(r);
}

static bool read_typed(const reader *r, rgc_proto_span span, draft *d, int type) {
  rgc_proto_field f;
  while (rgc_proto_next(&span, &f) > 0) {
    bool is_data = f.number == ONNX_TENSOR_FLOATS || f.number == ONNX_TENSOR_INT32S || f.number == ONNX_TENSOR_STRINGS || f.number == ONNX_TENSOR_INT64S ||
                   f.number == ONNX_TENSOR_DOUBLES || f.number == ONNX_TENSOR_UINT64S;
    if (!is_data) continue;
    if (f.number != types[type].typed) return fault(r, "a tensor whose numbers are of another type than it says", d->tensor.name);
    d->typed_field = f.number;
    if (!read_numbers(r, d, &f, types[type].typed_bytes, rgc_tensor_elem_bytes(d->tensor.dtype))) return false;
  }
  return true;
}

/* Bytes that the shape needs; false where no memory could hold them. */
static bool measure(rgc_tensor *t) {
  t->size_bytes = rgc_tensor_elem_bytes(t->dtype);
  for (int i = 0; i < t->rank; i++)
    if (__builtin_mul_overflow(t->size_bytes, (size_t)t->shape[i], &t->size_bytes)) return false;
  return true;
}

static bool add_tensor(reader *r, const rgc_tensor *tensor) {
  if (r->file->tensor_count == RGC_ONNX_MAX_TENSORS) return fault(r, "too many initializers", NULL);
  *RGC_PUSH(r->arena, r->file->tensors, r->file->tensor_count, r->file->tensor_capacity) = *tensor;
  return true;
}

/* One whose numbers are read when all tensors are known. */
static bool add_external(reader *r, draft *d) {
  if (d->raw_count || d->typed_field) return fault(r, "a tensor whose numbers are there twice", d->tensor.name);
  if (!d->external.location) return fault(r, "a tensor whose numbers are in another file, which is not named", d->tensor.name);
  d->external.tensor = r->file->tensor_count;
  *RGC_PUSH(r->arena, r->externals, r->external_count, r->external_capacity) = d->external;
  return add_tensor(r, &d->tensor);
}

static bool read_tensor(reader *r, rgc_proto_span span) {
  draft d = {.tensor = {.name = ""}};
  int type = 0;
  if (!read_head(r, span, &d)) return false;
  if (!*d.tensor.name) return fault(r, "an initializer without a name", NULL);
  while (type < TYPE_COUNT && (uint64_t)types[type].onnx != d.type) type++;
  if (type == TYPE_COUNT) return fault(r, "a tensor of a type that is not read (text, complex, quantised...)", d.tensor.name);
  d.tensor.dtype = types[type].dtype;
  if (!measure(&d.tensor)) return fault(r, "a tensor with an impossible shape", d.tensor.name);
  if (!read_typed(r, span, &d, type)) return false;
  if (d.is_external) return add_external(r, &d);
  if (d.raw_count + (d.typed_field != 0) > 1) return fault(r, "a tensor whose numbers are there twice", d.tensor.name);
  size_t there = d.raw_count ? (size_t)(d.raw.end - d.raw.at) : d.number_bytes;
  if (there != d.tensor.size_bytes)
    return rgc_diag_fail(r->diags, RGC_CODE_WEIGHTS, r->path, "fetch or write the file again", "'%s' needs %zu bytes by its shape, and %zu are there",
                         d.tensor.name, d.tensor.size_bytes, there);
  d.tensor.data = d.raw_count ? d.raw.at : d.numbers ? d.numbers : (const unsigned char *)"";
  return add_tensor(r, &d.tensor);
}

/* ---- the file ---- */

static bool read_model(reader *r, rgc_proto_span span) {
  rgc_proto_field f;
  int status, graphs = 0;
  while ((status = rgc_proto_next(&span, &f)) > 0) {
    if (f.number == ONNX_MODEL_GRAPH && f.wire == 2) r->graph = f.span, graphs++;
    r->has_opset |= f.number == ONNX_MODEL_OPSET;
  }
  if (status < 0) return broken(r);
  return (graphs == 1 && r->has_opset) || fault(r, "this is no ONNX model, or a truncated one: it has no graph or no operator set", NULL);
}

static bool read_graph(reader *r, rgc_proto_span span) {
  rgc_proto_field f;
  int status;
  while ((status = rgc_proto_next(&span, &f)) > 0) {
    if (f.number == ONNX_GRAPH_SPARSE) return fault(r, "sparse initializers, which are not read", NULL);
    if (f.number != ONNX_GRAPH_INITIALIZER) continue;
    if (f.wire != 2) return broken(r);
    if (!read_tensor(r, f.span)) return false;
  }
  if (status < 0) return broken(r);
  return r->file->tensor_count || fault(r, "the ONNX model has no initializers, so no weights", NULL);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool check_names(const reader *r) {
  int count = r->file->tensor_count;
  const char **names = RGC_NEW_ARRAY(r->arena, const char *, count + 1);
  for (int i = 0; i < count; i++) names[i] = r->file->tensors[i].name;
  qsort(names, (size_t)count, sizeof *names, by_name);
  for (int i = 1; i < count; i++)
    if (!strcmp(names[i], names[i - 1])) return fault(r, "two initializers of one name", names[i]);
  return true;
}

static bool read_external(const reader *r, const char *folder) {
  if (!r->external_count) return true;
  if (folder) return rgc_onnx_read_external(r->file, r->externals, r->external_count, folder, r->path, r->arena, r->diags);
  return fault(r, "the numbers are in another file (external data), and the model is in none", r->file->tensors[r->externals[0].tensor].name);
}

rgc_tensor_file *rgc_onnx_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *folder, const char *path, rgc_diagnostics *diags) {
  reader r = {.arena = arena, .path = path, .diags = diags, .file = RGC_NEW(arena, rgc_tensor_file)};
  const unsigned char *b = bytes;
  if (!read_model(&r, (rgc_proto_span){b, b + size_bytes}) || !read_graph(&r, r.graph) || !check_names(&r) || !read_external(&r, folder)) return NULL;
  if (!rgc_onnx_name_tensors(r.file, r.graph, arena)) return fault(&r, "too many initializers", NULL), NULL;
  return check_names(&r) ? r.file : NULL;
}
