/* test_folder.c: data sets of image files and of .npy pairs; the steps of data: with the loader: bits that depend on seed, epoch and sample
 * alone, and files that cannot be decoded. Folders are made under /tmp from tests/data/images. Runs in the source directory. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/data/contact_sheet.h"
#include "runtime/data/loader.h"
#include "runtime/data/npy.h"
#include "runtime/data/statistics.h"
#include "tests/unit/temp_folder.h"

enum { SIDE = 16, ELEMS = SIDE * SIDE * 3, MAX_SAMPLES = 64 };

static void shell(fixture *f, const char *command) {
  cr_assert_eq(system(rgc_arena_printf(f->arena, "cd tests/data/images && D=%s && %s", f->dir, command)), 0, "%s", command);
}

static rgc_dataset *open_folder(fixture *f, const char *kind, const rgc_dataset_options *options) {
  return rgc_dataset_open(rgc_arena_printf(f->arena, "%s%s", kind, f->dir), options, &f->diags);
}

static void expect_error(fixture *f, rgc_code code, const char *file_part, const char *message_part) {
  cr_assert(f->diags.count > 0 && f->diags.error_count > 0);
  const rgc_diagnostic *d = &f->diags.items[f->diags.count - 1];
  cr_expect_eq(d->code, code, "%s", d->message);
  cr_expect(!file_part || (d->at.file && strstr(d->at.file, file_part)), "%s: %s", d->at.file ? d->at.file : "", d->message);
  cr_expect(!message_part || strstr(d->message, message_part), "%s", d->message);
}

/* Two classes, one of them in a deeper folder, and what is left alone. */
#define TWO_CLASSES \
  "mkdir -p $D/dog/deep $D/cat $D/.hidden && cp orientation*.jpg $D/dog && cp picture.png gray.png $D/dog/deep && cp alpha.webp loss*.webp orientation6.webp $D/cat && " \
  "cp baseline.jpg $D/cat/UPPER.JPEG && cp names.txt $D/cat && cp picture.png $D/.hidden"

Test(folder, classes_are_sorted_and_files_found) {
  fixture f = setup();
  shell(&f, TWO_CLASSES);
  rgc_dataset *d = open_folder(&f, "folder:", &(rgc_dataset_options){.split = -1});
  cr_assert(d);
  cr_expect(rgc_dataset_class_count(d) == 2 && !strcmp(rgc_dataset_class_name(d, 0), "cat") && !strcmp(rgc_dataset_class_name(d, 1), "dog"));
  cr_expect(rgc_dataset_has_class_names(d));
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_TRAIN), 5 + 9);
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_VALIDATION), 0);
  int counts[2];
  rgc_dataset_class_counts(d, RGC_SPLIT_TRAIN, counts);
  cr_expect(counts[0] == 5 && counts[1] == 9);
  cr_expect(strstr(rgc_dataset_file(d, RGC_SPLIT_TRAIN, 5), "/dog/deep/gray.png"));
  cr_expect_eq(rgc_dataset_shape(d).height, 0);
  rgc_dataset_close(d);
  const char *const names[] = {"dog", "cat"};
  d = open_folder(&f, "", &(rgc_dataset_options){.class_names = names, .class_count = 2}); /* the kind is seen */
  cr_assert(d);
  cr_expect_str_eq(rgc_dataset_class_name(d, 0), "dog");
  cr_expect_eq(rgc_dataset_label(d, RGC_SPLIT_TRAIN, 0), 1);
  rgc_dataset_close(d);
  teardown(&f);
}

