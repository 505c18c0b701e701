/* kernel_args.cuh: what every CUDA kernel is told; codegen and the devices include it, too.
 *
 * operands[i] is the data of the op's input i, outputs[i] of its output i. They, and `workspace`, stay the same from step to step, so
 * that a step can be captured as a graph; what changes lies in device memory at `step`. All extents are constants of the text. */
#ifndef RGC_CUDA_KERNEL_ARGS_CUH
#define RGC_CUDA_KERNEL_ARGS_CUH

enum { CUDA_MAX_OPERANDS = 24, CUDA_MAX_OUTPUTS = 12, CUDA_MAX_PARTIALS = 4, CUDA_SCALARS = 16 };

/* The numbers of a step. */
typedef struct kernel_step {
  float scalars[CUDA_SCALARS]; /* by rgc_scalar */
  unsigned long long seed;     /* of random numbers */
  unsigned int number;         /* of the step, from 0 */
  int valid;                   /* samples that count, at most N */
  int halted;                  /* 1: the loss is not finite, and nothing that outlives the step may change (step_guard.cuh) */
} kernel_step;

typedef struct kernel_args {
  const float *operands[CUDA_MAX_OPERANDS];
  float *outputs[CUDA_MAX_OUTPUTS];
  float *workspace; /* of this launch and the one behind it: sums of the parts of a weight gradient */
  const kernel_step *step;
} kernel_args;
#endif
