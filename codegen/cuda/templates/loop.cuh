/* loop.cuh: the kernel of map.cuh and window.cuh: walks the output points of a tile. Included again by each, so it has no guard.
 *
 * In: FN(point)(args, n, h, w, c, values), which computes and stores ROW channels from c on and gives ROW values to each partial; and
 *   OUT_N .. OUT_C, OUT_SAMPLES      output space; 1: axis N counts samples
 *   TILE_IMAGES, or else TILE_ROWS   a tile: whole images, or rows of one image (kernel.h)
 *   ROW                              channels that a thread takes at once, 1, 2, 4 or 8; they divide OUT_C (expr.h)
 *   TILE_C                           channels of a block, a multiple of ROW
 *   BLOCK_COLUMNS, BLOCK_ROWS        threads of a block, along channels and along pixels; powers of two
 *   KERNEL_PARTIALS, KERNEL_PARTIAL_KINDS, KERNEL_PARTIAL_OUTPUTS   how many, {PARTIAL_SUM, ..}, which outputs; then TILE_C is BLOCK_COLUMNS * ROW
 *
 * Block b takes channels [(b % cuts) * TILE_C, ..) of tile b / cuts. Threads along channels are neighbours, so that a warp reads and
 * writes whole lines; those of a column take pixels BLOCK_ROWS apart. Shared memory, if there are partials: 3 floats for each of half the threads and
 * each value. */

#if KERNEL_PARTIALS > 0
/* What the threads of a column hold becomes one in row 0, in a tree (as partial_merge_rows); all values at once, so there are two barriers a level. */
DEV void FN(merge)(moments *own, float *shared, int row, int column) {
  const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS;
#pragma unroll
  for (int half = BLOCK_ROWS / 2; half > 0; half /= 2) {
    const int apart = half * BLOCK_COLUMNS, at = row % half * BLOCK_COLUMNS + column; /* floats between two numbers of a value; of this thread or its partner */
#pragma unroll
    for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) {
      if (row < half || row >= 2 * half) continue;
      shared[(3 * k + 1) * apart + at] = own[k].mean;
      if (kinds[k / ROW] != PARTIAL_MOMENTS) continue;
      shared[3 * k * apart + at] = own[k].count;
      shared[(3 * k + 2) * apart + at] = own[k].squares;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) {
      const int whole = kinds[k / ROW] == PARTIAL_MOMENTS;
      moments more;
      if (row >= half) continue;
      more.count = whole ? shared[3 * k * apart + at] : 0.0f;
      more.mean = shared[(3 * k + 1) * apart + at];
      more.squares = whole ? shared[(3 * k + 2) * apart + at] : 0.0f;
      own[k] = moments_merge(own[k], more, kinds[k / ROW]);
    }
    __syncthreads();
  }
}
#endif

TEMPLATE_KERNEL(KERNEL_NAME, BLOCK_COLUMNS * BLOCK_ROWS, 1) {
  KERNEL_GUARD();
  const int column = (int)threadIdx.x % BLOCK_COLUMNS, row = (int)threadIdx.x / BLOCK_COLUMNS;
  const int cuts = (OUT_C + TILE_C - 1) / TILE_C, tile = (int)blockIdx.x / cuts, c0 = (int)blockIdx.x % cuts * TILE_C;
  const int row_cuts = TILE_IMAGES ? 1 : (OUT_H + TILE_ROWS - 1) / (TILE_IMAGES ? 1 : TILE_ROWS);
  const int image = TILE_IMAGES ? tile * TILE_IMAGES : tile / row_cuts, h0 = TILE_IMAGES ? 0 : tile % row_cuts * TILE_ROWS;
  const int rows = TILE_IMAGES ? TILE_IMAGES * OUT_H : int_min(TILE_ROWS, OUT_H - h0);
  const int limit = (OUT_SAMPLES ? int_min(args.step->valid, OUT_N) : OUT_N) * OUT_H;
  const int first = int_min(image * OUT_H + h0, limit), last = int_min(image * OUT_H + h0 + rows, limit);
  const int pixels = (last - first) * OUT_W, c_end = int_min(c0 + TILE_C, OUT_C);
  float values[PARTIALS_HELD * ROW];
  partial held[PARTIALS_HELD * ROW];
  int taken = 0;
  for (int pixel = row; pixel < pixels; pixel += BLOCK_ROWS) {
    const int at = first + pixel / OUT_W;
    for (int c = c0 + column * ROW; c < c_end; c += BLOCK_COLUMNS * ROW) {
      FN(point)(&args, at / OUT_H, at % OUT_H, pixel % OUT_W, c, values);
#if KERNEL_PARTIALS > 0
      const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS;
#pragma unroll
      for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) partial_take(&held[k], kinds[k / ROW], taken == 0, values[k]);
#endif
      taken++;
    }
  }
#if KERNEL_PARTIALS > 0
  const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS, outputs[PARTIALS_HELD] = KERNEL_PARTIAL_OUTPUTS;
  RGC_SHARED(shared);
  moments merged[PARTIALS_HELD * ROW];
#pragma unroll
  for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) merged[k] = partial_close(&held[k], kinds[k / ROW], taken);
  FN(merge)(merged, (float *)shared, row, column);
#pragma unroll
  for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) {
    const int kind = kinds[k / ROW], c = c0 + column * ROW + k % ROW;
    if (row == 0 && c < OUT_C) partial_write(merged[k], kind, args.outputs[outputs[k / ROW]] + (s64)tile * (kind == PARTIAL_MOMENTS ? 3 : 1) * OUT_C + c, OUT_C);
  }
#else
  (void)values;
  (void)held;
  (void)taken;
#endif
}
