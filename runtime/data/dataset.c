/* dataset.c: see dataset.h. Finds the reader for the spec, lets it fill the data set, then brings labels and names into the
 * network's order. */
#include "runtime/data/dataset.h"

#include <string.h>

#include "runtime/data/dataset_kinds.h"

static const struct kind {
  const char *word;
  rgc_dataset_reader *read;
} kinds[] = {
    {"quickdraw", rgc_dataset_read_bitmaps}, {"quickdraw-strokes", rgc_dataset_read_strokes},
    {"cifar10", rgc_dataset_read_cifar10},   {"idx", rgc_dataset_read_idx},
    {"synthetic", rgc_dataset_read_synthetic},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

void rgc_dataset_add(rgc_dataset *d, rgc_split split, const void *item, int label) {
  rgc_sample_list *list = &d->splits[split];
  *RGC_PUSH(d->arena, list->items, list->count, list->capacity) = (rgc_sample){.item = item, .label = label};
}

void rgc_dataset_validate_all(rgc_dataset *d) {
  rgc_sample_list *all = &d->splits[RGC_SPLIT_TRAIN], *validation = &d->splits[RGC_SPLIT_VALIDATION];
  for (int i = 0; i < validation->count; i++) rgc_dataset_add(d, RGC_SPLIT_TRAIN, validation->items[i].item, validation->items[i].label);
  *validation = *all;
  *all = (rgc_sample_list){0};
}

rgc_split rgc_dataset_default_split(int index, int count) {
  return index < (long long)count * 9 / 10 ? RGC_SPLIT_TRAIN : RGC_SPLIT_VALIDATION;
}

void rgc_dataset_number_classes(rgc_dataset *d, int count) {
  d->class_names = RGC_NEW_ARRAY(d->arena, const char *, count);
  d->class_count = count;
  d->names_are_numbers = true;
  for (int i = 0; i < count; i++) d->class_names[i] = rgc_arena_printf(d->arena, "%d", i);
}

void rgc_dataset_copy_bytes(const rgc_dataset *d, const void *item, uint8_t *dst) {
  memcpy(dst, item, rgc_dataset_sample_bytes(d));
}

static const struct kind *find_kind(const char *spec, rgc_diagnostics *diags) {
  size_t length = strcspn(spec, ":");
  const char *words[KIND_COUNT];
  for (int i = 0; i < KIND_COUNT; i++) {
    words[i] = kinds[i].word;
    if (strlen(words[i]) == length && !strncmp(words[i], spec, length) && spec[length] == ':') return &kinds[i];
  }
  rgc_diagnostic *d = rgc_diag_add(diags, RGC_ERROR, RGC_CODE_BAD_VALUE, (rgc_location){0},
                                   "'%s' does not name a data set", spec);
  d->expected = "quickdraw:DIR, quickdraw-strokes:DIR, cifar10:FILE, idx:DIR or synthetic:";
  const char *near = rgc_suggest(rgc_arena_strndup(diags->arena, spec, length), words, KIND_COUNT);
  if (near) d->help = rgc_arena_printf(diags->arena, "did you mean '%s:%s'?", near, spec[length] ? spec + length + 1 : "");
  return NULL;
}

static int index_of(const char *word, const char *const *words, int count) {
  for (int i = 0; i < count; i++)
    if (!strcmp(words[i], word)) return i;
  return -1;
}

static void take_names(rgc_dataset *d, const rgc_dataset_options *options) {
  const char **names = RGC_NEW_ARRAY(d->arena, const char *, options->class_count);
  for (int i = 0; i < options->class_count; i++) names[i] = rgc_arena_strdup(d->arena, options->class_names[i]);
  d->class_names = names;
}

static void relabel(rgc_dataset *d, const int *new_label) {
  for (int split = 0; split < RGC_SPLIT_COUNT; split++)
    for (int i = 0; i < d->splits[split].count; i++) {
      rgc_sample *sample = &d->splits[split].items[i];
      sample->label = new_label[sample->label];
    }
}

/* Brings the data set to the network's class list. Numbered classes take the names, others are matched by name. */
static bool match_classes(rgc_dataset *d, const char *spec, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  if (!options->class_names) return true;
  if (d->class_count != options->class_count)
    return rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, spec, "set the network's classes: to those of the data set",
                         "the data set has %d classes, the network %d", d->class_count, options->class_count);
  if (!d->names_are_numbers) {
    int *new_label = RGC_NEW_ARRAY(d->arena, int, d->class_count);
    for (int i = 0; i < d->class_count; i++) {
      new_label[i] = index_of(d->class_names[i], options->class_names, options->class_count);
      if (new_label[i] < 0)
        return rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, spec, "set the network's classes: to those of the data set",
                             "the data set's class '%s' is not one of the network's", d->class_names[i]);
    }
    relabel(d, new_label);
  }
  take_names(d, options);
  return true;
}

static bool has_samples(const rgc_dataset *d, const char *spec, rgc_diagnostics *diags) {
  if (d->splits[RGC_SPLIT_TRAIN].count || d->splits[RGC_SPLIT_VALIDATION].count) return true;
  return rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, spec, "check the path: its files are empty", "the data set is empty");
}

rgc_dataset *rgc_dataset_open(const char *spec, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  const struct kind *kind = find_kind(spec, diags);
  if (!kind) return NULL;
  rgc_dataset_options given = options ? *options : (rgc_dataset_options){0};
  if (given.limit_per_class <= 0) given.limit_per_class = 500;
  rgc_arena *arena = rgc_arena_create();
  rgc_dataset *d = RGC_NEW(arena, rgc_dataset);
  d->arena = arena;
  d->decode = rgc_dataset_copy_bytes;
  const char *where = strchr(spec, ':') + 1;
  if (kind->read(d, where, &given, diags) && has_samples(d, spec, diags) && match_classes(d, spec, &given, diags)) return d;
  rgc_arena_destroy(arena);
  return NULL;
}

void rgc_dataset_close(rgc_dataset *d) {
  if (d) rgc_arena_destroy(d->arena);
}

rgc_image_shape rgc_dataset_shape(const rgc_dataset *d) { return d->shape; }

size_t rgc_dataset_sample_bytes(const rgc_dataset *d) {
  return (size_t)d->shape.height * (size_t)d->shape.width * (size_t)d->shape.channels;
}

int rgc_dataset_class_count(const rgc_dataset *d) { return d->class_count; }

const char *rgc_dataset_class_name(const rgc_dataset *d, int label) { return d->class_names[label]; }

int rgc_dataset_count(const rgc_dataset *d, rgc_split split) { return d->splits[split].count; }

int rgc_dataset_label(const rgc_dataset *d, rgc_split split, int index) {
  if (index < 0 || index >= d->splits[split].count)
    rgc_internal_error("dataset", "sample %d of %d", index, d->splits[split].count);
  return d->splits[split].items[index].label;
}

int rgc_dataset_fetch(const rgc_dataset *d, rgc_split split, int index, uint8_t *dst) {
  int label = rgc_dataset_label(d, split, index);
  d->decode(d, d->splits[split].items[index].item, dst);
  return label;
}
