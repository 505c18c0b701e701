/* autodiff.h: reverse-mode differentiation of a composite graph. */
#ifndef RGC_PASSES_AUTODIFF_H
#define RGC_PASSES_AUTODIFF_H
#include "compiler/graph/graph.h"

/* Appends the ops that compute d loss / d p for every PARAM p the loss depends on; the gradient of value V is called
 * "V.grad". `loss` is a scalar: the first output of an xent op, or anything computed from parameters. Only values between a
 * parameter and the loss get a gradient; one that equals another value's is not made twice, unless of a parameter. False
 * (IR_INVALID) if an op on that way has no gradient. */
bool rgc_autodiff(rgc_graph *graph, int loss, rgc_diagnostics *diags);
/* The same, as if the parameters that `frozen` tells of were constants: nothing behind them alone gets a gradient. */
bool rgc_autodiff_trained(rgc_graph *graph, int loss, bool (*frozen)(void *context, const char *parameter), void *context,
                          rgc_diagnostics *diags);
/* The gradient of `value`, or -1. */
int rgc_gradient_of(const rgc_graph *graph, int value);
#endif
