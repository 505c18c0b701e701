/* loop.h: which part of the output space a tile of a loop kernel (map, reduce, window) covers.
 *
 * Tile t takes channels [c, c_end) and rows [row, row_end), where a row is n * out_h + h. Channel cuts are the inner number. */
#ifndef RGC_TEMPLATE_LOOP_H
#define RGC_TEMPLATE_LOOP_H

typedef struct loop_tile {
  int64_t row_tile; /* number among the tiles of rows: that of its partials */
  int64_t row, row_end, c, c_end;
} loop_tile;

INLINE loop_tile loop_place(const kernel_args *args, int64_t index) {
  int64_t channel_cuts = int_ceil_div(args->out_c, args->tile_c), row_cuts = int_ceil_div(args->out_h, args->tile_rows);
  int64_t limit = (args->samples & 1 ? int_min(args->valid, args->out_n) : args->out_n) * args->out_h;
  loop_tile tile = {.row_tile = index / channel_cuts, .c = index % channel_cuts * args->tile_c};
  int64_t image = args->tile_images ? tile.row_tile * args->tile_images : tile.row_tile / row_cuts;
  int64_t h = args->tile_images ? 0 : tile.row_tile % row_cuts * args->tile_rows;
  int64_t rows = args->tile_images ? args->tile_images * args->out_h : int_min(args->tile_rows, args->out_h - h);
  tile.row = int_min(image * args->out_h + h, limit);
  tile.row_end = int_min(image * args->out_h + h + rows, limit);
  tile.c_end = int_min(tile.c + args->tile_c, args->out_c);
  return tile;
}
#endif
