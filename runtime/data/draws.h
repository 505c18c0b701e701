/* draws.h: the random numbers of one step for one sample: a Philox stream of its own, so that they depend on (seed, step, epoch, sample)
 * and on nothing else, whatever thread draws them and however many the steps before it have drawn. */
#ifndef RGC_RUNTIME_DATA_DRAWS_H
#define RGC_RUNTIME_DATA_DRAWS_H
#include "runtime/reference/philox.h"

enum { RGC_DATA_STREAM = 3 << 20 }; /* + the step's place in its list; apart from shuffling, dropout and initial values */

typedef struct rgc_draws {
  uint64_t seed;
  uint32_t stream, epoch;
  uint64_t next; /* sample << 16, counting up */
} rgc_draws;

static inline rgc_draws rgc_draws_begin(uint64_t seed, int step, int64_t epoch, int64_t sample) {
  return (rgc_draws){seed, (uint32_t)(RGC_DATA_STREAM + step), (uint32_t)epoch, (uint64_t)sample << 16};
}
/* Uniform in [0, 1). */
static inline double rgc_draw(rgc_draws *d) { return rgc_philox_uniform(d->seed, d->stream, d->epoch, d->next++); }
static inline double rgc_draw_between(rgc_draws *d, double low, double high) { return low + (high - low) * rgc_draw(d); }
/* 0 to count - 1. */
static inline int rgc_draw_int(rgc_draws *d, int count) { return (int)(rgc_draw(d) * count); }
#endif
