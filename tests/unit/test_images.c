/* test_images.c: image files, resizing and colour operations against Pillow and torchvision, to the bit (tests/data/images, made by its
 * make_goldens.py); files that lie or are cut. Runs in the source directory. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/augment.h"
#include "runtime/data/color.h"
#include "runtime/data/npy.h"
#include "runtime/data/pipeline.h"
#include "runtime/data/resample.h"
#include "tests/unit/arena_fixture.h"

#define IMAGES "tests/data/images/"
enum { HEIGHT = 29, WIDTH = 37, MAX_NAMES = 64 };

static rgc_npy golden(fixture *f, const char *name) {
  rgc_npy array;
  cr_assert(rgc_npy_read(rgc_arena_printf(f->arena, IMAGES "%s", name), f->arena, &array, &f->diags), "%s", name);
  return array;
}

static rgc_image read_image(fixture *f, const char *name, rgc_image_options options) {
  rgc_image image = {0};
  bool good = rgc_image_read(rgc_arena_printf(f->arena, IMAGES "%s", name), &options, f->arena, &image, &f->diags);
  cr_assert(good, "%s: %s", name, good ? "" : f->diags.items[0].message);
  return image;
}

static int count_different(const uint8_t *a, const uint8_t *b, size_t count) {
  int different = 0;
  for (size_t i = 0; i < count; i++) different += a[i] != b[i];
  return different;
}

static int read_names(fixture *f, const char **names) {
  FILE *list = fopen(IMAGES "names.txt", "r");
  char line[64];
  int count = 0;
  cr_assert(list);
  while (count < MAX_NAMES && fscanf(list, "%63s", line) == 1) names[count++] = rgc_arena_strdup(f->arena, line);
  fclose(list);
  return count;
}

static void expect_decoded(const char *golden_name, int channels) {
  fixture f = setup();
  const char *names[MAX_NAMES];
  rgc_npy wanted = golden(&f, golden_name);
  int count = read_names(&f, names);
  cr_assert(count >= 20 && wanted.shape[0] == count && wanted.shape[1] == HEIGHT && wanted.shape[2] == WIDTH);
  for (int i = 0; i < count; i++) {
    rgc_image image = read_image(&f, names[i], (rgc_image_options){.channels = channels});
    size_t bytes = (size_t)HEIGHT * WIDTH * (size_t)channels;
    cr_expect(image.shape.height == HEIGHT && image.shape.width == WIDTH && image.shape.channels == channels, "%s", names[i]);
    int different = count_different(image.pixels, (const uint8_t *)wanted.data + (size_t)i * bytes, bytes);
    cr_expect_eq(different, 0, "%s: %d of %zu differ", names[i], different, bytes);
  }
  rgc_arena_destroy(f.arena);
}

Test(images, decode_to_rgb_as_pillow_does) { expect_decoded("decoded_rgb.npy", 3); }
Test(images, decode_to_gray_as_pillow_does) { expect_decoded("decoded_gray.npy", 1); }

Test(images, headers_tell_the_upright_size) {
  fixture f = setup();
  const char *names[MAX_NAMES];
  int count = read_names(&f, names);
  for (int i = 0; i < count; i++) {
    const uint8_t *bytes;
    size_t size;
    rgc_image_info info;
    rgc_image_options o = {.channels = 3};
    cr_assert_null(rgc_image_slurp(rgc_arena_printf(f.arena, IMAGES "%s", names[i]), f.arena, &bytes, &size));
    cr_assert_null(rgc_image_probe(bytes, size, &o, f.arena, &info), "%s", names[i]);
    cr_expect(info.shape.height == HEIGHT && info.shape.width == WIDTH, "%s", names[i]);
    o.as_stored = true;
    cr_assert_null(rgc_image_probe(bytes, size, &o, f.arena, &info));
    bool turned = strstr(names[i], "orientation5") || strstr(names[i], "orientation6") || strstr(names[i], "orientation7") || strstr(names[i], "orientation8");
    cr_expect_eq(info.shape.height, turned ? WIDTH : HEIGHT, "%s", names[i]);
  }
  rgc_arena_destroy(f.arena);
}

Test(images, jpeg_is_decoded_smaller_as_pillows_draft_does) {
  fixture f = setup();
  rgc_npy wanted = golden(&f, "baseline_half.npy");
  rgc_image half = read_image(&f, "baseline.jpg", (rgc_image_options){.channels = 3, .shrink = 2});
  cr_assert(half.shape.height == 15 && half.shape.width == 19);
  cr_expect_eq(count_different(half.pixels, wanted.data, wanted.count_elems), 0);
  rgc_arena_destroy(f.arena);
}

Test(images, transparent_pixels_may_lie_on_white_or_black) {
  fixture f = setup();
  rgc_image plain = read_image(&f, "rgba.png", (rgc_image_options){.channels = 3});
  rgc_image white = read_image(&f, "rgba.png", (rgc_image_options){.channels = 3, .alpha = RGC_ALPHA_WHITE});
  rgc_image black = read_image(&f, "rgba.png", (rgc_image_options){.channels = 3, .alpha = RGC_ALPHA_BLACK});
  for (int x = 0; x < WIDTH; x++) { /* alpha is min(255, 8 x) */
    int alpha = x * 8 > 255 ? 255 : x * 8, value = plain.pixels[3 * x];
    cr_expect_eq(white.pixels[3 * x], (value * alpha + 255 * (255 - alpha) + 127) / 255);
    cr_expect_eq(black.pixels[3 * x], (value * alpha + 127) / 255);
  }
  rgc_arena_destroy(f.arena);
}

