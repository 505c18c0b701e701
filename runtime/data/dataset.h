/* dataset.h: labelled images, opened by a spec string "KIND:WHERE".
 *
 *   quickdraw:DIR          CLASS.bin (rows of 784 bytes) or CLASS.npy (N,784): 28x28x1, white on black
 *   quickdraw-strokes:DIR  CLASS.ndjson or CLASS.bin strokes, drawn to 255x255x1 when fetched, black on white (raster.h)
 *   cifar10:FILE or DIR    records of 3073 bytes: 32x32x3; a DIR holds data_batch_*.bin and test_batch.bin
 *   idx:DIR                train- and t10k-{images-idx3,labels-idx1}-ubyte, plain or .gz
 *   synthetic:KEY=N,...    made up, the same every time; keys: count (1000), classes (10), size (32), channels (3), seed (0)
 *
 * The split: CIFAR folders and IDX have their own test files. Otherwise the first nine tenths of each class
 * (quickdraw; 450 of 500) or of the file (cifar10:FILE, synthetic) are for training, the rest for validation. All is
 * in memory after opening; a data set never changes then, so threads may fetch from it at the same time. */
#ifndef RGC_RUNTIME_DATA_DATASET_H
#define RGC_RUNTIME_DATA_DATASET_H
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"
#include "runtime/data/transform.h"

typedef struct rgc_dataset rgc_dataset;

typedef enum rgc_split { RGC_SPLIT_TRAIN, RGC_SPLIT_VALIDATION, RGC_SPLIT_COUNT } rgc_split;

typedef struct rgc_dataset_options {
  /* The network's classes in its order, or NULL. They choose and order the classes of quickdraw folders, reorder
   * CIFAR-10's, and name those of idx and synthetic, which have no names of their own. */
  const char *const *class_names;
  int class_count;     /* of class_names */
  int limit_per_class; /* quickdraw: only the first so many of a class; 0 means 500 */
} rgc_dataset_options;

/* `options` may be NULL. NULL on error: data-missing, data-format, data-classes, file-read, bad-value. */
rgc_dataset *rgc_dataset_open(const char *spec, const rgc_dataset_options *options, rgc_diagnostics *diags);
/* Puts all samples into the validation split, those of the training split first. */
void rgc_dataset_validate_all(rgc_dataset *dataset);
void rgc_dataset_close(rgc_dataset *dataset); /* NULL is allowed */

rgc_image_shape rgc_dataset_shape(const rgc_dataset *dataset); /* of every sample */
size_t rgc_dataset_sample_bytes(const rgc_dataset *dataset);
int rgc_dataset_class_count(const rgc_dataset *dataset);
const char *rgc_dataset_class_name(const rgc_dataset *dataset, int label);
int rgc_dataset_count(const rgc_dataset *dataset, rgc_split split);
/* Writes sample `index` of the split as u8[height][width][channels] and returns its label. */
int rgc_dataset_fetch(const rgc_dataset *dataset, rgc_split split, int index, uint8_t *dst);
/* Only the label. */
int rgc_dataset_label(const rgc_dataset *dataset, rgc_split split, int index);
#endif
