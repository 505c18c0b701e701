/* summary.c: see summary.h. */
#include "compiler/lang/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static bool is_same_layer(const rgc_op *a, const rgc_op *b) { return !strcmp(a->layer, b->layer) && !strcmp(a->word, b->word); }

/* The row of the layer whose ops begin at `first`; how many they are. */
static int print_row(const rgc_graph *graph, int first, rgc_text *out) {
  const rgc_op *op = &graph->ops[first];
  int64_t params = 0, macs = 0;
  int count = 0;
  for (; first + count < graph->op_count && is_same_layer(op, op + count); count++) {
    params += op_params(graph, op + count);
    macs += op_macs(graph, op + count);
  }
  const int64_t *y = graph->values[op[count - 1].outputs[0]].shape;
  char shape[64];
  snprintf(shape, sizeof shape, "[%" PRId64 ", %" PRId64 ", %" PRId64 "]", y[RGC_C], y[RGC_H], y[RGC_W]);
  const char *word = op->word[0] ? op->word : rgc_op_info_of(op->kind)->word;
  rgc_text_printf(out, "%-34s %-12s %-18s %12" PRId64 " %14" PRId64 "\n", op->layer, word, shape, params, macs);
  return count;
}

void rgc_network_print_summary(const rgc_network *network, const rgc_graph *graph, rgc_text *out) {
  rgc_text_printf(out, "%-34s %-12s %-18s %12s %14s\n", "layer", "kind", "output [C, H, W]", "parameters", "MACs");
  for (int i = 0; i < graph->op_count;) i += print_row(graph, i, out);
  rgc_text_printf(out, "\n%" PRId64 " parameters (%.1f MB), %.4g MACs a sample\n", network->params, (double)network->params * 4e-6,
                  (double)network->macs);
}
