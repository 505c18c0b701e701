/* onnx_weights.c: parameters as initializers; see onnx_export.h. */
#include <math.h>
#include <string.h>

#include "runtime/import/onnx_export.h"

static const rgc_tensor *tensor_of(const rgc_onnx_export *x, int value) {
  const char *name = x->graph->values[value].name;
  for (int i = 0; i < x->plan->tensor_count; i++)
    if (!strcmp(x->plan->tensors[i].name, name)) return &x->plan->tensors[i];
  rgc_internal_error("onnx_export", "the plan has no tensor %s", name);
}

const char *rgc_onnx_weight(rgc_onnx_export *x, int value) {
  const rgc_tensor *t = tensor_of(x, value);
  if (!x->is_initializer[value]) rgc_onnx_initializer(&x->onnx, t);
  x->is_initializer[value] = true;
  return t->name;
}

/* ---- folding ---- */

static bool is_weight(const rgc_graph *graph, int value) { return graph->values[value].op < 0 && graph->values[value].role == RGC_ROLE_PARAM; }

static int count_readers(const rgc_graph *graph, int value) {
  int count = graph->values[value].role == RGC_ROLE_OUTPUT;
  for (int i = 0; i < graph->op_count; i++)
    for (int k = 0; k < graph->ops[i].input_count; k++) count += graph->ops[i].inputs[k] == value;
  return count;
}

void rgc_onnx_plan_folding(rgc_onnx_export *x) {
  const rgc_graph *graph = x->graph;
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *bn = &graph->ops[i], *conv = bn->kind == RGC_OP_BN ? &graph->ops[graph->values[bn->inputs[0]].op] : NULL;
    if (bn->kind != RGC_OP_BN || graph->values[bn->inputs[0]].op < 0 || conv->kind != RGC_OP_CONV) continue;
    if (!is_weight(graph, conv->inputs[1]) || count_readers(graph, conv->inputs[1]) > 1 || count_readers(graph, conv->outputs[0]) > 1) continue;
    x->folded[bn->id] = conv;
    x->folded[conv->id] = bn;
  }
}

static const float *numbers(const rgc_onnx_export *x, int value) { return tensor_of(x, value)->data; }

/* "layer1.0.conv1.bias" of "layer1.0.conv1.weight". */
static const char *bias_name(rgc_arena *arena, const char *weight) {
  const char *dot = strrchr(weight, '.');
  return rgc_arena_printf(arena, "%.*s.bias", dot ? (int)(dot - weight) : (int)strlen(weight), weight);
}

void rgc_onnx_folded_weights(rgc_onnx_export *x, const rgc_op *conv, const rgc_op *bn, const char **weight, const char **bias) {
  rgc_tensor w = *tensor_of(x, conv->inputs[1]);
  int64_t outs = w.shape[0], row = (int64_t)(w.size_bytes / sizeof(float)) / outs;
  const float *gamma = numbers(x, bn->inputs[1]), *beta = numbers(x, bn->inputs[2]), *mean = numbers(x, bn->inputs[3]);
  const float *var = numbers(x, bn->inputs[4]), *own = conv->input_count > 2 ? numbers(x, conv->inputs[2]) : NULL, *from = w.data;
  float *to = rgc_arena_alloc(x->onnx.arena, w.size_bytes), *b = RGC_NEW_ARRAY(x->onnx.arena, float, outs);
  for (int64_t o = 0; o < outs; o++) {
    double scale = (double)gamma[o] / sqrt((double)var[o] + bn->attr[RGC_ATTR_EPS]);
    for (int64_t i = o * row; i < (o + 1) * row; i++) to[i] = (float)((double)from[i] * scale);
    b[o] = (float)(((own ? (double)own[o] : 0) - (double)mean[o]) * scale + (double)beta[o]);
  }
  w.data = to;
  rgc_tensor added = {.name = bias_name(x->onnx.arena, w.name), .dtype = RGC_TENSOR_F32, .rank = 1, .shape = {outs}, .data = b,
                      .size_bytes = sizeof(float) * (size_t)outs};
  rgc_onnx_initializer(&x->onnx, &w);
  rgc_onnx_initializer(&x->onnx, &added);
  *weight = w.name;
  *bias = added.name;
}
