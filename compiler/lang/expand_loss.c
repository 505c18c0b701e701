/* expand_loss.c: the loss of a training graph, behind its outputs.
 *
 * Each output has a label and a loss, averaged over the samples of the batch:
 *   cross_entropy  op xent: softmax cross entropy with smoothed labels
 *   bce            mean over the C classes of  max(z,0) - z t + log(1 + exp(-|z|)),  t = (1-s) onehot + s/C
 * A network of one output has values "label", "loss" and "correct" (how many argmaxes equal the label). Of several, output O has
 * "label.O", "loss.O" and "correct.O", and "loss" is the sum of theirs by weights, "correct" the first one's.
 * With distill:, z the logits, q those of the teacher (input "teacher"), T the temperature (Hinton et al. 2015):
 *   loss = (1-w) loss + w T^2 KL(softmax(q/T) || softmax(z/T))
 * Where data: mixes samples (mixup, cutmix), each with another whose label is the input "other_label" (Zhang et al. 2018, eq. 1):
 *   loss = mix own_loss + (1 - mix) other_loss, the loss of the mixed targets, for both losses are linear in their targets
 * All but xent is maps and reduces: differentiated and fused like anything else. */
#include "compiler/lang/expand.h"

#include <string.h>

/* A body over a space of `shape`, and the graph it is for. */
typedef struct loss_map {
  rgc_expander *x;
  rgc_body *body;
  int64_t shape[RGC_AXES];
} loss_map;

static loss_map open_map(rgc_expander *x, int64_t channels) {
  return (loss_map){.x = x, .body = rgc_body_create(x->graph->arena), .shape = {x->graph->batch, 1, 1, channels}};
}

static int load(loss_map *m, int value) {
  rgc_view view = rgc_view_broadcast(m->x->graph->values[value].shape, m->shape);
  return rgc_body_load(m->body, value, &view);
}

static int number(loss_map *m, double n) { return rgc_body_const(m->body, n); }
static int op1(loss_map *m, rgc_expr_kind kind, int a) { return rgc_body_node(m->body, kind, a, -1, -1); }
static int op2(loss_map *m, rgc_expr_kind kind, int a, int b) { return rgc_body_node(m->body, kind, a, b, -1); }

/* `node` for samples of the batch, 0 past them: what is there may be anything. */
static int valid_only(loss_map *m, int node) {
  int n = rgc_body_leaf(m->body, RGC_EXPR_COORD, RGC_N), valid = rgc_body_leaf(m->body, RGC_EXPR_SCALAR, RGC_SCALAR_N_VALID);
  return rgc_body_node(m->body, RGC_EXPR_SELECT, op2(m, RGC_EXPR_LT, n, valid), node, number(m, 0));
}

static int close_map(loss_map *m, int root, const char *name) {
  int value = rgc_graph_value(m->x->graph, name, RGC_F32, RGC_ROLE_TEMP, m->shape);
  rgc_graph_map(m->x->graph, m->body, root, value);
  return value;
}

/* The sum of a masked value [N,1,1,C], as [1,1,1,1]. */
static int total(rgc_expander *x, int value, const char *name) {
  int rows = rgc_graph_reduce(x->graph, value, 1u << RGC_C, RGC_BY_SUM, "rows", NULL);
  return rgc_graph_reduce(x->graph, rows, 1u << RGC_N, RGC_BY_SUM, name, NULL);
}

/* A value [1,1,1,1]: the sum of values by factors, all of them over the samples if `per_sample`. */
static int weigh(rgc_expander *x, const int *values, const double *factors, int count, bool per_sample, const char *name) {
  loss_map m = open_map(x, 1);
  m.shape[RGC_N] = 1;
  int sum = -1;
  for (int i = 0; i < count; i++) {
    int term = load(&m, values[i]);
    if (factors[i] != 1) term = op2(&m, RGC_EXPR_MUL, number(&m, factors[i]), term);
    sum = i ? op2(&m, RGC_EXPR_ADD, sum, term) : term;
  }
  if (per_sample) sum = op2(&m, RGC_EXPR_MUL, sum, rgc_body_leaf(m.body, RGC_EXPR_SCALAR, RGC_SCALAR_INV_N));
  return close_map(&m, sum, name);
}

/* ---- one output ---- */

typedef struct output {
  int logits, label, loss, correct; /* value ids */
  int64_t classes;
} output;

