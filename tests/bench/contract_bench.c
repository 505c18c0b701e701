/* contract_bench.c: times the contract templates on the shapes of ResNet-50, batch 4, one core, beside the FMA peak.
 *
 * Nothing is asserted. Kernels are those codegen would choose: BN and ReLU in the prologue; a store and moments in the
 * epilogue of the forward contract, a mask and a sum in that of the data gradient. 1x1 stride 1 is flattened to
 * strips of rows. Percentages are of the peak measured in the same run, medians of REPEATS, in CPU time, so that a busy
 * machine disturbs less; padding taps count as work.
 * Build: cc -std=gnu17 -O3 -march=native -ffp-contract=off -I. tests/bench/contract_bench.c -lm */
#include <stdio.h>

#ifdef __AVX512F__
#define WIDE 14
#define WINOGRAD_EIGHT 8
#define BROAD_BLOCK 8
#else
#define WIDE 6
#define WINOGRAD_EIGHT 4
#define BROAD_BLOCK 4
#endif
#include "tests/unit/contract_expressions.h"
#include "tests/unit/contract_reference.h"

enum { REPEATS = 7, BATCH = 4, PEAK_CHAINS = 12, PEAK_STEPS = 4000000 };

INLINE void store_and_moments(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o, int64_t count, vec acc,
                              vec *partial) {
  float *to = args->outputs[0] + ((n * args->out_h + h) * args->out_w + w) * args->out_c + o;
  vec_store_part(to, acc, count);
  partial[0] = acc;
}

INLINE void store_masked(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o, int64_t count, vec acc,
                         vec *partial) {
  int64_t at = ((n * args->out_h + h) * args->out_w + w) * args->out_c + o;
  vec y = vec_load_part(args->operands[5] + at, count);
  acc = vec_keep(acc, y > (vec){0});
  vec_store_part(args->outputs[0] + at, acc, count);
  partial[0] = acc;
}

INLINE void prefetch_output(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o) {
  __builtin_prefetch(args->outputs[0] + ((n * args->out_h + h) * args->out_w + w) * args->out_c + o, 1, 3);
}

INLINE void prefetch_masked(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t o) {
  prefetch_output(args, n, h, w, o);
  __builtin_prefetch(args->operands[5] + ((n * args->out_h + h) * args->out_w + w) * args->out_c + o, 0, 3);
}

#define CONTRACT_NAME forward_row
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WIDE
#define CONTRACT_ROWS 1
#define CONTRACT_PIXEL_STRIDE 1
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_and_moments
#define CONTRACT_PREFETCH prefetch_output
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME forward_pair
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH (WIDE / 2)
#define CONTRACT_ROWS 2
#define CONTRACT_PIXEL_STRIDE 1
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_and_moments
#define CONTRACT_PREFETCH prefetch_output
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME forward_strided
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WIDE
#define CONTRACT_ROWS 1
#define CONTRACT_PIXEL_STRIDE 2
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_and_moments
#define CONTRACT_PREFETCH prefetch_output
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME backward_row
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WIDE
#define CONTRACT_ROWS 1
#define CONTRACT_PIXEL_STRIDE 1
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_masked
#define CONTRACT_PREFETCH prefetch_masked
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_SUM}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME backward_pair
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH (WIDE / 2)
#define CONTRACT_ROWS 2
#define CONTRACT_PIXEL_STRIDE 1
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_masked
#define CONTRACT_PREFETCH prefetch_masked
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_SUM}
#include "codegen/cpu/templates/contract_pixels.h"

#define CONTRACT_NAME forward_winograd
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WIDE
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_and_moments
#define CONTRACT_PREFETCH prefetch_output
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS}
#include "codegen/cpu/templates/contract_winograd.h"

#define CONTRACT_NAME forward_winograd_8
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WINOGRAD_EIGHT
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_and_moments
#define CONTRACT_PREFETCH prefetch_output
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_MOMENTS}
#include "codegen/cpu/templates/contract_winograd.h"

#define CONTRACT_NAME backward_winograd
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WIDE
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_masked
#define CONTRACT_PREFETCH prefetch_masked
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_SUM}
#include "codegen/cpu/templates/contract_winograd.h"

#define CONTRACT_NAME backward_winograd_8
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK 16
#define CONTRACT_WIDTH WINOGRAD_EIGHT
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_EPILOGUE store_masked
#define CONTRACT_PREFETCH prefetch_masked
#define CONTRACT_PARTIALS 1
#define CONTRACT_PARTIAL_KINDS {CONTRACT_SUM}
#include "codegen/cpu/templates/contract_winograd.h"

#define CONTRACT_NAME weights_row
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK BROAD_BLOCK
#define CONTRACT_PIXEL_STRIDE 1
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights.h"

#define CONTRACT_NAME weights_strided
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK BROAD_BLOCK
#define CONTRACT_PIXEL_STRIDE 2
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights.h"

#define CONTRACT_NAME weights_patched
#define CONTRACT_VECTORS 2
#define CONTRACT_BLOCK BROAD_BLOCK
#define CONTRACT_PROLOGUE relu_affine
#define CONTRACT_B_PROLOGUE output_gradient
#define CONTRACT_EPILOGUE store_weight
#include "codegen/cpu/templates/contract_weights_winograd.h"

