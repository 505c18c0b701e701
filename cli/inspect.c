/* inspect.c: the subcommands that look at a graph file and run nothing: check, summary, graph. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "compiler/passes/autodiff.h"
#include "compiler/passes/decompose.h"

const command_option check_options[] = {NETWORK_OPTION_SET, {0}};
const command_option summary_options[] = {NETWORK_OPTION_SET, {0}};
const command_option graph_options[] = {NETWORK_OPTION_SET,
                                        {"--batch", OPTION_INT, "N", "samples in a batch (1)"},
                                        {"--train", OPTION_FLAG, NULL, "with loss and gradients"},
                                        {"--kernels", OPTION_FLAG, NULL, "decomposed into kernels"},
                                        {0}};

int run_check(const command_line *line) {
  rgc_network *network = command_network(line);
  if (!network || !rgc_network_build(network, 1, false, line->diags)) return RGC_EXIT_INPUT;
  printf("%s: %s, %" PRId64 " parameters, %.4g MACs\n", line->words[0], network->name, network->params, (double)network->macs);
  return RGC_EXIT_OK;
}

/* Learnt elements and MACs of one op. */
static int64_t op_params(const rgc_graph *graph, const rgc_op *op) {
  int64_t count = 0;
  for (int i = 0; i < op->input_count; i++)
    if (graph->values[op->inputs[i]].role == RGC_ROLE_PARAM) count += rgc_shape_elems(graph->values[op->inputs[i]].shape);
  return count;
}

static int64_t op_macs(const rgc_graph *graph, const rgc_op *op) {
  if (op->kind != RGC_OP_CONV) return 0;
  const int64_t *y = graph->values[op->outputs[0]].shape, *w = graph->values[op->inputs[1]].shape;
  return y[RGC_H] * y[RGC_W] * rgc_shape_elems(w);
}

static void print_row(const rgc_graph *graph, const rgc_op *op) {
  const int64_t *y = graph->values[op->outputs[0]].shape;
  char shape[64];
  snprintf(shape, sizeof shape, "[%" PRId64 ", %" PRId64 ", %" PRId64 "]", y[RGC_C], y[RGC_H], y[RGC_W]);
  const char *word = op->word[0] ? op->word : rgc_op_info_of(op->kind)->word;
  printf("%-34s %-12s %-18s %12" PRId64 " %14" PRId64 "\n", op->layer, word, shape, op_params(graph, op), op_macs(graph, op));
}

int run_summary(const command_line *line) {
  rgc_network *network = command_network(line);
  rgc_graph *graph = network ? rgc_network_build(network, 1, false, line->diags) : NULL;
  if (!graph) return RGC_EXIT_INPUT;
  printf("%-34s %-12s %-18s %12s %14s\n", "layer", "kind", "output [C, H, W]", "parameters", "MACs");
  for (int i = 0; i < graph->op_count; i++) print_row(graph, &graph->ops[i]);
  printf("\n%" PRId64 " parameters (%.1f MB), %.4g MACs a sample\n", network->params, (double)network->params * 4e-6,
         (double)network->macs);
  return RGC_EXIT_OK;
}

int run_graph(const command_line *line) {
  rgc_network *network = command_network(line);
  bool train = option_flag(line, "--train");
  rgc_graph *graph = network ? rgc_network_build(network, option_int(line, "--batch", 1), train, line->diags) : NULL;
  if (!graph || (train && !rgc_autodiff(graph, rgc_graph_find(graph, "loss"), line->diags))) return RGC_EXIT_INPUT;
  if (option_flag(line, "--kernels")) graph = rgc_decompose(graph, line->arena, line->diags);
  if (!graph || !rgc_graph_verify(graph, line->diags)) return RGC_EXIT_INPUT;
  rgc_text text = {0};
  rgc_graph_print(graph, &text);
  fputs(rgc_text_chars(&text), stdout);
  rgc_text_free(&text);
  return RGC_EXIT_OK;
}
