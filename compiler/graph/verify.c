/* verify.c: the rules of the IR that concern ids, order, counts and updates; verify_shapes.c and verify_body.c hold the rest.
 *
 * It runs after every pass, so it trusts nothing: an op's shapes and expressions are looked at only once its ids are in
 * range. All broken rules are reported, not only the first. */
#include <string.h>

#include "compiler/graph/graph_text.h"
#include "compiler/graph/verify_rules.h"

bool rgc_verify_report(rgc_verifier *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *message = rgc_arena_vprintf(v->diags->arena, format, args);
  va_end(args);
  rgc_location at = {.line = v->op ? v->op->line : 0};
  if (!v->op) {
    rgc_diag_add(v->diags, RGC_ERROR, RGC_CODE_IR_INVALID, at, "%s", message);
    return false;
  }
  const char *word = v->op->kind < RGC_OP_COUNT ? rgc_op_info_of(v->op->kind)->word : "?";
  rgc_diagnostic *entry = rgc_diag_add(v->diags, RGC_ERROR, RGC_CODE_IR_INVALID, at, "op %d (%s): %s",
                                       (int)(v->op - v->graph->ops), word, message);
  if (v->op->layer && *v->op->layer) entry->path = rgc_arena_strdup(v->diags->arena, v->op->layer);
  return false;
}

static bool in_range(const rgc_verifier *v, int value) { return value >= 0 && value < v->graph->value_count; }

static bool is_stored(rgc_role role) {
  return role == RGC_ROLE_PARAM || role == RGC_ROLE_BUFFER || role == RGC_ROLE_STATE || role == RGC_ROLE_COPY;
}

/* Values. */

static void verify_fields(rgc_verifier *v, const rgc_value *value) {
  const char *name = value->name;
  rgc_verify_rule(v, value->dtype < RGC_DTYPE_COUNT, "value %%%s has no type", name);
  for (int j = 0; j < RGC_AXES; j++)
    rgc_verify_rule(v, value->shape[j] >= 1, "value %%%s has extent %lld on axis %c", name, (long long)value->shape[j],
                    rgc_axis_letters[j]);
  int64_t smallest = value->shape[0];
  for (int j = 1; j < RGC_AXES; j++) smallest = value->shape[j] < smallest ? value->shape[j] : smallest;
  rgc_verify_rule(v, smallest < 1 || rgc_shape_fits(value->shape), "value %%%s is too large", name);
  const rgc_layout *layout = &value->layout;
  bool panel = layout->kind != RGC_LAYOUT_NHWC;
  rgc_verify_rule(v, layout->kind <= RGC_LAYOUT_PANEL_T, "value %%%s has an unknown layout", name);
  rgc_verify_rule(v, panel ? layout->groups >= 1 && layout->lanes >= 1 && layout->block >= 1
                           : !layout->groups && !layout->lanes && !layout->block,
                  "value %%%s has a layout that makes no sense", name);
  rgc_verify_rule(v, value->role != RGC_ROLE_COPY || rgc_graph_copied(v->graph, value) >= 0, "value %%%s copies no parameter", name);
  bool ranked = value->role == RGC_ROLE_PARAM || value->role == RGC_ROLE_BUFFER;
  rgc_verify_rule(v, !value->torch_rank || (ranked && value->torch_rank > 0 && value->torch_rank <= RGC_AXES),
                  "value %%%s has torch_rank %d", name, value->torch_rank);
  rgc_verify_panel(v, value);
}

static bool defines(const rgc_op *op, int value) {
  for (int i = 0; i < op->output_count; i++)
    if (op->outputs[i] == value) return true;
  return false;
}

/* Kernels are printed with the names of what they serve. */
static bool is_printable(const char *text) {
  while (text && (rgc_is_name_char(*text) || *text == '+' || *text == ',' || *text == ' ')) text++;
  return !text || !*text;
}

