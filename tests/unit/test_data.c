/* test_data.c: runtime/data against goldens (Pillow's rasters, PyTorch's resize) and against damaged files.
 *
 * Small files are written to a folder of their own under /tmp for each test; the rest is in tests/data/quickdraw. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "runtime/data/dataset.h"
#include "runtime/data/npy.h"
#include "runtime/data/raster.h"
#include "runtime/data/slurp.h"
#include "runtime/data/statistics.h"
#include "runtime/data/strokes.h"
#include "runtime/data/transform.h"
#include "tests/unit/temp_folder.h"

#ifndef RGC_SOURCE_DIR
#define RGC_SOURCE_DIR "."
#endif
#define QUICKDRAW RGC_SOURCE_DIR "/tests/data/quickdraw"
enum { RASTER_BYTES = RGC_RASTER_SIZE * RGC_RASTER_SIZE, CIFAR_RECORD = 3073 };

static char *path_of(fixture *f, const char *name) { return rgc_arena_printf(f->arena, "%s/%s", f->dir, name); }

static char *write_file(fixture *f, const char *name, const void *bytes, size_t size) {
  char *path = path_of(f, name);
  FILE *file = fopen(path, "wb");
  cr_assert(file);
  cr_assert_eq(fwrite(bytes, 1, size, file), size);
  fclose(file);
  return path;
}

static void write_gzip(fixture *f, const char *name, const void *bytes, unsigned size) {
  gzFile file = gzopen(path_of(f, name), "wb");
  cr_assert_eq(gzwrite(file, bytes, size), (int)size);
  gzclose(file);
}

static rgc_dataset *open_at(fixture *f, const char *kind, const char *where, const rgc_dataset_options *options) {
  return rgc_dataset_open(rgc_arena_printf(f->arena, "%s:%s", kind, where), options, &f->diags);
}

/* The newest error has this code, names `file_part`, and says what to do. */
static void expect_error(const fixture *f, rgc_code code, const char *file_part) {
  cr_assert_gt(f->diags.error_count, 0);
  const rgc_diagnostic *d = &f->diags.items[f->diags.count - 1];
  cr_expect_eq(d->code, code, "%s: %s", rgc_code_word(d->code), d->message);
  cr_expect(d->help || d->expected, "%s", d->message);
  if (file_part) cr_expect(d->at.file && strstr(d->at.file, file_part), "%s", d->message);
}

static void expect_goldens(const char *class_name, const char *ending) {
  fixture f = setup();
  rgc_npy golden;
  rgc_drawing_list list = {0};
  cr_assert(rgc_npy_read(rgc_arena_printf(f.arena, QUICKDRAW "/%s.ink1bit.npy", class_name), f.arena, &golden, &f.diags));
  cr_assert(rgc_strokes_read(rgc_arena_printf(f.arena, QUICKDRAW "/%s%s", class_name, ending), 500, f.arena, &list, &f.diags));
  cr_assert_eq(list.count, golden.shape[0]);
  uint8_t *gray = rgc_arena_alloc(f.arena, RASTER_BYTES);
  int wrong = 0;
  for (int i = 0; i < list.count; i++) {
    rgc_raster_drawing(&list.items[i], gray);
    const uint8_t *bits = (const uint8_t *)golden.data + (size_t)i * RGC_RASTER_SIZE * 32;
    for (int p = 0; p < RASTER_BYTES; p++) {
      int y = p / RGC_RASTER_SIZE, x = p % RGC_RASTER_SIZE;
      int ink = bits[y * 32 + x / 8] >> (7 - x % 8) & 1;
      wrong += gray[p] != (ink ? RGC_RASTER_INK : RGC_RASTER_PAPER);
    }
  }
  cr_expect_eq(wrong, 0, "%s%s: %d pixels differ", class_name, ending, wrong);
  teardown(&f);
}

