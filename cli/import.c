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

static bool export_safetensors(const rgc_plan *plan, const char *path, rgc_diagnostics *diags) {
  int tensors;
  if (!rgc_plan_export_safetensors(plan, path, &tensors, diags)) return false;
  printf("%s: %d tensors\n", path, tensors);
  return true;
}

static bool export_onnx(const rgc_plan *plan, const char *path, bool fold, rgc_diagnostics *diags) {
  int nodes;
  if (!rgc_plan_export_onnx(plan, path, fold, &nodes, diags)) return false;
  printf("%s: %d nodes\n", path, nodes);
  return true;
}

int run_export(const command_line *line) {
  const char *safetensors = option_text(line, "--safetensors", NULL), *onnx = option_text(line, "--onnx", NULL);
  bool fold = option_flag(line, "--fold");
  if (!safetensors && !onnx) return command_usage(line, "rgc export PLAN --safetensors FILE", "what to write is not said");
  if (fold && !onnx) return command_usage(line, "rgc export PLAN --onnx FILE --fold", "--fold is for --onnx");
  rgc_plan *plan = rgc_plan_open(line->words[0], NULL, 0, line->diags);
  bool good = plan && (!safetensors || export_safetensors(plan, safetensors, line->diags)) && (!onnx || export_onnx(plan, onnx, fold, line->diags));
  rgc_plan_close(plan);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
