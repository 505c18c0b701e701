/* contract_pixels.h: convolution and its data gradient on the host, to be #included once for each specialisation.
 *
 *   acc[n,oh,ow,o] = sum over taps t of the residue of (oh,ow), and k, of A[n, i*a_step + row_t, .., g*K + k] * W[o, t, k]
 *
 * In, as macros (but for those marked kept they are undefined again at the end of the file):
 *   CONTRACT_LANES         16, 8 or 4, the same for a whole translation unit; kept
 *   CONTRACT_NAME          the kernel: void NAME(const void *contract_args, int64_t tile, void *slab)
 *   CONTRACT_LINKAGE       static, or nothing (the default) to export it; kept
 *   CONTRACT_VECTORS       vectors in a panel; PANEL = VECTORS * LANES output channels
 *   CONTRACT_BLOCK         input channels in a block of slab and weight
 *   CONTRACT_WIDTH, _ROWS  pixels and rows of a group: WIDTH * ROWS * VECTORS accumulators stay in registers
 *   CONTRACT_PROLOGUE      a slab_prologue, inlined
 *   CONTRACT_SIDE_PROLOGUE optional: one that also stores what it computed, called once for each point of A, by the tile that owns it
 *   CONTRACT_EPILOGUE      void (args, n, h, w, o, count, vec acc, vec *partial): stores, and gives a value to each partial
 *   CONTRACT_PARTIALS      how many partial outputs, may be 0; CONTRACT_PARTIAL_KINDS: their kinds, {CONTRACT_SUM, ..}
 *   CONTRACT_PREFETCH      optional: void (args, n, h, w, o), asks for what the epilogue will touch at a vector
 *
 * Layout: weight [g][ceil(O/G/PANEL)][ceil(K/BLOCK)][KH][KW][BLOCK][PANEL], zero-padded (kernel.h with L = PANEL); slab as in
 * contract_args.h, filled by slab.h; before it, the running partials [panel][partial][VECTORS]. Partials [tile][planes][out_c].
 *
 * Without a slab: A that is a plain tensor under a 1x1 kernel is read where it lies (args->direct). In both, the channels of a pixel follow each other:
 * hardware prefetches that, and not blocks of channels of all pixels (1024 channels, 196 pixels, AVX2: 85 GFLOP/s for 61). A group
 * that would read past the end of the tensor is copied.
 *
 * Tiling: a tile owns rows of output and all channels, or some panels of them where pixels are few. Panels of weights are the outer loop, pixel groups the inner: the
 * panel streams through L1 while the slab lies in L2. Several small panels
 * (args->panels_together, as many as L2 holds beside it) are taken for a group of pixels before the next, so that what is read and
 * written of an output pixel are long runs. A group reads VECTORS loads and WIDTH * ROWS broadcasts for each
 * VECTORS * WIDTH * ROWS FMAs; 2 x 14 with 32 registers, 2 x 6 with 16, is what fits. Rows of a group are taken image first,
 * so that two images share the taps that fall on padding rows, which are skipped. A group that hangs over the end of a row
 * computes on what lies behind in the slab (there is slack for it), and drops it: pixels do not meet.
 *
 * Prefetch: while a tile computes, it asks for the part of args->streams that the next tile will copy, a few cache lines a
 * step, and for the outputs of a group before its sums. Hardware does neither: the copy comes in bursts, and the rows of
 * an NHWC output panel are too far apart. Addresses past a tensor's end are harmless.
 *
 * Order of a sum: block, tap, channel; the same whatever the tile. Moments are summed shifted by the panel's first value, so
 * that M2 does not cancel, and the tile's rows keep float sums short. */
#include "codegen/cpu/templates/vector.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "codegen/cpu/templates/partial.h"
#include "codegen/cpu/templates/slab.h"

#include "codegen/cpu/templates/contract_names.h"
#define PIXELS (CONTRACT_WIDTH * CONTRACT_ROWS)
#define PARTIALS_HELD (CONTRACT_PARTIALS > 0 ? CONTRACT_PARTIALS : 1)

