/* cuda_args.h: the parameter of each launch, for the devices that run CUDA kernels: a kernel_args, and behind it the launch's tensor maps. */
#ifndef RGC_DEVICE_CUDA_ARGS_H
#define RGC_DEVICE_CUDA_ARGS_H
#include "codegen/cuda/emit.h"
#include "codegen/cuda/templates/kernel_args.cuh"

/* Makes a device's tensor map of a tensor at `base`, at `map`. False with a diagnostic; `of` says whose it is. */
typedef bool (*rgc_cuda_encode)(void *context, void *map, const rgc_tensor_map *what, const void *base, const char *of, rgc_diagnostics *diags);

/* By launch: args[its op] itself, or a copy with maps. NULL with a diagnostic. Values stay where they are, so this is done once. */
void **rgc_cuda_make_args(const rgc_cuda_code *code, const rgc_graph *graph, kernel_args *args, rgc_cuda_encode encode, void *context, rgc_arena *arena,
                          rgc_diagnostics *diags);
#endif
