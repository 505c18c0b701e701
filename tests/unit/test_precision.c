/* test_precision.c: rounding to bf16, the words of precision:, the pass: fused kernels compute the numbers of unfused ones, bit for bit where
 * double precision has the bits, roundings included. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codegen/cpu/emit.h"
#include "codegen/cuda/targets.h"
#include "compiler/plan/plan_build.h"
#include "runtime/device/cpu.h"
#include "tests/unit/equivalence.h"
#include "tests/unit/golden_pass.h"
#include "tests/unit/network_text.h"

#define HEAD "rgc: 1\nname: small\ninput: {channels: 3, size: 7}\nclasses: 4\n"
#define STEM "stem: [conv: {out: 4, kernel: 3}, bn, relu]\n"
#define LINEAR "head: [avgpool: global, linear: {out: classes}]\n"

/* Nearest, ties to even, by the bits of a float. */
static float rounded_bits(float number) {
  uint32_t bits;
  memcpy(&bits, &number, 4);
  bits = (bits + 0x7fffu + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&number, &bits, 4);
  return number;
}

Test(precision, rounds_to_the_nearest_bf16) {
  static const float edges[] = {0.0f, -0.0f, 1.0f, 1.00390625f, 1.01171875f, 1.00390637f, -1.00390625f, 3.3895314e38f, 3.3961775e38f, 3.4e38f, 1e-38f, 1e-40f, 4.6e-41f, 1e-45f};
  uint64_t state = (uint64_t)time(NULL);
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
    float wanted = rounded_bits(edges[i]), got = (float)rgc_round_bf16((double)edges[i]);
    cr_expect(!memcmp(&wanted, &got, 4), "%a becomes %a, not %a", (double)edges[i], (double)got, (double)wanted);
  }
  for (int i = 0; i < 100000; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint32_t bits = (uint32_t)(state >> 32);
    float number;
    memcpy(&number, &bits, 4);
    if (!isfinite(number)) continue;
    float wanted = rounded_bits(number), got = (float)rgc_round_bf16((double)number);
    cr_assert(!memcmp(&wanted, &got, 4), "%a becomes %a, not %a", (double)number, (double)got, (double)wanted);
  }
  cr_expect(isnan(rgc_round_bf16(NAN)));
  cr_expect_eq(rgc_round_bf16(-INFINITY), -INFINITY);
}

static int load(rgc_body *body, int value) {
  rgc_view view = rgc_view_identity();
  return rgc_body_load(body, value, &view);
}

Test(precision, what_is_rounded_is_not_rounded_again) {
  rgc_arena *arena = rgc_arena_create();
  rgc_body *body = rgc_body_create(arena);
  int rounded = rgc_body_node(body, RGC_EXPR_BF16, load(body, 0), -1, -1), zero = rgc_body_const(body, 0);
  int relu = rgc_body_node(body, RGC_EXPR_MAX, rounded, zero, -1), sum = rgc_body_node(body, RGC_EXPR_ADD, rounded, relu, -1);
  cr_expect_eq(rgc_body_node(body, RGC_EXPR_BF16, rounded, -1, -1), rounded);
  cr_expect_eq(rgc_body_node(body, RGC_EXPR_BF16, relu, -1, -1), relu);
  cr_expect_neq(rgc_body_node(body, RGC_EXPR_BF16, sum, -1, -1), sum);
  cr_expect_eq(body->nodes[relu].kind, RGC_EXPR_BF16); /* of the maximum: as good, and the last node */
  cr_expect_eq(rgc_body_node(body, RGC_EXPR_LT, zero, relu, -1), rgc_body_node(body, RGC_EXPR_LT, zero, rounded, -1));
  int slope = rgc_body_derivative(body, rounded, 0);
  cr_assert_geq(slope, 0);
  cr_expect(body->nodes[slope].kind == RGC_EXPR_CONST && body->nodes[slope].number == 1);
  rgc_arena_destroy(arena);
}