/* A tile: which rows of which images, and its slab. */
typedef struct FN(tile) {
  int64_t index, n, images, h, rows; /* output rows [h, h + rows) of images [n, n + images) */
  int64_t panel, panel_end;          /* of each group */
  int64_t blocks;                    /* of a group */
  int64_t point, pixel;              /* floats of the slab from point to point, and of A, as it is read, from pixel to pixel */
  float *slab;
  partial *running; /* of panel 0 */
  int64_t ahead, lines; /* float of the streams to fetch next; cache lines a step */
} FN(tile);

/* ROWS * WIDTH pixels of one residue: class rows [first, first + rows) of the tile, image innermost; class columns from w. */
typedef struct FN(group) {
  const contract_residue *residue;
  int64_t rows, w, columns; /* rows and columns that are there */
  int64_t n[CONTRACT_ROWS], i[CONTRACT_ROWS];
  const float *a[CONTRACT_ROWS]; /* A at the first pixel of the row */
  int64_t first_tap, last_tap;
} FN(group);

/* Floats of the slab a kernel is given; it is aligned to a cache line. */
static inline int64_t FN(slab_floats)(const contract_args *args) {
  return pixels_slab_floats(args, PANEL, CONTRACT_BLOCK, PIXELS, CONTRACT_PARTIALS);
}

static inline int64_t FN(tile_count)(const contract_args *args, int64_t images) { return pixels_tile_count(args, images, PANEL); }

static inline FN(tile) FN(place)(const contract_args *args, int64_t index, float *slab) {
  int64_t cuts = int_ceil_div(args->out_h, args->tile_rows), panel_cuts = pixels_panel_cuts(args, PANEL);
  int64_t panels = int_ceil_div(args->group_out, PANEL), cut = index % panel_cuts;
  index /= panel_cuts;
  FN(tile) tile = {.index = index, .slab = slab + pixels_partial_floats(args, PANEL, CONTRACT_PARTIALS), .running = (partial *)slab};
  tile.panel = panel_cuts > 1 ? cut * args->tile_panels : 0;
  tile.panel_end = panel_cuts > 1 ? int_min(tile.panel + args->tile_panels, panels) : panels;
  tile.n = index / cuts * args->tile_images;
  tile.images = int_max(0, int_min(args->tile_images, args->valid - tile.n));
  tile.h = index % cuts * args->tile_rows;
  tile.rows = int_min(args->tile_rows, args->out_h - tile.h);
  tile.blocks = int_ceil_div(args->group_a, CONTRACT_BLOCK);
  tile.point = pixels_point(args, CONTRACT_BLOCK);
  tile.pixel = pixels_pixel(args, CONTRACT_BLOCK);
  return tile;
}

/* Row `row` of the tile's slab of an image, as it lies in A (row_taps). */
INLINE void FN(fill_row)(const contract_args *args, const FN(tile) * tile, int64_t image, int64_t row) {
  int64_t h = tile->h * args->a_step + args->origin_h + row, first = int_min(args->row_pad, args->row_floats), last = first;
  float *to = tile->slab + (image * args->slab_rows + row) * args->row_floats;
  if (h >= 0 && h < args->a_h) last = int_min(args->row_floats, first + args->row_width);
  for (int64_t i = 0; i < first; i++) to[i] = 0;
  if (first < last) {
    const float *from = args->operands[args->direct_operand] + ((tile->n + image) * args->a_h + h) * args->row_width;
    for (int64_t i = 0; i < last - first; i += CONTRACT_LANES) {
      int64_t count = int_min(CONTRACT_LANES, last - first - i);
      vec_store_part(to + first + i, vec_load_part(from + i, count), count);
    }
  }
  for (int64_t i = last; i < args->row_floats; i++) to[i] = 0;
}

static __attribute__((noinline)) void FN(fill_rows)(const contract_args *args, const FN(tile) * tile) {
  for (int64_t image = 0; image < tile->images; image++)
    for (int64_t row = 0; row < args->slab_rows; row++) FN(fill_row)(args, tile, image, row);
}

