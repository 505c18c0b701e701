/* reference_model.h: a network that runs on the reference evaluator: a training graph with its updates, an evaluation graph, and the
 * learnt values they share by name. */
#ifndef RGC_REFERENCE_MODEL_H
#define RGC_REFERENCE_MODEL_H
#include "compiler/lang/lang.h"
#include "runtime/reference/evaluate.h"

typedef struct rgc_reference_model {
  rgc_network *network;
  int64_t batch;
  rgc_graph *train_graph, *eval_graph;
  rgc_reference *train, *eval;
  int input, label, loss, correct; /* values of train_graph */
  int eval_input, eval_logits;     /* values of eval_graph */
} rgc_reference_model;

/* Builds both graphs for `batch` samples, appends gradients and updates, draws the initial values. False after an error. */
bool rgc_reference_model_create(rgc_reference_model *model, rgc_network *network, int64_t batch, uint64_t seed, rgc_diagnostics *diags);
void rgc_reference_model_destroy(rgc_reference_model *model);
/* Copies parameters and buffers of the training graph to the evaluation graph. */
void rgc_reference_model_sync(rgc_reference_model *model);
/* Every parameter and buffer from a safetensors file (runtime/train/weights.h). */
bool rgc_reference_model_load(rgc_reference_model *model, const char *path, rgc_diagnostics *diags);
#endif