Test(images, resize_as_pillow_does) {
  static const struct {
    const char *word;
    rgc_filter filter;
  } filters[] = {{"bilinear", RGC_FILTER_BILINEAR}, {"bicubic", RGC_FILTER_BICUBIC}};
  static const int sizes[][2] = {{13, 17}, {50, 61}, {29, 5}};
  fixture f = setup();
  rgc_image picture = read_image(&f, "picture.png", (rgc_image_options){.channels = 3});
  for (int i = 0; i < 2; i++)
    for (int k = 0; k < 3; k++) {
      int height = sizes[k][0], width = sizes[k][1];
      rgc_npy wanted = golden(&f, rgc_arena_printf(f.arena, "resized_%s_%dx%d.npy", filters[i].word, height, width));
      rgc_image made = rgc_image_resize(picture, height, width, filters[i].filter, f.arena);
      cr_assert_eq(wanted.count_elems, (size_t)height * (size_t)width * 3);
      cr_expect_eq(count_different(made.pixels, wanted.data, wanted.count_elems), 0, "%s %dx%d", filters[i].word, height, width);
    }
  rgc_arena_destroy(f.arena);
}

static rgc_image copy_of(const fixture *f, rgc_image image) {
  size_t bytes = (size_t)image.shape.height * (size_t)image.shape.width * (size_t)image.shape.channels;
  return (rgc_image){image.shape, memcpy(rgc_arena_alloc(f->arena, bytes), image.pixels, bytes)};
}

/* Row k of make_goldens.py's operations. */
static rgc_image operation(fixture *f, rgc_image i, int k) {
  static const struct {
    rgc_augment operation;
    double magnitude;
  } augments[] = {{RGC_AUGMENT_BRIGHTNESS, 0.3 - 1}, {RGC_AUGMENT_BRIGHTNESS, 0.7}, {RGC_AUGMENT_CONTRAST, 0.4 - 1}, {RGC_AUGMENT_CONTRAST, 0.9},
                  {RGC_AUGMENT_COLOR, 0.25 - 1}, {RGC_AUGMENT_COLOR, 0.6}, {RGC_AUGMENT_SHARPNESS, 0.1 - 1}, {RGC_AUGMENT_SHARPNESS, 0.9},
                  {0, 0}, {0, 0}, {RGC_AUGMENT_POSTERIZE, 3}, {RGC_AUGMENT_SOLARIZE, 100.5}, {RGC_AUGMENT_AUTOCONTRAST, 0},
                  {RGC_AUGMENT_EQUALIZE, 0}, {RGC_AUGMENT_SHEAR_X, 0.4}, {RGC_AUGMENT_SHEAR_Y, -0.3}, {RGC_AUGMENT_TRANSLATE_X, 5.9},
                  {RGC_AUGMENT_TRANSLATE_Y, -7.9}, {RGC_AUGMENT_ROTATE, 33}, {RGC_AUGMENT_ROTATE, -101}};
  if (k == 20) return rgc_image_flip(i, f->arena);
  if (k != 8 && k != 9) return rgc_augment_apply(i, augments[k].operation, augments[k].magnitude, f->arena);
  rgc_color_hue(i, k == 8 ? 0.1 : -0.37);
  return i;
}

