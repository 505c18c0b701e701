/* emit_contract.c: contracts (contract_pixels.cuh, contract_weights.cuh, contract_merge.cuh in templates/). */
#include <inttypes.h>

#include "codegen/cuda/emit_kernel.h"
#include "compiler/passes/decompose_samples.h"

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t lowest(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t highest(int64_t a, int64_t b) { return a > b ? a : b; }

/* What a block computes: m by n, by k at a time; and what a thread has of it. */
typedef struct block_shape {
  int m, n, k, thread_m, thread_n;
} block_shape;

/* Wide ones first; a group of few channels takes more of the other side instead. All have 256 threads. */
static const block_shape block_shapes[] = {{64, 64, 16, 4, 4}, {128, 32, 16, 4, 4}, {128, 16, 16, 4, 2}, {256, 8, 16, 8, 1}, {256, 4, 16, 4, 1}};

static const block_shape *choose_shape(int64_t channels) {
  const block_shape *shape = block_shapes, *last = shape + sizeof block_shapes / sizeof *block_shapes - 1;
  while (shape < last && shape[1].n >= channels) shape++;
  return shape;
}

static void define_shape(rgc_cuda_text *k, const block_shape *shape) {
  rgc_cuda_define(k, "BLOCK_M", shape->m);
  rgc_cuda_define(k, "BLOCK_N", shape->n);
  rgc_cuda_define(k, "BLOCK_K", shape->k);
  rgc_cuda_define(k, "THREAD_M", shape->thread_m);
  rgc_cuda_define(k, "THREAD_N", shape->thread_n);
}

static void print_a(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space space = rgc_cuda_space(kernel->a_extent, "A", k->arena);
  rgc_text_add(&k->text, "#define CONTRACT_A @_a\n");
  rgc_cuda_emit_root(k, "a", kernel->a, kernel->a_roots[0], &space);
}

/* Blocks that share out the pixels: one a tile where tiles are summed, else as many as the pixels of all residues fill. */
static int64_t pixel_blocks(const rgc_kernel *kernel, bool tiled, const block_shape *shape) {
  int64_t step = kernel->geometry.transposed ? kernel->geometry.stride : 1;
  if (tiled) return rgc_kernel_tile_count(kernel);
  return step * step * ceil_div(kernel->extent[RGC_N] * ceil_div(kernel->extent[RGC_H], step) * ceil_div(kernel->extent[RGC_W], step), shape->m);
}

bool rgc_cuda_emit_pixels(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space out = rgc_cuda_space(kernel->extent, "OUT", k->arena);
  int64_t groups = kernel->geometry.groups, group_out = kernel->extent[RGC_C] / groups;
  const block_shape *shape = choose_shape(group_out);
  bool tiled = rgc_kernel_has_partials(kernel);
  rgc_cuda_emit_head(k);
  rgc_cuda_define_space(k, "A", kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples));
  rgc_cuda_define_space(k, "OUT", kernel->extent, rgc_kernel_samples_out(kernel, k->samples));
  rgc_cuda_define_geometry(k);
  rgc_cuda_define(k, "CONTRACT_WEIGHT", rgc_input_number(k->op, kernel->weight));
  rgc_cuda_define(k, "CONTRACT_TILED", tiled);
  if (tiled) rgc_cuda_define_tiles(k, kernel->tile_images ? 0 : kernel->tile_rows, kernel->tile_images ? kernel->tile_images : kernel->extent[RGC_N]);
  define_shape(k, shape);
  if (rgc_cuda_emit_partials(k) < 0) return false;
  print_a(k);
  rgc_cuda_emit_body(k, &out, true);
  int64_t floats = highest(shape->k * (shape->m + 2 + shape->n), tiled ? 3 * CUDA_BLOCK_THREADS : 0);
  rgc_cuda_launch_template(k, "contract_pixels", pixel_blocks(kernel, tiled, shape) * groups * ceil_div(group_out, shape->n), CUDA_BLOCK_THREADS,
                           4 * floats);
  return true;
}

/* Into how many parts the pixels are cut: until there are blocks enough, and no float32 sum is too long. */
static int64_t choose_parts(const rgc_cuda_target *target, int64_t blocks, int64_t pixels, const block_shape *shape) {
  int64_t parts = highest(ceil_div(target->blocks_wanted, blocks), ceil_div(pixels, target->part_pixels));
  return highest(1, lowest(parts, pixels / (8 * shape->k)));
}

static void print_weights_end(rgc_cuda_text *k, const rgc_print_space *out, int64_t parts) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_cuda_define_space(k, "OUT", kernel->extent, false);
  rgc_cuda_define(k, "SPLITS", parts);
  rgc_cuda_define(k, "KERNEL_PARTIALS", 0);
  if (out) rgc_cuda_emit_body(k, out, true);
}

bool rgc_cuda_emit_weights(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  rgc_print_space out = rgc_cuda_space(kernel->extent, "OUT", k->arena), b = rgc_cuda_space(kernel->b_extent, "B", k->arena);
  int64_t group_out = kernel->extent[0] / g->groups, all_j = kernel->extent[1] * kernel->extent[2] * kernel->extent[3];
  int64_t pixels = kernel->b_extent[RGC_N] * kernel->b_extent[RGC_H] * kernel->b_extent[RGC_W], elements = rgc_shape_elems(kernel->extent);
  const block_shape *shape = choose_shape(group_out);
  if (g->transposed || rgc_kernel_has_partials(kernel)) return false;
  int64_t blocks = g->groups * ceil_div(all_j, shape->m) * ceil_div(group_out, shape->n), parts = choose_parts(k->target, blocks, pixels, shape);
  rgc_cuda_emit_head(k);
  rgc_cuda_define_space(k, "A", kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples));
  rgc_cuda_define_space(k, "B", kernel->b_extent, false);
  rgc_cuda_define_geometry(k);
  define_shape(k, shape);
  print_a(k);
  rgc_text_add(&k->text, "#define CONTRACT_B @_b\n");
  rgc_cuda_emit_root(k, "b", kernel->b, kernel->b_root, &b);
  print_weights_end(k, parts == 1 ? &out : NULL, parts);
  rgc_cuda_launch_template(k, "contract_weights", blocks * parts, CUDA_BLOCK_THREADS, 4 * (int64_t)shape->k * (shape->m + shape->n));
  if (parts == 1) return true;
  rgc_cuda_emit_head(k);
  print_weights_end(k, &out, parts);
  rgc_cuda_launch_template(k, "contract_merge", ceil_div(elements, CUDA_BLOCK_THREADS), CUDA_BLOCK_THREADS, 0);
  if (k->code->workspace_bytes < 4 * parts * elements) k->code->workspace_bytes = 4 * parts * elements;
  return true;
}
