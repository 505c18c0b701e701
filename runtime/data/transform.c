/* transform.c: see transform.h. The resize is separable: rows are resized first, then columns, each as a short weighted sum
 * whose taps are prepared. With s = in/out:
 *
 *   no antialiasing: x = max((d + .5) s - .5, 0), taps floor(x) and the next one, weights 1 - frac(x), frac(x)
 *   antialiasing:    S = max(s, 1), c = s (d + .5), taps j in [floor(c - S + .5), floor(c + S + .5)) within the image,
 *                    weights max(0, 1 - |j - c + .5| / S), normalised to sum 1
 *
 * (PyTorch's upsample_bilinear2d with align_corners=False, and _upsample_bilinear2d_aa.) */
#include "runtime/data/transform.h"

#include <math.h>
#include <string.h>

/* The weighted sums along one axis. */
typedef struct axis_taps {
  int in, out;
  int max_taps;
  const int *first;     /* [out] the first source index */
  const int *count;     /* [out] */
  const float *weights; /* [out][max_taps] */
} axis_taps;

struct rgc_transform {
  rgc_image_shape src, dst;
  axis_taps rows, columns; /* along the height, along the width */
  const float *mean, *stddev; /* [dst.channels] */
  bool src_is_float;
};

static int clamp(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

/* PyTorch computes positions and weights in float32; so do we, as a tap's index may depend on it. */
static int plain_taps(int d, float scale, int in, int *first, float *weights) {
  float x = fmaxf(((float)d + 0.5f) * scale - 0.5f, 0.0f);
  *first = clamp((int)x, 0, in - 1);
  float fraction = x - (float)*first;
  if (*first == in - 1) fraction = 0.0f;
  weights[0] = 1.0f - fraction;
  weights[1] = fraction;
  return *first == in - 1 ? 1 : 2;
}

static int antialias_taps(int d, float scale, int in, int *first, float *weights) {
  float reach = scale > 1.0f ? scale : 1.0f, inverse = 1.0f / reach, center = scale * ((float)d + 0.5f), sum = 0.0f;
  int low = clamp((int)(center - reach + 0.5f), 0, in - 1), high = clamp((int)(center + reach + 0.5f), low + 1, in);
  for (int j = low; j < high; j++) {
    weights[j - low] = fmaxf(0.0f, 1.0f - fabsf(((float)j - center + 0.5f) * inverse));
    sum += weights[j - low];
  }
  for (int k = 0; k < high - low; k++) weights[k] /= sum;
  *first = low;
  return high - low;
}

static axis_taps make_taps(int in, int out, bool antialias, rgc_arena *arena) {
  float scale = (float)in / (float)out;
  int max_taps = antialias ? 2 * (int)ceilf(scale > 1.0f ? scale : 1.0f) + 1 : 2;
  int *first = RGC_NEW_ARRAY(arena, int, out), *count = RGC_NEW_ARRAY(arena, int, out);
  float *weights = RGC_NEW_ARRAY(arena, float, (size_t)out * (size_t)max_taps);
  for (int d = 0; d < out; d++) {
    float *w = weights + (size_t)d * (size_t)max_taps;
    count[d] = antialias ? antialias_taps(d, scale, in, &first[d], w) : plain_taps(d, scale, in, &first[d], w);
  }
  return (axis_taps){.in = in, .out = out, .max_taps = max_taps, .first = first, .count = count, .weights = weights};
}

static bool shape_is_valid(rgc_image_shape s) { return s.height > 0 && s.width > 0 && s.channels > 0; }

static bool channels_fit(int src, int dst) { return src == dst || src == 1 || (src == 3 && dst == 1); }

rgc_transform *rgc_transform_create(const rgc_transform_options *options, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_image_shape src = options->src, dst = options->dst;
  if (!shape_is_valid(src) || !shape_is_valid(dst) || !channels_fit(src.channels, dst.channels)) {
    rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "set the network's input channels to those of the data, or to 1 or 3",
                  "images of %dx%dx%d cannot become an input of %dx%dx%d (height x width x channels)", src.height,
                  src.width, src.channels, dst.height, dst.width, dst.channels);
    return NULL;
  }
  rgc_transform *t = RGC_NEW(arena, rgc_transform);
  float *mean = RGC_NEW_ARRAY(arena, float, dst.channels), *stddev = RGC_NEW_ARRAY(arena, float, dst.channels);
  for (int c = 0; c < dst.channels; c++) {
    mean[c] = options->mean ? options->mean[c] : 0.0f;
    stddev[c] = options->stddev ? options->stddev[c] : 1.0f;
  }
  *t = (rgc_transform){.src = src, .dst = dst, .mean = mean, .stddev = stddev, .src_is_float = options->src_is_float};
  t->rows = make_taps(src.height, dst.height, options->antialias, arena);
  t->columns = make_taps(src.width, dst.width, options->antialias, arena);
  return t;
}

