/* verify_shapes.c: what ops.def says of shapes, types and attributes, one function for each family of ops.
 *
 * A gradient is checked by the rule of its forward op: conv_dgrad (dy, w -> dx) is right if conv (dx, w -> dy) is. */
#include <math.h>
#include <string.h>

#include "compiler/graph/verify_rules.h"

static const rgc_value *in(const rgc_verifier *v, int i) { return &v->graph->values[v->op->inputs[i]]; }

static const rgc_value *out(const rgc_verifier *v, int i) { return &v->graph->values[v->op->outputs[i]]; }

static int64_t attr(const rgc_verifier *v, rgc_attribute attribute) { return (int64_t)v->op->attr[attribute]; }

static void expect_shape(rgc_verifier *v, const rgc_value *value, int64_t n, int64_t h, int64_t w, int64_t c) {
  const int64_t wanted[RGC_AXES] = {n, h, w, c}, *got = value->shape;
  rgc_verify_rule(v, !memcmp(wanted, got, sizeof wanted),
                  "%%%s is [%lld,%lld,%lld,%lld], and must be [%lld,%lld,%lld,%lld]", value->name, (long long)got[0],
                  (long long)got[1], (long long)got[2], (long long)got[3], (long long)n, (long long)h, (long long)w,
                  (long long)c);
}

static void expect_same(rgc_verifier *v, const rgc_value *value, const rgc_value *like) {
  const int64_t *s = like->shape;
  expect_shape(v, value, s[0], s[1], s[2], s[3]);
}

static void expect_vector(rgc_verifier *v, const rgc_value *value, int64_t channels) {
  expect_shape(v, value, 1, 1, 1, channels);
}

static void expect_type(rgc_verifier *v, const rgc_value *value, rgc_dtype dtype) {
  rgc_verify_rule(v, value->dtype == dtype, "%%%s is of the wrong type", value->name);
}

static void expect_index(rgc_verifier *v, const rgc_value *value) {
  rgc_verify_rule(v, value->dtype == RGC_I32 || value->dtype == RGC_U8, "%%%s must be u8 or i32", value->name);
}

/* Attributes. */

static bool expect_whole(rgc_verifier *v, rgc_attribute attribute, double min, double max) {
  double number = v->op->attr[attribute];
  return rgc_verify_rule(v, number >= min && number <= max && number == floor(number), "%s is %g",
                         rgc_attribute_word(attribute), number);
}

static bool verify_ranges(rgc_verifier *v) {
  static const struct {
    rgc_attribute attribute;
    double min, max;
  } whole[] = {{RGC_ATTR_STRIDE, 1, RGC_MAX_ATTRIBUTE}, {RGC_ATTR_DILATION, 1, RGC_MAX_ATTRIBUTE},
               {RGC_ATTR_GROUPS, 1, RGC_MAX_ATTRIBUTE}, {RGC_ATTR_PAD, 0, RGC_MAX_ATTRIBUTE},
               {RGC_ATTR_KERNEL, 1, RGC_MAX_ATTRIBUTE}, {RGC_ATTR_KERNEL_W, 0, RGC_MAX_ATTRIBUTE},
               {RGC_ATTR_STRIDE_W, 0, RGC_MAX_ATTRIBUTE}, {RGC_ATTR_PAD_W, 0, RGC_MAX_ATTRIBUTE},
               {RGC_ATTR_CEIL, 0, 1},
               {RGC_ATTR_COUNT_PAD, 0, 1},              {RGC_ATTR_RUNNING, 0, 1},
               {RGC_ATTR_REFLECT, 0, 1},                {RGC_ATTR_AXES, 1, 15},
               {RGC_ATTR_BY, RGC_BY_SUM, RGC_BY_MAX}};
  unsigned has = rgc_op_info_of(v->op->kind)->attributes;
  bool ok = true;
  for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
    if (has & (1u << whole[i].attribute)) ok = expect_whole(v, whole[i].attribute, whole[i].min, whole[i].max) && ok;
  double smoothing = v->op->attr[RGC_ATTR_SMOOTHING], momentum = v->op->attr[RGC_ATTR_MOMENTUM];
  ok = rgc_verify_rule(v, smoothing >= 0 && smoothing <= 1, "smoothing is %g", smoothing) && ok;
  ok = rgc_verify_rule(v, momentum >= 0 && momentum <= 1, "momentum is %g", momentum) && ok;
  return rgc_verify_rule(v, v->op->attr[RGC_ATTR_EPS] >= 0, "eps is %g", v->op->attr[RGC_ATTR_EPS]) && ok;
}

