/* contract_pixels.cuh: implicit GEMM in plain float32: convolutions, data gradients and linear layers, included once for each kernel.
 *
 *   acc[m, o] = sum over k = (tap, channel) of A[pixel m at tap, channel] * W[o, tap, channel];  m: output pixels of one residue
 *   (contract.cuh), o: output channels of one group
 *
 * In, as macros (all are undefined at the end):
 *   KERNEL_NAME
 *   OUT_N .. OUT_C, OUT_SAMPLES, A_N .. A_C, GROUPS, KERNEL_H, KERNEL_W, STRIDE, PAD, DILATION, TRANSPOSED, TAP_STEP   (contract.cuh)
 *   CONTRACT_A        float (args, n, h, w, c): A inside of its space, the prologue included
 *   CONTRACT_WEIGHT   number of the weight's operand, [O,KH,KW,I] as it lies; transposed: the forward weight, O are A's channels
 *   KERNEL_BODY       void (args, n, h, w, c, const float *acc, float *partial): the epilogue
 *   KERNEL_PARTIALS, KERNEL_PARTIAL_KINDS, KERNEL_PARTIAL_OUTPUTS   as in loop.cuh
 *   CONTRACT_TILED    1: block b has all pixels of tile b / column blocks (TILE_IMAGES or TILE_ROWS, as in loop.cuh), which it takes BLOCK_M at a
 *                     time; 0: BLOCK_M pixels of one residue, whichever images they are of
 *   BLOCK_M, BLOCK_N, BLOCK_K, THREAD_M, THREAD_N   pixels, channels and k of a block's step; pixels and channels of a thread. THREADS is 256
 *
 * A step copies A[BLOCK_K][BLOCK_M], through its prologue, and W[BLOCK_K][BLOCK_N] to shared memory: threads along k for A and the forward
 * weight (channels are neighbours in memory), along o for the transposed one. Then each thread adds THREAD_M x THREAD_N products a k from
 * registers. Rows of A are 2 floats longer than BLOCK_M, so that threads along k write to different banks. Points outside of A, pixels
 * past the last and k past the last are zeros: padding comes after the prologue. Order of a sum: k ascending. */
#include "codegen/cuda/templates/contract_names.cuh"
#define GROUP_OUT (OUT_C / GROUPS)
#define COLUMN_BLOCKS ((GROUP_OUT + BLOCK_N - 1) / BLOCK_N)
#define ROW (BLOCK_M + 2)
#define COLUMN_THREADS (BLOCK_N / THREAD_N)
#define LOADS_A (BLOCK_M * BLOCK_K / THREADS)
#define LOADS_W ((BLOCK_N * BLOCK_K + THREADS - 1) / THREADS)

/* Where a block works: pixels of images [image, image + images), rows and columns of a residue; channels [channel, ..) of a group. */
typedef struct FN(place) {
  contract_axis h, w;
  int first_h, first_w; /* output row of class row 0, and column */
  int image, images;
  int group, channel;
} FN(place);

DEV float FN(weight)(const kernel_args *args, const FN(place) *at, int o, int k) {
  const float *weight = args->operands[CONTRACT_WEIGHT];
  const int tap = k / GROUP_A, c = k % GROUP_A, r = at->h.first + tap / at->w.count * TAP_STEP, s = at->w.first + tap % at->w.count * TAP_STEP;
  if (TRANSPOSED) return weight[(((at->group * GROUP_A + c) * KERNEL_H + r) * KERNEL_W + s) * GROUP_OUT + o];
  return weight[(((at->group * GROUP_OUT + o) * KERNEL_H + r) * KERNEL_W + s) * GROUP_A + c];
}

DEV void FN(load_weights)(const kernel_args *args, const FN(place) *at, int k0, int k_end, float *to) {
  for (int i = 0; i < LOADS_W; i++) {
    const int e = (int)threadIdx.x + i * THREADS, kk = TRANSPOSED ? e / BLOCK_N : e % BLOCK_K, o = TRANSPOSED ? e % BLOCK_N : e / BLOCK_K;
    const int inside = k0 + kk < k_end && at->channel + o < GROUP_OUT;
    if (e < BLOCK_N * BLOCK_K) to[kk * BLOCK_N + o] = inside ? FN(weight)(args, at, at->channel + o, k0 + kk) : 0.0f;
  }
}

