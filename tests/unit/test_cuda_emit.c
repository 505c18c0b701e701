/* test_cuda_emit.c: the CUDA kernels that codegen prints: each one of a program run by the emulator, on the inputs the device itself has,
 * against the interpreter in double; and compiled by NVRTC for every target, with their registers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/passes/autodiff.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/optimizer.h"
#include "compiler/passes/precision.h"
#include "compiler/pipeline.h"
#include "runtime/device/cuda_build.h"
#include "runtime/device/verify.h"
#include "runtime/reference/interpret.h"
#include "runtime/reference/philox.h"
#include "tests/unit/network_text.h"

static const double tolerance = 2e-5;

typedef struct machine {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_network *network;
  const rgc_cuda_target *target;
  rgc_graph *graph;
  void **data;
  void *regions[RGC_REGION_COUNT];
  uint64_t seed;
} machine;

typedef enum form { UNFUSED, TRAIN, EVAL } form;

static void fail_with(const machine *m) {
  rgc_text text = {0};
  rgc_diag_render(&m->diags, false, &text);
  cr_assert_fail("%s", rgc_text_chars(&text));
}

static machine *open_machine(const char *target) {
  rgc_arena *arena = rgc_arena_create();
  machine *m = RGC_NEW(arena, machine);
  *m = (machine){.arena = arena, .seed = (uint64_t)time(NULL)};
  rgc_diagnostics_init(&m->diags, arena);
  m->target = rgc_cuda_target_choose(target, &m->diags);
  return m;
}

/* A training step as the first kernels that it becomes, with Adam. */
static rgc_graph *build_unfused(machine *m, int64_t batch) {
  rgc_graph *graph = rgc_network_build(m->network, batch, true, &m->diags);
  if (!graph || !rgc_autodiff(graph, rgc_graph_find(graph, "loss"), &m->diags)) return NULL;
  rgc_update_settings updates = {.rule = RGC_UPDATE_ADAM, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 1e-3};
  rgc_append_updates(graph, &updates, NULL, NULL);
  graph = rgc_decompose(graph, m->arena, &m->diags);
  if (graph) rgc_apply_precision(graph, m->network->precision, NULL);
  return graph;
}

static void build(machine *m, int64_t batch, form how) {
  if (!m->network) fail_with(m);
  rgc_compile_options o = {.kind = how == EVAL ? RGC_PROGRAM_EVAL : RGC_PROGRAM_TRAIN, .batch = batch, .target = &m->target->facts};
  rgc_compilation *c = how == UNFUSED ? NULL : rgc_compile(m->network, &o, m->arena, &m->diags);
  m->graph = how == UNFUSED ? build_unfused(m, batch) : c ? c->graph : NULL;
  if (!m->graph) fail_with(m);
}

static void fill_value(const machine *m, const rgc_value *v) {
  bool variance = v->role == RGC_ROLE_STATE || (v->role == RGC_ROLE_BUFFER && v->init.number == 1);
  for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) {
    double u = rgc_philox_uniform(m->seed, (uint32_t)v->id, 0, (uint64_t)e);
    if (v->dtype == RGC_BF16) ((uint16_t *)m->data[v->id])[e] = rgc_bf16_bits((float)(0.7 * (2 * u - 1)));
    else if (v->dtype == RGC_I32) ((int32_t *)m->data[v->id])[e] = (int32_t)(u * 3);
    else ((float *)m->data[v->id])[e] = (float)(variance ? 0.5 + u : (2 * u - 1) * (v->role == RGC_ROLE_PARAM ? 0.7 : 1));
  }
}

static void place(machine *m) {
  rgc_memory_plan *memory = rgc_plan_memory(m->graph, m->arena);
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    size_t bytes = (size_t)(memory->region_bytes[r] + 63) / 64 * 64;
    m->regions[r] = memset(aligned_alloc(64, bytes), 0xff, bytes);
  }
  m->data = RGC_NEW_ARRAY(m->arena, void *, m->graph->value_count);
  for (int i = 0; i < m->graph->value_count; i++) m->data[i] = (char *)m->regions[memory->places[i].region] + memory->places[i].offset_bytes;
  for (int i = 0; i < m->graph->value_count; i++)
    if (m->graph->values[i].op < 0 && memory->places[i].size_bytes) fill_value(m, &m->graph->values[i]);
}

static void close_machine(machine *m) {
  for (int r = 0; r < RGC_REGION_COUNT; r++) free(m->regions[r]);
  rgc_arena_destroy(m->arena);
}

static void check_once(machine *m, int64_t valid, const char *async) {
  setenv("RGC_EMU_ASYNC", async, 1);
  setenv("RGC_EMU_SEED", rgc_arena_printf(m->arena, "%llu", (unsigned long long)m->seed), 1);
  const rgc_device *device = rgc_device_choose("cuda-emu", NULL, &m->diags);
  rgc_device_memory memory = {.device = device};
  rgc_device_program *program = rgc_device_program_create(&memory, m->graph, &m->target->facts, m->data, 1, &m->diags);
  if (!program) fail_with(m);
  rgc_cpu_step step = {.seed = m->seed, .step = 3};
  step.scalars[RGC_SCALAR_LR] = 0.01f;
  step.scalars[RGC_SCALAR_BIAS1] = step.scalars[RGC_SCALAR_BIAS2] = 1.5f;
  rgc_cpu_step_set_valid(&step, valid);
  rgc_verified *results = RGC_NEW_ARRAY(m->arena, rgc_verified, m->graph->op_count);
  if (!rgc_device_verify(program, m->graph, m->data, &step, results, &m->diags)) fail_with(m);
  for (int i = 0; i < m->graph->op_count; i++)
    cr_expect(results[i].error < rgc_verify_allowed(m->graph, &m->graph->ops[i], tolerance), "op %d (%s %s) %%%s is off by %g (copies %s, seed %llu)", i, m->graph->ops[i].layer,
              m->graph->ops[i].word ? m->graph->ops[i].word : "", m->graph->values[results[i].value].name, results[i].error, async,
              (unsigned long long)m->seed);
  double worst = 0;
  for (int i = 0; i < m->graph->op_count; i++)
    if (results[i].error > worst) worst = results[i].error;
  printf("%s: %d kernels, copies %s, off by %.2g at most\n", m->graph->name ? m->graph->name : "", m->graph->op_count, async, worst);
  rgc_device_program_destroy(program);
}

/* With asynchronous copies as late as a wait allows, which finds missing waits, and at once, which finds buffers reused too early. */
static void check_kernels(machine *m, int64_t valid) {
  place(m);
  check_once(m, valid, "late");
  check_once(m, valid, "early");
}

static void check_on(const char *target, rgc_precision precision, const char *yaml, int64_t batch, int64_t valid, form how) {
  machine *m = open_machine(target);
  m->network = network_of_text(m->arena, yaml, &m->diags);
  if (m->network) m->network->precision = precision;
  build(m, batch, how);
  check_kernels(m, valid);
  close_machine(m);
}

static void check_in(rgc_precision precision, const char *yaml, int64_t batch, int64_t valid, form how) { check_on("sm_80", precision, yaml, batch, valid, how); }
static void check(const char *yaml, int64_t batch, int64_t valid, form how) { check_in(RGC_PRECISION_FP32, yaml, batch, valid, how); }

/* Every shape of window and contract that is not the usual one: strides that leave residues without taps, dilation, groups, a group a
 * channel, few channels, odd extents; and channels enough for tensor cores, in numbers that fill no tile. */
static const char odd[] =
    "rgc: 1\nname: odd\ninput: {channels: 1, height: 37, width: 31}\nclasses: 3\n"
    "stem:\n  - conv: {out: 6, kernel: 5, stride: 2, pad: 4, dilation: 2}\n  - bn\n  - relu\n  - maxpool: {kernel: 3, stride: 2, pad: 1}\n"
    "  - avgpool: {kernel: [1, 3], stride: [1, 2], pad: [0, 1], count_pad: false}\n  - maxpool: {kernel: [2, 1], stride: [1, 2], pad: [1, 0]}\n"
    "  - conv: {out: 12, kernel: 3, stride: 3, pad: 2, dilation: 2, groups: 3, bias: true}\n  - sigmoid\n"
    "  - conv: {out: 12, kernel: 3, stride: 1, pad: 1, groups: 12}\n  - bn\n  - silu\n"
    "stages:\n  - {block: basic, repeat: 1, width: 35, stride: 2}\n"
    "head:\n  - linear: {out: 7}\n  - relu\n  - dropout: 0.3\n  - linear: {out: classes}\n";

