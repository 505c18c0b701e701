/* memory_place.c: see memory_place.h.
 *
 * Two stacks, one growing up from offset 0, one growing down from the end, which is fixed afterwards. Each block in turn goes
 * on that stack where it leaves fewer byte-ops empty under it, at the height of the highest block that it meets in time. Two
 * stacks, because a train step is two families of nested lifetimes: activations, saved in forward and read in backward, and
 * weight gradients, computed in backward and read by the updates; either alone packs without a hole, longest lives first.
 * Heights are held by a timeline for each stack, so a block costs the logarithm of the number of ops. */
#include "compiler/passes/memory_place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <stdio.h>

#include "compiler/passes/memory_timeline.h"

typedef struct placed {
  int64_t height_bytes; /* of its foot, from its stack's own end */
  bool down;            /* on the stack that grows down */
} placed;

typedef struct placer {
  const rgc_block *blocks;
  int count, op_count;
  rgc_timeline *stacks[2]; /* heights in bytes: [0] grows up, [1] down */
  placed *placed;          /* [count], by block */
} placer;

typedef double key(const rgc_block *block);
static double lifetime(const rgc_block *b) { return (double)b->last - b->first + 1; }
static double size(const rgc_block *b) { return (double)b->size_bytes; }
static double area(const rgc_block *b) { return size(b) * lifetime(b); }
static double start(const rgc_block *b) { return -(double)b->first; }
static double end(const rgc_block *b) { return (double)b->last; }

typedef struct entry {
  double key, size;
  int block;
} entry;

/* Largest key first, then largest size, then as given. */
static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  if (x->size != y->size) return x->size > y->size ? -1 : 1;
  return x->block < y->block ? -1 : 1;
}

static entry *sorted(const placer *p, rgc_arena *arena, key *by) {
  entry *order = RGC_NEW_ARRAY(arena, entry, p->count);
  for (int i = 0; i < p->count; i++)
    order[i] = (entry){.key = by(&p->blocks[i]), .size = (double)p->blocks[i].size_bytes, .block = i};
  qsort(order, (size_t)p->count, sizeof *order, compare_entries);
  return order;
}

static void push(placer *p, int block) {
  const rgc_block *b = &p->blocks[block];
  rgc_levels up = rgc_timeline_ask(p->stacks[0], b->first, b->last), down = rgc_timeline_ask(p->stacks[1], b->first, b->last);
  double empty_up = (double)up.max * lifetime(b) - up.sum, empty_down = (double)down.max * lifetime(b) - down.sum;
  bool goes_down = empty_down < empty_up;
  int64_t height = goes_down ? down.max : up.max;
  p->placed[block] = (placed){.height_bytes = height, .down = goes_down};
  rgc_timeline_set(p->stacks[goes_down], b->first, b->last, height + b->size_bytes);
}

static int64_t both_heights(const placer *p) {
  int64_t most = 0;
  for (int i = 0; i < p->op_count; i++) {
    int64_t sum = rgc_timeline_ask(p->stacks[0], i, i).max + rgc_timeline_ask(p->stacks[1], i, i).max;
    if (sum > most) most = sum;
  }
  return most;
}

static void keep(const placer *p, rgc_block *blocks, int64_t total_bytes) {
  for (int i = 0; i < p->count; i++) {
    int64_t height = p->placed[i].height_bytes;
    blocks[i].offset_bytes = p->placed[i].down ? total_bytes - height - blocks[i].size_bytes : height;
  }
}

static int64_t try_order(rgc_block *blocks, int count, int op_count, key *by, int64_t best) {
  rgc_arena *scratch = rgc_arena_create();
  placer p = {.blocks = blocks, .count = count, .op_count = op_count};
  p.placed = RGC_NEW_ARRAY(scratch, placed, count);
  for (int k = 0; k < 2; k++) p.stacks[k] = rgc_timeline_create(scratch, op_count);
  const entry *order = sorted(&p, scratch, by);
  for (int i = 0; i < count; i++) push(&p, order[i].block);
  int64_t total = both_heights(&p);
  if (total < best) keep(&p, blocks, total);
  rgc_arena_destroy(scratch);
  return total < best ? total : best;
}

int64_t rgc_place_blocks(rgc_block *blocks, int count, int op_count, int64_t enough_bytes) {
  static key *const orders[] = {lifetime, start, area, size, end};
  int64_t best = INT64_MAX;
  for (int i = 0; i < (int)(sizeof orders / sizeof *orders) && best > enough_bytes; i++) {
    best = try_order(blocks, count, op_count, orders[i], best);
    if (getenv("MEMDEBUG")) fprintf(stderr, "order %d: %ld enough %ld\n", i, best, enough_bytes);
  }
  return best;
}
