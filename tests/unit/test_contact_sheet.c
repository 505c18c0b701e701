/* test_contact_sheet.c: the sheets' PNG read back: sizes, enlarged samples, titles in their places and colours. */
#include <criterion/criterion.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/canvas.h"
#include "runtime/data/contact_sheet.h"

enum { RED = 0xc00000, GREEN = 0x00a000, NOTE = 0x606060, WHITE = 0xffffff, FRAME = 0xb8b8b8, BLACK = 0 };

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_dataset *data; /* 8x8x3, classes 0 and 1 */
  char path[64];
  png_image png;
  uint8_t *rgb;
} fixture;

static fixture setup(void) {
  fixture f = {.arena = rgc_arena_create(), .path = "/tmp/rgc_test_sheet_XXXXXX", .png = {.version = PNG_IMAGE_VERSION}};
  rgc_diagnostics_init(&f.diags, f.arena);
  f.data = rgc_dataset_open("synthetic:count=20,size=8,classes=2", NULL, &f.diags);
  int file = mkstemp(f.path);
  cr_assert(f.data && file >= 0);
  close(file);
  return f;
}

static void teardown(fixture *f) {
  remove(f->path);
  rgc_dataset_close(f->data);
  rgc_arena_destroy(f->arena);
}

static void write_and_read(fixture *f, const rgc_sheet *sheet) {
  cr_assert(rgc_contact_sheet_write(f->path, f->data, sheet, &f->diags));
  cr_assert(png_image_begin_read_from_file(&f->png, f->path));
  f->png.format = PNG_FORMAT_RGB;
  f->rgb = rgc_arena_alloc(f->arena, PNG_IMAGE_SIZE(f->png));
  cr_assert(png_image_finish_read(&f->png, NULL, f->rgb, 0, NULL));
}

static int pixel(const fixture *f, int x, int y) {
  const uint8_t *at = f->rgb + 3 * ((size_t)y * f->png.width + (size_t)x);
  return at[0] << 16 | at[1] << 8 | at[2];
}

/* Pixels of a colour in a box. */
static int count_color(const fixture *f, int left, int top, int width, int height, int color) {
  int count = 0;
  for (int y = top; y < top + height; y++)
    for (int x = left; x < left + width; x++) count += pixel(f, x, y) == color;
  return count;
}

/* 8x8 becomes 88x88 by 11, with a frame 90x90; small font, so 12 between cells. */
enum { SCALE = 11, CELL = 90, GAP = 12, LINE = 16 };

Test(contact_sheet, untitled_is_a_grid_of_enlarged_samples) {
  fixture f = setup();
  const rgc_sheet_cell cells[] = {{.index = 0}, {.index = 1}, {.index = -1}, {.index = 3}};
  write_and_read(&f, &(rgc_sheet){.split = RGC_SPLIT_TRAIN, .cells = cells, .count = 4, .columns = 3});
  cr_assert_eq(f.png.width, GAP + 3 * (CELL + GAP));
  cr_assert_eq(f.png.height, GAP + 2 * (CELL + GAP));
  uint8_t sample[8 * 8 * 3];
  rgc_dataset_fetch(f.data, RGC_SPLIT_TRAIN, 1, sample);
  int left = GAP + CELL + GAP;
  for (int y = 0; y < 8 * SCALE; y++)
    for (int x = 0; x < 8 * SCALE; x++) {
      const uint8_t *s = sample + 3 * (y / SCALE * 8 + x / SCALE);
      cr_assert_eq(pixel(&f, left + 1 + x, GAP + 1 + y), s[0] << 16 | s[1] << 8 | s[2]);
    }
  cr_expect_eq(count_color(&f, left, GAP, CELL, 1, FRAME), CELL);
  cr_expect_eq(count_color(&f, left + CELL, 0, CELL + 2 * GAP, CELL + 2 * GAP, WHITE), (CELL + 2 * GAP) * (CELL + 2 * GAP), "empty");
  teardown(&f);
}

