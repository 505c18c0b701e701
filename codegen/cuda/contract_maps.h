/* contract_maps.h: how TMA brings the operands of a contract over pixels to contract_wgmma.cuh, and of a weight gradient to contract_weights_wgmma.cuh. */
#ifndef RGC_CODEGEN_CUDA_CONTRACT_MAPS_H
#define RGC_CODEGEN_CUDA_CONTRACT_MAPS_H
#include "codegen/cuda/tensor_map.h"
#include "compiler/base/arena.h"
#include "compiler/graph/kernel.h"

enum { RGC_MAX_STREAMS = 3 };

typedef struct rgc_contract_maps {
  int streams, inputs[RGC_MAX_STREAMS]; /* in: tensors over A's space, by the op's inputs */
  int weight_input;                     /* in */
  int block_m, block_n;                 /* in: pixels and channels of a box */
  bool tiled;                           /* out: 1x1 of stride 1: pixels are rows of a matrix */
  int sets;                             /* out: of maps of the streams: 1, or one for each residue */
  int count;                            /* out: sets * streams + 1, of items[]: set by set, then the weight's */
  rgc_tensor_map *items;
} rgc_contract_maps;

typedef struct rgc_weights_maps {
  int a_streams, a_inputs[RGC_MAX_STREAMS]; /* in: tensors over A's space, by the op's inputs */
  int b_streams, b_inputs[RGC_MAX_STREAMS]; /* in: over B's */
  int pixels;                               /* in: of a box */
  bool tiled;                               /* out: 1x1 of stride 1: A's pixels are rows of a matrix */
  int count;                                /* out: a_streams + b_streams, of items[] */
  rgc_tensor_map *items;
} rgc_weights_maps;

/* TAP_STEP of contract.cuh. */
int64_t rgc_cuda_tap_step(const rgc_geometry *geometry);
/* False where TMA cannot: channels that are no multiple of 8, or (of groups) no whole steps of 64; strides over 8, taps too far apart. */
bool rgc_cuda_contract_maps(const rgc_kernel *kernel, rgc_contract_maps *maps, rgc_arena *arena);
/* False where TMA cannot: channels of a group that are no multiple of 8; strides over 8, taps too far apart. */
bool rgc_cuda_weights_maps(const rgc_kernel *kernel, rgc_weights_maps *maps, rgc_arena *arena);
#endif
