/* schedule.c: see schedule.h. */
#include "runtime/train/schedule.h"

#include <math.h>

static double cosine_part(const rgc_train_settings *s, int64_t step, int64_t total) {
  if (total <= s->warmup) return 1;
  double part = (double)(step - s->warmup) / (double)(total - s->warmup);
  return s->cosine_end + (1 - s->cosine_end) * (1 + cos(acos(-1) * fmin(part, 1))) / 2;
}

static double step_part(const rgc_train_settings *s, double epoch) {
  double part = 1;
  for (int i = 0; i < s->step_count; i++)
    if (epoch >= s->step_at[i]) part *= s->step_factor;
  return part;
}

double rgc_learning_rate(const rgc_train_settings *s, int64_t step, int64_t total, int64_t epoch_steps) {
  if (step < s->warmup) return s->lr * (double)(step + 1) / (double)s->warmup;
  if (s->schedule == RGC_SCHEDULE_STEP) return s->lr * step_part(s, (double)step / (double)epoch_steps);
  if (s->schedule == RGC_SCHEDULE_COSINE) return s->lr * cosine_part(s, step, total);
  return s->lr;
}