Test(data, rasters_equal_pillow_from_ndjson) {
  expect_goldens("apple", ".ndjson");
  expect_goldens("wine bottle", ".ndjson");
}

Test(data, rasters_equal_pillow_from_binary) {
  expect_goldens("apple", ".bin");
  expect_goldens("wine bottle", ".bin");
}

Test(data, one_point_draws_nothing_and_equal_points_draw_one) {
  uint8_t x[] = {10, 20, 20}, y[] = {10, 30, 30}, gray[RASTER_BYTES];
  int counts[] = {1, 2}, ink = 0;
  rgc_raster_drawing(&(rgc_drawing){.stroke_count = 2, .point_counts = counts, .x = x, .y = y}, gray);
  for (int p = 0; p < RASTER_BYTES; p++) ink += gray[p] == RGC_RASTER_INK;
  cr_expect_eq(ink, 1);
  cr_expect_eq(gray[30 * RGC_RASTER_SIZE + 20], RGC_RASTER_INK);
}

/* The largest difference between our tensor of the first five apples and PyTorch's at the points kept. */
static float resize_difference(bool antialias, const char *golden_name) {
  static const float mean[] = {0.485f, 0.456f, 0.406f}, stddev[] = {0.229f, 0.224f, 0.225f};
  fixture f = setup();
  rgc_npy golden;
  cr_assert(rgc_npy_read(rgc_arena_printf(f.arena, QUICKDRAW "/%s", golden_name), f.arena, &golden, &f.diags));
  rgc_dataset *d = open_at(&f, "quickdraw-strokes", QUICKDRAW, NULL);
  cr_assert(d);
  rgc_transform_options options = {
      .src = rgc_dataset_shape(d), .dst = {224, 224, 3}, .antialias = antialias, .mean = mean, .stddev = stddev};
  rgc_transform *t = rgc_transform_create(&options, f.arena, &f.diags);
  float *workspace = RGC_NEW_ARRAY(f.arena, float, rgc_transform_workspace_floats(t));
  float *out = RGC_NEW_ARRAY(f.arena, float, 224 * 224 * 3), worst = 0.0f;
  const float *expected = golden.data;
  uint8_t *gray = rgc_arena_alloc(f.arena, RASTER_BYTES);
  for (int n = 0; n < 5; n++) {
    rgc_dataset_fetch(d, RGC_SPLIT_TRAIN, n, gray);
    rgc_transform_apply(t, gray, workspace, out);
    for (int c = 0; c < 3; c++)
      for (int y = 0; y < 224; y += 16)
        for (int x = 0; x < 224; x += 7) worst = fmaxf(worst, fabsf(out[(y * 224 + x) * 3 + c] - *expected++));
  }
  rgc_dataset_close(d);
  teardown(&f);
  return worst;
}

/* Without antialiasing a weight is a float32 position's fraction: one ulp at 128..255 is 1.5e-5, and 1/std makes that 6.8e-5. */
Test(data, resize_equals_pytorch) {
  cr_expect_lt(resize_difference(false, "apple5_noaa_every16x7.npy"), 5e-5f);
  cr_expect_lt(resize_difference(true, "apple5_aa_every16x7.npy"), 2e-6f);
}

