/* expand_map.c: the layers that are expressions over elements: activations, dropout, joins, slices and map; see expand.h and
 * graph/expr.h. Each becomes one op `map`; broadcast, padding, concatenation, subsampling and upsampling are views. */
#include <math.h>
#include <string.h>

#include "compiler/lang/expand.h"
#include "compiler/lang/formula.h"

enum { MAX_OPERANDS = 16 };
enum { MAX_COPIES = 64 }; /* of a pixel by upsample: its gradient reads them all in one expression */

static int node2(rgc_body *b, rgc_expr_kind kind, int x, int y) { return rgc_body_node(b, kind, x, y, -1); }
static int node1(rgc_body *b, rgc_expr_kind kind, int x) { return rgc_body_node(b, kind, x, -1, -1); }
static int scale(rgc_body *b, int x, double by) { return node2(b, RGC_EXPR_MUL, x, rgc_body_const(b, by)); }
static int shift(rgc_body *b, int x, double by) { return node2(b, RGC_EXPR_ADD, x, rgc_body_const(b, by)); }

static int clamp(rgc_body *b, int x, double low, double high) {
  return node2(b, RGC_EXPR_MIN, node2(b, RGC_EXPR_MAX, x, rgc_body_const(b, low)), rgc_body_const(b, high));
}

static int load_whole(rgc_body *b, int value) {
  rgc_view view = rgc_view_identity();
  return rgc_body_load(b, value, &view);
}

static int finish_map(rgc_cell *cell, rgc_body *body, int root, const int64_t shape[RGC_AXES]) {
  int y = rgc_cell_temp(cell, shape);
  rgc_cell_finish(cell, rgc_graph_map(cell->x->graph, body, root, y));
  return y;
}

/* ---- activations ---- */

/* x/2 (1 + erf(x / sqrt 2)), Hendrycks & Gimpel 2016, as PyTorch's default. */
static int gelu(rgc_body *b, int x) {
  int phi = shift(b, node1(b, RGC_EXPR_ERF, scale(b, x, sqrt(0.5))), 1);
  return node2(b, RGC_EXPR_MUL, scale(b, x, 0.5), phi);
}

/* relu6(x + 3) / 6, Howard et al. 2019. */
static int hardsigmoid(rgc_body *b, int x) { return scale(b, clamp(b, shift(b, x, 3), 0, 6), 1.0 / 6); }

/* The activation `word` of node x; -1 when there is none of that name. */
static int activate(rgc_body *b, const char *word, int x, double slope) {
  int zero = rgc_body_const(b, 0);
  if (!strcmp(word, "relu")) return node2(b, RGC_EXPR_MAX, x, zero);
  if (!strcmp(word, "sigmoid")) return node1(b, RGC_EXPR_SIGMOID, x);
  if (!strcmp(word, "tanh")) return node1(b, RGC_EXPR_TANH, x);
  if (!strcmp(word, "silu")) return node2(b, RGC_EXPR_MUL, x, node1(b, RGC_EXPR_SIGMOID, x));
  if (!strcmp(word, "gelu")) return gelu(b, x);
  if (!strcmp(word, "relu6")) return clamp(b, x, 0, 6);
  if (!strcmp(word, "hardsigmoid")) return hardsigmoid(b, x);
  if (!strcmp(word, "hardswish")) return node2(b, RGC_EXPR_MUL, x, hardsigmoid(b, x));
  if (!strcmp(word, "leaky_relu"))
    return rgc_body_node(b, RGC_EXPR_SELECT, node2(b, RGC_EXPR_LT, zero, x), x, scale(b, x, slope));
  return -1;
}

int rgc_emit_activation(rgc_cell *cell) {
  double slope;
  if (!rgc_cell_number(cell, "slope", 0.01, -1e9, 1e9, &slope)) return -1;
  rgc_body *b = rgc_body_create(cell->x->arena);
  int root = activate(b, cell->layer->word, load_whole(b, cell->in), slope);
  if (root < 0) rgc_internal_error("expand_map", "layers.def has the activation '%s', and activate() does not", cell->layer->word);
  return finish_map(cell, b, root, rgc_cell_shape(cell));
}

/* ---- dropout ---- */

/* Elements (or samples) are zero with probability `rate`, the others scaled by 1/(1-rate); nothing is added where that is the
 * identity. */
