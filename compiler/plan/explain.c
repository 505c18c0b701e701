/* explain.c: see explain.h. */
#include "compiler/plan/explain.h"

#include "compiler/graph/graph_text.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/matmul.h"
#include "compiler/pipeline.h"

static void print_values(const rgc_graph *graph, const char *word, const int *values, int count, rgc_text *out) {
  double bytes = 0;
  rgc_text_printf(out, "    %s", word);
  for (int i = 0; i < count; i++) {
    rgc_text_printf(out, " %%%s", graph->values[values[i]].name);
    bytes += (double)rgc_value_storage_bytes(&graph->values[values[i]]);
  }
  rgc_text_printf(out, "  (%.3f MB)\n", bytes * 1e-6);
}

/* Of a kernel that a library may run. */
static void print_product(const rgc_graph *graph, const rgc_op *op, const rgc_target *target, rgc_text *out) {
  rgc_matmul product;
  if (!rgc_matmul_find(graph, op, target, &product)) return;
  rgc_text_add(out, "    a matrix product, ");
  rgc_matmul_print(&product, out);
  rgc_text_printf(out, ": cuBLAS, where it is there%s\n", target->library_precisions >> graph->precision & 1 ? "" : " and was measured to be faster");
}

static void print_kernels(const rgc_graph *graph, const rgc_target *target, const rgc_roofline *roofline, rgc_text *out) {
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    rgc_text_printf(out, "%4d %s %s%s", i, rgc_kernel_words[op->kernel->kind], op->layer && *op->layer ? op->layer : "-", op->backward ? " (backward)" : "");
    if (op->line) rgc_text_printf(out, " line %d", op->line);
    rgc_text_printf(out, ", %lld tiles, %.4g GFLOP, %.4g MB", (long long)rgc_kernel_tile_count(op->kernel), rgc_kernel_flops(op->kernel) * 1e-9,
                    (double)rgc_op_bytes(graph, op) * 1e-6);
    if (roofline) rgc_text_printf(out, ", %.3g us of %s", roofline->kernels[i].seconds * 1e6, roofline->kernels[i].memory_bound ? "memory" : "arithmetic");
    rgc_text_add(out, "\n");
    print_product(graph, op, target, out);
    print_values(graph, "reads", op->inputs, op->input_count, out);
    print_values(graph, "writes", op->outputs, op->output_count, out);
  }
}

void rgc_program_explain(const rgc_program *program, const rgc_target *target, bool with_kernels, const rgc_roofline *roofline, rgc_text *out) {
  const rgc_memory_plan *m = program->memory;
  rgc_text_printf(out, "%s, batch %lld, %s: %d kernels\n", rgc_program_word(program->kind), (long long)program->batch, program->target, program->graph->op_count);
  rgc_text_printf(out, "activations: %.1f MB planned, %.1f MB alive at most, at kernel %d (%s):", (double)m->region_bytes[RGC_REGION_ACT] * 1e-6,
         (double)m->peak.bytes * 1e-6, m->peak.op, program->graph->ops[m->peak.op].layer);
  for (int k = 0; k < RGC_PART_COUNT; k++)
    if (m->peak.part_bytes[k]) rgc_text_printf(out, " %s %.1f", rgc_part_word((rgc_part)k), (double)m->peak.part_bytes[k] * 1e-6);
  rgc_text_printf(out, "\n\nfusion, in the order it was decided:\n%s", program->ledger);
  if (with_kernels) {
    rgc_text_printf(out, "\nkernels, in the order they run:\n");
    print_kernels(program->graph, target, roofline, out);
  }
  if (roofline) rgc_roofline_print(roofline, program->batch, with_kernels, out);
}
