/* memory_life.c: see memory_life.h and, for the storage of a value, memory.h. */
#include "compiler/passes/memory_life.h"

#include <string.h>

static const int64_t limit_bytes = (int64_t)1 << 56;

/* *product times `factor`, or false where that reaches the limit. Both are at least 1. */
static bool scale(int64_t *product, int64_t factor) {
  if (factor < 1 || factor >= limit_bytes / *product) return false;
  *product *= factor;
  return true;
}

static int64_t rounded(int64_t count, int64_t to) { return (count + to - 1) / to; }

/* [g][ceil(O/G/L)][ceil(I/B)][KH][KW][B][L] of a value [O,KH,KW,I]; panel_t: [g][ceil(I/L)][ceil(O/G/B)].. of [I,KH,KW,O]. */
static bool scale_panel(int64_t *product, const rgc_value *value) {
  const rgc_layout *l = &value->layout;
  if (l->groups < 1 || l->lanes < 1 || l->block < 1) return false;
  int64_t out = value->shape[RGC_N], in = value->shape[RGC_C];
  if (out < 1 || in < 1 || out > limit_bytes || in > limit_bytes) return false;
  bool swapped = l->kind == RGC_LAYOUT_PANEL_T;
  int64_t out_panels = rounded(swapped ? out : rounded(out, l->groups), l->lanes);
  int64_t in_blocks = rounded(swapped ? rounded(in, l->groups) : in, l->block);
  return scale(product, l->groups) && scale(product, out_panels) && scale(product, in_blocks) &&
         scale(product, value->shape[RGC_H]) && scale(product, value->shape[RGC_W]) && scale(product, l->block) &&
         scale(product, l->lanes);
}

int64_t rgc_value_storage_bytes(const rgc_value *value) {
  int64_t bytes = rgc_dtype_bytes(value->dtype);
  if (value->layout.kind != RGC_LAYOUT_NHWC) return scale_panel(&bytes, value) ? bytes : -1;
  for (int j = 0; j < RGC_AXES; j++)
    if (!scale(&bytes, value->shape[j])) return -1;
  return bytes;
}

static int64_t place_bytes(const rgc_value *value) {
  int64_t bytes = rgc_value_storage_bytes(value);
  return bytes < 0 ? -1 : rounded(bytes, RGC_ALIGN_BYTES) * RGC_ALIGN_BYTES;
}

/* Lifetimes. */

static int owner_of(const rgc_graph *graph, int value) {
  while (graph->values[value].updates >= 0) value = graph->values[value].updates;
  return value;
}

static rgc_region region_of(const rgc_value *owner) {
  if (owner->role == RGC_ROLE_FOLDED) return RGC_REGION_FOLDED;
  if (owner->op >= 0) return RGC_REGION_ACT;
  if (owner->role == RGC_ROLE_PARAM || owner->role == RGC_ROLE_BUFFER) return RGC_REGION_PARAM;
  return owner->role == RGC_ROLE_STATE || owner->role == RGC_ROLE_COPY ? RGC_REGION_STATE : RGC_REGION_ACT;
}

static rgc_lifetime born(const rgc_graph *graph, int id) {
  int owner = owner_of(graph, id), end = graph->op_count ? graph->op_count - 1 : 0;
  const rgc_value *value = &graph->values[id];
  rgc_lifetime life = {.region = region_of(&graph->values[owner]), .owner = owner, .size_bytes = place_bytes(value)};
  if (life.region != RGC_REGION_ACT) {
    life.last = end;
  } else if (value->op >= 0) {
    life.first = value->op;
    life.last = value->role == RGC_ROLE_OUTPUT ? end : value->op;
  } else if (value->role != RGC_ROLE_INPUT && value->role != RGC_ROLE_LABEL) {
    life.last = -1;
    life.size_bytes = 0;
  }
  return life;
}

rgc_lifetime *rgc_lifetimes(const rgc_graph *graph, rgc_arena *arena) {
  rgc_lifetime *lives = RGC_NEW_ARRAY(arena, rgc_lifetime, graph->value_count + 1);
  for (int v = 0; v < graph->value_count; v++) lives[v] = born(graph, v);
  for (int i = 0; i < graph->op_count; i++)
    for (int k = 0; k < graph->ops[i].input_count; k++) {
      rgc_lifetime *life = &lives[graph->ops[i].inputs[k]];
      if (life->last < i && life->size_bytes) life->last = i;
    }
  return lives;
}

/* Take-over. */

static bool reads_at_the_point_only(const rgc_body *body, int value) {
  for (int i = 0; i < body->operand_count; i++)
    if (body->operands[i].value == value && !rgc_view_is_identity(&body->operands[i].view)) return false;
  return true;
}

/* Whether `value` is what the kernel stores of its elements, and all of it. */
static bool is_only_store(const rgc_kernel *kernel, int value) {
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_store *store = &kernel->stores[i];
    if ((store->value == value) != (store->kind == RGC_STORE)) return false;
  }
  return true;
}

