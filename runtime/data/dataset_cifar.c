/* dataset_cifar.c: CIFAR-10's binary version. A record is a label and three 32x32 planes, R, G, B; decode interleaves
 * them. A folder is read as published: data_batch_1.bin to data_batch_5.bin train, test_batch.bin validates. */
#include <dirent.h>

#include "runtime/data/dataset_kinds.h"

enum { SIZE = 32, PLANE_BYTES = SIZE * SIZE, RECORD_BYTES = 1 + 3 * PLANE_BYTES, CLASSES = 10, BATCHES = 5 };

static const char *const names[CLASSES] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                           "dog",      "frog",       "horse", "ship", "truck"};

static void interleave(const rgc_dataset *d, const void *item, uint8_t *dst) {
  (void)d;
  const uint8_t *planes = item;
  for (int p = 0; p < PLANE_BYTES; p++)
    for (int c = 0; c < 3; c++) dst[3 * p + c] = planes[c * PLANE_BYTES + p];
}

static bool check_records(const rgc_file_bytes *file, rgc_diagnostics *diags) {
  if (file->size_bytes == 0 || file->size_bytes % RECORD_BYTES)
    return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, file->path, "fetch CIFAR-10's binary version again",
                         "the file is truncated or not CIFAR-10: %zu bytes are not whole records of %d",
                         file->size_bytes, (int)RECORD_BYTES);
  for (size_t at = 0; at < file->size_bytes; at += RECORD_BYTES)
    if (file->data[at] >= CLASSES)
      return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, file->path, "give a file of CIFAR-10's binary version",
                           "record %zu has label %d, CIFAR-10 has 0 to 9", at / RECORD_BYTES, file->data[at]);
  return true;
}

/* Adds every record to `split`, or by the default split when that is RGC_SPLIT_COUNT. */
static bool read_batch(rgc_dataset *d, const char *path, rgc_split split, rgc_diagnostics *diags) {
  rgc_file_bytes file;
  if (!rgc_file_slurp(path, d->arena, &file, diags) || !check_records(&file, diags)) return false;
  int count = (int)(file.size_bytes / RECORD_BYTES);
  for (int i = 0; i < count; i++) {
    const uint8_t *record = file.data + (size_t)i * RECORD_BYTES;
    rgc_dataset_add(d, split == RGC_SPLIT_COUNT ? rgc_dataset_default_split(i, count) : split, record + 1, record[0]);
  }
  return true;
}

static bool is_folder(const char *path) {
  DIR *stream = opendir(path);
  if (stream) closedir(stream);
  return stream != NULL;
}

bool rgc_dataset_read_cifar10(rgc_dataset *d, const char *where, const rgc_dataset_options *options,
                              rgc_diagnostics *diags) {
  (void)options;
  d->shape = (rgc_image_shape){.height = SIZE, .width = SIZE, .channels = 3};
  d->decode = interleave;
  d->class_count = CLASSES;
  d->class_names = RGC_NEW_ARRAY(d->arena, const char *, CLASSES);
  for (int i = 0; i < CLASSES; i++) d->class_names[i] = names[i];
  if (!is_folder(where)) return read_batch(d, where, RGC_SPLIT_COUNT, diags);
  bool ok = true;
  for (int i = 1; i <= BATCHES; i++)
    ok = read_batch(d, rgc_arena_printf(d->arena, "%s/data_batch_%d.bin", where, i), RGC_SPLIT_TRAIN, diags) && ok;
  return read_batch(d, rgc_arena_printf(d->arena, "%s/test_batch.bin", where), RGC_SPLIT_VALIDATION, diags) && ok;
}
