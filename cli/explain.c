/* explain.c: rgc explain and rgc verify: why a program is as it is, and whether it computes what it should. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "compiler/graph/graph_text.h"
#include "runtime/device/verify.h"
#include "runtime/reference/philox.h"
#include "runtime/train/model.h"

const command_option explain_options[] = {
    {"--batch", OPTION_INT, "N", "samples a step (the graph file's train: batch)"},
    {"--infer", OPTION_FLAG, NULL, "the inference program, not the training step"},
    {"--kernels", OPTION_FLAG, NULL, "every kernel: layers, lines, what it reads and writes, tiles"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    NETWORK_OPTION_SET,
    {0}};
const command_option verify_options[] = {
    {"--batch", OPTION_INT, "N", "samples a step (2)"},
    {"--infer", OPTION_FLAG, NULL, "the inference program, not the training step"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    {"--tolerance", OPTION_REAL, "X", "largest relative L2 distance (3e-5)"},
    {"--seed", OPTION_INT, "N", "of weights and input (0)"},
    NETWORK_OPTION_SET,
    {0}};

static void print_values(const rgc_graph *graph, const char *word, const int *values, int count) {
  double bytes = 0;
  printf("    %s", word);
  for (int i = 0; i < count; i++) {
    printf(" %%%s", graph->values[values[i]].name);
    bytes += (double)rgc_value_storage_bytes(&graph->values[values[i]]);
  }
  printf("  (%.3f MB)\n", bytes * 1e-6);
}

static void print_kernels(const rgc_graph *graph) {
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    printf("%4d %s %s%s", i, rgc_kernel_words[op->kernel->kind], op->layer && *op->layer ? op->layer : "-", op->backward ? " (backward)" : "");
    if (op->line) printf(" line %d", op->line);
    printf(", %lld tiles\n", (long long)rgc_kernel_tile_count(op->kernel));
    print_values(graph, "reads", op->inputs, op->input_count);
    print_values(graph, "writes", op->outputs, op->output_count);
  }
}

static void print_program(const command_line *line, const rgc_program *program) {
  const rgc_memory_plan *m = program->memory;
  printf("%s, batch %lld, %s: %d kernels\n", rgc_program_word(program->kind), (long long)program->batch, program->target, program->graph->op_count);
  printf("activations: %.1f MB planned, %.1f MB alive at most, at kernel %d (%s):", (double)m->region_bytes[RGC_REGION_ACT] * 1e-6,
         (double)m->peak.bytes * 1e-6, m->peak.op, program->graph->ops[m->peak.op].layer);
  for (int k = 0; k < RGC_PART_COUNT; k++)
    if (m->peak.part_bytes[k]) printf(" %s %.1f", rgc_part_word((rgc_part)k), (double)m->peak.part_bytes[k] * 1e-6);
  printf("\n\nfusion, in the order it was decided:\n%s", program->ledger);
  if (option_flag(line, "--kernels")) {
    printf("\nkernels, in the order they run:\n");
    print_kernels(program->graph);
  }
}

int run_explain(const command_line *line) {
  rgc_network *network;
  rgc_plan *plan = command_plan(line, &network);
  const rgc_cpu_target *target = plan ? rgc_cpu_target_choose(option_text(line, "--target", NULL), line->diags) : NULL;
  if (!target) return RGC_EXIT_INPUT;
  rgc_compile_options o = {.kind = option_flag(line, "--infer") ? RGC_PROGRAM_INFER : RGC_PROGRAM_TRAIN, .target = &target->facts,
                           .batch = option_int(line, "--batch", network->train.batch)};
  const rgc_program *program = rgc_plan_need_program(plan, network, &o, line->diags);
  if (!program) return RGC_EXIT_INPUT;
  print_program(line, program);
  return RGC_EXIT_OK;
}

/* Random input and labels; running statistics away from their initial values, so that a kernel that ignores them is found. */
static void fill(const rgc_model *model, const rgc_model_program *program, uint64_t seed) {
  const rgc_graph *graph = program->program->graph;
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    bool wanted = v->op < 0 && (v->role == RGC_ROLE_INPUT || v->role == RGC_ROLE_LABEL || v->role == RGC_ROLE_BUFFER || v->role == RGC_ROLE_STATE);
    for (int64_t e = 0; wanted && e < rgc_shape_elems(v->shape); e++) {
      double u = rgc_philox_uniform(seed + 1, (uint32_t)i, 0, (uint64_t)e);
      if (v->role == RGC_ROLE_LABEL) ((int32_t *)program->data[i])[e] = (int32_t)(u * (double)model->network->classes[0].count);
      else if (v->role == RGC_ROLE_INPUT) ((float *)program->data[i])[e] = (float)(2 * u - 1);
      else ((float *)program->data[i])[e] += (float)(v->role == RGC_ROLE_STATE ? 1e-4 * u : 0.1 * u);
    }
  }
}

static bool report(const command_line *line, const rgc_graph *graph, const rgc_verified *results, double tolerance) {
  double worst = 0;
  int at = 0, failed = 0;
  for (int i = 0; i < graph->op_count; i++) {
    if (results[i].error > worst) worst = results[i].error, at = i;
    if (results[i].error <= tolerance || failed++) continue;
    const rgc_op *op = &graph->ops[i];
    rgc_diag_fail(line->diags, RGC_CODE_DEVICE, line->words[0], "this is a bug of rgc: please report it with the graph file",
                  "kernel %d (%s%s, line %d) is the first that is off: %%%s by %.3g, allowed %.3g", i, op->layer, op->backward ? ", backward" : "",
                  op->line, graph->values[results[i].value].name, results[i].error, tolerance);
  }
  printf("%d of %d kernels agree with the reference; the furthest is %d (%s), off by %.3g\n", graph->op_count - failed, graph->op_count, at,
         graph->ops[at].layer, worst);
  return failed == 0;
}

static bool verify(const command_line *line, rgc_model *model, const rgc_model_program *program) {
  const rgc_graph *graph = program->program->graph;
  rgc_cpu_step step = {.seed = (uint64_t)option_int(line, "--seed", 0)};
  step.scalars[RGC_SCALAR_LR] = 1e-3f;
  step.scalars[RGC_SCALAR_BIAS1] = step.scalars[RGC_SCALAR_BIAS2] = 1.1f;
  rgc_cpu_step_set_valid(&step, model->batch);
  fill(model, program, step.seed);
  rgc_model_fold(model);
  rgc_verified *results = RGC_NEW_ARRAY(line->arena, rgc_verified, graph->op_count);
  rgc_cpu_verify(program->run, graph, program->data, &step, results);
  return report(line, graph, results, option_real(line, "--tolerance", 3e-5));
}

int run_verify(const command_line *line) {
  rgc_network *network;
  rgc_plan *plan = command_plan(line, &network);
  rgc_model model = {0};
  bool infer = option_flag(line, "--infer");
  if (!plan) return RGC_EXIT_INPUT;
  rgc_model_options o = {.batch = option_int(line, "--batch", 2), .seed = (uint64_t)option_int(line, "--seed", 0), .train = !infer,
                         .target = option_text(line, "--target", NULL)};
  bool good = rgc_model_create(&model, network, plan, &o, line->diags) && verify(line, &model, infer ? &model.infer : &model.train);
  if (model.arena) rgc_model_destroy(&model);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