Test(contact_sheet, titles_stand_above_their_images) {
  fixture f = setup();
  const rgc_sheet_cell cells[] = {{.index = 0, .title = "right", .title_rgb = GREEN},
                                  {.index = 1, .title = "wrong", .title_rgb = RED, .note = "is a longer text"}};
  write_and_read(&f, &(rgc_sheet){.split = RGC_SPLIT_VALIDATION, .cells = cells, .count = 2, .columns = 2});
  int width = 16 * 8, column = GAP + width + GAP;
  cr_assert_eq((int)f.png.width, GAP + 2 * (width + GAP), "as wide as the note");
  cr_assert_eq(f.png.height, GAP + 2 * LINE + CELL + GAP);
  cr_expect_gt(count_color(&f, GAP, GAP + LINE, width, LINE, GREEN), 50, "on the line next to the image");
  cr_expect_gt(count_color(&f, column, GAP, width, LINE, RED), 50);
  cr_expect_gt(count_color(&f, column, GAP + LINE, width, LINE, NOTE), 50);
  cr_expect_eq(count_color(&f, 0, 0, (int)f.png.width, GAP, WHITE), (int)f.png.width * GAP, "a margin");
  cr_expect_eq(count_color(&f, GAP + (width - CELL) / 2, GAP + 2 * LINE, CELL, 1, FRAME), CELL, "centred");
  teardown(&f);
}

Test(contact_sheet, row_titles_stand_to_the_left) {
  fixture f = setup();
  const rgc_sheet_cell cells[] = {{.index = 0}, {.index = 1}};
  const char *const titles[] = {"apple", "a name of more than twenty characters"};
  write_and_read(&f, &(rgc_sheet){.split = RGC_SPLIT_TRAIN, .cells = cells, .count = 2, .columns = 1, .row_titles = titles});
  int left = GAP + 20 * 8 + GAP;
  cr_assert_eq((int)f.png.width, left + CELL + GAP);
  cr_expect_eq(count_color(&f, left, GAP, CELL, 1, FRAME), CELL);
  int blank = 15 * 8; /* "apple" is at the right end of twenty characters */
  cr_expect_eq(count_color(&f, 0, 0, GAP + blank, GAP + CELL, WHITE), (GAP + blank) * (GAP + CELL));
  cr_expect_gt(count_color(&f, GAP + blank, GAP + (CELL - LINE) / 2, 5 * 8, LINE, 0x202020), 50);
  teardown(&f);
}

Test(contact_sheet, refuses_what_cannot_be_drawn) {
  fixture f = setup();
  rgc_sheet_cell cells[] = {{.index = 0}};
  rgc_sheet sheet = {.split = RGC_SPLIT_TRAIN, .cells = cells, .count = 1, .columns = 1};
  cr_expect_not(rgc_contact_sheet_write("/nonexistent/s.png", f.data, &sheet, &f.diags));
  sheet.columns = 4000;
  cr_expect_not(rgc_contact_sheet_write(f.path, f.data, &sheet, &f.diags));
  rgc_dataset *two = rgc_dataset_open("synthetic:channels=2", NULL, &f.diags);
  cr_expect_not(rgc_contact_sheet_write(f.path, two, &sheet, &f.diags));
  rgc_dataset_close(two);
  const rgc_code codes[] = {RGC_CODE_FILE_WRITE, RGC_CODE_BAD_VALUE, RGC_CODE_BAD_VALUE};
  cr_assert_eq(f.diags.count, 3);
  for (int i = 0; i < 3; i++) cr_expect_eq(f.diags.items[i].code, codes[i], "%s", f.diags.items[i].message);
  teardown(&f);
}

/* Draws `text` and returns its pixels as text, '#' and '.', row by row. */
static const char *drawn(fixture *f, const char *text, int limit) {
  rgc_canvas canvas = rgc_canvas_create(f->arena, 8 * limit, 16, WHITE);
  rgc_canvas_text(&canvas, 0, 0, text, limit, &rgc_font_small, BLACK);
  char *picture = rgc_arena_alloc(f->arena, (size_t)(8 * limit * 16 + 1));
  for (int p = 0; p < 8 * limit * 16; p++) picture[p] = canvas.rgb[3 * p] ? '.' : '#';
  return picture;
}

Test(contact_sheet, characters_have_the_fonts_form) {
  fixture f = setup();
  const char *l_shape = "........" "........" "##......" "##......" "##......" "##......" "##......" "##......"
                        "##......" "##......" "##......" ".######." "........" "........" "........" "........";
  cr_expect_str_eq(drawn(&f, "L", 1), l_shape);
  cr_expect_str_eq(drawn(&f, "caf\xc3\xa9!", 5), drawn(&f, "caf?!", 5), "one '?' for a character of two bytes");
  cr_expect_str_eq(drawn(&f, "snowflake", 6), drawn(&f, "snow..", 6));
  cr_expect_eq(rgc_text_characters("caf\xc3\xa9"), 4);
  teardown(&f);
}