static int drop(rgc_cell *cell, unsigned axes) {
  double rate;
  if (!rgc_cell_number(cell, "rate", 0, 0, 0.999999, &rate)) return -1;
  if (!cell->x->training || rate == 0) return cell->in;
  rgc_body *b = rgc_body_create(cell->x->arena);
  int dropped = node2(b, RGC_EXPR_LT, rgc_body_random(b, cell->x->stream++, axes), rgc_body_const(b, rate));
  int kept = scale(b, load_whole(b, cell->in), 1 / (1 - rate));
  int root = rgc_body_node(b, RGC_EXPR_SELECT, dropped, rgc_body_const(b, 0), kept);
  return finish_map(cell, b, root, rgc_cell_shape(cell));
}

int rgc_emit_dropout(rgc_cell *cell) { return drop(cell, (1u << RGC_AXES) - 1); }
int rgc_emit_drop_path(rgc_cell *cell) { return drop(cell, 1u << RGC_N); }

/* ---- joins ---- */

static bool few_enough(rgc_cell *cell, const rgc_yaml *node, int count) {
  if (count <= MAX_OPERANDS) return true;
  rgc_cell_error(cell, node, RGC_CODE_BAD_VALUE, "%s takes at most %d values, not %d", cell->layer->word, MAX_OPERANDS, count);
  return false;
}

/* The values that an add, mul or concat takes: those named, one name with the layer before, or in a join body and shortcut.
 * Returns their number, 0 after an error. */
static int find_operands(rgc_cell *cell, int values[MAX_OPERANDS]) {
  const rgc_yaml *of = rgc_cell_attr(cell, "of");
  int count = 0;
  if (of && !few_enough(cell, of, of->count)) return 0;
  if (!of || of->count < 2) values[count++] = cell->in;
  if (!of && cell->place->other >= 0) values[count++] = cell->place->other;
  for (int i = 0; of && i < of->count; i++) {
    int value = rgc_cell_named(cell, of->items[i]);
    if (value < 0) return 0;
    values[count++] = value;
  }
  if (count >= 2) return count;
  rgc_cell_error(cell, of, RGC_CODE_MISSING_KEY, "%s needs two values", cell->layer->word)->expected =
      rgc_arena_printf(cell->x->diags->arena, "%s: [a, b], names given with as:", cell->layer->word);
  return 0;
}

/* The block's input is called "in" there. */
static bool is_block_input(const rgc_cell *cell, int value) {
  const rgc_value_names *names = cell->place->values;
  for (int i = 0; i < names->count; i++)
    if (names->items[i].value == value && !strcmp(names->items[i].name, "in")) return true;
  return false;
}

/* The shape that all values broadcast to; false (reported) if there is none. */
static bool broadcast_shape(rgc_cell *cell, const int *values, int count, int64_t shape[RGC_AXES]) {
  const rgc_graph *graph = cell->x->graph;
  memcpy(shape, graph->values[values[0]].shape, sizeof(int64_t) * RGC_AXES);
  for (int i = 1; i < count; i++) {
    const int64_t *other = graph->values[values[i]].shape;
    bool fits = true;
    for (int axis = 0; axis < RGC_AXES; axis++) {
      fits &= shape[axis] == other[axis] || shape[axis] == 1 || other[axis] == 1;
      if (shape[axis] == 1) shape[axis] = other[axis];
    }
    if (fits) continue;
    const int64_t *first = graph->values[values[0]].shape;
    bool is_join = cell->place->other >= 0;
    rgc_diagnostic *d = rgc_cell_error(cell, NULL, is_join ? RGC_CODE_JOIN_SHAPE : RGC_CODE_SHAPE,
                                       "%s of %dx%dx%d and %dx%dx%d (height, width, channels)", cell->layer->word,
                                       (int)first[RGC_H], (int)first[RGC_W], (int)first[RGC_C], (int)other[RGC_H],
                                       (int)other[RGC_W], (int)other[RGC_C]);
    if (is_join && is_block_input(cell, values[i]))
      d->help = "the second is the block's input: give it a shortcut:, as [conv: {out: width, kernel: 1, stride: stride}, bn]";
    else if (is_join) d->help = "the first is the body's, the second the shortcut's; the stride may stand in only one of them";
    return false;
  }
  return true;
}

