/* verify.h: a device's kernels beside the double-precision interpreter, one at a time, each on the inputs that the device has.
 *
 * Free-running float32 drifts from double (one flipped ReLU moves a gradient by 1 %); a kernel on equal inputs must not. */
#ifndef RGC_DEVICE_VERIFY_H
#define RGC_DEVICE_VERIFY_H
#include "runtime/device/cpu.h"

typedef struct rgc_verified {
  int op, value;   /* the op, and its output that is furthest off */
  double error;    /* L2 distance over the size the result has, or would have if nothing cancelled; for indices the share that differs;
                    * infinity where a number is missing */
} rgc_verified;

/* Runs every op of the program in order, each after the interpreter has run it on the same inputs, and fills results[op]. Outputs that
 * overwrite nothing are poisoned first. data[] as given to rgc_cpu_program_create. */
void rgc_cpu_verify(rgc_cpu_program *program, const rgc_graph *graph, void *const *data, const rgc_cpu_step *step,
                    rgc_verified *results);
#endif
