/* recompute_choose.c: see recompute.h. The choice is a set of forward ops; a walk over the graph says what running with that set looks
 * like: the order, from when to when each value lives, how much is alive at most. One walk costs as much as there are operands, so
 * every step of the greedy search is tried by walking. */
#include <stdlib.h>
#include <string.h>

#include "compiler/passes/cost.h"
#include "compiler/passes/memory_life.h"
#include "compiler/passes/recompute.h"

/* From its op to its last reader, in steps of the walk; born -1: never, or as a copy that nothing reads. */
typedef struct span {
  int born, last;
} span;

typedef struct walk {
  const rgc_graph *graph;
  const int64_t *size;  /* [value_count]; bytes; 0 for what does not lie among the temps */
  const int *updater;   /* [value_count]: the op that overwrites the value, -1: none */
  const bool *again;    /* [op_count]: the set */
  bool *copied;         /* [op_count]: whether the walk has copied the op */
  span *kept, *copies;  /* [value_count] */
  rgc_recompute_step *order;
  int count;
  bool legal;           /* no copy reads a state that has been overwritten */
  int at;               /* the op of the old graph that the walk has come to */
} walk;

/* The op that recomputes the value for a reader in the backward pass, or -1: it reads the value that was kept. */
static int recomputed_by(const walk *w, int value, bool later) {
  int op = w->graph->values[value].op;
  return later && op >= 0 && w->again[op] ? op : -1;
}

static void read_value(walk *w, int value, bool later) {
  span *s = recomputed_by(w, value, later) >= 0 ? &w->copies[value] : &w->kept[value];
  s->last = w->count;
}

static void step(walk *w, int op, bool copy) {
  const rgc_op *o = &w->graph->ops[op];
  bool later = copy || o->backward;
  for (int k = 0; k < o->input_count; k++) {
    int by = recomputed_by(w, o->inputs[k], later);
    if (by >= 0 && !w->copied[by]) {
      w->copied[by] = true;
      step(w, by, true);
    }
    int updater = w->updater[o->inputs[k]];
    if (copy && updater >= 0 && updater < w->at) w->legal = false;
  }
  for (int k = 0; k < o->input_count; k++) read_value(w, o->inputs[k], later);
  for (int k = 0; k < o->output_count; k++) {
    span *s = copy ? &w->copies[o->outputs[k]] : &w->kept[o->outputs[k]];
    s->born = w->count;
    if (!copy && s->last < w->count) s->last = w->count;
  }
  w->order[w->count++] = (rgc_recompute_step){.op = op, .copy = copy};
}

static void run_walk(walk *w) {
  const rgc_graph *graph = w->graph;
  w->count = 0;
  w->legal = true;
  memset(w->copied, 0, sizeof *w->copied * (size_t)graph->op_count);
  for (int v = 0; v < graph->value_count; v++) {
    rgc_role role = graph->values[v].role;
    w->copies[v] = w->kept[v] = (span){-1, -1};
    if (graph->values[v].op < 0) w->kept[v].born = 0;
    if (role == RGC_ROLE_OUTPUT) w->kept[v].last = 2 * graph->op_count;
  }
  for (w->at = 0; w->at < graph->op_count; w->at++) step(w, w->at, false);
}

/* The search: greedy from nothing recomputed, and back from whole segments recomputed, as what is cheap to recompute can hang together from
 * the first op to the last; the better one is taken. */

enum { MAX_CUT_TRIES = 3 };

typedef struct candidate {
  int op;
  double worth; /* bytes that it frees for one byte of traffic, or its time in operations */
} candidate;

typedef struct search {
  walk walk;
  rgc_arena *scratch;
  double operations_per_byte;
  bool *again;       /* [op_count] */
  int *added, added_count; /* [op_count]: what the try going on has put into the set */
  bool *may;         /* [op_count]: may be recomputed at all */
  bool *needed_later; /* [value_count]: a backward op reads it */
  int64_t *change;   /* [2 * op_count + 1] */
  int64_t peak_bytes;
  int peak_step;
} search;

