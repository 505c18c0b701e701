/* partial.h: what a tile reduces of the values it stores: the sum, the maximum, or count, mean and M2 of each channel.
 *
 * Moments are summed shifted by the first value, so that M2 does not cancel; a tile is short enough for sums in float. What a
 * tile writes is [planes][channels] of partials [tiles][planes][channels]; planes is 3 for moments, else 1. */
#ifndef RGC_TEMPLATE_PARTIAL_H
#define RGC_TEMPLATE_PARTIAL_H

typedef struct partial {
  vec shift, sum, squares; /* sum: of value - shift, or the maximum */
} partial;

/* One more value of each lane; first: nothing was taken before. */
INLINE void partial_take(partial *to, int kind, int first, vec value) {
  if (kind == CONTRACT_MAX) {
    to->sum = first ? value : vec_max(value, to->sum);
    return;
  }
  if (first && kind == CONTRACT_MOMENTS) to->shift = value;
  vec apart = kind == CONTRACT_MOMENTS ? value - to->shift : value;
  to->sum += apart;
  if (kind == CONTRACT_MOMENTS) to->squares = vec_fma(apart, apart, to->squares);
}

/* One lane, of `points` values, to its channel `to`; planes are `channels` apart. */
INLINE void partial_write(const partial *from, int kind, int64_t lane, int64_t points, float *to, int64_t channels) {
  float sum = from->sum[lane], mean = points ? sum / (float)points : 0;
  if (kind != CONTRACT_MOMENTS) {
    to[0] = kind == CONTRACT_MAX && !points ? -__builtin_inff() : sum;
    return;
  }
  float spread = from->squares[lane] - sum * mean;
  to[0] = (float)points;
  to[channels] = from->shift[lane] + mean;
  to[2 * channels] = spread > 0 ? spread : 0;
}
#endif
