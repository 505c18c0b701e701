/* onnx_export.c: see onnx_export.h and export.h. */
#include "runtime/import/onnx_export.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "compiler/base/file.h"
#include "runtime/import/export.h"
#include "runtime/import/onnx.h"
#include "runtime/rgc.h"

static int64_t number_of(const rgc_op *op, rgc_attribute attribute) { return (int64_t)op->attr[attribute]; }

/* ---- ops ---- */

/* Of rows and columns each; pads: top, left, bottom, right. */
static void add_window(rgc_onnx_node *node, const int64_t kernel[2], const int64_t stride[2], const int64_t pads[4]) {
  rgc_onnx_ints(node, "kernel_shape", kernel, 2);
  rgc_onnx_ints(node, "strides", stride, 2);
  rgc_onnx_ints(node, "pads", pads, 4);
}

/* A convolution, or a linear layer as Gemm, whose output is the value `out`. bias NULL: none. */
static void write_conv(rgc_onnx_export *x, const rgc_op *op, int out, const char *weight, const char *bias) {
  const rgc_value *w = &x->graph->values[op->inputs[1]];
  bool is_linear = w->torch_rank == 2;
  const char *in = is_linear ? rgc_onnx_flat(x, op->inputs[0]) : rgc_onnx_image(x, op->inputs[0]);
  const char *output = is_linear ? x->graph->values[out].name : rgc_onnx_image_name(x, out);
  rgc_onnx_node node = rgc_onnx_begin(&x->onnx, is_linear ? "Gemm" : "Conv", output);
  rgc_onnx_input(&node, in);
  rgc_onnx_input(&node, weight);
  if (bias) rgc_onnx_input(&node, bias);
  if (is_linear) {
    rgc_onnx_int(&node, "transB", 1);
    x->flat[out] = rgc_onnx_end(&node);
    return;
  }
  int64_t p = number_of(op, RGC_ATTR_PAD), d = number_of(op, RGC_ATTR_DILATION), stride = number_of(op, RGC_ATTR_STRIDE);
  add_window(&node, &w->shape[1], (int64_t[]){stride, stride}, (int64_t[]){p, p, p, p});
  rgc_onnx_ints(&node, "dilations", (int64_t[]){d, d}, 2);
  rgc_onnx_int(&node, "group", number_of(op, RGC_ATTR_GROUPS));
  x->image[out] = rgc_onnx_end(&node);
}

static void export_conv(rgc_onnx_export *x, const rgc_op *op) {
  if (x->folded[op->id]) return; /* written where its batch norm stands */
  const rgc_value *w = &x->graph->values[op->inputs[1]];
  const char *weight = w->torch_rank == 2 ? rgc_onnx_weight(x, op->inputs[1]) : rgc_onnx_image(x, op->inputs[1]);
  write_conv(x, op, op->outputs[0], weight, op->input_count > 2 ? rgc_onnx_weight(x, op->inputs[2]) : NULL);
}

static void export_bn(rgc_onnx_export *x, const rgc_op *op) {
  const char *weight, *bias;
  if (x->folded[op->id]) {
    rgc_onnx_folded_weights(x, x->folded[op->id], op, &weight, &bias);
    write_conv(x, x->folded[op->id], op->outputs[0], weight, bias);
    return;
  }
  const char *in = rgc_onnx_image(x, op->inputs[0]);
  rgc_onnx_node node = rgc_onnx_begin(&x->onnx, "BatchNormalization", rgc_onnx_image_name(x, op->outputs[0]));
  rgc_onnx_input(&node, in);
  for (int k = 1; k < 5; k++) rgc_onnx_input(&node, rgc_onnx_weight(x, op->inputs[k]));
  rgc_onnx_float(&node, "epsilon", op->attr[RGC_ATTR_EPS]);
  x->image[op->outputs[0]] = rgc_onnx_end(&node);
}

/* How far the last window reaches beyond the image, along rows (0) or columns (1). */
static int64_t overhang(const rgc_onnx_export *x, const rgc_op *op, const rgc_window *w, int k) {
  int64_t in = x->graph->values[op->inputs[0]].shape[RGC_H + k], out = x->graph->values[op->outputs[0]].shape[RGC_H + k];
  int64_t last = (out - 1) * w->stride[k] + w->kernel[k] - w->pad[k];
  return last > in ? last - in : 0;
}

