/* contact_sheet.c: see contact_sheet.h. First the layout in numbers, then the drawing by them. PNG is written by libpng's
 * simplified writer, which reports errors by message. */
#include "runtime/data/contact_sheet.h"

#include <png.h>
#include <string.h>

#include "runtime/data/canvas.h"
#include "runtime/data/resample.h"

enum { MAX_SIDE = 1 << 15, MIN_IMAGE = 84, LARGE_IMAGE = 200, MAX_TITLE = 20, FRAME = 1, THUMBNAIL = 96 };
enum { PAPER_RGB = 0xffffff, TEXT_RGB = 0x202020, NOTE_RGB = 0x606060, FRAME_RGB = 0xb8b8b8 };

bool rgc_png_write(const char *path, const uint8_t *pixels, rgc_image_shape shape, rgc_diagnostics *diags) {
  if (shape.channels != 1 && shape.channels != 3)
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, path, "only images of 1 or 3 channels can be written as PNG",
                         "an image of %d channels", shape.channels);
  png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)shape.width, .height = (png_uint_32)shape.height};
  image.format = shape.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  if (png_image_write_to_file(&image, path, 0, pixels, 0, NULL)) return true;
  return rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "check that the folder exists and has room",
                       "cannot write the PNG: %s", image.message);
}

/* All in pixels but where it says otherwise. */
typedef struct layout {
  const rgc_sheet *sheet;
  rgc_image_shape image; /* as the data set has it; of files, which have any, a thumbnail's */
  const rgc_font *font;
  int scale; /* pixels a side that one of the image's becomes */
  int rows;  /* of cells */
  int gap;
  int title_lines; /* above each image: 0, 1 or 2 lines */
  int left;        /* width of the row titles with a gap, 0 without */
  int cell_width, cell_height;
  int64_t width, height; /* of the sheet */
} layout;

static int max_int(int a, int b) { return a > b ? a : b; }

/* Characters drawn of a title. */
static int title_length(const char *title) {
  int length = title ? rgc_text_characters(title) : 0;
  return length < MAX_TITLE ? length : MAX_TITLE;
}

static int longest_row_title(const layout *l) {
  int longest = 0;
  for (int row = 0; l->sheet->row_titles && row < l->rows; row++) longest = max_int(longest, title_length(l->sheet->row_titles[row]));
  return longest;
}

static int longest_cell_title(const layout *l) {
  int longest = 0;
  for (int i = 0; i < l->sheet->count; i++)
    longest = max_int(longest, max_int(title_length(l->sheet->cells[i].title), title_length(l->sheet->cells[i].note)));
  return longest;
}

static int count_title_lines(const rgc_sheet *sheet) {
  int lines = 0;
  for (int i = 0; i < sheet->count; i++) lines = max_int(lines, sheet->cells[i].note ? 2 : sheet->cells[i].title ? 1 : 0);
  return lines;
}

static void size_cells(layout *l, int scale) {
  l->scale = scale;
  l->font = max_int(l->image.width, l->image.height) * scale >= LARGE_IMAGE ? &rgc_font_large : &rgc_font_small;
  l->gap = l->font->height * 3 / 4;
  int row_title = longest_row_title(l) * l->font->width;
  l->left = row_title ? row_title + l->gap : 0;
  l->cell_width = max_int(l->image.width * scale + 2 * FRAME, longest_cell_title(l) * l->font->width);
  l->cell_height = l->image.height * scale + 2 * FRAME + l->title_lines * l->font->height;
  l->width = l->gap + l->left + (int64_t)l->sheet->columns * (l->cell_width + l->gap);
  l->height = l->gap + (int64_t)l->rows * (l->cell_height + l->gap);
}

/* False when even the smallest sheet is too large. */
static bool plan(layout *l) {
  int side = max_int(l->image.width, l->image.height);
  l->rows = (l->sheet->count - 1) / l->sheet->columns + 1;
  l->title_lines = count_title_lines(l->sheet);
  for (int scale = (MIN_IMAGE + side - 1) / side; scale > 0; scale--) {
    size_cells(l, scale);
    if (l->width <= MAX_SIDE && l->height <= MAX_SIDE) return true;
  }
  return false;
}

