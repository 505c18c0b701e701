/* contact_sheet.h: images as PNG, alone or as a grid of a data set's samples, to see what the network is shown. */
#ifndef RGC_RUNTIME_DATA_CONTACT_SHEET_H
#define RGC_RUNTIME_DATA_CONTACT_SHEET_H
#include "runtime/data/dataset.h"

/* pixels: u8[height][width][channels], 1 channel gray or 3 RGB. Errors: bad-value, file-write. */
bool rgc_png_write(const char *path, const uint8_t *pixels, rgc_image_shape shape, rgc_diagnostics *diags);
/* The samples indices[0..count) of the split, row by row, `columns` in a row, 2 white pixels around each. */
bool rgc_contact_sheet_write(const char *path, const rgc_dataset *dataset, rgc_split split, const int *indices, int count,
                             int columns, rgc_diagnostics *diags);
#endif
