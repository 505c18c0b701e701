/* verify.c: see verify.h. */
#include "runtime/device/verify.h"

#include <math.h>
#include <string.h>

#include "runtime/device/panel.h"
#include "runtime/device/value_data.h"
#include "runtime/reference/interpret.h"
#include "runtime/reference/philox.h"

static const double LAST_BIT = 0x1p-24;

/* Logical order, row-major, in double. */
static void read_value(const rgc_value *value, const void *data, double *to) {
  int64_t point[RGC_AXES] = {0}, element = 0;
  do to[element++] = rgc_value_number(value, data, rgc_stored_element(value, point));
  while (rgc_next_point(point, value->shape));
}

/* No number everywhere. */
static void poison(const rgc_value *value, void *data) {
  if (!rgc_is_real(value) || value->layout.kind != RGC_LAYOUT_NHWC) return;
  memset(data, 0xff, (size_t)(rgc_shape_elems(value->shape) * rgc_dtype_bytes(value->dtype)));
}

/* Two results apart, and how large they are: sums of squares. */
typedef struct apart {
  double distance, size, differ;
  bool broken; /* one has a number where the other has none */
} apart;

static apart compare(const double *got, const double *want, int64_t count) {
  apart a = {0};
  for (int64_t e = 0; e < count; e++) {
    if (isnan(got[e]) != isnan(want[e]) || (isinf(want[e]) && got[e] != want[e])) a.broken = true;
    if (!isfinite(want[e]) || !isfinite(got[e])) continue;
    a.distance += (got[e] - want[e]) * (got[e] - want[e]);
    a.size += want[e] * want[e];
    a.differ += got[e] != want[e];
  }
  return a;
}

/* An output in double: as it should be; and, without any rounding, on the inputs as they are and on inputs whose last bit was moved. */
typedef struct wanted {
  double *right, *exact, *moved;
} wanted;

/* How large the result would be if nothing in it cancelled: what the last bit of every input moves, over that bit. Roundings to bf16 would
 * turn the last bit of some numbers into much, so they are left out. */
static double uncancelled_size(const wanted *w, int64_t first, int64_t count) {
  return compare(w->moved + first, w->exact + first, count).distance / (LAST_BIT * LAST_BIT);
}

/* The first `count` elements of an output. */
static double distance(const rgc_value *value, const double *got, const wanted *want, int64_t count) {
  apart a = compare(got, want->right, count);
  if (a.broken) return INFINITY;
  if (!rgc_is_real(value)) return a.differ / (double)(count ? count : 1);
  double size = fmax(a.size, uncancelled_size(want, 0, count));
  return a.distance == 0 ? 0 : sqrt(a.distance / size);
}

/* Partials [tiles, planes, 1, C]: count, mean and M2 are of different sizes, so each plane by itself. */
static double plane_distance(const rgc_value *value, const double *got, const wanted *want) {
  int64_t channels = value->shape[RGC_C], planes = value->shape[RGC_H];
  double worst = 0;
  for (int64_t plane = 0; plane < planes; plane++) {
    double far = 0, size = 0;
    for (int64_t t = 0; t < value->shape[RGC_N]; t++) {
      int64_t at = (t * planes + plane) * channels;
      apart a = compare(got + at, want->right + at, channels);
      if (a.broken) return INFINITY;
      far += a.distance;
      size += fmax(a.size, uncancelled_size(want, at, channels));
    }
    worst = far == 0 ? worst : fmax(worst, sqrt(far / size));
  }
  return worst;
}

static bool is_moments(const rgc_kernel *kernel, int value) {
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].value == value) return kernel->stores[i].kind == RGC_PARTIAL_MOMENTS;
  return false;
}

static double output_distance(const rgc_interpreter *oracle, const rgc_op *op, int k, const double *got, const wanted *want, int64_t valid) {
  const rgc_value *value = &oracle->graph->values[op->outputs[k]];
  int64_t count = rgc_shape_elems(value->shape);
  if (is_moments(op->kernel, value->id)) return plane_distance(value, got, want);
  if (oracle->samples[value->id] && valid < value->shape[RGC_N]) count = count / value->shape[RGC_N] * valid;
  return distance(value, got, want, count);
}

static double *copy(const rgc_interpreter *oracle, int value, rgc_arena *arena) {
  int64_t count = rgc_shape_elems(oracle->graph->values[value].shape);
  double *to = RGC_NEW_ARRAY(arena, double, count);
  memcpy(to, oracle->data[value], sizeof *to * (size_t)count);
  return to;
}

/* The last bit of every number that the op reads goes up or down by chance. */
static void move_inputs(rgc_interpreter *oracle, const rgc_op *op) {
  for (int k = 0; k < op->input_count; k++) {
    const rgc_value *v = &oracle->graph->values[op->inputs[k]];
    double *data = oracle->data[v->id];
    for (int64_t e = 0; rgc_is_real(v) && e < rgc_shape_elems(v->shape); e++)
      data[e] *= 1 + (rgc_philox_uniform(7, (uint32_t)v->id, 0, (uint64_t)e) < 0.5 ? LAST_BIT : -LAST_BIT);
  }
}

