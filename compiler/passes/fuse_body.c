/* fuse_body.c: putting one expression into another (fuse_graph.h). Bodies are always built anew: builders share equal nodes and
 * operands and fold constants, so what two expressions have in common is computed once. */
#include <string.h>

#include "compiler/passes/fuse_graph.h"

bool rgc_fuse_is_expensive(rgc_expr_kind kind) {
  switch (kind) {
    case RGC_EXPR_POW: case RGC_EXPR_EXP: case RGC_EXPR_LOG: case RGC_EXPR_TANH:
    case RGC_EXPR_ERF: case RGC_EXPR_SIGMOID: case RGC_EXPR_RANDOM: return true;
    default: return false;
  }
}

static int copy_leaf(rgc_body *into, const rgc_body *from, const rgc_node *node) {
  switch (node->kind) {
    case RGC_EXPR_CONST: return rgc_body_const(into, node->number);
    case RGC_EXPR_LOAD: return rgc_body_load(into, from->operands[node->index].value, &from->operands[node->index].view);
    case RGC_EXPR_RANDOM: return rgc_body_random(into, node->index, node->axes);
    default: return rgc_body_leaf(into, node->kind, node->index);
  }
}

static int copy_node(rgc_body *into, const rgc_body *from, int n, const int *nodes) {
  const rgc_node *node = &from->nodes[n];
  if (!rgc_expr_arity(node->kind)) return copy_leaf(into, from, node);
  int arg[3] = {-1, -1, -1};
  for (int k = 0; k < rgc_expr_arity(node->kind); k++) arg[k] = nodes[node->arg[k]];
  return rgc_body_node(into, node->kind, arg[0], arg[1], arg[2]);
}

static bool reads(const rgc_body *body, const rgc_node *node, int value) {
  return node->kind == RGC_EXPR_LOAD && body->operands[node->index].value == value;
}

void rgc_fuse_append(rgc_body *into, const rgc_body *from, const int *known, int *nodes) {
  for (int n = 0; n < from->node_count; n++) {
    int node = from->nodes[n].kind == RGC_EXPR_LOAD ? known[from->nodes[n].index] : -1;
    nodes[n] = node >= 0 ? node : copy_node(into, from, n, nodes);
  }
}

/* The view maps each axis of the value onto one place or itself, never outside: then its fill is never read. */
static bool stays_inside(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]) {
  for (int j = 0; j < RGC_AXES; j++) {
    const rgc_axis_view *v = &view->axis[j];
    int64_t first = v->add, last = v->add + v->mul * (extent[v->from] - 1);
    if ((v->div != 1 && !v->whole) || first < 0 || last < 0 || first / v->div >= shape[j] || last / v->div >= shape[j]) return false;
  }
  return true;
}

/* Node `root` of `from`, read through `view`; -1: it cannot be. */
static int import(rgc_fuser *f, rgc_body *into, const rgc_body *from, int root, const rgc_view *view, bool same_point) {
  int *nodes = RGC_NEW_ARRAY(f->arena, int, from->node_count);
  for (int n = 0; n <= root; n++) {
    const rgc_node *node = &from->nodes[n];
    if (node->kind == RGC_EXPR_LOAD) {
      rgc_view composed;
      if (!rgc_view_compose(view, &from->operands[node->index].view, &composed)) return -1;
      nodes[n] = rgc_body_load(into, from->operands[node->index].value, &composed);
    } else if ((node->kind == RGC_EXPR_COORD || node->kind == RGC_EXPR_RANDOM) && !same_point) {
      return -1;
    } else {
      nodes[n] = copy_node(into, from, n, nodes);
    }
  }
  return nodes[root];
}

rgc_body *rgc_fuse_substitute(rgc_fuser *f, const rgc_body *body, int value, const rgc_body *from, int root, const int64_t extent[RGC_AXES],
                              int *nodes) {
  const int64_t *shape = f->graph->values[value].shape;
  rgc_body *into = rgc_body_create(f->graph->arena);
  for (int n = 0; n < body->node_count; n++) {
    if (!reads(body, &body->nodes[n], value)) {
      nodes[n] = copy_node(into, body, n, nodes);
      continue;
    }
    const rgc_view *view = &body->operands[body->nodes[n].index].view;
    bool same = rgc_view_is_same_point(view, shape, extent);
    if (!same && !stays_inside(view, shape, extent)) return NULL;
    rgc_view identity = rgc_view_identity();
    nodes[n] = import(f, into, from, root, same ? &identity : view, same);
    if (nodes[n] < 0) return NULL;
  }
  return into;
}

static void mark(const rgc_body *body, int node, bool *needed) {
  if (node < 0 || needed[node]) return;
  needed[node] = true;
  for (int k = 0; k < rgc_expr_arity(body->nodes[node].kind); k++) mark(body, body->nodes[node].arg[k], needed);
}

/* Whether all of the body is needed: then it stays as it is. */
static bool needs_all(const rgc_body *body, const bool *needed) {
  int loads = 0;
  for (int n = 0; n < body->node_count; n++) {
    if (!needed[n]) return false;
    loads += body->nodes[n].kind == RGC_EXPR_LOAD;
  }
  return loads == body->operand_count;
}

rgc_body *rgc_fuse_prune(rgc_fuser *f, rgc_body *body, int *const *roots, int root_count) {
  bool *needed = RGC_NEW_ARRAY(f->arena, bool, body->node_count + 1);
  for (int i = 0; i < root_count; i++) mark(body, *roots[i], needed);
  if (needs_all(body, needed)) return body;
  int *nodes = RGC_NEW_ARRAY(f->arena, int, body->node_count + 1);
  rgc_body *into = rgc_body_create(f->graph->arena);
  for (int n = 0; n < body->node_count; n++)
    if (needed[n]) nodes[n] = copy_node(into, body, n, nodes);
  for (int i = 0; i < root_count; i++) *roots[i] = nodes[*roots[i]];
  return into;
}
