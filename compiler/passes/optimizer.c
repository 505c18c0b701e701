/* optimizer.c: see optimizer.h. A parameter's update is a few maps: one a state, then the weight's, which reads the new states; so
 * fusion can make one kernel of them. A map that updates a value must be its last reader: the weight's comes last, for weight decay
 * reads the weight before. */
#include "compiler/passes/optimizer.h"

#include "compiler/passes/autodiff.h"

/* A parameter to be updated, and its gradient as far as it has come. */
typedef struct parameter {
  int weight, grad; /* value ids */
  double lr_factor, weight_decay;
} parameter;

/* Builds one update: the loads and the nodes every rule begins with. */
typedef struct update {
  rgc_graph *graph;
  const rgc_update_settings *settings;
  const parameter *p;
  rgc_body *body;
  int w, g, m, v; /* nodes: weight, gradient with decay, states (if any): the old ones in a state's own map, the new in the weight's */
} update;

static int op2(update *u, rgc_expr_kind kind, int a, int b) { return rgc_body_node(u->body, kind, a, b, -1); }
static int scaled(update *u, double factor, int a) { return op2(u, RGC_EXPR_MUL, rgc_body_const(u->body, factor), a); }

static int load(update *u, int value) {
  rgc_view identity = rgc_view_identity();
  return rgc_body_load(u->body, value, &identity);
}

/* Operands that a map does not read are -1: each map lists what it reads and no more. */
static update begin(rgc_graph *graph, const rgc_update_settings *s, const parameter *p, int weight, int grad, int m, int v) {
  update u = {.graph = graph, .settings = s, .p = p, .body = rgc_body_create(graph->arena), .w = -1, .g = -1, .m = -1, .v = -1};
  if (grad >= 0) u.g = load(&u, grad);
  if (weight >= 0) u.w = load(&u, weight);
  if (m >= 0) u.m = load(&u, m);
  if (v >= 0) u.v = load(&u, v);
  return u;
}

/* b * state + (1 - b) * x */
static int average(update *u, double b, int state, int x) {
  return op2(u, RGC_EXPR_ADD, scaled(u, b, state), scaled(u, 1 - b, x));
}

static int next_m(update *u) {
  if (u->settings->rule != RGC_UPDATE_SGD) return average(u, u->settings->beta1, u->m, u->g);
  return op2(u, RGC_EXPR_ADD, scaled(u, u->settings->momentum, u->m), u->g);
}

static int next_v(update *u) { return average(u, u->settings->beta2, u->v, op2(u, RGC_EXPR_MUL, u->g, u->g)); }

static int sgd_direction(update *u) {
  if (u->m < 0) return u->g;
  return u->settings->nesterov ? op2(u, RGC_EXPR_ADD, u->g, scaled(u, u->settings->momentum, u->m)) : u->m;
}

static int adam_direction(update *u) {
  int above = op2(u, RGC_EXPR_MUL, u->m, rgc_body_leaf(u->body, RGC_EXPR_SCALAR, RGC_SCALAR_BIAS1));
  int square = op2(u, RGC_EXPR_MUL, u->v, rgc_body_leaf(u->body, RGC_EXPR_SCALAR, RGC_SCALAR_BIAS2));
  int root = rgc_body_node(u->body, RGC_EXPR_SQRT, square, -1, -1);
  return op2(u, RGC_EXPR_DIV, above, op2(u, RGC_EXPR_ADD, root, rgc_body_const(u->body, u->settings->eps)));
}

static int next_w(update *u) {
  const rgc_update_settings *s = u->settings;
  int rate = rgc_body_leaf(u->body, RGC_EXPR_SCALAR, RGC_SCALAR_LR), w = u->w;
  if (u->p->lr_factor != 1) rate = scaled(u, u->p->lr_factor, rate);
  if (s->rule == RGC_UPDATE_ADAMW && u->p->weight_decay != 0)
    w = op2(u, RGC_EXPR_SUB, w, op2(u, RGC_EXPR_MUL, scaled(u, u->p->weight_decay, rate), w));
  int direction = s->rule == RGC_UPDATE_SGD ? sgd_direction(u) : adam_direction(u);
  return op2(u, RGC_EXPR_SUB, w, op2(u, RGC_EXPR_MUL, rate, direction));
}

/* A value that overwrites `old`; `root` is what it becomes. */
static int overwrite(update *u, int root, int old) {
  rgc_graph *graph = u->graph;
  char *name = rgc_arena_printf(graph->arena, "%s.next", graph->values[old].name);
  int next = rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_TEMP, graph->values[old].shape);
  graph->values[next].updates = old;
  rgc_graph_map(graph, u->body, root, next)->backward = true;
  return next;
}

