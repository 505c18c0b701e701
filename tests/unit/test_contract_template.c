/* test_contract_template.c: the host templates of CONTRACT against sums in double, on odd sizes and fresh random numbers.
 *
 * Each output is poisoned with NaN before a kernel runs, and so is the slab: what is not written, or read before it is
 * written, shows. Tiles are run last to first. Values past n_valid must still be NaN afterwards. */
#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compiler/graph/kernel.h"
#include "tests/unit/contract_kernels.h"
#include "tests/unit/contract_reference.h"

typedef void (*kernel_function)(const void *args, int64_t tile, void *slab);

typedef struct kernel {
  kernel_function run;
  int64_t block, vectors, partials;
  int64_t (*slab_floats)(const contract_args *);
  int64_t tolerance_e8;
} kernel;

static const kernel kernel_reducing = {reducing, 16, 2, 3, reducing_slab_floats, 100};
static const kernel kernel_paired = {paired, 8, 2, 0, paired_slab_floats, 100};
static const kernel kernel_narrow = {narrow, 1, 1, 3, narrow_slab_floats, 100};
static const kernel kernel_winograd = {winograd_any, 16, 2, 3, winograd_any_slab_floats, 400};
static const kernel kernel_winograd_narrow = {winograd_narrow, 16, 1, 0, winograd_narrow_slab_floats, 400};

enum { PLANES = 5, DIRECT_OPERAND = 7 };

static int sides_checked; /* contracts whose side store was checked whole */

static int64_t output_extent(const contract_args *args, int64_t in, int64_t kernel_size) {
  int64_t reach = (kernel_size - 1) * args->dilation + 1;
  return args->transposed ? (in - 1) * args->stride + reach - 2 * args->pad : (in + 2 * args->pad - reach) / args->stride + 1;
}

/* scale x + shift, rounded as vec_fma does it on this machine: where both all but cancel, a rounding more is no error of the template. */
static float affine(float scale, float x, float shift) {
#ifdef __FMA__
  return fmaf(scale, x, shift);
#else
  float product = scale * x;
  return product + shift;
#endif
}

/* Random operands, and A after the prologue as the kernel sees it. The weight is packed by whoever needs one. */
static float *make_operands(contract_args *args, int64_t images) {
  int64_t count = images * args->a_h * args->a_w * args->a_c;
  float *x = new_random(count), *scale = new_random(args->a_c), *shift = new_random(args->a_c), *a = new_floats(count);
  float *divisor = new_random(args->a_c);
  for (int64_t c = 0; c < args->a_c; c++) divisor[c] = 1.5f + 0.5f * divisor[c];
  for (int64_t i = 0; i < count; i++) {
    float y = affine(scale[i % args->a_c], x[i], shift[i % args->a_c]);
    a[i] = y > 0 ? y / divisor[i % args->a_c] : 0;
  }
  args->operands[0] = x; /* stream 0 is operand 0 */
  args->stream_count = args->b_stream_count = 1;
  args->operands[1] = scale;
  args->operands[2] = shift;
  args->operands[6] = divisor;
  args->operands[3] = new_random(args->out_c);
  args->b_streams[0] = 4;
  args->operands[4] = new_random(images * args->out_h * args->out_w * args->out_c);
  return a;
}

static void free_operands(contract_args *args, float *a) {
  for (int i = 0; i < 7; i++) free((void *)args->operands[i]);
  free(a);
}

/* Whether output point (n,h) belongs to the tile. */
static bool in_tile(const contract_args *args, int64_t tile, int64_t n, int64_t h) {
  int64_t cuts = (args->out_h + args->tile_rows - 1) / args->tile_rows;
  return n / args->tile_images == tile / cuts && h / args->tile_rows == tile % cuts;
}

