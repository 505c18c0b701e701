/* onnx_evaluate.c: see onnx_evaluate.h. */
#include "tests/unit/onnx_evaluate.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/import/onnx.h"
#include "runtime/import/protobuf.h"

enum { MAX_INPUTS = 16, MAX_ATTRIBUTES = 8 };

typedef struct attribute {
  const char *name, *text;
  int64_t integer, integers[ONNX_MAX_RANK];
  int count;
  double number;
  onnx_value tensor;
} attribute;

typedef struct onnx_node {
  const char *op, *output, *inputs[MAX_INPUTS];
  attribute attributes[MAX_ATTRIBUTES];
  int input_count, attribute_count;
} onnx_node;

/* A run of one node: its inputs (absent ones NULL) and its output, without data yet. */
typedef struct step {
  onnx_model *model;
  const onnx_node *node;
  const onnx_value *in[MAX_INPUTS];
  onnx_value out;
} step;

/* ---- reading ---- */

static const char *text_of(rgc_arena *arena, rgc_proto_span span) { return rgc_arena_strndup(arena, (const char *)span.at, (size_t)(span.end - span.at)); }

int64_t onnx_elems(const onnx_value *value) {
  int64_t count = 1;
  for (int i = 0; i < value->rank; i++) count *= value->shape[i];
  return count;
}

/* Raw float32 or int64. */
static onnx_value read_tensor(rgc_arena *arena, rgc_proto_span span) {
  onnx_value v = {0};
  rgc_proto_field f;
  rgc_proto_span raw = {0};
  uint64_t type = 0;
  while (rgc_proto_next(&span, &f) > 0) {
    if (f.number == ONNX_TENSOR_DIMS) v.shape[v.rank++] = (int64_t)f.value;
    if (f.number == ONNX_TENSOR_TYPE) type = f.value;
    if (f.number == ONNX_TENSOR_NAME) v.name = text_of(arena, f.span);
    if (f.number == ONNX_TENSOR_RAW) raw = f.span;
  }
  int64_t count = onnx_elems(&v), bytes = type == ONNX_FLOAT ? 4 : 8;
  cr_assert(type == ONNX_FLOAT || type == ONNX_INT64);
  cr_assert_eq(raw.end - raw.at, count * bytes);
  v.data = RGC_NEW_ARRAY(arena, double, count + 1);
  for (int64_t e = 0; e < count; e++) {
    float number;
    int64_t integer;
    memcpy(&number, raw.at + e * bytes, 4);
    if (type == ONNX_INT64) memcpy(&integer, raw.at + e * bytes, 8);
    v.data[e] = type == ONNX_FLOAT ? (double)number : (double)integer;
  }
  return v;
}

static attribute read_attribute(rgc_arena *arena, rgc_proto_span span) {
  attribute a = {0};
  rgc_proto_field f;
  while (rgc_proto_next(&span, &f) > 0) {
    uint32_t bits = (uint32_t)f.value;
    float number;
    memcpy(&number, &bits, 4);
    if (f.number == ONNX_ATTRIBUTE_NAME) a.name = text_of(arena, f.span);
    if (f.number == ONNX_ATTRIBUTE_S) a.text = text_of(arena, f.span);
    if (f.number == ONNX_ATTRIBUTE_I) a.integer = (int64_t)f.value;
    if (f.number == ONNX_ATTRIBUTE_F) a.number = (double)number;
    if (f.number == ONNX_ATTRIBUTE_INTS) a.integers[a.count++] = (int64_t)f.value;
    if (f.number == ONNX_ATTRIBUTE_T) a.tensor = read_tensor(arena, f.span);
  }
  return a;
}

static onnx_node read_node(rgc_arena *arena, rgc_proto_span span) {
  onnx_node n = {0};
  rgc_proto_field f;
  while (rgc_proto_next(&span, &f) > 0) {
    if (f.number == ONNX_NODE_OP) n.op = text_of(arena, f.span);
    if (f.number == ONNX_NODE_OUTPUT) n.output = text_of(arena, f.span);
    if (f.number == ONNX_NODE_INPUT) n.inputs[n.input_count++] = text_of(arena, f.span);
    if (f.number == ONNX_NODE_ATTRIBUTE) n.attributes[n.attribute_count++] = read_attribute(arena, f.span);
  }
  return n;
}

