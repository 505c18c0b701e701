/* dataset_build.c: what the readers of all kinds fill a data set with; see dataset_kinds.h. */
#include <string.h>

#include "runtime/data/dataset_kinds.h"
#include "runtime/reference/philox.h"

enum { SPLIT_STREAM = 1 << 22 };

void rgc_dataset_add(rgc_dataset *d, rgc_split split, const void *item, int label) {
  rgc_sample_list *list = &d->splits[split];
  *RGC_PUSH(d->arena, list->items, list->count, list->capacity) = (rgc_sample){.item = item, .label = label};
}

int rgc_dataset_find_name(const char *name, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

int rgc_dataset_find_class(const rgc_dataset *d, const char *name) { return rgc_dataset_find_name(name, d->class_names, d->class_count); }

rgc_split rgc_dataset_default_split(int index, int count) {
  return index < (long long)count * 9 / 10 ? RGC_SPLIT_TRAIN : RGC_SPLIT_VALIDATION;
}

const bool *rgc_dataset_draw_split(rgc_dataset *d, int count, int group, const rgc_dataset_options *o) {
  bool *chosen = RGC_NEW_ARRAY(d->arena, bool, count + 1);
  int left = o->split > 0 ? (int)(count * o->split + 0.5) : 0;
  if (left >= count && o->split < 1) left = count - 1;
  for (int i = 0; i < count; i++) { /* selection sampling (Knuth's algorithm S): each with the chance that is left */
    double u = rgc_philox_uniform((uint64_t)o->seed, SPLIT_STREAM, (uint32_t)group, (uint64_t)i);
    chosen[i] = u * (count - i) < left;
    left -= chosen[i];
  }
  return chosen;
}

void rgc_dataset_number_classes(rgc_dataset *d, int count) {
  d->class_names = RGC_NEW_ARRAY(d->arena, const char *, count);
  d->class_count = count;
  d->names_are_numbers = true;
  for (int i = 0; i < count; i++) d->class_names[i] = rgc_arena_printf(d->arena, "%d", i);
}

void rgc_dataset_number_labels(rgc_dataset *d, int64_t largest, const rgc_dataset_options *options) {
  rgc_dataset_number_classes(d, options->class_count > largest ? options->class_count : (int)largest + 1);
}

bool rgc_dataset_has_label(const rgc_dataset_options *options, const char *path, int64_t label, int64_t index, rgc_diagnostics *diags) {
  if (!options->class_count || label < options->class_count) return true;
  return rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, path, "labels count from 0; set the network's classes: to those of the data set",
                       "label %lld of image %lld needs %lld classes at least, and the network has %d", (long long)label, (long long)index,
                       (long long)label + 1, options->class_count);
}

void rgc_dataset_copy_bytes(const rgc_dataset *d, const void *item, uint8_t *dst) {
  memcpy(dst, item, rgc_dataset_sample_bytes(d));
}

size_t rgc_dataset_sample_bytes(const rgc_dataset *d) {
  size_t elems = (size_t)d->shape.height * (size_t)d->shape.width * (size_t)d->shape.channels;
  return d->is_float ? elems * sizeof(float) : elems;
}
