/* test_contract_weights_wgmma.c: contract_weights_wgmma.cuh on the emulator, against sums in double of the same bf16 operands: weight gradients with and without
 * prologues on either side, in numbers that fill no tile, of samples of which some do not count; whenever copies and products happen, and watched for races.
 * The text around it is tests/kernels/contract_weights_wgmma.cuh. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda/contract_maps.h"
#include "codegen/cuda/templates/kernel_args.cuh"
#include "tests/unit/emu_fixture.h"

/* What a weight gradient is, and how it is cut. */
typedef struct contract {
  int n, h, w, c, out;             /* A's space; channels of B */
  int kernel, stride, pad;
  int dilation, groups;            /* 0: 1 */
  int a_prologue, a_streams;       /* streams: 0: one */
  int b_prologue, b_streams;
  int columns, block_n;            /* 0: 64, and what `out` wants */
  int block_k, stages, splits;     /* 0: 64, 2, 1 */
  int valid;                       /* samples that count; 0: all */
} contract;

typedef struct bench {
  rgc_arena *arena;
  emu_fixture emu;
  contract what;
  rgc_weights_maps maps;
  int b_h, b_w;
  kernel_args args;
  kernel_step step;
  char *defines;
} bench;

#define TEMPLATE "contract_weights_wgmma.cuh"
#include "tests/unit/wgmma_checks.h"

enum { A_SCALE, A_SHIFT, B_SCALE, B_MEAN, B_SLOPE, B_POINT, A_STREAM, B_STREAM = A_STREAM + RGC_MAX_STREAMS, MAX_MAPS = 2 * RGC_MAX_STREAMS, THREADS = 384 };

static int ceil_div(int a, int b) { return (a + b - 1) / b; }
static int or_else(int chosen, int otherwise) { return chosen ? chosen : otherwise; }

static void set_defaults(contract *s) {
  s->dilation = or_else(s->dilation, 1);
  s->groups = or_else(s->groups, 1);
  s->a_streams = or_else(s->a_streams, 1);
  s->b_streams = or_else(s->b_streams, 1);
  s->columns = or_else(s->columns, 64);
  s->block_n = or_else(s->block_n, s->out / s->groups > 64 ? 128 : 64);
  s->block_k = or_else(s->block_k, 64);
  s->stages = or_else(s->stages, 2);
  s->splits = or_else(s->splits, 1);
  s->valid = or_else(s->valid, s->n);
}

static void set_maps(bench *b) {
  const contract *s = &b->what;
  int reach = (s->kernel - 1) * s->dilation + 1;
  b->b_h = (s->h + 2 * s->pad - reach) / s->stride + 1;
  b->b_w = (s->w + 2 * s->pad - reach) / s->stride + 1;
  rgc_kernel kernel = {.kind = RGC_CONTRACT, .form = RGC_WEIGHTS, .a_extent = {s->n, s->h, s->w, s->c}, .b_extent = {s->n, b->b_h, b->b_w, s->out},
                       .extent = {s->out, s->kernel, s->kernel, s->c / s->groups},
                       .geometry = {.kernel_h = s->kernel, .kernel_w = s->kernel, .stride = s->stride, .pad = s->pad, .dilation = s->dilation, .groups = s->groups}};
  b->maps = (rgc_weights_maps){.a_streams = s->a_streams, .a_inputs = {A_STREAM, A_STREAM + 1}, .b_streams = s->b_streams, .b_inputs = {B_STREAM, B_STREAM + 1},
                               .pixels = s->block_k};
  cr_assert(rgc_cuda_weights_maps(&kernel, &b->maps, b->arena));
}

static void set_defines(bench *b) {
  const contract *s = &b->what;
  b->defines = rgc_arena_printf(
      b->arena,
      "#define OUT_N %d\n#define OUT_H %d\n#define OUT_W %d\n#define OUT_C %d\n#define A_N %d\n#define A_H %d\n#define A_W %d\n#define A_C %d\n#define A_SAMPLES 1\n"
      "#define B_N %d\n#define B_H %d\n#define B_W %d\n#define B_C %d\n#define STRIDE %d\n#define PAD %d\n#define DILATION %d\n#define GROUPS %d\n"
      "#define TRANSPOSED 0\n#define TAP_STEP 1\n#define COLUMNS %d\n#define BLOCK_N %d\n#define BLOCK_K %d\n#define STAGES %d\n#define A_TILED %d\n"
      "#define A_STREAMS %d\n#define A_PROLOGUE %d\n#define B_STREAMS %d\n#define B_PROLOGUE %d\n#define SPLITS %d\n",
      s->out, s->kernel, s->kernel, s->c / s->groups, s->n, s->h, s->w, s->c, s->n, b->b_h, b->b_w, s->out, s->stride, s->pad, s->dilation, s->groups, s->columns,
      s->block_n, s->block_k, s->stages, b->maps.tiled, s->a_streams, s->a_prologue, s->b_streams, s->b_prologue, s->splits);
}

