/* contract_weights_place.cuh: what a block of a weight gradient works on.
 *
 *   acc[j, o] = sum over pixels p of A[p at tap, channel] * B[p, o];  j = (r, s, i): taps and input channels, o: output channels of one group
 *
 * Included again by each such template, so it has no guard; contract_weights_walk.cuh says what it asks for. */
#include "codegen/cuda/templates/contract_names.cuh"
#define GROUP_OUT (OUT_N / GROUPS)
#define ALL_J (OUT_H * OUT_W * GROUP_A)
/* Columns j that the channels of one tap have: GROUP_A, or more where a template takes 64 at once and leaves the last of them empty. */
#ifndef TAP_COLUMNS
#define TAP_COLUMNS GROUP_A
#endif
#define BLOCKS_J ((OUT_H * OUT_W * TAP_COLUMNS + BLOCK_M - 1) / BLOCK_M)
#define BLOCKS_O ((GROUP_OUT + BLOCK_N - 1) / BLOCK_N)
#define PART_PIXELS (((A_N * B_H * B_W + SPLITS - 1) / SPLITS + BLOCK_K - 1) / BLOCK_K * BLOCK_K)

/* Where a block works. */
typedef struct FN(place) {
  int part, group, j, o; /* part of the pixels; from where on: j and o of the group */
  int first, last;       /* pixels */
} FN(place);

DEV FN(place) FN(find_place)(const kernel_args *args) {
  const int block = (int)blockIdx.x;
  FN(place) at;
  at.part = block / (BLOCKS_O * BLOCKS_J * GROUPS);
  at.o = block % BLOCKS_O * BLOCK_N;
  at.j = block / BLOCKS_O % BLOCKS_J * BLOCK_M;
  at.group = block / (BLOCKS_O * BLOCKS_J) % GROUPS;
  at.first = at.part * PART_PIXELS;
  at.last = int_min((A_SAMPLES ? int_min(args->step->valid, A_N) : A_N) * B_H * B_W, at.first + PART_PIXELS);
  return at;
}
