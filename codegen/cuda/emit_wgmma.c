/* emit_wgmma.c: contracts of bf16 over pixels with TMA and wgmma (contract_wgmma.cuh in templates/), where the architecture has them.
 *
 * Which take it: groups of enough channels, in numbers that TMA can address (contract_maps.c), and A of up to RGC_MAX_STREAMS bf16 tensors over its space; all
 * else that the prologue reads must be by channel, for a thread has whatever pixels wgmma gives it. The rest stays with mma.sync. */
#include "codegen/cuda/contract_maps.h"
#include "codegen/cuda/emit_contract.h"

enum { PIXELS = 128, STEP_C = 64, LEAST_OUT = 33, MOST_STAGES = 6 };
/* Shared memory of an SM, and what the system takes of it for each block. */
enum { SM_BYTES = 228 << 10, BLOCK_BYTES = 1 << 10 };

typedef struct wgmma {
  rgc_block_shape shape;
  rgc_contract_maps maps;
  int *streams;  /* by A's operands: stream, or -1 */
  bool prologue;
  int blocks;    /* of an SM */
} wgmma;

/* A's whole tensors become streams. False: they are too many, or A reads what is no stream and not by channel. */
static bool find_streams(const rgc_cuda_text *k, wgmma *w) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_body *a = kernel->a;
  w->streams = RGC_NEW_ARRAY(k->arena, int, a->operand_count + 1);
  w->prologue = !rgc_cuda_plain_operand(k, a, kernel->a_roots[0], kernel->a_extent);
  if (!rgc_body_is_pointwise(k->graph, a, kernel->a_extent)) return false;
  for (int i = 0; i < a->operand_count; i++) {
    w->streams[i] = -1;
    if (!rgc_operand_is_whole(k->graph, &a->operands[i], kernel->a_extent)) continue;
    if (k->graph->values[a->operands[i].value].dtype != RGC_BF16 || w->maps.streams == RGC_MAX_STREAMS) return false;
    w->streams[i] = w->maps.streams;
    w->maps.inputs[w->maps.streams++] = rgc_input_number(k->op, a->operands[i].value);
  }
  return w->maps.streams > 0;
}

static int stage_bytes(const wgmma *w) { return 2 * STEP_C * (w->maps.streams * PIXELS + w->shape.n); }
static int shared_bytes(const wgmma *w) { return w->shape.stages * stage_bytes(w) + 8 * (2 * w->shape.stages + 1); }

/* Two blocks where their registers allow it: a prologue needs some beside 64 sums, and for each stream. */
static void choose_shape(wgmma *w, int64_t group_out) {
  int n = group_out > 64 ? 128 : 64;
  w->shape = (rgc_block_shape){.m = PIXELS, .n = n, .k = STEP_C, .thread_m = 2, .thread_n = n / 4};
  w->blocks = w->prologue && (n == 128 || w->maps.streams > 2) ? 1 : 2;
  while (w->shape.stages < MOST_STAGES) {
    w->shape.stages++;
    if (shared_bytes(w) <= SM_BYTES / w->blocks - BLOCK_BYTES) continue;
    w->shape.stages--;
    return;
  }
}

static bool choose(const rgc_cuda_text *k, wgmma *w) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  int64_t group_out = kernel->extent[RGC_C] / g->groups;
  *w = (wgmma){0};
  if (!k->target->wgmma_channels || k->graph->precision != RGC_PRECISION_BF16 || k->graph->values[kernel->weight].dtype != RGC_BF16) return false;
  if (kernel->a_extent[RGC_C] / g->groups < k->target->wgmma_channels || group_out < LEAST_OUT || !find_streams(k, w)) return false;
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
  rgc_cuda_emit_root_streams(k, "a", kernel->a, kernel->a_roots[0], w->streams, &pairs);
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
  rgc_cuda_define(k, "A_PROLOGUE", w.prologue);
  rgc_cuda_define(k, "A_TILED", w.maps.tiled);
  rgc_cuda_define(k, "A_MAPS", w.maps.sets);
  rgc_cuda_define(k, "STAGES", w.shape.stages);
  rgc_cuda_define(k, "BLOCKS", w.blocks);
  if (w.prologue) print_prologue(k, &w);
  int producers = w.blocks == 1 ? 128 : 32; /* a warpgroup that gives its registers away, or a warp */
  rgc_cuda_launch_template(k, "contract_wgmma", rgc_cuda_walk_blocks(kernel, &w.shape), CUDA_BLOCK_THREADS + producers, shared_bytes(&w));
  rgc_cuda_launch *launch = &k->code->launches[k->code->launch_count - 1];
  launch->maps = w.maps.items;
  launch->map_count = w.maps.count;
  return true;
}
