/* dataset_npy.c: a folder with images.npy and labels.npy. Images are u8 or f32 of shape [N,H,W], [N,H,W,C] or [N,C,H,W] (PyTorch's,
 * where the second size is 1 or 3 and the last is not); f32 is taken as it is, in the place of u8 / 255. Labels are integers of shape
 * [N], from 0. A split of its own stands in train_images.npy, train_labels.npy, val_images.npy and val_labels.npy. */
#include <string.h>

#include "runtime/data/dataset_kinds.h"
#include "runtime/data/npy.h"

enum { MAX_SIDE = 1 << 15, MAX_CLASSES = 1000000 };

typedef struct pair {
  const char *path; /* of the images */
  rgc_npy images, labels;
  rgc_image_shape shape;
  bool channels_first;
} pair;

static bool refuse(const char *path, rgc_diagnostics *diags, const char *found, const char *wanted) {
  return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, wanted, "%s", found);
}

static bool is_channels(int64_t n) { return n == 1 || n == 3; }

static bool read_shape(pair *p, rgc_diagnostics *diags) {
  const rgc_npy *a = &p->images;
  static const char wanted[] = "save u8 or f32 of shape (N, height, width), (N, height, width, channels) or (N, channels, height, width)";
  if (a->type != RGC_NPY_U8 && a->type != RGC_NPY_F32) return refuse(p->path, diags, "the images are neither uint8 nor float32", wanted);
  if (a->rank != 3 && a->rank != 4) return refuse(p->path, diags, "the images are no array of 3 or 4 axes", wanted);
  p->channels_first = a->rank == 4 && is_channels(a->shape[1]) && !is_channels(a->shape[3]);
  int64_t height = a->shape[p->channels_first ? 2 : 1], width = a->shape[p->channels_first ? 3 : 2];
  int64_t channels = a->rank == 3 ? 1 : a->shape[p->channels_first ? 1 : 3];
  if (a->shape[0] < 1 || height < 1 || width < 1 || channels < 1) return refuse(p->path, diags, "the array is empty", wanted);
  if (a->shape[0] > INT32_MAX || height > MAX_SIDE || width > MAX_SIDE || channels > 64) return refuse(p->path, diags, "the images are too large", wanted);
  p->shape = (rgc_image_shape){(int)height, (int)width, (int)channels};
  return true;
}

/* INT64_MIN where labels are no integers. */
static int64_t label_at(const rgc_npy *labels, int64_t i) {
  switch (labels->type) {
    case RGC_NPY_U8: return ((const uint8_t *)labels->data)[i];
    case RGC_NPY_I8: return ((const int8_t *)labels->data)[i];
    case RGC_NPY_I32: return ((const int32_t *)labels->data)[i];
    case RGC_NPY_I64: return ((const int64_t *)labels->data)[i];
    default: return INT64_MIN;
  }
}

static bool check_labels(const pair *p, const char *path, int64_t *largest, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  static const char wanted[] = "save one integer from 0 for each image";
  const rgc_npy *l = &p->labels;
  if (l->rank != 1 || l->shape[0] != p->images.shape[0])
    return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, wanted, "the labels are not one for each of the %lld images of %s",
                         (long long)p->images.shape[0], p->path);
  for (int64_t i = 0; i < l->shape[0]; i++) {
    int64_t label = label_at(l, i);
    if (label == INT64_MIN) return refuse(path, diags, "the labels are no integers", wanted);
    if (label < 0 || label >= MAX_CLASSES)
      return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, wanted, "label %lld of image %lld is no class", (long long)label, (long long)i);
    if (!rgc_dataset_has_label(options, path, label, i, diags)) return false;
    *largest = label > *largest ? label : *largest;
  }
  return true;
}

static bool read_pair(rgc_dataset *d, const char *dir, const char *prefix, pair *p, int64_t *largest, const rgc_dataset_options *options,
                      rgc_diagnostics *diags) {
  const char *labels = rgc_arena_printf(d->arena, "%s/%slabels.npy", dir, prefix);
  p->path = rgc_arena_printf(d->arena, "%s/%simages.npy", dir, prefix);
  return rgc_npy_read(p->path, d->arena, &p->images, diags) && read_shape(p, diags) && rgc_npy_read(labels, d->arena, &p->labels, diags) &&
         check_labels(p, labels, largest, options, diags);
}

/* [C][H][W] of `bytes` an element to [H][W][C]. */
static void interleave(rgc_image_shape s, size_t bytes, const uint8_t *src, uint8_t *dst) {
  size_t plane = (size_t)s.height * (size_t)s.width, channels = (size_t)s.channels;
  for (size_t pixel = 0; pixel < plane; pixel++)
    for (size_t c = 0; c < channels; c++, dst += bytes) memcpy(dst, src + (c * plane + pixel) * bytes, bytes);
}

static void decode_planes(const rgc_dataset *d, const void *item, uint8_t *dst) { interleave(d->shape, d->is_float ? sizeof(float) : 1, item, dst); }

/* To `split`, or (RGC_SPLIT_COUNT) to both. */
static void add_pair(rgc_dataset *d, const pair *p, rgc_split split, const rgc_dataset_options *options) {
  int count = (int)p->images.shape[0];
  const bool *chosen = split == RGC_SPLIT_COUNT ? rgc_dataset_draw_split(d, count, 0, options) : NULL;
  size_t bytes = rgc_dataset_sample_bytes(d);
  for (int i = 0; i < count; i++)
    rgc_dataset_add(d, !chosen ? split : chosen[i] ? RGC_SPLIT_VALIDATION : RGC_SPLIT_TRAIN,
                    (const uint8_t *)p->images.data + (size_t)i * bytes, (int)label_at(&p->labels, i));
}

static bool same_images(const pair *a, const pair *b, rgc_diagnostics *diags) {
  if (!memcmp(&a->shape, &b->shape, sizeof a->shape) && a->images.type == b->images.type && a->channels_first == b->channels_first) return true;
  return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, b->path, "save both alike", "images of %dx%dx%d, and those of %s have %dx%dx%d, or another type",
                       b->shape.height, b->shape.width, b->shape.channels, a->path, a->shape.height, a->shape.width, a->shape.channels);
}

bool rgc_dataset_read_npy(rgc_dataset *d, const char *where, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  bool divided = rgc_file_exists(rgc_arena_printf(d->arena, "%s/train_images.npy", where));
  pair train = {0}, validation = {0};
  int64_t largest = 0;
  if (!read_pair(d, where, divided ? "train_" : "", &train, &largest, options, diags)) return false;
  if (divided && (!read_pair(d, where, "val_", &validation, &largest, options, diags) || !same_images(&train, &validation, diags))) return false;
  d->shape = train.shape;
  d->is_float = train.images.type == RGC_NPY_F32;
  if (train.channels_first && train.shape.channels > 1) d->decode = decode_planes;
  rgc_dataset_number_labels(d, largest, options);
  add_pair(d, &train, divided ? RGC_SPLIT_TRAIN : RGC_SPLIT_COUNT, options);
  if (divided) add_pair(d, &validation, RGC_SPLIT_VALIDATION, options);
  return true;
}
