/* contract_slab.h: how much slab a contract needs and how many tiles it has: formulas that the templates and codegen share.
 *
 * panel = vectors * lanes and block are those of the specialisation; all sizes are in floats. */
#ifndef RGC_TEMPLATE_CONTRACT_SLAB_H
#define RGC_TEMPLATE_CONTRACT_SLAB_H
#include "codegen/cpu/templates/contract_args.h"

/* Planes of a slab. 16 more than it needs: planes a power of two apart would share cache sets. */
INLINE int64_t slab_plane(int64_t points, int64_t block) { return (points * block + 15) / 16 * 16 + 16; }

/* Running partials of a group of channels: [panel][partial] of shift, sum and squares, each a panel wide. */
INLINE int64_t pixels_partial_floats(const contract_args *args, int64_t panel, int64_t partials) {
  return int_ceil_div(int_ceil_div(args->group_out, panel) * partials * 3 * panel, 16) * 16;
}

/* Channels of a group, in whole blocks; and a point of the slab: those of all groups, or a row (row_floats). Long ones are an odd number of
 * cache lines apart: neighbours a power of two apart would share cache sets. */
INLINE int64_t pixels_group_floats(const contract_args *args, int64_t block) { return int_ceil_div(args->group_a, block) * block; }
INLINE int64_t pixels_point(const contract_args *args, int64_t block) {
  if (args->row_floats) return args->row_floats;
  int64_t floats = args->groups * pixels_group_floats(args, block);
  return floats < 128 ? floats : (int_ceil_div(floats, 16) | 1) * 16;
}

/* Floats of A, as it is read, from an output pixel of a residue to the next. */
INLINE int64_t pixels_pixel(const contract_args *args, int64_t block) {
  if (args->direct) return args->a_step * args->a_c;
  return args->row_floats ? args->row_step : args->a_step / args->slab_step * pixels_point(args, block);
}

/* `pixels` of a group: those that hang over the end of a row are read, too. Without a slab there is room for one group
 * (contract_pixels.h). */
INLINE int64_t pixels_slab_floats(const contract_args *args, int64_t panel, int64_t block, int64_t pixels, int64_t partials) {
  int64_t slab = args->direct ? 0 : args->tile_images * args->slab_rows * args->slab_cols * pixels_point(args, block);
  return pixels_partial_floats(args, panel, partials) + slab + pixels * pixels_pixel(args, block) + (args->row_floats ? args->a_c : 0);
}

/* Tiles of the same pixels; one where groups divide the channels already. */
INLINE int64_t pixels_panel_cuts(const contract_args *args, int64_t panel) {
  return args->tile_panels && args->groups == 1 ? int_ceil_div(int_ceil_div(args->out_c, panel), args->tile_panels) : 1;
}

INLINE int64_t pixels_tile_count(const contract_args *args, int64_t images, int64_t panel) {
  return int_ceil_div(images, args->tile_images) * int_ceil_div(args->out_h, args->tile_rows) * pixels_panel_cuts(args, panel);
}

/* A tile of output rows from h on owns the rows of A from this one on, up to that of the next tile: it stores what the prologue makes there
 * (compiler/graph/kernel.h). Of tiles of the same pixels, the first does. */
INLINE int64_t pixels_own(const contract_args *args, int64_t h) { return h < args->out_h ? h / args->out_step * args->a_step : args->a_h; }
INLINE int64_t pixels_own_end(const contract_args *args, int64_t h, int64_t rows, int64_t panel) { return panel ? 0 : pixels_own(args, h + rows); }

/* Winograd (contract_winograd.h). A patch is a square of 4x4 output pixels; `width` patches are taken together. */
enum { WINOGRAD_POINTS = 36, WINOGRAD_CHUNK = 4 /* blocks of input channels that are transformed at a time */ };
INLINE int64_t winograd_patch_rows(const contract_args *args) { return int_ceil_div(args->tile_rows, 4); }
INLINE int64_t winograd_patch_columns(const contract_args *args) { return int_ceil_div(args->out_w, 4); }
/* Patches of a tile, with room for whole groups; odd, so that the planes of the 36 points share no cache sets. */
INLINE int64_t winograd_patches(const contract_args *args, int64_t width) {
  int64_t count = args->tile_images * winograd_patch_rows(args) * winograd_patch_columns(args);
  return int_ceil_div(count, width) * width | 1;
}
INLINE int64_t winograd_window_plane(const contract_args *args, int64_t block) {
  return slab_plane((4 * winograd_patch_rows(args) + 2) * (4 * winograd_patch_columns(args) + 2), block);
}
/* Planes of transformed weights of a chunk, and of sums. */
INLINE int64_t winograd_weight_plane(int64_t panel, int64_t block) { return WINOGRAD_CHUNK * block * panel + 16; }
INLINE int64_t winograd_sum_plane(int64_t patches, int64_t panel) { return patches * panel + 16; }

