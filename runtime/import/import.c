/* import.c: see import.h. */
#include "runtime/import/import.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/plan/plan.h"
#include "runtime/data/slurp.h"
#include "runtime/import/import_names.h"
#include "runtime/import/import_settled.h"
#include "runtime/import/torch_file.h"

const char *rgc_import_fate_word(rgc_import_fate fate) {
  static const char *const words[] = {"loaded", "reshaped", "fresh", "missing", "misfit", "left over"};
  return words[fate];
}

rgc_tensor_file *rgc_import_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *path, rgc_diagnostics *diags) {
  rgc_tensor_file *file = rgc_torch_is_file(bytes, size_bytes) ? rgc_torch_parse(arena, bytes, size_bytes, path, diags)
                                                               : rgc_safetensors_parse(arena, bytes, size_bytes, path, diags);
  while (file && rgc_import_strip(file, arena)) continue;
  return file;
}

rgc_tensor_file *rgc_import_open(rgc_arena *arena, const char *path, rgc_diagnostics *diags) {
  rgc_file_bytes bytes;
  return rgc_file_slurp(path, arena, &bytes, diags) ? rgc_import_parse(arena, bytes.data, bytes.size_bytes, path, diags) : NULL;
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
  rgc_names missing, left_over;
  rgc_tensor_file *made;
  rgc_diagnostics *diags;
} mapping;

static void tell(mapping *m, rgc_import_fate fate, const char *name, const char *detail) {
  *RGC_PUSH(m->arena, m->report->lines, m->report->count, m->report->capacity) = (rgc_import_line){fate, name, detail};
}

static void add_name(mapping *m, rgc_names *names, const char *name) { *RGC_PUSH(m->arena, names->items, names->count, names->capacity) = name; }

static const char *shape_text(rgc_arena *arena, const int64_t *shape, int rank) {
  rgc_text out = {0};
  rgc_text_add(&out, "[");
  for (int i = 0; i < rank; i++) rgc_text_printf(&out, "%s%" PRId64, i ? "," : "", shape[i]);
  rgc_text_add(&out, "]");
  return rgc_text_take(&out, arena);
}

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

static int rank_without_ones(const int64_t *shape, int rank) {
  while (rank > 1 && shape[rank - 1] == 1) rank--;
  return rank;
}

static bool same_but_for_ones(const int64_t *a, int a_rank, const int64_t *b, int b_rank) {
  int x = rank_without_ones(a, a_rank), y = rank_without_ones(b, b_rank);
  return x == y && !memcmp(a, b, sizeof *a * (size_t)x);
}

/* Whether the graph file lets the input channels be summed: a convolution of the image, 3 channels to 1. */
static bool may_sum(const mapping *m, const int64_t *want, int rank, const rgc_tensor *t) {
  return m->network->weights_sum_channels && m->network->channels == 1 && rank == 4 && t->rank == 4 && want[1] == 1 && t->shape[1] > 1 &&
         want[0] == t->shape[0] && want[2] == t->shape[2] && want[3] == t->shape[3];
}

static const char *layer_of(mapping *m, const char *name) {
  const char *dot = strrchr(name, '.');
  return dot ? rgc_arena_strndup(m->arena, name, (size_t)(dot - name)) : name;
}

static void misfit(mapping *m, const rgc_value *v, const int64_t *want, int rank, const rgc_tensor *t) {
  const char *help = "is it of another network?";
  if (rank == t->rank && rank > 1 && want[0] != t->shape[0] && !memcmp(want + 1, t->shape + 1, sizeof *want * (size_t)(rank - 1)))
    help = "another class count? weights: {file: FILE, head: fresh} draws the last layer anew";
  else if (rank == 4 && t->rank == 4 && want[1] == 1 && t->shape[1] == 3)
    help = "weights: {file: FILE, channels: sum} sums the input channels";
  tell(m, RGC_IMPORT_MISFIT, v->name, shape_text(m->arena, t->shape, t->rank));
  rgc_diag_fail(m->diags, RGC_CODE_WEIGHTS, m->path, help, "layer %s: '%s' is %s in the file and %s in the network", layer_of(m, v->name), t->name,
                shape_text(m->arena, t->shape, t->rank), shape_text(m->arena, want, rank));
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
  if (!equal && !sum && !same_but_for_ones(made.shape, made.rank, t->shape, t->rank)) return misfit(m, v, made.shape, made.rank, t), false;
  int64_t elems = (int64_t)(t->size_bytes / rgc_tensor_elem_bytes(t->dtype));
  float *data = RGC_NEW_ARRAY(m->arena, float, elems + 1);
  if (!convert(m, t, data, elems)) return false;
  if (sum) sum_channels(data, t->shape);
  made.data = data;
  made.size_bytes = sizeof(float) * (size_t)rgc_shape_elems(v->shape);
  *RGC_PUSH(m->arena, m->made->tensors, m->made->tensor_count, m->made->tensor_capacity) = made;
  const char *how = equal ? "" : sum ? "input channels summed" : rgc_arena_printf(m->arena, "%s to %s", shape_text(m->arena, t->shape, t->rank),
                                                                                  shape_text(m->arena, made.shape, made.rank));
  tell(m, equal ? RGC_IMPORT_LOADED : RGC_IMPORT_RESHAPED, v->name, detail_of(m, v, t, how));
  return true;
}

