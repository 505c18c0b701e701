/* bench.h: how fast a network's programs are, on random data. */
#ifndef RGC_TRAIN_BENCH_H
#define RGC_TRAIN_BENCH_H
#include "runtime/train/model.h"

typedef struct rgc_bench_op {
  const rgc_op *op;
  double seconds;        /* of one run, median */
  double flops, bytes;   /* of one run: products and sums of a contract; operands and outputs, each once */
} rgc_bench_op;

typedef struct rgc_bench_result {
  double seconds; /* of one step, median */
  rgc_bench_op *ops;
  int op_count;
} rgc_bench_result;

/* Runs the program `repeats` times after one to warm up; with_ops: and as often once more, timing each op. In `arena`. */
void rgc_bench(const rgc_model *model, const rgc_model_program *program, int repeats, bool with_ops, rgc_arena *arena,
               rgc_bench_result *result);
/* GFLOP/s that `threads` threads reach with multiply-adds in registers alone; 0 with a diagnostic. */
double rgc_bench_peak(const rgc_cpu_target *target, int threads, rgc_diagnostics *diags);
#endif
