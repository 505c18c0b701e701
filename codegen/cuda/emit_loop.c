/* emit_loop.c: maps, reductions and windows (map.cuh, reduce.cuh, window.cuh in templates/). */
#include <inttypes.h>
#include <string.h>

#include "codegen/cuda/emit_kernel.h"
#include "compiler/passes/decompose_samples.h"

enum { TILE_POINTS = 2048, WARP = 32, ROW = 8, SUMS_ROW = 2 };

static int64_t lowest(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t highest(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* How a kernel of loop.cuh is cut. */
typedef struct loop_cut {
  int64_t rows, images, channels; /* of a block */
  int columns, column_rows;       /* threads along channels and along pixels */
  int row;                        /* channels of a thread at once */
  int64_t blocks;
} loop_cut;

/* Rows are for bf16, of which one number a thread would be half a line a warp: the most channels up to `most` that divide all. */
static int choose_row(const rgc_cuda_text *k, int64_t channels, int most) {
  bool found = false;
  for (int i = 0; i < k->op->input_count; i++) found |= k->graph->values[k->op->inputs[i]].dtype == RGC_BF16;
  for (int i = 0; i < k->op->output_count; i++) found |= k->graph->values[k->op->outputs[i]].dtype == RGC_BF16;
  while (most > 1 && channels % most) most /= 2;
  return found ? most : 1;
}

static int count_partials(const rgc_kernel *kernel) {
  int count = 0;
  for (int i = 0; i < kernel->store_count; i++) count += rgc_store_is_partial(kernel->stores[i].kind);
  return count;
}

/* The most channels of a thread of a map or window: each holds its own partials in registers. */
static int most_row(const rgc_kernel *kernel) {
  enum { PARTIALS = 16 };
  int partials = count_partials(kernel), row = ROW;
  while (row > 1 && partials * row > PARTIALS) row /= 2;
  return row;
}

/* Threads along as many channels as there are, up to a warp where channels are summed apart, and 256 where they are not. */
static loop_cut choose_cut(const rgc_kernel *kernel, const int64_t out[RGC_AXES], bool partials, int row) {
  loop_cut cut = {.rows = kernel->tile_rows, .images = kernel->tile_images, .row = row};
  cut.columns = rgc_cuda_power_of_two(out[RGC_C] / row, partials ? WARP : CUDA_BLOCK_THREADS);
  cut.column_rows = CUDA_BLOCK_THREADS / cut.columns;
  int64_t step = (int64_t)cut.columns * row;
  cut.channels = partials ? step : lowest(out[RGC_C], ceil_div(TILE_POINTS, step) * step);
  if (partials && !cut.rows && !cut.images) cut.images = out[RGC_N]; /* one tile, which is what its partials have room for */
  if (!partials) {
    int64_t line = out[RGC_W] * cut.channels, image = line * out[RGC_H];
    cut.rows = image > TILE_POINTS ? highest(1, lowest(out[RGC_H], TILE_POINTS / line)) : 0;
    cut.images = image > TILE_POINTS ? 0 : highest(1, lowest(out[RGC_N], TILE_POINTS / highest(1, image)));
  }
  int64_t tiles = cut.rows ? out[RGC_N] * ceil_div(out[RGC_H], cut.rows) : ceil_div(out[RGC_N], cut.images);
  cut.blocks = tiles * ceil_div(out[RGC_C], cut.channels);
  return cut;
}

/* Defines what loop.cuh asks for, but for partials. */
static void define_cut(rgc_cuda_text *k, const int64_t out[RGC_AXES], bool samples, const loop_cut *cut) {
  rgc_cuda_define_space(k, "OUT", out, samples);
  rgc_cuda_define_tiles(k, cut->rows, cut->images);
  rgc_cuda_define(k, "ROW", cut->row);
  rgc_cuda_define(k, "TILE_C", cut->channels);
  rgc_cuda_define(k, "BLOCK_COLUMNS", cut->columns);
  rgc_cuda_define(k, "BLOCK_ROWS", cut->column_rows);
}

/* False: too many partials. */
static bool define_loop(rgc_cuda_text *k, const int64_t out[RGC_AXES], int row, loop_cut *cut) {
  const rgc_kernel *kernel = k->op->kernel;
  int partials = rgc_cuda_emit_partials(k);
  if (partials < 0) return false;
  *cut = choose_cut(kernel, out, partials > 0, row);
  define_cut(k, out, rgc_kernel_samples_out(kernel, k->samples), cut);
  return true;
}

static bool launch_loop(rgc_cuda_text *k, const loop_cut *cut, const char *template_name) {
  int64_t values = (int64_t)cut->row * count_partials(k->op->kernel);
  rgc_cuda_launch_template(k, template_name, cut->blocks, CUDA_BLOCK_THREADS, 12 * values * CUDA_BLOCK_THREADS / 2);
  return true;
}

/* One row of all elements (of a sample, where N counts samples): threads need not end with the channels. */
static void flatten(int64_t out[RGC_AXES], bool samples) {
  int64_t all = rgc_shape_elems(out), images = samples ? out[RGC_N] : 1;
  out[RGC_N] = images;
  out[RGC_H] = out[RGC_W] = 1;
  out[RGC_C] = all / images;
}

bool rgc_cuda_emit_map(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space space = rgc_cuda_space(kernel->extent, "OUT", k->arena);
  int64_t out[RGC_AXES];
  memcpy(out, kernel->extent, sizeof out);
  if (!rgc_kernel_has_partials(kernel) && rgc_body_is_flat(k->graph, kernel->epi, kernel->extent))
    flatten(out, rgc_kernel_samples_out(kernel, k->samples));
  loop_cut cut;
  int row = choose_row(k, out[RGC_C], most_row(kernel));
  space = rgc_cuda_rows(space, row);
  rgc_cuda_emit_head(k);
  if (!define_loop(k, out, row, &cut)) return false;
  rgc_cuda_emit_body(k, &space, false);
  return launch_loop(k, &cut, "map");
}

/* A map of its own, before the kernel: a point of A is read by many of the kernel's blocks, and must be stored once. */
bool rgc_cuda_emit_side(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  int row = choose_row(k, kernel->a_extent[RGC_C], ROW);
  rgc_print_space space = rgc_cuda_rows(rgc_cuda_space(kernel->a_extent, "OUT", k->arena), row);
  loop_cut cut = choose_cut(kernel, kernel->a_extent, false, row);
  rgc_cuda_emit_head(k);
  rgc_cuda_define(k, "KERNEL_PARTIALS", 0);
  define_cut(k, kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples), &cut);
  rgc_cuda_emit_side_body(k, &space);
  rgc_cuda_launch_template(k, "map", cut.blocks, CUDA_BLOCK_THREADS, 0);
  return true;
}

/* How a reduction is shared out to threads: `columns` for neighbouring outputs, `rows` for the same ones. */
typedef struct reduce_cut {
  int columns, rows;
} reduce_cut;

/* A warp side by side; but less, down to a sector of memory, while there are fewer blocks than SMs, for a vector of few channels may have to be merged
 * from thousands of tiles. threads: as wide as all outputs are, of which those of a row of C are neighbours; terms: that one of them adds up. */
static reduce_cut choose_reduce_cut(const rgc_cuda_target *target, int64_t threads, int64_t neighbours, int64_t terms) {
  enum { SECTOR = 8, LONG = 16, MOST_THREADS = 1024 };
  reduce_cut cut = {.columns = rgc_cuda_power_of_two(neighbours, WARP)};
  while (cut.columns > SECTOR && ceil_div(threads, cut.columns) < target->multiprocessors) cut.columns /= 2;
  cut.rows = rgc_cuda_power_of_two(terms, CUDA_BLOCK_THREADS / cut.columns);
  while (cut.rows * cut.columns < MOST_THREADS && terms / cut.rows > LONG) cut.rows *= 2;
  if (cut.rows * cut.columns < WARP) cut.rows = WARP / cut.columns;
  return cut;
}

bool rgc_cuda_emit_reduce(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  bool channels = kernel->reduce_axes >> RGC_C & 1;
  int row = choose_row(k, kernel->a_extent[RGC_C], kernel->acc_count == 1 ? ROW : SUMS_ROW), points = channels ? 1 : row; /* of a thread */
  rgc_print_space space = rgc_cuda_rows(rgc_cuda_space(kernel->extent, "OUT", k->arena), points);
  int64_t terms = 1, threads = rgc_shape_elems(kernel->extent) / points;
  if (rgc_kernel_has_partials(kernel)) return false;
  for (int j = 0; j < RGC_AXES; j++)
    if (kernel->reduce_axes >> j & 1) terms *= kernel->a_extent[j];
  reduce_cut cut = choose_reduce_cut(k->target, threads, channels ? 1 : kernel->extent[RGC_C] / row, channels ? terms / row : terms);
  rgc_cuda_emit_head(k);
  rgc_cuda_define_space(k, "OUT", kernel->extent, rgc_kernel_samples_out(kernel, k->samples));
  rgc_cuda_define_space(k, "A", kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples));
  rgc_cuda_define(k, "REDUCE_AXES", kernel->reduce_axes);
  rgc_cuda_emit_combines(k);
  rgc_cuda_define(k, "ROW", row);
  rgc_cuda_define(k, "BLOCK_COLUMNS", cut.columns);
  rgc_cuda_define(k, "BLOCK_ROWS", cut.rows);
  rgc_cuda_define(k, "KERNEL_PARTIALS", 0);
  rgc_text_add(&k->text, "#define REDUCE_TERMS @_terms\n");
  rgc_cuda_emit_roots(k, "terms", row);
  rgc_cuda_emit_body(k, &space, true);
  rgc_cuda_launch_template(k, "reduce", ceil_div(threads, cut.columns), cut.rows * cut.columns, (int64_t)12 * cut.rows * cut.columns * kernel->acc_count * points);
  return true;
}

