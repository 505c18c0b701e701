/* log.h: what a training run tells: the lines on the terminal and the CSV file, in the tutorial's formats
 *   Iter [%3d/%3d] | Train Loss %.4f | Train Acc %.4f | Valid Loss %.4f | Valid Acc %.4f
 *   iter,train loss,train acc,valid loss,valid acc        as %d,%.4f,%.4f,%.4f,%.4f, no header
 * and, on a terminal, a progress line with images/s and the time left. */
#ifndef RGC_TRAIN_LOG_H
#define RGC_TRAIN_LOG_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct rgc_log {
  FILE *out;         /* lines for a person */
  FILE *csv;         /* NULL: none */
  bool live;         /* `out` is a terminal: draw the progress line */
  int64_t total;     /* steps of the run */
  int64_t batch;     /* images a step */
  double begun_s;    /* monotonic clock */
  double drawn_s;    /* last time the progress line was drawn */
} rgc_log;

void rgc_log_begin(rgc_log *log, FILE *out, FILE *csv, int64_t total, int64_t batch);
void rgc_log_validated(rgc_log *log, int64_t iteration, double train_loss, double train_acc, double valid_loss,
                       double valid_acc);
/* Behind it: one output of several. */
void rgc_log_output(rgc_log *log, const char *output, double valid_loss, double valid_acc);
/* After each step; draws at most five times a second, and nothing where `out` is no terminal. */
void rgc_log_step(rgc_log *log, int64_t iteration, double loss);
#endif
