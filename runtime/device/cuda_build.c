/* cuda_build.c: see cuda_build.h. Each function is a program of its own for NVRTC, in an arena of its own, so that threads share nothing. */
#include "runtime/device/cuda_build.h"

#include "codegen/cuda/templates.h"
#include "compiler/base/clock.h"

/* What is fused is said by fmaf, so the compiler adds none. */
static const char *const options[] = {"--fmad=false"};

/* One function; its diagnostics are the job's own until it is over. */
typedef struct job {
  rgc_arena *arena;
  rgc_diagnostics diags;
  const rgc_cubin *cubin;
} job;

static void compile_one(const rgc_nvrtc *nvrtc, const rgc_function *function, const char *arch, job *to) {
  rgc_text text = {0};
  to->arena = rgc_arena_create();
  rgc_diagnostics_init(&to->diags, to->arena);
  rgc_function_print(function, &text);
  rgc_template source = {.name = rgc_arena_printf(to->arena, "%s.cu", function->name), .text = rgc_text_chars(&text)};
  to->cubin = rgc_nvrtc_compile(nvrtc, &source, rgc_cuda_templates, rgc_cuda_template_count, arch, options, 1, to->arena, &to->diags);
  rgc_text_free(&text);
}

const rgc_cubin_kernel *rgc_cuda_build_kernel(const rgc_cuda_build *build, int function) { return &build->cubins[function]->kernels[0]; }

static bool collect(rgc_cuda_build *build, const rgc_cuda_code *code, job *jobs, rgc_diagnostics *diags) {
  for (int i = 0; i < build->count; i++) {
    build->arenas[i] = jobs[i].arena;
    build->cubins[i] = jobs[i].cubin;
    if (!jobs[i].cubin || !jobs[i].cubin->kernel_count) {
      const char *why = jobs[i].diags.count ? jobs[i].diags.items[0].message : "the cubin has no kernel";
      for (int k = i + 1; k < build->count; k++) build->arenas[k] = jobs[k].arena;
      return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "kernel %s of %s: %s", code->functions[i].name, code->functions[i].comment, why);
    }
    const rgc_cubin_kernel *kernel = rgc_cuda_build_kernel(build, i);
    if (kernel->registers > build->most_registers) build->most_registers = kernel->registers, build->widest = i;
    build->spilling += kernel->spill_store_bytes > 0;
  }
  return true;
}

rgc_cuda_build *rgc_cuda_build_open(const rgc_cuda_code *code, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(diags);
  if (!nvrtc || !rgc_nvrtc_check_architecture(nvrtc, target->arch, diags)) return rgc_nvrtc_close(nvrtc), NULL;
  rgc_cuda_build *build = RGC_NEW(arena, rgc_cuda_build);
  build->count = code->function_count;
  build->cubins = RGC_NEW_ARRAY(arena, const rgc_cubin *, build->count + 1);
  build->arenas = RGC_NEW_ARRAY(arena, rgc_arena *, build->count + 1);
  job *jobs = RGC_NEW_ARRAY(arena, job, build->count + 1);
  double start = rgc_now_seconds();
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < build->count; i++) compile_one(nvrtc, &code->functions[i], target->arch, &jobs[i]);
  build->seconds = rgc_now_seconds() - start;
  rgc_nvrtc_close(nvrtc);
  if (collect(build, code, jobs, diags)) return build;
  rgc_cuda_build_close(build);
  return NULL;
}

void rgc_cuda_build_close(rgc_cuda_build *build) {
  for (int i = 0; build && i < build->count; i++) rgc_arena_destroy(build->arenas[i]);
}