/* Count, mean, M2, sum and maximum of channel o over one tile of the reference, into want[0..4]. */
static void reduce_tile(const contract_args *args, const term_sum *y, int64_t tile, int64_t o, term_sum want[PLANES]) {
  double count = 0, sum = 0, spread = 0, most = -INFINITY, squares = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t at = 0; at < args->valid * args->out_h * args->out_w; at++) {
      double v = y[at * args->out_c + o].value, apart = count > 0 ? v - sum / count : 0;
      if (!in_tile(args, tile, at / args->out_w / args->out_h, at / args->out_w % args->out_h)) continue;
      if (pass == 0) count++, sum += v, most = fmax(most, v), squares += y[at * args->out_c + o].squares;
      else spread += apart * apart;
    }
  want[0] = (term_sum){count, 0};
  want[1] = count > 0 ? (term_sum){sum / count, squares / count / count} : (term_sum){0};
  want[2] = (term_sum){spread, 0};
  want[3] = (term_sum){sum, squares};
  want[4] = (term_sum){most, 0};
}

static void check_partials(const contract_args *args, const term_sum *y, int64_t tiles) {
  term_sum *want = malloc((size_t)(tiles * args->out_c) * sizeof *want), whole[PLANES];
  float *got = new_floats(tiles * args->out_c);
  for (int plane = 0; plane < PLANES; plane++) {
    for (int64_t i = 0; i < tiles * args->out_c; i++) {
      int64_t tile = i / args->out_c, o = i % args->out_c;
      reduce_tile(args, y, tile, o, whole);
      want[i] = whole[plane];
      got[i] = plane < 3 ? args->partials[0][(tile * 3 + plane) * args->out_c + o] : args->partials[plane - 2][i];
      if (isinf(want[i].value) && got[i] == want[i].value) want[i].value = got[i] = 0; /* the maximum over nothing */
    }
    double apart = distance_l2(got, want, tiles * args->out_c);
    cr_expect(apart < 1e-5, "partial plane %d is off by %g", plane, apart);
  }
  free(want);
  free(got);
}

/* Whether tiles load all of A, by the compiler's rule: then each point of A is stored, once; else at most once. */
static bool may_side_store(const contract_args *args) {
  rgc_kernel contract = {.kind = RGC_CONTRACT, .form = RGC_PIXELS,
                       .extent = {1, args->out_h, args->out_w, 1}, .a_extent = {1, args->a_h, args->a_w, 1},
                       .geometry = {args->kernel_h, args->kernel_w, args->stride, args->pad, args->dilation, args->groups, args->transposed, args->stride, args->pad}};
  return rgc_kernel_may_side_store(&contract);
}

/* What the side prologue stored: A, `count` numbers, of which those of the samples that count are `written`. */
static void check_side(const contract_args *args, const float *a, int64_t count, int64_t written) {
  bool all = may_side_store(args);
  for (int64_t i = 0; i < count; i++) {
    float times = args->outputs[2][i], got = args->outputs[1][i];
    cr_assert(i < written ? times == 1 || (!all && times == 0) : times == 0, "point %lld of A is stored %g times", (long long)i, (double)times);
    cr_assert(times == 1 ? fabsf(got - a[i]) <= 1e-5f : isnan(got), "point %lld of A is stored as %g, and is %g", (long long)i, (double)got, (double)a[i]);
  }
  sides_checked += all;
}

/* A copy of count floats, right behind which nothing may be touched. */
typedef struct guarded {
  void *pages;
  size_t bytes;
  float *floats;
} guarded;

static guarded guard(const float *floats, int64_t count) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (size_t)count * sizeof(float), room = (used + page - 1) / page * page;
  guarded copy = {.bytes = room + page};
  copy.pages = mmap(NULL, copy.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(copy.pages, MAP_FAILED);
  cr_assert_eq(mprotect((char *)copy.pages + room, page, PROT_NONE), 0);
  copy.floats = (float *)((char *)copy.pages + room - used);
  memcpy(copy.floats, floats, used);
  return copy;
}