/* `by`: rows above and below, columns left and right. */
static const char *pad_image(rgc_onnx_export *x, const char *in, const int64_t by[2], const char *mode, const char *base) {
  const char *pads = rgc_onnx_int64s(&x->onnx, (int64_t[]){0, 0, by[0], by[1], 0, 0, by[0], by[1]}, 8);
  rgc_onnx_node node = rgc_onnx_begin(&x->onnx, "Pad", rgc_onnx_name(&x->onnx, base));
  rgc_onnx_input(&node, in);
  rgc_onnx_input(&node, pads);
  rgc_onnx_word(&node, "mode", mode);
  return rgc_onnx_end(&node);
}

/* Written without ceil_mode, whose meaning at the edges has changed between ONNX's versions: padding behind the image that lets the last window
 * in says the same. An average that counts the padding (but not what hangs over it) has it done by a node before. */
static void export_pool(rgc_onnx_export *x, const rgc_op *op) {
  bool is_average = op->kind == RGC_OP_AVGPOOL, counts = is_average && op->attr[RGC_ATTR_COUNT_PAD] != 0;
  rgc_window w = rgc_op_window(op);
  int64_t pads[4] = {w.pad[0], w.pad[1], overhang(x, op, &w, 0), overhang(x, op, &w, 1)};
  const char *in = rgc_onnx_image(x, op->inputs[0]), *name = rgc_onnx_image_name(x, op->outputs[0]);
  if (counts && (w.pad[0] || w.pad[1])) {
    in = pad_image(x, in, w.pad, "constant", x->graph->values[op->inputs[0]].name);
    for (int i = 0; i < 4; i++) pads[i] = pads[i] > w.pad[i % 2] ? pads[i] - w.pad[i % 2] : 0;
  }
  rgc_onnx_node node = rgc_onnx_begin(&x->onnx, is_average ? "AveragePool" : "MaxPool", name);
  rgc_onnx_input(&node, in);
  add_window(&node, w.kernel, w.stride, pads);
  x->image[op->outputs[0]] = rgc_onnx_end(&node);
}

/* A fixed filter: a convolution of each channel by itself, its weight [C,1,K,K] a constant. */
static void export_filter(rgc_onnx_export *x, const rgc_op *op) {
  rgc_window w = rgc_op_window(op);
  int64_t k = w.kernel[0], p = w.pad[0], channels = x->graph->values[op->inputs[0]].shape[RGC_C];
  bool reflects = op->attr[RGC_ATTR_REFLECT] != 0;
  int64_t left = reflects ? 0 : p;
  const char *in = rgc_onnx_image(x, op->inputs[0]), *base = x->graph->values[op->outputs[0]].name, *name = rgc_onnx_image_name(x, op->outputs[0]);
  if (reflects && p) in = pad_image(x, in, w.pad, "reflect", base);
  rgc_tensor taps = {.name = rgc_onnx_name(&x->onnx, base), .dtype = RGC_TENSOR_F32, .rank = 4, .shape = {channels, 1, k, k}};
  float *data = RGC_NEW_ARRAY(x->onnx.arena, float, channels * k * k);
  for (int64_t e = 0; e < channels * k * k; e++)
    data[e] = (float)(op->attr[RGC_ATTR_TAP0 + e / k % k] * op->attr[RGC_ATTR_TAP0 + e % k]);
  taps.data = data;
  taps.size_bytes = sizeof *data * (size_t)(channels * k * k);
  const char *weight = rgc_onnx_constant(&x->onnx, &taps);
  rgc_onnx_node node = rgc_onnx_begin(&x->onnx, "Conv", name);
  rgc_onnx_input(&node, in);
  rgc_onnx_input(&node, weight);
  add_window(&node, w.kernel, w.stride, (int64_t[]){left, left, left, left});
  rgc_onnx_int(&node, "group", channels);
  x->image[op->outputs[0]] = rgc_onnx_end(&node);
}

