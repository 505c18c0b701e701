/* emit_contract.c: contracts: which specialisation of contract_pixels.h, contract_winograd.h, contract_weights.h or contract_weights_winograd.h,
 * and its arguments.
 *
 * What is a constant of the text: lanes and vectors of a panel, its block, the pixels of a group, the pixel stride, how many
 * partials; and the expressions. All extents are arguments. A 1x1 contract of stride 1 whose expressions do not care where a
 * point is becomes one long row a tile, so that groups of pixels need not end where rows do. */
#include <inttypes.h>
#include <string.h>

#include "codegen/cpu/emit_kernel.h"
#include "codegen/cpu/templates/contract_slab.h"
#include "compiler/passes/layout.h"
#include "compiler/passes/tile.h"

enum { MOST_GROUP_ROWS = 2, PANELS_FLOATS = 1 << 16 };
enum { WEIGHT_TILE_OUT = 128, WEIGHT_TILE_IN = 128, WEIGHT_CHUNK_PIXELS = 128, WEIGHT_CHUNK_PATCHES = 64, WEIGHT_LEAST_OUT = 32 };

/* What the text of a contract is specialised by. */
typedef struct special {
  int lanes, vectors, block, width, rows;
} special;

static contract_args *new_args(rgc_kernel_text *k, const int64_t out[RGC_AXES], const int64_t a[RGC_AXES]) {
  const rgc_geometry *g = &k->op->kernel->geometry;
  contract_args *args = RGC_NEW(k->arena, contract_args);
  *args = (contract_args){.a_h = a[RGC_H], .a_w = a[RGC_W], .a_c = a[RGC_C], .out_h = out[RGC_H], .out_w = out[RGC_W],
                          .out_c = out[RGC_C], .groups = g->groups, .kernel_h = g->kernel_h, .kernel_w = g->kernel_w,
                          .stride = g->stride, .pad = g->pad, .dilation = g->dilation, .transposed = g->transposed};
  k->launch->args = args;
  k->launch->args_bytes = sizeof *args;
  k->launch->contract = true;
  k->launch->valid_per_sample = 1;
  return args;
}

static bool is_whole_map(const rgc_kernel *kernel) {
  const rgc_geometry *g = &kernel->geometry;
  return g->kernel_h == 1 && g->kernel_w == 1 && g->stride == 1 && g->pad == 0;
}

/* Turns tiles of rows into rows of their own, and tiles of images into images of one row. */
static void flatten(rgc_kernel_text *k, contract_args *args) {
  if (args->tile_rows < args->out_h && args->out_h % args->tile_rows == 0) {
    k->launch->valid_per_sample = args->out_h / args->tile_rows;
    args->out_w *= args->tile_rows;
    args->tile_images = 1;
  } else if (args->tile_rows >= args->out_h) {
    args->out_w *= args->out_h;
  } else {
    return;
  }
  args->a_w = args->out_w;
  args->a_h = args->out_h = args->tile_rows = 1;
}

/* Width and rows of a group of at most `most` pixels that wastes least on `columns` columns; wide ones first. Rows may be images, far apart: more than
 * two of them cost more than pixels that are not there (2 x 3 pixels of three images: 54 GFLOP/s where 6 x 1 have 78). */
static void choose_group(int64_t columns, int64_t row_count, int most, special *s) {
  int64_t best = INT64_MAX;
  s->width = most, s->rows = 1;
  for (int width = most; width >= 1; width--) {
    int rows = most / width;
    int64_t groups = int_ceil_div(columns, width) * int_ceil_div(row_count, rows);
    int64_t cost = groups * (width * rows + 1); /* the weights are loaded once a group */
    if (rows > MOST_GROUP_ROWS || width * rows * 3 < most * 2 || cost >= best) continue;
    best = cost;
    s->width = width;
    s->rows = rows;
  }
}

