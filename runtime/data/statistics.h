/* statistics.h: what a data set's split holds, in numbers: samples of each class, mean and deviation of each channel. */
#ifndef RGC_RUNTIME_DATA_STATISTICS_H
#define RGC_RUNTIME_DATA_STATISTICS_H
#include "runtime/data/dataset.h"

/* counts[class_count]: the split's samples of each class. */
void rgc_dataset_class_counts(const rgc_dataset *dataset, rgc_split split, int *counts);
/* mean[channels] and stddev[channels] (of the population) of the pixels / 255, over all samples of the split, or over as many as
 * have about 2^26 bytes, spread evenly. Returns how many samples that were; of none, both are 0. */
int rgc_dataset_statistics(const rgc_dataset *dataset, rgc_split split, double *mean, double *stddev);
#endif
