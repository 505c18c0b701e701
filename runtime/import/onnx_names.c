/* onnx_names.c: see onnx_names.h. */
#include "runtime/import/onnx_names.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/import/onnx.h"

enum { MAX_INPUTS = 5 };

static const char renamed[] = "onnx::";

/* What each input of an op is called by PyTorch; NULL: no parameter. */
static const struct {
  const char *op;
  const char *inputs[MAX_INPUTS];
} layers[] = {
    {"Conv", {NULL, "weight", "bias"}},
    {"Gemm", {NULL, "weight", "bias"}},
    {"BatchNormalization", {NULL, "weight", "bias", "running_mean", "running_var"}},
};

static bool is_text(rgc_proto_span span, const char *text) {
  return (size_t)(span.end - span.at) == strlen(text) && !memcmp(span.at, text, strlen(text));
}

/* "layer1.0.conv1" of "/layer1/layer1.0/conv1/Conv": scopes joined by dots, where one that repeats the scope around it ("layer1.0" in "layer1")
 * stands for both. NULL where the name has no scopes. */
static const char *layer_of(rgc_proto_span name, rgc_arena *arena) {
  const char *at = (const char *)name.at, *end = (const char *)name.end, *last = end;
  if (at == end || *at != '/') return NULL;
  while (last > at && last[-1] != '/') last--;
  rgc_text out = {0};
  size_t outer = 0; /* where the scope before begins in `out` */
  for (const char *scope = at + 1; scope < last; scope++) {
    size_t length = (size_t)((const char *)memchr(scope, '/', (size_t)(end - scope)) - scope), before = out.length - outer;
    bool repeats = before && length > before && scope[before] == '.' && !memcmp(scope, out.chars + outer, before);
    if (repeats) rgc_text_add_bytes(&out, scope + before, length - before);
    else {
      if (out.length) rgc_text_add(&out, ".");
      outer = out.length;
      rgc_text_add_bytes(&out, scope, length);
    }
    scope += length;
  }
  if (!out.length) return rgc_text_free(&out), NULL;
  return rgc_text_take(&out, arena);
}

/* A NODE message, as far as names need it. */
typedef struct node {
  rgc_proto_span name, op, inputs[MAX_INPUTS], output; /* the last output */
  int input_count;
} node;

static void read_node(rgc_proto_span span, node *n) {
  rgc_proto_field f;
  *n = (node){0};
  while (rgc_proto_next(&span, &f) > 0) {
    if (f.wire != 2) continue;
    if (f.number == ONNX_NODE_NAME) n->name = f.span;
    if (f.number == ONNX_NODE_OP) n->op = f.span;
    if (f.number == ONNX_NODE_OUTPUT) n->output = f.span;
    if (f.number == ONNX_NODE_INPUT && n->input_count < MAX_INPUTS) n->inputs[n->input_count++] = f.span;
  }
}

/* The initializers by their names in the file, sorted. */
typedef struct entry {
  const char *name;
  int tensor;
  bool is_constant; /* "onnx::...", and not named yet */
} entry;

typedef struct namer {
  rgc_tensor_file *file;
  rgc_arena *arena;
  entry *entries;
  int entry_count, named, biases, copied;
} namer;

static int by_name(const void *a, const void *b) { return strcmp(((const entry *)a)->name, ((const entry *)b)->name); }

static void list_entries(namer *n) {
  n->entry_count = n->file->tensor_count;
  n->entries = RGC_NEW_ARRAY(n->arena, entry, n->entry_count + 1);
  for (int t = 0; t < n->entry_count; t++) {
    const char *name = n->file->tensors[t].name;
    n->entries[t] = (entry){name, t, !strncmp(name, renamed, sizeof renamed - 1)};
  }
  qsort(n->entries, (size_t)n->entry_count, sizeof *n->entries, by_name);
}

static int compare_span(const void *key, const void *item) {
  const rgc_proto_span *span = key;
  const char *name = ((const entry *)item)->name;
  size_t length = (size_t)(span->end - span->at), other = strlen(name);
  int order = memcmp(span->at, name, length < other ? length : other);
  return order ? order : (length > other) - (length < other);
}