/* ReduceSum takes its axes as an input since operator set 13, the others since 18. */
static void export_reduce(rgc_onnx_export *x, const rgc_op *op) {
  static const char *const words[] = {"ReduceSum", "ReduceMean", "ReduceMax"}; /* as RGC_BY_* */
  unsigned mask = (unsigned)op->attr[RGC_ATTR_AXES], space = 1u << RGC_H | 1u << RGC_W;
  int by = (int)op->attr[RGC_ATTR_BY], count = 0;
  int64_t axes[RGC_AXES];
  const char *in = rgc_onnx_image(x, op->inputs[0]), *name = rgc_onnx_image_name(x, op->outputs[0]);
  if (mask == space && by != RGC_BY_SUM) {
    x->image[op->outputs[0]] = rgc_onnx_unary(&x->onnx, by == RGC_BY_MAX ? "GlobalMaxPool" : "GlobalAveragePool", in, name);
    return;
  }
  for (int j = 0; j < RGC_AXES; j++)
    if (mask >> j & 1) axes[count++] = rgc_onnx_axis[j];
  const char *list = by == RGC_BY_SUM ? rgc_onnx_int64s(&x->onnx, axes, count) : NULL;
  rgc_onnx_node node = rgc_onnx_begin(&x->onnx, words[by], name);
  rgc_onnx_input(&node, in);
  if (list) rgc_onnx_input(&node, list);
  else rgc_onnx_ints(&node, "axes", axes, count);
  x->image[op->outputs[0]] = rgc_onnx_end(&node);
}

static void export_op(rgc_onnx_export *x, const rgc_op *op) {
  switch (op->kind) {
    case RGC_OP_CONV: export_conv(x, op); return;
    case RGC_OP_BN: export_bn(x, op); return;
    case RGC_OP_MAXPOOL: case RGC_OP_AVGPOOL: export_pool(x, op); return;
    case RGC_OP_FILTER: export_filter(x, op); return;
    case RGC_OP_REDUCE: export_reduce(x, op); return;
    case RGC_OP_MAP: rgc_onnx_map(x, op); return;
    default: rgc_internal_error("onnx_export", "op '%s' in an inference graph", rgc_op_info_of(op->kind)->word);
  }
}

/* ---- the model ---- */

static void add_dim(rgc_proto *shape, const char *param, int64_t extent) {
  rgc_proto dim = {.arena = shape->arena};
  if (param) rgc_proto_text(&dim, ONNX_DIM_PARAM, param);
  else rgc_proto_number(&dim, ONNX_DIM_VALUE, (uint64_t)extent);
  rgc_proto_message(shape, ONNX_SHAPE_DIM, &dim);
}

/* An input or output of the graph: float32 [N,C,H,W] or, flat, [N,C]. */
static void declare(rgc_proto *graph, int field, const rgc_value *v, bool is_flat) {
  rgc_proto shape = {.arena = graph->arena}, tensor = shape, type = shape, info = shape;
  add_dim(&shape, "N", 0);
  add_dim(&shape, NULL, v->shape[RGC_C]);
  for (int j = RGC_H; !is_flat && j <= RGC_W; j++) add_dim(&shape, NULL, v->shape[j]);
  rgc_proto_number(&tensor, ONNX_TENSOR_TYPE_ELEM, ONNX_FLOAT);
  rgc_proto_message(&tensor, ONNX_TENSOR_TYPE_SHAPE, &shape);
  rgc_proto_message(&type, ONNX_VALUE_TYPE_TENSOR, &tensor);
  rgc_proto_text(&info, ONNX_VALUE_NAME, v->name);
  rgc_proto_message(&info, ONNX_VALUE_TYPE, &type);
  rgc_proto_message(graph, field, &info);
}

/* The value under its own name, as what follows the file reads it. */
static void finish_output(rgc_onnx_export *x, int value) {
  const rgc_value *v = &x->graph->values[value];
  if (rgc_onnx_is_flat_output(v) && !x->flat[value]) rgc_onnx_flat(x, value);
  const char *name = rgc_onnx_is_flat_output(v) ? x->flat[value] : rgc_onnx_image(x, value);
  if (strcmp(name, v->name)) rgc_onnx_unary(&x->onnx, "Identity", name, v->name);
}

/* What the caller must do to an image: "x / 255, less mean 0.485 0.456 0.406, over std 0.229 0.224 0.225, by channel". */
static const char *preparation(const rgc_network *n, rgc_arena *arena) {
  rgc_text out = {0};
  rgc_text_add(&out, "x / 255");
  for (int part = 0; n->has_mean && part < 2; part++) {
    rgc_text_add(&out, part ? ", over std" : ", less mean");
    for (int64_t c = 0; c < n->channels; c++) rgc_text_printf(&out, " %.9g", part ? n->std[c] : n->mean[c]);
  }
  rgc_text_add(&out, ", by channel");
  return rgc_text_take(&out, arena);
}

