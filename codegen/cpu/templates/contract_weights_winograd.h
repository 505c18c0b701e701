/* contract_weights_winograd.h: the weight gradient of a 3x3 contract of stride 1, in the space of Winograd's F(4x4,3x3), to be #included once for
 * each specialisation.
 *
 * It computes what contract_weights.h does, to about 1e-6, with 36 products for each 16 output pixels, input and output channel instead
 * of 144: B in patches of 4x4 and A in the 6x6 around them are transformed, their products are summed at each of 36 points over all
 * patches, and at the end the 36 sums of a weight become its 9 taps (winograd_transform.h).
 *
 * In: the macros of contract_weights.h but for CONTRACT_PIXEL_STRIDE; LANES is a multiple of CONTRACT_BLOCK. The same contract_args, where tile_rows
 * is a multiple of 4 or the whole height, one group of channels.
 *
 * Layout: A [point][panel][patch][PANEL], B [point][channels / LANES][patch][LANES], sums [point][panel][block][BLOCK][PANEL], then a window from
 * which one image of A or B is transformed; what hangs over the image is zero there.
 *
 * Tiling: a tile owns the channels that contract_weights.h would give it. Points are the outer loop, so that of transformed A and B, which are
 * larger than L2, a point's part lies in L1 and L2 while all blocks meet all panels, and sums are a stream, read and written once a chunk. */
#include "codegen/cpu/templates/vector.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "codegen/cpu/templates/slab.h"
#include "codegen/cpu/templates/winograd_transform.h"

#include "codegen/cpu/templates/contract_names.h"

static inline int64_t FN(slab_floats)(const contract_args *args) {
  return weights_winograd_slab_floats(args, PANEL, CONTRACT_BLOCK, CONTRACT_LANES);
}
static inline int64_t FN(tile_count)(const contract_args *args) { return weights_tile_count(args, PANEL, CONTRACT_BLOCK); }
static inline int64_t FN(sum_floats)(const contract_args *args) { return weights_sum_floats(args, PANEL, CONTRACT_BLOCK, WINOGRAD_POINTS); }

#include "codegen/cpu/templates/contract_weights_tile.h"

static void FN(place_slab)(const contract_args *args, FN(tile) * tile, float *slab) {
  int64_t patches = winograd_patches(args, 1);
  tile->a_plane = weights_winograd_a_plane(args, PANEL, patches);
  tile->b_plane = weights_winograd_b_plane(args, CONTRACT_BLOCK, CONTRACT_LANES, patches);
  tile->a = slab;
  tile->b = tile->a + WINOGRAD_POINTS * tile->a_plane;
  tile->sums = tile->b + WINOGRAD_POINTS * tile->b_plane;
  tile->window = tile->sums + FN(sum_floats)(args);
  tile->sum_block = CONTRACT_BLOCK * PANEL;
  tile->sum_panel = tile->blocks * tile->sum_block;
  tile->sum_tap = tile->panels * tile->sum_panel;
}

/* One image of A: `patch` is its first. */
static __attribute__((noinline)) void FN(fill_a)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk, int64_t image, int64_t patch) {
  slab_window window = FN(window_a)(args, tile, chunk, image);
  int64_t patches = winograd_patches(args, 1), patch_rows = int_ceil_div(chunk->rows, 4), patch_columns = winograd_patch_columns(args);
  window.data = tile->window;
  window.plane = winograd_window_plane(args, PANEL);
  window.point = PANEL;
  window.rows = 4 * patch_rows + 2;
  window.columns = 4 * patch_columns + 2;
  slab_fill(args, CONTRACT_PROLOGUE, &window, PANEL);
  for (int64_t panel = 0; panel < tile->panels; panel++)
    for (int64_t k = 0; k < patch_rows * patch_columns; k++) {
      const float *from = tile->window + panel * window.plane + (k / patch_columns * window.columns + k % patch_columns) * 4 * PANEL;
      float *to = tile->a + (panel * patches + patch + k) * PANEL;
      for (int64_t c = 0; c < PANEL; c += CONTRACT_LANES) winograd_input_patch(from + c, window.columns * PANEL, PANEL, to + c, tile->a_plane);
    }
}

