/* cpu_peak.h: the most this machine's cores do; see cpu_peak.c. */
#ifndef RGC_DEVICE_CPU_PEAK_H
#define RGC_DEVICE_CPU_PEAK_H
#include "runtime/device/device.h"

/* Of device.h. */
bool rgc_cpu_measure(const rgc_device_memory *memory, const rgc_target *target, int threads, rgc_device_peak *peak, rgc_diagnostics *diags);
#endif
