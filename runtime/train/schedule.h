/* schedule.h: the learning rate of a step, from the graph file's train: settings.
 *   constant  lr
 *   step      lr * step_factor^(number of step_at epochs that are over)
 *   cosine    lr * (end + (1 - end) * (1 + cos(pi * part)) / 2), part of the steps after warm-up (Loshchilov & Hutter 2016)
 * after a linear warm-up over the first `warmup` steps: lr * (step + 1) / warmup. */
#ifndef RGC_TRAIN_SCHEDULE_H
#define RGC_TRAIN_SCHEDULE_H
#include <stdint.h>

#include "compiler/lang/lang.h"

/* `step` from 0 of `total` steps, `epoch_steps` of them an epoch (both >= 1). */
double rgc_learning_rate(const rgc_train_settings *settings, int64_t step, int64_t total, int64_t epoch_steps);
#endif
