/* contract_winograd.h: a 3x3 contract of stride 1 by Winograd's F(4x4,3x3), to be #included once for each specialisation.
 *
 * It computes what contract_pixels.h does, to about 1e-6, with 36 products for each 16 output pixels and input channel
 * instead of 144. A transposed contract is a forward one with the taps reversed and pad 2 - pad.
 *
 * In: the macros of contract_pixels.h, but for
 *   CONTRACT_WIDTH          patches of a group: WIDTH * VECTORS accumulators stay in registers
 *   CONTRACT_ROWS, CONTRACT_PIXEL_STRIDE   not needed
 * CONTRACT_BLOCK is a multiple of LANES. One group of channels; the same weight layout, contract_args and tiles.
 *
 * A tile's output is cut into patches of 4x4 pixels (those at the end of rows and of the tile hang over; what hangs over is dropped).
 *   1. A after the prologue comes into a window of rows, WINOGRAD_CHUNK blocks of channels of one image at a time (slab.h puts
 *      the zeros around it), from there transformed into V [block][36][patch][BLOCK].
 *   2. For each panel: its weights, a chunk of blocks at a time, are transformed into U [36][BLOCK of chunk][PANEL], and at
 *      each of the 36 points V times U is added to M [36][patch][PANEL]: WIDTH patches by VECTORS, as in contract_pixels.h.
 *   3. M is transformed into outputs, which go through the epilogue.
 * Weights are transformed where they are used: transformed ones would be 4 times as many bytes to read, for each tile and, where
 * channels are many, from memory; and packing them costs a training step more than this does.
 *
 * Prefetch: while the products of a chunk are computed, the next chunk's weights, a share of the next tile's input, and of what the
 * epilogue of this panel will touch.
 *
 * Order of a sum: block, channel at each point; chunks in order. The same whatever the tile. */
#include "codegen/cpu/templates/vector.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "codegen/cpu/templates/partial.h"
#include "codegen/cpu/templates/slab.h"
#include "codegen/cpu/templates/winograd_transform.h"

#include "codegen/cpu/templates/contract_names.h"
#define PARTIALS_HELD (CONTRACT_PARTIALS > 0 ? CONTRACT_PARTIALS : 1)

/* A tile: which rows of which images, its patches, and the parts of its slab. */
typedef struct FN(tile) {
  int64_t index, n, images, h, rows; /* output rows [h, h + rows) of images [n, n + images) */
  int64_t panel, panel_end;
  int64_t blocks, patch_rows, patch_columns, image_patches, patches; /* patches of all images */
  int64_t v_plane, u_plane, m_plane;     /* floats from point to point */
  float *v, *u, *m, *window;
  partial *running; /* of panel 0 */
  int64_t ahead, ahead_lines; /* float of the streams to fetch next; cache lines a step */
} FN(tile);

static inline int64_t FN(slab_floats)(const contract_args *args) {
  return winograd_slab_floats(args, PANEL, CONTRACT_BLOCK, CONTRACT_WIDTH, CONTRACT_PARTIALS);
}

static inline int64_t FN(tile_count)(const contract_args *args, int64_t images) { return pixels_tile_count(args, images, PANEL); }

static void FN(place_slab)(const contract_args *args, FN(tile) * tile, float *slab) {
  int64_t patches = winograd_patches(args, CONTRACT_WIDTH);
  tile->v_plane = patches * CONTRACT_BLOCK;
  tile->u_plane = winograd_weight_plane(PANEL, CONTRACT_BLOCK);
  tile->m_plane = winograd_sum_plane(patches, PANEL);
  tile->running = (partial *)slab;
  tile->v = slab + pixels_partial_floats(args, PANEL, CONTRACT_PARTIALS);
  tile->u = tile->v + tile->blocks * WINOGRAD_POINTS * tile->v_plane;
  tile->m = tile->u + WINOGRAD_POINTS * tile->u_plane;
  tile->window = tile->m + WINOGRAD_POINTS * tile->m_plane;
}

