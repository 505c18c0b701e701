/* gradient.h: what the files of autodiff share: the state of one differentiation, and gradients added up in it. */
#ifndef RGC_PASSES_GRADIENT_H
#define RGC_PASSES_GRADIENT_H
#include "compiler/graph/graph.h"

typedef struct rgc_gradients {
  rgc_graph *graph;
  int loss;     /* value id */
  bool *needed; /* by value id of the forward graph: some parameter lies behind it */
  int *grads;   /* by value id of the forward graph: its gradient so far, or -1 */
} rgc_gradients;

/* A fresh value for a gradient (or a part of it) of `value`. */
int rgc_gradient_value(rgc_gradients *g, int value);
/* Marks `made` as backward of `forward`; returns it. */
rgc_op *rgc_gradient_op(const rgc_op *forward, rgc_op *made);
/* Adds `part` to the gradient of `value`. */
void rgc_gradient_add(rgc_gradients *g, const rgc_op *forward, int value, int part);
#endif