/* Patches of a group, of `count`: not less than half of what the registers hold, unless there are fewer. */
static void choose_patches(int64_t count, int most, special *s) {
  int64_t best = INT64_MAX, least = int_min(count, int_ceil_div(most, 2));
  s->rows = 1;
  for (int width = most; width >= least; width--) {
    int64_t cost = int_ceil_div(count, width) * (width + 1);
    if (cost < best) best = cost, s->width = width;
  }
}

/* The panel of `channels` channels: the lanes of a vector, and how many. */
static void choose_panel(int panel, int lanes, special *s) {
  s->lanes = panel < lanes ? panel : lanes;
  s->vectors = panel / s->lanes;
}

static void find_streams(const rgc_kernel_text *k, const rgc_body *body, const int64_t extent[RGC_AXES], int64_t *streams, int64_t *count) {
  *count = 0;
  for (int i = 0; i < body->operand_count && *count < CONTRACT_MAX_STREAMS; i++) {
    if (rgc_operand_is_whole(k->graph, &body->operands[i], extent)) streams[(*count)++] = rgc_input_number(k->op, body->operands[i].value);
  }
}

static void print_constants(rgc_kernel_text *k, const special *s) {
  rgc_text_printf(&k->text, "#define CONTRACT_NAME @\n#define CONTRACT_VECTORS %d\n#define CONTRACT_BLOCK %d\n", s->vectors, s->block);
}

/* Which input of the kernel A is, where it is a plain tensor; -1: it is more. */
static int plain_input(const rgc_kernel_text *k) {
  const rgc_operand *operand = rgc_kernel_plain_a(k->graph, k->op->kernel);
  return operand ? rgc_input_number(k->op, operand->value) : -1;
}

/* Whether a row of taps can be one tap (contract_args.h): A is a tensor as it lies, with few channels. */
static bool takes_rows(const rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  int64_t channels = kernel->a_extent[RGC_C];
  if (g->transposed || g->groups != 1 || g->dilation != 1 || g->kernel_w == 1 || channels > 4 || g->kernel_w * channels > 64) return false;
  return plain_input(k) >= 0;
}

static void take_rows(const rgc_kernel *kernel, contract_args *args) {
  args->row_taps = 1;
  args->a_c *= kernel->geometry.kernel_w;
  args->a_w = args->out_w;
  args->kernel_w = 1;
}

/* The same of form PIXELS, where a slab holds rows as they lie. */
static void take_row_slab(const rgc_kernel_text *k, contract_args *args) {
  const rgc_kernel *kernel = k->op->kernel;
  int64_t channels = kernel->a_extent[RGC_C];
  take_rows(kernel, args);
  args->direct_operand = plain_input(k);
  args->row_width = kernel->a_extent[RGC_W] * channels;
  args->row_pad = kernel->geometry.pad * channels;
  args->row_step = kernel->geometry.stride * channels;
  args->row_floats = (args->out_w - 1) * args->row_step + args->a_c;
}

static void take_directly(const rgc_kernel_text *k, const special *s, contract_args *args) {
  args->direct = !args->row_taps && rgc_takes_a_directly(k->graph, k->op->kernel) && args->a_c / args->groups % s->block == 0;
  if (args->direct) args->direct_operand = plain_input(k);
}

/* The prologue over (s, k) of a pixel: neighbours in a row of A. */
static void print_row_prologue(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  int64_t channels = kernel->a_extent[RGC_C], row = kernel->a_extent[RGC_W] * channels;
  rgc_text_printf(&k->text,
                  "INLINE vec @_a(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {\n"
                  "  return vec_load_range(args->operands[%d] + (n * args->a_h + h) * %" PRId64 ", w * %" PRId64 " - %" PRId64 " + c, %" PRId64
                  ", 0, count);\n}\n",
                  plain_input(k), row, kernel->geometry.stride * channels, kernel->geometry.pad * channels, row);
}

/* One root of a body as a function of a point: a slab_prologue. */
static void print_prologue(rgc_kernel_text *k, const char *name, const rgc_body *body, int root, rgc_print_space space) {
  rgc_body_text text = {.graph = k->graph, .op = k->op, .body = body, .space = space};
  rgc_text_printf(&k->text, "INLINE vec @_%s(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {\n", name);
  rgc_print_nodes(&text, &root, 1, &k->text);
  rgc_text_printf(&k->text, "  return x%d;\n}\n", root);
}