Test(data, transform_converts_channels_and_upscales) {
  fixture f = setup();
  const uint8_t rgb[] = {255, 0, 0, 0, 255, 0}, line[] = {0, 255};
  float workspace[64], out[8];
  rgc_transform_options gray = {.src = {1, 2, 3}, .dst = {1, 2, 1}};
  rgc_transform *t = rgc_transform_create(&gray, f.arena, &f.diags);
  cr_assert_leq(rgc_transform_workspace_floats(t), 64);
  rgc_transform_apply(t, rgb, workspace, out);
  cr_expect_float_eq(out[0], 0.2989f, 1e-6f);
  cr_expect_float_eq(out[1], 0.587f, 1e-6f);
  for (int antialias = 0; antialias < 2; antialias++) {
    rgc_transform_options wide = {.src = {1, 2, 1}, .dst = {1, 4, 2}, .antialias = antialias};
    t = rgc_transform_create(&wide, f.arena, &f.diags);
    rgc_transform_apply(t, line, workspace, out);
    const float expected[] = {0.0f, 0.25f, 0.75f, 1.0f};
    for (int i = 0; i < 8; i++) cr_expect_float_eq(out[i], expected[i / 2], 1e-6f, "%d %d: %f", antialias, i, out[i]);
  }
  rgc_transform_options none = {.src = {2, 2, 2}, .dst = {2, 2, 3}};
  cr_expect_null(rgc_transform_create(&none, f.arena, &f.diags));
  expect_error(&f, RGC_CODE_BAD_VALUE, NULL);
  teardown(&f);
}

Test(data, npy_round_trip_and_damage) {
  fixture f = setup();
  const float values[] = {1.5f, -2.0f, 3.25f, 0.0f, 5.0f, 6.0f};
  rgc_npy array = {.type = RGC_NPY_F32, .rank = 2, .shape = {2, 3}, .count_elems = 6, .data = values}, back;
  char *path = path_of(&f, "a.npy");
  cr_assert(rgc_npy_write(path, &array, &f.diags));
  cr_assert(rgc_npy_read(path, f.arena, &back, &f.diags));
  cr_expect(back.type == RGC_NPY_F32 && back.rank == 2 && back.shape[0] == 2 && back.shape[1] == 3);
  cr_expect_arr_eq(back.data, values, sizeof values);
  array.rank = 1, array.shape[0] = 6;
  cr_assert(rgc_npy_write(path, &array, &f.diags) && rgc_npy_read(path, f.arena, &back, &f.diags));
  cr_expect(back.rank == 1 && back.shape[0] == 6);
  cr_assert_eq(truncate(path, 140), 0);
  cr_expect_not(rgc_npy_read(path, f.arena, &back, &f.diags));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "a.npy");
  cr_assert_eq(truncate(path, 40), 0);
  cr_expect_not(rgc_npy_read(path, f.arena, &back, &f.diags));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "a.npy");
  cr_expect_not(rgc_npy_write("/nonexistent/a.npy", &array, &f.diags));
  expect_error(&f, RGC_CODE_FILE_WRITE, "/nonexistent/a.npy");
  teardown(&f);
}

Test(data, quickdraw_bitmaps_split_450_of_500) {
  fixture f = setup();
  const char *where = RGC_SOURCE_DIR "/examples/data/quickdraw";
  rgc_dataset *d = open_at(&f, "quickdraw", where, NULL);
  cr_assert(d);
  cr_expect_eq(rgc_dataset_class_count(d), 10);
  cr_expect_str_eq(rgc_dataset_class_name(d, 1), "butterfly");
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_TRAIN), 4500);
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_VALIDATION), 500);
  uint8_t a[784], row[784];
  cr_expect_eq(rgc_dataset_fetch(d, RGC_SPLIT_VALIDATION, 50, a), 1);
  FILE *file = fopen(RGC_SOURCE_DIR "/examples/data/quickdraw/butterfly.bin", "rb");
  cr_assert(file && !fseek(file, 450 * 784, SEEK_SET) && fread(row, 784, 1, file) == 1);
  fclose(file);
  cr_expect_arr_eq(a, row, 784);
  rgc_dataset_close(d);
  teardown(&f);
}

