/* import.c: rgc import and rgc export: weights from and for other programs. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "runtime/import/export.h"
#include "runtime/train/import_weights.h"

const command_option import_options[] = {
    {"-o", OPTION_TEXT, "FILE", "the plan (plan.bin)"},
    {"--graph", OPTION_TEXT, "GRAPH.yaml", "the network that the weights are of"},
    {"--seed", OPTION_INT, "N", "of the values that the graph file says are fresh (0)"},
    {"--quiet", OPTION_FLAG, NULL, "tell only what was not loaded as it is"},
    NETWORK_OPTION_SET,
    {0}};

const command_option export_options[] = {
    {"--safetensors", OPTION_TEXT, "FILE", "write the weights as safetensors, as torchvision's load_state_dict takes them"},
    {0}};

static void print_report(const rgc_import_report *report, bool quiet) {
  int counts[RGC_IMPORT_LEFT_OVER + 1] = {0};
  for (int i = 0; i < report->notes.count; i++) printf("note: %s\n", report->notes.items[i]);
  for (int i = 0; i < report->count; i++) {
    const rgc_import_line *line = &report->lines[i];
    counts[line->fate]++;
    if (!quiet || line->fate != RGC_IMPORT_LOADED || *line->detail)
      printf("%-10s %s%s%s\n", rgc_import_fate_word(line->fate), line->name, *line->detail ? "  " : "", line->detail);
  }
  const char *between = "";
  for (int fate = 0; fate <= RGC_IMPORT_LEFT_OVER; fate++) {
    if (!counts[fate]) continue;
    printf("%s%d %s", between, counts[fate], rgc_import_fate_word((rgc_import_fate)fate));
    between = ", ";
  }
  if (report->count) printf("\n");
}

int run_import(const command_line *line) {
  const char *graph = option_text(line, "--graph", NULL), *path = option_text(line, "-o", "plan.bin");
  int count;
  const char *const *overrides = option_list(line, "--set", &count);
  if (!graph) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "for example --graph graphs/resnet34.yaml", "--graph is needed");
    return RGC_EXIT_USAGE;
  }
  rgc_network *network = rgc_network_load(line->arena, graph, overrides, count, line->diags);
  rgc_plan *plan = network ? rgc_plan_create(network, line->arena, line->diags) : NULL;
  if (!plan) return RGC_EXIT_INPUT;
  rgc_import_report report = {0};
  bool good = rgc_plan_import(plan, network, line->words[0], (uint64_t)option_int(line, "--seed", 0), &report, line->diags);
  print_report(&report, option_flag(line, "--quiet"));
  if (!good || !rgc_plan_write(plan, path, line->diags)) return RGC_EXIT_INPUT;
  printf("%s: %s with the weights of %s\n", path, network->name, line->words[0]);
  return RGC_EXIT_OK;
}

int run_export(const command_line *line) {
  const char *safetensors = option_text(line, "--safetensors", NULL);
  if (!safetensors) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc export PLAN --safetensors FILE", "what to write is not said");
    return RGC_EXIT_USAGE;
  }
  rgc_plan *plan = rgc_plan_read(line->arena, line->words[0], line->diags);
  if (!plan || !rgc_export_safetensors(plan, line->words[0], safetensors, line->diags)) return RGC_EXIT_INPUT;
  printf("%s: %d tensors\n", safetensors, plan->tensor_count);
  return RGC_EXIT_OK;
}