/* The MODEL message; `location`: the file beside it for the weights, NULL: none. */
static rgc_proto model_message(const rgc_onnx_export *x, const char *location) {
  const rgc_graph *graph = x->graph;
  rgc_proto model = {.arena = x->onnx.arena}, inner = model, opset = model, initializers = rgc_onnx_initializer_fields(&x->onnx, location);
  rgc_proto_text(&inner, ONNX_GRAPH_NAME, graph->name);
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->role == RGC_ROLE_INPUT) declare(&inner, ONNX_GRAPH_INPUT, v, false);
    if (v->role == RGC_ROLE_OUTPUT) declare(&inner, ONNX_GRAPH_OUTPUT, v, rgc_onnx_is_flat_output(v));
  }
  rgc_proto_append(&inner, &x->onnx.nodes);
  rgc_proto_append(&inner, &initializers);
  rgc_proto_number(&opset, ONNX_OPSET_VERSION, ONNX_OPSET);
  rgc_proto_number(&model, ONNX_MODEL_IR_VERSION, ONNX_IR_VERSION);
  rgc_proto_message(&model, ONNX_MODEL_OPSET, &opset);
  rgc_proto_text(&model, ONNX_MODEL_PRODUCER, "rgc");
  rgc_proto_text(&model, ONNX_MODEL_PRODUCER_VERSION, RGC_VERSION);
  rgc_onnx_add_entry(&model, ONNX_MODEL_METADATA, "input", preparation(x->plan->network, model.arena));
  rgc_proto_message(&model, ONNX_MODEL_GRAPH, &inner);
  return model;
}

static bool write_proto(const void *contents, FILE *file) { return rgc_proto_write(contents, file); }

static bool write_numbers(const void *contents, FILE *file) { return rgc_onnx_write_numbers(contents, file); }

static bool write_model(const rgc_onnx_export *x, const char *path, uint64_t most_bytes, rgc_diagnostics *diags) {
  rgc_proto model = model_message(x, NULL);
  if (rgc_proto_size(&model) <= most_bytes) return rgc_replace_file(path, write_proto, &model, diags);
  const char *slash = strrchr(path, '/'), *numbers = rgc_arena_printf(diags->arena, "%s.data", path);
  model = model_message(x, slash ? numbers + (slash + 1 - path) : numbers);
  if (!rgc_replace_file(numbers, write_numbers, &x->onnx, diags) || !rgc_replace_file(path, write_proto, &model, diags)) return false;
  rgc_diag_add(diags, RGC_NOTE, RGC_CODE_FILE_WRITE, (rgc_location){.file = numbers},
               "has the weights, since an ONNX file holds at most %" PRIu64 " bytes; it belongs beside the model, under this name", most_bytes);
  return true;
}

bool rgc_export_onnx(const rgc_plan *plan, const char *name, const char *path, bool fold, uint64_t most_bytes, int *nodes, rgc_diagnostics *diags) {
  if (!plan->tensor_count) return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, name, "train it, or make it by rgc import", "has no weights yet");
  const rgc_graph *graph = rgc_network_build(plan->network, 2, false, diags);
  if (!graph) return false;
  rgc_arena *arena = rgc_arena_create();
  rgc_onnx_export x = {.plan = plan, .graph = graph, .onnx = rgc_onnx_create(arena)};
  x.image = RGC_NEW_ARRAY(arena, const char *, graph->value_count);
  x.flat = RGC_NEW_ARRAY(arena, const char *, graph->value_count);
  x.is_initializer = RGC_NEW_ARRAY(arena, bool, graph->value_count);
  x.folded = RGC_NEW_ARRAY(arena, const rgc_op *, graph->op_count);
  if (fold) rgc_onnx_plan_folding(&x);
  for (int i = 0; i < graph->value_count; i++)
    if (graph->values[i].role == RGC_ROLE_INPUT) x.image[i] = graph->values[i].name;
  for (int i = 0; i < graph->op_count; i++) export_op(&x, &graph->ops[i]);
  for (int i = 0; i < graph->value_count; i++)
    if (graph->values[i].role == RGC_ROLE_OUTPUT) finish_output(&x, i);
  if (nodes) *nodes = x.onnx.node_count;
  bool good = write_model(&x, path, most_bytes, diags);
  rgc_arena_destroy(arena);
  return good;
}