static int element_count(const bench *b) { return b->what.out * b->what.kernel * b->what.kernel * b->what.c / b->what.groups; }

/* bf16 of which those past `valid` are no numbers. */
static float *new_stream(bench *b, const char *name, int count, int valid) {
  unsigned short *made = emu_random_halves(&b->emu, name, (size_t)count);
  for (int i = valid; i < count; i++) made[i] = 0x7fff;
  return (float *)made;
}

static void fill_operands(bench *b) {
  const contract *s = &b->what;
  emu_fixture *f = &b->emu;
  int a = s->h * s->w * s->c, dy = b->b_h * b->b_w * s->out;
  for (int i = A_SCALE; i <= A_SHIFT; i++) b->args.operands[i] = emu_random_floats(f, "by channel of A", (size_t)s->c);
  for (int i = B_SCALE; i <= B_SLOPE; i++) b->args.operands[i] = emu_random_floats(f, "by channel of B", (size_t)s->out);
  b->args.operands[B_POINT] = emu_random_floats(f, "by sample of B", (size_t)(s->n * s->out));
  for (int i = 0; i < s->a_streams; i++) b->args.operands[A_STREAM + i] = new_stream(b, "x", s->n * a, s->valid * a);
  for (int i = 0; i < s->b_streams; i++) b->args.operands[B_STREAM + i] = new_stream(b, "dy", s->n * dy, s->valid * dy);
  b->args.workspace = rgc_emu_alloc(f->emu, "workspace", 4 * (size_t)(s->splits * element_count(b)));
  b->step = (kernel_step){.valid = s->valid};
  b->args.step = &b->step;
}

static bench *open_bench(const contract *what, bool watched, const template_mutation *mistake) {
  bench *b = calloc(1, sizeof *b);
  b->arena = rgc_arena_create();
  b->what = *what;
  set_defaults(&b->what);
  set_maps(b);
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
  give_maps(b, args.maps);
  int block_m = s->block_n == 64 ? 2 * s->columns : s->columns, columns = s->kernel * s->kernel * ceil_div(s->c / s->groups, 64) * 64;
  int blocks = s->splits * s->groups * ceil_div(columns, block_m) * ceil_div(s->out / s->groups, s->block_n);
  size_t shared = (size_t)(s->stages * (2 * s->block_k * (block_m * s->a_streams + s->block_n * s->b_streams) + 3 * 8));
  size_t bytes = sizeof args - (size_t)(MAX_MAPS - b->maps.count) * RGC_TENSOR_MAP_BYTES;
  memset(b->args.workspace, 0xff, 4 * (size_t)(s->splits * element_count(b)));
  return emu_fixture_run(&b->emu, "weights", (unsigned int)blocks, 1, THREADS, shared, &args, bytes);
}

/* Point `i` of A, behind its prologue, as bf16. */
static double a_at(const bench *b, int i) {
  const unsigned short *x = (const void *)b->args.operands[A_STREAM], *y = (const void *)b->args.operands[A_STREAM + 1];
  float scale = b->args.operands[A_SCALE][i % b->what.c], value = fmaf((float)half_value(x[i]), scale, b->args.operands[A_SHIFT][i % b->what.c]);
  if (b->what.a_streams == 2) value = fmaf((float)half_value(y[i]), scale, value);
  return b->what.a_prologue ? half_nearest(fmaxf(0, value)) : half_value(x[i]);
}

