/* fuse_absorb.c: a map becomes part of the epilogue of the kernel that makes one of its operands (fuse.h). */
#include <string.h>

#include "compiler/passes/fuse_graph.h"

/* Whether every load of `value` reads at the map's own point. */
static bool reads_same_point(const rgc_fuser *f, const rgc_kernel *map, int value) {
  for (int i = 0; i < map->epi->operand_count; i++)
    if (map->epi->operands[i].value == value &&
        !rgc_view_is_same_point(&map->epi->operands[i].view, f->graph->values[value].shape, map->extent))
      return false;
  return true;
}

static int store_of(const rgc_kernel *kernel, int value) {
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].value == value && kernel->stores[i].kind == RGC_STORE) return kernel->stores[i].node;
  return -1;
}

/* Whether the map reads each output of the producer that it reads as a number of the same point. */
static bool reads_points_only(const rgc_fuser *f, int producer, const rgc_kernel *map) {
  for (int i = 0; i < map->epi->operand_count; i++) {
    int value = map->epi->operands[i].value;
    if (f->producer[value] != producer) continue;
    if (store_of(f->kernels[producer], value) < 0 || !reads_same_point(f, map, value)) return false;
    if (!rgc_is_real(&f->graph->values[value])) return false;
  }
  return true;
}

static int count_partials(const rgc_kernel *kernel) {
  int count = 0;
  for (int i = 0; i < kernel->store_count; i++) count += rgc_store_is_partial(kernel->stores[i].kind);
  return count;
}

static bool stores_are_plain(const rgc_fuser *f, const rgc_kernel *kernel) {
  for (int i = 0; i < kernel->store_count; i++)
    if (f->graph->values[kernel->stores[i].value].layout.kind != RGC_LAYOUT_NHWC) return false;
  return true;
}

/* Whether the target can run the two as one. */
static bool has_room(const rgc_fuser *f, const rgc_kernel *producer, const rgc_kernel *map) {
  int partials = count_partials(producer) + count_partials(map), operands = producer->weight >= 0;
  bool sums = producer->kind == RGC_MAP || producer->kind == RGC_WINDOW || (producer->kind == RGC_CONTRACT && producer->form == RGC_PIXELS);
  const rgc_body *bodies[] = {producer->a, producer->b, producer->tap, producer->epi, map->epi};
  for (int i = 0; i < 5; i++) operands += bodies[i] ? bodies[i]->operand_count : 0;
  return (sums || !count_partials(map)) && partials <= f->target->max_partials && operands <= f->target->max_operands &&
         producer->store_count + map->store_count <= f->target->max_outputs && producer->store_count + map->store_count <= RGC_FUSE_MOST_STORES &&
         stores_are_plain(f, producer) && stores_are_plain(f, map);
}

/* Whole tensors that the map reads beside `value`. */
static int count_streams(const rgc_fuser *f, const rgc_kernel *map, int value) {
  int count = 0;
  for (int i = 0; i < map->epi->operand_count; i++) {
    int other = map->epi->operands[i].value;
    count += other != value && rgc_fuse_bytes(f, other) * 2 >= rgc_fuse_bytes(f, value);
  }
  return count;
}

/* (a) the map can run where the producer is: what else it reads is there, what it overwrites is not read in between or later. */
static bool fits_at_producer(const rgc_fuser *f, int producer, int map) {
  const rgc_kernel *kernel = f->kernels[map];
  for (int i = 0; i < kernel->epi->operand_count; i++) {
    int made_by = f->producer[kernel->epi->operands[i].value];
    if (made_by > producer) return false;
  }
  for (int i = 0; i < kernel->store_count; i++) {
    int old = f->graph->values[kernel->stores[i].value].updates;
    for (int r = 0; old >= 0 && r < f->readers[old].count; r++)
      if (f->readers[old].items[r] > producer && f->readers[old].items[r] != map) return false;
  }
  return true;
}

static bool reads_any_output(const rgc_fuser *f, const rgc_kernel *kernel, int first, int last) {
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_fuse_list *readers = &f->readers[kernel->stores[i].value];
    for (int r = 0; r < readers->count; r++)
      if (readers->items[r] > first && readers->items[r] < last) return true;
  }
  return false;
}

