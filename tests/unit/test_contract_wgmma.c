/* test_contract_wgmma.c: contract_wgmma.cuh on the emulator, against sums in double of the same bf16 operands: forward and data gradients, with and without
 * a prologue, in numbers that fill no tile; whenever copies and products happen, and watched for races. The text around it is tests/kernels/contract_wgmma.cuh. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda/contract_maps.h"
#include "codegen/cuda/templates/kernel_args.cuh"
#include "tests/unit/emu_fixture.h"

/* What a contract is, and how it is cut. */
typedef struct contract {
  int n, h, w, c, out;             /* A's space; channels of the output */
  int kernel, stride, pad;
  int dilation, groups;            /* 0: 1 */
  int transposed, out_h;           /* a data gradient, and its rows and columns, which A does not say */
  int tile_images, tile_rows;      /* one of them: with moments; none: blocks of pixels of all images */
  int prologue, streams;           /* 0: one */
  int valid;                       /* samples that count; 0: all */
} contract;

typedef struct bench {
  rgc_arena *arena;
  emu_fixture emu;
  contract what;
  rgc_kernel kernel;
  rgc_contract_maps maps;
  int out_h, out_w, block_n, stages, blocks;
  kernel_args args;
  kernel_step step;
  char *defines;
  bool moments; /* are checked, too */
} bench;

#define TEMPLATE "contract_wgmma.cuh"
#include "tests/unit/wgmma_checks.h"

enum { SCALE, SHIFT, BIAS, STREAM, WEIGHT = STREAM + RGC_MAX_STREAMS, BLOCK_M = 128, MAX_MAPS = 16 };

static int ceil_div(int a, int b) { return (a + b - 1) / b; }
static int streams_of(const contract *what) { return what->streams ? what->streams : 1; }

static void set_kernel(bench *b) {
  const contract *s = &b->what;
  int reach = (s->kernel - 1) * s->dilation + 1;
  b->out_h = s->transposed ? s->out_h : (s->h + 2 * s->pad - reach) / s->stride + 1;
  b->out_w = s->transposed ? s->out_h + s->w - s->h : (s->w + 2 * s->pad - reach) / s->stride + 1;
  b->kernel = (rgc_kernel){.kind = RGC_CONTRACT, .form = RGC_PIXELS, .extent = {s->n, b->out_h, b->out_w, s->out}, .a_extent = {s->n, s->h, s->w, s->c},
                           .tile_images = s->tile_images, .tile_rows = s->tile_rows,
                           .geometry = {.kernel_h = s->kernel, .kernel_w = s->kernel, .stride = s->stride, .pad = s->pad, .dilation = s->dilation,
                                        .groups = s->groups, .transposed = s->transposed}};
  b->block_n = s->out / s->groups > 64 ? 128 : 64;
  b->maps = (rgc_contract_maps){.streams = streams_of(s), .inputs = {STREAM, STREAM + 1}, .weight_input = WEIGHT, .block_m = BLOCK_M, .block_n = b->block_n};
  cr_assert(rgc_cuda_contract_maps(&b->kernel, &b->maps, b->arena));
  b->stages = b->maps.streams > 1 ? 2 : 3;
  b->blocks = s->prologue && b->block_n == 128 ? 1 : 2;
}

static void set_defines(bench *b) {
  const contract *s = &b->what;
  b->defines = rgc_arena_printf(
      b->arena,
      "#define OUT_N %d\n#define OUT_H %d\n#define OUT_W %d\n#define OUT_C %d\n#define OUT_SAMPLES 1\n#define A_N %d\n#define A_H %d\n#define A_W %d\n"
      "#define A_C %d\n#define KERNEL_H %d\n#define KERNEL_W %d\n#define STRIDE %d\n#define PAD %d\n#define DILATION %d\n#define GROUPS %d\n"
      "#define TRANSPOSED %d\n#define TAP_STEP %d\n#define CONTRACT_TILED %d\n#define TILE_IMAGES %d\n#define TILE_ROWS %d\n#define BLOCK_M %d\n"
      "#define BLOCK_N %d\n#define THREAD_M 2\n#define THREAD_N %d\n#define STREAMS %d\n#define A_PROLOGUE %d\n#define A_TILED %d\n#define A_MAPS %d\n"
      "#define STAGES %d\n#define BLOCKS %d\n#define ROW %d\n",
      s->n, b->out_h, b->out_w, s->out, s->n, s->h, s->w, s->c, s->kernel, s->kernel, s->stride, s->pad, s->dilation, s->groups, s->transposed, (int)rgc_cuda_tap_step(&b->kernel.geometry),
      s->tile_images || s->tile_rows, s->tile_images, s->tile_rows, BLOCK_M, b->block_n, b->block_n / 4, b->maps.streams, s->prologue, b->maps.tiled,
      b->maps.sets, b->stages, b->blocks, s->out / s->groups % 2 ? 1 : 2);
}

