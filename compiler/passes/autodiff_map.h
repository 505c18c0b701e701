/* autodiff_map.h: the gradient of a map, for autodiff.c. */
#ifndef RGC_PASSES_AUTODIFF_MAP_H
#define RGC_PASSES_AUTODIFF_MAP_H
#include "compiler/passes/gradient.h"

/* False if an operand reads a diagonal, which has no inverse view. */
bool rgc_map_gradient(rgc_gradients *g, const rgc_op *forward, int dy);
#endif
