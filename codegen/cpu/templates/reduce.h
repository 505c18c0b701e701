/* reduce.h: combines A over some of its axes, to be #included once for each specialisation.
 *
 * In, as macros (but for CONTRACT_LANES they are undefined again at the end of the file):
 *   LOOP_NAME        the kernel: void NAME(const void *kernel_args, int64_t tile, void *slab)
 *   REDUCE_AXES      bit mask of the axes of A that are combined
 *   REDUCE_ACCS      how many accumulators; REDUCE_COMBINES: {REDUCE_SUM, ..}
 *   REDUCE_TERMS     void (args, n, h, w, c, count, vec *terms): A at a point, one term an accumulator
 *   LOOP_BODY        void (args, n, h, w, c, count, const vec *acc, vec *partial): the epilogue
 *
 * A tile (loop.h) takes output points in turn, LANES channels at a time; where C itself is reduced its lanes are taken one after
 * the other. Sums and moments are kept in double, in row-major order of A, so they depend on shapes only. Moments are three
 * accumulators (count, mean, M2), merged by Chan, Golub and LeVeque's formula (1979). */
#include "codegen/cpu/templates/loop_names.h"

#ifndef RGC_TEMPLATE_REDUCE_TYPES
#define RGC_TEMPLATE_REDUCE_TYPES
typedef struct reduce_acc {
  double number[CONTRACT_LANES];
  float best[CONTRACT_LANES]; /* REDUCE_ARGMAX: the maximum so far */
} reduce_acc;

/* Lane l of a moments triple. */
INLINE void reduce_merge(reduce_acc *into, int l, double more, double mean, double squares) {
  double count = into[0].number[l] + more, apart = mean - into[1].number[l];
  if (more == 0) return;
  into[2].number[l] += squares + apart * apart * (into[0].number[l] * more / count);
  into[1].number[l] += apart * (more / count);
  into[0].number[l] = count;
}
#endif

INLINE void FN(reset)(reduce_acc *acc) {
  static const int combines[REDUCE_ACCS] = REDUCE_COMBINES;
  for (int k = 0; k < REDUCE_ACCS; k++)
    for (int l = 0; l < CONTRACT_LANES; l++) {
      acc[k].number[l] = combines[k] == REDUCE_MAX ? -__builtin_inf() : 0;
      acc[k].best[l] = -__builtin_inff();
    }
}

/* Terms of lanes [from, to) go to lanes from-shift...; number: the place of lane 0 in the reduction. */
INLINE void FN(take)(reduce_acc *acc, const vec *terms, int from, int to, int shift, int64_t number) {
  static const int combines[REDUCE_ACCS] = REDUCE_COMBINES;
  UNROLL_ALL for (int k = 0; k < REDUCE_ACCS; k++)
    for (int l = from; l < to; l++) {
      float term = terms[k][l];
      double *at = &acc[k].number[l - shift];
      if (combines[k] == REDUCE_SUM) *at += term;
      if (combines[k] == REDUCE_MAX) *at = term > *at ? term : *at;
      if (combines[k] == REDUCE_MERGE && k % 3 == 0) reduce_merge(acc + k, l - shift, term, terms[k + 1][l], terms[k + 2][l]);
      if (combines[k] != REDUCE_ARGMAX || !(term > acc[k].best[l - shift])) continue;
      acc[k].best[l - shift] = term;
      *at = (double)(number + shift);
    }
}

/* All of A's channels at a point, one after the other. */
INLINE void FN(take_channels)(const kernel_args *args, int64_t n, int64_t h, int64_t w, reduce_acc *acc, int64_t number) {
  vec terms[REDUCE_ACCS];
  for (int64_t c = 0; c < args->a_c; c += CONTRACT_LANES) {
    int64_t count = int_min(CONTRACT_LANES, args->a_c - c);
    REDUCE_TERMS(args, n, h, w, c, count, terms);
    for (int l = 0; l < count; l++) FN(take)(acc, terms, l, l + 1, l, number + c);
  }
}

INLINE void FN(point)(const kernel_args *args, const int64_t at[3], int64_t c, int64_t count) {
  const int64_t limit = args->samples & 2 ? int_min(args->valid, args->a_n) : args->a_n, all[3] = {args->a_n, args->a_h, args->a_w};
  const int64_t end[3] = {limit, args->a_h, args->a_w};
  int64_t first[3], last[3], span[3];
  reduce_acc acc[REDUCE_ACCS];
  vec terms[REDUCE_ACCS], result[REDUCE_ACCS], none[1];
  for (int j = 0; j < 3; j++) {
    first[j] = REDUCE_AXES >> j & 1 ? 0 : at[j];
    last[j] = REDUCE_AXES >> j & 1 ? end[j] : at[j] + 1;
    span[j] = REDUCE_AXES >> j & 1 ? all[j] : 1;
  }
  FN(reset)(acc);
  for (int64_t n = first[0]; n < last[0]; n++)
    for (int64_t h = first[1]; h < last[1]; h++)
      for (int64_t w = first[2]; w < last[2]; w++) {
        int64_t number = ((n - first[0]) * span[1] + h - first[1]) * span[2] + w - first[2];
        if (REDUCE_AXES >> 3 & 1) {
          FN(take_channels)(args, n, h, w, acc, number * args->a_c);
          continue;
        }
        REDUCE_TERMS(args, n, h, w, c, count, terms);
        FN(take)(acc, terms, 0, CONTRACT_LANES, 0, number);
      }
  for (int k = 0; k < REDUCE_ACCS; k++)
    for (int l = 0; l < CONTRACT_LANES; l++) result[k][l] = (float)acc[k].number[l];
  LOOP_BODY(args, at[0], at[1], at[2], c, count, result, none);
}

void LOOP_NAME(const void *told, int64_t index, void *slab) {
  const kernel_args *args = told;
  loop_tile tile = loop_place(args, index);
  (void)slab;
  for (int64_t row = tile.row; row < tile.row_end; row++)
    for (int64_t w = 0; w < args->out_w; w++) {
      int64_t at[3] = {row / args->out_h, row % args->out_h, w}, c = tile.c;
      for (; c + CONTRACT_LANES <= tile.c_end; c += CONTRACT_LANES) FN(point)(args, at, c, CONTRACT_LANES);
      if (c < tile.c_end) FN(point)(args, at, c, tile.c_end - c);
    }
}

#undef PASTE_
#undef PASTE
#undef FN
#undef LOOP_NAME
#undef LOOP_BODY
#undef REDUCE_AXES
#undef REDUCE_ACCS
#undef REDUCE_COMBINES
#undef REDUCE_TERMS