/* Repeated rows and columns, in maps, prologues and gradients; channels that are loaded by 8, and others. */
static const char decoder[] =
    "rgc: 1\nname: decoder\ninput: {channels: 3, height: 12, width: 6}\nclasses: 5\n"
    "stem: [conv: {out: 16, kernel: 3}, bn, relu: {as: a}, maxpool: {kernel: 2, pad: 0}, conv: {out: 24, kernel: 3}, bn, relu: {as: b}, "
    "maxpool: {kernel: 3, pad: 0}, silu, upsample: {like: b}, concat: [b], upsample: 2, concat: [a], conv: {out: 8, kernel: 3}, bn, relu: {as: c}, "
    "avgpool: global, upsample: {like: c}, mul: [c], upsample: [1, 3], conv: {out: 6, kernel: 3, stride: 2}]\n"
    "head: [avgpool: global, linear: {out: classes}]\n";

static const char wide[] =
    "rgc: 1\nname: wide\ninput: {channels: 3, size: 13}\nclasses: 5\n"
    "stem:\n  - conv: {out: 20, kernel: 3, stride: 2, pad: 1}\n  - bn\n  - relu\n"
    "stages:\n  - {block: bottleneck, repeat: 1, width: 18, expansion: 4}\n  - {block: bottleneck, repeat: 1, width: 20, stride: 2, groups: 2, base_width: 64}\n"
    "head:\n  - avgpool: global\n  - linear: {out: classes}\n";

Test(cuda, odd_shapes, .timeout = 300) { check(odd, 5, 5, TRAIN); }
Test(cuda, odd_shapes_with_fewer_valid_samples, .timeout = 300) { check(odd, 5, 3, TRAIN); }
Test(cuda, odd_shapes_inference, .timeout = 300) { check(odd, 3, 2, EVAL); }
Test(cuda, tensor_cores, .timeout = 300) { check(wide, 5, 5, TRAIN); }
Test(cuda, tensor_cores_with_fewer_valid_samples, .timeout = 300) { check(wide, 5, 2, TRAIN); }
Test(cuda, tensor_cores_unfused, .timeout = 300) { check(wide, 3, 3, UNFUSED); }

/* In bf16, rows of 8, of 2, and of one channel, aligned or not; few channels without tensor cores. */
static const char even[] =
    "rgc: 1\nname: even\ninput: {channels: 3, size: 13}\nclasses: 5\n"
    "stem:\n  - conv: {out: 24, kernel: 3, stride: 2, pad: 1}\n  - bn\n  - relu\n"
    "stages:\n  - {block: bottleneck, repeat: 1, width: 40, expansion: 4}\n  - {block: basic, repeat: 1, width: 48, stride: 2}\n"
    "head:\n  - avgpool: global\n  - linear: {out: classes}\n";

Test(cuda, bf16, .timeout = 300) { check_in(RGC_PRECISION_BF16, even, 3, 3, TRAIN); }
Test(cuda, bf16_with_fewer_valid_samples, .timeout = 300) { check_in(RGC_PRECISION_BF16, even, 3, 2, TRAIN); }
Test(cuda, bf16_unfused, .timeout = 300) { check_in(RGC_PRECISION_BF16, even, 2, 2, UNFUSED); }
Test(cuda, bf16_inference, .timeout = 300) { check_in(RGC_PRECISION_BF16, even, 3, 2, EVAL); }
Test(cuda, bf16_odd_shapes, .timeout = 300) { check_in(RGC_PRECISION_BF16, odd, 5, 3, TRAIN); }
Test(cuda, bf16_odd_channels, .timeout = 300) { check_in(RGC_PRECISION_BF16, wide, 3, 2, TRAIN); }
Test(cuda, decoder, .timeout = 300) { check(decoder, 3, 2, TRAIN); }
Test(cuda, bf16_decoder, .timeout = 300) { check_in(RGC_PRECISION_BF16, decoder, 3, 3, TRAIN); }
Test(cuda, bf16_decoder_unfused, .timeout = 300) { check_in(RGC_PRECISION_BF16, decoder, 2, 2, UNFUSED); }
Test(cuda, tf32, .timeout = 300) { check_in(RGC_PRECISION_TF32, wide, 3, 2, TRAIN); }

