/* memory_verify.c: rgc_memory_verify (memory.h). A plan may come from a stranger's file, so each place is first looked at
 * alone, without arithmetic that could overflow; only places that are in bounds are then compared with one another.
 *
 * Overlap, in O(n log n): places in the order of their offsets; a timeline holds, for each op, the highest end of those seen
 * that are alive there. A place overlaps an earlier one exactly if some op of its life has an end above its offset. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/passes/memory_life.h"
#include "compiler/passes/memory_timeline.h"

static const int64_t region_limit_bytes = (int64_t)1 << 61;

typedef struct checker {
  const rgc_graph *graph;
  const rgc_memory_plan *plan;
  const rgc_lifetime *lives; /* [value_count] */
  int *last;                 /* [value_count]: the last op at which the value has its place for itself */
  rgc_arena *scratch;
  rgc_diagnostics *diags;
} checker;

static bool fail(const checker *c, int value, const char *what) {
  return rgc_diag_fail(c->diags, RGC_CODE_PLAN_INVALID, NULL, NULL, "the place of %%%s %s", c->graph->values[value].name, what);
}

/* Fields. */

static bool check_regions(const checker *c) {
  bool ok = true;
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    int64_t bytes = c->plan->region_bytes[r];
    if (bytes < RGC_SPARE_BYTES || bytes > region_limit_bytes || bytes % RGC_ALIGN_BYTES)
      ok = rgc_diag_fail(c->diags, RGC_CODE_PLAN_INVALID, NULL, NULL, "memory region %d has %" PRId64 " bytes", r, bytes);
  }
  return ok;
}

static bool check_place(const checker *c, int value) {
  const rgc_place *place = &c->plan->places[value];
  const rgc_lifetime *life = &c->lives[value];
  if (life->size_bytes < 0) return fail(c, value, "would be too large");
  if (place->region != life->region) return fail(c, value, "is in the wrong region");
  if (place->size_bytes != life->size_bytes) return fail(c, value, "has the wrong size");
  if (place->offset_bytes < 0 || place->offset_bytes % RGC_ALIGN_BYTES) return fail(c, value, "is not aligned");
  int64_t room = c->plan->region_bytes[place->region] - RGC_SPARE_BYTES;
  if (place->size_bytes > room || place->offset_bytes > room - place->size_bytes)
    return fail(c, value, "is out of its region");
  if (place->offset_bytes != c->plan->places[life->owner].offset_bytes || place->size_bytes != c->lives[life->owner].size_bytes)
    return fail(c, value, "is not that of the value it updates");
  if (life->owner != value && !rgc_may_update(c->graph, value))
    return fail(c, value, "is read elsewhere by the kernel that updates it");
  return true;
}

static bool check_peak(const checker *c) {
  rgc_memory_peak peak = rgc_memory_peak_of(c->graph, c->lives);
  const rgc_memory_peak *said = &c->plan->peak;
  if (said->op == peak.op && said->bytes == peak.bytes && !memcmp(said->part_bytes, peak.part_bytes, sizeof peak.part_bytes))
    return true;
  return rgc_diag_fail(c->diags, RGC_CODE_PLAN_INVALID, NULL, NULL, "the memory peak is not that of the program");
}

/* Overlap. */

/* An operand that an output of its last op rightly shares its place with ends one op earlier. */
static void end_taken_over(const checker *c, int output) {
  if (c->graph->values[output].op < 0) return;
  const rgc_op *op = &c->graph->ops[c->graph->values[output].op];
  for (int k = 0; k < op->input_count; k++) {
    int operand = op->inputs[k];
    if (c->plan->places[operand].offset_bytes == c->plan->places[output].offset_bytes &&
        rgc_may_take_over(c->graph, c->lives, output, operand))
      c->last[operand] = op->id - 1;
  }
}

typedef struct spot {
  int64_t offset_bytes;
  int value;
} spot;

static int compare_spots(const void *a, const void *b) {
  const spot *x = a, *y = b;
  if (x->offset_bytes != y->offset_bytes) return x->offset_bytes < y->offset_bytes ? -1 : 1;
  return x->value < y->value ? -1 : x->value > y->value;
}

/* The places of a region that are not another value's and live at all, by offset. */
static spot *sorted_spots(const checker *c, rgc_region region, int *count) {
  spot *spots = RGC_NEW_ARRAY(c->scratch, spot, c->graph->value_count + 1);
  *count = 0;
  for (int v = 0; v < c->graph->value_count; v++)
    if (c->lives[v].region == region && c->lives[v].owner == v && c->lives[v].first <= c->last[v])
      spots[(*count)++] = (spot){.offset_bytes = c->plan->places[v].offset_bytes, .value = v};
  qsort(spots, (size_t)*count, sizeof *spots, compare_spots);
  return spots;
}

static bool check_overlap(const checker *c, rgc_region region) {
  int count;
  bool ok = true;
  const spot *spots = sorted_spots(c, region, &count);
  rgc_timeline *ends = rgc_timeline_create(c->scratch, c->graph->op_count + 1);
  for (int i = 0; i < count; i++) {
    int v = spots[i].value, first = c->lives[v].first, last = c->last[v];
    if (rgc_timeline_ask(ends, first, last).max > spots[i].offset_bytes)
      ok = fail(c, v, "overlaps another one while both are alive");
    else
      rgc_timeline_set(ends, first, last, spots[i].offset_bytes + c->lives[v].size_bytes);
  }
  return ok;
}

static bool check_overlaps(const checker *c) {
  bool ok = true;
  for (int v = 0; v < c->graph->value_count; v++) c->last[v] = c->lives[v].last;
  for (int v = 0; v < c->graph->value_count; v++) end_taken_over(c, v);
  for (int r = 0; r < RGC_REGION_COUNT; r++) ok = check_overlap(c, (rgc_region)r) && ok;
  return ok;
}

static bool check(const checker *c) {
  bool ok = check_regions(c);
  for (int v = 0; ok && v < c->graph->value_count; v++) ok = check_place(c, v);
  return ok && check_overlaps(c) && check_peak(c); /* without overlap, no sum is larger than a region */
}

bool rgc_memory_verify(const rgc_graph *graph, const rgc_memory_plan *plan, rgc_diagnostics *diags) {
  if (!plan || !plan->places || plan->place_count != graph->value_count)
    return rgc_diag_fail(diags, RGC_CODE_PLAN_INVALID, NULL, NULL, "the plan does not have a place for each value");
  checker c = {.graph = graph, .plan = plan, .scratch = rgc_arena_create(), .diags = diags};
  c.lives = rgc_lifetimes(graph, c.scratch);
  c.last = RGC_NEW_ARRAY(c.scratch, int, graph->value_count + 1);
  bool ok = check(&c);
  rgc_arena_destroy(c.scratch);
  return ok;
}