static void print_tap(rgc_cuda_text *k, int row) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->tap, .space = rgc_cuda_rows(rgc_cuda_space(kernel->extent, "OUT", k->arena), row)};
  body.space.tap[0] = "r", body.space.tap[1] = "s";
  body.space.met[0] = "ih", body.space.met[1] = "iw";
  body.space.tap_columns = kernel->geometry.kernel_w;
  body.space.tap_operand = kernel->tap_operand;
  rgc_text_add(&k->text, "#define WINDOW_TAP @_tap\n"
                         "DEV void @_tap(const kernel_args *args, int n, int h, int w, int c, int r, int s, int ih, int iw, const float *gather, float *term) {\n");
  rgc_print_nodes(&body, kernel->tap_roots, kernel->acc_count, &k->text);
  for (int i = 0; i < kernel->acc_count; i++) rgc_cuda_give(k, "term", i, kernel->tap_roots[i], row);
  rgc_text_add(&k->text, "}\n");
}

static void print_fills(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_cuda_define(k, "WINDOW_ROOTS", kernel->a_root_count);
  rgc_text_add(&k->text, "#define WINDOW_FILLS {");
  for (int i = 0; i < kernel->a_root_count; i++) {
    double fill = kernel->a_fill[i];
    if (fill - fill == 0) rgc_text_printf(&k->text, "%s%af", i ? ", " : "", (double)(float)fill);
    else rgc_text_printf(&k->text, "%s%snumber_infinity()", i ? ", " : "", fill < 0 ? "-" : "");
  }
  rgc_text_add(&k->text, kernel->a_root_count ? "}\n" : "0.0f}\n");
}

bool rgc_cuda_emit_window(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  int row = choose_row(k, kernel->extent[RGC_C], most_row(kernel));
  rgc_print_space space = rgc_cuda_rows(rgc_cuda_space(kernel->extent, "OUT", k->arena), row);
  loop_cut cut;
  rgc_cuda_emit_head(k);
  if (!define_loop(k, kernel->extent, row, &cut)) return false;
  rgc_cuda_define_space(k, "A", kernel->a_extent, false);
  rgc_cuda_define_geometry(k);
  print_fills(k);
  rgc_cuda_emit_combines(k);
  rgc_text_add(&k->text, "#define WINDOW_GATHER @_gather\n");
  rgc_cuda_emit_roots(k, "gather", row);
  print_tap(k, row);
  rgc_cuda_emit_body(k, &space, true);
  return launch_loop(k, &cut, "window");
}