static double b_at(const bench *b, int i) {
  const unsigned short *dy = (const void *)b->args.operands[B_STREAM], *y = (const void *)b->args.operands[B_STREAM + b->what.b_streams - 1];
  int c = i % b->what.out, n = i / (b->b_h * b->b_w * b->what.out);
  float inner = fmaf((float)half_value(y[i]) - b->args.operands[B_MEAN][c], b->args.operands[B_SLOPE][c], b->args.operands[B_POINT][n * b->what.out + c]);
  return b->what.b_prologue ? half_nearest(fmaf((float)half_value(dy[i]), b->args.operands[B_SCALE][c], inner)) : half_value(dy[i]);
}

/* Both sides of all products, which take part in many sums. */
typedef struct sides {
  double *a, *b;
} sides;

static sides open_sides(const bench *b) {
  const contract *s = &b->what;
  int a_count = s->valid * s->h * s->w * s->c, b_count = s->valid * b->b_h * b->b_w * s->out;
  sides made = {malloc((size_t)a_count * sizeof(double)), malloc((size_t)b_count * sizeof(double))};
  for (int i = 0; i < a_count; i++) made.a[i] = a_at(b, i);
  for (int i = 0; i < b_count; i++) made.b[i] = b_at(b, i);
  return made;
}

/* The sum of weight (o, r, s, i), and in *scale that of its products' sizes. */
static double sum_at(const bench *b, const sides *of, int o, int r, int column, int i, double *scale) {
  const contract *s = &b->what;
  int c = o / (s->out / s->groups) * (s->c / s->groups) + i;
  double sum = 0;
  *scale = 0;
  for (int p = 0; p < s->valid * b->b_h * b->b_w; p++) {
    int n = p / (b->b_h * b->b_w), h = p / b->b_w % b->b_h * s->stride + r * s->dilation - s->pad, w = p % b->b_w * s->stride + column * s->dilation - s->pad;
    if (h < 0 || h >= s->h || w < 0 || w >= s->w) continue;
    double product = of->a[((n * s->h + h) * s->w + w) * s->c + c] * of->b[p * s->out + o];
    sum += product;
    *scale += fabs(product);
  }
  return sum;
}

static double worst_error(const bench *b) {
  const contract *s = &b->what;
  sides of = open_sides(b);
  double worst = 0;
  int group_a = s->c / s->groups, elements = element_count(b);
  for (int e = 0; e < elements; e++) {
    double scale, got = 0, want = sum_at(b, &of, e / (group_a * s->kernel * s->kernel), e / (group_a * s->kernel) % s->kernel, e / group_a % s->kernel, e % group_a, &scale);
    for (int part = 0; part < s->splits; part++) got += (double)b->args.workspace[part * elements + e];
    double error = fabs(got - want) / (scale + 1);
    worst = error <= worst ? worst : isnan(error) ? INFINITY : error;
  }
  free(of.a);
  free(of.b);
  return worst;
}

Test(contract_weights_wgmma, without_prologues, .timeout = 300) {
  check((contract){.n = 2, .h = 9, .w = 11, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .columns = 128, .splits = 2});
  check((contract){.n = 3, .h = 9, .w = 7, .c = 72, .out = 40, .kernel = 3, .stride = 2, .pad = 1, .columns = 256, .block_k = 32});
  check((contract){.n = 1, .h = 13, .w = 13, .c = 64, .out = 64, .kernel = 7, .stride = 2, .pad = 3, .columns = 128});
  check((contract){.n = 2, .h = 9, .w = 9, .c = 136, .out = 136, .kernel = 1, .stride = 1, .columns = 256, .splits = 3});
  check((contract){.n = 2, .h = 9, .w = 9, .c = 64, .out = 64, .kernel = 1, .stride = 2, .stages = 3});
  check((contract){.n = 5, .h = 1, .w = 1, .c = 200, .out = 48, .kernel = 1, .stride = 1, .columns = 128});
}

