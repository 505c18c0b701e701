/* expand_conv.c: conv, linear, bn and the pools: layers with weights or windows; see expand.h. */
#include <math.h>
#include <string.h>

#include "compiler/lang/expand.h"

/* Geometry of a window: that of rows and, where kernel_w is 0, of columns; else columns have kernel_w, stride_w, pad_w. */
typedef struct window {
  int64_t kernel, stride, pad, dilation;
  int64_t kernel_w, stride_w, pad_w;
  bool ceil_mode;
} window;

/* Weight and bias begin as torchvision has them (conv: kaiming normal, fan_out, relu), or as PyTorch's layers do: uniform with
 * bound 1/sqrt(fan_in), which kaiming_uniform_(a=sqrt(5)) comes to. */
static rgc_init uniform(double fan_in) { return (rgc_init){RGC_INIT_UNIFORM, 1 / sqrt(fan_in)}; }

static bool check_extent(rgc_cell *cell, const int64_t shape[RGC_AXES]) {
  if (shape[RGC_H] > 0 && shape[RGC_W] > 0) return rgc_cell_fits(cell, shape);
  const int64_t *in = rgc_cell_shape(cell);
  rgc_cell_error(cell, NULL, RGC_CODE_SHAPE, "the window of %s is larger than its input of %dx%d", cell->layer->word,
                 (int)in[RGC_H], (int)in[RGC_W]);
  return false;
}

static void window_shape(const rgc_cell *cell, const window *w, int64_t channels, int64_t shape[RGC_AXES]) {
  const int64_t *in = rgc_cell_shape(cell);
  shape[RGC_N] = in[RGC_N];
  shape[RGC_H] = rgc_window_extent(in[RGC_H], w->kernel, w->stride, w->pad, w->dilation, w->ceil_mode);
  bool oblong = w->kernel_w != 0;
  shape[RGC_W] = rgc_window_extent(in[RGC_W], oblong ? w->kernel_w : w->kernel, oblong ? w->stride_w : w->stride, oblong ? w->pad_w : w->pad,
                                   w->dilation, w->ceil_mode);
  shape[RGC_C] = channels;
}

static void set_window(rgc_op *op, const window *w) {
  op->attr[RGC_ATTR_STRIDE] = (double)w->stride;
  op->attr[RGC_ATTR_PAD] = (double)w->pad;
}

static bool count_macs(rgc_cell *cell, const int64_t weight[RGC_AXES], const int64_t out[RGC_AXES]) {
  const double most = 1e18; /* of the whole network; fits int64_t */
  int64_t *macs = &cell->x->network->macs, elems = rgc_shape_elems(weight), points = out[RGC_H] * out[RGC_W];
  if ((double)*macs + (double)elems * (double)points > most) {
    rgc_cell_error(cell, NULL, RGC_CODE_SHAPE, "the network takes more than 1e18 multiply-accumulates a sample");
    return false;
  }
  *macs += elems * points;
  return true;
}

/* The conv op over weight (and bias); counts its MACs. */
static int add_conv(rgc_cell *cell, const window *w, int64_t groups, int weight, int bias) {
  const int64_t *shape = cell->x->graph->values[weight].shape;
  int64_t out[RGC_AXES];
  window_shape(cell, w, shape[0], out);
  if (!check_extent(cell, out) || !count_macs(cell, shape, out)) return -1;
  int y = rgc_cell_temp(cell, out), inputs[] = {cell->in, weight, bias};
  rgc_op *op = rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_CONV, inputs, bias >= 0 ? 3 : 2, &y, 1));
  set_window(op, w);
  op->attr[RGC_ATTR_DILATION] = (double)w->dilation;
  op->attr[RGC_ATTR_GROUPS] = (double)groups;
  return y;
}

static bool check_groups(rgc_cell *cell, int64_t in, int64_t out, int64_t groups) {
  if (in % groups == 0 && out % groups == 0) return true;
  rgc_cell_error(cell, rgc_cell_attr(cell, "groups"), RGC_CODE_SHAPE, "%d groups do not divide %d input and %d output channels",
                 (int)groups, (int)in, (int)out);
  return false;
}

static bool check_span(rgc_cell *cell, const window *w) {
  int64_t kernel = w->kernel > w->kernel_w ? w->kernel : w->kernel_w;
  if (w->dilation * (kernel - 1) <= RGC_MAX_ATTRIBUTE) return true;
  rgc_cell_error(cell, rgc_cell_attr(cell, "dilation"), RGC_CODE_BAD_VALUE, "a kernel of %d with dilation %d is too wide", (int)kernel,
                 (int)w->dilation);
  return false;
}