static size_t converted_floats(const rgc_transform *t) {
  return (size_t)t->src.height * (size_t)t->src.width * (size_t)t->dst.channels;
}

size_t rgc_transform_workspace_floats(const rgc_transform *t) {
  return converted_floats(t) + (size_t)t->src.height * (size_t)t->dst.width * (size_t)t->dst.channels;
}

static float sample_at(const rgc_transform *t, const void *src, size_t at) {
  return t->src_is_float ? ((const float *)src)[at] : (float)((const uint8_t *)src)[at];
}

/* Samples to [0,1] in the wanted number of channels: dst[pixel][dst.channels]. */
static void convert_pixels(const rgc_transform *t, const void *src, float *dst) {
  size_t pixels = (size_t)t->src.height * (size_t)t->src.width, in = (size_t)t->src.channels;
  int out = t->dst.channels;
  float unit = t->src_is_float ? 1.0f : 255.0f;
  for (size_t p = 0; p < pixels; p++, dst += out) {
    if (in == 3 && out == 1)
      dst[0] = (0.2989f * sample_at(t, src, 3 * p) + 0.587f * sample_at(t, src, 3 * p + 1) + 0.114f * sample_at(t, src, 3 * p + 2)) / unit;
    else
      for (int c = 0; c < out; c++) dst[c] = sample_at(t, src, p * in + (in == 1 ? 0 : (size_t)c)) / unit;
  }
}

/* Weighted sums along an axis whose steps are `step` floats apart: dst[out][step] from src[in][step]. */
static void resize_axis(const axis_taps *taps, const float *src, size_t step, float *dst) {
  for (int d = 0; d < taps->out; d++, dst += step) {
    const float *w = taps->weights + (size_t)d * (size_t)taps->max_taps;
    const float *from = src + (size_t)taps->first[d] * step;
    for (size_t i = 0; i < step; i++) dst[i] = w[0] * from[i];
    for (int k = 1; k < taps->count[d]; k++)
      for (size_t i = 0; i < step; i++) dst[i] += w[k] * from[(size_t)k * step + i];
  }
}

static void normalise(const rgc_transform *t, float *dst) {
  size_t pixels = (size_t)t->dst.height * (size_t)t->dst.width;
  for (size_t p = 0; p < pixels; p++, dst += t->dst.channels)
    for (int c = 0; c < t->dst.channels; c++) dst[c] = (dst[c] - t->mean[c]) / t->stddev[c];
}

void rgc_transform_apply(const rgc_transform *t, const void *src, float *workspace, float *dst) {
  size_t channels = (size_t)t->dst.channels;
  size_t src_row = (size_t)t->src.width * channels, dst_row = (size_t)t->dst.width * channels;
  float *narrowed = workspace + converted_floats(t);
  convert_pixels(t, src, workspace);
  for (int y = 0; y < t->src.height; y++)
    resize_axis(&t->columns, workspace + (size_t)y * src_row, channels, narrowed + (size_t)y * dst_row);
  resize_axis(&t->rows, narrowed, dst_row, dst);
  normalise(t, dst);
}
