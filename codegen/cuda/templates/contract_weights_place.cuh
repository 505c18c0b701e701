/* contract_weights_place.cuh: what a block of a weight gradient works on.
 *
 *   acc[j, o] = sum over pixels p of A[p at tap, channel] * B[p, o];  j = (r, s, i): taps and input channels, o: output channels of one group
 *
 * Included again by each such template, so it has no guard; contract_weights_walk.cuh says what it asks for. */
#include "codegen/cuda/templates/contract_names.cuh"
#define GROUP_OUT (OUT_N / GROUPS)
#define ALL_J (OUT_H * OUT_W * GROUP_A)
#define BLOCKS_J ((ALL_J + BLOCK_M - 1) / BLOCK_M)
#define BLOCKS_O ((GROUP_OUT + BLOCK_N - 1) / BLOCK_N)
#define PART_PIXELS (((A_N * B_H * B_W + SPLITS - 1) / SPLITS + BLOCK_K - 1) / BLOCK_K * BLOCK_K)

/* Where a block works. */
typedef struct FN(place) {
  int group, j, o; /* from where on: j and o of the group */
  int first, last; /* pixels */
} FN(place);
