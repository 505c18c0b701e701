/* lang.c: the entry points of lang.h: load and check a file, build its graph, compare with expect:. */
#include "compiler/lang/lang.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lang/expand.h"
#include "compiler/lang/keys.h"
#include "compiler/lang/load.h"
#include "compiler/lang/merge.h"
#include "compiler/lang/settings.h"

/* "resnet50" of "graphs/resnet50.yaml". */
static const char *name_of_file(rgc_arena *arena, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  return rgc_arena_strndup(arena, name, strcspn(name, "."));
}

rgc_network *rgc_network_of_root(rgc_arena *arena, rgc_yaml *root, const char *path, rgc_diagnostics *diags) {
  int errors = diags->error_count;
  rgc_network *n = RGC_NEW(arena, rgc_network);
  n->arena = arena;
  n->file = rgc_arena_strdup(arena, path);
  n->name = name_of_file(arena, path);
  n->root = root;
  rgc_keys_check(root, "file", NULL, diags);
  rgc_settings_read_file(n, diags);
  rgc_blocks_read(n, diags);
  rgc_layers_check(n, diags);
  return diags->error_count == errors ? n : NULL;
}

rgc_network *rgc_network_load(rgc_arena *arena, const char *path, const char *const *overrides, int override_count,
                              rgc_diagnostics *diags) {
  rgc_yaml *root = rgc_merge_load(arena, path, overrides, override_count, diags);
  return root ? rgc_network_of_root(arena, root, path, diags) : NULL;
}

/* Digits of a number as it is written: 4 for 1.814e9. */
static int count_digits(const char *text) {
  int digits = 0;
  for (const char *p = text; *p && *p != 'e' && *p != 'E'; p++) digits += isdigit((unsigned char)*p) && (digits || *p != '0');
  return digits ? digits : 1;
}

static void check_expected(const rgc_yaml *expect, const char *key, int64_t actual, rgc_diagnostics *diags) {
  const rgc_yaml *node = rgc_yaml_get(expect, key);
  double wanted;
  if (!node || !rgc_read_number(node, key, 0, 1e15, false, diags, &wanted)) return;
  char rounded[64];
  snprintf(rounded, sizeof rounded, "%.*e", count_digits(node->text) - 1, (double)actual);
  if (strtod(rounded, NULL) == wanted) return;
  rgc_diagnostic *d = rgc_yaml_error(diags, node, RGC_CODE_EXPECT, "expect: has %s %s, the network has %lld", key, node->text,
                                     (long long)actual);
  d->help = "correct the network, or write what it has; compared are the digits written";
}

static int64_t output_channels(const rgc_graph *graph) {
  for (int i = 0; i < graph->value_count; i++)
    if (graph->values[i].role == RGC_ROLE_OUTPUT) return graph->values[i].shape[RGC_C];
  return 0;
}

/* ---- the names in freeze: and fresh: ---- */

static bool is_saved(const rgc_value *value) { return value->role == RGC_ROLE_PARAM || value->role == RGC_ROLE_BUFFER; }

static bool names_layer(const rgc_graph *graph, const char *name) {
  for (int i = 0; i < graph->value_count; i++)
    if (is_saved(&graph->values[i]) && rgc_layer_holds(name, graph->values[i].name)) return true;
  return false;
}

/* "layer1", "layer1.0", "layer1.0.conv1" of every parameter; a name may be there several times. Returns their number. */
static int list_layers(const rgc_graph *graph, rgc_arena *scratch, const char **words, int limit) {
  int count = 0;
  for (int i = 0; i < graph->value_count; i++) {
    const char *name = graph->values[i].name;
    for (const char *dot = strchr(name, '.'); dot && is_saved(&graph->values[i]) && count < limit; dot = strchr(dot + 1, '.'))
      words[count++] = rgc_arena_strndup(scratch, name, (size_t)(dot - name));
  }
  return count;
}

static void report_layer(const rgc_graph *graph, const char *key, const char *name, const rgc_yaml *node, rgc_diagnostics *diags) {
  enum { MAX_WORDS = 1 << 14 };
  rgc_arena *scratch = rgc_arena_create();
  const char **words = RGC_NEW_ARRAY(scratch, const char *, MAX_WORDS);
  const char *near = rgc_suggest(name, words, list_layers(graph, scratch, words, MAX_WORDS));
  rgc_diagnostic *d = rgc_yaml_error(diags, node, RGC_CODE_BAD_PATH, "%s: no parameter is called '%s' or stands below it", key, name);
  d->help = near ? rgc_arena_printf(diags->arena, "did you mean '%s'?", near) : "rgc summary lists the layers";
  rgc_arena_destroy(scratch);
}

/* `node` is the list that the names stand in, or one scalar. */
static void check_names(const rgc_graph *graph, const char *key, const rgc_names *names, const rgc_yaml *node, rgc_diagnostics *diags) {
  for (int i = 0; node && i < names->count; i++)
    if (!names_layer(graph, names->items[i]))
      report_layer(graph, key, names->items[i], node->kind == RGC_YAML_LIST ? node->items[i] : node, diags);
}

static const rgc_yaml *freeze_names(const rgc_yaml *freeze) {
  if (!freeze || freeze->kind != RGC_YAML_MAP) return freeze;
  const rgc_yaml *all_but = rgc_yaml_get(freeze, "all_but");
  return all_but ? all_but : rgc_yaml_get(freeze, "layers");
}

static void check_any_trained(const rgc_network *network, const rgc_graph *graph, rgc_diagnostics *diags) {
  const rgc_yaml *freeze = rgc_yaml_get(network->root, "freeze");
  int params = 0, trained = 0;
  for (int i = 0; i < graph->value_count; i++) {
    params += graph->values[i].role == RGC_ROLE_PARAM;
    trained += graph->values[i].role == RGC_ROLE_PARAM && !rgc_network_is_frozen(network, graph->values[i].name);
  }
  if (freeze && params && !trained)
    rgc_yaml_error(diags, freeze, RGC_CODE_BAD_VALUE, "freeze: leaves nothing to train")->help = "for example {all_but: [fc]}";
}

static void check_chosen_layers(const rgc_network *network, const rgc_graph *graph, rgc_diagnostics *diags) {
  check_names(graph, "freeze", &network->freeze, freeze_names(rgc_yaml_get(network->root, "freeze")), diags);
  check_names(graph, "fresh", &network->fresh, rgc_yaml_get(rgc_yaml_get(network->root, "weights"), "fresh"), diags);
  const rgc_yaml *groups = rgc_yaml_get(rgc_yaml_get(network->root, "train"), "groups");
  for (int i = 0; i < network->train.group_count; i++)
    check_names(graph, "groups", &network->train.groups[i].layers, rgc_yaml_get(groups->items[i], "layers"), diags);
}

rgc_graph *rgc_network_build(rgc_network *network, int64_t batch, bool training, rgc_diagnostics *diags) {
  int errors = diags->error_count;
  rgc_graph *graph = rgc_expand(network, batch, training, diags);
  if (!graph) return NULL;
  const rgc_yaml *expect = rgc_yaml_get(network->root, "expect");
  check_expected(expect, "params", network->params, diags);
  check_expected(expect, "macs", network->macs, diags);
  check_expected(expect, "output", output_channels(graph), diags);
  check_chosen_layers(network, graph, diags);
  if (training && diags->error_count == errors) check_any_trained(network, graph, diags);
  return diags->error_count == errors ? graph : NULL;
}
