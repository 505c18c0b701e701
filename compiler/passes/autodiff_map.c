/* autodiff_map.c: the gradient of a map, for each of its operands:
 *   1. over the output space: local = dy * d root / d operand
 *   2. output axes that the operand's view does not read (broadcast) are summed
 *   3. over the operand's space: local read through the inverse view. Value axis j reads (i*mul + add) / div of output axis
 *      `from`, so output axis `from` is read at (x*div - add) / mul: padding becomes a crop, subsampling its scatter. Where a
 *      view drops remainders (upsampling), div points read the same x, at x*div - add, x*div - add + 1...: they are added.
 * Steps 2 and 3 are left out where they change nothing. */
#include <math.h>
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

/* The inverse of the points that leave no remainder. False if two axes of the value are read by one axis of the output space (a diagonal), or
 * a view that drops remainders does not read every index equally often: then there is none. */
static bool inverse_view(const rgc_view *view, rgc_view *inverse) {
  bool used[RGC_AXES] = {0};
  *inverse = (rgc_view){.fill = 0};
  for (int a = 0; a < RGC_AXES; a++) inverse->axis[a] = (rgc_axis_view){.from = a, .mul = 0, .add = 0, .div = 1};
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *v = &view->axis[j];
    int64_t sign = v->mul < 0 ? -1 : 1;
    if (v->mul == 0) continue;
    if (used[v->from] || (v->whole && v->mul != 1)) return false;
    used[v->from] = true;
    inverse->axis[v->from] =
        (rgc_axis_view){.from = j, .mul = sign * v->div, .add = -sign * v->add, .div = sign * v->mul};
  }
  return true;
}

static int temp(rgc_gradients *g, const char *what, int value, const int64_t *shape) {
  return rgc_graph_value(g->graph, rgc_arena_printf(g->graph->arena, "%s.grad.%s", g->graph->values[value].name, what), RGC_F32,
                         RGC_ROLE_TEMP, shape);
}

static rgc_body *copy_body(const rgc_body *src, rgc_arena *arena) {
  rgc_body *dst = rgc_body_create(arena);
  for (int i = 0; i < src->operand_count; i++)
    *RGC_PUSH(arena, dst->operands, dst->operand_count, dst->operand_capacity) = src->operands[i];
  for (int i = 0; i < src->node_count; i++)
    *RGC_PUSH(arena, dst->nodes, dst->node_count, dst->node_capacity) = src->nodes[i];
  return dst;
}

/* The node of `src` rebuilt in `dst`, which so lists the operands that are read and no others: what a backward map does not
 * read need not be kept until then. made[] holds nodes rebuilt before, or -1. */
static int import_node(rgc_body *dst, const rgc_body *src, int node, int *made) {
  if (node < 0) return -1;
  if (made[node] >= 0) return made[node];
  const rgc_node *from = &src->nodes[node];
  int result;
  if (from->kind == RGC_EXPR_CONST) {
    result = rgc_body_const(dst, from->number);
  } else if (from->kind == RGC_EXPR_LOAD) {
    result = rgc_body_load(dst, src->operands[from->index].value, &src->operands[from->index].view);
  } else if (from->kind == RGC_EXPR_RANDOM) {
    result = rgc_body_random(dst, from->index, from->axes);
  } else if (!rgc_expr_arity(from->kind)) {
    result = rgc_body_leaf(dst, from->kind, from->index);
  } else {
    int a = import_node(dst, src, from->arg[0], made), b = import_node(dst, src, from->arg[1], made);
    result = rgc_body_node(dst, from->kind, a, b, import_node(dst, src, from->arg[2], made));
  }
  return made[node] = result;
}

static bool is_const(const rgc_body *body, int node, double number) {
  return body->nodes[node].kind == RGC_EXPR_CONST && body->nodes[node].number == number;
}

/* slope * dy, with the product inside of a select: a masked gradient is 0 even where dy is not finite. */
static int scale_slope(rgc_body *body, int slope, int dy) {
  if (is_const(body, slope, 0)) return slope;
  if (is_const(body, slope, 1)) return dy;
  rgc_node node = body->nodes[slope];
  if (node.kind != RGC_EXPR_SELECT) return rgc_body_node(body, RGC_EXPR_MUL, dy, slope, -1);
  int yes = scale_slope(body, node.arg[1], dy);
  return rgc_body_node(body, RGC_EXPR_SELECT, node.arg[0], yes, scale_slope(body, node.arg[2], dy));
}

/* max(x, c) > c exactly where x > c: the slope of a relu can be read off its own output, so that x need not be kept for it. The
 * operand of `copy` that is x becomes the output; the slope must be all that is read of it. */