Test(folder, splits_are_drawn_by_seed_and_class) {
  fixture f = setup();
  shell(&f, "mkdir $D/a $D/b && for i in 01 02 03 04 05 06 07 08 09 10; do cp gray.png $D/a/$i.png; cp gray.png $D/b/$i.png; done");
  const char *first[2][20];
  for (int run = 0; run < 3; run++) {
    rgc_dataset *d = open_folder(&f, "folder:", &(rgc_dataset_options){.split = 0.3, .seed = run == 2});
    cr_assert(d && rgc_dataset_count(d, RGC_SPLIT_TRAIN) == 14 && rgc_dataset_count(d, RGC_SPLIT_VALIDATION) == 6);
    bool same = true;
    for (int i = 0; i < 6; i++) {
      const char *path = rgc_arena_strdup(f.arena, rgc_dataset_file(d, RGC_SPLIT_VALIDATION, i));
      cr_expect_eq(rgc_dataset_label(d, RGC_SPLIT_VALIDATION, i), i / 3);
      if (run == 0) first[0][i] = path;
      same &= !strcmp(first[0][i], path);
    }
    cr_expect_eq(same, run < 2, "run %d", run);
    rgc_dataset_close(d);
  }
  teardown(&f);
}

Test(folder, train_and_val_are_a_split) {
  fixture f = setup();
  shell(&f, "mkdir -p $D/train/a $D/train/b $D/val/b && cp *.png $D/train/a && cp *.jpg $D/train/b && cp alpha.webp loss*.webp orientation6.webp $D/val/b");
  rgc_dataset *d = open_folder(&f, "folder:", NULL);
  cr_assert(d && rgc_dataset_count(d, RGC_SPLIT_TRAIN) == 10 + 11 && rgc_dataset_count(d, RGC_SPLIT_VALIDATION) == 4);
  cr_expect_eq(rgc_dataset_label(d, RGC_SPLIT_VALIDATION, 0), 1);
  rgc_dataset_close(d);
  shell(&f, "mkdir $D/val/c && cp gray.png $D/val/c");
  cr_expect_null(open_folder(&f, "folder:", NULL));
  expect_error(&f, RGC_CODE_DATA_CLASSES, "/val", "'c'");
  teardown(&f);
}

