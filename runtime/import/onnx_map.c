/* onnx_map.c: op `map` as ONNX nodes; see onnx_export.h.
 *
 * A view becomes Transpose (axes read from others), Resize (where it reads each so many times), Pad (where it reads outside) and Slice (where it
 * reads less, or every so many), what of them it needs; a broadcast is ONNX's own. An expression becomes a node for each node that its root needs. Comparisons give bool, and are cast
 * where a number is wanted. A sum of values that lie beside each other in the channels, which is what concat expands to, is Concat. */
#include <string.h>

#include "runtime/import/onnx.h"
#include "runtime/import/onnx_export.h"

/* ONNX's op for a kind of node with numbers for arguments. */
static const char *const op_words[RGC_EXPR_KIND_COUNT] = {
    [RGC_EXPR_ADD] = "Add", [RGC_EXPR_SUB] = "Sub", [RGC_EXPR_MUL] = "Mul", [RGC_EXPR_DIV] = "Div", [RGC_EXPR_MIN] = "Min",
    [RGC_EXPR_MAX] = "Max", [RGC_EXPR_POW] = "Pow", [RGC_EXPR_NEG] = "Neg", [RGC_EXPR_ABS] = "Abs", [RGC_EXPR_SQRT] = "Sqrt",
    [RGC_EXPR_RECIP] = "Reciprocal", [RGC_EXPR_EXP] = "Exp", [RGC_EXPR_LOG] = "Log", [RGC_EXPR_TANH] = "Tanh", [RGC_EXPR_ERF] = "Erf",
    [RGC_EXPR_SIGMOID] = "Sigmoid", [RGC_EXPR_FLOOR] = "Floor", [RGC_EXPR_LT] = "Less", [RGC_EXPR_LE] = "LessOrEqual", [RGC_EXPR_EQ] = "Equal",
};

static bool is_comparison(rgc_expr_kind kind) { return kind == RGC_EXPR_LT || kind == RGC_EXPR_LE || kind == RGC_EXPR_EQ; }

/* One map at work. */
typedef struct writer {
  rgc_onnx_export *x;
  const rgc_op *op;
  const int64_t *extent; /* of the map's space */
  const char *base;      /* what its output is called */
  const char **numbers, **truths; /* [node_count] names of what is there as float and as bool */
} writer;

static const char *name_or_new(const writer *w, const char *want) { return want ? want : rgc_onnx_name(&w->x->onnx, w->base); }

/* ---- views ---- */

/* What becomes of each of ONNX's axes, in this order: permuted, repeated element by element, padded, sliced. */
typedef struct reading {
  int64_t order[RGC_AXES], times[RGC_AXES], before[RGC_AXES], after[RGC_AXES], start[RGC_AXES], end[RGC_AXES], step[RGC_AXES];
  bool permutes, repeats, pads, slices;
} reading;

/* Which of the value's axes stands at each of the space's; one that is not read from an axis of its own takes a place that is left. */
static void find_order(const rgc_view *view, int place[RGC_AXES]) {
  bool taken[RGC_AXES] = {0};
  for (int j = 0; j < RGC_AXES; j++) {
    place[j] = view->axis[j].mul ? view->axis[j].from : -1;
    if (place[j] < 0) continue;
    if (taken[place[j]]) rgc_internal_error("onnx_map", "a view of a diagonal");
    taken[place[j]] = true;
  }
  for (int j = 0; j < RGC_AXES; j++) {
    if (place[j] >= 0) continue;
    place[j] = j;
    for (int k = 0; taken[place[j]]; k++) place[j] = k;
    taken[place[j]] = true;
  }
}