/* In bf16 with channels enough for wgmma: 1x1 and 3x3, strided, projections; joins, and BN's gradients, in prologues. */
static const char broad[] =
    "rgc: 1\nname: broad\ninput: {channels: 3, size: 9}\nclasses: 5\n"
    "stem:\n  - conv: {out: 64, kernel: 3, pad: 1}\n  - bn\n  - relu\n"
    "stages:\n  - {block: bottleneck, repeat: 1, width: 64, expansion: 2}\n  - {block: bottleneck, repeat: 1, width: 72, expansion: 2, stride: 2}\n"
    "head:\n  - avgpool: global\n  - linear: {out: classes}\n";

Test(cuda, wgmma, .timeout = 600) { check_on("sm_90a", RGC_PRECISION_BF16, broad, 3, 3, TRAIN); }
Test(cuda, wgmma_with_fewer_valid_samples, .timeout = 600) { check_on("sm_90a", RGC_PRECISION_BF16, broad, 3, 2, TRAIN); }
Test(cuda, wgmma_inference, .timeout = 600) { check_on("sm_90a", RGC_PRECISION_BF16, broad, 2, 2, EVAL); }
Test(cuda, wgmma_unfused, .timeout = 600) { check_on("sm_90a", RGC_PRECISION_BF16, broad, 2, 2, UNFUSED); }

/* How many kernels of a template have both lines. */
static int functions_of(const rgc_cuda_code *code, const char *name, const char *line, const char *other) {
  int count = 0;
  for (int i = 0; i < code->function_count; i++)
    count += !strcmp(code->functions[i].template_name, name) && strstr(code->functions[i].text, line) && strstr(code->functions[i].text, other);
  return count;
}
static int functions_with(const rgc_cuda_code *code, const char *line, const char *other) { return functions_of(code, "contract_wgmma", line, other); }

/* Weight gradients: all but the stem's and the linear layer's. */
static void check_weights(const rgc_cuda_code *code) {
  static const char name[] = "contract_weights_wgmma";
  cr_expect_eq(functions_of(code, "contract_weights_mma_bf16", "", ""), 1, "the linear layer");
  cr_expect_eq(functions_of(code, "contract_weights", "", ""), 1, "the stem");
  cr_expect(functions_of(code, name, "#define A_PROLOGUE 0\n", "#define B_PROLOGUE 1\n") > 0, "a prologue of B");
  cr_expect(functions_of(code, name, "#define A_PROLOGUE 1\n", "#define B_PROLOGUE 1\n") > 0, "prologues on both sides");
  cr_expect(functions_of(code, name, "#define A_TILED 1\n", "#define B_STREAMS 2\n") > 0, "of rows, and two streams");
  cr_expect(functions_of(code, name, "#define STRIDE 2\n", "#define KERNEL_H 3\n") > 0, "strided");
  cr_expect(functions_of(code, name, "#define STRIDE 2\n", "#define KERNEL_H 1\n") > 0, "strided, 1x1");
  cr_expect(functions_of(code, name, "#define BLOCK_N 64\n", "") > 0 && functions_of(code, name, "#define BLOCK_N 128\n", "") > 0, "both shapes");
}

Test(cuda, wgmma_takes_what_it_can) {
  machine *m = open_machine("sm_90a");
  m->network = network_of_text(m->arena, broad, &m->diags);
  m->network->precision = RGC_PRECISION_BF16;
  build(m, 3, TRAIN);
  rgc_cuda_code *code = rgc_cuda_emit(m->graph, m->target, m->arena, &m->diags);
  cr_assert_not_null(code);
  static const char *const lines[] = {"#define TRANSPOSED 0\n", "#define TRANSPOSED 1\n"};
  for (int i = 0; i < 2; i++) {
    cr_expect(functions_with(code, lines[i], "#define A_PROLOGUE 1\n") > 0, "%s with a prologue", lines[i]);
    cr_expect(functions_with(code, lines[i], "#define A_TILED 1\n") > 0, "%s in rows", lines[i]);
    cr_expect(functions_with(code, lines[i], "#define STRIDE 2\n") > 0, "%s strided", lines[i]);
  }
  cr_expect(functions_with(code, "#define A_PROLOGUE 0\n", "") > 0, "without prologue");
  cr_expect(functions_with(code, "#define STREAMS 2\n", "") > 0, "of two streams");
  check_weights(code);
  m->network->precision = RGC_PRECISION_FP32;
  build(m, 3, TRAIN);
  cr_expect_eq(functions_with(rgc_cuda_emit(m->graph, m->target, m->arena, &m->diags), "", ""), 0, "in float32");
  close_machine(m);
}

