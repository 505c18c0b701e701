/* probe.h: single looks into a network: what it says of an image, what a value is. */
#ifndef RGC_TRAIN_PROBE_H
#define RGC_TRAIN_PROBE_H
#include "runtime/data/pipeline.h"
#include "runtime/train/model.h"

/* Probabilities of all classes for a JPEG, PNG or WebP file as evaluation sees it, by softmax of the logits; probabilities[classes]. The
 * model is of batch 1, folded. */
bool rgc_predict_file(const rgc_model *model, const char *path, double *probabilities, rgc_diagnostics *diags);
/* Runs the first training batch of `data` through the program that keeps a value (the training step if the model has one) and writes the
 * value as float32 .npy, in its logical order [N,H,W,C]. */
bool rgc_dump_value(const rgc_model *model, const rgc_dataset *data, uint64_t seed, const char *path, rgc_diagnostics *diags);
/* Sets the optimizer's numbers of step `step`, counted from 0: the rate, and Adam's bias corrections; mix 1. */
void rgc_step_set_rates(rgc_cpu_step *numbers, const rgc_train_settings *settings, double rate, int64_t step);
/* The way from samples of `data` (NULL: from image files) to the network's input. Arrays live in `arena`. */
rgc_pipeline_options rgc_input_pipeline(const rgc_network *network, const rgc_dataset *data, bool train, uint64_t seed, rgc_arena *arena);
#endif
