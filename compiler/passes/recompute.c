/* recompute.c: see recompute.h. */
#include "compiler/passes/recompute.h"

#include "compiler/passes/rewrite.h"

static void read_copies(rgc_body *body, const int *copy_of) {
  for (int i = 0; body && i < body->operand_count; i++)
    if (copy_of[body->operands[i].value] >= 0) body->operands[i].value = copy_of[body->operands[i].value];
}

/* The kernel as a backward op or a copy has it: what is recomputed is read from the copies. */
static rgc_kernel *later_kernel(const rgc_graph *graph, const rgc_kernel *kernel, const int *copy_of) {
  rgc_kernel *k = rgc_kernel_clone(kernel, graph->arena);
  read_copies(k->a, copy_of);
  read_copies(k->b, copy_of);
  read_copies(k->tap, copy_of);
  read_copies(k->epi, copy_of);
  if (k->weight >= 0 && copy_of[k->weight] >= 0) k->weight = copy_of[k->weight];
  return k;
}

static int copy_value(rgc_graph *graph, int value) {
  rgc_value like = graph->values[value];
  int copy = rgc_graph_value(graph, rgc_arena_printf(graph->arena, "%s.again", like.name), like.dtype, RGC_ROLE_TEMP, like.shape);
  graph->values[copy].layout = like.layout;
  return copy;
}

static void append_copy(rgc_graph *graph, const rgc_op *op, const rgc_recompute_choice *choice, int *copy_of) {
  rgc_kernel *k = later_kernel(graph, op->kernel, copy_of);
  int count = 0;
  for (int i = 0; i < k->store_count; i++) {
    int value = k->stores[i].value;
    if (!choice->read_again[value]) continue;
    copy_of[value] = copy_value(graph, value);
    k->stores[count] = k->stores[i];
    k->stores[count++].value = copy_of[value];
  }
  k->store_count = count;
  rgc_op *made = rgc_append_kernel(graph, op, k);
  made->backward = made->recomputed = true;
}

void rgc_recompute_apply(rgc_graph *graph, const rgc_recompute_choice *choice) {
  if (!choice->copies) return;
  rgc_arena *scratch = rgc_arena_create();
  int *copy_of = RGC_NEW_ARRAY(scratch, int, graph->value_count + 1);
  for (int v = 0; v < graph->value_count; v++) copy_of[v] = -1;
  rgc_old_ops old = rgc_take_ops(graph);
  for (int i = 0; i < choice->count; i++) {
    const rgc_op *op = &old.items[choice->order[i].op];
    if (choice->order[i].copy) append_copy(graph, op, choice, copy_of);
    else rgc_append_kernel(graph, op, op->backward ? later_kernel(graph, op->kernel, copy_of) : op->kernel);
  }
  rgc_arena_destroy(scratch);
}

static void tell(const rgc_graph *graph, const rgc_recompute_choice *choice, rgc_text *ledger) {
  for (int i = 0; i < choice->count; i++) {
    const rgc_op *op = &graph->ops[choice->order[i].op];
    if (choice->order[i].copy) rgc_text_printf(ledger, "%s line %d: recomputed in the backward pass\n", op->layer && *op->layer ? op->layer : "-", op->line);
  }
  rgc_text_printf(ledger, "recompute: %d kernels run again, %.3f GFLOP and %.1f MB of traffic more a step; %.1f MB alive at the peak instead of %.1f\n",
                  choice->copies, choice->flops * 1e-9, choice->bytes * 1e-6, (double)choice->peak_bytes * 1e-6, (double)choice->first_peak_bytes * 1e-6);
}

void rgc_recompute(rgc_graph *graph, const rgc_target *target, int64_t peak_bytes, rgc_text *ledger) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_recompute_choice choice = rgc_recompute_choose(graph, target, peak_bytes, scratch);
  if (ledger && choice.copies) tell(graph, &choice, ledger);
  rgc_recompute_apply(graph, &choice);
  rgc_arena_destroy(scratch);
}
