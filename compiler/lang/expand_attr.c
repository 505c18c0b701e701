/* expand_attr.c: attributes, names and errors of the layer being emitted; see expand.h. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "compiler/lang/expand.h"
#include "compiler/lang/formula.h"
#include "compiler/lang/keys.h"

enum { MAX_WORDS = 64 };

const rgc_binding *rgc_env_find(const rgc_env *env, const char *name) {
  for (int i = env->count - 1; i >= 0; i--)
    if (strcmp(env->items[i].name, name) == 0) return &env->items[i];
  return NULL;
}

void rgc_env_set(rgc_expander *x, rgc_env *env, const char *name, double number, const rgc_yaml *list) {
  *RGC_PUSH(x->arena, env->items, env->count, env->capacity) = (rgc_binding){name, list, number};
}

static bool find_name(const void *context, const char *name, double *value) {
  const rgc_binding *b = rgc_env_find(context, name);
  if (!b || b->list) return false;
  *value = b->number;
  return true;
}

static int list_names(const void *context, const char **words, int limit) {
  const rgc_env *env = context;
  int count = 0;
  for (int i = 0; i < env->count && count < limit; i++)
    if (!env->items[i].list) words[count++] = env->items[i].name;
  return count;
}

bool rgc_expand_eval(rgc_expander *x, const rgc_env *env, const rgc_yaml *node, double *value) {
  const rgc_formula_names names = {find_name, list_names, env};
  rgc_formula *formula = rgc_formula_parse(x->arena, node, x->diags);
  return formula && rgc_formula_eval(formula, node, &names, x->diags, value);
}

/* Sets path: texts of diagnostics outlive the network. */
static void tell_path(const rgc_cell *cell, rgc_diagnostic *d) {
  if (cell->place->path) d->path = rgc_arena_strdup(cell->x->diags->arena, cell->place->path);
}

rgc_diagnostic *rgc_cell_error_at(rgc_cell *cell, const rgc_yaml *node, int offset, rgc_code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(cell->x->arena, format, args);
  va_end(args);
  rgc_diagnostic *d = rgc_yaml_error_at(cell->x->diags, node, offset, code, "%s", message);
  tell_path(cell, d);
  return d;
}

rgc_diagnostic *rgc_cell_error(rgc_cell *cell, const rgc_yaml *node, rgc_code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(cell->x->arena, format, args);
  va_end(args);
  rgc_diagnostic *d = rgc_yaml_error(cell->x->diags, node ? node : cell->layer->at, code, "%s", message);
  tell_path(cell, d);
  return d;
}

const rgc_yaml *rgc_cell_attr(const rgc_cell *cell, const char *key) { return rgc_yaml_get(cell->layer->attrs, key); }

bool rgc_cell_eval(const rgc_cell *cell, const rgc_env *env, const rgc_yaml *node, double *value) {
  int first = cell->x->diags->count;
  if (rgc_expand_eval(cell->x, env, node, value)) return true;
  if (cell->x->diags->count > first) tell_path(cell, &cell->x->diags->items[first]);
  return false;
}

bool rgc_cell_number(rgc_cell *cell, const char *key, double missing, double min, double max, double *value) {
  const rgc_yaml *node = rgc_cell_attr(cell, key);
  *value = missing;
  if (!node) return true;
  if (!rgc_cell_eval(cell, cell->place->env, node, value)) return false;
  if (*value >= min && *value <= max) return true;
  rgc_cell_error(cell, node, RGC_CODE_BAD_VALUE, "%s of %s cannot be %.9g", key, cell->layer->word, *value)->expected =
      rgc_arena_printf(cell->x->diags->arena, "from %.9g to %.9g", min, max);
  return false;
}

bool rgc_cell_int(rgc_cell *cell, const char *key, int64_t missing, int64_t min, int64_t *value) {
  double number;
  if (!rgc_cell_number(cell, key, (double)missing, (double)min, RGC_MAX_ATTRIBUTE, &number)) return false;
  *value = (int64_t)number;
  if (number == floor(number)) return true;
  rgc_cell_error(cell, rgc_cell_attr(cell, key), RGC_CODE_EXPR_VALUE, "%s of %s must be an integer, not %.9g", key,
                 cell->layer->word, number)->help = "use // for an integer division";
  return false;
}

/* Read as the attribute of a cell that has no other. */
bool rgc_cell_entry(rgc_cell *cell, const char *key, const rgc_yaml *node, int64_t min, int64_t *value) {
  rgc_cell alone = *cell;
  rgc_layer layer = *cell->layer;
  layer.attrs = rgc_yaml_empty(cell->x->arena, node, RGC_YAML_MAP);
  rgc_yaml_put(cell->x->arena, layer.attrs, rgc_yaml_scalar(cell->x->arena, node, key), (rgc_yaml *)node);
  alone.layer = &layer;
  return rgc_cell_int(&alone, key, 0, min, value);
}

