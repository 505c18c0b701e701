/* cost.c: see cost.h. */
#include "compiler/passes/cost.h"

#include "compiler/passes/memory.h"

double rgc_kernel_flops(const rgc_kernel *kernel) {
  if (kernel->kind != RGC_CONTRACT) return 0;
  const rgc_geometry *g = &kernel->geometry;
  const int64_t *pixels = kernel->form == RGC_WEIGHTS ? kernel->b_extent : g->transposed ? kernel->a_extent : kernel->extent;
  const int64_t *other = kernel->form == RGC_WEIGHTS || !g->transposed ? kernel->a_extent : kernel->extent;
  return 2.0 * (double)rgc_shape_elems(pixels) * (double)(g->kernel_h * g->kernel_w * other[RGC_C] / g->groups);
}

static int64_t bytes_of(const rgc_graph *graph, const int *values, int count) {
  int64_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += rgc_value_storage_bytes(&graph->values[values[i]]);
  return bytes;
}

int64_t rgc_op_bytes(const rgc_graph *graph, const rgc_op *op) {
  return bytes_of(graph, op->inputs, op->input_count) + bytes_of(graph, op->outputs, op->output_count);
}

const char *rgc_kernel_gradient(const rgc_kernel *kernel) {
  if (kernel->kind != RGC_CONTRACT) return NULL;
  return kernel->form == RGC_WEIGHTS ? "weights" : kernel->geometry.transposed ? "data" : NULL;
}
