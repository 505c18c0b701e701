/* decompose_build.c: opening, filling and closing a kernel (decompose_build.h).
 *
 * Nothing here knows a composite op. Inputs of the closed op follow the order of first use: bodies a, b, tap, epi, then the
 * weight; outputs follow the stores. */
#include "compiler/passes/decompose_build.h"

#include <string.h>

#include "compiler/passes/rewrite.h"

const int64_t *rgc_decompose_shape(const rgc_decomposer *d, int id) { return d->graph->values[id].shape; }

int rgc_decompose_temp(rgc_decomposer *d, const char *suffix, const int64_t shape[RGC_AXES]) {
  const char *base = d->graph->values[d->op->outputs[0]].name;
  char *name = rgc_arena_printf(d->graph->arena, "%s.%s", base, suffix);
  return rgc_graph_value(d->graph, name, RGC_F32, RGC_ROLE_TEMP, shape);
}

rgc_kernel *rgc_decompose_kernel(rgc_decomposer *d, rgc_kernel_kind kind, const int64_t extent[RGC_AXES]) {
  rgc_kernel *kernel = RGC_NEW(d->graph->arena, rgc_kernel);
  kernel->kind = kind;
  memcpy(kernel->extent, extent, sizeof kernel->extent);
  kernel->weight = -1;
  kernel->b_root = -1;
  for (int k = 0; k < RGC_MAX_ROOTS; k++) kernel->a_roots[k] = kernel->tap_roots[k] = -1;
  kernel->epi = rgc_body_create(d->graph->arena);
  kernel->stores = RGC_NEW_ARRAY(d->graph->arena, rgc_store, RGC_DECOMPOSE_MAX_STORES);
  return kernel;
}

void rgc_decompose_a_space(rgc_decomposer *d, rgc_kernel *kernel, const int64_t extent[RGC_AXES]) {
  memcpy(kernel->a_extent, extent, sizeof kernel->a_extent);
  kernel->a = rgc_body_create(d->graph->arena);
}

int rgc_decompose_root(rgc_kernel *kernel, int node, double fill) {
  if (kernel->a_root_count == RGC_MAX_ROOTS) rgc_internal_error("decompose", "more than %d roots", RGC_MAX_ROOTS);
  kernel->a_roots[kernel->a_root_count] = node;
  kernel->a_fill[kernel->a_root_count] = fill;
  return kernel->a_root_count++;
}

int rgc_decompose_accumulate(rgc_kernel *kernel, rgc_combine combine, int tap_root) {
  if (kernel->acc_count == RGC_MAX_ROOTS) rgc_internal_error("decompose", "more than %d accumulators", RGC_MAX_ROOTS);
  kernel->combine[kernel->acc_count] = combine;
  kernel->tap_roots[kernel->acc_count] = tap_root;
  return kernel->acc_count++;
}

void rgc_decompose_store(rgc_kernel *kernel, rgc_store_kind kind, int value, int node) {
  if (kernel->store_count == RGC_DECOMPOSE_MAX_STORES) rgc_internal_error("decompose", "too many stores");
  kernel->stores[kernel->store_count++] = (rgc_store){.kind = kind, .value = value, .node = node};
}

void rgc_decompose_emit(rgc_decomposer *d, rgc_kernel *kernel) { rgc_append_kernel(d->graph, d->op, kernel); }

int rgc_decompose_load(const rgc_decomposer *d, rgc_body *body, int value, const int64_t extent[RGC_AXES]) {
  rgc_view view = rgc_view_broadcast(rgc_decompose_shape(d, value), extent);
  return rgc_body_load(body, value, &view);
}

int rgc_decompose_unary(rgc_body *body, rgc_expr_kind kind, int a) { return rgc_body_node(body, kind, a, -1, -1); }

int rgc_decompose_binary(rgc_body *body, rgc_expr_kind kind, int a, int b) { return rgc_body_node(body, kind, a, b, -1); }

int rgc_decompose_scaled(rgc_body *body, int a, double factor) {
  return rgc_decompose_binary(body, RGC_EXPR_MUL, a, rgc_body_const(body, factor));
}

int rgc_decompose_masked(rgc_body *body, int node, double otherwise) {
  int sample = rgc_body_leaf(body, RGC_EXPR_COORD, RGC_N);
  int valid = rgc_body_leaf(body, RGC_EXPR_SCALAR, RGC_SCALAR_N_VALID);
  int inside = rgc_decompose_binary(body, RGC_EXPR_LT, sample, valid);
  return rgc_body_node(body, RGC_EXPR_SELECT, inside, node, rgc_body_const(body, otherwise));
}
