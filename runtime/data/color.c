/* color.c: see color.h. Pillow's blend of a and b by f is a + f (b - a) in float32, cut off (not rounded) to an integer. */
#include "runtime/data/color.h"

#include <math.h>
#include <string.h>

static size_t count_bytes(rgc_image i) { return (size_t)i.shape.height * (size_t)i.shape.width * (size_t)i.shape.channels; }

static uint8_t clip_int(int value) { return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value); }

static uint8_t blend(int from, int to, float factor) {
  float value = (float)from + factor * (float)(to - from);
  return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value;
}

/* Pillow's gray of a pixel (image.c has it for whole images). */
static int gray_of(const uint8_t *pixel, int channels) {
  return channels == 1 ? pixel[0] : (pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16;
}

void rgc_color_brightness(rgc_image image, double factor) {
  for (size_t i = 0, n = count_bytes(image); i < n; i++) image.pixels[i] = blend(0, image.pixels[i], (float)factor);
}

void rgc_color_contrast(rgc_image image, double factor) {
  size_t n = count_bytes(image), channels = (size_t)image.shape.channels;
  double sum = 0;
  for (size_t i = 0; i < n; i += channels) sum += gray_of(image.pixels + i, image.shape.channels);
  int mean = (int)(sum / (double)(n / channels) + 0.5);
  for (size_t i = 0; i < n; i++) image.pixels[i] = blend(mean, image.pixels[i], (float)factor);
}

void rgc_color_saturation(rgc_image image, double factor) {
  int channels = image.shape.channels;
  uint8_t *end = image.pixels + count_bytes(image);
  for (uint8_t *p = image.pixels; p < end && channels == 3; p += 3) {
    int gray = gray_of(p, 3);
    for (int c = 0; c < 3; c++) p[c] = blend(gray, p[c], (float)factor);
  }
}

/* The mean of 3x3 pixels, the middle one five times; the border stays. `row` is the image's width in bytes. */
static uint8_t smooth(const uint8_t *at, size_t row, size_t channels) {
  static const float weight[3][3] = {{1.0f / 13, 1.0f / 13, 1.0f / 13}, {1.0f / 13, 5.0f / 13, 1.0f / 13}, {1.0f / 13, 1.0f / 13, 1.0f / 13}};
  float sum = 0.5f;
  for (int y = 1; y >= -1; y--) { /* Pillow's order, from the bottom */
    const uint8_t *line = at + (ptrdiff_t)y * (ptrdiff_t)row;
    sum += (float)*(line - channels) * weight[y + 1][0] + (float)*line * weight[y + 1][1] + (float)*(line + channels) * weight[y + 1][2];
  }
  return sum <= 0 ? 0 : sum >= 255 ? 255 : (uint8_t)sum;
}

void rgc_color_sharpness(rgc_image image, double factor, rgc_arena *arena) {
  size_t n = count_bytes(image), channels = (size_t)image.shape.channels, row = (size_t)image.shape.width * channels;
  uint8_t *copy = rgc_arena_alloc(arena, n);
  memcpy(copy, image.pixels, n);
  for (int y = 1; y + 1 < image.shape.height; y++)
    for (size_t i = channels; i + channels < row; i++) {
      size_t at = (size_t)y * row + i;
      image.pixels[at] = blend(smooth(copy + at, row, channels), copy[at], (float)factor);
    }
}

/* Pillow's HSV, each 0 to 255 (colorsys' formulas in float32, cut off). */
static void to_hsv(const uint8_t *rgb, int hsv[3]) {
  int high = rgb[0], low = rgb[0];
  for (int c = 1; c < 3; c++) {
    if (rgb[c] > high) high = rgb[c];
    if (rgb[c] < low) low = rgb[c];
  }
  hsv[0] = hsv[1] = 0;
  hsv[2] = high;
  if (high == low) return;
  float range = (float)(high - low), rest[3], hue;
  for (int c = 0; c < 3; c++) rest[c] = (float)(high - rgb[c]) / range;
  if (rgb[0] == high) hue = rest[2] - rest[1];
  else if (rgb[1] == high) hue = (float)(2.0 + (double)rest[0] - (double)rest[2]);
  else hue = (float)(4.0 + (double)rest[1] - (double)rest[0]);
  hue = (float)fmod((double)hue / 6.0 + 1.0, 1.0);
  hsv[0] = clip_int((int)((double)hue * 255.0));
  hsv[1] = clip_int((int)((double)(range / (float)high) * 255.0));
}

static void from_hsv(const int hsv[3], uint8_t *rgb) {
  static const uint8_t order[6][3] = {{0, 3, 1}, {2, 0, 1}, {1, 0, 3}, {1, 2, 0}, {3, 1, 0}, {0, 1, 2}}; /* of v, p, q, t */
  float sector = (float)((double)(float)hsv[0] * 6.0 / 255.0), saturation = (float)((double)(float)hsv[1] / 255.0);
  int whole = (int)floorf(sector);
  float part = sector - (float)whole, value = (float)hsv[2];
  uint8_t parts[4] = {(uint8_t)hsv[2], clip_int((int)round((double)value * (1.0 - (double)saturation))),
                      clip_int((int)round((double)value * (1.0 - (double)saturation * (double)part))),
                      clip_int((int)round((double)value * (1.0 - (double)saturation * (1.0 - (double)part))))};
  for (int c = 0; c < 3; c++) rgb[c] = parts[hsv[1] ? order[whole % 6][c] : 0];
}

void rgc_color_hue(rgc_image image, double turn) {
  uint8_t *end = image.pixels + count_bytes(image);
  int shift = (int)(turn * 255);
  for (uint8_t *p = image.pixels; p < end && image.shape.channels == 3; p += 3) {
    int hsv[3];
    to_hsv(p, hsv);
    hsv[0] = (hsv[0] + shift) & 255;
    from_hsv(hsv, p);
  }
}

void rgc_color_posterize(rgc_image image, int bits) {
  uint8_t mask = (uint8_t)(0xff << (8 - bits));
  for (size_t i = 0, n = count_bytes(image); i < n; i++) image.pixels[i] &= mask;
}

void rgc_color_solarize(rgc_image image, double threshold) {
  for (size_t i = 0, n = count_bytes(image); i < n; i++)
    if (image.pixels[i] >= threshold) image.pixels[i] = (uint8_t)(255 - image.pixels[i]);
}

static void count_values(rgc_image image, int channel, int64_t counts[256]) {
  memset(counts, 0, 256 * sizeof *counts);
  for (size_t i = (size_t)channel, n = count_bytes(image); i < n; i += (size_t)image.shape.channels) counts[image.pixels[i]]++;
}

static void map_values(rgc_image image, int channel, const uint8_t table[256]) {
  for (size_t i = (size_t)channel, n = count_bytes(image); i < n; i += (size_t)image.shape.channels) image.pixels[i] = table[image.pixels[i]];
}

void rgc_color_autocontrast(rgc_image image) {
  for (int c = 0; c < image.shape.channels; c++) {
    int64_t counts[256];
    uint8_t table[256];
    int low = 0, high = 255;
    count_values(image, c, counts);
    while (low < 255 && !counts[low]) low++;
    while (high > 0 && !counts[high]) high--;
    if (high <= low) continue;
    double scale = 255.0 / (high - low), offset = -low * scale;
    for (int v = 0; v < 256; v++) table[v] = clip_int((int)(v * scale + offset));
    map_values(image, c, table);
  }
}

void rgc_color_equalize(rgc_image image) {
  for (int c = 0; c < image.shape.channels; c++) {
    int64_t counts[256], total = 0, last = 0;
    uint8_t table[256];
    int used = 0;
    count_values(image, c, counts);
    for (int v = 0; v < 256; v++)
      if (counts[v]) total += last = counts[v], used++;
    int64_t step = (total - last) / 255, n = step / 2;
    if (used <= 1 || !step) continue;
    for (int v = 0; v < 256; v++) {
      table[v] = clip_int((int)(n / step));
      n += counts[v];
    }
    map_values(image, c, table);
  }
}
