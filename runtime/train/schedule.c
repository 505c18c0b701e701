/* schedule.c: see schedule.h. */
#include "runtime/train/schedule.h"

#include <math.h>

double rgc_schedule_rate(const rgc_schedule *s, int64_t step) {
  if (step < s->warmup) return s->base * (double)(step + 1) / (double)s->warmup;
  double past = (double)(step - s->warmup);
  if (s->kind == RGC_SCHEDULE_STEP) return s->base * pow(s->gamma, floor(past / (double)s->every));
  if (s->kind == RGC_SCHEDULE_COSINE && s->total > s->warmup) {
    double part = past / (double)(s->total - s->warmup);
    return s->base * (1 + cos(acos(-1) * fmin(part, 1))) / 2;
  }
  return s->base;
}
