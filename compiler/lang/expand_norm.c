/* expand_norm.c: group normalisation (Wu & He 2018) by ops that exist; see expand.h.
 *
 *   mean[n,g] over the pixels and the C/G channels of group g;   d = x - mean;   var = mean of d*d;
 *   y = d / sqrt(var + eps) * gamma[c] + beta[c]
 * Channels are averaged over space by a reduce. Groups of them are averaged, and handed back to their channels, by two grouped
 * 1x1 convolutions of [N,1,1,C] whose weights are constants: [G,1,1,C/G] of G/C, and [C,1,1,1] of 1. With one group a reduce does
 * it all, with C groups the channel's own mean is it. So gradients, kernels and reference are those of reduce, conv and map. */
#include <string.h>

#include "compiler/lang/expand.h"

static int load(rgc_cell *cell, rgc_body *body, int value, const int64_t shape[RGC_AXES]) {
  rgc_view view = rgc_view_broadcast(cell->x->graph->values[value].shape, shape);
  return rgc_body_load(body, value, &view);
}

static int finish(rgc_cell *cell, rgc_body *body, int root, const int64_t shape[RGC_AXES]) {
  int y = rgc_cell_temp(cell, shape);
  rgc_cell_finish(cell, rgc_graph_map(cell->x->graph, body, root, y));
  return y;
}

static int constant(rgc_cell *cell, const int64_t shape[RGC_AXES], double number) {
  rgc_body *body = rgc_body_create(cell->x->arena);
  return finish(cell, body, rgc_body_const(body, number), shape);
}

/* A grouped 1x1 convolution by a constant weight [O,1,1,I/G]. */
static int mix(rgc_cell *cell, int x, int64_t out, int64_t per_group, int64_t groups, double number) {
  int inputs[] = {x, constant(cell, (int64_t[]){out, 1, 1, per_group}, number)};
  int y = rgc_cell_temp(cell, (int64_t[]){cell->x->graph->values[x].shape[RGC_N], 1, 1, out});
  rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_CONV, inputs, 2, &y, 1))->attr[RGC_ATTR_GROUPS] = (double)groups;
  return y;
}

/* Mean of x over the space and the channels of a group: [N,1,1,C], or [N,1,1,1] of one group. */
static int group_mean(rgc_cell *cell, int x, int64_t groups) {
  const int64_t *shape = cell->x->graph->values[x].shape;
  int64_t batch = shape[RGC_N], channels = shape[RGC_C];
  unsigned axes = 1u << RGC_H | 1u << RGC_W | (groups == 1 ? 1u << RGC_C : 0);
  int y = rgc_cell_temp(cell, (int64_t[]){batch, 1, 1, groups == 1 ? 1 : channels});
  rgc_op *op = rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_REDUCE, &x, 1, &y, 1));
  op->attr[RGC_ATTR_AXES] = axes;
  op->attr[RGC_ATTR_BY] = RGC_BY_MEAN;
  if (groups == 1 || groups == channels) return y;
  int of_groups = mix(cell, y, groups, channels / groups, groups, (double)groups / (double)channels);
  return mix(cell, of_groups, channels, 1, groups, 1);
}

/* d / sqrt(var + eps) * gamma + beta */
static int normalise(rgc_cell *cell, int d, int var, int gamma, int beta, double eps, const int64_t shape[RGC_AXES]) {
  rgc_body *b = rgc_body_create(cell->x->arena);
  int shifted = rgc_body_node(b, RGC_EXPR_ADD, load(cell, b, var, shape), rgc_body_const(b, eps), -1);
  int rstd = rgc_body_node(b, RGC_EXPR_RECIP, rgc_body_node(b, RGC_EXPR_SQRT, shifted, -1, -1), -1, -1);
  int scaled = rgc_body_node(b, RGC_EXPR_MUL, load(cell, b, d, shape), rstd, -1);
  int root = rgc_body_node(b, RGC_EXPR_FMA, scaled, load(cell, b, gamma, shape), load(cell, b, beta, shape));
  return finish(cell, b, root, shape);
}

int rgc_emit_group_norm(rgc_cell *cell) {
  int64_t groups, shape[RGC_AXES];
  double eps, gamma_init;
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  if (!rgc_cell_int(cell, "groups", 32, 1, &groups) || !rgc_cell_number(cell, "eps", 1e-5, 0, 1, &eps) ||
      !rgc_cell_number(cell, "gamma", 1, -1e9, 1e9, &gamma_init))
    return -1;
  if (shape[RGC_C] % groups != 0) {
    rgc_cell_error(cell, rgc_cell_attr(cell, "groups"), RGC_CODE_SHAPE, "%d groups do not divide %d channels", (int)groups,
                   (int)shape[RGC_C]);
    return -1;
  }
  const int64_t vector[RGC_AXES] = {1, 1, 1, shape[RGC_C]};
  int gamma = rgc_cell_param(cell, "weight", RGC_ROLE_PARAM, vector, 1, (rgc_init){RGC_INIT_CONST, gamma_init});
  int beta = gamma < 0 ? -1 : rgc_cell_param(cell, "bias", RGC_ROLE_PARAM, vector, 1, (rgc_init){RGC_INIT_CONST, 0});
  if (beta < 0) return -1;
  int mean = group_mean(cell, cell->in, groups);
  rgc_body *b = rgc_body_create(cell->x->arena);
  int d = finish(cell, b, rgc_body_node(b, RGC_EXPR_SUB, load(cell, b, cell->in, shape), load(cell, b, mean, shape), -1), shape);
  b = rgc_body_create(cell->x->arena);
  int loaded = load(cell, b, d, shape);
  int var = group_mean(cell, finish(cell, b, rgc_body_node(b, RGC_EXPR_MUL, loaded, loaded, -1), shape), groups);
  return normalise(cell, d, var, gamma, beta, eps, shape);
}
