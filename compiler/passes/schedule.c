/* schedule.c: see schedule.h. Each op gets a place (the op it follows); ops that share one keep their order. */
#include "compiler/passes/schedule.h"

#include "compiler/passes/rewrite.h"

static bool updates_state(const rgc_graph *graph, const rgc_op *op) {
  for (int k = 0; k < op->output_count; k++)
    if (graph->values[op->outputs[k]].updates >= 0) return true;
  return false;
}

/* The op behind which op i may stand. place[] of earlier ops is known, and latest[v], the last place where v is read. */
static int earliest(const rgc_graph *graph, int i, const int *latest, const int *place) {
  const rgc_op *op = &graph->ops[i];
  int after = -1;
  for (int k = 0; k < op->input_count; k++) {
    int made_by = graph->values[op->inputs[k]].op, at = made_by >= 0 ? place[made_by] : -1;
    after = at > after ? at : after;
  }
  for (int k = 0; k < op->output_count; k++) {
    int old = graph->values[op->outputs[k]].updates;
    after = old >= 0 && latest[old] > after ? latest[old] : after;
  }
  return after;
}

void rgc_schedule_updates(rgc_graph *graph) {
  rgc_arena *scratch = rgc_arena_create();
  int count = graph->op_count, *place = RGC_NEW_ARRAY(scratch, int, count + 1), *first = RGC_NEW_ARRAY(scratch, int, count + 1);
  int *next = RGC_NEW_ARRAY(scratch, int, count + 1), *tail = RGC_NEW_ARRAY(scratch, int, count + 1);
  int *latest = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1);
  for (int v = 0; v < graph->value_count; v++) latest[v] = -1;
  for (int i = 0; i < count; i++) first[i] = tail[i] = next[i] = -1;
  for (int i = 0; i < count; i++) {
    int after = updates_state(graph, &graph->ops[i]) ? earliest(graph, i, latest, place) : i;
    place[i] = after < 0 ? i : after;
    for (int k = 0; k < graph->ops[i].input_count; k++) {
      int *at = &latest[graph->ops[i].inputs[k]];
      *at = place[i] > *at ? place[i] : *at;
    }
    if (place[i] == i) continue;
    if (tail[place[i]] < 0) first[place[i]] = i;
    else next[tail[place[i]]] = i;
    tail[place[i]] = i;
  }
  rgc_old_ops old = rgc_take_ops(graph);
  for (int i = 0; i < count; i++) {
    if (place[i] == i) rgc_append_kernel(graph, &old.items[i], old.items[i].kernel);
    for (int k = first[i]; k >= 0; k = next[k]) rgc_append_kernel(graph, &old.items[k], old.items[k].kernel);
  }
  rgc_arena_destroy(scratch);
}
