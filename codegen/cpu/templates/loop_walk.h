/* loop_walk.h: the kernel of map.h and window.h: walks the points of a tile and writes its partials. Included again by each, so it
 * has no guard. FN(point)(args, n, h, w, c, count, partial *held, first) is theirs. It undefines the names they share. */

static void FN(write_partials)(const kernel_args *args, const loop_tile *tile, const partial *held) {
  static const int kinds[PARTIALS_HELD] = LOOP_PARTIAL_KINDS;
  int64_t points = (tile->row_end - tile->row) * args->out_w;
  for (int k = 0; k < LOOP_PARTIALS; k++)
    for (int64_t c = tile->c; c < tile->c_end; c++) {
      int64_t block = (c - tile->c) / CONTRACT_LANES, planes = kinds[k] == CONTRACT_MOMENTS ? 3 : 1;
      float *to = args->partials[k] + tile->row_tile * planes * args->out_c + c;
      partial_write(&held[block * LOOP_PARTIALS + k], kinds[k], (c - tile->c) % CONTRACT_LANES, points, to, args->out_c);
    }
}

void LOOP_NAME(const void *told, int64_t index, void *slab) {
  const kernel_args *args = told;
  loop_tile tile = loop_place(args, index);
  partial *held = slab;
  for (int64_t i = 0; i < int_ceil_div(tile.c_end - tile.c, CONTRACT_LANES) * LOOP_PARTIALS; i++) held[i] = (partial){0};
  for (int64_t row = tile.row; row < tile.row_end; row++) {
    int64_t n = row / args->out_h, h = row % args->out_h;
    for (int64_t w = 0; w < args->out_w; w++) {
      int first = row == tile.row && w == 0;
      int64_t c = tile.c;
      partial *at = held;
      for (; c + CONTRACT_LANES <= tile.c_end; c += CONTRACT_LANES, at += LOOP_PARTIALS)
        FN(point)(args, n, h, w, c, CONTRACT_LANES, at, first);
      if (c < tile.c_end) FN(point)(args, n, h, w, c, tile.c_end - c, at, first);
    }
  }
  FN(write_partials)(args, &tile, held);
}

#undef PASTE_
#undef PASTE
#undef FN
#undef PARTIALS_HELD
#undef LOOP_NAME
#undef LOOP_BODY
#undef LOOP_PARTIALS
#undef LOOP_PARTIAL_KINDS