static void cross_entropy(rgc_expander *x, output *o, const char *loss, const char *correct, const char *probs, double smoothing) {
  rgc_graph *graph = x->graph;
  const int64_t one[RGC_AXES] = {1, 1, 1, 1};
  int inputs[] = {o->logits, o->label};
  int outputs[] = {rgc_graph_value(graph, loss, RGC_F32, RGC_ROLE_TEMP, one), rgc_graph_value(graph, correct, RGC_F32, RGC_ROLE_TEMP, one),
                   rgc_graph_value(graph, probs, RGC_F32, RGC_ROLE_TEMP, graph->values[o->logits].shape)};
  rgc_graph_op(graph, RGC_OP_XENT, inputs, 2, outputs, 3)->attr[RGC_ATTR_SMOOTHING] = smoothing;
  o->loss = outputs[0];
  o->correct = outputs[1];
}

static int count_correct(rgc_expander *x, const output *o, const char *name) {
  int place;
  rgc_graph_reduce(x->graph, o->logits, 1u << RGC_C, RGC_BY_MAX, "row_max", &place);
  loss_map m = open_map(x, 1);
  int hit = close_map(&m, valid_only(&m, op2(&m, RGC_EXPR_EQ, load(&m, place), load(&m, o->label))), "row_hit");
  return rgc_graph_reduce(x->graph, hit, 1u << RGC_N, RGC_BY_SUM, name, NULL);
}

static void binary_cross_entropy(rgc_expander *x, output *o, const char *loss, const char *correct, double smoothing) {
  o->correct = count_correct(x, o, correct);
  loss_map m = open_map(x, o->classes);
  int z = load(&m, o->logits), is_label = op2(&m, RGC_EXPR_EQ, rgc_body_leaf(m.body, RGC_EXPR_COORD, RGC_C), load(&m, o->label));
  double off = smoothing / (double)o->classes;
  int t = rgc_body_node(m.body, RGC_EXPR_SELECT, is_label, number(&m, 1 - smoothing + off), number(&m, off));
  int rest = op1(&m, RGC_EXPR_LOG, op2(&m, RGC_EXPR_ADD, number(&m, 1), op1(&m, RGC_EXPR_EXP, op1(&m, RGC_EXPR_NEG, op1(&m, RGC_EXPR_ABS, z)))));
  int above = op2(&m, RGC_EXPR_SUB, op2(&m, RGC_EXPR_MAX, z, number(&m, 0)), op2(&m, RGC_EXPR_MUL, z, t));
  int sum = total(x, close_map(&m, valid_only(&m, op2(&m, RGC_EXPR_ADD, above, rest)), "bce"), "bce_sum");
  o->loss = weigh(x, &sum, &(double){1 / (double)o->classes}, 1, true, loss);
}

/* ---- distillation ---- */

/* Of logits [N,1,1,C] over T: what log softmax takes away, as values [N,1,1,1]. */
typedef struct softmax {
  int logits, maximum, sum;
} softmax;

/* (z - max) / T */
static int shifted(loss_map *m, const softmax *s, double temperature) {
  return op2(m, RGC_EXPR_MUL, number(m, 1 / temperature), op2(m, RGC_EXPR_SUB, load(m, s->logits), load(m, s->maximum)));
}

static softmax make_softmax(rgc_expander *x, int logits, int64_t classes, double temperature) {
  int place;
  softmax s = {.logits = logits, .maximum = rgc_graph_reduce(x->graph, logits, 1u << RGC_C, RGC_BY_MAX, "soft_max", &place)};
  loss_map m = open_map(x, classes);
  int power = close_map(&m, op1(&m, RGC_EXPR_EXP, shifted(&m, &s, temperature)), "soft_exp");
  s.sum = rgc_graph_reduce(x->graph, power, 1u << RGC_C, RGC_BY_SUM, "soft_sum", NULL);
  return s;
}

