/* augment.c: see augment.h. Operations that move pixels ask, for the middle of each pixel wanted, where it comes from:
 * (x, y) -> (a x + b y + c, d x + e y + f). */
#include "runtime/data/augment.h"

#include <math.h>
#include <string.h>

#include "runtime/data/color.h"

enum { BINS = 31 };

typedef struct affine {
  double a, b, c, d, e, f;
} affine;

static rgc_image warp(rgc_image src, affine m, rgc_arena *arena) {
  rgc_image_shape s = src.shape;
  size_t channels = (size_t)s.channels;
  rgc_image dst = {s, rgc_arena_alloc(arena, (size_t)s.height * (size_t)s.width * channels)};
  uint8_t *to = dst.pixels;
  for (int y = 0; y < s.height; y++)
    for (int x = 0; x < s.width; x++, to += channels) {
      double from_x = m.a * (x + 0.5) + m.b * (y + 0.5) + m.c, from_y = m.d * (x + 0.5) + m.e * (y + 0.5) + m.f;
      if (from_x < 0 || from_x >= s.width || from_y < 0 || from_y >= s.height) continue;
      memcpy(to, src.pixels + ((size_t)from_y * (size_t)s.width + (size_t)from_x) * channels, channels);
    }
  return dst;
}

static rgc_image rotate(rgc_image src, double degrees, rgc_arena *arena) {
  double angle = -degrees * acos(-1) / 180, x = src.shape.width / 2.0, y = src.shape.height / 2.0;
  affine m = {.a = cos(angle), .b = sin(angle), .d = -sin(angle), .e = cos(angle)};
  m.c = x - m.a * x - m.b * y;
  m.f = y - m.d * x - m.e * y;
  return warp(src, m, arena);
}

rgc_image rgc_augment_apply(rgc_image src, rgc_augment operation, double magnitude, rgc_arena *arena) {
  switch (operation) {
    case RGC_AUGMENT_SHEAR_X: return warp(src, (affine){.a = 1, .b = magnitude, .e = 1}, arena);
    case RGC_AUGMENT_SHEAR_Y: return warp(src, (affine){.a = 1, .d = magnitude, .e = 1}, arena);
    case RGC_AUGMENT_TRANSLATE_X: return warp(src, (affine){.a = 1, .c = -trunc(magnitude), .e = 1}, arena);
    case RGC_AUGMENT_TRANSLATE_Y: return warp(src, (affine){.a = 1, .e = 1, .f = -trunc(magnitude)}, arena);
    case RGC_AUGMENT_ROTATE: return rotate(src, magnitude, arena);
    case RGC_AUGMENT_BRIGHTNESS: rgc_color_brightness(src, 1 + magnitude); break;
    case RGC_AUGMENT_COLOR: rgc_color_saturation(src, 1 + magnitude); break;
    case RGC_AUGMENT_CONTRAST: rgc_color_contrast(src, 1 + magnitude); break;
    case RGC_AUGMENT_SHARPNESS: rgc_color_sharpness(src, 1 + magnitude, arena); break;
    case RGC_AUGMENT_POSTERIZE: rgc_color_posterize(src, (int)magnitude); break;
    case RGC_AUGMENT_SOLARIZE: rgc_color_solarize(src, magnitude); break;
    case RGC_AUGMENT_AUTOCONTRAST: rgc_color_autocontrast(src); break;
    case RGC_AUGMENT_EQUALIZE: rgc_color_equalize(src); break;
    default: break;
  }
  return src;
}

/* Magnitudes go from 0 to `trivial` or `rand` in 30 steps; a pixel count of rand is a part of the side. */
static const struct range {
  double trivial, rand;
  bool is_signed;
} ranges[RGC_AUGMENT_COUNT] = {
    [RGC_AUGMENT_SHEAR_X] = {0.99, 0.3, true},
    [RGC_AUGMENT_SHEAR_Y] = {0.99, 0.3, true},
    [RGC_AUGMENT_TRANSLATE_X] = {32, 150.0 / 331, true},
    [RGC_AUGMENT_TRANSLATE_Y] = {32, 150.0 / 331, true},
    [RGC_AUGMENT_ROTATE] = {135, 30, true},
    [RGC_AUGMENT_BRIGHTNESS] = {0.99, 0.9, true},
    [RGC_AUGMENT_COLOR] = {0.99, 0.9, true},
    [RGC_AUGMENT_CONTRAST] = {0.99, 0.9, true},
    [RGC_AUGMENT_SHARPNESS] = {0.99, 0.9, true},
    [RGC_AUGMENT_POSTERIZE] = {6, 4, false},
    [RGC_AUGMENT_SOLARIZE] = {255, 255, false},
};

/* `most` in `bin` of 30 parts, as the operation wants it. */
static double magnitude_of(rgc_augment operation, double most, int bin) {
  if (operation == RGC_AUGMENT_POSTERIZE) return 8 - rint(bin / ((BINS - 1) / most));
  double magnitude = most * bin / (BINS - 1);
  return operation == RGC_AUGMENT_SOLARIZE ? most - magnitude : magnitude;
}

static double with_sign(double magnitude, bool is_signed, rgc_draws *draws) {
  return is_signed && rgc_draw(draws) < 0.5 ? -magnitude : magnitude;
}

rgc_image rgc_trivial_augment(rgc_image src, rgc_draws *draws, rgc_arena *arena) {
  rgc_augment operation = (rgc_augment)rgc_draw_int(draws, RGC_AUGMENT_COUNT);
  double magnitude = magnitude_of(operation, ranges[operation].trivial, rgc_draw_int(draws, BINS));
  return rgc_augment_apply(src, operation, with_sign(magnitude, ranges[operation].is_signed, draws), arena);
}

rgc_image rgc_rand_augment(rgc_image src, int count, int magnitude, rgc_draws *draws, rgc_arena *arena) {
  for (int i = 0; i < count; i++) {
    rgc_augment operation = (rgc_augment)rgc_draw_int(draws, RGC_AUGMENT_COUNT);
    double most = ranges[operation].rand;
    if (operation == RGC_AUGMENT_TRANSLATE_X) most *= src.shape.width;
    if (operation == RGC_AUGMENT_TRANSLATE_Y) most *= src.shape.height;
    src = rgc_augment_apply(src, operation, with_sign(magnitude_of(operation, most, magnitude), ranges[operation].is_signed, draws), arena);
  }
  return src;
}
