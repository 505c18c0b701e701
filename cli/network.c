/* network.c: see network.h. */
#include "cli/network.h"

rgc_network *command_network(const command_line *line) {
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  return rgc_network_load(line->arena, line->words[0], overrides, count, line->diags);
}
