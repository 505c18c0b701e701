/* philox.h: random numbers of the reference and of initial values: the kernels' own generator (codegen/cpu/templates/philox.h). */
#ifndef RGC_REFERENCE_PHILOX_H
#define RGC_REFERENCE_PHILOX_H
#include <stdint.h>

#include "codegen/cpu/templates/philox.h"

/* Uniform in [0,1), a multiple of 2^-24: exact in float32 as well. */
static inline double rgc_philox_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t element) {
  return philox_uniform(seed, stream, step, element);
}
#endif