/* As overwrite; micro-batches before the step's last leave `old`, which the body's node `before` reads, as it is. */
static int append(update *u, int root, int old, int before) {
  if (u->settings->accumulate)
    root = rgc_body_node(u->body, RGC_EXPR_SELECT, rgc_body_leaf(u->body, RGC_EXPR_SCALAR, RGC_SCALAR_LAST), root, before);
  return overwrite(u, root, old);
}

static int new_state(rgc_graph *graph, int weight, const char *suffix) {
  char *name = rgc_arena_printf(graph->arena, "%s.%s", graph->values[weight].name, suffix);
  return rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_STATE, graph->values[weight].shape);
}

/* A value of its own, shaped as `like` and called "LIKE.suffix". */
static int new_value(update *u, int root, int like, const char *suffix) {
  char *name = rgc_arena_printf(u->graph->arena, "%s.%s", u->graph->values[like].name, suffix);
  int value = rgc_graph_value(u->graph, name, RGC_F32, RGC_ROLE_TEMP, u->graph->values[like].shape);
  rgc_graph_map(u->graph, u->body, root, value)->backward = true;
  return value;
}

/* ---- gradients before the rule ---- */

/* acc = (first ? 0 : acc) + share * grad */
static void accumulate(rgc_graph *graph, const rgc_update_settings *s, parameter *p) {
  if (!s->accumulate) return;
  int acc = new_state(graph, p->weight, "acc");
  update u = begin(graph, s, p, -1, p->grad, acc, -1);
  int first = rgc_body_leaf(u.body, RGC_EXPR_SCALAR, RGC_SCALAR_FIRST), share = rgc_body_leaf(u.body, RGC_EXPR_SCALAR, RGC_SCALAR_SHARE);
  int before = rgc_body_node(u.body, RGC_EXPR_SELECT, first, rgc_body_const(u.body, 0), u.m);
  p->grad = overwrite(&u, op2(&u, RGC_EXPR_ADD, before, op2(&u, RGC_EXPR_MUL, share, u.g)), acc);
}

static void clip_by_value(rgc_graph *graph, const rgc_update_settings *s, parameter *p) {
  if (s->clip_value == 0) return;
  update u = begin(graph, s, p, -1, p->grad, -1, -1);
  int least = op2(&u, RGC_EXPR_MAX, u.g, rgc_body_const(u.body, -s->clip_value));
  p->grad = new_value(&u, op2(&u, RGC_EXPR_MIN, least, rgc_body_const(u.body, s->clip_value)), p->grad, "clipped");
}

/* The sum of `value` over the axes of the mask. */
static int sum_over(rgc_graph *graph, int value, unsigned axes, const char *name) {
  int sum = rgc_graph_reduce(graph, value, axes, RGC_BY_SUM, name, NULL);
  graph->ops[graph->values[sum].op].backward = true;
  return sum;
}

/* [1,1,1,1]: a gradient's sum of squares, first by output channel, so that threads can share the work. */
static int sum_squares(rgc_graph *graph, const rgc_update_settings *s, parameter *p) {
  update u = begin(graph, s, p, -1, p->grad, -1, -1);
  int square = new_value(&u, op2(&u, RGC_EXPR_MUL, u.g, u.g), p->grad, "square");
  const char *name = graph->values[p->grad].name;
  unsigned rows = 1u << RGC_H | 1u << RGC_W | 1u << RGC_C;
  if (graph->values[square].shape[RGC_N] == 1)
    return sum_over(graph, square, rows | 1u << RGC_N, rgc_arena_printf(graph->arena, "%s.square_sum", name));
  int by_row = sum_over(graph, square, rows, rgc_arena_printf(graph->arena, "%s.square_rows", name));
  return sum_over(graph, by_row, 1u << RGC_N, rgc_arena_printf(graph->arena, "%s.square_sum", name));
}

