/* sheets.c: the contact sheets that are wanted: a data set's classes, and what a network predicted. rgc_dataset_draw and
 * rgc_dataset_draw_predictions of rgc.h. */
#include "runtime/data/contact_sheet.h"
#include "runtime/data/statistics.h"

enum { MAX_CELLS = 4096, MAX_SHOWN = 100, SHOWN_COLUMNS = 10, RIGHT_RGB = 0x0a7d32, WRONG_RGB = 0xc8201c };

static int largest_class(const int *counts, int classes) {
  int largest = 1;
  for (int c = 0; c < classes; c++)
    if (counts[c] > largest) largest = counts[c];
  return largest;
}

/* The first training samples of every class, at most `each`, one class a row; a row that has fewer ends in empty cells. */
static rgc_sheet class_rows(const rgc_dataset *data, int each, rgc_arena *arena) {
  int classes = rgc_dataset_class_count(data), *counts = RGC_NEW_ARRAY(arena, int, classes);
  rgc_dataset_class_counts(data, RGC_SPLIT_TRAIN, counts);
  int largest = largest_class(counts, classes), columns = each < largest ? each : largest;
  int rows = (int64_t)classes * columns <= MAX_CELLS ? classes : MAX_CELLS / columns;
  rgc_sheet_cell *cells = RGC_NEW_ARRAY(arena, rgc_sheet_cell, rows * columns + 1);
  const char **names = RGC_NEW_ARRAY(arena, const char *, rows + 1);
  int *found = RGC_NEW_ARRAY(arena, int, classes);
  for (int i = 0; i < rows * columns; i++) cells[i].index = -1;
  for (int row = 0; row < rows; row++) names[row] = rgc_dataset_class_name(data, row);
  for (int i = 0; i < rgc_dataset_count(data, RGC_SPLIT_TRAIN); i++) {
    int label = rgc_dataset_label(data, RGC_SPLIT_TRAIN, i);
    if (label < rows && found[label] < columns) cells[label * columns + found[label]++].index = i;
  }
  return (rgc_sheet){.split = RGC_SPLIT_TRAIN, .cells = cells, .count = rows * columns, .columns = columns, .row_titles = names};
}

bool rgc_dataset_draw(const rgc_dataset *dataset, const char *path, int each, rgc_diagnostics *diags) {
  if (each < 1 || each > MAX_CELLS)
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, NULL, "samples a class must be from 1 to %d", (int)MAX_CELLS);
  rgc_arena *scratch = rgc_arena_create();
  rgc_sheet sheet = class_rows(dataset, each, scratch);
  bool good = rgc_contact_sheet_write(path, dataset, &sheet, diags);
  rgc_arena_destroy(scratch);
  return good;
}

/* Its title is the predicted class; a wrong one's note tells the true one. */
static rgc_sheet_cell predicted_cell(rgc_arena *arena, const rgc_dataset *data, int index, const rgc_prediction *p) {
  if (p->predicted < 0) return (rgc_sheet_cell){.index = -1}; /* its file was skipped */
  rgc_sheet_cell cell = {.index = index, .title = rgc_dataset_class_name(data, p->predicted), .title_rgb = RIGHT_RGB};
  if (p->predicted == p->label) return cell;
  cell.title_rgb = WRONG_RGB;
  cell.note = rgc_arena_printf(arena, "is %s", rgc_dataset_class_name(data, p->label));
  return cell;
}

bool rgc_dataset_draw_predictions(const rgc_dataset *dataset, const char *path, const rgc_prediction *predictions, const int *indices,
                                  int count, rgc_diagnostics *diags) {
  if (count < 1 || count > MAX_SHOWN)
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, NULL, "predictions drawn must be from 1 to %d", (int)MAX_SHOWN);
  rgc_sheet_cell cells[MAX_SHOWN];
  rgc_arena *scratch = rgc_arena_create();
  for (int i = 0; i < count; i++) cells[i] = predicted_cell(scratch, dataset, indices[i], &predictions[indices[i]]);
  rgc_sheet sheet = {.split = RGC_SPLIT_VALIDATION, .cells = cells, .count = count, .columns = count < SHOWN_COLUMNS ? count : SHOWN_COLUMNS};
  bool good = rgc_contact_sheet_write(path, dataset, &sheet, diags);
  rgc_arena_destroy(scratch);
  return good;
}
