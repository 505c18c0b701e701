/* contract_walk.cuh: what the templates for contracts over pixels share: which pixels and channels a block has, its epilogue and partials.
 *
 *   acc[m, o] = sum over k = (tap, channel) of A[pixel m at tap, channel] * W[o, tap, channel];  m: output pixels of one residue
 *   (contract.cuh), o: output channels of one group
 *
 * Included by them, so it has no guard; contract_walk_end.cuh ends it. Shared memory: BLOCK_M * SUMS_ROW floats for the sums; also 3 floats a
 * thread, if there are partials. THREADS of the block take part. In, as macros:
 *   KERNEL_NAME
 *   OUT_N .. OUT_C, OUT_SAMPLES, A_N .. A_C, GROUPS, KERNEL_H, KERNEL_W, STRIDE, PAD, DILATION, TRANSPOSED, TAP_STEP   (contract.cuh)
 *   CONTRACT_A        float (args, n, h, w, c): A inside of its space, the prologue included
 *   CONTRACT_WEIGHT   number of the weight's operand, [O,KH,KW,I] as it lies; transposed: the forward weight, O are A's channels
 *   KERNEL_BODY       void (args, n, h, w, c, const float *acc, float *partial): the epilogue of ROW channels from c on, which are 1, or 2
 *                     where those of a group are even
 *   KERNEL_PARTIALS, KERNEL_PARTIAL_KINDS, KERNEL_PARTIAL_OUTPUTS   as in loop.cuh
 *   CONTRACT_TILED    1: block b has all pixels of tile b / column blocks (TILE_IMAGES or TILE_ROWS, as in loop.cuh), which it takes BLOCK_M at a
 *                     time; 0: BLOCK_M pixels of one residue, whichever images they are of
 *   BLOCK_M, BLOCK_N, THREAD_M, THREAD_N   pixels and channels of a chunk, and of a thread
 * Points outside of A, pixels past the last and k past the last are zeros: padding comes after the prologue. */
#define SUMS_ROW (BLOCK_N + 8)
#define COLUMN_THREADS_OUT (BLOCK_N / ROW)
#define MERGE_ROWS (THREADS / COLUMN_THREADS_OUT)
#define OWN_COLUMN_OUT ((int)threadIdx.x % COLUMN_THREADS_OUT * ROW)

/* ROW sums of a pixel. */
DEV void FN(read_sums)(const float *from, float *sums) {
#if ROW == 2
  const uint2 pair = lds_v2(smem_u32(from));
  sums[0] = __uint_as_float(pair.x), sums[1] = __uint_as_float(pair.y);
#else
  sums[0] = from[0];
#endif
}

/* The epilogue of a chunk, whose sums are in shared memory: there a warp has neighbouring channels of one pixel, so that it reads and writes
 * whole lines, once a line of code. `taken` counts this thread's pixels so far. */
