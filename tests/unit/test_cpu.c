/* test_cpu.c: the kernels that codegen prints, compiled and run, against the interpreter in double: whole training graphs, each
 * kernel on the inputs the device itself has. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/lang/lang.h"
#include "compiler/passes/autodiff.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/layout.h"
#include "compiler/passes/memory.h"
#include "compiler/passes/optimizer.h"
#include "compiler/passes/tile.h"
#include "runtime/device/cpu.h"
#include "runtime/device/verify.h"
#include "runtime/reference/philox.h"
#include "tests/unit/network_text.h"

enum { TOLERANCE_E7 = 200 };

typedef struct machine {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_graph *graph;
  rgc_memory_plan *memory;
  void *regions[RGC_REGION_COUNT];
  void **data;
  uint64_t seed;
} machine;

static void fail_with(const machine *m) {
  rgc_text text = {0};
  rgc_diag_render(&m->diags, false, &text);
  cr_assert_fail("%s", rgc_text_chars(&text));
}

typedef enum passes { UNFUSED, FUSED } passes;

/* The training graph of a network written to a file, as kernels. */
static machine *build(const char *yaml, int64_t batch, const rgc_target *target, passes how) {
  rgc_arena *arena = rgc_arena_create();
  machine *m = RGC_NEW(arena, machine);
  m->arena = arena;
  m->seed = (uint64_t)time(NULL);
  rgc_diagnostics_init(&m->diags, arena);
  rgc_network *network = network_of_text(arena, yaml, &m->diags);
  rgc_graph *graph = network ? rgc_network_build(network, batch, true, &m->diags) : NULL;
  if (!graph || !rgc_autodiff(graph, rgc_graph_find(graph, "loss"), &m->diags)) fail_with(m);
  rgc_update_settings updates = {.rule = RGC_UPDATE_ADAM, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 1e-3};
  rgc_append_updates(graph, &updates, NULL, NULL);
  m->graph = rgc_decompose(graph, arena, &m->diags);
  if (how == FUSED) rgc_fuse(m->graph, target, NULL);
  if (how == FUSED) rgc_choose_tiles(m->graph, target);
  rgc_assign_layouts(m->graph, target);
  if (how == FUSED) rgc_fuse_side_stores(m->graph, target, NULL);
  if (!rgc_graph_verify(m->graph, &m->diags)) fail_with(m);
  return m;
}

static double uniform(const machine *m, int value, int64_t element) {
  return rgc_philox_uniform(m->seed, (uint32_t)value, 0, (uint64_t)element);
}

static void fill_value(const machine *m, const rgc_value *v) {
  int64_t count = rgc_shape_elems(v->shape);
  bool variance = v->role == RGC_ROLE_STATE || (v->role == RGC_ROLE_BUFFER && v->init.number == 1);
  for (int64_t e = 0; e < count; e++) {
    double u = uniform(m, v->id, e);
    if (v->dtype == RGC_I32) ((int32_t *)m->data[v->id])[e] = (int32_t)(u * 3);
    else ((float *)m->data[v->id])[e] = (float)(variance ? 0.5 + u : (2 * u - 1) * (v->role == RGC_ROLE_PARAM ? 0.7 : 1));
  }
}

static void place(machine *m) {
  m->memory = rgc_plan_memory(m->graph, m->arena);
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    m->regions[r] = aligned_alloc(64, (size_t)(m->memory->region_bytes[r] + 63) / 64 * 64);
    memset(m->regions[r], 0xff, (size_t)m->memory->region_bytes[r]);
  }
  m->data = RGC_NEW_ARRAY(m->arena, void *, m->graph->value_count);
  for (int i = 0; i < m->graph->value_count; i++)
    m->data[i] = (char *)m->regions[m->memory->places[i].region] + m->memory->places[i].offset_bytes;
  for (int i = 0; i < m->graph->value_count; i++)
    if (m->graph->values[i].op < 0 && m->memory->places[i].size_bytes) fill_value(m, &m->graph->values[i]);
}

