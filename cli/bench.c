/* bench.c: rgc bench: images a second, what each kernel takes, and which products cuBLAS is faster at. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option bench_options[] = {
    NETWORK_OPTION_SET,
    {"--batch", OPTION_INT, "N", "samples a step (the graph file's train: batch)"},
    {"--train", OPTION_FLAG, NULL, "the training step, too"},
    {"--kernels", OPTION_FLAG, NULL, "and each kernel: milliseconds, GFLOP/s, GB/s, share of the peak"},
    {"--tune", OPTION_FLAG, NULL, "of device cuda: time cuBLAS and rgc's own kernels where both can do it; record and use what is faster"},
    {"--repeats", OPTION_INT, "N", "runs to take the median of (5)"},
    {"--threads", OPTION_INT, "N", "threads (all processors)"},
    NETWORK_OPTION_TARGET,
    NETWORK_OPTION_DEVICE,
    {"--json", OPTION_TEXT, "FILE", "write the same as JSON"},
    {0}};

/* What one command measures: a model, what its device does at most, and the document that grows. */
typedef struct bench {
  const command_line *line;
  rgc_model *model;
  rgc_model_facts facts;
  rgc_peak peak;
  json_t *programs; /* by "train" and "infer" */
  json_t *products; /* that were timed for cuBLAS: a list */
} bench;

static int slower_first(const void *a, const void *b) {
  double x = ((const rgc_bench_kernel *)a)->seconds, y = ((const rgc_bench_kernel *)b)->seconds;
  return (x < y) - (x > y);
}

static double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static void print_kernels(const rgc_bench_result *result, const rgc_peak *peak) {
  double total = 0;
  for (int i = 0; i < result->each_count; i++) total += result->each[i].seconds;
  qsort(result->each, (size_t)result->each_count, sizeof *result->each, slower_first);
  printf("\n%-30s %-9s %9s %6s %9s %7s %7s %7s\n", "kernel", "kind", "ms", "share", "GFLOP/s", "GB/s", "% FLOPs", "% bytes");
  for (int i = 0; i < result->each_count; i++) {
    const rgc_bench_kernel *k = &result->each[i];
    double rate = k->flops / k->seconds * 1e-9, speed = k->bytes / k->seconds * 1e-9;
    printf("%-30s %-9s %9.3f %5.1f%% %9.1f %7.1f %7.1f %7.1f%s%s\n", *k->layer ? k->layer : "-", k->kind, 1e3 * k->seconds, 100 * k->seconds / total, rate,
           speed, share(rate, peak->gflops), share(speed, peak->gbytes), k->library ? " " : "", k->library ? k->library : "");
  }
}

static json_t *kernels_json(const rgc_bench_result *result) {
  json_t *list = json_array();
  for (int i = 0; i < result->each_count; i++) {
    const rgc_bench_kernel *k = &result->each[i];
    json_array_append_new(list, json_pack("{s:s, s:s, s:f, s:f, s:f, s:s*}", "layer", k->layer, "kind", k->kind, "seconds", k->seconds, "flops", k->flops, "bytes",
                                          k->bytes, "library", k->library));
  }
  return list;
}

/* Before the program is timed. */
static bool tune(bench *b, bool train) {
  rgc_tuned_product *products;
  int count;
  if (!option_flag(b->line, "--tune")) return true;
  if (!rgc_model_tune(b->model, train, &products, &count, b->line->diags)) return false;
  printf("%s: %d products that cuBLAS may compute%s\n", train ? "train" : "infer", count, count ? ", in us:" : "");
  if (count) printf("%-30s %-46s %9s %9s %10s  %s\n", "layer", "rows x columns x depth", "cuBLAS", "rgc", "algorithms", "used");
  for (int i = 0; i < count; i++)
    printf("%-30s %-46s %9.2f %9.2f %10d  %s\n", products[i].layer, products[i].product, 1e6 * products[i].seconds, 1e6 * products[i].own_seconds,
           products[i].algorithms, products[i].library ? "cuBLAS" : "rgc");
  for (int i = 0; i < count; i++)
    json_array_append_new(b->products, json_pack("{s:s, s:s, s:s, s:f, s:f, s:i, s:b}", "program", train ? "train" : "infer", "layer", products[i].layer, "product",
                                                 products[i].product, "seconds", products[i].seconds, "own_seconds", products[i].own_seconds, "algorithms",
                                                 products[i].algorithms, "library", products[i].library));
  rgc_free(products);
  return true;
}

