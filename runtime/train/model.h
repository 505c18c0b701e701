/* model.h: a network on a device: its programs, and the memory they share.
 *
 * Parameters, buffers and optimizer states have one place each, the same in all programs (memory.h lays them out by name); activations
 * of the programs lie over one another, for only one runs at a time. rgc_model_load and rgc_model_save are public: see rgc.h. */
#ifndef RGC_TRAIN_MODEL_H
#define RGC_TRAIN_MODEL_H
#include "compiler/plan/plan_build.h"
#include "runtime/data/loader.h"
#include "runtime/device/device.h"
#include "runtime/rgc.h"

typedef struct rgc_model_program {
  const rgc_program *program; /* its graph and memory; NULL: not wanted */
  rgc_device_program *run;
  void **data;                                /* [value_count]: where this process sees each value */
  int input, label, other_label, loss, correct, other_correct, logits, kept; /* value ids; -1: the program has none */
  int teacher;                                   /* input: the teacher's logits */
  struct rgc_model_output {
    int logits, label, loss, correct; /* value ids; -1: the program has none */
  } outputs[RGC_MAX_OUTPUTS];         /* by class set; of a network of one output, the same as above */
} rgc_model_program;

typedef struct rgc_model {
  rgc_arena *arena;
  rgc_network *network;
  rgc_plan *plan;
  const rgc_device *device;
  const rgc_target *target;
  int64_t batch;           /* samples that a program takes at once */
  int64_t step_batch;      /* samples of a training step's batch, taken in micro-batches of `batch`, the last of them perhaps smaller */
  int threads;
  rgc_device_memory memory;
  rgc_model_program train, fold, infer;
  int compiled;            /* kernels that were not in the cache */
  double compile_seconds;  /* that compiling them took */
  rgc_bn_mode bn;          /* what the training program was compiled for */
  bool folded;             /* program fold has run since the weights changed last */
} rgc_model;

/* Takes the programs from the plan, or compiles those it lacks (and adds them), allocates all memory; weights are the plan's, or drawn.
 * False after an error; destroy it in any case. */
bool rgc_model_create(rgc_model *model, rgc_network *network, rgc_plan *plan, const rgc_model_options *options, rgc_diagnostics *diags);
/* Only to run program fold, and to look at program infer, which gets no machine code. */
bool rgc_model_create_fold(rgc_model *model, rgc_plan *plan, int64_t batch, const rgc_target *target, rgc_diagnostics *diags);
void rgc_model_destroy(rgc_model *model); /* nothing, for one that is all 0 */
int64_t rgc_model_classes(const rgc_model *model); /* logits of a sample, all outputs together */
/* Program infer or train; NULL with a USAGE error where the model was opened without the latter. */
const rgc_model_program *rgc_model_program_of(const rgc_model *model, bool infer, rgc_diagnostics *diags);
/* Compiles the training program anew after the network's settings have changed; all values stay. */
bool rgc_model_retrain(rgc_model *model, rgc_diagnostics *diags);

/* What inference needs of the weights, if they have changed; then rgc_device_run(model->infer.run). */
bool rgc_model_fold(rgc_model *model, rgc_diagnostics *diags);
/* Takes a batch on its way to the program's input, and to its labels where it reads them (classes of the data set become the outputs' by train:
 * labels; NULL for a program without); what is in data[teacher] goes along. rgc_device_load makes it the next run's. The step's scalar mix
 * belongs to it, too. */
bool rgc_model_stage(const rgc_model *model, const rgc_model_program *program, int slot, const rgc_batch *batch, rgc_diagnostics *diags);
/* Both at once. */
bool rgc_model_give(const rgc_model *model, const rgc_model_program *program, const rgc_batch *batch, rgc_diagnostics *diags);
/* Data of a value, when all runs before are done; NULL after an error. */
const float *rgc_model_read(const rgc_model_program *program, int value, rgc_diagnostics *diags);

/* rgc_model_load is for weights of anywhere, by the network's rules (import.h). This is for a run that goes on, whose checkpoint it takes
 * whole. */
bool rgc_model_restore(rgc_model *model, const char *path, rgc_diagnostics *diags);
/* How far a training run is; kept with the optimizer state. */
typedef struct rgc_run_state {
  int64_t step;    /* steps done */
  double best_acc; /* the best validation's */
  int64_t stale;   /* validations since it became better */
} rgc_run_state;
/* Optimizer state and how far the run is, beside a checkpoint. The file knows which weights it belongs to: it is not loaded with others. */
bool rgc_model_save_state(const rgc_model *model, const char *path, const rgc_run_state *run, rgc_diagnostics *diags);
bool rgc_model_load_state(rgc_model *model, const char *path, rgc_run_state *run, rgc_diagnostics *diags);
/* Whether there is such a file, whole, of the weights as they are. */
bool rgc_model_has_state(const rgc_model *model, const char *path);
/* Averaged weights (ema:), states NAME.ema of the training program; nothing happens where there are none. */
bool rgc_model_start_averages(rgc_model *model, rgc_diagnostics *diags); /* as the weights are now */
bool rgc_model_swap_averages(rgc_model *model, rgc_diagnostics *diags);  /* parameters and averages change places */
#endif
