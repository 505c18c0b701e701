/* resample.c: see resample.h. With s = in / out and S = max(s, 1), output d is the sum over j of w(j) src(j),
 *   w(j) = f((j + 0.5 - (d + 0.5) s) / S), normalised to sum 1, j within S * support of the centre and within the image;
 *   bilinear: f(x) = 1 - |x|, support 1;  bicubic: Keys' kernel with a = -0.5, support 2. */
#include "runtime/data/resample.h"

#include <math.h>
#include <string.h>

enum { FIXED_BITS = 22 };

/* The weighted sums along one axis, in fixed point. */
typedef struct fixed_taps {
  int out, max_taps;
  int *first, *count;   /* [out] */
  int32_t *weights;     /* [out][max_taps] */
} fixed_taps;

static double filter_value(rgc_filter filter, double x) {
  x = fabs(x);
  if (filter == RGC_FILTER_BILINEAR) return x < 1 ? 1 - x : 0;
  const double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static fixed_taps make_taps(int in, int out, rgc_filter filter, rgc_arena *arena) {
  double scale = (double)in / out, stretch = scale < 1 ? 1 : scale;
  double support = (filter == RGC_FILTER_BILINEAR ? 1 : 2) * stretch;
  fixed_taps t = {.out = out, .max_taps = (int)ceil(support) * 2 + 1};
  t.first = RGC_NEW_ARRAY(arena, int, out);
  t.count = RGC_NEW_ARRAY(arena, int, out);
  t.weights = RGC_NEW_ARRAY(arena, int32_t, (size_t)out * (size_t)t.max_taps);
  double *exact = RGC_NEW_ARRAY(arena, double, t.max_taps);
  for (int d = 0; d < out; d++) {
    double center = (d + 0.5) * scale, sum = 0, inverse = 1 / stretch;
    int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > in ? in : high;
    for (int j = low; j < high; j++) sum += exact[j - low] = filter_value(filter, (j - center + 0.5) * inverse);
    for (int k = 0; k < high - low; k++) {
      double weight = (sum != 0 ? exact[k] / sum : exact[k]) * (1 << FIXED_BITS);
      t.weights[(size_t)d * (size_t)t.max_taps + (size_t)k] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    t.first[d] = low;
    t.count[d] = high - low;
  }
  return t;
}

static uint8_t clip(int32_t fixed) {
  int value = fixed >> FIXED_BITS;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* dst[out][channels] from src[in][channels]. */
static void resize_row(const fixed_taps *t, const uint8_t *src, int channels, uint8_t *dst) {
  for (int d = 0; d < t->out; d++)
    for (int c = 0; c < channels; c++) {
      const int32_t *w = t->weights + (size_t)d * (size_t)t->max_taps;
      const uint8_t *from = src + t->first[d] * channels + c;
      int32_t sum = 1 << (FIXED_BITS - 1);
      for (int k = 0; k < t->count[d]; k++) sum += w[k] * from[k * channels];
      *dst++ = clip(sum);
    }
}

/* One output row dst[bytes] of rows src[count][bytes]; sums: [bytes]. */
static void resize_column(const int32_t *w, int count, const uint8_t *src, size_t bytes, int32_t *sums, uint8_t *dst) {
  for (size_t i = 0; i < bytes; i++) sums[i] = 1 << (FIXED_BITS - 1);
  for (int k = 0; k < count; k++)
    for (size_t i = 0; i < bytes; i++) sums[i] += w[k] * src[(size_t)k * bytes + i];
  for (size_t i = 0; i < bytes; i++) dst[i] = clip(sums[i]);
}

static rgc_image new_image(int height, int width, int channels, rgc_arena *arena) {
  return (rgc_image){{height, width, channels}, rgc_arena_alloc(arena, (size_t)height * (size_t)width * (size_t)channels)};
}

static rgc_image resize_width(rgc_image src, int width, rgc_filter filter, rgc_arena *arena) {
  if (src.shape.width == width) return src;
  int channels = src.shape.channels;
  fixed_taps taps = make_taps(src.shape.width, width, filter, arena);
  rgc_image dst = new_image(src.shape.height, width, channels, arena);
  for (int y = 0; y < src.shape.height; y++)
    resize_row(&taps, src.pixels + (size_t)y * (size_t)src.shape.width * (size_t)channels, channels,
               dst.pixels + (size_t)y * (size_t)width * (size_t)channels);
  return dst;
}

static rgc_image resize_height(rgc_image src, int height, rgc_filter filter, rgc_arena *arena) {
  if (src.shape.height == height) return src;
  fixed_taps taps = make_taps(src.shape.height, height, filter, arena);
  rgc_image dst = new_image(height, src.shape.width, src.shape.channels, arena);
  size_t bytes = (size_t)src.shape.width * (size_t)src.shape.channels;
  int32_t *sums = RGC_NEW_ARRAY(arena, int32_t, bytes);
  for (int y = 0; y < height; y++)
    resize_column(taps.weights + (size_t)y * (size_t)taps.max_taps, taps.count[y], src.pixels + (size_t)taps.first[y] * bytes, bytes, sums,
                  dst.pixels + (size_t)y * bytes);
  return dst;
}

rgc_image rgc_image_resize(rgc_image src, int height, int width, rgc_filter filter, rgc_arena *arena) {
  return resize_height(resize_width(src, width, filter, arena), height, filter, arena);
}

rgc_image rgc_image_crop(rgc_image src, rgc_box box, rgc_arena *arena) {
  rgc_image_shape s = src.shape;
  if (!box.top && !box.left && box.height == s.height && box.width == s.width) return src;
  size_t channels = (size_t)s.channels;
  rgc_image dst = new_image(box.height, box.width, s.channels, arena);
  int first = box.left < 0 ? -box.left : 0, end = s.width - box.left < box.width ? s.width - box.left : box.width;
  for (int y = 0; y < box.height && first < end; y++) {
    int from = box.top + y;
    if (from < 0 || from >= s.height) continue;
    memcpy(dst.pixels + ((size_t)y * (size_t)box.width + (size_t)first) * channels,
           src.pixels + ((size_t)from * (size_t)s.width + (size_t)(box.left + first)) * channels, (size_t)(end - first) * channels);
  }
  return dst;
}

rgc_image rgc_image_flip(rgc_image src, rgc_arena *arena) {
  rgc_image_shape s = src.shape;
  size_t channels = (size_t)s.channels;
  rgc_image dst = new_image(s.height, s.width, s.channels, arena);
  for (int y = 0; y < s.height; y++)
    for (int x = 0; x < s.width; x++)
      memcpy(dst.pixels + ((size_t)y * (size_t)s.width + (size_t)x) * channels,
             src.pixels + ((size_t)y * (size_t)s.width + (size_t)(s.width - 1 - x)) * channels, channels);
  return dst;
}

/* Where `part` begins in the middle of `whole`; a part that is larger reaches out on both sides, by less at the front if it is odd. */
static int center_begin(int whole, int part) { return part > whole ? -((part - whole) / 2) : (int)rint((whole - part) / 2.0); }

rgc_box rgc_image_center_box(rgc_image_shape shape, int height, int width) {
  return (rgc_box){center_begin(shape.height, height), center_begin(shape.width, width), height, width};
}

void rgc_image_cover_size(rgc_image_shape s, int height, int width, int64_t *covering_height, int64_t *covering_width) {
  bool wide = (int64_t)s.width * height > (int64_t)s.height * width;
  *covering_height = wide ? height : (int64_t)width * s.height / s.width;
  *covering_width = wide ? (int64_t)height * s.width / s.height : width;
}

bool rgc_image_fill(rgc_image *image, int height, int width, rgc_arena *arena) {
  int64_t high, wide;
  if (image->shape.height == height && image->shape.width == width) return true;
  rgc_image_cover_size(image->shape, height, width, &high, &wide);
  if (rgc_image_check_size(high, wide, arena)) return false;
  *image = rgc_image_resize(*image, (int)high, (int)wide, RGC_FILTER_BILINEAR, arena);
  *image = rgc_image_crop(*image, rgc_image_center_box(image->shape, height, width), arena);
  return true;
}
