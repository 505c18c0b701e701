/* image_webp.c: WebP images, lossy and lossless, by libwebp; of an animation the first frame, by libwebpdemux. The orientation is in a chunk of its own, found here: a RIFF file is
 * "RIFF", u32 size, "WEBP", then chunks of four letters, u32 size, data, padded to even sizes. */
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "runtime/data/image_codec.h"

static uint32_t read_u32(const uint8_t *at) { return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }

static int find_orientation(const uint8_t *bytes, size_t size) {
  enum { FILE_HEADER = 12, CHUNK_HEADER = 8 };
  for (size_t at = FILE_HEADER; at + CHUNK_HEADER <= size;) {
    size_t length = read_u32(bytes + at + 4), room = size - at - CHUNK_HEADER;
    if (length > room) return 0;
    const uint8_t *data = bytes + at + CHUNK_HEADER;
    if (!memcmp(bytes + at, "EXIF", 4)) {
      size_t skip = length > 6 && !memcmp(data, "Exif\0\0", 6) ? 6 : 0; /* some writers keep JPEG's prefix */
      return rgc_exif_orientation(data + skip, length - skip);
    }
    at += CHUNK_HEADER + length + length % 2;
  }
  return 0;
}

static const char damaged[] = "is a damaged WebP";

static const char *describe(VP8StatusCode status) {
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) return "is a damaged WebP: the file ends early";
  return status == VP8_STATUS_UNSUPPORTED_FEATURE ? "is a WebP of a kind that cannot be read" : damaged;
}

/* The first frame on the whole canvas, which is transparent where the frame is not; false where the file or the frame is damaged. */
static bool decode_first_frame(const uint8_t *bytes, size_t size, rgc_image *image) {
  WebPData data = {bytes, size};
  WebPAnimDecoderOptions options;
  WebPAnimInfo info;
  uint8_t *canvas = NULL; /* RGBA, the decoder's own */
  int timestamp, channels = image->shape.channels;
  if (!WebPAnimDecoderOptionsInit(&options)) return false;
  options.color_mode = MODE_RGBA;
  options.use_threads = 0;
  WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
  bool good = decoder && WebPAnimDecoderGetInfo(decoder, &info) && (int)info.canvas_width == image->shape.width &&
              (int)info.canvas_height == image->shape.height && WebPAnimDecoderGetNext(decoder, &canvas, &timestamp);
  size_t count = (size_t)image->shape.width * (size_t)image->shape.height;
  for (size_t i = 0; good && i < count; i++)
    for (int c = 0; c < channels; c++) image->pixels[i * (size_t)channels + (size_t)c] = canvas[4 * i + (size_t)c];
  WebPAnimDecoderDelete(decoder);
  return good;
}

const char *rgc_webp_codec(const uint8_t *bytes, size_t size, int shrink, rgc_arena *arena, rgc_image_stored *stored, rgc_image *image) {
  (void)shrink;
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(bytes, size, &features);
  if (status != VP8_STATUS_OK) return describe(status);
  const char *problem = rgc_image_check_size(features.height, features.width, arena);
  if (problem) return problem;
  int channels = features.has_alpha ? 4 : 3;
  stored->shape = (rgc_image_shape){features.height, features.width, channels};
  stored->orientation = find_orientation(bytes, size);
  if (!image) return NULL;
  size_t row_bytes = (size_t)features.width * (size_t)channels, total = row_bytes * (size_t)features.height;
  image->shape = stored->shape;
  image->pixels = rgc_arena_alloc(arena, total);
  if (features.has_animation) return decode_first_frame(bytes, size, image) ? NULL : damaged;
  uint8_t *done = channels == 4 ? WebPDecodeRGBAInto(bytes, size, image->pixels, total, (int)row_bytes)
                                : WebPDecodeRGBInto(bytes, size, image->pixels, total, (int)row_bytes);
  return done ? NULL : "is a damaged WebP: its pixels cannot be decoded, or the file ends early";
}
