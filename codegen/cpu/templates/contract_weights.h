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
 * Tiling: a tile owns tile_out_blocks x tile_in_panels of a group's weights and walks all pixels, or a part of them
 * (contract_weights_tile.h), so that tiles are disjoint and the order of every sum is fixed. Pixels come in chunks of tile_rows x tile_images whose two slabs fit L2. A chunk is
 * summed from zero in registers and then added: two short sums round less than one long one.
 *
 * Prefetch: each step (block, panel, tap) asks for some cache lines of the next chunk of args->streams and args->b_streams.
 * Addresses past a tensor's end are harmless. */
#include "codegen/cpu/templates/vector.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "codegen/cpu/templates/slab.h"

#include "codegen/cpu/templates/contract_names.h"
#define B_SLAB weights_b_block(CONTRACT_BLOCK, CONTRACT_LANES)

static inline int64_t FN(slab_floats)(const contract_args *args) {
  return weights_slab_floats(args, PANEL, CONTRACT_BLOCK, CONTRACT_LANES);
}
static inline int64_t FN(tile_count)(const contract_args *args) { return weights_tile_count(args, PANEL, CONTRACT_BLOCK); }
static inline int64_t FN(sum_floats)(const contract_args *args) { return weights_sum_floats(args, PANEL, CONTRACT_BLOCK, args->kernel_h * args->kernel_w); }

#include "codegen/cpu/templates/contract_weights_tile.h"

static void FN(place_slab)(const contract_args *args, FN(tile) * tile, float *slab) {
  tile->a_plane = weights_a_plane(args, PANEL);
  tile->b_plane = weights_b_plane(args, B_SLAB);
  tile->a = slab;
  tile->b = tile->a + args->tile_in_panels * tile->a_plane;
  tile->sums = tile->b + weights_b_planes(args, CONTRACT_BLOCK, B_SLAB) * tile->b_plane;
  tile->sum_tap = CONTRACT_BLOCK * PANEL;
  tile->sum_panel = args->kernel_h * args->kernel_w * tile->sum_tap;
  tile->sum_block = tile->panels * tile->sum_panel;
}

static __attribute__((noinline)) void FN(fill_a)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk) {
  for (int64_t image = 0; image < chunk->images; image++) {
    slab_window window = FN(window_a)(args, tile, chunk, image);
    window.data = tile->a + image * args->slab_rows * args->slab_cols * PANEL;
    window.plane = tile->a_plane;
    window.point = PANEL;
    window.rows = args->slab_rows;
    window.columns = args->slab_cols;
    slab_fill(args, CONTRACT_PROLOGUE, &window, PANEL);
  }
}

static __attribute__((noinline)) void FN(fill_b)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk) {
  for (int64_t image = 0; image < chunk->images; image++) {
    slab_window window = FN(window_b)(args, tile, chunk, image);
    window.data = tile->b + image * args->tile_rows * args->out_w * B_SLAB;
    window.plane = tile->b_plane;
    window.point = B_SLAB;
    window.rows = chunk->rows;
    window.columns = args->out_w;
    slab_fill(args, CONTRACT_B_PROLOGUE, &window, B_SLAB);
  }
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
  FN(plan_ahead)(args, chunk, tile->blocks * tile->panels * all->tap_count);
  for (int64_t block = 0; block < tile->blocks; block++)
    for (int64_t panel = 0; panel < tile->panels; panel++)
      for (int64_t t = 0; t < all->tap_count; t++) {
        FN(fetch_ahead)(args, tile, chunk);
        FN(accumulate)(args, chunk, &args->taps[t], tile->a + panel * tile->a_plane + args->taps[t].a * PANEL,
                       tile->b + block * CONTRACT_BLOCK / B_SLAB * tile->b_plane + block * CONTRACT_BLOCK % B_SLAB,
                       tile->sums + block * tile->sum_block + panel * tile->sum_panel + t * tile->sum_tap);
      }
}

static void FN(finish_sums)(const contract_args *args, const FN(tile) * tile) { (void)args, (void)tile; }

#include "codegen/cpu/templates/contract_end.h"
