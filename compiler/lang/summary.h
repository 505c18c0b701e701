/* summary.h: a network as a table of layers. */
#ifndef RGC_LANG_SUMMARY_H
#define RGC_LANG_SUMMARY_H
#include "compiler/lang/lang.h"

/* A row an op of `graph`, the network's forward graph of one sample: layer, kind, output shape, parameters, MACs; then totals. */
void rgc_network_print_summary(const rgc_network *network, const rgc_graph *graph, rgc_text *out);
#endif