static void add_value(onnx_model *m, onnx_value value) {
  cr_assert_null(onnx_find(m, value.name), "%s is there twice", value.name);
  *RGC_PUSH(m->arena, m->values, m->value_count, m->value_capacity) = value;
}

static void read_graph(onnx_model *m, rgc_proto_span span) {
  rgc_proto_field f;
  while (rgc_proto_next(&span, &f) > 0) {
    if (f.number == ONNX_GRAPH_INITIALIZER) add_value(m, read_tensor(m->arena, f.span));
    if (f.number == ONNX_GRAPH_NODE) *RGC_PUSH(m->arena, m->nodes, m->node_count, m->node_capacity) = read_node(m->arena, f.span);
  }
  m->initializer_count = m->value_count;
}

onnx_model *onnx_read(rgc_arena *arena, const void *bytes, size_t size_bytes) {
  onnx_model *m = RGC_NEW(arena, onnx_model);
  rgc_proto_span span = {bytes, (const unsigned char *)bytes + size_bytes};
  rgc_proto_field f, opset;
  m->arena = arena;
  while (rgc_proto_next(&span, &f) > 0) {
    if (f.number == ONNX_MODEL_OPSET) cr_assert(rgc_proto_next(&f.span, &opset) == 1 && opset.number == ONNX_OPSET_VERSION && opset.value == 17);
    if (f.number == ONNX_MODEL_GRAPH) read_graph(m, f.span);
  }
  cr_assert(span.at == span.end && m->node_count);
  return m;
}

const onnx_value *onnx_find(const onnx_model *model, const char *name) {
  for (int i = 0; i < model->value_count; i++)
    if (!strcmp(model->values[i].name, name)) return &model->values[i];
  return NULL;
}

int onnx_count_nodes(const onnx_model *model, const char *op) {
  int count = 0;
  for (int i = 0; i < model->node_count; i++) count += !strcmp(model->nodes[i].op, op);
  return count;
}

/* ---- what the ops share ---- */

static const attribute *attribute_of(const step *s, const char *name) {
  for (int i = 0; i < s->node->attribute_count; i++)
    if (!strcmp(s->node->attributes[i].name, name)) return &s->node->attributes[i];
  return NULL;
}

static const attribute *needed(const step *s, const char *name) {
  const attribute *a = attribute_of(s, name);
  cr_assert(a, "%s without %s", s->node->op, name);
  return a;
}

static int64_t integer_or(const step *s, const char *name, int64_t otherwise) {
  const attribute *a = attribute_of(s, name);
  return a ? a->integer : otherwise;
}

static void set_shape(step *s, int rank, const int64_t *shape) {
  s->out.rank = rank;
  memcpy(s->out.shape, shape, sizeof *shape * (size_t)rank);
  s->out.data = RGC_NEW_ARRAY(s->model->arena, double, onnx_elems(&s->out) + 1);
}

/* The point of element e. */
static void point_of(const onnx_value *v, int64_t e, int64_t *point) {
  for (int i = v->rank - 1; i >= 0; i--) point[i] = e % v->shape[i], e /= v->shape[i];
}

/* The element of v at a point of `rank` axes, aligned at the last ones, axes of extent 1 repeated. */
static double broadcast_at(const onnx_value *v, const int64_t *point, int rank) {
  int64_t e = 0;
  for (int i = 0; i < v->rank; i++) e = e * v->shape[i] + (v->shape[i] == 1 ? 0 : point[rank - v->rank + i]);
  return v->data[e];
}

static void broadcast_shape(step *s, int inputs) {
  int64_t shape[ONNX_MAX_RANK];
  int rank = 0;
  for (int k = 0; k < inputs; k++) rank = s->in[k]->rank > rank ? s->in[k]->rank : rank;
  for (int i = 0; i < rank; i++) {
    shape[i] = 1;
    for (int k = 0; k < inputs; k++) {
      int axis = i - (rank - s->in[k]->rank);
      int64_t extent = axis < 0 ? 1 : s->in[k]->shape[axis];
      cr_assert(extent == 1 || shape[i] == 1 || shape[i] == extent, "%s (%s): shapes do not broadcast", s->node->output, s->node->op);
      if (extent != 1) shape[i] = extent;
    }
  }
  set_shape(s, rank, shape);
}