/* ---- names ---- */

/* The layer whose output the loss reads, or which is the network's output: what head: fresh means. NULL: it has no weights. */
static const char *head_layer(const rgc_graph *graph) {
  for (int i = graph->op_count - 1; i >= 0; i--)
    if (graph->ops[i].kind == RGC_OP_CONV) return graph->ops[i].layer;
  return NULL;
}

static bool is_fresh(const mapping *m, const char *name, const char *head) {
  if (m->settled) return false;
  for (int i = 0; i < m->network->fresh.count; i++)
    if (rgc_layer_holds(m->network->fresh.items[i], name)) return true;
  return m->network->weights_head_fresh && head && rgc_layer_holds(head, name);
}

static int find_tensor(const mapping *m, const char *name) {
  for (int i = 0; i < m->file->tensor_count; i++)
    if (!strcmp(m->names[i], name)) return i;
  return -1;
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && !strcmp(text + length - tail, end);
}

static void rename_all(mapping *m) {
  const rgc_yaml *rules = m->settled ? NULL : m->network->weights_rename;
  bool *matched = RGC_NEW_ARRAY(m->arena, bool, (rules ? rules->count : 0) + 1);
  for (int i = 0; i < m->file->tensor_count; i++) {
    m->names[i] = m->file->tensors[i].name;
    for (int k = 0; rules && k < rules->count; k++) {
      const char *renamed = rgc_import_rename(rules->keys[k]->text, rules->items[k]->text, m->names[i], m->arena);
      if (renamed) m->names[i] = renamed, matched[k] = true;
    }
  }
  for (int k = 0; rules && k < rules->count; k++)
    if (!matched[k]) add_name(m, &m->report->notes, rgc_arena_printf(m->arena, "rename: no tensor is called '%s'", rules->keys[k]->text));
}

static void map_values(mapping *m) {
  const char *head = head_layer(m->graph);
  for (int i = 0; i < m->graph->value_count; i++) {
    const rgc_value *v = &m->graph->values[i];
    if ((v->role != RGC_ROLE_PARAM && v->role != RGC_ROLE_BUFFER) || v->op >= 0) continue;
    int found = find_tensor(m, v->name);
    if (is_fresh(m, v->name, head)) {
      if (found >= 0) m->used[found] = true;
      tell(m, RGC_IMPORT_FRESH, v->name, "");
    } else if (found < 0) {
      add_name(m, &m->missing, v->name);
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
    if (!m->used[i] && !ends_with(m->file->tensors[i].name, ".num_batches_tracked")) {
      add_name(m, &m->left_over, m->file->tensors[i].name);
      tell(m, RGC_IMPORT_LEFT_OVER, m->file->tensors[i].name, shape_text(m->arena, m->file->tensors[i].shape, m->file->tensors[i].rank));
    }
}

static void report_missing(mapping *m) {
  if (!m->missing.count) return;
  const char *hint = rgc_import_hint(&m->missing, &m->left_over);
  const char *near = rgc_suggest(m->missing.items[0], m->left_over.items, m->left_over.count);
  const char *help = hint ? hint : near ? rgc_arena_printf(m->arena, "rename: {%s: %s} in weights: if '%s' is meant", near, m->missing.items[0], near)
                                        : "is it of another network?";
  rgc_diag_fail(m->diags, RGC_CODE_WEIGHTS, m->path, help, "has no tensor '%s'%s", m->missing.items[0],
                m->missing.count > 1 ? rgc_arena_printf(m->arena, ", nor %d more that the network needs", m->missing.count - 1) : "");
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
  rename_all(&m);
  map_values(&m);
  list_left_over(&m);
  report_missing(&m);
  return diags->error_count == errors ? m.made : NULL;
}