static int tile_count(const bench *b) { return (int)rgc_kernel_tile_count(&b->kernel); }

static void fill_operands(bench *b) {
  const contract *s = &b->what;
  emu_fixture *f = &b->emu;
  size_t a = (size_t)(s->n * s->h * s->w * s->c), w = (size_t)(s->out * s->c / s->groups * s->kernel * s->kernel);
  b->args.operands[SCALE] = emu_random_floats(f, "scale", (size_t)s->c);
  b->args.operands[SHIFT] = emu_random_floats(f, "shift", (size_t)s->c);
  b->args.operands[BIAS] = emu_random_floats(f, "bias", (size_t)s->out);
  for (int i = 0; i < b->maps.streams; i++) b->args.operands[STREAM + i] = (float *)emu_random_halves(f, "x", a);
  b->args.operands[WEIGHT] = (float *)emu_random_halves(f, "w", w);
  b->args.outputs[0] = rgc_emu_alloc(f->emu, "y", 4 * (size_t)(s->n * b->out_h * b->out_w * s->out));
  b->args.outputs[1] = rgc_emu_alloc(f->emu, "moments", 12 * (size_t)(tile_count(b) * s->out));
  b->step = (kernel_step){.valid = s->valid ? s->valid : s->n};
  b->args.step = &b->step;
}

static bench *open_bench(const contract *what, bool watched, const template_mutation *mistake) {
  bench *b = calloc(1, sizeof *b);
  b->arena = rgc_arena_create();
  b->what = *what;
  b->what.dilation = what->dilation ? what->dilation : 1;
  b->what.groups = what->groups ? what->groups : 1;
  b->moments = !mistake && (what->tile_images || what->tile_rows);
  set_kernel(b);
  set_defines(b);
  b->emu = emu_fixture_open_with(TEMPLATE, b->defines, watched, mistake ? mutated_templates(mistake, b->arena) : NULL);
  fill_operands(b);
  return b;
}

static bool run(bench *b) {
  const contract *s = &b->what;
  struct {
    kernel_args args;
    _Alignas(64) char maps[MAX_MAPS][RGC_TENSOR_MAP_BYTES];
  } args = {.args = b->args};
  int group_out = s->out / s->groups, step = s->transposed ? s->stride : 1, residue_pixels = s->n * ceil_div(b->out_h, step) * ceil_div(b->out_w, step);
  int tiles = s->tile_images || s->tile_rows ? tile_count(b) : step * step * ceil_div(residue_pixels, BLOCK_M);
  give_maps(b, args.maps);
  size_t shared = (size_t)(b->stages * (b->maps.streams * BLOCK_M * 128 + b->block_n * 128) + 8 * (2 * b->stages + 1));
  size_t bytes = sizeof args - (size_t)(MAX_MAPS - b->maps.count) * RGC_TENSOR_MAP_BYTES;
  memset(b->args.outputs[0], 0xff, 4 * (size_t)(s->n * b->out_h * b->out_w * s->out));
  return emu_fixture_run(&b->emu, "contract", (unsigned int)(tiles * s->groups * ceil_div(group_out, b->block_n)), 1, b->blocks == 1 ? 384 : 288, shared, &args, bytes);
}

