/* cpu.h: runs a graph of kernels on this machine's cores.
 *
 * One parallel region a step: the threads go through the kernels together and share each one's tiles. A kernel's tiles depend on
 * shapes alone and do not share what they write, so the bits do not depend on how many threads there are. */
#ifndef RGC_DEVICE_CPU_H
#define RGC_DEVICE_CPU_H
#include "codegen/cpu/emit.h"

typedef struct rgc_cpu_program rgc_cpu_program;

/* The numbers of one step. */
typedef struct rgc_cpu_step {
  float scalars[RGC_SCALAR_COUNT];
  uint64_t seed;
  uint32_t step; /* from 0, for random numbers */
} rgc_cpu_step;

/* Sets n_valid and inv_n; and that the batch is a whole step (first, last and share are 1). */
void rgc_cpu_step_set_valid(rgc_cpu_step *step, int64_t valid);

/* Compiles (or finds) the kernels of `graph`, which must outlive the program. data[v] is where value v lies, for every value that an op
 * reads or writes. threads 0: as many as there are processors, or OMP_NUM_THREADS. NULL with a diagnostic. */
rgc_cpu_program *rgc_cpu_program_create(const rgc_graph *graph, const rgc_cpu_target *target, void *const *data, int threads,
                                        rgc_diagnostics *diags);
void rgc_cpu_program_destroy(rgc_cpu_program *program);
/* All ops, or ops [first, first + count). */
void rgc_cpu_program_run(rgc_cpu_program *program, const rgc_cpu_step *step);
void rgc_cpu_program_run_ops(rgc_cpu_program *program, const rgc_cpu_step *step, int first, int count);
/* As rgc_cpu_program_run, and adds each op's seconds to seconds[op]. */
void rgc_cpu_program_profile(rgc_cpu_program *program, const rgc_cpu_step *step, double *seconds);

const rgc_cpu_code *rgc_cpu_program_code(const rgc_cpu_program *program);
int rgc_cpu_program_threads(const rgc_cpu_program *program);
/* How many functions had to be compiled, and the seconds that took. */
int rgc_cpu_program_compiled(const rgc_cpu_program *program, double *seconds);
#endif
