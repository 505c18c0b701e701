/* clock.h: time that only grows. */
#ifndef RGC_BASE_CLOCK_H
#define RGC_BASE_CLOCK_H
#include <time.h>

/* Seconds of the monotonic clock. */
static inline double rgc_now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif
