/* fuse_side.c: a map is computed by the loader of the first contract that reads it, and stored from there (fuse.h).
 *
 * A value that many read is stored: a residual join of a training step, for one. The first of its readers to run, if that is a contract whose
 * tiles load all of it, may make it on the way to its products: the map's operands come through the prologue, and each tile stores the
 * points that it owns (kernel.h). Later readers read it.
 *
 * Bytes decide, with R, how often the contract loads a point (halo rows, tiles cut by panels):
 *   a pass of its own    operands + stored + R * read by the contract
 *   a side store         R * operands + stored
 * What is computed R - 1 times more counts as the bytes that could move meanwhile. With two operands and one value that is a gain while R is
 * below 2. */
#include <string.h>

#include "compiler/passes/fuse_graph.h"
#include "compiler/passes/tile.h"

enum { EXPENSIVE_OPERATIONS = 16 };

typedef struct side_store {
  rgc_fuser *f;
  int map, contract;               /* op indices */
  const rgc_kernel *kernel;        /* of the map */
  const rgc_kernel *reader;        /* of the contract */
  double loads;                    /* R */
  double moved_bytes, operations;  /* with the side store, more than without */
} side_store;

static bool stores_value(const rgc_kernel *kernel, int value) {
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].value == value) return true;
  return false;
}

static bool body_reads_any(const rgc_body *body, const rgc_kernel *map) {
  for (int i = 0; body && i < body->operand_count; i++)
    if (stores_value(map, body->operands[i].value)) return true;
  return false;
}

static bool is_pixels(const rgc_kernel *kernel) { return kernel->kind == RGC_CONTRACT && kernel->form == RGC_PIXELS; }

/* The op that reads an output of the map first; -1: none. Whether the loader of a contract over pixels reads one at all. */
static int first_reader(const rgc_fuser *f, const rgc_kernel *map, bool *loaded) {
  int first = -1;
  *loaded = false;
  for (int i = 0; i < map->store_count; i++) {
    const rgc_fuse_list *readers = &f->readers[map->stores[i].value];
    for (int r = 0; r < readers->count; r++) {
      int op = readers->items[r];
      *loaded |= is_pixels(f->kernels[op]) && rgc_fuse_body_reads(f->kernels[op]->a, map->stores[i].value);
      if (first < 0 || op < first) first = op;
    }
  }
  return first;
}

/* Whether the values are such as a loader can store: f32 as they lie, that update nothing. */
static bool stores_are_plain(const rgc_fuser *f, const rgc_kernel *map) {
  for (int i = 0; i < map->store_count; i++) {
    const rgc_value *v = &f->graph->values[map->stores[i].value];
    if (map->stores[i].kind != RGC_STORE || v->dtype != RGC_F32 || v->layout.kind != RGC_LAYOUT_NHWC || v->updates >= 0) return false;
  }
  return true;
}

/* Whether the contract reads the map's outputs in its prologue only, at the same point. */
static bool reads_in_prologue(const side_store *s) {
  const rgc_body *a = s->reader->a;
  if (body_reads_any(s->reader->epi, s->kernel) || stores_value(s->kernel, s->reader->weight)) return false;
  for (int i = 0; i < a->operand_count; i++)
    if (stores_value(s->kernel, a->operands[i].value) &&
        !rgc_view_is_same_point(&a->operands[i].view, s->f->graph->values[a->operands[i].value].shape, s->reader->a_extent))
      return false;
  return body_reads_any(a, s->kernel);
}

/* What the map reads is what it was until the contract has run, and the contract does not write it. */
static bool operands_last(const side_store *s) {
  const rgc_body *body = s->kernel->epi;
  for (int i = 0; i < body->operand_count; i++)
    if (s->f->updater[body->operands[i].value] > s->map && s->f->updater[body->operands[i].value] <= s->contract) return false;
  return true;
}

static bool has_room(const side_store *s) {
  const rgc_fuser *f = s->f;
  const rgc_body *a = s->reader->a, *more = s->kernel->epi;
  int64_t bytes = rgc_fuse_bytes(f, s->kernel->stores[0].value);
  int streams = 0, operands = 1 + a->operand_count + more->operand_count + s->reader->epi->operand_count;
  for (int i = 0; i < a->operand_count; i++)
    streams += 2 * rgc_fuse_bytes(f, a->operands[i].value) >= bytes && !stores_value(s->kernel, a->operands[i].value);
  for (int i = 0; i < more->operand_count; i++)
    streams += 2 * rgc_fuse_bytes(f, more->operands[i].value) >= bytes && !rgc_fuse_body_reads(a, more->operands[i].value);
  return streams <= f->target->max_streams && operands <= f->target->max_operands &&
         s->reader->store_count + s->kernel->store_count <= f->target->max_outputs &&
         s->reader->store_count + s->kernel->store_count <= RGC_FUSE_MOST_STORES;
}

/* NULL, or why the contract cannot store the map's outputs. */
static const char *refuse(const side_store *s) {
  if (!s->f->target->side_stores) return "and no loader of this target stores";
  if (!is_pixels(s->reader)) return "which is no contract over pixels";
  if (!rgc_kernel_may_side_store(s->reader)) return "whose tiles do not load all of it";
  if (memcmp(s->kernel->extent, s->reader->a_extent, sizeof s->kernel->extent) || !reads_in_prologue(s)) return "which does not load it point by point";
  if (!operands_last(s)) return "and what it is made of is overwritten by then";
  return has_room(s) ? NULL : "which would read or write too many tensors";
}

