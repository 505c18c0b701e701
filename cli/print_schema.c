/* print_schema.c: the subcommand that prints the graph language's JSON Schema; see compiler/lang/schema.h. */
#include <stdio.h>

#include "cli/commands.h"
#include "compiler/lang/schema.h"

const command_option schema_options[] = {{0}};

int run_schema(const command_line *line) {
  fputs(rgc_schema_text(line->arena), stdout);
  return RGC_EXIT_OK;
}