/* The oracle's outputs, by number; the oracle's inputs are not the device's any more. */
static wanted *want_outputs(rgc_interpreter *oracle, const rgc_op *op, rgc_arena *scratch) {
  wanted *want = RGC_NEW_ARRAY(scratch, wanted, op->output_count);
  for (int pass = 0; pass < 3; pass++) {
    oracle->exact = pass > 0;
    if (pass == 2) move_inputs(oracle, op);
    if (pass != 1 || oracle->graph->precision == RGC_PRECISION_BF16) rgc_interpret_kernel(oracle, op->kernel);
    for (int k = 0; k < op->output_count; k++) {
      double **to[] = {&want[k].right, &want[k].exact, &want[k].moved};
      *to[pass] = copy(oracle, op->outputs[k], scratch);
    }
  }
  oracle->exact = false;
  return want;
}

static bool verify_op(const rgc_verify_device *device, rgc_interpreter *oracle, void *const *data, const rgc_cpu_step *step, int i,
                      rgc_verified *to, rgc_diagnostics *diags) {
  const rgc_graph *graph = oracle->graph;
  const rgc_op *op = &graph->ops[i];
  rgc_verified result = {.op = i, .value = op->outputs[0]};
  rgc_arena *scratch = rgc_arena_create();
  for (int k = 0; k < op->input_count; k++) read_value(&graph->values[op->inputs[k]], data[op->inputs[k]], oracle->data[op->inputs[k]]);
  const wanted *want = want_outputs(oracle, op, scratch);
  for (int k = 0; k < op->output_count; k++)
    if (!rgc_shares_storage(data, op, op->outputs[k])) poison(&graph->values[op->outputs[k]], data[op->outputs[k]]);
  bool good = device->run_ops(device->program, step, i, 1, diags);
  for (int k = 0; good && k < op->output_count; k++) {
    const rgc_value *value = &graph->values[op->outputs[k]];
    double *got = RGC_NEW_ARRAY(scratch, double, rgc_shape_elems(value->shape));
    read_value(value, data[value->id], got);
    double error = output_distance(oracle, op, k, got, &want[k], (int64_t)step->scalars[RGC_SCALAR_N_VALID]);
    if (error > result.error || isnan(error)) result.error = isnan(error) ? INFINITY : error, result.value = value->id;
  }
  rgc_arena_destroy(scratch);
  *to = result;
  return good;
}

bool rgc_verify(const rgc_verify_device *device, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step, rgc_verified *results,
                rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_interpreter *oracle = rgc_interpreter_create(graph, arena);
  for (int i = 0; i < RGC_SCALAR_COUNT; i++) oracle->scalars[i] = (double)step->scalars[i];
  oracle->seed = step->seed;
  oracle->step = step->step;
  bool good = true;
  for (int i = 0; i < graph->op_count && good; i++) good = verify_op(device, oracle, data, step, i, &results[i], diags);
  rgc_arena_destroy(arena);
  return good;
}

static bool has_rounding(const rgc_body *body) {
  for (int i = 0; body && i < body->node_count; i++)
    if (body->nodes[i].kind == RGC_EXPR_BF16) return true;
  return false;
}

double rgc_verify_allowed(const rgc_graph *graph, const rgc_op *op, double tolerance) {
  const rgc_kernel *k = op->kernel;
  bool rounds = has_rounding(k->a) || has_rounding(k->b) || has_rounding(k->tap) || has_rounding(k->epi);
  for (int i = 0; i < op->output_count; i++) rounds |= graph->values[op->outputs[i]].dtype == RGC_BF16;
  if (rounds) return sqrt(tolerance * 0x1p-6);
  return graph->precision == RGC_PRECISION_TF32 && k->kind == RGC_CONTRACT ? fmax(tolerance, sqrt(2.0 / 3) * 0x1p-11) : tolerance;
}

static bool run_cpu(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags) {
  (void)diags;
  rgc_cpu_program_run_ops(program, step, first, count);
  return true;
}

void rgc_cpu_verify(rgc_cpu_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step,
                    rgc_verified *results) {
  (void)rgc_verify(&(rgc_verify_device){.program = program, .run_ops = run_cpu}, graph, data, step, results, NULL);
}

/* A program, and the graph whose values it has. */
typedef struct device_run {
  rgc_device_program *program;
  const rgc_graph *graph;
} device_run;

/* Poisoned outputs go to the device, results come back. */
static bool run_device(void *run, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags) {
  const device_run *r = run;
  bool good = true;
  for (int i = first; i < first + count; i++)
    for (int k = 0; good && k < r->graph->ops[i].output_count; k++) good = rgc_device_write(r->program, r->graph->ops[i].outputs[k], diags);
  good = good && rgc_device_run_ops(r->program, step, first, count, diags);
  for (int i = first; i < first + count; i++)
    for (int k = 0; good && k < r->graph->ops[i].output_count; k++) good = rgc_device_read(r->program, r->graph->ops[i].outputs[k], diags);
  return good;
}

bool rgc_device_verify(rgc_device_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step, rgc_verified *results,
                       rgc_diagnostics *diags) {
  device_run run = {program, graph};
  return rgc_verify(&(rgc_verify_device){.program = &run, .run_ops = run_device}, graph, data, step, results, diags);
}