static rgc_cpu_step one_step(const machine *m, int64_t valid) {
  rgc_cpu_step step = {.seed = m->seed, .step = 3};
  step.scalars[RGC_SCALAR_LR] = 0.01f;
  step.scalars[RGC_SCALAR_BIAS1] = step.scalars[RGC_SCALAR_BIAS2] = 1.5f;
  step.scalars[RGC_SCALAR_N_VALID] = (float)valid;
  step.scalars[RGC_SCALAR_INV_N] = 1 / (float)valid;
  return step;
}

static void destroy(machine *m) {
  for (int r = 0; r < RGC_REGION_COUNT; r++) free(m->regions[r]);
  rgc_arena_destroy(m->arena);
}

/* Functions whose text has both words. */
static int count_functions(const rgc_cpu_program *program, const char *word, const char *other) {
  const rgc_cpu_code *code = rgc_cpu_program_code(program);
  int count = 0;
  for (int i = 0; i < code->function_count; i++) count += strstr(code->functions[i].text, word) && strstr(code->functions[i].text, other);
  return count;
}

static void check_target(const char *yaml, int64_t batch, int64_t valid, const rgc_cpu_target *target, passes how) {
  machine *m = build(yaml, batch, &target->facts, how);
  place(m);
  rgc_cpu_program *program = rgc_cpu_program_create(m->graph, target, m->data, 2, &m->diags);
  if (!program) fail_with(m);
  bool winograd = target->facts.winograd_min_pixels == 1;
  if (winograd) cr_expect_gt(count_functions(program, "contract_winograd.h", ""), 0);
  if (winograd) cr_expect_gt(count_functions(program, "contract_weights_winograd.h", ""), 0);
  if (target->facts.min_tiles == 1) cr_expect_gt(count_functions(program, "CONTRACT_SIDE_PROLOGUE", winograd ? "contract_winograd.h" : "contract_pixels.h"), 0);
  rgc_verified *results = RGC_NEW_ARRAY(m->arena, rgc_verified, m->graph->op_count);
  rgc_cpu_step step = one_step(m, valid);
  rgc_cpu_verify(program, m->graph, m->data, &step, results);
  for (int i = 0; i < m->graph->op_count; i++)
    cr_expect(results[i].error < TOLERANCE_E7 * 1e-7, "%s op %d (%s %s) %%%s is off by %g (seed %llu)", target->facts.name, i,
              m->graph->ops[i].layer, m->graph->ops[i].word ? m->graph->ops[i].word : "", m->graph->values[results[i].value].name,
              results[i].error, (unsigned long long)m->seed);
  rgc_cpu_program_destroy(program);
  destroy(m);
}

static void check(const char *yaml, int64_t batch, int64_t valid, passes how) {
  for (const rgc_cpu_target *target = rgc_cpu_targets; target->lanes; target++)
    if (rgc_cpu_target_runs_here(target)) check_target(yaml, batch, valid, target, how);
}

static const char small_residual[] =
    "rgc: 1\nname: small\ninput: {channels: 3, size: 13}\nclasses: 5\n"
    "stem:\n  - conv: {out: 10, kernel: 3, stride: 2, pad: 1}\n  - bn\n  - relu\n  - maxpool: {kernel: 3, stride: 2, pad: 1}\n"
    "stages:\n  - {block: bottleneck, repeat: 2, width: 9}\n  - {block: basic, repeat: 1, width: 20, stride: 2}\n"
    "head:\n  - avgpool: global\n  - dropout: 0.3\n  - linear: {out: classes}\n";

static const char winograd_network[] =
    "rgc: 1\nname: square\ninput: {channels: 3, size: 13}\nclasses: 5\n"
    "stem:\n  - conv: {out: 16, kernel: 3, stride: 1, pad: 1}\n  - bn\n  - relu\n"
    "stages:\n  - {block: basic, repeat: 1, width: 16}\n  - {block: basic, repeat: 1, width: 70, stride: 2}\n"
    "head:\n  - avgpool: global\n  - linear: {out: classes}\n";

