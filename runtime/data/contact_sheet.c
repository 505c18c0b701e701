/* contact_sheet.c: see contact_sheet.h. Uses libpng's simplified writer, which reports errors by message. */
#include "runtime/data/contact_sheet.h"

#include <png.h>
#include <string.h>

enum { GAP = 2, MAX_SIDE = 1 << 15 };

bool rgc_png_write(const char *path, const uint8_t *pixels, rgc_image_shape shape, rgc_diagnostics *diags) {
  if (shape.channels != 1 && shape.channels != 3)
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, path, "only images of 1 or 3 channels can be written as PNG",
                         "an image of %d channels", shape.channels);
  png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)shape.width, .height = (png_uint_32)shape.height};
  image.format = shape.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, path, 0, pixels, 0, NULL)) return true;
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "check that the folder exists and has room",
                       "cannot write the PNG: %s", image.message);
}

/* Copies one image into the sheet with its top left corner at (top, left). */
static void paste(const uint8_t *image, rgc_image_shape shape, uint8_t *sheet, int sheet_width, int top, int left) {
  size_t row_bytes = (size_t)shape.width * (size_t)shape.channels;
  for (int y = 0; y < shape.height; y++) {
    size_t pixel = (size_t)(top + y) * (size_t)sheet_width + (size_t)left;
    memcpy(sheet + pixel * (size_t)shape.channels, image + (size_t)y * row_bytes, row_bytes);
  }
}

bool rgc_contact_sheet_write(const char *path, const rgc_dataset *dataset, rgc_split split, const int *indices, int count,
                             int columns, rgc_diagnostics *diags) {
  rgc_image_shape one = rgc_dataset_shape(dataset), sheet = one;
  int cell_height = one.height + 2 * GAP, cell_width = one.width + 2 * GAP;
  if (count < 1 || columns < 1 || columns > MAX_SIDE / cell_width || (count - 1) / columns >= MAX_SIDE / cell_height)
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, path, "ask for fewer samples", "no sheet of %d samples in %d columns",
                         count, columns);
  sheet.height = cell_height * ((count + columns - 1) / columns);
  sheet.width = cell_width * columns;
  size_t sheet_bytes = (size_t)sheet.height * (size_t)sheet.width * (size_t)sheet.channels;
  rgc_arena *scratch = rgc_arena_create();
  uint8_t *pixels = RGC_NEW_ARRAY(scratch, uint8_t, sheet_bytes);
  uint8_t *sample = RGC_NEW_ARRAY(scratch, uint8_t, rgc_dataset_sample_bytes(dataset));
  memset(pixels, 255, sheet_bytes);
  for (int i = 0; i < count; i++) {
    rgc_dataset_fetch(dataset, split, indices[i], sample);
    paste(sample, one, pixels, sheet.width, i / columns * cell_height + GAP, i % columns * cell_width + GAP);
  }
  bool ok = rgc_png_write(path, pixels, sheet, diags);
  rgc_arena_destroy(scratch);
  return ok;
}
