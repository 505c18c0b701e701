/* roofline.h: how long a program takes on a machine, at least: of each kernel the larger of arithmetic and memory traffic, kernels one after another.
 *
 * A bound, not a measurement: a kernel reads each of its values once, nothing stays in a cache from one kernel to the next, and launches
 * cost nothing. Beside it stands the same network run eagerly: one kernel for each of the first kernels that its layers become, before
 * fusion (in inference BN not folded either), on the same machine at the same precision. */
#ifndef RGC_PLAN_ROOFLINE_H
#define RGC_PLAN_ROOFLINE_H
#include "compiler/pipeline.h"
#include "compiler/plan/machine.h"
#include "compiler/plan/plan.h"

typedef struct rgc_kernel_cost {
  const char *layer, *word; /* as in rgc_op: "layer1.0.bn1", "bn" */
  const char *kind;  /* map reduce window, and of a contract forward, data, weights */
  bool backward;
  double flops;
  int64_t bytes;
  double seconds;    /* predicted */
  bool memory_bound;
} rgc_kernel_cost;

typedef struct rgc_roofline {
  const rgc_machine *machine;
  const char *precision;
  rgc_kernel_cost *kernels, *eager; /* in the order they run */
  int kernel_count, eager_count;
} rgc_roofline;

typedef struct rgc_cost_sum {
  int kernels;
  double flops, bytes, seconds;
} rgc_cost_sum;

/* NULL with an error: the machine has no rate for the program's precision; or the network does not compile. Lives in `arena`. */
rgc_roofline *rgc_roofline_find(const rgc_program *program, rgc_network *network, const rgc_target *target, const rgc_machine *machine,
                            rgc_arena *arena, rgc_diagnostics *diags);
rgc_cost_sum rgc_cost_total(const rgc_kernel_cost *costs, int count);
/* The totals of both; with_kernels: also each of the eager program's launches, and what each word and each layer of the graph file takes in both. */
void rgc_roofline_print(const rgc_roofline *roofline, int64_t batch, bool with_kernels, rgc_text *out);
#endif