Test(folder, what_does_not_fit_is_refused_by_name) {
  fixture f = setup();
  cr_expect_null(open_folder(&f, "folder:", NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, f.dir, "no class folders");
  shell(&f, "mkdir $D/only && cp gray.png $D/only");
  cr_expect_null(open_folder(&f, "folder:", NULL));
  expect_error(&f, RGC_CODE_DATA_CLASSES, f.dir, "only one class, 'only'");
  shell(&f, "mkdir $D/void && cp names.txt $D/void");
  cr_expect_null(open_folder(&f, "folder:", NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, "/void", "empty");
  shell(&f, "cp gray.png $D/void");
  const char *const three[] = {"only", "void", "more"}, *const other[] = {"only", "full"};
  cr_expect_null(open_folder(&f, "folder:", &(rgc_dataset_options){.class_names = three, .class_count = 3}));
  expect_error(&f, RGC_CODE_DATA_CLASSES, f.dir, "the data set has 2 classes, the network 3");
  cr_expect_null(open_folder(&f, "folder:", &(rgc_dataset_options){.class_names = other, .class_count = 2}));
  expect_error(&f, RGC_CODE_DATA_CLASSES, f.dir, "'void'");
  shell(&f, "ln -s . $D/void/loop");
  cr_expect_null(open_folder(&f, "folder:", NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "loop", "deep");
  cr_expect_null(rgc_dataset_open("folder:/nonexistent", NULL, &f.diags));
  expect_error(&f, RGC_CODE_DATA_MISSING, "/nonexistent", NULL);
  teardown(&f);
}

Test(folder, statistics_and_sizes) {
  fixture f = setup();
  shell(&f, TWO_CLASSES " && echo no >$D/cat/broken.png");
  rgc_dataset *d = open_folder(&f, "folder:", &(rgc_dataset_options){.split = -1});
  double mean[3], stddev[3];
  cr_assert(d && rgc_dataset_statistics_channels(d) == 3);
  cr_expect_eq(rgc_dataset_statistics(d, RGC_SPLIT_TRAIN, mean, stddev), 14, "the broken file does not count");
  cr_expect(mean[0] > 0.4 && mean[0] < 0.6 && stddev[0] > 0.2 && stddev[0] < 0.35);
  rgc_file_sizes s = rgc_dataset_file_sizes(d, f.arena);
  cr_expect(s.measured == 15 && s.bad == 1 && s.gray == 1 && strstr(s.bad_path, "broken.png"));
  cr_expect(s.height.min == 29 && s.height.median == 29 && s.height.max == 29 && s.width.min == 37 && s.width.max == 37);
  rgc_dataset_close(d);
  teardown(&f);
}

/* ---- steps ---- */

static rgc_data_step all_steps[] = {
    {.kind = RGC_STEP_RANDOM_RESIZED_CROP, .scale = {0.2, 1}, .ratio = {0.75, 1.333}},
    {.kind = RGC_STEP_FLIP, .probability = 0.5},
    {.kind = RGC_STEP_PAD_CROP, .pad = 2},
    {.kind = RGC_STEP_COLOR_JITTER, .brightness = 0.4, .contrast = 0.4, .saturation = 0.4, .hue = 0.1},
    {.kind = RGC_STEP_TRIVIAL_AUGMENT},
    {.kind = RGC_STEP_RAND_AUGMENT, .count = 2, .magnitude = 9},
    {.kind = RGC_STEP_RANDOM_ERASING, .probability = 0.5, .scale = {0.02, 0.33}, .ratio = {0.3, 3.3}},
};
static rgc_data_settings all_settings = {.given = true, .train = {all_steps, sizeof all_steps / sizeof *all_steps}};

static rgc_pipeline_options pipeline_of(rgc_data_settings *settings, uint64_t seed) {
  return (rgc_pipeline_options){.dst = {SIDE, SIDE, 3}, .settings = settings, .train = true, .seed = seed};
}

/* One pass in order, all samples, to images[count][ELEMS]; returns how many came. */
static int pass(fixture *f, const rgc_dataset *d, rgc_pipeline_options *p, rgc_loader_options o, int64_t epoch, float *images) {
  int order[MAX_SAMPLES], count = rgc_dataset_count(d, o.split), got = 0;
  for (int i = 0; i < count; i++) order[i] = i;
  rgc_loader *l = rgc_loader_create(d, p, &o, &f->diags);
  cr_assert(l);
  rgc_loader_start(l, order, count, epoch);
  for (const rgc_batch *b; (b = rgc_loader_next(l)); got += (int)b->valid)
    memcpy(images + (size_t)got * ELEMS, b->images, (size_t)b->valid * ELEMS * sizeof *images);
  rgc_loader_failed(l, &f->diags);
  rgc_loader_destroy(l);
  return got;
}

Test(folder, augmented_bits_do_not_depend_on_workers) {
  fixture f = setup();
  shell(&f, TWO_CLASSES);
  rgc_dataset *d = open_folder(&f, "folder:", &(rgc_dataset_options){.split = -1});
  rgc_pipeline_options p = pipeline_of(&all_settings, 3);
  size_t bytes = 14 * ELEMS * sizeof(float);
  float *wanted = RGC_NEW_ARRAY(f.arena, float, 14 * ELEMS), *made = RGC_NEW_ARRAY(f.arena, float, 14 * ELEMS);
  cr_assert_eq(pass(&f, d, &p, (rgc_loader_options){.batch = 14}, 1, wanted), 14);
  for (int workers = 0; workers < 4; workers++) {
    cr_assert_eq(pass(&f, d, &p, (rgc_loader_options){.batch = 3, .workers = workers}, 1, made), 14);
    cr_expect(!memcmp(wanted, made, bytes), "%d workers", workers);
  }
  for (int i = 0; i < 14 * ELEMS; i++) cr_assert(made[i] >= 0 && made[i] <= 1);
  pass(&f, d, &p, (rgc_loader_options){.batch = 14}, 2, made);
  cr_expect(memcmp(wanted, made, bytes), "another epoch");
  p.seed = 4;
  pass(&f, d, &p, (rgc_loader_options){.batch = 14}, 1, made);
  cr_expect(memcmp(wanted, made, bytes), "another seed");
  rgc_dataset_close(d);
  teardown(&f);
}

#define WITH_BAD TWO_CLASSES " && head -c 600 baseline.jpg >$D/cat/cut.jpg && cp names.txt $D/dog/text.png && cp gray.png $D/dog/x.gif"

Test(folder, bad_files_are_fatal_or_skipped) {
  fixture f = setup();
  shell(&f, WITH_BAD);
  rgc_dataset *d = open_folder(&f, "folder:", &(rgc_dataset_options){.split = -1});
  cr_assert_eq(rgc_dataset_count(d, RGC_SPLIT_TRAIN), 17);
  rgc_pipeline_options p = pipeline_of(&all_settings, 3);
  float *skipped = RGC_NEW_ARRAY(f.arena, float, 17 * ELEMS), *made = RGC_NEW_ARRAY(f.arena, float, 17 * ELEMS);
  for (int workers = 0; workers < 3; workers++) {
    f.diags.count = f.diags.error_count = 0;
    int got = pass(&f, d, &p, (rgc_loader_options){.batch = 2, .workers = workers}, 0, made);
    cr_expect_eq(got, 2, "cut.jpg is in the second batch");
    cr_assert_eq(f.diags.error_count, 1);
    expect_error(&f, RGC_CODE_DATA_FORMAT, "cat/cut.jpg", "damaged JPEG");
    f.diags.count = f.diags.error_count = 0;
    cr_expect_eq(pass(&f, d, &p, (rgc_loader_options){.batch = 4, .workers = workers, .skip_corrupt = true}, 0, workers ? made : skipped), 15,
                 "gray.png is a PNG, whatever it is called");
    cr_expect_eq(f.diags.error_count, 0);
    if (workers) cr_expect(!memcmp(skipped, made, 15 * ELEMS * sizeof(float)));
  }
  rgc_dataset_close(d);
  teardown(&f);
}

Test(folder, skipped_files_are_listed_once) {
  fixture f = setup();
  shell(&f, WITH_BAD);
  rgc_dataset *d = open_folder(&f, "folder:", &(rgc_dataset_options){.split = -1});
  rgc_pipeline_options p = pipeline_of(&all_settings, 3);
  rgc_loader *l = rgc_loader_create(d, &p, &(rgc_loader_options){.batch = 1, .workers = 2, .skip_corrupt = true}, &f.diags);
  int order[MAX_SAMPLES], count, empty = 0;
  for (int i = 0; i < 17; i++) order[i] = 16 - i;
  for (int epoch = 0; epoch < 2; epoch++) {
    rgc_loader_start(l, order, 17, epoch);
    for (const rgc_batch *b; (b = rgc_loader_next(l));) empty += b->valid == 0;
  }
  const rgc_bad_file *bad = rgc_loader_skipped(l, &count);
  cr_expect_eq(empty, 4);
  cr_assert_eq(count, 2);
  cr_expect(strstr(bad[0].path, "cat/cut.jpg") && strstr(bad[1].path, "dog/text.png"));
  cr_expect_str_eq(bad[1].problem, "is no JPEG, PNG or WebP");
  rgc_loader_destroy(l);
  rgc_dataset_close(d);
  teardown(&f);
}

/* A resize that would give an image of a million rows is refused, not tried. */
Test(folder, narrow_images_stay_within_memory) {
  fixture f = setup();
  rgc_image_shape shape = {30000, 1, 3};
  uint8_t *pixels = rgc_arena_alloc(f.arena, 30000 * 3);
  cr_assert(rgc_png_write(rgc_arena_printf(f.arena, "%s/narrow.png", f.dir), pixels, shape, &f.diags));
  rgc_pipeline_options o = {.dst = {224, 224, 3}};
  rgc_pipeline *p = rgc_pipeline_create(&o, f.arena, &f.diags);
  const char *problem = rgc_pipeline_file(p, rgc_arena_printf(f.arena, "%s/narrow.png", f.dir), f.arena, RGC_NEW_ARRAY(f.arena, float, 224 * 224 * 3));
  cr_expect(problem && strstr(problem, "too large"), "%s", problem ? problem : "taken");
  teardown(&f);
}

/* A JPEG twice as large as needed and more is decoded smaller: close to, but not the same as, the exact way. */
Test(folder, large_jpegs_may_be_decoded_smaller) {
  fixture f = setup();
  rgc_data_step resize = {.kind = RGC_STEP_RESIZE, .size = {7, 0}};
  rgc_data_settings scaled = {.given = true, .evaluate = {&resize, 1}, .decode = RGC_DECODE_SCALED}, exact = scaled;
  exact.decode = RGC_DECODE_AUTO; /* which is exact in evaluation */
  float made[2][7 * 7 * 3], worst = 0;
  for (int i = 0; i < 2; i++) {
    rgc_pipeline_options o = {.dst = {7, 7, 3}, .settings = i ? &exact : &scaled};
    cr_assert_null(rgc_pipeline_file(rgc_pipeline_create(&o, f.arena, &f.diags), "tests/data/images/baseline.jpg", f.arena, made[i]));
  }
  for (int i = 0; i < 7 * 7 * 3; i++) worst = fmaxf(worst, fabsf(made[0][i] - made[1][i]));
  cr_expect(worst > 0 && worst < 0.1f, "%f", worst);
  teardown(&f);
}

/* ---- npy ---- */

static void write_npy(fixture *f, const char *name, rgc_npy array) {
  array.count_elems = 1;
  for (int i = 0; i < array.rank; i++) array.count_elems *= (size_t)array.shape[i];
  cr_assert(rgc_npy_write(rgc_arena_printf(f->arena, "%s/%s", f->dir, name), &array, &f->diags));
}

static const int64_t npy_labels[10] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 2};

Test(folder, npy_pairs_in_either_order_of_axes) {
  fixture f = setup();
  uint8_t last[10 * 4 * 5 * 3], first[10 * 4 * 5 * 3], pixels[4 * 5 * 3];
  for (int n = 0; n < 10; n++)
    for (int p = 0; p < 20; p++)
      for (int c = 0; c < 3; c++) last[(n * 20 + p) * 3 + c] = first[(n * 3 + c) * 20 + p] = (uint8_t)(n * 20 + p + 7 * c);
  for (int order = 0; order < 2; order++) {
    write_npy(&f, "images.npy", order ? (rgc_npy){.type = RGC_NPY_U8, .rank = 4, .shape = {10, 3, 4, 5}, .data = first}
                                      : (rgc_npy){.type = RGC_NPY_U8, .rank = 4, .shape = {10, 4, 5, 3}, .data = last});
    write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_I64, .rank = 1, .shape = {10}, .data = npy_labels});
    rgc_dataset *d = open_folder(&f, "", &(rgc_dataset_options){.split = -1});
    cr_assert(d && rgc_dataset_count(d, RGC_SPLIT_TRAIN) == 10 && rgc_dataset_class_count(d) == 3);
    cr_expect(rgc_dataset_shape(d).height == 4 && rgc_dataset_shape(d).width == 5 && rgc_dataset_shape(d).channels == 3);
    cr_expect_eq(rgc_dataset_fetch(d, RGC_SPLIT_TRAIN, 9, pixels), 2);
    cr_expect_arr_eq(pixels, last + 9 * 60, 60);
    rgc_dataset_close(d);
  }
  teardown(&f);
}

