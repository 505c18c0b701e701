/* bench.c: rgc bench: images a second, and what each kernel takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "compiler/graph/graph_text.h"
#include "runtime/train/bench.h"

const command_option bench_options[] = {
    NETWORK_OPTION_SET,
    {"--batch", OPTION_INT, "N", "samples a step (the graph file's train: batch)"},
    {"--train", OPTION_FLAG, NULL, "the training step, too"},
    {"--kernels", OPTION_FLAG, NULL, "and each kernel: milliseconds, GFLOP/s, GB/s, share of the peak"},
    {"--repeats", OPTION_INT, "N", "runs to take the median of (5)"},
    {"--threads", OPTION_INT, "N", "threads (all processors)"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    {0}};

static int slower_first(const void *a, const void *b) {
  double x = ((const rgc_bench_op *)a)->seconds, y = ((const rgc_bench_op *)b)->seconds;
  return (x < y) - (x > y);
}

static const char *kind_of(const rgc_kernel *kernel) {
  if (kernel->kind == RGC_CONTRACT && kernel->form == RGC_WEIGHTS) return "weights";
  return kernel->kind == RGC_CONTRACT && kernel->geometry.transposed ? "data" : rgc_kernel_words[kernel->kind];
}

static void print_ops(rgc_bench_result *result, double peak) {
  double total = 0;
  for (int i = 0; i < result->op_count; i++) total += result->ops[i].seconds;
  qsort(result->ops, (size_t)result->op_count, sizeof *result->ops, slower_first);
  printf("\n%-30s %-9s %9s %6s %9s %7s %6s\n", "kernel", "kind", "ms", "share", "GFLOP/s", "GB/s", "% peak");
  for (int i = 0; i < result->op_count; i++) {
    const rgc_bench_op *o = &result->ops[i];
    double rate = o->flops / o->seconds * 1e-9;
    printf("%-30s %-9s %9.3f %5.1f%% %9.1f %7.1f %6.1f\n", o->op->layer && *o->op->layer ? o->op->layer : "-", kind_of(o->op->kernel),
           1e3 * o->seconds, 100 * o->seconds / total, rate, o->bytes / o->seconds * 1e-9, peak > 0 ? 100 * rate / peak : 0);
  }
}

static void bench_program(const command_line *line, const rgc_model *model, const rgc_model_program *program, const char *word, double peak) {
  rgc_bench_result result;
  bool kernels = option_flag(line, "--kernels");
  rgc_bench(model, program, (int)option_int(line, "--repeats", 5), kernels, line->arena, &result);
  double flops = 0;
  for (int i = 0; i < result.op_count; i++) flops += result.ops[i].flops;
  printf("%s: batch %lld, %.2f ms a step, %.2f images/s, %d kernels", word, (long long)model->batch, 1e3 * result.seconds,
         (double)model->batch / result.seconds, program->program->graph->op_count);
  if (kernels) printf(", %.1f GFLOP/s (%.1f %% of %.1f)", flops / result.seconds * 1e-9, 100e-9 * flops / result.seconds / peak, peak);
  printf("\n");
  if (kernels) print_ops(&result, peak);
}

int run_bench(const command_line *line) {
  rgc_network *network;
  rgc_plan *plan = command_plan(line, &network);
  rgc_model model = {0};
  bool train = option_flag(line, "--train");
  if (!plan) return RGC_EXIT_INPUT;
  rgc_model_options o = {.batch = option_int(line, "--batch", network->train.batch), .threads = (int)option_int(line, "--threads", 0),
                         .train = train, .target = option_text(line, "--target", NULL)};
  bool good = rgc_model_create(&model, network, plan, &o, line->diags);
  double peak = good && option_flag(line, "--kernels") ? rgc_bench_peak(model.target, rgc_cpu_program_threads(model.infer.run), line->diags) : 0;
  if (good && model.compiled) printf("compiled %d kernels in %.1f s\n", model.compiled, model.compile_seconds);
  if (good) rgc_model_fold(&model);
  if (good && train) bench_program(line, &model, &model.train, "train", peak);
  if (good) bench_program(line, &model, &model.infer, "infer", peak);
  if (model.arena) rgc_model_destroy(&model);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
