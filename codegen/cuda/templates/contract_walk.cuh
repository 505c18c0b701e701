/* contract_walk.cuh: the kernel of the templates for contracts over pixels: which pixels and channels a block has, its epilogue and partials.
 *
 *   acc[m, o] = sum over k = (tap, channel) of A[pixel m at tap, channel] * W[o, tap, channel];  m: output pixels of one residue
 *   (contract.cuh), o: output channels of one group
 *
 * Included by them, so it has no guard. They give FN(sum)(args, place, m0, shared, acc), the sums of BLOCK_M pixels from m0 on;
 * FN(own_row), FN(own_column): which of them a thread has; FN(merge_row), FN(merge_column): its place among those of the same columns. In,
 * as macros:
 *   KERNEL_NAME
 *   OUT_N .. OUT_C, OUT_SAMPLES, A_N .. A_C, GROUPS, KERNEL_H, KERNEL_W, STRIDE, PAD, DILATION, TRANSPOSED, TAP_STEP   (contract.cuh)
 *   CONTRACT_A        float (args, n, h, w, c): A inside of its space, the prologue included
 *   CONTRACT_WEIGHT   number of the weight's operand, [O,KH,KW,I] as it lies; transposed: the forward weight, O are A's channels
 *   KERNEL_BODY       void (args, n, h, w, c, const float *acc, float *partial): the epilogue
 *   KERNEL_PARTIALS, KERNEL_PARTIAL_KINDS, KERNEL_PARTIAL_OUTPUTS   as in loop.cuh
 *   CONTRACT_TILED    1: block b has all pixels of tile b / column blocks (TILE_IMAGES or TILE_ROWS, as in loop.cuh), which it takes BLOCK_M at a
 *                     time; 0: BLOCK_M pixels of one residue, whichever images they are of
 *   BLOCK_M, BLOCK_N, THREAD_M, THREAD_N   pixels and channels of a block's step, and of a thread
 * Points outside of A, pixels past the last and k past the last are zeros: padding comes after the prologue. */

/* The epilogue of this thread's sums; `taken` counts its pixels so far. */
DEV void FN(store)(const kernel_args *args, const FN(place) *at, int m0, float acc[THREAD_M][THREAD_N], partial *held, int *taken) {
  const int image_points = int_max(1, at->h.points * at->w.points), points = at->h.points * at->w.points * at->images;
#pragma unroll
  for (int i = 0; i < THREAD_M; i++) {
    const int m = m0 + FN(own_row)(i), p = m % image_points, n = at->image + m / image_points;
    if (m >= points) continue;
    const int h = p / at->w.points * OUT_STEP + at->first_h, w = p % at->w.points * OUT_STEP + at->first_w;
#pragma unroll
    for (int j = 0; j < THREAD_N; j++) {
      const int o = at->channel + FN(own_column)(j);
      float values[PARTIALS_HELD];
      if (o >= GROUP_OUT) continue;
      KERNEL_BODY(args, n, h, w, at->group * GROUP_OUT + o, &acc[i][j], values);
#if KERNEL_PARTIALS > 0
      const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS;
      for (int k = 0; k < KERNEL_PARTIALS; k++) partial_take(&held[j * PARTIALS_HELD + k], kinds[k], *taken == 0, values[k]);
#else
      (void)held;
      (void)values;
#endif
    }
    (*taken)++;
  }
}

/* Residue `number` of rows [h0, h1). */
DEV void FN(enter_residue)(FN(place) *at, int number, int h0, int h1) {
  at->first_h = h0 + number / OUT_STEP;
  at->first_w = number % OUT_STEP;
  at->h = contract_reach(number / OUT_STEP, h0, h1, KERNEL_H, STRIDE, PAD, DILATION, TAP_STEP, TRANSPOSED);
  at->w = contract_reach(number % OUT_STEP, 0, OUT_W, KERNEL_W, STRIDE, PAD, DILATION, TAP_STEP, TRANSPOSED);
}

#if KERNEL_PARTIALS > 0
DEV void FN(write_partials)(const kernel_args *args, const FN(place) *at, int tile, const partial *held, int taken, float *shared) {
  const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS, outputs[PARTIALS_HELD] = KERNEL_PARTIAL_OUTPUTS;
#pragma unroll
  for (int j = 0; j < THREAD_N; j++)
    for (int k = 0; k < KERNEL_PARTIALS; k++) {
      const int o = at->channel + FN(own_column)(j);
      moments m = partial_close(&held[j * PARTIALS_HELD + k], kinds[k], taken);
      m = partial_merge_rows(m, kinds[k], shared, FN(merge_row)(), FN(merge_column)(), BLOCK_M / THREAD_M, BLOCK_N / THREAD_N);
      if (FN(merge_row)() == 0 && o < GROUP_OUT)
        partial_write(m, kinds[k], args->outputs[outputs[k]] + (s64)tile * (kinds[k] == PARTIAL_MOMENTS ? 3 : 1) * OUT_C + at->group * GROUP_OUT + o, OUT_C);
    }
}
#endif

TEMPLATE_KERNEL(KERNEL_NAME, THREADS, 1) {
  RGC_SHARED(shared);
  const int columns = GROUPS * COLUMN_BLOCKS, number = (int)blockIdx.x / columns, samples = OUT_SAMPLES ? int_min(args.step->valid, OUT_N) : OUT_N;
  FN(place) at;
  float acc[THREAD_M][THREAD_N];
  partial held[PARTIALS_HELD * THREAD_N];
  int taken = 0;
  at.group = (int)blockIdx.x % columns / COLUMN_BLOCKS;
  at.channel = (int)blockIdx.x % COLUMN_BLOCKS * BLOCK_N;
#if CONTRACT_TILED
  const int row_cuts = TILE_IMAGES ? 1 : (OUT_H + TILE_ROWS - 1) / (TILE_IMAGES ? 1 : TILE_ROWS);
  const int h0 = TILE_IMAGES ? 0 : number % row_cuts * TILE_ROWS, h1 = TILE_IMAGES ? OUT_H : int_min(OUT_H, h0 + TILE_ROWS);
  at.image = TILE_IMAGES ? number * TILE_IMAGES : number / row_cuts;
  at.images = int_max(0, int_min(TILE_IMAGES ? TILE_IMAGES : 1, samples - at.image));
  for (int residue = 0; residue < OUT_STEP * OUT_STEP; residue++) {
    FN(enter_residue)(&at, residue, h0, h1);
    for (int m0 = 0; m0 < at.images * at.h.points * at.w.points; m0 += BLOCK_M) {
      FN(sum)(&args, &at, m0, (float *)shared, acc);
      FN(store)(&args, &at, m0, acc, held, &taken);
    }
  }
#else
  const int residue_blocks = (OUT_N * ((OUT_H + OUT_STEP - 1) / OUT_STEP) * ((OUT_W + OUT_STEP - 1) / OUT_STEP) + BLOCK_M - 1) / BLOCK_M;
  at.image = 0;
  at.images = samples;
  FN(enter_residue)(&at, number / residue_blocks, 0, OUT_H);
  const int m0 = number % residue_blocks * BLOCK_M;
  if (m0 >= samples * at.h.points * at.w.points) return;
  FN(sum)(&args, &at, m0, (float *)shared, acc);
  FN(store)(&args, &at, m0, acc, held, &taken);
#endif
#if KERNEL_PARTIALS > 0
  FN(write_partials)(&args, &at, number, held, taken, (float *)shared);
#endif
}

#undef GROUP_OUT
#undef COLUMN_BLOCKS
