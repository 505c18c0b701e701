/* emit_wgmma.c: contracts of bf16 over pixels with TMA and wgmma (contract_wgmma.cuh in templates/), where the architecture has them.
 *
 * Which take it: groups of enough channels, in numbers that TMA can address (contract_maps.c), and A of up to RGC_MAX_STREAMS bf16 tensors over its space; all
 * else that the prologue reads must be by channel, for a thread has whatever pixels wgmma gives it. The rest stays with mma.sync. */
#include <string.h>

#include "codegen/cuda/emit_contract.h"

enum { PIXELS = 128, STEP_C = 64 };

typedef struct wgmma {
  rgc_block_shape shape;
  rgc_contract_maps maps;
  rgc_cuda_streams a;
  int blocks; /* of an SM */
} wgmma;

bool rgc_cuda_find_streams(const rgc_cuda_text *k, const rgc_body *body, int root, const int64_t extent[RGC_AXES], rgc_cuda_streams *found) {
  *found = (rgc_cuda_streams){.given = RGC_NEW_ARRAY(k->arena, int, body->operand_count + 1), .prologue = !rgc_cuda_plain_operand(k, body, root, extent)};
  for (int i = 0; i < body->operand_count; i++) {
    found->given[i] = -1;
    if (!rgc_operand_is_whole(k->graph, &body->operands[i], extent)) continue;
    if (k->graph->values[body->operands[i].value].dtype != RGC_BF16 || found->count == RGC_MAX_STREAMS) return false;
    found->given[i] = found->count;
    found->inputs[found->count++] = rgc_input_number(k->op, body->operands[i].value);
  }
  return found->count > 0;
}

/* False: A's tensors are too many, or it reads what is no stream and not by channel. */
static bool find_streams(const rgc_cuda_text *k, wgmma *w) {
  const rgc_kernel *kernel = k->op->kernel;
  if (!rgc_body_is_pointwise(k->graph, kernel->a, kernel->a_extent)) return false;
  if (!rgc_cuda_find_streams(k, kernel->a, kernel->a_roots[0], kernel->a_extent, &w->a)) return false;
  w->maps.streams = w->a.count;
  memcpy(w->maps.inputs, w->a.inputs, sizeof w->maps.inputs);
  return true;
}

static int stage_bytes(const wgmma *w) { return 2 * STEP_C * (w->maps.streams * PIXELS + w->shape.n); }
static int shared_bytes(const wgmma *w) { return w->shape.stages * stage_bytes(w) + 8 * (2 * w->shape.stages + 1); }

int rgc_cuda_wgmma_stages(int blocks, int stage_bytes) {
  enum { SM_BYTES = 228 << 10, BLOCK_BYTES = 1 << 10 /* which the system takes for each block */, BARRIER_BYTES = 256, MOST = 6 };
  int stages = (SM_BYTES / blocks - BLOCK_BYTES - BARRIER_BYTES) / stage_bytes;
  return stages < MOST ? stages : MOST;
}

/* Two blocks where their registers allow it: a prologue needs some beside 64 sums, and for each stream. */
static void choose_shape(wgmma *w, int64_t group_out) {
  int n = group_out > 64 ? 128 : 64;
  w->shape = (rgc_block_shape){.m = PIXELS, .n = n, .k = STEP_C, .thread_m = 2, .thread_n = n / 4};
  w->blocks = w->a.prologue && (n == 128 || w->maps.streams > 2) ? 1 : 2;
  w->shape.stages = rgc_cuda_wgmma_stages(w->blocks, stage_bytes(w));
}

static bool choose(const rgc_cuda_text *k, wgmma *w) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  int64_t group_out = kernel->extent[RGC_C] / g->groups;
  *w = (wgmma){0};
  if (!k->target->wgmma_channels || k->graph->precision != RGC_PRECISION_BF16 || k->graph->values[kernel->weight].dtype != RGC_BF16) return false;
  if (kernel->a_extent[RGC_C] / g->groups < k->target->wgmma_channels || group_out < RGC_WGMMA_LEAST_OUT || !find_streams(k, w)) return false;
  choose_shape(w, group_out);
  w->maps.weight_input = rgc_input_number(k->op, kernel->weight);
  w->maps.block_m = w->shape.m;
  w->maps.block_n = w->shape.n;
  return rgc_cuda_contract_maps(kernel, &w->maps, k->arena);
}

/* Which inputs TMA brings: "operands 1, 4 and the weight, operand 5". */
static void print_operands(rgc_cuda_text *k, const wgmma *w) {
  rgc_text_add(&k->text, "/* By TMA: A of operand");
  for (int i = 0; i < w->maps.streams; i++) rgc_text_printf(&k->text, "%s%d", i ? " and " : " ", w->maps.inputs[i]);
  rgc_text_printf(&k->text, ", the weight, operand %d; %d stages of %d KB. */\n", w->maps.weight_input, w->shape.stages, stage_bytes(w) >> 10);
}

static void print_prologue(rgc_cuda_text *k, const wgmma *w) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_print_space pairs = rgc_cuda_rows(rgc_cuda_space(kernel->a_extent, "A", k->arena), 2);
  rgc_text_add(&k->text, "/* The prologue: A at channels c and c + 1, of what TMA brought. */\n#define CONTRACT_A @_a\n");
  rgc_cuda_emit_root_streams(k, "a", kernel->a, kernel->a_roots[0], w->a.given, &pairs);
}

bool rgc_cuda_emit_wgmma(rgc_cuda_text *k, bool *taken) {
  const rgc_kernel *kernel = k->op->kernel;
  wgmma w;
  *taken = choose(k, &w);
  if (!*taken) return true;
  rgc_cuda_emit_head(k);
  if (!rgc_cuda_define_walk(k, &w.shape, kernel->extent[RGC_C] / kernel->geometry.groups % 2 ? 1 : 2)) return false;
  print_operands(k, &w);
  rgc_cuda_define(k, "STREAMS", w.maps.streams);
  rgc_cuda_define(k, "A_PROLOGUE", w.a.prologue);
  rgc_cuda_define(k, "A_TILED", w.maps.tiled);
  rgc_cuda_define(k, "A_MAPS", w.maps.sets);
  rgc_cuda_define(k, "STAGES", w.shape.stages);
  rgc_cuda_define(k, "BLOCKS", w.blocks);
  if (w.a.prologue) print_prologue(k, &w);
  int producers = w.blocks == 1 ? 128 : 32; /* a warpgroup that gives its registers away, or a warp */
  rgc_cuda_launch_template(k, "contract_wgmma", rgc_cuda_walk_blocks(kernel, &w.shape), CUDA_BLOCK_THREADS + producers, shared_bytes(&w));
  rgc_cuda_launch *launch = &k->code->launches[k->code->launch_count - 1];
  launch->maps = w.maps.items;
  launch->map_count = w.maps.count;
  return true;
}