static entry *find_entry(const namer *n, rgc_proto_span name) {
  return name.at < name.end ? bsearch(&name, n->entries, (size_t)n->entry_count, sizeof *n->entries, compare_span) : NULL;
}

static void name_inputs(namer *n, const node *reads) {
  const char *layer = NULL;
  size_t kind = 0, kinds = sizeof layers / sizeof *layers;
  while (kind < kinds && !is_text(reads->op, layers[kind].op)) kind++;
  for (int i = 0; kind < kinds && i < reads->input_count; i++) {
    entry *found = layers[kind].inputs[i] ? find_entry(n, reads->inputs[i]) : NULL;
    if (!found || !found->is_constant) continue;
    if (!layer && !(layer = layer_of(reads->name, n->arena))) return;
    n->file->tensors[found->tensor].name = rgc_arena_printf(n->arena, "%s.%s", layer, layers[kind].inputs[i]);
    found->is_constant = false;
    n->named++;
  }
}

/* A bias that PyTorch's newer exporter made when it folded a batch norm: "conv1.weight_bias", beside "conv1.weight". */
static void name_bias(namer *n, const node *reads) {
  static const char weight_end[] = ".weight", bias_end[] = "_bias";
  const entry *weight = reads->input_count > 2 ? find_entry(n, reads->inputs[1]) : NULL, *bias = weight ? find_entry(n, reads->inputs[2]) : NULL;
  if (!bias || !(is_text(reads->op, "Conv") || is_text(reads->op, "Gemm"))) return;
  size_t length = strlen(weight->name), tail = sizeof weight_end - 1;
  if (length <= tail || strcmp(weight->name + length - tail, weight_end) || strncmp(bias->name, weight->name, length) || strcmp(bias->name + length, bias_end)) return;
  n->file->tensors[bias->tensor].name = rgc_arena_printf(n->arena, "%.*s.bias", (int)(length - tail), weight->name);
  n->biases++;
}

/* False where there are too many tensors already. */
static bool copy_input(namer *n, const node *identity) {
  size_t length = (size_t)(identity->output.end - identity->output.at);
  const entry *found = identity->input_count == 1 ? find_entry(n, identity->inputs[0]) : NULL;
  if (!found || !length || memchr(identity->output.at, 0, length)) return true;
  if (n->file->tensor_count == RGC_ONNX_MAX_TENSORS) return false;
  rgc_tensor copy = n->file->tensors[found->tensor];
  copy.name = rgc_arena_strndup(n->arena, (const char *)identity->output.at, length);
  *RGC_PUSH(n->arena, n->file->tensors, n->file->tensor_count, n->file->tensor_capacity) = copy;
  n->copied++;
  return true;
}

static void note(namer *n, int count, const char *what) {
  rgc_tensor_file *f = n->file;
  if (count) *RGC_PUSH(n->arena, f->metadata, f->metadata_count, f->metadata_capacity) = (rgc_metadata){"note", rgc_arena_printf(n->arena, "%d %s", count, what)};
}

bool rgc_onnx_name_tensors(rgc_tensor_file *file, rgc_proto_span graph, rgc_arena *arena) {
  namer n = {.file = file, .arena = arena};
  rgc_proto_field f;
  node read;
  list_entries(&n);
  while (rgc_proto_next(&graph, &f) > 0) {
    if (f.number != ONNX_GRAPH_NODE || f.wire != 2) continue;
    read_node(f.span, &read);
    if (is_text(read.op, "Identity") && !copy_input(&n, &read)) return false;
    name_inputs(&n, &read);
    name_bias(&n, &read);
  }
  note(&n, n.named, "constants of the exporter ('onnx::...') are called after the layers that read them");
  note(&n, n.biases, "biases that the exporter folded batch norms into ('conv1.weight_bias') are called as layers' biases are");
  note(&n, n.copied, "tensors are Identity nodes of others in the file");
  return true;
}