static void add_span(search *s, const span *life, int64_t size) {
  if (life->born < 0 || life->last < life->born || !size) return;
  int end = life->last < s->walk.count ? life->last : s->walk.count - 1;
  s->change[life->born] += size;
  s->change[end + 1] -= size;
}

static void find_peak(search *s) {
  walk *w = &s->walk;
  memset(s->change, 0, sizeof *s->change * (size_t)(w->count + 1));
  for (int v = 0; v < w->graph->value_count; v++) {
    add_span(s, &w->kept[v], w->size[v]);
    add_span(s, &w->copies[v], w->size[v]);
  }
  int64_t alive = 0;
  s->peak_bytes = -1;
  for (int i = 0; i < w->count; i++) {
    alive += s->change[i];
    if (alive <= s->peak_bytes) continue;
    s->peak_bytes = alive;
    s->peak_step = i;
  }
}

static bool may_recompute(const rgc_graph *graph, const rgc_op *op) {
  if (op->backward || !op->kernel) return false;
  for (int k = 0; k < op->output_count; k++) {
    const rgc_value *v = &graph->values[op->outputs[k]];
    if (v->role != RGC_ROLE_TEMP || v->updates >= 0) return false;
  }
  return true;
}

/* Of a copy: bytes, and operations as the bytes that could move meanwhile. */
static double op_cost(const search *s, const rgc_op *op) {
  return (double)rgc_op_bytes(s->walk.graph, op) + rgc_kernel_flops(op->kernel) / s->operations_per_byte;
}

static int by_worth(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->worth != y->worth) return x->worth < y->worth ? 1 : -1;
  return x->op - y->op;
}

/* Forward ops some of whose results are kept for the backward pass, the best first. */
static candidate *find_candidates(search *s, int *count) {
  const rgc_graph *graph = s->walk.graph;
  candidate *found = RGC_NEW_ARRAY(s->scratch, candidate, graph->op_count + 1);
  *count = 0;
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    int64_t freed = 0;
    s->may[i] = may_recompute(graph, op);
    for (int k = 0; k < op->output_count; k++)
      if (s->needed_later[op->outputs[k]]) freed += s->walk.size[op->outputs[k]];
    if (!s->may[i] || !freed) continue;
    found[(*count)++] = (candidate){.op = i, .worth = (double)freed / op_cost(s, op)};
  }
  qsort(found, (size_t)*count, sizeof *found, by_worth);
  return found;
}

/* Puts the op into the set, and with it those whose results only the forward pass reads and a copy would read now: better recomputed
 * as well than kept for it. */
static void add_with_operands(search *s, int op) {
  if (s->again[op] || !s->may[op]) return;
  s->again[op] = true;
  s->added[s->added_count++] = op;
  const rgc_op *o = &s->walk.graph->ops[op];
  for (int k = 0; k < o->input_count; k++) {
    int by = s->walk.graph->values[o->inputs[k]].op;
    if (by >= 0 && s->walk.size[o->inputs[k]] && !s->needed_later[o->inputs[k]]) add_with_operands(s, by);
  }
}

static bool is_alive_at_peak(const search *s, int op) {
  const rgc_op *o = &s->walk.graph->ops[op];
  for (int k = 0; k < o->output_count; k++) {
    const span *life = &s->walk.kept[o->outputs[k]];
    if (s->walk.size[o->outputs[k]] && life->born < s->peak_step && s->peak_step <= life->last) return true;
  }
  return false;
}

/* Walks with the set as it is now. */
static void look(search *s) {
  run_walk(&s->walk);
  find_peak(s);
}

static bool try_adding(search *s, int op) {
  int64_t before = s->peak_bytes;
  s->added_count = 0;
  add_with_operands(s, op);
  look(s);
  if (s->walk.legal && s->peak_bytes < before) return true;
  for (int i = 0; i < s->added_count; i++) s->again[s->added[i]] = false;
  look(s);
  return false;
}

