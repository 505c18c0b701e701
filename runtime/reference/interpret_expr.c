/* interpret_expr.c: one walk over the nodes (interpret_expr.h). Leaves read the place; the rest is arithmetic. */
#include "runtime/reference/interpret_expr.h"

#include <string.h>

#include "runtime/reference/philox.h"

static double load(const rgc_body *body, int number, const rgc_expr_place *place) {
  const rgc_operand *operand = &body->operands[number];
  const rgc_value *value = &place->interpreter->graph->values[operand->value];
  int64_t point[RGC_AXES];
  memcpy(point, place->point, sizeof point);
  if (place->gather && place->tap_operand >> number & 1) {
    point[RGC_H] = place->tap_row;
    point[RGC_W] = place->tap_column;
  }
  int64_t element = rgc_view_element(&operand->view, value->shape, point);
  return element < 0 ? operand->view.fill : place->interpreter->data[operand->value][element];
}

static double random_number(const rgc_node *node, const rgc_expr_place *place) {
  int64_t element = 0;
  for (int j = 0; j < RGC_AXES; j++)
    if (node->axes >> j & 1) element = element * place->extent[j] + place->point[j];
  const rgc_interpreter *run = place->interpreter;
  return rgc_philox_uniform(run->seed, (uint32_t)node->index, run->step, (uint64_t)element);
}

static double leaf(const rgc_body *body, const rgc_node *node, const rgc_expr_place *place) {
  switch (node->kind) {
    case RGC_EXPR_CONST: return node->number;
    case RGC_EXPR_LOAD: return load(body, node->index, place);
    case RGC_EXPR_ACC: return place->acc[node->index];
    case RGC_EXPR_GATHER: return place->gather[node->index];
    case RGC_EXPR_TAP: return (double)place->tap_number;
    case RGC_EXPR_COORD: return (double)place->point[node->index];
    case RGC_EXPR_TAP_COORD: return (double)place->tap_point[node->index];
    case RGC_EXPR_SCALAR: return place->interpreter->scalars[node->index];
    case RGC_EXPR_RANDOM: return random_number(node, place);
    default: rgc_internal_error("interpret", "unknown leaf %d", (int)node->kind);
  }
}

void rgc_interpret_body(const rgc_body *body, const rgc_expr_place *place, double *nodes) {
  for (int i = 0; i < body->node_count; i++) {
    const rgc_node *node = &body->nodes[i];
    int arity = rgc_expr_arity(node->kind);
    double number[3] = {0};
    for (int k = 0; k < arity; k++) number[k] = nodes[node->arg[k]];
    if (node->kind == RGC_EXPR_BF16 && place->interpreter->exact) nodes[i] = number[0];
    else nodes[i] = arity ? rgc_expr_compute(node->kind, number[0], number[1], number[2]) : leaf(body, node, place);
  }
}
