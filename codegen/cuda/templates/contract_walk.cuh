/* contract_walk.cuh: the kernel of the templates for contracts over pixels: which pixels and channels a block has, its epilogue and partials.
 *
 *   acc[m, o] = sum over k = (tap, channel) of A[pixel m at tap, channel] * W[o, tap, channel];  m: output pixels of one residue
 *   (contract.cuh), o: output channels of one group
 *
 * Included by them, so it has no guard. They give FN(sum)(args, place, m0, shared, acc), the sums of BLOCK_M pixels from m0 on, after
 * which shared memory is free; FN(own_row), FN(own_column): which of them a thread has. Shared memory: BLOCK_M * SUMS_ROW floats; also 3 floats a
 * thread, if there are partials. In, as macros:
 *   KERNEL_NAME
 *   OUT_N .. OUT_C, OUT_SAMPLES, A_N .. A_C, GROUPS, KERNEL_H, KERNEL_W, STRIDE, PAD, DILATION, TRANSPOSED, TAP_STEP   (contract.cuh)
 *   CONTRACT_A        float (args, n, h, w, c): A inside of its space, the prologue included
 *   CONTRACT_WEIGHT   number of the weight's operand, [O,KH,KW,I] as it lies; transposed: the forward weight, O are A's channels
 *   KERNEL_BODY       void (args, n, h, w, c, const float *acc, float *partial): the epilogue of ROW channels from c on, which are 1, or 2
 *                     where those of a group are even
 *   KERNEL_PARTIALS, KERNEL_PARTIAL_KINDS, KERNEL_PARTIAL_OUTPUTS   as in loop.cuh
 *   CONTRACT_TILED    1: block b has all pixels of tile b / column blocks (TILE_IMAGES or TILE_ROWS, as in loop.cuh), which it takes BLOCK_M at a
 *                     time; 0: BLOCK_M pixels of one residue, whichever images they are of
 *   BLOCK_M, BLOCK_N, THREAD_M, THREAD_N   pixels and channels of a block's step, and of a thread
 * Points outside of A, pixels past the last and k past the last are zeros: padding comes after the prologue. */
#define SUMS_ROW (BLOCK_N + 8)
#define COLUMN_THREADS_OUT (BLOCK_N / ROW)
#define MERGE_ROWS (THREADS / COLUMN_THREADS_OUT)
#define OWN_COLUMN_OUT ((int)threadIdx.x % COLUMN_THREADS_OUT * ROW)

/* The sums of a block, in shared memory: there a warp has neighbouring channels of one pixel, so that the epilogue reads and writes
 * whole lines, once a line of code. */
DEV void FN(put)(float acc[THREAD_M][THREAD_N], float *tile) {
#pragma unroll
  for (int i = 0; i < THREAD_M; i++)
#pragma unroll
    for (int j = 0; j < THREAD_N; j++) tile[FN(own_row)(i) * SUMS_ROW + FN(own_column)(j)] = acc[i][j];
}

/* ROW sums of a pixel. */
DEV void FN(read_sums)(const float *from, float *sums) {
#if ROW == 2
  const uint2 pair = lds_v2(smem_u32(from));
  sums[0] = __uint_as_float(pair.x), sums[1] = __uint_as_float(pair.y);
#else
  sums[0] = from[0];
#endif
}

/* The epilogue; `taken` counts this thread's pixels so far. */
DEV void FN(finish)(const kernel_args *args, const FN(place) *at, int m0, const float *tile, partial *held, int *taken) {
  const int image_points = int_max(1, at->h.points * at->w.points), columns = int_max(1, at->w.points);
  const int o = at->channel + OWN_COLUMN_OUT;
  const int rows = o < GROUP_OUT ? int_min(BLOCK_M, at->h.points * at->w.points * at->images - m0) : 0;
#pragma unroll 1
  for (int row = (int)threadIdx.x / COLUMN_THREADS_OUT; row < rows; row += MERGE_ROWS) {
    const int p = (m0 + row) % image_points, n = at->image + (m0 + row) / image_points;
    const int h = p / columns * OUT_STEP + at->first_h, w = p % columns * OUT_STEP + at->first_w;
    float sums[ROW], values[PARTIALS_HELD * ROW];
    FN(read_sums)(tile + row * SUMS_ROW + OWN_COLUMN_OUT, sums);
    KERNEL_BODY(args, n, h, w, at->group * GROUP_OUT + o, sums, values);
#if KERNEL_PARTIALS > 0
    const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS;
    for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) partial_take(&held[k], kinds[k / ROW], *taken == 0, values[k]);
#else
    (void)held;
    (void)values;
#endif
    (*taken)++;
  }
}

/* BLOCK_M pixels from m0 on. */
DEV void FN(chunk)(const kernel_args *args, const FN(place) *at, int m0, float *shared, partial *held, int *taken) {
  float acc[THREAD_M][THREAD_N];
  FN(sum)(args, at, m0, shared, acc);
  FN(put)(acc, shared);
  __syncthreads();
  FN(finish)(args, at, m0, shared, held, taken);
  __syncthreads();
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
  const int row = (int)threadIdx.x / COLUMN_THREADS_OUT, column = (int)threadIdx.x % COLUMN_THREADS_OUT, o = at->channel + OWN_COLUMN_OUT;
  for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) {
    const int kind = kinds[k / ROW], own = at->group * GROUP_OUT + o + k % ROW;
    moments m = partial_close(&held[k], kind, taken);
    m = partial_merge_rows(m, kind, shared, row, column, MERGE_ROWS, COLUMN_THREADS_OUT);
    if (row == 0 && o < GROUP_OUT) partial_write(m, kind, args->outputs[outputs[k / ROW]] + (s64)tile * (kind == PARTIAL_MOMENTS ? 3 : 1) * OUT_C + own, OUT_C);
  }
}
#endif

TEMPLATE_KERNEL(KERNEL_NAME, THREADS, 2) {
  RGC_SHARED(shared);
  const int columns = GROUPS * COLUMN_BLOCKS, number = (int)blockIdx.x / columns, samples = OUT_SAMPLES ? int_min(args.step->valid, OUT_N) : OUT_N;
  FN(place) at;
  partial held[PARTIALS_HELD * ROW];
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
    for (int m0 = 0; m0 < at.images * at.h.points * at.w.points; m0 += BLOCK_M) FN(chunk)(&args, &at, m0, (float *)shared, held, &taken);
  }
#else
  const int residue_blocks = (OUT_N * ((OUT_H + OUT_STEP - 1) / OUT_STEP) * ((OUT_W + OUT_STEP - 1) / OUT_STEP) + BLOCK_M - 1) / BLOCK_M;
  at.image = 0;
  at.images = samples;
  FN(enter_residue)(&at, number / residue_blocks, 0, OUT_H);
  const int m0 = number % residue_blocks * BLOCK_M;
  if (m0 >= samples * at.h.points * at.w.points) return;
  FN(chunk)(&args, &at, m0, (float *)shared, held, &taken);
#endif
#if KERNEL_PARTIALS > 0
  FN(write_partials)(&args, &at, number, held, taken, (float *)shared);
#endif
}

#undef SUMS_ROW
#undef COLUMN_THREADS_OUT
#undef MERGE_ROWS
#undef OWN_COLUMN_OUT
#undef GROUP_OUT
#undef COLUMN_BLOCKS