static __attribute__((noinline)) void FN(fill)(const contract_args *args, const FN(tile) * tile) {
  for (int64_t image = 0; image < tile->images; image++)
    for (int64_t g = 0; g < args->groups; g++) {
      slab_window window = {.data = tile->slab + image * args->slab_rows * args->slab_cols * tile->point + g * pixels_group_floats(args, CONTRACT_BLOCK),
                            .plane = CONTRACT_BLOCK,
                            .point = tile->point,
                            .rows = args->slab_rows,
                            .columns = args->slab_cols,
                            .n = tile->n + image,
                            .h = tile->h / args->out_step * args->a_step + args->origin_h,
                            .w = args->origin_w,
                            .c = g * args->group_a,
                            .step = args->slab_step,
                            .height = args->a_h,
                            .width = args->a_w,
                            .channels = args->group_a};
#ifdef CONTRACT_SIDE_PROLOGUE
      slab_fill_storing(args, CONTRACT_PROLOGUE, CONTRACT_SIDE_PROLOGUE, pixels_own(args, tile->h),
                        pixels_own_end(args, tile->h, tile->rows, tile->panel), &window, CONTRACT_BLOCK);
#else
      slab_fill(args, CONTRACT_PROLOGUE, &window, CONTRACT_BLOCK);
#endif
    }
}

/* Spreads the input of the next tile over the steps (block, tap) of this one. */
static void FN(plan_ahead)(const contract_args *args, FN(tile) * tile, int64_t panels) {
  int64_t steps = 0, row = (tile->h + tile->rows) / args->out_step * args->a_step, line = 16;
  for (int64_t k = 0; k < args->residue_count; k++) {
    int64_t rows = int_ceil_div(tile->rows, args->out_step) * tile->images;
    int64_t columns = int_ceil_div(int_ceil_div(args->out_w, args->out_step), CONTRACT_WIDTH);
    steps += int_ceil_div(rows, CONTRACT_ROWS) * columns * args->residues[k].tap_count;
  }
  int64_t samples = tile->h + tile->rows < args->out_h ? 0 : tile->images;
  int64_t fresh = int_ceil_div(tile->rows, args->out_step) * args->a_step * int_max(1, tile->images) * args->a_w * args->a_c;
  tile->ahead = ((tile->n + samples) * args->a_h + (samples ? 0 : row)) * args->a_w * args->a_c;
  tile->lines = int_ceil_div(fresh / line, int_max(1, steps * args->groups * panels * tile->blocks));
}

INLINE void FN(fetch_ahead)(const contract_args *args, FN(tile) * tile) {
  for (int64_t i = 0; i < tile->lines; i++, tile->ahead += 16)
    for (int64_t k = 0; k < args->stream_count; k++)
      __builtin_prefetch((const void *)((__UINTPTR_TYPE__)args->operands[args->streams[k]] + (__UINTPTR_TYPE__)tile->ahead * 4), 0, 2);
}

/* What the epilogue will touch at pixels [first, last) of a group. */
INLINE void FN(fetch_outputs)(const contract_args *args, const FN(group) * group, int64_t o, int64_t first, int64_t last) {
  (void)args, (void)group, (void)o, (void)first, (void)last;
#ifdef CONTRACT_PREFETCH
  for (int64_t p = first; p < last; p++) {
    int64_t j = p / CONTRACT_WIDTH, w = p % CONTRACT_WIDTH;
    if (j >= group->rows || w >= group->columns) continue;
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++)
        CONTRACT_PREFETCH(args, group->n[j], group->i[j] * args->out_step + group->residue->first_h,
                          (group->w + w) * args->out_step + group->residue->first_w, o + v * CONTRACT_LANES);
  }
#endif
}

/* Taps of the residue that meet a row of A for any row of the group. */
INLINE void FN(trim)(const contract_args *args, FN(group) * group) {
  const contract_tap *taps = args->taps + group->residue->first_tap;
  int64_t low = group->i[0] * args->a_step, high = group->i[group->rows - 1] * args->a_step, last = group->residue->tap_count;
  int64_t first = 0;
  while (first < last && high + taps[first].row < 0) first++;
  while (last > first && low + taps[last - 1].row >= args->a_h) last--;
  group->first_tap = group->residue->first_tap + first;
  group->last_tap = group->residue->first_tap + last;
}

