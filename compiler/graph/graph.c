/* graph.c: making and copying graphs (graph.h), and the tables of ops.def.
 *
 * Everything here appends: ids are positions and never change. Nothing is checked; verify.c does that, on the whole graph.
 * Texts are copied into the graph's arena, so a caller may build names in a buffer of its own. */
#include "compiler/graph/graph.h"

#include <string.h>
#include <xxhash.h>

#include "compiler/graph/graph_text.h"

static const rgc_op_info op_infos[] = {
#define A(id) (1u << RGC_ATTR_##id)
#define OP(id, word, min_in, max_in, min_out, max_out, attributes) {word, min_in, max_in, min_out, max_out, attributes},
#include "compiler/graph/ops.def"
#undef OP
};
static const char *const attribute_words[] = {
#define X(id, word) word,
    RGC_ATTRIBUTES(X)
#undef X
};

const rgc_op_info *rgc_op_info_of(rgc_op_kind kind) { return &op_infos[kind]; }

const char *rgc_attribute_word(rgc_attribute attribute) { return attribute_words[attribute]; }

rgc_graph *rgc_graph_create(rgc_arena *arena, const char *name, int64_t batch) {
  rgc_graph *graph = RGC_NEW(arena, rgc_graph);
  graph->arena = arena;
  graph->name = rgc_arena_strdup(arena, name);
  graph->batch = batch;
  return graph;
}

/* The names' index: open addressing. A renamed value keeps its old place too, where its name no longer fits. */

static unsigned first_slot(const rgc_graph *graph, const char *name) {
  return (unsigned)XXH3_64bits(name, strlen(name)) & (unsigned)(graph->index_capacity - 1);
}

static void put_slot(rgc_graph *graph, int value) {
  unsigned slot = first_slot(graph, graph->values[value].name);
  while (graph->index[slot]) slot = (slot + 1) & (unsigned)(graph->index_capacity - 1);
  graph->index[slot] = value + 1;
  graph->index_count++;
}

static void index_all(rgc_graph *graph) {
  graph->index_capacity = 64;
  while (graph->index_capacity < 4 * graph->value_count) graph->index_capacity *= 2;
  graph->index = RGC_NEW_ARRAY(graph->arena, int, graph->index_capacity);
  graph->index_count = 0;
  for (int i = 0; i < graph->value_count; i++) put_slot(graph, i);
}

/* Indexes a value that is in the array; at most half of the table is taken. */
static void index_value(rgc_graph *graph, int value) {
  if (2 * (graph->index_count + 1) > graph->index_capacity)
    index_all(graph);
  else
    put_slot(graph, value);
}

int rgc_graph_find(const rgc_graph *graph, const char *name) {
  if (!graph->index_capacity) return -1;
  unsigned slot = first_slot(graph, name);
  for (; graph->index[slot]; slot = (slot + 1) & (unsigned)(graph->index_capacity - 1))
    if (!strcmp(graph->values[graph->index[slot] - 1].name, name)) return graph->index[slot] - 1;
  return -1;
}

void rgc_graph_rename(rgc_graph *graph, int value, const char *name) {
  graph->values[value].name = name;
  index_value(graph, value);
}

static const char *numbered(const rgc_graph *graph, const char *name, int number) {
  return rgc_arena_printf(graph->arena, "%s.%d", name, number);
}

/* NAME.2 is tried first, one after the other; past NAME.16 in steps that double and then halve, as thousands may be taken. */
static const char *unique_name(const rgc_graph *graph, const char *name) {
  enum { FEW = 16 };
  if (rgc_graph_find(graph, name) < 0) return rgc_arena_strdup(graph->arena, name);
  int taken = 1, open = 2;
  while (rgc_graph_find(graph, numbered(graph, name, open)) >= 0) {
    taken = open;
    open = open < FEW ? open + 1 : open * 2;
  }
  while (open - taken > 1) {
    int middle = taken + (open - taken) / 2;
    *(rgc_graph_find(graph, numbered(graph, name, middle)) >= 0 ? &taken : &open) = middle;
  }
  return numbered(graph, name, open);
}

