/* memory_timeline.h: a level for every op, over which intervals are asked and set in logarithmic time: a segment tree with
 * lazy assignment. Planning keeps in it how high memory is filled at each op; checking, how high it was seen to be. */
#ifndef RGC_PASSES_MEMORY_TIMELINE_H
#define RGC_PASSES_MEMORY_TIMELINE_H
#include <stdint.h>

#include "compiler/base/arena.h"

typedef struct rgc_timeline rgc_timeline;

typedef struct rgc_levels {
  int64_t max; /* bytes */
  double sum;  /* byte-ops: of all ops of the interval; rounded */
} rgc_levels;

/* Levels are 0 at first. count >= 1. */
rgc_timeline *rgc_timeline_create(rgc_arena *arena, int count);
/* Over ops first..last, both included, 0 <= first <= last < count. */
rgc_levels rgc_timeline_ask(const rgc_timeline *timeline, int first, int last);
void rgc_timeline_set(rgc_timeline *timeline, int first, int last, int64_t level);
#endif
