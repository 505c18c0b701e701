/* settings_read.c: numbers and words, read the same way by all files of settings; see settings.h. */
#include <math.h>

#include "compiler/lang/formula.h"
#include "compiler/lang/settings.h"

static bool find_nothing(const void *context, const char *name, double *value) {
  (void)context, (void)name, (void)value;
  return false;
}
static int list_nothing(const void *context, const char **words, int limit) {
  (void)context, (void)words, (void)limit;
  return 0;
}

bool rgc_read_number(const rgc_yaml *node, const char *what, double min, double max, bool whole, rgc_diagnostics *diags,
                     double *value) {
  const rgc_formula_names names = {find_nothing, list_nothing, NULL};
  rgc_formula *formula = rgc_formula_parse(diags->arena, node, diags);
  double number;
  if (!formula || !rgc_formula_eval(formula, node, &names, diags, &number)) return false;
  if (number >= min && number <= max && (!whole || number == floor(number))) {
    *value = number;
    return true;
  }
  rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "%s cannot be %s", what, node->text)->expected =
      rgc_arena_printf(diags->arena, "%s from %.9g to %.9g", whole ? "an integer" : "a number", min, max);
  return false;
}

void rgc_read_names(rgc_network *n, const rgc_yaml *list, rgc_names *names, rgc_diagnostics *diags) {
  for (int i = 0; list && i < list->count; i++) {
    if (list->items[i]->kind == RGC_YAML_SCALAR)
      *RGC_PUSH(n->arena, names->items, names->count, names->capacity) = list->items[i]->text;
    else
      rgc_yaml_error(diags, list->items[i], RGC_CODE_WRONG_TYPE, "a layer's name is a word");
  }
}