/* The CPU has no bf16 in memory, but the node, since a plan may come from anywhere. */
Test(precision, the_cpu_rounds_as_well) {
  static const char text[] =
      "graph \"round\" batch 1\nvalue %x f32 input [1,1,1,37]\nvalue %y f32 output [1,1,1,37]\n%y = kernel(%x) {\n  map pixels\n  extent [1,1,1,37]\n"
      "  a_extent [0,0,0,0]\n  b_extent [0,0,0,0]\n  geometry 0,0,0,0,0,0,0\n  reduce_axes 0\n  tap_operand 0\n  tiles 0,0\n  stage epi\n"
      "  operand %x\n  n0 = load 0\n  n1 = bf16 n0\n  store point %y n1\n}\n";
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  _Alignas(64) float x[64], y[64];
  rgc_graph *graph = rgc_graph_parse(arena, text, "round", &diags);
  cr_assert(graph && rgc_graph_verify(graph, &diags));
  for (int i = 0; i < 37; i++) x[i] = i == 36 ? INFINITY : (float)(i % 2 ? -1 : 1) * ldexpf(1.00390625f + (float)i * 0x1p-9f, 8 * i - 140);
  rgc_cpu_program *program = rgc_cpu_program_create(graph, rgc_cpu_target_best(), (void *[]){x, y}, 1, &diags);
  cr_assert_not_null(program);
  rgc_cpu_step step = {0};
  rgc_cpu_step_set_valid(&step, 1);
  rgc_cpu_program_run_ops(program, &step, 0, 1);
  for (int i = 0; i < 37; i++) {
    float wanted = rounded_bits(x[i]);
    cr_expect(!memcmp(&wanted, &y[i], 4), "%a becomes %a, not %a", (double)x[i], (double)y[i], (double)wanted);
  }
  rgc_cpu_program_destroy(program);
  rgc_arena_destroy(arena);
}

/* Words. */

static rgc_precision precision_of(const char *line, rgc_diagnostics *diags) {
  rgc_network *network = network_of_text(diags->arena, rgc_arena_printf(diags->arena, HEAD STEM LINEAR "%s", line), diags);
  return network ? network->precision : RGC_PRECISION_COUNT;
}

Test(precision, words) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  cr_expect_eq(precision_of("", &diags), RGC_PRECISION_FP32);
  cr_expect_eq(precision_of("precision: f32\n", &diags), RGC_PRECISION_FP32);
  cr_expect_eq(precision_of("precision: fp32\n", &diags), RGC_PRECISION_FP32);
  cr_expect_eq(precision_of("precision: tf32\n", &diags), RGC_PRECISION_TF32);
  cr_expect_eq(precision_of("precision: bf16\n", &diags), RGC_PRECISION_BF16);
  cr_expect_eq(diags.error_count, 0);
  cr_expect_eq(precision_of("precision: bf61\n", &diags), RGC_PRECISION_COUNT);
  cr_assert_eq(diags.error_count, 1);
  cr_expect_str_eq(diags.items[0].expected, "one of fp32, tf32, bf16");
  cr_expect_str_eq(diags.items[0].help, "did you mean 'bf16'?");
  rgc_arena_destroy(arena);
}

/* A target that lacks it computes in fp32 and says so, once. */
Test(precision, a_target_without_it_says_so) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = network_of_text(arena, HEAD STEM LINEAR "precision: bf16\n", &diags);
  cr_assert_not_null(network);
  rgc_plan *plan = rgc_plan_create(network, arena, &diags);
  const rgc_target *cpu = &rgc_cpu_targets[0].facts, *cuda = &rgc_cuda_targets[0].facts;
  rgc_compile_options o = {.kind = RGC_PROGRAM_TRAIN, .batch = 2, .target = cpu};
  const rgc_program *train = rgc_plan_need_program(plan, network, &o, &diags);
  cr_assert(train && !strcmp(train->precision, "fp32") && train->graph->precision == RGC_PRECISION_FP32);
  o.kind = RGC_PROGRAM_INFER;
  cr_assert_not_null(rgc_plan_need_program(plan, network, &o, &diags));
  cr_assert_eq(diags.count, 1);
  rgc_text text = {0};
  rgc_diag_render(&diags, false, &text);
  cr_expect_not_null(strstr(rgc_text_chars(&text), ": note[precision]: target cpu-avx512 has no bf16: it computes in fp32\n"), "%s", rgc_text_chars(&text));
  rgc_text_free(&text);
  o = (rgc_compile_options){.kind = RGC_PROGRAM_TRAIN, .batch = 2, .target = cuda};
  train = rgc_plan_need_program(plan, network, &o, &diags);
  cr_assert(train && !strcmp(train->precision, "bf16") && train->graph->precision == RGC_PRECISION_BF16);
  cr_expect_eq(diags.count, 1);
  cr_expect(rgc_plan_program(plan, RGC_PROGRAM_TRAIN, cpu->name, "fp32", 2) && rgc_plan_program(plan, RGC_PROGRAM_TRAIN, cuda->name, "bf16", 2));
  cr_expect_null(rgc_plan_program(plan, RGC_PROGRAM_TRAIN, cuda->name, "fp32", 2));
  rgc_arena_destroy(arena);
}

