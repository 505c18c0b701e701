/* settings_names.c: other programs' names for the network's tensors: names:, and rename: of weights:. */
#include <string.h>

#include "compiler/lang/keys.h"
#include "compiler/lang/settings.h"

static int count_stars(const char *text) {
  int count = 0;
  for (; *text; text++) count += *text == '*';
  return count;
}

/* A rule is turned round for an export, so what one side leaves open the other must, too. */
static bool check_stars(const rgc_yaml *node, const rgc_name_rule *rule, rgc_diagnostics *diags) {
  if (count_stars(rule->theirs) == count_stars(rule->ours)) return true;
  rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "'%s' and '%s' have not as many * each", rule->theirs, rule->ours)->expected =
      "names of which each * stands for the same run";
  return false;
}

/* "fc.weight", or {name: fc.weight, rank: 4}. */
static bool read_rule(const rgc_yaml *node, rgc_name_rule *rule, rgc_diagnostics *diags) {
  const rgc_yaml *name = node, *rank = NULL;
  double number = 0;
  if (node->kind == RGC_YAML_MAP) {
    if (!rgc_keys_check(node, "their_tensor", NULL, diags)) return false;
    name = rgc_yaml_get(node, "name");
    rank = rgc_yaml_get(node, "rank");
  }
  if (rank && !rgc_read_number(rank, "rank", 1, 4, true, diags, &number)) return false;
  if (name->kind != RGC_YAML_SCALAR) {
    rgc_yaml_error(diags, name, RGC_CODE_WRONG_TYPE, "a tensor's name is a word");
    return false;
  }
  rule->ours = name->text;
  rule->rank = (int)number;
  return check_stars(name, rule, diags);
}

static void read_naming(rgc_network *n, const rgc_yaml *map, rgc_naming *naming, rgc_diagnostics *diags) {
  for (int i = 0; i < map->count; i++) {
    rgc_name_rule rule = {.theirs = map->keys[i]->text};
    if (read_rule(map->items[i], &rule, diags)) *RGC_PUSH(n->arena, naming->rules, naming->count, naming->capacity) = rule;
  }
}

void rgc_settings_read_rename(rgc_network *n, const rgc_yaml *rename, rgc_diagnostics *diags) {
  n->rename.name = "weights";
  if (rename && rename->kind == RGC_YAML_MAP) read_naming(n, rename, &n->rename, diags);
}

void rgc_settings_read_namings(rgc_network *n, const rgc_yaml *names, rgc_diagnostics *diags) {
  if (!names || names->kind != RGC_YAML_MAP) return;
  for (int i = 0; i < names->count; i++) {
    if (names->items[i]->kind != RGC_YAML_MAP) {
      rgc_yaml_error(diags, names->items[i], RGC_CODE_WRONG_TYPE, "names of '%s' are a map: {theirs: ours}", names->keys[i]->text);
      continue;
    }
    rgc_naming *made = RGC_PUSH(n->arena, n->namings, n->naming_count, n->naming_capacity);
    *made = (rgc_naming){.name = names->keys[i]->text};
    read_naming(n, names->items[i], made, diags);
  }
}