/* A's prologue once more, for the points that a tile owns: it also stores. */
static void print_side_prologue(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space space = rgc_cpu_emit_space(kernel->a_extent, false);
  rgc_text_add(&k->text, "INLINE vec @_side(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {\n");
  rgc_cpu_emit_side_nodes(k, &space);
  rgc_cpu_emit_side_stores(k, &space);
  rgc_text_printf(&k->text, "  return x%d;\n}\n#define CONTRACT_SIDE_PROLOGUE @_side\n", kernel->a_roots[0]);
}

static void print_prefetch(rgc_kernel_text *k, const rgc_print_space *space) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_text_add(&k->text, "INLINE void @_prefetch(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c) {\n  int64_t at = ");
  rgc_print_point(space, &k->text);
  rgc_text_add(&k->text, ";\n");
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].kind == RGC_STORE)
      rgc_text_printf(&k->text, "  __builtin_prefetch(args->outputs[%d] + at, 1, 3);\n", rgc_output_number(k->op, kernel->stores[i].value));
  for (int i = 0; i < kernel->epi->operand_count; i++)
    if (rgc_operand_is_whole(k->graph, &kernel->epi->operands[i], kernel->extent))
      rgc_text_printf(&k->text, "  __builtin_prefetch(args->operands[%d] + at, 0, 2);\n", rgc_input_number(k->op, kernel->epi->operands[i].value));
  rgc_text_add(&k->text, "}\n");
}

/* What both forms begin with: the head, and A's prologue. */
static void print_begin(rgc_kernel_text *k, const special *s, const contract_args *args) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_cpu_emit_head(k, s->lanes);
  rgc_text_add(&k->text, "#include \"codegen/cpu/templates/slab.h\"\n");
  if (args->row_taps && !args->row_floats) print_row_prologue(k);
  else print_prologue(k, "a", kernel->a, kernel->a_roots[0], rgc_cpu_emit_space(kernel->a_extent, false));
  if (rgc_kernel_has_side_stores(kernel)) print_side_prologue(k);
}

/* The epilogue, and what asks for its data ahead. more: parameters behind the sum. */
static void print_epilogue(rgc_kernel_text *k, const rgc_print_space *out, const char *more) {
  rgc_text_printf(&k->text, "INLINE void @_epi(const contract_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count, vec sum%s) {\n"
                            "  const vec acc[1] = {sum};\n", more);
  rgc_cpu_emit_epilogue_nodes(k, out, "acc");
  rgc_cpu_emit_stores(k, out);
  rgc_text_add(&k->text, "}\n");
  print_prefetch(k, out);
}

static void print_pixels(rgc_kernel_text *k, const special *s, const contract_args *args) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space out = rgc_cpu_emit_space(kernel->extent, true);
  print_begin(k, s, args);
  print_epilogue(k, &out, ", vec *partial");
  print_constants(k, s);
  rgc_text_printf(&k->text, "#define CONTRACT_WIDTH %d\n#define CONTRACT_ROWS %d\n", s->width, s->rows);
  rgc_text_add(&k->text, "#define CONTRACT_PROLOGUE @_a\n#define CONTRACT_EPILOGUE @_epi\n#define CONTRACT_PREFETCH @_prefetch\n");
}

