/* memory.c: see memory.h. PARAM and STATE are laid out one after the other; for ACT, a chain of values that take over one
 * another's place becomes one block, and memory_place.c finds offsets for the blocks. */
#include "compiler/passes/memory.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/passes/memory_life.h"
#include "compiler/passes/memory_place.h"

static const int64_t total_limit_bytes = (int64_t)1 << 60;

typedef struct planner {
  const rgc_graph *graph;
  const rgc_lifetime *lives; /* [value_count] */
  rgc_arena *scratch;
  rgc_memory_plan *plan;
} planner;

static bool all_fit(const rgc_graph *graph, const rgc_lifetime *lives) {
  int64_t total = 0;
  for (int v = 0; v < graph->value_count; v++) {
    if (lives[v].size_bytes < 0 || total > total_limit_bytes - lives[v].size_bytes) return false;
    total += lives[v].size_bytes;
  }
  return true;
}

/* PARAM and STATE. */

static int compare_names(const void *a, const void *b) {
  return strcmp((*(const rgc_value *const *)a)->name, (*(const rgc_value *const *)b)->name);
}

static void place_by_name(planner *p, rgc_region region) {
  const rgc_value **sorted = RGC_NEW_ARRAY(p->scratch, const rgc_value *, p->graph->value_count + 1);
  int count = 0;
  int64_t offset = 0;
  for (int v = 0; v < p->graph->value_count; v++)
    if (p->lives[v].region == region && p->lives[v].owner == v) sorted[count++] = &p->graph->values[v];
  qsort(sorted, (size_t)count, sizeof *sorted, compare_names);
  for (int i = 0; i < count; i++) {
    int64_t size = p->lives[sorted[i]->id].size_bytes;
    p->plan->places[sorted[i]->id] = (rgc_place){.region = region, .offset_bytes = offset, .size_bytes = size};
    offset += size;
  }
  p->plan->region_bytes[region] = offset + RGC_SPARE_BYTES;
}

/* ACT. */

/* block_of[v]: the block of value v, -1: it has none. Blocks are made in execution order, so that an operand has its block
 * before its taker. */
static int make_blocks(planner *p, rgc_block *blocks, int *block_of) {
  int count = 0;
  for (int v = 0; v < p->graph->value_count; v++) block_of[v] = -1;
  for (int v = 0; v < p->graph->value_count; v++) {
    const rgc_lifetime *life = &p->lives[v];
    if (life->region != RGC_REGION_ACT || life->first > life->last || p->graph->values[v].op >= 0) continue;
    blocks[block_of[v] = count++] = (rgc_block){.first = life->first, .last = life->last, .size_bytes = life->size_bytes};
  }
  for (int i = 0; i < p->graph->op_count; i++)
    for (int k = 0; k < p->graph->ops[i].output_count; k++) {
      int v = p->graph->ops[i].outputs[k], operand = rgc_taken_over(p->graph, p->lives, v);
      const rgc_lifetime *life = &p->lives[v];
      if (life->region != RGC_REGION_ACT) continue;
      block_of[v] = operand >= 0 ? block_of[operand] : count;
      if (operand >= 0)
        blocks[block_of[v]].last = life->last;
      else
        blocks[count++] = (rgc_block){.first = life->first, .last = life->last, .size_bytes = life->size_bytes};
    }
  return count;
}

static void place_act(planner *p) {
  int value_count = p->graph->value_count;
  rgc_block *blocks = RGC_NEW_ARRAY(p->scratch, rgc_block, value_count + 1);
  int *block_of = RGC_NEW_ARRAY(p->scratch, int, value_count + 1);
  int count = make_blocks(p, blocks, block_of), op_count = p->graph->op_count ? p->graph->op_count : 1;
  int64_t least = p->plan->peak.bytes, total = 0;
  if (count) total = rgc_place_blocks(blocks, count, op_count, least + least / 100);
  for (int v = 0; v < value_count; v++) {
    if (p->lives[v].region != RGC_REGION_ACT) continue;
    int64_t offset = block_of[v] >= 0 ? blocks[block_of[v]].offset_bytes : 0;
    p->plan->places[v] =
        (rgc_place){.region = RGC_REGION_ACT, .offset_bytes = offset, .size_bytes = p->lives[v].size_bytes};
  }
  p->plan->region_bytes[RGC_REGION_ACT] = total + RGC_SPARE_BYTES;
}

rgc_memory_plan *rgc_plan_memory(const rgc_graph *graph, rgc_arena *arena) {
  rgc_arena *scratch = rgc_arena_create();
  planner p = {.graph = graph, .lives = rgc_lifetimes(graph, scratch), .scratch = scratch};
  if (all_fit(graph, p.lives)) {
    p.plan = RGC_NEW(arena, rgc_memory_plan);
    p.plan->places = RGC_NEW_ARRAY(arena, rgc_place, graph->value_count + 1);
    p.plan->place_count = graph->value_count;
    p.plan->peak = rgc_memory_peak_of(graph, p.lives);
    place_by_name(&p, RGC_REGION_PARAM);
    place_by_name(&p, RGC_REGION_STATE);
    place_act(&p);
    for (int v = 0; v < graph->value_count; v++) p.plan->places[v] = p.plan->places[p.lives[v].owner];
  }
  rgc_arena_destroy(scratch);
  return p.plan;
}
