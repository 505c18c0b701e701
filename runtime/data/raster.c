/* raster.c: see raster.h. A segment becomes a quadrilateral A B C D whose long sides are one pixel apart; it is filled by
 * scan lines. The float32 arithmetic and the rounding are Pillow's and decide single pixels: do not simplify them, and
 * compile without contraction to fused multiply-adds. */
#include "runtime/data/raster.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { CORNERS = 4 };

typedef struct edge {
  int x_first, y_first, y_min, y_max;
  float slope; /* dx/dy */
} edge;

/* Halves go away from zero, and toward it. */
static int round_up(double v) { return (int)copysign(floor(fabs(v) + 0.5), v); }
static int round_down(double v) { return (int)copysign(ceil(fabs(v) - 0.5), v); }

static void fill_span(uint8_t *gray, int y, int x_start, int x_end) {
  if (y < 0 || y >= RGC_RASTER_SIZE) return;
  if (x_start < 0) x_start = 0;
  if (x_end >= RGC_RASTER_SIZE) x_end = RGC_RASTER_SIZE - 1;
  if (x_start <= x_end) memset(gray + y * RGC_RASTER_SIZE + x_start, RGC_RASTER_INK, (size_t)(x_end - x_start + 1));
}

static void sort_floats(float *values, int count) {
  for (int i = 1; i < count; i++) {
    float v = values[i];
    int j = i;
    for (; j > 0 && values[j - 1] > v; j--) values[j] = values[j - 1];
    values[j] = v;
  }
}

/* One scan line. An edge that ends here counts twice unless the polygon ends too: so pairs stay pairs at corners. */
static void fill_line(uint8_t *gray, const edge *edges, int count, int y, int y_max) {
  float crossings[2 * CORNERS];
  int n = 0;
  for (int i = 0; i < count; i++) {
    if (y < edges[i].y_min || y > edges[i].y_max) continue;
    float along = (float)(y - edges[i].y_first) * edges[i].slope;
    float x = along + (float)edges[i].x_first;
    crossings[n++] = x;
    if (y == edges[i].y_max && y < y_max) crossings[n++] = x;
  }
  sort_floats(crossings, n);
  for (int i = 1; i < n; i += 2)
    fill_span(gray, y, (int)floorf(crossings[i - 1] + 0.5f), (int)ceilf(crossings[i] - 0.5f));
}

static edge edge_between(const int *from, const int *to) {
  edge e = {.x_first = from[0], .y_first = from[1]};
  e.y_min = from[1] < to[1] ? from[1] : to[1];
  e.y_max = from[1] < to[1] ? to[1] : from[1];
  if (e.y_min != e.y_max) e.slope = (float)(to[0] - from[0]) / (float)(to[1] - from[1]);
  return e;
}

static void fill_quad(uint8_t *gray, int corners[CORNERS][2]) {
  edge edges[CORNERS];
  int count = 0, y_min = RGC_RASTER_SIZE - 1, y_max = 0;
  for (int i = 0; i < CORNERS; i++) {
    const int *from = corners[i], *to = corners[(i + 1) % CORNERS];
    edge e = edge_between(from, to);
    if (e.y_min < y_min) y_min = e.y_min;
    if (e.y_max > y_max) y_max = e.y_max;
    if (e.y_min != e.y_max) edges[count++] = e;
    else fill_span(gray, from[1], from[0] < to[0] ? from[0] : to[0], from[0] < to[0] ? to[0] : from[0]);
  }
  if (y_min < 0) y_min = 0;
  if (y_max > RGC_RASTER_SIZE) y_max = RGC_RASTER_SIZE;
  for (int y = y_min; y <= y_max; y++) fill_line(gray, edges, count, y, y_max);
}

static void draw_segment(uint8_t *gray, int x0, int y0, int x1, int y1) {
  int dx = x1 - x0, dy = y1 - y0;
  if (!dx && !dy) {
    fill_span(gray, y0, x0, x0);
    return;
  }
  double length = hypot(dx, dy);
  int a = round_down(dy / length), b = round_up(dx / length);
  int corners[CORNERS][2] = {{x0, y0 + b}, {x1, y1 + b}, {x1 + a, y1}, {x0 + a, y0}};
  fill_quad(gray, corners);
}

void rgc_raster_drawing(const rgc_drawing *drawing, uint8_t *gray) {
  memset(gray, RGC_RASTER_PAPER, RGC_RASTER_SIZE * RGC_RASTER_SIZE);
  const uint8_t *x = drawing->x, *y = drawing->y;
  for (int s = 0; s < drawing->stroke_count; s++) {
    for (int i = 1; i < drawing->point_counts[s]; i++) draw_segment(gray, x[i - 1], y[i - 1], x[i], y[i]);
    x += drawing->point_counts[s];
    y += drawing->point_counts[s];
  }
}
