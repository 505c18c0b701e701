/* image_codec.c: what the readers of the formats share; see image_codec.h. */
#include "runtime/data/image_codec.h"

#include <inttypes.h>
#include <string.h>

const char *rgc_image_check_size(int64_t height, int64_t width, rgc_arena *arena) {
  if (height < 1 || width < 1) return rgc_arena_printf(arena, "is an image of %" PRId64 "x%" PRId64 " pixels", width, height);
  if (height <= RGC_IMAGE_MAX_SIDE && width <= RGC_IMAGE_MAX_SIDE && height * width <= RGC_IMAGE_MAX_PIXELS) return NULL;
  return rgc_arena_printf(arena, "is too large: %" PRId64 "x%" PRId64 " pixels; at most %d a side and %d in all", width, height,
                          (int)RGC_IMAGE_MAX_SIDE, (int)RGC_IMAGE_MAX_PIXELS);
}

static uint32_t read_number(const uint8_t *at, int count, bool little) {
  uint32_t number = 0;
  for (int i = 0; i < count; i++) number = number << 8 | at[little ? count - 1 - i : i];
  return number;
}

/* TIFF: "II*\0" or "MM\0*", u32 offset of the first directory; there u16 count, entries of 12 bytes: u16 tag, u16 type, u32 count,
 * value. The orientation is tag 0x0112, a u16. */
int rgc_exif_orientation(const uint8_t *tiff, size_t size) {
  enum { HEADER = 8, ENTRY = 12, TAG = 0x0112, U16 = 3 };
  if (size < HEADER || (memcmp(tiff, "II*\0", 4) && memcmp(tiff, "MM\0*", 4))) return 0;
  bool little = tiff[0] == 'I';
  size_t at = read_number(tiff + 4, 4, little);
  if (at > size || size - at < 2) return 0;
  size_t entries = read_number(tiff + at, 2, little), room = (size - at - 2) / ENTRY;
  for (size_t i = 0; i < entries && i < room; i++) {
    const uint8_t *entry = tiff + at + 2 + i * ENTRY;
    if (read_number(entry, 2, little) != TAG || read_number(entry + 2, 2, little) != U16) continue;
    int orientation = (int)read_number(entry + 8, 2, little);
    return orientation >= 1 && orientation <= 8 ? orientation : 0;
  }
  return 0;
}
