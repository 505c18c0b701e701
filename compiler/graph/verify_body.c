/* verify_body.c: the rules of expressions: operands, views, nodes, roots, and which leaves a stage may have. */
#include "compiler/graph/kernel.h"
#include "compiler/graph/verify_rules.h"

enum { POINT_LEAVES = 0, ACC_LEAVES = 1u << RGC_EXPR_ACC };
enum { TAP_LEAVES = 1u << RGC_EXPR_GATHER | 1u << RGC_EXPR_TAP | 1u << RGC_EXPR_TAP_COORD };

static const int64_t max_add = (int64_t)1 << 41; /* of a view: further than any extent */

typedef struct stage {
  const char *name;
  const rgc_body *body;
  unsigned special;   /* which of ACC, GATHER, TAP, TAP_COORD may stand here: bits by kind */
  int special_count;  /* how many accumulators or gathered roots there are */
} stage;

static bool is_input(const rgc_op *op, int value) {
  for (int i = 0; i < op->input_count; i++)
    if (op->inputs[i] == value) return true;
  return false;
}

static void verify_view(rgc_verifier *v, const char *name, const rgc_view *view) {
  for (int j = 0; j < RGC_AXES; j++) {
    rgc_verify_rule(v, view->axis[j].from >= 0 && view->axis[j].from < RGC_AXES, "%s: a view reads axis %d", name,
                    view->axis[j].from);
    const rgc_axis_view *axis = &view->axis[j];
    rgc_verify_rule(v, axis->div >= 1 && axis->div <= RGC_MAX_FACTOR, "%s: a view divides by %lld", name, (long long)axis->div);
    rgc_verify_rule(v, !axis->whole || axis->div > 1, "%s: a view divides by 1 and drops what is left", name);
    rgc_verify_rule(v, axis->mul >= -RGC_MAX_FACTOR && axis->mul <= RGC_MAX_FACTOR && axis->add >= -max_add && axis->add <= max_add,
                    "%s: a view multiplies by %lld and adds %lld", name, (long long)axis->mul, (long long)axis->add);
  }
}

static void verify_operands(rgc_verifier *v, const stage *s) {
  for (int i = 0; i < s->body->operand_count; i++) {
    int value = s->body->operands[i].value;
    rgc_verify_rule(v, is_input(v->op, value), "%s: operand %d reads value %d, which is no input", s->name, i, value);
    verify_view(v, s->name, &s->body->operands[i].view);
  }
}

/* How many values .index has; 1 where it must be 0. */
static int64_t index_limit(const stage *s, rgc_expr_kind kind) {
  switch (kind) {
    case RGC_EXPR_LOAD: return s->body->operand_count;
    case RGC_EXPR_ACC:
    case RGC_EXPR_GATHER: return s->special_count;
    case RGC_EXPR_COORD:
    case RGC_EXPR_TAP_COORD: return RGC_AXES;
    case RGC_EXPR_SCALAR: return RGC_SCALAR_COUNT;
    case RGC_EXPR_RANDOM: return INT32_MAX;
    default: return 1;
  }
}

static void verify_node(rgc_verifier *v, const stage *s, int i) {
  const rgc_node *node = &s->body->nodes[i];
  if (!rgc_verify_rule(v, node->kind < RGC_EXPR_KIND_COUNT, "%s: n%d has no kind", s->name, i)) return;
  unsigned special = 1u << RGC_EXPR_ACC | TAP_LEAVES, bit = node->kind < 32 ? 1u << node->kind : 0;
  rgc_verify_rule(v, !(bit & special & ~s->special), "%s: n%d: %s cannot stand here", s->name, i,
                  rgc_expr_word(node->kind));
  int args = rgc_expr_arity(node->kind);
  for (int k = 0; k < 3; k++)
    rgc_verify_rule(v, k < args ? node->arg[k] >= 0 && node->arg[k] < i : node->arg[k] == -1,
                    "%s: n%d has argument n%d", s->name, i, node->arg[k]);
  rgc_verify_rule(v, node->index >= 0 && node->index < index_limit(s, node->kind), "%s: n%d: %s %d is not there",
                  s->name, i, rgc_expr_word(node->kind), node->index);
  rgc_verify_rule(v, node->kind == RGC_EXPR_RANDOM ? node->axes < 1u << RGC_AXES : !node->axes,
                  "%s: n%d has axes %u", s->name, i, node->axes);
}

