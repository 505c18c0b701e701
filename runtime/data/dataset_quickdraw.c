/* dataset_quickdraw.c: folders with one file a class, 28x28 bitmaps or strokes. The class is the file's name without its
 * ending. Without a class list the classes are the sorted names; with one, only its classes are read, in its order. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/dataset_kinds.h"
#include "runtime/data/npy.h"
#include "runtime/data/strokes.h"

enum { BITMAP_SIZE = 28, BITMAP_BYTES = BITMAP_SIZE * BITMAP_SIZE };

/* The two endings of a folder's files, the one preferred first. */
typedef const char *const endings[2];
static endings bitmap_endings = {".bin", ".npy"}, stroke_endings = {".ndjson", ".bin"};

/* The length of `name` without one of the endings, 0 if it has neither. */
static size_t stem_length(const char *name, endings ends) {
  size_t length = strlen(name);
  for (int i = 0; i < 2; i++) {
    size_t tail = strlen(ends[i]);
    if (length > tail && name[0] != '.' && !strcmp(name + length - tail, ends[i])) return length - tail;
  }
  return 0;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The sorted class names of the folder, each once. */
static bool list_classes(rgc_dataset *d, const char *dir, endings ends, rgc_diagnostics *diags) {
  DIR *stream = opendir(dir);
  if (!stream)
    return rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, dir, "give the folder that holds one file for each class",
                         "cannot open the folder: %s", strerror(errno));
  int capacity = 0, unique = 0;
  for (struct dirent *entry; (entry = readdir(stream));) {
    size_t length = stem_length(entry->d_name, ends);
    if (!length) continue;
    const char *name = rgc_arena_strndup(d->arena, entry->d_name, length);
    *RGC_PUSH(d->arena, d->class_names, d->class_count, capacity) = name;
  }
  closedir(stream);
  if (d->class_count == 0)
    return rgc_diag_fail(diags, RGC_CODE_DATA_MISSING, dir, "give the folder that holds one file for each class",
                         "no CLASS%s or CLASS%s in the folder", ends[0], ends[1]);
  qsort(d->class_names, (size_t)d->class_count, sizeof *d->class_names, compare_names);
  for (int i = 0; i < d->class_count; i++)
    if (!unique || strcmp(d->class_names[unique - 1], d->class_names[i])) d->class_names[unique++] = d->class_names[i];
  d->class_count = unique;
  return true;
}

static bool contains(const rgc_dataset *d, const char *name) {
  for (int i = 0; i < d->class_count; i++)
    if (!strcmp(d->class_names[i], name)) return true;
  return false;
}

static bool choose_classes(rgc_dataset *d, const char *dir, endings ends, const rgc_dataset_options *options,
                           rgc_diagnostics *diags) {
  if (!list_classes(d, dir, ends, diags) || !options->class_names) return d->class_count > 0;
  bool ok = true;
  for (int i = 0; i < options->class_count; i++) {
    const char *name = options->class_names[i];
    if (contains(d, name)) continue;
    const char *near = rgc_suggest(name, d->class_names, d->class_count);
    const char *help = near ? rgc_arena_printf(diags->arena, "did you mean '%s'?", near)
                            : rgc_arena_printf(diags->arena, "put %s%s there, or change the network's classes:", name, ends[0]);
    ok = rgc_diag_fail(diags, RGC_CODE_DATA_CLASSES, dir, help, "the folder has no file for class '%s'", name);
  }
  if (!ok) return false;
  const char **names = RGC_NEW_ARRAY(d->arena, const char *, options->class_count);
  for (int i = 0; i < options->class_count; i++) names[i] = rgc_arena_strdup(d->arena, options->class_names[i]);
  d->class_names = names;
  d->class_count = options->class_count;
  return true;
}

static const char *class_path(const char *dir, const char *name, endings ends, rgc_arena *arena) {
  const char *path = rgc_arena_printf(arena, "%s/%s%s", dir, name, ends[0]);
  return rgc_file_exists(path) ? path : rgc_arena_printf(arena, "%s/%s%s", dir, name, ends[1]);
}