typedef struct shape {
  int64_t extent, in, out, size, stride;
  int64_t rows, images; /* of a forward tile */
  int64_t winograd_rows, winograd_images; /* 0: no Winograd */
} shape;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* GFLOP/s of independent FMA chains; with their two operands they fit 16 registers. */
static double measure_peak(void) {
  double best = 0;
  for (int repeat = 0; repeat < REPEATS; repeat++) {
    vec acc[PEAK_CHAINS], x = vec_set(0.999f), y = vec_set(random_float());
    UNROLL_ALL for (int k = 0; k < PEAK_CHAINS; k++) acc[k] = vec_set((float)k);
    double start = seconds();
    for (int64_t i = 0; i < PEAK_STEPS; i++) {
      UNROLL_ALL for (int k = 0; k < PEAK_CHAINS; k++) {
        acc[k] = vec_fma(acc[k], x, y);
        __asm__ volatile("" : "+v"(acc[k])); /* keeps the chains apart and in place */
      }
    }
    double rate = 2e-9 * PEAK_STEPS * PEAK_CHAINS * CONTRACT_LANES / (seconds() - start);
    best = rate > best ? rate : best;
  }
  return best;
}

static int compare_doubles(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

typedef void (*kernel_function)(const void *args, int64_t tile, void *slab);

/* Median seconds of all tiles. */
static double time_tiles(kernel_function run, const contract_args *args, int64_t tiles, int64_t slab_floats) {
  double times[REPEATS];
  float *slab = new_random(slab_floats);
  for (int repeat = -1; repeat < REPEATS; repeat++) {
    double start = seconds();
    for (int64_t tile = 0; tile < tiles; tile++) run(args, tile, slab);
    if (repeat >= 0) times[repeat] = seconds() - start;
  }
  free(slab);
  qsort(times, REPEATS, sizeof *times, compare_doubles);
  return times[REPEATS / 2];
}

static contract_args describe(const shape *shape, int64_t in, int64_t out, int64_t extent, int64_t out_extent) {
  contract_args args = {.valid = BATCH, .a_h = extent, .a_w = extent, .a_c = in, .out_h = out_extent, .out_w = out_extent,
                        .out_c = out, .groups = 1, .kernel_h = shape->size, .kernel_w = shape->size,
                        .stride = shape->stride, .pad = shape->size / 2, .dilation = 1,
                        .tile_rows = shape->rows, .tile_images = shape->images};
  args.panels_together = (1 << 16) / (in * shape->size * shape->size * 2 * CONTRACT_LANES);
  if (shape->size == 1 && shape->stride == 1) {
    args.a_w = args.out_w = extent * shape->rows * shape->images; /* strips of rows, as images of one row */
    args.valid = BATCH * extent / (shape->rows * shape->images);
    args.a_h = args.out_h = args.tile_rows = args.tile_images = 1;
  }
  return args;
}

static void add_data(contract_args *args) {
  int64_t a = args->valid * args->a_h * args->a_w * args->a_c, out = args->valid * args->out_h * args->out_w * args->out_c;
  args->operands[0] = new_random(a);
  args->operands[1] = new_random(args->a_c);
  args->operands[2] = new_random(args->a_c);
  args->operands[4] = new_random(out);
  args->operands[5] = new_random(out);
  args->weight = new_random(args->a_c * (args->out_c + 64) * args->kernel_h * args->kernel_w);
  args->outputs[0] = new_random(out > args->a_c * args->out_c * 9 ? out : args->a_c * args->out_c * 9);
  args->b_streams[0] = 4;
  args->stream_count = args->b_stream_count = 1;
  args->partials[0] = new_random(args->valid * args->out_h * 3 * args->out_c);
}

static void drop_data(contract_args *args) {
  for (int i = 0; i < 6; i++) free((void *)args->operands[i]);
  free((void *)args->weight), free(args->outputs[0]), free(args->partials[0]);
}

static double bench_forward(const shape *shape) {
  contract_args args = describe(shape, shape->in, shape->out, shape->extent, shape->extent / shape->stride);
  contract_plan(&args);
  add_data(&args);
  int64_t tiles = forward_row_tile_count(&args, args.valid), floats = forward_row_slab_floats(&args);
  kernel_function run = args.out_w < WIDE ? forward_pair : args.a_step != args.slab_step ? forward_strided : forward_row;
  double time = time_tiles(run, &args, tiles, floats + 4096);
  drop_data(&args);
  return time;
}

static double bench_data_gradient(const shape *shape) {
  contract_args args = describe(shape, shape->out, shape->in, shape->extent / shape->stride, shape->extent);
  args.transposed = 1;
  args.tile_rows *= shape->stride;
  contract_plan(&args);
  add_data(&args);
  kernel_function run = args.out_w < WIDE ? backward_pair : backward_row;
  double time = time_tiles(run, &args, backward_row_tile_count(&args, args.valid), backward_row_slab_floats(&args));
  drop_data(&args);
  return time;
}

/* The Winograd template, forward or backward, or 0. */
static double bench_winograd(const shape *shape, int backward) {
  if (!shape->winograd_rows) return 0;
  contract_args args = backward ? describe(shape, shape->out, shape->in, shape->extent, shape->extent)
                                : describe(shape, shape->in, shape->out, shape->extent, shape->extent);
  args.transposed = backward;
  args.tile_rows = shape->winograd_rows;
  args.tile_images = shape->winograd_images;
  contract_plan(&args);
  add_data(&args);
  int64_t patches = args.tile_images * ((args.tile_rows + 3) / 4) * ((args.out_w + 3) / 4);
  kernel_function wide = backward ? backward_winograd : forward_winograd, narrow = backward ? backward_winograd_8 : forward_winograd_8;
  int64_t waste = (patches + WIDE - 1) / WIDE * WIDE, waste_narrow = (patches + WINOGRAD_EIGHT - 1) / WINOGRAD_EIGHT * WINOGRAD_EIGHT;
  double time = time_tiles(waste <= waste_narrow ? wide : narrow, &args, forward_winograd_tile_count(&args, args.valid),
                           forward_winograd_slab_floats(&args) + (1 << 16));
  drop_data(&args);
  return time;
}

static double bench_weights(const shape *shape) {
  contract_args args = describe(shape, shape->in, shape->out, shape->extent, shape->extent / shape->stride);
  args.tile_out_blocks = (shape->out + BROAD_BLOCK - 1) / BROAD_BLOCK;
  args.tile_in_panels = (shape->in + 2 * CONTRACT_LANES - 1) / (2 * CONTRACT_LANES);
  contract_plan(&args);
  add_data(&args);
  int strided = args.a_step != args.slab_step;
  double time = time_tiles(strided ? weights_strided : weights_row, &args, weights_row_tile_count(&args),
                           weights_row_slab_floats(&args));
  drop_data(&args);
  return time;
}

/* The same by Winograd, or 0. Tiles of 64 x 64 channels, chunks of some 64 patches. */
static double bench_weights_patched(const shape *shape) {
  if (!shape->winograd_rows) return 0;
  contract_args args = describe(shape, shape->in, shape->out, shape->extent, shape->extent);
  args.tile_rows = shape->extent > 28 ? 16 : shape->extent;
  args.tile_images = shape->extent > 14 ? 1 : BATCH;
  args.tile_out_blocks = 64 / BROAD_BLOCK;
  args.tile_in_panels = 64 / (2 * CONTRACT_LANES);
  contract_plan(&args);
  add_data(&args);
  double time = time_tiles(weights_patched, &args, weights_patched_tile_count(&args), weights_patched_slab_floats(&args));
  drop_data(&args);
  return time;
}

int main(void) {
  static const shape shapes[] = {
      {56, 64, 64, 3, 1, 4, 1, 8, 1}, {28, 128, 128, 3, 1, 7, 1, 16, 1}, {14, 256, 256, 3, 1, 14, 1, 14, 1}, {7, 512, 512, 3, 1, 7, 4, 7, 4},
      {56, 64, 256, 1, 1, 2, 1, 0, 0},   {56, 256, 64, 1, 1, 2, 1, 0, 0},   {28, 128, 512, 1, 1, 7, 1, 0, 0},  {28, 512, 128, 1, 1, 7, 1, 0, 0},
      {14, 256, 1024, 1, 1, 14, 1, 0, 0}, {14, 1024, 256, 1, 1, 14, 1, 0, 0}, {7, 512, 2048, 1, 1, 7, 4, 0, 0}, {7, 2048, 512, 1, 1, 7, 4, 0, 0},
      {56, 128, 128, 3, 2, 7, 1, 0, 0},  {28, 256, 256, 3, 2, 7, 1, 0, 0},  {56, 256, 512, 1, 2, 7, 1, 0, 0},  {28, 512, 1024, 1, 2, 14, 1, 0, 0}};
  double peak = measure_peak();
  printf("peak %.1f GFLOP/s, %d lanes, batch %d\n", peak, CONTRACT_LANES, BATCH);
  printf("%-24s %20s %20s %20s %20s %20s %20s\n", "extent in-out kernel/s", "forward ms  %peak", "data ms  %peak", "weight ms  %peak",
         "Winograd ms  %peak", "its data ms  %peak", "its weight ms  %peak");
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const shape *at = &shapes[i];
    double side = (double)(at->extent / at->stride);
    double work = 2e-9 * BATCH * side * side * (double)(at->in * at->out * at->size * at->size);
    double times[6] = {bench_forward(at), bench_data_gradient(at), bench_weights(at), bench_winograd(at, 0), bench_winograd(at, 1),
                       bench_weights_patched(at)};
    printf("%3d %4d-%-4d %dx%d/%d       ", (int)at->extent, (int)at->in, (int)at->out, (int)at->size, (int)at->size,
           (int)at->stride);
    for (int k = 0; k < 6; k++)
      if (times[k] > 0) printf("%14.3f %5.1f", 1e3 * times[k], 100 * work / times[k] / peak);
    printf("\n");
  }
  return 0;
}
