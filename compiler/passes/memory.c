/* memory.c: see memory.h. PARAM, STATE and FOLDED are laid out one after the other; for ACT, a chain of values that take over one
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

typedef struct act_blocks {
  rgc_block *items; /* [count], room for one a value */
  int count;
  int *of; /* [value_count]: the block of a value, -1: none */
} act_blocks;

/* A new block for the value, or the one of the operand it takes over. */
static void add_block(const planner *p, act_blocks *blocks, int value) {
  const rgc_lifetime *life = &p->lives[value];
  if (life->region != RGC_REGION_ACT || life->first > life->last) return;
  int operand = rgc_taken_over(p->graph, p->lives, value);
  blocks->of[value] = operand >= 0 ? blocks->of[operand] : blocks->count++;
  rgc_block *block = &blocks->items[blocks->of[value]];
  if (operand < 0) *block = (rgc_block){.first = life->first, .size_bytes = life->size_bytes};
  block->last = life->last;
}

/* In execution order, so that an operand has its block before the value that takes it over. */
static act_blocks make_blocks(const planner *p) {
  const rgc_graph *graph = p->graph;
  act_blocks blocks = {.items = RGC_NEW_ARRAY(p->scratch, rgc_block, graph->value_count + 1),
                       .of = RGC_NEW_ARRAY(p->scratch, int, graph->value_count + 1)};
  for (int v = 0; v < graph->value_count; v++) blocks.of[v] = -1;
  for (int v = 0; v < graph->value_count; v++)
    if (graph->values[v].op < 0) add_block(p, &blocks, v);
  for (int i = 0; i < graph->op_count; i++)
    for (int k = 0; k < graph->ops[i].output_count; k++) add_block(p, &blocks, graph->ops[i].outputs[k]);
  return blocks;
}

static void place_act(planner *p) {
  act_blocks blocks = make_blocks(p);
  int64_t least = p->plan->peak.bytes, enough = least + least / 200;
  int64_t total = rgc_place_blocks(blocks.items, blocks.count, p->graph->op_count ? p->graph->op_count : 1, enough);
  for (int v = 0; v < p->graph->value_count; v++) {
    if (p->lives[v].region != RGC_REGION_ACT) continue;
    int64_t offset = blocks.of[v] >= 0 ? blocks.items[blocks.of[v]].offset_bytes : 0;
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
    place_by_name(&p, RGC_REGION_FOLDED);
    place_act(&p);
    for (int v = 0; v < graph->value_count; v++) p.plan->places[v] = p.plan->places[p.lives[v].owner];
  }
  rgc_arena_destroy(scratch);
  return p.plan;
}