static bool overwritten_between(const rgc_fuser *f, int value, int first, int last) {
  return f->updater[value] > first && f->updater[value] < last;
}

/* (b) the producer can run where the map is: nobody in between reads what it stores, nor overwrites what it reads. */
static bool fits_at_map(const rgc_fuser *f, int producer, int map) {
  rgc_kernel *kernel = f->kernels[producer];
  if (reads_any_output(f, kernel, producer, map)) return false;
  if (kernel->weight >= 0 && overwritten_between(f, kernel->weight, producer, map)) return false;
  for (int s = 0; s < RGC_STAGES; s++) {
    const rgc_body *body = *rgc_fuse_stage(kernel, s);
    for (int i = 0; body && i < body->operand_count; i++)
      if (overwritten_between(f, body->operands[i].value, producer, map)) return false;
  }
  return true;
}

/* The kernel of both: the producer's core, and one epilogue. What the map reads of the producer's outputs is a node there. */
static void merge(rgc_fuser *f, int producer, int map, int at) {
  rgc_kernel *kernel = f->kernels[producer], *more = f->kernels[map];
  int *nodes = RGC_NEW_ARRAY(f->arena, int, more->epi->node_count + 1), *known = RGC_NEW_ARRAY(f->arena, int, more->epi->operand_count + 1);
  for (int i = 0; i < more->epi->operand_count; i++) known[i] = store_of(kernel, more->epi->operands[i].value);
  rgc_fuse_unlink(f, producer);
  rgc_fuse_unlink(f, map);
  rgc_store *stores = RGC_NEW_ARRAY(f->graph->arena, rgc_store, kernel->store_count + more->store_count);
  int count = 0;
  for (int i = 0; i < kernel->store_count; i++) { /* what only the map read is not stored any more */
    bool read_by_map = kernel->stores[i].kind == RGC_STORE && rgc_fuse_body_reads(more->epi, kernel->stores[i].value);
    bool wanted = !read_by_map || !rgc_fuse_is_temp(f, kernel->stores[i].value) || f->readers[kernel->stores[i].value].count;
    if (wanted) stores[count++] = kernel->stores[i];
  }
  rgc_fuse_append(kernel->epi, more->epi, known, nodes);
  for (int i = 0; i < more->store_count; i++) {
    stores[count] = more->stores[i];
    stores[count++].node = nodes[more->stores[i].node];
  }
  kernel->stores = stores;
  kernel->store_count = count;
  f->kernels[map] = f->kernels[producer] = NULL;
  f->kernels[at] = kernel;
  rgc_fuse_link(f, at);
}

static bool try_producer(rgc_fuser *f, int map, int value, bool into_maps, bool move_producer) {
  int producer = f->producer[value];
  if (producer < 0 || producer == map || !f->kernels[producer]) return false;
  const rgc_kernel *kernel = f->kernels[producer], *more = f->kernels[map];
  if ((kernel->kind == RGC_MAP) != into_maps || memcmp(kernel->extent, more->extent, sizeof more->extent)) return false;
  if (!reads_points_only(f, producer, more) || !has_room(f, kernel, more)) return false;
  bool weights = kernel->kind == RGC_CONTRACT && kernel->form == RGC_WEIGHTS;
  if (weights && count_streams(f, more, value) > f->target->max_weight_streams) return false;
  if (move_producer ? !fits_at_map(f, producer, map) : !fits_at_producer(f, producer, map)) return false;
  int64_t saved = rgc_fuse_bytes(f, value);
  rgc_fuse_note(f, map, "%s joins the epilogue of %s%s: %.3g MB less to read", f->ops[map].word ? f->ops[map].word : "map",
                f->ops[producer].layer, f->ops[producer].backward ? " (backward)" : "", (double)saved * 1e-6);
  merge(f, producer, map, move_producer ? map : producer);
  return true;
}

bool rgc_fuse_absorb(rgc_fuser *f, int map, bool into_maps) {
  const rgc_body *epi = f->kernels[map]->epi;
  for (int move = 0; move < 2; move++)
    for (int i = epi->operand_count - 1; i >= 0; i--)
      if (try_producer(f, map, epi->operands[i].value, into_maps, move)) return true;
  return false;
}