static int load_broadcast(const rgc_cell *cell, rgc_body *b, int value, const int64_t shape[RGC_AXES]) {
  rgc_view view = rgc_view_broadcast(cell->x->graph->values[value].shape, shape);
  return rgc_body_load(b, value, &view);
}

int rgc_emit_join(rgc_cell *cell) {
  int values[MAX_OPERANDS], count = find_operands(cell, values);
  int64_t shape[RGC_AXES];
  if (!count || !broadcast_shape(cell, values, count, shape)) return -1;
  rgc_expr_kind kind = strcmp(cell->layer->word, "add") == 0 ? RGC_EXPR_ADD : RGC_EXPR_MUL;
  rgc_body *b = rgc_body_create(cell->x->arena);
  int root = load_broadcast(cell, b, values[0], shape);
  for (int i = 1; i < count; i++) root = node2(b, kind, root, load_broadcast(cell, b, values[i], shape));
  return finish_map(cell, b, root, shape);
}

/* Each value is read at its channels, and as 0 elsewhere. */
int rgc_emit_concat(rgc_cell *cell) {
  int values[MAX_OPERANDS], count = find_operands(cell, values);
  if (!count) return -1;
  const rgc_graph *graph = cell->x->graph;
  int64_t shape[RGC_AXES], offset = 0;
  memcpy(shape, graph->values[values[0]].shape, sizeof shape);
  rgc_body *b = rgc_body_create(cell->x->arena);
  int root = -1;
  for (int i = 0; i < count; i++) {
    const int64_t *other = graph->values[values[i]].shape;
    if (other[RGC_H] != shape[RGC_H] || other[RGC_W] != shape[RGC_W]) {
      rgc_cell_error(cell, NULL, RGC_CODE_SHAPE, "concat of images of different sizes");
      return -1;
    }
    rgc_view view = rgc_view_identity();
    view.axis[RGC_C].add = -offset;
    int part = rgc_body_load(b, values[i], &view);
    root = root < 0 ? part : node2(b, RGC_EXPR_ADD, root, part);
    offset += other[RGC_C];
  }
  shape[RGC_C] = offset;
  return finish_map(cell, b, root, shape);
}

/* ---- slices ---- */

/* The channels of each part: so many equal ones, or those listed. Returns their number, 0 after an error. */
static int find_parts(rgc_cell *cell, int64_t **sizes) {
  const rgc_yaml *listed = rgc_cell_attr(cell, "sizes"), *equal = rgc_cell_attr(cell, "parts");
  int64_t channels = rgc_cell_shape(cell)[RGC_C], count = 0, sum = 0;
  if (!listed == !equal) {
    rgc_cell_error(cell, listed, listed ? RGC_CODE_BAD_VALUE : RGC_CODE_MISSING_KEY, "split needs one of 'parts' and 'sizes'")->expected =
        "split: 2, or split: {sizes: [4, 12]}, and as: [a, b]";
    return 0;
  }
  if (equal && !rgc_cell_int(cell, "parts", 2, 1, &count)) return 0;
  if (listed) count = listed->count;
  *sizes = RGC_NEW_ARRAY(cell->x->arena, int64_t, count + 1);
  for (int i = 0; i < count; i++) {
    if (equal) (*sizes)[i] = channels / count;
    else if (!rgc_cell_entry(cell, "sizes", listed->items[i], 1, &(*sizes)[i])) return 0;
    sum += (*sizes)[i];
  }
  if (sum == channels && count) return (int)count;
  rgc_cell_error(cell, listed ? listed : equal, RGC_CODE_SHAPE, equal ? "split of %d channels into %d equal parts" : "split of %d channels into %d", (int)channels,
                 equal ? (int)count : (int)sum)->expected = equal ? "a divisor, or sizes: [4, 12]" : "sizes that add up to the channels";
  return 0;
}