static FN(tile) FN(place)(const contract_args *args, int64_t index, float *slab) {
  int64_t cuts = int_ceil_div(args->out_h, args->tile_rows), panel_cuts = pixels_panel_cuts(args, PANEL);
  int64_t panels = int_ceil_div(args->out_c, PANEL), cut = index % panel_cuts;
  index /= panel_cuts;
  FN(tile) tile = {.index = index};
  tile.panel = panel_cuts > 1 ? cut * args->tile_panels : 0;
  tile.panel_end = panel_cuts > 1 ? int_min(tile.panel + args->tile_panels, panels) : panels;
  tile.n = index / cuts * args->tile_images;
  tile.images = int_max(0, int_min(args->tile_images, args->valid - tile.n));
  tile.h = index % cuts * args->tile_rows;
  tile.rows = int_min(args->tile_rows, args->out_h - tile.h);
  tile.blocks = int_ceil_div(args->a_c, CONTRACT_BLOCK);
  tile.patch_rows = int_ceil_div(tile.rows, 4);
  tile.patch_columns = winograd_patch_columns(args);
  tile.image_patches = tile.patch_rows * tile.patch_columns;
  tile.patches = tile.images * tile.image_patches;
  FN(place_slab)(args, &tile, slab);
  return tile;
}

/* One block of one image, from the window. */
static __attribute__((noinline)) void FN(transform_block)(const FN(tile) * tile, const float *window, float *to) {
  int64_t row = (4 * tile->patch_columns + 2) * CONTRACT_BLOCK;
  for (int64_t i = 0; i < tile->patch_rows; i++)
    for (int64_t j = 0; j < tile->patch_columns; j++, to += CONTRACT_BLOCK)
      for (int c = 0; c < CONTRACT_BLOCK; c += CONTRACT_LANES)
        winograd_input_patch(window + 4 * i * row + 4 * j * CONTRACT_BLOCK + c, row, CONTRACT_BLOCK, to + c, tile->v_plane);
}

static __attribute__((noinline)) void FN(copy_window)(const contract_args *args, const FN(tile) * tile, int64_t image, int64_t c,
                                                      int64_t plane) {
  slab_window window = {.data = tile->window,
                        .plane = plane,
                        .point = CONTRACT_BLOCK,
                        .rows = 4 * tile->patch_rows + 2,
                        .columns = 4 * tile->patch_columns + 2,
                        .n = tile->n + image,
                        .h = tile->h + args->origin_h,
                        .w = args->origin_w,
                        .c = c,
                        .step = 1,
                        .height = args->a_h,
                        .width = args->a_w,
                        .channels = int_min(args->a_c - c, WINOGRAD_CHUNK * CONTRACT_BLOCK)};
#ifdef CONTRACT_SIDE_PROLOGUE
  slab_fill_storing(args, CONTRACT_PROLOGUE, CONTRACT_SIDE_PROLOGUE, pixels_own(args, tile->h),
                    pixels_own_end(args, tile->h, tile->rows, tile->panel), &window, CONTRACT_BLOCK);
#else
  slab_fill(args, CONTRACT_PROLOGUE, &window, CONTRACT_BLOCK);
#endif
}

static void FN(fill)(const contract_args *args, const FN(tile) * tile) {
  int64_t plane = winograd_window_plane(args, CONTRACT_BLOCK);
  for (int64_t image = 0; image < tile->images; image++)
    for (int64_t block = 0; block < tile->blocks; block += WINOGRAD_CHUNK) {
      FN(copy_window)(args, tile, image, block * CONTRACT_BLOCK, plane);
      for (int64_t k = 0; k < WINOGRAD_CHUNK && block + k < tile->blocks; k++)
        FN(transform_block)(tile, tile->window + k * plane,
                            tile->v + (block + k) * WINOGRAD_POINTS * tile->v_plane + image * tile->image_patches * CONTRACT_BLOCK);
    }
}