static reading read_view(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]) {
  reading r = {0};
  int place[RGC_AXES];
  find_order(view, place);
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *v = &view->axis[j];
    int at = rgc_onnx_axis[place[j]];
    int64_t first = v->add, last = v->add + (extent[place[j]] - 1) * v->mul, full = shape[j] * v->div;
    if ((v->div != 1 && !v->whole) || v->mul < 0) rgc_internal_error("onnx_map", "a view of a gradient");
    r.order[at] = rgc_onnx_axis[j];
    r.permutes |= at != rgc_onnx_axis[j];
    r.times[at] = v->div;
    r.repeats |= v->div > 1;
    r.before[at] = first < 0 ? -first : 0;
    r.after[at] = last >= full ? last - full + 1 : 0;
    r.start[at] = first + r.before[at];
    r.end[at] = last + r.before[at] + 1;
    r.step[at] = last > first ? v->mul : 1;
    r.pads |= r.before[at] || r.after[at];
    r.slices |= r.start[at] || r.step[at] > 1 || r.end[at] < r.before[at] + full + r.after[at];
  }
  return r;
}

/* By whole numbers, so that all of ONNX's roundings agree. */
static const char *repeat(const writer *w, const char *x, const reading *r, const char *output) {
  rgc_onnx *o = &w->x->onnx;
  rgc_tensor scales = {.name = rgc_onnx_name(o, w->base), .dtype = RGC_TENSOR_F32, .rank = 1, .shape = {RGC_AXES}, .size_bytes = RGC_AXES * sizeof(float)};
  float *data = RGC_NEW_ARRAY(o->arena, float, RGC_AXES);
  for (int at = 0; at < RGC_AXES; at++) data[at] = (float)r->times[at];
  scales.data = data;
  const char *by = rgc_onnx_constant(o, &scales);
  rgc_onnx_node node = rgc_onnx_begin(o, "Resize", output);
  rgc_onnx_input(&node, x);
  rgc_onnx_input(&node, ""); /* no region of interest */
  rgc_onnx_input(&node, by);
  rgc_onnx_word(&node, "mode", "nearest");
  rgc_onnx_word(&node, "coordinate_transformation_mode", "asymmetric");
  rgc_onnx_word(&node, "nearest_mode", "floor");
  return rgc_onnx_end(&node);
}

static const char *pad(const writer *w, const char *x, const reading *r, double fill, const char *output) {
  int64_t pads[2 * RGC_AXES];
  memcpy(pads, r->before, sizeof r->before);
  memcpy(pads + RGC_AXES, r->after, sizeof r->after);
  rgc_onnx_node node = rgc_onnx_begin(&w->x->onnx, "Pad", output);
  const char *by = rgc_onnx_int64s(&w->x->onnx, pads, 2 * RGC_AXES), *with = rgc_onnx_number(&w->x->onnx, fill);
  rgc_onnx_input(&node, x);
  rgc_onnx_input(&node, by);
  rgc_onnx_input(&node, with);
  return rgc_onnx_end(&node);
}

/* Only the axes that it changes: the batch's extent is not known. */
static const char *slice(const writer *w, const char *x, const reading *r, const int64_t *full, const char *output) {
  int64_t lists[4][RGC_AXES]; /* start, end, axis, step */
  int count = 0;
  for (int at = 0; at < RGC_AXES; at++) {
    if (!r->start[at] && r->step[at] == 1 && r->end[at] == full[at]) continue;
    int64_t row[4] = {r->start[at], r->end[at], at, r->step[at]};
    for (int k = 0; k < 4; k++) lists[k][count] = row[k];
    count++;
  }
  rgc_onnx_node node = rgc_onnx_begin(&w->x->onnx, "Slice", output);
  rgc_onnx_input(&node, x);
  for (int k = 0; k < 4; k++) rgc_onnx_input(&node, rgc_onnx_int64s(&w->x->onnx, lists[k], count));
  return rgc_onnx_end(&node);
}

