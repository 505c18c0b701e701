/* canvas.c: see canvas.h. */
#include "runtime/data/canvas.h"

rgc_canvas rgc_canvas_create(rgc_arena *arena, int width, int height, uint32_t color) {
  rgc_canvas canvas = {.width = width, .height = height};
  canvas.rgb = RGC_NEW_ARRAY(arena, uint8_t, (size_t)width * (size_t)height * 3);
  rgc_canvas_fill(&canvas, 0, 0, width, height, color);
  return canvas;
}

static void set_pixel(rgc_canvas *canvas, int x, int y, uint32_t color) {
  if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height) return;
  uint8_t *at = canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
  for (int c = 0; c < 3; c++) at[c] = (uint8_t)(color >> (16 - 8 * c));
}

void rgc_canvas_fill(rgc_canvas *canvas, int left, int top, int width, int height, uint32_t color) {
  for (int y = top; y < top + height; y++)
    for (int x = left; x < left + width; x++) set_pixel(canvas, x, y, color);
}

void rgc_canvas_paste(rgc_canvas *canvas, int left, int top, const uint8_t *pixels, rgc_image_shape shape, int scale) {
  for (int y = 0; y < shape.height; y++)
    for (int x = 0; x < shape.width; x++, pixels += shape.channels) {
      const uint8_t *green = pixels + shape.channels / 2, *blue = pixels + shape.channels - 1; /* or all the gray one */
      uint32_t color = (uint32_t)*pixels << 16 | (uint32_t)*green << 8 | *blue;
      rgc_canvas_fill(canvas, left + x * scale, top + y * scale, scale, scale, color);
    }
}

/* In UTF-8 every character has one byte that is not 10xxxxxx. */
static bool starts_character(char byte) { return ((unsigned char)byte & 0xc0) != 0x80; }

int rgc_text_characters(const char *text) {
  int count = 0;
  for (; *text; text++) count += starts_character(*text);
  return count;
}

static void draw_character(rgc_canvas *canvas, int left, int top, char character, const rgc_font *font, uint32_t color) {
  int glyph = character - RGC_FONT_FIRST;
  if (glyph < 0 || glyph >= RGC_FONT_GLYPHS) glyph = '?' - RGC_FONT_FIRST;
  for (int y = 0; y < font->height; y++)
    for (int x = 0; x < font->width; x++)
      if (font->rows[glyph * font->height + y] >> (font->width - 1 - x) & 1) set_pixel(canvas, left + x, top + y, color);
}

void rgc_canvas_text(rgc_canvas *canvas, int left, int top, const char *text, int limit, const rgc_font *font, uint32_t color) {
  bool cut = rgc_text_characters(text) > limit;
  for (int i = 0; i < limit && *text; text++) {
    if (!starts_character(*text)) continue;
    draw_character(canvas, left + i * font->width, top, cut && i >= limit - 2 ? '.' : *text, font, color);
    i++;
  }
}
