/* progress.c: see progress.h. */
#include "cli/progress.h"

#include <sys/ioctl.h>
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

/* Of the terminal. */
static int columns_of(FILE *out) {
  struct winsize size;
  return !ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

/* At most five times a second. One line, or it could not be drawn over: where it is narrow the bar goes, then the end of the text. */
static void show_step(progress *p, const rgc_progress *now) {
  enum { MOST = 30, LEAST = 5 };
  double time = now_seconds();
  if (!p->live || time - p->drawn_s < 0.2) return;
  p->drawn_s = time;
  char bar[MOST + 1], text[160];
  int64_t done = now->step + 1;
  double spent = time - p->begun_s, left = spent / (double)done * (double)(now->total - done);
  int length = snprintf(text, sizeof text, "%lld/%lld  loss %.4f  %.1f images/s  %d:%02d left", (long long)done, (long long)now->total, now->loss,
                        (double)(done * now->batch) / spent, (int)left / 60, (int)left % 60);
  int columns = columns_of(p->out) - 1, width = columns - length - 3 < MOST ? columns - length - 3 : MOST;
  if (width < LEAST) width = 0;
  for (int i = 0; i < width; i++) bar[i] = i < done * width / now->total ? '#' : '.';
  bar[width] = 0;
  fprintf(p->out, width ? "\r[%s] %.*s\033[K" : "\r%s%.*s\033[K", bar, columns, text);
  fflush(p->out);
}

void progress_show(void *context, const rgc_progress *now) {
  progress *p = context;
  if (now->event == RGC_EVENT_BEGIN) p->begun_s = now_seconds();
  if (now->event == RGC_EVENT_STEP) show_step(p, now);
  if (now->event == RGC_EVENT_VALIDATED) show_validated(p, now);
}
