/* transform.h: a sample's bytes to the network's input.
 *
 * u8 HWC -> /255 -> channel count -> bilinear resize -> (v - mean) / std -> float HWC, one image of an NHWC batch. The steps
 * and their order are torchvision's for tensors (ConvertImageDtype, Resize, Normalize), and the values are equal to within
 * float rounding. A transform is made once for a pair of shapes and never changes, so threads may share it; each brings its
 * own workspace. */
#ifndef RGC_RUNTIME_DATA_TRANSFORM_H
#define RGC_RUNTIME_DATA_TRANSFORM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"
#include "runtime/rgc.h"

typedef struct rgc_transform_options {
  rgc_image_shape src, dst;
  bool src_is_float;   /* samples are float32 already, as u8 / 255 would be */
  bool antialias;      /* widen the filter when shrinking (torchvision's antialias=True) */
  const float *mean;   /* [dst.channels], NULL for 0 */
  const float *stddev; /* [dst.channels], NULL for 1 */
} rgc_transform_options;

typedef struct rgc_transform rgc_transform;

/* In `arena`; the options' arrays are copied. NULL and bad-value when the shapes have no conversion: channel counts may be
 * equal, 1 to n (repeated), or 3 to 1 (0.2989 R + 0.587 G + 0.114 B, torchvision's rgb_to_grayscale). */
rgc_transform *rgc_transform_create(const rgc_transform_options *options, rgc_arena *arena, rgc_diagnostics *diags);
size_t rgc_transform_workspace_floats(const rgc_transform *transform);
/* src: u8[src.height][src.width][src.channels] (or float, src_is_float); dst: float[dst.height][dst.width][dst.channels]. */
void rgc_transform_apply(const rgc_transform *transform, const void *src, float *workspace, float *dst);
#endif