/* Families. */

static void verify_conv(rgc_verifier *v, const rgc_value *x, const rgc_value *w, const rgc_value *y) {
  int64_t stride = attr(v, RGC_ATTR_STRIDE), pad = attr(v, RGC_ATTR_PAD), dilation = attr(v, RGC_ATTR_DILATION);
  int64_t groups = attr(v, RGC_ATTR_GROUPS);
  rgc_verify_rule(v, x->shape[RGC_C] == w->shape[3] * groups,
                  "%%%s has %lld channels, %%%s reads %lld in each of %lld groups", x->name,
                  (long long)x->shape[RGC_C], w->name, (long long)w->shape[3], (long long)groups);
  rgc_verify_rule(v, w->shape[0] % groups == 0, "%lld channels do not divide into %lld groups", (long long)w->shape[0],
                  (long long)groups);
  expect_shape(v, y, x->shape[RGC_N], rgc_window_extent(x->shape[RGC_H], w->shape[1], stride, pad, dilation, false),
               rgc_window_extent(x->shape[RGC_W], w->shape[2], stride, pad, dilation, false), w->shape[0]);
}

static void verify_pool(rgc_verifier *v, const rgc_value *x, const rgc_value *y) {
  bool ceil_mode = attr(v, RGC_ATTR_CEIL) != 0, oblong = attr(v, RGC_ATTR_KERNEL_W) != 0;
  rgc_window w = rgc_op_window(v->op);
  if (!rgc_verify_rule(v, oblong ? w.stride[1] >= 1 : !attr(v, RGC_ATTR_STRIDE_W) && !attr(v, RGC_ATTR_PAD_W), "stride_w and pad_w go with kernel_w")) return;
  expect_shape(v, y, x->shape[RGC_N], rgc_window_extent(x->shape[RGC_H], w.kernel[0], w.stride[0], w.pad[0], 1, ceil_mode),
               rgc_window_extent(x->shape[RGC_W], w.kernel[1], w.stride[1], w.pad[1], 1, ceil_mode), x->shape[RGC_C]);
}

/* A mirrored pixel must itself stand in the window that asks for it: padding of at most half the window. */
static void verify_filter(rgc_verifier *v, const rgc_value *x, const rgc_value *y) {
  int64_t kernel = attr(v, RGC_ATTR_KERNEL), pad = attr(v, RGC_ATTR_PAD);
  verify_pool(v, x, y);
  rgc_verify_rule(v, kernel <= RGC_MAX_TAPS, "%lld taps, and at most %d may be", (long long)kernel, RGC_MAX_TAPS);
  rgc_verify_rule(v, pad <= (kernel - 1) / 2, "pad %lld of %lld taps", (long long)pad, (long long)kernel);
  for (int i = 0; i < RGC_MAX_TAPS; i++) {
    double tap = v->op->attr[RGC_ATTR_TAP0 + i];
    rgc_verify_rule(v, isfinite(tap) && (i < kernel || tap == 0), "tap %d is %g", i, tap);
  }
  if (attr(v, RGC_ATTR_REFLECT))
    rgc_verify_rule(v, kernel % 2 == 1 && x->shape[RGC_H] > pad && x->shape[RGC_W] > pad, "%%%s cannot be mirrored", x->name);
}

static void verify_maxpool(rgc_verifier *v, const rgc_value *x, const rgc_value *y, const rgc_value *tap) {
  verify_pool(v, x, y);
  expect_same(v, tap, y);
  expect_index(v, tap);
}

static void verify_bn(rgc_verifier *v) {
  int64_t channels = in(v, 0)->shape[RGC_C];
  int outputs = attr(v, RGC_ATTR_RUNNING) ? 1 : 5;
  rgc_verify_rule(v, v->op->output_count == outputs, "%d outputs, and must be %d", v->op->output_count, outputs);
  for (int i = 1; i < 5; i++) expect_vector(v, in(v, i), channels);
  expect_same(v, out(v, 0), in(v, 0));
  for (int i = 1; i < v->op->output_count; i++) expect_vector(v, out(v, i), channels);
}

