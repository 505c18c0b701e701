/* describe.c: what a data set holds, as text; whether it fits a network, and how a sample becomes its input: rgc_dataset_describe and
 * rgc_dataset_fits of rgc.h. */
#include "compiler/lang/lang.h"
#include "runtime/data/canvas.h"
#include "runtime/data/pipeline.h"
#include "runtime/data/statistics.h"

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

static void print_list(rgc_text *out, const char *before, const double *values, int count, const char *after) {
  rgc_text_printf(out, "%s[", before);
  for (int i = 0; i < count; i++) rgc_text_printf(out, "%s%.4f", i ? ", " : "", values[i]);
  rgc_text_printf(out, "]%s", after);
}

static void print_classes(const view *v, rgc_text *out) {
  int width = 5; /* of "class" and "total" */
  for (int c = 0; c < v->classes; c++) {
    int length = rgc_text_characters(rgc_dataset_class_name(v->data, c));
    if (length > width) width = length;
  }
  rgc_text_printf(out, "\nclass%*s   train  validation\n", width - 5, "");
  for (int c = 0; c < v->classes; c++) {
    const char *name = rgc_dataset_class_name(v->data, c);
    rgc_text_printf(out, "%s%*s%8d%12d\n", name, width - rgc_text_characters(name), "", v->counts[RGC_SPLIT_TRAIN][c],
           v->counts[RGC_SPLIT_VALIDATION][c]);
  }
  rgc_text_printf(out, "total%*s%8d%12d\n", width - 5, "", rgc_dataset_count(v->data, RGC_SPLIT_TRAIN), rgc_dataset_count(v->data, RGC_SPLIT_VALIDATION));
}

/* The input: line of a graph file that would take the images as they are, normalised. */
static void print_input(const view *v, rgc_text *out) {
  rgc_image_shape s = rgc_dataset_shape(v->data);
  if (!s.height) {
    print_list(out, "\nnormalised by these, in a graph file:\n  input: {channels: 3, size: 224, mean: ", v->mean, 3, "");
    print_list(out, ", std: ", v->stddev, 3, "}\n");
    return;
  }
  rgc_text_printf(out, "\nas they are, in a graph file:\n  input: {channels: %d, ", s.channels);
  rgc_text_printf(out, s.height == s.width ? "size: %d" : "height: %d, width: %d", s.height, s.width);
  print_list(out, ", mean: ", v->mean, s.channels, "");
  print_list(out, ", std: ", v->stddev, s.channels, "}\n");
}

/* The steps of transform.h that the network's input asks for. */
static void print_transform(const view *v, const rgc_network *n, rgc_text *out) {
  rgc_image_shape s = rgc_dataset_shape(v->data);
  int channels = (int)n->channels;
  if (!s.height || n->data.given) {
    rgc_text_printf(out, "\ntransformed for %s:\n  as its data: says, to %dx%dx%d", n->file, (int)n->height, (int)n->width, channels);
    print_list(out, ", / 255, - ", n->mean, channels, "");
    print_list(out, ", / ", n->std, channels, "\n");
    return;
  }
  rgc_text_printf(out, "\ntransformed for %s:\n  bytes / 255", n->file);
  if (channels != s.channels) rgc_text_printf(out, channels == 1 ? ", RGB to gray" : ", gray repeated in %d channels", channels);
  if (n->height != s.height || n->width != s.width) rgc_text_printf(out, ", resized to %dx%d (bilinear)", (int)n->height, (int)n->width);
  print_list(out, ", - ", n->mean, channels, "");
  print_list(out, ", / ", n->std, channels, "\n");
}

static void print_range(rgc_text *out, const char *what, rgc_size_range r, const char *after) {
  rgc_text_printf(out, r.min == r.max ? "%s %d" : "%s %d to %d, median %d", what, r.min, r.max, r.median);
  rgc_text_add(out, after);
}

static void print_files(const view *v, const char *spec, rgc_text *out) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_file_sizes s = rgc_dataset_file_sizes(v->data, scratch);
  int total = rgc_dataset_count(v->data, RGC_SPLIT_TRAIN) + rgc_dataset_count(v->data, RGC_SPLIT_VALIDATION);
  rgc_text_printf(out, "%s: %d image files", spec, total);
  if (s.measured < total) rgc_text_printf(out, "; of %d of them", s.measured);
  print_range(out, ": height", s.height, "; ");
  print_range(out, "width", s.width, "");
  if (s.gray) rgc_text_printf(out, "; %d gray", s.gray);
  rgc_text_add(out, "\n");
  if (s.bad) rgc_text_printf(out, "%d cannot be read, the first: %s %s\n", s.bad, s.bad_path, s.bad_problem);
  rgc_arena_destroy(scratch);
}

static void print_view(const view *v, const char *spec, const rgc_network *network, rgc_text *out) {
  rgc_image_shape s = rgc_dataset_shape(v->data);
  int channels = rgc_dataset_statistics_channels(v->data);
  if (!s.height) print_files(v, spec, out);
  else rgc_text_printf(out, "%s: images of %dx%dx%d (height x width x channels)\n", spec, s.height, s.width, s.channels);
  print_list(out, "mean ", v->mean, channels, "");
  print_list(out, ", std ", v->stddev, channels, "");
  rgc_text_printf(out, " of %d of the training samples%s\n", v->measured, rgc_dataset_is_float(v->data) ? "" : ", / 255");
  print_classes(v, out);
  if (network)
    print_transform(v, network, out);
  else
    print_input(v, out);
}

/* Whether the network can take the data set's images at all. */
static bool shapes_fit(const rgc_network *n, const rgc_dataset *data, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_pipeline_options o = {.src = rgc_dataset_shape(data), .src_is_float = rgc_dataset_is_float(data), .settings = &n->data,
                            .dst = {(int)n->height, (int)n->width, (int)n->channels}};
  bool good = rgc_pipeline_create(&o, scratch, diags) != NULL;
  rgc_arena_destroy(scratch);
  return good;
}

/* Whether class set `set` can be trained on data of `found` classes. */
static bool classes_fit(const rgc_network *n, int set, int64_t found, rgc_diagnostics *diags) {
  const rgc_class_set *classes = &n->classes[set];
  const rgc_label_map *map = &n->train.labels[set];
  const char *of = *classes->output ? rgc_arena_printf(n->arena, " of output %s", classes->output) : "";
  if (map->count && map->count != found)
    return rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, n->file, "labels: takes one class for each of the data set's",
                         "labels%s are %d, and the data set has %lld classes", of, map->count, (long long)found);
  return map->count || classes->count == found ||
         rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, n->file,
                       *of ? "set classes: to the data set's count, or give train: labels:" : "set classes: to the data set's count",
                       "the network has %lld classes%s, the data set %lld", (long long)classes->count, of, (long long)found);
}

bool rgc_dataset_fits(const rgc_dataset *dataset, const rgc_network *network, rgc_diagnostics *diags) {
  bool good = true;
  for (int i = 0; i < network->class_set_count; i++) good = classes_fit(network, i, rgc_dataset_class_count(dataset), diags) && good;
  return good && shapes_fit(network, dataset, diags);
}

char *rgc_dataset_describe(const rgc_dataset *dataset, const char *spec, const rgc_network *network, rgc_diagnostics *diags) {
  if (network && !shapes_fit(network, dataset, diags)) return NULL;
  rgc_arena *scratch = rgc_arena_create();
  rgc_text out = {0};
  view v = look_at(dataset, scratch);
  print_view(&v, spec, network, &out);
  rgc_arena_destroy(scratch);
  return out.chars;
}
