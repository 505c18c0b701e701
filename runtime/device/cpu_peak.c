/* cpu_peak.c: multiply-adds in registers alone (templates/peak.h), and a copy that no cache holds; the best of some rounds each. */
#include "runtime/device/cpu_peak.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/templates/contract_args.h"
#include "runtime/device/kernel_cache.h"

enum { PEAK_STEPS = 4000000, PEAK_ROUNDS = 7, PEAK_CHAINS = 12, COPY_BYTES = 64 << 20 /* a thread */ };

/* The peak kernel as code of one function. */
static rgc_cpu_code *peak_code(const rgc_cpu_target *target, rgc_arena *arena) {
  rgc_cpu_code *code = RGC_NEW(arena, rgc_cpu_code);
  code->functions = RGC_NEW(arena, rgc_function);
  code->function_count = 1;
  code->functions[0] = (rgc_function){.name = "peak", .comment = "measuring the machine"};
  code->functions[0].text = rgc_arena_printf(arena,
                                             "#define CONTRACT_LANES %d\n#include \"codegen/cpu/templates/vector.h\"\n"
                                             "#include \"codegen/cpu/templates/kernel_args.h\"\n#define LOOP_NAME peak\n#define PEAK_CHAINS %d\n"
                                             "#include \"codegen/cpu/templates/peak.h\"\n", target->lanes, PEAK_CHAINS);
  return code;
}

static bool measure_flops(const rgc_cpu_target *target, int threads, double *flops, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_kernel_build *build = rgc_kernel_build_open(peak_code(target, arena), target, arena, diags);
  float *sums = RGC_NEW_ARRAY(arena, float, threads * 16 + 16);
  kernel_args args = {.out_c = PEAK_STEPS, .outputs = {sums}};
  for (int r = 0; build && r < PEAK_ROUNDS; r++) {
    double start = omp_get_wtime();
#pragma omp parallel for num_threads(threads)
    for (int t = 0; t < threads; t++) build->kernels[0](&args, t, NULL);
    double rate = 2.0 * PEAK_STEPS * PEAK_CHAINS * target->lanes * threads / (omp_get_wtime() - start);
    *flops = rate > *flops ? rate : *flops;
  }
  bool good = build != NULL;
  rgc_kernel_build_close(build);
  rgc_arena_destroy(arena);
  return good;
}

static void measure_bytes(int threads, double *bytes) {
  char *from = malloc((size_t)threads * COPY_BYTES), *to = malloc((size_t)threads * COPY_BYTES);
  for (int r = -1; from && to && r < PEAK_ROUNDS; r++) { /* the first round touches the pages */
    double start = omp_get_wtime();
#pragma omp parallel for num_threads(threads)
    for (int t = 0; t < threads; t++) {
      if (r < 0) memset(from + (size_t)t * COPY_BYTES, t + 1, COPY_BYTES);
      memcpy(to + (size_t)t * COPY_BYTES, from + (size_t)t * COPY_BYTES, COPY_BYTES);
    }
    double rate = 2.0 * COPY_BYTES * threads / (omp_get_wtime() - start);
    *bytes = r >= 0 && rate > *bytes ? rate : *bytes;
  }
  free(from);
  free(to);
}

bool rgc_cpu_measure(const rgc_device_memory *memory, const rgc_target *target, int threads, rgc_device_peak *peak, rgc_diagnostics *diags) {
  (void)memory;
  *peak = (rgc_device_peak){0};
  if (!measure_flops(rgc_cpu_target_named(target->name), threads, &peak->flops, diags)) return false;
  measure_bytes(threads, &peak->bytes);
  return true;
}
