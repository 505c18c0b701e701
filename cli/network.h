/* network.h: what several subcommands do first: load a graph file with its --set overrides, and open a data set for it. */
#ifndef RGC_CLI_NETWORK_H
#define RGC_CLI_NETWORK_H
#include "cli/command.h"
#include "compiler/lang/lang.h"
#include "compiler/plan/plan_build.h"
#include "runtime/data/dataset.h"

/* The row every command that reads a graph file has among its options. */
#define NETWORK_OPTION_SET {"--set", OPTION_LIST, "PATH=VALUE", "change a value of the graph file, e.g. stages.2.repeat=23"}

/* words[0] is the graph file. NULL after an error. */
rgc_network *command_network(const command_line *line);
/* words[0] is a plan, or a graph file, of which a plan without programs is made. *network is what it is of. NULL after an error. */
rgc_plan *command_plan(const command_line *line, rgc_network **network);
/* The data set in the order of the network's class names, if there is a network and it has names. NULL after an error. */
rgc_dataset *command_data(const rgc_network *network, const char *spec, rgc_diagnostics *diags);
/* What --data says, or else data: of the graph file; NULL if neither does. */
const char *command_data_spec(const command_line *line, const rgc_network *network);
#endif
