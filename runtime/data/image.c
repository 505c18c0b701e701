/* image.c: see image.h. libpng does the reading, through its simplified interface. */
#include "runtime/data/image.h"

#include <errno.h>
#include <png.h>
#include <string.h>
#include <unistd.h>

static uint8_t *refuse(png_image *image, const char *path, rgc_diagnostics *diags, const char *why) {
  rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "PNG images can be read", "%s", why);
  png_image_free(image);
  return NULL;
}

uint8_t *rgc_png_read(const char *path, int channels, rgc_arena *arena, rgc_image_shape *shape, rgc_diagnostics *diags) {
  png_image image = {.version = PNG_IMAGE_VERSION};
  png_color white = {255, 255, 255};
  if (access(path, R_OK)) {
    rgc_diag_fail(diags, RGC_CODE_FILE_READ, path, NULL, "cannot be read: %s", strerror(errno));
    return NULL;
  }
  if (!png_image_begin_read_from_file(&image, path)) return refuse(&image, path, diags, image.message);
  if (image.width > RGC_IMAGE_MAX_SIDE || image.height > RGC_IMAGE_MAX_SIDE) return refuse(&image, path, diags, "the image is too large");
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  uint8_t *pixels = rgc_arena_alloc(arena, PNG_IMAGE_SIZE(image));
  if (!png_image_finish_read(&image, &white, pixels, 0, NULL)) return refuse(&image, path, diags, image.message);
  *shape = (rgc_image_shape){(int)image.height, (int)image.width, channels == 1 ? 1 : 3};
  return pixels;
}
