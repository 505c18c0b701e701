/* emit_contract.c: contracts (contract_pixels.cuh, contract_weights.cuh, contract_merge.cuh in templates/). */
#include <inttypes.h>

#include "codegen/cuda/emit_contract.h"
#include "compiler/passes/decompose_samples.h"

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t lowest(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t highest(int64_t a, int64_t b) { return a > b ? a : b; }

/* Wide ones first; a group of few channels takes more of the other side instead. All have 256 threads. */
static const rgc_block_shape plain_shapes[] = {{64, 64, 16, 4, 4, 0}, {128, 32, 16, 4, 4, 0}, {128, 16, 16, 4, 2, 0}, {256, 8, 16, 8, 1, 0}, {256, 4, 16, 4, 1, 0}, {0}};
static const rgc_block_shape mma_shapes[] = {{128, 64, 16, 4, 8, 4}, {128, 32, 16, 4, 4, 4}, {0}};
/* Half of the pixels where a prologue reads several tensors, whose addresses and numbers want registers. */
static const rgc_block_shape mma_half_shapes[] = {{64, 64, 16, 2, 8, 4}, {64, 32, 16, 2, 4, 4}, {0}};
static const rgc_block_shape mma_weights_shapes[] = {{64, 64, 16, 2, 8, 2}, {64, 32, 16, 2, 4, 2}, {0}};
/* bf16. The widest only where no partial sums wait in registers while a block multiplies. */
static const rgc_block_shape bf16_shapes[] = {{128, 128, 32, 8, 8, 4}, {128, 64, 32, 4, 8, 4}, {128, 32, 32, 4, 4, 4}, {0}};
static const rgc_block_shape bf16_half_shapes[] = {{64, 128, 32, 4, 8, 4}, {64, 64, 32, 2, 8, 4}, {64, 32, 32, 2, 4, 4}, {0}};
static const rgc_block_shape bf16_weights_shapes[] = {{128, 64, 32, 4, 8, 2}, {128, 32, 32, 4, 4, 2}, {0}};
/* Half of A where it is loaded number by number. */
static const rgc_block_shape bf16_half_weights_shapes[] = {{64, 64, 32, 2, 8, 2}, {64, 32, 32, 2, 4, 2}, {0}};
enum { LEAST_MMA_CHANNELS = 17 }; /* fewer leave half of a tile empty */

/* The narrowest that holds `channels`, or the widest. */
static const rgc_block_shape *choose_shape(const rgc_block_shape *shape, int64_t channels) {
  while (shape[1].n >= channels) shape++;
  return shape;
}

static void define_shape(rgc_cuda_text *k, const rgc_block_shape *shape) {
  rgc_cuda_define(k, "BLOCK_M", shape->m);
  rgc_cuda_define(k, "BLOCK_N", shape->n);
  rgc_cuda_define(k, "BLOCK_K", shape->k);
  rgc_cuda_define(k, "THREAD_M", shape->thread_m);
  rgc_cuda_define(k, "THREAD_N", shape->thread_n);
}

/* How the kernel multiplies. */
static bool takes_mma(const rgc_cuda_text *k, int64_t channels) { return k->target->mma_products && channels >= LEAST_MMA_CHANNELS; }
static bool is_bf16(const rgc_cuda_text *k) { return k->graph->precision == RGC_PRECISION_BF16; }
static int mma_products(const rgc_cuda_text *k) { return k->graph->precision == RGC_PRECISION_TF32 ? 1 : k->target->mma_products; }

/* Neighbours that are taken at once where there are rows of so many bf16 numbers. */
static int chunk_of(int64_t row) { return row % 8 == 0 ? 8 : row % 2 == 0 ? 2 : 1; }

const rgc_operand *rgc_cuda_plain_operand(const rgc_cuda_text *k, const rgc_body *body, int root, const int64_t extent[RGC_AXES]) {
  if (body->nodes[root].kind != RGC_EXPR_LOAD) return NULL;
  const rgc_operand *operand = &body->operands[body->nodes[root].index];
  rgc_dtype wanted = is_bf16(k) ? RGC_BF16 : RGC_F32;
  return k->graph->values[operand->value].dtype == wanted && rgc_operand_is_whole(k->graph, operand, extent) ? operand : NULL;
}

static void print_a(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space space = rgc_cuda_space(kernel->a_extent, "A", k->arena);
  rgc_text_add(&k->text, "#define CONTRACT_A @_a\n");
  rgc_cuda_emit_root(k, "a", kernel->a, kernel->a_roots[0], &space);
}

/* An operand of a bf16 template, A or B: NAME_CHUNK, and NAME_OPERAND or its rows. */
static void print_chunks(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const int64_t extent[RGC_AXES]) {
  const rgc_operand *plain = rgc_cuda_plain_operand(k, body, root, extent);
  int chunk = chunk_of(extent[RGC_C] / k->op->kernel->geometry.groups);
  rgc_print_space space = rgc_cuda_rows(rgc_cuda_space(extent, name, k->arena), chunk);
  rgc_text_printf(&k->text, "#define %s_CHUNK %d\n", name, chunk);
  if (plain) {
    rgc_text_printf(&k->text, "#define %s_OPERAND %d\n", name, rgc_input_number(k->op, plain->value));
    return;
  }
  rgc_text_printf(&k->text, "#define CONTRACT_%s @_%s\n", name, name);
  rgc_cuda_emit_root_rows(k, name, body, root, &space);
}

/* What contract_mma.cuh asks for beside. Copies take 4 floats where rows of them are multiples of 4. */
static void define_mma(rgc_cuda_text *k, const rgc_block_shape *shape) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  const rgc_operand *plain = rgc_cuda_plain_operand(k, kernel->a, kernel->a_roots[0], kernel->a_extent);
  int64_t group_a = kernel->a_extent[RGC_C] / g->groups, group_out = kernel->extent[RGC_C] / g->groups;
  int64_t row = g->transposed ? group_out : g->kernel_h * g->kernel_w * group_a;
  rgc_cuda_define(k, "STAGES", shape->stages);
  rgc_cuda_define(k, "MMA_PRODUCTS", mma_products(k));
  rgc_cuda_define(k, "A_ASYNC", !plain ? 0 : group_a % 4 ? 1 : 4);
  if (plain) rgc_cuda_define(k, "A_OPERAND", rgc_input_number(k->op, plain->value));
  rgc_cuda_define(k, "WEIGHT_ASYNC", row % 4 ? 1 : 4);
}

