/* network.h: what several subcommands do first: load a graph file with its --set overrides and expand it. */
#ifndef RGC_CLI_NETWORK_H
#define RGC_CLI_NETWORK_H
#include "cli/command.h"
#include "compiler/lang/lang.h"

/* The row every command that reads a graph file has among its options. */
#define NETWORK_OPTION_SET {"--set", OPTION_LIST, "PATH=VALUE", "change a value of the graph file, e.g. stages.2.repeat=23"}

/* words[0] is the graph file. NULL after an error. */
rgc_network *command_network(const command_line *line);
#endif
