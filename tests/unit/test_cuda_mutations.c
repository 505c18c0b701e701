/* test_cuda_mutations.c: a test of the tests: mistakes put into the CUDA templates, one at a time, change what kernels compute on the emulator, or are
 * told by it. And without mistakes, results do not depend on when copies land or who runs first: bit by bit. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codegen/cuda/targets.h"
#include "compiler/pipeline.h"
#include "runtime/device/cuda_emu.h"
#include "runtime/reference/interpret.h"
#include "runtime/reference/philox.h"
#include "tests/unit/network_text.h"
#include "tests/unit/template_mutation.h"

typedef struct bench {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_compilation *compilation;
  const rgc_cuda_target *target;
  void **data;
  void *regions[RGC_REGION_COUNT];
  size_t region_bytes[RGC_REGION_COUNT];
  uint64_t seed;
} bench;

/* Contracts on tensor cores with and without prologue, in numbers that fill no tile; statistics; pooling; a linear layer. */
static const char network[] =
    "rgc: 1\nname: small\ninput: {channels: 20, size: 9}\nclasses: 5\nstem: [conv: {out: 40, kernel: 3, pad: 1}, bn, relu, conv: {out: 36, kernel: 1}]\n"
    "stages: []\nhead: [maxpool: {kernel: 3, stride: 2}, avgpool: global, linear: {out: classes}]\n";

/* In bf16: A by its own copies, too; rows of 8 and of 2 channels. */
static const char network_bf16[] =
    "rgc: 1\nname: small\ninput: {channels: 20, size: 9}\nclasses: 5\nprecision: bf16\n"
    "stem: [conv: {out: 40, kernel: 3, pad: 1}, bn, relu, conv: {out: 40, kernel: 1}, bn, relu, maxpool: {kernel: 3, stride: 2}, bn, conv: {out: 36, kernel: 3}]\n"
    "stages: []\nhead: [avgpool: global, linear: {out: classes}]\n";

static bench *open_bench(rgc_program_kind kind, const char *yaml) {
  rgc_arena *arena = rgc_arena_create();
  bench *b = RGC_NEW(arena, bench);
  *b = (bench){.arena = arena, .seed = (uint64_t)time(NULL)};
  rgc_diagnostics_init(&b->diags, arena);
  b->target = rgc_cuda_target_choose("sm_80", &b->diags);
  rgc_network *made = network_of_text(arena, yaml, &b->diags);
  rgc_compile_options options = {.kind = kind, .batch = 3, .target = &b->target->facts};
  b->compilation = made ? rgc_compile(made, &options, arena, &b->diags) : NULL;
  cr_assert(b->compilation, "%s", b->diags.count ? b->diags.items[0].message : "");
  const rgc_memory_plan *memory = b->compilation->memory;
  b->data = RGC_NEW_ARRAY(arena, void *, b->compilation->graph->value_count);
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    b->region_bytes[r] = (size_t)(memory->region_bytes[r] + 63) / 64 * 64;
    b->regions[r] = aligned_alloc(64, b->region_bytes[r] + 64);
  }
  for (int i = 0; i < b->compilation->graph->value_count; i++)
    b->data[i] = (char *)b->regions[memory->places[i].region] + memory->places[i].offset_bytes;
  return b;
}

static void close_bench(bench *b) {
  for (int r = 0; r < RGC_REGION_COUNT; r++) free(b->regions[r]);
  rgc_arena_destroy(b->arena);
}

/* The same inputs each time; all else is NaN. */
static void fill(bench *b) {
  const rgc_graph *graph = b->compilation->graph;
  for (int r = 0; r < RGC_REGION_COUNT; r++) memset(b->regions[r], 0xff, b->region_bytes[r]);
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->op >= 0 || !b->compilation->memory->places[i].size_bytes) continue;
    for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) {
      double u = rgc_philox_uniform(b->seed, (uint32_t)i, 0, (uint64_t)e);
      if (v->dtype == RGC_BF16) ((uint16_t *)b->data[i])[e] = rgc_bf16_bits((float)(2 * u - 1));
      else if (v->dtype == RGC_I32) ((int32_t *)b->data[i])[e] = (int32_t)(u * 3);
      else ((float *)b->data[i])[e] = (float)(v->role == RGC_ROLE_BUFFER || v->role == RGC_ROLE_STATE ? 0.5 + u : 2 * u - 1);
    }
  }
}