/* A behind its prologue, as bf16, in double. */
static double *prologue(const bench *b) {
  const contract *s = &b->what;
  int count = s->n * s->h * s->w * s->c;
  double *a = malloc((size_t)count * sizeof *a);
  const unsigned short *x = (const void *)b->args.operands[STREAM], *y = (const void *)b->args.operands[STREAM + 1];
  for (int i = 0; i < count; i++) {
    float scale = b->args.operands[SCALE][i % s->c], value = fmaf((float)half_value(x[i]), scale, b->args.operands[SHIFT][i % s->c]);
    if (b->maps.streams == 2) value = fmaf((float)half_value(y[i]), scale, value);
    a[i] = s->prologue ? half_nearest(fmaxf(0, value)) : half_value(x[i]);
  }
  return a;
}

/* Where tap r of output row h meets A; -1: nowhere. */
static int meets(const contract *s, int h, int r, int extent) {
  int at = s->transposed ? h + s->pad - r * s->dilation : h * s->stride + r * s->dilation - s->pad;
  if (s->transposed && (at < 0 || at % s->stride)) return -1;
  if (s->transposed) at /= s->stride;
  return at >= 0 && at < extent ? at : -1;
}

/* The sum at an output point, and in *scale that of its products' sizes. */
static double sum_at(const bench *b, const double *a, int n, int h, int w, int o, double *scale) {
  const contract *s = &b->what;
  const unsigned short *weight = (const void *)b->args.operands[WEIGHT];
  int group_a = s->c / s->groups, group_out = s->out / s->groups, group = o / group_out;
  double sum = 0;
  *scale = 0;
  for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
    int at_h = meets(s, h, tap / s->kernel, s->h), at_w = meets(s, w, tap % s->kernel, s->w);
    for (int i = 0; i < group_a && at_h >= 0 && at_w >= 0; i++) {
      int c = group * group_a + i, element = s->transposed ? (c * s->kernel * s->kernel + tap) * group_out + o % group_out : (o * s->kernel * s->kernel + tap) * group_a + i;
      double product = a[((n * s->h + at_h) * s->w + at_w) * s->c + c] * half_value(weight[element]);
      sum += product;
      *scale += fabs(product);
    }
  }
  return sum;
}

typedef struct statistics {
  double count, mean, squares;
} statistics;

static statistics merge(statistics a, statistics b) {
  if (!b.count) return a;
  double all = a.count + b.count, apart = b.mean - a.mean;
  return (statistics){all, a.mean + apart * b.count / all, a.squares + b.squares + apart * apart * a.count * b.count / all};
}

static void check_moments(const bench *b, int o, statistics want) {
  const contract *s = &b->what;
  const float *from = b->args.outputs[1];
  statistics all = {0};
  for (int t = 0; t < tile_count(b); t++) all = merge(all, (statistics){from[3 * t * s->out + o], from[(3 * t + 1) * s->out + o], from[(3 * t + 2) * s->out + o]});
  cr_assert(all.count == want.count && fabs(all.mean - want.mean) < 1e-4 * (1 + fabs(want.mean)) && fabs(all.squares - want.squares) < 1e-3 * (1 + want.squares),
            "channel %d: moments %g %g %g, not %g %g %g", o, all.count, all.mean, all.squares, want.count, want.mean, want.squares);
}

static double worst_error(const bench *b) {
  const contract *s = &b->what;
  double *a = prologue(b), worst = 0;
  for (int o = 0; o < s->out; o++) {
    statistics seen = {0};
    for (int i = 0; i < s->n * b->out_h * b->out_w; i++) {
      int w = i % b->out_w, h = i / b->out_w % b->out_h, n = i / (b->out_w * b->out_h);
      float got = b->args.outputs[0][i * s->out + o];
      if (n >= b->step.valid) {
        if (!isnan(got)) worst = INFINITY;
        continue;
      }
      double scale, want = sum_at(b, a, n, h, w, o, &scale) + (double)b->args.operands[BIAS][o], error = fabs(got - want) / (scale + 1);
      worst = error <= worst ? worst : isnan(error) ? INFINITY : error;
      seen = merge(seen, (statistics){1, want, 0});
    }
    if (b->moments) check_moments(b, o, seen);
  }
  free(a);
  return worst;
}

