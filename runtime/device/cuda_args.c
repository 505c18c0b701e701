/* cuda_args.c: see cuda_args.h. */
#include "runtime/device/cuda_args.h"

#include <string.h>

static void *allocate_aligned(size_t bytes, rgc_arena *arena) {
  char *made = rgc_arena_alloc(arena, bytes + RGC_TENSOR_MAP_ALIGN);
  return made + (RGC_TENSOR_MAP_ALIGN - (uintptr_t)made % RGC_TENSOR_MAP_ALIGN) % RGC_TENSOR_MAP_ALIGN;
}

void **rgc_cuda_make_args(const rgc_cuda_code *code, const rgc_graph *graph, kernel_args *args, rgc_cuda_encode encode, void *context, rgc_arena *arena,
                          rgc_diagnostics *diags) {
  void **all = RGC_NEW_ARRAY(arena, void *, code->launch_count + 1);
  for (int i = 0; i < code->launch_count; i++) {
    const rgc_cuda_launch *launch = &code->launches[i];
    kernel_args *own = &args[launch->op];
    all[i] = own;
    if (!launch->map_count) continue;
    char *made = allocate_aligned(rgc_tensor_args_bytes(sizeof *own, launch->map_count), arena), *maps = made + rgc_tensor_maps_offset(sizeof *own);
    memcpy(made, own, sizeof *own);
    for (int m = 0; m < launch->map_count; m++)
      if (!encode(context, maps + m * RGC_TENSOR_MAP_BYTES, &launch->maps[m], own->operands[launch->maps[m].input], graph->ops[launch->op].layer, diags)) return NULL;
    all[i] = made;
  }
  return all;
}
