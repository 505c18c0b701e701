/* reduce.cuh: combines A over some of its axes, to be included once for each kernel.
 *
 * In, as macros (all are undefined at the end):
 *   KERNEL_NAME
 *   OUT_N .. OUT_C, OUT_SAMPLES, A_N .. A_C, A_SAMPLES   the spaces; 1: axis N counts samples
 *   REDUCE_AXES              bit mask of the axes of A that are combined
 *   ACCS, COMBINES           how many accumulators, {COMBINE_SUM, ..}
 *   ROW                      channels of A that a thread loads at once, 1, 2, 4 or 8; they divide A_C
 *   REDUCE_TERMS             void (args, n, h, w, c, float *terms): A at channels c to c + ROW - 1, ROW terms an accumulator
 *   KERNEL_BODY              void (args, n, h, w, c, const float *acc, float *partial): the epilogue, of POINTS channels, POINTS numbers an accumulator
 *   BLOCK_COLUMNS, BLOCK_ROWS   threads side by side and threads for the same output points; BLOCK_ROWS is a power of two
 *
 * A thread has POINTS output points: the channels of a row, or, where C is reduced, one, to which all of a row are added. Row r of a block takes
 * rows of channels r, r + BLOCK_ROWS, .. of its reduction in row-major order of A, in double; then the block's rows are merged in a tree. So sums
 * depend on shapes alone. Where C is not reduced, columns are neighbours along C. Moments are three accumulators (count, mean, M2), merged by
 * Chan, Golub and LeVeque's formula (1979). Of equal maxima the first one wins. Shared memory: 12 bytes a thread, accumulator and point. */
#include "codegen/cuda/templates/names.cuh"
#define SPAN(axis, extent) (REDUCE_AXES >> (axis) & 1 ? (extent) : 1)
#define SPAN_H SPAN(1, A_H)
#define SPAN_W SPAN(2, A_W)
#define SPAN_C SPAN(3, A_C)
#define POINTS (REDUCE_AXES & 8 ? 1 : ROW)
#define LANES (REDUCE_AXES & 8 ? ROW : 1) /* channels of a row that are added to one point */
#define HELD (ACCS * POINTS)              /* accumulator k of point p is number k * POINTS + p */
#define BLOCK_THREADS (BLOCK_ROWS * BLOCK_COLUMNS)

DEV void FN(merge)(double *into, double count, double mean, double squares) {
  const double all = into[0] + count, apart = mean - into[POINTS], share = count / all;
  if (count == 0) return;
  into[2 * POINTS] += squares + apart * apart * into[0] * share;
  into[POINTS] += apart * share;
  into[0] = all;
}

/* One more set of accumulators; best: the maxima that COMBINE_ARGMAX compares. */
DEV void FN(take)(double *acc, float *best, const double *terms, const float *term_best) {
  const int combines[ACCS] = COMBINES;
#pragma unroll
  for (int i = 0; i < HELD; i++) {
    const int combine = combines[i / POINTS];
    if (combine == COMBINE_SUM) acc[i] += terms[i];
    if (combine == COMBINE_MAX) acc[i] = terms[i] > acc[i] ? terms[i] : acc[i];
    if (combine == COMBINE_MERGE && i / POINTS % 3 == 0) FN(merge)(acc + i, terms[i], terms[i + POINTS], terms[i + 2 * POINTS]);
    if (combine != COMBINE_ARGMAX) continue;
    const int more = term_best[i] > best[i] || (term_best[i] == best[i] && best[i] > -number_infinity() && terms[i] < acc[i]);
    acc[i] = more ? terms[i] : acc[i];
    best[i] = more ? term_best[i] : best[i];
  }
}

/* A row's terms; `number` counts the reduction's points in row-major order, the row's first. */
DEV void FN(take_row)(double *acc, float *best, const float *terms, int number) {
  const int combines[ACCS] = COMBINES;
  double more[HELD];
  float more_best[HELD];
#pragma unroll
  for (int lane = 0; lane < LANES; lane++) {
#pragma unroll
    for (int i = 0; i < HELD; i++) {
      const float term = terms[i / POINTS * ROW + i % POINTS + lane];
      more[i] = combines[i / POINTS] == COMBINE_ARGMAX ? (double)(number + lane) : (double)term;
      more_best[i] = term;
    }
    FN(take)(acc, best, more, more_best);
  }
}

TEMPLATE_KERNEL(KERNEL_NAME, BLOCK_THREADS, 1) {
  KERNEL_GUARD();
  const int combines[ACCS] = COMBINES;
  const int column = (int)threadIdx.x % BLOCK_COLUMNS, row = (int)threadIdx.x / BLOCK_COLUMNS;
  const int point = ((int)blockIdx.x * BLOCK_COLUMNS + column) * POINTS, c = point % OUT_C, w = point / OUT_C % OUT_W;
  const int h = point / (OUT_C * OUT_W) % OUT_H, n = point / (OUT_C * OUT_W * OUT_H);
  const int samples = A_SAMPLES ? int_min(args.step->valid, A_N) : A_N;
  const int count = n < OUT_N ? SPAN(0, samples) * SPAN_H * SPAN_W * SPAN_C : 0;
  double acc[HELD], more[HELD];
  float best[HELD], more_best[HELD];
  for (int i = 0; i < HELD; i++) {
    best[i] = -number_infinity();
    acc[i] = combines[i / POINTS] == COMBINE_MAX ? (double)-number_infinity() : 0.0;
  }
  for (int number = row * LANES; number < count; number += BLOCK_ROWS * LANES) {
    const int an = REDUCE_AXES & 1 ? number / (SPAN_H * SPAN_W * SPAN_C) : n, ah = REDUCE_AXES & 2 ? number / (SPAN_W * SPAN_C) % SPAN_H : h;
    const int aw = REDUCE_AXES & 4 ? number / SPAN_C % SPAN_W : w, ac = REDUCE_AXES & 8 ? number % SPAN_C : c;
    float terms[ACCS * ROW];
    if (an >= samples) continue;
    REDUCE_TERMS(&args, an, ah, aw, ac, terms);
    FN(take_row)(acc, best, terms, number);
  }
  RGC_SHARED(shared);
  double *held = (double *)shared; /* [HELD][threads], and behind it the maxima */
  float *held_best = (float *)(held + HELD * BLOCK_THREADS);
  for (int half = BLOCK_ROWS / 2; half > 0; half /= 2) {
    for (int i = 0; i < HELD && row >= half && row < 2 * half; i++) {
      held[i * BLOCK_THREADS + (int)threadIdx.x] = acc[i];
      held_best[i * BLOCK_THREADS + (int)threadIdx.x] = best[i];
    }
    __syncthreads();
    if (row < half) {
      for (int i = 0; i < HELD; i++) {
        more[i] = held[i * BLOCK_THREADS + (int)threadIdx.x + half * BLOCK_COLUMNS];
        more_best[i] = held_best[i * BLOCK_THREADS + (int)threadIdx.x + half * BLOCK_COLUMNS];
      }
      FN(take)(acc, best, more, more_best);
    }
    __syncthreads();
  }
  if (row > 0 || n >= (OUT_SAMPLES ? int_min(args.step->valid, OUT_N) : OUT_N)) return;
  float result[HELD], none[1];
  for (int i = 0; i < HELD; i++) result[i] = (float)acc[i];
  KERNEL_BODY(&args, n, h, w, c, result, none);
}

#undef SPAN
#undef SPAN_H
#undef SPAN_W
#undef SPAN_C
#undef POINTS
#undef LANES
#undef HELD
#undef BLOCK_THREADS
#include "codegen/cuda/templates/names_end.cuh"
