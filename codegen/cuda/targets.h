/* targets.h: what codegen knows of the GPUs it prints CUDA for, as data. */
#ifndef RGC_CODEGEN_CUDA_TARGETS_H
#define RGC_CODEGEN_CUDA_TARGETS_H
#include "compiler/base/diag.h"
#include "compiler/passes/target.h"

typedef struct rgc_cuda_target {
  rgc_target facts;      /* what the compiler's passes are told; the name is "cuda-" and the architecture */
  const char *arch;      /* for NVRTC: "sm_90a" */
  int multiprocessors;   /* of the largest card of the kind: weight gradients are cut into parts until each has work */
  int mma_products;      /* tensor cores: products of tf32 parts for one of float32 (contract_mma.cuh); 0: none are used */
  int wgmma_channels;    /* a contract or weight gradient of bf16 with at least so many channels in a group of A has TMA and wgmma (emit_wgmma.c,
                            emit_weights_wgmma.c say what else it must be); 0: there are none */
  int part_pixels;       /* most pixels that one float32 sum of a weight gradient runs over */
} rgc_cuda_target;

extern const rgc_cuda_target rgc_cuda_targets[]; /* ends with an arch of NULL */
/* The one of that architecture ("sm_90a") or name ("cuda-sm_90a"); NULL for the first. NULL with a DEVICE error that lists them. */
const rgc_cuda_target *rgc_cuda_target_choose(const char *name, rgc_diagnostics *diags);
/* "rgc has targets for sm_80, ...", in `arena`. */
const char *rgc_cuda_target_list(rgc_arena *arena);
/* The target that a plan's program names; NULL if it is none of these. */
const rgc_cuda_target *rgc_cuda_target_named(const char *name);
#endif
