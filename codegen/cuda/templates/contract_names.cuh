/* contract_names.cuh: what follows from the constants of a contract; included again by each, contract_names_end.cuh undefines it. */
#include "codegen/cuda/templates/names.cuh"
#define GROUP_A (A_C / GROUPS)
#define OUT_STEP (TRANSPOSED ? STRIDE : 1)
#define A_STEP (TRANSPOSED ? 1 : STRIDE)
#define A_TAP_STEP (TRANSPOSED ? -(TAP_STEP * DILATION / STRIDE) : DILATION)
#define THREADS (BLOCK_M / THREAD_M * (BLOCK_N / THREAD_N))