/* Names its parts itself; what follows takes the last. */
int rgc_emit_split(rgc_cell *cell) {
  const rgc_yaml *as = rgc_cell_attr(cell, "as");
  int64_t *sizes, shape[RGC_AXES], offset = 0;
  int parts = find_parts(cell, &sizes), out = -1;
  if (!parts) return -1;
  if (!as || as->kind != RGC_YAML_LIST || as->count != parts) {
    rgc_cell_error(cell, as, RGC_CODE_SHAPE, "split gives %d values", parts)->expected = "as: [a, b], a name for each";
    return -1;
  }
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  for (int i = 0; i < parts; i++) {
    rgc_body *b = rgc_body_create(cell->x->arena);
    rgc_view view = rgc_view_identity();
    view.axis[RGC_C].add = offset;
    shape[RGC_C] = sizes[i];
    offset += sizes[i];
    out = finish_map(cell, b, rgc_body_load(b, cell->in, &view), shape);
    rgc_value_names *v = cell->place->values;
    *RGC_PUSH(cell->x->arena, v->items, v->count, v->capacity) = (rgc_named_value){as->items[i]->text ? as->items[i]->text : "", out};
  }
  return out;
}

int rgc_emit_subsample(rgc_cell *cell) {
  int64_t stride, shape[RGC_AXES];
  if (!rgc_cell_int(cell, "stride", 1, 1, &stride)) return -1;
  if (stride == 1) return cell->in;
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  shape[RGC_H] = (shape[RGC_H] + stride - 1) / stride;
  shape[RGC_W] = (shape[RGC_W] + stride - 1) / stride;
  rgc_view view = rgc_view_identity();
  view.axis[RGC_H].mul = view.axis[RGC_W].mul = stride;
  rgc_body *b = rgc_body_create(cell->x->arena);
  return finish_map(cell, b, rgc_body_load(b, cell->in, &view), shape);
}

/* How often rows and columns are repeated: by `by`, or as the image named by `like` wants. False after an error. */
static bool find_repeats(rgc_cell *cell, int64_t by[2]) {
  const rgc_yaml *like = rgc_cell_attr(cell, "like");
  if (!like == !rgc_cell_attr(cell, "by")) {
    rgc_cell_error(cell, like, like ? RGC_CODE_BAD_VALUE : RGC_CODE_MISSING_KEY, "upsample needs one of 'by' and 'like'")->expected =
        "upsample: 2, or upsample: {like: a}, a name given with as:";
    return false;
  }
  if (!like) return rgc_cell_pair(cell, "by", (int64_t[]){1, 1}, 1, by);
  int value = rgc_cell_named(cell, like);
  if (value < 0) return false;
  const int64_t *small = rgc_cell_shape(cell) + RGC_H, *large = cell->x->graph->values[value].shape + RGC_H;
  for (int k = 0; k < 2; k++) by[k] = large[k] / small[k];
  if (by[0] * small[0] == large[0] && by[1] * small[1] == large[1]) return true;
  rgc_cell_error(cell, like, RGC_CODE_SHAPE, "upsample of %dx%d to %dx%d (height, width)", (int)small[0], (int)small[1], (int)large[0],
                 (int)large[1])->expected = "a size that is a multiple";
  return false;
}

/* Nearest neighbour: output row h reads row h/by, rounded down. A row or column that is the only one is a broadcast. */
int rgc_emit_upsample(rgc_cell *cell) {
  int64_t by[2], shape[RGC_AXES], copies = 1;
  if (!find_repeats(cell, by)) return -1;
  if (by[0] == 1 && by[1] == 1) return cell->in;
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  rgc_view view = rgc_view_identity();
  for (int k = 0; k < 2; k++) {
    rgc_axis_view *axis = &view.axis[RGC_H + k];
    bool only = shape[RGC_H + k] == 1;
    if (only) axis->mul = 0;
    else if (by[k] > 1) *axis = (rgc_axis_view){.from = RGC_H + k, .mul = 1, .div = by[k], .whole = true};
    if (!only) copies *= by[k];
    shape[RGC_H + k] *= by[k];
  }
  if (copies > MAX_COPIES) {
    rgc_cell_error(cell, NULL, RGC_CODE_BAD_VALUE, "upsample makes %lld pixels of each", (long long)copies)->expected =
        rgc_arena_printf(cell->x->diags->arena, "at most %d: two layers, one after the other, make more", MAX_COPIES);
    return -1;
  }
  if (!rgc_cell_fits(cell, shape)) return -1;
  rgc_body *b = rgc_body_create(cell->x->arena);
  return finish_map(cell, b, rgc_body_load(b, cell->in, &view), shape);
}