/* `rows` rows of a block of a panel (of all taps, BLOCK rows each) to 36 points of U. */
INLINE void FN(transform_weights)(const float *from, int reversed, float *to, int64_t plane) {
  int64_t tap = CONTRACT_BLOCK * PANEL;
  for (int64_t at = 0; at < tap; at += CONTRACT_LANES) {
    vec half[6][3];
    UNROLL_ALL for (int s = 0; s < 3; s++) {
      vec g[3], u[6];
      UNROLL_ALL for (int r = 0; r < 3; r++) g[r] = vec_load(from + (reversed ? 8 - 3 * r - s : 3 * r + s) * tap + at);
      winograd_weight(g, u);
      UNROLL_ALL for (int r = 0; r < 6; r++) half[r][s] = u[r];
    }
    UNROLL_ALL for (int r = 0; r < 6; r++) {
      vec u[6];
      winograd_weight(half[r], u);
      UNROLL_ALL for (int s = 0; s < 6; s++) vec_store(to + (r * 6 + s) * plane + at, u[s]);
    }
  }
}

static __attribute__((noinline)) void FN(transform_chunk)(const contract_args *args, const FN(tile) * tile, const float *weight, int64_t blocks) {
  for (int64_t k = 0; k < blocks; k++, weight += 9 * CONTRACT_BLOCK * PANEL) {
    if (args->transposed) FN(transform_weights)(weight, 1, tile->u + k * CONTRACT_BLOCK * PANEL, tile->u_plane);
    else FN(transform_weights)(weight, 0, tile->u + k * CONTRACT_BLOCK * PANEL, tile->u_plane);
  }
}

/* WIDTH patches at one point, over the blocks of a chunk; added to M unless it is the first chunk. v_block: floats from block to block. */
static __attribute__((noinline)) void FN(multiply)(const float *v, int64_t v_block, const float *u, int64_t blocks, float *m, int add) {
  vec acc[CONTRACT_WIDTH][CONTRACT_VECTORS];
  UNROLL_ALL for (int p = 0; p < CONTRACT_WIDTH; p++) {
    UNROLL_ALL for (int k = 0; k < CONTRACT_VECTORS; k++) acc[p][k] = (vec){0};
  }
  for (int64_t block = 0; block < blocks; block++, v += v_block, u += CONTRACT_BLOCK * PANEL)
    UNROLL_4 for (int c = 0; c < CONTRACT_BLOCK; c++) {
      vec w[CONTRACT_VECTORS];
      UNROLL_ALL for (int k = 0; k < CONTRACT_VECTORS; k++) w[k] = vec_load(u + c * PANEL + k * CONTRACT_LANES);
      UNROLL_ALL for (int p = 0; p < CONTRACT_WIDTH; p++) {
        vec x = vec_set(v[p * CONTRACT_BLOCK + c]);
        UNROLL_ALL for (int k = 0; k < CONTRACT_VECTORS; k++) acc[p][k] = vec_fma(w[k], x, acc[p][k]);
      }
    }
  UNROLL_ALL for (int p = 0; p < CONTRACT_WIDTH; p++) {
    UNROLL_ALL for (int k = 0; k < CONTRACT_VECTORS; k++) {
      float *to = m + p * PANEL + k * CONTRACT_LANES;
      vec_store(to, add ? vec_load(to) + acc[p][k] : acc[p][k]);
    }
  }
}

/* What the epilogue will touch at a patch. */
INLINE void FN(fetch_patch)(const contract_args *args, const FN(tile) * tile, int64_t patch, int64_t o) {
  (void)args, (void)tile, (void)patch, (void)o;
#ifdef CONTRACT_PREFETCH
  int64_t image = patch / tile->image_patches, i = patch % tile->image_patches / tile->patch_columns * 4, j = patch % tile->patch_columns * 4;
  for (int64_t r = i; r < int_min(i + 4, tile->rows); r++)
    for (int64_t s = j; s < int_min(j + 4, args->out_w); s++) {
      UNROLL_ALL for (int k = 0; k < CONTRACT_VECTORS; k++)
          CONTRACT_PREFETCH(args, tile->n + image, tile->h + r, s, o + k * CONTRACT_LANES);
    }
#endif
}