/* ---- elementwise ---- */

static double compute(const char *op, double a, double b, double c) {
  if (!strcmp(op, "Add")) return a + b;
  if (!strcmp(op, "Sub")) return a - b;
  if (!strcmp(op, "Mul")) return a * b;
  if (!strcmp(op, "Div")) return a / b;
  if (!strcmp(op, "Min")) return fmin(a, b);
  if (!strcmp(op, "Max")) return fmax(a, b);
  if (!strcmp(op, "Pow")) return pow(a, b);
  if (!strcmp(op, "Less")) return a < b;
  if (!strcmp(op, "LessOrEqual")) return a <= b;
  if (!strcmp(op, "Equal")) return a == b;
  if (!strcmp(op, "Where")) return a != 0 ? b : c;
  if (!strcmp(op, "Not")) return a == 0;
  if (!strcmp(op, "Cast") || !strcmp(op, "Identity")) return a;
  if (!strcmp(op, "Relu")) return fmax(a, 0);
  if (!strcmp(op, "Neg")) return -a;
  if (!strcmp(op, "Abs")) return fabs(a);
  if (!strcmp(op, "Sqrt")) return sqrt(a);
  if (!strcmp(op, "Reciprocal")) return 1 / a;
  if (!strcmp(op, "Exp")) return exp(a);
  if (!strcmp(op, "Log")) return log(a);
  if (!strcmp(op, "Tanh")) return tanh(a);
  if (!strcmp(op, "Erf")) return erf(a);
  if (!strcmp(op, "Sigmoid")) return 1 / (1 + exp(-a));
  if (!strcmp(op, "Floor")) return floor(a);
  cr_assert_fail("there is no op %s here", op);
  return NAN;
}

static void run_elementwise(step *s) {
  int64_t point[ONNX_MAX_RANK];
  int count = s->node->input_count;
  broadcast_shape(s, count);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    double args[3] = {0};
    point_of(&s->out, e, point);
    for (int k = 0; k < count; k++) args[k] = broadcast_at(s->in[k], point, s->out.rank);
    s->out.data[e] = compute(s->node->op, args[0], args[1], args[2]);
  }
}

/* ---- windows ---- */

/* Extents of the output of a window over x [N,C,H,W] with pads [top, left, bottom, right]. */
static void window_shape(step *s, int64_t channels, const int64_t kernel[2], const int64_t *dilation) {
  const attribute *strides = needed(s, "strides"), *pads = needed(s, "pads");
  int64_t shape[4] = {s->in[0]->shape[0], channels};
  for (int i = 0; i < 2; i++)
    shape[2 + i] = (s->in[0]->shape[2 + i] + pads->integers[i] + pads->integers[2 + i] - dilation[i] * (kernel[i] - 1) - 1) / strides->integers[i] + 1;
  set_shape(s, 4, shape);
}

/* Where tap (r,q) of the output's point meets x; false: in the padding. */
static bool tap_at(const step *s, const int64_t *point, int64_t r, int64_t q, const int64_t *dilation, int64_t *h, int64_t *w) {
  const attribute *strides = needed(s, "strides"), *pads = needed(s, "pads");
  *h = point[2] * strides->integers[0] + r * dilation[0] - pads->integers[0];
  *w = point[3] * strides->integers[1] + q * dilation[1] - pads->integers[1];
  return *h >= 0 && *h < s->in[0]->shape[2] && *w >= 0 && *w < s->in[0]->shape[3];
}

static double image_at(const onnx_value *x, int64_t n, int64_t c, int64_t h, int64_t w) {
  return x->data[((n * x->shape[1] + c) * x->shape[2] + h) * x->shape[3] + w];
}

static void run_conv(step *s) {
  const onnx_value *x = s->in[0], *weight = s->in[1];
  const attribute *dilations = attribute_of(s, "dilations"), *kernel = needed(s, "kernel_shape");
  const int64_t plain[2] = {1, 1}, *dilation = dilations ? dilations->integers : plain;
  int64_t group = integer_or(s, "group", 1), point[4], h, w;
  cr_assert(weight->rank == 4 && !memcmp(weight->shape + 2, kernel->integers, 16) && weight->shape[1] * group == x->shape[1]);
  window_shape(s, weight->shape[0], kernel->integers, dilation);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    point_of(&s->out, e, point);
    int64_t first = point[1] / (weight->shape[0] / group) * weight->shape[1];
    double sum = s->in[2] ? s->in[2]->data[point[1]] : 0;
    for (int64_t r = 0; r < weight->shape[2]; r++)
      for (int64_t q = 0; q < weight->shape[3]; q++)
        for (int64_t i = 0; tap_at(s, point, r, q, dilation, &h, &w) && i < weight->shape[1]; i++)
          sum += image_at(x, point[0], first + i, h, w) * image_at(weight, point[1], i, r, q);
    s->out.data[e] = sum;
  }
}

