/* import.c: see import.h. */
#include "runtime/import/import.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/file.h"
#include "compiler/plan/plan.h"
#include "runtime/data/slurp.h"
#include "runtime/import/import_fit.h"
#include "runtime/import/import_folded.h"
#include "runtime/import/import_mismatch.h"
#include "runtime/import/import_names.h"
#include "runtime/import/import_settled.h"
#include "runtime/import/onnx_file.h"
#include "runtime/import/shards.h"
#include "runtime/import/torch_file.h"

const char *rgc_import_fate_word(rgc_import_fate fate) {
  static const char *const words[] = {"loaded", "reshaped", "folded", "fresh", "missing", "misfit", "left over"};
  return words[fate];
}

/* A file of a kind that is not read: which, as far as its first bytes tell. */
static bool refuse_kind(const unsigned char *bytes, size_t size_bytes, const char *path, rgc_diagnostics *diags) {
  static const struct {
    const char *begin, *what, *help;
  } kinds[] = {
      {"\x89HDF", "is an HDF5 file, as Keras writes them", NULL},
      {"\x80", "is a pickle that torch.save did not write", "in Python, torch.save(model.state_dict(), FILE) writes what is read"},
  };
  const char *what = size_bytes ? "is of no kind that is read" : "is empty", *help = NULL;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t length = strlen(kinds[i].begin);
    if (size_bytes >= length && !memcmp(bytes, kinds[i].begin, length)) what = kinds[i].what, help = kinds[i].help;
  }
  return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, help ? help : "read are files of torch.save (.pth, .pt, .th), ONNX models, safetensors, and plans", "%s", what);
}

/* By the brace behind the header's length. */
static bool is_safetensors(const unsigned char *bytes, size_t size_bytes) { return size_bytes > 8 && bytes[8] == '{'; }

rgc_tensor_file *rgc_import_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *folder, const char *path, rgc_diagnostics *diags) {
  rgc_tensor_file *file = NULL;
  if (rgc_shards_is_index(bytes, size_bytes)) file = rgc_shards_parse(arena, bytes, size_bytes, folder, path, diags);
  else if (rgc_torch_is_file(bytes, size_bytes)) file = rgc_torch_parse(arena, bytes, size_bytes, path, diags);
  else if (rgc_onnx_is_file(bytes, size_bytes)) file = rgc_onnx_parse(arena, bytes, size_bytes, folder, path, diags);
  else if (is_safetensors(bytes, size_bytes)) file = rgc_safetensors_parse(arena, bytes, size_bytes, path, diags);
  else refuse_kind(bytes, size_bytes, path, diags);
  while (file && rgc_import_strip(file, arena)) continue;
  return file;
}

rgc_tensor_file *rgc_import_open(rgc_arena *arena, const char *path, rgc_diagnostics *diags) {
  rgc_file_bytes bytes;
  return rgc_file_slurp(path, arena, &bytes, diags) ? rgc_import_parse(arena, bytes.data, bytes.size_bytes, rgc_folder_of(path, arena), path, diags) : NULL;
}

/* One mapping at work. */
typedef struct mapping {
  const rgc_network *network;
  const rgc_graph *graph;
  const rgc_tensor_file *file;
  bool settled;       /* the network's rules were followed before the file was written: names and shapes are its own */
  const char **names; /* [file->tensor_count]: after the rename rules */
  bool *used;         /* [file->tensor_count] */
  const char *path;
  rgc_arena *arena;
  rgc_import_report *report;
  rgc_mismatch mismatch;
  bool any_folded;
  rgc_tensor_file *made;
  rgc_diagnostics *diags;
} mapping;

static void tell(mapping *m, rgc_import_fate fate, const char *name, const char *detail) {
  *RGC_PUSH(m->arena, m->report->lines, m->report->count, m->report->capacity) = (rgc_import_line){fate, name, detail};
}

static void add_name(mapping *m, rgc_names *names, const char *name) { *RGC_PUSH(m->arena, names->items, names->count, names->capacity) = name; }