/* The factor that brings the norm of all gradients together to clip_norm or less, a value [1,1,1,1]. */
static int clip_factor(rgc_graph *graph, const rgc_update_settings *s, parameter *parameters, int count) {
  int total = -1; /* the sum of the gradients so far */
  const int64_t one[RGC_AXES] = {1, 1, 1, 1};
  for (int i = 0; i < count; i++) {
    int squares = sum_squares(graph, s, &parameters[i]);
    update u = begin(graph, s, &parameters[i], -1, squares, total, -1);
    total = total < 0 ? squares : new_value(&u, op2(&u, RGC_EXPR_ADD, u.m, u.g), squares, "total");
  }
  rgc_body *body = rgc_body_create(graph->arena);
  rgc_view identity = rgc_view_identity();
  int norm = rgc_body_node(body, RGC_EXPR_SQRT, rgc_body_load(body, total, &identity), -1, -1);
  int below = rgc_body_node(body, RGC_EXPR_ADD, norm, rgc_body_const(body, 1e-6), -1);
  int factor = rgc_body_node(body, RGC_EXPR_DIV, rgc_body_const(body, s->clip_norm), below, -1);
  int value = rgc_graph_value(graph, "clip_factor", RGC_F32, RGC_ROLE_TEMP, one);
  rgc_graph_map(graph, body, rgc_body_node(body, RGC_EXPR_MIN, factor, rgc_body_const(body, 1), -1), value)->backward = true;
  return value;
}

static void clip_by_norm(rgc_graph *graph, const rgc_update_settings *s, parameter *parameters, int count) {
  if (s->clip_norm == 0 || !count) return;
  int factor = clip_factor(graph, s, parameters, count);
  for (int i = 0; i < count; i++) {
    parameter *p = &parameters[i];
    update u = begin(graph, s, p, -1, p->grad, -1, -1);
    rgc_view everywhere = rgc_view_broadcast(graph->values[factor].shape, graph->values[p->grad].shape);
    int by = rgc_body_load(u.body, factor, &everywhere);
    p->grad = new_value(&u, op2(&u, RGC_EXPR_MUL, u.g, by), p->grad, "clipped");
  }
}

/* grad + weight_decay * weight */
static void decay(rgc_graph *graph, const rgc_update_settings *s, parameter *p) {
  if (p->weight_decay == 0 || s->rule == RGC_UPDATE_ADAMW) return;
  update u = begin(graph, s, p, p->weight, p->grad, -1, -1);
  p->grad = new_value(&u, op2(&u, RGC_EXPR_ADD, u.g, scaled(&u, p->weight_decay, u.w)), p->grad, "decayed");
}

/* ---- the rule ---- */

static void append_parameter(rgc_graph *graph, const rgc_update_settings *s, parameter *p) {
  bool adam = s->rule != RGC_UPDATE_SGD;
  int weight = p->weight, m = adam || s->momentum != 0 ? new_state(graph, weight, "m") : -1, v = adam ? new_state(graph, weight, "v") : -1;
  int average_state = s->ema != 0 ? new_state(graph, weight, "ema") : -1;
  decay(graph, s, p);
  if (m >= 0) {
    update by_m = begin(graph, s, p, -1, p->grad, m, -1);
    m = append(&by_m, next_m(&by_m), m, by_m.m);
  }
  if (v >= 0) {
    update by_v = begin(graph, s, p, -1, p->grad, -1, v);
    v = append(&by_v, next_v(&by_v), v, by_v.v);
  }
  bool reads_gradient = s->rule == RGC_UPDATE_SGD && (m < 0 || s->nesterov);
  update by_weight = begin(graph, s, p, weight, reads_gradient ? p->grad : -1, m, v);
  weight = append(&by_weight, next_w(&by_weight), weight, by_weight.w);
  if (average_state < 0) return;
  update by_average = begin(graph, s, p, weight, -1, average_state, -1);
  append(&by_average, average(&by_average, s->ema, by_average.m, by_average.w), average_state, by_average.m);
}

void rgc_append_updates(rgc_graph *graph, const rgc_update_settings *s, bool (*frozen)(void *context, const char *name),
                        void *context) {
  rgc_arena *scratch = rgc_arena_create();
  parameter *parameters = RGC_NEW_ARRAY(scratch, parameter, graph->value_count + 1);
  int value_count = graph->value_count, count = 0;
  for (int w = 0; w < value_count; w++) {
    if (graph->values[w].role != RGC_ROLE_PARAM || (frozen && frozen(context, graph->values[w].name))) continue;
    parameter p = {.weight = w, .grad = rgc_gradient_of(graph, w), .lr_factor = 1, .weight_decay = s->weight_decay};
    if (s->choose) s->choose(context, &graph->values[w], &p.lr_factor, &p.weight_decay);
    if (p.grad >= 0) parameters[count++] = p;
  }
  for (int i = 0; i < count; i++) {
    accumulate(graph, s, &parameters[i]);
    clip_by_value(graph, s, &parameters[i]);
  }
  clip_by_norm(graph, s, parameters, count);
  for (int i = 0; i < count; i++) append_parameter(graph, s, &parameters[i]);
  rgc_arena_destroy(scratch);
}
