/* fold.h: inference in two programs: what follows from the parameters alone is computed when they change, not once a batch. */
#ifndef RGC_PASSES_FOLD_H
#define RGC_PASSES_FOLD_H
#include "compiler/graph/kernel.h"

/* In a graph of unfused kernels: where a contract's only reader multiplies its sum by a vector of channels that depends on parameters
 * alone (BN with running statistics), the vector goes into the weight instead: w'[o,...] = w[o,...] * scale[o]. In place. */
void rgc_fold_scales(rgc_graph *graph);
/* Keeps the ops that depend on parameters and buffers alone (constant: program `fold`), or the others (program `infer`). Values that
 * cross become FOLDED, in both programs the same. In place. */
void rgc_split_constant(rgc_graph *graph, bool constant);
#endif
