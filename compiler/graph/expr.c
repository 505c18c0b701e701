/* expr.c: views, and the builders of scalar expressions (expr.h).
 *
 * A builder returns the index of a node that means what was asked for: an equal node that is there already, a constant when
 * every argument is one, an argument itself where the operation is exactly the identity, or a new node at the end. Only
 * rewrites that keep every bit are made here (x*1, x/1, x-0, --x): x+0 is not one of them, for x = -0. Equality of numbers
 * is equality of bits throughout, so that -0, infinities and NaN fills are kept apart. */
#include "compiler/graph/expr.h"

#include <math.h>
#include <string.h>

static bool same_bits(double a, double b) { return !memcmp(&a, &b, sizeof a); }

rgc_view rgc_view_identity(void) {
  rgc_view view = {0};
  for (int j = 0; j < RGC_AXES; j++) view.axis[j] = (rgc_axis_view){.from = j, .mul = 1, .add = 0, .div = 1};
  return view;
}

rgc_view rgc_view_broadcast(const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]) {
  rgc_view view = rgc_view_identity();
  for (int j = 0; j < RGC_AXES; j++)
    if (shape[j] == 1 && extent[j] != 1) view.axis[j].mul = 0;
  return view;
}

bool rgc_view_equal(const rgc_view *a, const rgc_view *b) {
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *x = &a->axis[j], *y = &b->axis[j];
    if (x->from != y->from || x->mul != y->mul || x->add != y->add || x->div != y->div || x->whole != y->whole) return false;
  }
  return same_bits(a->fill, b->fill);
}

bool rgc_view_is_same_point(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]) {
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *v = &view->axis[j];
    bool plain = v->from == j && v->mul == 1 && v->div == 1, still = v->mul == 0 || extent[v->from] == 1;
    if (shape[j] != extent[j] || v->add || !(shape[j] == 1 ? still : plain)) return false;
  }
  return true;
}

bool rgc_view_is_channel(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]) {
  const rgc_axis_view *c = &view->axis[RGC_C];
  for (int j = 0; j < RGC_C; j++)
    if (shape[j] != 1 || (view->axis[j].mul != 0 && extent[view->axis[j].from] != 1) || view->axis[j].add) return false;
  return shape[RGC_C] == extent[RGC_C] && c->from == RGC_C && c->mul == 1 && !c->add && c->div == 1;
}

bool rgc_view_is_identity(const rgc_view *view) {
  rgc_view identity = rgc_view_identity();
  identity.fill = view->fill;
  return rgc_view_equal(view, &identity);
}

int64_t rgc_view_element(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t point[RGC_AXES]) {
  int64_t element = 0;
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *axis = &view->axis[j];
    int64_t index = point[axis->from] * axis->mul + axis->add;
    if (index < 0 || (index % axis->div && !axis->whole)) return -1;
    index /= axis->div;
    if (index >= shape[j]) return -1;
    element = element * shape[j] + index;
  }
  return element;
}

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

/* The same map of integers in lowest terms; a constant axis reads from its own number. */
static rgc_axis_view reduce_axis(rgc_axis_view axis, int own) {
  int64_t divisor = common_divisor(common_divisor(axis.mul, axis.add), axis.div);
  axis.mul /= divisor;
  axis.add /= divisor;
  axis.div /= divisor;
  axis.whole &= axis.div > 1;
  if (!axis.mul) axis.from = own;
  return axis;
}

/* One axis: ((i*mul + add)/div of `outer`) put into `inner`. False where the outer remainder would be lost, or kept though it was
 * dropped: floor(floor(p/a) + b) / c) is floor((p + a*b) / (a*c)), and nothing of that kind holds for multiples. */
