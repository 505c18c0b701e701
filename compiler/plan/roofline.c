/* roofline.c: see roofline.h. */
#include "compiler/plan/roofline.h"

#include <string.h>

#include "compiler/graph/graph_text.h"
#include "compiler/passes/cost.h"

static const char *kind_word(const rgc_kernel *kernel) {
  const char *gradient = rgc_kernel_gradient(kernel);
  return gradient ? gradient : kernel->kind == RGC_CONTRACT ? "forward" : rgc_kernel_words[kernel->kind];
}

static const char *name_or_dash(const char *name, rgc_arena *arena) { return name && *name ? rgc_arena_strdup(arena, name) : "-"; }

static rgc_kernel_cost *find_costs(const rgc_graph *graph, const rgc_machine *machine, const char *precision, rgc_arena *arena) {
  rgc_kernel_cost *costs = RGC_NEW_ARRAY(arena, rgc_kernel_cost, graph->op_count + 1);
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    double flops = rgc_kernel_flops(op->kernel);
    int64_t bytes = rgc_op_bytes(graph, op);
    double arithmetic = flops ? flops / rgc_machine_flops(machine, precision) : 0, memory = (double)bytes / machine->bandwidth;
    costs[i] = (rgc_kernel_cost){.layer = name_or_dash(op->layer, arena), .word = name_or_dash(op->word, arena), .kind = kind_word(op->kernel),
                                 .backward = op->backward, .flops = flops, .bytes = bytes, .seconds = arithmetic > memory ? arithmetic : memory, .memory_bound = memory >= arithmetic};
  }
  return costs;
}

/* The eager program: the graph as the last pass before `fuse` leaves it. */

typedef struct eager_watch {
  rgc_roofline *roofline;
  rgc_arena *arena;
} eager_watch;

static bool keep_costs(void *context, const rgc_pass *pass, const rgc_compilation *c, double seconds) {
  const eager_watch *w = context;
  rgc_roofline *p = w->roofline;
  bool kernels = c->graph->op_count && c->graph->ops[0].kernel;
  (void)seconds;
  if (!strcmp(pass->name, "fuse")) return false;
  if (!kernels) return true;
  p->eager = find_costs(c->graph, p->machine, p->precision, w->arena);
  p->eager_count = c->graph->op_count;
  return true;
}

rgc_roofline *rgc_roofline_find(const rgc_program *program, rgc_network *network, const rgc_target *target, const rgc_machine *machine,
                            rgc_arena *arena, rgc_diagnostics *diags) {
  if (!rgc_machine_flops(machine, program->precision)) {
    rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "give its GFLOP/s of that precision", "machine '%s' tells no rate for %s", machine->name, program->precision);
    return NULL;
  }
  rgc_roofline *p = RGC_NEW(arena, rgc_roofline);
  *p = (rgc_roofline){.machine = machine, .precision = program->precision, .kernel_count = program->graph->op_count};
  p->kernels = find_costs(program->graph, machine, program->precision, arena);
  eager_watch watch = {p, arena};
  rgc_compile_options o = {.kind = program->kind == RGC_PROGRAM_TRAIN ? RGC_PROGRAM_TRAIN : RGC_PROGRAM_EVAL, .batch = program->batch, .target = target,
                           .memory_bytes = RGC_UNLIMITED, .observer = keep_costs, .context = &watch};
  rgc_arena *scratch = rgc_arena_create();
  bool good = rgc_compile(network, &o, scratch, diags) != NULL;
  rgc_arena_destroy(scratch);
  return good ? p : NULL;
}

static void add(rgc_cost_sum *sum, const rgc_kernel_cost *cost) {
  sum->kernels++;
  sum->flops += cost->flops;
  sum->bytes += (double)cost->bytes;
  sum->seconds += cost->seconds;
}

rgc_cost_sum rgc_cost_total(const rgc_kernel_cost *costs, int count) {
  rgc_cost_sum sum = {0};
  for (int i = 0; i < count; i++) add(&sum, &costs[i]);
  return sum;
}

/* Printing. */

