/* fuse_inline.c: a map is computed again by each of its readers, and never stored (fuse.h).
 *
 * Bytes decide. Stored, a value costs what the map reads, one write, and one read a reader; inlined, each reader reads the map's
 * operands that it does not read already. Operands much smaller than the value (a vector of channels) count as nothing. At a draw the
 * value is stored, since each reader would repeat the map's arithmetic: so of residual joins in a row each is made once. */
#include <string.h>

#include "compiler/passes/fuse_graph.h"

typedef struct candidate {
  rgc_fuser *f;
  int map, value;
  const rgc_kernel *kernel;
  int large[32], large_count; /* operands of about the value's size */
  int expensive;              /* nodes that cost many instructions */
} candidate;

static bool open_candidate(rgc_fuser *f, int map, candidate *c) {
  const rgc_kernel *kernel = f->kernels[map];
  *c = (candidate){.f = f, .map = map, .kernel = kernel, .value = kernel->store_count ? kernel->stores[0].value : -1};
  if (kernel->store_count != 1 || kernel->stores[0].kind != RGC_STORE || !rgc_fuse_is_temp(f, c->value)) return false;
  if (!rgc_is_real(&f->graph->values[c->value])) return false;
  for (int i = 0; i < kernel->epi->operand_count; i++) {
    int value = kernel->epi->operands[i].value;
    bool seen = false;
    for (int k = 0; k < c->large_count; k++) seen |= c->large[k] == value;
    if (!seen && c->large_count < 32 && 2 * rgc_fuse_bytes(f, value) >= rgc_fuse_bytes(f, c->value)) c->large[c->large_count++] = value;
  }
  for (int n = 0; n < kernel->epi->node_count; n++) c->expensive += rgc_fuse_is_expensive(kernel->epi->nodes[n].kind);
  return f->readers[c->value].count > 0;
}

static bool op_reads(const rgc_fuser *f, int op, int value) {
  for (int i = 0; i < f->readers[value].count; i++)
    if (f->readers[value].items[i] == op) return true;
  return false;
}

static int count_streams(const rgc_fuser *f, const rgc_body *body, int64_t bytes) {
  int count = 0;
  for (int i = 0; i < body->operand_count; i++) count += 2 * rgc_fuse_bytes(f, body->operands[i].value) >= bytes;
  return count;
}

/* The space of a stage. */
static const int64_t *stage_extent(const rgc_kernel *kernel, int stage) {
  return stage == 0 ? kernel->a_extent : stage == 1 ? kernel->b_extent : kernel->extent;
}

/* A reader that evaluates the map far more often than its value has elements. */
static bool repeats_work(const candidate *c, const rgc_kernel *reader, int stage) {
  int64_t points = rgc_shape_elems(stage_extent(reader, stage));
  return points > 2 * rgc_shape_elems(c->kernel->extent) && c->kernel->epi->node_count > 1;
}

static bool reader_can(const candidate *c, int op) {
  const rgc_fuser *f = c->f;
  rgc_kernel *reader = f->kernels[op];
  int64_t bytes = rgc_fuse_bytes(f, c->value);
  if (reader->weight == c->value || rgc_fuse_body_reads(reader->tap, c->value)) return false;
  for (int i = 0; i < c->kernel->epi->operand_count; i++) {
    int updater = f->updater[c->kernel->epi->operands[i].value];
    if (updater >= 0 && updater < op) return false;
  }
  for (int s = 0; s < RGC_STAGES; s++) {
    rgc_body *body = *rgc_fuse_stage(reader, s);
    if (!body || !rgc_fuse_body_reads(body, c->value)) continue;
    if (repeats_work(c, reader, s)) return false;
    if (reader->kind == RGC_WINDOW && s == 0 && c->large_count > 1) return false; /* once a tap */
    if (body->operand_count + c->kernel->epi->operand_count > f->target->max_operands / 2) return false;
    if (s < 2 && count_streams(f, body, bytes) - 1 + c->large_count > f->target->max_streams) return false;
  }
  return true;
}

static bool is_worth_it(const candidate *c, int64_t *stored, int64_t *again) {
  const rgc_fuser *f = c->f;
  const rgc_fuse_list *readers = &f->readers[c->value];
  *again = 0;
  *stored = (readers->count + 1) * rgc_fuse_bytes(f, c->value);
  for (int k = 0; k < c->large_count; k++) {
    *stored += rgc_fuse_bytes(f, c->large[k]);
    for (int i = 0; i < readers->count; i++)
      if (!op_reads(f, readers->items[i], c->large[k])) *again += rgc_fuse_bytes(f, c->large[k]);
  }
  return *again < *stored && !(c->expensive && readers->count > 1 && c->large_count);
}

/* The reader's stages with the map in place of the value; false, and nothing changed, if one of them cannot take it. */
static bool rewrite_reader(const candidate *c, rgc_kernel *copy) {
  rgc_fuser *f = c->f;
  for (int s = 0; s < RGC_STAGES; s++) {
    rgc_body **body = rgc_fuse_stage(copy, s);
    if (!*body || !rgc_fuse_body_reads(*body, c->value)) continue;
    int *nodes = RGC_NEW_ARRAY(f->arena, int, (*body)->node_count + 1);
    rgc_body *made = rgc_fuse_substitute(f, *body, c->value, c->kernel->epi, c->kernel->stores[0].node, stage_extent(copy, s), nodes);
    if (!made) return false;
    *body = made;
    for (int k = 0; s == 0 && k < copy->a_root_count; k++) copy->a_roots[k] = nodes[copy->a_roots[k]];
    if (s == 1) copy->b_root = nodes[copy->b_root];
    for (int k = 0; k < copy->store_count; k++)
      if ((copy->stores[k].kind == RGC_SIDE_STORE ? 0 : 3) == s) copy->stores[k].node = nodes[copy->stores[k].node];
  }
  return true;
}

bool rgc_fuse_inline(rgc_fuser *f, int map) {
  candidate c;
  int64_t stored, again;
  if (!open_candidate(f, map, &c)) return false;
  rgc_fuse_list readers = f->readers[c.value];
  for (int i = 0; i < readers.count; i++)
    if (!reader_can(&c, readers.items[i])) return false;
  if (!is_worth_it(&c, &stored, &again)) return false;
  rgc_kernel **made = RGC_NEW_ARRAY(f->arena, rgc_kernel *, readers.count);
  int *ops = RGC_NEW_ARRAY(f->arena, int, readers.count);
  memcpy(ops, readers.items, sizeof *ops * (size_t)readers.count);
  for (int i = 0; i < readers.count; i++) {
    made[i] = rgc_kernel_copy(f->kernels[ops[i]], f->graph->arena);
    if (!rewrite_reader(&c, made[i])) return false;
  }
  rgc_fuse_note(f, map, "%s is computed by its %d readers: %.3g MB instead of %.3g MB stored and read", f->ops[map].word ? f->ops[map].word : "map",
                readers.count, (double)again * 1e-6, (double)stored * 1e-6);
  int count = readers.count;
  rgc_fuse_unlink(f, map);
  f->kernels[map] = NULL;
  for (int i = 0; i < count; i++) {
    rgc_fuse_unlink(f, ops[i]);
    f->kernels[ops[i]] = made[i];
    rgc_fuse_link(f, ops[i]);
  }
  return true;
}
