/* bench.c: rgc bench: images a second, and what each kernel takes. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option bench_options[] = {
    NETWORK_OPTION_SET,
    {"--batch", OPTION_INT, "N", "samples a step (the graph file's train: batch)"},
    {"--train", OPTION_FLAG, NULL, "the training step, too"},
    {"--kernels", OPTION_FLAG, NULL, "and each kernel: milliseconds, GFLOP/s, GB/s, share of the peak"},
    {"--repeats", OPTION_INT, "N", "runs to take the median of (5)"},
    {"--threads", OPTION_INT, "N", "threads (all processors)"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    NETWORK_OPTION_DEVICE,
    {0}};

static int slower_first(const void *a, const void *b) {
  double x = ((const rgc_bench_kernel *)a)->seconds, y = ((const rgc_bench_kernel *)b)->seconds;
  return (x < y) - (x > y);
}

static void print_kernels(rgc_bench_result *result, double peak) {
  double total = 0;
  for (int i = 0; i < result->each_count; i++) total += result->each[i].seconds;
  qsort(result->each, (size_t)result->each_count, sizeof *result->each, slower_first);
  printf("\n%-30s %-9s %9s %6s %9s %7s %6s\n", "kernel", "kind", "ms", "share", "GFLOP/s", "GB/s", "% peak");
  for (int i = 0; i < result->each_count; i++) {
    const rgc_bench_kernel *k = &result->each[i];
    double rate = k->flops / k->seconds * 1e-9;
    printf("%-30s %-9s %9.3f %5.1f%% %9.1f %7.1f %6.1f\n", *k->layer ? k->layer : "-", k->kind, 1e3 * k->seconds, 100 * k->seconds / total, rate,
           k->bytes / k->seconds * 1e-9, peak > 0 ? 100 * rate / peak : 0);
  }
}

static bool bench_program(const command_line *line, rgc_model *model, int64_t batch, bool train, double peak) {
  rgc_bench_result result;
  bool kernels = option_flag(line, "--kernels");
  if (!rgc_model_bench(model, train, (int)option_int(line, "--repeats", 5), kernels, &result, line->diags)) return false;
  double flops = 0;
  for (int i = 0; i < result.each_count; i++) flops += result.each[i].flops;
  printf("%s: batch %lld, %.2f ms a step, %.2f images/s, %d kernels", train ? "train" : "infer", (long long)batch, 1e3 * result.seconds,
         (double)batch / result.seconds, result.kernels);
  if (kernels) printf(", %.1f GFLOP/s", flops / result.seconds * 1e-9);
  if (kernels && peak > 0) printf(" (%.1f %% of %.1f)", 100e-9 * flops / result.seconds / peak, peak);
  printf("\n");
  if (kernels) print_kernels(&result, peak);
  rgc_free(result.each);
  return true;
}

static bool bench_model(const command_line *line, rgc_model *model) {
  rgc_model_facts facts;
  rgc_model_tell(model, &facts);
  double peak = option_flag(line, "--kernels") ? rgc_model_peak(model, line->diags) : 0;
  if (facts.compiled) printf("compiled %d kernels in %.1f s\n", facts.compiled, facts.compile_seconds);
  if (option_flag(line, "--train") && !bench_program(line, model, facts.batch, true, peak)) return false;
  return bench_program(line, model, facts.batch, false, peak);
}

int run_bench(const command_line *line) {
  rgc_plan *plan = command_plan(line);
  rgc_model_options o = {.batch = option_int(line, "--batch", 0), .threads = (int)option_int(line, "--threads", 0),
                         .train = option_flag(line, "--train"), .target = option_text(line, "--target", NULL),
                         .device = option_text(line, "--device", NULL)};
  rgc_model *model = plan ? rgc_model_open(plan, &o, line->diags) : NULL;
  bool good = model && bench_model(line, model);
  rgc_model_close(model);
  rgc_plan_close(plan);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