/* args: extents of A, channels, geometry, tiles and valid; `images` samples there are. Directly: of A after the prologue, the valid samples. */
static void check_pixels(const kernel *tested, contract_args args, int64_t images) {
  args.out_h = output_extent(&args, args.a_h, args.kernel_h);
  args.out_w = output_extent(&args, args.a_w, args.kernel_w);
  cr_assert_eq(contract_plan(&args), 0);
  float *a = make_operands(&args, images), *w = new_random(args.out_c * args.kernel_h * args.kernel_w * args.group_a);
  int64_t count = images * args.out_h * args.out_w * args.out_c, written = count / images * args.valid;
  int64_t panel = tested->vectors * CONTRACT_LANES, tiles = pixels_tile_count(&args, images, panel);
  float *packed = pack_weight(&args, w, tested->block, panel);
  args.weight = packed;
  int64_t a_count = images * args.a_h * args.a_w * args.a_c;
  guarded plain = guard(a, a_count / images * args.valid);
  args.operands[DIRECT_OPERAND] = plain.floats;
  args.outputs[0] = new_poison(count);
  args.outputs[1] = new_poison(a_count);
  args.outputs[2] = new_floats(a_count);
  memset(args.outputs[2], 0, (size_t)a_count * sizeof(float));
  for (int k = 0; k < 3; k++) args.partials[k] = new_poison(tiles * 3 * args.out_c);
  float *slab = new_floats(tested->slab_floats(&args));
  for (int64_t tile = tiles - 1; tile >= 0; tile--) {
    for (int64_t i = 0; i < tested->slab_floats(&args); i++) slab[i] = NAN;
    tested->run(&args, tile, slab);
  }
  term_sum *want = malloc((size_t)count * sizeof *want);
  for (int64_t i = 0; i < written; i++) {
    int64_t o = i % args.out_c, at = i / args.out_c, row = at / args.out_w;
    want[i] = reference_pixel(&args, a, w, row / args.out_h, row % args.out_h, at % args.out_w, o);
    add_term(&want[i], args.operands[3][o]);
  }
  double apart = distance_l2(args.outputs[0], want, written);
  cr_expect(apart < (double)tested->tolerance_e8 * 1e-8, "outputs are off by %g", apart);
  for (int64_t i = written; i < count; i++) cr_assert(isnan(args.outputs[0][i]), "a sample past n_valid is written");
  if (tested->partials) check_partials(&args, want, tiles / pixels_panel_cuts(&args, panel));
  if (!args.direct) check_side(&args, a, a_count, a_count / images * args.valid);
  munmap(plain.pages, plain.bytes);
  free_operands(&args, a);
  for (int k = 0; k < 3; k++) free(args.partials[k]), free(args.outputs[k]);
  free(slab), free(want), free(w), free(packed);
}

typedef struct weights_kernel {
  kernel_function run;
  int64_t (*tile_count)(const contract_args *), (*slab_floats)(const contract_args *);
  double tolerance;
} weights_kernel;

static const weights_kernel kernel_weights_wide = {weights_wide, weights_wide_tile_count, weights_wide_slab_floats, 2e-6};
static const weights_kernel kernel_weights_any = {weights_any, weights_any_tile_count, weights_any_slab_floats, 2e-6};
static const weights_kernel kernel_weights_winograd = {weights_patched, weights_patched_tile_count, weights_patched_slab_floats, 4e-6};
static const weights_kernel kernel_weights_winograd_narrow = {weights_patched_narrow, weights_patched_narrow_tile_count,
                                                              weights_patched_narrow_slab_floats, 4e-6};

static void check_weights(const weights_kernel *tested, contract_args args, int64_t images) {
  args.out_h = output_extent(&args, args.a_h, args.kernel_h);
  args.out_w = output_extent(&args, args.a_w, args.kernel_w);
  cr_assert_eq(contract_plan(&args), 0);
  float *a = make_operands(&args, images);
  int64_t taps = args.kernel_h * args.kernel_w, count = args.out_c * taps * args.group_a;
  args.outputs[0] = new_poison(count);
  float *slab = new_poison(tested->slab_floats(&args));
  static float shared[1 << 20]; /* of all kernels, as devices have it; more than any of them needs */
  args.shared = shared;
  for (int64_t tile = tested->tile_count(&args) - 1; tile >= 0; tile--) tested->run(&args, tile, slab);
  term_sum *want = malloc((size_t)count * sizeof *want);
  for (int64_t i = 0; i < count; i++) {
    int64_t row = i / args.group_a, tap = row % taps;
    want[i] = reference_weight(&args, a, args.operands[4], row / taps, tap / args.kernel_w, tap % args.kernel_w,
                               i % args.group_a);
  }
  double apart = distance_l2(args.outputs[0], want, count);
  cr_expect(apart < tested->tolerance, "weight gradients are off by %g", apart);
  free_operands(&args, a);
  free(args.outputs[0]), free(slab), free(want);
}