Test(contract_weights_wgmma, with_prologues, .timeout = 300) {
  check((contract){.n = 2, .h = 9, .w = 11, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .columns = 256, .splits = 2, .a_prologue = 1, .b_prologue = 1, .b_streams = 2});
  check((contract){.n = 3, .h = 9, .w = 7, .c = 72, .out = 40, .kernel = 3, .stride = 2, .pad = 1, .columns = 128, .block_k = 32, .stages = 4, .a_prologue = 1, .b_prologue = 1});
  check((contract){.n = 3, .h = 10, .w = 9, .c = 136, .out = 136, .kernel = 1, .stride = 1, .columns = 128, .splits = 3, .a_prologue = 1, .a_streams = 2, .b_prologue = 1, .b_streams = 2});
  check((contract){.n = 1, .h = 12, .w = 12, .c = 64, .out = 64, .kernel = 3, .stride = 1, .pad = 2, .dilation = 2, .a_prologue = 1});
  check((contract){.n = 1, .h = 8, .w = 8, .c = 144, .out = 144, .kernel = 3, .stride = 1, .pad = 1, .groups = 2, .a_prologue = 1, .b_prologue = 1, .b_streams = 2});
  check((contract){.n = 2, .h = 9, .w = 9, .c = 64, .out = 200, .kernel = 1, .stride = 2, .b_prologue = 1, .b_streams = 2});
  check((contract){.n = 1, .h = 15, .w = 13, .c = 64, .out = 64, .kernel = 7, .stride = 2, .pad = 3, .columns = 256, .block_k = 32, .a_prologue = 1, .b_prologue = 1});
}

/* Parts of which the last holds some pixels that count, or none; others hold anything. */
Test(contract_weights_wgmma, fewer_samples, .timeout = 300) {
  check((contract){.n = 4, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .valid = 3, .splits = 2, .b_prologue = 1});
  check((contract){.n = 4, .h = 9, .w = 9, .c = 64, .out = 40, .kernel = 1, .stride = 1, .valid = 1, .splits = 3, .a_prologue = 1, .b_prologue = 1, .b_streams = 2});
  check((contract){.n = 3, .h = 8, .w = 8, .c = 72, .out = 72, .kernel = 1, .stride = 1, .valid = 2, .splits = 2});
}

Test(contract_weights_wgmma, watched, .timeout = 300) {
  check_watched((contract){.n = 3, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .a_prologue = 1, .a_streams = 2, .b_prologue = 1, .b_streams = 2});
  check_watched((contract){.n = 3, .h = 9, .w = 9, .c = 72, .out = 40, .kernel = 3, .stride = 2, .pad = 1, .valid = 2});
}

/* The bits of a launch depend neither on the order of anything nor on when copies land. */
Test(contract_weights_wgmma, one_set_of_bits) {
  contract what = {.n = 3, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 3, .stride = 1, .pad = 1, .splits = 2, .a_prologue = 1, .b_prologue = 1, .b_streams = 2};
  bench *b = open_bench(&what, false, NULL);
  size_t bytes = 4 * (size_t)(b->what.splits * element_count(b));
  void *first = malloc(bytes);
  for (int launch = 0; launch < 4; launch++, b->emu.options.seed++) {
    b->emu.options.async = (rgc_emu_async)(launch % 3);
    cr_assert(run(b), "RGC_EMU_SEED=%llu: %s", (unsigned long long)b->emu.options.seed, emu_fixture_message(&b->emu));
    if (!launch) memcpy(first, b->args.workspace, bytes);
    cr_expect_eq(memcmp(first, b->args.workspace, bytes), 0, "RGC_EMU_SEED=%llu", (unsigned long long)b->emu.options.seed);
  }
  free(first);
  close_bench(b);
}

static const contract with_prologues = {.n = 4, .h = 9, .w = 9, .c = 72, .out = 136, .kernel = 3, .stride = 1, .pad = 1, .columns = 128, .valid = 3,
                                        .a_prologue = 1, .b_prologue = 1, .b_streams = 2};
static const contract side_by_side = {.n = 3, .h = 9, .w = 9, .c = 64, .out = 48, .kernel = 3, .stride = 2, .pad = 1, .columns = 128, .block_k = 32, .valid = 2};

