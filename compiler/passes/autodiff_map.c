/* autodiff_map.c: the gradient of a map, for each of its operands:
 *   1. over the output space: local = dy * d root / d operand
 *   2. output axes that the operand's view does not read (broadcast) are summed
 *   3. over the operand's space: local read through the inverse view. Value axis j reads (i*mul + add) / div of output axis
 *      `from`, so output axis `from` is read at (x*div - add) / mul: padding becomes a crop, subsampling its scatter.
 * Steps 2 and 3 are left out where they change nothing. */
#include <string.h>

#include "compiler/passes/autodiff_map.h"

static unsigned unread_axes(const rgc_view *view, const int64_t *extent) {
  unsigned unread = 0;
  for (int a = 0; a < RGC_AXES; a++) {
    bool read = false;
    for (int j = 0; j < RGC_AXES; j++) read |= view->axis[j].from == a && view->axis[j].mul != 0;
    if (!read && extent[a] != 1) unread |= 1u << a;
  }
  return unread;
}

static rgc_view inverse_view(const rgc_view *view) {
  rgc_view inverse = {.fill = 0};
  for (int a = 0; a < RGC_AXES; a++) inverse.axis[a] = (rgc_axis_view){.from = a, .mul = 0, .add = 0, .div = 1};
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *v = &view->axis[j];
    if (v->mul != 0) inverse.axis[v->from] = (rgc_axis_view){.from = j, .mul = v->div, .add = -v->add, .div = v->mul};
  }
  return inverse;
}

static int temp(rgc_gradients *g, const char *what, int value, const int64_t *shape) {
  return rgc_graph_value(g->graph, rgc_arena_printf(g->graph->arena, "%s.grad.%s", g->graph->values[value].name, what), RGC_F32,
                         RGC_ROLE_TEMP, shape);
}

/* Step 1. Returns the value, or -1 if the derivative is zero. */
static int local_gradient(rgc_gradients *g, const rgc_op *f, int operand, int dy, bool last) {
  rgc_body *body = rgc_body_create(g->graph->arena);
  for (int i = 0; i < f->body->operand_count; i++)
    *RGC_PUSH(body->arena, body->operands, body->operand_count, body->operand_capacity) = f->body->operands[i];
  for (int i = 0; i < f->body->node_count; i++)
    *RGC_PUSH(body->arena, body->nodes, body->node_count, body->node_capacity) = f->body->nodes[i];
  int slope = rgc_body_derivative(body, f->root, operand);
  if (slope < 0) return -1;
  rgc_view identity = rgc_view_identity();
  int root = rgc_body_node(body, RGC_EXPR_MUL, rgc_body_load(body, dy, &identity), slope, -1);
  int x = f->body->operands[operand].value;
  int output = last ? rgc_gradient_value(g, x) : temp(g, "local", x, g->graph->values[f->outputs[0]].shape);
  rgc_gradient_op(f, rgc_graph_map(g->graph, body, root, output));
  return output;
}

/* Step 2. */
static int sum_axes(rgc_gradients *g, const rgc_op *f, int local, unsigned axes, int x, bool last) {
  int64_t shape[RGC_AXES];
  memcpy(shape, g->graph->values[local].shape, sizeof shape);
  for (int a = 0; a < RGC_AXES; a++)
    if (axes >> a & 1) shape[a] = 1;
  int output = last ? rgc_gradient_value(g, x) : temp(g, "sum", x, shape);
  rgc_op *made = rgc_graph_op(g->graph, RGC_OP_REDUCE, &local, 1, &output, 1);
  made->attr[RGC_ATTR_AXES] = axes;
  made->attr[RGC_ATTR_BY] = RGC_BY_SUM;
  rgc_gradient_op(f, made);
  return output;
}

/* Step 3. */
static int read_back(rgc_gradients *g, const rgc_op *f, int local, const rgc_view *inverse, int x) {
  rgc_body *body = rgc_body_create(g->graph->arena);
  int root = rgc_body_load(body, local, inverse), output = rgc_gradient_value(g, x);
  rgc_gradient_op(f, rgc_graph_map(g->graph, body, root, output));
  return output;
}

/* An axis of extent 1 may be read by any multiplier: index 0 is all there is. */
static bool needs_read_back(const rgc_view *inverse, const int64_t *shape, const int64_t *summed) {
  for (int j = 0; j < RGC_AXES; j++) {
    if (shape[j] != summed[j]) return true;
    const rgc_axis_view *v = &inverse->axis[j];
    bool identity = v->from == j && v->mul == 1 && v->add == 0 && v->div == 1;
    if (shape[j] != 1 && !identity) return true;
  }
  return false;
}

static void operand_gradient(rgc_gradients *g, const rgc_op *f, int operand, int dy) {
  int x = f->body->operands[operand].value;
  const rgc_view *view = &f->body->operands[operand].view;
  int64_t extent[RGC_AXES], summed[RGC_AXES], shape[RGC_AXES];
  memcpy(extent, g->graph->values[f->outputs[0]].shape, sizeof extent);
  memcpy(shape, g->graph->values[x].shape, sizeof shape);
  memcpy(summed, extent, sizeof summed);
  unsigned axes = unread_axes(view, extent);
  for (int a = 0; a < RGC_AXES; a++)
    if (axes >> a & 1) summed[a] = 1;
  rgc_view inverse = inverse_view(view);
  bool back = needs_read_back(&inverse, shape, summed);
  int part = local_gradient(g, f, operand, dy, !axes && !back);
  if (part < 0) return;
  if (axes) part = sum_axes(g, f, part, axes, x, !back);
  if (back) part = read_back(g, f, part, &inverse, x);
  rgc_gradient_add(g, f, x, part);
}

void rgc_map_gradient(rgc_gradients *g, const rgc_op *f, int dy) {
  for (int i = 0; i < f->body->operand_count; i++)
    if (g->needed[f->body->operands[i].value]) operand_gradient(g, f, i, dy);
}
