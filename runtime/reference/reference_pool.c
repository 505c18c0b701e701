/* reference_pool.c: max and average pooling, fixed filters, and their gradients, in double.
 *
 * Windows may hang over the image (padding, ceil mode); only taps inside are looked at. Max: the first maximum in row-major
 * order, NaN counts as one. Average: divided by the taps inside, or, with count_pad, by those inside the padded image, as
 * PyTorch has it. */
#include <math.h>

#include "runtime/reference/reference_ops.h"

typedef struct window {
  int64_t h0, w0;         /* top left, may be negative */
  int64_t r0, r1, s0, s1; /* taps inside: [r0,r1) x [s0,s1) */
  double divisor;         /* of an average */
} window;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t inside(int64_t first, int64_t kernel, int64_t extent) { return smaller(kernel, extent - first); }

static window window_at(const rgc_op *op, const int64_t x_shape[RGC_AXES], int64_t oh, int64_t ow) {
  rgc_window g = rgc_op_window(op);
  int64_t h = x_shape[RGC_H], w = x_shape[RGC_W];
  window at = {.h0 = oh * g.stride[0] - g.pad[0], .w0 = ow * g.stride[1] - g.pad[1]};
  at.r0 = at.h0 < 0 ? -at.h0 : 0;
  at.s0 = at.w0 < 0 ? -at.w0 : 0;
  at.r1 = inside(at.h0, g.kernel[0], h);
  at.s1 = inside(at.w0, g.kernel[1], w);
  at.divisor = (double)((at.r1 - at.r0) * (at.s1 - at.s0));
  if (op->attr[RGC_ATTR_COUNT_PAD] != 0)
    at.divisor = (double)(inside(at.h0, g.kernel[0], h + g.pad[0]) * inside(at.w0, g.kernel[1], w + g.pad[1]));
  return at;
}

/* What is done at a window of so many columns: `x` and `y` say where, c runs over all channels. */
typedef void (*window_function)(const rgc_tensor_view *x, const window *at, int64_t n, double *y, double *tap,
                                int64_t columns);

static void visit_windows(const rgc_op *op, rgc_tensor_view x, rgc_tensor_view y, double *taps, window_function visit) {
  int64_t rows = smaller(x.rows, y.rows), channels = y.shape[RGC_C];
  for (int64_t n = 0; n < rows; n++)
    for (int64_t oh = 0; oh < y.shape[RGC_H]; oh++)
      for (int64_t ow = 0; ow < y.shape[RGC_W]; ow++) {
        window at = window_at(op, x.shape, oh, ow);
        int64_t pixel = (n * y.shape[RGC_H] + oh) * y.shape[RGC_W] + ow;
        visit(&x, &at, n, y.data + pixel * channels, taps ? taps + pixel * channels : NULL,
              rgc_op_window(op).kernel[1]);
      }
}

static double *pixel_of(const rgc_tensor_view *x, const window *at, int64_t n, int64_t r, int64_t s) {
  return x->data + ((n * x->shape[RGC_H] + at->h0 + r) * x->shape[RGC_W] + at->w0 + s) * x->shape[RGC_C];
}

static void take_maximum(const rgc_tensor_view *x, const window *at, int64_t n, double *y, double *tap, int64_t columns) {
  for (int64_t c = 0; c < x->shape[RGC_C]; c++) {
    y[c] = -INFINITY;
    tap[c] = (double)(at->r0 * columns + at->s0);
  }
  for (int64_t r = at->r0; r < at->r1; r++)
    for (int64_t s = at->s0; s < at->s1; s++) {
      const double *pixel = pixel_of(x, at, n, r, s);
      for (int64_t c = 0; c < x->shape[RGC_C]; c++)
        if (pixel[c] > y[c] || (isnan(pixel[c]) && !isnan(y[c]))) {
          y[c] = pixel[c];
          tap[c] = (double)(r * columns + s);
        }
    }
}

void rgc_reference_maxpool(rgc_reference *reference, const rgc_op *op) {
  visit_windows(op, rgc_reference_input(reference, op, 0), rgc_reference_output(reference, op, 0),
                rgc_reference_output(reference, op, 1).data, take_maximum);
}

static void give_to_maximum(const rgc_tensor_view *x, const window *at, int64_t n, double *y, double *tap,
                            int64_t columns) {
  for (int64_t c = 0; c < x->shape[RGC_C]; c++) {
    int64_t number = (int64_t)tap[c];
    pixel_of(x, at, n, number / columns, number % columns)[c] += y[c];
  }
}

