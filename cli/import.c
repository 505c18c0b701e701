/* import.c: rgc import and rgc export: weights from and for other programs. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option import_options[] = {
    {"-o", OPTION_TEXT, "FILE", "the plan (plan.bin)"},
    {"--graph", OPTION_TEXT, "GRAPH.yaml", "the network that the weights are of"},
    {"--seed", OPTION_INT, "N", "of the values that the graph file says are fresh (0)"},
    {"--quiet", OPTION_FLAG, NULL, "tell only what was not loaded as it is"},
    NETWORK_OPTION_SET,
    {0}};

const command_option export_options[] = {
    {"--safetensors", OPTION_TEXT, "FILE", "write the weights as safetensors, as torchvision's load_state_dict takes them"},
    {"--names", OPTION_TEXT, "WORD", "of --safetensors: names of another program, as names: of the graph file has them (timm)"},
    {"--c", OPTION_TEXT, "DIR", "write inference as a C program of its own: DIR, a new folder, builds with make"},
    {"--batch", OPTION_INT, "N", "of --c: images a call (1)"},
    {"--target", OPTION_TEXT, "NAME", "of --c: cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    {"--onnx", OPTION_TEXT, "FILE", "write the inference as an ONNX model (operator set 17)"},
    {"--fold", OPTION_FLAG, NULL, "with --onnx: batch norms folded into the weights before them"},
    {0}};

int run_import(const command_line *line) {
  const char *graph = option_text(line, "--graph", NULL), *path = option_text(line, "-o", "plan.bin");
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  if (!graph) return command_usage(line, "for example --graph graphs/resnet34.yaml", "--graph is needed");
  rgc_plan *plan = rgc_plan_open(graph, overrides, count, line->diags);
  if (!plan) return RGC_EXIT_INPUT;
  char *report = NULL;
  bool good = rgc_plan_import(plan, line->words[0], (uint64_t)option_int(line, "--seed", 0), option_flag(line, "--quiet"), &report, line->diags);
  if (report) fputs(report, stdout);
  rgc_free(report);
  good = good && rgc_plan_save(plan, path, line->diags);
  rgc_network_facts n;
  rgc_network_tell(rgc_plan_network(plan), &n);
  if (good) printf("%s: %s with the weights of %s\n", path, n.name, line->words[0]);
  rgc_plan_close(plan);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

static bool export_safetensors(rgc_plan *plan, const char *path, const command_line *line) {
  int tensors;
  bool good = rgc_plan_export_safetensors(plan, path, option_text(line, "--names", NULL), &tensors, line->diags);
  if (good) printf("%s: %d tensors\n", path, tensors);
  return good;
}

static bool export_onnx(const rgc_plan *plan, const char *path, bool fold, rgc_diagnostics *diags) {
  int nodes;
  if (!rgc_plan_export_onnx(plan, path, fold, &nodes, diags)) return false;
  printf("%s: %d nodes\n", path, nodes);
  return true;
}

static bool export_c(rgc_plan *plan, const char *dir, const command_line *line) {
  rgc_c_options o = {.batch = option_int(line, "--batch", 1), .target = option_text(line, "--target", NULL)};
  rgc_c_facts c;
  bool good = rgc_plan_export_c(plan, dir, &o, &c, line->diags);
  if (good)
    printf("%s: batch %lld, %s: %d kernels, %.1f MB of weights, %.1f MB of workspace; make -C %s builds it\n", dir, (long long)c.batch, c.target,
           c.kernels, (double)c.weight_bytes * 1e-6, (double)c.workspace_bytes * 1e-6, dir);
  return good;
}

int run_export(const command_line *line) {
  const char *safetensors = option_text(line, "--safetensors", NULL), *onnx = option_text(line, "--onnx", NULL), *c = option_text(line, "--c", NULL);
  bool fold = option_flag(line, "--fold");
  if (!safetensors && !onnx && !c) return command_usage(line, "rgc export PLAN --safetensors FILE, --onnx FILE, or --c DIR", "what to write is not said");
  if (fold && !onnx) return command_usage(line, "rgc export PLAN --onnx FILE --fold", "--fold is for --onnx");
  rgc_plan *plan = rgc_plan_open(line->words[0], NULL, 0, line->diags);
  bool good = plan && (!safetensors || export_safetensors(plan, safetensors, line)) &&
              (!onnx || export_onnx(plan, onnx, fold, line->diags)) && (!c || export_c(plan, c, line));
  rgc_plan_close(plan);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
