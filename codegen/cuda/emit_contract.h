/* emit_contract.h: what the files that print contracts over pixels share. */
#ifndef RGC_CODEGEN_CUDA_EMIT_CONTRACT_H
#define RGC_CODEGEN_CUDA_EMIT_CONTRACT_H
#include "codegen/cuda/contract_maps.h"
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

/* What follows the parts of a weight gradient: the launch that merges them. */
void rgc_cuda_emit_merge(rgc_cuda_text *k, int64_t parts);
/* The weight's space, into how many parts the pixels are cut, and that there are no partial sums. */
void rgc_cuda_define_weights(rgc_cuda_text *k, int64_t parts);

/* A body whose tensors of bf16 over the whole space TMA brings. */
typedef struct rgc_cuda_streams {
  int *given;                    /* by its operands: which stream; -1: the kernel loads it */
  int count, inputs[RGC_MAX_STREAMS]; /* by the op's inputs */
  bool prologue;                 /* it is not stream 0 as it lies */
} rgc_cuda_streams;
/* False: there are none, too many, or some that are not bf16. */
bool rgc_cuda_find_streams(const rgc_cuda_text *k, const rgc_body *body, int root, const int64_t extent[RGC_AXES], rgc_cuda_streams *found);

enum { RGC_WGMMA_LEAST_OUT = 33 }; /* output channels: fewer leave half of a tile empty */
/* Stages of so many bytes that fit, with their barriers, where an SM holds so many blocks. */
int rgc_cuda_wgmma_stages(int blocks, int stage_bytes);

/* Prints the contract with TMA and wgmma (contract_wgmma.cuh) where the target has them and they can do it; else does nothing, *taken is false. */
bool rgc_cuda_emit_wgmma(rgc_cuda_text *k, bool *taken);
/* The same of a weight gradient (contract_weights_wgmma.cuh); false: it was not taken. */
bool rgc_cuda_emit_weights_wgmma(rgc_cuda_text *k);
#endif
