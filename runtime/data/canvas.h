/* canvas.h: a small RGB picture to compose: rectangles, images in larger pixels, one-line texts in a bitmap font.
 *
 * Coordinates are pixels from the top left; what lies outside is cut off. No font files are needed: a picture is the same on every
 * machine. Colours are 0xrrggbb. */
#ifndef RGC_RUNTIME_DATA_CANVAS_H
#define RGC_RUNTIME_DATA_CANVAS_H
#include <stdint.h>

#include "compiler/base/arena.h"
#include "runtime/data/transform.h"

enum { RGC_FONT_FIRST = ' ', RGC_FONT_GLYPHS = 95 };

typedef struct rgc_font {
  int width, height;    /* of every character, pixels */
  const uint16_t *rows; /* [RGC_FONT_GLYPHS][height], bit width-1 is the left pixel */
} rgc_font;

extern const rgc_font rgc_font_small, rgc_font_large; /* 8x16 and 12x24 */

typedef struct rgc_canvas {
  int width, height;
  uint8_t *rgb; /* [height][width][3] */
} rgc_canvas;

/* Filled with `color`. */
rgc_canvas rgc_canvas_create(rgc_arena *arena, int width, int height, uint32_t color);
void rgc_canvas_fill(rgc_canvas *canvas, int left, int top, int width, int height, uint32_t color);
/* pixels: u8[height][width][channels], 1 (gray) or 3; each becomes scale x scale pixels. */
void rgc_canvas_paste(rgc_canvas *canvas, int left, int top, const uint8_t *pixels, rgc_image_shape shape, int scale);
/* Characters in a UTF-8 text. */
int rgc_text_characters(const char *text);
/* At most `limit` characters; a longer text ends in "..". What is no printable ASCII is drawn as '?'. */
void rgc_canvas_text(rgc_canvas *canvas, int left, int top, const char *text, int limit, const rgc_font *font, uint32_t color);
#endif
