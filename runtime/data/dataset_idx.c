/* dataset_idx.c: MNIST's IDX files, images u8 of rank 3, labels u8 of rank 1, plain or gzip.
 *
 * Big-endian: 0, 0, type, rank, u32 sizes, data. The folder has train-* for training and t10k-* for validation. */
#include <inttypes.h>

#include "runtime/data/dataset_kinds.h"

enum { TYPE_U8 = 8, MAX_SIDE = 1 << 15 };

typedef struct idx_array {
  uint32_t sizes[3];
  const uint8_t *data;
} idx_array;

static const struct {
  const char *prefix;
  rgc_split split;
} parts[] = {{"train", RGC_SPLIT_TRAIN}, {"t10k", RGC_SPLIT_VALIDATION}};

static uint32_t read_u32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool parse_array(const rgc_file_bytes *file, int rank, idx_array *out, rgc_diagnostics *diags) {
  uint64_t need = 4 + 4 * (uint64_t)rank, bytes = 1;
  if (rgc_file_is_short(file, need, "the header", diags)) return false;
  const uint8_t *b = file->data;
  if (b[0] || b[1] || b[2] != TYPE_U8 || b[3] != rank)
    return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, file->path, "give files in MNIST's form",
                         "not an IDX file of bytes with %d dimension%s", rank, rank == 1 ? "" : "s");
  for (int i = 0; i < rank; i++) {
    out->sizes[i] = read_u32(b + 4 + 4 * i);
    if (i > 0 && (out->sizes[i] == 0 || out->sizes[i] > MAX_SIDE))
      return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, file->path, "the file may be damaged: fetch it again",
                           "images of %" PRIu32 " pixels a side", out->sizes[i]);
    bytes *= out->sizes[i];
  }
  if (out->sizes[0] > INT32_MAX || rgc_file_is_short(file, need + bytes, "the data", diags)) return false;
  out->data = b + need;
  return true;
}

/* PATH or PATH.gz, whichever there is. */
static bool read_array(rgc_dataset *d, const char *path, int rank, idx_array *out, rgc_diagnostics *diags) {
  const char *packed = rgc_arena_printf(d->arena, "%s.gz", path);
  rgc_file_bytes file;
  return rgc_file_slurp(rgc_file_exists(packed) && !rgc_file_exists(path) ? packed : path, d->arena, &file, diags) &&
         parse_array(&file, rank, out, diags);
}

static bool same_shape(rgc_dataset *d, const idx_array *images, const char *path, rgc_diagnostics *diags) {
  rgc_image_shape shape = {.height = (int)images->sizes[1], .width = (int)images->sizes[2], .channels = 1};
  if (d->shape.channels == 0) d->shape = shape;
  if (d->shape.height == shape.height && d->shape.width == shape.width) return true;
  return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "put the files of one data set into the folder",
                       "images of %dx%d, those for training are %dx%d", shape.height, shape.width, d->shape.height,
                       d->shape.width);
}

/* Reads one of the two parts; raises *max_label. */
static bool read_part(rgc_dataset *d, const char *dir, int part, int *max_label, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  const char *image_path = rgc_arena_printf(d->arena, "%s/%s-images-idx3-ubyte", dir, parts[part].prefix);
  const char *label_path = rgc_arena_printf(d->arena, "%s/%s-labels-idx1-ubyte", dir, parts[part].prefix);
  idx_array images, labels;
  bool ok = read_array(d, image_path, 3, &images, diags);
  ok = read_array(d, label_path, 1, &labels, diags) && ok;
  if (!ok || !same_shape(d, &images, image_path, diags)) return false;
  if (images.sizes[0] != labels.sizes[0])
    return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, label_path, "put the files of one data set into the folder",
                         "%" PRIu32 " labels for %" PRIu32 " images", labels.sizes[0], images.sizes[0]);
  size_t image_bytes = rgc_dataset_sample_bytes(d);
  for (uint32_t i = 0; i < images.sizes[0]; i++) {
    if (!rgc_dataset_has_label(options, label_path, labels.data[i], i, diags)) return false;
    rgc_dataset_add(d, parts[part].split, images.data + i * image_bytes, labels.data[i]);
    if (labels.data[i] > *max_label) *max_label = labels.data[i];
  }
  return true;
}

bool rgc_dataset_read_idx(rgc_dataset *d, const char *dir, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  int max_label = -1;
  for (int part = 0; part < 2; part++)
    if (!read_part(d, dir, part, &max_label, options, diags)) return false;
  rgc_dataset_number_labels(d, max_label, options);
  return true;
}