Test(images, operations_as_torchvision_does) {
  fixture f = setup();
  rgc_image picture = read_image(&f, "picture.png", (rgc_image_options){.channels = 3});
  rgc_npy wanted = golden(&f, "operations.npy");
  size_t bytes = HEIGHT * WIDTH * 3;
  cr_assert_eq(wanted.shape[0], 21);
  for (int k = 0; k < 21; k++) {
    rgc_image made = operation(&f, copy_of(&f, picture), k);
    int different = count_different(made.pixels, (const uint8_t *)wanted.data + (size_t)k * bytes, bytes);
    cr_expect_eq(different, 0, "operation %d: %d of %zu differ", k, different, bytes);
  }
  rgc_arena_destroy(f.arena);
}

Test(images, center_crop_may_reach_out) {
  fixture f = setup();
  rgc_image picture = read_image(&f, "picture.png", (rgc_image_options){.channels = 3});
  rgc_npy wanted = golden(&f, "centred_40x31.npy");
  rgc_image made = rgc_image_crop(picture, rgc_image_center_box(picture.shape, 40, 31), f.arena);
  cr_expect_eq(count_different(made.pixels, wanted.data, wanted.count_elems), 0);
  rgc_arena_destroy(f.arena);
}

/* Resize(24), CenterCrop(20), ToTensor, Normalize of a JPEG. */
Test(images, evaluation_as_torchvision_does) {
  static const float mean[] = {0.485f, 0.456f, 0.406f}, stddev[] = {0.229f, 0.224f, 0.225f};
  fixture f = setup();
  rgc_data_step steps[] = {{.kind = RGC_STEP_RESIZE, .size = {24, 0}}, {.kind = RGC_STEP_CENTER_CROP}};
  rgc_data_settings settings = {.given = true, .evaluate = {steps, 2}};
  rgc_pipeline_options o = {.dst = {20, 20, 3}, .mean = mean, .stddev = stddev, .settings = &settings};
  rgc_pipeline *p = rgc_pipeline_create(&o, f.arena, &f.diags);
  float *made = RGC_NEW_ARRAY(f.arena, float, 20 * 20 * 3), worst = 0;
  rgc_npy wanted = golden(&f, "evaluated_24_20.npy");
  cr_assert(p && wanted.count_elems == 20 * 20 * 3);
  cr_assert_null(rgc_pipeline_file(p, IMAGES "baseline.jpg", f.arena, made));
  for (int i = 0; i < 20 * 20 * 3; i++) worst = fmaxf(worst, fabsf(made[i] - ((const float *)wanted.data)[i]));
  cr_expect_lt(worst, 1e-6f);
  rgc_arena_destroy(f.arena);
}

/* Without steps: 8/7 of the input, as Resize(256) and CenterCrop(224) do; nothing where the size is the input's. */
Test(images, files_without_steps_are_brought_to_size) {
  fixture f = setup();
  static const int sides[] = {14, 21};
  for (int k = 0; k < 2; k++) {
    int side = sides[k], wide = side * 8 / 7;
    rgc_image picture = read_image(&f, "picture.png", (rgc_image_options){.channels = 3});
    rgc_image wanted = rgc_image_resize(picture, wide, wide * WIDTH / HEIGHT, RGC_FILTER_BILINEAR, f.arena);
    wanted = rgc_image_crop(wanted, rgc_image_center_box(wanted.shape, side, side), f.arena);
    rgc_pipeline_options o = {.dst = {side, side, 3}};
    float *made = RGC_NEW_ARRAY(f.arena, float, side * side * 3);
    cr_assert_null(rgc_pipeline_file(rgc_pipeline_create(&o, f.arena, &f.diags), IMAGES "picture.png", f.arena, made));
    for (int i = 0; i < side * side * 3; i++) cr_assert_eq(made[i], (float)wanted.pixels[i] / 255.0f);
  }
  rgc_pipeline_options as_it_is = {.dst = {HEIGHT, WIDTH, 3}};
  rgc_image picture = read_image(&f, "picture.png", (rgc_image_options){.channels = 3});
  float *made = RGC_NEW_ARRAY(f.arena, float, HEIGHT * WIDTH * 3);
  cr_assert_null(rgc_pipeline_file(rgc_pipeline_create(&as_it_is, f.arena, &f.diags), IMAGES "picture.png", f.arena, made));
  for (int i = 0; i < HEIGHT * WIDTH * 3; i++) cr_assert_eq(made[i], (float)picture.pixels[i] / 255.0f);
  rgc_arena_destroy(f.arena);
}

