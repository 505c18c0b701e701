/* fuse.c: see fuse.h. The graph's ops are taken out and become loose kernels with reader lists; each rewrite relinks what it
 * touched, so the cost of a pass is that of the kernels it changes. */
#include "compiler/passes/fuse.h"

#include <string.h>

#include "compiler/passes/fuse_graph.h"

static rgc_fuser open_fuser(rgc_graph *graph, const rgc_target *target, rgc_text *ledger, rgc_arena *arena) {
  rgc_fuser f = {.graph = graph, .target = target, .ledger = ledger, .arena = arena};
  rgc_old_ops old = rgc_take_ops(graph);
  f.ops = old.items;
  f.op_count = old.count;
  f.kernels = RGC_NEW_ARRAY(arena, rgc_kernel *, old.count + 1);
  f.producer = RGC_NEW_ARRAY(arena, int, graph->value_count + 1);
  f.updater = RGC_NEW_ARRAY(arena, int, graph->value_count + 1);
  f.readers = RGC_NEW_ARRAY(arena, rgc_fuse_list, graph->value_count + 1);
  memset(f.producer, -1, sizeof *f.producer * (size_t)graph->value_count);
  memset(f.updater, -1, sizeof *f.updater * (size_t)graph->value_count);
  for (int i = 0; i < old.count; i++) {
    f.kernels[i] = old.items[i].kernel;
    rgc_fuse_link(&f, i);
  }
  return f;
}

/* Drops stores of values that nobody reads, and kernels that store nothing then. Backwards, so that what only they read goes too. */
static void drop_dead(rgc_fuser *f) {
  for (int i = f->op_count - 1; i >= 0; i--) {
    rgc_kernel *kernel = f->kernels[i];
    int kept = 0;
    if (!kernel) continue;
    for (int k = 0; k < kernel->store_count; k++) {
      int value = kernel->stores[k].value;
      const rgc_value *v = &f->graph->values[value];
      bool wanted = v->role != RGC_ROLE_TEMP || v->updates >= 0 || f->readers[value].count;
      if (wanted) kernel->stores[kept++] = kernel->stores[k];
      else f->producer[value] = -1;
    }
    if (kept == kernel->store_count) continue;
    rgc_fuse_unlink(f, i);
    kernel->store_count = kept;
    if (kept) rgc_fuse_link(f, i);
    else f->kernels[i] = NULL;
  }
}

/* What stores, roots and taps need of each stage, and no more. */
static void prune(rgc_fuser *f, rgc_kernel *kernel) {
  int *roots[RGC_STAGES][32], counts[RGC_STAGES] = {0};
  for (int k = 0; k < kernel->a_root_count; k++) roots[0][counts[0]++] = &kernel->a_roots[k];
  if (kernel->b) roots[1][counts[1]++] = &kernel->b_root;
  for (int k = 0; kernel->tap && k < kernel->acc_count; k++) roots[2][counts[2]++] = &kernel->tap_roots[k];
  for (int k = 0; k < kernel->store_count; k++) {
    int stage = kernel->stores[k].kind == RGC_SIDE_STORE ? 0 : 3;
    roots[stage][counts[stage]++] = &kernel->stores[k].node;
  }
  for (int s = 0; s < RGC_STAGES; s++) {
    rgc_body **body = rgc_fuse_stage(kernel, s);
    if (*body && !(s == 2 && kernel->tap_operand)) *body = rgc_fuse_prune(f, *body, roots[s], counts[s]);
  }
}

static bool sweep_absorb(rgc_fuser *f, bool into_maps) {
  bool changed = false;
  for (int i = 0; i < f->op_count; i++)
    if (f->kernels[i] && f->kernels[i]->kind == RGC_MAP) changed |= rgc_fuse_absorb(f, i, into_maps);
  return changed;
}

static bool sweep_inline(rgc_fuser *f) {
  bool changed = false;
  for (int i = 0; i < f->op_count; i++)
    if (f->kernels[i] && f->kernels[i]->kind == RGC_MAP) changed |= rgc_fuse_inline(f, i);
  return changed;
}

/* What is left becomes the graph's ops again; frees the scratch. */
static void close_fuser(rgc_fuser *f) {
  for (int i = 0; i < f->op_count; i++) {
    if (!f->kernels[i]) continue;
    prune(f, f->kernels[i]);
    rgc_append_kernel(f->graph, &f->ops[i], f->kernels[i]);
  }
  rgc_arena_destroy(f->arena);
}

void rgc_fuse(rgc_graph *graph, const rgc_target *target, rgc_text *ledger) {
  rgc_arena *arena = rgc_arena_create();
  rgc_fuser f = open_fuser(graph, target, ledger, arena);
  drop_dead(&f);
  while (sweep_absorb(&f, false) || sweep_inline(&f)) continue;
  while (sweep_absorb(&f, true)) continue;
  drop_dead(&f);
  close_fuser(&f);
}

void rgc_fuse_side_stores(rgc_graph *graph, const rgc_target *target, rgc_text *ledger) {
  rgc_arena *arena = rgc_arena_create();
  rgc_fuser f = open_fuser(graph, target, ledger, arena);
  for (int i = f.op_count - 1; i >= 0; i--) /* backwards: what only another such map reads comes after it */
    if (f.kernels[i] && f.kernels[i]->kind == RGC_MAP) rgc_fuse_side(&f, i);
  close_fuser(&f);
}
