/* tile.c: see tile.h. A contract's tile wants enough pixels to use each panel of weights well, few enough channels-times-pixels to
 * stay in a core's cache, and rows that divide the image; and there must be enough tiles to share. */
#include "compiler/passes/tile.h"

#include "compiler/passes/layout.h"

static int64_t lowest(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t highest(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Near `rows`, one that cuts `height` evenly if there is one in [rows/2, 3*rows/2], and a multiple of `step`. */
static int64_t even_rows(int64_t height, int64_t rows, int64_t step) {
  int64_t best = ceil_div(highest(1, rows), step) * step;
  if (best >= height) return height;
  for (int64_t r = step; 2 * r <= 3 * rows && r < height; r += step)
    if (height % r == 0 && 2 * r >= rows) best = r;
  return best;
}

/* Cuts so that a tile has about `pixels` output pixels. */
static void cut(rgc_kernel *kernel, int64_t pixels, int64_t step) {
  int64_t height = kernel->extent[RGC_H], width = kernel->extent[RGC_W], images = kernel->extent[RGC_N];
  int64_t rows = even_rows(height, highest(1, (pixels + width / 2) / width), step);
  kernel->tile_rows = kernel->tile_images = 0;
  if (rows < height) kernel->tile_rows = rows;
  else kernel->tile_images = ceil_div(images, ceil_div(images, highest(1, pixels / (height * width))));
}

bool rgc_takes_winograd(const rgc_kernel *kernel, const rgc_target *target) {
  const rgc_geometry *g = &kernel->geometry;
  if (!target->winograd_min_channels || kernel->kind != RGC_CONTRACT) return false;
  if (g->kernel_h != 3 || g->kernel_w != 3 || g->stride != 1 || g->dilation != 1 || g->groups != 1) return false;
  const int64_t *out = kernel->form == RGC_WEIGHTS ? kernel->b_extent : kernel->extent;
  int64_t image = out[RGC_H] * out[RGC_W], pixels = out[RGC_N] * image;
  if (ceil_div(out[RGC_H], 4) * ceil_div(out[RGC_W], 4) * 36 > image * 9 / 2) return false; /* saves no half */
  return lowest(out[RGC_C], kernel->a_extent[RGC_C]) >= target->winograd_min_channels && pixels >= target->winograd_min_pixels;
}

/* Rows in fours, or whole images. A tile transforms weights for all its patches, and where there are too few tiles, codegen cuts them
 * by panels, which then transform the same input: half of the patches is the better half of that, until there are enough of them.
 * Transformed A is 36 numbers a patch and channel. */
static void cut_winograd(rgc_kernel *kernel, const rgc_target *target) {
  int64_t height = kernel->extent[RGC_H], columns = ceil_div(kernel->extent[RGC_W], 4), image = columns * ceil_div(height, 4);
  int64_t all = kernel->extent[RGC_N] * image, most = target->winograd_tile_floats / (36 * kernel->a_extent[RGC_C]);
  int64_t patches = highest(target->winograd_patches / 2, lowest(target->winograd_patches, 2 * all / target->min_tiles));
  patches = highest(1, lowest(patches, most));
  int64_t rows = even_rows(height, highest(1, patches / columns) * 4, 4);
  kernel->tile_rows = kernel->tile_images = 0;
  if (rows < height) kernel->tile_rows = rows;
  else kernel->tile_images = ceil_div(kernel->extent[RGC_N], ceil_div(all, highest(image, patches)));
}

enum { MOST_STEPS = 8, MOST_TILE_IMAGES = 16, LEAST_PANEL_TAPS = 2, LEAST_WINOGRAD_PANELS = 2 };

/* A way to cut a contract's pixels into tiles. */
typedef struct block_cut {
  int64_t rows, images; /* one of them counts: images > 0, or rows of one image */
  int64_t tiles, steps; /* steps of all tiles together, for one residue */
} block_cut;

/* Steps for a residue of so many rows. */
static int64_t steps_of_rows(const rgc_kernel *kernel, int64_t rows, int64_t block) {
  int64_t step = kernel->geometry.transposed ? kernel->geometry.stride : 1;
  return ceil_div(ceil_div(rows, step) * ceil_div(kernel->extent[RGC_W], step), block);
}

/* False where a tile would take too many steps. A last tile of fewer images counts as a full one. */
static bool count_steps(const rgc_kernel *kernel, int64_t block, block_cut *cut) {
  int64_t height = kernel->extent[RGC_H], images = kernel->extent[RGC_N], of_tile, in_all;
  if (cut->images) {
    of_tile = steps_of_rows(kernel, height * cut->images, block);
    cut->tiles = ceil_div(images, cut->images);
    in_all = cut->tiles * of_tile;
  } else {
    of_tile = steps_of_rows(kernel, cut->rows, block);
    cut->tiles = images * ceil_div(height, cut->rows);
    in_all = images * (height / cut->rows * of_tile + steps_of_rows(kernel, height % cut->rows, block));
  }
  cut->steps = in_all; /* of each residue */
  return of_tile <= MOST_STEPS;
}

static bool is_better(const block_cut *a, const block_cut *b, int64_t wanted) {
  if (lowest(a->tiles, wanted) != lowest(b->tiles, wanted)) return a->tiles > b->tiles;
  return a->steps != b->steps ? a->steps < b->steps : a->tiles > b->tiles;
}

/* The cut of fewest steps of those that have tiles enough for all processors, or else the most. */
static void cut_blocks(rgc_kernel *kernel, const rgc_target *target) {
  int64_t step = kernel->geometry.transposed ? kernel->geometry.stride : 1, height = kernel->extent[RGC_H];
  int64_t wanted = ceil_div(target->min_tiles, ceil_div(kernel->extent[RGC_C], target->block_channels));
  block_cut best = {.rows = step};
  count_steps(kernel, target->block_pixels, &best);
  for (int64_t rows = 2 * step; rows < height; rows += step) {
    block_cut cut = {.rows = rows};
    if (count_steps(kernel, target->block_pixels, &cut) && is_better(&cut, &best, wanted)) best = cut;
  }
  for (int64_t images = 1; images <= lowest(kernel->extent[RGC_N], MOST_TILE_IMAGES); images++) {
    block_cut cut = {.images = images};
    if (count_steps(kernel, target->block_pixels, &cut) && is_better(&cut, &best, wanted)) best = cut;
  }
  if (best.rows >= height) best = (block_cut){.images = 1};
  kernel->tile_rows = best.images ? 0 : best.rows;
  kernel->tile_images = best.images;
}

bool rgc_takes_a_directly(const rgc_graph *graph, const rgc_kernel *kernel) {
  const rgc_geometry *g = &kernel->geometry;
  return g->kernel_h == 1 && g->kernel_w == 1 && !g->pad && rgc_kernel_plain_a(graph, kernel);
}

/* Output pixels of which the copy of A, with the rows that neighbours read too, fits the cache beside a panel of weights. But each tile reads
 * all weights again: of each residue not fewer than a quarter of what a tile should have. */
static int64_t pixels_that_fit(const rgc_kernel *kernel, const rgc_target *target) {
  const rgc_geometry *g = &kernel->geometry;
  rgc_reach reach = rgc_reach_of(g, g->kernel_h);
  int64_t panel = rgc_panel_lanes(target, kernel->extent[RGC_C] / g->groups) * g->kernel_h * g->kernel_w * kernel->a_extent[RGC_C] / g->groups;
  int64_t row = kernel->a_extent[RGC_W] * kernel->a_extent[RGC_C], rows = (target->tile_floats - panel) / row;
  int64_t steps = (rows - (reach.high - reach.low + 1)) / reach.a_step + 1, image = kernel->extent[RGC_H] * kernel->extent[RGC_W];
  int64_t fit = steps * reach.out_step >= kernel->extent[RGC_H] ? rows / kernel->a_extent[RGC_H] * image : steps * reach.out_step * kernel->extent[RGC_W];
  return highest(target->tile_pixels / 4 * reach.out_step * reach.out_step, fit);
}

static void cut_contract(const rgc_graph *graph, rgc_kernel *kernel, const rgc_target *target) {
  if (rgc_takes_winograd(kernel, target)) {
    cut_winograd(kernel, target);
    return;
  }
  if (target->block_pixels) {
    cut_blocks(kernel, target);
    return;
  }
  int64_t pixels = target->tile_pixels, step = kernel->geometry.transposed ? kernel->geometry.stride : 1;
  if (!rgc_takes_a_directly(graph, kernel)) pixels = lowest(pixels, pixels_that_fit(kernel, target));
  cut(kernel, pixels, step);
}

int64_t rgc_panel_cuts(const rgc_kernel *kernel, const rgc_target *target, int64_t panels, int64_t taps) {
  if (kernel->geometry.groups > 1) return 1;
  int64_t most = rgc_takes_winograd(kernel, target) ? panels / LEAST_WINOGRAD_PANELS : panels * taps / LEAST_PANEL_TAPS;
  int64_t cuts = lowest(ceil_div(target->min_tiles, rgc_kernel_tile_count(kernel)), highest(1, most));
  return cuts > 1 ? ceil_div(panels, ceil_div(panels, cuts)) : 1;
}

/* Rows of A that tiles of `rows` output rows load in all, of one image. */
static int64_t loaded_rows(const rgc_kernel *kernel, int64_t rows) {
  rgc_reach reach = rgc_reach_of(&kernel->geometry, kernel->geometry.kernel_h);
  int64_t loaded = 0, height = kernel->extent[RGC_H];
  for (int64_t h = 0; h < height; h += rows) {
    int64_t first = h / reach.out_step * reach.a_step + reach.low;
    int64_t last = (ceil_div(lowest(h + rows, height), reach.out_step) - 1) * reach.a_step + reach.high;
    loaded += lowest(last, kernel->a_extent[RGC_H] - 1) - highest(first, 0) + 1;
  }
  return loaded;
}

double rgc_loads_of_a(const rgc_kernel *kernel, const rgc_target *target) {
  int64_t taps = kernel->geometry.kernel_h * kernel->geometry.kernel_w, channels = kernel->extent[RGC_C], cuts = 1;
  if (target->panel_lanes) cuts = rgc_panel_cuts(kernel, target, ceil_div(channels, rgc_panel_lanes(target, channels)), taps);
  int64_t rows = kernel->tile_rows ? kernel->tile_rows : kernel->extent[RGC_H];
  return (double)cuts * (double)loaded_rows(kernel, rows) / (double)kernel->a_extent[RGC_H];
}

static void cut_map(rgc_kernel *kernel, const rgc_target *target) {
  int64_t total = kernel->extent[RGC_N] * kernel->extent[RGC_H] * kernel->extent[RGC_W];
  int64_t pixels = target->map_tile_floats / highest(1, kernel->extent[RGC_C]);
  cut(kernel, highest(1, lowest(pixels, total / target->min_tiles)), 1);
}

static void size_partials(rgc_graph *graph, const rgc_kernel *kernel) {
  for (int i = 0; i < kernel->store_count; i++)
    if (rgc_store_is_partial(kernel->stores[i].kind)) graph->values[kernel->stores[i].value].shape[RGC_N] = rgc_kernel_tile_count(kernel);
}

/* A merge reads partials, and nothing else, in stage a. */
static void size_merge(const rgc_graph *graph, rgc_kernel *kernel, const bool *partials) {
  if (kernel->kind != RGC_REDUCE || !kernel->a->operand_count || !partials[kernel->a->operands[0].value]) return;
  kernel->a_extent[RGC_N] = graph->values[kernel->a->operands[0].value].shape[RGC_N];
}

void rgc_choose_tiles(rgc_graph *graph, const rgc_target *target) {
  rgc_arena *scratch = rgc_arena_create();
  bool *partials = RGC_NEW_ARRAY(scratch, bool, graph->value_count + 1);
  for (int i = 0; i < graph->op_count; i++) {
    rgc_kernel *kernel = graph->ops[i].kernel;
    if (kernel->kind == RGC_CONTRACT && kernel->form == RGC_PIXELS) cut_contract(graph, kernel, target);
    else if (rgc_kernel_has_partials(kernel)) cut_map(kernel, target);
    for (int k = 0; k < kernel->store_count; k++)
      if (rgc_store_is_partial(kernel->stores[k].kind)) partials[kernel->stores[k].value] = true;
    size_partials(graph, kernel);
    size_merge(graph, kernel, partials);
  }
  rgc_arena_destroy(scratch);
}
