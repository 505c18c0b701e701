/* print_schema.c: the subcommand that prints the graph language's JSON Schema. */
#include "cli/commands.h"
#include "cli/network.h"

const command_option schema_options[] = {{0}};

int run_schema(const command_line *line) {
  (void)line;
  return command_print(rgc_graph_file_schema());
}