static int distill(rgc_expander *x, const output *o, int hard) {
  const rgc_train_settings *t = &x->network->train;
  double temperature = t->distill_temperature;
  int teacher = rgc_graph_value(x->graph, "teacher", RGC_F32, RGC_ROLE_INPUT, x->graph->values[o->logits].shape);
  softmax q = make_softmax(x, teacher, o->classes, temperature), z = make_softmax(x, o->logits, o->classes, temperature);
  loss_map m = open_map(x, o->classes);
  int above_q = shifted(&m, &q, temperature), above_z = shifted(&m, &z, temperature), sum_q = load(&m, q.sum);
  int p = op2(&m, RGC_EXPR_DIV, op1(&m, RGC_EXPR_EXP, above_q), sum_q);
  int log_q = op2(&m, RGC_EXPR_SUB, above_q, op1(&m, RGC_EXPR_LOG, sum_q));
  int log_z = op2(&m, RGC_EXPR_SUB, above_z, op1(&m, RGC_EXPR_LOG, load(&m, z.sum)));
  int term = op2(&m, RGC_EXPR_MUL, p, op2(&m, RGC_EXPR_SUB, log_q, log_z));
  int sum = total(x, close_map(&m, valid_only(&m, term), "soft_kl"), "soft_kl_sum");
  int soft = weigh(x, &sum, &(double){temperature * temperature}, 1, true, "soft_loss");
  return weigh(x, (int[]){hard, soft}, (double[]){1 - t->distill_weight, t->distill_weight}, 2, false, "loss");
}

/* ---- the network ---- */

static int add_label(rgc_expander *x, const char *name) {
  const int64_t labels[RGC_AXES] = {x->graph->batch, 1, 1, 1};
  return rgc_graph_value(x->graph, name, RGC_I32, RGC_ROLE_LABEL, labels);
}

static void make_output(rgc_expander *x, int value) { x->graph->values[value].role = RGC_ROLE_OUTPUT; }

static void add_loss(rgc_expander *x, output *o, const rgc_loss_settings *settings, const char *loss, const char *correct, const char *probs) {
  if (settings->kind == RGC_LOSS_BCE) binary_cross_entropy(x, o, loss, correct, settings->smoothing);
  else cross_entropy(x, o, loss, correct, probs, settings->smoothing);
}

static void mixed_loss(rgc_expander *x, output *o, const rgc_loss_settings *settings, const char *loss, const char *correct) {
  output other = *o;
  add_loss(x, o, settings, "own_loss", correct, "probs");
  other.label = add_label(x, "other_label");
  add_loss(x, &other, settings, "other_loss", "other_correct", "other_probs");
  make_output(x, other.correct);
  loss_map m = open_map(x, 1);
  m.shape[RGC_N] = 1;
  int mix = rgc_body_leaf(m.body, RGC_EXPR_SCALAR, RGC_SCALAR_MIX), rest = op2(&m, RGC_EXPR_SUB, number(&m, 1), mix);
  int own_part = op2(&m, RGC_EXPR_MUL, mix, load(&m, o->loss)), other_part = op2(&m, RGC_EXPR_MUL, rest, load(&m, other.loss));
  o->loss = close_map(&m, op2(&m, RGC_EXPR_ADD, own_part, other_part), loss);
}

static bool add_output(rgc_expander *x, int index, output *o, double *weight) {
  o->logits = x->outputs[index];
  int set = rgc_expand_class_set(x, o->logits);
  if (set < 0) return false;
  const rgc_loss_settings *settings = &x->network->train.losses[set];
  const char *end = x->network->class_set_count > 1 ? rgc_arena_printf(x->graph->arena, ".%s", x->network->classes[set].output) : "";
  bool alone = !*end && !x->network->train.distill_plan;
  const char *loss = alone ? "loss" : rgc_arena_printf(x->graph->arena, "loss%s", *end ? end : ".hard");
  const char *correct = rgc_arena_printf(x->graph->arena, "correct%s", end);
  o->classes = x->network->classes[set].count;
  o->label = add_label(x, rgc_arena_printf(x->graph->arena, "label%s", end));
  if (rgc_network_mixes(x->network)) mixed_loss(x, o, settings, loss, correct);
  else add_loss(x, o, settings, loss, correct, "probs");
  *weight = settings->weight;
  return true;
}

bool rgc_expand_loss(rgc_expander *x) {
  output outputs[RGC_MAX_OUTPUTS];
  int losses[RGC_MAX_OUTPUTS] = {0}, count = x->network->class_set_count > 1 ? x->output_count : 1;
  double weights[RGC_MAX_OUTPUTS];
  for (int i = 0; i < count; i++) {
    if (!add_output(x, i, &outputs[i], &weights[i])) return false;
    losses[i] = outputs[i].loss;
    make_output(x, outputs[i].correct);
    make_output(x, outputs[i].loss);
  }
  int loss = losses[0];
  if (count > 1) loss = weigh(x, losses, weights, count, false, "loss");
  if (x->network->train.distill_plan) loss = distill(x, &outputs[0], loss);
  make_output(x, loss);
  return true;
}
