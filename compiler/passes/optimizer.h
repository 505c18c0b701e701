/* optimizer.h: appends the update of every parameter that has a gradient, as maps with states. */
#ifndef RGC_PASSES_OPTIMIZER_H
#define RGC_PASSES_OPTIMIZER_H
#include "compiler/graph/graph.h"

typedef enum rgc_update_rule { RGC_UPDATE_SGD, RGC_UPDATE_ADAM, RGC_UPDATE_ADAMW } rgc_update_rule;

/* PyTorch's definitions (torch.optim.SGD, Adam, AdamW). Weight decay is added to the gradient, in AdamW taken from the weight:
 *   SGD    v = momentum v + g;  w -= lr (nesterov ? g + momentum v : v)
 *   Adam   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr * m BIAS1 / (sqrt(v BIAS2) + eps)
 * What comes before, in this order:
 *   accumulate  acc = (first ? 0 : acc) + share g, in each micro-batch; all other values change in the last one only
 *   clip_value  g = min(max(g, -value), value)                   (torch.nn.utils.clip_grad_value_)
 *   clip_norm   g = g min(1, norm / (sqrt(sum over all parameters of g^2) + 1e-6))        (clip_grad_norm_)
 * and behind: ema = ema d + (1 - d) w, with the new w. */
typedef struct rgc_update_settings {
  rgc_update_rule rule;
  double momentum, weight_decay, beta1, beta2, eps;
  bool nesterov;
  double clip_norm, clip_value; /* 0: not clipped */
  double ema;                   /* decay of the average; 0: none */
  bool accumulate;              /* over micro-batches: scalars first, last and share */
  /* May be NULL. Tells of one parameter its weight decay and what its learning rate is multiplied by, 1 before. */
  void (*choose)(const void *context, const rgc_value *parameter, double *lr_factor, double *weight_decay);
} rgc_update_settings;

/* `frozen` (may be NULL) tells whether the parameter of that name stays as it is; `context` is for it and for `choose`. */
void rgc_append_updates(rgc_graph *graph, const rgc_update_settings *settings,
                        bool (*frozen)(void *context, const char *parameter), void *context);
#endif