/* What contract_mma_bf16.cuh asks for beside. */
static void define_bf16(rgc_cuda_text *k, const rgc_block_shape *shape) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  int64_t group_a = kernel->a_extent[RGC_C] / g->groups, group_out = kernel->extent[RGC_C] / g->groups;
  bool plain = rgc_cuda_plain_operand(k, kernel->a, kernel->a_roots[0], kernel->a_extent) != NULL;
  rgc_cuda_define(k, "STAGES", shape->stages);
  rgc_cuda_define(k, "A_ASYNC", plain && chunk_of(group_a) > 1);
  rgc_cuda_define(k, "WEIGHT_CHUNK", chunk_of(g->transposed ? group_out : g->kernel_h * g->kernel_w * group_a));
  print_chunks(k, "A", kernel->a, kernel->a_roots[0], kernel->a_extent);
}

/* How many tensors a body reads point by point. */
static int whole_operands(const rgc_cuda_text *k, const rgc_body *body, const int64_t extent[RGC_AXES]) {
  int count = 0;
  for (int i = 0; i < body->operand_count; i++) count += rgc_operand_is_whole(k->graph, &body->operands[i], extent);
  return count;
}

/* Whether A comes number by number, each at an address of its own. */
static bool loads_singly(const rgc_cuda_text *k) {
  return chunk_of(k->op->kernel->a_extent[RGC_C] / k->op->kernel->geometry.groups) == 1;
}

static const rgc_block_shape *choose_pixels_shape(const rgc_cuda_text *k, int64_t channels) {
  if (!takes_mma(k, channels)) return choose_shape(plain_shapes, channels);
  bool half = whole_operands(k, k->op->kernel->a, k->op->kernel->a_extent) > 1;
  if (is_bf16(k)) return choose_shape((half || loads_singly(k) ? bf16_half_shapes : bf16_shapes) + rgc_kernel_has_partials(k->op->kernel), channels);
  return choose_shape(half ? mma_half_shapes : mma_shapes, channels);
}

static const rgc_block_shape *choose_weights_shape(const rgc_cuda_text *k, int64_t channels) {
  if (!takes_mma(k, channels)) return choose_shape(plain_shapes, channels);
  if (!is_bf16(k)) return choose_shape(mma_weights_shapes, channels);
  return choose_shape(loads_singly(k) ? bf16_half_weights_shapes : bf16_weights_shapes, channels);
}

