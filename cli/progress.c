/* progress.c: see progress.h. */
#include "cli/progress.h"

#include <time.h>
#include <unistd.h>

static double now_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(progress *p, FILE *out) { *p = (progress){.out = out, .live = isatty(fileno(out))}; }

static void show_validated(const progress *p, const rgc_progress *now) {
  if (p->live) fputs("\r\033[K", p->out);
  fprintf(p->out, "Iter [%3d/%3d] | Train Loss %.4f | Train Acc %.4f | Valid Loss %.4f | Valid Acc %.4f\n", (int)now->step, (int)now->total,
          now->loss, now->acc, now->valid_loss, now->valid_acc);
  for (int k = 0; now->output_count > 1 && k < now->output_count; k++)
    fprintf(p->out, "     %s | Valid Loss %.4f | Valid Acc %.4f\n", now->outputs[k].name, now->outputs[k].loss, now->outputs[k].acc);
  fflush(p->out);
}

/* At most five times a second. */
static void show_step(progress *p, const rgc_progress *now) {
  enum { WIDTH = 30 };
  double time = now_seconds();
  if (!p->live || time - p->drawn_s < 0.2) return;
  p->drawn_s = time;
  char bar[WIDTH + 1];
  int64_t done = now->step + 1;
  for (int i = 0; i < WIDTH; i++) bar[i] = i < done * WIDTH / now->total ? '#' : '.';
  bar[WIDTH] = 0;
  double spent = time - p->begun_s, left = spent / (double)done * (double)(now->total - done);
  fprintf(p->out, "\r[%s] %lld/%lld  loss %.4f  %.1f images/s  %d:%02d left\033[K", bar, (long long)done, (long long)now->total, now->loss,
          (double)(done * now->batch) / spent, (int)left / 60, (int)left % 60);
  fflush(p->out);
}

void progress_show(void *context, const rgc_progress *now) {
  progress *p = context;
  if (now->event == RGC_EVENT_BEGIN) p->begun_s = now_seconds();
  if (now->event == RGC_EVENT_STEP) show_step(p, now);
  if (now->event == RGC_EVENT_VALIDATED) show_validated(p, now);
}
