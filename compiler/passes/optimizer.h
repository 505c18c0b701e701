/* optimizer.h: appends the update of every parameter that has a gradient, as maps with states. */
#ifndef RGC_PASSES_OPTIMIZER_H
#define RGC_PASSES_OPTIMIZER_H
#include "compiler/graph/graph.h"

typedef enum rgc_update_rule { RGC_UPDATE_SGD, RGC_UPDATE_ADAM, RGC_UPDATE_ADAMW } rgc_update_rule;

/* PyTorch's definitions (torch.optim.SGD, Adam, AdamW). Weight decay is added to the gradient, in AdamW taken from the weight:
 *   SGD    v = momentum v + g;  w -= lr (nesterov ? g + momentum v : v)
 *   Adam   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr * m BIAS1 / (sqrt(v BIAS2) + eps) */
typedef struct rgc_update_settings {
  rgc_update_rule rule;
  double momentum, weight_decay, beta1, beta2, eps;
  bool nesterov;
} rgc_update_settings;

/* `frozen` (may be NULL) tells whether the parameter of that name stays as it is. */
void rgc_append_updates(rgc_graph *graph, const rgc_update_settings *settings,
                        bool (*frozen)(void *context, const char *parameter), void *context);
#endif