Test(folder, npy_floats_are_taken_as_they_are) {
  fixture f = setup();
  float images[10 * 6], made[10 * 6];
  for (int i = 0; i < 60; i++) images[i] = (float)i / 7 - 2;
  write_npy(&f, "images.npy", (rgc_npy){.type = RGC_NPY_F32, .rank = 3, .shape = {10, 2, 3}, .data = images});
  write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_I64, .rank = 1, .shape = {10}, .data = npy_labels});
  rgc_dataset *d = open_folder(&f, "npy:", &(rgc_dataset_options){.split = -1});
  cr_assert(d && rgc_dataset_is_float(d));
  rgc_pipeline_options p = {.src = {2, 3, 1}, .src_is_float = true, .dst = {2, 3, 1}};
  int order[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  rgc_loader *l = rgc_loader_create(d, &p, &(rgc_loader_options){.batch = 10}, &f.diags);
  cr_assert(l);
  rgc_loader_start(l, order, 10, 0);
  memcpy(made, rgc_loader_next(l)->images, sizeof made);
  cr_expect_arr_eq(made, images, sizeof images);
  rgc_loader_destroy(l);
  p.settings = &all_settings;
  cr_expect_null(rgc_loader_create(d, &p, &(rgc_loader_options){.batch = 10}, &f.diags));
  expect_error(&f, RGC_CODE_BAD_VALUE, NULL, "floats");
  rgc_dataset_close(d);
  teardown(&f);
}

