/* emit_loop.c: maps, reductions, windows and packs (map.h, reduce.h, window.h, pack.h in templates/). */
#include <inttypes.h>
#include <string.h>

#include "codegen/cpu/emit_kernel.h"
#include "codegen/cpu/templates/contract_args.h"
#include "compiler/passes/decompose_samples.h"

enum { TILE_FLOATS = 1 << 14, REDUCE_TILE_CHANNELS = 64 };

static kernel_args *new_args(rgc_kernel_text *k) {
  kernel_args *args = RGC_NEW(k->arena, kernel_args);
  const rgc_kernel *kernel = k->op->kernel;
  bool in = rgc_kernel_samples_in(kernel, k->samples), out = rgc_kernel_samples_out(kernel, k->samples);
  memcpy(&args->out_n, kernel->extent, sizeof kernel->extent);
  memcpy(&args->a_n, kernel->a_extent, sizeof kernel->a_extent);
  args->samples = (out ? 1 : 0) | (in ? 2 : 0);
  k->launch->valid_per_sample = in || out;
  k->launch->args = args;
  k->launch->args_bytes = sizeof *args;
  return args;
}

/* Tiles of rows, as the kernel says or, where it does not, of about TILE_FLOATS floats; `channels` wide. */
static void cut(rgc_kernel_text *k, kernel_args *args, int64_t channels) {
  const rgc_kernel *kernel = k->op->kernel;
  int64_t row = args->out_w * channels, image = row * args->out_h;
  args->tile_c = channels;
  args->tile_rows = kernel->tile_rows;
  args->tile_images = kernel->tile_images;
  if (!kernel->tile_rows && !kernel->tile_images) {
    if (rgc_kernel_has_partials(kernel)) args->tile_images = args->out_n; /* one tile, which is what its partials have room for */
    else if (image <= TILE_FLOATS) args->tile_images = int_max(1, int_min(args->out_n, TILE_FLOATS / int_max(1, image)));
    else args->tile_rows = int_max(1, TILE_FLOATS / row);
  }
  int64_t tiles = args->tile_images ? int_ceil_div(args->out_n, args->tile_images) : args->out_n * int_ceil_div(args->out_h, args->tile_rows);
  if (!args->tile_rows) args->tile_rows = args->out_h;
  k->launch->tile_count = tiles * int_ceil_div(args->out_c, channels);
}

/* One row of all elements (of a sample, where N counts samples): vectors need not end with the channels. */
static void flatten(kernel_args *args) {
  int64_t images = args->samples & 1 ? args->out_n : 1;
  args->out_c = args->out_n * args->out_h * args->out_w * args->out_c / images;
  args->out_n = images;
  args->out_h = args->out_w = 1;
}

static void print_body_function(rgc_kernel_text *k, const char *parameters, const char *acc) {
  rgc_print_space space = rgc_cpu_emit_space(k->op->kernel->extent, true);
  rgc_text_printf(&k->text, "INLINE void @_body(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count%s, vec *partial) {\n", parameters);
  rgc_cpu_emit_epilogue_nodes(k, &space, acc);
  rgc_cpu_emit_stores(k, &space);
  rgc_text_add(&k->text, "}\n");
}

static void print_names(rgc_kernel_text *k) { rgc_text_add(&k->text, "#define LOOP_NAME @\n#define LOOP_BODY @_body\n"); }

bool rgc_cpu_emit_map(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  kernel_args *args = new_args(k);
  bool flat = !rgc_kernel_has_partials(kernel) && rgc_body_is_flat(k->graph, kernel->epi, kernel->extent);
  if (flat) flatten(args);
  rgc_cpu_emit_head(k, k->target->lanes);
  print_body_function(k, "", NULL);
  print_names(k);
  int partials = rgc_cpu_emit_partials(k, "LOOP");
  rgc_text_add(&k->text, "#include \"codegen/cpu/templates/map.h\"\n");
  cut(k, args, flat ? int_min(args->out_c, TILE_FLOATS) : args->out_c);
  k->launch->slab_bytes = (args->out_c + 16) * 3 * (int64_t)sizeof(float) * partials;
  return partials <= KERNEL_MAX_PARTIALS;
}

/* A's roots as an array of vectors. */
static void print_roots(rgc_kernel_text *k, const char *name) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->a, .space = rgc_cpu_emit_space(kernel->a_extent, false)};
  rgc_text_printf(&k->text, "INLINE void @_%s(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count, vec *root) {\n", name);
  rgc_print_nodes(&body, kernel->a_roots, kernel->a_root_count, &k->text);
  for (int i = 0; i < kernel->a_root_count; i++) rgc_text_printf(&k->text, "  root[%d] = x%d;\n", i, kernel->a_roots[i]);
  rgc_text_add(&k->text, "}\n");
}

static void print_combines(rgc_kernel_text *k, const char *prefix) {
  static const char *const words[] = {[RGC_COMBINE_SUM] = "REDUCE_SUM", [RGC_COMBINE_MAX] = "REDUCE_MAX",
                                      [RGC_COMBINE_ARGMAX] = "REDUCE_ARGMAX", [RGC_COMBINE_MERGE] = "REDUCE_MERGE"};
  const rgc_kernel *kernel = k->op->kernel;
  rgc_text_printf(&k->text, "#define %s_ACCS %d\n#define %s_COMBINES {", prefix, kernel->acc_count, prefix);
  for (int i = 0; i < kernel->acc_count; i++) rgc_text_printf(&k->text, "%s%s", i ? ", " : "", words[kernel->combine[i]]);
  rgc_text_add(&k->text, "}\n");
}