/* An average is over the taps inside: count_include_pad is not written. */
static void run_pool(step *s) {
  const int64_t plain[2] = {1, 1}, *kernel = needed(s, "kernel_shape")->integers;
  bool is_max = !strcmp(s->node->op, "MaxPool");
  int64_t point[4], h, w;
  cr_assert(!attribute_of(s, "ceil_mode") && !attribute_of(s, "count_include_pad"));
  for (int i = 0; i < 4; i++) cr_assert_lt(needed(s, "pads")->integers[i], kernel[i % 2]); /* ONNX Runtime takes no others */
  window_shape(s, s->in[0]->shape[1], kernel, plain);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    double most = -INFINITY, sum = 0;
    int count = 0;
    point_of(&s->out, e, point);
    for (int64_t tap = 0; tap < kernel[0] * kernel[1]; tap++) {
      if (!tap_at(s, point, tap / kernel[1], tap % kernel[1], plain, &h, &w)) continue;
      double number = image_at(s->in[0], point[0], point[1], h, w);
      most = fmax(most, number);
      sum += number;
      count++;
    }
    s->out.data[e] = is_max ? most : sum / count;
  }
}

/* ---- layers and reductions ---- */

static void run_gemm(step *s) {
  const onnx_value *x = s->in[0], *w = s->in[1];
  cr_assert(integer_or(s, "transB", 0) == 1 && x->rank == 2 && w->rank == 2 && x->shape[1] == w->shape[1]);
  set_shape(s, 2, (int64_t[]){x->shape[0], w->shape[0]});
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    int64_t n = e / w->shape[0], o = e % w->shape[0];
    double sum = s->in[2] ? s->in[2]->data[o] : 0;
    for (int64_t i = 0; i < w->shape[1]; i++) sum += x->data[n * w->shape[1] + i] * w->data[o * w->shape[1] + i];
    s->out.data[e] = sum;
  }
}

static void run_bn(step *s) {
  const onnx_value *x = s->in[0];
  double eps = needed(s, "epsilon")->number;
  int64_t area = x->shape[2] * x->shape[3];
  set_shape(s, x->rank, x->shape);
  for (int64_t e = 0; e < onnx_elems(x); e++) {
    int64_t c = e / area % x->shape[1];
    s->out.data[e] = (x->data[e] - s->in[3]->data[c]) / sqrt(s->in[4]->data[c] + eps) * s->in[1]->data[c] + s->in[2]->data[c];
  }
}

static void run_reduce(step *s, const int64_t *axes, int count, int by) { /* by: 0 sum, 1 mean, 2 max */
  const onnx_value *x = s->in[0];
  int64_t shape[ONNX_MAX_RANK], point[ONNX_MAX_RANK];
  memcpy(shape, x->shape, sizeof shape);
  for (int i = 0; i < count; i++) shape[axes[i]] = 1;
  set_shape(s, x->rank, shape);
  int64_t outs = onnx_elems(&s->out), each = onnx_elems(x) / outs;
  for (int64_t e = 0; e < outs; e++) s->out.data[e] = by == 2 ? -INFINITY : 0;
  for (int64_t e = 0; e < onnx_elems(x); e++) {
    int64_t to = 0;
    point_of(x, e, point);
    for (int i = 0; i < x->rank; i++) to = to * shape[i] + (shape[i] == 1 ? 0 : point[i]);
    s->out.data[to] = by == 2 ? fmax(s->out.data[to], x->data[e]) : s->out.data[to] + x->data[e] / (by == 1 ? (double)each : 1);
  }
}

