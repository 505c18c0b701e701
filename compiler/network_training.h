/* network_training.h: the passes autodiff and optimizer with a network's settings, which the passes themselves know nothing of. */
#ifndef RGC_NETWORK_TRAINING_H
#define RGC_NETWORK_TRAINING_H
#include "compiler/lang/lang.h"

/* Gradients of the parameters that the network trains. */
bool rgc_differentiate_network(rgc_graph *graph, rgc_network *network, rgc_diagnostics *diags);
/* Their updates as train: and freeze: say. `split`: the step is one of several micro-batches, whatever accumulate: says. */
void rgc_append_network_updates(rgc_graph *graph, rgc_network *network, bool split);
#endif
