/* emit_weights_wgmma.c: weight gradients of bf16 with TMA and wgmma (contract_weights_wgmma.cuh in templates/), where the architecture has them.
 *
 * Which take it: groups of enough channels on both sides, in numbers that TMA can address (contract_maps.c), and A and B of up to RGC_MAX_STREAMS bf16 tensors
 * over their spaces each; what their prologues read besides is by channel, but for one operand, which is loaded by the point (a pooled gradient's). More of
 * those would be loaded number by number, for a lane has pixels of two channels. The rest stays with mma.sync. */
#include "codegen/cuda/emit_contract.h"
#include "compiler/passes/decompose_samples.h"

enum { BOX_C = 64, MOST_CHANNELS = 8, MOST_BY_POINT = 1, THREADS = 384 };

/* A or B: its streams, and behind them (streams.given) what is by channel, which a thread loads once. */
typedef struct side {
  const char *name;
  const rgc_body *body;
  int root;
  const int64_t *extent;
  rgc_cuda_streams streams;
  int channels, channel_inputs[MOST_CHANNELS]; /* by the op's inputs */
} side;

typedef struct weights {
  side a, b;
  rgc_weights_maps maps;
  int columns;          /* of a warpgroup; the block has twice as many where it has 64 output channels */
  int block_n, block_k; /* output channels, pixels of a step */
  int stages;
  int64_t blocks, parts; /* blocks of a part */
} weights;

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

static bool find_side(const rgc_cuda_text *k, side *s) {
  int by_point = 0;
  if (!rgc_cuda_find_streams(k, s->body, s->root, s->extent, &s->streams)) return false;
  for (int i = 0; i < s->body->operand_count; i++) {
    const rgc_operand *operand = &s->body->operands[i];
    if (s->streams.given[i] >= 0) continue;
    bool by_channel = k->graph->values[operand->value].dtype == RGC_F32 && rgc_operand_is_by_channel(k->graph, operand, s->extent);
    if (!by_channel || s->channels == MOST_CHANNELS) {
      by_point++;
      continue;
    }
    s->streams.given[i] = s->streams.count + s->channels;
    s->channel_inputs[s->channels++] = rgc_input_number(k->op, operand->value);
  }
  return by_point <= MOST_BY_POINT;
}

static int block_columns(const weights *w) { return w->block_n == 64 ? 2 * w->columns : w->columns; }
static int stage_bytes(const weights *w) {
  return 2 * w->block_k * (block_columns(w) * w->a.streams.count + w->block_n * w->b.streams.count);
}

/* Steps of 64 pixels where three are in shared memory at once, else of 32. */
static void choose_stages(weights *w) {
  for (w->block_k = 64;; w->block_k = 32) {
    w->stages = rgc_cuda_wgmma_stages(1, stage_bytes(w));
    if (w->stages > 2 || w->block_k == 32) return;
  }
}

/* As few blocks as can be, for each loads all of B: the bytes that come from L2 are what bounds it; of those the narrowest. */
static void choose_shape(weights *w, const rgc_geometry *g, int64_t group_a, int64_t group_out) {
  const int64_t columns = g->kernel_h * g->kernel_w * ceil_div(group_a, BOX_C) * BOX_C;
  w->block_n = group_out > 64 ? 128 : 64;
  w->columns = 256;
  const int64_t fewest = ceil_div(columns, block_columns(w));
  for (w->columns = 64; ceil_div(columns, block_columns(w)) > fewest;) w->columns *= 2;
  w->blocks = g->groups * fewest * ceil_div(group_out, w->block_n);
  choose_stages(w);
}

/* Pixels are cut until no float32 sum is too long; and then as far as blocks, one an SM, come in full rounds. */
static void choose_parts(weights *w, const rgc_cuda_target *target, int64_t pixels) {
  int64_t least = ceil_div(pixels, target->part_pixels), rounds = ceil_div(w->blocks * least, target->multiprocessors);
  int64_t full = rounds * target->multiprocessors / w->blocks, most = pixels / (8 * w->block_k);
  w->parts = full > most ? most : full;
  if (w->parts < least) w->parts = least;
}