static bool compose_axis(rgc_axis_view outer, rgc_axis_view inner, rgc_axis_view *result) {
  bool drops = outer.whole && (inner.mul == 1 || inner.mul == 0) && (inner.div == 1 || inner.whole);
  if (outer.whole && !drops) return false;
  if (!outer.whole && outer.div > 1 && (inner.div > 1 || common_divisor(inner.mul, outer.div) != 1)) return false;
  *result = (rgc_axis_view){.from = outer.from,
                            .mul = outer.mul * inner.mul,
                            .add = outer.add * inner.mul + inner.add * outer.div,
                            .div = outer.div * inner.div,
                            .whole = outer.whole || inner.whole};
  return true;
}

/* The space between the two is not known here: that points outside of it stay outside (or do not occur) is for the caller
 * to see to. */
bool rgc_view_compose(const rgc_view *outer, const rgc_view *inner, rgc_view *result) {
  if (!same_bits(outer->fill, inner->fill)) return false;
  rgc_view composed = {.fill = inner->fill};
  bool used[RGC_AXES] = {0};
  for (int j = 0; j < RGC_AXES; j++) {
    int between = inner->axis[j].from;
    rgc_axis_view first = reduce_axis(outer->axis[between], between), second = reduce_axis(inner->axis[j], between);
    if (!compose_axis(first, second, &composed.axis[j])) return false;
    composed.axis[j] = reduce_axis(composed.axis[j], j);
    used[between] = true;
  }
  for (int k = 0; k < RGC_AXES; k++)
    if (!used[k] && reduce_axis(outer->axis[k], k).div > 1 && !outer->axis[k].whole) return false;
  *result = composed;
  return true;
}

/* Words. */

static const char *const words[] = {
#define X(id, word, args) word,
    RGC_EXPR_NODES(X)
#undef X
};
static const int arities[] = {
#define X(id, word, args) args,
    RGC_EXPR_NODES(X)
#undef X
};
static const char *const scalar_words[] = {
#define X(id, word) word,
    RGC_SCALARS(X)
#undef X
};

const char *rgc_expr_word(rgc_expr_kind kind) { return words[kind]; }

rgc_expr_kind rgc_expr_kind_of(const char *word) {
  int kind = 0;
  while (kind < RGC_EXPR_KIND_COUNT && strcmp(words[kind], word)) kind++;
  return (rgc_expr_kind)kind;
}

int rgc_expr_arity(rgc_expr_kind kind) { return arities[kind]; }

const char *rgc_scalar_word(rgc_scalar scalar) { return scalar_words[scalar]; }

/* Builders. */

static bool equal_nodes(const rgc_node *a, const rgc_node *b) {
  return a->kind == b->kind && a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1] && a->arg[2] == b->arg[2] &&
         a->index == b->index && a->axes == b->axes && same_bits(a->number, b->number);
}

static int share_node(rgc_body *body, rgc_node node) {
  for (int i = 0; i < body->node_count; i++)
    if (equal_nodes(&body->nodes[i], &node)) return i;
  *RGC_PUSH(body->arena, body->nodes, body->node_count, body->node_capacity) = node;
  return body->node_count - 1;
}

static rgc_node leaf(rgc_expr_kind kind) { return (rgc_node){.kind = kind, .arg = {-1, -1, -1}}; }

int rgc_body_load(rgc_body *body, int value, const rgc_view *view) {
  int operand = 0;
  while (operand < body->operand_count && !(body->operands[operand].value == value &&
                                            rgc_view_equal(&body->operands[operand].view, view)))
    operand++;
  if (operand == body->operand_count)
    *RGC_PUSH(body->arena, body->operands, body->operand_count, body->operand_capacity) =
        (rgc_operand){.value = value, .view = *view};
  return rgc_body_leaf(body, RGC_EXPR_LOAD, operand);
}

int rgc_body_const(rgc_body *body, double number) {
  rgc_node node = leaf(RGC_EXPR_CONST);
  node.number = number;
  return share_node(body, node);
}

int rgc_body_leaf(rgc_body *body, rgc_expr_kind kind, int index) {
  rgc_node node = leaf(kind);
  node.index = index;
  return share_node(body, node);
}

