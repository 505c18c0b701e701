/* import_weights.c: see import_weights.h. */
#include "runtime/train/import_weights.h"

#include <string.h>

#include "runtime/data/slurp.h"
#include "runtime/rgc.h"

/* The weights that `file` has a tensor for. */
static rgc_weight *list_given(const rgc_weight *weights, int count, const rgc_tensor_file *file, rgc_arena *arena, int *given) {
  rgc_weight *list = RGC_NEW_ARRAY(arena, rgc_weight, count + 1);
  *given = 0;
  for (int i = 0; i < count; i++)
    if (rgc_tensor_find(file, weights[i].value->name)) list[(*given)++] = weights[i];
  return list;
}

bool rgc_weights_import(const rgc_network *network, const rgc_graph *graph, const rgc_weight *weights, int count, const rgc_tensor_file *file, const char *path,
                        rgc_import_report *report, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_arena *arena = report ? network->arena : scratch; /* what the report says must stay */
  rgc_tensor_file *fitting = rgc_import_map(network, graph, file, path, arena, report, diags);
  int given = 0;
  rgc_weight *list = fitting ? list_given(weights, count, fitting, scratch, &given) : NULL;
  bool good = fitting && rgc_weights_take(list, given, fitting, path, diags);
  rgc_arena_destroy(scratch);
  return good;
}

bool rgc_plan_take_weights(rgc_plan *plan, const rgc_network *network, const char *path, uint64_t seed, rgc_import_report *report,
                           rgc_diagnostics *diags) {
  const rgc_graph *graph = plan->unfused;
  rgc_weight *weights = RGC_NEW_ARRAY(plan->arena, rgc_weight, graph->value_count + 1);
  int count = 0;
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (!rgc_is_learnt(v) || v->op >= 0) continue;
    weights[count++] = (rgc_weight){.value = v, .f32 = RGC_NEW_ARRAY(plan->arena, float, rgc_shape_elems(v->shape))};
  }
  rgc_weights_draw(weights, count, seed);
  const rgc_tensor_file *file = rgc_import_open(network->arena, path, diags); /* what the report says must stay */
  if (!file || !rgc_weights_import(network, graph, weights, count, file, path, report, diags)) return false;
  plan->tensors = rgc_weights_tensors(weights, count, plan->arena, &plan->tensor_count);
  plan->tensor_capacity = plan->tensor_count;
  return true;
}

const char *rgc_plan_weights_file(const rgc_plan *plan) {
  const rgc_network *network = plan->network;
  const char *file = network->weights_file, *slash = strrchr(network->file, '/');
  if (plan->tensor_count || !file) return NULL;
  if (!slash || *file == '/' || rgc_file_exists(file)) return file;
  const char *beside = rgc_arena_printf(network->arena, "%.*s/%s", (int)(slash - network->file), network->file, file);
  return rgc_file_exists(beside) ? beside : file;
}
