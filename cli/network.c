/* network.c: see network.h. */
#include "cli/network.h"

#include <stdio.h>

rgc_network *command_network(const command_line *line) {
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  return rgc_network_open(line->words[0], overrides, count, line->diags);
}

rgc_plan *command_plan(const command_line *line) {
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  return rgc_plan_open(line->words[0], overrides, count, line->diags);
}

int command_print(char *text) {
  if (!text) return RGC_EXIT_INPUT;
  fputs(text, stdout);
  rgc_free(text);
  return RGC_EXIT_OK;
}

const char *command_data_spec(const command_line *line, const rgc_network *network, char **own) {
  const char *spec = option_text(line, "--data", NULL);
  *own = !spec && network ? rgc_network_data(network) : NULL;
  return spec ? spec : *own;
}
