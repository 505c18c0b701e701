/* contract_weights.h: the weight gradient on the host, to be #included once for each specialisation.
 *
 *   acc[o,r,s,i] = sum over n,oh,ow of B[n,oh,ow,g*O+o] * A[n, oh*stride + r*dilation - pad, .., g*I+i],  i and o within a group
 *
 * In, as macros (but for those marked kept they are undefined again at the end of the file):
 *   CONTRACT_LANES         16, 8 or 4, the same for a whole translation unit; kept
 *   CONTRACT_NAME          the kernel: void NAME(const void *contract_args, int64_t tile, void *slab)
 *   CONTRACT_LINKAGE       static, or nothing (the default) to export it; kept
 *   CONTRACT_VECTORS       vectors in a panel; PANEL = VECTORS * LANES input channels i
 *   CONTRACT_BLOCK         output channels o that share the registers: BLOCK * VECTORS accumulators
 *   CONTRACT_PIXEL_STRIDE  slab columns of A from pixel to pixel: a_step / slab_step; may read `args`
 *   CONTRACT_PROLOGUE, CONTRACT_B_PROLOGUE   slab_prologues of A and of B, inlined
 *   CONTRACT_EPILOGUE      void (args, o, r, s, i, count, vec acc): stores `count` of i, consecutive in [O,KH,KW,I]
 *   CONTRACT_PREFETCH      optional: void (args, o, r, s, i), asks for what the epilogue will touch there
 *
 * Layout: A slab [panel][image][row][column][PANEL], B slab
 * [block][image][row][column][B_SLAB], then the tile's sums
 * [block][panel][tap][BLOCK][PANEL], all in `slab`. B_SLAB is LANES where BLOCK divides it, so
 * that the copy moves whole vectors, else BLOCK. Vectors lie along i, because i is innermost in a weight: the epilogue then
 * stores what it has, without a transposition.
 *
 * Tiling: a tile owns tile_out_blocks x tile_in_panels of a group's weights and walks all pixels, so that tiles are disjoint
 * and the order of every sum is fixed. Pixels come in chunks of tile_rows x tile_images whose two slabs fit L2. A chunk is
 * summed from zero in registers and then added: two short sums round less than one long one.
 *
 * Prefetch: each step (block, panel, tap) asks for some cache lines of the next chunk of args->streams and args->b_streams.
 * Addresses past a tensor's end are harmless. */
#include "codegen/cpu/templates/vector.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "codegen/cpu/templates/slab.h"

#include "codegen/cpu/templates/contract_names.h"
#define B_SLAB weights_b_block(CONTRACT_BLOCK, CONTRACT_LANES)

/* A tile: blocks and panels of one group, and where its slabs are. */
typedef struct FN(tile) {
  int64_t group, block, blocks, panel, panels; /* first and count */
  int64_t a_plane, b_plane;                    /* floats from panel to panel, from block to block */
  float *a, *b, *sums;
} FN(tile);

/* A chunk of pixels: output rows [h, h + rows) of images [n, n + images). */
typedef struct FN(chunk) {
  int64_t n, images, h, rows;
  int64_t a_next, a_pixels, b_next, b_pixels; /* pixel of the streams to fetch next, pixels a step */
} FN(chunk);

static inline int64_t FN(slab_floats)(const contract_args *args) {
  return weights_slab_floats(args, PANEL, CONTRACT_BLOCK, CONTRACT_LANES);
}
static inline int64_t FN(tile_count)(const contract_args *args) { return weights_tile_count(args, PANEL, CONTRACT_BLOCK); }

static inline FN(tile) FN(place)(const contract_args *args, int64_t index, float *slab) {
  int64_t across = weights_cuts(args->group_a, PANEL, args->tile_in_panels);
  int64_t down = weights_cuts(args->group_out, CONTRACT_BLOCK, args->tile_out_blocks);
  FN(tile) tile = {.group = index / across / down,
                   .block = index / across % down * args->tile_out_blocks,
                   .panel = index % across * args->tile_in_panels};
  tile.blocks = int_min(args->tile_out_blocks, int_ceil_div(args->group_out, CONTRACT_BLOCK) - tile.block);
  tile.panels = int_min(args->tile_in_panels, int_ceil_div(args->group_a, PANEL) - tile.panel);
  tile.a_plane = weights_a_plane(args, PANEL);
  tile.b_plane = weights_b_plane(args, B_SLAB);
  tile.a = slab;
  tile.b = tile.a + args->tile_in_panels * tile.a_plane;
  tile.sums = tile.b + weights_b_planes(args, CONTRACT_BLOCK, B_SLAB) * tile.b_plane;
  return tile;
}