/* What a layer, or a word of the graph file, takes in one direction. */
typedef struct cost_row {
  const char *name;
  bool backward;
  rgc_cost_sum eager, fused;
} cost_row;

/* By name and direction, in the order of the eager program; a list to search is short enough. */
static cost_row *find_row(cost_row *rows, int *count, const rgc_kernel_cost *cost, bool by_word) {
  const char *name = by_word ? cost->word : cost->layer;
  for (int i = *count - 1; i >= 0; i--)
    if (rows[i].backward == cost->backward && !strcmp(rows[i].name, name)) return &rows[i];
  rows[*count] = (cost_row){.name = name, .backward = cost->backward};
  return &rows[(*count)++];
}

static void print_rows(const rgc_roofline *p, bool by_word, rgc_text *out) {
  rgc_arena *scratch = rgc_arena_create();
  cost_row *rows = RGC_NEW_ARRAY(scratch, cost_row, p->eager_count + p->kernel_count + 1);
  int count = 0;
  for (int i = 0; i < p->eager_count; i++) add(&find_row(rows, &count, &p->eager[i], by_word)->eager, &p->eager[i]);
  for (int i = 0; i < p->kernel_count; i++) add(&find_row(rows, &count, &p->kernels[i], by_word)->fused, &p->kernels[i]);
  rgc_text_printf(out, "  %-36s %14s %14s %14s %14s\n", by_word ? "word" : "layer", "eager kernels", "eager us", "kernels", "us");
  for (int i = 0; i < count; i++)
    rgc_text_printf(out, "  %-36s %14d %14.1f %14d %14.1f\n", rows[i].backward ? rgc_arena_printf(scratch, "%s (backward)", rows[i].name) : rows[i].name,
                    rows[i].eager.kernels, rows[i].eager.seconds * 1e6, rows[i].fused.kernels, rows[i].fused.seconds * 1e6);
  rgc_arena_destroy(scratch);
}

/* One line a launch. */
static void print_eager(const rgc_roofline *p, rgc_text *out) {
  rgc_text_printf(out, "\neager, launch by launch:\n  %6s %-36s %-10s %-8s %10s %10s %10s\n", "", "layer", "word", "kernel", "GFLOP", "MB", "us");
  for (int i = 0; i < p->eager_count; i++) {
    const rgc_kernel_cost *c = &p->eager[i];
    rgc_text_printf(out, "  %6d %-36s %-10s %-8s %10.3f %10.3f %10.2f%s\n", i, c->layer, c->word, c->kind, c->flops * 1e-9, (double)c->bytes * 1e-6, c->seconds * 1e6,
                    c->backward ? " backward" : "");
  }
}

static void print_sum(const char *word, const rgc_cost_sum *sum, int64_t batch, rgc_text *out) {
  rgc_text_printf(out, "  %-10s %8d %12.1f %10.2f %12.3f %12.0f\n", word, sum->kernels, sum->flops * 1e-9, sum->bytes * 1e-9, sum->seconds * 1e3, (double)batch / sum->seconds);
}

void rgc_roofline_print(const rgc_roofline *p, int64_t batch, bool with_kernels, rgc_text *out) {
  rgc_cost_sum fused = rgc_cost_total(p->kernels, p->kernel_count), eager = rgc_cost_total(p->eager, p->eager_count);
  if (with_kernels) {
    print_eager(p, out);
    rgc_text_add(out, "\nby word (what went into others' kernels counts for those):\n");
    print_rows(p, true, out);
    rgc_text_add(out, "\nby layer (a kernel counts for the layer it is named after; what went into others' kernels is 0):\n");
    print_rows(p, false, out);
  }
  rgc_text_printf(out, "\npredicted for %s at %s (%.0f GFLOP/s, %.0f GB/s), at least:\n  %-10s %8s %12s %10s %12s %12s\n", p->machine->name, p->precision,
                  rgc_machine_flops(p->machine, p->precision) * 1e-9, p->machine->bandwidth * 1e-9, "", "kernels", "GFLOP", "GB", "ms", "images/s");
  print_sum("eager", &eager, batch, out);
  print_sum("this plan", &fused, batch, out);
}
