/* model.h: a network on a device: its programs, and the memory they share.
 *
 * Parameters, buffers and optimizer states have one place each, the same in all programs (memory.h lays them out by name); activations
 * of the programs lie over one another, for only one runs at a time. */
#ifndef RGC_TRAIN_MODEL_H
#define RGC_TRAIN_MODEL_H
#include "compiler/plan/plan_build.h"
#include "runtime/device/cpu.h"

typedef struct rgc_model_program {
  const rgc_program *program; /* its graph and memory; NULL: not wanted */
  rgc_cpu_program *run;
  void **data;                                /* [value_count]: where each value is */
  int input, label, loss, correct, logits, kept; /* value ids; -1: the program has none */
} rgc_model_program;

typedef struct rgc_model {
  rgc_arena *arena;
  rgc_network *network;
  rgc_plan *plan;
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
  bool train;        /* also the training program */
  const char *keep;  /* rgc_compile_options: of the training program if there is one, else of inference; NULL: none */
  const char *target; /* NULL: the best for this machine */
} rgc_model_options;

/* Takes the programs from the plan, or compiles those it lacks (and adds them), allocates all memory; weights are the plan's, or drawn.
 * False after an error; destroy it in any case. */
bool rgc_model_create(rgc_model *model, rgc_network *network, rgc_plan *plan, const rgc_model_options *options, rgc_diagnostics *diags);
void rgc_model_destroy(rgc_model *model);
/* Compiles the training program anew after the network's settings have changed; all values stay. */
bool rgc_model_retrain(rgc_model *model, rgc_diagnostics *diags);

/* What inference needs of the weights, after they have changed; then rgc_cpu_program_run(model->infer.run). */
void rgc_model_fold(const rgc_model *model);
/* Copies a batch to the program's input, and to its labels where it reads them. images: [valid,H,W,C]. */
void rgc_model_give_batch(const rgc_model_program *program, const float *images, const int32_t *labels, int64_t valid);
/* Data of a value. */
float *rgc_model_f32(const rgc_model_program *program, int value);
/* The plan with the weights as they are now, as a file that runs. */
bool rgc_model_save(rgc_model *model, const char *path, rgc_diagnostics *diags);
/* Parameters and buffers from a file of any kind that runtime/import reads, by the graph file's rules. */
bool rgc_model_load(rgc_model *model, const char *path, rgc_diagnostics *diags);
/* Optimizer state and the step it is of, beside a checkpoint. */
bool rgc_model_save_state(const rgc_model *model, const char *path, int64_t step, rgc_diagnostics *diags);
bool rgc_model_load_state(rgc_model *model, const char *path, int64_t *step, rgc_diagnostics *diags);
#endif
