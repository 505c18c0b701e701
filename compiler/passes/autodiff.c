/* autodiff.c: see autodiff.h. Comes in: a forward graph with its loss. Goes out: the same with backward ops behind, marked
 * `backward`, in the reverse order of the forward ops; a value read by several ops has its gradients added in that order. It
 * ends because only the ops that stood there at the start are walked. Maps are in autodiff_map.c. */
#include "compiler/passes/autodiff.h"

#include <string.h>

#include "compiler/passes/autodiff_map.h"

int rgc_gradient_of(const rgc_graph *graph, int value) {
  rgc_arena *scratch = rgc_arena_create();
  int id = rgc_graph_find(graph, rgc_arena_printf(scratch, "%s.grad", graph->values[value].name));
  rgc_arena_destroy(scratch);
  return id;
}

/* needed[v]: some parameter that is trained lies behind v. */
static bool *find_needed(const rgc_graph *graph, bool (*frozen)(void *, const char *), void *context, rgc_arena *scratch) {
  bool *needed = RGC_NEW_ARRAY(scratch, bool, graph->value_count);
  for (int v = 0; v < graph->value_count; v++)
    needed[v] = graph->values[v].role == RGC_ROLE_PARAM && !(frozen && frozen(context, graph->values[v].name));
  for (int i = 0; i < graph->op_count; i++) {
    bool any = false;
    for (int j = 0; j < graph->ops[i].input_count; j++) any |= needed[graph->ops[i].inputs[j]];
    for (int j = 0; j < graph->ops[i].output_count; j++) needed[graph->ops[i].outputs[j]] |= any;
  }
  return needed;
}

/* One op of `kind` with the forward op's attributes, giving the gradient of `value`. */
static void simple_gradient(rgc_gradients *g, const rgc_op *f, rgc_op_kind kind, int a, int b, int value) {
  if (!g->needed[value]) return;
  int inputs[2] = {a, b}, output = rgc_gradient_value(g, value);
  rgc_op *made = rgc_graph_op(g->graph, kind, inputs, b < 0 ? 1 : 2, &output, 1);
  memcpy(made->attr, f->attr, sizeof made->attr);
  rgc_gradient_op(f, made);
  rgc_gradient_add(g, f, value, output);
}

static void conv_gradient(rgc_gradients *g, const rgc_op *f, int dy) {
  if (f->input_count == 3 && g->needed[f->inputs[2]]) {
    int output = rgc_gradient_value(g, f->inputs[2]);
    rgc_op *made = rgc_graph_op(g->graph, RGC_OP_REDUCE, &dy, 1, &output, 1);
    made->attr[RGC_ATTR_AXES] = 1 << RGC_N | 1 << RGC_H | 1 << RGC_W;
    made->attr[RGC_ATTR_BY] = RGC_BY_SUM;
    rgc_gradient_op(f, made);
    rgc_gradient_add(g, f, f->inputs[2], output);
  }
  /* the weight's own gradient last: its update may join it then, for nobody reads the old weight any more */
  simple_gradient(g, f, RGC_OP_CONV_DGRAD, dy, f->inputs[1], f->inputs[0]);
  simple_gradient(g, f, RGC_OP_CONV_WGRAD, f->inputs[0], dy, f->inputs[1]);
}

/* All three gradients are made whether needed or not: they come out of one op. */
static void bn_gradient(rgc_gradients *g, const rgc_op *f, int dy) {
  bool running = f->attr[RGC_ATTR_RUNNING] != 0;
  int mean = running ? f->inputs[3] : f->outputs[1], rstd = running ? f->inputs[4] : f->outputs[2];
  int inputs[5] = {dy, f->inputs[0], f->inputs[1], mean, rstd}, outputs[3];
  for (int i = 0; i < 3; i++) outputs[i] = rgc_gradient_value(g, f->inputs[i]);
  rgc_op *made = rgc_graph_op(g->graph, RGC_OP_BN_GRAD, inputs, 5, outputs, 3);
  memcpy(made->attr, f->attr, sizeof made->attr);
  made->attr[RGC_ATTR_MOMENTUM] = 0;
  rgc_gradient_op(f, made);
  for (int i = 0; i < 3; i++)
    if (g->needed[f->inputs[i]]) rgc_gradient_add(g, f, f->inputs[i], outputs[i]);
}