int rgc_graph_value(rgc_graph *graph, const char *name, rgc_dtype dtype, rgc_role role, const int64_t shape[RGC_AXES]) {
  rgc_value value = {.id = graph->value_count, .dtype = dtype, .role = role, .op = -1, .updates = -1};
  value.name = role == RGC_ROLE_TEMP ? unique_name(graph, name) : rgc_arena_strdup(graph->arena, name);
  memcpy(value.shape, shape, sizeof value.shape);
  *RGC_PUSH(graph->arena, graph->values, graph->value_count, graph->value_capacity) = value;
  index_value(graph, value.id);
  return value.id;
}

int rgc_graph_copied(const rgc_graph *graph, const rgc_value *copy) {
  static const char suffix[] = ".bf16";
  size_t length = strlen(copy->name), end = strlen(suffix);
  if (copy->role != RGC_ROLE_COPY || copy->dtype != RGC_BF16 || length <= end || strcmp(copy->name + length - end, suffix)) return -1;
  rgc_arena *scratch = rgc_arena_create();
  int param = rgc_graph_find(graph, rgc_arena_strndup(scratch, copy->name, length - end));
  rgc_arena_destroy(scratch);
  bool same = param >= 0 && graph->values[param].role == RGC_ROLE_PARAM && !memcmp(graph->values[param].shape, copy->shape, sizeof copy->shape);
  return same ? param : -1;
}

static int *copy_ids(rgc_arena *arena, const int *ids, int count) {
  return rgc_arena_copy(arena, ids, sizeof *ids * (size_t)count);
}

rgc_op *rgc_graph_op(rgc_graph *graph, rgc_op_kind kind, const int *inputs, int input_count, const int *outputs,
                     int output_count) {
  rgc_op op = {.id = graph->op_count, .kind = kind, .input_count = input_count, .output_count = output_count};
  op.inputs = copy_ids(graph->arena, inputs, input_count);
  op.outputs = copy_ids(graph->arena, outputs, output_count);
  memcpy(op.attr, rgc_attribute_defaults, sizeof op.attr);
  op.root = -1;
  op.layer = "";
  op.word = op_infos[kind].word;
  for (int i = 0; i < output_count; i++) graph->values[outputs[i]].op = op.id;
  rgc_op *place = RGC_PUSH(graph->arena, graph->ops, graph->op_count, graph->op_capacity);
  *place = op;
  return place;
}

rgc_op *rgc_graph_map(rgc_graph *graph, rgc_body *body, int root, int output) {
  rgc_op *op = rgc_graph_op(graph, RGC_OP_MAP, NULL, 0, &output, 1);
  op->body = body;
  op->root = root;
  op->input_count = body->operand_count;
  op->inputs = RGC_NEW_ARRAY(graph->arena, int, body->operand_count);
  for (int i = 0; i < body->operand_count; i++) op->inputs[i] = body->operands[i].value;
  return op;
}

int rgc_graph_reduce(rgc_graph *graph, int value, unsigned axes, int by, const char *name, int *place) {
  int64_t shape[RGC_AXES];
  for (int j = 0; j < RGC_AXES; j++) shape[j] = axes >> j & 1 ? 1 : graph->values[value].shape[j];
  int outputs[2] = {rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_TEMP, shape), -1};
  if (place) *place = outputs[1] = rgc_graph_value(graph, rgc_arena_printf(graph->arena, "%s.index", name), RGC_I32, RGC_ROLE_TEMP, shape);
  rgc_op *op = rgc_graph_op(graph, RGC_OP_REDUCE, &value, 1, outputs, place ? 2 : 1);
  op->attr[RGC_ATTR_AXES] = axes;
  op->attr[RGC_ATTR_BY] = by;
  return outputs[0];
}

rgc_body *rgc_body_create(rgc_arena *arena) {
  rgc_body *body = RGC_NEW(arena, rgc_body);
  body->arena = arena;
  return body;
}

int64_t rgc_dtype_bytes(rgc_dtype dtype) {
  static const int64_t bytes[RGC_DTYPE_COUNT] = {[RGC_F32] = 4, [RGC_I32] = 4, [RGC_U8] = 1, [RGC_BF16] = 2};
  return bytes[dtype];
}