static void run_reduction(step *s) {
  const char *op = s->node->op;
  int64_t space[2] = {2, 3}, axes[ONNX_MAX_RANK];
  if (!strncmp(op, "Global", 6)) run_reduce(s, space, 2, strstr(op, "Max") ? 2 : 1);
  else if (!strcmp(op, "ReduceSum")) {
    for (int64_t i = 0; i < onnx_elems(s->in[1]); i++) axes[i] = (int64_t)s->in[1]->data[i];
    run_reduce(s, axes, (int)onnx_elems(s->in[1]), 0);
  } else run_reduce(s, needed(s, "axes")->integers, needed(s, "axes")->count, strcmp(op, "ReduceMax") ? 1 : 2);
}

/* ---- moving elements ---- */

static void run_transpose(step *s) {
  const onnx_value *x = s->in[0];
  const int64_t *perm = needed(s, "perm")->integers;
  int64_t shape[ONNX_MAX_RANK], point[ONNX_MAX_RANK], from[ONNX_MAX_RANK];
  for (int i = 0; i < x->rank; i++) shape[i] = x->shape[perm[i]];
  set_shape(s, x->rank, shape);
  for (int64_t e = 0; e < onnx_elems(x); e++) {
    point_of(&s->out, e, point);
    for (int i = 0; i < x->rank; i++) from[perm[i]] = point[i];
    s->out.data[e] = broadcast_at(x, from, x->rank);
  }
}

static void run_pad(step *s) {
  const onnx_value *x = s->in[0];
  const attribute *mode = attribute_of(s, "mode");
  bool reflects = mode && !strcmp(mode->text, "reflect");
  int64_t shape[ONNX_MAX_RANK], point[ONNX_MAX_RANK];
  for (int i = 0; i < x->rank; i++) shape[i] = x->shape[i] + (int64_t)s->in[1]->data[i] + (int64_t)s->in[1]->data[x->rank + i];
  set_shape(s, x->rank, shape);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    bool inside = true;
    point_of(&s->out, e, point);
    for (int i = 0; i < x->rank; i++) {
      point[i] -= (int64_t)s->in[1]->data[i];
      if (reflects && point[i] < 0) point[i] = -point[i];
      if (reflects && point[i] >= x->shape[i]) point[i] = 2 * (x->shape[i] - 1) - point[i];
      inside &= point[i] >= 0 && point[i] < x->shape[i];
    }
    s->out.data[e] = inside ? broadcast_at(x, point, x->rank) : s->in[2] ? s->in[2]->data[0] : 0;
  }
}

static void run_slice(step *s) {
  const onnx_value *x = s->in[0];
  int64_t shape[ONNX_MAX_RANK], start[ONNX_MAX_RANK] = {0}, by[ONNX_MAX_RANK], point[ONNX_MAX_RANK];
  memcpy(shape, x->shape, sizeof shape);
  for (int i = 0; i < x->rank; i++) by[i] = 1;
  for (int64_t k = 0; k < onnx_elems(s->in[1]); k++) {
    int axis = (int)s->in[3]->data[k];
    int64_t end = (int64_t)s->in[2]->data[k];
    start[axis] = (int64_t)s->in[1]->data[k];
    by[axis] = (int64_t)s->in[4]->data[k];
    cr_assert(start[axis] >= 0 && end <= x->shape[axis] && by[axis] > 0);
    shape[axis] = (end - start[axis] + by[axis] - 1) / by[axis];
  }
  set_shape(s, x->rank, shape);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    point_of(&s->out, e, point);
    for (int i = 0; i < x->rank; i++) point[i] = start[i] + point[i] * by[i];
    s->out.data[e] = broadcast_at(x, point, x->rank);
  }
}

/* Whole scales, nearest: every ONNX mode of coordinates and roundings then means another number, but for these. */
static void run_resize(step *s) {
  const onnx_value *x = s->in[0];
  int64_t shape[ONNX_MAX_RANK], point[ONNX_MAX_RANK];
  cr_assert(!strcmp(needed(s, "mode")->text, "nearest") && !strcmp(needed(s, "coordinate_transformation_mode")->text, "asymmetric") &&
            !strcmp(needed(s, "nearest_mode")->text, "floor") && !s->in[1] && onnx_elems(s->in[2]) == x->rank);
  for (int i = 0; i < x->rank; i++) shape[i] = x->shape[i] * (int64_t)s->in[2]->data[i];
  set_shape(s, x->rank, shape);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    point_of(&s->out, e, point);
    for (int i = 0; i < x->rank; i++) point[i] = (int64_t)floor((double)point[i] / s->in[2]->data[i]);
    s->out.data[e] = broadcast_at(x, point, x->rank);
  }
}