int rgc_body_random(rgc_body *body, int stream, unsigned axes) {
  rgc_node node = leaf(RGC_EXPR_RANDOM);
  node.index = stream;
  node.axes = axes;
  return share_node(body, node);
}

double rgc_round_bf16(double number) {
  enum { LEAST_EXPONENT = -126, BITS = 7 };
  if (number == 0 || !isfinite(number)) return number;
  int exponent = ilogb(number);
  double unit = ldexp(1, (exponent < LEAST_EXPONENT ? LEAST_EXPONENT : exponent) - BITS), rounded = nearbyint(number / unit) * unit;
  return fabs(rounded) < 0x1p128 ? rounded : copysign(INFINITY, number);
}

double rgc_expr_compute(rgc_expr_kind kind, double a, double b, double c) {
  switch (kind) {
    case RGC_EXPR_ADD: return a + b;
    case RGC_EXPR_SUB: return a - b;
    case RGC_EXPR_MUL: return a * b;
    case RGC_EXPR_DIV: return a / b;
    case RGC_EXPR_MIN: return isnan(a) || a < b ? a : b; /* no number stays no number */
    case RGC_EXPR_MAX: return isnan(a) || a > b ? a : b;
    case RGC_EXPR_POW: return pow(a, b);
    case RGC_EXPR_FMA: return fma(a, b, c);
    case RGC_EXPR_NEG: return -a;
    case RGC_EXPR_ABS: return fabs(a);
    case RGC_EXPR_SQRT: return sqrt(a);
    case RGC_EXPR_RECIP: return 1 / a;
    case RGC_EXPR_EXP: return exp(a);
    case RGC_EXPR_LOG: return log(a);
    case RGC_EXPR_TANH: return tanh(a);
    case RGC_EXPR_ERF: return erf(a);
    case RGC_EXPR_SIGMOID: return 1 / (1 + exp(-a));
    case RGC_EXPR_FLOOR: return floor(a);
    case RGC_EXPR_BF16: return rgc_round_bf16(a);
    case RGC_EXPR_LT: return a < b;
    case RGC_EXPR_LE: return a <= b;
    case RGC_EXPR_EQ: return a == b;
    case RGC_EXPR_SELECT: return a != 0 ? b : c;
    default: return NAN;
  }
}

static bool is_const(const rgc_body *body, int node) { return node >= 0 && body->nodes[node].kind == RGC_EXPR_CONST; }

static bool is_number(const rgc_body *body, int node, double number) {
  return is_const(body, node) && same_bits(body->nodes[node].number, number);
}

/* The constant that the node is, as a node; -1 if it is none. NaN is left to run time. */
static int fold(rgc_body *body, rgc_expr_kind kind, const int arg[3]) {
  double number[3] = {0};
  for (int i = 0; i < arities[kind]; i++) {
    if (!is_const(body, arg[i]) || isnan(body->nodes[arg[i]].number)) return -1;
    number[i] = body->nodes[arg[i]].number;
  }
  double result = rgc_expr_compute(kind, number[0], number[1], number[2]);
  return isnan(result) ? -1 : rgc_body_const(body, result);
}

/* Whether the node is a number of bf16 whatever its loads are. */
static bool is_rounded(const rgc_body *body, int node) {
  const rgc_node *n = &body->nodes[node];
  switch (n->kind) {
    case RGC_EXPR_BF16: return true;
    case RGC_EXPR_CONST: return same_bits(rgc_round_bf16(n->number), n->number);
    case RGC_EXPR_NEG:
    case RGC_EXPR_ABS: return is_rounded(body, n->arg[0]);
    case RGC_EXPR_MIN:
    case RGC_EXPR_MAX: return is_rounded(body, n->arg[0]) && is_rounded(body, n->arg[1]);
    case RGC_EXPR_SELECT: return is_rounded(body, n->arg[1]) && is_rounded(body, n->arg[2]);
    default: return false;
  }
}

