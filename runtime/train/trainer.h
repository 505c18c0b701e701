/* trainer.h: the training loop: shuffled batches, a step, the tutorial's log, validation, checkpoints. */
#ifndef RGC_TRAIN_TRAINER_H
#define RGC_TRAIN_TRAINER_H
#include "compiler/plan/plan.h"
#include "compiler/lang/lang.h"
#include "runtime/data/dataset.h"

typedef struct rgc_run_options {
  const char *out_dir; /* must exist: log.csv; best.bin and last.bin, plans that run; last.state */
  bool resume;         /* go on from last.bin and last.state of out_dir, and with its log.csv */
  int64_t batch;       /* samples a step */
  int64_t steps;       /* 0: epochs */
  int64_t epochs;
  int64_t validate;    /* steps between validations; 0: once an epoch */
  uint64_t seed;
  const char *weights; /* a plan with weights or safetensors to start from, or NULL */
  const char *state;   /* optimizer state to go on from, with the step it is of, or NULL */
  int threads;         /* 0: all processors */
  const char *target;  /* "cpu-avx512"...; NULL: the best for this machine */
  const volatile int *stop; /* set from outside (Ctrl-C): save and end after this step; may be NULL */
} rgc_run_options;

typedef struct rgc_run_result {
  double valid_loss, valid_acc; /* of the last validation */
  double valid_top5; /* the label is among the five likeliest classes */
  double output_loss[RGC_MAX_OUTPUTS], output_acc[RGC_MAX_OUTPUTS]; /* by class set; valid_loss is their sum by weights, valid_acc the first */
  double best_acc;
  bool stopped;      /* from outside */
  bool early;        /* by patience: */
} rgc_run_result;

/* False after an error: shapes that do not fit, a loss that is not finite, files that cannot be written. */
bool rgc_train(rgc_network *network, rgc_plan *plan, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
               rgc_diagnostics *diags);
typedef struct rgc_prediction {
  int label, predicted; /* classes, from 0 */
  double probability;   /* of the predicted class, by softmax */
  int rank;             /* classes that are likelier than the label; equal ones count if they come before it */
} rgc_prediction;

/* Runs the validation split with options->weights; of the options only batch and weights count. `predictions` takes one entry a
 * validation sample, in their order; may be NULL. */
bool rgc_evaluate(rgc_network *network, rgc_plan *plan, const rgc_dataset *data, const rgc_run_options *options, rgc_run_result *result,
                  rgc_prediction *predictions, rgc_diagnostics *diags);
#endif