static __attribute__((noinline)) void FN(fill_a)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk) {
  int64_t first = tile->panel * PANEL;
  for (int64_t image = 0; image < chunk->images; image++) {
    slab_window window = {.data = tile->a + image * args->slab_rows * args->slab_cols * PANEL,
                          .plane = tile->a_plane,
                          .rows = args->slab_rows,
                          .columns = args->slab_cols,
                          .n = chunk->n + image,
                          .h = chunk->h * args->a_step + args->origin_h,
                          .w = args->origin_w,
                          .c = tile->group * args->group_a + first,
                          .step = args->slab_step,
                          .height = args->a_h,
                          .width = args->a_w,
                          .channels = int_min(tile->panels * PANEL, args->group_a - first)};
    slab_fill(args, CONTRACT_PROLOGUE, &window, PANEL);
  }
}

static __attribute__((noinline)) void FN(fill_b)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk) {
  int64_t first = tile->block * CONTRACT_BLOCK;
  for (int64_t image = 0; image < chunk->images; image++) {
    slab_window window = {.data = tile->b + image * args->tile_rows * args->out_w * B_SLAB,
                          .plane = tile->b_plane,
                          .rows = chunk->rows,
                          .columns = args->out_w,
                          .n = chunk->n + image,
                          .h = chunk->h,
                          .c = tile->group * args->group_out + first,
                          .step = 1,
                          .height = args->out_h,
                          .width = args->out_w,
                          .channels = int_min(tile->blocks * CONTRACT_BLOCK, args->group_out - first)};
    slab_fill(args, CONTRACT_B_PROLOGUE, &window, B_SLAB);
  }
}

/* Where the chunk after this one begins in A and B, and how much of it each of `steps` steps fetches. */
INLINE void FN(plan_ahead)(const contract_args *args, FN(chunk) * chunk, int64_t steps) {
  int64_t next_h = chunk->h + chunk->rows, samples = next_h < args->out_h ? 0 : chunk->images, points = chunk->rows * chunk->images;
  if (samples) next_h = 0;
  chunk->a_next = ((chunk->n + samples) * args->a_h + next_h * args->a_step) * args->a_w;
  chunk->b_next = ((chunk->n + samples) * args->out_h + next_h) * args->out_w;
  chunk->a_pixels = int_ceil_div(points * args->a_step * args->a_w, steps);
  chunk->b_pixels = int_ceil_div(points * args->out_w, steps);
}

/* Channels [first, first + count) of the next pixels of each stream; `channels` from pixel to pixel. */
INLINE void FN(fetch)(const contract_args *args, const int64_t *streams, int64_t stream_count, int64_t *next, int64_t pixels,
                      int64_t channels, int64_t first, int64_t count) {
  for (int64_t i = 0; i < pixels; i++, ++*next)
    for (int64_t k = 0; k < stream_count; k++) {
      __UINTPTR_TYPE__ from = (__UINTPTR_TYPE__)args->operands[streams[k]] + (__UINTPTR_TYPE__)(*next * channels + first) * 4;
      for (int64_t c = 0; c < count; c += 16) __builtin_prefetch((const void *)(from + (__UINTPTR_TYPE__)c * 4), 0, 2);
    }
}

INLINE void FN(fetch_ahead)(const contract_args *args, const FN(tile) * tile, FN(chunk) * chunk) {
  int64_t a_first = tile->panel * PANEL, b_first = tile->block * CONTRACT_BLOCK;
  FN(fetch)(args, args->streams, args->stream_count, &chunk->a_next, chunk->a_pixels, args->a_c, tile->group * args->group_a + a_first,
            int_min(tile->panels * PANEL, args->group_a - a_first));
  FN(fetch)(args, args->b_streams, args->b_stream_count, &chunk->b_next, chunk->b_pixels, args->out_c,
            tile->group * args->group_out + b_first, int_min(tile->blocks * CONTRACT_BLOCK, args->group_out - b_first));
}

/* One row of pixels: each is VECTORS loads of A against a broadcast for every o of the block. */
INLINE void FN(row)(const contract_args *args, const float *a, const float *b, vec acc[CONTRACT_BLOCK][CONTRACT_VECTORS]) {
  UNROLL_4 for (int64_t w = 0; w < args->out_w; w++) {
    vec x[CONTRACT_VECTORS];
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++)
        x[v] = vec_load(a + w * CONTRACT_PIXEL_STRIDE * PANEL + v * CONTRACT_LANES);
    UNROLL_ALL for (int o = 0; o < CONTRACT_BLOCK; o++) {
      vec y = vec_set(b[w * B_SLAB + o]);
      UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) acc[o][v] = vec_fma(x[v], y, acc[o][v]);
    }
  }
}

/* Adds a chunk to the sums of one block, panel and tap. a, b: slabs at the first pixel. Rows of padding are skipped. */
static __attribute__((noinline)) void FN(accumulate)(const contract_args *args, const FN(chunk) * chunk,
                                                     const contract_tap *tap, const float *a, const float *b, float *sums) {
  vec acc[CONTRACT_BLOCK][CONTRACT_VECTORS];
  UNROLL_ALL for (int o = 0; o < CONTRACT_BLOCK; o++) {
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) acc[o][v] = (vec){0};
  }
  for (int64_t image = 0; image < chunk->images; image++)
    for (int64_t i = 0; i < chunk->rows; i++) {
      int64_t h = (chunk->h + i) * args->a_step + tap->row;
      if (h < 0 || h >= args->a_h) continue;
      int64_t row = image * args->slab_rows + i * (args->a_step / args->slab_step);
      FN(row)(args, a + row * args->slab_cols * PANEL, b + (image * args->tile_rows + i) * args->out_w * B_SLAB, acc);
    }
  UNROLL_ALL for (int o = 0; o < CONTRACT_BLOCK; o++) {
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) {
      float *to = sums + o * PANEL + v * CONTRACT_LANES;
      vec_store(to, vec_load(to) + acc[o][v]);
    }
  }
}

