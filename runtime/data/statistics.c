/* statistics.c: see statistics.h. Sums are of integers, so they are exact: of 2^26 bytes the squares stay below 2^42. */
#include "runtime/data/statistics.h"

#include <math.h>
#include <string.h>

enum { MAX_BYTES = 1 << 26 };

void rgc_dataset_class_counts(const rgc_dataset *dataset, rgc_split split, int *counts) {
  memset(counts, 0, (size_t)rgc_dataset_class_count(dataset) * sizeof *counts);
  for (int i = 0; i < rgc_dataset_count(dataset, split); i++) counts[rgc_dataset_label(dataset, split, i)]++;
}

static int samples_to_read(const rgc_dataset *dataset, rgc_split split) {
  size_t count = (size_t)rgc_dataset_count(dataset, split), fit = MAX_BYTES / rgc_dataset_sample_bytes(dataset) + 1;
  return (int)(count < fit ? count : fit);
}

int rgc_dataset_statistics(const rgc_dataset *dataset, rgc_split split, double *mean, double *stddev) {
  int channels = rgc_dataset_shape(dataset).channels, used = samples_to_read(dataset, split);
  size_t bytes = rgc_dataset_sample_bytes(dataset);
  rgc_arena *scratch = rgc_arena_create();
  uint8_t *sample = rgc_arena_alloc(scratch, bytes);
  uint64_t *sums = RGC_NEW_ARRAY(scratch, uint64_t, channels), *squares = RGC_NEW_ARRAY(scratch, uint64_t, channels);
  for (int i = 0; i < used; i++) {
    rgc_dataset_fetch(dataset, split, (int)((int64_t)i * rgc_dataset_count(dataset, split) / used), sample);
    for (size_t at = 0; at < bytes; at += (size_t)channels)
      for (int c = 0; c < channels; c++) {
        sums[c] += sample[at + (size_t)c];
        squares[c] += (uint64_t)sample[at + (size_t)c] * sample[at + (size_t)c];
      }
  }
  double pixels = fmax(1, (double)used * (double)(bytes / (size_t)channels));
  for (int c = 0; c < channels; c++) {
    double average = (double)sums[c] / pixels;
    mean[c] = average / 255;
    stddev[c] = sqrt(fmax(0, (double)squares[c] / pixels - average * average)) / 255;
  }
  rgc_arena_destroy(scratch);
  return used;
}
