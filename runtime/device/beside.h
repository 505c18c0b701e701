/* beside.h: the kernels of one program on two devices, one at a time, on equal inputs of small integers.
 *
 * Sums of products of small integers are exact in float32, in whatever order a device adds them, and tensor cores (which do not round as IEEE
 * says) have nothing to round. So where a kernel computes no quotient, root or exponential, any bit that differs is a fault. */
#ifndef RGC_DEVICE_BESIDE_H
#define RGC_DEVICE_BESIDE_H
#include "runtime/device/device.h"

typedef struct rgc_beside {
  int value;       /* the output that is furthest apart */
  int64_t differ;  /* elements of all outputs whose bits differ; NaN equals NaN */
  double distance; /* of that output: relative L2; infinity where one has a number and the other none */
} rgc_beside;

/* A program, and where this process sees the values of its graph. */
typedef struct rgc_beside_side {
  rgc_device_program *program;
  void *const *data;
} rgc_beside_side;

/* Runs every op of the graph on both, and fills results[op]. Inputs of float32 are drawn anew for each op, by `seed`, of -2, -1, 0, 1, 2;
 * integers (labels, argmaxes) are what the first side has. Outputs that overwrite nothing are poisoned. False where a device fails. */
bool rgc_devices_beside(const rgc_beside_side sides[2], const rgc_graph *graph, const rgc_cpu_step *step, uint64_t seed, rgc_beside *results,
                        rgc_diagnostics *diags);
#endif