/* A at class point (i, column) of the tile's rows of an image. */
INLINE const float *FN(point)(const contract_args *args, const FN(tile) * tile, int64_t g, int64_t image, int64_t i, int64_t column) {
  if (args->direct) {
    int64_t h = tile->h / args->out_step + i;
    return args->operands[args->direct_operand] + (((tile->n + image) * args->a_h + h * args->a_step) * args->a_w + column * args->a_step) * args->a_c +
           g * args->group_a;
  }
  int64_t row = image * args->slab_rows + i * (args->a_step / args->slab_step);
  return tile->slab + row * args->slab_cols * tile->point + column * tile->pixel + g * pixels_group_floats(args, CONTRACT_BLOCK);
}

/* Where pixels that are not there would be read past the tensor's end, a row of a group is copied into the slab. */
static __attribute__((noinline)) void FN(stay_inside)(const contract_args *args, const FN(tile) * tile, FN(group) * group) {
  const float *end = args->operands[args->direct_operand] + args->valid * args->a_h * args->a_w * args->a_c;
  for (int64_t j = 0; j < CONTRACT_ROWS; j++) {
    float *to = tile->slab + j * CONTRACT_WIDTH * tile->pixel;
    if (end - group->a[j] >= (CONTRACT_WIDTH - 1) * tile->pixel + args->group_a) continue;
    for (int64_t p = 0; p < group->columns; p++)
      for (int64_t c = 0; c < args->group_a; c++) to[p * tile->pixel + c] = group->a[j][p * tile->pixel + c];
    group->a[j] = to;
  }
}

/* The group of rows from `row` (class rows of the tile, image innermost), at class column w. Rows that are not there repeat
 * the last one. */
INLINE void FN(aim)(const contract_args *args, const FN(tile) * tile, int64_t g, int64_t row, int64_t row_count,
                    FN(group) * group) {
  group->rows = int_min(CONTRACT_ROWS, row_count - row);
  for (int64_t j = 0; j < CONTRACT_ROWS; j++) {
    int64_t at = row + int_min(j, group->rows - 1), image = at % tile->images, i = at / tile->images;
    group->n[j] = tile->n + image;
    group->i[j] = tile->h / args->out_step + i;
    group->a[j] = FN(point)(args, tile, g, image, i, group->w);
  }
  if (args->direct && group->columns < CONTRACT_WIDTH) FN(stay_inside)(args, tile, group);
  FN(trim)(args, group);
}

/* One tap of one block: BLOCK steps, each VECTORS loads of weights against a broadcast for every pixel, `pixel` floats from the one before. */
INLINE void FN(tap)(const FN(group) * group, int64_t pixel, int64_t offset, const float *weight, vec acc[PIXELS][CONTRACT_VECTORS]) {
  const float *a[PIXELS];
  UNROLL_ALL for (int p = 0; p < PIXELS; p++) a[p] = group->a[p / CONTRACT_WIDTH] + offset + p % CONTRACT_WIDTH / 3 * 3 * pixel;
  UNROLL_4 for (int c = 0; c < CONTRACT_BLOCK; c++) {
    vec w[CONTRACT_VECTORS];
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) w[v] = vec_load(weight + c * PANEL + v * CONTRACT_LANES);
    UNROLL_ALL for (int p = 0; p < PIXELS; p++) {
      vec x = vec_set(a[p][p % CONTRACT_WIDTH % 3 * pixel + c]);
      UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) acc[p][v] = vec_fma(w[v], x, acc[p][v]);
    }
  }
}