/* The rows of CLASS.bin, which must be whole. */
static const uint8_t *read_raw_rows(const char *path, rgc_arena *arena, int64_t *rows, rgc_diagnostics *diags) {
  rgc_file_bytes file;
  if (!rgc_file_slurp(path, arena, &file, diags)) return NULL;
  *rows = (int64_t)(file.size_bytes / BITMAP_BYTES);
  if (file.size_bytes % BITMAP_BYTES == 0 && *rows > 0) return file.data;
  rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path,
                "the file may be incomplete: fetch it again (stroke files are read by quickdraw-strokes:)",
                "the file is truncated or no bitmap file: %zu bytes are not whole rows of %d", file.size_bytes,
                (int)BITMAP_BYTES);
  return NULL;
}

static const uint8_t *read_npy_rows(const char *path, rgc_arena *arena, int64_t *rows, rgc_diagnostics *diags) {
  rgc_npy array;
  if (!rgc_npy_read(path, arena, &array, diags)) return NULL;
  *rows = array.shape[0];
  if (array.type == RGC_NPY_U8 && array.rank == 2 && array.shape[1] == BITMAP_BYTES && *rows > 0) return array.data;
  rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "give one of QuickDraw's numpy bitmap files",
                "the array is not u8 of shape (N, %d)", (int)BITMAP_BYTES);
  return NULL;
}

static bool read_bitmap_class(rgc_dataset *d, const char *path, int label, int limit, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  int64_t rows = 0;
  bool raw = strcmp(path + strlen(path) - 4, ".npy") != 0;
  const uint8_t *data = raw ? read_raw_rows(path, scratch, &rows, diags) : read_npy_rows(path, scratch, &rows, diags);
  if (data) {
    int count = rows < limit ? (int)rows : limit;
    uint8_t *copy = rgc_arena_alloc(d->arena, (size_t)count * BITMAP_BYTES);
    memcpy(copy, data, (size_t)count * BITMAP_BYTES);
    for (int i = 0; i < count; i++)
      rgc_dataset_add(d, rgc_dataset_default_split(i, count), copy + (size_t)i * BITMAP_BYTES, label);
  }
  rgc_arena_destroy(scratch);
  return data != NULL;
}

bool rgc_dataset_read_bitmaps(rgc_dataset *d, const char *dir, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  d->shape = (rgc_image_shape){.height = BITMAP_SIZE, .width = BITMAP_SIZE, .channels = 1};
  if (!choose_classes(d, dir, bitmap_endings, options, diags)) return false;
  bool ok = true;
  for (int i = 0; i < d->class_count; i++) {
    const char *path = class_path(dir, d->class_names[i], bitmap_endings, d->arena);
    ok = read_bitmap_class(d, path, i, options->limit_per_class, diags) && ok;
  }
  return ok;
}

static void decode_drawing(const rgc_dataset *d, const void *item, uint8_t *dst) {
  (void)d;
  rgc_raster_drawing(item, dst);
}

static bool read_stroke_class(rgc_dataset *d, const char *path, int label, int limit, rgc_diagnostics *diags) {
  rgc_drawing_list list = {0};
  if (!rgc_strokes_read(path, limit, d->arena, &list, diags)) return false;
  if (list.count == 0)
    return rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "fetch the file again", "the file holds no drawings");
  for (int i = 0; i < list.count; i++)
    rgc_dataset_add(d, rgc_dataset_default_split(i, list.count), &list.items[i], label);
  return true;
}

bool rgc_dataset_read_strokes(rgc_dataset *d, const char *dir, const rgc_dataset_options *options, rgc_diagnostics *diags) {
  d->shape = (rgc_image_shape){.height = RGC_RASTER_SIZE, .width = RGC_RASTER_SIZE, .channels = 1};
  d->decode = decode_drawing;
  if (!choose_classes(d, dir, stroke_endings, options, diags)) return false;
  bool ok = true;
  for (int i = 0; i < d->class_count; i++) {
    const char *path = class_path(dir, d->class_names[i], stroke_endings, d->arena);
    ok = read_stroke_class(d, path, i, options->limit_per_class, diags) && ok;
  }
  return ok;
}
