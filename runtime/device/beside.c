/* beside.c: see beside.h. */
#include "runtime/device/beside.h"

#include <math.h>
#include <string.h>

#include "runtime/device/value_data.h"
#include "runtime/reference/philox.h"

/* With what pads the rows of a layout. */
static int64_t number_count(const rgc_value *value) {
  return rgc_value_storage_bytes(value) / rgc_dtype_bytes(value->dtype);
}

/* A number that bf16 has: an integer up to 256. */
static void store(const rgc_value *value, void *data, int64_t element, float number) {
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  if (value->dtype == RGC_BF16) ((uint16_t *)data)[element] = (uint16_t)(bits >> 16);
  else ((float *)data)[element] = number;
}

/* The input on both sides, by the first one's host memory. */
static bool give_input(const rgc_beside_side sides[2], const rgc_value *value, uint64_t seed, uint32_t op, rgc_diagnostics *diags) {
  void *x = sides[0].data[value->id];
  for (int64_t e = 0; rgc_is_real(value) && e < number_count(value); e++)
    store(value, x, e, (float)((int)(5 * rgc_philox_uniform(seed, (uint32_t)value->id, op, (uint64_t)e)) - 2));
  memcpy(sides[1].data[value->id], x, (size_t)rgc_value_storage_bytes(value));
  return rgc_device_write(sides[0].program, value->id, diags) && rgc_device_write(sides[1].program, value->id, diags);
}

static bool poison(const rgc_beside_side *side, const rgc_op *op, const rgc_value *value, rgc_diagnostics *diags) {
  if (!rgc_is_real(value) || rgc_shares_storage(side->data, op, value->id)) return true;
  memset(side->data[value->id], 0xff, (size_t)rgc_value_storage_bytes(value)); /* no number everywhere */
  return rgc_device_write(side->program, value->id, diags);
}

static void compare_numbers(const rgc_value *value, const void *a, const void *b, int64_t *differ, double *distance) {
  double apart = 0, size = 0;
  bool broken = false;
  for (int64_t e = 0; e < number_count(value); e++) {
    double x = rgc_value_number(value, a, e), y = rgc_value_number(value, b, e);
    if (isnan(x) && isnan(y)) continue;
    *differ += x != y || signbit(x) != signbit(y);
    broken |= isnan(x) != isnan(y) || (isinf(x) && x != y);
    if (!isfinite(x) || !isfinite(y)) continue;
    apart += (x - y) * (x - y);
    size += x * x;
  }
  *distance = broken ? INFINITY : apart > 0 ? sqrt(apart / fmax(size, 1e-300)) : 0;
}

/* One output of both; of integers the distance is the share that differs. */
static void compare_output(const rgc_beside_side sides[2], const rgc_value *value, rgc_beside *to) {
  const void *a = sides[0].data[value->id], *b = sides[1].data[value->id];
  int64_t bytes = rgc_value_storage_bytes(value), differ = 0;
  double distance = 0;
  if (rgc_is_real(value)) {
    compare_numbers(value, a, b, &differ, &distance);
  } else {
    for (int64_t i = 0; i < bytes; i++) differ += ((const char *)a)[i] != ((const char *)b)[i];
    distance = (double)differ / (double)(bytes ? bytes : 1);
  }
  to->differ += differ;
  if (distance > to->distance) to->distance = distance, to->value = value->id;
}

static bool run_op(const rgc_beside_side sides[2], const rgc_graph *graph, const rgc_cpu_step *step, uint64_t seed, int i, rgc_beside *to,
                   rgc_diagnostics *diags) {
  const rgc_op *op = &graph->ops[i];
  *to = (rgc_beside){.value = op->outputs[0]};
  for (int k = 0; k < op->input_count; k++)
    if (!give_input(sides, &graph->values[op->inputs[k]], seed, (uint32_t)i, diags)) return false;
  for (int s = 0; s < 2; s++) {
    for (int k = 0; k < op->output_count; k++)
      if (!poison(&sides[s], op, &graph->values[op->outputs[k]], diags)) return false;
    if (!rgc_device_run_ops(sides[s].program, step, i, 1, diags)) return false;
    for (int k = 0; k < op->output_count; k++)
      if (!rgc_device_read(sides[s].program, op->outputs[k], diags)) return false;
  }
  for (int k = 0; k < op->output_count; k++) compare_output(sides, &graph->values[op->outputs[k]], to);
  return true;
}

bool rgc_devices_beside(const rgc_beside_side sides[2], const rgc_graph *graph, const rgc_cpu_step *step, uint64_t seed, rgc_beside *results,
                        rgc_diagnostics *diags) {
  for (int i = 0; i < graph->op_count; i++)
    if (!run_op(sides, graph, step, seed, i, &results[i], diags)) return false;
  return true;
}
