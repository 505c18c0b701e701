/* image.h: JPEG, PNG and WebP files as bytes, upright.
 *
 * Decoding is libjpeg-turbo's, libpng's and libwebp's; what is decoded equals what Pillow's convert("RGB") and convert("L") give of
 * the same file. On top of it: the orientation that a camera noted (EXIF), and limits, so that a small file cannot ask for much memory.
 * Every function works on memory of its own and may run on many threads at once; so problems come back as texts, and a caller
 * with a list of diagnostics uses rgc_image_read. */
#ifndef RGC_RUNTIME_DATA_IMAGE_H
#define RGC_RUNTIME_DATA_IMAGE_H
#include "runtime/data/transform.h"

enum {
  RGC_IMAGE_MAX_SIDE = 1 << 15,   /* pixels */
  RGC_IMAGE_MAX_PIXELS = 1 << 27, /* of a whole image; 402 MB as RGB */
  RGC_IMAGE_MAX_BYTES = 1 << 28   /* of a file */
};

typedef enum rgc_alpha { RGC_ALPHA_DROP, RGC_ALPHA_WHITE, RGC_ALPHA_BLACK } rgc_alpha;

typedef struct rgc_image_options {
  int channels;     /* wanted: 1 (gray) or 3 (RGB) */
  int shrink;       /* 1, 2, 4 or 8: a JPEG is decoded at 1 / shrink of its size, rounded up; others are not shrunk; 0 means 1 */
  rgc_alpha alpha;  /* transparent pixels: their colour as it is stored (as Pillow does), or on white, or on black */
  bool as_stored;   /* leave EXIF's orientation alone */
} rgc_image_options;

typedef struct rgc_image {
  rgc_image_shape shape;
  uint8_t *pixels; /* [height][width][channels] */
} rgc_image;

/* What a header says. */
typedef struct rgc_image_info {
  const char *format;        /* "JPEG", "PNG" or "WebP" */
  rgc_image_shape shape;     /* of the upright image; channels 1 for gray, else 3 */
  int orientation;           /* EXIF's, 1 (upright) to 8 */
} rgc_image_info;

/* NULL on success, else what is wrong with the file ("is no JPEG, PNG or WebP", "is truncated", ...), in `arena`. `info` is of the
 * header alone: its pixels may still be damaged. */
const char *rgc_image_probe(const uint8_t *bytes, size_t size_bytes, const rgc_image_options *options, rgc_arena *arena,
                            rgc_image_info *info);
const char *rgc_image_decode(const uint8_t *bytes, size_t size_bytes, const rgc_image_options *options, rgc_arena *arena,
                             rgc_image *image);
/* Channels 1 or 3 of an image of 1 to 4 (image_codec.h); the source itself if it has them. */
rgc_image rgc_image_convert(rgc_image image, int channels, rgc_alpha alpha, rgc_arena *arena);
/* NULL, or that an image is too large or empty ("is too large: ..."). */
const char *rgc_image_check_size(int64_t height, int64_t width, rgc_arena *arena);
/* The bytes of a file into `arena`, at most RGC_IMAGE_MAX_BYTES; NULL or what is wrong, as above. */
const char *rgc_image_slurp(const char *path, rgc_arena *arena, const uint8_t **bytes, size_t *size_bytes);
/* A file, decoded. False with file-read or data-format. */
bool rgc_image_read(const char *path, const rgc_image_options *options, rgc_arena *arena, rgc_image *image, rgc_diagnostics *diags);
/* Whether the name ends as that of an image file does: .jpg, .jpeg, .png, .webp, in any case. */
bool rgc_image_has_name(const char *name);
#endif
