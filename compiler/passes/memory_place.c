/* memory_place.c: see memory_place.h. Two methods, each tried with several orders of the blocks; the best result is kept.
 *
 * Stacks. One grows up from offset 0, one down from the end, which is fixed afterwards. Each block in turn goes on the stack
 * where it leaves fewer byte-ops empty under it, at the height of the highest block that it meets in time. Two stacks,
 * because a train step is two families of nested lifetimes: activations, saved in forward and read in backward, and weight
 * gradients, computed in backward and read by the updates; either alone packs without a hole, longest lives first. Heights
 * are held by a timeline for each stack, so a block costs the logarithm of the number of ops.
 *
 * First fit. Each block in turn goes to the lowest offset that is free all its life. It fills holes, which stacks cannot, and
 * is the better one on most networks; but it looks at all blocks for each, so it is left out where there are very many (a
 * very deep network, where the stacks lose least).
 *
 * Lifting. First fit again and again, each time with the block that ended highest put first in the order: it costs as many first fits
 * and comes last, for networks with chains of parts, where all the other orders leave the one hole that matters. */
#include "compiler/passes/memory_place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/passes/memory_timeline.h"

enum { FIRST_FIT_MAX_BLOCKS = 4096, /* about 15 ms an order */
       LIFT_ROUNDS = 32, LIFT_MAX_BLOCKS = 1500 };

typedef struct placer {
  rgc_block *blocks; /* [count] */
  int count, op_count;
  int *order; /* [count]: blocks, the first to be placed first */
  rgc_arena *scratch;
} placer;

/* Orders. */

typedef double key(const rgc_block *block);
static double lifetime(const rgc_block *b) { return (double)b->last - b->first + 1; }
static double size(const rgc_block *b) { return (double)b->size_bytes; }
static double area(const rgc_block *b) { return size(b) * lifetime(b); }
static double earliness(const rgc_block *b) { return -(double)b->first; }
static double lateness(const rgc_block *b) { return (double)b->last; }

typedef struct entry {
  double key, size_bytes;
  int block;
} entry;

/* Largest key first, then largest size, then as given. */
static int compare_entries(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->key != y->key) return x->key > y->key ? -1 : 1;
  if (x->size_bytes != y->size_bytes) return x->size_bytes > y->size_bytes ? -1 : 1;
  return x->block < y->block ? -1 : x->block > y->block;
}

static void sort(placer *p, key *by) {
  entry *entries = RGC_NEW_ARRAY(p->scratch, entry, p->count);
  for (int i = 0; i < p->count; i++)
    entries[i] = (entry){.key = by(&p->blocks[i]), .size_bytes = size(&p->blocks[i]), .block = i};
  qsort(entries, (size_t)p->count, sizeof *entries, compare_entries);
  for (int i = 0; i < p->count; i++) p->order[i] = entries[i].block;
}

/* Stacks. Until the end is known, offset_bytes is a block's height over its own stack's foot. */

/* Puts the block on top of a stack; returns whether on the one that grows down. */
static bool push(rgc_timeline *up, rgc_timeline *down, rgc_block *b) {
  rgc_levels above = rgc_timeline_ask(up, b->first, b->last), below = rgc_timeline_ask(down, b->first, b->last);
  double empty_up = (double)above.max * lifetime(b) - above.sum, empty_down = (double)below.max * lifetime(b) - below.sum;
  bool goes_down = empty_down < empty_up;
  b->offset_bytes = goes_down ? below.max : above.max;
  rgc_timeline_set(goes_down ? down : up, b->first, b->last, b->offset_bytes + b->size_bytes);
  return goes_down;
}

/* The least distance of the feet at which the stacks do not meet. */
static int64_t stacks_bytes(const placer *p, const rgc_timeline *up, const rgc_timeline *down) {
  int64_t most = 0;
  for (int i = 0; i < p->op_count; i++) {
    int64_t sum = rgc_timeline_ask(up, i, i).max + rgc_timeline_ask(down, i, i).max;
    if (sum > most) most = sum;
  }
  return most;
}

static int64_t stack(placer *p) {
  rgc_timeline *up = rgc_timeline_create(p->scratch, p->op_count), *down = rgc_timeline_create(p->scratch, p->op_count);
  bool *goes_down = RGC_NEW_ARRAY(p->scratch, bool, p->count); /* by block */
  for (int i = 0; i < p->count; i++) goes_down[p->order[i]] = push(up, down, &p->blocks[p->order[i]]);
  int64_t total = stacks_bytes(p, up, down);
  for (int i = 0; i < p->count; i++) {
    rgc_block *b = &p->blocks[i];
    if (goes_down[i]) b->offset_bytes = total - b->offset_bytes - b->size_bytes;
  }
  return total;
}