int rgc_emit_pad_channels(rgc_cell *cell) {
  static const char *const places[] = {"both", "before", "after"};
  int at = rgc_cell_word(cell, "at", 0, places, 3);
  int64_t to, shape[RGC_AXES];
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  if (at < 0 || !rgc_cell_int(cell, "to", 0, shape[RGC_C], &to)) return -1;
  if (to == shape[RGC_C]) return cell->in;
  int64_t added = to - shape[RGC_C], before = at == 0 ? added / 2 : at == 1 ? added : 0;
  shape[RGC_C] = to;
  rgc_view view = rgc_view_identity();
  view.axis[RGC_C].add = -before;
  rgc_body *b = rgc_body_create(cell->x->arena);
  return finish_map(cell, b, rgc_body_load(b, cell->in, &view), shape);
}

/* ---- param and map ---- */

int rgc_emit_param(rgc_cell *cell) {
  static const char *const shapes[] = {"channel", "one"};
  int which = rgc_cell_word(cell, "shape", -1, shapes, 2);
  double init;
  if (which < 0 || !rgc_cell_number(cell, "init", 0, -1e30, 1e30, &init)) return -1;
  int64_t channels = which == 0 ? rgc_cell_shape(cell)[RGC_C] : 1;
  return rgc_cell_param(cell, "", RGC_ROLE_PARAM, (int64_t[]){1, 1, 1, channels}, 1, (rgc_init){RGC_INIT_CONST, init});
}

/* An expression of tensors being built. */
typedef struct map_builder {
  rgc_cell *cell;
  const rgc_yaml *node;
  rgc_body *body;
  const int64_t *shape;
} map_builder;

static int find_value(const rgc_cell *cell, const char *name) {
  const rgc_value_names *v = cell->place->values;
  for (int i = v->count - 1; i >= 0; i--)
    if (strcmp(v->items[i].name, name) == 0) return v->items[i].value;
  return -1;
}

/* Values named in the formula, each once; counts those past MAX_OPERANDS, but does not store them. */
static int collect_values(const rgc_cell *cell, const rgc_formula *f, int *values, int count) {
  int value = f->kind == RGC_F_NAME ? find_value(cell, f->name) : -1;
  bool is_new = value >= 0;
  for (int i = 0; i < count && i < MAX_OPERANDS; i++) is_new &= values[i] != value;
  if (is_new && count < MAX_OPERANDS) values[count] = value;
  count += is_new;
  for (int i = 0; i < f->arg_count; i++) count = collect_values(cell, f->args[i], values, count);
  return count;
}

/* The first name that is neither a value nor a number; NULL: there is none. */
static const rgc_formula *find_unknown(const rgc_cell *cell, const rgc_formula *f) {
  const rgc_binding *b = f->kind == RGC_F_NAME ? rgc_env_find(cell->place->env, f->name) : NULL;
  if (f->kind == RGC_F_NAME && find_value(cell, f->name) < 0 && (!b || b->list)) return f;
  const rgc_formula *found = NULL;
  for (int i = 0; i < f->arg_count && !found; i++) found = find_unknown(cell, f->args[i]);
  return found;
}

static int build(const map_builder *m, const rgc_formula *f);

static int build_name(const map_builder *m, const rgc_formula *f) {
  int value = find_value(m->cell, f->name);
  if (value >= 0) return load_broadcast(m->cell, m->body, value, m->shape);
  const rgc_binding *b = rgc_env_find(m->cell->place->env, f->name);
  if (b && !b->list) return rgc_body_const(m->body, b->number);
  return rgc_cell_unknown(m->cell, m->node, f->offset, f->name);
}

static int build_call(const map_builder *m, const rgc_formula *f) {
  static const char *const skipped[] = {"load", "const"};
  int args[3] = {-1, -1, -1};
  for (int i = 0; i < f->arg_count; i++)
    if ((args[i] = build(m, f->args[i])) < 0) return -1;
  if (f->arg_count == 1) {
    int node = activate(m->body, f->name, args[0], 0.01);
    if (node >= 0) return node;
  }
  rgc_expr_kind kind = rgc_expr_kind_of(f->name);
  bool known = kind != RGC_EXPR_KIND_COUNT && rgc_expr_arity(kind) == f->arg_count && f->arg_count > 0;
  if (!known || strcmp(f->name, skipped[0]) == 0 || strcmp(f->name, skipped[1]) == 0)
    return rgc_cell_error_at(m->cell, m->node, f->offset, RGC_CODE_EXPR_NAME, "no function '%s' of %d arguments in '%s'", f->name, f->arg_count,
                             m->node->text), -1;
  return rgc_body_node(m->body, kind, args[0], args[1], args[2]);
}