INLINE void FN(fetch_ahead)(const contract_args *args, FN(tile) * tile) {
  for (int64_t i = 0; i < tile->ahead_lines; i++, tile->ahead += 16)
    for (int64_t k = 0; k < args->stream_count; k++)
      __builtin_prefetch((const void *)((__UINTPTR_TYPE__)args->operands[args->streams[k]] + (__UINTPTR_TYPE__)tile->ahead * 4), 0, 2);
}

INLINE void FN(fetch_lines)(const float *from, int64_t first, int64_t last) {
  for (int64_t line = first; line < last; line++)
    __builtin_prefetch((const void *)((__UINTPTR_TYPE__)from + (__UINTPTR_TYPE__)line * 64), 0, 2);
}

/* All 36 products of one chunk. next: the weights of the next. */
static void FN(multiply_chunk)(const contract_args *args, FN(tile) * tile, int64_t block, int64_t blocks, const float *next, int64_t o) {
  int64_t v_block = WINOGRAD_POINTS * tile->v_plane, lines = int_ceil_div(9 * blocks * CONTRACT_BLOCK * PANEL / 16, WINOGRAD_POINTS);
  int last = block + blocks >= tile->blocks;
  for (int64_t point = 0; point < WINOGRAD_POINTS; point++) {
    FN(fetch_lines)(next, point * lines, (point + 1) * lines);
    FN(fetch_ahead)(args, tile);
    if (last)
      for (int64_t patch = tile->patches * point / WINOGRAD_POINTS; patch < tile->patches * (point + 1) / WINOGRAD_POINTS; patch++)
        FN(fetch_patch)(args, tile, patch, o);
    for (int64_t patch = 0; patch < tile->patches; patch += CONTRACT_WIDTH)
      FN(multiply)(tile->v + block * v_block + point * tile->v_plane + patch * CONTRACT_BLOCK, v_block, tile->u + point * tile->u_plane,
                   blocks, tile->m + point * tile->m_plane + patch * PANEL, block > 0);
  }
}

/* LANES channels of one patch of M to its outputs; rows and columns that are there. */
INLINE void FN(finish)(const contract_args *args, const float *m, int64_t plane, int64_t n, int64_t h, int64_t w, int64_t rows,
                       int64_t columns, int64_t o, int64_t count, partial *running, int first) {
  static const int kinds[PARTIALS_HELD] = CONTRACT_PARTIAL_KINDS;
  vec half[4][6], y[4][4], value[PARTIALS_HELD];
  UNROLL_ALL for (int s = 0; s < 6; s++) {
    vec points[6], sums[4];
    UNROLL_ALL for (int r = 0; r < 6; r++) points[r] = vec_load(m + (r * 6 + s) * plane);
    winograd_output(points, sums);
    UNROLL_ALL for (int r = 0; r < 4; r++) half[r][s] = sums[r];
  }
  UNROLL_ALL for (int r = 0; r < 4; r++) winograd_output(half[r], y[r]);
  partial held[PARTIALS_HELD] = {0};
  UNROLL_ALL for (int k = 0; k < CONTRACT_PARTIALS; k++) held[k] = running[k * CONTRACT_VECTORS];
  for (int64_t r = 0; r < rows; r++)
    for (int64_t s = 0; s < columns; s++) {
      CONTRACT_EPILOGUE(args, n, h + r, w + s, o, count, y[r][s], value);
      UNROLL_ALL for (int k = 0; k < CONTRACT_PARTIALS; k++) partial_take(&held[k], kinds[k], first && r + s == 0, value[k]);
    }
  UNROLL_ALL for (int k = 0; k < CONTRACT_PARTIALS; k++) running[k * CONTRACT_VECTORS] = held[k];
}

/* Channels past the last full vector. */
static __attribute__((noinline)) void FN(finish_part)(const contract_args *args, const float *m, int64_t plane, int64_t n, int64_t h, int64_t w,
                                                      int64_t rows, int64_t columns, int64_t o, int64_t count, partial *running, int first) {
  FN(finish)(args, m, plane, n, h, w, rows, columns, o, count, running, first);
}

