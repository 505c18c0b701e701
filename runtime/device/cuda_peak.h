/* cuda_peak.h: the most a GPU does, by kernels of templates/peak_copy.cuh and peak_mma.cuh; see cuda_peak.c. */
#ifndef RGC_DEVICE_CUDA_PEAK_H
#define RGC_DEVICE_CUDA_PEAK_H
#include "runtime/device/cuda_card.h"

/* How much is done to be measured. */
typedef struct rgc_cuda_peak_work {
  int64_t copy_bytes; /* a multiple of 16 */
  int blocks;         /* of 256 threads, of both kernels */
  int mma_steps;      /* of 8 products of 16 x 8 x 16 a warp */
  int rounds;         /* the best one counts */
} rgc_cuda_peak_work;

bool rgc_cuda_measure_work(rgc_cuda_card *card, const rgc_cuda_target *target, const rgc_cuda_peak_work *work, rgc_device_peak *peak,
                           rgc_diagnostics *diags);
/* Of device.h. */
bool rgc_cuda_measure(const rgc_device_memory *memory, const rgc_target *target, int threads, rgc_device_peak *peak, rgc_diagnostics *diags);
#endif