/* The mean before the head keeps logits small: of a row that is as good as certain, log(1 + small) has few digits in float32. */
static const char oblong_pools[] =
    "rgc: 1\nname: oblong\ninput: {channels: 3, height: 13, width: 10}\nclasses: 5\n"
    "stem:\n  - conv: {out: 10, kernel: 3}\n  - relu\n  - maxpool: {kernel: [3, 2], stride: [2, 1], pad: [1, 0]}\n  - conv: {out: 19, kernel: 1}\n"
    "  - avgpool: {kernel: [1, 3], stride: [1, 2], pad: [0, 1], count_pad: false}\n  - avgpool: {kernel: 2, stride: [2, 3], ceil: true}\n"
    "head:\n  - avgpool: global\n  - linear: {out: classes}\n";

/* Few channels under wide kernels, whose rows of taps are one tap each: a padding wider than half a kernel, a stride that leaves columns unused, one
 * output column, and stems of a stem. */
static const char stems[] =
    "rgc: 1\nname: stems\ninput: {channels: %d, height: 17, width: 14}\nclasses: 5\n"
    "stem: [conv: {out: 21, kernel: %d, stride: %d, pad: %d, bias: true}, relu, conv: {out: 3, kernel: 1}, bn, relu, conv: {out: 18, kernel: 3, stride: 2}, relu]\n"
    "head: [avgpool: global, linear: {out: classes}]\n";

/* Repeated rows and columns, in maps, prologues and gradients. */
static const char decoder[] =
    "rgc: 1\nname: decoder\ninput: {channels: 3, height: 12, width: 6}\nclasses: 5\n"
    "stem: [conv: {out: 10, kernel: 3}, bn, relu: {as: a}, maxpool: {kernel: 2, pad: 0}, conv: {out: 19, kernel: 3}, bn, relu: {as: b}, "
    "maxpool: {kernel: 3, pad: 0}, silu, upsample: {like: b}, concat: [b], upsample: 2, concat: [a], conv: {out: 9, kernel: 3}, bn, relu: {as: c}, "
    "avgpool: global, upsample: {like: c}, mul: [c], upsample: [1, 3], conv: {out: 5, kernel: 3, stride: 2}]\n"
    "head: [avgpool: global, linear: {out: classes}]\n";

static void check_stem(int channels, int kernel, int stride, int pad) {
  char text[1024];
  snprintf(text, sizeof text, stems, channels, kernel, stride, pad);
  check(text, 3, 2, FUSED);
}

/* With Winograd wherever it can be. */
static void check_winograd(int64_t batch, int64_t valid) {
  for (const rgc_cpu_target *target = rgc_cpu_targets; target->lanes; target++) {
    if (!rgc_cpu_target_runs_here(target)) continue;
    rgc_cpu_target eager = *target;
    eager.facts.winograd_min_channels = eager.facts.winograd_min_pixels = 1;
    check_target(winograd_network, batch, valid, &eager, FUSED);
  }
}

/* Blocks whose joins many read, in tiles so small that there are several of an image: loaders store the joins. */
static const char joins[] =
    "rgc: 1\nname: joins\ninput: {channels: 3, size: 13}\nclasses: 5\n"
    "stem:\n  - conv: {out: 18, kernel: 3, stride: 1, pad: 1}\n  - bn\n  - relu\n"
    "stages:\n  - {block: basic, repeat: 2, width: 18}\n  - {block: bottleneck, repeat: 2, width: 9, stride: 2}\n"
    "head:\n  - avgpool: global\n  - linear: {out: classes}\n";