bool rgc_cpu_emit_pixels(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_layout *layout = &k->graph->values[kernel->weight].layout;
  contract_args *args = new_args(k, kernel->extent, kernel->a_extent);
  special s = {.block = layout->block};
  if (layout->kind == RGC_LAYOUT_NHWC) return false;
  args->tile_rows = kernel->tile_images || !kernel->tile_rows ? args->out_h : kernel->tile_rows;
  args->tile_images = kernel->tile_images ? kernel->tile_images : kernel->tile_rows ? 1 : kernel->extent[RGC_N];
  if (is_whole_map(kernel) && rgc_body_is_pointwise(k->graph, kernel->a, kernel->a_extent) &&
      rgc_body_is_pointwise(k->graph, kernel->epi, kernel->extent))
    flatten(k, args);
  if (takes_rows(k) && layout->block == kernel->a_extent[RGC_C]) {
    take_row_slab(k, args);
    s.block = (int)args->a_c; /* [KH][KW][K][L] of the panel is [KH][KW*K][L] */
  }
  choose_panel(layout->lanes, k->target->lanes, &s);
  take_directly(k, &s, args);
  if (contract_plan(args)) return false;
  int64_t panel = s.lanes * s.vectors, images = kernel->extent[RGC_N] * k->launch->valid_per_sample;
  int64_t panel_floats = int_ceil_div(args->group_a, s.block) * s.block * panel * args->kernel_h * args->kernel_w;
  args->panels_together = int_max(1, PANELS_FLOATS / panel_floats);
  bool winograd = s.block % s.lanes == 0 && rgc_takes_winograd(kernel, &k->target->facts);
  int64_t panels = int_ceil_div(args->group_out, panel), cuts = rgc_panel_cuts(kernel, &k->target->facts, panels, args->kernel_h * args->kernel_w);
  args->tile_panels = cuts > 1 ? int_ceil_div(panels, cuts) : 0;
  int64_t columns = int_ceil_div(args->out_w, args->out_step), rows = int_ceil_div(args->tile_rows, args->out_step) * args->tile_images;
  if (winograd) choose_patches(args->tile_images * winograd_patch_rows(args) * winograd_patch_columns(args), k->target->group_pixels, &s);
  else choose_group(columns, rows, k->target->group_pixels, &s);
  print_pixels(k, &s, args);
  int partials = rgc_cpu_emit_partials(k, "CONTRACT");
  rgc_text_printf(&k->text, "#include \"codegen/cpu/templates/contract_%s.h\"\n", winograd ? "winograd" : "pixels");
  if (!args->row_taps) find_streams(k, kernel->a, kernel->a_extent, args->streams, &args->stream_count);
  k->launch->tile_count = pixels_tile_count(args, images, panel);
  k->launch->slab_bytes = 4 * (winograd ? winograd_slab_floats : pixels_slab_floats)(args, panel, s.block, s.width * s.rows, partials);
  return partials <= KERNEL_MAX_PARTIALS;
}

/* Chunks of pixels of which one panel of A and one block of B fit L1; of patches, of a point. */
static void chunk_weights(contract_args *args, int64_t images, bool winograd) {
  int64_t row = winograd ? winograd_patch_columns(args) : args->out_w, rows = winograd ? int_ceil_div(args->out_h, 4) : args->out_h;
  int64_t most = winograd ? WEIGHT_CHUNK_PATCHES : WEIGHT_CHUNK_PIXELS, taken = int_max(1, int_min(rows, most / row));
  taken = int_ceil_div(rows, int_ceil_div(rows, taken));
  args->tile_rows = int_min(args->out_h, winograd ? 4 * taken : taken);
  args->tile_images = taken < rows ? 1 : int_max(1, int_min(images, most / (row * rows)));
}

/* Tiles of some channels each way whose slabs fit L2. Each reads all of A and B again, so where channels make too few of them, they are cut
 * to no less than some outputs, and then their pixels into parts. */
static void tile_weights(const rgc_kernel_text *k, contract_args *args, const special *s, bool winograd) {
  int panel = s->lanes * s->vectors, wanted = k->target->facts.min_tiles;
  int64_t blocks = int_ceil_div(args->group_out, s->block), panels = int_ceil_div(args->group_a, panel);
  chunk_weights(args, k->op->kernel->b_extent[RGC_N], winograd);
  args->tile_out_blocks = int_min(blocks, int_max(1, WEIGHT_TILE_OUT / s->block));
  args->tile_in_panels = int_min(panels, int_max(1, WEIGHT_TILE_IN / panel));
  while (args->tile_out_blocks * s->block >= 2 * WEIGHT_LEAST_OUT && weights_channel_tiles(args, panel, s->block) < wanted)
    args->tile_out_blocks = int_ceil_div(args->tile_out_blocks, 2);
  int64_t chunks = weights_chunks(args, k->op->kernel->b_extent[RGC_N] * k->launch->valid_per_sample);
  int64_t tiles = weights_channel_tiles(args, panel, s->block);
  args->parts = tiles <= CONTRACT_MAX_COUNTS ? int_max(1, int_min(chunks, wanted / tiles)) : 1;
}

