/* tensor_map.h: a tensor map of TMA as codegen says it and devices make it (cuTensorMapEncodeTiled, cuTensorMapEncodeIm2col; runtime/device/emu/tma.c).
 *
 * Of bf16 that lies dense, with the innermost dimension first. A box is 64 elements of it wide, 128 bytes, in the 128-byte swizzle; what is
 * outside the tensor is zero. Tiled boxes are box[1] x box[2] rows; im2col boxes are `pixels` rows, as prelude.cuh says at tma_load_im2col. */
#ifndef RGC_CODEGEN_CUDA_TENSOR_MAP_H
#define RGC_CODEGEN_CUDA_TENSOR_MAP_H
#include <stddef.h>
#include <stdint.h>

enum { RGC_TENSOR_BOX_ELEMS = 64, RGC_TENSOR_MAP_BYTES = 128, RGC_TENSOR_MAP_ALIGN = 64, RGC_TENSOR_MAP_IM2COL = 4 };

typedef struct rgc_tensor_map {
  int input;        /* of the launch's op: where the tensor is */
  int rank;         /* 2 or 3: tiled; RGC_TENSOR_MAP_IM2COL: of C, W, H, N */
  int64_t size[4];  /* elements of each dimension, the innermost first; size[0] is a multiple of 8, as rows lie 16-aligned */
  int box[3];       /* tiled: elements of a box, box[0] is RGC_TENSOR_BOX_ELEMS; each at most 256 */
  int pixels;       /* im2col: of a box, at most 1024 */
  int lower[2], upper[2]; /* im2col, w and h: pixels of a box begin at lower to size - 1 + upper, -128 to 127 */
  int stride;             /* im2col: of w and of h, from one pixel of a box to the next; 1 to 8 */
} rgc_tensor_map;

/* Where in a kernel's parameter its tensor maps begin, behind `args_bytes` of other arguments; and the bytes of all of it. */
static inline size_t rgc_tensor_maps_offset(size_t args_bytes) { return (args_bytes + RGC_TENSOR_MAP_ALIGN - 1) / RGC_TENSOR_MAP_ALIGN * RGC_TENSOR_MAP_ALIGN; }
static inline size_t rgc_tensor_args_bytes(size_t args_bytes, int map_count) {
  return map_count ? rgc_tensor_maps_offset(args_bytes) + (size_t)map_count * RGC_TENSOR_MAP_BYTES : args_bytes;
}
#endif
