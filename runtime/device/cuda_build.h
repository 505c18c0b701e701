/* cuda_build.h: the kernels of a program as machine code of a GPU, by NVRTC; needs neither a GPU nor a driver. */
#ifndef RGC_DEVICE_CUDA_BUILD_H
#define RGC_DEVICE_CUDA_BUILD_H
#include "codegen/cuda/emit.h"
#include "runtime/device/nvrtc.h"

typedef struct rgc_cuda_build {
  const rgc_cubin **cubins; /* one a function of the code, with one kernel each */
  int count;
  double seconds;           /* that compiling took, on all processors */
  int most_registers;       /* of a thread, and the function that takes them */
  int widest;
  int spilling;             /* functions that spill registers */
  rgc_arena **arenas;       /* internal: [count], where the cubins lie */
} rgc_cuda_build;

/* Compiles all functions, several at once. NULL with a diagnostic: no NVRTC, or a kernel that it refuses. */
rgc_cuda_build *rgc_cuda_build_open(const rgc_cuda_code *code, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags);
void rgc_cuda_build_close(rgc_cuda_build *build); /* NULL is allowed */
/* What a function takes, as ptxas says. */
const rgc_cubin_kernel *rgc_cuda_build_kernel(const rgc_cuda_build *build, int function);
#endif