Test(contract_wgmma, forward, .timeout = 300) {
  check((contract){.n = 2, .h = 9, .w = 11, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1});
  check((contract){.n = 3, .h = 9, .w = 7, .c = 72, .out = 40, .kernel = 3, .stride = 2, .pad = 1});
  check((contract){.n = 1, .h = 13, .w = 13, .c = 64, .out = 64, .kernel = 7, .stride = 2, .pad = 3});
  check((contract){.n = 2, .h = 9, .w = 9, .c = 136, .out = 130, .kernel = 1, .stride = 1});
  check((contract){.n = 2, .h = 9, .w = 9, .c = 64, .out = 64, .kernel = 1, .stride = 2});
  check((contract){.n = 5, .h = 1, .w = 1, .c = 200, .out = 10, .kernel = 1, .stride = 1});
}

Test(contract_wgmma, forward_with_prologue, .timeout = 300) {
  check((contract){.n = 2, .h = 9, .w = 11, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .prologue = 1});
  check((contract){.n = 2, .h = 9, .w = 7, .c = 72, .out = 40, .kernel = 3, .stride = 2, .pad = 1, .prologue = 1});
  check((contract){.n = 2, .h = 10, .w = 9, .c = 136, .out = 131, .kernel = 1, .stride = 1, .prologue = 1, .streams = 2});
  check((contract){.n = 1, .h = 12, .w = 12, .c = 64, .out = 64, .kernel = 3, .stride = 1, .pad = 2, .dilation = 2, .prologue = 1, .streams = 2});
  check((contract){.n = 1, .h = 8, .w = 8, .c = 128, .out = 144, .kernel = 3, .stride = 1, .pad = 1, .groups = 2, .prologue = 1});
}

Test(contract_wgmma, tiles_with_moments, .timeout = 300) {
  check((contract){.n = 5, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .tile_images = 2, .prologue = 1});
  check((contract){.n = 5, .h = 9, .w = 9, .c = 64, .out = 40, .kernel = 1, .stride = 1, .tile_images = 3, .valid = 4});
  check((contract){.n = 2, .h = 21, .w = 19, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .tile_rows = 8});
  check((contract){.n = 2, .h = 21, .w = 19, .c = 64, .out = 40, .kernel = 3, .stride = 2, .pad = 1, .tile_rows = 4, .prologue = 1, .valid = 1});
}

Test(contract_wgmma, data_gradient, .timeout = 300) {
  check((contract){.n = 2, .h = 9, .w = 11, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .transposed = 1, .out_h = 9});
  check((contract){.n = 2, .h = 5, .w = 6, .c = 72, .out = 136, .kernel = 3, .stride = 2, .pad = 1, .transposed = 1, .out_h = 10});
  check((contract){.n = 2, .h = 5, .w = 5, .c = 64, .out = 64, .kernel = 3, .stride = 2, .pad = 1, .transposed = 1, .out_h = 9, .prologue = 1, .streams = 2});
  check((contract){.n = 2, .h = 5, .w = 5, .c = 64, .out = 72, .kernel = 1, .stride = 2, .transposed = 1, .out_h = 9, .prologue = 1});
  check((contract){.n = 2, .h = 7, .w = 7, .c = 64, .out = 128, .kernel = 1, .stride = 1, .transposed = 1, .out_h = 7, .prologue = 1, .streams = 2});
  check((contract){.n = 1, .h = 7, .w = 7, .c = 64, .out = 64, .kernel = 7, .stride = 2, .pad = 3, .transposed = 1, .out_h = 13});
  check((contract){.n = 3, .h = 5, .w = 5, .c = 64, .out = 72, .kernel = 3, .stride = 2, .pad = 1, .transposed = 1, .out_h = 9, .tile_images = 2, .valid = 2});
}

Test(contract_wgmma, watched, .timeout = 300) {
  check_watched((contract){.n = 3, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .tile_images = 3, .prologue = 1, .streams = 2});
  check_watched((contract){.n = 3, .h = 9, .w = 9, .c = 72, .out = 40, .kernel = 3, .stride = 1, .pad = 1, .tile_images = 3});
  check_watched((contract){.n = 3, .h = 5, .w = 5, .c = 64, .out = 72, .kernel = 3, .stride = 2, .pad = 1, .transposed = 1, .out_h = 9, .tile_images = 3});
}

/* Kernels with and without a prologue, of several chunks a block, in which mistakes must be found. */
static const contract with_prologue = {.n = 2, .h = 9, .w = 9, .c = 72, .out = 136, .kernel = 3, .stride = 1, .pad = 1, .tile_images = 2, .prologue = 1};
static const contract without_prologue = {.n = 3, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .tile_images = 3};
static const contract gradient = {.n = 2, .h = 5, .w = 5, .c = 64, .out = 72, .kernel = 3, .stride = 2, .pad = 1, .transposed = 1, .out_h = 9};

