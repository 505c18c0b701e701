/* precision.h: what is rounded to bf16, and where.
 *
 * In: a graph of kernels in float32, not fused yet. Out, for bf16:
 *   - values computed for each sample that have more than one pixel (activations and their gradients) are bf16 in memory, and what is
 *     stored in them is a node `bf16`. So whoever takes that node instead of the stored value, in the same kernel after fusion, takes the
 *     rounded number: fusing changes no bit of what is computed, BN statistics are of the rounded values, a mask recomputed is the one applied.
 *   - both operands of every contract are bf16: A and B are rounded at their root where they are not loaded from bf16, and the weight
 *     of a contract over pixels is a bf16 copy. A training step keeps it beside the float32 one (role COPY), and the map that changes
 *     that writes both; elsewhere a map makes it (in inference in `fold`, once). Sums are float32.
 * All else stays float32: parameters, their gradients and updates, BN's statistics and coefficients, and what has one number a sample
 * and channel (pooled features, logits, softmax, the loss): it is small, and that is where rounding would hurt.
 *
 * For tf32 nothing is stored differently: the graph's contracts say so (rgc_graph.precision), and codegen rounds as it multiplies. */
#ifndef RGC_PASSES_PRECISION_H
#define RGC_PASSES_PRECISION_H
#include "compiler/graph/kernel.h"

/* In place. `ledger` (may be NULL) is told of weights that are kept twice. */
void rgc_apply_precision(rgc_graph *graph, rgc_precision precision, rgc_text *ledger);
#endif
