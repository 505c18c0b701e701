/* strokes.h: QuickDraw's two stroke files, the simplified .ndjson and the binary .bin, as rgc_drawings.
 *
 * Both hold the same drawings. A record that breaks the format is an error that names the file and the drawing (and for
 * .ndjson the line): a data set is never read in part without a word. */
#ifndef RGC_RUNTIME_DATA_STROKES_H
#define RGC_RUNTIME_DATA_STROKES_H
#include "runtime/data/raster.h"
#include "runtime/data/slurp.h"

typedef struct rgc_drawing_list {
  rgc_drawing *items;
  int count, capacity;
} rgc_drawing_list; /* start with = {0} */

/* Appends the first `limit` drawings of `path` to `list`; all texts and points live in `arena`. The name's ending decides:
 * .ndjson, or else binary. */
bool rgc_strokes_read(const char *path, int limit, rgc_arena *arena, rgc_drawing_list *list, rgc_diagnostics *diags);
#endif