/* The argument that the node equals in every bit; -1 if there is none. */
static int same_as_argument(const rgc_body *body, rgc_expr_kind kind, int a, int b, int c) {
  if (kind == RGC_EXPR_MUL && is_number(body, a, 1)) return b;
  if ((kind == RGC_EXPR_MUL || kind == RGC_EXPR_DIV) && is_number(body, b, 1)) return a;
  if (kind == RGC_EXPR_SUB && is_number(body, b, 0)) return a;
  if (kind == RGC_EXPR_NEG && body->nodes[a].kind == RGC_EXPR_NEG) return body->nodes[a].arg[0];
  if (kind == RGC_EXPR_BF16 && is_rounded(body, a)) return a;
  if (kind == RGC_EXPR_SELECT && b == c) return b;
  if (kind == RGC_EXPR_SELECT && is_const(body, a)) return body->nodes[a].number != 0 ? b : c;
  return -1;
}

static bool is_bf16_const(const rgc_body *body, int node) { return is_const(body, node) && is_rounded(body, node); }

/* c < max(x, c) exactly where c < x; likewise of the rounded maximum, where c is a number of bf16. */
static int without_max(rgc_body *body, rgc_expr_kind kind, int a, int b) {
  bool rounded = kind == RGC_EXPR_LT && body->nodes[b].kind == RGC_EXPR_BF16 && is_bf16_const(body, a);
  const rgc_node *most = &body->nodes[rounded ? body->nodes[b].arg[0] : b];
  if (kind != RGC_EXPR_LT || most->kind != RGC_EXPR_MAX) return b;
  int other = most->arg[1] == a ? most->arg[0] : most->arg[0] == a ? most->arg[1] : -1;
  if (other < 0) return b;
  return rounded ? rgc_body_node(body, RGC_EXPR_BF16, other, -1, -1) : other;
}

/* The node without its rounding, if it has one. */
static int unrounded(const rgc_body *body, int node) { return body->nodes[node].kind == RGC_EXPR_BF16 ? body->nodes[node].arg[0] : node; }

/* What is chosen among rounded numbers is rounded once it is chosen, since rounding keeps the order: one rounding, and where that is the last
 * node, none but the store's own. -1: this is no such choice. */
static int round_behind(rgc_body *body, rgc_expr_kind kind, int a, int b, int c) {
  bool extreme = kind == RGC_EXPR_MAX || kind == RGC_EXPR_MIN, select = kind == RGC_EXPR_SELECT;
  int x = select ? b : a, y = select ? c : b;
  if (!extreme && !select) return -1;
  bool rounded_x = body->nodes[x].kind == RGC_EXPR_BF16, rounded_y = body->nodes[y].kind == RGC_EXPR_BF16;
  if (!(rounded_x && rounded_y) && !(rounded_x && is_bf16_const(body, y)) && !(rounded_y && is_bf16_const(body, x))) return -1;
  x = unrounded(body, x), y = unrounded(body, y);
  int chosen = select ? rgc_body_node(body, kind, a, x, y) : rgc_body_node(body, kind, x, y, -1);
  return rgc_body_node(body, RGC_EXPR_BF16, chosen, -1, -1);
}

int rgc_body_node(rgc_body *body, rgc_expr_kind kind, int a, int b, int c) {
  if (arities[kind] == 2) b = without_max(body, kind, a, b);
  int arg[3] = {a, b, c};
  int found = arities[kind] ? fold(body, kind, arg) : -1;
  if (found < 0) found = same_as_argument(body, kind, a, b, c);
  if (found < 0) found = round_behind(body, kind, a, b, c);
  if (found >= 0) return found;
  rgc_node node = leaf(kind);
  for (int i = 0; i < arities[kind]; i++) node.arg[i] = arg[i];
  return share_node(body, node);
}