static void FN(run_chunk)(const contract_args *args, const FN(tile) * tile, FN(chunk) * chunk) {
  FN(fill_a)(args, tile, chunk);
  FN(fill_b)(args, tile, chunk);
  const contract_residue *all = &args->residues[0];
  float *sums = tile->sums;
  FN(plan_ahead)(args, chunk, tile->blocks * tile->panels * all->tap_count);
  for (int64_t block = 0; block < tile->blocks; block++)
    for (int64_t panel = 0; panel < tile->panels; panel++)
      for (int64_t t = 0; t < all->tap_count; t++, sums += CONTRACT_BLOCK * PANEL) {
        FN(fetch_ahead)(args, tile, chunk);
        FN(accumulate)(args, chunk, &args->taps[t], tile->a + panel * tile->a_plane + args->taps[t].a * PANEL,
                       tile->b + block * CONTRACT_BLOCK / B_SLAB * tile->b_plane + block * CONTRACT_BLOCK % B_SLAB, sums);
      }
}

/* The epilogue over what is stored of output channel o of the group: rows of neighbours in memory, tap by tap. */
static void FN(finish_row)(const contract_args *args, const FN(tile) * tile, int64_t o) {
  int64_t taps = args->kernel_h * args->kernel_w, step = CONTRACT_BLOCK * PANEL, block = o / CONTRACT_BLOCK - tile->block;
  int64_t first = tile->panel * PANEL, last = int_min((tile->panel + tile->panels) * PANEL, args->group_a);
  for (int64_t t = 0; t < taps; t++)
    for (int64_t i = first; i < last; i += CONTRACT_LANES) {
      const float *sums = tile->sums + ((block * tile->panels + i / PANEL - tile->panel) * taps + t) * step;
      int64_t count = int_min(CONTRACT_LANES, args->group_a - i), tap = args->taps[t].weight;
      vec acc = vec_load(sums + o % CONTRACT_BLOCK * PANEL + i % PANEL);
      CONTRACT_EPILOGUE(args, tile->group * args->group_out + o, tap / args->kernel_w, tap % args->kernel_w, i, count, acc);
    }
}

/* Asks for what finish_row will touch: hardware does not, for rows are short and far apart. */
static void FN(fetch_row)(const contract_args *args, const FN(tile) * tile, int64_t o) {
  (void)args, (void)tile, (void)o;
#ifdef CONTRACT_PREFETCH
  int64_t first = tile->panel * PANEL, last = int_min((tile->panel + tile->panels) * PANEL, args->group_a);
  for (int64_t t = 0; t < args->kernel_h * args->kernel_w; t++)
    for (int64_t i = first; i < last; i += 16)
      CONTRACT_PREFETCH(args, tile->group * args->group_out + o, t / args->kernel_w, t % args->kernel_w, i);
#endif
}

static void FN(finish)(const contract_args *args, const FN(tile) * tile) {
  int64_t first = tile->block * CONTRACT_BLOCK, last = int_min((tile->block + tile->blocks) * CONTRACT_BLOCK, args->group_out);
  int64_t ahead = int_max(1, 64 / int_max(1, tile->panels * args->kernel_h * args->kernel_w)); /* rows: some 16 KB */
  for (int64_t o = first; o < last; o++) {
    if (o == first)
      for (int64_t k = 0; k < ahead && o + k < last; k++) FN(fetch_row)(args, tile, o + k);
    if (o + ahead < last) FN(fetch_row)(args, tile, o + ahead);
    FN(finish_row)(args, tile, o);
  }
}

CONTRACT_LINKAGE void CONTRACT_NAME(const void *told, int64_t index, void *slab) {
  const contract_args *args = told;
  FN(tile) tile = FN(place)(args, index, slab);
  int64_t taps = args->kernel_h * args->kernel_w, step = CONTRACT_BLOCK * PANEL;
  for (int64_t i = 0; i < tile.blocks * tile.panels * taps * step; i++) tile.sums[i] = 0;
  for (int64_t n = 0; n < args->valid; n += args->tile_images)
    for (int64_t h = 0; h < args->out_h; h += args->tile_rows) {
      FN(chunk) chunk = {.n = n, .h = h};
      chunk.images = int_min(args->tile_images, args->valid - n);
      chunk.rows = int_min(args->tile_rows, args->out_h - h);
      FN(run_chunk)(args, &tile, &chunk);
    }
  FN(finish)(args, &tile);
}

#include "codegen/cpu/templates/contract_end.h"
