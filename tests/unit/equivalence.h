/* equivalence.h: a network's program before fusion and after all passes, both interpreted in double on the same numbers. */
#ifndef RGC_TEST_EQUIVALENCE_H
#define RGC_TEST_EQUIVALENCE_H
#include "compiler/pipeline.h"
#include "runtime/reference/interpret.h"

typedef struct equivalence {
  rgc_arena *arena;
  rgc_diagnostics diags;
  const char *yaml;      /* of the network, for messages */
  const rgc_target *target;
  double tolerance;      /* of each tensor's largest number: 1e-9, unless changed */
  rgc_network *network;
  int64_t batch;
  uint64_t seed;         /* of all numbers; printed with every failure */
  rgc_graph *unfused;    /* after `decompose`; in bf16 after `precision` */
  rgc_compilation *done; /* after the last pass */
} equivalence;

/* The network of a text, as a program of `kind` for `target`. With `adamw` its updates are AdamW's, which no graph file can ask for yet. */
equivalence *equivalence_compile(const char *yaml, rgc_program_kind kind, int64_t batch, uint64_t seed, bool adamw, const rgc_target *target);
void equivalence_destroy(equivalence *e);
/* Outputs, next parameters, states and running statistics of both agree within the tolerance, with `valid`
 * samples in the batch. */
void equivalence_check(equivalence *e, int64_t valid);

/* The training step again, with as much recomputed as brings its peak down to `peak_bytes`, or as low as it goes. */
void equivalence_recompute(equivalence *e, int64_t peak_bytes);

/* Evaluation fused against unfused, and fold + infer against evaluation: all outputs. */
void equivalence_check_inference(const char *yaml, int64_t batch, int64_t valid, uint64_t seed, const rgc_target *target);

/* Fills what no op computes by its name: parameters around 0, variances and second moments above 0, labels below `classes`. */
rgc_interpreter *equivalence_prepare(const equivalence *e, const rgc_graph *graph, int64_t valid);
void equivalence_near(const equivalence *e, const char *name, const double *got, const double *wanted, int64_t count);

/* Kernels, and bytes that they read (each value once a kernel) and write. */
typedef struct traffic {
  int kernels, contracts, maps;
  int64_t bytes;
} traffic;
traffic equivalence_traffic(const rgc_graph *graph);
#endif
