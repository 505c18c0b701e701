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
/* What a kernel may be off by, where `tolerance` is what float32 arithmetic may. A kernel that rounds to bf16 may round the other way than the
 * reference where a number is within `tolerance` of the middle of two: that is a share of tolerance / 2^-8 of all numbers at most (the
 * smallest distance of neighbours is 2^-8 of a number), and costs 2^-7 of such a number at most, so sqrt(tolerance 2^-6) in L2. One product
 * of tf32 has factors that are each off by 2^-11 at most, evenly spread: sqrt(2/3) 2^-11 in L2. */
double rgc_verify_allowed(const rgc_graph *graph, const rgc_op *op, double tolerance);
bool rgc_device_verify(rgc_device_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step, rgc_verified *results,
                       rgc_diagnostics *diags);
void rgc_cpu_verify(rgc_cpu_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step,
                    rgc_verified *results);
#endif