int64_t rgc_shape_elems(const int64_t shape[RGC_AXES]) { return shape[0] * shape[1] * shape[2] * shape[3]; }

bool rgc_shape_fits(const int64_t shape[RGC_AXES]) {
  int64_t elems = 1;
  for (int j = 0; j < RGC_AXES; j++)
    if (shape[j] < 1 || __builtin_mul_overflow(elems, shape[j], &elems)) return false;
  return elems <= RGC_MAX_ELEMS;
}

rgc_window rgc_op_window(const rgc_op *op) {
  const double *a = op->attr;
  bool oblong = a[RGC_ATTR_KERNEL_W] != 0;
  return (rgc_window){.kernel = {(int64_t)a[RGC_ATTR_KERNEL], (int64_t)a[oblong ? RGC_ATTR_KERNEL_W : RGC_ATTR_KERNEL]},
                      .stride = {(int64_t)a[RGC_ATTR_STRIDE], (int64_t)a[oblong ? RGC_ATTR_STRIDE_W : RGC_ATTR_STRIDE]},
                      .pad = {(int64_t)a[RGC_ATTR_PAD], (int64_t)a[oblong ? RGC_ATTR_PAD_W : RGC_ATTR_PAD]}};
}

int64_t rgc_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, bool ceil_mode) {
  int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
  if (span < 0) return 0;
  int64_t out = span / stride + 1;
  return ceil_mode && (out - 1) * stride >= in + pad ? out - 1 : out;
}

/* Cloning: everything reachable from the graph is copied. */

static rgc_body *clone_body(const rgc_body *src, rgc_arena *arena) {
  if (!src) return NULL;
  rgc_body *dst = rgc_body_create(arena);
  dst->operand_count = dst->operand_capacity = src->operand_count;
  dst->operands = rgc_arena_copy(arena, src->operands, sizeof *src->operands * (size_t)src->operand_count);
  dst->node_count = dst->node_capacity = src->node_count;
  dst->nodes = rgc_arena_copy(arena, src->nodes, sizeof *src->nodes * (size_t)src->node_count);
  return dst;
}

rgc_kernel *rgc_kernel_clone(const rgc_kernel *src, rgc_arena *arena) {
  rgc_kernel *dst = rgc_arena_copy(arena, src, sizeof *src);
  dst->a = clone_body(src->a, arena);
  dst->b = clone_body(src->b, arena);
  dst->tap = clone_body(src->tap, arena);
  dst->epi = clone_body(src->epi, arena);
  dst->stores = rgc_arena_copy(arena, src->stores, sizeof *src->stores * (size_t)src->store_count);
  return dst;
}

static rgc_op clone_op(const rgc_op *src, rgc_arena *arena) {
  rgc_op dst = *src;
  dst.inputs = copy_ids(arena, src->inputs, src->input_count);
  dst.outputs = copy_ids(arena, src->outputs, src->output_count);
  dst.body = clone_body(src->body, arena);
  dst.kernel = src->kernel ? rgc_kernel_clone(src->kernel, arena) : NULL;
  dst.layer = src->layer ? rgc_arena_strdup(arena, src->layer) : NULL;
  dst.word = src->word ? rgc_arena_strdup(arena, src->word) : NULL;
  return dst;
}

rgc_graph *rgc_graph_clone(const rgc_graph *graph, rgc_arena *arena) {
  rgc_graph *copy = rgc_graph_create(arena, graph->name, graph->batch);
  copy->precision = graph->precision;
  copy->value_count = copy->value_capacity = graph->value_count;
  copy->values = rgc_arena_copy(arena, graph->values, sizeof *graph->values * (size_t)graph->value_count);
  for (int i = 0; i < copy->value_count; i++) copy->values[i].name = rgc_arena_strdup(arena, graph->values[i].name);
  index_all(copy);
  copy->op_count = copy->op_capacity = graph->op_count;
  copy->ops = RGC_NEW_ARRAY(arena, rgc_op, graph->op_count);
  for (int i = 0; i < copy->op_count; i++) copy->ops[i] = clone_op(&graph->ops[i], arena);
  return copy;
}
