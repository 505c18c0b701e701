/* dataset_folder.c: image files in one folder a class, as torchvision's ImageFolder has them.
 *
 *   DIR/train/CLASS/...  and  DIR/val/CLASS/... (or valid, validation, test): a split of its own
 *   DIR/CLASS/...                                                            : a part of each class is kept for validation
 *
 * The classes are the folders' names in order of their bytes; files may lie deeper. What does not end in the name of an image file is
 * left alone; .gif, .bmp, .tif and the like are taken, so that their decoding fails by name and no image is lost without a word. Only
 * names are read here: pixels are decoded when a sample is asked for. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "runtime/data/dataset_kinds.h"
#include "runtime/data/image.h"

enum { MAX_DEPTH = 16 };

typedef struct name_list {
  const char **items;
  int count, capacity;
} name_list;

typedef struct entry {
  const char *name;
  bool is_folder;
} entry;

typedef struct entry_list {
  entry *items;
  int count, capacity;
} entry_list;

static int compare_entries(const void *a, const void *b) { return strcmp(((const entry *)a)->name, ((const entry *)b)->name); }

static bool is_folder(const char *path) {
  struct stat about;
  return !stat(path, &about) && S_ISDIR(about.st_mode);
}

/* The sorted entries of a folder, without hidden ones. Links are followed; a file system that tells kinds is not asked again: there may be
 * millions of files. */
static bool list_folder(const char *dir, rgc_arena *arena, entry_list *entries, rgc_diagnostics *diags) {
  DIR *stream = opendir(dir);
  if (!stream)
    return rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, dir, "give the folder that holds one folder for each class", "cannot open the folder: %s",
                         strerror(errno));
  for (struct dirent *e; (e = readdir(stream));) {
    if (e->d_name[0] == '.') continue;
    bool folder = e->d_type == DT_DIR || (e->d_type != DT_REG && is_folder(rgc_arena_printf(arena, "%s/%s", dir, e->d_name)));
    *RGC_PUSH(arena, entries->items, entries->count, entries->capacity) = (entry){rgc_arena_strdup(arena, e->d_name), folder};
  }
  closedir(stream);
  if (entries->count) qsort(entries->items, (size_t)entries->count, sizeof *entries->items, compare_entries);
  return true;
}

static bool list_folders(const char *dir, rgc_arena *arena, name_list *folders, rgc_diagnostics *diags) {
  entry_list all = {0};
  if (!list_folder(dir, arena, &all, diags)) return false;
  for (int i = 0; i < all.count; i++)
    if (all.items[i].is_folder) *RGC_PUSH(arena, folders->items, folders->count, folders->capacity) = all.items[i].name;
  return true;
}

/* Images that no decoder here reads. */
static bool is_other_image(const char *name) {
  static const char *const endings[] = {".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".heic", ".jp2", ".jxl"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
    if (!strcasecmp(dot, endings[i])) return true;
  return false;
}

/* Image files in `dir` and below it, in order. */
static bool list_images(const char *dir, int depth, rgc_arena *arena, name_list *images, rgc_diagnostics *diags) {
  entry_list all = {0};
  if (depth > MAX_DEPTH)
    return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, dir, "is it a link to a folder above it?", "folders lie more than %d deep", (int)MAX_DEPTH);
  if (!list_folder(dir, arena, &all, diags)) return false;
  for (int i = 0; i < all.count; i++) {
    const char *name = all.items[i].name;
    bool wanted = rgc_image_has_name(name) || is_other_image(name);
    const char *path = wanted || all.items[i].is_folder ? rgc_arena_printf(arena, "%s/%s", dir, name) : NULL;
    if (all.items[i].is_folder) {
      if (!list_images(path, depth + 1, arena, images, diags)) return false;
    } else if (wanted) {
      *RGC_PUSH(arena, images->items, images->count, images->capacity) = path;
    }
  }
  return true;
}

static bool list_class(const char *dir, const char *class_name, rgc_arena *arena, name_list *images, rgc_diagnostics *diags) {
  const char *path = rgc_arena_printf(arena, "%s/%s", dir, class_name);
  if (!list_images(path, 0, arena, images, diags)) return false;
  return images->count || rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, path, "put JPEG, PNG or WebP files there, or remove the folder",
                                        "the class folder is empty: it holds no images");
}

/* One class of a folder that has no split. */
static bool read_undivided(rgc_dataset *d, const char *dir, int label, const rgc_dataset_options *o, rgc_diagnostics *diags) {
  name_list images = {0};
  if (!list_class(dir, d->class_names[label], d->arena, &images, diags)) return false;
  const bool *chosen = rgc_dataset_draw_split(d, images.count, label, o);
  for (int i = 0; i < images.count; i++) rgc_dataset_add(d, chosen[i] ? RGC_SPLIT_VALIDATION : RGC_SPLIT_TRAIN, images.items[i], label);
  return true;
}

static bool read_split(rgc_dataset *d, const char *dir, rgc_split split, rgc_diagnostics *diags) {
  name_list folders = {0};
  if (!list_folders(dir, d->arena, &folders, diags)) return false;
  bool good = true;
  for (int i = 0; i < folders.count; i++) {
    name_list images = {0};
    int label = rgc_dataset_find_class(d, folders.items[i]);
    if (label < 0) {
      good = rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, dir, "every class must have a folder in train",
                           "class '%s' is not among the training classes", folders.items[i]);
      continue;
    }
    good = list_class(dir, folders.items[i], d->arena, &images, diags) && good;
    for (int k = 0; k < images.count; k++) rgc_dataset_add(d, split, images.items[k], label);
  }
  return good;
}

static bool take_classes(rgc_dataset *d, const char *dir, rgc_diagnostics *diags) {
  name_list folders = {0};
  if (!list_folders(dir, d->arena, &folders, diags)) return false;
  d->class_names = folders.items;
  d->class_count = folders.count;
  return folders.count || rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, dir, "give the folder that holds one folder of images for each class",
                                        "there are no class folders");
}

static const char *find_validation(const char *where, rgc_arena *arena) {
  static const char *const words[] = {"val", "valid", "validation", "test"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    const char *path = rgc_arena_printf(arena, "%s/%s", where, words[i]);
    if (is_folder(path)) return path;
  }
  return NULL;
}

bool rgc_dataset_read_folder(rgc_dataset *d, const char *where, const rgc_dataset_options *o, rgc_diagnostics *diags) {
  const char *train = rgc_arena_printf(d->arena, "%s/train", where), *validation = find_validation(where, d->arena);
  bool divided = is_folder(train) && validation;
  const char *dir = is_folder(train) ? train : where;
  d->is_files = true;
  if (!take_classes(d, dir, diags)) return false;
  if (divided) return read_split(d, train, RGC_SPLIT_TRAIN, diags) && read_split(d, validation, RGC_SPLIT_VALIDATION, diags);
  bool good = true;
  for (int label = 0; label < d->class_count; label++) good = read_undivided(d, dir, label, o, diags) && good;
  return good;
}
