/* expand_outputs.c: what a network gives: logits for its classes, or named outputs, each with classes of its own. */
#include <string.h>

#include "compiler/lang/expand.h"

/* An error where the head ends. */
static rgc_diagnostic *head_error(const rgc_expander *x, const char *message) {
  const rgc_yaml *head = rgc_yaml_get(x->network->root, "head");
  return rgc_yaml_error(x->diags, head->count ? head->items[head->count - 1] : head, RGC_CODE_SHAPE, "%s", message);
}

static bool is_pooled(const int64_t *shape) { return shape[RGC_H] == 1 && shape[RGC_W] == 1; }

/* Whether a value can be the logits. */
static bool check_logits(const rgc_expander *x, int value) {
  const rgc_class_set *classes = &x->network->classes[0];
  const int64_t *shape = x->graph->values[value].shape;
  bool made = x->graph->values[value].op >= 0;
  if (!made) head_error(x, "the network has no layers")->expected = "head: [avgpool: global, linear: {out: classes}]";
  if (!made || (is_pooled(shape) && shape[RGC_C] == classes->count)) return made;
  const char *message = rgc_arena_printf(x->arena, "the network gives %dx%dx%d (height, width, channels) for %d classes", (int)shape[RGC_H], (int)shape[RGC_W],
                                         (int)shape[RGC_C], (int)classes->count);
  head_error(x, message)->expected = is_pooled(shape) ? "linear: {out: classes} at the end of the head"
                                                      : "avgpool: global, linear: {out: classes} at the end of the head";
  return false;
}

int rgc_expand_class_set(const rgc_expander *x, int logits) {
  const rgc_network *n = x->network;
  const rgc_value *v = &x->graph->values[logits];
  const rgc_yaml *node = rgc_yaml_get(n->root, "classes");
  if (n->class_set_count == 1) return check_logits(x, logits) ? 0 : -1;
  for (int k = 0; k < n->class_set_count; k++) {
    if (strcmp(n->classes[k].output, v->name)) continue;
    if (is_pooled(v->shape) && v->shape[RGC_C] == n->classes[k].count) return k;
    rgc_yaml_error(x->diags, node, RGC_CODE_SHAPE, "output %s is %dx%dx%d (height, width, channels) for %d classes", v->name,
                   (int)v->shape[RGC_H], (int)v->shape[RGC_W], (int)v->shape[RGC_C], (int)n->classes[k].count);
    return -1;
  }
  rgc_yaml_error(x->diags, node, RGC_CODE_UNKNOWN_NAME, "classes: has no output '%s'", v->name)->help = "each output: needs its classes";
  return -1;
}

static bool has_output(const rgc_expander *x, const char *name) {
  for (int i = 0; i < x->output_count; i++)
    if (!strcmp(x->graph->values[x->outputs[i]].name, name)) return true;
  return false;
}

/* Where classes are of several outputs: each has its layer, and each layer its classes. */
static bool check_outputs(const rgc_expander *x) {
  const rgc_network *n = x->network;
  bool good = true;
  for (int k = 0; k < n->class_set_count; k++) {
    if (has_output(x, n->classes[k].output)) continue;
    rgc_yaml_error(x->diags, rgc_yaml_get(n->root, "classes"), RGC_CODE_BAD_VALUE, "no layer has output: %s", n->classes[k].output)->expected =
        rgc_arena_printf(x->arena, "linear: {out: %d, output: %s}", (int)n->classes[k].count, n->classes[k].output);
    good = false;
  }
  for (int i = 0; i < x->output_count; i++) good = rgc_expand_class_set(x, x->outputs[i]) >= 0 && good;
  return good;
}

bool rgc_expand_outputs(rgc_expander *x, int last) {
  if (x->network->class_set_count > 1 && !check_outputs(x)) return false;
  if (x->output_count == 0) {
    if (!check_logits(x, last)) return false;
    rgc_graph_rename(x->graph, last, "logits");
    x->outputs[x->output_count++] = last;
  }
  for (int i = 0; i < x->output_count; i++) x->graph->values[x->outputs[i]].role = RGC_ROLE_OUTPUT;
  return true;
}
