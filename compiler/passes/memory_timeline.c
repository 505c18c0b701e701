/* memory_timeline.c: see memory_timeline.h. Node 1 is the root; the children of node n are 2n and 2n+1, so that the leaves of
 * a tree of `leaves` (a power of two) are nodes leaves..2*leaves-1. A node that is `whole` has one level in all its leaves,
 * and what stands below it is out of date. */
#include "compiler/passes/memory_timeline.h"

#include <stdbool.h>

typedef struct node {
  rgc_levels levels;
  bool whole;
} node;

struct rgc_timeline {
  int leaves;
  node *nodes; /* [2 * leaves], [0] unused */
};

rgc_timeline *rgc_timeline_create(rgc_arena *arena, int count) {
  rgc_timeline *t = RGC_NEW(arena, rgc_timeline);
  for (t->leaves = 1; t->leaves < count;) t->leaves *= 2;
  t->nodes = RGC_NEW_ARRAY(arena, node, 2 * (int64_t)t->leaves);
  return t;
}

static void fill(node *n, int64_t level, int width) {
  n->levels = (rgc_levels){.max = level, .sum = (double)level * width};
  n->whole = true;
}

static rgc_levels joined(rgc_levels a, rgc_levels b) {
  return (rgc_levels){.max = a.max > b.max ? a.max : b.max, .sum = a.sum + b.sum};
}

/* Node `n` covers ops from..from+width-1, and first..last lies within them. */
static rgc_levels ask(const rgc_timeline *t, int n, int from, int width, int first, int last) {
  const node *here = &t->nodes[n];
  if (last - first + 1 == width) return here->levels;
  if (here->whole) return (rgc_levels){.max = here->levels.max, .sum = (double)here->levels.max * (last - first + 1)};
  int half = width / 2, middle = from + half;
  if (last < middle) return ask(t, 2 * n, from, half, first, last);
  if (first >= middle) return ask(t, 2 * n + 1, middle, half, first, last);
  return joined(ask(t, 2 * n, from, half, first, middle - 1), ask(t, 2 * n + 1, middle, half, middle, last));
}

static void set(rgc_timeline *t, int n, int from, int width, int first, int last, int64_t level) {
  node *here = &t->nodes[n], *below = &t->nodes[2 * n];
  if (last - first + 1 == width) {
    fill(here, level, width);
    return;
  }
  int half = width / 2, middle = from + half;
  if (here->whole)
    for (int k = 0; k < 2; k++) fill(&below[k], here->levels.max, half);
  here->whole = false;
  if (first < middle) set(t, 2 * n, from, half, first, last < middle ? last : middle - 1, level);
  if (last >= middle) set(t, 2 * n + 1, middle, half, first < middle ? middle : first, last, level);
  here->levels = joined(below[0].levels, below[1].levels);
}

rgc_levels rgc_timeline_ask(const rgc_timeline *t, int first, int last) { return ask(t, 1, 0, t->leaves, first, last); }

void rgc_timeline_set(rgc_timeline *t, int first, int last, int64_t level) { set(t, 1, 0, t->leaves, first, last, level); }
