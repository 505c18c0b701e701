/* cuda_tune.c: see cuda_tune.h. */
#include "runtime/device/cuda_tune.h"

#include <string.h>

#include "runtime/device/cuda_product.h"

/* Runs of one timing, and timings, of which the fastest counts: what disturbs a card only makes it slower. */
enum { RUNS = 8, TIMINGS = 5 };

typedef struct tuner {
  rgc_cuda_program *program;
  CUevent begin, end;
  rgc_diagnostics *diags;
} tuner;

/* The op once: by a library's algorithm, or by its own launches. */
static bool run_op(const tuner *t, int op, const rgc_cublas_choice *choice) {
  return choice->own ? rgc_cuda_program_launch_own(t->program, op, t->diags) : rgc_cuda_product_launch(t->program, t->program->products[op], choice, t->diags);
}

/* Seconds of one run, on the card's own clock; the first loads what has to be loaded. */
static bool time_op(const tuner *t, int op, const rgc_cublas_choice *choice, double *seconds) {
  const rgc_cuda_driver *cu = &t->program->card->driver;
  CUstream stream = t->program->card->compute;
  bool good = run_op(t, op, choice);
  *seconds = 0;
  for (int timing = 0; timing < TIMINGS && good; timing++) {
    float milliseconds = 0;
    good = RGC_CUDA(cu, cuEventRecord, NULL, t->diags, t->begin, stream);
    for (int i = 0; i < RUNS && good; i++) good = run_op(t, op, choice);
    good = good && RGC_CUDA(cu, cuEventRecord, NULL, t->diags, t->end, stream) && rgc_cuda_card_wait(t->program->card, stream, t->diags) &&
           RGC_CUDA(cu, cuEventElapsedTime, NULL, t->diags, &milliseconds, t->begin, t->end);
    double own = 1e-3 / RUNS * (double)milliseconds;
    if (!timing || own < *seconds) *seconds = own;
  }
  return good;
}

/* The fastest of all that may be chosen becomes the product's choice. */
static bool tune_op(const tuner *t, int op, rgc_device_tuned *to) {
  rgc_cuda_product *product = t->program->products[op];
  rgc_cublas_choice found[CUDA_CUBLAS_MOST_ALGORITHMS], best = {.own = true};
  int count = rgc_cuda_product_candidates(t->program, product, found, t->diags);
  double own_seconds, seconds = 0;
  bool good = time_op(t, op, &best, &own_seconds);
  *to = (rgc_device_tuned){.algorithms = count > 0 ? count : 0, .own_seconds = own_seconds};
  for (int i = 0; i < count && good; i++) {
    good = time_op(t, op, &found[i], &seconds);
    if (to->seconds == 0 || seconds < to->seconds) to->seconds = seconds, best = found[i];
  }
  if (to->seconds == 0 || own_seconds <= to->seconds) best = (rgc_cublas_choice){.own = true};
  best.seconds = to->seconds;
  best.own_seconds = own_seconds;
  to->library = !best.own;
  product->choice = best;
  if (good) rgc_cublas_record_set(t->program->card->record, product->key, &best, &t->program->card->cublas);
  return good;
}

/* An op before it whose product has the same key; -1: none. */
static int find_same(const rgc_cuda_program *p, int op) {
  for (int i = 0; i < op; i++)
    if (p->products[i] && !strcmp(p->products[i]->key, p->products[op]->key)) return i;
  return -1;
}

static bool tune_all(const tuner *t, rgc_device_tuned *tuned) {
  rgc_cuda_program *p = t->program;
  bool good = true;
  for (int i = 0; i < p->graph->op_count && good; i++) {
    if (!p->products || !p->products[i]) continue;
    int same = find_same(p, i);
    if (same >= 0) p->products[i]->choice = p->products[same]->choice;
    else good = tune_op(t, i, &tuned[i]);
  }
  return good;
}

bool rgc_cuda_program_tune(void *program, const rgc_cpu_step *step, rgc_device_tuned *tuned, rgc_diagnostics *diags) {
  rgc_cuda_program *p = program;
  const rgc_cuda_driver *cu = &p->card->driver;
  tuner t = {.program = p, .diags = diags};
  for (int i = 0; i < p->graph->op_count; i++) tuned[i] = (rgc_device_tuned){.algorithms = -1};
  bool good = rgc_cuda_program_begin(p, step, diags) && RGC_CUDA(cu, cuEventCreate, NULL, diags, &t.begin, CU_EVENT_DEFAULT) &&
              RGC_CUDA(cu, cuEventCreate, NULL, diags, &t.end, CU_EVENT_DEFAULT) && tune_all(&t, tuned);
  if (t.begin) cu->cuEventDestroy(t.begin);
  if (t.end) cu->cuEventDestroy(t.end);
  rgc_cuda_program_forget_graphs(p);
  return good && (!p->products || rgc_cublas_record_write(p->card->record, diags));
}