/* Row-major number of a point within the axes of the mask, as a node. */
static int number_within(rgc_body *body, const int64_t *shape, unsigned axes) {
  int number = rgc_body_const(body, 0);
  for (int axis = 0; axis < RGC_AXES; axis++) {
    if (!(axes >> axis & 1)) continue;
    number = rgc_body_node(body, RGC_EXPR_MUL, number, rgc_body_const(body, (double)shape[axis]), -1);
    number = rgc_body_node(body, RGC_EXPR_ADD, number, rgc_body_leaf(body, RGC_EXPR_COORD, axis), -1);
  }
  return number;
}

/* 1 / (how many elements were averaged); the batch counts its valid samples. */
static int mean_factor(const rgc_graph *graph, rgc_body *body, const int64_t *shape, unsigned axes) {
  bool batch = (axes >> RGC_N & 1) && shape[RGC_N] == graph->batch;
  double count = 1;
  for (int axis = batch ? RGC_H : RGC_N; axis < RGC_AXES; axis++) count *= axes >> axis & 1 ? (double)shape[axis] : 1;
  int factor = rgc_body_const(body, 1 / count);
  if (!batch) return factor;
  return rgc_body_node(body, RGC_EXPR_MUL, factor, rgc_body_leaf(body, RGC_EXPR_SCALAR, RGC_SCALAR_INV_N), -1);
}

static void reduce_gradient(rgc_gradients *g, const rgc_op *f, int dy) {
  int x = f->inputs[0], by = (int)f->attr[RGC_ATTR_BY];
  unsigned axes = (unsigned)f->attr[RGC_ATTR_AXES];
  int64_t shape[RGC_AXES];
  memcpy(shape, g->graph->values[x].shape, sizeof shape);
  rgc_body *body = rgc_body_create(g->graph->arena);
  rgc_view view = rgc_view_broadcast(g->graph->values[dy].shape, shape);
  int root = rgc_body_load(body, dy, &view);
  if (by == RGC_BY_MEAN) root = rgc_body_node(body, RGC_EXPR_MUL, root, mean_factor(g->graph, body, shape, axes), -1);
  if (by == RGC_BY_MAX) {
    int index = rgc_body_load(body, f->outputs[1], &view);
    int same = rgc_body_node(body, RGC_EXPR_EQ, index, number_within(body, shape, axes), -1);
    root = rgc_body_node(body, RGC_EXPR_SELECT, same, root, rgc_body_const(body, 0));
  }
  int output = rgc_gradient_value(g, x);
  rgc_gradient_op(f, rgc_graph_map(g->graph, body, root, output));
  rgc_gradient_add(g, f, x, output);
}

/* d logits, times the gradient of the loss unless that is the loss itself. */
static void xent_gradient(rgc_gradients *g, const rgc_op *f, int dloss) {
  int logits = f->inputs[0], output = rgc_gradient_value(g, logits), inputs[2] = {f->outputs[2], f->inputs[1]};
  rgc_op *made = rgc_graph_op(g->graph, RGC_OP_XENT_GRAD, inputs, 2, &output, 1);
  made->attr[RGC_ATTR_SMOOTHING] = f->attr[RGC_ATTR_SMOOTHING];
  rgc_gradient_op(f, made);
  if (f->outputs[0] != g->loss) {
    int64_t shape[RGC_AXES];
    memcpy(shape, g->graph->values[logits].shape, sizeof shape);
    rgc_body *body = rgc_body_create(g->graph->arena);
    rgc_view identity = rgc_view_identity(), broadcast = rgc_view_broadcast(g->graph->values[dloss].shape, shape);
    int a = rgc_body_load(body, output, &identity), b = rgc_body_load(body, dloss, &broadcast);
    output = rgc_gradient_value(g, logits);
    rgc_gradient_op(f, rgc_graph_map(g->graph, body, rgc_body_node(body, RGC_EXPR_MUL, a, b, -1), output));
  }
  rgc_gradient_add(g, f, logits, output);
}

