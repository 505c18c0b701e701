/* kernel_args.h: what every kernel of the host is told at run time; contract_args.h adds to it.
 *
 * A kernel is `void NAME(const void *args, int64_t tile, void *slab)`. operands[i] is the data of the op's input i, outputs[i] of
 * its output i; partials[k] is the output of the k-th partial store. */
#ifndef RGC_TEMPLATE_KERNEL_ARGS_H
#define RGC_TEMPLATE_KERNEL_ARGS_H

enum { KERNEL_MAX_OPERANDS = 24, KERNEL_MAX_OUTPUTS = 12, KERNEL_MAX_PARTIALS = 4 };
enum { CONTRACT_SUM, CONTRACT_MAX, CONTRACT_MOMENTS }; /* kinds of partial outputs */
enum { REDUCE_SUM, REDUCE_MAX, REDUCE_ARGMAX, REDUCE_MERGE }; /* how an accumulator combines; the order of rgc_combine */

#define KERNEL_ARGS                                                                                                    \
  int64_t valid; /* samples that count: n_valid, at most N; images of a flattened kernel */                            \
  const float *operands[KERNEL_MAX_OPERANDS];                                                                          \
  float *outputs[KERNEL_MAX_OUTPUTS];                                                                                  \
  float *partials[KERNEL_MAX_PARTIALS];                                                                                \
  const float *scalars; /* the numbers of a step, by rgc_scalar */                                                     \
  int64_t seed, step;   /* of random numbers */

/* What both kinds of arguments begin with. */
typedef struct common_args {
  KERNEL_ARGS
} common_args;

typedef struct kernel_args {
  KERNEL_ARGS
  /* Output space, and A space where there is one. */
  int64_t out_n, out_h, out_w, out_c;
  int64_t a_n, a_h, a_w, a_c;
  int64_t samples; /* 1: axis N of the output space counts samples; 2: of A space too */
  int64_t tile_rows, tile_images, tile_c; /* of a tile: rows n*H+h or whole images, and channels */
} kernel_args;
#endif