Test(data, quickdraw_takes_the_networks_classes) {
  fixture f = setup();
  const char *const names[] = {"wine bottle", "apple"}, *const wrong[] = {"aple"};
  rgc_dataset_options options = {.class_names = names, .class_count = 2, .limit_per_class = 10};
  rgc_dataset *d = open_at(&f, "quickdraw-strokes", QUICKDRAW, &options);
  cr_assert(d);
  cr_expect_str_eq(rgc_dataset_class_name(d, 0), "wine bottle");
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_TRAIN), 18);
  cr_expect_eq(rgc_dataset_label(d, RGC_SPLIT_TRAIN, 9), 1);
  rgc_dataset_close(d);
  rgc_dataset_options bad = {.class_names = wrong, .class_count = 1};
  cr_expect_null(open_at(&f, "quickdraw-strokes", QUICKDRAW, &bad));
  expect_error(&f, RGC_CODE_DATA_CLASSES, QUICKDRAW);
  cr_expect_str_eq(f.diags.items[0].help, "did you mean 'apple'?");
  teardown(&f);
}

static void make_cifar(uint8_t *records, int count) {
  for (int i = 0; i < count * CIFAR_RECORD; i++) {
    int at = i % CIFAR_RECORD;
    records[i] = (uint8_t)(at == 0 ? i / CIFAR_RECORD % 10 : (at - 1) / 1024 * 80 + (at - 1) % 64);
  }
}

Test(data, cifar_interleaves_planes_and_reorders_classes) {
  fixture f = setup();
  uint8_t *records = rgc_arena_alloc(f.arena, 20 * CIFAR_RECORD), pixels[3072];
  make_cifar(records, 20);
  char *path = write_file(&f, "c.bin", records, 20 * CIFAR_RECORD);
  const char *const names[] = {"truck", "ship", "horse", "frog", "dog", "deer", "cat", "bird", "automobile", "airplane"};
  rgc_dataset_options options = {.class_names = names, .class_count = 10};
  rgc_dataset *d = open_at(&f, "cifar10", path, &options);
  cr_assert(d);
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_TRAIN), 18);
  cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_VALIDATION), 2);
  cr_expect_eq(rgc_dataset_fetch(d, RGC_SPLIT_TRAIN, 3, pixels), 6);
  for (int p = 0; p < 1024; p++)
    for (int c = 0; c < 3; c++) cr_assert_eq(pixels[3 * p + c], c * 80 + p % 64);
  rgc_dataset_close(d);
  options.class_count = 9;
  cr_expect_null(open_at(&f, "cifar10", path, &options));
  expect_error(&f, RGC_CODE_DATA_CLASSES, "c.bin");
  teardown(&f);
}

