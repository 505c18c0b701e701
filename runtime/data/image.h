/* image.h: image files as bytes. */
#ifndef RGC_RUNTIME_DATA_IMAGE_H
#define RGC_RUNTIME_DATA_IMAGE_H
#include "runtime/data/transform.h"

enum { RGC_IMAGE_MAX_SIDE = 16384 };

/* Reads a PNG into `arena` as u8[height][width][channels]; channels 1 (gray) or 3 (RGB, on white where it is transparent). NULL with
 * file-read or data-format. */
uint8_t *rgc_png_read(const char *path, int channels, rgc_arena *arena, rgc_image_shape *shape, rgc_diagnostics *diags);
#endif
