/* dataset.h: labelled images, opened by a spec string "KIND:WHERE". The functions are public: rgc.h says what they do, and what the
 * kinds are. All is in memory after opening, of image files their names; a data set never changes then, so threads may fetch from it at
 * the same time. */
#ifndef RGC_RUNTIME_DATA_DATASET_H
#define RGC_RUNTIME_DATA_DATASET_H
#include "compiler/base/diag.h"
#include "runtime/data/image.h"
#include "runtime/rgc.h"

/* Sample `index` as u8 of 1 or 3 channels, whatever it is: a file is decoded, floats are clipped to 0..1. `options` may be NULL (RGB).
 * NULL on success, else what is wrong with the file. In `arena`. */
const char *rgc_dataset_image(const rgc_dataset *dataset, rgc_split split, int index, const rgc_image_options *options, rgc_arena *arena,
                              rgc_image *image);
#endif