/* One vector of one pixel: the epilogue, then its partials. */
INLINE void FN(finish)(const contract_args *args, const FN(group) * group, int p, int64_t o, int64_t count, vec acc,
                       partial *running, int64_t step, int first) {
  static const int kinds[PARTIALS_HELD] = CONTRACT_PARTIAL_KINDS;
  vec value[PARTIALS_HELD];
  int64_t j = p / CONTRACT_WIDTH, w = group->w + p % CONTRACT_WIDTH;
  CONTRACT_EPILOGUE(args, group->n[j], group->i[j] * args->out_step + group->residue->first_h,
                    w * args->out_step + group->residue->first_w, o, count, acc, value);
  UNROLL_ALL for (int k = 0; k < CONTRACT_PARTIALS; k++) partial_take(&running[k * step], kinds[k], first, value[k]);
}

/* A group or a panel that is not full. */
static __attribute__((noinline)) void FN(finish_part)(const contract_args *args, const FN(group) * group, int64_t o,
                                                      int64_t channels, const vec acc[PIXELS][CONTRACT_VECTORS],
                                                      partial *running, int first) {
  for (int v = 0; v < CONTRACT_VECTORS && v * CONTRACT_LANES < channels; v++) {
    int64_t count = int_min(CONTRACT_LANES, channels - v * CONTRACT_LANES);
    for (int p = 0; p < PIXELS; p++) {
      if (p / CONTRACT_WIDTH >= group->rows || p % CONTRACT_WIDTH >= group->columns) continue;
      FN(finish)(args, group, p, o + v * CONTRACT_LANES, count, acc[p][v], running + v, CONTRACT_VECTORS, first && p == 0);
    }
  }
}

/* A whole group: pixels in order, their partials in registers between the first and the last. */
INLINE void FN(finish_full)(const contract_args *args, const FN(group) * group, int64_t o,
                            vec acc[PIXELS][CONTRACT_VECTORS], partial *running, int first) {
  UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) {
    partial held[PARTIALS_HELD] = {0};
    UNROLL_ALL for (int k = 0; k < CONTRACT_PARTIALS; k++) held[k] = running[k * CONTRACT_VECTORS + v];
    UNROLL_ALL for (int p = 0; p < PIXELS; p++)
      FN(finish)(args, group, p, o + v * CONTRACT_LANES, CONTRACT_LANES, acc[p][v], held, 1, first && p == 0);
    UNROLL_ALL for (int k = 0; k < CONTRACT_PARTIALS; k++) running[k * CONTRACT_VECTORS + v] = held[k];
  }
}

/* All sums of one group and one panel. o: its first output channel; channels: those of the panel that are there. */
static __attribute__((noinline)) void FN(compute)(const contract_args *args, FN(tile) * tile, const FN(group) * group,
                                                  const float *panel, int64_t o, int64_t channels, partial *running,
                                                  int first) {
  int64_t tap_floats = CONTRACT_BLOCK * PANEL, block_floats = args->kernel_h * args->kernel_w * tap_floats;
  int64_t pixel = tile->pixel, point = tile->point;
  vec acc[PIXELS][CONTRACT_VECTORS];
  UNROLL_ALL for (int p = 0; p < PIXELS; p++) {
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) acc[p][v] = (vec){0};
  }
  /* spread over the steps: all at once they would wait for each other */
  int64_t steps = tile->blocks * (group->last_tap - group->first_tap), share = int_ceil_div(PIXELS, int_max(1, steps)), fetched = 0;
  for (int64_t block = 0; block < tile->blocks; block++)
    for (int64_t t = group->first_tap; t < group->last_tap; t++) {
      FN(fetch_ahead)(args, tile);
      if (fetched < PIXELS) {
        FN(fetch_outputs)(args, group, o, fetched, int_min(fetched + share, PIXELS));
        fetched += share;
      }
      FN(tap)(group, pixel, block * CONTRACT_BLOCK + args->taps[t].a * point,
              panel + block * block_floats + args->taps[t].weight * tap_floats, acc);
    }
  if (channels >= PANEL && group->rows == CONTRACT_ROWS && group->columns == CONTRACT_WIDTH) {
    FN(finish_full)(args, group, o, acc, running, first);
    return;
  }
  vec spilled[PIXELS][CONTRACT_VECTORS]; /* indexed at run time: acc itself would leave the registers */
  UNROLL_ALL for (int p = 0; p < PIXELS; p++) {
    UNROLL_ALL for (int v = 0; v < CONTRACT_VECTORS; v++) spilled[p][v] = acc[p][v];
  }
  FN(finish_part)(args, group, o, channels, (const vec(*)[CONTRACT_VECTORS])spilled, running, first);
}