/* Kernel and padding, each a number or [rows, columns]. Where rows and columns are padded differently, a map pads the image, and the
 * convolution goes without: it becomes the convolution's prologue. */
static bool read_window(rgc_cell *cell, window *w) {
  int64_t kernel[2], pad[2];
  if (!rgc_cell_pair(cell, "kernel", (int64_t[]){0, 0}, 1, kernel) || !rgc_cell_int(cell, "stride", 1, 1, &w->stride) ||
      !rgc_cell_int(cell, "dilation", 1, 1, &w->dilation))
    return false;
  w->kernel = kernel[0];
  w->kernel_w = kernel[1];
  w->stride_w = w->stride;
  int64_t same[2] = {w->dilation * (kernel[0] - 1) / 2, w->dilation * (kernel[1] - 1) / 2};
  if (!check_span(cell, w) || !rgc_cell_pair(cell, "pad", same, 0, pad)) return false;
  w->pad = w->pad_w = pad[0];
  if (pad[0] == pad[1]) return true;
  w->pad = w->pad_w = 0;
  int64_t shape[RGC_AXES];
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  rgc_view view = rgc_view_identity();
  for (int k = 0; k < 2; k++) {
    shape[RGC_H + k] += 2 * pad[k];
    view.axis[RGC_H + k].add = -pad[k];
  }
  if (!rgc_cell_fits(cell, shape)) return false;
  rgc_body *body = rgc_body_create(cell->x->arena);
  int padded = rgc_cell_temp(cell, shape);
  rgc_cell_finish(cell, rgc_graph_map(cell->x->graph, body, rgc_body_load(body, cell->in, &view), padded));
  cell->in = padded;
  return true;
}

int rgc_emit_conv(rgc_cell *cell) {
  window w = {0};
  int64_t out, groups, in = rgc_cell_shape(cell)[RGC_C];
  bool has_bias;
  if (!rgc_cell_int(cell, "out", 0, 1, &out) || !read_window(cell, &w) ||
      !rgc_cell_int(cell, "groups", 1, 1, &groups) || !rgc_cell_flag(cell, "bias", false, &has_bias) || !check_groups(cell, in, out, groups))
    return -1;
  double area = (double)(w.kernel * w.kernel_w), fan_in = (double)(in / groups) * area;
  rgc_init init = {RGC_INIT_NORMAL, sqrt(2 / ((double)out * area))};
  if (cell->x->network->init_torch) init = uniform(fan_in);
  int weight = rgc_cell_param(cell, "weight", RGC_ROLE_PARAM, (int64_t[]){out, w.kernel, w.kernel_w, in / groups}, 4, init);
  int bias = -1;
  if (has_bias && weight >= 0)
    bias = rgc_cell_param(cell, "bias", RGC_ROLE_PARAM, (int64_t[]){1, 1, 1, out}, 1, uniform(fan_in));
  if (weight < 0 || (has_bias && bias < 0)) return -1;
  return add_conv(cell, &w, groups, weight, bias);
}

int rgc_emit_linear(rgc_cell *cell) {
  const int64_t *in = rgc_cell_shape(cell);
  int64_t out, shape[RGC_AXES] = {0, in[RGC_H], in[RGC_W], in[RGC_C]};
  bool has_bias;
  if (!rgc_cell_int(cell, "out", 0, 1, &out) || !rgc_cell_flag(cell, "bias", true, &has_bias)) return -1;
  shape[0] = out;
  rgc_init init = uniform((double)(in[RGC_H] * in[RGC_W] * in[RGC_C]));
  int weight = rgc_cell_param(cell, "weight", RGC_ROLE_PARAM, shape, 2, init), bias = -1;
  if (has_bias && weight >= 0) bias = rgc_cell_param(cell, "bias", RGC_ROLE_PARAM, (int64_t[]){1, 1, 1, out}, 1, init);
  if (weight < 0 || (has_bias && bias < 0)) return -1;
  window w = {.kernel = shape[1], .kernel_w = shape[2], .stride = 1, .stride_w = 1, .dilation = 1};
  return add_conv(cell, &w, 1, weight, bias);
}