/* One panel of all patches; channels: those of the panel that are there. */
static __attribute__((noinline)) void FN(finish_panel)(const contract_args *args, const FN(tile) * tile, int64_t o, int64_t channels, partial *running) {
  const float *m = tile->m;
  for (int64_t image = 0; image < tile->images; image++)
    for (int64_t h = 0; h < tile->rows; h += 4)
      for (int64_t w = 0; w < args->out_w; w += 4, m += PANEL) {
        int64_t rows = int_min(4, tile->rows - h), columns = int_min(4, args->out_w - w), n = tile->n + image;
        for (int64_t k = 0; k < CONTRACT_VECTORS && k * CONTRACT_LANES < channels; k++) {
          int64_t c = k * CONTRACT_LANES, count = channels - c;
          if (count >= CONTRACT_LANES)
            FN(finish)(args, m + c, tile->m_plane, n, tile->h + h, w, rows, columns, o + c, CONTRACT_LANES, running + k, m == tile->m);
          else FN(finish_part)(args, m + c, tile->m_plane, n, tile->h + h, w, rows, columns, o + c, count, running + k, m == tile->m);
        }
      }
}

static void FN(store_partials)(const contract_args *args, int64_t tile, int64_t o, int64_t channels, const partial *running, int64_t points) {
  static const int kinds[PARTIALS_HELD] = CONTRACT_PARTIAL_KINDS;
  for (int k = 0; k < CONTRACT_PARTIALS; k++)
    for (int64_t c = 0; c < int_min(channels, PANEL); c++) {
      float *to = args->partials[k] + tile * (kinds[k] == CONTRACT_MOMENTS ? 3 : 1) * args->out_c + o + c;
      partial_write(&running[k * CONTRACT_VECTORS + c / CONTRACT_LANES], kinds[k], c % CONTRACT_LANES, points, to, args->out_c);
    }
}

static void FN(run_panel)(const contract_args *args, FN(tile) * tile, int64_t panel) {
  int64_t held = CONTRACT_PARTIALS * CONTRACT_VECTORS, block_floats = 9 * CONTRACT_BLOCK * PANEL, o = panel * PANEL;
  const float *weight = args->weight + panel * tile->blocks * block_floats;
  partial *running = tile->running + panel * held;
  for (int64_t i = 0; i < held; i++) running[i] = (partial){0};
  for (int64_t block = 0; block < tile->blocks && tile->patches; block += WINOGRAD_CHUNK) {
    int64_t blocks = int_min(WINOGRAD_CHUNK, tile->blocks - block);
    FN(transform_chunk)(args, tile, weight + block * block_floats, blocks);
    FN(multiply_chunk)(args, tile, block, blocks, weight + (block + blocks) * block_floats, o);
  }
  FN(finish_panel)(args, tile, o, args->out_c - o, running);
  FN(store_partials)(args, tile->index, o, args->out_c - o, running, tile->images * tile->rows * args->out_w);
}

/* Spreads the input of the next tile over the steps (panel, chunk, point) of this one. */
static void FN(plan_ahead)(const contract_args *args, FN(tile) * tile) {
  int64_t steps = int_ceil_div(tile->blocks, WINOGRAD_CHUNK) * WINOGRAD_POINTS * (tile->panel_end - tile->panel);
  int64_t within = tile->h + tile->rows < args->out_h, row = args->a_w * args->a_c;
  int64_t fresh = (within ? tile->rows : args->tile_rows * int_max(1, tile->images)) * row;
  tile->ahead = within ? (tile->n * args->a_h + tile->h + tile->rows) * row : (tile->n + tile->images) * args->a_h * row;
  tile->ahead_lines = int_ceil_div(fresh / 16, int_max(1, steps));
}

/* slab: slab_floats of floats, aligned to a cache line; what it holds before and after does not matter. */
CONTRACT_LINKAGE void CONTRACT_NAME(const void *told, int64_t index, void *slab) {
  const contract_args *args = told;
  FN(tile) tile = FN(place)(args, index, slab);
  FN(fill)(args, &tile);
  FN(plan_ahead)(args, &tile);
  for (int64_t panel = tile.panel; panel < tile.panel_end; panel++) FN(run_panel)(args, &tile, panel);
}

#include "codegen/cpu/templates/contract_end.h"
