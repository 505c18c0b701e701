/* verify.h: a device's kernels beside the double-precision interpreter, one at a time, each on the inputs that the device has.
 *
 * Free-running float32 drifts from double (one flipped ReLU moves a gradient by 1 %); a kernel on equal inputs must not. */
#ifndef RGC_DEVICE_VERIFY_H
#define RGC_DEVICE_VERIFY_H
#include "runtime/device/device.h"

typedef struct rgc_verified {
  int op, value;   /* the op, and its output that is furthest off */
  double error;    /* L2 distance over the size the result has, or would have if nothing cancelled; for indices the share that differs;
                    * infinity where a number is missing */
} rgc_verified;

/* What runs the kernels: ops [first, first + count) of its graph, on data that this process can read. */
typedef struct rgc_verify_device {
  void *program;
  bool (*run_ops)(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags);
} rgc_verify_device;

/* Runs every op of the graph in order, each after the interpreter has run it on the same inputs, and fills results[op]. Outputs that
 * overwrite nothing are poisoned first. data[v] is where value v lies. False where the device fails. */
bool rgc_verify(const rgc_verify_device *device, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step, rgc_verified *results,
                rgc_diagnostics *diags);
bool rgc_device_verify(rgc_device_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step, rgc_verified *results,
                       rgc_diagnostics *diags);
void rgc_cpu_verify(rgc_cpu_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step,
                    rgc_verified *results);
#endif
