/* dataset_kinds.h: what the readers of dataset.h's kinds share with dataset.c; for this folder only.
 *
 * A reader fills in shape, decode and classes, and adds its samples; `item` is whatever its decode turns into pixels. All
 * memory comes from the data set's arena. */
#ifndef RGC_RUNTIME_DATA_DATASET_KINDS_H
#define RGC_RUNTIME_DATA_DATASET_KINDS_H
#include "runtime/data/dataset.h"
#include "runtime/data/slurp.h"

typedef struct rgc_sample {
  const void *item;
  int label;
} rgc_sample;

typedef struct rgc_sample_list {
  rgc_sample *items;
  int count, capacity;
} rgc_sample_list;

struct rgc_dataset {
  rgc_arena *arena;
  rgc_image_shape shape;
  const char **class_names; /* [class_count] */
  int class_count;
  bool names_are_numbers; /* the format has labels only */
  bool is_float;          /* samples are float32, not u8 */
  bool is_files;          /* items are paths of image files, shape is 0, and decode is not called */
  rgc_sample_list splits[RGC_SPLIT_COUNT];
  /* `item` to u8[height][width][channels]. */
  void (*decode)(const rgc_dataset *dataset, const void *item, uint8_t *dst);
};

/* `where` is the spec after its colon. False after reporting. */
typedef bool rgc_dataset_reader(rgc_dataset *dataset, const char *where, const rgc_dataset_options *options,
                                rgc_diagnostics *diags);
rgc_dataset_reader rgc_dataset_read_bitmaps, rgc_dataset_read_strokes, rgc_dataset_read_cifar10, rgc_dataset_read_idx,
    rgc_dataset_read_synthetic, rgc_dataset_read_folder, rgc_dataset_read_npy;

void rgc_dataset_add(rgc_dataset *dataset, rgc_split split, const void *item, int label);
/* The split of sample `index` among `count` where the format has none. */
rgc_split rgc_dataset_default_split(int index, int count);
/* Which of `count` samples are for validation: options->split of them, chosen by (options->seed, group); one at least is for training. */
const bool *rgc_dataset_draw_split(rgc_dataset *dataset, int count, int group, const rgc_dataset_options *options);
/* Classes named "0" to "count-1". */
void rgc_dataset_number_classes(rgc_dataset *dataset, int count);
/* The same of a format that has labels only: as many as the network has, of which the data may lack some; else up to the largest label. */
void rgc_dataset_number_labels(rgc_dataset *dataset, int64_t largest, const rgc_dataset_options *options);
/* Whether the network has a class for this label of sample `index`; true where no network is known. */
bool rgc_dataset_has_label(const rgc_dataset_options *options, const char *path, int64_t label, int64_t index, rgc_diagnostics *diags);
/* Which of the names it is, or which class has that name; -1: none. */
int rgc_dataset_find_name(const char *name, const char *const *names, int count);
int rgc_dataset_find_class(const rgc_dataset *dataset, const char *name);
/* A decode for items that are the bytes wanted. */
void rgc_dataset_copy_bytes(const rgc_dataset *dataset, const void *item, uint8_t *dst);
#endif
