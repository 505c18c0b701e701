/* test_expr.c: sharing and folding, views against their definition, derivatives against finite differences. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "compiler/graph/graph.h"

/* A small evaluator: loads are numbers. */
static double apply(const rgc_node *node, double a, double b, double c) {
  switch (node->kind) {
    case RGC_EXPR_ADD: return a + b;
    case RGC_EXPR_SUB: return a - b;
    case RGC_EXPR_MUL: return a * b;
    case RGC_EXPR_DIV: return a / b;
    case RGC_EXPR_MIN: return fmin(a, b);
    case RGC_EXPR_MAX: return fmax(a, b);
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
    case RGC_EXPR_LT: return a < b;
    case RGC_EXPR_LE: return a <= b;
    case RGC_EXPR_EQ: return a == b;
    case RGC_EXPR_SELECT: return a != 0 ? b : c;
    default: cr_assert_fail("no evaluation of %s", rgc_expr_word(node->kind)); return 0;
  }
}

static double evaluate(const rgc_body *body, int root, const double *loads) {
  double *results = calloc((size_t)root + 1, sizeof *results);
  for (int i = 0; i <= root; i++) {
    const rgc_node *node = &body->nodes[i];
    double arg[3] = {0};
    for (int k = 0; k < rgc_expr_arity(node->kind); k++) arg[k] = results[node->arg[k]];
    if (node->kind == RGC_EXPR_CONST)
      results[i] = node->number;
    else if (node->kind == RGC_EXPR_LOAD)
      results[i] = loads[node->index];
    else
      results[i] = apply(node, arg[0], arg[1], arg[2]);
  }
  double result = results[root];
  free(results);
  return result;
}

static int load(rgc_body *body, int value) {
  rgc_view view = rgc_view_identity();
  return rgc_body_load(body, value, &view);
}

/* The derivative of `kind` of three loads, with respect to each, at three points. */
static void check_derivative(rgc_expr_kind kind) {
  static const double points[3][3] = {{0.7, 1.9, 0.4}, {1.3, 0.6, -0.8}, {2.2, 2.5, 1.1}};
  static const double step = 1e-6;
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int x[3];
  for (int i = 0; i < 3; i++) x[i] = load(body, i);
  /* a product around it makes the chain rule matter */
  int inner = rgc_body_node(body, kind, x[0], x[1], x[2]);
  int root = rgc_body_node(body, RGC_EXPR_MUL, inner, rgc_body_node(body, RGC_EXPR_ADD, inner, x[1], -1), -1);
  for (int operand = 0; operand < 3; operand++) {
    int slope = rgc_body_derivative(body, root, operand);
    for (int p = 0; p < 3; p++) {
      double at[3] = {points[p][0], points[p][1], points[p][2]};
      double got = slope < 0 ? 0 : evaluate(body, slope, at);
      at[operand] = points[p][operand] + step;
      double above = evaluate(body, root, at);
      at[operand] = points[p][operand] - step;
      double wanted = (above - evaluate(body, root, at)) / (2 * step);
      cr_expect(fabs(got - wanted) <= 1e-6 * (1 + fabs(wanted)), "%s by operand %d at point %d: %g, not %g",
                rgc_expr_word(kind), operand, p, got, wanted);
    }
  }
  rgc_arena_destroy(arena);
}

/* All but rounding, whose derivative is by definition that of what it rounds (test_precision.c). */
Test(expr, derivatives_agree_with_finite_differences) {
  for (int kind = 0; kind < RGC_EXPR_KIND_COUNT; kind++)
    if (rgc_expr_arity((rgc_expr_kind)kind) && kind != RGC_EXPR_BF16) check_derivative((rgc_expr_kind)kind);
}

Test(expr, powers_with_constant_exponents_have_simple_slopes) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int x = load(body, 0);
  int square = rgc_body_node(body, RGC_EXPR_POW, x, rgc_body_const(body, 2), -1);
  int slope = rgc_body_derivative(body, square, 0);
  cr_assert_eq(body->nodes[slope].kind, RGC_EXPR_MUL); /* 2x, no pow */
  double at = -1.5;
  cr_assert_float_eq(evaluate(body, slope, &at), -3, 1e-12);
  rgc_arena_destroy(arena);
}

Test(expr, relu_has_slope_zero_at_zero) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int relu = rgc_body_node(body, RGC_EXPR_MAX, load(body, 0), rgc_body_const(body, 0), -1);
  int slope = rgc_body_derivative(body, relu, 0);
  double at[3] = {-1, 0, 1};
  cr_assert_eq(evaluate(body, slope, &at[0]), 0);
  cr_assert_eq(evaluate(body, slope, &at[1]), 0);
  cr_assert_eq(evaluate(body, slope, &at[2]), 1);
  rgc_arena_destroy(arena);
}