static int negate(rgc_body *b, int condition) { return node2(b, RGC_EXPR_SUB, rgc_body_const(b, 1), condition); }

static int build_infix(const map_builder *m, rgc_formula_kind kind, int x, int y) {
  rgc_body *b = m->body;
  int quotient;
  switch (kind) {
    case RGC_F_ADD: return node2(b, RGC_EXPR_ADD, x, y);
    case RGC_F_SUB: return node2(b, RGC_EXPR_SUB, x, y);
    case RGC_F_MUL: case RGC_F_AND: return node2(b, RGC_EXPR_MUL, x, y);
    case RGC_F_DIV: return node2(b, RGC_EXPR_DIV, x, y);
    case RGC_F_FLOORDIV: return node1(b, RGC_EXPR_FLOOR, node2(b, RGC_EXPR_DIV, x, y));
    case RGC_F_MOD:
      quotient = node1(b, RGC_EXPR_FLOOR, node2(b, RGC_EXPR_DIV, x, y));
      return node2(b, RGC_EXPR_SUB, x, node2(b, RGC_EXPR_MUL, quotient, y));
    case RGC_F_LT: return node2(b, RGC_EXPR_LT, x, y);
    case RGC_F_GT: return node2(b, RGC_EXPR_LT, y, x);
    case RGC_F_LE: return node2(b, RGC_EXPR_LE, x, y);
    case RGC_F_GE: return node2(b, RGC_EXPR_LE, y, x);
    case RGC_F_EQ: return node2(b, RGC_EXPR_EQ, x, y);
    case RGC_F_NE: return negate(b, node2(b, RGC_EXPR_EQ, x, y));
    case RGC_F_OR: return node2(b, RGC_EXPR_MAX, x, y);
    default: rgc_internal_error("expand_map", "formula kind %d", (int)kind);
  }
}

static int build(const map_builder *m, const rgc_formula *f) {
  if (f->kind == RGC_F_NUMBER) return rgc_body_const(m->body, f->number);
  if (f->kind == RGC_F_NAME) return build_name(m, f);
  if (f->kind == RGC_F_CALL) return build_call(m, f);
  int args[3] = {-1, -1, -1};
  for (int i = 0; i < f->arg_count; i++)
    if ((args[i] = build(m, f->args[i])) < 0) return -1;
  if (f->kind == RGC_F_NEG) return node1(m->body, RGC_EXPR_NEG, args[0]);
  if (f->kind == RGC_F_NOT) return negate(m->body, args[0]);
  if (f->kind == RGC_F_IF) return rgc_body_node(m->body, RGC_EXPR_SELECT, args[0], args[1], args[2]);
  return build_infix(m, f->kind, args[0], args[1]);
}

int rgc_emit_map(rgc_cell *cell) {
  const rgc_yaml *node = rgc_cell_attr(cell, "of");
  rgc_formula *formula = rgc_formula_parse(cell->x->arena, node, cell->x->diags);
  if (!formula) return -1;
  int values[MAX_OPERANDS], count = collect_values(cell, formula, values, 0);
  int64_t shape[RGC_AXES];
  const rgc_formula *unknown = count ? NULL : find_unknown(cell, formula);
  if (unknown) return rgc_cell_unknown(cell, node, unknown->offset, unknown->name);
  if (!count) {
    rgc_cell_error(cell, node, RGC_CODE_UNKNOWN_NAME, "map names no value")->expected = "names given with as:";
    return -1;
  }
  if (formula->kind == RGC_F_NAME) return values[0];
  if (!few_enough(cell, node, count) || !broadcast_shape(cell, values, count, shape)) return -1;
  map_builder m = {cell, node, rgc_body_create(cell->x->arena), shape};
  int root = build(&m, formula);
  return root < 0 ? -1 : finish_map(cell, m.body, root, shape);
}
