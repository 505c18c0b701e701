/* network_training.c: see network_training.h. */
#include "compiler/network_training.h"

#include "compiler/passes/autodiff.h"
#include "compiler/passes/optimizer.h"

static bool is_frozen(void *network, const char *name) { return rgc_network_is_frozen(network, name); }

static void choose(const void *context, const rgc_value *value, double *lr_factor, double *weight_decay) {
  const rgc_train_settings *t = &((const rgc_network *)context)->train;
  if (t->no_decay_vectors && value->torch_rank == 1) *weight_decay = 0;
  for (int i = 0; i < t->group_count; i++) {
    const rgc_param_group *group = &t->groups[i];
    bool holds = false;
    for (int k = 0; k < group->layers.count; k++) holds |= rgc_layer_holds(group->layers.items[k], value->name);
    if (!holds) continue;
    *lr_factor = group->lr_factor;
    if (group->weight_decay >= 0) *weight_decay = group->weight_decay;
    return;
  }
}

void rgc_append_network_updates(rgc_graph *graph, rgc_network *network, bool split) {
  static const rgc_update_rule rules[] = {[RGC_OPTIMIZER_ADAM] = RGC_UPDATE_ADAM, [RGC_OPTIMIZER_SGD] = RGC_UPDATE_SGD,
                                          [RGC_OPTIMIZER_ADAMW] = RGC_UPDATE_ADAMW};
  const rgc_train_settings *t = &network->train;
  rgc_update_settings settings = {.rule = rules[t->optimizer], .momentum = t->momentum, .weight_decay = t->weight_decay,
                                  .beta1 = t->beta1, .beta2 = t->beta2, .eps = t->eps, .nesterov = t->nesterov,
                                  .clip_norm = t->clip_norm, .clip_value = t->clip_value, .ema = t->ema,
                                  .accumulate = split || t->accumulate > 1, .choose = choose};
  rgc_append_updates(graph, &settings, is_frozen, network);
}

bool rgc_differentiate_network(rgc_graph *graph, rgc_network *network, rgc_diagnostics *diags) {
  return rgc_autodiff_trained(graph, rgc_graph_find(graph, "loss"), is_frozen, network, diags);
}