static __attribute__((noinline)) void FN(fill_b)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk, int64_t image, int64_t patch) {
  slab_window window = FN(window_b)(args, tile, chunk, image);
  int64_t patches = winograd_patches(args, 1), patch_rows = int_ceil_div(chunk->rows, 4), patch_columns = winograd_patch_columns(args);
  window.data = tile->window;
  window.plane = winograd_window_plane(args, CONTRACT_LANES);
  window.point = CONTRACT_LANES;
  window.rows = 4 * patch_rows;
  window.columns = 4 * patch_columns;
  slab_fill(args, CONTRACT_B_PROLOGUE, &window, CONTRACT_LANES);
  for (int64_t plane = 0; plane * CONTRACT_LANES < window.channels; plane++)
    for (int64_t k = 0; k < patch_rows * patch_columns; k++)
      winograd_gradient_patch(tile->window + plane * window.plane + (k / patch_columns * window.columns + k % patch_columns) * 4 * CONTRACT_LANES,
                              window.columns * CONTRACT_LANES, CONTRACT_LANES, tile->b + (plane * patches + patch + k) * CONTRACT_LANES, tile->b_plane);
}

/* All patches at one point, for one panel and block: each is VECTORS loads of A against a broadcast for every o of the block. */
static __attribute__((noinline)) void FN(multiply)(const float *a, const float *b, int64_t patches, float *sums) {
  vec acc[CONTRACT_BLOCK][CONTRACT_VECTORS];
  UNROLL_ALL for (int o = 0; o < CONTRACT_BLOCK; o++) {
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) acc[o][v] = (vec){0};
  }
  UNROLL_4 for (int64_t k = 0; k < patches; k++) {
    vec x[CONTRACT_VECTORS];
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) x[v] = vec_load(a + k * PANEL + v * CONTRACT_LANES);
    UNROLL_ALL for (int o = 0; o < CONTRACT_BLOCK; o++) {
      vec y = vec_set(b[k * CONTRACT_LANES + o]);
      UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) acc[o][v] = vec_fma(x[v], y, acc[o][v]);
    }
  }
  UNROLL_ALL for (int o = 0; o < CONTRACT_BLOCK; o++) {
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) {
      float *to = sums + o * PANEL + v * CONTRACT_LANES;
      vec_store(to, vec_load(to) + acc[o][v]);
    }
  }
}

static void FN(run_chunk)(const contract_args *args, const FN(tile) * tile, FN(chunk) * chunk) {
  int64_t of_image = int_ceil_div(chunk->rows, 4) * winograd_patch_columns(args), patches = winograd_patches(args, 1);
  for (int64_t image = 0; image < chunk->images; image++) {
    FN(fill_a)(args, tile, chunk, image, image * of_image);
    FN(fill_b)(args, tile, chunk, image, image * of_image);
  }
  FN(plan_ahead)(args, chunk, WINOGRAD_POINTS * tile->panels);
  for (int64_t point = 0; point < WINOGRAD_POINTS; point++)
    for (int64_t panel = 0; panel < tile->panels; panel++) {
      FN(fetch_ahead)(args, tile, chunk);
      for (int64_t block = 0; block < tile->blocks; block++) {
        int64_t o = block * CONTRACT_BLOCK;
        FN(multiply)(tile->a + point * tile->a_plane + panel * patches * PANEL,
                     tile->b + point * tile->b_plane + o / CONTRACT_LANES * patches * CONTRACT_LANES + o % CONTRACT_LANES, chunk->images * of_image,
                     tile->sums + point * tile->sum_tap + panel * tile->sum_panel + block * tile->sum_block);
      }
    }
}

static __attribute__((noinline)) void FN(finish_sums)(const contract_args *args, const FN(tile) * tile) {
  (void)args;
  for (int64_t i = 0; i < tile->sum_tap; i += CONTRACT_LANES) winograd_weight_gradient_patch(tile->sums + i, tile->sum_tap);
}

#include "codegen/cpu/templates/contract_end.h"
