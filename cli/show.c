/* show.c: rgc show: what a data set holds, as text, and a contact sheet of its samples, as PNG. With a graph file, its classes
 * order the data set's, and the text says how a sample becomes the network's input. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "runtime/data/canvas.h"
#include "runtime/data/contact_sheet.h"
#include "runtime/data/export.h"
#include "runtime/data/pipeline.h"
#include "runtime/data/statistics.h"

const command_option show_options[] = {NETWORK_OPTION_SET,
                                       {"--data", OPTION_TEXT, "SPEC", "the data set: a folder of class folders, or e.g. quickdraw:DIR, cifar10:FILE, idx:DIR"},
                                       {"--out", OPTION_TEXT, "FILE", "the picture to write (samples.png)"},
                                       {"--count", OPTION_INT, "N", "samples a class (10; of --export: all)"},
                                       {"--export", OPTION_TEXT, "DIR", "instead: write the samples as PNG files, DIR/train/CLASS and DIR/val/CLASS"},
                                       {0}};

enum { MAX_CELLS = 4096 };

/* A data set with what is told of it. */
typedef struct view {
  const rgc_dataset *data;
  int classes;
  int *counts[RGC_SPLIT_COUNT]; /* [classes] */
  double *mean, *stddev;        /* [channels], of training samples / 255 */
  int measured;                 /* training samples that mean and stddev are of */
} view;

static view look_at(const rgc_dataset *data, rgc_arena *arena) {
  view v = {.data = data, .classes = rgc_dataset_class_count(data)};
  int channels = rgc_dataset_statistics_channels(data);
  for (int s = 0; s < RGC_SPLIT_COUNT; s++) {
    v.counts[s] = RGC_NEW_ARRAY(arena, int, v.classes);
    rgc_dataset_class_counts(data, (rgc_split)s, v.counts[s]);
  }
  v.mean = RGC_NEW_ARRAY(arena, double, channels);
  v.stddev = RGC_NEW_ARRAY(arena, double, channels);
  v.measured = rgc_dataset_statistics(data, RGC_SPLIT_TRAIN, v.mean, v.stddev);
  return v;
}

static void print_list(const char *before, const double *values, int count, const char *after) {
  printf("%s[", before);
  for (int i = 0; i < count; i++) printf("%s%.4f", i ? ", " : "", values[i]);
  printf("]%s", after);
}

static void print_classes(const view *v) {
  int width = 5; /* of "class" and "total" */
  for (int c = 0; c < v->classes; c++) {
    int length = rgc_text_characters(rgc_dataset_class_name(v->data, c));
    if (length > width) width = length;
  }
  printf("\nclass%*s   train  validation\n", width - 5, "");
  for (int c = 0; c < v->classes; c++) {
    const char *name = rgc_dataset_class_name(v->data, c);
    printf("%s%*s%8d%12d\n", name, width - rgc_text_characters(name), "", v->counts[RGC_SPLIT_TRAIN][c],
           v->counts[RGC_SPLIT_VALIDATION][c]);
  }
  printf("total%*s%8d%12d\n", width - 5, "", rgc_dataset_count(v->data, RGC_SPLIT_TRAIN), rgc_dataset_count(v->data, RGC_SPLIT_VALIDATION));
}

/* The input: line of a graph file that would take the images as they are, normalised. */
static void print_input(const view *v) {
  rgc_image_shape s = rgc_dataset_shape(v->data);
  if (!s.height) {
    print_list("\nnormalised by these, in a graph file:\n  input: {channels: 3, size: 224, mean: ", v->mean, 3, "");
    print_list(", std: ", v->stddev, 3, "}\n");
    return;
  }
  printf("\nas they are, in a graph file:\n  input: {channels: %d, ", s.channels);
  printf(s.height == s.width ? "size: %d" : "height: %d, width: %d", s.height, s.width);
  print_list(", mean: ", v->mean, s.channels, "");
  print_list(", std: ", v->stddev, s.channels, "}\n");
}

/* The steps of transform.h that the network's input asks for. */
static void print_transform(const view *v, const rgc_network *n) {
  rgc_image_shape s = rgc_dataset_shape(v->data);
  int channels = (int)n->channels;
  if (!s.height || n->data.given) {
    printf("\ntransformed for %s:\n  as its data: says, to %dx%dx%d", n->file, (int)n->height, (int)n->width, channels);
    print_list(", / 255, - ", n->mean, channels, "");
    print_list(", / ", n->std, channels, "\n");
    return;
  }
  printf("\ntransformed for %s:\n  bytes / 255", n->file);
  if (channels != s.channels) printf(channels == 1 ? ", RGB to gray" : ", gray repeated in %d channels", channels);
  if (n->height != s.height || n->width != s.width) printf(", resized to %dx%d (bilinear)", (int)n->height, (int)n->width);
  print_list(", - ", n->mean, channels, "");
  print_list(", / ", n->std, channels, "\n");
}

static void print_range(const char *what, rgc_size_range r, const char *after) {
  printf(r.min == r.max ? "%s %d" : "%s %d to %d, median %d", what, r.min, r.max, r.median);
  printf("%s", after);
}

