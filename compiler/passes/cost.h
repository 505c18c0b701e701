/* cost.h: what a kernel takes, by shapes alone: arithmetic and memory traffic. */
#ifndef RGC_PASSES_COST_H
#define RGC_PASSES_COST_H
#include "compiler/graph/kernel.h"

/* Floating-point operations, two a multiply-add, of a direct contract; 0 for the other kinds, which move more than they compute. */
double rgc_kernel_flops(const rgc_kernel *kernel);
/* Of a contract that is a gradient "data" or "weights"; else NULL. */
const char *rgc_kernel_gradient(const rgc_kernel *kernel);
/* Bytes of all that the op reads and writes, each value once. */
int64_t rgc_op_bytes(const rgc_graph *graph, const rgc_op *op);
#endif