/* Every kind of layer of two networks, the stem, the pool and the strided blocks with them, scaled down: channels that fill no tile, odd sizes. */
static void check_scaled(const char *name, int64_t valid, form how) {
  const char *overrides[] = {"input.size=37", "classes=7", "stem.0.conv.out=18", "stages.0.width=18", "stages.1.width=20", "stages.2.width=24", "stages.3.width=40",
                             "stages.0.repeat=2", "stages.1.repeat=2", "stages.2.repeat=1", "stages.3.repeat=1", "expect={}"};
  machine *m = open_machine("sm_80");
  m->network = rgc_network_load(m->arena, rgc_arena_printf(m->arena, RGC_SOURCE_DIR "/graphs/%s.yaml", name), overrides, sizeof overrides / sizeof *overrides, &m->diags);
  build(m, 3, how);
  check_kernels(m, valid);
  close_machine(m);
}

Test(cuda, scaled_resnet18, .timeout = 600) { check_scaled("resnet18", 3, TRAIN); }
Test(cuda, scaled_resnet18_unfused, .timeout = 600) { check_scaled("resnet18", 2, UNFUSED); }
Test(cuda, scaled_resnet18_inference, .timeout = 600) { check_scaled("resnet18", 2, EVAL); }
Test(cuda, scaled_resnet50, .timeout = 600) { check_scaled("resnet50", 2, TRAIN); }
Test(cuda, scaled_resnet50_unfused, .timeout = 600) { check_scaled("resnet50", 3, UNFUSED); }
Test(cuda, scaled_resnet50_inference, .timeout = 600) { check_scaled("resnet50", 3, EVAL); }

/* The first contract with a prologue stores what that makes, too. */
static void add_side_store(machine *m) {
  for (int i = 0; i < m->graph->op_count; i++) {
    rgc_op *op = &m->graph->ops[i];
    rgc_kernel *kernel = op->kernel;
    if (kernel->kind != RGC_CONTRACT || kernel->form != RGC_PIXELS || kernel->a->nodes[kernel->a_roots[0]].kind == RGC_EXPR_LOAD) continue;
    rgc_store *stores = RGC_NEW_ARRAY(m->arena, rgc_store, kernel->store_count + 1);
    int *outputs = RGC_NEW_ARRAY(m->arena, int, op->output_count + 1);
    memcpy(stores, kernel->stores, sizeof *stores * (size_t)kernel->store_count);
    memcpy(outputs, op->outputs, sizeof *outputs * (size_t)op->output_count);
    int value = rgc_graph_value(m->graph, "side", RGC_F32, RGC_ROLE_OUTPUT, kernel->a_extent);
    m->graph->values[value].op = op->id;
    stores[kernel->store_count++] = (rgc_store){RGC_SIDE_STORE, value, kernel->a_roots[0]};
    outputs[op->output_count++] = value;
    kernel->stores = stores;
    op->outputs = outputs;
    return;
  }
  cr_assert_fail("no contract has a prologue");
}

Test(cuda, side_store, .timeout = 300) {
  machine *m = open_machine("sm_80");
  m->network = network_of_text(m->arena, wide, &m->diags);
  build(m, 3, TRAIN);
  add_side_store(m);
  check_kernels(m, 2);
  close_machine(m);
}

/* The network of a graph file, as small as it becomes: images of 32, two of them. Minutes each for large ones: RGC_TEST_GRAPHS=1 runs all. */
static void check_graph(const char *name, bool small) {
  const char *overrides[] = {"input.size=32"};
  if (!getenv("RGC_TEST_GRAPHS")) {
    printf("skipped: kernels of %s, which take minutes in the emulator; RGC_TEST_GRAPHS=1 runs them\n", name);
    return;
  }
  machine *m = open_machine("sm_80");
  m->network = rgc_network_load(m->arena, rgc_arena_printf(m->arena, RGC_SOURCE_DIR "/graphs/%s.yaml", name), overrides, small, &m->diags);
  build(m, 2, TRAIN);
  check_kernels(m, 2);
  close_machine(m);
}

Test(cuda, graphs, .timeout = 3000) {
  check_graph("quickdraw_small", false);
  check_graph("resnet18", true);
  check_graph("resnet50", true);
  check_graph("resnext50_32x4d", true);
  check_graph("seresnet50", true);
  check_graph("resnetv2_50", true);
}

