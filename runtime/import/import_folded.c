/* import_folded.c: see import_folded.h. Folding made w' = w s and b' = beta - mean s of a convolution without bias and its batch norm; so
 * w' is the convolution's weight, and a batch norm of weight 1, mean 0 and variance 1 - eps with the bias b' gives the same. */
#include "runtime/import/import_folded.h"

#include <string.h>

bool rgc_import_folded(const rgc_graph *graph, int value, rgc_folded_part *part) {
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *bn = &graph->ops[i];
    int place = 0;
    for (int k = 1; bn->kind == RGC_OP_BN && k < 5; k++)
      if (bn->inputs[k] == value) place = k;
    if (!place) continue;
    const rgc_op *layer = graph->values[bn->inputs[0]].op >= 0 ? &graph->ops[graph->values[bn->inputs[0]].op] : NULL;
    if (!layer || layer->kind != RGC_OP_CONV || layer->input_count != 2) return false;
    const char *weight = graph->values[layer->inputs[1]].name, *dot = strrchr(weight, '.');
    if (!dot) return false;
    for (int k = 1; k < 5; k++) part->parts[k - 1] = graph->values[bn->inputs[k]].name;
    part->bias = rgc_arena_printf(graph->arena, "%.*s.bias", (int)(dot - weight), weight);
    part->is_bias = place == 2;
    part->number = place == 1 ? 1 : place == 4 ? 1 - bn->attr[RGC_ATTR_EPS] : 0;
    return true;
  }
  return false;
}
