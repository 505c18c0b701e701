/* rewrite.h: for passes that put kernels before, after or in place of those of a graph.
 *
 * A graph's op ids are positions, so a pass takes the list out, and appends old and new ops in the order they shall have. */
#ifndef RGC_PASSES_REWRITE_H
#define RGC_PASSES_REWRITE_H
#include "compiler/graph/kernel.h"

typedef struct rgc_old_ops {
  const rgc_op *items;
  int count;
} rgc_old_ops;

/* Takes all ops out; values lose their definitions. */
rgc_old_ops rgc_take_ops(rgc_graph *graph);
/* Appends a copy of `op` whose inputs and outputs are those its kernel names now. */
rgc_op *rgc_append_kernel(rgc_graph *graph, const rgc_op *op, rgc_kernel *kernel);
/* A kernel with stores of its own. Its bodies are those of the other as long as both stand: they may be replaced, not changed. */
rgc_kernel *rgc_kernel_copy(const rgc_kernel *kernel, rgc_arena *arena);
/* A map over the shape of `output` into it, whose body is still empty. */
rgc_kernel *rgc_kernel_map(const rgc_graph *graph, int output, rgc_arena *arena);
#endif