static void print_files(const view *v, const char *spec, rgc_arena *arena) {
  rgc_file_sizes s = rgc_dataset_file_sizes(v->data, arena);
  int total = rgc_dataset_count(v->data, RGC_SPLIT_TRAIN) + rgc_dataset_count(v->data, RGC_SPLIT_VALIDATION);
  printf("%s: %d image files", spec, total);
  if (s.measured < total) printf("; of %d of them", s.measured);
  print_range(": height", s.height, "; ");
  print_range("width", s.width, "");
  if (s.gray) printf("; %d gray", s.gray);
  printf("\n");
  if (s.bad) printf("%d cannot be read, the first: %s %s\n", s.bad, s.bad_path, s.bad_problem);
}

static void print_view(const view *v, const char *spec, const rgc_network *network, rgc_arena *arena) {
  rgc_image_shape s = rgc_dataset_shape(v->data);
  int channels = rgc_dataset_statistics_channels(v->data);
  if (!s.height) print_files(v, spec, arena);
  else printf("%s: images of %dx%dx%d (height x width x channels)\n", spec, s.height, s.width, s.channels);
  print_list("mean ", v->mean, channels, "");
  print_list(", std ", v->stddev, channels, "");
  printf(" of %d of the training samples%s\n", v->measured, rgc_dataset_is_float(v->data) ? "" : ", / 255");
  print_classes(v);
  if (network)
    print_transform(v, network);
  else
    print_input(v);
}

static int largest_class(const view *v) {
  int largest = 1;
  for (int c = 0; c < v->classes; c++)
    if (v->counts[RGC_SPLIT_TRAIN][c] > largest) largest = v->counts[RGC_SPLIT_TRAIN][c];
  return largest;
}

/* The first training samples of every class, at most `each`, one class a row; a row that has fewer ends in empty cells. */
static rgc_sheet class_rows(const view *v, int each, rgc_arena *arena) {
  int largest = largest_class(v), columns = each < largest ? each : largest;
  int rows = (int64_t)v->classes * columns <= MAX_CELLS ? v->classes : MAX_CELLS / columns;
  rgc_sheet_cell *cells = RGC_NEW_ARRAY(arena, rgc_sheet_cell, rows * columns + 1);
  const char **names = RGC_NEW_ARRAY(arena, const char *, rows + 1);
  int *found = RGC_NEW_ARRAY(arena, int, v->classes);
  for (int i = 0; i < rows * columns; i++) cells[i].index = -1;
  for (int row = 0; row < rows; row++) names[row] = rgc_dataset_class_name(v->data, row);
  for (int i = 0; i < rgc_dataset_count(v->data, RGC_SPLIT_TRAIN); i++) {
    int label = rgc_dataset_label(v->data, RGC_SPLIT_TRAIN, i);
    if (label < rows && found[label] < columns) cells[label * columns + found[label]++].index = i;
  }
  return (rgc_sheet){.split = RGC_SPLIT_TRAIN, .cells = cells, .count = rows * columns, .columns = columns, .row_titles = names};
}

/* Whether the network can take the data set's images at all. */
static bool shapes_fit(const rgc_network *n, const rgc_dataset *data, const command_line *line) {
  rgc_pipeline_options o = {.src = rgc_dataset_shape(data), .src_is_float = rgc_dataset_is_float(data), .settings = &n->data,
                            .dst = {(int)n->height, (int)n->width, (int)n->channels}};
  return rgc_pipeline_create(&o, line->arena, line->diags) != NULL;
}

static bool show_data(const command_line *line, const rgc_dataset *data, const char *spec, const rgc_network *network, int each) {
  if (network && !shapes_fit(network, data, line)) return false;
  const char *out = option_text(line, "--out", "samples.png");
  view v = look_at(data, line->arena);
  rgc_sheet sheet = class_rows(&v, each, line->arena);
  print_view(&v, spec, network, line->arena);
  bool good = rgc_contact_sheet_write(out, data, &sheet, line->diags);
  if (good) printf("\nsamples: %s\n", out);
  return good;
}

static bool export_data(const command_line *line, const rgc_dataset *data, const char *dir) {
  int count = rgc_dataset_export(data, dir, (int)option_int(line, "--count", 0), line->diags);
  if (count >= 0) printf("%d PNG files are in %s\n", count, dir);
  return count >= 0;
}

int run_show(const command_line *line) {
  rgc_network *network = line->word_count ? command_network(line) : NULL;
  if (line->word_count && !network) return RGC_EXIT_INPUT;
  const char *spec = command_data_spec(line, network);
  long each = option_int(line, "--count", 10);
  if (!spec || each < 1 || each > MAX_CELLS) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc show --help",
                  spec ? "--count must be from 1 to %d" : "--data is needed", (int)MAX_CELLS);
    return RGC_EXIT_USAGE;
  }
  rgc_dataset *data = command_data(network, spec, line->diags);
  const char *dir = option_text(line, "--export", NULL);
  bool good = data && (dir ? export_data(line, data, dir) : show_data(line, data, spec, network, (int)each));
  rgc_dataset_close(data);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