bool rgc_may_take_over(const rgc_graph *graph, const rgc_lifetime *lives, int output, int operand) {
  const rgc_value *y = &graph->values[output], *x = &graph->values[operand];
  const rgc_kernel *kernel = y->op >= 0 ? graph->ops[y->op].kernel : NULL;
  if (!kernel || kernel->kind != RGC_MAP || !kernel->epi || kernel->a || kernel->b || kernel->tap) return false;
  if (lives[output].region != RGC_REGION_ACT || lives[operand].region != RGC_REGION_ACT) return false;
  if (x->role != RGC_ROLE_TEMP || x->op < 0 || x->op >= y->op || lives[operand].last != y->op) return false;
  if (x->dtype != y->dtype || x->layout.kind != RGC_LAYOUT_NHWC || y->layout.kind != RGC_LAYOUT_NHWC) return false;
  if (memcmp(x->shape, y->shape, sizeof x->shape) || memcmp(y->shape, kernel->extent, sizeof y->shape)) return false;
  return is_only_store(kernel, output) && reads_at_the_point_only(kernel->epi, operand);
}

static bool reads(const rgc_body *body, int value) {
  for (int i = 0; body && i < body->operand_count; i++)
    if (body->operands[i].value == value) return true;
  return false;
}

bool rgc_may_update(const rgc_graph *graph, int value) {
  int old = graph->values[value].updates;
  const rgc_kernel *kernel = graph->ops[graph->values[value].op].kernel;
  if (!kernel || reads(kernel->a, old) || reads(kernel->b, old) || reads(kernel->tap, old) || kernel->weight == old) return false;
  if (!reads(kernel->epi, old)) return true;
  return reads_at_the_point_only(kernel->epi, old) &&
         !memcmp(graph->values[value].shape, kernel->extent, sizeof kernel->extent);
}

int rgc_taken_over(const rgc_graph *graph, const rgc_lifetime *lives, int output) {
  if (graph->values[output].op < 0) return -1;
  const rgc_op *op = &graph->ops[graph->values[output].op];
  for (int k = 0; k < op->input_count; k++)
    if (rgc_may_take_over(graph, lives, output, op->inputs[k])) return op->inputs[k];
  return -1;
}

/* The peak. */

static bool is_partial(const rgc_kernel *kernel, int value) {
  for (int i = 0; kernel && i < kernel->store_count; i++)
    if (kernel->stores[i].value == value) return rgc_store_is_partial(kernel->stores[i].kind);
  return false;
}

static rgc_part part_of(const rgc_graph *graph, const rgc_lifetime *life, const rgc_value *value) {
  if (value->op < 0) return RGC_PART_INPUT;
  const rgc_op *op = &graph->ops[value->op];
  if (value->layout.kind != RGC_LAYOUT_NHWC) return RGC_PART_PACKED;
  if (is_partial(op->kernel, value->id)) return RGC_PART_PARTIAL;
  if (op->recomputed) return RGC_PART_SAVED;
  if (op->backward) return RGC_PART_GRADIENT;
  return value->role == RGC_ROLE_TEMP && graph->ops[life->last].backward ? RGC_PART_SAVED : RGC_PART_OTHER;
}

/* Adds the bytes that are alive at op `at` to the parts. */
static void count_parts(const rgc_graph *graph, const rgc_lifetime *lives, const int *last, rgc_memory_peak *peak) {
  for (int v = 0; v < graph->value_count; v++)
    if (lives[v].region == RGC_REGION_ACT && lives[v].first <= peak->op && peak->op <= last[v])
      peak->part_bytes[part_of(graph, &lives[v], &graph->values[v])] += lives[v].size_bytes;
}

/* change[i]: bytes that begin at op i less those that end before it. */
static void find_peak(const rgc_graph *graph, const int64_t *change, rgc_memory_peak *peak) {
  int64_t alive = 0;
  for (int i = 0; i < graph->op_count; i++) {
    alive += change[i];
    if (alive <= peak->bytes && peak->op >= 0) continue;
    peak->bytes = alive;
    peak->op = i;
  }
}

rgc_memory_peak rgc_memory_peak_of(const rgc_graph *graph, const rgc_lifetime *lives) {
  rgc_arena *scratch = rgc_arena_create();
  int64_t *change = RGC_NEW_ARRAY(scratch, int64_t, graph->op_count + 2);
  int *last = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1); /* an operand taken over ends one op earlier */
  for (int v = 0; v < graph->value_count; v++) last[v] = lives[v].last;
  for (int v = 0; v < graph->value_count; v++) {
    int operand = rgc_taken_over(graph, lives, v);
    if (operand >= 0) last[operand] = lives[operand].last - 1;
  }
  for (int v = 0; v < graph->value_count; v++) {
    if (lives[v].region != RGC_REGION_ACT || lives[v].first > last[v]) continue;
    change[lives[v].first] += lives[v].size_bytes;
    change[last[v] + 1] -= lives[v].size_bytes;
  }
  rgc_memory_peak peak = {.op = -1};
  find_peak(graph, change, &peak);
  count_parts(graph, lives, last, &peak);
  rgc_arena_destroy(scratch);
  return peak;
}

const char *rgc_part_word(rgc_part part) {
  static const char *const words[] = {"input", "packed", "partial", "saved", "gradient", "other"};
  return words[part];
}