Test(data, cifar_refuses_damage) {
  fixture f = setup();
  uint8_t *records = rgc_arena_alloc(f.arena, 2 * CIFAR_RECORD);
  make_cifar(records, 2);
  cr_expect_null(open_at(&f, "cifar10", write_file(&f, "cut.bin", records, 2 * CIFAR_RECORD - 1), NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "cut.bin");
  records[CIFAR_RECORD] = 10;
  cr_expect_null(open_at(&f, "cifar10", write_file(&f, "label.bin", records, 2 * CIFAR_RECORD), NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "label.bin");
  cr_expect_null(open_at(&f, "cifar10", path_of(&f, "none.bin"), NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, "none.bin");
  teardown(&f);
}

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t idx_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 4, 1};

static void make_idx(fixture *f) {
  write_file(f, "train-images-idx3-ubyte", idx_images, sizeof idx_images);
  write_file(f, "train-labels-idx1-ubyte", idx_labels, sizeof idx_labels);
  write_gzip(f, "t10k-images-idx3-ubyte.gz", idx_images, sizeof idx_images);
  write_gzip(f, "t10k-labels-idx1-ubyte.gz", idx_labels, sizeof idx_labels);
}

Test(data, idx_reads_plain_and_gzip) {
  fixture f = setup();
  make_idx(&f);
  rgc_dataset *d = open_at(&f, "idx", f.dir, NULL);
  cr_assert(d);
  rgc_image_shape shape = rgc_dataset_shape(d);
  cr_expect(shape.height == 2 && shape.width == 3 && shape.channels == 1);
  cr_expect_eq(rgc_dataset_class_count(d), 5);
  for (int split = 0; split < RGC_SPLIT_COUNT; split++) {
    uint8_t pixels[6];
    cr_expect_eq(rgc_dataset_count(d, (rgc_split)split), 2);
    cr_expect_eq(rgc_dataset_fetch(d, (rgc_split)split, 1, pixels), 1);
    cr_expect_arr_eq(pixels, idx_images + 22, 6);
  }
  rgc_dataset_close(d);
  teardown(&f);
}

Test(data, idx_labels_may_lack_classes_of_the_network) {
  fixture f = setup();
  make_idx(&f);
  rgc_dataset *d = open_at(&f, "idx", f.dir, &(rgc_dataset_options){.class_count = 10});
  cr_assert(d);
  cr_expect_eq(rgc_dataset_class_count(d), 10);
  rgc_dataset_close(d);
  cr_expect_null(open_at(&f, "idx", f.dir, &(rgc_dataset_options){.class_count = 4}));
  expect_error(&f, RGC_CODE_DATA_CLASSES, "train-labels-idx1-ubyte");
  teardown(&f);
}

Test(data, idx_refuses_damage) {
  fixture f = setup();
  make_idx(&f);
  cr_assert_eq(truncate(path_of(&f, "t10k-images-idx3-ubyte.gz"), 30), 0);
  cr_expect_null(open_at(&f, "idx", f.dir, NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "t10k-images-idx3-ubyte.gz");
  cr_assert_eq(truncate(path_of(&f, "train-images-idx3-ubyte"), 20), 0);
  cr_expect_null(open_at(&f, "idx", f.dir, NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "train-images-idx3-ubyte");
  cr_assert_eq(remove(path_of(&f, "train-labels-idx1-ubyte")), 0);
  cr_expect_null(open_at(&f, "idx", f.dir, NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, "train-labels-idx1-ubyte");
  teardown(&f);
}

/* 80 MB of zeros in 80 kB are refused; a file that is as large, but unpacked, is not. */
Test(data, files_that_unpack_to_far_more_are_refused) {
  fixture f = setup();
  enum { SIZE = 80 << 20 };
  uint8_t *zeros = calloc(1, SIZE);
  gzFile gzip = gzopen(path_of(&f, "bomb.npy"), "wb1");
  cr_assert(zeros && gzip && gzwrite(gzip, zeros, SIZE) == SIZE);
  gzclose(gzip);
  rgc_file_bytes file;
  cr_expect_not(rgc_file_slurp(path_of(&f, "bomb.npy"), f.arena, &file, &f.diags));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "bomb.npy");
  cr_expect(rgc_file_slurp(write_file(&f, "plain.npy", zeros, SIZE), f.arena, &file, &f.diags) && file.size_bytes == SIZE);
  free(zeros);
  teardown(&f);
}

Test(data, strokes_refuse_damage) {
  fixture f = setup();
  rgc_drawing_list list = {0};
  rgc_file_bytes whole;
  cr_assert(rgc_file_slurp(QUICKDRAW "/apple.bin", f.arena, &whole, &f.diags));
  char *cut = write_file(&f, "cut.bin", whole.data, whole.size_bytes - 1);
  cr_expect_not(rgc_strokes_read(cut, 500, f.arena, &list, &f.diags));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "cut.bin");
  const char text[] = "{\"drawing\": [[[1, 2], [3, 4]]]}\n{\"drawing\": [[[1, 256], [3, 4]]]}\n";
  char *range = write_file(&f, "range.ndjson", text, sizeof text - 1);
  cr_expect_not(rgc_strokes_read(range, 500, f.arena, &list, &f.diags));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "range.ndjson");
  cr_expect_eq(f.diags.items[f.diags.count - 1].at.line, 2);
  char *half = write_file(&f, "half.ndjson", text, 20);
  cr_expect_not(rgc_strokes_read(half, 500, f.arena, &list, &f.diags));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "half.ndjson");
  teardown(&f);
}

Test(data, bitmaps_refuse_damage) {
  fixture f = setup();
  cr_expect_null(open_at(&f, "quickdraw", f.dir, NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, f.dir);
  const uint8_t bytes[1000] = {0};
  write_file(&f, "cat.bin", bytes, sizeof bytes);
  cr_expect_null(open_at(&f, "quickdraw", f.dir, NULL));
  expect_error(&f, RGC_CODE_DATA_FORMAT, "cat.bin");
  cr_expect_null(open_at(&f, "quickdraw", "/nonexistent", NULL));
  expect_error(&f, RGC_CODE_DATA_MISSING, "/nonexistent");
  teardown(&f);
}

Test(data, specs_are_checked) {
  fixture f = setup();
  cr_expect_null(rgc_dataset_open("cifar:x", NULL, &f.diags));
  cr_expect_str_eq(f.diags.items[0].help, "did you mean 'cifar10:x'?");
  cr_expect_null(rgc_dataset_open("synthetic", NULL, &f.diags));
  expect_error(&f, RGC_CODE_BAD_VALUE, NULL);
  cr_expect_null(rgc_dataset_open("synthetic:colour=3", NULL, &f.diags));
  expect_error(&f, RGC_CODE_BAD_VALUE, NULL);
  cr_expect_null(rgc_dataset_open("synthetic:size=0", NULL, &f.diags));
  teardown(&f);
}

Test(data, synthetic_is_the_same_every_time) {
  fixture f = setup();
  uint8_t a[8 * 8 * 3], b[8 * 8 * 3];
  for (int run = 0; run < 2; run++) {
    rgc_dataset *d = rgc_dataset_open("synthetic:count=40,classes=4,size=8,seed=7", NULL, &f.diags);
    cr_assert(d);
    cr_expect_eq(rgc_dataset_count(d, RGC_SPLIT_TRAIN), 36);
    cr_assert_eq(rgc_dataset_sample_bytes(d), sizeof a);
    cr_expect_eq(rgc_dataset_fetch(d, RGC_SPLIT_VALIDATION, 1, run ? b : a), 1);
    rgc_dataset_close(d);
  }
  cr_expect_arr_eq(a, b, sizeof a);
  teardown(&f);
}

/* Two images of 2x3: 1..6 and 7..12, of mean 6.5 and variance 143/12; labels 4 and 1. */
Test(data, statistics_are_those_of_the_bytes) {
  fixture f = setup();
  make_idx(&f);
  rgc_dataset *d = open_at(&f, "idx", f.dir, NULL);
  cr_assert(d);
  double mean, stddev;
  cr_expect_eq(rgc_dataset_statistics(d, RGC_SPLIT_TRAIN, &mean, &stddev), 2);
  cr_expect_float_eq(mean, 6.5 / 255, 1e-15);
  cr_expect_float_eq(stddev, sqrt(143.0 / 12) / 255, 1e-15);
  int counts[5];
  const int wanted[] = {0, 1, 0, 0, 1};
  rgc_dataset_class_counts(d, RGC_SPLIT_TRAIN, counts);
  cr_expect_arr_eq(counts, wanted, sizeof wanted);
  rgc_dataset_close(d);
  teardown(&f);
}

/* 1000 samples of 512x512 are more than 2^26 bytes: a part is measured, of all classes, and close to the whole. */
Test(data, statistics_of_much_data_are_sampled) {
  fixture f = setup();
  rgc_dataset *large = rgc_dataset_open("synthetic:count=1000,size=512,channels=1", NULL, &f.diags);
  cr_assert(large);
  double mean, stddev;
  cr_expect_eq(rgc_dataset_statistics(large, RGC_SPLIT_TRAIN, &mean, &stddev), 257);
  cr_expect_float_eq(mean, 0.5, 0.01);
  cr_expect_float_eq(stddev, 0.232, 0.01);
  rgc_dataset_close(large);
  teardown(&f);
}
