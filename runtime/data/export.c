/* export.c: a data set as a folder of PNG files, which folder:DIR reads again: rgc_dataset_export of rgc.h. Nothing half-written is left. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/base/new_folder.h"
#include "runtime/data/contact_sheet.h"

static const char *const split_words[RGC_SPLIT_COUNT] = {"train", "val"};

static bool fail(const char *path, rgc_diagnostics *diags) {
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "choose a new folder where there is room", "cannot be made: %s", strerror(errno));
}

static bool make_folder(const char *path, rgc_diagnostics *diags) { return !mkdir(path, 0777) || fail(path, diags); }

static bool check_name(const char *name, rgc_diagnostics *diags) {
  if (*name && *name != '.' && !strchr(name, '/')) return true;
  return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "rename the class", "class '%s' cannot be the name of a folder", name);
}

static bool make_folders(const rgc_dataset *d, const char *dir, rgc_arena *arena, rgc_diagnostics *diags) {
  for (int split = 0; split < RGC_SPLIT_COUNT; split++) {
    if (!rgc_dataset_count(d, (rgc_split)split)) continue;
    const char *part = rgc_arena_printf(arena, "%s/%s", dir, split_words[split]);
    if (!make_folder(part, diags)) return false;
    for (int c = 0; c < rgc_dataset_class_count(d); c++)
      if (!check_name(rgc_dataset_class_name(d, c), diags) ||
          !make_folder(rgc_arena_printf(arena, "%s/%s", part, rgc_dataset_class_name(d, c)), diags))
        return false;
  }
  return true;
}

static bool write_sample(const rgc_dataset *d, rgc_split split, int index, const char *path, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_image image;
  const char *problem = rgc_dataset_image(d, split, index, NULL, scratch, &image);
  bool good = problem ? rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, rgc_dataset_file(d, split, index), "replace or remove the file", "%s", problem)
                      : rgc_png_write(path, image.pixels, image.shape, diags);
  rgc_arena_destroy(scratch);
  return good;
}

/* Numbers within a class count from 1; -1 after an error. */
static int write_split(const rgc_dataset *d, rgc_split split, const char *dir, int limit, rgc_arena *arena, rgc_diagnostics *diags) {
  int *written = RGC_NEW_ARRAY(arena, int, rgc_dataset_class_count(d)), total = 0;
  for (int i = 0; i < rgc_dataset_count(d, split); i++) {
    int label = rgc_dataset_label(d, split, i);
    if (limit && written[label] >= limit) continue;
    const char *path = rgc_arena_printf(arena, "%s/%s/%s/%05d.png", dir, split_words[split], rgc_dataset_class_name(d, label), ++written[label]);
    if (!write_sample(d, split, i, path, diags)) return -1;
    total++;
  }
  return total;
}

int rgc_dataset_export(const rgc_dataset *d, const char *dir, int limit, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_new_folder folder;
  int total = -1;
  if (rgc_new_folder_begin(&folder, dir, arena, diags)) {
    total = make_folders(d, folder.part, arena, diags) ? 0 : -1;
    for (int split = 0; split < RGC_SPLIT_COUNT && total >= 0; split++) {
      int made = write_split(d, (rgc_split)split, folder.part, limit, arena, diags);
      total = made < 0 ? -1 : total + made;
    }
    if (!rgc_new_folder_end(&folder, total >= 0, diags)) total = -1;
  }
  rgc_arena_destroy(arena);
  return total;
}