static const template_mistake in_prologues[] = {
    MISTAKE("    mbar_wait(FULL(ring->stage), ring->parity);\n", ""),
    MISTAKE("    mbar_wait(EMPTY(ring->stage), ring->parity ^ 1);\n", ""),
    MISTAKE("mbar_wait(EMPTY(ring->stage), ring->parity ^ 1)", "mbar_wait(EMPTY(ring->stage), ring->parity)"),
    MISTAKE("mbar_wait(FULL(ring->stage), ring->parity)", "mbar_wait(FULL(ring->stage), ring->parity ^ 1)"),
    MISTAKE("      mbar_wait(DRAINED, (chunk & 1) ^ 1);\n", ""),
    MISTAKE("  if (threadIdx.x == 0) mbar_arrive(DRAINED);\n", ""),
    MISTAKE("mbar_expect(full, STAGE_BYTES)", "mbar_expect(full, TILE_BYTES)"),
    MISTAKE("      wgmma_wait(1); /* a[k % 2] is no longer read */\n", ""),
    MISTAKE("  wgmma_wait(0);\n", ""),
    MISTAKE("      wgmma_fence();\n", ""),
    WATCHED("  bar_sync(1, THREADS); /* the other warpgroup has read the stages, too */\n", ""),
    MISTAKE("  FN(enter_residue)(at, at->residue);\n  bar_sync(1, THREADS);\n", "  FN(enter_residue)(at, at->residue);\n"),
    MISTAKE("((chunk ^ (row % 8)) << 4)", "(chunk << 4)"),
    MISTAKE("inside[e % 2] && there ?", "there ?"),
    MISTAKE("tapped[i].w >= 0 && tapped[i].w < A_W", "tapped[i].w >= 0"),
    MISTAKE("    if (last >= 0) FN(release)(base, last);", ""),
    WATCHED("  fence_proxy_async(); /* TMA writes there next */\n", ""),
    WATCHED("  __syncwarp();\n  if (threadIdx.x % 32 == 0) mbar_arrive(EMPTY(stage));", "  if (threadIdx.x % 128 == 0) mbar_arrive(EMPTY(stage));"),
};

static const template_mistake in_plain_ones[] = {
    MISTAKE("    mbar_wait(FULL(ring->stage), ring->parity);\n", ""),
    MISTAKE("    wgmma_wait(1);\n", ""),
    MISTAKE("threadIdx.x / 128 * (TILE_BYTES / 2)", "0"),
    MISTAKE("pixels + k * 2", "pixels + k"),
    WATCHED("  fence_proxy_async(); /* TMA writes there next */\n", ""),
};

static const template_mistake in_gradients[] = {
    MISTAKE("#define WEIGHT_16 128", "#define WEIGHT_16 2"),
    MISTAKE("(A_TAP_STEP < 0 ? (1 - (count)) * A_TAP_STEP : 0)", "0"),
    MISTAKE("to + n * 128, map, full, at->channel + n", "to + n * 128, map, full, at->channel"),
    {{"prelude.cuh", "wgmma_desc_of(address, 8192)", "wgmma_desc_of(address, 1024)"}, false},
};

static const contract pointwise_gradient = {.n = 2, .h = 5, .w = 5, .c = 64, .out = 72, .kernel = 1, .stride = 2, .transposed = 1, .out_h = 9};
static const template_mistake in_residues_without_taps[] = {MISTAKE("    FN(put)(d, base);\n    return;\n", "    return;\n")};

Test(emu_errors, mistakes_in_wgmma_contracts_are_found, .timeout = 300) {
  check_mistakes(&with_prologue, in_prologues, sizeof in_prologues / sizeof *in_prologues);
  check_mistakes(&without_prologue, in_plain_ones, sizeof in_plain_ones / sizeof *in_plain_ones);
  check_mistakes(&gradient, in_gradients, sizeof in_gradients / sizeof *in_gradients);
  check_mistakes(&pointwise_gradient, in_residues_without_taps, 1);
}
