/* confusion.c: which classes are taken for which: rgc_dataset_confusion and rgc_dataset_write_confusion of rgc.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/arena.h"
#include "compiler/base/diag.h"
#include "compiler/base/text.h"
#include "runtime/data/dataset.h"

enum { PRINTED_CLASSES = 20, PRINTED_PAIRS = 10, NAME_WIDTH = 14 };

/* counts[label * classes + predicted], in `arena`. */
static int64_t *count_pairs(const rgc_dataset *data, const rgc_prediction *predictions, rgc_arena *arena) {
  int64_t classes = rgc_dataset_class_count(data);
  int64_t *counts = RGC_NEW_ARRAY(arena, int64_t, (size_t)(classes * classes));
  for (int i = 0; i < rgc_dataset_count(data, RGC_SPLIT_VALIDATION); i++)
    if (predictions[i].predicted >= 0) counts[predictions[i].label * classes + predictions[i].predicted]++;
  return counts;
}

/* A field of CSV (RFC 4180): quoted where it must be. */
static void write_field(FILE *file, const char *text) {
  if (!text[strcspn(text, ",\"\r\n")]) {
    fputs(text, file);
    return;
  }
  fputc('"', file);
  for (; *text; text++) fprintf(file, *text == '"' ? "\"\"" : "%c", *text);
  fputc('"', file);
}

static bool write_csv(const rgc_dataset *data, const char *path, const int64_t *counts, rgc_diagnostics *diags) {
  int classes = rgc_dataset_class_count(data);
  FILE *file = fopen(path, "w");
  if (file) fputs("label", file);
  for (int c = 0; file && c < classes; c++) {
    fputc(',', file);
    write_field(file, rgc_dataset_class_name(data, c));
  }
  for (int64_t row = 0; file && row < classes; row++) {
    fputc('\n', file);
    write_field(file, rgc_dataset_class_name(data, (int)row));
    for (int c = 0; c < classes; c++) fprintf(file, ",%lld", (long long)counts[row * classes + c]);
  }
  if (file) fputc('\n', file);
  bool bad = !file || ferror(file);
  if (file && fclose(file)) bad = true;
  return !bad || rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "choose another --confusion", "cannot be written: %s", strerror(errno));
}

static void print_matrix(const rgc_dataset *data, const int64_t *counts, int classes, rgc_text *out) {
  rgc_text_printf(out, "%-*s predicted (columns in the order of the rows)\n", NAME_WIDTH, "label");
  for (int64_t row = 0; row < classes; row++) {
    rgc_text_printf(out, "%-*.*s", NAME_WIDTH, NAME_WIDTH, rgc_dataset_class_name(data, (int)row));
    for (int c = 0; c < classes; c++) rgc_text_printf(out, " %5lld", (long long)counts[row * classes + c]);
    rgc_text_printf(out, "\n");
  }
}

/* The pairs off the diagonal with the most samples, the first of equal ones first; `counts` loses them. */
static void print_pairs(const rgc_dataset *data, int64_t *counts, int64_t classes, rgc_text *out) {
  for (int k = 0; k < PRINTED_PAIRS; k++) {
    int64_t most = -1;
    for (int64_t e = 0; e < classes * classes; e++)
      if (e / classes != e % classes && counts[e] && (most < 0 || counts[e] > counts[most])) most = e;
    if (most < 0) return;
    rgc_text_printf(out, "%lld of %s taken for %s\n", (long long)counts[most], rgc_dataset_class_name(data, (int)(most / classes)),
           rgc_dataset_class_name(data, (int)(most % classes)));
    counts[most] = 0;
  }
}

bool rgc_dataset_write_confusion(const rgc_dataset *data, const char *path, const rgc_prediction *predictions, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  bool good = write_csv(data, path, count_pairs(data, predictions, scratch), diags);
  rgc_arena_destroy(scratch);
  return good;
}

char *rgc_dataset_confusion(const rgc_dataset *data, const rgc_prediction *predictions) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_text out = {0};
  int classes = rgc_dataset_class_count(data);
  int64_t *counts = count_pairs(data, predictions, scratch);
  rgc_text_add(&out, "");
  if (classes <= PRINTED_CLASSES) print_matrix(data, counts, classes, &out);
  else print_pairs(data, counts, classes, &out);
  rgc_arena_destroy(scratch);
  return out.chars;
}
