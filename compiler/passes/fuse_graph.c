/* fuse_graph.c: see fuse_graph.h: readers and producers, kept up to date as kernels change. */
#include "compiler/passes/fuse_graph.h"

#include <stdarg.h>

rgc_body **rgc_fuse_stage(rgc_kernel *kernel, int stage) {
  rgc_body **stages[RGC_STAGES] = {&kernel->a, &kernel->b, &kernel->tap, &kernel->epi};
  return stages[stage];
}

static void add_reader(rgc_fuser *f, int value, int op) {
  rgc_fuse_list *list = &f->readers[value];
  for (int i = 0; i < list->count; i++)
    if (list->items[i] == op) return;
  *RGC_PUSH(f->arena, list->items, list->count, list->capacity) = op;
}

static void drop_reader(rgc_fuser *f, int value, int op) {
  rgc_fuse_list *list = &f->readers[value];
  for (int i = 0; i < list->count; i++)
    if (list->items[i] == op) list->items[i--] = list->items[--list->count];
}

void rgc_fuse_link(rgc_fuser *f, int i) {
  rgc_kernel *kernel = f->kernels[i];
  for (int s = 0; s < RGC_STAGES; s++) {
    rgc_body *body = *rgc_fuse_stage(kernel, s);
    for (int k = 0; body && k < body->operand_count; k++) add_reader(f, body->operands[k].value, i);
  }
  if (kernel->weight >= 0) add_reader(f, kernel->weight, i);
  for (int k = 0; k < kernel->store_count; k++) {
    int value = kernel->stores[k].value;
    f->producer[value] = i;
    if (f->graph->values[value].updates >= 0) f->updater[f->graph->values[value].updates] = i;
  }
}

void rgc_fuse_unlink(rgc_fuser *f, int i) {
  rgc_kernel *kernel = f->kernels[i];
  for (int s = 0; s < RGC_STAGES; s++) {
    rgc_body *body = *rgc_fuse_stage(kernel, s);
    for (int k = 0; body && k < body->operand_count; k++) drop_reader(f, body->operands[k].value, i);
  }
  if (kernel->weight >= 0) drop_reader(f, kernel->weight, i);
  for (int k = 0; k < kernel->store_count; k++)
    if (f->producer[kernel->stores[k].value] == i) f->producer[kernel->stores[k].value] = -1;
}

bool rgc_fuse_body_reads(const rgc_body *body, int value) {
  for (int i = 0; body && i < body->operand_count; i++)
    if (body->operands[i].value == value) return true;
  return false;
}

bool rgc_fuse_is_temp(const rgc_fuser *f, int value) {
  const rgc_value *v = &f->graph->values[value];
  return v->role == RGC_ROLE_TEMP && v->updates < 0 && v->layout.kind == RGC_LAYOUT_NHWC;
}

int64_t rgc_fuse_bytes(const rgc_fuser *f, int value) {
  const rgc_value *v = &f->graph->values[value];
  return rgc_shape_elems(v->shape) * rgc_dtype_bytes(v->dtype);
}

void rgc_fuse_note(rgc_fuser *f, int op, const char *format, ...) {
  if (!f->ledger) return;
  va_list args;
  va_start(args, format);
  char *message = rgc_arena_vprintf(f->arena, format, args);
  va_end(args);
  const rgc_op *at = &f->ops[op];
  rgc_text_printf(f->ledger, "%s%s line %d: %s\n", at->layer && *at->layer ? at->layer : "-", at->backward ? " (backward)" : "", at->line, message);
}
