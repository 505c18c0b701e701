/* verify.c: see verify.h. */
#include "runtime/device/verify.h"

#include <math.h>
#include <string.h>

#include "runtime/device/panel.h"
#include "runtime/reference/interpret.h"

static double load(const rgc_value *value, const void *data, int64_t element) {
  switch (value->dtype) {
    case RGC_I32: return ((const int32_t *)data)[element];
    case RGC_U8: return ((const uint8_t *)data)[element];
    default: return ((const float *)data)[element];
  }
}

static bool advance(int64_t point[RGC_AXES], const int64_t extent[RGC_AXES]) {
  for (int j = RGC_AXES - 1; j >= 0; j--) {
    if (++point[j] < extent[j]) return true;
    point[j] = 0;
  }
  return false;
}

/* Logical order, row-major, in double. */
static void read_value(const rgc_value *value, const void *data, double *to) {
  int64_t point[RGC_AXES] = {0}, element = 0;
  do to[element++] = load(value, data, rgc_stored_element(value, point));
  while (advance(point, value->shape));
}

static void poison(const rgc_value *value, void *data) {
  if (value->dtype != RGC_F32 || value->layout.kind != RGC_LAYOUT_NHWC) return;
  for (int64_t e = 0; e < rgc_shape_elems(value->shape); e++) ((float *)data)[e] = NAN;
}

/* Elements [0, count): samples past n_valid hold anything. */
static double distance(const rgc_value *value, const double *got, const double *want, int64_t count) {
  double apart = 0, size = 0, differ = 0;
  for (int64_t e = 0; e < count; e++) {
    if (isnan(got[e]) != isnan(want[e]) || (isinf(want[e]) && got[e] != want[e])) return INFINITY;
    if (isnan(want[e]) || isinf(want[e])) continue;
    apart += (got[e] - want[e]) * (got[e] - want[e]);
    size += want[e] * want[e];
    differ += got[e] != want[e];
  }
  if (value->dtype != RGC_F32) return differ / (double)(count ? count : 1);
  return apart == 0 ? 0 : sqrt(apart / size);
}

/* Count, mean and M2 are of different sizes: each plane by itself. */
static double plane_distance(const rgc_value *value, const double *got, const double *want) {
  int64_t channels = value->shape[RGC_C], planes = value->shape[RGC_H];
  double worst = 0;
  for (int64_t plane = 0; plane < planes; plane++) {
    double apart = 0, size = 0;
    for (int64_t t = 0; t < value->shape[RGC_N]; t++)
      for (int64_t c = 0; c < channels; c++) {
        int64_t e = (t * planes + plane) * channels + c;
        apart += (got[e] - want[e]) * (got[e] - want[e]);
        size += want[e] * want[e];
      }
    double now = apart == 0 ? 0 : sqrt(apart / size);
    worst = now > worst || isnan(now) ? now : worst;
  }
  return worst;
}

static double output_distance(const rgc_interpreter *oracle, const rgc_op *op, int k, const double *got, int64_t valid) {
  const rgc_value *value = &oracle->graph->values[op->outputs[k]];
  const double *want = oracle->data[value->id];
  int64_t count = rgc_shape_elems(value->shape);
  for (int i = 0; i < op->kernel->store_count; i++)
    if (op->kernel->stores[i].value == value->id && op->kernel->stores[i].kind == RGC_PARTIAL_MOMENTS) return plane_distance(value, got, want);
  if (oracle->samples[value->id] && valid < value->shape[RGC_N]) count = count / value->shape[RGC_N] * valid;
  return distance(value, got, want, count);
}

static bool shares_storage(void *const *data, const rgc_op *op, int output) {
  for (int i = 0; i < op->input_count; i++)
    if (data[op->inputs[i]] == data[output]) return true;
  return false;
}

static rgc_verified verify_op(rgc_cpu_program *program, rgc_interpreter *oracle, void *const *data, const rgc_cpu_step *step, int i) {
  const rgc_graph *graph = oracle->graph;
  const rgc_op *op = &graph->ops[i];
  rgc_verified result = {.op = i, .value = op->outputs[0]};
  for (int k = 0; k < op->input_count; k++) read_value(&graph->values[op->inputs[k]], data[op->inputs[k]], oracle->data[op->inputs[k]]);
  rgc_interpret_kernel(oracle, op->kernel);
  for (int k = 0; k < op->output_count; k++)
    if (!shares_storage(data, op, op->outputs[k])) poison(&graph->values[op->outputs[k]], data[op->outputs[k]]);
  rgc_cpu_program_run_ops(program, step, i, 1);
  for (int k = 0; k < op->output_count; k++) {
    const rgc_value *value = &graph->values[op->outputs[k]];
    rgc_arena *scratch = rgc_arena_create();
    double *got = RGC_NEW_ARRAY(scratch, double, rgc_shape_elems(value->shape));
    read_value(value, data[value->id], got);
    double error = output_distance(oracle, op, k, got, (int64_t)step->scalars[RGC_SCALAR_N_VALID]);
    if (error > result.error || isnan(error)) result.error = isnan(error) ? INFINITY : error, result.value = value->id;
    rgc_arena_destroy(scratch);
  }
  return result;
}

void rgc_cpu_verify(rgc_cpu_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step,
                    rgc_verified *results) {
  rgc_arena *arena = rgc_arena_create();
  rgc_interpreter *oracle = rgc_interpreter_create(graph, arena);
  for (int i = 0; i < RGC_SCALAR_COUNT; i++) oracle->scalars[i] = (double)step->scalars[i];
  oracle->seed = step->seed;
  oracle->step = step->step;
  for (int i = 0; i < graph->op_count; i++) results[i] = verify_op(program, oracle, data, step, i);
  rgc_arena_destroy(arena);
}
