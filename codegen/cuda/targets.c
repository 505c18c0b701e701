/* targets.c: see targets.h. */
#include "codegen/cuda/targets.h"

#include <string.h>

#include "codegen/cuda/templates/kernel_args.cuh"
#include "compiler/base/text.h"
#include "compiler/graph/graph.h"

/* Weights stay as they lie, there is no Winograd; a tile is what a block takes, and there is no cache to fit it into. The library is cuBLAS, whose float32 products
 * do not go by tensor cores, as rgc's own do (contract_mma.cuh); a sum of its may be as long as one of part_pixels. */
#define FACTS(word)                                                                                                    \
  {.name = word, .panel_lanes = 0, .min_panel_lanes = 0, .block = 1, .tile_pixels = 128, .tile_floats = INT64_C(1) << 40, .block_pixels = 128, .block_channels = 64, \
   .map_tile_floats = 1 << 15, .winograd_min_channels = 0, .operations_per_byte = 100, .min_tiles = 256, .max_streams = 3, .max_weight_streams = 3,    \
   .precisions = 1 << RGC_PRECISION_FP32 | 1 << RGC_PRECISION_TF32 | 1 << RGC_PRECISION_BF16, .max_operands = CUDA_MAX_OPERANDS, .max_outputs = CUDA_MAX_OUTPUTS, .max_partials = CUDA_MAX_PARTIALS,    \
   .library_samples = 4096, .library_precisions = 1 << RGC_PRECISION_TF32 | 1 << RGC_PRECISION_BF16}

/* multiprocessors: of an A100, H100, B200, RTX 5090. */
const rgc_cuda_target rgc_cuda_targets[] = {
    {.facts = FACTS("cuda-sm_80"), .arch = "sm_80", .multiprocessors = 108, .mma_products = 3, .part_pixels = 4096},
    {.facts = FACTS("cuda-sm_90a"), .arch = "sm_90a", .multiprocessors = 132, .mma_products = 3, .wgmma_channels = 64, .part_pixels = 4096},
    {.facts = FACTS("cuda-sm_100"), .arch = "sm_100", .multiprocessors = 148, .mma_products = 3, .part_pixels = 4096},
    {.facts = FACTS("cuda-sm_120"), .arch = "sm_120", .multiprocessors = 170, .mma_products = 3, .part_pixels = 4096},
    {.arch = NULL}};

const rgc_cuda_target *rgc_cuda_target_named(const char *name) {
  for (const rgc_cuda_target *target = rgc_cuda_targets; target->arch; target++)
    if (!strcmp(target->facts.name, name) || !strcmp(target->arch, name)) return target;
  return NULL;
}

const char *rgc_cuda_target_list(rgc_arena *arena) {
  rgc_text list = {0};
  for (const rgc_cuda_target *target = rgc_cuda_targets; target->arch; target++) rgc_text_printf(&list, "%s%s", list.length ? ", " : "rgc has targets for ", target->arch);
  return rgc_text_take(&list, arena);
}

const rgc_cuda_target *rgc_cuda_target_choose(const char *name, rgc_diagnostics *diags) {
  const rgc_cuda_target *target = name ? rgc_cuda_target_named(name) : rgc_cuda_targets;
  if (!target) rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, rgc_cuda_target_list(diags->arena), "there is no CUDA target '%s'", name);
  return target;
}