/* The operand, read through its view. */
static const char *load(const writer *w, const rgc_operand *operand, const char *want) {
  const int64_t *shape = w->x->graph->values[operand->value].shape;
  const char *name = rgc_onnx_image(w->x, operand->value);
  reading r = read_view(&operand->view, shape, w->extent);
  if (r.permutes) {
    rgc_onnx_node node = rgc_onnx_begin(&w->x->onnx, "Transpose", name_or_new(w, r.repeats || r.pads || r.slices ? NULL : want));
    rgc_onnx_input(&node, name);
    rgc_onnx_ints(&node, "perm", r.order, RGC_AXES);
    name = rgc_onnx_end(&node);
  }
  if (r.repeats) name = repeat(w, name, &r, name_or_new(w, r.pads || r.slices ? NULL : want));
  if (r.pads) name = pad(w, name, &r, operand->view.fill, name_or_new(w, r.slices ? NULL : want));
  int64_t full[RGC_AXES];
  for (int at = 0; at < RGC_AXES; at++)
    for (int j = 0; j < RGC_AXES; j++)
      if (rgc_onnx_axis[j] == r.order[at]) full[at] = shape[j] * r.times[at] + r.before[at] + r.after[at];
  return r.slices ? slice(w, name, &r, full, name_or_new(w, want)) : name;
}

/* ---- expressions ---- */

static const char *number(writer *w, int node, const char *want) {
  const rgc_node *n = &w->op->body->nodes[node];
  if (w->numbers[node]) return w->numbers[node];
  if (n->kind == RGC_EXPR_CONST) return w->numbers[node] = rgc_onnx_number(&w->x->onnx, n->number); /* not before: a Relu has no use for its 0 */
  rgc_onnx_node cast = rgc_onnx_begin(&w->x->onnx, "Cast", name_or_new(w, want));
  rgc_onnx_input(&cast, w->truths[node]);
  rgc_onnx_int(&cast, "to", ONNX_FLOAT);
  return w->numbers[node] = rgc_onnx_end(&cast);
}

static const char *truth(writer *w, int node) {
  rgc_onnx *o = &w->x->onnx;
  if (w->truths[node]) return w->truths[node];
  const char *x = number(w, node, NULL), *nothing = rgc_onnx_number(o, 0), *zero = rgc_onnx_binary(o, "Equal", x, nothing, name_or_new(w, NULL));
  return w->truths[node] = rgc_onnx_unary(o, "Not", zero, name_or_new(w, NULL));
}

static bool is_zero(const rgc_body *body, int node) { return body->nodes[node].kind == RGC_EXPR_CONST && body->nodes[node].number == 0; }

static const char *select(writer *w, const rgc_node *node, const char *want) {
  const char *condition = truth(w, node->arg[0]), *then = number(w, node->arg[1], NULL), *otherwise = number(w, node->arg[2], NULL);
  rgc_onnx_node where = rgc_onnx_begin(&w->x->onnx, "Where", name_or_new(w, want));
  rgc_onnx_input(&where, condition);
  rgc_onnx_input(&where, then);
  rgc_onnx_input(&where, otherwise);
  return rgc_onnx_end(&where);
}

/* Which argument of a maximum with 0 is the other one; -1: it is none. */
static int relu_argument(const rgc_body *body, const rgc_node *node) {
  if (node->kind != RGC_EXPR_MAX) return -1;
  return is_zero(body, node->arg[1]) ? 0 : is_zero(body, node->arg[0]) ? 1 : -1;
}