static bool bench_program(bench *b, bool train) {
  rgc_bench_result result;
  if (!tune(b, train)) return false;
  bool kernels = option_flag(b->line, "--kernels");
  if (!rgc_model_bench(b->model, train, (int)option_int(b->line, "--repeats", 5), kernels, &result, b->line->diags)) return false;
  double flops = 0, rate = (double)b->facts.batch / result.seconds;
  for (int i = 0; i < result.each_count; i++) flops += result.each[i].flops;
  printf("%s: batch %lld, %.2f ms a step, %.2f images/s, %d kernels", train ? "train" : "infer", (long long)b->facts.batch, 1e3 * result.seconds, rate,
         result.kernels);
  if (result.products) printf(", %d of them by cuBLAS", result.products);
  if (kernels) printf(", %.1f GFLOP/s", flops / result.seconds * 1e-9);
  if (kernels && b->peak.gflops > 0) printf(" (%.1f %% of %.1f)", share(flops / result.seconds * 1e-9, b->peak.gflops), b->peak.gflops);
  printf("\n");
  if (kernels) print_kernels(&result, &b->peak);
  json_object_set_new(b->programs, train ? "train" : "infer",
                      json_pack("{s:f, s:f, s:i, s:i, s:o}", "seconds", result.seconds, "images_per_second", rate, "kernels", result.kernels, "by_cublas", result.products, "each",
                                kernels_json(&result)));
  rgc_free(result.each);
  return true;
}

/* Where the most that the device does is not to be measured, its share is not told. */
static bool find_peak(bench *b) {
  if (!option_flag(b->line, "--kernels") || !b->facts.timed) return true;
  if (!rgc_model_peak(b->model, &b->peak, b->line->diags)) return false;
  printf("%s: at most %.1f GFLOP/s and %.1f GB/s, measured\n", b->facts.device, b->peak.gflops, b->peak.gbytes);
  return true;
}

static bool write_json(const bench *b, const char *path) {
  json_t *all = json_pack("{s:s, s:s, s:I, s:f, s:f, s:i, s:f, s:O, s:O}", "device", b->facts.device, "target", b->facts.target, "batch",
                          (json_int_t)b->facts.batch, "peak_gflops", b->peak.gflops, "peak_gbytes", b->peak.gbytes, "compiled", b->facts.compiled,
                          "compile_seconds", b->facts.compile_seconds, "programs", b->programs, "products", b->products);
  bool good = all && json_dump_file(all, path, JSON_INDENT(1)) == 0;
  if (!good) fprintf(stderr, "%s: cannot be written\n", path);
  json_decref(all);
  return good;
}

static bool bench_model(bench *b) {
  const char *json = option_text(b->line, "--json", NULL);
  rgc_model_tell(b->model, &b->facts);
  if (!find_peak(b)) return false;
  if (b->facts.compiled) printf("compiled %d kernels in %.1f s\n", b->facts.compiled, b->facts.compile_seconds);
  b->programs = json_object();
  b->products = json_array();
  bool good = (!option_flag(b->line, "--train") || bench_program(b, true)) && bench_program(b, false) && (!json || write_json(b, json));
  json_decref(b->programs);
  json_decref(b->products);
  return good;
}

int run_bench(const command_line *line) {
  rgc_plan *plan = command_plan(line);
  rgc_model_options o = {.batch = option_int(line, "--batch", 0), .threads = (int)option_int(line, "--threads", 0),
                         .train = option_flag(line, "--train"), .target = option_text(line, "--target", NULL),
                         .device = option_text(line, "--device", NULL)};
  bench b = {.line = line, .model = plan ? rgc_model_open(plan, &o, line->diags) : NULL};
  bool good = b.model && bench_model(&b);
  rgc_model_close(b.model);
  rgc_plan_close(plan);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
