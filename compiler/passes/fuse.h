/* fuse.h: maps disappear into the kernels before and behind them.
 *
 * In: a graph of kernels, without tiles. Out: fewer kernels that compute the same outputs and states. Two rewrites, tried in this
 * order until nothing changes:
 *   absorb  a map that reads what a kernel stores, at the same point, becomes part of that kernel's epilogue; partial sums, maxima
 *           and moments likewise. The kernel stays where it is if all that the map reads is there, else it moves down to the map.
 *   inline  a map whose value is cheaper computed again than stored and read becomes part of each reader's prologue (stage a or b) or
 *           epilogue.
 * BN statistics are barriers by themselves: what applies them reads what their merge computes, which needs the whole tensor.
 * Nothing here knows a layer: kinds, readers, order and bytes decide. Every decision is a line of the ledger. */
#ifndef RGC_PASSES_FUSE_H
#define RGC_PASSES_FUSE_H
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"

/* In place. `ledger` may be NULL; it gets one line a decision: what, where (layer, line), why, bytes. */
void rgc_fuse(rgc_graph *graph, const rgc_target *target, rgc_text *ledger);

/* Side stores (fuse_side.c). In: kernels that have their tiles, in the order in which they run. Out: maps that a contract over pixels
 * reads first are computed in its prologue, and stored from there, where that moves fewer bytes. After `recompute`, which can then run a join
 * again without the contract behind it. In place; the ledger as above. */
void rgc_fuse_side_stores(rgc_graph *graph, const rgc_target *target, rgc_text *ledger);
#endif