/* A square contract: extent, channels, kernel size, stride, pad. One image and two rows a tile, unless changed. */
static contract_args square(int64_t valid, int64_t extent, int64_t in, int64_t out, int64_t size, int64_t stride, int64_t pad) {
  return (contract_args){.valid = valid, .a_h = extent, .a_w = extent, .a_c = in, .out_c = out, .groups = 1,
                         .kernel_h = size, .kernel_w = size, .stride = stride, .pad = pad, .dilation = 1,
                         .tile_rows = 2, .tile_images = 1, .tile_out_blocks = 2, .tile_in_panels = 1};
}

static contract_args whole_images(contract_args args, int64_t images) {
  args.tile_images = images;
  args.tile_rows = 1000;
  return args;
}

static contract_args rows_of_tiles(contract_args args, int64_t rows) {
  args.tile_rows = rows;
  return args;
}

static contract_args in_parts(contract_args args, int64_t parts) {
  args.parts = parts;
  return args;
}

static contract_args panels_together(contract_args args) {
  args.panels_together = 3;
  return args;
}

static contract_args direct(contract_args args) {
  args.direct = 1;
  args.direct_operand = DIRECT_OPERAND;
  return args;
}

static contract_args transposed(contract_args args) {
  args.transposed = 1;
  args.tile_rows = 2 * args.stride;
  return args;
}

static contract_args grouped(contract_args args, int64_t groups) {
  args.groups = groups;
  return args;
}

static contract_args dilated(contract_args args, int64_t dilation) {
  args.dilation = dilation;
  return args;
}

Test(contract_template, forward) {
  check_pixels(&kernel_reducing, square(2, 13, 19, 37, 3, 1, 1), 2);
  check_pixels(&kernel_reducing, square(1, 12, 64, 64, 3, 1, 1), 1);
  check_pixels(&kernel_reducing, square(3, 9, 33, 5, 1, 1, 0), 3);
  check_pixels(&kernel_reducing, panels_together(square(2, 9, 20, 150, 1, 1, 0)), 3);
  check_pixels(&kernel_narrow, panels_together(grouped(square(1, 9, 6, 150, 3, 1, 1), 2)), 1);
  check_pixels(&kernel_reducing, square(2, 11, 70, 40, 1, 2, 0), 2);
  check_pixels(&kernel_paired, whole_images(square(5, 7, 35, 33, 3, 1, 1), 2), 5);
  check_pixels(&kernel_paired, square(2, 15, 8, 21, 3, 2, 1), 2);
  check_pixels(&kernel_paired, square(1, 23, 3, 18, 7, 2, 3), 1);
}

/* Groups that hang over the end of the last row must not read past it (check_pixels protects what lies there). */
Test(contract_template, direct) {
  check_pixels(&kernel_reducing, direct(square(2, 9, 32, 37, 1, 1, 0)), 2);
  check_pixels(&kernel_reducing, direct(square(1, 1, 16, 3, 1, 1, 0)), 1);
  check_pixels(&kernel_reducing, direct(panels_together(square(2, 11, 48, 150, 1, 2, 0))), 3);
  check_pixels(&kernel_paired, direct(whole_images(square(3, 7, 40, 33, 1, 1, 0), 2)), 3);
  check_pixels(&kernel_paired, direct(square(2, 2, 8, 9, 1, 1, 0)), 2);
  check_pixels(&kernel_paired, direct(square(2, 8, 24, 9, 1, 3, 0)), 2);
  check_pixels(&kernel_paired, direct(grouped(square(1, 5, 48, 30, 1, 1, 0), 3)), 1);
  check_pixels(&kernel_paired, direct(transposed(square(2, 6, 16, 18, 1, 2, 0))), 2);
  check_pixels(&kernel_narrow, direct(square(1, 7, 5, 4, 1, 2, 0)), 1);
}

