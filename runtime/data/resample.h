/* resample.h: u8 images cut, turned over and resized, to the bit as Pillow does it.
 *
 * Resizing is Pillow's Image.resize (and so torchvision's Resize of images, which antialiases): separable, columns first, the filter
 * widened when shrinking, weights in fixed point of 22 bits, rounded to u8 after each direction. Images come from the arena given, and
 * an operation that has nothing to do returns its source. */
#ifndef RGC_RUNTIME_DATA_RESAMPLE_H
#define RGC_RUNTIME_DATA_RESAMPLE_H
#include "runtime/data/image.h"

typedef enum rgc_filter { RGC_FILTER_BILINEAR, RGC_FILTER_BICUBIC } rgc_filter;

/* Pixels; may reach beyond the image. */
typedef struct rgc_box {
  int top, left, height, width;
} rgc_box;

rgc_image rgc_image_resize(rgc_image src, int height, int width, rgc_filter filter, rgc_arena *arena);
/* What lies outside of the source is 0. */
rgc_image rgc_image_crop(rgc_image src, rgc_box box, rgc_arena *arena);
rgc_image rgc_image_flip(rgc_image src, rgc_arena *arena); /* left and right */
/* The least size in the image's proportions that covers height x width, rounded down: with equal sides torchvision's Resize(side). It may be
 * larger than an image may be (rgc_image_check_size). */
void rgc_image_cover_size(rgc_image_shape shape, int height, int width, int64_t *covering_height, int64_t *covering_width);
/* Resized (bilinear) to cover the size and cut in the middle; false, and unchanged, where the covering size is too large. */
bool rgc_image_fill(rgc_image *image, int height, int width, rgc_arena *arena);
/* The middle of a size as torchvision's CenterCrop finds it: the offset is rounded to the nearest even. */
rgc_box rgc_image_center_box(rgc_image_shape shape, int height, int width);
#endif