/* A map over the 1x1 image `x` that takes its channels as columns, from -pad on, or its columns as channels. */
static int turn(rgc_cell *cell, int x, int64_t pad, const int64_t shape[RGC_AXES]) {
  rgc_view view = rgc_view_identity();
  view.axis[RGC_W].from = RGC_C;
  view.axis[RGC_C].from = RGC_W;
  view.axis[shape[RGC_C] == 1 ? RGC_C : RGC_W].add = -pad;
  rgc_body *body = rgc_body_create(cell->x->arena);
  int y = rgc_cell_temp(cell, shape);
  rgc_cell_finish(cell, rgc_graph_map(cell->x->graph, body, rgc_body_load(body, x, &view), y));
  return y;
}

/* One filter slides over the channels (Wang et al. 2019, ECA): a convolution over the channels turned into columns, between
 * two maps. Its weight is PyTorch's of a Conv1d, [1,1,K]. */
int rgc_emit_channel_conv(rgc_cell *cell) {
  const int64_t *in = rgc_cell_shape(cell);
  int64_t kernel, batch = in[RGC_N], channels = in[RGC_C];
  if (!rgc_cell_int(cell, "kernel", 0, 1, &kernel)) return -1;
  if (kernel % 2 == 0 || in[RGC_H] != 1 || in[RGC_W] != 1) {
    rgc_cell_error(cell, rgc_cell_attr(cell, "kernel"), RGC_CODE_SHAPE, "channel_conv of %d over an image of %dx%d", (int)kernel,
                   (int)in[RGC_H], (int)in[RGC_W])->expected = "an odd kernel, behind avgpool: global";
    return -1;
  }
  int weight = rgc_cell_param(cell, "weight", RGC_ROLE_PARAM, (int64_t[]){1, 1, kernel, 1}, 3, uniform((double)kernel));
  const int64_t out[RGC_AXES] = {batch, 1, channels, 1};
  if (weight < 0 || !count_macs(cell, (int64_t[]){1, 1, kernel, 1}, out)) return -1;
  int inputs[] = {turn(cell, cell->in, kernel / 2, (int64_t[]){batch, 1, channels + kernel - 1, 1}), weight};
  int y = rgc_cell_temp(cell, out);
  rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_CONV, inputs, 2, &y, 1));
  return turn(cell, y, 0, (int64_t[]){batch, 1, 1, channels});
}

static bool is_frozen_bn(const rgc_cell *cell) {
  const rgc_network *n = cell->x->network;
  return n->train.bn == RGC_BN_RUNNING || (n->freeze_bn && rgc_network_is_frozen(n, cell->name));
}

/* Outputs 1..4 of a bn that trains: mean, rstd, and the running statistics' next values. */
static void add_statistics(rgc_cell *cell, const int *inputs, int *outputs) {
  static const char *const suffixes[] = {"mean", "rstd", "running_mean.next", "running_var.next"};
  rgc_graph *graph = cell->x->graph;
  int64_t shape[RGC_AXES] = {1, 1, 1, rgc_cell_shape(cell)[RGC_C]};
  for (int i = 0; i < 4; i++) {
    const char *name = rgc_arena_printf(graph->arena, "%s.%s", cell->name, suffixes[i]);
    outputs[1 + i] = rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_TEMP, shape);
    if (i >= 2) graph->values[outputs[1 + i]].updates = inputs[1 + i];
  }
}

int rgc_emit_bn(rgc_cell *cell) {
  double eps, momentum, gamma;
  if (!rgc_cell_number(cell, "eps", 1e-5, 0, 1, &eps) || !rgc_cell_number(cell, "momentum", 0.1, 0, 1, &momentum) ||
      !rgc_cell_number(cell, "gamma", 1, -1e9, 1e9, &gamma))
    return -1;
  static const char *const suffixes[] = {"weight", "bias", "running_mean", "running_var"};
  const double numbers[] = {gamma, 0, 0, 1};
  int64_t shape[RGC_AXES] = {1, 1, 1, rgc_cell_shape(cell)[RGC_C]};
  int inputs[5] = {cell->in}, outputs[5];
  for (int i = 0; i < 4; i++) {
    rgc_role role = i < 2 ? RGC_ROLE_PARAM : RGC_ROLE_BUFFER;
    inputs[1 + i] = rgc_cell_param(cell, suffixes[i], role, shape, 1, (rgc_init){RGC_INIT_CONST, numbers[i]});
    if (inputs[1 + i] < 0) return -1;
  }
  bool running = !cell->x->training || is_frozen_bn(cell);
  outputs[0] = rgc_cell_temp(cell, rgc_cell_shape(cell));
  if (!running) add_statistics(cell, inputs, outputs);
  rgc_op *op = rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_BN, inputs, 5, outputs, running ? 1 : 5));
  op->attr[RGC_ATTR_EPS] = eps;
  op->attr[RGC_ATTR_MOMENTUM] = momentum;
  op->attr[RGC_ATTR_RUNNING] = running;
  return outputs[0];
}