static void draw_centred(rgc_canvas *canvas, const layout *l, int left, int top, const char *text, uint32_t color) {
  int width = title_length(text) * l->font->width;
  rgc_canvas_text(canvas, left + (l->cell_width - width) / 2, top, text, MAX_TITLE, l->font, color);
}

/* The cell whose corner is at (left, top); titles stand directly above the image. */
static void draw_cell(rgc_canvas *canvas, const layout *l, int left, int top, const rgc_sheet_cell *cell, const uint8_t *pixels) {
  int width = l->image.width * l->scale, height = l->image.height * l->scale;
  int line = top + (l->title_lines - (cell->note ? 2 : 1)) * l->font->height;
  if (cell->title) draw_centred(canvas, l, left, line, cell->title, cell->title_rgb);
  if (cell->note) draw_centred(canvas, l, left, line + l->font->height, cell->note, NOTE_RGB);
  left += (l->cell_width - width) / 2;
  top += l->title_lines * l->font->height + FRAME;
  rgc_canvas_fill(canvas, left - FRAME, top - FRAME, width + 2 * FRAME, height + 2 * FRAME, FRAME_RGB);
  rgc_canvas_paste(canvas, left, top, pixels, l->image, l->scale);
}

/* To the left of the row, right-aligned, at the height of its images' middle. */
static void draw_row_title(rgc_canvas *canvas, const layout *l, int row) {
  const char *title = l->sheet->row_titles[row];
  int top = l->gap + row * (l->cell_height + l->gap) + (l->cell_height + (l->title_lines - 1) * l->font->height) / 2;
  rgc_canvas_text(canvas, l->left - title_length(title) * l->font->width, top, title, MAX_TITLE, l->font, TEXT_RGB);
}

/* The sample in the cells' shape: of a file its middle, all gray if it cannot be decoded. */
static const uint8_t *read_cell(const layout *l, const rgc_dataset *dataset, int index, rgc_arena *arena) {
  rgc_image image;
  size_t bytes = (size_t)l->image.height * (size_t)l->image.width * (size_t)l->image.channels;
  if (!rgc_dataset_image(dataset, l->sheet->split, index, NULL, arena, &image) && rgc_image_fill(&image, l->image.height, l->image.width, arena))
    return image.pixels;
  return memset(rgc_arena_alloc(arena, bytes), 0x80, bytes);
}

static void draw_sheet(rgc_canvas *canvas, const layout *l, const rgc_dataset *dataset) {
  for (int i = 0; i < l->sheet->count; i++) {
    const rgc_sheet_cell *cell = &l->sheet->cells[i];
    int row = i / l->sheet->columns, column = i % l->sheet->columns;
    if (column == 0 && l->left) draw_row_title(canvas, l, row);
    if (cell->index < 0) continue;
    rgc_arena *scratch = rgc_arena_create();
    const uint8_t *pixels = read_cell(l, dataset, cell->index, scratch);
    draw_cell(canvas, l, l->gap + l->left + column * (l->cell_width + l->gap), l->gap + row * (l->cell_height + l->gap), cell, pixels);
    rgc_arena_destroy(scratch);
  }
}

bool rgc_contact_sheet_write(const char *path, const rgc_dataset *dataset, const rgc_sheet *sheet, rgc_diagnostics *diags) {
  layout l = {.sheet = sheet, .image = rgc_dataset_shape(dataset)};
  if (!l.image.height) l.image = (rgc_image_shape){THUMBNAIL, THUMBNAIL, 3};
  if (l.image.channels != 1 && l.image.channels != 3)
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, path, "only images of 1 or 3 channels can be drawn", "images of %d channels",
                         l.image.channels);
  if (sheet->count < 1 || sheet->columns < 1 || !plan(&l))
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, path, "ask for fewer samples", "no sheet of %d samples in %d columns",
                         sheet->count, sheet->columns);
  rgc_arena *scratch = rgc_arena_create();
  rgc_canvas canvas = rgc_canvas_create(scratch, (int)l.width, (int)l.height, PAPER_RGB);
  draw_sheet(&canvas, &l, dataset);
  bool ok = rgc_png_write(path, canvas.rgb, (rgc_image_shape){canvas.height, canvas.width, 3}, diags);
  rgc_arena_destroy(scratch);
  return ok;
}