INLINE int64_t winograd_slab_floats(const contract_args *args, int64_t panel, int64_t block, int64_t width, int64_t partials) {
  int64_t patches = winograd_patches(args, width), blocks = int_ceil_div(args->a_c, block);
  int64_t planes = blocks * patches * block + winograd_sum_plane(patches, panel) + winograd_weight_plane(panel, block);
  return pixels_partial_floats(args, panel, partials) + WINOGRAD_POINTS * planes +
         WINOGRAD_CHUNK * winograd_window_plane(args, block);
}

/* Form WEIGHTS. B comes in blocks of a whole vector where that is a multiple of `block`, so that its copy moves vectors. */
INLINE int64_t weights_b_block(int64_t block, int64_t lanes) { return lanes % block == 0 ? lanes : block; }
INLINE int64_t weights_a_plane(const contract_args *args, int64_t panel) {
  return slab_plane(args->tile_images * args->slab_rows * args->slab_cols, panel);
}
INLINE int64_t weights_b_plane(const contract_args *args, int64_t b_block) {
  return slab_plane(args->tile_images * args->tile_rows * args->out_w, b_block);
}
INLINE int64_t weights_b_planes(const contract_args *args, int64_t block, int64_t b_block) {
  return int_ceil_div(args->tile_out_blocks * block, b_block);
}
INLINE int64_t weights_cuts(int64_t channels, int64_t block, int64_t blocks) {
  return int_ceil_div(int_ceil_div(channels, block), blocks);
}

/* Sums of a tile, `points` for each weight of a kernel: its taps, or Winograd's points. */
INLINE int64_t weights_sum_floats(const contract_args *args, int64_t panel, int64_t block, int64_t points) {
  return args->tile_out_blocks * args->tile_in_panels * points * block * panel;
}

INLINE int64_t weights_slab_floats(const contract_args *args, int64_t panel, int64_t block, int64_t lanes) {
  int64_t b_block = weights_b_block(block, lanes);
  return args->tile_in_panels * weights_a_plane(args, panel) + weights_b_planes(args, block, b_block) * weights_b_plane(args, b_block) +
         weights_sum_floats(args, panel, block, args->kernel_h * args->kernel_w);
}

/* Winograd (contract_weights_winograd.h). Transformed A and B of a point, in panels and in blocks of B; 16 more, as above. */
INLINE int64_t weights_winograd_a_plane(const contract_args *args, int64_t panel, int64_t patches) { return args->tile_in_panels * patches * panel + 16; }
INLINE int64_t weights_winograd_b_plane(const contract_args *args, int64_t block, int64_t lanes, int64_t patches) {
  return weights_b_planes(args, block, lanes) * patches * lanes + 16;
}
INLINE int64_t weights_winograd_slab_floats(const contract_args *args, int64_t panel, int64_t block, int64_t lanes) {
  int64_t patches = winograd_patches(args, 1), a_window = args->tile_in_panels * winograd_window_plane(args, panel);
  int64_t b_window = weights_b_planes(args, block, lanes) * winograd_window_plane(args, lanes);
  return WINOGRAD_POINTS * (weights_winograd_a_plane(args, panel, patches) + weights_winograd_b_plane(args, block, lanes, patches)) +
         weights_sum_floats(args, panel, block, WINOGRAD_POINTS) + int_max(a_window, b_window);
}

/* Tiles of channels; each of them is `parts` tiles of the launch. */
INLINE int64_t weights_channel_tiles(const contract_args *args, int64_t panel, int64_t block) {
  return args->groups * weights_cuts(args->group_out, block, args->tile_out_blocks) *
         weights_cuts(args->group_a, panel, args->tile_in_panels);
}
INLINE int64_t weights_tile_count(const contract_args *args, int64_t panel, int64_t block) {
  return weights_channel_tiles(args, panel, block) * int_max(1, args->parts);
}
/* Chunks of pixels, which parts share. */
INLINE int64_t weights_chunks(const contract_args *args, int64_t images) {
  return int_ceil_div(images, args->tile_images) * int_ceil_div(args->out_h, args->tile_rows);
}
INLINE int64_t weights_shared_floats(const contract_args *args, int64_t panel, int64_t block, int64_t points) {
  int64_t sums = weights_tile_count(args, panel, block) * weights_sum_floats(args, panel, block, points);
  return args->parts > 1 ? CONTRACT_MAX_COUNTS + sums : 0;
}
#endif
