/* probe.h: what a step and an image need before a program runs. The looks into a network that probe.c holds are public (rgc.h). */
#ifndef RGC_TRAIN_PROBE_H
#define RGC_TRAIN_PROBE_H
#include "runtime/data/pipeline.h"
#include "runtime/train/model.h"

/* Sets the optimizer's numbers of step `step`, counted from 0: the rate, and Adam's bias corrections; mix 1. */
void rgc_step_set_rates(rgc_cpu_step *numbers, const rgc_train_settings *settings, double rate, int64_t step);
/* The numbers of a single step, the first. */
rgc_cpu_step rgc_single_step(const rgc_model *model, uint64_t seed, int64_t valid);
/* The way from samples of `data` (NULL: from image files) to the network's input. Arrays live in `arena`. */
rgc_pipeline_options rgc_input_pipeline(const rgc_network *network, const rgc_dataset *data, bool train, uint64_t seed, rgc_arena *arena);
#endif