static void verify_definition(rgc_verifier *v, const rgc_value *value) {
  const rgc_graph *graph = v->graph;
  if (value->op < 0) {
    rgc_verify_rule(v, value->role != RGC_ROLE_OUTPUT, "output %%%s is computed by no op", value->name);
    rgc_verify_rule(v, value->updates < 0, "value %%%s updates another but is computed by no op", value->name);
    return;
  }
  bool there = value->op < graph->op_count && defines(&graph->ops[value->op], value->id);
  rgc_verify_rule(v, there, "value %%%s names op %d, which does not compute it", value->name, value->op);
  rgc_verify_rule(v, value->role != RGC_ROLE_INPUT && value->role != RGC_ROLE_LABEL,
                  "value %%%s is an input or label and must not be computed", value->name);
  rgc_verify_rule(v, !is_stored(value->role) || value->updates >= 0,
                  "value %%%s is stored and computed, but updates nothing", value->name);
}

static bool same_storage(const rgc_value *a, const rgc_value *b) {
  return a->dtype == b->dtype && !memcmp(a->shape, b->shape, sizeof a->shape) && a->layout.kind == b->layout.kind &&
         a->layout.groups == b->layout.groups && a->layout.lanes == b->layout.lanes &&
         a->layout.block == b->layout.block;
}

/* updated_by[old]: the value that overwrites it, or -1. */
static void verify_update(rgc_verifier *v, const rgc_value *value, int *updated_by) {
  if (value->updates < 0) return;
  if (!rgc_verify_rule(v, in_range(v, value->updates), "value %%%s updates value %d, which is not there", value->name,
                       value->updates))
    return;
  const rgc_value *old = &v->graph->values[value->updates];
  rgc_verify_rule(v, is_stored(old->role) && old->op < 0, "value %%%s updates %%%s, which is no stored state",
                  value->name, old->name);
  rgc_verify_rule(v, same_storage(value, old), "value %%%s updates %%%s, but type, shape or layout differ", value->name,
                  old->name);
  rgc_verify_rule(v, updated_by[old->id] < 0, "value %%%s is updated twice", old->name);
  updated_by[old->id] = value->id;
}

static void verify_name(rgc_verifier *v, const rgc_value *value) {
  if (!rgc_verify_rule(v, rgc_is_name(value->name), "value %d has no usable name", value->id)) return;
  int found = rgc_graph_find(v->graph, value->name);
  rgc_verify_rule(v, found >= 0, "value %%%s is not found by its name", value->name);
  rgc_verify_rule(v, found < 0 || found == value->id, "two values are named %%%s", value->name);
}

static bool verify_values(rgc_verifier *v, int *updated_by) {
  for (int i = 0; i < v->graph->value_count; i++)
    if (!rgc_verify_rule(v, v->graph->values[i].id == i, "value %d has id %d", i, v->graph->values[i].id)) return false;
  for (int i = 0; i < v->graph->value_count; i++) {
    verify_name(v, &v->graph->values[i]);
    verify_fields(v, &v->graph->values[i]);
    verify_definition(v, &v->graph->values[i]);
    verify_update(v, &v->graph->values[i], updated_by);
  }
  return true;
}

/* Ops. */

static bool verify_counts(rgc_verifier *v) {
  const rgc_op *op = v->op;
  const rgc_op_info *info = rgc_op_info_of(op->kind);
  bool in_ok = op->input_count >= info->min_in && (info->max_in < 0 || op->input_count <= info->max_in);
  bool out_ok = op->output_count >= info->min_out && (info->max_out < 0 || op->output_count <= info->max_out);
  rgc_verify_rule(v, in_ok, "%d inputs", op->input_count);
  rgc_verify_rule(v, out_ok, "%d outputs", op->output_count);
  return in_ok && out_ok;
}