/* As PyTorch's relu6 and hardtanh: where it is cut off, and at the very bounds. */
Test(expr, a_clamp_has_slope_zero_at_its_bounds) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int low = rgc_body_node(body, RGC_EXPR_MAX, load(body, 0), rgc_body_const(body, 0), -1);
  int slope = rgc_body_derivative(body, rgc_body_node(body, RGC_EXPR_MIN, low, rgc_body_const(body, 6), -1), 0);
  const double at[5] = {-1, 0, 3, 6, 7}, wanted[5] = {0, 0, 1, 0, 0};
  for (int i = 0; i < 5; i++) cr_assert_eq(evaluate(body, slope, &at[i]), wanted[i]);
  rgc_arena_destroy(arena);
}

Test(expr, a_derivative_that_is_zero_everywhere_is_none) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int x = load(body, 0), y = load(body, 1);
  cr_assert_eq(rgc_body_derivative(body, x, 1), -1);
  cr_assert_eq(rgc_body_derivative(body, rgc_body_node(body, RGC_EXPR_LT, x, y, -1), 0), -1);
  rgc_arena_destroy(arena);
}

Test(expr, equal_nodes_and_operands_are_shared) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  rgc_view padded = rgc_view_identity();
  padded.fill = -INFINITY;
  cr_assert_eq(load(body, 3), load(body, 3));
  cr_assert_neq(load(body, 3), rgc_body_load(body, 3, &padded));
  cr_assert_eq(body->operand_count, 2);
  int x = load(body, 3), y = load(body, 4);
  cr_assert_eq(rgc_body_node(body, RGC_EXPR_ADD, x, y, -1), rgc_body_node(body, RGC_EXPR_ADD, x, y, -1));
  cr_assert_neq(rgc_body_const(body, 0.0), rgc_body_const(body, -0.0));
  cr_assert_eq(rgc_body_random(body, 1, 1), rgc_body_random(body, 1, 1));
  cr_assert_neq(rgc_body_random(body, 1, 1), rgc_body_random(body, 2, 1));
  rgc_arena_destroy(arena);
}

Test(expr, constants_are_folded_and_bits_are_kept) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int x = load(body, 0), one = rgc_body_const(body, 1), zero = rgc_body_const(body, 0), two = rgc_body_const(body, 2);
  int sum = rgc_body_node(body, RGC_EXPR_ADD, one, two, -1);
  cr_assert_eq(body->nodes[sum].kind, RGC_EXPR_CONST);
  cr_assert_eq(body->nodes[sum].number, 3);
  cr_assert_eq(rgc_body_node(body, RGC_EXPR_MUL, one, x, -1), x);
  cr_assert_eq(rgc_body_node(body, RGC_EXPR_SUB, x, zero, -1), x);
  cr_assert_neq(rgc_body_node(body, RGC_EXPR_ADD, x, zero, -1), x); /* -0 + 0 is 0 */
  cr_assert_eq(rgc_body_node(body, RGC_EXPR_SELECT, zero, x, two), two);
  cr_assert_eq(body->nodes[rgc_body_node(body, RGC_EXPR_DIV, zero, zero, -1)].kind, RGC_EXPR_DIV); /* NaN stays */
  rgc_arena_destroy(arena);
}

Test(expr, words_lead_back_to_their_kinds) {
  for (int kind = 0; kind < RGC_EXPR_KIND_COUNT; kind++)
    cr_assert_eq(rgc_expr_kind_of(rgc_expr_word((rgc_expr_kind)kind)), (rgc_expr_kind)kind);
  cr_assert_eq(rgc_expr_kind_of("plus"), RGC_EXPR_KIND_COUNT);
  cr_assert_str_eq(rgc_scalar_word(RGC_SCALAR_INV_N), "inv_n");
}

