/* inspect.c: the subcommands that look at a graph file and run nothing: check, summary, graph. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option check_options[] = {NETWORK_OPTION_SET, {0}};
const command_option summary_options[] = {NETWORK_OPTION_SET, {0}};
const command_option graph_options[] = {NETWORK_OPTION_SET,
                                        {"--batch", OPTION_INT, "N", "samples in a batch (1)"},
                                        {"--train", OPTION_FLAG, NULL, "with loss and gradients"},
                                        {"--kernels", OPTION_FLAG, NULL, "decomposed into kernels"},
                                        {0}};

int run_check(const command_line *line) {
  rgc_network *network = command_network(line);
  bool good = network && rgc_network_check(network, line->diags);
  if (good) {
    rgc_network_facts n;
    rgc_network_tell(network, &n);
    printf("%s: %s, %" PRId64 " parameters, %.4g MACs\n", line->words[0], n.name, n.params, (double)n.macs);
  }
  rgc_network_close(network);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

int run_summary(const command_line *line) {
  rgc_network *network = command_network(line);
  int code = command_print(network ? rgc_network_summary(network, line->diags) : NULL);
  rgc_network_close(network);
  return code;
}

int run_graph(const command_line *line) {
  rgc_network *network = command_network(line);
  rgc_graph_options o = {.batch = option_int(line, "--batch", 1), .train = option_flag(line, "--train"), .kernels = option_flag(line, "--kernels")};
  int code = command_print(network ? rgc_network_graph(network, &o, line->diags) : NULL);
  rgc_network_close(network);
  return code;
}
