/* api_network.c: rgc.h's networks: graph files, looked at but not run. A public rgc_network is that of compiler/lang/lang.h in an arena
 * of its own. */
#include <string.h>

#include "compiler/lang/lang.h"
#include "compiler/lang/schema.h"
#include "compiler/lang/summary.h"
#include "compiler/passes/autodiff.h"
#include "compiler/passes/decompose.h"
#include "runtime/rgc.h"

rgc_network *rgc_network_open(const char *path, const char *const *overrides, int override_count, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_network *network = rgc_network_load(arena, path, overrides, override_count, diags);
  if (!network) rgc_arena_destroy(arena);
  return network;
}

void rgc_network_close(rgc_network *network) {
  if (network) rgc_arena_destroy(network->arena);
}

bool rgc_network_check(rgc_network *network, rgc_diagnostics *diags) { return rgc_network_build(network, 1, false, diags) != NULL; }

void rgc_network_tell(const rgc_network *n, rgc_network_facts *facts) {
  const rgc_train_settings *t = &n->train;
  *facts = (rgc_network_facts){.name = n->name, .file = n->file, .channels = n->channels, .height = n->height, .width = n->width,
                               .params = n->params, .macs = n->macs, .classes = n->classes[0].count, .outputs = n->class_set_count,
                               .batch = t->batch, .epochs = t->epochs, .iterations = t->iterations, .validate = t->validate, .seed = t->seed,
                               .lr = t->lr};
}

bool rgc_network_output(const rgc_network *network, int index, rgc_output_facts *facts) {
  if (index < 0 || index >= network->class_set_count) return false;
  const rgc_class_set *classes = &network->classes[index];
  *facts = (rgc_output_facts){.name = classes->output, .classes = classes->count, .class_names = classes->names};
  for (int k = 0; k < index; k++) facts->first += network->classes[k].count;
  return true;
}

const char *rgc_network_class_name(const rgc_network *network, int64_t index) {
  const rgc_class_set *classes = &network->classes[0];
  return classes->names && index >= 0 && index < classes->count ? classes->names[index] : NULL;
}

char *rgc_network_summary(rgc_network *network, rgc_diagnostics *diags) {
  rgc_graph *graph = rgc_network_build(network, 1, false, diags);
  rgc_text text = {0};
  if (graph) rgc_network_print_summary(network, graph, &text);
  return text.chars;
}

char *rgc_network_graph(rgc_network *network, const rgc_graph_options *o, rgc_diagnostics *diags) {
  rgc_graph *graph = rgc_network_build(network, o->batch ? o->batch : 1, o->train, diags);
  if (!graph || (o->train && !rgc_autodiff(graph, rgc_graph_find(graph, "loss"), diags))) return NULL;
  if (o->kernels) graph = rgc_decompose(graph, network->arena, diags);
  if (!graph || !rgc_graph_verify(graph, diags)) return NULL;
  rgc_text text = {0};
  rgc_graph_print(graph, &text);
  return text.chars;
}

char *rgc_graph_file_schema(void) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_text text = {0};
  rgc_text_add(&text, rgc_schema_text(scratch));
  rgc_arena_destroy(scratch);
  return text.chars;
}

void rgc_run_defaults(const rgc_network *network, rgc_run_options *options) {
  const rgc_train_settings *t = &network->train;
  *options = (rgc_run_options){.steps = t->iterations, .epochs = t->epochs, .validate = t->validate, .seed = (uint64_t)t->seed, .lr = t->lr,
                               .patience = t->patience};
}

char *rgc_network_data(const rgc_network *network) {
  rgc_text text = {0};
  const rgc_data_settings *d = &network->data;
  if (d->path) rgc_text_printf(&text, "%s%s%s", d->format ? d->format : "", d->format ? ":" : "", d->path);
  return text.chars;
}

rgc_dataset *rgc_dataset_open_for(const rgc_network *network, const char *spec, rgc_diagnostics *diags) {
  if (!network) return rgc_dataset_open(spec, NULL, diags);
  rgc_dataset_options options = {.class_names = network->classes[0].names, .class_count = (int)network->classes[0].count,
                                 .split = network->data.split > 0 ? network->data.split : -1, .seed = network->data.seed};
  return rgc_dataset_open(spec, &options, diags);
}
