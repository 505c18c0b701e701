/* matmul.h: kernels that are one matrix product, which a library of them (cuBLAS) can run as well as a kernel of rgc's own.
 *
 *   out[rows][cols] = relu(sum over depth of left * right + bias[cols] + addend[rows][cols])     bias, addend and relu only where there are such
 *
 *   contract                 rows       cols       depth      left                   right
 *   1x1, linear              pixels     O          taps * I   A[rows][depth]         W[cols][depth], read transposed
 *   their data gradient      pixels     taps * I   O          dY[rows][depth]        W[depth][cols]
 *   their weight gradient    O          taps * I   pixels     dY[depth][rows], r.t.  A[depth][cols]
 *
 * All matrices are dense and row-major, as NHWC has them: a linear layer over H x W pixels has H * W taps, and its image is one row. What makes
 * a contract such a product: one group, stride 1 without padding, nothing in its prologue and in its epilogue but what stands above. The
 * kernel stays in the program as it is, so who has no library runs it as any other. */
#ifndef RGC_PASSES_MATMUL_H
#define RGC_PASSES_MATMUL_H
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"

typedef struct rgc_matmul {
  int64_t rows, cols, depth;
  int left, right; /* value ids; in a graph of bf16 one may be f32 (one number a sample and channel): it is to be rounded first */
  bool left_transposed, right_transposed;
  int bias, addend; /* value ids of the output's type; -1: none. The addend may lie where the output does */
  bool relu;
  int output;       /* value id */
  bool sums_samples; /* depth counts samples: the product is right only where all of them count */
} rgc_matmul;

/* False: the op is no such product, or the target has no library. */
bool rgc_matmul_find(const rgc_graph *graph, const rgc_op *op, const rgc_target *target, rgc_matmul *to);
/* "64 x 1000 x 2048, with a bias": rows, cols, depth. */
void rgc_matmul_print(const rgc_matmul *product, rgc_text *out);
#endif