static void read_off_output(rgc_body *copy, const rgc_op *f, int operand) {
  const rgc_node *root = &f->body->nodes[f->root];
  if (root->kind != RGC_EXPR_MAX || f->body->operand_count != 1) return;
  bool of_load = f->body->nodes[root->arg[0]].kind == RGC_EXPR_LOAD && f->body->nodes[root->arg[1]].kind == RGC_EXPR_CONST;
  if (of_load && rgc_view_is_identity(&f->body->operands[operand].view)) copy->operands[operand].value = f->outputs[0];
}

/* Step 1. Returns the value: dy itself where the slope is 1 (a parameter still gets a gradient of its own); -1 if the
 * derivative is zero. */
static int local_gradient(rgc_gradients *g, const rgc_op *f, int operand, int dy, bool last) {
  rgc_body *copy = copy_body(f->body, g->graph->arena), *body = rgc_body_create(g->graph->arena);
  int slope = rgc_body_derivative(copy, f->root, operand), x = f->body->operands[operand].value;
  if (slope < 0) return -1;
  if (is_const(copy, slope, 1) && !(last && g->graph->values[x].role == RGC_ROLE_PARAM)) return dy;
  read_off_output(copy, f, operand);
  int *made = RGC_NEW_ARRAY(g->graph->arena, int, copy->node_count);
  memset(made, -1, sizeof *made * (size_t)copy->node_count);
  rgc_view identity = rgc_view_identity();
  int imported = import_node(body, copy, slope, made);
  int root = scale_slope(body, imported, rgc_body_load(body, dy, &identity));
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

/* Where the view reads axis j at one index only, the others get 0. */
static int mask_constant_axes(rgc_body *body, const rgc_view *view, const int64_t *shape, int node) {
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *v = &view->axis[j];
    if (v->mul || shape[j] == 1) continue;
    double at = (double)v->add / (double)v->div;
    int index = rgc_body_const(body, v->whole ? floor(at) : at);
    int here = rgc_body_node(body, RGC_EXPR_EQ, rgc_body_leaf(body, RGC_EXPR_COORD, j), index, -1);
    node = rgc_body_node(body, RGC_EXPR_SELECT, here, node, rgc_body_const(body, 0));
  }
  return node;
}

/* The sum of `local` at the points that read one point of the operand, by its axes from `axis` on. */
static int load_readers(rgc_body *body, int local, const rgc_view *view, rgc_view inverse, int axis) {
  if (axis == RGC_AXES) return rgc_body_load(body, local, &inverse);
  const rgc_axis_view *v = &view->axis[axis];
  int sum = load_readers(body, local, view, inverse, axis + 1);
  for (int64_t rest = 1; v->whole && v->mul && rest < v->div; rest++) {
    inverse.axis[v->from].add++;
    sum = rgc_body_node(body, RGC_EXPR_ADD, sum, load_readers(body, local, view, inverse, axis + 1), -1);
  }
  return sum;
}

/* Step 3. */
static int read_back(rgc_gradients *g, const rgc_op *f, int local, const rgc_view *inverse, int operand) {
  rgc_body *body = rgc_body_create(g->graph->arena);
  int x = f->body->operands[operand].value;
  const rgc_view *view = &f->body->operands[operand].view;
  int loaded = load_readers(body, local, view, *inverse, 0);
  int root = mask_constant_axes(body, view, g->graph->values[x].shape, loaded);
  int output = rgc_gradient_value(g, x);
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

static bool operand_gradient(rgc_gradients *g, const rgc_op *f, int operand, int dy) {
  int x = f->body->operands[operand].value;
  const rgc_view *view = &f->body->operands[operand].view;
  int64_t extent[RGC_AXES], summed[RGC_AXES], shape[RGC_AXES];
  memcpy(extent, g->graph->values[f->outputs[0]].shape, sizeof extent);
  memcpy(shape, g->graph->values[x].shape, sizeof shape);
  memcpy(summed, extent, sizeof summed);
  unsigned axes = unread_axes(view, extent);
  for (int a = 0; a < RGC_AXES; a++)
    if (axes >> a & 1) summed[a] = 1;
  rgc_view inverse;
  if (!inverse_view(view, &inverse)) return false;
  bool back = needs_read_back(&inverse, shape, summed);
  int part = local_gradient(g, f, operand, dy, !axes && !back);
  if (part < 0) return true;
  if (axes) part = sum_axes(g, f, part, axes, x, !back);
  if (back) part = read_back(g, f, part, &inverse, operand);
  rgc_gradient_add(g, f, x, part);
  return true;
}

bool rgc_map_gradient(rgc_gradients *g, const rgc_op *f, int dy) {
  bool good = true;
  for (int i = 0; i < f->body->operand_count; i++)
    if (g->needed[f->body->operands[i].value]) good &= operand_gradient(g, f, i, dy);
  return good;
}
