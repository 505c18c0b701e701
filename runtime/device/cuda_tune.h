/* cuda_tune.h: which is faster for each product of a program: one of cuBLAS's algorithms, or rgc's own kernel; timed on the card, and recorded.
 *
 * Asked for by the user alone (rgc bench --tune): a choice by time may come out otherwise another day, and changes the last bits of results. */
#ifndef RGC_DEVICE_CUDA_TUNE_H
#define RGC_DEVICE_CUDA_TUNE_H
#include "runtime/device/device.h"

/* Of device.h. */
bool rgc_cuda_program_tune(void *program, const rgc_cpu_step *step, rgc_device_tuned *tuned, rgc_diagnostics *diags);
#endif
