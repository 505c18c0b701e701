/* contact_sheet.h: images as PNG, alone or as a titled grid of a data set's samples, to see what the network is shown. */
#ifndef RGC_RUNTIME_DATA_CONTACT_SHEET_H
#define RGC_RUNTIME_DATA_CONTACT_SHEET_H
#include "runtime/data/dataset.h"

/* pixels: u8[height][width][channels], 1 channel gray or 3 RGB. Errors: bad-value, file-write. */
bool rgc_png_write(const char *path, const uint8_t *pixels, rgc_image_shape shape, rgc_diagnostics *diags);

typedef struct rgc_sheet_cell {
  int index;          /* of the sample in the split; -1: an empty cell */
  const char *title;  /* above the image; NULL: none */
  const char *note;   /* a gray line between title and image; NULL: none */
  uint32_t title_rgb; /* 0xrrggbb */
} rgc_sheet_cell;

typedef struct rgc_sheet {
  rgc_split split;
  const rgc_sheet_cell *cells; /* [count], row by row */
  int count, columns;
  const char *const *row_titles; /* one for each row, to its left; NULL: none */
} rgc_sheet;

/* As RGB on white. Small images are drawn in larger pixels, 84 or more a side, if the sheet has room. A column is as wide as its
 * image or the longest title, which is cut after 20 characters. Errors: bad-value (too many samples, not 1 or 3 channels),
 * file-write. */
bool rgc_contact_sheet_write(const char *path, const rgc_dataset *dataset, const rgc_sheet *sheet, rgc_diagnostics *diags);
#endif
