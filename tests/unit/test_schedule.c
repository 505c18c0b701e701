/* test_schedule.c: learning rates against values worked out by hand. */
#include <criterion/criterion.h>

#include "runtime/train/schedule.h"

static void near(double got, double wanted) { cr_assert_float_eq(got, wanted, 1e-12, "%g, not %g", got, wanted); }

Test(schedule, constant_with_warmup) {
  rgc_train_settings s = {.lr = 0.4, .warmup = 4};
  near(rgc_learning_rate(&s, 0, 100, 10), 0.1);
  near(rgc_learning_rate(&s, 3, 100, 10), 0.4);
  near(rgc_learning_rate(&s, 99, 100, 10), 0.4);
}

Test(schedule, step_counts_the_epochs_that_are_over) {
  rgc_train_settings s = {.lr = 1, .schedule = RGC_SCHEDULE_STEP, .step_at = {2, 4}, .step_count = 2, .step_factor = 0.1};
  near(rgc_learning_rate(&s, 19, 100, 10), 1);
  near(rgc_learning_rate(&s, 20, 100, 10), 0.1);
  near(rgc_learning_rate(&s, 40, 100, 10), 0.01);
}

Test(schedule, cosine_ends_at_its_end) {
  rgc_train_settings s = {.lr = 2, .schedule = RGC_SCHEDULE_COSINE, .warmup = 10, .cosine_end = 0.5};
  near(rgc_learning_rate(&s, 10, 110, 10), 2);
  near(rgc_learning_rate(&s, 60, 110, 10), 1.5);
  near(rgc_learning_rate(&s, 110, 110, 10), 1);
}