/* The same with the normalisation first: loaders of data gradients store the gradients of joins. */
static const char preactivated_joins[] =
    "rgc: 1\nname: joins\ninput: {channels: 3, size: 11}\nclasses: 5\n"
    "stem:\n  - conv: {out: 18, kernel: 3, stride: 1, pad: 1}\n"
    "stages:\n  - {block: preact_basic, repeat: 2, width: 18}\n  - {block: preact_basic, repeat: 1, width: 20, stride: 2}\n"
    "head:\n  - bn\n  - relu\n  - avgpool: global\n  - linear: {out: classes}\n";

/* By Winograd on the machine's best target alone: these kernels take the compiler longest, and targets differ in the width of vectors. */
static void check_side_stores(const char *yaml, int64_t batch, int64_t valid, bool winograd) {
  for (const rgc_cpu_target *target = rgc_cpu_targets; target->lanes; target++) {
    if (!rgc_cpu_target_runs_here(target) || (winograd && target != rgc_cpu_target_best())) continue;
    rgc_cpu_target small = *target;
    small.facts.min_tiles = 1;
    small.facts.tile_pixels = small.facts.winograd_patches = winograd ? 8 : 40;
    small.facts.winograd_min_channels = winograd;
    small.facts.winograd_min_pixels = winograd ? 1 : 1 << 30;
    check_target(yaml, batch, valid, &small, FUSED);
  }
}

Test(cpu, rows_of_taps) {
  check_stem(3, 7, 2, 3);
  check_stem(1, 5, 3, 4);
  check_stem(4, 3, 1, 0);
  check_stem(3, 9, 6, 0);
}

Test(cpu, side_stores) { check_side_stores(joins, 3, 3, false); }
Test(cpu, side_stores_of_data_gradients) { check_side_stores(preactivated_joins, 3, 3, false); }
Test(cpu, side_stores_by_winograd) { check_side_stores(joins, 3, 3, true); }
Test(cpu, side_stores_of_data_gradients_by_winograd) { check_side_stores(preactivated_joins, 3, 3, true); }
Test(cpu, side_stores_with_fewer_valid_samples) { check_side_stores(joins, 5, 2, false); }
Test(cpu, winograd) { check_winograd(3, 3); }
Test(cpu, winograd_with_fewer_valid_samples) { check_winograd(5, 2); }
Test(cpu, small_residual_network) { check(small_residual, 5, 5, UNFUSED); }
Test(cpu, fewer_valid_samples) { check(small_residual, 5, 3, UNFUSED); }
Test(cpu, oblong_pools) { check(oblong_pools, 3, 2, UNFUSED); }
Test(cpu, oblong_pools_fused) { check(oblong_pools, 3, 3, FUSED); }
Test(cpu, decoder) { check(decoder, 3, 2, UNFUSED); }
Test(cpu, decoder_fused) { check(decoder, 3, 3, FUSED); }
Test(cpu, one_valid_sample) { check(small_residual, 5, 1, UNFUSED); } /* whose kernels are those above */
Test(cpu, fused) { check(small_residual, 5, 5, FUSED); }
Test(cpu, fused_with_fewer_valid_samples) { check(small_residual, 5, 3, FUSED); }

static const char depthwise[] =
    "rgc: 1\nname: depthwise\ninput: {channels: 3, height: 13, width: 10}\nclasses: 5\n"
    "stem:\n  - conv: {out: 21, kernel: 3}\n  - bn\n  - relu\n  - conv: {out: 21, kernel: 3, groups: 21, stride: 2}\n  - bn\n  - relu\n"
    "  - conv: {out: 21, kernel: 5, groups: 21}\n  - bn\n  - relu\n  - conv: {out: 21, kernel: [1, 3], pad: 0, groups: 21, bias: true}\n"
    "head:\n  - linear: {out: classes}\n";

Test(cpu, depthwise) { check(depthwise, 3, 2, UNFUSED); }
Test(cpu, depthwise_fused) { check(depthwise, 3, 3, FUSED); }