static void run_concat(step *s) {
  int64_t axis = needed(s, "axis")->integer, shape[ONNX_MAX_RANK], point[ONNX_MAX_RANK];
  memcpy(shape, s->in[0]->shape, sizeof shape);
  for (int k = 1; k < s->node->input_count; k++) shape[axis] += s->in[k]->shape[axis];
  set_shape(s, s->in[0]->rank, shape);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    int k = 0;
    point_of(&s->out, e, point);
    for (; point[axis] >= s->in[k]->shape[axis]; k++) point[axis] -= s->in[k]->shape[axis];
    s->out.data[e] = broadcast_at(s->in[k], point, s->out.rank);
  }
}

/* Unsqueeze and Flatten (axis 1): the same elements in the same order. */
static void run_reshape(step *s) {
  const onnx_value *x = s->in[0];
  int64_t shape[ONNX_MAX_RANK] = {x->shape[0], onnx_elems(x) / x->shape[0]};
  int rank = 2;
  if (strcmp(s->node->op, "Flatten")) {
    rank = x->rank + (int)onnx_elems(s->in[1]);
    for (int i = 0, taken = 0; i < rank; i++) {
      bool is_new = false;
      for (int64_t k = 0; k < onnx_elems(s->in[1]); k++) is_new |= (int64_t)s->in[1]->data[k] == i;
      shape[i] = is_new ? 1 : x->shape[taken++];
    }
  }
  set_shape(s, rank, shape);
  memcpy(s->out.data, x->data, sizeof *x->data * (size_t)onnx_elems(x));
}

static void run_expand(step *s) {
  int64_t shape[ONNX_MAX_RANK], point[ONNX_MAX_RANK];
  int rank = (int)onnx_elems(s->in[1]);
  for (int i = 0; i < rank; i++) shape[i] = (int64_t)s->in[1]->data[i];
  set_shape(s, rank, shape);
  for (int64_t e = 0; e < onnx_elems(&s->out); e++) {
    point_of(&s->out, e, point);
    s->out.data[e] = broadcast_at(s->in[0], point, rank);
  }
}

static void run_shape(step *s) {
  int64_t end = needed(s, "end")->integer;
  set_shape(s, 1, &end);
  for (int64_t i = 0; i < end; i++) s->out.data[i] = (double)s->in[0]->shape[i];
}

static void run_constant(step *s) {
  s->out = needed(s, "value")->tensor;
  s->out.name = s->node->output;
}

/* ---- the model ---- */

static const struct {
  const char *op;
  void (*run)(step *s);
} ops[] = {
    {"Conv", run_conv}, {"MaxPool", run_pool}, {"AveragePool", run_pool}, {"Gemm", run_gemm}, {"BatchNormalization", run_bn},
    {"GlobalAveragePool", run_reduction}, {"GlobalMaxPool", run_reduction}, {"ReduceSum", run_reduction}, {"ReduceMean", run_reduction},
    {"ReduceMax", run_reduction}, {"Transpose", run_transpose}, {"Pad", run_pad}, {"Slice", run_slice}, {"Concat", run_concat}, {"Resize", run_resize},
    {"Unsqueeze", run_reshape}, {"Flatten", run_reshape}, {"Expand", run_expand}, {"Shape", run_shape}, {"Constant", run_constant},
};

void onnx_run(onnx_model *model, const onnx_value *input) {
  model->value_count = model->initializer_count;
  add_value(model, *input);
  for (int i = 0; i < model->node_count; i++) {
    const onnx_node *node = &model->nodes[i];
    step s = {.model = model, .node = node, .out = {.name = node->output}};
    size_t k = 0, count = sizeof ops / sizeof *ops;
    for (int j = 0; j < node->input_count; j++) {
      s.in[j] = onnx_find(model, node->inputs[j]);
      cr_assert(s.in[j] || !*node->inputs[j], "%s is read before it is there", node->inputs[j]);
    }
    while (k < count && strcmp(ops[k].op, node->op)) k++;
    (k < count ? ops[k].run : run_elementwise)(&s);
    add_value(model, s.out);
  }
}
