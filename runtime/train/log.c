/* log.c: see log.h. */
#include "runtime/train/log.h"

#include <unistd.h>

#include "compiler/base/clock.h"

void rgc_log_begin(rgc_log *log, FILE *out, FILE *csv, int64_t total, int64_t batch) {
  *log = (rgc_log){.out = out, .csv = csv, .live = isatty(fileno(out)), .total = total, .batch = batch, .begun_s = rgc_now_seconds()};
}

void rgc_log_validated(rgc_log *log, int64_t iteration, double train_loss, double train_acc, double valid_loss,
                       double valid_acc) {
  if (log->live) fputs("\r\033[K", log->out);
  fprintf(log->out, "Iter [%3d/%3d] | Train Loss %.4f | Train Acc %.4f | Valid Loss %.4f | Valid Acc %.4f\n", (int)iteration,
          (int)log->total, train_loss, train_acc, valid_loss, valid_acc);
  fflush(log->out);
  if (!log->csv) return;
  fprintf(log->csv, "%d,%.4f,%.4f,%.4f,%.4f\n", (int)iteration, train_loss, train_acc, valid_loss, valid_acc);
  fflush(log->csv);
}

void rgc_log_output(rgc_log *log, const char *output, double valid_loss, double valid_acc) {
  fprintf(log->out, "     %s | Valid Loss %.4f | Valid Acc %.4f\n", output, valid_loss, valid_acc);
  fflush(log->out);
}

void rgc_log_step(rgc_log *log, int64_t iteration, double loss) {
  double now = rgc_now_seconds();
  if (!log->live || now - log->drawn_s < 0.2) return;
  log->drawn_s = now;
  enum { WIDTH = 30 };
  char bar[WIDTH + 1];
  int64_t done = iteration + 1;
  for (int i = 0; i < WIDTH; i++) bar[i] = i < done * WIDTH / log->total ? '#' : '.';
  bar[WIDTH] = 0;
  double spent = now - log->begun_s, left = spent / (double)done * (double)(log->total - done);
  fprintf(log->out, "\r[%s] %lld/%lld  loss %.4f  %.1f images/s  %d:%02d left\033[K", bar, (long long)done,
          (long long)log->total, loss, (double)(done * log->batch) / spent, (int)left / 60, (int)left % 60);
  fflush(log->out);
}