/* ---- bad files ---- */

static const char *problem_of(fixture *f, const uint8_t *bytes, size_t size) {
  rgc_image image;
  return rgc_image_decode(bytes, size, &(rgc_image_options){.channels = 3}, f->arena, &image);
}

Test(images, every_truncation_is_refused) {
  fixture f = setup();
  static const char *const names[] = {"baseline.jpg", "progressive_444.jpg", "picture.png", "lossless.webp", "lossy.webp"};
  for (int n = 0; n < 5; n++) {
    const uint8_t *bytes;
    size_t size;
    cr_assert_null(rgc_image_slurp(rgc_arena_printf(f.arena, IMAGES "%s", names[n]), f.arena, &bytes, &size));
    for (size_t cut = 0; cut + 4 < size; cut += 1 + size / 97) {
      uint8_t *part = malloc(cut + 1); /* no more than there is, for the sanitizer */
      memcpy(part, bytes, cut);
      cr_expect(problem_of(&f, part, cut), "%s of %zu bytes", names[n], cut);
      free(part);
    }
  }
  rgc_arena_destroy(f.arena);
}

static void put_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The CRC of PNG's chunks. */
static uint32_t crc_of(const uint8_t *bytes, size_t count) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc & 1 ? 0xedb88320u ^ crc >> 1 : crc >> 1;
  }
  return ~crc;
}

/* picture.png with another size in its header. */
static const char *png_of_size(fixture *f, uint32_t width, uint32_t height) {
  const uint8_t *bytes;
  size_t size;
  cr_assert_null(rgc_image_slurp(IMAGES "picture.png", f->arena, &bytes, &size));
  uint8_t *lying = memcpy(rgc_arena_alloc(f->arena, size), bytes, size);
  put_u32(lying + 16, width);
  put_u32(lying + 20, height);
  put_u32(lying + 29, crc_of(lying + 12, 17));
  return problem_of(f, lying, size);
}

Test(images, sizes_that_lie_are_refused_without_much_memory) {
  fixture f = setup();
  cr_expect(png_of_size(&f, 0, 0), "0x0");
  const char *large = png_of_size(&f, 60000, 60000);
  cr_expect(large && strstr(large, "60000x60000"), "%s", large ? large : "taken");
  cr_expect(png_of_size(&f, 37, 30), "more rows than there are");
  const uint8_t *bytes;
  size_t size;
  cr_assert_null(rgc_image_slurp(IMAGES "baseline.jpg", f.arena, &bytes, &size));
  uint8_t *jpeg = memcpy(rgc_arena_alloc(f.arena, size), bytes, size);
  uint8_t *sof = memmem(jpeg, size, "\xff\xc0", 2);
  cr_assert(sof);
  memset(sof + 5, 0xea, 4); /* 60138 x 60138 */
  large = problem_of(&f, jpeg, size);
  cr_expect(large && strstr(large, "too large"), "%s", large ? large : "taken");
  memset(sof + 5, 0, 4);
  cr_expect(problem_of(&f, jpeg, size));
  cr_expect_lt(rgc_arena_used_bytes(f.arena), (size_t)1 << 20);
  rgc_arena_destroy(f.arena);
}

Test(images, what_is_no_image_is_named) {
  fixture f = setup();
  rgc_image image;
  rgc_image_options o = {.channels = 3};
  cr_expect_not(rgc_image_read(IMAGES "names.txt", &o, f.arena, &image, &f.diags));
  cr_expect(f.diags.items[0].code == RGC_CODE_DATA_FORMAT && strstr(f.diags.items[0].at.file, "names.txt"));
  cr_expect_str_eq(f.diags.items[0].message, "is no JPEG, PNG or WebP");
  cr_expect_not(rgc_image_read("/nonexistent.png", &o, f.arena, &image, &f.diags));
  cr_expect_eq(f.diags.items[1].code, RGC_CODE_FILE_READ);
  cr_expect_not(rgc_image_read(IMAGES, &o, f.arena, &image, &f.diags));
  rgc_arena_destroy(f.arena);
}
