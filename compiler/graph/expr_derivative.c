/* expr_derivative.c: symbolic differentiation of a body, forward mode: one walk over the nodes up to the root computes the
 * derivative of each with respect to one operand; -1 stands for zero. Ends because arguments have smaller indices. */
#include <math.h>

#include "compiler/graph/expr.h"

static int unary(rgc_body *b, rgc_expr_kind kind, int a) { return rgc_body_node(b, kind, a, -1, -1); }
static int binary(rgc_body *b, rgc_expr_kind kind, int x, int y) { return rgc_body_node(b, kind, x, y, -1); }
static int constant(rgc_body *b, double number) { return rgc_body_const(b, number); }

static int product(rgc_body *b, int x, int y) { return x < 0 || y < 0 ? -1 : binary(b, RGC_EXPR_MUL, x, y); }

static int sum(rgc_body *b, int x, int y) {
  if (x < 0) return y;
  return y < 0 ? x : binary(b, RGC_EXPR_ADD, x, y);
}

static int difference(rgc_body *b, int x, int y) {
  if (y < 0) return x;
  return x < 0 ? unary(b, RGC_EXPR_NEG, y) : binary(b, RGC_EXPR_SUB, x, y);
}

/* condition != 0 ? x : y, where x or y may be zero. */
static int choice(rgc_body *b, int condition, int x, int y) {
  if (x < 0 && y < 0) return -1;
  return rgc_body_node(b, RGC_EXPR_SELECT, condition, x < 0 ? constant(b, 0) : x, y < 0 ? constant(b, 0) : y);
}

/* f'(x) of node f = kind(x), in terms of x and of f itself. */
static int unary_slope(rgc_body *b, rgc_expr_kind kind, int x, int f) {
  switch (kind) {
    case RGC_EXPR_NEG: return constant(b, -1);
    case RGC_EXPR_ABS:
      return binary(b, RGC_EXPR_SUB, binary(b, RGC_EXPR_LT, constant(b, 0), x), binary(b, RGC_EXPR_LT, x, constant(b, 0)));
    case RGC_EXPR_SQRT: return binary(b, RGC_EXPR_DIV, constant(b, 0.5), f);
    case RGC_EXPR_RECIP: return unary(b, RGC_EXPR_NEG, binary(b, RGC_EXPR_MUL, f, f));
    case RGC_EXPR_EXP: return f;
    case RGC_EXPR_LOG: return unary(b, RGC_EXPR_RECIP, x);
    case RGC_EXPR_TANH: return binary(b, RGC_EXPR_SUB, constant(b, 1), binary(b, RGC_EXPR_MUL, f, f));
    case RGC_EXPR_SIGMOID: return binary(b, RGC_EXPR_MUL, f, binary(b, RGC_EXPR_SUB, constant(b, 1), f));
    case RGC_EXPR_ERF: /* 2/sqrt(pi) exp(-x^2) */
      return binary(b, RGC_EXPR_MUL, constant(b, 2 / sqrt(acos(-1))),
                    unary(b, RGC_EXPR_EXP, unary(b, RGC_EXPR_NEG, binary(b, RGC_EXPR_MUL, x, x))));
    default: return -1; /* floor, comparisons: zero almost everywhere */
  }
}

/* d(x^y) = x^y (y' log x + y x' / x), written so that a constant exponent works for x <= 0. */
static int power_derivative(rgc_body *b, const rgc_node *n, int f, int dx, int dy) {
  int exponent_less_one = binary(b, RGC_EXPR_SUB, n->arg[1], constant(b, 1));
  int slope = binary(b, RGC_EXPR_MUL, n->arg[1], binary(b, RGC_EXPR_POW, n->arg[0], exponent_less_one));
  int by_base = product(b, dx, slope);
  if (dy < 0) return by_base;
  return sum(b, by_base, product(b, dy, binary(b, RGC_EXPR_MUL, f, unary(b, RGC_EXPR_LOG, n->arg[0]))));
}

/* d(x/y) = (x' - f y') / y */
static int quotient_derivative(rgc_body *b, const rgc_node *n, int f, int dx, int dy) {
  int above = difference(b, dx, product(b, f, dy));
  return above < 0 ? -1 : binary(b, RGC_EXPR_DIV, above, n->arg[1]);
}

static int node_derivative(rgc_body *b, int f, const int *d, int operand) {
  rgc_node n = b->nodes[f]; /* a copy: the array may move as nodes are added */
  int dx = n.arg[0] < 0 ? -1 : d[n.arg[0]], dy = n.arg[1] < 0 ? -1 : d[n.arg[1]], dz = n.arg[2] < 0 ? -1 : d[n.arg[2]];
  switch (n.kind) {
    case RGC_EXPR_LOAD: return n.index == operand ? constant(b, 1) : -1;
    case RGC_EXPR_ADD: return sum(b, dx, dy);
    case RGC_EXPR_SUB: return difference(b, dx, dy);
    case RGC_EXPR_MUL: return sum(b, product(b, dx, n.arg[1]), product(b, n.arg[0], dy));
    case RGC_EXPR_FMA: return sum(b, sum(b, product(b, dx, n.arg[1]), product(b, n.arg[0], dy)), dz);
    case RGC_EXPR_DIV: return quotient_derivative(b, &n, f, dx, dy);
    case RGC_EXPR_POW: return power_derivative(b, &n, f, dx, dy);
    case RGC_EXPR_MAX: return dx < 0 && dy < 0 ? -1 : choice(b, binary(b, RGC_EXPR_LT, n.arg[1], n.arg[0]), dx, dy);
    case RGC_EXPR_MIN: return dx < 0 && dy < 0 ? -1 : choice(b, binary(b, RGC_EXPR_LT, n.arg[0], n.arg[1]), dx, dy);
    case RGC_EXPR_SELECT: return choice(b, n.arg[0], dy, dz);
    default: return dx < 0 ? -1 : product(b, dx, unary_slope(b, n.kind, n.arg[0], f));
  }
}

int rgc_body_derivative(rgc_body *body, int root, int operand) {
  rgc_arena *scratch = rgc_arena_create();
  int *derivatives = RGC_NEW_ARRAY(scratch, int, root + 1);
  for (int f = 0; f <= root; f++) derivatives[f] = node_derivative(body, f, derivatives, operand);
  int result = derivatives[root];
  rgc_arena_destroy(scratch);
  return result;
}
