/* api_import.c: rgc.h's weights from and for other programs. */
#include "runtime/import/export.h"
#include "runtime/rgc.h"
#include "runtime/train/import_weights.h"

static void print_counts(const int counts[RGC_IMPORT_LEFT_OVER + 1], rgc_text *out) {
  const char *between = "";
  for (int fate = 0; fate <= RGC_IMPORT_LEFT_OVER; fate++) {
    if (!counts[fate]) continue;
    rgc_text_printf(out, "%s%d %s", between, counts[fate], rgc_import_fate_word((rgc_import_fate)fate));
    between = ", ";
  }
  if (*between) rgc_text_add(out, "\n");
}

static void print_report(const rgc_import_report *report, bool quiet, rgc_text *out) {
  int counts[RGC_IMPORT_LEFT_OVER + 1] = {0};
  for (int i = 0; i < report->notes.count; i++) rgc_text_printf(out, "note: %s\n", report->notes.items[i]);
  for (int i = 0; i < report->count; i++) {
    const rgc_import_line *line = &report->lines[i];
    counts[line->fate]++;
    if (!quiet || line->fate != RGC_IMPORT_LOADED || *line->detail)
      rgc_text_printf(out, "%-10s %s%s%s\n", rgc_import_fate_word(line->fate), line->name, *line->detail ? "  " : "", line->detail);
  }
  print_counts(counts, out);
}

bool rgc_plan_import(rgc_plan *plan, const char *path, uint64_t seed, bool quiet, char **report, rgc_diagnostics *diags) {
  rgc_import_report lines = {0};
  bool good = rgc_plan_take_weights(plan, plan->network, path, seed, &lines, diags);
  rgc_text text = {0};
  rgc_text_add(&text, "");
  if (report) print_report(&lines, quiet, &text);
  if (report) *report = text.chars;
  else rgc_text_free(&text);
  return good;
}

bool rgc_plan_export_safetensors(const rgc_plan *plan, const char *path, const char *names, int *tensors, rgc_diagnostics *diags) {
  if (tensors) *tensors = plan->tensor_count;
  return rgc_export_safetensors(plan, plan->path ? plan->path : plan->network->file, names, path, diags);
}

bool rgc_plan_export_onnx(const rgc_plan *plan, const char *path, bool fold, int *nodes, rgc_diagnostics *diags) {
  return rgc_export_onnx(plan, plan->path ? plan->path : plan->network->file, path, fold, RGC_ONNX_MOST_BYTES, nodes, diags);
}