/* A hash of all memory after a step; 0: the emulator stopped it. */
static uint64_t step(bench *b, void *program, const rgc_emu_options *options) {
  rgc_cpu_step numbers = {.seed = 5, .step = 3};
  uint64_t hash = 1469598103934665603u; /* FNV-1a, by words */
  numbers.scalars[RGC_SCALAR_LR] = 0.01f;
  numbers.scalars[RGC_SCALAR_BIAS1] = numbers.scalars[RGC_SCALAR_BIAS2] = 1.5f;
  rgc_cpu_step_set_valid(&numbers, 2);
  fill(b);
  if (!rgc_cuda_emu_try_ops(program, &numbers, 0, b->compilation->graph->op_count, options, &b->diags)) return 0;
  for (int r = 0; r < RGC_REGION_COUNT; r++)
    for (size_t i = 0; i < b->region_bytes[r] / 4; i++) hash = (hash ^ ((const uint32_t *)b->regions[r])[i]) * 1099511628211u;
  return hash | 1;
}

static void *create(bench *b, const rgc_template *templates, bool watched) {
  void *program = rgc_cuda_emu_create_with(b->compilation->graph, &b->target->facts, b->data, templates, rgc_cuda_template_count, watched, &b->diags);
  cr_assert(program, "%s", b->diags.count ? b->diags.items[b->diags.count - 1].message : "");
  return program;
}

static uint64_t right_hash(bench *b) {
  void *program = create(b, rgc_cuda_templates, false);
  uint64_t hash = step(b, program, &(rgc_emu_options){.in_order = true});
  cr_assert(hash, "%s", b->diags.count ? b->diags.items[0].message : "");
  rgc_cuda_emu_destroy(program);
  return hash;
}

static void check_orders(const char *yaml) {
  bench *b = open_bench(RGC_PROGRAM_TRAIN, yaml);
  uint64_t right = right_hash(b);
  void *program = create(b, rgc_cuda_templates, false);
  for (int i = 0; i < 6; i++) {
    rgc_emu_options options = {.seed = b->seed + 1000 * (uint64_t)i, .async = (rgc_emu_async)(i % 3), .portable_switch = i == 5};
    cr_assert_eq(step(b, program, &options), right, "seed %llu, async %d: %s", (unsigned long long)options.seed, options.async,
                 b->diags.count ? b->diags.items[0].message : "other bits");
  }
  rgc_cuda_emu_destroy(program);
  program = create(b, rgc_cuda_templates, true); /* and no races, nothing read that was not written */
  for (int i = 0; i < 2; i++)
    cr_assert_eq(step(b, program, &(rgc_emu_options){.seed = b->seed, .async = i ? RGC_EMU_EARLY : RGC_EMU_LATE}), right, "watched: %s",
                 b->diags.count ? b->diags.items[0].message : "other bits");
  rgc_cuda_emu_destroy(program);
  close_bench(b);
}

Test(cuda_mutations, results_do_not_depend_on_the_order, .timeout = 300) { check_orders(network); }
Test(cuda_mutations, results_in_bf16_do_not_depend_on_the_order, .timeout = 300) { check_orders(network_bf16); }

/* In kernels of a forward pass, which are few, and compiled soon. */
static const template_mutation forward_mutations[] = {
    /* a wait, a barrier */
    {"contract_mma.cuh", "    cp_wait(STAGES - 2);\n", ""},
    {"contract_mma.cuh", "cp_wait(STAGES - 2);\n      __syncthreads();", "cp_wait(STAGES - 2);"},
    {"contract_mma.cuh", "  FN(place_pixels)(at, m0, pixels);\n  __syncthreads();", "  FN(place_pixels)(at, m0, pixels);"},
    {"contract_block.cuh", "  FN(put)(acc, shared);\n  __syncthreads();", "  FN(put)(acc, shared);"},
    {"reduce.cuh", "    __syncthreads();\n    if (row < half)", "    if (row < half)"},
    /* a stage that is still read */
    {"contract_mma.cuh", "stages + ahead % STAGES * STAGE_FLOATS", "stages + (ahead + STAGES - 1) % STAGES * STAGE_FLOATS"},
    /* a layout */
    {"contract_mma.cuh", "kk + lane / 16 * 4", "kk + lane / 8 % 2 * 4"},
    /* a mask of a tail, of padding, of samples */
    {"contract_mma.cuh", "k0 + kk < k_end && at->channel + o < GROUP_OUT", "k0 + kk < k_end"},
    {"contract_mma.cuh", "n >= 0 && h >= 0 && h < A_H && w >= 0 && w < A_W", "n >= 0 && h >= 0 && h < A_H"},
    {"contract_walk.cuh", "o < GROUP_OUT ? int_min(", "1 ? int_min("},
};

