/* image_codec.h: what image.c and the readers of the formats share; for these files only.
 *
 * A codec decodes as stored, in the channels the file has: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha. image.c brings them to
 * what is wanted, and turns the image upright. */
#ifndef RGC_RUNTIME_DATA_IMAGE_CODEC_H
#define RGC_RUNTIME_DATA_IMAGE_CODEC_H
#include "runtime/data/image.h"

typedef struct rgc_image_stored {
  rgc_image_shape shape; /* as stored, at full size; channels 1 to 4 */
  int orientation;       /* EXIF's; 0: none */
} rgc_image_stored;

/* With image NULL: only the header, into `stored`. Else the pixels too; image->shape may be smaller than stored's (shrink). NULL or what
 * is wrong. */
typedef const char *rgc_image_codec(const uint8_t *bytes, size_t size_bytes, int shrink, rgc_arena *arena, rgc_image_stored *stored,
                                    rgc_image *image);
rgc_image_codec rgc_jpeg_codec, rgc_png_codec, rgc_webp_codec;

/* The orientation in a TIFF structure (what follows "Exif\0\0" in a JPEG, the whole chunk in PNG and WebP); 0 if it has none. */
int rgc_exif_orientation(const uint8_t *tiff, size_t size_bytes);
#endif