/* Tiles of the same pixels, cut by panels of output channels: the first stores. */
Test(contract_template, side_stores_of_tiles_cut_by_panels) {
  contract_args cut = square(2, 13, 19, 150, 3, 1, 1);
  cut.tile_panels = 1;
  check_pixels(&kernel_paired, cut, 2);
  check_pixels(&kernel_reducing, cut, 2);
  check_pixels(&kernel_winograd, rows_of_tiles(cut, 8), 2);
  check_pixels(&kernel_winograd_narrow, rows_of_tiles(cut, 8), 2);
  cr_expect_eq(sides_checked, 4);
}

Test(contract_template, side_stores_of_odd_geometries) {
  check_pixels(&kernel_paired, square(2, 16, 8, 21, 3, 2, 1), 2);
  check_pixels(&kernel_paired, square(2, 12, 8, 21, 3, 2, 0), 2); /* the last row is in no window */
  check_pixels(&kernel_narrow, dilated(square(1, 9, 5, 4, 3, 1, 1), 2), 1);
  check_pixels(&kernel_narrow, square(1, 9, 5, 4, 3, 1, 2), 1);
  check_pixels(&kernel_reducing, transposed(square(1, 9, 17, 4, 3, 1, 2)), 2);
  cr_expect_eq(sides_checked, 4);
}

Test(contract_template, one_pixel) {
  check_pixels(&kernel_reducing, square(1, 1, 17, 3, 1, 1, 0), 1);
  check_pixels(&kernel_reducing, square(2, 1, 5, 9, 3, 1, 1), 2);
  check_pixels(&kernel_paired, transposed(square(1, 1, 5, 9, 3, 2, 1)), 1);
  check_pixels(&kernel_narrow, square(1, 1, 1, 1, 1, 1, 0), 1);
}

Test(contract_template, groups_and_dilation) {
  check_pixels(&kernel_narrow, grouped(square(2, 9, 6, 6, 3, 2, 1), 6), 2);
  check_pixels(&kernel_paired, grouped(square(1, 8, 21, 15, 3, 1, 1), 3), 1);
  check_pixels(&kernel_paired, transposed(grouped(square(1, 8, 20, 12, 3, 2, 1), 2)), 1);
  check_pixels(&kernel_reducing, dilated(square(2, 11, 18, 7, 3, 1, 2), 2), 2);
  check_pixels(&kernel_paired, dilated(square(2, 11, 5, 7, 3, 2, 2), 3), 2);
}

Test(contract_template, data_gradient) {
  check_pixels(&kernel_reducing, transposed(square(2, 10, 40, 19, 3, 1, 1)), 2);
  check_pixels(&kernel_reducing, transposed(square(2, 7, 17, 34, 3, 2, 1)), 2);
  check_pixels(&kernel_paired, transposed(square(2, 6, 9, 18, 1, 2, 0)), 2);
  check_pixels(&kernel_paired, whole_images(transposed(square(3, 5, 9, 3, 7, 3, 2)), 2), 3);
  check_pixels(&kernel_narrow, dilated(transposed(square(1, 6, 5, 4, 3, 3, 1)), 2), 1);
}

Test(contract_template, fewer_valid_samples) {
  check_pixels(&kernel_reducing, square(2, 6, 17, 20, 3, 1, 1), 4);
  check_pixels(&kernel_reducing, whole_images(square(3, 5, 17, 20, 3, 1, 1), 2), 6);
  check_weights(&kernel_weights_any, square(1, 6, 7, 9, 3, 1, 1), 3);
}

Test(contract_template, winograd) {
  check_pixels(&kernel_winograd, rows_of_tiles(square(2, 13, 19, 37, 3, 1, 1), 4), 2);
  check_pixels(&kernel_winograd, rows_of_tiles(square(1, 16, 64, 64, 3, 1, 1), 8), 1);
  check_pixels(&kernel_winograd, square(2, 9, 33, 5, 3, 1, 1), 2);
  check_pixels(&kernel_winograd, whole_images(square(5, 7, 150, 33, 3, 1, 1), 2), 5);
  check_pixels(&kernel_winograd_narrow, whole_images(square(2, 10, 1, 1, 3, 1, 0), 1), 2);
  check_pixels(&kernel_winograd_narrow, rows_of_tiles(square(3, 11, 70, 70, 3, 1, 2), 5), 3);
  check_pixels(&kernel_winograd, whole_images(square(2, 1, 8, 9, 3, 1, 1), 2), 2);
}

