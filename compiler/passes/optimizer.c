/* optimizer.c: see optimizer.h. A parameter's update is a few maps: one a state, then the weight's, which reads the new states; so
 * fusion can make one kernel of them. A map that updates a value must be its last reader: the weight's comes last, for weight decay
 * reads the weight before. */
#include "compiler/passes/optimizer.h"

#include "compiler/passes/autodiff.h"

/* Builds one update: the loads and the nodes every rule begins with. */
typedef struct update {
  rgc_graph *graph;
  const rgc_update_settings *settings;
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
static update begin(rgc_graph *graph, const rgc_update_settings *s, int weight, int grad, int m, int v) {
  update u = {.graph = graph, .settings = s, .body = rgc_body_create(graph->arena), .w = -1, .g = -1, .m = -1, .v = -1};
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
  if (s->rule == RGC_UPDATE_ADAMW && s->weight_decay != 0)
    w = op2(u, RGC_EXPR_SUB, w, op2(u, RGC_EXPR_MUL, scaled(u, s->weight_decay, rate), w));
  int direction = s->rule == RGC_UPDATE_SGD ? sgd_direction(u) : adam_direction(u);
  return op2(u, RGC_EXPR_SUB, w, op2(u, RGC_EXPR_MUL, rate, direction));
}

/* Returns the new value. */
static int append(update *u, int root, int old) {
  rgc_graph *graph = u->graph;
  char *name = rgc_arena_printf(graph->arena, "%s.next", graph->values[old].name);
  int next = rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_TEMP, graph->values[old].shape);
  graph->values[next].updates = old;
  rgc_graph_map(graph, u->body, root, next)->backward = true;
  return next;
}

static int new_state(rgc_graph *graph, int weight, const char *suffix) {
  char *name = rgc_arena_printf(graph->arena, "%s.%s", graph->values[weight].name, suffix);
  return rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_STATE, graph->values[weight].shape);
}

/* grad + weight_decay * weight, as a value of its own. */
static int decayed(rgc_graph *graph, const rgc_update_settings *s, int weight, int grad) {
  if (s->weight_decay == 0 || s->rule == RGC_UPDATE_ADAMW) return grad;
  update u = begin(graph, s, weight, grad, -1, -1);
  int root = op2(&u, RGC_EXPR_ADD, u.g, scaled(&u, s->weight_decay, u.w));
  char *name = rgc_arena_printf(graph->arena, "%s.decayed", graph->values[grad].name);
  int value = rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_TEMP, graph->values[grad].shape);
  rgc_graph_map(graph, u.body, root, value)->backward = true;
  return value;
}

static void append_parameter(rgc_graph *graph, const rgc_update_settings *s, int weight, int grad) {
  bool adam = s->rule != RGC_UPDATE_SGD;
  int m = adam || s->momentum != 0 ? new_state(graph, weight, "m") : -1, v = adam ? new_state(graph, weight, "v") : -1;
  grad = decayed(graph, s, weight, grad);
  if (m >= 0) {
    update by_m = begin(graph, s, -1, grad, m, -1);
    m = append(&by_m, next_m(&by_m), m);
  }
  if (v >= 0) {
    update by_v = begin(graph, s, -1, grad, -1, v);
    v = append(&by_v, next_v(&by_v), v);
  }
  bool reads_gradient = s->rule == RGC_UPDATE_SGD && (m < 0 || s->nesterov);
  update by_weight = begin(graph, s, weight, reads_gradient ? grad : -1, m, v);
  append(&by_weight, next_w(&by_weight), weight);
}

void rgc_append_updates(rgc_graph *graph, const rgc_update_settings *settings,
                        bool (*frozen)(void *context, const char *parameter), void *context) {
  int value_count = graph->value_count;
  for (int w = 0; w < value_count; w++) {
    if (graph->values[w].role != RGC_ROLE_PARAM || (frozen && frozen(context, graph->values[w].name))) continue;
    int grad = rgc_gradient_of(graph, w);
    if (grad >= 0) append_parameter(graph, settings, w, grad);
  }
}