/* First fit. `shelf` holds copies of the blocks placed so far, by offset. */

static int64_t lowest_free(const rgc_block *shelf, int shelf_count, const rgc_block *block) {
  int64_t offset = 0;
  for (int i = 0; i < shelf_count; i++) {
    const rgc_block *other = &shelf[i];
    if (other->first > block->last || block->first > other->last) continue;
    if (other->offset_bytes - offset >= block->size_bytes) break;
    int64_t end_bytes = other->offset_bytes + other->size_bytes;
    if (end_bytes > offset) offset = end_bytes;
  }
  return offset;
}

static void put_on_shelf(rgc_block *shelf, int shelf_count, const rgc_block *block) {
  int at = shelf_count;
  while (at > 0 && shelf[at - 1].offset_bytes > block->offset_bytes) at--;
  memmove(shelf + at + 1, shelf + at, sizeof *shelf * (size_t)(shelf_count - at));
  shelf[at] = *block;
}

static int64_t first_fit(placer *p) {
  rgc_block *shelf = RGC_NEW_ARRAY(p->scratch, rgc_block, p->count + 1);
  int64_t total = 0;
  for (int i = 0; i < p->count; i++) {
    rgc_block *block = &p->blocks[p->order[i]];
    block->offset_bytes = lowest_free(shelf, i, block);
    put_on_shelf(shelf, i, block);
    int64_t end_bytes = block->offset_bytes + block->size_bytes;
    if (end_bytes > total) total = end_bytes;
  }
  return total;
}

/* Lifting. */

static void put_first(placer *p, int at) {
  int block = p->order[at];
  memmove(p->order + 1, p->order, sizeof *p->order * (size_t)at);
  p->order[0] = block;
}

static int highest(const placer *p) {
  int best = 0;
  for (int i = 1; i < p->count; i++) {
    const rgc_block *b = &p->blocks[p->order[i]], *most = &p->blocks[p->order[best]];
    if (b->offset_bytes + b->size_bytes > most->offset_bytes + most->size_bytes) best = i;
  }
  return best;
}

static int64_t lift(placer *p) {
  rgc_block *kept = RGC_NEW_ARRAY(p->scratch, rgc_block, p->count);
  int64_t best = INT64_MAX;
  for (int round = 0; round < LIFT_ROUNDS; round++) {
    int64_t total = first_fit(p);
    if (total < best) memcpy(kept, p->blocks, sizeof *kept * (size_t)p->count);
    if (total < best) best = total;
    put_first(p, highest(p));
  }
  memcpy(p->blocks, kept, sizeof *kept * (size_t)p->count);
  return best;
}

/* The best of the tries, in the order in which they tend to succeed. */

typedef struct attempt {
  int64_t (*method)(placer *p);
  key *by;
} attempt;
static const attempt attempts[] = {{stack, lifetime},  {first_fit, size},      {first_fit, area},
                                   {stack, earliness}, {stack, lateness},      {first_fit, earliness},
                                   {stack, size},      {first_fit, lifetime},  {lift, size},
                                   {lift, area}};

static int64_t try(const attempt *how, const rgc_block *blocks, rgc_block *result, int count, int op_count) {
  placer p = {.blocks = result, .count = count, .op_count = op_count, .scratch = rgc_arena_create()};
  memcpy(result, blocks, sizeof *blocks * (size_t)count);
  p.order = RGC_NEW_ARRAY(p.scratch, int, count);
  sort(&p, how->by);
  int64_t total = how->method(&p);
  rgc_arena_destroy(p.scratch);
  return total;
}

int64_t rgc_place_blocks(rgc_block *blocks, int count, int op_count, int64_t enough_bytes) {
  if (!count) return 0;
  rgc_arena *scratch = rgc_arena_create();
  rgc_block *result = RGC_NEW_ARRAY(scratch, rgc_block, count);
  int64_t best = INT64_MAX;
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts && best > enough_bytes; i++) {
    if (attempts[i].method == first_fit && count > FIRST_FIT_MAX_BLOCKS) continue;
    if (attempts[i].method == lift && count > LIFT_MAX_BLOCKS) continue;
    int64_t total = try(&attempts[i], blocks, result, count, op_count);
    if (total >= best) continue;
    best = total;
    memcpy(blocks, result, sizeof *blocks * (size_t)count);
  }
  rgc_arena_destroy(scratch);
  return best;
}
