/* partial.cuh: what a block reduces of the values it stores: for a channel the sum, the maximum, or count, mean and M2.
 *
 * Each thread takes its own values (partial), shifted by the first so that M2 does not cancel. Then the threads of a channel are merged in
 * a tree whose shape is that of the block: the bits depend on shapes alone. Moments merge by Chan, Golub and LeVeque (1979). What is
 * written is [planes][channels] of partials [tiles][planes][channels]; planes is 3 for moments, else 1. */
#ifndef RGC_CUDA_PARTIAL_CUH
#define RGC_CUDA_PARTIAL_CUH

enum { PARTIAL_SUM, PARTIAL_MAX, PARTIAL_MOMENTS };

typedef struct partial {
  float shift, sum, squares; /* sum: of value - shift, or the maximum */
} partial;

typedef struct moments {
  float count, mean, squares; /* PARTIAL_SUM, PARTIAL_MAX: the sum, the maximum in `mean` */
} moments;

/* One more value; first: nothing was taken before. */
DEV void partial_take(partial *to, int kind, int first, float value) {
  if (first) {
    to->shift = kind == PARTIAL_MOMENTS ? value : 0.0f;
    to->sum = to->squares = 0.0f;
    if (kind == PARTIAL_MAX) to->sum = -number_infinity();
  }
  if (kind == PARTIAL_MAX) to->sum = number_max(value, to->sum);
  if (kind == PARTIAL_MAX) return;
  float apart = value - to->shift;
  to->sum += apart;
  if (kind == PARTIAL_MOMENTS) to->squares = fmaf(apart, apart, to->squares);
}

/* What a thread holds of `points` values. */
DEV moments partial_close(const partial *from, int kind, int points) {
  moments m;
  m.count = (float)points;
  m.mean = kind == PARTIAL_MAX ? -number_infinity() : 0.0f;
  m.squares = 0.0f;
  if (points == 0) return m;
  m.mean = from->sum;
  if (kind != PARTIAL_MOMENTS) return m;
  float mean = from->sum / m.count;
  m.squares = number_max(0.0f, from->squares - from->sum * mean);
  m.mean = from->shift + mean;
  return m;
}

DEV moments moments_merge(moments a, moments b, int kind) {
  moments m;
  m.count = a.count + b.count;
  m.squares = 0.0f;
  if (kind == PARTIAL_SUM) m.mean = a.mean + b.mean;
  if (kind == PARTIAL_MAX) m.mean = number_max(b.mean, a.mean);
  if (kind != PARTIAL_MOMENTS) return m;
  if (b.count == 0.0f) return a;
  float apart = b.mean - a.mean, share = b.count / m.count;
  m.mean = fmaf(apart, share, a.mean);
  m.squares = a.squares + fmaf(apart * apart, a.count * share, b.squares);
  return m;
}

/* `rows` (a power of two) by `columns` threads get here, the first of the block; row 0 ends with the column's values together.
 * shared: 3 * rows * columns floats; free again behind it. */
DEV moments partial_merge_rows(moments own, int kind, float *shared, int row, int column, int rows, int columns) {
  for (int half = rows / 2; half > 0; half /= 2) {
    float *place = shared + 3 * (row * columns + column), *other = place + 3 * half * columns;
    if (row >= half && row < 2 * half) {
      place[0] = own.count;
      place[1] = own.mean;
      place[2] = own.squares;
    }
    bar_sync(1, rows * columns);
    if (row < half) {
      moments more;
      more.count = other[0];
      more.mean = other[1];
      more.squares = other[2];
      own = moments_merge(own, more, kind);
    }
    bar_sync(1, rows * columns);
  }
  return own;
}

/* to: the channel's place in the tile; planes are `channels` apart. */
DEV void partial_write(moments m, int kind, float *to, int channels) {
  if (kind != PARTIAL_MOMENTS) {
    to[0] = m.mean;
    return;
  }
  to[0] = m.count;
  to[channels] = m.mean;
  to[2 * channels] = m.squares;
}
#endif
