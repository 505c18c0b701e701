/* gradient.c: see gradient.h. */
#include "compiler/passes/gradient.h"

int rgc_gradient_value(rgc_gradients *g, int value) {
  const rgc_value *v = &g->graph->values[value];
  return rgc_graph_value(g->graph, rgc_arena_printf(g->graph->arena, "%s.grad%s", v->name, g->grads[value] < 0 ? "" : ".part"),
                         RGC_F32, RGC_ROLE_TEMP, v->shape);
}

rgc_op *rgc_gradient_op(const rgc_op *forward, rgc_op *made) {
  made->layer = forward->layer;
  made->word = forward->word;
  made->line = forward->line;
  made->backward = true;
  return made;
}

void rgc_gradient_add(rgc_gradients *g, const rgc_op *forward, int value, int part) {
  if (g->grads[value] < 0) {
    g->grads[value] = part;
    return;
  }
  const rgc_value *v = &g->graph->values[value];
  rgc_body *body = rgc_body_create(g->graph->arena);
  rgc_view identity = rgc_view_identity();
  int a = rgc_body_load(body, g->grads[value], &identity), b = rgc_body_load(body, part, &identity);
  int total = rgc_graph_value(g->graph, rgc_arena_printf(g->graph->arena, "%s.grad.sum", v->name), RGC_F32, RGC_ROLE_TEMP, v->shape);
  rgc_gradient_op(forward, rgc_graph_map(g->graph, body, rgc_body_node(body, RGC_EXPR_ADD, a, b, -1), total));
  g->grads[value] = total;
}