/* The stages of a block on tensor cores, with rows as they are in contract_mma.cuh, contract_mma_bf16.cuh. */
static int64_t stages_bytes(const rgc_cuda_text *k, const rgc_block_shape *shape) {
  if (is_bf16(k)) return shape->stages * 2 * shape->k * (shape->m + shape->n);
  int64_t weights = k->op->kernel->geometry.transposed ? shape->k * (shape->n + 8) : shape->n * (shape->k + 4);
  return shape->stages * 4 * (shape->m * (shape->k + 4) + weights);
}

/* Shared memory of a block of a contract over pixels. */
static int64_t pixels_shared_bytes(const rgc_cuda_text *k, const rgc_block_shape *shape) {
  int64_t tiles = shape->stages ? 16 * shape->m + stages_bytes(k, shape) : 4 * shape->k * (shape->m + 2 + shape->n);
  return highest(highest(tiles, 4 * shape->m * (shape->n + 8)), rgc_kernel_has_partials(k->op->kernel) ? 12 * CUDA_BLOCK_THREADS : 0);
}

/* One block a tile where tiles are summed, else as many as the pixels of all residues fill; times the channels. */
int64_t rgc_cuda_walk_blocks(const rgc_kernel *kernel, const rgc_block_shape *shape) {
  int64_t groups = kernel->geometry.groups, step = kernel->geometry.transposed ? kernel->geometry.stride : 1;
  int64_t residue_pixels = kernel->extent[RGC_N] * ceil_div(kernel->extent[RGC_H], step) * ceil_div(kernel->extent[RGC_W], step);
  int64_t pixels = rgc_kernel_has_partials(kernel) ? rgc_kernel_tile_count(kernel) : step * step * ceil_div(residue_pixels, shape->m);
  return pixels * groups * ceil_div(kernel->extent[RGC_C] / groups, shape->n);
}

bool rgc_cuda_define_walk(rgc_cuda_text *k, const rgc_block_shape *shape, int row) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space out = rgc_cuda_rows(rgc_cuda_space(kernel->extent, "OUT", k->arena), row);
  bool tiled = rgc_kernel_has_partials(kernel);
  rgc_text_add(&k->text, "/* A's space, the output's, and how they meet. */\n");
  rgc_cuda_define_space(k, "A", kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples));
  rgc_cuda_define_space(k, "OUT", kernel->extent, rgc_kernel_samples_out(kernel, k->samples));
  rgc_cuda_define_geometry(k);
  rgc_text_add(&k->text, "/* What a block has, and a thread of it. */\n");
  rgc_cuda_define(k, "CONTRACT_TILED", tiled);
  rgc_cuda_define(k, "ROW", row);
  if (tiled) rgc_cuda_define_tiles(k, kernel->tile_images ? 0 : kernel->tile_rows, kernel->tile_images ? kernel->tile_images : kernel->extent[RGC_N]);
  define_shape(k, shape);
  rgc_text_add(&k->text, "/* The epilogue: what becomes of sums. */\n");
  if (rgc_cuda_emit_partials(k) < 0) return false;
  rgc_cuda_emit_body(k, &out, true);
  return true;
}

bool rgc_cuda_emit_pixels(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  int64_t group_out = kernel->extent[RGC_C] / kernel->geometry.groups;
  bool taken, good = rgc_cuda_emit_wgmma(k, &taken);
  if (taken) return good;
  const rgc_block_shape *shape = choose_pixels_shape(k, group_out);
  bool bf16 = shape->stages && is_bf16(k);
  rgc_cuda_emit_head(k);
  if (!rgc_cuda_define_walk(k, shape, bf16 && group_out % 2 == 0 ? 2 : 1)) return false;
  rgc_text_add(&k->text, "/* The operands: the weight, and A. */\n");
  rgc_cuda_define(k, "CONTRACT_WEIGHT", rgc_input_number(k->op, kernel->weight));
  if (!shape->stages) rgc_cuda_define(k, "WEIGHT_BF16", k->graph->values[kernel->weight].dtype == RGC_BF16);
  if (shape->stages && !bf16) define_mma(k, shape);
  if (bf16) define_bf16(k, shape);
  else print_a(k);
  const char *name = bf16 ? "contract_mma_bf16" : shape->stages ? "contract_mma" : "contract_pixels";
  rgc_cuda_launch_template(k, name, rgc_cuda_walk_blocks(kernel, shape), CUDA_BLOCK_THREADS, pixels_shared_bytes(k, shape));
  return true;
}

