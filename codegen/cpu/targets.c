/* targets.c: see targets.h. */
#include "codegen/cpu/targets.h"

#include <stdbool.h>
#include <string.h>

#define FACTS(word, lanes, narrowest, cache_floats)                                                                                                               \
  {.name = word, .panel_lanes = lanes, .min_panel_lanes = narrowest, .block = 16, .tile_pixels = 224,                                                             \
   .tile_floats = cache_floats, .map_tile_floats = 1 << 16, .winograd_min_channels = 8, .winograd_min_pixels = 48, .winograd_patches = 64,                        \
   .winograd_tile_floats = 5 << 17, .operations_per_byte = 8, .min_tiles = 8, .side_stores = true, .max_streams = 3, .max_weight_streams = 0, .max_operands = 24, \
   .max_outputs = 12, .max_partials = 4}

const rgc_cpu_target rgc_cpu_targets[] = {
    {.facts = FACTS("cpu-avx512", 32, 4, 1 << 18), .lanes = 16, .group_pixels = 14, .weight_block = 8,
     .flags = "-march=x86-64-v4 -mprefer-vector-width=512", .macro = "__AVX512F__"},
    {.facts = FACTS("cpu-avx2", 16, 4, 3 << 15), .lanes = 8, .group_pixels = 6, .weight_block = 4, .flags = "-march=x86-64-v3", .macro = "__AVX2__"},
    {.facts = FACTS("cpu-plain", 8, 4, 3 << 15), .lanes = 4, .group_pixels = 6, .weight_block = 4, .flags = ""},
    {.lanes = 0}};

bool rgc_cpu_target_runs_here(const rgc_cpu_target *target) {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (target->lanes == 16)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  if (target->lanes == 8) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  return true;
#else
  return target->lanes == 4;
#endif
}

const rgc_cpu_target *rgc_cpu_target_best(void) {
  const rgc_cpu_target *target = rgc_cpu_targets;
  while (target->lanes && !rgc_cpu_target_runs_here(target)) target++;
  return target->lanes ? target : NULL;
}

const rgc_cpu_target *rgc_cpu_target_named(const char *name) {
  for (const rgc_cpu_target *target = rgc_cpu_targets; target->lanes; target++)
    if (!strcmp(target->facts.name, name)) return target;
  return NULL;
}

const rgc_cpu_target *rgc_cpu_target_choose(const char *name, rgc_diagnostics *diags) {
  const rgc_cpu_target *target = name ? rgc_cpu_target_named(name) : rgc_cpu_target_best();
  if (!target)
    rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "targets: cpu-avx512, cpu-avx2, cpu-plain", "there is no target '%s'", name ? name : "cpu");
  return target;
}

bool rgc_cpu_target_check_here(const char *name, rgc_diagnostics *diags) {
  const rgc_cpu_target *target = rgc_cpu_target_named(name), *best = rgc_cpu_target_best();
  if (target && rgc_cpu_target_runs_here(target)) return true;
  const char *help = rgc_arena_printf(diags->arena, "the best that it runs is %s; rgc compile makes plans, and --emit texts, for others too", best ? best->facts.name : "none");
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, help, "this machine cannot run target '%s'", name);
}