/* ---- numbers ---- */

static double half(uint16_t bits) {
  int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double value = exponent == 31 ? (mantissa ? NAN : INFINITY) : exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
  return bits >> 15 ? -value : value;
}

/* Element e of the data, which may be unaligned. */
static double number_at(const rgc_tensor *t, int64_t e) {
  const unsigned char *at = (const unsigned char *)t->data + (size_t)e * rgc_tensor_elem_bytes(t->dtype);
  union {
    float f32;
    double f64;
    int64_t i64;
    int32_t i32;
    uint32_t u32;
    uint16_t u16;
  } u = {0};
  memcpy(&u, at, rgc_tensor_elem_bytes(t->dtype));
  switch (t->dtype) {
    case RGC_TENSOR_F32: return (double)u.f32;
    case RGC_TENSOR_F64: return u.f64;
    case RGC_TENSOR_I64: return (double)u.i64;
    case RGC_TENSOR_I32: return u.i32;
    case RGC_TENSOR_F16: return half(u.u16);
    case RGC_TENSOR_BF16: u.u32 = (uint32_t)u.u16 << 16; return (double)u.f32;
    case RGC_TENSOR_I16: return (int16_t)u.u16;
    case RGC_TENSOR_I8: return (int8_t)*at;
    default: return *at;
  }
}

static bool convert(mapping *m, const rgc_tensor *from, float *to, int64_t count) {
  for (int64_t e = 0; e < count; e++) {
    to[e] = (float)number_at(from, e);
    if (!isfinite(to[e]))
      return rgc_diag_fail(m->diags, RGC_CODE_WEIGHTS, m->path, "the training that wrote the file went wrong, or the file is damaged",
                           "'%s' holds a value that is not finite as float32 (element %" PRId64 ")", from->name, e);
  }
  return true;
}

/* [O,I,..] to [O,1,..]: the sum over the input channels, so that a grey image gives what it gave as three equal channels. */
static void sum_channels(float *data, const int64_t *shape) {
  int64_t taps = shape[2] * shape[3];
  for (int64_t o = 0; o < shape[0]; o++)
    for (int64_t t = 0; t < taps; t++) {
      double sum = 0;
      for (int64_t i = 0; i < shape[1]; i++) sum += (double)data[(o * shape[1] + i) * taps + t];
      data[o * taps + t] = (float)sum; /* behind what is still to be read */
    }
}

/* ---- shapes ---- */

/* Whether the graph file lets the input channels be summed: a convolution of the image, 3 channels to 1. */
static bool may_sum(const mapping *m, const int64_t *want, int rank, const rgc_tensor *t) {
  return m->network->weights_sum_channels && m->network->channels == 1 && rank == 4 && t->rank == 4 && want[1] == 1 && t->shape[1] > 1 &&
         want[0] == t->shape[0] && want[2] == t->shape[2] && want[3] == t->shape[3];
}

static void misfit(mapping *m, const rgc_value *v, const rgc_tensor *t) {
  tell(m, RGC_IMPORT_MISFIT, v->name, rgc_import_shape_text(t->shape, t->rank, m->arena));
  *RGC_PUSH(m->arena, m->mismatch.misfits, m->mismatch.count, m->mismatch.capacity) = (rgc_misfit){v, t};
}

static const char *detail_of(mapping *m, const rgc_value *v, const rgc_tensor *t, const char *how) {
  rgc_text out = {0};
  if (*how) rgc_text_add(&out, how);
  if (strcmp(v->name, t->name)) rgc_text_printf(&out, "%sfrom %s", out.length ? ", " : "", t->name);
  if (t->dtype != RGC_TENSOR_F32) rgc_text_printf(&out, "%s%s to F32", out.length ? ", " : "", rgc_tensor_dtype_word(t->dtype));
  return rgc_text_take(&out, m->arena);
}

