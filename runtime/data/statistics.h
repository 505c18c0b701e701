/* statistics.h: what a data set's split holds, in numbers: samples of each class, mean and deviation of each channel. */
#ifndef RGC_RUNTIME_DATA_STATISTICS_H
#define RGC_RUNTIME_DATA_STATISTICS_H
#include "runtime/data/dataset.h"

/* counts[class_count]: the split's samples of each class. */
void rgc_dataset_class_counts(const rgc_dataset *dataset, rgc_split split, int *counts);
/* mean[channels] and stddev[channels] (of the population) of the pixels / 255 (floats: as they are), over all samples of the split, or over as many as
 * have about 2^26 bytes (of files 2^28), spread evenly. Files count as RGB, with 3 channels; those that cannot be decoded do not count.
 * Returns how many samples that were; of none, both are 0. */
int rgc_dataset_statistics(const rgc_dataset *dataset, rgc_split split, double *mean, double *stddev);
int rgc_dataset_statistics_channels(const rgc_dataset *dataset); /* of mean and stddev */

typedef struct rgc_size_range {
  int min, median, max; /* pixels; the median is the lower of two */
} rgc_size_range;

/* What the headers of image files say, of all of both splits or of 20,000 spread evenly. */
typedef struct rgc_file_sizes {
  int measured, gray, bad;       /* files read; of these gray ones, and ones that are no images or too large */
  rgc_size_range height, width;  /* of the good ones, upright */
  const char *bad_path, *bad_problem; /* the first bad one; NULL if none */
} rgc_file_sizes;
/* Only for files. Texts live in `arena`. */
rgc_file_sizes rgc_dataset_file_sizes(const rgc_dataset *dataset, rgc_arena *arena);
#endif