/* Into how many parts the pixels are cut: until there are blocks enough, and no float32 sum is too long. */
static int64_t choose_parts(const rgc_cuda_target *target, int64_t blocks, int64_t pixels, const rgc_block_shape *shape) {
  int64_t parts = highest(ceil_div(4 * target->multiprocessors, blocks), ceil_div(pixels, target->part_pixels));
  return highest(1, lowest(parts, pixels / (8 * shape->k)));
}

/* Shared memory of a block of a weight gradient. */
static int64_t weights_shared_bytes(const rgc_cuda_text *k, const rgc_block_shape *shape) {
  int64_t tiles = !shape->stages ? 4 * shape->k * (shape->m + shape->n)
                  : is_bf16(k)   ? 4 * shape->k * (shape->m + shape->n)
                                 : 8 * shape->k * (shape->m + 8 + shape->n + 8);
  return highest(tiles, 4 * shape->m * (shape->n + 1));
}

void rgc_cuda_define_weights(rgc_cuda_text *k, int64_t parts) {
  rgc_cuda_define_space(k, "OUT", k->op->kernel->extent, false);
  rgc_cuda_define(k, "SPLITS", parts);
  rgc_cuda_define(k, "KERNEL_PARTIALS", 0);
}

static void emit_weights_body(rgc_cuda_text *k) {
  rgc_print_space out = rgc_cuda_space(k->op->kernel->extent, "OUT", k->arena);
  rgc_cuda_emit_body(k, &out, true);
}

void rgc_cuda_emit_merge(rgc_cuda_text *k, int64_t parts) {
  int64_t elements = rgc_shape_elems(k->op->kernel->extent);
  rgc_cuda_emit_head(k);
  rgc_cuda_define_weights(k, parts);
  emit_weights_body(k);
  rgc_cuda_launch_template(k, "contract_merge", ceil_div(elements, CUDA_BLOCK_THREADS), CUDA_BLOCK_THREADS, 0);
  k->code->workspace_bytes = highest(k->code->workspace_bytes, 4 * parts * elements);
}

bool rgc_cuda_emit_weights(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  rgc_print_space b = rgc_cuda_space(kernel->b_extent, "B", k->arena);
  int64_t group_out = kernel->extent[0] / g->groups, all_j = kernel->extent[1] * kernel->extent[2] * kernel->extent[3];
  int64_t pixels = kernel->b_extent[RGC_N] * kernel->b_extent[RGC_H] * kernel->b_extent[RGC_W];
  bool mma = takes_mma(k, group_out), bf16 = mma && is_bf16(k);
  const rgc_block_shape *shape = choose_weights_shape(k, group_out);
  if (g->transposed || rgc_kernel_has_partials(kernel)) return false;
  if (rgc_cuda_emit_weights_wgmma(k)) return true;
  int64_t blocks = g->groups * ceil_div(all_j, shape->m) * ceil_div(group_out, shape->n), parts = choose_parts(k->target, blocks, pixels, shape);
  rgc_cuda_emit_head(k);
  rgc_cuda_define_space(k, "A", kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples));
  rgc_cuda_define_space(k, "B", kernel->b_extent, false);
  rgc_cuda_define_geometry(k);
  define_shape(k, shape);
  if (bf16) {
    print_chunks(k, "A", kernel->a, kernel->a_roots[0], kernel->a_extent);
    print_chunks(k, "B", kernel->b, kernel->b_root, kernel->b_extent);
  } else {
    print_a(k);
    rgc_text_add(&k->text, "#define CONTRACT_B @_b\n");
    rgc_cuda_emit_root(k, "b", kernel->b, kernel->b_root, &b);
  }
  rgc_cuda_define_weights(k, parts);
  if (parts == 1) emit_weights_body(k);
  if (mma && !bf16) rgc_cuda_define(k, "MMA_PRODUCTS", mma_products(k));
  const char *name = bf16 ? "contract_weights_mma_bf16" : mma ? "contract_weights_mma" : "contract_weights";
  rgc_cuda_launch_template(k, name, blocks * parts, CUDA_BLOCK_THREADS, weights_shared_bytes(k, shape));
  if (parts > 1) rgc_cuda_emit_merge(k, parts);
  return true;
}