bool rgc_cell_pair(rgc_cell *cell, const char *key, const int64_t missing[2], int64_t min, int64_t values[2]) {
  const rgc_yaml *node = rgc_cell_attr(cell, key);
  values[0] = missing[0];
  values[1] = missing[1];
  if (!node) return true;
  const rgc_binding *parameter = node->text ? rgc_env_find(cell->place->env, node->text) : NULL;
  if (parameter && parameter->list && rgc_is_pair(parameter->list)) node = parameter->list;
  if (node->kind == RGC_YAML_LIST && node->count == 2)
    return rgc_cell_entry(cell, key, node->items[0], min, &values[0]) && rgc_cell_entry(cell, key, node->items[1], min, &values[1]);
  if (node->kind != RGC_YAML_SCALAR) {
    rgc_cell_error(cell, node, RGC_CODE_WRONG_TYPE, "%s of %s must be a number or two", key, cell->layer->word)->expected =
        rgc_arena_printf(cell->x->diags->arena, "%s: 3, or %s: [3, 1] for rows and columns", key, key);
    return false;
  }
  if (!rgc_cell_int(cell, key, missing[0], min, &values[0])) return false;
  values[1] = values[0];
  return true;
}

bool rgc_cell_flag(rgc_cell *cell, const char *key, bool missing, bool *value) {
  double number;
  if (!rgc_cell_number(cell, key, missing, -INFINITY, INFINITY, &number)) return false;
  *value = number != 0;
  return true;
}

int rgc_cell_word(rgc_cell *cell, const char *key, int missing, const char *const *words, int count) {
  const rgc_yaml *node = rgc_cell_attr(cell, key);
  if (!node) return missing;
  for (int i = 0; i < count; i++)
    if (node->text && strcmp(node->text, words[i]) == 0) return i;
  const char *message = rgc_arena_printf(cell->x->arena, "%s of %s cannot be '%s'", key, cell->layer->word, node->text);
  rgc_report_word(cell->x->diags, node, RGC_CODE_BAD_VALUE, message, node->text, words, count);
  return -1;
}

int rgc_cell_named(rgc_cell *cell, const rgc_yaml *node) {
  const rgc_value_names *values = cell->place->values;
  const char *words[MAX_WORDS];
  int count = 0;
  const char *name = node->text ? node->text : "";
  for (int i = values->count - 1; i >= 0; i--) {
    if (strcmp(values->items[i].name, name) == 0) return values->items[i].value;
    if (count < MAX_WORDS) words[count++] = values->items[i].name;
  }
  const char *message = rgc_arena_printf(cell->x->arena, "no value is named '%s' here", name);
  rgc_report_word(cell->x->diags, node, RGC_CODE_UNKNOWN_NAME, message, name, words, count);
  return -1;
}

int rgc_cell_unknown(rgc_cell *cell, const rgc_yaml *node, int offset, const char *name) {
  const rgc_value_names *values = cell->place->values;
  rgc_arena *arena = cell->x->diags->arena;
  const char *words[MAX_WORDS];
  int count = 0;
  for (int i = values->count - 1; i >= 0 && count < MAX_WORDS; i--) words[count++] = values->items[i].name;
  int value_count = count;
  count += list_names(cell->place->env, words + count, MAX_WORDS - count);
  rgc_text list = {0};
  rgc_text_add(&list, "a value named with as:");
  for (int i = 0; i < value_count; i++) rgc_text_printf(&list, "%s%s", i ? ", " : " (", words[i]);
  rgc_text_add(&list, value_count ? "), or a parameter" : ", or a parameter");
  rgc_diagnostic *d = rgc_cell_error_at(cell, node, offset, RGC_CODE_EXPR_NAME, "no value and no parameter is named '%s' in '%s'", name, node->text);
  d->expected = rgc_text_take(&list, arena);
  const char *near = rgc_suggest(name, words, count);
  if (near) d->help = rgc_arena_printf(arena, "did you mean '%s'?", near);
  return -1;
}

const int64_t *rgc_cell_shape(const rgc_cell *cell) { return cell->x->graph->values[cell->in].shape; }

bool rgc_cell_fits(rgc_cell *cell, const int64_t shape[RGC_AXES]) {
  if (rgc_shape_fits(shape)) return true;
  rgc_cell_error(cell, NULL, RGC_CODE_SHAPE, "%s makes a tensor of %lldx%lldx%lldx%lld", cell->layer->word, (long long)shape[0],
                 (long long)shape[1], (long long)shape[2], (long long)shape[3])->expected = "at most 2^40 elements";
  return false;
}

int rgc_cell_temp(rgc_cell *cell, const int64_t shape[RGC_AXES]) {
  return rgc_graph_value(cell->x->graph, cell->name, RGC_F32, RGC_ROLE_TEMP, shape);
}

rgc_op *rgc_cell_finish(rgc_cell *cell, rgc_op *op) {
  op->layer = cell->name;
  op->word = cell->layer->word;
  op->line = cell->layer->at->line;
  return op;
}

int rgc_cell_param(rgc_cell *cell, const char *suffix, rgc_role role, const int64_t shape[RGC_AXES], int torch_rank,
                   rgc_init init) {
  rgc_graph *graph = cell->x->graph;
  const char *name = *suffix ? rgc_arena_printf(graph->arena, "%s.%s", cell->name, suffix) : cell->name;
  if (rgc_graph_find(graph, name) >= 0) {
    rgc_cell_error(cell, NULL, RGC_CODE_NAME_CLASH, "two parameters are called '%s'", name)->help = "give one of the two layers another name:";
    return -1;
  }
  if (!rgc_cell_fits(cell, shape)) return -1;
  int id = rgc_graph_value(graph, name, RGC_F32, role, shape);
  graph->values[id].torch_rank = torch_rank;
  graph->values[id].init = init;
  if (role == RGC_ROLE_PARAM) cell->x->network->params += rgc_shape_elems(shape);
  return id;
}