/* Kernel, stride and padding, each a number or [rows, columns]. */
static bool read_pool(rgc_cell *cell, bool same_pad, window *w) {
  int64_t kernel[2], stride[2], pad[2];
  if (!rgc_cell_pair(cell, "kernel", (int64_t[]){0, 0}, 1, kernel)) return false;
  int64_t same[2] = {same_pad ? (kernel[0] - 1) / 2 : 0, same_pad ? (kernel[1] - 1) / 2 : 0};
  *w = (window){.dilation = 1};
  if (!rgc_cell_pair(cell, "stride", kernel, 1, stride) || !rgc_cell_pair(cell, "pad", same, 0, pad) ||
      !rgc_cell_flag(cell, "ceil", false, &w->ceil_mode))
    return false;
  w->kernel = kernel[0], w->stride = stride[0], w->pad = pad[0];
  if (kernel[0] != kernel[1] || stride[0] != stride[1] || pad[0] != pad[1]) w->kernel_w = kernel[1], w->stride_w = stride[1], w->pad_w = pad[1];
  if (pad[0] * 2 <= kernel[0] && pad[1] * 2 <= kernel[1]) return true;
  rgc_cell_error(cell, rgc_cell_attr(cell, "pad"), RGC_CODE_BAD_VALUE, "the padding of a pool is at most half of its window");
  return false;
}

static void set_pool(rgc_op *op, const window *w) {
  set_window(op, w);
  op->attr[RGC_ATTR_KERNEL] = (double)w->kernel;
  op->attr[RGC_ATTR_KERNEL_W] = (double)w->kernel_w;
  op->attr[RGC_ATTR_STRIDE_W] = (double)w->stride_w;
  op->attr[RGC_ATTR_PAD_W] = (double)w->pad_w;
  op->attr[RGC_ATTR_CEIL] = w->ceil_mode;
}

int rgc_emit_maxpool(rgc_cell *cell) {
  window w;
  int64_t shape[RGC_AXES];
  if (!read_pool(cell, true, &w)) return -1;
  window_shape(cell, &w, rgc_cell_shape(cell)[RGC_C], shape);
  if (!check_extent(cell, shape)) return -1;
  enum { MOST_U8_TAPS = 256 };
  const char *tap = rgc_arena_printf(cell->x->arena, "%s.tap", cell->name);
  rgc_dtype dtype = w.kernel * (w.kernel_w ? w.kernel_w : w.kernel) <= MOST_U8_TAPS ? RGC_U8 : RGC_I32;
  int outputs[] = {rgc_cell_temp(cell, shape), rgc_graph_value(cell->x->graph, tap, dtype, RGC_ROLE_TEMP, shape)};
  set_pool(rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_MAXPOOL, &cell->in, 1, outputs, 2)), &w);
  return outputs[0];
}

/* taps: as numbers that sum to 1. Returns how many, 0 after an error. */
static int read_taps(rgc_cell *cell, double taps[RGC_MAX_TAPS]) {
  const rgc_yaml *list = rgc_cell_attr(cell, "taps");
  int count = list && list->kind == RGC_YAML_LIST ? list->count : 0;
  double sum = 0;
  for (int i = 0; i < count && i < RGC_MAX_TAPS; i++) {
    if (!rgc_expand_eval(cell->x, cell->place->env, list->items[i], &taps[i])) return 0;
    sum += taps[i];
  }
  if (count < 1 || count > RGC_MAX_TAPS || !(fabs(sum) > 1e-9 && fabs(sum) < 1e9)) {
    rgc_cell_error(cell, list, RGC_CODE_BAD_VALUE, "a filter cannot have these taps")->expected = "taps: [1, 2, 1]: 1 to 7 numbers, their sum not 0";
    return 0;
  }
  for (int i = 0; i < count; i++) taps[i] /= sum;
  return count;
}