/* The pass. */

static void expect_type(const rgc_graph *graph, const char *name, rgc_dtype dtype) {
  int value = rgc_graph_find(graph, name);
  cr_assert_geq(value, 0, "%s is not there", name);
  cr_expect_eq(graph->values[value].dtype, dtype, "%s", name);
}

static void check_fused(const char *yaml, rgc_program_kind kind) {
  static rgc_target target;
  target = golden_target;
  target.panel_lanes = 0;
  target.precisions = 1 << RGC_PRECISION_BF16;
  equivalence *e = equivalence_compile(yaml, kind, 4, (uint64_t)time(NULL), false, &target);
  cr_assert_eq(e->done->graph->precision, RGC_PRECISION_BF16);
  for (int valid = 4; valid > 1; valid--) equivalence_check(e, valid);
  traffic before = equivalence_traffic(e->unfused), after = equivalence_traffic(e->done->graph);
  cr_expect(after.kernels < before.kernels);
  equivalence_destroy(e);
}

static void check(const char *yaml) {
  check_fused(yaml, RGC_PROGRAM_TRAIN);
  check_fused(yaml, RGC_PROGRAM_EVAL);
}

Test(precision, fusion_changes_no_bit, .timeout = 300) {
  check(HEAD STEM "stages: [{block: basic, repeat: 2, width: 4, stride: 2}]\n" LINEAR "precision: bf16\n");
  check(HEAD STEM "stages: [{block: bottleneck, repeat: 1, width: 4, stride: 2, groups: 2, base_width: 64, expansion: 2}]\n" LINEAR "precision: bf16\n");
  check(HEAD STEM "stages: [{block: basic, repeat: 2, width: 4, attn: [se: {rd: 2}]}]\n" LINEAR "precision: bf16\n");
  check(HEAD "stem: [conv: {out: 4, kernel: 3, bias: true}, silu, maxpool: {kernel: 3, stride: 2, pad: 1}, conv: {out: 4, kernel: 3}, group_norm: 2, gelu]\n" LINEAR
        "precision: bf16\n");
}

Test(precision, types) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = network_of_text(arena, HEAD STEM "stages: [{block: basic, repeat: 1, width: 4}]\n" LINEAR "precision: bf16\n", &diags);
  rgc_compile_options o = {.kind = RGC_PROGRAM_TRAIN, .batch = 4, .target = &rgc_cuda_targets[0].facts};
  const rgc_graph *graph = rgc_compile(network, &o, arena, &diags)->graph;
  expect_type(graph, "conv1", RGC_BF16);
  expect_type(graph, "layer1.0.conv1.grad", RGC_BF16);
  expect_type(graph, "conv1.weight.bf16", RGC_BF16);
  expect_type(graph, "conv1.weight", RGC_F32);
  cr_expect_eq(graph->values[rgc_graph_find(graph, "conv1.weight.bf16")].role, RGC_ROLE_COPY);
  int next = rgc_graph_find(graph, "conv1.weight.next"), copied = rgc_graph_find(graph, "conv1.weight.bf16.next");
  cr_expect(copied >= 0 && graph->values[next].op == graph->values[copied].op, "one kernel writes both");
  expect_type(graph, "conv1.weight.m", RGC_F32);
  expect_type(graph, "bn1.mean", RGC_F32);
  expect_type(graph, "logits", RGC_F32);
  expect_type(graph, "logits.grad", RGC_F32);
  expect_type(graph, "loss", RGC_F32);
  cr_expect_eq(diags.error_count, 0);
  cr_expect_null(rgc_cpu_emit(graph, &rgc_cpu_targets[0], arena, &diags)); /* as a stranger's plan may ask for */
  cr_assert_gt(diags.error_count, 0);
  cr_expect_not_null(strstr(diags.items[0].message, "the kernel is beyond target cpu-avx512"), "%s", diags.items[0].message);
  rgc_arena_destroy(arena);
}