static bool choose(const rgc_cuda_text *k, weights *w) {
  const rgc_kernel *kernel = k->op->kernel;
  const rgc_geometry *g = &kernel->geometry;
  int64_t group_a = kernel->a_extent[RGC_C] / g->groups, group_out = kernel->extent[0] / g->groups;
  *w = (weights){.a = {.name = "A", .body = kernel->a, .root = kernel->a_roots[0], .extent = kernel->a_extent},
                 .b = {.name = "B", .body = kernel->b, .root = kernel->b_root, .extent = kernel->b_extent}};
  if (!k->target->wgmma_channels || k->graph->precision != RGC_PRECISION_BF16) return false;
  if (group_a < k->target->wgmma_channels || group_out < RGC_WGMMA_LEAST_OUT || !find_side(k, &w->a) || !find_side(k, &w->b)) return false;
  choose_shape(w, g, group_a, group_out);
  choose_parts(w, k->target, kernel->b_extent[RGC_N] * kernel->b_extent[RGC_H] * kernel->b_extent[RGC_W]);
  w->maps.pixels = w->block_k;
  w->maps.a_streams = w->a.streams.count;
  w->maps.b_streams = w->b.streams.count;
  for (int i = 0; i < RGC_MAX_STREAMS; i++) {
    w->maps.a_inputs[i] = w->a.streams.inputs[i];
    w->maps.b_inputs[i] = w->b.streams.inputs[i];
  }
  return rgc_cuda_weights_maps(kernel, &w->maps, k->arena);
}

/* Of a side: what comes by TMA, what is by channel, and its prologue of `row` channels. */
static void print_side(rgc_cuda_text *k, const side *s, int row) {
  rgc_print_space space = rgc_cuda_rows(rgc_cuda_space(s->extent, s->name, k->arena), row);
  rgc_text_printf(&k->text, "/* %s, by TMA: operand", s->name);
  for (int i = 0; i < s->streams.count; i++) rgc_text_printf(&k->text, "%s%d", i ? " and " : " ", s->streams.inputs[i]);
  rgc_text_printf(&k->text, ". */\n#define %s_STREAMS %d\n#define %s_PROLOGUE %d\n#define %s_CHANNELS %d\n#define %s_CHANNEL_OPERANDS {", s->name, s->streams.count,
                  s->name, s->streams.prologue, s->name, s->channels, s->name);
  for (int i = 0; i < s->channels; i++) rgc_text_printf(&k->text, "%d, ", s->channel_inputs[i]);
  rgc_text_add(&k->text, "0}\n");
  if (!s->streams.prologue) return;
  rgc_text_printf(&k->text, "#define CONTRACT_%s @_%s\n", s->name, s->name);
  rgc_cuda_emit_root_streams(k, s->name, s->body, s->root, s->streams.given, &space);
}

bool rgc_cuda_emit_weights_wgmma(rgc_cuda_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  weights w;
  if (!choose(k, &w)) return false;
  rgc_cuda_emit_head(k);
  rgc_cuda_define_space(k, "A", kernel->a_extent, rgc_kernel_samples_in(kernel, k->samples));
  rgc_cuda_define_space(k, "B", kernel->b_extent, false);
  rgc_cuda_define_geometry(k);
  rgc_text_printf(&k->text, "/* What a block and a warpgroup have; %d stages of %d KB. */\n", w.stages, stage_bytes(&w) >> 10);
  rgc_cuda_define(k, "COLUMNS", w.columns);
  rgc_cuda_define(k, "BLOCK_N", w.block_n);
  rgc_cuda_define(k, "BLOCK_K", w.block_k);
  rgc_cuda_define(k, "STAGES", w.stages);
  rgc_cuda_define(k, "A_TILED", w.maps.tiled);
  print_side(k, &w.a, 8);
  print_side(k, &w.b, 1);
  rgc_cuda_define_weights(k, w.parts);
  rgc_cuda_launch_template(k, "contract_weights_wgmma", w.blocks * w.parts, THREADS, w.stages * (stage_bytes(&w) + 3 * 8));
  rgc_cuda_launch *launch = &k->code->launches[k->code->launch_count - 1];
  launch->maps = w.maps.items;
  launch->map_count = w.maps.count;
  rgc_cuda_emit_merge(k, w.parts);
  return true;
}