void rgc_reference_maxpool_grad(rgc_reference *reference, const rgc_op *op) {
  visit_windows(op, rgc_reference_output(reference, op, 0), rgc_reference_input(reference, op, 0),
                rgc_reference_input(reference, op, 1).data, give_to_maximum);
}

static void take_average(const rgc_tensor_view *x, const window *at, int64_t n, double *y, double *tap, int64_t columns) {
  (void)tap, (void)columns;
  for (int64_t r = at->r0; r < at->r1; r++)
    for (int64_t s = at->s0; s < at->s1; s++) {
      const double *pixel = pixel_of(x, at, n, r, s);
      for (int64_t c = 0; c < x->shape[RGC_C]; c++) y[c] += pixel[c];
    }
  for (int64_t c = 0; c < x->shape[RGC_C]; c++) y[c] /= at->divisor;
}

void rgc_reference_avgpool(rgc_reference *reference, const rgc_op *op) {
  visit_windows(op, rgc_reference_input(reference, op, 0), rgc_reference_output(reference, op, 0), NULL, take_average);
}

static void give_to_all(const rgc_tensor_view *x, const window *at, int64_t n, double *y, double *tap, int64_t columns) {
  (void)tap, (void)columns;
  for (int64_t r = at->r0; r < at->r1; r++)
    for (int64_t s = at->s0; s < at->s1; s++) {
      double *pixel = pixel_of(x, at, n, r, s);
      for (int64_t c = 0; c < x->shape[RGC_C]; c++) pixel[c] += y[c] / at->divisor;
    }
}

void rgc_reference_avgpool_grad(rgc_reference *reference, const rgc_op *op) {
  visit_windows(op, rgc_reference_output(reference, op, 0), rgc_reference_input(reference, op, 0), NULL, give_to_all);
}

/* The row (or column) that stands at `i` of an image continued by mirroring, or -1: outside. */
static int64_t mirror(int64_t i, int64_t extent, bool reflect) {
  if (reflect && i < 0) i = -i;
  if (reflect && i >= extent) i = 2 * (extent - 1) - i;
  return i >= 0 && i < extent ? i : -1;
}

/* y += the filter on x; with `back`, x += its transpose on y. */
static void run_filter(const rgc_op *op, rgc_tensor_view x, rgc_tensor_view y, bool back) {
  int64_t kernel = (int64_t)op->attr[RGC_ATTR_KERNEL], stride = (int64_t)op->attr[RGC_ATTR_STRIDE];
  int64_t pad = (int64_t)op->attr[RGC_ATTR_PAD], channels = x.shape[RGC_C];
  bool reflect = op->attr[RGC_ATTR_REFLECT] != 0;
  for (int64_t pixel = 0; pixel < smaller(x.rows, y.rows) * y.shape[RGC_H] * y.shape[RGC_W]; pixel++) {
    int64_t ow = pixel % y.shape[RGC_W], oh = pixel / y.shape[RGC_W] % y.shape[RGC_H], n = pixel / y.shape[RGC_W] / y.shape[RGC_H];
    for (int64_t tap = 0; tap < kernel * kernel; tap++) {
      int64_t h = mirror(oh * stride - pad + tap / kernel, x.shape[RGC_H], reflect);
      int64_t w = mirror(ow * stride - pad + tap % kernel, x.shape[RGC_W], reflect);
      if (h < 0 || w < 0) continue;
      double weight = op->attr[RGC_ATTR_TAP0 + tap / kernel] * op->attr[RGC_ATTR_TAP0 + tap % kernel];
      double *in = x.data + ((n * x.shape[RGC_H] + h) * x.shape[RGC_W] + w) * channels, *out = y.data + pixel * channels;
      for (int64_t c = 0; c < channels; c++) *(back ? in + c : out + c) += weight * (back ? out[c] : in[c]);
    }
  }
}

void rgc_reference_filter(rgc_reference *reference, const rgc_op *op) {
  run_filter(op, rgc_reference_input(reference, op, 0), rgc_reference_output(reference, op, 0), false);
}

void rgc_reference_filter_grad(rgc_reference *reference, const rgc_op *op) {
  run_filter(op, rgc_reference_output(reference, op, 0), rgc_reference_input(reference, op, 0), true);
}
