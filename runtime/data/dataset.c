/* dataset.c: see dataset.h. Finds the reader for the spec, lets it fill the data set, then brings labels and names into the
 * network's order. */
#include "runtime/data/dataset.h"

#include <glob.h>
#include <string.h>

#include "compiler/lang/data_settings.h"
#include "runtime/data/dataset_kinds.h"

static const struct kind {
  const char *word;
  rgc_dataset_reader *read;
} kinds[] = {
#define FORMAT(word, read) {word, read},
    RGC_DATA_FORMATS(FORMAT)
#undef FORMAT
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

void rgc_dataset_validate_all(rgc_dataset *d) {
  rgc_sample_list *all = &d->splits[RGC_SPLIT_TRAIN], *validation = &d->splits[RGC_SPLIT_VALIDATION];
  for (int i = 0; i < validation->count; i++) rgc_dataset_add(d, RGC_SPLIT_TRAIN, validation->items[i].item, validation->items[i].label);
  *validation = *all;
  *all = (rgc_sample_list){0};
}

/* "KIND:WHERE" with a kind there is. */
static const struct kind *kind_of(const char *spec) {
  size_t length = strcspn(spec, ":");
  for (int i = 0; i < KIND_COUNT && spec[length] == ':'; i++)
    if (strlen(kinds[i].word) == length && !strncmp(kinds[i].word, spec, length)) return &kinds[i];
  return NULL;
}

/* A folder's or file's kind by what is there: what a kind's files are called, the most particular first. */
static const struct kind *guess_kind(const char *path) {
  static const struct {
    const char *pattern, *spec;
  } signs[] = {{"/images.npy", "npy:"},       {"/train_images.npy", "npy:"},   {"/train-labels-idx1-ubyte*", "idx:"},
               {"/data_batch_1.bin", "cifar10:"}, {"/*.ndjson", "quickdraw-strokes:"}, {"/*.bin", "quickdraw:"},
               {"/*.npy", "quickdraw:"},      {"/*/", "folder:"}};
  rgc_arena *scratch = rgc_arena_create();
  const struct kind *found = NULL;
  for (size_t i = 0; i < sizeof signs / sizeof *signs && !found; i++) {
    glob_t files = {0};
    if (!glob(rgc_arena_printf(scratch, "%s%s", path, signs[i].pattern), 0, NULL, &files)) found = kind_of(signs[i].spec);
    globfree(&files);
  }
  size_t length = strlen(path);
  if (!found && length > 4 && !strcmp(path + length - 4, ".bin") && rgc_file_exists(path)) found = kind_of("cifar10:");
  rgc_arena_destroy(scratch);
  return found;
}

static const struct kind *find_kind(const char *spec, rgc_diagnostics *diags) {
  const struct kind *kind = kind_of(spec);
  if (!kind) kind = guess_kind(spec);
  if (kind) return kind;
  const char *words[KIND_COUNT];
  size_t length = strcspn(spec, ":");
  for (int i = 0; i < KIND_COUNT; i++) words[i] = kinds[i].word;
  rgc_diagnostic *d = rgc_diag_add(diags, RGC_ERROR, RGC_CODE_BAD_VALUE, (rgc_location){0},
                                   "'%s' does not name a data set", spec);
  d->expected = "folder:DIR, npy:DIR, quickdraw:DIR, quickdraw-strokes:DIR, cifar10:FILE, idx:DIR or synthetic:";
  const char *near = rgc_suggest(rgc_arena_strndup(diags->arena, spec, length), words, KIND_COUNT);
  if (near) d->help = rgc_arena_printf(diags->arena, "did you mean '%s:%s'?", near, spec[length] ? spec + length + 1 : "");
  return NULL;
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
      new_label[i] = rgc_dataset_find_name(d->class_names[i], options->class_names, options->class_count);
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

/* Nothing can be learnt from one class: more likely the path is that of the class. */
static bool has_classes(const rgc_dataset *d, const char *spec, rgc_diagnostics *diags) {
  return d->class_count > 1 || rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, spec, "give the path of a data set with two classes at least",
                                             "there is only one class, '%s'", d->class_names[0]);
}

rgc_dataset *rgc_dataset_open(const char *spec, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  const struct kind *kind = find_kind(spec, diags);
  if (!kind) return NULL;
  rgc_dataset_options given = options ? *options : (rgc_dataset_options){0};
  if (given.limit_per_class <= 0) given.limit_per_class = 500;
  if (given.split == 0) given.split = 0.1;
  rgc_arena *arena = rgc_arena_create();
  rgc_dataset *d = RGC_NEW(arena, rgc_dataset);
  d->arena = arena;
  d->decode = rgc_dataset_copy_bytes;
  const char *where = kind_of(spec) ? strchr(spec, ':') + 1 : spec;
  if (kind->read(d, where, &given, diags) && has_samples(d, spec, diags) && has_classes(d, spec, diags) && match_classes(d, spec, &given, diags)) return d;
  rgc_arena_destroy(arena);
  return NULL;
}

void rgc_dataset_close(rgc_dataset *d) {
  if (d) rgc_arena_destroy(d->arena);
}

rgc_image_shape rgc_dataset_shape(const rgc_dataset *d) { return d->shape; }

bool rgc_dataset_is_float(const rgc_dataset *d) { return d->is_float; }

bool rgc_dataset_has_class_names(const rgc_dataset *d) { return !d->names_are_numbers; }

int rgc_dataset_class_count(const rgc_dataset *d) { return d->class_count; }

const char *rgc_dataset_class_name(const rgc_dataset *d, int label) { return d->class_names[label]; }

int rgc_dataset_count(const rgc_dataset *d, rgc_split split) { return d->splits[split].count; }

static const rgc_sample *sample_of(const rgc_dataset *d, rgc_split split, int index) {
  if (index < 0 || index >= d->splits[split].count)
    rgc_internal_error("dataset", "sample %d of %d", index, d->splits[split].count);
  return &d->splits[split].items[index];
}

int rgc_dataset_label(const rgc_dataset *d, rgc_split split, int index) { return sample_of(d, split, index)->label; }

const char *rgc_dataset_file(const rgc_dataset *d, rgc_split split, int index) {
  return d->is_files ? sample_of(d, split, index)->item : NULL;
}

int rgc_dataset_fetch(const rgc_dataset *d, rgc_split split, int index, void *dst) {
  const rgc_sample *sample = sample_of(d, split, index);
  if (d->is_files) rgc_internal_error("dataset", "image files are decoded by rgc_dataset_image or a pipeline");
  d->decode(d, sample->item, dst);
  return sample->label;
}

static void clip_floats(const float *src, size_t count, uint8_t *dst) {
  for (size_t i = 0; i < count; i++) dst[i] = !(src[i] > 0) ? 0 : src[i] >= 1 ? 255 : (uint8_t)(255 * src[i] + 0.5f);
}

const char *rgc_dataset_image(const rgc_dataset *d, rgc_split split, int index, const rgc_image_options *options, rgc_arena *arena,
                              rgc_image *image) {
  rgc_image_options o = options ? *options : (rgc_image_options){.channels = 3};
  if (d->is_files) {
    const uint8_t *bytes;
    size_t size;
    const char *problem = rgc_image_slurp(rgc_dataset_file(d, split, index), arena, &bytes, &size);
    return problem ? problem : rgc_image_decode(bytes, size, &o, arena, image);
  }
  size_t elems = rgc_dataset_sample_bytes(d) / (d->is_float ? sizeof(float) : 1);
  uint8_t *sample = rgc_arena_alloc(arena, rgc_dataset_sample_bytes(d)), *pixels = sample;
  rgc_dataset_fetch(d, split, index, sample);
  if (d->is_float) clip_floats((const float *)(const void *)sample, elems, pixels = rgc_arena_alloc(arena, elems));
  *image = (rgc_image){d->shape, pixels};
  return NULL;
}
