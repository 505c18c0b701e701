/* statistics.c: see statistics.h. Sums of bytes are exact: of 2^28 bytes the squares stay below 2^44, and doubles hold 2^53. */
#include "runtime/data/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 26, MAX_FILE_BYTES = 1 << 28, MAX_HEADERS = 20000 };

void rgc_dataset_class_counts(const rgc_dataset *dataset, rgc_split split, int *counts) {
  memset(counts, 0, (size_t)rgc_dataset_class_count(dataset) * sizeof *counts);
  for (int i = 0; i < rgc_dataset_count(dataset, split); i++) counts[rgc_dataset_label(dataset, split, i)]++;
}

static bool has_files(const rgc_dataset *dataset) { return rgc_dataset_shape(dataset).height == 0; }

int rgc_dataset_statistics_channels(const rgc_dataset *dataset) { return has_files(dataset) ? 3 : rgc_dataset_shape(dataset).channels; }

/* What is summed of a split. */
typedef struct sums {
  double *values, *squares; /* [channels] */
  double unit;              /* what counts as 1: 255 of bytes */
  int channels, samples;
  uint64_t elems;
} sums;

static void add_element(sums *s, size_t at, double value) {
  s->values[at % (size_t)s->channels] += value;
  s->squares[at % (size_t)s->channels] += value * value;
}

static void add_image(sums *s, const rgc_image *image) {
  size_t elems = (size_t)image->shape.height * (size_t)image->shape.width * (size_t)s->channels;
  for (size_t at = 0; at < elems; at++) add_element(s, at, image->pixels[at]);
  s->elems += elems;
  s->samples++;
}

static void add_floats(sums *s, const rgc_dataset *dataset, rgc_split split, int index, rgc_arena *scratch) {
  size_t elems = rgc_dataset_sample_bytes(dataset) / sizeof(float);
  float *sample = RGC_NEW_ARRAY(scratch, float, elems);
  rgc_dataset_fetch(dataset, split, index, sample);
  for (size_t at = 0; at < elems; at++) add_element(s, at, (double)sample[at]);
  s->elems += elems;
  s->samples++;
}

static void add_sample(sums *s, const rgc_dataset *dataset, rgc_split split, int index) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_image image;
  if (rgc_dataset_is_float(dataset)) add_floats(s, dataset, split, index, scratch);
  else if (!rgc_dataset_image(dataset, split, index, NULL, scratch, &image)) add_image(s, &image);
  rgc_arena_destroy(scratch);
}

/* How many samples to read, evenly spread. */
static int samples_to_read(const rgc_dataset *dataset, rgc_split split) {
  size_t count = (size_t)rgc_dataset_count(dataset, split);
  size_t elems = (size_t)rgc_dataset_shape(dataset).height * (size_t)rgc_dataset_shape(dataset).width * (size_t)rgc_dataset_shape(dataset).channels;
  size_t fit = MAX_BYTES / (elems ? elems : 1) + 1;
  return (int)(count < fit ? count : fit);
}

static void add_samples(sums *s, const rgc_dataset *dataset, rgc_split split) {
  int used = samples_to_read(dataset, split);
  for (int i = 0; i < used; i++) add_sample(s, dataset, split, (int)((int64_t)i * rgc_dataset_count(dataset, split) / used));
}

/* A step that visits all of `count` once, far apart: near count / 1.618, without a common divisor. */
static int golden_stride(int count) {
  int stride = (int)(count * 0.6180339887) + 1;
  for (;; stride++) {
    int a = stride, b = count;
    while (b) {
      int rest = a % b;
      a = b, b = rest;
    }
    if (a == 1) return stride;
  }
}

/* Files differ in size: how many are enough is seen on the way. */
static void add_files(sums *s, const rgc_dataset *dataset, rgc_split split) {
  int count = rgc_dataset_count(dataset, split), stride = count ? golden_stride(count) : 0;
  for (int64_t i = 0; i < count && s->elems < MAX_FILE_BYTES; i++) add_sample(s, dataset, split, (int)(i * stride % count));
}

int rgc_dataset_statistics(const rgc_dataset *dataset, rgc_split split, double *mean, double *stddev) {
  rgc_arena *scratch = rgc_arena_create();
  sums s = {.channels = rgc_dataset_statistics_channels(dataset), .unit = rgc_dataset_is_float(dataset) ? 1 : 255};
  s.values = RGC_NEW_ARRAY(scratch, double, s.channels);
  s.squares = RGC_NEW_ARRAY(scratch, double, s.channels);
  if (has_files(dataset)) add_files(&s, dataset, split);
  else add_samples(&s, dataset, split);
  double pixels = fmax(1, (double)(s.elems / (uint64_t)s.channels));
  for (int c = 0; c < s.channels; c++) {
    double average = s.values[c] / pixels;
    mean[c] = average / s.unit;
    stddev[c] = sqrt(fmax(0, s.squares[c] / pixels - average * average)) / s.unit;
  }
  rgc_arena_destroy(scratch);
  return s.samples;
}

static int compare_ints(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

static rgc_size_range range_of(int *values, int count) {
  if (!count) return (rgc_size_range){0};
  qsort(values, (size_t)count, sizeof *values, compare_ints);
  return (rgc_size_range){values[0], values[(count - 1) / 2], values[count - 1]};
}

rgc_file_sizes rgc_dataset_file_sizes(const rgc_dataset *dataset, rgc_arena *arena) {
  int train = rgc_dataset_count(dataset, RGC_SPLIT_TRAIN), total = train + rgc_dataset_count(dataset, RGC_SPLIT_VALIDATION);
  rgc_file_sizes sizes = {.measured = total < MAX_HEADERS ? total : MAX_HEADERS};
  int *heights = RGC_NEW_ARRAY(arena, int, sizes.measured + 1), *widths = RGC_NEW_ARRAY(arena, int, sizes.measured + 1), good = 0;
  for (int i = 0; i < sizes.measured; i++) {
    int n = (int)((int64_t)i * total / sizes.measured);
    rgc_split split = n < train ? RGC_SPLIT_TRAIN : RGC_SPLIT_VALIDATION;
    const char *path = rgc_dataset_file(dataset, split, n < train ? n : n - train);
    rgc_arena *scratch = rgc_arena_create();
    const uint8_t *bytes;
    size_t size;
    rgc_image_info info;
    const char *problem = rgc_image_slurp(path, scratch, &bytes, &size);
    if (!problem) problem = rgc_image_probe(bytes, size, &(rgc_image_options){.channels = 3}, scratch, &info);
    if (problem) {
      if (!sizes.bad++) sizes.bad_path = path, sizes.bad_problem = rgc_arena_strdup(arena, problem);
    } else {
      heights[good] = info.shape.height, widths[good++] = info.shape.width;
      sizes.gray += info.shape.channels == 1;
    }
    rgc_arena_destroy(scratch);
  }
  sizes.height = range_of(heights, good);
  sizes.width = range_of(widths, good);
  return sizes;
}