static const template_mutation forward_bf16_mutations[] = {
    {"contract_mma_bf16.cuh", "    cp_wait(STAGES - 2);\n", ""},
    {"contract_mma_bf16.cuh", "cp_wait(STAGES - 2);\n    __syncthreads();", "cp_wait(STAGES - 2);"},
    {"contract_mma_bf16.cuh", "stages + (u32)(step % STAGES * STAGE_BYTES)", "stages + (u32)((step + STAGES - 1) % STAGES * STAGE_BYTES)"},
    {"contract_mma_bf16.cuh", "n >= 0 && h >= 0 && h < A_H && w >= 0 && w < A_W", "n >= 0 && h >= 0 && h < A_H"},
    {"contract_mma_bf16.cuh", "inside ? packed[i][e] : 0u", "packed[i][e]"},
    /* where a matrix is read: a half, a swizzle */
    {"mma_bf16.cuh", "m + lane % 16, k + lane / 16 * 8", "m + lane % 16, k + lane / 8 % 2 * 8"},
    {"mma_bf16.cuh", "ldmatrix_x4(b, tile + FN(tile_byte)(n", "ldmatrix_x4(b, tile + FN(tile_byte)(1 ^ n"},
    {"row.cuh", "inside ? 16 : 0", "16"},
};

/* In those of gradients. */
static const template_mutation gradient_mutations[] = {
    {"contract_mma.cuh", "lane % 4 + 4) * W_ROW", "lane % 4 + 5) * W_ROW"},
    {"contract_weights.cuh", "    __syncthreads();\n#pragma unroll 4", "#pragma unroll 4"},
    {"contract_weights.cuh", "    }\n    __syncthreads();\n  }", "    }\n  }"},
};

static const template_mutation gradient_bf16_mutations[] = {
    {"mma_bf16.cuh", "k + lane / 8 % 2 * 8 + lane % 8, n + lane / 16 * 8", "k + lane % 16, n + lane / 8 % 2 * 8"},
    {"mma_bf16.cuh", "m + lane / 8 % 2 * 8", "m + lane / 16 * 8"},
    {"contract_weights_mma_bf16.cuh", "  FN(store)(a, b, stages);\n  __syncthreads();", "  FN(store)(a, b, stages);"},
    {"contract_weights_mma_bf16.cuh", "    __syncthreads();\n  }\n}", "  }\n}"},
    {"contract_weights_mma_bf16.cuh", "(s ^ 1) * STAGE_BYTES", "s * STAGE_BYTES"},
    {"contract_weights_mma_bf16.cuh", "p >= at->last || j >= ALL_J", "j >= ALL_J"},
    /* partial sums of a window */
    {"loop.cuh", "    __syncthreads();\n#pragma unroll\n    for", "#pragma unroll\n    for"},
    {"loop.cuh", "    __syncthreads();\n  }\n}\n#endif", "  }\n}\n#endif"},
};

static void check_mutations(rgc_program_kind kind, const char *yaml, const template_mutation *mutations, size_t count) {
  bench *b = open_bench(kind, yaml);
  uint64_t right = right_hash(b);
  for (size_t i = 0; i < count; i++) {
    void *program = create(b, mutated_templates(&mutations[i], b->arena), false);
    bool found = false;
    for (int launch = 0; launch < 8 && !found; launch++) {
      rgc_emu_options options = {.seed = b->seed + 1000 * (uint64_t)launch, .async = launch % 2 ? RGC_EMU_EARLY : RGC_EMU_LATE};
      found = step(b, program, &options) != right;
    }
    cr_expect(found, "not found in %s: '%s' instead of '%s'", mutations[i].file, mutations[i].to, mutations[i].from);
    rgc_cuda_emu_destroy(program);
  }
  close_bench(b);
}

Test(emu_errors, mistakes_forward_are_found, .timeout = 120) {
  check_mutations(RGC_PROGRAM_EVAL, network, forward_mutations, sizeof forward_mutations / sizeof *forward_mutations);
}
Test(emu_errors, mistakes_in_gradients_are_found, .timeout = 120) {
  check_mutations(RGC_PROGRAM_TRAIN, network, gradient_mutations, sizeof gradient_mutations / sizeof *gradient_mutations);
}
Test(emu_errors, mistakes_forward_in_bf16_are_found, .timeout = 300) {
  check_mutations(RGC_PROGRAM_EVAL, network_bf16, forward_bf16_mutations, sizeof forward_bf16_mutations / sizeof *forward_bf16_mutations);
}
Test(emu_errors, mistakes_in_gradients_in_bf16_are_found, .timeout = 300) {
  check_mutations(RGC_PROGRAM_TRAIN, network_bf16, gradient_bf16_mutations, sizeof gradient_bf16_mutations / sizeof *gradient_bf16_mutations);
}