static bool op_gradient(rgc_gradients *g, const rgc_op *f, int dy) {
  switch (f->kind) {
    case RGC_OP_CONV: return conv_gradient(g, f, dy), true;
    case RGC_OP_BN: return bn_gradient(g, f, dy), true;
    case RGC_OP_MAXPOOL: return simple_gradient(g, f, RGC_OP_MAXPOOL_GRAD, dy, f->outputs[1], f->inputs[0]), true;
    case RGC_OP_AVGPOOL: return simple_gradient(g, f, RGC_OP_AVGPOOL_GRAD, dy, -1, f->inputs[0]), true;
    case RGC_OP_FILTER: return simple_gradient(g, f, RGC_OP_FILTER_GRAD, dy, -1, f->inputs[0]), true;
    case RGC_OP_REDUCE:
      if (f->attr[RGC_ATTR_BY] == RGC_BY_MAX && f->output_count < 2) return false; /* where it was is not known */
      return reduce_gradient(g, f, dy), true;
    case RGC_OP_XENT: return xent_gradient(g, f, dy), true;
    case RGC_OP_MAP: return rgc_map_gradient(g, f, dy);
    default: return false;
  }
}

/* d loss / d loss = 1; a loss that is a cross entropy itself does without it. */
static void seed_loss(rgc_gradients *g) {
  int made_by = g->graph->values[g->loss].op;
  if (made_by < 0 || g->graph->ops[made_by].kind == RGC_OP_XENT) return;
  rgc_op forward = g->graph->ops[made_by];
  rgc_body *body = rgc_body_create(g->graph->arena);
  int one = rgc_gradient_value(g, g->loss);
  rgc_gradient_op(&forward, rgc_graph_map(g->graph, body, rgc_body_const(body, 1), one));
  g->grads[g->loss] = one;
}

/* Complete gradients take the plain name, unless they are another value's as well (both operands of an add). */
static void name_gradients(rgc_gradients *g, int value_count) {
  rgc_graph *graph = g->graph;
  for (int v = 0; v < value_count; v++) {
    if (g->grads[v] < 0) continue;
    char *name = rgc_arena_printf(graph->arena, "%s.grad", graph->values[v].name);
    const char *now = graph->values[g->grads[v]].name;
    size_t length = strlen(name);
    if (strncmp(now, name, length) || now[length] != '.') continue;
    int holder = rgc_graph_find(graph, name);
    if (holder >= 0) rgc_graph_rename(graph, holder, rgc_arena_printf(graph->arena, "%s.first", name));
    rgc_graph_rename(graph, g->grads[v], name);
  }
}

bool rgc_autodiff(rgc_graph *graph, int loss, rgc_diagnostics *diags) { return rgc_autodiff_trained(graph, loss, NULL, NULL, diags); }

bool rgc_autodiff_trained(rgc_graph *graph, int loss, bool (*frozen)(void *context, const char *parameter), void *context,
                          rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int value_count = graph->value_count, op_count = graph->op_count;
  rgc_gradients g = {graph, loss, find_needed(graph, frozen, context, scratch), RGC_NEW_ARRAY(scratch, int, value_count)};
  memset(g.grads, -1, sizeof *g.grads * (size_t)value_count);
  bool good = loss >= 0 || rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "the graph has no loss to differentiate");
  if (good) seed_loss(&g);
  for (int i = op_count - 1; good && i >= 0; i--) {
    rgc_op f = graph->ops[i]; /* a copy: the array may move as ops are added */
    bool own_loss = f.kind == RGC_OP_XENT && f.outputs[0] == loss;
    int dy = own_loss ? loss : g.grads[f.outputs[0]];
    if (dy < 0 || !g.needed[f.outputs[0]]) continue;
    if (!op_gradient(&g, &f, dy))
      good = rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "op %s has no gradient", rgc_op_info_of(f.kind)->word);
  }
  if (good) name_gradients(&g, value_count);
  rgc_arena_destroy(scratch);
  return good;
}
