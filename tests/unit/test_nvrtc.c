/* test_nvrtc.c: kernel texts through NVRTC: registers and spills as ptxas says, messages that point at the template, architectures.
 * Where NVRTC is not installed it says so, loudly, and checks only that rgc says so too. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda/templates.h"
#include "runtime/device/nvrtc.h"

static rgc_nvrtc *open_or_skip(rgc_diagnostics *diags) {
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(diags);
  if (!nvrtc) cr_log_error("SKIPPED: NVRTC is not here, so no kernel was compiled for a GPU (%s)", diags->items[0].message);
  return nvrtc;
}

static rgc_cubin *compile(const rgc_nvrtc *nvrtc, const char *text, const char *arch, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_template source = {"kernel.cu", text};
  return rgc_nvrtc_compile(nvrtc, &source, rgc_cuda_templates, rgc_cuda_template_count, arch, NULL, 0, arena, diags);
}

static const char two_kernels[] =
    "#include \"codegen/cuda/templates/prelude.cuh\"\n"
    "typedef struct many_args { float *x; } many_args;\n"
    "RGC_KERNEL(light, 64, 1, many_args) { args.x[threadIdx.x] = 1; }\n"
    "RGC_KERNEL(heavy, 1024, 2, many_args) {\n"
    "  float v[96]; for (int i = 0; i < 96; i++) v[i] = args.x[i * 1024 + threadIdx.x];\n"
    "  __syncthreads();\n"
    "  for (int k = 0; k < 8; k++) for (int i = 0; i < 96; i++) v[i] = fmaf(v[i], v[(i * 7 + 1) % 96], 1.0f);\n"
    "  for (int i = 0; i < 96; i++) args.x[i * 1024 + threadIdx.x] = v[i]; }\n";

Test(nvrtc, registers_and_spills) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_nvrtc *nvrtc = open_or_skip(&diags);
  const char *const archs[] = {"sm_80", "sm_90a", "sm_100"};
  for (int i = 0; nvrtc && i < 3; i++) {
    rgc_cubin *cubin = compile(nvrtc, two_kernels, archs[i], arena, &diags);
    cr_assert(cubin, "%s: %s", archs[i], diags.count ? diags.items[0].message : "");
    cr_assert_eq(memcmp(cubin->bytes, "\177ELF", 4), 0);
    cr_assert_eq(cubin->kernel_count, 2, "%d kernels in:\n%s", cubin->kernel_count, cubin->log);
    bool first = !strcmp(cubin->kernels[0].name, "light");
    const rgc_cubin_kernel *light = &cubin->kernels[!first], *heavy = &cubin->kernels[first];
    cr_assert_str_eq(light->name, "light");
    cr_assert(light->registers >= 4 && light->registers <= 32 && !light->spill_store_bytes, "%d registers", light->registers);
    cr_assert_eq(heavy->registers, 32, "two blocks of 1024 leave 32 registers, not %d", heavy->registers);
    cr_assert(heavy->spill_store_bytes > 0 && heavy->spill_load_bytes > 0 && heavy->stack_bytes > 0, "no spill in:\n%s", cubin->log);
    cr_assert_eq(heavy->barriers, 1);
  }
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(arena);
}

Test(nvrtc, messages_name_the_template_and_architectures_are_listed) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_nvrtc *nvrtc = open_or_skip(&diags);
  if (nvrtc) {
    rgc_template source = {"kernel.cu", "#include \"folder/broken.cuh\"\n"}, header = {"folder/broken.cuh", "\nint f() { return nothing; }\n"};
    cr_assert_null(rgc_nvrtc_compile(nvrtc, &source, &header, 1, "sm_80", NULL, 0, arena, &diags));
    cr_assert(strstr(diags.items[0].message, "folder/broken.cuh(2): error"), "%s", diags.items[0].message);
    cr_assert_null(compile(nvrtc, two_kernels, "sm_9", arena, &diags));
    cr_assert(strstr(diags.items[1].message, "'sm_9' is no architecture"), "%s", diags.items[1].message);
    cr_assert(strstr(diags.items[1].expected, "sm_90a"), "%s", diags.items[1].expected);
    cr_assert_not(rgc_nvrtc_check_architecture(nvrtc, "", &diags));
  }
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(arena);
}

Test(nvrtc, a_library_that_is_not_there) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  setenv("RGC_NVRTC", "/nowhere/libnvrtc.so", 1);
  cr_assert_null(rgc_nvrtc_open(&diags));
  cr_assert_str_eq(diags.items[0].at.file, "/nowhere/libnvrtc.so");
  rgc_arena_destroy(arena);
}