/* A read value stands already, and is not overwritten yet. Like verify_output: false if the rules of shapes cannot be looked at. */
static bool verify_input(rgc_verifier *v, int input, const int *updated_by) {
  if (!rgc_verify_rule(v, in_range(v, input), "reads value %d, which is not there", input)) return false;
  const rgc_value *value = &v->graph->values[input];
  int self = (int)(v->op - v->graph->ops);
  if (value->op < 0)
    rgc_verify_rule(v, value->role != RGC_ROLE_TEMP, "reads %%%s, which no op computes", value->name);
  else
    rgc_verify_rule(v, value->op < self, "reads %%%s before it is computed", value->name);
  int writer = updated_by[input] < 0 ? -1 : v->graph->values[updated_by[input]].op;
  rgc_verify_rule(v, writer < 0 || self <= writer, "reads %%%s after it was updated", value->name);
  return rgc_shape_fits(value->shape);
}

static bool verify_output(rgc_verifier *v, int position) {
  int output = v->op->outputs[position];
  if (!rgc_verify_rule(v, in_range(v, output), "computes value %d, which is not there", output)) return false;
  const rgc_value *value = &v->graph->values[output];
  rgc_verify_rule(v, value->op == v->op->id, "computes %%%s, which names op %d", value->name, value->op);
  for (int i = 0; i < position; i++)
    rgc_verify_rule(v, v->op->outputs[i] != output, "computes %%%s twice", value->name);
  return rgc_shape_fits(value->shape);
}

static void verify_attributes(rgc_verifier *v) {
  unsigned allowed = rgc_op_info_of(v->op->kind)->attributes, set = 0;
  for (int i = 0; i < RGC_ATTR_COUNT; i++) set |= (unsigned)(v->op->attr[i] != rgc_attribute_defaults[i]) << i;
  for (int i = 0; set & ~allowed && i < RGC_ATTR_COUNT; i++)
    rgc_verify_rule(v, !((set & ~allowed) >> i & 1), "has no attribute %s", rgc_attribute_word((rgc_attribute)i));
}

static void verify_op(rgc_verifier *v, const int *updated_by) {
  const rgc_op *op = v->op;
  if (!rgc_verify_rule(v, op->kind < RGC_OP_COUNT, "kind %d is not there", (int)op->kind)) return;
  rgc_verify_rule(v, is_printable(op->layer) && is_printable(op->word), "layer or word has characters that a name cannot have");
  rgc_verify_rule(v, op->id == (int)(op - v->graph->ops), "has id %d", op->id);
  rgc_verify_rule(v, !op->body == (op->kind != RGC_OP_MAP), "a body belongs to a map, and to nothing else");
  rgc_verify_rule(v, !op->kernel == (op->kind != RGC_OP_KERNEL),
                  "a kernel belongs to a kernel op, and to nothing else");
  bool ok = verify_counts(v);
  for (int i = 0; i < op->input_count; i++) ok = verify_input(v, op->inputs[i], updated_by) && ok;
  for (int i = 0; i < op->output_count; i++) ok = verify_output(v, i) && ok;
  verify_attributes(v);
  if (!ok) return;
  rgc_verify_expressions(v);
  rgc_verify_shapes(v);
}

bool rgc_graph_verify(const rgc_graph *graph, rgc_diagnostics *diags) {
  int before = diags->error_count;
  rgc_arena *scratch = rgc_arena_create();
  rgc_verifier v = {.graph = graph, .diags = diags};
  int *updated_by = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1);
  for (int i = 0; i < graph->value_count; i++) updated_by[i] = -1;
  rgc_verify_rule(&v, graph->batch >= 1, "batch %lld", (long long)graph->batch);
  bool ids_ok = verify_values(&v, updated_by);
  for (int i = 0; ids_ok && i < graph->op_count; i++) {
    v.op = &graph->ops[i];
    verify_op(&v, updated_by);
  }
  rgc_arena_destroy(scratch);
  return diags->error_count == before;
}
