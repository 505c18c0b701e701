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

/* The first `each` training samples of every class, one class a row; returns how many. */
static int choose(const rgc_dataset *data, int each, int *indices) {
  int count = 0;
  for (int label = 0; label < rgc_dataset_class_count(data); label++)
    for (int i = 0, found = 0; found < each && i < rgc_dataset_count(data, RGC_SPLIT_TRAIN) && count < MAX_SAMPLES; i++)
      if (rgc_dataset_label(data, RGC_SPLIT_TRAIN, i) == label) indices[count++] = i, found++;
  return count;
}

int run_show(const command_line *line) {
  const char *spec = option_text(line, "--data", NULL), *out = option_text(line, "--out", "samples.png");
  int each = (int)option_int(line, "--count", 10), indices[MAX_SAMPLES];
  if (!spec || each < 1) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc show --help", spec ? "--count must be at least 1" : "--data is needed");
    return RGC_EXIT_USAGE;
  }
  rgc_dataset *data = rgc_dataset_open(spec, NULL, line->diags);
  if (!data) return RGC_EXIT_INPUT;
  int count = choose(data, each, indices);
  bool good = rgc_contact_sheet_write(out, data, RGC_SPLIT_TRAIN, indices, count, each, line->diags);
  for (int label = 0; good && label < rgc_dataset_class_count(data); label++)
    printf("row %d: %s\n", label + 1, rgc_dataset_class_name(data, label));
  rgc_dataset_close(data);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