static bool take(mapping *m, const rgc_value *v, const rgc_tensor *t) {
  rgc_tensor made = {.name = v->name, .dtype = RGC_TENSOR_F32};
  made.rank = rgc_torch_shape(v, made.shape);
  bool equal = made.rank == t->rank && !memcmp(made.shape, t->shape, sizeof *t->shape * (size_t)t->rank);
  bool sum = !equal && may_sum(m, made.shape, made.rank, t);
  if (!equal && !sum && !rgc_import_same_shape(made.shape, made.rank, t->shape, t->rank)) return misfit(m, v, t), false;
  int64_t elems = (int64_t)(t->size_bytes / rgc_tensor_elem_bytes(t->dtype));
  float *data = RGC_NEW_ARRAY(m->arena, float, elems + 1);
  if (!convert(m, t, data, elems)) return false;
  if (sum) sum_channels(data, t->shape);
  made.data = data;
  made.size_bytes = sizeof(float) * (size_t)rgc_shape_elems(v->shape);
  *RGC_PUSH(m->arena, m->made->tensors, m->made->tensor_count, m->made->tensor_capacity) = made;
  const char *how = equal ? "" : sum ? "input channels summed" : rgc_arena_printf(m->arena, "%s to %s", rgc_import_shape_text(t->shape, t->rank, m->arena),
                                                                                  rgc_import_shape_text(made.shape, made.rank, m->arena));
  tell(m, equal ? RGC_IMPORT_LOADED : RGC_IMPORT_RESHAPED, v->name, detail_of(m, v, t, how));
  return true;
}

/* ---- names ---- */

static bool is_fresh(const mapping *m, const char *name, const char *head) {
  if (m->settled) return false;
  for (int i = 0; i < m->network->fresh.count; i++)
    if (rgc_layer_holds(m->network->fresh.items[i], name)) return true;
  return m->network->weights_head_fresh && head && rgc_layer_holds(head, name);
}

/* Rules of rename: that match no name; each sees the names as those before it leave them. */
static void note_unmatched(mapping *m) {
  const rgc_naming *rename = &m->network->rename;
  bool *matched = RGC_NEW_ARRAY(m->arena, bool, rename->count + 1);
  for (int i = 0; i < m->file->tensor_count; i++)
    for (int k = 0; k < rename->count; k++) {
      const rgc_naming before = {.rules = rename->rules, .count = k};
      const char *name = rgc_naming_ours(&before, m->file->tensors[i].name, m->arena);
      if (rgc_import_rename(rename->rules[k].theirs, "", name, m->arena)) matched[k] = true;
    }
  for (int k = 0; k < rename->count; k++)
    if (!matched[k]) add_name(m, &m->report->notes, rgc_arena_printf(m->arena, "rename: no tensor is called '%s'", rename->rules[k].theirs));
}

static void rename_all(mapping *m) {
  const rgc_naming *used = NULL;
  m->names = rgc_import_name_all(m->network, m->graph, m->file, &used, m->arena);
  if (used) add_name(m, &m->report->notes, rgc_arena_printf(m->arena, "the names are those of names: %s", used->name));
  note_unmatched(m);
}

/* A parameter or buffer of a batch norm that the file has folded into the layer before; false where it has not. */
static bool take_folded(mapping *m, const rgc_value *v) {
  rgc_folded_part part;
  int bias = rgc_import_folded(m->graph, v->id, &part) ? rgc_import_find(m->names, m->file->tensor_count, part.bias) : -1;
  for (int k = 0; bias >= 0 && k < 4; k++)
    if (rgc_import_find(m->names, m->file->tensor_count, part.parts[k]) >= 0) return false;
  if (bias < 0) return false;
  m->any_folded = m->used[bias] = true;
  if (part.is_bias) return take(m, v, &m->file->tensors[bias]), true;
  rgc_tensor made = {.name = v->name, .dtype = RGC_TENSOR_F32};
  made.rank = rgc_torch_shape(v, made.shape);
  float *data = RGC_NEW_ARRAY(m->arena, float, rgc_shape_elems(v->shape));
  for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) data[e] = (float)part.number;
  made.data = data;
  made.size_bytes = sizeof *data * (size_t)rgc_shape_elems(v->shape);
  *RGC_PUSH(m->arena, m->made->tensors, m->made->tensor_count, m->made->tensor_capacity) = made;
  tell(m, RGC_IMPORT_FOLDED, v->name, "into the layer before");
  return true;
}

