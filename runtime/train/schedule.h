/* schedule.h: the learning rate of a step.
 *   constant  base
 *   step      base * gamma^floor(step / every)
 *   cosine    base * (1 + cos(pi * step / total)) / 2          (Loshchilov & Hutter 2016, without restarts)
 * with a linear warm-up over the first `warmup` steps: base * (step + 1) / warmup. Steps count from 0. */
#ifndef RGC_TRAIN_SCHEDULE_H
#define RGC_TRAIN_SCHEDULE_H
#include <stdint.h>

typedef enum rgc_schedule_kind { RGC_SCHEDULE_CONSTANT, RGC_SCHEDULE_STEP, RGC_SCHEDULE_COSINE } rgc_schedule_kind;

typedef struct rgc_schedule {
  rgc_schedule_kind kind;
  double base;    /* learning rate */
  double gamma;   /* STEP: factor */
  int64_t every;  /* STEP: steps between two factors, >= 1 */
  int64_t total;  /* COSINE: steps until 0, warm-up included */
  int64_t warmup; /* steps */
} rgc_schedule;

double rgc_schedule_rate(const rgc_schedule *schedule, int64_t step);
#endif
