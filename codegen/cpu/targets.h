/* targets.h: what codegen knows of the machines it prints C for, as data. */
#ifndef RGC_CODEGEN_CPU_TARGETS_H
#define RGC_CODEGEN_CPU_TARGETS_H
#include <stdbool.h>

#include "compiler/base/diag.h"
#include "compiler/passes/target.h"

/* How kernels are compiled, whatever the target: what their bits depend on, too. */
#define RGC_CPU_KERNEL_FLAGS "-std=gnu17 -O3 -ffp-contract=off -fno-math-errno"

typedef struct rgc_cpu_target {
  rgc_target facts;      /* what the compiler's passes are told */
  int lanes;             /* floats of a vector */
  int group_pixels;      /* accumulators of a contract's group, in pixels: as many as registers hold, two vectors each */
  int weight_block;      /* output channels that share the registers in a weight gradient */
  const char *flags;     /* for the compiler, separated by blanks */
  const char *macro;     /* that the compiler defines where it was given them; NULL: none are needed */
} rgc_cpu_target;

extern const rgc_cpu_target rgc_cpu_targets[]; /* from the widest to the plainest; ends with 0 lanes */
/* The widest that this machine can run; or the one of that name, NULL if there is none: programs are made for any machine. */
const rgc_cpu_target *rgc_cpu_target_best(void);
const rgc_cpu_target *rgc_cpu_target_named(const char *name);
/* The one of that name, or for NULL the best; NULL with a DEVICE error that lists them. */
const rgc_cpu_target *rgc_cpu_target_choose(const char *name, rgc_diagnostics *diags);
/* Whether this machine can run it; false with a DEVICE error that names the best that it can. */
bool rgc_cpu_target_runs_here(const rgc_cpu_target *target);
bool rgc_cpu_target_check_here(const char *name, rgc_diagnostics *diags);
#endif