/* Writes the partials of one panel; points: how many values each has seen. */
static void FN(store_partials)(const contract_args *args, int64_t tile, int64_t o, int64_t channels,
                               const partial *running, int64_t points) {
  static const int kinds[PARTIALS_HELD] = CONTRACT_PARTIAL_KINDS;
  for (int k = 0; k < CONTRACT_PARTIALS; k++)
    for (int64_t c = 0; c < int_min(channels, PANEL); c++) {
      float *to = args->partials[k] + tile * (kinds[k] == CONTRACT_MOMENTS ? 3 : 1) * args->out_c + o + c;
      partial_write(&running[k * CONTRACT_VECTORS + c / CONTRACT_LANES], kinds[k], c % CONTRACT_LANES, points, to, args->out_c);
    }
}

/* One group of pixels, for panels [first, last) of channel group g. */
static void FN(run_group)(const contract_args *args, FN(tile) * tile, const FN(group) * group, int64_t g, int64_t first,
                          int64_t last, int first_points) {
  int64_t panels = int_ceil_div(args->group_out, PANEL);
  int64_t panel_floats = tile->blocks * args->kernel_h * args->kernel_w * CONTRACT_BLOCK * PANEL;
  for (int64_t panel = first; panel < last; panel++)
    FN(compute)(args, tile, group, args->weight + (g * panels + panel) * panel_floats, g * args->group_out + panel * PANEL,
                args->group_out - panel * PANEL, tile->running + panel * CONTRACT_PARTIALS * CONTRACT_VECTORS, first_points);
}

/* Panels [first, last) of output channels of group g over the whole tile. */
static void FN(run_panels)(const contract_args *args, FN(tile) * tile, int64_t g, int64_t first, int64_t last) {
  int64_t held = CONTRACT_PARTIALS * CONTRACT_VECTORS, points = 0;
  for (int64_t i = first * held; i < last * held; i++) tile->running[i] = (partial){0};
  for (int64_t k = 0; k < args->residue_count; k++) {
    FN(group) group = {.residue = &args->residues[k]};
    int64_t rows = int_ceil_div(tile->rows - group.residue->first_h, args->out_step) * tile->images;
    int64_t columns = int_ceil_div(args->out_w - group.residue->first_w, args->out_step);
    for (int64_t row = 0; row < rows; row += CONTRACT_ROWS)
      for (group.w = 0; group.w < columns; group.w += CONTRACT_WIDTH) {
        group.columns = int_min(CONTRACT_WIDTH, columns - group.w);
        FN(aim)(args, tile, g, row, rows, &group);
        FN(run_group)(args, tile, &group, g, first, last, points == 0);
        points += group.rows * group.columns;
      }
  }
  for (int64_t panel = first; panel < last; panel++)
    FN(store_partials)(args, tile->index, g * args->group_out + panel * PANEL, args->group_out - panel * PANEL,
                       tile->running + panel * held, points);
}

/* slab: slab_floats of floats, aligned to a cache line; what it holds before and after does not matter. */
CONTRACT_LINKAGE void CONTRACT_NAME(const void *told, int64_t index, void *slab) {
  const contract_args *args = told;
  FN(tile) tile = FN(place)(args, index, slab);
  int64_t panels = tile.panel_end - tile.panel, together = int_max(1, args->panels_together);
  if (args->row_floats) {
    FN(fill_rows)(args, &tile);
  } else if (!args->direct) {
    FN(fill)(args, &tile);
    FN(plan_ahead)(args, &tile, panels);
  }
  for (int64_t g = 0; g < args->groups; g++)
    for (int64_t panel = tile.panel; panel < tile.panel_end; panel += together)
      FN(run_panels)(args, &tile, g, panel, int_min(panel + together, tile.panel_end));
}

#include "codegen/cpu/templates/contract_end.h"
