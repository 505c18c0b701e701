/* expr_derivative.c: symbolic derivative of one node with respect to one load operand (forward mode).
 *
 * The nodes up to the root are walked once; slope[i] is the node that holds the derivative of node i, or -1 where it is zero
 * everywhere. Only nodes the root depends on get one. New nodes go to the end of the same body, so the derivative shares
 * what it can with the value: exp, tanh, sigmoid and sqrt use their own result. Where a function has a kink the slope is that
 * of PyTorch: |x|' = 0 at 0, and max(a,b) passes to a only where a > b (min: where a < b), else to b. */
#include <math.h>
#include <string.h>

#include "compiler/graph/expr.h"

typedef struct rule {
  rgc_body *body;
  int self, a, b, c;    /* the node and its arguments */
  int da, db, dc;       /* slopes of the arguments, -1: zero */
} rule;

static int node1(rule *r, rgc_expr_kind kind, int a) { return rgc_body_node(r->body, kind, a, -1, -1); }

static int node2(rule *r, rgc_expr_kind kind, int a, int b) { return rgc_body_node(r->body, kind, a, b, -1); }

static int number(rule *r, double value) { return rgc_body_const(r->body, value); }

/* -1 stands for zero in these. */
static int plus(rule *r, int a, int b) { return a < 0 ? b : b < 0 ? a : node2(r, RGC_EXPR_ADD, a, b); }

static int times(rule *r, int slope, int factor) { return slope < 0 ? -1 : node2(r, RGC_EXPR_MUL, slope, factor); }

static int minus(rule *r, int a) { return a < 0 ? -1 : node1(r, RGC_EXPR_NEG, a); }

static int choose(rule *r, int condition, int yes, int no) {
  if (yes < 0 && no < 0) return -1;
  return rgc_body_node(r->body, RGC_EXPR_SELECT, condition, yes < 0 ? number(r, 0) : yes, no < 0 ? number(r, 0) : no);
}

static int slope_div(rule *r) {
  int from_a = r->da < 0 ? -1 : node2(r, RGC_EXPR_DIV, r->da, r->b);
  if (r->db < 0) return from_a;
  int quotient = node2(r, RGC_EXPR_DIV, r->self, r->b); /* a/b^2 */
  return plus(r, from_a, minus(r, times(r, r->db, quotient)));
}

/* (a^b)' = b a^(b-1) a' + a^b log(a) b' */
static int slope_pow(rule *r) {
  int from_a = -1, from_b = -1;
  if (r->da >= 0) {
    int lower = node2(r, RGC_EXPR_SUB, r->b, number(r, 1));
    int power = lower == number(r, 1) ? r->a : node2(r, RGC_EXPR_POW, r->a, lower);
    from_a = times(r, r->da, node2(r, RGC_EXPR_MUL, r->b, power));
  }
  if (r->db >= 0) from_b = times(r, r->db, node2(r, RGC_EXPR_MUL, r->self, node1(r, RGC_EXPR_LOG, r->a)));
  return plus(r, from_a, from_b);
}

static int slope_product(rule *r) { return plus(r, times(r, r->da, r->b), times(r, r->db, r->a)); }

static int slope_abs(rule *r) {
  int zero = number(r, 0);
  int right = choose(r, node2(r, RGC_EXPR_LT, zero, r->a), r->da, -1);
  return choose(r, node2(r, RGC_EXPR_LT, r->a, zero), minus(r, r->da), right);
}

/* erf'(a) = 2/sqrt(pi) exp(-a^2) */
static int slope_erf(rule *r) {
  int bell = node1(r, RGC_EXPR_EXP, node1(r, RGC_EXPR_NEG, node2(r, RGC_EXPR_MUL, r->a, r->a)));
  return times(r, r->da, node2(r, RGC_EXPR_MUL, number(r, M_2_SQRTPI), bell));
}

static int slope_sigmoid(rule *r) {
  int rest = node2(r, RGC_EXPR_SUB, number(r, 1), r->self);
  return times(r, r->da, node2(r, RGC_EXPR_MUL, r->self, rest));
}

static int slope_tanh(rule *r) {
  int square = node2(r, RGC_EXPR_MUL, r->self, r->self);
  return times(r, r->da, node2(r, RGC_EXPR_SUB, number(r, 1), square));
}