/* A node with arguments, which are there. */
static void write_operation(writer *w, int i, const char *want) {
  const rgc_node *node = &w->op->body->nodes[i];
  rgc_onnx *o = &w->x->onnx;
  int arity = rgc_expr_arity(node->kind), relu = relu_argument(w->op->body, node);
  const char *args[3] = {0};
  if (node->kind == RGC_EXPR_SELECT) {
    w->numbers[i] = select(w, node, want);
    return;
  }
  for (int k = 0; k < arity; k++)
    if (relu < 0 || k == relu) args[k] = number(w, node->arg[k], NULL);
  if (is_comparison(node->kind)) {
    w->truths[i] = rgc_onnx_binary(o, op_words[node->kind], args[0], args[1], name_or_new(w, NULL));
  } else if (node->kind == RGC_EXPR_FMA) {
    const char *product = rgc_onnx_binary(o, "Mul", args[0], args[1], name_or_new(w, NULL));
    w->numbers[i] = rgc_onnx_binary(o, "Add", product, args[2], name_or_new(w, want));
  } else if (relu >= 0) {
    w->numbers[i] = rgc_onnx_unary(o, "Relu", args[relu], name_or_new(w, want));
  } else {
    const char *word = op_words[node->kind], *output = name_or_new(w, want);
    if (!word) rgc_internal_error("onnx_map", "ONNX has no op for '%s'", rgc_expr_word(node->kind));
    w->numbers[i] = arity == 1 ? rgc_onnx_unary(o, word, args[0], output) : rgc_onnx_binary(o, word, args[0], args[1], output);
  }
}

static void write_node(writer *w, int i, const char *want) {
  const rgc_node *node = &w->op->body->nodes[i];
  if (node->kind == RGC_EXPR_CONST) return; /* made where it is read */
  if (node->kind == RGC_EXPR_LOAD) w->numbers[i] = load(w, &w->op->body->operands[node->index], want);
  else if (rgc_expr_arity(node->kind)) write_operation(w, i, want);
  else rgc_internal_error("onnx_map", "'%s' in an inference graph", rgc_expr_word(node->kind));
}

/* Marks what the root needs. */
static void mark_needed(const rgc_op *op, bool *needed) {
  needed[op->root] = true;
  for (int i = op->root; i >= 0; i--)
    for (int k = 0; needed[i] && k < rgc_expr_arity(op->body->nodes[i].kind); k++) needed[op->body->nodes[i].arg[k]] = true;
}

/* Whether what is read has the map's whole shape, by broadcast. */
static bool covers(const writer *w, const bool *needed) {
  const rgc_body *body = w->op->body;
  bool covered[RGC_AXES];
  for (int k = 0; k < RGC_AXES; k++) covered[k] = w->extent[k] == 1;
  for (int i = 0; i < body->node_count; i++) {
    if (!needed[i] || body->nodes[i].kind != RGC_EXPR_LOAD) continue;
    const rgc_view *view = &body->operands[body->nodes[i].index].view;
    for (int j = 0; j < RGC_AXES; j++)
      if (view->axis[j].mul) covered[view->axis[j].from] = true;
  }
  return covered[0] && covered[1] && covered[2] && covered[3];
}

/* A map that forgets some of what it names ("a > a ? b : 1") to its whole shape: the samples are as many as the input's. */
static const char *spread(writer *w, const char *name, const char *output) {
  rgc_onnx *o = &w->x->onnx;
  const int64_t *e = w->extent;
  const char *samples = rgc_onnx_int64s(o, (int64_t[]){1}, 1);
  if (e[RGC_N] > 1) {
    rgc_onnx_node shape = rgc_onnx_begin(o, "Shape", name_or_new(w, NULL));
    rgc_onnx_input(&shape, "input");
    rgc_onnx_int(&shape, "end", 1);
    samples = rgc_onnx_end(&shape);
  }
  rgc_onnx_node whole = rgc_onnx_begin(o, "Concat", name_or_new(w, NULL));
  const char *rest = rgc_onnx_int64s(o, (int64_t[]){e[RGC_C], e[RGC_H], e[RGC_W]}, 3);
  rgc_onnx_input(&whole, samples);
  rgc_onnx_input(&whole, rest);
  rgc_onnx_int(&whole, "axis", 0);
  return rgc_onnx_binary(o, "Expand", name, rgc_onnx_end(&whole), output);
}

/* ---- whole maps ---- */