/* A fixed filter on each channel, the product of `taps` along both axes (anti-aliasing, Zhang 2019). */
int rgc_emit_filter(rgc_cell *cell) {
  static const char *const edges[] = {"zero", "reflect"};
  double taps[RGC_MAX_TAPS];
  int edge = rgc_cell_word(cell, "edge", 0, edges, 2), count = edge < 0 ? 0 : read_taps(cell, taps);
  window w = {.kernel = count, .dilation = 1};
  int64_t shape[RGC_AXES], most = (count - 1) / 2;
  const int64_t *in = rgc_cell_shape(cell);
  if (!count || !rgc_cell_int(cell, "stride", 1, 1, &w.stride) || !rgc_cell_int(cell, "pad", most, 0, &w.pad)) return -1;
  if (w.pad > most || (edge && (count % 2 == 0 || in[RGC_H] <= w.pad || in[RGC_W] <= w.pad))) {
    rgc_cell_error(cell, rgc_cell_attr(cell, edge ? "edge" : "pad"), RGC_CODE_SHAPE, "a filter of %d taps, padded by %d, on %dx%d", count,
                   (int)w.pad, (int)in[RGC_H], (int)in[RGC_W])->expected =
        "a padding of at most half the taps; to reflect, an odd number of taps and an image larger than the padding";
    return -1;
  }
  window_shape(cell, &w, in[RGC_C], shape);
  if (!check_extent(cell, shape)) return -1;
  int y = rgc_cell_temp(cell, shape);
  rgc_op *op = rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_FILTER, &cell->in, 1, &y, 1));
  set_pool(op, &w);
  op->attr[RGC_ATTR_REFLECT] = edge;
  for (int i = 0; i < count; i++) op->attr[RGC_ATTR_TAP0 + i] = taps[i];
  return y;
}

static int add_reduce(rgc_cell *cell, unsigned axes, int by) {
  int64_t shape[RGC_AXES];
  for (int i = 0; i < RGC_AXES; i++) shape[i] = axes >> i & 1 ? 1 : rgc_cell_shape(cell)[i];
  int outputs[2] = {rgc_cell_temp(cell, shape)}, count = 1;
  if (by == RGC_BY_MAX && cell->x->training) /* the gradient goes to where it was */
    outputs[count++] =
        rgc_graph_value(cell->x->graph, rgc_arena_printf(cell->x->arena, "%s.index", cell->name), RGC_I32, RGC_ROLE_TEMP, shape);
  rgc_op *op = rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_REDUCE, &cell->in, 1, outputs, count));
  op->attr[RGC_ATTR_AXES] = axes;
  op->attr[RGC_ATTR_BY] = by;
  return outputs[0];
}

int rgc_emit_reduce(rgc_cell *cell) {
  static const char *const overs[] = {"space", "channels"}, *const bys[] = {"sum", "mean", "max"}; /* as RGC_BY_* */
  int over = rgc_cell_word(cell, "over", -1, overs, 2), by = rgc_cell_word(cell, "by", -1, bys, 3);
  if (over < 0 || by < 0) return -1;
  return add_reduce(cell, over == 0 ? 1u << RGC_H | 1u << RGC_W : 1u << RGC_C, by);
}

int rgc_emit_avgpool(rgc_cell *cell) {
  static const char *const overs[] = {"global"};
  if (rgc_cell_attr(cell, "over"))
    return rgc_cell_word(cell, "over", -1, overs, 1) < 0 ? -1 : add_reduce(cell, 1u << RGC_H | 1u << RGC_W, RGC_BY_MEAN);
  window w;
  bool count_pad;
  int64_t shape[RGC_AXES];
  if (!rgc_cell_attr(cell, "kernel")) {
    rgc_cell_error(cell, NULL, RGC_CODE_MISSING_KEY, "avgpool needs a kernel")->expected = "avgpool: global, or avgpool: {kernel: 2}";
    return -1;
  }
  if (!read_pool(cell, false, &w) || !rgc_cell_flag(cell, "count_pad", true, &count_pad)) return -1;
  window_shape(cell, &w, rgc_cell_shape(cell)[RGC_C], shape);
  if (!check_extent(cell, shape)) return -1;
  int y = rgc_cell_temp(cell, shape);
  rgc_op *op = rgc_cell_finish(cell, rgc_graph_op(cell->x->graph, RGC_OP_AVGPOOL, &cell->in, 1, &y, 1));
  set_pool(op, &w);
  op->attr[RGC_ATTR_COUNT_PAD] = count_pad;
  return y;
}