Test(expr, views_find_elements_and_fill_outside) {
  const int64_t shape[4] = {2, 3, 4, 5}, ones[4] = {1, 1, 1, 5}, point[4] = {1, 2, 3, 4};
  rgc_view view = rgc_view_identity();
  cr_assert_eq(rgc_view_element(&view, shape, point), 119);
  view.axis[RGC_H].add = 1;
  cr_assert_eq(rgc_view_element(&view, shape, point), -1);
  view.axis[RGC_H] = (rgc_axis_view){.from = RGC_H, .mul = 1, .add = -3, .div = 2}; /* (2-3)/2 does not divide */
  cr_assert_eq(rgc_view_element(&view, shape, point), -1);
  view = rgc_view_broadcast(ones, shape);
  cr_assert_eq(rgc_view_element(&view, ones, point), 4);
  cr_assert(!rgc_view_is_identity(&view));
  view = rgc_view_identity();
  view.axis[RGC_W] = (rgc_axis_view){.from = RGC_C, .mul = 1, .add = -1, .div = 2, .whole = true}; /* -1/2, rounded down, is outside */
  cr_assert_eq(rgc_view_element(&view, shape, (int64_t[]){0, 0, 0, 0}), -1);
  cr_assert_eq(rgc_view_element(&view, shape, (int64_t[]){0, 0, 0, 2}), 2);
  cr_assert_eq(rgc_view_element(&view, shape, (int64_t[]){0, 0, 0, 4}), 9);
}

/* A view with random small numbers; seldom a division, which may drop its remainder. */
static rgc_view random_view(unsigned *state) {
  rgc_view view = rgc_view_identity();
  for (int j = 0; j < RGC_AXES; j++) {
    view.axis[j].from = rand_r(state) % 4;
    view.axis[j].mul = rand_r(state) % 4 - 1;
    view.axis[j].add = rand_r(state) % 5 - 2;
    view.axis[j].div = rand_r(state) % 3 ? 1 : 2 + rand_r(state) % 2;
    view.axis[j].whole = view.axis[j].div > 1 && rand_r(state) % 2;
  }
  return view;
}

/* What the composed view must read: through `outer` into a space without bounds, then through `inner`. */
static int64_t element_of_two(const rgc_view *outer, const rgc_view *inner, const int64_t shape[4],
                              const int64_t point[4]) {
  int64_t between[4];
  for (int k = 0; k < 4; k++) {
    int64_t index = point[outer->axis[k].from] * outer->axis[k].mul + outer->axis[k].add;
    if (index % outer->axis[k].div && !outer->axis[k].whole) return -1;
    between[k] = (int64_t)floor((double)index / (double)outer->axis[k].div);
  }
  return rgc_view_element(inner, shape, between);
}

Test(expr, composed_views_read_what_two_views_read) {
  const int64_t shape[4] = {3, 4, 5, 6};
  unsigned state = 1;
  int composed = 0;
  for (int trial = 0; trial < 3000; trial++) {
    rgc_view outer = random_view(&state), inner = random_view(&state), both;
    if (!rgc_view_compose(&outer, &inner, &both)) continue;
    composed++;
    for (int i = 0; i < 60; i++) {
      int64_t point[4];
      for (int j = 0; j < 4; j++) point[j] = rand_r(&state) % 8;
      cr_assert_eq(rgc_view_element(&both, shape, point), element_of_two(&outer, &inner, shape, point));
    }
  }
  cr_assert(composed > 100, "only %d of the views compose", composed);
}

/* Upsampled by 2, then by 3, with an offset between: by 6. What is read at multiples of an upsampled row is no view. */
Test(expr, divisions_that_drop_remainders_compose) {
  rgc_view doubled = rgc_view_identity(), tripled = rgc_view_identity(), strided = rgc_view_identity(), result;
  doubled.axis[RGC_H] = (rgc_axis_view){.from = RGC_H, .mul = 1, .add = 1, .div = 2, .whole = true};
  tripled.axis[RGC_H] = (rgc_axis_view){.from = RGC_H, .mul = 1, .div = 3, .whole = true};
  strided.axis[RGC_H].mul = 2;
  cr_assert(rgc_view_compose(&tripled, &doubled, &result));
  const rgc_axis_view *both = &result.axis[RGC_H];
  cr_assert(both->mul == 1 && both->add == 3 && both->div == 6 && both->whole);
  cr_assert(rgc_view_compose(&strided, &doubled, &result));
  cr_assert(!rgc_view_compose(&doubled, &strided, &result));
}

Test(expr, views_with_two_fills_or_two_divisions_do_not_compose) {
  rgc_view identity = rgc_view_identity(), filled = rgc_view_identity(), halved = rgc_view_identity(), result;
  filled.fill = 1;
  cr_assert(!rgc_view_compose(&identity, &filled, &result));
  halved.axis[RGC_H].div = 2;
  cr_assert(!rgc_view_compose(&halved, &halved, &result));
  cr_assert(rgc_view_compose(&identity, &halved, &result));
  cr_assert(rgc_view_equal(&result, &halved));
}
