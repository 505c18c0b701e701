/* cuda_build.h: the kernels of a program as machine code of a GPU, by NVRTC and the cache on disk (cache.h); needs neither a GPU nor a driver.
 *
 * A function is the entry NAME-KEY.cubin; KEY is of the templates, the options, NVRTC (its version, its library) and the architecture. Functions that are missing are
 * compiled in groups (function_group.h), several at once, into one cubin a group, which then is linked under the name of each function. */
#ifndef RGC_DEVICE_CUDA_BUILD_H
#define RGC_DEVICE_CUDA_BUILD_H
#include "codegen/cuda/emit.h"
#include "runtime/device/nvrtc.h"

typedef struct rgc_cuda_build {
  const rgc_cubin **cubins;          /* [count], by function of the code; functions of one group share one, so each is to be loaded once */
  const rgc_cubin_kernel **kernels;  /* [count], by function: what it takes */
  int count;
  int compiled;                      /* how many functions were not in the cache */
  double seconds;                    /* that compiling took, on all processors */
  int most_registers;                /* of a thread, and the function that takes them */
  int widest;
  int spilling;                      /* functions that spill registers */
} rgc_cuda_build;

/* Everything lives in `arena`. NULL with a diagnostic: no NVRTC, a kernel that it refuses, a cache that cannot be used. */
rgc_cuda_build *rgc_cuda_build_open(const rgc_cuda_code *code, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags);
/* A warning (KERNEL) for each function that spills, takes more registers than its template declares, or that ptxas calls slow, with the layers
 * that it serves. Returns how many. */
int rgc_cuda_build_warn(const rgc_cuda_build *build, const rgc_cuda_code *code, rgc_diagnostics *diags);
#endif
