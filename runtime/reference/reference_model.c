/* reference_model.c: see reference_model.h. */
#include "runtime/reference/reference_model.h"

#include <math.h>
#include <string.h>

#include "compiler/network_training.h"
#include "runtime/train/weights.h"

/* Stored values of the training graph, in doubles. */
static rgc_weight *list_weights(const rgc_reference_model *m, rgc_arena *arena, int *count) {
  rgc_weight *weights = RGC_NEW_ARRAY(arena, rgc_weight, m->train_graph->value_count);
  *count = 0;
  for (int i = 0; i < m->train_graph->value_count; i++)
    if (rgc_is_learnt(&m->train_graph->values[i]))
      weights[(*count)++] = (rgc_weight){.value = &m->train_graph->values[i], .f64 = rgc_reference_tensor(m->train, i)};
  return weights;
}

static void draw_initial_values(rgc_reference_model *m, uint64_t seed) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *weights = list_weights(m, scratch, &count);
  rgc_weights_draw(weights, count, seed);
  rgc_arena_destroy(scratch);
}

static bool append_backward(rgc_reference_model *m, rgc_diagnostics *diags) {
  if (!rgc_differentiate_network(m->train_graph, m->network, diags)) return false;
  rgc_append_network_updates(m->train_graph, m->network, false);
  return rgc_graph_verify(m->train_graph, diags);
}

static int find_logits(const rgc_graph *graph) {
  for (int i = graph->value_count - 1; i >= 0; i--)
    if (graph->values[i].role == RGC_ROLE_OUTPUT) return i;
  return -1;
}

bool rgc_reference_model_create(rgc_reference_model *m, rgc_network *network, int64_t batch, uint64_t seed, rgc_diagnostics *diags) {
  *m = (rgc_reference_model){.network = network, .batch = batch};
  m->train_graph = rgc_network_build(network, batch, true, diags);
  m->eval_graph = m->train_graph ? rgc_network_build(network, batch, false, diags) : NULL;
  if (!m->eval_graph) return false;
  m->input = rgc_graph_find(m->train_graph, "input");
  m->label = rgc_graph_find(m->train_graph, "label");
  if (network->class_set_count > 1) /* the first output's */
    m->label = rgc_graph_find(m->train_graph, rgc_arena_printf(network->arena, "label.%s", network->classes[0].output));
  m->loss = rgc_graph_find(m->train_graph, "loss");
  m->correct = rgc_graph_find(m->train_graph, "correct");
  m->eval_input = rgc_graph_find(m->eval_graph, "input");
  m->eval_logits = find_logits(m->eval_graph);
  if (!append_backward(m, diags)) return false;
  m->train = rgc_reference_create(m->train_graph);
  m->eval = rgc_reference_create(m->eval_graph);
  draw_initial_values(m, seed);
  rgc_reference_model_sync(m);
  return true;
}

void rgc_reference_model_destroy(rgc_reference_model *m) {
  rgc_reference_destroy(m->train);
  rgc_reference_destroy(m->eval);
}

/* Every learnt value and state of `dst_graph` that `src_graph` has too. */
static void copy_by_name(const rgc_graph *dst_graph, rgc_reference *dst, const rgc_graph *src_graph, rgc_reference *src) {
  for (int i = 0; i < dst_graph->value_count; i++) {
    const rgc_value *v = &dst_graph->values[i];
    int from = rgc_is_learnt(v) || v->role == RGC_ROLE_STATE ? rgc_graph_find(src_graph, v->name) : -1;
    if (from >= 0)
      memcpy(rgc_reference_tensor(dst, i), rgc_reference_tensor(src, from), sizeof(double) * (size_t)rgc_shape_elems(v->shape));
  }
}

void rgc_reference_model_sync(rgc_reference_model *m) { copy_by_name(m->eval_graph, m->eval, m->train_graph, m->train); }

bool rgc_reference_model_load(rgc_reference_model *m, const char *path, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int count;
  rgc_weight *weights = list_weights(m, scratch, &count);
  bool good = rgc_weights_load(weights, count, path, diags);
  rgc_arena_destroy(scratch);
  if (good) rgc_reference_model_sync(m);
  return good;
}