/* The epilogue stands over [O,KH,KW,I]: o, r, s, i are its n, h, w, c. */
static void print_weights(rgc_kernel_text *k, const special *s, const contract_args *args, bool winograd) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space out = {.extent = kernel->extent, .coord = {"n", "h", "w", "c"}, .lane_axis = RGC_C,
                         .extent_name = {"args->out_c", "args->kernel_h", "args->kernel_w", "args->group_a"}};
  print_begin(k, s, args);
  print_prologue(k, "b", kernel->b, kernel->b_root, rgc_cpu_emit_space(kernel->b_extent, true));
  print_epilogue(k, &out, "");
  print_constants(k, s);
  rgc_text_printf(&k->text, "#define CONTRACT_PIXEL_STRIDE %" PRId64 "\n", args->row_taps ? 1 : args->a_step / args->slab_step);
  rgc_text_add(&k->text, "#define CONTRACT_PROLOGUE @_a\n#define CONTRACT_B_PROLOGUE @_b\n#define CONTRACT_EPILOGUE @_epi\n"
                         "#define CONTRACT_PREFETCH @_prefetch\n");
  rgc_text_printf(&k->text, "#include \"codegen/cpu/templates/contract_weights%s.h\"\n", winograd ? "_winograd" : "");
}

bool rgc_cpu_emit_weights(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  contract_args *args = new_args(k, kernel->b_extent, kernel->a_extent);
  special s = {.block = k->target->weight_block};
  args->tile_rows = args->tile_images = 1;
  if (is_whole_map(kernel) && rgc_body_is_pointwise(k->graph, kernel->a, kernel->a_extent) &&
      rgc_body_is_pointwise(k->graph, kernel->b, kernel->b_extent)) {
    int64_t row = args->out_w * args->out_h;
    if (row <= 256) args->tile_rows = args->out_h; /* a whole image as one row; larger ones stay rows */
    if (row <= 256) flatten(k, args);
  }
  if (takes_rows(k) && rgc_body_is_flat(k->graph, kernel->epi, kernel->extent)) take_rows(kernel, args);
  choose_panel(rgc_panel_lanes(&k->target->facts, args->a_c / args->groups), k->target->lanes, &s);
  if (args->row_taps && k->target->lanes == 16) { /* narrower vectors leave fewer lanes empty, at the same rate */
    s.lanes = 8;
    s.vectors = (int)int_ceil_div(args->a_c, 8);
  }
  args->group_a = args->a_c / args->groups;
  args->group_out = args->out_c / args->groups;
  bool winograd = !args->row_taps && s.lanes % s.block == 0 && rgc_takes_winograd(kernel, &k->target->facts);
  tile_weights(k, args, &s, winograd);
  if (contract_plan(args)) return false;
  print_weights(k, &s, args, winograd);
  if (!args->row_taps) find_streams(k, kernel->a, kernel->a_extent, args->streams, &args->stream_count);
  find_streams(k, kernel->b, kernel->b_extent, args->b_streams, &args->b_stream_count);
  int panel = s.vectors * s.lanes;
  k->launch->tile_count = weights_tile_count(args, panel, s.block);
  k->launch->slab_bytes = 4 * (winograd ? weights_winograd_slab_floats : weights_slab_floats)(args, panel, s.block, s.lanes);
  k->launch->shared_bytes = 4 * weights_shared_floats(args, panel, s.block, winograd ? WINOGRAD_POINTS : args->kernel_h * args->kernel_w);
  return !rgc_kernel_has_partials(kernel);
}
