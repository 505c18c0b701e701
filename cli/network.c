/* network.c: see network.h. */
#include "cli/network.h"

rgc_network *command_network(const command_line *line) {
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  return rgc_network_load(line->arena, line->words[0], overrides, count, line->diags);
}

rgc_dataset *command_data(const rgc_network *network, const char *spec, rgc_diagnostics *diags) {
  if (!network || !network->classes[0].names) return rgc_dataset_open(spec, NULL, diags);
  rgc_dataset_options names = {.class_names = network->classes[0].names, .class_count = (int)network->classes[0].count};
  return rgc_dataset_open(spec, &names, diags);
}
