/* memory_keep.c: see memory_keep.h. */
#include "compiler/memory_keep.h"

#include "compiler/passes/recompute.h"

bool rgc_may_recompute(const rgc_compilation *c) { return c->memory_bytes && (!c->network || c->network->may_recompute); }

/* Bytes that the program takes with places for all values, where `*peak_bytes` are alive at once; -1: they cannot be counted. */
static int64_t placed_bytes(const rgc_graph *graph, int64_t *peak_bytes) {
  rgc_arena *scratch = rgc_arena_create();
  const rgc_memory_plan *plan = rgc_plan_memory(graph, scratch);
  int64_t bytes = plan ? rgc_memory_bytes(plan) : -1;
  if (plan) *peak_bytes = plan->peak.bytes;
  rgc_arena_destroy(scratch);
  return bytes;
}

bool rgc_keeps_memory_limit(const rgc_compilation *c) {
  int64_t peak, bytes = placed_bytes(c->graph, &peak);
  return !c->memory_bytes || (bytes >= 0 && bytes <= c->memory_bytes);
}

enum { TRIES = 4 };

/* Places leave gaps, so a choice that fits by its peak may not fit: then for a lower peak, and at last for the lowest. */
void rgc_keep_memory_limit(rgc_compilation *c) {
  int64_t peak = 0, bytes = rgc_may_recompute(c) ? placed_bytes(c->graph, &peak) : -1, target = peak;
  const rgc_graph *whole = c->graph;
  for (int left = TRIES; left && bytes > c->memory_bytes; left--) {
    rgc_text lines = {0};
    target -= bytes - c->memory_bytes + (left < TRIES ? peak / 256 : 0);
    c->graph = rgc_graph_clone(whole, c->arena);
    rgc_recompute(c->graph, c->target, left > 1 ? target : 0, &lines);
    bytes = placed_bytes(c->graph, &peak);
    if (bytes <= c->memory_bytes || left == 1) rgc_compilation_note(c, &lines);
    rgc_text_free(&lines);
  }
}

static bool takes_batch_statistics(const rgc_graph *graph) {
  for (int i = 0; i < graph->op_count; i++)
    if (graph->ops[i].kind == RGC_OP_BN && graph->ops[i].attr[RGC_ATTR_RUNNING] == 0) return true;
  return false;
}

void rgc_note_split(rgc_compilation *c) {
  rgc_text line = {0};
  rgc_text_printf(&line, "split: a batch of %lld samples is taken in %lld micro-batches of %lld, their gradients accumulated; %s\n", (long long)c->batch,
                  (long long)c->parts, (long long)c->graph->batch,
                  takes_batch_statistics(c->graph) ? "batch normalisation takes its statistics of a micro-batch" : "no layer looks across samples");
  rgc_compilation_note(c, &line);
}