static void verify_stage(rgc_verifier *v, const stage *s) {
  if (!s->body) return;
  verify_operands(v, s);
  for (int i = 0; i < s->body->node_count; i++) verify_node(v, s, i);
}

static void verify_root(rgc_verifier *v, const char *name, const rgc_body *body, int root) {
  rgc_verify_rule(v, body && root >= 0 && root < body->node_count, "%s: the root n%d is not there", name, root);
}

static void verify_map(rgc_verifier *v) {
  const rgc_op *op = v->op;
  if (!op->body) return;
  stage s = {.name = "map", .body = op->body, .special = POINT_LEAVES};
  bool same = op->input_count == op->body->operand_count;
  for (int i = 0; same && i < op->input_count; i++) same = op->inputs[i] == op->body->operands[i].value;
  rgc_verify_rule(v, same, "the inputs are not the operands of the body");
  verify_stage(v, &s);
  verify_root(v, "map", op->body, op->root);
}

static void verify_stores(rgc_verifier *v, const rgc_kernel *kernel) {
  rgc_verify_rule(v, kernel->store_count == v->op->output_count, "%d stores for %d outputs", kernel->store_count,
                  v->op->output_count);
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_store *store = &kernel->stores[i];
    bool found = false;
    for (int k = 0; k < v->op->output_count; k++) found = found || v->op->outputs[k] == store->value;
    rgc_verify_rule(v, found, "store %d writes value %d, which is no output", i, store->value);
    bool side = store->kind == RGC_SIDE_STORE;
    verify_root(v, side ? "a" : "epi", side ? kernel->a : kernel->epi, store->node);
  }
}

static void verify_roots(rgc_verifier *v, const rgc_kernel *kernel) {
  if (!rgc_verify_rule(v, kernel->a_root_count >= 0 && kernel->a_root_count <= RGC_MAX_ROOTS, "%d roots",
                       kernel->a_root_count) ||
      !rgc_verify_rule(v, kernel->acc_count >= 0 && kernel->acc_count <= RGC_MAX_ROOTS, "%d accumulators",
                       kernel->acc_count))
    return;
  for (int i = 0; i < kernel->a_root_count; i++) verify_root(v, "a", kernel->a, kernel->a_roots[i]);
  bool weights = kernel->kind == RGC_CONTRACT && kernel->form == RGC_WEIGHTS;
  if (weights) verify_root(v, "b", kernel->b, kernel->b_root);
  for (int i = 0; kernel->kind == RGC_WINDOW && i < kernel->acc_count; i++)
    verify_root(v, "tap", kernel->tap, kernel->tap_roots[i]);
  if (kernel->kind == RGC_CONTRACT && kernel->form == RGC_PIXELS)
    rgc_verify_rule(v, is_input(v->op, kernel->weight), "the weight is no input");
}

static void verify_kernel(rgc_verifier *v) {
  const rgc_kernel *kernel = v->op->kernel;
  if (!kernel) return;
  int before = v->diags->error_count;
  const stage stages[] = {{"a", kernel->a, POINT_LEAVES, 0},
                          {"b", kernel->b, POINT_LEAVES, 0},
                          {"tap", kernel->tap, TAP_LEAVES, kernel->a_root_count},
                          {"epi", kernel->epi, ACC_LEAVES, kernel->acc_count}};
  for (int i = 0; i < 4; i++) verify_stage(v, &stages[i]);
  for (int j = 0; j < RGC_AXES; j++)
    rgc_verify_rule(v, kernel->extent[j] >= 1, "the output space is empty on axis %d", j);
  verify_roots(v, kernel);
  verify_stores(v, kernel);
  if (v->diags->error_count == before) rgc_verify_kernel(v);
}

void rgc_verify_expressions(rgc_verifier *v) {
  if (v->op->kind == RGC_OP_MAP) verify_map(v);
  if (v->op->kind == RGC_OP_KERNEL) verify_kernel(v);
}