/* What turned out not to be needed is kept after all, the dearest first. */
static void drop_needless(search *s, const candidate *candidates, int count, int64_t peak_bytes) {
  for (int i = count - 1; i >= 0; i--) {
    if (!s->again[candidates[i].op]) continue;
    s->again[candidates[i].op] = false;
    look(s);
    if (!s->walk.legal || s->peak_bytes > peak_bytes) s->again[candidates[i].op] = true;
  }
  look(s);
}

static void search_greedily(search *s, const candidate *candidates, int count, int64_t peak_bytes) {
  for (bool better = true; better && s->peak_bytes > peak_bytes;) {
    better = false;
    for (int i = 0; i < count && s->peak_bytes > peak_bytes; i++)
      if (!s->again[candidates[i].op] && is_alive_at_peak(s, candidates[i].op) && try_adding(s, candidates[i].op)) better = true;
  }
}

/* Ops behind which the forward pass goes on from what they store, and next to nothing else. */
static int find_cuts(search *s, int *cuts) {
  const rgc_graph *graph = s->walk.graph;
  int *last = RGC_NEW_ARRAY(s->scratch, int, graph->value_count + 1), count = 0;
  int64_t *ends = RGC_NEW_ARRAY(s->scratch, int64_t, graph->op_count + 1), crossing = 0;
  for (int i = 0; i < graph->op_count; i++)
    for (int k = 0; !graph->ops[i].backward && k < graph->ops[i].input_count; k++) last[graph->ops[i].inputs[k]] = i;
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    int64_t own = 0;
    crossing -= ends[i];
    for (int k = 0; k < op->output_count; k++) {
      int v = op->outputs[k];
      if (last[v] <= i) continue;
      own += s->walk.size[v];
      ends[last[v]] += s->walk.size[v];
    }
    crossing += own;
    if (s->may[i] && own && crossing - own <= own / 16) cuts[count++] = i;
  }
  return count;
}

/* Everything is recomputed, from every `every`-th cut on to the next; then what need not be is kept. */
static void search_from_cuts(search *s, const int *cuts, int cut_count, int every) {
  memcpy(s->again, s->may, sizeof *s->again * (size_t)s->walk.graph->op_count);
  for (int i = every - 1; i < cut_count; i += every) s->again[cuts[i]] = false;
  look(s);
}

/* Of all copies. */
static double cost_of(const search *s) {
  double cost = 0;
  for (int i = 0; i < s->walk.count; i++) {
    const rgc_op *op = &s->walk.graph->ops[s->walk.order[i].op];
    if (s->walk.order[i].copy) cost += op_cost(s, op);
  }
  return cost;
}

typedef struct found {
  bool *again;
  int64_t peak_bytes;
  double cost;
} found;

/* The one that fits at the least cost, or is nearest to fitting. */
static void keep_better(const search *s, int64_t peak_bytes, found *best) {
  double cost = cost_of(s);
  bool fits = s->peak_bytes <= peak_bytes, better = !best->again;
  if (best->again && fits != (best->peak_bytes <= peak_bytes)) better = fits;
  else if (best->again) better = fits ? cost < best->cost : s->peak_bytes < best->peak_bytes;
  if (!s->walk.legal || !better) return;
  if (!best->again) best->again = RGC_NEW_ARRAY(s->scratch, bool, s->walk.graph->op_count + 1);
  memcpy(best->again, s->again, sizeof *s->again * (size_t)s->walk.graph->op_count);
  best->peak_bytes = s->peak_bytes;
  best->cost = cost;
}

