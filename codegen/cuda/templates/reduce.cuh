/* reduce.cuh: combines A over some of its axes, to be included once for each kernel.
 *
 * In, as macros (all are undefined at the end):
 *   KERNEL_NAME
 *   OUT_N .. OUT_C, OUT_SAMPLES, A_N .. A_C, A_SAMPLES   the spaces; 1: axis N counts samples
 *   REDUCE_AXES              bit mask of the axes of A that are combined
 *   ACCS, COMBINES           how many accumulators, {COMBINE_SUM, ..}
 *   REDUCE_TERMS             void (args, n, h, w, c, float *terms): A at a point, one term an accumulator
 *   KERNEL_BODY              void (args, n, h, w, c, const float *acc, float *partial): the epilogue
 *   BLOCK_COLUMNS, BLOCK_ROWS   output points and threads for each; BLOCK_ROWS is a power of two
 *
 * Row r of a block takes the points r, r + BLOCK_ROWS, .. of its reduction in row-major order of A, in double; then rows are merged in a
 * tree. So sums depend on shapes alone. Where C is not reduced, columns are neighbouring channels. Moments are three accumulators
 * (count, mean, M2), merged by Chan, Golub and LeVeque's formula (1979). Of equal maxima the first one wins.
 * Shared memory: 12 bytes a thread and accumulator. */
#include "codegen/cuda/templates/names.cuh"
#define SPAN(axis, extent) (REDUCE_AXES >> (axis) & 1 ? (extent) : 1)
#define SPAN_H SPAN(1, A_H)
#define SPAN_W SPAN(2, A_W)
#define SPAN_C SPAN(3, A_C)

DEV void FN(merge)(double *into, double count, double mean, double squares) {
  const double all = into[0] + count, apart = mean - into[1];
  if (count == 0) return;
  into[2] += squares + apart * apart * (into[0] * count / all);
  into[1] += apart * (count / all);
  into[0] = all;
}

/* One more set of accumulators; best: the maxima that COMBINE_ARGMAX compares. */
DEV void FN(take)(double *acc, float *best, const double *terms, const float *term_best) {
  const int combines[ACCS] = COMBINES;
  for (int k = 0; k < ACCS; k++) {
    if (combines[k] == COMBINE_SUM) acc[k] += terms[k];
    if (combines[k] == COMBINE_MAX) acc[k] = terms[k] > acc[k] ? terms[k] : acc[k];
    if (combines[k] == COMBINE_MERGE && k % 3 == 0) FN(merge)(acc + k, terms[k], terms[k + 1], terms[k + 2]);
    if (combines[k] != COMBINE_ARGMAX) continue;
    const int more = term_best[k] > best[k] || (term_best[k] == best[k] && best[k] > -number_infinity() && terms[k] < acc[k]);
    acc[k] = more ? terms[k] : acc[k];
    best[k] = more ? term_best[k] : best[k];
  }
}

TEMPLATE_KERNEL(KERNEL_NAME, BLOCK_COLUMNS * BLOCK_ROWS, 1) {
  KERNEL_GUARD();
  const int combines[ACCS] = COMBINES;
  const int column = (int)threadIdx.x % BLOCK_COLUMNS, row = (int)threadIdx.x / BLOCK_COLUMNS;
  const int point = (int)blockIdx.x * BLOCK_COLUMNS + column, c = point % OUT_C, w = point / OUT_C % OUT_W;
  const int h = point / (OUT_C * OUT_W) % OUT_H, n = point / (OUT_C * OUT_W * OUT_H);
  const int samples = A_SAMPLES ? int_min(args.step->valid, A_N) : A_N;
  const int count = n < OUT_N ? SPAN(0, samples) * SPAN_H * SPAN_W * SPAN_C : 0;
  double acc[ACCS], more[ACCS];
  float best[ACCS], more_best[ACCS];
  for (int k = 0; k < ACCS; k++) {
    best[k] = -number_infinity();
    acc[k] = combines[k] == COMBINE_MAX ? (double)-number_infinity() : 0.0;
  }
  for (int number = row; number < count; number += BLOCK_ROWS) {
    const int an = REDUCE_AXES & 1 ? number / (SPAN_H * SPAN_W * SPAN_C) : n, ah = REDUCE_AXES & 2 ? number / (SPAN_W * SPAN_C) % SPAN_H : h;
    const int aw = REDUCE_AXES & 4 ? number / SPAN_C % SPAN_W : w, ac = REDUCE_AXES & 8 ? number % SPAN_C : c;
    float terms[ACCS];
    if (an >= samples) continue;
    REDUCE_TERMS(&args, an, ah, aw, ac, terms);
    for (int k = 0; k < ACCS; k++) {
      more[k] = combines[k] == COMBINE_ARGMAX ? (double)number : (double)terms[k];
      more_best[k] = terms[k];
    }
    FN(take)(acc, best, more, more_best);
  }
  RGC_SHARED(shared);
  double *held = (double *)shared; /* [ACCS][threads], and behind it the maxima */
  float *held_best = (float *)(held + ACCS * BLOCK_ROWS * BLOCK_COLUMNS);
  for (int half = BLOCK_ROWS / 2; half > 0; half /= 2) {
    for (int k = 0; k < ACCS && row >= half && row < 2 * half; k++) {
      held[k * BLOCK_ROWS * BLOCK_COLUMNS + (int)threadIdx.x] = acc[k];
      held_best[k * BLOCK_ROWS * BLOCK_COLUMNS + (int)threadIdx.x] = best[k];
    }
    __syncthreads();
    if (row < half) {
      for (int k = 0; k < ACCS; k++) {
        more[k] = held[k * BLOCK_ROWS * BLOCK_COLUMNS + (int)threadIdx.x + half * BLOCK_COLUMNS];
        more_best[k] = held_best[k * BLOCK_ROWS * BLOCK_COLUMNS + (int)threadIdx.x + half * BLOCK_COLUMNS];
      }
      FN(take)(acc, best, more, more_best);
    }
    __syncthreads();
  }
  if (row > 0 || n >= (OUT_SAMPLES ? int_min(args.step->valid, OUT_N) : OUT_N)) return;
  float result[ACCS], none[1];
  for (int k = 0; k < ACCS; k++) result[k] = (float)acc[k];
  KERNEL_BODY(&args, n, h, w, c, result, none);
}

#undef SPAN
#undef SPAN_H
#undef SPAN_W
#undef SPAN_C
#include "codegen/cuda/templates/names_end.cuh"
