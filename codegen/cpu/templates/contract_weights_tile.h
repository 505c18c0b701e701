/* contract_weights_tile.h: what the two templates of a weight gradient share (contract_weights.h, contract_weights_winograd.h): which channels a
 * tile has, its walk over the pixels, what it fetches ahead, and how its sums are stored. Included again by each, so it has no guard.
 *
 * Where channels make few tiles, the pixels of each are cut into args->parts, tiles of the launch of their own. A part leaves its sums in
 * args->shared; which thread merges them depends on who is last, but not their order, nor what a part is: so neither do bits.
 *
 * The template defines FN(sum_floats) before it, and what is declared here behind it. */

/* A tile: blocks and panels of one group, and where its slabs are. */
typedef struct FN(tile) {
  int64_t group, block, blocks, panel, panels; /* first and count */
  int64_t a_plane, b_plane;                    /* floats from panel to panel, from block to block; Winograd: from point to point */
  int64_t sum_tap, sum_panel, sum_block;       /* floats from sum to sum; of one tap, panel and block they are [BLOCK][PANEL] */
  float *a, *b, *sums, *window;
} FN(tile);

/* A chunk of pixels: output rows [h, h + rows) of images [n, n + images). */
typedef struct FN(chunk) {
  int64_t n, images, h, rows;
  int64_t a_next, a_pixels, b_next, b_pixels; /* pixel of the streams to fetch next, pixels a step */
} FN(chunk);

static void FN(place_slab)(const contract_args *args, FN(tile) * tile, float *slab); /* a, b, sums, window and their strides */
static void FN(run_chunk)(const contract_args *args, const FN(tile) * tile, FN(chunk) * chunk);
static void FN(finish_sums)(const contract_args *args, const FN(tile) * tile); /* to one sum a tap */

static inline FN(tile) FN(place)(const contract_args *args, int64_t index, float *slab) {
  int64_t across = weights_cuts(args->group_a, PANEL, args->tile_in_panels);
  int64_t down = weights_cuts(args->group_out, CONTRACT_BLOCK, args->tile_out_blocks);
  FN(tile) tile = {.group = index / across / down,
                   .block = index / across % down * args->tile_out_blocks,
                   .panel = index % across * args->tile_in_panels};
  tile.blocks = int_min(args->tile_out_blocks, int_ceil_div(args->group_out, CONTRACT_BLOCK) - tile.block);
  tile.panels = int_min(args->tile_in_panels, int_ceil_div(args->group_a, PANEL) - tile.panel);
  FN(place_slab)(args, &tile, slab);
  return tile;
}

/* The window of A or B, `rows` x `columns` of one image of a chunk, whose channels are those of the tile. */
static inline slab_window FN(window_a)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk, int64_t image) {
  int64_t first = tile->panel * PANEL;
  return (slab_window){.n = chunk->n + image,
                       .h = chunk->h * args->a_step + args->origin_h,
                       .w = args->origin_w,
                       .c = tile->group * args->group_a + first,
                       .step = args->slab_step,
                       .height = args->a_h,
                       .width = args->a_w,
                       .channels = int_min(tile->panels * PANEL, args->group_a - first)};
}

static inline slab_window FN(window_b)(const contract_args *args, const FN(tile) * tile, const FN(chunk) * chunk, int64_t image) {
  int64_t first = tile->block * CONTRACT_BLOCK;
  return (slab_window){.n = chunk->n + image,
                       .h = chunk->h,
                       .c = tile->group * args->group_out + first,
                       .step = 1,
                       .height = args->out_h,
                       .width = args->out_w,
                       .channels = int_min(tile->blocks * CONTRACT_BLOCK, args->group_out - first)};
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

/* The epilogue over what is stored of output channel o of the group: rows of neighbours in memory, tap by tap. */
static void FN(finish_row)(const contract_args *args, const FN(tile) * tile, int64_t o) {
  int64_t taps = args->kernel_h * args->kernel_w;
  const float *sums = tile->sums + (o / CONTRACT_BLOCK - tile->block) * tile->sum_block + o % CONTRACT_BLOCK * PANEL;
  int64_t first = tile->panel * PANEL, last = int_min((tile->panel + tile->panels) * PANEL, args->group_a);
  for (int64_t t = 0; t < taps; t++)
    for (int64_t i = first; i < last; i += CONTRACT_LANES) {
      int64_t count = int_min(CONTRACT_LANES, args->group_a - i), tap = args->taps[t].weight;
      vec acc = vec_load(sums + (i / PANEL - tile->panel) * tile->sum_panel + t * tile->sum_tap + i % PANEL);
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

/* Chunks [first, last) of the pixels. */
static void FN(walk)(const contract_args *args, const FN(tile) * tile, int64_t first, int64_t last) {
  int64_t cuts = int_ceil_div(args->out_h, args->tile_rows);
  for (int64_t i = 0; i < FN(sum_floats)(args); i++) tile->sums[i] = 0;
  for (int64_t i = first; i < last; i++) {
    FN(chunk) chunk = {.n = i / cuts * args->tile_images, .h = i % cuts * args->tile_rows};
    chunk.images = int_min(args->tile_images, args->valid - chunk.n);
    chunk.rows = int_min(args->tile_rows, args->out_h - chunk.h);
    FN(run_chunk)(args, tile, &chunk);
  }
}

/* The sums of a tile of the launch. */
static inline float *FN(part_sums)(const contract_args *args, int64_t index) { return args->shared + CONTRACT_MAX_COUNTS + index * FN(sum_floats)(args); }

/* Whoever finishes the last part of a tile adds them up, in their order. `index`: the tile's; false for all others. */
static int FN(merge)(const contract_args *args, FN(tile) * tile, int64_t index) {
  int64_t floats = FN(sum_floats)(args);
  __INT32_TYPE__ *finished = (__INT32_TYPE__ *)args->shared + index;
  if (__atomic_add_fetch(finished, 1, __ATOMIC_ACQ_REL) < args->parts) return 0;
  *finished = 0;
  tile->sums = FN(part_sums)(args, index * args->parts);
  for (int64_t part = 1; part < args->parts; part++)
    for (int64_t i = 0; i < floats; i += CONTRACT_LANES)
      vec_store(tile->sums + i, vec_load(tile->sums + i) + vec_load(tile->sums + part * floats + i));
  return 1;
}

CONTRACT_LINKAGE void CONTRACT_NAME(const void *told, int64_t index, void *slab) {
  const contract_args *args = told;
  int64_t parts = int_max(1, args->parts), part = index % parts, chunks = weights_chunks(args, args->valid);
  FN(tile) tile = FN(place)(args, index / parts, slab);
  if (parts > 1) tile.sums = FN(part_sums)(args, index);
  FN(walk)(args, &tile, chunks * part / parts, chunks * (part + 1) / parts);
  if (parts > 1 && !FN(merge)(args, &tile, index / parts)) return;
  FN(finish_sums)(args, &tile);
  FN(finish)(args, &tile);
}

