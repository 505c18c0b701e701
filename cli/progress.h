/* progress.h: what a training run tells on the terminal, in the tutorial's form
 *   Iter [%3d/%3d] | Train Loss %.4f | Train Acc %.4f | Valid Loss %.4f | Valid Acc %.4f
 * and, where the output is a terminal, a progress line with images/s and the time left. */
#ifndef RGC_CLI_PROGRESS_H
#define RGC_CLI_PROGRESS_H
#include <stdbool.h>
#include <stdio.h>

#include "runtime/rgc.h"

typedef struct progress {
  FILE *out;
  bool live;      /* `out` is a terminal: draw the progress line */
  double begun_s; /* monotonic clock, at the first step */
  double drawn_s; /* last time the progress line was drawn */
} progress;

void progress_begin(progress *p, FILE *out);
/* An rgc_progress_function; context: a progress. */
void progress_show(void *context, const rgc_progress *now);
#endif
