/* expr.c: views, and bodies built node by node; see expr.h. Equal nodes and operands are shared, constants folded, so that
 * a body has one text whatever the order its parts were asked for. */
#include "compiler/graph/expr.h"

#include <math.h>
#include <string.h>

static const struct {
  const char *word;
  int arity;
} kinds[] = {
#define X(id, word, args) {word, args},
    RGC_EXPR_NODES(X)
#undef X
};

static const char *const scalar_words[] = {
#define X(id, word) word,
    RGC_SCALARS(X)
#undef X
};

const char *rgc_expr_word(rgc_expr_kind kind) { return kinds[kind].word; }
int rgc_expr_arity(rgc_expr_kind kind) { return kinds[kind].arity; }
const char *rgc_scalar_word(rgc_scalar scalar) { return scalar_words[scalar]; }

rgc_expr_kind rgc_expr_kind_of(const char *word) {
  int kind = 0;
  while (kind < RGC_EXPR_KIND_COUNT && strcmp(kinds[kind].word, word)) kind++;
  return (rgc_expr_kind)kind;
}

rgc_view rgc_view_identity(void) {
  rgc_view view = {.fill = 0};
  for (int j = 0; j < RGC_AXES; j++) view.axis[j] = (rgc_axis_view){.from = j, .mul = 1, .add = 0, .div = 1};
  return view;
}

rgc_view rgc_view_broadcast(const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]) {
  rgc_view view = rgc_view_identity();
  for (int j = 0; j < RGC_AXES; j++)
    if (shape[j] == 1 && extent[j] != 1) view.axis[j].mul = 0;
  return view;
}

/* Equal as bits: -0 and NaN are fills like any other. */
static bool same_number(double a, double b) { return !memcmp(&a, &b, sizeof a); }

static bool axis_equal(const rgc_axis_view *a, const rgc_axis_view *b) {
  return a->from == b->from && a->mul == b->mul && a->add == b->add && a->div == b->div;
}

bool rgc_view_equal(const rgc_view *a, const rgc_view *b) {
  for (int j = 0; j < RGC_AXES; j++)
    if (!axis_equal(&a->axis[j], &b->axis[j])) return false;
  return same_number(a->fill, b->fill);
}

bool rgc_view_is_identity(const rgc_view *view) {
  rgc_view identity = rgc_view_identity();
  for (int j = 0; j < RGC_AXES; j++)
    if (!axis_equal(&view->axis[j], &identity.axis[j])) return false;
  return true;
}

int64_t rgc_view_element(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t point[RGC_AXES]) {
  int64_t element = 0;
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *a = &view->axis[j];
    int64_t scaled = point[a->from] * a->mul + a->add;
    if (scaled % a->div) return -1;
    int64_t index = scaled / a->div;
    if (index < 0 || index >= shape[j]) return -1;
    element = element * shape[j] + index;
  }
  return element;
}

/* inner((outer(i))): ((i*om + oa)/od * im + ia) / id. With od 1 that is (i*om*im + oa*im + ia) / id; with im 1, id 1:
 * (i*om + oa + ia*od) / od. */
static bool axis_compose(const rgc_axis_view *outer, const rgc_axis_view *inner, rgc_axis_view *result) {
  if (outer->div == 1) {
    *result = (rgc_axis_view){outer->from, outer->mul * inner->mul, outer->add * inner->mul + inner->add, inner->div};
    return true;
  }
  if (inner->mul != 1 || inner->div != 1) return false;
  *result = (rgc_axis_view){outer->from, outer->mul, outer->add + inner->add * outer->div, outer->div};
  return true;
}

bool rgc_view_compose(const rgc_view *outer, const rgc_view *inner, rgc_view *result) {
  rgc_view composed = {.fill = inner->fill};
  if (!same_number(outer->fill, inner->fill)) return false;
  for (int j = 0; j < RGC_AXES; j++)
    if (!axis_compose(&outer->axis[inner->axis[j].from], &inner->axis[j], &composed.axis[j])) return false;
  *result = composed;
  return true;
}

static int add_node(rgc_body *body, rgc_node node) {
  for (int i = 0; i < body->node_count; i++) {
    const rgc_node *n = &body->nodes[i];
    if (n->kind == node.kind && n->index == node.index && n->axes == node.axes && same_number(n->number, node.number) &&
        !memcmp(n->arg, node.arg, sizeof node.arg))
      return i;
  }
  *RGC_PUSH(body->arena, body->nodes, body->node_count, body->node_capacity) = node;
  return body->node_count - 1;
}

int rgc_body_load(rgc_body *body, int value, const rgc_view *view) {
  int operand = 0;
  for (; operand < body->operand_count; operand++)
    if (body->operands[operand].value == value && rgc_view_equal(&body->operands[operand].view, view)) break;
  if (operand == body->operand_count)
    *RGC_PUSH(body->arena, body->operands, body->operand_count, body->operand_capacity) = (rgc_operand){value, *view};
  return rgc_body_leaf(body, RGC_EXPR_LOAD, operand);
}

int rgc_body_const(rgc_body *body, double number) {
  return add_node(body, (rgc_node){.kind = RGC_EXPR_CONST, .arg = {-1, -1, -1}, .number = number});
}

int rgc_body_leaf(rgc_body *body, rgc_expr_kind kind, int index) {
  return add_node(body, (rgc_node){.kind = kind, .arg = {-1, -1, -1}, .index = index});
}

int rgc_body_random(rgc_body *body, int stream, unsigned axes) {
  return add_node(body, (rgc_node){.kind = RGC_EXPR_RANDOM, .arg = {-1, -1, -1}, .index = stream, .axes = axes});
}

static bool is_const(const rgc_body *body, int node, double *number) {
  if (node < 0 || body->nodes[node].kind != RGC_EXPR_CONST) return false;
  *number = body->nodes[node].number;
  return true;
}

/* The few folds that keep derivatives short: both constants, and the neutral elements. Returns -1: nothing to fold. */
static int fold(rgc_body *body, rgc_expr_kind kind, int a, int b) {
  double x = 0, y = 0;
  bool ca = is_const(body, a, &x), cb = is_const(body, b, &y);
  if (ca && kind == RGC_EXPR_NEG) return rgc_body_const(body, -x);
  if (ca && cb) {
    if (kind == RGC_EXPR_ADD) return rgc_body_const(body, x + y);
    if (kind == RGC_EXPR_SUB) return rgc_body_const(body, x - y);
    if (kind == RGC_EXPR_MUL) return rgc_body_const(body, x * y);
    if (kind == RGC_EXPR_DIV && y != 0) return rgc_body_const(body, x / y);
  }
  if (cb && y == 1 && (kind == RGC_EXPR_MUL || kind == RGC_EXPR_DIV)) return a;
  if (ca && x == 1 && kind == RGC_EXPR_MUL) return b;
  if (cb && y == 0 && (kind == RGC_EXPR_ADD || kind == RGC_EXPR_SUB)) return a;
  if (ca && x == 0 && kind == RGC_EXPR_ADD) return b;
  return -1;
}

int rgc_body_node(rgc_body *body, rgc_expr_kind kind, int a, int b, int c) {
  int folded = fold(body, kind, a, b);
  if (folded >= 0) return folded;
  return add_node(body, (rgc_node){.kind = kind, .arg = {a, b, c}});
}
