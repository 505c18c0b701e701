/* show.c: rgc show: a contact sheet of a data set, as PNG. */
#include <stdio.h>

#include "cli/commands.h"
#include "runtime/data/contact_sheet.h"
#include "runtime/data/dataset.h"

const command_option show_options[] = {{"--data", OPTION_TEXT, "SPEC", "the data set, e.g. quickdraw:DIR, cifar10:FILE, idx:DIR"},
                                       {"--out", OPTION_TEXT, "FILE", "the picture to write (samples.png)"},
                                       {"--count", OPTION_INT, "N", "samples a class (10)"},
                                       {0}};

enum { MAX_SAMPLES = 4096 };

/* The first `each` training samples of every class, one class a row; a row that has fewer ends in empty cells. */
static rgc_sheet class_rows(const command_line *line, const rgc_dataset *data, int each) {
  int classes = rgc_dataset_class_count(data), rows = classes < MAX_SAMPLES / each ? classes : MAX_SAMPLES / each;
  rgc_sheet_cell *cells = RGC_NEW_ARRAY(line->arena, rgc_sheet_cell, rows * each + 1);
  const char **names = RGC_NEW_ARRAY(line->arena, const char *, rows + 1);
  int *found = RGC_NEW_ARRAY(line->arena, int, classes);
  for (int i = 0; i < rows * each; i++) cells[i].index = -1;
  for (int row = 0; row < rows; row++) names[row] = rgc_dataset_class_name(data, row);
  for (int i = 0; i < rgc_dataset_count(data, RGC_SPLIT_TRAIN); i++) {
    int label = rgc_dataset_label(data, RGC_SPLIT_TRAIN, i);
    if (label < rows && found[label] < each) cells[label * each + found[label]++].index = i;
  }
  return (rgc_sheet){.split = RGC_SPLIT_TRAIN, .cells = cells, .count = rows * each, .columns = each, .row_titles = names};
}

int run_show(const command_line *line) {
  const char *spec = option_text(line, "--data", NULL), *out = option_text(line, "--out", "samples.png");
  int each = (int)option_int(line, "--count", 10);
  if (!spec || each < 1) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc show --help", spec ? "--count must be at least 1" : "--data is needed");
    return RGC_EXIT_USAGE;
  }
  rgc_dataset *data = rgc_dataset_open(spec, NULL, line->diags);
  if (!data) return RGC_EXIT_INPUT;
  rgc_sheet sheet = class_rows(line, data, each);
  bool good = rgc_contact_sheet_write(out, data, &sheet, line->diags);
  for (int label = 0; good && label < rgc_dataset_class_count(data); label++)
    printf("row %d: %s\n", label + 1, rgc_dataset_class_name(data, label));
  rgc_dataset_close(data);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
