/* reference_conv.c: convolution and its two gradients, in double.
 *
 * All three walk the same (sample, output row, group, tap) and work on the run of output columns whose input column is inside
 * the image; each then is sums of scaled contiguous rows of channels:
 *   forward  y[ow, o..]   += sum over i  of x[iw, i]  * w[i, o..]     (weights transposed first)
 *   dgrad    dx[iw, i..]  += sum over o  of dy[ow, o] * w[o, i..]
 *   wgrad    dw[o, i..]   += sum over ow of dy[ow, o] * x[iw, i..]
 * with iw = ow*stride + s*dilation - pad. */
#include <stdlib.h>

#include "runtime/reference/reference_ops.h"

typedef struct convolution {
  int64_t rows, h, w, channels;                    /* x [rows,h,w,channels] */
  int64_t out_h, out_w, filters;                   /* y [rows,out_h,out_w,filters] */
  int64_t kernel_h, kernel_w, in_group, out_group; /* w [filters,kernel_h,kernel_w,in_group] */
  int64_t groups, stride, pad, dilation;
  const double *x, *y, *weight; /* what is read; weight: [g][r][s][in_group][out_group] in forward */
  double *dst;
} convolution;

/* Where one tap of one output row meets the image. */
typedef struct tap_run {
  int64_t group, r, s;
  int64_t x_row, y_row; /* element of (n,ih,0,0) of x, of (n,oh,0,0) of y */
  int64_t first, end;   /* output columns */
  int64_t x_first;      /* input column of `first` */
} tap_run;

typedef void (*tap_function)(const convolution *, const tap_run *);

/* dst[0..count) += sum over k < terms of scale[k*scale_step] * rows[k*row_step ..]. */
static void add_scaled_rows(double *restrict dst, int64_t count, const double *scale, int64_t scale_step, int64_t terms,
                            const double *rows, int64_t row_step) {
  int64_t k = 0;
  for (; k + 4 <= terms; k += 4) {
    double s0 = scale[k * scale_step], s1 = scale[(k + 1) * scale_step], s2 = scale[(k + 2) * scale_step],
           s3 = scale[(k + 3) * scale_step];
    const double *r0 = rows + k * row_step, *r1 = r0 + row_step, *r2 = r1 + row_step, *r3 = r2 + row_step;
    for (int64_t j = 0; j < count; j++) dst[j] += s0 * r0[j] + s1 * r1[j] + s2 * r2[j] + s3 * r3[j];
  }
  for (; k < terms; k++)
    for (int64_t j = 0; j < count; j++) dst[j] += scale[k * scale_step] * rows[k * row_step + j];
}

static int64_t ceil_div(int64_t a, int64_t b) { return a <= 0 ? 0 : (a + b - 1) / b; }

/* Output columns [first,end) whose input column for tap s is inside. */
static void find_columns(const convolution *c, tap_run *run) {
  int64_t offset = run->s * c->dilation - c->pad;
  run->first = ceil_div(-offset, c->stride);
  run->end = ceil_div(c->w - offset, c->stride);
  if (run->end > c->out_w) run->end = c->out_w;
  run->x_first = run->first * c->stride + offset;
}

static void visit_row(const convolution *c, int64_t n, int64_t oh, tap_function visit) {
  tap_run run = {.y_row = (n * c->out_h + oh) * c->out_w * c->filters};
  for (run.r = 0; run.r < c->kernel_h; run.r++) {
    int64_t ih = oh * c->stride + run.r * c->dilation - c->pad;
    if (ih < 0 || ih >= c->h) continue;
    run.x_row = (n * c->h + ih) * c->w * c->channels;
    for (run.s = 0; run.s < c->kernel_w; run.s++) {
      find_columns(c, &run);
      for (run.group = 0; run.group < c->groups && run.first < run.end; run.group++) visit(c, &run);
    }
  }
}

static void visit_taps(const convolution *c, tap_function visit) {
  for (int64_t n = 0; n < c->rows; n++)
    for (int64_t oh = 0; oh < c->out_h; oh++) visit_row(c, n, oh, visit);
}

