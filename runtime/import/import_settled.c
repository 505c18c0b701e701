/* import_settled.c: see import_settled.h. */
#include "runtime/import/import_settled.h"

#include <string.h>

#include "compiler/lang/yaml.h"

/* Whether both say the same, wherever they stand; two that are not there do. */
static bool is_equal(const rgc_yaml *a, const rgc_yaml *b) {
  if (!a || !b) return a == b;
  if (a->kind != b->kind || a->count != b->count) return false;
  if (a->kind == RGC_YAML_SCALAR) return !strcmp(a->text, b->text);
  for (int i = 0; i < a->count; i++) {
    if (a->kind == RGC_YAML_MAP && strcmp(a->keys[i]->text, b->keys[i]->text)) return false;
    if (!is_equal(a->items[i], b->items[i])) return false;
  }
  return true;
}

bool rgc_import_is_settled(const rgc_network *network, const rgc_tensor_file *file, rgc_arena *arena) {
  const char *source = rgc_metadata_find(file, "rgc_plan") ? rgc_metadata_find(file, "source") : NULL;
  if (!source) return false;
  rgc_diagnostics silent = {.arena = arena};
  const rgc_yaml *root = rgc_yaml_parse(arena, source, strlen(source), "plan", &silent);
  return root && is_equal(rgc_yaml_get(root, "name"), rgc_yaml_get(network->root, "name")) &&
         is_equal(rgc_yaml_get(root, "weights"), rgc_yaml_get(network->root, "weights"));
}
