/* machine.h: what a machine can do, for predictions: arithmetic and memory traffic a second. */
#ifndef RGC_PLAN_MACHINE_H
#define RGC_PLAN_MACHINE_H
#include "compiler/base/diag.h"

/* What long kernels reach, not the data sheet's peaks. */
typedef struct rgc_machine {
  const char *name;
  const char *target;      /* "cuda-sm_90a": what programs for it are compiled for; NULL: no one */
  double fp32, tf32, bf16; /* FLOP/s of contracts of a program of that precision, two a multiply-add; 0: not told */
  double bandwidth;        /* bytes/s from and to memory */
} rgc_machine;

/* "h100", "a100", or a YAML file (or JSON, which is YAML):
 *   {name: my card, target: cuda-sm_80, fp32: 20000, tf32: 40000, bf16: 80000, bandwidth: 900}     GFLOP/s and GB/s; name and target may be missing
 * In `arena` or static. NULL with an error: no such machine or file, a key that there is not, a number that is none. */
const rgc_machine *rgc_machine_find(const char *name, rgc_arena *arena, rgc_diagnostics *diags);
/* Its FLOP/s at a program's precision ("fp32", "tf32", "bf16"); 0: not told. */
double rgc_machine_flops(const rgc_machine *machine, const char *precision);
#endif
