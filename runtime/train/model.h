/* model.h: a network on a device: its programs, and the memory they share.
 *
 * Parameters, buffers and optimizer states have one place each, the same in all programs (memory.h lays them out by name); activations
 * of the programs lie over one another, for only one runs at a time. */
#ifndef RGC_TRAIN_MODEL_H
#define RGC_TRAIN_MODEL_H
#include "compiler/pipeline.h"
#include "runtime/device/cpu.h"

typedef struct rgc_model_program {
  rgc_compilation *compilation; /* its graph and memory; NULL: not compiled */
  rgc_cpu_program *run;
  void **data;                                /* [value_count]: where each value is */
  int input, label, loss, correct, logits;    /* value ids; -1: the program has none */
} rgc_model_program;

typedef struct rgc_model {
  rgc_arena *arena;
  rgc_network *network;
  const rgc_cpu_target *target;
  int64_t batch;
  int threads;
  void *regions[RGC_REGION_COUNT];
  int64_t region_bytes[RGC_REGION_COUNT];
  rgc_model_program train, fold, infer;
  int compiled;            /* kernels that were not in the cache */
  double compile_seconds;  /* that compiling them took */
} rgc_model;

typedef struct rgc_model_options {
  int64_t batch;
  uint64_t seed;     /* of initial values */
  int threads;       /* 0: all processors */
  bool train;        /* also compile the training program */
  const char *target; /* NULL: the best for this machine */
} rgc_model_options;

/* Compiles the programs, allocates all memory, draws initial values. False after an error; destroy it in any case. */
bool rgc_model_create(rgc_model *model, rgc_network *network, const rgc_model_options *options, rgc_diagnostics *diags);
void rgc_model_destroy(rgc_model *model);
/* Compiles the training program anew after the network's settings have changed; all values stay. */
bool rgc_model_retrain(rgc_model *model, rgc_diagnostics *diags);

/* What inference needs of the weights, after they have changed; then rgc_cpu_program_run(model->infer.run). */
void rgc_model_fold(const rgc_model *model);
/* Data of a value. */
float *rgc_model_f32(const rgc_model_program *program, int value);
/* Parameters and buffers to and from a file (weights.h). */
bool rgc_model_save(const rgc_model *model, const char *path, rgc_diagnostics *diags);
bool rgc_model_load(rgc_model *model, const char *path, rgc_diagnostics *diags);
#endif