static void choose(search *s, int64_t peak_bytes) {
  int count, *cuts = RGC_NEW_ARRAY(s->scratch, int, s->walk.graph->op_count + 1);
  candidate *candidates = find_candidates(s, &count);
  int cut_count = find_cuts(s, cuts), tries = 0;
  found best = {0};
  search_greedily(s, candidates, count, peak_bytes);
  if (s->peak_bytes <= peak_bytes) drop_needless(s, candidates, count, peak_bytes);
  keep_better(s, peak_bytes, &best);
  for (int every = 1; every <= cut_count && tries < MAX_CUT_TRIES; every += 1 + every / 4) {
    search_from_cuts(s, cuts, cut_count, every);
    if (s->walk.legal && s->peak_bytes <= peak_bytes) {
      drop_needless(s, candidates, count, peak_bytes);
      tries++;
    }
    keep_better(s, peak_bytes, &best);
  }
  memcpy(s->again, best.again, sizeof *s->again * (size_t)s->walk.graph->op_count);
  look(s);
}

static search open_search(const rgc_graph *graph, const rgc_target *target, rgc_arena *scratch, rgc_arena *arena) {
  int ops = graph->op_count, values = graph->value_count, *updater = RGC_NEW_ARRAY(scratch, int, values + 1);
  int64_t *size = RGC_NEW_ARRAY(scratch, int64_t, values + 1);
  const rgc_lifetime *lives = rgc_lifetimes(graph, scratch);
  search s = {.scratch = scratch, .operations_per_byte = target->operations_per_byte};
  s.again = RGC_NEW_ARRAY(scratch, bool, ops + 1);
  s.added = RGC_NEW_ARRAY(scratch, int, ops + 1);
  s.may = RGC_NEW_ARRAY(scratch, bool, ops + 1);
  s.needed_later = RGC_NEW_ARRAY(scratch, bool, values + 1);
  s.change = RGC_NEW_ARRAY(scratch, int64_t, 2 * ops + 2);
  for (int v = 0; v < values; v++) {
    size[v] = lives[v].region == RGC_REGION_ACT ? lives[v].size_bytes : 0;
    updater[v] = -1;
  }
  for (int v = 0; v < values; v++)
    if (graph->values[v].updates >= 0) updater[graph->values[v].updates] = graph->values[v].op;
  for (int i = 0; i < ops; i++)
    for (int k = 0; graph->ops[i].backward && k < graph->ops[i].input_count; k++) s.needed_later[graph->ops[i].inputs[k]] = true;
  s.walk = (walk){.graph = graph, .size = size, .updater = updater, .again = s.again, .copied = RGC_NEW_ARRAY(scratch, bool, ops + 1),
                  .kept = RGC_NEW_ARRAY(scratch, span, values + 1), .copies = RGC_NEW_ARRAY(scratch, span, values + 1),
                  .order = RGC_NEW_ARRAY(arena, rgc_recompute_step, 2 * ops + 1)};
  return s;
}

rgc_recompute_choice rgc_recompute_choose(const rgc_graph *graph, const rgc_target *target, int64_t peak_bytes, rgc_arena *arena) {
  rgc_arena *scratch = rgc_arena_create();
  search s = open_search(graph, target, scratch, arena);
  look(&s);
  rgc_recompute_choice choice = {.first_peak_bytes = s.peak_bytes};
  choose(&s, peak_bytes);
  choice.order = s.walk.order;
  choice.count = s.walk.count;
  choice.peak_bytes = s.peak_bytes;
  choice.read_again = RGC_NEW_ARRAY(arena, bool, graph->value_count + 1);
  for (int v = 0; v < graph->value_count; v++) choice.read_again[v] = s.walk.copies[v].last >= 0;
  for (int i = 0; i < choice.count; i++) {
    if (!choice.order[i].copy) continue;
    const rgc_op *op = &graph->ops[choice.order[i].op];
    choice.copies++;
    choice.flops += rgc_kernel_flops(op->kernel);
    choice.bytes += (double)rgc_op_bytes(graph, op);
  }
  rgc_arena_destroy(scratch);
  return choice;
}
