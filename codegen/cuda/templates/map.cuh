/* map.cuh: an expression at every point of a space, to be included once for each kernel.
 *
 * In, as macros (all are undefined at the end): KERNEL_NAME; what loop.cuh asks for; and
 *   KERNEL_BODY   void (args, n, h, w, c, float *partial): loads, computes, stores, and gives a value to each partial
 * Memory-bound: one pass over operands and results, each thread ROW channels of every BLOCK_ROWS-th pixel (loop.cuh). */
#include "codegen/cuda/templates/names.cuh"

DEV void FN(point)(const kernel_args *args, int n, int h, int w, int c, float *partial) { KERNEL_BODY(args, n, h, w, c, partial); }

#include "codegen/cuda/templates/loop.cuh"
#include "codegen/cuda/templates/names_end.cuh"
