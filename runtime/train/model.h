/* model.h: a network that runs on the reference evaluator: a training graph with its updates, an evaluation graph, and the
 * learnt values they share by name. */
#ifndef RGC_TRAIN_MODEL_H
#define RGC_TRAIN_MODEL_H
#include "compiler/lang/lang.h"
#include "runtime/reference/evaluate.h"

typedef struct rgc_model {
  rgc_network *network;
  int64_t batch;
  rgc_graph *train_graph, *eval_graph;
  rgc_reference *train, *eval;
  int input, label, loss, correct; /* values of train_graph */
  int eval_input, eval_logits;     /* values of eval_graph */
} rgc_model;

/* Builds both graphs for `batch` samples, appends gradients and updates, draws the initial values. False after an error. */
bool rgc_model_create(rgc_model *model, rgc_network *network, int64_t batch, uint64_t seed, rgc_diagnostics *diags);
void rgc_model_destroy(rgc_model *model);
/* Copies parameters, buffers and optimizer states of one model to another of the same network, by name. */
void rgc_model_copy(rgc_model *dst, rgc_model *src);
/* Copies parameters and buffers of the training graph to the evaluation graph. */
void rgc_model_sync(rgc_model *model);
/* Saves parameters and buffers as float32 under torchvision's names, in PyTorch's axis order. */
bool rgc_model_save(const rgc_model *model, const char *path, rgc_diagnostics *diags);
/* The way back: every parameter and buffer from a safetensors file of those names and shapes (WEIGHTS error otherwise; tensors
 * that the network does not have are left alone). */
bool rgc_model_load(rgc_model *model, const char *path, rgc_diagnostics *diags);
#endif