static const template_mistake in_prologues[] = {
    MISTAKE("    mbar_wait(FULL(ring.stage), ring.parity);\n#pragma unroll", "#pragma unroll"),
    MISTAKE("    mbar_wait(FULL(ring.stage), ring.parity);\n    if (A_PROLOGUE", "    if (A_PROLOGUE"),
    MISTAKE("        if (k + i == 0) mbar_wait(READY(ring.stage), ring.parity);\n", ""),
    MISTAKE("    mbar_wait(EMPTY(ring.stage), ring.parity ^ 1);\n", ""),
    MISTAKE("mbar_wait(EMPTY(ring.stage), ring.parity ^ 1)", "mbar_wait(EMPTY(ring.stage), ring.parity)"),
    MISTAKE("mbar_wait(READY(ring.stage), ring.parity)", "mbar_wait(READY(ring.stage), ring.parity ^ 1)"),
    MISTAKE("mbar_expect(full, STAGE_BYTES)", "mbar_expect(full, B_BYTES)"),
    MISTAKE("mbar_init(READY(s), PREPARERS / 32)", "mbar_init(READY(s), 1)"),
    MISTAKE("mbar_init(EMPTY(s), MULTIPLIERS / 32)", "mbar_init(EMPTY(s), 1)"),
    MISTAKE("        wgmma_wait(1); /* a[i] is no longer read */\n", ""),
    MISTAKE("  wgmma_wait(0);\n", ""),
    MISTAKE("        wgmma_fence();\n", ""),
    MISTAKE("    if (last >= 0) {", "    if (1) {\n      last = ring.stage;"),
    WATCHED("      fence_proxy_async(); /* wgmma reads it next */\n", ""),
    WATCHED("    __syncwarp();\n    if (threadIdx.x % 32 == 0) mbar_arrive(READY", "    if (threadIdx.x % 32 == 0) mbar_arrive(READY"),
    MISTAKE("((chunk ^ (line & 7)) << 4)", "(chunk << 4)"),
    MISTAKE("((chunk ^ (lane & 7)) << 4)", "(chunk << 4)"),
    MISTAKE("h >= 0 && h < A_H", "h >= 0"),
    MISTAKE("&& w >= 0 && w < A_W", ""),
    MISTAKE("i * LINES < left && h", "i * LINES < BLOCK_K && h"),
    MISTAKE("left > 1 ? pair : left > 0 ? pair & 0xffff : 0u", "pair"),
    MISTAKE("left > 0 ? pair & 0xffff : 0u", "left > 0 ? pair : 0u"),
    MISTAKE("ldmatrix_x4_trans(", "ldmatrix_x4("),
    MISTAKE("columns + (k + i) * 128", "columns + (k + i) * 2"),
    MISTAKE(", A_BOX_BYTES);\n    mbar_wait", ", 1024);\n    mbar_wait"),
    MISTAKE("OWN_B * B_BOX_BYTES", "0"),
    MISTAKE("(GROUP_A % 64 == 0 || box.c + i / 2 * 8 < GROUP_A)", "1"),
    MISTAKE("(GROUP_OUT % BLOCK_N == 0 || o + i % 2 * 8 < GROUP_OUT)", "1"),
    MISTAKE("o < GROUP_OUT ? o : 0", "o"),
    MISTAKE("  if (c >= GROUP_A) return;\n", ""),
    MISTAKE("(i + 1) * LINES <= BLOCK_K || FN(preparer)() / 8 + i * LINES < BLOCK_K", "1"),
};

static const template_mistake in_plain_ones[] = {
    MISTAKE("A_PROLOGUE || p + BLOCK_K > at->last", "A_PROLOGUE"),
    MISTAKE("i * LINES >= left", "i * LINES > left"),
    MISTAKE("(int)threadIdx.x / 128 * (COLUMNS / 64)", "0"),
    MISTAKE("    if (box.c >= GROUP_A) return;\n", ""),
    MISTAKE("from.w * STRIDE - PAD", "from.w * STRIDE"),
    MISTAKE("(u16)(box.s * DILATION), (u16)(box.r * DILATION)", "(u16)(box.r * DILATION), (u16)(box.s * DILATION)"),
    WATCHED("      fence_proxy_async(); /* wgmma reads it next */\n", ""),
};

static const contract up_to_the_last = {.n = 1, .h = 9, .w = 9, .c = 64, .out = 72, .kernel = 1, .stride = 1, .a_prologue = 1, .b_prologue = 1};
static const template_mistake in_last_pixels[] = {MISTAKE("p + half < at->last ? p + half : 0", "p + half")};

Test(emu_errors, mistakes_in_wgmma_weight_gradients_are_found, .timeout = 600) {
  check_mistakes(&with_prologues, in_prologues, sizeof in_prologues / sizeof *in_prologues);
  check_mistakes(&side_by_side, in_plain_ones, sizeof in_plain_ones / sizeof *in_plain_ones);
  check_mistakes(&up_to_the_last, in_last_pixels, sizeof in_last_pixels / sizeof *in_last_pixels);
}
