/* cuda_product.h: products of matrices that cuBLAS computes for a program on a GPU, instead of the kernels that the program has for the same ops.
 *
 * A matrix of rgc's is row-major, one of cuBLAS's column-major, so what cuBLAS sees is each matrix transposed, and the product with its sides exchanged:
 *
 *            rgc, row-major                                    cuBLAS, column-major: D[m,n] = op(A)[m,k] op(B)[k,n], m = cols, n = rows, k = depth
 *   out   [rows][cols]                                         D   m x n, ld m
 *   left  [rows][depth], or [depth][rows] read transposed      B   op N: k x n, ld k;  op T: n x k, ld n
 *   right [depth][cols], or [cols][depth] read transposed      A   op N: m x k, ld m;  op T: k x m, ld k
 *
 * A bias by column of rgc's is one by row of cuBLAS's, which is what its epilogue adds; an addend is its C, with beta 1.
 *
 * Which algorithm: what the record (cublas_record.h) says; else, where the target's rule is the library (target.h), the first that cuBLAS's heuristics name
 * whose bits do not depend on who comes first and which needs no more than the workspace; else, or where there is none, rgc's own kernel. No time is
 * taken on the way: it would choose other bits from run to run. rgc bench --tune takes it, and records what it found (cuda_tune.c). */
#ifndef RGC_DEVICE_CUDA_PRODUCT_H
#define RGC_DEVICE_CUDA_PRODUCT_H
#include "runtime/device/cublas_record.h"
#include "runtime/device/cuda_program.h"

/* What cuBLAS may use of the card's memory beside the matrices: what NVIDIA recommends for sm_90. */
enum { CUDA_CUBLAS_WORKSPACE_BYTES = 32 << 20, CUDA_CUBLAS_MOST_ALGORITHMS = 8 };

struct rgc_cuda_product {
  const rgc_cuda_call *call;
  const char *key, *of;    /* of, for messages: "the product of fc linear (line 17)" */
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a_layout, b_layout, d_layout; /* C is laid out as D */
  CUdeviceptr a, b, c, d;  /* c: the addend, or d, which then is not read */
  kernel_args round[2];    /* of the launches that round left and right */
  rgc_cublas_choice choice;
};

/* Bytes of workspace that a program's products take on this card; 0: it has none, or cuBLAS is not there, which is noted once a card. */
int64_t rgc_cuda_products_bytes(rgc_cuda_card *card, const rgc_cuda_code *code, rgc_diagnostics *diags);
/* Fills program->products, when all addresses are known. */
bool rgc_cuda_products_open(rgc_cuda_program *program, rgc_diagnostics *diags);
void rgc_cuda_products_close(rgc_cuda_program *program);
/* The op's product, if cuBLAS runs it in a step of which all samples count (`full`), or in one of which some do; NULL: its own launches run. */
const rgc_cuda_product *rgc_cuda_product_of(const rgc_cuda_program *program, int op, bool full);
/* Asks for the product by that algorithm, on `compute`. */
bool rgc_cuda_product_launch(rgc_cuda_program *program, const rgc_cuda_product *product, const rgc_cublas_choice *choice, rgc_diagnostics *diags);
/* Algorithms that may be chosen, best first by cuBLAS's estimate; returns how many, or -1 with a warning: cuBLAS refuses the question. */
int rgc_cuda_product_candidates(const rgc_cuda_program *program, const rgc_cuda_product *product, rgc_cublas_choice found[CUDA_CUBLAS_MOST_ALGORITHMS],
                                rgc_diagnostics *diags);
#endif