/* Each template, and each form of the contracts: with and without prologue, strided, of one channel. */
static const char few[] =
    "rgc: 1\nname: few\ninput: {channels: 1, size: 14}\nclasses: 5\nstem: [conv: {out: 24, kernel: 3}, bn, relu, maxpool: {kernel: 3, stride: 2, pad: 1}]\n"
    "stages: [{block: basic, repeat: 1, width: 40, stride: 2}]\nhead: [avgpool: global, linear: {out: classes}]\n";

/* All kernels of a network, for every target. */
static void check_nvrtc(machine *m, const rgc_cuda_target *target) {
  rgc_cuda_code *code = rgc_cuda_emit(m->graph, target, m->arena, &m->diags);
  rgc_cuda_build *built = code ? rgc_cuda_build_open(code, target, m->arena, &m->diags) : NULL;
  if (!built) fail_with(m);
  for (int i = 0; i < built->count; i++) {
    const rgc_cubin_kernel *kernel = built->kernels[i];
    cr_expect(!strstr(built->cubins[i]->log, "serialized"), "%s: %s waits for each wgmma: %s", target->arch, kernel->name, built->cubins[i]->log);
    cr_expect_eq(kernel->stack_bytes, 0, "%s: %s of %s has %d bytes of local memory", target->arch, kernel->name, code->functions[i].comment, kernel->stack_bytes);
    cr_expect_gt(kernel->most_registers, 0, "%s: %s of %s does not say what it declares", target->arch, kernel->name, code->functions[i].comment);
  }
  if (rgc_cuda_build_warn(built, code, &m->diags)) fail_with(m);
  printf("%s: %d kernels, at most %d registers, %d compiled in %.1f s\n", target->arch, built->count, built->most_registers, built->compiled, built->seconds);
}

/* arch NULL: every target. */
static void check_nvrtc_in(rgc_precision precision, const char *yaml, const char *arch) {
  machine *m = open_machine(NULL);
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(&m->diags);
  if (!nvrtc) {
    printf("skipped: CUDA kernels are not compiled, for NVRTC is not there\n");
    close_machine(m);
    return;
  }
  rgc_nvrtc_close(nvrtc);
  m->network = network_of_text(m->arena, yaml, &m->diags);
  if (m->network) m->network->precision = precision;
  build(m, 4, TRAIN);
  for (const rgc_cuda_target *target = rgc_cuda_targets; target->arch; target++)
    if (!arch || !strcmp(arch, target->arch)) check_nvrtc(m, target);
  close_machine(m);
}

Test(cuda, nvrtc_compiles_without_spills, .timeout = 600) { check_nvrtc_in(RGC_PRECISION_FP32, few, NULL); }
Test(cuda, nvrtc_compiles_bf16_without_spills, .timeout = 900) { check_nvrtc_in(RGC_PRECISION_BF16, few, NULL); }
Test(cuda, nvrtc_compiles_wgmma_without_spills, .timeout = 900) { check_nvrtc_in(RGC_PRECISION_BF16, broad, "sm_90a"); }

Test(cuda, what_is_no_target_is_told) {
  machine *m = open_machine("sm_13");
  cr_assert_null(m->target);
  cr_assert_str_eq(m->diags.items[0].help, "rgc has targets for sm_80, sm_90a, sm_100, sm_120");
  close_machine(m);
}

/* Two layers of one shape are one function, named once for both. */
Test(cuda, equal_kernels_are_printed_once) {
  machine *m = open_machine("sm_90a");
  m->network = network_of_text(m->arena, "rgc: 1\nname: same\ninput: {channels: 8, size: 8}\nclasses: 3\nstem: [conv: {out: 8, kernel: 3}, relu, conv: {out: 8, kernel: 3}, relu]\n"
                            "stages: []\nhead: [avgpool: global, linear: {out: classes}]\n", &m->diags);
  build(m, 2, EVAL);
  rgc_cuda_code *code = rgc_cuda_emit(m->graph, m->target, m->arena, &m->diags);
  cr_assert_not_null(code);
  int contracts = 0;
  for (int i = 0; i < code->function_count; i++) contracts += strstr(code->functions[i].text, "#define KERNEL_H 3") != NULL;
  cr_expect_eq(contracts, 1);
  cr_expect_eq(code->launch_count, code->first_launch[m->graph->op_count]);
  close_machine(m);
}