/* The network says how many classes there are: data need not show the last ones, and must not show more. */
Test(folder, npy_labels_may_lack_classes_of_the_network) {
  fixture f = setup();
  const uint8_t images[10 * 4] = {0};
  const int64_t ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const char *const names[] = {"a", "b", "c", "d", "e"};
  rgc_dataset_options options = {.class_count = 5};
  for (int named = 0; named < 2; named++, options.class_names = names) {
    write_npy(&f, "images.npy", (rgc_npy){.type = RGC_NPY_U8, .rank = 3, .shape = {10, 2, 2}, .data = images});
    write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_I64, .rank = 1, .shape = {10}, .data = named ? ones : npy_labels});
    rgc_dataset *d = open_folder(&f, "npy:", &options);
    cr_assert(d && rgc_dataset_class_count(d) == 5);
    cr_expect_str_eq(rgc_dataset_class_name(d, 4), named ? "e" : "4");
    rgc_dataset_close(d);
  }
  options.class_count = 2;
  write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_I64, .rank = 1, .shape = {10}, .data = npy_labels});
  for (int named = 0; named < 2; named++, options.class_names = NULL) {
    cr_expect_null(open_folder(&f, "npy:", &options));
    expect_error(&f, RGC_CODE_DATA_CLASSES, "labels.npy", "label 2 of image 2 needs 3 classes at least, and the network has 2");
  }
  teardown(&f);
}