static int slope_recip(rule *r) {
  return minus(r, times(r, r->da, node2(r, RGC_EXPR_MUL, r->self, r->self)));
}

/* Functions of one argument, whose slope is known not to be zero. */
static int slope_of_function(rule *r, rgc_expr_kind kind) {
  switch (kind) {
    case RGC_EXPR_BF16: return r->da; /* of what is rounded: the rounding's own is 0 almost everywhere, which says nothing */
    case RGC_EXPR_NEG: return minus(r, r->da);
    case RGC_EXPR_ABS: return slope_abs(r);
    case RGC_EXPR_SQRT: return times(r, r->da, node2(r, RGC_EXPR_DIV, number(r, 0.5), r->self));
    case RGC_EXPR_RECIP: return slope_recip(r);
    case RGC_EXPR_EXP: return times(r, r->da, r->self);
    case RGC_EXPR_LOG: return node2(r, RGC_EXPR_DIV, r->da, r->a);
    case RGC_EXPR_TANH: return slope_tanh(r);
    case RGC_EXPR_ERF: return slope_erf(r);
    case RGC_EXPR_SIGMOID: return slope_sigmoid(r);
    default: return -1; /* floor */
  }
}

static int slope_of_node(rule *r, rgc_expr_kind kind) {
  if (r->da < 0 && r->db < 0 && r->dc < 0) return -1;
  switch (kind) {
    case RGC_EXPR_ADD: return plus(r, r->da, r->db);
    case RGC_EXPR_SUB:
      return r->da < 0 || r->db < 0 ? plus(r, r->da, minus(r, r->db)) : node2(r, RGC_EXPR_SUB, r->da, r->db);
    case RGC_EXPR_MUL: return slope_product(r);
    case RGC_EXPR_DIV: return slope_div(r);
    case RGC_EXPR_MIN: return choose(r, node2(r, RGC_EXPR_LT, r->a, r->b), r->da, r->db);
    case RGC_EXPR_MAX: return choose(r, node2(r, RGC_EXPR_LT, r->b, r->a), r->da, r->db);
    case RGC_EXPR_POW: return slope_pow(r);
    case RGC_EXPR_FMA: return plus(r, slope_product(r), r->dc);
    case RGC_EXPR_SELECT: return choose(r, r->a, r->db, r->dc);
    case RGC_EXPR_LT:
    case RGC_EXPR_LE:
    case RGC_EXPR_EQ: return -1;
    default: return slope_of_function(r, kind);
  }
}

static void mark_needed(const rgc_body *body, int root, bool *needed) {
  needed[root] = true;
  for (int i = root; i >= 0; i--)
    for (int k = 0; needed[i] && k < rgc_expr_arity(body->nodes[i].kind); k++) needed[body->nodes[i].arg[k]] = true;
}

static bool is_zero(const rgc_body *body, int node) {
  return node >= 0 && body->nodes[node].kind == RGC_EXPR_CONST && body->nodes[node].number == 0;
}

static int slope_at(rgc_body *body, int i, int operand, const int *slope) {
  rgc_node node = body->nodes[i]; /* a copy: the array moves as it grows */
  if (node.kind == RGC_EXPR_LOAD) return node.index == operand ? rgc_body_const(body, 1) : -1;
  int args = rgc_expr_arity(node.kind);
  rule r = {.body = body, .self = i, .a = node.arg[0], .b = node.arg[1], .c = node.arg[2]};
  r.da = args > 0 ? slope[r.a] : -1;
  r.db = args > 1 ? slope[r.b] : -1;
  r.dc = args > 2 ? slope[r.c] : -1;
  int result = slope_of_node(&r, node.kind);
  return is_zero(body, result) ? -1 : result;
}

int rgc_body_derivative(rgc_body *body, int root, int operand) {
  rgc_arena *scratch = rgc_arena_create();
  bool *needed = RGC_NEW_ARRAY(scratch, bool, root + 1);
  int *slope = RGC_NEW_ARRAY(scratch, int, root + 1);
  mark_needed(body, root, needed);
  for (int i = 0; i <= root; i++) slope[i] = needed[i] ? slope_at(body, i, operand, slope) : -1;
  int result = slope[root];
  rgc_arena_destroy(scratch);
  return result;
}