/* The products of BLOCK_M pixels from m0 on; acc: this thread's. */
DEV void FN(sum)(const kernel_args *args, const FN(place) *at, int m0, float *tile, float acc[THREAD_M][THREAD_N]) {
  float *tile_w = tile + BLOCK_K * ROW;
  const int tid = (int)threadIdx.x, kk = tid % BLOCK_K, row = tid / COLUMN_THREADS * THREAD_M, column = tid % COLUMN_THREADS;
  const int points = at->h.points * at->w.points * at->images, k_end = at->h.count * at->w.count * GROUP_A;
  int n[LOADS_A], ih[LOADS_A], iw[LOADS_A];
  for (int i = 0; i < LOADS_A; i++) {
    const int m = m0 + tid / BLOCK_K + i * (THREADS / BLOCK_K), image_points = int_max(1, at->h.points * at->w.points), p = m % image_points;
    n[i] = m < points ? at->image + m / image_points : -1;
    ih[i] = p / int_max(1, at->w.points) * A_STEP + at->h.origin;
    iw[i] = p % int_max(1, at->w.points) * A_STEP + at->w.origin;
  }
  for (int i = 0; i < THREAD_M; i++)
    for (int j = 0; j < THREAD_N; j++) acc[i][j] = 0.0f;
  for (int k0 = 0; k0 < k_end; k0 += BLOCK_K) {
    const int k = k0 + kk, tap = k / GROUP_A, c = k % GROUP_A, down = tap / at->w.count * A_TAP_STEP, right = tap % at->w.count * A_TAP_STEP;
    for (int i = 0; i < LOADS_A; i++) {
      const int h = ih[i] + down, w = iw[i] + right, inside = n[i] >= 0 && k < k_end && h >= 0 && h < A_H && w >= 0 && w < A_W;
      tile[kk * ROW + tid / BLOCK_K + i * (THREADS / BLOCK_K)] = inside ? CONTRACT_A(args, n[i], h, w, at->group * GROUP_A + c) : 0.0f;
    }
    FN(load_weights)(args, at, k0, k_end, tile_w);
    __syncthreads();
#pragma unroll 4
    for (int step = 0; step < BLOCK_K; step++) {
      float a[THREAD_M], b[THREAD_N];
      for (int i = 0; i < THREAD_M; i++) a[i] = tile[step * ROW + row + i];
      for (int j = 0; j < THREAD_N; j++) b[j] = tile_w[step * BLOCK_N + column + j * COLUMN_THREADS];
      for (int i = 0; i < THREAD_M; i++)
        for (int j = 0; j < THREAD_N; j++) acc[i][j] = fmaf(a[i], b[j], acc[i][j]);
    }
    __syncthreads();
  }
}

/* The epilogue of this thread's sums; `taken` counts its pixels so far. */
DEV void FN(store)(const kernel_args *args, const FN(place) *at, int m0, float acc[THREAD_M][THREAD_N], partial *held, int *taken) {
  const int row = (int)threadIdx.x / COLUMN_THREADS * THREAD_M, column = (int)threadIdx.x % COLUMN_THREADS;
  const int image_points = at->h.points * at->w.points, points = image_points * at->images;
  for (int i = 0; i < THREAD_M && m0 + row + i < points; i++) {
    const int m = m0 + row + i, p = m % image_points, n = at->image + m / image_points;
    const int h = p / at->w.points * OUT_STEP + at->first_h, w = p % at->w.points * OUT_STEP + at->first_w;
    for (int j = 0; j < THREAD_N; j++) {
      const int o = at->channel + column + j * COLUMN_THREADS;
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
  const int row = (int)threadIdx.x / COLUMN_THREADS, column = (int)threadIdx.x % COLUMN_THREADS;
  for (int j = 0; j < THREAD_N; j++)
    for (int k = 0; k < KERNEL_PARTIALS; k++) {
      const int o = at->channel + column + j * COLUMN_THREADS;
      moments m = partial_close(&held[j * PARTIALS_HELD + k], kinds[k], taken);
      m = partial_merge_rows(m, kinds[k], shared, row, column, BLOCK_M / THREAD_M, COLUMN_THREADS);
      if (row == 0 && o < GROUP_OUT)
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
#undef ROW
#undef COLUMN_THREADS
#undef LOADS_A
#undef LOADS_W
#include "codegen/cuda/templates/contract_names_end.cuh"