Test(contract_template, winograd_data_gradient) {
  check_pixels(&kernel_winograd, rows_of_tiles(transposed(square(2, 10, 40, 19, 3, 1, 1)), 4), 2);
  check_pixels(&kernel_winograd, whole_images(transposed(square(3, 5, 9, 3, 3, 1, 2)), 2), 3);
  check_pixels(&kernel_winograd_narrow, rows_of_tiles(transposed(square(2, 6, 100, 18, 3, 1, 0)), 3), 2);
  check_pixels(&kernel_winograd_narrow, transposed(square(1, 1, 3, 2, 3, 1, 0)), 1);
}

Test(contract_template, winograd_with_fewer_valid_samples) {
  check_pixels(&kernel_winograd, rows_of_tiles(square(2, 6, 17, 20, 3, 1, 1), 4), 4);
  check_pixels(&kernel_winograd, whole_images(square(3, 5, 17, 20, 3, 1, 1), 2), 6);
  check_pixels(&kernel_winograd_narrow, whole_images(transposed(square(1, 5, 80, 20, 3, 1, 1)), 4), 8);
}

Test(contract_template, weight_gradient) {
  check_weights(&kernel_weights_wide, square(2, 13, 37, 19, 3, 1, 1), 2);
  check_weights(&kernel_weights_wide, square(3, 9, 70, 33, 1, 2, 0), 3);
  check_weights(&kernel_weights_any, square(2, 15, 20, 17, 3, 2, 1), 2);
  check_weights(&kernel_weights_any, square(1, 19, 3, 18, 7, 2, 3), 1);
  check_weights(&kernel_weights_any, grouped(square(2, 8, 6, 6, 3, 1, 1), 3), 2);
  check_weights(&kernel_weights_any, whole_images(dilated(square(5, 6, 5, 7, 3, 1, 2), 2), 2), 5);
  check_weights(&kernel_weights_any, square(1, 1, 1, 1, 1, 1, 0), 1);
}

Test(contract_template, winograd_weight_gradient) {
  check_weights(&kernel_weights_winograd, rows_of_tiles(square(2, 13, 37, 19, 3, 1, 1), 4), 2);
  check_weights(&kernel_weights_winograd, rows_of_tiles(square(1, 16, 64, 64, 3, 1, 1), 8), 1);
  check_weights(&kernel_weights_winograd, whole_images(square(5, 7, 70, 33, 3, 1, 1), 2), 5);
  check_weights(&kernel_weights_winograd, whole_images(square(3, 9, 5, 7, 3, 1, 0), 2), 6);
  check_weights(&kernel_weights_winograd_narrow, rows_of_tiles(square(3, 11, 9, 30, 3, 1, 2), 8), 3);
  check_weights(&kernel_weights_winograd_narrow, whole_images(square(2, 1, 1, 1, 3, 1, 1), 1), 2);
  check_weights(&kernel_weights_winograd_narrow, square(1, 3, 3, 2, 3, 1, 0), 1);
}

Test(contract_template, weight_gradient_in_parts) {
  check_weights(&kernel_weights_wide, in_parts(square(2, 13, 37, 19, 3, 1, 1), 3), 2);
  check_weights(&kernel_weights_any, in_parts(grouped(square(2, 8, 6, 6, 3, 1, 1), 3), 2), 2);
  check_weights(&kernel_weights_any, in_parts(square(1, 3, 5, 7, 1, 1, 0), 7), 1); /* more parts than chunks */
  check_weights(&kernel_weights_winograd, in_parts(rows_of_tiles(square(2, 13, 37, 19, 3, 1, 1), 4), 5), 2);
  check_weights(&kernel_weights_winograd_narrow, in_parts(whole_images(square(5, 7, 9, 17, 3, 1, 1), 2), 2), 5);
}