static void map_values(mapping *m) {
  const char *head = m->mismatch.head = rgc_import_head(m->graph);
  for (int i = 0; i < m->graph->value_count; i++) {
    const rgc_value *v = &m->graph->values[i];
    if (!rgc_import_is_wanted(v)) continue;
    int found = rgc_import_find(m->names, m->file->tensor_count, v->name);
    if (is_fresh(m, v->name, head)) {
      if (found >= 0) m->used[found] = true;
      tell(m, RGC_IMPORT_FRESH, v->name, "");
    } else if (found < 0 && take_folded(m, v)) {
      continue;
    } else if (found < 0) {
      add_name(m, &m->mismatch.missing, v->name);
      tell(m, RGC_IMPORT_MISSING, v->name, "");
    } else {
      m->used[found] = true;
      take(m, v, &m->file->tensors[found]);
    }
  }
}

/* A counter of batches, which PyTorch keeps and no program here reads, is no loss. */
static void list_left_over(mapping *m) {
  for (int i = 0; i < m->file->tensor_count; i++)
    if (!m->used[i] && !rgc_import_is_counter(m->file->tensors[i].name)) {
      add_name(m, &m->mismatch.left_over, m->file->tensors[i].name);
      tell(m, RGC_IMPORT_LEFT_OVER, m->file->tensors[i].name, rgc_import_shape_text(m->file->tensors[i].shape, m->file->tensors[i].rank, m->arena));
    }
}

/* A file that has more than the network takes may be of another one. */
static void note_left_over(mapping *m) {
  const char *fitting = m->mismatch.left_over.count ? rgc_import_fitting(m->network, m->file, m->arena) : NULL;
  if (fitting)
    add_name(m, &m->report->notes, rgc_arena_printf(m->arena, "%d tensors of the file are left over; all of it fits %s", m->mismatch.left_over.count, fitting));
}

rgc_tensor_file *rgc_import_map(const rgc_network *network, const rgc_graph *graph, const rgc_tensor_file *file, const char *path,
                                rgc_arena *arena, rgc_import_report *report, rgc_diagnostics *diags) {
  rgc_import_report own = {0};
  mapping m = {.network = network, .graph = graph, .file = file, .path = path, .arena = arena, .diags = diags};
  int errors = diags->error_count;
  m.report = report ? report : &own;
  m.made = RGC_NEW(arena, rgc_tensor_file);
  m.names = RGC_NEW_ARRAY(arena, const char *, file->tensor_count + 1);
  m.used = RGC_NEW_ARRAY(arena, bool, file->tensor_count + 1);
  for (int i = 0; i < file->metadata_count; i++)
    if (!strcmp(file->metadata[i].key, "note")) add_name(&m, &m.report->notes, file->metadata[i].text);
  m.settled = rgc_import_is_settled(network, file, arena);
  if (m.settled) {
    for (int i = 0; i < file->tensor_count; i++) m.names[i] = file->tensors[i].name;
  } else {
    rename_all(&m);
  }
  map_values(&m);
  if (m.any_folded)
    add_name(&m, &m.report->notes, "batch norms are folded into the layers before them: right for inference, and for training where those are frozen");
  list_left_over(&m);
  if (diags->error_count == errors && !m.mismatch.count && !m.mismatch.missing.count) note_left_over(&m);
  rgc_import_report_mismatch(&m.mismatch, network, file, path, diags);
  return diags->error_count == errors ? m.made : NULL;
}
