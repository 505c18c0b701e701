/* emit_contract.h: what the files that print contracts over pixels share. */
#ifndef RGC_CODEGEN_CUDA_EMIT_CONTRACT_H
#define RGC_CODEGEN_CUDA_EMIT_CONTRACT_H
#include "codegen/cuda/emit_kernel.h"

/* What a block computes: m by n, by k at a time; and what a thread has of it. */
typedef struct rgc_block_shape {
  int m, n, k, thread_m, thread_n;
  int stages; /* steps in shared memory at once: tensor cores; 0: none */
} rgc_block_shape;

/* The operand that a root is, as it lies, in the type that tensor cores take; NULL where there is a prologue. */
const rgc_operand *rgc_cuda_plain_operand(const rgc_cuda_text *k, const rgc_body *body, int root, const int64_t extent[RGC_AXES]);
/* What contract_walk.cuh asks for, the epilogue of `row` channels at a time included. False: too many partials. */
bool rgc_cuda_define_walk(rgc_cuda_text *k, const rgc_block_shape *shape, int row);
/* Blocks of a contract over pixels. */
int64_t rgc_cuda_walk_blocks(const rgc_kernel *kernel, const rgc_block_shape *shape);

/* Prints the contract with TMA and wgmma (contract_wgmma.cuh) where the target has them and they can do it; else does nothing, *taken is false. */
bool rgc_cuda_emit_wgmma(rgc_cuda_text *k, bool *taken);
#endif
