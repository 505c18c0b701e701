/* recompute.h: what the forward pass computed is computed again in the backward pass, where keeping it would take more memory than there is.
 *
 * In: a graph of kernels in the order in which they run, whose values have their sizes (behind `layout`). A recomputed kernel is a copy of a
 * forward one, right before the first backward kernel that reads what it stores; it stores only what is read again, so never running
 * statistics, and what it reads is kept or recomputed as well. It has the tiles of the first, so the bits are the same.
 *
 * Which ones: greedily, by the bytes that are freed at the peak for the time that a copy takes; a step that does not lower the peak is not taken. (XLA's
 * HloRematerialization and Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016, choose likewise: a kernel whose operands
 * are kept acts as the end of a segment.) */
#ifndef RGC_PASSES_RECOMPUTE_H
#define RGC_PASSES_RECOMPUTE_H
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"

/* Recomputes so that at most `peak_bytes` of temps are alive at once, or as near to it as can be; in place. Each copy is a line of the ledger
 * (or NULL), and so is what all of them cost. */
void rgc_recompute(rgc_graph *graph, const rgc_target *target, int64_t peak_bytes, rgc_text *ledger);

/* The two halves of it. */

/* A step of the new order: op `op` of the old graph, or a copy of it. */
typedef struct rgc_recompute_step {
  int op;
  bool copy;
} rgc_recompute_step;

typedef struct rgc_recompute_choice {
  rgc_recompute_step *order; /* [count] */
  int count;
  bool *read_again;          /* [value_count]: the copy of the op that stores it stores it */
  int64_t peak_bytes;        /* of temps, before places are found; operands taken over are not counted out */
  int64_t first_peak_bytes;  /* the same of the graph as it is */
  int copies;
  double flops, bytes;       /* that the copies add to a step: operations, and bytes read and written */
} rgc_recompute_choice;

/* Chooses what to recompute so that at most `peak_bytes` are alive at once, or as near to it as can be. Lives in `arena`. */
rgc_recompute_choice rgc_recompute_choose(const rgc_graph *graph, const rgc_target *target, int64_t peak_bytes, rgc_arena *arena);
/* Rewrites the graph in place. */
void rgc_recompute_apply(rgc_graph *graph, const rgc_recompute_choice *choice);
#endif