Test(folder, npy_pairs_that_do_not_fit_are_refused) {
  fixture f = setup();
  const uint8_t images[10 * 4] = {0};
  const float reals[10] = {0};
  int64_t negative[10] = {0, -1};
  write_npy(&f, "images.npy", (rgc_npy){.type = RGC_NPY_U8, .rank = 3, .shape = {10, 2, 2}, .data = images});
  cr_expect_null(open_folder(&f, "npy:", NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, "labels.npy", NULL);
  write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_I64, .rank = 1, .shape = {9}, .data = npy_labels});
  cr_expect_null(open_folder(&f, "npy:", NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "labels.npy", "10 images");
  write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_F32, .rank = 1, .shape = {10}, .data = reals});
  cr_expect_null(open_folder(&f, "npy:", NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "labels.npy", "no integers");
  write_npy(&f, "labels.npy", (rgc_npy){.type = RGC_NPY_I64, .rank = 1, .shape = {10}, .data = negative});
  cr_expect_null(open_folder(&f, "npy:", NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "labels.npy", "label -1 of image 1");
  write_npy(&f, "images.npy", (rgc_npy){.type = RGC_NPY_U8, .rank = 2, .shape = {10, 4}, .data = images});
  cr_expect_null(open_folder(&f, "npy:", NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "images.npy", "axes");
  teardown(&f);
}
