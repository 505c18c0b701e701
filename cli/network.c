/* network.c: see network.h. */
#include "cli/network.h"

#include <string.h>

rgc_network *command_network(const command_line *line) {
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  return rgc_network_load(line->arena, line->words[0], overrides, count, line->diags);
}

static bool is_graph_file(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

rgc_plan *command_plan(const command_line *line, rgc_network **network) {
  int set_count;
  option_list(line, "--set", &set_count);
  if (is_graph_file(line->words[0])) {
    *network = command_network(line);
    return *network ? rgc_plan_create(*network, line->arena, line->diags) : NULL;
  }
  if (set_count) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "give --set to rgc compile", "--set changes a graph file, and %s is a plan", line->words[0]);
    return NULL;
  }
  rgc_plan *plan = rgc_plan_read(line->arena, line->words[0], line->diags);
  *network = plan ? rgc_network_parse(line->arena, plan->source, plan->line_map, line->diags) : NULL;
  return *network ? plan : NULL;
}

rgc_dataset *command_data(const rgc_network *network, const char *spec, rgc_diagnostics *diags) {
  rgc_dataset_options options = {0};
  if (!network) return rgc_dataset_open(spec, NULL, diags);
  options.split = network->data.split > 0 ? network->data.split : -1;
  options.seed = network->data.seed;
  if (network->classes[0].names) options.class_names = network->classes[0].names, options.class_count = (int)network->classes[0].count;
  return rgc_dataset_open(spec, &options, diags);
}

const char *command_data_spec(const command_line *line, const rgc_network *network) {
  const char *spec = option_text(line, "--data", NULL);
  if (spec || !network || !network->data.path) return spec;
  return network->data.format ? rgc_arena_printf(line->arena, "%s:%s", network->data.format, network->data.path) : network->data.path;
}