static void verify_bn_grad(rgc_verifier *v) {
  int64_t channels = in(v, 0)->shape[RGC_C];
  expect_same(v, in(v, 1), in(v, 0));
  for (int i = 2; i < 5; i++) expect_vector(v, in(v, i), channels);
  expect_same(v, out(v, 0), in(v, 0));
  for (int i = 1; i < 3; i++) expect_vector(v, out(v, i), channels);
}

static void verify_reduce(rgc_verifier *v) {
  int64_t s[RGC_AXES];
  for (int j = 0; j < RGC_AXES; j++) s[j] = attr(v, RGC_ATTR_AXES) & (1 << j) ? 1 : in(v, 0)->shape[j];
  expect_shape(v, out(v, 0), s[0], s[1], s[2], s[3]);
  if (v->op->output_count < 2) return;
  rgc_verify_rule(v, attr(v, RGC_ATTR_BY) == RGC_BY_MAX, "only a maximum has an index");
  expect_same(v, out(v, 1), out(v, 0));
  expect_type(v, out(v, 1), RGC_I32);
}

static void verify_labels(rgc_verifier *v, const rgc_value *scores) {
  expect_shape(v, scores, scores->shape[RGC_N], 1, 1, scores->shape[RGC_C]);
  expect_shape(v, in(v, 1), scores->shape[RGC_N], 1, 1, 1);
  expect_type(v, in(v, 1), RGC_I32);
}

static void verify_xent(rgc_verifier *v) {
  verify_labels(v, in(v, 0));
  expect_vector(v, out(v, 0), 1);
  expect_vector(v, out(v, 1), 1);
  expect_same(v, out(v, 2), in(v, 0));
}

static void verify_xent_grad(rgc_verifier *v) {
  verify_labels(v, in(v, 0));
  expect_same(v, out(v, 0), in(v, 0));
}

static void verify_forward_conv(rgc_verifier *v) {
  verify_conv(v, in(v, 0), in(v, 1), out(v, 0));
  if (v->op->input_count == 3) expect_vector(v, in(v, 2), out(v, 0)->shape[RGC_C]);
}

void rgc_verify_shapes(rgc_verifier *v) {
  if (v->op->kind == RGC_OP_KERNEL || v->op->kind == RGC_OP_MAP) return; /* views fit any shape */
  if (!verify_ranges(v)) return;
  expect_type(v, in(v, 0), RGC_F32);
  expect_type(v, out(v, 0), RGC_F32);
  switch (v->op->kind) {
    case RGC_OP_CONV: verify_forward_conv(v); break;
    case RGC_OP_CONV_DGRAD: verify_conv(v, out(v, 0), in(v, 1), in(v, 0)); break;
    case RGC_OP_CONV_WGRAD: verify_conv(v, in(v, 0), out(v, 0), in(v, 1)); break;
    case RGC_OP_BN: verify_bn(v); break;
    case RGC_OP_BN_GRAD: verify_bn_grad(v); break;
    case RGC_OP_MAXPOOL: verify_maxpool(v, in(v, 0), out(v, 0), out(v, 1)); break;
    case RGC_OP_MAXPOOL_GRAD: verify_maxpool(v, out(v, 0), in(v, 0), in(v, 1)); break;
    case RGC_OP_AVGPOOL: verify_pool(v, in(v, 0), out(v, 0)); break;
    case RGC_OP_AVGPOOL_GRAD: verify_pool(v, out(v, 0), in(v, 0)); break;
    case RGC_OP_FILTER: verify_filter(v, in(v, 0), out(v, 0)); break;
    case RGC_OP_FILTER_GRAD: verify_filter(v, out(v, 0), in(v, 0)); break;
    case RGC_OP_REDUCE: verify_reduce(v); break;
    case RGC_OP_XENT: verify_xent(v); break;
    case RGC_OP_XENT_GRAD: verify_xent_grad(v); break;
    default: break;
  }
}
