/* raster.h: QuickDraw strokes to pixels, byte for byte what the Python package `quickdraw` draws.
 *
 * Strokes come as points 0..255; the image is 255x255, so row and column 255 are clipped. Lines are two pixels wide, without
 * antialiasing, black on white, as Pillow's ImageDraw.line(width=2) fills them (ImagingDrawWideLine and polygon_generic in
 * Pillow's Draw.c). */
#ifndef RGC_RUNTIME_DATA_RASTER_H
#define RGC_RUNTIME_DATA_RASTER_H
#include <stdint.h>

enum { RGC_RASTER_SIZE = 255, RGC_RASTER_PAPER = 255, RGC_RASTER_INK = 0 };

typedef struct rgc_drawing {
  int stroke_count;
  const int *point_counts; /* [stroke_count] */
  const uint8_t *x, *y;    /* the points of all strokes, one stroke after the other */
} rgc_drawing;

/* Draws into gray[255*255], row-major, RGC_RASTER_PAPER where there is no ink. A stroke of one point draws nothing. */
void rgc_raster_drawing(const rgc_drawing *drawing, uint8_t *gray);
#endif