DEV void FN(finish)(const kernel_args *args, const FN(place) *at, const float *tile, partial *held, int *taken) {
  const int columns = FN(row_points)(at);
  const int o = at->channel + OWN_COLUMN_OUT;
  const int rows = o < GROUP_OUT ? int_min(BLOCK_M, FN(points)(at) - at->m0) : 0;
#pragma unroll 1
  for (int row = (int)threadIdx.x / COLUMN_THREADS_OUT; row < rows; row += MERGE_ROWS) {
    int n, p;
    FN(split_pixel)(at, at->m0 + row, &n, &p);
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

DEV void FN(enter_residue)(FN(place) *at, int number) {
  at->residue = number;
  at->first_h = at->begin + number / OUT_STEP;
  at->first_w = number % OUT_STEP;
  at->h = contract_reach(number / OUT_STEP, at->begin, at->end, KERNEL_H, STRIDE, PAD, DILATION, TAP_STEP, TRANSPOSED);
  at->w = contract_reach(number % OUT_STEP, 0, OUT_W, KERNEL_W, STRIDE, PAD, DILATION, TAP_STEP, TRANSPOSED);
}

/* The block's chunks: `for (int more = FN(first)(args, &at); more; more = FN(next)(&at))`, each BLOCK_M pixels from at.m0 on of one residue.
 * With CONTRACT_TILED all pixels of a tile, residue by residue; else one chunk. */
#if CONTRACT_TILED
DEV int FN(next)(FN(place) *at) {
  at->m0 += BLOCK_M;
  while (at->m0 >= FN(points)(at)) {
    if (at->residue == OUT_STEP * OUT_STEP - 1) return 0;
    FN(enter_residue)(at, at->residue + 1);
    at->m0 = 0;
  }
  return 1;
}
#else
DEV int FN(next)(FN(place) *at) {
  (void)at;
  return 0;
}
#endif

/* All of a place but its residue and m0. */
DEV void FN(find_place)(const kernel_args *args, FN(place) *at) {
  const int columns = GROUPS * COLUMN_BLOCKS, block = block_number(), number = block / columns;
  const int samples = OUT_SAMPLES ? int_min(args->step->valid, OUT_N) : OUT_N;
  at->group = block % columns / COLUMN_BLOCKS;
  at->channel = block % COLUMN_BLOCKS * BLOCK_N;
  at->tile = number;
#if CONTRACT_TILED
  const int row_cuts = TILE_IMAGES ? 1 : (OUT_H + TILE_ROWS - 1) / (TILE_IMAGES ? 1 : TILE_ROWS);
  at->begin = TILE_IMAGES ? 0 : number % row_cuts * TILE_ROWS;
  at->end = TILE_IMAGES ? OUT_H : int_min(OUT_H, at->begin + TILE_ROWS);
  at->image = TILE_IMAGES ? number * TILE_IMAGES : number / row_cuts;
  at->images = int_max(0, int_min(TILE_IMAGES ? TILE_IMAGES : 1, samples - at->image));
#else
  at->begin = 0;
  at->end = OUT_H;
  at->image = 0;
  at->images = samples;
#endif
}

DEV int FN(first)(const kernel_args *args, FN(place) *at) {
  FN(find_place)(args, at);
#if CONTRACT_TILED
  FN(enter_residue)(at, 0);
  at->m0 = -BLOCK_M;
  return FN(next)(at);
#else
  const int residue_blocks = (OUT_N * ((OUT_H + OUT_STEP - 1) / OUT_STEP) * ((OUT_W + OUT_STEP - 1) / OUT_STEP) + BLOCK_M - 1) / BLOCK_M;
  FN(enter_residue)(at, at->tile / residue_blocks);
  at->m0 = at->tile % residue_blocks * BLOCK_M;
  return at->m0 < FN(points)(at);
#endif
}

#if KERNEL_PARTIALS > 0
DEV void FN(write_partials)(const kernel_args *args, const FN(place) *at, const partial *held, int taken, float *shared) {
  const int kinds[PARTIALS_HELD] = KERNEL_PARTIAL_KINDS, outputs[PARTIALS_HELD] = KERNEL_PARTIAL_OUTPUTS;
  const int row = (int)threadIdx.x / COLUMN_THREADS_OUT, column = (int)threadIdx.x % COLUMN_THREADS_OUT, o = at->channel + OWN_COLUMN_OUT;
  for (int k = 0; k < KERNEL_PARTIALS * ROW; k++) {
    const int kind = kinds[k / ROW], own = at->group * GROUP_OUT + o + k % ROW;
    moments m = partial_close(&held[k], kind, taken);
    m = partial_merge_rows(m, kind, shared, row, column, MERGE_ROWS, COLUMN_THREADS_OUT);
    if (row == 0 && o < GROUP_OUT) partial_write(m, kind, args->outputs[outputs[k / ROW]] + (s64)at->tile * (kind == PARTIAL_MOMENTS ? 3 : 1) * OUT_C + own, OUT_C);
  }
}
#endif
