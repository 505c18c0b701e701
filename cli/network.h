/* network.h: what several subcommands do first: open a graph file or a plan, with its --set overrides. */
#ifndef RGC_CLI_NETWORK_H
#define RGC_CLI_NETWORK_H
#include "cli/command.h"

/* Rows that commands which read a graph file have among their options. */
#define NETWORK_OPTION_DEVICE \
  {"--device", OPTION_TEXT, "NAME", "cpu, cuda, auto (a GPU if there is one, else the CPU), or cuda-emu: CUDA kernels on this machine, slow, for tests (cpu)"}
#define NETWORK_OPTION_TARGET \
  {"--target", OPTION_TEXT, "NAME", "of device cpu: cpu-avx512, cpu-avx2, cpu-plain; of cuda and cuda-emu: sm_80, sm_90a, sm_100, sm_120 (the best of the device)"}
#define NETWORK_OPTION_SET {"--set", OPTION_LIST, "PATH=VALUE", "change a value of the graph file, e.g. stages.2.repeat=23"}

/* words[0] is the graph file. NULL after an error. */
rgc_network *command_network(const command_line *line);
/* words[0] is a plan or a graph file. NULL after an error. */
rgc_plan *command_plan(const command_line *line);
/* Prints a text of the library's and frees it; the command's exit code, INPUT for NULL. */
int command_print(char *text);
/* What --data says, or else data: of the graph file (in `own`, which the caller frees by rgc_free); NULL if neither does. */
const char *command_data_spec(const command_line *line, const rgc_network *network, char **own);
#endif