/* The operands that a chain of sums adds, from the left; their number, 0 where it is no such chain. */
static int find_terms(const rgc_body *body, int root, int *terms, int limit) {
  const rgc_node *node = &body->nodes[root];
  if (node->kind == RGC_EXPR_LOAD) return terms[0] = node->index, 1;
  if (node->kind != RGC_EXPR_ADD || body->nodes[node->arg[1]].kind != RGC_EXPR_LOAD) return 0;
  int count = find_terms(body, node->arg[0], terms, limit);
  if (!count || count == limit) return 0;
  terms[count] = body->nodes[node->arg[1]].index;
  return count + 1;
}

/* Whether the terms lie one behind the other in the channels and fill them, each read where it lies and as 0 elsewhere. */
static bool lie_beside(const writer *w, const int *terms, int count) {
  int64_t channel = 0;
  for (int k = 0; k < count; k++) {
    const rgc_operand *operand = &w->op->body->operands[terms[k]];
    const int64_t *shape = w->x->graph->values[operand->value].shape;
    rgc_view wanted = rgc_view_identity();
    wanted.axis[RGC_C].add = -channel;
    if (!rgc_view_equal(&operand->view, &wanted) || memcmp(shape, w->extent, sizeof *shape * RGC_C)) return false;
    channel += shape[RGC_C];
  }
  return channel == w->extent[RGC_C];
}

static const char *concat(const writer *w, const int *terms, int count) {
  rgc_onnx_node node = rgc_onnx_begin(&w->x->onnx, "Concat", w->base);
  for (int k = 0; k < count; k++) rgc_onnx_input(&node, rgc_onnx_image(w->x, w->op->body->operands[terms[k]].value));
  rgc_onnx_int(&node, "axis", rgc_onnx_axis[RGC_C]);
  return rgc_onnx_end(&node);
}

/* A map without operands: one number everywhere, written out. */
static const char *constant(const writer *w) {
  int64_t count = rgc_shape_elems(w->extent);
  float *data = RGC_NEW_ARRAY(w->x->onnx.arena, float, count);
  for (int64_t e = 0; e < count; e++) data[e] = (float)w->op->body->nodes[w->op->root].number;
  rgc_tensor t = {.name = w->base, .dtype = RGC_TENSOR_F32, .rank = RGC_AXES, .data = data, .size_bytes = sizeof *data * (size_t)count};
  for (int j = 0; j < RGC_AXES; j++) t.shape[rgc_onnx_axis[j]] = w->extent[j];
  return rgc_onnx_constant(&w->x->onnx, &t);
}

static const char *expression(writer *w) {
  const rgc_op *op = w->op;
  bool *needed = RGC_NEW_ARRAY(w->x->onnx.arena, bool, op->body->node_count);
  mark_needed(op, needed);
  bool whole = covers(w, needed);
  const char *want = whole ? w->base : NULL;
  for (int i = 0; i <= op->root; i++)
    if (needed[i]) write_node(w, i, i == op->root ? want : NULL);
  const char *name = number(w, op->root, want);
  return whole ? name : spread(w, name, w->base);
}

void rgc_onnx_map(rgc_onnx_export *x, const rgc_op *op) {
  rgc_arena *arena = x->onnx.arena;
  const rgc_body *body = op->body;
  writer w = {.x = x, .op = op, .extent = x->graph->values[op->outputs[0]].shape, .base = rgc_onnx_image_name(x, op->outputs[0]),
              .numbers = RGC_NEW_ARRAY(arena, const char *, body->node_count), .truths = RGC_NEW_ARRAY(arena, const char *, body->node_count)};
  int *terms = RGC_NEW_ARRAY(arena, int, body->node_count + 1), count = find_terms(body, op->root, terms, body->node_count);
  const char *name = !body->operand_count ? constant(&w) : count > 1 && lie_beside(&w, terms, count) ? concat(&w, terms, count) : expression(&w);
  x->image[op->outputs[0]] = name;
}