bool rgc_cpu_emit_reduce(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  kernel_args *args = new_args(k);
  if (rgc_kernel_has_partials(kernel)) return false;
  rgc_cpu_emit_head(k, k->target->lanes);
  print_roots(k, "terms");
  print_body_function(k, ", const vec *acc", "acc");
  print_names(k);
  rgc_text_printf(&k->text, "#define REDUCE_AXES %u\n#define REDUCE_TERMS @_terms\n", kernel->reduce_axes);
  print_combines(k, "REDUCE");
  rgc_text_add(&k->text, "#include \"codegen/cpu/templates/reduce.h\"\n");
  cut(k, args, int_min(args->out_c, REDUCE_TILE_CHANNELS));
  return true;
}

static void print_tap(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->tap, .space = rgc_cpu_emit_space(kernel->extent, true)};
  body.space.tap[0] = "r", body.space.tap[1] = "s";
  body.space.met[0] = "ih", body.space.met[1] = "iw";
  body.space.tap_columns = kernel->geometry.kernel_w;
  body.space.tap_operand = kernel->tap_operand;
  rgc_text_add(&k->text, "INLINE void @_tap(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count, int64_t r, "
                         "int64_t s, int64_t ih, int64_t iw, const vec *gather, vec *term) {\n");
  rgc_print_nodes(&body, kernel->tap_roots, kernel->acc_count, &k->text);
  for (int i = 0; i < kernel->acc_count; i++) rgc_text_printf(&k->text, "  term[%d] = x%d;\n", i, kernel->tap_roots[i]);
  rgc_text_add(&k->text, "}\n");
}

static void print_fills(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_text_printf(&k->text, "#define WINDOW_ROOTS %d\n#define WINDOW_FILLS {", kernel->a_root_count);
  for (int i = 0; i < kernel->a_root_count; i++) {
    double fill = kernel->a_fill[i];
    if (fill == (double)(float)fill && fill - fill == 0) rgc_text_printf(&k->text, "%s%af", i ? ", " : "", fill);
    else rgc_text_printf(&k->text, "%s%s__builtin_inff()", i ? ", " : "", fill < 0 ? "-" : "");
  }
  rgc_text_add(&k->text, "}\n");
}

bool rgc_cpu_emit_window(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  kernel_args *args = new_args(k);
  rgc_cpu_emit_head(k, k->target->lanes);
  print_roots(k, "gather");
  print_tap(k);
  print_body_function(k, ", const vec *acc", "acc");
  print_names(k);
  rgc_text_printf(&k->text, "#define WINDOW_GEOMETRY {{%" PRId64 ", %" PRId64 "}, {%" PRId64 ", %" PRId64 "}, {%" PRId64 ", %" PRId64 "}, %" PRId64 ", %d}\n",
                  g->kernel_h, g->kernel_w, g->stride, g->stride_w, g->pad, g->pad_w, g->dilation, g->transposed);
  rgc_text_add(&k->text, "#define WINDOW_GATHER @_gather\n#define WINDOW_TAP @_tap\n");
  print_fills(k);
  print_combines(k, "WINDOW");
  int partials = rgc_cpu_emit_partials(k, "LOOP");
  rgc_text_add(&k->text, "#include \"codegen/cpu/templates/window.h\"\n");
  cut(k, args, args->out_c);
  k->launch->slab_bytes = (args->out_c + 16) * 3 * (int64_t)sizeof(float) * partials;
  return partials <= KERNEL_MAX_PARTIALS;
}

bool rgc_cpu_emit_pack(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_layout *layout = &k->graph->values[k->op->outputs[0]].layout;
  bool swapped = layout->kind == RGC_LAYOUT_PANEL_T;
  kernel_args *args = new_args(k);
  if (kernel->store_count != 1 || kernel->stores[0].kind != RGC_STORE) return false;
  rgc_print_space space = rgc_cpu_emit_space(kernel->extent, true);
  space.lane_axis = swapped ? RGC_N : RGC_C;
  rgc_cpu_emit_head(k, k->target->lanes);
  rgc_text_add(&k->text, "INLINE vec @_value(const kernel_args *args, int64_t n, int64_t h, int64_t w, int64_t c, int64_t count) {\n");
  rgc_cpu_emit_epilogue_nodes(k, &space, NULL);
  rgc_text_printf(&k->text, "  return x%d;\n}\n#define LOOP_NAME @\n#define PACK_VALUE @_value\n", kernel->stores[0].node);
  rgc_text_printf(&k->text, "#define PACK_SWAPPED %d\n#define PACK_LANES %d\n#define PACK_BLOCK %d\n#define PACK_GROUPS %d\n", swapped,
                  layout->lanes, layout->block, layout->groups);
  rgc_text_add(&k->text, "#include \"codegen/cpu/templates/pack.h\"\n");
  int64_t panels = int_ceil_div(args->out_n / layout->groups, layout->lanes), blocks = int_ceil_div(args->out_c / layout->groups, layout->block);
  k->launch->tile_count = layout->groups * (swapped ? blocks : panels);
  return true;
}