static convolution describe(const rgc_op *op, rgc_tensor_view x, rgc_tensor_view y, rgc_tensor_view weight) {
  convolution c = {.rows = x.rows < y.rows ? x.rows : y.rows, .h = x.shape[1], .w = x.shape[2], .channels = x.shape[3]};
  c.out_h = y.shape[1];
  c.out_w = y.shape[2];
  c.filters = y.shape[3];
  c.kernel_h = weight.shape[1];
  c.kernel_w = weight.shape[2];
  c.in_group = weight.shape[3];
  c.groups = (int64_t)op->attr[RGC_ATTR_GROUPS];
  c.out_group = c.filters / c.groups;
  c.stride = (int64_t)op->attr[RGC_ATTR_STRIDE];
  c.pad = (int64_t)op->attr[RGC_ATTR_PAD];
  c.dilation = (int64_t)op->attr[RGC_ATTR_DILATION];
  c.x = x.data;
  c.y = y.data;
  c.weight = weight.data;
  return c;
}

/* [o][r][s][i] to [g][r][s][i][o in the group]; the caller frees it. */
static double *transpose_weight(const convolution *c) {
  int64_t taps = c->kernel_h * c->kernel_w;
  double *packed = malloc(sizeof *packed * (size_t)(c->filters * taps * c->in_group + 1));
  if (!packed) rgc_internal_error("reference", "out of memory");
  for (int64_t o = 0; o < c->filters; o++)
    for (int64_t t = 0; t < taps; t++)
      for (int64_t i = 0; i < c->in_group; i++)
        packed[((o / c->out_group * taps + t) * c->in_group + i) * c->out_group + o % c->out_group] =
            c->weight[(o * taps + t) * c->in_group + i];
  return packed;
}

static void forward_tap(const convolution *c, const tap_run *run) {
  int64_t tap = (run->group * c->kernel_h + run->r) * c->kernel_w + run->s;
  const double *weight = c->weight + tap * c->in_group * c->out_group;
  const double *x = c->x + run->x_row + run->x_first * c->channels + run->group * c->in_group;
  double *y = c->dst + run->y_row + run->first * c->filters + run->group * c->out_group;
  for (int64_t ow = run->first; ow < run->end; ow++, x += c->stride * c->channels, y += c->filters)
    add_scaled_rows(y, c->out_group, x, 1, c->in_group, weight, c->out_group);
}

static void add_bias(const convolution *c, const double *bias) {
  int64_t pixels = c->rows * c->out_h * c->out_w;
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t o = 0; o < c->filters; o++) c->dst[p * c->filters + o] += bias[o];
}

void rgc_reference_conv(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view y = rgc_reference_output(reference, op, 0);
  convolution c = describe(op, rgc_reference_input(reference, op, 0), y, rgc_reference_input(reference, op, 1));
  double *packed = transpose_weight(&c);
  c.weight = packed;
  c.dst = y.data;
  visit_taps(&c, forward_tap);
  if (op->input_count > 2) add_bias(&c, rgc_reference_input(reference, op, 2).data);
  free(packed);
}

static void dgrad_tap(const convolution *c, const tap_run *run) {
  int64_t filter_elems = c->kernel_h * c->kernel_w * c->in_group;
  const double *weight =
      c->weight + run->group * c->out_group * filter_elems + (run->r * c->kernel_w + run->s) * c->in_group;
  double *dx = c->dst + run->x_row + run->x_first * c->channels + run->group * c->in_group;
  const double *dy = c->y + run->y_row + run->first * c->filters + run->group * c->out_group;
  for (int64_t ow = run->first; ow < run->end; ow++, dx += c->stride * c->channels, dy += c->filters)
    add_scaled_rows(dx, c->in_group, dy, 1, c->out_group, weight, filter_elems);
}

void rgc_reference_conv_dgrad(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view dx = rgc_reference_output(reference, op, 0);
  convolution c = describe(op, dx, rgc_reference_input(reference, op, 0), rgc_reference_input(reference, op, 1));
  c.dst = dx.data;
  visit_taps(&c, dgrad_tap);
}

static void wgrad_tap(const convolution *c, const tap_run *run) {
  const double *x = c->x + run->x_row + run->x_first * c->channels + run->group * c->in_group;
  const double *dy = c->y + run->y_row + run->first * c->filters;
  for (int64_t o = run->group * c->out_group; o < (run->group + 1) * c->out_group; o++) {
    double *dw = c->dst + ((o * c->kernel_h + run->r) * c->kernel_w + run->s) * c->in_group;
    add_scaled_rows(dw, c->in_group, dy + o, c->filters, run->end - run->first, x, c->stride * c->channels);
  }
}

void rgc_reference_conv_wgrad(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view dw = rgc_reference_output(reference, op, 0);
  convolution c = describe(op, rgc_reference_input(reference, op, 0), rgc_reference_input(reference, op, 1), dw);
  c.dst = dw.data;
  visit_taps(&c, wgrad_tap);
}
