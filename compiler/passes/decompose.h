/* decompose.h: from composite ops to kernels, the last pass before fusion. */
#ifndef RGC_PASSES_DECOMPOSE_H
#define RGC_PASSES_DECOMPOSE_H
#include "compiler/graph/kernel.h"

/* A new graph in `arena` that computes the same values by kernels alone (kernel.h). Values keep their ids and names, so that
 * a program's outputs are found as before; what lies between (moments, coefficients, row sums) is appended as TEMP values.
 * Ops that are kernels already are copied. No tiles are chosen: each partial is [1, planes, 1, C]. NULL with a diagnostic
 * when an op cannot be decomposed. */
rgc_graph *rgc_decompose(const rgc_graph *graph, rgc_arena *arena, rgc_diagnostics *diags);
#endif