static bool seen_before(const rgc_body *body, int operand) {
  for (int i = 0; i < operand; i++)
    if (body->operands[i].value == body->operands[operand].value) return true;
  return false;
}

static void count_cost(side_store *s) {
  const rgc_body *body = s->kernel->epi, *a = s->reader->a;
  double operations = 0;
  s->loads = rgc_loads_of_a(s->reader, s->f->target);
  s->moved_bytes = 0;
  for (int i = 0; i < a->operand_count; i++)
    if (stores_value(s->kernel, a->operands[i].value) && !seen_before(a, i))
      s->moved_bytes -= s->loads * (double)rgc_fuse_bytes(s->f, a->operands[i].value);
  for (int i = 0; i < body->operand_count; i++) {
    if (seen_before(body, i)) continue;
    double again = rgc_fuse_body_reads(a, body->operands[i].value) ? 0 : s->loads; /* the contract reads it already */
    s->moved_bytes += (again - 1) * (double)rgc_fuse_bytes(s->f, body->operands[i].value);
  }
  for (int n = 0; n < body->node_count; n++) {
    rgc_expr_kind kind = body->nodes[n].kind;
    operations += rgc_fuse_is_expensive(kind) ? EXPENSIVE_OPERATIONS : rgc_expr_arity(kind) > 0;
  }
  s->operations = operations * (s->loads - 1) * (double)rgc_shape_elems(s->kernel->extent);
}

/* Stage a of the contract is the map's expression and, behind it, its own, which reads what that computes. */
static void merge(side_store *s) {
  rgc_fuser *f = s->f;
  rgc_kernel *made = rgc_kernel_copy(s->reader, f->graph->arena);
  const rgc_body *body = s->kernel->epi, *a = s->reader->a;
  int *unknown = RGC_NEW_ARRAY(f->arena, int, body->operand_count + 1), *known = RGC_NEW_ARRAY(f->arena, int, a->operand_count + 1);
  int *map_nodes = RGC_NEW_ARRAY(f->arena, int, body->node_count + 1), *a_nodes = RGC_NEW_ARRAY(f->arena, int, a->node_count + 1);
  rgc_store *stores = RGC_NEW_ARRAY(f->graph->arena, rgc_store, made->store_count + s->kernel->store_count);
  int count = 0;
  for (int i = 0; i < body->operand_count; i++) unknown[i] = -1;
  made->a = rgc_body_create(f->graph->arena);
  rgc_fuse_append(made->a, body, unknown, map_nodes);
  for (int i = 0; i < a->operand_count; i++) {
    known[i] = -1;
    for (int k = 0; k < s->kernel->store_count; k++)
      if (s->kernel->stores[k].value == a->operands[i].value) known[i] = map_nodes[s->kernel->stores[k].node];
  }
  rgc_fuse_append(made->a, a, known, a_nodes);
  for (int i = 0; i < made->a_root_count; i++) made->a_roots[i] = a_nodes[made->a_roots[i]];
  for (int i = 0; i < made->store_count; i++) {
    stores[count] = made->stores[i];
    if (stores[count].kind == RGC_SIDE_STORE) stores[count].node = a_nodes[stores[count].node];
    count++;
  }
  for (int i = 0; i < s->kernel->store_count; i++) {
    const rgc_store *store = &s->kernel->stores[i];
    bool alone = rgc_fuse_is_temp(f, store->value) && f->readers[store->value].count == rgc_fuse_body_reads(a, store->value);
    if (!alone) stores[count++] = (rgc_store){.kind = RGC_SIDE_STORE, .value = store->value, .node = map_nodes[store->node]};
  }
  made->stores = stores;
  made->store_count = count;
  rgc_fuse_unlink(f, s->map);
  rgc_fuse_unlink(f, s->contract);
  f->kernels[s->map] = NULL;
  f->kernels[s->contract] = made;
  rgc_fuse_link(f, s->contract);
}

bool rgc_fuse_side(rgc_fuser *f, int map) {
  bool loaded;
  side_store s = {.f = f, .map = map, .kernel = f->kernels[map]};
  s.contract = first_reader(f, s.kernel, &loaded);
  if (!loaded || !stores_are_plain(f, s.kernel)) return false;
  s.reader = f->kernels[s.contract];
  const char *word = f->ops[map].word ? f->ops[map].word : "map", *reader = f->ops[s.contract].layer, *why = refuse(&s);
  if (why) {
    rgc_fuse_note(f, map, "%s stays a pass of its own: first it is read by %s, %s", word, reader, why);
    return false;
  }
  count_cost(&s);
  bool taken = s.moved_bytes + s.operations / f->target->operations_per_byte < 0;
  if (taken) merge(&s);
  rgc_fuse_note(f, map, taken ? "%s is stored by the loader of %s, which loads a point %.3g times: %+.3g MB moved, %+.3g M operations"
                              : "%s stays a pass of its own: the loader of %s loads a point %.3g times: %+.3g MB moved, %+.3g M operations",
                word, reader, s.loads, s.moved_bytes * 1e-6, s.operations * 1e-6);
  return taken;
}
